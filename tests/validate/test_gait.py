"""Gait of walks that are known: strides, curves with anatomical signs, left and right, and what is missing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.model import Anatomy
from myotrack.clips.gait import GAITS
from myotrack.validate.gait import ANGLES, FORCES, gait, meaning
from myotrack.validate.walker import GaitError, Walker, pelvis_angles
from tests.clips.motions import standing
from tests.validate.rollouts import perfect
from tests.validate.walks import mirrored, walking

WALK = GAITS["walk"]


def test_strides_of_the_built_in_walk_come_back(full: Anatomy) -> None:
    _, clip = walking(full)
    found = gait(Walker.of_clip(clip, full))
    # 4.48 s: the right heel strikes at 0, 1.12, 2.24, 3.36 s and at the end, the left one half a stride later. The
    # first and the last strike of the right foot are no events, for nobody knows what was before or comes after.
    assert (len(found.right), len(found.left), found.irregular) == (2, 3, 0)
    assert [stride.begin for stride in found.right] == pytest.approx([1.12, 2.24])
    assert found.partial == 4
    of = found.parameters()
    assert of["cadence"].mean == pytest.approx(2 / WALK.period)
    assert of["stride_time"].mean == pytest.approx(WALK.period)
    assert of["speed"].mean == pytest.approx(WALK.speed, abs=1e-3)
    assert of["stride_length"].mean == pytest.approx(WALK.speed * WALK.period, abs=1e-3)
    assert of["step_time"].mean == pytest.approx(WALK.period / 2)
    # To a frame in 112.
    assert of["stance"].mean == pytest.approx(WALK.stance, abs=0.01)
    assert of["double_support"].mean == pytest.approx(2 * WALK.stance - 1, abs=0.02)
    # The feet are told by their ankles, the width of the gait by the middle of the sole.
    assert of["step_width"].mean == pytest.approx(WALK.width, abs=0.02)
    assert all(abs(each.asymmetry) < 1e-3 for name, each in of.items() if name != "step_width")
    assert math.isnan(of["step_width"].asymmetry)


def test_a_periodic_signal_comes_back(full: Anatomy) -> None:
    _, clip = walking(full)
    column = full.coordinate_names.index("knee_angle_r") + 1
    pos = clip.pos.clone()
    phase = 2 * torch.pi * torch.arange(clip.frames, dtype=torch.float64) / 100 / WALK.period
    pos[:, column] = 0.6 - 0.5 * torch.cos(phase)
    pos[:, full.coordinate_names.index("knee_angle_l") + 1] = 0.6 + 0.5 * torch.cos(phase)
    knee = gait(Walker.of_clip(replace(clip, pos=pos), full)).angle("knee_angle")
    wanted = 0.6 - 0.5 * np.cos(2 * np.pi * np.arange(101) / 100)
    # Lines between samples that are h apart miss a curve by h² / 8 of its second derivative: 0.5 (2 pi / 112)² / 8.
    np.testing.assert_allclose(knee.mean, wanted, atol=0.5 * (2 * np.pi / 112) ** 2 / 8)
    np.testing.assert_allclose(knee.spread, 0.0, atol=4e-4)


def test_forces_and_activations_are_those_of_a_foots_own_side(full: Anatomy) -> None:
    trial, _ = walking(full)
    found = gait(Walker.of_trial(trial, full))
    assert found.events.told == "forces"
    standing_now = slice(5, 55)
    for name, value in zip(FORCES, (-0.1, 0.05, 1.0), strict=True):
        for stride in found.strides:
            assert stride.force is not None
            np.testing.assert_allclose(stride.force[standing_now, FORCES.index(name)], value, atol=1e-4)
            np.testing.assert_allclose(stride.force[70:95], 0.0, atol=1e-9)
        np.testing.assert_allclose(found.force(name).mean[standing_now], value, atol=1e-4)
    share = found.muscle("soleus_r").mean
    # 2 right strides with activation 1, 3 left ones with 0.5.
    np.testing.assert_allclose(share[standing_now], (2 * 1.0 + 3 * 0.5) / 5, rtol=1e-6)
    np.testing.assert_allclose(found.muscle("tibant_r").mean, 0.0)
    told = found.excitation(np.eye(full.model.nu)[full.muscle_names.index("soleus_r")])
    np.testing.assert_allclose(told.mean, share / 2, rtol=1e-6)
    assert found.muscle("soleus_r").spread[30] == pytest.approx(np.std([1, 1, 0.5, 0.5, 0.5], ddof=1))


def test_a_mirrored_trial_swaps_left_and_right(full: Anatomy) -> None:
    trial, _ = walking(full, lame=0.2)
    one, other = (gait(Walker.of_trial(each, full)) for each in (trial, mirrored(trial, full)))
    assert (len(one.right), len(one.left)) == (len(other.left), len(other.right)) == (2, 3)
    for ours, theirs in zip(one.strides, other.left + other.right, strict=True):
        for name in (
            "begin",
            "stance",
            "double",
            "length",
            "step_length",
            "step_width",
            "angles",
            "force",
            "activation",
            "excitation",
        ):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-6, err_msg=name)
    lame = [np.mean([stride.angles[:, ANGLES.index("knee_angle")].mean() for stride in side]) for side in
            (one.left, one.right)]  # fmt: skip
    assert lame[0] - lame[1] == pytest.approx(0.2, abs=0.01)
    uneven = [each.parameters()["step_length"].asymmetry for each in (one, other)]
    assert uneven[0] == pytest.approx(-uneven[1], abs=1e-9) and abs(uneven[0]) > 0.01


@pytest.mark.parametrize("heading", [0.0, 1.0, math.pi])
def test_the_pelvis_turns_as_its_words_say(full: Anatomy, heading: float) -> None:
    up, forward, right = (torch.tensor(axis, dtype=torch.float64) for axis in ([0, 0, 1], [0, -1, 0], [-1, 0, 0]))
    turned = exponential(heading * up.double())
    ahead = np.array([math.sin(heading), -math.cos(heading), 0.0])
    # Leaning back turns forward up, about the axis to the right; the right side drops about the axis forward; it comes
    # forward about the vertical.
    for place, axis in enumerate((right, forward, up)):
        quaternion = multiply(turned, exponential(0.2 * axis))[None]
        wanted = np.eye(3)[place] * 0.2
        np.testing.assert_allclose(pelvis_angles(quaternion, ahead)[0].numpy(), wanted, atol=1e-12)
    assert meaning("pelvis_list") == "pelvis lower on the foot's own side"
    assert meaning("knee_angle") == "knee flexion" and meaning("ankle_angle") == "ankle dorsiflexion"


def test_a_walk_to_anywhere_is_the_same_walk(full: Anatomy) -> None:
    trial, _ = walking(full)
    turn = exponential(torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64))
    spin = torch.tensor([[math.cos(2), -math.sin(2), 0], [math.sin(2), math.cos(2), 0], [0, 0, 1]], dtype=torch.float64)
    pos = trial.pos.clone()
    pos[:, :3] = pos[:, :3] @ spin.T
    pos[:, 3:7] = multiply(turn.expand(len(pos), 4), pos[:, 3:7])
    away = replace(trial, pos=pos, foot_force_w=trial.foot_force_w @ spin.float().T)
    one, other = (gait(Walker.of_trial(each, full)) for each in (trial, away))
    for name in ANGLES:
        np.testing.assert_allclose(one.angle(name).mean, other.angle(name).mean, atol=1e-6)
    for name in FORCES:
        np.testing.assert_allclose(one.force(name).mean, other.force(name).mean, atol=1e-6)
    for name, each in one.parameters().items():
        assert other.parameters()[name].mean == pytest.approx(each.mean, abs=1e-6)


def test_a_trial_without_forces_is_read_from_its_motion(full: Anatomy) -> None:
    trial, _ = walking(full)
    bare = gait(Walker.of_trial(replace(trial, foot_force_w=torch.zeros_like(trial.foot_force_w)), full))
    whole = gait(Walker.of_trial(trial, full))
    assert bare.events.told == "motion"
    assert bare.parameters()["stride_time"].mean == pytest.approx(whole.parameters()["stride_time"].mean, abs=0.02)
    assert bare.parameters()["stance"].mean == pytest.approx(whole.parameters()["stance"].mean, abs=0.05)
    with pytest.raises(GaitError, match="'walk' has no ground reaction forces, so there are none over the cycle"):
        bare.force("vertical")
    with pytest.raises(GaitError, match="'walk' has no activations"):
        gait(Walker.of_clip(walking(full)[1], full)).muscle("soleus_r")
    with pytest.raises(GaitError, match="'walk' has no excitations"):
        gait(Walker.of_trial(replace(trial, excitation=None), full)).excitation(np.ones(full.model.nu))
    with pytest.raises(KeyError, match="Nothing is called 'knee' here; there are pelvis_tilt"):
        bare.angle("knee")


def test_who_does_not_walk_has_no_gait(full: Anatomy, arms: Anatomy) -> None:
    with pytest.raises(GaitError, match="'standing' has no whole stride: its right foot strikes the ground 0 times"):
        gait(Walker.of_clip(standing(full), full))
    with pytest.raises(GaitError, match="'reach' is of the body 'arms', which has no feet to walk on"):
        Walker.of_trial(perfect(arms), arms)


def test_a_foot_that_strikes_twice_makes_no_stride(full: Anatomy) -> None:
    trial, _ = walking(full)
    force = trial.foot_force_w.clone()
    # The right foot strikes at 1.12 s, hops at 1.4 s while the left one is in the air, and strikes at 2.24 s.
    force[135:145, 0] = 0.0
    found = gait(Walker.of_trial(replace(trial, foot_force_w=force), full))
    # No stride of the right from 1.12 s, without a step of the left, and none of the left from 0.56 s, with two.
    assert found.irregular == 2
    assert [stride.begin for stride in found.right] == pytest.approx([1.45, 2.24], abs=0.01)
    assert [stride.begin for stride in found.left] == pytest.approx([1.68, 2.8], abs=0.01)
