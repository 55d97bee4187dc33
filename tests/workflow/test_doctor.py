"""The doctor finds what is broken, says so with the command that mends it, and does not cry wolf on a CPU."""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from myotrack.workflow import doctor as clinic
from myotrack.workflow.doctor import Finding, doctor, meets

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
HEALTHY = {name: wanted.strip("=>").split(",")[0] or "1.0" for name, wanted in clinic.NEEDED.items()} | {
    "mujoco": "4.0.0",
    "mujoco-warp": "4.0.2",
    "warp-lang": "1.19.0",
}

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Pretend that packages have these versions; None takes one away."""

    def pretend(**versions: str | None) -> None:
        changed = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(clinic, "installed", (HEALTHY | changed).get)

    pretend()
    monkeypatch.setattr(clinic, "draw", lambda library: None)
    monkeypatch.setattr(clinic, "nvidia_driver", lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return pretend


def found(what: str) -> Finding:
    return next(finding for finding in clinic.examine() if finding.what == what)


@pytest.mark.parametrize("name", clinic.NEEDED)
def test_a_missing_package_is_reported_with_the_command_that_installs_it(name: str, install: Install) -> None:
    install(**{name.replace("-", "_"): None})
    assert found(name) == Finding(name, False, "not installed", f"pip install '{name}{clinic.NEEDED[name]}'")


@pytest.mark.parametrize(
    ("name", "version"), [("mujoco", "3.9.1"), ("mujoco", "4.1.0"), ("musclemimic-models", "1.0.7"), ("torch", "2.5.1")]
)
def test_a_package_of_the_wrong_version_is_a_failure_naming_both(name: str, version: str, install: Install) -> None:
    install(**{name.replace("-", "_"): version})
    wanted = clinic.NEEDED[name]
    assert found(name) == Finding(name, False, f"{version}, but {wanted} is needed", f"pip install '{name}{wanted}'")


def test_different_minor_versions_of_the_simulators_are_a_failure_naming_both(install: Install) -> None:
    install(mujoco="4.0.3", mujoco_warp="4.1.2")
    finding = found("mujoco-warp")
    assert finding.ok is False
    assert "4.0.3" in finding.detail and "4.1.2" in finding.detail
    assert finding.mend == "pip install 'mujoco>=4.0,<4.1' 'mujoco-warp>=4.0,<4.1'"


def test_different_patch_versions_of_the_simulators_are_fine(install: Install) -> None:
    install(mujoco="4.0.3", mujoco_warp="4.0.0")
    assert found("mujoco-warp").ok is True


@pytest.mark.parametrize("name", ["mujoco-warp", "warp-lang"])
def test_what_only_a_gpu_needs_is_no_failure_when_absent(name: str, install: Install) -> None:
    install(**{name.replace("-", "_"): None})
    assert found(name).ok is None
    assert found(name).mend == "pip install 'myotrack[gpu]'"
    assert doctor() == 0


def test_a_machine_without_a_gpu_is_healthy(install: Install) -> None:
    assert {found("CUDA").ok, found("NVIDIA driver").ok} == {None}
    assert doctor() == 0


def test_a_gpu_that_torch_was_not_built_for_comes_with_a_command(install: Install, monkeypatch) -> None:
    monkeypatch.setattr(clinic, "nvidia_driver", lambda: "570.1, Some GPU, 80 GiB")
    monkeypatch.setattr("torch.version.cuda", None)
    assert found("NVIDIA driver") == Finding("NVIDIA driver", True, "570.1, Some GPU, 80 GiB")
    assert found("CUDA").mend == "pip install --force-reinstall torch"


@pytest.mark.parametrize(("devices", "ok"), [(0, None), (1, True)])
def test_cuda_works_only_if_warp_sees_the_device_too(devices: int, ok: bool | None, install: Install, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr(clinic, "warp_devices", lambda: devices)
    assert found("CUDA").ok is ok
    assert "Some GPU" in found("CUDA").detail


@pytest.mark.parametrize(
    ("chosen", "working", "ok", "mend"),
    [
        ("", "", True, ""),
        ("egl", "egl", True, ""),
        ("", "egl", None, "export MUJOCO_GL=egl"),
        ("glfw", "egl", None, "export MUJOCO_GL=egl"),
        ("egl", "none", False, "apt-get install -y libegl1 libgl1-mesa-dri && export MUJOCO_GL=egl"),
        ("", "none", False, "apt-get install -y libegl1 libgl1-mesa-dri && export MUJOCO_GL=egl"),
    ],
)
def test_pictures_that_fail_come_with_the_next_thing_to_try(
    chosen: str, working: str, ok: bool | None, mend: str, install: Install, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("MUJOCO_GL", chosen)
    monkeypatch.setattr(clinic, "draw", lambda library: None if library == working else "GLError: no display")
    finding = found("pictures")
    assert (finding.ok, finding.mend) == (ok, mend)
    assert ok is not False or "GLError: no display" in finding.detail


def test_an_opengl_library_that_does_not_exist_is_found_by_drawing() -> None:
    trouble = clinic.draw("nonsense")
    assert trouble is not None and "nonsense" in trouble


def test_little_memory_is_a_failure_that_says_how_little(install: Install, monkeypatch) -> None:
    monkeypatch.setattr(clinic, "free_memory", lambda: 0.3)
    assert found("memory").ok is False
    assert "0.3 GB free, but 1 GB is needed" in found("memory").detail


def test_a_folder_that_refuses_a_file_is_a_failure(install: Install, monkeypatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(clinic.tempfile, "TemporaryFile", refuse)
    assert found("current folder").ok is False
    assert "Permission denied" in found("current folder").detail


def test_the_exit_status_is_one_if_something_needed_is_broken(install: Install) -> None:
    install(mujoco=None)
    assert doctor() == 1


@pytest.mark.parametrize("torch", [None, "2.13.0+cpu"])
def test_json_is_exactly_one_object_on_standard_output(torch: str | None, install: Install, capfd) -> None:
    install(torch=torch)
    status = doctor(json=True)
    report = json.loads(capfd.readouterr().out)
    assert report["healthy"] is (torch is not None) is (status == 0)
    assert {tuple(finding) for finding in report["findings"]} == {("what", "ok", "detail", "mend")}


def test_commands_are_printed_letter_by_letter_on_a_line_of_their_own(install: Install, capsys) -> None:
    install(mujoco_warp=None, warp_lang=None, musclemimic_models=None)
    doctor()
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("    pip install 'musclemimic-models==1.0.6'") == 1
    assert lines.count("    pip install 'myotrack[gpu]'") == 1


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("4.0", ">=4.0,<4.1", True),
        ("4.0.12", ">=4.0,<4.1", True),
        ("4.1.0", ">=4.0,<4.1", False),
        ("3.10", ">=4.0,<4.1", False),
        ("2.13.0+cpu", ">=2.6", True),
        ("1.0.6", "==1.0.6", True),
        ("1.0.60", "==1.0.6", False),
        ("10.0", ">=9.1", True),
        ("2.0", ">=2.0.0", True),
        ("0.1", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, wanted: str, fits: bool) -> None:
    assert meets(version, wanted) is fits


def test_the_doctor_asks_for_what_the_project_declares() -> None:
    declared = dict(re.match(r"([\w-]+)(?:\[\w+\])?(.*)", line).groups() for line in PROJECT["dependencies"])
    asked = {name: wanted for name, wanted in clinic.NEEDED.items() if name != "imageio-ffmpeg"}
    assert asked == declared
    assert PROJECT["requires-python"] == f">={'.'.join(map(str, clinic.PYTHON))}"
