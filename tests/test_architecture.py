"""The only rules we enforce by machine. Each exists because its absence cost someone a week."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import myotrack

PACKAGE = Path(__file__).parents[1] / "src" / "myotrack"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE and path.read_text().strip()]
HEAVY = ("matplotlib", "mujoco", "scipy", "torch", "warp")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported_names(path: Path) -> set[str]:
    """What a module imports, wherever the import stands, as full dotted names."""
    parents = ["myotrack", *path.relative_to(PACKAGE).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) + 1 - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            names += [f"{module}.{alias.name}" for alias in node.names]
    return set(names)


def imported_subpackages(path: Path) -> set[str]:
    """Subpackages of ours that a module imports from; a name taken from the top counts where it lives."""
    names = {name.split(".")[1] for name in imported_names(path) if name.startswith("myotrack.")}
    homes = {name: home.split(".")[1] for name, home in myotrack._HOME.items()}
    return {homes.get(name, name) for name in names} - {"__version__"}


def heavy_libraries_after(code: str) -> list[str]:
    """Which heavy libraries a fresh interpreter has loaded after running some code."""
    code += f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)"
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_up_the_listing(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0]
    for there in imported_subpackages(path):
        assert there <= here, f"'{here}' may not import '{there}', which is listed after it."


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_in_one_reading(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "Say in the first line what this module is for."
    assert len(text.splitlines()) <= 400, "Find the noun that wants to leave."


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("import myotrack.view.picture", "view"),
        ("from myotrack.view.picture import Painter", "view"),
        ("from myotrack.view import picture", "view"),
        ("from myotrack import view", "view"),
        ("from myotrack import Anatomy", "anatomy"),
        ("from ..view import picture", "view"),
        ("from . import quaternion", "algebra"),
        ("def later():\n    from myotrack.view import picture", "view"),
    ],
)
def test_no_way_of_writing_an_import_escapes_the_rule(line: str, there: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "algebra" / "example.py"
    path.parent.mkdir()
    path.write_text(line)
    assert imported_subpackages(path) == {there}


@pytest.mark.parametrize("name", myotrack.__all__)
def test_every_public_name_is_where_the_package_says(name: str) -> None:
    assert getattr(myotrack, name).__name__ == name


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert heavy_libraries_after("import myotrack") == []


def test_a_heavy_library_would_be_noticed() -> None:
    assert "mujoco" in heavy_libraries_after("from myotrack import Anatomy")


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    assert heavy_libraries_after(
        "from myotrack.workflow.cli import main\n"
        "try:\n"
        "    status = main(['--help'])\n"
        "except SystemExit as stop:\n"
        "    status = stop.code\n"
        "assert not status, status\n"
    ) == []  # fmt: skip
