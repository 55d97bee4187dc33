"""Motions for a body on a fixed trunk: everything that was recorded, seen from the thorax of the person."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.retarget.correspondence import Correspondence
from myotrack.retarget.rig import Rig
from myotrack.retarget.solver import pose
from myotrack.retarget.subject import Subject


def on_thorax(
    points: Float[Tensor, "frame point 3"],
    turns: Float[Tensor, "frame turn 3 3"],
    z: Float[Tensor, "frame pos"],
    whole: tuple[Rig, Correspondence, Subject],
    fixed: tuple[Rig, Correspondence],
) -> tuple[Float[Tensor, "frame point 3"], Float[Tensor, "frame turn 3 3"], Subject]:
    """Points and orientations relative to the thorax, placed where the fixed body has its own.

    Args:
        points: Recorded points of the fixed body's correspondence [m].
        turns: Its recorded orientations.
        z: The whole body's motion, on the subject's own size.
        whole: The whole body with its correspondence, and the person fitted to it.
        fixed: The body on a fixed trunk with its own correspondence.

    Returns:
        Points, orientations, and the person as seen by the fixed body.
    """
    rig, match, subject = whole
    arms, own = fixed
    moving = pose(subject.kinematics(rig), z, 1.0).pose
    thorax = rig.segment("thorax")
    still = arms.sized(subject.size).pose(arms.anatomy.rest[None])
    home = arms.segment("thorax")
    turn = still.rotation[0, home] @ moving.rotation[:, thorax].mT
    place = still.pos[0, home]
    seen = (turn[:, None] @ (points - moving.pos[:, thorax, None])[..., None]).squeeze(-1) + place
    row = torch.tensor([match.names.index(name) for name in own.names])
    return seen, turn[:, None] @ turns, replace(subject, place=subject.place[row])
