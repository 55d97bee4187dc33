"""Fixed patterns of muscles: they turn the joint that they are for, alike on both sides."""

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.simulate.threads import Threads
from myotrack.steer.synergy import Synergies
from myotrack.track.action import joints_of_arms


def test_a_pattern_turns_its_joint_and_hardly_another(full: Anatomy) -> None:
    fast = full.at("fast")
    synergies = Synergies.of(fast)
    joints = synergies.strength.shape[1]
    simulator = Threads(fast, 1, threads=1, dtype=torch.float64)
    mechanics = simulator.mechanics
    tension = Curves.of(fast).to("cpu", torch.float64).tension(mechanics.muscle_length, mechanics.muscle_velocity)
    arm = (mechanics.moment_arm[0, :, 6:] * tension.active[0, :, None]).float()
    asked = torch.cat([torch.eye(joints), -torch.eye(joints)]) * 0.2
    made = synergies.activation(asked) @ arm
    wanted = synergies.moment(asked)
    own = torch.cat([made[:joints].diagonal(), made[joints:].diagonal()])
    want = torch.cat([wanted[:joints].diagonal(), wanted[joints:].diagonal()])
    # At rest, which is none of the postures that patterns are averaged over. Shoulders depend on it most.
    ratio = (own / want)[~joints_of_arms(fast).repeat(2)]
    assert ((ratio > 0.3) & (ratio < 2.5)).all()
    assert 0.8 < float(ratio.median()) < 1.25
    share = synergies.share(made).abs()
    other = share[torch.arange(2 * joints), :].clone()
    other[torch.arange(2 * joints), torch.arange(joints).repeat(2)] = 0
    assert float(other.mean()) < 0.02


def test_both_sides_are_alike(arms: Anatomy) -> None:
    synergies, mirror = Synergies.of(arms), arms.mirror
    asked = torch.linspace(-0.5, 0.7, 14)
    sign = mirror.rate_sign.float()
    mirrored = asked[mirror.rate_index] * sign
    torch.testing.assert_close(synergies.activation(mirrored), synergies.activation(asked)[mirror.muscle_index])
    torch.testing.assert_close(synergies.moment(mirrored), synergies.moment(asked)[mirror.rate_index] * sign)
    torch.testing.assert_close(synergies.inertia[mirror.rate_index], synergies.inertia)


def test_inhibition_takes_from_antagonists_what_the_same_share_would_give_them(arms: Anatomy) -> None:
    synergies = Synergies.of(arms)
    asked = torch.linspace(-0.5, 0.7, 14)
    free, against = synergies.activation(asked), synergies.activation(-asked)
    torch.testing.assert_close(synergies.activation(asked, 0.4), free - 0.4 * against)
    # With 1 it is linear: what is asked for and its opposite cancel.
    torch.testing.assert_close(synergies.activation(asked, 1.0), -synergies.activation(-asked, 1.0))


def test_shares_and_moments_are_two_words_for_the_same(arms: Anatomy) -> None:
    synergies = Synergies.of(arms)
    asked = torch.linspace(-1, 1, 14)
    torch.testing.assert_close(synergies.share(synergies.moment(asked)), asked)
    assert torch.equal(synergies.moment(2 * torch.ones(14)), synergies.strength[1])
    assert (synergies.strength[0] < 0).all()
    assert (synergies.pattern >= 0).all()
