"""Tension and activation: against MuJoCo's own functions and its simulation."""

import mujoco
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.simulate.physics import Physics
from myotrack.simulate.threads import Threads
from myotrack.steer.activation import ActivationLaw


@pytest.mark.parametrize("name", ["arms", "full"])
def test_tension_equals_mujocos_muscle_functions(name: str, request) -> None:
    body: Anatomy = request.getfixturevalue(name)
    model, curves = body.model, Curves.of(body)
    generator = torch.Generator().manual_seed(0)
    path = torch.as_tensor(model.actuator_lengthrange)
    fibre = curves.gain.fibre
    lengths = path[:, 0] + (torch.rand(40, model.nu, generator=generator, dtype=torch.float64) * 3 - 1) * (
        path[:, 1] - path[:, 0]
    )
    velocities = torch.randn(40, model.nu, generator=generator, dtype=torch.float64) * fibre * curves.gain.speed
    ours = curves.tension(lengths, velocities)
    for row in range(40):
        for muscle in range(model.nu):
            length, velocity = float(lengths[row, muscle]), float(velocities[row, muscle])
            gain = mujoco.mju_muscleGain(
                length, velocity, path[muscle].numpy(), model.actuator_acc0[muscle], model.actuator_gainprm[muscle, :9]
            )
            bias = mujoco.mju_muscleBias(
                length, path[muscle].numpy(), model.actuator_acc0[muscle], model.actuator_biasprm[muscle, :9]
            )
            assert float(ours.active[row, muscle]) == pytest.approx(-gain, abs=1e-7, rel=1e-9)
            assert float(ours.passive[row, muscle]) == pytest.approx(-bias, abs=1e-7, rel=1e-9)
    assert (ours.active > 0).any() and (ours.passive > 0).any()


def test_tension_is_what_the_simulator_reports(arms: Anatomy) -> None:
    simulator = Threads(arms, 2, dtype=torch.float64)
    for _ in range(10):
        simulator.advance(torch.full((2, arms.model.nu), 0.4))
    body = simulator.body
    tension = Curves.of(arms).tension(body.muscle_length, body.muscle_velocity)
    torch.testing.assert_close(tension.at(body.muscle_activation), body.muscle_force, atol=1e-8, rtol=1e-10)


@settings(max_examples=200, deadline=None)
@given(
    start=st.floats(0.0, 1.0),
    drive=st.floats(0.0, 1.0),
    taus=st.sampled_from([(0.010, 0.040), (0.015, 0.050)]),
)
def test_an_excitation_is_found_again_from_what_it_does(start: float, drive: float, taus: tuple[float, float]) -> None:
    law = ActivationLaw(*(torch.tensor([tau], dtype=torch.float64) for tau in taus), timestep=0.002, substeps=5)
    now, excitation = torch.tensor([[start]], dtype=torch.float64), torch.tensor([[drive]], dtype=torch.float64)
    later = law.after(now, excitation)
    again = law.excitation(now, later)
    torch.testing.assert_close(law.after(now, again), later, atol=1e-12, rtol=0.0)
    torch.testing.assert_close(again, excitation, atol=1e-9, rtol=0.0)


def test_the_law_is_the_simulators(full: Anatomy) -> None:
    simulator = Threads(full, 3, dtype=torch.float64)
    law = ActivationLaw.of(full, simulator.physics)
    generator = torch.Generator().manual_seed(2)
    for _ in range(4):
        drive = torch.rand(3, full.model.nu, generator=generator, dtype=torch.float64)
        expected = law.after(simulator.body.muscle_activation, drive)
        simulator.advance(drive)
        torch.testing.assert_close(simulator.body.muscle_activation, expected, atol=1e-12, rtol=0.0)


def test_what_cannot_be_reached_is_approached_with_all_there_is() -> None:
    law = ActivationLaw(*(torch.full((3,), tau, dtype=torch.float64) for tau in (0.01, 0.04)), 0.002, 5)
    now = torch.tensor([[0.0, 1.0, 0.5]], dtype=torch.float64)
    wanted = torch.tensor([[1.0, 0.0, 0.5]], dtype=torch.float64)
    assert torch.equal(law.excitation(now, wanted), torch.tensor([[1.0, 0.0, 0.5]], dtype=torch.float64))
    reach = law.reach(now)
    assert (reach.low <= now).all() and (now <= reach.high).all()
    # By hand: one step from zero under full drive is dt / (tau 0.5).
    once = ActivationLaw(law.rise, law.fall, 0.002, 1).reach(now)
    assert float(once.high[0, 0]) == pytest.approx(0.002 / (0.01 * 0.5))
    assert float(once.low[0, 1]) == pytest.approx(1 - 0.002 * 2.0 / 0.04)


def test_a_step_that_would_pass_its_aim_is_refused(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="too long for the muscles' time constants"):
        ActivationLaw.of(arms, Physics(timestep=0.006, substeps=2))
