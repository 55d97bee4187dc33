"""What arms do that go wherever arms can go: strokes from posture to posture, slow and fast, each arm on its own.

Nobody moves like this; it is for learning. Recordings and tasks visit few postures, and a policy that has seen no
others is lost as soon as it is pushed out of them. Strokes overlap, so that arms seldom stop.
Sources: minimum jerk, Flash & Hogan 1985, doi 10.1523/JNEUROSCI.05-07-01688.1985; overlapping strokes that add up,
Flash & Henis 1991, doi 10.1162/jocn.1991.3.3.220 (recalled).
"""

import copy
import hashlib
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.reach import ARM, HANGING, arm_index, minimum_jerk

NAME = "wander"
NOTES = (
    "Strokes of minimum jerk, Flash & Hogan 1985, doi 10.1523/JNEUROSCI.05-07-01688.1985, that overlap and add up.",
    "Postures and speeds are drawn evenly over what arms can do: a motion for learning, not one of a person.",
)
SECONDS = 10.0
"""Length of a motion [s]."""
RANGES_DEG: dict[str, tuple[float, float]] = {
    "elv_angle": (-70.0, 100.0), "shoulder_elv": (5.0, 150.0), "shoulder_rot": (-70.0, 70.0),
    "elbow_flex": (10.0, 128.0), "pro_sup": (-75.0, 75.0), "deviation": (-8.0, 22.0), "flexion": (-38.0, 20.0),
}  # fmt: skip
"""Of the postures [deg]. Tuned: about the 1st to 99th percentile of 33 recordings of walking, running, throwing and
everyday tasks, away from the joint limits."""
SPEEDS = (0.7, 6.0)
"""Mean speed of a stroke's fastest joint, drawn evenly in its logarithm [rad/s]; the peak is 1.9 times that. Tuned:
shoulders of those recordings come to 10 rad/s."""
SHORTEST, LONGEST = 0.25, 2.0
"""A stroke takes at least and at most so long [s]."""
NEAR = 0.5
"""Share of the strokes that go only part of the way to where they were drawn to."""
OVERLAP = 0.35
"""The next stroke may begin before the last has ended, by at most this share of it."""
REST = 0.25
"""Share of the strokes after which the arm rests, for at most half a second."""
DEPTH = 1e-3
"""How far parts of the body may be inside each other [m]."""
TRIES = 200
"""Strokes of an arm that are drawn before giving up."""


@dataclass(frozen=True)
class Stroke:
    """Of one arm."""

    begin: float
    seconds: float
    shift: Float[np.ndarray, "joint"]
    """How far the joints go [rad]."""

    @property
    def end(self) -> float:
        """When it is over [s]."""
        return self.begin + self.seconds


def wander(anatomy: Anatomy, seed: str, step: float) -> Float[Tensor, "instant pos"]:
    """Postures, `step` apart.

    Args:
        anatomy: The body, on a fixed trunk.
        seed: Any text; another text gives another motion.
        step: [s]

    Raises:
        RuntimeError: The arms found no way past trunk and each other.
    """
    draw = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{NAME} {seed}".encode()).digest()[:8], "little"))
    touching = _Touching(anatomy)
    time = torch.arange(round(SECONDS / step) + 1, dtype=torch.float64) * step
    z = anatomy.rest.repeat(len(time), 1)
    hanging = np.deg2rad(HANGING)
    for side in "rl":
        z[:, arm_index(anatomy, side)] = torch.as_tensor(hanging)
    for side in "rl":
        index = arm_index(anatomy, side)
        strokes: list[Stroke] = []
        tries = 0
        while not strokes or strokes[-1].end < SECONDS:
            tries += 1
            if tries > TRIES:
                raise RuntimeError(f"No way was found for the arms of '{NAME}~{seed}'; take another seed.")
            before = hanging + sum((stroke.shift for stroke in strokes), np.zeros(len(ARM)))
            offered = [*strokes, _stroke(draw, before, strokes[-1] if strokes else None)]
            trial = z.clone()
            trial[:, index] = _along(offered, hanging, time)
            # All that came before is known to be free.
            rows = (time >= offered[-1].begin - step) & (time <= offered[-1].end + step)
            if not touching(trial[rows]):
                strokes, z = offered, trial
    return z


def _stroke(draw: np.random.Generator, before: np.ndarray, last: Stroke | None) -> Stroke:
    low, high = np.deg2rad(list(RANGES_DEG.values())).T
    # All are drawn every time, so that each means the same whatever the others are.
    goal, share, near, haste, early, rests, rest = (
        low + (high - low) * draw.random(len(ARM)), draw.random(), draw.random(), draw.random(), draw.random(),
        draw.random(), draw.random(),
    )  # fmt: skip
    shift = (goal - before) * (0.15 + 0.6 * share if near < NEAR else 1.0)
    speed = SPEEDS[0] * (SPEEDS[1] / SPEEDS[0]) ** haste
    seconds = float(np.clip(np.abs(shift).max() / speed, SHORTEST, LONGEST))
    begin = 0.2
    if last is not None:
        begin = last.end + 0.5 * rest if rests < REST else last.end - OVERLAP * early * min(last.seconds, seconds)
    return Stroke(begin, seconds, shift)


def _along(strokes: list[Stroke], first: np.ndarray, time: Float[Tensor, "instant"]) -> Float[Tensor, "instant joint"]:
    """The sum of all strokes: between the postures that they go to, since each is further on than the next."""
    at = torch.as_tensor(first).repeat(len(time), 1)
    for stroke in strokes:
        at += minimum_jerk((time - stroke.begin) / stroke.seconds)[:, None] * torch.as_tensor(stroke.shift)
    return at


class _Touching:
    """Whether any part of the body is inside another one."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._model = copy.copy(anatomy.model)
        # What is left are the explicit pairs.
        self._model.geom_contype[:] = self._model.geom_conaffinity[:] = 0
        self._data, self._anatomy = mujoco.MjData(self._model), anatomy

    def __call__(self, z: Float[Tensor, "instant pos"]) -> bool:
        for qpos in self._anatomy.couplings.qpos(z).numpy():
            self._data.qpos[:] = qpos
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_collision(self._model, self._data)
            if self._data.ncon and self._data.contact.dist.min() < -DEPTH:
                return True
        return False
