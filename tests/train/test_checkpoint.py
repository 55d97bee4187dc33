"""Checkpoints: whole or not at all, nothing executed, one sentence for what cannot be used."""

import errno
import json
import math
import os
import pickle
import random
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from myotrack.train.checkpoint import LARGEST, CheckpointError, Shards, first_not_finite, load, part_of, save, sweep
from tests.train.aside import aside, wait_for

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.count": torch.tensor(7), "b": torch.zeros(0)}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one.safetensors"
    save(path, TENSORS, {"body_hash": "ab", "count": {"rows": 3}})
    tensors, about = load(path)
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert torch.equal(tensors[name], value)
    assert about["body_hash"] == "ab"
    assert about["count"] == {"rows": 3}
    assert [each.name for each in path.parent.iterdir()] == ["one.safetensors"]
    assert part_of(tensors, "a.").keys() == {"weight", "count"}


def test_what_is_not_a_number_is_named() -> None:
    assert first_not_finite(TENSORS) is None
    assert first_not_finite(TENSORS | {"c": torch.tensor([1.0, torch.inf])}) == "c"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged or cut off"),
        (b"\x00" * 200, "damaged or cut off"),
        (b"\xff" * 8 + b"{}", "damaged or cut off"),
        (pickle.dumps({"a": 1}), "damaged or cut off"),
    ],
)
def test_a_file_that_is_no_checkpoint_gets_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_every_cut_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save(whole, TENSORS, {})
    content = whole.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(0, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load(cut)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "is no checkpoint of myotrack"),
        ({"myotrack": "{"}, "header of this checkpoint is damaged"),
        ({"myotrack": '{"format": "cake"}'}, "is no checkpoint of myotrack"),
        (
            {"myotrack": '{"format": "myotrack checkpoint", "version": 99}'},
            "is of version 99, and this myotrack reads 1",
        ),
    ],
)
def test_foreign_and_newer_files_are_told_apart(tmp_path: Path, metadata: dict[str, str] | None, words: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match=words):
        load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file; train a policy with `myotrack train`"):
        load(tmp_path / "none.safetensors")


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    save(path, TENSORS, {"turn": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"could not be written \(No space left on device\); the one before it is still"):
        save(path, TENSORS, {"turn": 2})
    assert load(path)[1]["turn"] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_disk_that_is_full_from_the_start_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="could not be written .*; there was none before it"):
        save(tmp_path / "last.safetensors", TENSORS, {})
    assert not list(tmp_path.iterdir())


def write_too_much(path: Path) -> None:
    """Save what is small, then what is beyond a limit, and tell of both."""
    save(path, {"a": torch.zeros(10)}, {})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        save(path, {"a": torch.zeros(1_000_000)}, {})
    except OSError as error:
        path.with_suffix(".txt").write_text(str(error))


def test_a_file_that_can_only_be_written_in_part_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with aside(write_too_much, path) as child:
        child.join(60)
        assert child.exitcode == 0
    assert "could not be written (File too large); the one before it is still there" in (tmp_path / "a.txt").read_text()
    assert load(path)[0]["a"].shape == (10,)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.safetensors", "a.txt"]


def write_for_ever(path: Path) -> None:
    """Save 8 MB that all say in which turn."""
    turn = 0
    while True:
        turn += 1
        save(path, {"a": torch.full((2_000_000,), float(turn))}, {"turn": turn})


def test_a_writer_that_is_killed_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    halves, attempt = 0, 0
    # Six kills at least, and more until one has met the writing itself, in which most of the time goes.
    while attempt < 6 or (halves == 0 and attempt < 60):
        with aside(write_for_ever, path) as child:
            wait_for(path)
            time.sleep(0.023 * (attempt % 6) + 0.001 * (attempt // 6))
            child.kill()
            child.join()
        tensors, about = load(path)
        assert (tensors["a"] == about["turn"]).all()
        path.unlink()
        halves += len(list(tmp_path.glob(".*.part")))
        sweep(tmp_path)
        assert not list(tmp_path.iterdir())
        attempt += 1
    assert halves > 0


def test_names_may_share_memory(tmp_path: Path) -> None:
    path, both = tmp_path / "a.safetensors", torch.arange(4.0)
    save(path, {"a": both, "b": both, "turned": both.view(2, 2).T, "end": both[2:]}, {})
    tensors, _ = load(path)
    for name, wanted in {"a": both, "b": both, "turned": both.view(2, 2).T, "end": both[2:]}.items():
        assert torch.equal(tensors[name], wanted)


def test_a_header_that_json_has_no_words_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(tmp_path / "a.safetensors", {}, {"score": math.nan})
    assert not list(tmp_path.iterdir())


def test_a_file_that_promises_more_than_it_has_reserves_no_memory(tmp_path: Path) -> None:
    path, elements = tmp_path / "huge.safetensors", 1 << 46
    entry = {"dtype": "F32", "shape": [elements], "data_offsets": [0, 4 * elements]}
    header = json.dumps({"__metadata__": {"myotrack": "{}"}, "a": entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 64)
    with pytest.raises(CheckpointError, match="damaged or cut off"):
        load(path)
    # A file with a hole takes no room on the disk either.
    os.truncate(path, LARGEST + 1)
    with pytest.raises(CheckpointError, match="larger than 8 GiB, so it is no checkpoint of ours"):
        load(path)


def test_any_changed_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, TENSORS, {})
    content, draw = path.read_bytes(), random.Random(0)
    end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(300):
        changed = bytearray(content)
        changed[draw.randrange(end)] = draw.randrange(256)
        path.write_bytes(changed)
        # No other kind of error comes out.
        with suppress(CheckpointError):
            load(path)


def shards_of(folder: Path, count: int) -> Shards:
    shards = Shards(folder)
    for number in range(count):
        shards.append({"rows": torch.full((2,), float(number))})
    return shards


def firsts(shards: Shards, count: int) -> list[float]:
    return [float(each["rows"][0]) for each in shards.load(count)]


def test_shards_grow_and_are_trimmed(tmp_path: Path) -> None:
    shards = shards_of(tmp_path / "rows", 3)
    assert firsts(shards, 3) == [0.0, 1.0, 2.0]
    shards.trim(1)
    assert len(list((tmp_path / "rows").iterdir())) == 1
    shards.append({"rows": torch.full((2,), 9.0)})
    assert firsts(shards, 2) == [0.0, 9.0]
    with pytest.raises(CheckpointError, match="there is no such file"):
        shards.load(3)
    shards.clear()
    assert not list((tmp_path / "rows").iterdir())


def test_a_kill_while_shards_are_trimmed_leaves_no_stale_ones_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = shards_of(tmp_path, 6)
    unlink, left = Path.unlink, [2]

    def killed(path: Path, missing_ok: bool = False) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", killed)
        shards.trim(2)
    # Two of the four are gone; there is no gap.
    assert firsts(shards, 4) == [0.0, 1.0, 2.0, 3.0]
    shards.trim(2)
    shards.append({"rows": torch.full((2,), 9.0)})
    assert firsts(shards, 3) == [0.0, 1.0, 9.0]
    assert len(list(tmp_path.iterdir())) == 3


def test_what_a_killed_writer_of_shards_left_is_swept(tmp_path: Path) -> None:
    shards = shards_of(tmp_path, 1)
    (tmp_path / ".00001.safetensors.ab12.part").write_bytes(b"half")
    shards.trim(1)
    assert [each.name for each in tmp_path.iterdir()] == ["00000.safetensors"]


def test_a_header_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.zeros(1)}, {"words": "Grüße"})
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + length])
    assert json.loads(header["__metadata__"]["myotrack"])["words"] == "Grüße"
