"""Inverse dynamics in the independent coordinates: the generalised forces that a wanted acceleration takes.

    forces = mass z̈ + bias - passive - external

What is left for the joints is the work of muscles. What is left for the six rates of a free root nobody can make: it
tells how far motion, masses and measured ground forces are from agreeing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.model import Anatomy
from myotrack.simulate.mechanics import Mechanics, PerCoordinate


def inverse(
    mechanics: Mechanics, acceleration: PerCoordinate, external: PerCoordinate | None = None
) -> Float[Tensor, "world coordinate"]:
    """Generalised forces that realise an acceleration, beside the joints' own springs and dampers.

    Args:
        mechanics: Of every world, at the postures and rates in question.
        acceleration: Of the independent coordinates [rad/s²; m/s² where the root shifts].
        external: Generalised forces of everything outside the body, as `Handles.generalised` gives them.

    Returns:
        [N m; N where the root shifts]
    """
    needed = (mechanics.mass @ acceleration[..., None])[..., 0] + mechanics.bias - mechanics.passive
    return needed if external is None else needed - external


@dataclass(frozen=True)
class Handles:
    """Segments of a body at which forces from outside take hold."""

    segments: tuple[str, ...]
    """Names of MuJoCo bodies."""
    kinematics: Kinematics
    """With these segments' origins for landmarks."""
    reaches: Bool[Tensor, "segment coordinate"]
    """Whether a coordinate moves a segment."""

    @classmethod
    def of(cls, anatomy: Anatomy, segments: Sequence[str]) -> "Handles":
        """Take hold of some segments of a body.

        Raises:
            KeyError: The body has no segment of that name.
        """
        kinematics = Kinematics.of_segments(anatomy.model, anatomy.couplings, tuple(segments), np.eye(3))
        return cls(tuple(segments), kinematics, kinematics.reaches)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Handles":
        """The same with tensors on another device, and lengths of another precision."""
        return Handles(self.segments, self.kinematics.to(device, dtype), self.reaches.to(device))

    def places(self, pos: Float[Tensor, "world pos"]) -> Float[Tensor, "world segment 3"]:
        """Origins of the segments in the world [m]."""
        return self.kinematics.pose(pos).pos

    def generalised(
        self,
        pos: Float[Tensor, "world pos"],
        force: Float[Tensor, "world segment 3"],
        moment: Float[Tensor, "world segment 3"],
    ) -> Float[Tensor, "world coordinate"]:
        """What forces on the segments are in the independent coordinates, couplings included.

        A coordinate moves a point p with shift + spin x p, so a force F at p does the work F·shift + (p x F)·spin.

        Args:
            pos: Postures.
            force: On the segments, in the world [N].
            moment: On the segments, about the world's origin [N m].

        Returns:
            [N m; N where the root shifts]
        """
        _, twists = self.kinematics.pose_and_twists(pos)
        reach = self.reaches.to(force.dtype)
        push, turn = torch.einsum("sc,wsx->wcx", reach, force), torch.einsum("sc,wsx->wcx", reach, moment)
        return (twists.shift * push + twists.spin * turn).sum(dim=-1)
