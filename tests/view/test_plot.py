"""Drawings of the page are true to their numbers, and small."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from myotrack.view.plot import (
    BOTTOM,
    HEAT,
    LEFT,
    RIGHT,
    TOP,
    Key,
    Line,
    Map,
    Panel,
    Picture,
    Row,
    end_of_scale,
    number,
    png,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "count", "wanted"),
    [
        (0.0, 100.0, 5, [0, 20, 40, 60, 80, 100]),
        (-0.3, 0.31, 4, [-0.2, 0, 0.2]),
        (0.0, 2.85, 5, [0, 1, 2]),
        (5.0, 5.0, 4, [5]),
    ],
)
def test_ticks_are_round_numbers_within_the_span(low: float, high: float, count: int, wanted: list[float]) -> None:
    assert ticks(low, high, count)[: len(wanted)] == pytest.approx(wanted)


def test_a_curve_can_be_read_back_from_the_panel() -> None:
    x, values = np.linspace(0, 2, 41), np.sin(np.linspace(0, 2, 41))
    page = Panel("a < b", "N m", x, [Line("own", values)]).html("time", {"own": "this & that"})
    assert "a &lt; b" in page and 'data-label="this &amp; that"' in page
    begin, end = map(float, re.findall(r'data-x="([^"]+)"', page)[0].split())
    low, high = map(float, re.findall(r'data-y="([^"]+)"', page)[0].split())
    points = np.array([list(map(float, each.split(","))) for each in re.findall(r'points="([^"]+)"', page)[0].split()])
    read_x = begin + (points[:, 0] - LEFT) / (RIGHT - LEFT) * (end - begin)
    read_y = high - (points[:, 1] - TOP) / (BOTTOM - TOP) * (high - low)
    np.testing.assert_allclose(read_x, x, atol=1e-3)
    np.testing.assert_allclose(read_y, values, atol=2e-3 * (high - low))


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, 1.0], [np.nan, np.nan], [7.0, 7.0]])
def test_strange_curves_are_drawn_within_the_panel(values: list[float]) -> None:
    page = Panel("flat", "", np.array([0.0, 1.0]), [Line("own", np.array(values))], least=1.0).html("time", {})
    assert "nan" not in page and "inf" not in page


def test_a_long_curve_is_thinned() -> None:
    x = np.linspace(0, 60, 6001)
    page = Panel("long", "", x, [Line("own", np.sin(x))]).html("time", {})
    assert len(page) < 6000


def test_an_area_has_two_edges() -> None:
    x, low = np.linspace(0, 1, 11), np.zeros(11)
    page = Panel("band", "", x, [Line("people", low + 1, "area", other=low)]).html("cycle", {})
    assert len(re.findall(r'<polygon[^>]* points="([^"]+)"', page)[0].split()) == 22


def test_a_row_of_colour_is_an_image_of_its_values() -> None:
    image = np.asarray(Image.open(io.BytesIO(png(np.array([0.0, 0.5, 1.0, np.nan])))))
    np.testing.assert_array_equal(image[0], HEAT[[0, 2, 4, 0]].astype(np.uint8))
    # Ever darker: nobody needs to tell colours apart.
    light = png(np.linspace(0, 1, 50))
    shade = np.asarray(Image.open(io.BytesIO(light)).convert("L"))[0].astype(int)
    assert (np.diff(shade) <= 0).all() and shade[0] - shade[-1] > 180


def test_a_map_tells_its_values_and_leaves_out_what_is_not_there() -> None:
    page = Map("m", "Title", "Words", ("right", "left"), [("", [Row("soleus", [np.array([0.0, 0.1]), None])])], 0.2,
               1.0).html()  # fmt: skip
    (coded,) = re.findall(r'data-v="([^"]+)"', page)
    assert list(base64.b64decode(coded)) == [0, 128]
    assert page.count('class="cell"') == 2 and page.count("<img") == 1


def test_a_picture_names_its_colours() -> None:
    panel = Panel("p", "", np.array([0.0, 1.0]), [Line("own", np.array([0.0, 1.0]))])
    page = Picture("p", "Title", "Words", [panel], [Key("own", "ours")]).html()
    assert page.count('data-key="own"') == 2 and "ours</button>" in page


def test_scales_end_at_a_round_number_and_minus_is_one() -> None:
    assert end_of_scale([np.full(100, 0.12)]) == 0.2
    assert end_of_scale([np.full(100, 3.0)]) == 1.0
    assert number(-0.5) == "\N{MINUS SIGN}0.5"
