"""`Moment`: the body and its reference at the same instant, which is all that reward and observation look at."""

from dataclasses import dataclass

from myotrack.clips.library import Reference
from myotrack.simulate.state import BodyState, Excitation, PerWorld


@dataclass(frozen=True)
class Moment:
    """One instant of every world. What the muscles were last told is `body.muscle_excitation`."""

    body: BodyState
    reference: Reference
    """At the same instant (ahead 0), one frame later (ahead 1), and at the look-ahead of the observation."""
    before: Excitation
    """What the muscles were told in the interval before the last one."""
    phase: PerWorld
    """Share of the clip that has passed, in [0, 1]."""
