"""When feet strike the ground and leave it: told from forces, from contacts, or from how the feet swing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import find_peaks

from myotrack.steer.ground import BRIEF, STOOD_ON

Told = Literal["forces", "contacts", "motion"]
"""What events were read from."""
Stance = tuple[float, float]
"""From a strike to the following toe-off [s]; -inf or inf where it began before the motion or outlasts it."""
SWUNG = 0.1
"""Least rise of a peak of the feet's way to and fro [m]. Tuned: a quarter of the shortest step of a slow walk."""


@dataclass(frozen=True)
class Events:
    """The stances of both feet."""

    right: tuple[Stance, ...]
    left: tuple[Stance, ...]
    told: Told
    span: tuple[float, float]
    """Of the motion, first and last instant [s]."""

    @property
    def feet(self) -> tuple[tuple[Stance, ...], tuple[Stance, ...]]:
        """Right, left."""
        return self.right, self.left

    def mirrored(self) -> "Events":
        """What the left did, the right does."""
        return Events(self.left, self.right, self.told, self.span)

    def strikes(self, foot: int) -> list[float]:
        """When a foot (0 right, 1 left) strikes the ground [s]."""
        return [begin for begin, _ in self.feet[foot] if math.isfinite(begin)]

    def offs(self, foot: int) -> list[float]:
        """When its toes leave it [s]."""
        return [end for _, end in self.feet[foot] if math.isfinite(end)]


def from_forces(vertical: Float[np.ndarray, "frame foot"], rate: float, threshold: float = STOOD_ON) -> Events:
    """Stances while the ground bears a foot.

    Args:
        vertical: Upward force on the right and the left foot [N].
        rate: Frames per second [Hz].
        threshold: Force from which a foot stands [N]; between frames it is reached on a straight line. Source of the
            default: `steer.ground.STOOD_ON`. A load or a gap shorter than `BRIEF` (0.05 s) is none.

    Raises:
        ValueError: There are not two feet, or they carry nothing at all: forces are missing.
    """
    _two(vertical)
    if not (vertical > threshold).any():
        raise ValueError(f"No force reaches {threshold:g} N, so events cannot be read from forces.")

    def crossing(foot: int, frame: int) -> float:
        before, after = (float(value) for value in vertical[frame - 1 : frame + 1, foot])
        return (frame - 1 + (threshold - before) / (after - before)) / rate

    return _events(vertical > threshold, rate, "forces", crossing)


def from_contacts(stands: Bool[np.ndarray, "frame foot"], rate: float) -> Events:
    """Stances from flags: a foot strikes in the first frame that stands and leaves in the first that does not.

    Args:
        stands: Whether the right and the left foot stand.
        rate: Frames per second [Hz].

    Raises:
        ValueError: There are not two feet.
    """
    _two(stands)
    return _events(stands, rate, "contacts", lambda foot, frame: frame / rate)


def from_motion(ahead: Float[np.ndarray, "frame foot"], toes: Float[np.ndarray, "frame foot"], rate: float) -> Events:
    """Stances from how feet swing: a foot strikes where it is furthest ahead of the pelvis, and leaves furthest behind.

    Source: Zeni et al. 2008, doi:10.1016/j.gaitpost.2007.07.007, with the ankle in the place of the heel.

    Args:
        ahead: How far the ankles are in front of the pelvis, along the way it goes, right and left [m].
        toes: The same of the toes [m].
        rate: Frames per second [Hz].

    Raises:
        ValueError: There are not two feet.
    """
    _two(ahead)
    right, left = (_swings(ahead[:, foot], toes[:, foot], rate) for foot in range(2))
    return Events(right, left, "motion", (0.0, (len(ahead) - 1) / rate))


def _swings(ahead: Float[np.ndarray, "frame"], toes: Float[np.ndarray, "frame"], rate: float) -> tuple[Stance, ...]:
    """The stances of one foot."""
    strikes = [float(frame) / rate for frame in find_peaks(ahead, prominence=SWUNG)[0]]
    offs = [float(frame) / rate for frame in find_peaks(-toes, prominence=SWUNG)[0]]
    marks = sorted([(time, True) for time in strikes] + [(time, False) for time in offs])
    stances: list[Stance] = []
    begin = -math.inf if marks and not marks[0][1] else None
    for time, strikes_now in marks:
        if strikes_now:
            begin = time if begin is None else begin
        elif begin is not None:
            stances.append((begin, time))
            begin = None
    return tuple(stances) if begin is None else (*stances, (begin, math.inf))


def _two(values: np.ndarray) -> None:
    if values.shape[1] != 2:
        raise ValueError(f"A gait has a right and a left foot; there are {values.shape[1]}.")


def _events(
    stands: Bool[np.ndarray, "frame foot"], rate: float, told: Told, crossing: Callable[[int, int], float]
) -> Events:
    """Stances from flags; `crossing` tells at which time a foot comes to, or from, a frame where they change."""
    feet: list[tuple[Stance, ...]] = []
    frames, brief = len(stands), round(BRIEF * rate)
    for foot in range(2):
        runs = _runs(stands[:, foot])
        joined: list[tuple[int, int]] = []
        for begin, end in runs:
            if joined and begin - joined[-1][1] < brief:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((begin, end))
        # What begins in the first moments may have begun before: worlds are put down, filters settle.
        feet.append(
            tuple(
                (
                    crossing(foot, begin) if begin >= brief else -math.inf,
                    crossing(foot, end) if end <= frames - brief else math.inf,
                )
                for begin, end in joined
                if end - begin >= brief
            )
        )
    return Events(feet[0], feet[1], told, (0.0, (frames - 1) / rate))


def _runs(flags: Bool[np.ndarray, "frame"]) -> list[tuple[int, int]]:
    """First frame, and first frame after, of every stretch of flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
