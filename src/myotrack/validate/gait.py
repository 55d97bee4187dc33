"""How a body walks: its strides, and joint angles, ground forces, moments and muscles from strike to strike.

    walk = gait(Walker.of_trial(trial, anatomy))
    walk.parameters()["cadence"].mean            # steps per second
    walk.angle("knee_angle").mean                # 101 points, flexion is positive [rad]

Both feet are looked at as right ones: what the left does is taken from the mirror image of the body. So every curve is
that of a foot's own side, and 'outward' is to the right for the right foot and to the left for the left one.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from myotrack.anatomy.joints import positive_direction
from myotrack.anatomy.model import Anatomy
from myotrack.validate.events import Events
from myotrack.validate.joint_reaction import CROSSED
from myotrack.validate.walker import PELVIS, GaitError, Walker, forward_of, pelvis_angles

POINTS = 101
"""Of a curve, from 0 to 100 % of a cycle. Source: the usual grid of gait laboratories."""
JOINTS = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
ANGLES = (*PELVIS, *JOINTS)
LOADED = (*JOINTS, "subtalar_angle")
"""Joints of the leg whose moments and powers are told; a positive moment turns as a positive angle does."""
FORCES = ("fore_aft", "outward", "vertical")
"""Ground reaction on a foot: forward, to the foot's own side, up."""


def meaning(angle: str) -> str:
    """What a positive value of one of `ANGLES` means, in anatomical words."""
    return PELVIS.get(angle) or positive_direction(angle)


@dataclass(frozen=True)
class Stride:
    """One foot from a strike to its next."""

    begin: float
    """[s]"""
    end: float
    """[s]"""
    stance: float
    """Share of the stride for which the foot stands."""
    double: float
    """Share for which both feet do; NaN if the other was not seen to leave, as beside a force plate."""
    length: float
    """Way of the ankle along the direction of walking [m]."""
    step_length: float
    """How far the ankle is ahead of the other at the strike that ends the stride [m]."""
    step_width: float
    """And how far outward of it [m]."""
    step_time: float
    """From the other foot's strike to that which ends the stride [s]."""
    angles: Float[np.ndarray, "101 angle"]
    """Of the foot's own side, as `ANGLES` [rad]."""
    force: Float[np.ndarray, "101 3"] | None
    """On this foot, as `FORCES`, over body weight."""
    activation: Float[np.ndarray, "101 muscle"] | None
    """Of all muscles of the body, the foot's own side under the names of the right."""
    excitation: Float[np.ndarray, "101 muscle"] | None = None
    moment: Float[np.ndarray, "101 joint"] | None = None
    """Net, over body mass, of the foot's own side, as `LOADED` [N m/kg]."""
    power: Float[np.ndarray, "101 joint"] | None = None
    """Over body mass, positive where the joint gives energy [W/kg]."""
    reaction: Float[np.ndarray, "101 crossed"] | None = None
    """Size of the force of bone on bone, as `joint_reaction.CROSSED`, over body weight."""

    @property
    def time(self) -> float:
        """[s]"""
        return self.end - self.begin


@dataclass(frozen=True)
class Parameter:
    """One number of a gait, over all strides of both feet."""

    unit: str
    mean: float
    """NaN if no stride tells."""
    spread: float
    """Standard deviation over strides; NaN of a single one."""
    asymmetry: float
    """Right less left over their mean; NaN where one foot has no stride or the mean is zero, and of step width, which
    may be zero. Source: the symmetry index, doi:10.1186/s13102-021-00355-4, equation 1."""


@dataclass(frozen=True)
class Curve:
    """Something over a cycle, over all strides of both feet."""

    mean: Float[np.ndarray, "101"]
    spread: Float[np.ndarray, "101"]
    """Standard deviation over strides; zero of a single one."""


@dataclass(frozen=True)
class Gait:
    """Whole strides, and what was left out."""

    name: str
    anatomy: Anatomy
    right: tuple[Stride, ...]
    left: tuple[Stride, ...]
    partial: int
    """Pieces of a stride before the first and after the last strike of a foot."""
    irregular: int
    """Strides in which the other foot did not strike once, or this one did not leave the ground: no steps of a gait."""
    events: Events

    @property
    def strides(self) -> tuple[Stride, ...]:
        """Of both feet."""
        return self.right + self.left

    def parameters(self) -> dict[str, Parameter]:
        """By name: cadence, speed, stride, step, stance and double support."""

        def of(unit: str, value: Callable[[Stride], float], sided: bool = True) -> Parameter:
            right, left = ([value(stride) for stride in side] for side in (self.right, self.left))
            return parameter(unit, right, left, sided)

        return {
            "cadence": of("steps/s", lambda stride: 2 / stride.time),
            "speed": of("m/s", lambda stride: stride.length / stride.time),
            "stride_time": of("s", lambda stride: stride.time),
            "stride_length": of("m", lambda stride: stride.length),
            "step_time": of("s", lambda stride: stride.step_time),
            "step_length": of("m", lambda stride: stride.step_length),
            "step_width": of("m", lambda stride: stride.step_width, sided=False),
            "stance": of("of stride", lambda stride: stride.stance),
            "double_support": of("of stride", lambda stride: stride.double),
        }

    def angle(self, name: str) -> Curve:
        """One of `ANGLES` [rad].

        Raises:
            KeyError: There is none of that name.
        """
        return _curve([stride.angles[:, _place(name, ANGLES)] for stride in self.strides])

    def force(self, name: str) -> Curve:
        """One of `FORCES`, over body weight.

        Raises:
            KeyError: There is none of that name.
            GaitError: Forces are not known.
        """
        column = _place(name, FORCES)
        found = [stride.force[:, column] for stride in self.strides if stride.force is not None]
        if not found:
            raise GaitError(f"'{self.name}' has no ground reaction forces, so there are none over the cycle.")
        return _curve(found)

    def moment(self, joint: str) -> Curve:
        """Net moment at one of `LOADED`, over body mass [N m/kg].

        Raises:
            KeyError: There is none of that name.
            GaitError: Moments are not known.
        """
        return self._joint([stride.moment for stride in self.strides], joint, LOADED, "moments")

    def power(self, joint: str) -> Curve:
        """Its power over body mass [W/kg]; errors alike."""
        return self._joint([stride.power for stride in self.strides], joint, LOADED, "powers")

    def reaction(self, joint: str) -> Curve:
        """Size of the force of bone on bone in one of `joint_reaction.CROSSED`, over body weight; errors alike."""
        return self._joint([stride.reaction for stride in self.strides], joint, CROSSED, "reactions")

    def activation(self, share: Float[np.ndarray, "muscle"]) -> Curve:
        """Mean over muscles.

        Args:
            share: Of each muscle of the body, right ones for a foot's own side, as a row of `anatomy.electrodes.means`.

        Raises:
            GaitError: Activations are not known.
        """
        return self._muscles([stride.activation for stride in self.strides], share, "activations")

    def excitation(self, share: Float[np.ndarray, "muscle"]) -> Curve:
        """The same of what muscles are told, which is what EMG measures (`norms.as_emg`); errors alike."""
        return self._muscles([stride.excitation for stride in self.strides], share, "excitations")

    def muscle(self, name: str) -> Curve:
        """Activation of one muscle, named as on the right side.

        Raises:
            KeyError: The body has none of that name.
            GaitError: Activations are not known.
        """
        share = np.zeros(len(self.anatomy.muscles))
        share[_place(name, self.anatomy.muscle_names)] = 1.0
        return self.activation(share)

    def _joint(self, curves: list[np.ndarray | None], joint: str, names: tuple[str, ...], what: str) -> Curve:
        column = _place(joint, names)
        found = [curve[:, column] for curve in curves if curve is not None]
        if not found:
            raise GaitError(f"'{self.name}' has no joint {what}; give its walker those of `kinetics.loads`.")
        return _curve(found)

    def _muscles(self, curves: list[np.ndarray | None], share: Float[np.ndarray, "muscle"], what: str) -> Curve:
        found = [curve @ share for curve in curves if curve is not None]
        if not found:
            raise GaitError(f"'{self.name}' has no {what}, so there are none over the cycle.")
        return _curve(found)


def parameter(unit: str, right: Sequence[float], left: Sequence[float], sided: bool = True) -> Parameter:
    """One number over strides; those that do not tell it are left out.

    Args:
        unit: Of the numbers.
        right: Of the strides of the right foot; NaN where one does not tell.
        left: The same of the left foot.
        sided: Whether asymmetry means anything.
    """
    own, across = (np.array([value for value in side if not math.isnan(value)]) for side in (right, left))
    both = np.concatenate([own, across])
    uneven = math.nan
    if sided and len(own) and len(across) and own.mean() + across.mean():
        uneven = float(2 * (own.mean() - across.mean()) / (own.mean() + across.mean()))
    mean = float(both.mean()) if len(both) else math.nan
    return Parameter(unit, mean, float(both.std(ddof=1)) if len(both) > 1 else math.nan, uneven)


def gait(walker: Walker) -> Gait:
    """All whole strides of both feet.

    Raises:
        GaitError: There is none.
    """
    right, first = _strides(walker)
    left, second = _strides(walker.mirrored())
    partial = sum(_partial(walker.events, foot) for foot in range(2))
    if not right and not left:
        counts = [len(walker.events.strikes(foot)) for foot in range(2)]
        raise GaitError(
            f"'{walker.name}' has no whole stride: its right foot strikes the ground {counts[0]} times and its left "
            f"foot {counts[1]} times, and a stride is from one strike of a foot to its next with one of the other "
            "between."
        )
    return Gait(walker.name, walker.anatomy, right, left, partial, first + second, walker.events)


def _strides(walker: Walker) -> tuple[tuple[Stride, ...], int]:
    """Those of the right foot, and how many were irregular."""
    strikes, others = walker.events.strikes(0), walker.events.strikes(1)
    pairs = list(itertools.pairwise(strikes))
    found = []
    for begin, end in pairs:
        off = [time for time in walker.events.offs(0) if begin < time < end]
        between = [time for time in others if begin < time < end]
        if len(off) == len(between) == 1:
            found.append(_stride(walker, begin, end, off[0], between[0]))
    return tuple(found), len(pairs) - len(found)


def _stride(walker: Walker, begin: float, end: float, off: float, other: float) -> Stride:
    anatomy, rate = walker.anatomy, walker.rate
    times = np.arange(len(walker.pos)) / rate
    inside = slice(math.floor(begin * rate), math.ceil(end * rate) + 1)
    forward = forward_of(walker.pos[inside])
    outward = np.array([forward[1], -forward[0], 0.0])
    grid = np.linspace(begin, end, POINTS)

    def over(values: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(grid, times, column) for column in values.T], axis=1)

    columns = [anatomy.coordinate_names.index(f"{name}_r") + 1 for name in JOINTS]
    joints = [anatomy.coordinate_names.index(f"{name}_r") for name in LOADED]
    pelvis = pelvis_angles(walker.pos[:, 3:7], forward).numpy()
    ends = torch.as_tensor(over(walker.pos.numpy())[[0, -1]])
    ends[:, 3:7] = torch.nn.functional.normalize(ends[:, 3:7], dim=1)
    place = anatomy.kinematics.pose(ends).pos.numpy()
    own, across = (place[:, anatomy.landmarks.index(f"{side}_ankle")] for side in ("right", "left"))
    force = None
    if walker.force_w is not None:
        force = over(walker.force_w[:, 0]) @ np.stack([forward, outward, [0.0, 0.0, 1.0]], axis=1)
    both = sum(max(0.0, min(off, last) - max(begin, first)) for first, last in walker.events.left)
    seen = sum(begin < time < end for time in walker.events.offs(1)) == 1
    return Stride(
        begin=begin,
        end=end,
        stance=(off - begin) / (end - begin),
        double=both / (end - begin) if seen else math.nan,
        length=float((own[1] - own[0]) @ forward),
        step_length=float((own[1] - across[1]) @ forward),
        step_width=float((own[1] - across[1]) @ outward),
        step_time=end - other,
        angles=over(np.concatenate([pelvis, walker.pos[:, columns].numpy()], axis=1)),
        force=force,
        activation=None if walker.activation is None else over(walker.activation),
        excitation=None if walker.excitation is None else over(walker.excitation),
        moment=None if walker.moment is None else over(walker.moment[:, joints]),
        power=None if walker.power is None else over(walker.power[:, joints]),
        reaction=None if walker.reaction is None else over(walker.reaction[:, 0]),
    )


def _partial(events: Events, foot: int) -> int:
    """What of a foot's motion lies before its first and after its last strike."""
    strikes = events.strikes(foot)
    if not strikes:
        return 1
    return int(strikes[0] > events.span[0]) + int(strikes[-1] < events.span[1])


def _curve(rows: list[np.ndarray]) -> Curve:
    values = np.stack(rows)
    return Curve(values.mean(axis=0), values.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(POINTS))


def _place(name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise KeyError(f"Nothing is called '{name}' here; there are {', '.join(names[:20])}.")
    return names.index(name)
