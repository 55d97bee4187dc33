"""Draw the picture of the README.  Usage: python benchmarks/readme_picture.py

The full body from the front and from behind, and the arms, after 0.15 s in which groups of muscles were driven: those
bright red are active.
"""

import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # Draw without a screen; MuJoCo looks here when it is imported.

import numpy as np
import torch
import tyro

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.threads import Threads
from myotrack.view.picture import Camera, Painter, write_picture

DRIVEN = {"quadriceps", "triceps surae", "gluteus maximus", "erector spinae", "deltoid", "elbow flexors"}


def main(out: Path = Path("docs/figures/bodies.png")) -> None:
    """Simulate, draw three views, and write them side by side."""
    views = [
        ("full", Camera(azimuth_deg=62, distance=2.75)),
        ("full", Camera(azimuth_deg=235, distance=2.75)),
        ("arms", Camera(azimuth_deg=62, distance=1.25)),
    ]
    panels = []
    for name, camera in views:
        anatomy = Anatomy.load(name)
        drive = torch.tensor([[0.8 if muscle.group in DRIVEN else 0.05 for muscle in anatomy.muscles]])
        simulator = Threads(anatomy, 1)
        for _ in range(15):
            simulator.advance(drive)
        painter = Painter(anatomy, width=420, height=640, camera=camera)
        panels.append(painter.paint_world(simulator.body))
        painter.close()
    print(write_picture(out, np.concatenate(panels, axis=1)))


if __name__ == "__main__":
    tyro.cli(main)
