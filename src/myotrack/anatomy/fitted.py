"""Muscle paths as smooth functions: length and moment arms of every muscle without wrapping anything.

The length of a muscle is a sum over groups of joints (`pieces`); each term is a cubic B-spline over the joints of its
group. The sum of four neighbours per joint is all that an evaluation costs, however fine the knots are, and moment arms
are its exact derivatives. `pathfit` makes them.
Sources: de Boor (1978), A Practical Guide to Splines; the moment arm is -dL/dz, An, Takahashi, Harrigan, Chao (1984).
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

SUPPORT = 4
"""Coefficients per joint that a point of a spline depends on."""
VERSION = 1
"""Of the files."""


@dataclass(frozen=True)
class Term:
    """Splines over the joints of a group, for all muscles that have stretches over them."""

    coordinates: tuple[int, ...]
    """Ascending, as rates count them."""
    muscles: tuple[int, ...]
    low: Float[np.ndarray, "joint"]
    """First knot of each joint [rad]."""
    step: Float[np.ndarray, "joint"]
    """Between knots [rad]."""
    intervals: tuple[int, ...]
    coefficient: Float[np.ndarray, "cell muscle"]
    """[m]; cells count the last joint fastest, and each joint has three more than intervals."""

    @property
    def cells(self) -> tuple[int, ...]:
        """Coefficients along each joint."""
        return tuple(count + SUPPORT - 1 for count in self.intervals)


@dataclass(frozen=True)
class FittedPaths:
    """Length of every muscle as a sum of terms."""

    body_hash: str
    terms: tuple[Term, ...]
    muscles: int
    coordinates: int
    """How many there are, a root's six included."""
    free: bool

    def lengths_and_arms(
        self, z: Float[Tensor, "*batch pos"]
    ) -> tuple[Float[Tensor, "*batch muscle"], Float[Tensor, "*batch muscle coordinate"]]:
        """Lengths [m], and moment arms r = -dL/dz [m], in the precision and on the device of z.

        Half an interval beyond the outermost knots the curves go on as they were; farther out lengths stay the same.
        """
        rows = z.reshape(-1, z.shape[-1])
        length = rows.new_zeros(len(rows), self.muscles)
        arm = rows.new_zeros(len(rows), self.muscles, self.coordinates)
        skip = 1 if self.free else 0
        for term in self.terms:
            place, weight, slopes = corners_of(term, rows[:, [index + skip for index in term.coordinates]])
            table = torch.as_tensor(term.coefficient).to(rows)
            near = table[place]
            muscles = list(term.muscles)
            length[:, muscles] += torch.einsum("bc,bcm->bm", weight, near)
            for coordinate, slope in zip(term.coordinates, slopes, strict=True):
                arm[:, muscles, coordinate] -= torch.einsum("bc,bcm->bm", slope, near)
        return (
            length.reshape(*z.shape[:-1], self.muscles),
            arm.reshape(*z.shape[:-1], self.muscles, self.coordinates),
        )


class PathsError(ValueError):
    """A file of fitted paths cannot be used; the message names it and the next step."""


def save_paths(paths: FittedPaths, file: Path) -> None:
    """Write fitted paths in single precision: a zip of arrays with a JSON header, the same bytes for the same paths.

    Raises:
        OSError: It cannot be written.
    """
    arrays = {f"coefficient_{number}": term.coefficient.astype(np.float32) for number, term in enumerate(paths.terms)}
    terms = [
        {"coordinates": term.coordinates, "muscles": term.muscles, "low": term.low.tolist(), "step": term.step.tolist(),
         "intervals": term.intervals}
        for term in paths.terms
    ]  # fmt: skip
    about = {
        "version": VERSION, "body_hash": paths.body_hash, "muscles": paths.muscles, "coordinates": paths.coordinates,
        "free": paths.free, "terms": terms,
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        entries = {"header.json": json.dumps(about).encode()}
        for name, values in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, values, allow_pickle=False)
            entries[f"{name}.npy"] = buffer.getvalue()
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    part.replace(file)


def load_paths(file: Path, body_hash: str) -> FittedPaths:
    """Read fitted paths of a body.

    Raises:
        PathsError: They are damaged, or of another version or body.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read("header.json"))
            tables = [
                np.lib.format.read_array(io.BytesIO(archive.read(f"coefficient_{number}.npy")), allow_pickle=False)
                for number in range(len(about["terms"]))
            ]
        terms = tuple(
            Term(
                tuple(term["coordinates"]), tuple(term["muscles"]), np.array(term["low"]), np.array(term["step"]),
                tuple(term["intervals"]), table.astype(np.float64),
            )
            for term, table in zip(about["terms"], tables, strict=True)
        )  # fmt: skip
        found = FittedPaths(about["body_hash"], terms, about["muscles"], about["coordinates"], about["free"])
        fits = about["version"] == VERSION and found.body_hash == body_hash
        fits &= all(term.coefficient.shape == (np.prod(term.cells), len(term.muscles)) for term in terms)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise PathsError(f"{file}: these fitted muscle paths are damaged; delete the file.") from error
    if not fits:
        raise PathsError(f"{file}: these fitted muscle paths belong to another body or version; delete the file.")
    return found


def corners_of(
    term: Term, joints: Float[Tensor, "posture joint"]
) -> tuple[Int[Tensor, "posture corner"], Float[Tensor, "posture corner"], list[Float[Tensor, "posture corner"]]]:
    """Cells that each posture depends on, their weights, and the derivatives of these by every joint."""
    count = joints.shape[1]
    place = torch.zeros(len(joints), 1, dtype=torch.int64, device=joints.device)
    weight = torch.ones(len(joints), 1, dtype=joints.dtype, device=joints.device)
    slopes = [weight for _ in range(count)]
    near = torch.arange(SUPPORT, device=joints.device)
    for axis in range(count):
        intervals = term.intervals[axis]
        at = (joints[:, axis] - float(term.low[axis])) / float(term.step[axis])
        inside = at.clamp(-0.5, intervals + 0.5)
        # What is no number stays none, in the weights.
        first = torch.nan_to_num(inside).floor().clamp(0, intervals - 1)
        u = (inside - first)[:, None]
        value = torch.cat([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], dim=1) / 6
        slope = torch.cat([-((1 - u) ** 2), 3 * u**2 - 4 * u, -3 * u**2 + 2 * u + 1, u**2], dim=1) / 2
        slope = slope * ((at == inside).to(joints.dtype) / float(term.step[axis]))[:, None]

        def grown(old: Tensor, factor: Tensor) -> Tensor:
            return (old[:, :, None] * factor[:, None, :]).flatten(1)

        place = (place[:, :, None] * term.cells[axis] + (first.long()[:, None, None] + near)).flatten(1)
        slopes = [grown(old, slope if other == axis else value) for other, old in enumerate(slopes)]
        weight = grown(weight, value)
    return place, weight, slopes
