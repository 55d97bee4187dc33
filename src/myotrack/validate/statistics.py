"""How sure a mean over clips is, whether two policies differ, and how much seeds do.

Clips are what is drawn from the motions there are, so clips are resampled, never frames. Where a policy has several
seeds these are resampled as well, crossed with the clips. Few clips say little. Measured over 400 samples: an interval
of five clips holds the true mean of normal numbers in 84 % of cases and of exponential ones in 75 %, of twenty clips in
93 and 92 %, where 95 % are meant.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

LEVEL = 0.95
"""Of every interval."""
DRAWS = 10_000
"""Of a bootstrap, or of random signs. Tuned: ends of an interval move by 1 % of its width from seed to seed."""
EXACT = 16
"""Clips up to which all choices of signs are tried; 65536 of them."""


@dataclass(frozen=True)
class Interval:
    """A mean and how sure it is."""

    mean: float
    low: float | None
    """Lower end of the interval of `LEVEL`; None for one clip, which has none."""
    high: float | None
    count: int
    """Clips."""


@dataclass(frozen=True)
class Difference:
    """First minus second, clip by clip."""

    mean: float
    low: float | None
    """Lower end of the interval of `LEVEL`; None for one clip, which has none."""
    high: float | None
    p: float
    """Chance of a mean at least as far from zero if both were alike: the share of choices of signs that reach it."""
    count: int
    """Clips."""


@dataclass(frozen=True)
class Seeds:
    """One number of several seeds."""

    mean: float
    sd: float | None
    """Standard deviation (n - 1); None for one seed."""
    low: float
    """The smallest."""
    high: float
    """The largest."""
    count: int
    """Seeds."""

    @classmethod
    def of(cls, values: Float[np.ndarray, "seed"]) -> "Seeds":
        """Of one value per seed.

        Raises:
            ValueError: There are none, or one is no number.
        """
        _check(values)
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        return cls(float(values.mean()), sd, float(values.min()), float(values.max()), len(values))


def mean_interval(values: Float[np.ndarray, "clip *seed"], seed: int = 0) -> Interval:
    """The mean over clips with its bootstrap interval: bias-corrected and accelerated (BCa).

    Values that are all the same make an interval without width; of shares see `share_interval`.

    Args:
        values: One per clip, or one per clip and seed. Seeds are resampled as well, independently of the clips.
        seed: Of the draws.

    Raises:
        ValueError: There are none, or one is no number: leave such clips out, and say so.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410 (recalled).
    """
    _check(values)
    table = values.reshape(len(values), -1)
    clips, seeds = table.shape
    mean = float(table.mean())
    if clips == 1:
        return Interval(mean, None, None, 1)
    if np.ptp(table) == 0:
        return Interval(mean, mean, mean, clips)
    means = ((_drawn(clips, seed) @ table) * _drawn(seeds, seed + 1)).sum(axis=1) / (clips * seeds)
    near = np.isclose(means, mean, rtol=1e-12, atol=1e-12 * np.abs(table).max())
    below = ((means < mean) & ~near).mean() + near.mean() / 2
    bias = ndtri(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    # Without one clip at a time.
    own = table.mean(axis=1)
    without = (own - own.mean()) / (clips - 1)
    spread = np.sum(without**2)
    acceleration = np.sum(without**3) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = bias + ndtri([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.quantile(means, ndtr(bias + ends / (1 - acceleration * ends)))
    return Interval(mean, float(low), float(high), clips)


@functools.lru_cache(maxsize=4)
def _drawn(units: int, seed: int) -> Float[np.ndarray, "draw unit"]:
    """How often each clip, or seed, is in a draw; kept, since all metrics of a group have the same clips."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(units, np.full(units, 1 / units), size=DRAWS).astype(np.float64)


def share_interval(share: float, clips: int) -> Interval:
    """A share of clips with its Wilson interval, which has a width even where all clips succeed or none.

    Args:
        share: In [0, 1]; over several seeds, their mean.
        clips: How many; seeds count for nothing, as if each did the same with a clip.

    Raises:
        ValueError: It is no share, or there are no clips.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953 (recalled).
    """
    if not (0 <= share <= 1 and clips > 0):
        raise ValueError(f"A share lies in [0, 1] and is of some clips; got {share} of {clips}.")
    z = float(ndtri((1 + LEVEL) / 2))
    middle = (share + z**2 / (2 * clips)) / (1 + z**2 / clips)
    half = z / (1 + z**2 / clips) * np.sqrt(share * (1 - share) / clips + z**2 / (4 * clips**2))
    return Interval(share, max(0.0, float(middle - half)), min(1.0, float(middle + half)), clips)


def paired(first: Mapping[str, float], second: Mapping[str, float], seed: int = 0) -> Difference:
    """Compare two policies over the same clips.

    Args:
        first: A value per clip, as `Scorecard.values` gives them.
        second: Of the other policy.
        seed: Of the draws.

    Raises:
        ValueError: They were not judged over the same clips, there are none, or a value is no number.

    Source: the sign-flip test, Fisher 1935; all choices of signs up to `EXACT` clips, else `DRAWS` random ones.
    """
    if first.keys() != second.keys():
        alone = sorted(first.keys() ^ second.keys())
        raise ValueError(
            f"A paired comparison needs both policies on the same clips; only one of them has {', '.join(alone[:5])}"
            f"{f' and {len(alone) - 5} more' if len(alone) > 5 else ''}."
        )
    apart = np.array([first[clip] - second[clip] for clip in sorted(first)])
    interval = mean_interval(apart, seed)
    count, generator = len(apart), np.random.default_rng(seed)
    if count <= EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    else:
        signs = generator.choice([-1.0, 1.0], size=(DRAWS, count))
    reached = np.abs(signs @ apart) >= np.abs(apart.sum()) - 1e-9 * np.abs(apart).sum()
    # Of random signs the ones that were found count as one more, so that p is never zero.
    p = reached.mean() if count <= EXACT else (reached.sum() + 1) / (DRAWS + 1)
    return Difference(interval.mean, interval.low, interval.high, float(p), count)


def _check(values: Float[np.ndarray, "clip *seed"]) -> None:
    if not values.size:
        raise ValueError("There are no values to take a mean of.")
    broken = int((~np.isfinite(values)).sum())
    if broken:
        raise ValueError(f"{broken} of {values.size} values are no numbers; leave those clips out, and say how many.")
