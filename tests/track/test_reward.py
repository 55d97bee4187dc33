"""What a policy is paid for, and when it has lost: numbers by hand, symmetry, names."""

import math
from dataclasses import fields, replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.track.moment import Moment
from myotrack.track.reward import EffortCost, LandmarkScore, PostureScore, Reward, SmoothnessCost, VelocityScore
from myotrack.track.terminate import PUBLISHED, Rule, landmark_distance, lost
from tests.track.worlds import clip_of, moments


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def beside(moment: Moment, **reference: torch.Tensor) -> Moment:
    return replace(moment, reference=replace(moment.reference, **reference))


def test_the_reference_itself_earns_every_score_in_full(body: Anatomy) -> None:
    terms = Reward().terms(moments(body, clip_of(body), late=0), body)
    for name in ("posture", "velocity", "root", "landmark", "landmark_turn", "landmark_velocity"):
        # Couplings hold; single frames of the curve are exact.
        assert (terms[name] > 0.999).all(), name
    assert (terms["joint_limit"] < 1e-3).all()


def test_a_score_is_one_over_e_at_its_tolerance(arms: Anatomy) -> None:
    moment = moments(arms, clip_of(arms), late=0)
    shifted = moment.reference.coordinate_pos + 0.15
    faster = moment.reference.coordinate_vel + 1.5
    # 6 cm in any direction: (0, 0.036, 0.048).
    away = moment.reference.landmark_pos_w + torch.tensor([0.0, 0.036, 0.048])
    wanted = torch.full((3,), math.exp(-1), dtype=torch.float64)
    for term, changed in (
        (PostureScore(), beside(moment, coordinate_pos=shifted)),
        (VelocityScore(), beside(moment, coordinate_vel=faster)),
        (LandmarkScore(), beside(moment, landmark_pos_w=away)),
    ):
        torch.testing.assert_close(term(changed, arms), wanted, atol=5e-3, rtol=0)


def test_costs_are_mean_squares(arms: Anatomy) -> None:
    moment = moments(arms, clip_of(arms))
    activation = moment.body.muscle_activation
    torch.testing.assert_close(EffortCost()(moment, arms), (activation**2).mean(dim=1))
    # The last excitation was the activation, the one before 0.9 of it.
    torch.testing.assert_close(SmoothnessCost()(moment, arms), (0.01 * activation**2).mean(dim=1), atol=1e-8, rtol=1e-4)


def test_a_mirrored_world_earns_the_same(body: Anatomy) -> None:
    clip = clip_of(body)
    one = Reward().terms(moments(body, clip), body)
    other = Reward().terms(moments(body, clip.mirrored(body), mirrored=True), body)
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], atol=2e-3, rtol=2e-3, msg=name)


def test_the_reward_is_the_weighted_sum_of_its_terms(arms: Anatomy) -> None:
    moment = moments(arms, clip_of(arms))
    reward = replace(Reward(), effort=EffortCost(weight=-3.0), landmark=LandmarkScore(weight=0.0))
    terms = reward.terms(moment, arms)
    assert "landmark" not in terms
    by_hand = sum(
        getattr(reward, field.name).weight * terms[field.name] for field in fields(reward) if field.name in terms
    )
    torch.testing.assert_close(reward.total(terms), by_hand)


def test_a_body_is_lost_beyond_either_limit(full: Anatomy) -> None:
    moment = moments(full, clip_of(full), late=0)
    place = moment.reference.landmark_pos_w
    # All points 0.4 m to the side: the root is 0.4 m off, the rest is where it should be beside it.
    aside = beside(moment, landmark_pos_w=place + torch.tensor([0.4, 0.0, 0.0]))
    landmark, root = landmark_distance(aside, full)
    assert (landmark < 1e-3).all()
    torch.testing.assert_close(root, torch.full((3,), 0.4, dtype=torch.float64), atol=1e-3, rtol=0)
    assert not lost(aside, full, Rule(0.3, 0.5)).any()
    assert lost(aside, full, Rule(0.3, 0.35)).all()
    # All but the pelvis 0.2 m up: 16 of 17 landmarks, so 0.188 m on average.
    up = place.clone()
    up[:, :, [name != "pelvis" for name in full.landmarks], 2] += 0.2
    raised = beside(moment, landmark_pos_w=up)
    count = len(full.landmarks)
    mean = torch.full((3,), 0.2 * (count - 1) / count, dtype=torch.float64)
    torch.testing.assert_close(landmark_distance(raised, full)[0], mean, atol=1e-3, rtol=0)
    assert lost(raised, full, Rule(0.15, 0.5)).all()
    assert not lost(raised, full, Rule(0.3, 0.5)).any()


def test_a_world_that_is_not_made_of_numbers_is_lost(arms: Anatomy) -> None:
    moment = moments(arms, clip_of(arms), late=0)
    broken = moment.reference.landmark_pos_w.clone()
    broken[1] = torch.nan
    assert lost(beside(moment, landmark_pos_w=broken), arms, PUBLISHED).tolist() == [False, True, False]


def test_rules_print_their_thresholds_and_refuse_nonsense() -> None:
    assert str(PUBLISHED) == "published rule: landmarks 0.30 m, pelvis 0.50 m"
    with pytest.raises(ValueError, match="needs positive distances"):
        Rule(0.0, 0.5)
