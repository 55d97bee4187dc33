"""How much opposing muscles pull at the same time, by two published indices, from excitations or EMG alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

PAIRS = (
    ("tibialis anterior", "soleus"),
    ("tibialis anterior", "gastrocnemius medialis"),
    ("tibialis anterior", "gastrocnemius lateralis"),
    ("vastus lateralis", "biceps femoris"),
    ("vastus medialis", "semitendinosus"),
    ("rectus femoris", "biceps femoris"),
    ("vastus lateralis", "gastrocnemius lateralis"),
)
"""Antagonists at the ankle and at the knee that are usually looked at, as recalled."""


@dataclass(frozen=True)
class CoContraction:
    """Of one pair of muscles over a cycle, each over its greatest value."""

    first: str
    second: str
    share: float | None
    """`falconer_winter`; None if neither muscle is ever active."""
    level: float
    """`rudolph`."""


def falconer_winter(first: Float[np.ndarray, "point"], second: Float[np.ndarray, "point"]) -> float | None:
    """Share of the activity of two muscles that they have in common: 1 if they are equal, 0 if they take turns.

    2 int min(a, b) dt / int (a + b) dt. It depends on how the two are scaled to each other, not on a scale of both.
    None if neither is ever active.

    Raises:
        ValueError: A value is negative or no number.

    Source: Falconer & Winter 1985, Electromyogr Clin Neurophysiol 25:135-149 (recalled).
    """
    _check(first, second)
    both = float((first + second).sum())
    return 2 * float(np.minimum(first, second).sum()) / both if both > 0 else None


def rudolph(first: Float[np.ndarray, "point"], second: Float[np.ndarray, "point"]) -> float:
    """How alike two muscles are at every instant, weighed by how active they are, mean over the cycle.

    (lower / higher) (lower + higher): 0 if they take turns, 2 if both are wholly active all the time. Instants at which
    neither is active count as zero.

    Raises:
        ValueError: A value is negative or no number.

    Source: Rudolph et al. 2000, doi:10.1007/s001670000130 (recalled).
    """
    _check(first, second)
    lower, higher = np.minimum(first, second), np.maximum(first, second)
    return float((lower / np.where(higher > 0, higher, 1.0) * (lower + higher)).mean())


def co_contractions(
    curves: Mapping[str, Float[np.ndarray, "point"]], pairs: Sequence[tuple[str, str]] = PAIRS
) -> tuple[CoContraction, ...]:
    """Both indices of all pairs whose two muscles are there.

    Every curve is taken over its greatest value, since nobody knows how strong EMG was; so an excitation counts by its
    shape as well.

    Args:
        curves: Over one cycle, the last point being the first of the next one.
        pairs: Names of antagonists.

    Raises:
        ValueError: A value is negative or no number.
    """
    found = []
    for names in pairs:
        if all(name in curves for name in names):
            first, second = (curves[name][:-1] / (curves[name].max() or 1.0) for name in names)
            found.append(CoContraction(*names, falconer_winter(first, second), rudolph(first, second)))
    return tuple(found)


def _check(*curves: Float[np.ndarray, "point"]) -> None:
    if not all(np.isfinite(curve).all() and (curve >= 0).all() for curve in curves):
        raise ValueError("Co-contraction is of activity that is nowhere negative; take envelopes, not raw EMG.")
