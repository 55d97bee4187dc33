"""What muscles spend: two models by hand and beside OpenSim, and the books of a whole body."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from myotrack.anatomy.fibres import DENSITY, EVEN, REGIONS, Fibres, mass_of, region_of, slow_share
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import RATE
from myotrack.simulate.threads import Threads
from myotrack.steer.static import Choices, Movement, Pulled, mechanics_of, pulled
from myotrack.validate.metabolics import (
    BASAL,
    MODELS,
    RATES,
    FibreState,
    bhargava,
    metabolics,
    metabolics_of,
    umberger,
)
from myotrack.validate.trials import Trial
from tests.validate.rollouts import busy, perfect

GOLDEN = Path(__file__).parent / "golden" / "metabolics.csv"
"""Made by `benchmarks/opensim_metabolics.py` with OpenSim 4.6: 120 states of one muscle and what its probes say."""
AGREE = 1e-6
"""By which we may differ from them, relative; the table has ten digits."""


def column(*values: float) -> torch.Tensor:
    """One muscle at several instants."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def muscle(mass: float = 1.0, slow: float = 0.5) -> Fibres:
    """A muscle of 1000 N with fibres of 0.1 m, which shorten by 10 lengths a second at most."""
    one = torch.ones(1, dtype=torch.float64)
    return Fibres(mass * one, slow * one, 0.1 * one, 1000.0 * one, 10.0 * one)


def fibre(
    activation: float, velocity: float = 0.0, active: float = 0.0, excitation: float | None = None, length: float = 1.0,
    isometric: float = 1.0, passive: float = 0.0,
) -> FibreState:  # fmt: skip
    """One instant of it."""
    told = activation if excitation is None else excitation
    return FibreState(*map(column, (activation, told, length, velocity, active, passive, isometric)))


def random(count: int = 4000) -> FibreState:
    """Every state that may be, and some that may not."""
    draw = torch.Generator().manual_seed(3)
    share, u, length, speed, force, passive, isometric = torch.rand(7, count, 1, generator=draw, dtype=torch.float64)
    return FibreState(share, u, 0.4 + 1.4 * length, 3 * speed - 1.5, 1200 * force * share, 300 * passive, isometric)


def test_a_fully_active_muscle_that_holds_still_gives_off_the_published_heat() -> None:
    # 1.5 (128 x 0.5 + 25) = 133.5 W/kg, of which 40 % is activation.
    rates = umberger(fibre(1.0, active=1000.0), muscle(mass=2.0))
    assert rates.total.item() == pytest.approx(267.0)
    assert rates.activation.item() == pytest.approx(0.4 * 267.0)
    assert rates.work.item() == rates.shortening.item() == rates.resting.item() == 0
    # Half of (40 + 74), half of (133 + 111): 57 + 122 = 179 W/kg.
    assert bhargava(fibre(1.0, active=1000.0), muscle(mass=2.0)).total.item() == pytest.approx(358.0)


def test_a_long_muscle_maintains_less() -> None:
    # At 1.25 of its length, where the curve of force is at 0.6: 133.5 (0.4 + 0.6 x 0.6); Bhargava's maintenance halves.
    long = fibre(1.0, length=1.25, isometric=0.6)
    assert umberger(long, muscle()).total.item() == pytest.approx(133.5 * 0.76)
    assert bhargava(long, muscle()).total.item() == pytest.approx(0.5 * (40 + 133) + 0.5 * 0.5 * (74 + 111))


def test_shortening_by_hand() -> None:
    # 2 lengths/s = 0.2 m/s with 400 N: 80 W of work. Slow: 25 x 2 = 50 W/kg, fast: 15.3 x 2 = 30.6 W/kg.
    state = fibre(1.0, velocity=-0.2, active=400.0)
    rates = umberger(state, muscle())
    assert rates.work.item() == pytest.approx(80.0)
    assert rates.shortening.item() == pytest.approx(1.5 * (0.5 * 50 + 0.5 * 30.6))
    assert rates.total.item() == pytest.approx(133.5 + 60.45 + 80)
    assert bhargava(state, muscle()).total.item() == pytest.approx(179 + 0.25 * 80 + 80)
    # 0.16 x 1000 N + 0.18 x 400 N, times 0.2 m/s.
    assert bhargava(state, muscle(), force_dependent=True).shortening.item() == pytest.approx(0.2 * 232)
    # At 6 lengths/s slow fibres would give off 150 W/kg, but never give off more than 100.
    fast = umberger(fibre(1.0, velocity=-0.6), muscle())
    assert fast.shortening.item() == pytest.approx(1.5 * (0.5 * 100 + 0.5 * 91.8))


def test_lengthening_by_hand() -> None:
    # Half a length a second = 0.05 m/s against 1200 N: -60 W. Heat: 1.5 x 4 x 25 x 0.5 = 75 W/kg.
    state = fibre(1.0, velocity=0.05, active=1200.0)
    rates = umberger(state, muscle())
    assert rates.work.item() == pytest.approx(-60.0)
    assert rates.shortening.item() == pytest.approx(75.0)
    assert rates.total.item() == pytest.approx(133.5 + 75 - 60)
    assert bhargava(state, muscle()).total.item() == pytest.approx(179 - 60)


def test_work_done_on_a_muscle_does_not_turn_back_into_fuel() -> None:
    state = fibre(1.0, velocity=0.5, active=1200.0)  # 600 W come in, 179 W of heat go out.
    rates = bhargava(state, muscle())
    assert rates.total.item() == pytest.approx(0.0, abs=1e-9)
    assert rates.heat.item() == pytest.approx(600.0)


def test_excitation_counts_before_activation_follows() -> None:
    # Umberger: the excitation while it is the greater, the mean of both while it is the smaller.
    rising, falling = fibre(0.2, excitation=0.6), fibre(0.6, excitation=0.2)

    def heat(drive: float, excitation: float) -> float:
        slow, fast = 0.5 * math.sin(math.pi / 2 * excitation), 0.5 * (1 - math.cos(math.pi / 2 * excitation))
        return 1.5 * drive**0.6 * (128 * fast / (slow + fast) + 25)

    assert umberger(rising, muscle()).total.item() == pytest.approx(heat(0.6, 0.6))
    assert umberger(falling, muscle()).total.item() == pytest.approx(heat(0.4, 0.2))


@pytest.mark.parametrize("model", MODELS)
def test_a_muscle_at_rest_spends_a_watt_per_kilogram(model: str) -> None:
    rates = RATES[model](fibre(0.0), muscle(mass=3.0))
    assert rates.total.item() == rates.resting.item() == pytest.approx(3.0)


@pytest.mark.parametrize("model", MODELS)
def test_heat_and_work_are_all_there_is_and_the_sum_is_never_negative(model: str) -> None:
    rates, fibres = RATES[model](random(), muscle(mass=0.4)), muscle(mass=0.4)
    parts = rates.activation + rates.maintenance + rates.shortening + rates.resting + rates.work
    torch.testing.assert_close(rates.total, parts)
    torch.testing.assert_close(rates.heat, rates.total - rates.work)
    assert rates.total.min() > -1e-9 and torch.isfinite(rates.total).all()
    assert (rates.heat >= fibres.mass - 1e-9).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("velocity", "force"), [(-0.3, 350.0), (0.0, 1000.0), (0.1, 1100.0)])
def test_more_activation_costs_more(model: str, velocity: float, force: float) -> None:
    steps = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    one = torch.ones_like(steps)
    rates = RATES[model](FibreState(steps, steps, one, velocity * one, force * steps, 0 * one, one), muscle())
    assert (rates.heat.diff(dim=0) >= -1e-9).all()
    # In lengthening the work that is taken up grows with activation, too, and may outweigh the heat.
    if velocity <= 0:
        assert (rates.total.diff(dim=0) >= -1e-9).all()


@pytest.mark.parametrize("model", MODELS)
def test_twice_the_muscle_spends_twice_as_much(model: str) -> None:
    state, one = random(), muscle(mass=0.4)
    double = replace(one, mass=2 * one.mass, peak_force=2 * one.peak_force)
    stronger = replace(state, active=2 * state.active, passive=2 * state.passive)
    torch.testing.assert_close(RATES[model](stronger, double).total, 2 * RATES[model](state, one).total)


@pytest.mark.parametrize("name", ["umberger", "bhargava", "bhargava_force_dependent"])
def test_the_probes_of_opensim_say_the_same(name: str) -> None:
    rows = list(csv.DictReader(GOLDEN.read_text().splitlines()))
    names = ("activation", "excitation", "length", "velocity_m_s", "active_N", "passive_N", "isometric")
    for share in ("0.5", "0.8"):
        mine = [row for row in rows if row["slow_share"] == share]
        state = FibreState(*(column(*(float(row[each]) for row in mine)) for each in names))
        fibres = muscle(mass=float(mine[0]["mass_kg"]), slow=float(share))
        rates = {
            "umberger": umberger, "bhargava": bhargava,
            "bhargava_force_dependent": lambda state, fibres: bhargava(state, fibres, force_dependent=True),
        }[name](state, fibres)  # fmt: skip
        theirs = column(*(float(row[f"{name}_W"]) for row in mine))
        torch.testing.assert_close(rates.total, theirs, rtol=AGREE, atol=AGREE)


def test_muscles_weigh_as_much_as_their_strength_and_length_say(full: Anatomy) -> None:
    soleus = full.muscles[full.muscle_names.index("soleus_r")]
    assert mass_of(soleus) == pytest.approx(DENSITY * soleus.peak_force / 0.6e6 * soleus.fibre_length)
    fibres = Fibres.of(full.muscles)
    # Skeletal muscle is 38 % of men's bodies and 31 % of women's: Janssen et al. 2000, doi:10.1152/jappl.2000.89.1.81.
    assert 0.30 < float(fibres.mass.sum() / full.model.body_mass.sum()) < 0.45
    assert slow_share("soleus_l") == 0.803 and slow_share("LTpT_T2_r") == 0.60 and slow_share("piri_r") == EVEN
    torch.testing.assert_close(fibres.mass[full.mirror.muscle_index], fibres.mass, rtol=1e-3, atol=0.0)


def test_every_muscle_has_a_region(full: Anatomy, arms: Anatomy) -> None:
    assert {region_of(each.group) for each in full.muscles} == set(REGIONS)
    assert {region_of(each.group) for each in arms.muscles} == {"shoulder", "elbow", "hand"}
    with pytest.raises(KeyError, match="'tail' belongs to no region"):
        region_of("tail")


def going(anatomy: Anatomy) -> Trial:
    """The built-in walk with activations of its own on each side."""
    clip = builtin("walk", anatomy)
    rows = slice(0, 57, 4)
    trial = busy(anatomy, len(clip.pos[rows]), "walk")
    return replace(trial, pos=clip.pos[rows].double(), vel=clip.vel[rows].double(), rate=RATE / 4)


@pytest.mark.parametrize("model", MODELS)
def test_a_body_spends_what_its_muscles_spend_and_the_basal_rate(full: Anatomy, model: str) -> None:
    trial = going(full)
    found = metabolics(trial, model, full)
    assert found.power.shape == trial.activation.shape and found.gross is not None and found.speed is not None
    assert sum(found.groups.values()) == pytest.approx(found.net * found.mass)
    assert sum(found.regions.values()) == pytest.approx(found.net * found.mass)
    assert found.gross == pytest.approx(found.net + BASAL)
    assert found.speed == pytest.approx(1.25, abs=0.05)
    assert found.cost.gross == pytest.approx(found.gross / found.speed)
    assert found.cost.net == pytest.approx(found.net / found.speed)
    assert len(found.notes) == 1


@pytest.mark.parametrize("model", MODELS)
def test_the_mirror_image_spends_as_much_on_the_other_side(full: Anatomy, model: str) -> None:
    trial, mirror = going(full), full.mirror
    turned = replace(
        trial, pos=mirror.z(trial.pos), vel=mirror.rate(trial.vel), activation=trial.activation[:, mirror.muscle_index],
        excitation=None if trial.excitation is None else trial.excitation[:, mirror.muscle_index],
    )  # fmt: skip
    ours, theirs = metabolics(trial, model, full), metabolics(turned, model, full)
    # The published sides are mirror images to about a thousandth.
    assert theirs.net == pytest.approx(ours.net, rel=3e-3)
    swapped = {"right": "left", "left": "right"}
    for (region, side), power in ours.regions.items():
        assert theirs.regions[region, swapped[side]] == pytest.approx(power, rel=2e-2)


def test_fibres_pull_with_the_tension_that_is_simulated(full: Anatomy) -> None:
    trial, simulator = going(full), Threads(full, 2, threads=1, dtype=torch.float64)
    activation = trial.activation[:2].double()
    simulator.reset(torch.ones(2, dtype=torch.bool), trial.pos[:2], trial.vel[:2], activation)
    state = FibreState.of(Curves.of(full), simulator.mechanics, activation)
    torch.testing.assert_close(state.active + state.passive, simulator.body.muscle_force, rtol=1e-6, atol=1e-3)


def test_without_excitations_activations_stand_for_them_and_it_is_said(full: Anatomy) -> None:
    trial = going(full)
    blind = metabolics(replace(trial, kind="static optimisation", excitation=None), anatomy=full)
    torch.testing.assert_close(blind.power, metabolics(replace(trial, excitation=trial.activation), anatomy=full).power)
    assert "Excitations are not known; activations stand for them." in blind.notes


@pytest.mark.parametrize("model", MODELS)
def test_who_rests_spends_the_basal_rate_and_a_watt_per_kilogram_of_muscle(full: Anatomy, model: str) -> None:
    found = metabolics(perfect(full, 3), model, full)
    assert found.net == pytest.approx(float(Fibres.of(full.muscles).mass.sum()) / found.mass, rel=1e-6)
    assert found.speed is None and found.cost.gross is None and found.cost.net is None


def test_arms_have_neither_a_basal_rate_nor_a_cost_of_transport(arms: Anatomy) -> None:
    found = metabolics(busy(arms, 5), anatomy=arms)
    assert found.net > 0 and found.gross is None and found.speed is None and found.cost.net is None
    assert any("no whole person" in note for note in found.notes)


def held(arms: Anatomy) -> tuple[Movement, Pulled]:
    """Arms that make the moments of half-active muscles."""
    pos = arms.rest.repeat(3, 1)
    mechanics = mechanics_of(arms, pos, torch.zeros(3, arms.couplings.coordinate_size, dtype=torch.float64), threads=1)
    curves = Curves.of(arms)
    tension = curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
    wanted = torch.einsum("wm,wmc->wc", tension.at(torch.full_like(tension.active, 0.5)), mechanics.moment_arm)
    movement = Movement(arms, curves, mechanics, tension, wanted, torch.ones(3, dtype=torch.bool))
    return movement, pulled(movement, Choices(open=()))


def test_static_optimisation_counts_the_frames_whose_forces_were_measured(arms: Anatomy) -> None:
    movement, found = held(arms)
    whole = metabolics_of(movement, found)
    assert any("activations stand for them" in note for note in whole.notes)
    some = metabolics_of(movement, replace(found, measured=torch.tensor([True, False, True])))
    torch.testing.assert_close(some.power, whole.power[[0, 2]])
    assert "Only the 2 frames with measured ground forces count." in some.notes
    with pytest.raises(ValueError, match="ground forces explain no frame"):
        metabolics_of(movement, replace(found, measured=torch.zeros(3, dtype=torch.bool)))


def test_an_unknown_model_is_told_the_others(full: Anatomy) -> None:
    with pytest.raises(ValueError, match="Choose one of: umberger, bhargava."):
        metabolics(perfect(full, 2), "minetti", full)
