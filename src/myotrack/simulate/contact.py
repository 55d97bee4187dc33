"""Ground reaction per foot: force, centre of pressure and free moment, from the net contact of each sole region."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOADED = 5.0
"""Vertical force above which a foot has a centre of pressure [N]. Tuned: force plates are commonly cut at 5-20 N; below
it the quotient of two small numbers is noise."""


@dataclass(frozen=True)
class GroundReaction:
    """What the floor does to each foot, in the world. A foot is two regions: hindfoot and toes."""

    region_force_w: Float[Tensor, "world region 3"]
    """Force on each region [N]."""
    region_moment_w: Float[Tensor, "world region 3"]
    """Moment of it about the world's origin [N m]."""
    foot_force_w: Float[Tensor, "world foot 3"]
    """Ground reaction force, right then left [N]."""
    foot_cop_w: Float[Tensor, "world foot 3"]
    """Centre of pressure on the floor [m]; where the foot carries less than `LOADED` it is zero."""
    foot_free_moment: Float[Tensor, "world foot"]
    """Moment about the vertical through the centre of pressure [N m]; zero where there is none."""


def ground_reaction(sensors: Float[Tensor, "world region 10"]) -> GroundReaction:
    """Ground reaction from the contact sensors.

    Args:
        sensors: Per region MuJoCo's net contact: number found, force (3), torque (3) and position (3), in the world.
    """
    force, torque, position = sensors[..., 1:4], sensors[..., 4:7], sensors[..., 7:10]
    # Wrenches add up only about a common point: the world's origin.
    moment = torque + torch.linalg.cross(position, force)
    foot_force, foot_moment = torch.cat([force, moment], dim=2).unflatten(1, (-1, 2)).sum(dim=2).split(3, dim=2)
    cop = centre_of_pressure(foot_force, foot_moment)
    free = foot_moment[..., 2] - torch.linalg.cross(cop, foot_force)[..., 2]
    return GroundReaction(
        region_force_w=force,
        region_moment_w=moment,
        foot_force_w=foot_force,
        foot_cop_w=cop,
        foot_free_moment=torch.where(foot_force[..., 2] > LOADED, free, 0.0),
    )


def centre_of_pressure(
    force: Float[Tensor, "*batch 3"], moment: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Where the floor's push on a foot acts [m]; zero while the foot carries less than `LOADED`.

    Args:
        force: On the foot, in the world [N].
        moment: On the foot, about the world's origin [N m].
    """
    # On the floor, z = 0, the moment about the centre of pressure has no horizontal part: M = c x F + (0, 0, Tz).
    level = torch.stack([-moment[..., 1], moment[..., 0], torch.zeros_like(moment[..., 0])], dim=-1)
    vertical = force[..., 2:]
    return torch.where(vertical > LOADED, level / vertical, 0.0)
