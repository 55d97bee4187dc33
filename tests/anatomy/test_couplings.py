import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy


def postures(body: Anatomy, count: int = 8) -> torch.Tensor:
    low, high = (limit.clamp(-1.0, 1.0) for limit in body.limits())
    generator = torch.Generator().manual_seed(0)
    z = low + (high - low) * torch.rand(count, len(low), generator=generator, dtype=torch.float64)
    if body.free:
        z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=-1)
    return z


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_a_posture_satisfies_mujocos_own_equalities(body: Anatomy) -> None:
    data = mujoco.MjData(body.model)
    for posture in body.couplings.qpos(postures(body)):
        data.qpos[:] = posture.numpy()
        mujoco.mj_fwdPosition(body.model, data)
        equalities = data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY
        assert equalities.sum() == len(body.couplings.polynomial)
        assert np.abs(data.efc_pos[equalities]).max() < 1e-9


def test_independent_coordinates_survive_the_round_trip(body: Anatomy) -> None:
    z = postures(body)
    torch.testing.assert_close(body.couplings.independent(body.couplings.qpos(z)), z, atol=0, rtol=0)


def test_projection_mends_a_posture_and_leaves_a_mended_one_alone(body: Anatomy) -> None:
    broken = body.couplings.qpos(postures(body)) + 0.1
    mended = body.couplings.project(broken)
    assert body.couplings.residual(broken).abs().max() > 0.01
    assert body.couplings.residual(mended).abs().max() == 0
    torch.testing.assert_close(body.couplings.project(mended), mended, atol=0, rtol=0)


def test_velocities_and_accelerations_are_time_derivatives_of_the_posture(body: Anatomy) -> None:
    # Joints only: the root's quaternion has another derivative. z(t) = z + rate t + acceleration t²/2.
    couplings, z = body.couplings, postures(body)
    rate, acceleration = (0.5 * torch.randn(len(z), couplings.coordinate_size, dtype=torch.float64) for _ in range(2))
    root = couplings.pos_size - couplings.coordinate_size and 7
    pad = torch.zeros(len(z), couplings.pos_size, dtype=torch.float64)
    dz, ddz = pad.clone(), pad.clone()
    dz[:, root:], ddz[:, root:] = rate[:, max(root - 1, 0) :], acceleration[:, max(root - 1, 0) :]
    step = 1e-4
    ahead, here, behind = (couplings.qpos(z + dz * t + 0.5 * ddz * t**2) for t in (step, 0.0, -step))
    joints = couplings.dependent_pos_index
    velocity = couplings.qvel(z, rate)[:, couplings.dependent_rate_index]
    torch.testing.assert_close((ahead - behind)[:, joints] / (2 * step), velocity, atol=1e-6, rtol=1e-6)
    second = couplings.qacc(z, rate, acceleration)[:, couplings.dependent_rate_index]
    torch.testing.assert_close((ahead - 2 * here + behind)[:, joints] / step**2, second, atol=1e-5, rtol=1e-5)


def test_reducing_is_the_transpose_of_the_velocity_map(body: Anatomy) -> None:
    # Power is the same in both descriptions: f · (T dz) = (Tᵀ f) · dz.
    couplings, z = body.couplings, postures(body)
    force = torch.randn(len(z), couplings.dof_size, dtype=torch.float64)
    rate = torch.randn(len(z), couplings.coordinate_size, dtype=torch.float64)
    power = (force * couplings.qvel(z, rate)).sum(-1)
    torch.testing.assert_close((couplings.reduce(z, force) * rate).sum(-1), power)
    dense = (couplings.matrix(z) @ rate[..., None]).squeeze(-1)
    torch.testing.assert_close(dense, couplings.qvel(z, rate))


def test_the_driver_alone_keeps_coupled_joints_in_their_published_range() -> None:
    from myotrack.anatomy.changes import Repairs

    published = {joint.name: joint for joint in Anatomy.load("full", repairs=Repairs.none()).joints}
    body = Anatomy.load("full")
    low, high = body.limits()
    for bound in (low, high):
        z = bound.clone()
        z[:7] = body.rest[:7]
        qpos = body.couplings.qpos(z)
        for joint in body.joints:
            if not joint.independent:
                limits = published[joint.name]
                assert limits.low - 1.1e-3 <= qpos[joint.qpos_index] <= limits.high + 1.1e-3


def test_the_single_precision_state_of_a_simulator_can_be_used_as_it_is(body: Anatomy) -> None:
    z = postures(body)
    single = body.couplings.qpos(z.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), body.couplings.qpos(z), atol=1e-6, rtol=1e-6)
    assert body.couplings.residual(single).abs().max() == 0
