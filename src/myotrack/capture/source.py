"""`Source`: the bytes of a motion file, opened with care. Files come from strangers, so every size is checked first."""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

LARGEST = 512 << 20
"""Bytes a file may have, also after decompression. An hour of 60 markers at 100 Hz in C3D is 350 MB."""
LARGEST_TEXT = 128 << 20
"""Bytes a text file may have; an hour of BVH at 120 Hz is about 110 MB."""

GZIP = b"\x1f\x8b"


class CaptureError(ValueError):
    """A motion file cannot be read. The message names the file and the trouble, in one sentence."""


@dataclass(frozen=True)
class Source:
    """A file's content, decompressed."""

    path: Path
    """As the user gave it; neighbours, such as the ASF of an AMC, are looked for beside it."""
    content: bytes
    sha256: str
    """Of the bytes on disk."""

    @classmethod
    def open(cls, path: str | Path) -> "Source":
        """Read a file; `.gz` is told from the content.

        Raises:
            CaptureError: It is not there, not a file, empty, too large, or a damaged gzip.
        """
        path = Path(path)
        if not path.exists():
            raise CaptureError(f"{path}: there is no such file.")
        if not path.is_file():
            raise CaptureError(f"{path}: this is not a file.")
        try:
            if path.stat().st_size > LARGEST:
                raise CaptureError(f"{path}: larger than {LARGEST >> 20} MiB; split it first.")
            raw = path.read_bytes()
        except OSError as error:
            raise CaptureError(f"{path}: cannot be read ({error.strerror}).") from error
        if not raw:
            raise CaptureError(f"{path}: the file is empty.")
        content = _decompress(path, raw) if raw.startswith(GZIP) else raw
        if not content:
            raise CaptureError(f"{path}: the file is empty once decompressed.")
        return cls(path, content, hashlib.sha256(raw).hexdigest())

    @property
    def stem(self) -> str:
        """The file's name without '.gz' and without its suffix."""
        name = self.path.name.removesuffix(".gz")
        return name.rsplit(".", 1)[0] if "." in name else name

    @property
    def suffix(self) -> str:
        """The file's suffix in lower case, '.gz' not counted: '.bvh'."""
        return Path(self.path.name.removesuffix(".gz")).suffix.lower()

    def text(self) -> str:
        """The content as text.

        Raises:
            CaptureError: It is not text, or too long.
        """
        if len(self.content) > LARGEST_TEXT:
            raise self.error(f"the text is longer than {LARGEST_TEXT >> 20} MiB; split it first")
        if b"\x00" in self.content[:65536]:
            raise self.error("this is not a text file")
        return self.content.decode("utf-8", errors="replace")

    def error(self, trouble: str) -> CaptureError:
        """The error to raise about this file: `raise source.error("no frame follows MOTION")`."""
        return CaptureError(f"{self.path}: {trouble}.")


def _decompress(path: Path, raw: bytes) -> bytes:
    """Inflate at most `LARGEST` bytes, every member of the file."""
    parts, total, rest = [], 0, raw
    try:
        while rest.startswith(GZIP):
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            part = member.decompress(rest, LARGEST - total + 1)
            total += len(part)
            if total > LARGEST:
                raise CaptureError(f"{path}: more than {LARGEST >> 20} MiB once decompressed.")
            if not member.eof:
                raise CaptureError(f"{path}: the gzip stream ends early; copy the file again.")
            parts.append(part)
            rest = member.unused_data
    except zlib.error as error:
        raise CaptureError(f"{path}: damaged gzip; copy the file again ({error}).") from error
    return b"".join(parts)
