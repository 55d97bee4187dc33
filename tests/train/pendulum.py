"""Small worlds with known answers, written against `train.env.Env`."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.env import Symmetry


@dataclass(frozen=True)
class Step:
    """What a step brought; `train.env.Transition` says what the fields mean."""

    observation: Float[Tensor, "world feature"]
    final: Float[Tensor, "world feature"]
    reward: Float[Tensor, "world"]
    failed: Bool[Tensor, "world"]
    cut: Bool[Tensor, "world"]
    scores: dict[str, Float[Tensor, "world"]]


class Worlds:
    """What all small worlds share: a posture, an age, a generator. Kinds say how they move and what they pay."""

    observation_size: int
    action_size: int = 1
    symmetry: Symmetry | None = None
    parts: None = None
    longest: int
    """Steps after which an episode is cut."""

    def __init__(self, worlds: int = 64, seed: int = 0) -> None:
        self.worlds, self.device = worlds, torch.device("cpu")
        self.generator = torch.Generator().manual_seed(seed)
        self.restart()

    def drawn(self) -> Tensor:
        """A first posture for every world."""
        raise NotImplementedError

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        """The posture after a step, and the reward for it."""
        raise NotImplementedError

    def fallen(self, posture: Tensor) -> Tensor:
        """Which worlds have failed."""
        return torch.zeros(self.worlds, dtype=torch.bool)

    def seen(self, posture: Tensor) -> Tensor:
        """What is observed of a posture."""
        return posture

    def command(self, action: Tensor) -> Tensor:
        return action

    def action(self, command: Tensor) -> Tensor:
        return command

    @property
    def observation(self) -> Tensor:
        return self.seen(self.posture)

    def restart(self) -> Tensor:
        self.posture = self.drawn()
        # Ages differ, so that episodes do not all end in the same step.
        self.age = torch.arange(self.worlds) * self.longest // self.worlds
        return self.observation

    def step(self, action: Tensor) -> Step:
        posture, reward = self.moved(self.command(action))
        self.age = self.age + 1
        failed = self.fallen(posture)
        cut = (self.age >= self.longest) & ~failed
        ended = failed | cut
        self.posture = torch.where(ended[:, None], self.drawn(), posture)
        self.age = torch.where(ended, 0, self.age)
        return Step(self.observation, self.seen(posture), reward, failed, cut, {"failed": failed.float()})

    def state(self) -> dict[str, Tensor]:
        return {
            "posture": self.posture.clone(), "age": self.age.clone(), "generator": self.generator.get_state(),
        }  # fmt: skip

    def load(self, state: dict[str, Tensor]) -> None:
        self.posture, self.age = state["posture"].clone(), state["age"].clone()
        self.generator.set_state(state["generator"])


class Pendulum(Worlds):
    """A rod that hangs, and a motor too weak to lift it in one go: it has to swing. Angle 0 is upright."""

    observation_size = 3
    symmetry = Symmetry(
        SignedPermutation(torch.arange(3), torch.tensor([1.0, -1.0, -1.0])),
        SignedPermutation(torch.arange(1), torch.tensor([-1.0])),
    )
    longest = 200

    def drawn(self) -> Tensor:
        wide = torch.tensor([math.pi, 1.0])
        return wide * (2 * torch.rand(self.worlds, 2, generator=self.generator) - 1)

    def command(self, action: Tensor) -> Tensor:
        return 2 * torch.tanh(action)

    def action(self, command: Tensor) -> Tensor:
        return torch.atanh((command / 2).clamp(-0.999, 0.999))

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        angle, speed = self.posture.unbind(dim=1)
        near = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
        reward = 1 - (near.square() + 0.1 * speed.square() + 0.001 * command[:, 0].square()) / 8
        # 1 m, 1 kg, 10 m/s², steps of 50 ms: acceleration 3 g / (2 l) sin(angle) + 3 torque / (m l²).
        speed = (speed + 0.05 * (15 * torch.sin(angle) + 3 * command[:, 0])).clamp(-8, 8)
        return torch.stack([angle + 0.05 * speed, speed], dim=1), reward

    def seen(self, posture: Tensor) -> Tensor:
        angle, speed = posture.unbind(dim=1)
        return torch.stack([torch.cos(angle), torch.sin(angle), speed], dim=1)


class Cart(Worlds):
    """A number that drifts away, x' = 1.1 x + u, for x² + u² a step: the best u is a known multiple of x."""

    observation_size = 1
    longest = 3
    """Episodes are so short that who takes their end for a failure finds another answer."""

    def drawn(self) -> Tensor:
        return 2 * torch.rand(self.worlds, 1, generator=self.generator) - 1

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        return 1.1 * self.posture + command, -(self.posture.square() + command.square())[:, 0]


class Bandit(Worlds):
    """One step, then it is over: whoever commands (0.5 + o, -1) loses nothing."""

    observation_size = 1
    action_size = 2
    longest = 10

    def drawn(self) -> Tensor:
        return 2 * torch.rand(self.worlds, 1, generator=self.generator) - 1

    def best(self, observation: Tensor) -> Tensor:
        return torch.cat([0.5 + observation, torch.full_like(observation, -1.0)], dim=1)

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        return self.posture, -(command - self.best(self.posture)).square().sum(dim=1)

    def fallen(self, posture: Tensor) -> Tensor:
        return torch.ones(self.worlds, dtype=torch.bool)
