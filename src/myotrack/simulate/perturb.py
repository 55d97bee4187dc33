"""What may differ from world to world: masses, muscle strength, floor friction."""

import copy
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import indices_of


@dataclass(frozen=True)
class Variation:
    """One set of parameters per world."""

    mass: Float[Tensor, "world segment"]
    """Factor on the mass and inertia of each segment (MuJoCo body, the world included)."""
    strength: Float[Tensor, "world muscle"]
    """Factor on the peak force of each muscle, active and passive."""
    friction: Float[Tensor, "world"]
    """Friction coefficient of the floor (published: 1)."""

    def __post_init__(self) -> None:
        # Written so that NaN is refused, too: every comparison with it is false.
        if not ((self.mass > 0).all() and (self.strength >= 0).all() and (self.friction >= 0).all()):
            raise ValueError(
                "A variation needs positive mass factors and no negative strength or friction, all of them numbers."
            )

    @classmethod
    def none(cls, anatomy: Anatomy, worlds: int) -> "Variation":
        """The same body in every world."""
        return cls(
            mass=torch.ones(worlds, anatomy.model.nbody),
            strength=torch.ones(worlds, anatomy.model.nu),
            friction=torch.ones(worlds),
        )


@dataclass(frozen=True)
class VariedFields:
    """The MuJoCo model fields that a variation decides, one row per world."""

    body_mass: np.ndarray
    body_inertia: np.ndarray
    actuator_gainprm: np.ndarray
    actuator_biasprm: np.ndarray
    geom_friction: np.ndarray
    pair_friction: np.ndarray

    @classmethod
    def of(cls, model: mujoco.MjModel, variation: Variation) -> "VariedFields":
        """Work out the fields for a model."""
        mass = variation.mass.cpu().double().numpy()
        strength = variation.strength.cpu().double().numpy()
        worlds = len(mass)
        gain, bias = (np.repeat(prm[None], worlds, axis=0) for prm in (model.actuator_gainprm, model.actuator_biasprm))
        if model.nu:
            # The muscles of fitted paths are not MuJoCo's.
            gain[:, :, 2] *= strength
            bias[:, :, 2] *= strength
        floor, sliding = model.geom("floor").id, variation.friction.cpu().double().numpy()
        friction, pairs = (np.repeat(each[None], worlds, axis=0) for each in (model.geom_friction, model.pair_friction))
        friction[:, floor, 0] = sliding
        # The floor alone decides, by its priority; where pairs are named, MuJoCo does not ask it.
        pairs[:, model.pair_geom1 == floor, :2] = sliding[:, None, None]
        return cls(
            body_mass=mass * model.body_mass,
            body_inertia=mass[:, :, None] * model.body_inertia,
            actuator_gainprm=gain,
            actuator_biasprm=bias,
            geom_friction=friction,
            pair_friction=pairs,
        )


def softness(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    """How much softer limits and contacts of a model are than MuJoCo would make them (`reduce.take_softness`).

    Factors on the constants of these names, which MuJoCo derives anew when masses vary.
    """
    own = copy.copy(model)
    mujoco.mj_setConst(own, mujoco.MjData(own))
    found = {}
    for name in ("body_invweight0", "dof_invweight0"):
        given, derived = getattr(model, name), getattr(own, name)
        found[name] = np.divide(given, derived, out=np.ones_like(given), where=derived > 0)
    return found


def segment_index(model: mujoco.MjModel, segment: str) -> int:
    """Index of a segment.

    Raises:
        KeyError: No segment has that name; the message suggests the nearest one.
    """
    return indices_of([segment], [model.body(index).name for index in range(model.nbody)], "segment")[0]
