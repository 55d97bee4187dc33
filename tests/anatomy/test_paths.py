"""Lengths and moment arms: derivatives, power, mirror images, anatomy, and the numbers of the day they were written."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.anatomy.naming import indices_of
from myotrack.anatomy.paths import (
    lengths_and_arms,
    moment_arms,
    muscle_lengths,
    path_jumps,
    postures_over,
    random_postures,
)

GOLDEN = Path(__file__).parent / "golden"
STEP = 1e-6


@pytest.fixture(params=["full", "arms"])
def body(request: pytest.FixtureRequest) -> Anatomy:
    return request.getfixturevalue(request.param)


def moved(anatomy: Anatomy, z: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """The posture after a small time at a rate of the independent coordinates, the root standing still."""
    root_pos, root_rate = (7, 6) if anatomy.free else (0, 0)
    z = z.clone()
    z[..., root_pos:] += STEP * rate[..., root_rate:]
    return z


def test_moment_arms_are_what_the_length_loses_per_angle(body: Anatomy) -> None:
    z = random_postures(body, 6, seed=3, margin=0.05)
    arms = moment_arms(body, z)
    root = 6 if body.free else 0
    for coordinate in range(root, body.couplings.coordinate_size):
        rate = torch.zeros(body.couplings.coordinate_size, dtype=torch.float64)
        rate[coordinate] = 1.0
        slope = (muscle_lengths(body, moved(body, z, rate)) - muscle_lengths(body, moved(body, z, -rate))) / (2 * STEP)
        torch.testing.assert_close(arms[..., coordinate], -slope, atol=1e-7, rtol=0)


def test_the_root_has_no_moment_arms(full: Anatomy) -> None:
    assert moment_arms(full, random_postures(full, 6, seed=3))[..., :6].abs().max() < 1e-12


def test_the_power_of_the_moments_is_that_of_the_tendons(body: Anatomy) -> None:
    # MuJoCo's referee: its actuator velocity is dL/dt for any velocity that respects the couplings, and its generalised
    # force for a tension F is -F dL/dq. So F · v_shortening = (arms' F) · dz/dt.
    generator = torch.Generator().manual_seed(0)
    z = random_postures(body, 1, seed=4, margin=0.05)[0]
    rate = torch.randn(body.couplings.coordinate_size, dtype=torch.float64, generator=generator)
    tension = torch.rand(len(body.muscles), dtype=torch.float64, generator=generator)
    data = mujoco.MjData(body.model)
    data.qpos[:] = body.couplings.qpos(z).numpy()
    data.qvel[:] = body.couplings.qvel(z, rate).numpy()
    mujoco.mj_fwdPosition(body.model, data)
    mujoco.mj_fwdVelocity(body.model, data)
    power_of_tendons = -tension @ torch.from_numpy(data.actuator_velocity)
    moments = moment_arms(body, z).T @ tension
    torch.testing.assert_close(moments @ rate, power_of_tendons)


def test_a_mirrored_posture_has_mirrored_lengths_and_arms(body: Anatomy) -> None:
    z, mirror = random_postures(body, 6, seed=5, margin=0.05), body.mirror
    lengths, arms = lengths_and_arms(body, z)
    other_lengths, other_arms = lengths_and_arms(body, mirror.z(z))
    torch.testing.assert_close(other_lengths, mirror.muscle(lengths), atol=1e-5, rtol=0)
    torch.testing.assert_close(other_arms, mirror.rate(arms[:, mirror.muscle_index]), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("muscle", "joint", "angle_deg", "positive"),
    [
        ("soleus_r", "ankle_angle_r", 0, False),
        ("tibant_r", "ankle_angle_r", 0, True),
        ("vaslat_r", "knee_angle_r", 45, False),
        ("vasmed_l", "knee_angle_l", 45, False),
        ("bfsh_r", "knee_angle_r", 45, True),
        ("gasmed_l", "knee_angle_l", 45, True),
        ("psoas_r", "hip_flexion_r", 30, True),
        ("glmax2_r", "hip_flexion_r", 30, False),
        ("glmed2_l", "hip_adduction_l", 0, False),
        ("addlong_r", "hip_adduction_r", 0, True),
        ("perlong_r", "subtalar_angle_r", 0, False),
        ("BIClong", "elbow_flex_r", 60, True),
        ("BRA_left", "elbow_flex_l", 60, True),
        ("TRIlat", "elbow_flex_r", 60, False),
        ("DELT2", "shoulder_elv_r", 60, True),
        ("ECRB", "flexion_r", 0, False),
        ("rect_abd_r", "flex_extension", 0, False),
        ("IL_L1_l", "flex_extension", 0, True),
    ],
)
def test_muscles_turn_the_joints_that_anatomy_says(
    full: Anatomy, muscle: str, joint: str, angle_deg: float, positive: bool
) -> None:
    z = postures_over(full, joint, torch.tensor([np.radians(angle_deg)]))
    (row,), (column,) = (
        indices_of([muscle], full.muscle_names, "muscle"),
        indices_of([joint], full.coordinate_names, "joint"),
    )
    arm = float(moment_arms(full, z)[0, row, column])
    assert (arm > 0) == positive
    assert abs(arm) > 0.002


def test_the_arms_of_both_bodies_are_the_same_arms(full: Anatomy, arms: Anatomy) -> None:
    lengths = muscle_lengths(full, random_postures(full, 4, seed=6))
    shared = indices_of(arms.muscle_names, full.muscle_names, "muscle")
    torch.testing.assert_close(lengths[:, shared], muscle_lengths(arms, random_postures(arms, 4, seed=6)))


def test_any_number_of_leading_dimensions_is_kept(arms: Anatomy) -> None:
    z = random_postures(arms, 6)
    lengths, per_coordinate = lengths_and_arms(arms, z)
    again, per_coordinate_again = lengths_and_arms(arms, z.reshape(2, 3, -1))
    assert torch.equal(again.reshape(lengths.shape), lengths)
    assert torch.equal(per_coordinate_again.reshape(per_coordinate.shape), per_coordinate)
    assert muscle_lengths(arms, z[0]).shape == lengths.shape[1:]
    assert moment_arms(arms, z[:0]).shape == (0, *per_coordinate.shape[1:])


def test_postures_keep_their_distance_from_the_limits(body: Anatomy) -> None:
    root = 7 if body.free else 0
    z, (low, high) = random_postures(body, 200, margin=0.1), body.limits()
    share = ((z - low) / (high - low))[:, root:]
    assert 0.1 <= share.min() < 0.12
    assert 0.88 < share.max() <= 0.9
    assert torch.equal(z[:, :root], body.rest[:root].expand(len(z), -1))
    with pytest.raises(ValueError, match=r"in \[0, 0\.5\); got 0\.5"):
        random_postures(body, 1, margin=0.5)


def test_a_jump_is_found_and_a_steady_path_has_none(arms: Anatomy) -> None:
    lengths, per_coordinate = path_jumps(arms)
    found = dict(zip(arms.muscle_names, lengths.tolist(), strict=True))
    assert found["SUP"] > 0.02
    assert found["BRA"] == 0
    assert per_coordinate[arms.muscle_names.index("BRA")] == 0


@pytest.mark.parametrize("name", BODIES)
def test_paths_are_those_of_the_golden_table(name: str) -> None:
    anatomy, golden = Anatomy.load(name, fingers=True), np.load(GOLDEN / f"{name}.npz")
    why = (
        f"The paths of '{name}' have moved: MuJoCo or the body changed. The table was written with MuJoCo "
        f"{golden['mujoco']} and body {golden['body']}; here are MuJoCo {mujoco.__version__} and body {anatomy.hash}. "
        "If the change is meant, run `python benchmarks/anatomy_figures.py --golden` and say why in the commit."
    )
    lengths, arms = (values.numpy() for values in lengths_and_arms(anatomy, torch.from_numpy(golden["z"])))
    expected = np.zeros_like(arms)
    expected[:, golden["muscle"], golden["coordinate"]] = golden["arms"]
    assert np.abs(lengths - golden["lengths"]).max() < 1e-6, why
    assert np.abs(arms - expected).max() < 1e-5, why
