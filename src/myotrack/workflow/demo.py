"""`myotrack demo`: built-in motions of both bodies in, muscles moving, report out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.workflow.motions import Motion
from myotrack.workflow.run import EXPERIMENT, Run, check_place
from myotrack.workflow.steer import Steering, Tell, steered, told

if TYPE_CHECKING:
    from myotrack.workflow.cli import DemoCommand

MOTIONS = (("arms", "drink"), ("full", "walk"))
"""Body and built-in motion. Tuned: a task of one arm without help, and one of the whole body with help."""
TITLE = "Two motions, moved by muscles"


def demo(command: "DemoCommand") -> int:
    """Let muscles move, print the table and where the report is; 1 if a body lost its motion."""
    names = tuple(name for _, name in MOTIONS)
    choices = Steering(names, command.out, video=command.video, force=_is_demo(command.out))
    return told(choices, command.json, _make)


def _make(choices: Steering, tell: Tell) -> Run:
    check_place(choices.out, choices.force)
    found = []
    for body, name in MOTIONS:
        tell(f"preparing '{name}'", len(found), len(MOTIONS))
        anatomy = Anatomy.load(body)
        found.append(Motion(builtin(name, anatomy), anatomy))
    return steered(found, choices, tell, TITLE)


def _is_demo(folder: Path) -> bool:
    """Whether a folder holds an earlier demo, which may be replaced; any other run may not."""
    try:
        return json.loads((folder / EXPERIMENT).read_text(encoding="utf-8")).get("title") == TITLE
    except (OSError, ValueError, AttributeError):
        return False
