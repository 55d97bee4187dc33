"""Recordings made from motions of our own bodies, so that the answer is known."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS
from myotrack.capture.recording import Origin, Recording
from myotrack.clips.clip import RATE
from myotrack.retarget.conventions import SIDES
from myotrack.retarget.markers import MARKER_SETS, resolve
from myotrack.retarget.rig import Rig
from myotrack.retarget.solver import pose

SET = "Rajagopal, OpenSim"


def strolling(anatomy: Anatomy, frames: int = 200) -> Float[Tensor, "frame pos"]:
    """A body that hovers along, swinging arms and legs: smooth, within limits, nothing planted."""
    t = torch.arange(frames, dtype=torch.float64) / RATE
    z = anatomy.rest.repeat(frames, 1)
    skip = 1 if anatomy.free else 0
    if anatomy.free:
        z[:, 1] -= 1.2 * t
        z[:, 2] += 0.3
    for index, name in enumerate(anatomy.coordinate_names):
        swing = {
            "hip_flexion": (0.2, 0.4), "knee_angle": (0.5, 0.4), "ankle_angle": (0.0, 0.2), "elbow_flex": (0.6, 0.3),
            "shoulder_elv": (0.6, 0.3), "elv_angle": (0.4, 0.3), "shoulder_rot": (0.0, 0.2), "lat_bending": (0.0, 0.1),
        }  # fmt: skip
        for stem, (middle, reach) in swing.items():
            if name.startswith(stem):
                phase = 0.0 if name.endswith("_r") else np.pi
                z[:, index + skip] = middle + reach * torch.sin(2 * np.pi * t + phase)
    return z


def markers(
    anatomy: Anatomy,
    z: Float[Tensor, "frame pos"],
    size: dict[str, float] | None = None,
    rate: float = RATE,
    noise: float = 0.0,
) -> Recording:
    """What cameras would see of a person of these sizes with the markers of Rajagopal et al."""
    rig = Rig.of(anatomy)
    scale = torch.ones(len(PARTS), dtype=torch.float64)
    for part, value in (size or {}).items():
        scale[PARTS.index(part)] = value
    known = {
        name: spot
        for name, placed in MARKER_SETS[SET].items()
        if "." in name or name in ("S2", "C7", "CLAV")
        if (spot := resolve(placed, rig)) is not None
    }
    segment = torch.tensor([spot.segment for spot in known.values()])
    place = torch.tensor(np.array([spot.place for spot in known.values()]))
    place = place * scale[rig.part_of_segment[segment]][:, None]
    points = pose(rig.sized(scale), z, 1.0).points(segment, place).numpy()
    points = points + noise * np.random.default_rng(0).standard_normal(points.shape)
    return Recording("made", rate, Origin("made.trc", "0", "made"), "markers", tuple(known), points)


def mirrored(recording: Recording) -> Recording:
    """The same seen in a mirror at x = 0, with the names of the sides exchanged."""
    assert recording.points is not None
    index = [recording.names.index(_twin(name, recording.names)) for name in recording.names]
    points = (recording.points * [-1.0, 1.0, 1.0])[:, index]
    if recording.turns is None or recording.tree is None:
        return replace(recording, points=points)
    rest = (recording.tree.rest * [-1.0, 1.0, 1.0])[index]
    turns = (recording.turns * [1.0, 1.0, -1.0, -1.0])[:, index]
    return replace(recording, points=points, turns=turns, tree=replace(recording.tree, rest=rest))


def _twin(name: str, names: tuple[str, ...]) -> str:
    right, left = SIDES
    for one, other in ((right, left), ("R.", "L."), ("r", "l"), ("R", "L")):
        for start, end in ((one, other), (other, one)):
            if name.startswith(start) and end + name.removeprefix(start) in names:
                return end + name.removeprefix(start)
    return name
