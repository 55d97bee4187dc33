"""Several processes that learn one policy learn what one process with all their worlds would."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from myotrack.train.imagine import Imagine, ImagineSettings
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import Critic, Policy, PolicySettings
from myotrack.train.ppo import PPO, PPOSettings
from myotrack.train.team import ALONE, Team
from tests.train.imagined import ImaginedCart

WORLDS, LENGTH = 6, 9


@dataclass(frozen=True)
class Step:
    observation: Tensor
    final: Tensor
    reward: Tensor
    failed: Tensor
    cut: Tensor
    scores: dict[str, Tensor]


class Springs:
    """Masses on springs that are pushed; which world of the team each is decides where it begins. Nothing is drawn."""

    observation_size, action_size, symmetry, parts = 3, 2, None, None
    device = torch.device("cpu")

    def __init__(self, team: Team) -> None:
        self.worlds = WORLDS // team.size
        number = torch.arange(WORLDS, dtype=torch.float32).view(team.size, self.worlds)[team.rank]
        self.first = torch.stack([number / 3 - 1, 0.3 * number - 0.5, (0.7 * number).sin()], dim=1)
        self.age = (2 * number.long()) % LENGTH
        self.observation = self.first.clone()

    def restart(self) -> Tensor:
        return self.observation

    def step(self, action: Tensor) -> Step:
        x = self.observation
        push = action.tanh()
        after = torch.stack([x[:, 0] + 0.1 * x[:, 1], 0.9 * x[:, 1] - 0.2 * x[:, 0] + 0.3 * push[:, 0],
                             0.8 * x[:, 2] + 0.2 * push[:, 1]], dim=1)  # fmt: skip
        self.age = self.age + 1
        cut = self.age >= LENGTH
        failed = (after[:, 0].abs() > 1.5) & ~cut
        ended = cut | failed
        self.age = torch.where(ended, 0, self.age)
        self.observation = torch.where(ended[:, None], self.first, after)
        return Step(self.observation, after, 1 - after.square().sum(dim=1), failed, cut, {"far": after[:, 0].abs()})

    def command(self, action: Tensor) -> Tensor:
        return action

    def action(self, command: Tensor) -> Tensor:
        return command

    def state(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        pass


def learnt(team: Team, rounds: int = 4) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """What a process of a team has in the end, and what it told."""
    network = NetworkSettings(width=16, blocks=1)
    policy = Policy(3, 2, PolicySettings(network=network, std=0.4))
    critic = Critic(3, network)
    settings = PPOSettings(steps=7, epochs=3, minibatches=3, entropy=0.01, seed=5)
    ppo = PPO(Springs(team), policy, critic, settings, team=team)
    told = [ppo.advance() for _ in range(rounds)]
    return {**policy.state_dict(), **{f"critic.{name}": v for name, v in critic.state_dict().items()}}, told


class ImaginedSprings(ImaginedCart):
    """What a model has to know of them."""

    state_size, feature_size, change_size = 3, 5, 3

    def __init__(self, env: Springs) -> None:
        self.springs = env

    def present(self, before: Tensor) -> tuple[Tensor, Tensor]:
        return self.springs.observation.clone(), self.springs.age[:, None].clone()

    def observed(self, state: Tensor, place: Tensor) -> Tensor:
        return state

    def lost(self, state: Tensor, place: Tensor) -> Tensor:
        return state[:, 0].abs() > 1.5

    def costs(self, state: Tensor, place: Tensor, action: Tensor, following: Tensor) -> dict[str, Tensor]:
        return {"away": following.square().sum(dim=1), "action": 0.1 * action.square().sum(dim=1)}


def imagined(team: Team, rounds: int = 3) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """The same for learning in imagination."""
    network, env = NetworkSettings(width=16, blocks=1), Springs(team)
    policy = Policy(3, 2, PolicySettings(network=network, std=0.4))
    settings = ImagineSettings(
        steps=5, first=12, memory=15, network=network, model_rows=20, model_steps=2, model_updates=4, warm_up=20,
        policy_rows=14, policy_steps=4, policy_updates=3, seed=5,
    )  # fmt: skip
    stage = Imagine(env, ImaginedSprings(env), policy, settings, team=team)
    told = [stage.advance() for _ in range(rounds)]
    return {**policy.state_dict(), **{f"known.{name}": v for name, v in stage.known.state_dict().items()}}, told


WAYS = {"ppo": learnt, "imagination": imagined}


def member(rank: int, way: str, size: int, folder: str) -> None:
    """One process of a team."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    torch.save(WAYS[way](Team(rank, size)), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_a_team_imagines_what_one_process_with_all_worlds_does(tmp_path: Path) -> None:
    size = 3
    multiprocessing.spawn(member, ("imagination", size, str(tmp_path)), size)
    alone, told_alone = imagined(ALONE)
    for rank in range(size):
        together, told = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
        for one, other in zip(told, told_alone, strict=True):
            for name, value in other.items():
                if not name.startswith("time_"):
                    assert one[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


@pytest.mark.parametrize("size", [2, 3])
def test_a_team_learns_what_one_process_with_all_worlds_does(tmp_path: Path, size: int) -> None:
    multiprocessing.spawn(member, ("ppo", size, str(tmp_path)), size)
    alone, told_alone = learnt(ALONE)
    for rank in range(size):
        together, told = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
        for one, other in zip(told, told_alone, strict=True):
            assert one["steps"] == other["steps"] == 7 * WORLDS * (2 if other is told_alone[0] else 1)
            for name in ("reward", "divergence", "rate", "far", "episode_length", "value_error"):
                assert one[name] == pytest.approx(other[name], rel=2e-3, abs=1e-5), name


def test_rows_of_a_team_belong_to_one_process_each() -> None:
    rows = torch.randperm(5 * 12, generator=torch.Generator().manual_seed(0))
    mine = [Team(rank, 3).mine(rows, 4) for rank in range(3)]
    assert sorted(torch.cat(mine).tolist()) == sorted([*range(20)] * 3)
    # By hand: row 17 of the team is in step 1 (12 rows each), world 5 of it: the second process's world 1.
    assert Team(1, 3).mine(torch.tensor([17]), 4).tolist() == [5]
    assert not len(Team(0, 3).mine(torch.tensor([17]), 4))


def test_a_rank_beyond_the_team_is_refused() -> None:
    with pytest.raises(ValueError, match="rank from 0 to 1, not 2"):
        Team(2, 2)
