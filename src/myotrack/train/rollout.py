"""`Rollout`: what all worlds did during some steps, and what those steps were worth.

A step's advantage looks ahead along its own episode only. Where the episode failed nothing follows; where it was cut,
the critic says what would have followed, from the last observation of that episode.
"""

import time
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.asking import answers_at_once
from myotrack.train.env import Diverged, Env, Judge, Transition
from myotrack.train.policy import Critic, Policy
from myotrack.train.team import ALONE, Team

PerStep = Float[Tensor, "step world"]


@dataclass(frozen=True)
class Rows:
    """Steps in any order, to learn from."""

    observation: Float[Tensor, "row feature"]
    action: Float[Tensor, "row action"]
    mean: Float[Tensor, "row action"]
    """Mean action of the policy that acted."""
    log_prob: Float[Tensor, "row"]
    """Of the action, under the policy that acted."""
    value: Float[Tensor, "row"]
    """What the critic said before it learnt."""
    advantage: Float[Tensor, "row"]
    """How much better the action was than the policy's average."""
    target: Float[Tensor, "row"]
    """What the critic should have said."""

    def __len__(self) -> int:
        return len(self.log_prob)

    def take(self, index: Int[Tensor, "some"]) -> "Rows":
        """The rows of these numbers."""
        return Rows(**{each.name: getattr(self, each.name)[index] for each in fields(self)})

    def joined(self, other: "Rows") -> "Rows":
        """These rows, then the others."""
        return Rows(**{e.name: torch.cat([getattr(self, e.name), getattr(other, e.name)]) for e in fields(self)})


@dataclass(frozen=True)
class Rollout:
    """Memory for some steps of all worlds, written anew by every `collect`."""

    observation: Float[Tensor, "step world feature"]
    action: Float[Tensor, "step world action"]
    mean: Float[Tensor, "step world action"]
    """Mean action of the policy that acted."""
    log_prob: PerStep
    value: PerStep
    """What the critic says of the observation."""
    following: PerStep
    """What it says of the instant after the step in the same episode: of its last observation where it was cut."""
    reward: PerStep
    failed: Bool[Tensor, "step world"]
    cut: Bool[Tensor, "step world"]

    @classmethod
    def allocate(cls, env: Env, steps: int) -> "Rollout":
        """Empty memory on the device of the worlds."""

        def empty(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(steps, env.worlds, *size, dtype=dtype, device=env.device)

        numbers = {name: empty() for name in ("log_prob", "value", "following", "reward")}
        ends = {name: empty(dtype=torch.bool) for name in ("failed", "cut")}
        wide = {"observation": empty(env.observation_size)}
        wide |= {name: empty(env.action_size) for name in ("action", "mean")}
        return cls(**wide, **numbers, **ends)

    @property
    def steps(self) -> int:
        """How many of every world."""
        return len(self.reward)

    def rows(self, gamma: float, lam: float) -> Rows:
        """All steps with what they were worth, one below the other; `advantages` explains the two numbers."""
        gained = advantages(self.reward, self.value, self.following, self.failed, self.cut, gamma, lam)
        names = ("observation", "action", "mean", "log_prob", "value")
        flat = {name: getattr(self, name).flatten(0, 1) for name in names}
        return Rows(**flat, advantage=gained.flatten(), target=(gained + self.value).flatten())


def advantages(
    reward: PerStep,
    value: PerStep,
    following: PerStep,
    failed: Bool[Tensor, "step world"],
    cut: Bool[Tensor, "step world"],
    gamma: float,
    lam: float,
) -> PerStep:
    """Generalised advantage estimates.

    δ = r + γ v' - v, without v' where the episode failed;  Â = δ + γ λ Â', without Â' where the episode ended

    Args:
        reward: Of every step.
        value: Expected before the step.
        following: Expected after the step, in the same episode; of no account where it failed.
        failed: Nothing comes after the step.
        cut: The episode ended with the step, though the world would have gone on.
        gamma: What a reward of the next step counts, of one of this step.
        lam: From 0, which trusts the critic after one step, to 1, which trusts what happened and is noisier.

    Source: Schulman et al. (2016), arXiv:1506.02438, equation 16.
    """
    surprise = reward + gamma * following * (~failed) - value
    carried = gamma * lam * (~(failed | cut))
    estimates = torch.empty_like(reward)
    estimate = torch.zeros_like(reward[0])
    for step in reversed(range(len(reward))):
        estimate = surprise[step] + carried[step] * estimate
        estimates[step] = estimate
    return estimates


def worth(following: float, reward: float, gamma: float) -> float:
    """What a policy is judged by: mean discounted reward from a step on, in units of reward per step.

    The mean reward per step alone favours a policy that fails at once and begins anew where reward is high: one that
    lives longer also gets to where it is lower.

    Args:
        following: Mean discounted sum of what followed every step.
        reward: Mean of a step; taken as it is where nothing is discounted.
        gamma: Discount.
    """
    return (1 - gamma) * following if gamma < 1 else reward


@dataclass(frozen=True)
class Gathered:
    """What a `collect` has to tell beside its rollout."""

    scores: dict[str, float]
    """Mean over steps and worlds of everything that the worlds score."""
    seconds_env: float
    """Wall-clock time in the worlds [s]; on a GPU that of launching."""
    seconds_policy: float
    """Wall-clock time in the networks [s]."""


@torch.no_grad()
def collect(
    env: Env,
    policy: Policy,
    critic: Critic,
    rollout: Rollout,
    generator: torch.Generator,
    team: Team = ALONE,
    judge: Judge | None = None,
) -> Gathered:
    """Let the policy act in all worlds, from where they are, and write down what happens.

    Args:
        env: The worlds.
        policy: Acts, with its chance.
        critic: Says what instants are worth.
        rollout: To be filled.
        generator: Of the chance, on the device of the worlds.
        team: Processes that draw together.
        judge: Pays for what steps look like, beside the worlds.

    Raises:
        Diverged: An observation or a reward is not finite, or a network makes something of it that is not.
    """
    totals: dict[str, Tensor] = {}
    seconds, start = 0.0, time.perf_counter()
    observation = env.observation
    for step in range(rollout.steps):
        chances = policy.distribution(observation)
        action = chances.sample(generator, team)
        rollout.observation[step], rollout.action[step], rollout.mean[step] = observation, action, chances.mean
        rollout.log_prob[step], rollout.value[step] = chances.log_prob(action), critic.value(observation)
        before = time.perf_counter()
        transition: Transition = env.step(action)
        if judge is not None:
            judge.look()
        seconds += time.perf_counter() - before
        rollout.reward[step], rollout.failed[step], rollout.cut[step] = (
            transition.reward, transition.failed, transition.cut,
        )  # fmt: skip
        cut = transition.cut
        if not answers_at_once(cut):
            rollout.following[step] = torch.where(cut, critic.value(transition.final), 0.0)
        elif bool(cut.any()):
            rollout.following[step, cut] = critic.value(transition.final[cut])
        for name, score in transition.scores.items():
            mean = score.float().mean()
            totals[name] = totals[name] + mean if name in totals else mean
        observation = transition.observation
    if judge is not None:
        rollout.reward.add_(judge.pay())
    after = torch.cat([rollout.value[1:], critic.value(observation)[None]])
    rollout.following.copy_(torch.where(rollout.cut, rollout.following, after))
    _demand_finite(rollout, observation)
    scores = {name: float(team.mean(total)) / rollout.steps for name, total in totals.items()}
    return Gathered(scores, seconds, time.perf_counter() - start - seconds)


def _demand_finite(rollout: Rollout, observation: Float[Tensor, "world feature"]) -> None:
    """Look at all numbers at once, when all steps are done, so that nobody waits for the worlds at every one."""
    wholes = {
        "observes": torch.cat([rollout.observation, observation[None]]),
        "acts with": rollout.action,
        "is valued at": rollout.value[..., None],
        "earns": rollout.reward[..., None],
        "ends with": torch.where(rollout.cut, rollout.following, 0.0)[..., None],
    }
    if bool(torch.stack([torch.isfinite(whole).all() for whole in wholes.values()]).all()):
        return
    wrong = [
        (*place, verb) for verb, whole in wholes.items() for place in (~torch.isfinite(whole)).nonzero()[:1].tolist()
    ]
    # What came first is the cause; in one step, what stands first above.
    step, world, column, verb = min(wrong, key=lambda found: found[0])
    raise Diverged(
        f"World {world} {verb} a number that is not finite (column {column}, step {step} of the rollout); "
        "go on from a checkpoint, and look at this world's state."
    )
