"""Residuals on segments, collected into the normal equations of a whole body in time linear in its size.

A residual r of a point p on a segment changes with the segment's twist (spin, shift): dr = shift + spin x p. Its square
thus adds a 6 x 6 stiffness and a 6-vector to the segment. All residuals of a segment add up, all segments that a
coordinate moves add up, and two coordinates interact through what the further one moves. This is the composite
rigid-body algorithm, with stiffness in the place of inertia. Source: Featherstone (2008), Rigid Body Dynamics
Algorithms, section 6.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.kinematics import LandmarkPose, Twists


@dataclass(frozen=True)
class Posed:
    """A body at several instants: where its segments are, and how its coordinates move them."""

    pose: LandmarkPose
    twists: Twists

    def points(self, segment: Int[Tensor, "point"], place: Float[Tensor, "point 3"]) -> Float[Tensor, "frame point 3"]:
        """Points fixed to segments, in the world."""
        return placed(self.pose, segment, place)


def placed(
    pose: LandmarkPose, segment: Int[Tensor, "point"], place: Float[Tensor, "point 3"]
) -> Float[Tensor, "frame point 3"]:
    """Points fixed to segments, in the world."""
    return pose.pos[:, segment] + (pose.rotation[:, segment] * place[:, None, :]).sum(-1)


class Loads:
    """Collects residuals on segments of a body at several instants."""

    def __init__(self, frames: int, segments: int, like: Tensor) -> None:
        self.stiffness = like.new_zeros(frames, segments, 6, 6)
        self.force = like.new_zeros(frames, segments, 6)
        self.cost = like.new_zeros(())

    def add_points(
        self,
        segment: Int[Tensor, "point"],
        at: Float[Tensor, "frame point 3"],
        residual: Float[Tensor, "frame point 3"],
        weight: Float[Tensor, "frame point 3"],
    ) -> None:
        """Residuals of points `at` places in the world, each axis with its weight: half the sum of weight r²."""
        weighted = weight * residual
        self.cost = self.cost + (residual * weighted).sum() / 2
        x, y, z = at.unbind(-1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        # Rows: how each axis of the point moves with (spin, shift).
        rows = torch.stack(
            [
                torch.stack([zero, z, -y, one, zero, zero], dim=-1),
                torch.stack([-z, zero, x, zero, one, zero], dim=-1),
                torch.stack([y, -x, zero, zero, zero, one], dim=-1),
            ],
            dim=-2,
        )
        self.stiffness.index_add_(1, segment, rows.mT @ (weight[..., None] * rows))
        self.force.index_add_(1, segment, (rows * weighted[..., None]).sum(-2))

    def add_turns(
        self,
        segment: Int[Tensor, "turn"],
        residual: Float[Tensor, "frame turn 3"],
        weight: Float[Tensor, "frame turn 1"],
    ) -> None:
        """Residual rotation vectors of segments, in the world: half the sum of weight r²."""
        self.cost = self.cost + (weight * residual**2).sum() / 2
        stiffness = torch.zeros(*residual.shape[:2], 6, 6, dtype=residual.dtype, device=residual.device)
        stiffness[..., :3, :3] = weight[..., None] * torch.eye(3, dtype=residual.dtype, device=residual.device)
        self.stiffness.index_add_(1, segment, stiffness)
        self.force.index_add_(1, segment, torch.cat([weight * residual, torch.zeros_like(residual)], dim=-1))

    def reduce(
        self, twists: Twists, reaches: Bool[Tensor, "segment coordinate"]
    ) -> tuple[Float[Tensor, "frame coordinate coordinate"], Float[Tensor, "frame coordinate"]]:
        """Curvature and gradient of the cost in the independent coordinates."""
        reach = reaches.T.to(self.force.dtype)
        force = torch.einsum("cs,fsi->fci", reach, self.force)
        frames, segments = self.force.shape[:2]
        stiffness = (reach @ self.stiffness.reshape(frames, segments, 36)).reshape(frames, -1, 6, 6)
        motion = torch.cat([twists.spin, twists.shift], dim=-1)
        gradient = (motion * force).sum(-1)
        response = (stiffness @ motion[..., None]).squeeze(-1)
        pairs = response @ motion.mT
        within, equal = _order(reaches)
        lower = pairs * within
        return lower + lower.mT - pairs * equal, gradient


def _order(
    reaches: Bool[Tensor, "segment coordinate"],
) -> tuple[Float[Tensor, "coordinate coordinate"], Float[Tensor, "coordinate coordinate"]]:
    """For each pair of coordinates, whether the second moves all that the first moves, and whether both move the same.

    Coordinates that move nothing interact with none.
    """
    reach = reaches.T.to(torch.float64)
    common = reach @ reach.T
    size = reach.sum(dim=1)
    within = (common == size[:, None]) & (common > 0)
    equal = within & within.T
    return within.to(torch.float64), equal.to(torch.float64)
