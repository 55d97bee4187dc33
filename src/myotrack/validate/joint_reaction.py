"""Joint reaction: the force with which the bone above a joint of the leg pushes on the bone below.

It is the force that inertia, gravity and the ground leave for the joint, less the pulls of the muscles that cross it:

    reaction = sum over what hangs below (mass (acceleration - gravity)) - ground force - muscle pulls

The first part is MuJoCo's own (`mj_rnePostConstraint`, `cfrc_int`); a muscle pulls along the straight piece of its path
that leads from below the joint to above it. Ligaments, which the body does not have, are part of the reaction.
"""

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.steer.ground import FEET, Ground

BELOW = {"hip": "femur", "knee": "tibia", "ankle": "talus"}
"""The first segment below each joint. The knee cap hangs on the femur, so its ligament pulls across the knee."""
CROSSED = tuple(BELOW)
SIDES = ("r", "l")


def joint_reactions(
    clip: Clip, anatomy: Anatomy, ground: Ground, tension: Float[Tensor, "frame muscle"]
) -> Float[Tensor, "frame foot joint 3"]:
    """Forces on the segments below hip, knee and ankle (`CROSSED`), right then left.

    Args:
        clip: The motion, with the accelerations that belong to it.
        anatomy: Its body; whatever its level of detail, segments and paths are those of the original.
        ground: On its feet.
        tension: Of the muscles [N].

    Returns:
        In the world [N].

    Raises:
        ValueError: The clip is of another body, or the numbers of frames differ.
    """
    clip.check(anatomy)
    if not len(ground.force) == len(tension) == clip.frames:
        raise ValueError(
            f"Clip '{clip.name}' has {clip.frames} frames, and there are {len(ground.force)} of the ground and "
            f"{len(tension)} of the muscles; give all of the same."
        )
    anatomy = anatomy.at("original")
    model, couplings = anatomy.model, anatomy.couplings
    data = mujoco.MjData(model)
    z, rate = clip.pos.double(), clip.vel.double()
    motion = (couplings.qpos(z), couplings.qvel(z, rate), couplings.qacc(z, rate, clip.acc.double()))
    qpos, qvel, qacc = (values.numpy() for values in motion)
    feet = [model.body(name).id for name in FEET]
    first = [model.body(f"{BELOW[joint]}_{side}").id for side in SIDES for joint in CROSSED]
    below, paths = _below(model, first), MusclePaths(model)
    force, moment = ground.force.double().numpy(), ground.moment.double().numpy()
    found = np.empty((clip.frames, len(first), 3))
    for frame in range(clip.frames):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos[frame], qvel[frame], qacc[frame]
        # Without collisions and constraints: all that touches the body is told by `ground`.
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_tendon(model, data)
        mujoco.mj_comVel(model, data)
        for foot, body in enumerate(feet):
            data.xfrc_applied[body, :3] = force[frame, foot]
            data.xfrc_applied[body, 3:] = moment[frame, foot] - np.cross(data.xipos[body], force[frame, foot])
        mujoco.mj_rnePostConstraint(model, data)
        found[frame] = data.cfrc_int[first, 3:] - paths.pulls(data, below, tension[frame].double().numpy())
    return torch.as_tensor(found).reshape(clip.frames, len(SIDES), len(CROSSED), 3)


class MusclePaths:
    """Where the muscles of a model run, piece by piece."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Every muscle is one tendon of sites and of geometry to wrap around."""
        self._geometry = model.geom_bodyid
        sites = model.wrap_objid[model.wrap_type == mujoco.mjtWrap.mjWRAP_SITE]
        self._sites: Int[np.ndarray, "site"] = model.site_bodyid[sites]
        self._muscle = np.full(model.ntendon, -1)
        self._muscle[model.actuator_trnid[:, 0]] = np.arange(model.nu)

    def pulls(
        self, data: mujoco.MjData, below: Bool[np.ndarray, "cut body"], tension: Float[np.ndarray, "muscle"]
    ) -> Float[np.ndarray, "cut 3"]:
        """Sum of the pulls on what lies below a cut through the body [N].

        Args:
            data: After `mj_tendon`.
            below: Which segments do, for each cut.
            tension: [N]
        """
        count = int(data.ten_wrapnum.sum())
        place = data.wrap_xpos.reshape(-1, 3)[:count]
        wrapped = data.wrap_obj.reshape(-1)[:count]
        body = np.empty(count, dtype=int)
        # Sites come in the order of the model, every one once; between them are the points on wrapped geometry.
        body[wrapped == -1] = self._sites
        body[wrapped >= 0] = self._geometry[wrapped[wrapped >= 0]]
        tendon = np.repeat(np.arange(len(data.ten_wrapnum)), data.ten_wrapnum)
        piece = np.flatnonzero((np.diff(tendon) == 0) & (self._muscle[tendon[:-1]] >= 0))
        way = place[piece + 1] - place[piece]
        length = np.linalg.norm(way, axis=1, keepdims=True)
        pull = tension[self._muscle[tendon[piece]], None] * np.divide(
            way, length, out=np.zeros_like(way), where=length > 0
        )
        # Towards the next point on what is below at the near end, back from it on what is below at the far end.
        share = below[:, body[piece]].astype(float) - below[:, body[piece + 1]]
        return share @ pull


def _below(model: mujoco.MjModel, first: list[int]) -> Bool[np.ndarray, "cut body"]:
    """Which segments hang on each of some segments, itself included."""
    below = np.zeros((len(first), model.nbody), dtype=bool)
    for body in range(model.nbody):
        above = body
        while above:
            below[[index for index, each in enumerate(first) if each == above], body] = True
            above = int(model.body_parentid[above])
    return below
