"""Parts of a body that do not act on each other."""

import mujoco
import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.trees import Trees


def test_two_arms_on_a_held_trunk_are_two_trees(arms: Anatomy) -> None:
    trees = Trees.of(arms)
    assert trees.count == 2
    for name, tree in zip(arms.coordinate_names, trees.coordinate, strict=True):
        assert tree == int(name.endswith("_l"))
    for muscle, tree in zip(arms.muscles, trees.muscle, strict=True):
        assert tree == int(muscle.side == "left")
    for name, tree in zip(arms.landmarks, trees.landmark, strict=True):
        assert tree == int(name.startswith("left"))


def test_a_free_body_is_one_tree(full: Anatomy) -> None:
    trees = Trees.of(full)
    assert trees.count == 1
    for found in (trees.coordinate, trees.landmark, trees.muscle):
        assert not found.any()


@pytest.mark.parametrize("seed", range(3))
def test_what_one_tree_does_is_not_felt_by_another(arms: Anatomy, seed: int) -> None:
    trees, model = Trees.of(arms), arms.model
    draw = np.random.default_rng(seed)
    excitation = draw.random(model.nu)
    other = np.where(trees.muscle.numpy() == 0, excitation, draw.random(model.nu))
    ends = []
    for ctrl in (excitation, other):
        data = mujoco.MjData(model)
        data.qpos[:] = arms.couplings.qpos(arms.rest).numpy()
        data.ctrl[:] = ctrl
        for _ in range(50):
            mujoco.mj_step(model, data)
        ends.append(data.qvel.copy())
    first = model.dof_treeid == 0
    np.testing.assert_allclose(ends[1][first], ends[0][first], atol=1e-6)
    assert np.abs(ends[1][~first] - ends[0][~first]).max() > 0.1
