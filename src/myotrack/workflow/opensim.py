"""`myotrack export --opensim`: motions of a run, trials and clips as files that OpenSim opens."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.clips import store
from myotrack.clips.archive import format_of
from myotrack.validate import trials
from myotrack.validate.opensim import Exported, of_clip, of_trial
from myotrack.workflow.output import errors, print_json
from myotrack.workflow.run import EXPERIMENT, TRIALS, file_names, open_run, write_text

if TYPE_CHECKING:
    from myotrack.workflow.cli_learn import ExportCommand


def export_motions(command: "ExportCommand") -> int:
    """Write the files, each whole or not at all, and say what is in them."""
    if command.out.is_file():
        raise ValueError(f"{command.out}: this is a file; with --opensim --out is a folder.")
    motions = _motions(command.source, command.along_x)
    try:
        command.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"{command.out}: nothing can be written here ({error.strerror}); choose another --out."
        ) from error
    rows, notes, done = [], dict[str, list[str]](), 0
    for stem, exported in motions:
        done += 1
        for storage in exported.storages:
            file = command.out / f"{stem}_{storage.ending}"
            write_text(file, storage.text())
            frames, columns = storage.values.shape
            rows.append({"motion": stem, "file": str(file), "rows": frames, "columns": columns + 1})
        for note in exported.notes:
            notes.setdefault(note, []).append(stem)
    if command.json:
        told = [{"note": note, "motions": names} for note, names in notes.items()]
        print_json({"out": str(command.out), "files": rows, "notes": told})
        return 0
    for row in rows:
        print(f"{row['file']}: {row['rows']} rows, {row['columns']} columns")
    for note, names in notes.items():
        whose = "" if len(names) == done else f"{', '.join(names)}: "
        errors().print(f"{whose}{note}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _motions(source: Path, along_x: bool) -> Iterator[tuple[str, Exported]]:
    """What the files of every motion are to be called, and their content, one after another.

    Raises:
        ValueError: There is no run, trial or clip; the message names what is there instead.
    """
    if not source.exists():
        raise ValueError(f"{source}: there is no such file or folder; name a run, a trial or a clip.")
    if source.is_dir() and (source / EXPERIMENT).exists():
        if not (source / TRIALS).is_dir():
            raise ValueError(f"{source}: this run has no trials yet; make them with `myotrack validate {source}`.")
        run = open_run(source)
        names = file_names([trial.label for trial, _ in run.trials])
        pairs = zip(names, run.trials, strict=True)
        return ((name.removesuffix(".npz"), of_trial(*trial, along_x=along_x)) for name, trial in pairs)
    files = sorted(path for path in source.glob("*.npz") if path.name[0] != ".") if source.is_dir() else [source]
    if not files:
        raise ValueError(f"{source}: there is neither a run nor a clip in this folder; see `myotrack steer`.")
    strange = [file for file in files if format_of(file) not in (trials.KIND.format, store.KIND.format)]
    if strange:
        raise ValueError(
            f"{strange[0]}: this is neither a trial nor a clip, or it is damaged; make clips with `myotrack retarget` "
            "and trials with `myotrack steer`."
        )
    return ((file.stem, _of_file(file, along_x)) for file in files)


def _of_file(file: Path, along_x: bool) -> Exported:
    if format_of(file) == trials.KIND.format:
        trial = trials.load(file)
        return _told(file, lambda: of_trial(trial, along_x=along_x))
    clip = store.load(file)
    return _told(file, lambda: of_clip(clip, along_x=along_x))


def _told(file: Path, make: Callable[[], Exported]) -> Exported:
    """What is made of a file; errors name it."""
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
