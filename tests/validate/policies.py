"""Trials of policies made up for tests, on the trials of `rollouts`."""

from dataclasses import replace

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.validate.trials import MEAN, Trial, grouped
from tests.validate.rollouts import perfect


def policy(
    anatomy: Anatomy, frames: int = 20, name: str = "reach", group: str = "clips", acting: str = MEAN, seed: int = 0
) -> Trial:
    """A policy that follows exactly and needs no muscle for it."""
    return replace(perfect(anatomy, frames, name), kind="policy", settings=grouped(group, acting, seed))


def shifted(trial: Trial, distance: float, first: int = 0) -> Trial:
    """All of the body moved by a distance [m], from a frame on."""
    places, pos = trial.landmark_pos_w.clone(), trial.pos.clone()
    places[first:, :, 0] += distance
    if trial.free:
        pos[first:, 0] += distance
    return replace(trial, landmark_pos_w=places, pos=pos)


def bent(trial: Trial, distance: float | torch.Tensor, first: int = 0) -> Trial:
    """Landmarks but the pelvis moved, by a distance in the mean over all landmarks [m], from a frame on."""
    places = trial.landmark_pos_w.clone()
    count = places.shape[1]
    begin, share = (1, count / (count - 1)) if trial.free else (0, 1.0)
    places[first:, begin:, 1] += torch.as_tensor(distance, dtype=places.dtype).reshape(-1, 1) * share
    return replace(trial, landmark_pos_w=places)
