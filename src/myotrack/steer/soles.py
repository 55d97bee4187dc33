"""Points under the feet that can stand on the floor: where they are, what moves them, and how they can push."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.model import Anatomy
from myotrack.retarget.rig import Rig

TOUCHING = 0.002
"""A point of a sole that is lower than this stands on the floor [m]. Measured: points that carry a standing
body are 0.4 mm above to 0.2 mm below the floor, toes that do not 1 mm or more above it."""
FRICTION = 0.7
"""Coefficient of friction that is relied on. Tuned: the floor has 1."""
EDGES = 4
"""Of the pyramid that stands for the friction cone. Tuned: it lies within the cone."""
STRONGEST = 1500.0
"""Most that one edge of one point may push [N]. Tuned: nearly twice the weight of the body."""
_INSTANT = 1e-4
"""Step of the second difference that gives the points' own acceleration [s]."""


@dataclass(frozen=True)
class Footing:
    """The points at one instant of every world."""

    place: Float[Tensor, "world point 3"]
    """The lowest point of each ball of the soles [m]."""
    jacobian: Float[Tensor, "world point 3 coordinate"]
    """How coordinates move it."""
    drift: Float[Tensor, "world point 3"]
    """Its acceleration while the coordinates move steadily [m/s²]."""
    on: Bool[Tensor, "world point"]
    """Whether it stands on the floor and is meant to."""

    def pushes(self) -> Float[Tensor, "world coordinate edge"]:
        """Generalised force of every edge of every pyramid at its strongest."""
        angle = 2 * math.pi / EDGES * torch.arange(EDGES, dtype=self.place.dtype, device=self.place.device)
        edges = torch.stack([FRICTION * angle.cos(), FRICTION * angle.sin(), torch.ones_like(angle)], dim=1)
        return torch.einsum("wpic,ei->wcpe", self.jacobian, STRONGEST * edges).flatten(2)

    def bounds(self) -> Float[Tensor, "world edge"]:
        """1 for edges of points that stand, 0 for the others."""
        return self.on.to(self.place.dtype).repeat_interleave(EDGES, dim=1)


@dataclass(frozen=True)
class Soles:
    """The points under the feet of a body, in double precision: in single a second difference would be noise."""

    kinematics: Kinematics
    segment: Int[Tensor, "point"]
    offset: Float[Tensor, "point 3"]
    radius: Float[Tensor, "point"]
    region: Int[Tensor, "point"]
    """Of `Anatomy.foot_regions`."""

    @classmethod
    def of(cls, anatomy: Anatomy, device: torch.device | str = "cpu") -> "Soles":
        """The points of a body with feet."""
        rig = Rig.of(anatomy)
        sole = rig.sole
        return cls(
            kinematics=rig.kinematics.to(device, torch.float64),
            segment=sole.segment.to(device),
            offset=sole.offset.to(device, torch.float64),
            radius=sole.radius.to(device, torch.float64),
            region=sole.region.to(device),
        )

    def place(self, z: Float[Tensor, "world pos"]) -> Float[Tensor, "world point 3"]:
        """Where the points are [m]."""
        pose = self.kinematics.pose(z)
        return self._lowest(pose.pos, pose.rotation)

    def footing(
        self,
        z: Float[Tensor, "world pos"],
        rate: Float[Tensor, "world coordinate"],
        meant: Bool[Tensor, "world region"],
    ) -> Footing:
        """Everything about the points, in the precision of the posture.

        Args:
            z: Posture.
            rate: Of the coordinates.
            meant: Which regions are meant to stand.
        """
        dtype, z, rate = z.dtype, z.double(), rate.double()
        pose, twists = self.kinematics.pose_and_twists(z)
        place = self._lowest(pose.pos, pose.rotation)
        reach = self.kinematics.reaches[self.segment].to(z.dtype)[None, :, :, None]
        spin, shift = twists.spin[:, None] * reach, twists.shift[:, None] * reach
        jacobian = shift + torch.linalg.cross(spin, place[:, :, None].expand_as(spin), dim=-1)
        ahead, behind = (self.place(_moved(z, rate, step)) for step in (_INSTANT, -_INSTANT))
        return Footing(
            place=place.to(dtype),
            jacobian=jacobian.transpose(2, 3).to(dtype),
            drift=((ahead - 2 * place + behind) / _INSTANT**2).to(dtype),
            on=(place[..., 2] < TOUCHING) & meant[:, self.region],
        )

    def _lowest(
        self, origin: Float[Tensor, "world segment 3"], turn: Float[Tensor, "world segment 3 3"]
    ) -> Float[Tensor, "world point 3"]:
        centre = origin[:, self.segment] + (turn[:, self.segment] @ self.offset[..., None])[..., 0]
        return centre - torch.nn.functional.pad(self.radius[:, None], (2, 0))


def _moved(z: Float[Tensor, "world pos"], rate: Float[Tensor, "world coordinate"], time: float) -> Tensor:
    """A posture a little later, the rates being steady."""
    turned = multiply(z[:, 3:7], exponential(time * rate[:, 3:6]))
    return torch.cat([z[:, :3] + time * rate[:, :3], turned, z[:, 7:] + time * rate[:, 6:]], dim=1)
