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
from myotrack.simulate.mechanics import Mechanics, MechanicsReadout
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState
from myotrack.steer.activation import ActivationLaw
from myotrack.steer.inverse import Handles, inverse
from myotrack.steer.parts import Parts
from myotrack.steer.share import Effort, Shared, Task, share
from myotrack.steer.soles import EDGES, Footing, Soles
from myotrack.steer.tension import Curves, Tension

GAUSS = 3.0
"""Softness of the moments in Gauss' metric [N m / sqrt(kg m²)]. Tuned on CMU 13_26 and the built-in lift: 1 to 10
follow alike; smaller ones co-contract where moments cannot be made (mean activation 0.15 with 0.3, 0.08 with 3), and
below 0.3 the solver's steps do not suffice."""
RESERVE_WEIGHT = 10.0
"""Effort of a reserve moment at its bound, over that of a fully active muscle."""
MANY = 4
"""Worlds from which limbs are solved apart. Measured: for one world that takes longer, for 64 half as long."""
STEPS = 10
"""Of the solver. Measured: six motions of the arms with fingers are followed to 0.213 deg with 10 as with 12, to 0.217
with 8."""
PUSH_WEIGHT = 1e-4
"""Effort of a point of the sole that pushes its strongest, over that of a fully active muscle."""


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
    shared: Shared


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
        self._reserve, self._tone = reserve, tone
        self._joints = slice(6 if anatomy.free else 0, None)
        self._rows = self._joints if self.supported else slice(0, None)
        size = anatomy.couplings.coordinate_size
        self._reserves = size - (self._joints.start or 0) if reserve else 0
        edges = len(self.soles.segment) * EDGES if self.soles else 0
        weight = torch.cat(
            [
                torch.ones(anatomy.model.nu),
                torch.full((self._reserves,), RESERVE_WEIGHT),
                torch.full((edges,), PUSH_WEIGHT),
            ]
        ).to(device, dtype)[None]
        cubed = torch.zeros(weight.shape[1], dtype=torch.bool, device=device)
        self._effort = Effort(weight, torch.zeros_like(weight), cubed)
        together = self.soles is not None or simulator.worlds < MANY
        self._parts = None if together else _parts(anatomy, self._rows, self._reserves).to(device)
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
        rows, muscles = self._rows, self.anatomy.model.nu
        tension = self.curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
        external = None
        if self._ground is not None:
            # The floor's push as it is now counts as known, though an interval later it is another.
            force, moment = body.region_force_w, body.region_moment_w
            external = self._ground.generalised(body.coordinate_pos, force, moment)
        needed = inverse(mechanics, acceleration, external)
        target = (needed - (tension.passive[:, None] @ mechanics.moment_arm)[:, 0])[:, rows]
        effect, low, high = self._unknowns(body, mechanics, tension, footing, rested)
        effect = effect[:, rows]
        # In units in which the body's inertia is one: residuals count as accelerations, weighed by what they move.
        root = torch.linalg.cholesky(mechanics.mass[:, rows, rows])
        scaled = torch.linalg.solve_triangular(root, torch.cat([effect, target[..., None]], dim=2), upper=False)
        softness = torch.full_like(target[:1], GAUSS)
        task = Task(scaled[..., :-1], scaled[..., -1], softness, self._effort, low, high)
        found = share(task, STEPS, self._parts)
        residual, reserve, moment = (torch.zeros_like(needed) for _ in range(3))
        residual[:, rows] = target - (effect @ found.value[..., None])[..., 0]
        if self._reserves:
            reserve[:, self._joints] = self._reserve * found.value[:, muscles : muscles + self._reserves]
        moment[:, self._joints] = needed[:, self._joints]
        if footing is not None:
            pushes = footing.pushes() @ found.value[:, muscles + self._reserves :, None]
            moment[:, self._joints] -= pushes[:, self._joints, 0]
        support = needed.new_zeros(len(needed), 6)
        if self.supported:
            # Joints whose moments are missing accelerate less than wanted, and press on the root accordingly.
            lag = torch.cholesky_solve(residual[:, rows, None], root)
            held = needed[:, :6] - (mechanics.mass[:, :6, rows] @ lag)[..., 0]
            turn = to_matrix(body.coordinate_pos[:, 3:7])
            support = torch.cat([held[:, :3], (turn @ held[:, 3:, None])[..., 0]], dim=1)
        return Plan(found.value[:, :muscles], moment, residual, reserve, support, tension, found)

    def advance(self, body: BodyState, plan: Plan) -> Float[Tensor, "world muscle"]:
        """Let one control interval pass; returns the excitation that was sent."""
        excitation = self.law.excitation(body.muscle_activation, plan.activation).clamp(0.0, 1.0)
        if self.supported:
            # A push acts at the centre of mass of the root's body, which is elsewhere.
            arm = rotate(body.coordinate_pos[:, 3:7], self._root_centre.expand(len(excitation), -1))
            force, moment = plan.support[:, :3], plan.support[:, 3:]
            self.simulator.push(self._root_name, force, moment - torch.linalg.cross(arm, force))
        self.simulator.advance(excitation)
        return excitation

    def _unknowns(
        self, body: BodyState, mechanics: Mechanics, tension: Tension, footing: Footing | None, rested: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Effect and bounds of activations, reserves, and pushes of the soles."""
        effect = (mechanics.moment_arm * tension.active[..., None]).transpose(1, 2)
        reach = self.law.reach(body.muscle_activation)
        low, high = (torch.zeros_like(reach.low), torch.ones_like(reach.high)) if rested else (reach.low, reach.high)
        low = torch.maximum(low, high.clamp(max=self._tone))
        parts, lows, highs = [effect], [low], [high]
        if self._reserves:
            unit = torch.eye(effect.shape[1], dtype=effect.dtype, device=effect.device)[:, self._joints]
            bound = torch.ones_like(unit[:1]).expand(len(effect), -1)
            parts.append(self._reserve * unit.expand(len(effect), -1, -1))
            lows.append(-bound)
            highs.append(bound)
        if footing is not None:
            parts.append(footing.pushes())
            bound = footing.bounds()
            lows.append(torch.zeros_like(bound))
            highs.append(bound)
        return torch.cat(parts, dim=2), torch.cat(lows, dim=1), torch.cat(highs, dim=1)


def _parts(anatomy: Anatomy, rows: slice, reserves: int) -> Parts:
    """Limbs that never meet while the root is held: neither through a muscle nor through their inertia."""
    readout = MechanicsReadout(anatomy, anatomy.model)
    touch = readout.crosses[:, rows].T
    if reserves:
        touch = torch.cat([touch, torch.eye(reserves, dtype=torch.bool)], dim=1)
    # In Gauss' metric an unknown touches every row whose inertia is coupled, however indirectly, to one it touches.
    _, limb = csgraph.connected_components(readout.coupled[rows, rows].numpy())
    same = torch.as_tensor(limb[:, None] == limb[None])
    return Parts.of((same.double() @ touch.double()) > 0)
