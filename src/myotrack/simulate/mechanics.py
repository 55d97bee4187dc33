"""The equations of motion of every world in the independent coordinates, read from a backend's arrays.

With z the independent coordinates, F the tensions of the muscles and `external` every other force on the body,

    mass z̈ + bias = passive + moment_armᵀ F + external.

The couplings q = f(z) hold exactly here: mass = Tᵀ M T, and the bias contains what the change of T adds. (A simulator
holds them by stiff constraints.) Limits of joints and contacts belong to `external`.
"""

from dataclasses import dataclass

import mujoco
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy

PerCoordinate = Float[Tensor, "world coordinate"]
"""A generalised force: [N m], for the three shifts of a free root [N]."""


@dataclass(frozen=True)
class Mechanics:
    """One instant of every world, without the forces that muscles, contacts and joint limits exert."""

    mass: Float[Tensor, "world coordinate coordinate"]
    """Inertia, armature included [kg m²; kg and kg m where the root shifts]."""
    bias: PerCoordinate
    """Gravity, centrifugal and Coriolis forces, on the side of the inertia."""
    passive: PerCoordinate
    """Springs and dampers of the joints; the passive forces of muscles are not among them."""
    moment_arm: Float[Tensor, "world muscle coordinate"]
    """How much a path shortens per coordinate; a tension times it is a moment [m]."""
    muscle_length: Float[Tensor, "world muscle"]
    """Of the whole muscle-tendon path [m]."""
    muscle_velocity: Float[Tensor, "world muscle"]
    """Positive while lengthening [m/s]."""

    def to(self, dtype: torch.dtype) -> "Mechanics":
        """The same in another precision."""
        return Mechanics(**{name: value.to(dtype) for name, value in vars(self).items()})

    def rows(self, index: Int[Tensor, "some"]) -> "Mechanics":
        """Some worlds, or one again and again."""
        return Mechanics(**{name: value[index] for name, value in vars(self).items()})


@dataclass(frozen=True)
class MechanicsArrays:
    """The arrays of a backend that `Mechanics` are made of, by MuJoCo's names."""

    qpos: Float[Tensor, "world qpos"]
    qvel: Float[Tensor, "world dof"]
    M: Float[Tensor, "world nonzero"]
    qfrc_bias: Float[Tensor, "world dof"]
    qfrc_passive: Float[Tensor, "world dof"]
    actuator_moment: Float[Tensor, "world moment"] | Float[Tensor, "world muscle coordinate"]
    """Of wrapped paths MuJoCo's sparse rows; of fitted ones the moment arms themselves."""
    actuator_length: Float[Tensor, "world muscle"]
    actuator_velocity: Float[Tensor, "world muscle"]


class MechanicsReadout:
    """Reads `Mechanics` from a backend's arrays: knows which number of MuJoCo's sparse matrices stands where."""

    def __init__(self, anatomy: Anatomy, model: mujoco.MjModel, device: torch.device | str = "cpu") -> None:
        def integers(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=torch.int64)

        # M is the lower triangle by rows; every muscle is one tendon with a gear of 1, so the moments of the actuators
        # stand where the model says the tendons' Jacobians do.
        self._row = torch.repeat_interleave(torch.arange(model.nv), integers(model.M_rownnz)).to(device)
        self._column = integers(model.M_colind).to(device)
        # Of a body whose paths are fitted, what is stepped has no muscles; which joints they span is known beside it.
        paths = anatomy.model
        tendon = integers(paths.actuator_trnid[:, 0])
        count, start = integers(paths.ten_J_rownnz)[tendon], integers(paths.ten_J_rowadr)[tendon]
        entries = torch.cat([torch.arange(int(s), int(s + c)) for s, c in zip(start, count, strict=True)])
        muscle = torch.repeat_interleave(torch.arange(paths.nu), count)
        self._couplings = anatomy.couplings.to(device, torch.float64)
        owner = self._couplings.coordinate_of_dof()
        self._dof = integers(paths.ten_J_colind)[entries].to(device)
        self._size = size = anatomy.couplings.coordinate_size
        self._muscles = paths.nu
        self._arm_place = muscle.to(device) * size + owner[self._dof]
        self._mass_place = owner[self._row] * size + owner[self._column]
        self._mirror_place = owner[self._column] * size + owner[self._row]
        self._below = (self._row != self._column).to(device)
        self._owner = owner

    @property
    def crosses(self) -> Bool[Tensor, "muscle coordinate"]:
        """Which coordinates a muscle may have a moment arm about, in any posture."""
        pattern = torch.zeros(self._muscles * self._size, dtype=torch.bool, device=self._dof.device)
        pattern[self._arm_place] = True
        return pattern.view(self._muscles, self._size)

    @property
    def coupled(self) -> Bool[Tensor, "coordinate coordinate"]:
        """Which coordinates may share inertia, in any posture."""
        pattern = torch.zeros(self._size**2, dtype=torch.bool, device=self._dof.device)
        pattern[self._mass_place] = pattern[self._mirror_place] = True
        return pattern.view(self._size, self._size)

    def read(self, arrays: MechanicsArrays) -> Mechanics:
        """The equations of motion at the instant that the arrays describe, in their precision."""
        couplings = self._couplings.to(arrays.qpos.device, arrays.qpos.dtype)
        z, rate = couplings.independent(arrays.qpos), couplings.independent_rate(arrays.qvel)
        slope = couplings.slope(z)
        worlds, size = len(z), self._size
        at_row, at_column = slope[:, self._row], slope[:, self._column]
        share = arrays.M * at_row * at_column
        mass = z.new_zeros(worlds, size * size).index_add_(1, self._mass_place, share)
        mass.index_add_(1, self._mirror_place, share * self._below)
        # What M makes of the accelerations that dependent joints have while their drivers move steadily.
        carried = couplings.qacc(z, rate, torch.zeros_like(rate))
        push = torch.zeros_like(carried).index_add_(1, self._row, arrays.M * carried[:, self._column])
        push.index_add_(1, self._column, arrays.M * carried[:, self._row] * self._below)
        arm = arrays.actuator_moment
        if arm.ndim == 2:
            whole = z.new_zeros(worlds, self._muscles * size)
            arm = whole.index_add_(1, self._arm_place, -arm * slope[:, self._dof]).view(worlds, self._muscles, size)
        return Mechanics(
            mass=mass.view(worlds, size, size),
            bias=couplings.reduce(z, arrays.qfrc_bias + push),
            passive=couplings.reduce(z, arrays.qfrc_passive),
            moment_arm=arm,
            muscle_length=arrays.actuator_length,
            muscle_velocity=arrays.actuator_velocity,
        )
