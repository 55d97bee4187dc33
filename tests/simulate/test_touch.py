import numpy as np
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.threads import Threads
from myotrack.simulate.touch import contacts
from tests.simulate.worlds import drive, start


def test_contacts_with_the_floor_add_up_to_the_ground_reaction(full: Anatomy) -> None:
    threads = Threads(full, 1, dtype=torch.float64)
    for excitation in drive(full, 30, 1):
        threads.advance(excitation)
    state = threads.body
    touching = contacts(full, state)
    for foot, segments in enumerate((("calcn_r", "toes_r"), ("calcn_l", "toes_l"))):
        forces = [row.force_w for row in touching if row.surface == "floor" and row.other_segment in segments]
        np.testing.assert_allclose(np.sum(forces, axis=0), state.foot_force_w[0, foot], rtol=1e-3, atol=0.5)
    assert all(row.depth < 0.02 for row in touching)


def test_an_arm_pressed_into_the_trunk_is_named(arms: Anatomy) -> None:
    threads = Threads(arms, 1, dtype=torch.float64)
    z = arms.rest.expand(1, -1).clone()
    z[:, arms.coordinate_names.index("shoulder_elv_r")] = 0.3
    z[:, arms.coordinate_names.index("elv_angle_r")] = 1.5
    z[:, arms.coordinate_names.index("shoulder_rot_r")] = 1.2
    z[:, arms.coordinate_names.index("elbow_flex_r")] = 1.8
    start(threads, z=z)
    (strongest, *_) = contacts(arms, threads.body)
    assert {strongest.segment, strongest.other_segment} == {"thorax", "radius_r"}
