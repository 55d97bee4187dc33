"""A positive coordinate moves the body the way its table says. Axes of the world: forward -y, left +x, up +z."""

import pytest
import torch

from myotrack.anatomy.joints import positive_direction
from myotrack.anatomy.model import Anatomy

FORWARD, LEFT, UP = (torch.tensor(axis, dtype=torch.float64) for axis in ((0, -1, 0), (1, 0, 0), (0, 0, 1)))


@pytest.mark.parametrize(
    ("coordinate", "meaning", "landmark", "direction"),
    [
        ("flex_extension", "extension", "head", -FORWARD),
        ("lat_bending", "bending to the right", "head", -LEFT),
        ("shoulder_elv_r", "elevation", "right_elbow", -LEFT),
        ("elbow_flex_r", "elbow flexion", "right_hand", FORWARD),
        ("flexion_r", "wrist flexion", "right_hand", LEFT),
        ("deviation_r", "radial deviation", "right_hand", FORWARD),
        ("hip_flexion_r", "hip flexion", "right_knee", FORWARD),
        ("hip_adduction_r", "hip adduction", "right_knee", LEFT),
        ("knee_angle_r", "knee flexion", "right_ankle", -FORWARD),
        ("ankle_angle_r", "dorsiflexion", "right_toe", UP),
    ],
)
def test_a_positive_angle_moves_the_limb_as_the_table_says(full, coordinate, meaning, landmark, direction) -> None:
    moved = full.rest.clone()
    moved[full.coordinate_names.index(coordinate) + 1] += 0.3
    index = full.landmarks.index(landmark)
    shift = full.kinematics.pose(moved).pos[index] - full.kinematics.pose(full.rest).pos[index]
    assert meaning in positive_direction(coordinate.removesuffix("_r"))
    assert shift @ direction > 0.8 * shift.norm() > 0.01


@pytest.mark.parametrize(
    ("coordinate", "meaning", "landmark", "axis"),
    [
        ("axial_rotation", "rotation to the left", "head", UP),
        ("shoulder_rot_r", "internal rotation", "right_elbow", UP),
        ("pro_sup_r", "pronation", "right_hand", UP),
        ("hip_rotation_r", "internal rotation", "right_knee", UP),
        ("subtalar_angle_r", "inversion", "right_toe", FORWARD),
        ("mtp_angle_r", "toe flexion", "right_toe", LEFT),
    ],
)
def test_a_positive_angle_turns_the_segment_as_the_table_says(full, coordinate, meaning, landmark, axis) -> None:
    moved = full.rest.clone()
    moved[full.coordinate_names.index(coordinate) + 1] += 0.1
    index = full.landmarks.index(landmark)
    before, after = (full.kinematics.pose(z).rotation[index] for z in (full.rest, moved))
    turn = after @ before.T
    spin = torch.stack([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    assert meaning in positive_direction(coordinate.removesuffix("_r"))
    assert spin @ axis > 0.05


def test_left_and_right_have_the_same_sign_and_range(full: Anatomy) -> None:
    joints = {joint.name: joint for joint in full.joints}
    for name, joint in joints.items():
        if name.endswith("_r"):
            twin = joints[name.removesuffix("_r") + "_l"]
            assert (joint.positive, joint.low, joint.high) == (twin.positive, twin.low, twin.high)


def test_every_joint_of_every_body_is_described() -> None:
    for name in ("full", "arms"):
        assert all(joint.positive for joint in Anatomy.load(name, fingers=True).joints)
