"""A short film of a trial: the moving body, muscles coloured by activation, dots where its landmarks should be."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.validate.trials import Trial
from myotrack.view.picture import Image, Painter, write_film
from myotrack.view.shot import HEIGHT, Shot

RATE = 30.0
"""Images per second, at the speed of life [Hz]."""
LONGEST = 12.0
"""A film shows no more than the first seconds of a trial [s]."""
LARGEST = 2_000_000
"""Bytes a film may have."""
QUALITIES = (7.0, 5.0, 3.0)
"""Tried in turn until the film is small enough; the last is taken as it is."""
RELAXED, WORKING = np.array([0.47, 0.42, 0.50, 1.0]), np.array([0.95, 0.10, 0.06, 1.0])
"""Colours of muscles without and with full activation: grey, and bright red."""


def film(trial: Trial, anatomy: Anatomy, tell: Callable[[int, int], None] | None = None) -> bytes:
    """An MP4 of the first seconds of a trial.

    Args:
        trial: What happened.
        anatomy: Its body.
        tell: Called with how many images are drawn, and how many there will be.

    Raises:
        OSError: Nothing can be drawn off screen here; the message says what to install.
    """
    shot = Shot.of(trial, anatomy)
    painter = Painter(anatomy, shot.width, HEIGHT, shot.camera, quick=True, colours=(RELAXED, WORKING))
    try:
        images = list(_images(trial, anatomy, shot, painter, tell))
    finally:
        painter.close()
    content = b""
    with tempfile.TemporaryDirectory() as folder:
        for quality in QUALITIES:
            content = write_film(Path(folder, "film.mp4"), images, RATE, quality).read_bytes()
            if len(content) <= LARGEST:
                break
    return content


def frames_shown(trial: Trial) -> list[int]:
    """The frames of a trial that its film shows."""
    seconds = min(trial.duration, LONGEST)
    return [min(round(number * trial.rate / RATE), trial.frames - 1) for number in range(int(seconds * RATE) + 1)]


def brightness(activation: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """How bright a muscle is drawn: the root of its activation, since most are active by a few per cent only."""
    return np.sqrt(np.clip(activation, 0.0, 1.0))


def _images(
    trial: Trial, anatomy: Anatomy, shot: Shot, painter: Painter, tell: Callable[[int, int], None] | None
) -> Iterator[Image]:
    frames = frames_shown(trial)
    qpos = anatomy.couplings.qpos(trial.pos[frames].double()).numpy()
    for number, frame in enumerate(frames):
        dots = trial.reference_landmark_pos_w[frame].numpy() if trial.simulated else None
        muscles = brightness(trial.activation[frame].numpy())
        yield painter.paint(qpos[number], muscles, dots, shot.look_at[frame])
        if tell is not None:
            tell(number + 1, len(frames))
