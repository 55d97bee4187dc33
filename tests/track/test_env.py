"""Worlds that follow clips: where episodes begin and end, what comes late, and that they can be stopped and go on."""

from dataclasses import replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.action import Intent
from myotrack.track.disturb import Disturbance
from myotrack.track.env import TrackingEnv
from myotrack.track.start import Starts, StartSettings, fitting
from myotrack.track.task import Task
from myotrack.track.terminate import Rule
from myotrack.train.env import Env


def still(clip: Clip, seconds: float = 3.0) -> Clip:
    """The first posture of a clip, held."""
    frames = round(seconds * 100) + 1
    pos = clip.pos[:1].repeat(frames, 1)
    rest = torch.zeros(frames, clip.vel.shape[1], dtype=clip.vel.dtype)
    return replace(clip, name="still", pos=pos, vel=rest, acc=rest, contact=clip.contact[:1].repeat(frames, 1))


def env_of(arms: Anatomy, task: Task | None = None, worlds: int = 4, clips: list[Clip] | None = None) -> TrackingEnv:
    library = ClipLibrary.of(clips or [builtin("reach", arms)], arms)
    return TrackingEnv(task or Task(), Threads(arms, worlds, threads=1), library, seed=3)


def test_it_is_what_learning_asks_for(arms: Anatomy) -> None:
    env = env_of(arms)
    assert isinstance(env, Env)
    assert env.observation.shape == (4, env.observation_size)
    assert env.action_size == arms.model.nu


def test_muscle_control_followed_through_the_env_stays_on_its_clip(arms: Anatomy) -> None:
    env = env_of(arms)
    teacher = Intent(env.simulator)
    for _ in range(60):
        step = env.step(env.action(teacher.excitation(env.moment)))
    assert step.scores["landmark_error"].max() < 0.005
    assert step.reward.min() > 1.1


def test_an_episode_is_cut_at_the_end_of_its_clip_and_sees_its_own_last_instant(arms: Anatomy) -> None:
    env = env_of(arms, clips=[builtin("reach", arms).part(2.0, 2.4)])
    teacher = Intent(env.simulator)
    seen = False
    for _ in range(45):
        before = env.frame.clone()
        step = env.step(env.action(teacher.excitation(env.moment)))
        assert torch.equal(step.cut, before == 39)
        assert not step.failed.any()
        same = (step.final == step.observation).all(dim=1)
        assert same[~step.cut].all()
        if step.cut.any():
            # A new start is another instant, and the last one of the episode is near the end of the clip.
            assert not same[step.cut].any()
            assert (env.frame[step.cut] < 39).all()
            seen = True
    assert seen


def test_an_episode_fails_where_the_body_is_lost(arms: Anatomy) -> None:
    env = env_of(arms, Task(rule=Rule(0.05, 0.5)))
    failed = torch.zeros(4, dtype=torch.bool)
    for _ in range(200):
        step = env.step(torch.zeros(4, arms.model.nu))
        assert not (step.failed & step.cut).any()
        assert (step.scores["landmark_error"][step.failed] > 0.05).all()
        assert (step.scores["landmark_error"][~step.failed] <= 0.05).all()
        failed |= step.failed
    assert failed.any()


def test_clips_that_fail_are_begun_more_often(arms: Anatomy) -> None:
    reach = builtin("reach", arms)
    # Arms that hang do for the one clip, and not for the other.
    env = env_of(arms, Task(rule=Rule(0.1, 0.5)), worlds=8, clips=[still(reach, reach.duration), reach])
    teacher = Intent(env.simulator)
    fair = _share_of(env.starts, 1)
    for _ in range(150):
        command = teacher.excitation(env.moment)
        # On the reach the policy does nothing.
        env.step(torch.where(env.clip[:, None] == 1, 0.0, env.action(command)))
    assert fair == pytest.approx(0.5, abs=0.02)
    assert _share_of(env.starts, 1) > 0.7
    clip, _ = env.starts.draw(2000, torch.Generator().manual_seed(0))
    assert float((clip == 1).float().mean()) == pytest.approx(_share_of(env.starts, 1), abs=0.04)


def _share_of(starts: Starts, clip: int) -> float:
    return float(starts.weights()[starts._clip == clip].sum())


def test_starts_are_even_over_frames_and_never_at_the_last(arms: Anatomy) -> None:
    long, short = still(builtin("reach", arms), 6.0), replace(still(builtin("reach", arms), 2.0), name="short")
    starts = Starts(ClipLibrary.of([long, short], arms), StartSettings())
    clip, frame = starts.draw(4000, torch.Generator().manual_seed(0))
    # 601 - 20 and 201 - 20 frames can be begun at.
    assert float((clip == 0).float().mean()) == pytest.approx(581 / 762, abs=0.03)
    assert int(frame[clip == 0].max()) < 581
    assert int(frame[clip == 1].max()) < 181
    assert float(frame[clip == 0].float().mean()) == pytest.approx(290, abs=12)


def test_frames_of_a_clip_that_weighs_more_are_drawn_more_often(arms: Anatomy) -> None:
    long, short = still(builtin("reach", arms), 6.0), replace(still(builtin("reach", arms), 2.0), name="short")
    starts = Starts(ClipLibrary.of([long, short], arms), StartSettings(), torch.tensor([1.0, 9.0]))
    clip, _ = starts.draw(4000, torch.Generator().manual_seed(0))
    assert float((clip == 0).float().mean()) == pytest.approx(581 / (581 + 9 * 181), abs=0.03)


def test_a_stretch_that_is_mastered_is_forgotten(arms: Anatomy) -> None:
    starts = Starts(ClipLibrary.of([still(builtin("reach", arms), 4.0)], arms), StartSettings(memory=0.5))
    world = torch.zeros(1, dtype=torch.int64)
    starts.learn(world, torch.tensor([120]), torch.tensor([True]))
    # By hand: half of one failure in the third stretch, and in the one before it.
    assert starts.failure.tolist()[:4] == [0.0, 0.5, 0.5, 0.0]
    # On the way through it nothing is known; at its last frame it has been passed.
    for frame in (121, 130, 149, 149, 149):
        starts.learn(world, torch.tensor([frame]), torch.tensor([False]))
    assert starts.failure.tolist()[:4] == [0.0, 0.5, 0.0625, 0.0]


def test_activations_at_the_start_make_the_motion(arms: Anatomy) -> None:
    clip = builtin("lift", arms)
    library = ClipLibrary.of([clip], arms)
    simulator = Threads(arms, 8, threads=1)
    table = fitting(simulator, library).activation
    assert table.shape == (clip.frames, arms.model.nu)
    assert ((table >= 0) & (table <= 1)).all()
    frame = torch.arange(50, 850, 100)
    reference = library.at(torch.zeros(8, dtype=torch.int64), frame, (0, 5))
    apart = []
    for activation in (table[frame], torch.zeros(8, arms.model.nu)):
        everywhere = torch.ones(8, dtype=torch.bool)
        simulator.reset(everywhere, reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0], activation)
        for _ in range(5):
            simulator.advance(activation)
        apart.append((simulator.body.coordinate_vel - reference.coordinate_vel[:, 1]).square().mean().sqrt())
    assert apart[0] < 0.25 * apart[1]


def test_what_trembles_is_not_asked_of_the_muscles_below_a_cutoff(arms: Anatomy) -> None:
    calm = builtin("lift", arms).part(2.0, 3.5)
    tremor = torch.sin(2 * torch.pi * 20.0 * torch.arange(calm.frames, dtype=calm.acc.dtype) / 100 + 0.3)
    shaken = replace(calm, name="shaken", acc=calm.acc + 30.0 * tremor[:, None])  # 20 Hz, 30 rad/s².
    simulator = Threads(arms, 8, threads=1)

    def apart(cutoff: float | None) -> float:
        one, other = (fitting(simulator, ClipLibrary.of([clip], arms), cutoff).moment for clip in (calm, shaken))
        middle = slice(30, -30)
        return float((one - other)[middle].square().mean().sqrt() / one[middle].square().mean().sqrt())

    # A filter of fourth order leaves (6 / 20)^4 = 0.8 % of it.
    assert apart(None) > 0.1
    assert apart(6.0) < 0.02 * apart(None)


def test_a_delay_shows_what_was_some_steps_ago(arms: Anatomy) -> None:
    prompt, late = (env_of(arms, Task(disturbance=Disturbance(delay=3))) for _ in range(2))
    prompt = env_of(arms)
    seen = [prompt.observation]
    action = torch.full((4, arms.model.nu), 0.3)
    for step in range(1, 30):
        seen.append(prompt.step(action).observation)
        shown = late.step(action).observation
        torch.testing.assert_close(shown, seen[max(0, step - 3)])


def test_worlds_go_on_from_a_state_to_the_last_bit(arms: Anatomy) -> None:
    disturbed = Disturbance(mass=0.1, strength=0.2, weakness=0.1, noise=0.1, delay=1, push=20.0, push_every=0.2)
    task = Task(disturbance=disturbed, rule=Rule(0.08, 0.5))
    first, second = env_of(arms, task), env_of(arms, task)
    actions = 0.5 * torch.randn(60, 4, arms.model.nu, generator=torch.Generator().manual_seed(0))
    for action in actions[:30]:
        first.step(action)
    second.load({name: value.clone() for name, value in first.state().items()})
    ended = 0
    for action in actions[30:]:
        one, other = first.step(action), second.step(action)
        assert torch.equal(one.observation, other.observation)
        assert torch.equal(one.reward, other.reward)
        ended += int(one.failed.sum())
    assert ended > 0


def test_a_world_whose_action_is_no_number_fails_alone(arms: Anatomy) -> None:
    env, other = env_of(arms), env_of(arms)
    action = torch.zeros(4, arms.model.nu)
    broken = action.clone()
    broken[2] = torch.nan
    hurt, sound = env.step(broken), other.step(action)
    assert hurt.failed.tolist() == [False, False, True, False]
    assert env.simulator.lost_count == 1
    assert torch.isfinite(hurt.observation).all()
    assert torch.isfinite(hurt.reward).all()
    keep = torch.tensor([0, 1, 3])
    assert torch.equal(hurt.observation[keep], sound.observation[keep])
    assert torch.isfinite(env.step(action).observation).all()


def test_disturbances_do_what_they_say(arms: Anatomy) -> None:
    disturbance = Disturbance(hand_load=0.3, weakness=0.2, push=30.0, push_every=0.05, push_lasts=0.02)
    env = env_of(arms, Task(disturbance=disturbance))
    variation = disturbance.variation(arms, 2, torch.Generator().manual_seed(0))
    assert variation is not None
    hand = arms.model.body("thirdmc_r").id
    own = float(arms.model.body_mass[hand])
    assert float(variation.mass[0, hand]) * own == pytest.approx(own + 0.3, rel=1e-5)
    assert variation.strength.unique().tolist() == pytest.approx([0.8])
    forces = [env._pushes.draw(torch.Generator().manual_seed(step)) for step in range(40)]
    size = torch.stack([sum(each.values()) for each in forces]).norm(dim=-1)
    assert ((size < 1e-6) | ((size - 30.0).abs() < 1e-3)).all()
    assert (size > 0).any()
    with pytest.raises(ValueError, match="vary by a share"):
        Disturbance(mass=1.5)


def test_clips_of_another_body_are_refused(arms: Anatomy, full: Anatomy) -> None:
    library = ClipLibrary.of([builtin("stand", full)], full)
    with pytest.raises(ValueError, match="belong to another body than the simulator's"):
        TrackingEnv(Task(), Threads(arms, 1, threads=1), library)


def test_an_action_that_is_held_is_the_same_action_again(arms: Anatomy) -> None:
    held, free = env_of(arms, Task(hold=3)), env_of(arms)
    action = 0.3 * torch.randn(4, arms.model.nu, generator=torch.Generator().manual_seed(1))
    rewards = []
    for _ in range(3):
        each = free.step(action)
        rewards.append(each.reward)
        assert not (each.failed | each.cut).any()
    once = held.step(action)
    assert torch.equal(once.observation, each.observation)
    torch.testing.assert_close(once.reward, torch.stack(rewards).mean(dim=0))


def test_what_comes_after_the_end_of_an_episode_does_not_count(arms: Anatomy) -> None:
    # Clips of eight frames end in the middle of an action that is held for three.
    clip = builtin("reach", arms).part(2.0, 2.07)
    settings = StartSettings(shortest=0.0, beginning=1.0)
    held, free = (env_of(arms, Task(hold=hold, start=settings), clips=[clip]) for hold in (3, 1))
    action = torch.zeros(4, arms.model.nu)
    for _ in range(2):
        held.step(action)
    for _ in range(6):
        free.step(action)
    once, each = held.step(action), free.step(action)
    assert once.cut.all() and each.cut.all()
    assert torch.equal(once.final, each.final)
    torch.testing.assert_close(once.reward, each.reward / 3)
    assert (held.frame == 0).all()
