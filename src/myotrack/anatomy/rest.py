"""The resting posture: the neutral pose with every coupling satisfied and the soles on the floor."""

import mujoco
import numpy as np
import torch

from myotrack.anatomy.changes import Change
from myotrack.anatomy.couplings import Couplings
from myotrack.anatomy.landmarks import FOOT_REGIONS

KEY = "rest"
"""Name of the keyframe."""


def resting_qpos(model: mujoco.MjModel, couplings: Couplings, body: str) -> np.ndarray:
    """The neutral pose on the couplings; a body with feet stands with its lowest sole point on the floor."""
    qpos = couplings.project(torch.as_tensor(model.qpos0)).numpy()
    soles = [
        geom
        for _, segment in FOOT_REGIONS[body]
        for geom in range(model.ngeom)
        if model.geom_bodyid[geom] == model.body(segment).id and model.geom_contype[geom]
    ]
    if soles:
        data = mujoco.MjData(model)
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        floor = model.geom("floor").id
        qpos[2] -= min(mujoco.mj_geomDistance(model, data, floor, sole, 10.0, None) for sole in soles)
    return qpos


def add_rest_pose(spec: mujoco.MjSpec, model: mujoco.MjModel, couplings: Couplings, body: str) -> list[Change]:
    """Replace the published keyframes by the resting posture. `model` is the same spec, compiled before."""
    published_residual = float(couplings.residual(torch.as_tensor(model.qpos0)).abs().max())
    qpos = resting_qpos(model, couplings, body)
    for key in list(spec.keys):
        spec.delete(key)
    spec.add_key(name=KEY, qpos=qpos)
    lowered = f", root at {qpos[2]:.3f} m with the soles on the floor" if FOOT_REGIONS[body] else ""
    return [
        Change(
            "rest_pose", f"keyframe '{KEY}'", f"couplings violated by {published_residual:.4f} rad or m",
            f"all couplings satisfied{lowered}",
            "a posture that violates its couplings starts with a jolt",
            "measured: coupling residual and sole height of the published neutral pose",
        )
    ]  # fmt: skip
