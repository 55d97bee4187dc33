"""The page: time passes as told, shapes follow, and in a real browser it can be played and scrubbed."""

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.validate.tracking import body_weight
from myotrack.view.film import RELAXED, WORKING
from myotrack.view.live import Viewer
from myotrack.view.scene import PATCH, Actor
from tests.validate.walks import walking
from tests.view.browser import CHROMIUM, opened

pytest.importorskip("viser", reason="viser is not installed: pip install 'myotrack[view]'")


@pytest.fixture(scope="module")
def actor(full: Anatomy) -> Actor:
    trial, _ = walking(full)
    return Actor.of_trial(trial, full)


@pytest.fixture
def viewer(actor: Actor) -> Iterator[Viewer]:
    one = Viewer([actor], port=8971)
    yield one
    one.close()


def test_the_page_is_answered_to_this_machine(viewer: Viewer) -> None:
    assert viewer._server.get_host() == "127.0.0.1"
    with urllib.request.urlopen(viewer.address, timeout=10) as page:
        assert page.status == 200 and b"<html" in page.read(2000).lower()


def test_time_passes_as_it_is_told(viewer: Viewer) -> None:
    viewer.tick(100.0)
    assert viewer.time == 0.0
    viewer.play()
    viewer.tick(101.0)  # The clock begins.
    viewer.tick(101.5)
    assert viewer.time == pytest.approx(0.5)
    viewer.speed = 0.1
    viewer.tick(102.5)
    assert viewer.time == pytest.approx(0.6)
    viewer.play(False)
    viewer.tick(103.0)
    assert viewer.time == pytest.approx(0.6)
    viewer.seek(99.0)
    viewer.tick(104.0)
    assert viewer.time == viewer.duration == pytest.approx(viewer._slider.value)
    # From the end it begins anew, and again if that is wanted.
    viewer.play()
    assert viewer.time == 0.0
    viewer.speed = 1.0
    viewer.tick(200.0)
    viewer.tick(200.0 + viewer.duration + 0.25)
    assert viewer.playing and viewer.time == pytest.approx(0.25)
    viewer._again.value = False
    viewer.tick(200.0 + 3 * viewer.duration)
    assert not viewer.playing and viewer.time == viewer.duration


def test_shapes_are_those_of_the_moment(viewer: Viewer, actor: Actor) -> None:
    (part,) = viewer._parts
    viewer.show(1.0)
    there = part.skeleton.instant(actor.qpos[100])
    for segment, handle in part.segments:
        np.testing.assert_allclose(handle.position, there.position[segment], atol=1e-6)
    assert len(part.shadows) == len(part.segments)
    # The world moves so that the body stays in view.
    np.testing.assert_allclose(viewer._world.position[:2], -actor.qpos[100, :2], atol=1e-6)
    # The right soleus is fully active while the right foot stands, and its force bears the body.
    colours = part.muscles.batched_colors
    soleus = part.skeleton.muscle == actor.anatomy.muscle_names.index("soleus_r")
    stands = actor.activation is not None and actor.activation[100, actor.anatomy.muscle_names.index("soleus_r")] == 1
    np.testing.assert_allclose(colours[soleus][0], (255 * (WORKING if stands else RELAXED)[:3]).astype(np.uint8))
    assert actor.force_w is not None
    arrows = part.forces.points
    lengths = np.linalg.norm(arrows[:, 1] - arrows[:, 0], axis=1)
    weight = body_weight(actor.anatomy)
    np.testing.assert_allclose(lengths, np.linalg.norm(actor.force_w[100], axis=1) / weight, atol=1e-6)
    assert (lengths > 0.5).any() and (arrows[lengths == 0, :, 2] < -1).all()
    # Where they begin, there is a patch whose area goes with them, unless it is hidden.
    np.testing.assert_allclose(part.patches.batched_scales[:, 0], PATCH * np.sqrt(lengths), atol=1e-6)
    np.testing.assert_allclose(part.patches.batched_positions[:, :2], arrows[:, 0, :2])
    viewer._patches.value = False
    viewer._visible()
    assert part.forces.visible and not part.patches.visible


def test_muscles_can_be_chosen_and_coloured_by_length(viewer: Viewer) -> None:
    viewer.choose("soleus_r")
    assert "triceps surae" in viewer._told.content
    with pytest.raises(KeyError, match="no muscle 'soleus'"):
        viewer.choose("soleus")
    viewer._colouring.value = "length"
    viewer.show(0.5)
    colours = viewer._parts[0].muscles.batched_colors
    assert len(np.unique(colours, axis=0)) > 20


def test_several_motions_stand_side_by_side(actor: Actor) -> None:
    short = Actor("short", actor.anatomy, actor.rate, actor.qpos[:50])
    viewer = Viewer([actor, short], port=8975)
    try:
        viewer.show(2.0)
        first, second = (dict(part.segments) for part in viewer._parts)
        root = viewer._parts[0].skeleton.bones[0].segment
        # A metre apart, the shorter one at its end.
        apart = np.asarray(second[root].position) - np.asarray(first[root].position)
        moved = viewer._parts[1].skeleton.instant(actor.qpos[49]).position[root]
        moved = moved - viewer._parts[0].skeleton.instant(actor.qpos[200]).position[root]
        np.testing.assert_allclose(np.linalg.norm(apart - moved), 1.0, atol=1e-6)
    finally:
        viewer.close()
    with pytest.raises(ValueError, match="One to 4 motions"):
        Viewer([])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser_it_plays_and_is_scrubbed(viewer: Viewer, tmp_path: Path) -> None:
    done = threading.Event()
    server = threading.Thread(target=viewer.serve, args=(done.is_set,))
    server.start()
    try:
        with opened(viewer.address, tmp_path) as page:
            button = "[...document.querySelectorAll('button')].find(each => each.textContent.trim() == '{}')"
            page.wait(f"!!{button.format('Play')}")
            page.run(f"{button.format('Play')}.click()")
            page.wait(f"!!{button.format('Pause')}")
            assert viewer.playing
            page.run(f"{button.format('Pause')}.click()")
            page.wait(f"!!{button.format('Play')}")
            assert not viewer.playing and viewer.time > 0
            # The field beside the slider of time.
            page.run("document.querySelectorAll('input.mantine-NumberInput-input')[0].select()")
            page.write("2.5")
            page.wait("document.querySelectorAll('input.mantine-NumberInput-input')[0].value == '2.5'")
            for _ in range(100):
                if viewer.time == pytest.approx(2.5):
                    break
                done.wait(0.1)
            assert viewer.time == pytest.approx(2.5)
            page.picture(tmp_path / "page.png")
            assert page.errors == []
    finally:
        done.set()
        server.join()
