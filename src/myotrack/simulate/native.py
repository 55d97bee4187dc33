"""Compiled muscle forces of fitted paths, for one world at a time; `interval` calls them.

Numba compiles on first use (some seconds, kept on disk). It reads functions as they are written, so checks of
shapes stay away from them (`no_type_check`).
"""

from typing import no_type_check

import numba
import numpy as np

SUPPORT = 4
MOST_JOINTS, OUTPUTS = 4, 5
WIDTH = 16
"""Muscles of every term: so many at once are what processors are fast at (`fitted.in_blocks`)."""


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


@no_type_check
def _adder(joints):
    """The sum over the cells around a posture, for terms of so many joints."""
    last = joints - 1

    @numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
    @no_type_check
    def add(out, table, start, first, stride, value, slope):
        """Write lengths, then derivatives by the last joint and by the others, each of `WIDTH` muscles, into `out`.

        The four cells along the last joint lie side by side, and are summed before anything is stored.
        """
        v0, v1, v2, v3 = value[last, 0], value[last, 1], value[last, 2], value[last, 3]
        d0, d1, d2, d3 = slope[last, 0], slope[last, 1], slope[last, 2], slope[last, 3]
        out[:] = 0.0
        for corner in range(SUPPORT ** max(last - 1, 0)):
            place, weight = first[last], np.float32(1.0)
            s0 = s1 = np.float32(1.0)
            for axis in range(last - 1):
                near = (corner >> 2 * (last - 2 - axis)) & 3
                place += (first[axis] + near) * stride[axis]
                v, d = value[axis, near], slope[axis, near]
                weight *= v
                s0 *= d if axis == 0 else v
                s1 *= d if axis == 1 else v
            if last == 0:
                cells = table[start + place * WIDTH : start + (place + SUPPORT) * WIDTH]
                for m in range(WIDTH):
                    c0, c1, c2, c3 = cells[m], cells[WIDTH + m], cells[2 * WIDTH + m], cells[3 * WIDTH + m]
                    out[m] = v0 * c0 + v1 * c1 + v2 * c2 + v3 * c3
                    out[WIDTH + m] = d0 * c0 + d1 * c1 + d2 * c2 + d3 * c3
            else:
                place += first[last - 1] * stride[last - 1]
                step = stride[last - 1] * WIDTH
                begin = start + place * WIDTH
                q0 = table[begin : begin + SUPPORT * WIDTH]
                q1 = table[begin + step : begin + step + SUPPORT * WIDTH]
                q2 = table[begin + 2 * step : begin + 2 * step + SUPPORT * WIDTH]
                q3 = table[begin + 3 * step : begin + 3 * step + SUPPORT * WIDTH]
                w0, w1, w2, w3 = value[last - 1, 0], value[last - 1, 1], value[last - 1, 2], value[last - 1, 3]
                e0, e1, e2, e3 = slope[last - 1, 0], slope[last - 1, 1], slope[last - 1, 2], slope[last - 1, 3]
                for m in range(WIDTH):
                    a0, a1, a2, a3 = q0[m], q0[WIDTH + m], q0[2 * WIDTH + m], q0[3 * WIDTH + m]
                    b0, b1, b2, b3 = q1[m], q1[WIDTH + m], q1[2 * WIDTH + m], q1[3 * WIDTH + m]
                    c0, c1, c2, c3 = q2[m], q2[WIDTH + m], q2[2 * WIDTH + m], q2[3 * WIDTH + m]
                    f0, f1, f2, f3 = q3[m], q3[WIDTH + m], q3[2 * WIDTH + m], q3[3 * WIDTH + m]
                    a = v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
                    b = v0 * b0 + v1 * b1 + v2 * b2 + v3 * b3
                    c = v0 * c0 + v1 * c1 + v2 * c2 + v3 * c3
                    f = v0 * f0 + v1 * f1 + v2 * f2 + v3 * f3
                    g = w0 * (d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3) + w1 * (d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3)
                    h = w2 * (d0 * c0 + d1 * c1 + d2 * c2 + d3 * c3) + w3 * (d0 * f0 + d1 * f1 + d2 * f2 + d3 * f3)
                    here = w0 * a + w1 * b + w2 * c + w3 * f
                    out[m] += weight * here
                    out[WIDTH + m] += weight * (g + h)
                    out[2 * WIDTH + m] += weight * (e0 * a + e1 * b + e2 * c + e3 * f)
                    if last > 1:
                        out[3 * WIDTH + m] += s0 * here
                    if last > 2:
                        out[4 * WIDTH + m] += s1 * here

    return add


_add1, _add2, _add3, _add4 = _adder(1), _adder(2), _adder(3), _adder(4)


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
        total: Per place, written; the length of each term [m].
        bend: (4, place), written as far as a term has joints; its derivative by each of these [m].
    """
    value, slope = np.empty((MOST_JOINTS, SUPPORT), np.float32), np.empty((MOST_JOINTS, SUPPORT), np.float32)
    first = np.zeros(MOST_JOINTS, np.int64)
    out = np.empty(OUTPUTS * WIDTH, np.float32)
    for term in range(layout.shape[0]):
        joints, begin, start = layout[term, 0, 0], layout[term, 0, 1], layout[term, 0, 3]
        last, stride, coordinates = joints - 1, layout[term, 2], layout[term, 3]
        # Terms that follow each other may be parts of one.
        same = term > 0 and joints == layout[term - 1, 0, 0]
        for axis in range(joints):
            same = same and coordinates[axis] == layout[term - 1, 3, axis]
        if not same:
            for axis in range(joints):
                at = np.float32(z[coordinates[axis]])
                first[axis] = _axis(at, knots[term, 0, axis], knots[term, 1, axis], layout[term, 1, axis], value[axis],
                                    slope[axis])  # fmt: skip
        if joints == 1:
            _add1(out, table, start, first, stride, value, slope)
        elif joints == 2:
            _add2(out, table, start, first, stride, value, slope)
        elif joints == 3:
            _add3(out, table, start, first, stride, value, slope)
        else:
            _add4(out, table, start, first, stride, value, slope)
        end = begin + WIDTH
        total[begin:end] = out[:WIDTH]
        bend[last, begin:end] = out[WIDTH : 2 * WIDTH]
        if last > 0:
            bend[last - 1, begin:end] = out[2 * WIDTH : 3 * WIDTH]
        for axis in range(last - 1):
            bend[axis, begin:end] = out[(3 + axis) * WIDTH : (4 + axis) * WIDTH]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def pull_one(z, rate, state, layout, knots, muscles, table, curve, moment):
    """Lengths, velocities and forces of all muscles of a world, and what these do to the joints.

    Args:
        z, rate: Per coordinate; entries of a root are not read [rad, rad/s].
        state: (6, muscle) activation, excitation, strength, and, written here, length [m], velocity [m/s], force [N];
            strength is a factor on the peak force, and the force is negative, as MuJoCo's.
        layout: (term, 4, 4) first row joints, first muscle place, muscles (`WIDTH`), first number in the table; then
            intervals, strides in cells, and coordinates of each joint.
        knots: (term, 2, 4) first knot and one over the spacing of each joint [rad, 1/rad].
        muscles: Muscle of every place.
        table: Coefficients of all terms end to end, muscles of a cell side by side [m].
        curve: (12, muscle) `simulate.fitted.muscle_rows`.
        moment: Per coordinate, written [N m].
    """
    places = muscles.shape[0]
    total, bend = np.empty(places, np.float32), np.empty((MOST_JOINTS, places), np.float32)
    speed, pulled = np.zeros(places, np.float32), np.empty(places, np.float32)
    length, velocity, force = state[3], state[4], state[5]
    length[:] = 0.0
    velocity[:] = 0.0
    paths_one(z, layout, knots, table, total, bend)
    for term in range(layout.shape[0]):
        joints, begin = layout[term, 0, 0], layout[term, 0, 1]
        for axis in range(joints):
            turning = np.float32(rate[layout[term, 3, axis]])
            along, fast = bend[axis, begin : begin + WIDTH], speed[begin : begin + WIDTH]
            for m in range(WIDTH):
                fast[m] += along[m] * turning
    for here in range(places):
        length[muscles[here]] += total[here]
        velocity[muscles[here]] += speed[here]
    _tension(length, velocity, state[0], state[2], curve, force)
    for here in range(places):
        pulled[here] = np.float32(force[muscles[here]])
    moment[:] = 0.0
    for term in range(layout.shape[0]):
        joints, begin = layout[term, 0, 0], layout[term, 0, 1]
        for axis in range(joints):
            along, pull = bend[axis, begin : begin + WIDTH], pulled[begin : begin + WIDTH]
            twist = np.float32(0.0)
            for m in range(WIDTH):
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
        total, bend = np.empty(places, np.float32), np.empty((MOST_JOINTS, places), np.float32)
        paths_one(z[world], layout, knots, table, total, bend)
        for term in range(layout.shape[0]):
            joints, begin = layout[term, 0, 0], layout[term, 0, 1]
            for axis in range(joints):
                coordinate = layout[term, 3, axis]
                for here in range(begin, begin + WIDTH):
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
