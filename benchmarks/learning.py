"""How well a policy follows motions that it has never seen, after minutes of learning.

    python benchmarks/learning.py --clips CLIPS --part seeds        three seeds, judged on clips and persons held out
    python benchmarks/learning.py --clips CLIPS --part teacher      muscle control itself, on the same clips
    python benchmarks/learning.py --clips CLIPS --part robust       the first seed's policy, disturbed
    python benchmarks/learning.py --clips CLIPS --part finetune     the first seed's policy learns one more recording
    python benchmarks/learning.py --part ppo                     trial and error after cloning, where the teacher errs

CLIPS is a folder made by `myotrack retarget ../shared/data/cmu_bvh --body arms --out CLIPS`. Runs lie in --out and are
used again by the other parts.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.clips.store import load, save
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState
from myotrack.simulate.threads import Threads
from myotrack.track.action import Intent
from myotrack.track.disturb import Disturbance
from myotrack.track.moment import Moment
from myotrack.track.start import fitting
from myotrack.track.task import Task
from myotrack.train.ppo import PPOSettings
from myotrack.train.trainer import Progress
from myotrack.validate.rollout import roll_out
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial, grouped
from myotrack.workflow.asked import fine_tuning
from myotrack.workflow.learning import LEARNT, STRANGE_BUILTIN, one_thread
from myotrack.workflow.policies import StoredPolicy, open_policy
from myotrack.workflow.recipes import Experiment, anchored, arms, finetune
from myotrack.workflow.train import learn, line_of
from myotrack.workflow.validate import Examination, judged, kept_clips

METRICS = ("success_published", "success_strict", "landmark_error_mean", "hand_error_mean", "joint_error_mean",
           "activation_mean")  # fmt: skip
DISTURBANCES: dict[str, tuple[str, tuple[float, ...]]] = {
    "hand_load": ("mass in each hand [kg]", (0.3, 1.0, 2.0, 3.0)),
    "weakness": ("all muscles weaker [%]", (0.2, 0.4, 0.6, 0.8)),
    "strength": ("strength of each muscle, ± [%]", (0.15, 0.3, 0.6, 0.9)),
    "noise": ("noise of excitations [% of them]", (0.1, 0.3, 0.6, 1.0)),
    "delay": ("everything seen late by [ms]", (1, 2, 4, 8)),
    "push": ("hands pushed for 0.1 s, once a second [N]", (20.0, 60.0, 120.0, 240.0)),
}
"""Fields of `Disturbance`, what their curves are called, and how far each is turned up."""
SHOWN = {"weakness": 100.0, "strength": 100.0, "noise": 100.0, "delay": 10.0}
"""Factors from a field to the unit of its curve."""
IMPERFECT = Disturbance(mass=0.1, strength=0.2, weakness=0.3, hand_load=0.3)
"""Of what muscle control knows nothing."""


@dataclass(frozen=True)
class Command:
    """Train and judge."""

    part: Literal["seeds", "teacher", "robust", "finetune", "ppo"] = "seeds"
    clips: Path | None = None
    """Folder of recorded clips of the arms; built-in motions alone if not given."""
    out: Path = Path("runs/learning")
    """Where the runs are put."""
    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float = 3.0
    fingers: bool = False
    """126 muscles instead of 64."""
    figure: Path = Path("docs/figures/robust.png")
    """Where the curves of --part robust are drawn."""
    new: str = "10_03"
    """The recording that is learnt in fine-tuning, of a person held out before."""


def main(command: Command) -> None:
    """Measure and print a JSON object per row."""
    one_thread()
    {"seeds": seeds, "teacher": teacher, "robust": robust, "finetune": tuned, "ppo": ppo}[command.part](command)


def trained(command: Command, experiment: Experiment, name: str) -> StoredPolicy:
    """A run of that name: the one that is there, or a new one."""
    folder = command.out / f"{name}{'-fingers' if experiment.fingers else ''}"
    if not (folder / "policy.safetensors").exists():
        outcome = learn(experiment, folder, lambda what, done, total: None, show, force=True)
        speed = round(outcome.steps / outcome.seconds)
        told = {"learning_s": round(outcome.seconds), "steps": outcome.steps, "steps_per_s": speed, "how": outcome.how}
        print(json.dumps({"run": folder.name} | told), flush=True)
    return open_policy(folder)


def show(progress: Progress) -> None:
    """Only now and then."""
    if progress.row["row"] % 10 == 0:
        print(f"# {progress.seconds:.0f} s, {line_of(progress)}", flush=True)


def judge(policy: StoredPolicy, groups: dict[str, tuple[Clip, ...]], how: Examination, about: dict) -> list[Trial]:
    """Print a row per group."""
    anatomy = Anatomy.load(policy.experiment.body, policy.experiment.fingers)
    begin = time.perf_counter()
    trials = judged(policy, policy.network(anatomy), anatomy, groups, how, lambda what, done, total: None)
    card = Scorecard.of([(trial, anatomy) for trial in trials])
    for group in groups:
        means = {each.metric: each for each in card.summaries if each.group == group and each.metric in METRICS}
        row = {name: f"{means[name].text} ({means[name].ends})" for name in METRICS if name in means}
        seconds = round(time.perf_counter() - begin)
        print(json.dumps(about | {"group": group, "n": len(groups[group])} | row | {"judging_s": seconds}), flush=True)
    return trials


def seeds(command: Command) -> None:
    """The same recipe with several seeds; the split of persons is the same for all."""
    for seed in command.seeds:
        choice = replace(arms().clips, folder=command.clips)
        experiment = replace(arms(), clips=choice, seed=seed, minutes=command.minutes, fingers=command.fingers)
        policy = trained(command, experiment, f"seed{seed}")
        groups = kept_clips(policy, Anatomy.load("arms", command.fingers), lambda what, done, total: None)
        trials = judge(policy, groups, Examination(), {"seed": seed, "fingers": command.fingers})
        lost = [trial.name for trial in trials if trial.ended]
        print(json.dumps({"seed": seed, "lost": lost}), flush=True)


class Taught:
    """Drives the muscles as the teacher would."""

    def __init__(self, simulator: Simulator, library: ClipLibrary) -> None:
        self._intent, self._library = Intent(simulator), library

    def reset(self, body: BodyState, clip: Tensor, frame: Tensor) -> None:
        """There is nothing to remember."""

    def __call__(self, body: BodyState, clip: Tensor, frame: Tensor) -> Tensor:
        """What muscle control sends."""
        reference = self._library.at(clip, frame, (0, 1))
        phase = torch.zeros_like(body.time)
        return self._intent.excitation(Moment(body, reference, body.muscle_excitation, phase)).float()


def teacher(command: Command) -> None:
    """How well the teacher follows what its pupils are judged on; a row per motion."""
    policy, anatomy = open_policy(command.out / "seed0"), Anatomy.load("arms")
    for group, clips in kept_clips(policy, anatomy, lambda what, done, total: None).items():
        simulator, library = Threads(anatomy, len(clips)), ClipLibrary.of(clips, anatomy)
        table = fitting(simulator, library).activation
        trials = roll_out(
            simulator, library, Taught(simulator, library), settings=grouped(group),
            start_activation=lambda clip, frame, table=table, start=library.start: table[start[clip] + frame],
        )  # fmt: skip
        for trial in trials:
            apart = (trial.landmark_pos_w - trial.reference_landmark_pos_w).norm(dim=-1).mean(dim=1)
            told = {"mean_mm": round(1000 * float(apart.mean()), 1), "max_mm": round(1000 * float(apart.max()))}
            print(json.dumps({"teacher of": group, "clip": trial.name, "ended": trial.ended} | told), flush=True)


def robust(command: Command) -> None:
    """Held-out clips under disturbances that the policy has never felt, each turned up until clips are lost."""
    policy = open_policy(command.out / "seed0")
    anatomy = Anatomy.load("arms")
    held = {STRANGE_BUILTIN: kept_clips(policy, anatomy, lambda what, done, total: None)[STRANGE_BUILTIN]}

    def told(disturbance: Disturbance, about: dict) -> tuple[float, float]:
        trials = judge(policy, held, Examination(disturbance=disturbance), about)
        values = Scorecard.of([(trial, anatomy) for trial in trials]).summaries
        mean = {each.metric: each.interval.mean for each in values}
        return mean["coverage_published"], mean["landmark_error_mean"]

    plain = told(Disturbance(), {"disturbance": "none"})
    curves = {}
    for name, (title, levels) in DISTURBANCES.items():
        rows = [(0.0, *plain)]
        for level in levels:
            shown = level * SHOWN.get(name, 1.0)
            rows.append((shown, *told(Disturbance(**{name: level}), {"disturbance": title, "level": shown})))
        curves[title] = rows
    draw_curves(curves, command.figure)


def draw_curves(curves: dict[str, list[tuple[float, float, float]]], path: Path) -> None:
    """Survival and error over the strength of each disturbance."""
    figure = Figure(figsize=(10.0, 5.2), layout="constrained")
    panels = figure.subplots(2, 3).flatten()
    for axes, (title, rows) in zip(panels, curves.items(), strict=True):
        level, kept, error = zip(*rows, strict=True)
        axes.plot(level, error, "o-", color="#2166ac")
        axes.set(xlabel=title, ylim=(0, max(20.0, 1.1 * max(error))))
        axes.set_ylabel("landmark error [mm]", color="#2166ac")
        other = axes.twinx()
        other.plot(level, kept, "s--", color="#b35806")
        other.set(ylim=(0, 105))
        other.set_ylabel("followed [% of clip]", color="#b35806")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=110)


def tuned(command: Command) -> None:
    """One more recording in a minute: before and after, on it and on the old clips."""
    if command.clips is None:
        raise SystemExit("Fine-tuning needs recorded clips: --clips.")
    anatomy, first = Anatomy.load("arms"), open_policy(command.out / "seed0")
    folder = command.out / "new"
    folder.mkdir(parents=True, exist_ok=True)
    clip = load(command.clips / f"{command.new}.npz")
    save(clip, folder / f"{command.new}.npz", anatomy)
    old = kept_clips(first, anatomy, lambda what, done, total: None)
    groups = {"the new clip": (clip,), LEARNT: old[LEARNT], STRANGE_BUILTIN: old[STRANGE_BUILTIN]}
    judge(first, groups, Examination(), {"policy": "before"})
    experiment = fine_tuning(finetune(), command.out / "seed0", folder)
    second = trained(command, experiment, "finetuned")
    judge(second, groups, Examination(), {"policy": "after"})


def ppo(command: Command) -> None:
    """Cloning alone, then trial and error in three ways, on bodies of which the teacher knows nothing."""
    ways: dict[str, PPOSettings] = {
        "plain": PPOSettings(),
        "slow": replace(anchored(), anchor=0.0),
        "slow, anchored": anchored(),
    }
    taught, tried = 20_000, 60_000
    task = Task(disturbance=IMPERFECT)
    for seed in command.seeds:
        base = replace(arms(), task=task, seed=seed, minutes=None, steps=taught)
        clone = trained(command, base, f"clone{seed}")
        groups = kept_clips(clone, Anatomy.load("arms"), lambda what, done, total: None)
        held: dict[str, Sequence[Clip]] = {STRANGE_BUILTIN: groups[STRANGE_BUILTIN]}
        judge(clone, held, Examination(seed=seed), {"seed": seed, "way": "clone"})
        for way, settings in ways.items():
            # The clone of the same seed and steps is the same, so each way begins with what was judged above.
            experiment = replace(base, ppo=settings, steps=taught + tried, clone_share=taught / (taught + tried))
            policy = trained(command, experiment, f"{way.replace(' ', '-').replace(',', '')}{seed}")
            judge(policy, held, Examination(seed=seed), {"seed": seed, "way": way})


if __name__ == "__main__":
    torch.manual_seed(0)
    main(tyro.cli(Command))
