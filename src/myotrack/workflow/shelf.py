"""The place of a clip in its folder: whether what is there may stay, how a clip gets there, and how it leaves.

A clip and its mirror image stand together: both are as the recording and the choices make them today, or neither is.
"""

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.capture.asfamc import skeleton_beside
from myotrack.capture.source import CaptureError, Source
from myotrack.clips.clip import Clip
from myotrack.clips.store import ClipError, header, save
from myotrack.workflow.choices import MADE_BY, Choices
from myotrack.workflow.folder import sha256

ASIDE = ".old"
"""What the name of a clip that was set aside ends in, so that nobody who loads the folder takes it for a clip."""
_SKELETON = re.compile(r"The skeleton is from (.+), sha256 ([0-9a-f]{64})\.")
"""The note of the reader of ASF/AMC."""


def kept(recording: Path, target: Path, anatomy: Anatomy, choices: Choices) -> dict[str, Any] | None:
    """The header of the clip that is there, if making it again would change nothing.

    It must be of the same recording, skeleton beside it, body, choices, given files, and version of myotrack.
    Versions of other packages do not count, since they change no more than last digits.

    Args:
        recording: The motion file.
        target: Where its clip belongs.
        anatomy: The body in its own size.
        choices: What holds for the run.
    """
    try:
        about = header(target)
        body = anatomy.resized(Sizes.from_dict(about["sizes"])) if "sizes" in about else anatomy
    except ValueError:
        return None
    origin = about["provenance"]
    notes = origin["notes"]
    # Ours come last, so a recording cannot speak for us.
    first = max((row for row, note in enumerate(notes) if note.startswith(MADE_BY)), default=len(notes))
    same = (
        (about["body"], about["fingers"], about["body_hash"]) == (body.name, body.fingers, body.hash)
        and about["name"] == target.stem
        and origin["sha256"] == sha256(recording)
        and notes[first:] == list(choices.notes())
        and (origin["format"] != "ASF/AMC" or choices.skeleton is not None or _same_skeleton(recording, notes))
    )
    return about if same else None


def put(clips: Mapping[Path, Clip]) -> None:
    """Write clips that belong together, all of them or none.

    What was there before stays until all are complete. The first is moved to its place last, so whoever finds it new
    finds the others new as well, even if the machine stops in between.

    Args:
        clips: By the file of each; all in one folder.

    Raises:
        ValueError: As `store.save`.
        OSError: They cannot be written; then none of them is new, and those that had been moved are gone.
    """
    first = next(iter(clips))
    stage = first.with_name(f".{first.stem}.{secrets.token_hex(4)}.part")
    moved: list[Path] = []
    try:
        for path, clip in clips.items():
            save(clip, stage / path.name)
        for path in reversed(list(clips)):
            (stage / path.name).replace(path)
            moved.append(path)
    except BaseException:
        for path in moved:
            path.unlink()
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def set_aside(recording: Path, *targets: Path) -> tuple[str, ...]:
    """Take clips that were made from a recording earlier out of sight: 'walk.npz' becomes 'walk.npz.old'.

    Clips of other recordings stay, as does what is no clip, which nobody would load.

    Returns:
        The new names.

    Raises:
        OSError: A clip cannot be renamed.
    """
    names = []
    for target in targets:
        try:
            mine = header(target)["provenance"]["source"] == recording.name
        except ClipError:
            continue
        if mine:
            old = target.with_name(target.name + ASIDE)
            target.replace(old)
            names.append(old.name)
    return tuple(names)


def sweep(target: Path) -> None:
    """Remove what a process that died while it wrote a clip has left behind."""
    name = re.compile(rf"\.{re.escape(target.stem)}\.[0-9a-f]{{8}}\.part")
    for path in target.parent.iterdir():
        if name.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _same_skeleton(recording: Path, notes: list[str]) -> bool:
    """Whether the ASF file that would be read now is the one that was read."""
    told = next(filter(None, map(_SKELETON.fullmatch, notes)), None)
    try:
        beside = skeleton_beside(Source(recording, b"", ""))
    except CaptureError:
        return False  # The reader will say what is missing.
    return told is not None and told.groups() == (beside.name, sha256(beside))
