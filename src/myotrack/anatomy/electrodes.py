"""Which of a body's muscles an EMG channel is about, told from its name by the table `data/emg/electrodes.csv`."""

import csv
import functools
import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import LEFT, RIGHT, side_of, stem_of

Side = Literal["right", "left"]


@dataclass(frozen=True)
class Electrode:
    """A channel, and what lies under it."""

    channel: str
    """As the recording names it."""
    muscle: str
    """In words: 'soleus'."""
    side: str
    muscles: tuple[str, ...]
    """Of the body; their mean activation is what the channel is compared with."""


def electrodes(channels: Sequence[str], anatomy: Anatomy, side: Side | None = None) -> tuple[Electrode, ...]:
    """The channels of a recording that are known, and whose muscles the body has.

    Args:
        channels: Names from the file.
        anatomy: The body.
        side: Of channels whose names do not say. None: the right, which most single-leg recordings are of.
    """
    found = []
    for channel in channels:
        row = _table().get(_key(channel))
        told = side_of(channel)
        where = told if told in (RIGHT, LEFT) else side or RIGHT
        if row is None:
            continue
        stems = row["muscles"].split(";")
        names = tuple(
            muscle.name for stem in stems for muscle in anatomy.muscles
            if muscle.side == where and stem_of(muscle.name) == stem
        )  # fmt: skip
        if names:
            found.append(Electrode(channel, row["channel"], where, names))
    return tuple(found)


def means(electrodes: Sequence[Electrode], anatomy: Anatomy) -> Float[Tensor, "electrode muscle"]:
    """Share of every muscle in what each electrode sees; rows sum to 1."""
    share = torch.zeros(len(electrodes), len(anatomy.muscles), dtype=torch.float64)
    for row, electrode in enumerate(electrodes):
        for name in electrode.muscles:
            share[row, anatomy.muscle_names.index(name)] = 1 / len(electrode.muscles)
    return share


def _key(name: str) -> str:
    """A channel's name without side, case, spaces and the like."""
    plain = name.strip().lower()
    for word in ("emg",):
        plain = plain.replace(word, " ")
    words = [word for word in re.split(r"[^a-z0-9]+", plain) if word]
    ends = {"right", "left", "r", "l"}
    while len(words) > 1 and words[-1] in ends:
        words = words[:-1]
    while len(words) > 1 and words[0] in ends:
        words = words[1:]
    return "".join(words)


@functools.lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, str]]:
    """Rows by every name they go by."""
    text = importlib.resources.files("myotrack").joinpath("data/emg/electrodes.csv").read_text(encoding="utf-8")
    rows: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(text.splitlines()):
        for name in (row["channel"], *row["aliases"].split(";")):
            if _key(name) in rows:
                raise ValueError(f"The table of electrodes has '{name}' twice.")
            rows[_key(name)] = row
    return rows
