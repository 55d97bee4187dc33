"""When a muscle is on: bursts of a curve over the gait cycle, and how two such patterns overlap.

    ours, theirs = bursts(excitation), bursts(emg)
    overlap(ours, theirs)                                 # 1 if both are on at the same times, 0 if never
    [between(a.start, b.start) for a, b in matched(ours, theirs)]

A cycle goes round: a burst may begin before the strike of the foot and end after it. All times are shares of the cycle.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from myotrack.validate.muscles import FLAT

THRESHOLD = 0.2
"""Share of the way from the least to the greatest value above which a muscle is on. Source: 20 % of the difference
between peak and baseline is usual, Hug & Dorel 2009, doi:10.1016/j.jelekin.2007.10.010 (recalled)."""
SHORT = 0.03
"""Shortest burst, and shortest pause between two, as a share of the cycle. Source: 30 ms, Bonato et al. 1998,
doi:10.1109/10.661154 (recalled), of a cycle of one second."""


@dataclass(frozen=True)
class Burst:
    """A time for which a muscle is on."""

    start: float
    """Share of the cycle from the strike, in [0, 1)."""
    duration: float
    """Share of the cycle, in (0, 1]."""

    @property
    def end(self) -> float:
        """Share of the cycle from the strike, in [0, 1); before `start` if the burst goes over the strike."""
        return (self.start + self.duration) % 1.0


def bursts(curve: Float[np.ndarray, "point"], threshold: float = THRESHOLD, short: float = SHORT) -> tuple[Burst, ...]:
    """When a curve is above its threshold, in the order of the starts.

    Ends lie between the points, where a straight line through them meets the threshold. First pauses that are too short
    are bridged, then bursts that are too short are left out.

    Args:
        curve: An envelope or an excitation over a cycle; its last point is the first of the next cycle.
        threshold: Share of the way from the least to the greatest value, in (0, 1). A higher one makes bursts shorter.
        short: Shortest burst and pause, as a share of the cycle.

    Returns:
        None at all for a curve without shape.

    Raises:
        ValueError: The threshold is none, or a value is no number.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"A threshold lies between the least value (0) and the greatest (1), got {threshold:g}.")
    if not np.isfinite(curve).all():
        raise ValueError("The curve holds what is no number; leave such strides out.")
    values = curve[:-1]
    low, high = float(values.min()), float(values.max())
    if high - low < FLAT:
        return ()
    away = values - (low + threshold * (high - low))
    following = np.roll(away, -1)
    rises, falls = ((away <= 0) & (following > 0)).nonzero()[0], ((away > 0) & (following <= 0)).nonzero()[0]
    starts, ends = ((at - away[at] / (following[at] - away[at])) / len(values) for at in (rises, falls))
    found = [(start, float(((ends - start) % 1.0).min())) for start in starts]
    return tuple(sorted((_burst(*each) for each in _long(_bridged(found, short), short)), key=lambda each: each.start))


def _burst(start: float, duration: float) -> Burst:
    return Burst(float(start) % 1.0, float(duration))


def _bridged(found: list[tuple[float, float]], short: float) -> list[tuple[float, float]]:
    """Neighbours with a pause that is too short as one, all the way round."""
    while len(found) > 1:
        pauses = [
            (found[(number + 1) % len(found)][0] - start - duration) % 1.0
            for number, (start, duration) in enumerate(found)
        ]
        number = int(np.argmin(pauses))
        if pauses[number] >= short:
            break
        follower = found[(number + 1) % len(found)]
        found[number] = (found[number][0], found[number][1] + pauses[number] + follower[1])
        found.remove(follower)
    return found


def _long(found: list[tuple[float, float]], short: float) -> list[tuple[float, float]]:
    return [each for each in found if each[1] >= short]


def on_time(pattern: Sequence[Burst]) -> float:
    """Share of the cycle for which a muscle is on."""
    return math.fsum(each.duration for each in pattern)


def overlap(first: Sequence[Burst], second: Sequence[Burst]) -> float | None:
    """Time for which both are on over that for which either is: 1 if they are alike, 0 if never; None if none ever is.

    Source: Jaccard's index of two sets.
    """
    both = math.fsum(_shared(one, other) for one in first for other in second)
    either = on_time(first) + on_time(second) - both
    return both / either if either > 0 else None


def overlap_by_chance(first: Sequence[Burst], second: Sequence[Burst], turns: int = 100) -> float | None:
    """Mean overlap with one of the two turned round within the cycle by every share of it; None if none is ever on."""
    turned = [
        overlap([Burst((each.start + turn / turns) % 1.0, each.duration) for each in first], second)
        for turn in range(turns)
    ]
    told = [each for each in turned if each is not None]
    return float(np.mean(told)) if told else None


def matched(first: Sequence[Burst], second: Sequence[Burst]) -> tuple[tuple[Burst, Burst], ...]:
    """Bursts that belong together, each in no more than one pair: those whose shared time is greatest in sum.

    Bursts that share no time are in no pair. Longest shared time first.
    """
    if not first or not second:
        return ()
    shared = np.array([[_shared(one, other) for other in second] for one in first])
    pairs = [
        (shared[row, column], first[row], second[column])
        for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True)
    ]
    pairs.sort(key=lambda each: -each[0])
    return tuple((one, other) for time, one, other in pairs if time > 0)


def between(time: float, other: float) -> float:
    """By how much of the cycle a time is later than another, the short way round: in [-0.5, 0.5)."""
    return (time - other + 0.5) % 1.0 - 0.5


def _shared(one: Burst, other: Burst) -> float:
    """Share of the cycle for which both are on."""
    return math.fsum(
        max(
            0.0, min(one.start + one.duration, other.start + other.duration + turn) - max(one.start, other.start + turn)
        )
        for turn in (-1, 0, 1)
    )
