"""Videos of a motion without a browser: the body over a floor with lines, its reference, and the forces of the ground.

    write_video(Path("walk.mp4"), Actor.of_trial(trial, anatomy))

Drawn by MuJoCo off screen. On a machine without a GPU most of the time goes into triangles, so bones have details of a
few millimetres only, and the shadow is the bones once more, pressed flat, instead of a second look at every pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float

from myotrack.view.film import RELAXED, WORKING, brightness
from myotrack.view.legend import Legend
from myotrack.view.picture import Camera, Image, Painter, place, write_film
from myotrack.view.scene import Actor, thickness
from myotrack.view.shot import ELEVATION_DEG, azimuth_of, distance_of, smooth

SUFFIX = ".mp4"
RATES = (30, 60)
LEAST_HEIGHT, MOST_HEIGHT = 240, 2160
ASPECT = 16 / 9
MARGIN = 0.07
"""Share of an image that stays free on every side."""
ASIDE = 1.0
"""From a body to its reference beside it [m]."""
QUALITY = 6.0
"""Of the encoder, of 10."""
GHOST, BESIDE = (0.47, 0.59, 0.75, 0.30), (0.62, 0.71, 0.84, 1.0)
SHADOW = (0.68, 0.71, 0.76, 1.0)
ARROW, ARROW_RADIUS = np.array([0.15, 0.43, 0.27, 1.0]), 0.016
FLAT = 2e-3
"""How high a pressed body is over its own height. Not nothing, so that its surfaces still have a direction."""
SHADOW_HEIGHT, PATCH_HEIGHT = 1e-3, 4e-3
"""Above the floor [m], so that neither flickers with what is below it."""
_BONES = 0
"""Group of the bones."""


@dataclass(frozen=True)
class VideoSettings:
    """How a video looks."""

    height: int = 1080
    """Lines of an image; it is 16 / 9 as wide."""
    rate: int = 30
    """Images per second."""
    beside: bool = False
    """Put the reference a metre aside, instead of as a ghost where it should be."""
    patches: bool = True
    """Draw discs where the floor presses."""

    def __post_init__(self) -> None:
        if not LEAST_HEIGHT <= self.height <= MOST_HEIGHT or self.height % 2:
            raise ValueError(
                f"A video has an even number of lines from {LEAST_HEIGHT} to {MOST_HEIGHT}; got {self.height}."
            )
        if self.rate not in RATES:
            raise ValueError(f"A video has {' or '.join(map(str, RATES))} images per second; got {self.rate}.")

    @property
    def width(self) -> int:
        """Of an image; even, as the encoder wants it."""
        return 2 * round(self.height * ASPECT / 2)


def write_video(
    path: Path,
    actor: Actor,
    settings: VideoSettings | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a video of a whole motion, at the speed of life.

    Args:
        path: An MP4 file. It is there once the video is complete; an older one stays until then.
        actor: The motion.
        settings: How it looks.
        tell: Called with how many images are drawn, and how many there will be.

    Raises:
        ValueError: The file's name does not end in .mp4, or there is no reference to put aside.
        OSError: It cannot be written, nothing can be drawn off screen here, or the encoder failed.
    """
    settings = settings or VideoSettings()
    if path.suffix.lower() != SUFFIX:
        raise ValueError(
            f"{path}: videos are written as {SUFFIX}; name a file such as {path.with_suffix(SUFFIX).name}."
        )
    if settings.beside and actor.ghost is None:
        raise ValueError(f"{actor.name}: a clip has no reference to put beside it; name a run or a trial.")
    part = path.with_name(f".{path.stem}.part{SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        part.touch()
    except OSError as error:
        raise OSError(f"{path}: the video cannot be written there ({error.strerror}).") from error
    try:
        stage = _Stage(actor, settings)
        try:
            write_film(part, stage.images(tell), float(settings.rate), QUALITY)
        finally:
            stage.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


class _Stage:
    """A body, its shadow, its reference and the forces of the ground, before a camera that goes along."""

    def __init__(self, actor: Actor, settings: VideoSettings) -> None:
        self._actor, self._settings = actor, settings
        anatomy = actor.anatomy
        self._azimuth = azimuth_of(_facing(actor), anatomy.free)
        self._aside = np.zeros(3)
        if settings.beside:
            angle = np.radians(self._azimuth)
            self._aside = ASIDE * np.array([np.sin(angle), -np.cos(angle), 0.0])
        self._look_at = np.zeros((actor.frames, 3))
        self._painter = Painter(
            anatomy, settings.width, settings.height, Camera(self._azimuth, ELEVATION_DEG), quick=True,
            colours=(RELAXED, WORKING), stage=True, radius=thickness(anatomy),
        )  # fmt: skip
        model = self._painter.model
        self._data = mujoco.MjData(model)
        self._bones = np.flatnonzero((model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (model.geom_group == _BONES))
        self._options = mujoco.MjvOption()
        self._options.geomgroup[:] = 0
        self._options.geomgroup[_BONES] = 1
        self._options.sitegroup[:] = 0
        self._options.flags[mujoco.mjtVisFlag.mjVIS_TENDON] = 0
        self._painter.camera = self._camera()
        reference = None if actor.ghost is None else "reference" if settings.beside else "reference (ghost)"
        forces = actor.force_w is not None
        self._legend = Legend(
            settings.height, actor.name, reference, actor.activation is not None, forces, forces and settings.patches
        )

    def images(self, tell: Callable[[int, int], None] | None = None) -> Iterator[Image]:
        """All images."""
        count = int(self._actor.duration * self._settings.rate + 1e-6) + 1
        for number in range(count):
            yield self.image(number / self._settings.rate)
            if tell is not None:
                tell(number + 1, count)

    def image(self, seconds: float) -> Image:
        """The image of a time."""
        actor, row = self._actor, seconds * self._actor.rate
        frame = min(round(row), actor.frames - 1)
        here = between(actor.qpos, row, actor.anatomy.free)
        there = None if actor.ghost is None else between(actor.ghost, row, actor.anatomy.free)
        muscles = np.zeros(actor.anatomy.model.nu)
        if actor.activation is not None:
            muscles = brightness(actor.activation[frame])
        image = self._painter.paint(
            here, muscles, look_at=between(self._look_at, row), add=lambda scene: self._add(scene, frame, here, there)
        )
        image = np.array(image)
        self._legend.write(image, seconds)
        return image

    def close(self) -> None:
        """Free the renderer."""
        self._painter.close()

    def _camera(self) -> Camera:
        """Follow the body, from as far away as everything needs."""
        actor, model, data = self._actor, self._painter.model, self._data
        shown = np.unique(np.linspace(0, actor.frames - 1, min(actor.frames, 100)).round().astype(int))
        places = []
        for motion, shift in ((actor.qpos, np.zeros(3)), (actor.ghost, self._aside)):
            if motion is not None:
                places.append(np.stack([_corners(model, data, motion[frame], self._bones) for frame in shown]) + shift)
        corners = np.concatenate(places, axis=1)
        self._look_at[:] = (corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2
        if actor.anatomy.free:
            self._look_at[:, :2] = smooth(actor.qpos[:, :2], round(actor.rate)) + self._aside[:2] / 2
        distance = distance_of(corners, self._look_at[shown], self._azimuth, ASPECT, MARGIN)
        return Camera(self._azimuth, ELEVATION_DEG, distance)

    def _add(
        self,
        scene: mujoco.MjvScene,
        frame: int,
        here: Float[np.ndarray, "qpos"],
        there: Float[np.ndarray, "qpos"] | None,
    ) -> None:
        """Shadow, reference and forces."""
        beside, (flat, shift) = self._settings.beside, self._pressed()
        if self._actor.anatomy.free:
            self._add_bones(scene, here, SHADOW, flat, shift)
            if there is not None and beside:
                self._add_bones(scene, there, SHADOW, flat, shift + self._aside)
        if there is not None:
            self._add_bones(scene, there, BESIDE if beside else GHOST, np.eye(3), self._aside)
        ground = self._actor.ground(frame)
        if ground is None:
            return
        for foot in np.flatnonzero(ground.bears):
            if self._settings.patches:
                size = np.array([ground.radius[foot], PATCH_HEIGHT / 2, 0.0])
                colour = np.append(ground.colour[foot], 0.85)
                middle = ground.foot[foot] + [0, 0, PATCH_HEIGHT]
                _next(scene, mujoco.mjtGeom.mjGEOM_CYLINDER, size, middle, colour)
            arrow = _next(scene, mujoco.mjtGeom.mjGEOM_ARROW, np.zeros(3), np.zeros(3), ARROW)
            if arrow is not None:
                ends = (ground.foot[foot].astype(float), ground.tip[foot].astype(float))
                mujoco.mjv_connector(arrow, mujoco.mjtGeom.mjGEOM_ARROW.value, ARROW_RADIUS, *ends)

    def _pressed(self) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
        """What puts a body's shadow onto the floor: a map of places, and a shift."""
        light = self._painter.model.light_dir[0]
        flat = np.array([[1, 0, -light[0] / light[2]], [0, 1, -light[1] / light[2]], [0, 0, FLAT]])
        return flat, np.array([0.0, 0.0, SHADOW_HEIGHT])

    def _add_bones(
        self,
        scene: mujoco.MjvScene,
        qpos: Float[np.ndarray, "qpos"],
        colour: tuple[float, float, float, float],
        turn: Float[np.ndarray, "3 3"],
        shift: Float[np.ndarray, "3"],
    ) -> None:
        """The bones of a posture once more, in one colour, under a map of places."""
        model, data, first = self._painter.model, self._data, scene.ngeom
        data.qpos[:] = qpos
        place(model, data)
        mujoco.mjv_addGeoms(
            model, data, self._options, mujoco.MjvPerturb(), mujoco.mjtCatBit.mjCAT_DYNAMIC.value, scene
        )
        for number in range(first, scene.ngeom):
            geom = scene.geoms[number]
            geom.rgba[:] = colour
            geom.specular = 0.0
            geom.pos[:] = turn @ geom.pos + shift
            geom.mat[:] = turn @ geom.mat


def between(motion: Float[np.ndarray, "frame number"], row: float, free: bool = False) -> Float[np.ndarray, "number"]:
    """A motion between two of its frames, by their distance.

    Args:
        motion: Frames.
        row: Which, counted in frames from the first; beyond the last it is the last.
        free: Whether numbers 3 to 6 are a quaternion, of which q and -q are the same.
    """
    low = min(int(row), len(motion) - 1)
    high = min(low + 1, len(motion) - 1)
    before, after, share = motion[low], motion[high].copy(), min(row - low, 1.0)
    if free and before[3:7] @ after[3:7] < 0:
        after[3:7] *= -1
    mixed = before + share * (after - before)
    if free:
        mixed[3:7] /= np.linalg.norm(mixed[3:7])
    return mixed


def _next(
    scene: mujoco.MjvScene,
    kind: mujoco.mjtGeom,
    size: Float[np.ndarray, "3"],
    place: Float[np.ndarray, "3"],
    colour: Float[np.ndarray, "4"],
) -> mujoco.MjvGeom | None:
    """A new thing in a scene; None if it is full."""
    if scene.ngeom >= scene.maxgeom:
        return None
    geom = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(geom, kind.value, size, place.astype(np.float64), np.eye(3).ravel(), colour.astype(np.float32))
    scene.ngeom += 1
    return geom


def _corners(
    model: mujoco.MjModel, data: mujoco.MjData, qpos: Float[np.ndarray, "qpos"], bones: np.ndarray
) -> Float[np.ndarray, "corner 3"]:
    """Corners of the boxes around all bones [m]."""
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    boxes = model.geom_aabb[bones]
    local = boxes[:, None, :3] + signs * boxes[:, None, 3:]
    turn = data.geom_xmat[bones].reshape(-1, 3, 3)
    return (np.einsum("gij,gcj->gci", turn, local) + data.geom_xpos[bones][:, None]).reshape(-1, 3)


def _facing(actor: Actor) -> Float[np.ndarray, "2"]:
    """Where a body looks, on average: along -y of its root."""
    if not actor.anatomy.free:
        return np.array([0.0, -1.0])
    w, x, y, z = actor.qpos[:, 3:7].T
    # The second column of the rotation, turned around.
    return -np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z)], axis=1).mean(axis=0)
