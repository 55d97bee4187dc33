"""A folder of clips: which motion files it is made from, what each clip is called, and the report that lies beside."""

import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

SUFFIXES = (".amc", ".bvh", ".c3d", ".mot", ".npz", ".sto", ".trc")
"""Of files that can hold a motion; a skeleton (.asf) and analog text (.anc) cannot, so folders are not searched for
them."""
REPORT = "quality.json"


def motion_files(paths: Iterable[Path], aside: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The files to try: those given by name, whatever they are called, and those that a folder holds, at any depth.

    Args:
        paths: Files and folders.
        aside: Files and folders that are not motions, wherever they are found: the clips, a body model.

    Raises:
        ValueError: One does not exist, or a folder holds none.
    """
    left_out = {path.resolve() for path in aside}
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = tuple(_inside(path, left_out))
            if not inside:
                raise ValueError(f"{path}: there are no motion files in this folder ({', '.join(SUFFIXES)}, or .gz).")
        elif path.exists():
            inside = (path,)
        else:
            raise ValueError(f"{path}: there is no such file or folder.")
        for file in inside:
            found.setdefault(file.resolve(), file)
    return tuple(found.values())


def writable(folder: Path) -> Path:
    """Make a folder if need be, and write into it to see that it can be done.

    Raises:
        OSError: It cannot; the message says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        why = "it is not a folder" if error.errno in (errno.EEXIST, errno.ENOTDIR) else error.strerror
        raise OSError(f"{folder}: clips cannot be written here ({why}); choose another folder with --out.") from error


def clip_names(
    files: Sequence[Path], before: Mapping[str, Path] | None = None, mirrored: bool = False
) -> tuple[str, ...]:
    """A name for the clip of each file: its stem, preceded by as many folders as it takes to tell it from the others.

    Args:
        files: The motion files.
        before: Names that clips already have, and the files these were made from. A file keeps its name, and nothing
            else gets it as long as that file exists.
        mirrored: Keep '<name>_mirrored' free as well.
    """
    places = [path.resolve() for path in files]
    owners = {name: path.resolve() for name, path in (before or {}).items() if path.exists()}
    kept = {path: name for name, path in owners.items()}
    choices = [(kept[path],) if path in kept else _choices(path) for path in places]
    level = [0] * len(places)

    def claims(name: str) -> set[str]:
        # Some file systems take 'Walk' and 'walk' for the same.
        return {name.casefold(), f"{name}_mirrored".casefold()} if mirrored else {name.casefold()}

    foreign = Counter(claim for name, path in owners.items() if path not in places for claim in claims(name))
    while True:
        names = [choices[row][level[row]] for row in range(len(places))]
        wanted = foreign + Counter(claim for name in names for claim in claims(name))
        crowded = [
            row
            for row, name in enumerate(names)
            if level[row] + 1 < len(choices[row]) and any(wanted[claim] > 1 for claim in claims(name))
        ]
        if not crowded:
            return tuple(names)
        for row in crowded:
            level[row] += 1


def stem(path: Path) -> str:
    """A file's name without '.gz' and without its suffix: what its clip is called if nothing else is."""
    return Path(path.name.removesuffix(".gz")).stem


def read_report(folder: Path) -> dict:
    """The report that lies in a folder of clips; empty if there is none that can be read."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def write_report(folder: Path, report: dict) -> None:
    """Put a report beside the clips, whole or not at all."""
    part = folder / f".{REPORT}.{secrets.token_hex(4)}.part"
    try:
        part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        part.replace(folder / REPORT)
    finally:
        part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _inside(folder: Path, left_out: set[Path]) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(here, name).resolve() not in left_out
        )
        for name in sorted(names):
            path = Path(here, name)
            suffix = Path(name.lower().removesuffix(".gz")).suffix
            if suffix in SUFFIXES and not name.startswith(".") and path.resolve() not in left_out:
                yield path


def _choices(path: Path) -> tuple[str, ...]:
    """Names for the clip of a file, from the shortest to one that no other file has."""
    short, kind = stem(path), "_".join(path.name.lower().removeprefix(stem(path).lower()).strip(".").split("."))
    names = [short, *([f"{short}_{kind}"] if kind else [])]
    above = [folder.name for folder in path.parents if folder.name]
    longer = ["_".join([*reversed(above[: depth + 1]), short]) for depth in range(len(above))]
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return (names[0], *longer[:1], *names[1:], *longer[1:], f"{short}_{mark}")
