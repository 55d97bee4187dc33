"""What a policy sees: one row of numbers per world, the same wherever the body is and whichever way it looks.

    observer = Observer(anatomy, ObservationSettings())
    row = observer.read(moment)                      # (world, observer.size)
    for entry in observer.layout: ...                # name, unit, size: experiment.json of a run lists them

Every entry also knows what a mirror makes of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation
from myotrack.algebra.quaternion import conjugate, multiply
from myotrack.algebra.rotation import logarithm
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.trees import Trees
from myotrack.track.heading import AXIAL, VECTOR, Heading, seen
from myotrack.track.moment import Moment

TOUCH = 5.0
"""A foot region that carries less does not touch [N]; as for centres of pressure (`BodyState.foot_cop_w`)."""
GRAVITY = 9.81
"""[m/s²]"""
Row = Float[Tensor, "world number"]


@dataclass(frozen=True)
class ObservationSettings:
    """What a policy sees beside joint angles, rates, errors and the next frame."""

    ahead: tuple[int, ...] = (4, 12)
    """Frames of the reference farther ahead than the next one [10 ms]."""
    activation: bool = True
    """Activations of the muscles."""
    excitation: bool = False
    """What the muscles were last told."""
    length: bool = False
    """Lengths of the muscle paths."""
    velocity: bool = False
    """Their velocities."""
    force: bool = False
    """Tensions of the muscles."""
    landmarks: bool = True
    """How far landmarks are from their reference."""
    feet: bool = True
    """Load and touch of the foot regions, where the body has feet."""
    acceleration: bool = True
    """Acceleration of the reference at the next frame."""
    phase: bool = False
    """Share of the clip that has passed. Off: it means nothing for a clip that was never seen."""

    def __post_init__(self) -> None:
        if any(frame < 2 for frame in self.ahead):
            raise ValueError(f"The look-ahead begins 2 frames from now, since the next one is always seen: {self}.")


@dataclass(frozen=True)
class Entry:
    """A group of numbers in the row."""

    name: str
    unit: str
    mirror: SignedPermutation
    read: Callable[["_View"], Row]
    tree: Int[Tensor, "number"] | None = None
    """Tree of the body that each number is about (`anatomy.trees`); none if it is about the whole."""

    @property
    def size(self) -> int:
        """How many numbers."""
        return len(self.mirror.index)


class _View:
    """A moment with what several entries need of it."""

    def __init__(self, moment: Moment, heading: Heading, pelvis: int | None, joints: slice) -> None:
        self.body, self.reference = moment.body, moment.reference
        self.moment, self.joints = moment, joints
        self.heading = heading.of(moment.body.landmark_quat_w)
        self.pelvis = None if pelvis is None else moment.body.landmark_quat_w[:, pelvis]
        self.landmark_error_w = moment.reference.landmark_pos_w[:, 0] - moment.body.landmark_pos_w

    def joint_gap(self, ahead: int) -> Row:
        """From the body's joint angles to those of a reference frame."""
        return self.reference.coordinate_pos[:, ahead, self.joints] - self.body.coordinate_pos[:, self.joints]


class Observer:
    """Turns moments into rows; knows where everything stands in them."""

    def __init__(self, anatomy: Anatomy, settings: ObservationSettings, device: torch.device | str = "cpu") -> None:
        """Lay out the row for a body."""
        self.ahead = (0, 1, *settings.ahead)
        """Frames of the reference that a moment must hold."""
        self._heading = Heading(anatomy, device)
        self._pelvis = anatomy.landmarks.index("pelvis") if anatomy.free else None
        # A free root takes seven positions and six rates, the joints follow.
        self._joints = slice(7 if anatomy.free else 0, None)
        self.layout = tuple(_joint_entries(anatomy, settings, device))
        if anatomy.free:
            self.layout += tuple(_root_entries(anatomy, self._pelvis or 0, settings, device))
        self.layout += tuple(_muscle_entries(anatomy, settings, device))
        self.mirror = SignedPermutation.joined([entry.mirror for entry in self.layout]).to(device)
        trees = [entry.tree for entry in self.layout if entry.tree is not None]
        self.tree = torch.cat(trees).to(device) if len(trees) == len(self.layout) else None
        """Tree of the body that each number of the row is about; none if some are about the whole body."""

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return sum(entry.size for entry in self.layout)

    def read(self, moment: Moment) -> Float[Tensor, "world feature"]:
        """The row of every world, in single precision."""
        view = _View(moment, self._heading, self._pelvis, self._joints)
        return torch.cat([entry.read(view).float() for entry in self.layout], dim=1)


def _joint_entries(anatomy: Anatomy, settings: ObservationSettings, device: torch.device | str) -> list[Entry]:
    """Joints, and landmarks beside their reference."""
    mirror, trees = anatomy.mirror, Trees.of(anatomy)
    free = anatomy.free
    hinge = trees.coordinate[6 if free else 0 :]
    joint = within(mirror.rate_index, mirror.rate_sign, 6 if free else 0)
    rates = slice(6 if free else 0, None)
    landmark = triples(mirror.landmark_index, VECTOR)
    entries = [
        Entry("joint_pos", "rad", joint, lambda v: v.body.coordinate_pos[:, v.joints], hinge),
        Entry("joint_vel", "rad/s", joint, lambda v: v.body.coordinate_vel[:, rates], hinge),
        Entry("joint_error", "rad", joint, lambda v: v.joint_gap(0), hinge),
        Entry("joint_vel_error", "rad/s", joint,
              lambda v: v.reference.coordinate_vel[:, 0, rates] - v.body.coordinate_vel[:, rates], hinge),
        Entry("next_joint_gap", "rad", joint, lambda v: v.joint_gap(1), hinge),
        Entry("next_joint_vel", "rad/s", joint, lambda v: v.reference.coordinate_vel[:, 1, rates], hinge),
    ]  # fmt: skip
    if settings.acceleration:
        entries.append(
            Entry("next_joint_acc", "rad/s²", joint, lambda v: v.reference.coordinate_acc[:, 1, rates], hinge)
        )
    for number, frame in enumerate(settings.ahead, start=2):
        entries.append(Entry(f"joint_gap_in_{frame}", "rad", joint, lambda v, n=number: v.joint_gap(n), hinge))
    if settings.landmarks:
        entries.append(
            Entry("landmark_error", "m", landmark,
                  lambda v: seen(v.heading[:, None], v.landmark_error_w).flatten(1),
                  trees.landmark.repeat_interleave(3))
        )  # fmt: skip
    if settings.landmarks and free:
        pelvis = anatomy.landmarks.index("pelvis")
        entries.append(
            Entry("landmark_error_from_pelvis", "m", landmark,
                  lambda v: seen(v.heading[:, None], v.landmark_error_w - v.landmark_error_w[:, pelvis, None]
                                 ).flatten(1))
        )  # fmt: skip
    return entries


def _root_entries(
    anatomy: Anatomy, pelvis: int, settings: ObservationSettings, device: torch.device | str
) -> list[Entry]:
    """A free root: height, tilt, velocities, and how far it is from its reference."""
    down = torch.tensor([0.0, 0.0, -1.0], device=device)
    height = SignedPermutation.identity(1)

    def turn_error(view: _View) -> Row:
        mine = view.body.landmark_quat_w[:, pelvis]
        return logarithm(multiply(conjugate(mine), view.reference.landmark_quat_w[:, 0, pelvis].to(mine.dtype)))

    def gap(view: _View, ahead: int) -> Row:
        apart = view.reference.landmark_pos_w[:, ahead, pelvis] - view.body.landmark_pos_w[:, pelvis]
        return seen(view.heading, apart)

    entries = [
        Entry("gravity_direction", "1", VECTOR,
              lambda v: seen(_given(v.pelvis), down.to(v.body.qpos.dtype).expand(len(v.body.time), 3))),
        Entry("root_height", "m", height, lambda v: v.body.landmark_pos_w[:, pelvis, 2:]),
        Entry("root_vel", "m/s", VECTOR, lambda v: seen(v.heading, v.body.landmark_vel_w[:, pelvis])),
        Entry("root_spin", "rad/s", AXIAL, lambda v: seen(_given(v.pelvis), v.body.landmark_spin_w[:, pelvis])),
        Entry("root_error", "m", VECTOR, lambda v: gap(v, 0)),
        Entry("root_turn_error", "rad", AXIAL, turn_error),
        Entry("root_vel_error", "m/s", VECTOR,
              lambda v: seen(v.heading, v.reference.landmark_vel_w[:, 0, pelvis] - v.body.landmark_vel_w[:, pelvis])),
        Entry("next_root_gap", "m", VECTOR, lambda v: gap(v, 1)),
    ]  # fmt: skip
    for number, frame in enumerate(settings.ahead, start=2):
        entries.append(Entry(f"root_gap_in_{frame}", "m", VECTOR, lambda v, n=number: gap(v, n)))
    if settings.feet:
        weight = GRAVITY * float(anatomy.model.body_mass.sum())
        region = SignedPermutation(anatomy.mirror.region_index, torch.ones(len(anatomy.foot_regions)))
        entries += [
            Entry("foot_load", "body weight", region, lambda v: v.body.region_force_w[..., 2] / weight),
            Entry("foot_touch", "0 or 1", region, lambda v: (v.body.region_force_w[..., 2] > TOUCH).float()),
        ]
    return entries


def _muscle_entries(anatomy: Anatomy, settings: ObservationSettings, device: torch.device | str) -> list[Entry]:
    """Muscles, as far as they are to be seen, and the phase."""
    muscle = SignedPermutation(anatomy.mirror.muscle_index, torch.ones(anatomy.model.nu))
    tree = Trees.of(anatomy).muscle

    def row(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device)

    low = row([each.path_range[0] for each in anatomy.muscles])
    span = row([each.path_range[1] - each.path_range[0] for each in anatomy.muscles])
    peak = row([each.peak_force for each in anatomy.muscles])
    rows = {
        "activation": Entry("activation", "1", muscle, lambda v: v.body.muscle_activation, tree),
        "excitation": Entry("excitation", "1", muscle, lambda v: v.body.muscle_excitation, tree),
        "length": Entry("muscle_length", "path range", muscle, lambda v: (v.body.muscle_length - low) / span, tree),
        "velocity": Entry("muscle_velocity", "path range/s", muscle, lambda v: v.body.muscle_velocity / span, tree),
        "force": Entry("muscle_force", "peak force", muscle, lambda v: v.body.muscle_force / peak, tree),
        "phase": Entry("phase", "1", SignedPermutation.identity(1), lambda v: v.moment.phase[:, None]),
    }
    return [entry for name, entry in rows.items() if getattr(settings, name)]


def within(index: Tensor, sign: Tensor, first: int) -> SignedPermutation:
    """A mirror's permutation without its first columns, which it maps to themselves."""
    return SignedPermutation((index[first:] - first).clone(), sign[first:].float().clone())


def triples(index: Tensor, inner: SignedPermutation) -> SignedPermutation:
    """Rows of three, permuted among each other and within."""
    place = 3 * index[:, None] + inner.index
    return SignedPermutation(place.flatten(), inner.sign.repeat(len(index)))


def _given(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("A body with a fixed root has no pelvis to look from.")
    return value
