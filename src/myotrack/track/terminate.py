"""When a body has lost its reference: landmarks or root farther away than stated."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.track.moment import Moment

PerWorld = Float[Tensor, "world"]


@dataclass(frozen=True)
class Limits:
    """How far a body may be from its reference before its episode counts as failed."""

    landmark: float = 0.3
    """Mean distance of the landmarks, the pelvis laid onto its reference [m]. Cited: the published rule of MuscleMimic,
    arXiv 2603.25544."""
    root: float = 0.5
    """Distance of the pelvis [m]; does not apply to a fixed trunk. The same source."""

    def __post_init__(self) -> None:
        if not (self.landmark > 0 and self.root > 0):
            raise ValueError(f"The limits at which a body counts as lost are positive distances; got {self}.")

    def __str__(self) -> str:
        return (
            f"landmarks {self.landmark:g} m from their reference (mean, relative to the pelvis), root {self.root:g} m"
        )


def distances(
    apart: Float[Tensor, "row landmark 3"], anatomy: Anatomy
) -> tuple[Float[Tensor, "row"], Float[Tensor, "row"]]:
    """Mean distance of the landmarks relative to the pelvis, and distance of the pelvis [m]; 0 for a fixed trunk.

    Args:
        apart: From the body's landmarks to those of the reference [m].
        anatomy: The body.
    """
    root = apart.new_zeros(len(apart))
    if anatomy.free:
        pelvis = apart[:, anatomy.landmarks.index("pelvis")]
        apart, root = apart - pelvis[:, None], pelvis.norm(dim=-1)
    return apart.norm(dim=-1).mean(dim=-1), root


def landmark_distance(moment: Moment, anatomy: Anatomy) -> tuple[PerWorld, PerWorld]:
    """The same of a moment."""
    return distances(moment.reference.landmark_pos_w[:, 0] - moment.body.landmark_pos_w, anatomy)


def lost(moment: Moment, anatomy: Anatomy, limits: Limits) -> Bool[Tensor, "world"]:
    """Worlds whose body has lost its reference, or the numbers."""
    landmark, root = landmark_distance(moment, anatomy)
    # Written so that a world that is not made of numbers is lost, too.
    return ~((landmark <= limits.landmark) & (root <= limits.root) & moment.body.intact)
