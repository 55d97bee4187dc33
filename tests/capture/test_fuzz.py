"""Damaged files load or are refused in a sentence that names them; nothing crashes, hangs or fills the memory.

pytest tests/capture/test_fuzz.py             a few mutants of small files
pytest -m slow tests/capture/test_fuzz.py     500 mutants of each format, and of real files cut short
"""

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture import seeds

ROOT = Path(__file__).parents[2]
FEW, MANY = 25, 500

SEEDS: dict[str, Callable[[], bytes]] = {
    "made.c3d": seeds.standing_c3d,
    "dec.c3d": lambda: seeds.c3d(seeds.walker(20) * 1000, processor=seeds.DEC),
    "mips.c3d": lambda: seeds.c3d(seeds.walker(20) * 1000, processor=seeds.MIPS, integer=True),
    "made.trc": lambda: seeds.trc(seeds.walker()),
    "made.mot": seeds.coordinates_mot,
    "forces.sto": seeds.forces_mot,
    "made.anc": seeds.anc,
    "made.trc.gz": lambda: gzip.compress(seeds.trc(seeds.walker()), mtime=0),
    "made.bvh": seeds.bvh,
    "made.amc": seeds.amc,
    "made.asf": seeds.asf,
    "amass.npz": seeds.amass,
    "qpos.npz": seeds.trajectory,
    "made.c3d.gz": lambda: gzip.compress(seeds.standing_c3d(), mtime=0),
}
NEIGHBOURS = {"made.amc": ("made.asf",), "made.asf": ("made.amc",)}


def cut_lines(content: bytes, lines: int = 60) -> bytes:
    """The beginning of a text file."""
    return b"\n".join(content.split(b"\n")[:lines])


def cut_frames(content: bytes, frames: int = 10) -> bytes:
    """A C3D file, Intel and with floats, of the first frames only."""
    points, analog, first = struct.unpack("<3H", content[2:8])
    (block,) = struct.unpack("<H", content[16:18])
    length = (block - 1) * 512 + frames * (4 * points + analog) * 4
    return content[:8] + struct.pack("<H", first + frames - 1) + content[10:length]


REAL: dict[str, Callable[[bytes], bytes]] = {
    "cmu_bvh/02_01.bvh.gz": lambda content: cut_lines(content, 240),
    "amass_layout/CMU_09_01_poses.npz": lambda content: content,
    "biomechzoo/HC002D06_Straight.c3d.gz": cut_frames,
    "cmu_c3d/02_05.c3d": cut_frames,
    "opensim_c3d/walking2.c3d.gz": cut_frames,
    "rajagopal2016/motion_capture_walk.trc": cut_lines,
    "rajagopal2016/static_run.trc.gz": cut_lines,
    "rajagopal2016/grf_run.mot": cut_lines,
    "rajagopal2016/moco_coordinates.sto.gz": cut_lines,
    "rajagopal2016/run_IK_outputReference.mot": cut_lines,
    "rajagopal2016/emg_walk_raw.anc": cut_lines,
}


def survive(file: Path, count: int) -> None:
    """Read mutants of a file in a process of its own; fail with all that misbehaved."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.capture.mutations", str(file), str(count)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60 + 6 * count,
        check=False,
    )
    failures = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    listed = "\n".join(f"mutant {each['mutant']}: {each['trouble']}" for each in failures[:10])
    assert not failures, f"{len(failures)} of {count} mutants of {file.name} misbehave:\n{listed}"
    assert run.returncode == 0, f"the reader of {file.name} crashed or hung:\n{run.stderr[-3000:]}"


def written(folder: Path, name: str, content: bytes) -> Path:
    for neighbour in NEIGHBOURS.get(name, ()):
        (folder / neighbour).write_bytes(SEEDS[neighbour]())
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", SEEDS)
def test_a_few_mutants(tmp_path: Path, name: str) -> None:
    survive(written(tmp_path, name, SEEDS[name]()), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_many_mutants(tmp_path: Path, name: str) -> None:
    survive(written(tmp_path, name, SEEDS[name]()), MANY)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_many_mutants_of_real_files_cut_short(tmp_path: Path, data_folder: Path, name: str) -> None:
    from myotrack.capture.source import Source

    content = REAL[name](Source.open(data_folder / name).content)
    survive(written(tmp_path, Path(name).name.removesuffix(".gz"), content), MANY)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02.asf", "made.amc"])
def test_many_mutants_of_a_real_skeleton_and_its_motion(tmp_path: Path, data_folder: Path, name: str) -> None:
    skeleton = (data_folder / "cmu_asfamc/02.asf").read_bytes()
    motion = cut_lines((data_folder / "cmu_asfamc/02_01.amc").read_bytes(), 300)
    (tmp_path / "02.asf").write_bytes(skeleton)
    (tmp_path / "made.amc").write_bytes(motion)
    survive(tmp_path / name, MANY)
