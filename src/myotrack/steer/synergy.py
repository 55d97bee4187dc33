"""Synergies: for every joint and both senses, the muscles that turn it and nothing else, as one fixed pattern.

    asked for, as shares of the joints' strength  ->  sum of patterns  ->  activations

The patterns are the least-effort answers to a moment about one joint, averaged over postures, so that no problem has
to be solved while a body moves. Shares of several joints add up.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.simulate.mechanics import Mechanics
from myotrack.simulate.threads import Threads
from myotrack.steer.control import limbs
from myotrack.steer.effort import Muscles, effort
from myotrack.steer.recruit import recruit
from myotrack.steer.share import share

POSTURES = 12
"""Over which patterns are averaged."""
SPREAD = 0.25
"""How far these are from rest, as a share of what is left of each joint's range. Not tuned. Measured: patterns made so
are as good in a walk as those averaged over that walk."""
SIZE = 0.25
"""Share of a joint's strength that patterns are worked out for. Not tuned."""


@dataclass(frozen=True)
class Synergies:
    """Of a body, a root excepted."""

    pattern: Float[Tensor, "sense muscle"]
    """Activations that would make the whole strength of a joint if muscles went on as they begin: turning each joint
    towards greater angles, and after all joints towards smaller ones. May exceed 1."""
    strength: Float[Tensor, "2 joint"]
    """Least (negative) and greatest moment that muscles can make about each joint, all others left alone [N m]."""
    inertia: Float[Tensor, "joint"]
    """What each joint feels while all others give way [kg m²]."""

    @classmethod
    def of(cls, anatomy: Anatomy) -> "Synergies":
        """Work them out, once per body and level; takes a few seconds."""
        key = anatomy.hash, anatomy.level
        if key not in _KNOWN:
            _KNOWN[key] = cls._worked_out(anatomy)
        return _KNOWN[key]

    @classmethod
    def _worked_out(cls, anatomy: Anatomy) -> "Synergies":
        first = 6 if anatomy.free else 0
        joints = anatomy.couplings.coordinate_size - first
        mechanics = _at_postures(anatomy)
        curves = Curves.of(anatomy).to("cpu", torch.float64)
        tension = curves.tension(mechanics.muscle_length, torch.zeros_like(mechanics.muscle_velocity))
        arm = mechanics.moment_arm[:, :, first:]
        reach = arm * tension.active[..., None]
        strength = torch.stack([reach.clamp(max=0).sum(1).mean(0), reach.clamp(min=0).sum(1).mean(0)])
        alone = torch.linalg.inv(mechanics.mass).diagonal(dim1=1, dim2=2)[:, first:]
        price = effort("squared", Muscles(curves, mechanics.muscle_velocity[:1]))
        passive = (arm.transpose(1, 2) @ tension.passive[..., None])[..., 0]
        rows = torch.arange(first, first + joints)
        total = torch.zeros(2 * joints, anatomy.model.nu, dtype=torch.float64)
        asked = SIZE * torch.cat([torch.diag(strength[1]), torch.diag(strength[0])])
        apart = limbs(anatomy, first)
        for posture in range(POSTURES):
            # All problems of one posture at once.
            many = mechanics.rows(torch.full((2 * joints,), posture))
            pull = curves.tension(many.muscle_length, torch.zeros_like(many.muscle_velocity))
            moments = torch.zeros_like(many.bias)
            moments[:, first:] = asked + passive[posture]
            problem = recruit(many, pull, moments, price, rows)
            total += problem.read(share(problem.task, parts=apart)).activation / SIZE
        pattern, strength = _symmetric(anatomy, first, total / POSTURES, strength)
        inertia = (1 / alone).mean(0)
        inertia = (inertia + inertia[anatomy.mirror.rate_index[first:] - first]) / 2
        return cls(pattern.float(), strength.float(), inertia.float())

    def to(self, device: torch.device | str) -> "Synergies":
        """The same on another device."""
        return Synergies(self.pattern.to(device), self.strength.to(device), self.inertia.to(device))

    def activation(
        self, asked: Float[Tensor, "*batch joint"], inhibition: float = 0.0
    ) -> Float[Tensor, "*batch muscle"]:
        """What muscles add up to; may exceed 1, and with inhibition be negative.

        Args:
            asked: Moments about the joints, as shares of their strength in that sense.
            inhibition: What muscles of the other sense lose, of what the same share would give them. With 1, a joint
                that wants a muscle and one that wants its rest cancel, as in the least-squares answer to both.
        """
        both = torch.cat([asked.clamp(min=0), (-asked).clamp(min=0)], dim=-1)
        return (both - inhibition * both.roll(asked.shape[-1], -1)) @ self.pattern

    def moment(self, asked: Float[Tensor, "*batch joint"]) -> Float[Tensor, "*batch joint"]:
        """What ideal joints of the same strength would make of the same shares, which count up to 1 [N m]."""
        bounded = asked.clamp(-1, 1)
        return torch.where(bounded > 0, bounded * self.strength[1], -bounded * self.strength[0])

    def share(self, moment: Float[Tensor, "*batch joint"]) -> Float[Tensor, "*batch joint"]:
        """Moments as shares of the strength in their sense."""
        return torch.where(moment > 0, moment / self.strength[1], -moment / self.strength[0])


_KNOWN: dict[tuple[str, str], Synergies] = {}


def _at_postures(anatomy: Anatomy) -> Mechanics:
    """The body at rest in postures around its resting one."""
    simulator = Threads(anatomy, POSTURES, threads=1, dtype=torch.float64)
    first = 7 if anatomy.free else 0
    low, high = (limit[first:].double() for limit in anatomy.limits())
    z = anatomy.rest.double().expand(POSTURES, -1).clone()
    drawn = torch.rand(POSTURES, len(low), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[:, first:] += SPREAD * (low + drawn * (high - low) - z[:, first:])
    still = torch.zeros(POSTURES, anatomy.couplings.coordinate_size)
    nothing = torch.zeros(POSTURES, anatomy.model.nu)
    simulator.reset(torch.ones(POSTURES, dtype=torch.bool), z, still, nothing)
    return simulator.mechanics


def _symmetric(anatomy: Anatomy, first: int, pattern: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """The mean with the other side's, since the postures are not symmetric."""
    mirror = anatomy.mirror
    joint, sign = mirror.rate_index[first:] - first, mirror.rate_sign[first:]
    count = len(joint)
    same = sign > 0
    # Row of the other side that turns the same way, seen in the mirror.
    other = torch.cat([torch.where(same, joint, joint + count), torch.where(same, joint + count, joint)])
    mirrored = pattern[other][:, mirror.muscle_index]
    weakest = torch.where(same, strength[0, joint], -strength[1, joint])
    strongest = torch.where(same, strength[1, joint], -strength[0, joint])
    return (pattern + mirrored) / 2, (strength + torch.stack([weakest, strongest])) / 2
