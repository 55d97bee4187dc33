"""`PPO`: proximal policy optimisation, a stage of learning by trial and error (Schulman et al. 2017, arXiv:1707.06347).

collect -> advantages -> epochs of minibatches (actor: clipped gain, entropy, anchor; critic: squared error) -> rate
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.train.checkpoint import part_of
from myotrack.train.distribution import Gaussian
from myotrack.train.env import Command, Diverged, Env, Judge, Observation, State, Symmetry
from myotrack.train.normalise import Normaliser
from myotrack.train.optimise import Optimiser, OptimiserSettings
from myotrack.train.policy import Critic, Policy
from myotrack.train.rollout import Gathered, Rollout, Rows, collect, worth
from myotrack.train.team import ALONE, Team

Anchor = Callable[[int, torch.Generator], tuple[Observation, Command]]
"""Draws so many observations, each with the command that is right there. The generator lives on the worlds' device."""
_FASTER = 1.5
"""Factor of the rate when the policy moved too little or too much. Source: rsl_rl, of Rudin et al. (2022),
arXiv:2109.11978 (recalled)."""
_TOO_FAR, _TOO_LITTLE, _STOP = 2.0, 0.5, 4.0
"""Divergences over the target beyond which the rate falls, below which it rises, and beyond which a rollout has been
used up. Source of the first two: as `_FASTER`. Tuned: the last, so that a single minibatch that moves the policy as far
as the rate's control allows does not end an update."""


@dataclass(frozen=True)
class PPOSettings:
    """How to learn by trial and error. Steps are control steps.

    Values without a source are common ones (rsl_rl, recalled). They let a pendulum swing up; none is tuned on bodies.
    """

    steps: int = 32
    """Of every world, between two updates."""
    epochs: int = 5
    """How often every step is learnt from."""
    minibatches: int = 4
    """Pieces in which an epoch is learnt."""
    gamma: float = 0.97
    """What a reward of the next step counts, of one of this step; 0.97 at 100 Hz looks 0.3 s ahead. Measured: a
    pendulum swings up as soon with 0.95, 0.97 and 0.99."""
    lam: float = 0.95
    """See `rollout.advantages`. Source: Schulman et al. (2016), arXiv:1506.02438."""
    clip: float = 0.2
    """A ratio of probabilities beyond 1 ± this earns nothing more. Source: Schulman et al. (2017), arXiv:1707.06347."""
    entropy: float = 0.0
    """What a nat of the policy's entropy is worth, in standard deviations of the advantage; keeps actions spread."""
    value_clip: float | None = None
    """How far a value may move in one update, in standard deviations of values; freely if not given."""
    divergence: float = 0.01
    """How far an update should move the policy (Kullback-Leibler) [nat]; the actor's rate is controlled to meet it."""
    actor: OptimiserSettings = field(default_factory=OptimiserSettings)
    """How the policy is moved; its rate is where the control begins."""
    critic: OptimiserSettings = field(default_factory=lambda: OptimiserSettings(rate=1e-3))
    """How the critic is moved; its rate stays."""
    lowest_rate: float = 1e-5
    """The actor's rate never falls below."""
    highest_rate: float = 1e-2
    """The actor's rate never rises above."""
    warm_up: int = 0
    """Rollouts in the beginning from which only the critic learns, so that it knows a policy before it judges it."""
    anchor: float = 0.0
    """Weight of the mean squared difference from the anchor's commands, in the beginning."""
    anchor_half_life: float = math.inf
    """Control steps, over all worlds, in which that weight halves."""
    anchor_rows: int = 1024
    """Drawn from the anchor for every minibatch."""
    mirrored: bool = False
    """Whether to learn from the mirror image of every step as well, if the worlds have a mirror and the policy is not
    symmetric anyway."""
    learn_scale: bool = True
    """Whether the normalisers of observations go on learning. Without it a cloned policy stays what it is."""
    half: bool = False
    """Networks in bfloat16; on CUDA only."""
    compile: bool = False
    """Networks compiled by torch; on CUDA only."""
    seed: int = 0
    """Of actions, of the order of rows, and of what is drawn from the anchor."""

    def __post_init__(self) -> None:
        if min(self.steps, self.epochs, self.minibatches, self.anchor_rows) < 1 or self.warm_up < 0:
            raise ValueError(
                f"Steps, epochs, minibatches and anchor rows are at least 1, warm-up at least 0; got {self}."
            )
        if not (0 <= self.gamma <= 1 and 0 <= self.lam <= 1):
            raise ValueError(f"gamma and lam lie in [0, 1]; got {self.gamma:g} and {self.lam:g}.")
        if min(self.clip, self.divergence, self.lowest_rate, self.anchor_half_life) <= 0 or self.anchor < 0:
            raise ValueError(
                f"Clip, divergence, rates and half-life are positive, the anchor not negative; got {self}."
            )
        if not self.lowest_rate <= self.actor.rate <= self.highest_rate:
            bounds = f"{self.lowest_rate:g} and {self.highest_rate:g}"
            raise ValueError(f"The actor's rate of {self.actor.rate:g} is not between {bounds}.")


def clipped_gain(
    log_prob: Float[Tensor, "row"], before: Float[Tensor, "row"], advantage: Float[Tensor, "row"], clip: float
) -> Float[Tensor, ""]:
    """What a new policy gains over the one before: mean of min(ρ Â, clamp(ρ, 1 ± clip) Â) with ρ the ratio of
    probabilities. Going further than the clip in the good direction earns nothing more; all of a loss counts."""
    ratio = (log_prob - before).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def adapted(rate: float, divergence: float, settings: PPOSettings) -> float:
    """The next rate: lower when an update moved the policy more than twice as far as it should, higher when less than
    half."""
    if divergence > _TOO_FAR * settings.divergence:
        rate = rate / _FASTER
    elif divergence < _TOO_LITTLE * settings.divergence:
        rate = rate * _FASTER
    return min(max(rate, settings.lowest_rate), settings.highest_rate)


class PPO:
    """A stage that learns from its own trials (`env.Stage`).

    Everything random comes from one generator, so that on a CPU, going on from a state equals not having stopped.
    """

    def __init__(
        self,
        env: Env,
        policy: Policy,
        critic: Critic,
        settings: PPOSettings = PPOSettings(),
        anchor: Anchor | None = None,
        name: str = "ppo",
        team: Team = ALONE,
        judge: Judge | None = None,
    ) -> None:
        """Prepare; worlds go on from where they are.

        Args:
            env: The worlds, which belong to this stage while it learns.
            policy: That learns.
            critic: That learns with it; may share the policy's normaliser.
            settings: How.
            anchor: What the policy should not forget; needed if it has a weight.
            name: For logs and checkpoints.
            team: Processes that learn this policy together, each in as many worlds.
            judge: Pays for what steps look like, beside the worlds, and learns after every rollout.

        Raises:
            ValueError: The anchor has a weight and is not given, or there are fewer rows than minibatches.
        """
        if settings.anchor > 0 and anchor is None:
            raise ValueError("The anchor has a weight, but none is given; hand one over, or set its weight to 0.")
        if settings.steps * env.worlds < settings.minibatches:
            raise ValueError(
                f"{settings.steps} steps of {env.worlds} worlds cannot be cut into {settings.minibatches} minibatches."
            )
        self.env, self.policy, self.critic, self.settings, self.name = env, policy, critic, settings, name
        self._anchor, self._team, self._judge = anchor, team, judge
        self._generator = torch.Generator(env.device).manual_seed(settings.seed)
        self._actor_optimiser = Optimiser({"policy": policy}, settings.actor, team)
        self._critic_optimiser = Optimiser({"critic": critic}, settings.critic, team)
        self._rollout = Rollout.allocate(env, settings.steps)
        self._steps, self._rollouts = 0, 0
        self._age = torch.zeros(env.worlds, dtype=torch.int64, device=env.device)
        self._mirror = env.symmetry if settings.mirrored and not policy.settings.symmetric else None
        self._half = settings.half and env.device.type == "cuda"
        if settings.compile and env.device.type == "cuda":
            policy.network.compile()
            critic.network.compile()

    @property
    def rate(self) -> float:
        """The actor's present rate."""
        return self._actor_optimiser.rate

    def advance(self) -> dict[str, float]:
        """Gather a rollout and learn from it; before the first of new networks, one is only looked at, for the scale.

        Returns:
            'steps' simulated; 'reward', the mean per step; 'score', what steps were worth with all that followed
            (`rollout.worth`); 'divergence' that the policy moved [nat]; 'rate' of the actor; 'std' of actions;
            'value_error', the share of the variance of returns that the critic missed; 'episode_length' of episodes
            that ended, or how old the running ones are if none did [steps]; 'anchor', its loss without its weight, if
            there is one; 'time_env', 'time_policy', 'time_update', shares of the time; what the worlds
            score; and what the judge tells, if there is one.

        Raises:
            Diverged: Observations, rewards, gradients or parameters are not finite.
        """
        start, steps = time.perf_counter(), self._steps
        looked = []
        new = [normaliser for normaliser in self._normalisers() if not normaliser.count]
        if new:
            looked.append(self._gather()[0])
            self._learn_scale(new)
        gathered, length = self._gather()
        looked.append(gathered)
        before = time.perf_counter()
        told = self._learn() | ({} if self._judge is None else self._judge.learn())
        moving = self._rollouts >= self.settings.warm_up
        if moving and self.settings.learn_scale:
            self._learn_scale(self._normalisers())
        self._rollouts += 1
        self._demand_finite()
        reward = float(self._team.mean(self._rollout.reward))
        end = time.perf_counter()
        return gathered.scores | told | {
            "steps": float(self._steps - steps),
            "reward": reward,
            "rate": self.rate,
            "std": float(self.policy.log_std.detach().exp().mean()),
            "episode_length": length,
            "time_env": sum(each.seconds_env for each in looked) / (end - start),
            "time_policy": sum(each.seconds_policy for each in looked) / (end - start),
            "time_update": (end - before) / (end - start),
        }  # fmt: skip

    def state(self) -> State:
        """Everything needed to go on, worlds included."""
        state = {name: torch.tensor(getattr(self, name)) for name in ("_steps", "_rollouts")}
        state |= {"_age": self._age.cpu().clone(), "generator": self._generator.get_state()}
        for name, part in self._parts().items():
            state |= {f"{name}.{key}": value.detach().cpu().clone() for key, value in part.items()}
        return state

    def load(self, state: State) -> None:
        """Go on from a state of a stage with the same worlds, networks and kind of optimisers."""
        self._steps, self._rollouts = int(state["_steps"]), int(state["_rollouts"])
        self._age = state["_age"].to(self.env.device)
        self._generator.set_state(state["generator"])
        parts = {name: part_of(state, f"{name}.") for name in ("policy", "critic", "actor", "judge", "style", "env")}
        self.policy.load_state_dict(parts["policy"])
        self.critic.load_state_dict(parts["critic"])
        self._actor_optimiser.load(parts["actor"])
        self._critic_optimiser.load(parts["judge"])
        self.env.load(parts["env"])
        if self._judge is not None:
            self._judge.load(parts["style"])

    def _parts(self) -> dict[str, State]:
        """States of what this stage moves, by the prefix of their names."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "actor": self._actor_optimiser.state(),
            "judge": self._critic_optimiser.state(),
            "style": {} if self._judge is None else self._judge.state(),
            "env": self.env.state(),
        }

    def _gather(self) -> tuple[Gathered, float]:
        """Fill the rollout; tells how long episodes were."""
        with self._precision():
            parts = self.env, self.policy, self.critic, self._rollout, self._generator
            gathered = collect(*parts, self._team, self._judge)
        self._steps += self._rollout.reward.numel() * self._team.size
        ended = self._rollout.failed | self._rollout.cut
        lived = torch.zeros((), device=self.env.device)
        for row in ended:
            self._age += 1
            lived += (self._age * row).sum()
            self._age = torch.where(row, 0, self._age)
        lived, count = self._team.sum(lived), self._team.sum(ended.sum().float())
        return gathered, float(torch.where(count > 0, lived / count, self._team.mean(self._age.float())))

    def _normalisers(self) -> list[Normaliser]:
        """Those of observations; one that is shared, once."""
        mine, other = self.policy.normaliser, self.critic.normaliser
        return [mine] if mine is other else [mine, other]

    def _learn_scale(self, normalisers: list[Normaliser]) -> None:
        """Let normalisers see the rollout."""
        for normaliser in normalisers:
            normaliser.update(self._rollout.observation, self._team)

    def _learn(self) -> dict[str, float]:
        """Move actor and critic by the rollout."""
        settings = self.settings
        rows = self._rollout.rows(settings.gamma, settings.lam)
        team, tiny = self._team, torch.finfo(torch.float32).tiny
        score = worth(float(team.mean(rows.target)), float(team.mean(self._rollout.reward)), settings.gamma)
        missed = (team.spread(rows.target - rows.value) / team.spread(rows.target).clamp(min=tiny)).square()
        self.critic.rescale(rows.target, team)
        spread = team.spread(rows.advantage).clamp(min=tiny)
        rows = replace(rows, advantage=(rows.advantage - team.mean(rows.advantage)) / spread)
        if self._mirror is not None:
            rows = rows.joined(self._mirrored(rows, self._mirror))
        log_std = self._spread()
        warm = self._rollouts < settings.warm_up
        moving, anchored = not warm, []
        for _ in range(settings.epochs):
            for batch, share in self._minibatches(rows):
                self._move_critic(batch, share)
                moving = moving and self._move_actor(batch, share, log_std, anchored)
        if warm:
            return {"score": score, "value_error": float(missed), "divergence": 0.0}
        divergence = self._moved(rows, log_std)
        self._actor_optimiser.set_rate(adapted(self.rate, divergence, settings))
        told = {"score": score, "value_error": float(missed), "divergence": divergence}
        return told | ({"anchor": sum(anchored) / len(anchored)} if anchored else {})

    def _minibatches(self, rows: Rows) -> Iterator[tuple[Rows, float]]:
        """All steps in pieces, in an order by chance: this process's part of each, and its share of the piece."""
        count = len(rows) * self._team.size
        order = torch.randperm(count, generator=self._generator, device=self.env.device)
        for index in order.chunk(self.settings.minibatches):
            mine = self._team.mine(index, self.env.worlds)
            yield rows.take(mine), len(mine) / len(index)

    def _move_actor(self, batch: Rows, share: float, log_std: Float[Tensor, "action"], anchored: list[float]) -> bool:
        """One step of the policy, unless it has gone too far from the one that acted; tells whether it may go on."""
        settings = self.settings
        with self._precision():
            chances = self.policy.distribution(batch.observation)
        gone = Gaussian(batch.mean, log_std).divergence(Gaussian(chances.mean.detach(), chances.log_std.detach()))
        if float(self._team.mean(gone)) > _STOP * settings.divergence:
            return False
        self._actor_optimiser.zero_grad()
        if share:
            self._loss(batch, chances, anchored).mul(share).backward()
        self._actor_optimiser.step()
        self.policy.bound()
        return True

    def _loss(self, batch: Rows, chances: Gaussian, anchored: list[float]) -> Float[Tensor, ""]:
        """Of the policy."""
        settings = self.settings
        loss = -clipped_gain(chances.log_prob(batch.action), batch.log_prob, batch.advantage, settings.clip)
        loss = loss - settings.entropy * chances.entropy()
        if self._anchor is not None and settings.anchor > 0:
            observation, command = self._anchor(settings.anchor_rows, self._generator)
            with self._precision():
                mean = self.policy.mean(observation)
            apart = (self.env.command(mean) - command).square().mean()
            loss = loss + settings.anchor * 0.5 ** (self._steps / settings.anchor_half_life) * apart
            anchored.append(float(apart.detach()))
        return loss

    def _move_critic(self, batch: Rows, share: float) -> None:
        """One step of the critic."""
        with self._precision():
            said = self.critic(batch.observation)
        wanted = self.critic.normalised(batch.target)
        error = (said - wanted).square()
        if self.settings.value_clip is not None:
            before = self.critic.normalised(batch.value)
            near = before + (said - before).clamp(-self.settings.value_clip, self.settings.value_clip)
            error = torch.maximum(error, (near - wanted).square())
        self._critic_optimiser.zero_grad()
        if share:
            (0.5 * share * error.mean()).backward()
        self._critic_optimiser.step()

    @torch.no_grad()
    def _mirrored(self, rows: Rows, mirror: Symmetry) -> Rows:
        """The same steps in the mirror. Their chances are those of the policy that acted, in the mirrored instant."""
        observation, action = mirror.observation(rows.observation), mirror.action(rows.action)
        with self._precision():
            chances = self.policy.distribution(observation)
        return replace(
            rows, observation=observation, action=action, mean=chances.mean, log_prob=chances.log_prob(action)
        )

    @torch.no_grad()
    def _moved(self, rows: Rows, log_std: Float[Tensor, "action"]) -> float:
        """How far the policy is from the one that acted, over as many rows as a minibatch has."""
        some, _ = next(self._minibatches(rows))
        with self._precision():
            chances = self.policy.distribution(some.observation)
        return float(self._team.mean(Gaussian(some.mean, log_std).divergence(chances)))

    @torch.no_grad()
    def _spread(self) -> Float[Tensor, "action"]:
        """The present spread of actions."""
        return self.policy.distribution(self.env.observation[:1]).log_std.clone()

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 inside, where wanted."""
        return torch.autocast("cuda", torch.bfloat16) if self._half else contextlib.nullcontext()

    def _demand_finite(self) -> None:
        for whose, module in (("policy", self.policy), ("critic", self.critic)):
            for name, value in module.state_dict().items():
                if not bool(torch.isfinite(value).all()):
                    raise Diverged(f"'{name}' of the {whose} is not finite; go on from a checkpoint with a lower rate.")
