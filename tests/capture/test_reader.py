"""`read` tells a file by its content, then by its suffix, and refuses in one sentence that names it."""

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myotrack.capture import reader
from myotrack.capture.reader import read
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError
from tests.capture import seeds

MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "C3D": (".c3d", seeds.standing_c3d),
    "TRC": (".trc", lambda: seeds.trc(seeds.walker())),
    "OpenSim storage": (".mot", seeds.coordinates_mot),
    "ANC": (".anc", seeds.anc),
    "BVH": (".bvh", seeds.bvh),
    "AMASS": (".npz", seeds.amass),
    "trajectory": (".npz", seeds.trajectory),
}


def equal(one: Recording, other: Recording) -> bool:
    """Whether two recordings hold the same motion."""
    first, second = (r.points if r.points is not None else r.coordinates and r.coordinates.values for r in (one, other))
    if first is None or second is None:
        return one.emg is not None and other.emg is not None and np.array_equal(one.emg.values, other.emg.values)
    return np.array_equal(first, second, equal_nan=True)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_the_content_decides_not_the_suffix(tmp_path: Path, name: str, packed: bool) -> None:
    suffix, make = MADE[name]
    right = tmp_path / f"right{suffix}"
    right.write_bytes(make())
    expected = read(right)
    assert expected.origin.format == name and expected.name == "right"
    for wrong in (".c3d", ".bvh", ".mot", ".npz", "", ".gz"):
        path = tmp_path / f"wrong{wrong}"
        path.write_bytes(gzip.compress(make()) if packed else make())
        assert equal(read(path), expected)


def test_a_motion_finds_its_skeleton_beside_it_or_is_given_one(tmp_path: Path) -> None:
    (tmp_path / "walk.txt").write_bytes(seeds.amc())
    with pytest.raises(CaptureError, match="walk.txt: .*(skeleton|ASF)"):
        read(tmp_path / "walk.txt")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "bones.asf").write_bytes(seeds.asf())
    given = read(tmp_path / "walk.txt", skeleton=tmp_path / "elsewhere" / "bones.asf")
    (tmp_path / "any.asf").write_bytes(seeds.asf())
    assert equal(read(tmp_path / "walk.txt"), given) and given.origin.format == "ASF/AMC"
    with pytest.raises(CaptureError, match="any.asf: .*give the AMC file"):
        read(tmp_path / "any.asf")


def test_the_digest_is_that_of_the_bytes_on_disk(tmp_path: Path) -> None:
    one, two = tmp_path / "a.trc", tmp_path / "a.trc.gz"
    one.write_bytes(seeds.trc(seeds.walker()))
    two.write_bytes(gzip.compress(seeds.trc(seeds.walker())))
    assert read(one).name == read(two).name == "a"
    assert read(one).origin.sha256 != read(two).origin.sha256


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"content")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
        (b"MZ\x90\x00" + bytes(100), "a program"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (zipped("walk.txt"), "ZIP"),
        (seeds.npz(v_template=np.zeros((9, 3)), shapedirs=np.zeros((9, 3, 10))), "body model"),
        (seeds.npz(angles=np.zeros((9, 3))), "poses, trans"),
        (pickle.dumps({"poses": [1, 2, 3]}), "pickle"),
        (pickle.dumps([1.0, 2.0], protocol=2), "pickle"),
        (b"Kaydara FBX Binary  \x00", "export it as BVH"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"hello, this is a letter\n", "no known kind.*ASF/AMC.*BVH.*C3D.*TRC"),
        (bytes(600), "no known kind"),
    ],
)
def test_what_is_no_motion_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "thing.dat"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=f"thing.dat: .*{words}"):
        read(path)


@pytest.mark.parametrize("suffix", [".c3d", ".bvh", ".trc", ".mot", ".sto", ".anc", ".amc", ".npz"])
def test_a_promising_suffix_gets_that_format_s_complaint(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.write_bytes(b"nothing of the kind\n")
    with pytest.raises(CaptureError, match=f"empty{suffix}: ") as caught:
        read(path)
    assert "no known kind" not in str(caught.value)


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.c3d").touch()
    for name, words in (("none.c3d", "no such file"), (".", "not a file"), ("empty.c3d", "empty")):
        with pytest.raises(CaptureError, match=words):
            read(tmp_path / name)


@pytest.mark.parametrize(
    "escaped",
    [ValueError("bad"), IndexError(), MemoryError(), UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), OSError(2, "gone")],
    ids=lambda error: type(error).__name__,
)
def test_nothing_else_than_capture_error_leaves_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, escaped: Exception
) -> None:
    def stumble(source: object, *rest: object) -> Recording:
        raise escaped

    monkeypatch.setattr(reader, "read_c3d", stumble)
    path = tmp_path / "made.c3d"
    path.write_bytes(seeds.standing_c3d())
    with pytest.raises(CaptureError, match="made.c3d: "):
        read(path)


@pytest.mark.parametrize(
    "prefix",
    [
        b"", b"\x1f\x8b\x08", b"\x02\x50", b"PK\x03\x04", b"\x80\x04", b"HIERARCHY\n", b"PathFileType\t4\n",
        b"Coordinates\nendheader\n", b"File_Type: Analog\nName A\nRange 1\n", b":FULLY-SPECIFIED\n:DEGREES\n1\n",
        b":version 1.10\n:units\n", seeds.standing_c3d()[:1024], seeds.coordinates_mot()[:60],
        seeds.trc(seeds.walker())[:300], seeds.bvh()[:200],
    ],
    ids=lambda prefix: prefix[:8].hex(),
)  # fmt: skip
def test_arbitrary_bytes_load_or_are_refused(tmp_path_factory: pytest.TempPathFactory, prefix: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.bin"

    @settings(max_examples=30)
    @given(st.binary(max_size=2000) | st.text(max_size=500).map(str.encode))
    def check(tail: bytes) -> None:
        path.write_bytes(prefix + tail)
        try:
            assert isinstance(read(path), Recording)
        except CaptureError as error:
            assert str(path) in str(error)

    check()


def test_every_real_file_loads_whatever_its_name(data_folder: Path, tmp_path: Path) -> None:
    folders = ("biomechzoo", "cmu_c3d", "opensim_c3d", "rajagopal2016")
    suffixes = (".c3d", ".trc", ".mot", ".sto", ".anc")
    files = [
        path
        for folder in folders
        for path in sorted((data_folder / folder).iterdir())
        if path.name.removesuffix(".gz").endswith(suffixes)
    ]
    assert len(files) >= 14
    for path in files:
        recording = read(path)
        disguised = tmp_path / "disguised.bvh"
        disguised.write_bytes(path.read_bytes())
        assert equal(read(disguised), recording) or recording.kind == "signals"
        assert recording.origin.file == path.name and recording.name in path.name
