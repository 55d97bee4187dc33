"""How far a minimal skeleton is from the whole body that it was made from: postures and inertia."""

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Float

from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.reduce import Turns, Vectors


@dataclass(frozen=True)
class ReductionErrors:
    """How far a minimal skeleton is from the whole body, in the same independent coordinates."""

    landmarks: tuple[str, ...]
    pos_max: Float[np.ndarray, "landmark"]
    """Distance of each landmark from where it should be, at worst [m]."""
    pos_rms: Float[np.ndarray, "landmark"]
    angle_max: Float[np.ndarray, "landmark"]
    """Angle by which each landmark is turned away, at worst [rad]."""
    angle_rms: Float[np.ndarray, "landmark"]
    inertia: Float[np.ndarray, "posture"]
    """Norm of the difference of the mass matrices in independent coordinates, over the norm of the whole body's; rows
    and columns of both over the root of its diagonal [1]."""
    diagonal: Float[np.ndarray, "posture coordinate"]
    """Relative error of each coordinate's own inertia [1]."""
    mass: float
    """Relative error of the total mass [1]."""


def reduction_errors(anatomy: Anatomy, model: mujoco.MjModel, count: int = 200, seed: int = 0) -> ReductionErrors:
    """Compare a minimal skeleton with the body it was made from.

    Args:
        anatomy: The whole body.
        model: The compiled skeleton.
        count: How many postures, evenly distributed within the limits; a free root stands as in the resting posture.
        seed: Of the postures.
    """
    low, high = (limit.numpy() for limit in anatomy.limits())
    z, limited = np.tile(anatomy.rest.numpy(), (count, 1)), np.isfinite(high)
    z[:, limited] = np.random.default_rng(seed).uniform(low[limited], high[limited], (count, int(limited.sum())))
    ours, theirs = (_measured(anatomy, each, torch.as_tensor(z)) for each in (model, anatomy.model))
    distance = np.linalg.norm(ours[0] - theirs[0], axis=-1)
    # Rotations by an angle t apart differ by a matrix of norm sqrt(8) sin(t/2), which is exact for small angles too.
    angle = 2 * np.arcsin(np.minimum(np.linalg.norm(ours[1] - theirs[1], axis=(-1, -2)) / np.sqrt(8), 1.0))
    diagonal = np.diagonal(theirs[2], axis1=1, axis2=2)
    scale = 1 / np.sqrt(diagonal[:, :, None] * diagonal[:, None])
    miss, norm = (np.linalg.norm(scale * each, axis=(1, 2)) for each in (ours[2] - theirs[2], theirs[2]))
    return ReductionErrors(
        landmarks=anatomy.landmarks,
        pos_max=distance.max(0),
        pos_rms=np.sqrt((distance**2).mean(0)),
        angle_max=angle.max(0),
        angle_rms=np.sqrt((angle**2).mean(0)),
        inertia=miss / norm,
        diagonal=np.abs(np.diagonal(ours[2], axis1=1, axis2=2) / diagonal - 1),
        mass=abs(float(model.body_mass.sum() / anatomy.model.body_mass.sum()) - 1),
    )


def _measured(
    anatomy: Anatomy, model: mujoco.MjModel, z: Float[torch.Tensor, "n pos"]
) -> tuple[Vectors, Turns, Float[np.ndarray, "n coordinate coordinate"]]:
    """Places and orientations of landmarks, and mass matrices in independent coordinates."""
    data, full, rows, couplings = mujoco.MjData(model), np.empty((model.nv, model.nv)), [], Couplings.of(model)
    sites = [int(model.site(site_name(name)).id) for name in anatomy.landmarks]
    for qpos, matrix in zip(couplings.qpos(z).numpy(), couplings.matrix(z).numpy(), strict=True):
        data.qpos[:] = qpos
        for compute in (mujoco.mj_kinematics, mujoco.mj_comPos, mujoco.mj_makeM):
            compute(model, data)
        mujoco.mj_fullM(model, data, full)
        rows.append((data.site_xpos[sites], data.site_xmat[sites].reshape(-1, 3, 3), matrix.T @ full @ matrix))
    pos, rotation, inertia = (np.stack(column) for column in zip(*rows, strict=True))
    return pos, rotation, inertia
