"""Which way is up: the six answers, their names, and the turn that makes them z."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

Up = Literal["x", "y", "z", "-x", "-y", "-z"]
"""The direction of a file that points up."""

WORDS = {"+X": 0, "+Y": 1, "+Z": 2, "-X": 3, "-Y": 4, "-Z": 5, "X": 0, "Y": 1, "Z": 2}


def checked_up(up: str | None) -> Up | None:
    """What a user says about up, if it is one of the six answers; capitals and a plus are as good.

    Raises:
        ValueError: It is none of them.
    """
    if up is None:
        return None
    word = up.strip().lower().removeprefix("+")
    for known in get_args(Up):
        if word == known:
            return known
    raise ValueError(f"up cannot be '{up[:20]}'; it is one of {', '.join(get_args(Up))}.")


def direction(up: Up) -> Float[np.ndarray, "3"]:
    """(0, -1, 0) for '-y'."""
    return np.eye(3)["xyz".index(up[-1])] * (-1.0 if up[0] == "-" else 1.0)


def up_axis(word: str) -> Float[np.ndarray, "3"] | None:
    """The direction that a file calls '+Z' or '-Y'; None for any other word."""
    index = WORDS.get(word.strip().upper())
    return None if index is None else np.eye(3)[index % 3] * (1.0 if index < 3 else -1.0)


def name_of(up: Float[np.ndarray, "3"]) -> str:
    """'+Z' for (0, 0, 1)."""
    axis = int(np.abs(up).argmax())
    return ("+" if up[axis] > 0 else "-") + "XYZ"[axis]


def turn_to_z(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation that brings a coordinate axis to z: for y up, (x, y, z) becomes (x, -z, y).

    It is no mirror image, whichever the axis: left stays left, and moments turn as forces do.
    """
    first = np.eye(3)[1 if up[0] else 0]
    return np.stack([first, np.cross(up, first), up])
