"""What every physics backend offers. `threads`, `warp` and `referee` are three final implementations of it."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.mechanics import Mechanics
from myotrack.simulate.perturb import Variation
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import Activation, BodyState, Excitation


@runtime_checkable
class Simulator(Protocol):
    """Many worlds of one body. They change by `reset`, `advance`, `push`, `assist`, `vary`, `restore` only."""

    @property
    def anatomy(self) -> Anatomy:
        """The body that lives in every world."""
        ...

    @property
    def physics(self) -> Physics:
        """The options of every world."""
        ...

    @property
    def worlds(self) -> int:
        """How many worlds there are."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        ...

    @property
    def body(self) -> BodyState:
        """The present instant of every world; no quantity is a substep old."""
        ...

    @property
    def mechanics(self) -> Mechanics:
        """The equations of motion of every world at the present instant."""
        ...

    @property
    def lost_count(self) -> int:
        """How many times a world has left the numbers since the start."""
        ...

    def reset(
        self,
        mask: Bool[Tensor, "world"],
        z: Float[Tensor, "world pos"],
        velocity: Float[Tensor, "world coordinate"],
        activation: Activation,
    ) -> None:
        """Start the masked worlds again at time zero; rows of the others are ignored and their worlds untouched."""
        ...

    def advance(self, excitation: Excitation) -> None:
        """Let every intact world live one control interval under an excitation in [0, 1]."""
        ...

    def push(
        self,
        segment: str,
        force_w: Float[Tensor, "world 3"],
        moment_w: Float[Tensor, "world 3"] | None = None,
    ) -> None:
        """Push a segment at its centre of mass [N] and twist it [N m] during the next interval.

        A reset in between takes the push back.
        """
        ...

    def assist(self, moment: Float[Tensor, "world coordinate"]) -> None:
        """Help the independent coordinates from outside [N m; N where a root shifts] during the next interval.

        A reset in between takes the help back.
        """
        ...

    def vary(self, variation: Variation) -> None:
        """Give every world its own masses, muscle strengths and floor friction."""
        ...

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that the next interval depends on, on the CPU, but what `vary` has set."""
        ...

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Go on from a snapshot of as many worlds of the same body; on a CPU to the last bit."""
        ...

    def dump(self, folder: Path) -> list[Path]:
        """Write the last states of lost worlds, one file each, and say where."""
        ...
