"""What MuJoCo sees of a motion: height over the floor, slide of the soles, jumps of paths, the body inside itself."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float

from myotrack.anatomy.landmarks import FOOT_REGIONS, site_name
from myotrack.anatomy.model import Anatomy

SOLE_BLEND = 1e-3
"""Parts of a sole whose heights differ by this share the weight 1 : e [m]. Tuned: the depth of MuJoCo's contacts."""
CHUNK = 128
"""Frames measured at a time: 12 MB for the full body with fingers."""


class View(NamedTuple):
    """What was seen of some frames, and of the steps between them and to the next."""

    lowest: Float[np.ndarray, "frame"]
    """Height of the lowest collider [m]."""
    sole_height: Float[np.ndarray, "frame region"]
    slip: Float[np.ndarray, "step region 2"]
    """How far the lowest point of each region slides along the floor in each step [m]."""
    unexplained: Float[np.ndarray, "step muscle"]
    """Change of length beyond that of the moment arms [m]."""
    inside: Float[np.ndarray, "frame"]
    """Deepest penetration of itself beyond that at rest [m]."""
    landmark: Float[np.ndarray, "frame landmark 3"]


def views(anatomy: Anatomy, qpos: Float[np.ndarray, "frame qpos"]) -> Iterator[View]:
    """MuJoCo's kinematics, paths and collisions of all frames, chunk by chunk."""
    model = copy.copy(anatomy.model)
    # The floor is dealt with by hand; what is left to MuJoCo are the explicit pairs.
    model.geom_contype[:] = model.geom_conaffinity[:] = 0
    data = mujoco.MjData(model)
    data.qpos[:] = anatomy.couplings.qpos(anatomy.rest).numpy()
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_collision(model, data)
    at_rest = _depths(data)
    colliders, solid = _colliders(anatomy, data)
    sites = [model.site(site_name(landmark)).id for landmark in anatomy.landmarks]
    tendon = model.actuator_trnid[:, 0]
    size = min(CHUNK, len(qpos)) + 1
    place, turn = np.empty((size, len(solid), 3)), np.empty((size, len(solid), 9))
    length, arm = np.empty((size, model.ntendon)), np.empty((size, len(data.ten_J)))
    inside, landmark = np.empty(size), np.empty((size, len(sites), 3))
    for start in range(0, len(qpos), CHUNK):
        part = qpos[start : start + CHUNK + 1]  # One more frame, for the step to it.
        for row, posture in enumerate(part):
            data.qpos[:] = posture
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_tendon(model, data)
            mujoco.mj_collision(model, data)
            place[row], turn[row] = data.geom_xpos[solid], data.geom_xmat[solid]
            length[row], arm[row] = data.ten_length, data.ten_J
            landmark[row] = data.site_xpos[sites]
            inside[row] = max((deep - at_rest.get(pair, 0.0) for pair, deep in _depths(data).items()), default=0.0)
        frames, held = len(part), min(CHUNK, len(part))
        unexplained = _unexplained(model, part, length[:frames], arm[:frames])[:, tendon]
        lowest, sole_height, slip = colliders.ground(place[:frames], turn[:frames].reshape(frames, -1, 3, 3))
        yield View(
            lowest[:held], sole_height[:held], slip, unexplained,
            np.maximum(inside[:held], 0.0), landmark[:held].copy(),
        )  # fmt: skip


def lowest_heights(anatomy: Anatomy, qpos: Float[np.ndarray, "frame qpos"]) -> Float[np.ndarray, "frame"]:
    """Height of the lowest collider over the floor, negative below it [m]."""
    model = anatomy.model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    colliders, solid = _colliders(anatomy, data)
    heights = np.empty(len(qpos))
    for start in range(0, len(qpos), CHUNK):
        part = qpos[start : start + CHUNK]
        place, turn = np.empty((len(part), len(solid), 3)), np.empty((len(part), len(solid), 9))
        for row, posture in enumerate(part):
            data.qpos[:] = posture
            mujoco.mj_kinematics(model, data)
            place[row], turn[row] = data.geom_xpos[solid], data.geom_xmat[solid]
        heights[start : start + len(part)] = colliders.heights(place, turn.reshape(len(part), -1, 3, 3))[0].min(axis=1)
    return heights


def _colliders(anatomy: Anatomy, data: mujoco.MjData) -> "tuple[_Colliders, np.ndarray]":
    """The colliders of a body, and which geometries they are. The data must know where the floor is."""
    model = anatomy.model
    solid = np.flatnonzero(((model.geom_contype | model.geom_conaffinity) != 0) & (model.geom_bodyid != 0))
    floor = model.geom("floor").id
    feet = [model.body(segment).id for _, segment in FOOT_REGIONS[anatomy.name]]
    colliders = _Colliders(
        kind=model.geom_type[solid],
        size=model.geom_size[solid],
        floor_pos=data.geom_xpos[floor].copy(),
        floor_turn=data.geom_xmat[floor].reshape(3, 3).copy(),
        soles=[np.flatnonzero(model.geom_bodyid[solid] == foot) for foot in feet],
    )
    return colliders, solid


def _depths(data: mujoco.MjData) -> dict[tuple[int, int], float]:
    """Deepest penetration of every pair that touches [m]."""
    depths: dict[tuple[int, int], float] = {}
    if data.ncon:
        for (first, second), distance in zip(data.contact.geom.tolist(), data.contact.dist.tolist(), strict=True):
            depths[first, second] = max(-distance, depths.get((first, second), 0.0))
    return depths


def _unexplained(
    model: mujoco.MjModel,
    qpos: Float[np.ndarray, "frame qpos"],
    length: Float[np.ndarray, "frame tendon"],
    arm: Float[np.ndarray, "frame entry"],
) -> Float[np.ndarray, "step tendon"]:
    """Change of every length that the trapezoid of its moment arms does not explain; the root has no arms."""
    moved = np.zeros((len(qpos) - 1, model.nv))
    hinge = model.jnt_type != mujoco.mjtJoint.mjJNT_FREE
    moved[:, model.jnt_dofadr[hinge]] = np.diff(qpos[:, model.jnt_qposadr[hinge]], axis=0)
    product = (arm[1:] + arm[:-1]) * moved[:, model.ten_J_colind]
    # A row without entries would take its neighbour's sum.
    explained = np.add.reduceat(product, np.minimum(model.ten_J_rowadr, product.shape[1] - 1), axis=1) / 2
    explained[:, model.ten_J_rownnz == 0] = 0.0
    return np.abs(np.diff(length, axis=0) - explained)


@dataclass(frozen=True)
class _Colliders:
    """The colliders of a body and the floor under them."""

    kind: np.ndarray
    size: Float[np.ndarray, "geom 3"]
    floor_pos: Float[np.ndarray, "3"]
    floor_turn: Float[np.ndarray, "3 3"]
    """Its third column is the floor's normal."""
    soles: list[np.ndarray]
    """Which of the colliders belong to each foot region."""

    def ground(
        self, place: Float[np.ndarray, "frame geom 3"], turn: Float[np.ndarray, "frame geom 3 3"]
    ) -> tuple[Float[np.ndarray, "frame"], Float[np.ndarray, "frame region"], Float[np.ndarray, "step region 2"]]:
        """Height of the lowest point of all and of every sole, and how far those of the soles slide [m].

        The point of a sole that touches changes as the foot rolls; what slides in a step is the material point that is
        lowest before it, and the one that is lowest after it, on average. So rolling is no sliding.
        """
        height, lowest = self.heights(place, turn)
        sole_height = np.empty((len(place), len(self.soles)))
        slip = np.empty((len(place) - 1, len(self.soles), 2))
        for region, sole in enumerate(self.soles):
            mine = height[:, sole]
            sole_height[:, region] = mine.min(axis=1)
            weight = np.exp((mine.min(axis=1, keepdims=True) - mine) / SOLE_BLEND)
            weight /= weight.sum(axis=1, keepdims=True)
            centre, frame, touch = place[:, sole], turn[:, sole], lowest[:, sole]
            shift = np.diff(centre, axis=0)
            turned = np.diff(frame, axis=0)
            before = shift + np.einsum("fgij,fgj->fgi", turned, touch[:-1])
            after = shift + np.einsum("fgij,fgj->fgi", turned, touch[1:])
            slide = ((weight[:-1, :, None] * before + weight[1:, :, None] * after) / 2).sum(axis=1)
            slip[:, region] = slide @ self.floor_turn[:, :2]
        return height.min(axis=1), sole_height, slip

    def heights(
        self, place: Float[np.ndarray, "frame geom 3"], turn: Float[np.ndarray, "frame geom 3 3"]
    ) -> tuple[Float[np.ndarray, "frame geom"], Float[np.ndarray, "frame geom 3"]]:
        """Height of the lowest point of every collider [m], and where it is in the collider's frame."""
        up = self.floor_turn[:, 2]
        lowest = self._lowest(np.einsum("fgij,i->fgj", turn, up))
        reach = np.einsum("fgij,fgj->fgi", turn, lowest)
        return (place + reach - self.floor_pos) @ up, lowest

    def _lowest(self, up: Float[np.ndarray, "frame geom 3"]) -> Float[np.ndarray, "frame geom 3"]:
        """The lowest point of every collider in its own frame, where `up` is the floor's normal in that frame."""
        lowest = np.empty_like(up)
        for kind in np.unique(self.kind):
            mine = self.kind == kind
            u, s = up[:, mine], self.size[mine]
            if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
                lowest[:, mine] = -s[:, :1] * u
            elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
                lowest[:, mine] = -s[:, :1] * u - s[:, 1:2] * np.sign(u) * [0.0, 0.0, 1.0]
            elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
                lowest[:, mine] = -(s**2) * u / np.linalg.norm(s * u, axis=-1, keepdims=True)
            elif kind == mujoco.mjtGeom.mjGEOM_BOX:
                lowest[:, mine] = -s * np.sign(u)
            else:
                raise ValueError(
                    f"The height of a collider of the shape {mujoco.mjtGeom(kind).name} is not known here."
                )
        return lowest
