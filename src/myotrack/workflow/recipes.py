"""Recipes: what `myotrack train` learns, as values. A variant says only what is different.

arms()                          both arms: built-in motions and a folder of clips, taught by muscle control
replace(arms(), worlds=128)     the same with more worlds
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from myotrack.anatomy.levels import Level
from myotrack.clips.builtin import varied
from myotrack.track.task import Task
from myotrack.train.clone import CloneSettings
from myotrack.train.optimise import OptimiserSettings
from myotrack.train.policy import PolicySettings
from myotrack.train.ppo import PPOSettings

TAUGHT = ("reach", "reach_left", "reach_both", "wave", "wave_left", "wave_both", "drink", "drink_left", "lift")
"""Built-in motions of the arms, whose variations are learnt; they themselves never are."""
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

    way: Literal["clone", "ppo"]
    level: Level
    """Detail of the body that lives in it."""
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
    finish: float = 0.0
    """Share of the time, at the end, for which the original body is simulated; what comes after cloning has it all."""
    clips: ClipChoice = field(default_factory=ClipChoice)
    task: Task = field(default_factory=Task)
    policy: PolicySettings = field(default_factory=lambda: PolicySettings(std=0.15, lowest_std=0.02))
    clone: CloneSettings | None = field(default_factory=CloneSettings)
    """Cloning of muscle control comes first; left out if none."""
    ppo: PPOSettings | None = None
    """Trial and error comes after it; left out if none."""
    clone_share: float = 0.7
    """Share of the time for cloning, where trial and error comes after it."""
    worlds: int = 64
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = 0
    minutes: float | None = 3.0
    """Time for learning; no bound if not given."""
    steps: int | None = None
    """Control steps, over all worlds; no bound if not given."""
    target: float | None = None
    """Mean reward per control step at which learning ends early."""
    begin: Path | None = None
    """Policy to begin with, for fine-tuning."""
    rehearsed: int = 12
    """How many of the built-in motions that the first policy knew are learnt on, and as many of the recordings, so that
    they are not forgotten."""

    def __post_init__(self) -> None:
        if self.clone is None and self.ppo is None:
            raise ValueError("There is nothing to learn by: neither cloning nor trial and error is asked for.")
        if self.worlds < 1 or not 0 < self.clone_share <= 1 or (self.minutes is not None and self.minutes <= 0):
            raise ValueError("Learning takes at least one world, a positive time, and a share of it for cloning.")
        if not 0 <= self.finish < 1 or (self.finish and self.level == "original"):
            raise ValueError(
                f"Learning may finish on the original body for a share in [0, 1) of the time, after another level; got "
                f"{self.finish:g} after '{self.level}'."
            )

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is done one after the other."""
        last: Level = "original" if self.finish else self.level
        if self.clone is not None and self.ppo is not None:
            return Part("clone", self.level, self.clone_share), Part("ppo", last, 1 - self.clone_share)
        way = "ppo" if self.clone is None else "clone"
        whole = Part(way, self.level, 1 - self.finish)
        return (whole, Part(way, last, self.finish)) if self.finish else (whole,)


def arms() -> Experiment:
    """Both arms: a network from observation to excitation, cloned from muscle control in minutes."""
    return Experiment()


def arms_ppo() -> Experiment:
    """The same, then trial and error with the cloning loss as a fading anchor."""
    return Experiment(recipe="arms-ppo", ppo=anchored(), minutes=6.0)


def finetune() -> Experiment:
    """A policy that knows some motions learns new ones, in a minute, and goes on with some of the old."""
    gentle = CloneSettings(first_steps=60, steps=60, updates=200, optimiser=OptimiserSettings(rate=5e-4))
    return Experiment(recipe="finetune", clone=gentle, minutes=1.0)


def anchored() -> PPOSettings:
    """Trial and error that does not forget what was cloned. Tuned: docs/training.md tells what each choice is for."""
    return PPOSettings(
        actor=OptimiserSettings(rate=3e-5), lowest_rate=1e-7, anchor=1.0, anchor_half_life=5e5, warm_up=8,
        learn_scale=False, divergence=0.005,
    )  # fmt: skip


RECIPES = {"arms": arms, "arms-ppo": arms_ppo, "finetune": finetune}
