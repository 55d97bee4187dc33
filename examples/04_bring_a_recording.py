"""04 Bring a recording.  Usage: python examples/04_bring_a_recording.py --recording walk.bvh --out runs/clips

Turns a motion file into a clip of the full body, says how good it is, and looks up the reference of two worlds. Without
a file, the built-in walk is taken.
"""

from pathlib import Path

import torch
import tyro

from myotrack import Anatomy, ClipLibrary, builtin, read
from myotrack.clips.quality import assess
from myotrack.clips.store import save
from myotrack.retarget.pipeline import retarget


def main(recording: Path | None = None, out: Path = Path("runs/clips"), steps: int = 50) -> None:
    """Retarget, grade, save, and look `steps` frames ahead."""
    anatomy = Anatomy.load("full")
    clip = builtin("walk", anatomy) if recording is None else retarget(read(recording), anatomy)
    quality = clip.quality or assess(clip, anatomy)
    verdict = "; ".join(quality.failures()) or "within all limits"
    print(f"{clip.name}: {clip.duration:.2f} s, {quality.stances} stances, {verdict}")
    out.mkdir(parents=True, exist_ok=True)
    save(clip, out / f"{clip.name}.npz", anatomy)

    library = ClipLibrary.of([clip, clip.mirrored(anatomy)], anatomy)
    reference = library.at(clip=torch.tensor([0, 1]), frame=torch.tensor([0, 0]), ahead=(0, steps))
    pelvis = reference.landmark_pos_w[:, :, anatomy.landmarks.index("pelvis")]
    print(f"In {steps} frames the pelvis moves by {(pelvis[:, 1] - pelvis[:, 0]).norm(dim=-1).tolist()} m.")


if __name__ == "__main__":
    tyro.cli(main)
