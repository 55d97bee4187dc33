import gzip
import re
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from myotrack.capture.asfamc import read_amc
from myotrack.capture.bvh import looks_like_bvh, read_bvh
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError, Source

# A man of two bones, 1.6 m tall, y up: a trunk of 0.7 m above the root and a leg below it.
FIGURE = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Head
  {
    OFFSET 0 70 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 20 0
    }
  }
  JOINT Foot
  {
    OFFSET 10 -80 0
    CHANNELS 0
    End Site
    {
      OFFSET 0 0 20
    }
  }
}
MOTION
Frames: {frames}
Frame Time: {time}
"""


def written(folder: Path, rows: list[str], head: str = FIGURE, time: str = "0.0083333") -> Source:
    path = folder / "figure.bvh"
    path.write_text(head.replace("{frames}", str(len(rows))).replace("{time}", time) + "\n".join(rows) + "\n")
    return Source.open(path)


def row(*values: float) -> str:
    return " ".join(f"{value:g}" for value in (*values, *[0.0] * (9 - len(values))))


def rotated(turns: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    axis = turns[..., 1:]
    twice = 2 * np.cross(axis, vectors)
    return vectors + turns[..., :1] * twice + np.cross(axis, twice)


def assert_turns_carry_the_rest_pose(recording: Recording, atol: float = 1e-9) -> None:
    """The law of every recording with a tree: a joint is its parent plus its offset at rest, turned with the parent."""
    tree, points, turns = recording.tree, recording.points, recording.turns
    assert tree is not None and points is not None and turns is not None
    assert recording.names == tree.joints and len(set(tree.joints)) == len(tree.joints)
    assert all(parent < joint for joint, parent in enumerate(tree.parent))
    assert_allclose(tree.rest[0], 0.0)
    assert_allclose(np.linalg.norm(turns, axis=-1), 1.0, atol=1e-9)
    child, parent = np.arange(1, len(tree.parent)), np.array(tree.parent[1:])
    offset = tree.rest[child] - tree.rest[parent]
    assert_allclose(points[:, child] - points[:, parent], rotated(turns[:, parent], offset), atol=atol)


def test_zero_angles_give_the_rest_pose_with_z_up(tmp_path: Path) -> None:
    recording = read_bvh(written(tmp_path, [row(5, 80, 7)]), skip=0)
    assert recording.names == ("Hips", "Head", "Head_end", "Foot", "Foot_end")
    expected = np.array([[0, 0, 0], [0, 0, 0.7], [0, 0, 0.9], [0.1, 0, -0.8], [0.1, -0.2, -0.8]])
    assert_allclose(recording.tree.rest, expected, atol=1e-12)
    assert_allclose(recording.points[0], expected + np.array([0.05, -0.07, 0.8]), atol=1e-12)
    assert_allclose(recording.turns[0], np.tile([1.0, 0, 0, 0], (5, 1)), atol=1e-12)
    assert recording.rate == 120.0 and recording.frames == 1


def test_angles_worked_out_by_hand(tmp_path: Path) -> None:
    # A quarter turn about z takes the head from +y to -x; then, about the turned x, nothing of it is left to move.
    # In the second frame the neck alone nods by 90 deg about x: from +y to +z of the file, which is -y of ours.
    recording = read_bvh(written(tmp_path, [row(0, 0, 0, 90), row(0, 0, 0, 0, 0, 0, 0, 90, 0)]), skip=0, unit=0.01)
    assert_allclose(recording.points[0, 2], [-0.9, 0.0, 0.0], atol=1e-12)
    assert_allclose(recording.points[0, 3], [0.8, 0.0, 0.1], atol=1e-12)
    assert_allclose(recording.points[1, 2], [0.0, -0.2, 0.7], atol=1e-12)
    assert_allclose(recording.turns[1, 2], [np.sqrt(0.5), np.sqrt(0.5), 0, 0], atol=1e-12)
    assert_turns_carry_the_rest_pose(recording)


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "YZX", "ZYX", "XZY", "YXZ"])
def test_channels_turn_about_the_turned_axes_in_their_order(tmp_path: Path, order: str) -> None:
    from scipy.spatial.transform import Rotation

    channels = " ".join(f"{letter}rotation" for letter in order)
    head = FIGURE.replace("Zrotation Xrotation Yrotation", channels)
    angles = [20.0, -50.0, 110.0]
    recording = read_bvh(written(tmp_path, [row(0, 80, 0, *angles)], head), skip=0)
    x, y, z = Rotation.from_euler(order, angles, degrees=True).apply([0.0, 0.7, 0.0])
    assert_allclose(recording.points[0, 1] - recording.points[0, 0], [x, -z, y], atol=1e-12)


def test_position_channels_replace_the_offset_of_a_joint(tmp_path: Path) -> None:
    head = FIGURE.replace("CHANNELS 0", "CHANNELS 3 Xposition Yposition Zposition")
    still = [row(0, 80, 0) + " 10 -80 0"] * 2
    moving = [*still, row(0, 80, 0) + " 10 -90 0"]
    resting = [row(0, 80, 0) + " 0 0 0"] * 2
    assert_allclose(read_bvh(written(tmp_path, still, head), skip=0).points[0, 3], [0.1, 0, 0], atol=1e-12)
    slid = read_bvh(written(tmp_path, moving, head), skip=0)
    assert_allclose(slid.points[2, 3], [0.1, 0, -0.1], atol=1e-12)
    assert any("slide" in note for note in slid.origin.notes)
    kept = read_bvh(written(tmp_path, resting, head), skip=0)
    assert_allclose(kept.points[1, 3], [0.1, 0, 0], atol=1e-12)
    assert any("OFFSET was taken" in note for note in kept.origin.notes)


@pytest.mark.parametrize(
    ("scale", "name"), [(0.01, "m"), (1.0, "cm"), (10.0, "mm"), (1 / 2.54, "inches"), (0.45 / 2.54, "CMU units")]
)
def test_the_unit_is_told_from_the_height(tmp_path: Path, scale: float, name: str) -> None:
    def scaled(match: re.Match) -> str:
        return "OFFSET " + " ".join(repr(float(word) * scale) for word in match[1].split())

    head = re.sub(r"OFFSET ([-0-9. ]+)", scaled, FIGURE)
    recording = read_bvh(written(tmp_path, [row(0, 80 * scale, 0)], head), skip=0)
    assert_allclose(np.ptp(recording.tree.rest[:, 2]), 1.7, rtol=1e-9)
    assert any(f"in {name}," in note for note in recording.origin.notes)


def test_a_skeleton_of_no_size_asks_for_a_unit(tmp_path: Path) -> None:
    head = FIGURE.replace("70", "7e5")
    with pytest.raises(CaptureError, match="figure.bvh.*give `unit`"):
        read_bvh(written(tmp_path, [row()], head), skip=0)
    assert read_bvh(written(tmp_path, [row()], head), unit=1e-6).frames == 1


def test_z_up_is_told_from_the_rest_pose(tmp_path: Path) -> None:
    head = FIGURE.replace("0 70 0", "0 0 70").replace("0 20 0", "0 0 20").replace("10 -80 0", "10 0 -80")
    recording = read_bvh(written(tmp_path, [row(1, 2, 80)], head), skip=0)
    assert_allclose(recording.points[0, 0], [0.01, 0.02, 0.8])
    assert_allclose(recording.points[0, 1], [0.01, 0.02, 1.5])


def test_z_up_is_told_from_the_motion_when_the_root_was_turned(tmp_path: Path) -> None:
    # Rest with y up, but the root lies on its back in the file's axes, walking along y: z points up in the world.
    rows = [row(0, step, 80, 0, 90, 0) for step in range(0, 100, 5)]
    recording = read_bvh(written(tmp_path, rows), skip=0)
    assert_allclose(recording.points[-1, 1], [0, 0.95, 1.5], atol=1e-9)
    assert_allclose(recording.tree.rest[1], [0, 0, 0.7], atol=1e-12)
    assert_allclose(recording.turns, np.broadcast_to([1.0, 0, 0, 0], recording.turns.shape), atol=1e-9)


def test_a_person_lying_down_does_not_turn_the_world(tmp_path: Path) -> None:
    rows = [row(0, 10, step, 0, 90, 0) for step in range(0, 100, 5)]
    recording = read_bvh(written(tmp_path, rows), skip=0)
    assert_allclose(recording.points[:, 0, 2], 0.1, atol=1e-12)


def test_a_t_pose_before_the_motion_is_left_out_and_said(tmp_path: Path) -> None:
    time = np.arange(100) / 120
    swing = [row(0, 80, 0, 3 * np.sin(6 * t) + 0.1, 0, 30, 20, 30 + 5 * np.sin(6 * t), 4) for t in time]
    recording = read_bvh(written(tmp_path, [row(0, 80, 0), *swing]))
    assert recording.frames == 100 and any("T-pose" in note for note in recording.origin.notes)
    assert read_bvh(written(tmp_path, swing)).frames == 100
    assert read_bvh(written(tmp_path, [row(0, 80, 0)] * 50 + swing)).frames == 150
    assert read_bvh(written(tmp_path, swing), skip=7).frames == 93


@pytest.mark.parametrize(
    ("time", "rate"), [("0.0083333", 120), ("0.0333", 30), ("0.01", 100), ("0.0333667", 29.97), ("4e-3", 250)]
)
def test_the_frame_time_is_cut_to_its_digits(tmp_path: Path, time: str, rate: float) -> None:
    assert read_bvh(written(tmp_path, [row()], time=time)).rate == pytest.approx(rate, rel=2e-6)


def test_windows_line_ends_and_names_of_two_words_are_read(tmp_path: Path) -> None:
    path = tmp_path / "figure.bvh.gz"
    text = FIGURE.replace("JOINT Head\n  {", "JOINT The Head {").replace("{frames}", "2").replace("{time}", "0.01")
    path.write_bytes(gzip.compress((text + row() + "\n\n" + row()).replace("\n", "\r\n").encode()))
    recording = read_bvh(Source.open(path))
    assert recording.names[1:3] == ("The Head", "The Head_end") and recording.name == "figure"


DEEP = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 3 Xrotation Yrotation Zrotation\n" + "".join(
    f"JOINT j{i}\n{{\nOFFSET 0 1 0\n" for i in range(20_000)
)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        (("HIERARCHY", "SOMETHING"), "does not begin with HIERARCHY"),
        (("MOTION", "NOTION"), "no line MOTION"),
        (("  }\n}\nMOTION", "  }\nMOTION"), "not closed"),
        (("}\nMOTION", "}\n}\nMOTION"), "outside of the braces"),
        (("}\nMOTION", "}\nROOT Two {\nOFFSET 0 0 0\n}\nMOTION"), "two roots"),
        (("JOINT Foot", "JOINT Head"), "two joints are named 'Head'"),
        (("JOINT Foot", "JOINT"), "has no name"),
        (("OFFSET 10 -80 0", "OFFSET 10 -80"), "OFFSET of joint 'Foot'"),
        (("OFFSET 10 -80 0", "OFFSET 10 nan 0"), "OFFSET of joint 'Foot'"),
        (("    OFFSET 10 -80 0\n", ""), "no OFFSET"),
        (("CHANNELS 0", "CHANNELS 999999999"), "CHANNELS of joint 'Foot'"),
        (("CHANNELS 0", "CHANNELS 1 Wrotation"), "joint 'Foot' promises 1 channels"),
        (("CHANNELS 0", "CHANNELS 2 Xrotation Xrotation"), "joint 'Foot' promises 2 channels"),
        (("CHANNELS 0", "CHAINS 0"), "'CHAINS' is not expected in joint 'Foot'"),
        (("Frames: 3", "Frames: 999999999"), "more than the file can hold"),
        (("Frames: 3", "Frames: 0"), "not a number of frames"),
        (("Frames: 3", "Frames: -1"), "not a number of frames"),
        (("Frames: 3", "Frames: 4"), "ends after 3 of 4 frames|more than the file can hold"),
        (("Frames: 3", "Frames: 2"), "line 30: more than the 2 frames promised"),
        (("Frames: 3\n", ""), "not followed by"),
        (("Time: 0.0083333", "Time: 0"), "not a time between two frames"),
        (("Time: 0.0083333", "Time: -0.01"), "not a time between two frames"),
        (("Time: 0.0083333", "Time: nan"), "not a time between two frames"),
        (("3 4 5 6", "3 4 5"), "line 29: 8 values where the joints have 9"),
        (("3 4 5 6", "3 4 nan 6"), "frame 2: nan is not finite"),
        (("3 4 5 6", "3 4 -inf 6"), "frame 2: -inf is not finite"),
        (("3 4 5 6", "3 4 1e300 6"), "frame 2: 1e300 is not finite or too large"),
        (("3 4 5 6", "3 4 five 6"), "frame 2: 'five' is not a number"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: tuple[str, str], trouble: str) -> None:
    text = FIGURE.replace("{frames}", "3").replace("{time}", "0.0083333")
    text += "\n".join([row(), row(1, 2, 3, 4, 5, 6), row()])
    assert change[0] in text
    path = tmp_path / "damaged.bvh"
    path.write_text(text.replace(*change, 1))
    with pytest.raises(CaptureError, match=rf"damaged\.bvh.*({trouble})"):
        read_bvh(Source.open(path))


@pytest.mark.parametrize(
    "text",
    [
        DEEP + "MOTION\nFrames: 1\nFrame Time: 0.01\n0 0 0\n",
        "HIERARCHY\n" + "{\n" * 100_000 + "MOTION\nFrames: 1\nFrame Time: 0.01\n",
        "HIERARCHY\n" + "\n" * 5_000_000,
        FIGURE.replace("{frames}", "2").replace("{time}", "0.01") + "\n" * 2_000_000,
        FIGURE.replace("{frames}", "2").replace("{time}", "0.01") + "1 " * 2_000_000,
    ],
    ids=["deep", "braces", "empty lines", "empty lines behind", "one long line"],
)
def test_hostile_files_are_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hostile.bvh"
    path.write_text(text)
    source, start = Source.open(path), time.monotonic()
    with pytest.raises(CaptureError, match="hostile.bvh"):
        read_bvh(source)
    assert time.monotonic() - start < 5.0


def test_every_prefix_of_a_file_is_refused_or_read(tmp_path: Path) -> None:
    text = FIGURE.replace("{frames}", "2").replace("{time}", "0.01") + row() + "\n" + row(1, 2, 3, 4, 5, 6, 7, 8, 9)
    for length in range(1, len(text)):
        try:
            read_bvh(Source(tmp_path / "cut.bvh", text[:length].encode(), ""))
        except CaptureError as error:
            assert "cut.bvh" in str(error)
        else:
            assert length >= len(text) - 1


def test_only_bvh_looks_like_it() -> None:
    assert looks_like_bvh(b"\xef\xbb\xbf\r\nHIERARCHY\r\nROOT a")
    assert not looks_like_bvh(b":FULLY-SPECIFIED") and not looks_like_bvh(b"") and not looks_like_bvh(b"HIERARCHYS")


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "cmu_bvh").glob("*.bvh.gz"))


def test_clips_of_the_cmu_database_are_read(data_folder: Path) -> None:
    assert clips(data_folder)
    for path in clips(data_folder):
        recording = read_bvh(Source.open(path))
        assert recording.rate == 120.0
        assert any("T-pose" in note for note in recording.origin.notes), path.name
        assert any("in cm," in note for note in recording.origin.notes), path.name
        assert 5 <= int(re.findall(r"first (\d+) frames", " ".join(recording.origin.notes))[0]) <= 9, path.name
        assert_turns_carry_the_rest_pose(recording)
        lowest = recording.points[..., 2].min(axis=1)
        assert -0.20 < np.quantile(lowest, 0.05) < 0.15, path.name
        # What is left has no jump: no joint is faster than 15 m/s.
        speed = np.linalg.norm(np.diff(recording.points, axis=0), axis=-1) * recording.rate
        assert speed[:5].max() < 15.0, path.name


@pytest.mark.parametrize(("clip", "path_error"), [("02_01", 0.01), ("02_03", 0.01), ("03_01", 0.025), ("05_11", 0.025)])
def test_bvh_and_amc_of_a_clip_agree(data_folder: Path, clip: str, path_error: float) -> None:
    # The BVH has one frame more, its T-pose, in front. Its figure has another pelvis, whose root is another point.
    amc = read_amc(Source.open(data_folder / "cmu_asfamc" / f"{clip}.amc"))
    bvh = read_bvh(Source.open(data_folder / "cmu_bvh" / f"{clip}.bvh.gz"), skip=10)
    theirs, ours = amc.points[9:, 0], bvh.points[:, 0]
    assert len(theirs) == len(ours)
    assert np.abs(np.sum(amc.turns[9:, 0] * bvh.turns[:, 0], axis=1)).min() > 1 - 1e-9
    theirs, ours = (path[:, :2] - path[:, :2].mean(axis=0) for path in (theirs, ours))
    scale = np.sum(theirs * ours) / np.sum(ours**2)
    assert 1.0 < scale < 1.03  # The figure is a little smaller than the subjects, and is taken to be in centimetres.
    assert np.sqrt(np.mean((theirs - scale * ours) ** 2)) < path_error
    thigh = amc.points[9:, amc.names.index("ltibia")] - amc.points[9:, amc.names.index("lfemur")]
    other = bvh.points[:, bvh.names.index("lShin")] - bvh.points[:, bvh.names.index("lThigh")]
    cosine = np.sum(thigh * other, axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(other, axis=1)
    assert np.degrees(np.arccos(cosine)).mean() < 12.0
