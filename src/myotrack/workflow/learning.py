"""From an experiment to things that learn: bodies, clips, worlds, teacher, policy, stages.

clips -> kept for judging or learnt -> library -> worlds -> env; muscle control -> teacher; policy -> stages
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from myotrack.anatomy.levels import Level
from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.clips.splits import split_by_clip, split_by_subject
from myotrack.clips.store import load as load_clip
from myotrack.simulate.physics import Physics
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.threads import Threads
from myotrack.track.action import Direct, Intent, actuation
from myotrack.track.env import TrackingEnv
from myotrack.track.imagination import Imagination
from myotrack.track.observe import Observer
from myotrack.track.start import fitting
from myotrack.track.style import StyleExamples
from myotrack.train.checkpoint import CheckpointError
from myotrack.train.clone import Clone, CloneIn, Store
from myotrack.train.discriminator import Discriminator, StyleJudge
from myotrack.train.env import Command, Judge, Stage, Teacher
from myotrack.train.imagine import Imagine, ImagineSettings
from myotrack.train.policy import Critic, Policy
from myotrack.train.ppo import PPO, PPOSettings
from myotrack.train.team import ALONE, Team
from myotrack.workflow.motions import is_clip
from myotrack.workflow.policies import StoredPolicy, open_policy, world_model
from myotrack.workflow.recipes import ClipChoice, Experiment
from myotrack.workflow.retarget import cores

LEARNT, STRANGE_BUILTIN = "learnt clips", "held-out built-in clips"
STRANGE_PERSON, STRANGE_CLIP = "held-out persons", "held-out clips of known persons"
"""Groups of clips that are judged apart."""
_APART = 7919
"""Between the seeds of the worlds of two processes."""


@dataclass(frozen=True)
class ClipGroups:
    """The motions of an experiment."""

    learnt: tuple[Clip, ...]
    judged: dict[str, tuple[Clip, ...]]
    """By group, beside those that are learnt; empty groups are left out."""
    weight: tuple[float, ...] = ()
    """How often episodes begin in a frame of each that is learnt; all alike if there are none."""


@dataclass(frozen=True)
class Lesson:
    """Everything that learns, put together."""

    anatomy: Anatomy
    clips: ClipGroups
    env: TrackingEnv
    policy: Policy
    stages: tuple[Stage, ...]


class MuscleTeacher:
    """Muscle control, asked about the worlds of an env."""

    def __init__(self, env: TrackingEnv) -> None:
        self._env, self._intent = env, Intent(env.simulator)

    def __call__(self) -> Command:
        """The excitations that muscle control would send now."""
        return self._intent.excitation(self._env.moment)


class PolicyTeacher:
    """A policy with actions of another kind, asked about the worlds of an env: what it would tell the muscles."""

    def __init__(self, env: TrackingEnv, stored: StoredPolicy, anatomy: Anatomy) -> None:
        """Prepare.

        Raises:
            ValueError: The policy looks farther ahead than the env does, or at other frames.
        """
        task = stored.experiment.task
        if task.observation.ahead != env.task.observation.ahead:
            raise ValueError(
                f"{stored.path}: this teacher looks {task.observation.ahead} frames ahead and its pupil "
                f"{env.task.observation.ahead}; give them the same look-ahead."
            )
        self._env, self._policy = env, stored.network(anatomy).to(env.device)
        self._observer = Observer(env.anatomy, task.observation, env.device)
        self._actuation = actuation(task.action, env.simulator)

    @torch.no_grad()
    def __call__(self) -> Command:
        """Excitations."""
        moment = self._env.moment
        return self._actuation.excite(self._policy.mean(self._observer.read(moment)), moment)


def clip_groups(choice: ClipChoice, anatomy: Anatomy, tell: Callable[[str, int, int], None]) -> ClipGroups:
    """Make the built-in motions, read the folder, and keep some persons for judging.

    Raises:
        ValueError: A motion is unknown, the folder holds no clip of this body, or nothing would be left to learn.
    """
    # What may fail comes first: making the motions takes seconds.
    recorded = [] if choice.folder is None else clips_in(choice.folder, anatomy)
    names = (*choice.builtin, *choice.judged)
    made = []
    for number, name in enumerate(names):
        tell("making the built-in motions", number, len(names))
        made.append(builtin(name, anatomy))
    learnt, judged = made[: len(choice.builtin)], {STRANGE_BUILTIN: tuple(made[len(choice.builtin) :])}
    fresh: list[Clip] = []
    if recorded:
        kept: set[str] = set()
        if choice.test_share > 0:
            try:
                kept = set(split_by_subject(recorded, choice.test_share, choice.split_seed).test)
            except ValueError as error:
                raise ValueError(f"{choice.folder}: {error} To keep nobody for judging: --test-share 0.") from error
        fresh = [clip for clip in recorded if clip.name not in kept]
        judged[STRANGE_PERSON] = tuple(clip for clip in recorded if clip.name in kept)
        if choice.clip_share > 0:
            spared = set(split_by_clip(fresh, choice.clip_share, choice.split_seed).test)
            judged[STRANGE_CLIP] = tuple(clip for clip in fresh if clip.name in spared)
            fresh = [clip for clip in fresh if clip.name not in spared]
    if choice.rehearsed:
        known = {clip.name: clip for folder in choice.rehearsed_from for clip in clips_in(folder, anatomy)}
        new = {clip.name for clip in fresh}
        learnt += [known[name] for name in choice.rehearsed if name in known and name not in new]
    weight = _weights(learnt, fresh, choice.new_share)
    learnt += fresh
    if not learnt:
        raise ValueError("There is no motion to learn; name built-in motions, or a folder of clips with --clips.")
    return ClipGroups(tuple(learnt), {name: clips for name, clips in judged.items() if clips}, weight)


def _weights(old: list[Clip], fresh: list[Clip], share: float | None) -> tuple[float, ...]:
    """How often episodes begin in a frame of each clip, so that new ones get their share."""
    if share is None or not old or not fresh:
        return ()
    parts = ((old, 1 - share), (fresh, share))
    return tuple(part / sum(clip.frames for clip in clips) for clips, part in parts for _ in clips)


def body_of(folder: Path) -> str:
    """The body of the first clip of a folder, or of the one of a file; the others are checked when they are read.

    Raises:
        ValueError: There are no clips.
    """
    return load_clip(_clip_files(folder)[0]).body


def _clip_files(folder: Path) -> list[Path]:
    files = [folder] if folder.is_file() else sorted(folder.glob("*.npz")) if folder.is_dir() else []
    found = [path for path in files if is_clip(path)]
    if not found:
        raise ValueError(f"{folder}: there are no clips here; make some with `myotrack retarget`.")
    return found


def clips_in(folder: Path, anatomy: Anatomy) -> list[Clip]:
    """All clips of a folder, or the one of a file, in alphabetical order.

    Raises:
        ValueError: There are none, or one belongs to another body.
    """
    found = []
    for path in _clip_files(folder):
        clip = load_clip(path)
        try:
            clip.check(anatomy)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        found.append(clip)
    return found


def simulator_of(
    anatomy: Anatomy, worlds: int, device: str, neighbours: int = 1, physics: Physics | None = None
) -> Simulator:
    """Worlds on the CPU or a GPU; `neighbours` processes share the cores."""
    if device == "cuda":
        from myotrack.simulate.warp import Warp

        return Warp(anatomy, worlds, physics)
    return Threads(anatomy, worlds, physics, threads=0 if neighbours == 1 else max(1, cores() // neighbours))


def lesson_of(
    experiment: Experiment,
    tell: Callable[[str, int, int], None],
    store: Store | None = None,
    first: StoredPolicy | None = None,
    team: Team = ALONE,
    resumed: bool = False,
) -> Lesson:
    """Put everything together; nothing has learnt yet.

    Args:
        experiment: What is to be learnt.
        tell: Called with what is being done.
        store: Keeps what the teacher said.
        first: What the policy knows in the beginning.
        team: Processes that learn together; the experiment's worlds are those of each.
        resumed: Whether a checkpoint will be loaded, which knows how easy clips are.

    Raises:
        ValueError: Clips or choices cannot be used; the message says which.
    """
    if experiment.body == "full" and experiment.clone is not None and experiment.teacher is None:
        raise ValueError(
            "Muscle control cannot teach the full body to stand on its own feet; let it find out "
            "by itself, as with the recipe 'walk', or learn from a policy that did ('distil')."
        )
    if team.size > 1 and experiment.clone is not None:
        raise ValueError(
            "Cloning is done by one process; several learn together by trial and error and in imagination only."
        )
    if not isinstance(experiment.task.action, Direct) and experiment.clone is not None:
        raise ValueError("A clone gives excitations: its action is `Direct`; other actions are for trial and error.")
    # Motions are made for the original body, whose segments all have names.
    anatomy = Anatomy.load(experiment.body, experiment.fingers)
    if first is not None:
        first.check(anatomy)
    clips = clip_groups(experiment.clips, anatomy, tell)
    envs: dict[Level, TrackingEnv] = {}
    for part in experiment.parts:
        if part.level not in envs:
            envs[part.level] = env_of(experiment, anatomy.at(part.level), clips, tell, team, part.substeps)
    env = envs[experiment.level]
    policy = policy_of(experiment, env)
    if first is not None:
        first.fill(policy)
    if experiment.task.start.curriculum.first < 1 and not resumed:
        for each in envs.values():
            tell("finding out which clips are easy", 0, 0)
            each.starts.course.order(each.ease(None if first is None else policy.mean))
            each.restart()
    taught = None if experiment.teacher is None else open_policy(experiment.teacher)

    def teacher(of: TrackingEnv) -> Teacher:
        return MuscleTeacher(of) if taught is None else PolicyTeacher(of, taught, anatomy)

    stages = stages_of(experiment, envs, policy, teacher, store, team)
    if first is not None and isinstance(stages[0], Imagine):
        recall(stages[0], first)
    return Lesson(anatomy, clips, env, policy, stages)


def recall(stage: Imagine, first: StoredPolicy) -> None:
    """Begin with what a first policy's run knew of how bodies move, if it knew anything.

    Raises:
        CheckpointError: It knew another body, or another action.
    """
    known = world_model(first.path)
    if known is None:
        return
    try:
        stage.recall(known)
    except RuntimeError as error:
        raise CheckpointError(
            f"{first.path}: the model of the body that was learnt with this policy does not fit "
            f"({' '.join(str(error).split()):.200}); begin with a recipe that imagines alike."
        ) from error


def env_of(
    experiment: Experiment,
    anatomy: Anatomy,
    clips: ClipGroups,
    tell: Callable[[str, int, int], None],
    team: Team = ALONE,
    substeps: int = Physics().substeps,
) -> TrackingEnv:
    """Worlds of bodies that follow the clips; each process of a team draws its own episodes."""
    simulator = simulator_of(anatomy, experiment.worlds, experiment.device, team.neighbours, Physics.coarse(substeps))
    library = ClipLibrary.of(clips.learnt, anatomy, simulator.device)
    tell("finding the activations of every start", 0, 0)
    weight = torch.tensor(clips.weight) if clips.weight else None
    seed = experiment.seed + _APART * team.rank
    found = fitting(simulator, library, experiment.task.cutoff)
    return TrackingEnv(experiment.task, simulator, library, found, seed, weight)


def policy_of(experiment: Experiment, env: TrackingEnv) -> Policy:
    """A network that knows nothing."""
    size = env.observation_size, env.action_size
    return Policy(*size, experiment.policy, env.symmetry, seed=experiment.seed).to(env.device)


def stages_of(
    experiment: Experiment,
    envs: dict[Level, TrackingEnv],
    policy: Policy,
    teacher: Callable[[TrackingEnv], Teacher],
    store: Store | None,
    team: Team = ALONE,
) -> tuple[Stage, ...]:
    """Cloning, trial and error, or both, or imagination, in the worlds of each level."""
    env, stages = envs[experiment.level], list[Stage]()
    clone = None
    if experiment.clone is not None:
        clone = Clone(env, teacher(env), policy, replace(experiment.clone, seed=experiment.seed), store)
    critic, judge_of = None, judges(experiment, team)
    for part in experiment.parts:
        env = envs[part.level]
        moved = "" if part.level == experiment.level else f" on the {part.level}"
        if part.way == "clone":
            assert clone is not None
            several = len(experiment.parts) > 1 and experiment.finish > 0
            stages.append(CloneIn(clone, env, teacher(env), f"clone{moved}") if several else clone)
            continue
        if part.way == "imagine":
            settings = replace(experiment.imagine or ImagineSettings(), seed=experiment.seed)
            world = Imagination(env, experiment.imagined)
            before = next((stage for stage in stages if isinstance(stage, Imagine)), None)
            stages.append(Imagine(env, world, policy, settings, f"imagine{moved}", team, before))
            continue
        ppo = replace(experiment.ppo or PPOSettings(), seed=experiment.seed)
        if clone is None:
            ppo = replace(ppo, anchor=0.0)
        if critic is None:
            symmetry = env.symmetry if experiment.policy.symmetric else None
            size, network = env.observation_size, experiment.policy.network
            critic = Critic(size, network, symmetry, policy.normaliser, experiment.seed + 1).to(env.device)
        draw = None if clone is None else clone.draw
        stages.append(PPO(env, policy, critic, ppo, draw, f"ppo{moved}", team, judge_of(env)))
    return tuple(stages)


def judges(experiment: Experiment, team: Team = ALONE) -> Callable[[TrackingEnv], Judge | None]:
    """Who pays for style in an env, with one discriminator for all of them; nobody if the experiment names no style."""
    settings, known = experiment.style, list[Discriminator]()
    if settings is None:
        return lambda env: None
    settings = replace(settings, seed=experiment.seed)

    def judge(env: TrackingEnv) -> Judge:
        examples = StyleExamples(env)
        if not known:
            mirror = examples.mirror.to("cpu") if experiment.policy.symmetric else None
            known.append(Discriminator(examples.size, settings.network, mirror, experiment.seed + 2).to(env.device))
        return StyleJudge(examples, known[0], settings, team)

    return judge


def one_thread() -> None:
    """Small matrices want one thread of torch; the physics has its own."""
    torch.set_num_threads(1)
