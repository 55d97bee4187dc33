"""Clips on a page: stick figures from the side, joint angles of both sides, and when the feet stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Circle

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip

PER_PAGE = 16
"""Clips on one page; more go on further pages."""
RIGHT, LEFT, MIDDLE = "#0b6e8f", "#e0722c", "#2b2f36"
INK, PALE, FAINT = "#2b2f36", "#8b929c", "#dfe3e8"
GOOD, POOR = "#2f8f5b", "#b8860b"
STEPS = (0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Times between figures [s]."""
MOST_FIGURES = 12
APART = 0.85
"""Room for each figure [m]."""
AHEAD, ASIDE = 0.8, 0.6
"""Sine and cosine of the turn by which arms are seen from the front."""
TRAVELLED = 0.5
"""Distance from which a clip is seen across its path instead of across the first look [m]."""

_SIDED = {
    "full": [("hip", "knee"), ("knee", "ankle"), ("ankle", "toe"), ("shoulder", "elbow"), ("elbow", "hand")],
    "arms": [("shoulder", "elbow"), ("elbow", "hand")],
}
_ANGLES = {
    "full": [("hip_flexion", "hip flexion"), ("knee_angle", "knee flexion"), ("ankle_angle", "ankle dorsiflexion")],
    "arms": [("shoulder_elv", "arm elevation"), ("elbow_flex", "elbow flexion"), ("flexion", "wrist flexion")],
}


@dataclass(frozen=True)
class Film:
    """A clip as it is seen: forward is to the right."""

    places: Float[np.ndarray, "frame landmark 2"]
    """To the right and up [m]."""
    names: tuple[str, ...]

    @classmethod
    def of(cls, clip: Clip, anatomy: Anatomy) -> "Film":
        """Look at a clip across its path, or across the way the body looks if it stays in its place.

        Arms on a fixed trunk are seen half from the front, where one does not hide the other.
        """
        pose = anatomy.kinematics.pose(clip.pos)
        pos, trunk = pose.pos.numpy(), pose.rotation[:, 0].numpy()
        way = pos[-1, 0, :2] - pos[0, 0, :2]
        if np.hypot(*way) < TRAVELLED:
            way = trunk[:, :2, 0].mean(axis=0)
        way = way / max(float(np.hypot(*way)), 1e-9)
        if not anatomy.free:
            way = np.array([[ASIDE, -AHEAD], [AHEAD, ASIDE]]) @ way
        forward = pos[..., :2] @ way
        return cls(np.stack([forward, pos[..., 2]], axis=2), anatomy.landmarks)

    def at(self, frame: int, landmark: str) -> Float[np.ndarray, "2"]:
        """Where a landmark is."""
        return self.places[frame, self.names.index(landmark)]


def draw_pages(clips: Sequence[tuple[Clip, Anatomy]], path: Path) -> list[Path]:
    """Write pages of clips: FILE.png, and FILE-2.png and so on if one is not enough."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [clips[start : start + PER_PAGE] for start in range(0, len(clips), PER_PAGE)]
    written = []
    for number, page in enumerate(pages, start=1):
        target = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        figure = draw_page(page)
        figure.savefig(target, dpi=110, facecolor="white")
        written.append(target)
    return written


def draw_page(clips: Sequence[tuple[Clip, Anatomy]]) -> Figure:
    """One page, a row per clip."""
    row, top, bottom = 2.75, 0.5, 0.15
    height = row * len(clips) + top + bottom
    figure = Figure(figsize=(16, height))
    FigureCanvasAgg(figure)
    figure.text(0.02, 1 - 0.28 / height, "right", color=RIGHT, fontsize=11, weight="bold", va="center")
    figure.text(0.052, 1 - 0.28 / height, "left", color=LEFT, fontsize=11, weight="bold", va="center")
    views = {True: "seen from the right", False: "arms on a fixed trunk half from the front"}
    words = ", ".join(dict.fromkeys(views[anatomy.free] for _, anatomy in clips))
    if any(anatomy.foot_regions for _, anatomy in clips):
        words += "; bars say when heel (dark) and toes (light) are meant to stand"
    figure.text(0.08, 1 - 0.28 / height, words, color=PALE, fontsize=10, va="center")
    for number, (clip, anatomy) in enumerate(clips):
        above = 1 - (top + row * number) / height
        _draw_clip(figure, clip, anatomy, above, row / height)
    return figure


def _draw_clip(figure: Figure, clip: Clip, anatomy: Anatomy, above: float, height: float) -> None:
    inner = {"top": above - 0.16 * height, "bottom": above - 0.88 * height}
    standing = bool(anatomy.foot_regions)
    left = GridSpec(
        2, 1, figure, left=0.02, right=0.525, height_ratios=[7, 1.2 if standing else 0.01], hspace=0.04, **inner
    )
    right = GridSpec(1, 3, figure, left=0.57, right=0.985, wspace=0.28, **inner)
    step = _step(clip.duration)
    figures = figure.add_subplot(left[0])
    _draw_figures(figures, clip, Film.of(clip, anatomy), step)
    stances = figure.add_subplot(left[1])
    _draw_stances(stances, clip, anatomy, figures, step)
    for column, (coordinate, title) in enumerate(_ANGLES[clip.body]):
        _draw_angle(figure.add_subplot(right[column]), clip, anatomy, coordinate, title)
    y = above - 0.055 * height
    name = figure.text(0.02, y, clip.name, fontsize=13, weight="bold", color=INK, va="center")
    width = name.get_window_extent().width / figure.bbox.width
    about = [f"{clip.duration:.2f} s", clip.provenance.source]
    about += [f"subject {clip.subject}"] if clip.subject else []
    figure.text(0.02 + width + 0.01, y, "  ·  ".join(about), fontsize=10, color=PALE, va="center")
    words, colour = _verdict(clip)
    figure.text(0.985, y, words, fontsize=10, color=colour, va="center", ha="right")


def _step(duration: float) -> float:
    """Time between two figures."""
    return next((step for step in STEPS if duration / step <= MOST_FIGURES), duration / MOST_FIGURES)


def _draw_figures(axes: Axes, clip: Clip, film: Film, step: float) -> None:
    """Figures side by side, one every `step`, over a floor that is a time axis."""
    frames = range(0, clip.frames, round(step * RATE))
    body = clip.body
    for number, frame in enumerate(frames):
        centre = np.array([number * APART - film.places[frame, 0, 0], 0.0])
        for side, colour, width, order in (("left", LEFT, 1.7, 1), ("right", RIGHT, 2.3, 3)):
            lines = [
                [film.at(frame, f"{side}_{upper}") + centre, film.at(frame, f"{side}_{lower}") + centre]
                for upper, lower in _SIDED[body]
            ]
            axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, capstyle="round", zorder=order))
        trunk = film.at(frame, "upper_body") + centre
        shoulders = [[trunk, film.at(frame, f"{side}_shoulder") + centre] for side in ("left", "right")]
        spine = []
        if body == "full":
            hips = (film.at(frame, "left_hip") + film.at(frame, "right_hip")) / 2 + centre
            head = film.at(frame, "head") + centre
            spine = [[hips, trunk], [trunk, head]]
            axes.add_patch(_head(head, MIDDLE))
        else:
            # The trunk has no landmarks of its own; it only says where the body is.
            hips, head = trunk - np.array([0.0, 0.45]), trunk + np.array([0.0, 0.22])
            axes.add_collection(LineCollection([[hips, trunk]], colors=FAINT, linewidths=6, zorder=0))
            axes.add_patch(_head(head, FAINT))
        axes.add_collection(
            LineCollection(spine + shoulders, colors=MIDDLE, linewidths=2.3, capstyle="round", zorder=2)
        )
    height = film.places[..., 1]
    free = body == "full"
    trunk = float(height[0, 0])
    low = min(0.0 if free else trunk - 0.45, float(height.min())) - 0.03
    high = max(trunk + (0.0 if free else 0.22), float(height.max())) + 0.15
    if free:
        axes.axhline(0.0, color=PALE, linewidth=0.8, zorder=0)
    # A metre is as long across as it is up, and the stances below share the axis, so the limits follow the panel.
    assert isinstance(axes.figure, Figure)
    panel = axes.get_position()
    across, up = (panel.width * axes.figure.get_figwidth(), panel.height * axes.figure.get_figheight())
    metres_per_inch = max((len(frames) + 0.4) * APART / across, (high - low) / up)
    start = -0.6 * APART
    axes.set(xlim=(start, start + metres_per_inch * across), ylim=(low, low + metres_per_inch * up))
    axes.axis("off")


def _head(place: Float[np.ndarray, "2"], colour: str) -> Circle:
    centre = float(place[0]), float(place[1])
    return Circle(centre, 0.1, facecolor="white", edgecolor=colour, linewidth=1.8, zorder=4 if colour == MIDDLE else 0)


def _draw_stances(axes: Axes, clip: Clip, anatomy: Anatomy, figures: Axes, step: float) -> None:
    """Bars while a region of a sole is meant to stand, below the figures and on their time axis."""
    per_frame = APART / round(step * RATE)
    times = np.arange(0, clip.duration + 1e-9, step)
    axes.set(xlim=figures.get_xlim(), xticks=times * RATE * per_frame, yticks=[])
    axes.set_xticklabels([_seconds(time) for time in times], fontsize=8, color=PALE)
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    contact = clip.contact.numpy()
    for row, region in enumerate(anatomy.foot_regions):
        colour = RIGHT if region.startswith("right") else LEFT
        bars = [(start * per_frame, (end - start) * per_frame) for start, end in _runs(contact[:, row])]
        height = -row - (0.35 if row >= 2 else 0.0)
        axes.broken_barh(bars, (height, 0.8), color=colour, alpha=1.0 if "hind" in region else 0.45, linewidth=0)
    axes.set_ylim(-len(anatomy.foot_regions) - 0.1, 1.0)


def _draw_angle(axes: Axes, clip: Clip, anatomy: Anatomy, coordinate: str, title: str) -> None:
    """A joint angle of both sides over time, between its limits."""
    time = np.arange(clip.frames) / RATE
    names = list(anatomy.coordinate_names)
    shift = clip.pos.shape[1] - len(names)  # A quaternion has one number more than its rates.
    for side, colour, order in (("l", LEFT, 2), ("r", RIGHT, 3)):
        column = names.index(f"{coordinate}_{side}") + shift
        axes.plot(time, np.degrees(clip.pos[:, column].numpy()), color=colour, linewidth=1.5, zorder=order)
    axes.set_title(f"{title} [°]", fontsize=9.5, color=INK, loc="left", pad=4)
    axes.axhline(0.0, color=PALE, linewidth=0.7, zorder=1)
    low, high = axes.get_ylim()
    if high - low < 30:
        middle = (low + high) / 2
        axes.set_ylim(middle - 15, middle + 15)
    axes.set_xlim(0, clip.duration)
    axes.xaxis.set_major_formatter(lambda value, _: _seconds(value))
    axes.locator_params(axis="y", nbins=5)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(labelsize=8, colors=PALE, length=2)
    axes.grid(True, color="#eceef1", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color("#c9ced6")


def _seconds(time: float) -> str:
    return f"{time:.4g}" if time else "0 s"


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Beginnings and ends of the stretches that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], values.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _verdict(clip: Clip) -> tuple[str, str]:
    if clip.quality is None:
        return "not assessed", PALE
    poor = clip.quality.failures()
    if not poor:
        return "✓ within the quality limits", GOOD
    first, *others = poor
    return f"poor: {first}{f', and {len(others)} more' if others else ''}", POOR
