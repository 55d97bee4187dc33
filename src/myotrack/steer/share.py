"""Which muscle pulls how much: a bounded, strictly convex problem, solved for many worlds at once.

Unknowns x (activations, reserve moments, contact forces) have an effect A on a few rows (joint moments and what else is
asked for) and should meet a target t at least effort:

    minimise   sum_j (t_j - (A x)_j)² / (2 softness_j²)  +  sum_i effort_i(x_i)   over  low <= x <= high.

An interior-point method solves it (`interior`). It needs no luck: a moment that no muscles can make costs it two steps
more. Unknowns and rows that have nothing to do with each other are solved apart if their parts are told (`parts`).

Source: Crowninshield & Brand 1981, doi:10.1016/0021-9290(81)90035-X (the problem), recalled.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.steer.interior import least
from myotrack.steer.parts import Parts, joined

SOFTNESS = 0.03
"""Default softness of a row over the length of its row of A. Tuned: it leaves 0.02 Nm (median) of the moments of the
full body unmade where all can be made; at 0.01 the solver needs three steps more where they cannot."""
_ROUNDING = 1e-3
"""Makes the slope of a cubed effort rise from zero at once: effort (x³/3 + this · x²/2)."""


@dataclass(frozen=True)
class Effort:
    """What an unknown costs: weight x²/2 + linear x, or weight (x³/3 + a trace of x²) + linear x where cubed."""

    weight: Float[Tensor, "#world unknown"]
    """Positive: this is what makes the answer unique."""
    linear: Float[Tensor, "#world unknown"]
    cubed: Bool[Tensor, "unknown"]
    """Only unknowns that cannot be negative may be cubed."""

    def of(self, x: Float[Tensor, "world unknown"]) -> Float[Tensor, "world unknown"]:
        """Effort of each unknown."""
        square = x.square() / 2
        cube = square * (x.abs() * (2 / 3) + _ROUNDING)
        return self.weight * torch.where(self.cubed, cube, square) + self.linear * x

    def slope(self, x: Float[Tensor, "#world unknown"]) -> Float[Tensor, "_ unknown"]:
        """How fast the effort of each unknown rises."""
        return self.weight * torch.where(self.cubed, x * (x + _ROUNDING), x) + self.linear


@dataclass(frozen=True)
class Task:
    """What is asked of the unknowns."""

    effect: Float[Tensor, "world row unknown"]
    """What a unit of each unknown adds to each row: for a muscle its moment at full activation [N m]."""
    target: Float[Tensor, "world row"]
    softness: Float[Tensor, "#world row"]
    """How far a row may be missed, in its own unit, at the cost of half a unit of effort."""
    effort: Effort
    low: Float[Tensor, "#world unknown"]
    high: Float[Tensor, "#world unknown"]
    """Finite; above `low`, or equal to it for an unknown that is known."""


@dataclass(frozen=True)
class Shared:
    """The answer."""

    value: Float[Tensor, "world unknown"]
    """Within its bounds even where the rows could not be met."""
    residual: Float[Tensor, "world row"]
    """Target minus what is reached, in the units of the rows."""
    cost: Float[Tensor, "world"]
    """Of the whole objective."""
    gap: Float[Tensor, "world"]
    """How far the cost may be from the least one, over its own size; no measure where nothing is asked."""


@torch.no_grad()
def share(task: Task, steps: int = 12, parts: Parts | None = None) -> Shared:
    """Solve for all worlds. No gradient flows through the answer.

    Args:
        task: What is asked for.
        steps: Of Newton's method. Measured (`benchmarks/share.py`): 12 leave a gap below 1e-5 in all states tried, of
            both bodies, whether the moments can be made or not (cubed: 4e-5); 10 leave 2e-4 at worst, 8 leave 2e-2.
        parts: Of rows and unknowns that have nothing to do with each other, on the task's device; makes the full body
            several times faster. None: everything may touch everything.

    Raises:
        ValueError: The parts are those of another problem.
    """
    rows, unknowns = task.effect.shape[1:]
    if parts is not None and parts.size != (rows, unknowns):
        raise ValueError(
            f"The parts are those of {parts.size[0]} rows and {parts.size[1]} unknowns, the task has {rows} and "
            f"{unknowns}. Make them from a pattern of this task: Parts.of(pattern)."
        )
    low, high, width = task.low, task.high, task.high - task.low
    square = torch.where(task.effort.cubed, task.effort.weight, 0.0) * width.square() * width
    # An unknown of no width still needs a finite place.
    bend = torch.where(task.effort.cubed, 2 * low + _ROUNDING, 1.0) * task.effort.weight * width.square() + (width == 0)
    unknown = _Unknowns(low, width, task.effort.slope(low) * width, bend, square)
    if parts is None:
        found, price = _solved(task.effect, task.target, task.softness, unknown, steps)
    else:
        answers = [
            _solved(
                batch.effect(task.effect),
                batch.rows(task.target, 0.0),
                batch.rows(task.softness, 1.0),
                _Unknowns(*(batch.unknowns(each, pad) for each, pad in zip(unknown, _NOBODY, strict=True))),
                steps,
            )
            for batch in parts.batches
        ]
        found = joined([each for each, _ in answers], parts.unknown_place)
        price = joined([each for _, each in answers], parts.row_place)
    return _judged(task, torch.clamp(found, low, high), price)


class _Unknowns(NamedTuple):
    """What the solver has to know of each unknown (..., unknown), of one world or all."""

    low: Tensor
    width: Tensor
    constant: Tensor
    """Slope of the effort by the share of the width, at low."""
    linear: Tensor
    """Its rise."""
    square: Tensor
    """How fast that rises."""


_NOBODY = (0.0, 0.0, 0.0, 1.0, 0.0)
"""The same of an unknown that is not there."""


def _solved(effect: Tensor, target: Tensor, softness: Tensor, unknown: _Unknowns, steps: int) -> tuple[Tensor, Tensor]:
    """Unknowns (..., unknown) and prices of the rows (..., row), for leading dimensions of worlds, or worlds and parts.

    Args:
        effect: (..., row, unknown)
        target: (..., row)
        softness: (..., row), one world or all.
        unknown: Of each unknown.
        steps: Of Newton's method.
    """
    low, width, *_ = unknown
    # Every unknown goes from 0 to 1 inside, and every row is in units of its softness.
    asked = (target - (effect @ low[..., None])[..., 0]) / softness
    scaled = effect * width[..., None, :] / softness[..., None]
    *leading, rows, unknowns = effect.shape
    constant, linear, square = (each.expand(*leading, unknowns).reshape(-1, unknowns) for each in unknown[2:])
    x, price = least(scaled.reshape(-1, rows, unknowns), asked.reshape(-1, rows), constant, linear, square, steps)
    return low + width * x.view(*leading, unknowns), price.view(*leading, rows)


def _judged(task: Task, value: Tensor, price: Tensor) -> Shared:
    """The answer, with what it costs and how far that may be from the least cost."""
    residual = task.target - (task.effect @ value[..., None])[..., 0]
    miss = residual / task.softness
    cost = miss.square().sum(dim=1) / 2 + task.effort.of(value).sum(dim=1)
    # Whatever the prices y, the cost less the least one of the Lagrangian bounds what could be gained. For convex
    # efforts that is at most |miss - y|²/2 + g·x - the least of g·x' over the box, with g = effort' - effectᵀ y. In
    # single precision y = miss would do worse by far: the rounding of the rows would be taken for a gain.
    slope = task.effort.slope(value) - ((price / task.softness)[:, None] @ task.effect)[:, 0]
    gain = (slope * value - torch.minimum(slope * task.low, slope * task.high)).sum(dim=1)
    gain = gain + (miss - price).square().sum(dim=1) / 2
    return Shared(value, residual, cost, gain / cost.abs().clamp(min=torch.finfo(cost.dtype).tiny))
