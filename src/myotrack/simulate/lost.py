"""Worlds that leave the numbers: noticed, ended, counted, and kept for inspection with their last states."""

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.state import Excitation

SPEED_LIMIT = 1e10
"""MuJoCo's own bound on positions, velocities and accelerations (mjMAXVAL); beyond it a world counts as lost."""

RECORDS = 16
"""At most so many lost worlds are kept for inspection; all are counted."""

FORMAT = 1
"""Version of the dump files."""


@dataclass(frozen=True)
class LostWorld:
    """The last control instants of a world before it was lost, oldest first."""

    world: int
    reason: str
    state: np.ndarray
    """(instant, number): time, qpos, qvel, act, joined."""
    excitation: np.ndarray
    """(instant, muscle): what was asked for from each of those instants on."""


class Watch:
    """Remembers the last instants of every world, and what happened to those that were lost."""

    def __init__(self, anatomy: Anatomy, instants: int = 5) -> None:
        self._anatomy = anatomy
        self._memory: deque[tuple[tuple[np.ndarray, ...], np.ndarray]] = deque(maxlen=instants)
        self._records: list[LostWorld] = []
        self.count = 0

    def remember(self, state: np.ndarray | tuple[np.ndarray, ...], excitation: np.ndarray) -> None:
        """Keep an instant (world, number), whole or in parts, and the excitation (world, muscle) that follows it."""
        self._memory.append((state if isinstance(state, tuple) else (state,), excitation))

    def record(self, lost: np.ndarray, reason: str) -> None:
        """Note that the worlds of a mask were lost in the interval after the instant remembered last."""
        for world in np.flatnonzero(lost):
            self.count += 1
            if len(self._records) < RECORDS:
                states = [np.concatenate([part[world] for part in state]) for state, _ in self._memory]
                excitations = [excitation[world] for _, excitation in self._memory]
                self._records.append(LostWorld(int(world), reason, np.stack(states), np.stack(excitations)))

    def dump(self, folder: Path) -> list[Path]:
        """Write one npz file per recorded world: state and excitation arrays, and a JSON header."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, record in enumerate(self._records):
            header = {
                "format": FORMAT,
                "body": self._anatomy.name,
                "fingers": self._anatomy.fingers,
                "hash": self._anatomy.hash,
                "world": record.world,
                "reason": record.reason,
                "state": "time, qpos, qvel, act",
            }
            path = folder / f"lost_{number:02d}_world_{record.world}.npz"
            np.savez_compressed(path, header=json.dumps(header), state=record.state, excitation=record.excitation)
            paths.append(path)
        return paths


def sane(*arrays: np.ndarray) -> np.ndarray:
    """Mask of the worlds whose numbers are finite and, by their root of the sum of squares, below `SPEED_LIMIT`.

    Arrays are (world, number).
    """
    # A comparison with NaN is false, so one test covers both.
    return np.all([np.einsum("wn,wn->w", array, array) < SPEED_LIMIT**2 for array in arrays], axis=0)


def checked_excitation(excitation: Excitation, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The excitation as an array, and the mask of worlds where it is made of numbers.

    Raises:
        ValueError: A number outside [0, 1]; the message names the first muscle and world.
    """
    array = excitation.detach().cpu().numpy().astype(np.float64)
    # As a rule all is well, and this tells in two passes; with a NaN both comparisons are false.
    if array.size and array.min() >= 0.0 and array.max() <= 1.0:
        return array, np.ones(len(array), dtype=bool)
    numbers = np.isfinite(array)
    outside = numbers & ((array < 0.0) | (array > 1.0))
    if outside.any():
        world, muscle = np.argwhere(outside)[0]
        raise ValueError(
            f"Excitation must lie in [0, 1], but world {world} asks {array[world, muscle]:.3g} of '{names[muscle]}' "
            f"({int(outside.sum())} such values). Map the policy's output into [0, 1] first."
        )
    return array, np.all(numbers, axis=1)


def check_start(mask: torch.Tensor, z: torch.Tensor, velocity: torch.Tensor, activation: torch.Tensor) -> None:
    """Make sure that the masked rows of a start are made of numbers.

    Raises:
        ValueError: One is not; the message names the quantity and the first world.
    """
    for name, rows in {"z": z, "velocity": velocity, "activation": activation}.items():
        broken = mask & ~torch.isfinite(rows).all(dim=1)
        if broken.any():
            world = int(broken.nonzero()[0])
            raise ValueError(f"World {world} cannot start: its {name} holds a number that is not finite.")


def as_mask(mask: torch.Tensor) -> np.ndarray:
    """A boolean tensor as an array."""
    return mask.detach().cpu().numpy().astype(bool)


def check_wrapped(anatomy: Anatomy) -> None:
    """Refuse a body whose muscles are not MuJoCo's.

    Raises:
        ValueError: Its paths are fitted.
    """
    if anatomy.fitted is not None:
        raise ValueError(
            f"`Referee` does not move the fitted muscle paths of '{anatomy.title}'; take '{anatomy.name}' here, or "
            "`Threads` or `Warp`."
        )
