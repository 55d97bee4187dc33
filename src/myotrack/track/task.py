"""`Task`: everything that decides what a policy sees, does, is paid for, and when it has failed."""

from dataclasses import dataclass, field, replace

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.perturb import Variation
from myotrack.track.action import ActionSettings, Direct, Torque
from myotrack.track.disturb import Disturbance
from myotrack.track.observe import ObservationSettings
from myotrack.track.reward import Reward
from myotrack.track.start import StartSettings
from myotrack.track.terminate import PUBLISHED, Rule


@dataclass(frozen=True)
class Task:
    """A task as a value: saved with the run, the same in training and in judging."""

    action: ActionSettings = field(default_factory=Direct)
    observation: ObservationSettings = field(default_factory=ObservationSettings)
    reward: Reward = field(default_factory=Reward)
    rule: Rule = PUBLISHED
    """Beyond which an episode has failed."""
    start: StartSettings = field(default_factory=StartSettings)
    disturbance: Disturbance = field(default_factory=Disturbance)
    longest: float = 10.0
    """An episode is cut after so long, so that new starts are seen [s]."""
    hold: int = 1
    """Control intervals for which an action is kept. What it adds to, such as springs, goes on at every interval."""
    cutoff: float | None = None
    """Of the motion's accelerations, where muscles and moments of its frames are worked out [Hz]; None: as they are."""

    def __post_init__(self) -> None:
        if self.hold < 1 or (self.hold > 1 and self.disturbance.delay):
            raise ValueError(
                f"An action is held for at least one control interval, and for one only where observations are late; "
                f"got {self.hold} and a delay of {self.disturbance.delay}."
            )


def variation_of(task: Task, anatomy: Anatomy, worlds: int, generator: torch.Generator) -> Variation | None:
    """Parameters of every world: as the disturbance draws them, without muscles where ideal joints move the body."""
    drawn = task.disturbance.variation(anatomy, worlds, generator)
    if not isinstance(task.action, Torque):
        return drawn
    drawn = drawn or Variation.none(anatomy, worlds)
    return replace(drawn, strength=torch.zeros_like(drawn.strength))
