"""Co-contraction: 1 for equal muscles, 0 for those that take turns, by hand between."""

import numpy as np
import pytest

from myotrack.validate.cocontraction import PAIRS, co_contractions, falconer_winter, rudolph

EARLY = np.where(np.arange(100) < 50, 0.8, 0.0)


def test_equal_muscles_have_all_in_common_and_alternating_ones_nothing() -> None:
    assert falconer_winter(EARLY, EARLY) == pytest.approx(1.0)
    assert falconer_winter(EARLY, EARLY[::-1]) == 0.0 == rudolph(EARLY, EARLY[::-1])
    # Equal at 0.8 for half of the time: 1 x 1.6 / 2.
    assert rudolph(EARLY, EARLY) == pytest.approx(0.8)
    assert rudolph(np.ones(10), np.ones(10)) == pytest.approx(2.0)


def test_both_indices_are_those_calculated_by_hand_and_symmetric() -> None:
    first, second = np.array([0.2, 0.6]), np.array([0.4, 0.2])
    # 2 (0.2 + 0.2) / (0.8 + 0.6);  (0.5 x 0.6 + 1/3 x 0.8) / 2
    assert falconer_winter(first, second) == pytest.approx(0.8 / 1.4) == falconer_winter(second, first)
    assert rudolph(first, second) == pytest.approx((0.3 + 0.8 / 3) / 2) == rudolph(second, first)
    # A scale of both changes the level, and not the share.
    assert falconer_winter(3 * first, 3 * second) == pytest.approx(0.8 / 1.4)
    assert rudolph(3 * first, 3 * second) == pytest.approx(3 * rudolph(first, second))


def test_silence_has_nothing_in_common() -> None:
    assert falconer_winter(np.zeros(10), np.zeros(10)) is None and rudolph(np.zeros(10), np.zeros(10)) == 0.0
    assert falconer_winter(np.zeros(10), np.ones(10)) == 0.0 == rudolph(np.zeros(10), np.ones(10))


def test_raw_emg_is_refused() -> None:
    with pytest.raises(ValueError, match="nowhere negative; take envelopes"):
        falconer_winter(np.array([0.1, -0.1]), np.array([0.1, 0.1]))
    with pytest.raises(ValueError, match="nowhere negative"):
        rudolph(np.array([0.1, np.nan]), np.array([0.1, 0.1]))


def test_pairs_are_of_the_muscles_that_are_there_and_by_shape_alone() -> None:
    curve = np.append(EARLY, EARLY[0])
    late = np.append(EARLY[::-1], 0.0)
    first, second, *others = co_contractions(
        {"tibialis anterior": curve, "soleus": 0.01 * curve, "gastrocnemius medialis": late}
    )
    assert not others and (first.first, first.second) == PAIRS[0]
    assert first.share == pytest.approx(1.0) and first.level == pytest.approx(1.0)
    assert second.share == 0.0
    (silent,) = co_contractions({"a": 0 * curve, "b": 0 * curve}, [("a", "b"), ("a", "c")])
    assert silent.share is None and silent.level == 0.0
