"""One motion in several formats is one clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.clips.clip import RATE
from myotrack.retarget.pipeline import retarget


def landmarks(anatomy: Anatomy, pos: Float[Tensor, "frame pos"]) -> Float[Tensor, "frame landmark 3"]:
    """Relative to the pelvis, seen from where it heads."""
    pose = anatomy.kinematics.pose(pos)
    pelvis = anatomy.landmarks.index("pelvis")
    forward = pose.rotation[:, pelvis, :2, 0]
    angle = torch.atan2(forward[:, 1], forward[:, 0])
    cos, sin = torch.cos(angle), torch.sin(angle)
    away = pose.pos - pose.pos[:, [pelvis]]
    x = cos[:, None] * away[..., 0] + sin[:, None] * away[..., 1]
    y = cos[:, None] * away[..., 1] - sin[:, None] * away[..., 0]
    return torch.stack([x, y, away[..., 2]], dim=-1)


def test_markers_and_bones_of_one_motion_give_one_clip(data_folder: Path, full: Anatomy) -> None:
    bones = read(data_folder / "cmu_asfamc" / "02_05.amc.gz")
    skin = read(data_folder / "cmu_c3d" / "02_05.c3d")
    a, b = retarget(bones, full), retarget(skin, full)
    frames = min(a.frames, b.frames)
    apart = (landmarks(full, a.pos[:frames]) - landmarks(full, b.pos[:frames])).norm(dim=-1)
    assert float(apart.median()) < 0.04
    # The files look different ways: compare how far the pelvis is from its mean.
    paths = [clip.pos[:frames, :2] * clip.scale for clip in (a, b)]
    spread = [(path - path.mean(dim=0)).norm(dim=1) for path in paths]
    assert float((spread[0] - spread[1]).abs().median()) < 0.01


@pytest.mark.parametrize("name", ["02_01", "02_03"])
def test_two_skeletons_of_one_motion_walk_alike(name: str, data_folder: Path, full: Anatomy) -> None:
    bones = retarget(read(data_folder / "cmu_asfamc" / f"{name}.amc"), full)
    figure = retarget(read(data_folder / "cmu_bvh" / f"{name}.bvh.gz"), full)
    knee = full.coordinate_names.index("knee_angle_r") + 1
    a, b = (np.asarray(clip.pos[:, knee]) for clip in (bones, figure))
    # The BVH lacks the T-pose that stood before the motion: find the shift.
    best = max(
        np.corrcoef(a[shift : shift + len(b) - 20], b[: len(b) - 20][: len(a) - shift])[0, 1]
        for shift in range(round(0.2 * RATE))
        if len(a[shift : shift + len(b) - 20]) == len(b[: len(b) - 20][: len(a) - shift])
    )
    assert best > 0.95
