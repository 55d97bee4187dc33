"""The scorecard as tables: means of groups with intervals, one row per motion, every number with what it means."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from myotrack.validate.metrics import BY_NAME, Metric, Score
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.summary import TOGETHER, Summary
from myotrack.validate.trials import Trial

CARDS = {
    "muscle control": ("survival", "joint_error_mean", "hand_error_mean", "activation_mean", "residual_peak",
                       "reserve_peak", "support_weight_mean"),
    "static optimisation": ("activation_mean", "activation_saturated", "residual_rms", "residual_peak", "reserve_peak",
                            "real_time"),
    "policy": ("coverage_published", "coverage_strict", "landmark_error_mean", "hand_error_mean", "joint_error_mean",
               "root_position_error", "activation_mean", "excitation_change"),
}  # fmt: skip
"""What stands beside the film of a trial."""
BETTER = {"lower": "lower", "higher": "higher", "neither": "–"}
Link = Callable[[Trial], str]
"""The name of a trial as markup that leads to its section, if it has one."""


def groups(card: Scorecard) -> str:
    """Means over the clips of each group and way of acting, over all seeds where there are several."""
    summaries = card.summaries
    if not summaries:
        return ""
    whole = {(summary.group, summary.acting) for summary in summaries if summary.seed == TOGETHER}
    columns: dict[tuple[str, str, str], dict[str, Summary]] = {}
    for summary in summaries:
        if summary.seed == TOGETHER or (summary.group, summary.acting) not in whole:
            column = columns.setdefault((summary.group, summary.acting, summary.seed), {})
            column[summary.metric] = summary
    head = "".join(
        f'<th class="number">{escape(group)}<br><small>{_about(acting, column)}</small></th>'
        for (group, acting, _), column in columns.items()
    )
    metrics = [metric for metric in card.metrics if any(metric.name in each for each in columns.values())]
    rows = "".join(
        f"<tr><th>{escape(metric.title)}</th>{''.join(_mean(each, metric.name) for each in columns.values())}"
        f'<td class="unit">{escape(metric.unit)}</td><td class="unit">{BETTER[metric.better]}</td></tr>\n'
        for metric in metrics
    )
    beside = f'<p class="note">{escape(str(card.conditions))}.</p>' if card.conditions else ""
    return (
        '<section id="scorecard"><h2>Scorecard</h2>\n<p class="soft">Means over motions; under each its 95 % interval, '
        "which one motion has not.</p>\n"
        '<div class="wide"><table class="many groups">\n'
        f"<thead><tr><th>mean over motions</th>{head}<th>unit</th><th>better</th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table></div>\n{beside}</section>"
    )


def motions(card: Scorecard, grouped: Sequence[Trial], link: Link) -> str:
    """One row per motion, with what its cards hold."""
    names = dict.fromkeys(name for trial in grouped for name in CARDS[trial.kind])
    metrics = [metric for name in names for metric in card.metrics if metric.name == name]
    head = "".join(
        f'<th class="number">{escape(metric.title)}<br><small>{escape(metric.unit)}</small></th>' for metric in metrics
    )
    rows = "".join(
        f'<tr><th>{link(trial)}</th><td class="group">{escape(trial.group)}</td>'
        + "".join(cell(card.found(trial, metric.name)) for metric in metrics)
        + "</tr>\n"
        for trial in grouped
    )
    return (
        '<section id="motions"><h2>Every motion</h2>\n<div class="wide"><table class="many">\n'
        f"<thead><tr><th>motion</th><th>group</th>{head}</tr></thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table></div></section>"
    )


def scores(card: Scorecard, alone: Sequence[Trial]) -> str:
    """One column per motion that is judged on its own."""
    head = "".join(f'<th class="number">{escape(trial.name)}</th>' for trial in alone)
    rows = []
    for metric in card.metrics:
        found = [card.found(trial, metric.name) for trial in alone]
        if any(score is not None for score in found):
            rows.append(f"<tr><th>{escape(metric.title)}</th>{''.join(map(cell, found))}{_meaning(metric)}</tr>\n")
    place = "" if card.summaries else ' id="scorecard"'
    return (
        f"<section{place}><h2>Scorecard{' of single motions' if card.summaries else ''}</h2>\n"
        '<div class="wide"><table class="meanings">\n'
        f"<thead><tr><th>measure</th>{head}<th>unit</th><th>better</th><th>what it means</th></tr></thead>\n"
        f"<tbody>\n{''.join(rows)}</tbody>\n</table></div></section>"
    )


def every_number(card: Scorecard, trial: Trial) -> str:
    """All scores of one trial with how each was found."""
    found = [score for metric in card.metrics if (score := card.found(trial, metric.name)) is not None]
    if not found:
        return ""
    rows = "".join(
        f'<tr><th>{escape(BY_NAME[score.metric].title)}</th><td class="number">{score.text}</td>'
        f'<td class="unit">{escape(score.unit)}</td><td class="unit">{BETTER[score.better]}</td>'
        f'<td class="unit source">{escape(score.source)}</td></tr>\n'
        for score in found
    )
    return (
        '<details open><summary>Every number of this motion</summary>\n<div class="wide"><table>\n'
        '<thead><tr><th>measure</th><th class="number">value</th><th>unit</th><th>better</th><th>found in</th></tr>'
        f"</thead>\n<tbody>\n{rows}</tbody>\n</table></div></details>\n"
    )


def cards(card: Scorecard, trial: Trial) -> str:
    """The key numbers of a trial."""
    found = [score for metric in CARDS[trial.kind] if (score := card.found(trial, metric)) is not None]
    each = "".join(
        f'<div class="card"><strong>{score.text} <small>{escape(score.unit)}</small></strong>'
        f"<span>{escape(BY_NAME[score.metric].title)}</span></div>"
        for score in found
    )
    return f'<div class="cards">{each}</div>'


def measures(card: Scorecard) -> str:
    """What the measures of groups mean, for whose table has no room for it."""
    if not card.summaries:
        return ""
    rows = "".join(
        f"<dt>{escape(metric.title)}</dt><dd>{escape(metric.explained)}{_better(metric)}</dd>"
        for metric in card.metrics
    )
    return f"\n<h3>The measures</h3>\n<dl>{rows}</dl>"


def cell(score: Score | None) -> str:
    """A number, with how it was found under the mouse; a dash without one."""
    if score is None:
        return '<td class="number">–</td>'
    return f'<td class="number" title="{escape(score.source)}">{score.text}</td>'


def _meaning(metric: Metric) -> str:
    return (
        f'<td class="unit">{escape(metric.unit)}</td><td class="unit">{BETTER[metric.better]}</td>'
        f'<td class="meaning">{escape(metric.explained)}</td>'
    )


def _better(metric: Metric) -> str:
    return "" if metric.better == "neither" else f' <span class="better">({metric.better} is better)</span>'


def _mean(column: Mapping[str, Summary], metric: str) -> str:
    """A mean with its interval, and what does not show in them."""
    summary = column.get(metric)
    if summary is None:
        return '<td class="number">–</td>'
    most = max(each.interval.count for each in column.values())
    remarks = [] if most == 1 and summary.interval.low is None else [summary.ends]
    if summary.interval.count < most:
        remarks.append(f"{summary.interval.count} of {most} clips")
    if summary.seeds is not None and summary.seeds.sd is not None:
        remarks.append(f"sd of seeds {summary.seeds.sd:.{BY_NAME[metric].digits + 1}f}")
    told = f"<br><small>{'<br>'.join(map(escape, remarks))}</small>" if remarks else ""
    return f'<td class="number">{summary.text}{told}</td>'


def _about(acting: str, column: Mapping[str, Summary]) -> str:
    """What a column is a mean of."""
    clips = max(summary.interval.count for summary in column.values())
    some = next(iter(column.values()))
    seeds = some.seed and f"seed {some.seed}"
    if some.seeds is not None:
        seeds = f"{some.seeds.count} seeds"
    count = f"{clips} {'clip' if clips == 1 else 'clips'}{', ' if seeds else ''}{seeds}"
    return "<br>".join(escape(part) for part in (acting, count) if part)
