"""`read`: any motion file, told by its content, then by its suffix."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from myotrack.capture.amass import looks_like_amass, read_amass
from myotrack.capture.arrays import ZIP, names_in
from myotrack.capture.asfamc import looks_like_amc, looks_like_asf, read_amc
from myotrack.capture.axes import Up, checked_up
from myotrack.capture.bvh import looks_like_bvh, read_bvh
from myotrack.capture.c3d import looks_like_c3d, read_c3d
from myotrack.capture.opensim import looks_like_anc, looks_like_storage, read_anc, read_storage
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError, Source
from myotrack.capture.trajectory import looks_like_trajectory, read_trajectory
from myotrack.capture.trc import looks_like_trc, read_trc

READABLE = (
    "ASF/AMC (.amc), BVH (.bvh), AMASS (.npz), trajectories of joint positions (.npz), C3D (.c3d), TRC (.trc), "
    "OpenSim storages (.mot, .sto) and EVaRT analog text (.anc), each also as .gz"
)
STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF", "a PDF document"),
    (b"Kaydara FBX", "an FBX scene; export it as BVH"),
    (b"\x89HDF", "an HDF5 file (or MATLAB 7.3)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x93NUMPY", "a single NumPy array; AMASS files are .npz"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page; the download did not deliver the file"),
    (b"<html", "a web page; the download did not deliver the file"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; run `git lfs pull`"),
)
ESCAPES = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, OSError, EOFError, RuntimeError)
"""What a reader may stumble over in a hostile file. Its own checks come first; this is the net below them."""


@dataclass(frozen=True)
class Format:
    """A kind of motion file."""

    name: str
    suffixes: tuple[str, ...]
    looks_like: Callable[[bytes], bool]
    """Whether a file's content is of this kind."""
    read: Callable[[Source], Recording]
    fixed: str | None = None
    """Why a user cannot say which way is up; None where they can."""


def read(
    path: str | Path,
    *,
    skeleton: Path | None = None,
    model: Path | None = None,
    unit: float | None = None,
    longest_gap: float = 0.1,
    up: str | None = None,
) -> Recording:
    """Read a motion file.

    Each format's own function has more to choose; this one has what a user must say when a file keeps silent.

    Args:
        path: The file; it may be compressed with gzip.
        skeleton: The ASF file of an AMC file, where it does not lie beside it.
        model: The body model of an AMASS file, where joint positions shall be those of its subject.
        unit: Length of one unit of a BVH or ASF/AMC file, where it cannot be told from the body [m].
        longest_gap: Gaps in a marker's path up to this long are filled [s].
        up: Direction of the file that points up, 'x', 'y', 'z', '-x', '-y' or '-z', where the file does not say it or
            is wrong. Everything is turned alike, points, rotations and forces, and nothing is mirrored.

    Raises:
        CaptureError: The file cannot be read; the message names it and says why. So it does where `up` is given for a
            file without directions of its own.
        ValueError: `up` is none of the six.
    """
    formats = _formats(skeleton, model, unit, longest_gap, checked_up(up))
    source = Source.open(path)
    try:
        found = _format_of(source, formats)
        if up is not None and found.fixed is not None:
            raise source.error(f"`up` cannot be given: {found.fixed}")
        return found.read(source)
    except CaptureError as error:
        if str(path) in str(error):
            raise
        raise source.error(str(error).rstrip(".")) from error
    except MemoryError as error:
        raise source.error("reading it takes more memory than there is; it is damaged or too long") from error
    except ESCAPES as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:160].rstrip(".")
        raise source.error(f"the file is damaged ({words})") from error


def _formats(
    skeleton: Path | None, model: Path | None, unit: float | None, longest_gap: float, up: Up | None
) -> tuple[Format, ...]:
    """What can be read, in the order of asking."""
    return (
        Format(
            "ASF/AMC", (".amc", ".asf"), _looks_like_acclaim, lambda source: read_amc(source, skeleton, unit, up=up)
        ),
        Format("BVH", (".bvh",), looks_like_bvh, lambda source: read_bvh(source, unit, up)),
        Format("AMASS", (".npz",), looks_like_amass, lambda source: read_amass(source, model, up=up)),
        Format(
            "trajectory", (), looks_like_trajectory, read_trajectory, "a trajectory is that of a body, whose up is z"
        ),
        Format("C3D", (".c3d",), looks_like_c3d, lambda source: read_c3d(source, longest_gap, up)),
        Format("TRC", (".trc",), looks_like_trc, lambda source: read_trc(source, longest_gap, up)),
        Format("ANC", (".anc",), looks_like_anc, read_anc, "of this file only EMG is read, which has no direction"),
        Format("OpenSim storage", (".mot", ".sto"), looks_like_storage, lambda source: read_storage(source, up)),
    )


def _looks_like_acclaim(content: bytes) -> bool:
    """A motion or a skeleton; the reader asks for the motion when it gets a skeleton."""
    return looks_like_amc(content) or looks_like_asf(content)


def _format_of(source: Source, formats: tuple[Format, ...]) -> Format:
    """The format that the content shows, else the one that the suffix promises, whose reader says what is amiss."""
    for found in formats:
        if found.looks_like(source.content):
            return found
    stranger = _stranger(source.content)
    if stranger is not None:
        raise source.error(f"this is {stranger}. Readable are {READABLE}")
    for promised in formats:
        if source.suffix in promised.suffixes:
            return promised
    raise source.error(f"the content is of no known kind. Readable are {READABLE}")


def _stranger(content: bytes) -> str | None:
    """What a file is that is no motion file, where its first bytes tell."""
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, what in STRANGERS:
        if start[: len(mark)].lower() == mark.lower():
            return what
    names = names_in(content)
    if {"v_template", "shapedirs"} & names:
        return "a body model without motion; give it as `model`, and a motion to read"
    if content.startswith(ZIP) and names:
        return "a ZIP archive without the arrays of AMASS (poses, trans) or of a trajectory (qpos, joint_names)"
    if re.match(rb"\x80[\x02-\x05][\x95}\](cX]", content[:3]):
        return "a Python pickle, which is never opened because it may run any code; save the arrays as .npz"
    return None
