"""`Clip`: a reference motion on one of our bodies, the one thing that retargeting makes and learning reads."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes

if TYPE_CHECKING:
    from myotrack.clips.quality import Quality

RATE = 100.0
"""Frames per second of every clip, the rate at which muscles are commanded [Hz]."""


@dataclass(frozen=True)
class Provenance:
    """Where a clip comes from."""

    source: str
    """Name of the file, or 'built-in'."""
    sha256: str = ""
    """Of the source file."""
    format: str = ""
    licence: str = ""
    """Licence or acknowledgement that goes with the motion."""
    notes: tuple[str, ...] = ()
    """One sentence for every decision between the file and the clip."""


@dataclass(frozen=True)
class Clip:
    """A motion in the independent coordinates of one body, at `RATE`; dependent joints follow by `anatomy.couplings`.

    Velocity and acceleration are derivatives of the same curve the positions are taken from.
    """

    name: str
    body: str
    """'full' or 'arms'."""
    fingers: bool
    """Whether the body's fingers move."""
    body_hash: str
    """`Anatomy.hash` of the body; a clip of another body is refused."""
    pos: Float[Tensor, "frame pos"]
    """Independent coordinates z [m, quaternion (w, x, y, z), rad]."""
    vel: Float[Tensor, "frame coordinate"]
    """Their rates; the root's linear velocity in the world, its angular velocity in its own frame [m/s, rad/s]."""
    acc: Float[Tensor, "frame coordinate"]
    """Time derivatives of `vel` [m/s², rad/s²]."""
    contact: Bool[Tensor, "frame region"]
    """Whether each of `Anatomy.foot_regions` is meant to stand on the ground."""
    subject: str = ""
    """Who moved; splits go by subject. Empty if unknown."""
    provenance: Provenance = Provenance("")
    quality: "Quality | None" = None
    scale: float = 1.0
    """Length of the subject's legs over the body's, by which recorded distances are divided; of the arms, for a body
    without legs. 1 on a body of the subject's sizes."""
    sizes: Sizes | None = None
    """Of the body, if they are not its own: those of the subject."""

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.pos)

    @property
    def duration(self) -> float:
        """From the first to the last frame [s]."""
        return (self.frames - 1) / RATE

    def anatomy(self) -> Anatomy:
        """The body that the clip was made for, in the sizes it was made for.

        Raises:
            ValueError: This myotrack has another version of that body, or the clip's numbers do not fit it.
        """
        anatomy = Anatomy.load(self.body, self.fingers, sizes=self.sizes)
        self.check(anatomy)
        return anatomy

    def check(self, anatomy: Anatomy) -> None:
        """Refuse a clip that does not belong to a body.

        Raises:
            ValueError: It was made for another body, or its numbers do not fit.
        """
        wanted = f"'{anatomy.name}' {'with' if anatomy.fingers else 'without'} fingers"
        if (self.body, self.fingers) != (anatomy.name, anatomy.fingers):
            mine = f"'{self.body}' {'with' if self.fingers else 'without'} fingers"
            raise ValueError(f"Clip '{self.name}' was made for the body {mine}, not {wanted}; retarget it again.")
        if (self.sizes or Sizes()) != anatomy.sizes:
            raise ValueError(
                f"Clip '{self.name}' was made for a body of other sizes ({self.sizes or Sizes()}; here: "
                f"{anatomy.sizes}). Take its own body, `clip.anatomy()`, or retarget it again to the size of this one."
            )
        if self.body_hash != anatomy.hash:
            raise ValueError(
                f"Clip '{self.name}' was made for another version of the body {wanted} "
                f"({self.body_hash}, now {anatomy.hash}); retarget it again."
            )
        rows = {
            "positions": (self.pos, anatomy.couplings.pos_size),
            "velocities": (self.vel, anatomy.couplings.coordinate_size),
            "accelerations": (self.acc, anatomy.couplings.coordinate_size),
            "contacts": (self.contact, len(anatomy.foot_regions)),
        }
        for what, (values, width) in rows.items():
            if values.shape != (self.frames, width):
                raise ValueError(
                    f"Clip '{self.name}' has {what} of shape {tuple(values.shape)}, not {(self.frames, width)}."
                )
            if values.is_floating_point() and not torch.isfinite(values).all():
                frame = int((~torch.isfinite(values)).any(dim=1).nonzero()[0])
                raise ValueError(f"Clip '{self.name}' has {what} that are not numbers, first in frame {frame}.")
        if self.frames < 2:
            raise ValueError(f"Clip '{self.name}' has {self.frames} frame(s); a motion needs two.")

    def mirrored(self, anatomy: Anatomy) -> "Clip":
        """The mirror image: what the left did, the right does. Its own inverse."""
        mirror = anatomy.mirror
        return replace(
            self,
            name=self.name.removesuffix("_mirrored") if self.name.endswith("_mirrored") else f"{self.name}_mirrored",
            pos=mirror.z(self.pos),
            vel=mirror.rate(self.vel),
            acc=mirror.rate(self.acc),
            contact=self.contact[:, mirror.region_index],
            quality=self.quality and self.quality.mirrored(anatomy),
        )

    def rows(self, start: float, end: float) -> slice:
        """Which frames lie between two times, both included [s].

        Raises:
            ValueError: Fewer than two frames would be left.
        """
        first, last = max(0, math.ceil(start * RATE - 1e-6)), min(self.frames - 1, math.floor(end * RATE + 1e-6))
        if last - first < 1:
            raise ValueError(
                f"Clip '{self.name}' lasts {self.duration:.2f} s; nothing is left from {start} to {end} s."
            )
        return slice(first, last + 1)

    def part(self, start: float, end: float) -> "Clip":
        """The frames from one time to another [s]; errors as of `rows`."""
        rows = self.rows(start, end)
        return replace(
            self, pos=self.pos[rows], vel=self.vel[rows], acc=self.acc[rows], contact=self.contact[rows], quality=None
        )
