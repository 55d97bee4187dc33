"""Policies that begin at rest and respect a mirror, critics that keep their word when the scale changes."""

import pytest
import torch

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.env import Symmetry
from myotrack.train.networks import NetworkSettings
from myotrack.train.normalise import Normaliser
from myotrack.train.policy import Critic, Policy, PolicySettings

NET = NetworkSettings(width=32, blocks=2)
SYMMETRY = Symmetry(
    SignedPermutation(torch.tensor([1, 0, 2, 4, 3]), torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0])),
    SignedPermutation(torch.tensor([2, 1, 0]), torch.tensor([1.0, -1.0, 1.0])),
)


def observations(count: int = 40, seed: int = 0) -> torch.Tensor:
    return 3 + 2 * torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def symmetric() -> Policy:
    """A symmetric policy whose every weight has been disturbed."""
    policy = Policy(5, 3, PolicySettings(NET, symmetric=True), SYMMETRY)
    policy.normaliser.update(observations())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return policy


def test_a_new_policy_stays_near_its_bias() -> None:
    bias = torch.tensor([-2.5, 0.0, 1.0])
    with torch.no_grad():
        found = Policy(5, 3, PolicySettings(NET), bias=bias).mean(observations())
        resting = Policy(5, 3, PolicySettings(NET), bias=-2.5).mean(observations())
    torch.testing.assert_close(found, bias.expand(40, 3), atol=0.1, rtol=0.0)
    torch.testing.assert_close(resting, torch.full((40, 3), -2.5), atol=0.1, rtol=0.0)


def test_a_mirrored_observation_has_exactly_the_mirrored_action() -> None:
    policy, some = symmetric(), observations(seed=2)
    with torch.no_grad():
        action, mirrored = policy.mean(some), policy.mean(SYMMETRY.observation(some))
    assert action.std() > 0.1
    torch.testing.assert_close(mirrored, SYMMETRY.action(action), atol=1e-6, rtol=0.0)


def test_a_mirrored_action_is_as_likely_in_the_mirror() -> None:
    policy, some = symmetric(), observations(seed=2)
    action, density = policy.act(some, torch.Generator().manual_seed(0))
    mirrored = policy.distribution(SYMMETRY.observation(some)).log_prob(SYMMETRY.action(action))
    torch.testing.assert_close(mirrored, density, atol=1e-5, rtol=1e-5)


def test_without_asking_for_it_a_policy_is_not_symmetric() -> None:
    policy, some = Policy(5, 3, PolicySettings(NET), SYMMETRY), observations()
    with torch.no_grad():
        apart = policy.mean(SYMMETRY.observation(some)) - SYMMETRY.action(policy.mean(some))
    assert apart.abs().max() > 1e-4


def test_a_symmetric_policy_without_a_mirror_is_refused() -> None:
    with pytest.raises(ValueError, match="needs worlds with a mirror"):
        Policy(5, 3, PolicySettings(NET, symmetric=True))


def test_drawn_actions_come_with_their_density() -> None:
    policy = Policy(5, 3, PolicySettings(NET))
    action, density = policy.act(observations(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(density, policy.distribution(observations()).log_prob(action))


def test_the_spread_stays_between_its_bounds_and_can_come_back() -> None:
    policy = Policy(5, 3, PolicySettings(NET, std=0.5, lowest_std=0.1, highest_std=1.0))
    with torch.no_grad():
        policy.log_std.copy_(torch.tensor([-9.0, 9.0, -1.0]))
    policy.bound()
    chances = policy.distribution(observations())
    torch.testing.assert_close(chances.log_std.exp(), torch.tensor([0.1, 1.0, 0.36788]))
    (slope,) = torch.autograd.grad(chances.entropy(), policy.log_std)
    assert slope.tolist() == [1.0, 1.0, 1.0]


def test_bounds_of_the_spread_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="0 < 0.02 <= 3 <= 2 does not hold"):
        PolicySettings(std=3.0)


def test_a_critic_keeps_its_word_when_the_scale_changes() -> None:
    critic, some = Critic(5, NET), observations()
    critic.rescale(torch.tensor([1.0, 2.0, 6.0]))
    with torch.no_grad():
        before = critic.value(some)
        critic.rescale(torch.tensor([100.0, -300.0]))
        torch.testing.assert_close(critic.value(some), before, atol=1e-4, rtol=1e-5)
    # Five values: mean -38.2.
    torch.testing.assert_close(critic.values.mean, torch.tensor([-38.2]).double())


def test_a_critic_speaks_in_normalised_values_and_is_heard_in_rewards() -> None:
    critic, some = Critic(5, NET), observations()
    critic.rescale(torch.tensor([10.0, 30.0]))
    with torch.no_grad():
        torch.testing.assert_close(critic.value(some), 20 + 10 * critic(some))
        torch.testing.assert_close(critic.normalised(critic.value(some)), critic(some))


def test_a_symmetric_critic_values_both_sides_alike() -> None:
    critic, some = Critic(5, NET, SYMMETRY), observations()
    with torch.no_grad():
        torch.testing.assert_close(critic.value(SYMMETRY.observation(some)), critic.value(some))
    with pytest.raises(ValueError, match="cannot share the normaliser"):
        Critic(5, NET, SYMMETRY, Normaliser(5))


def test_a_critic_may_share_the_normaliser_of_a_policy() -> None:
    policy = Policy(5, 3, PolicySettings(NET))
    critic = Critic(5, NET, normaliser=policy.normaliser)
    policy.normaliser.update(observations())
    assert float(critic.normaliser.count) == 40
