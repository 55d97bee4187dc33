"""What control steps become: frames in their order, ends and their reasons."""

from dataclasses import replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.steer.follow import Step, follow
from myotrack.validate.record import record


@pytest.fixture(scope="module")
def steps(arms: Anatomy) -> list[Step]:
    """Two worlds along clips of 13 and 9 frames."""
    clips = [builtin("reach", arms).part(0.5, 0.62), replace(builtin("drink", arms).part(0.5, 0.58), name="sip")]
    library = ClipLibrary.of(clips, arms, dtype=torch.float64)
    return list(follow(Threads(arms, 2, dtype=torch.float64), library))


@pytest.fixture(scope="module")
def clips(arms: Anatomy):
    return [builtin("reach", arms).part(0.5, 0.62), replace(builtin("drink", arms).part(0.5, 0.58), name="sip")]


def test_every_world_becomes_a_trial_with_the_frames_of_its_clip(arms: Anatomy, steps, clips) -> None:
    told: list[int] = []
    trials = record(steps, clips, arms, {"reserve": "0 N m"}, tell=told.append)
    assert [(trial.name, trial.frames, trial.wanted_frames, trial.ended) for trial in trials] == [
        ("reach", 13, 13, ""),
        ("sip", 9, 9, ""),
    ]
    assert told == [2] * 9 + [1] * 4
    for trial, clip in zip(trials, clips, strict=True):
        trial.check(arms)
        torch.testing.assert_close(trial.reference_pos, clip.pos)
        torch.testing.assert_close(trial.activation[3], steps[3].body.muscle_activation[clips.index(clip)].float())
    assert sum(trial.seconds for trial in trials) > 0


def test_a_world_that_is_given_up_ends_there_and_says_why(arms: Anatomy, steps, clips) -> None:
    lost = torch.tensor([False, True])
    far = replace(steps[5].body, landmark_pos_w=steps[5].body.landmark_pos_w + 0.6)
    ended = [*steps[:5], replace(steps[5], body=far, alive=lost)] + [replace(step, alive=lost) for step in steps[6:9]]
    trial, other = record(ended, clips, arms)
    assert (trial.frames, other.frames) == (5, 9)
    # 0.6 m along each of three axes: 0.6 sqrt(3)
    assert trial.ended == "the body was 1.04 m from its reference (mean of the landmarks)"
    broken = replace(steps[5].body, intact=lost)
    trial, _ = record([*steps[:5], replace(steps[5], body=broken, alive=lost)], clips, arms)
    assert trial.ended == "the simulation left the numbers"
