"""OpenSim's coordinates of our motions: the inverse of what is read, with the same signs, and moments of equal work."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from myotrack.algebra.quaternion import multiply, to_matrix
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.capture.recording import Coordinates
from myotrack.retarget.opensim import from_opensim, moments_to_opensim, to_opensim
from myotrack.retarget.rig import Rig
from tests.retarget.test_coordinates import some_postures


@pytest.fixture(params=["full", "arms"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig.of(request.getfixturevalue(request.param))


def named(coordinates: Coordinates, frame: int = 0) -> dict[str, float]:
    """Degrees and metres."""
    rows = zip(coordinates.names, coordinates.values[frame], coordinates.quantities, strict=True)
    return {name: float(np.rad2deg(value) if kind == "angle" else value) for name, value, kind in rows}


def posture(rig: Rig, **degrees: float) -> Tensor:
    """The neutral posture but for some of our joints."""
    z = rig.neutral(1)
    for name, angle in degrees.items():
        column = rig.column(name)
        assert column is not None
        z[:, column] = math.radians(angle)
    return z


def test_what_is_written_is_read_as_the_same_motion(rig: Rig, rng: np.random.Generator) -> None:
    z = some_postures(rig.anatomy, rng, 50)
    found, known, notes = from_opensim(to_opensim(z, rig), rig)
    if rig.anatomy.free:
        found[:, 3:7] *= torch.where((found[:, 3:7] * z[:, 3:7]).sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    torch.testing.assert_close(found, z, atol=1e-9, rtol=0)
    assert not notes and {joint.name for joint in rig.anatomy.joints if joint.independent} == known


@pytest.mark.parametrize(
    ("ours", "theirs", "sign"),
    [
        ("hip_flexion_r", "hip_flexion_r", 1), ("hip_adduction_l", "hip_adduction_l", 1),
        ("knee_angle_r", "knee_angle_r", 1), ("ankle_angle_l", "ankle_angle_l", 1),
        ("mtp_angle_r", "mtp_angle_r", -1), ("elbow_flex_l", "elbow_flex_l", 1),
        ("flexion_r", "wrist_flex_r", 1), ("deviation_r", "wrist_dev_r", -1),
    ],
)  # fmt: skip
def test_thirty_degrees_of_a_joint_are_thirty_in_the_file(full: Anatomy, ours: str, theirs: str, sign: int) -> None:
    """Flexion, adduction, dorsiflexion positive; Rajagopal's toes bend up and wrists deviate to the ulna."""
    rig = Rig.of(full)
    still, moved = (named(to_opensim(posture(rig, **angles), rig)) for angles in ({}, {ours: 30.0}))
    changed = {name: moved[name] - still[name] for name in moved if abs(moved[name] - still[name]) > 1e-9}
    caps = {"knee_angle_r_beta": 30.0} if ours == "knee_angle_r" else {}
    assert changed == pytest.approx({theirs: 30.0 * sign} | caps)
    assert still["pro_sup_r"] == pytest.approx(90.0)  # Palms at the thighs; Rajagopal's zero has them forward.


def test_someone_who_looks_along_y_has_turned_by_a_right_angle_to_the_left(full: Anatomy) -> None:
    rig = Rig.of(full)
    z = rig.neutral(2)  # Looks along -y; half a turn about z makes it look along +y, which is OpenSim's -z.
    z[0, :3] = torch.tensor([1.0, 2.0, 0.9], dtype=torch.float64)
    z[0, 3:7] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    found = named(to_opensim(z, rig))
    pelvis = {name: found[name] for name in found if name.startswith("pelvis")}
    assert pelvis == pytest.approx(
        {"pelvis_tilt": 0, "pelvis_list": 0, "pelvis_rotation": 90, "pelvis_tx": 1, "pelvis_ty": 0.9, "pelvis_tz": -2},
        abs=1e-9,
    )
    assert named(to_opensim(z[1:], rig))["pelvis_rotation"] == pytest.approx(-90)


def test_leaning_forward_is_negative_tilt_and_a_dropped_right_side_is_positive_list(full: Anatomy) -> None:
    """Rotations about OpenSim's z (to the right) and x (forward) by the right-hand rule, of who looks along x."""
    rig = Rig.of(full)
    left, forward, up = torch.eye(3, dtype=torch.float64)[[1, 0, 2]]
    turns = exponential(torch.stack([left, forward]) * math.radians(20.0))
    z = rig.neutral(2)
    z[:, 3:7] = multiply(turns, exponential(up * math.pi / 2).expand(2, 4))  # The neutral body looks along -y.
    names = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
    for frame, wanted in ((0, [-20, 0, 0]), (1, [0, 20, 0])):
        found = named(to_opensim(z[frame : frame + 1], rig))
        assert [found[name] for name in names] == pytest.approx(wanted, abs=1e-9)


def test_an_arm_that_is_raised_past_the_horizontal_does_not_jump(arms: Anatomy) -> None:
    """There OpenSim's angles come near to their singularity, and may go over to the other set of angles."""
    rig = Rig.of(arms)
    z = rig.neutral(600)
    column = rig.column("shoulder_elv_r")
    assert column is not None
    z[:, column] = torch.linspace(math.radians(5.0), math.radians(150.0), 600, dtype=torch.float64)
    found = to_opensim(z, rig)
    add = np.rad2deg(found.values[:, found.names.index("arm_add_r")])
    np.testing.assert_allclose(add[:300], -np.linspace(5.0, 150.0, 600)[:300], atol=0.5)
    assert np.abs(np.diff(found.values, axis=0)).max() < math.radians(8.0)
    torch.testing.assert_close(from_opensim(found, rig)[0], z, atol=1e-9, rtol=0)
    # A motion that begins there begins with the smaller angles: -120 deg, instead of -60 with two half turns.
    assert named(to_opensim(z[475:], rig))["arm_add_r"] == pytest.approx(-120.0, abs=0.5)


def test_turning_on_the_spot_goes_on_past_half_a_turn(full: Anatomy) -> None:
    rig = Rig.of(full)
    z = rig.neutral(100)
    angle = torch.linspace(0.0, 4 * math.pi, 100, dtype=torch.float64)
    z[:, 3:7] = exponential(angle[:, None] * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    found = to_opensim(z, rig)
    turned = found.values[:, found.names.index("pelvis_rotation")]
    np.testing.assert_allclose(turned - turned[0], angle, atol=1e-9)


def test_moments_do_the_same_work_in_both_coordinates(rig: Rig, rng: np.random.Generator) -> None:
    """Principle of virtual work, with OpenSim's rates by central differences."""
    anatomy, step = rig.anatomy, 1e-5
    z = some_postures(anatomy, rng, 20)
    size = anatomy.couplings.coordinate_size
    rate, moment = (torch.tensor(rng.normal(size=(20, size))) for _ in range(2))
    root = None
    if anatomy.free:
        about = (to_matrix(z[:, 3:7]) @ moment[:, 3:6, None])[..., 0]
        root = torch.cat([moment[:, :3], about], dim=1)

    def later(time: float) -> Tensor:
        move = time * rate
        if not anatomy.free:
            return z + move
        turned = multiply(z[:, 3:7], exponential(move[:, 3:6]))
        return torch.cat([z[:, :3] + move[:, :3], turned, z[:, 7:] + move[:, 6:]], dim=1)

    before, after = later(-step), later(step)
    for frame in range(20):
        here = slice(frame, frame + 1)
        pair = to_opensim(torch.stack([before[frame], after[frame]]), rig)
        speed = dict(zip(pair.names, (pair.values[1] - pair.values[0]) / (2 * step), strict=True))
        found = moments_to_opensim(z[here], moment[here], None if root is None else root[here], rig)
        work = sum(float(value[0]) * speed[name] for name, value in found.items())
        assert work == pytest.approx(float(moment[frame] @ rate[frame]), abs=1e-6)


def test_moments_have_the_signs_of_their_angles(full: Anatomy) -> None:
    """10 N m that bend a knee are +10; Rajagopal's toes count the other way; our +y is OpenSim's -z."""
    rig = Rig.of(full)
    moment = torch.zeros(1, full.couplings.coordinate_size, dtype=torch.float64)
    for name in ("knee_angle_r", "mtp_angle_l", "elbow_flex_r"):
        moment[0, full.coordinate_names.index(name)] = 10.0
    root = torch.tensor([[1.0, 2.0, 3.0, 0.0, 0.0, 7.0]])
    found = {name: float(value[0]) for name, value in moments_to_opensim(rig.neutral(1), moment, root, rig).items()}
    wanted = {
        "knee_angle_r": 10.0, "mtp_angle_l": -10.0, "elbow_flex_r": 10.0, "pelvis_tx": 1.0, "pelvis_ty": 3.0,
        "pelvis_tz": -2.0, "pelvis_rotation": 7.0,
    }  # fmt: skip
    assert {name: value for name, value in found.items() if abs(value) > 1e-9} == pytest.approx(wanted)


def test_a_hanging_arm_keeps_moments_finite(arms: Anatomy) -> None:
    rig = Rig.of(arms)
    moment = torch.ones(1, arms.couplings.coordinate_size, dtype=torch.float64)
    found = moments_to_opensim(rig.neutral(1), moment, None, rig)
    assert max(abs(float(value[0])) for value in found.values()) < 3.0


def test_a_published_motion_comes_through_our_body_unchanged(full: Anatomy, data_folder: Path) -> None:
    """Every column of Rajagopal's run, by inverse kinematics of OpenSim; the knee caps follow their constraint."""
    published = read(data_folder / "rajagopal2016/run_IK_outputReference.mot").coordinates
    assert published is not None
    rig = Rig.of(full)
    z, _, _ = from_opensim(published, rig)
    found = to_opensim(z, rig)
    assert found.names == published.names
    np.testing.assert_allclose(found.values, published.values, atol=1e-7)
