"""BVH: a joint tree with its motion, in one text file. Its units and its up axis are not written down, so they are told
from the body.

Format: Meredith and Maddock (2001), Motion Capture File Formats Explained, University of Sheffield, CS-01-11.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from jaxtyping import Float

from myotrack.capture.axes import Up
from myotrack.capture.recording import Recording, Tree
from myotrack.capture.source import Source
from myotrack.capture.tree import (
    MOST_FRAMES,
    MOST_JOINTS,
    MOST_POSES,
    Motion,
    about_axes,
    forward,
    metres,
    recorded,
    rest_up,
    size,
    up_note,
    world_up,
)
from myotrack.capture.words import LARGEST_NUMBER, is_number, numbers

LONGEST_HEADER = 4 << 20
"""Characters before MOTION; a thousand joints take 300,000."""
LONGEST_NUMBER = 40
"""Characters a number may take, with its space."""
CHUNK = 200_000
"""Numbers turned from text at once."""

NEAR_REST_DEG = 1.0
"""Angles below this count as zero when looking for a T-pose. Tuned: the CMU conversion by B. Hahne (2010) begins with
angles of 0.5 deg in the trunk, and with up to 10 deg in two joints of the fingers."""
LONGEST_BLEND = 8
"""Steps within which a blend from the T-pose ends; that of the CMU conversion takes 5 and rings for 3 more."""
ORDINARY = slice(12, 72)
"""The steps with which those of a blend are compared: half a second at 120 Hz."""


@dataclass
class Node:
    """A joint or an end of the hierarchy."""

    name: str
    parent: int
    offset: tuple[float, float, float] | None = None
    channels: list[str] = field(default_factory=list)
    """'xposition', 'zrotation', ..., in the order of the columns."""


def looks_like_bvh(content: bytes) -> bool:
    """Whether a file's content is BVH: it begins with the word HIERARCHY."""
    return re.match(rb"(?:\xef\xbb\xbf)?\s{0,100}HIERARCHY\b", content[:256], re.IGNORECASE) is not None


def read_bvh(source: Source, unit: float | None = None, up: Up | None = None, skip: int | None = None) -> Recording:
    """Read a BVH file.

    Args:
        unit: Length of one unit [m]. None: told from the height of the skeleton.
        up: Direction of the file's world that points up. None: told from the rest pose and from how the body stands.
        skip: Frames to leave out at the beginning. None: a T-pose before the motion, with the frames that blend from it
            into the motion, is looked for and left out.

    Raises:
        CaptureError: The file is damaged, or its unit cannot be told.
    """
    text = source.text()
    header = re.compile(r"^[ \t]*MOTION\b", re.MULTILINE | re.IGNORECASE).search(text, 0, LONGEST_HEADER)
    if header is None:
        raise source.error("no line MOTION follows the hierarchy")
    nodes = _hierarchy(source, text[: header.start()])
    values, rate = _values(source, text, header.end(), sum(len(node.channels) for node in nodes))
    if len(values) * len(nodes) > MOST_POSES:
        raise source.error(f"{len(values)} frames of {len(nodes)} joints are too many; split the file first")
    notes = []
    dropped = _t_pose(nodes, values) if skip is None else skip
    if not 0 <= dropped < len(values):
        raise source.error(f"cannot leave out {dropped} of {len(values)} frames")
    if dropped:
        what = "" if skip is not None else ", a T-pose and the blend from it,"
        notes.append(f"The first {dropped} frames{what} were left out.")
    tree = Tree(
        tuple(node.name for node in nodes),
        tuple(node.parent for node in nodes),
        _rest(nodes),
    )
    motion, slides = _motion(nodes, values[dropped:])
    notes += slides
    points, _ = forward(tree, motion.sampled())
    unit, unit_note = metres(source, size(tree, points), unit)
    at_rest = rest_up(tree)
    world = up or world_up(tree, points, at_rest or "y")
    notes += [unit_note, up_note(world, up is not None)]
    if at_rest is None:
        notes.append("With all angles zero the skeleton is not a standing person.")
    tree = replace(tree, rest=tree.rest * unit)
    motion = motion.scaled(unit)
    return recorded(source, "BVH", tree, motion, (at_rest or world, world), rate, notes, start=dropped / rate)


def _hierarchy(source: Source, text: str) -> list[Node]:
    """Joints and ends, parents before children."""
    words = text.lstrip("\ufeff").split()
    nodes: list[Node] = []
    above: list[int] = []
    names: set[str] = set()
    at = 1
    if not words or words[0].upper() != "HIERARCHY":
        raise source.error("the file does not begin with HIERARCHY")
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            brace = next((i for i in range(at + 1, min(at + 20, len(words))) if words[i] == "{"), None)
            if brace is None:
                raise source.error(f"no brace follows {' '.join(words[at : at + 2])}")
            node = _node(source, word, " ".join(words[at + 1 : brace]), nodes, above)
            if node.name in names:
                raise source.error(f"two joints are named '{node.name}'")
            if len(nodes) == MOST_JOINTS:
                raise source.error(f"more than {MOST_JOINTS} joints")
            names.add(node.name)
            above.append(len(nodes))
            nodes.append(node)
            at = brace + 1
        elif not above:
            raise source.error(f"'{words[at][:40]}' stands outside of the braces of the root")
        elif word == "}":
            if nodes[above.pop()].offset is None:
                raise source.error("a joint has no OFFSET")
            at += 1
        elif word == "OFFSET":
            nodes[above[-1]].offset = _offset(source, nodes[above[-1]].name, words[at + 1 : at + 4])
            at += 4
        elif word == "CHANNELS":
            nodes[above[-1]].channels = _channels(source, nodes[above[-1]].name, words[at + 1 : at + 8])
            at += 2 + len(nodes[above[-1]].channels)
        else:
            raise source.error(f"'{words[at][:40]}' is not expected in joint '{nodes[above[-1]].name}'")
    if above:
        raise source.error(f"the braces of joint '{nodes[above[-1]].name}' are not closed before MOTION")
    if not nodes:
        raise source.error("the hierarchy has no ROOT")
    return nodes


def _node(source: Source, word: str, name: str, nodes: list[Node], above: list[int]) -> Node:
    """The joint or end that a brace opens."""
    if (word == "ROOT") == bool(above):
        raise source.error(f"{word} {name[:40]} stands {'inside' if above else 'outside'} of a joint")
    if word == "ROOT" and nodes:
        raise source.error("the file has two roots; give every figure a file of its own")
    if word == "END":
        name = f"{nodes[above[-1]].name}_end"
    if not name:
        raise source.error("a joint has no name")
    return Node(name, above[-1] if above else -1)


def _offset(source: Source, name: str, words: list[str]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(word) for word in words)
    except ValueError:
        raise source.error(f"the OFFSET of joint '{name}' is not three numbers") from None
    if not all(abs(value) < LARGEST_NUMBER for value in (x, y, z)):
        raise source.error(f"the OFFSET of joint '{name}' is not finite or too large")
    return x, y, z


def _channels(source: Source, name: str, words: list[str]) -> list[str]:
    count = int(words[0]) if words and re.fullmatch(r"[0-6]", words[0]) else None
    if count is None:
        raise source.error(f"the CHANNELS of joint '{name}' are not 0 to 6")
    channels = [word.lower() for word in words[1 : 1 + count]]
    known = len(set(channels)) == count and all(re.fullmatch("[xyz](position|rotation)", word) for word in channels)
    if not known:
        raise source.error(f"joint '{name}' promises {count} channels, but they are {' '.join(words[1:])[:80]}")
    return channels


def _values(source: Source, text: str, start: int, columns: int) -> tuple[Float[np.ndarray, "frame column"], float]:
    """The numbers after MOTION, and the frames per second."""
    head = re.compile(r"\s*Frames:\s*(\S+)\s+Frame[ \t]+Time:\s*(\S+)[^\n]*\n?", re.IGNORECASE).match(
        text[start : start + 2000]
    )
    if head is None:
        raise source.error("MOTION is not followed by 'Frames:' and 'Frame Time:'")
    if re.fullmatch(r"\d{1,12}", head[1], re.ASCII) is None or int(head[1]) == 0:
        raise source.error(f"'Frames: {head[1][:40]}' is not a number of frames")
    if columns == 0:
        raise source.error("no joint has channels, so nothing moves")
    frames, rate = int(head[1]), _rate(source, head[2])
    start += head.end()
    if frames > MOST_FRAMES or frames * columns > len(text) - start:
        raise source.error(f"{frames} frames of {columns} values are promised, more than the file can hold")
    if text.count("\n", start) > 2 * frames + 1000:
        raise source.error(f"far more lines follow MOTION than the {frames} frames promised")
    values = np.empty(frames * columns)
    rows: list[list[str]] = []
    done, first_line = 0, text.count("\n", 0, start) + 1
    for number, line in enumerate(_lines(text, start), first_line):
        if len(line) > LONGEST_NUMBER * columns + 1000:
            raise source.error(f"line {number} is longer than {columns} values")
        row = line.split()
        if not row:
            continue
        if done + len(rows) == frames:
            raise source.error(f"line {number}: more than the {frames} frames promised")
        if len(row) != columns:
            raise source.error(f"line {number}: {len(row)} values where the joints have {columns} channels")
        rows.append(row)
        if len(rows) * columns >= CHUNK:
            done = _convert(source, rows, values, done, columns)
            rows = []
    done = _convert(source, rows, values, done, columns)
    if done < frames:
        raise source.error(f"the file ends after {done} of {frames} frames; copy it again")
    return values.reshape(frames, columns), rate


def _lines(text: str, start: int):
    """The lines from a position on, one after the other."""
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _convert(source: Source, rows: list[list[str]], values: np.ndarray, done: int, columns: int) -> int:
    """Turn rows of words into numbers; returns the number of frames done."""
    words = list(chain.from_iterable(rows))
    values[done * columns : (done + len(rows)) * columns] = numbers(
        source, words, lambda index: f"frame {done + index // columns + 1}"
    )
    return done + len(rows)


def _rate(source: Source, word: str) -> float:
    """Frames per second; a whole number where the frame time is one, cut to the digits written."""
    seconds = float(word) if is_number(word) else 0.0
    if not 1e-5 < seconds < 10.0:
        raise source.error(f"'Frame Time: {word[:40]}' is not a time between two frames")
    whole = max(round(1 / seconds), 1)
    digits = len(word.partition(".")[2]) if "e" not in word.lower() else 0
    return float(whole) if digits and abs(seconds - 1 / whole) < 10.0**-digits else 1 / seconds


def _offsets(nodes: list[Node]) -> Float[np.ndarray, "joint 3"]:
    return np.array([node.offset or (0.0, 0.0, 0.0) for node in nodes])


def _rest(nodes: list[Node]) -> Float[np.ndarray, "joint 3"]:
    """Joint positions with all angles zero and the root at the origin."""
    rest = _offsets(nodes)
    rest[0] = 0.0
    for index, node in enumerate(nodes[1:], 1):
        rest[index] += rest[node.parent]
    return rest


def _motion(nodes: list[Node], values: Float[np.ndarray, "frame column"]) -> tuple[Motion, list[str]]:
    """Local rotations and positions; notes on joints that slide."""
    frames = len(values)
    columns = np.ascontiguousarray(values.T)
    local = np.zeros((4, len(nodes), frames))
    local[0] = 1.0
    offsets = _offsets(nodes)
    root = np.zeros((3, frames))
    shifts: dict[int, np.ndarray] = {}
    resting = 0
    by_order: dict[str, list[tuple[int, list[int]]]] = {}
    at = 0
    for index, node in enumerate(nodes):
        where = {channel: at + i for i, channel in enumerate(node.channels)}
        at += len(where)
        turns = [channel for channel in node.channels if channel.endswith("rotation")]
        if turns:
            order = "".join(channel[0] for channel in turns)
            by_order.setdefault(order, []).append((index, [where[channel] for channel in turns]))
        offset = np.repeat(offsets[index][:, None], frames, axis=1)
        for axis, channel in enumerate(("xposition", "yposition", "zposition")):
            if channel in where:
                offset[axis] = columns[where[channel]]
        if index == 0:
            root = offset
        elif not offset.any():
            resting += offsets[index].any()
        elif np.abs(offset - offsets[index][:, None]).max() > 1e-4 * np.abs(offsets[index]).max():
            shifts[index] = offset
    for order, joints in by_order.items():
        angles = np.radians(columns[np.array([rows for _, rows in joints]).T])
        local[:, [index for index, _ in joints]] = about_axes(angles, order)
    notes = [f"{len(shifts)} joints slide in their parents, so bones change in length."] if shifts else []
    if resting:
        notes.append(f"The positions of {resting} joints are zero throughout; their OFFSET was taken instead.")
    return Motion(local, root, shifts), notes


def _t_pose(nodes: list[Node], values: Float[np.ndarray, "frame column"]) -> int:
    """How many leading frames are a T-pose and a blend from it into the motion.

    The first frame must be the rest pose and the second must leave it faster than the body moves afterwards. The blend
    ends with the last of the first steps that is twice as fast as usual, one frame being added for its ringing.
    """
    channels = [channel for node in nodes for channel in node.channels]
    angle = np.array([channel.endswith("rotation") for channel in channels])
    root = angle[: len(nodes[0].channels)]
    if len(values) < ORDINARY.start + 10 or not angle.any():
        return 0
    first = np.abs(values[0][angle])
    if first[: root.sum()].any() or np.mean(first < NEAR_REST_DEG) < 0.8:
        return 0
    angles = values[: ORDINARY.stop + 1, angle]
    steps = np.abs((np.diff(angles, axis=0) + 180) % 360 - 180).mean(axis=1)
    usual = np.median(steps[ORDINARY])
    if not steps[0] > 3 * usual:
        return 0
    blending = np.flatnonzero(steps[:LONGEST_BLEND] > 2 * usual)
    last = int(blending[-1])
    return 1 if last == 0 else last + 2
