"""OpenSim's storages (MOT, STO): joint coordinates, ground forces, EMG; and EVaRT's analog text (ANC).

Forces are turned from OpenSim's world, which has y up, to z up: (x, y, z) becomes (x, -z, y). A user may say that
theirs has another direction up. Joint coordinates keep OpenSim's meaning: `pelvis_ty` is still the pelvis's height.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from myotrack.capture.axes import Up, direction, turn_to_z
from myotrack.capture.clock import make_even
from myotrack.capture.emg import is_muscle, signals
from myotrack.capture.recording import Coordinates, Origin, Plate, Quantity, Recording, Signals
from myotrack.capture.source import Source
from myotrack.capture.trc import looks_like_trc, read_trc

__all__ = ["looks_like_anc", "looks_like_storage", "looks_like_trc", "read_anc", "read_storage", "read_trc"]

HEADER_LINES = 1000
"""`endheader` comes within so many lines."""
LARGEST = 1e12
"""Numbers beyond this are damage, whatever they measure."""
A_TURN = 6.5
"""Joint angles beyond this are degrees, where a file does not say [rad]."""

_FORCE = re.compile(r"^(?P<base>.+?)_?v(?P<axis>[xyz])$", re.IGNORECASE)
_KINETIC = re.compile(r"(_moment|_force|_torque)$", re.IGNORECASE)
_LENGTH = re.compile(r"_t[xyz]$", re.IGNORECASE)


def looks_like_storage(content: bytes) -> bool:
    """Whether a line near the beginning says 'endheader'."""
    return b"\0" not in content[:4096] and re.search(rb"(?im)^\s*endheader\s*$", content[:65536]) is not None


def looks_like_anc(content: bytes) -> bool:
    """Whether the first bytes are those of an analog text file of EVaRT or Cortex."""
    return re.match(rb"\s*File_Type:\s*Analog", content[:256], re.IGNORECASE) is not None


def read_storage(source: Source, up: Up | None = None) -> Recording:
    """Read a MOT or STO file.

    Args:
        up: Direction that points up in the world of the ground forces. None: y as in OpenSim.

    Raises:
        CaptureError: It has no `endheader`, its table is damaged, nothing in it is known, or `up` is given for what is
            more than ground forces and EMG.
    """
    title, header, names, times, table = _storage(source)
    notes: list[str] = []
    plates_found, used = _ground_forces(names)
    rest = [index for index in range(len(names)) if index not in used]
    emg_columns, coordinate_columns = _sort(title, names, rest, notes)
    rate, even, uneven = make_even(source, times, table)
    turn = turn_to_z(direction(up or "y"))
    plates = tuple(_plate(name, rate, even, columns, turn) for name, columns in plates_found.items())
    emg = None
    if emg_columns:
        emg = Signals(tuple(_short(names[i]) for i in emg_columns), rate, even[:, emg_columns], unit="as recorded")
    coordinates = _coordinates(source, names, even, coordinate_columns, header.get("indegrees"), notes)
    if coordinates is None and emg is None and not plates:
        raise source.error("no column is a joint coordinate, a ground force or EMG")
    if up is not None and (coordinates is not None or not plates):
        raise source.error(
            "`up` can be given for ground forces only: joint coordinates are those of a body, and EMG has no direction"
        )
    announced = header.get("nrows", header.get("datarows", ""))
    if announced.isdecimal() and int(announced[:12]) != len(times):
        notes.append(f"The header announces {announced[:12]} rows; the file has {len(times)}.")
    if plates:
        notes.append(f"Ground forces turned from {up or 'y'} up to z up{', as the user says' if up else ''}.")
    return Recording(
        name=source.stem,
        rate=rate,
        origin=Origin(source.path.name, source.sha256, "OpenSim storage", notes=(*notes, *uneven)),
        kind="signals" if coordinates is None else "coordinates",
        coordinates=coordinates,
        plates=plates,
        emg=emg,
        start=float(times[0]),
    )


def read_anc(source: Source) -> Recording:
    """Read the EMG in an ANC file: counts of a converter, turned into volts with the file's own range.

    Raises:
        CaptureError: Its header or table is damaged, or no channel is named after a muscle.
    """
    lines = source.text().removeprefix("\ufeff").splitlines()
    top: dict[str, list[str]] = {}
    begin = 0
    for number, line in enumerate(lines[:64]):
        fields = line.split()
        if fields and fields[0] in ("Name", "Rate", "Range"):
            top[fields[0]] = fields[1:]
            begin = number + 1
    if not {"Name", "Range"} <= set(top) or len(top["Name"]) != len(top["Range"]):
        raise source.error("the ANC file lacks the lines 'Name', 'Rate' and 'Range' above its table")
    bits = re.search(r"(?i)BitDepth:\s*(\d{1,2})\b", "\n".join(lines[:64]))
    depth = int(bits.group(1)) if bits else 16
    table = _numbers(source, lines, begin, 1 + len(top["Name"]))
    chosen = [index for index, name in enumerate(top["Name"]) if is_muscle(name)]
    if not chosen:
        raise source.error(f"no channel of the ANC file is named after a muscle ({', '.join(top['Name'][:8])})")
    try:
        full = np.array([float(word) for word in top["Range"]])[chosen]
    except ValueError:
        raise source.error("the line 'Range' of the ANC file holds something that is not a number") from None
    if not ((full > 0) & (full < LARGEST)).all():
        raise source.error("the line 'Range' of the ANC file holds impossible voltages")
    rate, even, uneven = make_even(source, table[:, 0], table[:, 1:][:, chosen])
    left = len(top["Name"]) - len(chosen)
    notes = (f"{left} channels that are not EMG left out: force plates without their calibration.",) if left else ()
    return Recording(
        name=source.stem,
        rate=rate,
        origin=Origin(source.path.name, source.sha256, "ANC", notes=(*notes, *uneven)),
        kind="signals",
        emg=signals(
            [top["Name"][i] for i in chosen], even * full / 2.0 ** max(depth - 1, 0), ["mV"] * len(chosen), rate
        ),
        start=float(table[0, 0]),
    )


def _storage(source: Source) -> tuple[str, dict[str, str], list[str], np.ndarray, np.ndarray]:
    """Title, header entries in lower case, column names without time, times, and the table without time."""
    lines = source.text().removeprefix("\ufeff").splitlines()
    end = next((i for i, line in enumerate(lines[:HEADER_LINES]) if line.strip().lower() == "endheader"), None)
    if end is None:
        raise source.error("the storage has no line 'endheader'")
    header: dict[str, str] = {}
    for line in lines[:end]:
        key, _, value = line.strip().partition("=" if "=" in line else " ")
        header[key.strip().lower()] = value.strip()
    start = next((i for i in range(end + 1, len(lines)) if lines[i].strip()), None)
    if start is None:
        raise source.error("nothing follows 'endheader' in the storage")
    names = lines[start].split()
    clock = next((index for index, name in enumerate(names) if name.lower() in ("time", "t")), None)
    if clock is None or len(names) < 2:
        raise source.error("the first line after 'endheader' should name the columns, with 'time' among them")
    table = _numbers(source, lines, start + 1, len(names))
    others = [index for index in range(len(names)) if index != clock]
    title = header.get("name") or (lines[0].strip() if end else "")
    return title, header, [names[index] for index in others], table[:, clock], table[:, others]


def _numbers(source: Source, lines: Sequence[str], begin: int, width: int) -> Float[np.ndarray, "row column"]:
    """A table of numbers; NaN for those beyond belief. Each line must be complete."""
    rows: list[list[float]] = []
    for number in range(begin, len(lines)):
        fields = lines[number].split()
        if not fields:
            continue
        if len(fields) != width:
            raise source.error(f"line {number + 1} has {len(fields)} numbers where there are {width} columns")
        try:
            rows.append([float(field) for field in fields])
        except ValueError:
            raise source.error(f"line {number + 1} of the table holds something that is not a number") from None
    if not rows:
        raise source.error("the table has no rows")
    table = np.array(rows)
    table[~(np.abs(table) < LARGEST)] = np.nan
    return table


def _ground_forces(names: Sequence[str]) -> tuple[dict[str, dict[str, list[int]]], set[int]]:
    """Columns of every force with its point and torque, by the force's name."""
    where = {name.lower(): index for index, name in reversed(list(enumerate(names)))}
    found: dict[str, dict[str, list[int]]] = {}
    for name in names:
        match = _FORCE.match(name)
        if match is None or match["axis"].lower() != "x":
            continue
        base = match["base"]
        stem = name[: match.start("axis") - 1].lower()
        columns = {"force": [stem + "v" + axis for axis in "xyz"], "point": [stem + "p" + axis for axis in "xyz"]}
        columns = {what: [where[n] for n in wanted if n in where] for what, wanted in columns.items()}
        torques = (base.lower().replace("force", word) + tail for word in ("torque", "moment") for tail in ("_", "_m"))
        torques = (*torques, base.lower() + "_torque_", base.lower() + "_m", base.lower() + "_moment_")
        columns["torque"] = next(
            ([where[t + a] for a in "xyz"] for t in torques if all(t + a in where for a in "xyz")), []
        )
        if len(columns["force"]) == len(columns["point"]) == 3:
            found[base] = columns
    return found, {index for columns in found.values() for part in columns.values() for index in part}


def _plate(
    name: str,
    rate: float,
    table: Float[np.ndarray, "sample column"],
    columns: dict[str, list[int]],
    turn: Float[np.ndarray, "3 3"],
) -> Plate:
    """Force on the subject and its moment about the origin. Where there is no force its point means nothing."""
    force = table[:, columns["force"]] @ turn.T
    point = np.where(force.any(axis=1, keepdims=True), table[:, columns["point"]] @ turn.T, 0.0)
    torque = table[:, columns["torque"]] @ turn.T if columns["torque"] else np.zeros_like(force)
    with np.errstate(over="ignore", invalid="ignore"):
        return Plate(name, rate, force, np.cross(point, force) + torque)


def _sort(title: str, names: list[str], rest: list[int], notes: list[str]) -> tuple[list[int], list[int]]:
    """Which of the remaining columns are EMG, and which are joint coordinates."""
    known = {name.lower() for name in names}
    kept = []
    dropped: dict[str, list[str]] = {}
    for index in rest:
        name = names[index]
        lower = name.lower()
        if lower.endswith("/speed") or (lower.endswith("_u") and lower[:-2] in known):
            dropped.setdefault("speeds, which follow from the coordinates", []).append(name)
        elif ("/" in name and not lower.endswith("/value")) or "." in name.strip("."):
            dropped.setdefault("states of muscles or controls", []).append(name)
        elif re.search(r"(ground|grf|force_plate|plate)", lower) and re.search(r"(force|torque|moment)", lower):
            dropped.setdefault("parts of a ground force that is not complete", []).append(name)
        else:
            kept.append(index)
    notes.extend(f"{len(columns)} columns left out: {why}." for why, columns in dropped.items())
    electric = re.search(r"(?i)emg|electromyo|excitation|activation", title) is not None
    muscles = [index for index in kept if is_muscle(names[index])]
    if kept and (electric or len(muscles) > 0.7 * len(kept)):
        return kept, []
    named = [index for index in kept if "emg" in names[index].lower()]
    return named, [index for index in kept if index not in named]


def _coordinates(
    source: Source,
    names: Sequence[str],
    table: Float[np.ndarray, "row column"],
    columns: list[int],
    degrees: str | None,
    notes: list[str],
) -> Coordinates | None:
    """Angles in radians and lengths in metres."""
    if not columns:
        return None
    short = [_short(names[index]) for index in columns]
    quantities: list[Quantity] = [
        "other" if _KINETIC.search(name) else "length" if _LENGTH.search(name) else "angle" for name in short
    ]
    if "other" in quantities:
        notes.append("Columns that end in _moment or _force are generalised forces [N m, N], no motion.")
    values = table[:, columns].copy()
    angles = np.array([quantity == "angle" for quantity in quantities])
    in_degrees = (degrees or "").lower() in ("yes", "y", "true", "1")
    if degrees is None and angles.any() and values.size:
        in_degrees = bool(np.nanmax(np.abs(values[:, angles])) > A_TURN)
        notes.append(f"The file does not say so; angles taken as {'degrees' if in_degrees else 'radians'}.")
    if in_degrees:
        values[:, angles] = np.deg2rad(values[:, angles])
        notes.append("Angles turned from degrees to radians.")
    if not np.isfinite(values).all():
        raise source.error("some joint coordinates are not finite numbers")
    large = [
        name
        for name, column, angle in zip(short, values.T, angles, strict=True)
        if angle and np.ptp(column) > 4 * np.pi
    ]
    if large:
        notes.append(f"Implausibly large for radians, left as the file has them: {', '.join(large[:8])}.")
    return Coordinates(tuple(short), values, tuple(quantities), skeleton="OpenSim")


def _short(name: str) -> str:
    """'hip_flexion_r' for '/jointset/hip_r/hip_flexion_r/value'."""
    return name.removesuffix("/value").rpartition("/")[2]
