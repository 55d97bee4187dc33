"""`myotrack validate`: a policy performs every motion once, and the run gets trials, a scorecard and a page.

policy -> learnt clips, held-out clips, held-out persons -> trials -> scorecard by group
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.state import Activation
from myotrack.track.disturb import Disturbance
from myotrack.track.drive import Act, Drive
from myotrack.track.start import fitting_activation
from myotrack.train.policy import Policy
from myotrack.validate.rollout import roll_out
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import MEAN, SAMPLED, Trial, grouped
from myotrack.workflow.learning import LEARNT, clip_groups, clips_in, one_thread, simulator_of
from myotrack.workflow.output import print_json, print_table
from myotrack.workflow.page import write_page
from myotrack.workflow.policies import StoredPolicy, open_policy
from myotrack.workflow.run import REPORT, Run, experiment_of, put_trials
from myotrack.workflow.steer import progress

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
    seed: int = 0
    learnt: bool = True
    """Whether some of the learnt clips are performed, too."""


def validate(command: "ValidateCommand") -> int:
    """Judge a policy, print the table or one JSON object; 1 if a held-out motion was lost."""
    begin = time.perf_counter()
    one_thread()
    how = Examination(command.sampled, None, command.device, command.seed)
    with progress() as tell:
        run = examine(command.run_folder, command.clips, how, command.video, tell)
    card = Scorecard.of(run.trials)
    if command.json:
        print_json({"out": str(run.folder), "report": str(run.folder / REPORT)} | card.as_dict())
    else:
        print_groups(card)
        print(f"{len(run.trials)} motions in {time.perf_counter() - begin:.0f} s. Report: {run.folder / REPORT}")
    lost = [trial for trial, _ in run.trials if trial.ended and trial.group != LEARNT]
    return 1 if lost else 0


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
    run = put_trials(folder, about, everything)
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
    disturbed = how.disturbance or stored.experiment.task.disturbance
    task = replace(stored.experiment.task, disturbance=disturbed)
    for group, clips in groups.items():
        worlds = min(WORLDS, len(clips))
        simulator = simulator_of(anatomy, worlds, how.device)
        library = ClipLibrary.of(clips, anatomy, simulator.device)
        table = None if anatomy.free else fitting_activation(simulator, library)
        for acting in (MEAN, SAMPLED) if how.sampled else (MEAN,):
            act = policy.to(simulator.device).mean if acting == MEAN else _drawn(policy, how.seed)
            drive = Drive(task, simulator, library, act, how.seed)
            trials += roll_out(
                simulator, library, drive,
                start_activation=None if table is None else _started(table, library),
                tell=lambda done, total, group=group: tell(f"performing {group}", done, total),
                settings=grouped(group, acting, how.seed) | {"disturbance": _told(disturbed)},
                origins={clip.name: clip.provenance for clip in clips},
            )  # fmt: skip
    return trials


def print_groups(card: Scorecard) -> None:
    """Means over the motions of each group, with 95 % intervals."""
    rows = []
    for group in dict.fromkeys((summary.group, summary.acting) for summary in card.summaries):
        mine = {each.metric: each for each in card.summaries if (each.group, each.acting) == group}
        cells = ["" if name not in mine else f"{mine[name].text} ({mine[name].ends})" for name in COLUMNS]
        count = max(summary.interval.count for summary in mine.values())
        rows.append([group[0], group[1], str(count), *cells])
    print_table("Mean over motions (95 % interval)", ["group", "acting", "n", *COLUMNS.values()], rows,
                None if card.conditions is None else str(card.conditions))  # fmt: skip


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
