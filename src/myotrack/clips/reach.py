"""What hands do: reach, wave, drink and lift, along minimum-jerk paths, with either arm or both.

A hand goes straight from place to place, with the speed profile of Flash & Hogan 1985,
doi 10.1523/JNEUROSCI.05-07-01688.1985; the arm stays near a natural posture for every place.
"""

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.postures import Goal, Place, Poser

NOTES = (
    "Paths of the hands: minimum jerk, Flash & Hogan 1985, doi 10.1523/JNEUROSCI.05-07-01688.1985.",
    "Places, durations and the postures that the arm stays near are tuned.",
)
ARM = ("elv_angle", "shoulder_elv", "shoulder_rot", "elbow_flex", "pro_sup", "deviation", "flexion")
HAND_ERROR = 5e-4
"""How firmly hands keep to their paths [m]."""
ARM_DOUBT = 0.35
"""How far the arm may go from the natural posture [rad]. Tuned."""


@dataclass(frozen=True)
class Stop:
    """A place on the way of a hand."""

    seconds: float
    """To get there."""
    rest: float
    """Time spent there [s]."""
    place: tuple[float, float, float] | None
    """Of the hand, from its shoulder: forward, outward, up [m]. None: where the posture puts it."""
    posture_deg: tuple[float, float, float, float, float, float, float]
    """Natural angles of the arm there, in the order of `ARM`."""


HANGING = (25.0, 9.0, 10.0, 14.0, 15.0, 0.0, 0.0)
_AHEAD = (75.0, 60.0, 20.0, 45.0, 40.0, 0.0, 0.0)
_ASIDE = (25.0, 62.0, 15.0, 45.0, 40.0, 0.0, 0.0)
_ACROSS = (95.0, 55.0, 35.0, 60.0, 35.0, 0.0, 0.0)
_LOW = (70.0, 35.0, 20.0, 40.0, 40.0, 0.0, 0.0)
_RAISED = (40.0, 65.0, -55.0, 100.0, 0.0, 0.0, 0.0)
_AT_MOUTH = (55.0, 55.0, 35.0, 118.0, 20.0, 0.0, 0.0)
_AT_TABLE = (70.0, 30.0, 15.0, 75.0, 10.0, 0.0, 0.0)
_CARRY_LOW = (75.0, 28.0, 30.0, 35.0, 30.0, 0.0, 0.0)
_CARRY = (75.0, 40.0, 35.0, 85.0, 20.0, 0.0, 0.0)
_OVERHEAD = (70.0, 110.0, 30.0, 70.0, 10.0, 0.0, 0.0)

_HOME = Stop(1.0, 0.4, None, HANGING)
_START = Stop(0.0, 0.4, None, HANGING)
WAYS: dict[str, tuple[Stop, ...]] = {
    "reach": (
        _START,
        Stop(1.0, 0.3, (0.46, 0.02, 0.06), _AHEAD),
        Stop(0.9, 0.3, (0.38, 0.30, -0.08), _ASIDE),
        Stop(1.0, 0.3, (0.46, -0.10, -0.10), _ACROSS),
        Stop(0.9, 0.3, (0.42, 0.08, -0.32), _LOW),
        _HOME,
    ),
    "wave": (
        _START,
        Stop(1.1, 0.0, (0.18, 0.24, 0.22), _RAISED),
        *(Stop(0.5, 0.0, (0.18, 0.24 + 0.11 * side, 0.20), _RAISED) for side in (1, -1, 1, -1, 1)),
        Stop(0.45, 0.1, (0.18, 0.24, 0.22), _RAISED),
        Stop(1.1, 0.4, None, HANGING),
    ),
    "drink": (
        _START,
        Stop(1.0, 0.3, (0.42, 0.00, -0.20), _AT_TABLE),
        Stop(1.1, 0.9, (0.24, -0.06, 0.03), _AT_MOUTH),
        Stop(1.1, 0.3, (0.42, 0.00, -0.20), _AT_TABLE),
        _HOME,
    ),
    "lift": (
        _START,
        Stop(1.0, 0.3, (0.40, -0.03, -0.38), _CARRY_LOW),
        Stop(1.1, 0.3, (0.40, -0.03, -0.14), _CARRY),
        Stop(1.2, 0.5, (0.30, -0.03, 0.32), _OVERHEAD),
        Stop(1.2, 0.2, (0.40, -0.03, -0.14), _CARRY),
        Stop(1.0, 0.2, (0.40, -0.03, -0.38), _CARRY_LOW),
        _HOME,
    ),
}
NAMES: dict[str, tuple[str, str]] = {
    "reach": ("reach", "r"), "reach_left": ("reach", "l"), "reach_both": ("reach", "rl"),
    "wave": ("wave", "r"), "wave_left": ("wave", "l"), "wave_both": ("wave", "rl"),
    "drink": ("drink", "r"), "drink_left": ("drink", "l"),
    "lift": ("lift", "rl"),
}  # fmt: skip
"""Way and arms of every motion."""


REACHED = 0.04
"""Standard deviation of a varied place along each axis [m]; cut at twice that."""
DISTANT = (0.27, 0.50)
"""A varied place is at least and at most so far from the shoulder, or as near or far as the motion's own [m]. Tuned:
arms, which are 0.55 m long, still go there without being jerked past a limit."""
TURNED = 3.0
"""Standard deviation of the natural angles at a varied place [deg]."""
HASTE = 0.2
"""Standard deviation of the logarithm of a varied duration. Tuned: from two thirds to one and a half times as long."""


def way_of(name: str, seed: int | None = None) -> tuple[Stop, ...]:
    """The stops of a motion; with a seed those of one of its variations, whose places and durations are drawn by it.

    Raises:
        KeyError: No motion has that name.
    """
    stops = WAYS[NAMES[name][0]]
    if seed is None:
        return stops
    digest = hashlib.sha256(f"{NAMES[name][0]} {seed}".encode()).digest()
    draw = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    varied = []
    for stop in stops:
        # Drawn for every stop alike, so that each draw means the same whatever the others are.
        shift, turn, haste = draw.standard_normal(3), draw.standard_normal(7), draw.standard_normal(2)
        factor = np.exp(HASTE * np.clip(haste, -2, 2))
        place, posture = stop.place, stop.posture_deg
        if place is not None:
            own = float(np.linalg.norm(place))
            moved = np.array(place) + REACHED * np.clip(shift, -2, 2)
            far = float(np.linalg.norm(moved))
            moved *= np.clip(far, min(own, DISTANT[0]), max(own, DISTANT[1])) / far
            place = tuple(moved.tolist())
            posture = tuple((np.array(posture) + TURNED * np.clip(turn, -2, 2)).tolist())
        varied.append(Stop(stop.seconds * float(factor[0]), stop.rest * float(factor[1]), place, posture))
    return tuple(varied)


def minimum_jerk(share: Float[Tensor, "instant"]) -> Float[Tensor, "instant"]:
    """Share of the way over share of the time (Flash & Hogan 1985)."""
    s = share.clamp(0.0, 1.0)
    return s**3 * (10 - 15 * s + 6 * s**2)


def along(
    time: Float[Tensor, "instant"], stops: list[tuple[float, float]], values: Float[Tensor, "stop size"]
) -> Float[Tensor, "instant size"]:
    """From value to value with minimum jerk; a stop is the seconds to get there and those spent there."""
    at = values[:1].expand(len(time), -1).clone()
    clock = stops[0][0] + stops[0][1]
    for (seconds, rest), (before, after) in zip(stops[1:], itertools.pairwise(values), strict=True):
        at += minimum_jerk((time - clock) / seconds)[:, None] * (after - before)
        clock += seconds + rest
    return at


def arms_along(
    anatomy: Anatomy,
    poser: Poser,
    name: str,
    stops: tuple[Stop, ...],
    time: Float[Tensor, "instant"],
    wish: Float[Tensor, "instant pos"],
) -> tuple[Float[Tensor, "instant pos"], list[Goal]]:
    """The wished postures with natural arms put in, and goals for the hands that move."""
    sides = NAMES[name][1]
    clock = [(stop.seconds, stop.rest) for stop in stops]
    wish, goals = wish.clone(), list[Goal]()
    for side in "rl":
        moves = side in sides
        angles = torch.deg2rad(
            torch.tensor([stop.posture_deg if moves else HANGING for stop in stops], dtype=torch.float64)
        )
        wish[:, arm_index(anatomy, side)] = along(time, clock, angles)
        if moves:
            goals.append(Place(f"thirdmc_{side}", _hand(anatomy, poser, side, stops, clock, time), HAND_ERROR))
    return wish, goals


def targets(anatomy: Anatomy, name: str, seed: int | None = None) -> dict[str, list[tuple[float, Float[Tensor, "3"]]]]:
    """When each moving hand ('r' or 'l') leaves the places where it stops, and where they are in the world [s, m]."""
    sides, stops, poser = NAMES[name][1], way_of(name, seed), Poser.of(anatomy)
    leaves = list(itertools.accumulate(stop.seconds + stop.rest for stop in stops))
    return {
        side: [
            (time, place)
            for time, place, stop in zip(leaves, _places(anatomy, poser, side, stops), stops, strict=True)
            if stop.place is not None
        ]
        for side in sides
    }


def arm_index(anatomy: Anatomy, side: str) -> list[int]:
    """Entries of z that are one arm's."""
    skip = 1 if anatomy.free else 0
    return [anatomy.coordinate_names.index(f"{name}_{side}") + skip for name in ARM]


def _hand(
    anatomy: Anatomy, poser: Poser, side: str, stops: tuple[Stop, ...], clock: list[tuple[float, float]], time: Tensor
) -> Float[Tensor, "instant 3"]:
    """Straight from place to place; to and from the hanging arm as the joints have it."""
    at = along(time, clock, _places(anatomy, poser, side, stops))
    begin = clock[0][0] + clock[0][1]
    at[time < begin + 1e-9] = torch.nan
    for (seconds, rest), (before, after) in zip(clock[1:], itertools.pairwise(stops), strict=True):
        if before.place is None or after.place is None:
            at[(time > begin + 1e-9) & (time < begin + seconds - 1e-9)] = torch.nan
        if after.place is None:
            at[time >= begin + seconds - 1e-9] = torch.nan
        begin += seconds + rest
    return at


def _places(anatomy: Anatomy, poser: Poser, side: str, stops: tuple[Stop, ...]) -> Float[Tensor, "stop 3"]:
    z = anatomy.rest.repeat(len(stops), 1)
    shoulder = anatomy.kinematics.pose(anatomy.rest).pos[
        anatomy.landmarks.index("right_shoulder" if side == "r" else "left_shoulder")
    ]
    z[:, arm_index(anatomy, side)] = torch.deg2rad(
        torch.tensor([stop.posture_deg for stop in stops], dtype=torch.float64)
    )
    places = poser.pose(z).pos[:, poser.row(f"thirdmc_{side}")].clone()
    outward = -1.0 if side == "r" else 1.0
    for row, stop in enumerate(stops):
        if stop.place is not None:
            forward, out, up = stop.place
            places[row] = shoulder + torch.tensor([outward * out, -forward, up], dtype=torch.float64)
    return places
