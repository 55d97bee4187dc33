"""Where the world of a clip is in that of its recording, for whatever else was recorded beside the motion: forces."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import multiply, to_matrix


@dataclass(frozen=True)
class Placement:
    """What a retargeting did to places: it levelled the floor, put it at zero, stopped a belt, scaled to the body.

    A place p of the recording is (turn p + shift) / scale in the clip. Raising a body out of the floor, frame by frame,
    is no change of the world and is not told here.
    """

    start: float
    """Time of the clip's first frame, from the first frame of the recording [s]."""
    turn: Float[Tensor, "4"]
    """Rotation from the recording's world (w, x, y, z)."""
    shift: Float[Tensor, "frame 3"]
    """After the rotation, in the size of the person; along the floor it differs from frame to frame on a belt [m]."""
    scale: float
    """Of the person over the body; 1 on a body of the person's sizes."""

    @classmethod
    def unmoved(cls, frames: int, start: float, scale: float) -> "Placement":
        """The clip's world is the recording's."""
        turn = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
        return cls(start, turn, torch.zeros(frames, 3, dtype=torch.float64), scale)

    def turned(self, turn: Float[Tensor, "4"]) -> "Placement":
        """After a rotation about the origin of the clip's world."""
        return replace(self, turn=multiply(turn, self.turn), shift=self.shift @ to_matrix(turn).mT)

    def shifted(self, shift: Float[Tensor, "frame 3"]) -> "Placement":
        """After a shift, in the size of the body [m]."""
        return replace(self, shift=self.shift + shift * self.scale)

    def points(self, points: Float[Tensor, "frame *point 3"]) -> Float[Tensor, "frame *point 3"]:
        """Places of the recording, in the clip [m]."""
        return (points @ to_matrix(self.turn).mT + self._per(points)) / self.scale

    def wrenches(
        self, force: Float[Tensor, "frame *plate 3"], moment: Float[Tensor, "frame *plate 3"]
    ) -> tuple[Float[Tensor, "frame *plate 3"], Float[Tensor, "frame *plate 3"]]:
        """Forces of the recording and their moments about its origin, as forces and moments about the clip's origin.

        Only on a body of the person's sizes do forces mean what they meant to the person.

        Args:
            force: One row per frame of the clip [N].
            moment: About the origin of the recording's world [N m].

        Raises:
            ValueError: The clip was scaled to a body of another size.
        """
        if self.scale != 1.0:
            raise ValueError(
                f"The motion was scaled by {1 / self.scale:.3f} to a body of another size, for which measured forces "
                "mean nothing; retarget with Settings(size='fitted')."
            )
        matrix = to_matrix(self.turn)
        force = force @ matrix.mT
        return force, moment @ matrix.mT + torch.linalg.cross(self._per(force).expand_as(force), force)

    def _per(self, values: Float[Tensor, "frame *point 3"]) -> Float[Tensor, "frame *one 3"]:
        """The shift, ready to be added to rows of points."""
        return self.shift.reshape(len(self.shift), *[1] * (values.ndim - 2), 3)
