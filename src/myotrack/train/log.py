"""The log of a training: a JSON object per line, and TensorBoard where it is installed. Nothing leaves the machine.

    with RunLog(folder, keep=0) as log:
        log.add({"stage": "clone", "row": 1, "steps_total": 9600, "score": 0.71})
    rows = read_log(folder / "log.jsonl")

TensorBoard reads `tensorboard/` in the same folder; `pip install tensorboard` is all it takes.
"""

import importlib.util
import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

LOG = "log.jsonl"
BOARD = "tensorboard"
Row = dict[str, Any]
"""Texts and numbers by name; None where a number did not exist, such as the length of episodes when none has ended."""


class RunLog:
    """Appends rows. A row is in the file when `add` returns, whatever happens to this process afterwards."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Open the log of a run.

        Args:
            folder: Of the run.
            keep: Rows to keep, as many as the checkpoint has seen; what comes after them is cut off.

        Raises:
            OSError: The log cannot be written.
        """
        self._path = folder / LOG
        kept, size = _whole(self._path.read_bytes() if self._path.is_file() else b"", keep)
        # Without a buffer, nothing is left over that a later close would have to write to a full disk.
        self._stream = self._path.open("ab", buffering=0)
        self._stream.truncate(size)
        self._board = _board(folder, kept[-1].get("steps_total", 0) + 1 if kept else 0)

    def add(self, row: Row) -> None:
        """Write a row; 'steps_total' is where TensorBoard puts it. What is not a number is written as null.

        Raises:
            OSError: The disk is full; the message names the file.
        """
        line = _line(row)
        try:
            while line:
                line = line[self._stream.write(line) :]
        except OSError as error:
            raise OSError(
                f"{self._path}: the log could not be written ({error.strerror}); make room and go on with --resume."
            ) from error
        if self._board is not None:
            for name, value in row.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{row.get('stage', 'train')}/{name}", value, row.get("steps_total", 0))

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self._stream.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[Row]:
    """The rows of a log, up to the first that is torn; none if there is no log."""
    return _whole(path.read_bytes())[0] if path.is_file() else []


def _whole(content: bytes, most: int | None = None) -> tuple[list[Row], int]:
    """The first rows that are whole, and how many bytes they take."""
    rows: list[Row] = []
    size = 0
    for line in content.splitlines(keepends=True)[:most]:
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or not line.endswith(b"\n"):
            break
        rows.append(row)
        size += len(line)
    return rows, size


def _line(row: Row) -> bytes:
    # JSON has no word for what is not a number.
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
    return json.dumps(plain, allow_nan=False).encode() + b"\n"


def _board(folder: Path, purge: int) -> Any:
    """A writer for TensorBoard, which forgets what it was told of later steps; None without it."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / BOARD), purge_step=purge)
