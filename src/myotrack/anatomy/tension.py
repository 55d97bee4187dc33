"""What a muscle can pull at a given length and velocity: tension = active x activation + passive.

MuJoCo's curves: the active force is a hump over the normalised fibre length made of four parabolas, times a force-
velocity curve of two; the passive force a parabola that continues as a line. The tendon is rigid.
Source: MuJoCo 4.0 manual, modeling/muscle actuators; checked against `mju_muscleGain` and `mju_muscleBias`.
"""

from dataclasses import dataclass, fields

import mujoco
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy

PerMuscle = Float[Tensor, "*batch muscle"]


@dataclass(frozen=True)
class Tension:
    """Tension of every muscle as a function of its activation [N]."""

    active: PerMuscle
    """At full activation, without the passive part."""
    passive: PerMuscle
    """Without activation."""

    def at(self, activation: PerMuscle) -> PerMuscle:
        """Tension at an activation [N]."""
        return self.active * activation + self.passive


@dataclass(frozen=True)
class _Curve:
    """Parameters of one of MuJoCo's two muscle functions, one entry per muscle."""

    shortest: Float[Tensor, "muscle"]
    """Normalised length at the lower end of the path range."""
    peak: Float[Tensor, "muscle"]
    """[N]"""
    low: Float[Tensor, "muscle"]
    high: Float[Tensor, "muscle"]
    """Normalised lengths where the active curve begins and ends."""
    speed: Float[Tensor, "muscle"]
    """Shortening speed without force [fibre lengths / s]."""
    passive: Float[Tensor, "muscle"]
    eccentric: Float[Tensor, "muscle"]
    path_low: Float[Tensor, "muscle"]
    """[m]"""
    fibre: Float[Tensor, "muscle"]
    """Optimal fibre length [m]."""

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "_Curve":
        return _Curve(*(getattr(self, field.name).to(device, dtype) for field in fields(self)))


@dataclass(frozen=True)
class Curves:
    """The curves of all muscles of a body."""

    gain: _Curve
    bias: _Curve

    @classmethod
    def of(cls, anatomy: Anatomy) -> "Curves":
        """Read the muscles of a body.

        Raises:
            ValueError: A muscle leaves its strength to MuJoCo (peak force below zero), which is not written out here.
        """
        model = anatomy.model
        for name, prm in zip(anatomy.muscle_names, model.actuator_gainprm, strict=True):
            if prm[2] < 0:
                raise ValueError(f"Muscle '{name}' has no peak force of its own; give it one.")
        return cls(_curve(model, model.actuator_gainprm), _curve(model, model.actuator_biasprm))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Curves":
        """The same curves on another device, of another precision."""
        return Curves(self.gain.to(device, dtype), self.bias.to(device, dtype))

    def fibre_length(self, length: PerMuscle) -> PerMuscle:
        """Fibre length over its optimum, from the length of the path [m]."""
        return self.gain.shortest + (length - self.gain.path_low) / self.gain.fibre

    def fibre_velocity(self, velocity: PerMuscle) -> PerMuscle:
        """Fibre velocity over the fastest shortening, from the velocity of the path [m/s]; -1 leaves no force."""
        return velocity / (self.gain.fibre * self.gain.speed)

    def tension(self, length: PerMuscle, velocity: PerMuscle) -> Tension:
        """What every muscle can pull.

        Args:
            length: Of the path [m].
            velocity: Of the path, positive while lengthening [m/s].
        """
        return Tension(
            active=self.gain.peak * self.length_factor(length) * self._velocity_factor(velocity),
            passive=self.bias.peak * self._passive_factor(length),
        )

    def length_factor(self, length: PerMuscle) -> PerMuscle:
        """Active isometric force at a path length [m], over the peak force."""
        curve, x = self.gain, self.fibre_length(length)
        left, right = (1 + curve.low) / 2, (1 + curve.high) / 2
        foot = ((x - curve.low) / (left - curve.low)).square() / 2
        rise = 1 - ((1 - x) / (1 - left)).square() / 2
        fall = 1 - ((x - 1) / (right - 1)).square() / 2
        tail = ((curve.high - x) / (curve.high - right)).square() / 2
        hump = torch.where(x <= left, foot, torch.where(x <= 1, rise, torch.where(x <= right, fall, tail)))
        return torch.where((x >= curve.low) & (x <= curve.high), hump, 0.0)

    def _velocity_factor(self, velocity: PerMuscle) -> PerMuscle:
        v = self.fibre_velocity(velocity)
        beyond = self.gain.eccentric - 1
        slow = (v + 1).clamp(min=0).square()
        stretched = self.gain.eccentric - (beyond - v).clamp(min=0).square() / beyond
        return torch.where(v <= 0, slow, stretched)

    def _passive_factor(self, length: PerMuscle) -> PerMuscle:
        curve = self.bias
        x = curve.shortest + (length - curve.path_low) / curve.fibre
        middle = (1 + curve.high) / 2
        bend = ((x - 1).clamp(min=0) / (middle - 1)).square() / 2
        line = 0.5 + (x - middle) / (middle - 1)
        return curve.passive * torch.where(x <= middle, bend, line)


def _curve(model: mujoco.MjModel, parameters: object) -> _Curve:
    prm = torch.as_tensor(parameters, dtype=torch.float64)
    path = torch.as_tensor(model.actuator_lengthrange, dtype=torch.float64)
    shortest, longest, peak, _, low, high, speed, passive, eccentric = prm[:, :9].unbind(dim=1)
    fibre = (path[:, 1] - path[:, 0]) / (longest - shortest)
    return _Curve(shortest, peak, low, high, speed, passive, eccentric, path[:, 0].clone(), fibre)
