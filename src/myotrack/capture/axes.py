"""Which way is up in a recording, and the turn that makes it z."""

import warnings

import numpy as np
from jaxtyping import Float

WORDS = {"+X": 0, "+Y": 1, "+Z": 2, "-X": 3, "-Y": 4, "-Z": 5, "X": 0, "Y": 1, "Z": 2}


def up_axis(word: str) -> Float[np.ndarray, "3"] | None:
    """The direction that a file calls '+Z' or '-Y'; None for any other word."""
    index = WORDS.get(word.strip().upper())
    return None if index is None else np.eye(3)[index % 3] * (1.0 if index < 3 else -1.0)


def name_of(up: Float[np.ndarray, "3"]) -> str:
    """'+Z' for (0, 0, 1)."""
    axis = int(np.abs(up).argmax())
    return ("+" if up[axis] > 0 else "-") + "XYZ"[axis]


def turn_to_z(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation that brings a coordinate axis to z: for y up, (x, y, z) becomes (x, -z, y)."""
    first = np.eye(3)[1 if up[0] else 0]
    return np.stack([first, np.cross(up, first), up])


def spread(points: Float[np.ndarray, "frame point 3"]) -> Float[np.ndarray, "3"]:
    """How far the points of one frame lie apart along each axis, in the median over the frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Frames in which nothing was seen.
        return np.nan_to_num(np.nanmedian(np.nanmax(points, axis=1) - np.nanmin(points, axis=1), axis=0))


def tallest_axis(points: Float[np.ndarray, "frame point 3"]) -> Float[np.ndarray, "3"]:
    """The axis along which markers on a standing person lie farthest apart, pointing away from the floor at 0."""
    axis = int(spread(points).argmax())
    values = points[..., axis][np.isfinite(points[..., axis])]
    upside_down = len(values) > 0 and abs(np.percentile(values, 1)) > abs(np.percentile(values, 99))
    return np.eye(3)[axis] * (-1.0 if upside_down else 1.0)
