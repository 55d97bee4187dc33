"""Videos: as many images as their time has, of the asked size, in which the body moves; what cannot be is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.view.scene import PATCH, PER_WEIGHT, Actor, Ground
from myotrack.view.shot import ELEVATION_DEG, FIELD_OF_VIEW, distance_of
from myotrack.view.video import VideoSettings, _Stage, between, write_video
from tests.validate.walks import walking

SMALL = VideoSettings(height=240)


@pytest.fixture(scope="module")
def actor(full: Anatomy) -> Actor:
    trial, _ = walking(full)
    whole = Actor.of_trial(trial, full)
    rows = {name: getattr(whole, name)[:81] for name in ("qpos", "ghost", "activation", "force_w", "cop_w")}
    return replace(whole, excitation=None, **rows)


# imageio leaves the pipe of its film reader to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_video_has_the_asked_size_and_the_length_of_its_motion_and_moves(actor: Actor, tmp_path: Path) -> None:
    import imageio.v3 as imageio

    told: list[tuple[int, int]] = []
    path = write_video(tmp_path / "new" / "walk.mp4", actor, SMALL, lambda done, total: told.append((done, total)))
    images, about = imageio.imread(path), imageio.immeta(path)
    # From 0 to 0.8 s at 30 images per second: 24, and the first.
    assert images.shape == (25, 240, 426, 3) and told == [(done, 25) for done in range(1, 26)]
    assert about["fps"] == pytest.approx(30) and about["duration"] == pytest.approx(25 / 30, abs=0.04)
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", path]
    # The middle of the picture, where the body is and nothing is written, is another in every image.
    middle = images[:, 40:220, 180:260].astype(float)
    assert (np.abs(np.diff(middle, axis=0)).mean(axis=(1, 2, 3)) > 1.0).all()


def test_reference_shadow_forces_and_patches_are_in_the_image(actor: Actor) -> None:
    def seen(one: Actor, settings: VideoSettings = SMALL) -> np.ndarray:
        stage = _Stage(one, settings)
        try:
            return stage.image(0.3).astype(int)
        finally:
            stage.close()

    assert actor.ghost is not None
    off = actor.ghost.copy()
    off[:, 2] += 0.1
    raised = replace(actor, ghost=off)
    # A ghost that is raised by a decimetre is bluer than the sky around the head; arrows are green; patches are red.
    image, bare = seen(raised), seen(replace(raised, force_w=None, cop_w=None))
    body, without = image[:, 150:280], bare[:, 150:280]
    assert ((body[..., 1] > body[..., 0] + 40) & (body[..., 1] > body[..., 2] + 20)).sum() > 20
    assert not ((without[..., 1] > without[..., 0] + 40) & (without[..., 1] > without[..., 2] + 20)).any()
    discs = seen(raised, VideoSettings(240, patches=True)) - seen(raised, VideoSettings(240, patches=False))
    assert (np.abs(discs[:, 150:280]).max(axis=2) > 40).sum() > 10
    aside = seen(raised, VideoSettings(240, beside=True))
    blue = (aside[..., 2] > aside[..., 0] + 35) & (aside[..., 2] > 100)
    assert blue[:, 213:].sum() > 3 * max(1, blue[:200, :213].sum())


def test_images_between_frames_are_mixed_and_quaternions_keep_their_length() -> None:
    motion = np.array([[0.0, 0, 0, 1, 0, 0, 0, 5], [1.0, 2, 3, -1, 0, 0, 0, 7]])
    np.testing.assert_allclose(between(motion, 0.25, free=True), [0.25, 0.5, 0.75, 1, 0, 0, 0, 5.5])
    np.testing.assert_allclose(between(motion, 9.0, free=True), motion[1])
    turned = np.array([[0.0, 0, 0, 1, 0, 0, 0], [0.0, 0, 0, 0, 1, 0, 0]])
    np.testing.assert_allclose(between(turned, 0.5, free=True)[3:7], [0.5**0.5, 0.5**0.5, 0, 0])


def test_the_camera_stands_where_the_farthest_point_meets_the_margin() -> None:
    # Seen along -x from slightly above, a point 1 m up and one 3 m aside; the picture is twice as wide as high.
    places, look_at = np.array([[[0.0, 0.0, 1.0], [0.0, 3.0, 0.0]]]), np.zeros((1, 3))
    half, slope = np.tan(FIELD_OF_VIEW / 2), np.radians(ELEVATION_DEG)
    aside = 3 / (half * 2 * 0.9)
    up = np.cos(slope) / (half * 0.9) - np.sin(slope)
    assert distance_of(places, look_at, 180.0, 2.0, 0.05) == pytest.approx(max(aside, up))
    assert distance_of(places[:, :1], look_at, 180.0, 2.0, 0.05) == pytest.approx(up)


def test_arrows_and_patches_go_with_the_force() -> None:
    force = np.array([[0.0, 0.0, 700.0], [0.0, 0.0, 175.0], [0.0, 0.0, 3.0]])
    ground = Ground.of(force, np.zeros((3, 3)), weight=700.0)
    assert ground.bears.tolist() == [True, True, False]
    np.testing.assert_allclose(ground.tip[:, 2], [PER_WEIGHT, PER_WEIGHT / 4, 0])
    # A quarter of the force has a quarter of the area.
    np.testing.assert_allclose(ground.radius, [PATCH, PATCH / 2, 0])
    assert ground.colour[0, 1] < ground.colour[1, 1]


def test_what_cannot_be_written_gets_one_sentence(
    actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"walk\.avi: videos are written as \.mp4; name a file such as walk\.mp4"):
        write_video(tmp_path / "walk.avi", actor)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="cannot be written there"):
        write_video(tmp_path / "file" / "walk.mp4", actor, SMALL)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OSError, match=r"folder\.mp4: the video cannot be written there \(it is a folder\)"):
        write_video(tmp_path / "folder.mp4", actor, SMALL)
    with pytest.raises(ValueError, match="no reference to put beside it"):
        write_video(tmp_path / "a.mp4", replace(actor, ghost=None), VideoSettings(beside=True))
    with pytest.raises(ValueError, match="even number of lines from 240 to 2160; got 1081"):
        VideoSettings(height=1081)
    with pytest.raises(ValueError, match="30 or 60 images per second; got 25"):
        VideoSettings(rate=25)

    def missing(*_: object) -> None:
        raise RuntimeError("no EGL")

    monkeypatch.setattr("mujoco.Renderer", missing)
    (tmp_path / "old.mp4").write_bytes(b"kept")
    with pytest.raises(OSError, match=r"Cannot draw off screen \(no EGL\).*libegl1"):
        write_video(tmp_path / "old.mp4", actor, SMALL)
    assert (tmp_path / "old.mp4").read_bytes() == b"kept" and not list(tmp_path.glob(".*"))
