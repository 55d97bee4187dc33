"""The mathematics of retargeting: curves, normal equations, contacts, each against what it must be."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch

from myotrack.algebra.quaternion import conjugate, multiply, rotate, to_matrix
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import random_postures
from myotrack.anatomy.sizes import PARTS
from myotrack.clips.clip import RATE
from myotrack.retarget.apart import Apart
from myotrack.retarget.contact import Soles, find_floor, find_stances
from myotrack.retarget.curve import Curve
from myotrack.retarget.loads import Loads
from myotrack.retarget.residuals import Follow, Plant, Settle, Stand
from myotrack.retarget.rig import Rig
from myotrack.retarget.solver import Problem, pose, tangent
from myotrack.retarget.standing import load_of
from tests.retarget.moves import strolling


def wiggling(anatomy: Anatomy) -> Curve:
    return Curve.through(strolling(anatomy, 60), 3, 1 / RATE, anatomy.free)


def unbounded(curve: Curve) -> torch.Tensor:
    return torch.full_like(curve.coordinates()[0], torch.inf)


@pytest.fixture(scope="module")
def rig(full: Anatomy) -> Rig:
    return Rig.of(full)


def test_velocity_and_acceleration_are_derivatives_of_the_curve(full: Anatomy) -> None:
    curve = wiggling(full)
    tumble = torch.zeros_like(curve.coordinates())
    tumble[:, 3:6] = torch.linspace(0, 2, len(tumble), dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.5, -0.7])
    curve = curve.moved(tumble, -unbounded(curve), unbounded(curve))
    z, rate, change = curve.motion()
    fine = Curve(type(curve.spline)(curve.spline.samples * 10, 30, curve.spline.step / 10), curve.control, True)
    zf = fine.motion()[0]
    k = 100
    step = 2 * curve.spline.step / 10
    linear = (zf[k + 1] - zf[k - 1]) / step
    assert torch.allclose(rate[10, :3], linear[:3], atol=1e-5)
    assert torch.allclose(rate[10, 6:], linear[7:], atol=1e-4)
    a, b = zf[k - 1, 3:7], zf[k + 1, 3:7]
    assert torch.allclose(rate[10, 3:6], logarithm(multiply(conjugate(a), b)) / step, atol=1e-4)
    after, before = fine.motion()[1][k + 1], fine.motion()[1][k - 1]
    assert torch.allclose(change[10], (after - before) / step, atol=2e-2)
    assert torch.allclose(z[10], zf[k], atol=1e-12)


def test_control_points_within_limits_keep_the_curve_within_limits(full: Anatomy, rig: Rig) -> None:
    curve = wiggling(full)
    wild = 5 * torch.randn(curve.coordinates().shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inside = curve.moved(wild, rig.low, rig.high).z()
    low, high = full.limits()
    assert (inside >= low - 1e-15).all() and (inside <= high + 1e-15).all()


def residuals(full: Anatomy, rig: Rig, curve: Curve) -> Problem:
    generator = torch.Generator().manual_seed(3)
    frames, points, turns = curve.spline.samples, 12, 4

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    size = 1 + 0.1 * noise(len(PARTS))
    segment = torch.randint(0, len(rig.segments), (points,), generator=generator)
    place = 0.1 * noise(points, 3)
    subject = rig.sized(size)
    posed = pose(subject, curve.z(), 1.1)
    target = posed.points(segment, place) + 0.01 * noise(frames, points, 3)
    target[5:9, 2] = torch.nan
    target[20:30, 3] += 0.3  # Doubted points, and below spheres that have slipped by 6 cm: Huber's cost.
    frame = torch.randint(0, len(rig.segments), (turns,), generator=generator)
    tilt = to_matrix(exponential(0.1 * noise(frames, turns, 3)))
    spheres = len(rig.sole.radius)
    planted = torch.rand(frames, spheres, generator=generator) < 0.5
    soles = Soles.of(rig, pose(rig.kinematics, curve.z(), 1.0))
    slipped = 0.03 * (torch.arange(spheres) % 3)[:, None]
    return Problem(
        subject=subject,
        body=rig.kinematics,
        scale=1.1,
        follow=Follow(segment, place, target, torch.full((points,), 0.02, dtype=torch.float64)),
        stand=Stand(frame, tilt @ posed.pose.rotation[:, frame], torch.full((turns,), 0.2, dtype=torch.float64)),
        plant=Plant(
            segment=rig.sole.segment, place=rig.sole.offset, radius=rig.sole.radius, planted=planted,
            firmness=0.7 * planted.to(torch.float64), anchor=soles.centre[..., :2] + slipped, slip=0.01, hover=0.3,
            rise=torch.zeros(spheres, dtype=torch.float64),
            soft=torch.full_like(rig.sole.radius, 0.003),
        ),
        apart=None,
        settle=Settle(tangent(full.rest[None], 1)[0], torch.full_like(rig.low, 0.3)),
        smooth=torch.full_like(rig.low, 50.0),
        low=rig.low,
        high=rig.high,
    )  # fmt: skip


def test_the_gradient_is_that_of_the_cost(full: Anatomy, rig: Rig) -> None:
    curve = wiggling(full)
    problem = residuals(full, rig, curve)
    _, _, gradient = problem.normal(curve)
    generator = torch.Generator().manual_seed(4)
    for _ in range(4):
        way = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        ahead, behind = (
            problem.normal(curve.moved(sign * 1e-6 * way, -unbounded(curve), unbounded(curve)))[0] for sign in (1, -1)
        )
        # A root turns as its control points do on average, not exactly: their quaternions are a mean, made unit.
        assert (ahead - behind) / 2e-6 == pytest.approx(float((gradient * way).sum()), rel=2e-3)


def test_the_curvature_is_the_square_of_the_residuals_derivative(rig: Rig, full: Anatomy) -> None:
    z = random_postures(full, 5)
    posed = pose(rig.kinematics, z, 1.0)
    segment, place = torch.tensor([6, 20, 0]), 0.1 * torch.ones(3, 3, dtype=torch.float64)
    at = posed.points(segment, place)
    weight = torch.rand(5, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    loads = Loads(5, len(rig.segments), z)
    loads.add_points(segment, at, torch.ones_like(at), weight)
    matrix, gradient = loads.reduce(posed.twists, rig.kinematics.reaches)
    spin, shift = posed.twists.spin[:, None], posed.twists.shift[:, None]
    rows = shift + torch.linalg.cross(spin.expand(-1, 3, -1, -1), at[:, :, None].expand(-1, -1, spin.shape[2], -1))
    rows = rows * rig.kinematics.reaches[segment][..., None]
    assert torch.allclose(matrix, torch.einsum("npcx,npx,npdx->ncd", rows, weight, rows), atol=1e-12)
    assert torch.allclose(gradient, torch.einsum("npcx,npx->nc", rows, weight), atol=1e-12)


def test_limbs_that_overlap_are_pushed_apart_along_their_distance(full: Anatomy, rig: Rig) -> None:
    apart = Apart.of(rig)
    z = full.rest.repeat(3, 1)
    knee = full.coordinate_names.index("hip_adduction_r") + 1
    z[:, knee] = torch.tensor([0.0, 0.2, 0.4], dtype=torch.float64)
    z = z.clamp(*full.limits())
    posed = pose(rig.kinematics, z, 1.0)
    gap = apart.distances(posed)[0].amin(dim=1)
    assert gap[0] > 0 > gap[2]
    cost, _, gradient = apart.add(posed, rig.kinematics.reaches)
    step = 1e-6 * torch.eye(z.shape[1], dtype=torch.float64)[knee]
    ahead, behind = (
        apart.add(pose(rig.kinematics, z + sign * step, 1.0), rig.kinematics.reaches)[0] for sign in (1, -1)
    )
    assert float((ahead - behind) / 2e-6) == pytest.approx(float(gradient[:, knee - 1].sum()), rel=1e-4)
    assert cost > 0


def test_parts_of_other_sizes_change_the_distances_between_their_joints(rig: Rig, full: Anatomy) -> None:
    size = torch.ones(len(PARTS), dtype=torch.float64)
    size[PARTS.index("thigh")] = 1.3
    for z in random_postures(full, 3)[:, None]:
        own, other = rig.kinematics.pose(z).pos[0], rig.sized(size).pose(z).pos[0]
        hip, knee, ankle = (rig.segment(f"left_{part}") for part in ("thigh", "shank", "talus"))
        assert (other[knee] - other[hip]).norm() == pytest.approx(1.3 * float((own[knee] - own[hip]).norm()))
        assert (other[ankle] - other[knee]).norm() == pytest.approx(float((own[ankle] - own[knee]).norm()))


def test_lengths_are_sums_over_parts(rig: Rig, full: Anatomy) -> None:
    generator = torch.Generator().manual_seed(0)
    size = 1 + 0.2 * torch.rand(len(PARTS), generator=generator, dtype=torch.float64)
    z = random_postures(full, 4)
    whole = rig.sized(size).pose(z).pos - z[:, None, :3]
    assert torch.allclose(torch.einsum("p,fpsx->fsx", size, rig.lever(z)), whole, atol=1e-12)


def standing_still(rig: Rig, full: Anatomy, frames: int = 40) -> torch.Tensor:
    return full.rest.repeat(frames, 1)


def test_a_foot_that_rolls_stands_and_one_that_slides_does_not(rig: Rig, full: Anatomy) -> None:
    z = standing_still(rig, full)
    still = Soles.of(rig, pose(rig.kinematics, z, 1.0))
    weight = torch.ones(len(z), dtype=torch.float64)
    assert find_stances(still, RATE, weight).all()
    slid = z.clone()
    slid[:, 0] += 0.01 * torch.arange(len(z))  # 1 m/s
    assert not find_stances(Soles.of(rig, pose(rig.kinematics, slid, 1.0)), RATE, weight).any()
    # Roll about the line through the centres of the heel's spheres: they stay, so the sole under them slides.
    sphere = 0
    turn = exponential(
        torch.tensor([0.02, 0.0, 0.0], dtype=torch.float64).expand(len(z), 3) * torch.arange(len(z))[:, None]
    )
    centre = still.centre[0, sphere]
    rolled = z.clone()
    rolled[:, :3] = centre + rotate(turn, (z[0, :3] - centre).expand(len(z), 3))
    rolled[:, 3:7] = multiply(turn, z[:, 3:7])
    radius = float(rig.sole.radius[sphere])
    rolled[:, 1] -= radius * 0.02 * torch.arange(len(z))  # Rolling without slip about +x moves the centre along -y.
    stood = Soles.of(rig, pose(rig.kinematics, rolled, 1.0)).stood()[:, sphere]
    assert (stood - stood[0]).abs().max() < 1e-9


def test_nobody_floats_while_the_motion_needs_the_ground(rig: Rig, full: Anatomy) -> None:
    z = standing_still(rig, full, 60)
    z[:, 0] += 0.01 * torch.arange(len(z))  # 1 m/s: in flight nothing stands, and gliding for long is believed.
    soles = Soles.of(rig, pose(rig.kinematics, z, 1.0))
    borne = torch.zeros(len(z), dtype=torch.float64)
    assert not find_stances(soles, RATE, borne).any()
    borne[20:40] = 2.0  # As long as a runner's foot stands.
    standing = find_stances(soles, RATE, borne).any(dim=1)
    assert standing[20:40].all() and not standing[:20].any() and not standing[40:].any()
    swing = soles.rolled.new_tensor([0.03, 0.0]) * torch.arange(len(z))[:, None, None]
    fast = replace(soles, rolled=soles.rolled - swing)
    assert not find_stances(fast, RATE, borne).any()  # 4 m/s under a body at 1 m/s: a foot in swing.


def test_the_ground_bears_who_stands_and_not_who_falls(rig: Rig, full: Anatomy) -> None:
    z = standing_still(rig, full, 60)
    data = mujoco.MjData(full.model)
    data.qpos[:] = full.couplings.qpos(z[0]).numpy()
    mujoco.mj_forward(full.model, data)
    place = full.model.body_mass @ data.xipos / full.model.body_mass.sum()
    assert torch.allclose(rig.centre_of_mass(z)[0], torch.as_tensor(place), atol=1e-9)
    assert torch.allclose(load_of(rig.centre_of_mass(z)[:, 2]), torch.ones(len(z), dtype=torch.float64), atol=1e-6)
    z[:, 2] += 2.0 - 0.5 * 9.81 * (torch.arange(len(z), dtype=torch.float64) / RATE) ** 2
    assert torch.allclose(load_of(rig.centre_of_mass(z)[:, 2]), torch.zeros(len(z), dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("slope_deg", [0.0, 1.5])
def test_a_tilted_floor_is_found_and_levelled(rig: Rig, full: Anatomy, slope_deg: float) -> None:
    slope = np.tan(np.radians(slope_deg))
    frames = 240
    z = standing_still(rig, full, frames)
    # Steps of 0.7 m, standing for 40 frames, hopping in between, up a slope along -y.
    place = -0.7 * (torch.arange(frames) // 40)
    hop = torch.sin(np.pi * ((torch.arange(frames) % 40) - 30).clamp_min(0) / 10)
    z[:, 1] += place - 0.7 * ((torch.arange(frames) % 40) - 30).clamp_min(0) / 10
    z[:, 2] += 0.05 + 0.2 * hop - slope * place
    floor = find_floor(Soles.of(rig, pose(rig.kinematics, z, 1.0)), RATE)
    assert floor is not None
    assert floor.tilt == pytest.approx(np.radians(slope_deg), abs=np.radians(0.25))
    normal = torch.cat([-floor.slope, torch.ones(1, dtype=torch.float64)])
    level = rotate(floor.levelling(), normal / normal.norm())
    assert torch.allclose(level, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-9)


def test_a_point_on_a_segment_is_where_mujoco_has_it(rig: Rig, full: Anatomy) -> None:
    z = random_postures(full, 2)
    posed = pose(rig.kinematics, z, 1.0)
    heel = rig.place("RCAL")
    data = mujoco.MjData(full.model)
    data.qpos[:] = full.couplings.qpos(z[1]).numpy()
    mujoco.mj_kinematics(full.model, data)
    expected = torch.as_tensor(data.site("RCAL").xpos.copy())
    found = posed.points(torch.tensor([heel[0]]), torch.as_tensor(heel[1])[None])[1, 0]
    assert torch.allclose(found, expected, atol=1e-9)
