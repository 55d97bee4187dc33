"""Who has lost the clip, when, by which rule; and what is scored of those who have."""

from dataclasses import replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.track.terminate import PUBLISHED, STRICT, Rule
from myotrack.validate.protocol import RULES, Conditions, coverage, first_violation, success, until
from myotrack.validate.scorecard import judge
from myotrack.validate.trials import BACKEND, UNGROUPED, Trial, grouped
from tests.validate.policies import bent, policy, shifted
from tests.validate.rollouts import busy, perfect


def scores(trial: Trial, anatomy: Anatomy) -> dict[str, float]:
    return {score.metric: score.value for score in judge(trial, anatomy)}


def test_a_perfect_follower_keeps_every_rule_without_any_error(arms: Anatomy, full: Anatomy) -> None:
    for anatomy in (arms, full):
        found = scores(policy(anatomy), anatomy)
        kept = {f"{what}_{rule.name}" for rule in RULES for what in ("success", "coverage")}
        assert {found.pop(name) for name in kept} == {100.0}
        assert found.pop("real_time") > 0
        assert {"joint_velocity_error", "landmark_drift", "excitation_change", "hand_error_mean"} < found.keys()
        assert set(found.values()) == {0.0}


def test_a_body_0_2_m_off_passes_the_published_rule_and_fails_the_strict_one(arms: Anatomy, full: Anatomy) -> None:
    for anatomy in (arms, full):
        trial = bent(policy(anatomy), 0.2, first=7)
        assert success(trial, anatomy, PUBLISHED) and not success(trial, anatomy, STRICT)
        assert first_violation(trial, anatomy, STRICT) == 7
        assert (coverage(trial, anatomy, PUBLISHED), coverage(trial, anatomy, STRICT)) == (1.0, 7 / 20)
        found = scores(trial, anatomy)
        assert (found["success_published"], found["success_strict"], found["coverage_strict"]) == (100, 0, 35)


def test_a_shift_of_the_pelvis_is_an_error_of_the_root_and_not_of_the_landmarks(full: Anatomy) -> None:
    trial = shifted(policy(full), 0.3, first=5)
    assert success(trial, full, PUBLISHED)  # 0.3 m of the landmarks would be beyond nothing, of the root is within 0.5.
    assert success(trial, full, Rule(0.01, 0.31)) and first_violation(trial, full, Rule(0.01, 0.29)) == 5
    found = scores(trial, full)
    assert found["landmark_error_relative"] == pytest.approx(0.0, abs=1e-3)
    # 15 of 20 frames by 300 mm, as the Euclidean distance.
    assert found["landmark_error_mean"] == pytest.approx(225.0, rel=1e-4)
    assert found["root_position_error"] == pytest.approx(225.0)


def test_a_fixed_trunk_is_judged_by_where_its_landmarks_are(arms: Anatomy) -> None:
    trial = shifted(policy(arms), 0.2)
    assert success(trial, arms, PUBLISHED) and first_violation(trial, arms, STRICT) == 0
    assert "landmark_error_relative" not in scores(trial, arms)


def test_the_limit_itself_is_no_violation_and_what_is_no_number_is_one() -> None:
    rule = Rule(0.25, 0.5)
    landmark = torch.tensor([0.25, 0.26, 0.0, float("nan"), 0.0])
    root = torch.tensor([0.5, 0.0, 0.51, 0.0, float("nan")])
    assert rule.violated(landmark, root).tolist() == [False, True, True, True, True]
    with pytest.raises(ValueError, match="positive distances; got 0.0 m and 0.5 m"):
        Rule(0.0, 0.5)


def test_a_trial_that_ended_early_has_failed_by_every_rule(full: Anatomy) -> None:
    trial = replace(policy(full, 5), wanted_frames=20, ended="it fell")
    for rule in RULES:
        assert first_violation(trial, full, rule) == 5
        assert coverage(trial, full, rule) == 0.25 and not success(trial, full, rule)


def test_errors_are_those_before_the_published_rule_is_violated(full: Anatomy) -> None:
    trial = bent(bent(policy(full), 0.1), 5.0, first=10)
    found = scores(trial, full)
    assert found["coverage_published"] == 50
    assert found["landmark_error_mean"] == pytest.approx(100.0, rel=1e-4)
    lost = scores(bent(policy(full), 5.0), full)
    assert lost.pop("real_time") > 0
    assert lost == {"success_published": 0, "coverage_published": 0, "success_strict": 0, "coverage_strict": 0}


def test_the_frames_before_one_are_all_that_is_left_of_a_trial(full: Anatomy) -> None:
    trial = busy(full, 41)
    part = until(trial, 7)
    assert part.frames == 7 and part.wanted_frames == 41
    assert part.emg is not None and len(part.emg.envelope) == 7
    part.check(full)
    assert torch.equal(part.activation, trial.activation[:7])
    assert until(trial, None) is trial and until(trial, 41) is trial


def test_the_drift_of_an_error_that_grows_evenly_is_its_slope(arms: Anatomy, full: Anatomy) -> None:
    for anatomy in (arms, full):
        trial = policy(anatomy, 41)
        # 10 mm and then 2 mm more every 10 ms: 200 mm/s.
        grown = bent(trial, 0.01 + 0.002 * torch.arange(41.0))
        assert scores(grown, anatomy)["landmark_drift"] == pytest.approx(200.0, rel=1e-4)
        assert scores(bent(trial, 0.05), anatomy)["landmark_drift"] == pytest.approx(0.0, abs=1e-3)


def test_effort_and_smoothness_equal_calculations_by_hand(arms: Anatomy) -> None:
    trial = policy(arms, 3)
    level = torch.tensor([0.0, 0.2, 0.6])[:, None].expand(3, 64)
    found = scores(replace(trial, activation=level, excitation=level), arms)
    # (0 + 0.2 + 0.6) / 3;  (0 + 0.04 + 0.36) / 3;  (0.2 + 0.4) / 2
    assert found["activation_mean"] == pytest.approx(80 / 3)
    assert found["activation_square"] == pytest.approx(40 / 3)
    assert found["excitation_change"] == pytest.approx(30.0)
    assert "excitation_change" not in scores(until(trial, 1), arms)


def test_errors_of_joint_rates_leave_out_the_root_and_are_means_of_sizes(full: Anatomy) -> None:
    trial = policy(full, 4)
    vel = trial.vel.clone()
    vel[:, :6] = 9.0
    vel[1, 6], vel[2, 7] = torch.pi, -torch.pi
    # Two of 31 x 4 numbers by 180 deg/s.
    assert scores(replace(trial, vel=vel), full)["joint_velocity_error"] == pytest.approx(2 * 180 / 124)


def test_a_policy_is_not_told_off_for_moments_that_nobody_asked_of_it(full: Anatomy) -> None:
    found = scores(policy(full), full)
    assert not {name for name in found if name.startswith(("residual", "reserve", "support", "survival"))}
    # Muscle control is measured like a policy once it stands in a group, and as ever beside that.
    control = replace(perfect(full), settings=grouped("clips"))
    assert scores(control, full).keys() == found.keys() | scores(perfect(full), full).keys()
    assert replace(policy(full), settings={}).group == UNGROUPED and perfect(full).group == ""


def test_conditions_tell_thresholds_clips_seeds_rate_backend_and_body(arms: Anatomy) -> None:
    trials = [policy(arms, name=name, seed=seed) for name in ("reach", "wave") for seed in (0, 1)]
    trials = [replace(trial, settings=trial.settings | {BACKEND: "Threads on cpu"}) for trial in trials]
    conditions = Conditions.of(trials)
    assert str(conditions) == (
        "published rule: landmarks 0.30 m, pelvis 0.50 m; strict rule: landmarks 0.15 m, pelvis 0.25 m; 2 clips; "
        f"seeds 0, 1; muscles commanded at 100 Hz; simulated by Threads on cpu; body {arms.hash}"
    )
    assert Conditions.from_dict(conditions.as_dict()) == conditions
