import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from myotrack.capture.asfamc import looks_like_amc, looks_like_asf, read_amc
from myotrack.capture.c3d import read_c3d
from myotrack.capture.source import CaptureError, Source

from .test_bvh import assert_turns_carry_the_rest_pose

# Two legs' worth of a skeleton, y up: a hip bone, a thigh whose axes are turned, a shin, and a trunk. In units of
# 0.0254 / 0.45 m the rest pose is 1.66 m tall.
SKELETON = """# Somebody.
:version 1.10
:name VICON
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   Made by hand.
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name hip
     direction 1 0 0
     length 2
     axis 0 0 0  XYZ
  end
  begin
     id 2
     name thigh
     direction 0 -1 0
     length 7.5
     axis 10 20 30  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 3
     name shin
     direction 0 -2 0
     length 7.5
     axis 0 0 90  XYZ
    dof rx
    limits (-10.0 170.0)
  end
  begin
     id 4
     name head
     direction 0 1 0
     length 14.4
     axis 0 0 0  XYZ
    dof rz rx
    limits (-10.0 170.0)
           (-10.0 170.0)
  end
:hierarchy
  begin
    root hip head
    hip thigh
    thigh shin
  end
"""
HEADER = "#!OML:ASF somebody.ASF\n:FULLY-SPECIFIED\n:DEGREES\n"
UNIT = 0.0254 / 0.45


def frame(number: int, root: str = "0 15 0 0 0 0", thigh: str = "0 0 0", shin: str = "0", head: str = "0 0") -> str:
    return f"{number}\nroot {root}\nthigh {thigh}\nshin {shin}\nhead {head}\n"


def written(folder: Path, frames: list[str], skeleton: str = SKELETON, header: str = HEADER) -> Source:
    (folder / "07.asf").write_text(skeleton)
    (folder / "07_01.amc").write_text(header + "".join(frames))
    return Source.open(folder / "07_01.amc")


def test_zero_angles_give_the_rest_pose_with_z_up(tmp_path: Path) -> None:
    recording = read_amc(written(tmp_path, [frame(1)]))
    assert recording.names == ("root", "hip", "thigh", "shin", "head", "shin_end", "head_end")
    expected = np.array([[0, 0, 0], [0, 0, 0], [2, 0, 0], [2, 0, -7.5], [0, 0, 0], [2, 0, -15], [0, 0, 14.4]]) * UNIT
    assert_allclose(recording.tree.rest, expected, atol=1e-12)
    assert_allclose(recording.points[0], expected + np.array([0, 0, 15 * UNIT]), atol=1e-12)
    assert_allclose(recording.turns[0], np.tile([1.0, 0, 0, 0], (7, 1)), atol=1e-12)
    assert recording.rate == 120.0 and any("120" in note for note in recording.origin.notes)


def test_angles_worked_out_by_hand(tmp_path: Path) -> None:
    # The shin's x axis is turned by 90 deg about z, so it points along y of the file, along the shin, which cannot be
    # seen to turn. A quarter turn of the head about its z, then its x: +y to -x, and there it stays.
    recording = read_amc(written(tmp_path, [frame(1, shin="90", head="90 90"), frame(2, "0 15 0 90 0 0")]))
    points = recording.points / UNIT
    assert_allclose(points[0, 5], [2, 0, 0], atol=1e-12)
    assert_allclose(recording.turns[0, 5], [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], atol=1e-12)
    assert_allclose(points[0, 6], [-14.4, 0, 15], atol=1e-12)
    # The root's quarter turn about x takes the head from +y to +z of the file, which is -y of ours.
    assert_allclose(points[1, 6], [0, -14.4, 15], atol=1e-12)
    assert_turns_carry_the_rest_pose(recording)


def test_a_bone_turns_about_its_own_axes(tmp_path: Path) -> None:
    recording = read_amc(written(tmp_path, [frame(1, "1 15 3 40 50 60", "-70 80 25")]))
    root = Rotation.from_euler("xyz", [40, 50, 60], degrees=True)
    axes = Rotation.from_euler("xyz", [10, 20, 30], degrees=True)
    turn = root * axes * Rotation.from_euler("xyz", [-70, 80, 25], degrees=True) * axes.inv()
    x, y, z = turn.apply([0, -7.5, 0]) * UNIT
    assert_allclose(recording.points[0, 3] - recording.points[0, 2], [x, -z, y], atol=1e-12)


def test_radians_and_rate_are_heard(tmp_path: Path) -> None:
    header = ":FULLY-SPECIFIED\r\n:RADIANS\r\n:SAMPLES-PER-SECOND 60\r\n"
    recording = read_amc(written(tmp_path, [frame(1, f"0 15 0 {np.pi / 2} 0 0")], header=header))
    assert_allclose(recording.points[0, 6] / UNIT, [0, -14.4, 15], atol=1e-9)
    assert recording.rate == 60.0
    assert read_amc(Source.open(tmp_path / "07_01.amc"), rate=100.0).rate == 100.0


def test_frames_may_list_their_bones_in_any_order(tmp_path: Path) -> None:
    first, second = frame(1, thigh="1 2 3", shin="4"), "2\nshin 4\nroot 0 15 0 0 0 0\nhead 0 0\nthigh 1 2 3\n"
    recording = read_amc(written(tmp_path, [first, second]))
    assert_allclose(recording.points[1], recording.points[0])


def test_a_bone_that_is_left_out_keeps_its_angles_unless_all_are_promised(tmp_path: Path) -> None:
    frames = [frame(1, thigh="1 2 3"), "2\nroot 0 15 0 0 0 0\n"]
    recording = read_amc(written(tmp_path, frames, header=":DEGREES\n"))
    assert_allclose(recording.points[1], recording.points[0])
    assert any("keep their angles" in note for note in recording.origin.notes)
    with pytest.raises(CaptureError, match="frame 2: bone 'thigh' is missing"):
        read_amc(written(tmp_path, frames))


def test_other_units_are_told_from_the_height(tmp_path: Path) -> None:
    # A unit of length of one means inches, of which this skeleton is too small a person.
    skeleton = SKELETON.replace("length 0.45", "length 1.0")
    recording = read_amc(written(tmp_path, [frame(1)], skeleton))
    assert any("in CMU units," in note for note in recording.origin.notes)
    assert_allclose(read_amc(Source.open(tmp_path / "07_01.amc"), unit=0.1).points[0, 0, 2], 1.5)


@pytest.mark.parametrize(
    ("motion", "skeleton"),
    [
        ("07_01.amc", "07.asf"),
        ("walk.amc.gz", "WALK.ASF"),
        ("dance12.amc", "dance.asf.gz"),
        ("a_b_3.amc", "a_b.asf"),
        ("anything.amc", "else.asf"),
    ],
)
def test_the_skeleton_is_found_beside_the_motion(tmp_path: Path, motion: str, skeleton: str) -> None:
    def put(name: str, text: str) -> None:
        content = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    put(motion, HEADER + frame(1))
    put(skeleton, SKELETON)
    if skeleton != "else.asf":
        put("other.asf", "not this one")
    assert read_amc(Source.open(tmp_path / motion)).frames == 1


def test_a_missing_skeleton_is_asked_for_by_name(tmp_path: Path) -> None:
    source = written(tmp_path, [frame(1)])
    (tmp_path / "07.asf").rename(tmp_path / "a.asf")
    (tmp_path / "b.asf").write_text(SKELETON)
    with pytest.raises(CaptureError, match="07_01.amc.*07.asf"):
        read_amc(source)
    assert read_amc(source, skeleton=tmp_path / "a.asf").frames == 1
    with pytest.raises(CaptureError, match="c.asf: there is no such file"):
        read_amc(source, skeleton=tmp_path / "c.asf")


def test_a_skeleton_alone_asks_for_its_motion(tmp_path: Path) -> None:
    written(tmp_path, [frame(1)])
    with pytest.raises(CaptureError, match="07.asf.*give the AMC"):
        read_amc(Source.open(tmp_path / "07.asf"))


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        (("thigh 4 5 6", "tail 4 5 6"), "frame 2: the skeleton has no bone 'tail'"),
        (("thigh 4 5 6", "thigh 4 5"), "frame 2: bone 'thigh' has 2 values where the skeleton has 3"),
        (("thigh 4 5 6", "thigh 4 5 six"), "frame 2: 'six' is not a number"),
        (("thigh 4 5 6", "thigh 4 5 nan"), "frame 2: nan is not finite"),
        (("thigh 4 5 6", "thigh 4 5 1e300"), "frame 2: 1e300 is not finite or too large"),
        (("thigh 4 5 6\n", ""), "frame 2: bone 'thigh' is missing"),
        (("thigh 4 5 6\n", "thigh 4 5 6\nthigh 4 5 6\n"), "frame 2: bone 'thigh' comes twice"),
        (("2\nroot", "5\nroot"), "frame 5 follows frame 1"),
        ((frame(3), "3\nroot 0 15 0 0 0 0\nthigh 0 0"), "frame 3: bone 'thigh' has 2 values"),
        ((":FULLY", ":SAMPLES-PER-SECOND 0\n:FULLY"), "0 frames per second"),
    ],
)
def test_damage_of_the_motion_is_named(tmp_path: Path, change: tuple[str, str], trouble: str) -> None:
    frames = [frame(1), frame(2, thigh="4 5 6"), frame(3)]
    text = HEADER + "".join(frames)
    assert change[0] in text
    written(tmp_path, [])
    path = tmp_path / "07_01.amc"
    path.write_text(text.replace(*change, 1))
    with pytest.raises(CaptureError, match=rf"07_01\.amc.*({trouble})"):
        read_amc(Source.open(path))


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ((":bonedata", ":bones"), "no section ':bonedata'"),
        ((":hierarchy", ":order"), "no section ':hierarchy'"),
        (("length 7.5", "length long"), "length of thigh: 'long' is not a number"),
        (("length 7.5", "length inf"), "length of thigh: inf is not finite"),
        (("length 7.5", "length"), "length of thigh has 0 numbers instead of 1"),
        (("direction 0 -1 0", "direction 0 0 0"), "'thigh' has a length but no direction"),
        (("direction 0 -1 0", "direction 0 -1"), "direction of thigh has 2 numbers"),
        (("axis 10 20 30  XYZ", "axis 10 20 30  XYY"), "axis order of thigh"),
        (("dof rx ry rz", "dof rx ry l"), "'thigh' has degrees of freedom that are not read"),
        (("name shin", "name thigh"), "'thigh'.*taken"),
        (("name shin", "name"), "no name"),
        (("root hip head", "root hip head tail"), "names a bone 'tail'"),
        (("root hip head", "root hip"), "'head' hangs on nothing"),
        (("hip thigh", "shin thigh"), "'(shin|thigh)' hangs on nothing"),
        (("hip thigh", "hip thigh thigh"), "two parents"),
        (("  length 0.45", "  length 0"), "unit of length"),
        (("  end\n:hierarchy", ":hierarchy"), "does not end"),
    ],
)
def test_damage_of_the_skeleton_is_named(tmp_path: Path, change: tuple[str, str], trouble: str) -> None:
    assert change[0] in SKELETON
    source = written(tmp_path, [frame(1)], SKELETON.replace(*change, 1))
    with pytest.raises(CaptureError, match=rf"07\.asf.*{trouble}"):
        read_amc(source)


@pytest.mark.parametrize(
    "text",
    [
        "1\n" * 1_000_000,
        "".join(f"{i}\n" for i in range(2_500_000)),
        "\n" * 5_000_000,
        HEADER + "1\n" + "root " * 100_000,
    ],
    ids=["one number", "numbers", "empty lines", "one long line"],
)
def test_hostile_motions_are_refused_at_once(tmp_path: Path, text: str) -> None:
    source, start = written(tmp_path, [text], header=""), time.monotonic()
    with pytest.raises(CaptureError, match="07_01.amc"):
        read_amc(source)
    assert time.monotonic() - start < 5.0


def test_hostile_skeletons_are_refused_at_once(tmp_path: Path) -> None:
    bones = "".join(f"begin\nname b{i}\ndirection 0 1 0\nlength 1\nend\n" for i in range(20_000))
    start = time.monotonic()
    for skeleton in (
        SKELETON.replace(":bonedata\n", ":bonedata\n" + bones),
        SKELETON.replace(":bonedata\n", ":bonedata\n" + "begin\n" * 100_000),
        SKELETON + " " * (5 << 20),
    ):
        with pytest.raises(CaptureError, match="07.asf"):
            read_amc(written(tmp_path, [frame(1)], skeleton))
    assert time.monotonic() - start < 5.0


def test_every_prefix_of_a_pair_is_refused_or_read(tmp_path: Path) -> None:
    source = written(tmp_path, [frame(1), frame(2)])
    for length in range(1, len(source.content) - 1, 3):
        cut = Source(source.path, source.content[:length], "")
        try:
            recording = read_amc(cut)
        except CaptureError as error:
            assert "07_01.amc" in str(error)
        else:
            assert recording.frames == 1 or length >= len(source.content) - 3
    for length in range(1, len(SKELETON) - 1, 3):
        (tmp_path / "07.asf").write_text(SKELETON[:length])
        try:
            read_amc(source)
        except CaptureError as error:
            assert "07" in str(error)
        else:
            assert length > SKELETON.index("thigh shin")


def test_motion_and_skeleton_look_different() -> None:
    assert looks_like_amc(HEADER.encode()) and looks_like_amc(b":fully-specified\r\n:degrees\r\n1\r\n")
    assert looks_like_asf(SKELETON.encode())
    assert not looks_like_amc(SKELETON.encode()) and not looks_like_asf(HEADER.encode())
    assert not looks_like_amc(b"HIERARCHY") and not looks_like_amc(b"") and not looks_like_asf(b"")


def test_clips_of_the_cmu_database_are_read(data_folder: Path) -> None:
    paths = sorted((data_folder / "cmu_asfamc").glob("*.amc*"))
    assert paths
    for path in paths:
        recording = read_amc(Source.open(path))
        assert len(recording.names) == 38 and recording.rate == 120.0
        assert_turns_carry_the_rest_pose(recording)
        toes = recording.points[:, [recording.names.index(name) for name in ("ltoes_end", "rtoes_end")], 2].min(axis=1)
        # 03_01 walks over a step; everybody else has a toe within 8 cm of the floor for a good part of the time.
        assert -0.08 < np.quantile(toes, 0.1) < (0.25 if path.name.startswith("03") else 0.08), path.name
        shin = (
            recording.tree.rest[recording.names.index("lfoot")] - recording.tree.rest[recording.names.index("ltibia")]
        )
        assert 0.35 < np.linalg.norm(shin) < 0.50, path.name


def test_the_pelvis_of_a_clip_is_amid_the_markers_of_its_c3d(data_folder: Path) -> None:
    amc = read_amc(Source.open(data_folder / "cmu_asfamc" / "02_05.amc.gz"))
    c3d = read_c3d(Source.open(data_folder / "cmu_c3d" / "02_05.c3d"))
    waist = [i for i, name in enumerate(c3d.names) if name.endswith(("LFWT", "RFWT", "LBWT", "RBWT"))]
    x, y, z = c3d.points[:, waist].mean(axis=1).T
    apart = amc.points[:, 0] - np.stack([y, -x, z], axis=1)  # The C3D's axes are another's.
    assert_allclose(apart[:, :2].mean(axis=0), 0.0, atol=0.002)
    assert_allclose(apart.std(axis=0), 0.0, atol=0.01)
