"""Muscles that pull along fitted paths on Warp's devices, in single precision, beside a skeleton without tendons.

    measure   a thread per world and place (a term and one of its muscles): length, derivatives, rate of change
    tense     a thread per world and muscle, over its places: length, velocity, force
    turn      a thread per world and coordinate, over what moves with it: moment
    follow    a thread per world and muscle: activation, one step of the physics on

The same as `native.pull_one` and `native.follow_one`. Everything is gathered, nothing scattered, so sums run in the
same order every time. Warp reads functions as they are written, so checks of shapes stay away (`no_type_check`).
"""

from dataclasses import dataclass, fields
from typing import Any, no_type_check

import numpy as np
import torch
import warp as wp
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate import fitted

wp.set_module_options({"enable_backward": False})

FARTHEST = wp.constant(fitted.FARTHEST)
"""A joint angle beyond this, or one that is no number, is read as 0 [rad]: a world that has left the numbers must not
choose where to read. It is found lost after the interval."""
AXES = 4
"""A term has at most so many joints. They are counted from the last, which every term has: the others come first."""


@wp.func
@no_type_check
def _weights(at: float, low: float, per_step: float, intervals: int):
    """The first of the four neighbours along one joint, their weights, and the derivatives of these."""
    x = (at - low) * per_step
    inside = wp.clamp(x, -0.5, float(intervals) + 0.5)
    first = wp.clamp(int(wp.floor(inside)), 0, intervals - 1)
    u = inside - float(first)
    v = 1.0 - u
    sixth = 1.0 / 6.0
    value = sixth * wp.vec4(
        v * v * v, 3.0 * u * u * u - 6.0 * u * u + 4.0, 3.0 * v * v * v - 6.0 * v * v + 4.0, u * u * u
    )
    half = wp.where(x == inside, 0.5 * per_step, 0.0)
    slope = half * wp.vec4(-v * v, 3.0 * u * u - 4.0 * u, 4.0 * v - 3.0 * v * v, u * u)
    return first, value, slope


@wp.kernel
@no_type_check
def _measure(
    term_of: wp.array1d[int],
    heads: wp.array2d[int],
    axes: wp.array3d[int],
    knots: wp.array3d[float],
    table: wp.array1d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    part: wp.array2d[float],
    speed: wp.array2d[float],
    bend: wp.array3d[float],
):
    """Length of each place, its rate of change, and its derivative by each joint of its term."""
    world, place = wp.tid()
    term = term_of[place]
    unused, count = AXES - heads[term, 0], heads[term, 2]
    value, slope = wp.mat44(), wp.mat44()
    rate = wp.vec4()
    begin = heads[term, 3] + place - heads[term, 1]
    for axis in range(AXES):
        if axis >= unused:
            at = qpos[world, axes[term, 2, axis]]
            at = wp.where(wp.abs(at) < FARTHEST, at, 0.0)
            first, here, change = _weights(at, knots[term, 0, axis], knots[term, 1, axis], axes[term, 0, axis])
            value[axis] = here
            slope[axis] = change
            rate[axis] = qvel[world, axes[term, 3, axis]]
            begin += first * axes[term, 1, axis] * count
        else:
            value[axis] = wp.vec4(1.0, 0.0, 0.0, 0.0)
    length, turn = wp.float32(0.0), wp.vec4()
    for i in range(wp.where(unused < 1, 4, 1)):
        for j in range(wp.where(unused < 2, 4, 1)):
            for k in range(wp.where(unused < 3, 4, 1)):
                near = begin + count * (i * axes[term, 1, 0] + j * axes[term, 1, 1] + k * axes[term, 1, 2])
                row = wp.vec4(table[near], table[near + count], table[near + 2 * count], table[near + 3 * count])
                v3, s3 = wp.dot(value[3], row), wp.dot(slope[3], row)
                v0, v1, v2 = value[0, i], value[1, j], value[2, k]
                s0, s1, s2 = slope[0, i], slope[1, j], slope[2, k]
                length += v0 * v1 * v2 * v3
                turn += wp.vec4(s0 * v1 * v2 * v3, v0 * s1 * v2 * v3, v0 * v1 * s2 * v3, v0 * v1 * v2 * s3)
    part[world, place] = length
    speed[world, place] = wp.dot(rate, turn)
    for axis in range(AXES):
        bend[world, axis, place] = turn[axis]


@wp.func
@no_type_check
def _tension(length: float, velocity: float, activation: float, curve: wp.array2d[float], m: int):
    """MuJoCo's muscle, gain times activation, and bias [N]; `curve` is `fitted.muscle_rows`."""
    low, high, eccentric, stretch = curve[3, m], curve[4, m], curve[6, m], curve[9, m]
    at = curve[0, m] + (length - curve[1, m]) * curve[2, m]
    v = velocity * curve[2, m] * curve[5, m]
    left, right = 0.5 * (low + 1.0), 0.5 * (1.0 + high)
    hump = 0.0
    if at >= low and at <= high:
        if at <= left:
            x = (at - low) / (left - low)
            hump = 0.5 * x * x
        elif at <= 1.0:
            x = (1.0 - at) / (1.0 - left)
            hump = 1.0 - 0.5 * x * x
        elif at <= right:
            x = (at - 1.0) / (right - 1.0)
            hump = 1.0 - 0.5 * x * x
        else:
            x = (high - at) / (high - right)
            hump = 0.5 * x * x
    beyond = eccentric - 1.0
    rapid = eccentric
    if v <= -1.0:
        rapid = 0.0
    elif v <= 0.0:
        rapid = (v + 1.0) * (v + 1.0)
    elif v <= beyond:
        rapid = eccentric - (beyond - v) * (beyond - v) / beyond
    tight = 0.0
    if at > stretch:
        tight = 0.5 + (at - stretch) / (stretch - 1.0)
    elif at > 1.0:
        x = (at - 1.0) / (stretch - 1.0)
        tight = 0.5 * x * x
    return curve[7, m] * (hump * rapid * activation + curve[8, m] * tight)


@wp.kernel
@no_type_check
def _tense(
    starts: wp.array1d[int],
    places: wp.array1d[int],
    curve: wp.array2d[float],
    part: wp.array2d[float],
    speed: wp.array2d[float],
    act: wp.array2d[float],
    strength: wp.array2d[float],
    length: wp.array2d[float],
    velocity: wp.array2d[float],
    force: wp.array2d[float],
):
    """Length, velocity and force of each muscle from those of its places."""
    world, muscle = wp.tid()
    whole, fast = wp.float32(0.0), wp.float32(0.0)
    for entry in range(starts[muscle], starts[muscle + 1]):
        whole += part[world, places[entry]]
        fast += speed[world, places[entry]]
    length[world, muscle] = whole
    velocity[world, muscle] = fast
    force[world, muscle] = -strength[world, muscle] * _tension(whole, fast, act[world, muscle], curve, muscle)


@wp.kernel
@no_type_check
def _turn(
    starts: wp.array1d[int],
    entries: wp.array2d[int],
    dofs: wp.array1d[int],
    owner: wp.array1d[int],
    bend: wp.array3d[float],
    force: wp.array2d[float],
    moment: wp.array2d[float],
    passive: wp.array2d[float],
):
    """What the muscles do to each coordinate, added to what springs and dampers do."""
    world, coordinate = wp.tid()
    twist = wp.float32(0.0)
    for entry in range(starts[coordinate], starts[coordinate + 1]):
        place = entries[entry, 1]
        twist += bend[world, entries[entry, 0], place] * force[world, owner[place]]
    moment[world, coordinate] = twist
    passive[world, dofs[coordinate]] += twist


@wp.kernel
@no_type_check
def _follow(curve: wp.array2d[float], timestep: float, ctrl: wp.array2d[float], act: wp.array2d[float]):
    """Let activations follow excitations for one step of the physics, by MuJoCo's law and Euler's step."""
    world, muscle = wp.tid()
    a, u = act[world, muscle], wp.clamp(ctrl[world, muscle], 0.0, 1.0)
    span = 0.5 + 1.5 * wp.clamp(a, 0.0, 1.0)
    tau = wp.where(u > a, curve[10, muscle] * span, curve[11, muscle] / span)
    act[world, muscle] = a + timestep * (u - a) / wp.max(tau, 1e-15)


@dataclass(frozen=True)
class MuscleData:
    """Warp arrays with a row per world; what MuJoCo has too is called as there."""

    act: Any
    ctrl: Any
    strength: Any
    """(world, muscle): factor on the peak force, active and passive."""
    actuator_length: Any
    actuator_velocity: Any
    actuator_force: Any
    """(world, muscle): negative when pulling [N]."""
    part: Any
    """(world, place): length of a term of a muscle [m]."""
    speed: Any
    """(world, place): its rate of change [m/s]."""
    bend: Any
    """(world, axis, place): its derivative by each joint of the term [m]."""
    moment: Any
    """(world, coordinate): of all muscles on the independent coordinates [N m]."""


class WarpMuscles:
    """All muscles of all worlds; arrays of a device, written in place."""

    def __init__(self, anatomy: Anatomy, worlds: int, timestep: float, device: str | torch.device) -> None:
        """Prepare muscles at rest.

        Args:
            anatomy: A body with fitted paths.
            worlds: How many.
            timestep: Of the physics [s].
            device: Warp's name of it, or torch's.

        Raises:
            ValueError: The body has no fitted paths, or a muscle has a parameter that is not written out here.
        """
        if anatomy.fitted is None:
            raise ValueError(f"MuJoCo wraps the paths of the body '{anatomy.title}'; load '{anatomy.name}:paths'.")
        fitted.check_muscles(anatomy)
        self._device, self._timestep = wp.get_device(str(device)), timestep
        couplings, muscles = anatomy.couplings, anatomy.model.nu
        # One place per rate: of a root's place and quaternion, which no muscle needs, the first is left out.
        pos, rate = couplings.pos_index.numpy()[1 if anatomy.free else 0 :], couplings.rate_index.numpy()
        layout, knots, owner, table = fitted.laid_out(anatomy.fitted)
        layout, knots, coordinate = _from_the_last(layout, knots)
        heads, intervals, strides = layout[:, 0], layout[:, 1], layout[:, 2]
        axes = np.stack([intervals, strides, pos[coordinate], rate[coordinate]], axis=1)
        term_of = np.repeat(np.arange(len(heads)), heads[:, 2])
        moves = coordinate[term_of].T.ravel()  # By axis, then place; -1 where a term has no such joint.
        starts, entries = _grouped(moves, len(rate))
        entries = np.stack(np.divmod(entries, len(owner)), axis=1)
        self._paths = self._sent(term_of, heads, axes, knots, table)
        self._of_muscle = self._sent(*_grouped(owner, muscles), fitted.muscle_rows(anatomy.model))
        self._of_coordinate = self._sent(starts, entries, rate, owner)
        self._used = torch.from_numpy(np.flatnonzero(moves >= 0)).to(device)
        self._arm_place = torch.from_numpy(np.tile(owner, AXES) * len(rate) + moves).to(device)[self._used]
        shapes = {"part": (len(owner),), "speed": (len(owner),), "bend": (AXES, len(owner)), "moment": (len(rate),)}
        names = [field.name for field in fields(MuscleData)]
        rows = {name: wp.zeros((worlds, *shapes.get(name, (muscles,))), float, device=self._device) for name in names}
        self.data = MuscleData(**rows)
        self.data.strength.fill_(1.0)

    def pull(self, model: Any, data: Any) -> None:
        """Lengths, velocities, forces and moments in the present posture; MuJoCo Warp's callback for passive forces."""
        own = self.data
        measured = [own.part, own.speed, own.bend]
        pulling = [own.actuator_length, own.actuator_velocity, own.actuator_force]
        self._launch(_measure, own.part, [*self._paths, data.qpos, data.qvel, *measured])
        self._launch(_tense, own.act, [*self._of_muscle, own.part, own.speed, own.act, own.strength, *pulling])
        turned = [own.bend, own.actuator_force, own.moment, data.qfrc_passive]
        self._launch(_turn, own.moment, [*self._of_coordinate, *turned])

    def follow(self) -> None:
        """Activations follow excitations for one step of the physics."""
        curve = self._of_muscle[-1]
        self._launch(_follow, self.data.act, [curve, self._timestep, self.data.ctrl, self.data.act])

    def arms(self) -> Float[Tensor, "world muscle coordinate"]:
        """Moment arms in the posture of the last pull [m]."""
        worlds, muscles, coordinates = *self.data.act.shape, self.data.moment.shape[1]
        bend = wp.to_torch(self.data.bend).flatten(1)[:, self._used]
        arm = bend.new_zeros(worlds, muscles * coordinates).index_add_(1, self._arm_place, -bend)
        return arm.view(worlds, muscles, coordinates)

    def _launch(self, kernel: Any, threads: Any, arrays: list[Any]) -> None:
        """Run a kernel once per number of an array."""
        wp.launch(kernel, dim=threads.shape, inputs=arrays, device=self._device)

    def _sent(self, *arrays: np.ndarray) -> list[Any]:
        """Arrays on the device, in 32 bits."""
        kinds = [int if array.dtype.kind == "i" else float for array in arrays]
        return [wp.array(array, dtype=kind, device=self._device) for array, kind in zip(arrays, kinds, strict=True)]


def _from_the_last(layout: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layout and knots of `fitted.laid_out` with the joints of a term in the last columns, and their coordinates.

    Unused columns are zero; of coordinates they are -1.
    """
    layout, knots = layout.copy(), knots.copy()
    coordinate = np.full((len(layout), AXES), -1)
    for row, joints in enumerate(layout[:, 0, 0]):
        layout[row, 1:] = np.roll(layout[row, 1:], AXES - joints, axis=1)
        knots[row] = np.roll(knots[row], AXES - joints, axis=1)
        coordinate[row, AXES - joints :] = layout[row, 3, AXES - joints :]
    return layout, knots, coordinate


def _grouped(keys: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the groups 0, 1, ... starts and the last one ends, and the indices of `keys` sorted by group."""
    order = np.argsort(keys, kind="stable")
    return np.searchsorted(keys[order], np.arange(groups + 1)), order
