"""The log of a training: whole lines, as many as the checkpoint knows, and nothing that JSON cannot say."""

import errno
import io
import json
import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from myotrack.train.log import LOG, RunLog, read_log


def written(folder: Path, rows: int) -> Path:
    """A log with so many rows."""
    with RunLog(folder, 0) as log:
        for number in range(rows):
            log.add({"stage": "line", "row": number + 1, "steps_total": 16 * (number + 1), "score": 0.1 * number})
    return folder / LOG


def test_every_row_is_in_the_file_before_the_log_is_closed(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        for number in range(3):
            log.add({"row": number, "score": 1 / 3})
            # Read back to the last bit.
            assert read_log(tmp_path / LOG)[-1] == {"row": number, "score": 1 / 3}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    content = path.read_bytes()
    length = len(content.splitlines(keepends=True)[0])
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        assert [row["row"] for row in read_log(path)] == list(range(1, whole + 1))
    path.write_bytes(content[:length] + b"\xff\xfe")
    assert len(read_log(path)) == 1


def test_rows_later_than_the_checkpoint_are_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path, 4)
    before = path.read_bytes().splitlines(keepends=True)
    with path.open("ab") as stream:
        stream.write(b'{"row": 5, "sco')
    with RunLog(tmp_path, 2) as log:
        log.add({"row": 9})
    assert path.read_bytes() == b"".join(before[:2]) + b'{"row": 9}\n'


def test_a_torn_line_never_runs_into_the_next(tmp_path: Path) -> None:
    path = written(tmp_path, 1)
    with path.open("ab") as stream:
        stream.write(b'{"row": 2')
    with RunLog(tmp_path, 5) as log:
        log.add({"row": 2})
    assert [json.loads(line)["row"] for line in path.read_text().splitlines()] == [1, 2]


def test_what_is_not_a_number_is_null(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        log.add({"length": math.nan, "rate": math.inf, "score": 1.0})
    assert (tmp_path / LOG).read_text() == '{"length": null, "rate": null, "score": 1.0}\n'


def test_no_log_has_no_rows(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none.jsonl") == []


def test_a_full_disk_is_told_with_the_name_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 2)

    class Full(io.FileIO):
        """Takes five bytes, then no more."""

        taken = 0

        def write(self, content: Any) -> int:
            if self.taken == 5:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.taken += 5
            return super().write(content[:5])

    def opened(path: Path, mode: str, buffering: int = -1) -> Any:
        return Full(path, mode) if mode == "ab" else open(path, mode, buffering)

    monkeypatch.setattr(Path, "open", opened)
    with RunLog(tmp_path, 2) as log, pytest.raises(OSError, match=f"{LOG}: the log could not be written .No space"):
        log.add({"row": 3})
    monkeypatch.undo()
    assert [row["row"] for row in read_log(tmp_path / LOG)] == [1, 2]


def test_tensorboard_gets_the_same_numbers_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple] = []

    class SummaryWriter:
        """Stands for TensorBoard's."""

        def __init__(self, folder: str, purge_step: int) -> None:
            calls.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def close(self) -> None:
            calls.append(())

    written(tmp_path, 3)
    board = ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = SummaryWriter
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "tensorboard")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    with RunLog(tmp_path, 2) as log:
        log.add({"stage": "ppo", "steps_total": 48, "score": 0.5, "words": "none"})
    # Two rows of 16 steps are kept, so what was told of step 33 and later is forgotten.
    folder = str(tmp_path / "tensorboard")
    assert calls == [(folder, 33), ("ppo/steps_total", 48, 48), ("ppo/score", 0.5, 48), ()]
