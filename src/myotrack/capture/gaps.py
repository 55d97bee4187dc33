"""Short gaps in marker trajectories, bridged by a cubic; long ones are left open."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline


def fill_gaps(
    points: Float[np.ndarray, "frame point 3"], names: Sequence[str], rate: float, longest: float
) -> tuple[Float[np.ndarray, "frame point 3"], Bool[np.ndarray, "frame point"] | None, tuple[str, ...]]:
    """Bridge every gap of at most `longest` seconds that has the marker on both sides.

    Returns:
        The points, where they were filled (None if nowhere), and a note for every marker that was.
    """
    missing = unseen(points)
    if not missing.any():
        return points, None, ()
    frames_at_most = int(longest * rate + 1e-6)
    points = np.where(missing[..., None], np.nan, points)
    filled = np.zeros_like(missing)
    notes = []
    for index, name in enumerate(names):
        begin, end = runs(missing[:, index])
        inside = (begin > 0) & (end < len(points)) & (end - begin <= frames_at_most)
        if not inside.any():
            continue
        edges = np.zeros(len(points) + 1, dtype=int)
        edges[begin[inside]], edges[end[inside]] = 1, -1
        hole = np.cumsum(edges[:-1]) > 0
        known = np.flatnonzero(~missing[:, index])
        points[hole, index] = CubicSpline(known, points[known, index])(np.flatnonzero(hole))
        filled[:, index] = hole
        count, length = int(inside.sum()), int((end - begin)[inside].max())
        notes.append(f"{count} gap{'s' * (count > 1)} of up to {length} frame{'s' * (length > 1)} filled in {name}.")
    return points, filled if notes else None, tuple(notes)


def unseen(points: Float[np.ndarray, "frame point 3"]) -> Bool[np.ndarray, "frame point"]:
    """Where a marker has no position."""
    return np.asarray(~np.isfinite(points).all(axis=2))


def runs(flags: Bool[np.ndarray, "frame"]) -> tuple[np.ndarray, np.ndarray]:
    """First frame of each unbroken run of True, and the first frame after it."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
