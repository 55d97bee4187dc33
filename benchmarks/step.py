"""Where the time of a control step goes.  Usage: python benchmarks/step.py --body full --rounds 7

Measures in turn, in one run: a plain MuJoCo loop; two such loops in two processes at once (what two cores of this
machine can give at best); `mujoco.batch` alone; the same with every quantity fresh at the control instant; and our
simulator with its whole `BodyState` read. Ratios are medians over the rounds.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Literal

import mujoco
import numpy as np
import torch
import tyro
from mujoco.batch import Batch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.physics import Physics
from myotrack.simulate.threads import Threads
from myotrack.workflow.bench import excitations, plain_loop, simulator_time
from myotrack.workflow.output import print_json


def batch_time(model: mujoco.MjModel, rest: np.ndarray, drive: np.ndarray, threads: int, fresh: bool) -> float:
    """Seconds of `mujoco.batch` for a drive (step, world, muscle)."""
    batch = Batch(model, drive.shape[1], threads, persistent=True)
    batch.qpos = rest
    stage = (mujoco.mjtStage.mjSTAGE_ACC if fresh else mujoco.mjtStage.mjSTAGE_NONE).value
    batch.step(nstep=1)
    begin = time.perf_counter()
    for step in drive:
        batch.bind("ctrl")[:] = step
        batch.step(nstep=5, stage=stage)
    return time.perf_counter() - begin


def share_outside_physics(simulator: Threads, drive: torch.Tensor) -> float:
    """Share of a control step, `BodyState` read, that is not spent inside `mujoco.batch`."""
    inside = [0.0]
    step = simulator._batch.step

    def timed(*arguments, **options) -> None:
        begin = time.perf_counter()
        step(*arguments, **options)
        inside[0] += time.perf_counter() - begin

    object.__setattr__(simulator._batch, "step", timed)
    begin = time.perf_counter()
    for excitation in drive:
        simulator.advance(excitation)
        _ = simulator.body
    whole = time.perf_counter() - begin
    object.__setattr__(simulator._batch, "step", step)
    return 1 - inside[0] / whole


def _loop_in_process(body: str, worlds: int, steps: int, start, results) -> None:
    anatomy, physics = Anatomy.load(body), Physics()
    model, rest = physics.applied_to(anatomy.model), anatomy.couplings.qpos(anatomy.rest).numpy()
    drive = excitations(anatomy, worlds, steps).double().numpy()
    while True:
        start.wait()
        results.put(plain_loop(model, rest, drive, physics.substeps))


def main(body: Literal["full", "arms"] = "full", worlds: int = 64, steps: int = 8, rounds: int = 7) -> None:
    """Print one JSON object."""
    torch.set_num_threads(1)
    anatomy, physics = Anatomy.load(body), Physics()
    model, rest = physics.applied_to(anatomy.model), anatomy.couplings.qpos(anatomy.rest).numpy()
    excitation = excitations(anatomy, worlds, steps)
    drive = excitation.double().numpy()
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(3), context.Queue()
    pair = [
        context.Process(target=_loop_in_process, args=(body, worlds // 2, steps, start, results), daemon=True)
        for _ in range(2)
    ]
    for process in pair:
        process.start()

    def two_loops() -> float:
        start.wait()
        return max(results.get(), results.get())

    simulator = Threads(anatomy, worlds, physics, threads=2)
    kinds: dict[str, Callable[[], float]] = {
        "plain loop": lambda: plain_loop(model, rest, drive, physics.substeps),
        "two plain loops, two processes": two_loops,
        "mujoco.batch, 1 thread": lambda: batch_time(model, rest, drive, 1, fresh=False),
        "mujoco.batch, 2 threads": lambda: batch_time(model, rest, drive, 2, fresh=False),
        "mujoco.batch, 2 threads, fresh": lambda: batch_time(model, rest, drive, 2, fresh=True),
        "Threads, 2 threads, BodyState read": lambda: simulator_time(simulator, excitation),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, measure in kinds.items():
            times[name].append(measure())
    for process in pair:
        process.terminate()
    outside = [share_outside_physics(simulator, excitation) for _ in range(rounds)]
    plain = times["plain loop"]
    rows = {
        name: {
            "control_steps_per_s": round(worlds * steps / statistics.median(values), 1),
            "over_plain_loop": round(statistics.median(p / t for p, t in zip(plain, values, strict=True)), 3),
        }
        for name, values in times.items()
    }
    share = round(statistics.median(outside), 4)
    print_json({"body": body, "worlds": worlds, "rounds": rounds, "rows": rows, "share_outside_mujoco": share})


if __name__ == "__main__":
    tyro.cli(main)
