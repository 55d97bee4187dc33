"""The checker of shapes does check: at once in every test, and soon in a loop."""

from contextlib import suppress

import pytest
import torch

from myotrack.algebra.quaternion import multiply
from tests.shapes import EVERY, FIRST

GOOD, BAD = torch.zeros(3, 4), torch.zeros(3, 5)


@pytest.mark.parametrize("turn", range(2))
def test_a_wrong_shape_is_told_at_once_in_every_test(turn: int) -> None:
    with pytest.raises(Exception, match="Type-check error whilst checking the parameters"):
        multiply(BAD, GOOD)


def test_a_wrong_shape_in_a_loop_is_told_soon() -> None:
    for _ in range(2 * FIRST):
        multiply(GOOD, GOOD)
    with pytest.raises(Exception, match="Type-check error whilst checking the parameters"):
        for _ in range(EVERY):
            with suppress(ValueError):  # Which the function itself raises, where nothing is checked.
                multiply(BAD, GOOD)
