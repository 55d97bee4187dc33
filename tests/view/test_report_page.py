"""The page in a browser: values under the pointer, curves that hide, a film that follows, phones and paper."""

import functools
import http.server
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.validate.portrait import portrait
from myotrack.validate.scorecard import Scorecard
from myotrack.view.film import film
from myotrack.view.report import report
from myotrack.view.section import Shown
from tests.validate.rollouts import busy
from tests.validate.walks import walking
from tests.view.browser import CHROMIUM, Page, opened

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium here.")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def page(full: Anatomy, arms: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A walk without a film, and arms with one."""
    folder = tmp_path_factory.mktemp("page")
    walk, wave = walking(full)[0], busy(arms, frames=81)
    shown = [Shown(walk, full, portrait=portrait(walk, full)), Shown(wave, arms, film(wave, arms))]
    card = Scorecard.of([(each.trial, each.anatomy) for each in shown])
    (folder / "report.html").write_text(report("A page", shown, card, {"command": "x" * 300}), encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with opened(f"http://127.0.0.1:{server.server_port}/report.html", folder) as opened_page:
            opened_page.wait("document.readyState == 'complete' && document.querySelector('.tip') !== null")
            yield opened_page
    finally:
        server.shutdown()
        server.server_close()


def hover(page: Page, selector: str, share: float = 0.5) -> None:
    """Move the pointer over a drawing, at a share of its width."""
    script = f"(() => {{ const it = document.querySelector({selector!r}); it.scrollIntoView({{block: 'center', "
    script += "behavior: 'instant'}); const box = it.getBoundingClientRect(); "
    where = page.run(script + "return [box.left, box.top, box.width, box.height]; })()")
    x, y = where[0] + share * where[2], where[1] + where[3] / 2
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


def test_the_page_opens_without_a_complaint(page: Page) -> None:
    assert page.run("document.querySelectorAll('.panel svg').length") > 40
    assert page.errors == []


def test_values_stand_under_the_pointer_and_the_cursor_in_every_panel_of_the_cycle(page: Page) -> None:
    hover(page, ".angles .panel:nth-child(7) svg")
    told = page.wait("document.querySelector('.tip.on') && document.querySelector('.tip').textContent")
    assert "%" in told and "this body" in told
    there = page.run("document.querySelectorAll('[data-axis=cycle] .cursor.on').length")
    assert there == page.run("document.querySelectorAll('.panel svg[data-axis=cycle]').length")


def test_the_value_is_that_of_the_curve(page: Page, full: Anatomy) -> None:
    knee = portrait(walking(full)[0], full).curve("knee_angle")
    assert knee is not None
    # The middle of the axis lies a little right of the middle of the drawing.
    hover(page, ".angles .panel:nth-child(7) svg", 154 / 280)
    told = page.wait("document.querySelector('.tip.on div:last-child span').textContent")
    wanted = math.degrees(knee.mean[50])
    assert float(told.replace("\N{MINUS SIGN}", "-")) == pytest.approx(wanted, abs=1.0)


def test_a_legend_hides_and_shows_its_curves(page: Page) -> None:
    button = "document.querySelector('.angles .legend button[data-key=own]')"
    count = "document.querySelectorAll('.angles polyline[data-key=own]:not(.hidden)').length"
    assert page.run(count) == 8
    page.run(f"{button}.click()")
    assert page.run(count) == 0 and page.run(f"{button}.getAttribute('aria-pressed')") == "false"
    page.run(f"{button}.click()")
    assert page.run(count) == 8


def test_muscles_can_be_looked_for(page: Page) -> None:
    page.run("{ const field = document.querySelector('.find input'); field.value = 'soleus';"
             "field.dispatchEvent(new Event('input')); }")  # fmt: skip
    rows = page.run("[...document.querySelectorAll('.muscles .block .row')].filter((row) => !row.hidden)"
                    ".map((row) => row.textContent).join()")  # fmt: skip
    assert rows == "soleus"
    page.run("{ const field = document.querySelector('.find input'); field.value = '';"
             "field.dispatchEvent(new Event('input')); }")  # fmt: skip


def test_the_film_follows_the_pointer_and_the_plots_follow_the_film(page: Page) -> None:
    page.wait("document.querySelector('video').readyState >= 2")
    section = "document.querySelector('video').closest('section')"
    selector = f"#{page.run(f'{section}.id')} .angles .panel svg"
    hover(page, selector, 154 / 280)
    seconds = page.wait("document.querySelector('video').paused && document.querySelector('video').currentTime")
    assert seconds == pytest.approx(0.4, abs=0.05)  # The middle of 0.8 s.
    page.run("document.querySelector('video').currentTime = 0.2")
    place = f"Number({section}.querySelector('.angles .cursor').getAttribute('x1'))"
    page.wait(f"Math.abs({place} - (34 + 240 * 0.25)) < 6")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(page: Page, width: int, scheme: str) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    page.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert page.run("document.documentElement.scrollWidth") <= width
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    page.call("Emulation.clearDeviceMetricsOverride")


def test_paper_is_white_and_has_stills_for_films(page: Page) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.call("Emulation.setEmulatedMedia", media="print", features=dark)
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.querySelector('video')).display") == "none"
    assert page.run("getComputedStyle(document.querySelector('.stills')).display") == "grid"
    assert 4 <= page.run("document.querySelectorAll('.stills img').length") <= 6
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    page.call("Emulation.setEmulatedMedia", media="", features=[])


def test_without_its_script_the_page_shows_everything(page: Page, tmp_path: Path) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.call("Page.reload")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    page.wait("document.readyState == 'complete'")
    assert page.run("document.querySelectorAll('.panel polyline').length") > 100
    assert page.errors == []
