"""Recordings of joint coordinates, posed: the joint centres and turns that `pipeline` follows, by forward kinematics.

OpenSim's coordinates are those of Rajagopal et al. (2016, doi:10.1109/TBME.2016.2586891) and of gait2392: rotations
about the axes z (right), x (forward) and y (up) of the segment above, in this order, mirrored in x and y on the left.
Legs, elbows and wrists of our body have the same joints; its spine bends over several levels and its shoulder elevates
in a plane, so for these the angles are sought that give the recorded orientation. Trajectories of MuJoCo have our own
joints.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, multiply, to_matrix
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS
from myotrack.capture.recording import Coordinates, Recording, Tree
from myotrack.retarget.conventions import SIDES, SKELETONS, TURNS
from myotrack.retarget.markers import Spot, resolve
from myotrack.retarget.rig import Rig

_PARENT = {
    "spine3": "pelvis", "neck": "spine3", "head": "neck",
    "side_hip": "pelvis", "side_knee": "side_hip", "side_ankle": "side_knee", "side_foot": "side_ankle",
    "side_shoulder": "spine3", "side_elbow": "side_shoulder", "side_wrist": "side_elbow",
}  # fmt: skip
"""The joint above each joint, in SMPL's names."""
_HANGING = ("side_knee", "side_ankle", "side_elbow", "side_wrist")
"""Joints that are straight below the one above in the rest pose."""

_SAME = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "elbow_flex")
_OTHER = {
    "mtp_angle": ("mtp_angle", -1.0, 0.0),
    "pro_sup": ("pro_sup", 1.0, -math.pi / 2),
    "wrist_flex": ("flexion", 1.0, 0.0),
    "wrist_dev": ("deviation", -1.0, 0.0),
}
"""Our joint, sign and value at OpenSim's zero, where they differ: the axis of the toes points the other way, OpenSim's
palms look forward at zero and ours to the thighs, and its wrist deviates to the ulna."""
_LUMBAR = ("lumbar_extension", "lumbar_bending", "lumbar_rotation")
_OUR_LUMBAR = ("flex_extension", "lat_bending", "axial_rotation")
_PELVIS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
_PATH = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
_ARM = ("arm_flex", "arm_add", "arm_rot")
_FREE = ("_tx", "_ty", "_tz", "_qw", "_qx", "_qy", "_qz")

BLOCK = 4096
"""Frames posed at once, which bounds the memory."""
NEWTON = 8
"""Steps towards the orientation of the thorax. Measured: 4 reach 1e-9 rad for bends of 30 deg."""
SIZES = (0.7, 1.4)
"""Sizes of a person over the body's that are believed. A child of 7 years is 0.7 of an adult."""
LOWEST = 0.05
"""Share of the frames in which the soles may be below the floor, when a size is sought."""
LISTED = 12
"""Names a note lists."""


def posed(recording: Recording, anatomy: Anatomy) -> Recording:
    """The same motion as joint centres with turns, in SMPL's names.

    Args:
        recording: Joint coordinates of OpenSim or of a MuJoCo body with our joints.
        anatomy: The body.

    Raises:
        ValueError: It has no coordinate that we know.
    """
    coordinates = recording.coordinates
    if coordinates is None:
        raise ValueError(f"{recording.origin.file}: there are no joint coordinates in it.")
    rig = Rig.of(anatomy)
    z, known, notes = (_from_opensim if coordinates.skeleton == "OpenSim" else _from_mujoco)(coordinates, rig)
    if not known:
        raise ValueError(
            f"{recording.origin.file}: no coordinate in it belongs to a joint of the body '{anatomy.name}'; it has "
            f"{_listed(coordinates.names)}."
        )
    missing = [name for name in _needed(anatomy) if name not in known]
    if missing:
        notes.append(f"{len(missing)} coordinates are not recorded and stay neutral: {_listed(missing)}.")
    size = 1.0
    if coordinates.skeleton == "OpenSim":
        size = _size(z, rig) if "root" in known else 1.0
        notes.append(f"The file has no lengths: those of the body are taken, {size:.3f} times as long.")
    tree, spots, segments = _skeleton(rig)
    points, turns = _follow(z, rig, size, spots, segments)
    return replace(
        recording,
        kind="joints",
        names=tree.joints,
        points=points,
        filled=None,
        tree=replace(tree, rest=tree.rest * size),
        turns=turns,
        origin=replace(recording.origin, notes=(*recording.origin.notes, *notes)),
    )


def _needed(anatomy: Anatomy) -> tuple[str, ...]:
    """What should be recorded: the independent joints."""
    return tuple(joint.name for joint in anatomy.joints if joint.independent)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def _neutral(frames: int, rig: Rig) -> Float[Tensor, "frame pos"]:
    """Every joint at zero, the root where it rests."""
    z = torch.zeros(frames, rig.anatomy.couplings.pos_size, dtype=torch.float64)
    z[:, : rig.root_size] = rig.anatomy.rest[: rig.root_size]
    return z


def _column(name: str, rig: Rig) -> int | None:
    """Where a joint stands in z; None if the body lacks it or it is dependent."""
    names = rig.anatomy.coordinate_names
    return names.index(name) + (1 if rig.anatomy.free else 0) if name in names else None


# ---------------------------------------------------------------------------------------------------------- OpenSim


def _from_opensim(coordinates: Coordinates, rig: Rig) -> tuple[Float[Tensor, "frame pos"], set[str], list[str]]:
    """Our coordinates, which of them are recorded, and notes."""
    table = {
        name.lower(): torch.tensor(column, dtype=torch.float64)
        for name, column, quantity in zip(coordinates.names, coordinates.values.T, coordinates.quantities, strict=True)
        if quantity != "other"
    }
    z, notes = _neutral(len(coordinates.values), rig), list[str]()
    known: set[str] = set()
    used: set[str] = {name for name in table if name.endswith("_beta")}
    flip = _knees_bend_negative(table)
    if flip:
        notes.append("The knees bend towards negative angles in the file, as in gait2392; turned round.")
    for side in ("r", "l"):
        for theirs, (ours, sign, zero) in (_OTHER | {name: (name, 1.0, 0.0) for name in _SAME}).items():
            column = _column(f"{ours}_{side}", rig)
            if column is None or f"{theirs}_{side}" not in table:
                continue
            sign = -sign if flip and theirs == "knee_angle" else sign
            z[:, column] = sign * table[f"{theirs}_{side}"] + zero
            known.add(f"{ours}_{side}")
            used.add(f"{theirs}_{side}")
        names = tuple(f"{name}_{side}" for name in _ARM)
        columns = [_column(f"{name}_{side}", rig) for name in ("elv_angle", "shoulder_elv", "shoulder_rot")]
        if any(name in table for name in names) and None not in columns:
            angles = _plane_of_elevation(_turn(table, names, len(z), side == "l"), rig, side)
            for column, angle in zip(columns, angles, strict=True):
                z[:, column] = angle
            known |= {f"{name}_{side}" for name in ("elv_angle", "shoulder_elv", "shoulder_rot")}
            used.update(names)
    if rig.anatomy.free:
        _move_root(z, table, known, used)
        if any(name in table for name in _LUMBAR):
            _bend_spine(z, _turn(table, _LUMBAR, len(z)), rig)
            known.update(_OUR_LUMBAR)
            used.update(_LUMBAR)
    left = [name for name in coordinates.names if name.lower() not in used]
    if left:
        notes.append(f"{len(left)} columns left out, the body has no such joint: {_listed(left)}.")
    return z, known, notes


def _knees_bend_negative(table: Mapping[str, Tensor]) -> bool:
    """Whether flexion of the knee is negative: a knee bends much further than it overextends."""
    knees = [table[f"knee_angle_{side}"] for side in ("r", "l") if f"knee_angle_{side}" in table]
    return bool(knees) and -float(torch.cat(knees).min()) > float(torch.cat(knees).max())


def _move_root(z: Float[Tensor, "frame pos"], table: Mapping[str, Tensor], known: set[str], used: set[str]) -> None:
    """Position and orientation of the pelvis; its origin is ours, the midpoint of the ASIS."""
    if any(name in table for name in _PELVIS):
        facing = from_matrix(torch.tensor(FACING.T))
        z[:, 3:7] = multiply(from_matrix(_turn(table, _PELVIS, len(z))), facing.expand(len(z), 4))
        used.update(_PELVIS)
    if all(name in table for name in _PATH):
        x, y, up = table["pelvis_tx"], -table["pelvis_tz"], table["pelvis_ty"]
        z[:, :3] = torch.stack([x, y, up], dim=1)
        known.add("root")
        used.update(_PATH)


def _turn(
    table: Mapping[str, Tensor], names: tuple[str, ...], frames: int, left: bool = False
) -> Float[Tensor, "frame 3 3"]:
    """Rotation about z, then the turned x, then the turned y of OpenSim, in a frame x forward, y left, z up.

    On the left the last two angles turn the other way. What is not recorded is zero.
    """
    mirror = -1.0 if left else 1.0
    axes = ([0.0, -1.0, 0.0], [mirror, 0.0, 0.0], [0.0, 0.0, mirror])
    turn = torch.eye(3, dtype=torch.float64).expand(frames, 3, 3)
    for name, axis in zip(names, axes, strict=True):
        if name in table:
            turn = turn @ to_matrix(exponential(table[name][:, None] * torch.tensor(axis, dtype=torch.float64)))
    return turn


def _plane_of_elevation(
    turn: Float[Tensor, "frame 3 3"], rig: Rig, side: str
) -> tuple[Float[Tensor, "frame"], Float[Tensor, "frame"], Float[Tensor, "frame"]]:
    """Plane of elevation, elevation and rotation that turn the upper arm so in the thorax.

    Our shoulder turns by e about its long axis y, s about x, r - e about y, where x and y are its axes at zero.
    """
    x, y = _axis(f"shoulder_elv_{side}", rig), _axis(f"shoulder_rot_{side}", rig)
    basis = torch.stack([x, y, torch.linalg.cross(x, y)], dim=1)
    turn = basis.T @ turn @ basis
    # The middle column of Ry(e) Rx(s) is (sin e sin s, cos s, cos e sin s).
    sideways, along, forward = turn[:, :, 1].unbind(dim=1)
    elevation = torch.atan2(torch.hypot(sideways, forward), along)
    plane = torch.where(elevation > 1e-6, torch.atan2(sideways, forward), 0.0)
    cosine, sine = torch.cos(plane), torch.sin(plane)
    # The first row of Ry(-e) times all of it is (cos c, 0, sin c), where c = r - e.
    rest = torch.atan2(cosine * turn[:, 0, 2] - sine * turn[:, 2, 2], cosine * turn[:, 0, 0] - sine * turn[:, 2, 0])
    rotation = torch.remainder(rest + plane + math.pi, 2 * math.pi) - math.pi
    return plane, elevation, rotation


def _axis(joint: str, rig: Rig) -> Float[Tensor, "3"]:
    """A joint's axis in the neutral pose: forward, left, up."""
    column = _column(joint, rig)
    assert column is not None
    neutral = _neutral(1, rig)
    _, twists = rig.kinematics.pose_and_twists(neutral)
    world = twists.spin[0, column - (1 if rig.anatomy.free else 0)]
    root = to_matrix(neutral[0, 3:7]) if rig.anatomy.free else torch.eye(3, dtype=torch.float64)
    axis = torch.tensor(FACING.T) @ root.T @ world
    return axis / axis.norm()


def _bend_spine(z: Float[Tensor, "frame pos"], lumbar: Float[Tensor, "frame 3 3"], rig: Rig) -> None:
    """Lumbar angles that turn the thorax so in the pelvis, by Newton's method."""
    pelvis, thorax = rig.segment("pelvis"), rig.segment("thorax")
    columns = [column for name in _OUR_LUMBAR if (column := _column(name, rig)) is not None]
    rates = [column - 1 for column in columns]
    for start in range(0, len(z), BLOCK):
        rows = z[start : start + BLOCK]
        for _ in range(NEWTON):
            pose, twists = rig.kinematics.pose_and_twists(rows)
            target = pose.rotation[:, pelvis] @ lumbar[start : start + BLOCK]
            away = logarithm(from_matrix(target @ pose.rotation[:, thorax].mT))
            step = torch.linalg.solve(twists.spin[:, rates].mT, away)
            rows[:, columns] += step.clamp(-0.3, 0.3)
            if float(step.abs().max()) < 1e-10:
                break


def _size(z: Float[Tensor, "frame pos"], rig: Rig) -> float:
    """Size over the body's at which the soles reach down to the floor, and hardly below it."""
    sole, reach = rig.sole, []
    for rows in z.split(BLOCK):
        pose = rig.kinematics.pose(rows)
        height = pose.pos[:, sole.segment, 2] + (pose.rotation[:, sole.segment, 2] * sole.offset).sum(dim=-1)
        reach.append(rows[:, 2] - (height - sole.radius).amin(dim=1))
    reached = torch.cat(reach)
    size = float((z[:, 2] / reached.clamp_min(0.1)).quantile(LOWEST))
    return size if SIZES[0] < size < SIZES[1] else 1.0


# ----------------------------------------------------------------------------------------------------------- MuJoCo


def _from_mujoco(coordinates: Coordinates, rig: Rig) -> tuple[Float[Tensor, "frame pos"], set[str], list[str]]:
    """Our coordinates, which of them are recorded, and notes."""
    anatomy, notes = rig.anatomy, list[str]()
    table = {
        name: torch.tensor(coordinates.values[:, i], dtype=torch.float64) for i, name in enumerate(coordinates.names)
    }
    z = _neutral(len(coordinates.values), rig)
    known: set[str] = set()
    used: set[str] = set()
    root = next((name.removesuffix("_qw") for name in table if name.endswith("_qw")), None)
    if anatomy.free and root is not None and all(root + end in table for end in _FREE):
        z[:, :7] = torch.stack([table[root + end] for end in _FREE], dim=1)
        z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
        known.add("root")
        used.update(root + end for end in _FREE)
    for name in table:
        column = _column(name, rig)
        if column is not None:
            z[:, column] = table[name]
            known.add(name)
            used.add(name)
    given = [joint for joint in anatomy.joints if not joint.independent and joint.name in table]
    if given and known:
        used.update(joint.name for joint in given)
        where = torch.tensor([joint.qpos_index for joint in given])
        off = torch.stack([table[joint.name] for joint in given], dim=1) - anatomy.couplings.qpos(z)[:, where]
        slides = torch.tensor([joint.kind == "slide" for joint in given])
        most = off.abs().amax(dim=0)
        worst = given[int(torch.where(slides, most, most * 0.1).argmax())].name
        angle, shift = (float(most[kind].max()) if kind.any() else 0.0 for kind in (~slides, slides))
        notes.append(
            f"{len(given)} dependent joints follow the couplings of the body; in the file they are up to "
            f"{math.degrees(angle):.2g} deg and {1000 * shift:.2g} mm away, {worst} the most."
        )
    left = [name for name in coordinates.names if name not in used]
    if left:
        notes.append(f"{len(left)} columns left out, the body has no such joint: {_listed(left)}.")
    return z, known, notes


# --------------------------------------------------------------------------------------------------------- Skeleton


def _skeleton(rig: Rig) -> tuple[Tree, tuple[Spot, ...], tuple[int, ...]]:
    """The tree in the body's own size, where its joints are on the body, and which segment each turns with.

    In the rest pose every segment stands as in our neutral pose, but limbs hang straight down and feet point straight
    ahead, which is what `rest.turn_targets` compares with. So turns tell exactly how our segments stand.
    """
    convention = SKELETONS["SMPL"]
    segment_of: dict[str, str] = {}
    for role, (segment, _) in (TURNS | {"toe": ("side_toes", 0.0)}).items():
        for side in SIDES:
            name = convention.name(role, side)
            if name is not None:
                segment_of[name] = segment.replace("side_", f"{side}_")
    placements = convention.placements()
    spots: dict[str, Spot] = {}
    for stem in ("pelvis", *_PARENT):
        for name in [stem.replace("side", side) for side in SIDES] if "side" in stem else [stem]:
            spot = resolve(placements[name], rig)
            if spot is not None and segment_of.get(name, placements[name].segment) in rig.segments:
                spots[name] = spot
    joints = tuple(spots)
    pose = rig.kinematics.pose(_neutral(1, rig))
    at = {
        name: FACING.T @ (pose.pos[0, spot.segment] + pose.rotation[0, spot.segment] @ torch.tensor(spot.place)).numpy()
        for name, spot in spots.items()
    }
    parents: list[int] = []
    rest = np.zeros((len(joints), 3))
    for row, name in enumerate(joints):
        side = name.split("_")[0]
        stem = name.replace(f"{side}_", "side_") if side in SIDES else name
        above = _PARENT.get(stem, "").replace("side", side)
        parents.append(joints.index(above) if above in spots else -1)
        if parents[-1] < 0:
            continue
        bone = at[name] - at[above]
        if stem in _HANGING:
            bone = np.array([0.0, 0.0, -np.linalg.norm(bone)])
        elif stem == "side_foot":
            bone = np.array([np.hypot(bone[0], bone[1]), 0.0, bone[2]])
        rest[row] = rest[parents[-1]] + bone
    turning = tuple(rig.segment(segment_of.get(name, placements[name].segment)) for name in joints)
    return Tree(joints, tuple(parents), rest @ FACING.T), tuple(spots.values()), turning


def _follow(
    z: Float[Tensor, "frame pos"], rig: Rig, size: float, spots: tuple[Spot, ...], segments: tuple[int, ...]
) -> tuple[Float[np.ndarray, "frame joint 3"], Float[np.ndarray, "frame joint 4"]]:
    """Joint centres of a body of some size, and the turns of its segments from the rest pose."""
    kinematics = rig.sized(torch.full((len(PARTS),), size, dtype=torch.float64))
    carrier = torch.tensor([spot.segment for spot in spots])
    place = torch.tensor(np.array([spot.place for spot in spots])) * size
    back = torch.tensor(FACING.T)
    points, turns = [], []
    for rows in z.split(BLOCK):
        pose = kinematics.pose(rows)
        points.append(pose.pos[:, carrier] + (pose.rotation[:, carrier] @ place[..., None]).squeeze(-1))
        turns.append(from_matrix(pose.rotation[:, list(segments)] @ back))
    return torch.cat(points).numpy(), torch.cat(turns).numpy()
