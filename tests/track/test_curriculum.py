"""From easy to hard: what is easy is measured, and harder clips and tighter rules come when failures are seldom."""

from dataclasses import replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.curriculum import Course, Curriculum
from myotrack.track.env import TrackingEnv
from myotrack.track.start import Starts, StartSettings
from myotrack.track.task import Task
from myotrack.track.terminate import Rule
from tests.track.test_env import still

ALL = torch.ones(6, dtype=torch.bool)
STRETCH = torch.tensor([0, 0, 1, 1, 2, 2])
"""Three clips of two stretches."""


def course(**settings: float) -> Course:
    return Course(Curriculum(**settings), STRETCH, 3)  # type: ignore[arg-type]


def hear(course: Course, failure: list[float], times: int) -> None:
    for _ in range(times):
        course.listen(ALL, torch.tensor(failure), ALL)


def test_by_default_everything_is_learnt_by_the_own_rule() -> None:
    everything = course()
    assert everything.playing.all()
    assert everything.over
    assert everything.limits(Rule(0.1, 0.2, "tight")) == (0.1, 0.2)


def test_the_easiest_come_first_and_the_next_when_failures_are_seldom() -> None:
    some = course(first=0.3, ready=0.1, patience=4)
    some.order(torch.tensor([0.2, 0.9, 0.5]))
    assert some.playing.tolist() == [False, True, False]
    # Often enough in clips that are not learnt; too often in the one that is.
    hear(some, [0.0, 0.0, 0.2, 0.1, 0.0, 0.0], 20)
    assert some.playing.tolist() == [False, True, False]
    hear(some, [0.9, 0.9, 0.1, 0.05, 0.9, 0.9], 1)
    assert some.playing.tolist() == [False, True, True]
    # The new one has to be heard of as well.
    hear(some, [0.0] * 6, 3)
    assert not some.over
    hear(some, [0.0] * 6, 1)
    assert some.playing.all()
    assert some.over


def test_a_clip_that_stays_hard_does_not_hold_the_others_up() -> None:
    some = course(first=0.6, patience=1)
    some.order(torch.tensor([0.9, 0.5, 0.2]))
    hear(some, [0.05, 0.1, 0.9, 0.9, 0.0, 0.0], 1)
    assert some.over
    all_of_them = course(first=0.6, patience=1, mastered=1.0)
    all_of_them.order(torch.tensor([0.9, 0.5, 0.2]))
    hear(all_of_them, [0.05, 0.1, 0.9, 0.9, 0.0, 0.0], 1)
    assert not all_of_them.over


def test_the_rule_is_tightened_step_by_step_before_more_clips_come() -> None:
    tight, loose = Rule(0.1, 0.25, "tight"), Rule(0.4, 1.0, "loose")
    some = Course(Curriculum(first=0.3, patience=1, notches=2, loose=loose), STRETCH, 3)
    limits = [some.limits(tight)]
    for _ in range(2):
        hear(some, [0.0] * 6, 1)
        limits.append(some.limits(tight))
    # By hand: halfway between 0.1 and 0.4, and 0.25 and 1, geometrically.
    assert [float(landmark) for landmark, _ in limits] == pytest.approx([0.4, 0.2, 0.1])
    assert [float(root) for _, root in limits] == pytest.approx([1.0, 0.5, 0.25])
    assert some.count == 1
    hear(some, [0.0] * 6, 1)
    assert some.count == 2


def test_a_course_goes_on_from_its_state() -> None:
    first, second = (course(first=0.3, patience=3) for _ in range(2))
    first.order(torch.tensor([0.2, 0.9, 0.5]))
    hear(first, [0.0] * 6, 5)
    second.load(first.state())
    hear(first, [0.0] * 6, 1)
    hear(second, [0.0] * 6, 1)
    assert torch.equal(first.playing, second.playing)
    assert first.count == second.count == 3


def test_episodes_begin_only_in_clips_whose_turn_has_come(arms: Anatomy) -> None:
    first, second = still(builtin("reach", arms)), replace(still(builtin("reach", arms)), name="second")
    starts = Starts(ClipLibrary.of([first, second], arms), StartSettings(curriculum=Curriculum(first=0.5, patience=2)))
    generator = torch.Generator().manual_seed(0)
    starts.course.order(torch.tensor([0.1, 0.2]))
    # Failures in the other clip draw nobody there.
    starts.failure[:3] = 1.0
    assert set(starts.draw(500, generator)[0].tolist()) == {1}
    ends = torch.arange(0, 301, 50)[1:] - 1
    for _ in range(2):
        for frame in ends.tolist():
            starts.learn(torch.tensor([1]), torch.tensor([frame]), torch.tensor([False]))
    assert set(starts.draw(500, generator)[0].tolist()) == {0, 1}


def test_a_motion_is_easier_to_keep_for_a_body_left_alone_if_it_does_not_move(arms: Anatomy) -> None:
    reach = builtin("reach", arms)
    quick = replace(reach, name="quick", pos=reach.pos[::3], vel=3 * reach.vel[::3], acc=9 * reach.acc[::3],
                    contact=reach.contact[::3])  # fmt: skip
    hanging = arms.rest.double().expand(201, -1)
    rest = replace(still(reach, 2.0), pos=hanging.clone())
    task = replace(Task(), rule=Rule(0.05, 1.0, "near"))
    env = TrackingEnv(task, Threads(arms, 8, threads=1), ClipLibrary.of([quick, rest], arms), seed=1)
    before = {name: value.clone() for name, value in env.state().items()}
    ease = env.ease()
    assert 0 < float(ease[0]) < float(ease[1]) <= 1
    # Whoever is watched to the end of the clip keeps no less of it, in seconds, than who is watched for half a second.
    (clip, whole), (_, half) = env.lasting(every=25), env.lasting(every=25, within=0.5)
    starts = [range(0, frames - 1, 25) for frames in env.library.frames]
    assert clip.tolist() == [index for index, some in enumerate(starts) for _ in some]
    left = torch.tensor(
        [frames - 1 - at for frames, some in zip(env.library.frames, starts, strict=True) for at in some]
    )
    assert torch.equal((whole * left).round().clamp(max=50), (half * left.clamp(max=50)).round())
    assert float(whole[clip == 1].mean()) > float(whole[clip == 0].mean())
    # Nothing was asked, as far as the worlds know.
    after = env.state()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    "wrong", [{"first": 0.0}, {"ready": 0.0}, {"patience": 0}, {"mastered": 0.0}, {"growth": -1.0}, {"notches": -1}]
)
def test_a_curriculum_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="A curriculum begins with a share"):
        Curriculum(**wrong)  # type: ignore[arg-type]
