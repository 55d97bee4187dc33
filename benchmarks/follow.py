"""Computed muscle control: how near the body stays to its clip, what it costs, and what holds it.

The arms follow built-in motions and two recordings of the CMU database; the full body walks, runs and squats held at
the pelvis, and stands on its own feet. All clips of a row block are worlds of one simulation; the speed is measured
with one world alone and with all of them, on one thread.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.retarget.pipeline import retarget
from myotrack.simulate.threads import Threads
from myotrack.steer.follow import FollowSettings, follow

ARMS = ("reach", "wave", "drink", "lift")
RECORDED = ("13_26", "13_09")
HELD = ("walk", "run", "squat")
PUSH = 200.0
"""Force on the trunk from behind, from 2.0 to 2.1 s [N]."""


@dataclass(frozen=True)
class Command:
    """Follow clips and print a row for each."""

    part: Literal["arms", "fingers", "held", "free"] = "arms"
    """The arms with 64 muscles, with fingers and 126, the full body held at the pelvis, or on its own feet."""
    data: Path = Path("../shared/data")
    """Folder of the recordings; recorded clips are left out where it lacks them."""
    seconds: float = 30.0
    """At most so long a part of each clip."""
    json_out: bool = False
    """Print JSON instead."""


def main(command: Command) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    body = "full" if command.part in ("held", "free") else "arms"
    anatomy = Anatomy.load(body, fingers=command.part == "fingers")
    clips = _clips(command, anatomy)
    settings = FollowSettings(support=command.part != "free")
    rows = []
    for clip in clips:
        rows.append(_row(anatomy, clip, settings, PUSH if clip.name.endswith("pushed") else 0.0))
        if not command.json_out:
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    together = time.perf_counter()
    library = ClipLibrary.of(clips, anatomy, dtype=torch.float64)
    frames = sum(1 for _ in follow(Threads(anatomy, len(clips), threads=1, dtype=torch.float64), library, settings))
    together = time.perf_counter() - together
    speed = sum(clip.duration for clip in clips) / together
    if command.json_out:
        print(json.dumps({"rows": rows, "worlds": len(clips), "times_real_time_together": speed}))
    else:
        print(f"{len(clips)} worlds at once, {frames} frames: {speed:.2f} times real time, all clips counted")


def _clips(command: Command, anatomy: Anatomy) -> list[Clip]:
    names = {"held": HELD, "free": ("stand", "squat")}.get(command.part, ARMS)
    clips = [builtin(name, anatomy) for name in names]
    if command.part == "free":
        # Ten seconds of its first posture.
        held = {name: getattr(clips[0], name)[:1].repeat(1001, 1) for name in ("pos", "contact")}
        still = {name: torch.zeros_like(clips[0].vel[:1]).repeat(1001, 1) for name in ("vel", "acc")}
        stand = replace(clips[0], **held, **still)
        return [stand, replace(stand.part(0.0, 5.0), name="stand, pushed"), clips[1]]
    for name in RECORDED if command.part in ("arms", "fingers") else ():
        path = command.data / "cmu_bvh" / f"{name}.bvh.gz"
        if path.exists():
            clips.append(retarget(read(path), anatomy))
    return [clip.part(0.0, min(clip.duration, command.seconds)) for clip in clips]


def _row(anatomy: Anatomy, clip: Clip, settings: FollowSettings, push: float) -> dict[str, object]:
    simulator = Threads(anatomy, 1, threads=1, dtype=torch.float64)
    library = ClipLibrary.of([clip], anatomy, dtype=torch.float64)
    skip = 7 if anatomy.free else 0
    errors, landmarks, activation, residual, support, ground, alive = ([] for _ in range(7))
    began = time.perf_counter()
    for step in follow(simulator, library, settings):
        errors.append((step.body.coordinate_pos - step.reference.coordinate_pos[:, 0])[0, skip:].abs())
        landmarks.append((step.body.landmark_pos_w - step.reference.landmark_pos_w[:, 0])[0].norm(dim=-1))
        activation.append(step.body.muscle_activation[0])
        residual.append(step.residual[0].abs())
        support.append(step.support[0, :3].norm())
        ground.append(step.body.foot_force_w[0, :, 2].sum() if anatomy.free else torch.zeros(()))
        alive.append(bool(step.alive[0]))
        if push and 200 <= len(alive) < 210:
            simulator.push("torso", torch.tensor([[0.0, -push, 0.0]]))
    took = time.perf_counter() - began
    error, act = torch.stack(errors).rad2deg(), torch.stack(activation)
    names = anatomy.coordinate_names[6 if anatomy.free else 0 :]
    worst = int(error.mean(dim=0).argmax())
    larger = [names.index(name) for name in Anatomy.load(anatomy.name).coordinate_names if name in names]
    return {
        "clip": clip.name,
        "s": round(clip.duration, 1),
        "survived_s": round(sum(alive) / 100, 1),
        "joint_error_deg": round(float(error.mean()), 3),
        "without_fingers_deg": round(float(error[:, larger].mean()), 3),
        "joint_error_95_deg": round(float(np.quantile(error, 0.95)), 2),
        "worst_joint": f"{names[worst]} {float(error[:, worst].mean()):.2f}",
        "landmark_error_mm": round(1000 * float(torch.stack(landmarks).mean()), 1),
        "activation": round(float(act.mean()), 3),
        "saturated": round(float((act > 0.95).double().mean()), 4),
        "residual_rms_nm": round(float(torch.stack(residual).square().mean().sqrt()), 3),
        "support_n": round(float(torch.stack(support).mean())),
        "ground_n": round(float(torch.stack(ground).mean())),
        "times_real_time": round(clip.duration / took, 2),
    }


if __name__ == "__main__":
    main(tyro.cli(Command))
