"""The checker of annotated shapes while tests run: beartype, for the calls that matter.

    pytest --jaxtyping-packages=myotrack,shapes.first_calls

Checking every call of a loop takes as long as the loop. So of each function the first calls of every test are all
checked, and later ones now and then.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from beartype import beartype

FIRST, EVERY = 32, 16
"""In each test, so many calls of a function are all checked, and then one in so many."""
_test = 0


def next_test() -> None:
    """Every function is checked from its first call again."""
    global _test
    _test += 1


def first_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """A stand-in of jaxtyping's for a function, which is called for its arguments to be checked."""
    checked: Callable[..., Any] | None = None  # Made when it is needed: most functions are not called in most runs.
    seen, calls = -1, 0

    @wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        nonlocal checked, seen, calls
        if seen != _test:
            seen, calls = _test, 0
        calls += 1
        if calls > FIRST and calls % EVERY:
            return None
        checked = checked or beartype(function)
        return checked(*args, **kwargs)

    return checking
