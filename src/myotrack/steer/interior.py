"""A bounded, strictly convex problem, solved for many parts at once by an interior-point method.

    minimise   |target - effect x|² / 2  +  sum_i f_i(x_i)   over  0 < x < 1,   f_i' = constant + linear x + square x²

There are hundreds of unknowns but only some tens of rows, and unknowns meet each other in rows alone, so a step of
Mehrotra's method is one Cholesky factor of rows x rows. Every part takes the same number of steps and nothing is
decided by its values, so nothing waits for the device and a GPU can record the steps in a graph. Every call starts
from the middle of the box: from the answer of 10 ms ago a walk takes three or four steps less, but in a run, where
moments leap to what no muscle can make, 12 leave the worst cost at several times the least (docs/benchmarks.md).

With y the prices of the rows and p the pressures of the bounds at the distances d (x below, 1 - x above), a step solves

    effect dx + dy = missing,      f'' dx - effectᵀ dy - dp_below + dp_above = pull,      p dd + d dp = aim - p d.

The words are those of torch and NumPy alike: torch for many parts, NumPy for few, whose calls cost a third as much.
Source: Mehrotra 1992, doi:10.1137/0802028, recalled.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_EAGER = 0.99
"""Share of the way to the nearest bound that a step may go."""
_START = 10.0
"""First pressures over the greatest price. Tuned with 12 steps on the built-in walk, run and squat and CMU 02_03: the
worst gap is 4e-6 with 10, 9e-2 with 1."""
_LEAST = 0.05
"""Least price that first pressures are measured by. Tuned likewise."""
_EDGE = 0.01
"""How near to a bound an unknown, or to nothing a pressure, may come, over the rounding of 1; so a solved problem stays
where it is. Tuned on states of both bodies, 12 to 60 steps in float32: with 1 the worst cost is 2e-4 too high, with
this 2e-6."""
_FEW = 4000
"""Unknowns of all parts up to which NumPy is quicker. Measured on one core: the two are equal at about 100 limbs."""
_ARRAYS = 26
"""Numbers kept per unknown."""
_CHUNK = 6_400_000
"""Bytes of all parts that are solved at once on a CPU, so that they stay in its cache. Measured on one core with parts
of 3 x 210, 7 x 40 and 27 x 64: half or twice as much takes up to a half longer."""

PerUnknown = Float[Tensor, "part unknown"]


def least(
    effect: Float[Tensor, "part row unknown"],
    target: Float[Tensor, "part row"],
    constant: PerUnknown,
    linear: PerUnknown,
    square: PerUnknown,
    steps: int,
) -> tuple[PerUnknown, Float[Tensor, "part row"]]:
    """Where every part's cost is least, between 0 and 1, and the prices of its rows: what a unit of target costs there.

    Args:
        effect: What each unknown adds to each row.
        target: Of the rows.
        constant: Slope of the effort at 0.
        linear: Its rise; positive.
        square: How fast its rise rises; not negative.
        steps: Of Newton's method.
    """
    vectors = [each[:, None] for each in (target, constant, linear, square)]
    parts, rows, unknowns = effect.shape
    if effect.device.type != "cpu":
        return _solve(_Torch, steps, effect, *vectors)
    if parts * unknowns <= _FEW:
        with np.errstate(all="ignore"):
            x, price = _solve(_Numpy, steps, *(each.numpy() for each in (effect, *vectors)))
        return torch.from_numpy(x), torch.from_numpy(price)
    size = max(1, _CHUNK // (unknowns * (2 * rows + _ARRAYS) * effect.element_size()))
    pieces = zip(*(each.split(size) for each in (effect, *vectors)), strict=True)
    x, price = zip(*(_solve(_Torch, steps, *piece) for piece in pieces), strict=True)
    return torch.cat(x), torch.cat(price)


class _Torch:
    """Words that torch and NumPy do not share, for torch."""

    empty = staticmethod(torch.Tensor.new_empty)
    matmul, multiply, add, subtract = torch.bmm, torch.mul, torch.add, torch.sub
    negative, reciprocal, at_least, at_most = torch.neg, torch.reciprocal, torch.clamp_min, torch.clamp_max

    @staticmethod
    def rounding(like: Tensor) -> float:
        return torch.finfo(like.dtype).eps

    @staticmethod
    def largest(values: Tensor) -> Tensor:
        return values.amax(dim=(1, 2), keepdim=True)

    @staticmethod
    def total(values: Tensor) -> Tensor:
        return values.sum(dim=(1, 2), keepdim=True)

    @staticmethod
    def multiply_add(base: Tensor, left: Tensor, right: Tensor, out: Tensor) -> Tensor:
        """base + left · right."""
        return torch.addcmul(base, left, right, out=out)

    @staticmethod
    def multiply_subtract(base: Tensor, left: Tensor, right: Tensor, out: Tensor) -> Tensor:
        """base - left · right."""
        return torch.addcmul(base, left, right, value=-1, out=out)

    @staticmethod
    def identity(rows: int, like: Tensor) -> Tensor:
        return torch.eye(rows, dtype=like.dtype, device=like.device).expand(len(like), -1, -1)

    @staticmethod
    def factor(one: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Of the matrix 1 + left right."""
        # A part that is not made of numbers fails alone; the plain Cholesky would raise for all.
        return torch.linalg.cholesky_ex(torch.baddbmm(one, left, right))[0]

    @staticmethod
    def solve(factor: Tensor, rows: Tensor) -> Tensor:
        return torch.cholesky_solve(rows.mT, factor).mT


class _Numpy:
    """The same words for NumPy."""

    matmul, multiply, add, subtract = np.matmul, np.multiply, np.add, np.subtract
    negative, reciprocal, at_least, at_most = np.negative, np.reciprocal, np.maximum, np.minimum

    @staticmethod
    def empty(like: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.empty(shape, like.dtype)

    @staticmethod
    def rounding(like: np.ndarray) -> float:
        return float(np.finfo(like.dtype).eps)

    @staticmethod
    def largest(values: np.ndarray) -> np.ndarray:
        return np.maximum.reduce(values, axis=(1, 2), keepdims=True)

    @staticmethod
    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduce(values, axis=(1, 2), keepdims=True)

    @staticmethod
    def multiply_add(base: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:
        np.multiply(left, right, out=out)
        return np.add(base, out, out=out)

    @staticmethod
    def multiply_subtract(base: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> np.ndarray:
        np.multiply(left, right, out=out)
        return np.subtract(base, out, out=out)

    @staticmethod
    def identity(rows: int, like: np.ndarray) -> np.ndarray:
        return np.eye(rows, dtype=like.dtype)

    @staticmethod
    def factor(one: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        # The inverse itself: NumPy has no call that solves by a factor, and the matrix is 1 plus a square.
        return np.linalg.inv(np.matmul(left, right) + one)

    @staticmethod
    def solve(factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.matmul(rows, factor)


def _solve(
    words: Any, steps: int, effect: Any, target: Any, constant: Any, linear: Any, square: Any
) -> tuple[Any, Any]:
    """Mehrotra's steps on arrays (part, 1, unknown), in place: most of the time goes into calls and memory."""
    parts, rows, unknowns = effect.shape
    add, subtract, multiply, at_least = words.add, words.subtract, words.multiply, words.at_least
    multiply_add, multiply_subtract = words.multiply_add, words.multiply_subtract
    edge = _EDGE * words.rounding(effect)

    def array(channels: int) -> Any:
        return words.empty(effect, (parts, channels, unknowns))

    # Distances from both bounds, then the pressures of both. Moves are kept with the sign turned round.
    at, moves, over, spare = array(4), array(4), array(4), array(4)
    x, place, pressure = at[:, :1], at[:, :2], at[:, 2:]
    back, forth, place_moves, pressure_moves = moves[:, :1], moves[:, 1:2], moves[:, :2], moves[:, 2:]
    over_place, spare_place, spare_pressure = over[:, :2], spare[:, :2], spare[:, 2:]
    ratio, push, product = array(2), array(2), array(2)
    ratio_below, ratio_above, push_below, push_above = ratio[:, :1], ratio[:, 1:], push[:, :1], push[:, 1:]
    bend, flexible, pull, force = array(1), array(1), array(1), array(1)
    bent = words.empty(effect, effect.shape)
    columns, bent_columns, one = effect.mT, bent.mT, words.identity(rows, effect)

    def direction(force: Any, held: Any, factor: Any) -> tuple[Any, Any, Any]:
        """Moves under a force on the unknowns; prices, what they pull, and how often the nearest bound is passed."""
        price = words.solve(factor, subtract(missing, words.matmul(force, bent_columns)))
        pulled = words.matmul(price, effect)
        add(force, pulled, out=forth)
        multiply(forth, flexible, out=forth)
        words.negative(forth, out=back)
        multiply_subtract(held, ratio, place_moves, out=pressure_moves)
        return price, pulled, words.largest(multiply(moves, over, out=spare))

    def complementarity(where: Any, by: Any) -> Any:
        return words.total(multiply(where, by, out=product)) / (2 * unknowns)

    # The middle of the box, the prices that would do without bounds, and pressures that dwarf them.
    at[:, :2] = 0.5
    missing = target - effect.sum(2)[:, None] / 2
    price = words.solve(words.factor(one, effect, columns), missing)
    missing, pulled = missing - price, words.matmul(price, effect)
    at[:, 2:] = _START * at_least(words.largest(abs(pulled)), _LEAST)
    for _ in range(steps):
        words.reciprocal(at, out=over)
        multiply(pressure, over_place, out=ratio)
        multiply_add(linear, square, x, out=bend)
        multiply_add(constant, bend, x, out=pull)
        subtract(pulled, pull, out=pull)
        multiply_add(bend, square, x, out=flexible)
        add(flexible, ratio_below, out=flexible)
        add(flexible, ratio_above, out=flexible)
        words.reciprocal(flexible, out=flexible)
        multiply(effect, flexible, out=bent)
        factor = words.factor(one, bent, columns)
        # Predict: how far would the bounds let us go if we aimed at the least cost?
        now = complementarity(place, pressure)
        _, _, beyond = direction(pull, pressure, factor)
        multiply_subtract(at, moves, 1 / at_least(beyond, 1.0), out=spare)
        share = words.at_most(complementarity(spare_place, spare_pressure) / now, 1.0)
        aim = at_least(share * share * share * now, edge)
        # Correct: aim at a point as far inside, and make up for the curvature on the way.
        multiply_subtract(aim, place_moves, pressure_moves, out=push)
        multiply(push, over_place, out=push)
        add(pull, push_below, out=force)
        subtract(force, push_above, out=force)
        step_price, step_pulled, beyond = direction(force, subtract(pressure, push, out=push), factor)
        length = _EAGER / at_least(beyond, _EAGER)
        multiply_subtract(at, moves, length, out=spare)
        at_least(spare, edge, out=at)
        price += length * step_price
        pulled += length * step_pulled
        missing *= 1 - length
    return x[:, 0], price[:, 0]
