"""Sharing: against solvers of other people, by hand, and the laws of a least cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.clips.builtin import builtin
from myotrack.simulate.threads import Threads
from myotrack.steer.parts import Parts, touching
from myotrack.steer.share import SOFTNESS, Effort, Shared, Task, share

F64 = torch.float64
CLIPS = {"full": ("walk", "run", "squat"), "arms": ("reach", "lift")}
FRAMES = 4


def squared(unknowns: int, dtype: torch.dtype = F64, cubed: bool = False) -> Effort:
    return Effort(
        torch.ones(1, unknowns, dtype=dtype), torch.zeros(1, unknowns, dtype=dtype), torch.full((unknowns,), cubed)
    )


def small(effect: list, target: list, softness: float = 0.1, high: float = 1.0, cubed: bool = False) -> Task:
    """One world."""
    rows = torch.tensor([effect], dtype=F64)
    wanted = torch.tensor([target], dtype=F64)
    unknowns = rows.shape[2]
    return Task(
        rows,
        wanted,
        torch.full_like(wanted, softness),
        squared(unknowns, cubed=cubed),
        torch.zeros(1, unknowns, dtype=F64),
        torch.full((1, unknowns), high, dtype=F64),
    )


def of_clip(anatomy: Anatomy, name: str) -> Task:
    """Moments of some frames, shared among the muscles; the forces on a free root are left to the ground."""
    clip = builtin(name, anatomy)
    frame = torch.linspace(20, clip.frames - 20, FRAMES).long()
    worlds, muscles = len(frame), anatomy.model.nu
    simulator = Threads(anatomy, worlds, threads=1, dtype=F64)
    still = torch.zeros(worlds, muscles, dtype=F64)
    simulator.reset(torch.ones(worlds, dtype=torch.bool), clip.pos[frame], clip.vel[frame], still)
    mechanics = simulator.mechanics
    tension = Curves.of(anatomy).tension(mechanics.muscle_length, mechanics.muscle_velocity)
    moments = torch.einsum("wij,wj->wi", mechanics.mass, clip.acc[frame]) + mechanics.bias - mechanics.passive
    arm = mechanics.moment_arm.transpose(1, 2)
    root = 6 if anatomy.free else 0
    effect = (arm * tension.active[:, None])[:, root:].contiguous()
    target = (moments - torch.einsum("wcm,wm->wc", arm, tension.passive))[:, root:]
    soft = SOFTNESS * effect.norm(dim=2).mean(dim=0, keepdim=True)
    low = torch.zeros(1, muscles, dtype=F64)
    return Task(effect, target, soft, squared(muscles), low, torch.ones_like(low))


def joined(tasks: list[Task]) -> Task:
    """Their worlds side by side."""
    first = tasks[0]
    return replace(
        first,
        effect=torch.cat([task.effect for task in tasks]),
        target=torch.cat([task.target for task in tasks]),
        softness=torch.cat([task.softness.expand_as(task.target) for task in tasks]),
    )


def to(task: Task, dtype: torch.dtype) -> Task:
    effort = Effort(task.effort.weight.to(dtype), task.effort.linear.to(dtype), task.effort.cubed)
    numbers = {name: getattr(task, name).to(dtype) for name in ("effect", "target", "softness", "low", "high")}
    return Task(effort=effort, **numbers)


def picked(task: Task, worlds: slice | Tensor) -> Task:
    return replace(task, effect=task.effect[worlds], target=task.target[worlds], softness=task.softness[worlds])


@pytest.fixture(scope="module", params=["arms", "full"])
def states(request: pytest.FixtureRequest) -> Task:
    anatomy: Anatomy = request.getfixturevalue(request.param)
    task = joined([of_clip(anatomy, name) for name in CLIPS[anatomy.name]])
    # Nobody lifts with ten times the strength: the last frames ask for what cannot be made.
    hard = picked(task, slice(-FRAMES, None))
    return joined([task, replace(hard, target=10 * hard.target)])


def referee(task: Task, world: int) -> tuple[np.ndarray, float]:
    """The same problem as one of ordinary bounded least squares; efforts squared."""
    effect, target, soft = (getattr(task, name)[world].numpy() for name in ("effect", "target", "softness"))
    root = task.effort.weight.expand(len(task.effect), -1)[world].sqrt().numpy()
    shift = task.effort.linear.expand(len(task.effect), -1)[world].numpy() / root
    matrix = np.concatenate([effect / soft[:, None], np.diag(root)])
    bounds = tuple(each.expand(len(task.effect), -1)[world].numpy() for each in (task.low, task.high))
    found = lsq_linear(matrix, np.concatenate([target / soft, -shift]), bounds, method="bvls", tol=1e-14, max_iter=2000)
    return found.x, found.cost - float((shift**2).sum() / 2)


def parts_of(task: Task) -> Parts:
    return Parts.of(touching(task.effect))


@pytest.mark.parametrize("apart", [False, True])
def test_the_cost_is_the_least_that_a_trusted_solver_finds(states: Task, apart: bool) -> None:
    found = share(states, parts=parts_of(states) if apart else None)
    for world in range(len(states.effect)):
        x, cost = referee(states, world)
        assert float(found.cost[world]) == pytest.approx(cost, rel=1e-5)
        residual = states.target[world] - states.effect[world] @ torch.as_tensor(x)
        torch.testing.assert_close(found.residual[world], residual, atol=0.02, rtol=0.0)
        # The promise is the true one: no less than what is still to be gained, and little more.
        assert float(found.cost[world]) - cost <= float(found.gap[world] * found.cost[world]) + 1e-9 * cost
    assert float(found.gap.max()) < 1e-5


@pytest.mark.parametrize("steps", [2, 5, 8])
def test_the_gap_bounds_what_is_lost_by_stopping_early(states: Task, steps: int) -> None:
    for parts in (None, parts_of(states)):
        early, late = share(states, steps, parts), share(states, 30, parts)
        lost = (early.cost - late.cost) / early.cost
        assert (lost <= early.gap + 1e-12).all()
        assert (lost >= -1e-10).all()
    assert (late.gap < 1e-10).all()


def test_no_unknown_leaves_its_bounds_whatever_is_asked(states: Task) -> None:
    for factor in (-100.0, 0.0, 3.0, 1e4):
        task = replace(states, target=factor * states.target)
        value = share(task, parts=parts_of(states)).value
        assert (value >= task.low).all()
        assert (value <= task.high).all()


def test_at_the_least_cost_an_unknown_is_at_a_bound_or_its_slope_is_zero(states: Task) -> None:
    found = share(states, 25)
    price = found.residual / states.softness.square()
    slope = states.effort.slope(found.value) - torch.einsum("wr,wru->wu", price, states.effect)
    inside = (found.value > 1e-5) & (found.value < 1 - 1e-5)
    assert float(slope[inside].abs().max()) < 1e-5
    assert float(slope[found.value <= 1e-5].min()) > -1e-5
    assert float(slope.where(found.value >= 1 - 1e-5, -1.0).max()) < 1e-5


def test_two_muscles_share_by_their_strength_as_worked_out_by_hand() -> None:
    # Strengths 1 and 2, 1 Nm wanted within softness s: minimise (1 - a - 2b)²/(2s²) + (a² + b²)/2. Both slopes are zero
    # where a = p, b = 2p with the price p = (1 - a - 2b)/s², so p = 1/(s² + 5): the activations are as the strengths,
    # the shares of the moment as their squares, 1 to 4.
    softness = 0.1
    found = share(small([[1.0, 2.0]], [1.0], softness), 20)
    price = 1 / (softness**2 + 5)
    torch.testing.assert_close(found.value, torch.tensor([[price, 2 * price]], dtype=F64), atol=1e-9, rtol=0.0)
    assert float(found.residual[0, 0]) == pytest.approx(softness**2 * price, abs=1e-9)
    # With 2.7 wanted the stronger one is at its bound; the other does what is left: a = p = (2.7 - 2 - a)/s².
    found = share(small([[1.0, 2.0]], [2.7], softness), 20)
    expected = torch.tensor([[0.7 / (1 + softness**2), 1.0]], dtype=F64)
    torch.testing.assert_close(found.value, expected, atol=1e-9, rtol=0.0)


def test_antagonists_rest() -> None:
    found = share(small([[1.0, -1.0]], [0.5]), 20)
    assert float(found.value[0, 1]) < 1e-9


def test_cubed_activations_share_by_the_root_of_strength() -> None:
    # Slopes a² = p and b² = 4p (but for a trace of a and b): activations as the roots of the strengths' ratio 4.
    found = share(small([[1.0, 4.0]], [1.0], 0.01, cubed=True), 25)
    a, b = found.value[0].tolist()
    assert b / a == pytest.approx(2.0, rel=0.01)
    assert a + 4 * b == pytest.approx(1.0, rel=1e-3)


def test_cubed_costs_are_the_least_that_a_trusted_solver_finds(states: Task) -> None:
    # One limb, the left arm or leg: more takes that solver too long.
    limb = slice(-7, None)
    mine = touching(states.effect)[limb].any(dim=0)
    count = int(mine.sum())
    task = Task(
        states.effect[:, limb][:, :, mine],
        states.target[:, limb],
        states.softness[:, limb],
        squared(count, cubed=True),
        states.low[:, mine],
        states.high[:, mine],
    )
    found = share(task, 20)
    for world in range(0, len(task.effect), 3):
        effect, target, soft = (getattr(task, name)[world].numpy() for name in ("effect", "target", "softness"))

        def cost(x: np.ndarray, effect=effect, target=target, soft=soft) -> tuple[float, np.ndarray]:
            miss = (target - effect @ x) / soft
            effort = (x**3 / 3 + 1e-3 * x**2 / 2).sum()
            return float((miss**2).sum() / 2 + effort), x**2 + 1e-3 * x - effect.T @ (miss / soft)

        start, bounds = np.full(count, 0.2), [(0, 1)] * count
        best = minimize(cost, start, jac=True, bounds=bounds, method="SLSQP", options={"maxiter": 2000, "ftol": 1e-14})
        assert cost(found.value[world].numpy())[0] == pytest.approx(float(found.cost[world]), rel=1e-9)
        assert float(found.cost[world]) == pytest.approx(best.fun, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 5), unknowns=st.integers(1, 12), cubed=st.booleans())
def test_any_problem_is_solved_to_its_bound(seed: int, rows: int, unknowns: int, cubed: bool) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    low = torch.zeros(1, unknowns, dtype=F64) if cubed else draw(1, unknowns)
    task = Task(
        draw(3, rows, unknowns),
        5 * draw(3, rows),
        draw(3, rows).exp() / 10,
        Effort(draw(3, unknowns).exp(), draw(3, unknowns), torch.full((unknowns,), cubed)),
        low,
        low + draw(3, unknowns).abs(),
    )
    found = share(task, 20)
    assert (found.gap * found.cost.abs() < 1e-6).all()
    assert (found.value >= task.low).all()
    assert (found.value <= task.high).all()
    if not cubed:
        for world in range(3):
            _, cost = referee(task, world)
            assert float(found.cost[world]) == pytest.approx(cost, rel=1e-6, abs=1e-9)


def test_what_is_known_stays_and_the_others_make_up_for_it(states: Task) -> None:
    few = picked(states, slice(0, 2))
    known = torch.arange(few.effect.shape[2]) % 5 == 0
    value = torch.where(known, 0.3, 0.0)[None].double()
    frozen = share(replace(few, low=value, high=torch.where(known, value, few.high)), 15, parts_of(states))
    assert torch.equal(frozen.value[:, known], value[:, known].expand(2, -1))
    # The same without them, what they do taken off the target.
    rest = Task(
        few.effect[:, :, ~known],
        few.target - few.effect[:, :, known].sum(dim=2) * 0.3,
        few.softness,
        squared(int((~known).sum())),
        few.low[:, ~known],
        few.high[:, ~known],
    )
    torch.testing.assert_close(frozen.value[:, ~known], share(rest, 15).value, atol=1e-4, rtol=0.0)


def test_reserves_help_both_ways_where_muscles_cannot() -> None:
    # A muscle of 1 Nm; 3 and -2 wanted. A reserve of up to 1.5 Nm that costs as much per Nm² as a muscle: the muscle
    # does all it can, or nothing, and the reserve goes to its bound.
    for wanted, muscle, reserve in ((3.0, 1.0, 1.5), (-2.0, 0.0, -1.5)):
        task = small([[1.0, 1.0]], [wanted])
        low, high = (torch.tensor([bounds], dtype=F64) for bounds in ([0.0, -1.5], [1.0, 1.5]))
        found = share(replace(task, low=low, high=high), 20)
        expected = torch.tensor([[muscle, reserve]], dtype=F64)
        torch.testing.assert_close(found.value, expected, atol=1e-8, rtol=0.0)
        assert float(found.residual[0, 0]) == pytest.approx(wanted - muscle - reserve, abs=1e-8)


def test_a_mirrored_problem_has_the_mirrored_answer(states: Task) -> None:
    rows, unknowns = states.effect.shape[1:]
    generator = torch.Generator().manual_seed(0)
    row, unknown = torch.randperm(rows, generator=generator), torch.randperm(unknowns, generator=generator)
    turned = replace(
        states,
        effect=-states.effect[:, row][:, :, unknown],
        target=-states.target[:, row],
        softness=states.softness[:, row],
    )
    for parts in (None, parts_of(states)):
        straight = share(states, 20, parts).value[:, unknown]
        mirrored = share(turned, 20, None if parts is None else parts_of(turned)).value
        torch.testing.assert_close(mirrored, straight, atol=1e-6, rtol=0.0)


def test_the_left_arm_pulls_like_the_right_in_a_mirrored_posture(arms: Anatomy) -> None:
    task = of_clip(arms, "lift")
    rows, unknowns = (size // 2 for size in task.effect.shape[1:])
    both = share(task, 20)
    right = share(
        Task(
            task.effect[:, :rows, :unknowns].contiguous(),
            task.target[:, :rows],
            task.softness[:, :rows],
            squared(unknowns),
            task.low[:, :unknowns],
            task.high[:, :unknowns],
        ),
        20,
    )
    torch.testing.assert_close(both.value[:, :unknowns], right.value, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("cubed", [False, True])
def test_single_precision_finds_the_same_within_its_rounding(states: Task, cubed: bool) -> None:
    task = replace(states, effort=squared(states.effect.shape[2], cubed=cubed))
    exact = share(task, 20)
    for parts in (None, parts_of(states)):
        rough = share(to(task, torch.float32), 14, parts)
        assert rough.value.dtype == torch.float32
        value = rough.value.double()
        residual = task.target - torch.einsum("wru,wu->wr", task.effect, value)
        cost = (residual / task.softness).square().sum(dim=1) / 2 + task.effort.of(value).sum(dim=1)
        assert float(((cost - exact.cost) / exact.cost).max()) < 1e-4
        assert float((residual - exact.residual).abs().max()) < 0.02
        assert float(rough.gap.max()) < 1e-3


@pytest.mark.parametrize("apart", [False, True])
def test_a_world_alone_is_answered_as_among_others(states: Task, apart: bool) -> None:
    parts = parts_of(states) if apart else None
    many = joined([states] * 12)
    together = share(many, parts=parts)
    for world in range(0, len(states.effect), 3):
        alone = share(picked(states, slice(world, world + 1)), parts=parts)
        torch.testing.assert_close(alone.value[0], together.value[world], atol=1e-9, rtol=0.0)
        torch.testing.assert_close(alone.residual[0], together.residual[world], atol=1e-6, rtol=0.0)


def test_parts_are_the_limbs_and_change_nothing_but_the_time(full: Anatomy) -> None:
    task = joined([of_clip(full, name) for name in CLIPS["full"]])
    parts = parts_of(task)
    sizes = sorted(tuple(batch.entry.shape) for batch in parts.batches)
    assert [size[:2] for size in sizes] == [(1, 3), (4, 7)]  # A trunk of three rows; four limbs of seven.
    assert sum(int((batch.unknown < 352).sum()) for batch in parts.batches) == 352
    whole, apart = share(task, 25), share(task, 25, parts)
    torch.testing.assert_close(apart.value, whole.value, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(apart.cost, whole.cost, atol=0.0, rtol=1e-10)


def test_whatever_the_pattern_nothing_is_lost_or_mixed_up() -> None:
    # Rows 0 and 2 with unknowns 1 and 3; row 1 with 0; row 3 with nobody; unknown 2 with nothing.
    pattern = torch.zeros(4, 4, dtype=torch.bool)
    for row, unknown in ((0, 1), (2, 1), (2, 3), (1, 0)):
        pattern[row, unknown] = True
    generator = torch.Generator().manual_seed(3)
    effect = torch.randn(5, 4, 4, generator=generator, dtype=F64) * pattern
    target = torch.randn(5, 4, generator=generator, dtype=F64)
    low = -torch.ones(1, 4, dtype=F64)
    task = Task(effect, target, torch.full_like(target, 0.1), squared(4), low, -low)
    torch.testing.assert_close(share(task, 25, Parts.of(pattern)).value, share(task, 25).value, atol=1e-7, rtol=0.0)


def test_what_the_pattern_forgot_shows_in_the_gap() -> None:
    # Two rows with 200 unknowns each, too many to be put together; the last 200 move the first row, too.
    own = torch.eye(2).repeat_interleave(200, dim=1).double()
    effect = own.clone()
    effect[0, 200:] = 1.0
    task = small(effect.tolist(), [0.5, 0.9])
    found = share(task, 20, Parts.of(own > 0))
    assert float(found.gap) > 0.1
    assert float(found.cost - share(task, 20).cost) <= float(found.gap * found.cost)
    assert float(found.residual[0, 0]) == pytest.approx(0.5 - float(found.value.sum()), abs=1e-12)


def test_parts_of_another_problem_are_refused() -> None:
    with pytest.raises(ValueError, match="The parts are those of 3 rows and 2 unknowns, the task has 1 and 2"):
        share(small([[1.0, 2.0]], [1.0]), parts=Parts.of(torch.ones(3, 2, dtype=torch.bool)))


def test_rows_that_nobody_can_move_or_that_say_the_same_do_no_harm() -> None:
    effect = [[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]
    found = share(small(effect, [1.0, 5.0, 1.0, 2.0]), 20)
    assert float(found.residual[0, 1]) == 5.0
    # The lengths of the equal rows add up: as one row of softness s / sqrt(1 + 1 + 4).
    once = share(small([[1.0, 2.0]], [1.0], 0.1 / 6**0.5), 20)
    torch.testing.assert_close(found.value, once.value, atol=1e-9, rtol=0.0)


def test_nothing_wanted_is_answered_by_rest(states: Task) -> None:
    found = share(replace(states, target=torch.zeros_like(states.target)))
    assert float(found.value.max()) < 1e-3
    assert torch.isfinite(found.gap).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("worlds", [1, None])
def test_many_steps_leave_a_solved_problem_where_it_is(states: Task, dtype: torch.dtype, worlds: int | None) -> None:
    task = to(picked(joined([states] * 8), slice(0, worlds)), dtype)
    for parts in (None, parts_of(states)):
        some, more = share(task, 40, parts), share(task, 120, parts)
        assert torch.isfinite(more.value).all()
        torch.testing.assert_close(more.value, some.value, atol=1e-3 if dtype == torch.float32 else 1e-6, rtol=0.0)


@pytest.mark.parametrize("repeats", [1, 12])
def test_a_world_that_left_the_numbers_is_alone_in_it(states: Task, repeats: int) -> None:
    task = joined([states] * repeats)
    for spoilt in ("effect", "target"):
        values = getattr(task, spoilt).clone()
        values[1] = float("nan")
        for parts in (None, parts_of(states)):
            found, clean = share(replace(task, **{spoilt: values}), parts=parts), share(task, parts=parts)
            others = torch.arange(len(values)) != 1
            torch.testing.assert_close(found.value[others], clean.value[others], atol=1e-9, rtol=0.0)
            assert torch.isnan(found.cost[1])
            assert torch.isnan(found.gap[1])


def test_what_is_asked_is_left_as_it_was(states: Task) -> None:
    kept = {name: getattr(states, name).clone() for name in ("effect", "target", "softness", "low", "high")}
    share(states)
    share(picked(states, slice(0, 1)))
    share(states, parts=parts_of(states))
    assert all(torch.equal(getattr(states, name), value) for name, value in kept.items())


def test_shapes_are_those_that_were_asked_for(states: Task) -> None:
    found: Shared = share(picked(states, slice(0, 3)), parts=parts_of(states))
    worlds, rows, unknowns = states.effect[:3].shape
    assert found.value.shape == (worlds, unknowns)
    assert found.residual.shape == (worlds, rows)
    assert found.cost.shape == found.gap.shape == (worlds,)
