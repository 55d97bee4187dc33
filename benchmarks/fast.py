"""What fitted paths and the minimal skeleton are worth, and what they cost.

    python benchmarks/fast.py --part speed                 control steps per second beside the original, in one run
    python benchmarks/fast.py --part fit --clips CLIPS     lengths and moment arms over the postures of clips
    python benchmarks/fast.py --part dynamics              the same excitations for half a second
    python benchmarks/fast.py --part steps                 fewer physics steps in each control interval
    python benchmarks/fast.py --part static                static optimisation of a recorded walk on both bodies
    python benchmarks/fast.py --part learn --clips ARMS    a policy of arms:fast judged on arms, beside one of arms

CLIPS is a folder of full-body clips, ARMS one of clips of the arms, made by `myotrack retarget ../shared/data/cmu_bvh`.
"""

import itertools
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from myotrack.algebra.quaternion import conjugate, rotate
from myotrack.anatomy.levels import paths_of
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.pathfit import PathErrors
from myotrack.anatomy.paths import lengths_and_arms, path_jumps, random_postures
from myotrack.clips.builtin import BUILTINS, builtin
from myotrack.clips.store import load_folder
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import BodyState
from myotrack.simulate.threads import Threads
from myotrack.workflow.learning import LEARNT, one_thread
from myotrack.workflow.policies import open_policy
from myotrack.workflow.recipes import arms
from myotrack.workflow.steer import Steering, steer_motions
from myotrack.workflow.train import learn
from myotrack.workflow.validate import Examination, judged, kept_clips

MARGIN = 0.1
"""Spread of what is added to the joint angles of clips [rad]."""


@dataclass(frozen=True)
class Command:
    """Measure."""

    part: Literal["speed", "fit", "dynamics", "steps", "static", "learn"] = "speed"
    clips: Path | None = None
    worlds: int = 64
    threads: int = 0
    rounds: int = 5
    figure: Path = Path("docs/figures/jumps.png")
    """Where --part fit draws the muscles whose wrapped paths jump."""
    out: Path = Path("runs/fast")
    minutes: float = 3.0


def main(command: Command) -> None:
    """Print a JSON object per row."""
    one_thread()
    parts = {"speed": speed, "fit": fit, "dynamics": dynamics, "steps": steps, "static": static, "learn": taught}
    parts[command.part](command)


def speed(command: Command) -> None:
    """The levels take turns, so that a busy machine is busy for all of them; medians over rounds."""
    for name in ("full", "arms"):
        for start in ("on the ground", "in the air") if name == "full" else ("",):
            worlds = {}
            for level in ("", ":paths", ":fast"):
                anatomy = Anatomy.load(f"{name}{level}")
                worlds[name + level] = Threads(anatomy, command.worlds, threads=command.threads)
            generator = torch.Generator().manual_seed(0)
            muscles = anatomy.model.nu
            drive = 0.2 * torch.rand(10, 5, command.worlds, muscles, generator=generator)
            seconds: dict[str, list[float]] = {title: [] for title in worlds}
            for _ in range(command.rounds):
                for title, simulator in worlds.items():
                    restart(simulator, 2.0 if start == "in the air" else 0.0)
                    begin = time.perf_counter()
                    for excitation in drive:
                        for step in excitation:
                            simulator.advance(step)
                            _ = simulator.body
                    seconds[title].append(time.perf_counter() - begin)
            base = np.median(seconds[name])
            for title, taken in seconds.items():
                rate = drive.shape[0] * drive.shape[1] * command.worlds / np.median(taken)
                told = {"body": title, "start": start, "control_steps_per_s": round(rate)}
                print(json.dumps(told | {"ratio": round(float(base / np.median(taken)), 2)}), flush=True)


def restart(simulator: Threads, height: float) -> None:
    """The resting posture, so far above the floor [m]."""
    anatomy, worlds = simulator.anatomy, simulator.worlds
    z = anatomy.rest.repeat(worlds, 1)
    if anatomy.free:
        z[:, 2] += height
    still = torch.zeros(worlds, anatomy.couplings.coordinate_size)
    simulator.reset(torch.ones(worlds, dtype=torch.bool), z, still, torch.full((worlds, anatomy.model.nu), 0.02))


def fit(command: Command) -> None:
    """Over the postures of clips and a margin; muscles whose wrapped path jumps are told apart."""
    for name in ("full", "arms"):
        anatomy = Anatomy.load(name)
        clips = [builtin(motion, anatomy) for motion in BUILTINS[name]]
        if command.clips is not None and name == "full":
            clips += load_folder(command.clips, anatomy)
        z = torch.cat([clip.pos[::10] for clip in clips])
        first = 7 if anatomy.free else 0
        low, high = anatomy.limits()
        noise = MARGIN * torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=z.dtype)
        z[:, first:] = torch.minimum(torch.maximum(z[:, first:] + noise[:, first:], low[first:]), high[first:])
        length_jump, arm_jump = path_jumps(anatomy)
        smooth = (length_jump == 0) & (arm_jump == 0)
        for where, postures in (
            ("clips and margin", z),
            ("all of the joint ranges", random_postures(anatomy, 2000, 7)),
        ):
            errors = PathErrors.over(paths_of(anatomy), anatomy, postures)
            for which, chosen in (("continuous", smooth), ("jumping", ~smooth)):
                told = {"body": name, "where": where, "postures": len(postures), "muscles": int(chosen.sum())}
                for what, values in (("length_mm", errors.length), ("arm_mm", errors.arm)):
                    level = torch.tensor([0.5, 0.95, 1.0], dtype=torch.float64)
                    told[f"{what}_median_95_max"] = [
                        round(1000 * float(value), 3) for value in torch.quantile(values[chosen], level)
                    ]
                print(json.dumps(told | {"which": which}), flush=True)
        columns = (errors.length.tolist(), errors.arm.tolist(), length_jump.tolist(), arm_jump.tolist())
        rows = sorted(zip(anatomy.muscle_names, *columns, strict=True), key=lambda row: -row[2])
        if name == "full":
            wrong = (~smooth).nonzero().flatten().tolist()
            draw_jumps(anatomy, [m for m in wrong if anatomy.muscles[m].side != "left"], command.figure)
        for muscle, *values in [row for row in rows if row[3] or row[4]]:
            told = dict(zip(("length_mm", "arm_mm", "length_jump_mm", "arm_jump_mm"), values, strict=True))
            print(json.dumps({"jumps": muscle} | {key: round(1000 * value, 2) for key, value in told.items()}))


def draw_jumps(anatomy: Anatomy, muscles: list[int], path: Path) -> None:
    """Length of each muscle over the joint that its jump is about, wrapped and fitted, through the worst posture."""
    z, skip = random_postures(anatomy, 2000, 7), 1 if anatomy.free else 0
    length, arm = lengths_and_arms(anatomy, z)
    fitted, own = paths_of(anatomy).lengths_and_arms(z)
    figure = Figure(figsize=(11.0, 2.2 * -(-len(muscles) // 5)), layout="constrained")
    panels = figure.subplots(-(-len(muscles) // 5), 5, squeeze=False).flatten()
    low, high = anatomy.limits()
    for axes, muscle in itertools.zip_longest(panels, muscles):
        if muscle is None:
            axes.axis("off")
            continue
        row = int((length - fitted)[:, muscle].abs().argmax())
        joint = int((arm - own)[:, muscle].abs().mean(dim=0).argmax())
        angle = torch.linspace(float(low[joint + skip]), float(high[joint + skip]), 300, dtype=torch.float64)
        line = z[row].repeat(300, 1)
        line[:, joint + skip] = angle
        for values, colour, width in (
            (lengths_and_arms(anatomy, line, arms=False)[0], "#b2182b", 1.4),
            (paths_of(anatomy).lengths_and_arms(line)[0], "#2166ac", 1.0),
        ):
            axes.plot(angle.rad2deg(), 1000 * values[:, muscle], color=colour, linewidth=width)
        axes.set_title(anatomy.muscle_names[muscle], fontsize=9)
        axes.set_xlabel(f"{anatomy.coordinate_names[joint]} [deg]", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("length [mm]", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=100)


PARTS = {
    "legs": ("hip", "knee", "ankle", "subtalar", "mtp"),
    "spine": ("flex_extension", "lat_bending", "axial_rotation"),
    "arms": ("elv_angle", "shoulder", "elbow", "pro_sup", "deviation", "flexion_"),
}
POINTS = {"legs": ("knee", "ankle", "toe"), "head": ("head",), "hands": ("hand",)}


def dynamics(command: Command) -> None:
    """Each level beside the one with more detail."""
    for one, other in (("full:paths", "full:fast"), ("full", "full:paths")):
        simulators = [Threads(Anatomy.load(name), 16, dtype=torch.float64) for name in (one, other)]
        print(json.dumps({"apart": f"{one} and {other}"} | apart_of(*simulators)), flush=True)


def apart_of(one: Threads, other: Threads) -> dict[str, float | tuple[float, float]]:
    """How far two bodies are apart after identical excitations for 0.5 s in the air, 16 seeds."""
    anatomy, simulators = one.anatomy, (one, other)
    drive = torch.rand(5, 16, anatomy.model.nu, generator=torch.Generator().manual_seed(0)) ** 3
    for simulator in simulators:
        restart(simulator, 2.0)
        for step in range(50):
            simulator.advance(drive[step // 10])
    bodies = [simulator.body for simulator in simulators]
    z, y = (body.coordinate_pos for body in bodies)
    points = [seen_from_pelvis(body) for body in bodies]
    moved = (z - anatomy.rest)[:, 7:].rad2deg().square().mean().sqrt()
    told: dict[str, float | tuple[float, float]] = {"moved_deg_rms": round(float(moved), 1)}
    apart = (z - y)[:, 7:].rad2deg()
    for part, names in PARTS.items():
        columns = [i - 6 for i, name in enumerate(anatomy.coordinate_names) if i > 5 and name.startswith(names)]
        told[f"{part}_deg_rms_max"] = (round(float(apart[:, columns].square().mean().sqrt()), 2),
                                       round(float(apart[:, columns].abs().max()), 2))  # fmt: skip
    distance = (points[0] - points[1]).norm(dim=-1)
    for part, names in POINTS.items():
        columns = [i for i, name in enumerate(anatomy.landmarks) if name.endswith(names)]
        told[f"{part}_mm_mean_max"] = (round(1000 * float(distance[:, columns].mean()), 1),
                                       round(1000 * float(distance[:, columns].max()), 1))  # fmt: skip
    return told


def steps(command: Command) -> None:
    """The fast body with fewer physics steps in each control interval, beside ten; speeds take turns, as above."""
    anatomy = Anatomy.load("full:fast")
    truth, counts = Threads(anatomy, 16, Physics.coarse(10), dtype=torch.float64), (5, 4, 3, 2)
    worlds = {count: Threads(anatomy, command.worlds, Physics.coarse(count), command.threads) for count in counts}
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    drive = 0.2 * torch.rand(50, command.worlds, anatomy.model.nu, generator=torch.Generator().manual_seed(0))
    for _ in range(command.rounds):
        for count, simulator in worlds.items():
            restart(simulator, 0.0)
            begin = time.perf_counter()
            for excitation in drive:
                simulator.advance(excitation)
            seconds[count].append(time.perf_counter() - begin)
    for count in counts:
        rate = len(drive) * command.worlds / np.median(seconds[count])
        ratio = float(np.median(seconds[counts[0]]) / np.median(seconds[count]))
        told = {"steps": count, "timestep_ms": round(10 / count, 2), "control_steps_per_s": round(rate)}
        told |= {"ratio": round(ratio, 2)}
        coarse = Threads(anatomy, 16, Physics.coarse(count), dtype=torch.float64)
        print(json.dumps(told | apart_of(truth, coarse)), flush=True)


def static(command: Command) -> None:
    """Which muscles must have made the walk of Rajagopal et al. (2016), on the original and on the fast body."""
    folder = Path(os.environ.get("MYOTRACK_DATA", "../shared/data")) / "rajagopal2016"
    found = []
    for body in ("full", "full:fast"):
        choices = Steering(
            (str(folder / "motion_capture_walk.trc"),), command.out / body.replace(":", "-"), body=body, mode="static",
            forces=folder / "grf_walk.mot", video=False, force=True,
        )  # fmt: skip
        [(trial, _)] = steer_motions(choices).trials
        found.append(trial.activation.double())
    one, other = found
    active = [muscle for muscle in range(one.shape[1]) if one[:, muscle].max() > 0.02]
    each = torch.tensor([float(torch.corrcoef(torch.stack([one[:, m], other[:, m]]))[0, 1]) for m in active])
    told = {"frames": len(one), "r_all": float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]),
            "muscles": len(active), "r_median": float(each.median()), "r_5_percent": float(each.quantile(0.05)),
            "r_least": float(each.min()), "rms": float((one - other).square().mean().sqrt())}  # fmt: skip
    print(json.dumps({name: round(value, 4) for name, value in told.items()}), flush=True)


def seen_from_pelvis(body: BodyState) -> torch.Tensor:
    """Landmarks in the frame of the pelvis, since a falling body turns."""
    away = body.landmark_pos_w - body.landmark_pos_w[:, :1]
    turn = conjugate(body.landmark_quat_w[:, :1])
    return rotate(turn, away)


def taught(command: Command) -> None:
    """The same minutes on the original, on the fast body, and on one after the other; judged on both."""
    for level, finish in (("original", 0.0), ("fast", 0.0), ("fast", 0.2)):
        choice = replace(arms().clips, folder=command.clips)
        experiment = replace(arms(), clips=choice, minutes=command.minutes, level=level, finish=finish)
        folder = command.out / f"{level}-{finish:g}"
        outcome = learn(experiment, folder, lambda what, done, total: None, lambda progress: None, force=True)
        policy, anatomy = open_policy(folder), Anatomy.load("arms")
        groups = kept_clips(policy, anatomy, lambda what, done, total: None)
        groups.pop(LEARNT)
        network = policy.network(anatomy)
        for judge in ("original", "fast"):
            trials = judged(policy, network, anatomy, groups, Examination(level=judge), lambda what, done, total: None)
            for group in groups:
                mine = [trial for trial in trials if trial.group == group]
                apart = [(t.landmark_pos_w - t.reference_landmark_pos_w).norm(dim=-1).mean() for t in mine]
                told = {"learnt_on": level, "finish": finish, "judged_on": judge, "group": group,
                        "steps": outcome.steps,
                        "kept": sum(not trial.ended for trial in mine), "of": len(mine),
                        "landmarks_mm": round(1000 * float(torch.stack(apart).mean()), 1)}  # fmt: skip
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    main(tyro.cli(Command))
