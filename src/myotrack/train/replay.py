"""`Replay`: what the worlds did lately, for learning from stretches of it in any order."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.train.env import State


@dataclass(frozen=True)
class Stretch:
    """Some steps of some episodes, one after the other."""

    state: Float[Tensor, "moment row state"]
    """One more than there are actions."""
    place: Int[Tensor, "moment row place"]
    action: Float[Tensor, "step row action"]

    @property
    def steps(self) -> int:
        """Actions."""
        return len(self.action)


class Replay:
    """The last steps of all worlds; the oldest make room for the newest."""

    def __init__(self, steps: int, worlds: int, sizes: tuple[int, int, int], device: torch.device | str) -> None:
        """Make room.

        Args:
            steps: To be kept, of every world.
            worlds: How many.
            sizes: Numbers of a state, of a place and of an action.
            device: Where they live.
        """
        state, place, action = sizes
        self._state = torch.zeros(steps, worlds, state, device=device)
        self._place = torch.zeros(steps, worlds, place, dtype=torch.int64, device=device)
        self._action = torch.zeros(steps, worlds, action, device=device)
        self._ended = torch.zeros(steps, worlds, dtype=torch.bool, device=device)
        self._added = 0

    @property
    def filled(self) -> int:
        """Steps of every world that can be learnt from."""
        return min(self._added, len(self._state))

    def add(
        self,
        state: Float[Tensor, "world state"],
        place: Int[Tensor, "world place"],
        action: Float[Tensor, "world action"],
        ended: Bool[Tensor, "world"],
    ) -> None:
        """Write down a step.

        Args:
            state: Before it.
            place: Where in its motion each world was.
            action: What was done.
            ended: Whether the episode ended with it; what comes next belongs to another.
        """
        at = self._added % len(self._state)
        self._state[at], self._place[at], self._action[at], self._ended[at] = state, place, action, ended
        self._added += 1

    def stretches(self, rows: int, steps: int, generator: torch.Generator) -> Stretch | None:
        """Draw stretches within an episode; none if no episode has been so long.

        Args:
            rows: How many.
            steps: Actions in each.
            generator: Decides which.
        """
        begins = self._begins(steps)
        if not len(begins):
            return None
        chosen = begins[self._drawn(rows, len(begins), generator)]
        return self._stretch(chosen, steps)

    def moments(self, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw states and places of single moments."""
        chosen = self._drawn(rows, self.filled * self._state.shape[1], generator)
        return self._state.flatten(0, 1)[chosen], self._place.flatten(0, 1)[chosen]

    def recent(self, steps: int) -> Stretch | None:
        """All last steps whose episodes went on, as stretches of one action; none if every episode ended."""
        begins = self._begins(1)
        age = (self._added - 1 - begins[:, 0]) % len(self._state)
        begins = begins[age <= steps]
        return self._stretch(begins, 1) if len(begins) else None

    def state(self) -> State:
        """Everything in it."""
        names = ("_state", "_place", "_action", "_ended")
        return {name[1:]: getattr(self, name).cpu().clone() for name in names} | {"added": torch.tensor(self._added)}

    def load(self, state: State) -> None:
        """Go on from a state."""
        for name in ("_state", "_place", "_action", "_ended"):
            getattr(self, name).copy_(state[name[1:]])
        self._added = int(state["added"])

    def _begins(self, steps: int) -> Int[Tensor, "some 2"]:
        """Slots and worlds where stretches begin that stay within an episode and within what is kept."""
        size, filled = len(self._state), self.filled
        if filled <= steps:
            return torch.zeros(0, 2, dtype=torch.int64, device=self._state.device)
        order = (self._added - filled + torch.arange(filled, device=self._state.device)) % size
        broken = self._ended[order].long().cumsum(dim=0)
        # Ends among the steps of a stretch: the sum up to its last step, less the sum before its first.
        last, before = broken[steps - 1 : -1], torch.cat([torch.zeros_like(broken[:1]), broken[: -steps - 1]])
        begin, world = (last == before).nonzero(as_tuple=True)
        return torch.stack([order[begin], world], dim=1)

    def _stretch(self, begins: Int[Tensor, "row 2"], steps: int) -> Stretch:
        slot, world = begins.unbind(dim=1)
        at = (slot + torch.arange(steps + 1, device=slot.device)[:, None]) % len(self._state)
        return Stretch(self._state[at, world], self._place[at, world], self._action[at[:-1], world])

    def _drawn(self, rows: int, among: int, generator: torch.Generator) -> Int[Tensor, "row"]:
        return torch.randint(among, (rows,), generator=generator, device=self._state.device)
