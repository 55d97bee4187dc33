"""Mending the published bodies: one function per fault, each returning the rows that say what it changed.

A repair edits the spec before it is compiled and reads numbers from the published model. Which ones run is decided by
`Repairs`. What is wrong with the bodies and is left alone is listed by the audit.
"""

import math
from collections.abc import Callable

import mujoco
import numpy as np

from myotrack.anatomy.changes import Change, Repairs
from myotrack.anatomy.naming import stem_of

MUJOCO_3_LENGTHS = {"TMAJ": 0.15649573828635782, "LAT2": 0.31851125430584515}
"""Path length in the published neutral pose under MuJoCo 3, whose side-site rule the length ranges were made for [m].
Measured: MuJoCo 3.4.0, `actuator_length` at qpos0; 3.6.0 to 3.17.0 give the same digits."""

QUARTER_TURNS = {
    "sacrum": (0.5, 0.5, -0.5, -0.5),
    "pelvis": (0.5, 0.5, -0.5, -0.5),
    "bimanual_attachment": (0.5, -0.5, 0.5, 0.5),
    "thorax": (0.5, 0.5, -0.5, -0.5),
}
"""Exact turns between a root that faces -y and OpenSim's segments (x forward, y up, z right), and back."""

THORAX_HALF_BREADTH = 0.126
"""Half breadth of the thorax that clears the hanging upper arms by 2 mm [m]. The arm's inner side is at 0.128 m."""

REST_TENSION = 0.5
"""Share of its peak force that a muscle may pull with in the neutral pose without being excited. Tuned: it takes what
no resting body has (EO1 2.26, rectus abdominis 1.04, DELT2 0.62, two small trunk muscles) and leaves the legs alone."""

TOE_EXTENSION = math.radians(60.0)
"""How far the toes bend up [rad]."""

PHANTOMS = tuple(f"{frame}_{side}" for frame in ("clavphant", "scapphant", "humphant", "humphant1") for side in "rl")
"""Frames of the shoulder that exist only to take rotations apart."""
PHANTOM_INERTIA = 3e-3
"""What is left to each of them [kg m²]. Tuned: with 1e-4 coupled joints of the shoulder stray by 48 mrad (99 % of
0.1 s steps of random excitation of half strength), with 3e-3 by 5 mrad, with the published 1 by 7 mrad."""
COUPLING_TIME = 0.004
"""Time constant that couplings are held with [s]: twice the time step, the shortest that MuJoCo allows."""

RANGE_TOLERANCE = 1e-3
"""Published ranges of coupled joints are rounded; a smaller excess over them is not a contradiction [rad or m]."""


def drop_sensors(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Remove all published sensors."""
    if not spec.sensors:
        return []
    count = len(spec.sensors)
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    return [
        Change(
            "sensors", f"{count} published sensors", "simulated", "removed",
            "velocities of bones and four touch volumes that nothing reads; ground sensors per region replace them",
            "measured: nothing of ours reads them",
        )
    ]  # fmt: skip


def drop_ligaments(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Remove tendons that pull nothing: no actuator, no stiffness, no damping, no limit."""
    driven = {actuator.target for actuator in spec.actuators}
    changes = []
    for tendon in list(spec.tendons):
        index = published.tendon(tendon.name).id
        passive = (
            np.any(published.tendon_stiffness[index])
            or np.any(published.tendon_damping[index])
            or published.tendon_limited[index]
            or published.tendon_frictionloss[index]
        )
        if tendon.name in driven or passive:
            continue
        changes.append(
            Change(
                "ligaments", tendon.name, "tendon without stiffness, damping or limit", "removed",
                "it costs a wrapped path every step and never pulls", "measured: its force is zero by definition",
            )
        )  # fmt: skip
        spec.delete(tendon)
    return changes


def drop_inert_muscles(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Remove muscles whose whole path lies on segments that do not move against each other."""
    changes = []
    for muscle in range(published.nu):
        name, tendon = published.actuator(muscle).name, int(published.actuator_trnid[muscle, 0])
        start, count = int(published.tendon_adr[tendon]), int(published.tendon_num[tendon])
        segments = {
            int(published.body_weldid[published.site_bodyid[published.wrap_objid[wrap]]])
            for wrap in range(start, start + count)
            if published.wrap_type[wrap] == mujoco.mjtWrap.mjWRAP_SITE
        }
        if len(segments) > 1 or spec.actuator(name) is None:
            continue
        changes.append(
            Change(
                "inert_muscles", name, f"{published.actuator_gainprm[muscle, 2]:.1f} N muscle", "removed",
                "origin and insertion are on one rigid piece (T12-L1 is fused here), so it can move nothing",
                "measured: its path touches a single rigid piece",
            )
        )  # fmt: skip
        spec.delete(spec.actuator(name))
        spec.delete(spec.tendon(published.tendon(tendon).name))
    return changes


def mend_control_range(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Excitation is a number in [0, 1]."""
    mended = [actuator for actuator in spec.actuators if tuple(actuator.ctrlrange) != (0.0, 1.0)]
    for actuator in mended:
        actuator.ctrlrange = [0.0, 1.0]
    if not mended:
        return []
    return [
        Change(
            "control_range", f"{len(mended)} arm muscles", "control range [-1, 1]", "[0, 1]",
            "a muscle only pulls; the negative half does nothing and wastes half of a learner's range",
            "cited: MuJoCo 4.0 manual, muscle actuators; control is neural excitation in [0, 1]",
        )
    ]  # fmt: skip


def mend_length_range(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Shift length ranges by what MuJoCo 4 changed in the path."""
    data = mujoco.MjData(published)
    mujoco.mj_fwdPosition(published, data)
    changes = []
    for actuator in spec.actuators:
        if stem_of(actuator.name) not in MUJOCO_3_LENGTHS:
            continue
        index = published.actuator(actuator.name).id
        shift = data.actuator_length[index] - MUJOCO_3_LENGTHS[stem_of(actuator.name)]
        old = published.actuator_lengthrange[index].copy()
        actuator.lengthrange = old + shift
        changes.append(
            Change(
                "length_range", actuator.name, f"[{old[0]:.4f}, {old[1]:.4f}] m",
                f"[{old[0] + shift:.4f}, {old[1] + shift:.4f}] m",
                f"MuJoCo 4 wraps its path {1000 * abs(shift):.1f} mm {'shorter' if shift < 0 else 'longer'} in the "
                "neutral pose, which left it outside its own range, so without force",
                "measured: path length in the neutral pose under MuJoCo 3.4.0 and 4.0.0",
            )
        )  # fmt: skip
    return changes


def slacken_at_rest(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Lengthen what is stretched in the neutral pose until its fibres have their optimal length there."""
    data = mujoco.MjData(published)
    mujoco.mj_fwdPosition(published, data)
    changes = []
    for actuator in spec.actuators:
        index = published.actuator(actuator.name).id
        length, parameters = float(data.actuator_length[index]), published.actuator_biasprm[index, :9]
        old = published.actuator_lengthrange[index].copy()
        pull = -mujoco.mju_muscleBias(length, old, published.actuator_acc0[index], parameters) / parameters[2]
        if pull <= REST_TENSION:
            continue
        fibre = (old[1] - old[0]) / (parameters[1] - parameters[0])
        stretch = parameters[0] + (length - old[0]) / fibre
        shift = (stretch - 1) * fibre
        actuator.lengthrange = old + shift
        changes.append(
            Change(
                "rest_tension", actuator.name, f"[{old[0]:.4f}, {old[1]:.4f}] m",
                f"[{old[0] + shift:.4f}, {old[1] + shift:.4f}] m",
                f"its fibres are {100 * (stretch - 1):.0f} % too long in the neutral pose, where they pull with "
                f"{pull:.2f} of their peak force without any excitation",
                "measured: passive force in the neutral pose; a muscle at rest is about as long as is best for it",
            )
        )  # fmt: skip
    return changes


def mend_longissimus(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Put the left T12 fascicle of the longissimus on the left."""
    tendon = "LTpT_T12_l_tendon"
    if spec.tendon(tendon) is None:
        return []
    sites = [wrap.target for wrap in spec.tendon(tendon).path if wrap.type == mujoco.mjtWrap.mjWRAP_SITE]
    for site in sites:
        site.pos = np.array(site.pos) * [1.0, 1.0, -1.0]
    return [
        Change(
            "longissimus", "LTpT_T12_l", "path on the right side of the spine, on top of LTpT_T12_r", "on the left",
            f"its {len(sites)} points repeat those of the right side without the sign of z, so it bent the trunk right",
            "measured: the same moment arms as LTpT_T12_r; every other pair is mirrored",
        )
    ]  # fmt: skip


def mend_facing(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Turn the trunk the last 0.8 mrad so that the median plane of the body is that of its root frame."""
    changes = []
    for name, exact in QUARTER_TURNS.items():
        segment = spec.body(name)
        if segment is None:
            continue
        old = ", ".join(f"{number:.6f}" for number in published.body_quat[published.body(name).id])
        segment.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        segment.quat = exact
        changes.append(
            Change(
                "facing", f"orientation of {name}", f"quaternion ({old})", str(exact),
                "the quarter turn was written as 1.57 rad, so the trunk looked 0.8 mrad to one side of its root",
                "measured: muscle lengths stay the same to 1e-12 m, since only rigid pieces turn",
            )
        )  # fmt: skip
    return changes


def mend_supraspinatus(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """One set of parameters for the active and the passive force."""
    changes = []
    for actuator in spec.actuators:
        gain, bias = np.array(actuator.gainprm), np.array(actuator.biasprm)
        if np.array_equal(gain[:9], bias[:9]):
            continue
        actuator.gainprm = bias
        changes.append(
            Change(
                "supraspinatus", actuator.name,
                f"active force {gain[2]:.0f} N, fibre range {gain[0]:.3f}-{gain[1]:.3f}: a copy of the supinator's row",
                f"{bias[2]:.0f} N, fibre range {bias[0]:.3f}-{bias[1]:.3f}, as the passive force has it",
                "active and passive force of one muscle share one peak force and one fibre length",
                "cited: MyoHub/myo_sim arm/assets/myoarm_assets.xml has this row for both; Saul et al. 2015: 499.2 N",
            )
        )  # fmt: skip
    return changes


def narrow_thorax(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Let the arms hang without being pushed away."""
    geom = spec.geom("thorax_coll1")
    old = np.array(geom.size)
    geom.size = [old[0], old[1], THORAX_HALF_BREADTH]
    return [
        Change(
            "thorax", "thorax_coll1 half breadth", f"{old[2]:.3f} m", f"{THORAX_HALF_BREADTH:.3f} m",
            "both upper arms stood 21.5 mm inside it in the neutral pose: a permanent contact force",
            "tuned: 2 mm of clearance from a hanging upper arm; the rib cage itself is 0.134-0.138 m wide there",
        )
    ]  # fmt: skip


def mend_dependent_limits(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Limit drivers so that joints coupled to them stay in their ranges; remove the limits of the coupled joints."""
    changes, ranges = [], {}
    for equality in range(published.neq):
        dependent, driver = int(published.eq_obj1id[equality]), int(published.eq_obj2id[equality])
        spec.joint(published.joint(dependent).name).limited = mujoco.mjtLimited.mjLIMITED_FALSE
        if driver >= 0:
            low, high = ranges.get(driver, published.jnt_range[driver])
            angle = np.linspace(low, high, 20001)
            value = np.polyval(published.eq_data[equality, 4::-1], angle)
            allowed = published.jnt_range[dependent] + [-RANGE_TOLERANCE, RANGE_TOLERANCE]
            inside = angle[(value >= allowed[0]) & (value <= allowed[1])]
            step = (high - low) / 20000
            if not len(inside) or inside[-1] - inside[0] > (len(inside) - 0.5) * step:
                raise ValueError(f"No single range of '{published.joint(driver).name}' suits its coupled joints.")
            ranges[driver] = (float(inside[0]), float(inside[-1]))
    changes.append(
        Change(
            "dependent_limits", f"{published.neq} coupled joints", "own limits", "none",
            "a limit on a coupled joint fights its coupling; the driver's limit says the same without a fight",
            "measured: at the drivers' published limits coupled joints leave their ranges (full body: up to 0.17 rad)",
        )
    )  # fmt: skip
    for driver, (low, high) in ranges.items():
        old = published.jnt_range[driver]
        if low - old[0] < RANGE_TOLERANCE and old[1] - high < RANGE_TOLERANCE:
            continue
        name = published.joint(driver).name
        spec.joint(name).range = [low, high]
        changes.append(
            Change(
                "dependent_limits", name, f"[{old[0]:.4f}, {old[1]:.4f}] rad", f"[{low:.4f}, {high:.4f}] rad",
                "the range in which every joint coupled to it is within its published range",
                "measured: published couplings and ranges",
            )
        )  # fmt: skip
    return changes


def mend_elbow(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """The elbow of the arms is as damped as that of the full body."""
    changes = []
    for name in ("elbow_flex_r", "elbow_flex_l"):
        joint = spec.joint(name)
        damping, armature = float(np.ravel(joint.damping)[0]), float(joint.armature)
        if damping == 0.5 and armature == 0.01:
            continue
        joint.damping, joint.armature = [0.5, 0.0, 0.0], 0.01
        changes.append(
            Change(
                "elbow", name, f"damping {damping}, armature {armature}", "damping 0.5, armature 0.01",
                "the two bodies are one person; the full body has these values",
                "measured: joint tables of the two published bodies",
            )
        )  # fmt: skip
    return changes


def lighten_phantoms(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """Frames without mass resist no rotation."""
    changes = []
    for name in PHANTOMS:
        old = published.body_inertia[published.body(name).id].max()
        if old <= PHANTOM_INERTIA:
            continue
        spec.body(name).inertia = [PHANTOM_INERTIA] * 3
        changes.append(
            Change(
                "phantom_inertia", f"inertia of {name}", f"{old:g} kg m²", f"{PHANTOM_INERTIA:g} kg m²",
                "a frame of 1 g that takes the shoulder's rotations apart; four of them made an arm raised sideways "
                "resist turning 9 times as much as its own mass does, and the trunk turn with 8 kg m² too many",
                "measured: inertia about elv_angle 3.37 with and 0.38 kg m² without, arm raised by 90 deg; what is "
                "left keeps the couplings of the shoulder tight",
            )
        )  # fmt: skip
    return changes


def stiffen_couplings(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """A coupled joint stays with its driver."""
    for equality in spec.equalities:
        equality.solref = [COUPLING_TIME, 1.0]
    return [
        Change(
            "coupling_stiffness", f"time constant of {published.neq} couplings", f"{published.eq_solref[0, 0]:g} s",
            f"{COUPLING_TIME:g} s", "patellae and shoulder blades strayed from the joints that move them",
            "measured: median over 0.1 s steps of the largest stray, random excitation: arms 2.2 to 0.5 mrad",
        )
    ]  # fmt: skip


def free_toes(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str) -> list[Change]:
    """The toes bend up by 60 deg, not 30: else a foot that pushes off stands on the tips of its toes."""
    changes = []
    for name in ("mtp_angle_r", "mtp_angle_l"):
        if body != "full":
            continue
        low, high = (float(limit) for limit in published.joint(name).range)
        spec.joint(name).range = [-TOE_EXTENSION, high]
        changes.append(
            Change(
                "toes", name, f"[{low:.4f}, {high:.4f}] rad", f"[{-TOE_EXTENSION:.4f}, {high:.4f}] rad",
                "walking bends the toes up by up to 58 deg; with 30 deg the toe tips lift the whole foot at push-off",
                "cited: Bojsen-Moller and Lamoreux (1979), Acta Orthop Scand 50:471, free dorsiflexion of the toes",
            )
        )  # fmt: skip
    return changes


Repair = Callable[[mujoco.MjSpec, mujoco.MjModel, str], list[Change]]

IN_ORDER: dict[str, Repair] = {
    "sensors": drop_sensors,
    "ligaments": drop_ligaments,
    "inert_muscles": drop_inert_muscles,
    "control_range": mend_control_range,
    "length_range": mend_length_range,
    "rest_tension": slacken_at_rest,
    "supraspinatus": mend_supraspinatus,
    "longissimus": mend_longissimus,
    "facing": mend_facing,
    "thorax": narrow_thorax,
    "dependent_limits": mend_dependent_limits,
    "elbow": mend_elbow,
    "phantom_inertia": lighten_phantoms,
    "coupling_stiffness": stiffen_couplings,
    "toes": free_toes,
}
"""The repairs of `Repairs` by field name. `rest_pose` is made by `anatomy.rest`, once the couplings are known."""


def repair(spec: mujoco.MjSpec, published: mujoco.MjModel, body: str, repairs: Repairs) -> list[Change]:
    """Make the chosen repairs on the spec and say what was done."""
    changes = []
    for name, mend in IN_ORDER.items():
        if getattr(repairs, name):
            changes += mend(spec, published, body)
    return changes
