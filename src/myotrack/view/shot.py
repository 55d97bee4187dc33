"""Where a camera stands so that a whole motion has room in its pictures; it follows a body that goes somewhere."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.model import Anatomy
from myotrack.validate.trials import Trial
from myotrack.view.picture import Camera

HEIGHT = 480
"""Of the pictures of a report's film."""
FIELD_OF_VIEW = np.radians(45.0)
"""MuJoCo's default, from top to bottom."""
MARGIN = 0.16
"""Beyond the landmarks: hands, head, feet [m]."""
SLANT_DEG = {True: 50.0, False: 28.0}
"""How far from straight ahead a free body and one on a fixed trunk are seen. Tuned: steps show from the side, reaching
arms from the front."""
ELEVATION_DEG = -8.0


@dataclass(frozen=True)
class Shot:
    """From where a motion is seen."""

    camera: Camera
    width: int
    look_at: Float[np.ndarray, "frame 3"]
    """Middle of every picture [m]."""

    @classmethod
    def of(cls, trial: Trial, anatomy: Anatomy) -> "Shot":
        """A view of a trial's landmarks, in pictures as wide as they need."""
        places = np.concatenate([trial.landmark_pos_w.numpy(), trial.reference_landmark_pos_w.numpy()], axis=1)
        trunk = anatomy.kinematics.pose(trial.reference_pos.double()).rotation[:, 0, :2, 0].mean(dim=0)
        azimuth = azimuth_of(trunk.numpy(), trial.free)
        middle = (places.min(axis=(0, 1)) + places.max(axis=(0, 1))) / 2
        look_at = np.repeat(middle[None], trial.frames, axis=0).astype(np.float64)
        low, high = places[..., 2].min(), places[..., 2].max()
        if trial.free:
            look_at[:, :2] = smooth(trial.reference_pos[:, :2].numpy(), round(trial.rate))
            low, high = min(low, 0.0) - MARGIN / 2, high + MARGIN / 2
            look_at[:, 2] = (low + high) / 2
        across = np.array([-np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))])
        aside = np.abs((places[..., :2] - look_at[:, None, :2]) @ across).max() + MARGIN
        tall = (high - low) / 2 + MARGIN
        # Even numbers of pixels, not wider than 4 : 3 nor narrower than 3 : 4.
        width = 2 * round(HEIGHT * float(np.clip(aside / tall, 0.75, 4 / 3)) / 2)
        distance = max(tall, aside * HEIGHT / width) / np.tan(FIELD_OF_VIEW / 2)
        return cls(Camera(azimuth, elevation_deg=ELEVATION_DEG, distance=float(distance)), width, look_at)


def azimuth_of(facing: Float[np.ndarray, "2"], free: bool) -> float:
    """Direction of view [deg] for a body that faces a level direction."""
    return float(np.degrees(np.arctan2(facing[1], facing[0]))) + 180.0 - SLANT_DEG[free]


def distance_of(
    places: Float[np.ndarray, "frame point 3"],
    look_at: Float[np.ndarray, "frame 3"],
    azimuth_deg: float,
    aspect: float,
    margin: float,
) -> float:
    """From how far away all places are seen [m], in perspective.

    Args:
        places: That shall have room [m].
        look_at: Middle of every picture [m].
        azimuth_deg: Direction of view about the vertical; it is seen from `ELEVATION_DEG`.
        aspect: Width of a picture over its height.
        margin: Share of a picture that stays free on every side.
    """
    azimuth, elevation = np.radians([azimuth_deg, ELEVATION_DEG])
    cos, sin = np.cos(azimuth), np.sin(azimuth)
    ahead = np.array([np.cos(elevation) * cos, np.cos(elevation) * sin, np.sin(elevation)])
    right = np.array([sin, -cos, 0.0])
    away = places - look_at[:, None]
    # A place at depth d + a, with a along the view, is seen at right / (d + a) and up / (d + a).
    along, reach = away @ ahead, (1 - 2 * margin) * np.tan(FIELD_OF_VIEW / 2)
    sideways, upward = np.abs(away @ right) / (reach * aspect), np.abs(away @ np.cross(right, ahead)) / reach
    return float((np.maximum(sideways, upward) - along).max())


def smooth(path: Float[np.ndarray, "frame 2"], width: int) -> Float[np.ndarray, "frame 2"]:
    """Mean over so many frames around each; beyond its ends the path goes on as it began and ended."""
    half = min(width // 2, len(path) - 1)
    before, after = 2 * path[:1] - path[half:0:-1], 2 * path[-1:] - path[-2 : -half - 2 : -1]
    total = np.cumsum(np.concatenate([np.zeros((1, 2)), before, path, after]), axis=0)
    return (total[2 * half + 1 :] - total[: len(path)]) / (2 * half + 1)
