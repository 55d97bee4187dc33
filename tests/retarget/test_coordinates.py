"""Joint coordinates: where the joints go that they describe, and that the pipeline finds the angles again."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from myotrack.algebra.quaternion import from_matrix, to_matrix
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.capture.recording import Coordinates, Origin, Quantity, Recording
from myotrack.retarget.conventions import SKELETONS
from myotrack.retarget.coordinates import posed
from myotrack.retarget.pipeline import fit
from myotrack.retarget.rest import rest_facing, turn_targets
from myotrack.retarget.rig import Rig

Columns = Mapping[str, float | np.ndarray]


def recording(columns: Columns, skeleton: str = "OpenSim", rate: float = 100.0) -> Recording:
    """A file of coordinates; angles in radians."""
    values = np.stack(np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in columns.values())), axis=1)
    kinds: list[Quantity] = ["length" if name[-3:] in ("_tx", "_ty", "_tz") else "angle" for name in columns]
    return Recording(
        name="made",
        rate=rate,
        origin=Origin("made.sto", "0" * 64, "OpenSim storage"),
        kind="coordinates",
        coordinates=Coordinates(tuple(columns), values, tuple(kinds), skeleton),
    )


def standing(degrees: Mapping[str, float]) -> Columns:
    """OpenSim's coordinates of someone who stands upright and looks along x, but for some angles [deg]."""
    path = {"pelvis_tx": 0.0, "pelvis_ty": 0.947, "pelvis_tz": 0.0}
    return path | {"pelvis_tilt": 0.0} | {name: math.radians(v) for name, v in degrees.items()}


def joints(result: Recording, frame: int = 0) -> dict[str, np.ndarray]:
    """Joint centres by name."""
    assert result.points is not None
    return dict(zip(result.names, result.points[frame], strict=True))


def bone(result: Recording, above: str, below: str) -> np.ndarray:
    """Direction from one joint to another."""
    at = joints(result)
    return (at[below] - at[above]) / np.linalg.norm(at[below] - at[above])


def near(found: np.ndarray, wanted: tuple[float, float, float], degrees: float = 4.0) -> bool:
    """Whether two directions agree."""
    return float(np.dot(found, wanted)) > math.cos(math.radians(degrees))


def opensim_turn(angles: np.ndarray) -> np.ndarray:
    """Body-fixed rotations about OpenSim's z, x and y, as matrices in a frame x forward, y left, z up."""
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return upright @ Rotation.from_euler("ZXY", angles).as_matrix() @ upright.T


FORWARD, BACK, LEFT, DOWN = (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)


@pytest.mark.parametrize("side", ["right", "left"])
def test_hip_flexion_brings_the_knee_to_the_front(full: Anatomy, side: str) -> None:
    result = posed(recording(standing({f"hip_flexion_{side[0]}": 90.0})), full)
    assert near(bone(result, f"{side}_hip", f"{side}_knee"), FORWARD)
    other = "left" if side == "right" else "right"
    assert near(bone(result, f"{other}_hip", f"{other}_knee"), DOWN)


@pytest.mark.parametrize(
    ("angle", "above", "below", "wanted"),
    [
        ("hip_adduction_r", "hip", "knee", LEFT),
        ("knee_angle_r", "knee", "ankle", BACK),
        ("arm_flex_r", "shoulder", "elbow", FORWARD),
        ("arm_add_r", "shoulder", "elbow", LEFT),
    ],
)
def test_a_right_angle_lays_the_limb_along_an_axis(
    full: Anatomy, angle: str, above: str, below: str, wanted: tuple[float, float, float]
) -> None:
    right = posed(recording(standing({angle: 90.0})), full)
    assert near(bone(right, f"right_{above}", f"right_{below}"), wanted, 6.0)
    left = posed(recording(standing({angle[:-1] + "l": 90.0})), full)
    mirrored = (wanted[0], -wanted[1], wanted[2])
    assert near(bone(left, f"left_{above}", f"left_{below}"), mirrored, 6.0)


def test_the_ankle_lifts_the_toes_and_the_elbow_the_hand(full: Anatomy) -> None:
    still = posed(recording(standing({})), full)
    moved = posed(recording(standing({"ankle_angle_r": 20.0, "elbow_flex_l": 90.0})), full)
    rise = bone(moved, "right_ankle", "right_foot")[2] - bone(still, "right_ankle", "right_foot")[2]
    assert 0.2 < rise < 0.4
    assert near(bone(moved, "left_elbow", "left_wrist"), FORWARD, 12.0)


def test_internal_rotation_of_the_arm_turns_the_bent_forearm_inwards(full: Anatomy) -> None:
    result = posed(
        recording(standing({"arm_rot_r": 60.0, "elbow_flex_r": 90.0, "arm_rot_l": 60.0, "elbow_flex_l": 90.0})), full
    )
    assert bone(result, "right_elbow", "right_wrist")[1] > 0.7
    assert bone(result, "left_elbow", "left_wrist")[1] < -0.7


def test_the_trunk_leans_bends_and_turns_by_the_recorded_angles(full: Anatomy) -> None:
    """The spine of several levels ends where one ball joint would."""
    angles = {"lumbar_extension": -30.0, "lumbar_bending": 15.0, "lumbar_rotation": 20.0}
    result = posed(recording(standing(angles)), full)
    assert result.turns is not None
    chest, root = (to_matrix(torch.tensor(result.turns[0, result.names.index(n)])) for n in ("spine3", "pelvis"))
    turn = (torch.tensor(FACING.T) @ root.mT @ chest @ torch.tensor(FACING)).numpy()
    np.testing.assert_allclose(turn, opensim_turn(np.radians([list(angles.values())]))[0], atol=1e-9)
    assert joints(result)["head"][0] > joints(result)["pelvis"][0] + 0.15


def test_any_orientation_of_the_arm_is_reached(full: Anatomy, rng: np.random.Generator) -> None:
    """Our shoulder has other angles than OpenSim's, for the same orientation of the upper arm in the thorax."""
    angles = rng.uniform(-1.2, 1.2, (40, 3))
    columns = {f"{name}_l": column for name, column in zip(("arm_flex", "arm_add", "arm_rot"), angles.T, strict=True)}
    result = posed(recording(standing({}) | columns), full)
    assert result.turns is not None
    arm = to_matrix(torch.tensor(result.turns[:, result.names.index("left_shoulder")])).numpy()
    turn = arm @ FACING  # The thorax is upright and looks along x.
    np.testing.assert_allclose(turn, opensim_turn(angles * [1.0, -1.0, -1.0]), atol=1e-5)


def test_pelvis_rotation_turns_everything(full: Anatomy) -> None:
    angles = {"hip_flexion_r": 40.0, "knee_angle_r": 60.0, "arm_flex_l": 30.0}
    plain = joints(posed(recording(standing(angles)), full))
    turned = joints(posed(recording(standing(angles | {"pelvis_rotation": 90.0})), full))
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for name, point in plain.items():
        np.testing.assert_allclose(turned[name], quarter @ point, atol=1e-9, err_msg=name)


def test_left_and_right_are_mirror_images(full: Anatomy) -> None:
    angles = {
        "hip_flexion": 30.0, "hip_adduction": -15.0, "hip_rotation": 20.0, "knee_angle": 50.0, "ankle_angle": 10.0,
        "subtalar_angle": 8.0, "arm_flex": 40.0, "arm_add": -30.0, "arm_rot": 25.0, "elbow_flex": 70.0, "pro_sup": 50.0,
        "wrist_flex": 20.0, "wrist_dev": 10.0,
    }  # fmt: skip
    right = joints(posed(recording(standing({f"{name}_r": v for name, v in angles.items()})), full))
    left = joints(posed(recording(standing({f"{name}_l": v for name, v in angles.items()})), full))
    for name, point in right.items():
        twin = name.replace("right", "*").replace("left", "right").replace("*", "left")
        np.testing.assert_allclose(left[twin], point * [1.0, -1.0, 1.0], atol=2e-4, err_msg=name)


def test_knees_that_bend_negative_are_turned_round(full: Anatomy) -> None:
    bent = standing({"knee_angle_r": 60.0, "knee_angle_l": 20.0})
    negative = {name: -v if name.startswith("knee") else v for name, v in bent.items()}
    ours, theirs = posed(recording(bent), full), posed(recording(negative), full)
    assert ours.points is not None and theirs.points is not None
    np.testing.assert_allclose(theirs.points, ours.points)
    assert any("gait2392" in note for note in theirs.origin.notes)
    assert not any("gait2392" in note for note in ours.origin.notes)


def test_what_is_missing_and_what_is_unknown_is_said(full: Anatomy) -> None:
    result = posed(recording(standing({"hip_flexion_r": 10.0, "tail_wag": 5.0, "knee_angle_r_beta": 2.0})), full)
    notes = " ".join(result.origin.notes)
    assert "tail_wag" in notes and "beta" not in notes
    assert "stay neutral" in notes and "no lengths" in notes


@pytest.mark.parametrize("skeleton", ["OpenSim", "MuJoCo"])
def test_nothing_known_is_an_error_that_names_the_file(full: Anatomy, skeleton: str) -> None:
    with pytest.raises(ValueError, match=r"made\.sto: no coordinate .* tail_wag"):
        posed(recording({"tail_wag": 1.0}, skeleton), full)
    with pytest.raises(ValueError, match=r"made\.sto: there are no joint coordinates"):
        posed(replace(recording({"tail_wag": 1.0}), coordinates=None), full)


def test_the_pelvis_height_tells_the_size(full: Anatomy) -> None:
    """Legs reach the floor at another height of the pelvis: everything is as much longer."""
    own = posed(recording(standing({})), full)
    tall = posed(recording(standing({}) | {"pelvis_ty": 0.947 * 1.1}), full)
    ratio = np.linalg.norm(joints(tall)["head"] - joints(tall)["pelvis"]) / np.linalg.norm(
        joints(own)["head"] - joints(own)["pelvis"]
    )
    assert ratio == pytest.approx(1.1, abs=1e-6)


def trajectory(anatomy: Anatomy, z: torch.Tensor) -> Recording:
    """A file of a MuJoCo body with our joints."""
    qpos = anatomy.couplings.qpos(z).numpy()
    columns: dict[str, np.ndarray] = {}
    for joint in anatomy.joints:
        ends = ("_tx", "_ty", "_tz", "_qw", "_qx", "_qy", "_qz") if joint.kind == "free" else ("",)
        for offset, end in enumerate(ends):
            columns[joint.name + end] = qpos[:, joint.qpos_index + offset]
    return recording(columns, "MyoFullBody")


def some_postures(anatomy: Anatomy, rng: np.random.Generator, frames: int = 20) -> torch.Tensor:
    low, high = anatomy.limits()
    share = torch.tensor(rng.uniform(0.3, 0.7, (frames, len(low))))
    z = torch.where(torch.isfinite(low), low + share * (high - low), anatomy.rest)
    if anatomy.free:
        z[:, 3:7] = torch.nn.functional.normalize(torch.tensor(rng.normal(size=(frames, 4))), dim=1)
    return z


@pytest.mark.parametrize("body", ["full", "arms"])
def test_positions_of_our_body_are_posed_by_its_own_kinematics(
    body: str, rng: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    anatomy: Anatomy = request.getfixturevalue(body)
    z = some_postures(anatomy, rng)
    result = posed(trajectory(anatomy, z), anatomy)
    pose = anatomy.kinematics.pose(z)
    assert result.points is not None
    same = {"shoulder": "shoulder", "elbow": "elbow", "hip": "hip", "knee": "knee", "ankle": "ankle"}
    for side in ("right", "left"):
        for theirs, ours in same.items():
            if f"{side}_{ours}" in anatomy.landmarks:
                wanted = pose.pos[:, anatomy.landmarks.index(f"{side}_{ours}")].numpy()
                found = result.points[:, result.names.index(f"{side}_{theirs}")]
                np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_arms_of_a_whole_body_are_taken_for_the_arms(full: Anatomy, arms: Anatomy, rng: np.random.Generator) -> None:
    whole = trajectory(full, some_postures(full, rng))
    result = posed(whole, arms)
    assert "left_wrist" in result.names and "left_knee" not in result.names
    assert any("left out" in note for note in result.origin.notes)


def test_dependent_joints_follow_the_couplings(full: Anatomy, rng: np.random.Generator) -> None:
    """A file whose dependent joints are off is posed as if they were not, and it is said by how much."""
    sound = trajectory(full, some_postures(full, rng))
    assert sound.coordinates is not None
    values = sound.coordinates.values.copy()
    values[:, sound.coordinates.names.index("knee_angle_rotation2_r")] += math.radians(3.0)
    broken = replace(sound, coordinates=replace(sound.coordinates, values=values))
    found = posed(broken, full)
    assert found.points is not None
    np.testing.assert_allclose(found.points, posed(sound, full).points, atol=1e-12)
    assert any("up to 3 deg" in note and "knee_angle_rotation2_r" in note for note in found.origin.notes)


@pytest.mark.parametrize("body", ["full", "arms"])
def test_turns_tell_exactly_how_our_segments_stand(
    body: str, rng: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    """What `rest.turn_targets` makes of rest pose and turns is the orientation of our own segments."""
    anatomy: Anatomy = request.getfixturevalue(body)
    z = some_postures(anatomy, rng, 5)
    result, rig = posed(trajectory(anatomy, z), anatomy), Rig.of(anatomy)
    assert result.tree is not None and result.turns is not None
    facing = rest_facing(result.tree, SKELETONS["SMPL"])
    if not anatomy.free:
        assert facing is None  # Nobody stands without legs, so turns are not used.
        return
    assert facing is not None
    np.testing.assert_allclose(facing, FACING, atol=1e-6)
    pose = rig.kinematics.pose(z)
    targets = turn_targets(result, SKELETONS["SMPL"], rig)
    assert len(targets) == 14
    for target in targets:
        turn = to_matrix(torch.tensor(result.turns[:, target.column])).numpy() @ target.rest
        np.testing.assert_allclose(turn, pose.rotation[:, target.segment].numpy(), atol=1e-5)


def walking(anatomy: Anatomy, frames: int = 100) -> torch.Tensor:
    """A stride in the air: legs and arms swing, the pelvis moves on too fast for the feet to stand."""
    time = torch.arange(frames, dtype=torch.float64) / 100
    z = anatomy.rest.repeat(frames, 1)
    z[:, 3:7] = from_matrix(torch.eye(3, dtype=torch.float64))
    z[:, 1] -= 4.0 * time
    z[:, 2] += 0.3 + 0.02 * torch.cos(4 * math.pi * time)
    for side, phase in (("r", 0.0), ("l", math.pi)):
        swing = 2 * math.pi * time + phase
        for name, middle, size, lag in (
            ("hip_flexion", 10.0, 25.0, 0.0), ("hip_adduction", -3.0, 5.0, 1.0), ("knee_angle", 35.0, 25.0, 1.2),
            ("ankle_angle", 0.0, 12.0, 2.0), ("elbow_flex", 40.0, 15.0, 0.4), ("shoulder_elv", 30.0, 10.0, 0.0),
        ):  # fmt: skip
            column = anatomy.coordinate_names.index(f"{name}_{side}") + 1
            z[:, column] = torch.deg2rad(middle + size * torch.cos(swing - lag))
    return z


def test_the_pipeline_finds_the_angles_again(full: Anatomy) -> None:
    z = walking(full)
    clip = fit(posed(trajectory(full, z), full), full).clip
    for side in ("r", "l"):
        for name in ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle"):
            column = full.coordinate_names.index(f"{name}_{side}") + 1
            off = torch.rad2deg(clip.pos[:, column] - z[: clip.frames, column])
            assert float(off.square().mean().sqrt()) < 1.0, name


REAL = [
    ("moco_coordinates.sto.gz", "motion_capture_walk.trc", 0.45, 0.0),
    ("run_IK_outputReference.mot", "motion_capture_run.trc", 0.23, 0.23),
]


@pytest.fixture(params=REAL, ids=["walk", "run"])
def trial(request: pytest.FixtureRequest, data_folder: Path, full: Anatomy) -> tuple[Recording, Recording, float]:
    """Published coordinates, posed; the markers of the same trial; and when the former begin in the latter [s]."""
    file, markers, start, marker_start = request.param
    folder = data_folder / "rajagopal2016"
    return posed(read(folder / file), full), read(folder / markers), start - marker_start


def test_published_coordinates_stand_upright_on_the_floor(trial: tuple[Recording, Recording, float]) -> None:
    result, _, _ = trial
    assert result.points is not None
    height = {name: result.points[:, column, 2] for column, name in enumerate(result.names)}
    assert 1.5 < height["head"].mean() < 1.8
    assert (height["head"] > height["pelvis"] + 0.4).all()
    assert (height["pelvis"] > height["left_knee"] + 0.2).all()
    for side in ("left", "right"):
        assert 0.0 < height[f"{side}_foot"].min() < 0.08
        assert 0.04 < height[f"{side}_ankle"].min() < 0.14


NEIGHBOURS = {
    "R.Knee": ("right_knee", 0.09), "L.Knee": ("left_knee", 0.09), "R.Ankle": ("right_ankle", 0.09),
    "L.Ankle": ("left_ankle", 0.09), "R.Wrist": ("right_wrist", 0.05), "L.Wrist": ("left_wrist", 0.06),
    "R.Shoulder": ("right_shoulder", 0.08), "RACR": ("right_shoulder", 0.07), "LACR": ("left_shoulder", 0.07),
    "RLEL": ("right_elbow", 0.10), "LLEL": ("left_elbow", 0.10), "RTOE": ("right_foot", 0.09),
    "LTOE": ("left_foot", 0.09),
}  # fmt: skip
"""Joint centres by markers near them, and how far those are from there on the skin, knee 6 cm to the side [m]."""


def test_published_coordinates_agree_with_the_markers_of_the_trial(trial: tuple[Recording, Recording, float]) -> None:
    result, markers, start = trial
    assert result.points is not None and markers.points is not None
    times = np.arange(result.frames) / result.rate + start
    rows = np.round(times * markers.rate).astype(int)
    exact = np.abs(rows / markers.rate - times) < 0.2 / markers.rate
    exact &= rows < markers.frames
    for marker, (joint, distance) in NEIGHBOURS.items():
        if marker in markers.names:
            on_skin = markers.points[rows[exact], markers.names.index(marker)]
            away = np.linalg.norm(result.points[exact, result.names.index(joint)] - on_skin, axis=1)
            assert np.nanmean(away) < distance, marker
            if marker.endswith("Knee"):
                # Along the thigh and forward there is no skin between; sideways there is half a knee.
                centre = np.nanmean(result.points[exact, result.names.index(joint)] - on_skin, axis=0)
                assert np.abs(centre[[0, 2]]).max() < 0.03
