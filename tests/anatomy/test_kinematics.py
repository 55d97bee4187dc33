import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.model import Anatomy
from tests.anatomy.test_couplings import postures


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_landmarks_and_jacobians_agree_with_mujoco(body: Anatomy) -> None:
    z = postures(body)
    pose, jacobian = body.kinematics.pose_and_jacobian(z)
    data = mujoco.MjData(body.model)
    for row, qpos in enumerate(body.couplings.qpos(z)):
        data.qpos[:] = qpos.numpy()
        mujoco.mj_kinematics(body.model, data)
        mujoco.mj_comPos(body.model, data)
        to_coordinates = body.couplings.matrix(z[row]).numpy()
        for index, name in enumerate(body.landmarks):
            site = body.model.site(site_name(name)).id
            pos, spin = np.zeros((2, 3, body.model.nv))
            mujoco.mj_jacSite(body.model, data, pos, spin, site)
            np.testing.assert_allclose(pose.pos[row, index], data.site_xpos[site], atol=1e-12)
            np.testing.assert_allclose(pose.rotation[row, index].ravel(), data.site_xmat[site], atol=1e-12)
            np.testing.assert_allclose(jacobian.pos[row, index], pos @ to_coordinates, atol=1e-12)
            np.testing.assert_allclose(jacobian.spin[row, index], spin @ to_coordinates, atol=1e-12)


def test_any_leading_dimensions_give_the_same_landmarks(body: Anatomy) -> None:
    z = postures(body, 6)
    flat, _ = body.kinematics.pose_and_jacobian(z)
    folded, jacobian = body.kinematics.pose_and_jacobian(z.reshape(2, 3, -1))
    torch.testing.assert_close(folded.pos.reshape(flat.pos.shape), flat.pos, atol=1e-14, rtol=0)
    assert jacobian.pos.shape == (2, 3, len(body.landmarks), 3, body.couplings.coordinate_size)
    one = body.kinematics.pose(z[0])
    torch.testing.assert_close(one.pos, flat.pos[0], atol=1e-14, rtol=0)


def test_single_precision_is_good_to_a_micrometre(body: Anatomy) -> None:
    z = postures(body)
    single = body.kinematics.to("cpu", torch.float32).pose(z.float())
    assert (single.pos.double() - body.kinematics.pose(z).pos).abs().max() < 2e-6


def test_landmark_frames_look_forward_left_and_up_in_the_neutral_pose(body: Anatomy) -> None:
    # The body faces -y, with its left side at +x.
    rotation = body.kinematics.pose(body.rest).rotation
    facing = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    aligned = rotation - facing
    # The resting knee is not quite straight for the coupled tibia, hence the tolerance.
    assert aligned.abs().max() < 1e-3
