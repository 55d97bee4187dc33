"""A discriminator finds known answers, keeps its word on going on, and shapes behaviour that nobody else pays for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.discriminator import (
    Discriminator,
    DiscriminatorSettings,
    StyleJudge,
    gradient_penalty,
    style_reward,
)
from myotrack.train.env import Diverged, Judge
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import Critic, Policy, PolicySettings
from myotrack.train.ppo import PPO, PPOSettings
from myotrack.train.team import ALONE, Team
from tests.train.pendulum import Worlds

QUICK = OptimiserSettings(rate=1e-2)
SMALL = DiscriminatorSettings(
    network=NetworkSettings(width=32, blocks=1, norm=False), optimiser=QUICK, updates=4, batch=128, penalty=0.0
)


class Cloud:
    """Examples that are drawn: normal numbers about 0 are genuine, worlds show such numbers about somewhere else."""

    size = 3
    mirror = None

    def __init__(self, where: float, seed: int = 0) -> None:
        self.where, self.generator = where, torch.Generator().manual_seed(seed)

    @property
    def shown(self) -> Tensor:
        return self.where + torch.randn(64, 3, generator=self.generator)

    def genuine(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, 3, generator=generator)


class Coin(Cloud):
    """Numbers -1 and 1: of ten genuine ones eight are -1, of ten others two."""

    size = 1

    def __init__(self) -> None:
        super().__init__(0.0)

    @property
    def shown(self) -> Tensor:
        return self.tossed(64, 0.2, self.generator)

    def genuine(self, count: int, generator: torch.Generator) -> Tensor:
        return self.tossed(count, 0.8, generator)

    @staticmethod
    def tossed(count: int, share: float, generator: torch.Generator) -> Tensor:
        return torch.where(torch.rand(count, 1, generator=generator) < share, -1.0, 1.0)


def judge_of(examples: Cloud, settings: DiscriminatorSettings = SMALL, team: Team = ALONE) -> StyleJudge:
    return StyleJudge(examples, Discriminator(examples.size, settings.network, examples.mirror), settings, team)


def taught(judge: StyleJudge, rounds: int, steps: int = 4) -> list[dict[str, float]]:
    told = []
    for _ in range(rounds):
        for _ in range(steps):
            judge.look()
        judge.pay()
        told.append(judge.learn())
    return told


def said(judge: StyleJudge, rows: Tensor) -> Tensor:
    with torch.no_grad():
        return judge.discriminator(rows)


def test_what_looks_different_is_told_apart_and_paid_less() -> None:
    judge = judge_of(Cloud(3.0))
    assert isinstance(judge, Judge)
    told = taught(judge, 12)
    assert told[-1]["told_real"] > 0.95 and told[-1]["told_fake"] > 0.95
    assert told[0]["style"] > 0.5 and told[-1]["style"] < 0.2
    generator = torch.Generator().manual_seed(5)
    assert style_reward(said(judge, judge.examples.genuine(500, generator))).mean() > 0.9


def test_what_looks_the_same_is_not_told_apart() -> None:
    judge = judge_of(Cloud(0.0))
    told = taught(judge, 16)
    generator = torch.Generator().manual_seed(5)
    genuine, other = (said(judge, torch.randn(4000, 3, generator=generator)) for _ in range(2))
    assert abs(genuine.mean() - other.mean()) < 0.02
    right = sum(each["told_real"] + each["told_fake"] for each in told[-8:]) / 16
    assert right == pytest.approx(0.5, abs=0.05)
    assert told[-1]["style"] == pytest.approx(0.75, abs=0.1)


def test_the_share_of_genuine_examples_is_what_least_squares_says() -> None:
    # The minimum of p (d - 1)² + q (d + 1)² is d = (p - q) / (p + q): 0.6 where 8 of 10 are genuine and 2 are not.
    judge = judge_of(Coin())
    taught(judge, 20)
    assert said(judge, torch.tensor([[-1.0], [1.0]])).tolist() == pytest.approx([0.6, -0.6], abs=0.12)


def test_rewards_are_the_published_curve() -> None:
    said = torch.tensor([1.0, 0.0, -1.0, -3.0, 2.0, 4.0])
    assert style_reward(said).tolist() == pytest.approx([1.0, 0.75, 0.0, 0.0, 0.75, 0.0])


def test_the_gradient_penalty_by_hand() -> None:
    weight = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda row: row @ weight + 7.0, rows)
    assert penalty.item() == pytest.approx(14.0)
    [slope] = torch.autograd.grad(penalty, weight)
    assert slope.tolist() == pytest.approx([2.0, -4.0, 6.0])
    bent = gradient_penalty(lambda row: row.square().sum(dim=1), rows)
    assert bent.item() == pytest.approx(4 * float(rows.square().sum(dim=1).mean()), rel=1e-5)


def test_a_penalty_makes_genuine_examples_flat() -> None:
    def steepness(penalty: float) -> float:
        judge = judge_of(Cloud(3.0), replace(SMALL, penalty=penalty))
        taught(judge, 10)
        rows = judge.discriminator.normaliser(judge.examples.genuine(500, torch.Generator().manual_seed(5)))
        return float(gradient_penalty(judge.discriminator.judged, rows).detach())

    assert steepness(10.0) < 0.3 * steepness(0.0)


class Counted(Cloud):
    """Every step shows the number that follows."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.number = 0.0

    @property
    def shown(self) -> Tensor:
        self.number += 1
        return torch.full((64, 3), self.number)


def test_the_newest_examples_are_kept_and_no_more_than_were_asked_for() -> None:
    examples = Counted()
    judge = judge_of(examples, replace(SMALL, replay=150))
    examples.number = 0.0
    taught(judge, 1, steps=2)
    assert judge.kept[:, 0].tolist() == [1.0] * 64 + [2.0] * 64
    taught(judge, 1, steps=1)
    assert judge.kept[:, 0].tolist() == [1.0] * 22 + [2.0] * 64 + [3.0] * 64
    taught(judge, 1, steps=5)
    assert judge.kept.shape == (150, 3) and judge.kept[-1, 0] == 8.0


def test_a_mirrored_example_is_exactly_as_genuine() -> None:
    examples = Cloud(1.0)
    examples.mirror = SignedPermutation(torch.tensor([1, 0, 2]), torch.tensor([1.0, 1.0, -1.0]))  # type: ignore
    judge = judge_of(examples)
    taught(judge, 5)
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(5))
    assert said(judge, rows).std() > 0.1
    torch.testing.assert_close(said(judge, examples.mirror(rows)), said(judge, rows), atol=1e-6, rtol=0)


def test_what_never_changes_in_genuine_examples_is_no_mountain() -> None:
    class Stiff(Cloud):
        def genuine(self, count: int, generator: torch.Generator) -> Tensor:
            return super().genuine(count, generator) * torch.tensor([1.0, 1.0, 0.0])

    judge = judge_of(Stiff(0.0))
    taught(judge, 5)
    # Half of the rows vary by 1 and half not at all.
    assert float(judge.discriminator.normaliser.std[2]) == pytest.approx(0.5**0.5, rel=0.1)


class Wheel(Worlds):
    """A wheel that is turned by hand, at most half a radian a step; nobody pays for it."""

    observation_size = 2
    longest = 20

    def drawn(self) -> Tensor:
        return 6.3 * torch.rand(self.worlds, 1, generator=self.generator)

    def command(self, action: Tensor) -> Tensor:
        return 0.5 * action.tanh()

    def action(self, command: Tensor) -> Tensor:
        return torch.atanh(command / 0.5)

    def moved(self, command: Tensor) -> tuple[Tensor, Tensor]:
        self.shown = torch.cat([self.seen(self.posture), self.seen(self.posture + command)], dim=1)
        return self.posture + command, torch.zeros(self.worlds)

    def seen(self, posture: Tensor) -> Tensor:
        return torch.cat([posture.cos(), posture.sin()], dim=1)


class Turning:
    """Genuine wheels turn by 0.3 a step."""

    size, mirror = 4, None

    def __init__(self, env: Wheel) -> None:
        self.env = env

    @property
    def shown(self) -> Tensor:
        return getattr(self.env, "shown", torch.zeros(self.env.worlds, 4))

    def genuine(self, count: int, generator: torch.Generator) -> Tensor:
        angle = 6.3 * torch.rand(count, 1, generator=generator)
        return torch.cat([self.env.seen(angle), self.env.seen(angle + 0.3)], dim=1)


def wheels(seed: int = 0, settings: DiscriminatorSettings = SMALL) -> PPO:
    env = Wheel(64, seed=seed)
    network = NetworkSettings(width=32, blocks=1)
    policy = Policy(2, 1, PolicySettings(network, 0.3))
    examples = Turning(env)
    judge = StyleJudge(examples, Discriminator(4, settings.network, seed=seed), replace(settings, seed=seed))
    learning = PPOSettings(
        steps=16, epochs=4, minibatches=2, gamma=0.5, divergence=0.03, actor=OptimiserSettings(rate=3e-3), seed=seed
    )
    return PPO(env, policy, Critic(2, network), learning, judge=judge)


def turn(ppo: PPO) -> float:
    """Mean turn over all angles."""
    angle = torch.linspace(0, 6.2, 32)[:, None]
    with torch.no_grad():
        return float(ppo.env.command(ppo.policy.mean(torch.cat([angle.cos(), angle.sin()], dim=1))).mean())


def test_what_nobody_pays_for_is_learnt_for_its_style() -> None:
    ppo = wheels(settings=replace(SMALL, penalty=1.0))
    assert abs(turn(ppo)) < 0.05
    told, turns = [], []
    for _ in range(30):
        told.append(ppo.advance())
        turns.append(turn(ppo))
    # Measured, three seeds: 0.29 to 0.33 after 20 rollouts.
    assert 0.24 < sum(turns[-10:]) / 10 < 0.36
    # The world pays nothing: all reward is the style's.
    assert told[-1]["reward"] > 0
    assert told[-1].keys() >= {"style", "told_real", "told_fake"}


def test_going_on_from_a_state_equals_not_having_stopped() -> None:
    through, stopped, resumed = wheels(0), wheels(0), wheels(1)
    for _ in range(5):
        through.advance()
    for _ in range(3):
        stopped.advance()
    state = stopped.state()
    assert all(value.device.type == "cpu" for value in state.values())
    assert len({value.data_ptr() for value in state.values() if value.numel()}) == len(state)
    resumed.load({name: value.clone() for name, value in state.items()})
    for _ in range(2):
        resumed.advance()
    there, here = through.state(), resumed.state()
    assert there.keys() == here.keys() and any(name.startswith("style.optimiser") for name in there)
    assert all(torch.equal(there[name], here[name]) for name in there)


def test_a_state_without_a_style_is_refused() -> None:
    plain = wheels()
    plain._judge = None
    plain.advance()
    with pytest.raises(ValueError, match="knows no style"):
        wheels().load(plain.state())


def test_an_example_that_is_no_number_ends_learning() -> None:
    ppo = wheels()
    ppo.advance()
    examples = Cloud(float("nan"))
    judge = judge_of(examples)
    judge.look()
    with pytest.raises(Diverged, match="World 0 looks like a number that is not finite"):
        judge.pay()


def test_a_discriminator_that_is_no_number_ends_learning() -> None:
    judge = judge_of(Cloud(0.0))
    taught(judge, 1)
    with torch.no_grad():
        judge.discriminator.network.last.weight.fill_(float("nan"))
    judge.look()
    with pytest.raises(Diverged, match="What a style is worth is not finite"):
        judge.pay()
    with pytest.raises(Diverged, match="gradient of 'discriminator.network"):
        judge.learn()


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one update"):
        DiscriminatorSettings(updates=0)
    with pytest.raises(ValueError, match="no negative weights"):
        DiscriminatorSettings(penalty=-1.0)


def member(rank: int, size: int, folder: str) -> None:
    """One process of a team, whose worlds look otherwise than those of the others."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    judge = judge_of(Cloud(3.0 - 6.0 * rank, seed=rank), team=Team(rank, size))
    told = taught(judge, 10)
    torch.save((judge.discriminator.state_dict(), told[-1]), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_a_team_has_one_discriminator_that_knows_the_worlds_of_all(tmp_path: Path) -> None:
    multiprocessing.spawn(member, (2, str(tmp_path)), 2)
    (one, told), (other, heard) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one.keys() == other.keys() and told == heard
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    judge = judge_of(Cloud(0.0))
    judge.discriminator.load_state_dict(one)
    ways = said(judge, torch.tensor([[3.0] * 3, [0.0] * 3, [-3.0] * 3]))
    assert ways[0] < -0.5 and ways[1] > 0.5 and ways[2] < -0.5
