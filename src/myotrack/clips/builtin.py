"""Motions that come with the package, made by our own code on the body itself: a first run needs no file.

    clip = builtin("walk", Anatomy.load("full"))
    other = builtin("reach~3", Anatomy.load("arms"))    # the third variation: other places, other durations

Gaits are measured joint angles fitted to the body's feet (`gait`, `strides`); tasks are minimum-jerk paths of hands and
pelvis solved for by inverse kinematics (`reach`, `tasks`, `postures`); `wander` is for learning.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.motion import sampled_motion
from myotrack.algebra.spline import Spline
from myotrack.algebra.threads import torch_threads
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip, Provenance
from myotrack.clips.gait import GAITS, NOTES, stride_of
from myotrack.clips.geometry import lowest_heights
from myotrack.clips.reach import NAMES
from myotrack.clips.tasks import POSTURES, STEP, task
from myotrack.clips.wander import NAME as WANDER
from myotrack.clips.wander import NOTES as WANDER_NOTES
from myotrack.clips.wander import wander

BUILTINS: dict[str, tuple[str, ...]] = {
    "full": (*GAITS, "stand", *POSTURES, *NAMES),
    "arms": (*NAMES, WANDER),
}
"""Names of the motions of each body."""
VARYING = (*NAMES, WANDER)
"""Those that there are variations of."""
SHORTEST = 4.0
"""Gaits last at least this long, in whole strides [s]."""
HEEL_OFF = 3e-3
"""A heel that has risen by more does not stand [m]."""
VARIED = "~"
"""Between the name of a motion and the seed of its variation."""
_READY: dict[tuple[str, str], Clip] = {}


@dataclass(frozen=True)
class Draft:
    """A motion before it is a clip."""

    control: Float[Tensor, "control pos"]
    """Control points within the joint limits; samples within the spline."""
    spline: Spline
    contact: Bool[Tensor, "frame region"]
    notes: tuple[str, ...]


def builtin_names(body: str) -> tuple[str, ...]:
    """Names of the motions of a body; `varied` ones are not among them.

    Raises:
        ValueError: There is no body of that name.
    """
    if body not in BUILTINS:
        raise ValueError(f"There is no body called '{body}'. The bodies are: {', '.join(BUILTINS)}.")
    return BUILTINS[body]


def is_builtin(name: str, body: str) -> bool:
    """Whether a name is that of a motion of a body, or of a variation of one."""
    base, mark, seed = name.partition(VARIED)
    return base in builtin_names(body) and (not mark or (base in VARYING and seed.isdecimal() and seed.isascii()))


def varied(names: Sequence[str], seeds: Iterable[int]) -> tuple[str, ...]:
    """Names of variations of what arms do, seed after seed."""
    return tuple(f"{name}{VARIED}{seed}" for seed in seeds for name in names)


def builtin(name: str, anatomy: Anatomy) -> Clip:
    """One of the motions, on a body; made once and kept.

    Args:
        name: One of `builtin_names`. What arms do can be varied: 'reach~3' goes to places, at speeds, that are drawn
            by the seed 3.
        anatomy: The body.

    Raises:
        ValueError: The body has no motion of that name.
    """
    names = builtin_names(anatomy.name)
    if not is_builtin(name, anatomy.name):
        raise ValueError(
            f"There is no built-in motion '{name}' for the body '{anatomy.name}'. There are: {', '.join(names)}."
        )
    key = (name, anatomy.hash)
    if key not in _READY:
        # Many small matrices. Measured: on two shared cores one thread is ten times as fast as two.
        with torch_threads(1):
            make = _gait if name in GAITS else _wandering if name.partition(VARIED)[0] == WANDER else _task
            _READY[key] = _clip(name, anatomy, make(name, anatomy))
    return _READY[key]


def _clip(name: str, anatomy: Anatomy, draft: Draft) -> Clip:
    pos, vel, acc = sampled_motion(draft.spline, draft.control, anatomy.free)
    return Clip(
        name=name,
        body=anatomy.name,
        fingers=anatomy.fingers,
        body_hash=anatomy.hash,
        pos=pos,
        vel=vel,
        acc=acc,
        contact=draft.contact,
        subject="built-in",
        provenance=Provenance("built-in", format="built-in", licence="Apache-2.0", notes=draft.notes),
    )


def _gait(name: str, anatomy: Anatomy) -> Draft:
    """Whole strides, at least `SHORTEST` long."""
    gait = GAITS[name]
    stride = stride_of(anatomy, gait)
    period = round(gait.period * RATE)
    samples = math.ceil(SHORTEST / gait.period) * period + 1
    spline = Spline(samples, gait.stride, 1 / RATE)
    control = stride.over(samples)
    z = spline.at(control)[:period]
    z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
    control[:, 2] -= min(0.0, float(lowest_heights(anatomy, anatomy.couplings.qpos(z).numpy()).min()))
    right = torch.stack([stride.wish.stands[:, stride.sole.segment == part].any(dim=1) for part in range(2)], dim=1)
    phase = torch.arange(samples) % period
    contact = torch.cat([right[phase], right[(phase + period // 2) % period]], dim=1)
    return Draft(control, spline, contact, NOTES[gait.measured])


def _task(name: str, anatomy: Anatomy) -> Draft:
    """The curve through the postures of a task, or of a variation of one."""
    base, _, seed = name.partition(VARIED)
    made = task(anatomy, base, int(seed) if seed else None)
    control, spline = _through(made.z, anatomy)
    contact = torch.ones(spline.samples, len(anatomy.foot_regions), dtype=torch.bool)
    if anatomy.free:
        z = spline.at(control)
        z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
        lowest = lowest_heights(anatomy, anatomy.couplings.qpos(z).numpy())
        control[:, 2] -= min(0.0, float(lowest.min()))
        heel = torch.as_tensor(made.heel_height)[:, None]
        risen = Spline(len(heel), 1, STEP).fit(heel)
        contact[:, [0, 2]] = spline.at(risen) < HEEL_OFF
    return Draft(control, spline, contact, made.notes)


def _wandering(name: str, anatomy: Anatomy) -> Draft:
    """The curve through the postures of arms that go anywhere."""
    z = wander(anatomy, name.partition(VARIED)[2], STEP)
    control, spline = _through(z, anatomy)
    return Draft(control, spline, torch.ones(spline.samples, 0, dtype=torch.bool), WANDER_NOTES)


def _through(z: Float[Tensor, "instant pos"], anatomy: Anatomy) -> tuple[Float[Tensor, "control pos"], Spline]:
    """The curve through postures that are `STEP` apart, within the joint limits."""
    stride = round(STEP * RATE)
    control = torch.clamp(Spline(len(z), 1, STEP).fit(z), *anatomy.limits())
    return control, Spline((len(z) - 1) * stride + 1, stride, 1 / RATE)
