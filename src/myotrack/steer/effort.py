"""What muscles are spared: the costs among which `share` chooses, by name.

Every cost is scaled so that an ordinary muscle pays about a²/2 (or a³/3) for its activation a, so that one softness of
the joint moments suits them all. A sum over muscles has the same minimum as a mean.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.tension import Curves
from myotrack.steer.share import Effort

Cost = Literal["squared", "cubed", "volume", "metabolic"]
COSTS: tuple[Cost, ...] = get_args(Cost)

_ROUND = 0.05
"""Quadratic part of the metabolic cost, over that of 'squared': makes its minimum unique. A small round number; a cost
that is linear in activation leaves many muscles silent, as linear programs do."""


@dataclass(frozen=True)
class Muscles:
    """What a cost may depend on besides activation."""

    curves: Curves
    velocity: Float[Tensor, "world muscle"]
    """Of the whole path, positive while lengthening [m/s]."""


def effort(cost: str, muscles: Muscles) -> Effort:
    """One of the costs, by its name.

    squared    mean squared activation. Source: the criterion of computed muscle control (Thelen & Anderson 2006,
               doi:10.1016/j.jbiomech.2005.02.010); squares of stresses go back to Pedotti et al. 1978,
               doi:10.1016/0025-5564(78)90018-4. Both recalled.
    cubed      mean cubed activation, nearest to endurance: Crowninshield & Brand 1981,
               doi:10.1016/0021-9290(81)90035-X. Recalled.
    volume     squared activation weighted by muscle volume, which is peak force times optimal fibre length over
               specific tension; the mean weight is 1. It alone does not care into how many parts a body divides a
               muscle. Source: Happee 1994, doi:10.1016/0021-9290(94)90249-6 (recalled).
    metabolic  metabolic power, see `metabolic_power`, over its mean at rest, plus a trace of squared activation.

    Raises:
        ValueError: There is no such cost.
    """
    if cost not in COSTS:
        raise ValueError(f"There is no cost called '{cost}'. Choose one of: {', '.join(COSTS)}.")
    velocity, gain = muscles.velocity, muscles.curves.gain
    one, none = torch.ones_like(velocity[:1]), torch.zeros_like(velocity[:1])
    cubed = torch.full((velocity.shape[1],), cost == "cubed", device=velocity.device)
    if cost == "volume":
        volume = (gain.peak * gain.fibre)[None].to(velocity)
        return Effort(volume / volume.mean(), none, cubed)
    if cost == "metabolic":
        resting = metabolic_power(muscles.curves, torch.zeros_like(velocity[:1])).mean()
        return Effort(_ROUND * one, metabolic_power(muscles.curves, velocity) / resting, cubed)
    return Effort(one, none, cubed)


def metabolic_power(curves: Curves, velocity: Float[Tensor, "world muscle"]) -> Float[Tensor, "world muscle"]:
    """Metabolic power at full activation: peak force x fastest shortening x phi(shortening speed) [W].

    Source: Minetti & Alexander 1997, doi:10.1006/jtbi.1997.0407; the coefficients of phi are recalled and agree with
    published implementations. Shortening faster than the fastest counts as the fastest, lengthening likewise.

    Args:
        curves: Of the muscles.
        velocity: Of the paths, positive while lengthening [m/s].
    """
    v = -curves.fibre_velocity(velocity).clamp(-1, 1)
    phi = (0.054 + 0.506 * v + 2.46 * v.square()) / (1 - 1.13 * v + 12.8 * v.square() - 1.64 * v**3)
    return curves.gain.peak * curves.gain.fibre * curves.gain.speed * phi
