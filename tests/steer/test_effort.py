"""What muscles are spared: hand-worked shares, invariances, reserve, and measured muscles."""

from dataclasses import replace

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves, Tension
from myotrack.simulate.mechanics import Mechanics
from myotrack.simulate.threads import Threads
from myotrack.steer.effort import COSTS, Cost, Muscles, effort, metabolic_power
from myotrack.steer.recruit import Measured, Recruited, Recruitment, Reserve, recruit
from myotrack.steer.share import share


def curves(peak: list[float], fibre: list[float]) -> Curves:
    """Muscles of these peak forces and fibre lengths, which shorten by 10 fibre lengths a second at most."""
    count = len(peak)
    same = {name: torch.full((count,), value, dtype=torch.float64) for name, value in VALUES.items()}
    from myotrack.anatomy.tension import _Curve

    one = _Curve(**same, peak=torch.tensor(peak).double(), fibre=torch.tensor(fibre).double())
    return Curves(one, one)


VALUES = {
    "shortest": 0.75, "low": 0.5, "high": 1.6, "speed": 10.0, "passive": 1.0, "eccentric": 1.2, "path_low": 0.3
}  # fmt: skip


def joint(arms: list[float], strong: list[float], moment: float, muscles: Curves, cost: Cost) -> torch.Tensor:
    """Activations of muscles that turn one joint."""
    active, none = torch.tensor([strong]).double(), torch.zeros(1, len(arms), dtype=torch.float64)
    mechanics = Mechanics(
        mass=torch.ones(1, 1, 1, dtype=torch.float64), bias=none[:, :1], passive=none[:, :1],
        moment_arm=torch.tensor([arms]).double()[..., None], muscle_length=none, muscle_velocity=none,
    )  # fmt: skip
    price = effort(cost, Muscles(muscles, none))
    wanted = torch.tensor([[moment]]).double()
    problem = recruit(mechanics, Tension(active, none), wanted, price, torch.tensor([0]), softness=1e-5)
    return problem.read(share(problem.task, 40)).activation[0]


def test_squares_share_a_moment_in_proportion_to_what_muscles_can_make() -> None:
    # Least a² + b² with 30 a + 10 b = 20: a : b = 3 : 1, so a = 0.6, b = 0.2.
    found = joint([0.03, 0.02], [1000.0, 500.0], 20.0, curves([1000.0, 500.0], [0.1, 0.1]), "squared")
    torch.testing.assert_close(found, torch.tensor([0.6, 0.2]).double(), atol=1e-4, rtol=0.0)


def test_cubes_share_it_by_the_root_of_that() -> None:
    # Least a³ + b³ with 40 a + 10 b = 18: a² : b² = 4 : 1, so a = 0.4, b = 0.2.
    found = joint([0.04, 0.02], [1000.0, 500.0], 18.0, curves([1000.0, 500.0], [0.1, 0.1]), "cubed")
    torch.testing.assert_close(found, torch.tensor([0.4, 0.2]).double(), atol=2e-3, rtol=0.0)


def test_volume_spares_long_muscles() -> None:
    # Weights 1 : 3 for fibres of 0.1 and 0.3 m: least a² + 3 b² with a + b = 0.8 gives a = 0.6, b = 0.2.
    found = joint([0.01, 0.01], [100.0, 100.0], 0.8, curves([100.0, 100.0], [0.1, 0.3]), "volume")
    torch.testing.assert_close(found, torch.tensor([0.6, 0.2]).double(), atol=1e-4, rtol=0.0)


def test_into_how_many_parts_a_body_divides_a_muscle_is_nothing_to_volume() -> None:
    whole = joint([0.03, 0.02], [1000.0, 500.0], 20.0, curves([1000.0, 500.0], [0.1, 0.2]), "volume")
    parted = [0.03, 0.03, 0.02], [400.0, 600.0, 500.0]
    parts = joint(*parted, 20.0, curves(parted[1], [0.1, 0.1, 0.2]), "volume")
    torch.testing.assert_close(parts, whole[[0, 0, 1]], atol=1e-4, rtol=0.0)
    squared = joint(*parted, 20.0, curves(parted[1], [0.1, 0.1, 0.2]), "squared")
    assert (squared[0] - squared[1]).abs() > 0.1


def test_weights_of_volume_have_a_mean_of_one(full: Anatomy) -> None:
    price = effort("volume", Muscles(Curves.of(full), torch.zeros(2, full.model.nu, dtype=torch.float64)))
    assert float(price.weight.mean()) == pytest.approx(1.0)


def test_metabolic_power_equals_a_calculation_by_hand() -> None:
    # 1000 N, fibres of 0.1 m, 10 lengths/s: 1000 W times phi. Still: phi = 0.054. Shortening at a quarter of the speed:
    # (0.054 + 0.1265 + 0.15375) / (1 - 0.2825 + 0.8 - 0.025625) = 0.33425 / 1.491875 = 0.224047.
    velocity = torch.tensor([[0.0], [-0.25], [0.25]], dtype=torch.float64)
    power = metabolic_power(curves([1000.0], [0.1]), velocity)[:, 0]
    assert float(power[0]) == pytest.approx(54.0)
    assert float(power[1]) == pytest.approx(224.047, abs=1e-3)
    assert 0 < float(power[2]) < float(power[0])  # Lengthening is cheap.


def test_metabolic_power_is_spent_where_fibres_do_not_shorten() -> None:
    muscles, none = curves([100.0, 100.0], [0.1, 0.1]), torch.zeros(1, 1, dtype=torch.float64)
    mechanics = Mechanics(
        none[..., None] + 1, none, none, torch.full((1, 2, 1), 0.01).double(), none.expand(1, 2),
        torch.tensor([[-0.2, 0.0]]).double(),
    )  # fmt: skip
    price = effort("metabolic", Muscles(muscles, mechanics.muscle_velocity))
    tension = Tension(torch.full((1, 2), 100.0).double(), none.expand(1, 2))
    problem = recruit(mechanics, tension, none + 0.5, price, torch.tensor([0]))
    activation = problem.read(share(problem.task, 20)).activation[0]
    assert activation[1] > 0.4 and activation[0] < 0.01


def test_an_unknown_cost_is_told_the_others() -> None:
    with pytest.raises(ValueError, match="Choose one of: squared, cubed, volume, metabolic."):
        effort("fatigue", Muscles(curves([1.0], [0.1]), torch.zeros(1, 1)))


def waving(arms: Anatomy, scale: float, **more) -> tuple[Recruitment, Recruited, torch.Tensor]:
    """The arms asked for moments that are `scale` times what random activations make."""
    simulator = Threads(arms, 4, dtype=torch.float64)
    mechanics, body = simulator.mechanics, Curves.of(arms)
    tension = body.tension(mechanics.muscle_length, mechanics.muscle_velocity)
    known = torch.rand(4, arms.model.nu, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moments = scale * torch.einsum("wm,wmc->wc", tension.at(known), mechanics.moment_arm)
    price = effort("squared", Muscles(body, mechanics.muscle_velocity))
    problem = recruit(mechanics, tension, moments, price, torch.arange(moments.shape[1]), **more)
    return problem, problem.read(share(problem.task, 30)), known


@pytest.mark.parametrize("cost", COSTS)
def test_every_cost_makes_the_moments_and_is_least(arms: Anatomy, cost: Cost) -> None:
    problem, _, known = waving(arms, 1.0)
    mechanics = Threads(arms, 4, dtype=torch.float64).mechanics
    price = effort(cost, Muscles(Curves.of(arms), mechanics.muscle_velocity))
    task = replace(problem.task, effort=price)
    found = share(task, 30)
    assert found.gap.max() < 1e-5
    assert (price.of(found.value).sum(dim=1) < price.of(known).sum(dim=1)).all()
    assert found.residual.abs().max() < 1.0


def test_reserve_is_off_unless_asked_for_bounded_and_told(arms: Anatomy) -> None:
    _, without, _ = waving(arms, 4.0)
    assert (without.reserve == 0).all() and without.residual.abs().max() > 5.0
    _, some, _ = waving(arms, 4.0, reserve=Reserve(bound=5.0))
    assert 0 < some.reserve.abs().max() <= 5.0
    _, much, _ = waving(arms, 4.0, reserve=Reserve(bound=500.0))
    assert much.residual.abs().max() < 0.2 * without.residual.abs().max()
    # Wanted = what muscles make + reserve + what is left.
    problem, found, _ = waving(arms, 4.0, reserve=Reserve(bound=5.0))
    torch.testing.assert_close(found.moments + found.reserve + found.residual, problem.wanted)
    _, unneeded, _ = waving(arms, 1.0, reserve=Reserve(bound=500.0))
    assert unneeded.reserve.abs().max() < 0.5


def test_the_metric_of_acceleration_wrongs_accelerations_least(arms: Anatomy) -> None:
    mass = Threads(arms, 4, dtype=torch.float64).mechanics.mass

    def wrong(found: Recruited) -> torch.Tensor:
        """rᵀ M⁻¹ r, Gauss' measure of constraint."""
        late = torch.linalg.solve(mass, found.residual[..., None])
        return (found.residual[..., None] * late).sum(dim=(1, 2))

    _, strength, _ = waving(arms, 4.0)
    _, gauss, _ = waving(arms, 4.0, metric="acceleration")
    assert (wrong(gauss) < wrong(strength)).all()


def test_measured_muscles_follow_and_moments_stay(arms: Anatomy) -> None:
    _, free, known = waving(arms, 1.0)
    group = torch.zeros(2, arms.model.nu, dtype=torch.float64)
    group[0, :3], group[1, 5] = 1 / 3, 1.0
    level = known @ group.T
    _, firm, _ = waving(arms, 1.0, measured=Measured(group, level, torch.full((1, 2), 1e-3).double()))
    _, soft, _ = waving(arms, 1.0, measured=Measured(group, level, torch.full((1, 2), 1e3).double()))
    torch.testing.assert_close(firm.activation @ group.T, level, atol=1e-3, rtol=0.0)
    torch.testing.assert_close(soft.activation, free.activation, atol=1e-4, rtol=0.0)
    assert firm.residual.abs().max() < 1.0


def test_repeated_worlds_have_the_same_answers(arms: Anatomy) -> None:
    problem, once, _ = waving(arms, 1.0)
    again = problem.repeated(3)
    found = again.read(share(again.task, 30))
    torch.testing.assert_close(found.activation.view(3, 4, -1), once.activation.expand(3, -1, -1))
