"""`Rig`: a body prepared for fitting. Its segments can be resized, and any point can be fixed to them.

Two sizes of one body take part in retargeting: the subject's, which the recorded points belong to, and the body's own,
which stands on the ground. Both have the same joint angles.
"""

from dataclasses import dataclass, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.landmarks import FACING, FOOT_REGIONS
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS, part_of

_SIDES = {"right": "r", "left": "l"}
_LIMBS = {
    "upper_arm": "humerus",
    "forearm": "ulna",
    "wrist": "radius",
    "hand": "thirdmc",
    "thigh": "femur",
    "shank": "tibia",
    "talus": "talus",
    "foot": "calcn",
    "toes": "toes",
}
_TRUNK = {"pelvis": "pelvis", "thorax": "thorax", "head": "head"}

SEGMENTS = (*_TRUNK, *(f"{side}_{limb}" for side in _SIDES for limb in _LIMBS))
"""Names of all segments; a body without legs has fewer."""


@dataclass(frozen=True)
class Spheres:
    """Spheres that may touch the floor: the ends of the capsules under the feet, and those of limbs and fingers."""

    segment: Int[Tensor, "sphere"]
    offset: Float[Tensor, "sphere 3"]
    """Centre in the segment's frame, on the body's own size [m]."""
    radius: Float[Tensor, "sphere"]
    """[m]"""
    region: Int[Tensor, "sphere"]
    """Of `Anatomy.foot_regions`; -1 for what is not under a foot."""

    def soles(self) -> "Spheres":
        """Those under the feet."""
        return self._part(self.region >= 0)

    def others(self) -> "Spheres":
        """All but those under the feet."""
        return self._part(self.region < 0)

    def _part(self, rows: Tensor) -> "Spheres":
        return Spheres(self.segment[rows], self.offset[rows], self.radius[rows], self.region[rows])


@dataclass(frozen=True)
class Capsule:
    """All points near a line on a segment."""

    segment: int
    start: Float[np.ndarray, "3"]
    """In the segment's frame, on the body's own size [m]."""
    end: Float[np.ndarray, "3"]
    radius: float
    """[m]"""


@dataclass(frozen=True)
class Rig:
    """One body, ready for fitting. Segment frames look x forward, y left, z up in the neutral pose."""

    anatomy: Anatomy
    segments: tuple[str, ...]
    """'pelvis', 'thorax', 'head', 'right_thigh', ..."""
    part_of_segment: Int[Tensor, "segment"]
    """Index into `PARTS`."""
    part_of_body: Int[np.ndarray, "body"]
    """Index into `PARTS` of every MuJoCo body."""
    kinematics: Kinematics
    """Of the segments, in the body's own size."""
    basis: tuple[Kinematics, ...]
    """The same with one part of its own size and all others of none. Lengths are sums over these, times the sizes."""
    sole: Spheres
    """Under the feet."""
    guard: Spheres
    """Everything else that should stay above the floor."""
    low: Float[Tensor, "coordinate"]
    """Joint limits [rad]; infinite for a free root."""
    high: Float[Tensor, "coordinate"]

    @classmethod
    def of(cls, anatomy: Anatomy) -> "Rig":
        """Prepare a body; the last few are kept."""
        key = anatomy.hash, anatomy.level  # All levels of a body share a hash, and not their sites.
        rig = _READY.pop(key, None) or _build(anatomy)
        _READY[key] = rig
        if len(_READY) > MOST_READY:
            del _READY[next(iter(_READY))]
        return rig

    @property
    def root_size(self) -> int:
        """Entries of z that belong to a free root: 7, or 0."""
        return 7 if self.anatomy.free else 0

    def segment(self, name: str) -> int:
        """Index of a segment.

        Raises:
            KeyError: There is none of that name.
        """
        if name not in self.segments:
            raise KeyError(f"There is no segment '{name}'. The segments are: {', '.join(self.segments)}.")
        return self.segments.index(name)

    def column(self, joint: str) -> int | None:
        """Where a joint stands in z; None if the body lacks it or it is dependent."""
        names = self.anatomy.coordinate_names
        return names.index(joint) + (1 if self.anatomy.free else 0) if joint in names else None

    def neutral(self, frames: int) -> Float[Tensor, "frame pos"]:
        """Every independent joint at zero, the root where it rests."""
        z = torch.zeros(frames, self.anatomy.couplings.pos_size, dtype=torch.float64)
        z[:, : self.root_size] = self.anatomy.rest[: self.root_size]
        return z

    def centre_of_mass(self, z: Float[Tensor, "frame pos"]) -> Float[Tensor, "frame 3"]:
        """Of the body in its own size, in the world [m]."""
        model = self.anatomy.model
        data = mujoco.MjData(model)
        centre = np.empty((len(z), 3))
        for row, posture in enumerate(self.anatomy.couplings.qpos(z).numpy()):
            data.qpos[:] = posture
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            centre[row] = data.subtree_com[0]
        return torch.as_tensor(centre)

    def sized(self, scale: Float[Tensor, "part"]) -> Kinematics:
        """The segments of a body whose parts have other sizes."""
        own = self.kinematics

        def mixed(field: str) -> Tensor:
            return torch.einsum("p,p...->...", scale, torch.stack([getattr(part, field) for part in self.basis]))

        axis = torch.where(own.slides[:, None], mixed("axis"), own.axis)
        return replace(own, offset=mixed("offset"), axis=axis, landmark_offset=mixed("landmark_offset"))

    def lever(self, z: Float[Tensor, "frame pos"]) -> Float[Tensor, "frame part segment 3"]:
        """How the origin of every segment moves away from a root at the world's origin as each part grows [m]."""
        parts, frames = len(PARTS), len(z)
        if self.anatomy.free:
            z = torch.cat([torch.zeros_like(z[:, :3]), z[:, 3:]], dim=1)

        def side_by_side(field: str) -> Tensor:
            return torch.cat([getattr(part, field).expand(-1, -1, frames) for part in self.basis], dim=-1)

        axis = torch.where(self.kinematics.slides[:, None], side_by_side("axis"), self.kinematics.axis)
        stacked = replace(
            self.kinematics, offset=side_by_side("offset"), axis=axis, landmark_offset=side_by_side("landmark_offset")
        )
        return stacked.pose(z.repeat(parts, 1)).pos.reshape(parts, frames, -1, 3).transpose(0, 1)

    def place(self, site: str) -> tuple[int, Float[np.ndarray, "3"]]:
        """Which segment a MuJoCo site is fixed to, and where in its frame [m].

        Sites on small bones count with the segment they lie on in the neutral pose.

        Raises:
            KeyError: The body has no such site.
        """
        model = self.anatomy.model
        index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, site)
        if index < 0:
            raise KeyError(f"The body '{self.anatomy.name}' has no site '{site}'.")
        segment = self._carrier(int(model.site_bodyid[index]))
        data = _neutral(self.anatomy)
        origin = data.xpos[model.body(body_name(self.segments[segment])).id]
        return segment, FACING.T @ (data.site_xpos[index] - origin)

    def capsule(self, geom: int, neutral: mujoco.MjData) -> Capsule | None:
        """A collider as a capsule on a segment; None for what is on no segment, or not round and long."""
        model = self.anatomy.model
        carriers = {model.body(body_name(name)).id: row for row, name in enumerate(self.segments)}
        segment = _carried(model, carriers, int(model.geom_bodyid[geom]))
        size, turn = model.geom_size[geom], neutral.geom_xmat[geom].reshape(3, 3)
        if segment is None:
            return None
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            radius, along = float(size[0]), turn[:, 2] * size[1]
        elif model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
            longest = int(size.argmax())
            radius = float((size.sum() - size[longest]) / 2)
            along = turn[:, longest] * (size[longest] - radius)
        else:
            return None
        centre = neutral.geom_xpos[geom] - neutral.xpos[model.body(body_name(self.segments[segment])).id]
        return Capsule(segment, FACING.T @ (centre - along), FACING.T @ (centre + along), radius)

    def _carrier(self, body: int) -> int:
        model = self.anatomy.model
        hand = PARTS.index("hand")
        by_body = {model.body(body_name(segment)).id: row for row, segment in enumerate(self.segments)}
        while body not in by_body:
            name = model.body(body).name
            if self.part_of_body[body] == hand and not name.startswith("lunate"):
                return self.segments.index("right_hand" if name.endswith("_r") else "left_hand")
            body = int(model.body_parentid[body])
            if body == 0:
                return self.segments.index("thorax")
        return by_body[body]


def body_name(segment: str) -> str:
    """The MuJoCo body of a segment."""
    if segment in _TRUNK:
        return _TRUNK[segment]
    side, limb = segment.split("_", 1)
    return f"{_LIMBS[limb]}_{_SIDES[side]}"


_READY: dict[tuple[str, str], Rig] = {}
"""By the body's hash and level, the least recently used first."""
MOST_READY = 8
"""Rigs that are kept; every fitted recording has one of its own."""


def _build(anatomy: Anatomy) -> Rig:
    model = anatomy.model
    names = {model.body(body).name for body in range(model.nbody)}
    segments = tuple(name for name in SEGMENTS if body_name(name) in names)
    part_of_body = np.array([part_of(model.body(body).name) for body in range(model.nbody)])
    part_of_segment = part_of_body[[model.body(body_name(name)).id for name in segments]]
    spheres = _spheres(anatomy, segments)
    low, high = anatomy.limits()
    skip = 1 if anatomy.free else 0
    return Rig(
        anatomy=anatomy,
        segments=segments,
        part_of_segment=torch.as_tensor(part_of_segment),
        part_of_body=part_of_body,
        kinematics=_segment_kinematics(anatomy, segments, None),
        basis=tuple(
            _segment_kinematics(anatomy, segments, np.eye(len(PARTS))[part][part_of_body]) for part in range(len(PARTS))
        ),
        sole=spheres.soles(),
        guard=spheres.others(),
        low=low[skip:],
        high=high[skip:],
    )


def _segment_kinematics(anatomy: Anatomy, segments: tuple[str, ...], scale: np.ndarray | None) -> Kinematics:
    bodies = tuple(body_name(segment) for segment in segments)
    return Kinematics.of_segments(anatomy.model, anatomy.couplings, bodies, FACING, scale)


def _neutral(anatomy: Anatomy) -> mujoco.MjData:
    """Every joint at zero, dependent ones too, which is how the frames of segments are defined."""
    data = mujoco.MjData(anatomy.model)
    mujoco.mj_kinematics(anatomy.model, data)
    return data


def _spheres(anatomy: Anatomy, segments: tuple[str, ...]) -> Spheres:
    """The ends of every capsule that collides, carried by the segment it hangs on, and balls in the skull."""
    model, data = anatomy.model, _neutral(anatomy)
    rows: list[tuple[int, np.ndarray, float, int]] = []
    feet = {model.body(segment).id: region for region, (_, segment) in enumerate(FOOT_REGIONS[anatomy.name])}
    carriers = {model.body(body_name(name)).id: row for row, name in enumerate(segments)}
    for geom in range(model.ngeom):
        kind, body = model.geom_type[geom], int(model.geom_bodyid[geom])
        if not (model.geom_contype[geom] or model.geom_conaffinity[geom]) or body == 0:
            continue
        name = model.body(body).name
        carrier = _carried(model, carriers, body)
        if carrier is None or (segments[carrier].endswith("_hand") and not name.startswith(_FINGERTIPS)):
            continue
        along = data.geom_xmat[geom].reshape(3, 3)[:, 2] * model.geom_size[geom, 1]
        if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
            ends = [data.geom_xpos[geom] - along, data.geom_xpos[geom] + along]
        elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID and segments[carrier] == "head":
            ends = [data.geom_xpos[geom]]
        else:
            continue
        origin = data.xpos[model.body(body_name(segments[carrier])).id]
        radius, region = float(model.geom_size[geom, 0]), feet.get(body, -1)
        rows += [(carrier, FACING.T @ (end - origin), radius, region) for end in ends]
    return Spheres(
        segment=torch.tensor([row[0] for row in rows], dtype=torch.int64),
        offset=torch.tensor(np.array([row[1] for row in rows]).reshape(-1, 3)),
        radius=torch.tensor([row[2] for row in rows], dtype=torch.float64),
        region=torch.tensor([row[3] for row in rows], dtype=torch.int64),
    )


_FINGERTIPS = ("distal_thumb", "2distph", "3distph", "4distph", "5distph")


def _carried(model: mujoco.MjModel, carriers: dict[int, int], body: int) -> int | None:
    """The segment that a MuJoCo body moves with when fingers are still; None on the trunk."""
    while body > 0:
        if body in carriers:
            return carriers[body]
        name = model.body(body).name
        if name.startswith("capitate"):
            return carriers.get(model.body(f"thirdmc{name[-2:]}").id)
        body = int(model.body_parentid[body])
    return None
