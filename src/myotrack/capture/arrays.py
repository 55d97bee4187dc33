"""Named arrays from npz and safetensors files, of strangers too: nothing is unpickled, and no array is unpacked before
its size is known.

Formats: NEP 1 (numpy.org/neps/nep-0001-npy-format.html); github.com/huggingface/safetensors#format.
"""

import ast
import io
import json
import math
import re
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from myotrack.capture.source import LARGEST, CaptureError, Source

ZIP = b"PK\x03\x04"
ENTRY = b"PK\x01\x02"
"""Begins each entry of a ZIP's table of contents."""
MOST_ENTRIES = 2000
MOST_NUMBERS = 64 << 20
"""Numbers of one array that are turned to double precision, 512 MiB of them."""
LONGEST_HEADER = 65_536
"""Bytes of text that may describe an array."""
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # Compressed in a way that Python does not know.
    RuntimeError,  # Encrypted.
    ValueError,
    ArithmeticError,
    OSError,
    struct.error,
)
"""What the standard library raises over a damaged ZIP."""
KINDS = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248]|[SU][0-9]{1,6})")
"""Types of arrays that are read: truth values, numbers and strings."""
SAFETENSORS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
}


@dataclass(frozen=True)
class Arrays:
    """The arrays of an npz file. Each is unpacked when it is asked for."""

    source: Source

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the file holds.

        Raises:
            CaptureError: The file is no npz, or damaged.
        """
        return tuple(name.removesuffix(".npy") for name in self._zip.namelist())

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def get(self, name: str) -> np.ndarray:
        """An array of numbers or strings.

        Raises:
            CaptureError: It is not there, holds pickled objects, is too large or damaged.
        """
        if name not in self:
            held = " ".join(", ".join(word[:40] for word in self.names[:20]).split())
            raise self.source.error(f"there is no array '{name}' among {held or 'none'}")
        entry = self._zip.getinfo(f"{name}.npy" if f"{name}.npy" in self._zip.namelist() else name)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.source.error(f"the array '{name}' is compressed in a way that is not read")
        if entry.file_size > LARGEST:
            raise self.source.error(f"the array '{name}' is larger than {LARGEST >> 20} MiB")
        try:
            with self._zip.open(entry) as stream:
                dtype, shape, fortran = self._header(name, stream)
                due = dtype.itemsize * math.prod(shape)
                if due > LARGEST:
                    raise self.source.error(f"the array '{name}' is larger than {LARGEST >> 20} MiB")
                content = stream.read(due + 1)
        except CaptureError:
            raise
        except DAMAGES as error:
            raise self.source.error(f"the array '{name}' is damaged ({_words(error)})") from error
        if due == 0 or len(content) != due:
            raise self.source.error(f"the array '{name}' is empty or has not the {due} bytes of its shape")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")

    def numbers(self, name: str) -> np.ndarray:
        """An array of finite numbers, in double precision.

        Raises:
            CaptureError: It is not there, or has anything else in it.
        """
        array = self.get(name)
        if array.dtype.kind not in "biuf":
            raise self.source.error(f"the array '{name}' holds no numbers")
        if array.size > MOST_NUMBERS:
            raise self.source.error(f"the array '{name}' has more than {MOST_NUMBERS} numbers")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            first = int(np.argwhere(~np.isfinite(array))[0][0]) if array.ndim else 0
            raise self.source.error(f"the array '{name}' is not finite in row {first}")
        return array

    def strings(self, name: str) -> list[str]:
        """An array of strings, in one row."""
        array = self.get(name)
        if array.dtype.kind == "S":
            return [word.decode("utf-8", errors="replace") for word in array.ravel().tolist()]
        if array.dtype.kind != "U":
            raise self.source.error(f"the array '{name}' holds no names")
        try:
            return [str(word) for word in array.ravel().tolist()]
        except (UnicodeDecodeError, ValueError) as error:  # Numbers that are no characters.
            raise self.source.error(f"the array '{name}' holds damaged names") from error

    def scalar(self, name: str) -> float:
        """An array of one number."""
        array = self.numbers(name)
        if array.size != 1:
            raise self.source.error(f"'{name}' has {array.size} numbers instead of one")
        return float(array.ravel()[0])

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        content = self.source.content
        if not content.startswith(ZIP):
            raise self.source.error("this is not an npz file")
        if content.count(ENTRY) > MOST_ENTRIES:
            raise self.source.error(f"more than {MOST_ENTRIES} arrays")
        try:
            return zipfile.ZipFile(io.BytesIO(content))
        except DAMAGES as error:
            raise self.source.error(f"the file is damaged ({_words(error)})") from error

    def _header(self, name: str, stream) -> tuple[np.dtype, tuple[int, ...], bool]:
        """Type, shape and whether columns come first."""
        magic = stream.read(8)
        if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
            raise self.source.error(f"'{name}' is not an array")
        length = int.from_bytes(stream.read(2 if magic[6] == 1 else 4), "little")
        if length > LONGEST_HEADER:
            raise self.source.error(f"the header of the array '{name}' is too long")
        try:
            header = ast.literal_eval(stream.read(length).decode("latin-1").strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError) as error:
            raise self.source.error(f"the header of the array '{name}' is damaged") from error
        if not isinstance(header, dict) or not {"descr", "fortran_order", "shape"} <= header.keys():
            raise self.source.error(f"the header of the array '{name}' is damaged")
        kind, shape = header["descr"], header["shape"]
        if isinstance(kind, str) and kind.lstrip("<>=|").startswith("O"):
            raise self.source.error(f"the array '{name}' contains pickled Python objects, which are not opened")
        if not isinstance(kind, str) or KINDS.fullmatch(kind) is None:
            raise self.source.error(f"the array '{name}' is of a type that is not read: {str(kind)[:40]}")
        if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
            raise self.source.error(f"the shape of the array '{name}' makes no sense")
        return np.dtype(kind), shape, header["fortran_order"] is True


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:100].rstrip(".") or type(error).__name__


def names_in(content: bytes) -> frozenset[str]:
    """Names of the arrays in a file's content; none if it is no npz."""
    if not content.startswith(ZIP) or content.count(ENTRY) > MOST_ENTRIES:
        return frozenset()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except DAMAGES:
        return frozenset()


def safetensors(source: Source) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file that are of a type numpy knows.

    Raises:
        CaptureError: The file is damaged.
    """
    content = source.content
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, 1 << 24):
        raise source.error("this is not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise source.error("the header of the safetensors file is damaged") from error
    arrays = {}
    for name, said in header.items() if isinstance(header, dict) else ():
        if name == "__metadata__" or not isinstance(said, dict) or said.get("dtype") not in SAFETENSORS:
            continue
        shape, span = (_counts(said.get(key)) for key in ("shape", "data_offsets"))
        dtype = np.dtype(SAFETENSORS[said["dtype"]])
        if shape is None or span is None or len(span) != 2 or span[1] - span[0] != dtype.itemsize * math.prod(shape):
            raise source.error(f"the array '{name[:40]}' of the safetensors file is damaged")
        if span[0] == span[1]:
            continue
        part = content[8 + length + span[0] : 8 + length + span[1]]
        if len(part) != span[1] - span[0]:
            raise source.error(f"the safetensors file ends inside of the array '{name[:40]}'; copy it again")
        arrays[name] = np.frombuffer(part, dtype).reshape(shape)
    return arrays


def _counts(said: object) -> list[int] | None:
    """A list of whole numbers from JSON that are not negative; None for anything else."""
    if not isinstance(said, list) or len(said) > 8 or not all(type(number) is int and number >= 0 for number in said):
        return None
    return said
