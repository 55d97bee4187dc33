"""`Drive`: a policy at work outside of learning, one clip per world, as `validate.rollout` asks for."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.clips.library import ClipLibrary
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState, Excitation
from myotrack.track.action import actuation
from myotrack.track.disturb import Pushes
from myotrack.track.moment import Fitting, Moment
from myotrack.track.observe import Observer
from myotrack.track.task import Task, variation_of

Act = Callable[[Float[Tensor, "world feature"]], Float[Tensor, "world action"]]
"""From observations to actions: the mean of a policy, or drawn from it."""


class Drive:
    """Drives the muscles of all worlds by a policy, with the task's disturbances."""

    def __init__(
        self,
        task: Task,
        simulator: Simulator,
        library: ClipLibrary,
        act: Act,
        seed: int = 0,
        fitting: Fitting | None = None,
    ) -> None:
        """Prepare.

        Args:
            task: Observation, action and disturbance; the rest of it is of no account here.
            simulator: Whose worlds are driven. Its parameters are varied as the task says.
            library: The clips.
            act: The policy.
            seed: Of the disturbances.
            fitting: What makes the motions, per row of the library, for actions that add to it.
        """
        self.task, self.simulator, self.library, self._act = task, simulator, library, act
        self._fitting = fitting
        self._observer = Observer(simulator.anatomy, task.observation, simulator.device)
        self._actuation = actuation(task.action, simulator)
        self._generator = torch.Generator().manual_seed(seed)
        variation = variation_of(task, simulator.anatomy, simulator.worlds, self._generator)
        if variation is not None:
            simulator.vary(variation)
        self._start()

    def reset(self, body: BodyState, clip: Int[Tensor, "world"], frame: Int[Tensor, "world"]) -> None:
        """All worlds begin: nothing is late, and nobody is being pushed."""
        self._start()

    @torch.no_grad()
    def __call__(self, body: BodyState, clip: Int[Tensor, "world"], frame: Int[Tensor, "world"]) -> Excitation:
        """What the muscles are told during the next interval, and the pushes of that interval."""
        before = body.muscle_excitation if self._before is None else self._before
        reference = self.library.at(clip, frame, self._observer.ahead)
        phase = (frame / (self.library.length[clip] - 1)).clamp(max=1.0).float()
        following = self.library.start[clip] + torch.minimum(frame + 1, self.library.length[clip] - 1)
        moment = Moment(
            body, reference, before, phase, None if self._fitting is None else self._fitting.rows(following)
        )
        self._seen.append(self._observer.read(moment))
        del self._seen[: -1 - self.task.disturbance.delay]
        if self._action is None or self._held == self.task.hold:
            self._action, self._held = self._act(self._seen[0]), 0
        self._held += 1
        excitation = self._actuation.excite(self._action, moment)
        excitation = self.task.disturbance.noisy(excitation, self._generator)
        for segment, force in self._pushes.draw(self._generator).items():
            self.simulator.push(segment, force.to(self.simulator.device))
        self._before = body.muscle_excitation.clone()
        return excitation

    def _start(self) -> None:
        self._seen: list[Tensor] = []
        self._before: Tensor | None = None
        self._action: Tensor | None = None
        self._held = 0
        interval = self.simulator.physics.interval
        self._pushes = Pushes(self.task.disturbance, self.simulator.anatomy, self.simulator.worlds, interval)
