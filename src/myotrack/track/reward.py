"""What a policy is paid for. Every field of `Reward` is a term, and its name that of the term in logs and options."""

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, multiply
from myotrack.algebra.rotation import logarithm
from myotrack.anatomy.model import Anatomy
from myotrack.track.moment import Moment
from myotrack.track.observe import TOUCH

PerWorld = Float[Tensor, "world"]


@runtime_checkable
class Term(Protocol):
    """A number per world that is worth something."""

    @property
    def weight(self) -> float:
        """What one unit of it pays."""
        ...

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Scores lie in [0, 1], costs are not negative."""
        ...


def likeness(error: Float[Tensor, "world part"], tolerance: float) -> PerWorld:
    """1 without errors, 1/e where their root mean square is the tolerance."""
    return torch.exp(-error.square().mean(dim=1) / tolerance**2)


@dataclass(frozen=True)
class PostureScore:
    """Of joint angles like those of the reference."""

    weight: float = 0.3
    tolerance: float = 0.15
    """RMS error of the joints at which the score is 1/e [rad]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        first = 7 if anatomy.free else 0
        gap = moment.reference.coordinate_pos[:, 0, first:] - moment.body.coordinate_pos[:, first:]
        return likeness(gap, self.tolerance)


@dataclass(frozen=True)
class VelocityScore:
    """Of joint rates like those of the reference."""

    weight: float = 0.1
    tolerance: float = 1.5
    """RMS error of the joint rates at which the score is 1/e [rad/s]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        first = 6 if anatomy.free else 0
        gap = moment.reference.coordinate_vel[:, 0, first:] - moment.body.coordinate_vel[:, first:]
        return likeness(gap, self.tolerance)


@dataclass(frozen=True)
class RootScore:
    """Of a pelvis where the reference's is, and turned alike; 1 for a fixed trunk."""

    weight: float = 0.2
    tolerance: float = 0.2
    """Distance at which the score is 1/e [m]."""
    turn_tolerance: float = 0.5
    """Angle at which it is, too [rad]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        if not anatomy.free:
            return torch.ones_like(moment.phase)
        mine, other = moment.body.coordinate_pos, moment.reference.coordinate_pos[:, 0]
        apart = (other[:, :3] - mine[:, :3]).norm(dim=1) / self.tolerance
        turn = logarithm(multiply(conjugate(mine[:, 3:7]), other[:, 3:7])).norm(dim=1) / self.turn_tolerance
        return torch.exp(-apart.square() - turn.square())


@dataclass(frozen=True)
class LandmarkScore:
    """Of landmarks where the reference's are."""

    weight: float = 0.4
    tolerance: float = 0.06
    """RMS distance at which the score is 1/e [m]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        apart = moment.reference.landmark_pos_w[:, 0] - moment.body.landmark_pos_w
        return likeness(apart.norm(dim=-1), self.tolerance)


@dataclass(frozen=True)
class LandmarkTurnScore:
    """Of landmarks that are turned as the reference's are."""

    weight: float = 0.1
    tolerance: float = 0.4
    """RMS angle at which the score is 1/e [rad]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        mine, other = moment.body.landmark_quat_w, moment.reference.landmark_quat_w[:, 0]
        return likeness(logarithm(multiply(conjugate(mine), other.to(mine.dtype))).norm(dim=-1), self.tolerance)


@dataclass(frozen=True)
class LandmarkVelocityScore:
    """Of landmarks that move as fast as the reference's."""

    weight: float = 0.1
    tolerance: float = 0.4
    """RMS error at which the score is 1/e [m/s]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Score."""
        gap = moment.reference.landmark_vel_w[:, 0] - moment.body.landmark_vel_w
        return likeness(gap.norm(dim=-1), self.tolerance)


@dataclass(frozen=True)
class EffortCost:
    """Mean square of the activations."""

    weight: float = -0.2

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Cost in [0, 1]."""
        return moment.body.muscle_activation.square().mean(dim=1)


@dataclass(frozen=True)
class SmoothnessCost:
    """Mean square of how much excitations changed between the last two intervals."""

    weight: float = -0.05

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Cost in [0, 1]."""
        return (moment.body.muscle_excitation - moment.before).square().mean(dim=1)


@dataclass(frozen=True)
class JointLimitCost:
    """How far joints are into the outer parts of their ranges, where the reference is not."""

    weight: float = -0.1
    margin: float = 0.05
    """Width of these parts [rad]."""

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Cost: 1 for a joint at its limit, mean over joints."""
        first = 7 if anatomy.free else 0
        low, high = (limit[first:].to(moment.body.coordinate_pos) for limit in anatomy.limits())

        def depth(pos: Tensor) -> Tensor:
            return torch.maximum(low + self.margin - pos, pos - high + self.margin).clamp(min=0) / self.margin

        mine, other = moment.body.coordinate_pos[:, first:], moment.reference.coordinate_pos[:, 0, first:]
        return (depth(mine) - depth(other)).clamp(min=0).mean(dim=1)


@dataclass(frozen=True)
class FootSlipCost:
    """Speed along the floor of feet that carry something; 0 without feet."""

    weight: float = -0.1

    def __call__(self, moment: Moment, anatomy: Anatomy) -> PerWorld:
        """Mean over the feet [m/s]."""
        if not anatomy.foot_regions:
            return torch.zeros_like(moment.phase)
        ankles = [anatomy.landmarks.index(f"{side}_ankle") for side in ("right", "left")]
        speed = moment.body.landmark_vel_w[:, ankles, :2].norm(dim=-1)
        # The hindfoot: its ankle stands still while it does.
        return (speed * (moment.body.region_force_w[:, ::2, 2] > TOUCH)).mean(dim=1)


@dataclass(frozen=True)
class Reward:
    """All terms. Tuned for the arms; the scores sum to at most 1.2."""

    posture: PostureScore = PostureScore()
    velocity: VelocityScore = VelocityScore()
    root: RootScore = RootScore()
    landmark: LandmarkScore = LandmarkScore()
    landmark_turn: LandmarkTurnScore = LandmarkTurnScore()
    landmark_velocity: LandmarkVelocityScore = LandmarkVelocityScore()
    effort: EffortCost = EffortCost()
    smoothness: SmoothnessCost = SmoothnessCost()
    joint_limit: JointLimitCost = JointLimitCost()
    foot_slip: FootSlipCost = FootSlipCost()

    def terms(self, moment: Moment, anatomy: Anatomy) -> dict[str, PerWorld]:
        """Every term that weighs anything, by name, not weighted."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: term(moment, anatomy) for name, term in named.items() if term.weight != 0}

    def total(self, terms: dict[str, PerWorld]) -> PerWorld:
        """What they pay together."""
        return torch.stack([getattr(self, name).weight * value for name, value in terms.items()]).sum(dim=0)
