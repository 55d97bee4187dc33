"""Which muscle pulls how much: a bounded, strictly convex problem, solved for many worlds at once.

Unknowns x (activations, reserve moments, contact forces) have an effect A on a few rows (joint moments and what else is
asked for) and should meet a target t at least effort:

    minimise   sum_j (t_j - (A x)_j)² / (2 softness_j²)  +  sum_i effort_i(x_i)   over  low <= x <= high.

A primal-dual interior-point method with Mehrotra's predictor and corrector solves it. There are hundreds of unknowns
but only some tens of rows, and unknowns meet each other in rows alone, so every step is one Cholesky factor of rows x
rows. It needs no luck: a moment that no muscles can make costs it two steps more. Every world takes the same number of
steps, so nothing waits for the device and a GPU can record them in a graph; the gap to the least cost is reported.

Sources: Mehrotra 1992, doi:10.1137/0802028 (the method); Crowninshield & Brand 1981, doi:10.1016/0021-9290(81)90035-X
(the problem). Both recalled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SOFTNESS = 0.03
"""Default softness of a row over the length of its row of A. Tuned: it leaves 0.02 Nm (median) of the moments of the
full body unmade where all can be made; at 0.01 the solver needs three steps more where they cannot."""
_ROUNDING = 1e-3
"""Makes the slope of a cubed effort rise from zero at once: effort (x³/3 + this · x²/2)."""
_EAGER = 0.99
"""Share of the way to the nearest bound that a step may go."""
_START = 10.0
"""First multipliers over the greatest price. Tuned with 12 steps on the built-in walk, run and squat and CMU 02_03: the
worst gap is 4e-6 with 10, 9e-2 with 1."""


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
        cube = x.abs() ** 3 / 3 + _ROUNDING * square
        return self.weight * torch.where(self.cubed, cube, square) + self.linear * x

    def slopes(self, x: Float[Tensor, "world unknown"]) -> tuple[Tensor, Tensor]:
        """First and second derivative."""
        first = torch.where(self.cubed, x.square() + _ROUNDING * x, x)
        second = torch.where(self.cubed, 2 * x.abs() + _ROUNDING, 1.0)
        return self.weight * first + self.linear, self.weight * second


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
    """How far the cost may be from the least one, over itself."""


def share(task: Task, steps: int = 12) -> Shared:
    """Solve for all worlds.

    Args:
        task: What is asked for.
        steps: Of Newton's method. Measured: 12 leave a gap below 1e-5 in all states tried, of both bodies, whether
            the moments can be made or not; 8 leave 1e-3 (median).
    """
    low, width = task.low.expand(len(task.target), -1), (task.high - task.low).expand(len(task.target), -1)
    # Every unknown goes from 0 to 1 inside, and every row is in units of its softness.
    soft = task.softness[..., None]
    effect = task.effect * width[:, None] / soft
    target = (task.target - _rows(task.effect, low)) / task.softness

    def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = task.effort.slopes(low + width * x)
        # An unknown of no width still needs a finite place.
        return first * width, second * width.square() + (width == 0)

    point = _start(effect, target)
    for _ in range(steps):
        point = _step(point, effect, target, slopes)
    value = low + width * point.x
    residual = task.target - _rows(task.effect, value)
    cost = (residual / task.softness).square().sum(dim=1) / 2 + task.effort.of(value).sum(dim=1)
    first, _ = slopes(point.x)
    # For a convex cost the slope g at x bounds what could be gained: g·x - the least of g·x' over the box.
    slope = first - _columns(effect, residual / task.softness)
    gain = (slope * point.x - slope.clamp(max=0)).sum(dim=1)
    return Shared(value, residual, cost, gain / cost.clamp(min=torch.finfo(cost.dtype).tiny))


_Slopes = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _Point:
    """Where the solver is: unknowns, prices of the rows, and the pressures of both bounds."""

    x: Float[Tensor, "world unknown"]
    price: Float[Tensor, "world row"]
    below: Float[Tensor, "world unknown"]
    above: Float[Tensor, "world unknown"]


def _start(effect: Tensor, target: Tensor) -> _Point:
    """The middle of the box, the prices that would do without bounds, and pressures that dwarf them."""
    x = torch.full_like(effect[:, 0], 0.5)
    system = effect @ effect.transpose(1, 2) + torch.eye(target.shape[1], dtype=target.dtype, device=target.device)
    factor, _ = torch.linalg.cholesky_ex(system)
    price = torch.cholesky_solve((target - _rows(effect, x))[..., None], factor)[..., 0]
    pressure = _START * _columns(effect, price).abs().amax(dim=1, keepdim=True).clamp(min=0.05)
    return _Point(x, price, pressure.expand_as(x).clone(), pressure.expand_as(x).clone())


def _step(point: _Point, effect: Tensor, target: Tensor, slopes: _Slopes) -> _Point:
    """One step of Mehrotra's method: look how far the bounds let us go, aim accordingly, go."""
    x, price, below, above = point.x, point.price, point.below, point.above
    room = 1 - x
    first, second = slopes(x)
    missing = target - _rows(effect, x) - price
    pull = _columns(effect, price) - first
    flexible = 1 / (second + below / x + above / room)
    system = (effect * flexible[:, None]) @ effect.transpose(1, 2)
    system.diagonal(dim1=1, dim2=2).add_(1.0)
    factor, _ = torch.linalg.cholesky_ex(system)

    def direction(low_aim: Tensor, high_aim: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Step towards x · below = low_aim and room · above = high_aim."""
        force = pull + low_aim / x - high_aim / room
        rows = missing - _rows(effect, flexible * force)
        step_price = torch.cholesky_solve(rows[..., None], factor)[..., 0]
        step_x = flexible * (force + _columns(effect, step_price))
        step_below = (low_aim - below * step_x) / x - below
        step_above = (high_aim + above * step_x) / room - above
        return step_x, step_price, step_below, step_above

    def farthest(moves: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        step_x, _, step_below, step_above = moves
        pairs = ((x, step_x), (room, -step_x), (below, step_below), (above, step_above))
        return torch.stack([(-move / rest).amax(dim=1) for rest, move in pairs]).amax(dim=0)

    zero = torch.zeros_like(x)
    now = (x * below + room * above).mean(dim=1)
    moves = direction(zero, zero)
    length = (1 / farthest(moves).clamp(min=1.0))[:, None]
    step_x, _, step_below, step_above = moves
    then = (x + length * step_x) * (below + length * step_below)
    then = (then + (room - length * step_x) * (above + length * step_above)).mean(dim=1)
    # Pressures fade no further than rounding allows, so a solved problem stays where it is.
    tiny = 10 * torch.finfo(x.dtype).eps
    aim = ((then / now).clamp(0, 1) ** 3 * now).clamp(min=tiny)[:, None]
    moves = direction(aim - step_x * step_below, aim + step_x * step_above)
    length = (_EAGER / farthest(moves).clamp(min=_EAGER))[:, None]
    step_x, step_price, step_below, step_above = (length * move for move in moves)
    edge = torch.finfo(x.dtype).eps
    return _Point(
        (x + step_x).clamp(edge, 1 - edge),
        price + step_price,
        (below + step_below).clamp(min=edge),
        (above + step_above).clamp(min=edge),
    )


def _rows(effect: Tensor, value: Tensor) -> Tensor:
    return (effect @ value[..., None])[..., 0]


def _columns(effect: Tensor, price: Tensor) -> Tensor:
    return (price[:, None] @ effect)[:, 0]
