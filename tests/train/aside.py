"""Processes beside the test, to be killed: torch is imported once for all of them."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
# Optimisers import `torch._dynamo` when they first step.
_CONTEXT.set_forkserver_preload(["torch._dynamo", "myotrack.train.trainer", "tests.train.learners"])


@contextmanager
def aside(work: Callable[..., None], *args: Any) -> Iterator[BaseProcess]:
    """A process that does something meanwhile; it is killed if it still lives at the end."""
    process = _CONTEXT.Process(target=work, args=args)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def wait_for(path: Path, seconds: float = 60.0) -> None:
    """Until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)
