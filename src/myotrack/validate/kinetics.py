"""What loads a walking body: joint moments, powers and work, and what the ground does to the feet, stride by stride.

    walk = kinetics(Walker.of_trial(trial, anatomy), loads(trial, anatomy))
    walk.gait.moment("ankle_angle").mean         # 101 points, dorsiflexion is positive [N m/kg]
    walk.gait.power("ankle_angle").mean          # [W/kg]
    walk.work("ankle_angle").positive.mean       # [J/kg] of a stride
    walk.gait.reaction("knee").mean              # force of bone on bone, over body weight
    walk.ground()["first_peak"].mean             # over body weight

Moments are those of inverse dynamics: what muscles, ligaments and whatever else crosses a joint make together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.lowpass import lowpass
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import CUTOFF, smoothed
from myotrack.steer.ground import Ground
from myotrack.steer.static import Movement, movement
from myotrack.validate.gait import LOADED, Gait, Parameter, Stride, gait, parameter
from myotrack.validate.joint_reaction import joint_reactions
from myotrack.validate.opensim import net_moments
from myotrack.validate.tracking import body_weight
from myotrack.validate.trials import Trial
from myotrack.validate.walker import GaitError, Walker, forward_of

RISE = (0.2, 0.8)
"""Shares of the time from strike to first peak between which the mean slope is the loading rate. Source: method B of
doi:10.1055/s-0042-107248, for the impact peak of running."""


@dataclass(frozen=True)
class Loads:
    """What the joints of a moving body make, frame by frame, over its mass."""

    moment: Float[Tensor, "frame coordinate"]
    """Net moments of the independent coordinates, positive as their angles are [N m/kg]; zero at a free root."""
    power: Float[Tensor, "frame coordinate"]
    """Moment times rate, positive where a joint gives energy [W/kg]; zero at a free root."""
    residual: Float[Tensor, "frame _"]
    """At a free root, what motion and ground forces leave unexplained: force in the world, moment in the frame of the
    root [N, N m]; anything else that holds the body is in it."""
    mass: float
    """Of the body [kg]."""
    measured: Bool[Tensor, "frame"]
    """Whether the ground forces explain the vertical motion (`steer.static.Movement.measured`)."""
    reaction: Float[Tensor, "frame foot joint 3"] | None = None
    """Force on the bone below each of `joint_reaction.CROSSED` from the bone above, right then left, in the world over
    body weight; None if tensions or accelerations are not known."""


def loads(trial: Trial, anatomy: Anatomy, cutoff: float = CUTOFF) -> Loads:
    """Those of a roll-out, by inverse dynamics from its motion and the forces under its feet.

    Motion and forces are low-passed alike, as those of people are. A foot's force acts at its centre of pressure; its
    free moment, which a trial does not keep, is left out. In static optimisation moments are known already, and
    nothing is filtered again.

    Args:
        trial: Of the full body, at `clips.clip.RATE`.
        anatomy: Its body.
        cutoff: Of the low-pass [Hz].

    Raises:
        GaitError: The body has no feet, or the trial has another rate.
        ValueError: It is another body, or the trial is too short to be filtered.
    """
    trial.check(anatomy)
    if trial.foot_force_w.shape[1] != 2:
        raise GaitError(f"'{trial.name}' is of the body '{anatomy.name}', which has no feet for the ground to load.")
    if not trial.simulated:
        mass = float(anatomy.model.body_mass.sum())
        measured = torch.ones(trial.frames, dtype=torch.bool)
        return _over_mass(
            net_moments(trial, anatomy), trial.vel.double(), trial.residual[:, :6].double(), mass, measured
        )
    if trial.rate != RATE:
        raise GaitError(f"'{trial.name}' has {trial.rate:g} frames per second; record it again with {RATE:g}.")
    rates = torch.zeros_like(trial.vel)
    stood = trial.region_force_w.norm(dim=-1) > 0
    clip = Clip(
        name=trial.name, body=trial.body, fingers=trial.fingers, body_hash=trial.body_hash, sizes=trial.sizes,
        pos=trial.pos.double(), vel=rates, acc=rates, contact=stood,
    )  # fmt: skip
    clip = smoothed(clip, cutoff)
    force, centre = trial.foot_force_w.double(), trial.foot_cop_w.double()
    force, moment, tension = (
        torch.as_tensor(lowpass(each.double().numpy(), RATE, cutoff).copy())
        for each in (force, torch.linalg.cross(centre, force), trial.muscle_force)
    )
    ground = Ground(force, moment)
    return loads_of(movement(clip, anatomy, ground, threads=1), clip, ground, tension)


def loads_of(
    movement: Movement, clip: Clip, ground: Ground | None = None, tension: Float[Tensor, "frame muscle"] | None = None
) -> Loads:
    """Those of a recording with ground forces (`steer.static.recorded`).

    Args:
        movement: The equations, in which springs and dampers of the joints have been paid already; they are put back.
        clip: The motion that they are of.
        ground: On its feet. Only the reaction of the joints asks for it.
        tension: Of the muscles, best `steer.static.Pulled.tension`; without it no reaction of the joints is known [N].
    """
    anatomy = movement.anatomy
    found = _over_mass(
        movement.forces + movement.mechanics.passive,
        clip.vel.double(),
        movement.forces[:, :6],
        float(anatomy.model.body_mass.sum()),
        movement.measured,
    )
    if ground is None or tension is None:
        return found
    return replace(found, reaction=joint_reactions(clip, anatomy, ground, tension) / body_weight(anatomy))


def _over_mass(moment: Tensor, vel: Tensor, residual: Tensor, mass: float, measured: Tensor) -> Loads:
    moment = moment / mass
    moment[:, :6] = 0.0
    return Loads(moment, moment * vel, residual, mass, measured)


@dataclass(frozen=True)
class Reaction:
    """What the ground does to one foot over a stride; forces over body weight."""

    first_peak: float
    """Greatest vertical force in the first half of the stance."""
    valley: float
    """Least between the two peaks."""
    second_peak: float
    """Greatest in the second half."""
    loading_rate: float
    """Mean slope of the vertical force between `RISE` of the time from strike to first peak [1/s]."""
    braking_peak: float
    """Greatest force backward."""
    propulsive_peak: float
    """Greatest force forward."""
    braking_impulse: float
    """Of what points backward [s]."""
    propulsive_impulse: float
    """Of what points forward [s]."""
    impulse: float
    """Of the vertical force on this foot [s]."""
    borne: float
    """Mean vertical force on both feet over the stride; 1 where the body rises and sinks as fast at the end as at the
    beginning and no force is missing."""


UNITS = {
    "first_peak": "body weight",
    "valley": "body weight",
    "second_peak": "body weight",
    "loading_rate": "body weight/s",
    "braking_peak": "body weight",
    "propulsive_peak": "body weight",
    "braking_impulse": "body weight s",
    "propulsive_impulse": "body weight s",
    "impulse": "body weight s",
    "borne": "body weight",
}
"""Of the fields of `Reaction`."""


@dataclass(frozen=True)
class Work:
    """What a joint does in a stride, over body mass [J/kg]."""

    positive: Parameter
    """Given."""
    negative: Parameter
    """Taken; not above zero."""


@dataclass(frozen=True)
class Kinetics:
    """Loads over all whole strides of both feet."""

    gait: Gait
    """With moments and powers, if they were given."""
    right: tuple[Reaction, ...]
    """One per stride; none where forces are not known."""
    left: tuple[Reaction, ...]

    def ground(self) -> dict[str, Parameter]:
        """The fields of `Reaction`, over strides.

        Raises:
            GaitError: Forces are not known.
        """
        if not self.right and not self.left:
            raise GaitError(f"'{self.gait.name}' has no ground reaction forces, so nothing is known of its loading.")

        def of(name: str, unit: str) -> Parameter:
            right, left = ([getattr(each, name) for each in side] for side in (self.right, self.left))
            return parameter(unit, right, left)

        return {name: of(name, unit) for name, unit in UNITS.items()}

    def work(self, joint: str) -> Work:
        """Of one of `gait.LOADED` in a stride.

        Raises:
            KeyError: There is none of that name.
            GaitError: Powers are not known.
        """
        self.gait.power(joint)  # Says what is missing.

        def over(part: Callable[[np.ndarray], np.ndarray]) -> Parameter:
            right, left = (
                [
                    _integral(part(stride.power[:, LOADED.index(joint)]), stride)
                    for stride in side
                    if stride.power is not None
                ]
                for side in (self.gait.right, self.gait.left)
            )
            return parameter("J/kg", right, left)

        return Work(over(lambda power: power.clip(min=0.0)), over(lambda power: power.clip(max=0.0)))


def kinetics(walker: Walker, loads: Loads | None = None) -> Kinetics:
    """Loads from strike to strike.

    Args:
        walker: Who walks.
        loads: At the frames of the walker; without them only the ground is looked at.

    Raises:
        GaitError: There is no whole stride.
        ValueError: The loads are of other frames.
    """
    if loads is not None:
        if len(loads.moment) != len(walker.pos):
            raise ValueError(f"'{walker.name}' has {len(walker.pos)} frames, and its loads have {len(loads.moment)}.")
        walker = replace(
            walker,
            moment=loads.moment.numpy(),
            power=loads.power.numpy(),
            reaction=None if loads.reaction is None else loads.reaction.norm(dim=-1).numpy(),
        )
    found = gait(walker)
    if walker.force_w is None:
        return Kinetics(found, (), ())
    sides = ((walker, found.right), (walker.mirrored(), found.left))
    right, left = (tuple(_reaction(who, stride) for stride in strides) for who, strides in sides)
    return Kinetics(found, right, left)


def _reaction(walker: Walker, stride: Stride) -> Reaction:
    """Of a right foot. Samples are those of the walker, with the stride's two ends put in between."""
    assert walker.force_w is not None
    times = np.arange(len(walker.pos)) / walker.rate
    inside = (times > stride.begin) & (times < stride.end)
    when = np.concatenate([[stride.begin], times[inside], [stride.end]])

    def at(values: np.ndarray) -> np.ndarray:
        return np.interp(when, times, values)

    vertical, both = at(walker.force_w[:, 0, 2]), at(walker.force_w[:, :, 2].sum(axis=1))
    ahead = at(walker.force_w[:, 0] @ forward_of(walker.pos[torch.as_tensor(inside)]))
    middle, off = (stride.begin + share * stride.stance * stride.time for share in (0.5, 1.0))
    early, late = np.flatnonzero(when <= middle), np.flatnonzero((when > middle) & (when <= off))
    first, second = (int(part[vertical[part].argmax()]) for part in (early, late))
    rise = when[first] - stride.begin
    low, high = np.interp([stride.begin + share * rise for share in RISE], when, vertical)
    return Reaction(
        first_peak=float(vertical[first]),
        valley=float(vertical[first : second + 1].min()),
        second_peak=float(vertical[second]),
        loading_rate=float((high - low) / ((RISE[1] - RISE[0]) * rise)) if rise > 0 else np.nan,
        braking_peak=float(max(0.0, -ahead.min())),
        propulsive_peak=float(max(0.0, ahead.max())),
        braking_impulse=float(-np.trapezoid(ahead.clip(max=0.0), when)),
        propulsive_impulse=float(np.trapezoid(ahead.clip(min=0.0), when)),
        impulse=float(np.trapezoid(vertical, when)),
        borne=float(np.trapezoid(both, when) / stride.time),
    )


def _integral(curve: Float[np.ndarray, "101"], stride: Stride) -> float:
    """Over the time of a stride."""
    return float(np.trapezoid(curve, dx=stride.time / (len(curve) - 1)))
