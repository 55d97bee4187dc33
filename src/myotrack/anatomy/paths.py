"""Muscle paths: how long each muscle is in a posture, and how its pull turns the joints.

The moment arm of a muscle about a coordinate is r = -dL/dz: what its length loses when the coordinate gains. So a muscle
with a positive moment arm turns the joint in its positive direction, a tension F [N] has the moment r F [N m], and a
motion dz/dt shortens the muscle at the speed r dz/dt. MuJoCo wraps the paths; nothing is fitted.
Source: An, Takahashi, Harrigan, Chao (1984), tendon excursion; MuJoCo 4.0 manual, computation/actuation length.
"""

import zlib
from collections.abc import Iterator

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import indices_of

CHUNK = 64
"""Postures whose moment arms are held per joint, not per coordinate, at a time: 27 MB for the full body."""


def muscle_lengths(anatomy: Anatomy, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch muscle"]:
    """Length of every muscle with its tendon, from origin to insertion around all it wraps [m].

    Args:
        anatomy: The body.
        z: Independent coordinates; a root's quaternion need not be normalised.
    """
    return lengths_and_arms(anatomy, z, arms=False)[0]


def moment_arms(anatomy: Anatomy, z: Float[Tensor, "*batch pos"]) -> Float[Tensor, "*batch muscle coordinate"]:
    """Moment arm of every muscle about every independent coordinate, r = -dL/dz [m, or m/m for a shift].

    Coupled joints are counted with the coordinate that drives them: the arm of the quadriceps about the knee includes
    what it does to the patella. About the root's six coordinates the arms are zero, since muscles pull within the body.

    Args:
        anatomy: The body.
        z: Independent coordinates; a root's quaternion need not be normalised.
    """
    return lengths_and_arms(anatomy, z, arms=True)[1]


def lengths_and_arms(
    anatomy: Anatomy, z: Float[Tensor, "*batch pos"], arms: bool = True
) -> tuple[Float[Tensor, "*batch muscle"], Float[Tensor, "*batch muscle coordinate"]]:
    """`muscle_lengths` and `moment_arms` at the price of one; without `arms` the second is NaN, held in no memory.

    One posture after another on one core: 0.4 ms each for the full body with fingers.
    """
    couplings, muscles = anatomy.couplings, len(anatomy.muscles)
    rows = z.detach().to("cpu", torch.float64).reshape(-1, couplings.pos_size)
    lengths = rows.new_empty(len(rows), muscles)
    reduced = rows.new_full((1, 1, 1), float("nan")).expand(len(rows), muscles, couplings.coordinate_size)
    if arms:
        reduced = rows.new_empty(len(rows), muscles, couplings.coordinate_size)
    per_joint = np.empty((min(CHUNK, len(rows)), muscles, couplings.dof_size))
    start = 0
    for part in rows.split(CHUNK) if len(rows) else ():
        for place, data in enumerate(_posed(anatomy, part)):
            lengths[start + place] = torch.from_numpy(data.actuator_length)
            if arms:
                mujoco.mju_sparse2dense(
                    per_joint[place], data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
                )
        if arms:
            gradient = torch.from_numpy(per_joint[: len(part)])
            reduced[start : start + len(part)] = -couplings.reduce(part[:, None], gradient)
        start += len(part)
    return (
        lengths.reshape(*z.shape[:-1], muscles),
        reduced.reshape(*z.shape[:-1], muscles, couplings.coordinate_size),
    )


def random_postures(anatomy: Anatomy, count: int, seed: int = 0, margin: float = 0.0) -> Float[Tensor, "{count} pos"]:
    """Postures drawn uniformly within the joint limits, with the root at rest.

    What is drawn for a coordinate depends on its name, the count and the seed alone, so the arms take the same postures in
    every body, with and without fingers.

    Args:
        anatomy: The body.
        count: How many.
        seed: Another seed, other postures.
        margin: Share of every range that is left out at both of its ends, in [0, 0.5).

    Raises:
        ValueError: The margin leaves nothing of the ranges.
    """
    if not 0 <= margin < 0.5:
        raise ValueError(f"The margin is a share of the range left out at both ends, in [0, 0.5); got {margin}.")
    names = _pos_names(anatomy)
    low, high = anatomy.limits()
    postures = anatomy.rest.repeat(count, 1)
    for entry, name in enumerate(names):
        if name:
            share = np.random.default_rng([seed, zlib.crc32(name.encode())]).random(count)
            share = torch.from_numpy(margin + (1 - 2 * margin) * share)
            postures[:, entry] = low[entry] + (high[entry] - low[entry]) * share
    return postures


def postures_over(
    anatomy: Anatomy, joint: str, angle: Float[Tensor, "angle"], others: dict[str, float] | None = None
) -> Float[Tensor, "angle pos"]:
    """The resting posture with one joint at each of several angles, and perhaps others moved [rad].

    Args:
        anatomy: The body.
        joint: The coordinate that takes the angles.
        angle: Its angles [rad].
        others: Angles of coordinates that do not stay at rest, by name [rad].

    Raises:
        KeyError: There is no independent coordinate of that name.
    """
    names = _pos_names(anatomy)
    wanted = indices_of([joint, *(others or {})], names, "joint")
    postures = anatomy.rest.repeat(len(angle), 1)
    for entry, value in zip(wanted[1:], (others or {}).values(), strict=True):
        postures[:, entry] = value
    postures[:, wanted[0]] = angle.to(postures)
    return postures


def _pos_names(anatomy: Anatomy) -> list[str]:
    """The joint behind each entry of z; '' for a root."""
    names: list[str] = []
    for joint in anatomy.joints:
        if joint.independent:
            names += [""] * 7 if joint.kind == "free" else [joint.name]
    return names


def _posed(anatomy: Anatomy, z: Float[Tensor, "posture pos"]) -> Iterator[mujoco.MjData]:
    """MuJoCo's data after its path stages, posture by posture; the same data every time."""
    model = anatomy.model
    data = mujoco.MjData(model)
    for qpos in anatomy.couplings.qpos(z).numpy():
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_tendon(model, data)
        mujoco.mj_transmission(model, data)
        yield data
