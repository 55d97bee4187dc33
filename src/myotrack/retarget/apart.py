"""Limbs that do not pass through each other: the body's own contact pairs, as capsules kept apart."""

from dataclasses import dataclass, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.retarget.loads import Posed, placed
from myotrack.retarget.rig import Rig

TOUCH = 0.002
"""Standard deviation of a depth [m]. Tuned: limbs give way to each other before points are given up."""
SOFT = 0.003
"""Distance from which two parts begin to feel each other [m]."""


@dataclass(frozen=True)
class Apart:
    """Pairs of capsules that should not overlap. An ellipsoid counts as the capsule along its longest axis."""

    segment: Int[Tensor, "capsule"]
    start: Float[Tensor, "capsule 3"]
    """One end of each capsule's axis in its segment's frame [m]."""
    end: Float[Tensor, "capsule 3"]
    radius: Float[Tensor, "capsule"]
    """[m]"""
    pair: Int[Tensor, "2 pair"]
    """Which capsules."""

    @classmethod
    def of(cls, rig: Rig) -> "Apart":
        """The contact pairs of a body, without those that overlap at rest."""
        anatomy = rig.anatomy
        model = anatomy.model
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        geoms = sorted({*model.pair_geom1.tolist(), *model.pair_geom2.tolist()})
        found = {geom: capsule for geom in geoms if (capsule := rig.capsule(geom, data)) is not None}
        place = {geom: row for row, geom in enumerate(found)}
        both = [
            (place[int(first)], place[int(second)])
            for first, second in zip(model.pair_geom1, model.pair_geom2, strict=True)
            if int(first) in place and int(second) in place
        ]
        pairs = cls(
            segment=torch.tensor([capsule.segment for capsule in found.values()], dtype=torch.int64),
            start=_table([capsule.start for capsule in found.values()]),
            end=_table([capsule.end for capsule in found.values()]),
            radius=torch.tensor([capsule.radius for capsule in found.values()], dtype=torch.float64),
            pair=torch.tensor(both, dtype=torch.int64).reshape(-1, 2).T,
        )
        return pairs._at_ease(anatomy, rig)

    def add(
        self, posed: Posed, reaches: Bool[Tensor, "segment coordinate"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "frame coordinate coordinate"], Float[Tensor, "frame coordinate"]]:
        """Cost, curvature and gradient of some frames."""
        size = posed.twists.spin.shape[1]
        frames = len(posed.pose.pos)
        matrix = posed.pose.pos.new_zeros(frames, size, size)
        gradient = posed.pose.pos.new_zeros(frames, size)
        distance, near, normal = self.distances(posed)
        frame, pair = (distance < SOFT).nonzero(as_tuple=True)
        if not len(frame):
            return gradient.sum(), matrix, gradient
        depth = distance[frame, pair]
        # A push that begins softly, as the floor's does.
        slope = ((SOFT - depth) / (2 * SOFT)).clamp(0.0, 1.0)
        push = torch.where(depth < -SOFT, -depth, SOFT * slope**2)
        rows = posed.pose.pos.new_zeros(len(frame), size)
        spin, shift = posed.twists.spin[frame], posed.twists.shift[frame]
        for side, sign in ((0, 1.0), (1, -1.0)):
            at = near[side][frame, pair]
            motion = shift + torch.linalg.cross(spin, at[:, None].expand_as(spin), dim=-1)
            moves = reaches[self.segment[self.pair[side][pair]]].to(at)
            rows += sign * moves * (motion * normal[frame, pair][:, None]).sum(-1)
        rows = rows * (-slope / TOUCH)[:, None]
        residual = push / TOUCH
        matrix.index_add_(0, frame, rows[:, :, None] * rows[:, None, :])
        gradient.index_add_(0, frame, rows * residual[:, None])
        return (residual**2).sum() / 2, matrix, gradient

    def distances(
        self, posed: Posed
    ) -> tuple[
        Float[Tensor, "frame pair"],
        tuple[Float[Tensor, "frame pair 3"], Float[Tensor, "frame pair 3"]],
        Float[Tensor, "frame pair 3"],
    ]:
        """Gap between surfaces [m], the nearest points of both axes, and the direction from the second to the first.

        Nearest points of two line segments: Ericson (2005), Real-Time Collision Detection, section 5.1.9.
        """
        one, other = self.pair
        start = placed(posed.pose, self.segment, self.start)
        along = placed(posed.pose, self.segment, self.end) - start
        a, b, u, v = start[:, one], start[:, other], along[:, one], along[:, other]
        w = a - b
        uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
        uw, vw = (u * w).sum(-1), (v * w).sum(-1)
        span = (uu * vv - uv * uv).clamp_min(1e-12)
        s = ((uv * vw - vv * uw) / span).clamp(0.0, 1.0)
        t = ((uv * s + vw) / vv.clamp_min(1e-12)).clamp(0.0, 1.0)
        s = ((uv * t - uw) / uu.clamp_min(1e-12)).clamp(0.0, 1.0)
        first, second = a + s[..., None] * u, b + t[..., None] * v
        between = first - second
        length = between.norm(dim=-1)
        normal = between / length.clamp_min(1e-9)[..., None]
        return length - self.radius[self.pair].sum(dim=0), (first, second), normal

    def _at_ease(self, anatomy: Anatomy, rig: Rig) -> "Apart":
        pose, twists = rig.kinematics.pose_and_twists(anatomy.rest[None])
        gap = self.distances(Posed(pose, twists))[0][0]
        return replace(self, pair=self.pair[:, gap > 0])


def _table(rows: list[np.ndarray]) -> Float[Tensor, "capsule 3"]:
    return torch.as_tensor(np.array(rows, dtype=np.float64).reshape(-1, 3))
