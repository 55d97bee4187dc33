"""A portrait shows what there is of a trial beside people, and says in a sentence why the rest is missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.validate.gait import ANGLES, FORCES, LOADED, gait
from myotrack.validate.metabolics import metabolics
from myotrack.validate.norms import Norm, NormError
from myotrack.validate.portrait import CHANNELS, WITHOUT_NORMS, norms_at, portrait, quality_of_reference
from myotrack.validate.tracking import body_weight
from myotrack.validate.walker import Walker
from tests.validate.rollouts import busy, perfect
from tests.validate.walks import walking


def norm_of(name: str, mean: np.ndarray) -> Norm:
    return Norm(name, "angle", mean, np.full(101, 0.1), "nobody", "made up")


def test_a_walk_on_its_own_feet_has_everything(full: Anatomy) -> None:
    trial, _ = walking(full)
    found = portrait(trial, full)
    walk = gait(Walker.of_trial(trial, full))
    assert found.gait is not None and len(found.gait.strides) == len(walk.strides)
    assert set(found.missing) == {"norms"} and found.missing["norms"] == WITHOUT_NORMS
    assert {*ANGLES, *FORCES, *CHANNELS} <= set(found.names)
    assert {f"{joint}_{what}" for joint in LOADED for what in ("moment", "power")} <= set(found.names)
    knee = found.curve("knee_angle")
    assert knee is not None
    np.testing.assert_allclose(knee.mean, walk.angle("knee_angle").mean)
    assert [each.model for each in found.spent] == ["umberger", "bhargava"]
    assert found.spent[0].net == pytest.approx(metabolics(trial, "umberger", full).net)
    assert found.unexplained is not None and found.unexplained > 0


def test_muscles_are_told_what_their_excitations_are_and_silent_ones_are_known(full: Anatomy) -> None:
    trial, _ = walking(full)
    found = portrait(trial, full)
    assert found.muscles["soleus"].mean.max() > 0.1 and not found.silent("soleus")
    assert found.silent("vastus lateralis")
    assert found.activity is not None and found.activity.shape == (full.model.nu, 101)
    assert found.activity[full.muscle_names.index("soleus_r")].max() == pytest.approx(1.0, abs=0.51)


def test_a_curve_that_is_its_own_norm_is_like_it(full: Anatomy) -> None:
    trial, _ = walking(full)
    knee = portrait(trial, full).curve("knee_angle")
    assert knee is not None
    found = portrait(trial, full, {"knee_angle": norm_of("knee_angle", knee.mean)})
    assert found.likenesses["knee_angle"].r == pytest.approx(1.0)
    assert found.likenesses["knee_angle"].inside == 1.0
    assert found.mean_r(("knee_angle", "hip_flexion")) == pytest.approx(1.0)
    assert np.isnan(found.mean_r(("hip_flexion",))) and "norms" not in found.missing


def test_arms_have_no_gait_and_no_basal_rate_but_a_cost(arms: Anatomy) -> None:
    found = portrait(perfect(arms), arms)
    assert found.gait is None and found.names == ()
    assert "has no feet" in found.missing["gait"]
    assert len(found.spent) == 2 and found.spent[0].gross is None


def test_a_body_that_stands_still_has_no_stride(full: Anatomy) -> None:
    found = portrait(perfect(full, 60), full)
    assert found.gait is None and "no whole stride" in found.missing["gait"]
    assert found.spent[0].cost.gross is None


@pytest.mark.parametrize("frames", [0, 1, 2, 12])
def test_a_trial_of_next_to_nothing_is_told_of_in_a_sentence(full: Anatomy, frames: int) -> None:
    trial = perfect(full, frames)
    found = portrait(trial, full)
    assert found.gait is None and "a stride takes longer" in found.missing["gait"]
    assert ("cost" in found.missing) == (frames == 0)
    assert (found.reference is None) == (frames < 3)


def test_without_forces_strides_come_from_the_feet_and_moments_are_missing(full: Anatomy) -> None:
    trial, _ = walking(full)
    found = portrait(replace(trial, foot_force_w=torch.zeros_like(trial.foot_force_w)), full)
    assert found.gait is not None and found.curve("vertical") is None and found.curve("knee_angle_moment") is None
    assert "told from the motion of the feet" in found.missing["forces"]
    assert "Without forces of the ground" in found.missing["moments"]
    assert found.muscles and found.spent


def test_one_stride_is_enough(full: Anatomy) -> None:
    trial, _ = walking(full)
    whole = gait(Walker.of_trial(trial, full))
    first = min(stride.begin for stride in whole.strides)
    end = next(stride.end for stride in whole.strides if stride.begin == first)
    frames = round(end * trial.rate) + 15
    begin = max(0, round(first * trial.rate) - 15)
    names = [name for name, value in vars(trial).items() if isinstance(value, torch.Tensor)]
    part = replace(trial, ended="it fell", **{name: getattr(trial, name)[begin:frames] for name in names})
    found = portrait(part, full)
    assert found.gait is not None and len(found.gait.strides) == 1
    assert not found.gait.angle("knee_angle").spread.any()


def test_what_was_held_is_not_set_beside_people(full: Anatomy) -> None:
    trial, _ = walking(full)
    support = torch.zeros_like(trial.support)
    support[:, 2] = 0.3 * body_weight(full)
    found = portrait(replace(trial, support=support), full)
    assert found.gait is not None and not found.muscles and not found.spent
    for part in ("moments", "muscles", "cost"):
        assert found.missing[part].startswith("A support of 30 % of body weight")


def test_static_optimisation_has_no_excitations(full: Anatomy) -> None:
    trial, _ = walking(full)
    found = portrait(replace(trial, kind="static optimisation", excitation=None), full)
    assert not found.muscles and "Nothing was simulated" in found.missing["muscles"]
    assert found.curve("knee_angle_moment") is not None


def test_a_trial_at_another_rate_says_what_that_forbids(full: Anatomy) -> None:
    trial, _ = walking(full)
    names = [name for name, value in vars(trial).items() if isinstance(value, torch.Tensor)]
    coarse = replace(trial, rate=25.0, **{name: getattr(trial, name)[::4] for name in names})
    found = portrait(coarse, full)
    assert found.gait is not None and not found.muscles and found.reference is None
    assert found.missing["muscles"].startswith("Excitations cannot be low-passed as EMG is")
    assert "25 frames per second" in found.missing["moments"]


def test_help_from_reserves_is_told(full: Anatomy) -> None:
    found = portrait(replace(busy(full), support=torch.zeros(41, 6)), full)
    assert found.missing["cost"].startswith("Reserve moments")


def test_a_clean_reference_is_within_its_limits(full: Anatomy) -> None:
    trial, clip = walking(full)
    trial = replace(trial, reference_vel=clip.vel.double())
    found = quality_of_reference(trial, full)
    assert found is not None and found.limit_violation == 0 and found.velocity_residual < 0.1
    assert quality_of_reference(replace(trial, rate=50.0), full) is None


def test_norms_are_read_where_they_are_and_bad_ones_are_refused(tmp_path: Path) -> None:
    assert norms_at(None) == {} == norms_at(tmp_path)
    (tmp_path / "normative").mkdir()
    (tmp_path / "normative" / "walk_falisse_subject1_grf.csv").write_text("percent_gait_cycle\n0\n")
    with pytest.raises(NormError, match="grf"):
        norms_at(tmp_path)


def test_norms_of_people_are_at_hand_with_the_recordings(full: Anatomy, data_folder: Path) -> None:
    norms = norms_at(data_folder)
    trial, _ = walking(full)
    found = portrait(trial, full, norms)
    assert set(found.names) <= set(norms) and not found.missing
    assert 0.5 < found.mean_r(("hip_flexion", "knee_angle", "ankle_angle")) <= 1
