"""Clips in files: a zip of arrays with a JSON header, without pickle.

    save(clip, "clips/walk.npz")
    clip = load("clips/walk.npz", anatomy)

Others read the arrays with `numpy.load` and the header with `unzip -p clips/walk.npz header.json`.
"""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips import archive
from myotrack.clips.clip import RATE, Clip, Provenance
from myotrack.clips.quality import Quality

VERSION = 2
"""Version 2 has `sizes`. A clip without them is written as version 1, which every myotrack reads."""
_TEXTS = ("name", "body", "body_hash", "subject")


class ClipError(ValueError):
    """A clip file cannot be used. The message names the file, the trouble and what to do, in one sentence."""


_DOUBLE = archive.Column((np.dtype("<f8"),))
KIND = archive.Kind(
    what="clip",
    version=VERSION,
    columns={"pos": _DOUBLE, "vel": _DOUBLE, "acc": _DOUBLE, "contact": archive.Column((np.dtype("bool"),))},
    again="make it again with `myotrack retarget`",
    error=ClipError,
)


def save(clip: Clip, path: str | Path, anatomy: Anatomy | None = None) -> None:
    """Write a clip, whole or not at all: a file that was there before stays until the new one is complete.

    The same clip gives the same bytes.

    Args:
        clip: The motion; numbers are stored in double precision.
        path: Where; missing folders are made.
        anatomy: The body, if it was not loaded by its name and sizes alone; the header tells its coordinates.

    Raises:
        ValueError: The clip does not fit its body, or the file's name does not end in '.npz'.
    """
    anatomy = anatomy or Anatomy.load(clip.body, fingers=clip.fingers, sizes=clip.sizes)
    clip.check(anatomy)
    about = {
        "version": 1 if clip.sizes is None else VERSION,
        **{name: getattr(clip, name) for name in _TEXTS},
        "fingers": clip.fingers,
        "rate": RATE,
        "frames": clip.frames,
        "scale": clip.scale,
        **({} if clip.sizes is None else {"sizes": clip.sizes.as_dict()}),
        "coordinates": anatomy.coordinate_names,
        "regions": anatomy.foot_regions,
        "provenance": asdict(clip.provenance),
        "quality": clip.quality and clip.quality.as_dict(),
    }
    archive.write(KIND, Path(path), about, {name: getattr(clip, name) for name in KIND.columns})


def load(path: str | Path, anatomy: Anatomy | None = None) -> Clip:
    """Read a clip. Files may come from strangers: sizes are checked first, and nothing in them is executed.

    Args:
        path: The file.
        anatomy: The body it must belong to; any if not given.

    Raises:
        ClipError: It is not there, not a clip, damaged, of another version, or of another body.
    """
    path = Path(path)
    clip = _read(path)
    if anatomy is not None:
        try:
            clip.check(anatomy)
        except ValueError as error:
            raise ClipError(f"{path}: {error}") from error
    return clip


def load_folder(folder: str | Path, anatomy: Anatomy) -> tuple[Clip, ...]:
    """All clips of a folder, by their names.

    Raises:
        ClipError: The folder holds none, one of them cannot be used, or two have the same name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ClipError(f"{folder}: there is no such folder.")
    files = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
    if not files:
        raise ClipError(
            f"{folder}: there are no clips here; make some with `myotrack retarget FILE... --out {folder}`."
        )
    found: dict[str, tuple[Path, Clip]] = {}
    for path in files:
        clip = load(path, anatomy)
        if clip.name in found:
            raise ClipError(f"{path}: its clip is called '{clip.name}', as is that in {found[clip.name][0].name}.")
        found[clip.name] = path, clip
    return tuple(found[name][1] for name in sorted(found))


def header(path: str | Path) -> dict[str, Any]:
    """What a clip file says of itself, without its arrays: name, body, coordinates, provenance, quality.

    Raises:
        ClipError: As `load`.
    """
    with archive.opened(KIND, Path(path)) as file:
        return _header(Path(path), file)


def _read(path: Path) -> Clip:
    with archive.opened(KIND, path) as file:
        about = _header(path, file)
        arrays = archive.arrays_of(KIND, path, file)
    coordinates, regions = len(about["coordinates"]), len(about["regions"])
    # A free root has one position more than rates.
    widths = {"pos": (coordinates, coordinates + 1), "contact": (regions,)}
    for name, values in arrays.items():
        fits = len(values) == about["frames"] and values.shape[1] in widths.get(name, (coordinates,))
        if not fits or not torch.isfinite(values).all():
            raise archive.refuse_array(KIND, path, name)
    return Clip(
        **arrays,
        **{name: about[name] for name in _TEXTS},
        fingers=about["fingers"],
        scale=float(about["scale"]),
        sizes=Sizes.from_dict(about["sizes"]) if about["version"] > 1 else None,
        provenance=Provenance(**about["provenance"] | {"notes": tuple(about["provenance"]["notes"])}),
        quality=None if about["quality"] is None else Quality.from_dict(about["quality"]),
    )


def _header(path: Path, file: ZipFile) -> dict[str, Any]:
    """The header, with every field of the type that it should have."""
    about = archive.header_of(KIND, path, file)
    if about.get("rate") != RATE:
        raise ClipError(f"{path}: it has {about.get('rate')!r:.20} frames per second, not {RATE:g}; {KIND.again}.")
    version, origin = about["version"], about.get("provenance")
    try:
        sound = (
            all(isinstance(about[name], str) for name in _TEXTS)
            and isinstance(about["fingers"], bool)
            and isinstance(about["frames"], int)
            and isinstance(about["scale"], int | float)
            and math.isfinite(about["scale"])
            and archive.are_texts(about["coordinates"])
            and archive.are_texts(about["regions"])
            and isinstance(origin, dict)
            and origin.keys() == asdict(Provenance("")).keys()
            and all(isinstance(value, str) for name, value in origin.items() if name != "notes")
            and archive.are_texts(origin["notes"])
            and isinstance(about["quality"], dict | None)
            and (version == 1 or isinstance(about["sizes"], dict))
        )
        if sound and version != 1:
            Sizes.from_dict(about["sizes"])
        if sound and about["quality"] is not None:
            Quality.from_dict(about["quality"])
    except (KeyError, ValueError) as error:
        raise ClipError(f"{path}: its header is not that of a clip ({error}); {KIND.again}.") from error
    if not sound:
        raise ClipError(f"{path}: its header is not that of a clip; {KIND.again}.")
    return about
