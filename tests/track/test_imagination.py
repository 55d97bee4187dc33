"""Imagined bodies are those of the simulator: the same to look at, moved by the same rates, and alike in the mirror."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.action import Direct, Synergy
from myotrack.track.disturb import Disturbance
from myotrack.track.env import TrackingEnv
from myotrack.track.imagination import ROOT_POS, ROOT_VEL, Imagination, ImaginedCost
from myotrack.track.observe import ObservationSettings
from myotrack.track.task import Task
from myotrack.train.world import World
from tests.track.worlds import moved

BARE = ObservationSettings(landmarks=False, feet=False, activation=False)
TASK = Task(Synergy(), BARE, hold=3)


def env_of(anatomy: Anatomy, task: Task = TASK, clip: Clip | None = None) -> TrackingEnv:
    fast = anatomy.at("fast")
    library = ClipLibrary.of([clip or builtin("walk", anatomy)], fast)
    return TrackingEnv(task, Threads(fast, 6, threads=1), library, seed=3)


def steps(env: TrackingEnv, world: Imagination, count: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """State, place, action and next state of worlds whose episodes went on; actions are drawn."""
    generator = torch.Generator().manual_seed(0)
    before = torch.zeros(env.worlds, env.action_size)
    for _ in range(count):
        state, place = world.present(before)
        action = 0.3 * torch.randn(env.worlds, env.action_size, generator=generator)
        step = env.step(action)
        going = ~(step.failed | step.cut)
        before = torch.where(going[:, None], action, 0.0)
        assert going.any()
        yield state[going], place[going], action[going], world.present(before)[0][going]


def test_an_imagined_body_is_seen_as_the_real_one_is(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env)
    assert isinstance(world, World)
    for _ in steps(env, world, 4):
        state, place = world.present(torch.zeros(env.worlds, env.action_size))
        torch.testing.assert_close(world.observed(state, place), env.observation, atol=2e-5, rtol=1e-5)


def test_the_right_change_leads_to_the_next_state(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env)
    for state, _, action, following in steps(env, world, 4):
        change = world.changed(state, following)
        assert change.shape == (len(state), world.change_size)
        got = world.advanced(state, action, change)
        # A quaternion and its negative are the same orientation.
        got[:, 3:7] *= (got[:, 3:7] * following[:, 3:7]).sum(dim=1, keepdim=True).sign()
        torch.testing.assert_close(got, following, atol=1e-5, rtol=1e-5)
        assert world.apart(got, following).abs().max() < 1e-3


def test_rates_that_change_evenly_lead_where_the_steps_of_the_physics_lead(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env)
    nothing = torch.zeros(env.worlds, env.action_size)
    state, _ = world.present(nothing)
    size = env.library.sizes[0]
    # Three intervals of five steps of 2 ms: first the rates, then positions by the new rates. The root turns about one
    # of its own axes.
    pos, vel = state[:, :size].double(), state[:, size : size + world.change_size // 2].double()
    vel[:, 3:5] = 0.0
    gained = torch.randn(vel.shape, generator=torch.Generator().manual_seed(0)).double()
    gained[:, 3:5] = 0.0
    begin = torch.cat([pos, vel, nothing], dim=1).float()
    for _ in range(15):
        vel = vel + gained / 15
        moved = 0.002 * vel
        turned = multiply(pos[:, 3:7], exponential(moved[:, 3:6]))
        pos = torch.cat([pos[:, :3] + moved[:, :3], turned, pos[:, ROOT_POS:] + moved[:, ROOT_VEL:]], dim=1)
    end = torch.cat([pos, vel, nothing], dim=1).float()
    change = world.changed(begin, end)
    assert change[:, world.change_size // 2 :].abs().max() < 1e-3
    assert change.abs().max() > 1.0
    change[:, world.change_size // 2 :] = 0.0
    torch.testing.assert_close(world.advanced(begin, nothing, change), end, atol=2e-6, rtol=1e-5)


def test_positions_nearly_follow_from_the_rates_of_the_simulator(full: Anatomy) -> None:
    env = env_of(full, replace(TASK, hold=1))
    world, errors, others = Imagination(env), [], []
    size = world.change_size // 2
    for state, _, action, following in steps(env, world, 8):
        change = world.changed(state, following)
        change[:, size:] = 0.0
        errors.append(world.apart(world.advanced(state, action, change), following)[:, size:])
        others.append(world.apart(world.advanced(state, action, 0 * change), following)[:, size:])
    # What is left is where rates change unevenly, such as where a foot hits the floor; who takes them for constant is
    # much farther off.
    assert torch.cat(errors).square().mean() < 0.2 * torch.cat(others).square().mean()


def test_nothing_depends_on_where_a_body_is_or_whither_it_looks(full: Anatomy) -> None:
    walk = builtin("walk", full)
    here, there = env_of(full, clip=walk), env_of(full, clip=moved(walk, 2.3, (5.0, -3.0, 0.0)))
    worlds = Imagination(here), Imagination(there)
    action = 0.3 * torch.randn(here.worlds, here.action_size, generator=torch.Generator().manual_seed(0))
    before = torch.zeros_like(action)
    (one, place), (other, place_too) = (world.present(before) for world in worlds)
    assert torch.equal(place, place_too)
    rows = worlds[0].features(one, place, action), worlds[1].features(other, place, action)
    torch.testing.assert_close(rows[1], rows[0], atol=2e-4, rtol=1e-4)
    change = torch.randn(len(one), worlds[0].change_size, generator=torch.Generator().manual_seed(1))
    after = worlds[0].advanced(one, action, change), worlds[1].advanced(other, action, change)
    seen = [world.observed(state, world.later(place)) for world, state in zip(worlds, after, strict=True)]
    torch.testing.assert_close(seen[1], seen[0], atol=1e-3, rtol=1e-3)
    began = (one, after[0]), (other, after[1])
    costs = [
        world.costs(state, place, action, following) for world, (state, following) in zip(worlds, began, strict=True)
    ]
    for name, value in costs[0].items():
        torch.testing.assert_close(costs[1][name], value, atol=1e-3, rtol=1e-3)


def test_a_mirrored_body_has_the_mirror_image_of_features_and_changes(full: Anatomy) -> None:
    walk = builtin("walk", full)
    here, there = env_of(full, clip=walk), env_of(full, clip=walk.mirrored(full))
    worlds = Imagination(here), Imagination(there)
    action = 0.3 * torch.randn(here.worlds, here.action_size, generator=torch.Generator().manual_seed(0))
    image = here.symmetry.action(action)
    symmetry = worlds[0].symmetry
    (one, place), (other, _) = (world.present(0 * action) for world in worlds)
    rows = worlds[0].features(one, place, action), worlds[1].features(other, place, image)
    # The two sides' joint axes differ by their last published digits.
    torch.testing.assert_close(symmetry.observation(rows[0]), rows[1], atol=0.02, rtol=0.01)
    assert not torch.allclose(rows[0], rows[1], atol=0.1)
    change = torch.randn(len(one), worlds[0].change_size, generator=torch.Generator().manual_seed(1))
    after = worlds[0].advanced(one, action, change), worlds[1].advanced(other, image, symmetry.action(change))
    again = worlds[0].changed(one, after[0]), worlds[1].changed(other, after[1])
    torch.testing.assert_close(symmetry.action(again[0]), again[1], atol=1e-3, rtol=1e-3)
    seen = [world.observed(state, world.later(place)) for world, state in zip(worlds, after, strict=True)]
    torch.testing.assert_close(here.symmetry.observation(seen[0]), seen[1], atol=0.02, rtol=0.01)


CALM = ImaginedCost(change=0.5, effort=2.0)


def test_a_body_that_is_its_reference_costs_only_effort_and_gradients_are_numbers_there(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env, CALM)
    action = torch.zeros(env.worlds, env.action_size)
    state, place = world.present(action)
    # Episodes have just begun; where they will be, their clip is.
    later = world.later(place)
    table = world._table(later, 0)
    following = torch.cat([table[0], table[1], action], dim=1).requires_grad_()
    state.requires_grad_()
    costs = world.costs(state, place, action, following)
    assert set(costs) == {
        "landmark", "posture", "velocity", "root", "turn", "root_velocity", "action", "change", "effort",
    }  # fmt: skip
    for name in costs.keys() - {"effort"}:
        assert costs[name].abs().max() < 1e-4, name
    assert costs["effort"].min() > 0
    seen = world.observed(state, place)
    imagined = world.advanced(state, action, torch.zeros(env.worlds, world.change_size))
    total = sum(value.sum() for value in costs.values()) + seen.sum() + imagined.sum()
    total = total + world.features(state, place, action).sum()
    steep, flat = torch.autograd.grad(total, (state, following))
    assert torch.isfinite(steep).all()
    assert steep.abs().max() > 1.0
    assert torch.isfinite(flat).all()


def test_costs_grow_with_what_is_wrong(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env, CALM)
    rest = torch.zeros(env.worlds, env.action_size)
    state, place = world.present(rest)
    table = world._table(world.later(place), 0)
    following = torch.cat([table[0], table[1], rest], dim=1)

    def found(name: str, action: Tensor = rest) -> Tensor:
        return world.costs(state, place, action, following)[name]

    def each(value: float) -> Tensor:
        return torch.full((env.worlds,), value)

    # By hand: ln(1 + 1) for 0.1 m; 0.5 · 0.2².
    following[:, 0] += 0.1
    torch.testing.assert_close(found("root"), each(0.6931), atol=1e-3, rtol=0)
    torch.testing.assert_close(found("change", rest + 0.2), each(0.02), atol=1e-6, rtol=0)
    # A parabola: f(1) - 2 f(0) + f(-1) = 2 · weight · scale².
    bent = found("effort", rest + 1) - 2 * found("effort") + found("effort", rest - 1)
    torch.testing.assert_close(bent, each(2 * 2.0 * 0.5**2), atol=1e-4, rtol=0)


def test_the_end_of_a_clip_does_not_count(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env)
    last = int(env.library.length[0]) - 1
    place = torch.tensor([[0, last - 3], [0, last - 2]])
    assert world.counts(world.later(place)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (replace(TASK, action=Direct(), hold=1), "not one that asks joints for shares"),
        (
            replace(TASK, observation=ObservationSettings()),
            "what follows from coordinates: landmarks, feet, activation",
        ),
        (replace(TASK, hold=1, disturbance=Disturbance(delay=1)), "sees the past, by a delay"),
    ],
)
def test_what_cannot_be_imagined_is_refused(full: Anatomy, task: Task, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Imagination(env_of(full, task))


def test_who_is_lost_by_the_rule_is_lost_in_imagination(full: Anatomy) -> None:
    env = env_of(full)
    world = Imagination(env)
    state, place = world.present(torch.zeros(env.worlds, env.action_size))
    assert not world.lost(state, place).any()
    # The published rule: half a metre.
    state[:, 1] += torch.tensor([0.0, 0.49, 0.51, 0.0, -0.51, -0.49])
    assert world.lost(state, place).tolist() == [False, False, True, False, True, False]
