"""`Sizes`: how large the parts of a body are over those of the published one, and which bones belong to which part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

SMALLEST, LARGEST = 0.5, 1.6
"""Factors a part may have. Tuned: from a child of three years to a giant, of an adult man."""
LIGHTEST, HEAVIEST = 0.5, 2.0
"""Masses a person may have, over those of one as dense as the published body. Tuned: body mass indices of 13 to 55."""
PERSON = {
    "pelvis": 18.447, "trunk": 27.544, "girdle": 1.724, "head": 2.126, "upper_arm": 3.999, "forearm": 2.678,
    "hand": 0.889, "thigh": 16.856, "shank": 7.600, "foot": 2.407,
}  # fmt: skip
"""Masses of the parts of the full body, left and right together [kg]; what a body without legs says nothing of.
Measured: sums of `model.body_mass` of the repaired full body."""
_PART_OF_PREFIX = {
    "Full Body": "pelvis", "sacrum": "pelvis", "pelvis": "pelvis",
    "clav": "girdle", "scapula": "girdle", "scapphant": "girdle", "humphant": "upper_arm", "humerus": "upper_arm",
    "ulna": "forearm", "radius": "forearm",
    "femur": "thigh", "patella": "thigh", "tibia": "shank", "talus": "foot", "calcn": "foot", "toes": "foot",
    "head": "head", "head_attach": "trunk", "lumbar": "trunk", "Abdomen": "trunk", "torso": "trunk", "neck": "trunk",
    "Bimanual": "trunk", "bimanual": "trunk", "root": "trunk", "thorax": "trunk", "cervical": "trunk", "world": "trunk",
}  # fmt: skip
"""Part of every MuJoCo body, by the longest prefix of its name; all others are bones of the hand."""


@dataclass(frozen=True)
class Sizes:
    """How large the parts of a body are over those of the published one, left and right alike, and what it weighs.

    `Sizes()` is the body as it is.

    Raises:
        ValueError: A factor is not between `SMALLEST` and `LARGEST`, or the mass is not positive.
    """

    pelvis: float = 1.0
    trunk: float = 1.0
    """Lumbar spine, abdomen, rib cage and neck."""
    girdle: float = 1.0
    """Clavicles and scapulae."""
    head: float = 1.0
    upper_arm: float = 1.0
    forearm: float = 1.0
    hand: float = 1.0
    thigh: float = 1.0
    """With the patella."""
    shank: float = 1.0
    foot: float = 1.0
    mass: float | None = None
    """Of the whole person, also for a body that is only part of one [kg]. None: as dense as the published body."""

    def __post_init__(self) -> None:
        for part, factor in zip(PARTS, self.factors, strict=True):
            if not SMALLEST <= factor <= LARGEST:
                raise ValueError(
                    f"The {part.replace('_', ' ')} cannot be {factor:g} times that of the body; sizes are between "
                    f"{SMALLEST} and {LARGEST}. A person so unlike it can be retargeted to the body's own size."
                )
        if self.mass is not None and not 0 < self.mass < math.inf:
            raise ValueError(f"A body cannot weigh {self.mass:g} kg; give a positive mass, or None.")

    @classmethod
    def of(cls, factors: Sequence[float], mass: float | None = None) -> "Sizes":
        """From factors in the order of `PARTS`."""
        return cls(*factors, mass=mass)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Sizes":
        """The inverse of `as_dict`.

        Raises:
            ValueError: The fields are not those of sizes, or not numbers that sizes can have.
        """
        if row.keys() != asdict(cls()).keys():
            raise ValueError(f"Sizes have other fields: {', '.join(sorted(row.keys() ^ asdict(cls()).keys()))}.")
        for name, value in row.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number and not (name == "mass" and value is None):
                raise ValueError(f"The sizes have a '{name}' that cannot be: {value!r:.60}.")
        mass = row["mass"]
        return cls.of([float(row[part]) for part in PARTS], None if mass is None else float(mass))

    def as_dict(self) -> dict[str, float | None]:
        """Plain numbers and None, as JSON has them."""
        return asdict(self)

    @property
    def factors(self) -> tuple[float, ...]:
        """In the order of `PARTS`."""
        return tuple(getattr(self, part) for part in PARTS)

    @property
    def own(self) -> bool:
        """Whether the body is as it is published."""
        return self == Sizes()

    def factor(self, body: str) -> float:
        """Of a MuJoCo body."""
        return self.factors[part_of(body)]

    def volume_mass(self) -> float:
        """What a whole person of these sizes weighs if as dense as the published body [kg]."""
        return sum(PERSON[part] * factor**3 for part, factor in zip(PARTS, self.factors, strict=True))

    def __str__(self) -> str:
        """Whatever differs from the body's own sizes, in words."""
        parts = [f"{part.replace('_', ' ')} {getattr(self, part):g}" for part in PARTS if getattr(self, part) != 1.0]
        weight = [] if self.mass is None else [f"{self.mass:g} kg"]
        return ", ".join(parts + weight) or "the body's own"


PARTS = tuple(field.name for field in fields(Sizes) if field.name != "mass")
"""What can be resized; left and right always together."""


def part_of(body: str) -> int:
    """Index into `PARTS` of a MuJoCo body, by its name."""
    prefixes = [prefix for prefix in _PART_OF_PREFIX if body.startswith(prefix)]
    return PARTS.index(_PART_OF_PREFIX[max(prefixes, key=len)] if prefixes else "hand")
