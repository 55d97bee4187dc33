"""C3D files: markers, force plates, EMG and events, in metres and newtons with z up."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from myotrack.capture.axes import Up, direction, name_of, turn_to_z, up_axis
from myotrack.capture.c3d_file import C3DFile, looks_like_c3d, parse_c3d
from myotrack.capture.emg import is_muscle, signals
from myotrack.capture.gaps import fill_gaps, unseen
from myotrack.capture.plates import LENGTH_UNITS, over_plates, read_plates
from myotrack.capture.recording import Event, Origin, Recording, Signals, Subject
from myotrack.capture.source import Source
from myotrack.capture.upright import DOUBT, upward

__all__ = ["looks_like_c3d", "read_c3d"]

COMPUTED = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "MODELED_MARKERS")
"""Lists in the group POINT of what is stored like a marker but is none."""
FARTHEST = 1000.0
"""A marker farther away than this is a mistake of the file [m]."""
HEADER_LABELS = {"RHS": "Foot Strike", "LHS": "Foot Strike", "RTO": "Foot Off", "LTO": "Foot Off"}


def read_c3d(source: Source, longest_gap: float = 0.1, up: Up | None = None) -> Recording:
    """Read a C3D file.

    Args:
        source: The file.
        longest_gap: Gaps in a marker's path up to this long are filled [s].
        up: Direction of the file that points up. None: what the file says, else square to its force plates, else z
            unless floor and body speak for another.

    Raises:
        CaptureError: It is damaged, or holds neither markers nor forces nor EMG.
    """
    file = parse_c3d(source)
    notes: list[str] = []
    names, columns = _markers(file, notes)
    points = file.points[:, columns]
    points = np.where(file.seen[:, columns, None], points, np.nan)
    metres = _metres(file, points, source, notes)
    points = _near(points * metres, notes)
    turn = turn_to_z(_up(file, points, names, metres, up, notes))
    points = points @ turn.T
    seen = np.asarray(~unseen(points).all(axis=0))
    if not seen.all():
        never = [name for name, was_seen in zip(names, seen, strict=True) if not was_seen]
        notes.append(f"Never seen, and left out: {_list(never)}.")
        names, points = [name for name in names if name not in never], points[:, seen]
    points, filled, filling = fill_gaps(points, names, file.rate, longest_gap)
    plates, taken, remarks = read_plates(file, metres, turn)
    emg = _emg(file, taken, notes)
    if not names and not plates and emg is None:
        raise source.error("the C3D file holds neither markers nor force plates nor EMG")
    return Recording(
        name=source.stem,
        rate=file.rate,
        origin=Origin(source.path.name, source.sha256, "C3D", notes=(*notes, *filling, *remarks)),
        kind="markers" if names else "signals",
        names=tuple(names),
        points=points if names else None,
        filled=filled,
        plates=plates,
        emg=emg,
        events=_events(file, len(file.points)),
        subject=_subject(file),
        start=(file.first_frame - 1) / file.rate,
    )


def _markers(file: C3DFile, notes: list[str]) -> tuple[list[str], list[int]]:
    """Names of the markers, without the subject's, and the points they are."""
    labels = list(file.texts("POINT", "LABELS"))[: file.points.shape[1]]
    columns = [index for index, label in enumerate(labels) if label and not label.startswith("*")]
    unlabelled = file.points.shape[1] - len(columns)
    if unlabelled:
        notes.append(f"{unlabelled} point{'s' * (unlabelled > 1)} without a label left out.")
    columns = _one_subject(file, labels, columns, notes)
    names = [labels[index].rpartition(":")[2].strip() or labels[index] for index in columns]
    prefixes = {labels[index].rpartition(":")[0] for index in columns} - {""}
    if prefixes:
        notes.append(f"The prefix '{min(prefixes)}:' is taken off the marker names.")

    listed = {label.rpartition(":")[2] for group in COMPUTED for label in file.texts("POINT", group)}
    listed |= _scalars(file, names, columns)
    axes = _segment_axes(names)
    keep = [name not in listed and name not in axes for name in names]
    for what, found in (("computed quantities, no markers", listed), ("axes of computed segments, no markers", axes)):
        count = sum(name in found for name in names)
        if count:
            notes.append(f"{count} points left out: {what} ({_list([n for n in names if n in found])}).")
    kept = [(name, column) for name, column, wanted in zip(names, columns, keep, strict=True) if wanted]
    unique: dict[str, int] = {}
    for name, column in kept:
        unique.setdefault(name, column)
    if len(unique) < len(kept):
        notes.append(f"{len(kept) - len(unique)} points left out: their names occur twice.")
    return list(unique), list(unique.values())


def _one_subject(file: C3DFile, labels: Sequence[str], columns: list[int], notes: list[str]) -> list[int]:
    """The points of the first subject, where the file has several."""
    prefixes = dict.fromkeys(labels[index].rpartition(":")[0] for index in columns)
    prefixes.pop("", None)
    if len(prefixes) < 2:
        return columns
    order = [name for name in file.texts("SUBJECTS", "NAMES") if name in prefixes]
    first = order[0] if order else next(iter(prefixes))
    notes.append(f"{len(prefixes)} subjects ({_list(list(prefixes))}); only the markers of {first} are read.")
    return [index for index in columns if labels[index].rpartition(":")[0] == first]


def _segment_axes(names: Sequence[str]) -> set[str]:
    """Plug-in-Gait stores each segment's frame as four points: origin, anterior, lateral, proximal."""
    known = set(names)
    stems = {name[:-1] for name in names if len(name) == 4 and name.endswith("O")}
    frames = [[stem + letter for letter in "OALP"] for stem in stems]
    return {name for frame in frames if known.issuperset(frame) for name in frame}


def _scalars(file: C3DFile, names: Sequence[str], columns: list[int]) -> set[str]:
    """Points that keep two coordinates at exactly zero hold a number, not a place."""
    zero = ~file.points[:, columns].any(axis=0)
    return {name for name, count in zip(names, zero.sum(axis=1), strict=True) if count == 2}


def _metres(file: C3DFile, points: np.ndarray, source: Source, notes: list[str]) -> float:
    """Length of the file's unit [m]."""
    unit = next(iter(file.texts("POINT", "UNITS")), "").strip(" .[]()").upper()
    if unit in LENGTH_UNITS:
        if unit != "M":
            notes.append(f"Lengths turned from {unit.lower()} to m.")
        return LENGTH_UNITS[unit]
    if unit:
        raise source.error(f"the C3D file gives lengths in '{unit}', which is not a known unit")
    finite = np.abs(points[np.isfinite(points)])
    metres = 1.0 if len(finite) and np.percentile(finite, 90) < 20.0 else 1e-3
    notes.append(f"The file names no unit of length; taken as {'m' if metres == 1.0 else 'mm'} from the values.")
    return metres


def _near(points: np.ndarray, notes: list[str]) -> np.ndarray:
    """Positions that can be true; NaN for the others."""
    far = np.asarray((np.abs(points) > FARTHEST).any(axis=2))
    if far.any():
        notes.append(f"{int(far.sum())} positions farther than {FARTHEST:.0f} m away are taken as not seen.")
    return np.where(far[..., None], np.nan, points)


def _up(
    file: C3DFile, points: np.ndarray, names: Sequence[str], metres: float, given: Up | None, notes: list[str]
) -> Float[np.ndarray, "3"]:
    """Which way is up: as the user says, else the file, else square to the force plates, else as the markers show."""
    said = up_axis(next(iter(file.texts("POINT", "Y_SCREEN")), ""))
    square = over_plates(file, points, metres)
    reason = "as the user says" if given else "as the file says"
    up = direction(given) if given else said
    if up is None and square is not None:
        up, reason = square, "square to the force plates"
    if up is None:
        up, reason = upward(points, names, np.array([0.0, 0.0, 1.0]))
    if not given and square is not None and not np.array_equal(up, square):
        reason += f", although the force plates speak for {name_of(square)}; {DOUBT}"
    if name_of(up) != "+Z" or reason != "as the file says":
        notes.append(f"Up is {name_of(up)} in the file, {reason}{'' if up[2] > 0 else '; turned to z'}.")
    return up


def _emg(file: C3DFile, taken: frozenset[int], notes: list[str]) -> Signals | None:
    """Channels named EMG, or after a muscle and in volts."""
    count = file.analog.shape[1]
    labels = list(file.texts("ANALOG", "LABELS"))[:count]
    labels += [f"channel {index + 1}" for index in range(len(labels), count)]
    units = (list(file.texts("ANALOG", "UNITS")) + [""] * count)[:count]
    free = [index for index in range(count) if index not in taken]
    voltage = {index for index in free if re.fullmatch(r"|[muµ]?v(olts?)?", units[index].strip().lower())}
    chosen = [i for i in free if "emg" in labels[i].lower() or (i in voltage and is_muscle(labels[i]))]
    left = [labels[index] for index in free if index not in chosen]
    if left:
        notes.append(f"{len(left)} analog channels that are neither force nor EMG left out ({_list(left)}).")
    if not chosen:
        return None
    names = [re.sub(r"^.*:", "", labels[index]).strip() or labels[index] for index in chosen]
    return signals(names, file.analog[:, chosen], [units[index] or "V" for index in chosen], file.analog_rate)


def _events(file: C3DFile, frames: int) -> tuple[Event, ...]:
    """Marked moments, on a clock that starts with the first frame kept in the file."""
    start = (file.first_frame - 1) / file.rate
    times = file.numbers("EVENT", "TIMES")
    times = times[: len(times) // 2 * 2].reshape(-1, 2)
    labels, contexts = file.texts("EVENT", "LABELS"), file.texts("EVENT", "CONTEXTS")
    # A count that is no number counts nothing, as a count of zero.
    used = int(np.clip(np.nan_to_num(file.number("EVENT", "USED", float(len(times)))), 0, len(times)))
    found = []
    for index in range(min(used, len(labels))):
        context = contexts[index].lower() if index < len(contexts) else ""
        side = "right" if context == "right" else "left" if context == "left" else None
        found.append(Event(float(times[index, 0] * 60 + times[index, 1] - start), labels[index], side))
    for time, label in () if found else file.header_events:
        side = "right" if label.upper().startswith("R") else "left" if label.upper().startswith("L") else None
        found.append(Event(time - start, HEADER_LABELS.get(label.upper(), label), side))
    within = [event for event in found if -0.5 / file.rate <= event.time <= (frames + 0.5) / file.rate]
    return tuple(sorted(within, key=lambda event: event.time))


def _subject(file: C3DFile) -> Subject:
    """Name, height and mass, where the file gives them."""
    heights, masses = [], []
    for group in ("PROCESSING", "SUBJECTS", "SUBJECT", "BIO"):
        heights.extend(file.numbers(group, "HEIGHT")[:1])
        masses.extend(mass for name in ("BODYMASS", "MASS", "WEIGHT") for mass in file.numbers(group, name)[:1])
    height = next((float(h) for h in heights if np.isfinite(h) and h > 0.3), None)
    if height is not None:
        height *= 1.0 if height < 3.0 else 1e-2 if height < 300.0 else 1e-3
    mass = next((float(m) for m in masses if 1.0 < m < 500.0), None)
    return Subject(name=next(iter(file.texts("SUBJECTS", "NAMES")), None) or None, height=height, mass=mass)


def _list(names: Sequence[str], most: int = 5) -> str:
    """The first few names."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
