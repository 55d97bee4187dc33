import mujoco
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from tests.anatomy.test_couplings import postures


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_the_mirror_image_of_a_mirror_image_is_the_original(body: Anatomy) -> None:
    z, rate = postures(body), torch.randn(4, body.couplings.coordinate_size, dtype=torch.float64)
    pose, mirror = body.kinematics.pose(z), body.mirror
    drive = torch.rand(4, body.model.nu, dtype=torch.float64)
    torch.testing.assert_close(mirror.z(mirror.z(z)), z)
    torch.testing.assert_close(mirror.rate(mirror.rate(rate)), rate)
    torch.testing.assert_close(mirror.landmark_pos(mirror.landmark_pos(pose.pos)), pose.pos)
    torch.testing.assert_close(mirror.landmark_quat(mirror.landmark_quat(pose.quat)), pose.quat)
    torch.testing.assert_close(mirror.muscle(mirror.muscle(drive)), drive)


def test_a_mirrored_posture_has_mirrored_landmarks(body: Anatomy) -> None:
    z, mirror = postures(body), body.mirror
    pose, image = body.kinematics.pose(z), body.kinematics.pose(mirror.z(z))
    torch.testing.assert_close(image.pos, mirror.landmark_pos(pose.pos), atol=1e-12, rtol=0)
    wanted = mirror.landmark_quat(pose.quat)
    difference = torch.minimum((image.quat - wanted).norm(dim=-1), (image.quat + wanted).norm(dim=-1))
    assert difference.max() < 1e-12


def test_a_mirrored_motion_has_mirrored_landmark_velocities(body: Anatomy) -> None:
    z, mirror = postures(body), body.mirror
    rate = torch.randn(len(z), body.couplings.coordinate_size, dtype=torch.float64)
    _, jacobian = body.kinematics.pose_and_jacobian(z)
    _, image = body.kinematics.pose_and_jacobian(mirror.z(z))
    velocity, spin = (part @ rate[:, None, :, None] for part in (jacobian.pos, jacobian.spin))
    other = mirror.rate(rate)[:, None, :, None]
    torch.testing.assert_close((image.pos @ other).squeeze(-1), mirror.landmark_vector(velocity.squeeze(-1)))
    torch.testing.assert_close((image.spin @ other).squeeze(-1), mirror.landmark_spin(spin.squeeze(-1)))


def test_a_mirrored_posture_has_mirrored_muscle_lengths(body: Anatomy) -> None:
    z = postures(body)

    def lengths(row: torch.Tensor) -> torch.Tensor:
        data = mujoco.MjData(body.model)
        data.qpos[:] = body.couplings.qpos(row).numpy()
        mujoco.mj_fwdPosition(body.model, data)
        return torch.tensor(data.actuator_length)

    for row, image in zip(z, body.mirror.z(z), strict=True):
        # Path points of the trunk are rounded to 10 micrometres, differently on the two sides.
        torch.testing.assert_close(lengths(image), body.mirror.muscle(lengths(row)), atol=1e-5, rtol=0)


def test_left_and_right_are_named_as_pairs(body: Anatomy) -> None:
    for muscle, partner in zip(body.muscles, body.mirror.muscle_index.tolist(), strict=True):
        other = body.muscles[partner]
        assert {muscle.side, other.side} == {"left", "right"}
        assert (muscle.group, muscle.peak_force) == (other.group, other.peak_force)
