"""`myotrack validate`: a policy performs every motion once, and the run gets trials, a scorecard and a page.

policy -> learnt clips, held-out clips, held-out persons -> trials -> scorecard by group
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from myotrack.anatomy.levels import Level
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.state import Activation
from myotrack.track.disturb import Disturbance
from myotrack.track.drive import Act, Drive
from myotrack.track.start import fitting
from myotrack.train.policy import Policy
from myotrack.validate.rollout import roll_out
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import MEAN, SAMPLED, Trial, grouped
from myotrack.workflow.learning import LEARNT, clip_groups, clips_in, one_thread, simulator_of
from myotrack.workflow.output import print_json, print_table
from myotrack.workflow.page import write_page
from myotrack.workflow.policies import StoredPolicy, open_policy, shipped
from myotrack.workflow.run import REPORT, Run, experiment_of, put_trials
from myotrack.workflow.steer import BETTER, headed, progress
from myotrack.workflow.train import SEED_FOLDER
from myotrack.workflow.typed import command_line

if TYPE_CHECKING:
    from myotrack.workflow.cli import ValidateCommand

REHEARSED = 12
"""At most so many of the learnt clips are performed, evenly chosen; all that were held out are."""
GIVEN = "given clips"
"""Group of the clips that --clips names."""
WORLDS = 32
"""Motions performed at once."""
COLUMNS = {
    "success_published": "kept [%]",
    "success_strict": "strictly [%]",
    "landmark_error_mean": "landmarks [mm]",
    "hand_error_mean": "hands [mm]",
    "joint_error_mean": "joints [deg]",
    "joint_velocity_error": "joint rates [deg/s]",
    "activation_mean": "active [%]",
}
"""Of the table, by metric."""
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Examination:
    """How a policy is judged."""

    sampled: bool = False
    """Also draw actions by chance, as learning by trial and error does."""
    disturbance: Disturbance | None = None
    """Instead of the task's own."""
    device: str = "cpu"
    level: Level = "original"
    """How much detail of the body is simulated."""
    seed: int | None = None
    """Of what is drawn; that of the policy if not given."""
    learnt: bool = True
    """Whether some of the learnt clips are performed, too."""


def validate(command: "ValidateCommand") -> int:
    """Judge a policy, print the table or one JSON object; 1 if a held-out motion was lost."""
    begin = time.perf_counter()
    one_thread()
    command = replace(command, run_folder=here(command.run_folder))
    how = Examination(command.sampled, None, command.device, command.level, command.seed)
    # Films of one seed tell as much as films of all.
    films = {folder: command.video and not number for number, folder in enumerate(runs_in(command.run_folder))}
    with progress() as tell:
        runs = [examine(folder, command.clips, how, video, tell) for folder, video in films.items()]
    trials = [pair for run in runs for pair in run.trials]
    card, reports = Scorecard.of(trials), [str(run.folder / REPORT) for run in runs]
    if command.json:
        place = {"out": str(command.run_folder), "report": reports[0] if len(runs) == 1 else reports}
        print_json(place | card.as_dict())
    else:
        print_groups(card)
        print(f"{len(trials)} motions in {time.perf_counter() - begin:.0f} s. Report: {', '.join(reports)}")
    return 1 if any(trial.ended and trial.group != LEARNT for trial, _ in trials) else 0


def here(folder: Path) -> Path:
    """A folder to write into: that of a run, or a copy in 'runs' of a policy that comes with myotrack."""
    source = shipped(folder)
    if source is None:
        return folder
    target = Path("runs") / folder
    if not target.exists():
        shutil.copytree(source, target)
    return target


def runs_in(folder: Path) -> list[Path]:
    """The run of a folder, or those in it that differ by their seeds.

    Raises:
        ValueError: There are none, two have the same seed, or they learnt different things.
    """
    inside = sorted(folder.glob(f"{SEED_FOLDER}*")) if experiment_of(folder) is None else []
    found = [each for each in inside if experiment_of(each) is not None]
    if not found:
        return [folder]
    experiments = [open_policy(each).experiment for each in found]
    if len({each.seed for each in experiments}) < len(found):
        raise ValueError(f"{folder}: two of its runs have the same seed; judge them one by one.")
    if any(replace(each, seed=0) != replace(experiments[0], seed=0) for each in experiments):
        raise ValueError(f"{folder}: its runs differ by more than their seeds; judge them one by one.")
    return [each for _, each in sorted(zip((e.seed for e in experiments), found, strict=True))]


def examine(
    folder: Path, clips: Path | None, how: Examination, video: bool, tell: Tell, trials: Sequence[Trial] = ()
) -> Run:
    """Judge the policy of a run and write trials, scorecard and page into its folder.

    Args:
        folder: Of the run.
        clips: Judge by these instead of those that the run kept.
        how: Choices.
        video: Whether to draw films.
        tell: Called meanwhile.
        trials: Further ones that go onto the page, after the policy's.

    Raises:
        ValueError: There is no policy, or the clips cannot be used.
        OSError: Something cannot be written.
    """
    about = experiment_of(folder)
    if about is None:
        raise ValueError(f"{folder}: there is no run here; train a policy with `myotrack train`.")
    stored = open_policy(folder)
    anatomy = Anatomy.load(stored.experiment.body, stored.experiment.fingers)
    groups = {GIVEN: tuple(clips_in(clips, anatomy))} if clips is not None else kept_clips(stored, anatomy, tell)
    if not how.learnt:
        groups.pop(LEARNT, None)
    found = judged(stored, stored.network(anatomy), anatomy, groups, how, tell)
    everything = [(trial, anatomy) for trial in found] + [(trial, trial.anatomy()) for trial in trials]
    run = put_trials(folder, about | {"judged_by": command_line()}, everything)
    films, no_film = write_page(run, video, tell)
    return Run(folder, run.experiment | {"films": films, "no_film": no_film}, run.trials)


def kept_clips(stored: StoredPolicy, anatomy: Anatomy, tell: Tell) -> dict[str, tuple[Clip, ...]]:
    """Some of the clips that a policy has learnt, and all that were kept from it."""
    clips = clip_groups(stored.experiment.clips, anatomy, tell)
    step = -(-len(clips.learnt) // REHEARSED)
    return {LEARNT: clips.learnt[::step], **clips.judged}


def judged(
    stored: StoredPolicy,
    policy: Policy,
    anatomy: Anatomy,
    groups: dict[str, tuple[Clip, ...]],
    how: Examination,
    tell: Tell,
) -> list[Trial]:
    """Let the policy perform every clip of every group."""
    trials = []
    seed = stored.experiment.seed if how.seed is None else how.seed
    disturbed = how.disturbance or stored.experiment.task.disturbance
    task = replace(stored.experiment.task, disturbance=disturbed)
    for group, clips in groups.items():
        worlds = min(WORLDS, len(clips))
        simulator = simulator_of(anatomy.at(how.level), worlds, how.device)
        library = ClipLibrary.of(clips, simulator.anatomy, simulator.device)
        found = fitting(simulator, library, task.cutoff)
        for acting in (MEAN, SAMPLED) if how.sampled else (MEAN,):
            act = policy.to(simulator.device).mean if acting == MEAN else _drawn(policy, seed)
            drive = Drive(task, simulator, library, act, seed, found)
            trials += roll_out(
                simulator, library, drive,
                start_activation=_started(found.activation, library),
                tell=lambda done, total, group=group: tell(f"performing {group}", done, total),
                settings=grouped(group, acting, seed) | {"disturbance": _told(disturbed)},
                origins={clip.name: clip.provenance for clip in clips},
            )  # fmt: skip
    return trials


def print_groups(card: Scorecard) -> None:
    """Means over the motions of each group, with 95 % intervals; over all seeds first, where there are several."""
    rows = []
    for group in dict.fromkeys((summary.group, summary.acting, summary.seed) for summary in card.summaries):
        mine = {each.metric: each for each in card.summaries if (each.group, each.acting, each.seed) == group}
        cells = ["" if name not in mine else f"{mine[name].text} ({mine[name].ends})" for name in COLUMNS]
        count = max(summary.interval.count for summary in mine.values())
        rows.append([*group, str(count), *cells])
    told = "; ".join([BETTER, *([str(card.conditions)] if card.conditions else [])])
    print_table("Mean over motions (95 % interval)", ["group", "acting", "seed", "n", *headed(COLUMNS)], rows, told)


def _drawn(policy: Policy, seed: int) -> Act:
    generator = torch.Generator().manual_seed(seed)
    return lambda observation: policy.act(observation, generator)[0]


def _started(table: Tensor, library: ClipLibrary) -> Callable[[Tensor, Tensor], Activation]:
    return lambda clip, frame: table[library.start[clip] + frame]


def _told(disturbance: Disturbance) -> str:
    """What differs from an undisturbed body."""
    plain = Disturbance()
    changed = {name: value for name, value in vars(disturbance).items() if value != getattr(plain, name)}
    return json.dumps(changed) if changed else ""
