"""From static optimisation of a recorded movement to a trial: what muscles must have done, frame by frame."""

import math
import time
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import CUTOFF, smoothed
from myotrack.retarget.pipeline import Fit
from myotrack.simulate.contact import centre_of_pressure
from myotrack.steer.ground import MOMENT, Ground, ground_of, longest
from myotrack.steer.static import Choices, movement, pulled, recorded
from myotrack.validate.trials import Emg, Trial

UNASKED = "moments not asked for"
"""Setting that names the coordinates whose moments muscles were not asked for."""
LEFT_OUT = "left out"
"""Setting that says in a sentence how much of the motion the ground forces do not explain."""


def explain(
    clip: Clip,
    anatomy: Anatomy,
    choices: Choices | None = None,
    recording: Recording | None = None,
    found: Fit | None = None,
    span: tuple[float, float] | None = None,
    settings: dict[str, str] | None = None,
    emg: Emg | None = None,
) -> Trial:
    """Which muscles made a movement, as a trial.

    Args:
        clip: The motion; of a body that stands on the ground, that of `found`.
        anatomy: Its body.
        choices: Of cost, reserve and rows; those of `steer.static` if not given.
        recording: With ground forces; a body with legs needs them.
        found: Its retargeting to the person's sizes.
        span: Only from one time to another [s].
        settings: Further choices, for people to read.
        emg: What was recorded with it, on the frames of the whole clip.

    Raises:
        ValueError: Ground forces are missing or do not belong to the motion, or nothing is left of it.
    """
    begin = time.perf_counter()
    choices = choices or Choices()
    choices = replace(choices, open=tuple(name for name in choices.open if name in anatomy.coordinate_names))
    ground: Ground | None = None
    smooth = smoothed(clip)
    if anatomy.free:
        if recording is None or found is None or not recording.plates:
            raise ValueError(
                f"Static optimisation of '{clip.name}' needs the ground forces under the feet; give a recording that "
                "has them, or their file with --forces, or let --mode control follow the motion, which needs none."
            )
        whole, mass = recorded(recording, found)
        assert found.placement is not None  # `recorded` has seen to that.
        ground = ground_of(recording, smooth, found.anatomy, found.placement, CUTOFF)
        weighed = {"mass from the force plates": f"{mass:.1f} kg"}
    else:
        whole, weighed = movement(smooth, anatomy), {}
    # All frames had to be worked out, and only some are told of.
    before = time.perf_counter() - begin
    rows = slice(0, clip.frames) if span is None else clip.rows(*span)
    wanted = rows.stop - rows.start
    # After an impact forces and motion disagree for a few frames, which end nothing.
    known = longest(whole.measured[rows], bridge=math.ceil(MOMENT * RATE))
    rows = slice(rows.start + known.start, rows.start + known.stop)
    if rows.stop - rows.start < 2:
        raise ValueError(f"'{clip.name}': the ground forces explain the motion nowhere, so nothing can be said of it.")
    part = whole.part(rows)
    begin = time.perf_counter()
    made = pulled(part, choices)
    seconds = before * part.frames / whole.frames + time.perf_counter() - begin
    asked = torch.tensor([name not in choices.open for name in part.anatomy.coordinate_names])
    root = 6 if part.anatomy.free else 0
    asked[:root] = False
    residual = made.residual.clone()
    residual[:, :root] = made.root
    pos, vel = smooth.pos[rows].double(), smooth.vel[rows].double()
    places = part.anatomy.kinematics.pose(pos).pos.float()
    frames, regions = part.frames, len(part.anatomy.foot_regions)
    force, cop = _feet(ground, rows) if ground is not None else (torch.zeros(frames, regions // 2, 3),) * 2
    told = {"frames explained": f"{rows.start / RATE:.2f} to {(rows.stop - 1) / RATE:.2f} s of {clip.duration:.2f} s"}
    if frames < wanted:
        told[LEFT_OUT] = (
            f"{(wanted - frames) / RATE:.2f} s of {wanted / RATE:.2f} s, in which the ground forces do not explain the "
            "motion: a foot may have stood beside the plates."
        )
    if choices.open:
        told[UNASKED] = ", ".join(choices.open)
    return Trial(
        name=clip.name,
        kind="static optimisation",
        body=part.anatomy.name,
        fingers=part.anatomy.fingers,
        body_hash=part.anatomy.hash,
        rate=RATE,
        wanted_frames=clip.frames,
        pos=pos,
        vel=vel,
        reference_pos=pos,
        reference_vel=vel,
        landmark_pos_w=places,
        reference_landmark_pos_w=places,
        activation=made.activation.float(),
        excitation=None,
        muscle_force=made.tension.float(),
        moment=(made.moments * asked).float(),
        residual=residual.float(),
        reserve=made.reserve.float(),
        support=torch.zeros(frames, 6),
        region_force_w=torch.zeros(frames, regions, 3),
        foot_force_w=force,
        foot_cop_w=cop,
        seconds=seconds,
        settings={**(settings or {}), **weighed, **told},
        provenance=smooth.provenance,
        sizes=None if part.anatomy.sizes.own else part.anatomy.sizes,
        emg=emg and Emg(emg.names, emg.muscles, emg.envelope[rows]),
    )


def _feet(ground: Ground, rows: slice) -> tuple[Float[Tensor, "frame foot 3"], Float[Tensor, "frame foot 3"]]:
    """Force and centre of pressure of both feet."""
    force, moment = ground.force[rows], ground.moment[rows]
    return force.float(), centre_of_pressure(force, moment).float()
