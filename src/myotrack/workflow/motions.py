"""What a name on the command line stands for: a built-in motion, a clip, or a recording that is retargeted first."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from myotrack.anatomy.electrodes import electrodes
from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording, Signals
from myotrack.clips.archive import HEADER
from myotrack.clips.builtin import builtin, builtin_names, is_builtin
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.store import load
from myotrack.retarget.pipeline import Fit, fit
from myotrack.retarget.settings import Settings
from myotrack.validate.muscles import envelope, sampled
from myotrack.validate.trials import Emg

UNDERSHOOT = 0.05
"""Share of its greatest value by which an envelope may dip below zero. Tuned: raw EMG dips by about all of it."""


@dataclass(frozen=True)
class Wish:
    """What is asked of every motion."""

    body: str
    fingers: bool = False
    forces: Path | None = None
    """File of ground forces, recorded with the one recording that is given."""
    emg: Path | None = None
    """File of EMG, likewise."""
    person: bool = False
    """Retarget to a body of the person's sizes, with joint angles nearest to the recording."""
    start: float | None = None
    """Only from here [s]."""
    end: float | None = None
    """Only to here [s]."""


@dataclass(frozen=True)
class Motion:
    """A motion to be followed or explained."""

    clip: Clip
    anatomy: Anatomy
    recording: Recording | None = None
    """Where the clip was retargeted on the way."""
    fit: Fit | None = None
    """Likewise, of the whole recording."""
    emg: Emg | None = None
    """On the frames of the clip."""


def motions(names: Sequence[str], wish: Wish, tell: Callable[[str], None] | None = None) -> list[Motion]:
    """Find or make all motions; two of a name are told apart by a number.

    Args:
        names: Built-in motions and files.
        wish: What is asked of them.
        tell: Called with the name of a recording that is retargeted now, which takes time.

    Raises:
        ValueError: A name stands for nothing, a file cannot be used, or the wish does not fit it.
    """
    if not names:
        raise ValueError("There is nothing to follow; name a built-in motion such as 'reach', a clip or a recording.")
    for path in (wish.forces, wish.emg):
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: there is no such file.")
    if (wish.forces or wish.emg) and len(names) > 1:
        raise ValueError("--forces and --emg belong to one recording; give one motion at a time.")
    found: list[Motion] = []
    for name in names:
        motion = _motion(name, wish, tell)
        taken = {other.clip.name for other in found}
        title = next(
            each for number in range(1, len(names) + 1)
            if (each := motion.clip.name if number == 1 else f"{motion.clip.name}-{number}") not in taken
        )  # fmt: skip
        found.append(replace(motion, clip=replace(motion.clip, name=title)))
    return found


def is_clip(path: Path) -> bool:
    """Whether a file says that it is a clip; AMASS files and trajectories are .npz, too."""
    try:
        with zipfile.ZipFile(path) as archive:
            return HEADER in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _motion(name: str, wish: Wish, tell: Callable[[str], None] | None) -> Motion:
    path = Path(name)
    if path.is_dir():
        raise ValueError(f"{name}: this is a folder; name the files in it, such as {name.rstrip('/')}/*.npz.")
    if path.is_file():
        return _clip(path, wish) if is_clip(path) else _recording(path, wish, tell)
    if not is_builtin(name, wish.body):
        near = ", ".join(builtin_names(wish.body))
        raise ValueError(
            f"'{name}' is neither a file nor a built-in motion; those of the body '{wish.body}' are {near}."
        )
    _without_extras(wish, f"The built-in motion '{name}'")
    anatomy = Anatomy.load(wish.body, wish.fingers)
    return Motion(_part(builtin(name, anatomy), wish), anatomy)


def _clip(path: Path, wish: Wish) -> Motion:
    _without_extras(wish, f"{path}: a clip")
    clip = load(path)
    fingers = "with" if clip.fingers else "without"
    if (clip.body, clip.fingers) != (wish.body, wish.fingers):
        options = f"--body {clip.body}{' --fingers' if clip.fingers else ''}"
        raise ValueError(f"{path}: this clip is of the body '{clip.body}' {fingers} fingers; say {options}.")
    try:
        anatomy = clip.anatomy()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Motion(_part(clip, wish), anatomy)


def _recording(path: Path, wish: Wish, tell: Callable[[str], None] | None) -> Motion:
    if tell is not None:
        tell(path.name)
    parts = [read(path)]
    # Forces or EMG in the motion's own file give way to those that were named.
    for file, what in ((wish.forces, "plates"), (wish.emg, "emg")):
        if file is not None:
            parts = [replace(each, **{what: () if what == "plates" else None}) for each in parts]
            parts.append(_only(read(file), what))
    recording = together(*parts)
    if recording.kind == "signals":
        raise ValueError(f"{path}: it holds forces or EMG only, and no motion.")
    settings = Settings(size="fitted", plant=False) if wish.person else Settings()
    found = fit(recording, Anatomy.load(wish.body, wish.fingers), settings)
    clip = _part(found.clip, wish)
    emg = None
    if recording.emg is not None:
        first = 0.0 if wish.start is None else max(wish.start, 0.0)
        try:
            emg = recorded_emg(recording.emg, found.start + first + np.arange(clip.frames) / RATE, found.anatomy)
        except ValueError as error:
            if wish.emg is not None:
                raise ValueError(f"{wish.emg}: {error}") from error
            note = f"EMG of the recording is not shown: {error}"
            clip = replace(clip, provenance=replace(clip.provenance, notes=(*clip.provenance.notes, note)))
        if emg is None and wish.emg is not None:
            channels = ", ".join(recording.emg.names)
            raise ValueError(f"{wish.emg}: no channel is known to be of a muscle of this body; there are {channels}.")
    return Motion(clip, found.anatomy, recording, found, emg)


def _only(recording: Recording, what: str) -> Recording:
    """The forces or the EMG of a file, and nothing else of it.

    Raises:
        ValueError: It has none.
    """
    if not getattr(recording, what):
        words = {"plates": "ground forces", "emg": "EMG"}[what]
        raise ValueError(f"{recording.origin.file}: there are no {words} in this file.")
    bare = {"plates": (), "emg": None, "points": None, "coordinates": None, "turns": None, "tree": None, "names": ()}
    return replace(recording, kind="signals", **bare | {what: getattr(recording, what), "filled": None})


def recorded_emg(emg: Signals, time: np.ndarray, anatomy: Anatomy) -> Emg | None:
    """The channels whose muscles a body has, as envelopes over their greatest values; None without any.

    Args:
        emg: As recorded: raw if values are clearly negative, else envelopes.
        time: Of the frames, from the first sample [s]; beyond its ends the recording stays as it was there.
        anatomy: The body.

    Raises:
        ValueError: A channel has gaps.
    """
    gaps = ~np.isfinite(emg.values).all(axis=0)
    if gaps.any():
        raise ValueError(f"the EMG has gaps in {', '.join(np.array(emg.names)[gaps])}; fill them or leave them out")
    # A filtered envelope may dip below zero, but not far.
    smooth = envelope(emg) if (emg.values < -UNDERSHOOT * emg.values.max(axis=0)).any() else emg
    last = (len(smooth.values) - 1) / smooth.rate
    values = sampled(smooth, np.clip(time, 0.0, last))
    peak = smooth.values.max(axis=0)
    values = values / np.where(peak > 0, peak, 1.0)
    known = electrodes(emg.names, anatomy)
    columns = [emg.names.index(each.channel) for each in known]
    if not columns:
        return None
    shares = torch.as_tensor(values[:, columns], dtype=torch.float32)
    return Emg(tuple(each.channel for each in known), tuple(each.muscles for each in known), shares)


def _part(clip: Clip, wish: Wish) -> Clip:
    if wish.start is None and wish.end is None:
        return clip
    return clip.part(wish.start or 0.0, clip.duration if wish.end is None else wish.end)


def _without_extras(wish: Wish, what: str) -> None:
    if wish.forces or wish.emg:
        raise ValueError(f"{what} has no clock that forces or EMG could be compared by; give the recording itself.")
