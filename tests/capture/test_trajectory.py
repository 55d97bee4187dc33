from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from myotrack.capture.source import CaptureError, Source
from myotrack.capture.trajectory import looks_like_trajectory, read_trajectory


def written(folder: Path, **changes: object) -> Source:
    arrays: dict = {
        "qpos": np.arange(40.0).reshape(4, 10),
        "joint_names": ["root", "slide", "knee_angle_r", "hip"],
        "jnt_type": np.array([0, 2, 3, 3]),
        "frequency": 100.0,
        "split_points": np.array([0, 4]),
        "metadata": np.array(None, dtype=object),
    } | changes
    path = folder / "walk.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return Source.open(path)


def test_a_free_root_is_split_into_its_seven_numbers(tmp_path: Path) -> None:
    recording = read_trajectory(written(tmp_path))
    coordinates = recording.coordinates
    root = ("root_tx", "root_ty", "root_tz", "root_qw", "root_qx", "root_qy", "root_qz")
    assert recording.kind == "coordinates" and recording.frames == 4 and recording.rate == 100.0
    assert coordinates.names == (*root, "slide", "knee_angle_r", "hip")
    assert coordinates.quantities == (*["length"] * 3, *["other"] * 4, "length", "angle", "angle")
    assert_allclose(coordinates.values, np.arange(40.0).reshape(4, 10))
    assert coordinates.skeleton == "MuJoCo"


def test_types_are_told_from_the_count_where_they_are_missing(tmp_path: Path) -> None:
    recording = read_trajectory(written(tmp_path, jnt_type=None))
    assert recording.coordinates.names[6:8] == ("root_qz", "slide")
    assert any("taken to be hinges" in note for note in recording.origin.notes)
    fixed = read_trajectory(written(tmp_path, jnt_type=None, qpos=np.zeros((4, 4))))
    assert fixed.coordinates.names == ("root", "slide", "knee_angle_r", "hip")


def test_bodies_of_the_peer_are_known_by_their_joints(tmp_path: Path) -> None:
    names = ["root", "shoulder_elv_r", "knee_angle_r", "elv_angle_l"]
    assert read_trajectory(written(tmp_path, joint_names=names)).coordinates.skeleton == "MyoFullBody"
    arms = written(tmp_path, joint_names=names[1::2], qpos=np.zeros((4, 2)), jnt_type=np.array([3, 3]))
    assert read_trajectory(arms).coordinates.skeleton == "MyoBimanualArm"


def test_parts_of_a_file_are_read_one_by_one(tmp_path: Path) -> None:
    source = written(tmp_path, split_points=np.array([0, 1, 4]))
    first, second = read_trajectory(source), read_trajectory(source, part=1)
    assert (first.frames, second.frames) == (1, 3)
    assert_allclose(second.coordinates.values[0], np.arange(10.0, 20.0))
    assert "part 0 of 2" in first.origin.notes[0]
    with pytest.raises(CaptureError, match="walk.npz.*no part 2, only 2"):
        read_trajectory(source, part=2)


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"joint_names": np.array(["root", None], dtype=object)}, "'joint_names' contains pickled Python objects"),
        ({"joint_names": np.zeros(4)}, "no names"),
        ({"joint_names": ["root", "a", "a", "b"]}, "do not fit"),
        ({"joint_names": None}, "no array 'joint_names'"),
        ({"qpos": np.zeros((4, 9))}, "do not fit"),
        ({"qpos": np.zeros((4, 9)), "jnt_type": None}, "do not fit 9 positions"),
        ({"qpos": np.zeros(10)}, "not a row per frame"),
        ({"qpos": np.zeros((0, 10))}, "empty"),
        ({"qpos": np.full((4, 10), np.nan)}, "not finite in row 0"),
        ({"qpos": np.full((4, 10), 1e30)}, "too large"),
        ({"jnt_type": np.array([0, 2, 3, 7])}, "jnt_type"),
        ({"jnt_type": np.array([0, 2, 3])}, "jnt_type"),
        ({"frequency": None}, "no array 'frequency'"),
        ({"frequency": -1.0}, "a frequency of -1 Hz"),
        ({"split_points": np.array([0, 3, 2, 4])}, "split_points"),
        ({"split_points": np.array([0, 9])}, "split_points"),
        ({"split_points": np.array([0, 1.5, 4])}, "split_points"),
    ],
)
def test_damage_is_named(tmp_path: Path, changes: dict, trouble: str) -> None:
    with pytest.raises(CaptureError, match=f"walk.npz.*{trouble}"):
        read_trajectory(written(tmp_path, **changes))


def test_only_trajectories_look_like_it(tmp_path: Path) -> None:
    assert looks_like_trajectory(written(tmp_path).content)
    np.savez(tmp_path / "other.npz", poses=np.zeros(3), trans=np.zeros(3))
    assert not looks_like_trajectory((tmp_path / "other.npz").read_bytes())
    assert not looks_like_trajectory(b"PK\x03\x04") and not looks_like_trajectory(b"HIERARCHY")
