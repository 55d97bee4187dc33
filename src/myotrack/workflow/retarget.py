"""Recordings to clips: `myotrack retarget`, and the same for Python.

rows = retarget_files(["recordings"], "full", "clips", jobs=8)

with joblib.parallel_config(backend="dask"):            # on the cluster of the current Dask client
    rows = retarget_files(["recordings"], "full", "clips")
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from myotrack.clips.clip import RATE
from myotrack.workflow.batch import Batch, Row
from myotrack.workflow.choices import Choices
from myotrack.workflow.debug import debugging
from myotrack.workflow.folder import REPORT, write_report
from myotrack.workflow.output import errors, print_json, print_table

if TYPE_CHECKING:
    from myotrack.workflow.cli import RetargetCommand


def retarget(command: "RetargetCommand") -> int:
    """Retarget, tell of every file, and print a table or the report; 1 if a file failed."""
    if command.jobs < 0:
        raise ValueError("--jobs is how many processes work at once; 0 takes one per core.")
    choices = Choices(**{choice.name: getattr(command, choice.name) for choice in fields(Choices)})
    choices.check_device()
    batch = Batch.of(command.files, command.out, choices)
    jobs = min(command.jobs or cores(), len(batch.files))
    report: dict[str, Any] = {}
    try:
        with _Teller(len(batch.files)) as teller:
            _go(batch, jobs, teller.tell, report)
    finally:  # Also after Ctrl-C: what is finished is told.
        if command.json:
            print_json(report)
        elif report["rows"] or report["not_tried"]:
            _print(report)
    return 1 if report["failed"] else 0


def retarget_files(
    paths: Iterable[str | Path],
    body: str = "full",
    out: str | Path = "clips",
    *,
    jobs: int | None = None,
    tell: Callable[[Row], None] | None = None,
    **choices: Any,
) -> list[Row]:
    """Retarget files and all the files in folders, and write the clips and 'quality.json'.

    A file that cannot be retargeted leaves a row with status 'failed' and nothing else; a clip that an earlier run had
    made from it is called '<name>.npz.old' from then on.

    Args:
        paths: Files and folders.
        body: 'full' or 'arms'.
        out: Folder of the clips.
        jobs: How many processes; 1 works in this one, -1 takes one per core, and None leaves it to
            `joblib.parallel_config`, which may also name a backend such as 'dask'.
        tell: Called with every row as soon as it is there.
        choices: The other fields of `Choices`: fingers, markers, skeleton, model, up, size, mass, plant, treadmill,
            device, mirrored, force.

    Returns:
        A row per file, in their order.

    Raises:
        ValueError: A file is missing, a folder holds no motion, or there is no such body or option.
        OSError: Clips cannot be written.
    """
    return _go(Batch.of(paths, out, Choices(body, **choices)), jobs, tell or (lambda row: None), {})


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _go(batch: Batch, jobs: int | None, tell: Callable[[Row], None], report: dict[str, Any]) -> list[Row]:
    """Work through a batch; `report` is filled and written whatever happens."""
    rows: list[Row] = []
    begin = time.perf_counter()
    try:
        for row in batch.run(jobs):
            rows.append(row)
            tell(row)
    finally:
        report.update(batch.report(rows, time.perf_counter() - begin))
        write_report(batch.out, report)
    return batch.in_order(rows)


class _Teller:
    """A line per file on standard error, and a bar below them if somebody looks."""

    def __init__(self, files: int) -> None:
        columns = (TextColumn("retargeting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TextColumn("left"), TimeRemainingColumn())  # fmt: skip
        console = errors()
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("", total=files)
        self._files, self._done = files, 0

    def __enter__(self) -> "_Teller":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, row: Row) -> None:
        """One file is done."""
        self._done += 1
        line = f"[{self._done}/{self._files}] {line_of(row)}"
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        if row.trace and debugging():
            self._bar.console.print(row.trace, markup=False, highlight=False, soft_wrap=True)
        self._bar.advance(self._task)


def line_of(row: Row) -> str:
    """What became of a file, in a line."""
    aside = f" (from before: {', '.join(row.aside)})" if row.aside else ""
    if row.status == "failed" or row.quality is None:
        return f"FAILED {row.error}{aside}"
    words = [f"{row.clip}.npz", row.status, f"{row.quality.duration:.1f} s"]
    if row.quality.landmark_rmse is not None:
        words.append(f"landmark error {1000 * row.quality.landmark_rmse:.0f} mm")
    return f"{row.file}: {', '.join(words)}, {_verdict(row.poor)}{aside}"


def _verdict(poor: tuple[str, ...] | list[str]) -> str:
    more = f" (and {len(poor) - 1} more)" if len(poor) > 1 else ""
    return f"poor: {poor[0]}{more}" if poor else "pass"


def _print(report: dict[str, Any]) -> None:
    """The table and the lines below it."""
    headers = [
        "clip", "s", "error [mm]", "skate [mm]", "lowest [mm]", "past limits [%]", "jumps new/all", "frames/s", "was",
        "verdict",
    ]  # fmt: skip
    body = f"'{report['body']}' {'with' if report['fingers'] else 'without'} fingers"
    made = [_cells(row) for row in report["rows"] if row["status"] != "failed"]
    if made:
        print_table(f"Clips for the body {body}, in {report['out']}", headers, made)
    poor = [[row["clip"], _verdict(row["poor"]).removeprefix("poor: ")] for row in report["rows"] if row["poor"]]
    if poor:
        print_table("Clips beyond the quality limits", ["clip", "first of all"], poor)
    failed = [[row["file"], row["error"]] for row in report["rows"] if row["status"] == "failed"]
    if failed:
        print_table("Files that failed; nothing was written for them", ["file", "trouble"], failed)
    aside = [[row["file"], name] for row in report["rows"] for name in row["aside"]]
    if aside:
        print_table("Clips from before, set aside", ["file", "now called"], aside)
    counts = [f"{report['made']} made", f"{report['kept']} kept from before", f"{report['failed']} failed"]
    if report["poor"]:
        counts.append(f"{report['poor']} beyond the quality limits")
    if report["not_tried"]:
        counts.append(f"{report['not_tried']} not tried: the same command goes on where this one stopped")
    print(f"{report['files']} files in {report['wall_s']:.1f} s: {', '.join(counts)}.")
    stages = [f"{stage} {duration:.1f}" for stage, duration in report["seconds"].items() if duration >= 0.05]
    if stages:
        print(f"Seconds per stage, all processes together: {', '.join(stages)}.")
    print(f"Everything about them: {Path(report['out']) / REPORT}")


def _cells(row: dict[str, Any]) -> list[str]:
    quality = row["quality"] or {}

    def number(name: str, scale: float, digits: int) -> str:
        value = quality.get(name)
        return "" if value is None else f"{scale * value:.{digits}f}"

    speed = row["frames_per_s"]
    return [
        row["clip"],
        f"{(row['frames'] - 1) / RATE:.2f}",
        number("landmark_rmse", 1e3, 1),
        number("skate", 1e3, 1),
        number("clearance", 1e3, 1),
        number("limit_violation", 100.0, 2),
        f"{quality.get('new_path_jumps', 0)}/{quality.get('path_jumps', 0)}",
        "" if speed is None else f"{speed:.1f}",
        row["status"],
        "poor" if row["poor"] else "pass",
    ]
