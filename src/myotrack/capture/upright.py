"""Which way is up among markers, where a file does not say it.

A person who lies, crawls or stands on their hands must not turn the world, so that the axis along which the body is
longest is not asked alone. Three things are: where the floor is (laboratories put it at zero), along which axis the
height of the lowest marker is steady, and along which axis the body reaches from feet to head.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from myotrack.capture.axes import name_of
from myotrack.capture.tree import UPRIGHT

DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3)])
"""The six that may point up: x, y, z, -x, -y, -z."""
AT_ZERO = 0.12
"""Farthest that the lowest marker is from a floor at zero, in the median [m]. Tuned: markers on heels, toes, knees and
backs are 0.01 to 0.1 m above what they rest on; the recordings at hand keep below 0.06 m."""
STILL = 0.02
"""Deviation of the lowest marker's height that tells nothing: breath, sway, a foot that rolls [m]. Tuned."""
STEADIER = 0.5
"""Share of another direction's deviation below which the lowest marker counts as steady; that of `tree.world_up`."""
SLENDER = 1.5
"""How often the longest side of a standing body goes into the next, where no names tell feet from head. Tuned."""
FEWEST = 8
"""Markers from which such a side can be told."""
DOUBT = "give `up` if that is wrong"

_FEET = re.compile(r"hee|toe|ank|mal|cal|foot|mt[1-5h]|^[lr]?mt|5th|1st", re.IGNORECASE)
_TOPS = tuple(
    re.compile(words, re.IGNORECASE)
    for words in (
        r"[fb]hd|head|chin|nasion|vertex",
        r"sho|acr|clav|c7|clv|strn|jugular|neck",
        r"asi|psi|sacr|pelv|fwt|bwt",
    )
)
"""Places at the upper end of a body, highest first."""
_NOT_FEET = re.compile(r"calf|acr|clav|elb|wri|hand|fin", re.IGNORECASE)


@dataclass(frozen=True)
class Evidence:
    """What the markers show about each direction of `DIRECTIONS`."""

    floor: Bool[np.ndarray, "6"]
    """Whether the lowest marker is about at zero."""
    sway: Float[np.ndarray, "6"]
    """Deviation of the lowest marker's height: half of what the middle two thirds of the frames span [m]."""
    along: Float[np.ndarray, "3"]
    """Mean direction from feet to head, shorter than one as far as it wavers; zero where it cannot be told."""

    def stood(self) -> int | None:
        """The axis along which the body reaches, either way up; None if along none."""
        axis = int(np.abs(self.along).argmax())
        return axis if abs(self.along[axis]) > UPRIGHT else None

    def way_up(self, axis: int) -> int:
        """Which way along an axis: that with the floor at zero, else that of the head."""
        if self.floor[axis] != self.floor[axis + 3]:
            return axis if self.floor[axis] else axis + 3
        return axis if self.along[axis] >= 0 else axis + 3

    def steadier(self, one: int, other: int) -> bool:
        """Whether the lowest marker keeps its height along one direction, and not along the other."""
        return bool(self.sway[one] < STEADIER * self.sway[other] and self.sway[other] > STILL)


def upward(
    points: Float[np.ndarray, "frame point 3"], names: Sequence[str], usual: Float[np.ndarray, "3"]
) -> tuple[Float[np.ndarray, "3"], str]:
    """The direction that points up, and how it is known: words for a note, which ask for `up` where it is a guess.

    Args:
        points: Markers, NaN where not seen [m].
        names: Of the markers; heels and heads are known by them.
        usual: What most files of the kind have; any other direction needs evidence.
    """
    first = int(np.flatnonzero((usual == DIRECTIONS).all(axis=1))[0])
    evidence = _evidence(points, names)
    if evidence is None:
        return usual, "as usual"
    chosen, words = _judged(evidence, first)
    return DIRECTIONS[chosen], words


def _judged(evidence: Evidence, usual: int) -> tuple[int, str]:
    """The direction chosen, and why."""
    axis, floors = evidence.stood(), np.flatnonzero(evidence.floor)
    only = int(floors[0]) if len(floors) == 1 else None
    if axis is None:  # A body that crouches or crawls aslant, or whose ends are not known.
        if evidence.floor[usual]:
            return usual, "where the floor is"
        if only is not None:
            return only, "where the floor is" + ("" if evidence.steadier(only, usual) else f"; {DOUBT}")
        return usual, f"as usual; {DOUBT}"
    body = evidence.way_up(axis)
    if axis == usual % 3:
        if only is None or only % 3 == axis:
            return body, "as the body stands"
        if evidence.steadier(only, usual):
            return only, f"where the floor is, although the body reaches along {'XYZ'[axis]}; {DOUBT}"
        return usual, f"as the body stands, although the floor is at zero along {_name(only)}; {DOUBT}"
    lies = f"although the body reaches along {'XYZ'[axis]}"
    if only not in (None, usual) and only % 3 != axis:
        return only, f"where the floor is, {lies}; {DOUBT}"
    if evidence.floor[body] == evidence.floor[usual]:
        if evidence.steadier(body, usual):
            return body, "as the body stands"
        if evidence.steadier(usual, body):
            return usual, f"where the lowest marker is steady, {lies}; {DOUBT}"
        # Far more people stand than lie, but then the floor must be where they stand.
        return (body, f"as the body stands; {DOUBT}") if evidence.floor[body] else (usual, f"as usual, {lies}; {DOUBT}")
    if evidence.floor[body]:
        return body, "as the body stands" + (f"; {DOUBT}" if evidence.steadier(usual, body) else "")
    return usual, f"where the floor is, {lies}; {DOUBT}"


def _name(index: int) -> str:
    return name_of(DIRECTIONS[index])


def _evidence(points: Float[np.ndarray, "frame point 3"], names: Sequence[str]) -> Evidence | None:
    """What the frames show in which anything was seen; None if there is none."""
    seen = np.asarray(np.isfinite(points).all(axis=2))
    points = np.where(seen[..., None], points, np.nan)[seen.any(axis=1)]
    if not points.size:
        return None
    low, high = np.nanmin(points, axis=1), np.nanmax(points, axis=1)
    lowest = np.concatenate([low, -high], axis=1)
    floor = np.asarray(np.abs(np.median(lowest, axis=0)) < AT_ZERO)
    # Not the standard deviation: at the ends of a recording only a few markers may be seen, high above the floor.
    sway = 0.5 * np.ptp(np.percentile(lowest, [17, 83], axis=0), axis=0)
    return Evidence(floor, sway, _along(points, names, np.median(high - low, axis=0)))


def _along(
    points: Float[np.ndarray, "frame point 3"], names: Sequence[str], sides: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """Mean direction from feet to head; without their names the longest side of a slender body, taken as upright."""
    feet = [i for i, name in enumerate(names) if _FEET.search(name) and not _NOT_FEET.search(name)]
    tops = next((found for words in _TOPS if (found := [i for i, name in enumerate(names) if words.search(name)])), [])
    tops = [index for index in tops if index not in feet]
    if feet and tops:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # Frames in which neither end was seen.
            reach = np.nanmean(points[:, tops], axis=1) - np.nanmean(points[:, feet], axis=1)
        length = np.linalg.norm(reach, axis=1, keepdims=True)
        reach = (reach / np.where(length > 0, length, 1.0))[np.isfinite(length[:, 0])]
        return reach.mean(axis=0) if len(reach) else np.zeros(3)
    order = np.argsort(sides)
    slender = points.shape[1] >= FEWEST and sides[order[2]] > SLENDER * sides[order[1]]
    return np.eye(3)[order[2]] if slender else np.zeros(3)
