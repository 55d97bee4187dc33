"""Advantages against numbers worked out by hand, and rollouts that never look beyond the end of an episode."""

import pytest
import torch
from torch import Tensor

from myotrack.train.env import Diverged
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import Critic, Policy, PolicySettings
from myotrack.train.rollout import Rollout, advantages, collect, worth
from tests.train.pendulum import Step, Worlds

NEVER = [False, False, False]


def estimates(failed: list[bool], cut: list[bool], following: list[float]) -> list[float]:
    """Advantages of one world, of rewards 1, 2, 3 and values 0.5, 1, 1.5, with gamma 1/2 and lambda 1."""
    reward, value, after = torch.tensor([[1.0, 2.0, 3.0], [0.5, 1.0, 1.5], following])[..., None]
    ends = torch.tensor([failed, cut])[..., None]
    return advantages(reward, value, after, ends[0], ends[1], gamma=0.5, lam=1.0).flatten().tolist()


def test_advantages_of_an_unbroken_stretch_match_a_calculation_by_hand() -> None:
    # δ: 1 + 0.5 - 0.5 = 1;  2 + 0.75 - 1 = 1.75;  3 + 1 - 1.5 = 2.5.
    # Backwards: 2.5;  1.75 + 1.25 = 3;  1 + 1.5 = 2.5.
    assert estimates(NEVER, NEVER, [1.0, 1.5, 2.0]) == [2.5, 3.0, 2.5]


def test_nothing_follows_a_failure() -> None:
    # δ: 1;  2 + 0 - 1 = 1, whatever is said to follow;  2.5.  Backwards: 2.5;  1;  1 + 0.5 = 1.5.
    assert estimates([False, True, False], NEVER, [1.0, 99.0, 2.0]) == [1.5, 1.0, 2.5]


def test_a_cut_is_followed_by_what_its_own_last_observation_was_worth() -> None:
    # δ: 1;  2 + 4 - 1 = 5;  2.5.  Backwards: 2.5;  5, without the 2.5 of the next episode;  1 + 2.5 = 3.5.
    assert estimates(NEVER, [False, True, False], [1.0, 8.0, 2.0]) == [3.5, 5.0, 2.5]


def test_lambda_0_trusts_the_critic_after_one_step() -> None:
    reward, value, following = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    never = torch.zeros(5, 2, dtype=torch.bool)
    found = advantages(reward, value, following, never, never, gamma=0.9, lam=0.0)
    torch.testing.assert_close(found, reward + 0.9 * following - value)


class Counting(Worlds):
    """Counts its own steps. World 0 fails at 2, world 1 is cut at 2, world 2 goes on; a new episode begins at 10."""

    observation_size = 1
    longest = 1000

    def __init__(self) -> None:
        super().__init__(worlds=3)
        self.posture = torch.zeros(3, 1)

    def drawn(self) -> Tensor:
        return torch.full((3, 1), 10.0)

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        return self.posture + 1, self.posture[:, 0] + 1

    def step(self, action: Tensor) -> Step:
        posture, reward = self.moved(action)
        at = posture[:, 0] == 2
        failed, cut = at & (torch.arange(3) == 0), at & (torch.arange(3) == 1)
        self.posture = torch.where((failed | cut)[:, None], self.drawn(), posture)
        return Step(self.observation, posture, reward, failed, cut, {"count": posture[:, 0]})


def actor_and_critic(env: Worlds) -> tuple[Policy, Critic]:
    linear = NetworkSettings(width=8, blocks=0, norm=False)
    return Policy(env.observation_size, 1, PolicySettings(linear)), Critic(env.observation_size, linear)


def gathered(steps: int = 3) -> tuple[Rollout, Critic, dict[str, float]]:
    env = Counting()
    policy, critic = actor_and_critic(env)
    rollout = Rollout.allocate(env, steps)
    told = collect(env, policy, critic, rollout, torch.Generator().manual_seed(0))
    return rollout, critic, told.scores


def test_a_world_that_is_cut_is_followed_by_its_own_last_observation_and_one_that_fails_by_nothing() -> None:
    rollout, critic, scores = gathered()
    # Observed: 0 1 10, 0 1 10, 0 1 2. World 1 was at 2 when it was cut, and at 11 after the rollout.
    assert rollout.observation[..., 0].T.tolist() == [[0, 1, 10], [0, 1, 10], [0, 1, 2]]
    with torch.no_grad():
        cut, going = (
            critic.value(torch.tensor([[1.0], [2.0], [11.0]])),
            critic.value(torch.tensor([[1.0], [2.0], [3.0]])),
        )
        failing = critic.value(torch.tensor([[1.0], [11.0]]))
    torch.testing.assert_close(rollout.following[:, 1], cut)
    torch.testing.assert_close(rollout.following[:, 2], going)
    torch.testing.assert_close(rollout.following[[0, 2], 0], failing)
    assert rollout.failed.nonzero().tolist() == [[1, 0]] and rollout.cut.nonzero().tolist() == [[1, 1]]
    # World 0 fails at 2: its second advantage is what it was paid over what was expected.
    rows = rollout.rows(gamma=0.5, lam=0.5)
    torch.testing.assert_close(rows.advantage.view(3, 3)[1, 0], 2 - rollout.value[1, 0])
    torch.testing.assert_close(rows.advantage.view(3, 3)[1, 1], 2 + 0.5 * cut[1] - rollout.value[1, 1])
    # Counts: 1 2 11, 1 2 11, 1 2 3 make 34 / 9 in the mean.
    assert scores["count"] == pytest.approx(34 / 9)


def test_a_second_rollout_goes_on_where_the_first_one_ended() -> None:
    env = Counting()
    policy, critic = actor_and_critic(env)
    rollout = Rollout.allocate(env, 3)
    for _ in range(2):
        collect(env, policy, critic, rollout, torch.Generator().manual_seed(0))
    assert rollout.observation[:, 2, 0].tolist() == [3, 4, 5]
    assert not rollout.cut.any()


def test_targets_are_values_and_advantages_together() -> None:
    rollout, _, _ = gathered()
    rows = rollout.rows(gamma=0.9, lam=1.0)
    # With lambda 1 the target of the last world is the discounted sum 1 + 0.9 · 2 + 0.81 · 3 + 0.729 v.
    wanted = 1 + 1.8 + 2.43 + 0.729 * float(rollout.following[2, 2])
    assert float(rows.target[2]) == pytest.approx(wanted, rel=1e-5)
    assert len(rows) == 9 and rows.take(torch.tensor([4])).observation.tolist() == [[1.0]]
    assert len(rows.joined(rows)) == 18


class Broken(Counting):
    """From its second step on, world 2 observes, earns or ends with something that is no number."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def step(self, action: Tensor) -> Step:
        step = super().step(action)
        bad = torch.tensor([0.0, 0.0, float("nan")])
        reward = step.reward + bad if self.what == "earns" else step.reward
        final, cut = step.final, step.cut
        if self.what == "observes":
            self.posture = self.posture + bad[:, None]
        if self.what == "ends with":
            final, cut = final + bad[:, None], torch.ones(3, dtype=torch.bool)
        return Step(self.observation, final, reward, step.failed, cut, {})


@pytest.mark.parametrize("what", ["observes", "earns", "ends with"])
def test_numbers_that_are_none_are_told_with_their_world(what: str) -> None:
    env = Broken(what)
    policy, critic = actor_and_critic(env)
    with pytest.raises(Diverged, match=f"World 2 {what} a number that is not finite"):
        collect(env, policy, critic, Rollout.allocate(env, 3), torch.Generator().manual_seed(0))


def test_a_policy_that_fails_is_worth_less_than_its_rewards() -> None:
    # By hand: 2 per step for ever, and 2 once in a while that ends at once.
    assert worth(2 / (1 - 0.9), 2.0, 0.9) == pytest.approx(2.0)
    assert worth(2.0, 2.0, 0.9) == pytest.approx(0.2)
    assert worth(5.0, 2.0, 1.0) == 2.0
