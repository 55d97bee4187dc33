"""One self-contained page about the trials of a run: scorecard, films, figures, and what every number means.

The page needs no network and no other file, so it can be handed on as it is, and printed. Its small script only adds:
without it everything is there but the values under the mouse.
"""

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import Trial
from myotrack.view.people import in_short
from myotrack.view.plot import Picture
from myotrack.view.section import Shown, code, section
from myotrack.view.tables import groups, measures, motions, scores
from myotrack.view.words import ABOUT_KIND, READING, body_in_words, lead

LINKS = 12
"""Trials up to which the contents of the page lead to each; of more the table does. Not tuned: they fit on a screen."""


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
        alone = [shown.trial for shown in self.shown if not shown.trial.group]
        grouped = [shown.trial for shown in self.shown if shown.trial.group]
        tables = [
            groups(self.scorecard),
            motions(self.scorecard, grouped, self._link) if self._table else "",
            scores(self.scorecard, alone) if alone else "",
        ]
        sections = [section(shown, self.name(shown.trial), self.scorecard) for shown in self.detailed]
        parts = [
            self._header(),
            *(sections + tables if self._few else tables + sections),
            "" if self.learning is None else f'<section id="learning">{self._learnt()}</section>',
            self._reading(),
            made(self.facts),
        ]
        return document(self.title, self._contents(), parts)

    @property
    def _few(self) -> bool:
        """Whether every trial has a section of its own, so that one need not look for it in a table."""
        return len(self.detailed) == len(self.shown) <= LINKS

    @property
    def _table(self) -> bool:
        """Whether there is a table with a row per motion."""
        return len([shown for shown in self.shown if shown.trial.group]) > 1

    @property
    def detailed(self) -> list[Shown]:
        """The trials with sections of their own."""
        return [shown for shown in self.shown if shown.detail]

    def name(self, trial: Trial) -> str:
        """The clip, and more where the page shows several trials of it."""
        alike = sum(other.trial.name == trial.name for other in self.shown) > 1
        return trial.label if alike else trial.name

    def _contents(self) -> str:
        """What is on the page, beside it on wide screens."""
        tables = ['<li><a href="#scorecard">Scorecard</a></li>']
        if self._table:
            tables.append('<li><a href="#motions">Every motion</a></li>')
        trials = []
        for shown in self.detailed if len(self.detailed) <= LINKS else []:
            parts = "".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for anchor, name in shown.parts)
            trials.append(f'<li><a href="#{shown.anchor}">{escape(self.name(shown.trial))}</a><ul>{parts}</ul></li>')
        links = ['<li><a href="#top">In short</a></li>', *(trials + tables if self._few else tables + trials)]
        if self.learning is not None:
            links.append('<li><a href="#learning">How it was learnt</a></li>')
        links += ['<li><a href="#reading">How to read this page</a></li>',
                  '<li><a href="#made">How it was made</a></li>']  # fmt: skip
        return f'<nav class="contents" aria-label="Contents"><ul>{"".join(links)}</ul></nav>'

    def _header(self) -> str:
        kinds = ", ".join(dict.fromkeys(shown.trial.kind for shown in self.shown))
        bodies = "; ".join(dict.fromkeys(body_in_words(shown.trial) for shown in self.shown))
        words = "".join(f"<p class='lead'>{escape(each)}</p>" for each in self._in_short())
        return (
            f'<header id="top">\n<p class="kind">{escape(kinds.capitalize())}</p>\n<h1>{escape(self.title)}</h1>\n'
            f'<p class="soft">{escape(bodies)}</p>\n{words}</header>'
        )

    def _in_short(self) -> list[str]:
        words = lead([shown.trial for shown in self.shown], self.scorecard)
        for shown in self.detailed if self._few else []:
            told = "" if shown.portrait is None else in_short(shown.portrait)
            if told:
                words.append(told if len(self.shown) == 1 else f"{self.name(shown.trial)}. {told}")
        return words

    def _learnt(self) -> str:
        assert self.learning is not None
        return self.learning.html().replace("<h3>", "<h2>", 1).replace("</h3>", "</h2>", 1)

    def _link(self, trial: Trial) -> str:
        """The name, leading to the section where there is one."""
        name = escape(self.name(trial))
        mine = next((shown for shown in self.detailed if shown.trial is trial), None)
        return name if mine is None else f'<a href="#{mine.anchor}">{name}</a>'

    def _reading(self) -> str:
        kinds = list(dict.fromkeys(shown.trial.kind for shown in self.shown))
        words = [*(escape(ABOUT_KIND[kind]) for kind in kinds), *READING]
        text = "\n".join(f"<p>{text}</p>" for text in words)
        return f'<section id="reading"><h2>How to read this page</h2>\n{text}{measures(self.scorecard)}</section>'


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


def made(facts: Mapping[str, str]) -> str:
    """The end of a page: how it came to be."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{code(name, value)}</dd>" for name, value in facts.items())
    return (
        f'<section id="made"><h2>How it was made</h2>\n<dl>{rows}</dl></section>\n<footer>Made with myotrack.</footer>'
    )


def document(title: str, contents: str, parts: Sequence[str]) -> str:
    """A page that needs no other file.

    Args:
        title: Of the window.
        contents: What stands beside it on wide screens.
        parts: One below the other; empty ones are left out.
    """
    style, script = (_file(name) for name in ("report.css", "report.js"))
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<div class="page">\n{contents}\n<main>\n{body}\n</main>\n</div>\n'
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _file(name: str) -> str:
    return importlib.resources.files("myotrack").joinpath(f"data/report/{name}").read_text(encoding="utf-8")
