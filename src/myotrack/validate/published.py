"""Numbers of walking people that were published: their strides, what the ground does to them, what walking costs.

    usual("first_peak", 1.25)      # of people at this speed: 1.15 to 1.17 body weights, and who says so
    ralston(1.25)                  # gross power of walking people [W/kg]

Every number was read where its citation says, or worked out from what was read there; none is recalled.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CALORIE, MINUTE = 4.184, 60.0
"""[J], [s]"""


@dataclass(frozen=True)
class Source:
    """Who says so."""

    name: str
    """For a table."""
    citation: str
    """Where it was read."""


@dataclass(frozen=True)
class Published:
    """What is usual among healthy adults."""

    low: float
    high: float
    sources: tuple[Source, ...]

    @property
    def names(self) -> str:
        """Of the sources."""
        return "; ".join(source.name for source in self.sources)


@dataclass(frozen=True)
class Study:
    """Means of a group of healthy adults who walked at several speeds."""

    source: Source
    speeds: tuple[float, ...]
    """Rising [m/s]."""
    values: Mapping[str, tuple[float, ...]]
    """One per speed."""

    def at(self, name: str, speed: float) -> float | None:
        """A value at a speed, straight between those that were measured; None if there is none.

        Args:
            name: Of the value.
            speed: [m/s]; up to `BEYOND` outside of the speeds, the nearest counts.
        """
        near = self.speeds[0] - BEYOND <= speed <= self.speeds[-1] + BEYOND
        return float(np.interp(speed, self.speeds, self.values[name])) if near and name in self.values else None


BEYOND = 0.1
"""So far outside of its speeds a study is still asked [m/s]. Not tuned: first peaks rise by 0.04 body weights there."""
_CURVES = "mean curves in github.com/MaartenAfschrift/predsim_benchmark_data"
KOELEWIJN = Study(
    Source(
        "Koelewijn 2019", f"doi:10.1371/journal.pone.0222037, 12 adults on a treadmill, from {_CURVES}"
    ),
    (0.8, 1.3),
    {
        "cadence": (1.475, 1.835),
        "stride_length": (1.085, 1.417),
        "step_length": (0.543, 0.709),
        "stance": (0.646, 0.635),
        "double_support": (0.292, 0.269),
        "first_peak": (1.015, 1.190),
        "valley": (0.886, 0.750),
        "second_peak": (0.982, 1.026),
        "loading_rate": (4.8, 8.6),
        "braking_peak": (0.117, 0.182),
        "propulsive_peak": (0.147, 0.236),
        "braking_impulse": (0.0245, 0.0309),
        "propulsive_impulse": (0.0342, 0.0394),
        "impulse": (0.664, 0.542),
    },
)  # fmt: skip
VAN_DER_ZEE = Study(
    Source(
        "van der Zee 2022",
        f"doi:10.1038/s41597-022-01817-1, 10 adults on a treadmill, from {_CURVES}, strides per second (over half of "
        "the height, as the script beside them says) in github.com/MaartenAfschrift/PredSim_gait_conditions",
    ),
    (1.1, 1.4, 1.8),
    {
        "cadence": (1.710, 1.938, 2.121),
        "stride_length": (1.287, 1.445, 1.698),
        "step_length": (0.643, 0.722, 0.849),
        "stance": (0.610, 0.598, 0.588),
        "double_support": (0.220, 0.196, 0.176),
        "first_peak": (1.091, 1.211, 1.392),
        "valley": (0.881, 0.719, 0.536),
        "second_peak": (1.126, 1.191, 1.231),
        "loading_rate": (6.0, 7.3, 10.2),
    },
)
"""Their forces along the ground are left out: the axes of those curves are not those of walking."""
STUDIES = (KOELEWIJN, VAN_DER_ZEE)
"""Values by name as of `gait.Gait.parameters` and `kinetics.Reaction`, in their units. Forces are those of the mean
curve of the right foot, whose peaks are a little lower than the mean of peaks; a foot stands while it bears 3 % of
body weight, and both feet do for twice that share less one, as in an even gait."""

_MURRAY = Source(
    "Murray 1964, 1970",
    "as fast as they like, means of women and of men, by D. Thompson, moon.ouhsc.edu/dthompso/gait/knmatics/stride.htm",
)
_DONELAN = Source("Donelan 2001", "doi:10.1098/rspb.2001.1761, 0.13 of the length of the leg, which is 0.9 m here")
AS_THEY_LIKE = {
    "cadence": Published(117 / 60, 117 / 60, (_MURRAY,)),
    "speed": Published(1.31, 1.54, (_MURRAY,)),
    "stride_length": Published(1.32, 1.58, (_MURRAY,)),
    "step_length": Published(0.66, 0.79, (_MURRAY,)),
    "step_width": Published(0.071, 0.12, (_MURRAY, _DONELAN)),
    "borne": Published(1.0, 1.0, (Source("Newton", "who rises and sinks alike bears all weight on average"),)),
}
"""Of adults who walk as fast as they like, by the same names."""


def usual(name: str, speed: float) -> Published | None:
    """What is usual among healthy adults: at this speed if a study knows, else at the speed that they like.

    Args:
        name: One of `gait.Gait.parameters` or of `kinetics.Kinetics.ground`.
        speed: Of walking [m/s].

    Returns:
        From the least to the greatest of the studies' means, in the unit of the name; None if nobody knows.
    """
    found = {study.source: value for study in STUDIES if (value := study.at(name, speed)) is not None}
    if not found:
        return AS_THEY_LIKE.get(name)
    return Published(min(found.values()), max(found.values()), tuple(found))


RALSTON = Source(
    "Ralston 1958", "doi:10.1007/BF00698754, as a public script of a course on ISO 8996 quotes the equation"
)
PANDOLF = Source(
    "Pandolf 1977", "doi:10.1152/jappl.1977.43.4.577, without load, as the manual of cran/movecost quotes it"
)
SCHERTZER = Study(
    Source(
        "Schertzer & Riemer 2014",
        "Applied Ergonomics 45:1422-1432, without load, from github.com/MaartenAfschrift/predsim_benchmark_data",
    ),
    (4 / 3.6, 5 / 3.6, 6 / 3.6),
    {"gross": (3.96, 4.96, 6.15)},
)
"""[W/kg]. By their size these are gross."""
CHEAPEST = Published(
    3.0, 3.8,
    (Source("Das Gupta 2019", "doi:10.1038/s41598-019-45602-4, mean ± sd over studies of young adults"),),
)  # fmt: skip
"""Gross cost of transport of people, each study at its cheapest speed [J/kg/m]; net of rest it is 2.0 to 2.8."""
STANDING = Published(
    1.1, 1.6,
    (
        Source("Júdice 2016", "doi:10.1007/s00421-015-3279-5, 3.03 ml/kg/min of oxygen at 5 kcal/l"),
        Source("Liu 2022", "doi:10.70252/OGQR5926, 1.3 times 3.5 ml/kg/min"),
    ),
)  # fmt: skip
"""Gross power of people who stand still [W/kg]; `pandolf` has 1.5."""
FASTEST = 2.0
"""Speed from which people run [m/s]. Source: doi:10.1038/s41598-019-54271-2, introduction."""


def ralston(speed: float) -> float:
    """Gross power of walking people [W/kg]: E = 29 + 0.0053 v² cal/min/kg with v in m/min (`RALSTON`).

    Args:
        speed: [m/s]
    """
    return (29 + 0.0053 * (MINUTE * speed) ** 2) * CALORIE / MINUTE


def pandolf(speed: float) -> float:
    """The same by another group: 1.5 + 1.5 v² (`PANDOLF`).

    Args:
        speed: [m/s]
    """
    return 1.5 + 1.5 * speed**2


def walking(speed: float) -> dict[Source, float]:
    """Gross power of people who walk [W/kg], by everyone who knows; nothing where people run.

    Args:
        speed: [m/s]
    """
    if speed > FASTEST:
        return {}
    measured = SCHERTZER.at("gross", speed)
    known = {RALSTON: ralston(speed), PANDOLF: pandolf(speed)}
    return known if measured is None else known | {SCHERTZER.source: measured}
