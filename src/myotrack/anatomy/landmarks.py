"""The tracked points of a body: where they sit, which way their frames look, and the sensors that report them.

A landmark is a site fixed to one segment. In the neutral pose of the published body every landmark frame looks the
same way: x forward, y to the left, z up, which in the world is `FACING`. So landmarks of a body that looks along its
heading turn as their segments do.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from myotrack.anatomy.changes import Change

FACING = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Rotation of the neutral landmark frame in the published world: columns are forward (-y), left (+x), up (+z)."""

MEASURED = "measured: position in the neutral pose of the published body"


@dataclass(frozen=True)
class LandmarkPlan:
    """Where one landmark is put."""

    name: str
    segment: str
    """The MuJoCo body that carries it."""
    meaning: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the segment's origin, along forward, left and up in the neutral pose [m]."""


def _arm(side: str, suffix: str) -> list[LandmarkPlan]:
    return [
        LandmarkPlan(f"{side}_shoulder", f"humerus_{suffix}", "glenohumeral joint centre, turning with the upper arm"),
        LandmarkPlan(f"{side}_elbow", f"ulna_{suffix}", "elbow joint centre, turning with the forearm"),
        LandmarkPlan(f"{side}_hand", f"thirdmc_{suffix}", "third metacarpal, turning with the palm"),
    ]


def _leg(side: str, suffix: str) -> list[LandmarkPlan]:
    return [
        LandmarkPlan(f"{side}_hip", f"femur_{suffix}", "hip joint centre, turning with the thigh"),
        LandmarkPlan(f"{side}_knee", f"tibia_{suffix}", "knee joint centre, turning with the shank"),
        LandmarkPlan(f"{side}_ankle", f"talus_{suffix}", "ankle joint centre, turning with the talus"),
        LandmarkPlan(f"{side}_toe", f"toes_{suffix}", "metatarsophalangeal joint centre, turning with the toes"),
    ]


_UPPER_BODY_MEANING = "between C7 and the jugular notch, turning with the thorax"
# C7 and the clavicle markers of the published body stand 0.041 m behind and in front of this point (measured).
_UPPER_BODY = LandmarkPlan("upper_body", "thorax", _UPPER_BODY_MEANING, (-0.015, 0.0, 0.029))
_HEAD = LandmarkPlan("head", "head", "centre of the skull, turning with the head", (0.0, 0.0, 0.075))
_PELVIS = LandmarkPlan("pelvis", "pelvis", "midpoint of the anterior superior iliac spines, turning with the pelvis")

PLANS: dict[str, list[LandmarkPlan]] = {
    "full": [
        _PELVIS,
        _UPPER_BODY,
        _HEAD,
        *_arm("right", "r"),
        *_leg("right", "r"),
        *_arm("left", "l"),
        *_leg("left", "l"),
    ],
    "arms": [_UPPER_BODY, *_arm("right", "r"), *_arm("left", "l")],
}

FOOT_REGIONS: dict[str, list[tuple[str, str]]] = {
    "full": [
        ("right_hindfoot", "calcn_r"),
        ("right_toes", "toes_r"),
        ("left_hindfoot", "calcn_l"),
        ("left_toes", "toes_l"),
    ],
    "arms": [],
}
"""Regions of the sole whose load is reported, and the segment each belongs to, per body."""

_FRAME_SENSORS = {
    "pos": mujoco.mjtSensor.mjSENS_FRAMEPOS,
    "quat": mujoco.mjtSensor.mjSENS_FRAMEQUAT,
    "linvel": mujoco.mjtSensor.mjSENS_FRAMELINVEL,
    "angvel": mujoco.mjtSensor.mjSENS_FRAMEANGVEL,
}
_WHOLE_BODY_SENSORS = {
    "com_pos": mujoco.mjtSensor.mjSENS_SUBTREECOM,
    "com_linvel": mujoco.mjtSensor.mjSENS_SUBTREELINVEL,
    "com_angmom": mujoco.mjtSensor.mjSENS_SUBTREEANGMOM,
}
# Fields of a MuJoCo contact sensor, as the bits of mjtConDataField: found, force, torque, position.
_GROUND_FIELDS = sum(
    1 << int(field)
    for field in (
        mujoco.mjtConDataField.mjCONDATA_FOUND,
        mujoco.mjtConDataField.mjCONDATA_FORCE,
        mujoco.mjtConDataField.mjCONDATA_TORQUE,
        mujoco.mjtConDataField.mjCONDATA_POS,
    )
)
_NET_FORCE = 3
"""`reduce="netforce"` of a MuJoCo contact sensor (XML reference, sensor/contact)."""


def site_name(landmark: str) -> str:
    """Name of the MuJoCo site of a landmark; the published body has sites of its own called 'pelvis' and the like."""
    return f"landmark_{landmark}"


def add_landmarks(spec: mujoco.MjSpec, mended: mujoco.MjModel, body: str) -> list[Change]:
    """Put the landmark sites into the spec. `mended` is the same spec, compiled before."""
    data = mujoco.MjData(mended)
    mujoco.mj_kinematics(mended, data)
    changes = []
    for plan in PLANS[body]:
        segment = mended.body(plan.segment).id
        rotation = data.xmat[segment].reshape(3, 3)
        position = rotation.T @ (FACING @ np.asarray(plan.offset))
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, (rotation.T @ FACING).ravel())
        spec.body(plan.segment).add_site(
            name=site_name(plan.name),
            pos=position,
            quat=quaternion,
            size=[0.012, 0.012, 0.012],
            rgba=[0.9, 0.3, 0.1, 1],
            group=4,
        )
        changes.append(
            Change("addition", f"landmark {plan.name}", "none", f"site on {plan.segment}", plan.meaning, MEASURED)
        )
    return changes


def add_sensors(spec: mujoco.MjSpec, body: str, root: str) -> list[Change]:
    """Put the sensors into the spec that a `BodyState` is read from, in a fixed order."""
    for plan in PLANS[body]:
        for quantity, kind in _FRAME_SENSORS.items():
            spec.add_sensor(
                name=f"{plan.name}_{quantity}",
                type=kind,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=site_name(plan.name),
            )
    for quantity, kind in _WHOLE_BODY_SENSORS.items():
        spec.add_sensor(name=quantity, type=kind, objtype=mujoco.mjtObj.mjOBJ_BODY, objname=root)
    for region, segment in FOOT_REGIONS[body]:
        spec.add_sensor(
            name=f"{region}_ground",
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_GEOM,
            objname="floor",
            reftype=mujoco.mjtObj.mjOBJ_BODY,
            refname=segment,
            intprm=[_GROUND_FIELDS, _NET_FORCE, 1],
        )
    count = len(PLANS[body]) * len(_FRAME_SENSORS) + len(_WHOLE_BODY_SENSORS) + len(FOOT_REGIONS[body])
    return [
        Change(
            "addition",
            "sensors",
            "none",
            f"{count} sensors: landmark pose and velocity, centre of mass, ground reaction per foot region",
            "everything a BodyState reports is computed by the physics engine at the same instant",
            "cited: MuJoCo 4.0 XML reference, sensor/framepos, subtreecom, contact with reduce=netforce",
        )
    ]
