"""02 Drop a crowd.  Usage: python examples/02_drop_a_crowd.py --worlds 16 --steps 50

Simulates many relaxed bodies that fall from standing, each with muscles of another strength, and prints what the floor
feels: the ground reaction force in body weights.
"""

import torch
import tyro

from myotrack import Anatomy, Threads
from myotrack.simulate.perturb import Variation


def main(worlds: int = 8, steps: int = 50) -> None:
    """Let `worlds` bodies with 50 to 150 % strength co-contract slightly and fall for `steps` x 10 ms."""
    anatomy = Anatomy.load("full")
    crowd = Threads(anatomy, worlds)
    strength = torch.linspace(0.5, 1.5, worlds)
    same = Variation.none(anatomy, worlds)
    crowd.vary(Variation(same.mass, strength[:, None].expand_as(same.strength), same.friction))

    weight = anatomy.model.body_mass.sum() * 9.81
    for step in range(steps):
        crowd.advance(torch.full((worlds, len(anatomy.muscles)), 0.1))
        if step % 10 == 9:
            load = crowd.body.foot_force_w[:, :, 2].sum(dim=1) / weight
            print(f"{10 * (step + 1):4d} ms: feet carry {load.min():.2f} to {load.max():.2f} body weights")
    print(f"{crowd.lost_count} worlds left the numbers")


if __name__ == "__main__":
    tyro.cli(main)
