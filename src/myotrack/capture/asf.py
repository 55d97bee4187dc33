"""ASF: the skeleton that AMC files move. Each bone's direction, length, axes and degrees of freedom."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from myotrack.capture.recording import Tree
from myotrack.capture.source import Source
from myotrack.capture.tree import MOST_JOINTS, about_axes
from myotrack.capture.words import numbers

LONGEST = 4 << 20
"""Bytes an ASF file may have; those of the CMU database have 7000."""


@dataclass(frozen=True)
class Bone:
    """A bone, or the root."""

    name: str
    joint: int
    """Where it stands in the tree."""
    along: Float[np.ndarray, "3"]
    """From its beginning to its end at rest [units]."""
    axis: Float[np.ndarray, "4"]
    """Rotation from the world to the bone's own frame at rest."""
    dof: tuple[str, ...]
    """What the AMC gives, in its order: 'rx', 'ry', 'rz', and for the root 'tx', 'ty', 'tz'."""


@dataclass(frozen=True)
class Skeleton:
    """What an ASF file says, in its own units and axes."""

    tree: Tree
    """A joint has the name of its bone and stands where the bone begins."""
    bones: tuple[Bone, ...]
    """The root first."""
    length: float
    """The unit of length that the file names; 0.45 in the CMU database."""
    degrees: bool
    position: Float[np.ndarray, "3"]
    """Of the root, before the AMC moves it."""

    @cached_property
    def by_name(self) -> dict[str, Bone]:
        """The bones by their names."""
        return {bone.name: bone for bone in self.bones}


def read_asf(source: Source) -> Skeleton:
    """Read an ASF file.

    Raises:
        CaptureError: The file is no ASF, or damaged.
    """
    if len(source.content) > LONGEST:
        raise source.error(f"a skeleton larger than {LONGEST >> 20} MiB")
    sections = _sections(source.text())
    for section in ("root", "bonedata", "hierarchy"):
        if section not in sections:
            raise source.error(f"the skeleton has no section ':{section}'")
    units = {words[0].lower(): words[1:] for words in sections.get("units", [])}
    length = _numbers(source, "length of :units", units.get("length", ["1"]), 1)[0]
    if not length > 0:
        raise source.error(f"a unit of length of {length} makes no sense")
    degrees = units.get("angle", ["deg"])[:1] != ["rad"]
    described = _bonedata(source, sections["bonedata"])
    parents = _hierarchy(source, sections["hierarchy"], set(described))
    root = {words[0].lower(): words[1:] for words in sections["root"]}
    position = _numbers(source, "position of the root", root.get("position", ["0"] * 3), 3)
    orientation = [*root.get("orientation", ["0"] * 3), *root.get("axis", ["XYZ"])]
    described["root"] = {"axis": orientation, "dof": root.get("order", [])}
    tree, bones = _assemble(source, described, parents, degrees)
    return Skeleton(tree, bones, float(length), degrees, position)


def _sections(text: str) -> dict[str, list[list[str]]]:
    """The lines of each section, as words, without comments."""
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:].lower(), [])
        else:
            lines.append(words)
    return sections


def _bonedata(source: Source, lines: list[list[str]]) -> dict[str, dict[str, list[str]]]:
    """The words of each bone by keyword."""
    bones: dict[str, dict[str, list[str]]] = {}
    bone: dict[str, list[str]] | None = None
    for words in lines:
        word = words[0].lower()
        if word == "begin":
            if bone is not None:
                raise source.error("a bone begins inside of another one")
            bone = {}
        elif bone is None:
            raise source.error(f"'{words[0][:40]}' stands outside of begin and end in :bonedata")
        elif word == "end":
            name = " ".join(bone.get("name", []))
            if not name or name == "root" or name in bones:
                raise source.error(f"a bone is named '{name[:40]}', which is no name or taken")
            if len(bones) == MOST_JOINTS:
                raise source.error(f"more than {MOST_JOINTS} bones")
            bones[name] = bone
            bone = None
        elif not word.startswith("("):
            bone[word] = words[1:]
    if bone is not None:
        raise source.error("the last bone of :bonedata does not end")
    return bones


def _hierarchy(source: Source, lines: list[list[str]], bones: set[str]) -> dict[str, str]:
    """The parent of each bone, parents before children."""
    children: dict[str, list[str]] = {}
    parents: dict[str, str] = {}
    for words in lines:
        if words[0].lower() in ("begin", "end"):
            continue
        for name in words[1:]:
            if name not in bones:
                raise source.error(f"the hierarchy names a bone '{name[:40]}' that :bonedata does not have")
            if name in parents:
                raise source.error(f"bone '{name[:40]}' has two parents")
            parents[name] = words[0]
            children.setdefault(words[0], []).append(name)
    ordered: dict[str, str] = {}
    waiting = list(reversed(children.get("root", [])))
    while waiting:
        name = waiting.pop()
        ordered[name] = parents[name]
        waiting += reversed(children.get(name, []))
    lost = bones - ordered.keys()
    if lost:
        raise source.error(f"bone '{min(lost)[:40]}' hangs on nothing in the hierarchy")
    return ordered


def _assemble(
    source: Source, described: dict[str, dict[str, list[str]]], parents: dict[str, str], degrees: bool
) -> tuple[Tree, tuple[Bone, ...]]:
    """The tree, with an end for each bone that carries no other."""
    index = {"root": 0} | {name: number for number, name in enumerate(parents, 1)}
    bones = tuple(_bone(source, name, index[name], described[name], degrees) for name in index)
    parent = [-1, *(index[above] for above in parents.values())]
    rest = [np.zeros(3)]
    for above in parent[1:]:
        rest.append(rest[above] + bones[above].along)
    names = list(index)
    for bone in bones[1:]:
        if bone.joint not in parent:
            names.append(f"{bone.name}_end")
            parent.append(bone.joint)
            rest.append(rest[bone.joint] + bone.along)
    if len(set(names)) < len(names):
        raise source.error("a bone is named as the end of another one")
    return Tree(tuple(names), tuple(parent), np.stack(rest)), bones


def _bone(source: Source, name: str, joint: int, said: dict[str, list[str]], degrees: bool) -> Bone:
    """One bone from its words."""
    along = np.zeros(3)
    if name != "root":
        direction = _numbers(source, f"direction of {name}", said.get("direction", []), 3)
        length = _numbers(source, f"length of {name}", said.get("length", []), 1)
        norm = float(np.linalg.norm(direction))
        if norm == 0 and length[0] != 0:
            raise source.error(f"bone '{name}' has a length but no direction")
        along = direction / norm * length[0] if norm else along
    axis = said.get("axis", ["0", "0", "0", "XYZ"])
    order = axis[3].lower() if len(axis) > 3 else "xyz"
    if sorted(order) != ["x", "y", "z"]:
        raise source.error(f"the axis order of {name} is '{order[:20]}'")
    angles = _numbers(source, f"axis of {name}", axis, 3)
    angles = np.radians(angles) if degrees else angles
    by_axis = np.array([angles["xyz".index(letter)] for letter in order])
    dof = tuple(word.lower() for word in said.get("dof", []))
    allowed = "[rt][xyz]" if name == "root" else "r[xyz]"
    if len(set(dof)) < len(dof) or not all(re.fullmatch(allowed, word) for word in dof):
        raise source.error(f"bone '{name}' has degrees of freedom that are not read: {' '.join(dof)[:80]}")
    return Bone(name, joint, along, about_axes(by_axis[::-1], order[::-1]), dof)


def _numbers(source: Source, what: str, words: list[str], count: int) -> Float[np.ndarray, "number"]:
    if len(words) < count:
        raise source.error(f"the {what} has {len(words)} numbers instead of {count}")
    return numbers(source, words[:count], lambda _: f"the {what}")
