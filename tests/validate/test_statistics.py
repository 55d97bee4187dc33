"""Intervals, paired comparisons and seeds, against calculations by hand and against SciPy."""

import numpy as np
import pytest
from scipy import stats

from myotrack.validate.statistics import EXACT, Interval, Seeds, mean_interval, paired, share_interval


def width(interval: Interval) -> float:
    assert interval.low is not None and interval.high is not None
    return interval.high - interval.low


def named(values: np.ndarray) -> dict[str, float]:
    return {f"clip {k}": float(value) for k, value in enumerate(values)}


def test_the_interval_is_that_of_scipy(rng: np.random.Generator) -> None:
    for values in (rng.normal(size=12), rng.exponential(size=20)):
        found = mean_interval(values)
        theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, random_state=1)
        interval = theirs.confidence_interval
        assert found.mean == pytest.approx(values.mean())
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.04 * width(found))


def test_the_interval_covers_a_known_mean_about_as_often_as_it_says(rng: np.random.Generator) -> None:
    draws = [mean_interval(rng.normal(3.0, 1.0, size=20)) for _ in range(200)]
    hits = np.mean([found.low <= 3.0 <= found.high for found in draws])
    assert 0.88 < hits < 0.99  # 93 of 100 for twenty clips; the standard deviation of this count is 1.7.


def test_the_interval_shrinks_with_the_root_of_the_number_of_clips(rng: np.random.Generator) -> None:
    few, many = (np.mean([width(mean_interval(rng.normal(size=count))) for _ in range(20)]) for count in (16, 144))
    assert few / many == pytest.approx(3.0, rel=0.15)


def test_seeds_that_disagree_widen_the_interval_and_seeds_that_agree_do_not(rng: np.random.Generator) -> None:
    clips = rng.normal(size=20)
    alone = width(mean_interval(clips))
    same = np.repeat(clips[:, None], 4, axis=1)
    assert width(mean_interval(same)) == pytest.approx(alone, rel=1e-6)
    apart = same + np.array([-2.0, -0.5, 0.5, 2.0])
    assert width(mean_interval(apart)) > 2 * alone


def test_one_clip_has_a_mean_and_no_interval() -> None:
    assert mean_interval(np.array([3.0])) == Interval(3.0, None, None, 1)
    only = paired({"reach": 3.0}, {"reach": 1.0})
    assert (only.mean, only.low, only.p) == (2.0, None, 1.0)


def test_values_that_are_all_the_same_make_an_interval_without_width() -> None:
    found = mean_interval(np.full(7, 0.1))
    assert (found.low, found.high, found.count) == (found.mean, found.mean, 7)


def test_what_is_no_number_is_refused_and_counted() -> None:
    with pytest.raises(ValueError, match="2 of 3 values are no numbers; leave those clips out, and say how many"):
        mean_interval(np.array([1.0, np.nan, np.inf]))
    with pytest.raises(ValueError, match="no values to take a mean of"):
        mean_interval(np.zeros(0))
    with pytest.raises(ValueError, match="1 of 2 values are no numbers"):
        paired({"reach": np.nan, "wave": 1.0}, {"reach": 1.0, "wave": 1.0})


def test_a_share_has_the_interval_of_wilson_as_scipy_has_it() -> None:
    for hits, clips in ((20, 20), (0, 5), (7, 12)):
        found = share_interval(hits / clips, clips)
        theirs = stats.binomtest(hits, clips).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    with pytest.raises(ValueError, match="A share lies in"):
        share_interval(1.2, 5)


def test_the_chance_of_three_equal_differences_is_two_of_eight() -> None:
    # Of the 8 choices of signs only +++ and --- have a sum of size 3.
    found = paired({"a": 3.0, "b": 5.0, "c": 2.0}, {"a": 2.0, "b": 4.0, "c": 1.0})
    assert (found.mean, found.p, found.count) == (1.0, 0.25, 3)
    # Differences 1, 1, -1: all choices of signs have a sum of at least 1 in size.
    assert paired({"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": 1.0}).p == 1.0


@pytest.mark.parametrize("count", [10, EXACT + 14])
def test_the_chance_of_a_paired_difference_is_that_of_scipy(count: int, rng: np.random.Generator) -> None:
    first = rng.normal(0.4, 1.0, size=count)
    second = rng.normal(0.0, 1.0, size=count)
    theirs = stats.permutation_test(
        (first, second), lambda a, b: (a - b).mean(), permutation_type="samples", n_resamples=20_000, random_state=1
    )
    assert paired(named(first), named(second)).p == pytest.approx(theirs.pvalue, abs=0.015)


def test_only_the_same_clips_can_be_compared_whatever_their_order() -> None:
    mine, other = {"a": 1.0, "b": 4.0}, {"b": 1.0, "a": 0.0}
    assert paired(mine, other).mean == 2.0
    with pytest.raises(ValueError, match="on the same clips; only one of them has b, c"):
        paired({"a": 1.0, "b": 1.0}, {"a": 1.0, "c": 1.0})


def test_seeds_are_told_by_mean_deviation_and_range() -> None:
    # Deviations from 4: -2, 0, 2; squares 8; 8 / 2 = 4.
    assert Seeds.of(np.array([2.0, 4.0, 6.0])) == Seeds(4.0, 2.0, 2.0, 6.0, 3)
    assert Seeds.of(np.array([5.0])).sd is None
