"""Uniform cubic B-splines: curves of time whose values, velocities and accelerations all come from one formula.

A curve through bounded control points stays within the same bounds (it is a mean of four of them at every instant),
so limits that hold for the control points hold for the whole curve. Source: de Boor (1978), A Practical Guide to
Splines; the basis below is written out by hand for uniform knots.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.linalg import solveh_banded
from torch import Tensor

SUPPORT = 4
"""Control points that an instant depends on."""

# Rows: coefficients of 1, u, u², u³ of the four basis functions over one interval, u in [0, 1).
_BASIS = torch.tensor([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]], dtype=torch.float64) / 6


@dataclass(frozen=True)
class Spline:
    """Curves sampled at equal steps, with a knot at every `stride`-th sample, starting with the first."""

    samples: int
    stride: int
    step: float
    """Time between samples [s]."""

    @property
    def intervals(self) -> int:
        """Stretches between knots, the last perhaps not sampled to its end."""
        return (self.samples - 1) // self.stride + 1

    @property
    def controls(self) -> int:
        """Number of control points."""
        return self.intervals + SUPPORT - 1

    @property
    def spacing(self) -> float:
        """Time between knots [s]."""
        return self.stride * self.step

    def weights(self, like: Tensor, derivative: int = 0) -> Float[Tensor, "phase 4"]:
        """Weight of each of the four control points, for every sample within an interval, or of a time derivative."""
        u = torch.arange(self.stride, dtype=torch.float64) / self.stride
        powers = torch.stack([torch.ones_like(u), u, u**2, u**3], dim=1)
        basis = _BASIS
        for _ in range(derivative):
            basis = torch.cat([basis[1:] * torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64), basis[:1] * 0])
            basis = basis / self.spacing
        return (powers @ basis).to(like)

    def at(self, control: Float[Tensor, "control size"], derivative: int = 0) -> Float[Tensor, "sample size"]:
        """Samples of the curve, or of its first or second time derivative."""
        windows = control.unfold(0, SUPPORT, 1)
        values = torch.einsum("pa,ica->ipc", self.weights(control, derivative), windows)
        return values.reshape(-1, control.shape[1])[: self.samples]

    def gather(self, values: Float[Tensor, "sample size"]) -> Float[Tensor, "control size"]:
        """The transpose of `at`: what each control point receives from per-sample values."""
        parts = torch.einsum("pa,ipc->aic", self.weights(values), self._by_interval(values))
        total = values.new_zeros(self.controls, values.shape[1])
        for place, part in enumerate(parts):
            total[place : place + self.intervals] += part
        return total

    def gather_blocks(self, blocks: Float[Tensor, "sample size size"]) -> Float[Tensor, "4 control size size"]:
        """The upper diagonals of AᵀHA, where A is `at` and H is block-diagonal with symmetric `blocks`.

        Entry [d, k] couples control points k and k + d; the last d entries of diagonal d are zero.
        """
        size = blocks.shape[-1]
        weights = self.weights(blocks)
        pairs = [(a, a + d) for d in range(SUPPORT) for a in range(SUPPORT - d)]
        products = torch.stack([weights[:, a] * weights[:, b] for a, b in pairs])
        parts = products @ self._by_interval(blocks.reshape(len(blocks), -1))
        total = blocks.new_zeros(SUPPORT, self.controls, size, size)
        for row, (a, b) in enumerate(pairs):
            total[b - a, a : a + self.intervals] += parts[:, row].reshape(-1, size, size)
        return total

    def fit(self, values: Float[Tensor, "sample size"], roughness: float = 1e-6) -> Float[Tensor, "control size"]:
        """Control points of the curve closest to samples; where these say nothing, third differences are least."""
        one = torch.ones(self.samples, 1, 1, dtype=values.dtype, device=values.device)
        diagonals = self.gather_blocks(one)[:, :, 0, 0]
        diagonals = diagonals + roughness * third_differences(self.controls, values)
        solution = solveh_banded(diagonals.cpu().numpy(), self.gather(values).cpu().numpy(), lower=True)
        return torch.as_tensor(solution).to(values)

    def _by_interval(self, values: Float[Tensor, "sample size"]) -> Float[Tensor, "interval phase size"]:
        missing = self.intervals * self.stride - self.samples
        padded = torch.cat([values, values.new_zeros(missing, values.shape[1])]) if missing else values
        return padded.reshape(self.intervals, self.stride, values.shape[1])


def third_differences(controls: int, like: Tensor) -> Float[Tensor, "4 control"]:
    """The upper diagonals of DᵀD, where D takes third differences of control points: a measure of jerk."""
    stencil = [-1.0, 3.0, -3.0, 1.0]
    total = like.new_zeros(SUPPORT, controls)
    for a in range(SUPPORT):
        for b in range(a, SUPPORT):
            total[b - a, a : controls - SUPPORT + 1 + a] += stencil[a] * stencil[b]
    return total
