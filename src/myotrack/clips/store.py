"""Clips in files: a zip of arrays with a JSON header, without pickle.

    save(clip, "clips/walk.npz")
    clip = load("clips/walk.npz", anatomy)

Others read the arrays with `numpy.load` and the header with `unzip -p clips/walk.npz header.json`.
"""

import io
import json
import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips.clip import RATE, Clip, Provenance
from myotrack.clips.quality import Quality

FORMAT, VERSION = "myotrack clip", 2
"""Version 2 has `sizes`. A clip without them is written as version 1, which every myotrack reads."""
HEADER = "header.json"
LARGEST = 1 << 30
"""Bytes a file may have, also once decompressed. An hour of the full body with fingers is 0.7 GB."""
LARGEST_HEADER = 1 << 20
"""Bytes the header may have; a thousand notes of a thousand letters."""
_ARRAYS = {"pos": np.dtype("<f8"), "vel": np.dtype("<f8"), "acc": np.dtype("<f8"), "contact": np.dtype("bool")}
_TEXTS = ("name", "body", "body_hash", "subject")
_AGAIN = "make it again with `myotrack retarget`"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class ClipError(ValueError):
    """A clip file cannot be used. The message names the file, the trouble and what to do, in one sentence."""


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
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: clips are kept in files that end in '.npz'; call it {path.name}.npz.")
    anatomy = anatomy or Anatomy.load(clip.body, fingers=clip.fingers, sizes=clip.sizes)
    clip.check(anatomy)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            _write(clip, anatomy, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
    with _opened(Path(path)) as archive:
        return _header(Path(path), archive)


def _write(clip: Clip, anatomy: Anatomy, stream: io.BufferedIOBase) -> None:
    about = {
        "format": FORMAT,
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
    text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _LONG_AGO), text + "\n")
        for name, dtype in _ARRAYS.items():
            content = io.BytesIO()
            values: Tensor = getattr(clip, name).detach().cpu()
            np.lib.format.write_array(content, np.ascontiguousarray(values.numpy(), dtype), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _LONG_AGO), content.getbuffer())


def _read(path: Path) -> Clip:
    with _opened(path) as archive:
        about = _header(path, archive)
        arrays = {name: _array(path, archive, name) for name in _ARRAYS}
    coordinates, regions = len(about["coordinates"]), len(about["regions"])
    # A free root has one position more than rates.
    widths = {"pos": (coordinates, coordinates + 1), "contact": (regions,)}
    for name, values in arrays.items():
        fits = len(values) == about["frames"] and values.shape[1] in widths.get(name, (coordinates,))
        if not fits or not torch.isfinite(values).all():
            raise ClipError(f"{path}: '{name}' is not what the header says, or not made of numbers; {_AGAIN}.")
    return Clip(
        **arrays,
        **{name: about[name] for name in _TEXTS},
        fingers=about["fingers"],
        scale=float(about["scale"]),
        sizes=Sizes.from_dict(about["sizes"]) if about["version"] > 1 else None,
        provenance=Provenance(**about["provenance"] | {"notes": tuple(about["provenance"]["notes"])}),
        quality=None if about["quality"] is None else Quality.from_dict(about["quality"]),
    )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive for reading; whatever is found damaged meanwhile is told in our words."""
    try:
        with _archive(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, OverflowError) as error:
        # Zip reports damage in all these ways; `RuntimeError` covers encryption and methods it does not know.
        raise ClipError(f"{path}: the file is damaged ({error}); {_AGAIN}.") from error
    except OSError as error:
        raise ClipError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _archive(path: Path) -> zipfile.ZipFile:
    """The archive, if it holds what a clip holds and nothing is too large."""
    if not path.is_file():
        raise ClipError(f"{path}: there is no such file.")
    if path.stat().st_size > LARGEST:
        raise ClipError(f"{path}: larger than {LARGEST >> 20} MiB, so it is not a clip of ours; {_AGAIN}.")
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:1] == b"\x80" or start == b"\x93NUMPY":
        raise ClipError(f"{path}: this is a pickle or a bare array, which is never opened; {_AGAIN}.")
    archive = zipfile.ZipFile(path)
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    trouble = ""
    if sizes.keys() != {HEADER, *(f"{name}.npy" for name in _ARRAYS)} or len(sizes) != len(archive.infolist()):
        trouble = f"a clip does not hold {', '.join(sorted(sizes)) or 'nothing'}"[:200]
    elif sum(sizes.values()) > LARGEST or sizes[HEADER] > LARGEST_HEADER:
        trouble = f"more than {LARGEST >> 20} MiB once decompressed, so it is not a clip of ours"
    if trouble:
        archive.close()
        raise ClipError(f"{path}: {trouble}; {_AGAIN}.")
    return archive


def _header(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The header, with every field of the type that it should have."""
    try:
        about = json.loads(archive.read(HEADER))
    except (ValueError, RecursionError) as error:
        raise ClipError(f"{path}: its header is not JSON; {_AGAIN}.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ClipError(f"{path}: this is not a clip; {_AGAIN}.")
    version = about.get("version")
    if isinstance(version, bool) or version not in range(1, VERSION + 1):
        raise ClipError(
            f"{path}: written in version {version!r:.20} of the format, and this myotrack reads versions 1 to "
            f"{VERSION}; {_AGAIN}, or use the myotrack that wrote it."
        )
    if about.get("rate") != RATE:
        raise ClipError(f"{path}: it has {about.get('rate')!r:.20} frames per second, not {RATE:g}; {_AGAIN}.")
    origin = about.get("provenance")
    try:
        sound = (
            all(isinstance(about[name], str) for name in _TEXTS)
            and isinstance(about["fingers"], bool)
            and isinstance(about["frames"], int)
            and isinstance(about["scale"], int | float)
            and math.isfinite(about["scale"])
            and _are_texts(about["coordinates"])
            and _are_texts(about["regions"])
            and isinstance(origin, dict)
            and origin.keys() == asdict(Provenance("")).keys()
            and all(isinstance(value, str) for name, value in origin.items() if name != "notes")
            and _are_texts(origin["notes"])
            and isinstance(about["quality"], dict | None)
            and (version == 1 or isinstance(about["sizes"], dict))
        )
        if sound and version != 1:
            Sizes.from_dict(about["sizes"])
        if sound and about["quality"] is not None:
            Quality.from_dict(about["quality"])
    except (KeyError, ValueError) as error:
        raise ClipError(f"{path}: its header is not that of a clip ({error}); {_AGAIN}.") from error
    if not sound:
        raise ClipError(f"{path}: its header is not that of a clip; {_AGAIN}.")
    return about


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> Tensor:
    """One array, taken from the bytes that are there: a shape that promises more reserves no memory."""
    content = io.BytesIO(archive.read(f"{name}.npy"))
    try:
        if np.lib.format.read_magic(content) != (1, 0):
            raise ValueError("an unusual version")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
    except ValueError as error:
        raise ClipError(f"{path}: '{name}' is not an array ({error}); {_AGAIN}.") from error
    if dtype.hasobject:
        raise ClipError(f"{path}: '{name}' is pickled, which is never opened; {_AGAIN}.")
    rest = content.getbuffer()[content.tell() :]
    if dtype != _ARRAYS[name] or by_column or len(shape) != 2 or math.prod(shape) * dtype.itemsize != len(rest):
        raise ClipError(f"{path}: '{name}' is an array of another kind or size than a clip's; {_AGAIN}.")
    return torch.from_numpy(np.frombuffer(rest, dtype).reshape(shape).copy())
