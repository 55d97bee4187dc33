"""`myotrack train`: an experiment becomes a policy in a run's folder, with a log and checkpoints on the way.

RUN/experiment.json   what was asked for, resolved         RUN/checkpoints/   to go on from
RUN/log.jsonl         a line per round                     RUN/policy.safetensors   the network, with all it needs
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from myotrack.train import checkpoint
from myotrack.train.checkpoint import Shards
from myotrack.train.team import ALONE, Team
from myotrack.train.trainer import CHECKPOINTS, Budget, Outcome, Trainer
from myotrack.train.trainer import Progress as Advance
from myotrack.workflow.asked import chosen
from myotrack.workflow.learning import Lesson, lesson_of, one_thread
from myotrack.workflow.output import errors, print_json, say
from myotrack.workflow.plain import as_plain
from myotrack.workflow.policies import POLICY, open_policy, save_policy
from myotrack.workflow.recipes import Experiment
from myotrack.workflow.run import EXPERIMENT, about_run, check_place, experiment_of, write_text

if TYPE_CHECKING:
    from myotrack.workflow.cli import TrainCommand

ROWS = "rows"
"""Folder in the checkpoints where cloning keeps what the teacher said."""
STALE = (
    f"{CHECKPOINTS}/*.safetensors", f"{CHECKPOINTS}/{ROWS}/*", "trials/*", "*.jsonl", "*.html", "*.safetensors",
    "scorecard.json", "tensorboard/*",
)  # fmt: skip
"""What an older run left in its folder."""
TITLES = {"arms": "Arms moved by a learnt policy", "full": "A body moved by a learnt policy"}
"""Of the report."""
SEED_FOLDER = "seed-"
"""What the folders of several seeds begin with."""
RANKS = "ranks"
"""Folder of a run where other processes of a team keep where they are."""
QUIET = 10.0
"""Seconds between two lines where nobody looks at a bar."""
Tell = Callable[[str, int, int], None]


def train(command: "TrainCommand") -> int:
    """Train, with a line of progress; 1 if learning diverged or was stopped."""
    told = []
    for each in seeded(command):
        experiment = chosen(each)
        team = Team.found(experiment.device)
        with progress(shown=not team.rank) as (tell, advance):
            outcome = learn(experiment, each.out, tell, advance, each.resume, each.force, team)
        if not team.rank:  # The first process speaks for all.
            told.append(told_of(outcome, each.out))
            if not command.json:
                pace = f"{outcome.steps:,} steps in {outcome.seconds:.0f} s, {told[-1]['steps_per_s']:,.0f} per second."
                print(f"{outcome.words} {pace}\nPolicy: {each.out / POLICY}")
        if outcome.how == "stopped":
            break
    if not told:
        return 0
    if command.json:
        print_json(told[0] if command.seeds == 1 else {"runs": told})
    else:
        print(f"How good it is: myotrack validate {command.out}")
    return 0 if all(one["how"] == "finished" for one in told) else 1


def told_of(outcome: Outcome, out: Path) -> dict[str, Any]:
    """How it went, for programs."""
    speed = outcome.steps / outcome.seconds if outcome.seconds else math.nan
    return {
        "out": str(out), "how": outcome.how, "words": outcome.words, "seconds": outcome.seconds,
        "steps": outcome.steps, "steps_per_s": speed, "policy": str(out / POLICY),
    }  # fmt: skip


def seeded(command: "TrainCommand") -> list["TrainCommand"]:
    """A command for every seed, in a folder of its own where there are several.

    Raises:
        ValueError: There are none, or the folder holds one run.
    """
    if command.seeds < 1:
        raise ValueError(f"--seeds is how many policies to train, at least one; got {command.seeds}.")
    if command.seeds == 1:
        return [command]
    if experiment_of(command.out) is not None:
        raise ValueError(f"{command.out}: there is a run already; choose another folder for several seeds with --out.")
    commands = []
    for seed in range(command.seed, command.seed + command.seeds):
        folder = command.out / f"{SEED_FOLDER}{seed}"
        # A run that had not begun when others were stopped begins now.
        resume = command.resume and experiment_of(folder) is not None
        commands.append(replace(command, out=folder, seed=seed, seeds=1, resume=resume))
    return commands


def learn(
    experiment: Experiment,
    folder: Path,
    tell: Tell,
    advance: Callable[[Advance], None],
    resume: bool = False,
    force: bool = False,
    team: Team = ALONE,
) -> Outcome:
    """Put everything together, learn, and write the policy.

    Raises:
        ValueError: Clips or choices cannot be used, or the folder holds something else.
        CheckpointError: There is nothing to go on from.
        OSError: The run cannot be written.
    """
    one_thread()
    if team.rank:
        # The first process keeps the run; the others keep what they need to go on.
        folder = folder / RANKS / str(team.rank)
    first = None if experiment.begin is None or resume else open_policy(experiment.begin)
    if not resume:
        check_place(folder, force)
    team.any(False)  # Nobody writes before all have looked.
    store = Shards(folder / CHECKPOINTS / ROWS)
    lesson = lesson_of(experiment, tell, store if experiment.clone is not None else None, first, team, resume)
    about = about_policy(experiment, lesson)
    trainer = Trainer(list(zip(lesson.stages, budgets(experiment), strict=True)), folder, about, team=team)
    if resume:
        trainer.resume()
    outcome = trainer.run(advance, None if resume else lambda: begin(folder, experiment, lesson))
    source = trainer.best if outcome.how == "diverged" and trainer.best.exists() else None
    if source is None:
        save_policy(folder / POLICY, lesson.policy, about)
    else:
        # What diverged is of no use; the best that was kept is.
        tensors, told = checkpoint.load(source)
        number = int(told["count"]["stage"])
        checkpoint.save(folder / POLICY, checkpoint.part_of(tensors, f"{number}.policy."), about)
    return outcome


def begin(folder: Path, experiment: Experiment, lesson: Lesson) -> None:
    """Make the folder of a new run; what an older run left there goes."""
    for pattern in STALE:
        for path in folder.glob(pattern):
            path.unlink()
    groups = {name: [clip.name for clip in clips] for name, clips in lesson.clips.judged.items()}
    about = about_run() | {
        "title": TITLES[experiment.body],
        "experiment": as_plain(experiment),
        "body_hash": lesson.anatomy.hash,
        "clips": {"learnt": [clip.name for clip in lesson.clips.learnt], "judged": groups},
        "termination": str(experiment.task.rule),
        "observation": [[entry.name, entry.unit, entry.size] for entry in lesson.env.observer.layout],
        "trials": [],
    }
    write_text(folder / EXPERIMENT, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def about_policy(experiment: Experiment, lesson: Lesson) -> dict[str, Any]:
    """What goes with every set of weights."""
    return {
        "experiment": as_plain(experiment),
        "body_hash": lesson.anatomy.hash,
        "clips": [clip.name for clip in lesson.clips.learnt],
    }


def budgets(experiment: Experiment) -> list[Budget]:
    """Of each stage."""

    def of(share: float) -> Budget:
        minutes = None if experiment.minutes is None else share * experiment.minutes
        steps = None if experiment.steps is None else max(1, round(share * experiment.steps))
        return Budget(minutes, steps, experiment.target)

    return [of(part.share) for part in experiment.parts]


@contextmanager
def progress(shown: bool = True) -> Iterator[tuple[Tell, Callable[[Advance], None]]]:
    """A line that tells how far learning is; where nobody looks, a plain one now and then."""
    console = errors()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("", total=None)
        clock = [-math.inf]

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        def advance(now: Advance) -> None:
            words = line_of(now)
            bar.update(task, description=words, completed=1000 * now.share, total=1000)
            if shown and not console.is_terminal and time.monotonic() - clock[0] > QUIET:
                clock[0] = time.monotonic()
                left = "" if now.left is None else f", {now.left:.0f} s left"
                say(f"{words}{left}")

        yield tell, advance


def line_of(now: Advance) -> str:
    """Stage, reward, error, how many were lost, speed."""
    row = now.row
    parts = [now.stage, f"reward {row.get('reward', row['score']):.3f}"]
    if "landmark_error" in row:
        parts.append(f"error {100 * row['landmark_error']:.2f} cm")
    if "failed" in row:
        parts.append(f"lost {100 * row['failed']:.2f} % of steps")
    return ", ".join([*parts, f"{now.speed:,.0f} steps/s"])
