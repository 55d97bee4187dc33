"""A short film of a trial: the moving body, muscles coloured by activation, dots where its landmarks should be."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.validate.trials import Trial
from myotrack.view.picture import Camera, Image, Painter, write_film

RATE = 30.0
"""Images per second, at the speed of life [Hz]."""
HEIGHT = 480
LONGEST = 12.0
"""A film shows no more than the first seconds of a trial [s]."""
LARGEST = 2_000_000
"""Bytes a film may have."""
QUALITIES = (7.0, 5.0, 3.0)
"""Tried in turn until the film is small enough; the last is taken as it is."""
FIELD_OF_VIEW = np.radians(45.0)
"""MuJoCo's default, from top to bottom."""
MARGIN = 0.16
"""Beyond the landmarks: hands, head, feet [m]."""
RELAXED, WORKING = np.array([0.47, 0.42, 0.50, 1.0]), np.array([0.95, 0.10, 0.06, 1.0])
"""Colours of muscles without and with full activation: grey, and bright red."""
SLANT_DEG = {True: 50.0, False: 28.0}
"""How far from straight ahead a free body and one on a fixed trunk are seen. Tuned: steps show from the side, reaching
arms from the front."""


@dataclass(frozen=True)
class Shot:
    """From where a trial is seen."""

    camera: Camera
    width: int
    look_at: Float[np.ndarray, "frame 3"]
    """Middle of every picture [m]."""

    @classmethod
    def of(cls, trial: Trial, anatomy: Anatomy) -> "Shot":
        """A view in which the whole motion has room; it follows a body that goes somewhere."""
        places = np.concatenate([trial.landmark_pos_w.numpy(), trial.reference_landmark_pos_w.numpy()], axis=1)
        trunk = anatomy.kinematics.pose(trial.reference_pos.double()).rotation[:, 0, :2, 0].mean(dim=0)
        facing = float(np.degrees(np.arctan2(float(trunk[1]), float(trunk[0]))))
        azimuth = facing + 180.0 - SLANT_DEG[trial.free]
        middle = (places.min(axis=(0, 1)) + places.max(axis=(0, 1))) / 2
        look_at = np.repeat(middle[None], trial.frames, axis=0).astype(np.float64)
        low, high = places[..., 2].min(), places[..., 2].max()
        if trial.free:
            look_at[:, :2] = _smooth(trial.reference_pos[:, :2].numpy(), round(trial.rate))
            low, high = min(low, 0.0) - MARGIN / 2, high + MARGIN / 2
            look_at[:, 2] = (low + high) / 2
        across = np.array([-np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))])
        aside = np.abs((places[..., :2] - look_at[:, None, :2]) @ across).max() + MARGIN
        tall = (high - low) / 2 + MARGIN
        # Even numbers of pixels, not wider than 4 : 3 nor narrower than 3 : 4.
        width = 2 * round(HEIGHT * float(np.clip(aside / tall, 0.75, 4 / 3)) / 2)
        distance = max(tall, aside * HEIGHT / width) / np.tan(FIELD_OF_VIEW / 2)
        return cls(Camera(azimuth, elevation_deg=-8.0, distance=float(distance)), width, look_at)


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


def _smooth(path: Float[np.ndarray, "frame 2"], width: int) -> Float[np.ndarray, "frame 2"]:
    """Mean over so many frames around each; beyond its ends the path goes on as it began and ended."""
    half = min(width // 2, len(path) - 1)
    before, after = 2 * path[:1] - path[half:0:-1], 2 * path[-1:] - path[-2 : -half - 2 : -1]
    total = np.cumsum(np.concatenate([np.zeros((1, 2)), before, path, after]), axis=0)
    return (total[2 * half + 1 :] - total[: len(path)]) / (2 * half + 1)
