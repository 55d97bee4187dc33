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
    """In the world."""
    return anatomy.kinematics.pose(pos).pos


def laid_over(
    moved: Float[Tensor, "frame landmark 3"], still: Float[Tensor, "frame landmark 3"]
) -> Float[Tensor, "frame landmark 3"]:
    """The first motion turned about the vertical and shifted, once for all frames, to lie over the second."""
    a, b = moved - moved.mean(dim=(0, 1)), still - still.mean(dim=(0, 1))
    angle = torch.atan2(
        (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(), (a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]).sum()
    )
    x = torch.cos(angle) * a[..., 0] - torch.sin(angle) * a[..., 1]
    y = torch.sin(angle) * a[..., 0] + torch.cos(angle) * a[..., 1]
    return torch.stack([x, y, a[..., 2]], dim=-1) + still.mean(dim=(0, 1))


def test_markers_and_bones_of_one_motion_give_one_clip(data_folder: Path, full: Anatomy) -> None:
    bones = retarget(read(data_folder / "cmu_asfamc" / "02_05.amc.gz"), full)
    skin = retarget(read(data_folder / "cmu_c3d" / "02_05.c3d"), full)
    frames = min(bones.frames, skin.frames)
    ours = landmarks(full, skin.pos[:frames])
    apart = (laid_over(landmarks(full, bones.pos[:frames]), ours) - ours).norm(dim=-1)
    assert float(apart.median()) < 0.04


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
