"""From recordings to clips: what is known comes back, what was real keeps to the bars, what is wrong is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.algebra.quaternion import multiply, rotate
from myotrack.algebra.spline import Spline
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import PARTS
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.clips.clip import RATE
from myotrack.retarget.pipeline import Fit, fit, retarget
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings
from myotrack.retarget.solver import on_device
from tests.retarget.moves import markers, mirrored, strolling

PLAIN = Settings(plant=False)


def angles(anatomy: Anatomy, z: torch.Tensor, *stems: str) -> torch.Tensor:
    skip = 1 if anatomy.free else 0
    rows = [i + skip for i, name in enumerate(anatomy.coordinate_names) if name.startswith(stems)]
    return z[:, rows]


@pytest.fixture(scope="module")
def walk(full: Anatomy, data_folder: Path) -> tuple[Recording, Fit]:
    recording = read(data_folder / "cmu_asfamc" / "02_01.amc")
    return recording, fit(recording, full)


def test_joint_angles_come_back_from_markers(full: Anatomy) -> None:
    z = strolling(full)
    clip = retarget(markers(full, z, noise=0.001), full, PLAIN)
    away = angles(full, clip.pos - z, "hip_flexion", "knee_angle", "ankle_angle", "elbow_flex")
    assert torch.rad2deg(away).abs().max() < 3.0
    assert torch.rad2deg(away.square().mean().sqrt()) < 1.0


def test_a_person_of_other_sizes_is_recognised(full: Anatomy) -> None:
    sizes = {"thigh": 1.12, "shank": 0.95, "upper_arm": 1.08, "forearm": 0.93, "trunk": 1.05}
    found = fit(markers(full, strolling(full, 120), sizes), full, PLAIN).subject.size
    for part, size in sizes.items():
        assert float(found[PARTS.index(part)]) == pytest.approx(size, abs=0.03), part


def test_a_recording_at_another_rate_gives_the_same_motion(full: Anatomy) -> None:
    z = strolling(full, 401)
    dense = retarget(markers(full, z, rate=4 * RATE), full, PLAIN)
    plain = retarget(markers(full, z[::4]), full, PLAIN)
    assert dense.frames == plain.frames == 101
    assert torch.rad2deg((dense.pos - plain.pos)[:, 7:].abs().max()) < 1.0


def test_a_marker_that_vanishes_is_done_without(full: Anatomy) -> None:
    recording = markers(full, strolling(full))
    assert recording.points is not None
    holes = recording.points.copy()
    holes[50:120, recording.names.index("R.Heel")] = np.nan
    holes[:, recording.names.index("L.TH2")] = np.nan
    whole, torn = (retarget(made, full, PLAIN) for made in (recording, replace(recording, points=holes)))
    assert torch.rad2deg((whole.pos - torn.pos)[:, 7:].abs().max()) < 3.0


@pytest.mark.parametrize("body", ["full", "arms"])
def test_a_mirrored_recording_gives_the_mirrored_clip(body: str, request: pytest.FixtureRequest) -> None:
    anatomy: Anatomy = request.getfixturevalue(body)
    full: Anatomy = request.getfixturevalue("full")
    recording = markers(full, strolling(full, 120), noise=0.002)
    clip = retarget(recording, anatomy).mirrored(anatomy)
    twin = retarget(mirrored(recording), anatomy)
    if anatomy.free:
        sign = (clip.pos[:, 3:7] * twin.pos[:, 3:7]).sum(dim=1, keepdim=True).sign()
        clip.pos[:, 3:7] *= sign
    assert (clip.pos - twin.pos).abs().max() < 1e-6
    assert (clip.vel - twin.vel).abs().max() < 1e-5
    assert torch.equal(clip.contact, twin.contact)


def test_the_arms_move_as_the_thorax_sees_them(full: Anatomy, arms: Anatomy) -> None:
    z = strolling(full)
    clip = retarget(markers(full, z, noise=0.001), arms)
    wanted = angles(full, z, "elbow_flex")
    assert torch.rad2deg((angles(arms, clip.pos, "elbow_flex") - wanted).abs().max()) < 3.0
    assert clip.quality is not None and clip.quality.landmark_rmse is not None
    assert clip.quality.landmark_rmse < 0.01


def test_a_real_walk_keeps_to_the_bars(walk: tuple[Recording, Fit], full: Anatomy) -> None:
    clip = walk[1].clip
    quality = clip.quality
    clip.check(full)
    assert quality is not None and quality.passed, quality and quality.failures()
    assert quality.landmark_rmse is not None and quality.landmark_rmse < 0.02
    assert quality.limit_violation == 0.0
    assert quality.coupling_residual < 1e-9
    assert quality.penetration_share == 0.0
    assert quality.new_path_jumps == 0
    assert quality.skate is not None and quality.skate < 0.005
    # Three steps of each foot in 2.85 s, each seen by the hindfoot and the toes.
    assert 8 <= quality.stances <= 16


def test_a_real_walk_and_its_mirror_image_are_one(walk: tuple[Recording, Fit], full: Anatomy) -> None:
    recording, found = walk
    twin = retarget(mirrored(recording), full)
    clip = found.clip.mirrored(full)
    sign = (clip.pos[:, 3:7] * twin.pos[:, 3:7]).sum(dim=1, keepdim=True).sign()
    assert (clip.pos[:, 7:] - twin.pos[:, 7:]).abs().max() < 1e-6
    assert (clip.pos[:, 3:7] * sign - twin.pos[:, 3:7]).abs().max() < 1e-6
    assert torch.equal(clip.contact, twin.contact)


def test_turning_and_moving_the_recording_turns_and_moves_the_clip(walk: tuple[Recording, Fit], full: Anatomy) -> None:
    recording, found = walk
    turn = torch.tensor([np.cos(0.6), 0.0, 0.0, np.sin(0.6)], dtype=torch.float64)
    assert recording.points is not None and recording.turns is not None
    points, turns = torch.as_tensor(recording.points), torch.as_tensor(recording.turns)
    moved = replace(
        recording,
        points=(rotate(turn.expand(*points.shape[:2], 4), points) + torch.tensor([2.0, -1.0, 0.0])).numpy(),
        turns=multiply(turn.expand_as(turns), turns).numpy(),
    )
    clip = retarget(moved, full)
    # Medians of horizontal places are taken along the axes, which turns them by millimetres.
    assert torch.rad2deg((clip.pos[:, 7:] - found.clip.pos[:, 7:]).abs().max()) < 1.0
    assert torch.equal(clip.contact, found.clip.contact)


def test_a_treadmill_is_recognised(data_folder: Path, full: Anatomy) -> None:
    recording = read(data_folder / "rajagopal2016" / "motion_capture_run.trc")
    assert recording.points is not None
    clip = retarget(replace(recording, points=recording.points[:200]), full)
    note = next(note for note in clip.provenance.notes if note.startswith("treadmill"))
    # 3.7 m/s by the foot marker (SOURCES.md); the belt slows down at every landing.
    assert 3.4 < float(note.split()[2]) < 4.1
    assert float(clip.vel[:, :2].norm(dim=1).median()) * clip.scale == pytest.approx(3.7, rel=0.1)


def test_unknown_names_are_listed_with_what_to_do(full: Anatomy) -> None:
    recording = markers(full, strolling(full, 20))
    strange = replace(recording, names=tuple(f"thing_{i}" for i in range(len(recording.names))))
    with pytest.raises(ValueError, match=r"made.trc: only 0 points .*thing_0.*--markers"):
        retarget(strange, full)


def test_a_marker_file_names_them(full: Anatomy, tmp_path: Path) -> None:
    recording = markers(full, strolling(full, 60))
    strange = replace(recording, names=tuple(f"thing_{i}" for i in range(len(recording.names))))
    places = {"Shoulder": "acromion", "Wrist": "wrist", "ASIS": "asis", "PSIS": "psis", "Knee": "knee_lateral"}
    places |= {"Ankle": "ankle_lateral", "Heel": "heel", "Toe": "toe", "Elbow": "elbow_lateral", "MT5": "mt5"}
    lines = ["point,segment,forward,left,up,spread"]
    for i, name in enumerate(recording.names):
        side, _, place = name.partition(".")
        if place in places:
            lines.append(f"thing_{i},{'left' if side == 'L' else 'right'} {places[place]},,,,")
    lines.append(f"thing_{recording.names.index('C7')},thorax,-0.056,0.0,0.055,0.02")
    table = tmp_path / "markers.csv"
    table.write_text("\n".join(lines))
    found = fit(strange, full, Settings(markers=table, plant=False))
    assert found.match.convention == "markers.csv"
    assert len(found.match.names) == len(lines) - 1
    table.write_text("point,segment,forward,left,up\nthing_0,pelviss,0,0,0\n")
    with pytest.raises(ValueError, match=r"markers.csv, line 2: 'pelviss' of 'thing_0' is neither"):
        fit(strange, full, Settings(markers=table))
    table.write_text("point,segment,forward,left,up\nthing_0,pelvis,a,b,c\n")
    with pytest.raises(ValueError, match=r"markers.csv, line 2: .*thing_0"):
        fit(strange, full, Settings(markers=table))


def test_a_glimpse_is_too_short_for_a_clip(full: Anatomy) -> None:
    with pytest.raises(ValueError, match=r"made.trc: lasts 0.05 s; a clip needs at least 0.08 s"):
        retarget(markers(full, strolling(full, 6)), full)


def test_ends_where_nobody_is_seen_are_left_out_and_told(full: Anatomy) -> None:
    recording = markers(full, strolling(full, 120))
    assert recording.points is not None
    dark = recording.points.copy()
    dark[:30] = np.nan
    clip = retarget(replace(recording, points=dark), full, PLAIN)
    assert clip.frames == 90
    assert any(note.startswith("0.30 s at the ends") for note in clip.provenance.notes)
    with pytest.raises(ValueError, match=r"made.trc: only 0 points"):
        retarget(replace(recording, points=np.full_like(dark, np.nan)), full)


def test_points_that_are_lost_for_long_are_told_by_name(full: Anatomy) -> None:
    recording = markers(full, strolling(full, 120))
    assert recording.points is not None
    holed = recording.points.copy()
    knee, toe = (recording.names.index(name) for name in ("R.Knee", "L.Toe"))
    holed[40:70, knee] = np.nan
    holed[80:90, toe] = np.nan  # A tenth of a second is not worth a word.
    notes = retarget(replace(recording, points=holed), full, PLAIN).provenance.notes
    assert "for up to 0.30 s not seen: R.Knee; what hangs on them alone is made up there" in notes


def test_limbs_that_nothing_is_recorded_of_are_told(full: Anatomy) -> None:
    recording = markers(full, strolling(full, 40))
    assert recording.points is not None
    arms = ("Biceps", "Elbow", "MElbow", "Forearm", "Wrist")
    kept = [i for i, name in enumerate(recording.names) if name.split(".")[-1] not in arms]
    legs = replace(recording, names=tuple(recording.names[i] for i in kept), points=recording.points[:, kept])
    notes = retarget(legs, full, PLAIN).provenance.notes
    assert "nothing is recorded of the left arm: it rests" in notes
    assert not any("leg" in note for note in notes)


@pytest.mark.parametrize(
    ("rate", "frames", "sentence"), [(2.0, 20, "has 2 frames/s"), (100.0, 16_000, "cut it into parts of at most 150 s")]
)
def test_recordings_too_slow_or_too_long_are_refused(rate: float, frames: int, sentence: str, full: Anatomy) -> None:
    short = markers(full, strolling(full, 20), rate=rate)
    assert short.points is not None
    with pytest.raises(ValueError, match=sentence):
        retarget(replace(short, points=np.resize(short.points, (frames, *short.points.shape[1:]))), full)


def test_a_recording_of_forces_alone_is_refused(full: Anatomy) -> None:
    empty = replace(markers(full, strolling(full, 20)), kind="signals", points=None, names=())
    with pytest.raises(ValueError, match=r"made.trc: there are no points"):
        retarget(empty, full)


def test_a_problem_taken_to_a_device_and_back_is_the_same(full: Anatomy) -> None:
    problem = Spline(40, 3, 0.01), Rig.of(full).kinematics
    for part in problem:
        moved = on_device(part, "cpu")
        assert type(moved) is type(part)
    there = on_device(Rig.of(full).sole, "meta")
    assert all(tensor.is_meta for tensor in vars(there).values())


@pytest.mark.gpu
def test_a_gpu_finds_the_same_motion(full: Anatomy) -> None:
    recording = markers(full, strolling(full), noise=0.001)
    here, there = (retarget(recording, full, Settings(device=device)) for device in ("cpu", "cuda"))
    assert (here.pos - there.pos).abs().max() < 1e-6


def test_each_level_of_a_body_has_its_own_rig(full: Anatomy) -> None:
    fast = full.at("fast")
    assert Rig.of(fast).anatomy.level == "fast"
    assert Rig.of(full).anatomy.level == "original"
