"""Recorded points and rotations at the rate of clips."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from torch import Tensor

from myotrack.algebra.quaternion import to_matrix
from myotrack.algebra.rotation import exponential
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE
from myotrack.retarget.correspondence import Correspondence
from myotrack.retarget.rig import Rig

FEWEST = 8
"""Frames that a clip has at least."""
FLAT = 0.2
"""Speed of ankle and toes below which a foot stands flat [m/s]."""
MOST_FLAT = math.radians(35.0)
"""A foot that stands still at a steeper angle is not meant to be flat [rad]."""


def resampled(
    recording: Recording, match: Correspondence
) -> tuple[Float[Tensor, "frame point 3"], Float[Tensor, "frame turn 3 3"]]:
    """Points and orientations of segments, by cubic interpolation.

    A point is NaN between two recorded frames unless it was seen in both.

    Raises:
        ValueError: There are no points, or the recording is too short.
    """
    if recording.points is None:
        raise ValueError(f"{recording.origin.file}: there are no points in it to follow.")
    points = recording.points[:, match.column.numpy()]
    old = np.arange(len(points)) / recording.rate
    new = np.arange(math.floor(recording.duration * RATE + 1e-6) + 1) / RATE
    if len(new) < FEWEST or len(old) < 4:
        raise ValueError(
            f"{recording.origin.file}: lasts {recording.duration:.2f} s; a clip needs at least {FEWEST / RATE} s."
        )
    seen: np.ndarray = ~np.isnan(points).any(axis=2)  # pyright: ignore[reportAssignmentType]
    sampled = np.full((len(new), points.shape[1], 3), np.nan)
    whole = seen.all(axis=0)
    if whole.any():
        sampled[:, whole] = CubicSpline(old, points[:, whole])(new)
    before = np.floor(new * recording.rate + 1e-6).astype(int)
    after = np.minimum(np.ceil(new * recording.rate - 1e-6).astype(int), len(old) - 1)
    for column in np.flatnonzero(~whole & (seen.sum(axis=0) >= 4)):
        known = seen[:, column]
        between = known[before] & known[after]
        sampled[between, column] = CubicSpline(old[known], points[known, column])(new[between])
    return torch.as_tensor(sampled), _orientations(recording, match, old, new)


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
