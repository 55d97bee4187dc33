"""One instant of every world, and how it is read from a backend's arrays."""

from dataclasses import dataclass, fields, replace

import mujoco
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.contact import ground_reaction

PerWorld = Float[Tensor, "world"]
"""One number per simulated world."""
Excitation = Float[Tensor, "world muscle"]
"""Neural drive in [0, 1], what a policy commands."""
Activation = Float[Tensor, "world muscle"]
"""Muscle state in [0, 1], what follows the drive with a delay."""


@dataclass(frozen=True)
class BodyState:
    """One instant of every world: SI units, world frame (`_w`), every field of the same instant.

    On a GPU some fields are views that the next `advance` overwrites; whoever keeps an instant calls `kept()`.
    """

    time: PerWorld
    """Since the last reset [s]."""
    intact: Bool[Tensor, "world"]
    """False for a world that left the numbers; it stands still in its last good state until it is reset."""
    qpos: Float[Tensor, "world qpos"]
    """MuJoCo's posture, dependent joints included [m, quaternion, rad]."""
    qvel: Float[Tensor, "world dof"]
    """MuJoCo's velocity [m/s, rad/s]."""
    coordinate_pos: Float[Tensor, "world pos"]
    """Independent coordinates z [m, quaternion, rad]."""
    coordinate_vel: Float[Tensor, "world coordinate"]
    """Their rates; the root's angular velocity is in its own frame [m/s, rad/s]."""
    landmark_pos_w: Float[Tensor, "world landmark 3"]
    """[m]"""
    landmark_quat_w: Float[Tensor, "world landmark 4"]
    """Orientation (w, x, y, z) of frames that look x forward, y left, z up in the neutral pose, where it is
    `Anatomy.mirror.neutral`, since the body faces -y."""
    landmark_vel_w: Float[Tensor, "world landmark 3"]
    """[m/s]"""
    landmark_spin_w: Float[Tensor, "world landmark 3"]
    """Angular velocity [rad/s]."""
    com_pos_w: Float[Tensor, "world 3"]
    """Centre of mass of the whole body [m]."""
    com_vel_w: Float[Tensor, "world 3"]
    """[m/s]"""
    angular_momentum_w: Float[Tensor, "world 3"]
    """About the centre of mass [kg m²/s]."""
    muscle_excitation: Excitation
    """What drove the muscles during the last interval."""
    muscle_activation: Activation
    muscle_length: Float[Tensor, "world muscle"]
    """Of the whole muscle-tendon path [m]."""
    muscle_velocity: Float[Tensor, "world muscle"]
    """Positive while lengthening [m/s]."""
    muscle_force: Float[Tensor, "world muscle"]
    """Tension, positive when pulling [N]. (MuJoCo reports it negative.)"""
    region_force_w: Float[Tensor, "world region 3"]
    """Ground reaction on hindfoot and toes, right then left [N]."""
    region_moment_w: Float[Tensor, "world region 3"]
    """Moment of it about the world's origin [N m]."""
    foot_force_w: Float[Tensor, "world foot 3"]
    """Ground reaction force, right then left [N]."""
    foot_cop_w: Float[Tensor, "world foot 3"]
    """Centre of pressure on the floor [m]; zero while the foot carries less than 5 N."""
    foot_free_moment: Float[Tensor, "world foot"]
    """Moment about the vertical through the centre of pressure [N m]."""

    def kept(self) -> "BodyState":
        """A copy that later steps do not touch."""
        return replace(self, **{field.name: getattr(self, field.name).clone() for field in fields(self)})


@dataclass(frozen=True)
class Arrays:
    """The arrays of a backend that a `BodyState` is made of, by MuJoCo's names."""

    time: PerWorld
    qpos: Float[Tensor, "world qpos"]
    qvel: Float[Tensor, "world dof"]
    act: Activation
    ctrl: Excitation
    sensordata: Float[Tensor, "world sensor"]
    actuator_length: Float[Tensor, "world muscle"]
    actuator_velocity: Float[Tensor, "world muscle"]
    actuator_force: Float[Tensor, "world muscle"]


class Readout:
    """Reads a `BodyState` from a backend's arrays: knows which sensor stands where."""

    def __init__(self, anatomy: Anatomy, model: mujoco.MjModel, device: torch.device | str = "cpu") -> None:
        def addresses(names: list[str], width: int) -> Tensor:
            start = torch.tensor([int(model.sensor(name).adr[0]) for name in names], dtype=torch.int64)
            return (start[:, None] + torch.arange(width)).to(device)

        landmarks = anatomy.landmarks
        self._couplings = anatomy.couplings.to(device, torch.float32)
        self._pos = addresses([f"{landmark}_pos" for landmark in landmarks], 3)
        self._quat = addresses([f"{landmark}_quat" for landmark in landmarks], 4)
        self._vel = addresses([f"{landmark}_linvel" for landmark in landmarks], 3)
        self._spin = addresses([f"{landmark}_angvel" for landmark in landmarks], 3)
        self._whole = addresses(["com_pos", "com_linvel", "com_angmom"], 3)
        self._ground = addresses([f"{region}_ground" for region in anatomy.foot_regions], 10)

    def read(self, arrays: Arrays, intact: Bool[Tensor, "world"]) -> BodyState:
        """The instant that the arrays describe."""
        sensor = arrays.sensordata
        whole = sensor[:, self._whole]
        ground = ground_reaction(sensor[:, self._ground])
        return BodyState(
            time=arrays.time,
            intact=intact,
            qpos=arrays.qpos,
            qvel=arrays.qvel,
            coordinate_pos=self._couplings.independent(arrays.qpos),
            coordinate_vel=self._couplings.independent_rate(arrays.qvel),
            landmark_pos_w=sensor[:, self._pos],
            landmark_quat_w=sensor[:, self._quat],
            landmark_vel_w=sensor[:, self._vel],
            landmark_spin_w=sensor[:, self._spin],
            com_pos_w=whole[:, 0],
            com_vel_w=whole[:, 1],
            angular_momentum_w=whole[:, 2],
            muscle_excitation=arrays.ctrl,
            muscle_activation=arrays.act,
            muscle_length=arrays.actuator_length,
            muscle_velocity=arrays.actuator_velocity,
            muscle_force=-arrays.actuator_force,
            region_force_w=ground.region_force_w,
            region_moment_w=ground.region_moment_w,
            foot_force_w=ground.foot_force_w,
            foot_cop_w=ground.foot_cop_w,
            foot_free_moment=ground.foot_free_moment,
        )
