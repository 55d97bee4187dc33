"""`Policy` chooses actions from observations, `Critic` says what the future is worth; each with its own network."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myotrack.train.distribution import Gaussian
from myotrack.train.env import Symmetry
from myotrack.train.networks import Mirror, NetworkSettings, Residual
from myotrack.train.normalise import Normaliser
from myotrack.train.team import ALONE, Team

_FIRST_GAIN = 0.01
"""Of the last layer of a new policy: its actions begin at the bias. Source: Andrychowicz et al. (2021),
arXiv:2006.05990 (recalled), whose advice is to make the last layer's weights 100 times smaller."""


@dataclass(frozen=True)
class PolicySettings:
    """How a policy is built."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    """From normalised observation to mean action."""
    std: float = 0.5
    """Spread of actions in the beginning. Measured: a pendulum swings up after 40,000 steps."""
    lowest_std: float = 0.02
    """The spread never falls below; what is drawn without spread teaches nothing."""
    highest_std: float = 2.0
    """The spread never rises above."""
    symmetric: bool = False
    """Whether a mirrored observation has exactly the mirrored action. Costs twice the time of the network."""

    def __post_init__(self) -> None:
        if not 0 < self.lowest_std <= self.std <= self.highest_std:
            raise ValueError(
                f"The spread of actions must lie between its bounds: 0 < {self.lowest_std:g} <= {self.std:g} <= "
                f"{self.highest_std:g} does not hold."
            )


class Policy(nn.Module):
    """Draws actions around a mean that a network makes of the observation.

    Symmetric: mean(o) = (f(o) + A f(O o)) / 2 with the mirrors O of observations and A of actions.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        settings: PolicySettings = PolicySettings(),
        symmetry: Symmetry | None = None,
        bias: Float[Tensor, "action"] | float = 0.0,
        seed: int = 0,
    ) -> None:
        """Draw the weights.

        Args:
            observation_size: Features.
            action_size: Numbers of an action.
            settings: How it is built.
            symmetry: Of the worlds; needed by a symmetric policy, and of no effect on others.
            bias: The mean action in the beginning, such as the resting level of muscles.
            seed: Of the weights.

        Raises:
            ValueError: A symmetric policy is asked for in worlds without a mirror.
        """
        super().__init__()
        self.settings = settings
        symmetry = _wanted(symmetry, settings.symmetric)
        self.observation_mirror = None if symmetry is None else Mirror(symmetry.observation)
        self.action_mirror = None if symmetry is None else Mirror(symmetry.action)
        self.normaliser = Normaliser(observation_size, None if symmetry is None else symmetry.observation)
        generator = torch.Generator().manual_seed(seed)
        self.network = Residual(observation_size, action_size, settings.network, generator, _FIRST_GAIN)
        self.log_std = nn.Parameter(torch.full((action_size,), math.log(settings.std)))
        with torch.no_grad():
            self.network.last.bias += bias

    def mean(self, observation: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch action"]:
        """The action without any chance in it."""
        seen = self.normaliser(observation)
        if self.observation_mirror is None or self.action_mirror is None:
            return self.network(seen).float()
        direct, mirrored = self.network(torch.stack([seen, self.observation_mirror(seen)])).float().unbind()
        return (direct + self.action_mirror(mirrored)) / 2

    def distribution(self, observation: Float[Tensor, "*batch feature"]) -> Gaussian:
        """What actions are drawn from."""
        log_std = self.log_std.clamp(math.log(self.settings.lowest_std), math.log(self.settings.highest_std))
        if self.action_mirror is not None:
            log_std = (log_std + log_std[self.action_mirror.index]) / 2
        return Gaussian(self.mean(observation), log_std)

    def act(
        self, observation: Float[Tensor, "*batch feature"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "*batch action"], Float[Tensor, "*batch"]]:
        """Draw actions; with them the logarithm of their density."""
        chances = self.distribution(observation)
        action = chances.sample(generator)
        return action, chances.log_prob(action)

    @torch.no_grad()
    def bound(self) -> None:
        """Put the spread back between its bounds, after a step of learning; outside, it would feel no gradient."""
        self.log_std.clamp_(math.log(self.settings.lowest_std), math.log(self.settings.highest_std))

    def forward(self, observation: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch action"]:
        """The mean action."""
        return self.mean(observation)


class Critic(nn.Module):
    """Says what reward is still to come, discounted.

    The network speaks in normalised values. When their mean and spread change, the last layer is corrected, so that
    what the critic says stays the same. Source: van Hasselt et al. (2016), arXiv:1602.07714 (Pop-Art).
    """

    def __init__(
        self,
        observation_size: int,
        network: NetworkSettings,
        symmetry: Symmetry | None = None,
        normaliser: Normaliser | None = None,
        seed: int = 1,
    ) -> None:
        """Draw the weights.

        Args:
            observation_size: Features.
            network: From normalised observation to normalised value.
            symmetry: If given, a mirrored observation has exactly the same value. Costs twice the time of the network.
            normaliser: Of observations, shared with a policy; its own if not given.
            seed: Of the weights.

        Raises:
            ValueError: The values are to be symmetric, and the shared normaliser is not.
        """
        super().__init__()
        if symmetry is not None and normaliser is not None and normaliser.mirror is None:
            raise ValueError("A symmetric critic cannot share the normaliser of a policy that is not symmetric.")
        mirror = None if symmetry is None else symmetry.observation
        self.mirror = None if mirror is None else Mirror(mirror)
        self.normaliser = normaliser or Normaliser(observation_size, mirror)
        self.values = Normaliser(1)
        generator = torch.Generator().manual_seed(seed)
        self.network = Residual(observation_size, 1, network, generator)

    def forward(self, observation: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch"]:
        """Normalised values."""
        seen = self.normaliser(observation)
        if self.mirror is not None:
            return self.network(torch.stack([seen, self.mirror(seen)])).float().mean(dim=0).squeeze(-1)
        return self.network(seen).float().squeeze(-1)

    def value(self, observation: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch"]:
        """Values in the unit of rewards."""
        return self.values.undo(self(observation)[..., None]).squeeze(-1)

    def normalised(self, value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Values as the network speaks, unclipped, so that nothing is too good to be learnt."""
        return ((value - self.values.mean) / self.values.std).float()

    @torch.no_grad()
    def rescale(self, value: Float[Tensor, "*batch"], team: Team = ALONE) -> None:
        """Add a team's values to those that decide the scale; what the critic says of an observation stays the same."""
        mean, std = self.values.mean.clone(), self.values.std
        self.values.update(value[..., None], team)
        shift, ratio = (mean - self.values.mean) / self.values.std, std / self.values.std
        self.network.last.weight *= ratio
        self.network.last.bias.copy_(self.network.last.bias * ratio + shift)


def _wanted(symmetry: Symmetry | None, symmetric: bool) -> Symmetry | None:
    if symmetric and symmetry is None:
        raise ValueError("A symmetric policy needs worlds with a mirror, and these have none; set symmetric to False.")
    return symmetry if symmetric else None
