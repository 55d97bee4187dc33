"""The body's own size beside the person's: errors, contacts and bones.  Usage: python benchmarks/fitted_size.py

Retargets recordings of the data folder (environment variable MYOTRACK_DATA, default ../shared/data) to the full body
twice, once kept in its own size and once fitted to the person, and prints what the one costs and the other gives.
"""

import json
import os
import sys
from pathlib import Path
from statistics import median

import torch
import tyro

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.retarget.conventions import SIDES, SKELETONS
from myotrack.retarget.pipeline import Fit, fit
from myotrack.retarget.settings import Settings
from myotrack.workflow.output import machine

BONES = {"femur": ("hip", "knee"), "tibia": ("knee", "ankle")}
"""Joints at both ends, as skeletons and landmarks call them."""


def main(
    patterns: tuple[str, ...] = ("cmu_asfamc/*.amc", "amass_layout/*.npz", "rajagopal2016/motion_capture_*.trc"),
    json_out: bool = False,
) -> None:
    """Retarget and summarise."""
    data = Path(os.environ.get("MYOTRACK_DATA", "../shared/data"))
    files = [file for pattern in patterns for file in sorted(data.glob(pattern))]
    if not files:
        sys.exit(
            f"benchmarks/fitted_size.py: no recordings in {data}; set MYOTRACK_DATA to the folder that holds them."
        )
    full, rows = Anatomy.load("full"), []
    for file in files:
        recording = read(file)
        row: dict[str, object] = {"file": str(file.relative_to(data))}
        for size in ("kept", "fitted"):
            row[size] = _figures(recording, fit(recording, full, Settings(size=size)))
        rows.append(row)
        print(json.dumps(row), file=sys.stderr)
    summary = {
        "recordings": len(rows),
        **{size: _summary([row[size] for row in rows]) for size in ("kept", "fitted")},  # type: ignore[misc]
        "machine": machine(),
    }
    print(json.dumps(summary, indent=None if json_out else 2))


def _figures(recording: Recording, found: Fit) -> dict[str, float | int | None]:
    quality = found.clip.quality
    assert quality is not None
    return {
        "landmark RMSE [mm]": 1000 * (quality.landmark_rmse or 0.0),
        "skate per stance [mm]": None if quality.skate is None else 1000 * quality.skate,
        "inside itself [% of frames]": 100 * quality.self_penetration_share,
        "jerk [m/s3]": quality.jerk,
        "new path jumps": quality.new_path_jumps,
        "passes": int(quality.passed),
        **{f"{bone} off by [%]": _off(recording, found, *ends) for bone, ends in BONES.items()},
        "building the body [s]": found.seconds.get("body", 0.0),
    }


def _off(recording: Recording, found: Fit, upper: str, lower: str) -> float | None:
    """Length of the performing body's bone, times `Clip.scale`, beside the recorded one [%]; None for markers."""
    if found.match.convention not in SKELETONS or recording.points is None:
        return None
    convention, anatomy = SKELETONS[found.match.convention], found.anatomy
    points, rest = torch.as_tensor(recording.points), anatomy.kinematics.pose(anatomy.rest).pos
    ratios = []
    for side in SIDES:
        names = [convention.name(role, side) for role in (upper, lower)]
        if any(name not in recording.names for name in names):
            return None
        start, end = (points[:, recording.names.index(str(name))] for name in names)
        own = [rest[anatomy.landmarks.index(f"{side}_{role}")] for role in (upper, lower)]
        recorded = float((start - end).norm(dim=-1).nanmedian())
        ratios.append(float((own[0] - own[1]).norm()) * found.clip.scale / recorded)
    return 100 * abs(sum(ratios) / len(ratios) - 1)


def _summary(rows: list[dict[str, float | int | None]]) -> dict[str, list[float]]:
    """Median and worst of every figure."""
    told = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        if name == "passes":
            told[name] = [sum(values), len(values)]
        elif values:
            told[f"{name}, median and largest"] = [round(median(values), 2), round(max(values), 2)]
    return told


if __name__ == "__main__":
    tyro.cli(main)
