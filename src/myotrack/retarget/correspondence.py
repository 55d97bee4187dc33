"""Which recorded point belongs where on the body: the conventions of motion capture, resolved for one recording.

Joint centres and markers are treated alike. Each has a segment it moves with, a place where a generic body has it, and
a spread that says how far from there a person may have it. The place itself is found by `subject.fit_subject`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.capture.recording import Recording
from myotrack.retarget.conventions import SKELETONS, Convention
from myotrack.retarget.markers import COLUMNS, MARKER_SETS, Placement, read_marker_file, resolve
from myotrack.retarget.rest import turn_targets
from myotrack.retarget.rig import Rig

LIMBS = {"arm": ("upper_arm", "forearm", "wrist", "hand"), "leg": ("thigh", "shank", "talus", "foot", "toes")}
"""Segments of each limb."""
FEWEST_FRAMES = 4
"""Frames in which a point must be seen to be used."""
MOST_LISTED = 12
"""Names in one note."""


@dataclass(frozen=True)
class Correspondence:
    """The points of one recording that are used, and what is known of each before anything is fitted."""

    convention: str
    """'SMPL', 'CMU 41 markers', 'markers.csv', ..."""
    names: tuple[str, ...]
    column: Int[Tensor, "point"]
    """Of the recording."""
    segment: Int[Tensor, "point"]
    """Of the rig."""
    place: Float[Tensor, "point 3"]
    """Usual place in the segment's frame, on the body's own size [m]."""
    spread: Float[Tensor, "point"]
    """Standard deviation of a person's place around it [m]."""
    error: Float[Tensor, "point"]
    """Standard deviation of a measurement, soft tissue included [m]."""
    unused: tuple[str, ...]
    """Points of the recording that the convention does not know."""
    turn_column: Int[Tensor, "turn"]
    """Of the recording's `turns`."""
    turn_segment: Int[Tensor, "turn"]
    turn_rest: Float[Tensor, "turn 3 3"]
    """Orientation of the segment when the recording's own skeleton is in its rest pose."""
    turn_error: Float[Tensor, "turn"]
    """Standard deviation of a recorded orientation [rad]."""

    def notes(self, rig: Rig) -> tuple[str, ...]:
        """What the recording has that is not used, and what the body has that nothing is recorded of."""
        said = []
        if self.unused:
            listed = ", ".join(self.unused[:MOST_LISTED]) + (", ..." if len(self.unused) > MOST_LISTED else "")
            said.append(f"{len(self.unused)} of {len(self.unused) + len(self.names)} points not used: {listed}")
        followed = {rig.segments[int(row)] for row in (*self.segment, *self.turn_segment)}
        for side in ("right", "left"):
            for limb, parts in LIMBS.items():
                names = [f"{side}_{part}" for part in parts]
                if set(names) <= set(rig.segments) and not followed & set(names):
                    said.append(f"nothing is recorded of the {side} {limb}: it rests")
        return tuple(said)


def correspond(recording: Recording, rig: Rig, markers: Path | None = None, fewest: int = 4) -> Correspondence:
    """Find out which points of a recording are what.

    Args:
        recording: Joint centres or markers.
        rig: The body.
        markers: A file that says where each point belongs; otherwise the known conventions are tried.
        fewest: How many points must be recognised.

    Raises:
        ValueError: Too few points are recognised; the message lists those that were not.
    """
    if recording.points is None:
        raise ValueError(f"{recording.origin.file}: there are no points in it to follow.")
    if markers is not None:
        name, placements = markers.name, read_marker_file(markers)
    else:
        name, placements = _best(recording)
    rows = {point: placed for point, placed in placements.items() if point in recording.names}
    seen: np.ndarray = ~np.isnan(recording.points).any(axis=2)  # pyright: ignore[reportAssignmentType]
    present = {point: seen[:, recording.names.index(point)].sum() >= FEWEST_FRAMES for point in rows}
    resolved = {
        point: spot for point, placed in rows.items() if present[point] and (spot := resolve(placed, rig)) is not None
    }
    unused = tuple(point for point in recording.names if point not in rows)
    if len(resolved) < fewest:
        listed = ", ".join(unused[:40]) + (", ..." if len(unused) > 40 else "")
        raise ValueError(
            f"{recording.origin.file}: only {len(resolved)} points are known by name; not recognised: "
            f"{listed or 'none'}. Name them in a marker file (--markers FILE.csv with the columns "
            f"{', '.join(COLUMNS)})."
        )
    names = tuple(resolved)
    column = [recording.names.index(point) for point in names]
    turns = turn_targets(recording, SKELETONS[name], rig) if name in SKELETONS else ()
    return Correspondence(
        convention=name,
        names=names,
        column=torch.tensor(column),
        segment=torch.tensor([resolved[point].segment for point in names]),
        place=torch.tensor(np.array([resolved[point].place for point in names]), dtype=torch.float64),
        spread=torch.tensor([resolved[point].spread for point in names], dtype=torch.float64),
        error=torch.tensor([resolved[point].error for point in names], dtype=torch.float64),
        unused=unused,
        turn_column=torch.tensor([turn.column for turn in turns], dtype=torch.int64),
        turn_segment=torch.tensor([turn.segment for turn in turns], dtype=torch.int64),
        turn_rest=torch.tensor(np.array([turn.rest for turn in turns]).reshape(-1, 3, 3), dtype=torch.float64),
        turn_error=torch.tensor([turn.error for turn in turns], dtype=torch.float64),
    )


def _best(recording: Recording) -> tuple[str, dict[str, Placement]]:
    """The convention that knows most of the points."""
    known: dict[str, dict[str, Placement]]
    if recording.kind == "joints":
        known = {name: Convention.placements(convention) for name, convention in SKELETONS.items()}
    else:
        known = MARKER_SETS
    points = set(recording.names)
    best = max(known, key=lambda name: len(points & known[name].keys()))
    return best, known[best]
