"""`Recording`: a motion file as it was recorded, before anything is fitted to it.

Every reader delivers the same world: metres, seconds, newtons, z up. Only units and the up axis are changed; where the
subject stands and which way they look is left as recorded. A recording has one clock: its first frame and the first
sample of its forces and EMG are taken at once. `join.together` sees to that for files that were begun at other times.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

Quantity = Literal["angle", "length", "other"]


@dataclass(frozen=True)
class Subject:
    """What a file says about the person. None where it says nothing."""

    name: str | None = None
    height: float | None = None
    """[m]"""
    mass: float | None = None
    """[kg]"""
    sex: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a recording comes from, and what was done to it on the way."""

    file: str
    """Name of the file, without folders."""
    sha256: str
    """Of the bytes of the file on disk."""
    format: str
    """'ASF/AMC', 'BVH', 'C3D', ..."""
    licence: str | None = None
    """Licence or acknowledgement text found in the file."""
    notes: tuple[str, ...] = ()
    """One sentence for every change of units, axes or samples, e.g. '3 gaps of up to 5 frames filled in RKNE'."""


@dataclass(frozen=True)
class Tree:
    """The skeleton of a recording that has one: joints that carry segments, parents before children."""

    joints: tuple[str, ...]
    """A joint is named as the file names it, and stands where its segment begins. The far end of a last segment is an
    entry of its own, '<joint>_end'."""
    parent: tuple[int, ...]
    """-1 for the root."""
    rest: Float[np.ndarray, "joint 3"]
    """Joint positions in the rest pose, z up, root at the origin [m]. Which way it looks is the file's choice."""


@dataclass(frozen=True)
class Plate:
    """One force plate, or the force on one foot: a wrench, told which foot it belongs to by no more than its name.

    Where on the ground the force acts and what it turns about the vertical there follow: `centre`, `free_moment`.
    """

    name: str
    rate: float
    """[Hz]; the first sample is taken with the first frame of the recording."""
    force: Float[np.ndarray, "sample 3"]
    """On the subject, in the world [N]."""
    moment: Float[np.ndarray, "sample 3"]
    """On the subject, about the world's origin [N m]."""
    corners: Float[np.ndarray, "4 3"] | None = None
    """In the world [m]."""

    @property
    def centre(self) -> Float[np.ndarray, "sample 3"]:
        """Centre of pressure on the ground z = 0 [m]; NaN where the plate carries less than 10 N."""
        _, _, fz = self.force.T
        mx, my, _ = self.moment.T
        loaded = np.where(np.abs(fz) >= 10.0, fz, np.nan)
        return np.stack([-my / loaded, mx / loaded, np.where(np.isnan(loaded), np.nan, 0.0)], axis=1)

    @property
    def free_moment(self) -> Float[np.ndarray, "sample"]:
        """Moment about the vertical through the centre of pressure [N m]; NaN where there is none.

        M = c x F + (0, 0, T), as ground does not pull at a sole.
        """
        fx, fy, _ = self.force.T
        x, y, _ = self.centre.T
        return self.moment[:, 2] - (x * fy - y * fx)


@dataclass(frozen=True)
class Signals:
    """Analog channels: EMG."""

    names: tuple[str, ...]
    rate: float
    """[Hz]; the first sample is taken with the first frame of the recording."""
    values: Float[np.ndarray, "sample channel"]
    """[V], or what the file gives."""
    unit: str = "V"


@dataclass(frozen=True)
class Coordinates:
    """Values of named joint coordinates, as in OpenSim MOT files or trajectories of a simulator."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "frame coordinate"]
    """[rad or m]"""
    quantities: tuple[Quantity, ...]
    """What each column is."""
    skeleton: str
    """Whose coordinates they are: 'OpenSim', 'MyoFullBody', ..."""


@dataclass(frozen=True)
class Event:
    """A moment that somebody marked."""

    time: float
    """From the first frame [s]."""
    label: str
    """'Foot Strike', 'Foot Off', ..."""
    side: Literal["right", "left"] | None = None


@dataclass(frozen=True)
class Recording:
    """A motion as recorded.

    A recording has points (joint centres or markers), or coordinates, or only forces or EMG.
    """

    name: str
    """The file's stem."""
    rate: float
    """Frames per second of `points` and `coordinates` [Hz]."""
    origin: Origin
    kind: Literal["joints", "markers", "coordinates", "signals"]
    """What the motion is given by: joint centres of a skeleton with the turns of its segments, markers on the skin,
    joint coordinates, or nothing (forces and EMG only)."""
    names: tuple[str, ...] = ()
    """Of the points; those of `tree` where there is one."""
    points: Float[np.ndarray, "frame point 3"] | None = None
    """[m], z up; NaN where a marker was not seen."""
    filled: Bool[np.ndarray, "frame point"] | None = None
    """Where a gap was bridged by the reader; None if nowhere."""
    tree: Tree | None = None
    turns: Float[np.ndarray, "frame point 4"] | None = None
    """Rotation of each joint's segment in the world from the rest pose (w, x, y, z); an end turns with its parent."""
    coordinates: Coordinates | None = None
    plates: tuple[Plate, ...] = ()
    emg: Signals | None = None
    events: tuple[Event, ...] = ()
    subject: Subject = Subject()
    start: float = 0.0
    """Time of the first frame, or of the first sample if there are none, on the clock of the file [s]: 1.24 for a C3D
    file whose first frame is number 125 at 100 Hz. Times of files that were recorded together are compared by it."""

    @property
    def frames(self) -> int:
        """How many frames of motion there are."""
        if self.points is not None:
            return len(self.points)
        return 0 if self.coordinates is None else len(self.coordinates.values)

    @property
    def duration(self) -> float:
        """From the first to the last frame [s]."""
        return max(self.frames - 1, 0) / self.rate
