"""A stride that the soles believe: the periodic, left-right symmetric motion near a wish whose feet stand and roll.

In: a wished motion of one stride and when each part of a sole stands. Out: control points of a periodic cubic spline.
The right side is solved for; the left does the same half a stride later, mirrored, so both are exact images.
Every part of a sole is a sphere. A sphere that stands touches the floor, and rolls instead of sliding.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myotrack.algebra.quaternion import from_matrix, multiply
from myotrack.algebra.rotation import exponential, logarithm
from myotrack.algebra.spline import Spline
from myotrack.anatomy.kinematics import Kinematics
from myotrack.anatomy.landmarks import FACING
from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE

SLIP, HOVER = 5e-4, 3e-4
"""How firmly a standing sphere is held along and above the floor [m]. Tuned: so that soles slide by less than 2 mm."""
CLEAR = 1e-3
"""How firmly a swinging sphere keeps above the floor [m]."""
HEAVE = 0.5
"""How firmly the root is accelerated upwards as wished [m/s²]. Tuned: the legs swing meanwhile."""
ASIDE = 2e-3
"""How firmly the feet keep their distance across [m]."""
STEPS = 12
"""Most Gauss-Newton steps. Measured: six to ten are enough."""
_SIDES = ("right", "left")


@dataclass(frozen=True)
class Wish:
    """What a stride should look like; phase 0 is when the right heel strikes."""

    period: float
    """[s] Half of it must be a whole number of knots."""
    stride: int
    """Samples from knot to knot."""
    speed: float
    """[m/s]"""
    z: Float[Tensor, "knot pos"]
    """Independent coordinates at every knot, in a frame that walks along."""
    doubt: Float[Tensor, "coordinate"]
    """How far a coordinate may be from its wish [m or rad]; zero: not at all, infinite: as it likes."""
    stands: Bool[Tensor, "sample sphere"]
    """When each sphere of the right sole stands."""
    width: float
    """From the middle of one standing foot to that of the other, across [m]."""
    apart: float
    """From the middle to the spheres of the swinging foot, at least [m]."""
    lift: Float[Tensor, "sample"]
    """Least height of the spheres that do not [m]."""
    roughness: Float[Tensor, "coordinate"]
    """Weight of third differences of the control points [1/rad² or 1/m²]."""
    heave: Float[Tensor, "sample"]
    """Vertical acceleration of the root [m/s²]; NaN where it is as the legs have it."""


@dataclass(frozen=True)
class Sole:
    """Spheres under the right foot: the ends of its capsules, from heel to toe."""

    segment: Int[Tensor, "sphere"]
    """0 hindfoot, 1 toes."""
    offset: Float[Tensor, "sphere 3"]
    """Centre, from the segment's origin along forward, left and up [m]."""
    radius: Float[Tensor, "sphere"]
    """[m]"""
    rise: Float[Tensor, "sphere"]
    """Height of its lowest point when the foot stands flat [m]."""
    kinematics: Kinematics
    """Of the two segments."""

    @classmethod
    def of(cls, anatomy: Anatomy, side: str = "right") -> "Sole":
        """Find them in the body's colliders."""
        model = anatomy.model
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        segments = tuple(f"{part}_{side[0]}" for part in ("calcn", "toes"))
        rows: list[tuple[int, np.ndarray, float]] = []
        for index, name in enumerate(segments):
            body = model.body(name).id
            for geom in np.flatnonzero(model.geom_bodyid == body):
                if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_CAPSULE:
                    continue
                along = data.geom_xmat[geom].reshape(3, 3)[:, 2] * model.geom_size[geom, 1]
                ends = data.geom_xpos[geom] - along, data.geom_xpos[geom] + along
                radius = float(model.geom_size[geom, 0])
                rows.extend((index, FACING.T @ (end - data.xpos[body]), radius) for end in ends)
        rows.sort(key=lambda row: (row[0], row[1][0]))
        segment = torch.tensor([row[0] for row in rows])
        offset = torch.tensor(np.array([row[1] for row in rows]))
        size = torch.tensor([row[2] for row in rows], dtype=torch.float64)
        kinematics = Kinematics.of_segments(model, anatomy.couplings, segments, FACING)
        flat = kinematics.pose(anatomy.rest)
        bottom = (flat.pos[segment] + torch.einsum("sij,sj->si", flat.rotation[segment], offset))[:, 2] - size
        return cls(segment, offset, size, bottom - bottom.min(), kinematics)

    def place(self, z: Float[Tensor, "sample pos"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Centres, how far they have come by rolling, and how both move with steps of the coordinates.

        Steps turn a root about the axes of the world.
        """
        pose, twists = self.kinematics.pose_and_twists(z)
        spin, shift = twists.spin.clone(), twists.shift.clone()
        axes = torch.eye(3, dtype=z.dtype).expand(len(z), 3, 3)
        spin[:, 3:6] = axes
        shift[:, 3:6] = torch.linalg.cross(z[:, None, :3].expand(-1, 3, -1), axes, dim=-1)
        reach = self.kinematics.reaches[self.segment]
        rotation = pose.rotation
        centre = pose.pos[:, self.segment] + torch.einsum("fsij,sj->fsi", rotation[:, self.segment], self.offset)
        arm = shift[:, None] + torch.linalg.cross(spin[:, None], centre[:, :, None], dim=-1)
        arm = arm * reach[None, :, :, None]
        turned = logarithm(from_matrix(rotation[1:] @ rotation[:-1].mT))[:, self.segment]
        # A sphere of radius r that turns by w without slip moves by w x (0, 0, r).
        step = torch.stack([turned[..., 1], -turned[..., 0]], dim=-1) * self.radius[:, None]
        rolled = torch.cat([torch.zeros_like(step[:1]), step.cumsum(dim=0)])
        turning = (spin[:, None] * reach[None, :, :, None])[..., [1, 0]] * torch.tensor([1.0, -1.0])
        return centre, rolled, arm, turning * self.radius[:, None, None]


@dataclass(frozen=True)
class Stride:
    """The solution: a stride that goes on for ever."""

    wish: Wish
    sole: Sole
    control: Float[Tensor, "knot pos"]
    """Control points in a frame that walks along; each is centred on its knot."""

    def over(self, samples: int) -> Float[Tensor, "control pos"]:
        """Control points of so many samples, walking on; the first sample is at phase 0."""
        count = Spline(samples, self.wish.stride, 1 / RATE).controls
        index = torch.arange(count) - 1
        control = self.control[index % len(self.control)].clone()
        control[:, 1] -= self.wish.speed * index.double() * (self.wish.stride / RATE)
        return control


def solve(anatomy: Anatomy, wish: Wish, sole: Sole) -> Stride:
    """Find the stride nearest to the wish whose right sole stands when it should."""
    problem = _Problem.of(anatomy, wish, sole)
    half = wish.z[: len(wish.z) // 2].clone()
    damping, cost, best = 1e-3, float("inf"), half
    system: tuple[Tensor, Tensor] | None = None
    for _ in range(STEPS):
        new_cost, matrix, gradient = problem.normal(half)
        if new_cost <= cost:
            done = cost - new_cost < 5e-3 * cost
            cost, best, system, damping = new_cost, half, (matrix, gradient), damping / 5
            if done:
                break
        else:
            damping *= 10
        if system is None:
            break
        half = problem.stepped(best, *system, damping)
    return Stride(wish, sole, problem.whole(best))


@dataclass(frozen=True)
class _Problem:
    """Everything about a wish that does not change from step to step."""

    anatomy: Anatomy
    wish: Wish
    sole: Sole
    looked_at: Int[Tensor, "look"]
    """Samples at which the sole is looked at."""
    sample: Float[Tensor, "look knot"]
    """Curves from control points, at these."""
    moving: Int[Tensor, "_"]
    """Coordinates that are solved for."""
    unfold: Float[Tensor, "all half"]
    """Steps of all control points from those of the first half stride."""
    wanting: Float[Tensor, "want all"]
    """What the wish, smoothness and heave want of the control points, by their uncertainty."""
    offset: Float[Tensor, "want"]
    curvature: Float[Tensor, "half half"]
    """Of all that."""

    @classmethod
    def of(cls, anatomy: Anatomy, wish: Wish, sole: Sole) -> "_Problem":
        knots, samples = len(wish.z), len(wish.stands)
        moving = torch.nonzero(wish.doubt > 0)[:, 0]
        size = len(moving)
        one = torch.eye(size, dtype=torch.float64)
        mirror = anatomy.mirror
        place = {int(entry): row for row, entry in enumerate(moving)}
        image = torch.zeros_like(one)
        for row, entry in enumerate(moving):
            image[row, place[int(mirror.rate_index[entry])]] = mirror.rate_sign[entry]
        halves = torch.eye(knots // 2, dtype=torch.float64)
        unfold = torch.cat([torch.kron(halves, one), torch.kron(halves, image)])
        spline = Spline(samples, wish.stride, 1 / RATE)
        certain = torch.where(torch.isfinite(wish.doubt[moving]), 1 / wish.doubt[moving], 0.0)
        third = _circulant(knots, [-1.0, 3.0, -3.0, 1.0])
        told = torch.isfinite(wish.heave)
        heave = torch.zeros(int(told.sum()), knots, size, dtype=torch.float64)
        heave[:, :, int((moving == 2).nonzero())] = _periodic(spline, knots, 2)[told] / HEAVE
        wanting = torch.cat(
            [
                torch.diag(certain.repeat(knots)),
                torch.kron(third, torch.diag(wish.roughness[moving].sqrt())),
                heave.reshape(len(heave), knots * size),
            ]
        )
        offset = torch.zeros(len(wanting), dtype=torch.float64)
        offset[len(wanting) - len(heave) :] = -wish.heave[told] / HEAVE
        looked_at = torch.arange(0, samples, max(1, wish.stride // 2))
        folded = wanting @ unfold
        return cls(
            anatomy, wish, sole, looked_at, _periodic(spline, knots, 0)[looked_at], moving, unfold, wanting, offset,
            folded.T @ folded,
        )  # fmt: skip

    def whole(self, half: Float[Tensor, "half pos"]) -> Float[Tensor, "knot pos"]:
        """Control points of both halves of the stride."""
        return torch.cat([half, self.anatomy.mirror.z(half)])

    def normal(self, half: Float[Tensor, "half pos"]) -> tuple[float, Tensor, Tensor]:
        """Cost, curvature and gradient of the steps of the first half stride."""
        control = self.whole(half)
        z = self.sample @ control
        z[:, 3:7] = torch.nn.functional.normalize(z[:, 3:7], dim=1)
        z[:, 1] -= self.wish.speed * self.looked_at.double() / RATE
        feet, design = self._feet(z)
        # The wish is a matter of differences, smoothness of values; of turns both are small.
        away = self._tangent(control, self.wish.z)
        origin = torch.zeros_like(control)
        origin[:, 3] = 1.0
        value = self._tangent(control, origin)
        first = self.wanting[: away.numel()] @ away.reshape(-1)
        wants = torch.cat([first, self.wanting[away.numel() :] @ value.reshape(-1)]) + self.offset
        cost = (feet.square().sum() + wants.square().sum()) / 2
        gradient = design.T @ feet + self.unfold.T @ (self.wanting.T @ wants)
        return float(cost), design.T @ design + self.curvature, gradient

    def stepped(self, half: Tensor, matrix: Tensor, gradient: Tensor, damping: float) -> Tensor:
        """After a damped step; what would leave its limits goes as far as they are, and the rest goes around it."""
        low, high = (limit[1:][self.moving] for limit in self.anatomy.limits())
        now = half[:, 1:][:, self.moving].clone()
        now[:, self.moving < 6] = 0.0
        damped = matrix + torch.diag(matrix.diagonal() * damping + 1e-9)
        least, most = (low - now).reshape(-1), (high - now).reshape(-1)
        step, held = torch.zeros_like(gradient), torch.zeros_like(gradient, dtype=torch.bool)
        for _ in range(3):
            right = -gradient - damped @ torch.where(held, step, 0.0)
            free = ~held
            step = step.clone()
            step[free] = torch.linalg.solve(damped[free][:, free], right[free])
            beyond = (step < least) | (step > most)
            held |= beyond
            step = torch.clamp(step, least, most)
            if not beyond.any():
                break
        whole = torch.zeros(len(half), self.anatomy.couplings.coordinate_size, dtype=torch.float64)
        whole[:, self.moving] = step.reshape(len(half), -1)
        turned = multiply(exponential(whole[:, 3:6]), half[:, 3:7])
        return torch.cat([half[:, :3] + whole[:, :3], turned, half[:, 7:] + whole[:, 6:]], dim=1)

    def _feet(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals of the right sole, and how they move with steps of the first half stride."""
        stands, lift = self.wish.stands[self.looked_at], self.wish.lift[self.looked_at]
        centre, rolled, arm, turning = self.sole.place(z)
        arm, turning = arm[:, :, self.moving], turning[:, :, self.moving]
        height = centre[..., 2] - self.sole.radius
        stood = centre[..., :2] - rolled
        residuals, rows = [], []
        for sphere in range(len(self.sole.radius)):
            on = stands[:, sphere]
            if on.any():
                # The place where it stands is wherever it stands on average.
                grip = self._spread(arm[on, sphere, :, :2] - turning[on, sphere], on)
                residuals.append((stood[on, sphere] - stood[on, sphere].mean(dim=0)).reshape(-1) / SLIP)
                rows.append((grip - grip.mean(dim=0)).flatten(0, 1) / SLIP)
                residuals.append((height[on, sphere] - self.sole.rise[sphere]) / HOVER)
                rows.append(self._spread(arm[on, sphere, :, 2:], on).flatten(0, 1) / HOVER)
            low = ~on & (height[:, sphere] < lift)
            residuals.append((height[low, sphere] - lift[low]) / CLEAR)
            rows.append(self._spread(arm[low, sphere, :, 2:], low).flatten(0, 1) / CLEAR)
            near = ~on & (centre[:, sphere, 0] > -self.wish.apart)
            residuals.append((centre[near, sphere, 0] + self.wish.apart) / ASIDE)
            rows.append(self._spread(arm[near, sphere, :, :1], near).flatten(0, 1) / ASIDE)
        ball = int(self.sole.segment.eq(0).nonzero()[-1])
        on = stands[:, ball]
        middle = slice(ball - 1, ball + 1)
        residuals.append((centre[on, middle, 0].mean() + self.wish.width / 2).reshape(1) / ASIDE)
        rows.append(self._spread(arm[on, middle, :, :1].mean(dim=1), on).mean(dim=0) / ASIDE)
        return torch.cat(residuals), torch.cat(rows) @ self.unfold

    def _spread(self, arm: Float[Tensor, "some moving axis"], some: Tensor) -> Float[Tensor, "some axis all"]:
        """From how something moves with the coordinates of a sample to how it moves with all control points."""
        spread = torch.einsum("fca,fk->fakc", arm, self.sample[some])
        return spread.flatten(2)

    def _tangent(self, control: Tensor, origin: Tensor) -> Tensor:
        """Differences of control points in as many numbers as a step has."""
        inverse = origin[:, 3:7] * origin.new_tensor([1.0, -1.0, -1.0, -1.0])
        turn = logarithm(multiply(control[:, 3:7], inverse))
        return torch.cat([control[:, :3] - origin[:, :3], turn, control[:, 7:] - origin[:, 7:]], dim=1)[:, self.moving]


def _periodic(spline: Spline, knots: int, derivative: int) -> Float[Tensor, "sample knot"]:
    """Samples of a periodic curve, or of its derivative, from control points centred on the knots."""
    weights = spline.weights(torch.zeros((), dtype=torch.float64), derivative)
    matrix = torch.zeros(spline.samples, knots, dtype=torch.float64)
    for sample in range(spline.samples):
        for place in range(4):
            matrix[sample, (sample // spline.stride + place - 1) % knots] += weights[sample % spline.stride, place]
    return matrix


def _circulant(size: int, stencil: list[float]) -> Float[Tensor, "size size"]:
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for row in range(size):
        for place, value in enumerate(stencil):
            matrix[row, (row + place - 1) % size] += value
    return matrix
