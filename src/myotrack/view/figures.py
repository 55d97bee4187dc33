"""Figures of one trial: activations of muscle groups, angles, moments, errors over time, ground reaction, EMG.

Everything that is drawn over time shares its colours: right is blue, left is orange, the reference is pale.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from myotrack.anatomy.joints import positive_direction
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.muscles import GROUPS
from myotrack.anatomy.naming import LEFT as LEFT_SIDE
from myotrack.anatomy.naming import MIDLINE, side_of, stem_of
from myotrack.anatomy.naming import RIGHT as RIGHT_SIDE
from myotrack.validate.tracking import (
    body_weight,
    hand_errors,
    joint_errors,
    joint_moments,
    landmark_errors,
    root_errors,
)
from myotrack.validate.trials import Trial

WIDTH = 11.0
"""Of every figure [inch]; letters are 8 to 10 points."""
RIGHT, LEFT, MIDDLE = "#0b6e8f", "#e0722c", "#2b2f36"
INK, PALE, GRID, REFERENCE = "#2b2f36", "#69717c", "#e9ecf0", "#c3cad3"
MISSED, OUTSIDE = "#b3261e", "#7a4fb0"
"""Moments that muscles missed, and those that came from outside."""
HEAT = LinearSegmentedColormap.from_list("heat", ["#f4f5f7", "#fbd9b5", "#f3953f", "#d1391f", "#6d0f1d"])
STEPS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the scale of the activation map may end."""
COLUMNS = 4
"""Panels in a row."""
POINTS = 400
"""A panel shows about so many instants: more cannot be seen, and would make the page large."""
_COLOURS = {RIGHT_SIDE: RIGHT, LEFT_SIDE: LEFT, MIDLINE: MIDDLE}
_SHORT = {
    "elv_angle": "plane of arm elevation",
    "shoulder_rot": "shoulder internal rotation",
    "deviation": "wrist radial deviation",
    "flex_extension": "lumbar extension",
}
"""Titles of panels where the description of a joint is too long for one."""


@dataclass(frozen=True)
class Picture:
    """A figure with what to say about it."""

    name: str
    title: str
    words: str
    figure: Figure

    def svg(self) -> str:
        """As one `<svg>` element that a page can contain: no header, no date, text as text."""
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            stream = io.StringIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            self.figure.savefig(stream, format="svg", facecolor="none", metadata=nothing)
        text = stream.getvalue()
        text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
        text = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit-sans, sans-serif", text).replace("inherit-sans, ", "")
        # Width and height come from the page; the view box keeps the proportions.
        return re.sub(r'(<svg[^>]*?) height="[^"]*"| width="[^"]*pt"', lambda found: found[1] or "", text, count=0)


def pictures(trial: Trial, anatomy: Anatomy) -> list[Picture]:
    """All figures that a trial has the data for, in the order of a report."""
    kinds: tuple[Callable[[Trial, Anatomy], Picture | None], ...] = (
        activation_map, emg_overlay, joint_angles, joint_moment_panels, errors_over_time, ground_reaction,
    )  # fmt: skip
    return [picture for picture in (kind(trial, anatomy) for kind in kinds) if picture is not None]


def activation_map(trial: Trial, anatomy: Anatomy) -> Picture:
    """Mean activation of each muscle group over time, right and left side by side."""
    present = {muscle.group for muscle in anatomy.muscles}
    groups = [group for group in GROUPS if group in present]
    activation = trial.activation.double().numpy()
    maps = {}
    for side in (RIGHT_SIDE, LEFT_SIDE):
        rows = []
        for group in groups:
            mine = [row for row, muscle in enumerate(anatomy.muscles) if (muscle.group, muscle.side) == (group, side)]
            rows.append(activation[:, mine].mean(axis=1) if mine else np.full(trial.frames, np.nan))
        maps[side] = np.stack(rows)
    top = np.nanmax([np.nanpercentile(values, 99.5) for values in maps.values()])
    top = next(step for step in STEPS if top <= step or step == STEPS[-1])
    figure = _figure(0.95 + 0.215 * len(groups))
    height = figure.get_figheight()
    for column, (side, values) in enumerate(maps.items()):
        axes = figure.add_axes((0.185 + 0.38 * column, 0.5 / height, 0.365, 1 - 0.85 / height))
        image = axes.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap=HEAT,
            vmin=0,
            vmax=top,
            extent=(0, trial.frames / trial.rate, len(groups) - 0.5, -0.5),
        )
        axes.set_title(side, fontsize=10, color=_COLOURS[side], weight="bold", loc="left", pad=5)
        axes.set_yticks(range(len(groups)), groups if column == 0 else [])
        axes.hlines(np.arange(len(groups) - 1) + 0.5, 0, trial.frames / trial.rate, color="white", linewidth=1)
        axes.tick_params(labelsize=8.5, colors=INK, length=0)
        axes.tick_params(axis="x", colors=PALE, length=2)
        axes.set_xlabel("time [s]", fontsize=8.5, color=PALE)
        axes.spines[:].set_visible(False)
        if column == 1:
            bar = figure.colorbar(image, cax=figure.add_axes((0.938, 0.5 / height, 0.011, 1 - 0.85 / height)))
            bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
            bar.set_ticks(np.linspace(0, top, 6).tolist())
            bar.ax.tick_params(labelsize=8, colors=PALE, length=2)
            bar.outline.set_visible(False)  # type: ignore[operator]
    words = (
        "Mean activation of the muscles of each group; 100 % is all that a muscle can give. "
        f"The scale ends at {100 * top:.0f} %."
    )
    return Picture("activation", "Which muscles were active, and when", words, figure)


def emg_overlay(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Recorded EMG beside the activation of the muscles it listens to; None without a recording."""
    if trial.emg is None:
        return None
    some, names = _some(trial), anatomy.muscle_names
    time, envelope = _time(trial)[some], trial.emg.envelope.double().numpy()[some]
    activation = trial.activation.double().numpy()[some]
    figure, panels = _panels(len(trial.emg.names))
    for number, axes in enumerate(panels):
        mine = [names.index(name) for name in trial.emg.muscles[number]]
        found = activation[:, mine].mean(axis=1) if mine else np.zeros(len(time))
        top = max(0.1, 1.1 * float(found.max()))
        # Of EMG only the shape is known: it fills the panel.
        shape = envelope[:, number] * (0.95 * top / max(float(envelope[:, number].max()), 1e-9))
        axes.fill_between(time, shape, color=REFERENCE, linewidth=0, zorder=1)
        if mine:
            axes.plot(time, found, color=MISSED, linewidth=1.4, zorder=3)
        _finish(axes, trial.emg.names[number].replace("_", " "), time)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    _legend(figure, [Patch(color=REFERENCE, label="recorded EMG"), _line(MISSED, "activation found")])
    words = (
        "The mean activation found for the muscles that each channel listens to, and recorded muscle activity (EMG), "
        "smoothed and scaled to fill its panel: compare when, not how much. EMG leads force by some tens of "
        "milliseconds; here both are drawn at their own time."
    )
    return Picture("emg", "Beside recorded muscle activity", words, figure)


def joint_angles(trial: Trial, anatomy: Anatomy) -> Picture:
    """Every independent joint against its reference."""
    skip = 7 if trial.free else 0
    some, names = _some(trial), anatomy.coordinate_names[trial.joints]
    angles = np.degrees(trial.pos[some, skip:].numpy())
    wanted = np.degrees(trial.reference_pos[some, skip:].numpy())
    time = _time(trial)[some]
    columns = _columns(names)
    figure, panels = _panels(len(columns))
    for axes, (stem, members) in zip(panels, columns.items(), strict=True):
        for member in members:
            colour = _COLOURS[side_of(names[member], names)]
            if trial.simulated:
                axes.plot(time, wanted[:, member], color=REFERENCE, linewidth=4, solid_capstyle="round", zorder=1)
            axes.plot(time, angles[:, member], color=colour, linewidth=1.3, zorder=3)
        _finish(axes, f"{title_of(stem)} [°]", time, least=10.0)
    handles = _sides(names)
    words = "Joint angles of the recorded motion. Positive is what the title says."
    if trial.simulated:
        handles.append(_line(REFERENCE, "reference", 4.0))
        words = "What the body did (thin) over what it should have done (pale, wide). Positive is what the title says."
    _legend(figure, handles)
    return Picture("angles", "Joint angles against the reference", words, figure)


def joint_moment_panels(trial: Trial, anatomy: Anatomy) -> Picture:
    """Moments asked of the muscles, what they made, what they missed, what came from outside."""
    some, names = _some(trial), anatomy.coordinate_names[trial.joints]
    moment, residual, reserve = (joint_moments(trial, which)[some] for which in ("moment", "residual", "reserve"))
    made, time = moment - residual - reserve, _time(trial)[some]
    columns = _columns(names)
    figure, panels = _panels(len(columns))
    helped = bool(np.abs(reserve).max(initial=0.0) > 0)
    for axes, (stem, members) in zip(panels, columns.items(), strict=True):
        for member in members:
            colour = _COLOURS[side_of(names[member], names)]
            asked, ours = moment[:, member], made[:, member]
            axes.plot(time, asked, color=REFERENCE, linewidth=4, solid_capstyle="round", zorder=1)
            axes.fill_between(time, ours, asked - reserve[:, member], color=MISSED, alpha=0.45, linewidth=0, zorder=2)
            axes.plot(time, ours, color=colour, linewidth=1.3, zorder=3)
            if helped:
                axes.plot(time, reserve[:, member], color=OUTSIDE, linewidth=1.0, linestyle=(0, (2, 1.5)), zorder=4)
        _finish(axes, f"{title_of(stem)} [N m]", time, least=2.0)
    handles = [*_sides(names), _line(REFERENCE, "asked for", 4.0), Patch(color=MISSED, alpha=0.45, label="missed")]
    if helped:
        handles.append(Line2D([], [], color=OUTSIDE, linestyle=(0, (2, 1.5)), label="reserve, from outside"))
    _legend(figure, handles)
    words = (
        "What the motion asks of the muscles at each joint (pale, wide) and what they made of it (thin). "
        "Red is what they missed. " + ("Dashed is help from outside." if helped else "No reserve moment helped.")
    )
    return Picture("moments", "Joint moments", words, figure)


def errors_over_time(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Errors of joints, landmarks and root over time; None where nothing was simulated."""
    if not trial.simulated:
        return None
    time, joints = _time(trial), np.abs(joint_errors(trial))
    landmarks, hands = 1000 * landmark_errors(trial), 1000 * hand_errors(trial, anatomy)
    figure, panels = _panels(3 if trial.free else 2, columns=3 if trial.free else 2, row=2.0, line=0.0)
    panels[0].fill_between(time, joints.max(axis=1), color=REFERENCE, linewidth=0, label="worst joint", zorder=1)
    panels[0].plot(time, joints.mean(axis=1), color=INK, linewidth=1.5, label="mean", zorder=3)
    _finish(panels[0], "joint error [°]", time, floor=True)
    panels[1].fill_between(time, landmarks.max(axis=1), color=REFERENCE, linewidth=0, label="worst", zorder=1)
    panels[1].plot(time, landmarks.mean(axis=1), color=INK, linewidth=1.5, label="mean", zorder=3)
    for column, (colour, label) in enumerate(((RIGHT, "right hand"), (LEFT, "left hand"))):
        panels[1].plot(time, hands[:, column], color=colour, linewidth=1.1, label=label, zorder=2)
    _finish(panels[1], "landmark error [mm]", time, floor=True)
    if trial.free:
        distance, angle = root_errors(trial)
        panels[2].plot(time, 1000 * distance, color=INK, linewidth=1.5, label="position [mm]", zorder=3)
        panels[2].plot(time, angle, color=OUTSIDE, linewidth=1.3, label="orientation [°]", zorder=2)
        _finish(panels[2], "pelvis error", time, floor=True)
    for axes in panels:
        axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper right", labelcolor=INK)
        axes.set_ylim(top=1.25 * axes.get_ylim()[1])
    words = "How far the body was from its reference at every instant."
    return Picture("errors", "Tracking error over time", words, figure)


def ground_reaction(trial: Trial, anatomy: Anatomy) -> Picture | None:
    """Who carries the body: each foot, and the support; None for a body without feet or in a trial without contact."""
    if not trial.foot_force_w.shape[1] or not (trial.simulated or bool(trial.foot_force_w.any())):
        return None
    time, weight = _time(trial), body_weight(anatomy) / 100
    feet = trial.foot_force_w.double().numpy() / weight
    held = bool(trial.support.any())
    figure, panels = _panels(2, columns=2, row=2.0, line=0.0)
    for foot, (colour, label) in enumerate(((RIGHT, "right foot"), (LEFT, "left foot"))):
        panels[0].plot(time, feet[:, foot, 2], color=colour, linewidth=1.4, label=label, zorder=3)
        across = np.hypot(feet[:, foot, 0], feet[:, foot, 1])
        panels[1].plot(time, across, color=colour, linewidth=1.4, label=label, zorder=3)
    if held:
        upward = trial.support[:, 2].double().numpy() / weight
        panels[0].plot(time, upward, color=OUTSIDE, linewidth=1.2, label="support, upward", zorder=2)
        aside = np.hypot(*trial.support[:, :2].double().numpy().T) / weight
        panels[1].plot(time, aside, color=OUTSIDE, linewidth=1.2, label="support", zorder=2)
    _finish(panels[0], "vertical force [% of body weight]", time)
    _finish(panels[1], "horizontal force [% of body weight]", time, floor=True)
    for axes in panels:
        axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper right", labelcolor=INK)
        low, high = axes.get_ylim()
        axes.set_ylim(top=high + 0.25 * (high - low))
    words = "Forces of the ground on the feet" + (" and of the support that holds the pelvis." if held else ".")
    return Picture("ground", "Forces from outside", words, figure)


def title_of(stem: str) -> str:
    """What a joint's positive direction is called in a panel."""
    return _SHORT.get(stem) or positive_direction(stem).partition(" (")[0]


def _columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Joints that share a panel: the same on both sides."""
    columns: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        columns.setdefault(stem_of(name), []).append(index)
    return columns


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def _panels(count: int, columns: int = COLUMNS, row: float = 1.45, line: float = 0.3) -> tuple[Figure, list[Axes]]:
    """A grid of panels below a line for the legend."""
    rows = math.ceil(count / columns)
    height = row * rows + line
    figure = _figure(height)
    top = 1 - (0.22 + line) / height
    grid = figure.add_gridspec(
        rows, columns, left=0.04, right=0.99, top=top, bottom=0.22 / height, hspace=0.5, wspace=0.2
    )
    return figure, [figure.add_subplot(grid[number // columns, number % columns]) for number in range(count)]


def _finish(axes: Axes, title: str, time: Float[np.ndarray, "frame"], least: float = 0.0, floor: bool = False) -> None:
    """Quiet axes with their title; a span of at least `least`, from zero up if `floor`."""
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=4)
    low, high = axes.get_ylim()
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)
    if floor:
        axes.set_ylim(bottom=0)
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0.0, color=REFERENCE, linewidth=0.8, zorder=0)
    axes.set_xlim(0, max(float(time[-1]), 1e-3))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value else "0 s")
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(labelsize=8, colors=PALE, length=2, pad=2)
    axes.grid(True, color=GRID, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced6")


def _legend(figure: Figure, handles: Sequence[Line2D | Patch]) -> None:
    height = figure.get_figheight()
    figure.legend(
        handles=list(handles), loc="upper left", bbox_to_anchor=(0.03, 1 - 0.02 / height), ncols=len(handles),
        fontsize=9, frameon=False, labelcolor=INK, borderaxespad=0, handlelength=1.4, columnspacing=1.6,
    )  # fmt: skip


def _sides(names: Sequence[str]) -> list[Line2D | Patch]:
    there = {side_of(name, names) for name in names}
    return [_line(_COLOURS[side], side) for side in (RIGHT_SIDE, LEFT_SIDE, MIDLINE) if side in there]


def _line(colour: str, label: str, width: float = 1.6) -> Line2D:
    return Line2D([], [], color=colour, linewidth=width, label=label)


def _some(trial: Trial) -> slice:
    """The frames that small panels show."""
    return slice(None, None, math.ceil(trial.frames / POINTS))


def _time(trial: Trial) -> Float[np.ndarray, "frame"]:
    return np.arange(trial.frames) / trial.rate
