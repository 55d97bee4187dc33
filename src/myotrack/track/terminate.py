"""When a body has lost its reference: landmarks or root farther away than a rule allows.

A rule compares landmarks relative to the pelvis, and the pelvis itself on its own. A trunk that is fixed has no pelvis
to compare, so there landmarks count where they are.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.track.moment import Moment

PerWorld = Float[Tensor, "world"]


@dataclass(frozen=True)
class Rule:
    """How far a body may be from its reference; what is farther is lost."""

    landmark: float
    """Mean distance of the landmarks, the pelvis laid onto its reference [m]."""
    root: float
    """Distance of the pelvis; of no account for a fixed trunk [m]."""
    name: str = "own"

    def __post_init__(self) -> None:
        if not (self.landmark > 0 and self.root > 0):
            raise ValueError(f"A rule needs positive distances; got {self.landmark} m and {self.root} m.")

    def violated(self, landmark: Float[Tensor, "*any"], root: Float[Tensor, "*any"]) -> Bool[Tensor, "*any"]:
        """Where either distance exceeds its limit, or is no number."""
        return beyond((landmark, root), (self.landmark, self.root))

    def __str__(self) -> str:
        return f"{self.name} rule: landmarks {self.landmark:.2f} m, pelvis {self.root:.2f} m"


PUBLISHED = Rule(0.30, 0.50, "published")
"""Cited: MuscleMimic, arXiv 2603.25544. The loosest rule: an episode goes on until it is violated."""
STRICT = Rule(0.15, 0.25, "strict")
"""Tuned: half the published distances, since a body 0.3 m off does not look as if it followed anything."""


def beyond(
    distance: tuple[Float[Tensor, "*any"], Float[Tensor, "*any"]], limit: tuple[float | Tensor, float | Tensor]
) -> Bool[Tensor, "*any"]:
    """Where one of two distances exceeds its limit, or is no number."""
    return ~((distance[0] <= limit[0]) & (distance[1] <= limit[1]))


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


def lost(moment: Moment, anatomy: Anatomy, rule: Rule) -> Bool[Tensor, "world"]:
    """Worlds whose body has lost its reference, or the numbers."""
    return rule.violated(*landmark_distance(moment, anatomy)) | ~moment.body.intact
