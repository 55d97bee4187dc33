"""What a policy sees: the same wherever the body is, mirrored where the body is, and nothing but what was asked for."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.trees import Trees
from myotrack.track.observe import ObservationSettings, Observer
from tests.track.worlds import clip_of, moments, moved

EVERYTHING = ObservationSettings(excitation=True, length=True, velocity=True, force=True, phase=True)


@pytest.fixture(params=["full", "arms"])
def body(request) -> Anatomy:
    return request.getfixturevalue(request.param)


def test_turning_and_moving_the_whole_scene_changes_nothing(full: Anatomy) -> None:
    clip = clip_of(full)
    observer = Observer(full, EVERYTHING)
    here = observer.read(moments(full, clip))
    there = observer.read(moments(full, moved(clip, 2.3, (5.0, -3.0, 0.0))))
    assert here.abs().max() > 1.0
    torch.testing.assert_close(there, here, atol=2e-4, rtol=1e-4)


def test_a_mirrored_moment_is_seen_as_the_mirror_image(body: Anatomy) -> None:
    clip = clip_of(body)
    observer = Observer(body, EVERYTHING)
    seen = observer.read(moments(body, clip))
    image = observer.read(moments(body, clip.mirrored(body), mirrored=True))
    # The two sides' path points and joint axes differ by their last published digits.
    torch.testing.assert_close(observer.mirror(seen), image, atol=0.02, rtol=0.01)
    assert not torch.allclose(seen, image, atol=0.1)


def test_a_mirror_undoes_itself(body: Anatomy) -> None:
    mirror = Observer(body, EVERYTHING).mirror
    row = torch.arange(len(mirror.index), dtype=torch.float32)
    assert torch.equal(mirror(mirror(row)), row)


def test_errors_are_zero_where_the_body_is_its_reference(body: Anatomy) -> None:
    observer = Observer(body, ObservationSettings())
    row = observer.read(moments(body, clip_of(body), late=0))
    start, checked = 0, 0
    for entry in observer.layout:
        part = row[:, start : start + entry.size]
        start += entry.size
        if "error" in entry.name:
            checked += 1
            assert part.abs().max() < 2e-3, entry.name
    assert start == observer.size == row.shape[1]
    assert checked == (7 if body.free else 3)


def test_gaps_are_what_is_missing_by_hand(arms: Anatomy) -> None:
    moment = moments(arms, clip_of(arms))
    observer = Observer(arms, ObservationSettings(ahead=(4, 12)))
    names = [entry.name for entry in observer.layout]
    assert names.index("joint_gap_in_12") == names.index("joint_gap_in_4") + 1
    first = sum(entry.size for entry in observer.layout[: names.index("joint_gap_in_12")])
    elbow = arms.coordinate_names.index("elbow_flex_r")
    wanted = moment.reference.coordinate_pos[:, 3, elbow] - moment.body.coordinate_pos[:, elbow]
    torch.testing.assert_close(observer.read(moment)[:, first + elbow].double(), wanted, atol=1e-6, rtol=0)


def test_only_what_is_asked_for_is_seen(full: Anatomy) -> None:
    bare = ObservationSettings(ahead=(), activation=False, landmarks=False, feet=False, acceleration=False)
    few, all_ = Observer(full, bare), Observer(full, EVERYTHING)
    assert few.size < all_.size
    names = {entry.name for entry in few.layout}
    assert not names & {"activation", "foot_load", "landmark_error", "next_joint_acc", "muscle_length", "phase"}
    assert len(names) == len(few.layout)


def test_the_present_cannot_be_looked_ahead_to() -> None:
    with pytest.raises(ValueError, match="The look-ahead begins 2 frames from now"):
        ObservationSettings(ahead=(1, 5))


def test_what_is_seen_of_one_arm_does_not_change_with_the_other(arms: Anatomy) -> None:
    observer = Observer(arms, replace(EVERYTHING, phase=False))
    moment = moments(arms, clip_of(arms))
    trees = Trees.of(arms)

    def shaken(values: Tensor, tree: Tensor) -> Tensor:
        return torch.where(tree == 1, values + 0.1, values)

    body = replace(
        moment.body,
        coordinate_pos=shaken(moment.body.coordinate_pos, trees.coordinate),
        coordinate_vel=shaken(moment.body.coordinate_vel, trees.coordinate),
        landmark_pos_w=shaken(moment.body.landmark_pos_w, trees.landmark[:, None]),
        **{name: shaken(getattr(moment.body, name), trees.muscle) for name in (
            "muscle_activation", "muscle_excitation", "muscle_length", "muscle_velocity", "muscle_force")},
    )  # fmt: skip
    differs = (observer.read(replace(moment, body=body)) != observer.read(moment)).any(dim=0)
    assert observer.tree is not None
    assert (observer.tree[differs] == 1).all()
    # What is only about the reference stays; everything else of the left arm moves.
    assert differs.sum() > 0.7 * (observer.tree == 1).sum()


def test_rows_about_the_whole_have_no_parts(arms: Anatomy, full: Anatomy) -> None:
    assert Observer(arms, replace(EVERYTHING, phase=True)).tree is None
    assert Observer(full, ObservationSettings()).tree is None
