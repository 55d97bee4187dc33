"""Which clips are learned from and which are kept for judging: nobody who is judged has been seen before."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from myotrack.clips.clip import Clip


@dataclass(frozen=True)
class Split:
    """Names of clips, each list in alphabetical order; no person is in both."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def split_by_subject(clips: Iterable[Clip], test_share: float = 0.2, seed: int = 0) -> Split:
    """Keep some of the persons for judging.

    Persons are drawn by a hash of their names, so the split depends neither on the order of the clips nor on the
    machine. A clip of nobody known counts as a person of its own, with its mirror image.

    Args:
        clips: At least of two persons.
        test_share: Share of the frames to keep, in (0, 1); met as nearly as whole persons allow, at least one.
        seed: Another seed, other persons.

    Raises:
        ValueError: There is only one person, two clips have the same name, or the share is no share.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"The share of frames kept for judging lies between 0 and 1; got {test_share}.")
    persons = _persons(clips, seed)
    if len(persons) < 2:
        raise ValueError(f"A split needs clips of two persons, and there are {len(persons)}.")
    size = {person: sum(clip.frames for clip in persons[person]) for person in persons}
    goal, kept, test = test_share * sum(size.values()), 0, set[str]()
    for person in persons:
        nearer = abs(kept + size[person] - goal) < abs(kept - goal)
        if nearer and len(test) + 1 < len(persons):
            test.add(person)
            kept += size[person]
    test = test or {min(persons, key=lambda person: size[person])}
    return _split(persons, test)


def split_by_clip(clips: Iterable[Clip], test_share: float = 0.1, seed: int = 0) -> Split:
    """Keep some clips of persons who have several, so that somebody known is judged in motions never seen.

    Clips are drawn by a hash of their names, as persons are; of everybody at least one is learnt. A mirror image goes
    with its original.

    Args:
        clips: Of which somebody has at least two; nothing is kept otherwise.
        test_share: Share of the frames to keep, in (0, 1); met as nearly as whole clips allow.
        seed: Another seed, other clips.

    Raises:
        ValueError: Two clips have the same name, or the share is no share.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"The share of frames kept for judging lies between 0 and 1; got {test_share}.")
    clips = list(clips)
    left: dict[str, int] = {}
    twins: dict[str, list[Clip]] = {}
    person_of: dict[str, str] = {}
    for person, mine in _persons(clips, seed).items():
        left[person] = len({_twin(clip) for clip in mine})
        for clip in mine:
            twins.setdefault(_twin(clip), []).append(clip)
            person_of[_twin(clip)] = person
    size = {twin: sum(clip.frames for clip in same) for twin, same in twins.items()}
    goal, kept, test = test_share * sum(size.values()), 0, set[str]()
    for twin in sorted(twins, key=lambda twin: hashlib.sha256(f"{seed} clip {twin}".encode()).digest()):
        if left[person_of[twin]] > 1 and abs(kept + size[twin] - goal) < abs(kept - goal):
            test.add(twin)
            kept += size[twin]
            left[person_of[twin]] -= 1
    return _split(twins, test)


def kfold_by_subject(clips: Iterable[Clip], folds: int = 5, seed: int = 0) -> tuple[Split, ...]:
    """As many splits as there are folds, with every person kept for judging in exactly one of them.

    Args:
        clips: Of at least as many persons as there are folds.
        folds: How many, at least two; of about the same number of frames.
        seed: Another seed, other folds.

    Raises:
        ValueError: There are fewer persons than folds, two clips have the same name, or fewer than two folds.
    """
    persons = _persons(clips, seed)
    if not 2 <= folds <= len(persons):
        raise ValueError(f"{folds} folds cannot be made of the clips of {len(persons)} persons; take 2 to as many.")
    tests: list[set[str]] = [set() for _ in range(folds)]
    frames = [0] * folds
    for person, mine in persons.items():
        lightest = frames.index(min(frames))
        tests[lightest].add(person)
        frames[lightest] += sum(clip.frames for clip in mine)
    return tuple(_split(persons, test) for test in tests)


def write_names(names: Iterable[str], path: str | Path, about: str = "") -> None:
    """Write names to a text file, one a line, under a remark.

    Raises:
        ValueError: A name could not be read back.
    """
    names = tuple(names)
    for name in names:
        if name != _name_on(name) or "\n" in name or not name:
            raise ValueError(f"The name {name!r} cannot stand on a line of its own; rename the clip.")
    remark = [f"# {line}" for line in about.splitlines()]
    Path(path).write_text("\n".join([*remark, *names]) + "\n", encoding="utf-8")


def read_names(path: str | Path) -> tuple[str, ...]:
    """Names from a text file, one a line, in their order; what follows a # at the start of a word is a remark.

    Raises:
        ValueError: The file cannot be read, or holds no names or one twice.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: this is not a readable list of names, one a line ({error}).") from error
    names = tuple(name for line in lines if (name := _name_on(line)))
    if not names:
        raise ValueError(f"{path}: there are no names in it; write one a line.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: it names {', '.join(twice)} more than once; delete the repetitions.")
    return names


def _name_on(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line).strip()


def _persons(clips: Iterable[Clip], seed: int) -> dict[str, list[Clip]]:
    """The clips of every person, persons in an order drawn by the seed."""
    clips = sorted(clips, key=lambda clip: clip.name)
    names = [clip.name for clip in clips]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Clips need names of their own, and there are several called {', '.join(twice)}.")
    # A mirror image goes with its original, even if only one of the two knows its subject.
    subject = {_twin(clip): clip.subject for clip in clips if clip.subject}
    persons: dict[str, list[Clip]] = {}
    for clip in clips:
        known = clip.subject or subject.get(_twin(clip))
        persons.setdefault(f"subject {known}" if known else f"clip {_twin(clip)}", []).append(clip)

    def drawn(person: str) -> bytes:
        return hashlib.sha256(f"{seed} {person}".encode()).digest()

    return {person: persons[person] for person in sorted(persons, key=drawn)}


def _twin(clip: Clip) -> str:
    """What a clip and its mirror image are both called."""
    return clip.name.removesuffix("_mirrored")


def _split(persons: dict[str, list[Clip]], test: set[str]) -> Split:
    def names(kept: bool) -> tuple[str, ...]:
        return tuple(sorted(clip.name for person in persons if (person in test) == kept for clip in persons[person]))

    return Split(train=names(False), test=names(True))
