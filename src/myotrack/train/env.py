"""What learning needs of a world: observations in, actions out. Nothing in `train` knows what is behind it.

An episode ends in one of two ways. It `failed` (the body fell): nothing comes after, so the value of what follows is
zero. Or it was `cut` (the clip ended, the time was up): the world would have gone on, so its value is bootstrapped from
`final`, the last observation of that episode, never from the first of the next one.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.parts import Parts as Parts
from myotrack.algebra.permutation import Symmetry as Symmetry

Observation = Float[Tensor, "world feature"]
Action = Float[Tensor, "world action"]
"""Any real number; what the policy's distribution is over."""
Command = Float[Tensor, "world action"]
"""What an action comes to mean in the world, such as a muscle excitation in (0, 1)."""
State = dict[str, Tensor]
"""Named tensors, on the CPU, that a checkpoint keeps."""


@runtime_checkable
class Transition(Protocol):
    """What one step of all worlds brought."""

    @property
    def observation(self) -> Observation:
        """To act on next; of the new episode where one has ended."""
        ...

    @property
    def final(self) -> Observation:
        """After the step and before any new start; the same as `observation` where no episode has ended."""
        ...

    @property
    def reward(self) -> Float[Tensor, "world"]:
        """For this step."""
        ...

    @property
    def failed(self) -> Bool[Tensor, "world"]:
        """The episode ended, and nothing comes after."""
        ...

    @property
    def cut(self) -> Bool[Tensor, "world"]:
        """The episode ended, though the world would have gone on; never where it failed."""
        ...

    @property
    def scores(self) -> dict[str, Float[Tensor, "world"]]:
        """What else is worth a line in the log, by name, such as errors in their units."""
        ...


@runtime_checkable
class Env(Protocol):
    """Many worlds that start again by themselves when their episode has ended."""

    @property
    def worlds(self) -> int:
        """How many there are."""
        ...

    @property
    def device(self) -> torch.device:
        """Where all tensors live."""
        ...

    @property
    def observation_size(self) -> int:
        """Features."""
        ...

    @property
    def action_size(self) -> int:
        """Numbers of an action, and of a command."""
        ...

    @property
    def symmetry(self) -> Symmetry | None:
        """The mirror, if the worlds have one."""
        ...

    @property
    def parts(self) -> Parts | None:
        """Which numbers belong together, if the worlds consist of parts that do not act on each other."""
        ...

    @property
    def observation(self) -> Observation:
        """Of the present instant."""
        ...

    def restart(self) -> Observation:
        """Begin a new episode in every world."""
        ...

    def step(self, action: Action) -> Transition:
        """Let one control interval pass in every world; worlds whose episode ends start again."""
        ...

    def command(self, action: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch action"]:
        """What actions mean; smooth and monotone, so that gradients flow."""
        ...

    def action(self, command: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch action"]:
        """The actions that mean a command, as nearly as there are any; the inverse of `command`."""
        ...

    def state(self) -> State:
        """Everything that decides what comes next, random generators included."""
        ...

    def load(self, state: State) -> None:
        """Go on from a state."""
        ...


@runtime_checkable
class Teacher(Protocol):
    """Knows what to do in the present instant of an env, and may take its time."""

    def __call__(self) -> Command:
        """Commands for every world."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Pays for what steps look like, beside what worlds pay, and learns from them what is worth paying for."""

    def look(self) -> None:
        """Note what the step that the worlds have just made looks like."""
        ...

    def pay(self) -> Float[Tensor, "step world"]:
        """For every step that was looked at since the last pay; it is added to what the worlds paid.

        Raises:
            Diverged: Something that was seen, or what it is worth, is not finite.
        """
        ...

    def learn(self) -> dict[str, float]:
        """Learn from the steps that were paid for last.

        Returns:
            What to log.

        Raises:
            Diverged: A gradient is not finite.
        """
        ...

    def state(self) -> State:
        """Everything needed to go on."""
        ...

    def load(self, state: State) -> None:
        """Go on from a state."""
        ...


@runtime_checkable
class Stage(Protocol):
    """A way of learning, taken in small steps by the trainer."""

    @property
    def name(self) -> str:
        """For logs and checkpoints."""
        ...

    def advance(self) -> dict[str, float]:
        """Gather experience once and learn from it.

        Returns:
            What to log: 'steps' (control steps simulated by this call) and 'score' (higher is better; decides which
            checkpoint is best) are always there.

        Raises:
            Diverged: The networks or losses are not numbers any more.
        """
        ...

    def state(self) -> State:
        """Everything needed to go on: networks, optimisers, normalisers, generators, worlds."""
        ...

    def load(self, state: State) -> None:
        """Go on from a state."""
        ...


class Diverged(RuntimeError):
    """Learning has left the numbers. The message says where."""
