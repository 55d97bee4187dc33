"""The body beside published numbers: leg muscles, moment arms and segment masses, row by row.

In: a body and the tables in `data/norms`, whose README says where each number is from. Out: rows that hold our number
next to the published one. What counts as a fault is decided by `audit`.
"""

import csv
import importlib.resources
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import LEFT, indices_of, side_of, stem_of
from myotrack.anatomy.paths import lengths_and_arms, postures_over

POSITIVE_ACTIONS = frozenset(
    {"flexion", "adduction", "dorsiflexion", "inversion", "pronation", "elevation", "internal_rotation"}
)
"""Actions in the positive direction of their joint; README of the norms, joint signs."""

POSED_DEG: dict[tuple[str, str], tuple[str, float]] = {
    ("", "pro_sup"): ("elbow_flex", 90.0),
    ("DELT1", "shoulder_elv"): ("elv_angle", 60.0),
}
"""Where a second joint is bent while the arm is measured, by (muscle or any, joint); README of the norms [deg]."""

STEP_DEG = 5.0
"""Between the angles at which a moment arm is averaged [deg]. Steps of 1 deg change no value by 0.1 mm."""

SEGMENTS: dict[str, str] = {
    "head_attach": "head_and_neck",
    "humphant": "upper_arm",
    "ulna": "forearm",
    "lunate": "hand",
    "femur": "thigh",
    "tibia": "shank",
    "talus": "foot",
}
"""The MuJoCo body at which each of Winter's segments begins, without side; all others are of the trunk. Clavicles and
scapulae are of the trunk, as in Winter's division at the glenohumeral joint."""


@dataclass(frozen=True)
class LegMuscle:
    """A leg muscle over the same one in Rajagopal et al. (2016). Ratios, ours over theirs; the larger departure of both
    sides."""

    muscle: str
    peak_force: float
    fibre: float
    """Of optimal fibre lengths."""
    tendon: float
    """Of tendon slack lengths."""


@dataclass(frozen=True)
class SegmentMass:
    """The mass of a segment, left and right together, and the share that Winter (2009) gives it."""

    segment: str
    mass: float
    """[kg]"""
    share: float
    """Of the body's mass."""
    winter: float


@dataclass(frozen=True)
class PublishedArm:
    """One row of published moment arms, with the mean of ours over the same angles."""

    muscle: str
    """A muscle without its side, or several joined by '+', whose mean is compared."""
    joint: str
    from_deg: float
    to_deg: float
    low: float
    """Lower end of the published band [m]."""
    high: float
    action: str
    how: str
    """'read' or 'recalled', as in the table."""
    arm: float
    """Ours, positive in the sense of `action`: mean over the angles, or the largest if it ends in '_peak' [m]."""

    @property
    def inside(self) -> bool:
        """Whether ours is in this row's own band."""
        return self.low <= self.arm <= self.high


@dataclass(frozen=True)
class ArmEnvelope:
    """All published rows of one muscle, joint and action together: different methods, not one truth."""

    rows: tuple[PublishedArm, ...]

    @property
    def name(self) -> str:
        """The muscle and its joint, as 'muscle/joint'; a peak is told apart from a mean by '/peak'."""
        first = self.rows[0]
        return f"{first.muscle}/{first.joint}{'/peak' if first.action.endswith('_peak') else ''}"

    @property
    def low(self) -> float:
        """The lowest end of all bands [m]."""
        return min(row.low for row in self.rows)

    @property
    def high(self) -> float:
        """The highest end of all bands [m]."""
        return max(row.high for row in self.rows)

    @property
    def arm(self) -> float:
        """Ours, over the angles of the row where it departs most from the envelope [m]."""
        return max((row.arm for row in self.rows), key=lambda arm: max(self.low - arm, arm - self.high))

    @property
    def inside(self) -> bool:
        """Whether ours is in the envelope over the angles of every row."""
        return self.low <= self.arm <= self.high

    @property
    def how(self) -> str:
        """'read', 'recalled' or 'read and recalled'."""
        return " and ".join(sorted({row.how for row in self.rows}))


def norm_table(name: str) -> list[dict[str, str]]:
    """Rows of one of the tables in `data/norms`, by its file name without '.csv'."""
    path = importlib.resources.files("myotrack") / "data" / "norms" / f"{name}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def leg_muscles(anatomy: Anatomy) -> tuple[LegMuscle, ...]:
    """The leg muscles of a body over Rajagopal's; none for a body without legs."""
    rows = []
    for norm in norm_table("rajagopal2016_leg_muscles"):
        sides = [muscle for muscle in anatomy.muscles if stem_of(muscle.name) == norm["muscle"]]
        if not sides:
            continue
        force, fibre, tendon = (
            max((value / float(norm[column]) for value in values), key=lambda ratio: abs(ratio - 1))
            for column, values in (
                ("peak_isometric_force_N", [muscle.peak_force for muscle in sides]),
                ("optimal_fibre_length_m", [muscle.fibre_length for muscle in sides]),
                ("tendon_slack_length_m", [muscle.tendon_length for muscle in sides]),
            )
        )
        rows.append(LegMuscle(norm["muscle"], force, fibre, tendon))
    return tuple(rows)


def segment_masses(anatomy: Anatomy) -> tuple[SegmentMass, ...]:
    """Masses of Winter's segments; none for the arms, whose trunk is a pedestal."""
    if not anatomy.free:
        return ()
    model = anatomy.model
    segment = ["trunk"] * model.nbody
    for body in range(1, model.nbody):
        inherited = segment[int(model.body_parentid[body])]
        segment[body] = SEGMENTS.get(stem_of(model.body(body).name), inherited)
    total = float(model.body_mass.sum())
    rows = []
    for norm in norm_table("winter_segment_masses"):
        mass = sum(float(mass) for mass, name in zip(model.body_mass, segment, strict=True) if name == norm["segment"])
        if mass:
            sides = 1 if norm["segment"] in ("head_and_neck", "trunk") else 2
            rows.append(SegmentMass(norm["segment"], mass, mass / total, sides * float(norm["mass_fraction"])))
    return tuple(rows)


def arm_curve(anatomy: Anatomy, muscle: str, joint: str, angle: Float[Tensor, "angle"]) -> Float[Tensor, "angle"]:
    """Moment arm of a right muscle, or the mean of several joined by '+', over the angles of a joint [m].

    Other joints are at rest, except where `POSED_DEG` bends one.

    Args:
        anatomy: The body.
        muscle: Names without side, joined by '+'.
        joint: The joint, without side.
        angle: Its angles [rad].

    Raises:
        KeyError: The body has no such muscle or joint.
    """
    names = [name for name in anatomy.muscle_names if side_of(name, anatomy.muscle_names) != LEFT]
    lines = [names[index] for index in indices_of(muscle.split("+"), [stem_of(name) for name in names], "muscle")]
    second = POSED_DEG.get((muscle, joint)) or POSED_DEG.get(("", joint))
    others = {f"{second[0]}_r": second[1] * torch.pi / 180} if second else {}
    arms = lengths_and_arms(anatomy, postures_over(anatomy, f"{joint}_r", angle, others))[1]
    coordinate = anatomy.coordinate_names.index(f"{joint}_r")
    return arms[:, [anatomy.muscle_names.index(line) for line in lines], coordinate].mean(dim=-1)


def published_arms(anatomy: Anatomy) -> tuple[ArmEnvelope, ...]:
    """Our moment arms beside the published ones, for the muscles that the body has."""
    stems = {stem_of(name) for name in anatomy.muscle_names}
    norms = [norm for norm in norm_table("moment_arms_published") if set(norm["muscle"].split("+")) <= stems]
    rows = [_published_arm(anatomy, norm) for norm in norms]

    envelopes: dict[tuple[str, str, str], list[PublishedArm]] = {}
    for row in rows:
        envelopes.setdefault((row.joint, row.muscle, row.action), []).append(row)
    return tuple(ArmEnvelope(tuple(members)) for members in envelopes.values())


def _published_arm(anatomy: Anatomy, norm: dict[str, str]) -> PublishedArm:
    start, end = float(norm["from_deg"]), float(norm["to_deg"])
    angle = torch.linspace(start, end, round((end - start) / STEP_DEG) + 1, dtype=torch.float64) * torch.pi / 180
    curve = arm_curve(anatomy, norm["muscle"], norm["joint"], angle)
    action = norm["action"].removesuffix("_peak")
    if action == "either":
        curve = curve.abs()
    elif action not in POSITIVE_ACTIONS:
        curve = -curve
    return PublishedArm(
        muscle=norm["muscle"],
        joint=norm["joint"],
        from_deg=start,
        to_deg=end,
        low=float(norm["low_m"]),
        high=float(norm["high_m"]),
        action=norm["action"],
        how=norm["how"],
        arm=float(
            curve.max() if norm["action"].endswith("_peak") else torch.trapezoid(curve, angle) / (angle[-1] - angle[0])
        ),
    )
