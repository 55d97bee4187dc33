"""Compiled muscle forces of fitted paths, for one world at a time; `interval` calls them.

Numba compiles on first use (some seconds, kept on disk). It reads functions as they are written, so checks of
shapes stay away from them (`no_type_check`).
"""

from typing import no_type_check

import numba
import numpy as np

from myotrack.simulate.fitted import WIDTH

SUPPORT = 4
MOST_JOINTS, OUTPUTS = 4, 5


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def _weigh(at, knots, first, value, slope):
    """The first of the four neighbours along each axis, their weights, and the derivatives of these.

    Args:
        at: (axis,) joint angles [rad].
        knots: (3, axis) as of `pull_one`.
        first: (axis,) written.
        value, slope: (4, axis), written [1, 1/rad].
    """
    sixth = np.float32(1.0 / 6.0)
    for n in range(at.shape[0]):
        per_step, intervals = knots[1, n], knots[2, n]
        x = (at[n] - knots[0, n]) * per_step
        inside = min(max(x, np.float32(-0.5)), intervals + np.float32(0.5))
        cell = min(max(np.floor(inside), np.float32(0.0)), intervals - np.float32(1.0))
        first[n] = np.int32(cell)
        u = inside - cell
        v = np.float32(1.0) - u
        value[0, n] = v * v * v * sixth
        value[1, n] = (3 * u * u * u - 6 * u * u + 4) * sixth
        value[2, n] = (3 * v * v * v - 6 * v * v + 4) * sixth
        value[3, n] = u * u * u * sixth
        half = np.float32(0.5) * per_step if x == inside else np.float32(0.0)
        slope[0, n] = -v * v * half
        slope[1, n] = (3 * u * u - 4 * u) * half
        slope[2, n] = (4 * v - 3 * v * v) * half
        slope[3, n] = u * u * half


@no_type_check
def _adder(joints):
    """The sum over the cells around a posture, for terms of so many joints."""
    last, before = joints - 1, joints - 2

    @no_type_check
    def add(out, table, start, first, stride, value, slope):
        """Write lengths of `WIDTH` muscles, then derivatives by their joints, from the last to the first.

        The cells along the last two joints are summed before anything is stored.
        """
        v0, v1, v2, v3 = value[0, last], value[1, last], value[2, last], value[3, last]
        d0, d1, d2, d3 = slope[0, last], slope[1, last], slope[2, last], slope[3, last]
        if joints == 1:
            begin = start + first[0] * WIDTH
            a = table[begin : begin + SUPPORT * WIDTH]
            for m in range(WIDTH):
                a0, a1, a2, a3 = a[m], a[WIDTH + m], a[2 * WIDTH + m], a[3 * WIDTH + m]
                out[m] = v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
                out[WIDTH + m] = d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3
            return
        w0, w1, w2, w3 = value[0, before], value[1, before], value[2, before], value[3, before]
        e0, e1, e2, e3 = slope[0, before], slope[1, before], slope[2, before], slope[3, before]
        out[:] = 0.0
        step = stride[before] * WIDTH
        for corner in range(SUPPORT**before):
            place, weight = first[last] + first[before] * stride[before], np.float32(1.0)
            s0 = s1 = np.float32(1.0)
            for axis in range(before):
                near = (corner >> 2 * axis) & 3
                place += (first[axis] + near) * stride[axis]
                weight *= value[near, axis]
                s0 *= slope[near, axis] if axis == 0 else value[near, axis]
                s1 *= slope[near, axis] if axis == 1 else value[near, axis]
            begin = start + place * WIDTH
            a = table[begin : begin + SUPPORT * WIDTH]
            b = table[begin + step : begin + step + SUPPORT * WIDTH]
            c = table[begin + 2 * step : begin + 2 * step + SUPPORT * WIDTH]
            d = table[begin + 3 * step : begin + 3 * step + SUPPORT * WIDTH]
            for m in range(WIDTH):
                a0, a1, a2, a3 = a[m], a[WIDTH + m], a[2 * WIDTH + m], a[3 * WIDTH + m]
                b0, b1, b2, b3 = b[m], b[WIDTH + m], b[2 * WIDTH + m], b[3 * WIDTH + m]
                c0, c1, c2, c3 = c[m], c[WIDTH + m], c[2 * WIDTH + m], c[3 * WIDTH + m]
                f0, f1, f2, f3 = d[m], d[WIDTH + m], d[2 * WIDTH + m], d[3 * WIDTH + m]
                along_a = v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3
                along_b = v0 * b0 + v1 * b1 + v2 * b2 + v3 * b3
                along_c = v0 * c0 + v1 * c1 + v2 * c2 + v3 * c3
                along_d = v0 * f0 + v1 * f1 + v2 * f2 + v3 * f3
                turn_ab = w0 * (d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3) + w1 * (d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3)
                turn_cd = w2 * (d0 * c0 + d1 * c1 + d2 * c2 + d3 * c3) + w3 * (d0 * f0 + d1 * f1 + d2 * f2 + d3 * f3)
                here = w0 * along_a + w1 * along_b + w2 * along_c + w3 * along_d
                out[m] += weight * here
                out[WIDTH + m] += weight * (turn_ab + turn_cd)
                out[2 * WIDTH + m] += weight * (e0 * along_a + e1 * along_b + e2 * along_c + e3 * along_d)
                if joints == 3:
                    out[3 * WIDTH + m] += s0 * here
                if joints == 4:
                    out[3 * WIDTH + m] += s1 * here
                    out[4 * WIDTH + m] += s0 * here

    # Functions of one name share a file of Numba's cache, in which processes that compile at the same time may take one
    # for another.
    add.__qualname__ = f"_add{joints}"
    return numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(add)


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
def paths_one(z, layout, knots, table, out):
    """Lengths of all terms in a posture, and their derivatives; arguments as of `pull_one`.

    Args:
        z: Per coordinate.
        layout, knots, table: Of the fitted paths.
        out: (term, 5 * WIDTH), written as far as a term has joints: length [m] of each muscle, then its derivative by
            each joint, from the last to the first [m].
    """
    terms = layout.shape[0]
    axes = terms * MOST_JOINTS
    at, first = np.empty(axes, np.float32), np.empty(axes, np.int32)
    value, slope = np.empty((SUPPORT, axes), np.float32), np.empty((SUPPORT, axes), np.float32)
    for term in range(terms):
        for axis in range(MOST_JOINTS):
            at[term * MOST_JOINTS + axis] = z[layout[term, 3, axis]]
    _weigh(at, knots, first, value, slope)
    for term in range(terms):
        joints, start, stride = layout[term, 0, 0], layout[term, 0, 3], layout[term, 2]
        begin = term * MOST_JOINTS
        near, v, d = first[begin : begin + joints], value[:, begin : begin + joints], slope[:, begin : begin + joints]
        if joints == 1:
            _add1(out[term], table, start, near, stride, v, d)
        elif joints == 2:
            _add2(out[term], table, start, near, stride, v, d)
        elif joints == 3:
            _add3(out[term], table, start, near, stride, v, d)
        else:
            _add4(out[term], table, start, near, stride, v, d)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def pull_one(z, rate, state, layout, knots, muscles, table, curve, moment):
    """Lengths, velocities and forces of all muscles of a world, and what these do to the joints.

    Args:
        z, rate: Per coordinate; entries of a root are not read [rad, rad/s].
        state: (6, muscle) activation, excitation, strength, and, written here, length [m], velocity [m/s], force [N];
            strength is a factor on the peak force, and the force is negative, as MuJoCo's.
        layout: (term, 4, 4) first row joints, first place, muscles (of `WIDTH` places), first number in the table; then
            intervals, strides in cells, and coordinates of each joint.
        knots: (3, term * 4) first knot, one over the spacing, and intervals of each joint [rad, 1/rad, 1].
        muscles: Muscle of every place.
        table: Coefficients of all terms end to end, muscles of a cell side by side [m].
        curve: (12, muscle) `simulate.fitted.muscle_rows`.
        moment: Per coordinate, written [N m].
    """
    terms = layout.shape[0]
    out, speed = np.empty((terms, OUTPUTS * WIDTH), np.float32), np.empty(WIDTH, np.float32)
    length, velocity, force = state[3], state[4], state[5]
    length[:] = 0.0
    velocity[:] = 0.0
    paths_one(z, layout, knots, table, out)
    for term in range(terms):
        joints, here, owner = layout[term, 0, 0], out[term], muscles[term * WIDTH : (term + 1) * WIDTH]
        speed[:] = 0.0
        for row in range(1, joints + 1):
            along, turning = here[row * WIDTH : (row + 1) * WIDTH], np.float32(rate[layout[term, 3, joints - row]])
            for m in range(WIDTH):
                speed[m] += along[m] * turning
        for m in range(layout[term, 0, 2]):
            length[owner[m]] += here[m]
            velocity[owner[m]] += speed[m]
    _tension(length, velocity, state[0], state[2], curve, force)
    moment[:] = 0.0
    pull = speed
    for term in range(terms):
        joints, here, owner = layout[term, 0, 0], out[term], muscles[term * WIDTH : (term + 1) * WIDTH]
        for m in range(WIDTH):
            pull[m] = force[owner[m]]
        for row in range(1, joints + 1):
            along, twist = here[row * WIDTH : (row + 1) * WIDTH], np.float32(0.0)
            for m in range(WIDTH):
                twist += along[m] * pull[m]
            moment[layout[term, 3, joints - row]] += twist


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def arms_of(z, layout, knots, muscles, table, arm):
    """Moment arms of many worlds.

    Args:
        z: (world, coordinate).
        layout, knots, muscles, table: As of `pull_one`.
        arm: (world, muscle, coordinate), zero before, written [m].
    """
    out = np.empty((layout.shape[0], OUTPUTS * WIDTH), np.float32)
    for world in range(z.shape[0]):
        paths_one(z[world], layout, knots, table, out)
        for term in range(layout.shape[0]):
            joints = layout[term, 0, 0]
            for row in range(1, joints + 1):
                coordinate = layout[term, 3, joints - row]
                for m in range(WIDTH):
                    arm[world, muscles[term * WIDTH + m], coordinate] -= out[term, row * WIDTH + m]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
@no_type_check
def follow_one(state, curve, seconds):
    """Let activations follow excitations for one step of the physics, by MuJoCo's law and Euler's step."""
    for m in range(state.shape[1]):
        a, u = state[0, m], min(max(state[1, m], 0.0), 1.0)
        span = 0.5 + 1.5 * min(max(a, 0.0), 1.0)
        tau = curve[10, m] * span if u > a else curve[11, m] / span
        state[0, m] = a + seconds * (u - a) / max(tau, 1e-15)
