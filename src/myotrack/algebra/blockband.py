"""Symmetric positive definite systems whose unknowns come in blocks, each coupled to a few neighbours in line."""

import torch
from jaxtyping import Float
from torch import Tensor


def solve_blockband(
    diagonals: Float[Tensor, "band block size size"], right: Float[Tensor, "block size"]
) -> Float[Tensor, "block size"]:
    """Solve A x = right by block Cholesky factorisation, in time proportional to the number of blocks.

    Args:
        diagonals: `diagonals[d, k]` is the block of A in row k, column k + d; those that would lie outside are ignored.
        right: Right-hand side.

    Raises:
        torch.linalg.LinAlgError: A is not positive definite.
    """
    band, blocks, size, _ = diagonals.shape
    reach = max(band - 1, 1)
    groups = -(-blocks // reach)
    width = reach * size
    within, beyond = _grouped(diagonals, groups, reach)
    rhs = right.new_zeros(groups * reach, size)
    rhs[:blocks] = right
    rhs = rhs.reshape(groups, width, 1)
    factors: list[Tensor] = []
    bridges: list[Tensor] = []
    forward: list[Tensor] = []
    for group in range(groups):
        pivot, value = within[group], rhs[group]
        if group:
            pivot = pivot - bridges[-1].mT @ bridges[-1]
            value = value - bridges[-1].mT @ forward[-1]
        factor = torch.linalg.cholesky(pivot)
        factors.append(factor)
        joined = torch.linalg.solve_triangular(factor, torch.cat([beyond[group], value], dim=1), upper=False)
        bridges.append(joined[:, :width])
        forward.append(joined[:, width:])
    solution: list[Tensor] = []
    for group in reversed(range(groups)):
        value = forward[group]
        if solution:
            value = value - bridges[group] @ solution[-1]
        solution.append(torch.linalg.solve_triangular(factors[group].mT, value, upper=True))
    return torch.stack(solution[::-1]).reshape(-1, size)[:blocks]


def _grouped(
    diagonals: Float[Tensor, "band block size size"], groups: int, reach: int
) -> tuple[Float[Tensor, "group width width"], Float[Tensor, "group width width"]]:
    """Neighbours joined so that the system becomes block-tridiagonal; what is added at the end is the identity."""
    band, blocks, size, _ = diagonals.shape
    total = groups * reach
    padded = diagonals.new_zeros(band, total, size, size)
    for d in range(band):
        padded[d, : max(blocks - d, 0)] = diagonals[d, : max(blocks - d, 0)]
    padded[0, blocks:] = torch.eye(size, dtype=diagonals.dtype, device=diagonals.device)
    by_group = padded.reshape(band, groups, reach, size, size)
    within = diagonals.new_zeros(groups, reach, size, reach, size)
    beyond = torch.zeros_like(within)
    for row in range(reach):
        for d in range(band):
            column = row + d
            block = by_group[d, :, row]
            if column < reach:
                within[:, row, :, column] = block
                within[:, column, :, row] = block.mT
            elif column < 2 * reach:
                beyond[:, row, :, column - reach] = block
    width = reach * size
    return within.reshape(groups, width, width), beyond.reshape(groups, width, width)
