"""Pictures and short films of a body: bones, muscles coloured by activation, landmarks if asked for."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from myotrack.anatomy.bones import with_bones
from myotrack.anatomy.model import Anatomy, published_file
from myotrack.simulate.state import BodyState

Image = UInt8[np.ndarray, "height width 3"]

RESTING_COLOUR = np.array([0.36, 0.12, 0.16, 1.0])
"""Of a muscle without activation: dark red."""
ACTIVE_COLOUR = np.array([1.0, 0.38, 0.22, 1.0])
"""Of a fully active muscle: bright red."""
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
    ) -> None:
        """Prepare a renderer.

        Raises:
            OSError: No way to render off screen; the message says what to install.
        """
        # From the body's own MJCF, so that whatever repairs it has are drawn.
        self._model = self._drawable(
            with_bones(anatomy.xml, published_file(anatomy.name), anatomy.sizes.factor), width, height
        )
        self._data = mujoco.MjData(self._model)
        self._tendons = self._model.actuator_trnid[:, 0]
        self._camera = camera or Camera(distance=2.6 if anatomy.free else 1.5)
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

    def paint(self, qpos: Float[np.ndarray, "qpos"], activation: Float[np.ndarray, "muscle"]) -> Image:
        """One picture of a posture, its muscles coloured by activation."""
        self._data.qpos[:] = qpos
        mujoco.mj_forward(self._model, self._data)
        share = np.clip(activation, 0.0, 1.0)[:, None]
        self._model.tendon_rgba[self._tendons] = RESTING_COLOUR + share * (ACTIVE_COLOUR - RESTING_COLOUR)
        view = mujoco.MjvCamera()
        view.azimuth, view.elevation = self._camera.azimuth_deg, self._camera.elevation_deg
        view.distance = self._camera.distance
        view.lookat[:] = self._data.subtree_com[0]
        if self._camera.height is not None:
            view.lookat[2] = self._camera.height
        self._renderer.update_scene(self._data, view, self._options)
        return self._renderer.render()

    def paint_world(self, body: BodyState, world: int = 0) -> Image:
        """One picture of a simulated world."""
        return self.paint(body.qpos[world].double().cpu().numpy(), body.muscle_activation[world].cpu().numpy())

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    @staticmethod
    def _drawable(model: mujoco.MjModel, width: int, height: int) -> mujoco.MjModel:
        """A copy with a quiet floor, and muscles thick enough to see."""
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
        floor = model.geom("floor").id
        model.geom_matid[floor] = -1
        model.geom_rgba[floor] = (0.93, 0.95, 0.98, 1.0)
        return model


def write_picture(path: Path, image: Image) -> Path:
    """Write a PNG or JPEG."""
    import imageio.v3 as imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, image)
    return path


def write_film(path: Path, images: Iterable[Image], rate_hz: float = 50.0) -> Path:
    """Write an MP4 (H.264) that every browser plays."""
    import imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    with imageio.get_writer(path, fps=rate_hz, codec="libx264", quality=8, macro_block_size=2) as film:
        for image in images:
            film.append_data(image)  # type: ignore[attr-defined]
    return path
