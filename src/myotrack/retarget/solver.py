"""The solver: all frames of a motion at once, by damped Gauss-Newton steps on the control points of a curve.

Normal equations are collected frame by frame (see `loads`), gathered onto control points, and solved as one banded
system; control points at a joint limit that want to leave it stay out of the step (projected Newton, Bertsekas 1982,
doi:10.1137/0320018). The cost of a step is proportional to the length of the motion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.blockband import solve_blockband
from myotrack.anatomy.kinematics import Kinematics
from myotrack.retarget.apart import Apart
from myotrack.retarget.curve import Curve
from myotrack.retarget.loads import Loads, Posed
from myotrack.retarget.residuals import Follow, Plant, Settle, Stand

CHUNK = 256
"""Frames whose kinematics are computed together. Measured: smaller and larger chunks are slower on two cores."""
MOST_TRIES = 5
"""How often damping is raised before a step is given up."""
CROSSING = 1e-3
"""How far a step may lead beyond a limit before the others take notice [rad]."""
DAMPING = 1e-4
"""First damping, over the mean curvature of a coordinate."""


@dataclass(frozen=True)
class Problem:
    """One motion to be found."""

    subject: Kinematics
    """The body in the subject's size, for what was recorded."""
    body: Kinematics
    """The body in its own size, for what stands on the floor."""
    scale: float
    """Subject's size over the body's, for the path of the root."""
    follow: Follow
    stand: Stand | None
    plant: Plant | None
    apart: Apart | None
    settle: Settle
    smooth: Float[Tensor, "coordinate"]
    """Weight of third differences of control points, per sample."""
    low: Float[Tensor, "coordinate"]
    high: Float[Tensor, "coordinate"]
    device: str = "cpu"
    """Where steps are computed. Problem and curve stay on the CPU; a solve takes them there and back."""

    def solve(
        self, curve: Curve, steps: int, progress: Callable[[], None] | None = None, tolerance: float = 1e-4
    ) -> Curve:
        """Improve a curve.

        Args:
            curve: Where to start.
            steps: Largest number of steps.
            progress: Called after each.
            tolerance: A step that lowers the cost by a smaller share is the last.
        """
        if self.device != "cpu":
            there = replace(on_device(self, self.device), device="cpu")
            found = there.solve(on_device(curve, self.device), steps, progress, tolerance)
            return on_device(found, "cpu")
        damping, share = DAMPING, 1.0
        best, current = curve, curve
        cost = float("inf")
        system: tuple[Tensor, Tensor] | None = None
        direction = torch.zeros(())
        for step in range(steps + 1):
            new_cost, matrix, gradient = self.normal(current)
            if not math.isfinite(new_cost) and system is None:
                raise ValueError("the recorded points cannot be followed: they contain numbers out of all bounds")
            if new_cost <= cost:
                done = cost - new_cost < tolerance * cost and step > 0
                best, cost, system, damping, share = current, new_cost, (matrix, gradient), damping / 4, 1.0
                if done:
                    break
            else:
                # A step that runs into limits may overshoot: first go less far, then more carefully.
                share /= 3
                damping *= 5
            if step == steps or system is None:
                break
            if share == 1.0 or share < 0.2:
                direction, damping = self._safe_step(best, *system, damping)
                share = 1.0
            current = best.moved(-share * direction, self.low, self.high)
            if progress is not None:
                progress()
        return best

    def normal(self, curve: Curve) -> tuple[float, Tensor, Tensor]:
        """Cost, matrix and gradient at a curve, in its control points."""
        z = curve.z()
        skip = 1 if curve.free else 0
        jerk_cost, curvature, gradient = curve.jerk(self.smooth * curve.spline.stride)
        cost = float(jerk_cost)
        matrices, gradients = [], []
        for start in range(0, len(z), CHUNK):
            rows = slice(start, start + CHUNK)
            value, block, slope = self._frames(z[rows], rows, skip)
            cost += value
            matrices.append(block)
            gradients.append(slope)
        blocks = curve.spline.gather_blocks(torch.cat(matrices))
        blocks.diagonal(dim1=-2, dim2=-1).add_(curvature)
        return cost, blocks, gradient + curve.spline.gather(torch.cat(gradients))

    def _frames(self, z: Tensor, rows: slice, skip: int) -> tuple[float, Tensor, Tensor]:
        """Cost, curvature and gradient of some frames, in their coordinates."""
        posed = pose(self.subject, z, self.scale)
        loads = Loads(len(z), len(self.subject.reaches), z)
        self.follow.add(loads, posed, rows)
        if self.stand is not None:
            self.stand.add(loads, posed, rows)
        total, slope = loads.reduce(posed.twists, self.subject.reaches)
        cost = loads.cost
        if self.plant is not None or self.apart is not None:
            posed = pose(self.body, z, 1.0)
            if self.plant is not None:
                loads = Loads(len(z), len(self.body.reaches), z)
                self.plant.add(loads, posed, rows)
                block, gradient = loads.reduce(posed.twists, self.body.reaches)
                total, slope, cost = total + block, slope + gradient, cost + loads.cost
            if self.apart is not None:
                value, block, gradient = self.apart.add(posed, self.body.reaches)
                total, slope, cost = total + block, slope + gradient, cost + value
        value, diagonal, gradient = self.settle.add(tangent(z, skip))
        total.diagonal(dim1=-2, dim2=-1).add_(diagonal)
        slope, cost = slope + gradient, cost + value
        return float(cost), total, slope

    def _safe_step(self, curve: Curve, blocks: Tensor, gradient: Tensor, damping: float) -> tuple[Tensor, float]:
        """A step, with more damping if rounding has made the system indefinite."""
        for _ in range(MOST_TRIES):
            try:
                return self._step(curve, blocks, gradient, damping), damping
            except torch.linalg.LinAlgError:
                damping = max(damping, DAMPING) * 100
        return torch.zeros_like(gradient), damping

    def _step(self, curve: Curve, blocks: Tensor, gradient: Tensor, damping: float) -> Tensor:
        """Solve for the step back along the gradient; what would leave its limits goes as far as they are, and the
        rest is solved again around it."""
        at = curve.coordinates()
        damped = blocks.clone()
        diagonal = damped[0].diagonal(dim1=-2, dim2=-1)
        diagonal.add_(damping * diagonal.mean(dim=0).clamp_min(1e-9))
        held = ((at <= self.low) & (gradient > 0)) | ((at >= self.high) & (gradient < 0))
        step = _solve_around(damped, gradient, held, torch.zeros_like(gradient))
        beyond = (at - step < self.low - CROSSING) | (at - step > self.high + CROSSING)
        if beyond.any():
            known = torch.where(beyond, at - torch.clamp(at - step, self.low, self.high), 0.0)
            step = _solve_around(damped, gradient, held | beyond, known)
        return step


def _solve_around(blocks: Tensor, right: Tensor, held: Tensor, known: Tensor) -> Tensor:
    """Solve for the entries that are not held, given those that are."""
    free = (~held).to(right)
    right = right - _times(blocks, known) if bool(known.any()) else right
    blocks = blocks.clone()
    for d in range(len(blocks)):
        last = blocks.shape[1] - d
        blocks[d, :last] *= free[:last, :, None] * free[d:, None, :]
    blocks[0].diagonal(dim1=-2, dim2=-1).add_(1 - free)
    return solve_blockband(blocks, right * free) + known


def _times(blocks: Float[Tensor, "band control size size"], vector: Tensor) -> Tensor:
    """Product of a symmetric block-banded matrix with a vector."""
    total = (blocks[0] @ vector[..., None]).squeeze(-1)
    for d in range(1, len(blocks)):
        last = blocks.shape[1] - d
        total[:last] += (blocks[d, :last] @ vector[d:, :, None]).squeeze(-1)
        total[d:] += (blocks[d, :last].mT @ vector[:last, :, None]).squeeze(-1)
    return total


Part = TypeVar("Part")


def on_device(part: Part, device: str) -> Part:
    """A dataclass of tensors, and of dataclasses of tensors, on another device."""
    if isinstance(part, Tensor):
        return cast(Part, part.to(device))
    if isinstance(part, Kinematics):
        return cast(Part, part.to(device, torch.float64))
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{field.name: on_device(getattr(part, field.name), device) for field in fields(part)})
    return part


def pose(kinematics: Kinematics, z: Float[Tensor, "frame pos"], scale: float) -> Posed:
    """Segments and their motion, with a root's path scaled and its rotations about the world's axes."""
    if kinematics.free_root and scale != 1.0:
        z = torch.cat([z[:, :3] * scale, z[:, 3:]], dim=1)
    posed, twists = kinematics.pose_and_twists(z)
    if not kinematics.free_root:
        return Posed(posed, twists)
    axes = torch.eye(3, dtype=z.dtype, device=z.device).expand(len(z), 3, 3)
    twists.spin[:, 3:6] = axes
    twists.shift[:, 3:6] = torch.linalg.cross(z[:, None, :3].expand(-1, 3, -1), axes, dim=-1)
    twists.shift[:, 0:3] *= scale
    return Posed(posed, twists)


def tangent(z: Float[Tensor, "frame pos"], skip: int) -> Float[Tensor, "frame coordinate"]:
    """z in as many numbers as its rates; zeros stand for a root's orientation."""
    if not skip:
        return z
    return torch.cat([z[:, :3], torch.zeros_like(z[:, :3]), z[:, 7:]], dim=1)
