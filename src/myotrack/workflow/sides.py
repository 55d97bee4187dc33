"""What a name of `myotrack validate A --against B` stands for, and what there is of its motions; policies perform."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips import store
from myotrack.clips.archive import format_of
from myotrack.clips.builtin import BUILTINS, builtin, is_builtin
from myotrack.clips.clip import RATE, Clip
from myotrack.validate import trials as trial_files
from myotrack.validate.norms import Norm
from myotrack.validate.portrait import FEWEST, followed
from myotrack.validate.protocol import Conditions
from myotrack.validate.rollout import detail
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.takes import Take
from myotrack.validate.trials import BACKEND, Trial
from myotrack.workflow.learning import clips_in
from myotrack.workflow.motions import is_clip
from myotrack.workflow.policies import POLICY, StoredPolicy, open_policy, shipped, shipped_names
from myotrack.workflow.run import SCORECARD, experiment_of, open_run
from myotrack.workflow.validate import GIVEN, Examination, examine, judged, runs_in

Tell = Callable[[str, int, int], None]
SAME = 1e-3
"""By how much references may differ that are one clip: libraries round to single precision [m, rad]."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared, before anything is read but what it is."""

    name: str
    """As it was written."""
    place: Path
    """Where it is; of a built-in motion its name."""
    folders: tuple[Path, ...] = ()
    """Of a run, or of those that differ by their seeds."""
    trial: Trial | None = None
    """Of a file."""
    clips: tuple[Clip, ...] = ()
    """Of a file, or of a folder."""

    @cached_property
    def policies(self) -> tuple[StoredPolicy, ...]:
        """Those that can perform."""
        return tuple(open_policy(folder) for folder in self.folders if (folder / POLICY).exists())

    @cached_property
    def trials(self) -> tuple[tuple[Trial, Anatomy], ...]:
        """Each with its body; none of a run that has not been judged."""
        if self.trial is not None:
            return ((self.trial, self.trial.anatomy()),)
        if not all((experiment_of(folder) or {}).get("trials") for folder in self.folders):
            return ()
        return tuple(pair for folder in self.folders for pair in open_run(folder).trials)

    @property
    def body(self) -> tuple[str, bool] | None:
        """The body and whether its fingers move; None of a built-in motion, which may be of several."""
        if self.policies:
            return self.policies[0].experiment.body, self.policies[0].experiment.fingers
        known = [*self.clips, *(trial for trial, _ in self.trials)]
        return (known[0].body, known[0].fingers) if known else None


@dataclass(frozen=True)
class Found:
    """What there is of a side."""

    takes: tuple[Take, ...]
    conditions: Conditions | None
    """Of policies."""


def side_of(name: str) -> Side:
    """What a name stands for.

    Raises:
        ValueError: Nothing, or a recording; the message says what to do.
    """
    path = Path(name)
    if (known := shipped(path)) is not None:
        return Side(name, known, (known,))
    if path.is_dir():
        runs = runs_in(path)
        if experiment_of(runs[0]) is not None:
            return Side(name, path, tuple(runs))
        files = [file for file in sorted(path.glob("*.npz")) if is_clip(file)]
        if files:
            return Side(name, path, clips=tuple(store.load(file) for file in files))
        raise ValueError(
            f"{name}: there is neither a run nor a clip in this folder. If it holds recordings, make clips of them "
            f"with `myotrack retarget {name} --out clips`, and compare those."
        )
    if path.is_file():
        kind = format_of(path)
        if kind == trial_files.KIND.format:
            return Side(name, path, trial=trial_files.load(path))
        if kind == store.KIND.format:
            return Side(name, path, clips=(store.load(path),))
        raise ValueError(
            f"{name}: this is neither a trial nor a clip. If it is a recording, make a clip of it with "
            f"`myotrack retarget {name} --out clips`, or let muscles follow it with `myotrack steer {name} --out "
            "runs/it`, and compare that."
        )
    if any(is_builtin(name, body) for body in BUILTINS):
        return Side(name, path)
    known = [*shipped_names(), *dict.fromkeys(each for names in BUILTINS.values() for each in names)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"{name}: there is no such run, clip, policy or built-in motion.{hint} Policies that come with myotrack are "
        f"{', '.join(shipped_names()) or 'none'}; `myotrack clips` lists built-in motions."
    )


def with_motions(sides: Sequence[Side]) -> list[Side]:
    """With built-in motions made, on the body of the other side if it has one."""
    made = []
    for number, side in enumerate(sides):
        if side.folders or side.clips or side.trial is not None:
            made.append(side)
            continue
        bodies = [body for body in BUILTINS if is_builtin(side.name, body)]
        other = sides[1 - number].body
        body, fingers = other if other is not None and other[0] in bodies else (bodies[0], False)
        made.append(replace(side, clips=(builtin(side.name, Anatomy.load(body, fingers)),)))
    return made


def wanted_of(side: Side, other: Side) -> Sequence[Clip]:
    """What a policy performs to be compared: clips of the other side, or what the other followed to the end."""
    if other.clips or side.trials:
        return other.clips
    whole = {trial.name: (trial, anatomy) for trial, anatomy in other.trials
             if trial.rate == RATE and FEWEST <= trial.frames == trial.wanted_frames}  # fmt: skip
    return [followed(*pair) for pair in whole.values()]


def takes_of(side: Side, wanted: Path | Sequence[Clip], how: Examination, norms: dict[str, Norm], tell: Tell) -> Found:
    """What there is of a side: clips as they are, runs by their trials, policies by what they do.

    Args:
        side: With its motions.
        wanted: Clips, or where they are, that a policy is to perform; its own if there are none.
        how: A policy performs.
        norms: Of people.
        tell: Called meanwhile.

    Raises:
        ValueError: Something cannot be used; the message names it.
    """
    if side.clips:
        return Found(tuple(Take.of_clip(clip, clip.anatomy(), norms) for clip in side.clips), None)
    if wanted and side.policies:
        try:
            trials = [pair for policy in side.policies for pair in performed(policy, wanted, how, tell)]
        except ValueError as error:
            raise ValueError(f"{side.name} cannot perform what it is to be compared by: {error}") from error
    elif side.trials:
        trials = side.trials
    elif all((folder / SCORECARD).exists() for folder in side.folders):
        return _kept([Scorecard.load(folder / SCORECARD) for folder in side.folders])
    else:
        trials = [pair for folder in side.folders for pair in examine(folder, None, how, False, tell).trials]
    motions: dict[str, list[tuple[Trial, Anatomy]]] = {}
    for trial, anatomy in trials:
        motions.setdefault(trial.name, []).append((trial, anatomy))
    takes = []
    for number, (name, each) in enumerate(motions.items()):
        tell(f"looking at {name} of {side.name}", number, len(motions))
        takes.append(Take.of_trials(each, norms))
    grouped = [trial for trial, _ in trials if trial.group]
    return Found(tuple(takes), Conditions.of(grouped) if grouped else None)


def performed(
    policy: StoredPolicy, wanted: Path | Sequence[Clip], how: Examination, tell: Tell
) -> list[tuple[Trial, Anatomy]]:
    """A policy on some clips: the trials of its run where they are of the same clips, else new ones, kept nowhere."""
    anatomy = Anatomy.load(policy.experiment.body, policy.experiment.fingers)
    clips = clips_in(wanted, anatomy) if isinstance(wanted, Path) else wanted
    for clip in clips:
        clip.check(anatomy)
    folder = policy.path.parent
    there = open_run(folder).trials if (experiment_of(folder) or {}).get("trials") else ()
    body = anatomy.at(how.level)
    done = [pair for clip in clips for pair in there if _simulated(pair[0], body) and _follows(pair[0], clip)]
    names = {trial.name for trial, _ in done}
    left = tuple(clip for clip in clips if clip.name not in names)
    if left:
        new = judged(policy, policy.network(anatomy), anatomy, {GIVEN: left}, how, tell)
        done += [(trial, anatomy) for trial in new]
    return done


def _simulated(trial: Trial, body: Anatomy) -> bool:
    """Whether it was in this detail."""
    _, comma, level = trial.settings.get(BACKEND, "").partition(", ")
    return f"{comma}{level}" == detail(body)


def _follows(trial: Trial, clip: Clip) -> bool:
    """Whether it was that clip."""
    if (trial.name, trial.wanted_frames, trial.rate) != (clip.name, clip.frames, RATE):
        return False
    return torch.allclose(trial.reference_pos.double(), clip.pos[: trial.frames].double(), atol=SAME)


def _kept(cards: Sequence[Scorecard]) -> Found:
    rows = [row for card in cards for row in card.rows]
    motions = dict.fromkeys(row.trial for row in rows)
    takes = tuple(Take.of_scores(motion, [row for row in rows if row.trial == motion]) for motion in motions)
    return Found(takes, cards[0].conditions)
