"""Pictures and short films of a body: bones, muscles coloured by activation, landmarks if asked for."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from myotrack.anatomy.bones import GRID, with_bones
from myotrack.anatomy.model import Anatomy, published_file
from myotrack.simulate.state import BodyState

Image = UInt8[np.ndarray, "height width 3"]

RESTING_COLOUR = np.array([0.36, 0.12, 0.16, 1.0])
"""Of a muscle without activation: dark red."""
ACTIVE_COLOUR = np.array([1.0, 0.38, 0.22, 1.0])
"""Of a fully active muscle: bright red."""
DOT, DOT_COLOUR = 0.017, np.array([0.04, 0.50, 0.62, 0.5], dtype=np.float32)
"""Radius [m] and colour of dots: translucent blue, larger than the joints they are drawn over."""
DETAIL = 3e-3
"""Details of bones that a quick picture shows [m]. Tuned: a pixel of a film is 2 to 5 mm wide."""
_SKIN_GROUP, _WRAP_GROUP, _LANDMARK_GROUP = 4, 3, 4


@dataclass(frozen=True)
class Camera:
    """From where a body is seen. It follows the body's centre."""

    azimuth_deg: float = 62.0
    """Direction of view about the vertical; 90 looks along +y, at the face of a body that looks along -y."""
    elevation_deg: float = -10.0
    distance: float = 2.6
    """[m]"""
    height: float | None = None
    """Of the point looked at [m]; the body's centre if not given."""


class Painter:
    """Draws one body in any posture, off screen."""

    def __init__(
        self,
        anatomy: Anatomy,
        width: int = 640,
        height: int = 720,
        camera: Camera | None = None,
        landmarks: bool = False,
        quick: bool = False,
        colours: tuple[np.ndarray, np.ndarray] = (RESTING_COLOUR, ACTIVE_COLOUR),
        stage: bool = False,
        radius: Float[np.ndarray, "muscle"] | None = None,
    ) -> None:
        """Prepare a renderer.

        Args:
            anatomy: The body.
            width: Of the picture.
            height: Of the picture.
            camera: From where it is seen.
            landmarks: Show them as dots.
            quick: For films: bones with details of a few millimetres, muscles with ten sides. Measured: 0.07 s for a
                picture of 640 x 480 of the full body in software on two cores, instead of 0.4 s.
            colours: Of a muscle without and with full activation (red, green, blue, opacity).
            stage: Draw lines on the floor, half a metre apart.
            radius: Of every muscle's tube [m]; all the same if not given.

        Raises:
            OSError: No way to render off screen; the message says what to install.
        """
        # From the body's own MJCF, so that whatever repairs it has are drawn.
        self._model = self._drawable(
            with_bones(anatomy.xml, published_file(anatomy.name), anatomy.sizes.factor),
            width,
            height,
            bool(anatomy.foot_regions) or not quick,
        )
        if quick:
            coarsen(self._model)
        self._data = mujoco.MjData(self._model)
        self._colours = colours
        self._tendons = self._model.actuator_trnid[:, 0]
        self.camera = camera or Camera(distance=2.6 if anatomy.free else 1.5)
        """May be changed between two pictures."""
        if quick:
            # Whichever way a film looks, light falls as it does on a body that is seen as usual.
            turn = np.radians(self.camera.azimuth_deg - Camera.azimuth_deg)
            cos, sin = np.cos(turn), np.sin(turn)
            self._model.light_dir[:] = self._model.light_dir @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        if stage:
            floor = self._model.geom("floor").id
            self._model.geom_matid[floor] = self._model.material(GRID).id
            self._model.material(GRID).emission = 0.22  # Tuned: nearly white where light falls, and not whiter.
        if radius is not None:
            self._model.tendon_width[self._tendons] = radius
        self._options = mujoco.MjvOption()
        self._options.geomgroup[_SKIN_GROUP] = self._options.geomgroup[_WRAP_GROUP] = 0
        self._options.sitegroup[:] = 0
        self._options.sitegroup[_LANDMARK_GROUP] = landmarks
        self._options.flags[mujoco.mjtVisFlag.mjVIS_TENDON] = 1
        try:
            self._renderer = mujoco.Renderer(self._model, height, width)
        except (mujoco.FatalError, RuntimeError, ImportError, AttributeError) as error:
            # GLFW, EGL and OSMesa each fail in their own way; the advice is the same.
            raise OSError(
                f"Cannot draw off screen ({error}). Set MUJOCO_GL=egl, install libegl1, or run `myotrack doctor`."
            ) from error

    def paint(
        self,
        qpos: Float[np.ndarray, "qpos"],
        activation: Float[np.ndarray, "muscle"],
        dots: Float[np.ndarray, "dot 3"] | None = None,
        look_at: Float[np.ndarray, "3"] | None = None,
        add: Callable[[mujoco.MjvScene], None] | None = None,
    ) -> Image:
        """One picture of a posture, its muscles coloured by activation.

        Args:
            qpos: The posture.
            activation: Of the muscles, in [0, 1].
            dots: Places to mark, such as where landmarks should be [m].
            look_at: The middle of the picture [m]; the body's centre if not given.
            add: Puts further things into the scene, after the body.
        """
        self._data.qpos[:] = qpos
        place(self._model, self._data)
        share = np.clip(activation, 0.0, 1.0)[:, None]
        resting, active = self._colours
        self._model.tendon_rgba[self._tendons] = resting + share * (active - resting)
        view = mujoco.MjvCamera()
        view.azimuth, view.elevation = self.camera.azimuth_deg, self.camera.elevation_deg
        view.distance = self.camera.distance
        view.lookat[:] = self._data.subtree_com[0] if look_at is None else look_at
        if self.camera.height is not None:
            view.lookat[2] = self.camera.height
        self._renderer.update_scene(self._data, view, self._options)
        if dots is not None:
            self._add_dots(dots)
        if add is not None:
            add(self._renderer.scene)
        return self._renderer.render()

    def paint_world(self, body: BodyState, world: int = 0) -> Image:
        """One picture of a simulated world."""
        return self.paint(body.qpos[world].double().cpu().numpy(), body.muscle_activation[world].cpu().numpy())

    def _add_dots(self, places: Float[np.ndarray, "dot 3"]) -> None:
        """Put dots into the scene."""
        scene = self._renderer.scene
        for place in places[: scene.maxgeom - scene.ngeom]:
            geom, size = scene.geoms[scene.ngeom], np.full(3, DOT)
            kind = mujoco.mjtGeom.mjGEOM_SPHERE.value
            mujoco.mjv_initGeom(geom, kind, size, place.astype(np.float64), np.eye(3).ravel(), DOT_COLOUR)
            scene.ngeom += 1

    @property
    def model(self) -> mujoco.MjModel:
        """What is drawn, for whoever adds to the scene; not to be changed."""
        return self._model

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    @staticmethod
    def _drawable(model: mujoco.MjModel, width: int, height: int, stands: bool) -> mujoco.MjModel:
        """A copy with a quiet floor if it stands on one, and muscles thick enough to see."""
        model = copy.copy(model)
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.headlight.ambient[:] = 0.34
        model.vis.headlight.diffuse[:] = 0.32
        model.vis.headlight.specular[:] = 0.0
        model.vis.rgba.haze[:] = (0.86, 0.88, 0.92, 1.0)
        model.light_diffuse[:] = 0.45
        model.light_castshadow[:] = False
        model.light_pos[:] = (-1.5, -2.5, 4.0)
        model.light_dir[:] = np.array([0.45, 0.7, -1.0]) / np.linalg.norm([0.45, 0.7, -1.0])
        model.tendon_width[:] = 0.004
        floor = model.geom("floor").id  # Arms on a fixed trunk have none to stand on.
        model.geom_matid[floor] = -1
        model.geom_rgba[floor] = (0.93, 0.95, 0.98, 1.0 if stands else 0.0)
        return model


def place(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Bones, muscle paths and centres of mass of a posture, without its dynamics."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    mujoco.mj_tendon(model, data)


def coarsen(model: mujoco.MjModel) -> None:
    """Let the corners of every bone within a cube of `DETAIL` be one, and drop the faces that this leaves no area."""
    model.vis.quality.numslices, model.vis.quality.numstacks = 10, 5
    for mesh in range(model.nmesh):
        corners = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
        first, count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
        cubes = np.floor(model.mesh_vert[corners] / DETAIL).astype(np.int64)
        _, one, cube = np.unique(cubes, axis=0, return_index=True, return_inverse=True)
        faces = one[cube.ravel()][model.mesh_face[first : first + count]]
        kept = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
        left = int(kept.sum())
        model.mesh_face[first : first + left] = faces[kept]
        model.mesh_facenormal[first : first + left] = model.mesh_facenormal[first : first + count][kept]
        model.mesh_facenum[mesh] = left


def write_picture(path: Path, image: Image) -> Path:
    """Write a PNG or JPEG."""
    import imageio.v3 as imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, image)
    return path


def write_film(path: Path, images: Iterable[Image], rate_hz: float = 50.0, quality: float = 8.0) -> Path:
    """Write an MP4 (H.264) that every browser plays.

    Args:
        path: The file.
        images: In their order, all of one size.
        rate_hz: Images per second.
        quality: From 0 to 10, the best and largest.

    Raises:
        OSError: The encoder is missing or failed.
    """
    import imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with imageio.get_writer(path, fps=rate_hz, codec="libx264", quality=quality, macro_block_size=2) as film:
            for image in images:
                film.append_data(image)  # type: ignore[attr-defined]
    except (RuntimeError, ImportError) as error:
        raise OSError(f"{path.name}: the film cannot be encoded ({error})") from error
    return path
