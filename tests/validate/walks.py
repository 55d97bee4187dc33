"""Walks made up for tests: the built-in one with forces and activations that one can work out by hand."""

from dataclasses import replace

import numpy as np
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import Clip
from myotrack.validate.tracking import body_weight
from myotrack.validate.trials import Trial
from tests.validate.rollouts import perfect


def walking(anatomy: Anatomy, lame: float = 0.0) -> tuple[Trial, Clip]:
    """The built-in walk along -y as a trial: feet that stand bear the body, the right soleus is active while they do.

    Args:
        anatomy: The full body.
        lame: By how much less the left foot bears, and how much its knee is bent further [rad].
    """
    clip = builtin("walk", anatomy)
    pos = clip.pos.clone()
    pos[:, anatomy.coordinate_names.index("knee_angle_l") + 1] += lame
    stands = clip.contact.reshape(clip.frames, 2, 2).any(dim=2)
    force = torch.zeros(clip.frames, 2, 3)
    # Outward (to -x on the right), backward (to +y) and up.
    force[:, 0] = stands[:, :1] * torch.tensor([-0.05, 0.1, 1.0]) * body_weight(anatomy)
    force[:, 1] = stands[:, 1:] * torch.tensor([0.05, 0.1, 1.0 - lame]) * body_weight(anatomy)
    activation = torch.zeros(clip.frames, anatomy.model.nu)
    activation[:, anatomy.muscle_names.index("soleus_r")] = stands[:, 0].float()
    activation[:, anatomy.muscle_names.index("soleus_l")] = 0.5 * stands[:, 1].float()
    return replace(
        perfect(anatomy, clip.frames, "walk"), kind="policy", pos=pos, reference_pos=pos, foot_force_w=force,
        activation=activation, excitation=activation / 2,
    ), clip  # fmt: skip


def mirrored(trial: Trial, anatomy: Anatomy) -> Trial:
    """Its mirror image, as far as a gait is read from it."""
    mirror = anatomy.mirror
    return replace(
        trial,
        pos=mirror.z(trial.pos),
        foot_force_w=trial.foot_force_w.flip(1) * torch.tensor([-1.0, 1.0, 1.0]),
        activation=trial.activation[:, mirror.muscle_index],
        excitation=None if trial.excitation is None else trial.excitation[:, mirror.muscle_index],
    )


def wave(*harmonics: float) -> np.ndarray:
    """A periodic curve of 101 points: amplitudes of sin x, sin 2x, ..."""
    phase = 2 * np.pi * np.arange(101) / 100
    return np.sum([size * np.sin((k + 1) * phase) for k, size in enumerate(harmonics)], axis=0)
