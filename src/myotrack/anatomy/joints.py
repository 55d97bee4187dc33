"""The joints of a body as a table: which way is positive, how far they go, and what drives them."""

from dataclasses import dataclass

import mujoco

from myotrack.anatomy.naming import side_of, stem_of

POSITIVE: dict[str, str] = {
    "root": "position in the world and orientation (quaternion w, x, y, z)",
    "flex_extension": "lumbar extension (flexion is negative)",
    "lat_bending": "lumbar bending to the right",
    "axial_rotation": "lumbar rotation to the left",
    "Abs_t1": "abdomen shift, forward",
    "Abs_t2": "abdomen shift, upward",
    "Abs_r3": "abdomen extension",
    "sternoclavicular_r2": "clavicle protraction (retraction is negative)",
    "sternoclavicular_r3": "clavicle elevation",
    "unrotscap_r2": "undoes sternoclavicular_r2",
    "unrotscap_r3": "undoes sternoclavicular_r3",
    "acromioclavicular_r1": "scapula tilt",
    "acromioclavicular_r2": "scapula protraction",
    "acromioclavicular_r3": "scapula upward rotation",
    "unrothum_r1": "undoes acromioclavicular_r1",
    "unrothum_r2": "undoes acromioclavicular_r2",
    "unrothum_r3": "undoes acromioclavicular_r3",
    "elv_angle": "plane of elevation turns forward (0 is the frontal plane, 90 deg the sagittal plane)",
    "shoulder_elv": "arm elevation",
    "shoulder1_r2": "undoes elv_angle",
    "shoulder_rot": "internal rotation of the humerus",
    "shoulder_shift1": "shoulder shift, first direction (fast bodies)",
    "shoulder_shift2": "shoulder shift, second direction (fast bodies)",
    "elbow_flex": "elbow flexion",
    "pro_sup": "forearm pronation",
    "deviation": "radial deviation of the wrist",
    "flexion": "wrist flexion",
    "cmc_flexion": "thumb carpometacarpal flexion",
    "cmc_abduction": "thumb carpometacarpal abduction",
    "mp_flexion": "thumb metacarpophalangeal flexion",
    "ip_flexion": "thumb interphalangeal flexion",
    "hip_flexion": "hip flexion",
    "hip_adduction": "hip adduction",
    "hip_rotation": "hip internal rotation",
    "knee_angle": "knee flexion",
    "knee_angle_translation1": "tibia shift along the shank",
    "knee_angle_translation2": "tibia shift, forward",
    "knee_angle_rotation2": "tibia adduction",
    "knee_angle_rotation3": "tibia internal rotation",
    "knee_angle_beta_translation1": "patella shift, forward",
    "knee_angle_beta_translation2": "patella shift, upward",
    "knee_angle_beta_rotation1": "patella extension",
    "ankle_angle": "ankle dorsiflexion",
    "subtalar_angle": "subtalar inversion",
    "mtp_angle": "toe flexion",
}
"""What a positive value means, by joint name without side. Lumbar levels and fingers are described by rule."""

_FINGERS = {"2": "index", "3": "middle", "4": "ring", "5": "little"}
_FINGER_JOINTS = {"mcp": "metacarpophalangeal", "pm": "proximal interphalangeal", "md": "distal interphalangeal"}
_LUMBAR = {"FE": "extension", "LB": "bending to the right", "AR": "rotation to the left"}


def positive_direction(stem: str) -> str:
    """What a positive value of the joint means, in anatomical words.

    Raises:
        KeyError: The joint is not described here.
    """
    if stem in POSITIVE:
        return POSITIVE[stem]
    if stem.startswith("L") and stem[-2:] in _LUMBAR:
        return f"{stem[:5].replace('_', '-')} {_LUMBAR[stem[-2:]]}"
    for prefix, joint in _FINGER_JOINTS.items():
        rest = stem.removeprefix(prefix)
        if rest != stem and rest[:1] in _FINGERS:
            return f"{_FINGERS[rest[0]]} finger {joint} {rest[2:]}"
    raise KeyError(f"Joint '{stem}' has no anatomical description.")


@dataclass(frozen=True)
class Joint:
    """One row of the joint table."""

    name: str
    side: str
    kind: str
    """'free', 'hinge' or 'slide'."""
    segment: str
    """The segment that it moves."""
    positive: str
    """What a positive value means."""
    low: float
    """Lower end of the range [rad, or m for a slide]; -inf if unlimited."""
    high: float
    driver: str | None
    """The joint that drives it, '' for a constant, or None if it is independent."""
    qpos_index: int
    dof_index: int

    @property
    def independent(self) -> bool:
        """Whether the joint is one of the independent coordinates."""
        return self.driver is None


def joint_table(model: mujoco.MjModel) -> tuple[Joint, ...]:
    """All joints of a model, in its own order."""
    drivers: dict[int, str] = {}
    for equality in range(model.neq):
        driver = int(model.eq_obj2id[equality])
        drivers[int(model.eq_obj1id[equality])] = model.joint(driver).name if driver >= 0 else ""
    kinds = {mujoco.mjtJoint.mjJNT_FREE: "free", mujoco.mjtJoint.mjJNT_SLIDE: "slide"}
    rows = []
    for index in range(model.njnt):
        name = model.joint(index).name
        limited = bool(model.jnt_limited[index])
        low, high = model.jnt_range[index] if limited else (-float("inf"), float("inf"))
        rows.append(
            Joint(
                name=name,
                side=side_of(name),
                kind=kinds.get(mujoco.mjtJoint(model.jnt_type[index]), "hinge"),
                segment=model.body(model.jnt_bodyid[index]).name,
                positive=positive_direction(stem_of(name)),
                low=float(low),
                high=float(high),
                driver=drivers.get(index),
                qpos_index=int(model.jnt_qposadr[index]),
                dof_index=int(model.jnt_dofadr[index]),
            )
        )
    return tuple(rows)
