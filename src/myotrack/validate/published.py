"""Numbers of walking people that were published: ranges for a gait, and what walking costs."""

from dataclasses import dataclass

CALORIE, MINUTE = 4.184, 60.0
"""[J], [s]"""


@dataclass(frozen=True)
class Published:
    """What is usual among healthy adults who walk as fast as they like."""

    low: float
    high: float
    source: str
    """Who says so, for a table."""
    citation: str
    """The rest of the source."""


_MURRAY = (
    "Murray et al. 1964, 1970",
    "means of women and of men, by D. Thompson, moon.ouhsc.edu/dthompso/gait/knmatics/stride.htm",
)
_PERRY = "Perry & Burnfield 2010", "Gait Analysis (recalled)"
GAIT = {
    "cadence": Published(117 / 60, 117 / 60, *_MURRAY),
    "speed": Published(1.31, 1.54, *_MURRAY),
    "stride_length": Published(1.32, 1.58, *_MURRAY),
    "step_length": Published(0.66, 0.79, *_MURRAY),
    "step_width": Published(0.071, 0.081, *_MURRAY),
    "stance": Published(0.58, 0.62, *_PERRY),
    "double_support": Published(0.20, 0.24, *_PERRY),
}
"""By name as of `gait.Gait.parameters`, in its units."""
COST = "Ralston 1958, doi:10.1007/BF00698754 (recalled)"
STANDING = Published(1.2, 1.5, "Browning et al. 2006", "doi:10.1152/japplphysiol.00767.2005, and others (recalled)")
"""Gross power of people who stand still [W/kg]."""
FASTEST = 2.0
"""Up to which `ralston` was measured [m/s]; faster, people run. Source: recalled."""


def ralston(speed: float) -> float:
    """Gross power of walking people [W/kg]: E = 29 + 0.0053 v² cal/min/kg with v in m/min (`COST`).

    Args:
        speed: [m/s]
    """
    return (29 + 0.0053 * (MINUTE * speed) ** 2) * CALORIE / MINUTE
