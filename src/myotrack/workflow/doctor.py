"""What works on this machine, and the command that mends what does not."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

PYTHON = (3, 11)
NEEDED = {
    "mujoco": ">=4.0,<4.1",
    "musclemimic-models": "==1.0.6",
    "torch": ">=2.9",
    "imageio": ">=2.37",
    "imageio-ffmpeg": "",
    "jaxtyping": ">=0.3.4",
    "joblib": ">=1.5",
    "matplotlib": ">=3.9",
    "numba": ">=0.62",
    "numpy": ">=2.0",
    "rich": ">=13.9",
    "safetensors": ">=0.5",
    "scipy": ">=1.14",
    "tyro": ">=1.0",
}
"""Packages that nothing works without, as in `pyproject.toml`."""
ENOUGH_MEMORY = 1.0
"""[GB]. Measured: loading the full body and one state for each of 64 worlds peaks at 0.6 GB."""
ENOUGH_DISK = 1.0
"""[GB]. Tuned: hundreds of films of `myotrack bench --picture bodies.mp4`, which take 2 MB each."""

_DRAW = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 16, 16) as renderer:
    renderer.update_scene(data)
    assert renderer.render().max() > 0, "the picture is black"
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool | None
    """None: it does not work, and physics on a CPU does not need it."""
    detail: str
    mend: str = ""
    """The command that mends it, if there is one."""


def doctor(json: bool = False) -> int:
    """Print what works here; 1 if something that is needed does not."""
    from myotrack.workflow.output import print_json, print_table

    findings = examine()
    healthy = all(finding.ok is not False for finding in findings)
    if json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in findings]})
        return 0 if healthy else 1
    marks = {True: "✓", None: "–", False: "✗"}
    rows = [[marks[finding.ok], finding.what, finding.detail] for finding in findings]
    print_table(
        "What works on this machine",
        ["", "what", "finding"],
        rows,
        "✓ works   – not needed for physics on a CPU   ✗ broken",
    )
    for ok, heading in ((False, "To mend what is broken:"), (None, "To get the rest, if you want it:")):
        commands = dict.fromkeys(finding.mend for finding in findings if finding.ok is ok and finding.mend)
        if commands:
            print(heading, *(f"    {command}" for command in commands), "", sep="\n")
    return 0 if healthy else 1


def examine() -> list[Finding]:
    """Look at everything once, the necessary first."""
    packages = [needed_package(name, wanted) for name, wanted in NEEDED.items()]
    checks: tuple[Callable[[], Finding], ...] = (
        cpu, memory, disk, folder, rendering, warp_package, warp_library, driver, cuda, tensorboard,
    )  # fmt: skip
    return [python(), *packages, *(check() for check in checks)]


def python() -> Finding:
    """The interpreter."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] >= PYTHON:
        return Finding("Python", True, found)
    return Finding("Python", False, f"{found}, but 3.11 or later is needed", "python3.11 -m venv .venv")


def needed_package(name: str, wanted: str) -> Finding:
    """A package that must be there in a fitting version."""
    found = installed(name)
    mend = f"pip install '{name}{wanted}'"
    if found is None:
        return Finding(name, False, "not installed", mend)
    if not meets(found, wanted):
        return Finding(name, False, f"{found}, but {wanted} is needed", mend)
    return Finding(name, True, found)


def cpu() -> Finding:
    """Cores, and the threads that torch takes of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("CPU", False, f"{cores} cores, but torch cannot be loaded: {error}", "pip install -U torch")
    threads = torch.get_num_threads()
    if threads > cores:
        detail = f"{cores} cores, but torch uses {threads} threads: they will wait for each other"
        return Finding("CPU", None, detail, f"export OMP_NUM_THREADS={cores}")
    return Finding("CPU", True, f"{cores} cores, {threads} torch threads")


def memory() -> Finding:
    """Main memory that is free now."""
    free = free_memory()
    if free is None:
        return Finding("memory", None, "this system does not say how much is free")
    if free < ENOUGH_MEMORY:
        return Finding("memory", False, f"{free:.1f} GB free, but {ENOUGH_MEMORY:.0f} GB is needed; close something")
    return Finding("memory", True, f"{free:.1f} GB free")


def disk() -> Finding:
    """Room for runs in the current folder."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < ENOUGH_DISK:
        return Finding("disk", False, f"{free:.1f} GB free in {Path.cwd()}, but {ENOUGH_DISK:.0f} GB is needed")
    return Finding("disk", True, f"{free:.0f} GB free")


def folder() -> Finding:
    """Whether the current folder can be written to, found out by writing."""
    try:
        with tempfile.TemporaryFile(dir=Path.cwd()):
            return Finding("current folder", True, "can be written to")
    except OSError as error:
        detail = f"cannot write in {Path.cwd()}: {error.strerror}"
        return Finding("current folder", False, detail, "mkdir -p ~/myotrack && cd ~/myotrack")


def rendering() -> Finding:
    """Whether a picture can be drawn, found out by drawing one in another process."""
    if installed("mujoco") is None:
        return Finding("pictures", False, "MuJoCo is not installed", f"pip install 'mujoco{NEEDED['mujoco']}'")
    chosen = os.environ.get("MUJOCO_GL", "")
    said = f"MUJOCO_GL={chosen}" if chosen else "MuJoCo's own choice of library"
    trouble = draw(chosen)
    if trouble is None:
        return Finding("pictures", True, f"drawn off screen with {said}")
    if sys.platform != "linux":
        return Finding("pictures", False, f"cannot draw with {said}: {trouble}")
    if chosen != "egl" and draw("egl") is None:
        return Finding("pictures", None, f"cannot draw with {said}, but can with MUJOCO_GL=egl", "export MUJOCO_GL=egl")
    libraries = "apt-get install -y libegl1 libgl1-mesa-dri && export MUJOCO_GL=egl"
    return Finding("pictures", False, f"cannot draw with {said}: {trouble}", libraries)


def warp_package() -> Finding:
    """MuJoCo Warp, which must be of the same minor version as MuJoCo: 4.0 changed the wrapping of tendons."""
    warp, mujoco = installed("mujoco-warp"), installed("mujoco")
    if warp is None:
        return Finding("mujoco-warp", None, "not installed; not needed on a CPU", "pip install 'myotrack[gpu]'")
    if mujoco is None or numbers(warp)[:2] != numbers(mujoco)[:2]:
        detail = f"{warp}, but mujoco is {mujoco or 'missing'}: the same body would move differently on a GPU"
        wanted = NEEDED["mujoco"]
        return Finding("mujoco-warp", False, detail, f"pip install 'mujoco{wanted}' 'mujoco-warp{wanted}'")
    return Finding("mujoco-warp", True, f"{warp}, as mujoco {mujoco}")


def warp_library() -> Finding:
    """What MuJoCo Warp is written in."""
    found = installed("warp-lang")
    if found is None:
        return Finding("warp-lang", None, "not installed; not needed on a CPU", "pip install 'myotrack[gpu]'")
    return Finding("warp-lang", True, found)


def driver() -> Finding:
    """NVIDIA's driver, asked by its own tool."""
    found = nvidia_driver()
    if found is None:
        return Finding("NVIDIA driver", None, "none found; not needed on a CPU")
    return Finding("NVIDIA driver", True, found)


def cuda() -> Finding:
    """Whether torch and Warp both see the GPU."""
    if installed("torch") is None:
        return Finding("CUDA", None, "torch is not installed")
    import torch

    if not torch.cuda.is_available():
        if nvidia_driver() is None:
            return Finding("CUDA", None, "no device; not needed on a CPU")
        if torch.version.cuda is None:
            detail = "there is a GPU, but this torch was built without CUDA"
            return Finding("CUDA", None, detail, "pip install --force-reinstall torch")
        return Finding("CUDA", None, f"torch for CUDA {torch.version.cuda} sees no device: is the driver older?")
    name = torch.cuda.get_device_name(0)
    if installed("warp-lang") is None:
        return Finding("CUDA", None, f"{name}, but warp-lang is not installed", "pip install 'myotrack[gpu]'")
    if warp_devices() == 0:
        return Finding("CUDA", None, f"torch sees {name}, but Warp sees no device", "pip install -U warp-lang")
    return Finding("CUDA", True, f"{name}, {torch.cuda.device_count()} in all, seen by torch and Warp")


def tensorboard() -> Finding:
    """The optional reader of training logs."""
    found = installed("tensorboard")
    if found is None:
        return Finding("tensorboard", None, "not installed; optional", "pip install tensorboard")
    return Finding("tensorboard", True, found)


def installed(name: str) -> str | None:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def meets(version: str, wanted: str) -> bool:
    """Whether a version satisfies a requirement such as '>=4.0,<4.1'; '2.13.0+cpu' counts as 2.13.0."""
    for clause in filter(None, wanted.split(",")):
        sign = clause.rstrip("0123456789.")
        have, limit = numbers(version), numbers(clause.removeprefix(sign))
        length = max(len(have), len(limit))
        have += (0,) * (length - len(have))
        limit += (0,) * (length - len(limit))
        if not {">=": have >= limit, "<": have < limit, "==": have == limit}[sign]:
            return False
    return True


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: '4.0.1.dev3+cpu' is (4, 0, 1)."""
    parts: list[int] = []
    for part in version.partition("+")[0].split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def free_memory() -> float | None:
    """Memory a new program can have [GB]."""
    table = Path("/proc/meminfo")
    if not table.exists():
        return None
    lines = dict(line.split(":") for line in table.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024 / 1e9


def draw(library: str) -> str | None:
    """Draw a small picture with an OpenGL library ('' leaves the choice to MuJoCo); what went wrong, or None."""
    environment = dict(os.environ) | ({"MUJOCO_GL": library} if library else {})
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DRAW], env=environment, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "no answer in two minutes"
    if done.returncode == 0:
        return None
    # The first error is the cause; what a closing renderer adds after it would only hide it.
    error = re.search(r"\b\w*Error: .*", done.stderr)
    return error.group() if error else done.stderr.strip()[-200:] or f"exit status {done.returncode}"


def nvidia_driver() -> str | None:
    """Driver version, name and memory of each GPU, or None without a working driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    question = [tool, "--query-gpu=driver_version,name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(question, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return "; ".join(done.stdout.strip().splitlines()) if done.returncode == 0 and done.stdout.strip() else None


def warp_devices() -> int:
    """How many GPUs Warp sees."""
    import warp

    warp.config.quiet = True  # Its greeting would spoil the one JSON object on standard output.
    return warp.get_cuda_device_count()
