"""Files that are safe to open: a zip of arrays with a JSON header, without pickle; clips and trials are such files.

Files may come from strangers: sizes are checked first, and nothing in them is executed. Others read the arrays with
`numpy.load` and the header with `unzip -p FILE header.json`.
"""

import io
import json
import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

HEADER = "header.json"
LARGEST = 1 << 30
"""Bytes a file may have, also once decompressed. An hour of the full body with fingers is a clip of 0.7 GB."""
LARGEST_HEADER = 1 << 20
"""Bytes the header may have; a thousand notes of a thousand letters."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Column:
    """One array of a file; its first dimension is the frame."""

    dtypes: tuple[np.dtype, ...]
    """What it may be; the first is what numbers of another kind become."""
    dimensions: int = 2
    optional: bool = False
    """Whether a file may do without it."""


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    what: str
    """'clip' or 'trial'; the header says 'myotrack clip'."""
    version: int
    """The newest; all from 1 on are read."""
    columns: Mapping[str, Column]
    again: str
    """What to do about a file that cannot be used."""
    error: type[ValueError]
    """What is raised about it. The message names the file, the trouble and what to do, in one sentence."""

    @property
    def format(self) -> str:
        """What the header calls it."""
        return f"myotrack {self.what}"


def write(kind: Kind, path: Path, about: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
    """Write a file, whole or not at all: one that was there before stays until the new one is complete.

    The same content gives the same bytes.

    Args:
        kind: Of file.
        path: Where; missing folders are made.
        about: The header; format and version come first.
        arrays: By name, without those left out.

    Raises:
        ValueError: The file's name does not end in '.npz'.
        OSError: It cannot be written.
    """
    if path.suffix != ".npz":
        raise ValueError(f"{path}: {kind.what}s are kept in files that end in '.npz'; call it {path.name}.npz.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            _fill(kind, stream, about, arrays)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def opened(kind: Kind, path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive for reading; whatever is found damaged meanwhile is told in our words.

    Raises:
        ValueError: Of the kind's own type: it is not there, not of this kind, or damaged.
    """
    try:
        with _archive(kind, path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, OverflowError) as error:
        # Zip reports damage in all these ways; `RuntimeError` covers encryption and methods it does not know.
        raise kind.error(f"{path}: the file is damaged ({error}); {kind.again}.") from error
    except OSError as error:
        raise kind.error(f"{path}: cannot be read ({error.strerror or error}).") from error


def header_of(kind: Kind, path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The header of an opened file, of a version that is known; its other fields are the caller's to check."""
    try:
        about = json.loads(archive.read(HEADER))
    except (ValueError, RecursionError) as error:
        raise kind.error(f"{path}: its header is not JSON; {kind.again}.") from error
    if not isinstance(about, dict) or about.get("format") != kind.format:
        raise kind.error(f"{path}: this is not a {kind.what}; {kind.again}.")
    version = about.get("version")
    if isinstance(version, bool) or version not in range(1, kind.version + 1):
        known = "version 1" if kind.version == 1 else f"versions 1 to {kind.version}"
        raise kind.error(
            f"{path}: written in version {version!r:.20} of the format, and this myotrack reads {known}; "
            f"{kind.again}, or use the myotrack that wrote it."
        )
    return about


def format_of(path: Path) -> str:
    """What the header of a file says that it is, as 'myotrack clip'; empty for a file that is damaged or not ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(HEADER).file_size > LARGEST_HEADER:
                return ""
            about = json.loads(archive.read(HEADER))
    except (OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, ValueError):
        return ""
    said = about.get("format") if isinstance(about, dict) else None
    return said if isinstance(said, str) else ""


def arrays_of(kind: Kind, path: Path, archive: zipfile.ZipFile) -> dict[str, Tensor]:
    """All arrays of an opened file; those that are optional and not there are left out."""
    there = {name.removesuffix(".npy") for name in archive.namelist()}
    return {name: _array(kind, path, archive, name) for name in kind.columns if name in there}


def refuse_array(kind: Kind, path: Path, name: str) -> ValueError:
    """What is to be raised about an array that does not fit its header."""
    return kind.error(f"{path}: '{name}' is not what the header says, or not made of numbers; {kind.again}.")


def are_texts(values: object) -> bool:
    """Whether a piece of a header is a list of texts."""
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _fill(kind: Kind, stream: io.BufferedIOBase, about: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
    # `about` may say that it is of an older version.
    whole = {"format": kind.format, "version": kind.version, **about}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, _LONG_AGO), text + "\n")
        for name, column in kind.columns.items():
            if name not in arrays:
                continue
            content = io.BytesIO()
            values = arrays[name].detach().cpu().numpy()
            dtype = values.dtype if values.dtype in column.dtypes else column.dtypes[0]
            np.lib.format.write_array(content, np.ascontiguousarray(values, dtype), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _LONG_AGO), content.getbuffer())


def _archive(kind: Kind, path: Path) -> zipfile.ZipFile:
    """The archive, if it holds what it should and nothing is too large."""
    if not path.is_file():
        raise kind.error(f"{path}: there is no such file.")
    if path.stat().st_size > LARGEST:
        raise kind.error(f"{path}: larger than {LARGEST >> 20} MiB, so it is not a {kind.what} of ours; {kind.again}.")
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:1] == b"\x80" or start == b"\x93NUMPY":
        raise kind.error(f"{path}: this is a pickle or a bare array, which is never opened; {kind.again}.")
    archive = zipfile.ZipFile(path)
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    known = {f"{name}.npy": column.optional for name, column in kind.columns.items()} | {HEADER: False}
    needed = {name for name, optional in known.items() if not optional}
    trouble = ""
    if not needed <= sizes.keys() <= known.keys() or len(sizes) != len(archive.infolist()):
        trouble = f"a {kind.what} does not hold {', '.join(sorted(sizes)) or 'nothing'}"[:200]
    elif sum(sizes.values()) > LARGEST or sizes[HEADER] > LARGEST_HEADER:
        trouble = f"more than {LARGEST >> 20} MiB once decompressed, so it is not a {kind.what} of ours"
    if trouble:
        archive.close()
        raise kind.error(f"{path}: {trouble}; {kind.again}.")
    return archive


def _array(kind: Kind, path: Path, archive: zipfile.ZipFile, name: str) -> Tensor:
    """One array, taken from the bytes that are there: a shape that promises more reserves no memory."""
    column = kind.columns[name]
    content = io.BytesIO(archive.read(f"{name}.npy"))
    try:
        if np.lib.format.read_magic(content) != (1, 0):
            raise ValueError("an unusual version")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
    except ValueError as error:
        raise kind.error(f"{path}: '{name}' is not an array ({error}); {kind.again}.") from error
    if dtype.hasobject:
        raise kind.error(f"{path}: '{name}' is pickled, which is never opened; {kind.again}.")
    rest = content.getbuffer()[content.tell() :]
    fits = dtype in column.dtypes and not by_column and len(shape) == column.dimensions
    if not fits or math.prod(shape) * dtype.itemsize != len(rest):
        raise kind.error(f"{path}: '{name}' is an array of another kind or size than a {kind.what}'s; {kind.again}.")
    return torch.from_numpy(np.frombuffer(rest, dtype).reshape(shape).copy())
