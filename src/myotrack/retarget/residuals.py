"""What a retargeted motion is asked to do: one small residual per concern, each in units of its own uncertainty.

    Follow       the subject-sized body goes through the recorded points
    Stand        recorded orientations of segments
    Plant        soles that stand neither slip nor hover; nothing goes below the floor
    Apart        limbs do not pass through each other (see `apart`)
    Settle       coordinates that nothing tells anything about stay near the resting posture
    Smooth       jerk is small (acts on control points, see `Curve.jerk`)

Joint limits are no residual: control points stay within them, and with them the whole curve.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix
from myotrack.algebra.rotation import logarithm
from myotrack.retarget.loads import Loads, Posed

DOUBT = 3.0
"""Standard deviations beyond which a point is doubted: its pull grows no further (Huber 1964)."""
PIVOT = 0.04
"""Distance of a planted sphere from its place from which its pull grows no further [m]. Tuned."""


@dataclass(frozen=True)
class Follow:
    """The recorded points, on the subject's own size."""

    segment: Int[Tensor, "point"]
    place: Float[Tensor, "point 3"]
    """In the segment's frame, as fitted to the subject [m]."""
    target: Float[Tensor, "frame point 3"]
    """[m]; NaN where a point was not seen."""
    error: Float[Tensor, "point"]
    """[m]"""

    def add(self, loads: Loads, subject: Posed, rows: slice) -> None:
        """Collect the residuals of some frames."""
        target = self.target[rows]
        seen = torch.isfinite(target).all(dim=-1, keepdim=True)
        at = subject.points(self.segment, self.place)
        residual = torch.where(seen, at - target, 0.0)
        inverse = 1 / self.error[:, None]
        far = residual.norm(dim=-1, keepdim=True) * inverse
        trust = torch.where(far > DOUBT, DOUBT / far, 1.0)
        loads.add_points(self.segment, at, residual, (seen * trust * inverse**2).expand_as(residual))
        loads.cost = loads.cost + _beyond(far)

    def miss(self, subject: Posed, rows: slice) -> Float[Tensor, "frame point"]:
        """Distance of every point from where it was recorded [m]; NaN where it was not seen."""
        return (subject.points(self.segment, self.place) - self.target[rows]).norm(dim=-1)


@dataclass(frozen=True)
class Stand:
    """Recorded orientations of segments."""

    segment: Int[Tensor, "turn"]
    target: Float[Tensor, "frame turn 3 3"]
    """World orientation of the segment's frame; NaN where it is not known."""
    error: Float[Tensor, "turn"]
    """[rad]"""

    def add(self, loads: Loads, subject: Posed, rows: slice) -> None:
        """Collect the residuals of some frames."""
        target = self.target[rows]
        known = torch.isfinite(target).all(dim=-1).all(dim=-1)[..., None]
        target = torch.where(known[..., None], target, torch.eye(3, dtype=target.dtype, device=target.device))
        residual = logarithm(from_matrix(subject.pose.rotation[:, self.segment] @ target.mT))
        residual = torch.where(known, residual, 0.0)
        inverse = 1 / self.error[:, None]
        far = residual.norm(dim=-1, keepdim=True) * inverse
        trust = torch.where(far > DOUBT, DOUBT / far, 1.0)
        loads.add_turns(self.segment, residual, known * trust * inverse**2)
        loads.cost = loads.cost + _beyond(far)


@dataclass(frozen=True)
class Plant:
    """Spheres of the soles: planted ones keep their place, all stay above the floor."""

    segment: Int[Tensor, "sphere"]
    place: Float[Tensor, "sphere 3"]
    radius: Float[Tensor, "sphere"]
    planted: Bool[Tensor, "frame sphere"]
    firmness: Float[Tensor, "frame sphere"]
    """Weight of a planted sphere, below 1 as it lands and leaves."""
    anchor: Float[Tensor, "frame sole 2"]
    """Where the centre of a planted sphere should be, rolling included, for the first spheres: those that may stand
    [m]."""
    slip: float
    """Standard deviation of a planted sphere's place along the floor [m]."""
    hover: float
    """The same for its height, and for any sphere below the floor [m]."""
    rise: Float[Tensor, "sphere"]
    """Height of a sphere above the floor when the foot stands flat [m]."""
    soft: Float[Tensor, "sphere"]
    """Height at which a sphere that is not meant to stand begins to feel the floor [m]."""

    def add(self, loads: Loads, body: Posed, rows: slice) -> None:
        """Collect the residuals of some frames."""
        at = body.points(self.segment, self.place)
        near = self._near(at)
        if len(near) < len(self.radius):
            self._of(near).add_at(loads, at[:, near], rows)
        else:
            self.add_at(loads, at, rows)

    def _near(self, at: Float[Tensor, "frame sphere 3"]) -> Int[Tensor, "_"]:
        """Those that may stand, and those that come near the floor."""
        low = (at[..., 2] - self.radius).amin(dim=0) < self.soft
        low[: self.anchor.shape[1]] = True
        return low.nonzero()[:, 0]

    def _of(self, rows: Int[Tensor, "_"]) -> "Plant":
        return replace(
            self,
            segment=self.segment[rows],
            place=self.place[rows],
            radius=self.radius[rows],
            planted=self.planted[:, rows],
            firmness=self.firmness[:, rows],
            rise=self.rise[rows],
            soft=self.soft[rows],
        )

    def add_at(self, loads: Loads, at: Float[Tensor, "frame sphere 3"], rows: slice) -> None:
        """Collect the residuals of spheres at these places."""
        planted, firm = self.planted[rows], self.firmness[rows]
        height = at[..., 2] - self.radius
        along = torch.zeros_like(at[..., :2])
        soles = self.anchor.shape[1]
        along[:, :soles] = torch.where(planted[:, :soles, None], at[:, :soles, :2] - self.anchor[rows], 0.0)
        # A foot that turns on the spot cannot keep all its spheres in place; the pull of each is bounded.
        off = along.norm(dim=-1)
        grip = torch.where(off > PIVOT, PIVOT / off.clamp_min(1e-12), 1.0) / self.slip**2
        free, slope = _above(height, self.soft)
        up = torch.where(planted, height - self.rise, free)
        stiff = torch.where(planted & (height > 0), firm, torch.where(planted, 1.0, slope**2)) / self.hover**2
        weight = torch.stack([firm * grip, firm * grip, stiff], dim=-1).to(at)
        loads.add_points(self.segment, at, torch.cat([along, up[..., None]], dim=-1), weight)
        beyond = (off - PIVOT).clamp_min(0.0) * PIVOT / 2 / self.slip**2
        loads.cost = loads.cost + (firm * beyond).sum()


def _beyond(far: Tensor) -> Tensor:
    """What Huber's cost, D |r| - D² / 2, has beyond D that half the weighted square, D |r| / 2, has not."""
    return DOUBT / 2 * (far - DOUBT).clamp_min(0.0).sum()


def _above(height: Tensor, soft: Tensor) -> tuple[Tensor, Tensor]:
    """A push that begins softly at `soft` above the floor and is the depth from as far below it on.

    Returns the residual over its slope, and the slope: a Gauss-Newton step then sees the floor coming.
    """
    near = ((soft - height) / (2 * soft)).clamp(0.0, 1.0)
    push = torch.where(height < -soft, -height, soft * near**2)
    return torch.where(near > 0, -push / near.clamp_min(1e-9), 0.0), near


@dataclass(frozen=True)
class Settle:
    """A weak wish for the resting posture, so that what is not recorded has an answer."""

    rest: Float[Tensor, "coordinate"]
    weight: Float[Tensor, "coordinate"]
    """Zero for the root [1/rad²]."""

    def add(
        self, z: Float[Tensor, "frame coordinate"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "coordinate"], Float[Tensor, "frame coordinate"]]:
        """Cost, curvature (a diagonal) and gradient."""
        away = z - self.rest
        gradient = away * self.weight
        return (away * gradient).sum() / 2, self.weight, gradient
