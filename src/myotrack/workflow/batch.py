"""One run of retargeting: files in, clips and rows out, in this process, in many, or on a cluster.

The unit of work is `retarget_one`: a path and plain choices in, a row of plain data out. It writes the clip itself, so
nothing large travels between processes, and what is finished stays finished. A process that is killed takes no file
with it but the one to blame.
"""

import re
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import joblib
import torch

from myotrack import __version__
from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.clips.clip import Clip
from myotrack.clips.quality import Limits, Quality
from myotrack.clips.store import VERSION, load
from myotrack.retarget.pipeline import fit
from myotrack.workflow.choices import Choices
from myotrack.workflow.doctor import installed
from myotrack.workflow.folder import clip_names, motion_files, read_report, writable
from myotrack.workflow.output import machine
from myotrack.workflow.shelf import kept, put, set_aside, sweep

PACKAGES = ("mujoco", "musclemimic-models", "numpy", "scipy", "torch")
"""Whose versions stand in the report."""


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
    """'kept': the clip was there already, and making it again would change nothing."""
    error: str = ""
    """Why it failed, in one sentence."""
    trace: str = ""
    """Where in the program it failed. Not in the report."""
    aside: tuple[str, ...] = ()
    """Clips of earlier runs that would be wrong now, and are called so since: '<name>.npz.old'."""
    poor: tuple[str, ...] = ()
    """What of the clip's quality is beyond the usual limits; empty if it passes."""
    quality: Quality | None = None
    sha256: str = ""
    """Of the file."""
    body_hash: str = ""
    """Of the body in the sizes that the clip was made for."""
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
        lists = {"poor": list(self.poor), "aside": list(self.aside)}
        row = {**asdict(self), **lists, "quality": quality, "frames_per_s": self.frames_per_s}
        return {name: value for name, value in row.items() if name != "trace"}


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
        threads = torch.get_num_threads()
        try:
            yield from self._rows(jobs)
        finally:
            torch.set_num_threads(threads)  # `retarget_one` leaves one, also in this process.

    def _rows(self, jobs: int | None) -> Iterator[Row]:
        waiting = {str(file.resolve()): (str(file), name) for file, name in zip(self.files, self.names, strict=True)}
        while waiting:
            begun: list[str] = []
            # One file at a time: files are long, and unlike each other.
            parallel = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")  # type: ignore[arg-type]
            try:
                for row in cast(Iterator[Row], parallel(self._calls(waiting, begun))):
                    file, _ = waiting.pop(row.path)
                    yield replace(row, file=file)
            except Exception as error:
                # `retarget_one` hands back its own errors, so this is a process that died, or a cluster that went away.
                again, trouble = _worker_died(error), f"its process could not be reached any more ({_words(error)})"
                begun = [path for path in begun if path in waiting] if again else []
                for path in begun or list(waiting):
                    file, name = waiting.pop(path)
                    sweep(self.out / f"{name}.npz")
                    # One of those that were begun has taken the others with it: each is tried again on its own.
                    yield self._alone(path, file, name) if again else self._dead(path, file, name, trouble)

    def _calls(self, waiting: dict[str, tuple[str, str]], begun: list[str]) -> Iterator[Any]:
        """What is to be done, noted in `begun` when a process asks for it."""
        for path, (_, name) in list(waiting.items()):
            begun.append(path)
            yield self._call(path, name)

    def _call(self, path: str, name: str) -> Any:
        return joblib.delayed(retarget_one)(Path(path), name, self.out.resolve(), self.choices.absolute())

    def _alone(self, path: str, file: str, name: str) -> Row:
        """Retarget a file while nothing else is running, in a process that may die."""
        try:
            [row] = cast(list[Row], joblib.Parallel(n_jobs=2)([self._call(path, name)]))
        except Exception as error:
            sweep(self.out / f"{name}.npz")
            crash = re.search(r"SIG(?!KILL|TERM)[A-Z]+", str(error))
            end = "was killed; most likely memory ran out: cut the recording, or use a machine with more"
            if crash:
                end = f"crashed ({crash[0]}); please report it"
            return self._dead(path, file, name, f"its process, the only one at work, {end}")
        return replace(row, file=file)

    def _dead(self, path: str, file: str, name: str, trouble: str) -> Row:
        return _failed(Row(file, path, name, "failed", f"{path}: {trouble}."), self.out)

    def in_order(self, rows: Iterable[Row]) -> list[Row]:
        """Rows as the files were given."""
        order = {str(file): number for number, file in enumerate(self.files)}
        return sorted(rows, key=lambda row: order[row.file])

    def report(self, rows: Iterable[Row], wall: float) -> dict[str, Any]:
        """Everything about a run, as it stands in 'quality.json'."""
        rows = self.in_order(rows)
        mine = {row.clip for row in rows}
        hashes = {row.body_hash for row in rows if row.body_hash}
        earlier = [row for row in _earlier(self.out) if row["clip"] not in mine]
        stages = {stage: 0.0 for row in rows for stage in row.seconds}
        for row in rows:
            for stage, duration in row.seconds.items():
                stages[stage] += duration
        return {
            "body": self.choices.body,
            "fingers": self.choices.fingers,
            "hash": hashes.pop() if len(hashes) == 1 else "",
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


def retarget_one(path: Path, name: str, out: Path, choices: Choices) -> Row:
    """Retarget one file and write its clip, in whatever process, which has one torch thread from then on.

    More threads would add up numbers in another order; with one, a clip has the same digits however many files are
    worked on at once. The other cores have files of their own.

    Args:
        path: The file, from the root.
        name: Of its clip.
        out: Folder of the clips, from the root.
        choices: What holds for the run, `Choices.absolute`.
    """
    torch.set_num_threads(1)
    failed = Row(str(path), str(path), name, "failed")
    try:
        return _retargeted(path, name, out, choices)
    except (ValueError, OSError) as error:
        failed = replace(failed, error=_sentence(path, str(error)), trace=traceback.format_exc())
    except MemoryError:
        trouble = "it takes more memory than there is; cut it, or use fewer --jobs"
        failed = replace(failed, error=_sentence(path, trouble), trace=traceback.format_exc())
    except Exception as error:
        trouble = f"{path}: retargeting broke down ({_words(error)})."
        failed = replace(failed, error=trouble, trace=traceback.format_exc())
    return _failed(failed, out)


def _retargeted(path: Path, name: str, out: Path, choices: Choices) -> Row:
    begin = time.perf_counter()
    choices.check_device()
    anatomy = Anatomy.load(choices.body, choices.fingers)
    loaded = time.perf_counter()
    fresh = Row(str(path), str(path), name, "made")
    target, twin = out / f"{name}.npz", out / f"{name}_mirrored.npz"
    about = None if choices.force else kept(path, target, anatomy, choices)
    if about is not None:
        if choices.mirrored and kept(path, twin, anatomy, choices) is None:
            clip = load(target)
            put({twin: _mirror_image(clip, clip.anatomy())})
        quality = about["quality"] and Quality.from_dict(about["quality"])
        there = replace(fresh, status="kept", body_hash=about["body_hash"], frames=about["frames"])
        return _judged(replace(there, sha256=about["provenance"]["sha256"]), quality)
    recording = read(path, skeleton=choices.skeleton, model=choices.model, up=choices.up)
    if recording.kind == "signals":
        raise ValueError("it holds forces or EMG only, and no motion to retarget")
    had = time.perf_counter()
    found = fit(recording, anatomy, choices.settings())
    fitted = time.perf_counter()
    provenance = replace(found.clip.provenance, notes=(*found.clip.provenance.notes, *choices.notes()))
    clip = replace(found.clip, name=name, provenance=provenance)
    image = {twin: _mirror_image(clip, found.anatomy)} if choices.mirrored else {}
    put({target: clip, **image})
    aside = () if choices.mirrored else set_aside(path, twin)
    body = loaded - begin + found.seconds.get("body", 0.0)
    saving = time.perf_counter() - fitted
    seconds = {"read": had - loaded, **found.seconds, "save": saving, "body": body}
    made = replace(fresh, sha256=provenance.sha256, body_hash=clip.body_hash, frames=clip.frames)
    return _judged(replace(made, seconds=seconds, aside=aside), clip.quality)


def _mirror_image(clip: Clip, anatomy: Anatomy) -> Clip:
    return replace(clip.mirrored(anatomy), name=f"{clip.name}_mirrored")


def _judged(row: Row, quality: Quality | None) -> Row:
    return replace(row, quality=quality, poor=() if quality is None else quality.failures())


def _failed(row: Row, out: Path) -> Row:
    """A row of a file that failed: nothing in the folder looks as if it had not."""
    try:
        return replace(row, aside=set_aside(Path(row.path), out / f"{row.clip}.npz", out / f"{row.clip}_mirrored.npz"))
    except OSError as error:
        trouble = f"the clip from before could not be set aside ({error.strerror or error}) and must not be used"
        return replace(row, error=f"{row.error.rstrip('.')}; {trouble}.")


def _sentence(path: Path, trouble: str) -> str:
    """An error that names its file, and the folder it is in: other folders may have one of the same name."""
    trouble, whole = (" ".join(words.split()) for words in (trouble, str(path)))
    return trouble if whole in trouble else f"{path}: {trouble.removeprefix(f'{path.name}: ').rstrip('.')}."


def _words(error: Exception) -> str:
    """An error of somebody else's, in a few words."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _worker_died(error: Exception) -> bool:
    """Whether the work on some file has ended a process, of our own or of a Dask cluster."""
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


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
