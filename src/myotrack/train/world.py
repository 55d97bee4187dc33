"""`World` says what imagining needs to know of worlds; `WorldModel` is a network that learns how they change.

state, place, action --features--> network --change--> next state;  state, place --observed--> policy --> action
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from myotrack.train.env import Symmetry
from myotrack.train.networks import Mirror, NetworkSettings, Residual
from myotrack.train.normalise import Normaliser
from myotrack.train.team import ALONE, Team

Rows = Float[Tensor, "row state"]
Place = Int[Tensor, "row place"]
Actions = Float[Tensor, "row action"]
Changes = Float[Tensor, "row change"]


@runtime_checkable
class World(Protocol):
    """Knows what a state is, what a change does to it, and what a policy sees of it. Gradients flow through all of it.

    A state is a row of numbers that says everything about a world that is to be known; a place says where in its motion
    it is, which passes by itself.
    """

    @property
    def state_size(self) -> int:
        """Numbers of a state."""
        ...

    @property
    def feature_size(self) -> int:
        """Numbers that a change is learnt from."""
        ...

    @property
    def change_size(self) -> int:
        """Numbers of a change."""
        ...

    @property
    def symmetry(self) -> Symmetry | None:
        """What a mirror makes of features and of changes, if worlds have one."""
        ...

    @property
    def groups(self) -> tuple[tuple[str, str, slice], ...]:
        """Name, unit and columns of what `apart` tells, for logs."""
        ...

    def present(self, before: Actions) -> tuple[Rows, Place]:
        """Where the worlds are now.

        Args:
            before: The last action of each; 0 where an episode begins.
        """
        ...

    def later(self, place: Place) -> Place:
        """Places after an action."""
        ...

    def counts(self, place: Place) -> Bool[Tensor, "row"]:
        """Whether what happens at a place matters; not after the end of a motion."""
        ...

    def lost(self, state: Rows, place: Place) -> Bool[Tensor, "row"]:
        """Whether an episode would have failed there, so that nothing is known of what comes after."""
        ...

    def features(self, state: Rows, place: Place, action: Actions) -> Float[Tensor, "row feature"]:
        """What decides about the change."""
        ...

    def changed(self, state: Rows, following: Rows) -> Changes:
        """The change that leads from a state to the next."""
        ...

    def advanced(self, state: Rows, action: Actions, change: Changes) -> Rows:
        """The state after a change; a change of 0 is what a world does whose velocities stay."""
        ...

    def apart(self, state: Rows, other: Rows) -> Changes:
        """How far two states are from each other, column by column."""
        ...

    def observed(self, state: Rows, place: Place) -> Float[Tensor, "row seen"]:
        """What a policy sees."""
        ...

    def costs(self, state: Rows, place: Place, action: Actions, following: Rows) -> dict[str, Float[Tensor, "row"]]:
        """What is to be avoided in the state that an action has led to, and in the action, term by term."""
        ...


class WorldModel(nn.Module):
    """Predicts changes. All its numbers are in units of what has been seen."""

    def __init__(self, world: World, network: NetworkSettings, generator: torch.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        symmetry = world.symmetry
        mirror = None if symmetry is None else (symmetry.observation, symmetry.action)
        self.normaliser = Normaliser(world.feature_size, None if mirror is None else mirror[0])
        self.changes = Normaliser(world.change_size, None if mirror is None else mirror[1])
        self.misses = Normaliser(world.change_size, None if mirror is None else mirror[1])
        """How far off one is who takes velocities for constant."""
        self.feature_mirror = None if mirror is None else Mirror(mirror[0])
        self.change_mirror = None if mirror is None else Mirror(mirror[1])
        self.network = Residual(world.feature_size, world.change_size, network, generator, 0.1)

    def forward(
        self, features: Float[Tensor, "row feature"], flipped: Bool[Tensor, "row"] | None = None
    ) -> Float[Tensor, "row change"]:
        """Changes.

        Args:
            features: What decides about them.
            flipped: Rows that are looked at in the mirror, where the same laws hold.
        """
        seen = self.normaliser(features)
        if flipped is None or self.feature_mirror is None or self.change_mirror is None:
            return self.changes.undo(self.network(seen).float())
        which = flipped[:, None]
        said = self.network(torch.where(which, self.feature_mirror(seen), seen)).float()
        return self.changes.undo(torch.where(which, self.change_mirror(said), said))

    @property
    def scale(self) -> Float[Tensor, "change"]:
        """What an error is measured by: the root mean square error of whoever takes velocities for constant."""
        return (self.misses.std.square() + self.misses.mean.square()).sqrt().float()

    @torch.no_grad()
    def learn_scale(
        self, world: World, state: Rows, place: Place, action: Actions, following: Rows, team: Team = ALONE
    ) -> None:
        """See some steps, with those of the other processes."""
        self.normaliser.update(world.features(state, place, action), team)
        change = world.changed(state, following)
        self.changes.update(change, team)
        self.misses.update(world.apart(world.advanced(state, action, torch.zeros_like(change)), following), team)
