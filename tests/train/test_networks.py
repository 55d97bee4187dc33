"""What a network begins as."""

import pytest
import torch

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.networks import Mirror, NetworkSettings, Residual


def network(settings: NetworkSettings, gain: float = 1.0, seed: int = 0, inputs: int = 30) -> Residual:
    return Residual(inputs, 10, settings, torch.Generator().manual_seed(seed), gain)


def test_a_seed_decides_all_weights_and_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (network(NetworkSettings(), seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["first.weight"], other["first.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_small_gain_makes_small_first_outputs() -> None:
    row = torch.randn(100, 30, generator=torch.Generator().manual_seed(0))
    one, small = (network(NetworkSettings(), gain)(row).detach().std() for gain in (1.0, 0.01))
    assert 0.5 < float(one) < 2.0
    torch.testing.assert_close(small, 0.01 * one)


@pytest.mark.parametrize("blocks", [0, 2, 12])
def test_depth_does_not_change_the_size_of_gradients_of_the_input(blocks: int) -> None:
    row = torch.randn(200, 30, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = network(NetworkSettings(width=128, blocks=blocks))(row)
    (slope,) = torch.autograd.grad(out[:, 0].sum(), row)
    # The first layer keeps lengths, the norm stretches rows by sqrt(128 / 30), and a unit row of the last layer sees
    # the 30 directions of 128 that the input reaches: sqrt(128 / 30) · sqrt(30 / 128) = 1. Blocks add little.
    assert 0.7 < float(slope.norm(dim=1).mean()) < 1.4


def test_the_corrections_of_many_blocks_are_together_as_large_as_those_of_few() -> None:
    row, sizes = torch.randn(200, 30, generator=torch.Generator().manual_seed(0)), []
    for blocks in (1, 4, 16):
        net = network(NetworkSettings(width=128, blocks=blocks))
        with torch.no_grad():
            start = hidden = net.first(row)
            for block in net.blocks:
                hidden = hidden + block(hidden)
        sizes.append(float((hidden - start).square().mean().sqrt()))
    assert max(sizes) < 1.4 * min(sizes)


def test_without_blocks_and_norm_a_network_is_linear() -> None:
    linear = network(NetworkSettings(blocks=0, norm=False))
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(30, generator=generator), torch.randn(30, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(linear(one + 2 * other), linear(one) + 2 * linear(other), rtol=1e-4, atol=1e-5)


def test_hidden_matrices_are_those_of_the_blocks() -> None:
    hidden = network(NetworkSettings(width=16, blocks=3)).hidden()
    assert [tuple(weight.shape) for weight in hidden] == [(16, 16)] * 6


def test_a_mirror_is_not_part_of_what_is_learnt() -> None:
    mirror = Mirror(SignedPermutation(torch.tensor([1, 0]), torch.tensor([-1.0, -1.0])))
    assert mirror(torch.tensor([2.0, 3.0])).tolist() == [-3.0, -2.0]
    assert not mirror.state_dict() and not list(mirror.parameters())


def test_a_network_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match="width of at least 1"):
        NetworkSettings(width=0)
