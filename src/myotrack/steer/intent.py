"""Feedback on a reference: which acceleration is wanted of a body that is not quite where it should be."""

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, multiply, rotate
from myotrack.algebra.rotation import logarithm


def coordinate_error(
    pos: Float[Tensor, "world pos"],
    vel: Float[Tensor, "world coordinate"],
    wanted_pos: Float[Tensor, "world pos"],
    wanted_vel: Float[Tensor, "world coordinate"],
    free: bool,
) -> tuple[Float[Tensor, "world coordinate"], Float[Tensor, "world coordinate"]]:
    """What is missing to a posture and its rates, in coordinates; a root's rotation in its own present frame."""
    if not free:
        return wanted_pos - pos, wanted_vel - vel
    back = conjugate(pos[:, 3:7])
    apart = multiply(back, wanted_pos[:, 3:7])
    error = torch.cat([wanted_pos[:, :3] - pos[:, :3], logarithm(apart), wanted_pos[:, 7:] - pos[:, 7:]], dim=1)
    spin = rotate(apart, wanted_vel[:, 3:6])
    return error, torch.cat([wanted_vel[:, :3], spin, wanted_vel[:, 6:]], dim=1) - vel


def wanted_acceleration(
    pos: Float[Tensor, "world pos"],
    vel: Float[Tensor, "world coordinate"],
    wanted_pos: Float[Tensor, "world pos"],
    wanted_vel: Float[Tensor, "world coordinate"],
    following_acc: Float[Tensor, "world coordinate"],
    stiffness: float,
    free: bool,
) -> Float[Tensor, "world coordinate"]:
    """The reference's own acceleration, and what brings the body back to it, critically damped [rad/s², m/s²].

    Args:
        pos: Of the body.
        vel: Its rates.
        wanted_pos: Of the reference at the same instant.
        wanted_vel: Its rates.
        following_acc: Acceleration of the reference one frame later, where the interval that is decided on ends.
        stiffness: Acceleration per error of posture [1/s²].
        free: Whether the first six coordinates are a root.
    """
    error, slip = coordinate_error(pos, vel, wanted_pos, wanted_vel, free)
    return following_acc + stiffness * error + 2 * stiffness**0.5 * slip
