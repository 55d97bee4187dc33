"""Coupled joints: the whole posture from the independent coordinates, q = f(z), and its derivatives.

51 joints of the full body (22 of the arms) are polynomials of one driver joint each. The independent coordinates z are
everything else; they are the truth, and dependent joints follow. A free root keeps MuJoCo's form: position (3) and
quaternion (4) in z, linear velocity in the world and angular velocity in the root's own frame in its rate.
"""

from dataclasses import dataclass, fields, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_INDICES = ("_index", "driver_pos", "driver_rate")


@dataclass(frozen=True)
class Couplings:
    """Which joints are independent, and how the others follow them.

    Sizes: `qpos` and `dof` are MuJoCo's nq and nv; `pos` and `coordinate` are the lengths of z and of its rate
    (38 and 37 for the full body with fingers locked, since the root's quaternion has four numbers for three rates).
    """

    qpos_size: int
    dof_size: int
    pos_index: Int[Tensor, "pos"]
    """Where each entry of z stands in qpos."""
    rate_index: Int[Tensor, "coordinate"]
    """Where each independent rate stands in qvel."""
    dependent_pos_index: Int[Tensor, "dependent"]
    dependent_rate_index: Int[Tensor, "dependent"]
    driver_pos: Int[Tensor, "dependent"]
    """Entry of z that drives each dependent joint. A constant joint names entry 0 and has no slope."""
    driver_rate: Int[Tensor, "dependent"]
    polynomial: Float[Tensor, "dependent 5"]
    """Coefficients of 1, x, x², x³, x⁴, where x is the driver [rad]; the value is an angle or a shift [rad or m]."""

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "Couplings":
        """Read the couplings from the joint equality constraints of a model.

        Raises:
            ValueError: A driver is itself driven, or a joint is coupled twice: then q = f(z) has no simple form.
        """
        is_joint = model.eq_type == mujoco.mjtEq.mjEQ_JOINT
        dependent, driver = model.eq_obj1id[is_joint], model.eq_obj2id[is_joint]
        if len(set(dependent)) < len(dependent) or set(dependent) & set(driver):
            raise ValueError("A joint is coupled twice, or drives while being driven.")
        free = [model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE for joint in range(model.njnt)]
        independent = [joint for joint in range(model.njnt) if joint not in set(dependent)]
        pos_index = np.concatenate([model.jnt_qposadr[j] + np.arange(7 if free[j] else 1) for j in independent])
        rate_index = np.concatenate([model.jnt_dofadr[j] + np.arange(6 if free[j] else 1) for j in independent])
        has_driver = driver >= 0
        driver_pos = np.where(has_driver, np.searchsorted(pos_index, model.jnt_qposadr[driver]), 0)
        driver_rate = np.where(has_driver, np.searchsorted(rate_index, model.jnt_dofadr[driver]), 0)
        polynomial = model.eq_data[is_joint, :5].copy()
        # MuJoCo measures both joints from their reference; all references are zero here, and this keeps it so.
        if model.qpos0[model.jnt_qposadr[dependent]].any() or model.qpos0[model.jnt_qposadr[driver[has_driver]]].any():
            raise ValueError("A coupled joint has a reference angle other than zero.")
        polynomial[~has_driver, 1:] = 0.0
        return cls(
            qpos_size=model.nq,
            dof_size=model.nv,
            pos_index=torch.as_tensor(pos_index, dtype=torch.int64),
            rate_index=torch.as_tensor(rate_index, dtype=torch.int64),
            dependent_pos_index=torch.as_tensor(model.jnt_qposadr[dependent], dtype=torch.int64),
            dependent_rate_index=torch.as_tensor(model.jnt_dofadr[dependent], dtype=torch.int64),
            driver_pos=torch.as_tensor(driver_pos, dtype=torch.int64),
            driver_rate=torch.as_tensor(driver_rate, dtype=torch.int64),
            polynomial=torch.as_tensor(polynomial, dtype=torch.float64),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Couplings":
        """The same couplings with tensors on another device, and coefficients of another precision."""
        indices = {
            field.name: getattr(self, field.name).to(device) for field in fields(self) if field.name.endswith(_INDICES)
        }
        return replace(self, polynomial=self.polynomial.to(device, dtype), **indices)

    @property
    def pos_size(self) -> int:
        """Length of z."""
        return len(self.pos_index)

    @property
    def coordinate_size(self) -> int:
        """Number of independent coordinates, the length of the rate of z."""
        return len(self.rate_index)

    def qpos(self, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch qpos"]:
        """The whole posture, q = f(z)."""
        full = z.new_empty(*z.shape[:-1], self.qpos_size)
        full[..., self.pos_index] = z
        full[..., self.dependent_pos_index] = self._polynomial(z, 0)
        return full

    def qvel(
        self, z: Float[Tensor, "*batch pos"], rate: Float[Tensor, "*batch coordinate"]
    ) -> Float[Tensor, "*batch dof"]:
        """The whole velocity, dq = T(z) dz."""
        full = rate.new_empty(*rate.shape[:-1], self.dof_size)
        full[..., self.rate_index] = rate
        full[..., self.dependent_rate_index] = self._polynomial(z, 1) * rate[..., self.driver_rate]
        return full

    def qacc(
        self,
        z: Float[Tensor, "*batch pos"],
        rate: Float[Tensor, "*batch coordinate"],
        acceleration: Float[Tensor, "*batch coordinate"],
    ) -> Float[Tensor, "*batch dof"]:
        """The whole acceleration, ddq = T(z) ddz + dT/dt dz."""
        full = self.qvel(z, acceleration)
        full[..., self.dependent_rate_index] += self._polynomial(z, 2) * rate[..., self.driver_rate] ** 2
        return full

    def reduce(
        self, z: Float[Tensor, "*#batch pos"], per_dof: Float[Tensor, "*batch dof"]
    ) -> Float[Tensor, "*batch coordinate"]:
        """Transposed map T(z)ᵀ: generalised forces, or rows of a Jacobian, in the independent coordinates.

        `z` is broadcast against the leading dimensions of `per_dof`.
        """
        reduced = per_dof[..., self.rate_index].clone()
        share = per_dof[..., self.dependent_rate_index] * self._polynomial(z, 1)
        return reduced.index_add_(-1, self.driver_rate, share)

    def matrix(self, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch dof coordinate"]:
        """T(z) itself, dense."""
        rows = z.new_zeros(*z.shape[:-1], self.dof_size, self.coordinate_size)
        rows[..., self.rate_index, torch.arange(self.coordinate_size, device=z.device)] = 1.0
        rows[..., self.dependent_rate_index, self.driver_rate] = self._polynomial(z, 1)
        return rows

    def slope(self, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch dof"]:
        """How fast each degree of freedom moves per rate of the coordinate it belongs to; 1 for independent ones."""
        full = torch.ones(*z.shape[:-1], self.dof_size, dtype=z.dtype, device=z.device)
        full[..., self.dependent_rate_index] = self._polynomial(z, 1)
        return full

    def coordinate_of_dof(self) -> Int[Tensor, "dof"]:
        """The coordinate that each degree of freedom belongs to: itself, or its driver."""
        owner = torch.empty(self.dof_size, dtype=torch.int64, device=self.rate_index.device)
        owner[self.rate_index] = torch.arange(self.coordinate_size, device=owner.device)
        owner[self.dependent_rate_index] = self.driver_rate
        return owner

    def independent(self, qpos: Float[Tensor, "*batch qpos"]) -> Float[Tensor, "*batch pos"]:
        """The independent coordinates of a posture."""
        return qpos[..., self.pos_index]

    def independent_rate(self, qvel: Float[Tensor, "*batch dof"]) -> Float[Tensor, "*batch coordinate"]:
        """The independent rates of a velocity."""
        return qvel[..., self.rate_index]

    def project(self, qpos: Float[Tensor, "*batch qpos"]) -> Float[Tensor, "*batch qpos"]:
        """The posture with the same independent coordinates that satisfies every coupling."""
        return self.qpos(self.independent(qpos))

    def residual(self, qpos: Float[Tensor, "*batch qpos"]) -> Float[Tensor, "*batch dependent"]:
        """How far each dependent joint is from its coupling [rad or m]."""
        return (qpos - self.project(qpos))[..., self.dependent_pos_index]

    def _polynomial(self, z: Float[Tensor, "*batch pos"], derivative: int) -> Float[Tensor, "*batch dependent"]:
        """Coupling polynomials or one of their derivatives by Horner's rule."""
        x, c = z[..., self.driver_pos], self.polynomial.to(z.dtype)
        if derivative == 0:
            return c[:, 0] + x * (c[:, 1] + x * (c[:, 2] + x * (c[:, 3] + x * c[:, 4])))
        if derivative == 1:
            return c[:, 1] + x * (2 * c[:, 2] + x * (3 * c[:, 3] + x * 4 * c[:, 4]))
        return 2 * c[:, 2] + x * (6 * c[:, 3] + x * 12 * c[:, 4])
