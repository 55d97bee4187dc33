"""Bodies of other sizes: what a similar body must be, and what every resized body must keep."""

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.audit import audit
from myotrack.anatomy.changes import Repairs
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import lengths_and_arms, muscle_lengths, random_postures
from myotrack.anatomy.sizes import PARTS, PERSON, Sizes, part_of

BODIES = ("full", "arms")
ODD = Sizes(0.93, 1.06, 0.97, 1.04, 1.08, 0.92, 1.03, 1.07, 0.95, 1.1)
"""A person like nobody else: no two neighbouring parts alike."""


def similar(anatomy: Anatomy, size: float) -> Anatomy:
    return anatomy.resized(Sizes.of([size] * len(PARTS)))


def postures(anatomy: Anatomy, count: int = 8, size: float = 1.0) -> torch.Tensor:
    """Random postures of a body, its root as far away as its size says."""
    z = random_postures(anatomy, count)
    if anatomy.free:
        z[:, :3] *= size
    return z


def fibre_lengths(anatomy: Anatomy, z: torch.Tensor) -> torch.Tensor:
    """Over the optimal length, tendons stiff: what decides the force of a muscle."""
    slack = torch.tensor([muscle.tendon_length for muscle in anatomy.muscles], dtype=torch.float64)
    optimal = torch.tensor([muscle.fibre_length for muscle in anatomy.muscles], dtype=torch.float64)
    return (muscle_lengths(anatomy, z) - slack) / optimal


def in_posture(anatomy: Anatomy, z: torch.Tensor) -> mujoco.MjData:
    data = mujoco.MjData(anatomy.model)
    data.qpos[:] = anatomy.couplings.qpos(z).numpy()
    mujoco.mj_forward(anatomy.model, data)
    return data


def touched(anatomy: Anatomy) -> set[str]:
    """What touches anything but the floor in the resting posture."""
    model = anatomy.model
    pairs = [
        {model.geom(int(geom)).name for geom in contact.geom} for contact in in_posture(anatomy, anatomy.rest).contact
    ]
    return {name for pair in pairs if "floor" not in pair for name in pair}


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_a_body_of_its_own_size_is_the_body(body: Anatomy) -> None:
    assert Anatomy.load(body.name, sizes=Sizes()).hash == body.hash
    assert body.resized(ODD).resized(Sizes()).hash == body.hash
    assert body.sizes.own and not ODD.own
    assert body.resized(ODD).hash != body.hash


@pytest.mark.parametrize("size", [0.8, 1.15])
def test_a_similar_body_has_lengths_by_the_first_and_masses_by_the_third_power(body: Anatomy, size: float) -> None:
    twin = similar(body, size)
    mine = body.kinematics.pose(postures(body)).pos
    theirs = twin.kinematics.pose(postures(body, size=size)).pos
    assert torch.allclose(torch.cdist(theirs, theirs), size * torch.cdist(mine, mine), atol=1e-12)
    model, other = body.model, twin.model
    np.testing.assert_allclose(other.body_mass, model.body_mass * size**3, rtol=1e-12)
    np.testing.assert_allclose(other.body_ipos, model.body_ipos * size, atol=1e-15)
    # The published lumbar spine is flatter than the digits of a file can tell.
    np.testing.assert_allclose(other.body_inertia, model.body_inertia * size**5, rtol=1.1e-5)
    np.testing.assert_allclose(other.geom_size[1:], model.geom_size[1:] * size, rtol=1e-12)
    np.testing.assert_allclose(other.geom_pos, model.geom_pos * size, atol=1e-15)
    np.testing.assert_array_equal(other.geom_size[model.geom("floor").id], model.geom_size[model.geom("floor").id])


@pytest.mark.parametrize("size", [0.8, 1.15])
def test_muscles_of_a_similar_body_work_where_they_worked(body: Anatomy, size: float) -> None:
    twin = similar(body, size)
    z, far = postures(body), postures(body, size=size)
    assert torch.allclose(fibre_lengths(twin, far), fibre_lengths(body, z), atol=1e-9)
    arms, more = lengths_and_arms(body, z)[1], lengths_and_arms(twin, far)[1]
    first = 6 if body.free else 0
    assert torch.allclose(more[..., first:], size * arms[..., first:], atol=1e-12)
    forces = [[muscle.peak_force for muscle in each.muscles] for each in (body, twin)]
    np.testing.assert_allclose(forces[1], size**2 * np.array(forces[0]), rtol=1e-9)


def test_muscles_of_any_body_rest_where_they_rested(body: Anatomy) -> None:
    twin = body.resized(ODD)
    assert torch.allclose(fibre_lengths(twin, body.rest[None]), fibre_lengths(body, body.rest[None]), atol=1e-9)
    ratios = [mine.tendon_length / own.tendon_length for mine, own in zip(twin.muscles, body.muscles, strict=True)]
    fibres = [mine.fibre_length / own.fibre_length for mine, own in zip(twin.muscles, body.muscles, strict=True)]
    np.testing.assert_allclose(ratios, fibres, rtol=1e-9)
    assert max(fibres) - min(fibres) > 0.05


def test_couplings_hold_in_other_sizes_and_shifts_grow_with_their_segment(full: Anatomy) -> None:
    twin = full.resized(ODD)
    for z in postures(full, 4):
        data = in_posture(twin, z)
        rows = data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY
        assert rows.sum() == 51
        assert np.abs(data.efc_pos[rows]).max() < 1e-9
    z = postures(full, 4)
    shifts = {joint.name: joint.qpos_index for joint in full.joints if joint.kind == "slide"}
    for name, index in shifts.items():
        factor = ODD.trunk if name.startswith("Abs") else ODD.thigh
        mine, theirs = (each.couplings.qpos(z)[:, index] for each in (full, twin))
        assert torch.allclose(theirs, factor * mine, atol=1e-15), name


def test_the_mirror_image_of_a_resized_body_is_itself(body: Anatomy) -> None:
    twin = body.resized(ODD)
    z = postures(twin)
    pose, image = (twin.kinematics.pose(each).pos for each in (z, twin.mirror.z(z)))
    assert torch.allclose(twin.mirror.landmark_pos(pose), image, atol=1e-9)
    # Path points of the published body are rounded to 10 micrometres, which the audit allows for, too.
    lengths, mirrored = (muscle_lengths(twin, each) for each in (z, twin.mirror.z(z)))
    assert torch.allclose(twin.mirror.muscle(lengths), mirrored, atol=2e-5)
    # Where on the floor a body rests is beside the point.
    assert torch.allclose(twin.mirror.z(twin.rest)[1:], twin.rest[1:], atol=1e-12)


def test_the_audit_finds_both_sides_of_resized_arms_alike(arms: Anatomy) -> None:
    found = {finding.kind for finding in audit(arms.resized(ODD)).findings}
    assert not {kind for kind in found if "symmetry" in kind}


def test_a_given_mass_is_the_whole_persons(full: Anatomy, arms: Anatomy) -> None:
    heavy = Sizes.of(ODD.factors, mass=95.0)
    whole, part = full.resized(heavy), arms.resized(heavy)
    assert whole.model.body_mass.sum() == pytest.approx(95.0, rel=1e-12)
    # The arms are the same person's: their own masses agree to the digits of the table of a whole person's.
    for name in ("humerus_r", "radius_l", "thirdmc_r", "scapula_l"):
        assert part.model.body(name).mass[0] == pytest.approx(whole.model.body(name).mass[0], rel=1e-4)
    plain = full.resized(ODD).model
    np.testing.assert_allclose(whole.model.body_inertia / plain.body_inertia.clip(1e-12), np.where(
        plain.body_inertia > 0, 95.0 / plain.body_mass.sum(), 0.0), rtol=1e-9)  # fmt: skip


def test_peak_forces_grow_with_the_mass_to_the_power_two_thirds(full: Anatomy, arms: Anatomy) -> None:
    own = float(full.model.body_mass.sum())
    for body in (full, arms):
        twin = body.resized(Sizes(mass=60.0))
        ratio = [mine.peak_force / was.peak_force for mine, was in zip(twin.muscles, body.muscles, strict=True)]
        np.testing.assert_allclose(ratio, (60.0 / own) ** (2 / 3), rtol=1e-5)
        active, passive = twin.model.actuator_gainprm[:, 2], twin.model.actuator_biasprm[:, 2]
        np.testing.assert_array_equal(active, passive)


def test_the_masses_of_a_whole_person_are_those_of_the_full_body(full: Anatomy) -> None:
    model = full.model
    for index, part in enumerate(PARTS):
        mass = sum(model.body_mass[body] for body in range(model.nbody) if part_of(model.body(body).name) == index)
        assert PERSON[part] == pytest.approx(mass, abs=6e-4), part


def test_resized_bodies_rest_on_the_floor_and_touch_nothing_else(
    full: Anatomy, arms: Anatomy, rng: np.random.Generator
) -> None:
    for body in (full, arms):
        for _ in range(6):
            factors = 1 + 0.08 * rng.standard_normal() + 0.05 * rng.standard_normal(len(PARTS))
            twin = body.resized(Sizes.of([float(factor) for factor in factors]))
            assert not touched(twin), twin.sizes
            low, high = twin.limits()
            assert ((twin.rest >= low) & (twin.rest <= high)).all()
            if body.free:
                data = in_posture(twin, twin.rest)
                soles = [geom for geom in range(twin.model.ngeom) if "foot_col" in twin.model.geom(geom).name]
                floor = twin.model.geom("floor").id
                gaps = [mujoco.mj_geomDistance(twin.model, data, floor, sole, 1.0, None) for sole in soles]
                assert min(gaps) == pytest.approx(0.0, abs=1e-6)


def test_a_trunk_too_broad_for_the_shoulders_and_legs_too_long_for_the_hips_are_told(full: Anatomy) -> None:
    broad = full.resized(Sizes(trunk=1.15, girdle=0.95, pelvis=0.8))
    assert not touched(broad)
    said = {change.what for change in broad.changes if change.repair == "sizes"}
    assert {"thorax_coll1 half breadth", "thickness of the legs' colliders", "trunk", "girdle", "pelvis"} <= said


@pytest.mark.parametrize("size", [0.7, 1.0, 1.2])
def test_resized_bodies_fall_as_numbers(body: Anatomy, size: float) -> None:
    twin = body.resized(Sizes.of([size * factor for factor in ODD.factors]))
    data = in_posture(twin, twin.rest)
    for _ in range(150):
        data.ctrl[:] = 0.2
        mujoco.mj_step(twin.model, data)
    assert np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all()
    assert not data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number
    assert np.abs(data.qvel).max() < 50.0


def test_bones_are_drawn_in_the_size_of_the_body(full: Anatomy) -> None:
    drawn, twin = (Anatomy.load("full", visuals=True, sizes=sizes) for sizes in (None, Sizes.of([1.2] * len(PARTS))))
    mine, theirs = drawn.model, twin.model
    bones = mine.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    assert bones.sum() > 50
    np.testing.assert_allclose(theirs.geom_pos[bones], 1.2 * mine.geom_pos[bones], atol=1e-5)
    np.testing.assert_allclose(theirs.geom_rbound[bones], 1.2 * mine.geom_rbound[bones], rtol=1e-4)
    assert twin.hash == similar(full, 1.2).hash


def test_published_bodies_and_fingers_can_be_resized_too() -> None:
    for name, fingers, repairs in (("arms", True, Repairs()), ("arms", False, Repairs.none())):
        plain = Anatomy.load(name, fingers, repairs)
        twin = plain.resized(ODD)
        assert (twin.fingers, twin.repairs, twin.sizes) == (fingers, repairs, ODD)
        assert twin.coordinate_names == plain.coordinate_names
        assert torch.allclose(fibre_lengths(twin, plain.rest[None]), fibre_lengths(plain, plain.rest[None]), atol=1e-9)


def test_sizes_nobody_has_are_refused_with_what_to_do(full: Anatomy) -> None:
    with pytest.raises(ValueError, match=r"The upper arm cannot be 1.7 times .* between 0.5 and 1.6"):
        Sizes(upper_arm=1.7)
    with pytest.raises(ValueError, match="The foot cannot be nan times"):
        Sizes(foot=float("nan"))
    with pytest.raises(ValueError, match="cannot weigh -1 kg; give a positive mass, or None"):
        Sizes(mass=-1.0)
    with pytest.raises(ValueError, match=r"cannot weigh 300 kg: the body is made for 42 to 169 kg"):
        full.resized(Sizes(mass=300.0))


def test_sizes_survive_json_and_say_what_differs() -> None:
    heavy = Sizes.of(ODD.factors, mass=71.5)
    assert Sizes.from_dict(heavy.as_dict()) == heavy
    assert str(Sizes(upper_arm=1.05, mass=71.5)) == "upper arm 1.05, 71.5 kg"
    assert str(Sizes()) == "the body's own"
    with pytest.raises(ValueError, match="Sizes have other fields: tail"):
        Sizes.from_dict(heavy.as_dict() | {"tail": 1.0})
    for wrong in ("1", None, True, [1.0]):
        with pytest.raises(ValueError, match="have a 'thigh' that cannot be"):
            Sizes.from_dict(heavy.as_dict() | {"thigh": wrong})
