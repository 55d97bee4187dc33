"""Splines: they reproduce cubics, their derivatives are derivatives, and their transposes are transposes."""

import pytest
import torch

from myotrack.algebra.blockband import solve_blockband
from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import body_rates, continuous, exponential, logarithm, of_unit
from myotrack.algebra.spline import Spline, third_differences

STEP = 0.01


def matrix(spline: Spline) -> torch.Tensor:
    """The linear map from control points to samples, one column per control point."""
    unit = torch.eye(spline.controls, dtype=torch.float64)
    return torch.cat([spline.at(unit[:, [control]]) for control in range(spline.controls)], dim=1)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_cubic_is_reproduced_with_its_derivatives(stride: int) -> None:
    spline = Spline(50, stride, STEP)
    t = torch.arange(50, dtype=torch.float64) * STEP
    cubic = torch.stack([1 - 2 * t + 3 * t**2 - 4 * t**3], dim=1)
    control = spline.fit(cubic, roughness=1e-12)
    assert torch.allclose(spline.at(control), cubic, atol=1e-7)
    assert torch.allclose(spline.at(control, 1)[:, 0], -2 + 6 * t - 12 * t**2, atol=1e-4)
    assert torch.allclose(spline.at(control, 2)[:, 0], 6 - 24 * t, atol=1e-2)


def test_a_curve_stays_within_the_bounds_of_its_control_points() -> None:
    torch.manual_seed(0)
    spline = Spline(200, 3, STEP)
    control = torch.rand(spline.controls, 5, dtype=torch.float64)
    assert spline.at(control).min() >= control.min()
    assert spline.at(control).max() <= control.max()


def test_gathering_is_the_transpose_of_sampling() -> None:
    torch.manual_seed(0)
    spline = Spline(31, 3, STEP)
    values = torch.randn(31, 2, dtype=torch.float64)
    assert torch.allclose(spline.gather(values), matrix(spline).T @ values, atol=1e-14)


def test_gathered_blocks_are_the_bands_of_the_whole_matrix() -> None:
    torch.manual_seed(0)
    spline = Spline(20, 3, STEP)
    root = torch.randn(20, 3, 3, dtype=torch.float64)
    blocks = root @ root.mT
    a = matrix(spline)
    whole = torch.einsum("nk,nij,nl->kilj", a, blocks, a)
    bands = spline.gather_blocks(blocks)
    for d in range(4):
        for k in range(spline.controls - d):
            assert torch.allclose(bands[d, k], whole[k, :, k + d], atol=1e-13)


@pytest.mark.parametrize(("blocks", "band"), [(1, 4), (2, 4), (7, 4), (12, 3), (5, 1)])
def test_a_block_banded_system_is_solved_as_by_a_dense_solver(blocks: int, band: int) -> None:
    torch.manual_seed(blocks)
    size = 3
    dense = torch.zeros(blocks, size, blocks, size, dtype=torch.float64)
    diagonals = 0.2 * torch.randn(band, blocks, size, size, dtype=torch.float64)
    diagonals[0] = diagonals[0] @ diagonals[0].mT + 4 * torch.eye(size)
    for d in range(band):
        for k in range(blocks - d):
            dense[k, :, k + d] = diagonals[d, k]
            dense[k + d, :, k] = diagonals[d, k].mT
    right = torch.randn(blocks, size, dtype=torch.float64)
    expected = torch.linalg.solve(dense.reshape(blocks * size, -1), right.reshape(-1)).reshape(blocks, size)
    assert torch.allclose(solve_blockband(diagonals, right), expected, atol=1e-12)


def test_a_system_that_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(torch.linalg.LinAlgError):
        solve_blockband(-torch.ones(1, 3, 2, 2, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64))


def test_third_differences_of_a_parabola_vanish() -> None:
    x = torch.arange(9, dtype=torch.float64) ** 2
    bands = third_differences(9, x)
    product = bands[0] * x
    for d in range(1, 4):
        product[:-d] += bands[d, : 9 - d] * x[d:]
        product[d:] += bands[d, : 9 - d] * x[:-d]
    assert product.abs().max() < 1e-12


def test_logarithm_undoes_exponential_up_to_half_a_turn() -> None:
    torch.manual_seed(1)
    axis = torch.nn.functional.normalize(torch.randn(40, 3, dtype=torch.float64), dim=1)
    vector = axis * torch.linspace(0, 3.1, 40, dtype=torch.float64)[:, None]
    assert torch.allclose(logarithm(exponential(vector)), vector, atol=1e-12)


def test_signs_of_quaternions_follow_their_neighbours() -> None:
    angle = torch.linspace(0, 12, 60, dtype=torch.float64)
    spin = exponential(torch.stack([angle, 0 * angle, 0 * angle], dim=1))
    flipped = spin * torch.where(torch.arange(60) % 3 == 0, -1.0, 1.0)[:, None]
    steps = continuous(flipped)
    assert ((steps[1:] * steps[:-1]).sum(dim=1) > 0).all()
    assert torch.equal(steps.abs(), flipped.abs())


def test_rates_of_a_steady_turn_are_its_angular_velocity() -> None:
    t = torch.arange(5, dtype=torch.float64) * 0.1
    w = torch.tensor([0.3, -0.5, 0.7], dtype=torch.float64)
    unit = exponential(t[:, None] * w)
    half = torch.cat([torch.zeros(1, dtype=torch.float64), w / 2])
    first = multiply(unit, half.expand_as(unit))
    second = multiply(first, half.expand_as(unit))
    # A curve of another length turns alike.
    _, unit1, unit2 = of_unit(2 * unit, 2 * first, 2 * second)
    velocity, acceleration = body_rates(unit, unit1, unit2)
    assert torch.allclose(velocity, w.expand_as(velocity), atol=1e-14)
    assert acceleration.abs().max() < 1e-14
