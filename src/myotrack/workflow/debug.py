"""Whether errors come with their traceback: `myotrack --debug`, or MYOTRACK_DEBUG=1."""

import os

DEBUG = "MYOTRACK_DEBUG"
"""The environment variable."""


def debugging() -> bool:
    """Whether somebody asked for tracebacks."""
    return os.environ.get(DEBUG, "") not in ("", "0")
