"""The equations of motion: against MuJoCo's own inverse dynamics, by the power they carry, and on every backend."""

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.referee import Referee
from myotrack.simulate.threads import Threads
from tests.simulate.worlds import start


def moving(body: Anatomy, worlds: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Postures within the limits, with rates and accelerations."""
    generator = torch.Generator().manual_seed(3)
    low, high = body.limits()
    width = torch.rand(worlds, len(low), generator=generator, dtype=torch.float64)
    z = body.rest.expand(worlds, -1).clone()
    bounded = torch.isfinite(low)
    z[:, bounded] += (0.3 * (width - 0.5) * (high - low))[:, bounded]
    if body.free:
        z[:, 2] += 1.0
        z[:, 3:7] = torch.nn.functional.normalize(torch.tensor([1.0, 0.2, -0.3, 0.4], dtype=torch.float64), dim=0)
    size = body.couplings.coordinate_size
    rate = torch.randn(worlds, size, generator=generator, dtype=torch.float64)
    acceleration = 5 * torch.randn(worlds, size, generator=generator, dtype=torch.float64)
    return z, rate, acceleration


@pytest.mark.parametrize("name", ["arms", "full"])
def test_moments_equal_mujocos_inverse_dynamics(name: str, request) -> None:
    body: Anatomy = request.getfixturevalue(name)
    z, rate, acceleration = moving(body)
    simulator = Referee(body, len(z), dtype=torch.float64)
    start(simulator, z=z, velocity=rate)
    mechanics = simulator.mechanics
    ours = torch.einsum("wij,wj->wi", mechanics.mass, acceleration) + mechanics.bias - mechanics.passive
    couplings = body.couplings
    for world in range(len(z)):
        data = simulator.data(world)
        data.qacc[:] = couplings.qacc(z[world], rate[world], acceleration[world]).numpy()
        mujoco.mj_inverse(body.model, data)
        # What MuJoCo calls inverse leaves out the forces of its constraints, which ours hold by construction.
        theirs = couplings.reduce(z[world], torch.as_tensor(data.qfrc_inverse + data.qfrc_constraint))
        torch.testing.assert_close(ours[world], theirs, atol=1e-8, rtol=1e-9)


@pytest.mark.parametrize("name", ["arms", "full"])
def test_a_moment_arm_is_the_slope_of_the_muscle_length(name: str, request) -> None:
    body: Anatomy = request.getfixturevalue(name)
    z, rate, _ = moving(body, worlds=1)
    step = 1e-6
    entries = range(7 if body.free else 0, z.shape[1])
    moved = z.repeat(2 * len(entries), 1)
    for row, entry in enumerate(entries):
        moved[2 * row, entry] += step
        moved[2 * row + 1, entry] -= step
    simulator = Threads(body, len(moved), dtype=torch.float64)
    start(simulator, z=moved)
    ahead, behind = simulator.mechanics.muscle_length.view(len(entries), 2, -1).unbind(dim=1)
    simulator = Referee(body, 1, dtype=torch.float64)
    start(simulator, z=z, velocity=rate)
    arm = simulator.mechanics.moment_arm[0, :, 6 if body.free else 0 :]
    assert (arm.abs().amax(dim=0) > 1e-3).all()
    torch.testing.assert_close(arm.T, -(ahead - behind) / (2 * step), atol=1e-6, rtol=1e-5)
    if body.free:
        assert simulator.mechanics.moment_arm[0, :, :6].abs().max() < 1e-12


@pytest.mark.parametrize("name", ["arms", "full"])
def test_tension_does_the_work_its_shortening_says(name: str, request) -> None:
    body: Anatomy = request.getfixturevalue(name)
    z, rate, _ = moving(body)
    simulator = Referee(body, len(z), dtype=torch.float64)
    start(simulator, z=z, velocity=rate)
    mechanics = simulator.mechanics
    tension = torch.rand(mechanics.muscle_length.shape, dtype=torch.float64) * 500
    by_joints = torch.einsum("wm,wmc,wc->w", tension, mechanics.moment_arm, rate)
    by_muscles = -(tension * mechanics.muscle_velocity).sum(dim=1)
    torch.testing.assert_close(by_joints, by_muscles, atol=1e-9, rtol=1e-9)


def test_the_mass_of_a_free_root_is_that_of_the_body(full: Anatomy) -> None:
    simulator = Referee(full, 1, dtype=torch.float64)
    mass = simulator.mechanics.mass[0]
    torch.testing.assert_close(mass[:3, :3], torch.eye(3, dtype=torch.float64) * full.model.body_mass.sum())
    assert np.linalg.eigvalsh(mass.numpy()).min() > 0


def test_threads_have_the_referees_equations(arms: Anatomy) -> None:
    z, rate, _ = moving(arms)
    threads, referee = (kind(arms, len(z), dtype=torch.float64) for kind in (Threads, Referee))
    for simulator in (threads, referee):
        start(simulator, z=z, velocity=rate)
        simulator.advance(torch.full((len(z), arms.model.nu), 0.1))
    for field, values in vars(threads.mechanics).items():
        assert torch.equal(values, getattr(referee.mechanics, field)), field
