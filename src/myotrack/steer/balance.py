"""Accelerations of a free body that keep it on its feet: what balance, posture and standing soles ask for together.

A free body cannot choose how its root accelerates: its feet push, and they push only where they stand. Three wishes
are weighed in one small least-squares problem per world: points that stand do not accelerate, the centre of mass goes
where the reference's goes, and joints and trunk keep the posture. `share` then finds muscles and ground forces that
bring this about. The mass matrix of a free root contains the rows of the centre of mass, so no more is computed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.library import ClipLibrary, Reference
from myotrack.simulate.mechanics import Mechanics
from myotrack.simulate.referee import Referee
from myotrack.simulate.state import BodyState
from myotrack.steer.soles import Footing

STAND_WEIGHT, CENTRE_WEIGHT, POSTURE_WEIGHT = 100.0, 10.0, 0.01
"""Of the squares of accelerations: of points that stand [m/s²], of the centre of mass [m/s²], of coordinates [rad/s²].
Tuned on quiet standing with pushes: a centre of mass weighed like the posture (1 to 0.1) sways by 12 mm, so by 1 mm."""
ROOT_SHIFT, ROOT_TURN = 0.01, 3.0
"""Weights of the root's coordinates within the posture: its place is the centre of mass's affair."""
GRIP = 30.0
"""How fast a sliding point is stopped [1/s]."""
CENTRE_STIFFNESS = 20.0
"""Acceleration of the centre of mass per error [1/s²], critically damped; twice that of an inverted pendulum of 1 m."""
CHUNK = 128
"""Frames whose centre of mass is computed at a time."""


@dataclass(frozen=True)
class Centre:
    """The centre of mass of every frame of a library."""

    table: Float[Tensor, "row 9"]
    """Place, velocity, acceleration [m, m/s, m/s²]."""

    @classmethod
    def of(cls, anatomy: Anatomy, library: ClipLibrary) -> "Centre":
        """From posture, rates and accelerations of every frame."""
        names, sizes = library.names, library.frames
        rows = []
        simulator = Referee(anatomy, CHUNK, dtype=torch.float64)
        for clip in range(len(names)):
            for first in range(0, sizes[clip], CHUNK):
                frame = torch.arange(first, min(first + CHUNK, sizes[clip]), device=library.device)
                reference = library.at(torch.full_like(frame, clip), frame)
                rows.append(_centres(simulator, reference))
        return cls(torch.cat(rows).to(library.device, library.table.dtype))

    def at(self, library: ClipLibrary, clip: Tensor, frame: Tensor) -> Float[Tensor, "world 9"]:
        """Of every world; the last frame is held."""
        last = library.length[clip] - 1
        row = self.table[library.start[clip] + torch.minimum(frame, last)]
        return torch.where((frame <= last)[:, None], row, torch.nn.functional.pad(row[:, :3], (0, 6)))


def balanced(
    body: BodyState,
    mechanics: Mechanics,
    posture: Float[Tensor, "world coordinate"],
    centre: Float[Tensor, "world 9"],
    footing: Footing,
    mass: float,
    gravity: Float[Tensor, "3"],
) -> Float[Tensor, "world coordinate"]:
    """Accelerations for all coordinates [rad/s², m/s²].

    Args:
        body: Of the present instant.
        mechanics: Of the same.
        posture: What posture alone would ask for.
        centre: Reference of the centre of mass.
        footing: Points of the soles.
        mass: Of the body [kg].
        gravity: [m/s²]
    """
    worlds, size = posture.shape
    of_points = (footing.jacobian * footing.on[..., None, None]).reshape(worlds, -1, size)
    velocity = (footing.jacobian @ body.coordinate_vel[:, None, :, None])[..., 0]
    at_points = (-(footing.drift + GRIP * velocity) * footing.on[..., None]).reshape(worlds, -1)
    place, speed, feedforward = centre.split(3, dim=1)
    wanted = (
        feedforward + CENTRE_STIFFNESS * (place - body.com_pos_w) + 2 * CENTRE_STIFFNESS**0.5 * (speed - body.com_vel_w)
    )
    of_centre = mechanics.mass[:, :3] / mass
    at_centre = wanted - (mechanics.bias[:, :3] / mass + gravity)
    weight = torch.full((size,), POSTURE_WEIGHT, dtype=posture.dtype, device=posture.device)
    weight[:3] *= ROOT_SHIFT
    weight[3:6] *= ROOT_TURN
    turned = of_points.transpose(1, 2), of_centre.transpose(1, 2)
    system = STAND_WEIGHT * turned[0] @ of_points + CENTRE_WEIGHT * turned[1] @ of_centre + torch.diag(weight)
    right = STAND_WEIGHT * turned[0] @ at_points[..., None] + CENTRE_WEIGHT * turned[1] @ at_centre[..., None]
    factor, _ = torch.linalg.cholesky_ex(system)
    return torch.cholesky_solve(right + (weight * posture)[..., None], factor)[..., 0]


def _centres(simulator: Referee, reference: Reference) -> Float[Tensor, "frame 9"]:
    """Centre of mass of some frames, each in a world of its own."""
    anatomy, worlds = simulator.anatomy, simulator.worlds
    frames = len(reference.valid)
    mask = torch.arange(worlds) < frames

    def rows(values: Tensor) -> Tensor:
        values = values[:, 0].double().cpu()
        return torch.cat([values, values[:1].expand(worlds - frames, -1)])

    still = torch.zeros(worlds, anatomy.model.nu, dtype=torch.float64)
    simulator.reset(mask, rows(reference.coordinate_pos), rows(reference.coordinate_vel), still)
    body, mechanics = simulator.body, simulator.mechanics
    acceleration = rows(reference.coordinate_acc)
    push = (mechanics.mass[:, :3] @ acceleration[..., None])[..., 0] + mechanics.bias[:, :3]
    gravity = torch.as_tensor(anatomy.model.opt.gravity, dtype=torch.float64)
    centre = push / float(anatomy.model.body_mass.sum()) + gravity
    return torch.cat([body.com_pos_w, body.com_vel_w, centre], dim=1)[:frames]
