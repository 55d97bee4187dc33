"""`Gaussian`: what actions are drawn from; each number by itself, with a spread that no observation changes."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.train.team import ALONE, Team

_LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Gaussian:
    """Independent normal numbers."""

    mean: Float[Tensor, "*batch action"]
    log_std: Float[Tensor, "action"]
    """Natural logarithm of the standard deviation."""

    def sample(self, generator: torch.Generator, team: Team = ALONE) -> Float[Tensor, "*batch action"]:
        """Draw once from each; gradients do not pass. The first axis is that of the worlds of this process."""
        mean = self.mean.detach()
        noise = team.drawn(mean.shape, generator, mean.dtype)
        return mean + self.log_std.detach().exp() * noise

    def log_prob(self, action: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch"]:
        """Logarithm of the density, of all numbers of an action together."""
        away = (action - self.mean) * (-self.log_std).exp()
        constant = self.log_std.sum() + 0.5 * _LOG_2_PI * self.log_std.shape[0]
        return -0.5 * away.square().sum(dim=-1) - constant

    def entropy(self) -> Float[Tensor, ""]:
        """Differential entropy [nat]; the same for every mean."""
        return (self.log_std + 0.5 * (1 + _LOG_2_PI)).sum()

    def divergence(self, other: "Gaussian") -> Float[Tensor, "*batch"]:
        """Kullback-Leibler divergence of the other from this, E[log p(x) - log q(x)] for x drawn from this [nat]."""
        apart = (self.mean - other.mean).square()
        ratio = (self.log_std.mul(2).exp() + apart) * (-2 * other.log_std).exp()
        return (other.log_std - self.log_std + 0.5 * (ratio - 1)).sum(dim=-1)
