"""How our segments stand in the rest pose of a recorded skeleton, so that its rotations can be told to ours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from myotrack.capture.recording import Recording, Tree
from myotrack.retarget.conventions import SIDES, TURNS, Convention
from myotrack.retarget.rig import Rig

_TOWARDS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
"""The joint at the far end of a bone."""
_HANGING = np.array([0.0, 0.0, -1.0])
"""Limbs of the neutral pose point down, in a frame that looks x forward, y left, z up."""


@dataclass(frozen=True)
class TurnTarget:
    """A recorded rotation that tells how a segment stands."""

    column: int
    segment: int
    rest: Float[np.ndarray, "3 3"]
    error: float


def turn_targets(recording: Recording, convention: Convention, rig: Rig) -> tuple[TurnTarget, ...]:
    """The rotations that can be used; none where the rest pose is not that of a standing person."""
    tree = recording.tree
    if tree is None or recording.turns is None:
        return ()
    facing = rest_facing(tree, convention)
    if facing is None:
        return ()
    targets = []
    for role, (segment, error) in TURNS.items():
        for side in SIDES if segment.startswith("side_") else SIDES[:1]:
            name = convention.name(role, side)
            ours = segment.replace("side_", f"{side}_")
            if name not in tree.joints or ours not in rig.segments:
                continue
            rest = _along_bone(tree, convention, role, side, facing) @ facing
            targets.append(TurnTarget(recording.names.index(name), rig.segment(ours), rest, error))
    return tuple(targets)


def rest_facing(tree: Tree, convention: Convention) -> Float[np.ndarray, "3 3"] | None:
    """Where a rest pose looks: columns forward, left, up. None unless it stands upright on two feet."""

    def joint(role: str, side: str) -> np.ndarray | None:
        name = convention.name(role, side)
        return tree.rest[tree.joints.index(name)] if name in tree.joints else None

    hips = [joint("hip", side) for side in SIDES]
    ankles = [joint("ankle", side) for side in SIDES]
    neck = joint("neck", "right")
    found = [point for point in (*hips, *ankles, neck) if point is not None]
    if len(found) < 5:
        return None
    right_hip, left_hip, right_ankle, left_ankle, neck = found
    across = left_hip - right_hip
    middle, feet = (right_hip + left_hip) / 2, (right_ankle + left_ankle) / 2
    up, down = neck - middle, feet - middle
    length = np.linalg.norm(up) + np.linalg.norm(down)
    upright = up[2] > 0.9 * np.linalg.norm(up) and -down[2] > 0.9 * np.linalg.norm(down)
    if not upright or abs(across[2]) > 0.3 * np.linalg.norm(across) or np.linalg.norm(across) < 0.02 * length:
        return None
    left = np.array([across[0], across[1], 0.0])
    left /= np.linalg.norm(left)
    forward = np.cross(left, [0.0, 0.0, 1.0])
    return np.stack([forward, left, np.array([0.0, 0.0, 1.0])], axis=1)


def _along_bone(tree: Tree, convention: Convention, role: str, side: str, facing: np.ndarray) -> np.ndarray:
    """The least rotation from our neutral bone, hanging down, to the bone of the rest pose.

    For a hand it is the forearm's, for a foot only its heading counts, since ankles sit at different heights.
    """
    start, end = convention.name(role, side), None
    if role in _TOWARDS:
        end = convention.name(_TOWARDS[role], side)
    elif role == "wrist":
        start, end = convention.name("elbow", side), start
    elif role == "ankle":
        end = convention.name("toe", side)
    if start not in tree.joints or end not in tree.joints:
        return np.eye(3)
    bone = tree.rest[tree.joints.index(end)] - tree.rest[tree.joints.index(start)]
    if role == "ankle":
        return _least_turn(facing[:, 0], bone * [1.0, 1.0, 0.0])
    return _least_turn(facing @ _HANGING, bone)


def _least_turn(start: np.ndarray, end: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """The rotation about the common normal of two directions; none if they are opposite or one has no length."""
    length = np.linalg.norm(start) * np.linalg.norm(end)
    if length < 1e-9:
        return np.eye(3)
    axis, cosine = np.cross(start, end) / length, float(start @ end) / length
    if cosine < -0.999:
        return np.eye(3)
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)
