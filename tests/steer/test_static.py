"""Static optimisation: placements, steps on plates, filters, the weight of a person, and recorded walking."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.algebra.lowpass import lowpass
from myotrack.algebra.quaternion import multiply, to_matrix
from myotrack.algebra.rotation import exponential
from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.capture.recording import Origin, Plate, Recording
from myotrack.clips.builtin import builtin
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.smooth import smoothed
from myotrack.retarget.pipeline import fit
from myotrack.retarget.placement import Placement
from myotrack.retarget.settings import Settings
from myotrack.steer.effort import Muscles, effort
from myotrack.steer.ground import FEET, TOES, Ground, ground_of, longest, mass_of, of_mass
from myotrack.steer.inverse import Handles
from myotrack.steer.recruit import recruit
from myotrack.steer.share import share
from myotrack.steer.static import Choices, Movement, asked_rows, movement, pulled, recorded


@pytest.fixture(scope="module")
def walk(full: Anatomy) -> Clip:
    return builtin("walk", full).part(0.0, 0.59)


@pytest.fixture(scope="module")
def stepping(full: Anatomy, walk: Clip) -> Movement:
    return movement(smoothed(walk), full)


def level(frames: int) -> Placement:
    return Placement.unmoved(frames, 0.0, 1.0)


def test_a_low_pass_halves_the_power_at_its_cutoff_and_delays_nothing() -> None:
    time = np.arange(2000) / 200
    wave = np.stack([np.sin(2 * np.pi * f * time) for f in (0.5, 6.0, 30.0)], axis=1)
    out = lowpass(wave, 200.0, 6.0)[500:1500]
    middle = wave[500:1500]
    gain = (out * middle).sum(axis=0) / (middle**2).sum(axis=0)
    np.testing.assert_allclose(gain, [1.0, 2**-0.5, 0.0], atol=3e-3)
    # No part of the output is a quarter period away from the input.
    aside = np.stack([np.cos(2 * np.pi * f * time) for f in (0.5, 6.0, 30.0)], axis=1)[500:1500]
    np.testing.assert_allclose((out * aside).sum(axis=0) / (middle**2).sum(axis=0), 0.0, atol=3e-3)


def test_a_cutoff_beyond_the_rate_is_refused(walk: Clip) -> None:
    with pytest.raises(ValueError, match="Clip 'walk' cannot be smoothed: A cut-off of 60 Hz is not between 0 and 40"):
        smoothed(walk, 60.0)


def test_a_smoothed_clip_is_one_curve_with_its_rates(walk: Clip) -> None:
    out = smoothed(walk)
    step = 1 / RATE
    inner = slice(3, -3)
    rate = torch.gradient(out.pos[:, 7:], spacing=step, dim=0)[0]
    torch.testing.assert_close(rate[inner], out.vel[inner, 6:], atol=0.05, rtol=0.0)
    torch.testing.assert_close(out.pos[:, 3:7].norm(dim=1), torch.ones(out.frames, dtype=torch.float64))
    assert (out.pos - walk.pos)[5:-5].abs().max() < 0.06
    assert "low-passed at 6 Hz" in out.provenance.notes[-1]


def test_smoothing_does_not_care_which_way_a_body_walks(walk: Clip) -> None:
    turn = exponential(torch.tensor([0.3, -0.2, 2.0], dtype=torch.float64))
    root = torch.cat([walk.pos[:, :3] @ to_matrix(turn).mT, multiply(turn.expand(walk.frames, 4), walk.pos[:, 3:7])], 1)
    turned = smoothed(replace(walk, pos=torch.cat([root, walk.pos[:, 7:]], dim=1)))
    straight = smoothed(walk)
    torch.testing.assert_close(turned.vel[:, :3], straight.vel[:, :3] @ to_matrix(turn).mT)
    torch.testing.assert_close(turned.acc[:, 3:], straight.acc[:, 3:], atol=1e-6, rtol=1e-6)


def test_a_placement_moves_forces_with_the_places_they_act_at() -> None:
    generator = torch.Generator().manual_seed(0)
    place, force, shift = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    turn = exponential(torch.tensor([0.1, 0.4, -0.2], dtype=torch.float64))
    placement = level(5).shifted(shift).turned(turn).shifted(shift)
    torch.testing.assert_close(placement.points(place), (place + shift) @ to_matrix(turn).mT + shift)
    moved, moment = placement.wrenches(force, torch.linalg.cross(place, force))
    torch.testing.assert_close(moved, force @ to_matrix(turn).mT)
    torch.testing.assert_close(moment, torch.linalg.cross(placement.points(place), moved))


def test_measured_forces_are_refused_for_a_body_of_another_size() -> None:
    none = torch.zeros(2, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="retarget with Settings\\(size='fitted'\\)"):
        Placement.unmoved(2, 0.0, 1.1).wrenches(none, none)


def test_a_clip_knows_where_its_recording_was(full: Anatomy) -> None:
    from tests.retarget.moves import markers, strolling

    seen = markers(full, strolling(full, 120))
    assert seen.points is not None
    # The whole laboratory leans by a degree and lies 0.4 m lower.
    lean = to_matrix(exponential(torch.tensor([0.0, 0.018, 0.0], dtype=torch.float64))).numpy()
    tilted = replace(seen, points=seen.points @ lean.T - [0.0, 0.0, 0.4])
    for settings in (Settings(size="fitted"), Settings(size="fitted", plant=False)):
        found = fit(tilted, full, settings)
        assert found.placement is not None
        columns = [tilted.names.index(name) for name in found.match.names]
        there = found.placement.points(torch.as_tensor(tilted.points[:, columns]))
        from myotrack.retarget.loads import placed
        from myotrack.retarget.rig import Rig

        mine = placed(Rig.of(found.anatomy).kinematics.pose(found.clip.pos), found.match.segment, found.subject.place)
        assert (there - mine).norm(dim=-1).median() < 0.02


def plates(full: Anatomy, clip: Clip, name: str = "plate") -> Recording:
    """The right foot stands on one plate for a while, then the left one; 800 N through their middles."""
    feet = Handles.of(full, (*FEET, *TOES)).places(clip.pos)
    middle = ((feet[:, :2] + feet[:, 2:]) / 2).numpy()
    middle[..., 2] = 0.0
    force, moment = np.zeros((clip.frames, 3)), np.zeros((clip.frames, 3))
    for rows, foot in ((slice(2, 20), 0), (slice(30, 50), 1)):
        force[rows, 2] = 800.0
        moment[rows] = np.cross(middle[rows, foot], force[rows])
    origin = Origin("made.mot", "0", "made")
    return Recording("made", RATE, origin, "signals", plates=(Plate(name, RATE, force, moment),))


def test_a_step_belongs_to_the_foot_above_it_whatever_the_plate_is_called(full: Anatomy, walk: Clip) -> None:
    for name in ("ground_force_l", "plate 1"):
        ground = ground_of(plates(full, walk, name), walk, full, level(walk.frames), cutoff=None)
        up = ground.force[..., 2]
        assert (up[2:20, 0] == 800).all() and (up[30:50, 1] == 800).all()
        assert float(up.sum()) == pytest.approx(38 * 800)
        assert "right foot" in ground.notes[0] and "left foot" in ground.notes[1]


def test_a_step_where_nobody_stands_is_refused(full: Anatomy, walk: Clip) -> None:
    away = level(walk.frames).shifted(torch.tensor([[2.0, 0.0, 0.0]]).double().expand(walk.frames, 3))
    with pytest.raises(ValueError, match="no foot is near the load"):
        ground_of(plates(full, walk), walk, full, away)


def test_filtered_steps_keep_their_impulse(full: Anatomy, walk: Clip) -> None:
    ground = ground_of(plates(full, walk), walk, full, level(walk.frames))
    assert float(ground.force[..., 2].sum()) == pytest.approx(38 * 800, rel=0.02)


def test_a_person_is_weighed_though_one_step_missed_the_plates() -> None:
    time = torch.arange(200, dtype=torch.float64) / RATE
    inertia = 9.81 + 2.0 * torch.sin(2 * torch.pi * 1.8 * time)
    force = 70.0 * inertia
    force[:45] *= 0.4  # The other foot stood beside the plate.
    assert mass_of(force, inertia) == pytest.approx(70.0, rel=1e-9)
    # A long walk over two plates is on them for a small part of its time.
    rarely = torch.cat([torch.zeros(9 * len(force), dtype=force.dtype), force])
    assert mass_of(rarely, inertia.repeat(10)) == pytest.approx(70.0, rel=1e-9)
    with pytest.raises(ValueError, match="carry nobody"):
        mass_of(torch.zeros_like(force), inertia)
    with pytest.raises(ValueError, match="never agree"):
        mass_of(torch.rand(200).double() * 1e4 * (torch.arange(200) % 20 < 10), inertia)


def test_the_longest_run_bridges_what_it_may() -> None:
    flags = torch.tensor([1, 1, 0, 1, 1, 1, 0, 0, 1]).bool()
    assert longest(flags) == slice(3, 6)
    assert longest(flags, bridge=1) == slice(0, 6)
    assert longest(torch.zeros(3).bool()) == slice(0, 0)


def test_a_heavier_person_moves_alike(full: Anatomy, walk: Clip) -> None:
    clip, heavier = of_mass(walk, full, 95.0)
    clip.check(heavier)
    assert float(heavier.model.body_mass.sum()) == pytest.approx(95.0, abs=0.06)
    assert torch.equal(clip.pos, walk.pos)


def test_muscles_are_found_that_make_the_moments_for_less(full: Anatomy, stepping: Movement) -> None:
    known = 0.3 * torch.rand(stepping.tension.active.shape, generator=torch.Generator().manual_seed(4)).double()
    moments = torch.einsum("wm,wmc->wc", stepping.tension.at(known), stepping.mechanics.moment_arm)
    found = pulled(replace(stepping, forces=moments), Choices(open=()))
    assert (found.activation >= 0).all() and (found.activation <= 1).all()
    assert found.residual.abs().max() < 0.5 and found.gap.max() < 1e-4
    assert (found.activation.square().sum(dim=1) < known.square().sum(dim=1)).all()
    made = torch.einsum("wm,wmc->wc", found.tension, stepping.mechanics.moment_arm)
    torch.testing.assert_close((made + found.residual)[:, 6:], moments[:, 6:], atol=1e-8, rtol=1e-8)
    assert (found.reserve == 0).all()


def test_joints_that_share_no_muscle_may_be_solved_apart(full: Anatomy, stepping: Movement) -> None:
    some = stepping.part(slice(0, 4))
    apart = pulled(some, Choices(open=()))
    price = effort("squared", Muscles(some.curves, some.mechanics.muscle_velocity))
    rows = torch.arange(6, full.couplings.coordinate_size)
    problem = recruit(some.mechanics, some.tension, some.forces, price, rows)
    whole = problem.read(share(problem.task, 25))
    torch.testing.assert_close(apart.activation, whole.activation, atol=2e-4, rtol=0.0)
    assert asked_rows(full, ()).tolist() == rows.tolist()
    names = [full.coordinate_names[row] for row in asked_rows(full).tolist()]
    assert "root_x" not in names and "mtp_angle_r" not in names and len(names) == len(rows) - 2


def test_frames_together_are_frames_alone(full: Anatomy, walk: Clip, stepping: Movement) -> None:
    few = smoothed(walk)
    few = replace(few, **{name: getattr(few, name)[40:44] for name in ("pos", "vel", "acc", "contact")})
    alone = movement(few, full)
    for field in fields(alone.mechanics):
        torch.testing.assert_close(getattr(alone.mechanics, field.name), getattr(stepping.mechanics, field.name)[40:44])
    torch.testing.assert_close(alone.forces, stepping.forces[40:44])


def test_a_mirrored_walk_takes_mirrored_muscles(full: Anatomy, walk: Clip, stepping: Movement) -> None:
    other = pulled(movement(smoothed(walk).mirrored(full), full).part(slice(20, 24)))
    ours = pulled(stepping.part(slice(20, 24)))
    torch.testing.assert_close(other.activation, full.mirror.muscle(ours.activation), atol=2e-2, rtol=0.0)


def test_an_unknown_open_coordinate_is_named(stepping: Movement) -> None:
    with pytest.raises(ValueError, match="The body has no coordinate 'mtp_angle'. It has: root_x"):
        pulled(stepping, Choices(open=("mtp_angle",)))


def test_a_body_that_nothing_touches_falls_and_says_so(stepping: Movement) -> None:
    assert not stepping.measured.any()  # A walk without its floor.
    weight = float(stepping.anatomy.model.body_mass.sum()) * 9.81
    assert float(stepping.forces[:, 2].mean()) == pytest.approx(weight, rel=0.15)


def recording(folder: Path, motion: str, forces: str) -> Recording:
    return together(read(folder / "rajagopal2016" / motion), read(folder / "rajagopal2016" / forces))


def test_a_recorded_walk_has_its_weight_and_the_published_moments(full: Anatomy, data_folder: Path) -> None:
    trial = recording(data_folder, "motion_capture_walk.trc", "grf_walk.mot")
    found = fit(trial, full, Settings(size="fitted", plant=False))
    walking, mass = recorded(trial, found)
    assert mass == pytest.approx(84.9, abs=0.5)
    whole = longest(walking.measured)
    assert whole.stop - whole.start > 1.144 * RATE  # A whole stride.
    done = pulled(walking.part(whole))
    weight = mass * 9.81
    assert done.root[:, :3].square().mean(dim=0).sqrt().max() < 0.05 * weight
    assert done.residual.square().mean(dim=0).sqrt().max() < 1.0
    published = read(data_folder / "rajagopal2016" / "moco_id_walk.sto.gz")
    assert published.coordinates is not None
    time = walking_times(found, whole)
    theirs = published.start + np.arange(published.frames) / published.rate
    common = (time >= theirs[0]) & (time <= theirs[-1])
    for joint, least in (("ankle_angle_r", 0.98), ("knee_angle_r", 0.95), ("hip_flexion_r", 0.9)):
        ours = done.moments[:, full.coordinate_names.index(joint)].numpy()[common]
        column = published.coordinates.names.index(f"{joint}_moment")
        other = np.interp(time[common], theirs, published.coordinates.values[:, column])
        assert np.corrcoef(ours, other)[0, 1] > least, joint


def walking_times(found, rows: slice) -> np.ndarray:
    return found.placement.start + np.arange(rows.start, rows.stop) / RATE


def test_a_recorded_runner_weighs_what_the_laboratory_says(full: Anatomy, data_folder: Path) -> None:
    trial = recording(data_folder, "motion_capture_run.trc", "grf_run.mot")
    found = fit(trial, full, Settings(size="fitted", plant=False))
    _, mass = recorded(trial, found, cutoff=10.0)
    assert mass == pytest.approx(719 / 9.81, abs=0.5)  # rajagopal2016/SOURCES.md: 719 N.


def test_ground_of_other_frames_is_a_part(full: Anatomy) -> None:
    values = torch.rand(6, 2, 3).double()
    part = Ground(values, values).part(slice(2, 4))
    assert torch.equal(part.force, values[2:4])
