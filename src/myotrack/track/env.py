"""`TrackingEnv`: many worlds that follow clips, as learning wants to see them (`train.env.Env`).

body and reference -> Moment -> observation -> policy -> action -> excitation -> 10 ms -> Moment -> reward, end
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.asking import perhaps
from myotrack.algebra.parts import Parts
from myotrack.algebra.permutation import Symmetry
from myotrack.anatomy.trees import Trees
from myotrack.clips.clip import RATE
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.perturb import Variation
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState
from myotrack.steer.synergy import Synergies
from myotrack.track.action import actuation
from myotrack.track.curriculum import Curriculum
from myotrack.track.disturb import Pushes
from myotrack.track.moment import Fitting, Moment
from myotrack.track.observe import Observer
from myotrack.track.start import Starts
from myotrack.track.task import Task, variation_of
from myotrack.track.terminate import beyond, landmark_distance, lost

PerWorld = Float[Tensor, "world"]
Observation = Float[Tensor, "world feature"]
Action = Float[Tensor, "world action"]
EASE_EVERY = 20
"""Frames between the starts that tell how easy a clip is [10 ms]. Not tuned: five looks a second."""
EASE_WITHIN = 1.0
"""How long bodies are watched there [s]. Not tuned: a walking body that is left alone lives for 0.4 s on average."""


@dataclass(frozen=True)
class Step:
    """What one control interval brought; `train.env.Transition` says what the fields mean."""

    observation: Observation
    final: Observation
    reward: PerWorld
    failed: Bool[Tensor, "world"]
    cut: Bool[Tensor, "world"]
    scores: dict[str, PerWorld]

    def then(self, other: "Step") -> "Step":
        """This and the next interval together: rewards add up; of episodes that are over nothing counts any more."""
        over = self.failed | self.cut
        scores = {name: torch.where(over, value, other.scores[name]) for name, value in self.scores.items()}
        return Step(
            other.observation,
            torch.where(over[:, None], self.final, other.final),
            self.reward + torch.where(over, 0.0, other.reward),
            self.failed | (other.failed & ~over),
            self.cut | (other.cut & ~over),
            scores | {"failed": self.scores["failed"] + torch.where(over, 0.0, other.scores["failed"])},
        )


@runtime_checkable
class Watcher(Protocol):
    """Looks at the bodies of an env in every step, such as `style.StyleExamples`."""

    def before(self, body: BodyState) -> None:
        """When they are about to act."""
        ...

    def after(self, body: BodyState) -> None:
        """When they have, before an episode begins anew."""
        ...


class TrackingEnv:
    """Worlds that follow clips by a task."""

    def __init__(
        self,
        task: Task,
        simulator: Simulator,
        library: ClipLibrary,
        fitting: Fitting | None = None,
        seed: int = 0,
        weight: Float[Tensor, "clip"] | None = None,
    ) -> None:
        """Put every world somewhere into a clip.

        Args:
            task: What is to be done.
            simulator: The worlds, which belong to this env from now on.
            library: The clips, of the same body.
            fitting: What makes the motion, per row of the library (`start.fitting`): with it muscles start, and some
                actions add to it. At a resting level if not given.
            seed: Of everything that is drawn.
            weight: How often episodes begin in a frame of each clip (`start.Starts`).

        Raises:
            ValueError: The clips belong to another body, or the physics has another rate.
        """
        if library.body_hash != simulator.anatomy.hash:
            raise ValueError("The clips belong to another body than the simulator's; retarget them for this one.")
        if abs(simulator.physics.interval * RATE - 1) > 1e-9:
            raise ValueError(
                f"Clips have {RATE:g} frames per second, and the control interval is {simulator.physics.interval:g} s."
            )
        self.task, self.simulator, self.library = task, simulator, library
        self.anatomy, self.worlds, self.device = simulator.anatomy, simulator.worlds, simulator.device
        self.observer = Observer(self.anatomy, task.observation, self.device)
        self.actuation = actuation(task.action, simulator)
        self.starts = Starts(library, task.start, weight)
        self._fitting = fitting
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self._pushes = Pushes(task.disturbance, self.anatomy, self.worlds, simulator.physics.interval, self.device)
        self._variation: Variation | None = None
        worlds = self.worlds
        self.clip = torch.zeros(worlds, dtype=torch.int64, device=self.device)
        """Which clip each world follows."""
        self.frame = torch.zeros(worlds, dtype=torch.int64, device=self.device)
        """In which frame of it each world is."""
        self._age = torch.zeros(worlds, dtype=torch.int64, device=self.device)
        self._before = simulator.body.muscle_excitation.clone()
        delay = task.disturbance.delay
        self._late = torch.zeros(delay, worlds, self.observer.size, device=self.device)
        self._observation = torch.zeros(worlds, self.observer.size, device=self.device)
        self._moment: Moment | None = None
        self.watcher: Watcher | None = None
        """Who looks on, if anybody does."""
        self.restart()

    @property
    def observation_size(self) -> int:
        """Numbers in a row that a policy sees."""
        return self.observer.size

    @property
    def action_size(self) -> int:
        """Numbers of an action."""
        return len(self.actuation.mirror.index)

    @property
    def symmetry(self) -> Symmetry:
        """What a mirror makes of observations and actions."""
        return Symmetry(self.observer.mirror, self.actuation.mirror)

    @property
    def parts(self) -> Parts | None:
        """Which part of the body numbers are about, where there are several that do not act on each other."""
        count, seen = Trees.of(self.anatomy).count, self.observer.tree
        return None if count == 1 or seen is None else Parts(seen, self.actuation.tree, count)

    @property
    def observation(self) -> Observation:
        """Of the present instant, or as late as the task says."""
        return self._observation

    @property
    def moment(self) -> Moment:
        """The present instant."""
        if self._moment is None:
            self._moment = self._look()
        return self._moment

    def restart(self) -> Observation:
        """Begin a new episode in every world, whose parameters are drawn anew."""
        self._vary(variation_of(self.task, self.anatomy, self.worlds, self._generator))
        self._begin(torch.ones(self.worlds, dtype=torch.bool, device=self.device))
        self._observation = self._seen(torch.ones(self.worlds, dtype=torch.bool, device=self.device))
        return self._observation

    def command(self, action: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch action"]:
        """What actions mean."""
        return self.actuation.command(action)

    def action(self, command: Float[Tensor, "*batch action"]) -> Float[Tensor, "*batch action"]:
        """The actions that mean a command."""
        return self.actuation.action(command)

    def step(self, action: Action) -> Step:
        """Let as many control intervals pass as the task holds an action."""
        if self.watcher is not None:
            self.watcher.before(self.moment.body)
        step = self._live(action, self.task.hold == 1)
        for later in range(2, self.task.hold + 1):
            step = step.then(self._live(action, later == self.task.hold, step.failed | step.cut))
        step = replace(step, reward=step.reward / self.task.hold)
        if self.watcher is not None:
            self.watcher.after(self.moment.body)
        ended = step.failed | step.cut
        if perhaps(ended):
            self._begin(ended)
            fresh = self._seen(ended)
            self._observation = torch.where(ended[:, None], fresh, step.final)
        else:
            self._observation = step.final
        return replace(step, observation=self._observation)

    def _live(self, action: Action, last: bool, over: Bool[Tensor, "world"] | None = None) -> Step:
        """One control interval; worlds whose episode is over are left to themselves until they begin anew.

        Args:
            action: Of every world.
            last: Whether another action comes next; else nobody looks, unless an episode ends.
            over: Worlds that wait.
        """
        simulator = self.simulator
        # A world that stands still because it left the numbers has failed already, and started again.
        sent = self.actuation.excite(action, self.moment)
        excitation = self.task.disturbance.noisy(sent, self._generator)
        for segment, force in self._pushes.draw(self._generator).items():
            simulator.push(segment, force)
        self._before = simulator.body.muscle_excitation.clone()
        simulator.advance(excitation)
        self._moment = None
        self.frame = self.frame + 1
        self._age = self._age + 1
        moment = self.moment
        terms = self.task.reward.terms(moment, self.anatomy)
        landmark, root = landmark_distance(moment, self.anatomy)
        course = self.starts.course
        failed = beyond((landmark, root), course.limits(self.task.rule)) | ~moment.body.intact
        # A lost world stands in its last good state, so its numbers are sound; it earns what that state is worth.
        finished = (self.frame >= self.library.length[self.clip] - 1) | (self._age >= round(self.task.longest * RATE))
        cut = finished & ~failed
        scores = {f"reward_{name}": value for name, value in terms.items()}
        scores |= {"landmark_error": landmark, "root_error": root}
        scores |= {"activation": moment.body.muscle_activation.mean(dim=1), "failed": failed.float()}
        if self.task.start.curriculum != Curriculum():
            names = ("clips_learnt", "notch")
            scores |= {name: value.expand_as(landmark) for name, value in zip(names, course.place, strict=True)}
        reward = self.task.reward.total(terms)
        self.starts.learn(self.clip, self.frame, failed, None if over is None else ~over)
        looked = last or perhaps(failed | cut)
        final = self._seen(torch.zeros_like(failed)) if looked else self._observation
        return Step(final, final, reward, failed, cut, scores)

    @torch.no_grad()
    def lasting(
        self, act: Callable[[Observation], Action] | None = None, every: int = EASE_EVERY, within: float = math.inf
    ) -> tuple[Int[Tensor, "start"], Float[Tensor, "start"]]:
        """How long bodies follow clips before they are lost by the task's own rule, from starts all over them.

        All worlds go on afterwards as if nothing had been asked.

        Args:
            act: What a body does; if not given it is left alone (action 0).
            every: Frames between two starts.
            within: How much of the clip after each start counts [s].

        Returns:
            Clip of every start, and the share of what came after it that was kept: 1 is all of it.
        """
        before = self.state()
        places = [(clip, at) for clip, frames in enumerate(self.library.frames) for at in range(0, frames - 1, every)]
        everywhere = torch.ones(self.worlds, dtype=torch.bool, device=self.device)
        action = torch.zeros(self.worlds, self.action_size, device=self.device)
        lived = []
        for first in range(0, len(places), self.worlds):
            some = places[first : first + self.worlds]
            chosen = torch.tensor(some + [some[-1]] * (self.worlds - len(some)), device=self.device)
            self._put(everywhere, chosen[:, 0], chosen[:, 1])
            left = self.library.length[chosen[:, 0]] - 1 - chosen[:, 1]
            left = left.clamp(max=round(RATE * within)) if math.isfinite(within) else left
            lost_at = left.clone()
            for frame in range(1, int(left.max()) + 1):
                if act is not None and (frame - 1) % self.task.hold == 0:
                    action = act(self.observer.read(self.moment))
                self.simulator.advance(self.actuation.excite(action, self.moment))
                self._moment, self.frame = None, self.frame + 1
                gone = lost(self.moment, self.anatomy, self.task.rule) & (lost_at >= frame)
                lost_at = torch.where(gone, frame - 1, lost_at)
            lived.append((lost_at / left)[: len(some)])
        self.load(before)
        return torch.tensor([clip for clip, _ in places], device=self.device), torch.cat(lived).float()

    def ease(self, act: Callable[[Observation], Action] | None = None) -> Float[Tensor, "clip"]:
        """How easy the hardest part of each clip is, measured: of the next second, or of what is left of the clip, the
        share for which a body is not lost, mean over the worst quarter of the starts.

        Args:
            act: What the body does; if not given it is left alone (action 0).
        """
        clip, share = self.lasting(act, within=EASE_WITHIN)
        each = [share[clip == index] for index in range(len(self.library.frames))]
        return torch.stack([some.sort().values[: -(-len(some) // 4)].mean() for some in each])

    def hints(self) -> Float[Tensor, "row joint"]:
        """Shares of the joints' strength that would make the motion, per row of the library; 0 if not worked out."""
        first = 6 if self.anatomy.free else 0
        joints = self.anatomy.couplings.coordinate_size - first
        if self._fitting is None:
            return torch.zeros(len(self.library.table), joints, device=self.device)
        return Synergies.of(self.anatomy).to(self.device).share(self._fitting.moment[:, first:])

    def state(self) -> dict[str, Tensor]:
        """Everything that decides what comes next."""
        state = {f"simulator.{name}": value for name, value in self.simulator.snapshot().items()}
        for name in ("clip", "frame", "_age", "_before", "_late", "_observation"):
            state[name] = getattr(self, name).cpu().clone()
        state["generator"] = self._generator.get_state()
        state |= {f"starts.{name}": value for name, value in self.starts.state().items()}
        state |= {f"push.{name}": getattr(self._pushes, name).cpu().clone() for name in ("left", "force", "segment")}
        if self._variation is not None:
            state |= {f"variation.{name}": value.clone() for name, value in vars(self._variation).items()}
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        varied = {name[10:]: value for name, value in state.items() if name.startswith("variation.")}
        self._vary(Variation(**varied) if varied else None)
        self.simulator.restore({name[10:]: value for name, value in state.items() if name.startswith("simulator.")})
        for name in ("clip", "frame", "_age", "_before", "_late", "_observation"):
            setattr(self, name, state[name].to(self.device))
        self._moment = None
        self._generator.set_state(state["generator"])
        self.starts.load({name[7:]: value for name, value in state.items() if name.startswith("starts.")})
        for name in ("left", "force", "segment"):
            setattr(self._pushes, name, state[f"push.{name}"].to(self.device, copy=True))

    def _look(self) -> Moment:
        """Body and reference together."""
        reference = self.library.at(self.clip, self.frame, self.observer.ahead)
        last = self.library.length[self.clip] - 1
        following = self.library.start[self.clip] + torch.minimum(self.frame + 1, last)
        fitting = None if self._fitting is None else self._fitting.rows(following)
        return Moment(self.simulator.body, reference, self._before, (self.frame / last).float(), fitting)

    def _vary(self, variation: Variation | None) -> None:
        """Give worlds their parameters, or take them back."""
        if variation is None and self._variation is None:
            return
        self.simulator.vary(variation or Variation.none(self.anatomy, self.worlds))
        self._variation = variation

    def _begin(self, mask: Bool[Tensor, "world"]) -> None:
        """New episodes in the masked worlds."""
        self._put(mask, *self.starts.draw(self.worlds, self._generator))

    def _put(self, mask: Bool[Tensor, "world"], clip: Int[Tensor, "world"], frame: Int[Tensor, "world"]) -> None:
        """Put the masked worlds into frames of clips."""
        self.clip = torch.where(mask, clip, self.clip)
        self.frame = torch.where(mask, frame, self.frame)
        self._age = torch.where(mask, 0, self._age)
        reference = self.library.at(self.clip, self.frame, (0,))
        row = self.library.start[self.clip] + self.frame
        if self._fitting is None:
            activation = torch.full_like(self._before, 0.02)
        else:
            activation = self._fitting.activation[row].to(self._before.dtype)
        self.simulator.reset(mask, reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0], activation)
        self._before = torch.where(mask[:, None], self.simulator.body.muscle_excitation, self._before)
        self._moment = None

    def _seen(self, fresh: Bool[Tensor, "world"]) -> Observation:
        """The row that the policy gets now; in fresh worlds it begins without delay.

        The queue of a delay moves on only for worlds that go on; those that start again fill theirs.
        """
        row = self.observer.read(self.moment)
        if not len(self._late):
            return row
        if perhaps(fresh):
            self._late = torch.where(fresh[None, :, None], row[None], self._late)
            return torch.where(fresh[:, None], row, self._observation)
        late = self._late[0].clone()
        self._late = torch.cat([self._late[1:], row[None]])
        return late
