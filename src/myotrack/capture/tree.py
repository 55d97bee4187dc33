"""Where the joints of a recorded skeleton are: forward kinematics, the up axis and the unit, for all formats.

In: a `Tree`, each segment's rotation relative to its parent, and where the root is. Out: points in the world and turns
from the rest pose. Local rotations are given about the axes of the world at rest; a format that has axes of its own in
each joint conjugates with them first.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from myotrack.capture.axes import Up, direction, turn_to_z
from myotrack.capture.recording import Origin, Recording, Subject, Tree
from myotrack.capture.source import Source

Usual = Literal["y", "z"]
"""The axes that point up in files of skeletons, unless somebody says otherwise."""

MOST_JOINTS = 1000
"""Joints a skeleton may have; the most detailed hands and faces in use have about 300."""
MOST_POSES = 16_000_000
"""Frames times joints a recording may have, so that its arrays stay below 1 GB: an hour of 37 joints at 120 Hz."""
MOST_FRAMES = 2_000_000
"""Frames a recording may have, four and a half hours at 120 Hz."""

UNITS: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inches": 0.0254, "CMU units": 0.0254 / 0.45}
"""Units of length in use [m]. The last is that of the CMU database, inches divided by 0.45."""
SHORTEST, TALLEST = 0.95, 2.1
"""A skeleton between these heights needs no second thought: from a child of four to a basketball player, without the
crown that most skeletons lack [m]. No number falls into this range with two units."""
UPRIGHT = 0.8
"""Least cosine with an axis at which a body counts as standing along it."""


@dataclass(frozen=True)
class Motion:
    """A skeleton's motion in the axes of its file. Components come first, so that numpy's loops are long."""

    local: Float[np.ndarray, "4 joint frame"]
    """Rotation of each segment relative to its parent's segment, about the axes of the rest pose."""
    root: Float[np.ndarray, "3 frame"]
    """Where the root is."""
    shifts: dict[int, Float[np.ndarray, "3 frame"]] = field(default_factory=dict)
    """For joints that slide in their parents: where they are seen from there, instead of the rest pose's offset."""

    def scaled(self, unit: float) -> "Motion":
        """The same motion with lengths multiplied."""
        return replace(self, root=self.root * unit, shifts={j: shift * unit for j, shift in self.shifts.items()})

    def sampled(self, count: int = 64) -> "Motion":
        """Frames spread evenly over the motion, to judge it by."""
        frames = self.root.shape[1]
        chosen = np.unique(np.linspace(0, frames - 1, min(count, frames)).astype(int))
        shifts = {joint: shift[:, chosen] for joint, shift in self.shifts.items()}
        return Motion(self.local[:, :, chosen], self.root[:, chosen], shifts)


def with_z_up(tree: Tree, motion: Motion, rest_up: Up, world_up: Up) -> tuple[Tree, Motion]:
    """The same motion with z up, in the rest pose and in the world, which may differ in the file."""
    at_rest, in_world = (turn_to_z(direction(up)) for up in (rest_up, world_up))
    local, root, shifts = motion.local, motion.root, motion.shifts
    if rest_up != "z":
        tree = replace(tree, rest=tree.rest @ at_rest.T)
        local = np.concatenate([local[:1], _brought(at_rest, local[1:])])
        shifts = {joint: _brought(at_rest, shift) for joint, shift in shifts.items()}
    if rest_up != world_up:
        # The root's turn now begins in a rest pose, and ends in a world, that were turned each by itself.
        before, after = (Rotation.from_matrix(turn).as_quat(scalar_first=True)[:, None] for turn in (at_rest, in_world))
        local = local.copy()
        local[:, 0] = product(product(after, motion.local[:, 0]), before * [[1.0], [-1.0], [-1.0], [-1.0]])
    return tree, Motion(local, _brought(in_world, root), shifts)


def _brought(turn: Float[np.ndarray, "3 3"], vectors: Float[np.ndarray, "3 *batch"]) -> Float[np.ndarray, "3 *batch"]:
    """Vectors turned by a rotation that only exchanges axes."""
    chosen = np.abs(turn).argmax(axis=1)
    signs = turn[np.arange(3), chosen].reshape(-1, *[1] * (vectors.ndim - 1))
    return vectors[chosen] * signs


def about_axes(angles: Float[np.ndarray, "turn *batch"], axes: str) -> Float[np.ndarray, "4 *batch"]:
    """Quaternion of successive rotations about the axes of the turning frame, e.g. 'zxy': first z, then the new x.

    Args:
        angles: One row per letter of `axes` [rad].
    """
    w, x, y, z = np.ones(angles.shape[1:]), *np.zeros((3, *angles.shape[1:]))
    for cosine, sine, axis in zip(np.cos(0.5 * angles), np.sin(0.5 * angles), axes, strict=True):
        if axis == "x":
            w, x, y, z = w * cosine - x * sine, x * cosine + w * sine, y * cosine + z * sine, z * cosine - y * sine
        elif axis == "y":
            w, x, y, z = w * cosine - y * sine, x * cosine - z * sine, y * cosine + w * sine, z * cosine + x * sine
        else:
            w, x, y, z = w * cosine - z * sine, x * cosine + y * sine, y * cosine - x * sine, z * cosine + w * sine
    return np.stack([w, x, y, z])


def product(
    left: Float[np.ndarray, "4 *#batch"], right: Float[np.ndarray, "4 *#batch"]
) -> Float[np.ndarray, "4 *batch"]:
    """The rotation `right` followed by `left`."""
    (a, b, c, d), (w, x, y, z) = left, right
    return np.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ]
    )


def turned(
    turn: Float[np.ndarray, "4 *#batch"], vector: Float[np.ndarray, "3 *#batch"]
) -> Float[np.ndarray, "3 *batch"]:
    """The vector turned by the rotation."""
    (w, a, b, c), (x, y, z) = turn, vector
    p, q, r = 2 * (b * z - c * y), 2 * (c * x - a * z), 2 * (a * y - b * x)
    return np.stack([x + w * p + b * r - c * q, y + w * q + c * p - a * r, z + w * r + a * q - b * p])


def from_vectors(vectors: Float[np.ndarray, "3 *batch"]) -> Float[np.ndarray, "4 *batch"]:
    """Quaternion of axis times angle [rad]."""
    angle = np.sqrt(np.sum(vectors**2, axis=0))
    # sin(a/2)/a is smooth; sinc(a / 2π) is twice that and knows the limit at zero.
    return np.concatenate([np.cos(0.5 * angle)[None], 0.5 * np.sinc(angle / (2 * np.pi)) * vectors])


def forward(
    tree: Tree, motion: Motion
) -> tuple[Float[np.ndarray, "frame joint 3"], Float[np.ndarray, "frame joint 4"]]:
    """Points and turns of every joint in the world."""
    turns = motion.local.copy()
    points = np.empty((3, *turns.shape[1:]))
    offset = (tree.rest - tree.rest[np.maximum(tree.parent, 0)]).T[:, :, None]
    points[:, 0] = motion.root
    for level in _levels(tree.parent):
        parent = [tree.parent[joint] for joint in level]
        carrying = turns[:, parent]
        turns[:, level] = product(carrying, turns[:, level])
        points[:, level] = points[:, parent] + turned(carrying, offset[:, level])
        for joint in motion.shifts.keys() & set(level):
            mother = tree.parent[joint]
            points[:, joint] = points[:, mother] + turned(turns[:, mother], motion.shifts[joint])
    return np.ascontiguousarray(points.transpose(2, 1, 0)), np.ascontiguousarray(turns.transpose(2, 1, 0))


def _levels(parent: tuple[int, ...]) -> list[list[int]]:
    """Joints but the root by their distance from it, so that all of one distance can move at once."""
    depth = [0] * len(parent)
    levels: list[list[int]] = []
    for joint, above in enumerate(parent):
        if above < 0:
            continue
        depth[joint] = depth[above] + 1
        if depth[joint] > len(levels):
            levels.append([])
        levels[depth[joint] - 1].append(joint)
    return levels


def recorded(
    source: Source,
    kind: str,
    tree: Tree,
    motion: Motion,
    ups: tuple[Up, Up],
    rate: float,
    notes: list[str],
    subject: Subject = Subject(),  # noqa: B008  It is frozen.
    start: float = 0.0,
) -> Recording:
    """The recording of a motion in metres.

    Args:
        kind: Name of the file's format.
        ups: The axes that point up in the rest pose and in the world.
        start: Time of the first frame in the file [s].
    """
    tree, motion = with_z_up(tree, motion, *ups)
    points, turns = forward(tree, motion)
    return Recording(
        name=source.stem,
        rate=rate,
        origin=Origin(source.path.name, source.sha256, kind, notes=tuple(notes)),
        kind="joints",
        names=tree.joints,
        points=points,
        tree=tree,
        turns=turns,
        subject=subject,
        start=start,
    )


def up_note(up: Up, given: bool) -> str:
    """A sentence on which way is up in a file."""
    return f"{up.upper()} points up in the file{', as the user says' if given else ''}."


def metres(source: Source, height: float, given: float | None, usual: float | None = None) -> tuple[float, str]:
    """Length of a unit [m], and a sentence on how it is known.

    Args:
        height: Of the skeleton, in its units.
        given: What the user says.
        usual: What the format says, which is believed where it makes a person.

    Raises:
        CaptureError: The skeleton is a person in no unit.
    """
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise source.error(f"a unit of {given} m makes no sense")
        return given, f"One unit of length is {given:.5g} m, as the user says."
    if usual is not None and SHORTEST <= height * usual <= TALLEST:
        return usual, f"One unit of length is {usual:.5g} m, as the format says."
    name = _unit_for(height)
    if name is None:
        raise source.error(f"a skeleton {height:.3g} units tall is a person in no unit; give `unit` in metres")
    tall = f"which makes the skeleton {height * UNITS[name]:.2f} m tall"
    return UNITS[name], f"Lengths are taken to be in {name}, {tall}."


def _unit_for(height: float) -> str | None:
    """The unit in which a skeleton of this height is a person; None if no unit makes one of 0.4 to 5 m."""
    for unit, length in UNITS.items():
        if SHORTEST <= height * length <= TALLEST:
            return unit
    if not height > 0:
        return None
    unit = min(UNITS, key=lambda name: abs(np.log(height * UNITS[name] / 1.6)))
    return unit if 0.4 <= height * UNITS[unit] <= 5.0 else None


def size(tree: Tree, points: Float[np.ndarray, "frame joint 3"]) -> float:
    """How far the body reaches from end to end, whichever way it lies: its height while it stands.

    Joints above the first branching are not of the body: some files put one on the floor of the room.
    """
    body = points[:, trunk(tree.parent) :]
    return float(np.median(np.max(body.max(axis=1) - body.min(axis=1), axis=1)))


def trunk(parent: tuple[int, ...]) -> int:
    """The first joint with two children, or the root."""
    children = np.bincount(np.array(parent[1:], dtype=int), minlength=len(parent))
    return next((joint for joint, count in enumerate(children) if count > 1), 0)


def rising(tree: Tree, points: Float[np.ndarray, "frame joint 3"]) -> Float[np.ndarray, "3"]:
    """Mean direction from the feet to the head, shorter than one as far as it wavers.

    Both are told by their names. Without them, the root stands for the feet and the middle of all joints for the head.
    """
    names = [name.lower() for name in tree.joints]
    high = [i for i, name in enumerate(names) if "head" in name]
    low = [i for i, name in enumerate(names) if "foot" in name or "ankle" in name]
    top = points[:, high].mean(axis=1) if high else points.mean(axis=1)
    bottom = points[:, low].mean(axis=1) if low else points[:, trunk(tree.parent)]
    along = top - bottom
    length = np.linalg.norm(along, axis=1, keepdims=True)
    return np.mean(np.divide(along, length, out=np.zeros_like(along), where=length > 0), axis=0)


def rest_up(tree: Tree) -> Usual | None:
    """The axis along which the rest pose stands; None if it is no pose of a standing person."""
    along = rising(tree, tree.rest[None])
    if max(along[1], along[2]) < UPRIGHT:
        return None
    return "y" if along[1] > along[2] else "z"


def world_up(tree: Tree, points: Float[np.ndarray, "frame joint 3"], usual: Usual) -> Usual:
    """The axis that points up in the world.

    A person who lies down must not turn the world. So it is the usual axis, unless the body mostly stands along the
    other one and its lowest point is steadier there.
    """
    first, other = (1, 2) if usual == "y" else (2, 1)
    lowest = np.std(points.min(axis=1), axis=0)
    departs = rising(tree, points)[other] > UPRIGHT and lowest[other] < 0.5 * lowest[first]
    return usual if not departs else ("z" if usual == "y" else "y")
