"""Rows put together from parts of others."""

import torch

from myotrack.algebra.parts import Parts


def test_every_part_comes_from_its_own_row() -> None:
    parts = Parts(torch.tensor([0, 1, 0, 1]), torch.tensor([1, 0]), 2)
    rows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])
    commands = torch.tensor([[5.0, 6.0], [50.0, 60.0]])
    seen, wanted = parts.put_together(rows, commands, torch.tensor([[0, 1], [1, 0], [1, 1]]))
    assert seen.tolist() == [[1.0, 20.0, 3.0, 40.0], [10.0, 2.0, 30.0, 4.0], [10.0, 20.0, 30.0, 40.0]]
    assert wanted.tolist() == [[50.0, 6.0], [5.0, 60.0], [50.0, 60.0]]
