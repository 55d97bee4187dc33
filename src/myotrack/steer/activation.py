"""The excitation that reaches a wanted activation at the next control instant.

MuJoCo's law, da/dt = (u - a) / tau(a) with tau = rise (0.5 + 1.5 a) while u > a and fall / (0.5 + 1.5 a) otherwise, is
stepped by explicit Euler, so what one interval does to an activation under a constant excitation is known exactly, and
can be inverted. Since an activation never passes its excitation, an interval belongs to one of the two branches.
Source: MuJoCo 4.0 manual, modeling/muscle actuators (after Millard et al. 2013, doi:10.1115/1.4023390).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.physics import Physics

PerMuscle = Float[Tensor, "*batch muscle"]

_ITERATIONS = 3
"""Newton iterations from the straight line between the ends of the branch. Measured: 2 reach 1e-7 anywhere, 3 1e-14."""


@dataclass(frozen=True)
class Reach:
    """What a control interval can make of every activation."""

    low: PerMuscle
    """Without any excitation."""
    high: PerMuscle
    """Under full excitation."""


@dataclass(frozen=True)
class ActivationLaw:
    """How activations follow excitations over one control interval."""

    rise: Float[Tensor, "muscle"]
    """Activation time constant [s]."""
    fall: Float[Tensor, "muscle"]
    """Deactivation time constant [s]."""
    timestep: float
    """Of the physics [s]."""
    substeps: int
    """Per control interval."""

    @classmethod
    def of(cls, anatomy: Anatomy, physics: Physics) -> "ActivationLaw":
        """The law of a body under given physics.

        Raises:
            ValueError: A muscle blends its two time constants (a smoothing width above 0), or a time constant is so
                short that Euler's steps would pass their aim.
        """
        parameters = torch.as_tensor(anatomy.model.actuator_dynprm, dtype=torch.float64)
        rise, fall, smooth = parameters[:, :3].unbind(dim=1)
        if (smooth > 0).any():
            first = anatomy.muscle_names[int(smooth.nonzero()[0])]
            raise ValueError(f"Muscle '{first}' blends its time constants, which cannot be inverted exactly.")
        if physics.timestep > float(torch.minimum(rise * 0.5, fall / 2).min()):
            raise ValueError(f"A time step of {physics.timestep} s is too long for the muscles' time constants.")
        return cls(rise.clone(), fall.clone(), physics.timestep, physics.substeps)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "ActivationLaw":
        """The same law on another device, of another precision."""
        return ActivationLaw(self.rise.to(device, dtype), self.fall.to(device, dtype), self.timestep, self.substeps)

    def after(self, activation: PerMuscle, excitation: PerMuscle) -> PerMuscle:
        """Activation one control interval later."""
        speed, sign = self._branch(excitation > activation)
        for _ in range(self.substeps):
            activation = activation + speed * _power(0.5 + 1.5 * activation, sign) * (excitation - activation)
        return activation

    def reach(self, activation: PerMuscle) -> Reach:
        """What the next control instant can bring."""
        return Reach(
            self.after(activation, torch.zeros_like(activation)), self.after(activation, torch.ones_like(activation))
        )

    def excitation(self, activation: PerMuscle, wanted: PerMuscle) -> PerMuscle:
        """The constant excitation that brings an activation to a wanted one in one control interval; 0 or 1 where that
        cannot be done in time."""
        rising = wanted > activation
        end = rising.to(activation.dtype)
        farthest = self.after(activation, end)
        # An interval is a smooth monotone function of its excitation, nearly a straight line: from no change at u = a.
        span = farthest - activation
        tiny = torch.finfo(activation.dtype).tiny
        share = (wanted - activation) / torch.where(span.abs() > tiny, span, torch.ones_like(span))
        drive = activation + share.clamp(0, 1) * (end - activation)
        lowest, highest = torch.where(rising, activation, 0.0), torch.where(rising, 1.0, activation)
        branch = self._branch(rising)
        for _ in range(_ITERATIONS):
            reached, slope = self._after(activation, drive, branch)
            drive = torch.clamp(drive + (wanted - reached) / slope, lowest, highest)
        return drive

    def _branch(self, rising: Tensor) -> tuple[PerMuscle, PerMuscle]:
        """Time step over time constant, and the power of 0.5 + 1.5 a that multiplies it."""
        constant = torch.where(rising, self.rise, self.fall)
        return self.timestep / constant, 1.0 - 2.0 * rising.to(constant.dtype)

    def _after(
        self, activation: PerMuscle, excitation: PerMuscle, branch: tuple[PerMuscle, PerMuscle]
    ) -> tuple[PerMuscle, PerMuscle]:
        """Activation one interval later on a given branch, and its derivative by the excitation."""
        speed, sign = branch
        slope = torch.zeros_like(activation)
        for _ in range(self.substeps):
            factor = 0.5 + 1.5 * activation
            rate = speed * _power(factor, sign)
            gap = excitation - activation
            slope = slope + rate * (1 + slope * (1.5 * sign * gap / factor - 1))
            activation = activation + rate * gap
        return activation, slope


def _power(factor: Tensor, sign: Tensor) -> Tensor:
    """A factor, or one over it; a general power takes ten times as long."""
    return torch.where(sign > 0, factor, 1 / factor)
