"""Nothing below the floor: the least smooth lift of a whole motion that no part of the body sinks in any frame."""

from dataclasses import replace

import torch
from torch import Tensor

from myotrack.clips.geometry import lowest_heights
from myotrack.retarget.curve import Curve
from myotrack.retarget.rig import Rig

CLEAR = 1e-5
"""What is left between the lowest point and the floor [m]."""


def lifted(curve: Curve, rig: Rig) -> tuple[Curve, Tensor]:
    """Raise the root's path, by a spline on the knots of the curve, until no collider is below the floor.

    Every control point is raised by the most that any sample it reaches needs. A curve is a mean of its control points,
    so every sample is raised by at least what it needs. Returns the curve and the lift of every sample [m].
    """
    heights = lowest_heights(rig.anatomy, rig.anatomy.couplings.qpos(curve.z()).numpy())
    needed = (CLEAR - torch.as_tensor(heights)).clamp_min(0.0)
    spline = curve.spline
    missing = spline.intervals * spline.stride - spline.samples
    per_interval = torch.cat([needed, needed.new_zeros(missing)]).reshape(spline.intervals, spline.stride).amax(dim=1)
    raised = needed.new_zeros(spline.controls)
    for place in range(spline.controls - spline.intervals + 1):
        part = raised[place : place + spline.intervals]
        raised[place : place + spline.intervals] = torch.maximum(part, per_interval)
    control = curve.control.clone()
    control[:, 2] += raised
    return replace(curve, control=control), spline.at(raised[:, None])[:, 0]
