"""Small worlds that can be imagined: what `train.world.World` asks of carts and pendulums."""

import math

import torch
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation, Symmetry
from tests.train.pendulum import Cart, Pendulum, Worlds


class Imagined:
    """What the two have in common. A place is the age of an episode."""

    state_size: int
    feature_size: int
    change_size: int
    symmetry: Symmetry | None = None
    groups = (("speed", "1/s", slice(0, 1)),)

    def __init__(self, env: Worlds) -> None:
        self.env = env

    def present(self, before: Tensor) -> tuple[Tensor, Tensor]:
        return self.env.posture.clone(), self.env.age[:, None].clone()

    def later(self, place: Tensor) -> Tensor:
        return place + 1

    def counts(self, place: Tensor) -> Tensor:
        return torch.ones(len(place), dtype=torch.bool)

    def lost(self, state: Tensor, place: Tensor) -> Tensor:
        return torch.zeros(len(place), dtype=torch.bool)

    def observed(self, state: Tensor, place: Tensor) -> Tensor:
        return self.env.seen(state)


class ImaginedCart(Imagined):
    """A number that drifts away; its change is what is added to it."""

    state_size, feature_size, change_size = 1, 2, 1

    def __init__(self, env: Cart) -> None:
        super().__init__(env)

    def features(self, state: Tensor, place: Tensor, action: Tensor) -> Tensor:
        return torch.cat([state, action], dim=1)

    def changed(self, state: Tensor, following: Tensor) -> Tensor:
        return following - state

    def advanced(self, state: Tensor, action: Tensor, change: Tensor) -> Tensor:
        return state + change

    def apart(self, state: Tensor, other: Tensor) -> Tensor:
        return other - state

    def costs(self, state: Tensor, place: Tensor, action: Tensor, following: Tensor) -> dict[str, Tensor]:
        return {"away": following.square()[:, 0], "action": action.square()[:, 0]}


class ImaginedPendulum(Imagined):
    """A rod: the model says how its speed changes, the angle follows as in the world."""

    state_size, feature_size, change_size = 2, 4, 1
    symmetry = Symmetry(
        SignedPermutation(torch.arange(4), torch.tensor([1.0, -1.0, -1.0, -1.0])),
        SignedPermutation(torch.arange(1), torch.tensor([-1.0])),
    )

    def __init__(self, env: Pendulum) -> None:
        super().__init__(env)

    def features(self, state: Tensor, place: Tensor, action: Tensor) -> Tensor:
        return torch.cat([self.env.seen(state), self.env.command(action)], dim=1)

    def changed(self, state: Tensor, following: Tensor) -> Tensor:
        return (following - state)[:, 1:]

    def advanced(self, state: Tensor, action: Tensor, change: Tensor) -> Tensor:
        speed = state[:, 1:] + change
        return torch.cat([state[:, :1] + 0.05 * speed, speed], dim=1)

    def apart(self, state: Tensor, other: Tensor) -> Tensor:
        return (other - state)[:, 1:]

    def costs(self, state: Tensor, place: Tensor, action: Tensor, following: Tensor) -> dict[str, Tensor]:
        near = torch.remainder(following[:, 0] + math.pi, 2 * math.pi) - math.pi
        return {"angle": near.square(), "speed": 0.1 * following[:, 1].square()}
