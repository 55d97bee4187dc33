"""`retarget`: from a recording to a clip.

points   recorded points at 100 Hz                    (`resample`)
match    which of them is what                        (`correspondence`)
subject  sizes of the person, places of the points    (`subject`), and a body of these sizes if wanted
curve    the whole motion: first coarse, then fine    (`solver`)
stances  floor, belt and contacts, then fine again    (`contact`)
lift     what is left below the floor                 (`ground`)
quality  what became of it                            (`clips.quality`)
"""

import re
import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline
from torch import Tensor

from myotrack.algebra.rotation import continuous
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS, Sizes
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip, Provenance
from myotrack.clips.quality import assess
from myotrack.retarget.apart import Apart
from myotrack.retarget.coordinates import posed
from myotrack.retarget.correspondence import Correspondence, correspond
from myotrack.retarget.curve import Curve
from myotrack.retarget.fitted import fitted_sizes
from myotrack.retarget.ground import lifted
from myotrack.retarget.placement import Placement
from myotrack.retarget.resample import resampled, with_flat_feet
from myotrack.retarget.residuals import Follow, Settle, Stand
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings as Settings
from myotrack.retarget.solver import Problem, pose, tangent
from myotrack.retarget.standing import Motion, stand
from myotrack.retarget.subject import Subject, fit_subject, starting_posture
from myotrack.retarget.trunk import on_thorax

STEP = 1 / RATE
FEWEST = {"full": 8, "arms": 4}
"""Points without which a body cannot be posed."""
COARSE = 8
"""Samples per frame, each a knot, of the first search."""
COARSE_SMOOTH = 10.0
"""How much stiffer its curve is."""
COARSE_STEPS, FINE_STEPS = 16, 3
"""Most steps of the solver, first and then before the floor is known."""
FINE = 3
"""Samples per knot of the result: 30 ms, so motions up to about 15 Hz are followed. Tuned."""
JERK = 4.0e3
"""Standard deviation of the jerk of joint angles [rad/s³] and, divided by `REACH`, of the root's path. Tuned: on a CMU
walk 3e3, 8e3 and 2e4 give landmarks a jerk of 377, 566 and 680 m/s³ and the same distance from the recording."""
REACH = 2.0
STIFF = {"mtp_angle": 0.3, "subtalar_angle": 0.05}
"""Standard deviation about the resting posture of joints that few recordings tell anything about [rad]. The subtalar
joint moves by about 10 deg in walking (Leardini et al. 1999, doi:10.1016/S0268-0033(98)90095-0), and would else take up
every error of the foot."""
LOCKED = {"mtp_angle": 0.3, "subtalar_angle": 0.015}
"""The same without a floor to stand on, where the subtalar joint is all but locked, as in most gait models."""
LOOSE = 1.5
"""Standard deviation of joint angles about the resting posture [rad]."""


@dataclass(frozen=True)
class Fit:
    """Everything found on the way, for those who want to look."""

    clip: Clip
    anatomy: Anatomy
    """The body that performs the clip: the one given, or one of the person's sizes."""
    subject: Subject
    """The person beside that body."""
    match: Correspondence
    """The points, with places on that body."""
    miss: Float[Tensor, "frame point"]
    """Distance of every recorded point from the same point on the subject-sized body that performs the clip [m]."""
    start: float
    """When the clip begins, after the recording's first frame [s]."""
    placement: Placement | None
    """Where the clip is in the world of the recording. None for a body on a fixed trunk, which is nowhere there."""
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
        ValueError: The recording has no points we know, or too few frames; or no body can have the person's sizes.
    """
    return fit(recording, anatomy, settings).clip


def fit(recording: Recording, anatomy: Anatomy, settings: Settings | None = None) -> Fit:
    """As `retarget`, with everything that was found."""
    settings = settings or Settings()
    clock = _Clock()
    if settings.size == "fitted":
        anatomy = anatomy.resized(Sizes())
    rig = Rig.of(anatomy)
    # A body on a fixed trunk has no say in where the thorax goes: that takes the whole person.
    whole = rig if anatomy.free else Rig.of(Anatomy.load("full", sizes=anatomy.sizes))
    if recording.coordinates is not None and recording.points is None:
        ours = recording.coordinates.skeleton != "OpenSim"
        recording = posed(recording, anatomy if ours else whole.anatomy)
    match = correspond(recording, whole, settings.markers, FEWEST[anatomy.name])
    samples = resampled(recording, match)
    points = samples.points
    turns = with_flat_feet(points, samples.turns, match, whole)
    clock.lap("points")
    subject = fit_subject(points, turns, match, whole)
    clock.lap("subject")
    size_note = _sizes_told(subject)
    if settings.size == "fitted":
        sizes, weight = fitted_sizes(recording, subject, settings.mass)
        anatomy = anatomy.resized(sizes)
        rig, whole = Rig.of(anatomy), Rig.of(whole.anatomy.resized(sizes))
        match = correspond(recording, whole, settings.markers, FEWEST[anatomy.name])
        subject = subject.on_own_size()
        size_note = f"the body has the sizes of the subject: {sizes}; {weight}"
        clock.lap("body")
    problem = _problem(points, turns, match, subject, whole, settings)
    curve = _coarse(problem, match, subject, whole)
    clock.lap("coarse")
    if not anatomy.free:
        z = problem.solve(curve, steps=FINE_STEPS).z()
        z = torch.cat([z[:, :3] * subject.legs, z[:, 3:]], dim=1)
        own = correspond(recording, rig, settings.markers, FEWEST[anatomy.name])
        rows = torch.tensor([match.names.index(name) for name in own.names])
        told = [whole.segments[row] for row in match.turn_segment.tolist()]
        turned = torch.tensor([told.index(rig.segments[row]) for row in own.turn_segment.tolist()], dtype=torch.int64)
        points, turns, subject = on_thorax(points[:, rows], turns[:, turned], z, (whole, match, subject), (rig, own))
        match, problem = own, _problem(points, turns, own, subject, rig, settings)
        curve = _coarse(problem, match, subject, rig)
        clock.lap("trunk")
    if settings.plant:
        problem = replace(problem, apart=Apart.of(rig))
    curve = problem.solve(curve, steps=FINE_STEPS)
    clock.lap("fine")
    contact = torch.zeros(len(points), len(anatomy.foot_regions), dtype=torch.bool)
    notes: tuple[str, ...] = (size_note, *samples.notes, *match.notes(rig))
    placement = Placement.unmoved(len(points), samples.start, problem.scale) if anatomy.free else None
    if placement is not None and anatomy.foot_regions and settings.plant:
        standing = stand(Motion(problem, curve, rig, placement), match, settings)
        problem, curve, placement = standing.motion.problem, standing.motion.curve, standing.motion.placement
        contact, notes = standing.contact, (*notes, *standing.notes)
        clock.lap("contact")
        curve, lift = lifted(curve, rig)
        if float(lift.max()) > 0:
            notes += (f"raised by up to {1000 * float(lift.max()):.1f} mm where it was below the floor",)
        clock.lap("lift")
    posed_subject = pose(problem.subject, curve.z(), problem.scale)
    miss = problem.follow.miss(posed_subject, slice(0, len(points)))
    clip = _clip(recording, rig, curve, contact, subject, notes)
    quality = assess(clip, anatomy, float(miss[torch.isfinite(miss)].square().mean().sqrt()))
    clock.lap("quality")
    return Fit(replace(clip, quality=quality), anatomy, subject, match, miss, samples.start, placement, clock.seconds)


def _problem(
    points: Tensor, turns: Tensor, match: Correspondence, subject: Subject, rig: Rig, settings: Settings
) -> Problem:
    size = rig.anatomy.couplings.coordinate_size
    skip = 1 if rig.anatomy.free else 0
    loose = torch.full((size,), 1 / LOOSE**2, dtype=torch.float64)
    jerk = torch.full((size,), 1 / (JERK * (FINE * STEP) ** 3) ** 2, dtype=torch.float64)
    if skip:
        loose[:6] = 0.0
        jerk[:3] *= REACH**2
        for index, name in enumerate(rig.anatomy.coordinate_names):
            for stem, spread in (STIFF if settings.plant else LOCKED).items():
                if name.startswith(stem):
                    loose[index] = 1 / spread**2
    return Problem(
        subject=subject.kinematics(rig),
        body=rig.kinematics,
        scale=subject.legs if rig.anatomy.free else 1.0,
        follow=Follow(match.segment, subject.place, points, match.error),
        stand=Stand(match.turn_segment, turns, match.turn_error) if len(match.turn_segment) else None,
        plant=None,
        apart=None,
        settle=Settle(tangent(rig.anatomy.rest[None], skip)[0], loose),
        smooth=jerk,
        low=rig.low,
        high=rig.high,
        device=settings.device,
    )


def _coarse(problem: Problem, match: Correspondence, subject: Subject, rig: Rig) -> Curve:
    """A first search on every eighth frame, from a relaxed posture, drawn out to a fine curve."""
    points = problem.follow.target
    stride = max(1, min(COARSE, len(points) // 8))
    z = starting_posture(points[::stride], match, rig, float(subject.size.mean()))
    if rig.anatomy.free:
        z = torch.cat([z[:, :3] / subject.legs, z[:, 3:]], dim=1)
    stand = problem.stand
    simple = replace(
        problem,
        follow=replace(problem.follow, target=points[::stride]),
        stand=replace(stand, target=stand.target[::stride]) if stand is not None else None,
        smooth=problem.smooth * COARSE_SMOOTH * (FINE / stride) ** 6,
    )
    start = Curve.through(z, 1, stride * STEP, rig.anatomy.free)
    found = simple.solve(start, steps=COARSE_STEPS, tolerance=1e-3).z()
    if rig.anatomy.free:
        found = torch.cat([found[:, :3], continuous(found[:, 3:7]), found[:, 7:]], dim=1)
    times = np.arange(len(found)) * stride
    every = np.minimum(np.arange(len(points)), times[-1])
    dense = torch.as_tensor(CubicSpline(times, found.numpy())(every))
    low, high = rig.anatomy.limits()
    return Curve.through(dense.clamp(low, high), FINE, STEP, rig.anatomy.free).moved(
        torch.zeros(1, rig.anatomy.couplings.coordinate_size, dtype=torch.float64), rig.low, rig.high
    )


def _clip(
    recording: Recording,
    rig: Rig,
    curve: Curve,
    contact: Bool[Tensor, "frame region"],
    subject: Subject,
    notes: tuple[str, ...],
) -> Clip:
    pos, vel, acc = curve.motion()
    anatomy = rig.anatomy
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
        subject=recording.subject.name or _subject_of(origin.file),
        provenance=Provenance(
            source=origin.file,
            sha256=origin.sha256,
            format=origin.format,
            licence=origin.licence or "",
            notes=(*origin.notes, *notes),
        ),
        scale=subject.legs if anatomy.free else subject.reach,
        sizes=None if anatomy.sizes.own else anatomy.sizes,
    )


def _sizes_told(subject: Subject) -> str:
    sizes = ", ".join(f"{part} {float(size):.2f}" for part, size in zip(PARTS, subject.size, strict=True))
    return f"sizes of the subject over the body: {sizes}"


def _subject_of(file: str) -> str:
    """The subject of a CMU recording, which its file's name begins with: 02_01.amc, CMU_02_01_poses.npz."""
    found = re.match(r"(?:CMU_)?(\d{2,3})_\d{2}(?:\D|$)", file)
    return f"CMU {found[1]}" if found else ""
