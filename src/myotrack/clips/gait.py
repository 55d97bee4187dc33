"""Walking and running: measured joint angles of one stride as Fourier series, for any speed, on the body's own feet."""

import csv
import functools
import importlib.resources
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE
from myotrack.clips.strides import Sole, Stride, Wish, solve

TABLE = "motions/gait_fourier.csv"
STATURE = 1.75
"""Of the body [m]. Measured: its skull ends 1.72 m above the floor; hair and skin added."""

GRAVITY = 9.81
"""[m/s²]"""
ROUGHNESS = 3e-5
"""Weight of the legs' jerk, squared and over time [s⁵/rad²]. Tuned: jerk like that of recordings."""


@dataclass(frozen=True)
class Gait:
    """How fast, and how; phases are shares of a stride, which begins when the heel strikes."""

    measured: str
    """Whose joint angles, in the table."""
    speed: float
    """[m/s]"""
    period: float
    """Of a stride [s]."""
    stride: int
    """Samples from knot to knot."""
    stance: float
    """Share of the stride for which a foot stands."""
    measured_stance: float
    """The same in the table's motion."""
    landing: float
    """Phase until which only the heel stands."""
    heel_rise: float
    """Phase at which the heel leaves the floor."""
    swing: float
    """Excursion of hip, pelvis and lumbar angles over the measured."""
    bend: float
    """Excursion of the knee over the measured."""
    arms: tuple[float, float, float]
    """Mean, amplitude and lag of arm flexion [deg, deg, stride]."""
    abduction_deg: float
    """Of the arms."""
    elbow_deg: tuple[float, float]
    """Mean and amplitude of elbow flexion."""
    width: float
    """Of a step [m]."""
    apart: float
    """Least distance of the swinging foot from the middle [m]."""
    toes: tuple[float, float, float, float]
    """Share of the time from heel rise to the end of stance for which each part of the toes stands, rear to tip."""
    sway: tuple[float, float]
    """How far the root may go sideways, and ahead of its steady path [m]."""
    calm: float
    """Weight of the root's jerk, squared and over time [s⁵/m²]. Tuned: jerk like that of recordings."""
    lift: float
    """Of the swinging foot, at least [m]."""
    extras: tuple[tuple[str, float, float, float], ...] = ()
    """Coordinate, mean, amplitude and phase of the largest value, for what the table has not [deg, deg, stride]."""


# Periods: stride frequency = 64.8 / min (speed / stature per s)^0.57 (Grieve & Gear 1966: that it is a power of the
# speed was read in the abstract, both numbers are recalled), rounded to whole knots; the run's is that measured by
# Rajagopal et al. (2016), 0.69 s at 3.7 m/s, lengthened for the lower speed. Stance shares fall and excursions of hip
# and knee grow with speed (Fukuchi et al. 2019: the directions are cited, the sizes are tuned so that the legs reach as
# far as the stride is long).
GAITS: dict[str, Gait] = {
    "walk_slow": Gait(
        measured="walk", speed=0.8, period=1.44, stride=4, measured_stance=0.645, stance=0.65,
        landing=0.1, heel_rise=0.34, toes=(0.35, 0.4, 0.55, 1.0), swing=0.87, bend=0.92,
        arms=(0.0, 8.0, 0.0), abduction_deg=12.0, elbow_deg=(18.0, 5.0), width=0.12, apart=0.02, lift=0.01,
        sway=(0.03, 0.006), calm=5e-3,
    ),
    "walk": Gait(
        measured="walk", speed=1.25, period=1.12, stride=4, measured_stance=0.645, stance=0.62,
        landing=0.09, heel_rise=0.31, toes=(0.35, 0.4, 0.55, 1.0), swing=0.96, bend=0.97,
        arms=(1.0, 14.0, 0.0), abduction_deg=13.0, elbow_deg=(24.0, 9.0), width=0.12, apart=0.02, lift=0.012,
        sway=(0.03, 0.006), calm=5e-3,
    ),
    "walk_fast": Gait(
        measured="walk", speed=1.8, period=0.9, stride=3, measured_stance=0.645, stance=0.59,
        landing=0.08, heel_rise=0.28, toes=(0.35, 0.4, 0.55, 1.0), swing=1.16, bend=1.05,
        arms=(2.0, 21.0, 0.0), abduction_deg=14.0, elbow_deg=(34.0, 14.0), width=0.11, apart=0.02, lift=0.014,
        sway=(0.03, 0.006), calm=5e-3,
    ),
    "run": Gait(
        measured="run", speed=3.3, period=0.72, stride=3, measured_stance=0.37, stance=0.36,
        landing=0.06, heel_rise=0.15, toes=(0.25, 0.3, 0.45, 0.9), swing=0.95, bend=0.97,
        arms=(-22.0, 21.0, 0.12), abduction_deg=20.0, elbow_deg=(98.0, 8.0), width=0.08, apart=0.01, lift=0.02,
        sway=(0.01, 0.004), calm=5e-5,
        extras=(
            ("pelvis_list", 0.0, -3.0, 0.12),
            ("pelvis_rotation", 0.0, -5.0, 0.05),
            ("flex_extension", 5.0, 0.0, 0.0),
            ("lat_bending", 0.0, 5.0, 0.23),
            ("axial_rotation", 0.0, -9.0, -0.12),
            ("hip_rotation", -2.0, 0.0, 0.0),
        ),
    ),
}  # fmt: skip

NOTES: dict[str, tuple[str, ...]] = {
    "walk": (
        "Joint angles: Fourier series of the mean of 11 trials of subject 1 of Falisse et al. "
        "(github.com/antoinefalisse/3dpredictsim, MIT), made symmetric.",
        "Cadence over speed: Grieve & Gear 1966, doi 10.1080/00140136608964399; its coefficients are recalled.",
        "Amplitudes over speed: directions of Fukuchi et al. 2019, doi 10.1186/s13643-019-1063-z; sizes are tuned.",
        "Arms, toes and the path of the root are our own; legs are corrected so that the soles stand and roll.",
    ),
    "run": (
        "Joint angles: Fourier series of the mean of 6 strides of Rajagopal et al. 2016, "
        "doi 10.1109/TBME.2016.2586891 (simtk.org/projects/full_body, MIT), at 3.7 m/s, made symmetric.",
        "Trunk, arms, toes and the path of the root are our own; legs are corrected so that the soles stand and roll.",
    ),
}


def stride_of(anatomy: Anatomy, gait: Gait) -> Stride:
    """One stride of a gait on a body, for ever."""
    sole = Sole.of(anatomy)
    samples = round(gait.period * RATE)
    knots = samples // gait.stride
    phase = torch.arange(samples, dtype=torch.float64) / samples
    stands = _stands(gait, sole, phase)
    wish = Wish(
        period=gait.period,
        stride=gait.stride,
        speed=gait.speed,
        z=_wished(anatomy, gait, torch.arange(knots, dtype=torch.float64) / knots, sole),
        doubt=_doubt(anatomy, gait),
        stands=stands,
        width=gait.width,
        apart=gait.apart,
        lift=_lift(gait, phase),
        roughness=_roughness(anatomy, gait) * (gait.stride / RATE) ** -5,
        heave=_heave(gait, phase),
    )
    return solve(anatomy, wish, sole)


def _angles(gait: Gait, phase: Float[Tensor, "sample"]) -> dict[str, Float[Tensor, "sample"]]:
    """Joint and pelvis angles of the right side over a stride [rad]."""
    table = _table()[gait.measured]
    # Phases are shifted smoothly so that the toes leave when they should.
    shift = (gait.measured_stance - gait.stance) / math.sin(math.pi * gait.stance) ** 2
    warped = phase + shift * torch.sin(math.pi * phase) ** 2
    angles = {}
    for name, rows in table.items():
        value = torch.zeros_like(phase)
        for harmonic, cosine, sine in rows:
            if harmonic == 0:
                continue
            value += cosine * torch.cos(2 * math.pi * harmonic * warped)
            value += sine * torch.sin(2 * math.pi * harmonic * warped)
        mean = rows[0][1]
        scale = gait.bend if name == "knee_angle" else 1.0 if name.startswith(("ankle", "subtalar")) else gait.swing
        angles[name] = torch.deg2rad(mean + scale * value)
    for name, mean, amplitude, peak in gait.extras:
        angles[name] = torch.deg2rad(mean + amplitude * torch.cos(2 * math.pi * (phase - peak)))
    return angles


def _wished(anatomy: Anatomy, gait: Gait, phase: Float[Tensor, "knot"], sole: Sole) -> Float[Tensor, "knot pos"]:
    """The measured motion on the body, in a frame that walks along, its lower foot on the floor."""
    names = anatomy.coordinate_names
    angles = _angles(gait, phase)
    half = len(phase) // 2
    z = anatomy.rest.repeat(len(phase), 1)
    z[:, :3] = 0.0
    z[:, 3:7] = _turned(angles)
    for name in ("flex_extension", "lat_bending", "axial_rotation"):
        z[:, names.index(name) + 1] = angles[name]
    right = {name: value for name, value in angles.items() if f"{name}_r" in names} | _arm(gait, phase)
    for name, value in right.items():
        z[:, names.index(f"{name}_r") + 1] = value
        z[:, names.index(f"{name}_l") + 1] = value.roll(half)
    low, high = anatomy.limits()
    z[:, 7:] = torch.clamp(z[:, 7:], low[7:], high[7:])
    centre = sole.place(z)[0]
    lowest = (centre[..., 2] - sole.radius).amin(dim=1)
    z[:, 2] = -torch.minimum(lowest, lowest.roll(half))
    z[:, 2] = z[:, 2].mean()
    z[:half] = (z[:half] + anatomy.mirror.z(z[half:])) / 2
    z[:half, 3:7] = torch.nn.functional.normalize(z[:half, 3:7], dim=1)
    return torch.cat([z[:half], anatomy.mirror.z(z[:half])])


def _turned(angles: dict[str, Tensor]) -> Float[Tensor, "knot 4"]:
    """Orientation of the pelvis: tilt about the axis to the right, list about that forward, rotation about that up."""
    right, forward, up = torch.tensor([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)

    def about(axis: Tensor, name: str) -> Tensor:
        return exponential(angles[name][:, None] * axis)

    tilted = multiply(about(right, "pelvis_tilt"), about(forward, "pelvis_list"))
    return multiply(tilted, about(up, "pelvis_rotation"))


def _arm(gait: Gait, phase: Tensor) -> dict[str, Tensor]:
    """The right arm swings with the left leg. Elevation and its plane, from flexion and abduction."""
    mean, amplitude, lag = gait.arms
    wave = -torch.cos(2 * math.pi * (phase - lag))
    flexion = torch.deg2rad(mean + amplitude * wave)
    abduction = torch.full_like(flexion, math.radians(gait.abduction_deg))
    elbow, swing = gait.elbow_deg
    return {
        "elv_angle": torch.atan2(flexion, abduction),
        "shoulder_elv": torch.hypot(flexion, abduction),
        "shoulder_rot": torch.full_like(flexion, math.radians(15.0)),
        "elbow_flex": torch.deg2rad(elbow + swing * wave),
        "pro_sup": torch.full_like(flexion, math.radians(20.0)),
    }


def _doubt(anatomy: Anatomy, gait: Gait) -> Float[Tensor, "coordinate"]:
    """How far from the wish each coordinate may go. Tuned: the order of what subjects differ by."""
    degrees = {
        "hip_flexion": 3.0, "hip_adduction": 3.0, "hip_rotation": 3.0, "knee_angle": 3.0, "ankle_angle": 4.0,
        "subtalar_angle": 4.0, "mtp_angle": 15.0,
    }  # fmt: skip
    doubt = torch.zeros(anatomy.couplings.coordinate_size, dtype=torch.float64)
    doubt[0], doubt[1], doubt[2] = (*gait.sway, math.inf)
    doubt[3:6] = math.radians(1.0)
    for index, name in enumerate(anatomy.coordinate_names):
        if name[:-2] in degrees:
            doubt[index] = math.radians(degrees[name[:-2]])
    return doubt


def _roughness(anatomy: Anatomy, gait: Gait) -> Float[Tensor, "coordinate"]:
    """Weight of jerk; the root carries everything else."""
    roughness = torch.full((anatomy.couplings.coordinate_size,), ROUGHNESS, dtype=torch.float64)
    roughness[:6] = gait.calm
    return roughness


def _stands(gait: Gait, sole: Sole, phase: Float[Tensor, "sample"]) -> Bool[Tensor, "sample sphere"]:
    """Heel, ball and toes take the load one after the other, and give it up in the same order."""
    hind = sole.segment == 0
    # From heel to toe, the share of the time from heel rise to the end of stance for which each keeps standing.
    order = torch.zeros(len(hind), dtype=torch.float64)
    order[~hind] = torch.tensor(gait.toes, dtype=torch.float64)
    ball = torch.zeros_like(hind)
    ball[hind] = sole.offset[hind, 0] > sole.offset[hind, 0].mean()
    begin = torch.where(hind & ~ball, 0.0, torch.where(hind, gait.landing, 1.2 * gait.landing))
    end = gait.heel_rise + order * (gait.stance - gait.heel_rise)
    return (phase[:, None] >= begin) & (phase[:, None] < end)


def _lift(gait: Gait, phase: Float[Tensor, "sample"]) -> Float[Tensor, "sample"]:
    """Least height of what does not stand: none in stance, rising and falling softly in swing."""
    share = ((phase - gait.stance) / (1 - gait.stance)).clamp(0.0, 1.0)
    return gait.lift * torch.sin(math.pi * share) ** 2


def _heave(gait: Gait, phase: Float[Tensor, "sample"]) -> Float[Tensor, "sample"]:
    """Vertical acceleration of who bounces: a half sine of force in each stance, free fall between them, as of a mass
    on a spring (McMahon & Cheng 1990, doi 10.1016/0021-9290(90)90042-2: the leg as a simple spring was read in the
    abstract; that its force is a half sine is our simplification). Walking follows from the legs."""
    if gait.stance >= 0.5:
        return torch.full_like(phase, torch.nan)
    step = phase % 0.5
    force = torch.where(step < gait.stance, torch.sin(math.pi * step / gait.stance), 0.0)
    return GRAVITY * (force / force.mean() - 1)


@functools.cache
def _table() -> dict[str, dict[str, list[tuple[int, float, float]]]]:
    """Gait, coordinate: harmonic, cosine and sine [deg]."""
    table: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    text = (importlib.resources.files("myotrack") / "data" / TABLE).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        series = table.setdefault(row["gait"], {}).setdefault(row["coordinate"], [])
        series.append((int(row["harmonic"]), float(row["cosine_deg"]), float(row["sine_deg"])))
    return table
