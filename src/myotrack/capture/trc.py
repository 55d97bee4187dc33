"""TRC files: markers as OpenSim, Cortex and EVaRT write them, in metres with z up."""

import math

import numpy as np

from myotrack.capture.axes import Up, direction, name_of, turn_to_z
from myotrack.capture.clock import make_even
from myotrack.capture.gaps import fill_gaps, unseen
from myotrack.capture.plates import LENGTH_UNITS
from myotrack.capture.recording import Origin, Recording
from myotrack.capture.source import Source
from myotrack.capture.upright import upward

Y_UP = np.array([0.0, 1.0, 0.0])
"""OpenSim's world."""
FARTHEST = 1000.0
"""A marker farther away than this is a mistake of the file [m]."""


def looks_like_trc(content: bytes) -> bool:
    """Whether the first bytes are those of a TRC file."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:12].lower() == b"pathfiletype"


def read_trc(source: Source, longest_gap: float = 0.1, up: Up | None = None) -> Recording:
    """Read a TRC file.

    Args:
        source: The file.
        longest_gap: Gaps in a marker's path up to this long are filled [s].
        up: Direction of the file that points up. None: y as in OpenSim, unless floor and body speak for another.

    Raises:
        CaptureError: It is no TRC file, or its table is damaged.
    """
    lines = source.text().removeprefix("\ufeff").splitlines()
    lines = lines[next((i for i, line in enumerate(lines) if line.strip()), 0) :]
    if len(lines) < 6 or not lines[0].lower().startswith("pathfiletype"):
        raise source.error("this is not a TRC file: it does not begin with 'PathFileType' and a table of markers")
    keys, values = lines[1].split(), lines[2].split()
    header = dict(zip((key.lower() for key in keys), values, strict=False))
    names = [field.strip() for field in lines[3].split("\t")[2:]] if "\t" in lines[3] else lines[3].split()[2:]
    names = [name for name in names if name]
    if not names or not lines[3].lower().startswith("frame"):
        raise source.error("the fourth line of the TRC file should be 'Frame#', 'Time' and the markers")
    notes: list[str] = []
    times, points = _table(source, lines, names)
    announced = header.get("numframes", "")
    if announced.isdecimal() and int(announced) != len(times):
        notes.append(f"The header announces {announced[:9]} frames; the file has {len(times)}.")
    unit = header.get("units", "").upper()
    if unit not in LENGTH_UNITS:
        raise source.error(f"the TRC file gives lengths in '{header.get('units', '')[:20]}', which is not a known unit")
    points = points * LENGTH_UNITS[unit]
    if unit != "M":
        notes.append(f"Lengths turned from {unit.lower()} to m.")
    missing = unseen(points) | ~points.any(axis=2) | (np.abs(points) > FARTHEST).any(axis=2)
    points[missing] = np.nan
    labels, first = np.unique(names, return_index=True)
    if len(labels) < len(names):
        notes.append(f"{len(names) - len(labels)} markers left out: their names occur twice.")
    columns = [index for index in sorted(first) if not missing[:, index].all()]
    never = [names[index] for index in sorted(first) if index not in columns]
    if never:
        notes.append(f"Never seen, and left out: {', '.join(never[:8])}.")
    if not columns:
        raise source.error("no marker was seen in any frame of the TRC file")
    names, points = [names[index] for index in columns], points[:, columns]
    rate, flat, uneven = make_even(source, times, points.reshape(len(points), -1))
    points = flat.reshape(len(flat), -1, 3)
    stated = _number(header.get("datarate", ""))
    if math.isfinite(stated) and abs(stated - rate) > 0.01 * rate:
        notes.append(f"The header says {stated:g} Hz; the times say {rate:g} Hz, which is used.")
    found, reason = (direction(up), "as the user says") if up else upward(points, names, Y_UP)
    points = points @ turn_to_z(found).T
    notes.append(f"Up is {name_of(found)} in the file, {reason}{'' if found[2] > 0 else '; turned to z'}.")
    points, filled, filling = fill_gaps(points, names, rate, longest_gap)
    return Recording(
        name=source.stem,
        rate=rate,
        origin=Origin(source.path.name, source.sha256, "TRC", notes=(*notes, *uneven, *filling)),
        kind="markers",
        names=tuple(names),
        points=points,
        filled=filled,
        start=float(times[0]),
    )


def _table(source: Source, lines: list[str], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] and positions; NaN in blank fields."""
    width = 2 + 3 * len(names)
    rows: list[list[float]] = []
    for number, line in enumerate(lines[4:], start=5):
        fields = line.split("\t") if "\t" in line else line.split()
        if not "".join(fields).strip() or (number <= 6 and not rows and not fields[0].strip()):
            continue  # Blank lines, and the line of X1 Y1 Z1.
        if len(fields) < 2 or "".join(fields[width:]).strip():
            raise source.error(f"line {number} has {len(fields)} fields where {len(names)} markers ask for {width}")
        try:
            row = [float(field) if field and not field.isspace() else math.nan for field in fields[1:width]]
        except ValueError:
            raise source.error(f"line {number} of the table holds something that is not a number") from None
        rows.append(row + [math.nan] * (width - 1 - len(row)))
        if len(rows) * width > len(source.content) + 16 * width:
            raise source.error(f"its rows are too short for {len(names)} markers")
    if not rows:
        raise source.error("the TRC file has no frames")
    table = np.array(rows)
    return table[:, 0], table[:, 1:].reshape(len(table), -1, 3)


def _number(word: str) -> float:
    """A number, or NaN."""
    try:
        return float(word)
    except ValueError:
        return math.nan
