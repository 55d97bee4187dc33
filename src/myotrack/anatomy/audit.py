"""What is wrong with a body, found by checks that know nothing of how it was made, and which of it we know and leave.

    report = audit(Anatomy.load("full", fingers=True))
    report.new     # findings that nobody has explained
    report.gone    # explanations whose fault no longer occurs

Each check returns every part it looked at, so that a fault that vanished can be told from one that was not looked for.
Left and right count as one part, judged by the worse of the two.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import RIGHT, counterpart, side_of, stem_of
from myotrack.anatomy.norms import (
    ArmEnvelope,
    LegMuscle,
    SegmentMass,
    leg_muscles,
    published_arms,
    segment_masses,
)
from myotrack.anatomy.paths import lengths_and_arms, muscle_lengths, random_postures

RATIO = (0.8, 1.25)
"""Over a published value, what passes. Tuned: about twice the spread between cadavers' optimal fibre lengths."""
FIBRE_MAX = 0.4
"""Longest credible optimal fibre [m]. Cited: Rajagopal et al. (2016), sartorius 0.403 m, the longest of the leg."""
FLAT_CURVE = 3.4
"""Upper end of the active force-length curve, over optimal fibre length, from which it is nearly flat. MuJoCo's own default
is 1.6."""
LENGTH_SYMMETRY, ARM_SYMMETRY = 1e-4, 5e-4
"""Largest difference of a mirrored length and moment arm [m]. Path points are rounded to 10 micrometres."""
PART_SYMMETRY = 1e-3
"""Largest difference of mirrored parameters, as a share, of mirrored positions [m] and of joint limits [rad]."""
LENGTH_JUMP, ARM_JUMP = 1e-3, 1e-2
"""Sudden change of a length and a moment arm that is a fault [m]."""
RANGE_EXCESS = 1e-3
"""How far a resting path may be outside its stored range [m]."""
LINES, LINE_STEP_DEG, SUDDEN_DEG = 60, 2.0, 0.02
"""Straight lines between random postures along which jumps are sought, the largest step of a coordinate on them, and the step
within which a change is sudden [deg]."""
SUSPECTS = 4
"""Steps per muscle, those of the largest change, that are looked at more closely."""


@dataclass(frozen=True)
class Finding:
    """One fault of a body."""

    kind: str
    """Which check found it."""
    part: str
    """A muscle, joint, segment or collider without its side, or a muscle with its joint."""
    value: float
    """The worse of both sides."""
    expected: str
    """What would not have been a finding."""
    unit: str
    known: bool
    """Whether `KNOWN_FAULTS` explains it."""
    note: str
    """Why it is left alone, if it is known."""


@dataclass(frozen=True)
class Check:
    """What one check saw: the worst value of every part, and which values pass."""

    kind: str
    values: dict[str, float]
    passes: Callable[[float], bool]
    expected: str
    unit: str

    def faulty(self) -> dict[str, float]:
        """Parts that do not pass, with their values."""
        return {part: value for part, value in self.values.items() if not self.passes(value)}


@dataclass(frozen=True)
class Audit:
    """Everything an audit found."""

    body: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    gone: tuple[str, ...]
    """Known faults, as 'kind/part', that were looked for and did not occur."""
    legs: tuple[LegMuscle, ...]
    masses: tuple[SegmentMass, ...]
    arms: tuple[ArmEnvelope, ...]

    @property
    def new(self) -> tuple[Finding, ...]:
        """Findings that no known fault explains."""
        return tuple(finding for finding in self.findings if not finding.known)

    def tables(self) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
        """What to print: (title, headers, rows), rows as text."""
        number = "{:.4g}".format
        summary, detail = [], []
        for check in self.checks:
            mine = [finding for finding in self.findings if finding.kind == check.kind]
            new = sum(not finding.known for finding in mine)
            summary.append((check.kind, check.expected, *map(str, (len(check.values), len(mine), new))))
            detail += [
                (found.kind, found.part, f"{number(found.value)} {found.unit}".strip(), found.expected, found.note)
                for found in mine
            ]
        tables = [
            (f"Audit of the body '{self.body}'", ("check", "expected", "parts", "findings", "new"), summary),
            ("Findings", ("check", "part", "value", "expected", "why it is left alone"), detail),
        ]
        if self.masses:
            rows = [
                (row.segment, f"{row.mass:.2f}", f"{100 * row.share:.1f}", f"{100 * row.winter:.1f}",
                 f"{row.share / row.winter:.2f}")
                for row in self.masses
            ]  # fmt: skip
            total = sum(row.mass for row in self.masses)
            rows.append(("all", f"{total:.2f}", "100.0", f"{100 * sum(row.winter for row in self.masses):.1f}", ""))
            headers = ("segment, both sides", "mass [kg]", "share [%]", "Winter [%]", "ratio")
            tables.append(("Segment masses", headers, rows))
        if self.legs:
            rows = [
                (row.muscle, f"{row.peak_force:.2f}", f"{row.fibre:.2f}", f"{row.tendon:.2f}") for row in self.legs
            ]
            headers = ("muscle", "peak force", "fibre", "tendon")
            tables.append(("Leg muscles over Rajagopal et al. (2016)", headers, rows))
        rows = [
            (row.muscle, row.joint, row.action, f"{row.from_deg:g} to {row.to_deg:g}",
             f"{1e3 * row.low:.1f} to {1e3 * row.high:.1f}", row.how, f"{1e3 * row.arm:.1f}",
             "yes" if row.inside else "no")
            for envelope in self.arms for row in envelope.rows
        ]  # fmt: skip
        headers = ("muscle", "joint", "action", "angles [deg]", "published [mm]", "how", "ours [mm]", "inside")
        return [*tables, ("Moment arms beside published bands", headers, rows)]


def audit(anatomy: Anatomy) -> Audit:
    """Check a body against published numbers, against its mirror image and against itself. About 20 s on one core."""
    legs, masses, arms = leg_muscles(anatomy), segment_masses(anatomy), published_arms(anatomy)
    checks = (
        *_leg_checks(legs),
        *_muscle_checks(anatomy),
        *_symmetry_checks(anatomy),
        *_jump_checks(anatomy),
        _ratio("segment mass", {row.segment: row.share / row.winter for row in masses}),
        _moment_arm_check(arms),
    )
    findings, gone = [], []
    for check in checks:
        faulty = check.faulty()
        for part, value in faulty.items():
            note = KNOWN_FAULTS.get(f"{check.kind}/{part}")
            known = note is not None
            findings.append(Finding(check.kind, part, value, check.expected, check.unit, known, note or ""))
        gone += [f"{check.kind}/{part}" for part in check.values.keys() - faulty.keys()]
    still = tuple(sorted(key for key in gone if key in KNOWN_FAULTS))
    return Audit(anatomy.name, checks, tuple(findings), still, legs, masses, arms)


def _ratio(kind: str, values: dict[str, float]) -> Check:
    return Check(kind, values, lambda value: RATIO[0] <= value <= RATIO[1], f"{RATIO[0]} to {RATIO[1]}", "of the norm")


def _at_most(kind: str, values: dict[str, float], limit: float, unit: str) -> Check:
    return Check(kind, values, lambda value: value <= limit, f"at most {limit:g} {unit}".strip(), unit)


def _worst(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """The largest value of both sides, by the name without side."""
    worst: dict[str, float] = {}
    for name, value in zip(names, values, strict=True):
        worst[stem_of(name)] = max(float(value), worst.get(stem_of(name), -np.inf))
    return worst


def _leg_checks(legs: tuple[LegMuscle, ...]) -> list[Check]:
    """Force, fibre and tendon of the leg muscles against Rajagopal et al. (2016)."""
    return [
        _ratio("leg peak force", {row.muscle: row.peak_force for row in legs}),
        _ratio("leg fibre length", {row.muscle: row.fibre for row in legs}),
        _ratio("leg tendon length", {row.muscle: row.tendon for row in legs}),
    ]


def _muscle_checks(anatomy: Anatomy) -> list[Check]:
    """What the parameters of each muscle imply, by themselves and in the resting posture."""
    model, names, muscles = anatomy.model, anatomy.muscle_names, anatomy.muscles
    tendon = {part: -value for part, value in _worst(names, [-row.tendon_length for row in muscles]).items()}
    passive = np.abs(model.actuator_gainprm[:, :9] - model.actuator_biasprm[:, :9]).max(axis=1)
    rest = muscle_lengths(anatomy, anatomy.rest).tolist()
    excess = [max(row.path_range[0] - at, at - row.path_range[1]) for row, at in zip(muscles, rest, strict=True)]
    top = [row.curve_range[1] for row in muscles]
    return [
        Check("negative tendon", tendon, lambda value: value >= 0, "at least 0 m", "m"),
        _at_most("long fibre", _worst(names, [row.fibre_length for row in muscles]), FIBRE_MAX, "m"),
        _at_most("active is not passive", _worst(names, passive), 0.0, ""),
        Check("flat curve", _worst(names, top), lambda value: value < FLAT_CURVE, f"below {FLAT_CURVE} fibres", ""),
        _at_most("outside path range", _worst(names, excess), RANGE_EXCESS, "m"),
    ]


def _symmetry_checks(anatomy: Anatomy) -> list[Check]:
    """Left against right, in parameters, joints, segments, colliders and paths."""
    model, mirror, names = anatomy.model, anatomy.mirror, anatomy.muscle_names
    rows = np.hstack([model.actuator_gainprm, model.actuator_biasprm, model.actuator_dynprm, model.actuator_lengthrange])
    scale = np.maximum(np.abs(rows), 1e-9)
    share = (np.abs(rows - rows[mirror.muscle_index.numpy()]) / scale).max(axis=1)
    low, high = (limit.nan_to_num(posinf=0.0, neginf=0.0) for limit in anatomy.limits())
    first, second = mirror.z(low), mirror.z(high)
    gap = torch.maximum((torch.minimum(first, second) - low).abs(), (torch.maximum(first, second) - high).abs())
    joints = [
        name for joint in anatomy.joints if joint.independent
        for name in ([joint.name] * 7 if joint.kind == "free" else [joint.name])
    ]  # fmt: skip
    z = random_postures(anatomy, 100, seed=2)
    lengths, arms = lengths_and_arms(anatomy, z)
    other_lengths, other_arms = lengths_and_arms(anatomy, mirror.z(z))
    length_gap = (mirror.muscle(lengths) - other_lengths).abs().amax(dim=0)
    arm_gap = (mirror.rate(arms[:, mirror.muscle_index]) - other_arms).abs().amax(dim=(0, 2))
    return [
        _at_most("muscle symmetry", _worst(names, share), PART_SYMMETRY, "of the value"),
        _at_most("joint range symmetry", _worst(joints, gap.tolist()), PART_SYMMETRY, "rad"),
        *_segment_symmetry(anatomy),
        _at_most("length symmetry", _worst(names, length_gap.tolist()), LENGTH_SYMMETRY, "m"),
        _at_most("moment arm symmetry", _worst(names, arm_gap.tolist()), ARM_SYMMETRY, "m"),
    ]


def _segment_symmetry(anatomy: Anatomy) -> list[Check]:
    """Masses, principal inertias and centres of mass of the segments, and places of the colliders, at rest."""
    model, data = anatomy.model, mujoco.MjData(anatomy.model)
    data.qpos[:] = anatomy.couplings.qpos(anatomy.rest).numpy()
    mujoco.mj_kinematics(model, data)

    def image(point: np.ndarray) -> np.ndarray:
        return anatomy.mirror.point(torch.as_tensor(point)).numpy()

    bodies = [model.body(body).name for body in range(model.nbody)]
    mass, place, geoms, labels = {}, {}, {}, {}
    for body, name in enumerate(bodies):
        if side_of(name) != RIGHT:
            continue
        other = bodies.index(counterpart(name, bodies))
        mine = np.array([model.body_mass[body], *np.sort(model.body_inertia[body])])
        theirs = np.array([model.body_mass[other], *np.sort(model.body_inertia[other])])
        mass[stem_of(name)] = float(np.max(np.abs(mine - theirs) / np.maximum(mine, 1e-9)))
        place[stem_of(name)] = float(np.linalg.norm(image(data.xipos[body]) - data.xipos[other]))
        ours, partners = ([geom for geom in _colliders(model) if model.geom_bodyid[geom] == at] for at in (body, other))
        for geom in ours:
            label = model.geom(geom).name
            apart = [_collider_gap(model, data, geom, partner, image) for partner in partners]
            geoms[label] = min(apart, default=np.inf)
            named = [model.geom(partner).name for partner in partners]
            if apart and label.replace("_r_", "_l_") in named:
                labels[label] = apart[named.index(label.replace("_r_", "_l_"))] - min(apart)
    return [
        _at_most("segment mass symmetry", mass, PART_SYMMETRY, "of the value"),
        _at_most("centre of mass symmetry", place, PART_SYMMETRY, "m"),
        _at_most("collider symmetry", geoms, PART_SYMMETRY, "m"),
        _at_most("collider name", labels, PART_SYMMETRY, "m"),
    ]


def _colliders(model: mujoco.MjModel) -> list[int]:
    return [geom for geom in range(model.ngeom) if model.geom_contype[geom] or model.geom_conaffinity[geom]]


def _collider_gap(
    model: mujoco.MjModel, data: mujoco.MjData, geom: int, partner: int, image: Callable[[np.ndarray], np.ndarray]
) -> float:
    """How far a collider is from the mirror image of another, in place or size [m]; infinite for another shape."""
    if model.geom_type[geom] != model.geom_type[partner]:
        return float("inf")
    place = np.linalg.norm(image(data.geom_xpos[geom]) - data.geom_xpos[partner])
    return float(max(place, np.abs(model.geom_size[geom] - model.geom_size[partner]).max()))


def _jump_checks(anatomy: Anatomy) -> list[Check]:
    """Where a path leaps from one way around a bone to another: sudden changes along lines through posture space."""
    ends = random_postures(anatomy, LINES + 1, seed=1)
    count = len(anatomy.muscles)
    suspects: list[list[tuple[float, Tensor, Tensor]]] = [[] for _ in range(2 * count)]
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        steps = int(torch.ceil((end - start).abs().max() / np.radians(LINE_STEP_DEG)))
        line = torch.stack([start + (end - start) * step / steps for step in range(steps + 1)])
        change = _sudden_change(anatomy, line)
        worst = change.max(dim=0)
        limits = torch.cat([torch.full((count,), LENGTH_JUMP), torch.full((count,), ARM_JUMP)])
        for index in (worst.values > limits).nonzero().flatten().tolist():
            step = int(worst.indices[index])
            suspects[index].append((float(worst.values[index]), line[step], line[step + 1]))
    jumps = [0.0] * (2 * count)
    for index, candidates in enumerate(suspects):
        for _, start, end in sorted(candidates, key=lambda candidate: -candidate[0])[:SUSPECTS]:
            jumps[index] = max(jumps[index], _closer(anatomy, index, start, end))
    names = anatomy.muscle_names
    return [
        _at_most("length jump", _worst(names, jumps[:count]), LENGTH_JUMP, "m"),
        _at_most("moment arm jump", _worst(names, jumps[count:]), ARM_JUMP, "m"),
    ]


def _sudden_change(anatomy: Anatomy, line: Float[Tensor, "posture pos"]) -> Float[Tensor, "step change"]:
    """Per step, the change of every length that its moment arms do not explain, then the largest change of its arms [m]."""
    lengths, arms = lengths_and_arms(anatomy, line)
    root = 6 if anatomy.free else 0
    moved, arms = line.diff(dim=0)[:, root + anatomy.free :, None], arms[..., root:]
    mean = (arms[1:] + arms[:-1]) / 2
    unexplained = (lengths.diff(dim=0) + (mean @ moved).squeeze(-1)).abs()
    return torch.cat([unexplained, arms.diff(dim=0).abs().amax(dim=-1)], dim=-1)


def _closer(anatomy: Anatomy, index: int, start: Float[Tensor, "pos"], end: Float[Tensor, "pos"]) -> float:
    """What is left of a change when its step is halved until it is sudden, in the half that changes more."""
    while (end - start).abs().max() > np.radians(SUDDEN_DEG):
        middle = (start + end) / 2
        change = _sudden_change(anatomy, torch.stack([start, middle, end]))[:, index]
        start, end = (start, middle) if change[0] >= change[1] else (middle, end)
    return float(_sudden_change(anatomy, torch.stack([start, end]))[0, index])


def _moment_arm_check(arms: tuple[ArmEnvelope, ...]) -> Check:
    """How far our moment arms are outside the envelope of the published ones; 0 inside."""
    gaps = {row.name: max(row.low - row.arm, row.arm - row.high, 0.0) for row in arms}
    return Check("published moment arm", gaps, lambda value: value <= 0, "inside the envelope", "m outside")


KNOWN_FAULTS: dict[str, str] = {}
"""Faults that we know and leave alone, as 'kind/part', and why."""
