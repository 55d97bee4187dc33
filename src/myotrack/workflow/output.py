"""How commands speak: tables for people, one JSON object for programs, everything else on standard error."""

import json
import platform
from collections.abc import Sequence
from datetime import date

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def errors() -> Console:
    """A console on standard error, for progress and remarks."""
    return Console(stderr=True)


def say(words: str) -> None:
    """A line for people, as it is, beside the results."""
    errors().print(words, highlight=False, markup=False, soft_wrap=True)


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], caption: str | None = None) -> None:
    """Print a table; columns whose every cell is a number are aligned to the right."""
    console = Console(width=None if Console().is_terminal else 200)
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    for column, header in enumerate(headers):
        numeric = all(_is_number(row[column]) for row in rows) and bool(rows)
        table.add_column(escape(header), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def print_json(content: dict) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(content, indent=2))


def machine() -> dict[str, str | int]:
    """What a measurement was taken on."""
    import os

    return {"date": date.today().isoformat(), "machine": platform.machine(), "cores": os.cpu_count() or 1,
            "system": platform.system(), "python": platform.python_version()}  # fmt: skip


def _is_number(cell: str) -> bool:
    return cell.strip("-+±%<>= ").replace(".", "", 1).replace(",", "").replace("e-", "").isdigit()
