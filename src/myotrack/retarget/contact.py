"""When the soles stand on the floor, where the floor is, and whether it moves: read from a first fit of the motion.

A foot that stands is low and does not slide. What slides is the material at the bottom of a sphere of the sole, not its
centre, so a foot that rolls over its heel stands still.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.clips.clip import RATE
from myotrack.retarget.loads import Posed, placed
from myotrack.retarget.residuals import Plant
from myotrack.retarget.rig import Rig

# All of these are tuned on CMU walks, runs, turns and jumps and on the force plates of Rajagopal et al. (2016).
SLOW = 0.35
"""Speed along the floor below which a sphere may stand [m/s]."""
LOW = 0.04
"""Height above the floor up to which a sphere of a recorded foot may rest [m]."""
NEAR = 0.015
"""Height above that at which a sphere usually rests, below which it may stand [m]."""
STEEPEST = math.radians(4.0)
"""A floor that seems to slope by more is no floor [rad]. Some CMU recordings slope by 1 deg."""
NARROW = 0.15
"""Spread of stances at which a slope is half believed [m]."""
AROUND = 0.5
"""Distance the feet must cover before a slope is believed [m]."""
SHORTEST = 0.05
"""A stance is at least this long [s]."""
WHILE, WANDER = 0.1, 0.015
"""Time [s] in which a standing sphere moves by less than so much [m]."""
LOOSE, LANDING, LEAVING = 1.0, 0.03, 0.08
"""Speed up to which a low sphere may stand so shortly before it has surely landed, and after it has surely stood
[m/s, s]. Tuned."""
LENIENCE = 0.05
"""Share of the body's own speed that is added to these: feet of a recorded runner slide by so much."""
BORNE = 0.3
"""Share of its weight from which a body must have a foot on the ground. Tuned."""
LOWEST, SLIDING, RUNNING, LONGEST = 0.005, 1.0, 0.3, 0.25
"""Such a foot is within so much of the lowest [m], and slides by at most so much [m/s] and so much of the body's own
speed, for at most so long [s]: who is seen to slide for longer does. Tuned; a runner's foot stands for 0.25 s."""
ALONE = 0.6
"""By how much sooner a stance is firm while nothing else bears the body: 0.02, 0.05, 0.12, 0.25, 0.5 become 0.21, 0.30,
0.43, 0.57, 0.76. Tuned, when feet were said to stand however fast they slid: on CMU_07_01 they slide by 6.0 instead of
11.7 mm, and landmarks jerk by 572 instead of 497 m/s³."""
GAP = 0.03
"""Two stances closer than this are one [s]."""
SLIP, HOVER = 0.001, 0.001
"""How firmly planted spheres are held along and above the floor [m]."""
SOFT, CLEAR = 0.003, 0.008
"""Height at which whatever may come near the floor begins to feel it, and at which soles in swing do [m]. Tuned: toes
of walkers pass at 10 mm or more (Winter 1992, recalled); at 3 mm, they skim over the floor for half a swing."""
ONSET = (0.02, 0.05, 0.12, 0.25, 0.5)
"""Weight of a stance in its first and last frames. Tuned: stances begin and end at up to 1 m/s; fewer frames jerk."""
STILL, ALOFT, ASTRAY = 0.15, 0.01, 0.0035
"""Speed of a planted sphere [m/s], height, and distance from its place as it lands and leaves [m], from which it
does not stand. Tuned."""
TRAVEL = 0.5
"""Speed from which a body is on its way [m/s]."""
MOST_SHARE, CROWD = 0.25, 0.04
"""Largest share of the body's speed by which a standing foot is believed to slide, and how alike they all are."""
BELT = 0.3
"""Speed from which feet that stand and slide all alike stand on a treadmill [m/s]."""


@dataclass(frozen=True)
class Soles:
    """How the spheres of the soles move."""

    centre: Float[Tensor, "frame sphere 3"]
    """[m]"""
    height: Float[Tensor, "frame sphere"]
    """Of the lowest point [m]."""
    rolled: Float[Tensor, "frame sphere 2"]
    """How far each centre has come by rolling alone, since the first frame [m]."""
    travel: Float[Tensor, "frame 2"]
    """Path of the pelvis along the floor [m]."""

    @classmethod
    def of(cls, rig: Rig, posed: Posed) -> "Soles":
        """Read from a posed body."""
        sole = rig.sole
        centre = posed.points(sole.segment, sole.offset)
        rotation = posed.pose.rotation
        turned = logarithm(from_matrix(rotation[1:] @ rotation[:-1].mT))[:, sole.segment]
        # A sphere of radius r that turns by w without slip moves by w x (0, 0, r).
        rolling = torch.stack([turned[..., 1], -turned[..., 0]], dim=-1) * sole.radius[:, None]
        rolled = torch.cat([torch.zeros_like(rolling[:1]), rolling.cumsum(dim=0)])
        return cls(centre, centre[..., 2] - sole.radius, rolled, posed.pose.pos[:, rig.segment("pelvis"), :2])

    def stood(self) -> Float[Tensor, "frame sphere 2"]:
        """Path of the centres along the floor without what is rolling; constant where a foot stands [m]."""
        return self.centre[..., :2] - self.rolled

    def pace(self, rate: float) -> Float[Tensor, "frame 1"]:
        """The body's own speed along the floor [m/s]."""
        return (torch.gradient(self.travel, dim=0)[0] * rate).norm(dim=1, keepdim=True)

    def haste(self, rate: float) -> Float[Tensor, "frame 1"]:
        """By how much faster a standing sphere may seem to move, since the body moves fast [m/s]."""
        return LENIENCE * self.pace(rate)

    def speed(self, rate: float) -> Float[Tensor, "frame sphere 2"]:
        """Velocity of the material at the bottom of each sphere [m/s]."""
        return torch.gradient(self.stood(), dim=0)[0] * rate


@dataclass(frozen=True)
class Floor:
    """The plane the feet stand on: height = offset + slope . (x, y)."""

    offset: float
    """[m]"""
    slope: Float[Tensor, "2"]
    unevenness: float
    """How far stances are from the plane, 90 % of them less [m]."""

    @property
    def tilt(self) -> float:
        """Angle between the plane and the horizontal [rad]."""
        return math.atan(float(self.slope.norm()))

    def levelling(self) -> Float[Tensor, "4"]:
        """The rotation that makes the plane horizontal."""
        normal = torch.cat([-self.slope, torch.ones(1, dtype=self.slope.dtype)])
        axis = torch.linalg.cross(normal, normal.new_tensor([0.0, 0.0, 1.0]))
        return exponential(axis / axis.norm().clamp_min(1e-12) * self.tilt)


def find_floor(soles: Soles, rate: float) -> Floor | None:
    """Fit a plane to where feet stand still; a tilt counts only if the feet have been about. None if none stands."""
    still = soles.speed(rate).norm(dim=-1) < SLOW + soles.haste(rate)
    still &= (torch.gradient(soles.height, dim=0)[0] * rate).abs() < SLOW
    lowest, sphere = torch.where(still, soles.height, torch.inf).min(dim=1)
    rows = torch.isfinite(lowest).nonzero()[:, 0]
    if len(rows) < 5:
        return None
    height = lowest[rows]
    place = soles.centre[rows, sphere[rows], :2]
    # A foot in swing may be slow for a moment, but is seldom lower than a foot that stands: mind the low ones.
    centre = place.mean(dim=0)
    design = torch.cat([torch.ones(len(rows), 1, dtype=height.dtype), place - centre], dim=1)
    design[:, 1:] *= 1.0 if float((place - centre).norm(dim=1).max()) > AROUND else 0.0
    weight = torch.ones_like(height)
    solution = torch.zeros(3, dtype=height.dtype)
    # A path that is long one way and narrow the other says little about the slope across.
    ridge = torch.diag(torch.tensor([0.0, NARROW**2, NARROW**2], dtype=height.dtype))
    for _ in range(15):
        solution = torch.linalg.solve(
            design.T @ (weight[:, None] * design) + weight.sum() * ridge, design.T @ (weight * height)
        )
        away = height - design @ solution
        weight = torch.where(away > 0, 0.5, 1.0) / away.abs().clamp_min(0.003)
    slope = solution[1:]
    if math.atan(float(slope.norm())) > STEEPEST:
        slope = torch.zeros_like(slope)
        solution[0] = height.quantile(0.3)
    away = (height - solution[0] - (place - centre) @ slope).abs()
    return Floor(float(solution[0] - slope @ centre), slope, float(away.quantile(0.9)))


def stride_ratio(rig: Rig, soles: Soles, rate: float) -> float:
    """By how much the root's path must be longer for standing feet to stand; 1 if nothing tells.

    Legs that are not quite the subject's, or a skeleton without the subject's shape, make every standing foot slide by
    the same share of the body's speed.
    """
    hind = _under_heels(rig)
    sphere = soles.height[:, hind].argmin(dim=1)
    forward = torch.gradient(soles.travel, dim=0)[0] * rate
    speed = forward.norm(dim=1)
    rows = (speed > TRAVEL).nonzero()[:, 0]
    foot = soles.speed(rate)[:, hind][rows, sphere[rows]]
    share = (foot * forward[rows]).sum(dim=1) / speed[rows] ** 2
    # Standing feet crowd at one share, swinging ones are spread out: take the densest place.
    centres = torch.linspace(-MOST_SHARE, MOST_SHARE, 101, dtype=share.dtype)
    density = torch.exp(-((share[:, None] - centres) ** 2) / (2 * CROWD**2)).sum(dim=0)
    near = share[(share - centres[density.argmax()]).abs() < 2 * CROWD]
    if len(near) < max(15, 0.2 * len(rows)):
        return 1.0
    return 1.0 / (1.0 - float(near.median()))


def _under_heels(rig: Rig) -> Bool[Tensor, "sphere"]:
    """Spheres of the hindfoot. Those of the toes are not placed well before the feet are planted."""
    return torch.tensor([rig.anatomy.foot_regions[int(region)].endswith("hindfoot") for region in rig.sole.region])


def belt_path(rig: Rig, soles: Soles, rate: float) -> Float[Tensor, "frame 2"] | None:
    """How far a treadmill has moved under the feet since the first frame [m]; None if there is none.

    Feet on a belt all slide at one velocity while the pelvis stays where it is. The belt slows down at every landing,
    so its velocity is that of the foot that stands, and in between it is interpolated.
    """
    hind = _under_heels(rig)
    height, speed = soles.height[:, hind], soles.speed(rate)[:, hind]
    sink = torch.gradient(height, dim=0)[0] * rate
    low = (height < LOW) & (sink.abs() < SLOW)
    velocity = speed[low]
    if len(velocity) < 20:
        return None
    common = velocity.quantile(0.5, dim=0)
    for radius in (0.8, 0.6, 0.5, 0.5, 0.5):  # Towards the crowd: what swings low is spread out [m/s].
        near = velocity[(velocity - common).norm(dim=-1) < radius]
        if len(near):
            common = near.quantile(0.5, dim=0)
    near = velocity[(velocity - common).norm(dim=-1) < 0.5]
    travelled = (soles.travel[-1] - soles.travel[0]).norm() * rate / len(soles.travel)
    if common.norm() < BELT or len(near) < 0.5 * len(velocity) or travelled > 0.3 * common.norm():
        return None
    stands = low & ((speed - common).norm(dim=-1) < 0.5)
    weight = (stands / (height - height.amin(dim=1, keepdim=True)).clamp_min(0.005)).to(height)
    total = weight.sum(dim=1, keepdim=True)
    own = (speed * weight[..., None]).sum(dim=1) / total.clamp_min(1e-9)
    # A short window of frames, where those without a standing foot count little and say 'as usual'.
    sure = (total > 0).to(height) + 0.02
    value = torch.where(total > 0, own, common) * sure
    window = torch.hann_window(9, periodic=False, dtype=height.dtype)[None, None]
    smooth, norm = (
        torch.nn.functional.conv1d(torch.nn.functional.pad(part.T[:, None], (4, 4), mode="replicate"), window)[:, 0].T
        for part in (value, sure)
    )
    return (smooth / norm).cumsum(dim=0) / rate


def find_stances(soles: Soles, rate: float, load: Float[Tensor, "frame"]) -> Bool[Tensor, "frame sphere"]:
    """When each sphere stands.

    Recorded feet hover or sink by a centimetre or two, each part of the sole by another amount, so a sphere is low when
    it is near the height at which it usually rests; and they slide the more the faster the body moves. A heel that
    lands and toes that push off bear load while they still or already seem to move: a stance reaches that far. And
    nobody floats: while the motion needs the ground and no foot is seen to stand, the lowest does, unless it plainly
    swings or glides.

    Args:
        soles: How the soles move.
        rate: Frames per second.
        load: What the ground must bear, by how the centre of mass moves [body weight].
    """
    haste = soles.haste(rate)
    speed = soles.speed(rate).norm(dim=-1)
    slow = speed < SLOW + haste
    resting = torch.where((speed < SLOW / 2 + haste) & (soles.height.abs() < LOW), soles.height, torch.nan)
    # A sphere that never rests near the floor has no height of its own: the floor's is taken.
    level = torch.nan_to_num(resting.nanmedian(dim=0).values)
    low = soles.height - level < NEAR
    standing = slow & low & _staying(soles, haste, rate)
    standing = ~_without_short_runs(~standing, round(GAP * rate))
    standing = _without_short_runs(standing, round(SHORTEST * rate))
    may = low & (speed < LOOSE + haste)
    late = _led(standing.flip(0), may.flip(0), round(LEAVING * rate)).flip(0)
    standing = _led(standing, may, round(LANDING * rate)) | late
    above = soles.height - level
    bearing = low & (above < above.amin(dim=1, keepdim=True) + LOWEST) & (speed < SLIDING + RUNNING * soles.pace(rate))
    bearing &= ((load > BORNE) & ~standing.any(dim=1))[:, None]
    number = _run_numbers(bearing)
    return standing | (bearing & (torch.bincount(number.reshape(-1))[number] <= round(LONGEST * rate)))


def _led(
    flags: Bool[Tensor, "frame column"], may: Bool[Tensor, "frame column"], most: int
) -> Bool[Tensor, "frame column"]:
    """Flags that reach back over so many frames at most, as long as these may have them."""
    for _ in range(most):
        earlier = torch.cat([flags[1:], flags[-1:]])
        flags = flags | (earlier & may)
    return flags


def _staying(soles: Soles, haste: Float[Tensor, "frame 1"], rate: float) -> Bool[Tensor, "frame sphere"]:
    """Whether a sphere has been, or will be, at about the same place for a while. A sliding foot has not."""
    stood = soles.stood()
    span = min(round(WHILE * rate), len(stood) - 1)
    moved = (stood[span:] - stood[:-span]).norm(dim=-1)
    before = torch.cat([moved[:1].expand(span, -1), moved])
    after = torch.cat([moved, moved[-1:].expand(span, -1)])
    return torch.minimum(before, after) < WANDER + WHILE * haste


def plant(
    rig: Rig,
    soles: Soles,
    planted: Bool[Tensor, "frame sphere"],
    load: Float[Tensor, "frame"],
    clear: float = SOFT,
) -> Plant:
    """Hold the spheres of the soles where they stand, and everything above the floor.

    Args:
        rig: The body.
        soles: How its soles move.
        planted: Which of their spheres stand when.
        load: What the ground must bear [body weight].
        clear: Height at which others begin to feel the floor; `CLEAR` once it is sure which ones stand [m].
    """
    sole, guard = rig.sole, rig.guard
    flat = rig.kinematics.pose(rig.anatomy.rest[None])
    rise = (placed(flat, sole.segment, sole.offset)[0, :, 2] - sole.radius).clamp_min(0.0)
    others = torch.zeros(len(planted), len(guard.radius), dtype=torch.float64)
    firmness = _firmness(planted, load)
    return Plant(
        segment=torch.cat([sole.segment, guard.segment]),
        place=torch.cat([sole.offset, guard.offset]),
        radius=torch.cat([sole.radius, guard.radius]),
        planted=torch.cat([planted, others.bool()], dim=1),
        firmness=torch.cat([firmness, others], dim=1),
        anchor=anchors(soles, planted, firmness),
        slip=SLIP,
        hover=HOVER,
        rise=torch.cat([rise, others[0]]),
        soft=torch.cat([torch.full_like(rise, clear), torch.full_like(others[0], SOFT)]),
    )


def _firmness(planted: Bool[Tensor, "frame sphere"], load: Float[Tensor, "frame"]) -> Float[Tensor, "frame sphere"]:
    """How firmly a sphere is held: little as it lands and leaves, so that it does so smoothly; more if it is alone."""
    firm = planted.to(torch.float64)
    for grip in ONSET:
        inner = planted.clone()
        inner[1:] &= planted[:-1]
        inner[:-1] &= planted[1:]
        firm = torch.where(planted & ~inner, torch.minimum(firm, torch.full_like(firm, grip)), firm)
        planted = inner
    heavy = ((load - BORNE) / (1 - BORNE)).clamp(0, 1)
    alone = heavy * (firm.amax(dim=1) < 1)
    return firm ** (1 - ALONE * alone[:, None])


def standing_regions(rig: Rig, soles: Soles, held: Plant, load: Float[Tensor, "frame"]) -> Bool[Tensor, "frame region"]:
    """Which foot regions stand.

    Those whose lowest sphere is meant to, and does; and while the ground must bear the body and none would, those that
    are meant to, touch it and do not slide fast.
    """
    count = soles.height.shape[1]
    speed = soles.speed(RATE).norm(dim=-1)
    near = (soles.centre[..., :2] - held.anchor).norm(dim=-1) < ASTRAY
    near |= held.firmness[:, :count] == 1.0  # Who stands for long may shift from foot to foot.
    touching = held.planted[:, :count] & (soles.height - held.rise[:count] < ALOFT)
    stands = touching & near & (speed < STILL)
    alone = (load > BORNE) & ~stands.any(dim=1)
    stands |= touching & alone[:, None] & (speed < SLOW + soles.haste(RATE))
    columns = []
    for region in range(len(rig.anatomy.foot_regions)):
        mine = rig.sole.region == region
        lowest = soles.height[:, mine].argmin(dim=1, keepdim=True)
        columns.append(stands[:, mine].gather(1, lowest))
    regions = ~_without_short_runs(~torch.cat(columns, dim=1), round(GAP * RATE))
    return _without_short_runs(regions, round(SHORTEST * RATE))


def anchored(held: Plant, soles: Soles) -> Plant:
    """The same stances, at the places where they are now."""
    count = held.anchor.shape[1]
    return replace(held, anchor=anchors(soles, held.planted[:, :count], held.firmness[:, :count]))


def anchors(
    soles: Soles, planted: Bool[Tensor, "frame sphere"], firmness: Float[Tensor, "frame sphere"]
) -> Float[Tensor, "frame sphere 2"]:
    """Mean place of every stance, mostly while it is firm, with the rolling put back."""
    stood = soles.stood()
    number = _run_numbers(planted)
    runs = int(number.max()) + 1
    rows, weight = number.reshape(-1), firmness.reshape(-1)
    sums = stood.new_zeros(runs, 2).index_add_(0, rows, stood.reshape(-1, 2) * weight[:, None])
    mean = sums / stood.new_zeros(runs).index_add_(0, rows, weight).clamp_min(1e-9)[:, None]
    return mean[number] + soles.rolled


def _run_numbers(flags: Bool[Tensor, "frame column"]) -> Tensor:
    """Number of the run each flag belongs to, from 1, different in every column; 0 where the flag is not set."""
    starts = flags.clone()
    starts[1:] &= ~flags[:-1]
    number = starts.T.reshape(-1).cumsum(dim=0).reshape(flags.shape[1], -1).T
    return torch.where(flags, number, 0)


def _without_short_runs(flags: Bool[Tensor, "frame column"], shortest: int) -> Bool[Tensor, "frame column"]:
    """Without runs of fewer frames than `shortest`, unless they touch an end of the motion."""
    number = _run_numbers(flags)
    lengths = torch.bincount(number.reshape(-1))
    long = lengths >= shortest
    for end in (number[0], number[-1]):
        long[end] = True
    long[0] = False
    return flags & long[number]
