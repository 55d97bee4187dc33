"""Laws of nature and of muscle, as the simulated bodies must obey them."""

import math

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.contact import ground_reaction
from myotrack.simulate.physics import Physics
from myotrack.simulate.threads import Threads
from tests.simulate.worlds import drive, start, statue

GRAVITY = 9.81


def test_standing_ground_reaction_equals_body_weight(full: Anatomy) -> None:
    stone = statue(full)
    threads = Threads(stone, 1, dtype=torch.float64)
    # In the neutral pose the body leans back on its heels: lean 0.08 rad forward about the ankles.
    z = full.rest.expand(1, -1).clone()
    for ankle in ("ankle_angle_r", "ankle_angle_l"):
        z[:, full.coordinate_names.index(ankle) + 1] += 0.08
    z[:, 3:7] = torch.tensor([math.cos(0.04), math.sin(0.04), 0.0, 0.0])
    start(threads, z=z)
    nothing = torch.zeros(1, full.model.nu)
    for _ in range(300):
        threads.advance(nothing)
    state, weight = threads.body, full.model.body_mass.sum() * GRAVITY
    assert state.foot_force_w[..., 2].sum().item() == pytest.approx(weight, rel=1e-3)
    assert state.foot_force_w[..., :2].sum(1).abs().max() < 0.01 * weight
    # At rest the weight acts through the centre of pressure.
    load = state.foot_force_w[0, :, 2:]
    pressure = (state.foot_cop_w[0] * load).sum(0) / load.sum()
    torch.testing.assert_close(pressure[:2], state.com_pos_w[0, :2], atol=2e-3, rtol=0)


def test_in_free_fall_the_centre_of_mass_falls_and_momentum_stays(full: Anatomy) -> None:
    # Muscles are inner forces: whatever they do, the centre of mass falls like a stone.
    threads = Threads(full, 1, dtype=torch.float64)
    z = full.rest.expand(1, -1).clone()
    z[:, 2] += 3.0
    start(threads, z=z)
    begin = threads.body
    for excitation in drive(full, 30, 1):
        threads.advance(excitation)
    end = threads.body
    torch.testing.assert_close(end.com_vel_w[0, 2].item(), -GRAVITY * 0.3, rtol=1e-3, atol=0.0)
    assert (end.com_vel_w[0, :2] - begin.com_vel_w[0, :2]).abs().max() < 5e-3
    assert end.angular_momentum_w.abs().max() < 0.5


def test_a_falling_statue_turns_height_into_speed(full: Anatomy) -> None:
    stone = statue(full)
    threads = Threads(stone, 1, Physics(timestep=0.0005, substeps=20), dtype=torch.float64)
    z = full.rest.expand(1, -1).clone()
    z[:, 2] += 3.0
    start(threads, z=z)
    height = threads.body.com_pos_w[0, 2].item()
    for _ in range(40):
        threads.advance(torch.zeros(1, full.model.nu))
    state = threads.body
    fallen = height - state.com_pos_w[0, 2].item()
    assert 0.5 * state.com_vel_w[0, 2].item() ** 2 == pytest.approx(GRAVITY * fallen, rel=2e-3)


@pytest.mark.parametrize("name", ["full", "arms"])
def test_a_mirrored_world_behaves_as_the_mirror_image(name: str, request) -> None:
    body = request.getfixturevalue(name)
    threads, mirror = Threads(body, 2, dtype=torch.float64), body.mirror
    generator = torch.Generator().manual_seed(0)
    rate = torch.randn(body.couplings.coordinate_size, generator=generator, dtype=torch.float64)
    z = body.rest.clone()
    start(threads, z=torch.stack([z, mirror.z(z)]), velocity=torch.stack([rate, mirror.rate(rate)]))
    for excitation in drive(body, 20, 1, high=0.3):
        threads.advance(torch.cat([excitation, mirror.muscle(excitation)]))
    state = threads.body
    image = mirror.landmark_pos(state.landmark_pos_w[0])
    torch.testing.assert_close(state.landmark_pos_w[1], image, atol=1e-3, rtol=0)
    force = mirror.muscle(state.muscle_force[0])
    assert (state.muscle_force[1] - force).abs().max() < 0.01 * force.max()


def test_activation_follows_its_published_law(arms: Anatomy) -> None:
    # da/dt = (u - a) / tau; tau = rise (0.5 + 1.5 a) while rising, fall / (0.5 + 1.5 a) while falling.
    # Source: Millard et al. (2013), doi:10.1115/1.4023390; integrated here by Euler steps of 2 ms.
    threads = Threads(arms, 1, dtype=torch.float64)
    rise, fall = (np.array([getattr(muscle, which) for muscle in arms.muscles]) for which in ("rise", "fall"))
    activation = np.full(arms.model.nu, 0.3)
    start(threads, activation=torch.as_tensor(activation[None]))
    for excitation in drive(arms, 10, 1, high=1.0):
        threads.advance(excitation)
        wanted = excitation[0].double().numpy()
        for _ in range(5):
            level = 0.5 + 1.5 * activation
            tau = np.where(wanted > activation, rise * level, fall / level)
            activation = activation + 0.002 * (wanted - activation) / tau
    np.testing.assert_allclose(threads.body.muscle_activation[0], activation, atol=1e-12)


def published_force(muscle, activation: float, length: float, velocity: float) -> float:
    """Tension [N] by the curves of the MuJoCo manual (muscle actuators), written out again in plain Python."""
    fibre = (length - muscle.tendon_length) / muscle.fibre_length
    speed = velocity / (muscle.fibre_length * muscle.speed_max)
    low, high = muscle.curve_range
    rising, falling = 0.5 * (low + 1), 0.5 * (1 + high)
    if fibre <= low or fibre >= high:
        active = 0.0
    elif fibre <= rising:
        active = 0.5 * ((fibre - low) / (rising - low)) ** 2
    elif fibre <= 1:
        active = 1 - 0.5 * ((1 - fibre) / (1 - rising)) ** 2
    elif fibre <= falling:
        active = 1 - 0.5 * ((fibre - 1) / (falling - 1)) ** 2
    else:
        active = 0.5 * ((high - fibre) / (high - falling)) ** 2
    stretch = muscle.eccentric_max - 1
    if speed <= -1:
        by_speed = 0.0
    elif speed <= 0:
        by_speed = (speed + 1) ** 2
    elif speed <= stretch:
        by_speed = muscle.eccentric_max - (stretch - speed) ** 2 / stretch
    else:
        by_speed = muscle.eccentric_max
    if fibre <= 1:
        passive = 0.0
    elif fibre <= falling:
        passive = muscle.passive_max * 0.5 * ((fibre - 1) / (falling - 1)) ** 2
    else:
        passive = muscle.passive_max * (0.5 + (fibre - falling) / (falling - 1))
    return muscle.peak_force * (activation * active * by_speed + passive)


@pytest.mark.parametrize("name", ["full", "arms"])
def test_muscle_force_follows_the_published_curves(name: str, request) -> None:
    body = request.getfixturevalue(name)
    threads = Threads(body, 1, dtype=torch.float64)
    for excitation in drive(body, 20, 1, high=1.0):
        threads.advance(excitation)
    state = threads.body
    wanted = [
        published_force(muscle, *(quantity[0, index].item() for quantity in quantities))
        for quantities in [(state.muscle_activation, state.muscle_length, state.muscle_velocity)]
        for index, muscle in enumerate(body.muscles)
    ]
    np.testing.assert_allclose(state.muscle_force[0], wanted, rtol=1e-9, atol=1e-9)
    assert min(wanted) >= 0


def test_the_centre_of_pressure_of_two_regions_by_hand() -> None:
    # 300 N at x = 0.2 and 100 N at x = 0.4 act together at x = (60 + 40) / 400 = 0.25. The second foot is in the air.
    sensors = torch.zeros(1, 4, 10)
    sensors[0, 0] = torch.tensor([1.0, 0, 0, 300, 0, 0, 0, 0.2, 0.1, 0.0])
    sensors[0, 1] = torch.tensor([1.0, 0, 0, 100, 0, 0, 0, 0.4, 0.1, 0.0])
    reaction = ground_reaction(sensors)
    torch.testing.assert_close(reaction.foot_force_w[0, 0], torch.tensor([0.0, 0.0, 400.0]))
    torch.testing.assert_close(reaction.foot_cop_w[0, 0], torch.tensor([0.25, 0.1, 0.0]))
    assert reaction.foot_cop_w[0, 1].abs().sum() == 0
    assert reaction.foot_free_moment.abs().max() < 1e-4


def test_friction_along_a_line_beside_the_centre_of_pressure_is_a_free_moment() -> None:
    # 100 N down at the origin; 10 N forward (+x) at y = +0.1 and 10 N backward at y = -0.1: Tz = -0.1*10*2 = -2 N m.
    sensors = torch.zeros(1, 2, 10)
    sensors[0, 0] = torch.tensor([1.0, 10, 0, 50, 0, 0, 0, 0.0, 0.1, 0.0])
    sensors[0, 1] = torch.tensor([1.0, -10, 0, 50, 0, 0, 0, 0.0, -0.1, 0.0])
    reaction = ground_reaction(sensors)
    assert reaction.foot_free_moment[0, 0].item() == pytest.approx(-2.0, abs=1e-5)
