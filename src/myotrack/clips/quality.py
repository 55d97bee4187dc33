"""`Quality`: what is wrong with a clip before any body has tried it, in numbers with units and limits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import NoneType
from typing import Any

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, multiply
from myotrack.anatomy.audit import KNOWN_FAULTS
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.naming import counterpart, stem_of
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.geometry import views

LIMIT_TOLERANCE = 1e-9
"""Beyond a joint limit by less is on the limit [rad]."""
BELOW_FLOOR = 1e-3
"""A frame counts as penetrating from here on [m]. Tuned: the contacts of the bodies begin 1 mm above the floor."""
INSIDE_ITSELF = 5e-3
"""A frame counts as penetrating itself from here on [m]. Tuned: skin yields as much."""
PATH_JUMP = 3e-3
"""Change of a muscle's length between two frames, beyond what its moment arms explain, that is a jump [m].
Tuned: an arm that leaps by 50 mm within a step of 0.1 rad, 10 rad/s, leaves up to 2.5 mm without any jump of length."""
SLOW = 0.01
"""RMS below which a rate counts as rest, in residuals [rad/s, rad/s²]."""
_DIRECTIONS = np.stack([np.cos(np.arange(36) * np.pi / 36), np.sin(np.arange(36) * np.pi / 36)])


@dataclass(frozen=True)
class Limits:
    """What a usable clip may show."""

    landmark_rmse: float = 0.06
    """[m] Tuned: twice what other retargeting reports (25 mm), for subjects unlike the body."""
    limit_violation: float = 0.01
    """Share. Tuned: four times what other retargeting reports (0.27 %)."""
    worst_limit_excess: float = 0.05
    """[rad] Tuned: MuJoCo's soft limits yield about as much under muscle force."""
    coupling_residual: float = 1e-9
    """[rad or m] Cited: docs/architecture, every posture satisfies its couplings."""
    penetration_share: float = 0.05
    """Share of frames. Tuned: a few frames at heel strike."""
    deepest_penetration: float = 0.02
    """[m] Tuned: deeper starts throw the body off the floor."""
    float_height: float = 0.03
    """[m] Tuned: the height from which a fall takes 80 ms, a tenth of a stance."""
    skate: float = 0.005
    """[m per stance] Tuned: below the noise of skin markers on the foot."""
    worst_skate: float = 0.03
    """[m per stance] Tuned: a tenth of the foot."""
    new_path_jumps: int = 0
    """Cited: anatomy/audit.py lists those that the bodies are known to have."""
    self_penetration: float = 0.03
    """[m] Tuned: half a shank."""
    self_penetration_share: float = 0.05
    """Share of frames. Tuned: crossing hands and brushing thighs in passing."""
    jerk: float = 1000.0
    """[m/s³] Measured: recorded walking has 250, running 600 (markers, low-passed at 12 Hz)."""
    velocity_residual: float = 0.1
    """Share. Cited: what central differences themselves lose at 12 Hz, 1 - sinc(2 x 12 Hz x 10 ms)."""


@dataclass(frozen=True)
class Quality:
    """What a clip looks like to a body with limits, weight and muscles. Heights are above the floor.

    A body on a fixed trunk (the arms) has no feet: `clearance`, `float_height`, `skate` and `worst_skate` are None,
    and there are no stances. They are None, too, where no foot is ever meant to stand.
    """

    duration: float
    """[s]"""
    landmark_rmse: float | None
    """Distance of the landmarks from the recorded points [m]; None for a motion without a recording."""
    limit_violation: float
    """Share of frames times limited coordinates that are outside their joint limits."""
    worst_limit_excess: float
    """How far the worst is outside [rad]."""
    worst_limit_joint: str
    """Which it is; empty if none is outside."""
    coupling_residual: float
    """Largest violation of MuJoCo's joint equalities by the whole posture [rad or m]."""
    penetration_share: float
    """Share of frames in which a collider is more than 1 mm below the floor."""
    deepest_penetration: float
    """[m]"""
    clearance: float | None
    """Smallest height of any collider in the whole clip, negative below the floor [m]: of a clip without a flight, what
    it hovers by."""
    float_height: float | None
    """Largest height of a foot region while it is meant to stand [m]."""
    stances: int
    """Unbroken runs of at least two frames in which one foot region is meant to stand."""
    skate: float | None
    """Distance along the floor over which the lowest point of a standing region slides, rolling not counted: the
    diameter of the slide, median over stances [m]."""
    worst_skate: float | None
    """The same, of the worst stance [m]."""
    path_jumps: int
    """Steps times muscles whose length jumps by more than 3 mm beyond what their moment arms explain."""
    path_jump_muscles: tuple[str, ...]
    """Which muscles do, in alphabetical order."""
    new_path_jumps: int
    """Of these, in muscles that the body is not known to have jumps in (`anatomy.audit.KNOWN_FAULTS`)."""
    new_path_jump_muscles: tuple[str, ...]
    worst_path_jump: float
    """[m]"""
    self_penetration: float
    """Deepest penetration of one segment into another, beyond that of the resting posture [m]."""
    self_penetration_share: float
    """Share of frames in which it is more than 5 mm."""
    jerk: float
    """RMS over frames and landmarks of the third derivative of position [m/s³]."""
    velocity_residual: float
    """RMS difference of `vel` from the central difference of `pos`, over the RMS of `vel`."""
    acceleration_residual: float
    """RMS difference of `acc` from the central difference of `vel`, over the RMS of `acc`."""

    def failures(self, limits: Limits | None = None) -> tuple[str, ...]:
        """What is beyond its limit, a short sentence each; the usual limits if none are given."""
        limits = limits or Limits()
        mm, degree, percent = (1e3, "mm"), (180 / np.pi, "deg"), (100.0, "%")
        worst, new = self.worst_limit_joint, f" ({', '.join(self.new_path_jump_muscles)})"
        rows: list[tuple[str, float | None, float, tuple[float, str]]] = [
            ("landmark error {}", self.landmark_rmse, limits.landmark_rmse, mm),
            ("{} of coordinates outside their joint limits", self.limit_violation, limits.limit_violation, percent),
            (f"{worst} {{}} past its limit", self.worst_limit_excess, limits.worst_limit_excess, degree),
            ("couplings violated by {}", self.coupling_residual, limits.coupling_residual, (1.0, "rad or m")),
            ("below the floor in {} of frames", self.penetration_share, limits.penetration_share, percent),
            ("up to {} below the floor", self.deepest_penetration, limits.deepest_penetration, mm),
            ("never nearer to the floor than {}", self.clearance, limits.float_height, mm),
            ("a standing foot floats at {}", self.float_height, limits.float_height, mm),
            ("foot skate {} per stance", self.skate, limits.skate, mm),
            ("foot skate {} in the worst stance", self.worst_skate, limits.worst_skate, mm),
            (f"{{}} new jumps of muscle paths{new}", 1.0 * self.new_path_jumps, 1.0 * limits.new_path_jumps, (1.0, "")),
            ("{} inside itself", self.self_penetration, limits.self_penetration, mm),
            ("inside itself in {} of frames", self.self_penetration_share, limits.self_penetration_share, percent),
            ("jerk {}", self.jerk, limits.jerk, (1.0, "m/s³")),
            ("velocities differ from those of the positions by {}", self.velocity_residual, limits.velocity_residual,
             percent),
            ("accelerations differ from those of the velocities by {}", self.acceleration_residual,
             limits.velocity_residual, percent),
        ]  # fmt: skip

        def text(value: float, scale: float, unit: str) -> str:
            return f"{value * scale:.3g} {unit}".strip()

        return tuple(
            f"{sentence.format(text(value, *unit))}, limit {text(limit, *unit)}"
            for sentence, value, limit, unit in rows
            if value is not None and value > limit
        )

    @property
    def passed(self) -> bool:
        """Whether nothing is beyond the usual limits."""
        return not self.failures()

    def mirrored(self, anatomy: Anatomy) -> "Quality":
        """The quality of the mirror image: the same, told of the other side."""

        def others(names: tuple[str, ...], available: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(sorted(counterpart(name, available) for name in names))

        muscles, coordinates = anatomy.muscle_names, anatomy.coordinate_names
        return replace(
            self,
            worst_limit_joint="".join(others((self.worst_limit_joint,) if self.worst_limit_joint else (), coordinates)),
            path_jump_muscles=others(self.path_jump_muscles, muscles),
            new_path_jump_muscles=others(self.new_path_jump_muscles, muscles),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, names and None, as JSON has them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Quality":
        """The inverse of `as_dict`.

        Raises:
            ValueError: The fields are not those of a quality, or not of their types.
        """
        wanted = {field.name: field.type for field in fields(cls)}
        if row.keys() != wanted.keys():
            raise ValueError(f"A quality has other fields: {', '.join(sorted(row.keys() ^ wanted.keys()))}.")
        values: dict[str, Any] = {}
        for name, value in row.items():
            kind = _KINDS[wanted[name]]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise ValueError(f"The quality has a '{name}' that cannot be: {value!r:.60}.")
            if isinstance(value, list):
                value = tuple(map(str, value))
            elif float in kind and value is not None:
                value = float(value)
            values[name] = value
        return cls(**values)


_KINDS: dict[Any, tuple[type, ...]] = {
    float: (float, int),
    float | None: (float, int, NoneType),
    int: (int,),
    str: (str,),
    tuple[str, ...]: (list,),
}
"""What JSON has for each type of field."""


def assess(clip: Clip, anatomy: Anatomy, landmark_rmse: float | None = None) -> Quality:
    """Look at a clip frame by frame with MuJoCo's own geometry. About 0.4 ms per frame for the full body.

    Args:
        clip: The motion.
        anatomy: Its body.
        landmark_rmse: How far the body is from the recorded points [m], which only retargeting knows.

    Raises:
        ValueError: The clip belongs to another body, or its numbers do not fit.
    """
    clip.check(anatomy)
    z = clip.pos.detach().to("cpu", torch.float64)
    z = _normalised(z) if anatomy.free else z
    qpos = anatomy.couplings.qpos(z).numpy()
    seen = list(views(anatomy, qpos))
    lowest, sole_height, slip, unexplained, inside, landmark = (
        np.concatenate([view[entry] for view in seen]) for entry in range(6)
    )
    contact = clip.contact.cpu().numpy()
    skates = _skates(contact, slip)
    standing = sole_height[contact]
    step, muscle = np.nonzero(unexplained > PATH_JUMP)
    jumping = tuple(sorted(anatomy.muscle_names[index] for index in np.unique(muscle)))
    new = tuple(name for name in jumping if f"length jump/{stem_of(name)}" not in KNOWN_FAULTS)
    jerk = np.diff(landmark, n=3, axis=0) * RATE**3
    return Quality(
        duration=clip.duration,
        landmark_rmse=None if landmark_rmse is None else float(landmark_rmse),
        **_limit_excess(anatomy, z),
        coupling_residual=_coupling_residual(anatomy.model, qpos),
        penetration_share=float((lowest < -BELOW_FLOOR).mean()),
        deepest_penetration=float(max(0.0, -lowest.min())),
        clearance=float(lowest.min()) if anatomy.foot_regions else None,
        float_height=float(standing.max()) if standing.size else None,
        stances=len(skates),
        skate=float(np.median(skates)) if skates else None,
        worst_skate=max(skates) if skates else None,
        path_jumps=len(step),
        path_jump_muscles=jumping,
        new_path_jumps=sum(anatomy.muscle_names[index] in new for index in muscle),
        new_path_jump_muscles=new,
        worst_path_jump=float(unexplained[step, muscle].max(initial=0.0)),
        self_penetration=float(inside.max()),
        self_penetration_share=float((inside > INSIDE_ITSELF).mean()),
        jerk=float(np.sqrt((jerk**2).sum(axis=-1).mean())) if len(jerk) else 0.0,
        velocity_residual=_residual(clip.vel, _central_rate(z, anatomy.free)),
        acceleration_residual=_residual(clip.acc, (clip.vel[2:] - clip.vel[:-2]) * (RATE / 2)),
    )


def _normalised(z: Float[Tensor, "frame pos"]) -> Float[Tensor, "frame pos"]:
    return torch.cat([z[:, :3], torch.nn.functional.normalize(z[:, 3:7], dim=1), z[:, 7:]], dim=1)


def _limit_excess(anatomy: Anatomy, z: Float[Tensor, "frame pos"]) -> dict[str, Any]:
    """The three fields about joint limits; a root has none and is not counted."""
    low, high = anatomy.limits()
    limited = low.isfinite() | high.isfinite()
    excess = torch.maximum(low - z, z - high).clamp(min=0.0)
    outside = excess > LIMIT_TOLERANCE
    if not outside.any():
        return {"limit_violation": 0.0, "worst_limit_excess": 0.0, "worst_limit_joint": ""}
    names = [""] * 7 + list(anatomy.coordinate_names[6:]) if anatomy.free else list(anatomy.coordinate_names)
    worst = excess.amax(dim=0)
    return {
        "limit_violation": float(outside.sum() / (len(z) * limited.sum())),
        "worst_limit_excess": float(worst.max()),
        "worst_limit_joint": names[int(worst.argmax())],
    }


def _coupling_residual(model: mujoco.MjModel, qpos: Float[np.ndarray, "frame qpos"]) -> float:
    """The rows of MuJoCo's joint equalities, worked out from the model's own tables.

    y - y0 = c0 + c1 (x - x0) + ... + c4 (x - x0)^4; a constant joint has no x. Source: MuJoCo 4.0, equality/joint.
    """
    rows = (model.eq_type == mujoco.mjtEq.mjEQ_JOINT) & (model.eq_active0 != 0)
    shift = qpos - model.qpos0
    dependent, driver = model.jnt_qposadr[model.eq_obj1id[rows]], model.eq_obj2id[rows]
    x = np.where(driver >= 0, shift[:, model.jnt_qposadr[driver]], 0.0)
    wanted = sum(model.eq_data[rows, power] * x**power for power in range(5))
    return float(np.abs(shift[:, dependent] - wanted).max(initial=0.0))


def _central_rate(z: Float[Tensor, "frame pos"], free: bool) -> Float[Tensor, "step coordinate"]:
    """Central differences of the positions; the root's turn as a rotation vector in its own frame."""
    change = z[2:] - z[:-2]
    if free:
        turn = multiply(conjugate(z[:-2, 3:7]), z[2:, 3:7])
        turn = torch.where(turn[:, :1] < 0, -turn, turn)
        sine = turn[:, 1:].norm(dim=1, keepdim=True)
        angle = 2 * torch.atan2(sine, turn[:, :1])
        vector = torch.where(sine > 1e-12, angle / sine.clamp(min=1e-12), 2.0) * turn[:, 1:]
        change = torch.cat([change[:, :3], vector, change[:, 7:]], dim=1)
    return change * (RATE / 2)


def _residual(given: Float[Tensor, "frame coordinate"], difference: Float[Tensor, "step coordinate"]) -> float:
    if not len(difference):
        return 0.0
    given = given.detach().to("cpu", torch.float64)
    rms = max(float(given.square().mean().sqrt()), SLOW)
    return float((given[1:-1] - difference.to(given)).square().mean().sqrt()) / rms


def _skates(contact: Bool[np.ndarray, "frame region"], slip: Float[np.ndarray, "step region 2"]) -> list[float]:
    """The diameter of the slide of every stance [m], to within 0.1 %: its extent along the widest of 36 directions."""
    skates = []
    for region in range(contact.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], contact[:, region].astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2):
            if end - start >= 2:
                place = np.concatenate([np.zeros((1, 2)), slip[start : end - 1, region].cumsum(axis=0)])
                skates.append(float(np.ptp(place @ _DIRECTIONS, axis=0).max()))
    return skates
