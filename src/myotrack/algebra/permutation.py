"""Signed permutations: what a mirror does to a row of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class SignedPermutation:
    """Column i of the result is column `index[i]` times `sign[i]`. A mirror is its own inverse."""

    index: Int[Tensor, "column"]
    sign: Float[Tensor, "column"]

    @classmethod
    def identity(cls, columns: int) -> "SignedPermutation":
        """Changes nothing."""
        return cls(torch.arange(columns), torch.ones(columns))

    @classmethod
    def joined(cls, parts: Sequence["SignedPermutation"]) -> "SignedPermutation":
        """Parts side by side, each within itself."""
        widths = [len(part.index) for part in parts]
        offsets = torch.tensor([sum(widths[:number]) for number in range(len(widths))])
        index = [part.index + offset for part, offset in zip(parts, offsets, strict=True)]
        return cls(torch.cat(index), torch.cat([part.sign for part in parts]))

    def to(self, device: torch.device | str) -> "SignedPermutation":
        """The same on another device."""
        return SignedPermutation(self.index.to(device), self.sign.to(device))

    def __call__(self, row: Float[Tensor, "*batch column"]) -> Float[Tensor, "*batch column"]:
        """Permuted, with signs."""
        return row[..., self.index] * self.sign


@dataclass(frozen=True)
class Symmetry:
    """What a mirror makes of observations and actions (and commands)."""

    observation: SignedPermutation
    action: SignedPermutation

    def to(self, device: torch.device | str) -> "Symmetry":
        """The same on another device."""
        return Symmetry(self.observation.to(device), self.action.to(device))
