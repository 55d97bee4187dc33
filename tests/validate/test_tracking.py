"""Errors and effort of trials whose numbers are worked out by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.validate.scorecard import METRICS, Scorecard, judge
from myotrack.validate.tracking import (
    Spread,
    activation_level,
    body_weight,
    joint_errors,
    landmark_errors,
    real_time,
    root_errors,
    survival,
)
from tests.validate.rollouts import busy, perfect


def scores(trial, anatomy: Anatomy) -> dict[str, float]:
    return {score.metric: score.value for score in judge(trial, anatomy)}


def test_a_perfect_trial_has_no_errors_and_no_help(arms: Anatomy, full: Anatomy) -> None:
    for anatomy in (arms, full):
        found = scores(perfect(anatomy), anatomy)
        assert found.pop("survival") == 100
        assert found.pop("real_time") == pytest.approx(21 * 0.01 / 0.1)
        assert set(found.values()) == {0.0}


def test_joint_errors_are_in_degrees_and_leave_out_the_root(full: Anatomy) -> None:
    trial = perfect(full)
    pos = trial.pos.clone()
    pos[:, 0] += 1.0  # The root, one metre away.
    knee = full.coordinate_names.index("knee_angle_r")
    pos[5, knee + 1] += math.radians(31.0)  # A quaternion has one number more than its rates.
    pos[6:8, knee + 1] -= math.radians(15.5)
    trial = replace(trial, pos=pos)
    # 31 joints, 21 frames: (31 + 15.5 + 15.5) / (31 x 21) deg
    found = scores(trial, full)
    assert found["joint_error_mean"] == pytest.approx(62.0 / 651)
    assert found["joint_error_worst"] == pytest.approx(31.0)
    assert found["joint_error_95"] == pytest.approx(0.0, abs=1e-9)
    spread = Spread.of(joint_errors(trial), full.coordinate_names[6:], trial.rate)
    assert spread.where == "knee_angle_r at 0.05 s"
    assert found["root_position_error"] == pytest.approx(1000.0)


def test_95_of_100_errors_are_below_the_high_one() -> None:
    # 0, 1, ..., 100: linear between order statistics, the 95th percentile of these is 95.
    spread = Spread.of(np.arange(101.0)[:, None], ("elbow",), 100.0)
    assert (spread.mean, spread.high, spread.worst, spread.where) == (50.0, 95.0, 100.0, "elbow at 1.00 s")


def test_a_turned_root_counts_by_its_angle_whatever_the_sign_of_its_quaternion(full: Anatomy) -> None:
    trial = perfect(full)
    w, x, y, z = trial.reference_pos[0, 3:7]
    half = math.radians(10.0) / 2
    # Turned by 10 deg about the vertical: q' = (cos h, 0, 0, sin h) q.
    c, s = math.cos(half), math.sin(half)
    turned = torch.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w])
    for sign in (1, -1):
        pos = trial.pos.clone()
        pos[:, 3:7] = sign * turned
        distance, angle = root_errors(replace(trial, pos=pos))
        np.testing.assert_allclose(angle, 10.0, atol=1e-6)
        np.testing.assert_allclose(distance, 0.0)


def test_landmarks_and_hands_are_in_millimetres(arms: Anatomy) -> None:
    trial = perfect(arms)
    places = trial.landmark_pos_w.clone()
    hand = arms.landmarks.index("left_hand")
    places[:, hand] += torch.tensor([0.003, 0.0, 0.004])
    trial = replace(trial, landmark_pos_w=places)
    np.testing.assert_allclose(landmark_errors(trial)[:, hand], 0.005, atol=1e-6)
    found = scores(trial, arms)
    assert found["landmark_error_mean"] == pytest.approx(5.0 / 7, abs=1e-3)  # One of seven landmarks.
    assert found["hand_error_mean"] == pytest.approx(2.5, abs=1e-3)  # One of two hands.


def test_activation_is_a_mean_and_a_share_at_the_limit(arms: Anatomy) -> None:
    trial = perfect(arms, frames=20)
    activation = torch.zeros(20, 64)
    activation[:10] = 0.5
    activation[0, :16] = 1.0
    # (10 x 64 x 0.5 + 16 x 0.5) / (20 x 64), 16 / (20 x 64)
    assert activation_level(replace(trial, activation=activation)) == pytest.approx((328 / 1280, 16 / 1280))


def test_support_is_told_in_newtons_and_in_body_weights(full: Anatomy) -> None:
    trial = perfect(full, frames=4)
    weight = body_weight(full)
    assert weight == pytest.approx(9.81 * 84.27, rel=1e-3)
    support = torch.zeros(4, 6)
    support[1, :3] = torch.tensor([300.0, 0.0, 400.0])  # 500 N
    support[:, 3:] = 77.0  # Moments are no force.
    found = scores(replace(trial, support=support), full)
    assert found["support_force_mean"] == pytest.approx(125.0)
    assert found["support_weight_mean"] == pytest.approx(12500.0 / weight)
    assert found["support_weight_peak"] == pytest.approx(50000.0 / weight)


def test_joints_that_static_optimisation_does_not_ask_thin_no_mean(full: Anatomy) -> None:
    trial = perfect(full, frames=2)
    moment, residual = torch.zeros(2, 37), torch.zeros(2, 37)
    moment[:, 6:10] = 10.0
    residual[0, 6] = 6.2
    still = replace(trial, kind="static optimisation", excitation=None, moment=moment, residual=residual)
    # One of 2 x 4 numbers.
    assert scores(still, full)["residual_rms"] == pytest.approx(6.2 / math.sqrt(8), rel=1e-6)


def test_reserve_and_missed_moments_leave_out_the_root(full: Anatomy) -> None:
    trial = perfect(full, frames=2)
    residual = torch.zeros(2, 37)
    residual[0, 6] = 6.2
    residual[:, 2] = 300.0  # At the pelvis [N].
    found = scores(replace(trial, residual=residual, reserve=-2 * residual), full)
    # One of 2 x 31 numbers: 6.2 / sqrt(62)
    assert found["residual_rms"] == pytest.approx(6.2 / math.sqrt(62), rel=1e-6)
    assert (found["residual_peak"], found["reserve_peak"]) == pytest.approx((6.2, 12.4))
    # What muscle control misses of the pelvis is no disagreement of forces and motion, which is a score of its own.
    assert "pelvis_residual_rms" not in found
    told = scores(replace(trial, kind="static optimisation", excitation=None, residual=residual), full)
    assert told["pelvis_residual_rms"] == pytest.approx(100 * 300.0 / body_weight(full))


def test_survival_is_the_share_of_the_clip_that_was_done(arms: Anatomy) -> None:
    trial = replace(perfect(arms, frames=25), wanted_frames=100, ended="it fell", seconds=0.5)
    assert survival(trial) == 0.25
    assert real_time(trial) == 0.5  # 25 frames of 10 ms in half a second.


def test_a_body_that_was_not_simulated_has_no_tracking_errors(full: Anatomy) -> None:
    found = scores(replace(busy(full), kind="static optimisation", excitation=None), full)
    assert "activation_mean" in found and "residual_rms" in found
    assert not {name for name in found if "error" in name or "support" in name or name == "survival"}


def test_a_scorecard_comes_back_from_its_file_with_units_and_directions(arms: Anatomy, tmp_path: Path) -> None:
    card = Scorecard.of([(busy(arms), arms), (perfect(arms), arms)])
    card.save(tmp_path / "scorecard.json")
    assert Scorecard.load(tmp_path / "scorecard.json") == card
    assert card.trials == ("wave", "reach")
    rows = json.loads((tmp_path / "scorecard.json").read_text())["rows"]
    assert all(row["unit"] and row["source"] and row["better"] in ("lower", "higher", "neither") for row in rows)
    assert [metric for metric in METRICS if metric in card.metrics] == list(card.metrics)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "this is not JSON"),
        ("[]", "not a scorecard of version 1"),
        ('{"format": "myotrack scorecard", "version": 9}', "not a scorecard of version 1"),
        ('{"format": "myotrack scorecard", "version": 1, "rows": [{"a": 1}]}', "this is not a scorecard"),
    ],
)
def test_what_is_no_scorecard_is_refused_by_its_name(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "scorecard.json").write_text(content)
    with pytest.raises(ValueError, match=f"scorecard.json: .*{words}.*myotrack report"):
        Scorecard.load(tmp_path / "scorecard.json")
