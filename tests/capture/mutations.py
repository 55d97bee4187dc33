"""Damage motion files in a thousand ways, and read them in a process that may crash.

    python -m tests.capture.mutations FILE COUNT [FIRST]      read COUNT mutants of FILE
    python -m tests.capture.mutations FILE --write N OUT      write mutant N to OUT, to look at it

Each mutant must load as a sane recording or raise CaptureError that names the file. One line of JSON on standard output
tells of each mutant that does not. A crash or a hang ends the process; then the last line of standard error and
faulthandler's traceback say where.
"""

import faulthandler
import gzip
import io
import json
import os
import random
import re
import resource
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from myotrack.capture.recording import Recording

SECONDS = 5.0
"""Longest time a mutant may take; the process is killed at twice that."""
MEMORY = 2 << 30
"""Bytes a mutant may ask for, beyond what the empty process has."""

NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
WORDS = [
    b"0", b"-1", b"1", b"65535", b"65536", b"2147483647", b"-2147483648", b"4294967296", b"99999999999999999999",
    b"1e308", b"-1e308", b"1e999", b"nan", b"NaN", b"inf", b"-inf", b"1e-320", b"0x10", b"1_000", b"1,5", b"", b"x",
    b"\xff\xfe", "٣".encode(), b"9" * 5000,
]  # fmt: skip
BINARY = [
    value.tobytes()
    for value in (
        *np.array([0, 1, -1, 255, 256, 32767, -32768], dtype="<i2"),
        *np.array([0, -1, 2**31 - 1, -(2**31)], dtype="<i4"),
        *np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -1e38, 1e-40, 1e9], dtype="<f4"),
        *np.array([np.nan, np.inf, 1e308, -1e300], dtype="<f8"),
    )
]

Random = random.Random


def truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flip(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        out[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def overwrite(data: bytes, rng: Random) -> bytes:
    place, value = _place(data, rng), rng.choice(BINARY)
    place -= place % min(len(value), 4)
    return data[:place] + value + data[place + len(value) :]


def duplicate(data: bytes, rng: Random) -> bytes:
    begin, end = sorted((_place(data, rng), rng.randrange(len(data))))
    end = min(end, begin + 5000)
    return data[:end] + data[begin:end] * rng.choice([1, 2, 20]) + data[end:]


def delete(data: bytes, rng: Random) -> bytes:
    begin = _place(data, rng)
    return data[:begin] + data[begin + rng.choice([1, 2, 7, 100, 3000]) :]


def insert(data: bytes, rng: Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + rng.randbytes(rng.choice([1, 2, 30, 600])) + data[place:]


def renumber(data: bytes, rng: Random) -> bytes:
    """Another number in place of one, half of the time among the first, where the counts are."""
    found = list(NUMBER.finditer(data))
    if not found:
        return flip(data, rng)
    hit = rng.choice(found[:30] if rng.random() < 0.5 else found)
    return data[: hit.start()] + rng.choice(WORDS) + data[hit.end() :]


def rename(data: bytes, rng: Random) -> bytes:
    """One word in place of another."""
    found = list(re.finditer(rb"[A-Za-z_:#/]+", data))
    if len(found) < 2:
        return flip(data, rng)
    hit, other = rng.choice(found[:60]), rng.choice(found)
    return data[: hit.start()] + other.group() + data[hit.end() :]


def relines(data: bytes, rng: Random) -> bytes:
    """Lines repeated, swapped, dropped or joined."""
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(4)
    if what == 0:
        lines[one:one] = [lines[one]] * rng.choice([1, 3, 2000])
    elif what == 1:
        lines[one], lines[other] = lines[other], lines[one]
    elif what == 2:
        del lines[one]
    else:
        lines[one : one + 2] = [b" ".join(lines[one : one + 2])]
    return b"\n".join(lines)


ANY = (truncate, flip, overwrite, duplicate, delete, insert)
TEXT = (renumber, renumber, renumber, rename, relines, relines)


def _place(data: bytes, rng: Random) -> int:
    """A byte, most often near the beginning, where headers are."""
    return rng.randrange(min(len(data), rng.choice([32, 512, 2048, len(data)])))


def mutant(data: bytes, number: int) -> bytes:
    """Mutant `number` of a file; always the same. Archives are damaged outside and inside."""
    rng = Random(f"{number} {len(data)}")
    if data.startswith(b"\x1f\x8b") and rng.random() < 0.5:
        return gzip.compress(mutant(gzip.decompress(data), number), 1)
    if data.startswith(b"PK\x03\x04") and rng.random() < 0.8:
        return _inside_zip(data, rng)
    return _damage(data, rng)


def _damage(data: bytes, rng: Random) -> bytes:
    is_text = b"\0" not in data[:2000]
    for _ in range(rng.choice([1, 1, 2, 4])):
        kinds: tuple[Callable[[bytes, Random], bytes], ...] = (*ANY, *TEXT) if is_text else ANY
        data = rng.choice(kinds)(data, rng) if data else data
    return data


def _inside_zip(data: bytes, rng: Random) -> bytes:
    """A sound ZIP archive with a damaged, dropped, doubled or exchanged member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = sorted(members)
    one, other = rng.choice(names), rng.choice(names)
    what = rng.randrange(6)
    if what == 0:
        del members[one]
    elif what == 1:
        members[one], members[other] = members[other], members[one]
    elif what == 2:
        members[one] = _npy(rng)
    else:
        members[one] = _damage(members[one], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _npy(rng: Random) -> bytes:
    """An array that does not belong there."""
    buffer = io.BytesIO()
    array = rng.choice(
        [
            np.zeros(0), np.array(0.0), np.array(np.nan), np.array("text"), np.zeros((0, 156)), np.zeros((3, 0)),
            np.full((50, 156), np.nan), np.full((50, 3), 1e300), np.zeros((50, 156), dtype=complex),
            np.zeros((4, 4, 4)), np.array([1, 2, 3], dtype="M8[s]"), np.zeros((50, 7)),
            np.zeros(5, dtype=[("a", "f4")]), np.array(-120.0),
            np.array([b"\xff\xfe"]), np.zeros((10_000_000, 3), dtype=np.int8),
        ]
    )  # fmt: skip
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def trouble(recording: "Recording") -> str | None:
    """What is wrong with a recording that was read, if anything."""
    if not (np.isfinite(recording.rate) and recording.rate > 0):
        return f"a rate of {recording.rate}"
    if not np.isfinite(recording.start):
        return f"a start at {recording.start}"
    if recording.points is not None:
        if recording.points.shape != (recording.frames, len(recording.names), 3) or not recording.frames:
            return f"points of shape {recording.points.shape} for {len(recording.names)} names"
        if np.isinf(recording.points).any() or (recording.kind != "markers" and np.isnan(recording.points).any()):
            return "points that are not finite"
        if len(set(recording.names)) != len(recording.names):
            return "names that occur twice"
    if recording.turns is not None and not np.allclose(np.linalg.norm(recording.turns, axis=-1), 1.0, atol=1e-5):
        return "rotations that are not unit quaternions"
    coordinates = recording.coordinates
    if coordinates is not None:
        if coordinates.values.shape != (recording.frames, len(coordinates.names)):
            return f"coordinates of shape {coordinates.values.shape} for {len(coordinates.names)} names"
        if not np.isfinite(coordinates.values).all() or len(coordinates.quantities) != len(coordinates.names):
            return "coordinates that are not finite"
    if recording.points is None and coordinates is None and recording.emg is None and not recording.plates:
        return "nothing in it"
    return None


def judge(path: Path) -> str | None:
    """Read one file; None if it behaved."""
    from myotrack.capture.reader import read
    from myotrack.capture.source import CaptureError

    begin = time.perf_counter()
    try:
        if path.suffix == ".asf":
            verdict = trouble(read(path.with_name("made.amc"), skeleton=path))
        else:
            verdict = trouble(read(path))
    except CaptureError as error:
        words = str(error)
        named = str(path) in words or path.suffix == ".asf"  # A damaged skeleton shows where the motion contradicts it.
        verdict = None if named else f"a message that does not name the file: {words}"
        if "more memory" in words or len(words) > 1000 or "\n" in words:
            verdict = f"a message of {len(words)} characters: {words[:300]}"
    except Exception as error:
        verdict = f"{type(error).__name__}: {error}"[:500]
    seconds = time.perf_counter() - begin
    return f"{seconds:.1f} s" if verdict is None and seconds > SECONDS else verdict


def main(arguments: list[str]) -> None:
    path = Path(arguments[0])
    seed = path.read_bytes()
    if arguments[1] == "--write":
        Path(arguments[3]).write_bytes(mutant(seed, int(arguments[2])))
        return
    count, first = int(arguments[1]), int(arguments[2]) if len(arguments) > 2 else 0
    faulthandler.enable()
    judge(path)  # Import everything before memory is counted.
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    scratch = path.with_name(f"mutant-{path.name}")
    for number in range(first, first + count):
        content = mutant(seed, number)
        scratch.write_bytes(content)
        print(f"mutant {number} of {path.name}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
        verdict = judge(scratch)
        faulthandler.cancel_dump_traceback_later()
        if verdict is not None:
            print(json.dumps({"mutant": number, "trouble": verdict}), flush=True)
    scratch.unlink(missing_ok=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(sys.argv[1:])
