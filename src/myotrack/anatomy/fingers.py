"""Locking the fingers: their joints and the muscles that move them leave the body.

Most motions are recorded without fingers. Locked means removed, not held: the hand becomes one rigid piece in its
neutral pose, and every muscle whose path reaches a segment that only finger joints can move goes with them.
"""

import mujoco

from myotrack.anatomy.changes import Change

WRIST_SEGMENTS = ("lunate_r", "lunate_l")
"""The segments that carry the wrist joints; everything below them is hand."""

_SOURCE = "cited: architecture decision 4; the same muscles remain as in the 354-muscle body of arXiv 2603.25544"


def lock_fingers(spec: mujoco.MjSpec, published: mujoco.MjModel) -> list[Change]:
    """Remove every finger joint, and every muscle and tendon that crosses one."""
    joints, segments = _finger_joints(published)
    muscles = _muscles_on(published, segments)
    for name in muscles:
        tendon = spec.actuator(name).target
        spec.delete(spec.actuator(name))
        spec.delete(spec.tendon(tendon))
    for name in joints:
        spec.delete(spec.joint(name))
    why = "the recordings have no fingers; a rigid hand is one segment"
    return [
        Change("fingers", f"{len(joints)} finger joints", "hinges", "removed, in the neutral pose", why, _SOURCE),
        Change("fingers", f"{len(muscles)} finger muscles", "simulated", "removed", why, _SOURCE),
    ]


def _finger_joints(model: mujoco.MjModel) -> tuple[list[str], set[int]]:
    """Names of the finger joints, and the segments that they move."""
    wrists = {model.body(name).id for name in WRIST_SEGMENTS}
    joints, moved = [], set()
    for segment in range(1, model.nbody):
        above, in_hand = int(model.body_parentid[segment]), False
        while above:
            in_hand |= above in wrists
            above = int(model.body_parentid[above])
        first, count = int(model.body_jntadr[segment]), int(model.body_jntnum[segment])
        if in_hand and (count or int(model.body_parentid[segment]) in moved):
            moved.add(segment)
            joints += [model.joint(first + offset).name for offset in range(count)]
    return joints, moved


def _muscles_on(model: mujoco.MjModel, segments: set[int]) -> list[str]:
    """Muscles with a path point on one of the segments."""
    names = []
    for muscle in range(model.nu):
        tendon = int(model.actuator_trnid[muscle, 0])
        start, count = int(model.tendon_adr[tendon]), int(model.tendon_num[tendon])
        for wrap in range(start, start + count):
            is_site = model.wrap_type[wrap] == mujoco.mjtWrap.mjWRAP_SITE
            if is_site and int(model.site_bodyid[model.wrap_objid[wrap]]) in segments:
                names.append(model.actuator(muscle).name)
                break
    return names
