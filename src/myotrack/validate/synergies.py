"""Muscle synergies: a few groups of muscles, each with a time course, that together make the activity of all muscles.

    ours, theirs = fewest(excitation), fewest(emg)
    ours.count, ours.vaf
    match(ours, factorise(emg, ours.count)).mean

Non-negative matrix factorisation, values = activation x weights, by hierarchical alternating least squares from many
random starts, the best of which is kept. Source: Lee & Seung 1999, doi:10.1038/44565; the updates are those of Cichocki
and Phan 2009, doi:10.1587/transfun.E92.A.708 (both recalled).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment, nnls

from myotrack.validate.muscles import correlation

ENOUGH = 0.90
"""Variance accounted for from which there are synergies enough. Source: Torres-Oviedo et al. 2006,
doi:10.1152/jn.00810.2005 (recalled); the usual bar."""
RESTARTS = 20
"""Random starts. Not tuned."""
STEPS = 2000
"""Most updates of a factorisation."""
SETTLED = 1e-8
"""Change of VAF within `LOOK` updates below which all starts have settled."""
LOOK = 25
LEAST = 1e-12
"""No factor falls below it, so that none dies on the way."""
SHUFFLES = 1000
"""Of muscles, from which the chance level of a match is told, to about 0.01."""


@dataclass(frozen=True)
class Synergies:
    """Groups of muscles with their time courses, in the order in which they are most active from the first frame on."""

    weights: Float[np.ndarray, "synergy muscle"]
    """Each of length 1."""
    activation: Float[np.ndarray, "frame synergy"]
    """In the unit of the values."""
    vaf: float
    """Variance accounted for: 1 - sum of squared errors / sum of squared values, about zero and not about the mean."""
    vaf_muscle: Float[np.ndarray, "muscle"]
    """The same of every muscle; 1 for one that is never active, of which nothing is left over."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.weights)


@dataclass(frozen=True)
class Match:
    """Two sets of synergies beside each other."""

    pairs: tuple[tuple[int, int], ...]
    """Which belongs to which, in the order of the first set."""
    cosine: Float[np.ndarray, "pair"]
    """Of the weights of each pair: 1 if they are alike, 0 if they have no muscle in common."""
    r: Float[np.ndarray, "pair"]
    """Pearson's correlation of the time courses of each pair without lag; NaN where one has no shape."""
    chance: float
    """Mean over shuffles of muscles of the mean cosine."""
    lucky: float
    """95th percentile of the same."""

    @property
    def mean(self) -> float:
        """Mean cosine over the pairs."""
        return float(self.cosine.mean())


def factorise(
    values: Float[np.ndarray, "frame muscle"], count: int, restarts: int = RESTARTS, seed: int = 0
) -> Synergies:
    """So many synergies.

    Args:
        values: Activity, nowhere negative. Divide every muscle by its greatest value, or strong ones decide.
        count: From 1 to the number of muscles.
        restarts: Random starts; more find a better optimum and take longer.
        seed: Of the starts.

    Raises:
        ValueError: A value is negative or no number, nothing is active, or the count cannot be.
    """
    _check(values)
    frames, muscles = values.shape
    if not 1 <= count <= min(frames, muscles):
        raise ValueError(
            f"{muscles} muscles over {frames} frames have 1 to {min(frames, muscles)} synergies, not {count}."
        )
    generator = np.random.default_rng(seed)
    scale = np.sqrt(values.mean() / count)
    activation = scale * generator.uniform(0.1, 1.0, size=(restarts, frames, count))
    weights = scale * generator.uniform(0.1, 1.0, size=(restarts, count, muscles))
    total, before = float((values**2).sum()), np.full(restarts, -np.inf)
    vaf = before
    for step in range(STEPS):
        _update(activation, values[None], weights)
        _update(weights.swapaxes(1, 2), values.T[None], activation.swapaxes(1, 2))
        if step % LOOK == LOOK - 1:
            vaf = 1 - ((values - activation @ weights) ** 2).sum(axis=(1, 2)) / total
            if (np.abs(vaf - before) < SETTLED).all():
                break
            before = vaf
    best = int(np.argmax(vaf))
    return _told(values, activation[best], weights[best])


def fewest(
    values: Float[np.ndarray, "frame muscle"], enough: float = ENOUGH, restarts: int = RESTARTS, seed: int = 0
) -> Synergies:
    """The least number of synergies that account for enough of the variance.

    Args:
        values: As of `factorise`.
        enough: VAF of all muscles together, in (0, 1).
        restarts: As of `factorise`.
        seed: As of `factorise`.

    Raises:
        ValueError: As of `factorise`, or `enough` is no share.
    """
    if not 0 < enough < 1:
        raise ValueError(f"Variance accounted for is asked for between 0 and 1, got {enough:g}.")
    most = min(values.shape)
    found = factorise(values, 1, restarts, seed)
    while found.vaf < enough and found.count < most:
        found = factorise(values, found.count + 1, restarts, seed)
    return found


def match(first: Synergies, second: Synergies, seed: int = 0) -> Match:
    """Pairs of synergies whose weights are most alike in sum, and what chance gives.

    Weights that are nowhere negative are never wholly unlike. So the same is done with the muscles of the first set
    shuffled, alike in all of its synergies.

    Args:
        first: Of some muscles.
        second: Of the same muscles, in the same order; there may be more or fewer synergies, which then stay alone.
        seed: Of the shuffles.

    Raises:
        ValueError: They are of other numbers of muscles or frames.
    """
    if first.weights.shape[1] != second.weights.shape[1] or len(first.activation) != len(second.activation):
        raise ValueError("Synergies are compared over the same muscles and the same number of frames; these differ.")
    rows, columns, cosine = _paired(first.weights, second.weights)
    generator, muscles = np.random.default_rng(seed), first.weights.shape[1]
    shuffled = [
        _paired(first.weights[:, generator.permutation(muscles)], second.weights)[2].mean() for _ in range(SHUFFLES)
    ]
    return Match(
        pairs=tuple(zip(rows.tolist(), columns.tolist(), strict=True)),
        cosine=cosine,
        r=correlation(first.activation[:, rows], second.activation[:, columns]),
        chance=float(np.mean(shuffled)),
        lucky=float(np.quantile(shuffled, 0.95)),
    )


def accounted(values: Float[np.ndarray, "frame muscle"], weights: Float[np.ndarray, "synergy column"]) -> float:
    """VAF of values by the synergies of somebody else, with the time courses that suit the values best.

    Args:
        values: As of `factorise`.
        weights: Of the same muscles in the same order.

    Raises:
        ValueError: A value is negative or no number, nothing is active, or muscles are others.
    """
    _check(values)
    if values.shape[1] != weights.shape[1]:
        raise ValueError(f"The synergies are of {weights.shape[1]} muscles, the values of {values.shape[1]}.")
    missed = sum(nnls(weights.T, row)[1] ** 2 for row in values)
    return float(1 - missed / (values**2).sum())


def _update(factor: np.ndarray, values: np.ndarray, other: np.ndarray) -> None:
    """One sweep over the columns of a factor in place, so that factor x other comes nearer to the values."""
    towards, among = values @ other.swapaxes(1, 2), other @ other.swapaxes(1, 2)
    for column in range(factor.shape[2]):
        # The part of the gradient of this column, over its curvature.
        step = towards[:, :, column] - (factor @ among[:, :, column, None])[:, :, 0]
        size = np.maximum(among[:, column, column], LEAST)[:, None]
        factor[:, :, column] = np.maximum(factor[:, :, column] + step / size, LEAST)


def _told(values: np.ndarray, activation: np.ndarray, weights: np.ndarray) -> Synergies:
    """With weights of length 1, in the order of their centres over the cycle."""
    length = np.linalg.norm(weights, axis=1)
    weights, activation = weights / length[:, None], activation * length
    turn = np.exp(2j * np.pi * np.arange(len(values)) / len(values))
    order = np.argsort(np.angle(turn @ activation) % (2 * np.pi))
    weights, activation = weights[order], activation[:, order]
    missed, there = ((values - activation @ weights) ** 2).sum(axis=0), (values**2).sum(axis=0)
    vaf_muscle = 1 - np.where(there > 0, missed / np.where(there > 0, there, 1.0), 0.0)
    return Synergies(weights, activation, float(1 - missed.sum() / there.sum()), vaf_muscle)


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cosine = first @ second.T
    rows, columns = linear_sum_assignment(cosine, maximize=True)
    return rows, columns, cosine[rows, columns]


def _check(values: Float[np.ndarray, "frame muscle"]) -> None:
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("Synergies are of activity that is nowhere negative; take envelopes, not raw EMG.")
    if not values.any():
        raise ValueError("No muscle is ever active, so there are no synergies.")
