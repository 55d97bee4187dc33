"""Two of anything that moves, motion by motion: what differs, how sure that is, and how alike the curves are.

    found = compare("runs/a", takes_of_a, "runs/b", takes_of_b)
    found.row("landmark_error_mean").difference.mean     # a less b, over the motions that both have
    found.likeness("knee_angle").r.mean                  # without lag

Motions are paired by their names. Whatever only one side has is left out, and a sentence says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from myotrack.clips.quality import Limits
from myotrack.validate.metrics import BY_NAME
from myotrack.validate.pairs import UNITS, Kind, Over, Pair, alike
from myotrack.validate.published import Source, usual, walking
from myotrack.validate.statistics import Difference, Interval, mean_interval, paired
from myotrack.validate.takes import PEOPLE, Measure, Take

PER_STEP = "excitation_change"
"""The metric that depends on the rate of a trial."""


@dataclass(frozen=True)
class Row:
    """One measure of both sides."""

    measure: Measure
    first: float
    """Mean over the motions of which both have it."""
    second: float
    difference: Difference
    """First less second."""
    usual: tuple[float, float] | None = None
    """From and to, in the unit of the measure."""
    source: str = ""
    """Of what is usual."""
    cited: tuple[Source, ...] = ()
    """Where that was read, if in publications."""

    @property
    def better(self) -> str:
        """'first' or 'second'; empty if they are alike or neither way is good."""
        way = {"higher": 1, "lower": -1, "neither": 0}[self.measure.better] * self.difference.mean
        return "first" if way > 0 else "second" if way < 0 else ""

    @property
    def sure(self) -> bool:
        """Whether the interval leaves zero out; one motion has none."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True)
class Likeness:
    """A curve of both sides, over the motions that have it on both."""

    kind: Kind
    name: str
    """Of a curve of `portrait.Portrait`, of a joint, of a muscle group; 'landmarks' or 'every muscle'."""
    over: Over
    unit: str
    """Of `rmse`."""
    r: Interval | None
    """Pearson's correlation without lag; None where a curve has no shape. A muscle that one of both leaves silent
    scores zero."""
    rmse: Interval
    """Root mean square difference; of the landmarks, the mean distance."""


@dataclass(frozen=True)
class Comparison:
    """Everything that both sides have."""

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    rows: tuple[Row, ...]
    likenesses: tuple[Likeness, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    """Motions that only one of them has."""
    notes: tuple[str, ...]
    """What is missing, and what must be kept in mind."""

    @property
    def walks(self) -> bool:
        """Whether there is a motion whose strides can be compared."""
        return any(pair.cycles for pair in self.pairs)

    def row(self, name: str) -> Row:
        """Of a measure.

        Raises:
            KeyError: One of both does not have it.
        """
        return {row.measure.name: row for row in self.rows}[name]

    def likeness(self, name: str) -> Likeness:
        """Of a curve, over the cycle if there is one; errors alike."""
        return {each.name: each for each in reversed(self.likenesses)}[name]


def compare(name: str, first: Sequence[Take], other: str, second: Sequence[Take]) -> Comparison:
    """Set two sides beside each other.

    Args:
        name: What the first is called.
        first: One per motion.
        other: What the second is called.
        second: Likewise.

    Raises:
        ValueError: They have no motion in common, bodies with other joints, or two motions of a name on one side.
    """
    for side, takes in ((name, first), (other, second)):
        names = [take.motion for take in takes]
        twice = [motion for motion in names if names.count(motion) > 1]
        if twice:
            raise ValueError(f"{side}: several of its clips are called '{twice[0]}'; compare them one by one.")
    mine, theirs = ({take.motion: take for take in takes} for takes in (first, second))
    both = [motion for motion in mine if motion in theirs]
    if not both:
        raise ValueError(
            f"{name} and {other} have no motion in common: the one has {_listed(list(mine))}, the other "
            f"{_listed(list(theirs))}. Motions are paired by their names; let policies perform the same ones with "
            "--clips."
        )
    pairs = tuple(Pair(mine[motion], theirs[motion]) for motion in both)
    for pair in pairs:
        _same_body(pair, name, other)
    rows = _rows(pairs)
    likenesses = _likenesses(pairs)
    alone = tuple(each for each in mine if each not in theirs), tuple(each for each in theirs if each not in mine)
    return Comparison((name, other), pairs, rows, likenesses, alone, _notes(pairs, (name, other), alone))


def _rows(pairs: Sequence[Pair]) -> tuple[Row, ...]:
    found: dict[Measure, tuple[dict[str, float], dict[str, float]]] = {}
    for pair in pairs:
        mine, theirs = pair.first.numbers, pair.second.numbers
        for measure in mine:
            if measure in theirs and not (measure.name == PER_STEP and pair.rates_differ):
                one, other = found.setdefault(measure, ({}, {}))
                one[pair.motion], other[pair.motion] = mine[measure], theirs[measure]
    rows = []
    for measure, (one, other) in found.items():
        difference = paired(one, other)
        if measure.share and difference.low == difference.high:
            # Of shares that are alike on every motion the bootstrap says nothing.
            difference = replace(difference, low=None, high=None)
        first, second = (float(np.mean(list(values.values()))) for values in (one, other))
        rows.append(
            Row(measure, first, second, difference, *_usual(measure, [pair for pair in pairs if pair.motion in one]))
        )
    return tuple(rows)


def _usual(measure: Measure, pairs: Sequence[Pair]) -> tuple[tuple[float, float] | None, str, tuple[Source, ...]]:
    """What is known of people, or expected of a sound simulation; whose it is, and where it was read."""
    if measure.part == "scores":
        metric = BY_NAME[measure.name]
        return metric.usual, metric.source, ()
    if measure.part == "motion":
        return (0.0, getattr(Limits(), measure.name)), "limit of myotrack clips", ()
    portraits = [take.seen.portrait for pair in pairs for take in (pair.first, pair.second) if take.seen is not None]
    if measure.part == "people":
        norms = [each.norms[name] for each in portraits for name in PEOPLE[measure.name] if name in each.norms]
        return None, "; ".join(dict.fromkeys(norm.of for norm in norms)), ()
    what = measure.name.rpartition("_")[2]
    walks = [each.kinetics.gait.parameters() for each in portraits if each.kinetics is not None]
    speeds = [found["speed"].mean for found in walks if "speed" in found]
    if measure.part in ("gait", "ground"):
        spans = [known for speed in speeds if (known := usual(measure.name, speed)) is not None]
        cited = tuple(dict.fromkeys(source for known in spans for source in known.sources))
        ends = [end for known in spans for end in (known.low, known.high)]
        return _span(ends), "; ".join(source.name for source in cited), cited
    if measure.part == "cost" and what != "net":
        told = [(power / (speed if what == "transport" else 1.0), source)
                for speed in speeds for source, power in walking(speed).items()]  # fmt: skip
        cited = tuple(dict.fromkeys(source for _, source in told))
        names = "; ".join(source.name for source in cited)
        return _span([power for power, _ in told]), f"{names}, at the same speed" if names else "", cited
    return None, "", ()


def _span(values: Sequence[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None


def _likenesses(pairs: Sequence[Pair]) -> tuple[Likeness, ...]:
    found: dict[tuple[Kind, str, Over], list[tuple[float, float]]] = {}
    for pair in pairs:
        for key, value in alike(pair).items():
            found.setdefault(key, []).append(value)
    made = []
    for (kind, name, over), values in found.items():
        r, rmse = np.array(values).T
        shaped = r[np.isfinite(r)]
        made.append(
            Likeness(kind, name, over, UNITS[kind], mean_interval(shaped) if len(shaped) else None, mean_interval(rmse))
        )
    return tuple(made)


def _same_body(pair: Pair, name: str, other: str) -> None:
    one, second = pair.first.seen, pair.second.seen
    if one is None or second is None:
        return
    bodies = [(each.anatomy.name, each.anatomy.fingers) for each in (one, second)]
    if bodies[0] != bodies[1]:
        words = [f"'{body}' {'with' if fingers else 'without'} fingers" for body, fingers in bodies]
        raise ValueError(
            f"'{pair.motion}' of {name} is of the body {words[0]} and that of {other} of {words[1]}, which have other "
            "joints; make both on one body, with --body of `myotrack retarget` or `myotrack steer`."
        )


def _notes(pairs: Sequence[Pair], names: tuple[str, str], alone: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    notes = []
    for place, name in enumerate(names):
        takes = [(pair.first, pair.second)[place] for pair in pairs]
        for remark in dict.fromkeys(remark for take in takes for remark in take.remarks):
            motions = [take.motion for take in takes if remark in take.remarks]
            whose = name if len(motions) == len(takes) > 1 else f"{name}, {_listed(motions)}"
            notes.append(f"{whose}: {remark}.")
        if alone[place]:
            notes.append(f"Only {name} has {_listed(list(alone[place]))}.")
    notes += _missing(pairs, names)
    kinds = [{pair.first.what, pair.second.what} for pair in pairs]
    if {"policy", "muscle control"} in kinds:
        notes.append(
            "Errors of a policy are those before it first left its reference by the published rule, those of muscle "
            "control are of all frames."
        )
    slow = [pair.motion for pair in pairs if pair.rates_differ]
    if slow:
        notes.append(f"Rates differ in {_listed(slow)}: curves are compared at the instants of the slower one, and "
                     "changes per step are not.")  # fmt: skip
    strange = [pair.motion for pair in pairs if pair.first.seen and pair.second.seen and not len(pair.time)]
    if strange:
        notes.append(f"Both followed something else under the name of {_listed(strange)}, or at another time, so they "
                     "are not compared frame by frame.")  # fmt: skip
    sizes = {each.anatomy.hash for pair in pairs for each in (pair.first.seen, pair.second.seen) if each is not None}
    if len(sizes) > 1:
        notes.append("Bodies are of different sizes, so distances differ for that reason, too.")
    return tuple(notes)


def _missing(pairs: Sequence[Pair], names: tuple[str, str]) -> list[str]:
    """What portraits lack: of each kind the first sentence of a side, and of how many more motions it holds."""
    sentences: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        kinds: dict[str, list[str]] = {}
        for take in ((pair.first, pair.second)[place] for pair in pairs):
            for kind, words in {} if take.seen is None else take.seen.portrait.missing.items():
                kinds.setdefault(kind, []).append(words)
        for words in kinds.values():
            more = f" (Of {len(words) - 1} more likewise.)" if len(words) > 1 else ""
            sentences.setdefault(words[0] + more, []).append(name)
    return [f"{' and '.join(dict.fromkeys(whose))}: {words}" for words, whose in sentences.items()]


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
