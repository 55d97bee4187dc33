import io
import json
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from myotrack.capture.amass import looks_like_amass, read_amass
from myotrack.capture.asfamc import read_amc
from myotrack.capture.recording import Recording
from myotrack.capture.smpl import average_rest
from myotrack.capture.source import CaptureError, Source

from .test_bvh import assert_turns_carry_the_rest_pose

UPRIGHT = [np.pi / 2, 0.0, 0.0]
"""The root's turn that takes the body's y up to the world's z."""


def written(folder: Path, **changes: object) -> Source:
    poses = np.zeros((5, 156))
    poses[:, :3] = UPRIGHT
    arrays: dict = {"poses": poses, "trans": np.tile([1.0, 2.0, 0.9], (5, 1)), "betas": np.zeros(16)}
    arrays |= {"gender": np.array("male"), "mocap_framerate": np.array(120.0)} | changes
    path = folder / "walk_poses.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return Source.open(path)


def direction(recording: Recording, start: str, end: str) -> np.ndarray:
    along = recording.points[:, recording.names.index(end)] - recording.points[:, recording.names.index(start)]
    return along / np.linalg.norm(along, axis=1, keepdims=True)


def angle(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(np.sum(left * right, axis=-1), -1, 1)))


def test_zero_pose_stands_upright_with_arms_out(tmp_path: Path) -> None:
    recording = read_amass(written(tmp_path))
    assert recording.names[0] == "pelvis" and len(recording.names) == 24 and recording.rate == 120.0
    assert_allclose(recording.points[0], recording.tree.rest + np.array([1.0, 2.0, 0.9]), atol=1e-12)
    assert_allclose(recording.turns[0], np.tile([1.0, 0, 0, 0], (24, 1)), atol=1e-12)
    assert_allclose(direction(recording, "left_shoulder", "left_wrist_end")[0], [1, 0, 0], atol=1e-12)
    assert_allclose(direction(recording, "right_ankle", "right_foot")[0] * [1, 1, 0], [0, -0.92, 0], atol=0.05)
    assert recording.subject.sex == "male"


def test_joints_turn_about_the_axes_of_the_body(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).normal(scale=0.6, size=(5, 156))
    recording = read_amass(written(tmp_path, poses=poses))
    assert_turns_carry_the_rest_pose(recording)
    body = [Rotation.from_rotvec(poses[:, 3 * joint : 3 * joint + 3]) for joint in range(22)]
    thigh = (body[0] * body[1]).apply([0.0, -1.0, 0.0])
    forearm = (body[0] * body[3] * body[6] * body[9] * body[13] * body[16] * body[18]).apply([1.0, 0.0, 0.0])
    assert_allclose(direction(recording, "left_hip", "left_knee"), thigh, atol=1e-9)
    assert_allclose(direction(recording, "left_elbow", "left_wrist"), forearm, atol=1e-9)


def test_the_average_body_has_published_proportions() -> None:
    rest = average_rest(1.80)
    assert_allclose(np.linalg.norm(rest[4] - rest[1]), 1.80 * (0.530 - 0.285), atol=1e-12)
    assert_allclose(np.linalg.norm(rest[7] - rest[4]), 1.80 * (0.285 - 0.039), atol=1e-12)
    assert_allclose(np.linalg.norm(rest[20] - rest[18]), 1.80 * 0.146, atol=1e-12)
    mirrored = rest[[0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]]
    assert_allclose(mirrored * [-1, 1, 1], rest, atol=1e-12)


def test_height_comes_from_the_user_then_from_the_sex(tmp_path: Path) -> None:
    def thigh(recording: Recording) -> float:
        return float(np.linalg.norm(recording.tree.rest[4] - recording.tree.rest[1]))

    assert thigh(read_amass(written(tmp_path), height=2.0)) == pytest.approx(0.49)
    by_sex = [thigh(read_amass(written(tmp_path, gender=np.array(sex)))) for sex in ("female", "neutral", b"male")]
    assert sorted(by_sex) == by_sex
    with pytest.raises(CaptureError, match="walk_poses.npz.*height"):
        read_amass(written(tmp_path), height=170.0)


def test_layouts_of_smpl_and_smplx_give_the_same_motion(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).normal(scale=0.3, size=(5, 156))
    smplh = read_amass(written(tmp_path, poses=poses))
    smpl = read_amass(written(tmp_path, poses=poses[:, :72].reshape(5, 24, 3)))
    parts = {"root_orient": poses[:, :3], "pose_body": poses[:, 3:66], "pose_hand": poses[:, 66:]}
    rate = {"mocap_framerate": None, "mocap_frame_rate": np.array([120])}
    smplx = read_amass(written(tmp_path, poses=None, **parts, **rate))
    assert_allclose(smpl.points, smplh.points)
    assert_allclose(smplx.points, smplh.points)


def test_a_world_with_y_up_is_noticed(tmp_path: Path) -> None:
    poses = np.zeros((5, 156))
    recording = read_amass(written(tmp_path, poses=poses, trans=np.array([[0, 0.9, z] for z in range(5)])))
    assert_allclose(recording.points[4, 0], [0, -4, 0.9])
    assert_allclose(recording.points[0], recording.tree.rest + np.array([0, 0, 0.9]), atol=1e-12)
    assert_allclose(read_amass(written(tmp_path, poses=poses), up="z").points[0, 15, 2], 0.9, atol=1e-12)


def body_model(joints: int = 24) -> dict[str, np.ndarray]:
    """A body of as many vertices as joints, which grows with its first shape number."""
    template = np.random.default_rng(1).normal(size=(joints, 3))
    template[:22] = average_rest(1.7)[:22] + np.array([0.0, -0.2, 0.03])
    shapes = np.zeros((joints, 3, 10))
    shapes[..., 0] = 0.1 * template
    return {"J_regressor": np.eye(joints), "v_template": template, "shapedirs": shapes}


def put_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    header, content = {"__metadata__": {"a": "b"}}, b""
    for name, array in arrays.items():
        raw = array.astype("<f4").tobytes()
        offsets = [len(content), len(content) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}  # type: ignore[assignment]
        content += raw
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + content)


@pytest.mark.parametrize("joints", [24, 52, 55, 30])
def test_a_body_model_gives_the_subjects_own_joints(tmp_path: Path, joints: int) -> None:
    model = body_model(joints)
    np.savez(tmp_path / "model.npz", **model, posedirs=np.array({"a": 1}, dtype=object))
    put_safetensors(tmp_path / "model.safetensors", model)
    betas = np.zeros(16)
    betas[0] = 2.0
    for name in ("model.npz", "model.safetensors"):
        recording = read_amass(written(tmp_path, betas=betas), model=tmp_path / name)
        expected = model["v_template"] * 1.2
        assert_allclose(recording.points[0, 0], np.array([1.0, 2.0, 0.9]) + expected[0], atol=1e-6)
        thigh = np.linalg.norm(expected[4] - expected[1])
        assert_allclose(np.linalg.norm(recording.tree.rest[4] - recording.tree.rest[1]), thigh, atol=1e-6)
        assert_turns_carry_the_rest_pose(recording)


def test_unfit_body_models_are_refused(tmp_path: Path) -> None:
    source, model = written(tmp_path), body_model()
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04K\x01.")
    np.savez(tmp_path / "short.npz", **(model | {"v_template": model["v_template"][:20]}))
    np.savez(tmp_path / "few.npz", **(model | {"J_regressor": np.eye(24)[:5]}))
    np.savez(tmp_path / "large.npz", **(model | {"shapedirs": np.full((24, 3, 10), 1e300)}))
    np.savez(tmp_path / "nan.npz", **(model | {"v_template": np.full((24, 3), np.nan)}))
    np.savez(tmp_path / "sparse.npz", **(model | {"J_regressor": np.array({"a": 1}, dtype=object)}))
    np.savez(tmp_path / "lacking.npz", J_regressor=np.eye(24))
    put_safetensors(tmp_path / "lacking.safetensors", {"J_regressor": np.eye(24)})
    put_safetensors(tmp_path / "cut.safetensors", model)
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "cut.safetensors").read_bytes()[:-10])
    (tmp_path / "strange.bin").write_bytes(b"\xff" * 100)
    for name, trouble in {
        "model.pkl": "pickle",
        "short.npz": "do not fit",
        "few.npz": "do not fit",
        "nan.npz": "not finite",
        "large.npz": "too large",
        "sparse.npz": "pickled Python objects",
        "lacking.npz": "no array 'v_template'",
        "lacking.safetensors": "no array 'v_template'",
        "cut.safetensors": "ends inside",
        "strange.bin": "not a safetensors file",
        "absent.npz": "no such file",
    }.items():
        with pytest.raises(CaptureError, match=f"{name}.*{trouble}"):
            read_amass(source, model=tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"poses": np.array([{"a": 1}], dtype=object)}, "contains pickled Python objects, which are not opened"),
        ({"poses": None}, "no array 'root_orient'"),
        ({"trans": None}, "no array 'trans'"),
        ({"mocap_framerate": None}, "frames per second"),
        ({"mocap_framerate": np.array(0.0)}, "0 frames per second"),
        ({"mocap_framerate": np.array(np.nan)}, "not finite"),
        ({"mocap_framerate": np.array([1.0, 2.0])}, "2 numbers instead of one"),
        ({"mocap_framerate": np.array("fast")}, "no numbers"),
        ({"poses": np.zeros((5, 60))}, "not turns of 22 joints"),
        ({"poses": np.zeros((5, 67))}, "not turns of 22 joints"),
        ({"poses": np.zeros(156)}, "not turns of 22 joints"),
        ({"poses": np.zeros((0, 156))}, "'poses' is empty"),
        ({"poses": np.full((5, 156), np.inf)}, "'poses' is not finite in row 0"),
        ({"poses": np.full((5, 156), 1e30)}, "too large"),
        ({"poses": np.zeros((5, 156), complex)}, "not read"),
        ({"poses": np.zeros((4, 156))}, "'trans' is of shape"),
        ({"trans": np.zeros((5, 2))}, "'trans' is of shape"),
        ({"trans": np.array([[0, 0, 0], [0, 0, np.nan], [0, 0, 0], [0, 0, 0], [0, 0, 0.0]])}, "not finite in row 1"),
    ],
)
def test_damage_is_named(tmp_path: Path, changes: dict, trouble: str) -> None:
    with pytest.raises(CaptureError, match=f"walk_poses.npz.*{trouble}"):
        read_amass(written(tmp_path, **changes))


def test_a_pickled_gender_is_left_alone(tmp_path: Path) -> None:
    recording = read_amass(written(tmp_path, gender=np.array("male", dtype=object)))
    assert recording.subject.sex is None and recording.frames == 5


def npy(descr: str, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(f"{name}.npy", content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "poses",
    [
        npy("<f4", (10**9, 156)),
        npy("<f4", (2**63, 2**63)),
        npy("<f4", (5, -156)),
        npy("<f4", (0, 10**18)),
        npy("<f4", (1,) * 60),
        npy("<U999999", (10**6,)),
        npy("O", (5,)),
        npy("|V8", (5,)),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535,
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        b"\x93NUMPY\x09\x00",
        b"no array",
        b"",
    ],
    ids=[*"abcdefghijklm"],
)
def test_bombs_are_refused_before_they_are_unpacked(poses: bytes) -> None:
    content = archive(poses=poses, trans=npy("<f4", (5, 3), bytes(60)), mocap_framerate=npy("<f8", (), bytes(8)))
    start = time.monotonic()
    with pytest.raises(CaptureError, match="bomb.npz"):
        read_amass(Source(Path("bomb.npz"), content, ""))
    assert time.monotonic() - start < 2.0


def test_names_in_an_archive_cannot_break_the_sentence() -> None:
    content = archive(**{"pos\nes": b"", "x" * 5000: b""})
    with pytest.raises(CaptureError) as caught:
        read_amass(Source(Path("odd.npz"), content, ""))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_large_arrays_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("myotrack.capture.arrays.LARGEST", 1 << 20)
    for poses in (npy("<f8", (2000, 156), bytes(2000 * 156 * 8)), npy("<f8", (5, 156), bytes(2 << 20))):
        with pytest.raises(CaptureError, match="bomb.npz: the array 'poses' is larger than 1 MiB"):
            read_amass(Source(Path("bomb.npz"), archive(poses=poses, trans=b""), ""))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    content = written(tmp_path).content
    rng = np.random.default_rng(0)
    for length in rng.integers(4, len(content) - 1, 60):
        with pytest.raises(CaptureError, match="cut.npz"):
            read_amass(Source(Path("cut.npz"), content[:length], ""))
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] = rng.integers(256)
        try:
            assert read_amass(Source(Path("bent.npz"), bytes(damaged), "")).frames > 0
        except CaptureError as error:
            assert "bent.npz" in str(error)


def test_only_motions_of_such_bodies_look_like_it(tmp_path: Path) -> None:
    assert looks_like_amass(written(tmp_path).content)
    assert not looks_like_amass(archive(qpos=b"", frequency=b""))
    assert not looks_like_amass(b"PK\x03\x04") and not looks_like_amass(b"")


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "amass_layout").glob("*.npz"))


def test_clips_in_the_layout_are_read(data_folder: Path) -> None:
    assert clips(data_folder)
    for path in clips(data_folder):
        recording = read_amass(Source.open(path))
        assert recording.rate == 120.0
        assert_turns_carry_the_rest_pose(recording)
        # Without the model of the body, feet are near the floor, not on it.
        assert -0.10 < np.quantile(recording.points[..., 2].min(axis=1), 0.05) < 0.10, path.name


BONES = {
    ("left_hip", "left_knee"): ("lfemur", "ltibia"),
    ("right_knee", "right_ankle"): ("rtibia", "rfoot"),
    ("left_ankle", "left_foot"): ("lfoot", "ltoes"),
    ("right_shoulder", "right_elbow"): ("rhumerus", "rradius"),
    ("left_elbow", "left_wrist"): ("lradius", "lwrist"),
}


@pytest.mark.parametrize("clip", ["02_01", "02_06", "03_01", "05_11", "09_06", "131_04"])
def test_bones_point_as_in_the_amc_they_were_made_from(data_folder: Path, tmp_path: Path, clip: str) -> None:
    path = next((data_folder / "cmu_asfamc").glob(f"{clip}.amc*"))
    amc = read_amc(Source.open(path))
    source = Source.open(data_folder / "amass_layout" / f"CMU_{clip}_poses.npz")
    joints = np.array(json.loads((data_folder / "amass_layout" / "smpl24_joints.json").read_text())["rest_joints_yup"])
    np.savez(tmp_path / "m.npz", J_regressor=np.eye(24), v_template=joints, shapedirs=np.zeros((24, 3, 10)))
    exact, average = read_amass(source, model=tmp_path / "m.npz"), read_amass(source)
    assert exact.frames == amc.frames
    for ours, theirs in BONES.items():
        assert angle(direction(exact, *ours), direction(amc, *theirs)).max() < 0.1, ours
        # The average body's bones are straight, those of SMPL are not: a constant difference.
        off = angle(direction(average, *ours), direction(amc, *theirs))
        assert off.max() < 14.0 and np.ptp(off) < 0.1, ours
    assert 0.0 < np.quantile(exact.points[..., 2].min(axis=1), 0.05) < 0.08
