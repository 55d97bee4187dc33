"""Recordings to clips: errors, contacts and speed over folders.  Usage: python benchmarks/retarget.py [--jobs 2]

Retargets the CMU recordings in the data folder (environment variable MYOTRACK_DATA, default ../shared/data) from file
to graded clip, and prints what the project asks of them. Dances, flips and other hard clips are listed, not left out.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import tyro

from myotrack.workflow.batch import Row
from myotrack.workflow.output import machine
from myotrack.workflow.retarget import retarget_files

HARD = {"05_11", "backflip", "charleston1", "zombie", "03_01", "05_02"}
"""Dance, flip, a monster's gait and steps over uneven ground: named beside the others."""


def main(
    folders: tuple[str, ...] = ("cmu_asfamc", "amass_layout"), body: str = "full", jobs: int = 2, json_out: bool = False
) -> None:
    """Retarget and summarise."""
    data = Path(os.environ.get("MYOTRACK_DATA", "../shared/data"))
    missing = [name for name in folders if not (data / name).is_dir()]
    if missing:
        sys.exit(f"benchmarks/retarget.py: no folder {data / missing[0]}; set MYOTRACK_DATA to the recordings.")
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        rows = retarget_files([data / name for name in folders], body, out, jobs=jobs)
        wall = time.perf_counter() - begin
    made = [row for row in rows if row.quality is not None]
    hard = [row for row in made if any(name in row.clip for name in HARD)]
    plain = [row for row in made if row not in hard]
    frames = sum(row.frames for row in made)
    stages: dict[str, float] = {}
    for row in made:
        for stage, seconds in row.seconds.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    summary = {
        "body": body,
        "files": len(rows),
        "failed": [f"{row.clip}: {row.error}" for row in rows if row.status == "failed"],
        "walking, running, turning, jumping, reaching": _figures(plain),
        "hard": _figures(hard),
        "poor": {row.clip: list(row.poor) for row in made if row.poor},
        "frames": frames,
        "frames_per_s": round(frames / wall, 1),
        "jobs": jobs,
        "ms_per_frame": {stage: round(1000 * seconds / frames, 3) for stage, seconds in stages.items()},
        "machine": machine(),
    }
    print(json.dumps(summary, indent=None if json_out else 2))


def _figures(rows: list[Row]) -> dict[str, float | int]:
    """What the clips of a group show, worst or median."""
    qualities = [row.quality for row in rows if row.quality is not None]
    if not qualities:
        return {}
    skates = [quality.skate for quality in qualities if quality.skate is not None]
    frames = sum(row.frames for row in rows)
    sunk = sum(row.quality.penetration_share * row.frames for row in rows if row.quality is not None)
    return {
        "clips": len(rows),
        "landmark RMSE, median [mm]": round(1000 * median(q.landmark_rmse or 0.0 for q in qualities), 2),
        "landmark RMSE, worst [mm]": round(1000 * max(q.landmark_rmse or 0.0 for q in qualities), 2),
        "past joint limits, worst [%]": 100 * max(q.limit_violation for q in qualities),
        "coupling residual, worst": max(q.coupling_residual for q in qualities),
        "frames below the floor [%]": 100 * sunk / frames,
        "clips with new path jumps [%]": 100 * sum(q.new_path_jumps > 0 for q in qualities) / len(qualities),
        "skate per stance, median over clips [mm]": round(1000 * median(skates), 2) if skates else 0.0,
        "skate per stance, worst clip [mm]": round(1000 * max(skates), 2) if skates else 0.0,
    }


if __name__ == "__main__":
    tyro.cli(main)
