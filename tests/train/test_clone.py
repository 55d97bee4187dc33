"""Cloning: the network comes to do what its teacher does where it goes itself, and can be stopped at any round."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from myotrack.algebra.parts import Parts
from myotrack.algebra.permutation import SignedPermutation, Symmetry
from myotrack.train.clone import Clone, CloneSettings
from myotrack.train.env import Diverged, State
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import Policy, PolicySettings


class Cart:
    """Two masses on a line that are pushed; commands in (0, 1), mirrored by exchanging the two."""

    def __init__(self, worlds: int = 16, seed: int = 0) -> None:
        self.worlds, self.device = worlds, torch.device("cpu")
        self.observation_size, self.action_size = 4, 2
        swap = SignedPermutation(torch.tensor([1, 0]), torch.ones(2))
        self.symmetry = Symmetry(SignedPermutation.joined([swap, swap]), swap)
        self.parts = Parts(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1]), 2)
        self._generator = torch.Generator().manual_seed(seed)
        self.restart()

    @property
    def observation(self) -> Tensor:
        return torch.cat([self.place, self.speed], dim=1)

    def restart(self) -> Tensor:
        self.place = 2 * torch.rand(self.worlds, 2, generator=self._generator) - 1
        self.speed = torch.zeros(self.worlds, 2)
        return self.observation

    def command(self, action: Tensor) -> Tensor:
        return torch.sigmoid(action)

    def action(self, command: Tensor) -> Tensor:
        return torch.logit(command.clamp(1e-4, 1 - 1e-4))

    def step(self, action: Tensor) -> "Happened":
        self.speed = self.speed + 0.2 * (self.command(action) - 0.5)
        self.place = self.place + 0.2 * self.speed
        return Happened(self.observation, -self.place.square().sum(dim=1))

    def state(self) -> State:
        return {"place": self.place.clone(), "speed": self.speed.clone(), "generator": self._generator.get_state()}

    def load(self, state: State) -> None:
        self.place, self.speed = state["place"].clone(), state["speed"].clone()
        self._generator.set_state(state["generator"])


class Happened:
    def __init__(self, observation: Tensor, reward: Tensor) -> None:
        self.observation = self.final = observation
        self.reward = reward
        self.failed = self.cut = torch.zeros(len(reward), dtype=torch.bool)
        self.scores = {"away": observation[:, :2].norm(dim=1)}


def teach(cart: Cart) -> Tensor:
    """A spring and a damper to the middle."""
    return torch.sigmoid(-2.0 * cart.place - 3.0 * cart.speed)


class Drawer:
    """A store in memory."""

    def __init__(self) -> None:
        self.files: list[dict[str, Tensor]] = []

    def append(self, tensors: dict[str, Tensor]) -> None:
        self.files.append({name: value.clone() for name, value in tensors.items()})

    def load(self, count: int) -> list[dict[str, Tensor]]:
        return self.files[:count]

    def trim(self, count: int) -> None:
        del self.files[count:]


SETTINGS = CloneSettings(
    first_steps=30, steps=20, updates=60, batch=64, threads=1, optimiser=OptimiserSettings(rate=3e-3)
)  # fmt: skip


def clone_of(
    settings: CloneSettings = SETTINGS, seed: int = 0, symmetric: bool = False, drawer: Drawer | None = None
) -> Clone:
    cart = Cart(seed=seed)
    small = PolicySettings(network=NetworkSettings(width=32, blocks=1), symmetric=symmetric)
    policy = Policy(4, 2, small, cart.symmetry, seed=seed)
    return Clone(cart, lambda: teach(cart), policy, settings, drawer)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_clone_does_what_its_teacher_does(seed: int) -> None:
    clone = clone_of(seed=seed)
    for _ in range(6):
        told = clone.advance()
    cart = Cart(worlds=200, seed=99)
    apart = (cart.command(clone.policy.mean(cart.observation)) - teach(cart)).abs()
    assert apart.mean() < 0.02
    assert told["loss"] < 2e-3
    # It goes to the middle by itself.
    for _ in range(60):
        cart.step(clone.policy.mean(cart.observation))
    assert cart.place.abs().mean() < 0.05


def test_rounds_count_their_steps_and_rows() -> None:
    clone = clone_of()
    first, second = clone.advance(), clone.advance()
    # The teacher shows 30 steps before the first round of 20.
    assert (first["steps"], second["steps"]) == (50 * 16, 20 * 16)
    assert second["rows"] == clone.row_count == 70 * 16
    assert first["time_teacher"] + first["time_worlds"] + first["time_updates"] == pytest.approx(1.0)


def test_the_oldest_rows_are_forgotten_but_never_the_newest() -> None:
    clone = clone_of(replace(SETTINGS, rows=700))
    for _ in range(5):
        clone.advance()
    # Rounds of 320 rows: the last two hold fewer than 700, so a third is kept.
    assert clone.row_count == 3 * 320
    tight = clone_of(replace(SETTINGS, rows=10))
    tight.advance()
    tight.advance()
    assert tight.row_count == 320


@pytest.mark.parametrize("drawer", [True, False])
def test_going_on_from_a_state_equals_not_having_stopped(drawer: bool) -> None:
    kept = Drawer() if drawer else None
    first = clone_of(drawer=kept)
    for _ in range(2):
        first.advance()
    state = {name: value.clone() for name, value in first.state().items()}
    assert ("rows" in state) == (not drawer)
    second = clone_of(seed=5, drawer=kept)  # Everything that the seed decides is replaced.
    if kept is not None:
        kept.append({"rows": torch.zeros(1, 4), "commands": torch.zeros(1, 2)})  # Of a round after the checkpoint.
    second.load(state)
    other = clone_of(drawer=Drawer() if drawer else None)
    for _ in range(2):
        other.advance()
    told, wanted = second.advance(), other.advance()
    assert told["loss"] == wanted["loss"]
    for one, another in zip(second.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(one, another)


def test_a_clone_of_mirrored_rows_is_nearly_symmetric_and_a_symmetric_one_exactly() -> None:
    gaps = []
    for settings, symmetric in ((replace(SETTINGS, mirrored=False), False), (SETTINGS, False), (SETTINGS, True)):
        clone = clone_of(settings, symmetric=symmetric)
        for _ in range(3):
            clone.advance()
        cart = Cart(worlds=100, seed=7)
        mirror = cart.symmetry
        seen = cart.observation
        one, other = clone.policy.mean(mirror.observation(seen)), mirror.action(clone.policy.mean(seen))
        gaps.append((one - other).abs().mean().item())
    assert gaps[2] < 1e-6 < gaps[1]


def test_rows_put_together_from_two_teach_what_one_never_showed() -> None:
    """A cart whose masses begin in the same place never shows them apart, unless rows are put together."""

    class Twins(Cart):
        def restart(self) -> Tensor:
            super().restart()
            self.place[:, 1] = self.place[:, 0]
            return self.observation

    settings = replace(SETTINGS, teacher_share=0.0, noise=0.0, mirrored=False)
    gaps = []
    for crossed in (True, False):
        cart = Twins()
        policy = Policy(4, 2, PolicySettings(network=NetworkSettings(width=32, blocks=1)))
        clone = Clone(cart, lambda cart=cart: teach(cart), policy, replace(settings, crossed=crossed))
        for _ in range(4):
            clone.advance()
        judge = Cart(worlds=200, seed=9)
        gaps.append((judge.command(policy.mean(judge.observation)) - teach(judge)).abs().mean())
    assert gaps[0] < 0.5 * gaps[1]


def test_what_is_drawn_for_an_anchor_is_what_the_teacher_said() -> None:
    clone = clone_of()
    with pytest.raises(ValueError, match="nothing to draw from before the first round"):
        clone.draw(4, torch.Generator())
    clone.advance()
    rows, commands = clone.draw(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(commands, torch.sigmoid(-2.0 * rows[:, :2] - 3.0 * rows[:, 2:]))


def test_a_teacher_that_says_no_number_stops_the_learning() -> None:
    cart = Cart()
    policy = Policy(4, 2, PolicySettings(network=NetworkSettings(width=8, blocks=1)))
    clone = Clone(cart, lambda: torch.full((16, 2), torch.nan), policy, SETTINGS)
    with pytest.raises(Diverged, match="command of the teacher is not a number"):
        clone.advance()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step, update and row"):
        CloneSettings(updates=0)
    with pytest.raises(ValueError, match="The teacher's share"):
        CloneSettings(teacher_share=1.5)
