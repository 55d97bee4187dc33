"""What bodies do on the spot: stand, squat, sit down and stand up, rise on the toes, and use their hands.

Feet stay where they are, the pelvis follows minimum-jerk paths, and the centre of mass stays over the soles.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.postures import Balance, Goal, Place, Poser, Turn
from myotrack.clips.reach import ARM, ARM_DOUBT, HANGING, NAMES, along, arms_along, way_of
from myotrack.clips.reach import NOTES as HAND_NOTES

STEP = 0.04
"""Time between postures; the curve goes through all of them [s]."""
FOOT_ERROR, TURN_ERROR = 1e-4, 5e-4
"""How firmly feet stand [m, rad]."""
HEIGHT_ERROR, BALANCE_ERROR = 1e-3, 1e-3
"""How firmly pelvis and centre of mass keep to their paths [m]."""
AHEAD_OF_ANKLE = 0.045
"""Where the centre of mass is while the body stands [m]. Tuned: the middle of the sole."""
DROP = 0.004
"""Of the pelvis of a standing body below that of the body at rest, whose knees are locked [m]."""
ON_TOES = 0.135
"""The same while it stands on its toes: over the joints of the toes."""


@dataclass(frozen=True)
class Stop:
    """A posture on the way of the pelvis."""

    seconds: float
    rest: float
    drop: float
    """Of the pelvis below its height at rest [m]."""
    angles_deg: dict[str, float]
    """Natural angles of both sides, and of the trunk."""
    forward: float = AHEAD_OF_ANKLE
    """Of the centre of mass ahead of the ankles [m]."""
    rise: float = 0.0
    """Of the heels [m]."""


UPRIGHT: dict[str, float] = dict(zip(ARM, HANGING, strict=True)) | {"knee_angle": 3.0, "hip_flexion": 2.0}
_DEEP = dict(zip(ARM, (80.0, 112.0, 20.0, 12.0, 40.0, 0.0, 0.0), strict=True)) | {
    "hip_flexion": 98.0, "knee_angle": 104.0, "ankle_angle": 28.0, "flex_extension": 4.0, "hip_adduction": -9.0,
    "hip_rotation": -4.0, "tilt": -32.0,
}  # fmt: skip
_SEATED = dict(zip(ARM, (75.0, 85.0, 25.0, 25.0, 40.0, 0.0, 0.0), strict=True)) | {
    "hip_flexion": 100.0, "knee_angle": 92.0, "ankle_angle": 25.0, "flex_extension": 0.0, "tilt": -28.0,
    "hip_adduction": -4.0,
}  # fmt: skip
_TOES = UPRIGHT | {"knee_angle": 2.0, "ankle_angle": -18.0, "mtp_angle": -20.0}

POSTURES: dict[str, tuple[Stop, ...]] = {
    "squat": (
        Stop(0.0, 0.4, DROP, UPRIGHT),
        Stop(1.3, 0.25, 0.37, _DEEP),
        Stop(1.3, 0.5, DROP, UPRIGHT),
        Stop(1.3, 0.25, 0.37, _DEEP),
        Stop(1.3, 0.4, DROP, UPRIGHT),
    ),
    "sit_to_stand": (
        Stop(0.0, 0.4, DROP, UPRIGHT),
        Stop(1.6, 0.5, 0.33, _SEATED),
        Stop(1.5, 0.6, DROP, UPRIGHT),
    ),
    "heel_raise": (
        Stop(0.0, 0.4, DROP, UPRIGHT),
        *(
            stop
            for _ in range(3)
            for stop in (Stop(0.9, 0.4, DROP, _TOES, ON_TOES, 0.07), Stop(0.9, 0.5, DROP, UPRIGHT))
        ),
    ),
}
RISES = ("heel_raise",)
"""Tasks in which the heels follow a path, and the pelvis is carried by the legs."""
STANDING = 6.0
"""Duration of quiet standing [s]."""
# Cycles in that time, and amplitudes forward and sideways [m]. Tuned: a few millimetres, below 1 Hz.
SWAY = ((1, 2.5e-3, 1.2e-3), (2, 1.6e-3, -0.9e-3), (4, 0.9e-3, 0.5e-3))

NOTES: dict[str, tuple[str, ...]] = {
    "posture": (
        "The pelvis goes along minimum-jerk paths (Flash & Hogan 1985, doi 10.1523/JNEUROSCI.05-07-01688.1985).",
        "Depths, durations and natural postures are tuned; the centre of mass stays over the soles.",
    ),
    "sit_to_stand": ("There is no chair: the lowest posture is that in which one leaves it.",),
    "stand": ("Sway of a few millimetres below 1 Hz, tuned.",),
}


@dataclass(frozen=True)
class Task:
    """Postures at equal steps of time."""

    z: Float[Tensor, "instant pos"]
    heel_height: Float[Tensor, "instant"]
    """By which the heels are to rise [m]; none for the arms."""
    notes: tuple[str, ...]


def task(anatomy: Anatomy, name: str, seed: int | None = None) -> Task:
    """The postures of a task, `STEP` apart; with a seed those of a variation of what hands do."""
    way = way_of(name, seed) if name in NAMES else POSTURES.get(name, (Stop(STANDING, 0.0, DROP, UPRIGHT),))
    clock = [(stop.seconds, stop.rest) for stop in way]
    arrivals = torch.tensor(
        [sum(sum(stop) for stop in clock[: row + 1]) for row in range(len(clock))], dtype=torch.float64
    )
    time = torch.arange(round(float(arrivals[-1]) / STEP) + 1, dtype=torch.float64) * STEP
    # First the postures at the stops, then those on the way, near what leads from one to the next.
    poser = Poser.of(anatomy)
    stops = _solved(anatomy, poser, name, seed, arrivals, None)
    wish = along(time, clock, stops) if len(stops) > 1 else stops.repeat(len(time), 1)
    z = _solved(anatomy, poser, name, seed, time, wish)
    heel = torch.zeros_like(time)
    if anatomy.free:
        height = poser.pose(z).pos[:, poser.row("calcn_r"), 2]
        heel = height - height[0]
    notes = HAND_NOTES if name in NAMES else NOTES.get(name, ()) + (NOTES["posture"] if name in POSTURES else ())
    return Task(z, heel, notes)


def _solved(
    anatomy: Anatomy,
    poser: Poser,
    name: str,
    seed: int | None,
    time: Float[Tensor, "instant"],
    wish: Float[Tensor, "instant pos"] | None,
) -> Float[Tensor, "instant pos"]:
    """Postures at some times, near those wished for, or near the natural ones."""
    natural = anatomy.rest.repeat(len(time), 1)
    goals: list[Goal] = []
    if anatomy.free:
        stops = POSTURES.get(name, (Stop(0.0, 0.0, DROP, UPRIGHT),))
        natural = _natural(anatomy, stops, time)
        goals = _footing(poser, name, time) + _carriage(anatomy, poser, stops, time, name)
    if name in NAMES:
        natural, hands = arms_along(anatomy, poser, name, way_of(name, seed), time, natural)
        goals += hands
    if wish is not None and anatomy.free:
        wish = torch.cat([wish[:, :3], torch.nn.functional.normalize(wish[:, 3:7], dim=1), wish[:, 7:]], dim=1)
    return poser.solve(natural if wish is None else wish, _doubt(anatomy), goals)


def _natural(anatomy: Anatomy, stops: tuple[Stop, ...], time: Tensor) -> Float[Tensor, "instant pos"]:
    """Natural postures on the way."""
    names = anatomy.coordinate_names
    wish = anatomy.rest.repeat(len(time), 1)
    wish[:, 2] -= _path(stops, time, [stop.drop for stop in stops])
    for angle in sorted({angle for stop in stops for angle in stop.angles_deg}):
        path = _path(stops, time, [math.radians(stop.angles_deg.get(angle, 0.0)) for stop in stops])
        if angle == "tilt":
            # About the axis to the right, which is -x.
            wish[:, 3], wish[:, 4] = torch.cos(path / 2), -torch.sin(path / 2)
            continue
        for name in (angle, f"{angle}_r", f"{angle}_l"):
            if name in names:
                wish[:, names.index(name) + 1] = path
    return wish


def _footing(poser: Poser, name: str, time: Tensor) -> list[Goal]:
    """Feet as they stand at rest; those that rise turn about their toes."""
    rest = poser.pose(poser.anatomy.rest)
    rises = name in RISES
    goals: list[Goal] = []
    for side in "rl":
        for segment in (f"toes_{side}",) if rises else (f"toes_{side}", f"calcn_{side}"):
            row = poser.row(segment)
            goals.append(Place(segment, rest.pos[row].expand(len(time), -1), FOOT_ERROR))
            goals.append(Turn(segment, rest.rotation[row].expand(len(time), -1, -1), TURN_ERROR))
        if rises:
            heel = torch.full((len(time), 3), math.nan, dtype=torch.float64)
            risen = _path(POSTURES[name], time, [stop.rise for stop in POSTURES[name]])
            heel[:, 2] = rest.pos[poser.row(f"calcn_{side}"), 2] + risen
            goals.append(Place(f"calcn_{side}", heel, HEIGHT_ERROR))
    return goals


def _carriage(anatomy: Anatomy, poser: Poser, stops: tuple[Stop, ...], time: Tensor, name: str) -> list[Goal]:
    """The pelvis at its height, the centre of mass over the soles."""
    ankle = anatomy.kinematics.pose(anatomy.rest).pos[anatomy.landmarks.index("right_ankle")]
    centre = torch.zeros(len(time), 2, dtype=torch.float64)
    centre[:, 0] = anatomy.rest[0]
    centre[:, 1] = ankle[1] - _path(stops, time, [stop.forward for stop in stops])
    goals: list[Goal] = [Balance(centre, BALANCE_ERROR)]
    if name == "stand":
        for cycles, ahead, aside in SWAY:
            phase = 2 * math.pi * cycles * time / STANDING
            centre[:, 0] += aside * torch.sin(phase + cycles)
            centre[:, 1] -= ahead * torch.sin(phase)
    elif name not in RISES:
        pelvis = torch.full((len(time), 3), math.nan, dtype=torch.float64)
        height = poser.pose(anatomy.rest).pos[poser.row("pelvis"), 2]
        pelvis[:, 2] = height - _path(stops, time, [stop.drop for stop in stops])
        goals.append(Place("pelvis", pelvis, HEIGHT_ERROR))
    return goals


def _path(stops: tuple[Stop, ...], time: Tensor, values: list[float]) -> Float[Tensor, "instant"]:
    clock = [(stop.seconds, stop.rest) for stop in stops]
    return along(time, clock, torch.tensor(values, dtype=torch.float64)[:, None])[:, 0]


def _doubt(anatomy: Anatomy) -> Float[Tensor, "coordinate"]:
    """How far each coordinate may go from the natural posture [m, rad]. Tuned."""
    doubt = torch.full((anatomy.couplings.coordinate_size,), ARM_DOUBT, dtype=torch.float64)
    for index, name in enumerate(anatomy.coordinate_names):
        if name.startswith(("deviation", "flexion")):
            doubt[index] = 0.15
        elif name.startswith(("flex_extension", "lat_bending", "axial_rotation")):
            doubt[index] = 0.06
        elif name.startswith("knee"):
            doubt[index] = 0.15
        elif name.startswith(("root_r", "hip_add", "hip_rot", "subtalar")):
            doubt[index] = 0.10
    if anatomy.free:
        doubt[:3] = 0.5
    return doubt
