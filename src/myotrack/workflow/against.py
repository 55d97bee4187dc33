"""`myotrack validate A --against B`: two runs, policies or clips beside each other, motion by motion."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myotrack.validate.comparison import Comparison, Likeness, Row, compare
from myotrack.validate.protocol import RULES
from myotrack.view.comparison import comparison_page
from myotrack.view.wording import DASH, PARTS, Words, verdict, words_of, words_of_curve
from myotrack.workflow.learning import one_thread
from myotrack.workflow.output import print_json, print_table
from myotrack.workflow.page import people
from myotrack.workflow.run import about_run, file_names, write_text
from myotrack.workflow.sides import Found, Side, side_of, takes_of, wanted_of, with_motions
from myotrack.workflow.steer import progress
from myotrack.workflow.validate import Examination, here

if TYPE_CHECKING:
    from myotrack.workflow.cli import ValidateCommand

UNLISTED = ("muscle group", "joint")
"""Curves of which there are too many for a table in a terminal; the page and the JSON have them."""


def against(command: "ValidateCommand") -> int:
    """Compare, print the tables or one JSON object, and write the page."""
    assert command.against is not None
    if command.sampled:
        raise ValueError("A comparison is of mean actions; leave out --sampled.")
    if command.out is not None and command.out.suffix != ".html":
        raise ValueError(f"{command.out}: --out is the page of the comparison, a file whose name ends in '.html'.")
    begin = time.perf_counter()
    one_thread()
    sides = with_motions([side_of(str(command.run_folder)), side_of(command.against)])
    how = Examination(device=command.device, level=command.level, seed=command.seed)
    norms, _ = people()
    with progress() as tell:
        found = [
            takes_of(side, command.clips or wanted_of(side, other), how, norms, tell)
            for side, other in ((sides[0], sides[1]), (sides[1], sides[0]))
        ]
    done = compare(sides[0].name, found[0].takes, sides[1].name, found[1].takes)
    facts, page = facts_of(sides, found), command.out or place_of(sides)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, comparison_page(done, facts))
    if command.json:
        print_json(as_dict(done, facts, page))
        return 0
    print_comparison(done, found)
    print(f"{_motions(len(done.pairs))} in {time.perf_counter() - begin:.0f} s. Page: {page}")
    return 0


def place_of(sides: list[Side]) -> Path:
    """The page, beside the first; a policy that comes with myotrack is copied, as when it is judged."""
    first, other = sides
    whom = other.place.stem if other.place.is_file() else Path(other.name).resolve().name
    name = file_names([f"against {whom}"])[0].removesuffix(".npz") + ".html"
    if first.folders:
        return here(Path(first.name)) / name
    stem = first.place.stem
    return first.place / name if first.place.is_dir() else first.place.with_name(f"{stem}-{name}")


def facts_of(sides: list[Side], found: list[Found]) -> dict[str, str]:
    """How the comparison was made."""
    about = about_run()
    facts = {"command": str(about["command"])}
    for letter, side, each in zip("AB", sides, found, strict=True):
        kinds = ", ".join(dict.fromkeys(take.what for take in each.takes))
        facts[letter] = f"{side.name} ({kinds})"
        if each.conditions is not None:
            facts[f"protocol of {letter}"] = str(each.conditions)
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return facts | {"thresholds": "; ".join(map(str, RULES)), "versions": versions, "date": about["machine"]["date"]}


def print_comparison(done: Comparison, found: Sequence[Found]) -> None:
    """A table for each part, and one of curves; what is missing, and the protocols."""
    print(f"A: {done.names[0]}. B: {done.names[1]}. Means over {_motions(len(done.pairs))} that both have.\n")
    for part, title in PARTS.items():
        rows = [_cells(row) for row in done.rows if row.measure.part == part]
        heads = ["measure", "unit", "better", "A", "B", "A - B", "95 % interval", "n", "better is", "usual"]
        if rows:
            print_table(title, heads, rows)
    shown = [each for each in done.likenesses if each.kind not in UNLISTED or (each.kind == "joint" and not done.walks)]
    if shown:
        heads = ["curve", "over", "r", "95 % interval", "RMS difference", "unit", "n"]
        print_table("How alike the curves are (r without lag)", heads, [_curve_cells(each) for each in shown])
    if any(row.better and not row.sure for row in done.rows):
        print("Unsure: the interval holds zero, or there is one motion, which has none.")
    sources: dict[str, list[str]] = {}
    for row in done.rows:
        if row.source:
            sources.setdefault(row.source, []).append(words_of(row.measure).title)
    lines = [f"Source: {source}, of {'; '.join(titles)}." for source, titles in sources.items()]
    lines += done.notes
    lines += [
        f"Protocol of {letter}: {each.conditions}." for letter, each in zip("AB", found, strict=True) if each.conditions
    ]
    print("\n".join(lines))


def _motions(count: int) -> str:
    return f"{count} {'motion' if count == 1 else 'motions'}"


def _cells(row: Row) -> list[str]:
    words, apart = words_of(row.measure), row.difference
    return [
        words.title, words.unit, row.measure.better.replace("neither", ""), words.of(row.first), words.of(row.second),
        words.of(apart.mean, 1), words.span((apart.low, apart.high), 1), str(apart.count), verdict(row),
        words.span(row.usual) if row.usual else "",
    ]  # fmt: skip


def _curve_cells(each: Likeness) -> list[str]:
    words, r = words_of_curve(each.kind, each.name), each.r
    shares = Words("", "", 1.0, 3)
    told = [DASH, DASH] if r is None else [shares.of(r.mean), shares.span((r.low, r.high))]
    return [words.title, each.over, *told, words.of(each.rmse.mean), words.unit, str(each.rmse.count)]


def as_dict(done: Comparison, facts: dict[str, str], page: Path) -> dict[str, Any]:
    """For programs; in the units of the measures and of the curves, angles in radians."""
    return {
        "a": done.names[0],
        "b": done.names[1],
        "report": str(page),
        "motions": [pair.motion for pair in done.pairs],
        "only_a": done.alone[0],
        "only_b": done.alone[1],
        "measures": [
            {
                **asdict(row.measure),
                "a": row.first,
                "b": row.second,
                "a_less_b": asdict(row.difference),
                "better_is": {"first": "a", "second": "b"}.get(row.better),
                "sure": row.sure,
                "usual": row.usual,
                "source": row.source,
            }
            for row in done.rows
        ],
        "curves": [asdict(each) for each in done.likenesses],
        "rules": [asdict(rule) for rule in RULES],
        "facts": facts,
        "notes": done.notes,
    }
