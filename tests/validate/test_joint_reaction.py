"""Joint reaction by hand: weight, Newton's second law, one muscle on a straight way, and paths that wrap."""

import copy
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE
from myotrack.steer.ground import Ground
from myotrack.validate.joint_reaction import BELOW, CROSSED, MusclePaths, joint_reactions
from tests.clips.motions import standing, swaying

GRAVITY = 9.81


def on_both_feet(anatomy: Anatomy, frames: int) -> Ground:
    """Half of the weight on each foot, somewhere."""
    force = torch.zeros(frames, 2, 3, dtype=torch.float64)
    force[..., 2] = GRAVITY * float(anatomy.model.body_mass.sum()) / 2
    return Ground(force, torch.zeros_like(force))


def posed(anatomy: Anatomy, pos: torch.Tensor) -> mujoco.MjData:
    data = mujoco.MjData(anatomy.model)
    data.qpos[:] = anatomy.couplings.qpos(pos.double()).numpy()
    mujoco.mj_forward(anatomy.model, data)
    return data


def test_without_muscles_a_joint_bears_what_stands_on_it(full: Anatomy) -> None:
    clip = standing(full, 2)
    ground = on_both_feet(full, 2)
    found = joint_reactions(clip, full, ground, torch.zeros(2, full.model.nu))
    for foot, side in enumerate("rl"):
        for joint, name in enumerate(CROSSED):
            below = full.model.body(f"{BELOW[name]}_{side}")
            hanging = float(full.model.body_subtreemass[below.id])
            # The ground pushes up with half the weight, what hangs below pulls down: the bone above pushes the rest.
            wanted = [0.0, 0.0, GRAVITY * hanging - float(ground.force[0, foot, 2])]
            np.testing.assert_allclose(found[0, foot, joint].numpy(), wanted, atol=1e-9)


def test_a_muscle_on_a_straight_way_presses_the_bones_together(full: Anatomy) -> None:
    clip, ground = standing(full, 2), on_both_feet(full, 2)
    tension = torch.zeros(2, full.model.nu)
    none = joint_reactions(clip, full, ground, tension)
    tension[0, full.muscle_names.index("soleus_r")] = 1000.0
    change = (joint_reactions(clip, full, ground, tension) - none)[0].numpy()
    # The soleus runs straight from the tibia to the calcaneus: two sites.
    model, data = full.model, posed(full, clip.pos[0])
    tendon = model.actuator("soleus_r").trnid[0]
    start, count = int(model.tendon_adr[tendon]), int(model.tendon_num[tendon])
    assert count == 2
    above, below = (data.site_xpos[model.wrap_objid[start + k]] for k in range(2))
    down = (below - above) / np.linalg.norm(below - above)
    np.testing.assert_allclose(change[0, CROSSED.index("ankle")], 1000.0 * down, rtol=1e-9)
    change[0, CROSSED.index("ankle")] = 0.0
    np.testing.assert_allclose(change, 0.0, atol=1e-9)


def test_a_swinging_leg_obeys_newton(full: Anatomy) -> None:
    clip = swaying(full, 21)
    found = joint_reactions(clip, full, Ground(*[torch.zeros(21, 2, 3).double()] * 2), torch.zeros(21, full.model.nu))
    for name in CROSSED:
        below = full.model.body(f"{BELOW[name]}_l").id
        centre = np.stack([posed(full, pos).subtree_com[below].copy() for pos in clip.pos])
        acceleration = (centre[2:] - 2 * centre[1:-1] + centre[:-2]) * RATE**2
        wanted = full.model.body_subtreemass[below] * (acceleration + np.array([0.0, 0.0, GRAVITY]))
        # Second differences of a wave of 1.2 Hz are off by (2 pi 1.2 / 100)² / 12 = 5e-4.
        np.testing.assert_allclose(
            found[1:-1, 1, CROSSED.index(name)].numpy(), wanted, atol=2e-3 * np.abs(wanted).max()
        )


@pytest.mark.parametrize("joint", CROSSED)
def test_pulls_do_the_work_of_shortening_where_paths_wrap(full: Anatomy, joint: str) -> None:
    """What hangs below a joint is moved aside by a hair: tension times the change of length is the work."""
    tension = np.random.default_rng(0).uniform(0.0, 500.0, full.model.nu)
    pos = swaying(full, 40).pos[30]
    data, first = posed(full, pos), full.model.body(f"{BELOW[joint]}_r").id
    below = np.zeros((1, full.model.nbody), dtype=bool)
    for body in range(full.model.nbody):
        above = body
        while above not in (0, first):
            above = int(full.model.body_parentid[above])
        below[0, body] = above == first
    found = MusclePaths(full.model).pulls(data, below, tension)[0]
    parent = data.xmat[full.model.body_parentid[first]].reshape(3, 3)
    tendons = full.model.actuator_trnid[:, 0]
    step = 1e-6
    for axis in range(3):
        lengths = []
        for sign in (1.0, -1.0):
            moved = replace(full, model=copy.copy(full.model))
            moved.model.body_pos[first] += parent.T @ (sign * step * np.eye(3)[axis])
            lengths.append(posed(moved, pos).ten_length[tendons].copy())
        slope = (lengths[0] - lengths[1]) / (2 * step)
        assert found[axis] == pytest.approx(-float(tension @ slope), rel=1e-3, abs=5.0)


def test_frames_that_do_not_fit_are_refused(full: Anatomy) -> None:
    with pytest.raises(ValueError, match="'standing' has 3 frames, and there are 2 of the ground and 3 of the muscles"):
        joint_reactions(standing(full, 3), full, on_both_feet(full, 2), torch.zeros(3, full.model.nu))
