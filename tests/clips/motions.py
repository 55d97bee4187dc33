"""Smooth synthetic clips whose derivatives are exact."""

from collections.abc import Callable

import torch
from torch import Tensor

from myotrack.algebra.quaternion import multiply
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip


def standing(anatomy: Anatomy, frames: int = 20, name: str = "standing", subject: str = "") -> Clip:
    """The resting posture, held, with the regions that carry the body meant to stand."""
    rates = torch.zeros(frames, anatomy.couplings.coordinate_size, dtype=torch.float64)
    return Clip(
        name=name,
        body=anatomy.name,
        fingers=anatomy.fingers,
        body_hash=anatomy.hash,
        pos=anatomy.rest.repeat(frames, 1),
        vel=rates,
        acc=rates.clone(),
        contact=torch.ones(frames, len(anatomy.foot_regions), dtype=torch.bool),
        subject=subject,
    )


def swaying(anatomy: Anatomy, frames: int = 60, seed: int = 0, name: str = "swaying", subject: str = "") -> Clip:
    """Every joint swings within its limits on a sinusoid of its own; a free root turns about a fixed axis and floats.

    The root's turn is q(t) = q_rest exp(axis angle(t) / 2), so its angular velocity in its own frame is axis angle'.
    """
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames, dtype=torch.float64)[:, None] / RATE

    def random(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, dtype=torch.float64, generator=generator)

    def waves(amplitude: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        omega, phase = 2 * torch.pi * random(len(amplitude), 0.3, 1.2), random(len(amplitude), 0.0, 2 * torch.pi)
        turn = omega * time + phase
        return (
            offset + amplitude * torch.sin(turn),
            amplitude * omega * torch.cos(turn),
            -amplitude * omega**2 * torch.sin(turn),
        )

    clip = standing(anatomy, frames, name, subject)
    low, high = anatomy.limits()
    root = 7 if anatomy.free else 0
    span = (high - low)[root:]
    centre = anatomy.rest[root:].clamp(low[root:] + 0.15 * span, high[root:] - 0.15 * span)
    pos, vel, acc = waves(0.1 * span * random(len(span), 0.5, 1.0), centre)
    if anatomy.free:
        shift = waves(random(3, 0.05, 0.1), anatomy.rest[:3])
        (angle, spin, gain) = waves(random(1, 0.2, 0.4), torch.zeros(1, dtype=torch.float64))
        axis = torch.nn.functional.normalize(random(3, -1.0, 1.0), dim=0)
        quaternion = multiply(
            anatomy.rest[3:7].expand(frames, 4), torch.cat([torch.cos(angle / 2), torch.sin(angle / 2) * axis], dim=1)
        )
        pos = torch.cat([shift[0], quaternion, pos], dim=1)
        vel = torch.cat([shift[1], spin * axis, vel], dim=1)
        acc = torch.cat([shift[2], gain * axis, acc], dim=1)
    contact = torch.rand(clip.contact.shape, generator=generator) < 0.5
    return altered(clip, pos=lambda _: pos, vel=lambda _: vel, acc=lambda _: acc, contact=lambda _: contact)


def altered(clip: Clip, **changes: Callable[[Tensor], Tensor]) -> Clip:
    """A clip with some of its tensors changed."""
    from dataclasses import replace

    return replace(clip, **{name: change(getattr(clip, name).clone()) for name, change in changes.items()})
