"""Where the landmarks are in a posture, and how they move with each coordinate: batched, differentiable, any device.

Every joint becomes one elementary link with one motion and a fixed transform to the link above it (segments without
joints are folded into that transform; links that carry no landmark are left out). Links of the same depth are computed
together, so a posture takes as many steps as the longest chain (33 for the full body), whatever the batch. Inside,
tensors have their components first and the batch last, which is what makes small matrices fast on a CPU.
"""

import itertools
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
class Twists:
    """How everything that hangs on a coordinate moves per unit of its rate: as one rigid body, in the world.

    A point p that coordinate c reaches moves with `shift[c] + spin[c] x p`.
    """

    spin: Float[Tensor, "*batch coordinate 3"]
    """Angular velocity [rad/rad]."""
    shift: Float[Tensor, "*batch coordinate 3"]
    """Velocity of the point that passes through the world's origin [m/rad]."""


@dataclass(frozen=True)
class Kinematics:
    """The skeleton as a tree of elementary links, ready for batches of postures."""

    couplings: Couplings
    depths: tuple[Int[Tensor, "_"], ...]
    """Links of each depth, root first."""
    above: tuple[Int[Tensor, "_"], ...]
    """Per depth, where each link's parent stands in the depth above."""
    offset: Float[Tensor, "3 link _"]
    """Joint anchor in the frame of the link above [m]."""
    turn: Float[Tensor, "3 3 link 1"]
    """Rotation from the link's frame to that above, at zero."""
    axis: Float[Tensor, "3 link _"]
    """Joint axis in the link's frame."""
    slides: Bool[Tensor, "link"]
    qpos_index: Int[Tensor, "link"]
    free_root: bool
    """Link 0 is a free joint, whose position and quaternion stand in qpos[0:7]; otherwise it is the fixed trunk."""
    landmark_link: Int[Tensor, "landmark"]
    landmark_offset: Float[Tensor, "3 landmark _"]
    landmark_turn: Float[Tensor, "3 3 landmark 1"]
    reaches: Bool[Tensor, "landmark coordinate"]
    """Whether a coordinate moves a landmark."""
    moving_dof: Int[Tensor, "_"]
    """Degrees of freedom that move a landmark, without those of a free root."""
    moving_link: Int[Tensor, "_"]
    """The link of each."""
    moving_coordinate: Int[Tensor, "_"]
    """The independent coordinate of each."""

    @classmethod
    def of(cls, model: mujoco.MjModel, couplings: Couplings, sites: tuple[str, ...]) -> "Kinematics":
        """Build the tree of a model. `sites` are the MuJoCo sites of the landmarks, in order."""
        index = [model.site(name).id for name in sites]
        carriers = [
            (int(model.site_bodyid[site]), model.site_pos[site], _matrix(model.site_quat[site])) for site in index
        ]
        return _build(model, couplings, carriers, np.ones(model.nbody))

    @classmethod
    def of_segments(
        cls,
        model: mujoco.MjModel,
        couplings: Couplings,
        segments: tuple[str, ...],
        neutral: Float[np.ndarray, "3 3"],
        scale: Float[np.ndarray, "body"] | None = None,
    ) -> "Kinematics":
        """The same with whole segments for landmarks: frames at their origins that have one orientation in the neutral
        pose.

        Args:
            model: The body.
            couplings: Its couplings.
            segments: Names of MuJoCo bodies.
            neutral: Orientation of every frame in the neutral pose; `landmarks.FACING` gives x forward, y left, z up.
            scale: Size of every MuJoCo body over that of the model; lengths within a body are multiplied by it.
        """
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        index = [model.body(name).id for name in segments]
        carriers = [(body, np.zeros(3), data.xmat[body].reshape(3, 3).T @ neutral) for body in index]
        return _build(model, couplings, carriers, np.ones(model.nbody) if scale is None else scale)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Kinematics":
        """The same skeleton with tensors on another device, and lengths and rotations of another precision."""
        moved = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = value.to(device, dtype if value.is_floating_point() else value.dtype)
            elif isinstance(value, tuple):
                moved[field.name] = tuple(part.to(device) for part in value)
        return replace(self, couplings=self.couplings.to(device, dtype), **moved)

    def pose(self, z: Float[Tensor, "*batch pos"]) -> LandmarkPose:
        """Landmarks of postures."""
        anchor, rotation = self._links(z)
        return self._landmarks(anchor, rotation, z.shape[:-1])

    def pose_and_twists(self, z: Float[Tensor, "*batch pos"]) -> tuple[LandmarkPose, Twists]:
        """Landmarks of postures, and how each coordinate moves what it reaches, couplings included.

        The root's rates are MuJoCo's: linear velocity in the world, angular velocity in the root's own frame.
        """
        anchor, rotation = self._links(z)
        flat = z.reshape(-1, z.shape[-1])
        links = self.moving_link
        axis = (rotation[:, :, links] * self.axis[None, :, links]).sum(1)
        slides = self.slides[links][:, None]
        turning = torch.where(slides, 0.0, axis)
        moving = torch.where(slides, axis, torch.linalg.cross(anchor[:, links], axis, dim=0))
        weight = self.couplings.slope(flat)[:, self.moving_dof].T
        both = torch.cat([turning, moving]) * weight
        sums = z.new_zeros(6, self.couplings.coordinate_size, len(flat))
        sums.index_add_(1, self.moving_coordinate, both)
        if self.free_root:
            sums[3:, 0:3] = torch.eye(3, dtype=z.dtype, device=z.device)[..., None]
            sums[:3, 3:6] = rotation[:, :, 0]
            sums[3:, 3:6] = torch.linalg.cross(anchor[:, :1].expand(3, 3, -1), rotation[:, :, 0], dim=0)
        by_row = sums.permute(2, 1, 0).reshape(*z.shape[:-1], -1, 6)
        return self._landmarks(anchor, rotation, z.shape[:-1]), Twists(by_row[..., :3], by_row[..., 3:])

    def pose_and_jacobian(self, z: Float[Tensor, "*batch pos"]) -> tuple[LandmarkPose, LandmarkJacobian]:
        """Landmarks of postures and their derivatives, couplings included; rates as in `pose_and_twists`."""
        pose, twists = self.pose_and_twists(z)
        spin = (twists.spin[..., None, :, :] * self.reaches[..., None]).transpose(-1, -2)
        shift = (twists.shift[..., None, :, :] * self.reaches[..., None]).transpose(-1, -2)
        arm = pose.pos[..., None].expand_as(spin)
        return pose, LandmarkJacobian(pos=shift + torch.linalg.cross(spin, arm, dim=-2), spin=spin)

    def _links(self, z: Float[Tensor, "*batch pos"]) -> tuple[Float[Tensor, "3 link n"], Float[Tensor, "3 3 link n"]]:
        """Origin and rotation of every link in the world. A link's origin is its joint's anchor."""
        qpos = self.couplings.qpos(z.reshape(-1, z.shape[-1]))
        value = qpos[:, self.qpos_index].T
        slides = self.slides[:, None]
        shift = torch.where(slides, value, 0.0) * self.axis
        local_turn = _turned(self.turn, self.axis, torch.where(slides, 0.0, value))
        local_shift = self.offset + (self.turn * shift).sum(1)
        if self.free_root:
            root = to_matrix(qpos[:, 3:7]).permute(1, 2, 0)[:, :, None]
            local_turn = torch.cat([root, local_turn[:, :, 1:]], dim=2)
            local_shift = torch.cat([qpos[:, 0:3].T[:, None], local_shift[:, 1:]], dim=1)
        anchors: list[Tensor] = []
        rotations: list[Tensor] = []
        for links, above in zip(self.depths, self.above, strict=True):
            turn, move = local_turn[:, :, links], local_shift[:, links]
            if anchors:
                upper = rotations[-1][:, :, above]
                move = anchors[-1][:, above] + (upper * move).sum(1)
                turn = _compose(upper, turn)
            anchors.append(move)
            rotations.append(turn)
        back = torch.argsort(torch.cat(self.depths))
        return torch.cat(anchors, dim=1)[:, back], torch.cat(rotations, dim=2)[:, :, back]

    def _landmarks(
        self, anchor: Float[Tensor, "3 link n"], rotation: Float[Tensor, "3 3 link n"], batch: torch.Size
    ) -> LandmarkPose:
        carrier = rotation[:, :, self.landmark_link]
        pos = anchor[:, self.landmark_link] + (carrier * self.landmark_offset).sum(1)
        turn = _compose(carrier, self.landmark_turn.expand_as(carrier))
        count = len(self.landmark_link)
        return LandmarkPose(
            pos.permute(2, 1, 0).reshape(*batch, count, 3), turn.permute(3, 2, 0, 1).reshape(*batch, count, 3, 3)
        )


def _compose(left: Float[Tensor, "3 3 link _"], right: Float[Tensor, "3 3 link _"]) -> Float[Tensor, "3 3 link _"]:
    """Matrix products of matrices whose components come first; either may be one for the whole batch."""
    return (left[:, :, None] * right[None]).sum(1)


def _turned(
    turn: Float[Tensor, "3 3 link 1"], axis: Float[Tensor, "3 link _"], angle: Float[Tensor, "link n"]
) -> Float[Tensor, "3 3 link n"]:
    """`turn`, then a rotation about a fixed unit axis (Rodrigues' formula)."""
    x, y, z = axis
    zero = torch.zeros_like(x)
    cross = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    once = _compose(turn, cross)
    return turn + torch.sin(angle) * once + (1 - torch.cos(angle)) * _compose(once, cross)


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrix of MuJoCo's quaternion."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


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
    dof: int = -1


@dataclass
class _Frame:
    """A segment or site: the link it hangs on, and its place in that link's frame."""

    link: int
    position: np.ndarray
    rotation: np.ndarray

    def then(self, position: np.ndarray, rotation: np.ndarray) -> "_Frame":
        return _Frame(self.link, self.position + self.rotation @ position, self.rotation @ rotation)


def _build(
    model: mujoco.MjModel,
    couplings: Couplings,
    carriers: list[tuple[int, np.ndarray, np.ndarray]],
    scale: np.ndarray,
) -> Kinematics:
    """The tree that moves the carriers: body, position and rotation within it."""
    free_root = bool(model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE)
    if (model.jnt_type[1:] == mujoco.mjtJoint.mjJNT_FREE).any():
        raise ValueError("Only the first joint of a body may be free.")
    # What stands on a fixed trunk hangs on link 0, which never moves; a free trunk is link 0 itself.
    links = [_Link(-1, 0, np.zeros(3), np.eye(3), np.zeros(3), True, 0)]
    frames = [_Frame(0, np.zeros(3), np.eye(3))]
    for segment in range(1, model.nbody):
        above = model.body_parentid[segment]
        frame = frames[above].then(model.body_pos[segment] * scale[above], _matrix(model.body_quat[segment]))
        first = int(model.body_jntadr[segment])
        for joint in range(first, first + int(model.body_jntnum[segment])):
            if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                frame = _Frame(0, np.zeros(3), np.eye(3))
                continue
            anchor = model.jnt_pos[joint] * scale[segment]
            slides = bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE)
            links.append(
                _Link(
                    parent=frame.link,
                    depth=links[frame.link].depth + 1,
                    offset=frame.position + frame.rotation @ anchor,
                    turn=frame.rotation,
                    axis=model.jnt_axis[joint] * (scale[above] if slides else 1.0),
                    slides=slides,
                    qpos_index=int(model.jnt_qposadr[joint]),
                    dof=int(model.jnt_dofadr[joint]),
                )
            )
            frame = _Frame(len(links) - 1, -anchor, np.eye(3))
        frames.append(frame)
    held = [frames[body].then(position * scale[body], rotation) for body, position, rotation in carriers]
    return _pruned(links, held, couplings, free_root)


def _pruned(links: list[_Link], held: list[_Frame], couplings: Couplings, free_root: bool) -> Kinematics:
    """The tree without the links that move nothing of interest."""
    chains = []
    for frame in held:
        chain, link = [], frame.link
        while link > 0:
            chain.append(link)
            link = links[link].parent
        chains.append(chain)
    kept = sorted({0}.union(*chains))
    place = {link: position for position, link in enumerate(kept)}
    coordinate_of = couplings.coordinate_of_dof().numpy()
    size = couplings.coordinate_size
    moving = [link for link in kept if link > 0]
    reaches = np.zeros((len(held), size), dtype=bool)
    reaches[:, : 6 if free_root else 0] = True
    for row, chain in enumerate(chains):
        reached = {int(coordinate_of[links[link].dof]) for link in chain}
        reaches[row, sorted(reached)] = True
        stray = [link for link in moving if coordinate_of[links[link].dof] in reached and link not in chain]
        if stray:
            raise ValueError("A coordinate moves a landmark by some of its joints and another landmark by others.")
    depth = np.array([links[link].depth for link in kept])
    depths = [np.flatnonzero(depth == level) for level in range(depth.max() + 1)]
    above = [np.zeros(1, dtype=np.int64)]
    for upper, lower in itertools.pairwise(depths):
        stand = {int(position): row for row, position in enumerate(upper)}
        above.append(np.array([stand[place[links[kept[position]].parent]] for position in lower]))

    def table(rows: list[np.ndarray]) -> Tensor:
        return torch.as_tensor(np.moveaxis(np.stack(rows), 0, -1)[..., None].copy(), dtype=torch.float64)

    return Kinematics(
        couplings=couplings,
        depths=tuple(torch.as_tensor(level) for level in depths),
        above=tuple(torch.as_tensor(rows) for rows in above),
        offset=table([links[link].offset for link in kept]),
        turn=table([links[link].turn for link in kept]),
        axis=table([links[link].axis for link in kept]),
        slides=torch.tensor([links[link].slides for link in kept]),
        qpos_index=torch.tensor([links[link].qpos_index for link in kept]),
        free_root=free_root,
        landmark_link=torch.tensor([place[frame.link] for frame in held]),
        landmark_offset=table([frame.position for frame in held]),
        landmark_turn=table([frame.rotation for frame in held]),
        reaches=torch.as_tensor(reaches),
        moving_dof=torch.tensor([links[link].dof for link in moving], dtype=torch.int64),
        moving_link=torch.tensor([place[link] for link in moving], dtype=torch.int64),
        moving_coordinate=torch.tensor([int(coordinate_of[links[link].dof]) for link in moving], dtype=torch.int64),
    )
