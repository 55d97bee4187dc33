"""`StyleJudge`: a network that tells genuine examples from a policy's, and pays the policy for being taken for genuine.

    examples of the last rollout and earlier ones (-1), genuine ones (+1) -> least squares, gradient penalty
    reward = max(0, 1 - (d - 1)² / 4)

Nothing here knows what examples show. Source: Peng et al. 2021, 'AMP: adversarial motion priors for stylized
physics-based character control', doi:10.1145/3450626.3459670, equations 6 to 8.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.checkpoint import part_of
from myotrack.train.env import Diverged, State
from myotrack.train.networks import Mirror, NetworkSettings, Residual
from myotrack.train.normalise import Normaliser
from myotrack.train.optimise import Optimiser, OptimiserSettings
from myotrack.train.team import ALONE, Team

Rows = Float[Tensor, "row number"]
_FIRST_GAIN = 0.1
"""Of the last layer of a new discriminator, so that all examples are worth about 0.75 in the beginning. Not tuned."""
_APART = 7919
"""Between the seeds of the draws of two processes."""


@dataclass(frozen=True)
class DiscriminatorSettings:
    """How examples are told apart, and what that pays."""

    weight: float = 1.0
    """What an example that is taken for genuine pays per step. Not tuned."""
    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(width=128, blocks=1, norm=False))
    """From a normalised example to how genuine it is."""
    optimiser: OptimiserSettings = field(default_factory=lambda: OptimiserSettings(rate=5e-5))
    """How the network is moved. Source of the rate: IsaacGymEnvs, HumanoidAMP (recalled)."""
    updates: int = 2
    """Of the network, after every rollout. Tuned, by one run each: with eight, of twice the rate and half the rows, a
    walk that was never seen was worth 0.36 after 65 rollouts, with two 0.86 after 36 (docs/training.md)."""
    batch: int = 512
    """Genuine examples per update, and as many of the policy's: one half of the last rollout, the other of any that is
    kept. Not tuned: two updates see about as many examples as a rollout of the recipe 'style' has steps."""
    penalty: float = 10.0
    """Weight of the gradient penalty. Source: Peng et al. 2021, table of hyperparameters (recalled)."""
    replay: int = 20_000
    """Examples of the policy's that are kept; the oldest are forgotten. Not tuned: a checkpoint holds them all, so they
    are fewer than the 100,000 of Peng et al. 2021 (recalled)."""
    seed: int = 0
    """Of weights and of what is drawn."""

    def __post_init__(self) -> None:
        if min(self.updates, self.batch // 2, self.replay) < 1 or self.weight < 0 or self.penalty < 0:
            raise ValueError(
                f"A discriminator takes at least one update, two rows and one that is kept, and no negative weights; "
                f"got {self}."
            )


@runtime_checkable
class Examples(Protocol):
    """What a discriminator is shown."""

    @property
    def size(self) -> int:
        """Numbers of an example."""
        ...

    @property
    def mirror(self) -> SignedPermutation | None:
        """What a mirror makes of an example, if there is one."""
        ...

    @property
    def shown(self) -> Float[Tensor, "world number"]:
        """What every world looked like in its last step."""
        ...

    def genuine(self, count: int, generator: torch.Generator) -> Float[Tensor, "count number"]:
        """So many examples of what worlds should look like, drawn at random."""
        ...


class Discriminator(nn.Module):
    """Says how genuine examples are: 1 for those that surely are, -1 for those that surely are not."""

    def __init__(
        self, size: int, network: NetworkSettings, mirror: SignedPermutation | None = None, seed: int = 0
    ) -> None:
        """Draw the weights.

        Args:
            size: Numbers of an example.
            network: Size and kind.
            mirror: If given, a mirrored example is exactly as genuine. Costs twice the time of the network.
            seed: Of the weights.
        """
        super().__init__()
        self.mirror = None if mirror is None else Mirror(mirror)
        self.normaliser = Normaliser(size, mirror)
        self.network = Residual(size, 1, network, torch.Generator().manual_seed(seed), _FIRST_GAIN)

    def judged(self, normalised: Float[Tensor, "*batch number"]) -> Float[Tensor, "*batch"]:
        """How genuine examples are that are normalised already."""
        if self.mirror is not None:
            return self.network(torch.stack([normalised, self.mirror(normalised)])).mean(dim=0).squeeze(-1)
        return self.network(normalised).squeeze(-1)

    def forward(self, example: Float[Tensor, "*batch number"]) -> Float[Tensor, "*batch"]:
        """How genuine examples are."""
        return self.judged(self.normaliser(example))


def style_reward(genuine: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """What an example is worth that a discriminator finds so genuine: max(0, 1 - (d - 1)² / 4), 1 for d = 1 and nothing
    from d = -1 on. Source: Peng et al. 2021, equation 7."""
    return (1 - 0.25 * (genuine - 1).square()).clamp(min=0)


def gradient_penalty(judged: Callable[[Rows], Float[Tensor, "row"]], rows: Rows) -> Float[Tensor, ""]:
    """Mean squared length of the gradient of what is said of rows; zero where small changes of a row do not matter, so
    that a policy near the genuine ones is not driven past them. Source: Peng et al. 2021, equation 8."""
    rows = rows.detach().requires_grad_()
    [gradient] = torch.autograd.grad(judged(rows).sum(), rows, create_graph=True)
    return gradient.square().sum(dim=1).mean()


class StyleJudge:
    """Pays for style (`env.Judge`) and learns after every rollout to tell better.

    In a team every process draws its own examples, of its own worlds and genuine ones; gradients and scales are those
    of all, so that all have the same network.
    """

    def __init__(
        self,
        examples: Examples,
        discriminator: Discriminator,
        settings: DiscriminatorSettings = DiscriminatorSettings(),
        team: Team = ALONE,
    ) -> None:
        """Prepare; nothing has been seen yet.

        Args:
            examples: Of the worlds that are paid, and genuine ones.
            discriminator: That learns, on the device of the examples.
            settings: How.
            team: Processes that learn together.
        """
        self.examples, self.discriminator, self.settings = examples, discriminator, settings
        self._team = team
        self._optimiser = Optimiser({"discriminator": discriminator}, settings.optimiser, team)
        device = examples.shown.device
        self._generator = torch.Generator(device).manual_seed(settings.seed + _APART * team.rank)
        self._seen: list[Tensor] = []
        self._fresh = torch.zeros(0, examples.size, device=device)
        self.kept = self._fresh
        """Examples of the policy's, the oldest first."""

    def look(self) -> None:
        """Note the last step."""
        self._seen.append(self.examples.shown)

    @torch.no_grad()
    def pay(self) -> Float[Tensor, "step world"]:
        """For the steps that were looked at since the last pay.

        Raises:
            Diverged: An example, or what it is worth, is not finite.
        """
        seen = torch.stack(self._seen)
        self._seen.clear()
        good = torch.isfinite(seen)
        if not bool(good.all()):
            step, world, column = (~good).nonzero()[0].tolist()
            raise Diverged(
                f"World {world} looks like a number that is not finite (column {column} of the example, step {step} of "
                "the rollout); go on from a checkpoint, and look at this world's state."
            )
        self._fresh = seen.flatten(0, 1)
        if not self.discriminator.normaliser.count:
            self._learn_scale()
        worth = style_reward(self.discriminator(seen))
        if not bool(torch.isfinite(worth).all()):
            raise Diverged("What a style is worth is not finite; go on from a checkpoint with a lower rate.")
        return self.settings.weight * worth

    def learn(self) -> dict[str, float]:
        """Move the discriminator by the steps that were paid for last.

        Returns:
            'style', the mean reward for style without its weight, in [0, 1]; 'told_real' and 'told_fake', the shares of
            genuine examples and of the policy's that were told as what they are, before this was learnt from: 0.5
            where they cannot be told apart.

        Raises:
            Diverged: A gradient is not finite.
        """
        settings, team, fresh = self.settings, self._team, self._fresh
        with torch.no_grad():
            fake = self.discriminator(fresh)
            real = self.discriminator(self.examples.genuine(len(fresh), self._generator))
        told = {"style": style_reward(fake), "told_real": (real > 0).float(), "told_fake": (fake < 0).float()}
        self.kept = torch.cat([self.kept, fresh])[-settings.replay :]
        self._learn_scale()
        for _ in range(settings.updates):
            half = settings.batch // 2
            some = torch.cat([self._drawn(fresh, settings.batch - half), self._drawn(self.kept, half)])
            self._optimiser.zero_grad()
            loss = self._loss(self.examples.genuine(settings.batch, self._generator), some)
            (loss / team.size).backward()
            self._optimiser.step()
        return {name: float(team.mean(value)) for name, value in told.items()}

    def state(self) -> State:
        """Network, scales, optimiser, generator, and the examples that are kept."""
        network = self.discriminator.state_dict()
        state = {f"network.{name}": value.detach().cpu().clone() for name, value in network.items()}
        state |= {f"optimiser.{name}": value for name, value in self._optimiser.state().items()}
        return state | {"kept": self.kept.cpu().clone(), "generator": self._generator.get_state()}

    def load(self, state: State) -> None:
        """Go on from a state of a judge with the same network.

        Raises:
            ValueError: There is no judge in it.
        """
        if "kept" not in state:
            raise ValueError("it knows no style")
        self.discriminator.load_state_dict(part_of(state, "network."))
        self._optimiser.load(part_of(state, "optimiser."))
        self.kept = state["kept"].to(self.kept.device)
        self._generator.set_state(state["generator"])

    def _learn_scale(self) -> None:
        """Let the normaliser see the last steps, and as many genuine examples: what never changes in clips may change
        in bodies, and a scale of clips alone would make a mountain of it."""
        genuine = self.examples.genuine(len(self._fresh), self._generator)
        self.discriminator.normaliser.update(torch.cat([self._fresh, genuine]), self._team)

    def _drawn(self, rows: Rows, count: int) -> Float[Tensor, "count number"]:
        """Rows by chance."""
        return rows[torch.randint(len(rows), (count,), generator=self._generator, device=rows.device)]

    def _loss(self, genuine: Rows, others: Float[Tensor, "other number"]) -> Float[Tensor, ""]:
        """Squared distances from what should be said, and the penalty on genuine examples, whose scale is the
        network's."""
        judge = self.discriminator
        wrong = (judge(genuine) - 1).square().mean() + (judge(others) + 1).square().mean()
        return wrong + 0.5 * self.settings.penalty * gradient_penalty(judge.judged, judge.normaliser(genuine))
