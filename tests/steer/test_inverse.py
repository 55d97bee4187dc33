"""Inverse dynamics: against MuJoCo's, by the power that forces carry, and by the weight of a body that stands."""

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.referee import Referee
from myotrack.simulate.threads import Threads
from myotrack.steer.ground import FEET
from myotrack.steer.inverse import Handles, inverse
from tests.simulate.test_mechanics import moving
from tests.simulate.worlds import start


def loads(worlds: int, segments: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Forces and their moments about the world's origin."""
    generator = torch.Generator().manual_seed(5)
    force = 300 * torch.randn(worlds, segments, 3, generator=generator, dtype=torch.float64)
    return force, 50 * torch.randn(worlds, segments, 3, generator=generator, dtype=torch.float64)


def test_forces_on_the_feet_leave_the_joints_what_mujoco_leaves_them(full: Anatomy) -> None:
    z, rate, acceleration = moving(full)
    force, moment = loads(len(z), len(FEET))
    simulator = Referee(full, len(z), dtype=torch.float64)
    start(simulator, z=z, velocity=rate)
    ours = inverse(simulator.mechanics, acceleration, Handles.of(full, FEET).generalised(z, force, moment))
    couplings, model = full.couplings, full.model
    for world in range(len(z)):
        data = simulator.data(world)
        for foot, name in enumerate(FEET):
            index = model.body(name).id
            # MuJoCo applies a force at the centre of mass, with the moment about it.
            about = moment[world, foot].numpy() - np.cross(data.xipos[index], force[world, foot].numpy())
            data.xfrc_applied[index] = np.concatenate([force[world, foot].numpy(), about])
        data.qacc[:] = couplings.qacc(z[world], rate[world], acceleration[world]).numpy()
        mujoco.mj_inverse(model, data)
        pushed = np.zeros(model.nv)
        for name in FEET:
            index = model.body(name).id
            push, turn = data.xfrc_applied[index, :3].copy(), data.xfrc_applied[index, 3:].copy()
            mujoco.mj_applyFT(model, data, push, turn, data.xipos[index], index, pushed)
        left = data.qfrc_inverse + data.qfrc_constraint - pushed
        torch.testing.assert_close(ours[world], couplings.reduce(z[world], torch.as_tensor(left)), atol=1e-7, rtol=1e-9)


def test_what_the_ground_does_is_force_times_velocity_of_the_foot(full: Anatomy) -> None:
    z, rate, _ = moving(full)
    force, moment = loads(len(z), len(FEET))
    power = (Handles.of(full, FEET).generalised(z, force, moment) * rate).sum(dim=1)
    simulator = Referee(full, len(z), dtype=torch.float64)
    start(simulator, z=z, velocity=rate)
    for world in range(len(z)):
        data, expected = simulator.data(world), 0.0
        for foot, name in enumerate(FEET):
            index, twist = full.model.body(name).id, np.zeros(6)
            mujoco.mj_objectVelocity(full.model, data, mujoco.mjtObj.mjOBJ_BODY, index, twist, 0)
            about = moment[world, foot].numpy() - np.cross(data.xipos[index], force[world, foot].numpy())
            expected += twist[:3] @ about + twist[3:] @ force[world, foot].numpy()
        assert float(power[world]) == pytest.approx(expected, rel=1e-9)


def test_the_floor_carries_a_body_that_stands_still(full: Anatomy) -> None:
    simulator = Threads(full, 1, dtype=torch.float64)
    still = torch.zeros(1, full.couplings.coordinate_size, dtype=torch.float64)
    weight, centre = float(full.model.body_mass.sum()) * 9.81, simulator.body.com_pos_w.double()
    # The whole weight on the right foot, right below the centre of mass: nothing is left for the pelvis.
    force = torch.zeros(1, 2, 3, dtype=torch.float64)
    force[0, 0, 2] = weight
    moment = torch.linalg.cross(torch.cat([centre[:, :2], torch.zeros(1, 1)], dim=1)[:, None].expand(1, 2, 3), force)
    external = Handles.of(full, FEET).generalised(full.rest[None], force, moment)
    needed = inverse(simulator.mechanics, still, external)
    assert needed[0, :6].abs().max() < 1e-3  # The centre of mass is read in single precision from 84 kg.
    assert float(inverse(simulator.mechanics, still)[0, 2]) == pytest.approx(weight, rel=1e-9)


def test_a_segment_that_is_not_there_is_named(full: Anatomy) -> None:
    with pytest.raises(KeyError, match="tail"):
        Handles.of(full, ("tail",))
