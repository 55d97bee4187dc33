"""What OpenSim's joint coordinates mean on our body, both ways: files that are read, and motions that are written.

The coordinates are those of Rajagopal et al. (2016, doi:10.1109/TBME.2016.2586891) and of gait2392: rotations about
the axes z (right), x (forward) and y (up) of the segment above, in this order, mirrored in x and y on the left. Legs,
elbows and wrists of our body have the same joints; its spine bends over several levels and its shoulder elevates in a
plane, so for these the angles are sought that give the same orientation.

OpenSim's world is ours with y up: its (x, y, z) is our (x, -z, y), and our (x, y, z) its (x, z, -y).
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, multiply, to_matrix
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.anatomy.landmarks import FACING
from myotrack.capture.recording import Coordinates, Quantity
from myotrack.retarget.rig import Rig

BLOCK = 4096
"""Frames posed at once, which bounds the memory."""
LISTED = 12
"""Names a note lists."""

_SAME = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "elbow_flex")
_OTHER = {
    "mtp_angle": ("mtp_angle", -1.0, 0.0),
    "pro_sup": ("pro_sup", 1.0, -math.pi / 2),
    "wrist_flex": ("flexion", 1.0, 0.0),
    "wrist_dev": ("deviation", -1.0, 0.0),
}
"""Our joint, sign and value at OpenSim's zero, where they differ: the axis of the toes points the other way, OpenSim's
palms look forward at zero and ours to the thighs, and its wrist deviates to the ulna."""
_JOINTS = _OTHER | {name: (name, 1.0, 0.0) for name in _SAME}
_LUMBAR = ("lumbar_extension", "lumbar_bending", "lumbar_rotation")
_OUR_LUMBAR = ("flex_extension", "lat_bending", "axial_rotation")
_PELVIS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
_PATH = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
_ARM = ("arm_flex", "arm_add", "arm_rot")
_OUR_SHOULDER = ("elv_angle", "shoulder_elv", "shoulder_rot")
_LEG = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "mtp_angle")
_FOREARM = ("elbow_flex", "pro_sup", "wrist_flex", "wrist_dev")
NEWTON = 8
"""Steps towards the orientation of the thorax. Measured: 4 reach 1e-9 rad for bends of 30 deg."""
HANGING = math.radians(2.0)
"""Elevation of the arm below which the plane of elevation moves it too little to tell a moment. Tuned: gravity leaves
0.4 N m out there."""


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Some names for a note."""
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


# ---------------------------------------------------------------------------------------------------------- Reading


def from_opensim(coordinates: Coordinates, rig: Rig) -> tuple[Float[Tensor, "frame pos"], set[str], list[str]]:
    """Our coordinates, which of them are recorded, and notes."""
    table = {
        name.lower(): torch.tensor(column, dtype=torch.float64)
        for name, column, quantity in zip(coordinates.names, coordinates.values.T, coordinates.quantities, strict=True)
        if quantity != "other"
    }
    z, notes = rig.neutral(len(coordinates.values)), list[str]()
    known: set[str] = set()
    used: set[str] = {name for name in table if name.endswith("_beta")}
    flip = _knees_bend_negative(table)
    if flip:
        notes.append("The knees bend towards negative angles in the file, as in gait2392; turned round.")
    for side in ("r", "l"):
        for theirs, (ours, sign, zero) in _JOINTS.items():
            column = rig.column(f"{ours}_{side}")
            if column is None or f"{theirs}_{side}" not in table:
                continue
            sign = -sign if flip and theirs == "knee_angle" else sign
            z[:, column] = sign * table[f"{theirs}_{side}"] + zero
            known.add(f"{ours}_{side}")
            used.add(f"{theirs}_{side}")
        names = tuple(f"{name}_{side}" for name in _ARM)
        columns = [rig.column(f"{name}_{side}") for name in _OUR_SHOULDER]
        if any(name in table for name in names) and None not in columns:
            angles = _plane_of_elevation(_turn(table, names, len(z), side == "l"), rig, side)
            for column, angle in zip(columns, angles, strict=True):
                z[:, column] = angle
            known |= {f"{name}_{side}" for name in _OUR_SHOULDER}
            used.update(names)
    if rig.anatomy.free:
        _move_root(z, table, known, used)
        if any(name in table for name in _LUMBAR):
            _bend_spine(z, _turn(table, _LUMBAR, len(z)), rig)
            known.update(_OUR_LUMBAR)
            used.update(_LUMBAR)
    left = [name for name in coordinates.names if name.lower() not in used]
    if left:
        notes.append(f"{len(left)} columns left out, the body has no such joint: {listed(left)}.")
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
    turn = torch.eye(3, dtype=torch.float64).expand(frames, 3, 3)
    for name, axis in zip(names, _axes(left), strict=True):
        if name in table:
            turn = turn @ to_matrix(exponential(table[name][:, None] * axis))
    return turn


def _axes(left: bool) -> Float[Tensor, "3 3"]:
    """OpenSim's z, x and y in a frame x forward, y left, z up, one in each row; as the left side counts them."""
    mirror = -1.0 if left else 1.0
    return torch.tensor([[0.0, -1.0, 0.0], [mirror, 0.0, 0.0], [0.0, 0.0, mirror]], dtype=torch.float64)


def _plane_of_elevation(
    turn: Float[Tensor, "frame 3 3"], rig: Rig, side: str
) -> tuple[Float[Tensor, "frame"], Float[Tensor, "frame"], Float[Tensor, "frame"]]:
    """Plane of elevation, elevation and rotation that turn the upper arm so in the thorax.

    Our shoulder turns by e about its long axis y, s about x, r - e about y, where x and y are its axes at zero.
    """
    x, y = _shoulder_axes(rig, side)
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


def _shoulder_axes(rig: Rig, side: str) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Axes of elevation and of the arm's length at zero. The body has them square to 4e-6 rad; here they are so."""
    x, y = _axis(f"shoulder_elv_{side}", rig), _axis(f"shoulder_rot_{side}", rig)
    x = x - (x @ y) * y
    return x / x.norm(), y


def _axis(joint: str, rig: Rig) -> Float[Tensor, "3"]:
    """A joint's axis in the neutral pose: forward, left, up."""
    column = rig.column(joint)
    assert column is not None
    neutral = rig.neutral(1)
    _, twists = rig.kinematics.pose_and_twists(neutral)
    world = twists.spin[0, column - (1 if rig.anatomy.free else 0)]
    root = to_matrix(neutral[0, 3:7]) if rig.anatomy.free else torch.eye(3, dtype=torch.float64)
    axis = torch.tensor(FACING.T) @ root.T @ world
    return axis / axis.norm()


def _bend_spine(z: Float[Tensor, "frame pos"], lumbar: Float[Tensor, "frame 3 3"], rig: Rig) -> None:
    """Lumbar angles that turn the thorax so in the pelvis, by Newton's method."""
    pelvis, thorax = rig.segment("pelvis"), rig.segment("thorax")
    columns = [column for name in _OUR_LUMBAR if (column := rig.column(name)) is not None]
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


# ---------------------------------------------------------------------------------------------------------- Writing


def to_opensim(z: Float[Tensor, "frame pos"], rig: Rig) -> Coordinates:
    """A motion in OpenSim's coordinates [rad, m]: the inverse of `from_opensim`.

    Angles are continuous in time and may leave a turn: of the two sets of three that stand for an orientation, each
    frame has the one that is closer to the frame before. The knee caps (`knee_angle_r_beta`) bend as the knees do,
    which is their constraint in Rajagopal's model. Fingers are left out.

    Args:
        z: Our independent coordinates.
        rig: Of the body.
    """
    z = z.detach().to("cpu", torch.float64)
    columns: dict[str, Float[np.ndarray, "frame"]] = {}
    if rig.anatomy.free:
        pelvis = to_matrix(z[:, 3:7]) @ torch.tensor(FACING)
        columns |= zip(_PELVIS, _continuous(_three_angles(pelvis)).T, strict=True)
        columns |= zip(_PATH, z[:, [0, 2, 1]].numpy().T * np.array([[1.0], [1.0], [-1.0]]), strict=True)
    for side in ("r", "l"):
        for name in _LEG:
            columns |= _one_angle(z, rig, name, side)
            if name == "knee_angle" and f"knee_angle_{side}" in columns:
                columns[f"knee_angle_{side}_beta"] = columns[f"knee_angle_{side}"]
    if rig.anatomy.free:
        columns |= zip(_LUMBAR, _continuous(_three_angles(_lumbar(z, rig)[0])).T, strict=True)
    for side in ("r", "l"):
        turn = _shoulder(z, rig, side)[0]
        names = (f"{name}_{side}" for name in _ARM)
        columns |= zip(names, _continuous(_three_angles(turn, left=side == "l")).T, strict=True)
        for name in _FOREARM:
            columns |= _one_angle(z, rig, name, side)
    kinds: list[Quantity] = ["length" if name in _PATH else "angle" for name in columns]
    return Coordinates(tuple(columns), np.stack(list(columns.values()), axis=1), tuple(kinds), skeleton="OpenSim")


def moments_to_opensim(
    z: Float[Tensor, "frame pos"],
    moment: Float[Tensor, "frame coordinate"],
    root: Float[Tensor, "frame 6"] | None,
    rig: Rig,
) -> dict[str, Float[np.ndarray, "frame"]]:
    """Generalised forces of OpenSim's coordinates, by their names [N m; N along `pelvis_tx`, `_ty` and `_tz`].

    Both sets do the same work in every motion. Of an arm that hangs (`HANGING`) the moment that would turn its plane of
    elevation is unknown, and the part of the shoulder's moment that it tells of is zero.

    Args:
        z: Our independent coordinates.
        moment: Of our coordinates; what stands at a free root is not looked at.
        root: Force on the root [N] and moment about its origin [N m], in the world; None without a free root.
        rig: Of the body.
    """
    z, moment = z.detach().to("cpu", torch.float64), moment.detach().to("cpu", torch.float64)
    found: dict[str, Tensor] = {}

    def ours(joint: str) -> Tensor:
        column = rig.column(joint)
        assert column is not None
        return moment[:, column - (1 if rig.anatomy.free else 0)]

    def three(names: tuple[str, ...], turn: Tensor, vector: Tensor, left: bool = False) -> None:
        about = torch.tensor(_continuous(_three_angles(turn, left)))
        found.update(zip(names, (_turned_axes(about, left) @ vector[..., None])[..., 0].T, strict=True))

    if rig.anatomy.free:
        assert root is not None
        root = root.detach().to("cpu", torch.float64)
        three(_PELVIS, to_matrix(z[:, 3:7]) @ torch.tensor(FACING), root[:, 3:])
        found |= {"pelvis_tx": root[:, 0], "pelvis_ty": root[:, 2], "pelvis_tz": -root[:, 1]}
    for side in ("r", "l"):
        for name in (*_LEG, *_FOREARM):
            joint, sign, _ = _JOINTS[name]
            if rig.column(f"{joint}_{side}") is not None:
                found[f"{name}_{side}"] = sign * ours(f"{joint}_{side}")
        turn, plane_axis, elevation_axis, along = _shoulder(z, rig, side)
        plane, elevation, rotation = (ours(f"{name}_{side}") for name in _OUR_SHOULDER)
        # Our rates turn the arm about y - n (plane), u (elevation) and n (rotation), where n is its long axis, y is n
        # at zero, and u is square to both. The moment is sought whose parts along these are ours.
        cosine = along @ plane_axis
        sine = torch.linalg.cross(plane_axis.expand_as(along), along).norm(dim=1)
        known = sine > math.sin(HANGING)
        aside = (plane + rotation * (1 - cosine)) / torch.where(known, sine, 1.0) ** 2
        across = plane_axis - cosine[:, None] * along
        vector = rotation[:, None] * along + elevation[:, None] * elevation_axis
        vector = vector + torch.where(known, aside, 0.0)[:, None] * across
        three(tuple(f"{name}_{side}" for name in _ARM), turn, vector, left=side == "l")
    if rig.anatomy.free:
        turn, axes = _lumbar(z, rig)
        vector = torch.linalg.solve(axes, torch.stack([ours(name) for name in _OUR_LUMBAR], dim=1))
        three(_LUMBAR, turn, vector)
    order = [name for name in to_opensim(z[:1], rig).names if name in found]
    return {name: found[name].numpy() for name in order}


def _one_angle(z: Float[Tensor, "frame pos"], rig: Rig, name: str, side: str) -> dict[str, Float[np.ndarray, "frame"]]:
    """An angle that differs from ours by no more than its sign and zero; nothing if the body lacks the joint."""
    joint, sign, zero = _JOINTS[name]
    column = rig.column(f"{joint}_{side}")
    return {} if column is None else {f"{name}_{side}": (sign * (z[:, column] - zero)).numpy()}


def _three_angles(turn: Float[Tensor, "frame 3 3"], left: bool = False) -> Float[np.ndarray, "frame 3"]:
    """The angles that `_turn` would turn by, the second within a right angle."""
    upright = _axes(False)[[1, 2, 0]]  # Rows are OpenSim's x, y and z.
    m = (upright @ turn @ upright.T).numpy()
    # Rz(a) Rx(b) Ry(c) has the last row (-cos b sin c, sin b, cos b cos c), the second column (-sin a cos b, cos a
    # cos b, sin b), and where cos b is zero only a + c or a - c is known: c is taken as zero.
    cosine = np.hypot(m[:, 2, 0], m[:, 2, 2])
    told = cosine > 1e-9
    first = np.where(told, np.arctan2(-m[:, 0, 1], m[:, 1, 1]), np.arctan2(m[:, 1, 0], m[:, 0, 0]))
    third = np.where(told, np.arctan2(-m[:, 2, 0], m[:, 2, 2]), 0.0)
    mirror = -1.0 if left else 1.0
    return np.stack([first, mirror * np.arctan2(m[:, 2, 1], cosine), mirror * third], axis=1)


def _continuous(angles: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
    """The same orientations without jumps: (a, b, c) is also (a + pi, pi - b, c + pi), and whole turns are free.

    The first frame has the set with the smaller angles.
    """
    both = np.stack([angles, np.stack([angles[:, 0] + np.pi, np.pi - angles[:, 1], angles[:, 2] + np.pi], axis=1)], 1)
    found = np.empty_like(angles)
    before = np.zeros(3)
    for frame, sets in enumerate(both):
        near = sets - 2 * np.pi * np.round((sets - before) / (2 * np.pi))
        before = near[np.abs(near - before).sum(axis=1).argmin()]
        found[frame] = before
    return found


def _turned_axes(angles: Float[Tensor, "frame 3"], left: bool) -> Float[Tensor, "frame 3 3"]:
    """The axes that each of three angles turns about, one in each row, in the frame of the segment above."""
    first, second, third = _axes(left)
    once = to_matrix(exponential(angles[:, :1] * first))
    twice = once @ to_matrix(exponential(angles[:, 1:2] * second))
    return torch.stack([first.expand(len(angles), 3), once @ second, twice @ third], dim=1)


def _lumbar(z: Float[Tensor, "frame pos"], rig: Rig) -> tuple[Float[Tensor, "frame 3 3"], Float[Tensor, "frame 3 3"]]:
    """Orientation of the thorax in the pelvis, and the axes there that our lumbar angles turn it about, in rows."""
    pelvis, thorax = rig.segment("pelvis"), rig.segment("thorax")
    rates = [column - 1 for name in _OUR_LUMBAR if (column := rig.column(name)) is not None]
    turns, axes = [], []
    for rows in z.split(BLOCK):
        pose, twists = rig.kinematics.pose_and_twists(rows)
        back = pose.rotation[:, pelvis].mT
        turns.append(back @ pose.rotation[:, thorax])
        axes.append(twists.spin[:, rates] @ back.mT)
    return torch.cat(turns), torch.cat(axes)


def _shoulder(
    z: Float[Tensor, "frame pos"], rig: Rig, side: str
) -> tuple[Float[Tensor, "frame 3 3"], Float[Tensor, "3"], Float[Tensor, "frame 3"], Float[Tensor, "frame 3"]]:
    """Orientation of the upper arm in the thorax; there the axis of the plane of elevation, the axis of elevation, and
    the long axis of the arm. See `_plane_of_elevation`."""
    columns = [rig.column(f"{name}_{side}") for name in _OUR_SHOULDER]
    plane, elevation, rotation = (z[:, column] for column in columns)
    x, y = _shoulder_axes(rig, side)
    to_plane = to_matrix(exponential(plane[:, None] * y))
    raised = to_plane @ to_matrix(exponential(elevation[:, None] * x))
    turn = raised @ to_matrix(exponential((rotation - plane)[:, None] * y))
    return turn, y, to_plane @ x, raised @ y
