"""The page of a policy at work: in a real browser it plays, is pushed, and says how it goes."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.clips import store
from myotrack.clips.builtin import builtin
from myotrack.view.rehearsal import DIRECTIONS, Rehearsal, direction_of, heading
from myotrack.workflow.perform import Performer, performer
from tests.view.browser import CHROMIUM, opened

pytest.importorskip("viser", reason="viser is not installed: pip install 'myotrack[view]'")


@pytest.fixture(scope="module")
def walker(full: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Performer:
    """A policy that comes with myotrack, and two walks."""
    folder = tmp_path_factory.mktemp("clips")
    walk = builtin("walk", full)
    for name in ("walk", "walk again"):
        store.save(replace(walk, name=name), folder / f"{name}.npz", full)
    return performer("walk-02_01", folder)


@pytest.fixture
def page(walker: Performer) -> Iterator[Rehearsal]:
    one = Rehearsal(tuple(walker.clips), walker.episode, "walk-02_01", port=8981)
    yield one
    one.close()


def comes(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something comes true soon."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_directions_are_those_of_the_body(full: Anatomy) -> None:
    qpos = full.couplings.qpos(full.rest).numpy().copy()
    np.testing.assert_allclose(heading(qpos), [0, -1, 0], atol=1e-9)
    # A quarter turn to its left: from -y to +x.
    qpos[3:7] = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]
    ways = {name: direction_of(name, qpos, full) for name in DIRECTIONS}
    np.testing.assert_allclose(ways["forward"], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(ways["to its left"], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(ways["backward"] + ways["forward"], 0, atol=1e-9)
    np.testing.assert_allclose(ways["down"], [0, 0, -1])
    with pytest.raises(ValueError, match="got 'sideways'"):
        direction_of("sideways", qpos, full)


def test_it_does_what_it_is_told(page: Rehearsal) -> None:
    assert page.episode.now.frame == 0
    page.play()
    assert comes(lambda: page.episode.now.frame > 5)
    page.play(False)
    assert "paused" in page._said(page.episode.now) and 0 < page.speed <= 1.2
    page.restart()
    assert comes(lambda: page.episode.now.frame == 0)
    page.choose("walk again")
    assert comes(lambda: page.episode.name == "walk again" and not page._preparing)
    page.push("right hand", "up", 100.0, 0.1)
    assert comes(lambda: page.episode._push is not None)
    assert page.episode._push is not None and page.episode._push.segment == "thirdmc_r"
    assert page.episode._push.force_w.tolist() == [0.0, 0.0, 100.0] and page.episode._push.left == 10


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_it_plays_and_a_push_changes_the_motion(
    page: Rehearsal, walker: Performer, tmp_path: Path
) -> None:
    # What the body does when nobody pushes it.
    episode = page.episode
    alone = [episode.now.qpos]
    while not episode.now.over:
        alone.append(episode.step().qpos)
    page.restart()
    assert comes(lambda: page.episode.now.frame == 0)
    page._again.value = False
    done = threading.Event()
    server = threading.Thread(target=page.serve, args=(done.is_set,))
    server.start()
    try:
        with opened(page.address, tmp_path) as browser:
            button = "[...document.querySelectorAll('button')].find(each => each.textContent.trim() == '{}')"
            text = "document.body.innerText"
            browser.wait(f"!!{button.format('Play')}")
            browser.wait(f"{text}.includes('follows its clip') && {text}.includes('paused')")
            browser.run(f"{button.format('Play')}.click()")
            browser.wait(f"!!{button.format('Pause')}")
            assert comes(lambda: page.episode.now.frame > 20)
            browser.run(f"{button.format('Pause')}.click()")
            assert comes(lambda: not page.playing)
            # It moved, as it does when nobody pushes it.
            now = page.episode.now
            assert now.frame > 20 and np.abs(now.qpos - alone[0]).max() > 0.1
            np.testing.assert_allclose(now.qpos, alone[now.frame], atol=1e-9)
            browser.wait(f"!!{button.format('Play')}")
            browser.run(f"{button.format('Restart')}.click()")
            assert comes(lambda: page.episode.now.frame == 0)
            page._force.value = 800.0
            browser.run(f"{button.format('Push now')}.click()")
            assert comes(lambda: page.episode._push is not None)
            browser.run(f"{button.format('Play')}.click()")
            # 160 N s forward, on a body of about 80 kg.
            assert comes(lambda: page.episode.now.frame > 25)
            now = page.episode.now
            assert np.linalg.norm(now.qpos[:3] - alone[now.frame][:3]) > 0.1
            # Thrown forward it is lost sooner or later, and the page says so.
            browser.wait(f"{text}.includes('lost at')")
            browser.picture(tmp_path / "page.png")
            assert browser.errors == []
    finally:
        done.set()
        server.join()
