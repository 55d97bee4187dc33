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
from myotrack.validate.scorecard import METRICS, Metric, Score, Scorecard
from myotrack.validate.tracking import Spread, joint_errors, support_force
from myotrack.validate.trials import Trial
from myotrack.view.figures import pictures, title_of
from myotrack.view.film import LONGEST

ARROWS = {"lower": "lower is better", "higher": "higher is better", "neither": ""}
CARDS = {
    True: ("survival", "joint_error_mean", "hand_error_mean", "activation_mean", "residual_peak", "reserve_peak",
           "support_weight_mean"),
    False: ("activation_mean", "activation_saturated", "residual_rms", "residual_peak", "reserve_peak", "real_time"),
}  # fmt: skip
"""What stands beside the film of a trial that was simulated, and of one that was not."""
ABOUT_KIND = {
    "muscle control": "Muscles were controlled so that the simulated body follows the reference motion: at every "
    "hundredth of a second the joint moments that keep it on course are shared among the muscles at least effort, and "
    "the physics decides what becomes of it.",
    "static optimisation": "Nothing was simulated: for every frame of the recorded motion the joint moments were "
    "computed and shared among the muscles at least effort.",
    "policy": "A learnt policy commanded the muscles of the simulated body.",
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

    @property
    def anchor(self) -> str:
        """Where on the page it is."""
        return "trial-" + "".join(letter if letter.isalnum() else "-" for letter in self.trial.name)


@dataclass(frozen=True)
class Page:
    """What a report is made of."""

    title: str
    shown: Sequence[Shown]
    scorecard: Scorecard
    facts: Mapping[str, str] = field(default_factory=dict)
    """About the run: command, versions, machine, date."""

    def html(self) -> str:
        """The page."""
        style = importlib.resources.files("myotrack").joinpath("data/report/report.css").read_text(encoding="utf-8")
        parts = [
            self._header(),
            self._scores(),
            *(_trial(shown, self.scorecard) for shown in self.shown),
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
        links = [f'<a href="#{shown.anchor}">{escape(shown.trial.name)}</a>' for shown in self.shown]
        links += ['<a href="#reading">How to read this page</a>', '<a href="#made">How it was made</a>']
        return (
            f'<header>\n<p class="kind">{escape(kinds.capitalize())}</p>\n<h1>{escape(self.title)}</h1>\n'
            f'<p class="soft">{escape(bodies)}</p>\n<nav>{"".join(links)}</nav>\n</header>'
        )

    def _scores(self) -> str:
        names = [shown.trial.name for shown in self.shown]
        head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
        rows = [
            _row(metric, [self.scorecard.at(name, metric.name) for name in names]) for metric in self.scorecard.metrics
        ]
        return (
            '<h2 class="first">Scorecard</h2>\n<div class="wide"><table>\n'
            f"<thead><tr><th>measure</th>{head}<th>unit</th><th>what it means</th></tr></thead>\n"
            f"<tbody>\n{''.join(rows)}</tbody>\n</table></div>"
        )

    def _reading(self) -> str:
        kinds = list(dict.fromkeys(shown.trial.kind for shown in self.shown))
        words = [*(escape(ABOUT_KIND[kind]) for kind in kinds), *READING]
        return '<h2 id="reading">How to read this page</h2>\n' + "\n".join(f"<p>{text}</p>" for text in words)

    def _made(self) -> str:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{_code(name, value)}</dd>" for name, value in self.facts.items())
        return f'<h2 id="made">How it was made</h2>\n<dl>{rows}</dl>\n<footer>Made with myotrack.</footer>'


def report(title: str, shown: Sequence[Shown], scorecard: Scorecard, facts: Mapping[str, str] | None = None) -> str:
    """The page as one text of HTML.

    Args:
        title: Its heading.
        shown: The trials, with their films.
        scorecard: Their scores.
        facts: About the run: command, versions, machine, date.
    """
    return Page(title, shown, scorecard, facts or {}).html()


def _row(metric: Metric, scores: Sequence[Score | None]) -> str:
    cells = "".join(
        '<td class="number">–</td>'
        if score is None
        else f'<td class="number" title="{escape(score.source)}">{score.text}</td>'
        for score in scores
    )
    arrow = ARROWS[metric.better]
    better = f' <span class="better">({arrow})</span>' if arrow else ""
    return (
        f'<tr><th>{escape(metric.title)}</th>{cells}<td class="unit">{escape(metric.unit)}</td>'
        f'<td class="meaning">{escape(metric.meaning)}{better}</td></tr>\n'
    )


def _trial(shown: Shown, scorecard: Scorecard) -> str:
    trial = shown.trial
    figures = "\n".join(
        f"<h3>{escape(picture.title)}</h3>\n<figure><figcaption>{escape(picture.words)}</figcaption>\n{picture.svg()}</figure>"
        for picture in pictures(trial, shown.anatomy)
    )
    ended = f'<p class="early"><b>Ended early:</b> {escape(trial.ended)}.</p>\n' if trial.ended else ""
    cards = "".join(
        _card(score)
        for name in CARDS[trial.simulated]
        for score in [scorecard.at(trial.name, name)]
        if score is not None
    )
    return (
        f'<section id="{shown.anchor}">\n<h2>{escape(trial.name)}</h2>\n{ended}<div class="summary">\n'
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
    metric = next(metric for metric in METRICS if metric.name == score.metric)
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
