"""Trajectories of MuJoCo bodies as LocoMuJoCo and MuscleMimic save them: joint positions in an npz file.

Format: `Trajectory.save` in loco_mujoco/trajectory/dataclasses.py of github.com/robfiras/loco-mujoco. Only the arrays
that are needed are opened, since others are pickled there.
"""

import numpy as np
from jaxtyping import Int

from myotrack.capture.arrays import Arrays, names_in
from myotrack.capture.recording import Coordinates, Origin, Quantity, Recording
from myotrack.capture.source import Source
from myotrack.capture.tree import MOST_FRAMES
from myotrack.capture.words import LARGEST_NUMBER

FREE, BALL, SLIDE, HINGE = range(4)
"""MuJoCo's types of joints, mjtJoint."""
COLUMNS: dict[int, tuple[tuple[str, Quantity], ...]] = {
    FREE: (
        ("_tx", "length"),
        ("_ty", "length"),
        ("_tz", "length"),
        ("_qw", "other"),
        ("_qx", "other"),
        ("_qy", "other"),
        ("_qz", "other"),
    ),
    BALL: (("_qw", "other"), ("_qx", "other"), ("_qy", "other"), ("_qz", "other")),
    SLIDE: (("", "length"),),
    HINGE: (("", "angle"),),
}
"""What each type of joint has in qpos: endings of the names, and what they are."""
BODIES: tuple[tuple[str, frozenset[str]], ...] = (
    ("MyoFullBody", frozenset({"knee_angle_r", "shoulder_elv_r", "root_qw"})),
    ("MyoBimanualArm", frozenset({"elv_angle_l", "shoulder_elv_r"})),
)
"""Coordinates by which a body is known; the first that fits."""


def looks_like_trajectory(content: bytes) -> bool:
    """Whether a file's content is a trajectory: an npz of `qpos` and the names of the joints or the frequency."""
    names = names_in(content)
    return "qpos" in names and bool(names & {"joint_names", "frequency"})


def read_trajectory(source: Source, part: int = 0) -> Recording:
    """Read a trajectory.

    Args:
        part: Which one, of several that lie end to end in the file.

    Raises:
        CaptureError: The file is damaged, or what is needed of it is pickled.
    """
    arrays = Arrays(source)
    qpos = arrays.numbers("qpos")
    if qpos.ndim != 2 or len(qpos) > MOST_FRAMES:
        raise source.error(f"'qpos' of shape {qpos.shape} is not a row per frame")
    if np.abs(qpos).max() > LARGEST_NUMBER:
        raise source.error("'qpos' is too large to be true")
    joints = arrays.strings("joint_names")
    rate = arrays.scalar("frequency")
    if not 0.1 < rate < 1e5:
        raise source.error(f"a frequency of {rate:g} Hz makes no sense")
    types, guessed = _types(source, arrays, len(joints), qpos.shape[1])
    columns: list[tuple[str, Quantity]] = [
        (joint + end, quantity)
        for joint, kind in zip(joints, types, strict=True)
        for end, quantity in COLUMNS[int(kind)]
    ]
    names = tuple(name for name, _ in columns)
    if len(columns) != qpos.shape[1] or len(set(names)) < len(names):
        raise source.error(
            f"{len(joints)} joints with {len(set(names))} positions do not fit 'qpos' of {qpos.shape[1]}"
        )
    start, end, notes = _part(source, arrays, len(qpos), part)
    return Recording(
        name=source.stem,
        rate=rate,
        origin=Origin(source.path.name, source.sha256, "trajectory", notes=(*guessed, *notes)),
        kind="coordinates",
        coordinates=Coordinates(
            names=names,
            values=qpos[start:end],
            quantities=tuple(quantity for _, quantity in columns),
            skeleton=next((body for body, known in BODIES if known <= set(names)), "MuJoCo"),
        ),
    )


def _types(source: Source, arrays: Arrays, joints: int, positions: int) -> tuple[Int[np.ndarray, "joint"], list[str]]:
    """The type of each joint, told from the number of positions where the file does not say it."""
    if "jnt_type" in arrays:
        types = arrays.numbers("jnt_type")
        if types.shape != (joints,) or not np.isin(types, list(COLUMNS)).all():
            raise source.error(f"'jnt_type' does not say the types of {joints} joints")
        return types.astype(int), []
    if positions not in (joints, joints + 6):
        raise source.error(f"{joints} joints do not fit {positions} positions; the file lacks 'jnt_type'")
    types = np.full(joints, HINGE)
    types[: positions > joints] = FREE
    return types, ["The file does not say the types of its joints; they are taken to be hinges after a free root."]


def _part(source: Source, arrays: Arrays, frames: int, part: int) -> tuple[int, int, list[str]]:
    """First and last frame of a part, and a note if there are others."""
    if "split_points" not in arrays:
        bounds = np.array([0, frames])
    else:
        bounds = arrays.numbers("split_points").ravel()
        sound = len(bounds) >= 2 and bounds[0] == 0 and bounds[-1] == frames and (np.diff(bounds) > 0).all()
        if not sound or (bounds != np.floor(bounds)).any():
            raise source.error(f"'split_points' does not divide {frames} frames")
    parts = len(bounds) - 1
    if not 0 <= part < parts:
        raise source.error(f"there is no part {part}, only {parts}")
    notes = [f"This is part {part} of {parts} in the file, counted from 0."] if parts > 1 else []
    return int(bounds[part]), int(bounds[part + 1]), notes
