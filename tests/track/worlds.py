"""Moments for the tests of the task: a body of either kind somewhere in a motion, some way from its reference."""

from dataclasses import replace

import torch
from torch import Tensor

from myotrack.algebra.quaternion import multiply
from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track.moment import Moment

MOTION = {"arms": "reach", "full": "squat"}
AHEAD = (0, 1, 4, 12)
FRAMES = (100, 180, 260)


def clip_of(anatomy: Anatomy) -> Clip:
    return builtin(MOTION[anatomy.name], anatomy)


def moved(clip: Clip, turn: float, shift: tuple[float, float, float]) -> Clip:
    """The same motion elsewhere, facing elsewhere: turned about the vertical, then shifted."""
    half = torch.tensor(turn / 2, dtype=torch.float64)
    rotation = torch.stack([half.cos(), half * 0, half * 0, half.sin()])
    cos, sin = half.mul(2).cos(), half.mul(2).sin()

    def turned(vector: Tensor) -> Tensor:
        x, y, z = vector.unbind(-1)
        return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=-1)

    pos = clip.pos.clone()
    pos[:, :3] = turned(pos[:, :3]) + torch.tensor(shift, dtype=torch.float64)
    pos[:, 3:7] = multiply(rotation, pos[:, 3:7])
    vel, acc = clip.vel.clone(), clip.acc.clone()
    vel[:, :3], acc[:, :3] = turned(vel[:, :3]), turned(acc[:, :3])
    return replace(clip, pos=pos, vel=vel, acc=acc)


def moments(anatomy: Anatomy, clip: Clip, mirrored: bool = False, late: int = 12) -> Moment:
    """Bodies some frames behind their reference, with some activation; the same wherever the clip is.

    Args:
        anatomy: The body.
        clip: The reference.
        mirrored: Whether the clip is a mirror image, so that activations are mirrored, too.
        late: Frames.
    """
    library = ClipLibrary.of([clip], anatomy, dtype=torch.float64)
    frame, index = torch.tensor(FRAMES), torch.zeros(len(FRAMES), dtype=torch.int64)
    then = library.at(index, frame - late, (0,))
    activation = 0.3 * torch.rand(len(FRAMES), anatomy.model.nu, generator=torch.Generator().manual_seed(0))
    if mirrored:
        activation = anatomy.mirror.muscle(activation)
    simulator = Threads(anatomy, len(FRAMES), threads=1, dtype=torch.float64)
    everywhere = torch.ones(len(FRAMES), dtype=torch.bool)
    simulator.reset(everywhere, then.coordinate_pos[:, 0], then.coordinate_vel[:, 0], activation)
    phase = frame / (clip.frames - 1)
    return Moment(simulator.body, library.at(index, frame, AHEAD), 0.9 * activation.double(), phase.double())
