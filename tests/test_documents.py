"""What the documents say is true: links lead somewhere, Python runs, commands exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|\b(?:href|src)=[\"']([^\"']+)")
COMMAND = re.compile(r"(?:^|[\s/`|&])myotrack ([a-z][a-z-]*)", re.MULTILINE)


def text_of(document: Path) -> str:
    return document.read_text() if document.exists() else ""


def links(text: str) -> list[str]:
    """Targets of links and images that should be files of ours; code is not searched."""
    prose = INLINE.sub("", FENCE.sub("", text))
    targets = [markdown or html for markdown, html in LINK.findall(prose)]
    return [target for target in targets if not re.match(r"[a-z]+:|#", target)]


def blocks(text: str, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(text) if name == language]


def commands(text: str) -> list[str]:
    """Subcommands that a document tells its reader to type, in blocks of shell or in single back quotes."""
    spoken = [code for name, code in FENCE.findall(text) if name in ("", "bash", "sh", "shell", "console")]
    spoken += INLINE.findall(FENCE.sub("", text))
    return sorted({name for code in spoken for name in COMMAND.findall(code)})


def exists(command: str) -> bool:
    """Whether a subcommand has a help of its own; for an unknown one the general help is printed."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    call = [sys.executable, "-m", "myotrack.workflow.cli", command, "--help"]
    done = subprocess.run(call, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.startswith(f"usage: myotrack {command} ")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_picture_of_a_document_exists(document: Path) -> None:
    for target in links(document.read_text()):
        assert (document.parent / target.partition("#")[0]).exists(), f"{document.name} points at {target}."


@pytest.mark.parametrize("code", blocks(text_of(README), "python"))
def test_the_python_of_the_readme_runs(code: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("command", commands(text_of(README)))
def test_the_commands_of_the_readme_exist(command: str) -> None:
    assert exists(command), f"README.md tells to type `myotrack {command}`."


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert not exists("levitate")


def test_links_and_commands_are_found_where_a_reader_sees_them() -> None:
    text = (
        "See [a](docs/a.md#part), ![b](b.png 'title'), <img src=\"c.png\">, [d](https://d.org), [e](#here), `f[0](g)`\n"
        "and `myotrack doctor`. The myotrack developers say myotrack is small.\n"
        "```bash\n.venv/bin/myotrack bench --body arms\n```\n```python\nmyotrack bodies\n```\n"
    )
    assert links(text) == ["docs/a.md#part", "b.png", "c.png"]
    assert commands(text) == ["bench", "doctor"]
    assert blocks(text, "python") == ["myotrack bodies\n"]
