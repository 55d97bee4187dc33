"""Small rotations: rotation vectors, their quaternions, and what a motion's quaternion says about angular velocity."""

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, multiply


def exponential(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Quaternion of a rotation vector (axis times angle [rad])."""
    angle = vector.norm(dim=-1, keepdim=True)
    half = angle / 2
    # torch.sinc is sin(pi x) / (pi x), exact at zero.
    return torch.cat([torch.cos(half), vector * torch.sinc(half / torch.pi) / 2], dim=-1)


def logarithm(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3"]:
    """Rotation vector of a quaternion, at most half a turn long [rad]."""
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sine = quaternion[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, quaternion[..., :1])
    ratio = torch.where(sine > 1e-12, angle / sine.clamp_min(1e-12), 2.0)
    return quaternion[..., 1:] * ratio


def continuous(quaternion: Float[Tensor, "frame 4"]) -> Float[Tensor, "frame 4"]:
    """The same orientations, each with the sign that is closer to the one before."""
    agree = (quaternion[1:] * quaternion[:-1]).sum(dim=-1)
    signs = torch.where(agree < 0, -1.0, 1.0).to(quaternion)
    return quaternion * torch.cat([signs.new_ones(1), signs.cumprod(dim=0)])[:, None]


def body_rates(
    quaternion: Float[Tensor, "*batch 4"], first: Float[Tensor, "*batch 4"], second: Float[Tensor, "*batch 4"]
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch 3"]]:
    """Angular velocity and acceleration in the turning frame [rad/s, rad/s²].

    Args:
        quaternion: Orientation, of length one.
        first: Its time derivative.
        second: Its second time derivative.
    """
    back = conjugate(quaternion)
    return 2 * multiply(back, first)[..., 1:], 2 * multiply(back, second)[..., 1:]


def of_unit(
    value: Float[Tensor, "*batch 4"], first: Float[Tensor, "*batch 4"], second: Float[Tensor, "*batch 4"]
) -> tuple[Float[Tensor, "*batch 4"], Float[Tensor, "*batch 4"], Float[Tensor, "*batch 4"]]:
    """A curve divided by its length, with its derivatives by the quotient rule."""
    length = value.norm(dim=-1, keepdim=True)
    unit = value / length
    length1 = (unit * first).sum(dim=-1, keepdim=True)
    unit1 = (first - length1 * unit) / length
    length2 = (unit1 * first).sum(dim=-1, keepdim=True) + (unit * second).sum(dim=-1, keepdim=True)
    unit2 = (second - length2 * unit - 2 * length1 * unit1) / length
    return unit, unit1, unit2
