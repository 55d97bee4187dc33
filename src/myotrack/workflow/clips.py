"""Clips of a folder or built in, as `myotrack clips` lists them: what each is, how good it is, and how it goes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from myotrack.clips.clip import RATE, Clip
from myotrack.clips.store import ClipError, header, load
from myotrack.workflow.output import errors, print_json, print_table

if TYPE_CHECKING:
    from myotrack.workflow.cli import ClipsCommand

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 12
"""Letters of a course."""
ELBOW = "elbow_flex_r"


@dataclass(frozen=True)
class Course:
    """One quantity over the time of a clip."""

    what: str
    unit: str
    values: Float[np.ndarray, "frame"]

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return float(self.values.min()), float(self.values.max())

    @property
    def span_text(self) -> str:
        """Both of them with their unit."""
        low, high = self.span
        digits = 0 if high - low >= 10 else 1
        return f"{low:.{digits}f}–{high:.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Found:
    """A file in a folder of clips."""

    path: Path
    clip: Clip | None
    """None if it is damaged."""
    course: Course | None
    trouble: str = ""

    @property
    def poor(self) -> tuple[str, ...] | None:
        """What is beyond the usual limits; None if nobody has looked."""
        if self.clip is None or self.clip.quality is None:
            return None
        return self.clip.quality.failures()

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.poor is None:
            return "damaged" if self.clip is None else "not assessed"
        more = f" (and {len(self.poor) - 1} more)" if len(self.poor) > 1 else ""
        return f"poor: {self.poor[0]}{more}" if self.poor else "pass"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        row: dict[str, Any] = {"file": str(self.path), "damaged": self.clip is None, "trouble": self.trouble}
        if self.clip is None or self.course is None:
            return row
        clip, (low, high) = self.clip, self.course.span
        return row | {
            "name": clip.name,
            "body": clip.body,
            "fingers": clip.fingers,
            "body_hash": clip.body_hash,
            "duration": clip.duration,
            "frames": clip.frames,
            "subject": clip.subject,
            "source": clip.provenance.source,
            "format": clip.provenance.format,
            "licence": clip.provenance.licence,
            "passed": None if self.poor is None else not self.poor,
            "poor": None if self.poor is None else list(self.poor),
            "quality": clip.quality and clip.quality.as_dict(),
            "course": {"what": self.course.what, "unit": self.course.unit, "low": low, "high": high},
        }


def show_clips(command: "ClipsCommand") -> int:
    """List them, and draw them if asked to; 1 if a file is damaged."""
    if command.picture is not None and command.picture.suffix.lower() != ".png":
        raise ValueError(f"Cannot write '{command.picture}': a picture of clips ends in .png.")
    found = look(command.folder) if command.folder is not None else look_at_builtins(command.body)
    where = f"Clips in {command.folder}" if command.folder is not None else "Motions that come with myotrack"
    pages = _draw(found, command.picture) if command.picture is not None else []
    damaged = [one for one in found if one.clip is None]
    if command.json:
        rows = [one.as_dict() for one in found]
        counts = {"clips": len(found) - len(damaged), "damaged": len(damaged)}
        folder = None if command.folder is None else str(command.folder)
        print_json({"folder": folder, **counts, "pictures": [str(page) for page in pages], "rows": rows})
    else:
        _print(where, found, pages)
    return 1 if damaged else 0


def look(folder: Path) -> list[Found]:
    """Every clip of a folder, by file name; damaged files are among them.

    Raises:
        ValueError: There is no such folder, or it holds no clips.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder.")
    files = sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
    if not files:
        raise ValueError(f"{folder}: there are no clips here; make some with `myotrack retarget FILE --out {folder}`.")
    return [_look_at(path) for path in files]


def look_at_builtins(body: str) -> list[Found]:
    """The motions that come with the package, graded."""
    from myotrack.anatomy.model import Anatomy
    from myotrack.clips.builtin import builtin, builtin_names
    from myotrack.clips.quality import assess

    anatomy = Anatomy.load(body)
    found = []
    for name in builtin_names(body):
        clip = builtin(name, anatomy)
        clip = replace(clip, quality=assess(clip, anatomy))
        found.append(Found(Path(name), clip, _course(clip, list(anatomy.coordinate_names))))
    return found


def sparkline(values: Float[np.ndarray, "frame"], width: int = WIDTH) -> str:
    """A curve as a line of bars, each the mean of its part of the time."""
    parts = [part.mean() for part in np.array_split(values, min(width, len(values)))]
    low, high = min(parts), max(parts)
    if high - low < 1e-9:
        return BARS[0] * len(parts)
    return "".join(BARS[min(int((part - low) / (high - low) * len(BARS)), len(BARS) - 1)] for part in parts)


def _look_at(path: Path) -> Found:
    try:
        clip = load(path)
        return Found(path, clip, _course(clip, header(path)["coordinates"]))
    except (ClipError, ValueError) as error:
        return Found(path, None, None, str(error))


def _course(clip: Clip, coordinates: list[str]) -> Course:
    """How fast the pelvis goes, or how the right elbow bends where there is no pelvis."""
    if ELBOW in coordinates and clip.pos.shape[1] == len(coordinates):
        return Course("right elbow", "°", np.degrees(clip.pos[:, coordinates.index(ELBOW)].numpy()))
    return Course("speed of the pelvis", "m/s", clip.vel[:, :3].norm(dim=1).numpy())


def _draw(found: list[Found], path: Path) -> list[Path]:
    """Pages of clips whose bodies are those of this myotrack; the others are said to be left out."""
    from myotrack.view.gallery import draw_pages

    drawn = []
    for one in found:
        if one.clip is None:
            continue
        try:
            anatomy = one.clip.anatomy()
            one.clip.check(anatomy)
        except ValueError as error:
            errors().print(f"{one.path} is not drawn: {error}", markup=False, highlight=False, soft_wrap=True)
            continue
        drawn.append((one.clip, anatomy))
    return draw_pages(drawn, path)


def _print(where: str, found: list[Found], pages: list[Path]) -> None:
    rows = [
        [
            one.clip.name,
            f"{one.clip.body}{' with fingers' if one.clip.fingers else ''}",
            f"{one.clip.duration:.2f}",
            str(one.clip.frames),
            one.clip.subject,
            one.clip.provenance.source,
            sparkline(one.course.values),
            one.course.span_text,
            one.verdict.partition(":")[0],
        ]
        for one in found
        if one.clip is not None and one.course is not None
    ]
    if rows:
        whats = dict.fromkeys(one.course.what for one in found if one.course is not None)
        headers = ["clip", "body", "s", "frames", "subject", "source", " or ".join(whats), "range", "verdict"]
        print_table(f"{where}, {RATE:.0f} frames per second", headers, rows)
    poor = [[one.clip.name, one.verdict.partition(": ")[2]] for one in found if one.clip is not None and one.poor]
    if poor:
        print_table("Clips beyond the quality limits", ["clip", "first of all"], poor)
    damaged = [[one.path.name, one.trouble] for one in found if one.clip is None]
    if damaged:
        print_table("Files that are damaged", ["file", "trouble"], damaged)
    verdicts = [not one.poor for one in found if one.poor is not None]
    seconds = sum(one.clip.duration for one in found if one.clip is not None)
    print(
        f"{len(rows)} clips, {seconds:.1f} s; {sum(verdicts)} of the {len(verdicts)} assessed pass the quality limits."
    )
    for page in pages:
        print(f"Picture: {page}")
