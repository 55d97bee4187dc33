"""Muscles along motions without learning: `myotrack steer`, and the same for Python.

run = steer_motions(Steering(motions=("reach",), body="arms", out=Path("runs/reach")))
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from myotrack.algebra.threads import torch_threads
from myotrack.anatomy.levels import Level, parsed
from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.steer.effort import COSTS, Cost
from myotrack.steer.follow import FollowSettings, follow
from myotrack.steer.recruit import Reserve
from myotrack.steer.static import Choices
from myotrack.validate.explain import explain
from myotrack.validate.metrics import BY_NAME
from myotrack.validate.record import record
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial
from myotrack.workflow.motions import Motion, Wish, motions
from myotrack.workflow.output import errors, print_json, print_table
from myotrack.workflow.page import write_page
from myotrack.workflow.run import REPORT, Run, check_place, fill, new_run

if TYPE_CHECKING:
    from myotrack.workflow.cli import SteerCommand

MODES = {"control": "muscle control", "static": "static optimisation"}
Tell = Callable[[str, int, int], None]
"""Called with what is done now, how much of it is done, and how much there is."""
COLUMNS = {
    "survival": "done [%]",
    "joint_error_mean": "joints, mean [deg]",
    "joint_error_95": "95 %",
    "joint_error_worst": "worst",
    "hand_error_mean": "hands [mm]",
    "activation_mean": "active [%]",
    "residual_rms": "missed [N m]",
    "reserve_rms": "reserve [N m]",
    "pelvis_residual_rms": "pelvis residual [% BW]",
    "support_weight_mean": "support [% BW]",
    "real_time": "x real time",
}
"""Of the table, by metric."""


@dataclass(frozen=True)
class Steering:
    """What is to be done."""

    motions: tuple[str, ...]
    """Built-in motions, clips, recordings."""
    out: Path
    """Folder of the run."""
    body: str = "full"
    fingers: bool = False
    mode: str = "control"
    """'control': muscles move a simulated body. 'static': what muscles must have done, without simulation."""
    effort: Cost = "squared"
    support: bool = True
    reserve: float = 0.0
    """[N m]"""
    lift: float = 0.0
    """[m]"""
    forces: Path | None = None
    emg: Path | None = None
    start: float | None = None
    """[s]"""
    end: float | None = None
    """[s]"""
    video: bool = True
    force: bool = False

    def check(self) -> None:
        """Refuse what cannot be done with any motion.

        Raises:
            ValueError: The choices do not go together; the message says which.
        """
        body, _ = parsed(self.body)
        if body not in BODIES:
            raise ValueError(f"There is no body called '{body}'. The bodies are: {', '.join(BODIES)}.")
        if self.mode not in MODES:
            raise ValueError(f"There is no mode called '{self.mode}'. The modes are: {', '.join(MODES)}.")
        if self.effort not in COSTS:
            raise ValueError(f"There is no cost called '{self.effort}'. Choose one of: {', '.join(COSTS)}.")
        if self.reserve < 0:
            raise ValueError(f"--reserve is the largest moment per joint from outside, not {self.reserve:g} N m.")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"--start must come before --end; they are {self.start:g} and {self.end:g} s.")
        if self.mode == "control" and self.effort != "squared":
            raise ValueError("--effort is a choice of --mode static; muscle control spares squared activation.")
        if self.mode == "control" and self.forces is not None:
            raise ValueError("--forces are for --mode static; in muscle control the simulated ground pushes.")
        if self.lift and (self.mode == "static" or not self.support):
            raise ValueError("--lift is for a body that muscle control holds at the pelvis.")
        if self.mode == "static" and not self.support:
            raise ValueError("--no-support is for muscle control; in --mode static nothing is held, nor falls.")
        if body == "arms" and not (self.support and self.forces is None and not self.lift):
            raise ValueError("--no-support, --lift and --forces are for the full body; the trunk of the arms is fixed.")


def steer(command: "SteerCommand") -> int:
    """Steer, tell, and print a table or one JSON object; 1 if a trial ended before its motion."""
    choices = Steering(**{choice.name: getattr(command, choice.name) for choice in fields(Steering)})
    begin = time.perf_counter()
    with progress() as tell:
        run = steer_motions(choices, tell)
    wall = time.perf_counter() - begin
    card = Scorecard.of(run.trials)
    if command.json:
        print_json(as_report(run, card, wall))
    else:
        print_scores(run, card)
        remark = "" if run.experiment["films"] else f" (no films: {run.experiment['no_film']})"
        print(f"{len(run.trials)} trials in {wall:.0f} s, in {choices.out}{remark}.")
        print(f"Report: {choices.out / REPORT}")
    return 1 if any(trial.ended for trial, _ in run.trials) else 0


def steer_motions(choices: Steering, tell: Tell | None = None) -> Run:
    """Find the motions, move the muscles, and write the run.

    Args:
        choices: What is to be done.
        tell: Called meanwhile.

    Raises:
        ValueError: A motion cannot be used, the choices do not go together, or a run is there already.
        OSError: The run cannot be written.
    """
    tell = tell or (lambda what, done, total: None)
    choices.check()
    check_place(choices.out, choices.force)
    static = choices.mode == "static"
    # A static trial is cut after its forces have told the mass.
    cut = {} if static else {"start": choices.start, "end": choices.end}
    body, level = parsed(choices.body)
    person = static and body == "full"
    wish = Wish(body, choices.fingers, choices.forces, choices.emg, person, **cut)
    found = motions(choices.motions, wish, lambda name: tell(f"retargeting {name}", 0, 0))
    return steered([at_level(motion, level) for motion in found], choices, tell)


def at_level(motion: Motion, level: Level) -> Motion:
    """The same motion of a body in another detail."""
    fit = motion.fit and replace(motion.fit, anatomy=motion.fit.anatomy.at(level))
    return replace(motion, anatomy=motion.anatomy.at(level), fit=fit)


def steered(found: Sequence[Motion], choices: Steering, tell: Tell) -> Run:
    """Move the muscles along motions, of any bodies, and write the run; arguments and errors as above.

    Args:
        found: The motions, each with its body; names differ.
        choices: What is to be done with them.
        tell: Called meanwhile.
    """
    begin = time.perf_counter()
    static = choices.mode == "static"
    trials = explained(found, choices, tell) if static else controlled(found, choices, tell)
    with new_run(choices.out, choices.force) as stage:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(choices).items()}
        experiment = {
            "title": _title(trials),
            "settings": settings,
            **({} if static else {"control": asdict(settings_of(choices))}),
        }
        run = fill(stage, trials, experiment)
        films, no_film = write_page(run, choices.video, tell)
    wall = {"films": films, "no_film": no_film, "wall_s": round(time.perf_counter() - begin, 1)}
    return Run(choices.out, run.experiment | wall, run.trials)


def settings_of(choices: Steering) -> FollowSettings:
    """Those of muscle control."""
    return FollowSettings(support=choices.support, reserve=choices.reserve, lift=choices.lift)


def controlled(found: Sequence[Motion], choices: Steering, tell: Tell) -> list[tuple[Trial, Anatomy]]:
    """Follow all motions of one body at once, body after body."""
    settings = settings_of(choices)
    told = {"support": "the pelvis is held" if settings.support else "none", "reserve": f"{settings.reserve:g} N m"}
    told |= {"lift": f"{settings.lift:g} m"} if settings.lift else {}
    done: dict[str, tuple[Trial, Anatomy]] = {}
    for body in dict.fromkeys(motion.anatomy.hash for motion in found):
        group = [motion for motion in found if motion.anatomy.hash == body]
        anatomy, clips = group[0].anatomy, [motion.clip for motion in group]
        names = ", ".join(clip.name for clip in clips)
        total, steps = max(clip.frames for clip in clips), 0

        def count(alive: int, names: str = names, total: int = total) -> None:
            nonlocal steps
            steps += 1
            tell(f"muscles move along {names}", steps, total)

        # Many small matrices: more threads of torch would wait for each other. The physics has its own.
        with torch_threads(1):
            library = ClipLibrary.of(clips, anatomy, dtype=torch.float64)
            simulator = Threads(anatomy, len(clips), dtype=torch.float64)
            taken = record(
                follow(simulator, library, settings, torch.arange(len(clips))),
                clips,
                anatomy,
                told if anatomy.free else {"reserve": told["reserve"]},
                [motion.emg for motion in group],
                count,
            )
        done |= {trial.name: (trial, anatomy) for trial in taken}
    return [done[motion.clip.name] for motion in found]


def explained(found: Sequence[Motion], choices: Steering, tell: Tell) -> list[tuple[Trial, Anatomy]]:
    """Explain motion after motion."""
    taken = []
    options = Choices(cost=choices.effort, reserve=Reserve(choices.reserve) if choices.reserve else None)
    told = {"effort": choices.effort, "reserve": f"{choices.reserve:g} N m"}
    for number, motion in enumerate(found):
        tell(f"muscles explain {motion.clip.name}", number, len(found))
        span = None
        if choices.start is not None or choices.end is not None:
            span = (choices.start or 0.0, motion.clip.duration if choices.end is None else choices.end)
        trial = explain(motion.clip, motion.anatomy, options, motion.recording, motion.fit, span, told, motion.emg)
        taken.append((trial, trial.anatomy()))
    return taken


def headed(columns: Mapping[str, str]) -> list[str]:
    """Heads of columns by metric, with which way is better."""
    marks = {"higher": " (+)", "lower": " (-)", "neither": ""}
    return [f"{head}{marks[BY_NAME[name].better]}" for name, head in columns.items()]


BETTER = "(+) more is better, (-) less is"
"""Of `headed`, for below a table."""


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar on standard error, if somebody looks."""
    console = errors()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        last = ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal last
            if what != last:
                bar.reset(task, description=what, total=total or None)
                last = what
            bar.update(task, completed=done, total=total or None)

        yield tell


def print_scores(run: Run, card: Scorecard) -> None:
    """The table, and a line for each trial that ended early."""
    columns = {name: head for name, head in COLUMNS.items() if any(metric.name == name for metric in card.metrics)}
    rows = []
    for trial, _ in run.trials:
        scores = [card.at(trial.name, name) for name in columns]
        rows.append([trial.name, f"{trial.duration:.2f}", *("" if score is None else score.text for score in scores)])
    kinds = ", ".join(dict.fromkeys(trial.kind for trial, _ in run.trials))
    print_table(kinds.capitalize(), ["motion", "s", *headed(columns)], rows, f"{BETTER}.")
    for trial, _ in run.trials:
        if trial.ended:
            print(f"{trial.name} ended after {trial.duration:.2f} s: {trial.ended}.")


def as_report(run: Run, card: Scorecard, wall: float) -> dict[str, Any]:
    """For programs."""
    rows = []
    for (trial, _), name in zip(run.trials, run.experiment["trials"], strict=True):
        scores = {row.metric: row.value for row in card.rows if row.trial == trial.name}
        rows.append({"name": trial.name, "file": name, "kind": trial.kind, "body": trial.body,
                     "body_hash": trial.body_hash, "ended": trial.ended, "scores": scores})  # fmt: skip
    films = {"films": run.experiment["films"], "no_film": run.experiment["no_film"]}
    return {"out": str(run.folder), "report": str(run.folder / REPORT), "wall_s": wall, **films, "trials": rows}


def _title(trials: Sequence[tuple[Trial, Anatomy]]) -> str:
    names = [trial.name for trial, _ in trials]
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb = "Muscles that explain" if not trials[0][0].simulated else "Muscles along"
    return f"{verb} {some}"
