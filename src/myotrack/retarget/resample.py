"""Recorded points and rotations at the rate of clips."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from torch import Tensor

from myotrack.algebra.quaternion import to_matrix
from myotrack.algebra.rotation import exponential
from myotrack.capture.gaps import runs
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE
from myotrack.retarget.correspondence import Correspondence
from myotrack.retarget.rig import Rig

FEWEST = 8
"""Frames that a clip has at least."""
LONGEST = 150.0
"""Longest motion that is solved at once [s]; the solver then takes 1.7 GB. Measured: 0.11 MB per frame."""
SLOWEST = 10.0
"""Fewest frames per second from which a motion can be told [Hz]."""
ENOUGH = 3
"""Points seen together from which a body can be placed."""
LONG_GAP = 0.1
"""Longest time without them, or without one point, that is not worth a word [s]."""
CUTOFF = 40.0
"""Of the low-pass before samples are thinned out, below half the rate of clips [Hz]."""
SETTLING = 15
"""Frames that the filter needs."""
FLAT = 0.2
"""Speed of ankle and toes below which a foot stands flat [m/s]."""
MOST_FLAT = math.radians(35.0)
"""A foot that stands still at a steeper angle is not meant to be flat [rad]."""


@dataclass(frozen=True)
class Samples:
    """What was recorded, at the rate of clips."""

    points: Float[Tensor, "frame point 3"]
    """[m]; NaN between two recorded frames unless the point was seen in both."""
    turns: Float[Tensor, "frame turn 3 3"]
    """Orientations of segments."""
    start: float
    """Time of the first of these, from the first frame of the recording [s]."""
    notes: tuple[str, ...]
    """What was left out or made up."""


def resampled(recording: Recording, match: Correspondence) -> Samples:
    """Points and orientations of segments, by cubic interpolation. Ends where hardly anything was seen are left out.

    Raises:
        ValueError: There are no points, or the recording is too short, too long or too slow.
    """
    file = recording.origin.file
    if recording.points is None:
        raise ValueError(f"{file}: there are no points in it to follow.")
    if recording.rate < SLOWEST:
        raise ValueError(f"{file}: has {recording.rate:g} frames/s; a motion needs at least {SLOWEST:g}.")
    if recording.frames < 4:
        raise ValueError(f"{file}: has {recording.frames} frame(s); a motion needs at least 4.")
    if recording.duration > LONGEST:
        raise ValueError(f"{file}: lasts {recording.duration:.0f} s; cut it into parts of at most {LONGEST:.0f} s.")
    points = recording.points[:, match.column.numpy()]
    old = np.arange(len(points)) / recording.rate
    new = np.arange(math.floor(recording.duration * RATE + 1e-6) + 1) / RATE
    if len(new) < FEWEST:
        raise ValueError(f"{file}: lasts {recording.duration:.2f} s; a clip needs at least {FEWEST / RATE} s.")
    seen: np.ndarray = ~np.isnan(points).any(axis=2)  # pyright: ignore[reportAssignmentType]
    notes: list[str] = []
    sampled = np.full((len(new), points.shape[1], 3), np.nan)
    whole = seen.all(axis=0)
    if whole.any():
        smooth = points[:, whole]
        if recording.rate > 1.5 * RATE and len(smooth) > SETTLING:
            smooth = sosfiltfilt(butter(2, CUTOFF, fs=recording.rate, output="sos"), smooth, axis=0)
            notes.append(f"points at {recording.rate:g} Hz low-passed at {CUTOFF:g} Hz")
        sampled[:, whole] = CubicSpline(old, smooth)(new)
    before = np.floor(new * recording.rate + 1e-6).astype(int)
    after = np.minimum(np.ceil(new * recording.rate - 1e-6).astype(int), len(old) - 1)
    for column in np.flatnonzero(~whole & (seen.sum(axis=0) >= 4)):
        known = seen[:, column]
        between = known[before] & known[after]
        sampled[between, column] = CubicSpline(old[known], points[known, column])(new[between])
    told: np.ndarray = ~np.isnan(sampled).any(axis=2)  # pyright: ignore[reportAssignmentType]
    rows, more = _seen_rows(told, file)
    more += _lost_points(told[rows], [recording.names[column] for column in match.column])
    turns = _orientations(recording, match, old, new)
    return Samples(torch.as_tensor(sampled[rows]), turns[rows], rows.start / RATE, (*notes, *more))


def _seen_rows(seen: Bool[np.ndarray, "frame point"], file: str) -> tuple[slice, list[str]]:
    """The frames between the first and the last in which a body can be recognised."""
    enough = np.flatnonzero(seen.sum(axis=1) >= min(ENOUGH, seen.shape[1]))
    if not len(enough) or enough[-1] - enough[0] + 1 < FEWEST:
        raise ValueError(f"{file}: in hardly any frame are {ENOUGH} of the points seen together.")
    first, last = int(enough[0]), int(enough[-1])
    notes = []
    left_out = first + len(seen) - 1 - last
    if left_out:
        notes.append(f"{left_out / RATE:.2f} s at the ends, where fewer than {ENOUGH} points are seen, left out")
    gap = int(np.diff(enough).max(initial=1)) - 1
    if gap > LONG_GAP * RATE:
        notes.append(f"for up to {gap / RATE:.2f} s fewer than {ENOUGH} points are seen: the motion there is made up")
    return slice(first, last + 1), notes


def _lost_points(seen: Bool[np.ndarray, "frame point"], names: list[str]) -> list[str]:
    """A sentence on points that are not seen for long."""
    longest = [int((end - begin).max(initial=0)) for begin, end in (runs(~column) for column in seen.T)]
    lost = dict.fromkeys(name for name, frames in zip(names, longest, strict=True) if frames > LONG_GAP * RATE)
    if not lost:
        return []
    return [
        f"for up to {max(longest) / RATE:.2f} s not seen: {', '.join(lost)}; what hangs on them alone is made up there"
    ]


def _orientations(
    recording: Recording, match: Correspondence, old: np.ndarray, new: np.ndarray
) -> Float[Tensor, "frame turn 3 3"]:
    if recording.turns is None or not len(match.turn_column):
        return torch.zeros(len(new), 0, 3, 3, dtype=torch.float64)
    turns = recording.turns[:, match.turn_column.numpy()]
    agree = (turns[1:] * turns[:-1]).sum(-1)
    signs = np.concatenate([np.ones((1, agree.shape[1])), np.where(agree < 0, -1.0, 1.0).cumprod(axis=0)])
    smooth = torch.as_tensor(CubicSpline(old, turns * signs[..., None])(new))
    return to_matrix(torch.nn.functional.normalize(smooth, dim=-1)) @ match.turn_rest


def with_flat_feet(
    points: Float[Tensor, "frame point 3"], turns: Float[Tensor, "frame turn 3 3"], match: Correspondence, rig: Rig
) -> Float[Tensor, "frame turn 3 3"]:
    """Recorded orientations of the feet, turned so that a foot whose joints do not move stands flat.

    A skeleton's rest pose need not have level soles: in the CMU database, the legs of it are spread.
    """
    turns = turns.clone()
    for row, segment in enumerate(match.turn_segment.tolist()):
        name = rig.segments[segment]
        if not name.endswith("_foot"):
            continue
        side = name.split("_")[0]
        feet = [
            column
            for column, segment in enumerate(match.segment.tolist())
            if rig.segments[segment] in (f"{side}_talus", f"{side}_foot")
        ]
        speed = torch.gradient(points[:, feet], dim=0)[0].norm(dim=-1).amax(dim=1) * RATE
        still = speed < FLAT
        if still.sum() < 5:
            continue
        up = turns[still, row, 2, :].mean(dim=0)
        up = up / up.norm()
        axis = torch.linalg.cross(up.new_tensor([0.0, 0.0, 1.0]), up)
        angle = torch.atan2(axis.norm(), up[2])
        if angle < MOST_FLAT:
            turns[:, row] = turns[:, row] @ to_matrix(exponential(axis / axis.norm().clamp_min(1e-12) * angle))
    return turns
