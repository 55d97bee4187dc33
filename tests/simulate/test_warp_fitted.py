"""Fitted muscles on the GPU backend, judged by `Threads`: on Warp's CPU device everywhere, on a GPU if there is one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import random_postures
from myotrack.simulate import fitted as module
from myotrack.simulate.perturb import Variation
from myotrack.simulate.physics import Physics
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.threads import Threads
from myotrack.simulate.warp import Warp
from myotrack.simulate.warp_graph import Stepper
from tests.simulate.worlds import drive, start

pytest.importorskip("mujoco_warp", reason="The GPU backend needs mujoco-warp; install it with the extra 'gpu'.")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:warp")

import warp as wp  # noqa: E402

from myotrack.simulate.warp_muscles import WarpMuscles  # noqa: E402
from tests.simulate.test_warp import break_inside, moving_start, needs_cuda, varied  # noqa: E402

LEVELS = ("arms:paths", "arms:fast", "full:paths", "full:fast")
ROUNDING = 1e-5
"""Of single precision, over the largest number of its kind in any world. Measured: lengths 4e-7, velocities 2e-6,
forces 2e-6, moment arms 3e-6, moments 4e-6."""


def anywhere(body: Anatomy, worlds: int, beyond: float) -> dict[str, torch.Tensor]:
    """Postures from all over the joint ranges and `beyond` them [rad], fast, with muscles at any activation."""
    generator = torch.Generator().manual_seed(5)
    z = random_postures(body, worlds, seed=5)
    shift = beyond * torch.randn(z.shape, generator=generator, dtype=z.dtype)
    if body.free:
        shift[:, :7] = 0.0
    return {
        "z": z + shift,
        "velocity": 3.0 * torch.randn(worlds, body.couplings.coordinate_size, generator=generator),
        "activation": torch.rand(worlds, body.model.nu, generator=generator),
    }


def pulled(body: Anatomy, qpos: torch.Tensor, qvel: torch.Tensor, activation: torch.Tensor):
    """Muscles that have pulled once on joints nothing else acts on, and what the joints feel."""
    muscles = WarpMuscles(body, len(qpos), 0.002, "cpu")
    wp.to_torch(muscles.data.act).copy_(activation)
    rows = {name: wp.from_torch(tensor.float().contiguous()) for name, tensor in (("qpos", qpos), ("qvel", qvel))}
    data = SimpleNamespace(**rows, qfrc_passive=wp.zeros(tuple(qvel.shape), float))
    muscles.pull(None, data)
    return muscles, wp.to_torch(data.qfrc_passive)


def assert_near(ours: torch.Tensor, theirs: torch.Tensor, what: str) -> None:
    assert ours.dtype == torch.float32
    difference, scale = (ours.double() - theirs.double()).abs().max(), theirs.abs().max()
    assert scale > 0
    assert difference < ROUNDING * scale, f"{what}: {difference / scale:.1e} of {scale:.3g}"


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("beyond", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("name", LEVELS)
def test_muscles_pull_as_on_the_cpu(name: str, beyond: float, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "native":
        pytest.importorskip("numba")
    else:
        monkeypatch.setattr(module, "compiled", lambda: None)
    body = Anatomy.load(name)
    threads = Threads(body, 4, threads=1, dtype=torch.float64)
    begin = anywhere(body, 4, beyond)
    start(threads, **begin)
    theirs, arms = threads.body, threads.mechanics.moment_arm
    muscles, felt = pulled(body, theirs.qpos, theirs.qvel, begin["activation"])
    assert_near(wp.to_torch(muscles.data.actuator_length), theirs.muscle_length, "length")
    assert_near(wp.to_torch(muscles.data.actuator_velocity), theirs.muscle_velocity, "velocity")
    assert_near(-wp.to_torch(muscles.data.actuator_force), theirs.muscle_force, "force")
    assert_near(muscles.arms(), arms, "moment arm")
    moment = wp.to_torch(muscles.data.moment)
    assert_near(moment, torch.einsum("wmc,wm->wc", arms, theirs.muscle_force), "moment")
    index = body.couplings.rate_index
    assert torch.equal(felt[:, index], moment)
    felt[:, index] = 0.0
    assert not felt.any()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e30])
def test_an_angle_that_is_no_number_chooses_no_place_to_read(broken: float) -> None:
    body = Anatomy.load("full:fast")
    begin = anywhere(body, 3, 0.0)
    qpos, qvel = body.couplings.qpos(begin["z"]), body.couplings.qvel(begin["z"], begin["velocity"].double())
    sound, _ = pulled(body, qpos, qvel, begin["activation"])
    qpos[1, 7:] = broken
    sick, _ = pulled(body, qpos, qvel, begin["activation"])
    for name in ("actuator_length", "actuator_force", "moment"):
        mine, other = (wp.to_torch(getattr(muscles.data, name)) for muscles in (sick, sound))
        assert torch.equal(mine[[0, 2]], other[[0, 2]]), name
    length = wp.to_torch(sick.data.actuator_length)[1]
    rest, _ = pulled(body, torch.where(torch.arange(qpos.shape[1]) < 7, qpos, 0.0), qvel, begin["activation"])
    assert torch.equal(length, wp.to_torch(rest.data.actuator_length)[1])


def test_activations_follow_as_on_the_cpu() -> None:
    body = Anatomy.load("arms:fast")
    threads, muscles = Threads(body, 3, threads=1, dtype=torch.float64), WarpMuscles(body, 3, 0.002, "cpu")
    activation = torch.rand(3, body.model.nu, generator=torch.Generator().manual_seed(8))
    start(threads, activation=activation)
    wp.to_torch(muscles.data.act).copy_(activation)
    for excitation in drive(body, 6, 3, high=1.0):
        threads.advance(excitation)
        wp.to_torch(muscles.data.ctrl).copy_(excitation)
        for _ in range(threads.physics.substeps):
            muscles.follow()
    assert threads.physics.timestep == 0.002
    difference = wp.to_torch(muscles.data.act).double() - threads.body.muscle_activation
    assert difference.abs().max() < 5e-7


def test_a_body_that_mujoco_wraps_is_refused(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="MuJoCo wraps the paths of the body 'arms'; load 'arms:paths'"):
        WarpMuscles(arms, 2, 0.002, "cpu")


BOUNDS = {
    "time": 1e-6, "qpos": 1e-5, "qvel": 1e-3, "muscle_activation": 1e-6, "muscle_length": 2e-6,
    "muscle_velocity": 2e-4, "landmark_pos_w": 2e-6, "landmark_quat_w": 1e-5, "landmark_vel_w": 1e-4,
    "landmark_spin_w": 1e-3, "com_pos_w": 2e-6, "com_vel_w": 1e-4, "angular_momentum_w": 1e-3,
    "region_force_w": 0.3, "foot_force_w": 0.3, "foot_cop_w": 1e-4, "foot_free_moment": 0.02,
}  # fmt: skip
"""The same as for bodies that MuJoCo wraps."""


def both(name: str, worlds: int = 3) -> tuple[Warp, Threads]:
    body = Anatomy.load(name)
    return Warp(body, worlds, device="cpu"), Threads(body, worlds, threads=1, dtype=torch.float64)


@pytest.mark.parametrize("vary", [False, True], ids=["published", "varied"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "arms:fast" else pytest.mark.slow) for n in LEVELS])
def test_fitted_bodies_move_as_on_the_cpu(name: str, vary: bool) -> None:
    warp, threads = both(name)
    body = warp.anatomy
    assert isinstance(warp, Simulator)
    for simulator in (warp, threads):
        if vary:
            simulator.vary(varied(body, 3))
        start(simulator, **moving_start(body, 3))
        for step, excitation in enumerate(drive(body, 5, 3, high=1.0)):
            if step == 2:
                simulator.push("humerus_r", torch.tensor([[0.0, -20.0, 0.0], [0.0, 0.0, 0.0], [15.0, 0.0, 5.0]]))
            if step == 3:
                simulator.assist(torch.full((3, body.couplings.coordinate_size), 0.5))
            simulator.advance(excitation)
    ours, theirs = warp.body, threads.body
    for field, bound in BOUNDS.items():
        difference = (getattr(ours, field).double() - getattr(theirs, field)).abs()
        assert difference.numel() == 0 or difference.max() < bound, f"{field}: {difference.max()}"
    force = theirs.muscle_force
    assert (ours.muscle_force.double() - force).abs().max() < 5e-5 * force.max()
    if body.free:
        assert (theirs.foot_force_w[..., 2].sum(1) > 100).all(), "without ground contact this test means little"
    assert ours.intact.all()
    assert warp.overflowed is None
    mine, judge = warp.mechanics, threads.mechanics
    for field, bound in (("mass", 1e-4), ("bias", 5e-3), ("passive", 1e-3), ("moment_arm", 2e-6)):
        difference = (getattr(mine, field).double() - getattr(judge, field)).abs().max()
        assert difference < bound, f"{field}: {difference}"


def test_a_world_of_nan_ends_alone_and_starts_again() -> None:
    body = Anatomy.load("arms:fast")
    sick, healthy = (Warp(body, 3, device="cpu") for _ in range(2))
    excitations = drive(body, 4, 3)
    for simulator in (sick, healthy):
        for excitation in excitations[:2]:
            simulator.advance(excitation)
    good = sick.body.kept()
    break_inside(sick, "qpos", 3, world=1)
    for simulator in (sick, healthy):
        for excitation in excitations[2:]:
            simulator.advance(excitation)
    ill, well = sick.body, healthy.body
    assert ill.intact.tolist() == [True, False, True]
    assert sick.lost_count == 1
    for field in ("qpos", "qvel", "muscle_activation", "muscle_length", "muscle_force"):
        assert torch.equal(getattr(ill, field)[[0, 2]], getattr(well, field)[[0, 2]]), field
        assert torch.equal(getattr(ill, field)[1], getattr(good, field)[1]), f"{field} does not stand still"
    start(sick, mask=torch.tensor([False, True, False]))
    sick.advance(excitations[0])
    fresh = Warp(body, 3, device="cpu")
    fresh.advance(excitations[0])
    assert sick.body.intact.all()
    torch.testing.assert_close(sick.body.qpos[1], fresh.body.qpos[1], atol=1e-6, rtol=0)


def test_a_dump_holds_the_activations_of_fitted_muscles(tmp_path) -> None:
    body = Anatomy.load("arms:fast")
    warp = Warp(body, 2, device="cpu")
    activation = torch.rand(2, body.model.nu, generator=torch.Generator().manual_seed(3))
    start(warp, activation=activation)
    excitation = torch.full((2, body.model.nu), 0.5)
    excitation[1, 3] = float("nan")
    warp.advance(excitation)
    [path] = warp.dump(tmp_path)
    with np.load(path) as dumped:
        np.testing.assert_array_equal(dumped["state"][0, -body.model.nu :], activation[1].double().numpy())


def test_strength_varies_by_world() -> None:
    warp, _ = both("arms:fast", 4)
    start(warp, activation=torch.full((4, warp.anatomy.model.nu), 0.3))
    before = warp.body.muscle_force.clone()
    plain = Variation.none(warp.anatomy, 4)
    plain.strength[2] = 0.5
    warp.vary(plain)
    after = warp.body.muscle_force
    torch.testing.assert_close(after[2], 0.5 * before[2], rtol=1e-6, atol=0)
    assert before[2].abs().max() > 100
    assert torch.equal(after[[0, 1, 3]], before[[0, 1, 3]])


def test_worlds_go_on_from_a_snapshot_to_the_last_bit() -> None:
    body = Anatomy.load("arms:fast")
    first, second = (Warp(body, 2, device="cpu") for _ in range(2))
    excitations = drive(body, 6, 2, high=1.0)
    for excitation in excitations[:3]:
        first.advance(excitation)
    second.restore(first.snapshot())
    for excitation in excitations[3:]:
        first.advance(excitation)
        second.advance(excitation)
    for field in ("qpos", "qvel", "muscle_activation", "muscle_excitation", "muscle_force", "landmark_pos_w", "time"):
        assert torch.equal(getattr(first.body, field), getattr(second.body, field)), field


def test_a_reset_puts_activations_and_leaves_other_worlds_alone() -> None:
    body = Anatomy.load("arms:fast")
    reset, left = (Warp(body, 3, device="cpu") for _ in range(2))
    activation = torch.rand(3, body.model.nu, generator=torch.Generator().manual_seed(6))
    for step, excitation in enumerate(drive(body, 4, 3)):
        if step == 2:
            start(reset, mask=torch.tensor([False, True, False]), activation=activation)
            assert torch.equal(reset.body.muscle_activation[1], activation[1])
            assert torch.equal(reset.body.muscle_excitation[1], activation[1])
            assert torch.equal(reset.body.muscle_activation[[0, 2]], left.body.muscle_activation[[0, 2]])
        for simulator in (reset, left):
            simulator.advance(excitation)
    for field in ("qpos", "muscle_activation", "muscle_force"):
        assert torch.equal(getattr(reset.body, field)[[0, 2]], getattr(left.body, field)[[0, 2]]), field


def test_memory_counts_the_muscles() -> None:
    few, many = (Warp(Anatomy.load("arms:fast"), worlds, device="cpu") for worlds in (2, 8))
    assert many.memory_per_world() == pytest.approx(few.memory_per_world(), rel=0.01)
    whole, muscles, few._stepper._muscles = few.memory_per_world(), few._stepper._muscles, None
    rows = vars(muscles.data).values() if muscles else ()
    assert whole - few.memory_per_world() == sum(4 * array.size for array in rows) / 2 > 0


def stepped(body: Anatomy, device: str, recorded: bool, excitations: torch.Tensor) -> Stepper:
    """Worlds of a fitted body after some intervals from its rest."""
    physics = Physics()
    model, worlds = physics.applied_to(body.simulated), excitations.shape[1]
    muscles = WarpMuscles(body, worlds, physics.timestep, device)
    stepper = Stepper(model, worlds, physics.substeps, device, 16, 64, recorded=recorded, muscles=muscles)
    # Recording has moved the worlds.
    for name in ("qvel", "act", "qacc_warmstart", "time"):
        stepper.view(name).zero_()
    stepper.view("qpos").copy_(body.couplings.qpos(body.rest))
    stepper.refresh()
    for excitation in excitations:
        stepper.view("ctrl").copy_(excitation)
        stepper.advance()
    assert stepper.overflowed is None
    return stepper


def test_a_recorded_interval_is_the_same_as_kernel_by_kernel() -> None:
    body = Anatomy.load("arms:fast")
    recorded, direct = (stepped(body, "cpu", choice, drive(body, 5, 2)) for choice in (True, False))
    for name in ("qpos", "qvel", "act", "actuator_force", "moment", "sensordata"):
        assert torch.equal(recorded.view(name), direct.view(name)), name


@pytest.mark.gpu
@needs_cuda
def test_a_cuda_graph_is_the_same_as_kernel_by_kernel() -> None:
    body = Anatomy.load("arms:fast")
    excitations = drive(body, 5, 2)
    recorded, direct = (stepped(body, "cuda", choice, excitations.cuda()) for choice in (True, False))
    judge = stepped(body, "cpu", False, excitations)
    # Sums of MuJoCo Warp's forces run in any order on a GPU, so the last digits differ.
    for name in ("qpos", "qvel", "act"):
        torch.testing.assert_close(recorded.view(name), direct.view(name), atol=1e-4, rtol=0)
        torch.testing.assert_close(recorded.view(name).cpu(), judge.view(name), atol=1e-3, rtol=0)


@pytest.mark.gpu
@needs_cuda
def test_cuda_moves_a_fitted_body_and_never_waits() -> None:
    body = Anatomy.load("full:fast")
    warp, threads = Warp(body, 4), Threads(body, 4, dtype=torch.float64)
    excitations = drive(body, 5, 4)
    on_device = excitations.to(warp.device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for excitation in on_device:
            warp.advance(excitation)
            assert warp.mechanics.moment_arm.is_cuda
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for excitation in excitations:
        threads.advance(excitation)
    assert (warp.body.qpos.cpu().double() - threads.body.qpos).abs().max() < 1e-5
    assert (warp.mechanics.moment_arm.cpu().double() - threads.mechanics.moment_arm).abs().max() < 2e-6
    warp.check()
