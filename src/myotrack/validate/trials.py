"""`Trial`: a recorded roll-out of one body along a reference, with everything that its judges and pictures need.

    save(trial, "run/trials/reach.npz")
    trial = load("run/trials/reach.npz")

A file holds arrays and a JSON header, without pickle; the header names muscles, coordinates and landmarks.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips import archive
from myotrack.clips.clip import Provenance

How = Literal["muscle control", "static optimisation", "policy"]
"""Where the activations come from: feedback on a simulation, an optimum per frame without one, or a learnt policy."""
HOW: tuple[How, ...] = get_args(How)
VERSION = 1
GROUP, ACTING, SEED, BACKEND = "group", "acting", "seed", "backend"
"""Settings that say to which group of clips a trial belongs, how a policy acted, what seeded that, who simulated it."""
MEAN, SAMPLED = "mean actions", "sampled actions"
"""Ways of acting."""
UNGROUPED = "all clips"
"""The group of a policy's trial that names none."""
AGAIN = "make it again with `myotrack steer` or `myotrack validate`"
"""What to do about a trial that cannot be used."""
_TEXTS = ("name", "kind", "body", "body_hash", "ended")


@dataclass(frozen=True)
class Emg:
    """Recorded muscle activity beside a trial, on its frames."""

    names: tuple[str, ...]
    """Of the channels, as recorded."""
    muscles: tuple[tuple[str, ...], ...]
    """The muscles of the body that each channel listens to; empty where the body has none of them."""
    envelope: Float[Tensor, "frame channel"]
    """Smoothed and divided by its greatest value, or as recorded if that is known to be a share of full activity."""


@dataclass(frozen=True)
class Trial:
    """What one world did, frame by frame, beside what it should have done: SI units, world frame (`_w`).

    Numbers are float64 where they are compared with the reference, and float32 or float64 elsewhere.
    """

    name: str
    """Of the clip that was followed."""
    kind: How
    """Where the activations come from. In static optimisation nothing is simulated: the body is its reference."""
    body: str
    """'full' or 'arms'."""
    fingers: bool
    body_hash: str
    """`Anatomy.hash` of the body."""
    rate: float
    """Frames per second [Hz]."""
    wanted_frames: int
    """How many frames the clip has; a trial that ended early has fewer."""
    pos: Float[Tensor, "frame pos"]
    """Independent coordinates z [m, quaternion (w, x, y, z), rad]."""
    vel: Float[Tensor, "frame coordinate"]
    """Their rates; the root's angular velocity is in its own frame [m/s, rad/s]."""
    reference_pos: Float[Tensor, "frame pos"]
    reference_vel: Float[Tensor, "frame coordinate"]
    landmark_pos_w: Float[Tensor, "frame landmark 3"]
    """[m]"""
    reference_landmark_pos_w: Float[Tensor, "frame landmark 3"]
    """[m]"""
    activation: Float[Tensor, "frame muscle"]
    """In [0, 1], at the instant of the frame."""
    excitation: Float[Tensor, "frame muscle"] | None
    """In [0, 1], until the next frame; None where nothing is simulated."""
    muscle_force: Float[Tensor, "frame muscle"]
    """Tension [N]."""
    moment: Float[Tensor, "frame coordinate"]
    """What muscles are asked for [N m]; zero at a free root, which no muscle moves."""
    residual: Float[Tensor, "frame coordinate"]
    """What of it they miss [N m]; of a free root what nothing accounts for [N, N m]."""
    reserve: Float[Tensor, "frame coordinate"]
    """What comes from outside instead [N m]."""
    support: Float[Tensor, "frame 6"]
    """What holds the root: force in the world [N], moment about the root's origin in the world [N m]."""
    region_force_w: Float[Tensor, "frame region 3"]
    """Ground reaction on hindfoot and toes, right then left [N]."""
    foot_force_w: Float[Tensor, "frame foot 3"]
    """Ground reaction force, right then left [N]."""
    foot_cop_w: Float[Tensor, "frame foot 3"]
    """Centre of pressure on the floor [m]; zero while the foot is unloaded."""
    seconds: float
    """Wall-clock time that it took [s]; trials of one batch share theirs by their frames."""
    ended: str = ""
    """Why it ended before the clip; empty if it went to the end."""
    settings: dict[str, str] = field(default_factory=dict)
    """The choices it was made with, for people to read."""
    provenance: Provenance = field(default_factory=lambda: Provenance(""))
    """Of the clip."""
    sizes: Sizes | None = None
    """Of the body, if they are not its own."""
    emg: Emg | None = None
    """What was recorded with the clip."""

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.pos)

    @property
    def duration(self) -> float:
        """From the first to the last frame [s]."""
        return max(self.frames - 1, 0) / self.rate

    @property
    def free(self) -> bool:
        """Whether the body's root moves freely; its quaternion has one number more than its rates."""
        return self.pos.shape[1] > self.vel.shape[1]

    @property
    def joints(self) -> slice:
        """The coordinates that are joints, without a free root."""
        return slice(6 if self.free else 0, None)

    @property
    def group(self) -> str:
        """Of the clips it is judged with, as 'held-out clips'; empty if it is judged on its own."""
        return self.settings.get(GROUP, UNGROUPED if self.kind == "policy" else "")

    @property
    def acting(self) -> str:
        """How the policy acted; empty if nobody says."""
        return self.settings.get(ACTING, "")

    @property
    def seed(self) -> str:
        """Of what was drawn; empty if nobody says."""
        return self.settings.get(SEED, "")

    @property
    def label(self) -> str:
        """The clip, and what tells its trials from one another."""
        return ", ".join(part for part in (self.name, self.acting, self.seed and f"seed {self.seed}") if part)

    @property
    def simulated(self) -> bool:
        """Whether a body moved by its muscles, so that there are errors to judge."""
        return self.kind != "static optimisation"

    def anatomy(self) -> Anatomy:
        """The body of the trial, in its sizes.

        Raises:
            TrialError: This myotrack has another version of that body, or the numbers do not fit it.
        """
        anatomy = Anatomy.load(self.body, self.fingers, sizes=self.sizes)
        self.check(anatomy)
        return anatomy

    def check(self, anatomy: Anatomy) -> None:
        """Refuse a trial that does not belong to a body.

        Raises:
            TrialError: It was made with another body, or its numbers do not fit.
        """
        if (self.body, self.fingers) != (anatomy.name, anatomy.fingers) or self.body_hash != anatomy.hash:
            raise TrialError(
                f"Trial '{self.name}' belongs to the body '{self.body}' of version {self.body_hash}, not to "
                f"'{anatomy.name}' of version {anatomy.hash}; {AGAIN}."
            )
        if self.kind not in HOW:
            raise TrialError(f"Trial '{self.name}' is of no known kind: '{self.kind}'; there are {', '.join(HOW)}.")
        widths = {
            "pos": anatomy.couplings.pos_size,
            "reference_pos": anatomy.couplings.pos_size,
            "landmark_pos_w": len(anatomy.landmarks),
            "reference_landmark_pos_w": len(anatomy.landmarks),
            **dict.fromkeys(("activation", "excitation", "muscle_force"), anatomy.model.nu),
            "support": 6,
            "region_force_w": len(anatomy.foot_regions),
            **dict.fromkeys(("foot_force_w", "foot_cop_w"), len(anatomy.foot_regions) // 2),
        }
        for name, values in _arrays_of(self).items():
            wanted = widths.get(name, values.shape[1] if name == "emg" else anatomy.couplings.coordinate_size)
            shape = (self.frames, wanted, 3) if name in _SPATIAL else (self.frames, wanted)
            if values.shape != shape:
                raise TrialError(f"Trial '{self.name}' has '{name}' of shape {tuple(values.shape)}, not {shape}.")
            if not torch.isfinite(values).all():
                raise TrialError(f"Trial '{self.name}' has numbers in '{name}' that are not finite.")


def grouped(group: str, acting: str = MEAN, seed: int = 0) -> dict[str, str]:
    """Settings by which trials are judged together.

    Args:
        group: Which clips, as 'held-out clips'.
        acting: How the policy acts.
        seed: Of the policy, or of what is drawn on the way: whatever several trials of a clip differ by.
    """
    return {GROUP: group, ACTING: acting, SEED: str(seed)}


class TrialError(ValueError):
    """A trial or its file cannot be used. The message names it, the trouble and what to do, in one sentence."""


_FLOATS = (np.dtype("<f4"), np.dtype("<f8"))
_DOUBLES = ("pos", "vel", "reference_pos", "reference_vel")
_SPATIAL = ("landmark_pos_w", "reference_landmark_pos_w", "region_force_w", "foot_force_w", "foot_cop_w")
_FLAT = ("activation", "excitation", "muscle_force", "moment", "residual", "reserve", "support", "emg")
KIND = archive.Kind(
    what="trial",
    version=VERSION,
    columns={
        **{name: archive.Column(_FLOATS[::-1]) for name in _DOUBLES},
        **{name: archive.Column(_FLOATS, 3) for name in _SPATIAL},
        **{name: archive.Column(_FLOATS, optional=name in ("excitation", "emg")) for name in _FLAT},
    },
    again=AGAIN,
    error=TrialError,
)


def save(trial: Trial, path: str | Path, anatomy: Anatomy | None = None) -> None:
    """Write a trial, whole or not at all: a file that was there before stays until the new one is complete.

    Args:
        trial: The roll-out.
        path: Where, ending in '.npz'; missing folders are made.
        anatomy: Its body, if it was not loaded by its name and sizes alone.

    Raises:
        ValueError: The trial does not fit its body, or the file's name does not end in '.npz'.
        OSError: It cannot be written.
    """
    anatomy = anatomy or Anatomy.load(trial.body, trial.fingers, sizes=trial.sizes)
    trial.check(anatomy)
    emg = trial.emg
    about = {
        **{name: getattr(trial, name) for name in _TEXTS},
        "fingers": trial.fingers,
        "rate": trial.rate,
        "frames": trial.frames,
        "wanted_frames": trial.wanted_frames,
        "seconds": trial.seconds,
        "settings": trial.settings,
        "sizes": trial.sizes and trial.sizes.as_dict(),
        "provenance": asdict(trial.provenance),
        "emg": None if emg is None else {"names": emg.names, "muscles": emg.muscles},
        "coordinates": anatomy.coordinate_names,
        "muscles": anatomy.muscle_names,
        "landmarks": anatomy.landmarks,
        "regions": anatomy.foot_regions,
    }
    archive.write(KIND, Path(path), about, _arrays_of(trial))


def load(path: str | Path, anatomy: Anatomy | None = None) -> Trial:
    """Read a trial. Files may come from strangers: sizes are checked first, and nothing in them is executed.

    Args:
        path: The file.
        anatomy: The body it must belong to; any if not given.

    Raises:
        TrialError: It is not there, not a trial, damaged, of another version, or of another body.
    """
    path = Path(path)
    with archive.opened(KIND, path) as file:
        about = _checked(path, archive.header_of(KIND, path, file))
        arrays = archive.arrays_of(KIND, path, file)
    for name, values in arrays.items():
        if len(values) != about["frames"] or not torch.isfinite(values).all():
            raise archive.refuse_array(KIND, path, name)
    envelope, told = arrays.pop("emg", None), about["emg"]
    if (envelope is None) != (told is None) or (envelope is not None and envelope.shape[1] != len(told["names"])):
        raise archive.refuse_array(KIND, path, "emg")
    emg = None
    if envelope is not None:
        emg = Emg(tuple(told["names"]), tuple(map(tuple, told["muscles"])), envelope)
    trial = Trial(
        **arrays,
        **({} if "excitation" in arrays else {"excitation": None}),
        **{name: about[name] for name in (*_TEXTS, "fingers", "wanted_frames", "settings")},
        rate=float(about["rate"]),
        seconds=float(about["seconds"]),
        sizes=None if about["sizes"] is None else Sizes.from_dict(about["sizes"]),
        provenance=Provenance(**about["provenance"] | {"notes": tuple(about["provenance"]["notes"])}),
        emg=emg,
    )
    if anatomy is not None:
        try:
            trial.check(anatomy)
        except TrialError as error:
            raise TrialError(f"{path}: {error}") from error
    return trial


def _arrays_of(trial: Trial) -> dict[str, Tensor]:
    """By the names they have in the file, without those that are not there."""
    found = {each.name: getattr(trial, each.name) for each in fields(trial) if each.name in KIND.columns}
    found["emg"] = None if trial.emg is None else trial.emg.envelope
    return {name: values for name, values in found.items() if values is not None}


def _checked(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The header, with every field of the type that it should have."""
    try:
        origin, emg = about["provenance"], about["emg"]
        sound = (
            all(isinstance(about[name], str) for name in _TEXTS)
            and about["kind"] in HOW
            and isinstance(about["fingers"], bool)
            and all(isinstance(about[name], int) and about[name] >= 0 for name in ("frames", "wanted_frames"))
            and all(_is_number(about[name]) for name in ("rate", "seconds"))
            and about["rate"] > 0
            and isinstance(about["settings"], dict)
            and archive.are_texts(list(about["settings"].values()))
            and isinstance(origin, dict)
            and origin.keys() == asdict(Provenance("")).keys()
            and all(isinstance(value, str) for name, value in origin.items() if name != "notes")
            and archive.are_texts(origin["notes"])
            and (emg is None or _is_emg(emg))
        )
        if about["sizes"] is not None:
            Sizes.from_dict(about["sizes"])
    except (KeyError, ValueError, AttributeError) as error:
        raise TrialError(f"{path}: its header is not that of a trial ({error}); {KIND.again}.") from error
    if not sound:
        raise TrialError(f"{path}: its header is not that of a trial; {KIND.again}.")
    return about


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_emg(told: object) -> bool:
    return (
        isinstance(told, dict)
        and archive.are_texts(told["names"])
        and isinstance(told["muscles"], list)
        and len(told["muscles"]) == len(told["names"])
        and all(map(archive.are_texts, told["muscles"]))
    )
