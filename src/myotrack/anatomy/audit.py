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
from myotrack.anatomy.paths import (
    ARM_JUMP,
    LENGTH_JUMP,
    lengths_and_arms,
    muscle_lengths,
    path_jumps,
    random_postures,
)

RATIO = (0.8, 1.25)
"""Over a published value, what passes. Tuned: a screen for gross departures, symmetric as a factor."""
FIBRE_MAX = 0.4
"""Longest credible optimal fibre [m]. Cited: Rajagopal et al. (2016), sartorius 0.403 m, the longest of the leg."""
FLAT_CURVE = 3.4
"""Upper end of the active force-length curve, over optimal fibre length, from which it is nearly flat.
Cited: MuJoCo's own default is 1.6 (XML reference, actuator/muscle/lmax)."""
LENGTH_SYMMETRY, ARM_SYMMETRY = 1e-4, 5e-4
"""Largest difference of a mirrored length and moment arm [m]. Path points are rounded to 10 micrometres."""
PART_SYMMETRY = 1e-3
"""Largest difference of mirrored parameters, as a share, of mirrored positions [m] and of joint limits [rad]."""
RANGE_EXCESS = 1e-3
"""How far a resting path may be outside its stored range [m]."""


Row = tuple[str, ...]
"""A line of a printed table."""


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

    def tables(self) -> list[tuple[str, Row, list[Row]]]:
        """What to print: (title, headers, rows), rows as text."""
        number = "{:.4g}".format
        summary: list[Row] = []
        detail: list[Row] = []
        for check in self.checks:
            mine = [finding for finding in self.findings if finding.kind == check.kind]
            new = sum(not finding.known for finding in mine)
            summary.append((check.kind, check.expected, *map(str, (len(check.values), len(mine), new))))
            detail += [
                (found.kind, found.part, f"{number(found.value)} {found.unit}".strip(), found.expected, found.note)
                for found in mine
            ]
        tables: list[tuple[str, Row, list[Row]]] = [
            (f"Audit of the body '{self.body}'", ("check", "expected", "parts", "findings", "new"), summary),
            ("Findings", ("check", "part", "value", "expected", "why it is left alone"), detail),
        ]
        rows: list[Row]
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
            rows = [(row.muscle, f"{row.peak_force:.2f}", f"{row.fibre:.2f}", f"{row.tendon:.2f}") for row in self.legs]
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
    rows = np.hstack(
        [model.actuator_gainprm, model.actuator_biasprm, model.actuator_dynprm, model.actuator_lengthrange]
    )
    scale = np.maximum(np.abs(rows), 1e-9)
    share = (np.abs(rows - rows[mirror.muscle_index.numpy()]) / scale).max(axis=1)
    # A free root has no limits to compare.
    low, high = (torch.where(limit.isfinite(), limit, 0.0) for limit in anatomy.limits())
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
    model = anatomy.model
    here, there = mujoco.MjData(model), mujoco.MjData(model)
    for data, z in ((here, anatomy.rest), (there, anatomy.mirror.z(anatomy.rest))):
        data.qpos[:] = anatomy.couplings.qpos(z).numpy()
        mujoco.mj_kinematics(model, data)

    def apart(mine: np.ndarray, theirs: np.ndarray) -> float:
        return float(np.linalg.norm(anatomy.mirror.point(torch.as_tensor(mine)).numpy() - theirs))

    def collider_gap(geom: int, partner: int) -> float:
        if model.geom_type[geom] != model.geom_type[partner]:
            return float("inf")
        size = np.abs(model.geom_size[geom] - model.geom_size[partner]).max()
        return max(apart(here.geom_xpos[geom], there.geom_xpos[partner]), float(size))

    bodies = [model.body(body).name for body in range(model.nbody)]
    solid = [geom for geom in range(model.ngeom) if model.geom_contype[geom] or model.geom_conaffinity[geom]]
    mass, place, shape, label = {}, {}, {}, {}
    for body, name in enumerate(bodies):
        if side_of(name) != RIGHT:
            continue
        other = bodies.index(counterpart(name, bodies))
        mine, theirs = (np.array([model.body_mass[at], *np.sort(model.body_inertia[at])]) for at in (body, other))
        mass[stem_of(name)] = float(np.max(np.abs(mine - theirs) / np.maximum(mine, 1e-9)))
        place[stem_of(name)] = apart(here.xipos[body], there.xipos[other])
        partners = {model.geom(geom).name: geom for geom in solid if model.geom_bodyid[geom] == other}
        for geom in (geom for geom in solid if model.geom_bodyid[geom] == body):
            part = model.geom(geom).name or f"unnamed_on_{name}"
            nearest = min((collider_gap(geom, partner) for partner in partners.values()), default=float("inf"))
            shape[part] = nearest
            namesake = partners.get(part.replace("_r_", "_l_"))
            if namesake is not None:
                label[part] = collider_gap(geom, namesake) - nearest
    return [
        _at_most("segment mass symmetry", mass, PART_SYMMETRY, "of the value"),
        _at_most("centre of mass symmetry", place, PART_SYMMETRY, "m"),
        _at_most("collider symmetry", shape, PART_SYMMETRY, "m"),
        _at_most("collider name", label, PART_SYMMETRY, "m"),
    ]


def _jump_checks(anatomy: Anatomy) -> list[Check]:
    """Where a path leaps from one way around a bone to another."""
    lengths, arms = (_worst(anatomy.muscle_names, jumps.tolist()) for jumps in path_jumps(anatomy))
    return [_at_most("length jump", lengths, LENGTH_JUMP, "m"), _at_most("moment arm jump", arms, ARM_JUMP, "m")]


def _moment_arm_check(arms: tuple[ArmEnvelope, ...]) -> Check:
    """How far our moment arms are outside the envelope of the published ones; 0 inside."""
    gaps = {row.name: max(row.low - row.arm, row.arm - row.high, 0.0) for row in arms}
    return Check("published moment arm", gaps, lambda value: value <= 0, "inside the envelope", "m outside")


def _explained(*rows: tuple[str, str, str]) -> dict[str, str]:
    """One entry per kind and part from rows of (kinds, parts, reason)."""
    return {
        f"{kind}/{part}": reason
        for kinds, parts, reason in rows
        for kind in kinds.split(", ")
        for part in parts.split()
    }


TRUNK = "trunk ranges were made without regard to what they imply; an upstream repair is pending (myo_sim #123)"
REFIT = "refitted upstream with a rigid tendon, force and fibre together; it needs another fit, not a copied number"
RANGE = "the published range does not fit the path: no force, or only passive force, at rest; it needs another fit"
LEAP = "the path leaps from one way around a wrapping surface to another; it needs other surfaces or side sites"
KNOWN_FAULTS: dict[str, str] = _explained(
    ("negative tendon", "Ps_L1_VB Ps_L1_L2_IVD Ps_L2_TP Ps_L2_L3_IVD Ps_L3_TP Ps_L3_L4_IVD Ps_L4_TP", TRUNK),
    ("negative tendon", "Ps_L4_L5_IVD Ps_L5_TP EO3 EO4 EO5 IO3 IO6 IL_L4 IL_R5 IL_R6 IL_R8 IL_R9", TRUNK),
    ("negative tendon", "IL_R10 IL_R11 IL_R12 LTpT_T5 LTpT_T10 LTpT_T11 LTpT_R9 LTpT_R10 LTpT_R11 LTpL_L5", TRUNK),
    ("negative tendon", "LTpL_L4 LTpL_L3 LTpL_L2 LTpL_L1 QL_post_I.1-L3 QL_post_I.2-L4 QL_post_I.2-L2", TRUNK),
    ("negative tendon", "QL_post_I.3-L1 QL_post_I.3-L2 QL_post_I.3-L3 QL_mid_L3-12.2 QL_mid_L3-12.1", TRUNK),
    ("negative tendon", "QL_mid_L4-12.3 QL_ant_I.2-T12 QL_ant_I.3-T12 QL_ant_I.2-12.1 QL_ant_I.3-12.1", TRUNK),
    ("negative tendon", "QL_ant_I.3-12.2 QL_ant_I.3-12.3 MF_m1t.1 MF_m1t.2 MF_m1t.3 MF_m2s MF_m2t.1 MF_m2t.2", TRUNK),
    ("negative tendon", "MF_m2t.3 MF_m3s MF_m3t.1 MF_m3t.2 MF_m3t.3 MF_m4s MF_m4t.1 MF_m4t.2 MF_m5s MF_m5t.2", TRUNK),
    ("negative tendon", "MF_m5t.3 MF_m1.laminar MF_m2.laminar MF_m3.laminar MF_m4.laminar MF_m5.laminar", TRUNK),
    ("long fibre", "Ps_L1_VB Ps_L1_L2_IVD IL_R5 IL_R9 IL_R11 LTpT_T5 LTpT_R10 LTpL_L4 QL_mid_L3-12.2", TRUNK),
    ("long fibre", "QL_ant_I.2-T12 QL_ant_I.2-12.1 QL_ant_I.3-12.1 MF_m2t.1 MF_m3t.1 MF_m3t.2 MF_m3t.3 MF_m4s", TRUNK),
    ("long fibre", "sart", "no fault: the sartorius is this long in Rajagopal et al. (2016)"),
    ("negative tendon", "PECM1 LAT2 CORB PQ OP RI3", "the published range implies it; mending it needs another fit"),
    ("leg peak force", "fdl gasmed glmax1 piri tfl", REFIT),
    ("leg fibre length", "gasmed recfem semimem glmin3 piri tfl vasint vaslat glmax3", REFIT),
    ("leg tendon length", "glmin3 piri tfl vasint vaslat glmax3", REFIT),
    ("negative tendon, long fibre, outside path range", "glmax3", RANGE),
    ("outside path range", "LAT1 LAT3 BRD FDS4 FDP5 APL LU_RB4 UI_UB4 RI5 vasmed", RANGE),
    (
        "outside path range",
        "LAT2",
        "published 1.9 mm outside its range under MuJoCo 3; our shift for MuJoCo 4 keeps that",
    ),
    ("flat curve", "addlong addmagIsch bflh gaslat gasmed glmax2 glmax3 glmed1 glmed2 glmed3 glmin2 glmin3", REFIT),
    ("flat curve", "grac perlong piri recfem sart semimem semiten vasint vaslat vasmed", REFIT),
    ("length jump", "DELT1 SUPSP TMAJ LAT1 LAT3 SUP BIClong rect_abd", LEAP),
    ("moment arm jump", "DELT1 SUPSP TMAJ LAT1 LAT3 SUP BIClong rect_abd LAT2 PECM2 TRIlong IL_L2", LEAP),
    ("collider name", "radius_r_coll_2", "only numbered otherwise: its mirror image is called radius_l_coll_1"),
    (
        "segment mass",
        "head_and_neck",
        "light in the published body; mass moved from the trunk would change its dynamics",
    ),
    (
        "published moment arm",
        "SUBSC/shoulder_rot/peak TMIN/shoulder_rot/peak",
        "moving a point changes every other arm",
    ),
)
"""Faults that we know and leave alone, as 'kind/part', and why. A finding that is not here fails a test, and so does an
entry here that is no longer found."""
