"""Half a second of an upper body that moves its arms, as BVH, made here so that the tests need no recordings."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from myotrack.workflow.batch import retarget_one
from myotrack.workflow.cli import main

_ARM = (("Shoulder", (4, 6, 0)), ("Arm", (13, 0, 0)), ("ForeArm", (28, 0, 0)), ("Hand", (25, 0, 0)))


def upper_body(seed: int = 0, frames: int = 31) -> bytes:
    """A pelvis, a spine, a head and two arms [cm], y up, 60 frames per second."""
    lines = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0 0 0"]
    lines += ["CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"]
    joints = ["Hips"]

    def begin(name: str, offset: tuple[float, float, float]) -> None:
        lines.extend([f"JOINT {name}", "{", f"OFFSET {offset[0]} {offset[1]} {offset[2]}"])
        lines.append("CHANNELS 3 Zrotation Xrotation Yrotation")
        joints.append(name)

    def end(offset: tuple[float, float, float]) -> None:
        lines.extend(["End Site", "{", f"OFFSET {offset[0]} {offset[1]} {offset[2]}", "}"])

    begin("Spine", (0, 15, 0))
    begin("Spine1", (0, 20, 0))
    begin("Neck", (0, 22, 0))
    begin("Head", (0, 10, 0))
    end((0, 15, 0))
    lines.extend("}}")
    for side, sign in (("Left", 1), ("Right", -1)):
        for part, (x, y, z) in _ARM:
            begin(f"{side}{part}", (sign * x, y, z))
        end((sign * 9, 0, 0))
        lines.extend("}" * len(_ARM))
    lines.extend("}}}")
    time = np.arange(frames)[:, None] / 60
    angles = np.zeros((frames, len(joints), 3))
    drop = 60 + 10 * np.sin(6 * time[:, 0] + seed)
    angles[:, joints.index("LeftArm"), 0], angles[:, joints.index("RightArm"), 0] = -drop, drop
    bend = 40 + 20 * np.sin(8 * time[:, 0] + seed)
    angles[:, joints.index("LeftForeArm"), 2], angles[:, joints.index("RightForeArm"), 2] = -bend, bend
    place = np.concatenate([0 * time, 95 + 0 * time, 0 * time], axis=1)
    rows = np.concatenate([place, angles.reshape(frames, -1)], axis=1)
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.01666667"]
    return "\n".join([*lines, *(" ".join(f"{value:.5f}" for value in row) for row in rows), ""]).encode()


def two_motions(folder: Path) -> Path:
    """Write two motions that can be retargeted below a folder."""
    (folder / "deep").mkdir(parents=True)
    (folder / "wave.bvh").write_bytes(upper_body(2))
    (folder / "deep" / "reach.bvh").write_bytes(upper_body(5))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The clips of a folder; nothing else may be in it but the report."""
    names = sorted(path.name for path in folder.iterdir())
    assert [name for name in names if not name.endswith(".npz")] == ["quality.json"]
    return {name: (folder / name).read_bytes() for name in names if name.endswith(".npz")}


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def killed_at_cut(path: Path, *rest):
    """`retarget_one` in a process that the kernel kills when it comes to 'cut.bvh'."""
    if path.stem == "cut":
        # A clip was half written.
        (rest[1] / f".{rest[0]}.0123abcd.part").mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return retarget_one(path, *rest)
