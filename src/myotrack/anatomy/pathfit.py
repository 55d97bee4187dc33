"""Fits muscle paths: smooth functions (`fitted`) that agree with what MuJoCo wraps, and how well they do.

    paths = fit_paths(anatomy)                     # half a minute for the full body
    errors = PathErrors.over(paths, anatomy, z)

Least squares of lengths and moment arms together, with a little stiffness where there is nothing to fit. Where a path
jumps, the fit goes smoothly between its two sides.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.anatomy.fitted import SUPPORT, FittedPaths, Term, corners_of
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.paths import lengths_and_arms
from myotrack.anatomy.pieces import Group, groups_of

BEYOND = 0.1
"""How far beyond the joint limits paths are fitted [rad]. Chosen: twice what a good clip may be past them."""
SPACING = {1: 0.35, 2: 0.35, 3: 0.5, 4: 0.8}
"""Distance of the knots by number of joints [rad], or a little less. Measured on the muscles of
the trunk: with 0.35 instead of 0.5 rad the median error of a moment arm falls from 0.05 to 0.02 mm."""
POSTURES = 8000
"""Postures that are fitted to, drawn evenly within the limits and beyond."""
LENGTH_ERROR, ARM_ERROR = 1e-4, 5e-4
"""What counts as an error of one [m]: 0.5 mm of a moment arm weigh as much as 0.1 mm of a length."""
STIFFNESS = 0.1
"""Weight of the second differences of coefficients, per posture and coefficient. Chosen, not tuned."""
RIDGE = 1e-6
"""Weight of the coefficients themselves: terms of a muscle that share joints have no part of their own in what they
share."""


@dataclass(frozen=True)
class PathErrors:
    """How far fitted paths are from those that MuJoCo wraps, over some postures."""

    length: Float[Tensor, "muscle"]
    """Root mean square error of the length [m]."""
    arm: Float[Tensor, "muscle"]
    """Root mean square error of the moment arms, of the worst coordinate [m]."""

    @classmethod
    def over(cls, paths: FittedPaths, anatomy: Anatomy, z: Float[Tensor, "posture pos"]) -> "PathErrors":
        """Compare over postures of the body."""
        length, arm = lengths_and_arms(anatomy, z)
        mine, own_arm = paths.lengths_and_arms(z.double())
        return cls(
            length=(mine - length).square().mean(dim=0).sqrt(),
            arm=(own_arm - arm).square().mean(dim=0).sqrt().amax(dim=-1),
        )


def fit_paths(
    anatomy: Anatomy, active: Float[Tensor, "posture pos"] | None = None, postures: int = POSTURES, seed: int = 0
) -> FittedPaths:
    """Fit all muscles of a body. The same numbers every time.

    Args:
        anatomy: The body.
        active: Postures that matter more than others, such as those of motions: fitted to beside those that are drawn.
        postures: How many are drawn within the limits, and `BEYOND`.
        seed: Of the draws.
    """
    skip = 6 if anatomy.free else 0
    low, high = (limit[7 if anatomy.free else 0 :].numpy() for limit in anatomy.limits())
    low, high = low - BEYOND, high + BEYOND
    drawn = anatomy.rest.repeat(postures, 1)
    share = np.random.default_rng(seed).random((postures, len(low)))
    drawn[:, drawn.shape[1] - len(low) :] = torch.from_numpy(low + share * (high - low))
    z = drawn if active is None else torch.cat([drawn, active.double()])
    length, arm = (values.numpy() for values in lengths_and_arms(anatomy, z))
    joints = z[:, z.shape[1] - len(low) :].numpy()
    groups = groups_of(anatomy.model, anatomy.couplings)
    empty = [_empty(group, low, high, skip) for group in groups]
    design = [_design(term, joints[:, [index - skip for index in term.coordinates]]) for term in empty]
    # Muscles with stretches over the same groups share their equations.
    alike: dict[tuple[int, ...], list[int]] = {}
    for muscle in range(len(anatomy.muscles)):
        key = tuple(number for number, group in enumerate(groups) if muscle in group.muscles)
        alike.setdefault(key, []).append(muscle)
    for key, muscles in alike.items():
        if not key:
            continue
        found = _solved([design[number] for number in key], length[:, muscles], arm[:, muscles])
        for number, part in zip(key, found, strict=True):
            columns = [empty[number].muscles.index(muscle) for muscle in muscles]
            empty[number].coefficient[:, columns] = part
    return FittedPaths(
        body_hash=anatomy.hash, terms=tuple(empty), muscles=len(anatomy.muscles),
        coordinates=anatomy.couplings.coordinate_size, free=anatomy.free,
    )  # fmt: skip


@dataclass(frozen=True)
class _Design:
    """What a term makes of its coefficients in every posture: sparse matrices."""

    value: Any
    slope: dict[int, Any]
    """Derivative with respect to each coordinate."""
    bend: Any
    """Second differences."""


def _empty(group: Group, low: np.ndarray, high: np.ndarray, skip: int) -> Term:
    """A term whose coefficients are to be found."""
    joints = [index - skip for index in group.coordinates]
    spans = high[joints] - low[joints]
    intervals = tuple(max(2, int(np.ceil(span / SPACING[min(len(joints), 4)]))) for span in spans)
    cells = int(np.prod([count + SUPPORT - 1 for count in intervals]))
    coefficient = np.zeros((cells, len(group.muscles)))
    return Term(group.coordinates, group.muscles, low[joints], spans / np.array(intervals), intervals, coefficient)


def _design(term: Term, joints: Float[np.ndarray, "posture joint"]) -> _Design:
    corners, weight, slopes = corners_of(term, torch.from_numpy(joints))
    place = corners.numpy()
    rows = np.repeat(np.arange(len(joints)), place.shape[1])
    shape = len(joints), int(np.prod(term.cells))

    def matrix(values: Tensor) -> Any:
        return scipy.sparse.csr_matrix((values.numpy().ravel(), (rows, place.ravel())), shape=shape)

    bends = []
    for axis, count in enumerate(term.cells):
        factors = [scipy.sparse.eye_array(other) for other in term.cells]
        factors[axis] = scipy.sparse.csr_array(np.diff(np.eye(count), n=2, axis=0))
        whole = factors[0]
        for factor in factors[1:]:
            whole = scipy.sparse.kron(whole, factor)
        bends.append(whole)
    slope = {index: matrix(values) for index, values in zip(term.coordinates, slopes, strict=True)}
    return _Design(matrix(weight), slope, scipy.sparse.vstack(bends).tocsr())


def _solved(
    parts: list[_Design], length: Float[np.ndarray, "posture muscle"], arm: Float[np.ndarray, "posture muscle all"]
) -> list[np.ndarray]:
    """Coefficients of every term of some muscles."""
    rows = [scipy.sparse.hstack([part.value for part in parts]) / LENGTH_ERROR]
    wanted = [length / LENGTH_ERROR]
    for index in sorted({index for part in parts for index in part.slope}):
        none = [scipy.sparse.csr_matrix(part.value.shape) for part in parts]
        columns = [part.slope.get(index, empty) for part, empty in zip(parts, none, strict=True)]
        rows.append(scipy.sparse.hstack(columns) / ARM_ERROR)
        wanted.append(-arm[:, :, index] / ARM_ERROR)
    equations: Any = scipy.sparse.vstack(rows).tocsr()
    size = equations.shape[1]
    bend: Any = scipy.sparse.block_diag([part.bend for part in parts])
    matrix = (equations.T @ equations + STIFFNESS * len(length) / size * (bend.T @ bend)).toarray()
    # One ridge for all: the equations of lengths weigh 1e8 a posture.
    matrix[np.diag_indices(size)] += RIDGE * np.trace(matrix) / size
    found = scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix, overwrite_a=True), equations.T @ np.vstack(wanted))
    ends = np.cumsum([part.value.shape[1] for part in parts])
    return np.split(found, ends[:-1])
