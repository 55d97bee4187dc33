"""Policies that learnt a walk of a gait laboratory, beside the force plates and the EMG of that very walk.

    myotrack retarget ../shared/data/rajagopal2016/motion_capture_walk.trc --body full --out CLIPS
    myotrack train walk --clips CLIPS/motion_capture_walk.npz --out runs/lab
    python benchmarks/laboratory_walk.py --clip CLIPS/motion_capture_walk.npz --policies runs/lab

Rajagopal et al. (2016, doi:10.1109/TBME.2016.2586891): one adult, overground at 1.26 m/s, two force plates, ten muscles
of the right leg. Policies saw the motion of the markers and nothing of forces or EMG. A policy performs the clip once
from its first frame on the original body, mean actions, and is compared moment by moment, not cycle by cycle. Prints a
table, then a JSON object per policy, and draws one figure.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from walkers import COLOURS, DATA, Walkers, performance, quiet, rounded

from myotrack.algebra.lowpass import lowpass
from myotrack.algebra.quaternion import rotate
from myotrack.anatomy.electrodes import electrodes, means
from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip
from myotrack.retarget.pipeline import fit
from myotrack.steer.ground import STOOD_ON
from myotrack.validate.muscles import Agreements, agreement
from myotrack.validate.norms import as_emg
from myotrack.validate.trials import Trial
from myotrack.view.figures import INK
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import machine

FILES = ("motion_capture_walk.trc", "grf_walk.mot", "moco_electromyography.sto.gz")
MASS = 85.0
"""Of the person [kg], as docs/benchmarks.md has it for the moments of this recording. No r depends on it."""
CUTOFF = 6.0
"""The published forces are low-passed so; ours are for the comparison [Hz]."""
STRIDE = (0.268, 1.412)
"""From one step of the right foot on the plates to the next [s]; thresholds of 20 N."""
AXES = ("forward", "left", "upward")
FEET = ("right", "left")


@dataclass(frozen=True)
class Command(Walkers):
    """Judge and draw."""

    policies: tuple[Path, ...] = ()
    """Folders of runs, or names of policies that come with myotrack; one to four."""
    figure: Path = Path("docs/figures/laboratory_walk.png")


@dataclass(frozen=True)
class Plates:
    """What the person's feet felt, on the frames of the clip."""

    force: Float[np.ndarray, "frame foot 3"]
    """Forward, to the left and up, right foot then left [body weight]."""
    counted: Bool[np.ndarray, "frame foot"]
    """Whether it is known: not while a foot stands beside the plates."""


@dataclass(frozen=True)
class Judged:
    """A policy beside the recording."""

    name: str
    survived: float
    """[s]"""
    force: Float[np.ndarray, "frame foot 3"]
    """As the plates have it, not filtered [body weight]."""
    r: dict[str, float]
    """Of each axis, both feet and all counted frames together, both filtered alike."""
    rmse: dict[str, float]
    """[body weight]"""
    raw_r: float
    """Of the upward force, ours not filtered."""
    muscles: Agreements


def main(command: Command) -> None:
    """Print a table and JSON, and draw."""
    one_thread()
    folder = DATA / "rajagopal2016"
    if not folder.is_dir():
        sys.exit(f"There are no recordings in {folder}. Set MYOTRACK_DATA to the folder that holds rajagopal2016/.")
    anatomy = Anatomy.load("full")
    try:
        clip = command.only_clip(anatomy)
    except ValueError as error:
        sys.exit(str(error))
    walk = together(*(read(folder / name) for name in FILES))
    plates = plates_of(walk, clip, anatomy)
    found = [judged(path, anatomy, clip, walk, plates) for path in command.policies]
    print(f"Clip '{clip.name}', {clip.duration:.2f} s. {machine()}\n")
    tell(found)
    for each in found:
        print(json.dumps(as_dict(each)))
    draw(command.figure, found, plates)


def plates_of(walk: Recording, clip: Clip, anatomy: Anatomy) -> Plates:
    """The force plates in the world of the clip, forward being where the clip's pelvis goes."""
    placement = fit(walk, anatomy).placement
    assert placement is not None
    time = placement.start + np.arange(clip.frames) / RATE
    force = np.zeros((clip.frames, 2, 3))
    for foot, letter in enumerate("rl"):
        (plate,) = (each for each in walk.plates if each.name.endswith(letter))
        at = np.arange(len(plate.force)) / plate.rate
        there = np.stack([np.interp(time, at, column) for column in plate.force.T], axis=1)
        force[:, foot] = rotate(placement.turn.expand(clip.frames, 4), torch.as_tensor(there)).numpy()
    force = along(force, clip) / (MASS * 9.81)
    stands = clip.contact.reshape(clip.frames, 2, -1).any(dim=2).numpy()
    return Plates(force, ~stands | (force[:, :, 2] > STOOD_ON / (MASS * 9.81)))


def along(force: Float[np.ndarray, "frame foot 3"], clip: Clip) -> Float[np.ndarray, "frame foot 3"]:
    """Forward, to the left and up."""
    path = (clip.pos[-1, :2] - clip.pos[0, :2]).numpy()
    x, y = path / np.linalg.norm(path)
    return force @ np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]]).T


def judged(path: Path, anatomy: Anatomy, clip: Clip, walk: Recording, plates: Plates) -> Judged:
    """Let a policy walk, and compare."""
    trial = performance(path, anatomy, clip)
    frames = len(trial.activation)
    weight = 9.81 * float(anatomy.model.body_mass.sum())
    force = along(trial.foot_force_w.numpy().astype(float), clip) / weight
    counted = plates.counted[:frames]
    ours, theirs = lowpass(force, RATE, CUTOFF)[counted], plates.force[:frames][counted]
    return Judged(
        name=path.name,
        survived=frames / RATE,
        force=force,
        r={name: float(np.corrcoef(ours[:, row], theirs[:, row])[0, 1]) for row, name in enumerate(AXES)},
        rmse={name: float(np.sqrt(np.mean((ours[:, row] - theirs[:, row]) ** 2))) for row, name in enumerate(AXES)},
        raw_r=float(np.corrcoef(force[counted][:, 2], theirs[:, 2])[0, 1]),
        muscles=muscles_of(trial, anatomy, walk),
    )


def muscles_of(trial: Trial, anatomy: Anatomy, walk: Recording) -> Agreements:
    """Excitations as electrodes would tell them, beside the EMG of the right leg's measured stride."""
    assert walk.emg is not None and trial.excitation is not None
    rows = slice(round(STRIDE[0] * RATE), round(STRIDE[1] * RATE))
    found = electrodes(walk.emg.names, anatomy)
    told = as_emg(trial.excitation.numpy().astype(float), RATE) @ means(found, anatomy).numpy().T
    time = np.arange(rows.start, rows.stop) / RATE
    return agreement([each.channel for each in found], told[rows], walk.emg, time)


def tell(found: list[Judged]) -> None:
    """The table."""
    print(f"{'':34}" + "".join(f"{each.name:>20}" for each in found))

    def row(name: str, values: list[float | None]) -> None:
        print(f"{name:34}" + "".join(f"{'-' if value is None else f'{value:.3f}':>20}" for value in values))

    row("survived [s]", [each.survived for each in found])
    for axis in AXES:
        row(f"force {axis}, 6 Hz: r", [each.r[axis] for each in found])
        row("    RMSE [body weight]", [each.rmse[axis] for each in found])
    row("force upward, not filtered: r", [each.raw_r for each in found])
    for index, each in enumerate(found[0].muscles.rows):
        row(f"EMG, {each.channel}: r", [one.muscles.rows[index].r for one in found])
    row("EMG, mean: r", [each.muscles.r for each in found])
    row("    by chance, 95 %", [each.muscles.chance for each in found])


def as_dict(each: Judged) -> dict[str, object]:
    """For a machine to read."""
    return {
        "name": each.name,
        "survived_s": rounded(each.survived),
        "r": {name: rounded(value) for name, value in each.r.items()},
        "rmse_bw": {name: rounded(value) for name, value in each.rmse.items()},
        "upward_r_not_filtered": rounded(each.raw_r),
        "emg_r": rounded(each.muscles.r),
        "emg_r_by_chance_95": rounded(each.muscles.chance),
        "muscles": [asdict(row) for row in each.muscles.rows],
    }


def draw(path: Path, found: list[Judged], plates: Plates) -> None:
    """Forces of both feet over time: the plates, and the policies as they are and filtered."""
    figure = Figure(figsize=(9.0, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2, 2, sharex=True, gridspec_kw={"height_ratios": (2, 1)})
    for foot, name in enumerate(FEET):
        for axes, axis in zip(rows[:, foot], (2, 0), strict=True):
            time = np.arange(len(plates.force)) / RATE
            known = np.where(plates.counted[:, foot], plates.force[:, foot, axis], np.nan)
            for each, colour in zip(found, COLOURS, strict=False):
                at = time[: len(each.force)]
                axes.plot(at, each.force[:, foot, axis], color=colour, linewidth=0.6, alpha=0.5)
                smooth = lowpass(each.force, RATE, CUTOFF)
                axes.plot(at, smooth[:, foot, axis], color=colour, linewidth=1.6, label=each.name)
            axes.plot(time, known, color=INK, linewidth=1.6, label="force plates")
            axes.set_ylabel(f"{AXES[axis]} [body weight]", fontsize=8)
            quiet(axes)
        rows[0, foot].set_title(f"{name} foot", fontsize=9, loc="left")
        rows[1, foot].set_xlabel("time [s]", fontsize=8)
    handles, labels = rows[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"\n# {path}")


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
