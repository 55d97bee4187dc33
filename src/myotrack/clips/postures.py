"""Postures that reach their goals: inverse kinematics of many instants at once, each nearest to a wished posture.

Goals are places and orientations of segments and the place of the centre of mass. Damped Gauss-Newton steps; a
coordinate that would leave its limits stays on them, and the others go around it.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, multiply
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.anatomy.kinematics import Kinematics, LandmarkPose
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy

SEGMENTS: dict[str, tuple[str, ...]] = {
    "full": ("pelvis", "thorax", "thirdmc_r", "thirdmc_l", "calcn_r", "calcn_l", "toes_r", "toes_l"),
    "arms": ("thorax", "thirdmc_r", "thirdmc_l"),
}
"""What goals may be about: bodies of MuJoCo, whose frames look x forward, y left, z up in the neutral pose. The origin
of the third metacarpal is the hand's landmark."""
STEPS = 20
"""Most Gauss-Newton steps."""
FAR = 0.3
"""A step changes no coordinate by more [rad or m]."""
CLOSE = 1e-7
"""A smaller step is the last [rad]."""


@dataclass(frozen=True)
class Place:
    """Where the origin of a segment should be."""

    segment: str
    target: Float[Tensor, "instant 3"]
    """[m]; NaN where it does not matter."""
    error: float
    """[m]"""


@dataclass(frozen=True)
class Turn:
    """How a segment should be turned."""

    segment: str
    target: Float[Tensor, "instant 3 3"]
    error: float
    """[rad]"""


@dataclass(frozen=True)
class Balance:
    """Where the centre of mass should be over the floor."""

    target: Float[Tensor, "instant 2"]
    """[m]"""
    error: float
    """[m]"""


Goal = Place | Turn | Balance


@dataclass(frozen=True)
class Poser:
    """A body, ready for inverse kinematics."""

    anatomy: Anatomy
    kinematics: Kinematics

    @classmethod
    def of(cls, anatomy: Anatomy) -> "Poser":
        """Prepare a body."""
        segments = SEGMENTS[anatomy.name]
        return cls(anatomy, Kinematics.of_segments(anatomy.model, anatomy.couplings, segments, FACING))

    def pose(self, z: Float[Tensor, "*instant pos"]) -> LandmarkPose:
        """Where the segments are."""
        return self.kinematics.pose(z)

    def row(self, segment: str) -> int:
        """Index of a segment in a pose."""
        return SEGMENTS[self.anatomy.name].index(segment)

    def centre(self, z: Float[Tensor, "instant pos"]) -> tuple[Float[Tensor, "instant 3"], Tensor]:
        """Centre of mass, and how it moves with the coordinates."""
        model, couplings = self.anatomy.model, self.anatomy.couplings
        data = mujoco.MjData(model)
        place, arm = np.empty((len(z), 3)), np.empty((len(z), 3, model.nv))
        for row, posture in enumerate(couplings.qpos(z).numpy()):
            data.qpos[:] = posture
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            place[row] = data.subtree_com[0]
            # Body 1 is the root: the world itself does not move.
            mujoco.mj_jacSubtreeCom(model, data, arm[row], 1)
        return torch.as_tensor(place), couplings.reduce(z[:, None], torch.as_tensor(arm))

    def solve(
        self, wish: Float[Tensor, "instant pos"], doubt: Float[Tensor, "coordinate"], goals: list[Goal]
    ) -> Float[Tensor, "instant pos"]:
        """Postures that meet the goals.

        Args:
            wish: Postures to stay near.
            doubt: How far each coordinate may go from its wish [m or rad].
            goals: What matters more.
        """
        skip = 1 if self.anatomy.free else 0
        low, high = (limit[skip:] for limit in self.anatomy.limits())
        z = wish.clone()
        for _ in range(STEPS):
            matrix = torch.diag(1 / doubt**2).repeat(len(z), 1, 1)
            away = self._away(z, wish)
            gradient = away / doubt**2
            for residual, design in self._residuals(z, goals):
                matrix += design.mT @ design
                gradient += (design.mT @ residual[..., None])[..., 0]
            now = away + self._flat(wish)
            step = _bounded(matrix, gradient, (low - now).clamp_min(-FAR), (high - now).clamp_max(FAR))
            z = self._moved(z, step)
            if float(step.abs().max()) < CLOSE:
                break
        return z

    def _residuals(self, z: Tensor, goals: list[Goal]) -> list[tuple[Tensor, Tensor]]:
        """Misses and how they move with the coordinates, by their errors."""
        pose, jacobian = self.kinematics.pose_and_jacobian(z)
        rows = []
        for goal in goals:
            if isinstance(goal, Balance):
                at, arm = self.centre(z)
                rows.append(((at[:, :2] - goal.target) / goal.error, arm[:, :2] / goal.error))
                continue
            segment = self.row(goal.segment)
            if isinstance(goal, Place):
                miss, arm = pose.pos[:, segment] - goal.target, jacobian.pos[:, segment]
                known = torch.isfinite(goal.target)
                miss, arm = torch.where(known, miss, 0.0), arm * known[..., None]
            else:
                miss = logarithm(from_matrix(pose.rotation[:, segment] @ goal.target.mT))
                arm = jacobian.spin[:, segment]
            rows.append((miss / goal.error, arm / goal.error))
        return rows

    def _flat(self, z: Tensor) -> Tensor:
        """z in as many numbers as its rates; zeros stand for a root's orientation."""
        if not self.anatomy.free:
            return z
        return torch.cat([z[:, :3], torch.zeros_like(z[:, :3]), z[:, 7:]], dim=1)

    def _away(self, z: Tensor, wish: Tensor) -> Tensor:
        if not self.anatomy.free:
            return z - wish
        inverse = wish[:, 3:7] * wish.new_tensor([1.0, -1.0, -1.0, -1.0])
        turn = logarithm(multiply(inverse, z[:, 3:7]))
        return torch.cat([z[:, :3] - wish[:, :3], turn, z[:, 7:] - wish[:, 7:]], dim=1)

    def _moved(self, z: Tensor, step: Tensor) -> Tensor:
        """After a step; a root turns about its own axes."""
        if not self.anatomy.free:
            return z + step
        turned = multiply(z[:, 3:7], exponential(step[:, 3:6]))
        return torch.cat([z[:, :3] + step[:, :3], turned, z[:, 7:] + step[:, 6:]], dim=1)


def _bounded(matrix: Tensor, gradient: Tensor, least: Tensor, most: Tensor) -> Tensor:
    """The step against the gradient; what would go too far goes as far as it may, and the rest is solved around it."""
    step, held = torch.zeros_like(gradient), torch.zeros_like(gradient, dtype=torch.bool)
    for _ in range(4):
        known = torch.where(held, step, 0.0)
        free = (~held).to(gradient)
        right = -(gradient + (matrix @ known[..., None])[..., 0]) * free
        inner = matrix * free[:, :, None] * free[:, None, :] + torch.diag_embed(1 - free)
        step = torch.linalg.solve(inner, right) + known
        beyond = (step < least) | (step > most)
        step = torch.clamp(step, least, most)
        if not beyond.any():
            break
        held = held | beyond
    return step
