"""From wanted moments to a problem for `share`: which rows are asked, who may answer them, and how a miss counts.

Rows are the moments of the joints; nobody inside a body can make the six forces of its free root. Unknowns are the
activations and, only if asked for, reserve moments and what the floor pushes. Measured muscles add rows of their own.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.anatomy.tension import Tension
from myotrack.simulate.mechanics import Mechanics, PerCoordinate
from myotrack.steer.share import SOFTNESS, Effort, Shared, Task

Metric = Literal["strength", "acceleration"]
ACCELERATION_SOFTNESS = 3.0
"""Default softness of rows in the metric 'acceleration' [N m / sqrt(kg m²)]. Tuned by muscle control of CMU 13_26 and
the built-in lift: 1 to 10 follow alike; smaller ones co-contract where moments cannot be made (mean activation 0.15
with 0.3, 0.08 with 3), and below 0.3 the solver's steps do not suffice."""
_FIRM = 0.1
"""Softness of a row with a reserve, over the reserve's unit: of a moment that muscles cannot make, the reserve makes
all but the square of this."""
_WEAKEST = 1.0
"""Least length of a row of moments for its softness [N m]: a joint without muscles is not asked for the impossible."""


@dataclass(frozen=True)
class Reserve:
    """Moments from nowhere, for where the body's muscles do not suffice: explicit, bounded, dear."""

    bound: float
    """Largest moment per joint [N m]."""
    unit: float = 1.0
    """Moment that costs as much as one muscle at full activation [N m]. Cited: reserve actuators of computed muscle
    control have an optimal force of 1 (OpenSim documentation, 'Getting Started with CMC')."""


@dataclass(frozen=True)
class Measured:
    """Mean activations of groups of muscles that should come near to recorded ones."""

    share: Float[Tensor, "group muscle"]
    """Of each muscle in the mean of its group; rows sum to 1."""
    level: Float[Tensor, "world group"]
    """Recorded envelopes, in units of activation."""
    softness: Float[Tensor, "#world group"]
    """By how much activation a group may miss its level at the cost of half a unit of effort."""


@dataclass(frozen=True)
class Others:
    """Unknowns beside the muscles, such as what the floor may push."""

    effect: Float[Tensor, "world coordinate other"]
    """Generalised force of a unit of each [N m; N where the root shifts]."""
    weight: Float[Tensor, "#world other"]
    """Their squared effort."""
    high: Float[Tensor, "world other"]
    """The most of each; the least is zero."""


@dataclass(frozen=True)
class Recruited:
    """Who pulls, and what is left undone."""

    activation: Float[Tensor, "world muscle"]
    moments: Float[Tensor, "world row"]
    """What all muscles make, their passive forces included [N m]."""
    reserve: Float[Tensor, "world row"]
    """Moments from nowhere [N m]; zero if none were allowed."""
    others: Float[Tensor, "world row"]
    """What the other unknowns make [N m]; zero without any."""
    residual: Float[Tensor, "world row"]
    """Wanted, minus what all of these make [N m]."""
    gap: Float[Tensor, "world"]
    """How far the cost may be from the least one, over itself."""


@dataclass(frozen=True)
class Recruitment:
    """A problem for `share`, and how to read its answer."""

    task: Task
    effect: Float[Tensor, "world row muscle"]
    """Moment of every muscle at full activation, without its passive part [N m]."""
    passive: Float[Tensor, "world row"]
    """Moments of the muscles' passive forces [N m]."""
    wanted: Float[Tensor, "world row"]
    """[N m]"""
    aside: Float[Tensor, "world row other"]
    """Moment of a unit of every other unknown [N m]; they come last."""

    def guided(self, measured: Measured) -> "Recruitment":
        """The same problem with recorded activations as further rows.

        Args:
            measured: Of the muscles of this problem.
        """
        task = self.task
        worlds, _, unknowns = task.effect.shape
        more = measured.share.to(task.effect)
        more = torch.cat([more, more.new_zeros(len(more), unknowns - more.shape[1])], dim=1).expand(worlds, -1, -1)
        soft = measured.softness.to(task.softness).expand(worlds, -1)
        return replace(
            self,
            task=replace(
                task,
                effect=torch.cat([task.effect, more], dim=1),
                target=torch.cat([task.target, measured.level.to(task.target)], dim=1),
                softness=torch.cat([task.softness.expand(worlds, -1), soft], dim=1),
            ),
        )

    def repeated(self, times: int) -> "Recruitment":
        """All worlds again and again, one whole set after the other."""

        def again(values: Tensor) -> Tensor:
            return values if len(values) == 1 else values.repeat(times, *[1] * (values.ndim - 1))

        task, price = self.task, self.task.effort
        return Recruitment(
            Task(
                again(task.effect),
                again(task.target),
                again(task.softness),
                Effort(again(price.weight), again(price.linear), price.cubed),
                again(task.low),
                again(task.high),
            ),
            again(self.effect),
            again(self.passive),
            again(self.wanted),
            again(self.aside),
        )

    def read(self, answer: Shared) -> Recruited:
        """The answer in units of moments, whatever the metric was."""
        muscles = self.effect.shape[2]
        activation = answer.value[:, :muscles]
        last = answer.value.shape[1] - self.aside.shape[2]
        reserve = answer.value[:, muscles:last] if last > muscles else torch.zeros_like(self.wanted)
        made = (self.effect @ activation[..., None])[..., 0] + self.passive
        others = (self.aside @ answer.value[:, last:, None])[..., 0]
        return Recruited(activation, made, reserve, others, self.wanted - made - reserve - others, answer.gap)


def recruit(
    mechanics: Mechanics,
    tension: Tension,
    moments: PerCoordinate,
    effort: Effort,
    rows: Int[Tensor, "row"],
    muscles: Int[Tensor, "some"] | None = None,
    low: Float[Tensor, "#world muscle"] | None = None,
    high: Float[Tensor, "#world muscle"] | None = None,
    metric: Metric = "strength",
    softness: float | None = None,
    reserve: Reserve | None = None,
    measured: Measured | None = None,
    others: Others | None = None,
) -> Recruitment:
    """Ask muscles for moments.

    Args:
        mechanics: Of every world.
        tension: What every muscle can pull there.
        moments: Wanted from all muscles together, as `inverse.inverse` gives them [N m].
        effort: What activations cost.
        rows: Coordinates whose moments are asked for.
        muscles: Who may answer; all if not given. What else is given per muscle is given for all of the body's.
        low: Least activation; 0 if not given.
        high: Greatest activation; 1 if not given.
        metric: 'strength' judges each moment by what its muscles can make, as suits static optimisation. 'acceleration'
            judges all together by the accelerations that go wrong (rows times the inverse of L, mass = L Lᵀ: Gauss'
            principle of least constraint), as suits feedback control where moments cannot be made.
        softness: Of a row: over the length of its row of full strength (default `share.SOFTNESS`; less with
            a reserve, which is to take what is missing), or in sqrt(kg) m/s² (default `ACCELERATION_SOFTNESS`).
        reserve: Moments from nowhere. None: none.
        measured: Recorded activations of some groups, as soft targets.
        others: Further unknowns.
    """
    chosen = torch.arange(mechanics.moment_arm.shape[1], device=rows.device) if muscles is None else muscles
    arm = mechanics.moment_arm[:, chosen][:, :, rows].transpose(1, 2)
    effect = arm * tension.active[:, None, chosen]
    passive = (arm @ tension.passive[:, chosen, None])[..., 0]
    wanted = moments[:, rows]
    worlds, count, _ = effect.shape
    if metric == "strength":
        asked, target = effect, wanted - passive
        soft = (SOFTNESS if softness is None else softness) * effect.norm(dim=2).clamp(min=_WEAKEST)
        if reserve is not None:
            # A row that gives way for less than a reserve costs would hide what is missing.
            soft = soft.clamp(max=_FIRM * reserve.unit)
        turn = None
    else:
        turn = torch.linalg.cholesky(mechanics.mass[:, rows][:, :, rows])
        asked, target = _undone(turn, effect), _undone(turn, (wanted - passive)[..., None])[..., 0]
        soft = torch.full_like(target, ACCELERATION_SOFTNESS if softness is None else softness)
        if reserve is not None:
            inertia = mechanics.mass.diagonal(dim1=1, dim2=2)[:, rows]
            soft = torch.minimum(soft, _FIRM * reserve.unit / inertia.sqrt())
    nothing, everything = torch.zeros_like(effect[:1, 0]), torch.ones_like(effect[:1, 0])
    floor = nothing if low is None else low[:, chosen]
    ceiling = everything if high is None else high[:, chosen]
    price = Effort(effort.weight[:, chosen], effort.linear[:, chosen], effort.cubed[chosen])
    if reserve is not None:
        one = torch.eye(count, dtype=effect.dtype, device=effect.device).expand(worlds, -1, -1)
        asked = torch.cat([asked, one if turn is None else _undone(turn, one)], dim=2)
        bound = torch.full_like(wanted[:1], reserve.bound)
        floor, ceiling = _beside(floor, -bound), _beside(ceiling, bound)
        price = _beside_it(price, torch.full_like(bound, reserve.unit**-2))
    aside = effect[:, :, :0] if others is None else others.effect[:, rows]
    if others is not None:
        asked = torch.cat([asked, aside if turn is None else _undone(turn, aside)], dim=2)
        floor, ceiling = _beside(floor, torch.zeros_like(others.high)), _beside(ceiling, others.high)
        price = _beside_it(price, others.weight)
    problem = Recruitment(Task(asked, target, soft, price, floor, ceiling), effect, passive, wanted, aside)
    return problem if measured is None else problem.guided(replace(measured, share=measured.share[:, chosen]))


def _undone(turn: Tensor, columns: Tensor) -> Tensor:
    """L⁻¹ columns."""
    return torch.linalg.solve_triangular(turn, columns, upper=False)


def _beside(left: Tensor, right: Tensor) -> Tensor:
    """Joined along the last axis; either may be one row for all worlds."""
    worlds = max(len(left), len(right))
    return torch.cat([left.expand(worlds, -1), right.expand(worlds, -1)], dim=1)


def _beside_it(price: Effort, weight: Tensor) -> Effort:
    """With the squared effort of further unknowns."""
    return Effort(
        _beside(price.weight, weight),
        _beside(price.linear, torch.zeros_like(weight)),
        torch.cat([price.cubed, torch.zeros(weight.shape[1], dtype=torch.bool, device=price.cubed.device)]),
    )
