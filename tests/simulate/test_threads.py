from dataclasses import fields

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.perturb import Variation
from myotrack.simulate.referee import Referee
from myotrack.simulate.state import BodyState
from myotrack.simulate.threads import Threads
from tests.simulate.worlds import drive, start


def assert_same(one: BodyState, other: BodyState) -> None:
    for field in fields(one):
        assert torch.equal(getattr(one, field.name), getattr(other, field.name)), field.name


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_threads_equal_the_referee_bit_for_bit(body: Anatomy) -> None:
    # One second of random excitation, on the ground for the full body; two worlds start again on the way.
    threads, referee = (kind(body, 3, dtype=torch.float64) for kind in (Threads, Referee))
    touched = False
    for step, excitation in enumerate(drive(body, 100, 3)):
        for simulator in (threads, referee):
            if step == 50:
                start(simulator, mask=torch.tensor([True, False, True]), activation=torch.full_like(excitation, 0.1))
            simulator.advance(excitation)
        if step % 10 == 9:
            assert_same(threads.body, referee.body)
            touched |= bool((threads.body.foot_force_w.abs().sum() > 0).item())
    assert touched == body.free


def test_per_world_parameters_and_pushes_equal_the_referee(full: Anatomy) -> None:
    threads, referee = (kind(full, 2, dtype=torch.float64) for kind in (Threads, Referee))
    variation = Variation(
        mass=torch.tensor([[1.0], [1.3]]).expand(2, full.model.nbody),
        strength=torch.tensor([[1.0], [0.5]]).expand(2, full.model.nu),
        friction=torch.tensor([1.0, 0.2]),
    )
    force = torch.tensor([[0.0, 0.0, 0.0], [200.0, 0.0, 0.0]])
    help_ = torch.zeros(2, full.couplings.coordinate_size)
    help_[:, full.coordinate_names.index("elbow_flex_r")] = 3.0
    for simulator in (threads, referee):
        simulator.vary(variation)
        simulator.vary(variation)  # The second replaces the first.
        simulator.push("torso", 100 * force)
        simulator.assist(100 * help_)
        start(simulator)  # Takes the push back.
        for excitation in drive(full, 10, 2):
            simulator.push("torso", force)
            simulator.assist(help_)
            simulator.advance(excitation)
    assert_same(threads.body, referee.body)
    # 200 N on 110 kg for 0.1 s move it by 9 mm, less what the floor holds back.
    assert 0.004 < threads.body.com_pos_w[1, 0] - threads.body.com_pos_w[0, 0] < 0.012


def test_every_quantity_belongs_to_the_same_instant(full: Anatomy) -> None:
    threads = Threads(full, 1, dtype=torch.float64)
    for excitation in drive(full, 20, 1):
        threads.advance(excitation)
    state = threads.body
    pose, jacobian = full.kinematics.pose_and_jacobian(full.couplings.independent(state.qpos))
    # Couplings are soft while simulating, so landmarks follow the independent coordinates to a millimetre or two.
    assert (pose.pos - state.landmark_pos_w).abs().max() < 3e-3
    velocity = (jacobian.pos @ state.coordinate_vel[:, None, :, None]).squeeze(-1)
    assert (velocity - state.landmark_vel_w).abs().max() < 0.05
    torch.testing.assert_close(state.foot_force_w, state.region_force_w.unflatten(1, (2, 2)).sum(2))


def test_couplings_hold_after_any_reset(body: Anatomy) -> None:
    threads = Threads(body, 2, dtype=torch.float64)
    z = body.rest.expand(2, -1).clone()
    z[:, -5:] += torch.tensor([[0.1], [0.3]])
    rate = torch.randn(2, body.couplings.coordinate_size)
    start(threads, z=z, velocity=rate)
    assert body.couplings.residual(threads.body.qpos).abs().max() < 1e-9
    expected = body.couplings.qvel(z, rate.double())
    torch.testing.assert_close(threads.body.qvel, expected, atol=1e-12, rtol=0)


def test_a_nan_in_one_world_leaves_the_others_bit_identical(full: Anatomy) -> None:
    sick, healthy = (Threads(full, 3, dtype=torch.float64) for _ in range(2))
    for step, excitation in enumerate(drive(full, 10, 3)):
        healthy.advance(excitation)
        if step == 4:
            sick._batch.bind("qvel")[1, 10] = np.nan
        sick.advance(excitation)
    assert sick.body.intact.tolist() == [True, False, True]
    for field in fields(BodyState):
        one, other = getattr(sick.body, field.name), getattr(healthy.body, field.name)
        assert torch.equal(one[[0, 2]], other[[0, 2]]), field.name


def test_a_lost_world_stands_still_in_its_last_good_state_and_is_counted(arms: Anatomy) -> None:
    threads = Threads(arms, 2)
    excitation = drive(arms, 3, 2)
    threads.advance(excitation[0])
    before = threads.body
    bad = excitation[1].clone()
    bad[0, 5] = float("nan")
    threads.advance(bad)
    threads.advance(excitation[2])
    assert threads.lost_count == 1
    assert threads.body.intact.tolist() == [False, True]
    assert torch.equal(threads.body.qpos[0], before.qpos[0])
    assert torch.isfinite(threads.body.muscle_force).all()
    start(threads, mask=torch.tensor([True, False]))
    assert threads.body.intact.all()


def test_the_dump_of_a_lost_world_can_be_read_without_pickle(arms: Anatomy, tmp_path) -> None:
    import json

    threads = Threads(arms, 2)
    for excitation in drive(arms, 3, 2):
        threads.advance(excitation)
    last = threads.body.qpos[1].double()
    bad = torch.zeros(2, arms.model.nu)
    bad[1, 0] = float("nan")
    threads.advance(bad)
    (path,) = threads.dump(tmp_path)
    with np.load(path, allow_pickle=False) as content:
        header = json.loads(str(content["header"]))
        state, excitation = content["state"], content["excitation"]
    assert (header["world"], header["hash"], header["reason"]) == (1, arms.hash, "the excitation was not a number")
    np.testing.assert_allclose(state[-1, 1 : 1 + arms.model.nq], last, atol=1e-6)
    assert np.isnan(excitation[-1, 0])


def test_an_excitation_outside_its_range_names_muscle_and_world(arms: Anatomy) -> None:
    threads = Threads(arms, 2)
    excitation = torch.zeros(2, arms.model.nu)
    excitation[1, 0] = -0.5
    with pytest.raises(ValueError, match=r"world 1 asks -0.5 of 'DELT1'"):
        threads.advance(excitation)


def test_only_masked_worlds_are_reset(arms: Anatomy) -> None:
    threads = Threads(arms, 3)
    for excitation in drive(arms, 5, 3):
        threads.advance(excitation)
    before = threads.body
    start(threads, mask=torch.tensor([False, True, False]))
    after = threads.body
    assert torch.equal(after.qpos[[0, 2]], before.qpos[[0, 2]])
    assert after.time.tolist() == pytest.approx([0.05, 0.0, 0.05])


def test_the_number_of_threads_changes_nothing(arms: Anatomy) -> None:
    one, two = Threads(arms, 4, threads=1), Threads(arms, 4, threads=2)
    for excitation in drive(arms, 10, 4):
        one.advance(excitation)
        two.advance(excitation)
    assert_same(one.body, two.body)


def test_a_push_of_an_unknown_segment_suggests_the_nearest(full: Anatomy) -> None:
    with pytest.raises(KeyError, match="No segment is called 'torsoo'. Did you mean 'torso'"):
        Threads(full, 1).push("torsoo", torch.zeros(1, 3))


@pytest.mark.parametrize("kind", [Threads, Referee])
def test_a_start_that_is_not_a_number_is_refused_by_name(arms: Anatomy, kind) -> None:
    simulator = kind(arms, 3)
    z = arms.rest.expand(3, -1).clone()
    z[1, 4] = float("nan")
    with pytest.raises(ValueError, match="World 1 cannot start: its z holds a number that is not finite."):
        start(simulator, z=z)
    start(simulator, mask=torch.tensor([True, False, True]), z=z)


def test_a_variation_that_is_not_a_number_is_refused(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="all of them numbers"):
        Variation(torch.ones(2, arms.model.nbody), torch.ones(2, arms.model.nu), torch.tensor([1.0, float("nan")]))


@pytest.mark.parametrize("kind", [Threads, Referee])
def test_worlds_go_on_from_a_snapshot_to_the_last_bit(full: Anatomy, kind: type) -> None:
    first, second = kind(full, 2), kind(full, 2)
    drives = drive(full, 12, 2)
    start(first)
    for excitation in drives[:6]:
        first.advance(excitation)
    # What is asked for in the next interval comes along.
    first.push("torso", torch.full((2, 3), 20.0))
    second.restore(first.snapshot())
    for excitation in drives[6:]:
        for simulator in (first, second):
            simulator.advance(excitation)
    assert_same(first.body, second.body)
    assert float(first.body.time[0]) == pytest.approx(0.12)
