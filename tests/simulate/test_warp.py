"""The GPU backend, judged by plain MuJoCo: on Warp's CPU device everywhere, on a GPU where there is one."""

import importlib.metadata
import json
import re
import sys

import mujoco
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.perturb import Variation
from myotrack.simulate.physics import Physics
from myotrack.simulate.referee import Referee
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.threads import Threads
from myotrack.simulate.warp import Warp
from myotrack.simulate.warp_graph import Stepper, toolkit
from tests.simulate.worlds import drive, start

pytest.importorskip("mujoco_warp", reason="The GPU backend needs mujoco-warp; install it with the extra 'gpu'.")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:warp")

SMALL_BODY = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" priority="1"/>
    <body name="trunk" pos="0 0 0.518">
      <freejoint/>
      <geom type="capsule" fromto="0 -.1 0 0 .1 0" size=".05" mass="5"/>
      <site name="trunk" pos="0 0 .1"/>
      <body name="thigh">
        <joint name="hip" axis="0 1 0" damping=".2"/>
        <geom type="capsule" fromto="0 0 0 0 0 -.22" size=".04" mass="1"/>
        <geom name="cylinder" type="cylinder" size=".03 .05" zaxis="0 1 0" contype="0" conaffinity="0"/>
        <site name="origin" pos=".06 0 -.05"/><site name="side" pos=".1 0 0"/>
        <body name="shank" pos="0 0 -.22">
          <joint name="knee" axis="0 1 0" damping=".2"/>
          <geom type="capsule" fromto="0 0 0 0 0 -.2" size=".03" mass=".8"/>
          <geom name="sphere" type="sphere" size=".035" contype="0" conaffinity="0"/>
          <site name="front" pos=".08 0 0"/><site name="insertion" pos=".05 0 -.1"/>
          <body name="foot" pos="0 0 -.24">
            <joint name="ankle" axis="0 1 0" damping=".2"/>
            <geom type="capsule" fromto="-.08 .04 -.03 .12 .04 -.03" size=".03" mass=".3"/>
            <geom type="capsule" fromto="-.08 -.04 -.03 .12 -.04 -.03" size=".03" mass=".3"/>
            <site name="sole" pos=".05 0 0"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <tendon>
    <spatial name="extensor">
      <site site="origin"/><geom geom="sphere" sidesite="front"/><site site="insertion"/>
    </spatial>
    <spatial name="hip"><site site="trunk"/><geom geom="cylinder" sidesite="side"/><site site="origin"/></spatial>
  </tendon>
  <equality><joint joint1="ankle" joint2="knee" polycoef="0 -.4 .1 .05 -.01"/></equality>
  <actuator>
    <muscle name="extensor" tendon="extensor" lengthrange=".1 .3" force="300"/>
    <muscle name="hip" tendon="hip" lengthrange=".1 .3" force="300"/>
  </actuator>
  <sensor>
    <framepos name="pos" objtype="site" objname="sole"/>
    <framelinvel name="vel" objtype="site" objname="sole"/>
    <subtreecom name="com" body="trunk"/>
    <contact name="ground" geom1="floor" body2="foot" data="found force torque pos" reduce="netforce"/>
  </sensor>
</mujoco>
"""
"""Starts with its foot 2 mm in the floor. At 0.52 it would touch at distance 0, where rounding decides on contact."""

TOLERANCES = {"qpos": 1e-5, "qvel": 1e-3, "act": 1e-6, "ten_length": 2e-6, "sensordata": 0.05}
"""Absolute; sensors are led by ground reactions [N]. Source: parity measured with the real bodies, with a margin."""


def small_model() -> mujoco.MjModel:
    return Physics().applied_to(mujoco.MjModel.from_xml_string(SMALL_BODY))


def small_excitations(steps: int = 10, worlds: int = 2) -> torch.Tensor:
    return torch.rand(steps, worlds, 2, generator=torch.Generator().manual_seed(0))


def advanced(stepper: Stepper, excitations: torch.Tensor) -> Stepper:
    for excitation in excitations:
        stepper.view("ctrl").copy_(excitation)
        stepper.advance()
    return stepper


def test_a_small_body_moves_like_plain_mujoco() -> None:
    model, excitations = small_model(), small_excitations()
    stepper = advanced(Stepper(model, 2, substeps=5, nconmax=16, njmax=64), excitations)
    for world in range(2):
        data = mujoco.MjData(model)
        for excitation in excitations[:, world]:
            data.ctrl[:] = excitation
            for _ in range(5):
                mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        assert data.sensor("ground").data[3] > 10, "the foot must stand on the floor for this test to mean anything"
        for name, tolerance in TOLERANCES.items():
            np.testing.assert_allclose(stepper.view(name)[world], getattr(data, name), atol=tolerance, err_msg=name)
        force = data.actuator_force
        np.testing.assert_allclose(stepper.view("actuator_force")[world], force, atol=2e-5 * np.abs(force).max())
    assert stepper.overflowed is None


def test_a_recorded_interval_is_the_same_as_kernel_by_kernel() -> None:
    model, excitations = small_model(), small_excitations()
    recorded, direct = (Stepper(model, 2, 5, nconmax=16, njmax=64, recorded=choice) for choice in (True, False))
    for stepper in (recorded, direct):  # Recording has moved the worlds of one of them.
        for name in ("qvel", "act", "qacc_warmstart", "time"):
            stepper.view(name).zero_()
        stepper.view("qpos").copy_(torch.as_tensor(model.qpos0))
        stepper.refresh()
        advanced(stepper, excitations)
    for name in ("qpos", "qvel", "act", "actuator_force", "sensordata"):
        assert torch.equal(recorded.view(name), direct.view(name)), name


def test_a_buffer_that_is_too_small_is_named() -> None:
    model, excitations = small_model(), small_excitations(steps=4)
    few_rows = advanced(Stepper(model, 2, 5, nconmax=16, njmax=3), excitations)
    assert re.match("A world needed more constraint rows than njmax=3 .*Raise njmax.$", str(few_rows.overflowed))
    few_contacts = advanced(Stepper(model, 2, 5, nconmax=1, njmax=64), excitations)
    wanted = "The 2 worlds together needed more contacts than nconmax=1 for each .*Raise nconmax.$"
    assert re.match(wanted, str(few_contacts.overflowed))


def test_a_model_of_another_integrator_is_refused() -> None:
    model = small_model()
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_RK4
    with pytest.raises(ValueError, match="Set the model's integrator to 'Euler'"):
        Stepper(model, 1, 5)


def test_a_motor_is_refused_because_its_force_follows_the_excitation_at_once() -> None:
    model = small_model()
    model.actuator_dyntype[0] = mujoco.mjtDyn.mjDYN_NONE
    with pytest.raises(ValueError, match="Give every actuator activation dynamics"):
        Stepper(model, 1, 5)


def test_a_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(ModuleNotFoundError) as error:
        toolkit()
    wanted = "The GPU backend needs mujoco-warp 4.0. Install it with `pip install 'myotrack[gpu]'`."
    assert str(error.value) == wanted


def test_a_pair_of_different_minor_versions_is_refused_by_name(monkeypatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.9.1")
    with pytest.raises(RuntimeError) as error:
        toolkit()
    assert f"mujoco {mujoco.__version__} and mujoco-warp 3.9.1 do not belong together" in str(error.value)
    assert "`pip install 'mujoco-warp>=4.0,<4.1' 'mujoco>=4.0,<4.1'`" in str(error.value)


@pytest.mark.parametrize(
    ("build", "lack"),
    [(None, "this PyTorch is built without CUDA"), ("13.0", "PyTorch finds no CUDA device or driver")],
)
def test_a_machine_without_cuda_is_told_what_lacks_and_what_to_do(
    arms: Anatomy, monkeypatch, build: str | None, lack: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError) as error:
        Warp(arms, 1)
    assert str(error.value) == (
        f"The GPU backend needs a CUDA device, but {lack}. `myotrack doctor` says what to mend; "
        "`--device cpu` runs on native threads."
    )


def varied(body: Anatomy, worlds: int) -> Variation:
    generator = torch.Generator().manual_seed(2)
    return Variation(
        mass=0.8 + 0.4 * torch.rand(worlds, body.model.nbody, generator=generator),
        strength=0.5 + torch.rand(worlds, body.model.nu, generator=generator),
        friction=torch.linspace(0.5, 1.0, worlds),
    )


def moving_start(body: Anatomy, worlds: int) -> dict[str, torch.Tensor]:
    """Slightly moving, half awake, and with the feet up to 3 cm in the floor, so that everything acts at once."""
    generator = torch.Generator().manual_seed(3)
    z = body.rest.expand(worlds, -1).clone()
    if body.free:
        z[:, 2] -= torch.linspace(0.01, 0.03, worlds)
    velocity = 0.1 * torch.randn(worlds, body.couplings.coordinate_size, generator=generator)
    return {"z": z, "velocity": velocity, "activation": 0.2 * torch.rand(worlds, body.model.nu, generator=generator)}


@pytest.mark.slow
@pytest.mark.parametrize("vary", [False, True], ids=["published", "varied"])
@pytest.mark.parametrize("name", ["arms", "full"])
def test_the_real_bodies_move_like_the_referee(name: str, vary: bool, request) -> None:
    body = request.getfixturevalue(name)
    warp, referee = Warp(body, 3, device="cpu"), Referee(body, 3, dtype=torch.float64)
    for simulator in (warp, referee):
        if vary:
            simulator.vary(varied(body, 3))
        start(simulator, **moving_start(body, 3))
        for step, excitation in enumerate(drive(body, 5, 3, high=1.0)):
            if step == 2:
                simulator.push("humerus_r", torch.tensor([[0.0, -20.0, 0.0], [0.0, 0.0, 0.0], [15.0, 0.0, 5.0]]))
            simulator.advance(excitation)
    ours, theirs = warp.body, referee.body
    bounds = {
        "time": 1e-6, "qpos": 1e-5, "qvel": 1e-3, "muscle_activation": 1e-6, "muscle_length": 2e-6,
        "muscle_velocity": 2e-4, "landmark_pos_w": 2e-6, "landmark_quat_w": 1e-5, "landmark_vel_w": 1e-4,
        "landmark_spin_w": 1e-3, "com_pos_w": 2e-6, "com_vel_w": 1e-4, "angular_momentum_w": 1e-3,
        "region_force_w": 0.3, "foot_force_w": 0.3, "foot_cop_w": 1e-4, "foot_free_moment": 0.02,
    }  # fmt: skip
    for field, bound in bounds.items():
        difference = (getattr(ours, field).double() - getattr(theirs, field)).abs()
        assert difference.numel() == 0 or difference.max() < bound, f"{field}: {difference.max()}"
    force = theirs.muscle_force
    assert (ours.muscle_force.double() - force).abs().max() < 5e-5 * force.max()
    if body.free:
        assert (theirs.foot_force_w[..., 2].sum(1) > 100).all(), "without ground contact this test means little"
    assert ours.intact.all()
    assert warp.overflowed is None


@pytest.mark.slow
def test_it_does_not_matter_which_row_a_world_has(full: Anatomy) -> None:
    forwards, backwards = (Warp(full, 3, device="cpu") for _ in range(2))
    variation, begin = varied(full, 3), moving_start(full, 3)
    forwards.vary(variation)
    backwards.vary(Variation(variation.mass.flip(0), variation.strength.flip(0), variation.friction.flip(0)))
    start(forwards, **begin)
    start(backwards, **{name: value.flip(0) for name, value in begin.items()})
    for excitation in drive(full, 3, 3):
        forwards.advance(excitation)
        backwards.advance(excitation.flip(0))
    for field in ("qpos", "qvel", "muscle_force", "foot_force_w"):
        assert torch.equal(getattr(forwards.body, field), getattr(backwards.body, field).flip(0)), field


@pytest.mark.slow
def test_a_push_is_felt_and_seen_during_its_interval_and_gone_in_the_next(full: Anatomy) -> None:
    warp, threads = Warp(full, 2, device="cpu"), Threads(full, 2, dtype=torch.float64)
    force = torch.tensor([[200.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for step, excitation in enumerate(drive(full, 4, 2)):
        for simulator in (warp, threads):
            if step == 1:
                simulator.push("pelvis", force)
                simulator.assist(torch.full((2, full.couplings.coordinate_size), 0.5))
            simulator.advance(excitation)
        # The ground carries the push at the end of its own interval, but not a moment longer.
        difference = warp.body.foot_force_w.double() - threads.body.foot_force_w
        assert difference.abs().max() < 0.3, f"interval {step}"
        assert (warp.body.qvel.double() - threads.body.qvel).abs().max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["qpos 8", "qpos 4", "qpos 2", "qvel 7", "act 0"])
def test_a_world_of_nan_is_lost_and_disturbs_no_other(full: Anatomy, entry: str, tmp_path) -> None:
    name, index = entry.split()
    sick, healthy = (Warp(full, 3, device="cpu") for _ in range(2))
    excitations = drive(full, 4, 3)
    for step, excitation in enumerate(excitations):
        if step == 2:
            good = sick.body.kept()
            break_inside(sick, name, int(index), world=1)
        for simulator in (sick, healthy):
            simulator.advance(excitation)
    ill, well = sick.body, healthy.body
    assert ill.intact.tolist() == [True, False, True]
    assert sick.lost_count == 1
    for field in ("qpos", "qvel", "muscle_force", "foot_force_w", "landmark_pos_w"):
        assert torch.equal(getattr(ill, field)[[0, 2]], getattr(well, field)[[0, 2]]), field
        assert torch.equal(getattr(ill, field)[1], getattr(good, field)[1]), f"{field} does not stand still"
    assert ill.time.tolist() == pytest.approx([0.04, 0.02, 0.04])
    start(sick, mask=torch.tensor([False, True, False]))
    sick.advance(excitations[0])
    assert sick.body.intact.all()
    # The world starts like any other; its loss is remembered beyond the reset.
    fresh = Warp(full, 3, device="cpu")
    fresh.advance(excitations[0])
    torch.testing.assert_close(sick.body.qpos[1], fresh.body.qpos[1], atol=1e-6, rtol=0)
    [path] = sick.dump(tmp_path)
    with np.load(path) as dumped:
        header = json.loads(str(dumped["header"]))
        assert (header["world"], header["reason"]) == (1, "the state left the numbers")
        assert dumped["state"].shape == (1, 1 + full.model.nq + full.model.nv + full.model.na)
        np.testing.assert_allclose(dumped["state"][0, 0], 0.02, atol=1e-6)
        np.testing.assert_array_equal(dumped["state"][0, 1 : 1 + full.model.nq], good.qpos[1].numpy())
        np.testing.assert_allclose(dumped["excitation"][0], excitations[2, 1].numpy())


def break_inside(simulator: Warp, name: str, index: int, world: int) -> None:
    """Let an interval end with a NaN, as if the physics had diverged on the way."""
    stepper = simulator._stepper
    whole = stepper.advance

    def diverging() -> None:
        whole()
        stepper.view(name)[world, index] = float("nan")
        stepper.refresh()
        stepper.advance = whole

    stepper.advance = diverging


@pytest.mark.slow
@pytest.mark.parametrize("coordinate", [1, 4, 10])
def test_a_reset_to_nan_ends_its_world_only(full: Anatomy, coordinate: int) -> None:
    # Coordinate 4 is in the root's quaternion, where MuJoCo Warp makes a NaN into a valid rotation in silence.
    sick, healthy = (Warp(full, 3, device="cpu") for _ in range(2))
    z = full.rest.expand(3, -1).clone()
    start(healthy, z=z)
    z[1, coordinate] = float("nan")
    start(sick, z=z)
    assert sick.body.time[1] == 0  # Looking in between must not hide it.
    for excitation in drive(full, 2, 3):
        for simulator in (sick, healthy):
            simulator.advance(excitation)
    assert sick.body.intact.tolist() == [True, False, True]
    assert sick.lost_count == 1
    assert torch.equal(sick.body.qpos[[0, 2]], healthy.body.qpos[[0, 2]])
    start(sick, mask=torch.tensor([False, True, False]))
    sick.advance(excitation)
    assert sick.body.intact.all()


@pytest.mark.slow
def test_an_excitation_that_is_no_drive_ends_its_world_without_an_error(arms: Anatomy, tmp_path) -> None:
    warp = Warp(arms, 4, device="cpu")
    excitation = torch.full((4, arms.model.nu), 0.5)
    excitation[0, 0] = 1.0 + 5e-7  # Rounding is forgiven.
    excitation[1, 3], excitation[2, 3], excitation[3, 3] = 1.5, -0.1, float("nan")
    warp.advance(excitation)
    assert warp.body.intact.tolist() == [True, False, False, False]
    assert warp.body.muscle_excitation.max() <= 1.0
    assert warp.lost_count == 3
    assert torch.isfinite(warp.body.muscle_force).all()
    headers = [json.loads(str(np.load(path)["header"])) for path in warp.dump(tmp_path)]
    assert {header["reason"] for header in headers} == {"the excitation was not a number in [0, 1]"}


@pytest.mark.slow
def test_a_reset_leaves_other_worlds_untouched(full: Anatomy) -> None:
    reset, left = (Warp(full, 3, device="cpu") for _ in range(2))
    for step, excitation in enumerate(drive(full, 6, 3)):
        if step == 3:
            before = reset.body.kept()
            start(reset, mask=torch.tensor([False, True, False]))
            torch.testing.assert_close(reset.body.coordinate_pos[1], full.rest.float())
            assert reset.body.time[1] == 0
            assert torch.equal(reset.body.foot_force_w[[0, 2]], before.foot_force_w[[0, 2]])
        for simulator in (reset, left):
            simulator.advance(excitation)
    for field in ("qpos", "qvel", "muscle_force", "foot_force_w", "time"):
        assert torch.equal(getattr(reset.body, field)[[0, 2]], getattr(left.body, field)[[0, 2]]), field
    assert reset.body.time.tolist() == pytest.approx([0.06, 0.03, 0.06])


class Operations(TorchDispatchMode):
    """Notes the tensor operations that make the host wait for a GPU: reading a number, selecting by a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name.startswith(("index", "_index")) and any(
            isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in args[1] or ()
        )
        if by_mask or name in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique"):
            self.waiting.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.slow
def test_no_command_of_a_control_step_would_wait_for_a_gpu(full: Anatomy) -> None:
    # A stand-in for machines without a GPU; the test below on a GPU is the real one.
    warp, push = Warp(full, 2, device="cpu"), torch.zeros(2, 3)
    assert isinstance(warp, Simulator)
    with Operations() as operations:
        for excitation in drive(full, 3, 2):
            warp.push("pelvis", push)
            warp.advance(excitation)
            start(warp, mask=torch.tensor([True, False]))
            assert warp.body.time.shape == (2,)
        assert operations.waiting == []
        assert warp.lost_count == 0
        assert operations.waiting == ["_local_scalar_dense"], "reading a count waits; else this test sees nothing"


@pytest.mark.slow
def test_looking_does_not_disturb(arms: Anatomy) -> None:
    watched, alone = (Warp(arms, 2, device="cpu") for _ in range(2))
    for excitation in drive(arms, 4, 2):
        assert watched.body.intact.all()
        for simulator in (watched, alone):
            simulator.advance(excitation)
    assert torch.equal(watched.body.qpos, alone.body.qpos)


@pytest.mark.slow
def test_too_few_rows_at_rest_are_an_error_that_says_what_to_raise(full: Anatomy) -> None:
    with pytest.raises(RuntimeError, match=r"more constraint rows than njmax=40 .*Raise njmax\."):
        Warp(full, 1, device="cpu", njmax=40)


@pytest.mark.slow
def test_memory_grows_with_the_worlds_and_hardly_per_world(arms: Anatomy) -> None:
    few, many = (Warp(arms, worlds, device="cpu").memory_per_world() for worlds in (2, 8))
    assert many == pytest.approx(few, rel=0.01)


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_cuda
def test_cuda_moves_like_the_referee_and_never_waits(full: Anatomy) -> None:
    warp, referee = Warp(full, 4), Referee(full, 4, dtype=torch.float64)
    excitations = drive(full, 5, 4)
    on_device = excitations.to(warp.device)
    mask, z = torch.zeros(4, dtype=torch.bool, device=warp.device), full.rest.expand(4, -1).to(warp.device)
    still, slack = (torch.zeros(4, n, device=warp.device) for n in (full.couplings.coordinate_size, full.model.nu))
    push = torch.zeros(4, 3, device=warp.device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for excitation in on_device:
            warp.push("pelvis", push)
            warp.advance(excitation)
            warp.reset(mask, z, still, slack)
            assert warp.body.time.is_cuda
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for excitation in excitations:
        referee.advance(excitation)
    assert (warp.body.qpos.cpu().double() - referee.body.qpos).abs().max() < 1e-5
    assert (warp.body.foot_force_w.cpu().double() - referee.body.foot_force_w).abs().max() < 0.3
    warp.check()


@pytest.mark.gpu
@needs_cuda
def test_a_cuda_graph_is_the_same_as_kernel_by_kernel() -> None:
    model, excitations = small_model(), small_excitations().cuda()
    recorded, direct = (Stepper(model, 2, 5, "cuda", 16, 64, recorded=choice) for choice in (True, False))
    for stepper in (recorded, direct):
        for name in ("qvel", "act", "qacc_warmstart", "time"):
            stepper.view(name).zero_()
        stepper.view("qpos").copy_(torch.as_tensor(model.qpos0))
        stepper.refresh()
        advanced(stepper, excitations)
    # Sums of forces run in any order on a GPU, so the last digits differ.
    for name in ("qpos", "qvel", "act"):
        torch.testing.assert_close(recorded.view(name), direct.view(name), atol=1e-4, rtol=0)
