"""What a clip's quality says is what MuJoCo, or a calculation by hand, says."""

import json
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from myotrack.anatomy.audit import KNOWN_FAULTS
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import lengths_and_arms, random_postures
from myotrack.clips.clip import RATE
from myotrack.clips.geometry import _Colliders, views
from myotrack.clips.quality import PATH_JUMP, Limits, Quality, _coupling_residual, assess
from tests.clips.motions import altered, standing, swaying


def shifted(shift: Tensor) -> dict:
    """Change of the root's position, one row for all frames or one each."""

    def change(pos: Tensor) -> Tensor:
        pos[:, :3] += shift
        return pos

    return {"pos": change}


def down(depth: float) -> dict:
    return shifted(torch.tensor([0.0, 0.0, -depth], dtype=torch.float64))


def alike(quality: Quality, other: Quality, **tolerance: float) -> bool:
    """Whether two qualities name the same parts and have nearly the same numbers."""
    rows = quality.as_dict(), other.as_dict()
    words, numbers = (
        [{name: value for name, value in row.items() if isinstance(value, str | list | None) == wordy} for row in rows]
        for wordy in (True, False)
    )
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], **tolerance)


def test_the_resting_posture_has_no_fault(full: Anatomy) -> None:
    quality = assess(standing(full), full)
    assert quality.passed
    assert quality.limit_violation == quality.penetration_share == quality.path_jumps == quality.self_penetration == 0
    assert quality.jerk == quality.velocity_residual == quality.acceleration_residual == quality.skate == 0
    assert quality.deepest_penetration < 1e-9
    assert quality.coupling_residual < 1e-12
    assert quality.stances == 4
    assert quality.duration == pytest.approx(0.19)
    assert quality.landmark_rmse is None


def test_the_arms_have_no_feet_and_say_so(arms: Anatomy) -> None:
    quality = assess(swaying(arms), arms)
    assert quality.clearance is quality.float_height is quality.skate is quality.worst_skate is None
    assert quality.stances == quality.penetration_share == 0


def test_a_body_shifted_down_penetrates_the_floor_by_as_much(full: Anatomy) -> None:
    quality = assess(altered(standing(full), **down(0.003)), full)
    assert quality.deepest_penetration == pytest.approx(0.003, abs=1e-12)
    assert quality.clearance == pytest.approx(-0.003, abs=1e-12)
    assert quality.penetration_share == 1
    assert assess(altered(standing(full), **down(0.0009)), full).penetration_share == 0


def test_a_body_shifted_up_floats_by_as_much(full: Anatomy) -> None:
    rest, lifted = assess(standing(full), full), assess(altered(standing(full), **down(-0.05)), full)
    assert lifted.clearance == pytest.approx(0.05)
    assert lifted.float_height - rest.float_height == pytest.approx(0.05)
    assert "never nearer to the floor than 50 mm, limit 30 mm" in lifted.failures()


def test_a_flight_is_not_held_against_a_clip(full: Anatomy) -> None:
    height = torch.zeros(20, 3, dtype=torch.float64)
    height[8:12, 2] = 0.3
    jump = altered(standing(full), **shifted(height), contact=lambda contact: contact & (height[:, 2:] == 0))
    quality = assess(jump, full)
    assert quality.float_height == assess(standing(full), full).float_height
    assert quality.stances == 8


@pytest.mark.parametrize("heading", [0.0, 0.4, 2.0])
def test_feet_that_move_while_standing_skate_by_as_much(full: Anatomy, heading: float) -> None:
    way = torch.tensor([np.cos(heading), np.sin(heading), 0.0], dtype=torch.float64)
    path = 0.04 * torch.linspace(0, 1, 20, dtype=torch.float64)[:, None] * way
    quality = assess(altered(standing(full), **shifted(path)), full)
    assert quality.skate == pytest.approx(0.04, rel=2e-3)
    assert quality.worst_skate == pytest.approx(quality.skate)


def test_skating_is_told_apart_by_stance(full: Anatomy) -> None:
    # Both feet lose the floor for two frames in which they move; only the right toes keep their contact.
    path = torch.zeros(20, 3, dtype=torch.float64)
    path[10:, 1] = 0.02

    def lose(contact: Tensor) -> Tensor:
        contact[9:11, [0, 2, 3]] = False
        return contact

    quality = assess(altered(standing(full), **shifted(path), contact=lose), full)
    assert quality.stances == 7
    assert quality.skate == 0
    assert quality.worst_skate == pytest.approx(0.02, rel=2e-3)


def test_a_rolling_sphere_does_not_slide() -> None:
    angle, radius = np.linspace(0, 1, 30), 0.04
    ball = _Colliders(
        kind=np.array([mujoco.mjtGeom.mjGEOM_SPHERE]),
        size=np.array([[radius, 0.0, 0.0]]),
        floor_pos=np.zeros(3),
        floor_turn=np.eye(3),
        soles=[np.array([0])],
    )
    place = np.stack([radius * angle, 0 * angle, 0 * angle + radius], axis=1)[:, None]
    sin, cos, zero, one = np.sin(angle), np.cos(angle), 0 * angle, 0 * angle + 1
    turn = np.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], axis=1).reshape(-1, 1, 3, 3)
    lowest, _, slip = ball.ground(place, turn)
    np.testing.assert_allclose(lowest, 0, atol=1e-15)
    assert np.abs(slip.sum(axis=0)).max() < 1e-3 * radius
    _, _, slide = ball.ground(place, turn[:1].repeat(30, axis=0))
    np.testing.assert_allclose(slide.sum(axis=0)[0], [radius, 0], atol=1e-12)


def test_heights_and_depths_are_those_of_mujoco(full: Anatomy) -> None:
    z = random_postures(full, 12, seed=8)
    z[:, 3:7] = torch.nn.functional.normalize(torch.randn(12, 4, generator=torch.Generator().manual_seed(0)).double())
    qpos = full.couplings.qpos(z).numpy()
    model, data = full.model, mujoco.MjData(full.model)
    floor = model.geom("floor").id
    solid = [geom for geom in range(model.ngeom) if model.geom_contype[geom] and geom != floor]
    (view,) = views(full, qpos)
    for row, posture in enumerate(qpos):
        data.qpos[:] = posture
        mujoco.mj_forward(model, data)
        heights = [mujoco.mj_geomDistance(model, data, floor, geom, 10.0, None) for geom in solid]
        assert view.lowest[row] == pytest.approx(min(heights), abs=1e-9)
        depths = [-contact.dist for contact in data.contact if floor not in contact.geom]
        assert view.inside[row] == pytest.approx(max(depths, default=0.0), abs=1e-9)
    assert view.inside.max() > 0.01


def test_the_coupling_residual_is_that_of_mujocos_equalities(full: Anatomy, rng: np.random.Generator) -> None:
    qpos = full.couplings.qpos(random_postures(full, 1, seed=9)).numpy()
    assert _coupling_residual(full.model, qpos) < 1e-12
    qpos[:, 7:] += rng.normal(size=qpos[:, 7:].shape) * 0.1
    data = mujoco.MjData(full.model)
    data.qpos[:] = qpos[0]
    mujoco.mj_fwdPosition(full.model, data)
    rows = data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY
    assert _coupling_residual(full.model, qpos) == pytest.approx(np.abs(data.efc_pos[rows]).max())


def test_angles_past_their_limits_are_counted(full: Anatomy) -> None:
    _, high = full.limits()
    knee = full.coordinate_names.index("knee_angle_r")

    def bend(pos: Tensor) -> Tensor:
        pos[3:8, knee + 1] = high[knee + 1] + 0.1
        pos[8, knee + 1] = high[knee + 1] + 0.5e-9
        return pos

    quality = assess(altered(standing(full), pos=bend), full)
    # 5 of 20 frames, 1 of 31 limited coordinates.
    assert quality.limit_violation == pytest.approx(5 / (20 * 31))
    assert quality.worst_limit_excess == pytest.approx(0.1)
    assert quality.worst_limit_joint == "knee_angle_r"
    assert "knee_angle_r 5.73 deg past its limit, limit 2.86 deg" in quality.failures()


def test_a_leaping_path_is_found_and_known(arms: Anatomy, monkeypatch: pytest.MonkeyPatch) -> None:
    start, end = random_postures(arms, 61, seed=1)[8:10]
    share = torch.linspace(0, 1, 131, dtype=torch.float64)[:, None]  # More frames than are looked at at a time.
    clip = altered(standing(arms, frames=131), pos=lambda _: start + share * (end - start))
    lengths, by_angle = lengths_and_arms(arms, clip.pos)
    explained = -((by_angle[1:] + by_angle[:-1]) / 2 @ clip.pos.diff(dim=0)[..., None]).squeeze(-1)
    jumps = (lengths.diff(dim=0) - explained).abs()
    quality = assess(clip, arms)
    assert quality.path_jumps == (jumps > PATH_JUMP).sum() > 0
    assert quality.worst_path_jump == pytest.approx(float(jumps.max()), rel=0.02)
    assert quality.path_jump_muscles == ("SUP",)
    assert quality.new_path_jumps == 0
    assert quality.new_path_jump_muscles == ()
    monkeypatch.delitem(KNOWN_FAULTS, "length jump/SUP")
    told = assess(clip, arms)
    assert told.new_path_jumps == told.path_jumps
    assert told.new_path_jump_muscles == ("SUP",)
    assert f"{told.path_jumps} new jumps of muscle paths (SUP), limit 0" in told.failures()


def test_the_jerk_of_a_sinusoid_is_that_of_its_formula(full: Anatomy) -> None:
    # x = A sin(wt) over whole periods: RMS of the third derivative A w^3 / sqrt(2).
    omega = 2 * np.pi
    time = torch.arange(int(2 * RATE) + 3, dtype=torch.float64) / RATE
    path = torch.stack([0 * time, 0.1 * torch.sin(omega * time), 0 * time], dim=1)
    quality = assess(altered(standing(full, len(time)), **shifted(path)), full)
    assert quality.jerk == pytest.approx(0.1 * omega**3 / np.sqrt(2), rel=2e-3)


def test_derivatives_that_are_not_those_of_the_positions_are_found(full: Anatomy) -> None:
    honest = swaying(full)
    quality = assess(honest, full)
    assert max(quality.velocity_residual, quality.acceleration_residual) < 0.01
    doubled = assess(altered(honest, vel=lambda vel: 2 * vel), full)
    assert doubled.velocity_residual == pytest.approx(0.5, rel=0.02)
    turned = altered(honest, vel=lambda vel: torch.cat([vel[:, :3], -vel[:, 3:6], vel[:, 6:]], dim=1))
    assert assess(turned, full).velocity_residual > 0.5


def test_neither_sign_nor_length_of_the_roots_quaternion_matters(full: Anatomy) -> None:
    def flipped(pos: Tensor) -> Tensor:
        pos[::2, 3:7] *= -1.5
        return pos

    honest = swaying(full)
    assert alike(assess(honest, full), assess(altered(honest, pos=flipped), full), abs=1e-9)


def test_a_mirror_image_has_the_same_quality(full: Anatomy) -> None:
    clip = swaying(full, frames=40)
    clip = replace(clip, quality=assess(clip, full))
    mine, other = clip.mirrored(full).quality, assess(clip.mirrored(full), full)
    assert mine is not None
    assert alike(mine, other, rel=0.02, abs=2e-4)


def test_the_parts_of_a_mirrored_quality_change_sides(full: Anatomy) -> None:
    quality = replace(
        assess(standing(full, 2), full), worst_limit_joint="knee_angle_r", path_jump_muscles=("SUP", "SUP_left", "TMAJ")
    )
    other = quality.mirrored(full)
    assert (other.worst_limit_joint, other.path_jump_muscles) == ("knee_angle_l", ("SUP", "SUP_left", "TMAJ_left"))
    assert other.mirrored(full) == quality


def test_a_quality_survives_json(full: Anatomy) -> None:
    quality = replace(assess(swaying(full), full, landmark_rmse=0.02), path_jump_muscles=("SUP", "TMAJ"))
    row = json.loads(json.dumps(quality.as_dict(), allow_nan=False))
    assert Quality.from_dict(row) == quality
    with pytest.raises(ValueError, match="other fields: skate"):
        Quality.from_dict({name: value for name, value in row.items() if name != "skate"})
    with pytest.raises(ValueError, match="a 'jerk' that cannot be: 'much'"):
        Quality.from_dict(row | {"jerk": "much"})


def test_a_failure_says_what_how_much_and_the_limit(full: Anatomy) -> None:
    quality = replace(assess(standing(full), full, landmark_rmse=0.1), skate=0.012)
    assert quality.failures() == ("landmark error 100 mm, limit 60 mm", "foot skate 12 mm per stance, limit 5 mm")
    assert quality.failures(Limits(landmark_rmse=0.2, skate=0.02)) == ()
    assert not quality.passed


def test_a_clip_of_another_body_is_not_assessed(full: Anatomy, arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="made for the body 'arms'"):
        assess(standing(arms), full)
