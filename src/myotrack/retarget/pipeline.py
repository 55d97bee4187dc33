"""`retarget`: from a recording to a clip.

    points   recorded points at 100 Hz                    (`resample`)
    match    which of them is what                        (`correspondence`)
    subject  sizes of the person, places of the points    (`subject`)
    curve    the whole motion: first coarse, then fine    (`solver`)
    stances  floor, belt and contacts, then fine again    (`contact`)
    lift     what is left below the floor                 (`ground`)
    quality  what became of it                            (`clips.quality`)
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import multiply, to_matrix
from myotrack.algebra.rotation import continuous, exponential
from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip, Provenance
from myotrack.clips.quality import assess
from myotrack.retarget.apart import Apart
from myotrack.retarget.contact import Soles, anchored, belt_path, find_floor, find_stances, plant, standing_regions
from myotrack.retarget.correspondence import Correspondence, correspond
from myotrack.retarget.curve import Curve
from myotrack.retarget.ground import lifted
from myotrack.retarget.residuals import Follow, Plant, Settle, Stand
from myotrack.retarget.rig import PARTS, Rig
from myotrack.retarget.solver import Problem, pose, tangent
from myotrack.retarget.subject import Subject, fit_subject, starting_posture

STEP = 1 / RATE
COARSE = 8
"""Samples per knot, and per frame, of the first search."""
FINE = 3
"""Samples per knot of the result: 30 ms, so motions up to about 15 Hz are followed. Tuned."""
JERK = 4.0e3
"""Standard deviation of the jerk of joint angles [rad/s³] and, divided by `REACH`, of the root's path. Tuned: half of
it blurs heel strikes, twice of it passes on marker noise."""
REACH = 2.0
ROUNDS = 2
"""How often the stances' places are taken anew."""
STEPS = 5
"""Steps of the solver in each round."""
FLAT_SPHERES = 5
"""Of the eight spheres under a foot, those that stand when it is flat."""
UNEVEN = 0.03
"""Distance of stances from a plane from which the ground is not flat [m]."""
MOST_FLAT = math.radians(35.0)
"""A foot that stands still at a steeper angle is not meant to be flat [rad]."""
FLAT = 0.2
"""Speed of ankle and toes below which a foot stands flat [m/s]."""
STIFF = {"mtp_angle": 0.3, "subtalar_angle": 0.05}
"""The same of joints that few recordings tell anything about [rad]. The subtalar joint moves by about 10 deg in walking
(Leardini et al. 1999, doi:10.1016/S0268-0033(98)90095-0), and would else take up every error of the foot."""
LOOSE = 1.5
"""Standard deviation of joint angles about the resting posture [rad]."""


@dataclass(frozen=True)
class Settings:
    """Choices of a retargeting."""

    markers: Path | None = None
    """File that says where points belong, for names that are not known."""
    plant: bool = True
    """Let the feet stand on the floor without slipping, hovering or sinking, and limbs not pass through each other.
    Without it the clip is plain inverse kinematics, whose joint angles are closer to the recording."""
    treadmill: bool = True
    """Turn walking on a belt into walking over ground, where feet slide all alike."""
    device: str = "cpu"
    """'cpu' or 'cuda'."""


@dataclass(frozen=True)
class Fit:
    """Everything found on the way, for those who want to look."""

    clip: Clip
    subject: Subject
    match: Correspondence
    miss: Float[Tensor, "frame point"]
    """Distance of every recorded point from the same point on the subject-sized body that performs the clip [m]."""
    seconds: dict[str, float]
    """Time per stage [s]."""


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def retarget(recording: Recording, anatomy: Anatomy, settings: Settings | None = None) -> Clip:
    """Give a body the motion of a recording.

    Args:
        recording: From `capture.read`.
        anatomy: The body.
        settings: Choices.

    Raises:
        ValueError: The recording has no points we know, or too few frames.
    """
    return fit(recording, anatomy, settings).clip


def fit(recording: Recording, anatomy: Anatomy, settings: Settings | None = None) -> Fit:
    """As `retarget`, with everything that was found."""
    settings = settings or Settings()
    clock = _Clock()
    rig = Rig.of(anatomy)
    match = correspond(recording, rig, settings.markers)
    points, turns = resampled(recording, match)
    turns = _flat_feet(points, turns, match, rig)
    clock.lap("points")
    subject = fit_subject(points, turns, match, rig)
    clock.lap("subject")
    problem = _problem(points, turns, match, subject, rig)
    curve = _coarse(problem, points, turns, match, subject, rig)
    clock.lap("coarse")
    curve = problem.solve(curve, steps=3)
    clock.lap("fine")
    notes: list[str] = []
    contact = None
    if len(rig.sole.radius) and settings.plant:
        problem, curve, contact, notes = _stand(problem, curve, rig, match, settings)
        clock.lap("contact")
        curve, lift = lifted(curve, rig)
        if float(lift.max()) > 0:
            notes.append(f"raised by up to {1000 * float(lift.max()):.1f} mm where it was below the floor")
        clock.lap("lift")
    miss = _miss(problem, curve)
    clip = _clip(recording, rig, curve, contact, subject, (*notes,))
    quality = assess(clip, anatomy, float(miss[torch.isfinite(miss)].square().mean().sqrt()))
    clock.lap("quality")
    return Fit(replace(clip, quality=quality), subject, match, miss, clock.seconds)


def resampled(
    recording: Recording, match: Correspondence
) -> tuple[Float[Tensor, "frame point 3"], Float[Tensor, "frame turn 3 3"]]:
    """Points and orientations at the rate of clips."""
    from scipy.interpolate import CubicSpline

    assert recording.points is not None
    points = recording.points[:, match.column.numpy()]
    old = np.arange(len(points)) / recording.rate
    new = np.arange(int(np.floor(old[-1] * RATE + 1e-6)) + 1) / RATE
    if len(new) < 8:
        raise ValueError(f"{recording.origin.file}: lasts {old[-1]:.2f} s; a clip needs at least 0.08 s.")
    seen = np.isfinite(points).all(axis=2)
    out = np.full((len(new), points.shape[1], 3), np.nan)
    for column in range(points.shape[1]):
        rows = seen[:, column]
        if rows.all():
            continue
        if rows.sum() >= 4:
            near = np.clip(np.round(new * recording.rate).astype(int), 0, len(old) - 1)
            before = np.clip(np.floor(new * recording.rate).astype(int), 0, len(old) - 1)
            after = np.clip(before + 1, 0, len(old) - 1)
            valid = rows[near] & rows[before] & rows[after]
            out[valid, column] = CubicSpline(old[rows], points[rows, column])(new[valid])
    whole = seen.all(axis=0)
    if whole.any():
        out[:, whole] = CubicSpline(old, points[:, whole])(new)
    turns = torch.zeros(len(new), len(match.turn_column), 3, 3, dtype=torch.float64)
    if len(match.turn_column) and recording.turns is not None:
        quaternions = recording.turns[:, match.turn_column.numpy()]
        agree = (quaternions[1:] * quaternions[:-1]).sum(-1)
        signs = np.concatenate([np.ones((1, agree.shape[1])), np.where(agree < 0, -1.0, 1.0).cumprod(axis=0)])
        smooth = torch.as_tensor(CubicSpline(old, quaternions * signs[..., None])(new))
        turns = to_matrix(torch.nn.functional.normalize(smooth, dim=-1)) @ match.turn_rest
    return torch.as_tensor(out), turns


def _flat_feet(points: Tensor, turns: Tensor, match: Correspondence, rig: Rig) -> Tensor:
    """Recorded orientations of the feet, turned so that a foot whose joints do not move stands flat.

    A skeleton's rest pose need not have level soles: in the CMU database, the legs of it are spread.
    """
    turns = turns.clone()
    for row, segment in enumerate(match.turn_segment.tolist()):
        name = rig.segments[segment]
        if not name.endswith("_foot"):
            continue
        side = name.split("_")[0]
        feet = [
            column
            for column, segment in enumerate(match.segment.tolist())
            if rig.segments[segment] in (f"{side}_talus", f"{side}_foot")
        ]
        speed = torch.gradient(points[:, feet], dim=0)[0].norm(dim=-1).amax(dim=1) * RATE
        still = speed < FLAT
        if still.sum() < 5:
            continue
        up = turns[still, row, 2, :].mean(dim=0)
        up = up / up.norm()
        axis = torch.linalg.cross(up.new_tensor([0.0, 0.0, 1.0]), up)
        angle = torch.atan2(axis.norm(), up[2])
        if angle < MOST_FLAT:
            turns[:, row] = turns[:, row] @ to_matrix(exponential(axis / axis.norm().clamp_min(1e-12) * angle))
    return turns


def _problem(points: Tensor, turns: Tensor, match: Correspondence, subject: Subject, rig: Rig) -> Problem:
    size = rig.anatomy.couplings.coordinate_size
    skip = 1 if rig.anatomy.free else 0
    loose = torch.full((size,), 1 / LOOSE**2, dtype=torch.float64)
    jerk = torch.full((size,), 1 / (JERK * (FINE * STEP) ** 3) ** 2, dtype=torch.float64)
    if skip:
        loose[:6] = 0.0
        jerk[:3] *= REACH**2
        for index, name in enumerate(rig.anatomy.coordinate_names):
            for stem, spread in STIFF.items():
                if name.startswith(stem):
                    loose[index] = 1 / spread**2
    return Problem(
        subject=subject.kinematics(rig),
        body=rig.kinematics,
        scale=subject.legs,
        follow=Follow(match.segment, subject.place, points, match.error),
        stand=Stand(match.turn_segment, turns, match.turn_error) if len(match.turn_segment) else None,
        plant=None,
        apart=Apart.of(rig),
        settle=Settle(tangent(rig.anatomy.rest[None], skip)[0], loose),
        smooth=jerk,
        low=rig.low,
        high=rig.high,
    )


def _coarse(
    problem: Problem, points: Tensor, turns: Tensor, match: Correspondence, subject: Subject, rig: Rig
) -> Curve:
    """A first search on every eighth frame, from a relaxed posture, drawn out to a fine curve."""
    stride = max(1, min(COARSE, len(points) // 8))
    few = points[::stride]
    z = starting_posture(few, match, rig, float(subject.size.mean()))
    if rig.anatomy.free:
        z = torch.cat([z[:, :3] / subject.legs, z[:, 3:]], dim=1)
    start = Curve.through(z, 1, stride * STEP, rig.anatomy.free)
    assert problem.follow is not None
    simple = replace(
        problem,
        follow=replace(problem.follow, target=few),
        stand=replace(problem.stand, target=turns[::stride]) if problem.stand is not None else None,
        smooth=problem.smooth * (FINE / stride) ** 6 * 10,
    )
    found = simple.solve(start, steps=16, tolerance=1e-3)
    return refined(found, len(points), stride)


def refined(coarse: Curve, samples: int, stride: int) -> Curve:
    """A coarse curve, sampled densely."""
    from scipy.interpolate import CubicSpline

    z = coarse.z()
    if coarse.free:
        z = torch.cat([z[:, :3], continuous(z[:, 3:7]), z[:, 7:]], dim=1)
    times = np.arange(len(z)) * stride
    dense = torch.as_tensor(CubicSpline(times, z.numpy())(np.minimum(np.arange(samples), times[-1])))
    return Curve.through(dense, FINE, STEP, coarse.free)


def _stand(
    problem: Problem, curve: Curve, rig: Rig, match: Correspondence, settings: Settings
) -> tuple[Problem, Curve, Tensor, list[str]]:
    """Find the floor and the stances, and solve again with the soles planted."""
    notes: list[str] = []
    soles = Soles.of(rig, pose(problem.body, curve.z(), 1.0))
    floor = find_floor(soles, RATE)
    if floor is not None:
        problem, curve = _turned(problem, curve, floor.levelling())
        soles = Soles.of(rig, pose(problem.body, curve.z(), 1.0))
        level = find_floor(soles, RATE) or floor
        shift = torch.zeros(len(soles.height), 3, dtype=torch.float64)
        shift[:, 2] = -level.offset
        problem, curve = _shifted(problem, curve, shift)
        notes.append(f"floor levelled by {math.degrees(floor.tilt):.1f} deg and moved by {-1000 * level.offset:+.0f} mm")
        if floor.unevenness > UNEVEN:
            notes.append(f"the ground is uneven: stances are up to {1000 * floor.unevenness:.0f} mm from a plane")
    soles = Soles.of(rig, pose(problem.body, curve.z(), 1.0))
    if settings.treadmill:
        belt = belt_path(rig, soles, curve.z()[:, :2], RATE)
        if belt is not None:
            shift = torch.zeros(len(soles.height), 3, dtype=torch.float64)
            shift[:, :2] = -belt
            problem, curve = _shifted(problem, curve, shift)
            soles = Soles.of(rig, pose(problem.body, curve.z(), 1.0))
            speed = float((belt[-1] - belt[0]).norm()) * problem.scale * RATE / (len(belt) - 1)
            notes.append(f"treadmill at {speed:.2f} m/s turned into motion over ground")
    planted = find_stances(soles, RATE)
    held = plant(rig, soles, planted)
    if planted.any():
        # The whole sole rests on the floor, not its lowest point.
        shift = torch.zeros(len(soles.height), 3, dtype=torch.float64)
        shift[:, 2] = -(soles.height - held.rise[: soles.height.shape[1]])[planted].median()
        problem, curve = _shifted(problem, curve, shift)
    for _ in range(ROUNDS):
        problem = replace(problem, plant=held)
        curve = problem.solve(curve, steps=STEPS)
        held = anchored(held, Soles.of(rig, pose(problem.body, curve.z(), 1.0)))
        problem = _settled(problem, curve, rig, match, planted)
    soles = Soles.of(rig, pose(problem.body, curve.z(), 1.0))
    return problem, curve, standing_regions(rig, soles, held), notes


def _settled(problem: Problem, curve: Curve, rig: Rig, match: Correspondence, planted: Tensor) -> Problem:
    """Points moved on their segments to where they are on average, now that the feet stand flat on the floor.

    Points on the feet are judged while their foot stands, so that standing asks nothing of the ankle.
    """
    assert problem.follow is not None
    z = curve.z()
    posed = pose(problem.subject, z, problem.scale)
    away = problem.follow.target - posed.points(match.segment, problem.follow.place)
    local = (posed.pose.rotation[:, match.segment].mT @ away[..., None]).squeeze(-1)
    for side in ("right", "left"):
        foot = [rig.segment(f"{side}_{part}") for part in ("talus", "foot", "toes")]
        mine = torch.isin(match.segment, torch.tensor(foot))
        stands = planted[:, torch.isin(rig.sole.segment, torch.tensor(foot))].sum(dim=1) >= FLAT_SPHERES
        if stands.sum() >= 10:
            local[:, mine] = torch.where(stands[:, None, None], local[:, mine], torch.nan)
    mean = torch.nan_to_num(local.nanmean(dim=0))
    # As far as the spread of such places allows, in view of how well many frames know them.
    share = (match.spread**2 / (match.spread**2 + match.error**2 / 4))[:, None]
    follow = replace(problem.follow, place=problem.follow.place + share * mean)
    return replace(problem, follow=follow)


def _turned(problem: Problem, curve: Curve, turn: Float[Tensor, "4"]) -> tuple[Problem, Curve]:
    """Everything rotated about the world's origin."""
    assert problem.follow is not None
    matrix = to_matrix(turn)
    control = curve.control.clone()
    control[:, :3] = control[:, :3] @ matrix.mT
    control[:, 3:7] = multiply(turn.expand(len(control), 4), control[:, 3:7])
    follow = replace(problem.follow, target=problem.follow.target @ matrix.mT)
    stand = replace(problem.stand, target=matrix @ problem.stand.target) if problem.stand is not None else None
    return replace(problem, follow=follow, stand=stand), replace(curve, control=control)


def _shifted(problem: Problem, curve: Curve, shift: Float[Tensor, "frame 3"]) -> tuple[Problem, Curve]:
    """Everything moved, by lengths in the body's own size."""
    assert problem.follow is not None
    control = curve.control.clone()
    control[:, :3] += curve.spline.fit(shift)
    follow = replace(problem.follow, target=problem.follow.target + shift[:, None] * problem.scale)
    return replace(problem, follow=follow), replace(curve, control=control)


def _miss(problem: Problem, curve: Curve) -> Float[Tensor, "frame point"]:
    assert problem.follow is not None
    z = curve.z()
    return problem.follow.miss(pose(problem.subject, z, problem.scale), slice(0, len(z)))


def _clip(
    recording: Recording, rig: Rig, curve: Curve, contact: Tensor | None, subject: Subject, notes: tuple[str, ...]
) -> Clip:
    pos, vel, acc = curve.motion()
    anatomy = rig.anatomy
    if contact is None:
        contact = torch.zeros(len(pos), len(anatomy.foot_regions), dtype=torch.bool)
    sizes = ", ".join(f"{part} {float(size):.2f}" for part, size in zip(PARTS, subject.size, strict=True))
    origin = recording.origin
    return Clip(
        name=recording.name,
        body=anatomy.name,
        fingers=anatomy.fingers,
        body_hash=anatomy.hash,
        pos=pos,
        vel=vel,
        acc=acc,
        contact=contact,
        subject=recording.subject.name or "",
        provenance=Provenance(
            source=origin.file,
            sha256=origin.sha256,
            format=origin.format,
            licence=origin.licence or "",
            notes=(*origin.notes, f"sizes of the subject over the body: {sizes}", *notes),
        ),
        scale=subject.legs,
    )


Progress = Callable[[], None]
