"""`myotrack keep`: a run that is worth it becomes a small folder with a card, to be used by name and gone on with.

RUN/policy, experiment, scorecard, last checkpoint  ->  checkpoints/NAME/ with CARD.md
"""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myotrack.train import checkpoint
from myotrack.train.log import LOG, read_log
from myotrack.train.trainer import CHECKPOINTS, LAST
from myotrack.validate.scorecard import Scorecard
from myotrack.workflow.output import print_json
from myotrack.workflow.policies import POLICY, open_policy
from myotrack.workflow.recipes import Experiment
from myotrack.workflow.run import EXPERIMENT, SCORECARD, Run, experiment_of, open_run, write_text

if TYPE_CHECKING:
    from myotrack.workflow.cli_learn import KeepCommand

CARD = "CARD.md"
SPARED = (".replay.", ".learner.")
"""Parts of the names of what a stage of imagination remembers of its worlds and of its model's gradients: most of what
it needs to go on, and soon made again (`train.imagine`)."""
SHOWN = {
    "success_published": "kept to the end [%]",
    "success_strict": "kept strictly [%]",
    "coverage_published": "part of the motion kept [%]",
    "landmark_error_mean": "landmarks [mm]",
    "joint_error_mean": "joints [deg]",
    "activation_mean": "mean activation [%]",
}
"""Metrics of the card."""
KINDS = {
    "Direct": "excitations of the muscles, one number each; nothing else is needed at run time",
    "Synergy": "shares of the joints' strength, which fixed patterns of muscles make, beside springs towards the "
    "reference and the muscles that its frames need (`track.action.Synergy`)",
    "Torque": "shares of the joints' strength, which ideal joints make; the muscles are switched off "
    "(`track.action.Torque`)",
}
"""What the actions of a policy are."""


def keep(command: "KeepCommand") -> int:
    """Copy what matters and write the card."""
    if not re.fullmatch(r"[\w.-]+", command.name):
        raise ValueError(f"'{command.name}' is no name for a folder; use letters, digits, '-', '_' and '.'.")
    target = command.out / command.name
    if target.exists() and not command.force:
        raise ValueError(
            f"{target}: there is a policy of this name already; choose another, or replace it with --force."
        )
    about = experiment_of(command.run_folder)
    if about is None or not (command.run_folder / SCORECARD).exists():
        raise ValueError(
            f"{command.run_folder}: only a run that has been judged is kept; do so with `myotrack validate`."
        )
    stored = open_policy(command.run_folder)
    run = open_run(command.run_folder)
    text = card(command, about, stored.experiment, run)
    shutil.rmtree(target, ignore_errors=True)
    (target / CHECKPOINTS).mkdir(parents=True)
    shutil.copy(command.run_folder / SCORECARD, target / SCORECARD)
    for name in (POLICY, f"{CHECKPOINTS}/{LAST}"):
        # Cloning goes on from all that its teacher has said, which is too much to keep.
        wanted = name == POLICY or stored.experiment.clone is None
        if wanted and (command.run_folder / name).exists():
            tensors, told = checkpoint.load(command.run_folder / name)
            tensors = {key: value for key, value in tensors.items() if not any(part in key for part in SPARED)}
            checkpoint.save(target / name, tensors, portable(told))
    lines = {name: bare(about[name]) for name in ("command", "judged_by") if name in about}
    about = portable(about) | {"trials": []} | lines
    write_text(target / EXPERIMENT, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    write_text(target / CARD, text)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 2**20
    if command.json:
        print_json({"out": str(target), "MiB": round(size, 2)})
    else:
        print(f"{target}: {size:.1f} MiB. Its card: {target / CARD}")
    return 0


def portable(about: dict[str, Any]) -> dict[str, Any]:
    """The same without folders of the machine where it was made: only their last names, which tell what was meant."""
    experiment = dict(about["experiment"])
    clips = dict(experiment["clips"])
    clips["folder"] = clips["folder"] and Path(clips["folder"]).name
    clips["rehearsed_from"] = [Path(folder).name for folder in clips["rehearsed_from"]]
    for name in ("begin", "teacher"):
        experiment[name] = experiment.get(name) and named(Path(experiment[name]))
    return about | {"experiment": experiment | {"clips": clips}}


def named(path: Path) -> str:
    """What a policy is called: its run, or its file where that has a name of its own."""
    return path.parent.name if path.name == POLICY else path.name


def bare(line: str) -> str:
    """A command line without the folders before the last names."""
    return re.sub(r"(?<!\S)\S*/", "", line)


def card(command: "KeepCommand", about: dict[str, Any], experiment: Experiment, run: Run) -> str:
    """What others should know before they use a policy."""
    log = read_log(command.run_folder / LOG)
    row = log[-1] if log else {}
    steps, hold = int(row.get("steps_total", 0)), experiment.task.hold
    summary = Scorecard.of(run.trials).summaries
    machine, versions = about["machine"], about["versions"]
    learnt = about["clips"]["learnt"]
    names = ", ".join(learnt[:20]) + (f" and {len(learnt) - 20} more" if len(learnt) > 20 else "")
    compute = f"{row.get('seconds', 0) / 60:.0f} minutes, {steps * hold:,} control steps of 10 ms ({steps:,} actions)"
    backends = {trial.settings.get("backend", "") for trial, _ in run.trials}
    lines = [
        f"# {command.name}",
        "",
        f"Recipe `{experiment.recipe}` on the body `{experiment.body}`{' with fingers' if experiment.fingers else ''} "
        f"(hash {about['body_hash']}), learnt on its level `{experiment.level}`, seed {experiment.seed}.",
        "",
        f"- **Actions**: {KINDS.get(type(experiment.task.action).__name__, type(experiment.task.action).__name__)}.",
        f"- **Motions learnt**: {names}.",
        f"- **Data**: {command.data}",
        f"- **Compute**: {compute}; {machine['cores']} cores, {machine['machine']}, {machine['date']}.",
        *([f"- **Begun with**: the policy of `{named(experiment.begin)}`."] if experiment.begin else []),
        *([f"- **Taught by**: the policy of `{named(experiment.teacher)}`."] if experiment.teacher else []),
        f"- **Made by**: `{bare(about['command'])}`; "
        + ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        + ".",
        f"- **Licence**: {command.licence}",
        "",
        "## Scores",
        "",
        f"Every motion once from its first frame, mean actions, {' / '.join(sorted(backends))}; mean over motions "
        "(95 % interval).",
        "",
        "| group | motions | " + " | ".join(SHOWN.values()) + " |",
        "|---" * (len(SHOWN) + 2) + "|",
    ]
    for group in dict.fromkeys(each.group for each in summary):
        mine = {each.metric: each for each in summary if each.group == group and each.metric in SHOWN}
        cells = [f"{mine[name].text} ({mine[name].ends})" if name in mine else "" for name in SHOWN]
        lines.append(f"| {group} | {max(m.interval.count for m in mine.values())} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Limits",
        "",
        f"{command.limits}",
        "",
        "## Use",
        "",
        "```bash",
        f"myotrack validate {command.name} --clips CLIPS                       # judge it again, films included",
    ]
    if experiment.clone is None:
        again = f"myotrack train {experiment.recipe} --out runs/{command.name} --clips CLIPS --resume --minutes 60"
        lines.append(f"cp -r checkpoints/{command.name} runs/ && {again}")
    lines += ["```", ""]
    return "\n".join(lines)
