"""The figure of muscles beside EMG (`emg`): curves with on-times, numbers beside those of people, synergies."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from walkers import BAND, COLOURS, quiet

from myotrack.validate.cocontraction import CoContraction
from myotrack.validate.emg import MuscleLikeness, Number, People, Several, mean_over_muscles
from myotrack.validate.norms import Norm
from myotrack.validate.statistics import Interval, mean_interval
from myotrack.validate.synergies import Match, Synergies
from myotrack.view.figures import GRID, INK, PALE
from myotrack.view.figures import WIDTH as INCHES

PEOPLE = "#8b95a2"
SHORT = {
    "gluteus medius": "GMed", "gluteus maximus": "GMax", "tensor fasciae latae": "TFL", "rectus femoris": "RF",
    "vastus medialis": "VM", "vastus lateralis": "VL", "semitendinosus": "ST", "biceps femoris": "BF",
    "tibialis anterior": "TA", "peroneus longus": "PL", "gastrocnemius medialis": "GM", "gastrocnemius lateralis": "GL",
    "soleus": "SOL",
}  # fmt: skip


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


def mean_of(one: Judged, key: Number) -> float | None:
    """Over muscles, of the mean curves."""
    told = [value for muscle in one.muscles.values() if (value := muscle.value(key)) is not None]
    return float(np.mean(told)) if told else None


def many(values: list[float] | tuple[float, ...]) -> Interval | None:
    """Mean with its interval."""
    return mean_interval(np.array(values)) if values else None


def number(value: float | None, scale: float = 1.0) -> str:
    """For people to read."""
    return "-" if value is None else f"{scale * value:.{0 if scale > 1 else 2}f}"


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
    quiet(axes, 7.5)


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
