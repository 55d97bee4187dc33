"""Muscles beside the EMG of people, and people beside one another: shape, timing, co-contraction.

people = read_people(folder / "normative")
one = beside(curves, people.norms())                   # r, lag, RMSE, on/off timing and overlap of every muscle
human = leave_one_out(people)                          # the same of every person and the mean of the others
human["soleus"].interval("r")                          # mean over people with its 95 % interval
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from myotrack.validate.bursts import (
    THRESHOLD,
    Burst,
    between,
    bursts,
    matched,
    on_time,
    overlap,
    overlap_by_chance,
)
from myotrack.validate.gait import POINTS
from myotrack.validate.muscles import SILENT
from myotrack.validate.norms import Likeness, Norm, NormError, compare
from myotrack.validate.statistics import Interval, mean_interval

FILE = "emg_walk_santuz_15subjects.npz"
STANCE = 0.64
"""Share of the cycle that the first half of the file's points is spread over. Source: the norm's own table of 101
points, which these people give to 1e-6; measured 0.632 to 0.641 in one of them."""
CITATION = (
    "Santuz et al., doi:10.1016/j.isci.2019.100796, by alesantuz/musclesyneRgies@0fbf53b01d93 (MIT); treadmill walking"
)

Number = Literal["r", "lagged_r", "lag", "rmse", "inside", "overlap", "onset", "ending", "on_time", "level"]
NUMBERS: tuple[Number, ...] = get_args(Number)
"""What is told of a muscle. A silent muscle has r and overlap 0. Lag, onset and ending are told without their signs,
since early and late people cancel."""


@dataclass(frozen=True)
class MuscleLikeness:
    """One muscle beside EMG, or one person's EMG beside that of others."""

    muscle: str
    """In words, as `anatomy.electrodes` has it."""
    shape: Likeness
    """r without lag, the best lag and its r, RMSE of both over their greatest values."""
    bursts: tuple[Burst, ...]
    """When the muscle is on; never if it is silent."""
    wanted: tuple[Burst, ...]
    """When the other is."""
    overlap: float | None
    """Time for which both are on over that for which either is; None if none ever is."""
    chance: float | None
    """Mean of the same over all turns of the cycle."""
    onset: float | None
    """By how much of the cycle the burst begins later than the one of the other with which it shares most time, from
    -0.5 to 0.5; None if no bursts share any."""
    ending: float | None
    """The same of their ends."""
    level: float
    """Mean over the cycle, in the unit of the curve."""

    def value(self, number: Number) -> float | None:
        """One of `NUMBERS`; None where there is none."""
        return _VALUES[number](self)


@dataclass(frozen=True)
class Several:
    """One muscle in several people, or over several strides."""

    muscle: str
    each: tuple[MuscleLikeness, ...]

    def interval(self, number: Number) -> Interval | None:
        """Mean over those that have the number, with its 95 % interval; None if nobody has."""
        told = [value for one in self.each if (value := one.value(number)) is not None]
        return mean_interval(np.array(told)) if told else None


@dataclass(frozen=True)
class People:
    """EMG of several people over a gait cycle from strike to strike."""

    names: tuple[str, ...]
    muscles: tuple[str, ...]
    """In words, as `anatomy.electrodes` has it."""
    curves: Float[np.ndarray, "person muscle 101"]
    """Mean over the strides of each person, over its greatest value."""
    citation: str

    def person(self, number: int) -> dict[str, Float[np.ndarray, "101"]]:
        """Curves of one of them by muscle."""
        return dict(zip(self.muscles, self.curves[number], strict=True))

    def norms(self, without: int | None = None) -> dict[str, Norm]:
        """Mean and standard deviation over people, or over all but one of them, by muscle.

        Raises:
            ValueError: Fewer than two people are left, who have no deviation.
        """
        kept = [number for number in range(len(self.names)) if number != without]
        if len(kept) < 2:
            raise ValueError(f"A mean with a deviation is of two people at least, not of {len(kept)}.")
        mean, spread = self.curves[kept].mean(axis=0), self.curves[kept].std(axis=0, ddof=1)
        return {
            name: Norm(name, "emg", mean[row], spread[row], f"{len(kept)} adults", self.citation)
            for row, name in enumerate(self.muscles)
        }


def read_people(folder: Path) -> People:
    """The people of whom `norms.read_norms` has the mean.

    Args:
        folder: Where the file is: 'normative' in the folder that MYOTRACK_DATA names.

    Raises:
        NormError: The file is not there, or is another than it should be.
    """
    path = folder / FILE
    if not path.is_file():
        raise NormError(
            f"There is no EMG of single people: {FILE} not in {folder}; let MYOTRACK_DATA name the folder that holds "
            "normative/."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            muscles, values, names = file["muscles"], file["V_200pt"].astype(np.float64), file["subjects"]
    except (KeyError, ValueError, OSError) as error:
        raise NormError(f"{path}: this is no EMG of single people ({str(error).splitlines()[0]}).") from error
    if values.shape != (len(names), len(muscles), 200) or not np.isfinite(values).all() or (values < 0).any():
        raise NormError(
            f"{path}: EMG of {len(names)} people and {len(muscles)} muscles has 200 points that are nowhere negative, "
            f"and this has the shape {values.shape}."
        )
    peak = values.max(axis=2, keepdims=True)
    if (peak <= 0).any():
        raise NormError(f"{path}: a muscle of somebody is never active, so it has no shape.")
    half = values.shape[2] // 2
    phase = np.concatenate([np.linspace(0, STANCE, half), np.linspace(STANCE, 1, half + 1)[1:]])
    grid = np.linspace(0, 1, POINTS)
    curves = np.array([[np.interp(grid, phase, curve) for curve in person] for person in values / peak])
    return People(
        names=tuple(str(name) for name in names),
        muscles=tuple(str(name).replace("_", " ") for name in muscles),
        curves=curves,
        citation=CITATION,
    )


def muscle_likeness(
    muscle: str,
    curve: Float[np.ndarray, "101"],
    other: Float[np.ndarray, "101"] | Norm,
    threshold: float = THRESHOLD,
) -> MuscleLikeness:
    """One muscle beside EMG.

    Args:
        muscle: Its name.
        curve: What the muscle is told over a cycle (`norms.as_emg`), or EMG.
        other: A norm of EMG, or EMG.
        threshold: From which a muscle is on, as of `bursts`.

    Raises:
        ValueError: A value is no number, or the threshold is none.
    """
    target = other.mean if isinstance(other, Norm) else other
    ours = bursts(curve, threshold) if curve.mean() >= SILENT else ()
    theirs = bursts(target, threshold)
    pairs = matched(ours, theirs)
    return MuscleLikeness(
        muscle=muscle,
        shape=compare(curve, other, muscle=True),
        bursts=ours,
        wanted=theirs,
        overlap=overlap(ours, theirs),
        chance=overlap_by_chance(ours, theirs),
        onset=between(pairs[0][0].start, pairs[0][1].start) if pairs else None,
        ending=between(pairs[0][0].end, pairs[0][1].end) if pairs else None,
        level=float(curve.mean()),
    )


def beside(
    curves: Mapping[str, Float[np.ndarray, "101"]],
    others: Mapping[str, Float[np.ndarray, "101"] | Norm],
    threshold: float = THRESHOLD,
) -> dict[str, MuscleLikeness]:
    """Every muscle that both have, by name; arguments and errors as of `muscle_likeness`."""
    return {
        name: muscle_likeness(name, curve, others[name], threshold) for name, curve in curves.items() if name in others
    }


def several(
    strides: Sequence[Mapping[str, Float[np.ndarray, "101"]]],
    others: Mapping[str, Float[np.ndarray, "101"] | Norm],
    threshold: float = THRESHOLD,
) -> dict[str, Several]:
    """Every muscle of several strides, or people, beside the same EMG, by name.

    Raises:
        ValueError: A value is no number, or strides have other muscles.
    """
    return _gathered([beside(curves, others, threshold) for curves in strides])


def leave_one_out(people: People, threshold: float = THRESHOLD) -> dict[str, Several]:
    """Every person beside the mean of the others: how alike people are, by muscle.

    Raises:
        ValueError: There are fewer than three people.
    """
    return _gathered([beside(people.person(one), people.norms(one), threshold) for one in range(len(people.names))])


def mean_over_muscles(found: Mapping[str, Several], number: Number) -> Interval | None:
    """Mean of a number over muscles, then over people or strides with its 95 % interval; None if nobody has it."""
    means = []
    for row in zip(*(each.each for each in found.values()), strict=True):
        told = [value for one in row if (value := one.value(number)) is not None]
        if told:
            means.append(float(np.mean(told)))
    return mean_interval(np.array(means)) if means else None


def _gathered(found: Sequence[dict[str, MuscleLikeness]]) -> dict[str, Several]:
    if any(each.keys() != found[0].keys() for each in found):
        raise ValueError("Strides and people are gathered over the same muscles; these have others.")
    return {name: Several(name, tuple(each[name] for each in found)) for name in found[0]}


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


_VALUES: dict[Number, Callable[[MuscleLikeness], float | None]] = {
    "r": lambda one: one.shape.r or 0.0,
    "lagged_r": lambda one: one.shape.lagged_r,
    "lag": lambda one: None if one.shape.lagged_r is None else abs(one.shape.lag),
    "rmse": lambda one: one.shape.rmse,
    "inside": lambda one: one.shape.inside,
    "overlap": lambda one: one.overlap,
    "onset": lambda one: _size(one.onset),
    "ending": lambda one: _size(one.ending),
    "on_time": lambda one: on_time(one.bursts),
    "level": lambda one: one.level,
}
