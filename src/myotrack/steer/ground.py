"""Measured ground forces, brought to the feet of a body: which foot stood on which plate, and what the person weighs.

A plate's load comes in steps. Each step belongs to the foot that is nearest to its centre of pressure, whatever the
plate is called, so two feet that cross one plate after the other are told apart. Two feet on one plate at once are not.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.lowpass import lowpass
from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Plate, Recording
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import CUTOFF
from myotrack.retarget.placement import Placement
from myotrack.steer.inverse import Handles

SIDES = ("right", "left")
FEET = ("calcn_r", "calcn_l")
"""Segments that forces take hold of. The foot counts as rigid, as in most gait models: nobody measured how the load is
divided between hindfoot and toes."""
TOES = ("toes_r", "toes_l")
STOOD_ON = 20.0
"""Vertical force from which a foot stands on a plate [N]. Cited: the usual threshold of gait laboratories (Zeni et al.
2008, doi:10.1016/j.gaitpost.2007.07.007)."""
BRIEF = 0.05
"""A load that lasts shorter is no step, and a gap that is shorter ends none [s]. Tuned."""
FAR = 0.25
"""Distance between a foot's middle and a centre of pressure from which this is not the foot's [m]. Tuned: a foot's
length; in the walk and run of Rajagopal et al. (2016) it is 0.06 m."""
MOMENT = 0.08
"""For so long forces and motion may disagree without ending the time from which the mass is told: after impacts they do
[s]. Tuned: shorter than a double support, in which a foot beside the plates would be missed."""
EXPLAINED = 0.1
"""Share of the vertical force, or of the weight if that is greater, up to which force and motion may disagree where all
forces count as measured. Tuned: 95 % of frames of a walk in which both feet stand on plates are below 0.07."""
GRAVITY = 9.81


@dataclass(frozen=True)
class Ground:
    """Ground reactions on both feet at the frames of a clip, in its world."""

    force: Float[Tensor, "frame foot 3"]
    """Right, left [N]."""
    moment: Float[Tensor, "frame foot 3"]
    """About the world's origin [N m]."""
    notes: tuple[str, ...] = ()
    """What was decided on the way."""

    def part(self, rows: slice) -> "Ground":
        """Some frames."""
        return replace(self, force=self.force[rows], moment=self.moment[rows])


def ground_of(
    recording: Recording, clip: Clip, anatomy: Anatomy, placement: Placement, cutoff: float | None = CUTOFF
) -> Ground:
    """The forces that were recorded beside a motion, on the feet of the body that performs it.

    Args:
        recording: With plates.
        clip: What the recording became, on a body of the person's sizes.
        anatomy: That body.
        placement: Where the clip's world is in the recording's (`retarget.pipeline.Fit.placement`).
        cutoff: Of the low-pass, best that of the motion: else impacts are in the forces and not in the accelerations
            (Bisseling & Hof 2006, doi:10.1016/j.jbiomech.2005.07.021, recalled). None: no filter [Hz].

    Raises:
        ValueError: There are no plates, a foot is nowhere near a load, or the clip is of another size than the person.
    """
    if not recording.plates:
        raise ValueError(f"{recording.origin.file}: no ground forces were recorded.")
    if not anatomy.free:
        raise ValueError("A body without legs does not stand on force plates.")
    feet = Handles.of(anatomy, (*FEET, *TOES)).places(clip.pos.double())
    middle = (feet[:, :2] + feet[:, 2:]) / 2
    total = torch.zeros(clip.frames, len(SIDES), 6, dtype=torch.float64)
    notes: list[str] = []
    for plate in recording.plates:
        total += _on_feet(plate, clip.frames, placement, middle, cutoff, notes)
    force, moment = placement.wrenches(total[..., :3], total[..., 3:])
    return Ground(force, moment, tuple(notes))


def _on_feet(
    plate: Plate, frames: int, placement: Placement, middle: Tensor, cutoff: float | None, notes: list[str]
) -> Float[Tensor, "frame foot 6"]:
    """Force and moment of one plate on either foot, in the world of the recording, at the frames of the clip."""
    both = np.concatenate([plate.force, plate.moment], axis=1)
    at = (placement.start + np.arange(frames) / RATE) * plate.rate
    centre = plate.centre[np.clip(np.round(at).astype(int), 0, len(both) - 1)]
    here = placement.points(torch.as_tensor(centre)[:, None])[..., :2]
    away = (here - middle[..., :2]).norm(dim=-1).numpy()
    out = np.zeros((frames, len(SIDES), 6))
    for first, last in _steps(plate):
        inside = (at >= first) & (at <= last)
        if not inside.any():
            continue
        distance = np.nanmedian(away[inside], axis=0)
        foot = int(distance.argmin())
        when = f"{plate.name}, {first / plate.rate:.2f} to {last / plate.rate:.2f} s"
        if not distance[foot] < FAR:
            raise ValueError(
                f"{when}: no foot is near the load (the nearest {distance[foot]:.2f} m away). Is it the same trial, "
                "and was it retargeted with Settings(size='fitted')?"
            )
        notes.append(f"{when}: {SIDES[foot]} foot, {1000 * distance[foot]:.0f} mm from its middle")
        alone = np.zeros_like(both)
        alone[first : last + 1] = both[first : last + 1]
        if cutoff is not None:
            alone = lowpass(alone, plate.rate, cutoff)
        out[:, foot] += np.stack([np.interp(at, np.arange(len(alone)), column, 0, 0) for column in alone.T], axis=1)
    return torch.as_tensor(out)


def _steps(plate: Plate) -> list[tuple[int, int]]:
    """First and last sample of every step on a plate."""
    on = np.flatnonzero(plate.force[:, 2] > STOOD_ON)
    if not len(on):
        return []
    brief = round(BRIEF * plate.rate)
    runs = np.split(on, np.flatnonzero(np.diff(on) > brief) + 1)
    return [(int(run[0]), int(run[-1])) for run in runs if run[-1] - run[0] >= brief]


def explained(vertical: Float[Tensor, "frame"], inertia: Float[Tensor, "frame"], mass: float) -> Bool[Tensor, "frame"]:
    """Frames in which the measured vertical force is what the motion needs, so that no foot stands beside the plates.

    Args:
        vertical: Of all plates together [N].
        inertia: Acceleration of the centre of mass plus gravity [m/s²].
        mass: Of the body [kg].
    """
    needed = mass * inertia
    scale = torch.maximum(vertical, needed).clamp(min=mass * GRAVITY)
    return (vertical - needed).abs() < EXPLAINED * scale


def mass_of(vertical: Float[Tensor, "frame"], inertia: Float[Tensor, "frame"], rate: float = RATE) -> float:
    """What a person weighs, from forces and motion: the mean force over the mean of acceleration plus gravity.

    Over whole strides the acceleration has no mean, and this is the mean force over g; so that no stride need be whole
    and steps beside the plates do no harm, it is taken over the longest time in which forces and motion agree.

    Args:
        vertical: Force of all plates together [N].
        inertia: Acceleration of the centre of mass plus gravity [m/s²].
        rate: Of the frames [Hz].

    Raises:
        ValueError: There is no such time.
    """
    grounded = inertia > GRAVITY / 2
    if not grounded.any():
        raise ValueError("The body never rests on the ground, so its mass cannot be told.")
    loaded = grounded & (vertical > STOOD_ON)
    if not loaded.any():
        raise ValueError("The force plates carry nobody, so the mass cannot be told.")
    # A foot beside the plates makes the force too small, never too large.
    mass = float((vertical / inertia)[loaded].quantile(0.75))
    for _ in range(5):
        rows = longest(explained(vertical, inertia, mass), bridge=math.ceil(MOMENT * rate))
        if rows.stop - rows.start < rate / 4:
            raise ValueError("Ground forces and motion never agree for a quarter of a second; the mass cannot be told.")
        mass = float(vertical[rows].sum() / inertia[rows].sum())
    return mass


def longest(flags: Bool[Tensor, "frame"], bridge: int = 0) -> slice:
    """The longest run of frames that are set.

    Args:
        flags: One per frame.
        bridge: So many frames that are not set do not end a run.
    """
    on = flags.nonzero()[:, 0].numpy()
    if not len(on):
        return slice(0, 0)
    runs = np.split(on, np.flatnonzero(np.diff(on) > bridge + 1) + 1)
    best = max(runs, key=lambda run: run[-1] - run[0])
    return slice(int(best[0]), int(best[-1]) + 1)


def of_mass(clip: Clip, anatomy: Anatomy, mass: float) -> tuple[Clip, Anatomy]:
    """The same motion on the same body of another mass; a motion does not depend on it.

    Args:
        clip: Of that body.
        anatomy: A body of the person's sizes.
        mass: Of the whole person [kg].

    Raises:
        ValueError: Nobody of these sizes weighs so much.
    """
    heavier = anatomy.resized(replace(anatomy.sizes, mass=round(mass, 1)))
    return replace(clip, sizes=heavier.sizes, body_hash=heavier.hash), heavier
