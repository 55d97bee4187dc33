"""Checkpoints: tensors and a header in one safetensors file, written whole or not at all; nothing in it is executed.

    save(path, tensors, {"body_hash": anatomy.hash})
    tensors, about = load(path)

A file may come from a stranger. What its header promises is compared with its size before memory is taken.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor

FORMAT, VERSION = "myotrack checkpoint", 1
SUFFIX = ".safetensors"
_KEY = "myotrack"
"""Of the header in the file's metadata, which holds texts only."""
PART = ".part"
"""How the names of files end that are not complete."""
LARGEST = 8 << 30
"""Bytes a checkpoint may have. Five times the rows that cloning keeps of the full body: 400 000 of 1 000 numbers."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message names the file, the trouble and what to do, in one sentence."""


def save(path: str | Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write a checkpoint; one that was there before stays until the new one is safely on the disk.

    Args:
        path: Where, ending in '.safetensors'; missing folders are made.
        tensors: By name; they may share memory, and are apart in the file.
        about: What else is to be known, as JSON values.

    Raises:
        ValueError: Something in `about` is not a number or not JSON.
        OSError: It cannot be written, for instance because the disk is full; the message names the file.
    """
    path = Path(path)
    header = json.dumps({"format": FORMAT, "version": VERSION} | about, ensure_ascii=False, allow_nan=False)
    content = serialised(_apart(tensors), {_KEY: header})
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        kept = "the one before it is still there" if path.exists() else "there was none before it"
        raise OSError(f"{path}: the checkpoint could not be written ({error.strerror}); {kept}.") from error
    finally:
        part.unlink(missing_ok=True)


def load(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        Its tensors, on the CPU, and its header.

    Raises:
        CheckpointError: It is not there, not a checkpoint, damaged, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; train a policy with `myotrack train`.")
    if path.stat().st_size > LARGEST:
        raise CheckpointError(f"{path}: larger than {LARGEST >> 30} GiB, so it is no checkpoint of ours; name another.")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            if header is None:
                raise CheckpointError(f"{path}: this safetensors file is no checkpoint of myotrack; name one that is.")
            about = _header(path, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary.
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: this checkpoint is damaged or cut off ({error}); go on from another one, such as best{SUFFIX}."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}); name another one.") from error
    return tensors, about


def sweep(folder: Path) -> None:
    """Delete what writers that were killed have left in a folder; nobody may be writing there."""
    for part in folder.glob(f".*{SUFFIX}.*{PART}"):
        part.unlink(missing_ok=True)


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def first_not_finite(tensors: dict[str, Tensor]) -> str | None:
    """Name of a tensor that is not made of numbers; None if all are."""
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return None


class Shards:
    """Numbered files of tensors that only grow, so that a checkpoint need not hold them.

    Whoever goes on from a checkpoint trims to the count that it knows, and then appends.
    """

    def __init__(self, folder: Path) -> None:
        """Where the files are; made by the first `append`."""
        self.folder = folder

    def append(self, tensors: dict[str, Tensor]) -> None:
        """Add a file, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        save(self._path(len(self._numbers())), tensors, {})

    def load(self, count: int) -> list[dict[str, Tensor]]:
        """The first files.

        Raises:
            CheckpointError: One is missing or damaged.
        """
        return [load(self._path(number))[0] for number in range(count)]

    def trim(self, count: int) -> None:
        """Forget all files but the first, and what writers that were killed have left."""
        # The newest goes first: a kill in between leaves no gap.
        for number in reversed(self._numbers()):
            if number >= count:
                self._path(number).unlink(missing_ok=True)
        sweep(self.folder)

    def clear(self) -> None:
        """Forget all files."""
        self.trim(0)

    def _numbers(self) -> list[int]:
        """Of the files there are, in order."""
        stems = [path.stem for path in self.folder.glob(f"*{SUFFIX}")]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}{SUFFIX}"


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, each with memory of its own, as the format wants it."""
    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, value in tensors.items():
        place = value.untyped_storage().data_ptr()
        apart[name] = value.detach().clone() if place in seen else value.detach()
        apart[name] = apart[name].contiguous()
        seen.add(place)
    return apart


def _header(path: Path, text: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header of this checkpoint is damaged; go on from another one.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise CheckpointError(f"{path}: this safetensors file is no checkpoint of myotrack; name one that is.")
    if about.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: this checkpoint is of version {about.get('version')!r:.20}, and this myotrack reads {VERSION}; "
            "use the myotrack that made it."
        )
    return about
