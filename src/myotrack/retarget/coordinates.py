"""Recordings of joint coordinates, posed: the joint centres and turns that `pipeline` follows, by forward kinematics.

What OpenSim's coordinates mean is told in `opensim`; trajectories of MuJoCo have our own joints.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS
from myotrack.capture.recording import Coordinates, Recording, Tree
from myotrack.retarget.conventions import SIDES, SKELETONS, TURNS
from myotrack.retarget.markers import Spot, resolve
from myotrack.retarget.opensim import BLOCK, from_opensim, listed
from myotrack.retarget.rig import Rig

_PARENT = {
    "spine3": "pelvis", "neck": "spine3", "head": "neck",
    "side_hip": "pelvis", "side_knee": "side_hip", "side_ankle": "side_knee", "side_foot": "side_ankle",
    "side_shoulder": "spine3", "side_elbow": "side_shoulder", "side_wrist": "side_elbow",
}  # fmt: skip
"""The joint above each joint, in SMPL's names."""
_HANGING = ("side_knee", "side_ankle", "side_elbow", "side_wrist")
"""Joints that are straight below the one above in the rest pose."""

_FREE = ("_tx", "_ty", "_tz", "_qw", "_qx", "_qy", "_qz")

SIZES = (0.7, 1.4)
"""Sizes of a person over the body's that are believed. A child of 7 years is 0.7 of an adult."""
LOWEST = 0.05
"""Share of the frames in which the soles may be below the floor, when a size is sought."""


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
    z, known, notes = (from_opensim if coordinates.skeleton == "OpenSim" else _from_mujoco)(coordinates, rig)
    if not known:
        raise ValueError(
            f"{recording.origin.file}: no coordinate in it belongs to a joint of the body '{anatomy.name}'; it has "
            f"{listed(coordinates.names)}."
        )
    missing = [name for name in _needed(anatomy) if name not in known]
    if missing:
        notes.append(f"{len(missing)} coordinates are not recorded and stay neutral: {listed(missing)}.")
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
    z = rig.neutral(len(coordinates.values))
    known: set[str] = set()
    used: set[str] = set()
    root = next((name.removesuffix("_qw") for name in table if name.endswith("_qw")), None)
    if anatomy.free and root is not None and all(root + end in table for end in _FREE):
        z[:, :7] = torch.stack([table[root + end] for end in _FREE], dim=1)
        z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
        known.add("root")
        used.update(root + end for end in _FREE)
    for name in table:
        column = rig.column(name)
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
        notes.append(f"{len(left)} columns left out, the body has no such joint: {listed(left)}.")
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
    pose = rig.kinematics.pose(rig.neutral(1))
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
