"""ASF/AMC: the skeleton in one text file, its motion in another. The format of the CMU motion capture database.

Format: Acclaim Motion Capture as described by Lander (1998), Working with Motion Capture File Formats, Game Developer.
Each bone has a frame of its own, turned by C from the world at rest; its angles M are about the axes of that frame, so
the bone's turn relative to its parent is C M C⁻¹ about the world's axes.
"""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.capture.asf import Bone, Skeleton, read_asf
from myotrack.capture.axes import Up
from myotrack.capture.recording import Recording
from myotrack.capture.source import Source
from myotrack.capture.tree import (
    MOST_FRAMES,
    MOST_POSES,
    UNITS,
    Motion,
    about_axes,
    forward,
    metres,
    product,
    recorded,
    rest_up,
    size,
    up_note,
)
from myotrack.capture.words import is_number, numbers

CHUNK_FRAMES = 512
"""Frames turned from text at once."""
LONGEST_FRAME = 65_536
"""Characters a frame may have; those of the CMU database have 700."""
USUAL_RATE = 120.0
"""Frames per second of the CMU database (mocap.cs.cmu.edu/info.php); the files do not say it [Hz]."""


def looks_like_amc(content: bytes) -> bool:
    """Whether a file's content is AMC: it begins with '#!OML:ASF' or ':FULLY-SPECIFIED'."""
    start = content[:4096]
    if looks_like_asf(content):
        return False
    return re.match(rb"(?:\xef\xbb\xbf)?\s{0,100}#!OML:ASF", start, re.IGNORECASE) is not None or (
        re.search(rb"^:(?:FULLY-SPECIFIED|DEGREES|RADIANS|SAMPLES-PER-SECOND)\b", start, re.MULTILINE | re.IGNORECASE)
        is not None
    )


def looks_like_asf(content: bytes) -> bool:
    """Whether a file's content is ASF: it has a line ':bonedata', ':units' or ':hierarchy' near its beginning."""
    words = rb"^[ \t]*:(?:bonedata|units|hierarchy)\b"
    return re.search(words, content[:4096], re.MULTILINE | re.IGNORECASE) is not None


def read_amc(
    source: Source,
    skeleton: Path | None = None,
    unit: float | None = None,
    rate: float | None = None,
    up: Up | None = None,
) -> Recording:
    """Read an AMC file and the skeleton that belongs to it.

    Args:
        skeleton: The ASF file. None: looked for beside the AMC, '02.asf' or the like for '02_05.amc', or the only one.
        unit: Length of one unit of the skeleton [m]. None: an inch divided by the ASF's unit of length, as in the CMU
            database, unless that makes no person.
        rate: Frames per second [Hz]. None: what the file says, or 120 as in the CMU database.
        up: Direction of the file's world that points up. None: that in which the skeleton stands at rest.

    Raises:
        CaptureError: There is no skeleton, or one of the files is damaged.
    """
    if looks_like_asf(source.content):
        raise source.error("this is a skeleton without motion; give the AMC file that belongs to it")
    found = Source.open(skeleton if skeleton is not None else skeleton_beside(source))
    asf = read_asf(found)
    header, starts, text = _split(source)
    order, values, held = _values(source, text, starts, asf, ":fully-specified" in header)
    if len(values) * len(asf.tree.joints) > MOST_POSES:
        raise source.error(f"{len(values)} frames of {len(asf.tree.joints)} joints are too many; split the file first")
    notes = [f"The skeleton is from {found.path.name}, sha256 {found.sha256}."]
    silent = [bone.name for bone in asf.bones if bone.dof and bone.name not in order]
    if silent:
        notes.append(f"The motion of {', '.join(silent)} is not in the file; they stay as at rest.")
    degrees = ":radians" not in header if asf.degrees else ":degrees" in header
    motion = _motion(asf, order, values, degrees)
    rate, heard = _rate(source, header, rate)
    points, _ = forward(asf.tree, motion.sampled())
    unit, unit_note = metres(source, size(asf.tree, points), unit, UNITS["inches"] / asf.length)
    at_rest = rest_up(asf.tree)
    world = up or at_rest or "y"
    notes += [*held, heard, unit_note, up_note(world, up is not None)]
    tree = replace(asf.tree, rest=asf.tree.rest * unit)
    return recorded(source, "ASF/AMC", tree, motion.scaled(unit), (at_rest or world, world), rate, notes)


def skeleton_beside(source: Source) -> Path:
    """The ASF that belongs to an AMC: of the same name, of the subject's, or the only one in the folder."""
    folder = source.path.parent
    try:
        beside = sorted(path for path in folder.iterdir() if re.search(r"\.asf(\.gz)?$", path.name, re.IGNORECASE))
    except OSError as error:
        raise source.error(f"its folder cannot be listed ({error.strerror}); give `skeleton`") from error
    by_stem = {re.sub(r"\.asf(\.gz)?$", "", path.name, flags=re.IGNORECASE).lower(): path for path in beside}
    stem = source.stem.lower()
    for name in (stem, stem.rpartition("_")[0], stem.rstrip("0123456789")):
        if name in by_stem:
            return by_stem[name]
    if len(beside) == 1:
        return beside[0]
    wanted = sorted({f"{stem}.asf", f"{stem.rpartition('_')[0] or stem}.asf"})
    raise source.error(f"the skeleton is missing; put {' or '.join(wanted)} beside it, or name the ASF file")


def _split(source: Source) -> tuple[str, list[int], str]:
    """The header in lower case, where each frame begins, and the text."""
    text = source.text()
    numbers = re.compile(r"^[ \t]*([0-9]{1,9})[ \t\r]*$", re.MULTILINE)
    starts: list[int] = []
    before = None
    for match in numbers.finditer(text):
        number = int(match[1])
        if before is not None and number != before + 1:
            raise source.error(f"frame {number} follows frame {before}")
        if len(starts) == MOST_FRAMES:
            raise source.error(f"more than {MOST_FRAMES} frames; split the file first")
        before = number
        starts.append(match.start())
    if not starts:
        raise source.error("no frame is in the file")
    if starts[0] > LONGEST_FRAME:
        raise source.error("the first frame comes too late; the file is no AMC")
    starts.append(len(text))
    if max(end - start for start, end in pairwise(starts)) > LONGEST_FRAME:
        raise source.error("a frame is too long; the file is no AMC")
    return text[: starts[0]].lower(), starts, text


def _rate(source: Source, header: str, rate: float | None) -> tuple[float, str]:
    """Frames per second, and how it is known."""
    match = re.search(r"^[ \t]*:samples-per-second[ \t]+([0-9.]{1,12})[ \t\r]*$", header, re.MULTILINE)
    if rate is not None:
        said = f"{rate:g} frames per second, as the user says."
    elif match is not None and is_number(match[1]):
        rate = float(match[1])
        said = f"{rate:g} frames per second, as the file says."
    else:
        rate = USUAL_RATE
        said = f"The file does not say its rate; {rate:g} frames per second as in the CMU database are taken."
    if not 0.1 < rate < 1e5:
        raise source.error(f"a rate of {rate:g} frames per second makes no sense")
    return rate, said


def _values(
    source: Source, text: str, starts: list[int], asf: Skeleton, whole: bool
) -> tuple[dict[str, slice], Float[np.ndarray, "frame value"], list[str]]:
    """All numbers, the columns of each bone, and a note if bones were held.

    Usually every frame lists the same bones in the same order, and many frames can be read at once.

    Args:
        whole: Every frame must name every bone. Otherwise one that is left out stays as it was.
    """
    order: dict[str, slice] = {}
    named: list[int] = []
    numbered: list[int] = []
    width = 1
    for bone, words in _lines(source, text[starts[0] : starts[1]], 1, asf).items():
        order[bone] = slice(len(numbered), len(numbered) + len(words))
        named.append(width)
        numbered += range(width + 1, width + 1 + len(words))
        width += 1 + len(words)
    frames = len(starts) - 1
    fields = np.array(list(order), dtype=object)
    values = np.empty((frames, len(numbered)))
    held = 0
    for start in range(0, frames, CHUNK_FRAMES):
        end = min(start + CHUNK_FRAMES, frames)
        words = text[starts[start] : starts[end]].split()
        table = np.array(words, dtype=object).reshape(-1, width) if len(words) == (end - start) * width else None
        if table is not None and (table[:, named] == fields).all():
            flat = table[:, numbered].ravel().tolist()
            values[start:end] = _numbers(source, flat, start, len(numbered)).reshape(end - start, -1)
            continue
        for frame in range(start, end):
            lines = _lines(source, text[starts[frame] : starts[frame + 1]], frame + 1, asf)
            missing = next((bone for bone in order if bone not in lines), None)
            strange = next((bone for bone in lines if bone not in order), None)
            if missing is not None and whole:
                raise source.error(f"frame {frame + 1}: bone '{missing}' is missing; the file may be cut short")
            if strange is not None:
                raise source.error(f"frame {frame + 1}: bone '{strange}' is not in the first frame")
            held += missing is not None
            values[frame] = values[max(frame - 1, 0)]
            for bone, given in lines.items():
                values[frame, order[bone]] = _numbers(source, given, frame, len(given))
    return order, values, [f"In {held} frames bones are left out; they keep their angles."] if held else []


def _lines(source: Source, frame: str, number: int, asf: Skeleton) -> dict[str, list[str]]:
    """Bone and values of each line of a frame, which the skeleton must know."""
    lines: dict[str, list[str]] = {}
    for line in frame.split("\n")[1:]:
        bone, *words = line.split() or [""]
        if not bone or bone.startswith("#"):
            continue
        if bone not in asf.by_name:
            raise source.error(f"frame {number}: the skeleton has no bone '{bone[:40]}'; it may be another subject's")
        due = len(asf.by_name[bone].dof)
        if len(words) != due:
            raise source.error(f"frame {number}: bone '{bone}' has {len(words)} values where the skeleton has {due}")
        if bone in lines:
            raise source.error(f"frame {number}: bone '{bone}' comes twice")
        lines[bone] = words
    return lines


def _numbers(source: Source, words: list[str], frame: int, per_frame: int) -> Float[np.ndarray, "value"]:
    """Words as numbers; `frame` is the index of the first word's."""
    return numbers(source, words, lambda index: f"frame {frame + 1 + index // per_frame}")


def _motion(asf: Skeleton, order: dict[str, slice], values: Float[np.ndarray, "frame value"], degrees: bool) -> Motion:
    """Local rotations about the world's axes at rest, and where the root is [units of the skeleton]."""
    frames = len(values)
    columns = np.ascontiguousarray(values.T)
    local = np.zeros((4, len(asf.tree.joints), frames))
    local[0] = 1.0
    root = np.repeat(asf.position[:, None], frames, axis=1)
    by_dof: dict[str, list[Bone]] = {}
    for bone in asf.bones:
        turns = "".join(dof[1] for dof in bone.dof if dof[0] == "r")
        if turns and bone.name in order:
            by_dof.setdefault(turns, []).append(bone)
    for turns, bones in by_dof.items():
        rows = [[order[bone.name].start + i for i, dof in enumerate(bone.dof) if dof[0] == "r"] for bone in bones]
        angles = columns[np.array(rows).T]
        # The angles are about the axes of the bone's frame at rest, the first of them first: the last one turns
        # everything, so that it comes first among turning axes.
        turn = about_axes((np.radians(angles) if degrees else angles)[::-1], turns[::-1])
        axis = np.stack([bone.axis for bone in bones], axis=1)[:, :, None]
        local[:, [bone.joint for bone in bones]] = product(
            product(axis, turn), axis * np.array([1.0, -1.0, -1.0, -1.0])[:, None, None]
        )
    if "root" in order:
        for i, dof in enumerate(asf.by_name["root"].dof):
            if dof[0] == "t":
                root["xyz".index(dof[1])] += columns[order["root"].start + i]
    return Motion(local, root)
