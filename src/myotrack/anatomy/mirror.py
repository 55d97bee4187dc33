"""The mirror image of a body: left becomes right, across the body's own median plane.

The published world has the body facing -y with its right side at -x, so the mirror turns x into -x. Signs are not
guessed: they are read from the joint axes of both sides, and a body whose sides do not match is refused.
"""

from dataclasses import dataclass, fields, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, from_matrix, multiply
from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.naming import counterpart

AXIS_TOLERANCE = 0.02
"""How far the two sides' joint axes may be from mirror images, as the sine of an angle. Measured: at most 0.01."""


@dataclass(frozen=True)
class Mirror:
    """Permutations and signs that turn a motion into its mirror image. Every method is its own inverse."""

    pos_index: Int[Tensor, "pos"]
    pos_sign: Float[Tensor, "pos"]
    rate_index: Int[Tensor, "coordinate"]
    rate_sign: Float[Tensor, "coordinate"]
    landmark_index: Int[Tensor, "landmark"]
    muscle_index: Int[Tensor, "muscle"]
    region_index: Int[Tensor, "region"]
    """Of the foot regions."""
    neutral: Float[Tensor, "4"]
    """Orientation of every landmark in the neutral pose."""
    plane: Float[Tensor, ""]
    """Where the mirror stands on the world's x axis: at 0 for a free body, on the trunk's median plane for a fixed one
    [m]."""

    @classmethod
    def of(
        cls,
        model: mujoco.MjModel,
        couplings: Couplings,
        landmarks: tuple[str, ...],
        regions: tuple[str, ...],
    ) -> "Mirror":
        """Find the mirror of a model.

        Raises:
            ValueError: A joint axis of one side is not the mirror image of the other side's.
            KeyError: A part has no counterpart.
        """
        pos_index, pos_sign = _signed_permutation(model, couplings.pos_index.numpy(), model.jnt_qposadr, _ROOT_POS_SIGN)
        rate_index, rate_sign = _signed_permutation(
            model, couplings.rate_index.numpy(), model.jnt_dofadr, _ROOT_RATE_SIGN
        )
        free = model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
        muscles = [model.actuator(index).name for index in range(model.nu)]
        return cls(
            pos_index=torch.as_tensor(pos_index, dtype=torch.int64),
            pos_sign=torch.as_tensor(pos_sign),
            rate_index=torch.as_tensor(rate_index, dtype=torch.int64),
            rate_sign=torch.as_tensor(rate_sign),
            landmark_index=_counterparts(landmarks),
            muscle_index=_counterparts(tuple(muscles)),
            region_index=_counterparts(regions),
            neutral=from_matrix(torch.as_tensor(FACING)),
            plane=torch.tensor(0.0 if free else model.body_pos[1, 0], dtype=torch.float64),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Mirror":
        """The same mirror with tensors on another device, and signs of another precision."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return replace(
            self, **{name: value.to(dtype) if value.is_floating_point() else value for name, value in moved.items()}
        )

    def z(self, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch pos"]:
        """Independent coordinates of the mirrored posture."""
        return z[..., self.pos_index] * self.pos_sign

    def rate(self, rate: Float[Tensor, "*batch coordinate"]) -> Float[Tensor, "*batch coordinate"]:
        """Independent rates (or accelerations, or moments) of the mirrored motion."""
        return rate[..., self.rate_index] * self.rate_sign

    def landmark_pos(self, pos: Float[Tensor, "*batch landmark 3"]) -> Float[Tensor, "*batch landmark 3"]:
        """Positions of the landmarks, in the world."""
        return self.point(pos[..., self.landmark_index, :])

    def landmark_vector(self, vector: Float[Tensor, "*batch landmark 3"]) -> Float[Tensor, "*batch landmark 3"]:
        """Velocities of the landmarks, or forces on them, in the world."""
        return self.vector(vector[..., self.landmark_index, :])

    def landmark_spin(self, spin: Float[Tensor, "*batch landmark 3"]) -> Float[Tensor, "*batch landmark 3"]:
        """Angular velocities or moments at the landmarks, in the world."""
        return -self.vector(spin[..., self.landmark_index, :])

    def landmark_quat(self, quat: Float[Tensor, "*batch landmark 4"]) -> Float[Tensor, "*batch landmark 4"]:
        """Orientations of the landmarks, in the world."""
        turn = multiply(quat[..., self.landmark_index, :], conjugate(self.neutral))
        return multiply(torch.cat([turn[..., :2], -turn[..., 2:]], dim=-1), self.neutral)

    def muscle(self, per_muscle: Float[Tensor, "*batch muscle"]) -> Float[Tensor, "*batch muscle"]:
        """Excitations, activations, lengths, velocities or forces."""
        return per_muscle[..., self.muscle_index]

    def point(self, point: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """A position in the world."""
        return torch.cat([2 * self.plane - point[..., :1], point[..., 1:]], dim=-1)

    @staticmethod
    def vector(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """A velocity or force in the world."""
        return torch.cat([-vector[..., :1], vector[..., 1:]], dim=-1)


# A rotation vector is an axial vector: its mirror image keeps the part along the mirror's normal.
_ROOT_POS_SIGN = [-1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0]
_ROOT_RATE_SIGN = [-1.0, 1.0, 1.0, 1.0, -1.0, -1.0]


def _counterparts(names: tuple[str, ...]) -> Int[Tensor, "part"]:
    return torch.tensor([names.index(counterpart(name, names)) for name in names], dtype=torch.int64)


def _signed_permutation(
    model: mujoco.MjModel, kept: np.ndarray, address: np.ndarray, root_sign: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Index and sign per kept entry of qpos or qvel, where `address` says where each joint begins."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    names = [model.joint(joint).name for joint in range(model.njnt)]
    index, sign = np.empty(len(kept), dtype=np.int64), np.empty(len(kept))
    place = {int(entry): position for position, entry in enumerate(kept)}
    for joint, name in enumerate(names):
        if int(address[joint]) not in place:
            continue
        here = place[int(address[joint])]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            index[here : here + len(root_sign)] = here + np.arange(len(root_sign))
            sign[here : here + len(root_sign)] = root_sign
            continue
        other = names.index(counterpart(name, names))
        reflected = data.xaxis[other] * [-1.0, 1.0, 1.0]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
            reflected = -reflected
        agreement = float(reflected @ data.xaxis[joint])
        if np.linalg.norm(np.cross(reflected, data.xaxis[joint])) > AXIS_TOLERANCE:
            raise ValueError(f"The axis of '{name}' is not the mirror image of that of '{names[other]}'.")
        index[here], sign[here] = place[int(address[other])], np.sign(agreement)
    return index, sign
