"""Which muscles make each frame of a motion on its own feet: the floor pushes where soles stand, muscles do the rest.

    frame -> inverse dynamics -> recruitment, with what the floor may push among the unknowns -> activations

Nothing is simulated. Where a foot stands, and how the load is divided, follows from the motion alone: what the floor
cannot push is left undone, and tells how far motion and masses are from agreeing.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.tension import Curves
from myotrack.clips.library import Reference
from myotrack.simulate.simulator import Simulator
from myotrack.steer.control import pushes
from myotrack.steer.effort import Muscles, effort
from myotrack.steer.inverse import inverse
from myotrack.steer.recruit import recruit
from myotrack.steer.share import share
from myotrack.steer.soles import Soles

NEAR = 0.02
"""A point of a sole that is meant to stand and is lower than this may be pushed [m]. Not tuned: soles of clips that
stand hover by up to 7 mm, and a heel that rises by more than this carries nothing."""


@dataclass(frozen=True)
class Fit:
    """One frame of every world."""

    activation: Float[Tensor, "world muscle"]
    moment: Float[Tensor, "world coordinate"]
    """What the joints need from muscles [N m]; of the root, what neither they nor the floor give [N m, N]."""
    floor: Float[Tensor, "world 3"]
    """What the floor pushes in all [N]."""


class Grounded:
    """Asks for the muscles of frames of a free body; a simulator's worlds are reset to them."""

    def __init__(self, simulator: Simulator) -> None:
        """Prepare.

        Args:
            simulator: Of a free body.
        """
        anatomy, device = simulator.anatomy, simulator.device
        self._simulator = simulator
        self._soles = Soles.of(anatomy, device)
        # In single precision the problem of a whole body, where everything touches everything, is not solved.
        self._curves = Curves.of(anatomy).to(device, torch.float64)
        speed = torch.zeros(1, anatomy.model.nu, dtype=torch.float64, device=device)
        self._effort = effort("squared", Muscles(self._curves, speed))
        self._rows = torch.arange(anatomy.couplings.coordinate_size, device=device)

    def fit(self, reference: Reference) -> Fit:
        """Muscles of the first frame of a reference, one per world."""
        simulator = self._simulator
        pos, vel = reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0]
        rest = torch.zeros(simulator.worlds, simulator.anatomy.model.nu, device=simulator.device)
        simulator.reset(torch.ones(simulator.worlds, dtype=torch.bool, device=simulator.device), pos, vel, rest)
        mechanics = simulator.mechanics.to(torch.float64)
        footing = self._soles.footing(pos.double(), vel.double(), reference.contact[:, 0])
        meant = reference.contact[:, 0][:, self._soles.region]
        footing = replace(footing, on=meant & (footing.place[..., 2] < NEAR))
        needed = inverse(mechanics, reference.coordinate_acc[:, 0].double())
        tension = self._curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
        problem = recruit(
            mechanics, tension, needed, self._effort, self._rows, metric="acceleration", others=pushes(footing)
        )
        found = problem.read(share(problem.task))
        return Fit(found.activation, needed - found.others, found.others[:, :3])
