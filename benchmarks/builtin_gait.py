"""Built-in gaits beside the measured strides they come from.  Usage: python benchmarks/builtin_gait.py

Prints how far hip, knee and ankle are from the measured means, and what speed does to stride and stance. With
--picture FILE.png it draws them; with --table it fits the table in the package again. Needs the recordings of
MYOTRACK_DATA (default ../shared/data), which are not part of the project.
"""

import csv
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.gait import GAITS, STATURE, TABLE

ROOT = Path(__file__).parents[1]
HARMONICS = 8
JOINTS = {"hip_flexion": "Hip flexion", "knee_angle": "Knee flexion", "ankle_angle": "Ankle dorsiflexion"}
EVEN = ("pelvis_tilt", "flex_extension")
ODD = ("pelvis_list", "pelvis_rotation", "lat_bending", "axial_rotation")
LUMBAR = {
    "flex_extension": "lumbar_extension",
    "lat_bending": "lumbar_bending",
    "axial_rotation": "lumbar_rotation",
}


@dataclass(frozen=True)
class Measured:
    """Mean and spread of one subject's strides."""

    file: str
    suffix: str
    """Of the names of leg joints in the file."""
    source: str
    speed: str
    citation: str
    coordinates: tuple[str, ...]


MEASURED = {
    "walk": Measured(
        "walk_falisse_subject1_angles.csv", "", "Falisse et al., subject 1, 11 trials", "own speed",
        "Falisse et al. (MIT): antoinefalisse/3dpredictsim@5fa3929fa9ba ExperimentalData.mat, subject 1, "
        "mean of 11 trials",
        ("pelvis_tilt", "pelvis_list", "pelvis_rotation", "flex_extension", "lat_bending", "axial_rotation",
         "hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle", "elbow_flex"),
    ),
    "run": Measured(
        "run_rajagopal_1subject_6strides.csv", "_r", "Rajagopal et al. 2016, 6 strides", "3.7 m/s",
        "Rajagopal et al. 2016, doi 10.1109/TBME.2016.2586891 (MIT): SimTK full_body, running, mean of 6 strides",
        ("pelvis_tilt", "hip_flexion", "hip_adduction", "knee_angle", "ankle_angle"),
    ),
}  # fmt: skip


def main(picture: Path | None = None, table: bool = False) -> None:
    """Compare, draw, or fit again."""
    folder = Path(os.environ.get("MYOTRACK_DATA", ROOT / "../shared/data")).resolve() / "normative"
    missing = [row.file for row in MEASURED.values() if not (folder / row.file).is_file()]
    if missing:
        print(f"Nothing to compare with: {', '.join(missing)} not in {folder}. Set MYOTRACK_DATA.", file=sys.stderr)
        return
    if table:
        fit_table(folder)
        return
    anatomy = Anatomy.load("full")
    clips = {name: builtin(name, anatomy) for name in GAITS}
    print_comparison(anatomy, clips, folder)
    print_speeds(clips)
    if picture is not None:
        draw(picture, anatomy, clips, folder)


def stride(anatomy: Anatomy, clip: Clip, joint: str) -> tuple[np.ndarray, np.ndarray]:
    """Phase and angle [deg] of the right side over one stride, both ends included."""
    frames = round(GAITS[clip.name].period * RATE)
    angle = clip.pos[: frames + 1, anatomy.coordinate_names.index(f"{joint}_r") + 1].numpy()
    return np.arange(frames + 1) / frames, np.rad2deg(angle)


def measured(folder: Path, name: str, joint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phase, mean and standard deviation of a measured angle [deg], in our signs."""
    row = MEASURED[name]
    table = np.genfromtxt(folder / row.file, delimiter=",", names=True)
    column = LUMBAR.get(joint, joint)
    column += "" if column.startswith("pelvis") else row.suffix
    sign = -1.0 if joint == "knee_angle" and not row.suffix else 1.0
    return table["percent_gait_cycle"] / 100, sign * table[f"{column}_mean"], table[f"{column}_sd"]


def print_comparison(anatomy: Anatomy, clips: dict[str, Clip], folder: Path) -> None:
    """Distance from the measured means."""
    print(f"{'gait':6}{'joint':20}{'RMSE':>7}{'bias':>7}{'r':>7}{'own SD':>8}   deg; SD: mean over the cycle")
    for name in MEASURED:
        for joint, title in JOINTS.items():
            phase, ours = stride(anatomy, clips[name], joint)
            at, mean, sd = measured(folder, name, joint)
            away = ours - np.interp(phase, at, mean)
            r = np.corrcoef(ours, np.interp(phase, at, mean))[0, 1]
            print(f"{name:6}{title:20}{np.sqrt((away**2).mean()):7.1f}{away.mean():7.1f}{r:7.3f}{sd.mean():8.1f}")


def print_speeds(clips: dict[str, Clip]) -> None:
    """What speed does to stride and stance."""
    print(f"\n{'gait':10}{'m/s':>6}{'steps/min':>11}{'law':>6}{'stride m':>10}{'stance %':>10}{'double %':>10}")
    for name, clip in clips.items():
        gait = GAITS[name]
        frames = round(gait.period * RATE)
        stands = clip.contact[:frames].numpy().reshape(frames, 2, 2).any(axis=2)
        speed = -float(clip.pos[-1, 1] - clip.pos[0, 1]) / clip.duration
        law = f"{2 * 64.8 * (speed / STATURE) ** 0.57:.0f}" if name != "run" else "-"
        print(
            f"{name:10}{speed:6.2f}{120 / gait.period:11.0f}{law:>6}{speed * gait.period:10.2f}"
            f"{100 * stands[:, 0].mean():10.1f}{100 * (stands.sum(axis=1) == 2).mean():10.1f}"
        )
    print("law: 2 x 64.8 (speed / stature)^0.57 steps/min, Grieve & Gear 1966 (recalled)")


def fit_table(folder: Path) -> None:
    """Fourier series of the measured means, with the symmetry of a stride that is its own mirror image."""
    lines: list[tuple[str, str, int, str, str, str]] = []
    for name, row in MEASURED.items():
        for joint in row.coordinates:
            at, mean, _ = measured(folder, name, joint)
            at, mean = at[:-1], mean[:-1]
            harmonics = range(1, HARMONICS + 1)
            if joint in EVEN:
                harmonics = range(2, HARMONICS + 1, 2)
            elif joint in ODD:
                harmonics = range(1, HARMONICS + 1, 2)
            waves = [wave(2 * np.pi * h * at) for h in harmonics for wave in (np.cos, np.sin)]
            c = np.linalg.lstsq(np.stack([np.ones_like(at), *waves], axis=1), mean, rcond=None)[0]
            first = 0.0 if joint in ODD else c[0]
            lines.append((name, joint, 0, f"{first:.3f}", "0.000", row.citation))
            for place, h in enumerate(harmonics):
                lines.append((name, joint, h, f"{c[1 + 2 * place]:.3f}", f"{c[2 + 2 * place]:.3f}", row.citation))
    path = ROOT / "src/myotrack/data" / TABLE
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["gait", "coordinate", "harmonic", "cosine_deg", "sine_deg", "citation"])
        writer.writerows(lines)
    print(f"{path}: {len(lines)} rows")


def draw(path: Path, anatomy: Anatomy, clips: dict[str, Clip], folder: Path) -> None:
    """Measured bands with our curves on top."""
    import matplotlib.pyplot as plt

    plt.rcParams |= {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    ink, band, ours = "#2b2d33", "#b9c4d6", "#c2402c"
    others = {"walk_slow": ("#e3a08f", "0.8 m/s"), "walk_fast": ("#7d1f12", "1.8 m/s")}
    figure, axes = plt.subplots(2, 3, figsize=(11.5, 6.6), sharex=True)
    for line, name in zip(axes, MEASURED, strict=True):
        for panel, (joint, title) in zip(line, JOINTS.items(), strict=True):
            at, mean, sd = measured(folder, name, joint)
            panel.fill_between(100 * at, mean - sd, mean + sd, color=band, lw=0, alpha=0.8)
            panel.plot(100 * at, mean, color="#5d6f8f", lw=1.3)
            if name == "walk":
                for other, (colour, _) in others.items():
                    phase, angle = stride(anatomy, clips[other], joint)
                    panel.plot(100 * phase, angle, color=colour, lw=1.0, dashes=(4, 2))
            phase, angle = stride(anatomy, clips[name], joint)
            panel.plot(100 * phase, angle, color=ours, lw=2.2)
            panel.axvline(100 * GAITS[name].stance, color=ink, lw=0.7, dashes=(1, 2))
            away = angle - np.interp(phase, at, mean)
            panel.set_title(title, loc="left", color=ink, fontsize=11)
            panel.text(
                1.0, 1.03, f"RMSE {np.sqrt((away**2).mean()):.1f}°", transform=panel.transAxes, ha="right", color=ink,
                fontsize=9,
            )  # fmt: skip
            panel.set_xlim(0, 100)
            panel.margins(y=0.08)
            panel.tick_params(length=3, colors=ink)
            panel.grid(axis="y", color="#e6e8ec", lw=0.8)
            panel.set_axisbelow(True)
        line[0].set_ylabel(f"{name.capitalize()}, {GAITS[name].speed:g} m/s\nangle [deg]", color=ink)
    for panel in axes[1]:
        panel.set_xlabel("share of a stride [%]", color=ink)
    handles = [
        plt.Line2D([], [], color=ours, lw=2.2, label="built-in"),
        *(
            plt.Line2D([], [], color=colour, lw=1.0, dashes=(4, 2), label=f"built-in, {speed}")
            for colour, speed in others.values()
        ),
        plt.Line2D([], [], color="#5d6f8f", lw=1.3, label="measured mean"),
        plt.Rectangle((0, 0), 1, 1, color=band, lw=0, alpha=0.8, label="± SD"),
        plt.Line2D([], [], color=ink, lw=0.7, dashes=(1, 2), label="toe-off, built-in"),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=6, frameon=False, fontsize=9.5)
    sources = "; ".join(f"{name}: {row.source}, {row.speed}" for name, row in MEASURED.items())
    figure.text(0.01, 0.008, f"Measured {sources}.", color="#6b6f78", fontsize=8)
    figure.tight_layout(rect=(0, 0.025, 1, 0.94), h_pad=1.6, w_pad=1.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"\n{path}")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
