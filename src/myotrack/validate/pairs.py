"""`Pair`: one motion of both sides of a comparison, and its curves brought to the same instants."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.muscles import GROUPS
from myotrack.anatomy.naming import LEFT
from myotrack.validate.gait import FORCES
from myotrack.validate.muscles import SILENT, correlation
from myotrack.validate.takes import Take

APART = np.radians(5.0)
"""RMS difference of what both followed from which frames are not compared with one another, since they are not of the
same instants [rad]. Not tuned: two ways of retargeting a recording differ by less, a walk a tenth of a second later by
more."""
Kind = Literal["angle", "force", "moment", "power", "muscle", "all muscles", "muscle group", "place", "joint"]
Over = Literal["cycle", "time"]
UNITS: dict[Kind, str] = {
    "angle": "rad", "force": "body weight", "moment": "N m/kg", "power": "W/kg", "joint": "rad", "place": "m",
    **dict.fromkeys(("muscle", "all muscles", "muscle group"), "of full activity"),
}  # fmt: skip
Values = Float[np.ndarray, "point"]


@dataclass(frozen=True)
class Pair:
    """One motion of both sides."""

    first: Take
    second: Take

    @property
    def motion(self) -> str:
        """Its name."""
        return self.first.motion

    @cached_property
    def cycles(self) -> dict[str, tuple[Values, Values]]:
        """Curves over the cycle that both have, by `portrait.Portrait.names`."""
        if self.first.seen is None or self.second.seen is None:
            return {}
        known = self.first.seen.portrait, self.second.seen.portrait
        curves = {name: tuple(each.curve(name) for each in known) for name in known[0].names}
        return {name: (a.mean, b.mean) for name, (a, b) in curves.items() if a is not None and b is not None}

    def kind_of(self, name: str) -> Kind:
        """Of one of `cycles`."""
        if self.first.seen is not None and name in self.first.seen.portrait.muscles:
            return "muscle"
        what = name.rpartition("_")[2]
        return "force" if name in FORCES else "moment" if what == "moment" else "power" if what == "power" else "angle"

    @cached_property
    def time(self) -> Values:
        """Instants at which both are known, as many as the slower of two rates has [s]; empty if there are none."""
        one, other = self.first.seen, self.second.seen
        if one is None or other is None:
            return np.zeros(0)
        rate = min(one.rate, other.rate)
        last = min((len(each.angles) - 1) / each.rate for each in (one, other))
        time = np.arange(int(last * rate + 1e-6) + 1) / rate if last > 0 else np.zeros(0)
        apart = _at(time, one.rate, one.reference) - _at(time, other.rate, other.reference)
        return time if apart.size and np.sqrt(np.mean(apart**2)) < APART else np.zeros(0)

    def over_time(self, what: str) -> tuple[np.ndarray, np.ndarray] | None:
        """'angles', 'landmarks' or 'activation' of both at the instants of `time`; None if one of them has none."""
        one, other = self.first.seen, self.second.seen
        if one is None or other is None or not len(self.time):
            return None
        mine, theirs = getattr(one, what), getattr(other, what)
        if mine is None or theirs is None:
            return None
        return _at(self.time, one.rate, mine), _at(self.time, other.rate, theirs)

    @cached_property
    def muscles(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Activations of both: mean over strides where both walk, else over time."""
        one, other = self.first.seen, self.second.seen
        if one is None or other is None:
            return None
        mine, theirs = one.portrait.activity, other.portrait.activity
        if mine is not None and theirs is not None:
            return mine.T, theirs.T
        return self.over_time("activation")

    @cached_property
    def groups(self) -> dict[str, tuple[Values, Values]]:
        """The same by functional group, mean over its muscles; over a cycle those of a foot's own side."""
        if self.muscles is None or self.first.seen is None:
            return {}
        anatomy, (mine, theirs) = self.first.seen.anatomy, self.muscles
        sides = {LEFT} if self.by_cycle else set()
        found = {}
        for group in GROUPS:
            rows = [row for row, each in enumerate(anatomy.muscles) if each.group == group and each.side not in sides]
            if rows:
                found[group] = mine[:, rows].mean(axis=1), theirs[:, rows].mean(axis=1)
        return found

    @property
    def rates_differ(self) -> bool:
        """Whether they have different frames per second."""
        return len({each.rate for each in (self.first.seen, self.second.seen) if each is not None}) > 1

    @property
    def by_cycle(self) -> bool:
        """Whether `muscles` are over a cycle."""
        seen = self.first.seen, self.second.seen
        return all(each is not None and each.portrait.activity is not None for each in seen)


def alike(pair: Pair) -> dict[tuple[Kind, str, Over], tuple[float, float]]:
    """Correlation and RMS difference of every curve of a motion, by kind, name and axis; NaN for no correlation."""
    found: dict[tuple[Kind, str, Over], tuple[float, float]] = {}
    for name, (mine, theirs) in pair.cycles.items():
        kind = pair.kind_of(name)
        found[kind, name, "cycle"] = (heard if kind == "muscle" else near)(mine, theirs)
    over: Over = "cycle" if pair.by_cycle else "time"
    if pair.muscles is not None:
        each = [heard(mine, theirs) for mine, theirs in zip(*(side.T for side in pair.muscles), strict=True)]
        known = [r for r, _ in each if np.isfinite(r)]
        rms = np.sqrt(np.mean([rmse**2 for _, rmse in each]))
        found["all muscles", "every muscle", over] = float(np.mean(known)) if known else np.nan, float(rms)
    for group, (mine, theirs) in pair.groups.items():
        found["muscle group", group, over] = heard(mine, theirs)
    angles, places = pair.over_time("angles"), pair.over_time("landmarks")
    if angles is not None and places is not None and pair.first.seen is not None:
        found["place", "landmarks", "time"] = np.nan, float(np.linalg.norm(places[0] - places[1], axis=2).mean())
        for joint, mine, theirs in zip(pair.first.seen.joints, *(side.T for side in angles), strict=True):
            found["joint", joint, "time"] = near(mine, theirs)
    return found


def near(mine: Values, theirs: Values) -> tuple[float, float]:
    """Correlation, NaN where one has no shape, and RMS difference."""
    r = float(correlation(mine[:, None], theirs[:, None])[0])
    return r, float(np.sqrt(np.mean((mine - theirs) ** 2)))


def heard(mine: Values, theirs: Values) -> tuple[float, float]:
    """The same of muscles: none where both are silent, zero where one is."""
    r, rmse = near(mine, theirs)
    silent = [side.mean() < SILENT for side in (mine, theirs)]
    return (np.nan if all(silent) else 0.0 if any(silent) else r), rmse


def _at(time: Values, rate: float, values: np.ndarray) -> np.ndarray:
    """Values at other instants, by linear interpolation."""
    place = time * rate
    before = np.clip(np.floor(place + 1e-9).astype(int), 0, max(len(values) - 2, 0))
    share = (place - before).reshape(-1, *[1] * (values.ndim - 1))
    after = np.minimum(before + 1, len(values) - 1)
    return values[before] + share * (values[after] - values[before])
