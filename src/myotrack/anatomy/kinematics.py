"""Where the landmarks are in a posture, and how they move with each coordinate: batched, differentiable, any device.

Every joint becomes one elementary link with one motion and a fixed transform to the link above it (segments without
joints are folded into that transform). Links of the same depth are computed together, so a posture takes as many steps
as the longest chain (33 for the full body), whatever the batch.
"""

from dataclasses import dataclass, fields, replace

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, to_matrix
from myotrack.anatomy.couplings import Couplings


@dataclass(frozen=True)
class LandmarkPose:
    """Landmarks in the world."""

    pos: Float[Tensor, "*batch landmark 3"]
    """[m]"""
    rotation: Float[Tensor, "*batch landmark 3 3"]
    """Columns are the landmark's forward, left and up axes."""

    @property
    def quat(self) -> Float[Tensor, "*batch landmark 4"]:
        """The rotation as a quaternion (w, x, y, z), w >= 0."""
        return from_matrix(self.rotation)


@dataclass(frozen=True)
class LandmarkJacobian:
    """How landmarks move per unit rate of each independent coordinate, in the world."""

    pos: Float[Tensor, "*batch landmark 3 coordinate"]
    """[m/rad], or [1] for a translation of the root."""
    spin: Float[Tensor, "*batch landmark 3 coordinate"]
    """Angular velocity [rad/rad]."""


@dataclass(frozen=True)
class Kinematics:
    """The skeleton as a tree of elementary links, ready for batches of postures."""

    couplings: Couplings
    depths: tuple[Int[Tensor, "_"], ...]
    """Links of each depth, root first."""
    parent: Int[Tensor, "link"]
    """Link above, -1 for the world."""
    offset: Float[Tensor, "link 3"]
    """Joint anchor in the frame of the link above [m]."""
    turn: Float[Tensor, "link 3 3"]
    """Rotation from the link's frame to that above, at zero."""
    axis: Float[Tensor, "link 3"]
    """Joint axis in the link's frame."""
    slides: Bool[Tensor, "link"]
    qpos_index: Int[Tensor, "link"]
    free_root: bool
    """Link 0 is a free joint, whose position and quaternion stand in qpos[0:7]; otherwise it is the fixed trunk."""
    landmark_link: Int[Tensor, "landmark"]
    landmark_offset: Float[Tensor, "landmark 3"]
    landmark_turn: Float[Tensor, "landmark 3 3"]
    moves: Bool[Tensor, "landmark dof"]
    """Whether a degree of freedom moves a landmark."""
    dof_link: Int[Tensor, "dof"]
    """The link of each degree of freedom."""

    @classmethod
    def of(cls, model: mujoco.MjModel, couplings: Couplings, sites: tuple[str, ...]) -> "Kinematics":
        """Build the tree of a model. `sites` are the MuJoCo sites of the landmarks, in order."""
        return _build(model, couplings, sites)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Kinematics":
        """The same skeleton with tensors on another device, and lengths and rotations of another precision."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = value.to(device, dtype if value.is_floating_point() else value.dtype)
        moved["depths"] = tuple(depth.to(device) for depth in self.depths)
        return replace(self, couplings=self.couplings.to(device, dtype), **moved)

    def pose(self, z: Float[Tensor, "*batch pos"]) -> LandmarkPose:
        """Landmarks of postures."""
        anchor, rotation = self._links(z)
        return self._landmarks(anchor, rotation)

    def pose_and_jacobian(self, z: Float[Tensor, "*batch pos"]) -> tuple[LandmarkPose, LandmarkJacobian]:
        """Landmarks of postures and their derivatives, couplings included.

        The root's rates are MuJoCo's: linear velocity in the world, angular velocity in the root's own frame.
        """
        anchor, rotation = self._links(z)
        pose = self._landmarks(anchor, rotation)
        link_axis = (rotation @ self.axis[..., None]).squeeze(-1)
        axis, center = link_axis[..., self.dof_link, :], anchor[..., self.dof_link, :]
        slides = self.slides[self.dof_link][:, None]
        if self.free_root:
            identity = torch.eye(3, dtype=z.dtype, device=z.device).expand(*z.shape[:-1], 3, 3)
            root = torch.cat([identity, rotation[..., 0, :, :].transpose(-1, -2)], dim=-2)
            axis = torch.cat([root, axis[..., 6:, :]], dim=-2)
            slides = torch.cat([torch.ones_like(slides[:3]), torch.zeros_like(slides[3:6]), slides[6:]])
        arm = pose.pos[..., :, None, :] - center[..., None, :, :]
        axis = axis[..., None, :, :].expand_as(arm)
        moves = self.moves[..., None]
        by_dof = torch.where(slides, axis, torch.linalg.cross(axis, arm)) * moves
        spin_by_dof = torch.where(slides, 0.0, axis) * moves
        over = z[..., None, None, :]
        return pose, LandmarkJacobian(
            pos=self.couplings.reduce(over, by_dof.transpose(-1, -2)),
            spin=self.couplings.reduce(over, spin_by_dof.transpose(-1, -2)),
        )

    def _links(
        self, z: Float[Tensor, "*batch pos"]
    ) -> tuple[Float[Tensor, "*batch link 3"], Float[Tensor, "*batch link 3 3"]]:
        """Origin and rotation of every link in the world. A link's origin is its joint's anchor."""
        qpos = self.couplings.qpos(z)
        angle = torch.where(self.slides, 0.0, qpos[..., self.qpos_index])
        shift = torch.where(self.slides, qpos[..., self.qpos_index], 0.0)[..., None] * self.axis
        local_turn = self.turn @ _turn_about(self.axis, angle)
        local_shift = self.offset + (self.turn @ shift[..., None]).squeeze(-1)
        if self.free_root:
            local_turn = torch.cat([to_matrix(qpos[..., None, 3:7]), local_turn[..., 1:, :, :]], dim=-3)
            local_shift = torch.cat([qpos[..., None, 0:3], local_shift[..., 1:, :]], dim=-2)
        anchors: list[Tensor] = []
        rotations: list[Tensor] = []
        order: list[Tensor] = []
        for depth, links in enumerate(self.depths):
            turn, move = local_turn[..., links, :, :], local_shift[..., links, :]
            if depth:
                above = self._position_in_previous[depth]
                upper = rotations[-1][..., above, :, :]
                move = anchors[-1][..., above, :] + (upper @ move[..., None]).squeeze(-1)
                turn = upper @ turn
            anchors.append(move)
            rotations.append(turn)
            order.append(links)
        back = torch.argsort(torch.cat(order))
        return torch.cat(anchors, dim=-2)[..., back, :], torch.cat(rotations, dim=-3)[..., back, :, :]

    @property
    def _position_in_previous(self) -> list[Int[Tensor, "_"]]:
        """Per depth, where each link's parent stands in the depth above."""
        positions = []
        for depth, links in enumerate(self.depths):
            if depth == 0:
                positions.append(links)
                continue
            place = torch.zeros(len(self.parent), dtype=torch.int64, device=links.device)
            place[self.depths[depth - 1]] = torch.arange(len(self.depths[depth - 1]), device=links.device)
            positions.append(place[self.parent[links]])
        return positions

    def _landmarks(
        self, anchor: Float[Tensor, "*batch link 3"], rotation: Float[Tensor, "*batch link 3 3"]
    ) -> LandmarkPose:
        carrier = rotation[..., self.landmark_link, :, :]
        reach = (carrier @ self.landmark_offset[..., None]).squeeze(-1)
        return LandmarkPose(anchor[..., self.landmark_link, :] + reach, carrier @ self.landmark_turn)


def _turn_about(axis: Float[Tensor, "link 3"], angle: Float[Tensor, "*batch link"]) -> Float[Tensor, "*batch link 3 3"]:
    """Rotation matrices about fixed unit axes (Rodrigues' formula)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*axis.shape[:-1], 3, 3)
    sin, versine = torch.sin(angle)[..., None, None], (1 - torch.cos(angle))[..., None, None]
    return torch.eye(3, dtype=axis.dtype, device=axis.device) + sin * cross + versine * (cross @ cross)


@dataclass
class _Link:
    """One row of the tree while it is built."""

    parent: int
    depth: int
    offset: np.ndarray
    turn: np.ndarray
    axis: np.ndarray
    slides: bool
    qpos_index: int


@dataclass
class _Frame:
    """A segment or site: the link it hangs on, and its place in that link's frame."""

    link: int
    position: np.ndarray
    rotation: np.ndarray

    def then(self, position: np.ndarray, quaternion: np.ndarray) -> "_Frame":
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, quaternion)
        return _Frame(self.link, self.position + self.rotation @ position, self.rotation @ matrix.reshape(3, 3))


def _build(model: mujoco.MjModel, couplings: Couplings, sites: tuple[str, ...]) -> Kinematics:
    free_root = bool(model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE)
    if (model.jnt_type[1:] == mujoco.mjtJoint.mjJNT_FREE).any():
        raise ValueError("Only the first joint of a body may be free.")
    # What stands on a fixed trunk hangs on link 0, which never moves; a free trunk is link 0 itself.
    still = _Link(-1, 0, np.zeros(3), np.eye(3), np.zeros(3), True, 0)
    links = [still]
    dof_link = np.zeros(model.nv, dtype=np.int64)
    frames = [_Frame(0, np.zeros(3), np.eye(3))]
    for segment in range(1, model.nbody):
        frame = frames[model.body_parentid[segment]].then(model.body_pos[segment], model.body_quat[segment])
        first = int(model.body_jntadr[segment])
        for joint in range(first, first + int(model.body_jntnum[segment])):
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                frame = _Frame(0, np.zeros(3), np.eye(3))
                continue
            anchor = model.jnt_pos[joint]
            links.append(
                _Link(
                    parent=frame.link,
                    depth=links[frame.link].depth + 1,
                    offset=frame.position + frame.rotation @ anchor,
                    turn=frame.rotation,
                    axis=model.jnt_axis[joint].copy(),
                    slides=bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE),
                    qpos_index=int(model.jnt_qposadr[joint]),
                )
            )
            dof_link[model.jnt_dofadr[joint]] = len(links) - 1
            frame = _Frame(len(links) - 1, -anchor, np.eye(3))
        frames.append(frame)
    carriers = []
    moves = np.zeros((len(sites), model.nv), dtype=bool)
    for row, name in enumerate(sites):
        site = model.site(name).id
        carrier = frames[model.site_bodyid[site]].then(model.site_pos[site], model.site_quat[site])
        carriers.append(carrier)
        link = carrier.link
        while link >= 0:
            moves[row] |= dof_link == link
            link = links[link].parent
    depth = np.array([link.depth for link in links])

    def table(rows: list[np.ndarray]) -> Tensor:
        return torch.as_tensor(np.stack(rows), dtype=torch.float64)

    return Kinematics(
        couplings=couplings,
        depths=tuple(torch.as_tensor(np.flatnonzero(depth == level)) for level in range(depth.max() + 1)),
        parent=torch.tensor([link.parent for link in links]),
        offset=table([link.offset for link in links]),
        turn=table([link.turn for link in links]),
        axis=table([link.axis for link in links]),
        slides=torch.tensor([link.slides for link in links]),
        qpos_index=torch.tensor([link.qpos_index for link in links]),
        free_root=free_root,
        landmark_link=torch.tensor([carrier.link for carrier in carriers]),
        landmark_offset=table([carrier.position for carrier in carriers]),
        landmark_turn=table([carrier.rotation for carrier in carriers]),
        moves=torch.as_tensor(moves),
        dof_link=torch.as_tensor(dof_link),
    )
