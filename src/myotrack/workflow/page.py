"""The page of a run: films and figures of its trials into report.html; `myotrack report`."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.train.log import LOG, read_log
from myotrack.validate.norms import Norm, NormError
from myotrack.validate.portrait import WITHOUT_NORMS, norms_at, portrait
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial
from myotrack.view.film import film
from myotrack.view.learning import learning_curve
from myotrack.view.report import Shown, report
from myotrack.workflow.run import REPORT, SCORECARD, Run, open_run, write_text

if TYPE_CHECKING:
    from myotrack.workflow.cli import ReportCommand

JUDGED_BY = "landmark_error_mean"
"""Metric that tells which trials of a group are looked at."""
NOT_WANTED = "the page was made with --no-video"


def show_report(command: "ReportCommand") -> int:
    """Make the page of a run again, and say where it is."""
    from myotrack.workflow.output import print_json
    from myotrack.workflow.steer import as_report, print_scores, progress

    run = open_run(command.run_folder)
    with progress() as tell:
        films, no_film = write_page(run, command.video, tell)
    card = Scorecard.of(run.trials)
    run = replace(run, experiment=run.experiment | {"films": films, "no_film": no_film})
    if command.json:
        print_json(as_report(run, card, 0.0))
        return 0
    print_scores(run, card)
    print(f"Report: {run.folder / REPORT}" + (f" (no films: {no_film})" if not films else ""))
    return 0


def write_page(run: Run, video: bool, tell: Callable[[str, int, int], None]) -> tuple[bool, str]:
    """Judge the trials again and write scorecard and page, each whole or not at all.

    Returns:
        Whether there are films, and why not.
    """
    card = Scorecard.of(run.trials)
    shown, no_film = [], "" if video else NOT_WANTED
    norms, no_norms = people()
    closely = looked_at([trial for trial, _ in run.trials], card)
    for trial, anatomy in run.trials:
        content = None
        if not no_film and trial.label in closely:
            try:
                what = f"drawing {trial.name}"
                content = film(trial, anatomy, lambda done, total, what=what: tell(what, done, total))
            except OSError as error:
                no_film = str(error)
        found = None
        if trial.label in closely:
            tell(f"setting {trial.name} beside people", 0, 0)
            found = portrait(trial, anatomy, norms, no_norms)
        shown.append(Shown(trial, anatomy, content, no_film or NOT_WANTED, trial.label in closely, found))
    tell("writing the report", 0, 0)
    card.save(run.folder / SCORECARD)
    title = str(run.experiment.get("title") or "A run")
    curve = learning_curve(read_log(run.folder / LOG))
    write_text(run.folder / REPORT, report(title, shown, card, _facts(run), curve))
    return not no_film, no_film


def people() -> tuple[dict[str, Norm], str]:
    """Norms of walking, and why there are none."""
    folder = os.environ.get("MYOTRACK_DATA")
    try:
        return norms_at(Path(folder) if folder else None), WITHOUT_NORMS
    except NormError as error:
        return {}, str(error)


def looked_at(trials: Sequence[Trial], card: Scorecard) -> set[str]:
    """Labels of the trials with sections of their own: those on their own, and of every group the middle and the last.

    The middle one has the median landmark error of its group, the last the greatest.
    """
    chosen = {trial.label for trial in trials if not trial.group}
    for group in {(trial.group, trial.acting) for trial in trials if trial.group}:
        mine = [trial for trial in trials if (trial.group, trial.acting) == group]
        errors = [score.value if (score := card.found(trial, JUDGED_BY)) else math.inf for trial in mine]
        ranked = [mine[index] for index in sorted(range(len(mine)), key=errors.__getitem__)]
        chosen |= {ranked[(len(ranked) - 1) // 2].label, ranked[-1].label}
    return chosen


def _facts(run: Run) -> dict[str, str]:
    """What the page says about how the run was made."""
    about = run.experiment
    versions, machine = about.get("versions") or {}, about.get("machine") or {}
    hashes = dict.fromkeys(anatomy.hash for _, anatomy in run.trials)
    return {
        "command": str(about.get("command", "")),
        **({"judged by": str(about["judged_by"])} if about.get("judged_by") else {}),
        "again": "myotrack report RUN, where RUN is the folder of this page",
        "date": str(machine.get("date", "")),
        "body hash": ", ".join(hashes),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "machine": ", ".join(f"{name} {value}" for name, value in machine.items() if name != "date"),
    }
