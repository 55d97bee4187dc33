"""What the benchmarks of walking policies share: who walks along what, and how their figures look."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.validate.trials import Trial
from myotrack.view.figures import GRID, PALE
from myotrack.workflow.learning import clips_in
from myotrack.workflow.policies import open_policy
from myotrack.workflow.validate import Examination, judged

DATA = (Path(__file__).parents[1] / os.environ.get("MYOTRACK_DATA", "../shared/data")).resolve()
"""Recordings and norms, which are not part of the project."""
COLOURS = ("#c2402c", "#2f5fb3", "#7a4fb0", "#2d8a57")
"""Of the policies."""
BAND = "#dfe3e9"
"""Of people."""


@dataclass(frozen=True)
class Walkers:
    """Policies, and the clip that they follow."""

    clip: Path
    """A clip of the full body."""
    policies: tuple[Path, ...] = (Path("walk-02_01"), Path("walk-02_01-muscles"))
    """Names of policies that come with myotrack, or folders of runs; four at most."""

    def only_clip(self, anatomy: Anatomy) -> Clip:
        """The clip.

        Raises:
            ValueError: There is not one, or there are no policies, or too many for the colours.
        """
        if not 1 <= len(self.policies) <= len(COLOURS):
            raise ValueError(f"Name one to {len(COLOURS)} policies, not {len(self.policies)}.")
        clips = clips_in(self.clip, anatomy)
        if len(clips) != 1:
            raise ValueError(f"{self.clip}: name one clip, not {len(clips)}.")
        return clips[0]


def performance(path: Path, anatomy: Anatomy, clip: Clip) -> Trial:
    """A policy performs a clip once from its first frame, on the original body, mean actions."""
    policy, how = open_policy(path), Examination(level="original")
    (trial,) = judged(policy, policy.network(anatomy), anatomy, {"clip": (clip,)}, how, lambda what, done, total: None)
    return trial


def rounded(value: float | None) -> float | None:
    """To four digits after the point; None for what is no number."""
    return None if value is None or math.isnan(value) else round(value, 4)


def quiet(axes: Axes, size: float = 8.0, grid: bool = True) -> None:
    """Axes that leave the eye to the curves."""
    axes.tick_params(labelsize=size, colors=PALE, length=2, pad=2)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced6")
