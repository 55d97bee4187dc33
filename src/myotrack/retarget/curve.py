"""`Curve`: a motion as one smooth function of time, whose control points are what retargeting moves about."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.motion import sampled_motion
from myotrack.algebra.quaternion import multiply
from myotrack.algebra.rotation import continuous, exponential, logarithm
from myotrack.algebra.spline import SUPPORT, Spline, third_differences


@dataclass(frozen=True)
class Curve:
    """Independent coordinates as cubic splines. A root's quaternion is a spline in four dimensions, made unit.

    Steps (`moved`) turn a root about the axes of the world, so that a step common to neighbouring control points turns
    the whole curve by as much.
    """

    spline: Spline
    control: Float[Tensor, "control pos"]
    free: bool
    """Whether the first seven entries are a root's position and quaternion."""

    @classmethod
    def through(cls, z: Float[Tensor, "sample pos"], stride: int, step: float, free: bool) -> "Curve":
        """The curve closest to samples.

        Args:
            z: Independent coordinates.
            stride: Samples from knot to knot.
            step: Time between samples [s].
            free: Whether there is a root.
        """
        spline = Spline(len(z), stride, step)
        if free:
            z = torch.cat([z[:, :3], continuous(z[:, 3:7]), z[:, 7:]], dim=1)
        return cls(spline, spline.fit(z), free).unit()

    def unit(self) -> "Curve":
        """With quaternions of length one at the control points."""
        if not self.free:
            return self
        control = self.control.clone()
        control[:, 3:7] = torch.nn.functional.normalize(control[:, 3:7], dim=1)
        return replace(self, control=control)

    def z(self) -> Float[Tensor, "sample pos"]:
        """Independent coordinates at every sample."""
        z = self.spline.at(self.control)
        if self.free:
            z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
        return z

    def motion(
        self,
    ) -> tuple[Float[Tensor, "sample pos"], Float[Tensor, "sample coordinate"], Float[Tensor, "sample coordinate"]]:
        """Independent coordinates with their rates and accelerations, as `Clip` keeps them."""
        return sampled_motion(self.spline, self.control, self.free)

    def moved(
        self,
        step: Float[Tensor, "control coordinate"],
        low: Float[Tensor, "coordinate"],
        high: Float[Tensor, "coordinate"],
    ) -> "Curve":
        """After a step, kept within limits."""
        if not self.free:
            return replace(self, control=torch.clamp(self.control + step, low, high))
        return replace(
            self,
            control=torch.cat(
                [
                    self.control[:, :3] + step[:, :3],
                    multiply(exponential(step[:, 3:6]), self.control[:, 3:7]),
                    torch.clamp(self.control[:, 7:] + step[:, 6:], low[6:], high[6:]),
                ],
                dim=1,
            ),
        )

    def coordinates(self) -> Float[Tensor, "control coordinate"]:
        """Control points in as many numbers as a step has; zeros stand for a root's orientation."""
        if not self.free:
            return self.control
        return torch.cat([self.control[:, :3], torch.zeros_like(self.control[:, :3]), self.control[:, 7:]], dim=1)

    def jerk(
        self, weight: Float[Tensor, "coordinate"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "4 control coordinate"], Float[Tensor, "control coordinate"]]:
        """Half the weighted sum of squared third differences of the control points, its curvature and its gradient.

        A root's orientation counts with the second differences of the rotation vectors from one to the next.
        """
        stencil = torch.tensor([-1.0, 3.0, -3.0, 1.0], dtype=weight.dtype, device=weight.device)
        third = torch.einsum("kca,a->kc", self.coordinates().unfold(0, SUPPORT, 1), stencil)
        if self.free:
            quaternion = self.control[:, 3:7]
            inverse = quaternion[:-1] * quaternion.new_tensor([1.0, -1.0, -1.0, -1.0])
            third[:, 3:6] = logarithm(multiply(quaternion[1:], inverse)).diff(dim=0).diff(dim=0)
        weighted = third * weight
        gradient = torch.zeros_like(self.coordinates())
        for place in range(SUPPORT):
            gradient[place : place + len(third)] += stencil[place] * weighted
        curvature = third_differences(len(self.control), weight)[:, :, None] * weight
        return (third * weighted).sum() / 2, curvature, gradient
