"""Laws of a comparison: nothing differs from itself, sides may be swapped, and numbers are those worked out by hand."""

from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips.builtin import builtin
from myotrack.validate.comparison import Comparison, compare
from myotrack.validate.published import usual
from myotrack.validate.takes import Take
from myotrack.validate.trials import Trial
from myotrack.view.comparison import differences
from tests.validate.policies import policy, shifted
from tests.validate.rollouts import busy, perfect
from tests.validate.walks import walking


def takes(anatomy: Anatomy, *trials: Trial) -> list[Take]:
    return [Take.of_trials([(trial, anatomy)]) for trial in trials]


def three(arms: Anatomy) -> Comparison:
    """Three motions, of which the first side is off by 0, 10 and 20 mm and the second by 5 mm."""
    names = ("drink", "reach", "wave")
    first = [shifted(policy(arms, name=name), off) for name, off in zip(names, (0.0, 0.01, 0.02), strict=True)]
    return compare(
        "one", takes(arms, *first), "other", takes(arms, *(shifted(policy(arms, name=name), 0.005) for name in names))
    )


@pytest.fixture(scope="module")
def walk(full: Anatomy) -> Take:
    return Take.of_trials([(walking(full)[0], full)])


def test_nothing_differs_from_itself(arms: Anatomy) -> None:
    mine = takes(arms, busy(arms, name="wave"), busy(arms, 31, "reach"))
    found = compare("a", mine, "a", mine)
    assert [pair.motion for pair in found.pairs] == ["wave", "reach"]
    assert found.rows and found.alone == ((), ())
    for row in found.rows:
        assert row.first == row.second
        assert (row.difference.mean, row.better, row.sure) == (0.0, "", False)
    for each in found.likenesses:
        assert each.rmse.mean == 0.0
        assert each.r is None or each.r.mean == pytest.approx(1.0)
    assert {each.kind for each in found.likenesses} == {"all muscles", "muscle group", "place", "joint"}


def test_a_walk_has_the_strides_forces_and_muscles_of_itself(walk: Take) -> None:
    found = compare("a", [walk], "a", [walk])
    assert {"gait", "ground", "cost", "scores", "motion"} <= {row.measure.part for row in found.rows}
    assert all(row.difference.mean == 0.0 for row in found.rows)
    for name in ("knee_angle", "vertical", "ankle_angle_moment", "soleus", "every muscle"):
        likeness = found.likeness(name)
        assert likeness.over == "cycle" and likeness.r is not None
        assert (likeness.r.mean, likeness.rmse.mean) == (pytest.approx(1.0), 0.0), name


def test_whoever_comes_first_decides_the_sign_alone(arms: Anatomy) -> None:
    mine = three(arms)
    theirs = compare("other", [pair.second for pair in mine.pairs], "one", [pair.first for pair in mine.pairs])
    for row, back in zip(mine.rows, theirs.rows, strict=True):
        assert row.measure == back.measure
        assert (row.first, row.second) == (back.second, back.first)
        assert row.difference.mean == pytest.approx(-back.difference.mean)
        assert row.difference.p == back.difference.p
        assert {row.better, back.better} in ({""}, {"first", "second"})
        if row.difference.low is not None:
            assert row.difference.low == pytest.approx(-(back.difference.high or 0.0), abs=1e-9)
    for each, back in zip(mine.likenesses, theirs.likenesses, strict=True):
        assert (each.r, each.rmse) == (back.r, back.rmse)


def test_a_difference_is_that_of_a_calculation_by_hand(arms: Anatomy) -> None:
    row = three(arms).row("landmark_error_mean")
    # 0, 10, 20 mm less 5, 5, 5 mm are -5, 5 and 15 mm, so means of drawn motions lie between -5 and 15 mm.
    assert row.first == pytest.approx(10.0, abs=1e-3) and row.second == pytest.approx(5.0, abs=1e-3)
    assert row.difference.mean == pytest.approx(5.0, abs=1e-3)
    assert row.difference.count == 3
    assert row.difference.low is not None and row.difference.high is not None
    assert -5.001 <= row.difference.low < 0.0 < 5.0 < row.difference.high <= 15.001
    assert (row.measure.better, row.better, row.sure) == ("lower", "second", False)


def test_curves_differ_as_their_joints_do(arms: Anatomy) -> None:
    trial = perfect(arms, 41)
    ramp, bent = trial.pos.clone(), trial.pos.clone()
    ramp[:, 2] += torch.linspace(0.0, 0.04, 41)
    bent[:, 2] = ramp[:, 2] + 0.03
    found = compare("a", takes(arms, replace(trial, pos=ramp)), "b", takes(arms, replace(trial, pos=bent)))
    likeness = found.likeness(arms.coordinate_names[2])
    # The same ramp, 0.03 rad higher.
    assert likeness.r is not None and likeness.r.mean == pytest.approx(1.0)
    assert likeness.rmse.mean == pytest.approx(0.03)
    assert found.likeness(arms.coordinate_names[0]).r is None


def test_of_one_motion_nothing_is_sure(arms: Anatomy) -> None:
    found = compare("a", takes(arms, shifted(policy(arms), 0.01)), "b", takes(arms, policy(arms)))
    row = found.row("landmark_error_mean")
    assert (row.difference.low, row.better, row.sure) == (None, "second", False)


def test_shares_that_are_alike_on_every_motion_have_no_interval(arms: Anatomy) -> None:
    row = three(arms).row("success_published")
    assert (row.difference.mean, row.difference.low, row.difference.high) == (0.0, None, None)


def test_a_muscle_that_one_side_leaves_silent_scores_nothing(arms: Anatomy) -> None:
    trial = perfect(arms, 41)
    rising = torch.linspace(0.1, 0.5, 41)[:, None].expand(41, arms.model.nu)
    active = replace(trial, activation=rising)
    half = rising.clone()
    half[:, : arms.model.nu // 2] = 0.0
    found = compare("a", takes(arms, active), "b", takes(arms, replace(trial, activation=half)))
    every = found.likeness("every muscle").r
    assert every is not None and every.mean == pytest.approx(0.5)
    silent = compare("a", takes(arms, trial), "b", takes(arms, trial))
    assert silent.likeness("every muscle").r is None


def test_rates_may_differ(arms: Anatomy) -> None:
    trial = policy(arms, 41)
    pos = trial.pos + torch.linspace(0.0, 0.2, 41)[:, None]
    fast = replace(trial, pos=pos)
    slow = replace(
        fast, rate=50.0, wanted_frames=21,
        **{name: getattr(fast, name)[::2] for name in vars(fast) if isinstance(getattr(fast, name), torch.Tensor)},
    )  # fmt: skip
    found = compare("a", takes(arms, fast), "b", takes(arms, slow))
    assert len(found.pairs[0].time) == 21
    assert found.likeness(arms.coordinate_names[0]).rmse.mean == pytest.approx(0.0, abs=1e-12)
    assert "excitation_change" not in {row.measure.name for row in found.rows}
    assert any("Rates differ" in note for note in found.notes)


def test_what_followed_something_else_is_not_compared_frame_by_frame(arms: Anatomy) -> None:
    trial = perfect(arms)
    other = replace(trial, reference_pos=trial.reference_pos + 0.2)
    found = compare("a", takes(arms, trial), "b", takes(arms, other))
    assert not found.likenesses
    assert any("'reach'" in note and "frame by frame" in note for note in found.notes)


def test_a_clip_is_compared_by_its_motion_and_says_what_it_lacks(full: Anatomy, walk: Take) -> None:
    found = compare("run", [walk], "clip", [Take.of_clip(builtin("walk", full), full)])
    assert {row.measure.part for row in found.rows} == {"motion", "gait"}
    knee = found.likeness("knee_angle")
    assert knee.r is not None and knee.r.mean > 0.99
    assert {each.kind for each in found.likenesses} == {"angle", "place", "joint"}
    assert any("a clip is a motion alone" in note for note in found.notes)


def test_seeds_count_by_their_mean(arms: Anatomy) -> None:
    seeds = [(shifted(policy(arms, seed=seed), off), arms) for seed, off in enumerate((0.01, 0.03))]
    assert Take.of_trials(seeds).scores["landmark_error_mean"] == pytest.approx(20.0, abs=1e-3)


def test_motions_of_one_side_are_named(arms: Anatomy) -> None:
    mine = takes(arms, policy(arms, name="reach"), policy(arms, name="wave"))
    found = compare("a", mine, "b", mine[:1])
    assert found.alone == (("wave",), ())
    assert "Only a has 'wave'." in found.notes


def test_without_a_motion_in_common_both_are_listed(arms: Anatomy) -> None:
    mine, theirs = takes(arms, perfect(arms, name="reach")), takes(arms, perfect(arms, name="wave"))
    with pytest.raises(ValueError, match=r"a and b have no motion in common: the one has 'reach', the other 'wave'."):
        compare("a", mine, "b", theirs)


def test_two_clips_of_a_name_are_refused(arms: Anatomy) -> None:
    clip = Take.of_clip(builtin("reach", arms), arms)
    with pytest.raises(ValueError, match="b: several of its clips are called 'reach'"):
        compare("a", [clip], "b", [clip, clip])


def test_bodies_with_other_joints_are_refused(arms: Anatomy, full: Anatomy) -> None:
    mine, theirs = takes(arms, perfect(arms)), [Take.of_clip(replace(builtin("stand", full), name="reach"), full)]
    with pytest.raises(ValueError, match="'reach' of a is of the body 'arms' without fingers and that of b of 'full'"):
        compare("a", mine, "b", theirs)


def test_bodies_of_other_sizes_are_compared_with_a_word_of_caution(arms: Anatomy) -> None:
    long, clip = arms.resized(Sizes(forearm=1.05)), builtin("reach", arms)
    other = replace(clip, sizes=long.sizes, body_hash=long.hash)
    found = compare("a", [Take.of_clip(clip, arms)], "b", [Take.of_clip(other, long)])
    assert found.likeness("elbow_flex_r").rmse.mean == 0.0 < found.likeness("landmarks").rmse.mean
    assert "Bodies are of different sizes, so distances differ for that reason, too." in found.notes


def test_what_is_usual_of_people_stands_beside_a_gait(full: Anatomy) -> None:
    clip = [Take.of_clip(builtin("walk", full), full)]
    done = compare("a", clip, "b", clip)
    row, speed = done.row("cadence"), done.row("speed").first
    known = usual("cadence", speed)
    assert known is not None and row.usual == (known.low, known.high) and row.source == known.names
    assert row.cited == known.sources
    page = differences(done)
    for source in known.sources:
        assert page.count(escape(source.citation)) == 1  # Below the table, however many rows name it.
    # Koelewijn's mean curves, by hand: 1.475 at 0.8 m/s and 1.835 steps/s at 1.3.
    assert known.low == pytest.approx(1.475 + 0.72 * (speed - 0.8), abs=1e-9)
    assert np.isfinite(row.first)
