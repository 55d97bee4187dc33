"""What the measures and curves of a comparison are called, and in which units people read them."""

import math
from dataclasses import dataclass

from myotrack.anatomy.naming import MIDLINE, side_of, stem_of
from myotrack.validate.comparison import Row
from myotrack.validate.gait import meaning
from myotrack.validate.metrics import BY_NAME, rounded
from myotrack.validate.pairs import Kind
from myotrack.validate.takes import Measure
from myotrack.view.figures import title_of
from myotrack.view.people import ABOUT, FORCE_TITLES, GAIT_ROWS, GROUND_ROWS, MODEL_TITLES

PARTS = {
    "scores": "The task and the effort",
    "motion": "The motion itself",
    "gait": "The gait",
    "ground": "What the ground does to a foot",
    "people": "Beside people",
    "cost": "What it costs",
}
"""Headings of the parts of a comparison."""
TIMES = {name: (name.replace("_", " "), "s", 1.0, 2) for name in ("stride_time", "step_time")}
"""What the page of a run does not list."""
MOTION = {
    "jerk": ("jerk of the landmarks, RMS", "m/s³", 1.0, 1),
    "limit_violation": ("outside of joint limits", "% of frames", 100.0, 2),
    "worst_limit_excess": ("furthest past a joint limit", "°", 180 / math.pi, 1),
    "deepest_penetration": ("deepest below the floor", "mm", 1000.0, 1),
    "self_penetration": ("deepest inside itself", "mm", 1000.0, 1),
}
BESIDE = {
    "angles": "hip, knee and ankle angles, mean r with people",
    "force": "force upward, r with people",
    "muscles": "muscles, mean r with the EMG of people",
}
COST = {
    "net": ("net power", "W/kg"),
    "gross": ("gross power", "W/kg"),
    "transport": ("gross cost of transport", "J/kg/m"),
}
DASH = "–"


@dataclass(frozen=True)
class Words:
    """How a number is told."""

    title: str
    unit: str
    factor: float
    """From the unit of the number to this one."""
    digits: int

    def of(self, value: float | None, more: int = 0) -> str:
        """A number in its unit, with a minus that is one; a dash for none."""
        if value is None or math.isnan(value):
            return DASH
        return rounded(self.factor * value, self.digits + more).replace("-", "\N{MINUS SIGN}")

    def span(self, ends: tuple[float | None, float | None] | None, more: int = 0) -> str:
        """From one number to another."""
        if ends is None or None in ends:
            return DASH
        return " to ".join(dict.fromkeys(self.of(end, more) for end in ends))


def words_of(measure: Measure) -> Words:
    """Of a measure."""
    if measure.part == "scores":
        metric = BY_NAME[measure.name]
        return Words(metric.title, metric.unit, 1.0, metric.digits)
    if measure.part in ("motion", "gait", "ground"):
        return Words(*(MOTION | GAIT_ROWS | TIMES | GROUND_ROWS)[measure.name])
    if measure.part == "people":
        return Words(BESIDE[measure.name], measure.unit, 1.0, 2)
    model, _, what = measure.name.rpartition("_")
    title, unit = COST[what]
    return Words(f"{title}, {MODEL_TITLES[model]}", unit, 1.0, 2)


def words_of_curve(kind: Kind, name: str) -> Words:
    """Of a curve, with the unit of its RMS difference."""
    if kind == "force":
        return Words(f"force {FORCE_TITLES[name]}", ABOUT[kind][3], 100.0, 1)
    if kind == "place":
        return Words("landmarks, mean distance", "mm", 1000.0, 1)
    if kind == "joint":
        side = side_of(name)
        title = title_of(stem_of(name)) + ("" if side == MIDLINE else f", {side}")
        return Words(title, "°", 180 / math.pi, 1)
    if kind == "angle" or kind == "moment" or kind == "power":
        _, _, factor, unit, _ = ABOUT[kind]
        title = meaning(name if kind == "angle" else name.removesuffix(f"_{kind}")).partition(" (")[0]
        return Words(title if kind == "angle" else f"{kind}, {title}", unit, factor, 1 if kind == "angle" else 2)
    return Words(name, "% of full activity", 100.0, 1)


def verdict(row: Row) -> str:
    """Which of both is better, and whether that is sure; nothing where neither way is good."""
    if not row.better:
        return "" if row.measure.better == "neither" else "alike"
    return ("A" if row.better == "first" else "B") + ("" if row.sure else ", unsure")
