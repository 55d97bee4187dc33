"""How a policy came to know what it knows: reward and error over the time of learning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from myotrack.view.plot import Key, Line, Panel, Picture

CURVES = {
    "reward": ("score", "score: reward per step", 1.0, ""),
    "error": ("landmark_error", "landmark error", 1000.0, "mm"),
    "lost": ("failed", "steps at which the body is lost", 100.0, "%"),
}
"""Key of the log, title, factor and unit of every panel."""
COLOURS = ("own", "right", "left", "outside", "missed")
"""Of the stages, in their order; the last is that of all further ones."""


def learning_curve(rows: Sequence[Mapping[str, Any]]) -> Picture | None:
    """The log of a training as small curves; None if it says too little.

    Args:
        rows: Of `train.log.read_log`.
    """
    shown = {name: each for name, each in CURVES.items() if sum(each[0] in row for row in rows) > 1}
    if not shown:
        return None
    stages = list(dict.fromkeys(str(row.get("stage", "")) for row in rows))
    colours = {stage: COLOURS[min(number, len(COLOURS) - 1)] for number, stage in enumerate(stages)}
    minutes = np.array([row["seconds"] for row in rows]) / 60
    panels = []
    for key, title, factor, unit in shown.values():
        lines = []
        for stage, colour in colours.items():
            mine = [row.get("stage", "") == stage and key in row for row in rows]
            values = [factor * row[key] if told else np.nan for row, told in zip(rows, mine, strict=True)]
            lines.append(Line(colour, np.array(values, dtype=np.float64), label=stage or title))
        panels.append(Panel(title, unit, minutes, lines, floor=key != "score"))
    last = rows[-1]
    words = (
        f"{last.get('steps_total', 0):,} control steps in {last['seconds'] / 60:.1f} minutes. Measured meanwhile, in "
        "worlds that begin anywhere in the motions: these errors are not those of the scorecard."
    )
    keys = [Key(colour, stage) for stage, colour in colours.items()] if len(stages) > 1 else []
    return Picture("learning", "How it was learnt", words, panels, keys, axis="minutes")
