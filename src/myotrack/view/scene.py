"""A motion as shapes: bones that move, muscles as tubes along their paths, forces as arrows. Somebody else draws them.

actor = Actor.of_trial(trial, anatomy)
body = Skeleton.of(anatomy)                # bones, once
instant = body.instant(actor.qpos[frame])  # where bones and muscles are then
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Bool, Float, Int

from myotrack.anatomy.bones import with_bones
from myotrack.anatomy.model import Anatomy, published_file
from myotrack.clips.clip import RATE, Clip
from myotrack.validate.tracking import body_weight
from myotrack.validate.trials import Trial
from myotrack.view.picture import coarsen, place

THICKEST, THINNEST = 0.0065, 0.0025
"""Radius of the strongest and the weakest muscle [m]; between them it goes with the root of the peak force."""
PER_WEIGHT = 1.0
"""Length of the arrow of a force that bears the whole body [m]."""
PATCH = 0.10
"""Radius of the patch of a force that bears the whole body [m]; its area goes with the force."""
LIGHT, HEAVY = np.array([1.0, 0.80, 0.25]), np.array([0.80, 0.10, 0.35])
"""Colours of patches without force and with `HEAVIEST`: yellow, and crimson."""
HEAVIEST = 1.5
"""Force of the darkest patch over the body's weight. Tuned: more than a walking foot bears."""
LEAST = 0.01
"""A foot that bears less than this share of the body has neither arrow nor patch."""


@dataclass(frozen=True)
class Actor:
    """A motion to be shown: a trial with its reference as a ghost, or a clip."""

    name: str
    anatomy: Anatomy
    rate: float
    """[Hz]"""
    qpos: Float[np.ndarray, "frame qpos"]
    """Of the body's model."""
    ghost: Float[np.ndarray, "frame qpos"] | None = None
    """Where it should be; None of a clip."""
    activation: Float[np.ndarray, "frame muscle"] | None = None
    excitation: Float[np.ndarray, "frame muscle"] | None = None
    force_w: Float[np.ndarray, "frame foot 3"] | None = None
    """Ground reaction [N]."""
    cop_w: Float[np.ndarray, "frame foot 3"] | None = None
    """Where it acts [m]."""

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.qpos)

    @property
    def duration(self) -> float:
        """From the first to the last frame [s]."""
        return (self.frames - 1) / self.rate

    def ground(self, frame: int) -> "Ground | None":
        """What the floor does at a frame; None if that is not known."""
        if self.force_w is None or self.cop_w is None:
            return None
        return Ground.of(self.force_w[frame], self.cop_w[frame], body_weight(self.anatomy))

    @classmethod
    def of_trial(cls, trial: Trial, anatomy: Anatomy) -> "Actor":
        """With everything that a trial tells.

        Raises:
            ValueError: It is another body.
        """
        trial.check(anatomy)
        qpos, ghost = (anatomy.couplings.qpos(z.double()).numpy() for z in (trial.pos, trial.reference_pos))
        feet = trial.foot_force_w.shape[1] > 0
        return cls(
            name=trial.name,
            anatomy=anatomy,
            rate=trial.rate,
            qpos=qpos,
            ghost=ghost if trial.simulated else None,
            activation=trial.activation.numpy(),
            excitation=None if trial.excitation is None else trial.excitation.numpy(),
            force_w=trial.foot_force_w.numpy() if feet else None,
            cop_w=trial.foot_cop_w.numpy() if feet else None,
        )

    @classmethod
    def of_clip(cls, clip: Clip, anatomy: Anatomy) -> "Actor":
        """A motion alone.

        Raises:
            ValueError: It is another body.
        """
        clip.check(anatomy)
        return cls(clip.name, anatomy, RATE, anatomy.couplings.qpos(clip.pos.double()).numpy())


@dataclass(frozen=True)
class Ground:
    """Forces of the floor as things to draw, of the feet that bear something."""

    foot: Float[np.ndarray, "foot 3"]
    """Centres of pressure [m]."""
    tip: Float[np.ndarray, "foot 3"]
    """Where their arrows end [m]."""
    radius: Float[np.ndarray, "foot"]
    """Of their patches [m]."""
    colour: Float[np.ndarray, "foot 3"]
    """Of their patches (red, green, blue)."""
    bears: Bool[np.ndarray, "foot"]
    """Which feet are to be seen; the others have no size."""

    @classmethod
    def of(cls, force_w: Float[np.ndarray, "foot 3"], cop_w: Float[np.ndarray, "foot 3"], weight: float) -> "Ground":
        """From forces [N], the places where they act [m], and the body's weight [N]."""
        share = np.linalg.norm(force_w, axis=1) / weight
        bears = share > LEAST
        share, force = np.where(bears, share, 0.0), np.where(bears[:, None], force_w, 0.0)
        dark = np.clip(share / HEAVIEST, 0.0, 1.0)[:, None]
        tip = cop_w + PER_WEIGHT * force / weight
        return cls(cop_w, tip, PATCH * np.sqrt(share), LIGHT + dark * (HEAVY - LIGHT), bears)


@dataclass(frozen=True)
class Bone:
    """The bones of one segment, in its frame."""

    segment: int
    """Of the skeleton's model."""
    name: str
    vertices: Float[np.ndarray, "corner 3"]
    """[m]"""
    faces: Int[np.ndarray, "face 3"]


@dataclass(frozen=True)
class Instant:
    """Where everything is at one moment."""

    position: Float[np.ndarray, "segment 3"]
    """[m]"""
    quaternion: Float[np.ndarray, "segment 4"]
    """(w, x, y, z)"""
    tube: Float[np.ndarray, "piece 2 3"]
    """Both ends of every straight piece of every muscle's path [m]; pieces that a path has not at present have none."""
    length: Float[np.ndarray, "muscle"]
    """Of whole paths [m]."""


class Skeleton:
    """Bones and muscle paths of a body, which can be put into any posture."""

    def __init__(self, anatomy: Anatomy) -> None:
        """Read the meshes, which takes a second or two.

        Args:
            anatomy: The body.
        """
        model = with_bones(anatomy.xml, published_file(anatomy.name), anatomy.sizes.factor)
        coarsen(model)
        self.anatomy, self._model, self._data = anatomy, model, mujoco.MjData(model)
        self.bones = _bones(model)
        tendons = model.actuator_trnid[:, 0]
        # A path bends at every point on it and twice at every surface that it goes around.
        surfaces = np.isin(model.wrap_type, (mujoco.mjtWrap.mjWRAP_SPHERE, mujoco.mjtWrap.mjWRAP_CYLINDER))
        self._room = [
            int(model.tendon_num[t] + surfaces[model.tendon_adr[t] : model.tendon_adr[t] + model.tendon_num[t]].sum())
            for t in tendons
        ]
        self._first = np.concatenate([[0], np.cumsum(self._room)])
        self.muscle = np.repeat(np.arange(len(tendons)), self._room)
        """Whose each piece is."""
        self.radius = thickness(anatomy)[self.muscle]
        """Of each piece [m]."""
        self._tendons = tendons

    def instant(self, qpos: Float[np.ndarray, "qpos"]) -> Instant:
        """Where everything is in a posture."""
        model, data = self._model, self._data
        data.qpos[:] = qpos
        place(model, data)
        tube = np.zeros((len(self.muscle), 2, 3))
        points, kinds = data.wrap_xpos.reshape(-1, 3), data.wrap_obj.reshape(-1)
        for muscle, tendon in enumerate(self._tendons):
            begin = int(data.ten_wrapadr[tendon])
            count = int(data.ten_wrapnum[tendon])
            path, kind = points[begin : begin + count], kinds[begin : begin + count]
            # A pulley (-2) parts a path; no tube goes across it.
            whole = (kind[:-1] != -2) & (kind[1:] != -2)
            pieces = np.stack([path[:-1], path[1:]], axis=1)[whole][: self._room[muscle]]
            tube[self._first[muscle] : self._first[muscle] + len(pieces)] = pieces
        return Instant(data.xpos.copy(), data.xquat.copy(), tube, data.ten_length[self._tendons].copy())


def thickness(anatomy: Anatomy) -> Float[np.ndarray, "muscle"]:
    """Radius of the tube that a muscle is drawn as [m]; the stronger, the thicker."""
    peak = np.abs(np.array([muscle.peak_force for muscle in anatomy.muscles]))
    return THINNEST + (THICKEST - THINNEST) * np.sqrt(peak / peak.max())


def tubes(
    ends: Float[np.ndarray, "piece 2 3"], radius: Float[np.ndarray, "piece"]
) -> tuple[Float[np.ndarray, "piece 3"], Float[np.ndarray, "piece 4"], Float[np.ndarray, "piece 3"]]:
    """Middle, orientation and size of cylinders of radius 1 and height 1 along z that become tubes; nothing becomes of
    pieces without length.

    Args:
        ends: Of every piece [m].
        radius: Of every piece [m].

    Returns:
        Middle [m], quaternion (w, x, y, z), and factors along the cylinder's axes [m].
    """
    along = ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(along, axis=1)
    some = length > 1e-9
    direction = np.where(some[:, None], along / np.where(some, length, 1.0)[:, None], [0.0, 0.0, 1.0])
    # From z to a direction d: half way between them, w = 1 + d_z and axis z x d; straight down any axis does.
    quaternion = np.stack([1 + direction[:, 2], -direction[:, 1], direction[:, 0], np.zeros(len(ends))], axis=1)
    down = quaternion[:, 0] < 1e-6
    quaternion[down] = [0.0, 1.0, 0.0, 0.0]
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    thick = np.where(some, radius, 0.0)
    return ends.mean(axis=1), quaternion, np.stack([thick, thick, length], axis=1)


def _bones(model: mujoco.MjModel) -> tuple[Bone, ...]:
    """All meshes of a segment as one."""
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for geom in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH):
        mesh, turn = int(model.geom_dataid[geom]), np.empty(9)
        if model.geom_group[geom] != 0:
            continue
        corners = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
        faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        vertices = model.mesh_vert[corners] @ turn.reshape(3, 3).T + model.geom_pos[geom]
        found.setdefault(int(model.geom_bodyid[geom]), []).append((vertices, model.mesh_face[faces]))
    bones = []
    for segment, parts in sorted(found.items()):
        counts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
        vertices = np.concatenate([vertices for vertices, _ in parts])
        faces = np.concatenate([faces + count for (_, faces), count in zip(parts, counts, strict=False)])
        used, index = np.unique(faces, return_inverse=True)
        bones.append(Bone(segment, model.body(segment).name, vertices[used], index.reshape(-1, 3)))
    return tuple(bones)
