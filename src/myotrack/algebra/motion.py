"""Motions as splines: postures, rates and accelerations of one curve, a root's orientation included."""

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.rotation import body_rates, of_unit
from myotrack.algebra.spline import Spline


def sampled_motion(
    spline: Spline, control: Float[Tensor, "control pos"], free: bool
) -> tuple[Float[Tensor, "sample pos"], Float[Tensor, "sample coordinate"], Float[Tensor, "sample coordinate"]]:
    """Samples of a curve with their rates and accelerations, as a clip keeps them.

    Args:
        spline: The knots.
        control: Control points of position (3), quaternion (4) and joints; of joints only where there is no root.
        free: Whether there is a root. Its quaternion is a spline in four dimensions, made unit; its angular velocity
            and acceleration are in its own frame.
    """
    value, first, second = (spline.at(control, order) for order in range(3))
    if not free:
        return value, first, second
    unit, unit1, unit2 = of_unit(value[:, 3:7], first[:, 3:7], second[:, 3:7])
    spin, spin1 = body_rates(unit, unit1, unit2)
    return (
        torch.cat([value[:, :3], unit, value[:, 7:]], dim=1),
        torch.cat([first[:, :3], spin, first[:, 7:]], dim=1),
        torch.cat([second[:, :3], spin1, second[:, 7:]], dim=1),
    )
