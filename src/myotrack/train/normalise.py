"""`Normaliser`: brings numbers of any unit to mean 0 and spread 1, by what has been seen so far."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myotrack.algebra.permutation import SignedPermutation
from myotrack.train.networks import Mirror
from myotrack.train.team import ALONE, Team

CLIP = 10.0
"""Normalised numbers end here, so that one wild feature cannot drown the others. Tuned: a normal number is beyond 10
once in 1e23; what comes this far is an accident."""
SMALLEST = 1e-4
"""Least spread that is divided by, in the unit of the feature. Tuned: 0.1 mm and 0.006 degrees are no signal, and a
feature that never changes stays quiet when rounding moves it."""


class Normaliser(nn.Module):
    """Mean and variance of every row seen, kept exactly: batches are merged, not averaged.

    n = n₁ + n₂;  mean = mean₁ + d n₂ / n;  M = M₁ + M₂ + d² n₁ n₂ / n  with d = mean₂ - mean₁ and M the sum of squared
    deviations. Before anything has been seen, rows pass as they are.
    Source: Chan, Golub, LeVeque (1983), doi:10.1080/00031305.1983.10483115 (recalled).
    """

    mean: Tensor
    squares: Tensor
    count: Tensor

    def __init__(self, size: int, mirror: SignedPermutation | None = None, clip: float = CLIP) -> None:
        """Prepare.

        Args:
            size: Features.
            mirror: If given, every row counts together with its mirror image, so that the normalised mirror image of a
                row is exactly the mirror image of the normalised row.
            clip: Where normalised numbers end.
        """
        super().__init__()
        self.clip = clip
        self.mirror = None if mirror is None else Mirror(mirror)
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @property
    def std(self) -> Float[Tensor, "feature"]:
        """Spread of what has been seen, `SMALLEST` at least; 1 if nothing has."""
        spread = (self.squares / self.count.clamp(min=1.0)).sqrt().clamp(min=SMALLEST)
        return torch.where(self.count > 0, spread, torch.ones_like(spread))

    @torch.no_grad()
    def update(self, rows: Float[Tensor, "*batch feature"], team: Team = ALONE) -> None:
        """Add rows to what has been seen, those of all processes of a team."""
        rows = rows.reshape(-1, rows.shape[-1]).double()
        count = float(len(rows)) if team.size == 1 else float(team.sum(self.count.new_tensor(float(len(rows)))))
        if not count:
            return
        mean = team.sum(rows.sum(dim=0)) / count
        squares = team.sum((rows - mean).square().sum(dim=0))
        if self.mirror is not None:
            index, other = self.mirror.index, self.mirror(mean)
            squares = squares + squares[index] + (mean - other).square() * (count / 2)
            mean, count = (mean + other) / 2, 2 * count
        total = self.count + count
        apart = mean - self.mean
        self.squares += squares + apart.square() * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count.copy_(total)

    def forward(self, rows: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Rows of mean 0 and spread 1, float32."""
        return ((rows.float() - self.mean.float()) / self.std.float()).clamp(-self.clip, self.clip)

    def undo(self, rows: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Back to the features' own units, float32; the inverse wherever nothing was clipped."""
        return rows.float() * self.std.float() + self.mean.float()
