"""From the control steps of many worlds to one trial per motion."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips.clip import RATE, Provenance
from myotrack.steer.follow import Step
from myotrack.validate.trials import Emg, How, Trial

LEFT = "the simulation left the numbers"
"""Why a trial ended whose world did."""


@runtime_checkable
class Motion(Protocol):
    """What a trial says about the motion that was followed; a `Clip` is one."""

    @property
    def name(self) -> str:
        """Of the clip."""
        ...

    @property
    def frames(self) -> int:
        """How many it has."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Where it comes from."""
        ...

    @property
    def sizes(self) -> Sizes | None:
        """Of its body, if they are not its own."""
        ...


@dataclass(frozen=True)
class Listed:
    """A motion of a library."""

    name: str
    frames: int
    provenance: Provenance
    sizes: Sizes | None


def record(
    steps: Iterable[Step],
    motions: Sequence[Motion],
    anatomy: Anatomy,
    settings: dict[str, str] | None = None,
    emg: Sequence[Emg | None] | None = None,
    tell: Callable[[int], None] | None = None,
    kind: How = "muscle control",
    reason: Callable[[Step, int], str] | None = None,
) -> list[Trial]:
    """Follow motions, one world each, and keep what happens.

    Args:
        steps: Whose worlds follow the motions in their order, as those of `steer.follow`; further worlds are ignored.
        motions: What is followed, such as clips.
        anatomy: Their body.
        settings: The choices that the steps are made with, for people to read.
        emg: What was recorded with each motion, on its frames.
        tell: Called after every step with the number of worlds that go on.
        kind: Where the activations come from.
        reason: Why a world was given up at a step; that of `steer.follow` if not given.

    Returns:
        A trial per motion, in their order; one that was given up ends where it was.

    Raises:
        ValueError: A motion could not be followed for a single frame.
    """
    worlds: list[Tensor] = []
    parts: list[dict[str, Tensor]] = []
    reasons = [""] * len(motions)
    done = torch.zeros(len(motions), dtype=torch.int64)
    wanted = torch.tensor([motion.frames for motion in motions])
    clock = time.perf_counter()
    for step in steps:
        alive = step.alive[: len(motions)].cpu()
        for world in (~alive & (done < wanted)).nonzero()[:, 0].tolist():
            reasons[world] = reasons[world] or (reason or _reason)(step, world)
        going = alive.nonzero()[:, 0]
        done[going] += 1
        worlds.append(going)
        parts.append(_rows(step, going))
        if tell is not None:
            tell(int(step.alive.sum()))
    seconds = time.perf_counter() - clock
    frames = done.tolist()
    for motion, count, why in zip(motions, frames, reasons, strict=True):
        if not count:
            raise ValueError(f"Clip '{motion.name}' could not be followed for a single frame: {why}.")
    # Rows lie one step after the other, and are wanted one world after the other.
    order = torch.cat(worlds).argsort(stable=True)
    columns = {name: torch.cat([part[name] for part in parts])[order].split(frames) for name in parts[0]}
    trials = []
    for world, motion in enumerate(motions):
        beside = None if emg is None else emg[world]
        trials.append(
            Trial(
                **{name: values[world] for name, values in columns.items()},
                name=motion.name,
                kind=kind,
                body=anatomy.name,
                fingers=anatomy.fingers,
                body_hash=anatomy.hash,
                rate=RATE,
                wanted_frames=motion.frames,
                seconds=seconds * frames[world] / sum(frames),
                ended=reasons[world],
                settings=settings or {},
                provenance=motion.provenance,
                sizes=motion.sizes,
                emg=beside and Emg(beside.names, beside.muscles, beside.envelope[: frames[world]]),
            )
        )
    return trials


def _rows(step: Step, worlds: Tensor) -> dict[str, Tensor]:
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
    kept = {name: values.double().cpu()[worlds] for name, values in exact.items()}
    return kept | {name: values.float().cpu()[worlds] for name, values in rough.items()}


def _reason(step: Step, world: int) -> str:
    """Why a world was given up before its clip was over."""
    if not bool(step.body.intact[world]):
        return LEFT
    apart = step.body.landmark_pos_w[world] - step.reference.landmark_pos_w[world, 0]
    distance = float(apart.norm(dim=-1).mean())
    return f"the body was {distance:.2f} m from its reference (mean of the landmarks)"
