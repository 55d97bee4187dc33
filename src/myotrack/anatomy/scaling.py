"""Bodies of other sizes: a repaired body whose parts are larger or smaller, each by a factor of its own.

A part is resized about the joint that carries it, alike in all directions. So every length within a part, the place of
the next part's joint included, is multiplied by the factor of the part. What follows from that:

    masses            by the cube: tissue is as dense in small people. Then all alike, if the person's mass is known
    inertias          by the fifth power, and by what the masses gained besides
    coupled shifts    polynomials and ranges of sliding joints by the factor of the segment they slide along
    muscles           the stored range of path lengths, and with it optimal fibre and tendon slack length, by the change
                      of the muscle's own path at rest: fibres work where they worked
    peak forces       by the two thirds power of the person's mass, all alike, so that no muscle outgrows another
    colliders         as their parts, but the thorax no broader than lets the arms hang beside it, and legs no thicker
                      than hips are wide; resting arms are raised from thighs that stand further out than shoulders
    friction, damping, armature, activation   as they were

Source: OpenSim documentation, How Scaling Works, steps 2 to 4 (lengths, wrapping surfaces, masses by volume and to a
target mass, fibre and tendon lengths by the change of the path); Delp et al. (2007), doi:10.1109/TBME.2007.901024.
OpenSim leaves peak forces alone; ours follow Jaric (2002), doi:10.2165/00007256-200232100-00002: force grows with mass
to the power 2/3, as cross-sections do.
"""

import math

import mujoco
import numpy as np
import torch
from jaxtyping import Float

from myotrack.anatomy.changes import Change
from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.rest import KEY, resting_qpos
from myotrack.anatomy.sizes import HEAVIEST, LIGHTEST, PARTS, Sizes, part_of

TOLERANCE = 1e-6
"""Of lengths that are sought [m]."""
FLAT = 1e-5
"""Share by which the largest moment of inertia stays below the sum of the others. The published lumbar spine is as flat
as can be, and the six digits of an MJCF file would break what holds for every solid. Measured: rounding, at worst."""
STRENGTH_POWER = 2 / 3
"""Of the mass, by which peak forces grow. Cited: Jaric (2002), doi:10.2165/00007256-200232100-00002."""
THORAX, UPPER_ARMS = "thorax_coll1", ("humerus_r_coll", "humerus_l_coll")
"""Colliders that `repairs.narrow_thorax` keeps apart."""
LIFT, MOST_LIFT = math.radians(1.0), math.radians(20.0)
"""Steps in which hanging arms are raised from hips that are wider than the shoulders, and where that ends [rad]."""


def resize(spec: mujoco.MjSpec, model: mujoco.MjModel, body: str, sizes: Sizes) -> list[Change]:
    """Give a finished body other sizes.

    Args:
        spec: The body, repaired, with landmarks and resting posture; it is changed.
        model: The same, compiled.
        body: 'full' or 'arms'.
        sizes: The sizes.

    Returns:
        What was changed.

    Raises:
        ValueError: The mass is beyond what people of these sizes weigh.
    """
    names = [model.body(index).name for index in range(model.nbody)]
    factor = np.array([sizes.factor(name) for name in names])
    own_mass, volume_mass, mass = _whole_masses(model, factor, sizes)
    _resize_lengths(spec, sizes)
    _resize_inertias(spec, model, factor, mass / volume_mass)
    _resize_shifts(spec, model, factor)
    strength = (mass / own_mass) ** STRENGTH_POWER
    changes = _told(sizes, own_mass, mass, strength)
    changes += _resize_muscles(spec, model, body, strength)
    changes += _clear_thorax(spec, model, body)
    return changes + _stand(spec, body)


def _whole_masses(model: mujoco.MjModel, factor: Float[np.ndarray, "body"], sizes: Sizes) -> tuple[float, float, float]:
    """Of the published person, of a person of these sizes and as dense, and of the one that is wanted [kg]."""
    whole = model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
    own = float(model.body_mass.sum()) if whole else Sizes().volume_mass()
    volume = float((model.body_mass * factor**3).sum()) if whole else sizes.volume_mass()
    mass = volume if sizes.mass is None else sizes.mass
    if not LIGHTEST <= mass / volume <= HEAVIEST:
        raise ValueError(
            f"A person of these sizes cannot weigh {mass:g} kg: the body is made for {LIGHTEST * volume:.0f} to "
            f"{HEAVIEST * volume:.0f} kg. Give another mass, or none."
        )
    return own, volume, mass


def _resize_lengths(spec: mujoco.MjSpec, sizes: Sizes) -> None:
    """Places and extents of everything on a body by its factor; the place of a body by that of the body it hangs on."""
    for body in spec.bodies:
        factor = sizes.factor(body.name)
        for thing in (*body.joints, *body.sites, *body.cameras, *body.frames):
            thing.pos = np.array(thing.pos) * factor
        if body.parent is None:
            continue  # The world: its floor stays where it is.
        for geom in body.geoms:
            geom.pos = np.array(geom.pos) * factor
            girth = _girth(geom, sizes)
            geom.size = np.array(geom.size) * [girth, *[factor] * 2]
            geom.fromto = np.array(geom.fromto) * factor
        if not any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in body.joints):
            body.pos = np.array(body.pos) * sizes.factor(body.parent.name)


def _girth(geom: mujoco.MjsGeom, sizes: Sizes) -> float:
    """Of the first extent of a geom. Legs are no thicker than hips are wide, or thighs would stand in each other."""
    own = sizes.factor(geom.parent.name)
    leg = PARTS[part_of(geom.parent.name)] in ("thigh", "shank") and geom.type == mujoco.mjtGeom.mjGEOM_CAPSULE
    return min(own, sizes.pelvis) if leg else own


def _resize_inertias(
    spec: mujoco.MjSpec, model: mujoco.MjModel, factor: Float[np.ndarray, "body"], density: float
) -> None:
    """Masses, their centres and inertias, all of them explicit from now on."""
    # The published bounds keep tiny bones from being too light; they have been applied, and what counts is their ratio.
    spec.compiler.boundmass = spec.compiler.boundinertia = 0.0
    for body in spec.bodies[1:]:
        index = model.body(body.name).id
        body.explicitinertial = True
        body.mass = float(model.body_mass[index] * factor[index] ** 3 * density)
        body.ipos = model.body_ipos[index] * factor[index]
        body.ialt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        body.iquat = model.body_iquat[index]
        body.fullinertia = np.full(6, np.nan)
        inertia = model.body_inertia[index] * factor[index] ** 5 * density
        largest = int(inertia.argmax())
        inertia[largest] = min(inertia[largest], (inertia.sum() - inertia[largest]) * (1 - FLAT))
        body.inertia = inertia


def _resize_shifts(spec: mujoco.MjSpec, model: mujoco.MjModel, factor: Float[np.ndarray, "body"]) -> None:
    """Ranges and coupling polynomials of joints that slide, by the factor of the segment they slide along."""
    along = {
        model.joint(joint).name: float(factor[model.body_parentid[model.jnt_bodyid[joint]]])
        for joint in range(model.njnt)
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE
    }
    for name, by in along.items():
        joint = spec.joint(name)
        joint.range = np.array(joint.range) * by
        joint.ref, joint.springref = joint.ref * by, joint.springref * by
    for equality in spec.equalities:
        if equality.type == mujoco.mjtEq.mjEQ_JOINT:
            # y = c0 + c1 x + ... with y in lengths of the one joint and x in lengths of the other.
            data = np.array(equality.data)
            data[:5] *= along.get(equality.name1, 1.0) / along.get(equality.name2, 1.0) ** np.arange(5)
            equality.data = data


def _resize_muscles(spec: mujoco.MjSpec, model: mujoco.MjModel, body: str, strength: float) -> list[Change]:
    """Length ranges by the change of each path in the resting posture; peak forces by `strength`."""
    before, after = (_resting_lengths(each, body) for each in (model, spec.compile()))
    ratio = dict(zip((model.tendon(index).name for index in range(model.ntendon)), after / before, strict=True))
    for tendon in spec.tendons:
        tendon.range = np.array(tendon.range) * ratio[tendon.name]
        lengths = np.array(tendon.springlength)
        tendon.springlength = np.where(lengths < 0, lengths, lengths * ratio[tendon.name])
    for actuator in spec.actuators:
        actuator.lengthrange = np.array(actuator.lengthrange) * ratio[actuator.target]
        for parameters in ("gainprm", "biasprm"):
            values = np.array(getattr(actuator, parameters))
            values[2] *= strength
            setattr(actuator, parameters, values)
    changed = [ratio[actuator.target] for actuator in spec.actuators]
    return [
        Change(
            "sizes", f"length ranges of {len(changed)} muscles", "those of the published body",
            f"{min(changed):.3f} to {max(changed):.3f} times",
            "optimal fibre and tendon slack length change as the path does at rest, so fibres work where they worked",
            "cited: OpenSim documentation, How Scaling Works, step 4",
        )
    ]  # fmt: skip


def _resting_lengths(model: mujoco.MjModel, body: str) -> Float[np.ndarray, "tendon"]:
    """Of every tendon in the resting posture [m]."""
    data = mujoco.MjData(model)
    data.qpos[:] = resting_qpos(model, Couplings.of(model), body)
    mujoco.mj_fwdPosition(model, data)
    return data.ten_length.copy()


def _clear_thorax(spec: mujoco.MjSpec, model: mujoco.MjModel, body: str) -> list[Change]:
    """Narrow the thorax where hanging upper arms would come nearer to it, in its own size, than they were."""
    resized = spec.compile()
    thorax = resized.geom(THORAX).id
    wanted = _arm_clearance(model, body) * resized.geom_size[thorax, 0] / model.geom_size[model.geom(THORAX).id, 0]
    breadth = float(resized.geom_size[thorax, 2])
    if _arm_clearance(resized, body) >= wanted - TOLERANCE:
        return []
    narrow, wide = 0.0, breadth
    while wide - narrow > TOLERANCE:
        resized.geom_size[thorax, 2] = (narrow + wide) / 2
        if _arm_clearance(resized, body) < wanted:
            wide = float(resized.geom_size[thorax, 2])
        else:
            narrow = float(resized.geom_size[thorax, 2])
    geom = spec.geom(THORAX)
    geom.size = [*np.array(geom.size)[:2], narrow]
    return [
        Change(
            "sizes", f"{THORAX} half breadth", f"{breadth:.3f} m", f"{narrow:.3f} m",
            "the trunk is larger than the shoulders are wide: hanging arms would press into it",
            "measured: distance of the upper arms in the resting posture, over that of the body's own size",
        )
    ]  # fmt: skip


def _arm_clearance(model: mujoco.MjModel, body: str) -> float:
    """Between the thorax and the nearer upper arm in the resting posture, negative inside it [m]."""
    data = mujoco.MjData(model)
    data.qpos[:] = resting_qpos(model, Couplings.of(model), body)
    mujoco.mj_kinematics(model, data)
    thorax = model.geom(THORAX).id
    return min(mujoco.mj_geomDistance(model, data, thorax, model.geom(arm).id, 1.0, None) for arm in UPPER_ARMS)


def _stand(spec: mujoco.MjSpec, body: str) -> list[Change]:
    """The resting keyframe of the resized body; published ones are of another size and go."""
    for key in [key for key in spec.keys if key.name != KEY]:
        spec.delete(key)
    if not spec.keys:
        return []
    model = spec.compile()
    qpos, lift = _with_free_arms(model, resting_qpos(model, Couplings.of(model), body))
    spec.key(KEY).qpos = qpos
    raised = f", arms {math.degrees(lift):.0f} deg from the thighs" if lift else ""
    return [
        Change(
            "sizes", f"keyframe '{KEY}'", "that of the body's own size", f"root at {qpos[2]:.3f} m{raised}"
            if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE else f"the same angles{raised}",
            "a resting body stands on the floor and touches nothing else",
            "measured: height of the soles and contacts in the resting posture",
        )
    ]  # fmt: skip


def _with_free_arms(model: mujoco.MjModel, qpos: Float[np.ndarray, "qpos"]) -> tuple[Float[np.ndarray, "qpos"], float]:
    """A posture with both arms raised until they touch nothing, and by how much [rad]."""
    couplings, data = Couplings.of(model), mujoco.MjData(model)
    arms = {
        body for body in range(model.nbody) if part_of(model.body(body).name) in map(PARTS.index, ("forearm", "hand"))
    }
    for lift in np.arange(0.0, MOST_LIFT + LIFT / 2, LIFT):
        raised = qpos.copy()
        for side in "rl":
            raised[model.joint(f"shoulder_elv_{side}").qposadr[0]] += lift
        raised = couplings.project(torch.as_tensor(raised)).numpy()
        data.qpos[:] = raised
        mujoco.mj_forward(model, data)
        touching = {int(model.geom_bodyid[geom]) for contact in data.contact for geom in contact.geom}
        if not touching & arms:
            return raised, float(lift)
    return qpos, 0.0


def _told(sizes: Sizes, own_mass: float, mass: float, strength: float) -> list[Change]:
    """Lengths, masses and peak forces as rows."""
    rows = [
        Change(
            "sizes", part.replace("_", " "), "1", f"{factor:g}", "lengths of a part by the factor that was asked for",
            "cited: OpenSim documentation, How Scaling Works, step 2",
        )
        for part, factor in zip(PARTS, sizes.factors, strict=True)
        if factor != 1.0
    ]  # fmt: skip
    if sizes.pelvis < max(sizes.thigh, sizes.shank):
        rows.append(
            Change(
                "sizes", "thickness of the legs' colliders", "as thighs and shanks", f"{sizes.pelvis:g} as the pelvis",
                "legs that are long for the width of the hips would stand in each other",
                "measured: thighs 25 mm apart in the resting posture of the published body",
            )
        )  # fmt: skip
    how = "by volume" if sizes.mass is None else "by volume, then all alike to the mass that was asked for"
    rows += [
        Change(
            "sizes", "mass of the person", f"{own_mass:.1f} kg", f"{mass:.1f} kg",
            f"masses of the parts change {how}, inertias with them by another square of the length",
            "cited: OpenSim documentation, How Scaling Works, step 3",
        ),
        Change(
            "sizes", "peak forces", "1", f"{strength:.3f}",
            "force grows with mass to the power 2/3, as cross-sections do",
            "cited: Jaric (2002), doi:10.2165/00007256-200232100-00002",
        ),
    ]  # fmt: skip
    return rows
