"""One run of retargeting: files in, clips and rows out, in this process, in many, or on a cluster.

The unit of work is `retarget_one`: a path and plain choices in, a row of plain data out. It writes the clip itself, so
nothing large travels between processes, and what is finished stays finished.
"""

import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import joblib
import torch

from myotrack import __version__
from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.capture.reader import read
from myotrack.clips.clip import Clip
from myotrack.clips.quality import Limits, Quality
from myotrack.clips.store import VERSION, ClipError, header, load, save
from myotrack.retarget.markers import read_marker_file
from myotrack.retarget.pipeline import Settings, fit
from myotrack.workflow.doctor import installed
from myotrack.workflow.folder import clip_names, motion_files, read_report, sha256, writable
from myotrack.workflow.output import machine

PACKAGES = ("mujoco", "musclemimic-models", "numpy", "scipy", "torch")
"""Whose versions stand in the report."""


@dataclass(frozen=True)
class Choices:
    """What holds for every file of a run."""

    body: str = "full"
    fingers: bool = False
    markers: Path | None = None
    """File that says where points belong."""
    skeleton: Path | None = None
    """The ASF file of AMC files without one beside them."""
    model: Path | None = None
    """The body model of AMASS files."""
    mirrored: bool = False
    """Make the mirror image of every clip, too."""
    force: bool = False
    """Make clips that are there already again."""

    def check(self) -> None:
        """Refuse what no file could be retargeted with.

        Raises:
            ValueError: There is no such body, or a file that was named is not there or not what it should be.
        """
        if self.body not in BODIES:
            raise ValueError(f"There is no body called '{self.body}'. The bodies are: {', '.join(BODIES)}.")
        for path in (self.markers, self.skeleton, self.model):
            if path is not None and not path.is_file():
                raise ValueError(f"{path}: there is no such file.")
        if self.markers is not None:
            read_marker_file(self.markers)

    def given(self) -> tuple[str, ...]:
        """A note for every file that a clip depends on, besides its recording."""
        files = {"markers": self.markers, "skeleton": self.skeleton, "body model": self.model}
        return tuple(f"{what} given: {path.name}, sha256 {sha256(path)}" for what, path in files.items() if path)

    def absolute(self) -> "Choices":
        """The same for a process that works in another folder."""
        paths = {name: getattr(self, name) for name in ("markers", "skeleton", "model")}
        return replace(self, **{name: path and path.resolve() for name, path in paths.items()})


@dataclass(frozen=True)
class Row:
    """What became of one file."""

    file: str
    """As it was given."""
    path: str
    """The same from the root."""
    clip: str
    """Name of the clip; its file is '<clip>.npz'."""
    status: Literal["made", "kept", "failed"]
    """'kept': the clip was there already, made from the same file for the same body."""
    error: str = ""
    """Why it failed, in one sentence."""
    poor: tuple[str, ...] = ()
    """What of the clip's quality is beyond the usual limits; empty if it passes."""
    quality: Quality | None = None
    sha256: str = ""
    body_hash: str = ""
    frames: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """Time per stage [s]."""

    @property
    def frames_per_s(self) -> float | None:
        """How fast it was made, loading the body not counted."""
        busy = sum(time for stage, time in self.seconds.items() if stage != "body")
        return self.frames / busy if self.status == "made" and busy else None

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the report."""
        quality = self.quality and self.quality.as_dict()
        return {**asdict(self), "poor": list(self.poor), "quality": quality, "frames_per_s": self.frames_per_s}


@dataclass(frozen=True)
class Batch:
    """The files of a run, each with the name of its clip."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    out: Path
    choices: Choices

    @classmethod
    def of(cls, paths: Iterable[str | Path], out: str | Path, choices: Choices) -> "Batch":
        """Find the files and name their clips.

        Raises:
            ValueError: A file is missing, or a folder holds no motion.
            OSError: Clips cannot be written.
        """
        choices.check()
        given, out = tuple(map(Path, paths)), Path(out)
        if not given:
            raise ValueError("There is nothing to retarget; name at least one file or folder.")
        aside = [path for path in (choices.model,) if path is not None]
        files = motion_files(given, [out, *aside])
        out = writable(out)
        before = {row["clip"]: Path(row["path"]) for row in _earlier(out) if (out / f"{row['clip']}.npz").exists()}
        return cls(files, clip_names(files, before, choices.mirrored), out, choices)

    def run(self, jobs: int | None = None) -> Iterator[Row]:
        """Retarget, and yield a row whenever a file is done.

        Args:
            jobs: How many processes; 1 works in this one, -1 takes one per core, and None leaves it to
                `joblib.parallel_config`.
        """
        # One file at a time: files are long, and unlike each other.
        parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")  # type: ignore[arg-type]
        choices, out, home = self.choices.absolute(), self.out.resolve(), (platform.node(), os.getpid())
        waiting = {str(file.resolve()): (str(file), name) for file, name in zip(self.files, self.names, strict=True)}
        calls = [(Path(path), name, out, choices, home) for path, (_, name) in waiting.items()]
        try:
            for row in cast(Iterator[Row], parallel(joblib.delayed(retarget_one)(*call) for call in calls)):
                file, _ = waiting.pop(row.path)
                yield replace(row, file=file)
        except Exception as error:
            # `retarget_one` hands back its own errors, so this is a process that died, or a cluster that went away.
            trouble = f"its process ended unexpectedly ({type(error).__name__}); if memory ran out, use fewer --jobs"
            for path, (file, name) in waiting.items():
                yield Row(file, path, name, "failed", f"{file}: {trouble}.")

    def in_order(self, rows: Iterable[Row]) -> list[Row]:
        """Rows as the files were given."""
        order = {str(file): number for number, file in enumerate(self.files)}
        return sorted(rows, key=lambda row: order[row.file])

    def report(self, rows: Iterable[Row], wall: float) -> dict[str, Any]:
        """Everything about a run, as it stands in 'quality.json'."""
        rows = self.in_order(rows)
        mine = {row.clip for row in rows}
        earlier = [row for row in _earlier(self.out) if row["clip"] not in mine]
        stages = {stage: 0.0 for row in rows for stage in row.seconds}
        for row in rows:
            for stage, duration in row.seconds.items():
                stages[stage] += duration
        return {
            "body": self.choices.body,
            "fingers": self.choices.fingers,
            "hash": next((row.body_hash for row in rows if row.body_hash), ""),
            "out": str(self.out),
            "settings": {
                name: str(value) if isinstance(value, Path) else value for name, value in asdict(self.choices).items()
            },
            "limits": asdict(Limits()),
            "versions": {
                "myotrack": __version__,
                "clip format": VERSION,
                **{name: installed(name) for name in PACKAGES},
            },
            "machine": machine(),
            "files": len(self.files),
            **{status: sum(row.status == status for row in rows) for status in ("made", "kept", "failed")},
            "poor": sum(bool(row.poor) for row in rows),
            "not_tried": len(self.files) - len(rows),
            "wall_s": wall,
            "seconds": stages,
            "rows": [row.as_dict() for row in rows],
            "earlier": [row for row in earlier if (self.out / f"{row['clip']}.npz").exists()],
        }


def retarget_one(path: Path, name: str, out: Path, choices: Choices, home: tuple[str, int]) -> Row:
    """Retarget one file and write its clip, in whatever process. `home` is the process that asked."""
    if (platform.node(), os.getpid()) != home:
        torch.set_num_threads(1)  # The other cores have files of their own.
    failed = Row(str(path), str(path), name, "failed")
    try:
        return _retargeted(path, name, out, choices)
    except (ValueError, OSError) as error:
        return replace(failed, error=_sentence(path, str(error)))
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return replace(failed, error=f"{path}: retargeting broke down ({words}).")


def _retargeted(path: Path, name: str, out: Path, choices: Choices) -> Row:
    begin = time.perf_counter()
    anatomy = Anatomy.load(choices.body, choices.fingers)
    loaded = time.perf_counter()
    fresh = Row(str(path), str(path), name, "made", body_hash=anatomy.hash)
    target, twin = out / f"{name}.npz", out / f"{name}_mirrored.npz"
    about = None if choices.force else _kept(path, target, anatomy, choices)
    if about is not None:
        if choices.mirrored and _kept(path, twin, anatomy, choices) is None:
            save(_mirror_image(load(target, anatomy), anatomy), twin)
        quality = about["quality"] and Quality.from_dict(about["quality"])
        kept = replace(fresh, status="kept", sha256=about["provenance"]["sha256"], frames=about["frames"])
        return _judged(kept, quality)
    recording = read(path, skeleton=choices.skeleton, model=choices.model)
    if recording.kind == "signals":
        raise ValueError("it holds forces or EMG only, and no motion to retarget")
    had = time.perf_counter()
    found = fit(recording, anatomy, Settings(markers=choices.markers))
    fitted = time.perf_counter()
    provenance = replace(found.clip.provenance, notes=(*found.clip.provenance.notes, *choices.given()))
    clip = replace(found.clip, name=name, provenance=provenance)
    save(clip, target)
    if choices.mirrored:
        save(_mirror_image(clip, anatomy), twin)
    seconds = {"body": loaded - begin, "read": had - loaded, **found.seconds, "save": time.perf_counter() - fitted}
    made = replace(fresh, sha256=provenance.sha256, frames=clip.frames, seconds=seconds)
    return _judged(made, clip.quality)


def _kept(path: Path, target: Path, anatomy: Anatomy, choices: Choices) -> dict[str, Any] | None:
    """The header of the clip that is there, if making it again would change nothing."""
    try:
        about = header(target)
    except ClipError:
        return None
    notes = [note for note in about["provenance"]["notes"] if " given: " in note]
    same = (
        (about["body"], about["fingers"], about["body_hash"]) == (anatomy.name, anatomy.fingers, anatomy.hash)
        and about["name"] == target.stem
        and about["provenance"]["sha256"] == sha256(path)
        and notes == list(choices.given())
    )
    return about if same else None


def _mirror_image(clip: Clip, anatomy: Anatomy) -> Clip:
    return replace(clip.mirrored(anatomy), name=f"{clip.name}_mirrored")


def _judged(row: Row, quality: Quality | None) -> Row:
    return replace(row, quality=quality, poor=() if quality is None else quality.failures())


def _sentence(path: Path, trouble: str) -> str:
    """An error that names its file."""
    trouble = " ".join(trouble.split())
    return trouble if path.name in trouble else f"{path}: {trouble.rstrip('.')}."


def _earlier(out: Path) -> list[dict[str, Any]]:
    """Rows of earlier runs whose clips were made, if their report can be read."""
    report, rows = read_report(out), []
    for part in ("rows", "earlier"):
        found = report.get(part)
        rows += found if isinstance(found, list) else []
    return [
        row
        for row in rows
        if isinstance(row, dict)
        and isinstance(row.get("clip"), str)
        and isinstance(row.get("path"), str)
        and row.get("status") in ("made", "kept")
    ]
