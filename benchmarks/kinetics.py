"""Joint moments, powers, ground reaction and joint reaction of a recorded walk and of walking policies.

    python benchmarks/kinetics.py --clip CLIPS/02_01.npz

CLIPS is a folder made by `myotrack retarget ../shared/data/cmu_asfamc/02_01.amc --body full --out CLIPS`; policies
perform the clip once from its first frame on the original body, mean actions. The recording is the walk of Rajagopal et
al. (2016) with its force plates, beside the moments that were published with it. Recording and norms are read from
MYOTRACK_DATA (default ../shared/data). Prints tables, then a JSON object per walker, and draws one figure.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from walkers import BAND, COLOURS, DATA, Walkers, performance, quiet, rounded

from myotrack.algebra.lowpass import lowpass
from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import CUTOFF, smoothed
from myotrack.retarget.opensim import from_opensim
from myotrack.retarget.pipeline import fit
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings
from myotrack.steer.ground import Ground, ground_of, of_mass
from myotrack.steer.static import movement, pulled, recorded
from myotrack.validate.gait import JOINTS, LOADED, Parameter, meaning, parameter
from myotrack.validate.joint_reaction import CROSSED
from myotrack.validate.kinetics import Kinetics, Loads, kinetics, loads, loads_of
from myotrack.validate.norms import WIDTH, Norm, NormError, compare, read_norms
from myotrack.validate.opensim import net_moments
from myotrack.validate.walker import GaitError, Walker
from myotrack.view.figures import INK, LEFT, PALE, REFERENCE, RIGHT
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import machine

BAR = (0.95, 0.10)
"""Least r and largest RMSE of moments beside the published ones [N m/kg]."""
RECORDED = "recorded walk"
NORM = "#a4adb8"
AXES = {"moment": "moment [N m/kg]", "power": "power [W/kg]", "force": "force [body weight]"}
SHOWN = ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle")
"""Joints in the figure; the table has all."""


@dataclass(frozen=True)
class Command(Walkers):
    """Judge and draw."""

    figure: Path = Path("docs/figures/kinetics.png")


@dataclass(frozen=True)
class Beside:
    """One quantity of the recording and what was published of it, over the same instants."""

    time: np.ndarray
    """Of the clip [s]."""
    ours: np.ndarray
    published: np.ndarray

    @property
    def likeness(self) -> tuple[float, float]:
        """r and RMSE."""
        r = np.corrcoef(self.ours, self.published)[0, 1]
        return float(r), float(np.sqrt(np.mean((self.ours - self.published) ** 2)))


@dataclass(frozen=True)
class Judged:
    """A walker."""

    name: str
    colour: str
    found: Kinetics
    made: dict[str, tuple[float, float]]
    """r and RMSE [N m/kg] of moments by inverse dynamics with what muscles, springs and dampers made, over all frames
    and both sides; empty where nothing was simulated."""


def main(command: Command) -> None:
    """Print tables and JSON, and draw."""
    one_thread()
    full = Anatomy.load("full")
    try:
        if not (DATA / "rajagopal2016").is_dir():
            raise ValueError(f"There is no recording in {DATA / 'rajagopal2016'}; let MYOTRACK_DATA name its folder.")
        norms = read_norms(DATA / "normative")
        clip = command.only_clip(full)
        walkers = [performed(*each, full, clip) for each in zip(command.policies, COLOURS, strict=False)]
        recording, beside = of_recording(DATA / "rajagopal2016", full)
    except (NormError, GaitError, ValueError) as error:
        sys.exit(str(error))
    everyone = [*walkers, recording]
    print(f"Clip '{clip.name}', {clip.duration:.2f} s. {machine()}\n")
    print_published(beside)
    print_norms(everyone, norms)
    print_numbers(everyone)
    for each in everyone:
        print(json.dumps(as_dict(each, norms)))
    print(
        json.dumps(
            {f"{what} {name}": [rounded(each) for each in pair.likeness] for (what, name), pair in beside.items()}
        )
    )
    draw(command.figure, everyone, beside, norms)


def performed(path: Path, colour: str, anatomy: Anatomy, clip: Clip) -> Judged:
    """A policy's performance of the clip, on the original body."""
    trial = performance(path, anatomy, clip)
    borne = loads(trial, anatomy)
    muscles = lowpass(net_moments(trial, anatomy).numpy() / borne.mass, RATE, CUTOFF)
    made = {}
    for name in LOADED:
        columns = [anatomy.coordinate_names.index(f"{name}_{side}") for side in "rl"]
        both = Beside(np.arange(0), borne.moment[:, columns].numpy().ravel(), muscles[:, columns].ravel())
        made[name] = both.likeness
    return Judged(path.name, colour, kinetics(Walker.of_trial(trial, anatomy), borne), made)


def of_recording(folder: Path, full: Anatomy) -> tuple[Judged, dict[tuple[str, str], Beside]]:
    """The recorded walk, and its moments and powers beside the published ones, by quantity and coordinate."""
    recording = together(read(folder / "motion_capture_walk.trc"), read(folder / "grf_walk.mot"))
    found = fit(recording, full, Settings(size="fitted", plant=False))
    assert found.placement is not None
    walk, mass = recorded(recording, found)
    clip = smoothed(found.clip)
    ground = ground_of(recording, clip, found.anatomy, found.placement)
    clip, anatomy = of_mass(clip, found.anatomy, mass)
    borne = loads_of(walk, clip, ground, pulled(walk).tension)
    moments, angles = read(folder / "moco_id_walk.sto.gz"), read(folder / "moco_coordinates.sto.gz")
    assert moments.coordinates is not None and angles.coordinates is not None
    time = np.arange(clip.frames) / RATE
    there, then = (
        each.start - found.placement.start + np.arange(each.frames) / each.rate for each in (moments, angles)
    )
    frames = np.flatnonzero(walk.measured.numpy() & (time >= there[0]) & (time <= there[-1]))
    beside: dict[tuple[str, str], Beside] = {}
    first, theirs_moved = same_angles(angles, clip, anatomy, ground)
    for name in (f"{joint}_{side}" for joint in JOINTS for side in "rl"):
        mine, theirs = anatomy.coordinate_names.index(name), moments.coordinates.names.index(f"{name}_moment")
        moment = np.interp(time[frames], there, moments.coordinates.values[:, theirs]) / mass
        angle = angles.coordinates.values[:, angles.coordinates.names.index(name)]
        rate = np.interp(time[frames], then, np.gradient(lowpass(angle, angles.rate, CUTOFF), 1 / angles.rate))
        beside["moment", name] = Beside(time[frames], borne.moment[frames, mine].numpy(), moment)
        same = theirs_moved.moment[frames[frames < first + len(theirs_moved.moment)] - first, mine].numpy()
        beside["same angles", name] = Beside(time[frames][: len(same)], same, moment[: len(same)])
        beside["power", name] = Beside(time[frames], borne.power[frames, mine].numpy(), moment * rate)
    walker = Walker.of_clip(clip, anatomy, ground.force)
    return Judged(RECORDED, INK, kinetics(walker, borne), {}), beside


def same_angles(angles: Recording, clip: Clip, anatomy: Anatomy, ground: Ground) -> tuple[int, Loads]:
    """Loads of the published angles, which are not those of the markers: they were changed until residuals were small.

    Returns:
        The frame of the clip at which they begin, and the loads.
    """
    assert angles.coordinates is not None
    pos, _, _ = from_opensim(angles.coordinates, Rig.of(anatomy))
    pos = pos[:: round(angles.rate / RATE)]
    first = round(angles.start * RATE)
    rows = slice(first, first + len(pos))
    still = torch.zeros(len(pos), clip.vel.shape[1], dtype=torch.float64)
    moved = smoothed(replace(clip, pos=pos, vel=still, acc=still, contact=clip.contact[rows]))
    return first, loads_of(movement(moved, anatomy, ground.part(rows), threads=1), moved)


def print_published(beside: dict[tuple[str, str], Beside]) -> None:
    """The recording beside what was published with it."""
    heads = ("moment: r, RMSE", "largest", "published angles", "power: r, RMSE", "largest")
    print(f"{RECORDED + ' beside published':28}" + "".join(f"{head:>22}" for head in heads))
    for name in (f"{joint}_{side}" for joint in JOINTS for side in "rl"):
        ours, same, power = (beside[what, name] for what in ("moment", "same angles", "power"))
        most, highest = (f"{np.abs(pair.published).max():.2f}" for pair in (ours, power))
        cells = [told(ours), most, told(same), told(power, bar=False), highest]
        print(f"{name:28}" + "".join(f"{words:>22}" for words in cells))
    print(f"N m/kg, W/kg; bar of moments: r {BAR[0]:.2f}, RMSE {BAR[1]:.2f}; published powers: moments times rates\n")


def told(pair: Beside, bar: bool = True) -> str:
    """r and RMSE, with a mark if they are short of the bar."""
    r, rmse = pair.likeness
    return f"{'' if not bar or (r >= BAR[0] and rmse <= BAR[1]) else 'short: '}{r:.3f}, {rmse:.3f}"


def print_norms(everyone: list[Judged], norms: dict[str, Norm]) -> None:
    """r, RMSE and the share within the band, work per stride, and another way to the same moments."""
    print(f"{'beside the norm: r, RMSE (in band %)':36}" + "".join(f"{each.name:>28}" for each in everyone))
    for what, unit in (("moment", "N m/kg"), ("power", "W/kg")):
        for joint in LOADED:
            row = f"{joint} {what} [{unit}]"
            print(f"{row:36}" + "".join(f"{cell(each, what, joint, norms):>28}" for each in everyone))
    print(f"\n{'work of a stride [J/kg]: +, -':36}" + "".join(f"{each.name:>28}" for each in everyone))
    for joint in LOADED:
        works = [each.found.work(joint) for each in everyone]
        print(f"{joint:36}" + "".join(f"{f'{w.positive.mean:.2f}, {w.negative.mean:.2f}':>28}" for w in works))
    print("\nmoments by inverse dynamics beside what muscles, springs and dampers made: r, RMSE [N m/kg]")
    for joint in LOADED:
        cells = [f"{each.made[joint][0]:.3f}, {each.made[joint][1]:.3f}" for each in everyone if each.made]
        print(f"{joint:36}" + "".join(f"{words:>28}" for words in cells))
    print()


def cell(each: Judged, what: str, joint: str, norms: dict[str, Norm]) -> str:
    """r, RMSE, and the share in the band."""
    like = compare(curve_of(each, what, joint), norms[f"{joint}_{what}"])
    return f"{'-' if like.r is None else f'{like.r:.2f}'}, {like.rmse:.2f} ({100 * (like.inside or 0):.0f})"


def curve_of(each: Judged, what: str, joint: str) -> np.ndarray:
    """Mean over the cycle of a moment, a power, a force of the ground or a reaction."""
    return getattr(each.found.gait, what)(joint).mean


def print_numbers(everyone: list[Judged]) -> None:
    """Ground reaction and joint reaction: mean and standard deviation over strides."""
    print(f"{'over strides: mean (deviation)':36}" + "".join(f"{each.name:>28}" for each in everyone))
    counts = [f"{len(each.found.gait.right)} right, {len(each.found.gait.left)} left" for each in everyone]
    print(f"{'strides':36}" + "".join(f"{count:>28}" for count in counts))
    for name, first in (numbers := [numbers_of(each) for each in everyone])[0].items():
        row = f"{name} [{first.unit}]"
        print(f"{row:36}" + "".join(f"{f'{each[name].mean:.3f} ({each[name].spread:.3f})':>28}" for each in numbers))
    print()


def numbers_of(each: Judged) -> dict[str, Parameter]:
    """Numbers of the ground, and the greatest reaction of each joint."""
    found = dict(each.found.ground())
    peaks = np.array([stride.reaction.max(axis=0) for stride in each.found.gait.strides if stride.reaction is not None])
    for column, joint in enumerate(CROSSED):
        found[f"{joint} reaction, peak"] = parameter("body weight", peaks[:, column].tolist(), [], sided=False)
    return found


def as_dict(each: Judged, norms: dict[str, Norm]) -> dict[str, object]:
    """Everything for machines; NaN as null."""
    joints = {}
    for joint in LOADED:
        work = each.found.work(joint)
        joints[joint] = {
            "work": [rounded(work.positive.mean), rounded(work.negative.mean)],
            "made": [rounded(value) for value in each.made[joint]] if each.made else None,
        }
        for what in ("moment", "power"):
            like = compare(curve_of(each, what, joint), norms[f"{joint}_{what}"])
            found = {"r": like.r, "rmse": like.rmse, "lag": like.lag, "inside": like.inside}
            joints[joint][what] = {key: rounded(value) for key, value in found.items()}
    numbers = {
        name: {"unit": of.unit, "mean": rounded(of.mean), "spread": rounded(of.spread)}
        for name, of in numbers_of(each).items()
    }
    walk = each.found.gait
    strides = {"right": len(walk.right), "left": len(walk.left), "irregular": walk.irregular}
    return {"name": each.name, "strides": strides, "joints": joints, "numbers": numbers}


def draw(path: Path, everyone: list[Judged], beside: dict[tuple[str, str], Beside], norms: dict[str, Norm]) -> None:
    """The recording beside what was published; then everyone beside people, from strike to strike."""
    figure = Figure(figsize=(11, 9.4))
    FigureCanvasAgg(figure)
    top = figure.add_gridspec(1, 4, left=0.065, right=0.98, top=0.9, bottom=0.755, wspace=0.22)
    rest = figure.add_gridspec(3, 4, left=0.065, right=0.98, top=0.64, bottom=0.085, hspace=0.3, wspace=0.22)
    for place, joint in enumerate(SHOWN):
        published_panel(figure.add_subplot(top[0, place]), joint, beside)
        for row, what in enumerate(("moment", "power")):
            axes = figure.add_subplot(rest[row, place])
            panel(axes, what, joint, meaning(joint), everyone, norms[f"{joint}_{what}"])
            if not place:
                label(axes, AXES[what])
    axes = figure.add_subplot(rest[2, 0])
    panel(axes, "force", "vertical", "ground on foot, up", everyone, norms["vertical"], last=True)
    label(axes, AXES["force"])
    for place, joint in enumerate(CROSSED):
        axes = figure.add_subplot(rest[2, place + 1])
        panel(axes, "reaction", joint, f"{joint}, bone on bone", everyone, None, last=True)
    heading(figure, 0.985, "A recorded walk beside the moments published with it", [
        Line2D([], [], color=RIGHT, linewidth=1.6, label="right, from markers"),
        Line2D([], [], color=LEFT, linewidth=1.6, label="left"),
        Line2D([], [], color=INK, linewidth=1.1, linestyle=(0, (3, 1.5)), label="ours on the published angles"),
        Line2D([], [], color=REFERENCE, linewidth=4.0, label="published (OpenSim)"),
    ])  # fmt: skip
    heading(figure, 0.72, "From strike to strike, beside people", [
        *(Line2D([], [], color=each.colour, linewidth=1.7, label=each.name) for each in everyone),
        Line2D([], [], color=NORM, linewidth=1.6, label="people, mean"),
        Patch(color=BAND, label=f"± {WIDTH:g} standard deviations"),
    ])  # fmt: skip
    figure.text(
        0.065, 0.012,
        "Above, r of what comes from markers; below, r with the norm, without lag: 11 walks of one adult (Falisse "
        "et al.), so the band is that of one person.\nMoments are positive as the title says, powers where the joint "
        "gives energy. Share of the gait cycle from strike to strike; the recorded walk is one stride.",
        fontsize=8, color=PALE, linespacing=1.5,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    print(f"# {path}", file=sys.stderr)


def label(axes: Axes, words: str) -> None:
    """Of a row."""
    axes.text(-0.205, 0.5, words, transform=axes.transAxes, rotation=90, ha="center", va="center", fontsize=8.5,
              color=PALE)  # fmt: skip


def heading(figure: Figure, height: float, words: str, handles: list) -> None:
    """A line of words, and what colours mean."""
    figure.text(0.065, height, words, fontsize=10.5, color=INK, weight="bold", va="top")
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.06, height - 0.022), ncols=len(handles), fontsize=9,
        frameon=False, labelcolor=INK, borderaxespad=0, handlelength=1.8, columnspacing=1.8,
    )  # fmt: skip


def published_panel(axes: Axes, joint: str, beside: dict[tuple[str, str], Beside]) -> None:
    """Moments of both sides over time."""
    for number, (side, colour) in enumerate((("r", RIGHT), ("l", LEFT))):
        pair = beside["moment", f"{joint}_{side}"]
        axes.plot(pair.time, pair.published, color=REFERENCE, linewidth=4, solid_capstyle="round", zorder=1)
        axes.plot(pair.time, pair.ours, color=colour, linewidth=1.5, zorder=3)
        same = beside["same angles", f"{joint}_{side}"]
        axes.plot(same.time, same.ours, color=colour, linewidth=1.1, linestyle=(0, (3, 1.5)), zorder=4)
        axes.text(0.82 + 0.18 * number, 1.04, f"{pair.likeness[0]:.2f}", transform=axes.transAxes, ha="right",
                  fontsize=8, color=colour)  # fmt: skip
        axes.set_xlim(pair.time[0], pair.time[-1])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.locator_params(axis="x", nbins=5)
    if joint == SHOWN[0]:
        label(axes, AXES["moment"])
    finish(axes, meaning(joint))


def panel(
    axes: Axes, what: str, joint: str, title: str, everyone: list[Judged], norm: Norm | None, last: bool = False
) -> None:
    """One curve of everyone over the cycle."""
    cycle = np.arange(101)
    if norm is not None:
        low, high = (norm.mean + side * WIDTH * norm.spread for side in (-1, 1))
        axes.fill_between(cycle, low, high, color=BAND, linewidth=0, zorder=1)
        axes.plot(cycle, norm.mean, color=NORM, linewidth=1.6, zorder=2)
    for number, each in reversed(list(enumerate(everyone))):
        curve = curve_of(each, what, joint)
        axes.plot(cycle, curve, color=each.colour, linewidth=1.5, zorder=3)
        if norm is not None:
            r = compare(curve, norm).r
            told = "-" if r is None else f"{r:.2f}".replace("-", "\N{MINUS SIGN}")
            right = 1.0 - 0.14 * (len(everyone) - 1 - number)
            axes.text(right, 1.04, told, transform=axes.transAxes, ha="right", fontsize=7.5, color=each.colour)
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 20, 40, 60, 80, 100], ["0", "20", "40", "60", "80", "100 %"] if last else [])
    if what == "reaction":
        axes.set_ylim(bottom=0)
    finish(axes, title)


def finish(axes: Axes, title: str) -> None:
    """Quiet axes."""
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=5)
    if axes.get_ylim()[0] < 0 < axes.get_ylim()[1]:
        axes.axhline(0.0, color="#c3cad3", linewidth=0.8, zorder=0)
    axes.locator_params(axis="y", nbins=4)
    quiet(axes)


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
