"""Compiled muscle forces of fitted paths, for one world at a time; `hook` calls them from within MuJoCo.

Numba compiles on first use (some seconds, kept on disk). It reads functions as they are written, so checks of
shapes stay away from them (`no_type_check`).
"""

from typing import no_type_check

import numba
import numpy as np

SUPPORT = 4
MOST_JOINTS, MOST_CORNERS = 4, 64


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _axis(at, low, per_step, intervals, value, slope):
    """Weights of the four neighbours along one joint, and their derivatives; returns the first neighbour."""
    x = (at - low) * per_step
    inside = min(max(x, np.float32(-0.5)), np.float32(intervals) + np.float32(0.5))
    first = int(min(max(np.floor(inside), 0.0), intervals - 1.0))
    u = np.float32(inside - first)
    v = np.float32(1.0) - u
    sixth = np.float32(1.0 / 6.0)
    value[0] = v * v * v * sixth
    value[1] = (3 * u * u * u - 6 * u * u + 4) * sixth
    value[2] = (3 * v * v * v - 6 * v * v + 4) * sixth
    value[3] = u * u * u * sixth
    half = np.float32(0.5) * per_step if x == inside else np.float32(0.0)
    slope[0] = -v * v * half
    slope[1] = (3 * u * u - 4 * u) * half
    slope[2] = (4 * v - 3 * v * v) * half
    slope[3] = u * u * half
    return first


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _corners(joints, value, slope, first, stride, place, weight, slopes):
    """Products of the weights along all joints of a term; returns how many corners there are."""
    count = 1
    place[0] = 0
    weight[0] = 1.0
    for other in range(joints):
        slopes[other, 0] = 1.0
    for axis in range(joints):
        # From the back, so that what is read has not been overwritten.
        for old in range(count - 1, -1, -1):
            for near in range(SUPPORT - 1, -1, -1):
                new = old * SUPPORT + near
                place[new] = place[old] + (first[axis] + near) * stride[axis]
                for other in range(joints):
                    factor = slope[axis, near] if other == axis else value[axis, near]
                    slopes[other, new] = slopes[other, old] * factor
                weight[new] = weight[old] * value[axis, near]
        count *= SUPPORT
    return count


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _add1(out, last, table, start, place, weight, slopes, corners, value, slope):
    """Add what the cells around a posture weigh to lengths and slopes; written out for each number of joints.

    The four cells along the last joint lie side by side, and are summed before anything is stored.
    """
    count = out.shape[0]
    v0, v1, v2, v3 = value[0], value[1], value[2], value[3]
    d0, d1, d2, d3 = slope[0], slope[1], slope[2], slope[3]
    for corner in range(corners):
        begin = start + place[corner] * count
        row0, row1 = table[begin : begin + count], table[begin + count : begin + 2 * count]
        row2, row3 = table[begin + 2 * count : begin + 3 * count], table[begin + 3 * count : begin + 4 * count]
        w = weight[corner]
        for m in range(count):
            r0, r1, r2, r3 = row0[m], row1[m], row2[m], row3[m]
            here = v0 * r0 + v1 * r1 + v2 * r2 + v3 * r3
            out[m] += w * here
            last[m] += w * (d0 * r0 + d1 * r1 + d2 * r2 + d3 * r3)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _add2(out, s0, last, table, start, place, weight, slopes, corners, value, slope):
    count = out.shape[0]
    v0, v1, v2, v3 = value[0], value[1], value[2], value[3]
    d0, d1, d2, d3 = slope[0], slope[1], slope[2], slope[3]
    for corner in range(corners):
        begin = start + place[corner] * count
        row0, row1 = table[begin : begin + count], table[begin + count : begin + 2 * count]
        row2, row3 = table[begin + 2 * count : begin + 3 * count], table[begin + 3 * count : begin + 4 * count]
        w, a0 = weight[corner], slopes[0, corner]
        for m in range(count):
            r0, r1, r2, r3 = row0[m], row1[m], row2[m], row3[m]
            here = v0 * r0 + v1 * r1 + v2 * r2 + v3 * r3
            out[m] += w * here
            last[m] += w * (d0 * r0 + d1 * r1 + d2 * r2 + d3 * r3)
            s0[m] += a0 * here


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _add3(out, s0, s1, last, table, start, place, weight, slopes, corners, value, slope):
    count = out.shape[0]
    v0, v1, v2, v3 = value[0], value[1], value[2], value[3]
    d0, d1, d2, d3 = slope[0], slope[1], slope[2], slope[3]
    for corner in range(corners):
        begin = start + place[corner] * count
        row0, row1 = table[begin : begin + count], table[begin + count : begin + 2 * count]
        row2, row3 = table[begin + 2 * count : begin + 3 * count], table[begin + 3 * count : begin + 4 * count]
        w, a0, a1 = weight[corner], slopes[0, corner], slopes[1, corner]
        for m in range(count):
            r0, r1, r2, r3 = row0[m], row1[m], row2[m], row3[m]
            here = v0 * r0 + v1 * r1 + v2 * r2 + v3 * r3
            out[m] += w * here
            last[m] += w * (d0 * r0 + d1 * r1 + d2 * r2 + d3 * r3)
            s0[m] += a0 * here
            s1[m] += a1 * here


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _add4(out, s0, s1, s2, last, table, start, place, weight, slopes, corners, value, slope):
    count = out.shape[0]
    v0, v1, v2, v3 = value[0], value[1], value[2], value[3]
    d0, d1, d2, d3 = slope[0], slope[1], slope[2], slope[3]
    for corner in range(corners):
        begin = start + place[corner] * count
        row0, row1 = table[begin : begin + count], table[begin + count : begin + 2 * count]
        row2, row3 = table[begin + 2 * count : begin + 3 * count], table[begin + 3 * count : begin + 4 * count]
        w, a0, a1, a2 = weight[corner], slopes[0, corner], slopes[1, corner], slopes[2, corner]
        for m in range(count):
            r0, r1, r2, r3 = row0[m], row1[m], row2[m], row3[m]
            here = v0 * r0 + v1 * r1 + v2 * r2 + v3 * r3
            out[m] += w * here
            last[m] += w * (d0 * r0 + d1 * r1 + d2 * r2 + d3 * r3)
            s0[m] += a0 * here
            s1[m] += a1 * here
            s2[m] += a2 * here


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _tension(length, velocity, activation, strength, curve, force):
    """MuJoCo's muscle: gain times activation, and bias."""
    for m in range(length.shape[0]):
        shortest, path_low, per_fibre, low, high = curve[0, m], curve[1, m], curve[2, m], curve[3, m], curve[4, m]
        per_speed, eccentric, peak, passive, stretch = curve[5, m], curve[6, m], curve[7, m], curve[8, m], curve[9, m]
        at = shortest + (length[m] - path_low) * per_fibre
        v = velocity[m] * per_fibre * per_speed
        left, right = 0.5 * (low + 1.0), 0.5 * (1.0 + high)
        x1, x2, x3, x4 = (at - low) / (left - low), (1.0 - at) / (1.0 - left), (at - 1.0) / (right - 1.0), (
            high - at) / (high - right)  # fmt: skip
        hump = 0.5 * x1 * x1 if at <= left else (1.0 - 0.5 * x2 * x2 if at <= 1.0 else (
            1.0 - 0.5 * x3 * x3 if at <= right else 0.5 * x4 * x4))  # fmt: skip
        hump = hump if (at >= low) and (at <= high) else 0.0
        y = eccentric - 1.0
        gap = y - v
        speed = (v + 1.0) * (v + 1.0) if v <= 0.0 else (eccentric - gap * gap / y if v <= y else eccentric)
        speed = speed if v > -1.0 else 0.0
        x5, x6 = (at - 1.0) / (stretch - 1.0), (at - stretch) / (stretch - 1.0)
        tight = 0.0 if at <= 1.0 else (0.5 * x5 * x5 if at <= stretch else 0.5 + x6)
        force[m] = -strength[m] * peak * (hump * speed * activation[m] + passive * tight)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def paths_one(z, layout, knots, table, total, bend):
    """Lengths of all terms in a posture, and their derivatives; arguments as of `pull_one`.

    Args:
        z: Per coordinate.
        layout, knots, table: Of the fitted paths.
        total: Per place, zero before; the length of each term [m].
        bend: (4, place), zero before; its derivative by each of its joints [m].
    """
    value, slope = np.empty((MOST_JOINTS, SUPPORT), np.float32), np.empty((MOST_JOINTS, SUPPORT), np.float32)
    first = np.empty(MOST_JOINTS, np.int64)
    place, weight = np.empty(MOST_CORNERS, np.int64), np.empty(MOST_CORNERS, np.float32)
    slopes = np.empty((MOST_JOINTS, MOST_CORNERS), np.float32)
    for term in range(layout.shape[0]):
        joints, begin, count, start = layout[term, 0, 0], layout[term, 0, 1], layout[term, 0, 2], layout[term, 0, 3]
        coordinates, end = layout[term, 3], begin + count
        for axis in range(joints):
            at = np.float32(z[coordinates[axis]])
            first[axis] = _axis(at, knots[term, 0, axis], knots[term, 1, axis], layout[term, 1, axis], value[axis],
                                slope[axis])  # fmt: skip
        corners = _corners(joints - 1, value, slope, first, layout[term, 2], place, weight, slopes)
        for corner in range(corners):
            place[corner] += first[joints - 1]
        out, s0, s1 = total[begin:end], bend[0, begin:end], bend[1, begin:end]
        s2, s3 = bend[2, begin:end], bend[3, begin:end]
        v, d = value[joints - 1], slope[joints - 1]
        if joints == 1:
            _add1(out, s0, table, start, place, weight, slopes, corners, v, d)
        elif joints == 2:
            _add2(out, s0, s1, table, start, place, weight, slopes, corners, v, d)
        elif joints == 3:
            _add3(out, s0, s1, s2, table, start, place, weight, slopes, corners, v, d)
        else:
            _add4(out, s0, s1, s2, s3, table, start, place, weight, slopes, corners, v, d)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def pull_one(z, rate, state, layout, knots, muscles, table, curve, moment):
    """Lengths, velocities and forces of all muscles of a world, and what these do to the joints.

    Args:
        z, rate: Per coordinate; entries of a root are not read [rad, rad/s].
        state: (6, muscle) activation, excitation, strength, and, written here, length [m], velocity [m/s], force [N];
            strength is a factor on the peak force, and the force is negative, as MuJoCo's.
        layout: (term, 4, 4) first row joints, first muscle place, muscles, first number in the table; then intervals,
            strides in cells, and coordinates of each joint.
        knots: (term, 2, 4) first knot and one over the spacing of each joint [rad, 1/rad].
        muscles: Muscle of every place.
        table: Coefficients of all terms end to end, muscles of a cell side by side [m].
        curve: (12, muscle) `simulate.fitted.muscle_rows`.
        moment: Per coordinate, written [N m].
    """
    places = muscles.shape[0]
    total, bend = np.zeros(places, np.float32), np.zeros((MOST_JOINTS, places), np.float32)
    speed, pulled = np.zeros(places, np.float32), np.empty(places, np.float32)
    length, velocity, force = state[3], state[4], state[5]
    length[:] = 0.0
    velocity[:] = 0.0
    paths_one(z, layout, knots, table, total, bend)
    for term in range(layout.shape[0]):
        joints, begin, count = layout[term, 0, 0], layout[term, 0, 1], layout[term, 0, 2]
        for axis in range(joints):
            turning = np.float32(rate[layout[term, 3, axis]])
            along, fast = bend[axis, begin : begin + count], speed[begin : begin + count]
            for m in range(count):
                fast[m] += along[m] * turning
    for here in range(places):
        length[muscles[here]] += total[here]
        velocity[muscles[here]] += speed[here]
    _tension(length, velocity, state[0], state[2], curve, force)
    for here in range(places):
        pulled[here] = np.float32(force[muscles[here]])
    moment[:] = 0.0
    for term in range(layout.shape[0]):
        joints, begin, count = layout[term, 0, 0], layout[term, 0, 1], layout[term, 0, 2]
        for axis in range(joints):
            along, pull = bend[axis, begin : begin + count], pulled[begin : begin + count]
            twist = np.float32(0.0)
            for m in range(count):
                twist += along[m] * pull[m]
            moment[layout[term, 3, axis]] += twist


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def arms_of(z, layout, knots, muscles, table, arm):
    """Moment arms of many worlds.

    Args:
        z: (world, coordinate).
        layout, knots, muscles, table: As of `pull_one`.
        arm: (world, muscle, coordinate), zero before, written [m].
    """
    places = muscles.shape[0]
    for world in range(z.shape[0]):
        total, bend = np.zeros(places, np.float32), np.zeros((MOST_JOINTS, places), np.float32)
        paths_one(z[world], layout, knots, table, total, bend)
        for term in range(layout.shape[0]):
            joints, begin, count = layout[term, 0, 0], layout[term, 0, 1], layout[term, 0, 2]
            for axis in range(joints):
                coordinate = layout[term, 3, axis]
                for here in range(begin, begin + count):
                    arm[world, muscles[here], coordinate] -= bend[axis, here]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def follow_one(state, curve, seconds):
    """Let activations follow excitations for one step of the physics, by MuJoCo's law and Euler's step."""
    for m in range(state.shape[1]):
        a, u = state[0, m], min(max(state[1, m], 0.0), 1.0)
        span = 0.5 + 1.5 * min(max(a, 0.0), 1.0)
        tau = curve[10, m] * span if u > a else curve[11, m] / span
        state[0, m] = a + seconds * (u - a) / max(tau, 1e-15)
