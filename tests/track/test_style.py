"""What a style is judged by: the same wherever a body is, for bodies and references alike, mirrored where they are."""

from dataclasses import replace

import pytest
import torch

from myotrack.algebra.quaternion import multiply
from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.env import TrackingEnv
from myotrack.track.style import StyleExamples, StyleView
from myotrack.track.task import Task
from myotrack.train.discriminator import Examples
from tests.track.worlds import clip_of, moments, moved

HOLD = 3


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def env_of(arms: Anatomy, *clips: Clip, worlds: int = 3) -> TrackingEnv:
    library = ClipLibrary.of(clips, arms)
    return TrackingEnv(Task(hold=HOLD), Threads(arms, worlds, threads=1), library, seed=3)


def test_turning_and_moving_the_whole_scene_changes_nothing(full: Anatomy) -> None:
    clip, view = clip_of(full), StyleView(full)
    here, there = moments(full, clip), moments(full, moved(clip, 2.3, (5.0, -3.0, 0.0)))
    assert view.read(here.body).abs().max() > 0.5
    torch.testing.assert_close(view.read(there.body), view.read(here.body), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(view.read(there.reference), view.read(here.reference), atol=2e-4, rtol=1e-4)


def test_a_mirrored_body_looks_like_the_mirror_image(body: Anatomy) -> None:
    clip, view = clip_of(body), StyleView(body)
    moment, image = moments(body, clip), moments(body, clip.mirrored(body), mirrored=True)
    # The two sides' joint axes differ by their last published digits.
    for instant, other in ((moment.body, image.body), (moment.reference, image.reference)):
        torch.testing.assert_close(view.mirror(view.read(instant)), view.read(other), atol=0.02, rtol=0.01)
    row = torch.arange(view.size, dtype=torch.float32)
    assert torch.equal(view.mirror(view.mirror(row)), row)


def test_a_body_on_its_reference_looks_like_it(body: Anatomy) -> None:
    view, moment = StyleView(body), moments(body, clip_of(body), late=0)
    torch.testing.assert_close(view.read(moment.body), view.read(moment.reference)[:, 0], atol=2e-3, rtol=1e-3)
    apart = moments(body, clip_of(body), late=12)
    assert (view.read(apart.body) - view.read(apart.reference)[:, 0]).abs().max() > 0.05


def test_the_layout_says_what_is_where(full: Anatomy, arms: Anatomy) -> None:
    names = [(feature.name, feature.size) for feature in StyleView(full).layout]
    assert names == [
        ("joint_pos", 31), ("joint_vel", 31), ("root_height", 1), ("gravity_direction", 3), ("root_vel", 3),
        ("root_spin", 3), ("end_pos", 21),
    ]  # fmt: skip
    assert sum(size for _, size in names) == StyleView(full).size
    assert [feature.name for feature in StyleView(arms).layout] == ["joint_pos", "joint_vel"]


def test_a_root_that_goes_ahead_and_hands_about_it_are_seen_by_hand(full: Anatomy) -> None:
    view, reference = StyleView(full), moments(full, clip_of(full)).reference
    # An upright pelvis that looks along the world's y axis: x ahead is y, y to the left is -x.
    quarter = torch.tensor([0.5, 0.0, 0.0, 0.5], dtype=torch.float64).sqrt()
    pelvis, hand = full.landmarks.index("pelvis"), full.landmarks.index("right_hand")
    quat, pos = reference.landmark_quat_w.clone(), reference.landmark_pos_w.clone()
    vel, spin = reference.landmark_vel_w.clone(), reference.landmark_spin_w.clone()
    quat[..., pelvis, :] = quarter
    vel[..., pelvis, :] = torch.tensor([0.1, 1.3, 0.2], dtype=torch.float64)
    spin[..., pelvis, :] = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    pos[..., pelvis, 2] = 0.9
    pos[..., hand, :] = pos[..., pelvis, :] + torch.tensor([0.3, 0.4, -0.1], dtype=torch.float64)
    instant = replace(
        reference, landmark_quat_w=quat, landmark_pos_w=pos, landmark_vel_w=vel, landmark_spin_w=spin
    )  # fmt: skip
    row = {feature.name: feature.read(instant)[0, 0] for feature in view.layout}
    seen = torch.cat([row[name] for name in ("root_height", "gravity_direction", "root_vel", "root_spin")])
    wanted = [0.9, 0.0, 0.0, -1.0, 1.3, -0.1, 0.2, 0.5, 0.0, 2.0]
    torch.testing.assert_close(seen, torch.tensor(wanted, dtype=torch.float64), atol=1e-6, rtol=0)
    right = torch.tensor([0.4, -0.3, -0.1], dtype=torch.float64)
    torch.testing.assert_close(row["end_pos"][3:6], right, atol=1e-6, rtol=0)
    # Leaning forward by 30 degrees: gravity then points ahead in the pelvis, and the heading stays.
    lean = torch.tensor([0.9659258, 0.0, 0.2588190, 0.0], dtype=torch.float64)
    quat[..., pelvis, :] = multiply(quarter, lean)
    leaning = {feature.name: feature.read(replace(instant, landmark_quat_w=quat))[0, 0] for feature in view.layout}
    tilt = torch.tensor([0.5, 0.0, -0.8660254], dtype=torch.float64)
    torch.testing.assert_close(leaning["gravity_direction"], tilt, atol=1e-6, rtol=0)
    torch.testing.assert_close(leaning["end_pos"], row["end_pos"], atol=1e-6, rtol=0)


def test_genuine_examples_are_all_pieces_of_a_step_of_every_clip_and_no_others(arms: Anatomy) -> None:
    clips = [builtin("reach", arms).part(1.0, 1.1), builtin("wave", arms).part(1.0, 1.15)]
    env = env_of(arms, *clips)
    examples = StyleExamples(env)
    pieces = []
    for index, clip in enumerate(clips):
        frame = torch.arange(clip.frames - HOLD)
        pair = env.library.at(torch.full_like(frame, index), frame, (0, HOLD))
        pieces.append(examples.view.read(pair).flatten(1))
    every = torch.cat(pieces)
    assert len(every) == 11 + 16 - 2 * HOLD
    drawn = examples.genuine(1000, torch.Generator().manual_seed(0))
    place = (drawn[:, None] == every).all(dim=2)
    assert (place.sum(dim=1) >= 1).all()
    counts = place.sum(dim=0)
    # 1000 draws of 21 pieces: 48 each, give or take four times 7.
    assert (counts > 20).all() and (counts < 76).all()


def test_an_example_spans_a_held_action_and_ends_before_the_next_episode(arms: Anatomy) -> None:
    env = env_of(arms, builtin("reach", arms).part(1.0, 1.4), worlds=6)
    examples = StyleExamples(env)
    assert isinstance(examples.size, int) and examples.shown.shape == (6, examples.size)
    joints, ended = examples.view.layout[0].size, 0
    for _ in range(20):
        before = examples.view.read(env.simulator.body)
        step = env.step(0.1 * torch.ones(6, env.action_size))
        first, last = examples.shown.split(examples.view.size, dim=1)
        assert torch.equal(first, before)
        # Observations begin with the joints.
        going = ~(step.cut | step.failed)
        torch.testing.assert_close(last[going, :joints], step.final[going, :joints])
        fresh = examples.view.read(env.simulator.body)
        assert torch.equal(last[going], fresh[going])
        assert not (last[~going] == fresh[~going]).all(dim=1).any()
        ended += int((~going).sum())
    assert ended > 6


def test_examples_are_what_a_discriminator_asks_for(arms: Anatomy) -> None:
    examples: Examples = StyleExamples(env_of(arms, builtin("reach", arms)))
    row = examples.genuine(2, torch.Generator().manual_seed(0))
    assert row.dtype == torch.float32 and examples.mirror is not None
    assert torch.equal(examples.mirror(examples.mirror(row)), row)


def test_clips_that_are_shorter_than_a_step_are_refused(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="clips of at least 4 frames"):
        StyleExamples(env_of(arms, builtin("reach", arms).part(1.0, 1.02)))
