"""Rows of numbers that fall into parts which know nothing of each other, such as two arms on a trunk that is held."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Parts:
    """Which part each number of an observation, and of the command that goes with it, belongs to.

    Where parts do not act on each other, one of this row and another of that row make a row that might as well have
    happened, and the commands of the two are the command for it.
    """

    observation: Int[Tensor, "feature"]
    """Part of each number, counted from 0."""
    action: Int[Tensor, "action"]
    count: int
    """How many parts there are."""

    def to(self, device: torch.device | str) -> "Parts":
        """The same on another device."""
        return Parts(self.observation.to(device), self.action.to(device), self.count)

    def put_together(
        self,
        rows: Float[Tensor, "row feature"],
        commands: Float[Tensor, "row action"],
        place: Int[Tensor, "some part"],
    ) -> tuple[Float[Tensor, "some feature"], Float[Tensor, "some action"]]:
        """Rows whose parts are taken from different rows.

        Args:
            rows: Observations.
            commands: That go with them.
            place: Which row each part is taken from.
        """
        features = torch.arange(rows.shape[1], device=rows.device)
        numbers = torch.arange(commands.shape[1], device=rows.device)
        return rows[place[:, self.observation], features], commands[place[:, self.action], numbers]
