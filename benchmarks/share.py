"""Sharing moments among muscles: how near to the least cost, how fast.  Usage: python benchmarks/share.py --rounds 7

Retargets recordings of the data folder (environment variable MYOTRACK_DATA, default ../shared/data; built-in motions
where there is none), shares the moments of states spread over them, and judges the answers by
`scipy.optimize.lsq_linear`. Times of one call of `share` and of the physics of one control step are taken in turn in
the same run, on one thread.

With --device cuda it measures 4,096 worlds on a GPU, in single precision and recorded as a graph.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from scipy.optimize import lsq_linear
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.capture.reader import read
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.retarget.pipeline import retarget
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.threads import Threads
from myotrack.steer.parts import Parts, touching
from myotrack.steer.share import SOFTNESS, Effort, Shared, Task, share
from myotrack.workflow.output import machine, print_json

BODIES = {"full": ("full", False), "arms": ("arms", False), "arms with fingers": ("arms", True)}
RECORDINGS = {"full": ("02_01", "02_03", "09_03", "13_40"), "arms": ("13_09", "13_11")}
"""Of CMU: walking, running and jumping about; drinking and reaching."""
BUILTINS = {"full": ("walk", "run", "squat"), "arms": ("reach", "wave", "lift")}
EDGE = 10
"""Frames left out at both ends of a clip."""


@dataclass(frozen=True)
class States:
    """Frames of some clips, and what is asked of the muscles there."""

    source: str
    pos: Tensor
    vel: Tensor
    task: Task


def main(
    states: int = 200,
    rounds: int = 7,
    worlds: tuple[int, ...] = (1, 64, 256),
    steps: int = 12,
    device: Literal["cpu", "cuda"] = "cpu",
) -> None:
    """Print one JSON object."""
    torch.set_num_threads(1)
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks/share.py: there is no CUDA device here; leave out --device cuda.")
    report = {}
    for name, (body, fingers) in BODIES.items():
        anatomy = Anatomy.load(body, fingers=fingers)
        found = sample(anatomy, states)
        parts = Parts.of(touching(found.task.effect))
        print(f"{name}: {found.source}", file=sys.stderr)
        report[name] = {
            "states": f"{len(found.pos)} of {found.source}",
            "rows x unknowns": list(found.task.effect.shape[1:]),
            "parts x rows x unknowns": [list(batch.entry.shape) for batch in parts.batches],
            "accuracy": accuracy(found.task, parts, steps) if device == "cpu" else None,
            "time": [on_cpu(anatomy, found, parts, count, rounds, steps) for count in worlds]
            if device == "cpu"
            else on_gpu(anatomy, found, parts, rounds, steps),
        }
    print_json({"steps": steps, "rounds": rounds, **report, "machine": machine()})


def sample(anatomy: Anatomy, count: int) -> States:
    """States spread evenly over the clips of a body; the forces on a free root are left to the ground."""
    folder = Path(os.environ.get("MYOTRACK_DATA", "../shared/data")) / "cmu_bvh"
    files = [folder / f"{name}.bvh.gz" for name in RECORDINGS[anatomy.name]]
    if all(file.is_file() for file in files):
        source = "CMU " + ", ".join(RECORDINGS[anatomy.name])
        clips: list[Clip] = [retarget(read(file), anatomy) for file in files]
    else:
        source = "built-in " + ", ".join(BUILTINS[anatomy.name])
        clips = [builtin(name, anatomy) for name in BUILTINS[anatomy.name]]
    pos, vel, acc = (torch.cat([getattr(clip, name)[EDGE:-EDGE] for clip in clips]) for name in ("pos", "vel", "acc"))
    frame = torch.linspace(0, len(pos) - 1, count).long()
    pos, vel, acc = pos[frame], vel[frame], acc[frame]
    muscles, root = anatomy.model.nu, 6 if anatomy.free else 0
    simulator = Threads(anatomy, count, threads=1, dtype=torch.float64)
    simulator.reset(torch.ones(count, dtype=torch.bool), pos, vel, torch.zeros(count, muscles, dtype=torch.float64))
    mechanics = simulator.mechanics
    tension = Curves.of(anatomy).tension(mechanics.muscle_length, mechanics.muscle_velocity)
    moments = torch.einsum("wij,wj->wi", mechanics.mass, acc) + mechanics.bias - mechanics.passive
    arm = mechanics.moment_arm.transpose(1, 2)
    effect = (arm * tension.active[:, None])[:, root:].contiguous()
    target = (moments - torch.einsum("wcm,wm->wc", arm, tension.passive))[:, root:]
    one = torch.ones(1, muscles, dtype=torch.float64)
    effort = Effort(one, 0 * one, torch.zeros(muscles, dtype=torch.bool))
    return States(source, pos, vel, Task(effect, target, SOFTNESS * effect.norm(dim=2), effort, 0 * one, one))


def accuracy(task: Task, parts: Parts, steps: int) -> dict[str, dict[str, float]]:
    """Cost and moments beside those of a trusted solver, in median and at worst."""
    cost, residual = [], []
    for effect, target, soft in zip(task.effect.numpy(), task.target.numpy(), task.softness.numpy(), strict=True):
        matrix = np.concatenate([effect / soft[:, None], np.eye(effect.shape[1])])
        wanted = np.concatenate([target / soft, np.zeros(effect.shape[1])])
        best = lsq_linear(matrix, wanted, (0, 1), method="bvls", tol=1e-14, max_iter=5000)
        cost.append(best.cost)
        residual.append(target - effect @ best.x)
    least, undone = torch.as_tensor(np.array(cost)), torch.as_tensor(np.array(residual))
    rows = {}
    for label, dtype, chosen, number in (
        ("float64", torch.float64, None, steps),
        ("float64, parts", torch.float64, parts, steps),
        ("float64, parts, 10 steps", torch.float64, parts, 10),
        ("float64, parts, 8 steps", torch.float64, parts, 8),
        ("float32, parts", torch.float32, parts, steps),
    ):
        found = share(to(task, dtype), number, chosen)
        rows[label] = {
            **_spread("cost over the least, - 1", exact_cost(task, found) / least - 1),
            **_spread("moments off by [Nm]", (found.residual - undone).abs().amax(dim=1)),
            **_spread("gap", found.gap),
        }
    rows["trusted solver"] = {
        **_spread("moments not made [Nm]", undone.abs().amax(dim=1)),
        "states with more than 1 Nm": int((undone.abs().amax(dim=1) > 1).sum()),
    }
    return rows


def exact_cost(task: Task, found: Shared) -> Tensor:
    """What the answer costs, worked out in double precision."""
    value = found.value.double()
    miss = (task.target - (task.effect @ value[..., None])[..., 0]) / task.softness
    return (miss.square().sum(dim=1) + value.square().sum(dim=1)) / 2


def on_cpu(anatomy: Anatomy, found: States, parts: Parts, worlds: int, rounds: int, steps: int) -> dict[str, object]:
    """Milliseconds per world and control step, and what they are over those of the physics."""
    chosen = torch.linspace(0, len(found.pos) - 1, worlds).long()
    simulator = Threads(anatomy, worlds, threads=1)
    repeats = 20 if worlds == 1 else 1
    kinds: dict[str, Callable[[], float]] = {"physics": lambda: physics_time(simulator, found, chosen, repeats)}
    for label, dtype, some in (
        ("float64", torch.float64, None),
        ("float64, parts", torch.float64, parts),
        ("float32", torch.float32, None),
        ("float32, parts", torch.float32, parts),
    ):
        task = to(picked(found.task, chosen), dtype)
        kinds[label] = lambda task=task, some=some: _seconds(lambda: share(task, steps, some), repeats)
    times: dict[str, list[float]] = {label: [] for label in kinds}
    for _ in range(rounds):
        for label, measure in kinds.items():
            times[label].append(measure())
    return {
        "worlds": worlds,
        "ms per world": {label: round(1e3 * statistics.median(each) / worlds, 4) for label, each in times.items()},
        "ms per world at best": {label: round(1e3 * min(each) / worlds, 4) for label, each in times.items()},
        "over physics": {
            label: round(statistics.median(t / p for t, p in zip(each, times["physics"], strict=True)), 3)
            for label, each in times.items()
        },
    }


def on_gpu(anatomy: Anatomy, found: States, parts: Parts, rounds: int, steps: int) -> dict[str, object]:
    """The same for 4,096 worlds on a GPU, both recorded as graphs."""
    from myotrack.simulate.warp import Warp

    worlds = 4096
    chosen = torch.arange(worlds) % len(found.pos)
    simulator = Warp(anatomy, worlds)
    task, parts = on(to(picked(found.task, chosen), torch.float32), "cuda"), parts.to("cuda")
    share(task, steps, parts)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        share(task, steps, parts)

    def replayed() -> None:
        graph.replay()
        torch.cuda.synchronize()

    kinds = {"physics": lambda: physics_time(simulator, found, chosen, 1), "share": lambda: _seconds(replayed, 1)}
    times = {label: [measure() for _ in range(rounds)] for label, measure in kinds.items()}
    middle = {label: statistics.median(each[1:] or each) for label, each in times.items()}
    return {
        "worlds": worlds,
        "ms": {k: 1e3 * v for k, v in middle.items()},
        "over": middle["share"] / middle["physics"],
    }


def physics_time(simulator: Simulator, found: States, chosen: Tensor, repeats: int) -> float:
    """Seconds of one control step from the chosen states, with muscles at rest."""
    device = simulator.device
    every = torch.ones(len(chosen), dtype=torch.bool, device=device)
    rest = torch.zeros(len(chosen), simulator.anatomy.model.nu, device=device)
    pos, vel = (each[chosen].float().to(device) for each in (found.pos, found.vel))
    seconds = 0.0
    for _ in range(repeats):
        simulator.reset(every, pos, vel, rest)
        _wait(device)
        begin = time.perf_counter()
        simulator.advance(rest)
        _wait(device)
        seconds += time.perf_counter() - begin
    return seconds / repeats


def to(task: Task, dtype: torch.dtype) -> Task:
    """The task in another precision."""
    effort = Effort(task.effort.weight.to(dtype), task.effort.linear.to(dtype), task.effort.cubed)
    return Task(
        task.effect.to(dtype),
        task.target.to(dtype),
        task.softness.to(dtype),
        effort,
        task.low.to(dtype),
        task.high.to(dtype),
    )


def on(task: Task, device: str) -> Task:
    """The task on another device."""
    effort = Effort(*(getattr(task.effort, name).to(device) for name in ("weight", "linear", "cubed")))
    effect, target, softness, low, high = (
        getattr(task, name).to(device) for name in ("effect", "target", "softness", "low", "high")
    )
    return Task(effect, target, softness, effort, low, high)


def picked(task: Task, worlds: Tensor) -> Task:
    """Some worlds of a task."""
    return Task(task.effect[worlds], task.target[worlds], task.softness[worlds], task.effort, task.low, task.high)


def _seconds(act: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        act()
    return (time.perf_counter() - begin) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _spread(name: str, values: Tensor) -> dict[str, float]:
    values = values.double()
    return {f"{name}, median": float(f"{values.median():.2g}"), f"{name}, worst": float(f"{values.abs().max():.2g}")}


if __name__ == "__main__":
    tyro.cli(main)
