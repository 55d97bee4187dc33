"""03 Draw a body.  Usage: python examples/03_draw_a_body.py --out body.png

Drives the right biceps and brachialis for a moment and draws the arms, active muscles bright.
"""

import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # Draw without a screen; MuJoCo looks here when it is imported.

import torch
import tyro

from myotrack import Anatomy, Threads
from myotrack.view.picture import Painter, write_picture


def main(out: Path = Path("runs/body.png"), steps: int = 30) -> None:
    """Simulate `steps` x 10 ms and write a picture."""
    anatomy = Anatomy.load("arms")
    simulator = Threads(anatomy, worlds=1)
    drive = torch.zeros(1, len(anatomy.muscles))
    for name in ("BIClong", "BICshort", "BRA"):
        drive[0, anatomy.muscle_names.index(name)] = 0.5
    for _ in range(steps):
        simulator.advance(drive)
    painter = Painter(anatomy)
    print(write_picture(out, painter.paint_world(simulator.body)))
    painter.close()


if __name__ == "__main__":
    tyro.cli(main)
