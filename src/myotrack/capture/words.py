"""The words of a text file as numbers: finite, of a believable size, and named by their place if they are not."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from myotrack.capture.source import Source

LARGEST_NUMBER = 1e7
"""Lengths and angles beyond this, in any unit, are damage."""


def numbers(source: Source, words: Sequence[str], place: Callable[[int], str]) -> Float[np.ndarray, "word"]:
    """Words as numbers.

    Args:
        place: Says where the word of an index stands, for the error: 'frame 12'.

    Raises:
        CaptureError: One is no number, not finite or too large.
    """
    try:
        values = np.fromiter(map(float, words), float, len(words))
    except ValueError:
        at = next(index for index, word in enumerate(words) if not is_number(word))
        raise source.error(f"{place(at)}: '{words[at][:40]}' is not a number") from None
    wrong = ~(np.abs(values) < LARGEST_NUMBER)
    if wrong.any():
        at = int(wrong.argmax())
        raise source.error(f"{place(at)}: {words[at][:40]} is not finite or too large")
    return values


def is_number(word: str) -> bool:
    """Whether a word is a number in Python's eyes, 'nan' and 'inf' included."""
    try:
        float(word)
    except ValueError:
        return False
    return True
