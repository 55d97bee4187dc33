"""Gaps are bridged if they are short, and left open if not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotrack.capture.gaps import fill_gaps, runs, unseen


def cubic(frames: int = 60) -> np.ndarray:
    """Two markers whose paths are cubics in time."""
    time = np.linspace(-1, 1, frames)
    paths = [[time**3 - time, 2 * time**2, 1 + 0 * time], [0.5 * time**3, time, time**2 + time**3]]
    return np.array(paths).transpose(2, 0, 1)


def test_nothing_changes_where_nothing_is_missing() -> None:
    points = cubic()
    filled_points, filled, notes = fill_gaps(points, ["A", "B"], 100.0, 0.1)
    assert filled_points is points and filled is None and notes == ()


def test_a_cubic_path_is_recovered_exactly() -> None:
    points = cubic()
    holed = points.copy()
    holed[20:30, 0] = np.nan
    holed[40, 1, 2] = np.nan  # One coordinate is enough to lose a marker.
    found, filled, notes = fill_gaps(holed, ["A", "B"], 100.0, 0.1)
    np.testing.assert_allclose(found, points, atol=1e-12)
    assert filled is not None and filled.sum() == 11 and filled[20:30, 0].all() and filled[40, 1]
    assert notes == ("1 gap of up to 10 frames filled in A.", "1 gap of up to 1 frame filled in B.")


def test_a_gap_longer_than_the_limit_stays_open() -> None:
    points = cubic()
    points[20:31, 0] = np.nan
    points[40:50, 0] = np.nan
    found, filled, _ = fill_gaps(points, ["A", "B"], 100.0, 0.1)
    assert np.isnan(found[20:31, 0]).all() and np.isfinite(found[40:50, 0]).all()
    assert filled is not None and filled.sum() == 10


@pytest.mark.parametrize("where", [slice(0, 3), slice(57, 60), slice(0, 60)])
def test_a_gap_at_an_end_stays_open_since_nothing_is_beyond(where: slice) -> None:
    points = cubic()
    points[where, 0] = np.nan
    found, filled, notes = fill_gaps(points, ["A", "B"], 100.0, 1.0)
    assert np.isnan(found[where, 0]).all() and filled is None and notes == ()


def test_no_limit_of_zero_fills_anything() -> None:
    points = cubic()
    points[20, 0] = np.nan
    assert np.isnan(fill_gaps(points, ["A", "B"], 100.0, 0.0)[0][20, 0]).all()


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 6))
def test_only_short_inner_gaps_are_filled_and_seen_frames_are_kept(missing: list[bool], longest: int) -> None:
    gone = np.array(missing)
    points = np.random.default_rng(1).standard_normal((len(gone), 1, 3))
    holed = np.where(gone[:, None, None], np.nan, points)
    found, filled, _ = fill_gaps(holed, ["A"], 100.0, longest / 100)
    np.testing.assert_array_equal(found[~gone], points[~gone])
    mask = np.zeros_like(gone) if filled is None else filled[:, 0]
    np.testing.assert_array_equal(unseen(found)[:, 0], gone & ~mask)
    begin, end = runs(gone)
    for first, after in zip(begin, end, strict=True):
        short = first > 0 and after < len(gone) and after - first <= longest
        assert mask[first:after].all() if short else not mask[first:after].any()
