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
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from myotrack.anatomy.electrodes import electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Signals
from myotrack.clips.clip import Clip
from myotrack.validate.bursts import Burst
from myotrack.validate.cocontraction import PAIRS, CoContraction, co_contractions
from myotrack.validate.emg import (
    NUMBERS,
    MuscleLikeness,
    Number,
    People,
    Several,
    beside,
    leave_one_out,
    mean_over_muscles,
    read_people,
    several,
)
from myotrack.validate.gait import POINTS, gait
from myotrack.validate.muscles import envelope, sampled
from myotrack.validate.norms import EMG_CUTOFF, Norm, NormError, as_emg, by_chance
from myotrack.validate.statistics import Interval, mean_interval
from myotrack.validate.synergies import ENOUGH, Match, Synergies, accounted, factorise, fewest, match
from myotrack.validate.walker import GaitError, Walker
from myotrack.view.figures import GRID, INK, PALE
from myotrack.view.figures import WIDTH as INCHES
from myotrack.workflow.learning import clips_in, one_thread
from myotrack.workflow.output import machine
from myotrack.workflow.policies import open_policy
from myotrack.workflow.validate import Examination, judged

PERSON = "ID0012"
"""Whose raw EMG there is."""
HIGHER = 0.5
"""Another threshold of bursts, half of the way to the greatest value, to see what the threshold decides."""
BAND, PEOPLE = "#dfe3e9", "#8b95a2"
COLOURS = ("#c2402c", "#2f5fb3", "#7a4fb0", "#2d8a57")
SHORT = {
    "gluteus medius": "GMed", "gluteus maximus": "GMax", "tensor fasciae latae": "TFL", "rectus femoris": "RF",
    "vastus medialis": "VM", "vastus lateralis": "VL", "semitendinosus": "ST", "biceps femoris": "BF",
    "tibialis anterior": "TA", "peroneus longus": "PL", "gastrocnemius medialis": "GM", "gastrocnemius lateralis": "GL",
    "soleus": "SOL",
}  # fmt: skip
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
class Command:
    """Judge and draw."""

    clip: Path
    """A clip of the full body."""
    policies: tuple[Path, ...] = (Path("walk-02_01"), Path("walk-02_01-muscles"))
    """Names of policies that come with myotrack, or folders of runs; four at most."""
    figure: Path = Path("docs/figures/emg.png")


@dataclass(frozen=True)
class Judged:
    """A policy, or the people."""

    name: str
    curves: dict[str, np.ndarray]
    """Mean over strides or people, each over its greatest value if of people."""
    muscles: dict[str, MuscleLikeness]
    """Of the mean curves beside the mean of people; of people beside themselves, which tells their bursts."""
    each: dict[str, Several]
    """Of every stride beside the mean of people, or of every person beside the mean of the others."""
    higher: dict[str, Several]
    """The same with a higher threshold of bursts."""
    pairs: tuple[tuple[CoContraction, ...], ...]
    """Of every stride or person."""
    chance: float
    """95th percentile over turns of the cycle of the mean r of the mean curves."""
    norms: dict[str, Norm]
    """Mean of the people that it is compared with."""


@dataclass(frozen=True)
class Grouped:
    """Synergies of a policy or of people."""

    enough: tuple[int, ...]
    """Least numbers of synergies for `ENOUGH`: of the mean curves, or of every person."""
    synergies: Synergies
    """So many as half of people need, of the mean curves."""
    matches: tuple[Match, ...]
    """Beside those of the mean of people; of every person beside the mean of the others."""
    theirs: tuple[float, ...]
    """VAF by the synergies of the mean of people, or of the others."""


def main(command: Command) -> None:
    """Print tables and JSON, and draw."""
    one_thread()
    folder = (Path(__file__).parents[1] / os.environ.get("MYOTRACK_DATA", "../shared/data")).resolve() / "normative"
    anatomy = Anatomy.load("full")
    try:
        if not 1 <= len(command.policies) <= len(COLOURS):
            raise ValueError(f"Name one to {len(COLOURS)} policies, not {len(command.policies)}.")
        people = read_people(folder)
        clips = clips_in(command.clip, anatomy)
        if len(clips) != 1:
            raise ValueError(f"{command.clip}: name one clip, not {len(clips)}.")
        real = one_person(folder, people)
        walkers = [performed(path, anatomy, clips[0], people) for path in command.policies]
    except (NormError, GaitError, ValueError) as error:
        sys.exit(str(error))
    human = human_beside_human(people)
    needed = [fewest(matrix(people.person(one))).count for one in range(len(people.names))]
    count = math.ceil(np.median(needed))
    everyone = [human, real, *walkers]
    groups = [of_people(people, count, needed), *(of_strides(each, count) for each in everyone[1:])]
    print(f"Clip '{clips[0].name}', {clips[0].duration:.2f} s; {human.name}: {people.citation}. {machine()}\n")
    print_muscles(everyone)
    print_means(everyone)
    print_pairs(everyone)
    print_synergies(everyone, groups, count)
    for one, group in zip(everyone, groups, strict=True):
        print(json.dumps(as_dict(one, group)))
    draw(command.figure, [human, *walkers], [groups[0], *groups[2:]], people)


def performed(path: Path, anatomy: Anatomy, clip: Clip, people: People) -> Judged:
    """A policy's performance of the clip, on the original body, beside people."""
    policy = open_policy(path)
    how = Examination(level="original")
    (trial,) = judged(policy, policy.network(anatomy), anatomy, {"clip": (clip,)}, how, lambda what, done, total: None)
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
        "r of their time courses": [
            interval(many([float(np.nan_to_num(m.r).mean()) for m in group.matches])) for group in groups
        ],
        "VAF by synergies of people": [interval(many(group.theirs)) for group in groups],
    }
    for words, cells in rows.items():
        print(f"{words:44}" + "".join(f"{cell:>24}" for cell in cells))
    print()


def mean_of(one: Judged, key: Number) -> float | None:
    """Over muscles, of the mean curves."""
    told = [value for muscle in one.muscles.values() if (value := muscle.value(key)) is not None]
    return float(np.mean(told)) if told else None


def pair_of(one: Judged, names: tuple[str, str]) -> tuple[Interval | None, Interval | None]:
    """Share and level of a pair over strides or people."""
    found = [each for row in one.pairs for each in row if (each.first, each.second) == names]
    return many([each.share for each in found if each.share is not None]), many([each.level for each in found])


def many(values: list[float] | tuple[float, ...]) -> Interval | None:
    """Mean with its interval."""
    return mean_interval(np.array(values)) if values else None


def spread(counts: tuple[int, ...]) -> str:
    """How often each count."""
    if len(counts) == 1:
        return str(counts[0])
    return ", ".join(f"{count} ({counts.count(count)}x)" for count in sorted(set(counts)))


def number(value: float | None, scale: float = 1.0) -> str:
    """For people to read."""
    return "-" if value is None else f"{scale * value:.{0 if scale > 1 else 2}f}"


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


def rounded(value: float | None) -> float | None:
    """To four digits after the point; None for what is no number."""
    return None if value is None or math.isnan(value) else round(value, 4)


def draw(path: Path, everyone: list[Judged], groups: list[Grouped], people: People) -> None:
    """Every muscle with its on-times, the numbers beside those of people, and synergies."""
    human, *walkers = everyone
    count = groups[0].synergies.count
    figure = Figure(figsize=(INCHES, 11.6))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 5, left=0.045, right=0.974, top=0.922, bottom=0.447, hspace=0.44, wspace=0.2)
    for place, name in enumerate(human.muscles):
        panel(figure.add_subplot(grid[place // 5, place % 5]), name, everyone, people, place >= 8)
    summary(figure.add_subplot(grid[2, 3:]), everyone, groups)
    below = figure.add_gridspec(
        2, count, left=0.045, right=0.974, top=0.362, bottom=0.078, hspace=0.42, wspace=0.14, height_ratios=(1.25, 1)
    )
    for column in range(count):
        weights(figure.add_subplot(below[0, column]), column, everyone, groups)
        courses(figure.add_subplot(below[1, column]), column, groups)
    figure.text(0.045, 0.39, f"{count} synergies", fontsize=10.5, color=INK)
    figure.text(
        0.148, 0.39,
        "Muscles that are active together (bars), and when (lines). Numbers are cosines with the synergies of people.",
        fontsize=8.5, color=PALE,
    )  # fmt: skip
    handles = [
        *(Line2D([], [], color=colour, linewidth=1.8, label=one.name)
          for one, colour in zip(walkers, COLOURS, strict=False)),
        Line2D([], [], color=PEOPLE, linewidth=1.8, label=f"mean of {human.name}"),
        Patch(color=BAND, label="single people, 10 to 90 %"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.04, 0.988), ncols=len(handles), fontsize=9.5,
        frameon=False, labelcolor=INK, borderaxespad=0, handlelength=1.8, columnspacing=1.8,
    )  # fmt: skip
    figure.text(
        0.045, 0.011,
        "Excitations in % of their greatest value and mean EMG of people, from strike to strike: compare when, not how "
        "much. Bars under the curves: when each is on.\n"
        "Numbers above the curves are r with the mean of people without lag; grey, mean of each person beside the "
        "others. By chance: exceeded by 5 % of turns of the\n"
        "cycle (r) or of shuffled muscles (cosine); mean over all turns (overlap). EMG: Santuz et al., 15 adults on a "
        "treadmill.",
        fontsize=8, color=PALE, linespacing=1.5,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    print(f"# {path}", file=sys.stderr)


def panel(axes: Axes, name: str, everyone: list[Judged], people: People, last: bool) -> None:
    """One muscle, and when it is on."""
    human, *walkers = everyone
    cycle, colours = np.arange(101), [PEOPLE, *COLOURS]
    single = people.curves[:, people.muscles.index(name)]
    low, high = 100 * np.quantile(single, (0.1, 0.9), axis=0)
    axes.fill_between(cycle, low, high, color=BAND, linewidth=0, zorder=1)
    for number_of, one in reversed(list(enumerate(everyone))):
        curve = one.curves[name] / (1.0 if one is human else one.curves[name].max())
        axes.plot(cycle, 100 * curve, color=colours[number_of], linewidth=1.8 if one is human else 1.3,
                  zorder=2 if one is human else 3)  # fmt: skip
        bottom = -13 - 9 * number_of
        for each in one.muscles[name].bursts:
            for turn in (0, -1):
                first, end = max(0.0, each.start + turn), min(1.0, each.start + each.duration + turn)
                if end > first:
                    axes.barh(
                        bottom, 100 * (end - first), left=100 * first, height=6, color=colours[number_of], zorder=3
                    )
    r = human.each[name].interval("r")
    told = [r.mean if r else None, *(one.muscles[name].shape.r for one in walkers)]
    for number_of, value in enumerate(told):
        words = number(value).replace("-", "\N{MINUS SIGN}") if value is not None else "-"
        axes.text(0.21 * number_of, 1.03, words, transform=axes.transAxes, fontsize=8, color=colours[number_of])
    axes.set_title(name, fontsize=9, color=INK, loc="left", pad=17)
    axes.set_ylim(-18 - 9 * len(walkers), 104)
    axes.set_yticks([0, 50, 100])
    plain(axes, last)


def plain(axes: Axes, last: bool) -> None:
    """The axis of a cycle."""
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 20, 40, 60, 80, 100], ["0", "20", "40", "60", "80", "100 %"] if last else [])
    axes.tick_params(labelsize=7.5, colors=PALE, length=2, pad=2)
    axes.grid(True, color=GRID, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced6")


def summary(axes: Axes, everyone: list[Judged], groups: list[Grouped]) -> None:
    """Means over muscles beside people's, with what chance gives."""
    human, *walkers = everyone
    overlap_chance = float(np.mean([each.chance or 0.0 for one in walkers for each in one.muscles.values()]))
    rows = [
        ("r, no lag", "r", float(np.mean([one.chance for one in walkers]))),
        ("r, best lag", "lagged_r", None),
        ("overlap of on-times", "overlap", overlap_chance),
        ("cosine of synergies", None, float(np.mean([each.lucky for group in groups[1:] for each in group.matches]))),
    ]
    for row, (words, key, chance) in enumerate(rows):
        height = len(rows) - 1 - row
        if key is None:
            told = many([each.mean for each in groups[0].matches])
            values = [group.matches[0].mean for group in groups[1:]]
        else:
            told, values = mean_over_muscles(human.each, key), [mean_of(one, key) or 0.0 for one in walkers]
        axes.axhline(height, color=GRID, linewidth=0.8, zorder=0)
        axes.text(-0.03, height, words, ha="right", va="center", fontsize=8.5, color=INK)
        if told and told.low is not None and told.high is not None:
            axes.plot([told.low, told.high], [height, height], color=PEOPLE, linewidth=7, alpha=0.45,
                      solid_capstyle="round", zorder=2)  # fmt: skip
            axes.plot(told.mean, height, "o", color=PEOPLE, markersize=7, zorder=3)
        for value, colour in zip(values, COLOURS, strict=False):
            axes.plot(value, height, "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
        if chance is not None:
            axes.plot(chance, height, "|", color=INK, markersize=11, markeredgewidth=1.1, zorder=3)
            if row == 0:
                axes.text(chance, height + 0.24, "by chance", ha="center", fontsize=7.5, color=PALE)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(rows) - 0.35)
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
    axes.tick_params(labelsize=7.5, colors=PALE, length=2, pad=2)
    axes.grid(True, axis="x", color=GRID, linewidth=0.7, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced6")
    axes.set_title("mean over muscles, people with 95 % interval", fontsize=8.5, color=INK, loc="left", pad=5,
                   x=0.0)  # fmt: skip
    box = axes.get_position()
    axes.set_position((box.x0 + 0.115, box.y0, box.width - 0.115, box.height))


def weights(axes: Axes, column: int, everyone: list[Judged], groups: list[Grouped]) -> None:
    """Weights of one synergy of people, and of those of the policies that belong to it."""
    names, colours = list(everyone[0].muscles), [PEOPLE, *COLOURS]
    wide = 0.8 / len(groups)
    for number_of, group in enumerate(groups):
        row = theirs(groups, number_of, column)
        axes.bar(np.arange(len(names)) + wide * (number_of - (len(groups) - 1) / 2), group.synergies.weights[row],
                 width=wide, color=colours[number_of], zorder=3)  # fmt: skip
        if number_of:
            found = group.matches[0]
            cosine = next(value for pair, value in zip(found.pairs, found.cosine, strict=True) if pair[1] == column)
            axes.text(1.0 - 0.14 * (len(groups) - 1 - number_of), 1.04, f"{cosine:.2f}", transform=axes.transAxes,
                      ha="right", fontsize=7.5, color=colours[number_of])  # fmt: skip
    axes.set_xticks(range(len(names)), [SHORT.get(name, name) for name in names], rotation=90)
    axes.set_ylim(0, 0.85)
    axes.set_yticks([])
    axes.set_title(f"synergy {column + 1}", fontsize=8.5, color=INK, loc="left", pad=5)
    axes.tick_params(labelsize=7.5, colors=PALE, length=0, pad=2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced6")


def courses(axes: Axes, column: int, groups: list[Grouped]) -> None:
    """When the synergies are active, each over its greatest value."""
    cycle, colours = np.arange(101), [PEOPLE, *COLOURS]
    for number_of, group in reversed(list(enumerate(groups))):
        course = group.synergies.activation[:, theirs(groups, number_of, column)]
        course = 100 * np.append(course, course[0]) / course.max()
        if number_of == 0:
            axes.fill_between(cycle, 0, course, color=BAND, linewidth=0, zorder=1)
        axes.plot(
            cycle, course, color=colours[number_of], linewidth=1.3 if number_of else 1.8, zorder=3 if number_of else 2
        )
    axes.set_ylim(0, 104)
    axes.set_yticks([])
    plain(axes, True)


def theirs(groups: list[Grouped], number_of: int, column: int) -> int:
    """The synergy of a policy that belongs to one of people; people's are their own."""
    return (
        column if number_of == 0 else next(one for one, other in groups[number_of].matches[0].pairs if other == column)
    )


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
