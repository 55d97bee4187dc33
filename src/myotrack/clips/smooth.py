"""A clip without what is faster than a cut-off, for questions that accelerations answer."""

from dataclasses import replace

import torch

from myotrack.algebra.lowpass import lowpass
from myotrack.algebra.motion import sampled_motion
from myotrack.algebra.rotation import continuous
from myotrack.algebra.spline import Spline
from myotrack.clips.clip import RATE, Clip

CUTOFF = 6.0
"""Cut-off of kinematics in gait analysis [Hz]. Source: Winter (2009), Biomechanics and Motor Control of Human Movement,
section 2.5.4."""


def smoothed(clip: Clip, cutoff: float = CUTOFF) -> Clip:
    """The clip's coordinates low-passed without delay; rates and accelerations are those of the curve through them.

    A root's quaternion is filtered in four dimensions and made unit. Feet that stood still may slip by a little.

    Args:
        clip: Of either body.
        cutoff: [Hz]

    Raises:
        ValueError: The cut-off is not below half the rate of clips, or the clip is too short to be filtered.
    """
    free = clip.pos.shape[1] == clip.vel.shape[1] + 1
    z = clip.pos.double()
    if free:
        z = torch.cat([z[:, :3], continuous(z[:, 3:7]), z[:, 7:]], dim=1)
    try:
        z = torch.as_tensor(lowpass(z.numpy(), RATE, cutoff).copy())
    except ValueError as error:
        raise ValueError(f"Clip '{clip.name}' cannot be smoothed: {error}") from error
    spline = Spline(len(z), 1, 1 / RATE)
    pos, vel, acc = (part.to(clip.pos) for part in sampled_motion(spline, spline.fit(z), free))
    notes = (*clip.provenance.notes, f"low-passed at {cutoff:g} Hz, Butterworth, fourth order, without delay")
    return replace(clip, pos=pos, vel=vel, acc=acc, quality=None, provenance=replace(clip.provenance, notes=notes))
