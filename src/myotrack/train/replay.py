"""`Replay`: what the worlds did lately, for learning from stretches of it in any order."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.train.env import State
from myotrack.train.team import ALONE, Team


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


@dataclass(frozen=True)
class Share:
    """Which of the rows that a team has drawn are of this process."""

    mine: Int[Tensor, "_"]
    """Their numbers among all."""
    rows: int
    """Of the team."""


class Replay:
    """The last steps of all worlds; the oldest make room for the newest.

    Processes of a team know of each other's worlds when episodes ended, and nothing else: they draw the same rows, and
    each has those of its own worlds.
    """

    def __init__(
        self, steps: int, worlds: int, sizes: tuple[int, int, int], device: torch.device | str, team: Team = ALONE
    ) -> None:
        """Make room.

        Args:
            steps: To be kept, of every world.
            worlds: How many this process has.
            sizes: Numbers of a state, of a place and of an action.
            device: Where they live.
            team: Processes that draw together, each with as many worlds.
        """
        state, place, action = sizes
        self._team, self._worlds = team, worlds
        self._state = torch.zeros(steps, worlds, state, device=device)
        self._place = torch.zeros(steps, worlds, place, dtype=torch.int64, device=device)
        self._action = torch.zeros(steps, worlds, action, device=device)
        self._ended = torch.zeros(steps, team.size * worlds, dtype=torch.bool, device=device)
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
        self._state[at], self._place[at], self._action[at] = state, place, action
        self._ended[at] = self._team.joined(ended)
        self._added += 1

    def stretches(self, rows: int, steps: int, generator: torch.Generator) -> tuple[Stretch, Share] | None:
        """Draw stretches within an episode; none if no episode has been so long.

        Args:
            rows: How many, by the team.
            steps: Actions in each.
            generator: Decides which.
        """
        begins = self._begins(steps)
        if not len(begins):
            return None
        begins, share = self._own(begins[self._drawn(rows, len(begins), generator)])
        return self._stretch(begins, steps), share

    def moments(self, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Share]:
        """Draw states and places of single moments; `rows` of them by the team."""
        worlds = self._ended.shape[1]
        chosen = self._drawn(rows, self.filled * worlds, generator)
        own, share = self._own(torch.stack([chosen // worlds, chosen % worlds], dim=1))
        slot, world = own.unbind(dim=1)
        return self._state[slot, world], self._place[slot, world], share

    def recent(self, steps: int) -> Stretch:
        """All last steps whose episodes went on, as stretches of one action; there may be none."""
        begins = self._begins(1)
        age = (self._added - 1 - begins[:, 0]) % len(self._state)
        return self._stretch(self._own(begins[age <= steps])[0], 1)

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
        """Slots and worlds of the team where stretches begin that stay within an episode and within what is kept."""
        size, filled = len(self._state), self.filled
        if filled <= steps:
            return torch.zeros(0, 2, dtype=torch.int64, device=self._state.device)
        order = (self._added - filled + torch.arange(filled, device=self._state.device)) % size
        broken = self._ended[order].long().cumsum(dim=0)
        # Ends among the steps of a stretch: the sum up to its last step, less the sum before its first.
        last, before = broken[steps - 1 : -1], torch.cat([torch.zeros_like(broken[:1]), broken[: -steps - 1]])
        begin, world = (last == before).nonzero(as_tuple=True)
        return torch.stack([order[begin], world], dim=1)

    def _own(self, places: Int[Tensor, "row 2"]) -> tuple[Int[Tensor, "_ 2"], Share]:
        """Slots and worlds that are of this process, its first world being 0."""
        world = places[:, 1] - self._team.rank * self._worlds
        mine = ((world >= 0) & (world < self._worlds)).nonzero().flatten()
        return torch.stack([places[mine, 0], world[mine]], dim=1), Share(mine, len(places))

    def _stretch(self, begins: Int[Tensor, "row 2"], steps: int) -> Stretch:
        slot, world = begins.unbind(dim=1)
        at = (slot + torch.arange(steps + 1, device=slot.device)[:, None]) % len(self._state)
        return Stretch(self._state[at, world], self._place[at, world], self._action[at[:-1], world])

    def _drawn(self, rows: int, among: int, generator: torch.Generator) -> Int[Tensor, "row"]:
        return torch.randint(among, (rows,), generator=generator, device=self._state.device)
