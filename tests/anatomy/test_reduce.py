"""The minimal skeleton takes the postures of the whole body, weighs the same and moves the same."""

import functools

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.likeness import ReductionErrors, reduction_errors
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import random_postures
from myotrack.anatomy.reduce import reduced
from myotrack.anatomy.sizes import Sizes

BODIES = {
    "full": ("full", False, None),
    "arms": ("arms", False, None),
    "full with fingers": ("full", True, None),
    "arms with fingers": ("arms", True, None),
    "long thighs": ("full", False, Sizes(thigh=1.05)),
}
LEGS = [f"{side}_{point}" for side in ("right", "left") for point in ("hip", "knee", "ankle", "toe")]
TRUNK = ["upper_body", "head", "right_shoulder", "left_shoulder"]
PROPERTIES = ("type", "size", "contype", "conaffinity", "condim", "priority", "friction", "solref", "margin", "gap")
ARMS = [f"{side}_{point}" for side in ("right", "left") for point in ("elbow", "hand")]


class Pair:
    """A body, its minimal skeleton and what lies between the two."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.model = reduced(anatomy).compile()
        self.couplings = Couplings.of(self.model)
        self.errors: ReductionErrors = reduction_errors(anatomy, self.model)

    def landmarks(self, z: torch.Tensor) -> np.ndarray:
        """Places of the landmarks of the skeleton."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.couplings.qpos(z).numpy()
        mujoco.mj_kinematics(self.model, data)
        return np.stack([data.site(site_name(name)).xpos for name in self.anatomy.landmarks])

    def posture(self, rng: np.random.Generator, part: float = 1.0) -> torch.Tensor:
        """A posture within this part of every range."""
        low, high = self.anatomy.limits()
        where = torch.as_tensor(0.5 + part * (rng.random(len(low)) - 0.5))
        return torch.where(torch.isfinite(high), low + where * (high - low), self.anatomy.rest)

    def state(self, z: torch.Tensor, rate: torch.Tensor) -> mujoco.MjData:
        """A moving skeleton on its couplings."""
        data = mujoco.MjData(self.model)
        data.qpos[:] = self.couplings.qpos(z).numpy()
        data.qvel[:] = self.couplings.qvel(z, rate).numpy()
        return data


@functools.cache
def pair_of(body: str) -> Pair:
    name, fingers, sizes = BODIES[body]
    return Pair(Anatomy.load(name, fingers, sizes=sizes))


@pytest.fixture(params=BODIES)
def pair(request: pytest.FixtureRequest) -> Pair:
    return pair_of(request.param)


@pytest.fixture
def whole() -> Pair:
    return pair_of("full")


def joint_names(model: mujoco.MjModel, couplings: Couplings) -> list[str]:
    """Of the independent coordinates, in order; a free root's once."""
    address = {int(model.jnt_dofadr[joint]): model.joint(joint).name for joint in range(model.njnt)}
    return [address[index] for index in couplings.rate_index.tolist() if index in address]


def names(model: mujoco.MjModel, kind: str, count: int) -> list[str]:
    """Sorted: segments that are merged put their geoms and sites in another order."""
    return sorted(getattr(model, kind)(index).name for index in range(count))


def touching(model: mujoco.MjModel) -> list[int]:
    """Geoms that touch something."""
    return np.flatnonzero(model.geom_contype | model.geom_conaffinity).tolist()


def worst(errors: ReductionErrors, values: np.ndarray, landmarks: list[str]) -> float:
    return max(values[errors.landmarks.index(name)] for name in landmarks if name in errors.landmarks)


def test_the_coordinates_are_the_same(pair: Pair) -> None:
    anatomy, model = pair.anatomy, pair.model
    assert joint_names(model, pair.couplings) == joint_names(anatomy.model, anatomy.couplings)
    assert pair.couplings.pos_size == anatomy.couplings.pos_size
    for joint in anatomy.joints:
        if joint.independent and joint.kind != "free":
            ours = model.joint(joint.name)
            assert ours.range.tolist() == [joint.low, joint.high]
            assert ours.type == anatomy.model.joint(joint.name).type
            assert bool(model.jnt_limited[ours.id])


def test_less_is_simulated(pair: Pair) -> None:
    independent = pair.anatomy.couplings.coordinate_size
    assert pair.model.nv == independent + (14 if pair.anatomy.free else 6)
    assert pair.model.ntendon == pair.model.nu == 0
    assert pair.model.nbody < 0.65 * pair.anatomy.model.nbody


def test_followers_are_as_stiff_as_before_and_without_limits(pair: Pair) -> None:
    ours, theirs = pair.model, pair.anatomy.model
    assert (ours.eq_solref == theirs.eq_solref[0]).all()
    assert (ours.eq_solimp == theirs.eq_solimp[0]).all()
    assert not ours.jnt_limited[ours.eq_obj1id].any()
    slides = ours.jnt_dofadr[ours.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE]
    assert len(slides) == 4
    assert not ours.dof_damping[slides].any()
    assert not ours.dof_armature[slides].any()


def test_landmarks_are_where_they_were(pair: Pair) -> None:
    errors = pair.errors
    assert worst(errors, errors.pos_max, TRUNK) < 4e-3
    assert worst(errors, errors.pos_rms, TRUNK) < 1.5e-3
    assert worst(errors, errors.pos_max, ARMS) < 10e-3
    assert worst(errors, errors.pos_rms, ARMS) < 2e-3
    if pair.anatomy.free:
        assert worst(errors, errors.pos_max, LEGS) < 2e-3


def test_landmarks_look_where_they_looked(pair: Pair) -> None:
    assert np.degrees(pair.errors.angle_max).max() < 1.0
    assert np.degrees(pair.errors.angle_rms).max() < 0.3


def test_a_humerus_hangs_within_3_mm_and_is_turned_as_it_was(arms: Anatomy) -> None:
    errors = reduction_errors(arms, reduced(arms).compile(), count=500, seed=1)
    assert errors.pos_max.max() < 1e-3
    assert errors.angle_max.max() < 1e-5


def test_a_resting_body_rests_in_its_place(pair: Pair) -> None:
    ours = pair.landmarks(pair.anatomy.rest)
    theirs = pair.anatomy.kinematics.pose(pair.anatomy.rest).pos.numpy()
    assert np.abs(ours - theirs).max() < 1e-3
    key = torch.as_tensor(pair.model.key("rest").qpos)
    assert torch.allclose(pair.couplings.independent(key), pair.anatomy.rest, atol=1e-9)
    assert pair.couplings.residual(key).abs().max() < 1e-9


def test_it_weighs_the_same(pair: Pair) -> None:
    assert pair.errors.mass < 1e-9


def test_it_resists_acceleration_as_the_whole_body_does(pair: Pair) -> None:
    assert pair.errors.inertia.max() < 0.01
    assert np.median(pair.errors.inertia) < 0.005
    # Axial rotation of a bent trunk, and a knee with the armature of a patella that turns faster and slower.
    lenient = {"axial_rotation": 0.03, "knee_angle_r": 0.02, "knee_angle_l": 0.02}
    for name, values in zip(pair.anatomy.coordinate_names, pair.errors.diagonal.T, strict=True):
        assert values.max() < lenient.get(name, 0.0125), name
        assert np.median(values) < 0.01, name


def test_drivers_are_damped_as_if_all_coupled_joints_were_there(pair: Pair) -> None:
    angle = torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
    low, high = pair.anatomy.limits()
    z = torch.where(torch.isfinite(high), low + angle * (high - low), pair.anatomy.rest)
    damping = [
        (couplings.matrix(z) ** 2 * torch.as_tensor(model.dof_damping)[:, None]).sum(1).mean(0)
        for model, couplings in ((pair.model, pair.couplings), (pair.anatomy.model, pair.anatomy.couplings))
    ]
    assert torch.allclose(*damping, rtol=0.02)


def test_sides_are_mirror_images(whole: Pair, rng: np.random.Generator) -> None:
    mirror = whole.anatomy.mirror
    for _ in range(20):
        z = whole.posture(rng)
        own = mirror.landmark_pos(torch.as_tensor(whole.landmarks(z))).numpy()
        theirs = mirror.landmark_pos(whole.anatomy.kinematics.pose(z).pos).numpy()
        image = whole.landmarks(mirror.z(z))
        # No further from symmetric than the published body, whose sides differ, and the fit.
        asymmetry = np.abs(whole.anatomy.kinematics.pose(mirror.z(z)).pos.numpy() - theirs).max()
        assert np.abs(own - image).max() < asymmetry + 1e-3


def test_what_touches_and_what_is_sensed_is_the_same(pair: Pair) -> None:
    ours, theirs = pair.model, pair.anatomy.model
    assert names(ours, "geom", ours.ngeom) == sorted(theirs.geom(geom).name for geom in touching(theirs))
    for geom in touching(theirs):
        theirs_name = theirs.geom(geom).name
        if theirs_name:
            for property in PROPERTIES:
                own, other = (getattr(model.geom(theirs_name), property) for model in (ours, theirs))
                assert np.allclose(own, other, rtol=1e-5), (theirs_name, property)
    pairs = [
        [{model.geom(a).name, model.geom(b).name} for a, b in zip(model.pair_geom1, model.pair_geom2, strict=True)]
        for model in (ours, theirs)
    ]
    assert pairs[0] == pairs[1]
    assert names(ours, "sensor", ours.nsensor) == names(theirs, "sensor", theirs.nsensor)
    assert names(ours, "site", ours.nsite) == sorted(site_name(name) for name in pair.anatomy.landmarks)


def test_colliders_rest_where_they_were(pair: Pair) -> None:
    places = []
    for model, couplings in ((pair.model, pair.couplings), (pair.anatomy.model, pair.anatomy.couplings)):
        data = mujoco.MjData(model)
        data.qpos[:] = couplings.qpos(pair.anatomy.rest).numpy()
        mujoco.mj_kinematics(model, data)
        kept = touching(model)
        # Place, orientation and size of each.
        places.append(np.concatenate([data.geom_xpos[kept], data.geom_xmat[kept], model.geom_size[kept]], axis=1))
    apart = np.abs(places[0][:, None] - places[1]).max(-1)
    assert apart.min(0).max() < 1e-3
    assert apart.min(1).max() < 1e-3


def test_a_falling_body_keeps_its_posture(whole: Pair, rng: np.random.Generator) -> None:
    z = whole.posture(rng, part=0.5)
    z[2] = 10.0
    data = whole.state(z, torch.zeros(whole.couplings.coordinate_size, dtype=torch.float64))
    for _ in range(200):
        mujoco.mj_step(whole.model, data)
    assert np.abs(data.qvel[3:]).max() < 1e-6
    assert data.qvel[2] == pytest.approx(-9.81 * 0.2, rel=1e-9)


def test_a_body_that_nobody_drives_loses_energy_but_no_momentum(whole: Pair, rng: np.random.Generator) -> None:
    z = whole.posture(rng, part=0.3)
    z[2] = 10.0
    model = whole.model
    rate = torch.as_tensor(rng.normal(size=whole.couplings.coordinate_size))
    data = whole.state(z, rate)
    gravity = model.opt.gravity.copy()
    model.opt.gravity[:] = 0.0
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    energy, momentum = [], []
    for _ in range(300):
        mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        energy.append(data.energy[1])
        momentum.append(model.body_mass.sum() * data.sensor("com_linvel").data)
    model.opt.gravity[:] = gravity
    model.opt.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    assert max(np.diff(energy)) < 1e-3 * energy[0]
    assert energy[-1] < energy[0]
    assert np.ptp(momentum, axis=0).max() < 0.02 * np.linalg.norm(momentum[0])


def test_the_same_body_gives_the_same_skeleton(arms: Anatomy) -> None:
    assert reduced(arms).to_xml() == reduced(arms).to_xml()


@pytest.mark.parametrize("name", ["full", "arms"])
@pytest.mark.parametrize("level", ["paths", "fast"])
def test_contacts_named_pair_by_pair_are_those_that_mujoco_finds(name: str, level: str) -> None:
    original, rng = Anatomy.load(name), np.random.default_rng(0)
    anatomy = original.at(level)
    named = anatomy.simulated
    model = reduced(original).compile() if level == "fast" else original.model
    assert not named.geom_contype.any()

    def contacts(model: mujoco.MjModel, qpos: np.ndarray) -> np.ndarray:
        data = mujoco.MjData(model)
        data.qpos[:] = qpos
        mujoco.mj_forward(model, data)
        fields = ("pos", "dist", "frame", "friction", "solref", "solimp", "includemargin", "dim")
        rows = [np.concatenate([np.atleast_1d(getattr(each, field)) for field in fields]) for each in data.contact]
        return np.array(sorted(rows, key=tuple))

    count = 0
    for z in random_postures(anatomy, 40, seed=1):
        if anatomy.free:
            z[2], z[3:7] = rng.uniform(0.1, 0.6), torch.as_tensor(rng.standard_normal(4))
            z[3:7] /= z[3:7].norm()
        qpos = anatomy.couplings.qpos(z).numpy()
        found, wanted = contacts(named, qpos), contacts(model, qpos)
        np.testing.assert_allclose(found, wanted, atol=1e-9)
        count += len(found)
    assert count > (200 if anatomy.free else 5)
