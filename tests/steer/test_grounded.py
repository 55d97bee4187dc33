"""Which muscles make a motion on its own feet: what the floor pushes, and what is left undone."""

from dataclasses import replace

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.library import ClipLibrary, Reference
from myotrack.simulate.threads import Threads
from myotrack.steer.grounded import Grounded


def standing(anatomy: Anatomy) -> Reference:
    """A body that stands still."""
    library = ClipLibrary.of([builtin("stand", anatomy)], anatomy)
    found = library.at(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), (0, 1))
    return replace(found, coordinate_vel=0 * found.coordinate_vel, coordinate_acc=0 * found.coordinate_acc)


def test_the_floor_carries_the_weight_of_who_stands(full: Anatomy) -> None:
    fast = full.at("fast")
    reference = standing(full)
    fit = Grounded(Threads(fast, 2, threads=1)).fit(reference)
    weight = 9.81 * float(fast.model.body_mass.sum())
    assert abs(float(fit.floor[0, 2]) / weight - 1) < 0.02
    assert float(fit.moment[0, :3].abs().max()) < 0.03 * weight
    assert ((fit.activation >= 0) & (fit.activation <= 1)).all()
    # Nobody stands in the air: the root lacks all of the weight then.
    floating = replace(reference, contact=torch.zeros_like(reference.contact))
    fit = Grounded(Threads(fast, 2, threads=1)).fit(floating)
    assert float(fit.floor.abs().max()) == 0
    assert abs(float(fit.moment[0, 2]) / weight - 1) < 0.02
