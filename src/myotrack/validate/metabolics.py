"""Metabolic power of muscles: the heat that they give off and the work that they do, from the state of their fibres.

    spent = metabolics(trial, "umberger")
    spent.gross, spent.cost.gross    # [W/kg], [J/kg/m]

Two models, with the equations and settings of OpenSim's probes (4.6), to which tests hold them: Umberger (2003, 2010)
and Bhargava et al. (2004). Both were made for muscles with elastic tendons. Ours are stiff, so fibres move as the whole
muscle does: in walking those of the calf shorten and lengthen more than in people, and cost more.

(`steer.effort.metabolic_power` is a third model, Minetti & Alexander 1997, which is linear in activation and therefore
a cost that muscles can be shared by.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.fibres import Fibres, region_of
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.muscles import Muscle
from myotrack.anatomy.tension import Curves
from myotrack.simulate.mechanics import Mechanics
from myotrack.steer.static import Movement, Pulled, mechanics_of
from myotrack.validate.trials import Trial

Model = Literal["umberger", "bhargava"]
MODELS: tuple[Model, ...] = get_args(Model)

BASAL = 1.2
"""Of the whole body, awake and upright [W/kg of body]. Source: Umberger et al. 2003, doi:10.1080/1025584031000091678,
p. 105, as OpenSim's probes have it."""
LEAST_HEAT = 1.0
"""Heat of a muscle, at least [W/kg of muscle]. Source: Umberger et al. 2003, p. 104; OpenSim has it in both models."""
MOVING = 0.1
"""Mean speed below which a body stays in place and has no cost of transport [m/s]. Not tuned: a tenth of walking."""

# Umberger et al. 2003 and Umberger 2010 (doi:10.1098/rsif.2010.0084), in W/kg of muscle.
AEROBIC = 1.5
"""Factor of all heat in activity that lasts; 1 in short efforts."""
HEAT_FAST, HEAT_BASE = 128.0, 25.0
"""Activation and maintenance heat of a fully active muscle: the first times the share of fast fibres, plus the second
[W/kg]."""
ACTIVATION_SHARE = 0.4
"""Of that heat, what goes into activation (calcium), whatever the length of fibres; the rest maintains force."""
HEAT_POWER, SHORTENING_POWER = 0.6, 2.0
"""Exponents by which the two heats grow with activity."""
SHORTENING_FAST, SHORTENING_SLOW = 153.0, 100.0
"""Heat of fibres that shorten at their fastest [W/kg]; slow fibres never give off more than this."""
SLOWER = 2.5
"""Fastest shortening of fast fibres over that of slow ones."""
LENGTHENING = 4.0
"""Heat of lengthening per speed, over that of slow fibres that shorten; with negative work counted (2003)."""

# Bhargava et al. 2004 (doi:10.1016/S0021-9290(03)00239-2).
ACTIVATION_SLOW, ACTIVATION_FAST = 40.0, 133.0
"""Activation heat of fully excited fibres [W/kg of muscle]."""
MAINTENANCE_SLOW, MAINTENANCE_FAST = 74.0, 111.0
"""Maintenance heat of fully excited fibres at optimal length [W/kg of muscle]."""
MAINTENANCE_CURVE = ((0.5, 0.5), (1.0, 1.0), (1.5, 0.0))
"""Fibre length over its optimum, and the factor of maintenance heat there; straight between, constant outside."""
SHORTENING = 0.25
"""Heat of shortening over tension times speed."""
SHORTENING_ISOMETRIC, SHORTENING_TENSION, LENGTHENING_TENSION = 0.16, 0.18, 0.157
"""The same where it depends on force: of the isometric force and of the tension; in lengthening, of the tension."""

PerMuscle = Float[Tensor, "*batch muscle"]


@dataclass(frozen=True)
class FibreState:
    """One instant of every muscle's fibres."""

    activation: PerMuscle
    """In [0, 1]."""
    excitation: PerMuscle
    """In [0, 1]."""
    length: PerMuscle
    """Over the optimal length."""
    velocity: PerMuscle
    """Positive while lengthening [m/s]."""
    active: PerMuscle
    """Tension of the contractile part [N]."""
    passive: PerMuscle
    """Tension without activation [N]."""
    isometric: PerMuscle
    """Active force at this length, full activation and no velocity, over the peak force."""

    @classmethod
    def of(
        cls, curves: Curves, mechanics: Mechanics, activation: PerMuscle, excitation: PerMuscle | None = None
    ) -> "FibreState":
        """Of muscles with stiff tendons.

        Args:
            curves: Of the body.
            mechanics: Of the same instants; lengths and velocities of paths.
            activation: In [0, 1].
            excitation: In [0, 1]; the activation if nobody knows it.
        """
        length, velocity = mechanics.muscle_length.double(), mechanics.muscle_velocity.double()
        activation = activation.double()
        tension = curves.tension(length, velocity)
        return cls(
            activation=activation,
            excitation=activation if excitation is None else excitation.double(),
            length=curves.fibre_length(length),
            velocity=velocity,
            active=tension.active * activation,
            passive=tension.passive,
            isometric=curves.length_factor(length),
        )


@dataclass(frozen=True)
class Rates:
    """Where the metabolic power of every muscle goes [W]; the sum of the fields is the total."""

    activation: PerMuscle
    """Heat of making fibres ready to pull."""
    maintenance: PerMuscle
    """Heat of holding force."""
    shortening: PerMuscle
    """Heat of shortening or lengthening, with what keeps the total from being negative: the work that was done on a
    muscle does not turn back into fuel (Constable et al. 1997, doi:10.1111/j.1469-7793.1997.205bo.x, recalled)."""
    resting: PerMuscle
    """Heat that lifts the sum of the above to `LEAST_HEAT`."""
    work: PerMuscle
    """Mechanical power of the contractile part; negative while it lengthens."""

    @property
    def heat(self) -> PerMuscle:
        """Everything but work [W]."""
        return self.activation + self.maintenance + self.shortening + self.resting

    @property
    def total(self) -> PerMuscle:
        """Metabolic power [W]; never negative."""
        return self.heat + self.work


def umberger(state: FibreState, fibres: Fibres) -> Rates:
    """Rates after Umberger (2003, 2010), as OpenSim's `Umberger2010MuscleMetabolicsProbe` has them.

    Slow fibres are recruited first (Bhargava et al. 2004), and negative work counts (Uchida et al. 2016,
    doi:10.1371/journal.pone.0150378): both are the probe's defaults.

    Args:
        state: Of the fibres.
        fibres: What the muscles are made of.
    """
    drive = torch.maximum(state.excitation, (state.excitation + state.activation) / 2)
    slow, fast = recruited(state.excitation, fibres)
    some = slow + fast > 0
    share = torch.where(some, slow / torch.where(some, slow + fast, 1.0), 1.0)
    stretched = torch.where(state.length > 1, state.isometric, 1.0)
    held = fibres.mass * AEROBIC * drive.clamp(min=0) ** HEAT_POWER * (HEAT_FAST * (1 - share) + HEAT_BASE)
    speed = state.velocity / fibres.length
    slow_slope, fast_slope = SHORTENING_SLOW * SLOWER / fibres.speed_max, SHORTENING_FAST / fibres.speed_max
    shorten = share * (-slow_slope * speed).clamp(max=SHORTENING_SLOW) - (1 - share) * fast_slope * speed
    heat = torch.where(speed <= 0, drive**SHORTENING_POWER * shorten, drive * LENGTHENING * slow_slope * speed)
    return _settled(
        activation=ACTIVATION_SHARE * held,
        maintenance=(1 - ACTIVATION_SHARE) * held * stretched,
        shortening=fibres.mass * AEROBIC * heat * stretched,
        work=-state.active * state.velocity,
        fibres=fibres,
    )


def bhargava(state: FibreState, fibres: Fibres, force_dependent: bool = False) -> Rates:
    """Rates after Bhargava et al. (2004), as OpenSim's `Bhargava2004MuscleMetabolicsProbe` has them.

    The heat of activation does not decay in time there (Anderson & Pandy 1999).

    Args:
        state: Of the fibres.
        fibres: What the muscles are made of.
        force_dependent: Heat of shortening by isometric force and tension, and heat taken up in lengthening, instead of
            a quarter of the power of shortening.
    """
    slow, fast = recruited(state.excitation, fibres)
    tension = state.active + state.passive
    if force_dependent:
        could = state.activation * state.isometric * fibres.peak_force
        shorten = SHORTENING_ISOMETRIC * could + SHORTENING_TENSION * tension
        factor = torch.where(state.velocity <= 0, shorten, LENGTHENING_TENSION * tension)
    else:
        factor = torch.where(state.velocity <= 0, SHORTENING * tension, 0.0)
    return _settled(
        activation=fibres.mass * (ACTIVATION_SLOW * slow + ACTIVATION_FAST * fast),
        maintenance=fibres.mass * _maintained(state.length) * (MAINTENANCE_SLOW * slow + MAINTENANCE_FAST * fast),
        shortening=-factor * state.velocity,
        work=-state.active * state.velocity,
        fibres=fibres,
    )


def recruited(excitation: PerMuscle, fibres: Fibres) -> tuple[PerMuscle, PerMuscle]:
    """Excited slow and fast fibres over all fibres of a muscle; slow ones come first. Source: Bhargava et al. 2004.

    Args:
        excitation: In [0, 1].
        fibres: What the muscles are made of.
    """
    angle = math.pi / 2 * excitation
    return fibres.slow * torch.sin(angle), (1 - fibres.slow) * (1 - torch.cos(angle))


RATES: dict[str, Callable[[FibreState, Fibres], Rates]] = {"umberger": umberger, "bhargava": bhargava}


@dataclass(frozen=True)
class Pair:
    """A quantity with and without the basal rate; None where it has no meaning."""

    gross: float | None
    net: float | None


@dataclass(frozen=True)
class Metabolics:
    """What a body spent."""

    model: str
    """One of `MODELS`."""
    muscles: tuple[Muscle, ...]
    rates: Rates
    """By frame and muscle."""
    mass: float
    """Of the body [kg]."""
    basal: float | None
    """Of the whole body [W]; None for arms on a fixed trunk, which are no whole person."""
    speed: float | None
    """Mean horizontal speed [m/s]; None for a body that stays in place or is held there, or if nobody says."""
    notes: tuple[str, ...]
    """What was assumed, in sentences."""

    @property
    def power(self) -> Float[Tensor, "frame muscle"]:
        """Of every muscle [W]."""
        return self.rates.total

    @property
    def net(self) -> float:
        """Mean power of all muscles [W/kg of body]: without the basal rate, with what muscles spend at rest."""
        return float(self.power.sum(dim=1).mean()) / self.mass

    @property
    def gross(self) -> float | None:
        """The same with the basal rate [W/kg]; None for what is no whole person."""
        return None if self.basal is None else self.net + self.basal / self.mass

    @property
    def cost(self) -> Pair:
        """Cost of transport: power over speed [J/kg/m]. None in place, where it would be infinite."""
        if self.speed is None:
            return Pair(None, None)
        return Pair(None if self.gross is None else self.gross / self.speed, self.net / self.speed)

    @property
    def groups(self) -> dict[tuple[str, str], float]:
        """Mean power by functional group and side [W]; the sum is that of all muscles."""
        return self._summed([muscle.group for muscle in self.muscles])

    @property
    def regions(self) -> dict[tuple[str, str], float]:
        """Mean power by region (`anatomy.fibres.REGIONS`) and side [W]; the sum is that of all muscles."""
        return self._summed([region_of(muscle.group) for muscle in self.muscles])

    def _summed(self, keys: list[str]) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for key, muscle, mean in zip(keys, self.muscles, self.power.mean(dim=0).tolist(), strict=True):
            found[key, muscle.side] = found.get((key, muscle.side), 0.0) + mean
        return found


def metabolics(trial: Trial, model: str = "umberger", anatomy: Anatomy | None = None) -> Metabolics:
    """What the body of a trial spent.

    Tensions follow from the trial's motion, its activations and the muscles of `anatomy`, whatever level of the body
    was simulated, so that force, length and velocity belong together.

    Args:
        trial: Of either body. One by static optimisation has no excitations: activations stand for them.
        model: One of `MODELS`.
        anatomy: The trial's body; the original of its name and sizes if not given.

    Raises:
        ValueError: There is no such model, the trial has no frames, or it does not belong to the body.
    """
    if not trial.frames:
        raise ValueError(f"Trial '{trial.name}' has no frames, so nothing was spent; record it again.")
    if anatomy is None:
        anatomy = trial.anatomy()
    else:
        trial.check(anatomy)
    mechanics = mechanics_of(anatomy, trial.pos.double(), trial.vel.double(), threads=1)
    state = FibreState.of(Curves.of(anatomy), mechanics, trial.activation, trial.excitation)
    away = float((trial.pos[-1, :2] - trial.pos[0, :2]).norm()) if trial.free else 0.0
    speed = away / trial.duration if trial.duration else 0.0
    return spent(state, anatomy, model, speed, excited=trial.excitation is not None)


def metabolics_of(
    movement: Movement, pulled: Pulled, model: str = "umberger", speed: float | None = None
) -> Metabolics:
    """What static optimisation says that a recorded movement cost. Activations stand for excitations.

    Args:
        movement: The equations.
        pulled: What muscles did.
        model: One of `MODELS`.
        speed: Mean horizontal speed, which the equations do not hold [m/s]; None for a body in place.

    Raises:
        ValueError: There is no such model, or the forces of no frame were measured.
    """
    known = pulled.measured
    if not known.any():
        raise ValueError("The ground forces explain no frame of the movement; record one that stands on force plates.")
    state = FibreState.of(movement.curves, movement.mechanics, pulled.activation)
    state = FibreState(*(getattr(state, field.name)[known] for field in fields(FibreState)))
    told = () if bool(known.all()) else (f"Only the {int(known.sum())} frames with measured ground forces count.",)
    return spent(state, movement.anatomy, model, speed, excited=False, notes=told)


def spent(
    state: FibreState,
    anatomy: Anatomy,
    model: str = "umberger",
    speed: float | None = None,
    excited: bool = True,
    notes: tuple[str, ...] = (),
) -> Metabolics:
    """What the muscles of a body spend in a number of instants.

    Args:
        state: Of the fibres, by frame and muscle.
        anatomy: The body.
        model: One of `MODELS`.
        speed: Mean horizontal speed [m/s]; below `MOVING` a body is in place.
        excited: Whether the excitations are its own, not activations that stand for them.
        notes: What else is to be said.

    Raises:
        ValueError: There is no such model.
    """
    if model not in RATES:
        raise ValueError(f"There is no metabolic model called '{model}'. Choose one of: {', '.join(MODELS)}.")
    mass = float(anatomy.model.body_mass.sum())
    said = ["Tendons are stiff: fibres move as whole muscles do."]
    if not excited:
        said.append("Excitations are not known; activations stand for them.")
    if not anatomy.free:
        said.append("Arms on a fixed trunk are no whole person: no basal rate, and watts per kilogram of the model.")
    return Metabolics(
        model=model,
        muscles=anatomy.muscles,
        rates=RATES[model](state, Fibres.of(anatomy.muscles)),
        mass=mass,
        basal=BASAL * mass if anatomy.free else None,
        speed=speed if anatomy.free and speed is not None and speed >= MOVING else None,
        notes=(*said, *notes),
    )


def _maintained(length: PerMuscle) -> PerMuscle:
    """Factor of maintenance heat at a fibre length over its optimum."""
    (low, least), (middle, most), (high, none) = MAINTENANCE_CURVE
    rise = least + (most - least) * ((length - low) / (middle - low)).clamp(0, 1)
    fall = most + (none - most) * ((length - middle) / (high - middle)).clamp(0, 1)
    return torch.where(length <= middle, rise, fall)


def _settled(
    activation: PerMuscle, maintenance: PerMuscle, shortening: PerMuscle, work: PerMuscle, fibres: Fibres
) -> Rates:
    """With the two floors: no negative total, and the least heat."""
    shortening = shortening + (-(activation + maintenance + shortening + work)).clamp(min=0)
    heat = activation + maintenance + shortening
    return Rates(activation, maintenance, shortening, (LEAST_HEAT * fibres.mass - heat).clamp(min=0), work)
