"""Bursts: of curves drawn by hand, over the strike, and what two patterns share."""

import numpy as np
import pytest

from myotrack.validate.bursts import Burst, between, bursts, matched, on_time, overlap, overlap_by_chance


def drawn(*spans: tuple[int, int], low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """High from point to point of the 100 of a cycle, both included, low elsewhere; a span may go over the strike."""
    curve = np.full(100, low)
    for first, last in spans:
        curve[np.arange(first, last + 1) % 100] = high
    return np.append(curve, curve[0])


def turned(curve: np.ndarray, by: int) -> np.ndarray:
    moved = np.roll(curve[:-1], by)
    return np.append(moved, moved[0])


def test_a_burst_begins_and_ends_where_a_line_through_the_points_meets_the_threshold() -> None:
    # From 0 at 19 to 1 at 20: the line is at 0.2 at 19.2. From 1 at 40 to 0 at 41: it is at 0.2 at 40.8.
    (one,) = bursts(drawn((20, 40)))
    assert (one.start, one.end, one.duration) == pytest.approx((0.192, 0.408, 0.216))
    # The threshold is a share of the way from the least to the greatest value, so neither scale nor level matters.
    (same,) = bursts(drawn((20, 40), low=0.3, high=0.35))
    assert (same.start, same.end) == pytest.approx((one.start, one.end))
    (half,) = bursts(drawn((20, 40)), threshold=0.5)
    assert (half.start, half.end) == pytest.approx((0.195, 0.405))


def test_a_burst_goes_over_the_strike() -> None:
    (one,) = bursts(drawn((90, 110)))
    assert (one.start, one.end, one.duration) == pytest.approx((0.892, 0.108, 0.216))


@pytest.mark.parametrize("by", [1, 17, 50, 99])
def test_bursts_turn_with_the_cycle(by: int) -> None:
    curve = drawn((5, 20), (50, 80)) * (1 + 0.1 * np.sin(np.arange(101)))
    curve[-1] = curve[0]
    before, after = bursts(curve), bursts(turned(curve, by))
    expected = sorted((round((each.start + by / 100) % 1.0, 9), round(each.duration, 9)) for each in before)
    assert [(round(each.start, 9), round(each.duration, 9)) for each in after] == expected
    other = drawn((0, 30), (60, 70))
    assert overlap(after, bursts(turned(other, by))) == pytest.approx(overlap(before, bursts(other)))


def test_short_pauses_are_bridged_and_short_bursts_left_out() -> None:
    assert len(bursts(drawn((20, 30), (33, 40)))) == 1  # A pause of 1.4 % between the crossings.
    assert len(bursts(drawn((20, 30), (35, 40)))) == 2  # 3.4 %
    assert len(bursts(drawn((95, 98), (101, 110)))) == 1  # Over the strike.
    assert len(bursts(drawn((20, 40), (70, 70)))) == 1  # A burst of 1.6 %.
    # Three that are each too short, with pauses that are too short, are one: pauses come first.
    (one,) = bursts(drawn((20, 20), (23, 23), (26, 26)))
    assert one.duration == pytest.approx(0.076)
    assert len(bursts(drawn((20, 40), (70, 70)), short=0.0)) == 2


def test_a_flat_curve_has_no_bursts() -> None:
    assert bursts(np.full(101, 0.4)) == ()
    with pytest.raises(ValueError, match="between the least value"):
        bursts(drawn((20, 40)), threshold=1.0)
    with pytest.raises(ValueError, match="no number"):
        bursts(np.full(101, np.nan))


def test_overlap_is_shared_time_over_time_of_either() -> None:
    # [0.1, 0.3] and [0.2, 0.5]: 0.1 of 0.4.
    first, second = (Burst(0.1, 0.2),), (Burst(0.2, 0.3),)
    assert overlap(first, second) == pytest.approx(0.25) == overlap(second, first)
    assert overlap(first, first) == pytest.approx(1.0)
    assert overlap(first, (Burst(0.6, 0.1),)) == 0.0 == overlap(first, ())
    assert overlap((), ()) is None
    # [0.9, 1.1] and [0.0, 0.3]: 0.1 of 0.4.
    assert overlap((Burst(0.9, 0.2),), (Burst(0.0, 0.3),)) == pytest.approx(0.25)
    # Longer than half a cycle each, they meet at both ends: [0.1, 0.9] and [0.6, 1.4] share 0.3 and 0.3 of 1.0.
    assert overlap((Burst(0.1, 0.8),), (Burst(0.6, 0.8),)) == pytest.approx(0.6)
    assert on_time((*first, Burst(0.6, 0.1))) == pytest.approx(0.3)


def test_chance_is_what_turns_of_the_cycle_share() -> None:
    # Always on beside on for 0.3: every turn shares 0.3.
    assert overlap_by_chance((Burst(0.2, 0.3),), (Burst(0.0, 1.0),)) == pytest.approx(0.3)
    # Two of 0.1: the shared time is a triangle in the turn; its mean over turns of 1 / 100 of s / (0.2 - s) by hand.
    shared = np.maximum(0, 0.1 - np.abs(np.arange(-50, 50) / 100))
    expected = np.mean(shared / (0.2 - shared))
    assert overlap_by_chance((Burst(0.3, 0.1),), (Burst(0.7, 0.1),)) == pytest.approx(expected)
    assert overlap_by_chance((), ()) is None


def test_bursts_that_share_most_time_belong_together() -> None:
    early, late, alone = Burst(0.95, 0.2), Burst(0.5, 0.1), Burst(0.3, 0.05)
    other_late, other_early = Burst(0.45, 0.1), Burst(0.05, 0.3)
    pairs = matched((early, late, alone), (other_late, other_early))
    # 0.10 of the early ones are shared, 0.05 of the late ones, and the third is alone with 0.05, which is less in sum.
    assert pairs == ((early, other_early), (late, other_late))
    assert matched((late,), (Burst(0.7, 0.1),)) == () == matched((), (late,))


def test_times_are_told_the_short_way_round() -> None:
    assert between(0.95, 0.05) == pytest.approx(-0.1) and between(0.05, 0.95) == pytest.approx(0.1)
    assert between(0.5, 0.0) == -0.5 == between(0.0, 0.5)
