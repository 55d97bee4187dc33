"""Published numbers of walking people agree with one another, and with what must be true of any walk."""

import math

import pytest

from myotrack.validate.published import (
    AS_THEY_LIKE,
    CHEAPEST,
    FASTEST,
    SCHERTZER,
    STANDING,
    STUDIES,
    Study,
    pandolf,
    ralston,
    usual,
    walking,
)


def test_the_equations_are_those_that_were_published() -> None:
    # 80 m/min: (29 + 0.0053 * 6400) cal/min/kg = 62.92 cal/min/kg
    assert ralston(80 / 60) == pytest.approx(62.92 * 4.184 / 60)
    # 80 kg at 1.2 m/s: 1.5 * 80 + 80 * 1.5 * 1.44 = 292.8 W
    assert 80 * pandolf(1.2) == pytest.approx(292.8)


@pytest.mark.parametrize("speed", [4 / 3.6, 1.25, 6 / 3.6])
def test_those_who_measured_what_walking_costs_agree_to_a_fifth(speed: float) -> None:
    powers = list(walking(speed).values())
    assert len(powers) == 3 and max(powers) / min(powers) < 6 / 5
    assert CHEAPEST.low < ralston(speed) / speed < CHEAPEST.high
    assert not walking(FASTEST + 0.1)


def test_standing_costs_less_than_the_slowest_walk_and_about_what_the_equation_has_at_rest() -> None:
    assert STANDING.high < min(walking(0.5).values())
    assert STANDING.low < pandolf(0.0) < STANDING.high


@pytest.mark.parametrize("study", [*STUDIES, SCHERTZER], ids=lambda study: study.source.name)
def test_a_study_tells_one_value_per_speed(study: Study) -> None:
    assert list(study.speeds) == sorted(study.speeds) and study.source.citation
    assert {len(values) for values in study.values.values()} == {len(study.speeds)}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.source.name)
def test_numbers_of_a_study_hang_together(study: Study) -> None:
    for speed in study.speeds:
        of = {name: study.at(name, speed) or math.nan for name in study.values}
        # Speed is half a stride per step; both feet stand for twice the stance less the stride.
        assert of["cadence"] * of["stride_length"] / 2 == pytest.approx(speed, rel=0.005)
        assert of["stride_length"] == pytest.approx(2 * of["step_length"], rel=0.005)
        assert of["double_support"] == pytest.approx(2 * of["stance"] - 1, abs=0.002)
        assert of["valley"] < min(of["first_peak"], of["second_peak"])
        if "impulse" in of:
            # Both feet bear the body: half of its weight each, over a stride of two steps.
            assert of["impulse"] == pytest.approx(1 / of["cadence"], rel=0.03)
            # What brakes and what drives are even, but for the drag of the treadmill.
            assert of["braking_impulse"] == pytest.approx(of["propulsive_impulse"], abs=0.01)
    for rising in ("cadence", "stride_length", "first_peak", "second_peak", "loading_rate"):
        assert list(study.values[rising]) == sorted(study.values[rising])


def test_at_a_speed_that_was_measured_people_of_that_speed_count() -> None:
    found = usual("first_peak", 1.3)
    # Koelewijn: 1.190; van der Zee: 1.091 at 1.1 and 1.211 at 1.4 m/s, so 1.171.
    assert found is not None and found.names == "Koelewijn 2019; van der Zee 2022"
    assert (found.low, found.high) == (pytest.approx(1.171), pytest.approx(1.190))
    slow = usual("first_peak", 0.72)
    assert slow is not None and slow.low == slow.high == 1.015


@pytest.mark.parametrize("speed", [0.3, 2.5, math.nan])
def test_where_nobody_measured_people_walk_as_they_like_or_say_nothing(speed: float) -> None:
    assert usual("cadence", speed) is AS_THEY_LIKE["cadence"]
    assert usual("first_peak", speed) is None
