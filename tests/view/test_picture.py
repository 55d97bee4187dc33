from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.view.picture import Painter, write_film, write_picture


@pytest.fixture(scope="module")
def painter(arms: Anatomy):
    painter = Painter(arms, width=160, height=160)
    yield painter
    painter.close()


def test_an_active_muscle_makes_the_picture_redder(arms: Anatomy, painter: Painter) -> None:
    qpos = arms.couplings.qpos(arms.rest).numpy()
    resting = painter.paint(qpos, np.zeros(arms.model.nu)).astype(float)
    active = painter.paint(qpos, np.ones(arms.model.nu)).astype(float)
    redness = [(image[..., 0] - image[..., 2]).mean() for image in (resting, active)]
    assert redness[1] > redness[0] + 1
    assert np.abs(active - resting).max() > 50


def test_a_raised_arm_is_drawn_elsewhere(arms: Anatomy, painter: Painter) -> None:
    z = arms.rest.clone()
    z[arms.coordinate_names.index("shoulder_elv_r")] += 1.5
    pictures = [painter.paint(arms.couplings.qpos(p).numpy(), np.zeros(arms.model.nu)) for p in (arms.rest, z)]
    assert (pictures[0] != pictures[1]).any(axis=-1).mean() > 0.01


def test_a_body_without_repairs_is_drawn_as_it_is() -> None:
    from myotrack.anatomy.changes import Repairs

    published = Anatomy.load("arms", fingers=True, repairs=Repairs.none())
    painter = Painter(published, width=80, height=80)
    image = painter.paint(published.model.qpos0, np.zeros(published.model.nu))
    assert image.std() > 1
    painter.close()


# imageio leaves the pipe of its film reader to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_pictures_and_films_can_be_read_again(tmp_path: Path) -> None:
    import imageio.v3 as imageio

    images = [np.full((32, 48, 3), value, dtype=np.uint8) for value in (0, 120, 240)]
    picture = write_picture(tmp_path / "new" / "a.png", images[1])
    np.testing.assert_array_equal(imageio.imread(picture), images[1])
    film = write_film(tmp_path / "a.mp4", images, rate_hz=10.0)
    assert imageio.imread(film).shape == (3, 32, 48, 3)
