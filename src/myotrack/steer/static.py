"""Static optimisation of recorded movement: from a motion and its ground forces to activations, frame by frame.

Nothing is simulated: every frame is one world whose posture and rates are written into the physics engine, which gives
the equations of motion; inverse dynamics gives the moments, and `share` the muscles. The standard question of the field
(Crowninshield & Brand 1981, doi:10.1016/0021-9290(81)90035-X, recalled).
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves, Tension
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import CUTOFF, smoothed
from myotrack.retarget.pipeline import Fit
from myotrack.simulate.mechanics import Mechanics
from myotrack.simulate.threads import Threads
from myotrack.steer.effort import Cost, Muscles, effort
from myotrack.steer.ground import FEET, Ground, explained, ground_of, mass_of, of_mass
from myotrack.steer.inverse import Handles, inverse
from myotrack.steer.parts import Parts, touching
from myotrack.steer.recruit import Measured, Reserve, recruit
from myotrack.steer.share import share

RIGID = ("mtp_angle_r", "mtp_angle_l")
"""Joints whose moment is not asked for, since the load of the toes was not measured apart from that of the hindfoot."""
SELDOM = 4
"""Every so manieth frame is looked at for the mass. Measured: 84.83, 84.88, 84.95 and 84.70 kg with 1, 2, 4 and 8 in a
walk."""
AT_ONCE = 60
"""Frames that are worlds together. Measured: 240 take no less time per frame; one takes 0.9 MB."""


@dataclass(frozen=True)
class Choices:
    """What muscles are asked for, and what they are spared."""

    cost: Cost = "squared"
    """See `effort.effort`."""
    reserve: Reserve | None = None
    """Moments from nowhere; none by default."""
    open: tuple[str, ...] = RIGID
    """Coordinates whose moments are not asked for."""
    steps: int = 12
    """Of the solver."""


@dataclass(frozen=True)
class Movement:
    """A recorded movement as equations: what its joints need and what its muscles could pull, in every frame."""

    anatomy: Anatomy
    curves: Curves
    mechanics: Mechanics
    tension: Tension
    forces: Float[Tensor, "frame coordinate"]
    """That the body must make itself; the first six of a free root, nobody can: pelvis residuals [N, N m]."""
    measured: Bool[Tensor, "frame"]
    """Whether the ground forces explain the vertical motion; elsewhere a foot stood beside the plates, and moments and
    activations mean nothing. Always true for a body on a fixed trunk."""

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.forces)

    def part(self, rows: slice) -> "Movement":
        """Some frames."""
        mechanics = Mechanics(**{f.name: getattr(self.mechanics, f.name)[rows] for f in fields(Mechanics)})
        tension = Tension(self.tension.active[rows], self.tension.passive[rows])
        return Movement(self.anatomy, self.curves, mechanics, tension, self.forces[rows], self.measured[rows])


@dataclass(frozen=True)
class Pulled:
    """What muscles did, frame by frame, so far as moments and a cost can tell."""

    activation: Float[Tensor, "frame muscle"]
    tension: Float[Tensor, "frame muscle"]
    """[N]"""
    moments: Float[Tensor, "frame coordinate"]
    """Wanted: inverse dynamics [N m]."""
    residual: Float[Tensor, "frame coordinate"]
    """Wanted, minus what muscles and reserve make; zero where nothing was asked [N m]."""
    reserve: Float[Tensor, "frame coordinate"]
    """Moments from nowhere [N m]."""
    root: Float[Tensor, "frame _"]
    """Force and moment at the pelvis that nothing explains, in its rates' frames [N, N m]; none on a fixed trunk."""
    gap: Float[Tensor, "frame"]
    """How far the cost may be from the least one, over itself."""
    measured: Bool[Tensor, "frame"]
    """See `Movement.measured`."""


def movement(clip: Clip, anatomy: Anatomy, ground: Ground | None = None, threads: int = 0) -> Movement:
    """The equations of every frame of a clip.

    Args:
        clip: Smooth: accelerations are taken as they are (`clips.smooth.smoothed`).
        anatomy: Its body.
        ground: On its feet; None if nothing touches the body.
        threads: Of the physics; 0: one per core.

    Raises:
        ValueError: The clip does not belong to the body.
    """
    clip.check(anatomy)
    pos = clip.pos.double()
    mechanics = mechanics_of(anatomy, pos, clip.vel.double(), threads)
    external = None
    if ground is not None:
        external = Handles.of(anatomy, FEET).generalised(pos, ground.force, ground.moment)
    acceleration = clip.acc.double()
    forces = inverse(mechanics, acceleration, external)
    measured = torch.ones(clip.frames, dtype=torch.bool)
    if anatomy.free:
        mass = float(anatomy.model.body_mass.sum())
        vertical = torch.zeros(clip.frames, dtype=torch.float64) if ground is None else ground.force[..., 2].sum(dim=1)
        measured = explained(vertical, inverse(mechanics, acceleration)[:, 2] / mass, mass)
    curves = Curves.of(anatomy)
    tension = curves.tension(mechanics.muscle_length, mechanics.muscle_velocity)
    return Movement(anatomy, curves, mechanics, tension, forces, measured)


def mechanics_of(
    anatomy: Anatomy, pos: Float[Tensor, "frame pos"], vel: Float[Tensor, "frame coordinate"], threads: int = 0
) -> Mechanics:
    """The equations of motion in every frame, in double precision.

    Args:
        anatomy: The body.
        pos: Independent coordinates z [m, quaternion, rad].
        vel: Their rates [m/s, rad/s].
        threads: Of the physics; 0: one per core.
    """
    frames = len(pos)
    worlds = min(AT_ONCE, frames)
    simulator = Threads(anatomy, worlds, threads=threads, dtype=torch.float64)
    still = torch.zeros(worlds, anatomy.model.nu, dtype=torch.float64)
    parts: list[Mechanics] = []
    for first in range(0, frames, worlds):
        rows = torch.arange(first, first + worlds).clamp(max=frames - 1)
        simulator.reset(torch.ones(worlds, dtype=torch.bool), pos[rows], vel[rows], still)
        parts.append(simulator.mechanics)
    return Mechanics(
        **{f.name: torch.cat([getattr(part, f.name) for part in parts])[:frames] for f in fields(Mechanics)}
    )


def recorded(recording: Recording, found: Fit, cutoff: float = CUTOFF, threads: int = 0) -> tuple[Movement, float]:
    """The equations of a recording with ground forces, on a body of the person's sizes that weighs what they tell.

    Args:
        recording: Motion and plates on one clock (`capture.join.together`).
        found: Its retargeting with `Settings(size="fitted")`; `plant=False` keeps the joint angles nearest to it.
        cutoff: Of the low-pass of both motion and forces [Hz].
        threads: Of the physics; 0: one per core.

    Returns:
        The movement, and the mass [kg].

    Raises:
        ValueError: No forces were recorded, they act where no foot is, or never agree with the motion.
    """
    if found.placement is None:
        raise ValueError("A body on a fixed trunk does not stand on force plates.")
    clip, anatomy = smoothed(found.clip, cutoff), found.anatomy
    ground = ground_of(recording, clip, anatomy, found.placement, cutoff)
    # How the centre of mass moves does not depend on the whole mass, so the first need not be right; nor does a smooth
    # motion need every frame for it.
    few = replace(clip, **{name: getattr(clip, name)[::SELDOM] for name in ("pos", "vel", "acc", "contact")})
    inertia = movement(few, anatomy, threads=threads).forces[:, 2] / float(anatomy.model.body_mass.sum())
    mass = mass_of(ground.force[::SELDOM, :, 2].sum(dim=1), inertia, RATE / SELDOM)
    clip, anatomy = of_mass(clip, anatomy, mass)
    return movement(clip, anatomy, ground, threads), mass


def pulled(movement: Movement, choices: Choices | None = None, measured: Measured | None = None) -> Pulled:
    """Which muscles made a movement, at least cost.

    Joints that share no muscle are solved apart, which changes nothing and is many times faster.

    Args:
        movement: From `movement` or `recorded`.
        choices: Of cost, reserve and rows.
        measured: Recorded activations as soft targets, one row per frame.

    Raises:
        ValueError: A name in `open` is no coordinate of the body.
    """
    choices = choices or Choices()
    price = effort(choices.cost, Muscles(movement.curves, movement.mechanics.muscle_velocity))
    rows = asked_rows(movement.anatomy, choices.open)
    problem = recruit(
        movement.mechanics, movement.tension, movement.forces, price, rows, reserve=choices.reserve, measured=measured
    )
    answer = share(problem.task, choices.steps, Parts.of(touching(problem.task.effect)))
    found = problem.read(answer)
    residual, reserve = torch.zeros_like(movement.forces), torch.zeros_like(movement.forces)
    residual[:, rows], reserve[:, rows] = found.residual, found.reserve
    skip = 6 if movement.anatomy.free else 0
    return Pulled(
        activation=found.activation,
        tension=movement.tension.at(found.activation),
        moments=movement.forces,
        residual=residual,
        reserve=reserve,
        root=movement.forces[:, :skip],
        gap=found.gap,
        measured=movement.measured,
    )


def asked_rows(anatomy: Anatomy, open: tuple[str, ...] = RIGID) -> Int[Tensor, "row"]:
    """The joint coordinates whose moments are asked for.

    Raises:
        ValueError: A name in `open` is no coordinate of the body.
    """
    names = anatomy.coordinate_names
    strange = [name for name in open if name not in names]
    if strange:
        raise ValueError(f"The body has no coordinate '{strange[0]}'. It has: {', '.join(names)}.")
    skip = 6 if anatomy.free else 0
    return torch.tensor([index for index, name in enumerate(names) if index >= skip and name not in open])
