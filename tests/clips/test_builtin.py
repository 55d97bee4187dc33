"""Motions that come with the package: sound, symmetric, as fast as they say, and like what was measured."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import BUILTINS, builtin, builtin_names, is_builtin, varied
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.gait import GAITS
from myotrack.clips.quality import assess
from myotrack.clips.reach import NAMES, WAYS, targets, way_of
from myotrack.clips.wander import RANGES_DEG

# What the left hand does on the full body is what the right does, mirrored; the arms alone show it as well.
EVERY = [
    (body, name)
    for body, names in BUILTINS.items()
    for name in names
    if body == "arms" or not name.endswith(("_left", "_both"))
]
WALKS = ("walk_slow", "walk", "walk_fast")


@pytest.fixture(scope="session")
def bodies(full: Anatomy, arms: Anatomy) -> dict[str, Anatomy]:
    return {"full": full, "arms": arms}


def period(name: str) -> int:
    """Frames of a stride."""
    return round(GAITS[name].period * RATE)


def stances(clip: Clip) -> np.ndarray:
    """Whether the right and the left foot stand."""
    return clip.contact.numpy().reshape(clip.frames, 2, 2).any(axis=2)


@pytest.mark.parametrize(("body", "name"), EVERY)
def test_every_motion_is_sound(bodies: dict[str, Anatomy], body: str, name: str) -> None:
    anatomy = bodies[body]
    clip = builtin(name, anatomy)
    clip.check(anatomy)
    quality = assess(clip, anatomy)
    assert quality.failures() == ()
    assert quality.limit_violation == 0.0
    assert quality.deepest_penetration <= 1e-3
    assert quality.worst_skate is None or quality.worst_skate < 5e-3
    assert clip.name == name
    assert clip.duration >= 4.0
    assert clip.provenance.source == "built-in"
    assert clip.provenance.licence == "Apache-2.0"
    assert clip.provenance.notes


def test_a_motion_is_made_once_and_always_the_same(arms: Anatomy) -> None:
    import myotrack.clips.builtin as module

    first = builtin("wave", arms)
    assert builtin("wave", arms) is first
    del module._READY["wave", arms.hash]
    again = builtin("wave", arms)
    assert again is not first
    assert torch.equal(again.pos, first.pos)


def test_making_a_motion_leaves_the_threads_alone(arms: Anatomy) -> None:
    import myotrack.clips.builtin as module

    module._READY.pop(("wave", arms.hash), None)
    threads = torch.get_num_threads()
    builtin("wave", arms)
    assert torch.get_num_threads() == threads


def test_fingers_stay_at_rest() -> None:
    anatomy = Anatomy.load("arms", fingers=True)
    clip = builtin("drink", anatomy)
    clip.check(anatomy)
    assert assess(clip, anatomy).passed
    finger = anatomy.coordinate_names.index("cmc_flexion_r")
    assert torch.equal(clip.pos[:, finger], anatomy.rest[finger].expand(clip.frames))


def test_unknown_names_are_refused_with_the_known_ones(arms: Anatomy) -> None:
    with pytest.raises(ValueError, match=r"no built-in motion 'walk' for the body 'arms'. There are: reach, "):
        builtin("walk", arms)
    with pytest.raises(ValueError, match="The bodies are: full, arms"):
        builtin_names("legs")


@pytest.mark.parametrize("name", GAITS)
def test_a_gait_is_as_fast_as_it_says(full: Anatomy, name: str) -> None:
    clip = builtin(name, full)
    velocity = (clip.pos[-1, :3] - clip.pos[0, :3]) / clip.duration
    assert velocity[1] == pytest.approx(-GAITS[name].speed, rel=1e-6)
    assert velocity[[0, 2]].abs().max() < 1e-9


@pytest.mark.parametrize("name", GAITS)
def test_the_left_does_what_the_right_did_half_a_stride_ago(full: Anatomy, name: str) -> None:
    clip, half = builtin(name, full), period(name) // 2
    image = clip.mirrored(full)
    later = clip.pos[half:].clone()
    later[:, 1] += GAITS[name].speed * half / RATE
    assert torch.allclose(later, image.pos[:-half], atol=1e-9)
    assert torch.allclose(clip.vel[half:], image.vel[:-half], atol=1e-9)
    assert torch.equal(clip.contact[half:], image.contact[:-half])


@pytest.mark.parametrize("name", ["run", "squat", "reach"])
def test_rates_are_derivatives(full: Anatomy, name: str) -> None:
    """Simpson's rule brings the rates back to the changes of what they are rates of."""
    clip = builtin(name, full)
    mean = (clip.vel[:-2] + 4 * clip.vel[1:-1] + clip.vel[2:]) / 6
    moved = (clip.pos[2:, 7:] - clip.pos[:-2, 7:]) * (RATE / 2)
    assert (mean[:, 6:] - moved).abs().max() < 0.02 * clip.vel[:, 6:].abs().max()
    assert (mean[:, :3] - (clip.pos[2:, :3] - clip.pos[:-2, :3]) * (RATE / 2)).abs().max() < 5e-3
    mean = (clip.acc[:-2] + 4 * clip.acc[1:-1] + clip.acc[2:]) / 6
    assert (mean - (clip.vel[2:] - clip.vel[:-2]) * (RATE / 2)).abs().max() < 0.05 * clip.acc.abs().max()


def test_walking_has_a_foot_on_the_floor_and_running_has_not(full: Anatomy) -> None:
    shares = []
    for name in WALKS:
        stands = stances(builtin(name, full))[: period(name)]
        assert stands.any(axis=1).all()
        shares.append(stands[:, 0].mean())
    assert 0.55 <= shares[2] <= shares[1] <= shares[0] <= 0.66
    assert 0.55 <= shares[1] <= 0.65
    stands = stances(builtin("run", full))[: period("run")]
    assert stands[:, 0].mean() < 0.5
    assert 0.1 < (~stands.any(axis=1)).mean() < 0.4


def test_feet_that_do_not_stand_are_off_the_floor(full: Anatomy) -> None:
    clip = builtin("walk", full)
    toe = full.kinematics.pose(clip.pos).pos[:, full.landmarks.index("right_toe"), 2].numpy()
    swings = ~stances(clip)[:, 0]
    assert toe[swings].min() > toe[~swings].min()
    assert toe[swings].max() > 0.05


def test_the_body_moves_as_its_weight_lets_it(full: Anatomy) -> None:
    """The centre of mass keeps its speed, bobs by a few centimetres, and falls freely while no foot stands."""
    data = mujoco.MjData(full.model)
    for name in GAITS:
        clip = builtin(name, full)
        frames = period(name) + 3
        centre = np.empty((frames, 3))
        for row, qpos in enumerate(full.couplings.qpos(clip.pos[:frames]).numpy()):
            data.qpos[:] = qpos
            mujoco.mj_kinematics(full.model, data)
            mujoco.mj_comPos(full.model, data)
            centre[row] = data.subtree_com[0]
        assert np.ptp(np.diff(centre[:, 1]) * RATE) < 0.6, name
        assert 0.01 < np.ptp(centre[:, 2]) < 0.08, name
        force = np.diff(centre[:, 2], n=2) * RATE**2 / 9.81 + 1
        assert force.min() > -0.1, name
        assert force.max() < (2.6 if name == "run" else 2.0), name
        flies = ~stances(clip)[1 : frames - 1].any(axis=1)
        if flies.any():
            assert abs(force[flies].mean()) < 0.25, name


def test_arms_swing_with_the_opposite_leg(full: Anatomy) -> None:
    for name in GAITS:
        clip = builtin(name, full)
        at = full.kinematics.pose(clip.pos).pos[..., 1]
        hand = at[:, full.landmarks.index("right_hand")] - clip.pos[:, 1]
        same, other = (at[:, full.landmarks.index(f"{side}_ankle")] - clip.pos[:, 1] for side in ("right", "left"))
        assert np.corrcoef(hand, other)[0, 1] > 0.6, name
        assert np.corrcoef(hand, same)[0, 1] < -0.6, name


@pytest.mark.parametrize("name", ["stand", "squat", "sit_to_stand", "heel_raise", "lift", "reach"])
def test_the_centre_of_mass_stays_over_the_soles(full: Anatomy, name: str) -> None:
    clip = builtin(name, full)
    data = mujoco.MjData(full.model)
    for qpos in full.couplings.qpos(clip.pos[::10]).numpy():
        data.qpos[:] = qpos
        mujoco.mj_kinematics(full.model, data)
        mujoco.mj_comPos(full.model, data)
        heel, toe = data.body("calcn_r").xpos, data.body("toes_r").xpos
        # The sole goes on for 70 mm ahead of the joints of the toes.
        assert toe[1] - 0.05 < data.subtree_com[0, 1] < heel[1]
        assert data.body("calcn_r").xpos[0] < data.subtree_com[0, 0] < data.body("calcn_l").xpos[0]


def test_tasks_go_as_far_as_people_do(full: Anatomy) -> None:
    names = full.coordinate_names
    squat = builtin("squat", full)
    assert squat.pos[:, 2].min() < squat.pos[0, 2] - 0.3
    assert torch.rad2deg(squat.pos[:, names.index("knee_angle_r") + 1].max()) > 85
    raised = builtin("heel_raise", full)
    assert (~raised.contact[:, [0, 2]]).any()
    assert raised.contact[:, [1, 3]].all()
    ankle = full.kinematics.pose(raised.pos).pos[:, full.landmarks.index("left_ankle"), 2]
    assert 0.04 < ankle.max() - ankle.min() < 0.10
    sway = builtin("stand", full).pos
    assert 2e-3 < float(sway[:, 1].max() - sway[:, 1].min()) < 15e-3


@pytest.mark.parametrize(("name", "body"), [*((name, "arms") for name in NAMES), ("reach", "full"), ("lift", "full")])
def test_hands_stop_where_they_should(bodies: dict[str, Anatomy], body: str, name: str) -> None:
    anatomy = bodies[body]
    clip = builtin(name, anatomy)
    at = anatomy.kinematics.pose(clip.pos).pos
    for side, stops in targets(anatomy, name).items():
        hand = at[:, anatomy.landmarks.index("right_hand" if side == "r" else "left_hand")]
        for time, place in stops:
            assert (hand[round(time * RATE)] - place).norm() < 0.01


@pytest.mark.parametrize(
    ("name", "file", "suffix", "degrees"),
    [
        ("walk", "walk_falisse_subject1_angles.csv", "", {"hip_flexion": 4.0, "knee_angle": 4.0, "ankle_angle": 6.0}),
        (
            "run", "run_rajagopal_1subject_6strides.csv", "_r",
            {"hip_flexion": 5.0, "knee_angle": 7.0, "ankle_angle": 10.0},
        ),
    ],
)  # fmt: skip
def test_gaits_are_like_those_measured(
    full: Anatomy, data_folder: Path, name: str, file: str, suffix: str, degrees: dict[str, float]
) -> None:
    path = data_folder / "normative" / file
    if not path.is_file():
        pytest.skip(f"{path} is not there.")
    table = np.genfromtxt(path, delimiter=",", names=True)
    clip, frames = builtin(name, full), period(name)
    phase = np.arange(frames) / frames
    for joint, most in degrees.items():
        measured = np.interp(phase, table["percent_gait_cycle"] / 100, table[f"{joint}{suffix}_mean"])
        if joint == "knee_angle" and name == "walk":
            measured = -measured
        ours = np.rad2deg(clip.pos[:frames, full.coordinate_names.index(f"{joint}_r") + 1].numpy())
        assert np.sqrt(np.mean((ours - measured) ** 2)) < most, joint
        assert np.corrcoef(ours, measured)[0, 1] > 0.85, joint


@pytest.mark.parametrize("name", [*varied(("reach", "wave_left", "drink", "lift"), range(3)), "reach_both~1000"])
def test_a_variation_is_as_sound_and_goes_to_its_own_places(arms: Anatomy, name: str) -> None:
    base, _, seed = name.partition("~")
    clip, own = builtin(name, arms), builtin(base, arms)
    quality = assess(clip, arms)
    assert quality.passed, quality
    assert clip.name == name
    at = arms.kinematics.pose(clip.pos).pos
    for side, stops in targets(arms, base, int(seed)).items():
        hand = at[:, arms.landmarks.index("right_hand" if side == "r" else "left_hand")]
        usual = [place for _, place in targets(arms, base)[side]]
        for (time, place), other in zip(stops, usual, strict=True):
            assert (hand[min(round(time * RATE), clip.frames - 1)] - place).norm() < 0.01
            # 4 cm along each axis, cut at twice that.
            assert (place - other).norm() < 0.15
        assert max(float((place - other).norm()) for (_, place), other in zip(stops, usual, strict=True)) > 0.005
    assert clip.frames != own.frames


def test_a_seed_decides_a_variation(arms: Anatomy) -> None:
    assert way_of("reach", 3) == way_of("reach_left", 3)
    assert way_of("reach", 3) != way_of("reach", 4)
    assert way_of("reach", 3) != way_of("lift", 3)
    assert way_of("reach") == WAYS["reach"]
    assert varied(("reach", "lift"), (0, 7)) == ("reach~0", "lift~0", "reach~7", "lift~7")


@pytest.mark.parametrize("name", ["walk~1", "reach~", "reach~-1", "reach~x", "reach~1~2", "~1"])
def test_only_what_hands_do_is_varied_by_a_number(full: Anatomy, name: str) -> None:
    assert not is_builtin(name, "full")
    with pytest.raises(ValueError, match="There is no built-in motion"):
        builtin(name, full)


def test_arms_that_wander_go_everywhere_each_on_its_own_and_differ_by_seed(arms: Anatomy) -> None:
    clips = [builtin(name, arms) for name in ("wander", *varied(("wander",), range(5)))]
    pos = torch.cat([clip.pos for clip in clips]).rad2deg()
    for number, name in enumerate(arms.coordinate_names):
        low, high = RANGES_DEG[name[:-2]]
        assert (low - 1e-6 <= pos[:, number]).all() and (pos[:, number] <= high + 1e-6).all()
        assert pos[:, number].max() - pos[:, number].min() > 0.7 * (high - low), name
    right, left = pos[:, :7], pos[:, 7:]
    together = torch.corrcoef(torch.cat([right, left], dim=1).T)[range(7), range(7, 14)]
    assert together.abs().max() < 0.4
    speed = torch.cat([clip.vel for clip in clips]).abs().amax(dim=1)
    assert 1.0 < speed.median() < 3.0 and 5.0 < speed.max() < 13.0
    assert len({clip.pos.sum().item() for clip in clips}) == len(clips)


def test_only_arms_on_a_held_trunk_wander(full: Anatomy) -> None:
    assert is_builtin("wander~3", "arms") and not is_builtin("wander", "full")
