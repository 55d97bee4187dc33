"""Drivers become trials: every clip once and whole, whatever batch it is in and whoever simulates."""

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Provenance
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.physics import Physics
from myotrack.simulate.referee import Referee
from myotrack.simulate.state import BodyState, Excitation
from myotrack.simulate.threads import Threads
from myotrack.track.terminate import Rule
from myotrack.validate.protocol import RULES, first_violation
from myotrack.validate.rollout import Driver, roll_out
from myotrack.validate.trials import BACKEND, Trial, grouped

FRAMES = {"reach": 9, "drink": 17, "raise": 13}


class Hum:
    """Excites each muscle its own way, by clip, frame and body; pulls as hard as it can, or sends NaN, in one clip."""

    def __init__(self, hard: int | None = None, broken: int | None = None, when: int = 5) -> None:
        self.hard, self.broken, self.when = hard, broken, when
        self.seen: list[tuple[list[int], list[int]]] = []

    def reset(self, body: BodyState, clip: Tensor, frame: Tensor) -> None:
        assert not frame.any() and not body.time.any()
        self.seen.append((clip.tolist(), frame.tolist()))

    def __call__(self, body: BodyState, clip: Tensor, frame: Tensor) -> Excitation:
        muscle = torch.arange(body.muscle_activation.shape[1])
        drive = 0.05 + 0.05 * torch.sin(muscle + clip[:, None] + 0.2 * frame[:, None])
        drive = (drive + 0.1 * body.muscle_activation).double()
        drive[clip == self.hard] = 1.0
        drive[(clip == self.broken) & (frame == self.when)] = torch.nan
        self.seen.append((clip.tolist(), frame.tolist()))
        return drive


@pytest.fixture(scope="module")
def library(arms: Anatomy) -> ClipLibrary:
    clips = [
        replace(builtin("reach", arms).part(0.5, 0.5 + (frames - 1) / 100), name=name)
        for name, frames in FRAMES.items()
    ]
    return ClipLibrary.of(clips, arms, dtype=torch.float64)


def threads(arms: Anatomy, worlds: int) -> Threads:
    return Threads(arms, worlds, threads=1, dtype=torch.float64)


def same(mine: Trial, other: Trial) -> bool:
    pairs = [(getattr(mine, each.name), getattr(other, each.name)) for each in fields(mine)]
    return all(torch.equal(a, b) for a, b in pairs if isinstance(a, Tensor))


def test_every_clip_is_followed_once_from_its_first_frame_to_its_last(arms: Anatomy, library: ClipLibrary) -> None:
    told: list[tuple[int, int]] = []
    driver = Hum()
    assert isinstance(driver, Driver)
    trials = roll_out(
        threads(arms, 2), library, driver, tell=lambda *at: told.append(at), settings=grouped("three clips"),
        origins={"drink": Provenance("a.bvh")},
    )  # fmt: skip
    assert [(trial.name, trial.frames, trial.wanted_frames, trial.ended) for trial in trials] == [
        (name, frames, frames, "") for name, frames in FRAMES.items()
    ]
    for index, trial in enumerate(trials):
        trial.check(arms)
        first = int(library.start[index])
        torch.testing.assert_close(
            trial.reference_pos, library.table[first : first + trial.frames, : arms.couplings.pos_size]
        )
        torch.testing.assert_close(trial.pos[0], trial.reference_pos[0])
        assert trial.excitation is not None and trial.excitation.min() >= 0
        assert trial.kind == "policy" and trial.group == "three clips"
        assert trial.settings[BACKEND] == "Threads on cpu" and trial.seconds > 0
        assert not any(part.any() for part in (trial.moment, trial.residual, trial.reserve, trial.support))
    assert [trial.provenance.source for trial in trials] == ["", "a.bvh", ""]
    # Longest first: 17 frames beside 13, then 9 beside nothing of its own.
    assert driver.seen[0] == ([1, 2], [0, 0]) and driver.seen[17] == ([1, 2], [16, 12])
    assert driver.seen[18] == ([0, 0], [0, 0]) and len(driver.seen) == 18 + 10
    assert told[0] == (0, 26) and told[-1] == (26, 26)


def test_the_referee_sees_the_same_trials(arms: Anatomy, library: ClipLibrary) -> None:
    ours = roll_out(threads(arms, 3), library, Hum())
    theirs = roll_out(Referee(arms, 3, dtype=torch.float64), library, Hum())
    for mine, other in zip(ours, theirs, strict=True):
        for name in ("pos", "vel", "landmark_pos_w", "activation", "excitation", "muscle_force"):
            torch.testing.assert_close(getattr(mine, name), getattr(other, name), rtol=1e-6, atol=1e-9)
    assert max(float((trial.pos - trial.reference_pos).abs().max()) for trial in ours) > 1e-3


def test_neither_the_batch_nor_its_order_changes_a_trial(arms: Anatomy, library: ClipLibrary) -> None:
    together = roll_out(threads(arms, 5), library, Hum())
    alone = roll_out(threads(arms, 1), library, Hum(), clips=[2, 0])
    assert [trial.name for trial in alone] == ["raise", "reach"]
    assert same(alone[0], together[2]) and same(alone[1], together[0])


def test_muscles_start_as_they_are_told(arms: Anatomy, library: ClipLibrary) -> None:
    trials = roll_out(
        threads(arms, 2), library, Hum(), start_activation=lambda clip, frame: (0.1 + 0.1 * clip + frame)[:, None]
        .expand(-1, arms.model.nu).double(),
    )  # fmt: skip
    for index, trial in enumerate(trials):
        torch.testing.assert_close(trial.activation[0], torch.full((64,), 0.1 + 0.1 * index))
    assert not roll_out(threads(arms, 2), library, Hum(), [0])[0].activation[0].any()


def test_a_trial_ends_before_the_frame_that_violates_the_loosest_rule(arms: Anatomy, library: ClipLibrary) -> None:
    tight = Rule(0.02, 0.5, "tight")
    trials = roll_out(threads(arms, 3), library, Hum(hard=1), until=tight)
    ended = trials[1]
    assert 0 < ended.frames < 17
    assert ended.ended.endswith("m off (tight rule: landmarks 0.02 m, pelvis 0.50 m)")
    assert first_violation(ended, arms, tight) == ended.frames
    whole = roll_out(threads(arms, 3), library, Hum(hard=1))[1]
    # What is judged afterwards is what would have ended it, and up to there nothing differs.
    assert first_violation(whole, arms, tight) == ended.frames
    assert torch.equal(whole.pos[: ended.frames], ended.pos)
    # The others go on untouched.
    others = roll_out(threads(arms, 3), library, Hum())
    assert same(trials[0], others[0]) and same(trials[2], others[2])


def test_a_policy_that_leaves_the_numbers_ends_there_and_says_so(arms: Anatomy, library: ClipLibrary) -> None:
    trial = roll_out(threads(arms, 3), library, Hum(broken=2))[2]
    assert (trial.frames, trial.ended) == (5, "the policy left the numbers")
    trial.check(arms)
    assert all(first_violation(trial, arms, rule) == 5 for rule in RULES)


def test_what_cannot_be_rolled_out_is_refused(arms: Anatomy, full: Anatomy, library: ClipLibrary) -> None:
    simulator = threads(arms, 2)
    for clips in ([], [0, 0], [3], [-1]):
        with pytest.raises(ValueError, match="needs different clips of the library's 3; got "):
            roll_out(simulator, library, Hum(), clips)
    with pytest.raises(ValueError, match="belong to another body than the simulator's"):
        roll_out(simulator, replace(library, body_hash=full.hash), Hum())
    with pytest.raises(ValueError, match=r"100 frames per second, and the control interval is 0.02 s"):
        roll_out(Threads(arms, 1, Physics(substeps=2 * Physics().substeps), 1), library, Hum())
    with pytest.raises(ValueError, match="Clip 'drink' could not be followed for a single frame: the policy left the"):
        roll_out(simulator, library, Hum(broken=1, when=0))
