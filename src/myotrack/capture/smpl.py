"""The joints of SMPL bodies at rest: from a user's model of the body, or of average proportions.

Names, parents and order of the joints are those that all files in the layout of AMASS use. Positions of ours come from
anthropometry and contain nothing of the SMPL models. Axes are those of SMPL: y up, x to the left, z ahead, arms out.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.capture.arrays import ZIP, Arrays, safetensors
from myotrack.capture.source import Source
from myotrack.capture.words import LARGEST_NUMBER

JOINTS: tuple[tuple[str, int], ...] = (
    ("pelvis", -1),
    ("left_hip", 0),
    ("right_hip", 0),
    ("spine1", 0),
    ("left_knee", 1),
    ("right_knee", 2),
    ("spine2", 3),
    ("left_ankle", 4),
    ("right_ankle", 5),
    ("spine3", 6),
    ("left_foot", 7),
    ("right_foot", 8),
    ("neck", 9),
    ("left_collar", 9),
    ("right_collar", 9),
    ("head", 12),
    ("left_shoulder", 13),
    ("right_shoulder", 14),
    ("left_elbow", 16),
    ("right_elbow", 17),
    ("left_wrist", 18),
    ("right_wrist", 19),
)
"""Names and parents of the joints of the body, in the order of the pose vector."""
ENDS = (("left_wrist_end", 20), ("right_wrist_end", 21))
"""In the middle of the knuckles."""
KNUCKLES: dict[int, tuple[list[int], list[int]]] = {
    24: ([22], [23]),
    52: ([22, 25, 28, 31], [37, 40, 43, 46]),
    55: ([25, 28, 31, 34], [40, 43, 46, 49]),
}
"""Joints at the knuckles, thumbs left out, left and right, by the number of joints: SMPL, SMPL-H, SMPL-X."""

STATURE: dict[str, float] = {"male": 1.753, "female": 1.613}
"""Mean height of adults [m]. Cited, recalled: Fryar et al. (2021), Anthropometric Reference Data for Children and
Adults, National Center for Health Statistics, Vital Health Stat 3(46)."""
USUAL_STATURE = 1.70
"""Where the sex is not said [m]."""

HEIGHT: dict[str, float] = {
    "foot": 0.010,
    "ankle": 0.039,
    "knee": 0.285,
    "hip": 0.530,
    "pelvis": 0.577,
    "spine1": 0.624,
    "spine2": 0.720,
    "spine3": 0.760,
    "collar": 0.818,
    "shoulder": 0.818,
    "neck": 0.844,
    "head": 0.903,
}
"""Joint heights over the floor, of stature. Cited: ankle, knee, hip and shoulder from Drillis and Contini (1966) in
Winter (2009), Biomechanics and Motor Control of Human Movement, fig. 4.1; read in tables taken from that figure, not in
it. From the same, the neck is half-way from the shoulders to the chin (0.870), the head's joint from there to the eyes
(0.936). Cited: the lowest joint of the
spine is 0.16 m above the hips of a man of 1.70 m in Rajagopal et al. (2016), doi:10.1109/TBME.2016.2586891, the pelvis
half of it. Tuned: the other joints of the spine at the levels of T12 and T8, the ball of the foot above its sole."""
ASIDE: dict[str, float] = {"hip": 0.0455, "collar": 0.045, "shoulder": 0.107}
"""Distances from the middle, of stature. Cited: the hip, 0.0773 m of 1.70 m, Rajagopal et al. (2016). Tuned: the
shoulder a little inside of half the breadth between the acromia, about 0.236 of stature; the collar, which SMPL turns
farther out than anatomy does, a good third of the way."""
UPPER_ARM, FOREARM, HAND = 0.186, 0.146, 0.054
"""Of stature; the hand to its knuckles, half its length (0.108). Cited: Winter (2009), fig. 4.1, read as above."""
BALL_AHEAD = 0.068
"""From the ankle to the ball of the foot, of stature: tuned, 0.45 of the length of the foot, which is cited as above:
0.152."""


def average_rest(stature: float) -> Float[np.ndarray, "joint 3"]:
    """Joints and ends of a body of average proportions, the pelvis at the origin [m]."""
    positions = {}
    for name, _ in (*JOINTS, *ENDS):
        side = {"left": 1.0, "right": -1.0}.get(name.partition("_")[0], 0.0)
        part = name.partition("_")[2] if side else name
        ahead = BALL_AHEAD if part == "foot" else 0.0
        out = {"elbow": UPPER_ARM, "wrist": UPPER_ARM + FOREARM, "wrist_end": UPPER_ARM + FOREARM + HAND}
        if part in out:
            x, height = ASIDE["shoulder"] + out[part], HEIGHT["shoulder"]
        else:
            x, height = ASIDE["hip"] if part in ("knee", "ankle", "foot") else ASIDE.get(part, 0.0), HEIGHT[part]
        positions[name] = (side * x, height - HEIGHT["pelvis"], ahead)
    return stature * np.array(list(positions.values()))


def rest_of_model(path: Path, betas: Float[np.ndarray, "shape"]) -> Float[np.ndarray, "joint 3"]:
    """Joints and ends of a subject by a body model, J (v + S β): where the model has them [m].

    Args:
        path: A model of the SMPL family, npz or safetensors, with the arrays 'J_regressor', 'v_template', 'shapedirs'.
        betas: The subject's shape.

    Raises:
        CaptureError: The file is no such model.
    """
    source = Source.open(path)
    if source.suffix in (".pkl", ".pickle") or source.content[:1] == b"\x80":
        raise source.error("a pickle may run any code and is never opened; save the model's arrays as .npz first")
    wanted = ("J_regressor", "v_template", "shapedirs")
    if source.content.startswith(ZIP):
        arrays = Arrays(source)
        regressor, template, shapes = (arrays.numbers(name) for name in wanted)
    else:
        tensors = safetensors(source)
        missing = [name for name in wanted if name not in tensors]
        if missing:
            raise source.error(f"the body model has no array '{missing[0]}'")
        regressor, template, shapes = (tensors[name].astype(np.float64) for name in wanted)
    count = len(template)
    fits = template.shape == (count, 3) and shapes.ndim == 3 and shapes.shape[:2] == (count, 3)
    if not fits or regressor.ndim != 2 or regressor.shape[1] != count or len(regressor) < len(JOINTS):
        raise source.error("the arrays of the body model do not fit each other")
    if not all((np.abs(array) < LARGEST_NUMBER).all() for array in (regressor, template, shapes)):
        raise source.error("the numbers of the body model are not finite or too large")
    known = min(len(betas), shapes.shape[2])
    joints = regressor @ (template + shapes[:, :, :known] @ betas[:known])
    rest = joints[: len(JOINTS)]
    hands = [
        joints[side].mean(axis=0) if side else rest[wrist] + (rest[wrist] - rest[wrist - 2]) * HAND / FOREARM
        for side, (_, wrist) in zip(KNUCKLES.get(len(joints), ([], [])), ENDS, strict=True)
    ]
    return np.concatenate([rest, hands])
