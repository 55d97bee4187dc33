"""The tables of a body, as `myotrack anatomy` prints them."""

from math import degrees, inf
from typing import TYPE_CHECKING

from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.workflow.output import print_json, print_table

if TYPE_CHECKING:
    from myotrack.workflow.cli import AnatomyCommand

TableRows = tuple[str, list[str], list[list[str]]]
"""Title, headers, rows."""


def show_anatomy(command: "AnatomyCommand") -> int:
    """Print the tables asked for."""
    anatomy = Anatomy.load(command.body, command.fingers)
    tables: list[TableRows] = []
    for name, build in _TABLES.items():
        if getattr(command, name):
            tables += build(anatomy)
    if not tables:
        tables = summary(anatomy)
    if command.json:
        print_json(
            {
                "body": anatomy.name,
                "fingers": anatomy.fingers,
                "hash": anatomy.hash,
                "tables": [
                    {"title": title, "rows": [dict(zip(headers, row, strict=True)) for row in rows]}
                    for title, headers, rows in tables
                ],
            }
        )
        return 0
    for title, headers, rows in tables:
        print_table(title, headers, rows)
    return 0


def summary(anatomy: Anatomy) -> list[TableRows]:
    """Sizes of the body, and which tables there are."""
    model, fingers = anatomy.model, "moving" if anatomy.fingers else "locked"
    independent = sum(joint.independent for joint in anatomy.joints)
    rows = [
        ["muscles", str(model.nu)],
        ["joints", f"{model.njnt}, of which {model.njnt - independent} follow a driver"],
        ["degrees of freedom (MuJoCo nv)", str(model.nv)],
        ["independent coordinates", str(anatomy.couplings.coordinate_size)],
        ["landmarks", ", ".join(anatomy.landmarks)],
        ["mass", f"{model.body_mass.sum():.2f} kg"],
        ["changes from the published body", str(len(anatomy.changes))],
        ["hash", anatomy.hash],
        ["more", "--joints --muscles --landmarks --couplings --contacts --changes --audit --paths"],
    ]
    return [(f"{anatomy.name}: {BODIES[anatomy.name].title}, fingers {fingers}", ["what", "value"], rows)]


def joints(anatomy: Anatomy) -> list[TableRows]:
    """Every joint with its positive direction and range."""
    rows = []
    for joint in anatomy.joints:
        turning = joint.kind == "hinge"
        limited = joint.low > -inf
        rows.append(
            [
                joint.name,
                joint.kind,
                joint.side,
                joint.positive,
                f"{joint.low:.4f} to {joint.high:.4f}" if limited else "",
                f"{degrees(joint.low):.1f} to {degrees(joint.high):.1f}" if limited and turning else "",
                {None: "independent", "": "constant"}.get(joint.driver, f"follows {joint.driver}"),
            ]
        )
    headers = ["joint", "kind", "side", "positive is", "range [rad, m]", "range [deg]", "driver"]
    return [(f"Joints of '{anatomy.name}'", headers, rows)]


def muscles(anatomy: Anatomy) -> list[TableRows]:
    """Every muscle with its parameters."""
    rows = [
        [
            muscle.name,
            muscle.group,
            muscle.side,
            f"{muscle.peak_force:.1f}",
            f"{muscle.fibre_length:.4f}",
            f"{muscle.tendon_length:.4f}",
            f"{1000 * muscle.rise:.0f}",
            f"{1000 * muscle.fall:.0f}",
        ]
        for muscle in anatomy.muscles
    ]
    headers = [
        "muscle", "group", "side", "peak force [N]", "optimal fibre [m]", "tendon slack [m]", "rise [ms]", "fall [ms]",
    ]  # fmt: skip
    return [(f"Muscles of '{anatomy.name}'", headers, rows)]


def landmarks(anatomy: Anatomy) -> list[TableRows]:
    """Every landmark, its segment, and where it is at rest."""
    from myotrack.anatomy.landmarks import PLANS

    pose = anatomy.kinematics.pose(anatomy.rest)
    rows = [
        [plan.name, plan.segment, plan.meaning, *(f"{coordinate:.3f}" for coordinate in pos.tolist())]
        for plan, pos in zip(PLANS[anatomy.name], pose.pos, strict=True)
    ]
    headers = ["landmark", "segment", "what it is", "x [m]", "y [m]", "z [m]"]
    return [(f"Landmarks of '{anatomy.name}' in the resting posture", headers, rows)]


def couplings(anatomy: Anatomy) -> list[TableRows]:
    """Every dependent joint and its polynomial."""
    dependent = {int(index): row for row, index in enumerate(anatomy.couplings.dependent_pos_index)}
    rows = []
    for joint in anatomy.joints:
        if joint.driver is None:
            continue
        terms = [
            f"{coefficient:+.6g}" + ("" if power == 0 else " x" if power == 1 else f" x^{power}")
            for power, coefficient in enumerate(anatomy.couplings.polynomial[dependent[joint.qpos_index]].tolist())
            if coefficient
        ]
        rows.append([joint.name, joint.driver or "constant", " ".join(terms) or "0"])
    return [(f"Coupled joints of '{anatomy.name}': value as a polynomial of the driver x", _COUPLING_HEADERS, rows)]


_COUPLING_HEADERS = ["joint", "driver", "polynomial [rad or m]"]


def contacts(anatomy: Anatomy) -> list[TableRows]:
    """Surfaces that can touch the floor, and pairs that can touch each other."""
    model = anatomy.model
    surfaces = [
        [
            model.geom(geom).name or "(unnamed)",
            model.body(model.geom_bodyid[geom]).name,
            f"{model.geom_friction[geom, 0]:.2f}",
        ]
        for geom in range(model.ngeom)
        if model.geom_contype[geom] or model.geom_conaffinity[geom]
    ]
    pairs = [
        [
            model.geom(model.pair_geom1[pair]).name,
            model.geom(model.pair_geom2[pair]).name,
            f"{model.pair_friction[pair, 0]:.2f}",
            str(model.pair_dim[pair]),
        ]
        for pair in range(model.npair)
    ]
    return [
        (f"Surfaces of '{anatomy.name}' that can touch the floor", ["surface", "segment", "friction"], surfaces),
        ("Pairs that can touch each other", ["surface", "surface ", "friction", "contact dimension"], pairs),
    ]


def changes(anatomy: Anatomy) -> list[TableRows]:
    """Every change of the published body."""
    rows = [[row.repair, row.what, row.old, row.new, row.why, row.source] for row in anatomy.changes]
    headers = ["switch", "what", "old", "new", "why", "source"]
    return [(f"Changes of the published body '{anatomy.name}'", headers, rows)]


def audit_tables(anatomy: Anatomy) -> list[TableRows]:
    """What the audit finds."""
    from myotrack.anatomy.audit import audit

    return [(title, list(headers), [list(row) for row in rows]) for title, headers, rows in audit(anatomy).tables()]


def paths(anatomy: Anatomy) -> list[TableRows]:
    """Errors of every fitted muscle path, the worst first."""
    from myotrack.anatomy.levels import paths_of
    from myotrack.anatomy.pathfit import PathErrors
    from myotrack.anatomy.paths import random_postures

    fitted = paths_of(anatomy)
    errors = PathErrors.over(fitted, anatomy, random_postures(anatomy, PATH_POSTURES, seed=7))
    joints = [0] * fitted.muscles
    for term in fitted.terms:
        for muscle in term.muscles:
            joints[muscle] = max(joints[muscle], len(term.coordinates))
    columns = (anatomy.muscle_names, errors.length.tolist(), errors.arm.tolist(), joints)
    rows = [
        [name, f"{1000 * length:.3f}", f"{1000 * arm:.3f}", str(most)]
        for name, length, arm, most in sorted(zip(*columns, strict=True), key=lambda row: -row[2])
    ]
    headers = ["muscle", "length, rms [mm]", "moment arm, rms of the worst joint [mm]", "joints at once, at most"]
    return [(f"Fitted paths of '{anatomy.name}' beside wrapped ones, {PATH_POSTURES} postures", headers, rows)]


PATH_POSTURES = 1000
"""Over which errors of fitted paths are told."""
_TABLES = {
    "joints": joints,
    "muscles": muscles,
    "landmarks": landmarks,
    "couplings": couplings,
    "contacts": contacts,
    "changes": changes,
    "audit": audit_tables,
    "paths": paths,
}
