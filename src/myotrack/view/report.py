"""One self-contained page about the trials of a run: scorecard, films, figures, and what every number means.

The page needs no network, no script and no other file, so it can be handed on as it is, and printed.
"""

import base64
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.anatomy.naming import side_of, stem_of
from myotrack.validate.metrics import BY_NAME, Metric, Score
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.summary import TOGETHER, Summary
from myotrack.validate.tracking import Spread, joint_errors, support_force
from myotrack.validate.trials import Trial
from myotrack.view.figures import Picture, pictures, title_of
from myotrack.view.film import LONGEST

ARROWS = {"lower": "lower is better", "higher": "higher is better", "neither": ""}
CARDS = {
    "muscle control": ("survival", "joint_error_mean", "hand_error_mean", "activation_mean", "residual_peak",
                       "reserve_peak", "support_weight_mean"),
    "static optimisation": ("activation_mean", "activation_saturated", "residual_rms", "residual_peak", "reserve_peak",
                            "real_time"),
    "policy": ("coverage_published", "coverage_strict", "landmark_error_mean", "hand_error_mean", "joint_error_mean",
               "root_position_error", "activation_mean", "excitation_change"),
}  # fmt: skip
"""What stands beside the film of a trial."""
LINKS = 12
"""Trials up to which the head of the page leads to each; of more the table does. Tuned: three lines of links."""
ABOUT_KIND = {
    "muscle control": "Muscles were controlled so that the simulated body follows the reference motion: at every "
    "hundredth of a second the joint moments that keep it on course are shared among the muscles at least effort, and "
    "the physics decides what becomes of it.",
    "static optimisation": "Nothing was simulated: for every frame of the recorded motion the joint moments were "
    "computed and shared among the muscles at least effort.",
    "policy": "A learnt policy commanded the muscles of the simulated body; nothing else moved it. Errors are those "
    "before the body first left its reference by the published rule, so they say little where few motions were kept to "
    "the end. The small numbers under a mean are its 95 % interval, over motions of that kind.",
}
READING = (
    "<b>Activation</b> is how strongly a muscle is switched on, from 0 to 100 % of what it can do. It is computed, not "
    "measured: of the many patterns that could make the motion, it is the one of least effort. People also tense "
    "opposing muscles against each other, which this does not show.",
    "<b>Missed moment</b> is what the motion asks of a joint and the muscles of this model do not deliver. A few per "
    "cent of a joint's moment are usual. Where it is large, muscles are too weak or lie wrongly in the model, or the "
    "motion is not one that this body can make.",
    "<b>Reserve</b> and <b>support</b> are help from outside that no person has. Reserve moments turn single joints; "
    "support carries the pelvis. With support, forces under the feet and activations of the legs are not those of free "
    "walking or standing.",
    "In the <b>films</b> a muscle is grey at rest and bright red at full activation; in between its colour follows the "
    "root of the activation, so that weak ones can be seen. Blue dots are where joints should be.",
    "The model is that of one adult body unless sizes are given; it has no diagnosis in it, and its numbers are no "
    "basis for treatment on their own.",
)


@dataclass(frozen=True)
class Shown:
    """A trial on the page."""

    trial: Trial
    anatomy: Anatomy
    film: bytes | None = None
    """An MP4."""
    no_film: str = "none was asked for"
    """Why there is no film."""
    detail: bool = True
    """Whether it gets a section of its own, beside its row in the table of all motions."""

    @property
    def anchor(self) -> str:
        """Where on the page it is."""
        return "trial-" + "".join(letter if letter.isalnum() else "-" for letter in self.trial.label)


@dataclass(frozen=True)
class Page:
    """What a report is made of."""

    title: str
    shown: Sequence[Shown]
    scorecard: Scorecard
    facts: Mapping[str, str] = field(default_factory=dict)
    """About the run: command, versions, machine, date."""
    learning: Picture | None = None
    """How a policy was learnt."""

    def html(self) -> str:
        """The page."""
        style = importlib.resources.files("myotrack").joinpath("data/report/report.css").read_text(encoding="utf-8")
        alone = [shown for shown in self.shown if not shown.trial.group]
        grouped = [shown for shown in self.shown if shown.trial.group]
        parts = [
            self._header(),
            self._groups(),
            self._motions(grouped) if grouped else "",
            self._scores(alone) if alone else "",
            self._learnt(),
            *(_trial(shown, self.name(shown), self.scorecard) for shown in self.detailed),
            self._reading(),
            self._made(),
        ]
        body = "\n".join(part for part in parts if part)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
            "</main>\n</body>\n</html>\n"
        )

    def _header(self) -> str:
        kinds = ", ".join(dict.fromkeys(shown.trial.kind for shown in self.shown))
        bodies = "; ".join(dict.fromkeys(_body(shown) for shown in self.shown))
        links = [f'<a href="#{shown.anchor}">{escape(self.name(shown))}</a>' for shown in self.detailed]
        if len(links) > LINKS:
            links = []
        links += ['<a href="#reading">How to read this page</a>', '<a href="#made">How it was made</a>']
        return (
            f'<header>\n<p class="kind">{escape(kinds.capitalize())}</p>\n<h1>{escape(self.title)}</h1>\n'
            f'<p class="soft">{escape(bodies)}</p>\n<nav>{"".join(links)}</nav>\n</header>'
        )

    @property
    def detailed(self) -> list[Shown]:
        """The trials with sections of their own."""
        return [shown for shown in self.shown if shown.detail]

    def _learnt(self) -> str:
        if self.learning is None:
            return ""
        picture = self.learning
        return (
            f"<h2>{escape(picture.title)}</h2>\n<figure><figcaption>{escape(picture.words)}</figcaption>\n"
            f"{picture.svg()}</figure>"
        )

    def name(self, shown: Shown) -> str:
        """The clip, and more where the page shows several trials of it."""
        alike = sum(other.trial.name == shown.trial.name for other in self.shown) > 1
        return shown.trial.label if alike else shown.trial.name

    def _groups(self) -> str:
        """Means over the clips of each group and way of acting, over all seeds where there are several."""
        summaries = self.scorecard.summaries
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
        metrics = [metric for metric in self.scorecard.metrics if any(metric.name in each for each in columns.values())]
        rows = "".join(
            f"<tr><th>{escape(metric.title)} <small>{escape(metric.unit)}</small></th>"
            f"{''.join(_mean(each, metric.name) for each in columns.values())}</tr>\n"
            for metric in metrics
        )
        beside = f'<p class="note">{escape(str(self.scorecard.conditions))}.</p>' if self.scorecard.conditions else ""
        return (
            '<h2 class="first">Scorecard</h2>\n<div class="wide"><table class="many groups">\n'
            f"<thead><tr><th>mean over motions</th>{head}</tr></thead>\n"
            f"<tbody>\n{rows}</tbody>\n</table></div>\n{beside}"
        )

    def _motions(self, grouped: Sequence[Shown]) -> str:
        """One row per motion, with what its cards hold."""
        names = dict.fromkeys(name for shown in grouped for name in CARDS[shown.trial.kind])
        metrics = [metric for name in names for metric in self.scorecard.metrics if metric.name == name]
        head = "".join(
            f'<th class="number">{escape(metric.title)}<br><small>{escape(metric.unit)}</small></th>'
            for metric in metrics
        )
        rows = "".join(
            f'<tr><th>{self._link(shown)}</th><td class="group">{escape(shown.trial.group)}</td>'
            + "".join(_cell(self.scorecard.found(shown.trial, metric.name)) for metric in metrics)
            + "</tr>\n"
            for shown in grouped
        )
        return (
            '<h2>Every motion</h2>\n<div class="wide"><table class="many">\n'
            f"<thead><tr><th>motion</th><th>group</th>{head}</tr></thead>\n"
            f"<tbody>\n{rows}</tbody>\n</table></div>"
        )

    def _link(self, shown: Shown) -> str:
        """The name, leading to the section where there is one."""
        name = escape(self.name(shown))
        return f'<a href="#{shown.anchor}">{name}</a>' if shown.detail else name

    def _scores(self, alone: Sequence[Shown]) -> str:
        names = [shown.trial.name for shown in alone]
        head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
        rows = []
        for metric in self.scorecard.metrics:
            scores = [self.scorecard.found(shown.trial, metric.name) for shown in alone]
            if any(score is not None for score in scores):
                rows.append(_row(metric, scores))
        return (
            '<h2 class="first">Scorecard</h2>\n<div class="wide"><table>\n'
            f"<thead><tr><th>measure</th>{head}<th>unit</th><th>what it means</th></tr></thead>\n"
            f"<tbody>\n{''.join(rows)}</tbody>\n</table></div>"
        )

    def _reading(self) -> str:
        kinds = list(dict.fromkeys(shown.trial.kind for shown in self.shown))
        words = [*(escape(ABOUT_KIND[kind]) for kind in kinds), *READING]
        measures = ""
        if self.scorecard.summaries:
            # The table of the groups has no room for them.
            rows = "".join(
                f"<dt>{escape(metric.title)}</dt><dd>{escape(metric.meaning)}{_better(metric)}</dd>"
                for metric in self.scorecard.metrics
            )
            measures = f"\n<h3>The measures</h3>\n<dl>{rows}</dl>"
        text = "\n".join(f"<p>{text}</p>" for text in words)
        return f'<h2 id="reading">How to read this page</h2>\n{text}{measures}'

    def _made(self) -> str:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{_code(name, value)}</dd>" for name, value in self.facts.items())
        return f'<h2 id="made">How it was made</h2>\n<dl>{rows}</dl>\n<footer>Made with myotrack.</footer>'


def report(
    title: str,
    shown: Sequence[Shown],
    scorecard: Scorecard,
    facts: Mapping[str, str] | None = None,
    learning: Picture | None = None,
) -> str:
    """The page as one text of HTML.

    Args:
        title: Its heading.
        shown: The trials, with their films.
        scorecard: Their scores.
        facts: About the run: command, versions, machine, date.
        learning: How a policy was learnt.
    """
    return Page(title, shown, scorecard, facts or {}, learning).html()


def _row(metric: Metric, scores: Sequence[Score | None]) -> str:
    return f"<tr><th>{escape(metric.title)}</th>{''.join(map(_cell, scores))}{_meaning(metric)}</tr>\n"


def _cell(score: Score | None) -> str:
    if score is None:
        return '<td class="number">–</td>'
    return f'<td class="number" title="{escape(score.source)}">{score.text}</td>'


def _meaning(metric: Metric) -> str:
    return (
        f'<td class="unit">{escape(metric.unit)}</td><td class="meaning">{escape(metric.meaning)}{_better(metric)}</td>'
    )


def _better(metric: Metric) -> str:
    arrow = ARROWS[metric.better]
    return f' <span class="better">({arrow})</span>' if arrow else ""


def _mean(column: Mapping[str, Summary], metric: str) -> str:
    """A mean with its interval, and what does not show in them."""
    summary = column.get(metric)
    if summary is None:
        return '<td class="number">–</td>'
    most = max(each.interval.count for each in column.values())
    remarks = [summary.ends]
    if summary.interval.count < most:
        remarks.append(f"{summary.interval.count} of {most} clips")
    if summary.seeds is not None and summary.seeds.sd is not None:
        remarks.append(f"sd of seeds {summary.seeds.sd:.{BY_NAME[metric].digits + 1}f}")
    return f'<td class="number">{summary.text}<br><small>{"<br>".join(map(escape, remarks))}</small></td>'


def _about(acting: str, column: Mapping[str, Summary]) -> str:
    """What a column is a mean of."""
    clips = max(summary.interval.count for summary in column.values())
    some = next(iter(column.values()))
    seeds = some.seed and f"seed {some.seed}"
    if some.seeds is not None:
        seeds = f"{some.seeds.count} seeds"
    count = f"{clips} {'clip' if clips == 1 else 'clips'}{', ' if seeds else ''}{seeds}"
    return "<br>".join(escape(part) for part in (acting, count) if part)


def _trial(shown: Shown, name: str, scorecard: Scorecard) -> str:
    trial = shown.trial
    figures = "\n".join(
        f"<h3>{escape(picture.title)}</h3>\n<figure><figcaption>{escape(picture.words)}</figcaption>\n{picture.svg()}</figure>"
        for picture in pictures(trial, shown.anatomy)
        # A policy is asked for no moments.
        if not (picture.name == "moments" and trial.kind == "policy")
    )
    ended = f'<p class="early"><b>Ended early:</b> {escape(trial.ended)}.</p>\n' if trial.ended else ""
    cards = "".join(
        _card(score) for metric in CARDS[trial.kind] for score in [scorecard.found(trial, metric)] if score is not None
    )
    return (
        f'<section id="{shown.anchor}">\n<h2>{escape(name)}</h2>\n{ended}<div class="summary">\n'
        f'<div class="film">{_film(shown)}</div>\n<div class="words"><p>{escape(summary(trial, shown.anatomy))}</p>\n'
        f'<div class="cards">{cards}</div></div>\n</div>\n{figures}\n'
        f"<h3>Where it comes from</h3>\n{_origin(shown)}\n</section>"
    )


def summary(trial: Trial, anatomy: Anatomy) -> str:
    """What happened, in a few plain sentences."""
    words = []
    whole = trial.wanted_frames / trial.rate
    percent = 100 * float(trial.activation.double().mean())
    if trial.simulated:
        done = f"all {trial.duration:.1f} s" if not trial.ended else f"{trial.duration:.1f} of {whole:.1f} s"
        words.append(
            f"The simulated body performed {done} of the motion, moved by {trial.activation.shape[1]} muscles."
        )
        errors = Spread.of(joint_errors(trial), anatomy.coordinate_names[trial.joints], trial.rate)
        words.append(
            f"Joint angles were {errors.mean:.2g}° from the reference on average and at most {errors.worst:.2g}° "
            f"({_named(errors.where)})."
        )
    else:
        words.append(f"{trial.duration:.1f} s of recorded motion, explained by {trial.activation.shape[1]} muscles.")
    words.append(f"Muscles were active by {percent:.2g} % of what they can do on average.")
    helped = []
    if trial.support.any():
        helped.append(f"a force of {support_force(trial).mean():.0f} N on average held the pelvis")
    if trial.reserve.any():
        helped.append("reserve moments helped the joints")
    words.append(f"From outside, {' and '.join(helped)}." if helped else "Nothing helped from outside.")
    return " ".join(words)


def _named(where: str) -> str:
    """'elbow_flex_r at 0.5 s' in words."""
    name, _, when = where.partition(" at ")
    side = side_of(name)
    return f"{title_of(stem_of(name))}{'' if side == 'midline' else f', {side}'}, at {when}"


def _card(score: Score) -> str:
    metric = BY_NAME[score.metric]
    return (
        f'<div class="card"><strong>{score.text} <small>{escape(score.unit)}</small></strong>'
        f"<span>{escape(metric.title)}</span></div>"
    )


def _film(shown: Shown) -> str:
    if shown.film is None:
        return f'<p class="missing">There is no film here: {escape(shown.no_film.rstrip("."))}.</p>'
    content = base64.b64encode(shown.film).decode()
    dots = "<span><b></b> where joints should be</span>" if shown.trial.simulated else ""
    part = "" if shown.trial.duration <= LONGEST else f'<p class="note">The first {LONGEST:.0f} s.</p>'
    return (
        "<video controls loop muted autoplay playsinline>"
        f'<source type="video/mp4" src="data:video/mp4;base64,{content}"></video>\n'
        f'<div class="scale">relaxed <i></i> fully active {dots}</div>{part}'
    )


def _origin(shown: Shown) -> str:
    trial, origin = shown.trial, shown.trial.provenance
    form = f" ({origin.format})" if origin.format not in ("", origin.source) else ""
    facts = {
        "motion": f"{origin.source or 'unknown'}{form}",
        "sha256 of the file": origin.sha256,
        "licence": origin.licence,
        "body": f"{_body(shown)}, version {trial.body_hash}",
        "sizes": str(trial.sizes or ""),
        "frames": f"{trial.frames} of {trial.wanted_frames}, {trial.rate:g} per second",
        **{name: value for name, value in trial.settings.items() if value},
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{_code(name, value)}</dd>" for name, value in facts.items() if value)
    notes = "".join(f"<li>{escape(note)}</li>" for note in origin.notes)
    return f"<dl>{rows}</dl>\n" + (f"<ul>{notes}</ul>" if notes else "")


def _body(shown: Shown) -> str:
    trial = shown.trial
    fingers = "moving" if trial.fingers else "locked"
    return f"{BODIES[trial.body].title}, fingers {fingers}, {trial.activation.shape[1]} muscles"


def _code(name: str, value: str) -> str:
    told = escape(value)
    return f"<code>{told}</code>" if name in ("command", "body hash", "sha256 of the file") else told
