"""The bytes of a C3D file: header, parameters and samples, with every count checked before it is believed.

After the C3D User Guide (Motion Lab Systems, 2008). ezc3d reads the same files and judges this reader in the tests, but
it trusts their counts: of 800 small files with a few bytes changed, 16 crashed the process, 2 hung and 15 asked for
more than 2 GiB. Of 567 damaged files that pass all checks of this module, 3 still crashed it and 4 asked for so much.
"""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from myotrack.capture.source import Source

BLOCK = 512
MAGIC = 0x50
INTEL, DEC, MIPS = 84, 85, 86
LONGEST_COUNT = 0xFFFF
"""Frame numbers in the header have 16 bits; a file that needs more says this, and gives the count elsewhere."""

Value = np.ndarray | tuple[str, ...]


@dataclass(frozen=True)
class C3DFile:
    """What stands in a C3D file, scaled but in its own units and axes."""

    parameters: dict[str, dict[str, Value]]
    """By group and name, both in capitals: numbers in the file's (Fortran) shape, or texts."""
    rate: float
    """Frames of points per second [Hz]."""
    first_frame: int
    """Number of the first frame; the clock of the events starts at frame 1."""
    points: Float[np.ndarray, "frame point 3"]
    seen: Bool[np.ndarray, "frame point"]
    """False where the file marks a point as not reconstructed."""
    analog: Float[np.ndarray, "sample channel"]
    analog_rate: float
    """[Hz]"""
    header_events: tuple[tuple[float, str], ...]
    """Events of old files: time on the clock of the events [s], label of four letters."""

    def numbers(self, group: str, name: str) -> np.ndarray:
        """A parameter's numbers, flat; none where it is absent or a text."""
        value = self.parameters.get(group, {}).get(name)
        return value.ravel(order="F").astype(float) if isinstance(value, np.ndarray) else np.zeros(0)

    def number(self, group: str, name: str, default: float = float("nan")) -> float:
        """A parameter's first number."""
        return float(next(iter(self.numbers(group, name)), default))

    def texts(self, group: str, name: str) -> tuple[str, ...]:
        """A parameter's texts, with those that follow in NAME2, NAME3, ..., as more than 255 do not fit in one."""
        texts: list[str] = []
        group_values = self.parameters.get(group, {})
        for part in range(1, 256):
            value = group_values.get(name if part == 1 else f"{name}{part}")
            if not isinstance(value, tuple):
                break
            texts.extend(value)
        return tuple(texts)


def looks_like_c3d(content: bytes) -> bool:
    """Whether the first bytes are those of a C3D file."""
    if len(content) < BLOCK or content[1] != MAGIC or content[0] < 1:
        return False
    start = (content[0] - 1) * BLOCK
    return len(content) > start + 3 and content[start + 3] in (INTEL, DEC, MIPS)


def parse_c3d(source: Source) -> C3DFile:
    """Take a C3D file apart.

    Raises:
        CaptureError: It is no C3D file, ends early, or its counts contradict its length.
    """
    content = source.content
    if len(content) < 2 * BLOCK or content[1] != MAGIC:
        raise source.error("this is not a C3D file: the mark 0x50 is missing in its second byte")
    start = (content[0] - 1) * BLOCK
    if content[0] < 2 or start + 4 > len(content):
        raise source.error(f"the C3D header points to parameters in block {content[0]}, where there are none")
    processor = content[start + 3]
    if processor not in (INTEL, DEC, MIPS):
        raise source.error(f"the C3D file was written by an unknown kind of processor ({processor})")
    parameters = _parameters(source, start + 4, processor)

    order = ">" if processor == MIPS else "<"
    point_count, analog_count, first, last, _ = struct.unpack(order + "5H", content[2:12])
    data_block, analog_per_frame = struct.unpack(order + "2H", content[16:20])
    scale, header_rate = float(_floats(content[12:16], processor)[0]), float(_floats(content[20:24], processor)[0])
    file = C3DFile(parameters, 1.0, first, *_no_samples(), analog_rate=1.0, header_events=())
    rate = file.number("POINT", "RATE")
    rate = rate if 0 < rate < 1e5 else header_rate
    if (point_count or analog_count) and not 0 < rate < 1e5:
        raise source.error(f"the C3D file gives an impossible frame rate ({rate:.4g} Hz)")
    first, frames = _frames(source, file, first, last)
    if data_block < 2:
        # No block has the number 0, so that a number that is none is refused below with those out of range.
        data_block = int(np.nan_to_num(file.number("POINT", "DATA_START", 0.0)))
    if not np.isfinite(scale) or scale == 0:
        raise source.error("the C3D file gives no usable scale for its points")
    channels = 0
    if analog_count:
        if analog_per_frame == 0 or analog_count % analog_per_frame:
            raise source.error(
                f"the C3D header counts {analog_count} analog values per frame in {analog_per_frame} samples"
            )
        channels = analog_count // analog_per_frame

    width = 4 if scale < 0 else 2
    words = 4 * point_count + analog_count
    begin = (data_block - 1) * BLOCK
    if data_block < 2 or begin + frames * words * width > len(content):
        held = max(len(content) - begin, 0) // max(words * width, 1) if data_block >= 2 else 0
        raise source.error(
            f"the C3D header announces {frames} frames, but the file holds {held}; "
            "it was cut short or damaged, copy it again"
        )
    raw = content[begin : begin + frames * words * width]
    rows = (_floats(raw, processor) if scale < 0 else np.frombuffer(raw, order + "i2")).reshape(frames, words)
    points, seen = _points(rows[:, : 4 * point_count], frames, point_count, 1.0 if scale < 0 else scale)
    analog = _analog(file, rows[:, 4 * point_count :].reshape(frames * max(analog_per_frame, 1), channels))
    return C3DFile(
        parameters=parameters,
        rate=rate,
        first_frame=first,
        points=points,
        seen=seen,
        analog=analog,
        analog_rate=rate * max(analog_per_frame, 1),
        header_events=_header_events(content, processor),
    )


def _no_samples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stand-ins while only the parameters are known."""
    return np.zeros((0, 0, 3)), np.zeros((0, 0), dtype=bool), np.zeros((0, 0))


def _frames(source: Source, file: C3DFile, first: int, last: int) -> tuple[int, int]:
    """Number of the first frame, and how many there are."""
    if last == LONGEST_COUNT or last < first:
        start, end = (file.numbers("TRIAL", f"ACTUAL_{name}_FIELD") for name in ("START", "END"))
        if len(start) >= 2 and len(end) >= 2:
            long_first, long_last = (
                (int(low) & 0xFFFF) + ((int(high) & 0xFFFF) << 16) for low, high in (start[:2], end[:2])
            )
            if long_last >= long_first:
                return long_first, long_last - long_first + 1
        for name in ("LONG_FRAMES", "FRAMES"):
            frames = file.number("POINT", name)
            frames = frames + 65536 if -32768 <= frames < 0 else frames
            if 0 < frames < 2**31:
                return first, int(frames)
    if last < first:
        raise source.error(f"the C3D file has no frames: the first is {first}, the last {last}")
    return first, last - first + 1


def _points(rows: np.ndarray, frames: int, count: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions, and whether each was seen: a negative fourth word, or the exact origin, says it was not."""
    words = rows.reshape(frames, count, 4)
    with np.errstate(invalid="ignore"):  # Damage can hold numbers that are none.
        points = words[..., :3] * np.float64(scale)
    seen = (words[..., 3] >= 0) & np.isfinite(points).all(axis=-1) & points.any(axis=-1)
    return points, seen


def _analog(file: C3DFile, counts: np.ndarray) -> np.ndarray:
    """Analog samples in their units: (count - offset) * scale * general scale. NaN where that is no number."""
    channels = counts.shape[1]
    unsigned = counts.dtype.kind == "i" and file.texts("ANALOG", "FORMAT")[:1] == ("UNSIGNED",)
    if unsigned:
        counts = counts.astype(np.int32) & 0xFFFF
    # A general scale that is no number would blank all channels; 1 leaves each its own scale, as where none is given.
    general = np.nan_to_num(file.number("ANALOG", "GEN_SCALE", 1.0), nan=1.0)
    offset, scale = np.zeros(channels), np.ones(channels)
    for name, values in (("OFFSET", offset), ("SCALE", scale)):
        parts = [file.numbers("ANALOG", name if part == 1 else f"{name}{part}") for part in range(1, 5)]
        given = np.concatenate(parts)[:channels]
        values[: len(given)] = np.where(given < 0, given + 65536, given) if unsigned and name == "OFFSET" else given
    with np.errstate(over="ignore", invalid="ignore"):
        values = (counts - offset) * scale * general
    values[~np.isfinite(values)] = np.nan
    return values


def _floats(raw: bytes, processor: int) -> np.ndarray:
    """Numbers of four bytes. A DEC has the halves swapped, and an exponent that is larger by two."""
    if processor == DEC:
        halves = np.frombuffer(raw, "<u2").reshape(-1, 2).astype(np.uint32)
        with np.errstate(invalid="ignore"):
            return ((halves[:, 0] << 16) | halves[:, 1]).view(np.float32) / np.float32(4)
    return np.frombuffer(raw, ">f4" if processor == MIPS else "<f4")


def _parameters(source: Source, position: int, processor: int) -> dict[str, dict[str, Value]]:
    """Walk the list of groups and parameters. Each says where the next one begins; the list only goes forward."""
    content = source.content
    order = ">" if processor == MIPS else "<"
    names: dict[int, str] = {}
    found: dict[int, dict[str, Value]] = {}
    while position + 2 <= len(content):
        length, group = struct.unpack("2b", content[position : position + 2])
        length = abs(length)
        if length == 0 or group == 0:
            break
        after = position + 2 + length
        if after + 2 > len(content):
            raise source.error("the C3D file ends within its parameters; it was cut short, copy it again")
        name = _text(content[position + 2 : after]).upper()
        step = struct.unpack(order + "H", content[after : after + 2])[0]
        if group < 0:
            names.setdefault(-group, name)
        else:
            found.setdefault(group, {}).setdefault(name, _value(source, name, after + 2, processor))
        if step == 0:
            break
        position = after + step
        if step < 2:
            raise source.error(f"the parameter {_shown(name)} of the C3D file has an impossible length")
    groups: dict[str, dict[str, Value]] = {}
    for number, values in found.items():
        groups.setdefault(names.get(number, f"GROUP {number}"), {}).update(values)
    return groups


def _value(source: Source, name: str, position: int, processor: int) -> Value:
    """One parameter: kind, sizes, then the values."""
    content = source.content
    trouble = f"the parameter {_shown(name)} of the C3D file reaches beyond its end; it was cut short or damaged"
    if position + 2 > len(content):
        raise source.error(trouble)
    kind, dimensions = struct.unpack("bB", content[position : position + 2])
    begin = position + 2 + dimensions
    shape = tuple(content[position + 2 : begin])
    if kind not in (-1, 1, 2, 4) or dimensions > 7 or len(shape) < dimensions:
        raise source.error(f"the parameter {_shown(name)} of the C3D file has an unknown kind or shape; it is damaged")
    count = int(np.prod(shape, dtype=np.int64))
    if begin + count * abs(kind) > len(content):
        raise source.error(trouble)
    raw = content[begin : begin + count * abs(kind)]
    if kind == -1:
        size = shape[0] if shape else 1
        return tuple(_text(raw[i : i + size]) for i in range(0, len(raw), size)) if size else ()
    if kind == 4:
        return _floats(raw, processor).reshape(shape, order="F")
    letters = "i1" if kind == 1 else (">i2" if processor == MIPS else "<i2")
    return np.frombuffer(raw, letters).reshape(shape, order="F")


def _text(raw: bytes) -> str:
    """Characters without the padding."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.split("\0")[0].strip()


def _shown(name: str) -> str:
    """A name that may be damaged, fit for a message."""
    return ascii(name[:24])


def _header_events(content: bytes, processor: int) -> tuple[tuple[float, str], ...]:
    """Up to 18 events in the header itself."""
    order = ">" if processor == MIPS else "<"
    mark, count = struct.unpack(order + "2H", content[298:302])
    if mark != 12345 or not 0 < count <= 18:
        return ()
    times = _floats(content[304:376], processor)[:count]
    labels = [_text(content[396 + 4 * i : 400 + 4 * i]) for i in range(count)]
    return tuple((float(time), label) for time, label in zip(times, labels, strict=True) if np.isfinite(time) and label)
