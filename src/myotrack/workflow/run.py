"""A run's folder: experiment.json, trials/*.npz, scorecard.json, report.html.

A run is put together beside its place and moved there when it is whole, so a folder of that name always holds a
complete run: the new one, or the one from before.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myotrack import __version__
from myotrack.anatomy.model import Anatomy
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial, load, save
from myotrack.workflow.doctor import installed
from myotrack.workflow.output import machine
from myotrack.workflow.typed import command_line

FORMAT, VERSION = "myotrack run", 1
EXPERIMENT, SCORECARD, REPORT, TRIALS = "experiment.json", "scorecard.json", "report.html", "trials"
PACKAGES = ("mujoco", "musclemimic-models", "numpy", "scipy", "torch")
"""Whose versions are kept."""


@dataclass(frozen=True)
class Run:
    """What a run's folder holds."""

    folder: Path
    experiment: dict[str, Any]
    trials: tuple[tuple[Trial, Anatomy], ...]


@contextmanager
def new_run(folder: Path, force: bool = False) -> Iterator[Path]:
    """A folder to fill; it comes to its place when all went well, and is gone if not.

    Args:
        folder: Where the run is to be.
        force: Replace a run that is there.

    Raises:
        ValueError: Something is there that must not be replaced.
        OSError: It cannot be written there.
    """
    check_place(folder, force)
    # A name such as '.' has no sibling to be made beside it.
    place = folder.resolve()
    stage = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        stage.mkdir(parents=True)
    except OSError as error:
        raise OSError(
            f"{folder}: a run cannot be written here ({error.strerror}); choose another folder with --out."
        ) from error
    try:
        yield stage
        check_place(folder, force)
        _put(stage, place)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def check_place(folder: Path, force: bool) -> None:
    """Refuse a place where something is that must not be replaced.

    Raises:
        ValueError: A run is there and `force` was not given, or something that is no run.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder}: this is a file; choose a folder with --out.")
    if not any(folder.iterdir()):
        return
    if not _is_run(folder):
        raise ValueError(f"{folder}: this folder holds other things than a run; choose another one with --out.")
    if not force:
        raise ValueError(
            f"{folder}: there is a run already; choose another folder with --out, or replace it with --force."
        )


def fill(stage: Path, trials: Sequence[tuple[Trial, Anatomy]], experiment: dict[str, Any]) -> Run:
    """Write the trials and everything about how they were made.

    Args:
        stage: The folder.
        trials: Each with its body.
        experiment: Command, resolved settings and whatever else decides a result.
    """
    names = file_names([trial.name for trial, _ in trials])
    for name, (trial, anatomy) in zip(names, trials, strict=True):
        save(trial, stage / TRIALS / name, anatomy)
    about = about_run() | {
        **experiment,
        "trials": names,
        "bodies": {trial.name: {"body": trial.body, "hash": trial.body_hash} for trial, _ in trials},
    }
    (stage / EXPERIMENT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    Scorecard.of(trials).save(stage / SCORECARD)
    return Run(stage, about, tuple(trials))


def put_trials(folder: Path, about: dict[str, Any], trials: Sequence[tuple[Trial, Anatomy]]) -> Run:
    """Put trials into a run that is there, in place of those from before.

    New files come first, then the list of them, and the old ones go last: at every moment the run names trials that are
    there.

    Args:
        folder: Of the run.
        about: What it tells of itself.
        trials: Each with its body.

    Raises:
        OSError: Something cannot be written; then the run is as it was.
    """
    mark = secrets.token_hex(2)
    names = [f"{name.removesuffix('.npz')}-{mark}.npz" for name in file_names([trial.label for trial, _ in trials])]
    try:
        for name, (trial, anatomy) in zip(names, trials, strict=True):
            save(trial, folder / TRIALS / name, anatomy)
        bodies = {trial.name: {"body": trial.body, "hash": trial.body_hash} for trial, _ in trials}
        told = about | {"trials": names, "bodies": bodies}
        write_text(folder / EXPERIMENT, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    except OSError:
        for name in names:
            (folder / TRIALS / name).unlink(missing_ok=True)
        raise
    for path in (folder / TRIALS).glob("*.npz"):
        if path.name not in names:
            path.unlink()
    return Run(folder, told, tuple(trials))


def about_run() -> dict[str, Any]:
    """What every run tells of how it was made."""
    versions = {"myotrack": __version__, **{name: installed(name) for name in PACKAGES}}
    return {"format": FORMAT, "version": VERSION, "command": command_line(), "versions": versions, "machine": machine()}


def open_run(folder: Path) -> Run:
    """Read a run.

    Raises:
        ValueError: There is none, or a part of it cannot be used; the message names the file.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; make a run with `myotrack steer`.")
    experiment = experiment_of(folder)
    if experiment is None:
        raise ValueError(f"{folder}: there is no run here ({EXPERIMENT} is missing or damaged); see `myotrack steer`.")
    if experiment.get("version") != VERSION:
        raise ValueError(
            f"{folder}: this run is of version {experiment.get('version')!r:.20}, and this myotrack reads {VERSION}; "
            "use the myotrack that made it."
        )
    names = experiment.get("trials")
    if not isinstance(names, list) or not names or not all(_is_file_name(name) for name in names):
        raise ValueError(
            f"{folder / EXPERIMENT}: it names no trials; make it again with `myotrack steer`, or its policy's trials "
            "with `myotrack validate`."
        )
    trials = []
    for name in names:
        trial = load(folder / TRIALS / name)
        trials.append((trial, trial.anatomy()))
    return Run(folder, experiment, tuple(trials))


def file_names(trials: Sequence[str]) -> list[str]:
    """A file for each trial, named after it, different from all others even where case does not count."""
    names: list[str] = []
    for trial in trials:
        stem = re.sub(r"[^\w.+-]+", "_", trial).strip("._") or "trial"
        taken, number, name = {other.casefold() for other in names}, 1, f"{stem}.npz"
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}.npz"
        names.append(name)
    return names


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_file_name(name: object) -> bool:
    """Whether a name stays within its folder."""
    return isinstance(name, str) and name.endswith(".npz") and Path(name).name == name


def _is_run(folder: Path) -> bool:
    return experiment_of(folder) is not None


def experiment_of(folder: Path) -> dict[str, Any] | None:
    """What a run tells of itself; None where there is no run."""
    try:
        content = json.loads((folder / EXPERIMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def _put(stage: Path, place: Path) -> None:
    """Move a whole run to its place; what was there goes away last."""
    if not place.exists():
        stage.rename(place)
        return
    old = place.with_name(f".{place.name}.{secrets.token_hex(4)}.old")
    place.rename(old)
    try:
        stage.rename(place)
    except BaseException:  # Also an interrupt: a folder of that name always holds a whole run.
        if not place.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
