"""The minimal skeleton of a body: the same postures with half the joints, for simulations several times as fast.

Muscles, their paths and everything that is only drawn are left out. Of the coupled joints four kinds remain:

    lumbar spine    two levels between the lowest vertebra and the torso, instead of four
    shoulder        two slides that carry its centre along, instead of clavicle and scapula
    upper arm       `shoulder1_r2`, as it was
    knee            one hinge about the shank that takes up what flexion on one axis leaves; patellae ride on the thighs

Where a joint has gone, what it carried is one piece with a segment that stays, as they are when every coordinate is
zero. The new joints are fitted to the motion of the whole body over the ranges of their drivers. What lies between two
segments, vertebrae and shoulder blades, is shared between both so that its centre of mass stays on its path. Damping
and armature that go with a joint are made up for at its driver, by the square of the slope, on average over the range.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares

from myotrack.algebra.quaternion import from_matrix
from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.model import Anatomy

Numbers = Float[np.ndarray, "_"]
Vectors = Float[np.ndarray, "*_ 3"]
Turns = Float[np.ndarray, "*_ 3 3"]
LINE, GRID = 41, 7
"""Angles per driver over which joints of one driver, and of three, are fitted, evenly over its range."""
DEGREE = 4
"""Of the polynomials of coupled joints, the highest that MuJoCo has."""
LEVELS, SLOPE = {"L4_L5": -0.14, "L1_L2": -0.07}, 0.4
"""Levels of the spine whose joints stay; where the fit begins: height in the frame of the torso [m], and slope.
Measured in the full body, worst place of the head and worst turn: one level 27 mm and 6.5 deg, since bending fore and
aft and to the side do not commute; one and a second FE 8 mm and 1.1 deg; two 2 mm and 0.4 deg."""
ABOUT = {"FE": ("flex_extension", 2), "LB": ("lat_bending", 0), "AR": ("axial_rotation", 1)}
"""Driver of each joint of a level, and its axis in the frame of the torso: 0 forward, 1 up, 2 to the right."""
SHIFTS = 2
"""Slides per shoulder. Measured: with one its centre strays by 12 mm, with two by 0.4 mm."""
STAYING = ("shoulder1_r2_r", "shoulder1_r2_l")
"""Coupled joints that stay as they are."""
GONE = ("tendon", "actuator", "keyframe", "exclude", "camera")
"""Elements of an MJCF file that are not taken over. Segments that `exclude` names collide with the floor alone."""


@dataclass(frozen=True)
class _Mover:
    """A joint of the minimal skeleton, in the frame of the segment that it moves."""

    name: str
    driver: str
    """The independent joint that it follows, or is."""
    axis: Float[np.ndarray, "3"]
    anchor: Float[np.ndarray, "3"]
    polynomial: Float[np.ndarray, "4"]
    """Coefficients of x to x⁴ of the driver."""
    slides: bool = False


@dataclass(frozen=True)
class _Lump:
    """A segment with new joints."""

    segment: str
    carrier: str
    """The segment that it moves on."""
    movers: list[_Mover]

    @property
    def drivers(self) -> list[str]:
        """The independent joints that move it."""
        return sorted({mover.driver for mover in self.movers})

    @property
    def followers(self) -> list[_Mover]:
        """The joints that are coupled to a driver."""
        return [mover for mover in self.movers if mover.name != mover.driver]


@dataclass(frozen=True)
class _Sample:
    """The whole body in several postures; in the first of them every coordinate is zero."""

    angles: dict[str, Numbers]
    """Of the drivers [rad]."""
    pos: Float[np.ndarray, "n body 3"]
    rotation: Float[np.ndarray, "n body 3 3"]
    centre: Float[np.ndarray, "n body 3"]
    """Of mass."""

    def seen(self, body: int, carrier: int) -> tuple[Vectors, Turns, Vectors]:
        """Origin, orientation and centre of mass of a body in the frame of another."""
        back = self.rotation[:, carrier].swapaxes(1, 2)
        pos, centre = (_turn(back, each[:, body] - self.pos[:, carrier]) for each in (self.pos, self.centre))
        return pos, back @ self.rotation[:, body], centre


def _turn(rotation: Turns, vector: Vectors) -> Vectors:
    return np.einsum("...ij,...j->...i", rotation, vector)


def _motion(movers: list[_Mover], angles: dict[str, Numbers]) -> tuple[Vectors, Turns]:
    """Where the joints of a segment take its frame, seen from the frame at zero."""
    pos, rotation = np.zeros(3), np.eye(3)
    for mover in movers:
        value = np.polyval([*mover.polynomial[::-1], 0.0], angles[mover.driver])[:, None, None]
        x, y, z = mover.axis
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        turned = rotation @ (np.eye(3) + np.sin(value) * cross + (1 - np.cos(value)) * cross @ cross)
        pos, rotation = pos + _turn(rotation - turned, mover.anchor), turned
    return pos, rotation


@dataclass(frozen=True)
class _Whole:
    """The body that is reduced."""

    anatomy: Anatomy

    @property
    def model(self) -> mujoco.MjModel:
        return self.anatomy.model

    def body(self, name: str) -> int:
        return int(self.model.body(name).id)

    def polynomial(self, joint: str) -> Float[np.ndarray, "4"]:
        """Coefficients of x to x⁴ of a coupled joint."""
        return self.model.eq_data[self.model.eq_obj1id.tolist().index(self.model.joint(joint).id), 1 : 1 + DEGREE]

    def resistance(self, joint: str) -> Float[np.ndarray, "2"]:
        """Damping and armature."""
        dof = self.model.joint(joint).dofadr[0]
        return np.array([self.model.dof_damping[dof], self.model.dof_armature[dof]])

    def followers(self, driver: str) -> list[str]:
        """Coupled joints that go."""
        return [each.name for each in self.anatomy.joints if each.driver == driver and each.name not in STAYING]

    def sample(self, drivers: list[str]) -> _Sample:
        """Postures on a grid over the ranges of some joints, with all others at zero."""
        ranges, count = [self.model.joint(driver).range for driver in drivers], LINE if len(drivers) == 1 else GRID
        lines = [np.linspace(low, high, count) for low, high in ranges]
        grid = [np.r_[0.0, axis.ravel()] for axis in np.meshgrid(*lines, indexing="ij")]
        qpos = np.tile(self.model.qpos0, (len(grid[0]), 1))
        qpos[:, [self.model.joint(driver).qposadr[0] for driver in drivers]] = np.stack(grid, 1)
        rows, data = [], mujoco.MjData(self.model)
        for posture in self.anatomy.couplings.project(torch.as_tensor(qpos)).numpy():
            data.qpos[:] = posture
            mujoco.mj_kinematics(self.model, data)
            rows.append((data.xpos.copy(), data.xmat.reshape(-1, 3, 3).copy(), data.xipos.copy()))
        return _Sample(dict(zip(drivers, grid, strict=True)), *(np.stack(each) for each in zip(*rows, strict=True)))


def _lumps(whole: _Whole) -> list[_Lump]:
    """The segments with new joints, fitted."""
    lumps = [_shoulder(whole, side) for side in "rl"]
    if not whole.anatomy.free:
        return lumps
    unit = np.eye(DEGREE)[0]
    for side in "rl":
        flexion, rest = (whole.model.joint(f"knee_angle{which}_{side}") for which in ("", "_rotation3"))
        knee = [_Mover(flexion.name, flexion.name, flexion.axis, flexion.pos, unit)]
        knee.append(_Mover(rest.name, flexion.name, rest.axis, rest.pos, 0 * unit))
        points = [f"{name}_{side}" for name in ("tibia", "talus", "calcn", "toes")]
        lumps.append(_fitted(whole, _Lump(f"tibia_{side}", f"femur_{side}", knee), points))
    spine = [
        _Mover(f"{level}_{about}", driver, np.eye(3)[axis], np.array([0.0, height, 0.0]), SLOPE * unit)
        for level, height in LEVELS.items()
        for about, (driver, axis) in ABOUT.items()
    ]
    return [*lumps, _fitted(whole, _Lump("torso", "lumbar5", spine), ["thorax", "head", "scapphant_r", "scapphant_l"])]


def _fitted(whole: _Whole, guess: _Lump, points: list[str]) -> _Lump:
    """Axes, anchors and polynomials that bring what a segment carries where it should be, by least squares.

    `points` are segments whose origins are looked at. The grid is as wide to the left as to the right, so the spine's
    joints stay in the median plane.
    """
    sample, body = whole.sample(guess.drivers), whole.body(guess.segment)
    pos, rotation, _ = sample.seen(body, whole.body(guess.carrier))
    origins = np.stack([sample.seen(whole.body(point), body)[0][0] for point in points])
    wanted = (pos[:, None] - pos[0] + _turn(rotation[:, None], origins)) @ rotation[0]
    table = np.stack([np.r_[mover.axis, mover.anchor, mover.polynomial] for mover in guess.movers])
    free = np.ones_like(table, dtype=bool)
    free[[mover not in guess.followers for mover in guess.movers], -DEGREE:] = False

    def unpacked(numbers: Numbers) -> list[_Mover]:
        table[free] = numbers
        rows = [(row[:3] / np.linalg.norm(row[:3]), row[3:6], row[6:]) for row in table.copy()]
        return [_Mover(each.name, each.driver, *row) for each, row in zip(guess.movers, rows, strict=True)]

    def miss(numbers: Numbers) -> Numbers:
        shift, turn = _motion(unpacked(numbers), sample.angles)
        return (shift[:, None] + _turn(turn[:, None], origins) - wanted).ravel()

    return replace(guess, movers=unpacked(least_squares(miss, table[free], x_scale=0.1).x))


def _shoulder(whole: _Whole, side: str) -> _Lump:
    """Slides of a shoulder's centre, along the directions in which it moves most and second most."""
    segment, driver = f"scapphant_{side}", f"shoulder_elv_{side}"
    sample = whole.sample([driver])
    pos, rotation, _ = sample.seen(whole.body(segment), whole.body("thorax"))
    shift = (pos - pos[0]) @ rotation[0]
    directions = np.linalg.svd(shift, full_matrices=False)[2][:SHIFTS]
    powers = sample.angles[driver][:, None] ** np.arange(1, DEGREE + 1)
    polynomials = np.linalg.lstsq(powers, shift @ directions.T, rcond=None)[0].T
    names = [f"shoulder_shift{number}_{side}" for number in range(1, 1 + SHIFTS)]
    rows = zip(names, directions, polynomials, strict=True)
    return _Lump(segment, "thorax", [_Mover(name, driver, axis, np.zeros(3), p, slides=True) for name, axis, p in rows])


def reduced(anatomy: Anatomy) -> mujoco.MjSpec:
    """The minimal skeleton of a body, ready to compile.

    `Couplings.of` its model gives the same independent coordinates in the same order. Landmarks, sensors, contact geoms
    and pairs, floor, resting posture, and segments that joints move keep their names; what other segments carry is on
    those. Damping and armature of a driver include those of joints that have gone.
    """
    whole, model = _Whole(anatomy), anatomy.model
    lumps = _lumps(whole)
    spec = mujoco.MjSpec.from_string(_without_muscles(anatomy))
    spec.compiler.boundmass, spec.compiler.boundinertia, spec.compiler.fusestatic = 0.0, 0.0, True
    _restore_digits(spec, model)
    for geom in list(spec.geoms):
        if not (geom.contype or geom.conaffinity):
            spec.delete(geom)
    _remove_joints(spec, whole, {(lump.segment, mover.name) for lump in lumps for mover in lump.movers})
    for lump in lumps:
        _share_masses(spec, whole, lump)
        for mover in lump.movers:
            _add_joint(spec, whole, lump, mover)
    _pass_on_resistance(spec, whole, lumps)
    couplings = Couplings.of(spec.compile())
    for key in range(model.nkey):
        z = anatomy.couplings.independent(torch.as_tensor(model.key_qpos[key]))
        spec.add_key(name=model.key(key).name, qpos=couplings.qpos(z).numpy())
    return spec


def take_softness(model: mujoco.MjModel, original: mujoco.MjModel) -> None:
    """Make limits, couplings and contacts of a minimal skeleton as soft as those of the body it was made from.

    MuJoCo scales them by how easily a joint or a segment moves, all couplings apart. A shoulder that may not carry
    clavicle and scapula along seems 20 times as heavy, and its limit was as much harder.

    Args:
        model: Changed in place: joints that the original has, too, and segments that touch something, which are as soft
            as those that their geoms were on, on average.
        original: Compiled.
    """
    segments = {original.geom(geom).name: original.geom_bodyid[geom] for geom in range(original.ngeom)}
    for body in range(1, model.nbody):
        geoms = [model.geom(geom).name for geom in np.flatnonzero(model.geom_bodyid == body)]
        touching = [segments[name] for name in geoms if name and name in segments]
        if touching:
            model.body_invweight0[body] = original.body_invweight0[touching].mean(axis=0)
    for joint in range(model.njnt):
        other = mujoco.mj_name2id(original, mujoco.mjtObj.mjOBJ_JOINT, model.joint(joint).name)
        if other >= 0:
            width = 6 if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE else 1
            ours, theirs = int(model.jnt_dofadr[joint]), int(original.jnt_dofadr[other])
            model.dof_invweight0[ours : ours + width] = original.dof_invweight0[theirs : theirs + width]


def _without_muscles(anatomy: Anatomy) -> str:
    """The body as MJCF without muscles, keyframes, and most couplings and sites."""
    root = ElementTree.fromstring(anatomy.xml)
    sites = {site_name(landmark) for landmark in anatomy.landmarks}
    for parent in list(root.iter()):
        for child in list(parent):
            other = child.tag == "site" and child.get("name") not in sites
            coupling = parent.tag == "equality" and child.get("joint1") not in STAYING
            if parent.tag != "default" and (child.tag in GONE or other or coupling):
                parent.remove(child)
    return ElementTree.tostring(root, encoding="unicode")


def _restore_digits(spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    """Masses and ranges as they are: an MJCF file has six digits of them."""
    for body in spec.bodies[1:]:
        own = model.body(body.name)
        body.explicitinertial, body.mass = True, float(own.mass[0])
        body.ipos, body.iquat, body.inertia = own.ipos, own.iquat, own.inertia
        body.ialt.type, body.fullinertia = mujoco.mjtOrientation.mjORIENTATION_QUAT, np.full(6, np.nan)
    for joint in spec.joints:
        joint.range = model.joint(joint.name).range


def _remove_joints(spec: mujoco.MjSpec, whole: _Whole, kept: set[tuple[str, str]]) -> None:
    """Remove coupled joints but those `kept`, by segment; what they moved is where it is when coordinates are zero."""
    neutral = whole.sample(["shoulder_elv_r"])
    for joint in whole.anatomy.joints:
        if joint.independent or joint.name in STAYING:
            continue
        if (joint.segment, joint.name) not in kept:
            spec.delete(spec.joint(joint.name))
        body = whole.body(joint.segment)
        pos, rotation, _ = neutral.seen(body, int(whole.model.body_parentid[body]))
        spec.body(joint.segment).pos = pos[0]
        spec.body(joint.segment).quat = from_matrix(torch.as_tensor(rotation[0])).numpy()


def _share_masses(spec: mujoco.MjSpec, whole: _Whole, lump: _Lump) -> None:
    """Divide the bodies between a segment and its carrier among both, by how far their centres go with the segment."""
    sample, segment, carrier = whole.sample(lump.drivers), whole.body(lump.segment), whole.body(lump.carrier)
    pos, rotation, _ = sample.seen(segment, carrier)
    body = int(whole.model.body_parentid[segment])
    while body != carrier:
        left, seen = spec.body(whole.model.body(body).name), sample.seen(body, carrier)[2]
        origin, turn, at = sample.seen(body, segment)
        way, carried = seen - seen[0], pos + _turn(rotation, at[0]) - seen[0]
        share = float(np.clip((way * carried).sum() / (carried**2).sum(), 0.0, 1.0))
        taken = spec.body(lump.segment).add_body(name=f"{left.name} on {lump.segment}", pos=origin[0])
        taken.quat = from_matrix(torch.as_tensor(turn[0])).numpy()
        taken.explicitinertial, taken.ipos, taken.iquat = True, left.ipos, left.iquat
        taken.mass, taken.inertia = share * left.mass, share * np.array(left.inertia)
        left.mass, left.inertia = (1 - share) * left.mass, (1 - share) * np.array(left.inertia)
        body = int(whole.model.body_parentid[body])


def _add_joint(spec: mujoco.MjSpec, whole: _Whole, lump: _Lump, mover: _Mover) -> None:
    """Give a segment one of its new joints, coupled to its driver as stiffly as others were. Slides resist nothing."""
    joint = spec.joint(mover.name) or spec.body(lump.segment).add_joint(name=mover.name)
    joint.axis, joint.pos = mover.axis, mover.anchor
    if mover not in lump.followers:
        return
    joint.type = mujoco.mjtJoint.mjJNT_SLIDE if mover.slides else mujoco.mjtJoint.mjJNT_HINGE
    joint.limited = mujoco.mjtLimited.mjLIMITED_FALSE
    own = whole.resistance(mover.name) if mover.name in whole.followers(mover.driver) else np.zeros(2)
    joint.damping[0], joint.armature = own.tolist()
    like = whole.model.eq_obj2id.tolist().index(whole.model.joint(mover.driver).id)
    equality = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT)
    equality.name1, equality.name2, equality.data = mover.name, mover.driver, [0.0, *mover.polynomial, *[0.0] * 7]
    equality.solref, equality.solimp = whole.model.eq_solref[like], whole.model.eq_solimp[like]


def _pass_on_resistance(spec: mujoco.MjSpec, whole: _Whole, lumps: list[_Lump]) -> None:
    """Give drivers the damping and armature that joints which followed them had more than those that now do."""
    new = [mover for lump in lumps for mover in lump.followers]
    for driver in sorted({mover.driver for mover in new}):
        before, now = whole.followers(driver), [mover for mover in new if mover.driver == driver]
        slopes = [(name, 1, whole.polynomial(name)) for name in before]
        slopes += [(mover.name, -1, mover.polynomial) for mover in now if mover.name in before]
        (low, high), more = whole.model.joint(driver).range, np.zeros(2)
        for name, sign, polynomial in slopes:
            slope = np.polyval(np.polyder([*polynomial[::-1], 0.0]), np.linspace(low, high, LINE))
            more += sign * (slope**2).mean() * whole.resistance(name)
        spec.joint(driver).damping[0] += more[0]
        spec.joint(driver).armature += float(more[1])
