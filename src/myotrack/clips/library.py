"""`ClipLibrary`: all clips end to end on one device, where every world looks up the frame it should be in."""

import difflib
import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip

CHUNK = 256
"""Frames whose landmark Jacobians are held at a time: 40 MB for the full body with fingers."""


@dataclass(frozen=True)
class Reference:
    """Where each world's body should be at some frames of its clip: SI units, world frame (`_w`), as in `BodyState`.

    Before the first and after the last frame of a clip that frame is held: the body stands still, and `valid` is False.
    Quaternions are continuous along a clip; compare them without regard to their sign.
    """

    coordinate_pos: Float[Tensor, "world ahead pos"]
    """Independent coordinates z [m, quaternion, rad]."""
    coordinate_vel: Float[Tensor, "world ahead coordinate"]
    """Their rates; the root's angular velocity is in its own frame [m/s, rad/s]."""
    coordinate_acc: Float[Tensor, "world ahead coordinate"]
    """[m/s², rad/s²]"""
    landmark_pos_w: Float[Tensor, "world ahead landmark 3"]
    """[m]"""
    landmark_quat_w: Float[Tensor, "world ahead landmark 4"]
    """Orientation (w, x, y, z)."""
    landmark_vel_w: Float[Tensor, "world ahead landmark 3"]
    """[m/s]"""
    landmark_spin_w: Float[Tensor, "world ahead landmark 3"]
    """Angular velocity [rad/s]."""
    contact: Bool[Tensor, "world ahead region"]
    """Whether each foot region is meant to stand on the ground."""
    valid: Bool[Tensor, "world ahead"]
    """Whether the clip has such a frame."""


@dataclass(frozen=True)
class ClipLibrary:
    """Clips packed end to end. Landmarks and their velocities are exact: kinematics and Jacobian of every frame."""

    names: tuple[str, ...]
    frames: tuple[int, ...]
    """How many frames each clip has."""
    body_hash: str
    """`Anatomy.hash` of the body that all clips belong to."""
    start: Int[Tensor, "clip"]
    """Row of the first frame of each clip."""
    length: Int[Tensor, "clip"]
    """`frames`, on the device."""
    table: Float[Tensor, "row column"]
    """One row per frame: first places, then rates, in the order of the fields of `Reference`."""
    contact: Bool[Tensor, "row region"]
    sizes: tuple[int, int, int]
    """Positions, coordinates and landmarks."""

    @classmethod
    def of(
        cls,
        clips: Iterable[Clip],
        anatomy: Anatomy,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "ClipLibrary":
        """Pack clips.

        Args:
            clips: In the order of their indices.
            anatomy: Their body.
            device: Where the tables live; landmarks are computed there too, in double precision.
            dtype: Of the tables.

        Raises:
            ValueError: There are no clips, two have the same name, or one belongs to another body.
        """
        clips = tuple(clips)
        if not clips:
            raise ValueError("A library needs clips, and none were given; make some with `myotrack retarget`.")
        names = tuple(clip.name for clip in clips)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Clips need names of their own, and there are several called {', '.join(twice)}.")
        for clip in clips:
            clip.check(anatomy)
        couplings, frames = anatomy.couplings, tuple(clip.frames for clip in clips)
        length = torch.tensor(frames, device=device)
        sizes = couplings.pos_size, couplings.coordinate_size, len(anatomy.landmarks)
        places = sizes[0] + 7 * sizes[2]
        table = torch.empty(sum(frames), places + 2 * sizes[1] + 6 * sizes[2], dtype=dtype, device=device)
        kinematics = anatomy.kinematics.to(device, torch.float64)
        row = 0
        for clip in clips:
            pos, vel, acc = (values.to(device, torch.float64) for values in (clip.pos, clip.vel, clip.acc))
            if anatomy.free:
                root = torch.nn.functional.normalize(pos[:, 3:7], dim=1)
                pos = torch.cat([pos[:, :3], _continuous(root), pos[:, 7:]], dim=1)
            parts = []
            for z, rate in zip(pos.split(CHUNK), vel.split(CHUNK), strict=True):
                pose, jacobian = kinematics.pose_and_jacobian(z)
                rate = rate[:, None, :, None]
                moves = ((jacobian.pos @ rate).flatten(1), (jacobian.spin @ rate).flatten(1))
                parts.append((pose.pos.flatten(1), pose.quat, *moves))
            place, quat, velocity, spin = (torch.cat(part) for part in zip(*parts, strict=True))
            whole = torch.cat([pos, place, _continuous(quat).flatten(1), vel, acc, velocity, spin], dim=1)
            table[row : row + clip.frames] = whole.to(dtype)
            row += clip.frames
        return cls(
            names=names,
            frames=frames,
            body_hash=anatomy.hash,
            start=length.cumsum(0) - length,
            length=length,
            table=table,
            contact=torch.cat([clip.contact for clip in clips]).to(device),
            sizes=sizes,
        )

    def at(self, clip: Int[Tensor, "world"], frame: Int[Tensor, "world"], ahead: Sequence[int] = (0,)) -> Reference:
        """The reference of every world.

        Args:
            clip: Index of each world's clip.
            frame: Frame of its clip that each world is in.
            ahead: How many frames after that to look, several at once.
        """
        wanted = frame[:, None] + _steps(tuple(ahead), self.table.device)
        last = self.length[clip][:, None] - 1
        valid = (wanted >= 0) & (wanted <= last)
        row = self.start[clip][:, None] + torch.minimum(wanted.clamp(min=0), last)
        return self._reference(self.table[row], self.contact[row], valid)

    def clip_index(self, name: str) -> int:
        """Where a clip is among `names`.

        Raises:
            KeyError: There is no clip of that name; the message suggests the nearest one.
        """
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" There are {len(self.names)}."
            raise KeyError(f"No clip is called '{name}'.{hint}")
        return self.names.index(name)

    def subset(self, names: Sequence[str]) -> "ClipLibrary":
        """Some of the clips, in the order of their names given.

        Raises:
            ValueError: No name is given, or one twice.
            KeyError: There is no clip of that name.
        """
        if not names or len(set(names)) < len(names):
            raise ValueError("A library needs clips of different names; none were given, or one was given twice.")
        chosen = [self.clip_index(name) for name in names]
        offsets = (0, *itertools.accumulate(self.frames))
        rows = torch.cat([torch.arange(offsets[index], offsets[index + 1]) for index in chosen]).to(self.table.device)
        length = self.length[torch.tensor(chosen, device=self.table.device)]
        return replace(
            self,
            names=tuple(names),
            frames=tuple(self.frames[index] for index in chosen),
            start=length.cumsum(0) - length,
            length=length,
            table=self.table[rows],
            contact=self.contact[rows],
        )

    def to(self, device: torch.device | str) -> "ClipLibrary":
        """The same library on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("start", "length", "table", "contact")}
        return replace(self, **moved)

    @property
    def device(self) -> torch.device:
        """Where the tables live."""
        return self.table.device

    @property
    def memory(self) -> int:
        """What the tables take [bytes]."""
        tensors = (self.start, self.length, self.table, self.contact)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def _reference(
        self,
        row: Float[Tensor, "world ahead column"],
        contact: Bool[Tensor, "world ahead region"],
        valid: Bool[Tensor, "world ahead"],
    ) -> Reference:
        """Rows of the table, taken apart; what is not valid stands still."""
        pos, coordinate, landmark = self.sizes
        places = [pos, 3 * landmark, 4 * landmark]
        rates = [coordinate, coordinate, 3 * landmark, 3 * landmark]
        place, rate = row.split([sum(places), sum(rates)], dim=-1)
        z, landmark_pos, landmark_quat = place.split(places, dim=-1)
        vel, acc, landmark_vel, landmark_spin = (rate * valid[..., None]).split(rates, dim=-1)
        return Reference(
            coordinate_pos=z,
            coordinate_vel=vel,
            coordinate_acc=acc,
            landmark_pos_w=landmark_pos.unflatten(-1, (landmark, 3)),
            landmark_quat_w=landmark_quat.unflatten(-1, (landmark, 4)),
            landmark_vel_w=landmark_vel.unflatten(-1, (landmark, 3)),
            landmark_spin_w=landmark_spin.unflatten(-1, (landmark, 3)),
            contact=contact,
            valid=valid,
        )


@functools.lru_cache(maxsize=64)
def _steps(ahead: tuple[int, ...], device: torch.device) -> Int[Tensor, "ahead"]:
    """Kept, since a copy to a GPU would wait for it at every step."""
    return torch.tensor(ahead, dtype=torch.int64, device=device)


def _continuous(quat: Float[Tensor, "frame *part 4"]) -> Float[Tensor, "frame *part 4"]:
    """The same rotations, of the two quaternions of each the one nearer to that of the frame before."""
    turned = (quat[1:] * quat[:-1]).sum(dim=-1, keepdim=True) < 0
    sign = torch.where(turned, -1.0, 1.0).to(quat).cumprod(dim=0)
    return torch.cat([quat[:1], quat[1:] * sign])
