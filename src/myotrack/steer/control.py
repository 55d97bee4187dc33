"""From wanted accelerations to one control interval: moments, activations, excitations, and what holds the body.

Moments that muscles cannot make are missed where this changes the motion least: residuals r are measured by rᵀ M⁻¹ r,
as in Gauss' principle of least constraint. What an interval can make of every activation bounds what is asked of it, so
an excitation that is sent brings what was meant.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.sparse import csgraph
from torch import Tensor

from myotrack.algebra.quaternion import rotate, to_matrix
from myotrack.anatomy.landmarks import FOOT_REGIONS
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves, Tension
from myotrack.simulate.mechanics import Mechanics, MechanicsReadout
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState
from myotrack.steer.activation import ActivationLaw
from myotrack.steer.effort import Muscles, effort
from myotrack.steer.inverse import Handles, inverse
from myotrack.steer.parts import Parts
from myotrack.steer.recruit import Others, Reserve, recruit
from myotrack.steer.share import share
from myotrack.steer.soles import Footing, Soles

MANY = 4
"""Worlds from which limbs are solved apart. Measured: for one world that takes longer, for 64 half as long."""
STEPS = 10
"""Of the solver. Measured: six motions of the arms with fingers are followed to 0.213 deg with 10 as with 12, to 0.217
with 8."""
PUSH_WEIGHT = 1e-4
"""Effort of an edge of a point of the sole that pushes its strongest, over that of a fully active muscle. Tuned: next
to nothing, so that the floor carries what it can."""


@dataclass(frozen=True)
class Plan:
    """What the muscles are to do until the next instant."""

    activation: Float[Tensor, "world muscle"]
    moment: Float[Tensor, "world coordinate"]
    """What muscles are asked for; zero in the rows of a free root [N m]."""
    residual: Float[Tensor, "world coordinate"]
    """What of it they miss; for a body on its own feet also what the feet miss of the root's [N m, N]."""
    reserve: Float[Tensor, "world coordinate"]
    """What comes from outside instead [N m]."""
    support: Float[Tensor, "world 6"]
    """Force in the world [N] and moment about the root's origin in the world [N m] that hold the root."""
    tension: Tension


class Controller:
    """Knows the muscles of one simulator and what they can do; remembers nothing between instants."""

    def __init__(self, simulator: Simulator, support: bool, reserve: float, tone: float) -> None:
        """Prepare.

        Args:
            simulator: Whose worlds are to be moved.
            support: Hold the root of a free body from outside; else its feet have to.
            reserve: Largest moment per joint from outside [N m].
            tone: Least activation.
        """
        self.simulator = simulator
        self.anatomy = anatomy = simulator.anatomy
        body = simulator.body
        device, dtype = body.qpos.device, body.qpos.dtype
        self.law = ActivationLaw.of(anatomy, simulator.physics).to(device, dtype)
        self.curves = Curves.of(anatomy).to(device, dtype)
        self.supported = anatomy.free and support
        self.soles = Soles.of(anatomy, device) if anatomy.free and not support else None
        segments = [segment for _, segment in FOOT_REGIONS[anatomy.name]]
        self._ground = Handles.of(anatomy, segments).to(device, dtype) if self.supported else None
        self._reserve = Reserve(reserve) if reserve else None
        self._tone = tone
        first = 6 if anatomy.free else 0
        self._joints = slice(first, None)
        self._first = first if self.supported else 0
        self._rows = torch.arange(self._first, anatomy.couplings.coordinate_size, device=device)
        self._effort = effort("squared", Muscles(self.curves, body.muscle_velocity[:1]))
        together = self.soles is not None or simulator.worlds < MANY
        self._parts = None if together else limbs(anatomy, self._first, self._reserve is not None).to(device)
        centre = anatomy.model.body_ipos[1] if anatomy.free else [0.0, 0.0, 0.0]
        self._root_centre = torch.as_tensor(centre, dtype=dtype, device=device)
        self._root_name = anatomy.model.body(1).name

    def plan(
        self,
        body: BodyState,
        mechanics: Mechanics,
        acceleration: Float[Tensor, "world coordinate"],
        footing: Footing | None = None,
        rested: bool = False,
    ) -> Plan:
        """Activations that make the body accelerate as wanted.

        Args:
            body: Of the present instant.
            mechanics: Of the same.
            acceleration: Wanted, of all coordinates [rad/s², m/s²].
            footing: What a body without support stands on.
            rested: Let activations become anything in [0, 1], as before the beginning of a motion.
        """
        tension = self.curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
        external = None
        if self._ground is not None:
            # The floor's push as it is now counts as known, though an interval later it is another.
            force, moment = body.region_force_w, body.region_moment_w
            external = self._ground.generalised(body.coordinate_pos, force, moment)
        needed = inverse(mechanics, acceleration, external)
        reach = self.law.reach(body.muscle_activation)
        low, high = (torch.zeros_like(reach.low), torch.ones_like(reach.high)) if rested else (reach.low, reach.high)
        low = torch.maximum(low, high.clamp(max=self._tone))
        problem = recruit(
            mechanics, tension, needed, self._effort, self._rows, low=low, high=high, metric="acceleration",
            reserve=self._reserve, others=None if footing is None else pushes(footing),
        )  # fmt: skip
        found = problem.read(share(problem.task, STEPS, self._parts))
        residual, reserve, moment = (torch.zeros_like(needed) for _ in range(3))
        residual[:, self._rows], reserve[:, self._rows] = found.residual, found.reserve
        moment[:, self._rows] = needed[:, self._rows] - found.others
        moment[:, : self._joints.start] = 0.0
        support = needed.new_zeros(len(needed), 6)
        if self.supported:
            # Joints whose moments are missing accelerate less than wanted, and press on the root accordingly.
            lag = torch.linalg.solve(mechanics.mass[:, 6:, 6:], residual[:, 6:, None])
            held = needed[:, :6] - (mechanics.mass[:, :6, 6:] @ lag)[..., 0]
            turn = to_matrix(body.coordinate_pos[:, 3:7])
            support = torch.cat([held[:, :3], (turn @ held[:, 3:, None])[..., 0]], dim=1)
        return Plan(found.activation, moment, residual, reserve, support, tension)

    def advance(self, body: BodyState, plan: Plan) -> Float[Tensor, "world muscle"]:
        """Let one control interval pass; returns the excitation that was sent."""
        excitation = self.law.excitation(body.muscle_activation, plan.activation).clamp(0.0, 1.0)
        if self.supported:
            # A push acts at the centre of mass of the root's body, which is elsewhere.
            arm = rotate(body.coordinate_pos[:, 3:7], self._root_centre.expand(len(excitation), -1))
            force, moment = plan.support[:, :3], plan.support[:, 3:]
            self.simulator.push(self._root_name, force, moment - torch.linalg.cross(arm, force))
        if self._reserve is not None:
            self.simulator.assist(plan.reserve)
        self.simulator.advance(excitation)
        return excitation


def pushes(footing: Footing) -> Others:
    """What the floor may push, as unknowns."""
    bounds = footing.bounds()
    return Others(footing.pushes(), torch.full_like(bounds[:1], PUSH_WEIGHT), bounds)


def limbs(anatomy: Anatomy, first: int, reserve: bool = False) -> Parts:
    """Limbs that never meet while the root is held: neither through a muscle nor through their inertia."""
    readout = MechanicsReadout(anatomy, anatomy.model)
    touch = readout.crosses[:, first:].T
    if reserve:
        touch = torch.cat([touch, torch.eye(len(touch), dtype=torch.bool)], dim=1)
    # In Gauss' metric an unknown touches every row whose inertia is coupled, however indirectly, to one it touches.
    _, limb = csgraph.connected_components(readout.coupled[first:, first:].numpy())
    same = torch.as_tensor(limb[:, None] == limb[None])
    return Parts.of((same.double() @ touch.double()) > 0)
