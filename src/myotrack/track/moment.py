"""`Moment`: the body and its reference at the same instant, which is all that reward and observation look at."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from myotrack.clips.library import Reference
from myotrack.simulate.state import BodyState, Excitation, PerWorld


@dataclass(frozen=True)
class Fitting:
    """What makes a reference's own accelerations, least effort first (`start.fitting`)."""

    activation: Float[Tensor, "*row muscle"]
    moment: Float[Tensor, "*row coordinate"]
    """Of all muscles together [N m]; of a free root, what is missing [N m, N]."""

    def rows(self, index: Int[Tensor, "some"]) -> "Fitting":
        """Some of the rows."""
        return Fitting(self.activation[index], self.moment[index])


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
    fitting: Fitting | None = None
    """What would make the reference's accelerations one frame later, if that has been worked out."""
