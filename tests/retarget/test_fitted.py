"""Bodies of the person's own sizes: they are who was recorded, and clips carry them along."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import random_postures
from myotrack.anatomy.sizes import PARTS, Sizes
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording, Subject
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.clips.store import ClipError, header, load, save
from myotrack.retarget.pipeline import Fit, fit, retarget
from myotrack.retarget.rig import Rig
from myotrack.retarget.settings import Settings
from tests.retarget.moves import markers, mirrored, strolling

FITTED = Settings(size="fitted")
PLAIN = Settings(size="fitted", plant=False)
PERSON = {"thigh": 1.12, "shank": 0.95, "upper_arm": 1.08, "forearm": 0.93, "trunk": 1.05}


@pytest.fixture(scope="module")
def person(full: Anatomy) -> tuple[Recording, Fit]:
    recording = markers(full, strolling(full, 120), PERSON)
    return recording, fit(recording, full, PLAIN)


@pytest.fixture(scope="module")
def walk(full: Anatomy, data_folder: Path) -> tuple[Recording, Fit, Fit]:
    recording = read(data_folder / "cmu_asfamc" / "02_01.amc")
    return recording, fit(recording, full), fit(recording, full, FITTED)


def bone(anatomy: Anatomy, upper: str, lower: str) -> float:
    """Length between two landmarks of a resting body [m]."""
    pos = anatomy.kinematics.pose(anatomy.rest).pos
    return float((pos[anatomy.landmarks.index(upper)] - pos[anatomy.landmarks.index(lower)]).norm())


@pytest.mark.parametrize("body", ["full", "arms"])
def test_a_body_of_some_sizes_is_the_rig_of_these_sizes(body: str, request: pytest.FixtureRequest) -> None:
    anatomy: Anatomy = request.getfixturevalue(body)
    generator = torch.Generator().manual_seed(5)
    z = random_postures(anatomy, 20)
    for _ in range(3):
        scale = 1 + 0.1 * torch.randn(len(PARTS), generator=generator, dtype=torch.float64)
        mine = Rig.of(anatomy).sized(scale).pose(z)
        theirs = Rig.of(anatomy.resized(Sizes.of(scale.tolist()))).kinematics.pose(z)
        assert (mine.pos - theirs.pos).abs().max() < 1e-9
        assert (mine.rotation - theirs.rotation).abs().max() < 1e-9


def test_a_body_gets_the_sizes_of_the_person(full: Anatomy, person: tuple[Recording, Fit]) -> None:
    found = person[1]
    assert found.clip.sizes == found.anatomy.sizes
    for part, size in PERSON.items():
        assert getattr(found.anatomy.sizes, part) == pytest.approx(size, abs=0.03), part
        assert round(getattr(found.anatomy.sizes, part), 3) == getattr(found.anatomy.sizes, part)
    lengths = {
        ("right_hip", "right_knee"): 1.12,
        ("left_knee", "left_ankle"): 0.95,
        ("left_shoulder", "left_elbow"): 1.08,
    }
    for (upper, lower), size in lengths.items():
        assert bone(found.anatomy, upper, lower) == pytest.approx(size * bone(full, upper, lower), rel=0.03)


def test_landmarks_are_where_the_persons_are(full: Anatomy, person: tuple[Recording, Fit]) -> None:
    found = person[1]
    rig, z = Rig.of(full), strolling(full, 120)
    size = torch.tensor([PERSON.get(part, 1.0) for part in PARTS], dtype=torch.float64)
    true, own = rig.sized(size).pose(z).pos, Rig.of(found.anatomy).kinematics.pose(found.clip.pos).pos
    joints = torch.tensor([row for row, name in enumerate(rig.segments) if name.endswith(("thigh", "shank", "talus"))])
    assert (true - own)[:, joints].norm(dim=-1).max() < 0.015
    assert found.clip.scale == 1.0
    assert torch.equal(found.subject.size, torch.ones(len(PARTS), dtype=torch.float64))
    assert found.clip.quality is not None and found.clip.quality.landmark_rmse is not None
    assert found.clip.quality.landmark_rmse < 0.005


def test_a_fitted_clip_brings_its_body_along(full: Anatomy, person: tuple[Recording, Fit], tmp_path: Path) -> None:
    found = person[1]
    path = tmp_path / "stroll.npz"
    save(found.clip, path)
    again = load(path)
    assert again.sizes == found.clip.sizes and torch.equal(again.pos, found.clip.pos)
    assert header(path)["version"] == 2
    assert again.anatomy().hash == found.anatomy.hash
    library = ClipLibrary.of([again], again.anatomy())
    assert library.body_hash == found.anatomy.hash != full.hash
    with pytest.raises(ClipError, match=r"stroll.npz: Clip 'made' was made for a body of other sizes \(.*thigh 1.1"):
        load(path, full)
    with pytest.raises(ValueError, match=r"Take its own body, `clip.anatomy\(\)`, or retarget it again"):
        ClipLibrary.of([again], full)


def test_a_clip_of_the_bodys_own_size_is_what_it_was(full: Anatomy, tmp_path: Path) -> None:
    clip = retarget(markers(full, strolling(full, 40)), full, Settings(plant=False))
    assert clip.sizes is None and clip.anatomy().hash == full.hash
    save(clip, tmp_path / "clip.npz")
    about = header(tmp_path / "clip.npz")
    assert about["version"] == 1 and "sizes" not in about
    with pytest.raises(ValueError, match="made for a body of other sizes"):
        clip.check(full.resized(Sizes(thigh=1.1)))


def test_a_clip_of_sizes_whose_body_has_changed_is_refused(person: tuple[Recording, Fit]) -> None:
    stale = replace(person[1].clip, body_hash="0123456789abcdef")
    with pytest.raises(ValueError, match="another version of the body"):
        stale.anatomy()


def test_the_same_recording_has_the_same_body_again(full: Anatomy, person: tuple[Recording, Fit]) -> None:
    recording, found = person
    assert fit(recording, full, PLAIN).anatomy.hash == found.anatomy.hash
    # A body that has other sizes already is no other starting point.
    assert fit(recording, full.resized(Sizes(trunk=1.2)), PLAIN).anatomy.hash == found.anatomy.hash


def test_another_recording_of_a_person_can_keep_the_body_of_the_first(
    full: Anatomy, person: tuple[Recording, Fit]
) -> None:
    first = person[1].anatomy
    z = strolling(full, 90).flip(0)
    again = fit(markers(full, z, PERSON), first, Settings(plant=False))
    assert again.anatomy is first and again.clip.sizes == first.sizes
    assert again.clip.scale == pytest.approx(1.0, abs=0.02)
    assert torch.allclose(again.subject.size, torch.ones(len(PARTS), dtype=torch.float64), atol=0.03)
    assert torch.rad2deg((again.clip.pos - z)[:, 7:].square().mean().sqrt()) < 2.0
    again.clip.check(first)


def test_the_recorded_mass_is_the_bodys_if_it_can_be(full: Anatomy, person: tuple[Recording, Fit]) -> None:
    recording, found = person

    def weighed(recorded: float | None, given: float | None = None) -> tuple[float, str]:
        seen = replace(recording, subject=Subject(mass=recorded))
        clip = retarget(seen, full, replace(PLAIN, mass=given))
        note = next(note for note in clip.provenance.notes if "sizes of the subject" in note)
        return float(clip.anatomy().model.body_mass.sum()), note

    volume = found.anatomy.sizes.volume_mass()
    mass, note = weighed(70.04)
    assert mass == pytest.approx(70.0) and note.endswith("the mass is the recorded one")
    mass, note = weighed(None)
    assert mass == pytest.approx(volume, rel=1e-4) and "no mass is recorded" in note
    mass, note = weighed(400.0)
    assert mass == pytest.approx(volume, rel=1e-4) and "the recorded mass of 400 kg does not fit" in note
    mass, note = weighed(70.0, given=80.0)
    assert mass == pytest.approx(80.0) and note.endswith("the mass is the one given")
    with pytest.raises(ValueError, match=r"made.trc: .* cannot weigh 400 kg; give a mass between"):
        weighed(70.0, given=400.0)


def test_a_person_no_body_can_be_is_refused_by_the_files_name(full: Anatomy) -> None:
    giant = markers(full, strolling(full, 40), dict.fromkeys(PARTS, 1.8))
    with pytest.raises(
        ValueError, match=r"made.trc: The .* cannot be 1.\d+ times that of the body; .* to the body's own"
    ):
        fit(giant, full, PLAIN)
    assert fit(giant, full, Settings(plant=False)).clip.scale == pytest.approx(1.8, rel=0.05)


def test_a_mirrored_recording_has_the_same_body_and_the_mirrored_clip(full: Anatomy) -> None:
    recording = markers(full, strolling(full, 80), PERSON, noise=0.002)
    found = fit(recording, full, PLAIN)
    clip, twin = found.clip.mirrored(found.anatomy), retarget(mirrored(recording), full, PLAIN)
    assert clip.sizes == twin.sizes
    sign = (clip.pos[:, 3:7] * twin.pos[:, 3:7]).sum(dim=1, keepdim=True).sign()
    clip.pos[:, 3:7] *= sign
    assert (clip.pos - twin.pos).abs().max() < 1e-6


def test_arms_of_the_persons_size_hang_on_their_trunk(full: Anatomy, arms: Anatomy) -> None:
    z = strolling(full, 120)
    recording = markers(full, z, PERSON, noise=0.001)
    kept, found = fit(recording, arms), fit(recording, arms, FITTED)
    assert found.anatomy.name == "arms" and found.clip.scale == 1.0
    assert bone(found.anatomy, "right_shoulder", "right_elbow") == pytest.approx(
        1.08 * bone(arms, "right_shoulder", "right_elbow"), rel=0.03
    )
    assert found.clip.quality is not None and found.clip.quality.landmark_rmse is not None
    assert kept.clip.quality is not None and kept.clip.quality.landmark_rmse is not None
    assert found.clip.quality.landmark_rmse < 1.02 * kept.clip.quality.landmark_rmse
    assert "the body has the sizes of the subject" in " ".join(found.clip.provenance.notes)
    flexion = [arms.coordinate_names.index(f"elbow_flex_{side}") for side in "rl"]
    wanted = [full.coordinate_names.index(f"elbow_flex_{side}") + 1 for side in "rl"]
    assert torch.rad2deg((found.clip.pos[:, flexion] - z[:, wanted]).abs().max()) < 3.0


def test_a_real_walk_on_its_own_body_keeps_to_the_bars(walk: tuple[Recording, Fit, Fit]) -> None:
    _, kept, found = walk
    clip: Clip = found.clip
    clip.check(found.anatomy)
    own, other = clip.quality, kept.clip.quality
    assert own is not None and own.passed, own and own.failures()
    assert other is not None and own.landmark_rmse is not None and other.landmark_rmse is not None
    assert own.landmark_rmse <= other.landmark_rmse
    assert own.penetration_share == 0.0 and own.coupling_residual < 1e-9 and own.limit_violation == 0.0
    assert own.skate is not None and own.skate < 0.005
    assert own.stances >= 8


def test_the_bones_of_a_real_body_are_as_long_as_the_recorded_ones(walk: tuple[Recording, Fit, Fit]) -> None:
    recording, _, found = walk
    assert recording.points is not None
    points = torch.as_tensor(recording.points)
    joints = {("hip", "knee"): ("femur", "tibia"), ("knee", "ankle"): ("tibia", "foot")}
    for (upper, lower), (start, end) in joints.items():
        ends = [points[:, [recording.names.index(side + joint) for side in "rl"]] for joint in (start, end)]
        recorded = float((ends[0] - ends[1]).norm(dim=-1).median())
        assert bone(found.anatomy, f"right_{upper}", f"right_{lower}") == pytest.approx(recorded, rel=0.02), upper
