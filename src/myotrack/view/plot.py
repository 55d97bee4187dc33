"""Small drawings for the page: curves as SVG and rows of colour, from numbers to markup, without a library.

Colours are names that the style sheet knows (`k-right`), so a page is the same in the light, in the dark and on paper.
The page's script reads curves from their points and their axes from `data-x` and `data-y`; without it everything is
there but the values under the mouse.
"""

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
from jaxtyping import Float

Axis = Literal["time", "cycle", "minutes"]
Mark = Literal["line", "wide", "dash", "area"]

WIDTH, HEIGHT = 280.0, 150.0
"""Of a panel, in units of about a pixel."""
LEFT, RIGHT, TOP, BOTTOM = 34.0, 274.0, 8.0, 130.0
"""Where the curves of a panel are."""
POINTS = 300
"""A curve has about so many points at most: more cannot be seen, and would make the page large."""
STEPS = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the scale of rows of colour may end."""
HEAT = np.array([(244, 245, 247), (251, 217, 181), (243, 149, 63), (209, 57, 31), (109, 15, 29)], dtype=np.float64)
"""From nothing to the end of the scale: ever darker, so that no sense of colour is needed."""

Values = Float[np.ndarray, "point"]


@dataclass(frozen=True)
class Line:
    """A curve."""

    key: str
    """Of the legend, and of the style sheet's colour."""
    values: Values
    mark: Mark = "line"
    label: str = ""
    """Said under the mouse; that of the legend if not given."""
    other: Values | None = None
    """Of an area: its other edge."""


@dataclass(frozen=True)
class Key:
    """A row of a legend."""

    key: str
    label: str
    mark: Mark = "line"


@dataclass(frozen=True)
class Panel:
    """A pair of axes with curves over one x."""

    title: str
    unit: str
    x: Values
    lines: Sequence[Line]
    note: str = ""
    """Below the title."""
    least: float = 0.0
    """Span that the y axis has at least."""
    floor: bool = False
    """Whether it begins at zero."""

    def span(self) -> tuple[float, float]:
        """Of the y axis."""
        edges = [each for line in self.lines for each in (line.values, line.other) if each is not None]
        known = np.concatenate(edges) if edges else np.zeros(1)
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        low = 0.0 if self.floor else low
        if high - low < max(self.least, 1e-9):
            middle, half = (low + high) / 2, max(self.least, 2e-9 if self.least else 1.0) / 2
            low, high = (0.0, max(high, 2 * half)) if self.floor else (middle - half, middle + half)
        edge = 0.05 * (high - low)
        return (low if self.floor else low - edge), high + edge

    def html(self, axis: Axis, names: dict[str, str]) -> str:
        """The panel.

        Args:
            axis: What x is.
            names: Words of the legend by key.
        """
        low, high = self.span()
        begin = 0.0 if axis == "minutes" else float(self.x[0])
        end = max(float(self.x.max()), begin + 1e-3)
        across = LEFT + (self.x - begin) / (end - begin) * (RIGHT - LEFT)

        def down(values: Values) -> Values:
            return BOTTOM - (values - low) / (high - low) * (BOTTOM - TOP)

        parts = []
        for tick in ticks(low, high, 4):
            y = float(down(np.array([tick]))[0])
            zero = ' class="zero"' if tick == 0 else ""
            parts.append(f'<path d="M{LEFT:g} {y:.1f}H{RIGHT:g}"{zero}/><text x="{LEFT - 5:g}" y="{y + 3.5:.1f}" '
                         f'class="y">{number(tick)}</text>')  # fmt: skip
        for place, tick in enumerate(ticks(begin, end, 5)):
            x = LEFT + (tick - begin) / (end - begin) * (RIGHT - LEFT)
            word = _with_unit(tick, axis, first=place == 0)
            parts.append(f'<path d="M{x:.1f} {BOTTOM:g}v3"/><text x="{x:.1f}" y="{BOTTOM + 14:g}">{word}</text>')
        step = max(1, math.ceil(len(self.x) / POINTS))
        for line in self.lines:
            label = escape(line.label or names.get(line.key, line.key))
            if line.mark == "area":
                other = np.zeros_like(line.values) if line.other is None else line.other
                there = _points(across[::step], down(line.values)[::step])
                back = _points(across[::step][::-1], down(other)[::step][::-1])
                points, tag, dense = f"{there} {back}", "polygon", line.other is not None
            else:
                points, tag, dense = _points(across[::step], down(line.values)[::step]), "polyline", True
            told = f' data-label="{label}"' if dense else ""
            parts.append(f'<{tag} class="{line.mark} k-{line.key}" data-key="{line.key}"{told} points="{points}"/>')
        note = f'<p class="beside">{escape(self.note)}</p>' if self.note else ""
        unit = f" <small>{escape(self.unit)}</small>" if self.unit else ""
        return (
            f'<div class="panel"><h5>{escape(self.title)}{unit}</h5>{note}'
            f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(self.title)}" '
            f'data-axis="{axis}" data-unit="{escape(self.unit)}" data-x="{begin:.6g} {end:.6g}" '
            f'data-y="{low:.6g} {high:.6g}">{"".join(parts)}</svg></div>'
        )


@dataclass(frozen=True)
class Picture:
    """Panels that belong together, with what to say about them."""

    name: str
    title: str
    words: str
    panels: Sequence[Panel]
    keys: Sequence[Key] = ()
    axis: Axis = "time"

    def html(self) -> str:
        """Heading, words, legend and panels."""
        names = {key.key: key.label for key in self.keys}
        panels = "\n".join(panel.html(self.axis, names) for panel in self.panels)
        return (
            f"{_head(self.name, self.title, self.words)}"
            f'{legend(self.keys)}<div class="panels">\n{panels}\n</div></figure>'
        )


@dataclass(frozen=True)
class Row:
    """A line of colour per column, in [0, 1]."""

    label: str
    values: Sequence[Values | None]
    title: str = ""
    """More to search for."""


@dataclass(frozen=True)
class Map:
    """Rows of colour over time or over a cycle."""

    name: str
    title: str
    words: str
    columns: Sequence[str]
    """Heads; words of a legend's key give the colour."""
    blocks: Sequence[tuple[str, Sequence[Row]]]
    """Rows by heading; a heading may be empty."""
    top: float
    """End of the scale."""
    end: float
    """Of the x axis, which begins at zero."""
    axis: Axis = "time"
    search: str = ""
    """What rows are searched for; nothing if they are not."""

    def html(self) -> str:
        """Heading, words, scale and rows."""
        heads = "".join(f'<span class="side k-{each}">{escape(each)}</span>' for each in self.columns)
        blocks = "\n".join(
            '<div class="block">'
            + (f"<h5>{escape(head)}</h5>" if head else "")
            + "".join(map(self._row, rows))
            + "</div>"
            for head, rows in self.blocks
        )
        last = _with_unit(self.end, self.axis, first=True)
        ends = "<span></span>" + f'<span class="ends"><i>0</i><i>{last}</i></span>' * max(len(self.columns), 1)
        scale = "".join(f"<i>{100 * self.top * share:.3g} %</i>" for share in (0, 0.5, 1))
        find = f' data-search="{escape(self.search)}"' if self.search else ""
        head = f'<div class="row heads"><span></span>{heads}</div>' if self.columns else ""
        return (
            f"{_head(self.name, self.title, self.words)}"
            f'<div class="heatscale"><b></b><span>{scale}</span></div>\n'
            f'<div class="map" data-axis="{self.axis}" data-x="0 {self.end:.6g}" data-top="{self.top:g}"{find} '
            f'style="--columns:{max(len(self.columns), 1)}">\n{head}'
            f'<div class="blocks">{blocks}</div><div class="row foot">{ends}</div></div></figure>'
        )

    def _row(self, row: Row) -> str:
        cells = "".join(
            '<span class="cell"></span>' if values is None else _strip(values, self.top) for values in row.values
        )
        title = f' title="{escape(row.title)}"' if row.title else ""
        return f'<div class="row"{title}><span class="name">{escape(row.label)}</span>{cells}</div>'


def legend(keys: Sequence[Key]) -> str:
    """What colours mean; with the script, each hides and shows its curves."""
    if not keys:
        return ""
    rows = "".join(
        f'<li><button type="button" data-key="{key.key}"><i class="{key.mark} k-{key.key}"></i>{escape(key.label)}'
        "</button></li>"
        for key in keys
    )
    return f'<ul class="legend">{rows}</ul>\n'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers within a span: about so many, 1, 2 or 5 times a power of ten apart."""
    rough = max(high - low, 1e-12) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(each * step, 12) + 0.0 for each in range(first, last + 1)]


def number(value: float) -> str:
    """As axes show it, with a minus that is one."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def end_of_scale(values: Sequence[Values]) -> float:
    """The first of `STEPS` that hardly any value exceeds."""
    top = max((float(np.percentile(each, 99.5)) for each in values if each.size), default=0.0)
    return next(step for step in STEPS if top <= step or step == STEPS[-1])


def thinned(values: Values) -> Float[np.ndarray, "fewer"]:
    """Means of neighbours, no more than `POINTS`."""
    step = max(1, math.ceil(len(values) / POINTS))
    return np.array([values[begin : begin + step].mean() for begin in range(0, len(values), step)])


def png(shares: Values) -> bytes:
    """A row of pixels, one per share of the scale, in `HEAT`."""
    place = np.clip(np.nan_to_num(shares), 0, 1) * (len(HEAT) - 1)
    colours = np.stack([np.interp(place, range(len(HEAT)), column) for column in HEAT.T], axis=1)
    pixels = b"\0" + colours.round().astype(np.uint8).tobytes()

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", len(shares), 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def _head(name: str, title: str, words: str) -> str:
    return f'<h3>{escape(title)}</h3>\n<figure class="{name}"><figcaption>{escape(words)}</figcaption>\n'


def _strip(values: Values, top: float) -> str:
    """A row of colour, and its values in 255 steps of the scale for the script."""
    share = np.clip(values / top, 0, 1)
    coded = base64.b64encode((255 * share).round().astype(np.uint8).tobytes()).decode()
    image = base64.b64encode(png(share)).decode()
    return f'<span class="cell" data-v="{coded}"><img alt="" src="data:image/png;base64,{image}"></span>'


def _points(x: Values, y: Values) -> str:
    known = np.isfinite(x) & np.isfinite(y)
    return " ".join(f"{each:.1f},{other:.1f}" for each, other in zip(x[known], y[known], strict=True))


def _with_unit(tick: float, axis: Axis, first: bool) -> str:
    word = number(round(tick, 2))
    if not first:
        return word
    return word + {"time": " s", "cycle": " %", "minutes": " min"}[axis]
