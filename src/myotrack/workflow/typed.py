"""What was typed: the command that a run was made with, for its records."""

import shlex

_ARGUMENTS: list[str] = []


def remember(arguments: list[str]) -> None:
    """Keep the arguments of the command that runs now."""
    _ARGUMENTS[:] = arguments


def command_line() -> str:
    """The command with the program's plain name; empty in a program that typed none."""
    return shlex.join(["myotrack", *_ARGUMENTS]) if _ARGUMENTS else ""
