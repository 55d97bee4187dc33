"""Draw the moment arms of the full body beside published bands.  Usage: python benchmarks/anatomy_figures.py

With --golden it rewrites the tables in tests/anatomy/golden instead: lengths and moment arms of every muscle at 64
random postures. Do so only when MuJoCo or the bodies have changed on purpose, and say so in the commit.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import mujoco
import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.anatomy.norms import POSITIVE_ACTIONS, ArmEnvelope, arm_curve, published_arms
from myotrack.anatomy.paths import lengths_and_arms, random_postures

LEG = ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle", "subtalar_angle")
ARM = ("shoulder_elv", "shoulder_rot", "elbow_flex", "pro_sup", "flexion")
JOINTS = {
    "hip_flexion": "hip flexion",
    "hip_adduction": "hip adduction",
    "knee_angle": "knee flexion",
    "ankle_angle": "ankle dorsiflexion",
    "subtalar_angle": "subtalar inversion",
    "shoulder_elv": "arm elevation",
    "shoulder_rot": "internal rotation",
    "elbow_flex": "elbow flexion",
    "pro_sup": "pronation, elbow at 90°",
    "flexion": "wrist flexion",
}
TITLES = {
    "psoas+iliacus": "psoas and iliacus",
    "recfem": "rectus femoris",
    "sart": "sartorius",
    "glmax1+glmax2+glmax3": "gluteus maximus",
    "glmed1+glmed2+glmed3": "gluteus medius",
    "glmin1+glmin2+glmin3": "gluteus minimus",
    "tfl": "tensor fasciae latae",
    "semimem+semiten+bflh": "long hamstrings",
    "addmagDist+addmagIsch+addmagMid+addmagProx": "adductor magnus",
    "addlong+addbrev": "adductors longus, brevis",
    "grac": "gracilis",
    "recfem+vasint+vaslat+vasmed": "quadriceps",
    "semiten": "semitendinosus",
    "semimem": "semimembranosus",
    "bflh+bfsh": "biceps femoris",
    "gasmed+gaslat": "gastrocnemius",
    "soleus+gasmed+gaslat": "triceps surae",
    "tibant": "tibialis anterior",
    "tibpost": "tibialis posterior",
    "edl+ehl": "toe extensors (edl, ehl)",
    "perlong+perbrev": "peronei",
    "fhl": "flexor hallucis longus",
    "fdl": "flexor digitorum longus",
    "BIClong+BICshort": "biceps brachii",
    "BRA": "brachialis",
    "BRD": "brachioradialis",
    "PT": "pronator teres",
    "ECRL": "ext. carpi rad. longus",
    "ECRB": "ext. carpi rad. brevis",
    "ECU": "ext. carpi ulnaris",
    "FCR": "flexor carpi radialis",
    "FCU": "flexor carpi ulnaris",
    "TRIlong+TRIlat+TRImed": "triceps brachii",
    "DELT1": "anterior deltoid",
    "DELT2": "middle deltoid",
    "SUPSP": "supraspinatus",
    "INFSP": "infraspinatus",
    "SUBSC": "subscapularis",
    "TMIN": "teres minor",
    "TMAJ": "teres major",
    "LAT1+LAT2+LAT3": "latissimus dorsi",
    "PECM2+PECM3": "pectoralis, sternal",
}
OURS, READ, RECALLED = "#1b3a57", "#e08a2e", "#8a9aa8"
COLUMNS = 6
GOLDEN = Path("tests/anatomy/golden")
GOLDEN_POSTURES, GOLDEN_SEED = 64, 7


def draw_panel(axes: Axes, anatomy: Anatomy, envelope: ArmEnvelope) -> None:
    """One muscle about one joint: our curve over the whole range, positive in the sense of its action."""
    first = envelope.rows[0]
    action = first.action.removesuffix("_peak")
    joint = next(joint for joint in anatomy.joints if joint.name == f"{first.joint}_r")
    angle = torch.linspace(joint.low, joint.high, 91, dtype=torch.float64)
    curve = 1e3 * arm_curve(anatomy, first.muscle, first.joint, angle)
    if action != "either" and action not in POSITIVE_ACTIONS:
        curve = -curve
    for row in sorted(envelope.rows, key=lambda row: row.how == "read"):
        ends, low, high = (row.from_deg, row.to_deg), 1e3 * row.low, 1e3 * row.high
        if row.how == "read":
            axes.fill_between(ends, low, high, facecolor=READ, alpha=0.35, edgecolor=READ, linewidth=0.8)
        else:
            axes.fill_between(ends, low, high, facecolor="none", edgecolor=RECALLED, hatch="////", linewidth=0.6)
    if action == "either":
        for row in envelope.rows:
            axes.fill_between(
                (row.from_deg, row.to_deg), -1e3 * row.high, -1e3 * row.low, facecolor="none", edgecolor=RECALLED,
                hatch="////", linewidth=0.6,
            )  # fmt: skip
    axes.axhline(0, color="0.75", linewidth=0.7, zorder=0)
    axes.plot(torch.rad2deg(angle), curve, color=OURS, linewidth=1.9)
    word = {"either": "either way"}.get(action, action.replace("_", " "))
    peak = ", peak" if first.action.endswith("_peak") else ""
    mark = "" if envelope.inside else "  ✗"
    axes.set_title(TITLES[first.muscle] + mark, fontsize=9.5, loc="left", pad=15, color="0.1")
    axes.text(0, 1.03, word + peak, transform=axes.transAxes, fontsize=8, color="0.4")
    axes.set_xlabel(f"{JOINTS[first.joint]} [°]", fontsize=8)
    axes.tick_params(labelsize=7.5, length=2.5)
    axes.spines[["top", "right"]].set_visible(False)
    top = 1e3 * envelope.high
    axes.set_ylim(min(float(curve.min()), -top if action == "either" else 0) - 4, max(float(curve.max()), top) + 4)
    axes.set_xlim(torch.rad2deg(angle[0]), torch.rad2deg(angle[-1]))


def draw(anatomy: Anatomy, joints: tuple[str, ...], path: Path) -> None:
    """All muscles of some joints as small multiples, joint after joint."""
    envelopes = [row for joint in joints for row in published_arms(anatomy) if row.rows[0].joint == joint]
    rows = -(-len(envelopes) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(13, 2.25 * rows + 0.5), layout="constrained", squeeze=False)
    for axes, envelope in zip(grid.flat, envelopes, strict=False):
        draw_panel(axes, anatomy, envelope)
    for axes in list(grid.flat)[len(envelopes) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("moment arm [mm]", fontsize=8)
    handles = [
        plt.Line2D([], [], color=OURS, linewidth=2, label="this body"),
        Patch(facecolor=READ, alpha=0.35, edgecolor=READ, label="published, read in the source"),
        Patch(facecolor="none", edgecolor=RECALLED, hatch="////", label="published, recalled: a wide screen"),
        plt.Line2D([], [], color="none", marker="$✗$", markeredgecolor="0.1", label="outside every band"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=85)
    plt.close(figure)
    print(path)


def write_golden(name: str) -> None:
    """Lengths and moment arms of one body with fingers; arms only where one is not zero in some posture."""
    anatomy = Anatomy.load(name, fingers=True)
    z = random_postures(anatomy, GOLDEN_POSTURES, GOLDEN_SEED)
    lengths, arms = lengths_and_arms(anatomy, z)
    muscle, coordinate = (arms.abs().amax(dim=0) > 1e-7).nonzero(as_tuple=True)
    path = GOLDEN / f"{name}.npz"
    np.savez_compressed(
        path,
        z=z.numpy(),
        lengths=lengths.numpy().astype(np.float32),
        muscle=muscle.numpy().astype(np.int16),
        coordinate=coordinate.numpy().astype(np.int16),
        arms=arms[:, muscle, coordinate].numpy().astype(np.float32),
        mujoco=mujoco.__version__,
        body=anatomy.hash,
    )
    print(path)


def main(golden: bool = False, out: Path = Path("docs/figures")) -> None:
    """Draw both figures, or write the golden tables."""
    if golden:
        for name in BODIES:
            write_golden(name)
        return
    anatomy = Anatomy.load("full")
    draw(anatomy, LEG, out / "moment_arms_leg.png")
    draw(anatomy, ARM, out / "moment_arms_arm.png")


if __name__ == "__main__":
    tyro.cli(main)
