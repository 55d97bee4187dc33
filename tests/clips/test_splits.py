"""No person is on both sides of a split, whatever the clips, their order and the seed."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.splits import Split, kfold_by_subject, read_names, split_by_clip, split_by_subject, write_names
from tests.clips.motions import standing


def recorded(arms: Anatomy, *people: tuple[str, int]) -> list[Clip]:
    """Three clips of each person, of so many frames each."""
    return [
        standing(arms, frames, f"{person}_{take}", person)
        for person, frames in people
        for take in ("walk", "run", "jump")
    ]


@pytest.fixture
def clips(arms: Anatomy) -> list[Clip]:
    return recorded(arms, *((f"S{number:02d}", 5 + number) for number in range(10)))


def people(names: tuple[str, ...]) -> set[str]:
    return {name[:3] for name in names}


@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 0.99))
def test_no_person_is_on_both_sides(arms: Anatomy, seed: int, share: float) -> None:
    clips = recorded(arms, *((f"S{number:02d}", 5 + number) for number in range(10)))
    split = split_by_subject(clips, share, seed)
    assert split.train
    assert split.test
    assert not people(split.train) & people(split.test)
    assert sorted((*split.train, *split.test)) == sorted(clip.name for clip in clips)


def test_the_share_of_frames_is_met_as_nearly_as_persons_allow(clips: list[Clip]) -> None:
    for seed in range(20):
        split = split_by_subject(clips, 0.3, seed)
        kept = sum(clip.frames for clip in clips if clip.name in split.test)
        # No person has more than 42 of the 285 frames.
        assert abs(kept - 0.3 * 285) <= 42 / 2


@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 0.6))
def test_of_everybody_a_clip_is_learnt_and_images_stay_together(arms: Anatomy, seed: int, share: float) -> None:
    clips = recorded(arms, *((f"S{number:02d}", 5 + number) for number in range(6)))
    clips += [clip.mirrored(arms) for clip in clips[:5]]
    split = split_by_clip(clips, share, seed)
    assert people(split.train) == people(tuple(clip.name for clip in clips))
    assert sorted((*split.train, *split.test)) == sorted(clip.name for clip in clips)
    bare = {name.removesuffix("_mirrored") for name in split.train}
    assert not bare & {name.removesuffix("_mirrored") for name in split.test}
    # No clip has more than 10 frames, and 20 with its image; what nobody may give away is a third of all.
    kept, whole = (sum(c.frames for c in clips if c.name in names) for names in (split.test, [c.name for c in clips]))
    assert abs(kept - share * whole) <= 20 / 2


def test_whoever_has_one_clip_keeps_it(arms: Anatomy) -> None:
    alone = [standing(arms, 5, name, name) for name in ("a", "b", "c")]
    assert split_by_clip(alone, 0.5).test == ()


def test_the_order_of_the_clips_does_not_matter_but_the_seed_does(clips: list[Clip]) -> None:
    assert split_by_subject(clips) == split_by_subject(clips[::-1])
    assert kfold_by_subject(clips) == kfold_by_subject(clips[::-1])
    assert len({split_by_subject(clips, seed=seed).test for seed in range(10)}) > 3


def test_a_clip_of_nobody_known_counts_for_itself_with_its_mirror_image(arms: Anatomy) -> None:
    clips = [standing(arms, 4, name) for name in ("a", "b", "c", "d")]
    clips += [clip.mirrored(arms) for clip in clips]
    for seed in range(10):
        test = split_by_subject(clips, 0.5, seed).test
        assert len(test) == 4
        assert {f"{name}_mirrored" for name in test if "_" not in name} == {name for name in test if "_" in name}


def test_a_mirror_image_that_forgot_its_subject_stays_with_its_twin(clips: list[Clip], arms: Anatomy) -> None:
    clips += [replace(clip.mirrored(arms), subject="") for clip in clips]
    for seed in range(5):
        split = split_by_subject(clips, 0.4, seed)
        assert not people(split.train) & people(split.test)


def test_every_person_is_judged_in_exactly_one_fold(clips: list[Clip]) -> None:
    folds = kfold_by_subject(clips, 4, seed=3)
    judged = [people(fold.test) for fold in folds]
    assert sum(map(len, judged)) == len(set().union(*judged)) == 10
    for fold in folds:
        assert not people(fold.train) & people(fold.test)
        assert len(fold.train) + len(fold.test) == len(clips)


def test_what_cannot_be_split_is_refused(clips: list[Clip]) -> None:
    with pytest.raises(ValueError, match="clips of two persons, and there are 1"):
        split_by_subject(clips[:3])
    with pytest.raises(ValueError, match="between 0 and 1; got 1.0"):
        split_by_subject(clips, 1.0)
    with pytest.raises(ValueError, match="11 folds cannot be made of the clips of 10 persons"):
        kfold_by_subject(clips, 11)
    with pytest.raises(ValueError, match="several called S00_walk"):
        split_by_subject([*clips, clips[0]])


def test_names_survive_their_file(clips: list[Clip], tmp_path: Path) -> None:
    split = split_by_subject(clips)
    write_names(split.test, tmp_path / "test.txt", about="Kept for judging.\nSeed 0.")
    assert Split(split.train, read_names(tmp_path / "test.txt")) == split
    assert (tmp_path / "test.txt").read_text().startswith("# Kept for judging.\n# Seed 0.\nS0")


def test_remarks_and_empty_lines_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# ours\n\n  walk 1  # the first\nrun#2\r\n   # none\n")
    assert read_names(tmp_path / "names.txt") == ("walk 1", "run#2")


def test_a_file_without_names_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    for content, message in (
        (b"# none\n", "no names in it"),
        (b"a\nb\na\n", "it names a more than once"),
        (b"\xff\xfe\x00", "not a readable list"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"names.txt: .*{message}"):
            read_names(path)
    with pytest.raises(ValueError, match="nowhere.txt: "):
        read_names(tmp_path / "nowhere.txt")
    for name in ("a\nb", "# a", "a # b", " a", ""):
        with pytest.raises(ValueError, match="cannot stand on a line of its own"):
            write_names([name], path)
