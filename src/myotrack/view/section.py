"""The part of the page about one trial: what happened, its film, its figures, people beside it, where it comes from."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from myotrack.anatomy.model import Anatomy
from myotrack.clips.quality import Limits, Quality
from myotrack.validate.portrait import Portrait
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial
from myotrack.view.figures import pictures
from myotrack.view.film import LONGEST
from myotrack.view.people import beside_people
from myotrack.view.stills import stills
from myotrack.view.tables import cards, every_number
from myotrack.view.words import body_in_words, summary


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
    portrait: Portrait | None = None
    """The trial beside people; None if nobody has looked."""

    @property
    def anchor(self) -> str:
        """Where on the page it is."""
        return "trial-" + "".join(letter if letter.isalnum() else "-" for letter in self.trial.label)

    @property
    def parts(self) -> Sequence[tuple[str, str]]:
        """Anchors and names of what its section consists of."""
        people = [("people", "Beside people")] if self.portrait is not None else []
        return [(f"{self.anchor}-{end}", name) for end, name in (*people, *_PARTS)]


_PARTS = (("time", "Over time"), ("origin", "Where it comes from"))


def section(shown: Shown, name: str, card: Scorecard) -> str:
    """The part.

    Args:
        shown: The trial.
        name: Its heading.
        card: Scores of the run.
    """
    trial = shown.trial
    figures = "\n".join(picture.html() for picture in pictures(trial, shown.anatomy))
    figures = figures or '<p class="soft">There are no frames to draw.</p>'
    ended = f'<p class="early"><b>Ended early:</b> {escape(trial.ended)}.</p>\n' if trial.ended else ""
    people = "" if shown.portrait is None else beside_people(shown.portrait, shown.anchor)
    return (
        f'<section class="trial" id="{shown.anchor}">\n<h2>{escape(name)}</h2>\n{ended}<div class="summary">\n'
        f'<div class="film">{_film(shown)}</div>\n<div class="words"><p>{escape(summary(trial, shown.anatomy))}</p>\n'
        f"{cards(card, trial)}</div>\n</div>\n{people}"
        f'<h3 class="part" id="{shown.anchor}-time">Over time</h3>\n{figures}\n{every_number(card, trial)}'
        f'<h3 class="part" id="{shown.anchor}-origin">Where it comes from</h3>\n{_origin(shown)}\n</section>'
    )


def code(name: str, value: str) -> str:
    """A fact as markup; what people copy stands in letters of one width."""
    told = escape(value)
    return (
        f"<code>{told}</code>" if name in ("command", "judged by", "again", "body hash", "sha256 of the file") else told
    )


def _film(shown: Shown) -> str:
    if shown.film is None:
        return f'<p class="missing">There is no film here: {escape(shown.no_film.rstrip("."))}.</p>'
    content = base64.b64encode(shown.film).decode()
    dots = "<span><b></b> where joints should be</span>" if shown.trial.simulated else ""
    part = "" if shown.trial.duration <= LONGEST else f'<p class="note">The first {LONGEST:.0f} s.</p>'
    images = "".join(
        f'<img alt="Still {number + 1} of the film" src="data:image/jpeg;base64,{base64.b64encode(image).decode()}">'
        for number, image in enumerate(stills(shown.film))
    )
    return (
        "<video controls loop muted autoplay playsinline>"
        f'<source type="video/mp4" src="data:video/mp4;base64,{content}"></video>\n<div class="stills">{images}</div>\n'
        f'<div class="scale">relaxed <i></i> fully active {dots}</div>{part}'
    )


def _origin(shown: Shown) -> str:
    trial, origin = shown.trial, shown.trial.provenance
    form = f" ({origin.format})" if origin.format not in ("", origin.source) else ""
    facts = {
        "motion": f"{origin.source or 'unknown'}{form}",
        "sha256 of the file": origin.sha256,
        "licence": origin.licence or "not told by the file",
        "body": f"{body_in_words(trial)}, version {trial.body_hash}",
        "sizes": str(trial.sizes or ""),
        "frames": f"{trial.frames} of {trial.wanted_frames}, {trial.rate:g} per second",
        **{name: value for name, value in trial.settings.items() if value},
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{code(name, value)}</dd>" for name, value in facts.items() if value)
    notes = "".join(f"<li>{escape(note)}</li>" for note in origin.notes)
    told = f"<h3>What was done to the recording</h3>\n<ul>{notes}</ul>" if notes else ""
    quality = None if shown.portrait is None else shown.portrait.reference
    return f"<dl>{rows}</dl>\n{told}" + ("" if quality is None else _quality(quality))


def _quality(quality: Quality) -> str:
    """What the reference looks like to a body with limits and weight."""
    limits = Limits()
    rows: tuple[tuple[str, str, float | None, float | None, float], ...] = (
        ("coordinates outside their joint limits", "% of frames", quality.limit_violation, limits.limit_violation, 100),
        (f"furthest past its limit: {quality.worst_limit_joint or 'none'}", "°", quality.worst_limit_excess,
         limits.worst_limit_excess, 180 / math.pi),
        ("below the floor", "% of frames", quality.penetration_share, limits.penetration_share, 100),
        ("deepest below the floor", "mm", quality.deepest_penetration, limits.deepest_penetration, 1000),
        ("nearest to the floor", "mm", quality.clearance, limits.float_height, 1000),
        ("deepest inside itself", "mm", quality.self_penetration, limits.self_penetration, 1000),
        ("inside itself", "% of frames", quality.self_penetration_share, limits.self_penetration_share, 100),
        ("jerk of the landmarks, RMS", "m/s³", quality.jerk, limits.jerk, 1),
        ("velocities unlike those of the positions", "%", quality.velocity_residual, limits.velocity_residual, 100),
    )  # fmt: skip
    cells = "".join(
        f'<tr><th>{escape(words)}</th><td class="number">{_plain(factor * value)}</td>'
        f'<td class="number">{"–" if limit is None else _plain(factor * limit)}</td><td class="unit">{unit}</td>'
        f'<td class="unit">{"over" if limit is not None and value > limit else "within"}</td></tr>'
        for words, unit, value, limit, factor in rows
        if value is not None
    )
    return (
        '<h3>Quality of the reference motion</h3>\n<p class="soft">What was wrong with the motion before any muscle '
        "pulled, in the frames that were performed. A trial does not keep which feet should stand, so nothing is told "
        'of their sliding.</p>\n<div class="wide"><table class="narrow"><thead><tr><th>measure</th>'
        '<th class="number">value</th><th class="number">usual limit</th><th>unit</th><th></th></tr></thead>'
        f"<tbody>{cells}</tbody></table></div>\n"
    )


def _plain(value: float) -> str:
    """Two digits after the point at most, none of what is large."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{round(value, 2):g}"
