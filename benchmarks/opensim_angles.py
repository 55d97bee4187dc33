"""Compare joint angles retargeted from markers with published ones.  Usage: python benchmarks/opensim_angles.py

Rajagopal et al. (2016, doi:10.1109/TBME.2016.2586891) give markers and joint angles of one walk and one run. The angles
are OpenSim's inverse kinematics (the walk's also reduced residuals) with stiff subtalar and toe joints. Ours come from
the markers alone. One constant offset per joint is removed, since zero is where somebody put the markers on a model.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.clips.clip import RATE
from myotrack.retarget.pipeline import fit
from myotrack.retarget.settings import Settings

TRIALS = {
    "walk": ("motion_capture_walk.trc", "moco_coordinates.sto.gz"),
    "run": ("motion_capture_run.trc", "run_IK_outputReference.mot"),
}
JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
LEAST_R, MOST_RMSE = 0.97, 5.0
MARGIN = 0.02
"""Left out at both ends, where curves are extrapolated by filters [s]."""


@dataclass(frozen=True)
class Curve:
    """One joint's angle, ours and published, over the common time."""

    trial: str
    joint: str
    time: np.ndarray
    ours: np.ndarray
    """[deg]"""
    published: np.ndarray
    """[deg]"""

    @property
    def offset(self) -> float:
        """Ours less published, on average [deg]."""
        return float((self.ours - self.published).mean())

    @property
    def rmse(self) -> float:
        """Root mean square difference without the offset [deg]."""
        return float((self.ours - self.published).std())

    @property
    def r(self) -> float:
        """Pearson's correlation."""
        return float(np.corrcoef(self.ours, self.published)[0, 1])


def compare(trial: str, folder: Path, anatomy: Anatomy, settings: Settings) -> list[Curve]:
    """Retarget the markers of a trial and put the angles beside the published ones."""
    markers, published = (read(folder / file) for file in TRIALS[trial])
    clip = fit(markers, anatomy, settings).clip
    assert published.coordinates is not None
    ours_time = markers.start + np.arange(clip.frames) / RATE
    their_time = published.start + np.arange(published.frames) / published.rate
    first, last = max(ours_time[0], their_time[0]) + MARGIN, min(ours_time[-1], their_time[-1]) - MARGIN
    time = np.arange(first, last, 1 / RATE)
    curves = []
    for joint in (f"{name}_{side}" for name in JOINTS for side in ("r", "l")):
        ours = clip.pos[:, anatomy.coordinate_names.index(joint) + 1].numpy()
        theirs = published.coordinates.values[:, published.coordinates.names.index(joint)]
        both = (np.interp(time, ours_time, ours), np.interp(time, their_time, theirs))
        curves.append(Curve(trial, joint, time, np.rad2deg(both[0]), np.rad2deg(both[1])))
    return curves


def draw(curves: list[Curve], picture: Path) -> None:
    """Ours and the published curves without their offsets."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = len(TRIALS) * 2
    figure, axes = plt.subplots(rows, len(JOINTS), figsize=(13, 2.6 * rows), constrained_layout=True)
    for number, curve in enumerate(curves):
        within = number % (2 * len(JOINTS))
        row = 2 * (number // (2 * len(JOINTS))) + within % 2
        plot = axes[row, within // 2]
        plot.plot(curve.time, curve.published, color="0.6", linewidth=2.5, label="published")
        plot.plot(curve.time, curve.ours - curve.offset, color="C3", linewidth=1.2, label="ours, without offset")
        plot.set_title(f"{curve.trial}, {curve.joint}: {curve.rmse:.1f} deg, r {curve.r:.3f}", fontsize=9)
        plot.tick_params(labelsize=7)
    axes[0, 0].legend(fontsize=7)
    axes[-1, 0].set_xlabel("time [s]", fontsize=8)
    axes[-1, 0].set_ylabel("[deg]", fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


@dataclass(frozen=True)
class Command:
    """Print offset, RMSE and r of every joint."""

    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)
    """Of retargeting."""
    picture: Path | None = None
    """Draw the curves to this file."""


def main(command: Command) -> None:
    """Measure and print."""
    root = Path(__file__).parents[1]
    folder = root / os.environ.get("MYOTRACK_DATA", "../shared/data") / "rajagopal2016"
    if not folder.is_dir():
        print(
            f"Skipped: there are no recordings in {folder}. Set MYOTRACK_DATA to the folder that holds rajagopal2016/."
        )
        return
    anatomy = Anatomy.load("full")
    curves = [curve for trial in TRIALS for curve in compare(trial, folder, anatomy, command.settings)]
    print(
        f"{'trial':6}{'joint':16}{'offset':>8}{'RMSE':>8}{'r':>9}   wanted: RMSE <= {MOST_RMSE:g} deg, r >= {LEAST_R}"
    )
    for curve in curves:
        verdict = "" if curve.r >= LEAST_R and curve.rmse <= MOST_RMSE else "   short"
        print(f"{curve.trial:6}{curve.joint:16}{curve.offset:8.1f}{curve.rmse:8.2f}{curve.r:9.4f}{verdict}")
    if command.picture is not None:
        draw(curves, command.picture)
        print(command.picture)


if __name__ == "__main__":
    main(tyro.cli(Command))
