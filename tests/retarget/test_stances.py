"""When feet stand: as long as force plates bear them, and until the recorded toes leave their place."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.clips.clip import RATE
from myotrack.retarget.pipeline import fit
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings
from myotrack.retarget.standing import load_of
from myotrack.steer.ground import STOOD_ON, ground_of

LATE, EARLY = 0.03, 0.04
"""Most by which a stance of a walk begins after and ends before the force on a plate [s]. Measured: 30 ms and 40 ms."""


def runs(flags: ArrayLike) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, dtype=int), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


@pytest.mark.parametrize(
    ("files", "steps", "shortest"),
    [
        (("rajagopal2016/motion_capture_walk.trc", "rajagopal2016/grf_walk.mot"), 3, 0.3),
        (("biomechzoo/HC002D06_Straight.c3d.gz",), 2, 0.3),
        (("rajagopal2016/motion_capture_run.trc", "rajagopal2016/grf_run.mot"), 15, 0.15),
    ],
    ids=["adult", "child", "runner"],
)
def test_a_foot_stands_while_a_plate_bears_it(
    files: tuple[str, ...], steps: int, shortest: float, data_folder: Path, full: Anatomy
) -> None:
    recording = together(*(read(data_folder / file) for file in files))
    found = fit(recording, full, Settings(size="fitted"))
    assert found.placement is not None
    ground = ground_of(recording, found.clip, found.anatomy, found.placement, cutoff=None)
    contact, tolerance = found.clip.contact.numpy(), 1e-9
    seen = 0
    for foot in range(2):
        stands = contact[:, 2 * foot : 2 * foot + 2].any(axis=1)
        loaded = np.asarray(ground.force[:, foot, 2].numpy() > STOOD_ON)
        for first, last in runs(loaded):
            if last - first < shortest * RATE:
                continue
            seen += 1
            ours = [run for run in runs(stands) if run[0] < last and run[1] > first]
            assert len(ours) == 1, "One step is one stance."
            assert ours[0][0] - first <= LATE * RATE + tolerance
            assert last - ours[0][1] <= EARLY * RATE + tolerance
            assert abs(ours[0][0] - first) <= EARLY * RATE and abs(ours[0][1] - last) <= EARLY * RATE
    assert seen == steps


@pytest.mark.parametrize("name", ["05_01", "07_01", "07_11"])
def test_a_walker_does_not_float(name: str, data_folder: Path, full: Anatomy) -> None:
    # On an average person's skeleton, whose feet slide as they land and leave.
    clip = fit(read(data_folder / "cmu_bvh" / f"{name}.bvh.gz"), full).clip
    heavy = load_of(Rig.of(full).centre_of_mass(clip.pos)[:, 2]) > 0.5
    assert heavy.double().mean() > 0.95
    assert float((heavy & ~clip.contact.any(dim=1)).double().mean()) < 0.04


def test_toes_stand_until_they_leave_their_place(data_folder: Path, full: Anatomy) -> None:
    recording = read(data_folder / "cmu_asfamc" / "02_01.amc")
    clip = fit(recording, full).clip
    assert recording.points is not None
    times = np.arange(clip.frames) / RATE
    feet = []
    for side, region in (("r", "right_toes"), ("l", "left_toes")):
        path = recording.points[:, recording.names.index(f"{side}toes")]
        path = CubicSpline(np.arange(len(path)) / recording.rate, path)(times)
        velocity = np.diff(path[:, :2], axis=0, append=path[-1:, :2]) * RATE
        rests = np.asarray(np.hypot(velocity[:, 0], velocity[:, 1]) < 0.25)
        stands = clip.contact[:, full.foot_regions.index(region)].numpy()
        feet.append(clip.contact[:, [i for i, name in enumerate(full.foot_regions) if name[0] == side]].any(dim=1))
        for first, last in runs(rests):
            if last - first < 0.3 * RATE or last == clip.frames:
                continue
            assert stands[first + 10 : last - 2].all()  # The toes of a foot that has landed, to 20 ms before they move.
    # A walk is borne by one foot or both, never by none; both for about 10 % of a stride each time (Perry 1992).
    right, left = feet
    assert (right | left).all()
    assert 0.15 < float((right & left).double().mean()) < 0.3
