"""How fast this machine simulates; on a CPU beside a plain MuJoCo loop, measured in turn in one run."""

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.physics import Physics
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.threads import Threads
from myotrack.workflow.output import errors, machine, print_json, print_table

if TYPE_CHECKING:
    from myotrack.workflow.cli import BenchCommand

DRIVE = 0.3
"""Excitation is uniform in [0, DRIVE], new every control step."""


def bench(command: "BenchCommand") -> int:
    """Measure, print, and draw if asked to."""
    if command.steps < 1 or command.rounds < 1 or min(command.worlds) < 1:
        raise ValueError("bench needs at least one world, one step and one round.")
    if command.device == "cuda" and command.threads:
        raise ValueError("--threads is for the CPU; leave it out with --device cuda.")
    if command.picture is not None and command.picture.suffix.lower() not in (".png", ".mp4"):
        raise ValueError(f"Cannot write '{command.picture}': a picture ends in .png and a film in .mp4.")
    anatomy, physics = Anatomy.load(command.body, command.fingers), Physics()
    results = [_measure(command, anatomy, physics, worlds) for worlds in command.worlds]
    report = {
        "body": anatomy.title,
        "fingers": anatomy.fingers,
        "hash": anatomy.hash,
        "muscles": anatomy.model.nu,
        "device": _device_name(command.device),
        "control_hz": 1 / physics.interval,
        "substeps": physics.substeps,
        "mujoco": mujoco.__version__,
        **machine(),
        "results": results,
    }
    picture = None if command.picture is None else _draw(command.picture, anatomy, physics)
    if picture is not None:
        report["picture"] = str(picture)
    if command.json:
        print_json(report)
        return 0
    _print(report, picture)
    return 0


def excitations(anatomy: Anatomy, worlds: int, steps: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The drive of a measurement, (step, world, muscle): the same for every backend."""
    generator = torch.Generator().manual_seed(0)
    return (DRIVE * torch.rand(steps, worlds, anatomy.model.nu, generator=generator)).to(device)


def plain_loop(model: mujoco.MjModel, rest: np.ndarray, drive: np.ndarray, substeps: int) -> float:
    """Seconds that a plain single-threaded `mj_step` loop takes for the drive (step, world, muscle)."""
    worlds = [mujoco.MjData(model) for _ in range(drive.shape[1])]
    for data in worlds:
        data.qpos[:] = rest
        mujoco.mj_step(model, data)
    begin = time.perf_counter()
    for step in drive:
        for data, excitation in zip(worlds, step, strict=True):
            data.ctrl[:] = excitation
            for _ in range(substeps):
                mujoco.mj_step(model, data)
    return time.perf_counter() - begin


def simulator_time(simulator: Simulator, drive: torch.Tensor) -> float:
    """Seconds that a simulator takes for the drive, its whole `BodyState` read at every control step."""
    simulator.advance(drive[0])
    simulator.body.landmark_pos_w.sum().item()
    begin = time.perf_counter()
    for step in drive:
        simulator.advance(step)
        _ = simulator.body
    simulator.body.landmark_pos_w.sum().item()  # Waits for a GPU.
    return time.perf_counter() - begin


def _measure(command: "BenchCommand", anatomy: Anatomy, physics: Physics, worlds: int) -> dict:
    drive = excitations(anatomy, worlds, command.steps)
    with errors().status(f"{worlds} worlds of '{anatomy.title}' on {command.device} ..."):
        if command.device == "cuda":
            return _measure_gpu(command, anatomy, physics, drive)
        return _measure_cpu(command, anatomy, physics, drive)


def _measure_cpu(command: "BenchCommand", anatomy: Anatomy, physics: Physics, drive: torch.Tensor) -> dict:
    # The loop is always that of the original, so that it tells what a faster body is worth.
    original = anatomy.at("original")
    model = physics.applied_to(original.model)
    steps, worlds = drive.shape[:2]
    rest = original.couplings.qpos(original.rest).numpy()
    simulator = Threads(anatomy, worlds, physics, command.threads)
    single = Threads(anatomy, worlds, physics, threads=1)
    plain, threaded, alone = [], [], []
    # The three take turns, so that a busy machine is busy for all of them.
    for _ in range(command.rounds):
        plain.append(plain_loop(model, rest, drive.double().numpy(), physics.substeps))
        for ours, times in ((simulator, threaded), (single, alone)):
            _restart(ours)
            times.append(simulator_time(ours, drive))
    rate = steps * worlds
    return {
        "worlds": worlds,
        "threads": simulator.thread_count,
        "control_steps_per_s": rate / statistics.median(threaded),
        "one_thread_control_steps_per_s": rate / statistics.median(alone),
        "plain_loop_control_steps_per_s": rate / statistics.median(plain),
        "ratio_to_plain_loop": statistics.median(p / t for p, t in zip(plain, threaded, strict=True)),
        "one_thread_ratio_to_plain_loop": statistics.median(p / t for p, t in zip(plain, alone, strict=True)),
        "real_time_factor": rate / statistics.median(threaded) * physics.interval / worlds,
        "memory_per_world_bytes": simulator.memory_per_world(),
        "lost_worlds": simulator.lost_count,
        **_dumped(simulator, command.dump),
    }


def _measure_gpu(command: "BenchCommand", anatomy: Anatomy, physics: Physics, drive: torch.Tensor) -> dict:
    from myotrack.simulate.warp import Warp

    steps, worlds = drive.shape[:2]
    simulator = Warp(anatomy, worlds, physics)
    on_device = drive.to(simulator.device)
    times = []
    for _ in range(command.rounds):
        _restart(simulator)
        times.append(simulator_time(simulator, on_device))
    simulator.check()
    rate = steps * worlds / statistics.median(times)
    return {
        "worlds": worlds,
        "control_steps_per_s": rate,
        "real_time_factor": rate * physics.interval / worlds,
        "memory_per_world_bytes": simulator.memory_per_world(),
        "lost_worlds": simulator.lost_count,
        **_dumped(simulator, command.dump),
    }


def _restart(simulator: Simulator) -> None:
    anatomy, worlds, device = simulator.anatomy, simulator.worlds, simulator.device
    simulator.reset(
        torch.ones(worlds, dtype=torch.bool, device=device),
        anatomy.rest.float().expand(worlds, -1).to(device),
        torch.zeros(worlds, anatomy.couplings.coordinate_size, device=device),
        torch.zeros(worlds, anatomy.model.nu, device=device),
    )


def _dumped(simulator: Simulator, folder: Path | None) -> dict:
    if folder is None:
        return {}
    return {"dumped": [str(path) for path in simulator.dump(folder / f"{simulator.worlds}_worlds")]}


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" and torch.cuda.is_available() else device


def _draw(path: Path, anatomy: Anatomy, physics: Physics) -> Path:
    """A picture after half a second, or a film of two seconds, of a body whose muscles twitch at random."""
    from myotrack.view.picture import Painter, write_film, write_picture

    simulator, painter = Threads(anatomy, 1, physics), Painter(anatomy)
    generator = torch.Generator().manual_seed(0)
    film, images = path.suffix.lower() == ".mp4", []
    steps = 200 if film else 50
    drive = torch.zeros(1, anatomy.model.nu)
    for step in range(steps):
        if step % 25 == 0:
            drive = torch.rand(1, anatomy.model.nu, generator=generator) ** 3
        simulator.advance(drive)
        if film and step % 2:
            images.append(painter.paint_world(simulator.body))
    if film:
        write_film(path, images, rate_hz=0.5 / physics.interval)
    else:
        write_picture(path, painter.paint_world(simulator.body))
    painter.close()
    return path


def _print(report: dict, picture: Path | None) -> None:
    body = f"{report['body']} ({report['muscles']} muscles)"
    title = f"{body} on {report['device']}, control at {report['control_hz']:.0f} Hz"
    rows = []
    for result in report["results"]:
        row = [
            str(result["worlds"]),
            f"{result['control_steps_per_s']:.0f}",
            f"{result['real_time_factor']:.2f}",
            f"{result['memory_per_world_bytes'] / 2**20:.2f}",
            str(result["lost_worlds"]),
        ]
        if "ratio_to_plain_loop" in result:
            row += [
                f"{result['plain_loop_control_steps_per_s']:.0f}",
                f"{result['ratio_to_plain_loop']:.2f}",
                f"{result['one_thread_ratio_to_plain_loop']:.2f}",
            ]
        rows.append(row)
    headers = ["worlds", "control steps/s", "times real time, each", "MiB per world", "lost"]
    if len(rows[0]) > len(headers):
        headers += ["plain loop, steps/s", "ours / plain", "ours / plain, 1 thread"]
    print_table(title, headers, rows)
    if picture is not None:
        print(f"Picture: {picture}")
