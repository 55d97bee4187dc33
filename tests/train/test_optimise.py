"""Optimisers that learn, can be carried over, and say where numbers end."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import nn

from myotrack.train.env import Diverged
from myotrack.train.muon import Muon, orthogonal
from myotrack.train.networks import NetworkSettings, Residual
from myotrack.train.optimise import Optimiser, OptimiserSettings

Kind = Literal["adam", "muon"]


def network(seed: int = 0) -> Residual:
    return Residual(4, 2, NetworkSettings(width=32, blocks=2), torch.Generator().manual_seed(seed))


def loss(net: Residual) -> torch.Tensor:
    """How well sums and products of the input are known."""
    row = torch.randn(256, 4, generator=torch.Generator().manual_seed(7))
    wanted = torch.stack([row.sum(dim=1), row[:, 0] * row[:, 1]], dim=1)
    return (net(row) - wanted).square().mean()


def learn(net: nn.Module, optimiser: Optimiser, how: Callable[[], torch.Tensor], steps: int) -> None:
    for _ in range(steps):
        optimiser.zero_grad()
        how().backward()
        optimiser.step()


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_both_kinds_learn(kind: Kind) -> None:
    net = network()
    before = loss(net).item()
    learn(net, Optimiser({"net": net}, OptimiserSettings(kind, rate=3e-3)), lambda: loss(net), 200)
    assert loss(net).item() < 0.02 * before


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_going_on_from_a_state_equals_not_having_stopped(kind: Kind) -> None:
    settings = OptimiserSettings(kind, rate=1e-3)
    through, before, after = network(), network(), network(seed=1)
    steady, first = Optimiser({"net": through}, settings), Optimiser({"net": before}, settings)
    for net, optimiser in ((through, steady), (before, first)):
        learn(net, optimiser, lambda net=net: loss(net), 5)
        optimiser.set_rate(2e-3)
    learn(through, steady, lambda: loss(through), 5)
    after.load_state_dict(before.state_dict())
    second = Optimiser({"net": after}, settings)
    second.load(first.state())
    assert second.rate == 2e-3
    learn(after, second, lambda: loss(after), 5)
    assert all(torch.equal(a, b) for a, b in zip(through.parameters(), after.parameters(), strict=True))


def test_muon_moves_hidden_matrices_by_orthogonal_steps_and_adam_the_rest() -> None:
    net = network()
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    optimiser = Optimiser({"net": net}, OptimiserSettings("muon", rate=1e-3, clip=1e9))
    generator = torch.Generator().manual_seed(3)
    for weight in net.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)
    optimiser.step()
    step = {name: weight.detach() - before[name] for name, weight in net.named_parameters()}
    # As long as Adam's: singular values about rate · 0.2 · sqrt(32), but for the smallest, which were almost 0.
    values = torch.linalg.svdvals(step["blocks.0.1.weight"]) / (1e-3 * 0.2 * 32**0.5)
    assert values[:24].min() > 0.65 and values.max() < 1.25
    # Adam's first step is the rate, whatever the gradient.
    torch.testing.assert_close(step["first.weight"].abs(), torch.full((32, 4), 1e-3), atol=1e-5, rtol=0.0)
    names = {name.rsplit(".", 1)[1] for name in optimiser.state() if "blocks.0.1.weight" in name}
    assert names == {"momentum_buffer"}


@pytest.mark.parametrize("shape", [(16, 16), (8, 24), (24, 8)])
def test_muon_agrees_with_that_of_torch(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    mine, other = (nn.Parameter(start.clone()) for _ in range(2))
    referee = torch.optim.Muon([other], lr=0.1, weight_decay=0.5, adjust_lr_fn="match_rms_adamw")
    optimiser = Muon([mine], 0.1, 0.5)
    for _ in range(4):
        mine.grad = torch.randn(shape, generator=generator)
        other.grad = mine.grad.clone()
        optimiser.step()
        referee.step()
    # Steps have entries of 0.02; the referee's are rounded to bfloat16, of three digits, in every product.
    torch.testing.assert_close(mine.detach(), other.detach(), atol=4e-3, rtol=0.0)
    assert (mine - start).abs().max() > 0.05


def test_the_orthogonal_part_of_a_matrix_has_its_directions_and_no_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(6, 6, generator=generator))[0] for _ in range(2))
    found = left.T @ orthogonal(left @ torch.diag(torch.tensor([9.0, 5.0, 3.0, 2.0, 1.0, 0.5])) @ right.T) @ right
    assert float(found.diagonal().min()) > 0.65 and float(found.diagonal().max()) < 1.25
    torch.testing.assert_close(found, torch.diag(found.diagonal()), atol=1e-4, rtol=0.0)


def test_a_long_gradient_is_shortened_to_the_clip() -> None:
    net = nn.Linear(2, 1, bias=False)
    optimiser = Optimiser({"net": net}, OptimiserSettings(clip=1.0))
    net.weight.grad = torch.tensor([[30.0, 40.0]])
    assert optimiser.step() == 50.0
    torch.testing.assert_close(net.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_a_short_gradient_is_left_alone() -> None:
    net = nn.Linear(2, 1, bias=False)
    net.weight.grad = torch.tensor([[0.3, 0.4]])
    Optimiser({"net": net}, OptimiserSettings(clip=1.0)).step()
    torch.testing.assert_close(net.weight.grad, torch.tensor([[0.3, 0.4]]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_is_named_and_moves_nothing(bad: float) -> None:
    net = network()
    optimiser = Optimiser({"net": net}, OptimiserSettings())
    before = net.last.weight.detach().clone()
    loss(net).backward()
    weight = net.get_parameter("blocks.1.3.weight")
    assert weight.grad is not None
    weight.grad[2, 3] = bad
    with pytest.raises(Diverged, match=r"The gradient of 'net.blocks.1.3.weight' is not finite"):
        optimiser.step()
    assert torch.equal(net.last.weight, before)


def test_a_state_of_other_networks_is_refused() -> None:
    optimiser = Optimiser({"net": network()}, OptimiserSettings())
    with pytest.raises(ValueError, match="speaks of 'other.weight'"):
        optimiser.load({"rate": torch.tensor(1e-3), "other.weight.exp_avg": torch.zeros(3)})


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="positive rate"):
        OptimiserSettings(rate=0.0)
