import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.changes import Change, Repairs
from myotrack.anatomy.model import Anatomy, published_file


@pytest.mark.parametrize(
    ("name", "fingers", "muscles", "nv", "coordinates", "landmarks"),
    [
        ("full", False, 352, 88, 37, 17),
        ("full", True, 414, 128, 77, 17),
        ("arms", False, 64, 36, 14, 7),
        ("arms", True, 126, 76, 54, 7),
    ],
)
def test_the_bodies_have_their_sizes(name, fingers, muscles, nv, coordinates, landmarks) -> None:
    body = Anatomy.load(name, fingers)
    assert (body.model.nu, body.model.nv, body.couplings.coordinate_size) == (muscles, nv, coordinates)
    assert len(body.landmarks) == landmarks
    assert len(body.coordinate_names) == coordinates


def test_an_unknown_body_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="There is no body called 'legs'. The bodies are: full, arms."):
        Anatomy.load("legs")


@pytest.mark.parametrize("name", ["full", "arms"])
def test_without_repairs_the_published_physics_is_reproduced(name: str) -> None:
    ours = Anatomy.load(name, fingers=True, repairs=Repairs.none()).model
    published = mujoco.MjModel.from_xml_path(str(published_file(name)))
    assert (ours.nu, ours.nv, ours.ntendon) == (published.nu, published.nv, published.ntendon)
    rng = np.random.default_rng(0)
    data = [mujoco.MjData(model) for model in (ours, published)]
    ours.opt.timestep = published.opt.timestep
    ours.opt.disableflags = published.opt.disableflags
    drive = rng.uniform(0, 0.2, published.nu)
    for model, state in zip((ours, published), data, strict=True):
        state.ctrl[:] = drive
        for _ in range(50):
            mujoco.mj_step(model, state)
    np.testing.assert_allclose(data[0].qpos, data[1].qpos, atol=1e-8)
    np.testing.assert_allclose(data[0].actuator_force, data[1].actuator_force, rtol=1e-6, atol=1e-6)


def test_visuals_change_neither_mass_nor_hash(full: Anatomy) -> None:
    drawn = Anatomy.load("full", visuals=True)
    assert drawn.hash == full.hash
    assert drawn.model.nmesh > 50
    np.testing.assert_allclose(drawn.model.body_mass, full.model.body_mass, atol=1e-5)


def test_discarding_visuals_keeps_the_published_mass(full: Anatomy) -> None:
    # Segment masses of the published body sum to 84.27 kg, 2.6 kg of it in meshes.
    assert full.model.body_mass.sum() == pytest.approx(84.27, abs=0.005)


def test_every_change_says_why_and_how_it_is_known(full: Anatomy) -> None:
    assert {change.repair for change in full.changes} >= {"thorax", "length_range", "supraspinatus", "rest_pose"}
    assert all(change.why and change.source for change in full.changes)


def test_a_change_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match="say how it is known"):
        Change("thorax", "geom", "1", "2", "because", "I think so")


def test_each_repair_can_be_switched_off_alone() -> None:
    from dataclasses import fields, replace

    for field in fields(Repairs):
        body = "full" if field.name in ("inert_muscles", "longissimus", "toes") else "arms"
        everything = {change.repair for change in Anatomy.load(body).changes}
        assert field.name in everything
        without = Anatomy.load(body, repairs=replace(Repairs(), **{field.name: False}))
        assert {change.repair for change in without.changes} == everything - {field.name}


def test_excitation_is_between_zero_and_one(full: Anatomy, arms: Anatomy) -> None:
    for body in (full, arms):
        np.testing.assert_array_equal(body.model.actuator_ctrlrange, [[0.0, 1.0]] * body.model.nu)


def test_no_surface_is_touched_in_the_resting_posture_but_the_floor(full: Anatomy, arms: Anatomy) -> None:
    for body in (full, arms):
        data = mujoco.MjData(body.model)
        data.qpos[:] = body.couplings.qpos(body.rest).numpy()
        mujoco.mj_forward(body.model, data)
        for contact in data.contact:
            assert "floor" in {body.model.geom(int(geom)).name for geom in contact.geom}


def test_the_lowest_point_of_the_resting_soles_is_on_the_floor(full: Anatomy) -> None:
    data = mujoco.MjData(full.model)
    data.qpos[:] = full.couplings.qpos(full.rest).numpy()
    mujoco.mj_kinematics(full.model, data)
    floor = full.model.geom("floor").id
    soles = [geom for geom in range(full.model.ngeom) if "foot_col" in full.model.geom(geom).name]
    gaps = [mujoco.mj_geomDistance(full.model, data, floor, sole, 1.0, None) for sole in soles]
    assert min(gaps) == pytest.approx(0.0, abs=1e-6)


def test_the_left_longissimus_bends_the_trunk_to_the_left(full: Anatomy) -> None:
    # The published left T12 fascicle lies on the right side, where it bends the trunk like its right twin.
    def bending_arm(body: Anatomy, muscle: str) -> float:
        lengths = []
        for step in (-0.01, 0.01):
            z = body.rest.clone()
            z[body.coordinate_names.index("lat_bending") + 1] += step
            data = mujoco.MjData(body.model)
            data.qpos[:] = body.couplings.qpos(z).numpy()
            mujoco.mj_fwdPosition(body.model, data)
            lengths.append(data.actuator(muscle).length[0])
        return -(lengths[1] - lengths[0]) / 0.02

    right, left = bending_arm(full, "LTpT_T12_r"), bending_arm(full, "LTpT_T12_l")
    assert right > 0.01
    assert left == pytest.approx(-right, abs=1e-6)
    published = Anatomy.load("full", repairs=Repairs.none())
    assert bending_arm(published, "LTpT_T12_l") == pytest.approx(bending_arm(published, "LTpT_T12_r"), abs=1e-4)


def test_the_resting_posture_lies_within_the_limits(full: Anatomy, arms: Anatomy) -> None:
    for body in (full, arms):
        low, high = body.limits()
        assert ((body.rest >= low) & (body.rest <= high)).all()
        assert body.rest.dtype == torch.float64
