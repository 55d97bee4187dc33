"""How a policy came to know what it knows: reward and error over the time of learning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from myotrack.view.figures import GRID, INK, PALE, WIDTH, Picture

CURVES = {
    "reward": ("score", "score: reward per step", 1.0),
    "error": ("landmark_error", "landmark error [mm]", 1000.0),
    "lost": ("failed", "steps at which the body is lost [%]", 100.0),
}
"""Key of the log, title and factor of every panel."""
COLOURS = ("#c0392b", "#2c5f8a", "#7a5195")
"""Of the stages, in their order."""


def learning_curve(rows: Sequence[Mapping[str, Any]]) -> Picture | None:
    """The log of a training as small curves; None if it says too little.

    Args:
        rows: Of `train.log.read_log`.
    """
    shown = {name: each for name, each in CURVES.items() if sum(each[0] in row for row in rows) > 1}
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH, 2.1))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, len(CURVES), left=0.045, right=0.99, top=0.84, bottom=0.14, wspace=0.2)
    stages = list(dict.fromkeys(str(row.get("stage", "")) for row in rows))
    for column, (key, title, factor) in enumerate(shown.values()):
        axes = figure.add_subplot(grid[0, column])
        for stage, colour in zip(stages, COLOURS, strict=False):
            mine = [row for row in rows if row.get("stage") == stage and key in row]
            minutes = np.array([row["seconds"] for row in mine]) / 60
            axes.plot(minutes, [factor * row[key] for row in mine], color=colour, linewidth=1.6, label=stage)
        axes.set_title(title, fontsize=9, color=INK, loc="left", pad=4)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" if value else "0 min")
        axes.locator_params(nbins=5)
        axes.tick_params(labelsize=8, colors=PALE, length=2, pad=2)
        axes.grid(True, color=GRID, linewidth=0.7)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#c9ced6")
        if key != "score":
            axes.set_ylim(bottom=0)
        if column == 0 and len(stages) > 1:
            axes.legend(fontsize=8, frameon=False)
    last = rows[-1]
    words = (
        f"{last.get('steps_total', 0):,} control steps in {last['seconds'] / 60:.1f} minutes. Measured meanwhile, in "
        "worlds that begin anywhere in the motions: these errors are not those of the scorecard."
    )
    return Picture("learning", "How it was learnt", words, figure)
