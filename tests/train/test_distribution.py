"""The normal distribution against torch's own, and its numbers against draws."""

import torch
from torch.distributions import Independent, Normal, kl_divergence

from myotrack.train.distribution import Gaussian


def drawn(*size: int, seed: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def pair() -> tuple[Gaussian, Gaussian]:
    return tuple(Gaussian(drawn(7, 4, seed=n), 0.5 * drawn(4, seed=n + 2)) for n in (0, 1))  # type: ignore[return-value]


def referee(mine: Gaussian) -> Independent:
    return Independent(Normal(mine.mean, mine.log_std.exp().expand_as(mine.mean)), 1)


def test_densities_entropy_and_divergence_agree_with_torch() -> None:
    one, other = pair()
    action = drawn(7, 4, seed=9)
    torch.testing.assert_close(one.log_prob(action), referee(one).log_prob(action))
    torch.testing.assert_close(one.entropy().expand(7), referee(one).entropy())
    torch.testing.assert_close(one.divergence(other), kl_divergence(referee(one), referee(other)))


def test_nothing_diverges_from_itself() -> None:
    one, _ = pair()
    torch.testing.assert_close(one.divergence(one), torch.zeros(7))


def test_a_step_of_one_deviation_diverges_by_a_half() -> None:
    # Half the squared difference over the variance: 0.2² / (2 · 0.2²) = 1/2.
    still, moved = (Gaussian(torch.tensor([mean]), torch.tensor([0.2]).log()) for mean in (0.0, 0.2))
    torch.testing.assert_close(still.divergence(moved), torch.tensor(0.5))


def test_draws_have_the_mean_and_the_spread() -> None:
    one = Gaussian(torch.tensor([1.0, -2.0]).expand(100_000, 2), torch.tensor([0.1, 3.0]).log())
    found = one.sample(torch.Generator().manual_seed(0))
    # The error of a mean of 1e5 draws is the spread / 316.
    torch.testing.assert_close(found.mean(dim=0), torch.tensor([1.0, -2.0]), atol=4 * 3 / 316, rtol=0.0)
    torch.testing.assert_close(found.std(dim=0), torch.tensor([0.1, 3.0]), rtol=0.01, atol=0.0)


def test_a_generator_decides_the_draws() -> None:
    one, _ = pair()
    first, again = (one.sample(torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
