"""What an action means: excitations directly, a correction that muscle control turns into excitations, or both.

All ways share observation, reward and networks. Only `Direct` needs nobody at run time: a policy of another kind is a
teacher, to be cloned into a direct one.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.anatomy.trees import Trees
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import Excitation
from myotrack.steer.activation import ActivationLaw
from myotrack.steer.control import Controller, Plan
from myotrack.steer.effort import Muscles, effort
from myotrack.steer.intent import wanted_acceleration
from myotrack.steer.recruit import recruit
from myotrack.steer.share import share
from myotrack.steer.synergy import Synergies
from myotrack.track.moment import Moment

EDGE = 1e-4
"""Excitations nearer to 0 or 1 are not told from it when an action is asked for. Tuned: a logit of 9 is far from the
resting level, and an activation of 1e-4 moves nothing."""
Numbers = Float[Tensor, "*batch action"]


@runtime_checkable
class Actuation(Protocol):
    """From an action to excitations."""

    @property
    def mirror(self) -> SignedPermutation:
        """What a mirror makes of an action and of a command; its length is the size of both."""
        ...

    @property
    def tree(self) -> Int[Tensor, "action"]:
        """Tree of the body (`anatomy.trees`) that each number moves."""
        ...

    def command(self, action: Numbers) -> Numbers:
        """What the numbers of an action mean, smooth and monotone."""
        ...

    def action(self, command: Numbers) -> Numbers:
        """The inverse of `command`."""
        ...

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        """What the muscles are told during the next interval."""
        ...


@dataclass(frozen=True)
class Direct:
    """A number per muscle, through a logistic curve: action 0 is a low resting level, and no part of it is dead."""

    rest: float = 0.02
    """Excitation at action 0. Tuned: about the mean activation of arms that follow the built-in motions."""

    def __post_init__(self) -> None:
        if not 0 < self.rest < 1:
            raise ValueError(f"The resting level of muscles lies between 0 and 1, both excluded; got {self.rest:g}.")


@dataclass(frozen=True)
class Correction:
    """A number per joint is added to the acceleration that muscle control wants (bodies that are held)."""

    scale: float = 30.0
    """Acceleration of an action of 1 [rad/s²]."""
    stiffness: float = 900.0
    """Of the feedback on the reference [1/s²], as in `steer.follow`."""


@dataclass(frozen=True)
class Posture:
    """A number per joint shifts the posture that joints are drawn to; muscles share the moments of these springs.

    For bodies on their own feet: balance is left to the policy. Sources: Peng et al. 2018 (DeepMimic),
    doi:10.1145/3197517.3201311; Lee et al. 2019 (MASS), doi:10.1145/3306346.3322972 (both recalled).
    """

    scale: float = 0.2
    """Shift of an action of 1 [rad]."""
    stiffness: float = 300.0
    """Moment per angle, over the inertia that the joint moves in the present posture [1/s²]; critically damped."""


@dataclass(frozen=True)
class Synergy:
    """A number per joint asks its muscles, by fixed patterns (`steer.synergy`), for a share of the joint's strength.

    It adds to what makes the reference's accelerations, where that is known, and to what draws joints to the reference.
    For bodies on their own feet; nothing has to be solved while they move.
    """

    scale: float = 0.5
    """Share of the strength that an action of 1 asks for. Not tuned."""
    stiffness: float = 1.0
    """Share of the strength per error [1/rad]. Tuned: a walking body that nobody helps lives as long with 1 as with 2,
    and shorter with 0.5 and 4."""
    lead: float = 0.1
    """Errors count as they will be so much later at their present rate [s]. Tuned: 0.05 and 0.1 do alike."""
    swiftest: float = 15.0
    """Arms are drawn no faster than this [rad/s]: their strength is great for what they weigh. Tuned: without it they
    swing wildly within 0.1 s; 10, 15 and 25 let a walking body live alike."""
    inhibition: float = 0.0
    """What antagonists lose, of what the same share would give them (`Synergies.activation`). Tuned: with 1 the muscles
    of a walking body are a fifth less active than with 0, and it lives as long or longer with 0.3, 0.6 and 1."""


@dataclass(frozen=True)
class Torque(Synergy):
    """The same of ideal joints as strong as the muscles, which are switched off: the torque-driven twin of a body.

    Ideal joints obey at once, where muscles follow by tens of milliseconds, so softer springs serve them better.
    """

    stiffness: float = 0.7
    """Share of the strength per error [1/rad]. Tuned with `lead`: a walking body left alone lives for 0.49 s by these,
    for 0.45 s by 0.5 and 0.05 s, and for 0.21 s by those of muscles, by which muscles live for 0.36 s."""
    lead: float = 0.02
    """See `Synergy` [s]."""


@dataclass(frozen=True)
class Around:
    """Excitations around the solution of muscle control: action 0 sends what muscle control would."""

    scale: float = 1.0
    """How far an action of 1 shifts the logit of an excitation."""
    stiffness: float = 900.0
    """Of the feedback on the reference [1/s²]."""


ActionSettings = Direct | Correction | Posture | Synergy | Torque | Around


def action_mirror(settings: ActionSettings, anatomy: Anatomy) -> SignedPermutation:
    """What a mirror makes of an action; its length is that of an action: muscles, or joints without a root."""
    mirror = anatomy.mirror
    if isinstance(settings, Direct | Around):
        return SignedPermutation(mirror.muscle_index, torch.ones(len(mirror.muscle_index)))
    first = 6 if anatomy.free else 0
    return SignedPermutation(mirror.rate_index[first:] - first, mirror.rate_sign[first:].float())


def actuation(settings: ActionSettings, simulator: Simulator) -> Actuation:
    """The actuation that the settings describe, for the worlds of a simulator.

    Raises:
        ValueError: Muscle control has to hold the body, and this one stands on its own feet.
    """
    match settings:
        case Direct():
            return _Excitations(settings, simulator)
        case Torque():
            return _Joints(settings, simulator)
        case Synergy():
            return _Patterns(settings, simulator)
        case Posture():
            return _Springs(settings, simulator)
        case Correction():
            return _Corrected(settings, Intent(simulator, settings.stiffness))
        case Around():
            return _Shifted(settings, Intent(simulator, settings.stiffness))


class Intent:
    """Muscle control as a teacher: the excitations that follow the reference from the present instant."""

    def __init__(self, simulator: Simulator, stiffness: float = 900.0) -> None:
        """Prepare.

        Args:
            simulator: Whose worlds it looks at.
            stiffness: Of the feedback [1/s²].

        Raises:
            ValueError: The body is free, and muscle control does not walk.
        """
        if simulator.anatomy.free:
            raise ValueError(
                "Muscle control has to hold a free body, so it cannot teach one to stand; use the actions 'posture' or "
                "'direct' for the full body."
            )
        self.simulator, self.stiffness = simulator, stiffness
        self._controller = Controller(simulator, support=False, reserve=0.0, tone=0.0)

    def excitation(self, moment: Moment, extra: Float[Tensor, "world coordinate"] | float = 0.0) -> Excitation:
        """What muscle control sends, with something added to the acceleration that it wants."""
        body, reference = moment.body, moment.reference
        wanted = wanted_acceleration(
            body.coordinate_pos, body.coordinate_vel,
            reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0], reference.coordinate_acc[:, 1],
            self.stiffness, free=False,
        )  # fmt: skip
        plan = self._controller.plan(body, self.simulator.mechanics, wanted + extra)
        return self._controller.law.excitation(body.muscle_activation, plan.activation).clamp(0.0, 1.0)

    def plan(self, moment: Moment) -> Plan:
        """What would make the reference's own acceleration, whatever the present activations are."""
        acceleration = moment.reference.coordinate_acc[:, 0]
        return self._controller.plan(moment.body, self.simulator.mechanics, acceleration, rested=True)


class _Excitations:
    """One number per muscle."""

    def __init__(self, settings: Direct, simulator: Simulator) -> None:
        self.mirror = action_mirror(settings, simulator.anatomy).to(simulator.device)
        self.tree = Trees.of(simulator.anatomy).muscle.to(simulator.device)
        self._rest = math.log(settings.rest / (1 - settings.rest))

    def command(self, action: Numbers) -> Numbers:
        return torch.sigmoid(action + self._rest)

    def action(self, command: Numbers) -> Numbers:
        return torch.logit(command.clamp(EDGE, 1 - EDGE)) - self._rest

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        return self.command(action)


class _PerJoint:
    """One number per joint, a root excepted."""

    def __init__(self, settings: Correction | Posture | Synergy, simulator: Simulator) -> None:
        self.mirror = action_mirror(settings, simulator.anatomy).to(simulator.device)
        self.tree = Trees.of(simulator.anatomy).coordinate[6 if simulator.anatomy.free else 0 :].to(simulator.device)
        self._scale = settings.scale

    def command(self, action: Numbers) -> Numbers:
        return self._scale * action

    def action(self, command: Numbers) -> Numbers:
        return command / self._scale


class _Corrected(_PerJoint):
    """Muscle control with something added to what it wants."""

    def __init__(self, settings: Correction, intent: Intent) -> None:
        super().__init__(settings, intent.simulator)
        self._intent = intent

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        return self._intent.excitation(moment, self.command(action).to(moment.body.qpos.dtype))


class _Shifted:
    """Muscle control whose excitations are shifted."""

    def __init__(self, settings: Around, intent: Intent) -> None:
        self.mirror = action_mirror(settings, intent.simulator.anatomy).to(intent.simulator.device)
        self.tree = Trees.of(intent.simulator.anatomy).muscle.to(intent.simulator.device)
        self._scale, self._intent = settings.scale, intent

    def command(self, action: Numbers) -> Numbers:
        return self._scale * action

    def action(self, command: Numbers) -> Numbers:
        return command / self._scale

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        base = torch.logit(self._intent.excitation(moment).clamp(EDGE, 1 - EDGE))
        return torch.sigmoid(base + self.command(action).to(base.dtype))


class _Springs(_PerJoint):
    """Joints drawn to a posture by springs whose moments muscles share."""

    def __init__(self, settings: Posture, simulator: Simulator) -> None:
        super().__init__(settings, simulator)
        self._settings, self._simulator = settings, simulator
        anatomy, body = simulator.anatomy, simulator.body
        device, dtype = body.qpos.device, body.qpos.dtype
        self._law = ActivationLaw.of(anatomy, simulator.physics).to(device, dtype)
        self._curves = Curves.of(anatomy).to(device, dtype)
        self._effort = effort("squared", Muscles(self._curves, body.muscle_velocity[:1]))
        self._first = 6 if anatomy.free else 0
        self._rows = torch.arange(self._first, anatomy.couplings.coordinate_size, device=device)

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        body, reference, mechanics = moment.body, moment.reference, self._simulator.mechanics
        first, stiffness = self._first, self._settings.stiffness
        target = reference.coordinate_pos[:, 1, body.coordinate_pos.shape[1] - len(self._rows) :]
        shifted = target + self.command(action).to(target.dtype)
        error = shifted - body.coordinate_pos[:, body.coordinate_pos.shape[1] - len(self._rows) :]
        slip = reference.coordinate_vel[:, 1, first:] - body.coordinate_vel[:, first:]
        inertia = mechanics.mass.diagonal(dim1=1, dim2=2)[:, first:]
        moments = torch.zeros_like(mechanics.bias)
        moments[:, first:] = inertia * (stiffness * error + 2 * stiffness**0.5 * slip)
        tension = self._curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
        reach = self._law.reach(body.muscle_activation)
        problem = recruit(mechanics, tension, moments, self._effort, self._rows, low=reach.low, high=reach.high)
        found = problem.read(share(problem.task)).activation
        return self._law.excitation(body.muscle_activation, found).clamp(0.0, 1.0)


class _Asked(_PerJoint):
    """Shares of the joints' strength: what an action asks for, and what draws joints to the reference."""

    def __init__(self, settings: Synergy, simulator: Simulator) -> None:
        super().__init__(settings, simulator)
        self._first = 6 if simulator.anatomy.free else 0
        self.synergies = Synergies.of(simulator.anatomy).to(simulator.device)
        self._spring = spring(settings, simulator)

    def shares(self, action: Float[Tensor, "world action"], moment: Moment) -> Float[Tensor, "world action"]:
        """Of the strength of every joint."""
        body, reference, count = moment.body, moment.reference, action.shape[1]
        error = reference.coordinate_pos[:, 1, -count:] - body.coordinate_pos[:, -count:]
        slip = reference.coordinate_vel[:, 1, -count:] - body.coordinate_vel[:, -count:]
        return self._spring(error, slip) + self.command(action)


class _Patterns(_Asked):
    """Muscles make the shares."""

    def __init__(self, settings: Synergy, simulator: Simulator) -> None:
        super().__init__(settings, simulator)
        law = ActivationLaw.of(simulator.anatomy, simulator.physics)
        self._law, self._inhibition = law.to(simulator.device, simulator.body.qpos.dtype), settings.inhibition

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        wanted = self.synergies.activation(self.shares(action, moment), self._inhibition)
        if moment.fitting is not None:
            wanted = wanted + moment.fitting.activation
        return self._law.excitation(moment.body.muscle_activation, wanted.clamp(0, 1)).clamp(0, 1)


class _Joints(_Asked):
    """Ideal joints make them; muscles are told nothing."""

    def __init__(self, settings: Torque, simulator: Simulator) -> None:
        super().__init__(settings, simulator)
        self._simulator = simulator

    def excite(self, action: Float[Tensor, "world action"], moment: Moment) -> Excitation:
        shares, first = self.shares(action, moment), self._first
        if moment.fitting is not None:
            shares = shares + self.synergies.share(moment.fitting.moment[:, first:])
        made = torch.zeros(len(shares), first + shares.shape[1], dtype=shares.dtype, device=shares.device)
        made[:, first:] = self.synergies.moment(shares)
        self._simulator.assist(made)
        return torch.zeros_like(moment.body.muscle_excitation)


@dataclass(frozen=True)
class Spring:
    """Draws joints to a reference, by shares of their strength."""

    stiffness: Float[Tensor, "joint"]
    """Share per error [1/rad]."""
    lead: float
    """How far errors are looked ahead [s]."""

    def __call__(
        self, error: Float[Tensor, "*batch joint"], slip: Float[Tensor, "*batch joint"]
    ) -> Float[Tensor, "*batch joint"]:
        """Shares of the strength.

        Args:
            error: What is missing of each angle [rad].
            slip: And of each rate [rad/s].
        """
        return self.stiffness * (error + self.lead * slip)


def spring(settings: Synergy, simulator: Simulator) -> Spring:
    """What an action by synergies adds to."""
    anatomy, synergies = simulator.anatomy, Synergies.of(simulator.anatomy).to(simulator.device)
    strength = synergies.strength.abs().mean(dim=0)
    stiffness = torch.full_like(strength, settings.stiffness)
    arm = joints_of_arms(anatomy).to(simulator.device)
    cap = settings.swiftest**2 * synergies.inertia / strength
    return Spring(torch.where(arm, torch.minimum(stiffness, cap), stiffness), settings.lead)


def joints_of_arms(anatomy: Anatomy) -> Bool[Tensor, "joint"]:
    """Joints between the trunk and the hands."""
    reaches, names = anatomy.kinematics.reaches, anatomy.landmarks
    hands = reaches[[names.index("right_hand"), names.index("left_hand")]].any(dim=0)
    return (hands & ~reaches[names.index("upper_body")])[6 if anatomy.free else 0 :]
