"""Who touches whom in one world: every contact with its surfaces, place, depth and force."""

from dataclasses import dataclass

import mujoco
import numpy as np

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import BodyState


@dataclass(frozen=True)
class Contact:
    """Two surfaces that touch."""

    surface: str
    other: str
    segment: str
    """The segment of `surface`."""
    other_segment: str
    position_w: tuple[float, float, float]
    """[m]"""
    depth: float
    """How far the surfaces are inside each other [m]."""
    force_w: tuple[float, float, float]
    """Force of `surface` on `other` [N]."""


def contacts(anatomy: Anatomy, state: BodyState, world: int = 0, physics: Physics | None = None) -> list[Contact]:
    """All contacts of one world at the instant of a state, strongest first.

    They are worked out again by plain MuJoCo from posture, velocity and activation, whatever backend the state is from;
    per-world parameters of a `Variation` are not known here.
    """
    model = (physics or Physics()).applied_to(anatomy.model)
    data = mujoco.MjData(model)
    data.qpos[:] = state.qpos[world].double().cpu().numpy()
    data.qvel[:] = state.qvel[world].double().cpu().numpy()
    data.act[:] = state.muscle_activation[world].double().cpu().numpy()
    mujoco.mj_forward(model, data)
    rows = []
    wrench = np.empty(6)
    for index in range(data.ncon):
        contact = data.contact[index]
        mujoco.mj_contactForce(model, data, index, wrench)
        force = contact.frame.reshape(3, 3).T @ wrench[:3]
        geoms = [int(geom) for geom in contact.geom]
        names = [model.geom(geom).name for geom in geoms]
        segments = [model.body(model.geom_bodyid[geom]).name for geom in geoms]
        rows.append(
            Contact(
                surface=names[0],
                other=names[1],
                segment=segments[0],
                other_segment=segments[1],
                position_w=tuple(contact.pos.tolist()),
                depth=max(0.0, -float(contact.dist)),
                force_w=tuple(force.tolist()),
            )
        )
    return sorted(rows, key=lambda row: -float(np.linalg.norm(row.force_w)))
