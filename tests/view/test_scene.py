"""Shapes of a motion are where the body's own model has them."""

import mujoco
import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.view.scene import Actor, Skeleton, tubes
from myotrack.view.stage import cylinder, disc
from tests.validate.walks import walking


@pytest.fixture(scope="module")
def skeleton(full: Anatomy) -> Skeleton:
    return Skeleton(full)


def rotated(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    result = np.empty(3)
    mujoco.mju_rotVecQuat(result, vector, quaternion)
    return result


def test_tubes_reach_from_end_to_end() -> None:
    ends = np.random.default_rng(0).normal(size=(20, 2, 3))
    # Straight up, straight down, and none.
    ends[0], ends[1], ends[2] = [[0, 0, 1], [0, 0, 3]], [[0, 0, 3], [0, 0, 1]], [[1, 2, 3], [1, 2, 3]]
    middle, turn, size = tubes(ends, np.full(20, 0.01))
    for piece in range(20):
        for end, z in ((0, -0.5), (1, 0.5)):
            reached = middle[piece] + rotated(turn[piece], np.array([0.0, 0.0, z]) * size[piece])
            np.testing.assert_allclose(reached, ends[piece, end], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(turn, axis=1), 1.0)
    assert size[2].tolist() == [0.0, 0.0, 0.0] and size[3, 0] == size[3, 1] == 0.01


def test_a_cylinder_has_the_radius_and_the_height_of_one() -> None:
    corners, faces = cylinder(8)
    np.testing.assert_allclose(np.linalg.norm(corners[:, :2], axis=1), 1.0, atol=1e-6)
    assert set(corners[:, 2].tolist()) == {-0.5, 0.5}
    a, b, c = (corners[faces[:, k]] for k in range(3))
    # All faces look outward.
    assert ((np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0).all()


def test_a_disc_has_a_lid_that_looks_up() -> None:
    corners, faces = disc(32)
    a, b, c = (corners[faces[-32:, k]] for k in range(3))
    lid = np.cross(b - a, c - a)
    np.testing.assert_allclose(lid[:, :2], 0, atol=1e-6)
    # A polygon of 32 sides covers a little less than the circle.
    assert lid[:, 2].min() > 0 and lid[:, 2].sum() / 2 == pytest.approx(16 * np.sin(np.pi / 16), rel=1e-5)


def test_bones_and_muscles_are_where_mujoco_has_them(full: Anatomy, skeleton: Skeleton) -> None:
    clip = builtin("walk", full)
    qpos = full.couplings.qpos(clip.pos[37:38].double()).numpy()[0]
    data = mujoco.MjData(full.model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(full.model, data)
    mujoco.mj_comPos(full.model, data)
    mujoco.mj_tendon(full.model, data)
    found = skeleton.instant(qpos)
    assert len(skeleton.bones) > 50
    for bone in skeleton.bones:
        segment = full.model.body(bone.name).id
        np.testing.assert_allclose(found.position[bone.segment], data.xpos[segment], atol=1e-9)
        assert abs(found.quaternion[bone.segment] @ data.xquat[segment]) == pytest.approx(1.0)
        assert bone.faces.max() < len(bone.vertices)
    # Straight pieces make whole paths, and where one goes around a surface a chord is a little shorter than the arc.
    drawn = np.zeros(len(full.muscles))
    np.add.at(drawn, skeleton.muscle, np.linalg.norm(found.tube[:, 1] - found.tube[:, 0], axis=1))
    wanted = data.ten_length[full.model.actuator_trnid[:, 0]]
    np.testing.assert_allclose(found.length, wanted, atol=1e-6)
    assert (drawn <= wanted + 1e-6).all() and (wanted - drawn < 0.01).all()
    assert (np.abs(drawn - wanted) < 1e-6).mean() > 0.5


def test_an_actor_tells_what_its_motion_knows(full: Anatomy) -> None:
    trial, clip = walking(full)
    one, other = Actor.of_trial(trial, full), Actor.of_clip(clip, full)
    assert one.frames == other.frames == clip.frames
    assert one.duration == pytest.approx(clip.duration)
    np.testing.assert_allclose(one.qpos, other.qpos, atol=1e-6)
    assert one.ghost is not None and one.force_w is not None and one.activation is not None
    assert other.ghost is None and other.force_w is None and other.activation is None
