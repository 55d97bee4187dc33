"""`Task`: everything that decides what a policy sees, does, is paid for, and when it has failed."""

from dataclasses import dataclass, field

from myotrack.track.action import ActionSettings, Direct
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
