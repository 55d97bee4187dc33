"""From the control steps of many worlds to one trial per clip."""

import time
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.steer.follow import Step
from myotrack.validate.trials import Emg, Trial


def record(
    steps: Iterable[Step],
    clips: Sequence[Clip],
    anatomy: Anatomy,
    settings: dict[str, str] | None = None,
    emg: Sequence[Emg | None] | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[Trial]:
    """Follow clips, one world each, and keep what happens.

    Args:
        steps: Of `steer.follow`, whose worlds follow the clips in their order.
        clips: What is followed.
        anatomy: Their body.
        settings: The choices that the steps are made with, for people to read.
        emg: What was recorded with each clip, on its frames.
        tell: Called after every step with the number of worlds that go on.

    Returns:
        A trial per clip, in their order; one that was given up ends where it was.
    """
    kept: list[dict[str, list[Tensor]]] = [{} for _ in clips]
    reasons = [""] * len(clips)
    clock = time.perf_counter()
    for step in steps:
        rows = _rows(step)
        for world, clip in enumerate(clips):
            done = len(kept[world].get("pos", ()))
            if bool(step.alive[world]):
                for name, values in rows.items():
                    kept[world].setdefault(name, []).append(values[world])
            elif done < clip.frames and not reasons[world]:
                reasons[world] = _reason(step, world)
        if tell is not None:
            tell(int(step.alive.sum()))
    seconds = time.perf_counter() - clock
    frames = [len(rows.get("pos", ())) for rows in kept]
    trials = []
    for world, clip in enumerate(clips):
        if not frames[world]:
            raise ValueError(f"Clip '{clip.name}' could not be followed for a single frame: {reasons[world]}.")
        beside = None if emg is None else emg[world]
        trials.append(
            Trial(
                **{name: torch.stack(values) for name, values in kept[world].items()},
                name=clip.name,
                kind="muscle control",
                body=anatomy.name,
                fingers=anatomy.fingers,
                body_hash=anatomy.hash,
                rate=RATE,
                wanted_frames=clip.frames,
                seconds=seconds * frames[world] / sum(frames),
                ended=reasons[world],
                settings=settings or {},
                provenance=clip.provenance,
                sizes=clip.sizes,
                emg=beside and Emg(beside.names, beside.muscles, beside.envelope[: frames[world]]),
            )
        )
    return trials


def _rows(step: Step) -> dict[str, Tensor]:
    """What is kept of a step, by the names of a trial: places in full precision, the rest in single."""
    body, reference = step.body, step.reference
    exact = {
        "pos": body.coordinate_pos,
        "vel": body.coordinate_vel,
        "reference_pos": reference.coordinate_pos[:, 0],
        "reference_vel": reference.coordinate_vel[:, 0],
    }
    rough = {
        "landmark_pos_w": body.landmark_pos_w,
        "reference_landmark_pos_w": reference.landmark_pos_w[:, 0],
        "activation": body.muscle_activation,
        "excitation": step.excitation,
        "muscle_force": body.muscle_force,
        "moment": step.moment,
        "residual": step.residual,
        "reserve": step.reserve,
        "support": step.support,
        "region_force_w": body.region_force_w,
        "foot_force_w": body.foot_force_w,
        "foot_cop_w": body.foot_cop_w,
    }
    kept = {name: values.double().cpu() for name, values in exact.items()}
    return kept | {name: values.float().cpu() for name, values in rough.items()}


def _reason(step: Step, world: int) -> str:
    """Why a world was given up before its clip was over."""
    if not bool(step.body.intact[world]):
        return "the simulation left the numbers"
    apart = step.body.landmark_pos_w[world] - step.reference.landmark_pos_w[world, 0]
    distance = float(apart.norm(dim=-1).mean())
    return f"the body was {distance:.2f} m from its reference (mean of the landmarks)"
