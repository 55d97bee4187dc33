"""`myotrack demo`: the whole pipeline on motions that come with myotrack, from clips to a page about a learnt policy.

built-in motions -> clips -> muscle control, the teacher -> a network, cloned -> motions it has never seen -> report
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin, varied
from myotrack.train.trainer import Outcome
from myotrack.validate.scorecard import Scorecard
from myotrack.workflow.learning import one_thread
from myotrack.workflow.motions import Motion
from myotrack.workflow.output import print_json
from myotrack.workflow.recipes import TAUGHT, ClipChoice, Experiment, arms
from myotrack.workflow.run import REPORT, Run, experiment_of
from myotrack.workflow.steer import Steering, controlled
from myotrack.workflow.train import Tell, learn, progress
from myotrack.workflow.validate import Examination, examine, print_groups

if TYPE_CHECKING:
    from myotrack.workflow.cli import DemoCommand

RECIPE = "demo"
WALK = "walk"
"""A motion of the full body, moved by muscle control alone and held at the pelvis: learning to walk takes longer."""
JUDGED = ("reach", "wave_left", "drink", "lift", *varied(("reach_both",), (1000,)))
"""Motions that the network has never seen."""


def experiment() -> Experiment:
    """The recipe 'arms' with half of the motions, in a minute."""
    clips = ClipChoice(builtin=varied(TAUGHT, range(2)), judged=JUDGED)
    return replace(arms(), recipe=RECIPE, clips=clips, minutes=1.0)


def demo(command: "DemoCommand") -> int:
    """Learn, judge, report; 1 if a motion was lost."""
    with progress() as (tell, advance):
        outcome = learn(experiment(), command.out, tell, advance, force=_is_demo(command.out))
        run = _judged(command.out, command.video, tell)
    card = Scorecard.of(run.trials)
    lost = [trial.name for trial, _ in run.trials if trial.ended]
    if command.json:
        told = {"out": str(run.folder), "report": str(run.folder / REPORT), "learning_s": outcome.seconds}
        print_json(told | {"films": run.experiment["films"], "no_film": run.experiment["no_film"]} | card.as_dict())
    else:
        print_groups(card)
        _tell(run, outcome)
    return 1 if lost or outcome.how != "finished" else 0


def _judged(folder: Path, video: bool, tell: Tell) -> Run:
    """A walk by muscle control, then the policy on motions that it has never seen."""
    one_thread()
    anatomy = Anatomy.load("full")
    tell("preparing the walk", 0, 0)
    walk = Motion(builtin(WALK, anatomy), anatomy)
    [(trial, _)] = controlled([walk], Steering((WALK,), folder), tell)
    return examine(folder, None, Examination(learnt=False), video, tell, [trial])


def _tell(run: Run, outcome: Outcome) -> None:
    """What was done, in a few lines."""
    print(
        f"A network learnt to move two arms by 64 muscles in {outcome.seconds:.0f} s, from {outcome.steps:,} steps that"
    )
    print("muscle control showed it. The motions above are others. The page also shows a full body that walks.")
    if not run.experiment["films"]:
        print(f"There are no films: {run.experiment['no_film']}.")
    print(f"Report: {run.folder / REPORT}")


def _is_demo(folder: Path) -> bool:
    """Whether a folder holds an earlier demo, which may be replaced; any other run may not."""
    about = experiment_of(folder) or {}
    return isinstance(about.get("experiment"), dict) and about["experiment"].get("recipe") == RECIPE
