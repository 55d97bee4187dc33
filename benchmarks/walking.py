"""How soon a body on its own feet walks, by several ways of learning in equal time.

    python benchmarks/walking.py --clip CLIPS/02_01.npz                           the recipe 'walk', three seeds
    python benchmarks/walking.py --clip CLIPS/02_01.npz --ways walk torque        and its torque-driven twin
    python benchmarks/walking.py --clip CLIPS/02_01.npz --ways ppo ppo-direct     trial and error
    python benchmarks/walking.py --clip CLIPS/02_01.npz --judge                       only judge, and draw

CLIPS is a folder made by `myotrack retarget ../shared/data/cmu_asfamc/02_01.amc --body full --out CLIPS`. What a way
knows after every few minutes is kept and judged afterwards, from the first frame of the clip on the original body. Time
is that of the processor, over all threads, which other work on the machine lengthens little; `taskset -c 0` keeps a
run to one core.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from myotrack.anatomy.levels import Level
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.track.action import Direct, Synergy, Torque
from myotrack.track.env import TrackingEnv
from myotrack.track.start import fitting
from myotrack.track.terminate import PUBLISHED
from myotrack.train.ppo import PPOSettings
from myotrack.train.trainer import CHECKPOINTS, LAST, Progress
from myotrack.workflow.learning import clips_in, one_thread, simulator_of
from myotrack.workflow.policies import StoredPolicy, open_policy
from myotrack.workflow.recipes import Experiment, walk, walk_ppo, walk_torque
from myotrack.workflow.train import learn, line_of
from myotrack.workflow.validate import Examination, judged


def with_task(experiment: Experiment, **changes: object) -> Experiment:
    """The same with another task."""
    return replace(experiment, task=replace(experiment.task, **changes))


def with_ppo(experiment: Experiment, **changes: object) -> Experiment:
    """The same, learnt otherwise."""
    return replace(experiment, ppo=replace(experiment.ppo or PPOSettings(), **changes))


def straight() -> Experiment:
    """Excitations straight away, without a pattern, a spring or a hint: the published way."""
    return with_ppo(with_task(walk_ppo(), action=Direct(), hold=1), gamma=0.99, steps=36)


def every_interval() -> Experiment:
    """A new action every 10 ms; the same time ahead."""
    return with_ppo(with_task(walk_ppo(), hold=1), gamma=0.99, steps=36)


def lopsided() -> Experiment:
    """A network that knows nothing of left and right."""
    return replace(walk_ppo(), policy=replace(walk_ppo().policy, symmetric=False))


WAYS: dict[str, Callable[[], Experiment]] = {
    "walk": walk,
    "torque": walk_torque,
    "imagined": lambda: replace(walk(), ppo=None),
    "imagined-torque": lambda: replace(walk_torque(), ppo=None),
    "ppo": walk_ppo,
    "ppo-torque": lambda: with_task(walk_ppo(), action=Torque()),
    "ppo-direct": straight,
    "ppo-loose": lambda: with_task(walk_ppo(), rule=PUBLISHED),
    "ppo-every-10-ms": every_interval,
    "ppo-lopsided": lopsided,
    "ppo-co-contracting": lambda: with_task(walk_ppo(), action=Synergy()),
}
"""By name; each differs from one of the two recipes by one thing."""
EVERY = 5
"""Frames between starts that tell how sure a body is on its feet."""
PATIENCE = 4
"""Minutes by the clock for each of the processor, at most."""


@dataclass(frozen=True)
class Command:
    """Learn and judge."""

    clip: Path
    """A clip of the full body."""
    ways: tuple[str, ...] = ("walk",)
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float = 60.0
    """Of one core, for each."""
    every: float = 5.0
    """Minutes between two states that are judged."""
    out: Path = Path("runs/walking")
    level: Level = "original"
    """Of the body that they are judged on."""
    judge: bool = False
    """Learn nothing more."""
    figure: Path = Path("docs/figures/walking.png")


def main(command: Command) -> None:
    """Print a JSON object per state that is judged."""
    one_thread()
    strange = sorted(set(command.ways) - WAYS.keys())
    if strange:
        raise ValueError(f"There is no way called '{strange[0]}'; there are {', '.join(WAYS)}.")
    curves: dict[str, list[list[dict[str, float]]]] = {}
    for way in command.ways:
        for seed in command.seeds:
            folder = command.out / f"{way}-{seed}"
            if not command.judge:
                learn_in(command, WAYS[way](), seed, folder)
            if folder.exists():
                curves.setdefault(way, []).append(judge(command, way, seed, folder))
    draw(curves, command)


def learn_in(command: Command, experiment: Experiment, seed: int, folder: Path) -> None:
    """Learn, and keep what is known after every few minutes."""
    clips = replace(experiment.clips, builtin=(), judged=(), folder=command.clip)
    # By the clock, learning may take longer, where the machine has other work; what has two parts needs an idle one.
    patience = PATIENCE if len(experiment.parts) == 1 else 1
    experiment = replace(experiment, clips=clips, seed=seed, minutes=patience * command.minutes)
    kept, begun, told = folder / "kept", time.process_time(), 0

    def keep(now: Progress) -> None:
        nonlocal told
        last, count = folder / CHECKPOINTS / LAST, len(list(kept.glob("*")))
        seconds, told = time.process_time() - begun, now.row["steps_total"]
        if last.exists() and seconds >= 60 * command.every * (count + 1):
            kept.mkdir(exist_ok=True)
            shutil.copy(last, kept / f"{seconds:06.0f}-{told}.safetensors")
        if now.row["row"] % 50 == 0:
            print(f"# {folder.name}: {seconds:.0f} s, {line_of(now)}", flush=True)
        if seconds >= 60 * command.minutes:
            signal.raise_signal(signal.SIGTERM)  # Stops learning, with a checkpoint.

    learn(experiment, folder, lambda what, done, total: None, keep, force=True)
    kept.mkdir(exist_ok=True)
    seconds = time.process_time() - begun
    shutil.copy(folder / CHECKPOINTS / LAST, kept / f"{seconds:06.0f}-{told}.safetensors")


def judge(command: Command, way: str, seed: int, folder: Path) -> list[dict[str, float]]:
    """A row per state."""
    anatomy = Anatomy.load("full")
    clips = tuple(clips_in(command.clip, anatomy))
    rows = []
    for path in sorted((folder / "kept").glob("*.safetensors")):
        policy = open_policy(path)
        how = Examination(level="fast" if "torque" in way else command.level)
        (trial,) = judged(
            policy, policy.network(anatomy), anatomy, {"walk": clips}, how, lambda what, done, total: None
        )
        apart = trial.landmark_pos_w - trial.reference_landmark_pos_w
        from_pelvis = (apart - apart[:, :1]).norm(dim=-1).mean()
        seconds, actions = path.stem.split("-")
        row = {
            "minutes": int(seconds) / 60,
            "actions": int(actions),
            "survived_s": (len(apart) - 1) / 100,
            "of_s": (clips[0].frames - 1) / 100,
            "landmark_mm": 1000 * float(from_pelvis),
            "root_mm": 1000 * float(apart[:, 0].norm(dim=-1).mean()),
            "activation": float(trial.activation.mean()),
            "from_anywhere": from_anywhere(policy, anatomy, clips),
        }
        print(json.dumps({"way": way, "seed": seed} | {name: round(v, 3) for name, v in row.items()}), flush=True)
        rows.append(row)
    return rows


def from_anywhere(policy: StoredPolicy, anatomy: Anatomy, clips: tuple[Clip, ...]) -> float:
    """From which share of the frames of a clip, one in `EVERY`, the body gets to its end, on the level that it was
    learnt on: one performance from the first frame is a matter of luck, while a policy is between falling and not."""
    experiment = policy.experiment
    simulator = simulator_of(anatomy.at(experiment.level), -(-(clips[0].frames - 1) // EVERY), "cpu")
    library = ClipLibrary.of(clips, simulator.anatomy, simulator.device)
    env = TrackingEnv(experiment.task, simulator, library, fitting(simulator, library, experiment.task.cutoff))
    _, share = env.lasting(policy.network(anatomy).mean, EVERY)
    return float((share == 1).float().mean())


def draw(curves: dict[str, list[list[dict[str, float]]]], command: Command) -> None:
    """Survival and error over time; a thin line per seed, a thick one for the median as far as all have come."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    for number, (way, seeds) in enumerate(curves.items()):
        seeds = [rows for rows in seeds if rows]
        if not seeds:
            continue
        count = min(len(rows) for rows in seeds)
        minutes = [row["minutes"] for row in seeds[0][:count]]
        for axis, name in zip(axes, ("survived_s", "from_anywhere", "landmark_mm"), strict=True):
            for rows in seeds:
                whole_way = [row["minutes"] for row in rows], [row[name] for row in rows]
                axis.plot(*whole_way, color=f"C{number}", alpha=0.3, linewidth=1, marker=".")
            values = np.array([[row[name] for row in rows[:count]] for rows in seeds])
            axis.plot(minutes, np.median(values, axis=0), color=f"C{number}", linewidth=2, marker="o", label=way)
    whole = max((row["of_s"] for seeds in curves.values() for rows in seeds for row in rows), default=0.0)
    axes[0].axhline(whole, color="0.6", linestyle=":", label="the whole clip")
    spent = "minutes of learning on one core"
    axes[0].set(xlabel=spent, ylabel="survived from the first frame [s]", ylim=(0, None))
    axes[1].set(xlabel=spent, ylabel="starts from which the end is reached", ylim=(0, 1.02))
    axes[2].set(xlabel=spent, ylabel="landmarks off, while it lasts [mm]", ylim=(0, None))
    for axis in axes:
        axis.set_xlim(left=0)
    axes[0].legend(frameon=False)
    command.figure.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(command.figure, dpi=150)
    print(f"# {command.figure}")


if __name__ == "__main__":
    main(tyro.cli(Command))
