"""What actions mean: no dead zone, a low resting level, and muscle control where it is asked for."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.perturb import Variation
from myotrack.simulate.threads import Threads
from myotrack.track.action import (
    EDGE,
    Around,
    Correction,
    Direct,
    Intent,
    Posture,
    Synergy,
    Torque,
    actuation,
)
from myotrack.track.moment import Moment
from tests.track.worlds import AHEAD, FRAMES, clip_of


def following(anatomy: Anatomy) -> tuple[Threads, Moment]:
    """A simulator in the middle of a motion, and its moment."""
    from myotrack.clips.library import ClipLibrary

    library = ClipLibrary.of([clip_of(anatomy)], anatomy)
    frame, index = torch.tensor(FRAMES), torch.zeros(len(FRAMES), dtype=torch.int64)
    reference = library.at(index, frame, AHEAD)
    simulator = Threads(anatomy, len(FRAMES), threads=1)
    everywhere = torch.ones(len(FRAMES), dtype=torch.bool)
    rest = torch.full((len(FRAMES), anatomy.model.nu), 0.03)
    simulator.reset(everywhere, reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0], rest)
    return simulator, Moment(simulator.body, reference, rest, torch.zeros(len(FRAMES)))


def test_every_action_means_another_excitation_and_none_rests_low(arms: Anatomy) -> None:
    direct = actuation(Direct(rest=0.02), Threads(arms, 1, threads=1))
    sweep = torch.linspace(-6, 10, 100)[:, None].expand(-1, arms.model.nu)
    command = direct.command(sweep)
    assert all((later > earlier).all() for earlier, later in pairwise(command))
    assert float(direct.command(torch.zeros(arms.model.nu))[0]) == pytest.approx(0.02)
    # By hand: the logistic curve through 0.02 is at 1 / (1 + 49 / e) after one unit.
    assert float(direct.command(torch.ones(arms.model.nu))[0]) == pytest.approx(1 / (1 + 49 / math.e), rel=1e-5)
    inside = sweep[(command[:, 0] > EDGE) & (command[:, 0] < 1 - EDGE)]
    torch.testing.assert_close(direct.action(direct.command(inside)), inside, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("settings", [Correction(), Around()])
def test_without_an_action_muscle_control_is_left_alone(arms: Anatomy, settings: Correction | Around) -> None:
    simulator, moment = following(arms)
    taught = Intent(simulator, settings.stiffness).excitation(moment)
    way = actuation(settings, simulator)
    sent = way.excite(torch.zeros(len(FRAMES), len(way.mirror.index)), moment)
    torch.testing.assert_close(sent, taught, atol=2 * EDGE, rtol=1e-4)


def test_a_correction_is_an_acceleration_of_its_joint(arms: Anatomy) -> None:
    # 30 rad/s² more over 10 ms make 0.3 rad/s more, as far as muscles can change their pull so quickly.
    elbow = arms.coordinate_names.index("elbow_flex_r")
    rates = []
    for size in (0.0, 1.0):
        simulator, moment = following(arms)
        way = actuation(Correction(scale=30.0), simulator)
        action = torch.zeros(len(FRAMES), 14)
        action[:, elbow] = size
        simulator.advance(way.excite(action, moment))
        rates.append(simulator.body.coordinate_vel)
    gained = rates[1] - rates[0]
    assert (gained[:, elbow] > 0.03).all()
    assert (gained[:, elbow] < 0.4).all()
    others = torch.arange(14) != elbow
    assert gained[:, others].abs().mean() < 0.2 * gained[:, elbow].abs().mean()


@pytest.mark.parametrize("name", ["arms", "full"])
def test_springs_draw_a_joint_to_a_shifted_posture(request: pytest.FixtureRequest, name: str) -> None:
    anatomy = request.getfixturevalue(name)
    elbow = anatomy.coordinate_names.index("elbow_flex_l")
    first = 6 if anatomy.free else 0
    reached = []
    for size in (0.0, 2.0):
        simulator, moment = following(anatomy)
        way = actuation(Posture(scale=0.2), simulator)
        action = torch.zeros(len(FRAMES), len(way.mirror.index))
        action[:, elbow - first] = size
        for _ in range(10):
            still = Moment(simulator.body, moment.reference, moment.before, moment.phase)
            simulator.advance(way.excite(action, still))
        reached.append(simulator.body.coordinate_pos[:, elbow + (1 if anatomy.free else 0)])
    assert (reached[1] - reached[0] > 0.02).all()


def test_a_mirrored_action_means_the_mirrored_command(arms: Anatomy) -> None:
    simulator = Threads(arms, 1, threads=1)
    for settings in (Direct(), Correction(), Around(), Posture()):
        way = actuation(settings, simulator)
        action = torch.randn(5, len(way.mirror.index), generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(way.command(way.mirror(action)), way.mirror(way.command(action)))


def test_muscle_control_does_not_teach_a_free_body(full: Anatomy) -> None:
    with pytest.raises(ValueError, match="use the actions 'posture' or 'direct' for the full body"):
        actuation(Correction(), Threads(full, 1, threads=1))


@pytest.mark.parametrize("kind", [Synergy, Torque])
def test_shares_of_strength_turn_their_joint(arms: Anatomy, kind: type[Synergy]) -> None:
    elbow = arms.coordinate_names.index("elbow_flex_r")
    rates = []
    for size in (-0.5, 0.0, 0.5):
        simulator, moment = following(arms)
        if kind is Torque:
            worlds = len(FRAMES)
            simulator.vary(replace(Variation.none(arms, worlds), strength=torch.zeros(worlds, arms.model.nu)))
        way = actuation(kind(scale=0.5), simulator)
        action = torch.zeros(len(FRAMES), 14)
        action[:, elbow] = size
        for _ in range(3):
            simulator.advance(way.excite(action, replace(moment, body=simulator.body)))
        rates.append(simulator.body.coordinate_vel)
        if kind is Torque:
            assert simulator.body.muscle_force.abs().max() == 0
    assert (rates[2] - rates[1])[:, elbow].min() > 0.1
    assert (rates[0] - rates[1])[:, elbow].max() < -0.1


def test_ideal_joints_are_as_strong_as_the_muscles_and_no_stronger(arms: Anatomy) -> None:
    elbow = arms.coordinate_names.index("elbow_flex_r")
    rates = []
    for size in (1.0, 5.0):
        simulator, moment = following(arms)
        way = actuation(Torque(scale=1.0, stiffness=0.0), simulator)
        action = torch.zeros(len(FRAMES), 14)
        action[:, elbow] = size
        simulator.advance(way.excite(action, moment))
        rates.append(simulator.body.coordinate_vel)
    torch.testing.assert_close(rates[0], rates[1])
