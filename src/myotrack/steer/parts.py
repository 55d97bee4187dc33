"""Parts of a problem that never meet: unknowns of one part touch no row of another, so each is solved by itself.

The muscles of a limb cross the joints of that limb alone. With the pelvis held, the full body falls into a trunk, two
arms and two legs, the pair of arms into two: the same least cost for a fraction of the work.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor

_CALL = 100.0
"""What one more batch costs in a step of the solver, whatever it holds [us]. Measured on one core with parts of
3 x 210, 7 x 40 and 27 x 64, as are the next four."""
_PART = 1.0
"""What one part costs at least [us]."""
_UNKNOWN, _ENTRY, _ROW = 0.03, 0.006, 0.2
"""What an unknown, an unknown times a row, and a row cost [us]."""
_MANY = 64
"""Worlds that parts are meant for: parts of unlike sizes get batches of their own where that saves more than a call."""
_NOISE = 1e-9
"""An effect smaller than this beside the greatest of its world is rounding."""


@dataclass(frozen=True)
class Batch:
    """Parts padded to one size and solved in one go. Where there is nothing, an index points one past the end."""

    row: Int[Tensor, "part row"]
    unknown: Int[Tensor, "part unknown"]
    entry: Int[Tensor, "part row unknown"]
    """Where an effect stands among all effects of a world, laid end to end; anywhere where there is none."""
    empty: Bool[Tensor, "part row unknown"]

    def to(self, device: torch.device | str) -> "Batch":
        """The same parts on another device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def effect(self, effect: Float[Tensor, "world rows unknowns"]) -> Float[Tensor, "world part row unknown"]:
        """The effects within each part; zero where padded."""
        worlds = len(effect)
        chosen = effect.reshape(worlds, -1).index_select(1, self.entry.flatten())
        return chosen.view(worlds, *self.entry.shape).masked_fill_(self.empty, 0.0)

    def rows(self, values: Float[Tensor, "world rows"], pad: float) -> Float[Tensor, "world part row"]:
        """A number per row, `pad` where there is none."""
        return _padded(values, pad)[:, self.row]

    def unknowns(self, values: Float[Tensor, "world unknowns"], pad: float) -> Float[Tensor, "world part unknown"]:
        """A number per unknown, `pad` where there is none."""
        return _padded(values, pad)[:, self.unknown]


@dataclass(frozen=True)
class Parts:
    """All parts of a problem; made once for a body, used at every instant."""

    batches: tuple[Batch, ...]
    row_place: Int[Tensor, "row"]
    """Where each row stands among those of all batches, laid end to end."""
    unknown_place: Int[Tensor, "unknown"]

    @classmethod
    def of(cls, pattern: Bool[Tensor, "row unknown"]) -> "Parts":
        """Find the parts.

        Args:
            pattern: Which unknowns can touch which rows, at any instant. What it leaves out is overlooked by the
                solver, though not by the residual and the gap that `share` reports.
        """
        touch = pattern.cpu().numpy()
        blocks = _blocks(touch)
        batches = tuple(_batch(touch.shape, blocks[first:last]) for first, last in _grouped(blocks))
        rows, unknowns = touch.shape
        return cls(
            batches,
            _places([batch.row for batch in batches], rows),
            _places([batch.unknown for batch in batches], unknowns),
        )

    @property
    def size(self) -> tuple[int, int]:
        """How many rows and unknowns there are."""
        return len(self.row_place), len(self.unknown_place)

    def to(self, device: torch.device | str) -> "Parts":
        """The same parts on another device."""
        batches = tuple(batch.to(device) for batch in self.batches)
        return Parts(batches, self.row_place.to(device), self.unknown_place.to(device))


def touching(effect: Float[Tensor, "world row unknown"]) -> Bool[Tensor, "row unknown"]:
    """Which unknowns touch which rows in any of some instants.

    Args:
        effect: At instants (or in postures) enough that nothing that can have an effect has none in all of them.
    """
    greatest = effect.abs().amax(dim=(1, 2), keepdim=True)
    return (effect.abs() > _NOISE * greatest).any(dim=0)


def joined(values: list[Float[Tensor, "world _ _"]], place: Int[Tensor, "one"]) -> Float[Tensor, "world one"]:
    """What each batch says of its rows or unknowns, in their own order."""
    return torch.cat([value.flatten(1) for value in values], dim=1).index_select(1, place)


def _places(indices: list[Tensor], count: int) -> Tensor:
    every = torch.cat([index.flatten() for index in indices])
    place = torch.empty(count + 1, dtype=torch.int64)
    place[every] = torch.arange(len(every))
    return place[:count].clone()


def _padded(values: Tensor, pad: float) -> Tensor:
    return torch.nn.functional.pad(values, (0, 1), value=pad)


@dataclass(frozen=True)
class _Block:
    """Rows and unknowns that have nothing to do with the others."""

    rows: tuple[int, ...]
    unknowns: tuple[int, ...]

    def beside(self, other: "_Block") -> "_Block":
        return _Block(self.rows + other.rows, self.unknowns + other.unknowns)

    @property
    def size(self) -> tuple[int, int]:
        return len(self.rows), len(self.unknowns)


def _cost(rows: int, unknowns: int) -> float:
    """Of one part in one step [us]."""
    return _PART + unknowns * (_UNKNOWN + _ENTRY * rows) + _ROW * rows


def _blocks(touch: np.ndarray) -> list[_Block]:
    """Connected rows and unknowns, largest first; small ones are put together where that is cheaper."""
    rows = touch.shape[0]
    links = sparse.csr_array(touch)
    count, label = csgraph.connected_components(sparse.block_array([[None, links], [links.T, None]]), directed=False)
    found = [
        _Block(tuple(np.flatnonzero(label[:rows] == i).tolist()), tuple(np.flatnonzero(label[rows:] == i).tolist()))
        for i in range(count)
    ]
    found.sort(key=lambda block: -_cost(*block.size))
    kept: list[_Block] = []
    for block in found:
        merged = [_cost(*other.beside(block).size) - _cost(*other.size) for other in kept]
        if merged and min(merged) < _cost(*block.size):
            index = merged.index(min(merged))
            kept[index] = kept[index].beside(block)
        else:
            kept.append(block)
    return sorted(kept, key=lambda block: block.size[::-1], reverse=True)


def _grouped(blocks: list[_Block]) -> list[tuple[int, int]]:
    """First and one past the last block of each batch: the cheapest way to cut the list."""
    best: list[tuple[float, list[tuple[int, int]]]] = [(0.0, [])]
    for last in range(1, len(blocks) + 1):
        choice = (math.inf, [(0, last)])
        for first in range(last):
            largest = [max(block.size[axis] for block in blocks[first:last]) for axis in range(2)]
            cost = best[first][0] + _CALL + _MANY * (last - first) * _cost(*largest)
            if cost < choice[0]:
                choice = (cost, [*best[first][1], (first, last)])
        best.append(choice)
    return best[-1][1]


def _batch(shape: tuple[int, int], blocks: list[_Block]) -> Batch:
    rows, unknowns = shape
    most_rows, most = (max(block.size[axis] for block in blocks) for axis in range(2))
    row = torch.full((len(blocks), most_rows), rows)
    unknown = torch.full((len(blocks), most), unknowns)
    for index, block in enumerate(blocks):
        row[index, : len(block.rows)] = torch.tensor(block.rows, dtype=torch.int64)
        unknown[index, : len(block.unknowns)] = torch.tensor(block.unknowns, dtype=torch.int64)
    empty = (row == rows)[:, :, None] | (unknown == unknowns)[:, None]
    entry = (row[:, :, None] * unknowns + unknown[:, None]).masked_fill(empty, 0)
    return Batch(row, unknown, entry, empty)
