"""One recording from files that were recorded together: markers from one, ground forces and EMG from others.

Their times are those of one clock, as OpenSim's files of one trial have it. What is left is the time that all share.
Frames of motion are kept as they are; forces and EMG that were not sampled just then are interpolated to it.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from jaxtyping import Float

from myotrack.capture.recording import Coordinates, Origin, Plate, Recording, Signals, Subject

AT_ONCE = 2e-5
"""Instants this close are one, as times are rounded in text [s]."""
NEAR = 0.5
"""Farthest that a centre of pressure is from the nearest marker, over the ground [m]. Measured: 0.045 m at most in
the medians of the recordings at hand."""
STOOD_ON = 100.0
"""Vertical force at which that is looked at [N]."""


def together(*recordings: Recording) -> Recording:
    """One recording of what several files hold of the same trial, on one clock.

        walk = together(read("walk.trc"), read("grf_walk.mot"), read("emg_walk.sto"))

    Motion comes from at most one of them, and so do forces and EMG. The result is called after the one with the motion,
    else the first; `start` is the first frame's time on the clock they share, and frames that not all files cover are
    left out, which the notes tell.

    Args:
        recordings: In any order. Their world must be the same: where one was read with `up`, others may need it.

    Raises:
        ValueError: There is none, two hold the same kind of thing, or they have no time in common.
    """
    if not recordings:
        raise ValueError("There is no recording to put together.")
    if len(recordings) == 1:
        return recordings[0]
    _check_one_of_each(recordings)
    main = next((recording for recording in recordings if recording.frames), recordings[0])
    begin, end = _shared(recordings)
    notes = [*main.origin.notes]
    for other in recordings:
        if other is not main:
            notes.append(f"{_contents(other)} taken from {other.origin.file}, sha256 {other.origin.sha256}.")
            notes += [f"{other.origin.file}: {note}" for note in other.origin.notes]
    first, count = 0, 0
    if main.frames:
        first = int(np.ceil((begin - main.start - AT_ONCE) * main.rate))
        count = int(np.floor((end - main.start + AT_ONCE) * main.rate)) + 1 - first
        if count < 2:
            raise ValueError(f"{_spans(recordings)}: they share less than two frames of motion.")
        begin, end = main.start + first / main.rate, main.start + (first + count) / main.rate
        if count < main.frames:
            notes.append(f"{main.frames - count} of {main.frames} frames left out: not all files cover them.")
    plates = tuple(_plate(plate, each, begin, end, notes) for each in recordings for plate in each.plates)
    emg = next((_emg(each.emg, each, begin, end, notes) for each in recordings if each.emg is not None), None)
    joined = replace(
        _cut(main, first, count) if main.frames else main,
        plates=plates,
        emg=emg,
        events=_events(recordings, begin, end),
        subject=_subject(recordings),
        start=begin,
    )
    notes += _far(joined)
    licences = dict.fromkeys(each.origin.licence for each in (main, *recordings) if each.origin.licence)
    origin: Origin = replace(main.origin, licence="\n".join(licences) or None, notes=tuple(notes))
    return replace(joined, origin=origin)


def span(recording: Recording) -> tuple[float, float]:
    """From the first to the last instant that all parts of a recording cover, on the clock of its file [s]."""
    ends = [(len(plate.force) - 1) / plate.rate for plate in recording.plates]
    ends += [] if recording.emg is None else [(len(recording.emg.values) - 1) / recording.emg.rate]
    ends += [recording.duration] if recording.frames else []
    return recording.start, recording.start + min(ends, default=0.0)


def _check_one_of_each(recordings: Sequence[Recording]) -> None:
    """Forces that come twice would carry the weight twice."""
    held = {
        "motion": [each.origin.file for each in recordings if each.frames],
        "forces": [each.origin.file for each in recordings if each.plates],
        "EMG": [each.origin.file for each in recordings if each.emg is not None],
    }
    for what, files in held.items():
        if len(files) > 1:
            raise ValueError(
                f"{' and '.join(files)} both hold {what}. Leave one out, or take it away with "
                f"`dataclasses.replace(recording, {'plates=()' if what == 'forces' else 'emg=None'})`."
                if what != "motion"
                else f"{' and '.join(files)} both hold motion. Leave one out."
            )


def _shared(recordings: Sequence[Recording]) -> tuple[float, float]:
    """The time that all cover."""
    spans = [span(recording) for recording in recordings]
    begin, end = max(begin for begin, _ in spans), min(end for _, end in spans)
    if not begin < end:
        raise ValueError(f"{_spans(recordings)}: they have no time in common.")
    return begin, end


def _spans(recordings: Sequence[Recording]) -> str:
    """'walk.trc (0 to 2.37 s) and grf.mot (5 to 8 s)'."""
    return " and ".join("{} ({:.6g} to {:.6g} s)".format(each.origin.file, *span(each)) for each in recordings)


def _contents(recording: Recording) -> str:
    parts = [("Motion", recording.frames), ("Forces", recording.plates), ("EMG", recording.emg is not None)]
    return " and ".join(name for name, held in parts if held)


def _cut(recording: Recording, first: int, count: int) -> Recording:
    """Some frames of a motion."""
    kept = slice(first, first + count)
    arrays = {name: getattr(recording, name) for name in ("points", "filled", "turns")}
    coordinates: Coordinates | None = recording.coordinates
    if coordinates is not None:
        coordinates = replace(coordinates, values=coordinates.values[kept])
    cut = {name: None if array is None else array[kept] for name, array in arrays.items()}
    return replace(recording, coordinates=coordinates, **cut)


def _plate(plate: Plate, of: Recording, begin: float, end: float, notes: list[str]) -> Plate:
    """Its samples from `begin` on. A wrench about a point at rest may be interpolated, unlike a centre of pressure."""
    both = _sampled(np.concatenate([plate.force, plate.moment], axis=1), plate.rate, of, begin, end, plate.name, notes)
    return replace(plate, force=both[:, :3], moment=both[:, 3:])


def _emg(emg: Signals, of: Recording, begin: float, end: float, notes: list[str]) -> Signals:
    return replace(emg, values=_sampled(emg.values, emg.rate, of, begin, end, "EMG", notes))


def _sampled(
    values: Float[np.ndarray, "sample column"],
    rate: float,
    of: Recording,
    begin: float,
    end: float,
    what: str,
    notes: list[str],
) -> Float[np.ndarray, "kept column"]:
    """The samples from `begin` to just before `end`, the first at `begin`."""
    late = max((begin - of.start) * rate, 0.0)
    first, wanted = round(late), int(np.ceil((end - begin - AT_ONCE) * rate))
    if abs(late - first) <= AT_ONCE * rate:
        return values[first : first + wanted]
    notes.append(f"The samples of {what} lie between the frames in time; interpolated.")
    first = int(late)
    count = min(wanted, len(values) - 1 - first)
    before, after = values[first : first + count], values[first + 1 : first + 1 + count]
    return before + (late - first) * (after - before)


def _events(recordings: Sequence[Recording], begin: float, end: float) -> tuple:
    """Those within the time that is left, from its beginning."""
    moved = [replace(event, time=event.time + each.start - begin) for each in recordings for event in each.events]
    return tuple(sorted((event for event in moved if 0 <= event.time <= end - begin), key=lambda event: event.time))


def _subject(recordings: Sequence[Recording]) -> Subject:
    """The first word that any file has on each."""
    said = {
        field.name: next((v for each in recordings if (v := getattr(each.subject, field.name)) is not None), None)
        for field in fields(Subject)
    }
    return Subject(**said)


def _far(recording: Recording) -> list[str]:
    """A note where forces act where nobody is: then the worlds of the files are not the same."""
    if recording.points is None:
        return []
    notes = []
    for plate in recording.plates:
        loaded = np.flatnonzero(plate.force[:, 2] > STOOD_ON)
        frames = np.round(loaded / plate.rate * recording.rate).astype(int)
        loaded, frames = loaded[frames < recording.frames], frames[frames < recording.frames]
        gaps = np.linalg.norm(recording.points[frames, :, :2] - plate.centre[loaded, None, :2], axis=2)
        gaps = gaps[np.isfinite(gaps).any(axis=1)]
        gap = float(np.median(np.nanmin(gaps, axis=1))) if len(gaps) else 0.0
        if gap > NEAR:
            notes.append(f"{plate.name} pushes {gap:.1f} m away from the nearest point: are the files of one world?")
    return notes
