"""Which way is up: as the user says, whatever the format; else as floor and body show, also of who lies or crawls."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from myotrack.capture.axes import Up, checked_up, direction, name_of, turn_to_z
from myotrack.capture.opensim import read_storage
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError, Source
from myotrack.capture.upright import upward
from tests.capture import seeds

UPS: tuple[Up, ...] = get_args(Up)
FORMATS = ("C3D", "TRC")


def standing(frames: int = 60) -> np.ndarray:
    """A person with z up who sways a little on the spot, away from the middle of the room: frame, point, 3."""
    sway = 0.03 * np.sin(np.arange(frames) / 10)
    body = seeds.walker(1)[0] + [0.9, 1.4, 0.0]
    return body + body[:, 2:] * np.stack([sway, 0 * sway, 0 * sway], axis=1)[:, None]


def lying(frames: int = 60) -> np.ndarray:
    """The same person on their back, head along x, who breathes and rolls a little; the floor is where it was."""
    body = standing(frames) - [0.9, 1.4, 0.0]
    flat = np.stack([body[..., 2], -body[..., 1], body[..., 0] - body[..., 0].min() + 0.02], axis=2)
    return flat + np.array([0.9, 1.4, 0.0])


def upside_down(frames: int = 60) -> np.ndarray:
    """The same person on their head."""
    body = standing(frames)
    return body * [1.0, -1.0, -1.0] + [0.0, 2.8, body[..., 2].max() + 0.05]


def crawling(frames: int = 60) -> np.ndarray:
    """The same person on all fours, ahead along x at 0.5 m/s."""
    ahead = 0.5 * np.arange(frames)[:, None] / 100
    body = lying(frames)
    tilted = body + [0.0, 0.0, 0.2] * (body[..., :1] - body[..., :1].min())
    return tilted + np.stack([ahead, 0 * ahead, 0 * ahead], axis=2)


POSES: dict[str, Callable[[], np.ndarray]] = {
    "standing": standing, "lying": lying, "upside down": upside_down, "crawling": crawling,
}  # fmt: skip


def in_file(points: np.ndarray, up: Up) -> np.ndarray:
    """Points with z up as a file has them whose `up` points up."""
    return points @ turn_to_z(direction(up))


def written(folder: Path, kind: str, points: np.ndarray, up: Up) -> Path:
    """A file of one format that does not say which way is up."""
    path = folder / f"made.{kind.lower()}"
    there = in_file(points, up)
    if kind == "TRC":
        path.write_bytes(seeds.trc(there, up="z"))  # As they are, without a turn.
    else:
        path.write_bytes(seeds.c3d(there * 1000, parameters={"POINT": {"X_SCREEN": [""], "Y_SCREEN": [""]}}))
    return path


def up_note(recording: Recording) -> str:
    return next((note for note in recording.origin.notes if note.startswith("Up is")), "")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("pose", ["standing", "upside down"])
def test_a_body_upright_on_the_floor_tells_every_axis(tmp_path: Path, kind: str, up: Up, pose: str) -> None:
    points = POSES[pose]()
    recording = read(written(tmp_path, kind, points, up))
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, points, atol=1e-5)
    assert "give `up`" not in up_note(recording)


@pytest.mark.parametrize("kind, up", [("TRC", "y"), ("C3D", "z")])
@pytest.mark.parametrize("pose", ["lying", "crawling"])
def test_who_lies_does_not_turn_the_world_and_is_told_how_to_change_it(
    tmp_path: Path, kind: str, up: Up, pose: str
) -> None:
    points = POSES[pose]()
    recording = read(written(tmp_path, kind, points, up))
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, points, atol=1e-5)
    note = up_note(recording)
    assert "although the body reaches along" in note and "give `up` if that is wrong" in note


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("up", UPS)
def test_who_lies_on_a_floor_at_zero_is_found_along_every_axis_and_the_guess_is_told(
    tmp_path: Path, kind: str, up: Up
) -> None:
    # Nothing but the floor tells it: 1.4 m and 0.9 m from the middle of the room no wall is at zero. Only who lies
    # along the very axis that points up in most files is taken to stand, on a floor that is not at zero.
    recording = read(written(tmp_path, kind, lying(), up))
    assert recording.points is not None and "give `up` if that is wrong" in up_note(recording)
    along = in_file(np.array([1.0, 0.0, 0.0]), up)
    if abs(along @ direction("y" if kind == "TRC" else "z")) > 0.5:
        assert "as the body stands, although the floor is at zero along" in up_note(recording)
    else:
        np.testing.assert_allclose(recording.points, lying(), atol=1e-5)


def test_who_lies_on_a_bed_does_not_turn_the_world(tmp_path: Path) -> None:
    # The floor is nowhere at zero, and nothing moves: all there is is the usual axis.
    recording = read(written(tmp_path, "TRC", lying() + np.array([0.0, 0.0, 0.7]), "y"))
    assert recording.points is not None and recording.points[..., 2].min() > 0.6
    assert "as usual, although the body reaches along X; give `up` if that is wrong" in up_note(recording)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("up", UPS)
def test_the_user_is_believed(tmp_path: Path, pose: str, kind: str, up: Up) -> None:
    points = POSES[pose]()
    recording = read(written(tmp_path, kind, points, up), up=up)
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, points, atol=1e-5)
    assert up_note(recording).startswith(f"Up is {name_of(direction(up))} in the file, as the user says")


def test_the_user_is_believed_over_the_file(tmp_path: Path) -> None:
    content = seeds.c3d(in_file(standing(), "-y") * 1000, parameters={"POINT": {"Y_SCREEN": ["+X"]}})
    (tmp_path / "made.c3d").write_bytes(content)
    assert up_note(read(tmp_path / "made.c3d")) == "Up is +X in the file, as the file says; turned to z."
    found = read(tmp_path / "made.c3d", up="-y").points
    assert found is not None
    np.testing.assert_allclose(found, standing(), atol=1e-5)


@pytest.mark.parametrize("steady", [True, False])
def test_a_walker_turns_the_world_only_if_the_floor_is_steadier_there(steady: bool) -> None:
    """With the floor at zero nowhere, as where the origin hangs in the air."""
    points = seeds.walker(200) + np.array([0.0, 0.0, -0.9])
    points[..., 1] += 0.1 * np.sin(np.arange(200) / 20)[:, None]
    if not steady:  # The floor is no floor: it goes up and down with them, and y does not.
        points[..., 2] += 0.3 * np.sin(np.arange(200) / 20)[:, None]
        points[..., 1] = seeds.walker(1)[:, :, 1] + 2.0
    up, words = upward(points, seeds.LABELS, direction("y"))
    assert name_of(up) == ("+Z" if steady else "+Y")
    assert ("give `up`" in words) == (not steady)


@pytest.mark.parametrize("up", UPS)
def test_no_turn_is_a_mirror_image(up: Up) -> None:
    turn = turn_to_z(direction(up))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_array_equal(turn @ direction(up), [0.0, 0.0, 1.0])


def test_nothing_seen_is_no_evidence() -> None:
    up, words = upward(np.full((4, 9, 3), np.nan), seeds.LABELS, direction("y"))
    assert name_of(up) == "+Y" and words == "as usual"


# Skeletons.

SKELETONS = {"made.bvh": seeds.bvh, "made.npz": seeds.amass, "made.amc": seeds.amc}


@pytest.mark.parametrize("name", SKELETONS)
@pytest.mark.parametrize("up", UPS)
def test_a_skeleton_s_world_turns_as_said_with_points_and_rotations_alike(tmp_path: Path, name: str, up: Up) -> None:
    (tmp_path / name).write_bytes(SKELETONS[name]())
    (tmp_path / "made.asf").write_bytes(seeds.asf())
    usual, other = read(tmp_path / name), read(tmp_path / name, up=up)
    assert usual.points is not None and other.points is not None and other.tree is not None
    assert any("points up in the file, as the user says" in note for note in other.origin.notes)
    was: Up = "z" if name == "made.npz" else "y"
    turn = turn_to_z(direction(up)) @ turn_to_z(direction(was)).T
    np.testing.assert_allclose(other.points, usual.points @ turn.T, atol=1e-9)
    # Each joint stands where its parent's turn carries it from the rest pose.
    assert other.turns is not None
    w, axis = other.turns[..., :1], other.turns[..., 1:]
    for joint, parent in enumerate(other.tree.parent):
        if parent < 0:
            continue
        bone = np.broadcast_to(other.tree.rest[joint] - other.tree.rest[parent], axis[:, parent].shape)
        carried = 2 * np.cross(axis[:, parent], np.cross(axis[:, parent], bone) + w[:, parent] * bone) + bone
        np.testing.assert_allclose(other.points[:, joint] - other.points[:, parent], carried, atol=1e-6)


# Forces.


@pytest.mark.parametrize("up", UPS)
def test_markers_and_ground_forces_turn_alike(tmp_path: Path, up: Up) -> None:
    force, point, torque = np.array([30.0, -20.0, 700.0]), np.array([1.1, 1.9, 0.0]), np.array([0.0, 0.0, 5.0])
    names = [f"ground_force_{p}{a}" for p in "vp" for a in "xyz"] + [f"ground_torque_{a}" for a in "xyz"]
    row = np.concatenate([in_file(vector, up) for vector in (force, point, torque)])
    (tmp_path / "made.mot").write_bytes(seeds.storage(names, np.tile(row, (60, 1)), header="forces\ninDegrees=no"))
    (plate,) = read(tmp_path / "made.mot", up=up).plates
    np.testing.assert_allclose(plate.force[0], force, atol=1e-9)
    np.testing.assert_allclose(plate.centre[0], point, atol=1e-9)
    np.testing.assert_allclose(plate.free_moment, 5.0)
    found = read(written(tmp_path, "TRC", standing(), up), up=up).points
    assert found is not None
    np.testing.assert_allclose(found, standing(), atol=1e-5)


def loaded(up: Up, corners: np.ndarray, **point: list[str]) -> bytes:
    """Someone on a plate, wherever its surface is, that carries (30, -20, 700) N, in a world whose `up` points up."""
    samples = np.zeros((600, 6))
    x = corners[0] - corners[1]
    y = corners[0] - corners[3]
    frame = np.stack([x / np.linalg.norm(x), y / np.linalg.norm(y), np.cross(x, y) / np.linalg.norm(np.cross(x, y))])
    samples[:, :3] = frame @ [30.0, -20.0, 700.0]
    group = seeds.force_platform(2, in_file(corners, up) * 1000, np.zeros(3), range(1, 7))
    return seeds.c3d(
        in_file(standing() + np.array([0.0, 0.0, corners[0, 2]]), up) * 1000,
        analog=samples,
        analog_labels=list("abcdef"),
        analog_units=["N"] * 3 + ["Nmm"] * 3,
        parameters={"FORCE_PLATFORM": group, "POINT": {"X_SCREEN": [""], "Y_SCREEN": [""], **point}},
    )


CORNERS = np.array([[0.7, 1.2, 0.0], [0.7, 1.6, 0.0], [1.3, 1.6, 0.0], [1.3, 1.2, 0.0]])


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("floor", [0.0, 0.5, -2.0])
def test_up_is_square_to_a_plate_on_the_side_of_the_body(tmp_path: Path, up: Up, floor: float) -> None:
    path = tmp_path / "made.c3d"
    path.write_bytes(loaded(up, CORNERS + np.array([0.0, 0.0, floor])))
    recording = read(path)
    assert up_note(recording).endswith("square to the force plates" + ("." if up == "z" else "; turned to z."))
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, standing() + np.array([0.0, 0.0, floor]), atol=1e-5)
    np.testing.assert_allclose(recording.plates[0].force[0], [30.0, -20.0, 700.0], atol=1e-3)


def test_a_plate_that_contradicts_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "made.c3d"
    path.write_bytes(loaded("z", CORNERS, Y_SCREEN=["+Y"]))
    note = "as the file says, although the force plates speak for +Z; give `up` if that is wrong"
    assert note in up_note(read(path))


# What cannot be turned.


@pytest.mark.parametrize("word", ["up", "w", "", "--z", "xy", "z-"])
def test_what_is_no_direction_is_refused_before_the_file_is_opened(word: str) -> None:
    with pytest.raises(ValueError, match=f"up cannot be '{word}'; it is one of x, y, z, -x, -y, -z"):
        read("nowhere.trc", up=word)


@pytest.mark.parametrize("word, up", [("Y", "y"), ("+z", "z"), (" -X ", "-x"), (None, None)])
def test_capitals_and_a_plus_are_as_good(word: str | None, up: Up | None) -> None:
    assert checked_up(word) == up


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("made.npz", seeds.trajectory, "`up` cannot be given: a trajectory is that of a body"),
        ("made.anc", seeds.anc, "`up` cannot be given: .*EMG"),
        ("made.mot", seeds.coordinates_mot, "`up` can be given for ground forces only"),
        (
            "made.sto",
            lambda: seeds.storage(["soleus_r"], np.ones((5, 1)), header="emg"),
            "`up` can be given for ground forces only",
        ),
    ],
)
def test_what_has_no_directions_refuses_in_a_sentence(
    tmp_path: Path, name: str, content: Callable[[], bytes], words: str
) -> None:
    (tmp_path / name).write_bytes(content())
    with pytest.raises(CaptureError, match=f"{name}: {words}"):
        read(tmp_path / name, up="z")
    assert read(tmp_path / name).rate > 0


# What follows needs the recordings.


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("usual", ["y", "z"])
@pytest.mark.parametrize(
    "file",
    [
        "biomechzoo/HC002D02_Static.c3d.gz", "biomechzoo/HC002D06_Straight.c3d.gz", "cmu_c3d/02_05.c3d",
        "opensim_c3d/walking2.c3d.gz", "rajagopal2016/motion_capture_walk.trc",
        "rajagopal2016/motion_capture_run.trc", "rajagopal2016/static_run.trc.gz",
    ],
)  # fmt: skip
def test_real_people_tell_every_axis_from_either_usual_one(data_folder: Path, file: str, usual: Up, up: Up) -> None:
    recording = read(data_folder / file)
    assert recording.points is not None
    found, _ = upward(in_file(recording.points, up), recording.names, direction(usual))
    np.testing.assert_array_equal(found, direction(up))


def test_a_real_runner_s_forces_stay_as_they_are_if_the_user_says_what_is_so(data_folder: Path) -> None:
    source = Source.open(data_folder / "rajagopal2016/grf_run.mot")
    for one, other in zip(read_storage(source).plates, read_storage(source, "y").plates, strict=True):
        np.testing.assert_array_equal(one.force, other.force)
