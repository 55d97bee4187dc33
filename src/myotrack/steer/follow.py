"""Computed muscle control: muscles follow a clip in the simulator, many worlds at once, without learning.

    error of posture and rate -> wanted acceleration -> moments -> activations -> excitations -> one control interval

A free body is held at its root by a wrench from outside, which is reported, or stands on its own feet (`balance`).
Source of the scheme: Thelen & Anderson 2006, doi:10.1016/j.jbiomech.2005.02.010 (recalled); the rest is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.clips.clip import RATE
from myotrack.clips.library import ClipLibrary, Reference
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import BodyState
from myotrack.steer.balance import Centre, balanced
from myotrack.steer.control import Controller, Plan
from myotrack.steer.intent import wanted_acceleration

LOST = 0.5
"""Mean distance of the landmarks from the reference at which a world is given up [m]. Tuned: a body that has fallen is
farther."""


@dataclass(frozen=True)
class FollowSettings:
    """Choices of computed muscle control."""

    stiffness: float = 900.0
    """Acceleration per error of posture [1/s²]; errors of rate are critically damped. Tuned: 400 and 900 follow the
    built-in motions of the arms to 0.26 and 0.12 deg."""
    standing_stiffness: float = 100.0
    """The same for a body on its own feet. Tuned: 100 and 400 stand alike."""
    support: bool = True
    """Hold the root of a free body by a wrench from outside, which is reported; else it stands on its own feet."""
    reserve: float = 0.0
    """Largest moment per joint from outside, beside the muscles [N m]; reported. Off by default. 1 N m costs as much
    as a muscle at full activation (`recruit.Reserve`)."""
    lift: float = 0.0
    """How far above its clip a held body hangs [m]; 0.1 keeps its feet off the floor."""
    tone: float = 0.0
    """Least activation that muscles are kept at."""

    def __post_init__(self) -> None:
        if self.lift and not self.support:
            raise ValueError("A body that hangs above its clip needs its support.")
        if min(self.stiffness, self.standing_stiffness) <= 0 or self.reserve < 0 or not 0 <= self.tone < 1:
            raise ValueError(
                "Muscle control needs positive stiffnesses, a reserve that is not negative, and a tone in [0, 1); "
                f"got {self}."
            )


@dataclass(frozen=True)
class Step:
    """One control interval of every world."""

    body: BodyState
    """At its beginning, kept."""
    reference: Reference
    """At the same instant (one frame ahead dimension)."""
    excitation: Float[Tensor, "world muscle"]
    """What is sent during it."""
    wanted: Float[Tensor, "world muscle"]
    """The activation it aims at."""
    moment: Float[Tensor, "world coordinate"]
    """What muscles are asked for; zero in the rows of a free root [N m]."""
    residual: Float[Tensor, "world coordinate"]
    """What of it they miss."""
    reserve: Float[Tensor, "world coordinate"]
    """What comes from outside instead, within `FollowSettings.reserve`."""
    support: Float[Tensor, "world 6"]
    """Force in the world [N] and moment about the root's origin in the world [N m] that hold the root; zero without."""
    alive: Bool[Tensor, "world"]
    """Whether the clip has this frame, the simulation is sound, and the body is still near its reference."""


def follow(
    simulator: Simulator,
    library: ClipLibrary,
    settings: FollowSettings | None = None,
    clips: Int[Tensor, "world"] | None = None,
) -> Iterator[Step]:
    """Let every world follow a clip from its first frame, until all have come to their ends.

    Args:
        simulator: Its worlds are reset.
        library: The clips, of the simulator's body.
        settings: Choices.
        clips: Which clip each world follows; in turn if not given.

    Raises:
        ValueError: The clips belong to another body or rate, or a body is to stand that its clip leaves in the air.
    """
    anatomy, worlds = simulator.anatomy, simulator.worlds
    if library.body_hash != anatomy.hash:
        raise ValueError("The clips belong to another body than the simulator's; retarget them for this one.")
    if clips is None:
        clips = torch.arange(worlds, device=library.device) % len(library.names)
    if abs(simulator.physics.interval * RATE - 1) > 1e-9:
        raise ValueError(
            f"Clips have {RATE:g} frames per second, and the simulator's control interval is "
            f"{simulator.physics.interval:g} s; choose a timestep and substeps that make {1 / RATE:g} s."
        )
    settings = settings or FollowSettings()
    if anatomy.free and not settings.support:
        for name, first, frames in zip(library.names, library.start.tolist(), library.frames, strict=True):
            if not library.contact[first : first + frames].any():
                raise ValueError(
                    f"Clip '{name}' says nowhere that a foot stands, so nothing can carry the body; retarget it with "
                    "planted feet, or hold the body."
                )
    controller = Controller(simulator, settings.support, settings.reserve, settings.tone)
    planner = _Planner(controller, library, clips, settings)
    everywhere = torch.ones(worlds, dtype=torch.bool, device=simulator.device)
    first = planner.reference(0)
    start = first.coordinate_pos[:, 0], first.coordinate_vel[:, 0]
    tone = torch.full((worlds, anatomy.model.nu), settings.tone, dtype=first.coordinate_pos.dtype)
    simulator.reset(everywhere, *start, tone.to(simulator.device))
    plan, _ = planner.plan(simulator.body, 0, rested=True)
    simulator.reset(everywhere, *start, plan.activation.clamp(0, 1))
    alive = everywhere
    for frame in range(int(library.length[clips].max())):
        body = simulator.body.kept()
        plan, reference = planner.plan(body, frame)
        apart = (body.landmark_pos_w - reference.landmark_pos_w[:, 0]).norm(dim=-1).mean(dim=-1)
        still = alive & reference.valid[:, 0] & body.intact & (apart < LOST)
        ended, alive = alive & ~still, still
        excitation = controller.advance(body, plan)
        yield Step(
            body,
            reference,
            excitation,
            plan.activation,
            plan.moment,
            plan.residual,
            plan.reserve,
            plan.support,
            alive,
        )
        if ended.any():
            # Whoever has come to an end waits at rest, so that nobody is lost by stopping at once.
            z, rate = reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0]
            simulator.reset(ended, z, torch.zeros_like(rate), body.muscle_activation)


class _Planner:
    """Asks the controller for what the reference wants."""

    def __init__(self, controller: Controller, library: ClipLibrary, clips: Tensor, settings: FollowSettings) -> None:
        self._controller, self._library, self._clips, self._settings = controller, library, clips, settings
        anatomy = controller.anatomy
        self._free = anatomy.free
        self._centre = Centre.of(anatomy, library) if controller.soles is not None else None
        self._mass = float(anatomy.model.body_mass.sum())
        self._gravity = torch.as_tensor(anatomy.model.opt.gravity, dtype=library.table.dtype, device=library.device)

    def reference(self, frame: int) -> Reference:
        """A frame and the one after it."""
        both = self._library.at(self._clips, torch.full_like(self._clips, frame), (0, 1))
        if not (self._free and self._settings.lift):
            return both
        up = torch.tensor([0.0, 0.0, self._settings.lift], dtype=both.coordinate_pos.dtype, device=self._library.device)
        root = torch.nn.functional.pad(up, (0, both.coordinate_pos.shape[-1] - 3))
        return replace(both, coordinate_pos=both.coordinate_pos + root, landmark_pos_w=both.landmark_pos_w + up)

    def plan(self, body: BodyState, frame: int, rested: bool = False) -> tuple[Plan, Reference]:
        """The plan of one instant, and the reference at it."""
        controller, settings = self._controller, self._settings
        both = self.reference(frame)
        reference, mechanics = _frame(both, 0), controller.simulator.mechanics
        stiffness = settings.stiffness if controller.soles is None else settings.standing_stiffness
        pos, vel = reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0]
        wanted = wanted_acceleration(
            body.coordinate_pos, body.coordinate_vel, pos, vel, both.coordinate_acc[:, 1], stiffness, self._free
        )
        footing = None
        if controller.soles is not None and self._centre is not None:
            footing = controller.soles.footing(body.coordinate_pos, body.coordinate_vel, reference.contact[:, 0])
            centre = self._centre.at(self._library, self._clips, torch.full_like(self._clips, frame))
            wanted = balanced(body, mechanics, wanted, centre, footing, self._mass, self._gravity)
        return controller.plan(body, mechanics, wanted, footing, rested), reference


def _frame(reference: Reference, index: int) -> Reference:
    """One of the frames ahead."""
    return replace(reference, **{name: value[:, index : index + 1] for name, value in vars(reference).items()})
