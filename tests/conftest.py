"""What several tests need: the bodies, recordings if there are any, reproducible randomness."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from myotrack.anatomy.model import Anatomy

ROOT = Path(__file__).parents[1]
os.environ.setdefault("MUJOCO_GL", "egl")  # Tests draw without a screen.

# Workers that share cores make each other wait: each gets one, where the system can tell a process its core.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if _WORKER and hasattr(os, "sched_setaffinity"):
    _CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_CORES[int(_WORKER.removeprefix("gw")) % len(_CORES)]})

# A slow moment of a shared machine is no fault of the code, and the same commit must give the same verdict twice.
settings.register_profile("myotrack", deadline=None, derandomize=True)
settings.load_profile("myotrack")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Test workers share the cores: one torch thread each."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Recordings that are not part of the project: MYOTRACK_DATA, or a folder beside the repository."""
    folder = (ROOT / os.environ.get("MYOTRACK_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"No recordings in {folder}. Set MYOTRACK_DATA to the folder that holds them.")
    return folder


@pytest.fixture(scope="session")
def full() -> "Anatomy":
    from myotrack.anatomy.model import Anatomy

    return Anatomy.load("full")


@pytest.fixture(scope="session")
def arms() -> "Anatomy":
    from myotrack.anatomy.model import Anatomy

    return Anatomy.load("arms")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
