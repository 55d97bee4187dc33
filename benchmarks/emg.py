"""Muscles of walking policies beside EMG of people, and people beside one another.

Told are shape, timing, co-contraction of antagonists and synergies.

    python benchmarks/emg.py --policies walk-02_01 walk-02_01-muscles --clip CLIPS/02_01.npz

CLIPS is a folder made by `myotrack retarget ../shared/data/cmu_asfamc/02_01.amc --body full --out CLIPS`. A policy is
the name of one that comes with myotrack, or the folder of a run; it performs the clip once from its first frame on the
original body, mean actions. EMG of 15 people is read from MYOTRACK_DATA (default ../shared/data), folder 'normative'.
People stand beside the mean of the other people, policies beside the mean of all, and five strides of one person, whose
raw EMG is there as well, beside the mean of the others. Prints tables, then a JSON object per column, and draws one
figure.
"""

import itertools
import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from emg_figure import Grouped, Judged, draw, many, mean_of, number
from walkers import DATA, Walkers, performance, rounded

from myotrack.anatomy.electrodes import electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Signals
from myotrack.clips.clip import Clip
from myotrack.validate.bursts import Burst
from myotrack.validate.cocontraction import PAIRS, co_contractions
from myotrack.validate.emg import (
    NUMBERS,
    Number,
    People,
    beside,
    leave_one_out,
    mean_over_muscles,
    read_people,
    several,
)
from myotrack.validate.gait import POINTS, gait
from myotrack.validate.muscles import envelope, sampled
from myotrack.validate.norms import EMG_CUTOFF, Norm, NormError, as_emg, by_chance
from myotrack.validate.statistics import Interval
from myotrack.validate.synergies import ENOUGH, accounted, factorise, fewest, match
from myotrack.validate.walker import GaitError, Walker
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import machine

PERSON = "ID0012"
"""Whose raw EMG there is."""
HIGHER = 0.5
"""Another threshold of bursts, half of the way to the greatest value, to see what the threshold decides."""
WORDS: dict[Number, str] = {
    "r": "r, no lag",
    "lagged_r": "r at the best lag",
    "lag": "best lag, either way [%]",
    "rmse": "RMSE, of the peak [%]",
    "inside": "within the band [%]",
    "overlap": "overlap of on-times",
    "onset": "onset apart [%]",
    "ending": "ending apart [%]",
    "on_time": "on-time [%]",
    "level": "mean [%]",
}
SHARES = ("lag", "rmse", "inside", "onset", "ending", "on_time", "level")
"""Numbers that are printed in per cent."""


@dataclass(frozen=True)
class Command(Walkers):
    """Judge and draw."""

    figure: Path = Path("docs/figures/emg.png")


def main(command: Command) -> None:
    """Print tables and JSON, and draw."""
    one_thread()
    folder = DATA / "normative"
    anatomy = Anatomy.load("full")
    try:
        people = read_people(folder)
        clip = command.only_clip(anatomy)
        real = one_person(folder, people)
        walkers = [performed(path, anatomy, clip, people) for path in command.policies]
    except (NormError, GaitError, ValueError) as error:
        sys.exit(str(error))
    human = human_beside_human(people)
    needed = [fewest(matrix(people.person(one))).count for one in range(len(people.names))]
    count = math.ceil(np.median(needed))
    everyone = [human, real, *walkers]
    groups = [of_people(people, count, needed), *(of_strides(each, count) for each in everyone[1:])]
    print(f"Clip '{clip.name}', {clip.duration:.2f} s; {human.name}: {people.citation}. {machine()}\n")
    print_muscles(everyone)
    print_means(everyone)
    print_pairs(everyone)
    print_synergies(everyone, groups, count)
    for one, group in zip(everyone, groups, strict=True):
        print(json.dumps(as_dict(one, group)))
    draw(command.figure, [human, *walkers], [groups[0], *groups[2:]], people)


def performed(path: Path, anatomy: Anatomy, clip: Clip, people: People) -> Judged:
    """A policy's performance of the clip, on the original body, beside people."""
    trial = performance(path, anatomy, clip)
    walker = Walker.of_trial(trial, anatomy)
    assert walker.excitation is not None  # It was simulated.
    walk = gait(replace(walker, excitation=as_emg(walker.excitation, walker.rate)))
    channels = electrodes(people.muscles, anatomy)
    shares = means(channels, anatomy).numpy()
    strides = [
        {each.channel: stride.excitation @ share for each, share in zip(channels, shares, strict=True)}
        for stride in walk.strides
        if stride.excitation is not None
    ]
    return over_strides(path.name, strides, people.norms())


def one_person(folder: Path, people: People) -> Judged:
    """Single strides of one of the people, from raw EMG, beside the mean of the others.

    Raises:
        NormError: There is no such file.
    """
    raw, cycles = (folder / f"emg_walk_santuz_{PERSON}_{part}" for part in ("raw.csv.gz", "cycles.csv"))
    if not (raw.is_file() and cycles.is_file()):
        raise NormError(f"There is no raw EMG: {raw.name} and {cycles.name} not in {folder}.")
    values = np.loadtxt(raw, delimiter=",", skiprows=1)
    # Both files have the muscles in the same order.
    emg = envelope(Signals(people.muscles, 1000.0, values[:, 1:]), cutoff=EMG_CUTOFF)
    strikes = np.loadtxt(cycles, delimiter=",", skiprows=1)[:, 0] - values[0, 0]
    strides = [
        dict(zip(people.muscles, sampled(emg, np.linspace(*ends, POINTS)).T, strict=True))
        for ends in itertools.pairwise(strikes)
    ]
    own = [name.startswith(PERSON) for name in people.names].index(True)
    return over_strides(f"one person, {len(strides)} strides", strides, people.norms(own))


def over_strides(name: str, strides: list[dict[str, np.ndarray]], norms: dict[str, Norm]) -> Judged:
    """Strides and their mean beside people."""
    curves = {muscle: np.mean([stride[muscle] for stride in strides], axis=0) for muscle in strides[0]}
    return Judged(
        name=name,
        curves=curves,
        muscles=beside(curves, norms),
        each=several(strides, norms),
        higher=several(strides, norms, HIGHER),
        pairs=tuple(co_contractions(stride) for stride in strides),
        chance=by_chance(list(curves.values()), [norms[muscle] for muscle in curves]),
        norms=norms,
    )


def human_beside_human(people: People) -> Judged:
    """Every person beside the mean of the others."""
    norms = people.norms()
    curves = {name: norm.mean for name, norm in norms.items()}
    persons = [people.person(one) for one in range(len(people.names))]
    chances = [by_chance(list(person.values()), list(people.norms(one).values())) for one, person in enumerate(persons)]
    return Judged(
        name=f"{len(people.names)} people",
        curves=curves,
        muscles=beside(curves, norms),
        each=leave_one_out(people),
        higher=leave_one_out(people, HIGHER),
        pairs=tuple(co_contractions(person) for person in persons),
        chance=float(np.mean(chances)),
        norms=norms,
    )


def matrix(curves: dict[str, np.ndarray]) -> np.ndarray:
    """Curves as columns, each over its greatest value, without the last point, which is the first of the next cycle."""
    return np.stack([curve[:-1] / (curve.max() or 1.0) for curve in curves.values()], axis=1)


def of_strides(one: Judged, count: int) -> Grouped:
    """Synergies of mean curves beside those of people."""
    values = matrix(one.curves)
    wanted = factorise(matrix({name: norm.mean for name, norm in one.norms.items()}), count)
    found = factorise(values, count)
    return Grouped((fewest(values).count,), found, (match(found, wanted),), (accounted(values, wanted.weights),))


def of_people(people: People, count: int, needed: list[int]) -> Grouped:
    """Synergies of every person beside those of the mean of the others."""
    matches, theirs = [], []
    for one in range(len(people.names)):
        values = matrix(people.person(one))
        others = factorise(matrix({name: norm.mean for name, norm in people.norms(one).items()}), count)
        matches.append(match(factorise(values, count), others))
        theirs.append(accounted(values, others.weights))
    mean = matrix({name: norm.mean for name, norm in people.norms().items()})
    return Grouped(tuple(needed), factorise(mean, count), tuple(matches), tuple(theirs))


def print_muscles(everyone: list[Judged]) -> None:
    """Every muscle: people with the interval of r, policies by their mean curves, on-times of the mean curves."""
    human, *walkers = everyone
    print(
        f"{'r, r at best lag, lag [%]':24}{human.name + ' (95 %)':>36}" + "".join(f"{one.name:>27}" for one in walkers)
    )
    for name, row in human.each.items():
        r, best, lag = (row.interval(key) for key in ("r", "lagged_r", "lag"))
        line = f"{name:24}{interval(r):>20}{best.mean:8.2f}{100 * lag.mean:8.1f}" if r and best and lag else name
        for one in walkers:
            shape = one.muscles[name].shape
            told = "-" if shape.r is None or shape.lagged_r is None else f"{shape.r:.2f}, {shape.lagged_r:.2f}"
            line += f"{told:>20}{100 * shape.lag:+7.0f}"
        print(line)
    print(f"\n{'overlap, onset, end [%]':24}{human.name:>36}" + "".join(f"{one.name:>27}" for one in walkers))
    for name, row in human.each.items():
        share, onset, ending = (row.interval(key) for key in ("overlap", "onset", "ending"))
        line = f"{name:24}{interval(share):>20}"
        line += f"{100 * onset.mean:8.1f}{100 * ending.mean:8.1f}" if onset and ending else f"{'-':>16}"
        for one in walkers:
            found = one.muscles[name]
            apart = [f"{100 * part:+.0f}" if part is not None else "-" for part in (found.onset, found.ending)]
            line += f"{number(found.overlap):>13}{apart[0]:>7}{apart[1]:>7}"
        print(line)
    print(f"\n{'on, % of the cycle':24}" + "".join(f"{one.name:>36}" for one in everyone))
    for name in human.muscles:
        print(f"{name:24}" + "".join(f"{times(one.muscles[name].bursts):>36}" for one in everyone))
    print()


def print_means(everyone: list[Judged]) -> None:
    """Means over muscles; of people and of strides with intervals, of the mean curves without."""
    human, *walkers = everyone
    heads = [human.name, *(head for one in walkers for head in (one.name, "single strides"))]
    print(f"{'mean over muscles':28}" + "".join(f"{head:>26}" for head in heads))
    for key, words in WORDS.items():
        scale = 100.0 if key in SHARES else 1.0
        if key == "level":
            continue
        line = f"{words:28}{interval(mean_over_muscles(human.each, key), scale):>26}"
        for one in walkers:
            line += f"{number(mean_of(one, key), scale):>26}{interval(mean_over_muscles(one.each, key), scale):>26}"
        print(line)
    blank = " " * 26

    def row(words: str, cells: list[str]) -> str:
        return f"{words:28}" + blank.join(
            [f"{cells[0]:>26}" + f"{cells[1]:>26}", *(f"{cell:>26}" for cell in cells[2:])]
        )

    higher = [interval(mean_over_muscles(one.higher, "overlap")) for one in everyone]
    chances = [np.mean([each.chance or 0.0 for several in human.each.values() for each in several.each])]
    chances += [np.mean([each.chance or 0.0 for each in one.muscles.values()]) for one in walkers]
    print(row(f"overlap of strides, over {100 * HIGHER:.0f} %", higher))
    print(row("overlap by chance", [f"{chance:.2f}" for chance in chances]))
    print(row("r exceeded by 5 % of turns", [f"{one.chance:.2f}" for one in everyone]) + "\n")


def print_pairs(everyone: list[Judged]) -> None:
    """Co-contraction of antagonists after Falconer & Winter and after Rudolph: mean of people, and of mean curves."""
    human, *others = everyone
    heads = [f"{one.name}: share, level" for one in everyone]
    print(f"{'co-contraction':44}{heads[0]:>42}" + "".join(f"{head:>36}" for head in heads[1:]))
    for names in PAIRS:
        share, level = pair_of(human, names)
        line = f"{' - '.join(names):44}{interval(share):>22}{interval(level):>20}"
        for one in others:
            (found,) = co_contractions(one.curves, [names])
            line += f"{number(found.share):>28}{found.level:8.2f}"
        print(line)
    print()


def print_synergies(everyone: list[Judged], groups: list[Grouped], count: int) -> None:
    """How many, how much they account for, and how alike they are."""
    print(f"{'synergies':44}" + "".join(f"{one.name:>24}" for one in everyone))
    rows = {
        f"least number for VAF {ENOUGH:.2f}": [spread(group.enough) for group in groups],
        f"VAF of {count}, of the mean curves": [f"{group.synergies.vaf:.3f}" for group in groups],
        "the same, least of a muscle": [f"{group.synergies.vaf_muscle.min():.3f}" for group in groups],
        "mean cosine with those of people": [interval(many([m.mean for m in group.matches])) for group in groups],
        "least cosine": [interval(many([float(m.cosine.min()) for m in group.matches])) for group in groups],
        "by shuffled muscles: mean": [f"{np.mean([m.chance for m in group.matches]):.2f}" for group in groups],
        "by shuffled muscles: 95 %": [f"{np.mean([m.lucky for m in group.matches]):.2f}" for group in groups],
        # One that never changes has no r, and scores nothing.
        "r of their time courses": [
            interval(many([float(np.nan_to_num(m.r).mean()) for m in group.matches])) for group in groups
        ],
        "VAF by synergies of people": [interval(many(group.theirs)) for group in groups],
    }
    for words, cells in rows.items():
        print(f"{words:44}" + "".join(f"{cell:>24}" for cell in cells))
    print()


def pair_of(one: Judged, names: tuple[str, str]) -> tuple[Interval | None, Interval | None]:
    """Share and level of a pair over strides or people."""
    found = [each for row in one.pairs for each in row if (each.first, each.second) == names]
    return many([each.share for each in found if each.share is not None]), many([each.level for each in found])


def spread(counts: tuple[int, ...]) -> str:
    """How often each count."""
    if len(counts) == 1:
        return str(counts[0])
    return ", ".join(f"{count} ({counts.count(count)}x)" for count in sorted(set(counts)))


def interval(told: Interval | None, scale: float = 1.0) -> str:
    """Mean, and in brackets the interval."""
    if told is None:
        return "-"
    digits = 1 if scale > 1 else 2
    ends = (
        ""
        if told.low is None or told.high is None
        else f" ({scale * told.low:.{digits}f}, {scale * told.high:.{digits}f})"
    )
    return f"{scale * told.mean:.{digits}f}{ends}"


def times(pattern: tuple[Burst, ...]) -> str:
    """From and to, in % of the cycle."""
    return ", ".join(f"{100 * each.start:.0f}-{100 * each.end:.0f}" for each in pattern) or "never"


def as_dict(one: Judged, group: Grouped) -> dict[str, object]:
    """Everything for machines; times are shares of the cycle."""

    def told(found: Interval | None) -> dict[str, float | int | None] | None:
        return None if found is None else {key: rounded(value) for key, value in asdict(found).items()}

    muscles = {
        name: {
            "mean_curve": {key: rounded(found.value(key)) for key in NUMBERS},
            "signed": {key: rounded(value) for key, value in
                       (("lag", found.shape.lag), ("onset", found.onset), ("ending", found.ending))},
            "overlap_by_chance": rounded(found.chance),
            "bursts": [[rounded(each.start), rounded(each.end)] for each in found.bursts],
            "each": {key: told(one.each[name].interval(key)) for key in NUMBERS},
        }
        for name, found in one.muscles.items()
    }  # fmt: skip
    return {
        "name": one.name,
        "means": {key: told(mean_over_muscles(one.each, key)) for key in NUMBERS},
        "mean_curve_means": {key: rounded(mean_of(one, key)) for key in NUMBERS},
        "overlap_at_higher_threshold": told(mean_over_muscles(one.higher, "overlap")),
        "r_by_chance": rounded(one.chance),
        "muscles": muscles,
        "co_contraction": [
            {"pair": names, "share": told(pair_of(one, names)[0]), "level": told(pair_of(one, names)[1])}
            | {
                f"{key}_of_mean_curve": rounded(getattr(each, key))
                for each in co_contractions(one.curves, [names])
                for key in ("share", "level")
            }
            for names in PAIRS
        ],
        "synergies": {
            "least": group.enough,
            "vaf": rounded(group.synergies.vaf),
            "vaf_muscle": [rounded(float(each)) for each in group.synergies.vaf_muscle],
            "cosine": told(many([each.mean for each in group.matches])),
            "cosine_by_chance": rounded(float(np.mean([each.lucky for each in group.matches]))),
            "vaf_by_people": told(many(group.theirs)),
        },
    }


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
