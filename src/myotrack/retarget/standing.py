"""A motion that stands on the floor: the floor levelled, a belt stopped, soles planted, nothing below ground."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.quaternion import multiply, to_matrix
from myotrack.clips.clip import RATE
from myotrack.retarget.contact import (
    CLEAR,
    Soles,
    anchored,
    belt_path,
    find_floor,
    find_stances,
    plant,
    standing_regions,
    stride_ratio,
)
from myotrack.retarget.correspondence import Correspondence
from myotrack.retarget.curve import Curve
from myotrack.retarget.placement import Placement
from myotrack.retarget.residuals import Plant
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings
from myotrack.retarget.solver import Problem, pose

ROUNDS = 2
"""How often the stances' places are taken anew, once the stances are known."""
STEPS, FIRST_STEPS = 5, 3
"""Steps of the solver in each round, and before the stances are known."""
UNEVEN = 0.03
"""Distance of stances from a plane from which the ground is not flat [m]."""
DRAWN = 0.05
"""Share by which a path must be too short or too long before it is drawn out."""
FLAT_SPHERES = 5
"""Of the eight spheres under a foot, those that stand when it is flat."""
SETTLED = 1e-3
"""Share of the cost below which a step is the last."""
LOAD_FRAMES = 7
"""Frames over which the acceleration of the centre of mass is averaged, which leaves half of 12.5 Hz."""
GRAVITY = 9.81
"""[m/s²]"""
FLAT_FRAMES = 10
"""Frames of standing flat from which the places of points on a foot can be told."""


@dataclass(frozen=True)
class Motion:
    """A problem, and the best curve so far; both move together."""

    problem: Problem
    curve: Curve
    rig: Rig
    placement: Placement
    """Where this is in the world of the recording."""

    def soles(self) -> Soles:
        """How the soles move, on the body's own size."""
        return Soles.of(self.rig, pose(self.problem.body, self.curve.z(), 1.0))

    def load(self) -> Float[Tensor, "frame"]:
        """What the ground had to bear of the person [body weight]."""
        return load_of(self.rig.centre_of_mass(self.curve.z())[:, 2] * self.problem.scale)

    def turned(self, turn: Float[Tensor, "4"]) -> "Motion":
        """Everything rotated about the world's origin."""
        matrix = to_matrix(turn)
        control = self.curve.control.clone()
        control[:, :3] = control[:, :3] @ matrix.mT
        control[:, 3:7] = multiply(turn.expand(len(control), 4), control[:, 3:7])
        follow, stand = self.problem.follow, self.problem.stand
        problem = replace(
            self.problem,
            follow=replace(follow, target=follow.target @ matrix.mT),
            stand=replace(stand, target=matrix @ stand.target) if stand is not None else None,
        )
        curve = replace(self.curve, control=control)
        return replace(self, problem=problem, curve=curve, placement=self.placement.turned(turn))

    def shifted(self, shift: Float[Tensor, "frame 3"]) -> "Motion":
        """Everything moved, by lengths in the body's own size [m]."""
        control = self.curve.control.clone()
        control[:, :3] += self.curve.spline.fit(shift)
        follow = self.problem.follow
        follow = replace(follow, target=follow.target + shift[:, None] * self.problem.scale)
        curve = replace(self.curve, control=control)
        problem = replace(self.problem, follow=follow)
        return replace(self, problem=problem, curve=curve, placement=self.placement.shifted(shift))

    def along(self, path: Float[Tensor, "frame 2"]) -> "Motion":
        """Everything moved along the floor [m]."""
        return self.shifted(torch.cat([path, torch.zeros_like(path[:, :1])], dim=1))

    def raised(self, height: float) -> "Motion":
        """Everything moved up [m]."""
        shift = torch.zeros(self.curve.spline.samples, 3, dtype=torch.float64)
        shift[:, 2] = height
        return self.shifted(shift)


@dataclass(frozen=True)
class Standing:
    """A motion that stands on the floor."""

    motion: Motion
    contact: Bool[Tensor, "frame region"]
    """Which foot regions stand."""
    notes: tuple[str, ...]
    """What was done for it."""


def load_of(height: Float[Tensor, "frame"]) -> Float[Tensor, "frame"]:
    """What the ground must bear, by how a centre of mass rises and sinks: weight and inertia [body weight].

    Args:
        height: Of the centre of mass, at 100 Hz [m].
    """
    acceleration = height.diff(n=2)[None, None] * RATE**2
    window = torch.hann_window(LOAD_FRAMES + 2, periodic=False, dtype=height.dtype)[1:-1]
    acceleration = torch.nn.functional.pad(acceleration, (1 + LOAD_FRAMES // 2,) * 2, mode="replicate")
    return 1 + torch.nn.functional.conv1d(acceleration, (window / window.sum())[None, None])[0, 0] / GRAVITY


def stand(motion: Motion, match: Correspondence, settings: Settings) -> Standing:
    """Find the floor and the stances, and solve again with the soles planted."""
    motion, notes = _on_level_floor(motion, settings)
    soles = motion.soles()
    load = motion.load()
    planted = find_stances(soles, RATE, load)
    held = plant(motion.rig, soles, planted, load)
    if planted.any():
        # The whole sole rests on the floor, not its lowest point.
        gap = (soles.height - held.rise[: soles.height.shape[1]])[planted]
        motion = motion.raised(-float(gap.median()))
    motion = _solved(motion, held, FIRST_STEPS)
    motion = replace(motion, problem=_settled(motion, match, planted))
    motion, planted = _seen_again(motion)
    held = plant(motion.rig, motion.soles(), planted, motion.load(), CLEAR)
    for _ in range(ROUNDS):
        motion = _solved(motion, held, STEPS)
        held = anchored(held, motion.soles())
        motion = replace(motion, problem=_settled(motion, match, planted))
    return Standing(motion, standing_regions(motion.rig, motion.soles(), held, motion.load()), notes)


def _solved(motion: Motion, held: Plant, steps: int) -> Motion:
    """With these stances held."""
    problem = replace(motion.problem, plant=held)
    return replace(motion, problem=problem, curve=problem.solve(motion.curve, steps=steps, tolerance=SETTLED))


def _seen_again(motion: Motion) -> tuple[Motion, Bool[Tensor, "frame sphere"]]:
    """Over a floor that holds nothing but lets nothing through, and the stances there.

    Nothing recorded bends the toes. In a first fit they are straight, so that a foot that pushes off dips them into the
    ground and drags them along; and where points on the feet tell little, the whole sole is tilted. The floor bends the
    toes, and the points have been moved to where a flat foot has them: now toes stand for as long as they really do.
    """
    soles = motion.soles()
    nothing = torch.zeros(soles.height.shape, dtype=torch.bool)
    unasked = torch.zeros(len(nothing), dtype=torch.float64)  # Where nothing stands, no load makes it firm.
    motion = _solved(motion, plant(motion.rig, soles, nothing, unasked), FIRST_STEPS)
    return motion, find_stances(motion.soles(), RATE, motion.load())


def _on_level_floor(motion: Motion, settings: Settings) -> tuple[Motion, tuple[str, ...]]:
    """With a path that fits the legs, a floor that is level and at zero, and a belt that stands still."""
    notes = []
    soles = motion.soles()
    ratio = stride_ratio(motion.rig, soles, RATE)
    if abs(ratio - 1) > DRAWN:
        motion = motion.along((ratio - 1) * (soles.travel - soles.travel[0]))
        notes.append(f"path over the ground drawn out by {ratio:.3f}, so that standing feet stay where they are")
    floor = find_floor(motion.soles(), RATE)
    if floor is not None:
        motion = motion.turned(floor.levelling())
        height = (find_floor(motion.soles(), RATE) or floor).offset
        motion = motion.raised(-height)
        notes.append(f"floor levelled by {math.degrees(floor.tilt):.1f} deg and moved by {-1000 * height:+.0f} mm")
        if floor.unevenness > UNEVEN:
            notes.append(f"the ground is uneven: stances are up to {1000 * floor.unevenness:.0f} mm from a plane")
    belt = belt_path(motion.rig, motion.soles(), RATE) if settings.treadmill else None
    if belt is not None:
        motion = motion.along(-belt)
        speed = float((belt[-1] - belt[0]).norm()) * motion.problem.scale * RATE / (len(belt) - 1)
        notes.append(f"treadmill at {speed:.2f} m/s turned into motion over ground")
    return motion, tuple(notes)


def _settled(motion: Motion, match: Correspondence, planted: Bool[Tensor, "frame sphere"]) -> Problem:
    """Points moved on their segments to where they are on average, now that the feet stand flat on the floor.

    Points on the feet are judged while their foot stands, so that standing asks nothing of the ankle.
    """
    problem, rig = motion.problem, motion.rig
    posed = pose(problem.subject, motion.curve.z(), problem.scale)
    away = problem.follow.target - posed.points(match.segment, problem.follow.place)
    local = (posed.pose.rotation[:, match.segment].mT @ away[..., None]).squeeze(-1)
    for side in ("right", "left"):
        foot = torch.tensor([rig.segment(f"{side}_{part}") for part in ("talus", "foot", "toes")])
        stands = planted[:, torch.isin(rig.sole.segment, foot)].sum(dim=1) >= FLAT_SPHERES
        if stands.sum() >= FLAT_FRAMES:
            mine = torch.isin(match.segment, foot)
            local[:, mine] = torch.where(stands[:, None, None], local[:, mine], torch.nan)
    mean = torch.nan_to_num(local.nanmean(dim=0))  # A point that was never seen stays where it is.
    share = (match.spread**2 / (match.spread**2 + match.error**2 / 4))[:, None]
    return replace(problem, follow=replace(problem.follow, place=problem.follow.place + share * mean))
