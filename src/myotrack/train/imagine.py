"""`Imagine`: a stage that learns how worlds change, and moves the policy by gradients through imagined roll-outs.

act and remember -> model: predict remembered stretches -> policy: imagine stretches, cost back to actions -> again

Source: Fussell et al. (2021, SuperTrack), doi:10.1145/3478513.3480527 (recalled).
"""

import copy
import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.train.env import Diverged, Env, State
from myotrack.train.networks import NetworkSettings
from myotrack.train.optimise import Optimiser, OptimiserSettings
from myotrack.train.policy import Policy
from myotrack.train.replay import Replay, Share, Stretch
from myotrack.train.team import ALONE, Team
from myotrack.train.world import World, WorldModel


@dataclass(frozen=True)
class ImagineSettings:
    """How to learn in imagination. A step is an action of every world. Not tuned, where nothing is said."""

    steps: int = 8
    """Of every world, between two rounds of learning."""
    first: int = 96
    """Of every world, before anything is learnt. Tuned together with the warm-up and the policy's rate (one run each,
    not told apart): with 24, 150 and 5e-4 a walking body lived no longer 13,000 actions later, with 96, 800 and 2e-4
    it did at once."""
    memory: int = 400
    """Of every world, that are remembered."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """Of the model."""
    model: OptimiserSettings = field(default_factory=lambda: OptimiserSettings(rate=3e-3))
    """How the model is moved."""
    model_rows: int = 256
    """Stretches that an update of the model learns from."""
    model_steps: int = 2
    """Actions in each."""
    model_updates: int = 16
    """In every round."""
    average: float = 0.03
    """What every update counts in the running mean of the model's weights, in which the policy imagines. Measured: one
    action ahead on actions not learnt from, the mean leaves 19 % of the variance of a body's accelerations, the last
    weights 22 %."""
    warm_up: int = 800
    """Updates of the model before the policy begins to learn."""
    policy: OptimiserSettings = field(default_factory=lambda: OptimiserSettings(rate=2e-4))
    """How the policy is moved. Tuned: see `first`."""
    policy_rows: int = 64
    """Stretches that an update of the policy imagines."""
    policy_steps: int = 20
    """Actions in each. Measured (one run): with 10, 0.3 s, a walking body learnt to follow closely, and episodes stayed
    at 18 to 19 actions from 39,000 to 59,000 actions; with 20, fewer rows and updates, it came from there to 29 in
    55,000 more. Not tried from the beginning."""
    policy_updates: int = 5
    """In every round."""
    seed: int = 0
    """Of actions, of what is remembered, and of the model's first weights."""

    def __post_init__(self) -> None:
        counts = (self.steps, self.first, self.model_rows, self.model_steps, self.policy_rows, self.policy_steps)
        if min(*counts, self.model_updates, self.policy_updates) < 1 or self.warm_up < 0 or not 0 < self.average <= 1:
            raise ValueError(
                "Steps, rows and updates are at least 1, the warm-up is not negative, and what an update counts in the "
                f"mean lies in (0, 1]; got {self}."
            )
        if self.memory <= self.model_steps:
            raise ValueError(
                f"Stretches of {self.model_steps} actions do not fit into a memory of {self.memory} steps."
            )


class Imagine:
    """A stage that learns in imagination (`env.Stage`)."""

    def __init__(
        self,
        env: Env,
        world: World,
        policy: Policy,
        settings: ImagineSettings = ImagineSettings(),
        name: str = "imagine",
        team: Team = ALONE,
        after: "Imagine | None" = None,
    ) -> None:
        """Prepare; worlds go on from where they are.

        Args:
            env: The worlds, which belong to this stage while it learns.
            world: What is to be known of them.
            policy: That learns. Its spread stays what it is.
            settings: How.
            name: For logs and checkpoints.
            team: Processes that learn together, each in as many worlds; rows of an update are those of all.
            after: The stage before, in other worlds; what it will know of them is what this one begins with.
        """
        self._after = after
        self.env, self.world, self.policy, self.settings, self.name = env, world, policy, settings, name
        self._team = team
        device = env.device
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        weights = torch.Generator().manual_seed(settings.seed + 1)
        self.model = WorldModel(world, settings.network, weights).to(device)
        self.known = averaging(self.model)
        """The running mean of the model's weights."""
        self._model_optimiser = Optimiser({"model": self.model}, settings.model, team)
        self._policy_optimiser = Optimiser({"policy": policy}, settings.policy, team)
        self._before = torch.zeros(env.worlds, env.action_size, device=device)
        self._age = torch.zeros(env.worlds, dtype=torch.int64, device=device)
        state, place = world.present(self._before)
        sizes = state.shape[1], place.shape[1], env.action_size
        self._replay = Replay(settings.memory, env.worlds, sizes, device, team)
        self._updates = 0

    def advance(self) -> dict[str, float]:
        """Act, then learn; the first time, long enough for a model to be of use."""
        start = time.perf_counter()
        settings = self.settings
        if self._after is not None and not self._updates:
            self.recall(self._after.state())
        told = self._gather(settings.steps if self._replay.filled else settings.first)
        acted = time.perf_counter()
        updates = settings.model_updates if self._updates else max(settings.warm_up, settings.model_updates)
        told |= mean_of([self._learn_model() for _ in range(updates)][-settings.model_updates :])
        known = time.perf_counter()
        told |= mean_of([self._learn_policy() for _ in range(settings.policy_updates)])
        self._demand_finite()
        end = time.perf_counter()
        return told | {
            "time_act": (acted - start) / (end - start),
            "time_model": (known - acted) / (end - start),
            "time_imagine": (end - known) / (end - start),
        }

    def imagined(
        self,
        state: Float[Tensor, "row state"],
        place: Tensor,
        steps: int,
        flipped: Bool[Tensor, "row"] | None = None,
        share: Share | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Mean costs, term by term, of what the policy would bring about, with its chance; of a team, the part that
        these rows have in the mean.

        Actions are drawn here as in the worlds: what pays only for exactly the right action, pays by a fault of the
        model. What comes after a world is lost does not count: the model has never been there.

        Args:
            state: To begin with.
            place: Where in its motion each is.
            steps: Actions.
            flipped: Rows that the model looks at in the mirror.
            share: Which rows of a team these are; all if not given.
        """
        world, seen = self.world, list[tuple[Tensor, Tensor, Tensor, Tensor]]()
        rows = len(state) if share is None else share.rows
        for _ in range(steps):
            chances = self.policy.distribution(world.observed(state, place))
            size = chances.mean.shape[1]
            noise = torch.randn(rows, size, generator=self._generator, device=state.device)
            noise = noise if share is None else noise[share.mine]
            action = chances.mean + chances.log_std.detach().exp() * noise
            following = world.advanced(state, action, self.known(world.features(state, place, action), flipped))
            seen.append((state, place, action, following))
            state, place = following, world.later(place)
        # All at once: many small operations take longer than a few large ones.
        states, places, actions, after = (torch.cat(each) for each in zip(*seen, strict=True))
        later = world.later(places)
        lost = world.lost(after.detach(), later).unflatten(0, (steps, -1)).long().cumsum(dim=0)
        before = torch.cat([torch.zeros_like(lost[:1]), lost[:-1]]).flatten()
        matters = (world.counts(later) & (before == 0)).float()
        count = self._team.sum(matters.sum()).clamp(min=1.0)
        costs = world.costs(states, places, actions, after)
        return {name: (value * matters).sum() / count for name, value in costs.items()}

    def predicted(
        self, stretch: Stretch, flipped: Bool[Tensor, "row"] | None = None
    ) -> Float[Tensor, "step row change"]:
        """How far off the model is after each action of a stretch, from its first state on."""
        world, state, said = self.world, stretch.state[0], []
        for step in range(stretch.steps):
            place, action = stretch.place[step], stretch.action[step]
            state = world.advanced(state, action, self.model(world.features(state, place, action), flipped))
            said.append(state)
        errors = world.apart(torch.cat(said), stretch.state[1:].flatten(0, 1))
        return errors.unflatten(0, (stretch.steps, len(state)))

    def state(self) -> State:
        """Everything needed to go on, what is remembered included."""
        state = {
            "before": self._before.cpu().clone(),
            "age": self._age.cpu().clone(),
            "updates": torch.tensor(self._updates),
        }
        state |= {"generator": self._generator.get_state()}
        for name, part in self._parts().items():
            state |= {f"{name}.{key}": value.detach().cpu().clone() for key, value in part.items()}
        return state

    def load(self, state: State) -> None:
        """Go on from a state of a stage with the same worlds, networks and memory.

        What is remembered may be left out, and worlds act for as long as in the beginning before learning goes on; so
        may what the model's optimiser knows of its gradients, which it soon knows again.
        """
        self._before, self._age = state["before"].to(self.env.device), state["age"].to(self.env.device)
        self._updates = int(state["updates"])
        self._generator.set_state(state["generator"])
        parts = {name: _part(state, name) for name in ("policy", "model", "known", "mover", "learner", "replay", "env")}
        self.policy.load_state_dict(parts["policy"])
        self.model.load_state_dict(parts["model"])
        self.known.load_state_dict(parts["known"])
        self._policy_optimiser.load(parts["mover"])
        if parts["learner"]:
            self._model_optimiser.load(parts["learner"])
        if parts["replay"]:
            self._replay.load(parts["replay"])
        self.env.load(parts["env"])

    def recall(self, state: State) -> None:
        """Begin with what another stage knows of its worlds; they act for as long as in the beginning, but the model is
        not learnt anew.

        Args:
            state: Of that stage; all but its model may be left out.

        Raises:
            RuntimeError: There is no model in it, or one of another size.
        """
        for name, module in (("model", self.model), ("known", self.known)):
            module.load_state_dict(_part(state, name))
        self._updates = int(state["updates"])

    def _parts(self) -> dict[str, State]:
        """States of what this stage moves, by the prefix of their names."""
        return {
            "policy": self.policy.state_dict(),
            "model": self.model.state_dict(),
            "known": self.known.state_dict(),
            "mover": self._policy_optimiser.state(),
            "learner": self._model_optimiser.state(),
            "replay": self._replay.state(),
            "env": self.env.state(),
        }

    @torch.no_grad()
    def _gather(self, steps: int) -> dict[str, float]:
        """Act in all worlds, with chance, and remember."""
        totals, rewards, seen = dict[str, Tensor](), [], []
        lived = torch.zeros(2, device=self.env.device)
        for _ in range(steps):
            state, place = self.world.present(self._before)
            observation = self.env.observation
            seen.append(observation)
            action = self.policy.distribution(observation).sample(self._generator, self._team)
            step = self.env.step(action)
            ended = step.failed | step.cut
            self._replay.add(state, place, action, ended)
            self._before = torch.where(ended[:, None], 0.0, action)
            self._age += 1
            lived += torch.stack([(self._age * ended).sum(), ended.sum()])
            self._age = torch.where(ended, 0, self._age)
            rewards.append(step.reward)
            for name, score in step.scores.items():
                totals[name] = totals.get(name, 0.0) + score.float().mean()
        team = self._team
        self.policy.normaliser.update(torch.stack(seen), team)
        recent = self._replay.recent(steps)
        known = recent.state[0], recent.place[0], recent.action[0], recent.state[1]
        self.model.learn_scale(self.world, *known, team)
        reward = float(team.mean(torch.stack(rewards)))
        lived, count = team.sum(lived)
        told = {name: float(team.mean(total)) / steps for name, total in totals.items()}
        return told | {
            "steps": float(steps * self.env.worlds * team.size),
            "score": reward,
            "reward": reward,
            "episode_length": float(torch.where(count > 0, lived / count, team.mean(self._age.float()))),
        }

    def _learn_model(self) -> dict[str, float]:
        """One update of the model; tells how far off it was."""
        settings, team = self.settings, self._team
        drawn = self._replay.stretches(settings.model_rows, settings.model_steps, self._generator)
        if drawn is None:
            raise Diverged(f"No episode lasted {settings.model_steps} actions; let the model learn from shorter ones.")
        stretch, share = drawn
        error = self.predicted(stretch, self._flips(share))
        loss = (error / self.model.scale).abs().sum() / (share.rows * len(error) * error.shape[2])
        self._model_optimiser.zero_grad()
        loss.backward()
        self._model_optimiser.step()
        self._updates += 1
        part = max(settings.average, 1 / self._updates)
        with torch.no_grad():  # Otherwise the mean would remember all weights there ever were.
            torch._foreach_lerp_(list[Tensor](self.known.parameters()), list[Tensor](self.model.parameters()), part)
        told = {"model_loss": float(team.sum(loss.detach()))}
        for name, _, columns in self.world.groups:
            some = error[..., columns].detach().square()
            size = (team.sum(some.sum(dim=(1, 2))) / (share.rows * some.shape[2])).sqrt()
            word = name.replace(" ", "_")
            told |= {f"model_{word}_first": float(size[0]), f"model_{word}_last": float(size[-1])}
        return told

    def _learn_policy(self) -> dict[str, float]:
        """One update of the policy; tells what it expected."""
        settings = self.settings
        state, place, share = self._replay.moments(settings.policy_rows, self._generator)
        costs = self.imagined(state, place, settings.policy_steps, self._flips(share), share)
        loss = torch.stack(list(costs.values())).sum()
        self._policy_optimiser.zero_grad()
        loss.backward()
        steep = self._policy_optimiser.step()
        told = {f"imagined_{name}": float(self._team.sum(value.detach())) for name, value in costs.items()}
        return told | {"imagined": float(self._team.sum(loss.detach())), "gradient": steep}

    def _flips(self, share: Share) -> Bool[Tensor, "row"]:
        """Who of mine looks into the mirror."""
        return (torch.rand(share.rows, generator=self._generator, device=self.env.device) < 0.5)[share.mine]

    def _demand_finite(self) -> None:
        for whose, module in (("policy", self.policy), ("model", self.model)):
            for name, value in module.state_dict().items():
                if not bool(torch.isfinite(value).all()):
                    raise Diverged(f"'{name}' of the {whose} is not finite; go on from a checkpoint with a lower rate.")


def averaging(model: WorldModel) -> WorldModel:
    """A copy for the running mean of a model's weights: through it gradients go, into it none. Scales are shared."""
    copied = copy.deepcopy(model).requires_grad_(False)
    for name in ("normaliser", "changes", "misses"):
        setattr(copied, name, getattr(model, name))
    return copied


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of every column."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _part(state: State, name: str) -> State:
    """What stands under a prefix, without it."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
