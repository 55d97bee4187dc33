"""Synergies: known ones are found again, whatever their order and scale."""

import numpy as np
import pytest

from myotrack.validate.synergies import LEAST, Synergies, accounted, factorise, fewest, match

FRAMES, MUSCLES = 100, 8


def known(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Time courses and weights; each synergy has muscles and instants of its own, so there is one solution only."""
    phase = np.arange(FRAMES) / FRAMES
    activation = np.stack(
        [np.maximum(0, np.cos(2 * np.pi * (phase - (k + 0.4) / count))) for k in range(count)], axis=1
    )
    weights = np.random.default_rng(3).uniform(0.2, 1.0, size=(count, MUSCLES))
    weights[:, :count] = np.diag(np.linspace(1.0, 2.0, count))
    return activation**3, weights


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_data_of_a_known_rank_are_accounted_for_and_their_synergies_found(count: int) -> None:
    activation, weights = known(count)
    found = factorise(activation @ weights, count)
    assert found.vaf == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(found.vaf_muscle, 1.0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found.weights, axis=1), 1.0)
    length = np.linalg.norm(weights, axis=1)
    truth = Synergies(weights / length[:, None], activation * length, 1.0, np.ones(MUSCLES))
    beside = match(truth, found)
    # Synergies come in the order of the cycle, which is that of the truth.
    assert beside.pairs == tuple((k, k) for k in range(count))
    np.testing.assert_allclose(beside.cosine, 1.0, atol=1e-4)
    np.testing.assert_allclose(beside.r, 1.0, atol=1e-3)


def test_fewer_synergies_account_for_less_and_the_least_number_is_told() -> None:
    activation, weights = known(4)
    values = activation @ weights
    vaf = [factorise(values, count).vaf for count in (1, 2, 3, 4)]
    assert vaf == sorted(vaf) and vaf[2] < 0.999
    assert fewest(values, 0.9999).count == 4
    assert fewest(values, vaf[1] - 1e-4).count == 2
    assert fewest(values, vaf[1] + 1e-4).count == 3


def test_variance_accounted_for_is_about_zero() -> None:
    # One synergy cannot tell two muscles apart that take turns: the best is one of the two. 1 - 1 / 2.
    values = np.repeat(np.eye(2), 5, axis=0)
    assert factorise(values, 1).vaf == pytest.approx(0.5, abs=1e-6)
    # A constant has no variance about its mean, and is accounted for wholly.
    assert factorise(np.ones((10, 3)), 1).vaf == pytest.approx(1.0)


def test_a_turn_of_the_cycle_and_an_order_of_muscles_change_no_synergy() -> None:
    activation, weights = known(3)
    values = activation @ weights + 0.05 * np.random.default_rng(0).uniform(size=(FRAMES, MUSCLES))
    one, other = factorise(values, 3), factorise(np.roll(values, 30, axis=0), 3)
    assert other.vaf == pytest.approx(one.vaf, abs=1e-5)
    assert match(one, other).mean == pytest.approx(1.0, abs=1e-3)
    swapped = factorise(values[:, ::-1], 3)
    np.testing.assert_allclose(swapped.weights[:, ::-1], one.weights, atol=0.02)


def test_the_same_seed_gives_the_same_and_nothing_falls_below_zero() -> None:
    activation, weights = known(3)
    one, again = (factorise(activation @ weights, 2, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.weights, again.weights)
    assert one.weights.min() >= 0 and one.activation.min() >= 0
    assert LEAST > 0


def test_pairs_are_those_whose_cosines_are_greatest_in_sum_and_symmetric() -> None:
    activation, weights = known(3)
    found = factorise(activation @ weights, 3)
    order = [2, 0, 1]
    other = Synergies(found.weights[order], found.activation[:, order], found.vaf, found.vaf_muscle)
    there, back = match(found, other), match(other, found)
    assert there.pairs == ((0, 1), (1, 2), (2, 0)) and there.mean == pytest.approx(1.0) == back.mean
    assert {(second, first) for first, second in back.pairs} == set(there.pairs)
    fewer = factorise(activation @ weights, 2)
    assert match(found, fewer).mean == pytest.approx(match(fewer, found).mean)
    assert len(match(found, fewer).pairs) == 2


def test_a_match_stands_beside_what_shuffled_muscles_give() -> None:
    one = np.zeros((1, MUSCLES))
    one[0, 0] = 1.0
    single = Synergies(one, np.ones((FRAMES, 1)), 1.0, np.ones(MUSCLES))
    found = match(single, single)
    # One muscle of eight: shuffled, it is the same muscle once in eight times. 1000 shuffles tell that to 0.01.
    assert found.mean == 1.0 and found.chance == pytest.approx(1 / 8, abs=0.04) and found.lucky == 1.0
    assert np.isnan(found.r[0])


def test_synergies_of_somebody_else_account_for_what_they_can() -> None:
    activation, weights = known(3)
    values = activation @ weights
    assert accounted(values, 7 * weights) == pytest.approx(1.0)
    assert accounted(values, factorise(values, 2).weights) == pytest.approx(factorise(values, 2).vaf, abs=1e-4)
    assert accounted(values[:, :1], np.zeros((1, 1))) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="of 8 muscles, the values of 7"):
        accounted(values[:, :7], weights)


def test_a_muscle_that_is_never_active_leaves_nothing_over() -> None:
    activation, weights = known(2)
    weights[:, -1] = 0.0
    found = factorise(activation @ weights, 1)
    assert found.vaf_muscle[-1] == 1.0 and found.weights[:, -1].max() < 1e-6


def test_what_cannot_be_is_refused() -> None:
    for values, words in (
        (np.full((10, 3), -1.0), "nowhere negative; take envelopes"),
        (np.full((10, 3), np.nan), "nowhere negative"),
        (np.zeros((10, 3)), "No muscle is ever active"),
    ):
        with pytest.raises(ValueError, match=words):
            factorise(values, 1)
    with pytest.raises(ValueError, match="have 1 to 3 synergies, not 4"):
        factorise(np.ones((10, 3)), 4)
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        fewest(np.ones((10, 3)), 1.0)
    one, other = factorise(np.ones((10, 3)), 1), factorise(np.ones((10, 4)), 1)
    with pytest.raises(ValueError, match="over the same muscles"):
        match(one, other)
