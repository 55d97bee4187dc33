"""From easy to hard: which clips are learnt at present, and how far a body may be from them.

how long does a body live there? -> order of the clips;  enough of them mastered -> a tighter rule, then more clips
"""

from dataclasses import dataclass, field
from math import ceil

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.track.terminate import PUBLISHED, Rule


@dataclass(frozen=True)
class Curriculum:
    """How learning goes from easy to hard. By default it does not: all clips at once, by the task's own rule."""

    first: float = 1.0
    """Share of the clips, easiest first, that is learnt in the beginning; at least one clip."""
    growth: float = 0.25
    """How many more there are at every advance, as a share of those that are learnt; at least one."""
    ready: float = 0.1
    """A clip is mastered when a smaller share of the episodes fails, mean over its stretches (`Starts.failure`). Tuned:
    of a walk that is kept to its end 0.07 fail per stretch of 0.5 s while actions are drawn by chance."""
    mastered: float = 0.5
    """Share of the clips learnt that are mastered when learning advances. Tuned: with the mean of all below `ready`,
    two hard clips among five held learning up for two million actions."""
    patience: int = 10
    """An advance waits until every stretch has been heard of so often. Source: by then a mean that keeps 0.9 has
    forgotten two thirds of what it began with."""
    notches: int = 0
    """Advances from the loose rule to the task's own; with 0 that one holds from the beginning. Measured: a walk on the
    feet is learnt sooner by a tight rule from the beginning (docs/training.md)."""
    loose: Rule = field(default_factory=lambda: PUBLISHED)
    """Rule of the beginning, where there are notches."""

    def __post_init__(self) -> None:
        sound = 0 < self.first <= 1 and self.growth >= 0 and 0 < self.ready <= 1 and 0 < self.mastered <= 1
        if not sound or self.patience < 1 or self.notches < 0:
            raise ValueError(
                "A curriculum begins with a share of the clips in (0, 1], grows by a share of at least 0, goes on with "
                "a share in (0, 1] mastered at a failure rate in (0, 1] after at least one look, and has no negative "
                f"notches; got {self}."
            )


class Course:
    """Where learning is in its curriculum. Clips and notches only ever increase."""

    def __init__(self, settings: Curriculum, clip: Int[Tensor, "stretch"], clips: int) -> None:
        """Begin with the clips in their given order; `order` knows better.

        Args:
            settings: How it goes on.
            clip: Which clip each stretch belongs to.
            clips: How many there are.
        """
        self._settings, self._clip = settings, clip
        self.ease = torch.zeros(clips, device=clip.device)
        """How easy each clip is; equally easy ones keep their order."""
        self.count = max(1, ceil(settings.first * clips - 1e-9))
        """How many of the clips are learnt."""
        self.notch = 0
        """How many times the rule has become tighter."""
        self._heard = torch.zeros(len(clip), device=clip.device)

    def order(self, ease: Float[Tensor, "clip"]) -> None:
        """Say how easy clips are; greater is easier."""
        self.ease = ease.to(self._clip.device, torch.float32)

    @property
    def over(self) -> bool:
        """Whether all clips are learnt, by the task's own rule."""
        return self.count == len(self.ease) and self.notch >= self._settings.notches

    @property
    def playing(self) -> Bool[Tensor, "clip"]:
        """The clips that are learnt at present."""
        rank = torch.empty_like(self.ease, dtype=torch.int64)
        rank[self.ease.argsort(descending=True, stable=True)] = torch.arange(len(self.ease), device=rank.device)
        return rank < self.count

    def rule(self, tight: Rule) -> Rule:
        """The rule that holds at present, between the loose one and the tight one, geometrically."""
        left = 1 - self.notch / self._settings.notches if self._settings.notches else 0.0
        if left == 0:
            return tight
        loose = self._settings.loose
        return Rule(
            tight.landmark * (loose.landmark / tight.landmark) ** left,
            tight.root * (loose.root / tight.root) ** left,
            f"{tight.name}, not yet reached",
        )

    def listen(self, heard: Bool[Tensor, "stretch"], failure: Float[Tensor, "stretch"], usable: Tensor) -> None:
        """Advance, if enough of the clips that are learnt are mastered.

        Args:
            heard: Stretches that something has just become known of.
            failure: Recent share of the episodes that failed in each.
            usable: Whether episodes may begin in it.
        """
        if self.over:
            return
        self._heard += heard
        learnt = self.playing[self._clip] & usable
        if bool((self._heard[learnt] < self._settings.patience).any()):
            return
        count = torch.zeros_like(self.ease).index_add_(0, self._clip[learnt], learnt[learnt].float())
        total = torch.zeros_like(self.ease).index_add_(0, self._clip[learnt], failure[learnt])
        known = count > 0
        if float((total[known] / count[known] < self._settings.ready).float().mean()) < self._settings.mastered:
            return
        if self.notch < self._settings.notches:
            self.notch += 1
        else:
            self.count = min(len(self.ease), self.count + max(1, round(self._settings.growth * self.count)))
        self._heard.zero_()

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on."""
        told = {"count": torch.tensor(self.count), "notch": torch.tensor(self.notch)}
        return told | {"ease": self.ease.cpu().clone(), "heard": self._heard.cpu().clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.count, self.notch = int(state["count"]), int(state["notch"])
        self.ease, self._heard = state["ease"].to(self._clip.device), state["heard"].to(self._clip.device)
