"""Clips survive their files, and files that are not clips are refused by name."""

import io
import json
import pickle
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips import archive
from myotrack.clips.clip import Clip, Provenance
from myotrack.clips.quality import assess
from myotrack.clips.store import ClipError, header, load, load_folder, save
from tests.clips.motions import altered, standing, swaying


def identical(mine: Clip, other: Clip) -> bool:
    pairs = [(getattr(mine, field.name), getattr(other, field.name)) for field in fields(Clip)]
    return all(
        torch.equal(first, second) and first.dtype == second.dtype if isinstance(first, Tensor) else first == second
        for first, second in pairs
    )


@pytest.fixture
def clip(arms: Anatomy) -> Clip:
    return replace(
        swaying(arms, name="Schwingen ü/1", subject="S01"),
        provenance=Provenance("a.bvh", "ab12", "BVH", "free", ("dropped 6 frames", "low-pass 6 Hz")),
        scale=1.07,
    )


@pytest.fixture
def path(clip: Clip, tmp_path: Path) -> Path:
    save(clip, tmp_path / "clips" / "sway.npz")
    return tmp_path / "clips" / "sway.npz"


def rewritten(path: Path, **entries: bytes) -> Path:
    """The same file with the content of some entries replaced ('header' for the header)."""
    with zipfile.ZipFile(path) as archive:
        content = {entry: archive.read(entry) for entry in archive.namelist()}
    content |= {f"{name}.json" if name == "header" else f"{name}.npy": value for name, value in entries.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, value in content.items():
            archive.writestr(entry, value)
    return path


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True)
    return content.getvalue()


def test_a_clip_comes_back_bit_by_bit(clip: Clip, path: Path, arms: Anatomy) -> None:
    assert identical(load(path, arms), clip)
    assert identical(load(path), clip)


def test_a_clip_of_the_full_body_comes_back_with_its_quality(full: Anatomy, tmp_path: Path) -> None:
    clip = swaying(full)
    clip = replace(clip, quality=assess(clip, full, landmark_rmse=0.02))
    save(clip, tmp_path / "sway.npz", full)
    assert identical(load(tmp_path / "sway.npz", full), clip)


def test_the_same_clip_gives_the_same_bytes(clip: Clip, path: Path) -> None:
    save(clip, path.with_name("again.npz"))
    assert path.read_bytes() == path.with_name("again.npz").read_bytes()


def test_single_precision_is_stored_in_double(clip: Clip, path: Path) -> None:
    single = altered(clip, pos=lambda pos: pos.float())
    save(single, path)
    assert torch.equal(load(path).pos, single.pos.double())


def test_others_can_read_the_file(clip: Clip, path: Path, arms: Anatomy) -> None:
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["pos"], clip.pos.numpy())
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("header.json"))
    assert about == header(path)
    assert about["coordinates"] == list(arms.coordinate_names)
    assert (about["format"], about["version"], about["body_hash"]) == ("myotrack clip", 1, arms.hash)


def test_a_clip_of_another_body_is_refused_by_the_files_name(path: Path, full: Anatomy, arms: Anatomy) -> None:
    with pytest.raises(ClipError, match="sway.npz: Clip .* was made for the body 'arms' .*; retarget it again"):
        load(path, full)
    with pytest.raises(ClipError, match="sway.npz: Clip .* another version of the body"):
        load(path, replace(arms, hash="0123456789abcdef"))


def test_a_clip_of_a_resized_body_comes_back_with_its_sizes(arms: Anatomy, tmp_path: Path) -> None:
    twin = arms.resized(Sizes(upper_arm=1.07, mass=64.5))
    clip = replace(swaying(twin), sizes=twin.sizes)
    save(clip, tmp_path / "sway.npz")
    assert identical(load(tmp_path / "sway.npz", twin), clip)
    with pytest.raises(ClipError, match=r"sway.npz: .* other sizes \(upper arm 1.07, 64.5 kg; here: the body's own\)"):
        load(tmp_path / "sway.npz", arms)


def test_a_clip_that_does_not_fit_its_body_is_not_written(clip: Clip, path: Path) -> None:
    before = path.read_bytes()
    for broken in (
        altered(clip, contact=lambda contact: torch.zeros(len(contact), 4, dtype=torch.bool)),
        altered(clip, pos=lambda pos: pos / 0),
        replace(clip, body_hash="another"),
    ):
        with pytest.raises(ValueError, match="Clip 'Schwingen ü/1'"):
            save(broken, path)
    with pytest.raises(ValueError, match="call it sway.npz"):
        save(clip, path.with_name("sway"))
    assert path.read_bytes() == before


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    clip: Clip, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(altered(clip, pos=lambda pos: pos[:, :] * 0), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_its_name(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ClipError, match="sway.npz: .*myotrack retarget"):
        load(path)


def test_no_flipped_bit_goes_unnoticed(clip: Clip, path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    # The middle of the file is arrays; both ends, where the zip keeps its books, are tried more thoroughly.
    places = [*rng.integers(0, len(content), 150), *range(0, 160), *range(len(content) - 420, len(content))]
    refused = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            again = load(path)
        except ClipError as error:
            assert "sway.npz: " in str(error)
            refused += 1
        else:
            assert identical(again, clip)  # A date or a remark of the zip, which mean nothing.
    assert refused > 300


@pytest.mark.parametrize(
    "content", [pickle.dumps([1.0]), npy(np.zeros(3)), b"", b"BVH", b"PK\x05\x06" + bytes(18), b"\x1f\x8b" * 40]
)
def test_what_is_not_a_clip_is_refused_by_its_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "strange.npz").write_bytes(content)
    with pytest.raises(ClipError, match="strange.npz: "):
        load(tmp_path / "strange.npz")


def test_pickled_arrays_are_never_opened(path: Path) -> None:
    rewritten(path, pos=npy(np.array([{"a": 1}], dtype=object)))
    with pytest.raises(ClipError, match="'pos' is pickled, which is never opened"):
        load(path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((60, 14), dtype=np.float32),
        np.zeros(60),
        np.zeros((14, 60)).T,
        np.full((60, 14), np.nan),
        np.zeros((9, 14)),
        np.zeros((60, 13)),
    ],
)
def test_arrays_of_another_kind_are_refused(path: Path, array: np.ndarray) -> None:
    rewritten(path, vel=npy(array))
    with pytest.raises(ClipError, match="sway.npz: 'vel' is "):
        load(path)


def test_a_shape_that_promises_more_than_is_there_reserves_no_memory(path: Path) -> None:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1 << 20)})
    rewritten(path, pos=content.getvalue() + bytes(64))
    with pytest.raises(ClipError, match="another kind or size"):
        load(path)


def test_a_file_that_swells_is_refused_before_it_is_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1 << 16)
    rewritten(path, pos=bytes(1 << 20))
    assert path.stat().st_size < archive.LARGEST
    with pytest.raises(ClipError, match="more than 0 MiB once decompressed"):
        load(path)
    path.write_bytes(bytes(1 << 17))
    with pytest.raises(ClipError, match="larger than 0 MiB"):
        load(path)


def test_foreign_entries_are_refused(path: Path) -> None:
    rewritten(path, extra=b"")
    with pytest.raises(ClipError, match="a clip does not hold .*extra.npy"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 3 of the format, and this myotrack reads versions 1 to 2"),
        ({"version": True}, "version True of the format"),
        ({"version": 2}, "not that of a clip"),
        ({"version": 2, "sizes": None}, "not that of a clip"),
        ({"version": 2, "sizes": {"thigh": 1.0}}, "Sizes have other fields"),
        ({"version": 2, "sizes": Sizes().as_dict() | {"thigh": 9.0}}, "The thigh cannot be 9 times"),
        ({"format": "myotrack trial"}, "this is not a clip"),
        ({"rate": 50.0}, "50.0 frames per second, not 100"),
        ({"frames": 7}, "is not what the header says"),
        ({"fingers": "no"}, "not that of a clip"),
        ({"scale": float("nan")}, "not that of a clip"),
        ({"quality": {"skate": 1.0}}, "not that of a clip"),
        ({"quality": [1]}, "not that of a clip"),
        ({"provenance": {"source": "x"}}, "not that of a clip"),
        ({"name": None}, "not that of a clip"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(path: Path, change: dict, message: str) -> None:
    rewritten(path, header=json.dumps(header(path) | change).encode())
    with pytest.raises(ClipError, match=f"sway.npz: .*{message}"):
        load(path)


@pytest.mark.parametrize("text", [b"{", b"[]", b"[" * 100_000, b"\xff\xfe"])
def test_a_header_that_is_not_json_is_refused(path: Path, text: bytes) -> None:
    rewritten(path, header=text)
    with pytest.raises(ClipError, match="sway.npz: .*myotrack retarget"):
        load(path)


def test_a_folder_is_read_in_the_order_of_names(arms: Anatomy, tmp_path: Path) -> None:
    for file, name in (("1", "c"), ("2", "a"), ("3", "b")):
        save(standing(arms, 2, name), tmp_path / f"{file}.npz")
    (tmp_path / ".4.npz.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert [clip.name for clip in load_folder(tmp_path, arms)] == ["a", "b", "c"]


def test_a_folder_without_clips_or_with_two_of_a_name_is_refused(arms: Anatomy, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="no clips here; make some with `myotrack retarget"):
        load_folder(tmp_path, arms)
    with pytest.raises(ClipError, match="nowhere: there is no such folder"):
        load_folder(tmp_path / "nowhere", arms)
    with pytest.raises(ClipError, match="nowhere.npz: there is no such file"):
        load(tmp_path / "nowhere.npz")
    for file in ("1", "2"):
        save(standing(arms, 2, "walk"), tmp_path / f"{file}.npz")
    with pytest.raises(ClipError, match="2.npz: its clip is called 'walk', as is that in 1.npz"):
        load_folder(tmp_path, arms)
