"""Recipes: what `myotrack train` learns, as values. A variant says only what is different.

arms()                          both arms: built-in motions and a folder of clips, taught by muscle control
walk()                          the whole body walks on its own feet, by a learnt model of it, then by trial and error
walk_ppo()                      the same by trial and error
style()                         the same, paid for looking like the clips instead of for being where they are
replace(arms(), worlds=128)     the same with more worlds
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from myotrack.anatomy.levels import Level
from myotrack.clips.builtin import varied
from myotrack.clips.smooth import CUTOFF
from myotrack.simulate.physics import Physics
from myotrack.track.action import Synergy, Torque
from myotrack.track.curriculum import Curriculum
from myotrack.track.imagination import ImaginedCost
from myotrack.track.observe import ObservationSettings
from myotrack.track.reward import (
    EffortCost,
    FootSlipCost,
    JointLimitCost,
    LandmarkScore,
    LandmarkTurnScore,
    LandmarkVelocityScore,
    PostureScore,
    Reward,
    RootScore,
    SmoothnessCost,
    VelocityScore,
)
from myotrack.track.task import Task
from myotrack.track.terminate import PUBLISHED, Rule
from myotrack.train.clone import CloneSettings
from myotrack.train.discriminator import DiscriminatorSettings
from myotrack.train.imagine import ImagineSettings
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import PolicySettings
from myotrack.train.ppo import PPOSettings

Way = Literal["clone", "ppo", "imagine"]
TAUGHT = ("reach", "reach_left", "reach_both", "wave", "wave_left", "wave_both", "drink", "drink_left", "lift")
"""Built-in motions of the arms, whose variations are learnt; they themselves never are."""
HOLD = 3
"""Control intervals for which a body on its own feet keeps an action: what is drawn anew every 10 ms moves nothing."""
STRANGE = (1000,)
"""Seeds of the variations that are kept for judging."""


@dataclass(frozen=True)
class ClipChoice:
    """Which motions are learnt, and which are kept for judging."""

    builtin: tuple[str, ...] = (*varied(TAUGHT, range(4)), *varied(("wander",), range(12)))
    """Built-in motions, or variations of them, that are learnt."""
    judged: tuple[str, ...] = (*TAUGHT, *varied(TAUGHT, STRANGE))
    """Built-in motions that are never learnt."""
    folder: Path | None = None
    """Clips of recordings, made by `myotrack retarget`; some of the persons are kept for judging."""
    test_share: float = 0.2
    """Share of the recorded frames that is kept, whole persons at a time; 0 learns from all."""
    clip_share: float = 0.0
    """Share of what is left that is kept as well, clips of persons who have others that are learnt."""
    instead: bool = False
    """Whether recordings are learnt instead of the built-in motions, not beside them."""
    split_seed: int = 0
    """Another seed keeps other persons."""
    rehearsed: tuple[str, ...] = ()
    """Recorded clips that a first policy knew and that are learnt on."""
    rehearsed_from: tuple[Path, ...] = ()
    """Their folders."""
    new_share: float | None = None
    """Share of the episodes that begin in clips of `folder`; as many as they have frames if not given."""


@dataclass(frozen=True)
class Part:
    """A part of learning."""

    way: Way
    level: Level
    """Detail of the body that lives in it."""
    substeps: int
    """Physics steps per control interval."""
    share: float
    """Of the time."""


@dataclass(frozen=True)
class Experiment:
    """Everything that decides what is learnt. Saved with the run."""

    recipe: str = "arms"
    body: Literal["arms", "full"] = "arms"
    fingers: bool = False
    level: Level = "original"
    """How much detail of the body is simulated while learning; judging is done on the original."""
    substeps: int = Physics().substeps
    """Physics steps per control interval of 10 ms while learning; judging, and finishing on the original, take 5."""
    finish: float = 0.0
    """Share of the time, at the end, for which the original body is simulated; what comes after cloning has it all."""
    clips: ClipChoice = field(default_factory=ClipChoice)
    task: Task = field(default_factory=Task)
    policy: PolicySettings = field(default_factory=lambda: PolicySettings(std=0.15, lowest_std=0.02))
    clone: CloneSettings | None = field(default_factory=CloneSettings)
    """Cloning of muscle control comes first; left out if none."""
    ppo: PPOSettings | None = None
    """Trial and error comes after it, or after imagination; left out if none."""
    style: DiscriminatorSettings | None = None
    """A discriminator pays trial and error for style, beside the reward of the task; nobody does if none."""
    imagine: ImagineSettings | None = None
    """Learning in imagination comes first, instead of cloning; left out if none."""
    imagined: ImaginedCost = field(default_factory=ImaginedCost)
    """What imagined bodies are to avoid, in place of the reward."""
    clone_share: float = 0.7
    """Share of the time for cloning, or for imagination, where trial and error comes after it."""
    worlds: int = 64
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = 0
    minutes: float | None = 3.0
    """Time for learning; no bound if not given."""
    steps: int | None = None
    """Control steps, over all worlds; no bound if not given."""
    target: float | None = None
    """Score at which learning ends early: mean reward per control step, discounted where it learns by trial."""
    begin: Path | None = None
    """Policy to begin with; its network, body and actions stay."""
    teacher: Path | None = None
    """Policy that is cloned, instead of muscle control; its actions may be of another kind."""
    rehearsed: int = 12
    """How many of the built-in motions that the first policy knew are learnt on, and as many of the recordings, so that
    they are not forgotten."""

    def __post_init__(self) -> None:
        if self.clone is None and self.ppo is None and self.imagine is None:
            raise ValueError("There is nothing to learn by: no cloning, trial and error or imagination is asked for.")
        if self.imagine is not None and self.clone is not None:
            raise ValueError("What is cloned is not learnt in imagination, too; leave out one of them.")
        if self.style is not None and self.ppo is None:
            raise ValueError("A style is learnt by trial and error, and none is asked for.")
        if self.worlds < 1 or not 0 < self.clone_share <= 1 or (self.minutes is not None and self.minutes <= 0):
            raise ValueError("Learning takes at least one world, a positive time, and a share of it to begin with.")
        if not 1 <= self.substeps <= 100:
            raise ValueError(f"A control interval has 1 to 100 physics steps; got {self.substeps}.")
        if not 0 <= self.finish < 1 or (self.finish and self.level == "original"):
            raise ValueError(
                f"Learning may finish on the original body for a share in [0, 1) of the time, after another level; got "
                f"{self.finish:g} after '{self.level}'."
            )

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is done one after the other."""
        here = self.level, self.substeps
        last: tuple[Level, int] = ("original", Physics().substeps) if self.finish else here
        way: Way = "imagine" if self.imagine is not None else "ppo" if self.clone is None else "clone"
        if way != "ppo" and self.ppo is not None:
            return Part(way, *here, self.clone_share), Part("ppo", *last, 1 - self.clone_share)
        whole = Part(way, *here, 1 - self.finish)
        return (whole, Part(way, *last, self.finish)) if self.finish else (whole,)


def arms() -> Experiment:
    """Both arms: a network from observation to excitation, cloned from muscle control in minutes."""
    return Experiment()


def arms_ppo() -> Experiment:
    """The same, then trial and error with the cloning loss as a fading anchor."""
    return Experiment(recipe="arms-ppo", ppo=anchored(), minutes=6.0)


def finetune(body: Literal["arms", "full"] = "arms") -> Experiment:
    """A policy that knows some motions learns new ones, and goes on with some of the old: arms in a minute, from muscle
    control, bodies on their own feet in imagination, with the model that came with the policy; by trial and error if
    there is none, since motions are forgotten while one is learnt."""
    if body == "full":
        return replace(walk(), recipe="finetune", ppo=None, minutes=10.0)
    gentle = CloneSettings(first_steps=60, steps=60, updates=200, optimiser=OptimiserSettings(rate=5e-4))
    return Experiment(recipe="finetune", clone=gentle, minutes=1.0)


def walk() -> Experiment:
    """The whole body learns one walk on its own feet, the built-in one or a recording: first in imagination, where a
    model of the body is learnt and the policy inside it, then by trial and error. The policy sees only what follows
    from coordinates, so that it can be imagined."""
    first = walk_ppo()
    look = ObservationSettings(activation=False, landmarks=False, feet=False)
    return replace(
        first,
        recipe="walk",
        task=replace(first.task, observation=look),
        policy=replace(first.policy, std=0.2),
        ppo=knowing(),
        imagine=ImagineSettings(),
        clone_share=2 / 3,
        minutes=15.0,
    )


def walk_ppo() -> Experiment:
    """The same walk by trial and error alone."""
    return Experiment(
        recipe="walk-ppo",
        body="full",
        level="fast",
        clips=ClipChoice(("walk",), (), test_share=0.0, instead=True),
        task=on_feet(Synergy(inhibition=1.0)),
        policy=PolicySettings(network=NetworkSettings(width=128), std=0.3, lowest_std=0.05, symmetric=True),
        clone=None,
        ppo=stepping(),
        substeps=3,
        worlds=96,
        minutes=20.0,
    )


def walk_torque() -> Experiment:
    """The same as `walk` by ideal joints as strong as the muscles: the torque-driven twin."""
    return replace(walk(), recipe="walk-torque", task=replace(walk().task, action=Torque()))


def locomotion() -> Experiment:
    """One policy walks, runs, turns and jumps: a folder of recordings, all at once, in imagination, at last on the
    original body; some clips and persons are kept for judging. Numbers of its own are not tuned."""
    return replace(
        walk(),
        recipe="locomotion",
        clips=ClipChoice((), (), test_share=0.15, clip_share=0.1, instead=True),
        imagine=ImagineSettings(memory=600),
        ppo=None,
        finish=0.2,
        minutes=120.0,
    )


def generalist(body: Literal["arms", "full"] = "full") -> Experiment:
    """The same with a wider network, from easy to hard, for a folder of many motions of any kind. Arms are cloned from
    muscle control."""
    if body == "arms":
        choice = ClipChoice(varied(("wander",), range(12)), (), clip_share=0.1)
        return replace(
            arms(),
            recipe="generalist",
            clips=choice,
            policy=replace(arms().policy, network=NetworkSettings(width=512)),
            minutes=60.0,
        )
    task = locomotion().task
    return replace(
        locomotion(),
        recipe="generalist",
        task=replace(task, start=replace(task.start, curriculum=Curriculum(first=0.3))),
        policy=replace(locomotion().policy, network=NetworkSettings(width=256)),
        worlds=256,
        minutes=1440.0,
    )


def refine() -> Experiment:
    """A policy that keeps its motions follows them more closely, and with less effort, by trial and error."""
    first = walk_ppo()
    calm = replace(first.policy, std=0.12, highest_std=0.12)
    return replace(
        first, recipe="refine", task=replace(first.task, reward=economical(3.0)), policy=calm, ppo=knowing(),
        minutes=30.0,
    )  # fmt: skip


def style() -> Experiment:
    """The whole body learns to move like its clips: a discriminator pays for what cannot be told from them."""
    return replace(walk_ppo(), recipe="style", task=on_its_way(Synergy(inhibition=1.0)), style=DiscriminatorSettings())


def distil() -> Experiment:
    """A network that gives excitations learns what a policy with actions of another kind does."""
    gentle = CloneSettings(first_steps=100, steps=50, noise=0.2)
    return Experiment(
        recipe="distil", body="full", level="fast", clips=ClipChoice((), (), test_share=0.0),
        policy=PolicySettings(std=0.1, lowest_std=0.02), clone=gentle, minutes=10.0,
    )  # fmt: skip


def on_feet(action: Synergy | Torque) -> Task:
    """What a body on its own feet is to do.

    The rule is tight: a foot that is caught by the floor brings a body down half a second later, and what was wrong is
    found out the sooner the earlier an episode ends. Scores are wide, so that they tell falling from following.
    """
    reward = Reward(
        posture=PostureScore(0.3, 0.3),
        velocity=VelocityScore(0.1, 3.0),
        root=RootScore(0.3, 0.2, 0.5),
        landmark=LandmarkScore(0.3, 0.12),
        landmark_turn=LandmarkTurnScore(0.1, 0.5),
        landmark_velocity=LandmarkVelocityScore(0.1, 0.8),
        effort=EffortCost(0.0),
        smoothness=SmoothnessCost(0.0),
    )
    return Task(
        action, ObservationSettings(activation=False), reward, rule=Rule(0.12, 0.30, "tight"), hold=HOLD, cutoff=CUTOFF,
    )  # fmt: skip


def economical(effort: float = 1.5) -> Reward:
    """What a body is paid for that does not fall any more: narrower scores, and muscles that rest where they can.

    Not tuned: tolerances are near the errors of a walk that is kept, so that scores have a slope there.

    Args:
        effort: What the mean square of the activations costs.
    """
    return Reward(
        posture=PostureScore(0.3, 0.15),
        velocity=VelocityScore(0.1, 2.0),
        root=RootScore(0.2, 0.12, 0.2),
        landmark=LandmarkScore(0.4, 0.08),
        landmark_turn=LandmarkTurnScore(0.1, 0.4),
        landmark_velocity=LandmarkVelocityScore(0.1, 0.5),
        effort=EffortCost(-effort),
        smoothness=SmoothnessCost(-0.1),
    )


def on_its_way(action: Synergy | Torque) -> Task:
    """What a body is to do that learns a style: be near where its clip is, and look the same way. How, others say.

    The published rule ends episodes, since nobody who is free to move otherwise stays within a tight one. Not tuned.
    """
    reward = Reward(
        posture=PostureScore(0.0),
        velocity=VelocityScore(0.0),
        root=RootScore(0.3, 0.3, 0.7),
        landmark=LandmarkScore(0.0),
        landmark_turn=LandmarkTurnScore(0.0),
        landmark_velocity=LandmarkVelocityScore(0.0),
        effort=EffortCost(0.0),
        smoothness=SmoothnessCost(0.0),
        joint_limit=JointLimitCost(0.0),
        foot_slip=FootSlipCost(0.0),
    )
    return replace(on_feet(action), reward=reward, rule=PUBLISHED)


def stepping() -> PPOSettings:
    """Trial and error of bodies on their own feet. Tuned: docs/training.md tells what each choice is for."""
    return PPOSettings(
        steps=12, epochs=8, gamma=0.97, divergence=0.05, actor=OptimiserSettings(rate=5e-4),
    )  # fmt: skip


def knowing(hold: int = HOLD, cloned: bool = False) -> PPOSettings:
    """The same of a policy that knows something already: smaller steps, after the critic has got to know it. Not tuned:
    in 23 minutes of the first refining the rate's control settled at 4e-5.

    Args:
        hold: Control intervals for which its actions are held; time ahead and rollouts stay as long.
        cloned: Whether it gives excitations, which a clone does so precisely that the usual steps are far too long:
            measured, with 1e-4 the first update moved one by 60 nat instead of 0.05, and with 1e-5 still by 0.3; with
            1e-6 as far as it should, and its reward fell all the same, so it is moved a tenth as far, as arms are.
    """
    first = stepping()
    rate, divergence = (1e-6, 0.005) if cloned else (1e-4, first.divergence)
    return replace(
        first, steps=first.steps * HOLD // hold, gamma=first.gamma ** (hold / HOLD), warm_up=8,
        actor=OptimiserSettings(rate=rate), lowest_rate=1e-7, divergence=divergence,
    )  # fmt: skip


def anchored() -> PPOSettings:
    """Trial and error that does not forget what was cloned. Tuned: docs/training.md tells what each choice is for."""
    return PPOSettings(
        actor=OptimiserSettings(rate=3e-5), lowest_rate=1e-7, anchor=1.0, anchor_half_life=5e5, warm_up=8,
        learn_scale=False, divergence=0.005,
    )  # fmt: skip


RECIPES = {
    "arms": arms,
    "arms-ppo": arms_ppo,
    "walk": walk,
    "walk-ppo": walk_ppo,
    "walk-torque": walk_torque,
    "locomotion": locomotion,
    "generalist": generalist,
    "refine": refine,
    "style": style,
    "distil": distil,
    "finetune": finetune,
}
