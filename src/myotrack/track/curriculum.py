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
        device = clip.device
        # On the device of the worlds, so that nobody has to wait for them.
        self._count = torch.tensor(max(1, ceil(settings.first * clips - 1e-9)), device=device)
        self._notch = torch.tensor(0, device=device)
        self._heard = torch.zeros(len(clip), device=device)

    @property
    def count(self) -> int:
        """How many of the clips are learnt."""
        return int(self._count)

    @property
    def notch(self) -> int:
        """How many times the rule has become tighter."""
        return int(self._notch)

    def order(self, ease: Float[Tensor, "clip"]) -> None:
        """Say how easy clips are; greater is easier."""
        self.ease = ease.to(self._clip.device, torch.float32)

    @property
    def over(self) -> bool:
        """Whether all clips are learnt, by the task's own rule."""
        return bool(self._over())

    @property
    def playing(self) -> Bool[Tensor, "clip"]:
        """The clips that are learnt at present."""
        rank = torch.empty_like(self.ease, dtype=torch.int64)
        rank[self.ease.argsort(descending=True, stable=True)] = torch.arange(len(self.ease), device=rank.device)
        return rank < self._count

    @property
    def place(self) -> Float[Tensor, "2"]:
        """How many clips are learnt, and how many times the rule has become tighter, without waiting for the device."""
        return torch.stack([self._count, self._notch]).float()

    def limits(self, tight: Rule) -> tuple[float | Tensor, float | Tensor]:
        """How far off landmarks and root may be [m]: between the loose rule and the tight one, geometrically."""
        loose, notches = self._settings.loose, self._settings.notches
        if not notches:
            return tight.landmark, tight.root
        left = 1 - self._notch.double() / notches
        return tight.landmark * (loose.landmark / tight.landmark) ** left, tight.root * (
            loose.root / tight.root
        ) ** left

    def listen(self, heard: Bool[Tensor, "stretch"], failure: Float[Tensor, "stretch"], usable: Tensor) -> None:
        """Advance, if enough of the clips that are learnt are mastered.

        Args:
            heard: Stretches that something has just become known of.
            failure: Recent share of the episodes that failed in each.
            usable: Whether episodes may begin in it.
        """
        settings, clips = self._settings, len(self.ease)
        if settings.first >= 1 and not settings.notches:
            return
        self._heard += heard
        learnt = self.playing[self._clip] & usable
        enough = ((self._heard >= settings.patience) | ~learnt).all()
        stretches = torch.zeros_like(self.ease).index_add_(0, self._clip, learnt.float())
        total = torch.zeros_like(self.ease).index_add_(0, self._clip, torch.where(learnt, failure, 0.0))
        known = stretches > 0
        mastered = known & (total / stretches.clamp(min=1) < settings.ready)
        go = enough & (mastered.sum() >= settings.mastered * known.sum()) & ~self._over()
        tighter = go & (self._notch < settings.notches)
        more = (settings.growth * self._count.double()).round().long().clamp(min=1)
        wider = torch.minimum(self._count + more, torch.full_like(self._count, clips))
        self._count = torch.where(go & ~tighter, wider, self._count)
        self._notch = self._notch + tighter
        self._heard *= ~go

    def _over(self) -> Bool[Tensor, ""]:
        return (self._count == len(self.ease)) & (self._notch >= self._settings.notches)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on."""
        told = {"count": self._count.cpu().clone(), "notch": self._notch.cpu().clone()}
        return told | {"ease": self.ease.cpu().clone(), "heard": self._heard.cpu().clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        device = self._clip.device
        self._count, self._notch = state["count"].to(device), state["notch"].to(device)
        self.ease, self._heard = state["ease"].to(device), state["heard"].to(device)
