"""The gait of walking policies beside the clip that they follow and beside published norms of walking.

    python benchmarks/walking_gait.py --policies walk-02_01 walk-02_01-muscles --clip CLIPS/02_01.npz

CLIPS is a folder made by `myotrack retarget ../shared/data/cmu_asfamc/02_01.amc --body full --out CLIPS`. A policy is
the name of one that comes with myotrack, or the folder of a run; it performs the clip once from its first frame on the
original body, mean actions. Norms are read from MYOTRACK_DATA (default ../shared/data), folder 'normative'. Prints
tables, then a JSON object per policy and for the clip, and draws one figure.
"""

import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from walkers import BAND, COLOURS, DATA, Walkers, performance, quiet, rounded

from myotrack.anatomy.electrodes import electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.steer.ground import STOOD_ON
from myotrack.validate.gait import ANGLES, FORCES, Gait, gait, meaning
from myotrack.validate.norms import WIDTH, Likeness, Norm, NormError, as_emg, by_chance, compare, read_norms
from myotrack.validate.tracking import body_weight
from myotrack.validate.walker import GaitError, Walker
from myotrack.view.figures import INK, PALE
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import machine

SAGITTAL = ("hip_flexion", "knee_angle", "ankle_angle")
ANGLE_R, VERTICAL_R, EMG_R = 0.90, 0.95, (0.36, 0.46)
"""Mean r of joint angles, r of the vertical force and mean r of 12 muscles of the best published muscle-driven walker:
MuscleMimic, against recordings of its own choice, so beside ours in kind only."""
CLIP = "clip"
NORM = "#a4adb8"
DRAWN = (
    "gluteus maximus", "gluteus medius", "rectus femoris", "vastus lateralis", "biceps femoris", "tibialis anterior",
    "gastrocnemius medialis", "soleus",
)  # fmt: skip
"""Muscles in the figure; the table has all."""
TITLES = {
    "pelvis_list": "pelvis drop [°]",
    "fore_aft": "force, forward [% BW]",
    "outward": "force, outward [% BW]",
    "vertical": "force, upward [% BW]",
}


@dataclass(frozen=True)
class Command(Walkers):
    """Judge and draw."""

    figure: Path = Path("docs/figures/walking_gait.png")


@dataclass(frozen=True)
class Judged:
    """A policy, or the clip."""

    name: str
    gait: Gait
    muscles: dict[str, np.ndarray]
    """What muscles under each electrode are told over a cycle, as EMG has it, by channel; none of the clip."""
    lagging: dict[str, np.ndarray]
    """Their activations, which follow."""
    active: float
    """Mean activation of all muscles over the whole performance; NaN of the clip."""

    def curve(self, name: str) -> np.ndarray | None:
        """Of an angle, a force or a muscle; None if there is none."""
        if name in ANGLES:
            return self.gait.angle(name).mean
        if name in FORCES:
            return self.gait.force(name).mean if self.muscles else None
        return self.muscles.get(name)


def main(command: Command) -> None:
    """Print tables and JSON, and draw."""
    one_thread()
    folder = DATA / "normative"
    anatomy = Anatomy.load("full")
    try:
        norms = read_norms(folder)
        clip = command.only_clip(anatomy)
        walkers = [performed(path, anatomy, clip, norms) for path in command.policies]
        reference = Judged(CLIP, gait(Walker.of_clip(clip, anatomy)), {}, {}, math.nan)
    except (NormError, GaitError, ValueError) as error:
        sys.exit(str(error))
    print(f"Clip '{clip.name}', {clip.duration:.2f} s. {machine()}\n")
    print_strides(walkers, reference, norms, anatomy)
    print_curves(walkers, reference, norms)
    print_muscles(walkers, norms)
    for each in (*walkers, reference):
        print(json.dumps(as_dict(each, reference, norms)))
    draw(command.figure, walkers, reference, norms)


def performed(path: Path, anatomy: Anatomy, clip: Clip, norms: dict[str, Norm]) -> Judged:
    """A policy's performance of the clip, on the original body."""
    trial = performance(path, anatomy, clip)
    walker = Walker.of_trial(trial, anatomy)
    assert walker.excitation is not None  # It was simulated.
    walk = gait(replace(walker, excitation=as_emg(walker.excitation, walker.rate)))
    channels = electrodes([name for name, norm in norms.items() if norm.kind == "emg"], anatomy)
    shares = means(channels, anatomy).numpy()
    told, active = (
        {each.channel: curve(share).mean for each, share in zip(channels, shares, strict=True)}
        for curve in (walk.excitation, walk.activation)
    )
    return Judged(path.name, walk, told, active, float(trial.activation.mean()))


def likeness(one: Judged, name: str, other: Judged | Norm) -> Likeness | None:
    """A curve beside the clip's or beside a norm."""
    curve, target = one.curve(name), other if isinstance(other, Norm) else other.curve(name)
    return None if curve is None or target is None else compare(curve, target)


def mean_r(found: list[Likeness | None]) -> float:
    """Mean r; a silent muscle scores nothing, and nothing is the mean of none."""
    told = [each.r or 0.0 for each in found if each is not None]
    return float(np.mean(told)) if told else math.nan


def lagging_r(one: Judged, norms: dict[str, Norm]) -> float:
    """Mean r of activations with EMG; they follow what muscles are told."""
    return mean_r([compare(curve, norms[name]) for name, curve in one.lagging.items()])


def chance(one: Judged, norms: dict[str, Norm]) -> float:
    """95th percentile of the mean r with EMG, over turns of the cycle."""
    return by_chance(list(one.muscles.values()), [norms[name] for name in one.muscles])


def print_strides(walkers: list[Judged], reference: Judged, norms: dict[str, Norm], anatomy: Anatomy) -> None:
    """Parameters of the strides; of the norm only what a curve of force tells."""
    print(
        f"{'strides':22}{'n':>4}{'cut off':>9}{'irregular':>11}{'steps/min':>11}{'stride [m]':>12}{'speed [m/s]':>13}"
        f"{'stance [%]':>12}{'double [%]':>12}{'asymmetry of steps [%]':>24}{'active [%]':>12}"
    )
    for each in (*walkers, reference):
        of = each.gait.parameters()
        print(
            f"{each.name:22}{len(each.gait.strides):4d}{each.gait.partial:9d}{each.gait.irregular:11d}"
            f"{60 * of['cadence'].mean:11.0f}{of['stride_length'].mean:12.2f}{of['speed'].mean:13.2f}"
            f"{100 * of['stance'].mean:12.1f}{100 * of['double_support'].mean:12.1f}"
            f"{100 * of['step_length'].asymmetry:24.0f}{100 * each.active:12.0f}"
        )
    loaded = 100 * (norms["vertical"].mean > STOOD_ON / body_weight(anatomy)).mean()
    print(f"{'norm':22}{'':60}{loaded:12.1f}\n")


def print_curves(walkers: list[Judged], reference: Judged, norms: dict[str, Norm]) -> None:
    """Angles [deg] and forces [% of body weight]: r, RMSE; against the norm also the share within its band."""
    heads = [f"{each.name}, {other}" for each in walkers for other in ("clip", "norm")] + ["clip, norm"]
    print(f"{'r, RMSE (in band %)':22}" + "".join(f"{head:>26}" for head in heads))
    for name in (*ANGLES, *FORCES):
        pairs = [(each, other) for each in walkers for other in (reference, norms[name])] + [(reference, norms[name])]
        cells = [likeness(each, name, other) for each, other in pairs]
        scale = math.degrees(1) if name in ANGLES else 100.0
        print(f"{name:22}" + "".join(f"{cell_of(cell, scale):>26}" for cell in cells))
    for title, names in (("mean r, sagittal", SAGITTAL), ("mean r, all angles", ANGLES)):
        row = [
            mean_r([likeness(each, name, reference if other == CLIP else norms[name]) for name in names])
            for each, other in [(each, other) for each in walkers for other in (CLIP, "norm")] + [(reference, "norm")]
        ]
        print(f"{title:22}" + "".join(f"{value:26.2f}" for value in row))
    print(f"to be beaten: r {ANGLE_R:.2f} of angles, {VERTICAL_R:.2f} of the vertical force\n")


def cell_of(found: Likeness | None, scale: float) -> str:
    """r and RMSE, and the share in the band."""
    if found is None:
        return "-"
    band = "" if found.inside is None else f" ({100 * found.inside:.0f})"
    return f"{'-' if found.r is None else f'{found.r:.2f}'}, {scale * found.rmse:.1f}{band}"


def print_muscles(walkers: list[Judged], norms: dict[str, Norm]) -> None:
    """r with EMG, RMSE of both over their peaks, best lag, and how much the muscle is told."""
    print(f"{'EMG: r, RMSE, lag, told':26}" + "".join(f"{each.name:>32}" for each in walkers))
    for name in (name for name, norm in norms.items() if norm.kind == "emg"):
        row = f"{name:26}"
        for each in walkers:
            found, curve = likeness(each, name, norms[name]), each.curve(name)
            if found is None or curve is None:
                row += f"{'-':>32}"
                continue
            r = "-" if found.r is None else f"{found.r:.2f}"
            row += f"{r:>12}{found.rmse:7.2f}{100 * found.lag:+6.0f} %{100 * curve.mean():4.0f}%"
        print(row)
    for title, values in (
        ("mean r", [mean_r([likeness(each, name, norms[name]) for name in each.muscles]) for each in walkers]),
        ("mean r of activations", [lagging_r(each, norms) for each in walkers]),
        ("exceeded by 5 % of turns", [chance(each, norms) for each in walkers]),
    ):
        print(f"{title:26}" + "".join(f"{value:12.2f}{'':20}" for value in values))
    print(f"to be beaten: r {EMG_R[0]:.2f} to {EMG_R[1]:.2f}; human against human 0.72 to 0.77\n")


def as_dict(each: Judged, reference: Judged, norms: dict[str, Norm]) -> dict[str, object]:
    """Everything for machines; SI units, angles in radians, forces over body weight, NaN as null."""

    def told(found: Likeness | None) -> dict[str, float | None] | None:
        return None if found is None else {name: rounded(value) for name, value in vars(found).items()}

    curves = {}
    for name, norm in norms.items():
        beside_clip = None if each is reference else told(likeness(each, name, reference))
        curves[name] = {"unit": norm.unit, "clip": beside_clip, "norm": told(likeness(each, name, norm))}
    return {
        "name": each.name,
        "events": each.gait.events.told,
        "strides": {"right": len(each.gait.right), "left": len(each.gait.left), "partial": each.gait.partial,
                    "irregular": each.gait.irregular},
        "parameters": {name: {"unit": of.unit, "mean": rounded(of.mean), "spread": rounded(of.spread),
                              "asymmetry": rounded(of.asymmetry)} for name, of in each.gait.parameters().items()},
        "activation": rounded(each.active),
        "emg_r": rounded(mean_r([likeness(each, name, norms[name]) for name in each.muscles])),
        "emg_r_of_activations": rounded(lagging_r(each, norms)),
        "emg_chance": rounded(chance(each, norms)) if each.muscles else None,
        "curves": curves,
    }  # fmt: skip


def draw(path: Path, walkers: list[Judged], reference: Judged, norms: dict[str, Norm]) -> None:
    """Every curve over the cycle, with the norm's band."""
    angles = (*SAGITTAL, "hip_adduction", "pelvis_list")
    names = (*angles, *("vertical", "fore_aft", "outward"), *DRAWN)
    figure = Figure(figsize=(11, 8.8))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(4, 4, left=0.05, right=0.975, top=0.91, bottom=0.085, hspace=0.46, wspace=0.24)
    for place, name in enumerate(names):
        panel(figure.add_subplot(grid[place // 4, place % 4]), name, walkers, reference, norms[name], place >= 12)
    handles = [
        *(Line2D([], [], color=colour, linewidth=1.8, label=each.name)
          for each, colour in zip(walkers, COLOURS, strict=False)),
        Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (4, 2)), label="the clip they follow"),
        Line2D([], [], color=NORM, linewidth=1.6, label="people, mean"),
        Patch(color=BAND, label=f"± {WIDTH:g} standard deviations"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.045, 0.985), ncols=len(handles), fontsize=9.5,
        frameon=False, labelcolor=INK, borderaxespad=0, handlelength=1.8, columnspacing=1.8,
    )  # fmt: skip
    figure.text(
        0.05, 0.012,
        "Numbers are r with the norm, without lag. Angles and forces (BW: body weight): 11 walks of one adult "
        "(Falisse et al.), so the band is that of one person.\nMuscles, excitation and EMG in % of their greatest "
        "value: 15 adults (Santuz et al.); compare when, not how much. Share of the gait cycle from strike to strike.",
        fontsize=8, color=PALE, linespacing=1.5,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    print(f"# {path}", file=sys.stderr)


def panel(axes: Axes, name: str, walkers: list[Judged], reference: Judged, norm: Norm, last: bool) -> None:
    """One curve."""
    emg, cycle = norm.kind == "emg", np.arange(101)
    scale = math.degrees(1) if norm.kind == "angle" else 100.0
    low, high = (scale * (norm.mean + side * WIDTH * norm.spread) for side in (-1, 1))
    if emg:
        low, high = low.clip(min=0.0), high.clip(max=100.0)
    axes.fill_between(cycle, low, high, color=BAND, linewidth=0, zorder=1)
    axes.plot(cycle, scale * norm.mean, color=NORM, linewidth=1.6, zorder=2)
    wanted = reference.curve(name)
    if wanted is not None:
        axes.plot(cycle, scale * wanted, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=4)
    for number, each in reversed(list(enumerate(walkers))):
        curve, found = each.curve(name), likeness(each, name, norm)
        if curve is None or found is None:
            continue
        axes.plot(
            cycle, scale * (curve / curve.max() if emg else curve), color=COLOURS[number], linewidth=1.6, zorder=3
        )
        told = "-" if found.r is None else f"{found.r:.2f}".replace("-", "\N{MINUS SIGN}")
        right = 1.0 - 0.18 * (len(walkers) - 1 - number)
        axes.text(right, 1.05, told, transform=axes.transAxes, ha="right", fontsize=8, color=COLOURS[number])
    title = TITLES.get(name) or (f"{meaning(name)} [°]" if name in ANGLES else name)
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=5)
    if axes.get_ylim()[0] < 0 < axes.get_ylim()[1]:
        axes.axhline(0.0, color="#c3cad3", linewidth=0.8, zorder=0)
    if emg:
        axes.set_ylim(0, 105)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 20, 40, 60, 80, 100], ["0", "20", "40", "60", "80", "100 %"] if last else [])
    axes.locator_params(axis="y", nbins=4)
    quiet(axes)


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
