"""Muscles along fitted paths: MuJoCo's forces and activations, the same by compiled code and without it."""

import ctypes
import gc
from typing import no_type_check

import mujoco
import numpy as np
import pytest
import torch
from mujoco.batch import SimulationError

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import random_postures
from myotrack.simulate import fitted as module
from myotrack.simulate import pool as module_of_pool
from myotrack.simulate.fitted import FittedMuscles
from myotrack.simulate.perturb import Variation
from myotrack.simulate.pool import Pool
from myotrack.simulate.referee import Referee
from myotrack.simulate.threads import Threads

LEVELS = ("arms:paths", "arms:fast", "full:paths", "full:fast")


def started(name: str, worlds: int = 4, threads: int = 1, seed: int = 0) -> Threads:
    """Worlds in different postures, turning, muscles partly active."""
    anatomy = Anatomy.load(name)
    simulator = Threads(anatomy, worlds, threads=threads, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    z = 0.7 * anatomy.rest + 0.3 * random_postures(anatomy, worlds, seed=seed, margin=0.3)
    if anatomy.free:
        z[:, :7] = anatomy.rest[:7]
    rate = 0.5 * torch.randn(worlds, anatomy.couplings.coordinate_size, generator=generator, dtype=torch.float64)
    act = torch.rand(worlds, anatomy.model.nu, generator=generator, dtype=torch.float64)
    simulator.reset(torch.ones(worlds, dtype=torch.bool), z, rate, act)
    return simulator


def drive(simulator: Threads, steps: int = 12, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        simulator.advance(torch.rand(simulator.worlds, simulator.anatomy.model.nu, generator=generator))


@pytest.mark.parametrize("name", LEVELS)
def test_forces_are_those_of_mujocos_muscles(name: str) -> None:
    simulator = started(name)
    drive(simulator)
    body, model = simulator.body, simulator.anatomy.model
    length, arm = simulator.anatomy.fitted.lengths_and_arms(body.coordinate_pos)
    velocity = -torch.einsum("wmc,wc->wm", arm, body.coordinate_vel)
    torch.testing.assert_close(body.muscle_length, length, atol=2e-6, rtol=0)
    torch.testing.assert_close(body.muscle_velocity, velocity, atol=5e-5, rtol=1e-5)
    for world in range(simulator.worlds):
        for muscle in range(0, model.nu, 5):
            where = model.actuator_lengthrange[muscle], model.actuator_acc0[muscle]
            at, speed = float(body.muscle_length[world, muscle]), float(body.muscle_velocity[world, muscle])
            gain = mujoco.mju_muscleGain(at, speed, *where, model.actuator_gainprm[muscle, :9])
            bias = mujoco.mju_muscleBias(at, *where, model.actuator_biasprm[muscle, :9])
            wanted = -(gain * float(body.muscle_activation[world, muscle]) + bias)
            assert float(body.muscle_force[world, muscle]) == pytest.approx(wanted, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", LEVELS)
def test_compiled_code_and_torch_do_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    compiled = started(name)
    monkeypatch.setattr(module, "compiled", lambda: None)
    plain = started(name)
    assert (compiled._fitted.engine, plain._fitted.engine) == ("native", "torch")
    drive(compiled), drive(plain)
    for field, tolerance in (("coordinate_pos", 1e-5), ("muscle_activation", 1e-12), ("muscle_length", 2e-6)):
        one, other = getattr(compiled.body, field), getattr(plain.body, field)
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0, msg=field)
    mine, other = compiled.mechanics, plain.mechanics
    torch.testing.assert_close(mine.moment_arm, other.moment_arm, atol=2e-6, rtol=0)
    # The passive forces of the joints alone, wherever the muscles' moments are kept.
    torch.testing.assert_close(mine.passive, other.passive, atol=1e-3, rtol=1e-4)
    assert mine.passive.abs().max() > 0.1
    largest = plain.body.muscle_force.abs().max()
    assert (compiled.body.muscle_force - plain.body.muscle_force).abs().max() < 1e-4 * largest


@pytest.mark.parametrize("name", ["arms", "full"])
def test_activations_follow_mujocos_law(name: str) -> None:
    """The original's activations depend on excitations alone, so they are the judge."""
    ends = []
    for level in ("", ":paths"):
        simulator = started(f"{name}{level}")
        drive(simulator, 20)
        ends.append(simulator.body.muscle_activation)
    torch.testing.assert_close(ends[1], ends[0], atol=1e-12, rtol=0)


def test_muscles_do_the_work_that_their_tension_and_velocity_say() -> None:
    simulator = started("full:fast")
    drive(simulator)
    body, mechanics = simulator.body, simulator.mechanics
    moment = torch.einsum("wmc,wm->wc", mechanics.moment_arm, body.muscle_force)
    power = (moment * body.coordinate_vel).sum(dim=1)
    torch.testing.assert_close(power, -(body.muscle_force * body.muscle_velocity).sum(dim=1), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", ["arms:fast", "full:paths"])
def test_worlds_go_on_from_a_snapshot_to_the_last_bit(name: str) -> None:
    first, second = started(name), started(name, seed=9)
    drive(first, 5)
    second.restore(first.snapshot())
    drive(first, 5, seed=4), drive(second, 5, seed=4)
    for field in ("qpos", "qvel", "muscle_activation", "muscle_force", "landmark_pos_w"):
        assert torch.equal(getattr(first.body, field), getattr(second.body, field)), field


def test_a_restored_world_shows_the_forces_of_the_snapshot() -> None:
    """What pushed in the interval before has a part in what is fresh."""
    first, second = started("full:fast"), started("full:fast", seed=9)
    drive(first, 3)
    first.push("humerus_r", torch.tensor([0.0, 0.0, -300.0]).repeat(4, 1))
    drive(first, 1)
    second.restore(first.snapshot())
    torch.testing.assert_close(second.body.foot_force_w, first.body.foot_force_w, atol=1e-4, rtol=1e-6)
    drive(first, 3, seed=4), drive(second, 3, seed=4)
    assert torch.equal(first.body.qpos, second.body.qpos)


def test_the_number_of_threads_and_other_worlds_change_nothing() -> None:
    one, two = started("arms:fast", worlds=16), started("arms:fast", worlds=16, threads=2)
    other = started("full:fast", worlds=2)
    drive(one), drive(other, 3), drive(two)
    assert torch.equal(one.body.qpos, two.body.qpos)


def test_a_fast_world_that_leaves_the_numbers_stands_still_and_disturbs_nobody() -> None:
    sick, sound = started("arms:fast"), started("arms:fast")
    excitation = torch.full((4, sick.anatomy.model.nu), 0.2)
    broken = excitation.clone()
    broken[1, 3] = torch.nan
    for simulator, told in ((sick, broken), (sound, excitation)):
        simulator.advance(told)
        simulator.advance(excitation)
    assert sick.body.intact.tolist() == [True, False, True, True]
    assert sick.lost_count == 1
    others = [0, 2, 3]
    assert torch.equal(sick.body.qpos[others], sound.body.qpos[others])
    sick.reset(
        ~sick.body.intact,
        *(
            values
            for values in (sick.anatomy.rest.expand(4, -1), torch.zeros(4, 14), torch.zeros(4, sick.anatomy.model.nu))
        ),
    )
    assert sick.body.intact.all()


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("broken", [float("nan"), 1e30])
def test_a_posture_that_is_no_number_ends_its_world_alone(
    engine: str, broken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "torch":
        monkeypatch.setattr(module, "compiled", lambda: None)
    else:
        pytest.importorskip("numba")
    sick, sound = started("arms:fast"), started("arms:fast")
    sick._state["qpos"][1, 3] = broken
    drive(sick, 1), drive(sound, 1)
    assert sick.body.intact.tolist() == [True, False, True, True]
    assert torch.equal(sick.body.qpos[[0, 2, 3]], sound.body.qpos[[0, 2, 3]])


def test_strength_is_varied_by_world() -> None:
    simulator = started("arms:fast")
    before = simulator.body.muscle_force.clone()
    plain = Variation.none(simulator.anatomy, 4)
    plain.strength[2] = 0.5
    simulator.vary(plain)
    after = simulator.body.muscle_force
    torch.testing.assert_close(after[2], 0.5 * before[2], rtol=1e-9, atol=1e-12)
    assert torch.equal(after[[0, 1, 3]], before[[0, 1, 3]])


def test_help_from_outside_reaches_a_fast_body_for_one_interval() -> None:
    helped, alone = started("arms:fast"), started("arms:fast")
    moment = torch.zeros(4, 14)
    moment[:, 3] = 5.0
    helped.assist(moment)
    nothing = torch.zeros(4, helped.anatomy.model.nu)
    helped.advance(nothing), alone.advance(nothing)
    gained = helped.body.coordinate_vel - alone.body.coordinate_vel
    assert (gained[:, 3] > 0.1).all()
    assert helped.mechanics.moment_arm.shape == (4, helped.anatomy.model.nu, 14)


@pytest.mark.parametrize("name", ["arms:fast", "full:fast"])
def test_pushes_and_help_act_as_beside_plain_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled intervals go on from what is fresh, so what comes and goes from outside must be noticed."""
    pytest.importorskip("numba")
    compiled = started(name)
    monkeypatch.setattr(module, "compiled", lambda: None)
    plain = started(name)
    coordinates = compiled.anatomy.couplings.coordinate_size
    for step in range(6):
        for simulator in (compiled, plain):
            if step in (1, 4):
                force = torch.zeros(4, 3)
                force[::2, 1] = 60.0
                simulator.push("humerus_r", force)
            if step == 2:
                moment = torch.zeros(4, coordinates)
                moment[1, -1] = 3.0
                simulator.assist(moment)
        drive(compiled, 1, seed=step), drive(plain, 1, seed=step)
    for field, tolerance in (("coordinate_vel", 2e-4), ("landmark_pos_w", 1e-6), ("landmark_vel_w", 1e-4)):
        one, other = getattr(compiled.body, field), getattr(plain.body, field)
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0, msg=field)
    assert compiled.body.landmark_vel_w.abs().max() > 0.5
    if compiled.anatomy.free:
        torch.testing.assert_close(compiled.body.foot_force_w, plain.body.foot_force_w, atol=0.5, rtol=1e-3)
        assert compiled.body.foot_force_w[..., 2].max() > 100


def test_friction_of_the_floor_is_varied_by_world() -> None:
    simulator = started("full:fast", worlds=2)
    variation = Variation.none(simulator.anatomy, 2)
    variation.friction[1] = 0.3
    simulator.vary(variation)
    drive(simulator, 3)
    for world, wanted in enumerate((1.0, 0.3)):
        contacts = [each for each in simulator._batch.get_data(world).contact if 0 in each.geom]
        assert contacts
        assert all(each.friction[0] == each.friction[1] == pytest.approx(wanted) for each in contacts)


def test_bodies_without_fitted_paths_are_refused(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="MuJoCo wraps the paths of the body 'arms'; load 'arms:paths'"):
        FittedMuscles(arms, 2, 0.002)
    with pytest.raises(ValueError, match="There is no engine 'abacus' here"):
        FittedMuscles(Anatomy.load("arms:paths"), 2, 0.002, engine="abacus")


def test_the_referee_says_that_it_does_not_move_fitted_paths() -> None:
    with pytest.raises(ValueError, match="`Referee` does not move the fitted muscle paths of 'arms:fast'; take 'arms'"):
        Referee(Anatomy.load("arms:fast"), 1)


def test_arrays_outlive_the_worlds_whose_memory_they_show() -> None:
    pool = Pool(Anatomy.load("arms:fast").simulated, 3, 1)
    qpos = pool.bind("qpos")
    qpos[:] = 0.25
    del pool
    gc.collect()
    assert (qpos == 0.25).all()


def test_a_world_that_raises_leaves_the_results_of_others_up_to_date() -> None:
    numba = pytest.importorskip("numba")
    pool, library = Pool(Anatomy.load("arms:fast").simulated, 3, 1), module_of_pool.library()
    forward = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(("mj_forward", library))
    fail = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(("mju_error", library))

    def run(model, data, world, words):
        forward(model, data)
        if world == 1:
            fail(words)

    kinds = numba.types
    compiled = numba.cfunc(kinds.void(kinds.voidptr, kinds.voidptr, kinds.intc, kinds.voidptr))(no_type_check(run))
    words = ctypes.create_string_buffer(b"a bone is broken")
    sensed = pool.bind("sensordata")
    pool.reset(np.arange(3), 0)
    assert not sensed.any()
    with pytest.raises(SimulationError, match="a bone is broken") as caught:
        pool.apply(np.arange(3), compiled.address, ctypes.addressof(words))
    assert caught.value.ids.tolist() == [1]
    assert sensed[0].any() and sensed[2].any()


def test_without_compiled_code_others_live_on_beside_a_world_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compiled", lambda: None)
    sick, sound = started("arms:fast"), started("arms:fast")
    step, calls = sick._batch.step, []

    def failing(ids: np.ndarray, nstep: int) -> None:
        step(ids, nstep=nstep)
        calls.append(ids.tolist())
        if len(calls) == 2:
            raise SimulationError(np.array([1]), "a bone is broken")

    object.__setattr__(sick._batch, "step", failing)
    drive(sick, 1), drive(sound, 1)
    assert calls == [[0, 1, 2, 3]] * 2 + [[0, 2, 3]] * 3
    assert sick.body.intact.tolist() == [True, False, True, True]
    others = [0, 2, 3]
    assert torch.equal(sick.body.qpos[others], sound.body.qpos[others])
    assert torch.equal(sick.body.landmark_pos_w[others], sound.body.landmark_pos_w[others])


def test_a_pool_names_what_it_does_not_have() -> None:
    pool = Pool(Anatomy.load("arms:fast").simulated, 1, 1)
    with pytest.raises(AttributeError, match="no attribute 'soul'"):
        pool.bind("soul")


@pytest.mark.parametrize("varied", [False, True], ids=["as it is", "after a variation"])
def test_a_limit_of_the_least_skeleton_gives_way_as_that_of_the_whole(varied: bool) -> None:
    """The shoulder's, where clavicle and scapula follow in the whole body and weigh on its softness."""
    beyond = []
    for level in ("arms:paths", "arms:fast"):
        anatomy = Anatomy.load(level)
        simulator = Threads(anatomy, 1, dtype=torch.float64)
        if varied:
            simulator.vary(Variation.none(anatomy, 1))
        shoulder = anatomy.coordinate_names.index("shoulder_elv_r")
        low = float(anatomy.limits()[0][shoulder])
        moment = torch.zeros(1, len(anatomy.coordinate_names))
        moment[0, shoulder] = -20.0
        for _ in range(100):
            simulator.assist(moment)
            simulator.advance(torch.zeros(1, anatomy.model.nu))
        beyond.append(low - float(simulator.body.coordinate_pos[0, shoulder]))
    assert beyond[0] > 0.003
    assert beyond[1] == pytest.approx(beyond[0], rel=0.05)
