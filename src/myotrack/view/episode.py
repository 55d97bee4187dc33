"""One body that a policy moves along a clip, step by step, while somebody pushes it.

episode = Episode(simulator, library, driver, activation)
episode.push("pelvis", np.array([0.0, 150.0, 0.0]), seconds=0.2)
episode.step()
episode.now.lost
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.clips.library import ClipLibrary, Reference
from myotrack.simulate.simulator import Simulator
from myotrack.track.terminate import PUBLISHED, Rule, distances
from myotrack.validate.rollout import Driver
from myotrack.validate.tracking import body_weight
from myotrack.view.scene import Ground


@dataclass(frozen=True)
class Push:
    """A force on a segment's centre of mass."""

    segment: str
    force_w: Float[np.ndarray, "3"]
    """[N]"""
    left: int
    """Intervals that it still lasts."""


@dataclass(frozen=True)
class Now:
    """An instant of an episode."""

    frame: int
    """Of the clip."""
    time: float
    """Since its beginning [s]."""
    qpos: Float[np.ndarray, "qpos"]
    ghost: Float[np.ndarray, "qpos"]
    """Where the body should be."""
    activation: Float[np.ndarray, "muscle"]
    ground: Ground | None
    """Forces of the floor; None of a body that does not stand."""
    push: Push | None
    """What is pushing it during the interval that begins now."""
    landmark: float
    """Mean distance of the landmarks, the pelvis laid onto its reference [m]."""
    root: float
    """Distance of the pelvis [m]."""
    lost: float | None
    """When the rule was first violated [s]."""
    intact: bool
    """False once the body has left the numbers."""
    over: bool
    """Whether the clip has come to its end."""


class Episode:
    """A clip from its first frame to its last. A lost body goes on, so that one sees how it falls."""

    def __init__(
        self,
        simulator: Simulator,
        library: ClipLibrary,
        driver: Driver,
        activation: Float[Tensor, "1 muscle"],
        rule: Rule = PUBLISHED,
    ) -> None:
        """Begin.

        Args:
            simulator: Of one world.
            library: Its first clip is followed.
            driver: What moves the body.
            activation: With which muscles start.
            rule: When a body counts as lost.

        Raises:
            ValueError: The simulator has several worlds, or the clip belongs to another body.
        """
        if simulator.worlds != 1:
            raise ValueError(f"An episode has one world; got a simulator of {simulator.worlds}.")
        if library.body_hash != simulator.anatomy.hash:
            raise ValueError("The clip belongs to another body than the simulator's; retarget it for this one.")
        self.name, self.rule, self.interval = library.names[0], rule, simulator.physics.interval
        self.anatomy = simulator.anatomy
        self.duration = (library.frames[0] - 1) * self.interval
        """[s]"""
        self._simulator, self._library, self._driver, self._activation = simulator, library, driver, activation
        self._clip = torch.zeros(1, dtype=torch.int64)
        self._weight = body_weight(simulator.anatomy)
        self.restart()

    def restart(self) -> None:
        """Put the body into the first frame; nobody pushes it."""
        self._frame, self._push, self._lost = 0, None, None
        first = self._reference(0)
        everybody = torch.ones(1, dtype=torch.bool)
        self._simulator.reset(everybody, first.coordinate_pos[:, 0], first.coordinate_vel[:, 0], self._activation)
        self._driver.reset(self._simulator.body, self._clip, self._clip * 0)
        self.now = self._seen()
        """The present instant."""

    def push(self, segment: str, force_w: Float[np.ndarray, "3"], seconds: float) -> None:
        """Push a segment from the next step on; a push that is still going on ends.

        Raises:
            ValueError: The push takes no time, or has no force.
            KeyError: The body has no such segment.
        """
        if not seconds > 0:
            raise ValueError(f"A push takes time; got {seconds} s.")
        if not (np.isfinite(force_w).all() and np.any(force_w)):
            raise ValueError(f"A push has a force; got {force_w} N.")
        model = self.anatomy.model
        if segment not in (names := [model.body(index).name for index in range(1, model.nbody)]):
            raise KeyError(f"The body has no segment '{segment}'; there are {', '.join(names)}.")
        self._push = Push(segment, np.asarray(force_w, dtype=float), max(1, round(seconds / self.interval)))

    def step(self) -> Now:
        """Let an interval pass. At the end of the clip, and of the numbers, nothing does."""
        if self.now.over or not self.now.intact:
            return self.now
        body, push = self._simulator.body, self._push
        excitation = self._driver(body, self._clip, torch.tensor([self._frame]))
        if push is not None:
            self._simulator.push(push.segment, torch.as_tensor(push.force_w, dtype=torch.float32)[None])
            self._push = Push(push.segment, push.force_w, push.left - 1) if push.left > 1 else None
        if bool(torch.isfinite(excitation).all()):
            self._simulator.advance(excitation)
            self._frame += 1
            self.now = self._seen()
        else:
            self.now = self._seen(intact=False)
        return self.now

    def _reference(self, frame: int) -> Reference:
        return self._library.at(self._clip, torch.tensor([frame]))

    def _seen(self, intact: bool = True) -> Now:
        """What can be seen of the present instant."""
        body, reference = self._simulator.body, self._reference(self._frame)
        landmark, root = distances(body.landmark_pos_w - reference.landmark_pos_w[:, 0], self.anatomy)
        intact = intact and bool(body.intact[0])
        seconds = self._frame * self.interval
        if self._lost is None and (not intact or bool(self.rule.violated(landmark, root)[0])):
            self._lost = seconds
        ground = None
        if body.foot_force_w.shape[1]:
            force, place = (feet[0].double().numpy().copy() for feet in (body.foot_force_w, body.foot_cop_w))
            ground = Ground.of(force, place, self._weight)
        return Now(
            frame=self._frame,
            time=seconds,
            qpos=body.qpos[0].double().numpy().copy(),
            ghost=self.anatomy.couplings.qpos(reference.coordinate_pos[:, 0].double()).numpy()[0],
            activation=body.muscle_activation[0].numpy().copy(),
            ground=ground,
            push=self._push,
            landmark=float(landmark[0]),
            root=float(root[0]),
            lost=self._lost,
            intact=intact,
            over=self._frame >= self._library.frames[0] - 1,
        )
