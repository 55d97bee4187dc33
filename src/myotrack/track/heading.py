"""Where a body looks, so that neither the place nor the direction of a motion matters.

A heading frame has x forward, y to the left and z up. A free body's turns with its pelvis about the vertical; that of a
fixed trunk never moves. A mirror turns y into -y in it, wherever the body is.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation
from myotrack.algebra.quaternion import conjugate, rotate
from myotrack.anatomy.model import Anatomy

VECTOR = SignedPermutation(torch.arange(3), torch.tensor([1.0, -1.0, 1.0]))
"""What a mirror makes of a position, velocity or force."""
AXIAL = SignedPermutation(torch.arange(3), torch.tensor([-1.0, 1.0, -1.0]))
"""What a mirror makes of an angular velocity, moment or rotation vector."""


class Heading:
    """Finds the heading frame of every world."""

    def __init__(self, anatomy: Anatomy, device: torch.device | str = "cpu") -> None:
        self._pelvis = anatomy.landmarks.index("pelvis") if anatomy.free else None
        self._fixed = anatomy.mirror.neutral.to(device, torch.float32)

    def of(self, landmark_quat_w: Float[Tensor, "*batch landmark 4"]) -> Float[Tensor, "*batch 4"]:
        """Quaternion that turns vectors of the heading frame into the world."""
        if self._pelvis is None:
            return self._fixed.to(landmark_quat_w.dtype).expand(*landmark_quat_w.shape[:-2], 4)
        pelvis = landmark_quat_w[..., self._pelvis, :]
        ahead = torch.zeros_like(pelvis[..., 1:])
        ahead[..., 0] = 1.0
        forward = rotate(pelvis, ahead)
        half = torch.atan2(forward[..., 1], forward[..., 0]) / 2
        still = torch.zeros_like(half)
        return torch.stack([torch.cos(half), still, still, torch.sin(half)], dim=-1)


def seen(frame: Float[Tensor, "*#batch 4"], vector_w: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch 3"]:
    """A vector of the world as it is in a frame."""
    return rotate(conjugate(frame), vector_w)
