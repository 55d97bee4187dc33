"""One self-contained page about a comparison: what differs, how sure that is, and the curves of both together."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from myotrack.validate.comparison import Comparison, Likeness, Row
from myotrack.validate.norms import WIDTH, Norm
from myotrack.validate.pairs import Kind, Pair, heard, near
from myotrack.validate.takes import Take
from myotrack.view.people import ABOUT, CYCLE, PEOPLE, SAGITTAL, WORDS, cited
from myotrack.view.plot import Key, Line, Panel, Picture
from myotrack.view.report import document, made
from myotrack.view.wording import DASH, PARTS, Words, verdict, words_of, words_of_curve

DRAWN = 6
"""Motions whose curves are drawn; tables have all. Not tuned: about as much as one scrolls through."""
NAMED = 4
"""Measures that the head of the page names for either side."""
COMPUTER = "real_time"
"""The metric that tells of the computer, not of the body."""
FOLDED: dict[Kind, str] = {
    "muscle": "Muscles that people's EMG is known of",
    "muscle group": "Muscle groups",
    "joint": "Every joint over time",
}
"""Kinds of curves with many rows, and what they are called."""
READING = (
    "<b>A less B</b> is taken motion by motion, and its mean over motions is shown with a 95 % interval: a bootstrap "
    "(BCa) over motions, not over frames. <b>Unsure</b> means that the interval holds zero, or that there is one "
    "motion, of which nothing tells how much the next would differ. Of twenty measures that do not differ one looks "
    "sure by chance.",
    "<b>r</b> is Pearson's correlation without lag: 1 for curves of one shape, whatever their size and offset. The RMS "
    "difference tells of these. A muscle that only one of both leaves silent has r = 0; one that both leave silent has "
    "none.",
    "<b>Usual</b> is what is known of people, or asked of a sound simulation; outside of it is no fault by itself, and "
    "a body walks as fast as its reference does.",
)


def comparison_page(done: Comparison, facts: Mapping[str, str]) -> str:
    """The page as one text of HTML.

    Args:
        done: What was compared.
        facts: How: command, versions, protocol, date.
    """
    drawn = [(pair, figures) for pair in done.pairs if (figures := pictures(pair, done.names))]
    left_out, drawn = len(drawn[DRAWN:]), drawn[:DRAWN]
    titles = {"top": "In short", "differs": "What differs"}
    titles |= {"alike": "How alike the curves are"} if done.likenesses else {}
    titles |= {_anchor(number): pair.motion for number, (pair, _) in enumerate(drawn)}
    titles |= {"reading": "How to read this page", "made": "How it was made"}
    links = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title in titles.items())
    title = f"{done.names[0]} against {done.names[1]}"
    sections = [
        f'<section class="trial" id="{_anchor(number)}"><h2>{escape(pair.motion)}</h2>\n'
        + "\n".join(figure.html() for figure in figures)
        + "</section>"
        for number, (pair, figures) in enumerate(drawn)
    ]
    reading = "\n".join(f"<p>{words}</p>" for words in READING)
    parts = [
        _header(done),
        differences(done),
        likenesses(done.likenesses),
        *sections,
        f'<p class="soft">Curves of {left_out} more are not drawn; the tables have them.</p>' if left_out else "",
        f'<section id="reading"><h2>How to read this page</h2>\n{reading}</section>',
        made(facts),
    ]
    return document(title, f'<nav class="contents" aria-label="Contents"><ul>{links}</ul></nav>', parts)


def in_short(done: Comparison) -> list[str]:
    """What it comes to, in sentences."""
    count = len(done.pairs)
    words = [f"{count} motions in common." if count > 1 else "One motion in common, so nothing tells how sure this is."]
    for letter, side in zip("AB", ("first", "second"), strict=True):
        found = [
            words_of(row.measure).title
            for row in done.rows
            if row.better == side and (row.sure or count == 1) and row.measure.name != COMPUTER
        ]
        if found:
            more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
            words.append(f"{letter} is{' surely' if count > 1 else ''} better in {'; '.join(found[:NAMED])}{more}.")
    if count > 1 and len(words) == 1:
        words.append("In nothing is either surely better than the other.")
    told = [
        f"{words_of_curve(each.kind, each.name).title} r\u00a0=\u00a0{_signed(each.r.mean, 2)}"
        for each in done.likenesses
        if each.name in (*SAGITTAL, "vertical", "every muscle") and each.r is not None
    ]
    return [" ".join(words), *([f"How alike: {', '.join(told)}."] if told else [])]


def differences(done: Comparison) -> str:
    """Every measure of both."""
    rows = ""
    for part, title in PARTS.items():
        mine = [row for row in done.rows if row.measure.part == part]
        if mine:
            rows += f'<tr class="published"><th colspan="6">{title}</th></tr>\n'
            rows += "".join(_row(row, len(done.pairs)) for row in mine)
    if not rows:
        rows = '<tr><td colspan="6">No number is known of both.</td></tr>'
    sources = cited(source for row in done.rows for source in row.cited)
    sources = f'\n<p class="soft">Where numbers of people were read: {sources}</p>' if sources else ""
    return (
        '<section id="differs"><h2>What differs</h2>\n<p class="soft">Means over the motions of which both have the '
        "number. Under a difference stands its 95 % interval, which one motion has not.</p>\n"
        '<div class="wide"><table class="many groups"><thead><tr><th>measure</th><th class="number">A</th>'
        '<th class="number">B</th><th class="number">A less B</th><th>better is</th><th>usual</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>{sources}</section>"
    )


def likenesses(found: Sequence[Likeness]) -> str:
    """Every curve of both; the many are folded away."""
    if not found:
        return ""
    tables = _curve_table([each for each in found if each.kind not in FOLDED])
    for kind, title in FOLDED.items():
        mine = [each for each in found if each.kind == kind]
        if mine:
            tables += f"<details><summary>{title}</summary>\n{_curve_table(mine)}</details>\n"
    return (
        '<section id="alike"><h2>How alike the curves are</h2>\n<p class="soft">Means over motions; under r stands its '
        "95 % interval. Over the cycle the mean of the strides of both feet is compared, over time every instant.</p>\n"
        f"{tables}</section>"
    )


def pictures(pair: Pair, names: tuple[str, str]) -> list[Picture]:
    """Curves of both, each in one drawing."""
    keys = Key("first", f"A, {names[0]}"), Key("second", f"B, {names[1]}", "dash")
    found: list[Picture] = []
    for kind, (name, title, _, _, least) in ABOUT.items():
        there = [each for each in pair.cycles if pair.kind_of(each) == kind]
        if there:
            norms = {} if pair.first.seen is None else pair.first.seen.portrait.norms
            panels = [
                _panel(words_of_curve(pair.kind_of(each), each), CYCLE, pair.cycles[each], least, norms.get(each))
                for each in there
            ]
            whom = dict.fromkeys(f"{norm.of} ({norm.citation})" for each in there if (norm := norms.get(each)))
            words = WORDS[kind] + (f" People: {'; '.join(whom)}." if whom else "")
            found.append(Picture(name, title, words, panels, (*keys, *(PEOPLE if whom else ())), "cycle"))
    told = {each: curves for each, curves in pair.cycles.items() if pair.kind_of(each) == "muscle"}
    if told:
        words = "What the muscles under an electrode are told, of all that they can be, low-passed as EMG is."
        found.append(Picture("cycle-emg", "Muscles over the cycle", words, _muscles(told, CYCLE), keys, "cycle"))
    if pair.groups:
        words = "Mean activation of the muscles of a group, of all that they can give."
        x, axis = (CYCLE, "cycle") if pair.by_cycle else (pair.time, "time")
        found.append(Picture("groups", "Muscle groups", words, _muscles(pair.groups, x), keys, axis))
    return found if pair.cycles else [*over_time(pair, keys), *found]


def over_time(pair: Pair, keys: Sequence[Key]) -> list[Picture]:
    """Joint angles instant by instant."""
    angles = pair.over_time("angles")
    if angles is None or pair.first.seen is None:
        return []
    panels = [
        _panel(words_of_curve("joint", joint), pair.time, (mine, theirs), 10.0)
        for joint, mine, theirs in zip(pair.first.seen.joints, *(side.T for side in angles), strict=True)
    ]
    return [Picture("angles", "Joint angles over time", "Positive is what the title says.", panels, keys)]


def _header(done: Comparison) -> str:
    words = "".join(f"<p class='lead'>{escape(each)}</p>" for each in in_short(done))
    notes = "".join(f"<li>{escape(note)}</li>" for note in done.notes)
    kinds = [", ".join(dict.fromkeys(take.what for take in takes)) for takes in _sides(done)]
    legend = "<br>".join(
        f"<i class='dot k-{key}'></i><b>{letter}</b> {escape(name)}, {kind}"
        for letter, key, name, kind in zip("AB", ("first", "second"), done.names, kinds, strict=True)
    )
    missing = f'<ul class="absent" aria-label="What is missing here">{notes}</ul>\n' if notes else ""
    return (
        '<header id="top">\n<p class="kind">Comparison</p>\n'
        f"<h1>{escape(done.names[0])} against {escape(done.names[1])}</h1>\n<p class='soft'>{legend}</p>\n"
        f"{words}{missing}</header>"
    )


def _sides(done: Comparison) -> tuple[list[Take], list[Take]]:
    return [pair.first for pair in done.pairs], [pair.second for pair in done.pairs]


def _row(row: Row, most: int) -> str:
    words, apart = words_of(row.measure), row.difference
    ends = [] if apart.low is None else [words.span((apart.low, apart.high), 1)]
    few = [f"{apart.count} of {most} motions"] if apart.count < most else []
    told = "".join(f"<br><small>{each}</small>" for each in (*ends, *few))
    way = "" if row.measure.better == "neither" else f", {row.measure.better} is better"
    usual = ": ".join(each for each in (words.span(row.usual) if row.usual else "", row.source) if each)
    return (
        f"<tr><th>{escape(words.title)}<br><small>{escape(words.unit)}{way}</small></th>"
        f"<td class='number'>{words.of(row.first)}</td><td class='number'>{words.of(row.second)}</td>"
        f"<td class='number'>{words.of(apart.mean, 1)}{told}</td><td class='unit'>{_marked(verdict(row))}</td>"
        f"<td class='unit source'>{escape(usual)}</td></tr>\n"
    )


def _marked(who: str) -> str:
    """A verdict with the colour of whom it is for; what is unsure stays pale."""
    key = {"A": "first", "B": "second"}.get(who[:1])
    if key is None:
        return f"<span class='better'>{who}</span>"
    told = f"<i class='dot k-{key}'></i>{who}"
    return f"<b>{told}</b>" if len(who) == 1 else f"<span class='better'>{told}</span>"


def _curve_table(found: Sequence[Likeness]) -> str:
    rows = "".join(map(_curve_row, found))
    return (
        '<div class="wide"><table class="many groups"><thead><tr><th>curve</th><th class="number">r</th>'
        f'<th class="number">RMS difference</th><th>over</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n'
    )


def _curve_row(each: Likeness) -> str:
    words = words_of_curve(each.kind, each.name)
    r = DASH
    if each.r is not None:
        r = _signed(each.r.mean, 3)
        if each.r.low is not None and each.r.high is not None:
            r += f"<br><small>{_signed(each.r.low, 3)} to {_signed(each.r.high, 3)}</small>"
    return (
        f"<tr><th>{escape(words.title)}</th><td class='number'>{r}</td><td class='number'>{words.of(each.rmse.mean)} "
        f"<small>{escape(words.unit)}</small></td><td class='unit'>{each.over}</td></tr>\n"
    )


def _muscles(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> list[Panel]:
    return [_panel(words_of_curve("muscle", name), x, both, 5.0, muscle=True) for name, both in curves.items()]


def _panel(
    words: Words,
    x: np.ndarray,
    curves: tuple[np.ndarray, np.ndarray],
    least: float,
    norm: Norm | None = None,
    muscle: bool = False,
) -> Panel:
    """Both curves, over the band of people where there is one."""
    factor, lines = words.factor, []
    if norm is not None:
        low, high = (factor * (norm.mean + side * WIDTH * norm.spread) for side in (-1, 1))
        lines += [Line("people", high, "area", other=low), Line("norm", factor * norm.mean, "dash")]
    lines += [Line("first", factor * curves[0]), Line("second", factor * curves[1], "dash")]
    r, rmse = (heard if muscle else near)(*curves)
    note = f"RMS difference {words.of(rmse)}"
    note = note if np.isnan(r) else f"r {_signed(r, 2)}, {note}"
    return Panel(words.title, words.unit, x, lines, note, least, floor=muscle)


def _signed(value: float, digits: int) -> str:
    return Words("", "", 1.0, digits).of(value)


def _anchor(number: int) -> str:
    return f"motion-{number}"
