"""What the library hands out is what the clips say, frame by frame, for every world at once."""

from dataclasses import fields, replace

import mujoco
import pytest
import torch
from torch import Tensor

from myotrack.algebra.quaternion import conjugate, multiply
from myotrack.anatomy.landmarks import site_name
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Clip
from myotrack.clips.library import ClipLibrary, Reference
from tests.clips.motions import altered, standing, swaying

STILL = ("coordinate_vel", "coordinate_acc", "landmark_vel_w", "landmark_spin_w")


@pytest.fixture(scope="module")
def clips(full: Anatomy) -> tuple[Clip, ...]:
    # The first is longer than what is computed at a time.
    return tuple(
        swaying(full, frames, seed, name) for seed, (name, frames) in enumerate([("a", 300), ("b", 2), ("c", 40)])
    )


@pytest.fixture(scope="module")
def library(clips: tuple[Clip, ...], full: Anatomy) -> ClipLibrary:
    return ClipLibrary.of(clips, full, dtype=torch.float64)


def whole(library: ClipLibrary, clip: int) -> Reference:
    """All frames of a clip, one per world."""
    frames = library.frames[clip]
    return library.at(torch.full((frames,), clip), torch.arange(frames))


def test_every_row_is_the_frame_of_its_clip(library: ClipLibrary, clips: tuple[Clip, ...]) -> None:
    for index, clip in enumerate(clips):
        reference = whole(library, index)
        torch.testing.assert_close(reference.coordinate_pos[:, 0], clip.pos)
        assert torch.equal(reference.coordinate_vel[:, 0], clip.vel)
        assert torch.equal(reference.coordinate_acc[:, 0], clip.acc)
        assert torch.equal(reference.contact[:, 0], clip.contact)
        assert reference.valid.all()


def test_landmarks_are_where_and_as_fast_as_in_mujoco(
    library: ClipLibrary, clips: tuple[Clip, ...], full: Anatomy
) -> None:
    model, data = full.model, mujoco.MjData(full.model)
    reference, clip = whole(library, 2), clips[2]
    for frame in (0, 17, 39):
        data.qpos[:] = full.couplings.qpos(clip.pos[frame]).numpy()
        data.qvel[:] = full.couplings.qvel(clip.pos[frame], clip.vel[frame]).numpy()
        mujoco.mj_forward(model, data)
        for index, landmark in enumerate(full.landmarks):
            sensed = {
                "landmark_pos_w": data.site(site_name(landmark)).xpos,
                "landmark_vel_w": data.sensor(f"{landmark}_linvel").data,
                "landmark_spin_w": data.sensor(f"{landmark}_angvel").data,
            }
            for field, value in sensed.items():
                mine = getattr(reference, field)[frame, 0, index]
                torch.testing.assert_close(mine, torch.from_numpy(value.copy()), atol=1e-9, rtol=0)
            alike = reference.landmark_quat_w[frame, 0, index] @ torch.from_numpy(
                data.sensor(f"{landmark}_quat").data.copy()
            )
            assert float(alike.abs()) == pytest.approx(1.0)


def test_velocities_are_the_finite_differences_of_the_landmarks(library: ClipLibrary) -> None:
    reference = whole(library, 0)
    pos, quat = reference.landmark_pos_w[:, 0], reference.landmark_quat_w[:, 0]
    torch.testing.assert_close(reference.landmark_vel_w[1:-1, 0], (pos[2:] - pos[:-2]) * RATE / 2, atol=3e-3, rtol=0)
    spin = 2 * multiply((quat[2:] - quat[:-2]) * RATE / 2, conjugate(quat[1:-1]))[..., 1:]
    torch.testing.assert_close(reference.landmark_spin_w[1:-1, 0], spin, atol=0.02, rtol=0)


def test_worlds_look_ahead_in_clips_of_their_own(library: ClipLibrary, clips: tuple[Clip, ...]) -> None:
    clip, frame, ahead = torch.tensor([2, 0, 2, 1]), torch.tensor([0, 250, 30, 1]), (0, 1, 5)
    reference = library.at(clip, frame, ahead)
    assert reference.landmark_pos_w.shape == (4, 3, library.sizes[2], 3)
    for world in range(4):
        for step, further in enumerate(ahead):
            motion, there = clips[int(clip[world])], int(frame[world]) + further
            assert reference.valid[world, step] == (there < motion.frames)
            held = min(there, motion.frames - 1)
            torch.testing.assert_close(reference.coordinate_pos[world, step], motion.pos[held])
            assert torch.equal(reference.contact[world, step], motion.contact[held])


@pytest.mark.parametrize(("frame", "held"), [(40, 39), (1000, 39), (-1, 0)])
def test_beyond_its_ends_a_clip_stands_still(library: ClipLibrary, frame: int, held: int) -> None:
    beyond = library.at(torch.tensor([2]), torch.tensor([frame]))
    end = library.at(torch.tensor([2]), torch.tensor([held]))
    assert not beyond.valid.any()
    for field in fields(Reference):
        values = getattr(beyond, field.name)
        if field.name in STILL:
            assert not values.any()
            assert getattr(end, field.name).any()
        elif field.name != "valid":
            assert torch.equal(values, getattr(end, field.name))


def test_quaternions_do_not_leap(full: Anatomy) -> None:
    def turning(pos: Tensor) -> Tensor:
        angle = torch.linspace(0, 4 * torch.pi, len(pos), dtype=torch.float64)[:, None]
        about_z = torch.cat([torch.cos(angle / 2), 0 * angle, 0 * angle, torch.sin(angle / 2)], dim=1)
        pos[:, 3:7] = multiply(about_z, pos[:, 3:7])
        pos[1::3, 3:7] *= -2.0
        return pos

    clip = altered(standing(full, 200), pos=turning)
    reference = whole(ClipLibrary.of([clip], full), 0)
    for quat in (reference.coordinate_pos[:, 0, 3:7], reference.landmark_quat_w[:, 0]):
        assert quat.diff(dim=0).abs().max() < 0.05
        torch.testing.assert_close(quat.norm(dim=-1), torch.ones(quat.shape[:-1]))


def test_a_subset_gives_the_same_references(library: ClipLibrary) -> None:
    part = library.subset(["c", "a"])
    assert part.names == ("c", "a")
    assert part.frames == (40, 300)
    for mine, theirs in ((0, 2), (1, 0)):
        first, second = whole(part, mine), whole(library, theirs)
        assert all(torch.equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(Reference))
    assert library.clip_index("c") == 2
    assert library.memory > part.memory > 40 * 8 * library.table.shape[1]


def test_an_unknown_clip_is_named_with_its_nearest_neighbour(full: Anatomy) -> None:
    library = ClipLibrary.of([standing(full, 2, "walk_01"), standing(full, 2, "jump")], full)
    with pytest.raises(KeyError, match="No clip is called 'walk_1'. Did you mean 'walk_01'?"):
        library.subset(["walk_1"])
    with pytest.raises(ValueError, match="given twice"):
        library.subset(["jump", "jump"])


def test_a_library_of_nothing_or_of_two_alike_is_refused(full: Anatomy, arms: Anatomy) -> None:
    with pytest.raises(ValueError, match="A library needs clips"):
        ClipLibrary.of([], full)
    with pytest.raises(ValueError, match="several called standing"):
        ClipLibrary.of([standing(full), standing(full)], full)
    with pytest.raises(ValueError, match="made for the body 'arms'"):
        ClipLibrary.of([standing(arms)], full)


def test_the_arms_have_references_without_feet(arms: Anatomy) -> None:
    clip = swaying(arms)
    library = ClipLibrary.of([clip, replace(clip, name="again")], arms).to("cpu")
    reference = library.at(torch.tensor([1, 0]), torch.tensor([3, 4]), ahead=(0, 2))
    assert reference.coordinate_pos.dtype == torch.float32
    torch.testing.assert_close(reference.coordinate_pos[0, 1], clip.pos[5].float())
    assert reference.contact.shape == (2, 2, 0)
    assert library.device.type == "cpu"
