"""What a style is judged by: what a body, or its reference, looks like at two instants, wherever it is.

    examples = StyleExamples(env)            # from now on looks at every step of the env
    examples.shown                           # (world, examples.size): what the bodies looked like in the last step
    examples.genuine(64, generator)          # (64, examples.size): as many pieces of the clips, drawn at random

Source of the choice of features: Peng et al. 2021, 'AMP: adversarial motion priors', doi:10.1145/3450626.3459670.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.permutation import SignedPermutation
from myotrack.anatomy.model import Anatomy
from myotrack.clips.library import Reference
from myotrack.simulate.state import BodyState
from myotrack.track.env import TrackingEnv
from myotrack.track.heading import AXIAL, VECTOR, Heading, seen
from myotrack.track.observe import triples, within

Instant = BodyState | Reference
"""Of bodies (a row per world), or of references (a row per world and frame)."""
Row = Float[Tensor, "*batch number"]
ENDS = ("head", "right_hand", "left_hand", "right_ankle", "left_ankle", "right_toe", "left_toe")
"""Landmarks whose places are looked at. Source: 'end-effectors' of Peng et al. 2021; ankle and toe are our feet."""


@dataclass(frozen=True)
class Feature:
    """A group of numbers in the row."""

    name: str
    unit: str
    mirror: SignedPermutation
    read: Callable[[Instant], Row]

    @property
    def size(self) -> int:
        """How many numbers."""
        return len(self.mirror.index)


class StyleView:
    """Reads what an instant looks like: the same for a body and for a reference, wherever it is and looks."""

    def __init__(self, anatomy: Anatomy, device: torch.device | str = "cpu") -> None:
        """Of a body, on a device. A trunk that is fixed has joints alone, which then say all."""
        mirror, first = anatomy.mirror, 6 if anatomy.free else 0
        joint = within(mirror.rate_index, mirror.rate_sign, first)
        count = len(joint.index)
        self.layout: tuple[Feature, ...] = (
            Feature("joint_pos", "rad", joint, lambda v: v.coordinate_pos[..., -count:]),
            Feature("joint_vel", "rad/s", joint, lambda v: v.coordinate_vel[..., -count:]),
        )
        """What the numbers of a row are, in their order."""
        if anatomy.free:
            self.layout += _root_features(anatomy, device)
        self.mirror = SignedPermutation.joined([feature.mirror for feature in self.layout]).to(device)
        """What a mirror makes of a row."""

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return len(self.mirror.index)

    def read(self, instant: Instant) -> Row:
        """The row of every world (and frame), in single precision."""
        return torch.cat([feature.read(instant).float() for feature in self.layout], dim=-1)


def _root_features(anatomy: Anatomy, device: torch.device | str) -> tuple[Feature, ...]:
    """A free root: height, tilt, velocities, and where head, hands and feet are about it."""
    names, heading = anatomy.landmarks, Heading(anatomy, device)
    pelvis, ends = names.index("pelvis"), [names.index(name) for name in ENDS]
    mirrored = anatomy.mirror.landmark_index[ends].tolist()
    other = torch.tensor([ends.index(index) for index in mirrored])
    down = torch.tensor([0.0, 0.0, -1.0], device=device)

    def place(instant: Instant) -> Row:
        apart = instant.landmark_pos_w[..., ends, :] - instant.landmark_pos_w[..., [pelvis], :]
        return seen(heading.of(instant.landmark_quat_w)[..., None, :], apart.to(instant.landmark_quat_w)).flatten(-2)

    def tilt(instant: Instant) -> Row:
        frame = instant.landmark_quat_w[..., pelvis, :]
        return seen(frame, down.to(frame.dtype).expand(*frame.shape[:-1], 3))

    def spin(instant: Instant) -> Row:
        return seen(instant.landmark_quat_w[..., pelvis, :], instant.landmark_spin_w[..., pelvis, :])

    def velocity(instant: Instant) -> Row:
        return seen(heading.of(instant.landmark_quat_w), instant.landmark_vel_w[..., pelvis, :])

    return (
        Feature("root_height", "m", SignedPermutation.identity(1), lambda v: v.landmark_pos_w[..., pelvis, 2:]),
        Feature("gravity_direction", "1", VECTOR, tilt),
        Feature("root_vel", "m/s", VECTOR, velocity),
        Feature("root_spin", "rad/s", AXIAL, spin),
        Feature("end_pos", "m", triples(other, VECTOR), place),
    )


class StyleExamples:
    """Examples of style (`train.discriminator.Examples`): what bodies of an env do, and what its clips do.

    An example is two instants, at the beginning and the end of a step of the env: as many frames apart as an action is
    held. Where an episode ends in the middle of a held action the body goes on until its end, and so does the example.
    """

    def __init__(self, env: TrackingEnv) -> None:
        """Look at all frames of the clips now, and at every step of the env from now on.

        Raises:
            ValueError: No clip is as long as a step.
        """
        library, hold = env.library, env.task.hold
        self.view = StyleView(env.anatomy, env.device)
        rows, first = [], []
        for clip, (start, frames) in enumerate(zip(library.start.tolist(), library.frames, strict=True)):
            frame = torch.arange(frames, device=library.device)
            rows.append(self.view.read(library.at(torch.full_like(frame, clip), frame, (0,)))[:, 0])
            first.append(start + frame[: max(0, frames - hold)])
        self._rows, self._first, self._hold = torch.cat(rows), torch.cat(first), hold
        if not len(self._first):
            raise ValueError(f"A style is learnt from clips of at least {hold + 1} frames; all of these are shorter.")
        self.mirror = SignedPermutation.joined([self.view.mirror.to("cpu")] * 2).to(env.device)
        """What a mirror makes of an example."""
        self._before = self.view.read(env.simulator.body)
        self._shown = torch.cat([self._before, self._before], dim=1)
        env.watcher = self

    @property
    def size(self) -> int:
        """Numbers of an example."""
        return len(self.mirror.index)

    @property
    def shown(self) -> Float[Tensor, "world number"]:
        """What every body looked like in the last step of the env; standing still, before there was one."""
        return self._shown

    def genuine(self, count: int, generator: torch.Generator) -> Float[Tensor, "count number"]:
        """Pieces of the clips, all of them alike in chance.

        Args:
            count: How many.
            generator: On the device of the env.
        """
        place = torch.randint(len(self._first), (count,), generator=generator, device=generator.device)
        row = self._first[place]
        return torch.cat([self._rows[row], self._rows[row + self._hold]], dim=1)

    def before(self, body: BodyState) -> None:
        """Look at bodies that are about to act."""
        self._before = self.view.read(body)

    def after(self, body: BodyState) -> None:
        """Look at them when they have, before anybody begins anew."""
        self._shown = torch.cat([self._before, self.view.read(body)], dim=1)
