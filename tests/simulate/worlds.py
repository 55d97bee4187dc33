"""Helpers of the simulation tests: starts, drives, and a body whose joints are stone."""

import copy
from dataclasses import replace

import torch

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.simulator import Simulator


def drive(body: Anatomy, steps: int, worlds: int, high: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return high * torch.rand(steps, worlds, body.model.nu, generator=generator)


def start(simulator: Simulator, mask=None, z=None, velocity=None, activation=None) -> None:
    body, worlds = simulator.anatomy, simulator.worlds
    simulator.reset(
        torch.ones(worlds, dtype=torch.bool) if mask is None else mask,
        body.rest.expand(worlds, -1).clone() if z is None else z,
        torch.zeros(worlds, body.couplings.coordinate_size) if velocity is None else velocity,
        torch.zeros(worlds, body.model.nu) if activation is None else activation,
    )


def statue(body: Anatomy) -> Anatomy:
    """The same body with joints too sluggish to move: a rigid piece on a free root."""
    model = copy.copy(body.model)
    model.dof_armature[6:] = 1e6
    return replace(body, model=model)
