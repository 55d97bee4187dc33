"""AMASS: motions of SMPL bodies, as turns of 22 joints in npz files; also other motions of SMPL, SMPL-H and SMPL-X
bodies in the same layout.

Format: Mahmood et al. (2019), AMASS: Archive of Motion Capture as Surface Shapes, doi:10.1109/ICCV.2019.00554; Loper et
al. (2015), SMPL, doi:10.1145/2816795.2818013. Fingers, face and soft tissue are left out.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.capture.arrays import Arrays, names_in
from myotrack.capture.axes import Up
from myotrack.capture.recording import Recording, Subject, Tree
from myotrack.capture.smpl import ENDS, JOINTS, STATURE, USUAL_STATURE, average_rest, rest_of_model
from myotrack.capture.source import CaptureError, Source
from myotrack.capture.tree import MOST_POSES, Motion, forward, from_vectors, recorded, up_note, world_up
from myotrack.capture.words import LARGEST_NUMBER

RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
PERSON = (0.4, 2.8)
"""Heights that a person can have [m]."""


def looks_like_amass(content: bytes) -> bool:
    """Whether a file's content is a motion of an SMPL body: an npz of poses and where the body is."""
    names = names_in(content)
    return "trans" in names and ("poses" in names or {"root_orient", "pose_body"} <= names)


def read_amass(
    source: Source, model: Path | None = None, height: float | None = None, up: Up | None = None
) -> Recording:
    """Read a motion in the layout of AMASS.

    Args:
        model: The user's body model, from which joint positions follow for the subject's shape. None: a skeleton of
            average proportions, so that angles are the subject's but positions are not.
        height: Of the average skeleton [m]. None: the mean of the subject's sex.
        up: Direction of the world that points up. None: z as in AMASS, unless the body stands along y.

    Raises:
        CaptureError: The file is damaged, or the model is.
    """
    arrays = Arrays(source)
    vectors, trans = _poses(source, arrays), arrays.numbers("trans")
    if trans.shape != (len(vectors), 3):
        raise source.error(f"'trans' is of shape {trans.shape} for {len(vectors)} frames of poses")
    if len(vectors) * (len(JOINTS) + len(ENDS)) > MOST_POSES:
        raise source.error(f"{len(vectors)} frames are too many; split the file first")
    if max(np.abs(vectors).max(), np.abs(trans).max()) > LARGEST_NUMBER:
        raise source.error("poses or positions are too large to be true")
    rate = _rate(source, arrays)
    sex = _sex(arrays)
    if model is not None:
        rest = rest_of_model(model, _betas(source, arrays))
        note = f"Joint positions are those of the body model {Path(model).name} for the subject's shape."
    else:
        height = height if height is not None else STATURE.get(sex or "", USUAL_STATURE)
        if not PERSON[0] <= height <= PERSON[1]:
            raise source.error(f"a height of {height} m makes no sense")
        rest = average_rest(height)
        note = (
            f"Bones are those of an average person, {height:.2f} m tall: angles are the subject's, positions are not."
        )
    tree = Tree(
        tuple(name for name, _ in (*JOINTS, *ENDS)), tuple(parent for _, parent in (*JOINTS, *ENDS)), rest - rest[0]
    )
    local = np.zeros((4, len(tree.joints), len(vectors)))
    local[0] = 1.0
    local[:, : len(JOINTS)] = from_vectors(np.ascontiguousarray(vectors.transpose(2, 1, 0)))
    # The whole body turns about its pelvis, which `trans` moves from where the model has it.
    motion = Motion(local, trans.T + rest[0][:, None])
    points, _ = forward(tree, motion.sampled())
    world = up or world_up(tree, points, "z")
    notes = [note, up_note(world, up is not None), "Fingers are left out."]
    return recorded(source, "AMASS", tree, motion, ("y", world), rate, notes, Subject(sex=sex))


def _rate(source: Source, arrays: Arrays) -> float:
    """Frames per second; a whole number where the file's is one but for rounding."""
    rate = next((arrays.scalar(name) for name in RATES if name in arrays), None)
    if rate is None:
        raise source.error("the file does not say its frames per second, 'mocap_framerate'")
    if not 0.1 < rate < 1e5:
        raise source.error(f"a rate of {rate:g} frames per second makes no sense")
    return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate


def _poses(source: Source, arrays: Arrays) -> Float[np.ndarray, "frame joint 3"]:
    """Axis times angle of the joints of the body [rad]."""
    if "poses" in arrays:
        poses = arrays.numbers("poses")
    else:
        parts = [arrays.numbers(name) for name in ("root_orient", "pose_body")]
        if any(part.ndim != 2 or len(part) != len(parts[0]) for part in parts):
            raise source.error("'root_orient' and 'pose_body' are not of the same number of frames")
        poses = np.concatenate(parts, axis=1)
    flat = poses.reshape(len(poses), -1) if poses.ndim in (2, 3) else np.empty((0, 0))
    if len(flat) == 0 or flat.shape[1] < 3 * len(JOINTS) or flat.shape[1] % 3:
        raise source.error(f"poses of shape {poses.shape} are not turns of {len(JOINTS)} joints or more")
    return flat[:, : 3 * len(JOINTS)].reshape(len(flat), len(JOINTS), 3)


def _betas(source: Source, arrays: Arrays) -> Float[np.ndarray, "shape"]:
    """The subject's shape; a row per frame is a row for all."""
    betas = arrays.numbers("betas")
    betas = betas[0] if betas.ndim == 2 else betas
    if betas.ndim != 1 or np.abs(betas).max() > 100:
        raise source.error("'betas' is no shape of a person")
    return betas


def _sex(arrays: Arrays) -> str | None:
    """'male' or 'female', where the file says so in a way that can be opened."""
    try:
        words = arrays.strings("gender") if "gender" in arrays else []
    except CaptureError:
        return None
    said = words[0].strip().lower().removeprefix("b'").rstrip("'") if len(words) == 1 else ""
    return said if said in STATURE else None
