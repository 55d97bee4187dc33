"""What `myotrack train` is asked for: from the words of a command to an `Experiment`.

recipe, changed by options -> begun with a policy: fine-tuned, gone on with, or distilled
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.track.action import Direct, Torque
from myotrack.track.curriculum import Curriculum
from myotrack.track.imagination import unimaginable
from myotrack.track.task import Task
from myotrack.train.ppo import PPOSettings
from myotrack.workflow.learning import body_of
from myotrack.workflow.output import say
from myotrack.workflow.policies import StoredPolicy, open_policy, read_experiment, world_model
from myotrack.workflow.recipes import RECIPES, ClipChoice, Experiment, finetune, generalist, knowing
from myotrack.workflow.run import EXPERIMENT, experiment_of

if TYPE_CHECKING:
    from myotrack.workflow.cli import TrainCommand

NEW_SHARE = 0.5
"""Of the episodes in fine-tuning, that begin in what is new; the others rehearse."""


def chosen(command: "TrainCommand") -> Experiment:
    """The recipe with what the command changes; when going on, what the run was begun with.

    Raises:
        ValueError: The choices do not go together.
    """
    if command.resume:
        experiment = experiment_of_run(command.out)
        if command.clips is not None:  # The run may have come from another machine.
            experiment = replace(experiment, clips=replace(experiment.clips, folder=command.clips))
    else:
        recipe = RECIPES[command.recipe]()
        if command.recipe == "generalist" and command.clips is not None and body_of(command.clips) == "arms":
            recipe = generalist("arms")
        if command.recipe == "finetune" and command.begin is not None:
            recipe = finetune(open_policy(command.begin).experiment.body)
        experiment = replace(recipe, device=command.device, seed=command.seed)
        level = command.level or experiment.level
        own = 0.0 if level == "original" else experiment.finish
        finish = own if command.finish is None else command.finish
        experiment = replace(experiment, fingers=command.fingers, level=level, finish=finish)
        if command.symmetric:
            experiment = replace(experiment, policy=replace(experiment.policy, symmetric=True))
        if command.substeps is not None:
            experiment = replace(experiment, substeps=command.substeps)
        if command.worlds is not None:
            experiment = replace(experiment, worlds=command.worlds)
        if command.clips is not None:
            share = experiment.clips.test_share if command.test_share is None else command.test_share
            clips = replace(experiment.clips, folder=command.clips, test_share=share, split_seed=command.split_seed)
            if clips.instead:
                clips = replace(clips, builtin=(), judged=())
            experiment = replace(experiment, clips=clips)
        if command.recipe == "distil":
            experiment = distilling(experiment, command.begin, command.clips)
        elif command.recipe == "finetune":
            if command.symmetric:
                raise ValueError("--symmetric is decided when a policy is first trained; 'finetune' keeps it.")
            experiment = fine_tuning(experiment, command.begin, command.clips)
        elif command.begin is not None or command.recipe == "refine":
            experiment = going_on(experiment, command.begin, command.clips)
    bounds = {"minutes": command.minutes, "steps": command.steps, "target": command.target}
    given = {name: value for name, value in bounds.items() if value is not None}
    if given:
        # Whoever names steps or a score only wants no other end.
        experiment = replace(experiment, **({"minutes": None, "steps": None, "target": None} | given))
    return experiment


def fine_tuning(experiment: Experiment, begin: Path | None, clips: Path | None) -> Experiment:
    """What a policy that knows something learns anew: it keeps body, task and network, and all clips have their turn.

    Raises:
        ValueError: The policy or the clips are not named, or the policy cannot be used.
    """
    if begin is None or clips is None:
        raise ValueError(
            "Fine-tuning needs a policy to begin with (--begin RUN) and new clips (--clips FILE_OR_FOLDER)."
        )
    first = open_policy(begin)
    known, count = first.experiment.clips, experiment.rehearsed
    recorded = [name for name in first.clips if name not in known.builtin]
    folders = [folder for folder in (known.folder, *known.rehearsed_from) if folder is not None and recorded]
    for folder in folders:
        if not folder.exists():
            say(f"{folder}: recordings that the policy knew are not here any more; they may be forgotten.")
    choice = ClipChoice(
        spread_over(known.builtin, count), known.judged, clips, test_share=0.0, rehearsed=spread_over(recorded, count),
        rehearsed_from=tuple(folder for folder in folders if folder.exists()), new_share=NEW_SHARE,
    )  # fmt: skip
    task = first.experiment.task
    if experiment.imagine is not None:
        experiment = imagining(experiment, first, anew=False)
    return replace(
        experiment,
        body=first.experiment.body,
        fingers=first.experiment.fingers,
        task=replace(task, start=replace(task.start, curriculum=Curriculum())),
        policy=first.experiment.policy,
        clips=choice,
        begin=first.path,
    )


def imagining(experiment: Experiment, first: StoredPolicy, anew: bool = True) -> Experiment:
    """What is to be learnt in imagination is learnt so if a policy's task can be imagined, or by trial and error.

    Args:
        experiment: What is to be learnt.
        first: The policy to begin with.
        anew: Whether it is imagined without a model of the body that came with the policy, too.
    """
    task = first.experiment.task
    why = unimaginable(task)
    if not why and world_model(first.path) is None:
        why = "there is no model of the body with this policy to begin with, and until one is learnt motions are lost"
        if anew:
            say(f"Learning in imagination, though {why}.")
            return experiment
    if not why:
        return experiment
    say(f"Learning by trial and error, not in imagination: {why}.")
    return replace(experiment, imagine=None, ppo=trying(task))


def trying(task: Task) -> PPOSettings:
    """Trial and error of a policy that knows something already."""
    return knowing(task.hold, isinstance(task.action, Direct))


def going_on(experiment: Experiment, begin: Path | None, clips: Path | None) -> Experiment:
    """A policy goes on, on its own motions or on others, paid and chosen as this recipe says; body, action, observation
    and network stay, and the spread of actions is kept within the recipe's bounds.

    Raises:
        ValueError: The policy is not named, or the recipe clones, or is about another body.
    """
    if experiment.clone is not None:
        raise ValueError(
            f"--begin is for recipes of trial and error or imagination alone, 'finetune' and 'distil'; "
            f"'{experiment.recipe}' begins with a network that knows nothing yet."
        )
    if begin is None:
        raise ValueError("There is nothing to refine: name the policy to begin with, --begin RUN.")
    first = open_policy(begin)
    known = first.experiment
    if known.body != experiment.body:
        raise ValueError(f"{begin}: this policy moves the body '{known.body}', and '{experiment.recipe}' another.")
    task, bounds = known.task, experiment.policy
    spread = min(max(known.policy.std, bounds.lowest_std), bounds.highest_std)
    experiment = replace(experiment, ppo=trying(task)) if experiment.imagine is None else imagining(experiment, first)
    return replace(
        experiment,
        fingers=known.fingers,
        task=replace(
            experiment.task, action=task.action, observation=task.observation, hold=task.hold, cutoff=task.cutoff
        ),
        policy=replace(known.policy, std=spread, lowest_std=bounds.lowest_std, highest_std=bounds.highest_std),
        clips=known.clips if clips is None else experiment.clips,
        begin=first.path,
    )


def distilling(experiment: Experiment, begin: Path | None, clips: Path | None) -> Experiment:
    """A policy whose actions are of another kind is taught to a network of excitations, on the same motions.

    Raises:
        ValueError: The policy is not named, gives excitations itself, or its joints move without muscles.
    """
    if begin is None:
        raise ValueError("There is nothing to distil: name a policy of the recipe 'walk' with --begin RUN.")
    first = open_policy(begin)
    kind = first.experiment.task.action
    if isinstance(kind, Direct | Torque):
        why = "gives excitations already" if isinstance(kind, Direct) else "moves joints without muscles"
        raise ValueError(f"{begin}: this policy {why}; only one that asks muscles for moments can be distilled.")
    task = replace(first.experiment.task, action=Direct(), hold=1)
    return replace(
        experiment,
        body=first.experiment.body,
        fingers=first.experiment.fingers,
        task=replace(task, observation=replace(task.observation, activation=True)),
        clips=first.experiment.clips if clips is None else experiment.clips,
        teacher=first.path,
    )


def spread_over(names: Sequence[str], count: int) -> tuple[str, ...]:
    """At most so many of the names, evenly chosen."""
    step = max(1, -(-len(names) // count))
    return tuple(names[::step])


def experiment_of_run(folder: Path) -> Experiment:
    """What a run was begun with.

    Raises:
        ValueError: There is no training there.
    """
    about = experiment_of(folder)
    if about is None or "experiment" not in about:
        raise ValueError(f"{folder}: there is no training to go on with; leave out --resume to begin one.")
    return read_experiment(folder / EXPERIMENT, about["experiment"])
