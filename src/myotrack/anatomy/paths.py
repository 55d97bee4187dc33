"""Muscle paths: how long each muscle is in a posture, and how its pull turns the joints.

The moment arm of a muscle about a coordinate is r = -dL/dz: what its length loses when the coordinate gains. So a
muscle with a positive moment arm turns the joint in its positive direction, a tension F [N] has the moment r F [N m],
and a motion dz/dt shortens the muscle at the speed r dz/dt. MuJoCo wraps the paths; nothing is fitted.
Source: An, Takahashi, Harrigan, Chao (1984), tendon excursion; MuJoCo 4.0 manual, computation/actuation length.
"""

import itertools
import math
import zlib
from collections.abc import Iterator

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import indices_of

LENGTH_JUMP, ARM_JUMP = 1e-3, 1e-2
"""Sudden change of a length and of a moment arm that is a jump [m]."""
LINES, LINE_STEP_DEG, SUDDEN_DEG = 60, 2.0, 0.5
"""Straight lines between random postures along which jumps are sought, the largest step of a coordinate on them, and
the step within which a change is sudden [deg]."""
SUSPECTS = 4
"""Steps per muscle, those of the largest change, that are looked at more closely."""
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

    One posture after another on one core: about 1.5 ms each for the full body with fingers. Of a body whose paths are
    fitted (`levels`) these are the fitted ones, which MuJoCo does not know.
    """
    if anatomy.fitted is not None:
        return anatomy.fitted.lengths_and_arms(z.detach().to("cpu", torch.float64))
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

    What is drawn for a coordinate depends on its name, the count and the seed alone, so the arms take the same postures
    in every body, with and without fingers.

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


def path_jumps(anatomy: Anatomy, seed: int = 1) -> tuple[Float[Tensor, "muscle"], Float[Tensor, "muscle"]]:
    """Largest sudden change of every length and of every moment arm along lines through posture space [m].

    A length changes suddenly by what the moment arms at both ends of a small step do not explain. Suspicious steps are
    halved until they are small, so a fast but steady change is not taken for a jump. Changes below `LENGTH_JUMP` and
    `ARM_JUMP` over a whole step are reported as 0. Lines miss what they do not cross: a 0 is no proof.

    Args:
        anatomy: The body.
        seed: Of the random postures that the lines connect.
    """
    muscles = len(anatomy.muscles)
    limit = torch.tensor([LENGTH_JUMP] * muscles + [ARM_JUMP] * muscles)
    suspects: list[list[tuple[float, Tensor, Tensor]]] = [[] for _ in limit]
    for start, end in itertools.pairwise(random_postures(anatomy, LINES + 1, seed)):
        steps = math.ceil(float((end - start).abs().max()) / math.radians(LINE_STEP_DEG))
        line = torch.stack([start + (end - start) * step / steps for step in range(steps + 1)])
        worst = _changes(anatomy, line).max(dim=0)
        for index in (worst.values > limit).nonzero().flatten().tolist():
            step = int(worst.indices[index])
            suspects[index].append((float(worst.values[index]), line[step], line[step + 1]))
    jumps = torch.zeros(len(suspects), dtype=torch.float64)
    for index, candidates in enumerate(suspects):
        for _, start, end in sorted(candidates, key=lambda candidate: -candidate[0])[:SUSPECTS]:
            jumps[index] = max(float(jumps[index]), _closer(anatomy, index, start, end))
    return jumps[:muscles], jumps[muscles:]


def _changes(anatomy: Anatomy, line: Float[Tensor, "posture pos"]) -> Float[Tensor, "step change"]:
    """Per step of a line, the change of each length that its arms do not explain, then the largest of its arms [m]."""
    lengths, arms = lengths_and_arms(anatomy, line)
    moved = line.diff(dim=0)[:, 7 if anatomy.free else 0 :, None]
    arms = arms[..., 6 if anatomy.free else 0 :]
    unexplained = (lengths.diff(dim=0) + ((arms[1:] + arms[:-1]) / 2 @ moved).squeeze(-1)).abs()
    return torch.cat([unexplained, arms.diff(dim=0).abs().amax(dim=-1)], dim=-1)


def _closer(anatomy: Anatomy, index: int, start: Float[Tensor, "pos"], end: Float[Tensor, "pos"]) -> float:
    """What is left of a change when its step is halved until it is sudden, each time the half that changes more."""
    while (end - start).abs().max() > math.radians(SUDDEN_DEG):
        middle = (start + end) / 2
        first, second = _changes(anatomy, torch.stack([start, middle, end]))[:, index]
        start, end = (start, middle) if first >= second else (middle, end)
    return float(_changes(anatomy, torch.stack([start, end]))[0, index])


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
