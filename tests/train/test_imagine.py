"""Imagination finds known answers without trying them, knows how well it knows, and goes on where it stopped."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from myotrack.train.env import Diverged, Stage
from myotrack.train.imagine import Imagine, ImagineSettings
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import Policy, PolicySettings
from myotrack.train.replay import Replay
from myotrack.train.world import World
from tests.train.imagined import ImaginedCart, ImaginedPendulum
from tests.train.pendulum import Cart, Pendulum

LINEAR = NetworkSettings(width=32, blocks=0, norm=False)
DEEP = NetworkSettings(width=64, blocks=1)
QUICK = OptimiserSettings(rate=1e-2)
CART = ImagineSettings(
    steps=4, first=16, memory=64, network=LINEAR, model=QUICK, model_rows=64, model_steps=2, warm_up=300, policy=QUICK,
    policy_rows=64, policy_steps=8, policy_updates=1,
)  # fmt: skip


def on_cart(settings: ImagineSettings = CART) -> Imagine:
    env = Cart(64)
    policy = Policy(env.observation_size, env.action_size, PolicySettings(LINEAR, 0.2))
    return Imagine(env, ImaginedCart(env), policy, settings)


def on_pendulum(settings: ImagineSettings) -> Imagine:
    env = Pendulum(64)
    policy = Policy(env.observation_size, env.action_size, PolicySettings(DEEP, 1.0, symmetric=True), env.symmetry)
    return Imagine(env, ImaginedPendulum(env), policy, settings)


def gain(stage: Imagine) -> float:
    """How strongly the policy answers to the cart's position."""
    with torch.no_grad():
        there = stage.policy.mean(torch.tensor([[0.5], [-0.5]]))
    return float(there[0] - there[1])


def test_it_is_a_stage_and_worlds_are_what_it_asks_for() -> None:
    stage = on_cart()
    assert isinstance(stage, Stage)
    assert isinstance(stage.world, World)


def test_a_linear_world_is_known_after_a_few_steps_of_it() -> None:
    told = on_cart().advance()
    # Errors in units of what someone is off who takes the number for constant; positions are 0.6 apart on average.
    assert told["model_loss"] < 0.02
    assert told["model_speed_last"] < 0.02
    assert told["steps"] == 16 * 64


def test_the_best_feedback_is_found_without_trying_it() -> None:
    # Riccati without discount: P = (1.21 + sqrt(1.21² + 4)) / 2 = 1.77377, K = 1.1 P / (1 + P) = 0.70343.
    best = (1.21 + (1.21**2 + 4) ** 0.5) / 2
    best = 1.1 * best / (1 + best)
    assert best == pytest.approx(0.70343, abs=1e-5)
    stage = on_cart(replace(CART, policy_updates=200))
    assert abs(gain(stage)) < 0.1
    # All that the worlds ever did was done before, by a policy that knew nothing.
    stage.advance()
    assert gain(stage) == pytest.approx(-best, abs=0.03)


def test_a_pendulum_is_foretold_better_than_by_its_inertia_and_held_upright() -> None:
    steady = OptimiserSettings(rate=3e-3)
    settings = ImagineSettings(
        steps=8, first=100, memory=200, network=DEEP, model=steady, model_rows=128, model_steps=5, warm_up=300,
        policy=steady, policy_rows=32, policy_steps=20, policy_updates=100,
    )  # fmt: skip
    stage = on_pendulum(settings)
    told = stage.advance()
    assert told["model_loss"] < 0.15
    # In the world itself, from near upright: nobody holds it, and it falls; the policy holds it.
    env = Pendulum(64, seed=5)
    env.posture = torch.tensor([0.4, 0.0]) * torch.ones(64, 2)
    env.age = torch.zeros(64, dtype=torch.int64)
    with torch.no_grad():
        for _ in range(60):
            env.step(stage.policy.mean(env.observation))
    assert float(env.posture[:, 0].abs().max()) < 0.2


def test_a_symmetric_policy_stays_symmetric() -> None:
    settings = replace(CART, network=DEEP, memory=200, first=40, warm_up=20, policy_updates=5)
    stage = on_pendulum(settings)
    stage.advance()
    assert stage.env.symmetry is not None
    some = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        here, there = stage.policy.mean(some), stage.policy.mean(stage.env.symmetry.observation(some))
    assert here.abs().max() > 1e-3
    torch.testing.assert_close(there, stage.env.symmetry.action(here))


def test_the_running_mean_remembers_no_weights_that_it_was_made_of() -> None:
    # If it did, every update of the policy would go back through all of them, and take longer than the one before.
    stage = on_cart(replace(CART, warm_up=5))
    stage.advance()
    assert all(weight.grad_fn is None for weight in stage.known.parameters())


def test_the_model_is_the_same_in_the_mirror() -> None:
    stage = on_pendulum(replace(CART, network=DEEP, memory=200, first=40, warm_up=5))
    stage.advance()
    symmetry = stage.world.symmetry
    assert symmetry is not None
    rows = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    flipped = torch.ones(8, dtype=torch.bool)
    with torch.no_grad():
        direct = stage.model(rows)
        image = symmetry.action(stage.model(symmetry.observation(rows), flipped))
    torch.testing.assert_close(image, direct, atol=1e-5, rtol=1e-4)


def test_going_on_equals_not_having_stopped() -> None:
    settings = replace(CART, warm_up=20, policy_updates=3)
    whole = on_cart(settings)
    whole.advance()
    kept = whole.state()
    wanted = [whole.advance() for _ in range(2)][-1]
    other = on_cart(replace(settings, seed=0))
    other.load(kept)
    got = [other.advance() for _ in range(2)][-1]
    assert {k: v for k, v in got.items() if "time" not in k} == {k: v for k, v in wanted.items() if "time" not in k}
    for name, value in whole.state().items():
        assert torch.equal(other.state()[name], value), name


def test_what_is_remembered_may_be_forgotten() -> None:
    first, second = on_cart(), on_cart()
    first.advance()
    second.load({name: value for name, value in first.state().items() if not name.startswith(("replay.", "learner."))})
    assert gain(second) == gain(first)
    # It acts for as long as in the beginning, but does not learn its model anew.
    assert second.advance()["steps"] == 16 * 64
    assert int(second.state()["updates"]) == int(first.state()["updates"]) + CART.model_updates


def test_another_stage_may_begin_with_what_one_knows() -> None:
    first = on_cart()
    first.advance()
    env = Cart(64)
    policy = Policy(env.observation_size, env.action_size, PolicySettings(LINEAR, 0.2))
    second = Imagine(env, ImaginedCart(env), policy, CART, after=first)
    told = second.advance()
    # Its model knows much more than one does that has had as many updates.
    assert told["model_loss"] < 0.3 * on_cart(replace(CART, warm_up=0)).advance()["model_loss"]
    assert int(second.state()["updates"]) == int(first.state()["updates"]) + CART.model_updates
    with pytest.raises(RuntimeError, match="Missing key"):
        second.recall(policy.state_dict())


def test_numbers_that_are_none_are_told() -> None:
    stage = on_cart(replace(CART, warm_up=2))
    stage.advance()
    with torch.no_grad():
        stage.model.network.last.bias.fill_(float("nan"))
    with pytest.raises(Diverged, match="not finite"):
        stage.advance()


def test_episodes_that_are_too_short_are_told() -> None:
    # Carts live for three steps.
    with pytest.raises(Diverged, match="No episode lasted 5 actions"):
        on_cart(replace(CART, model_steps=5)).advance()


def test_a_memory_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit into a memory of 4 steps"):
        ImagineSettings(memory=4, model_steps=4)


def numbered(steps: int, memory: int, length: int = 5) -> Replay:
    """Two worlds whose state is the number of the step, whose episodes have a certain length, one later than the
    other."""
    replay = Replay(memory, 2, (1, 1, 1), "cpu")
    for step in range(steps):
        number = torch.full((2, 1), float(step))
        ended = torch.tensor([step % length == length - 1, step % length == 1])
        replay.add(number, number.long() // length, number, ended)
    return replay


@pytest.mark.parametrize("steps", [9, 20, 23, 47])
def test_stretches_stay_within_an_episode_and_within_memory(steps: int) -> None:
    replay = numbered(steps, 20)
    drawn = replay.stretches(500, 3, torch.Generator().manual_seed(0))
    assert drawn is not None
    stretch, share = drawn
    assert share.rows == 500 and share.mine.tolist() == list(range(500))
    first = stretch.state[0, :, 0]
    assert bool((stretch.state[:, :, 0] == first + torch.arange(4)[:, None]).all())
    assert torch.equal(stretch.action[:, :, 0], stretch.state[:-1, :, 0])
    # Steps that end an episode: those numbered 4 modulo 5 in one world, 1 in the other.
    oldest = max(0, steps - 20)
    begins = {(step, end) for end in (4, 1) for step in range(oldest, steps - 3)
              if all((step + k) % 5 != end for k in range(3))}  # fmt: skip
    assert set(first.long().tolist()) == {step for step, _ in begins}


def test_there_is_no_stretch_longer_than_episodes() -> None:
    assert numbered(30, 20).stretches(4, 5, torch.Generator()) is None


def test_recent_steps_are_those_whose_episodes_went_on() -> None:
    recent = numbered(12, 20).recent(4)
    # Steps 7 to 10 have one after them; 9 ended an episode of the first world, and none in 7 to 10 of the second ended.
    assert sorted(recent.state[0, :, 0].tolist()) == [7, 7, 8, 8, 9, 10, 10]


def test_memory_survives_being_written_down() -> None:
    replay, other = numbered(23, 20), Replay(20, 2, (1, 1, 1), "cpu")
    other.load({name: value.clone() for name, value in replay.state().items()})
    drawn = [each.stretches(50, 3, torch.Generator().manual_seed(1)) for each in (replay, other)]
    assert drawn[0] is not None and drawn[1] is not None
    assert torch.equal(drawn[0][0].state, drawn[1][0].state)


class Cliff(ImaginedCart):
    """Whoever is beyond 0.5 is lost, and what comes after would cost a fortune."""

    def lost(self, state: Tensor, place: Tensor) -> Tensor:
        return state[:, 0] > 0.5

    def costs(self, state: Tensor, place: Tensor, action: Tensor, following: Tensor) -> dict[str, Tensor]:
        return {"away": torch.where(following[:, 0] > 2.0, 1e6, 1.0)}


def test_what_comes_after_a_world_is_lost_costs_nothing() -> None:
    stage = on_cart(replace(CART, warm_up=100))
    stage.advance()
    stage.world = Cliff(stage.env)  # type: ignore[arg-type]
    with torch.no_grad():
        stage.policy.network.last.weight.zero_()
        stage.policy.network.last.bias.fill_(1.0)
        stage.policy.log_std.fill_(-9.0)
    # About 0.4, 1.4, 2.6: the second is lost, and the third is never looked at.
    start = torch.full((5, 1), -0.55)
    told = stage.imagined(start, torch.zeros(5, 1, dtype=torch.int64), 3)
    assert float(told["away"]) == pytest.approx(1.0)
