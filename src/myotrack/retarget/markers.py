"""Where markers sit on the skin: the marker sets known by name, and files that describe others.

Places on bones are those of the published body, which carries the marker set of Rajagopal et al. (2016), doi
10.1109/TBME.2016.2586891; others are described in the frame of their segment (x forward, y left, z up, metres).
"""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from myotrack.anatomy.sizes import PARTS
from myotrack.retarget.rig import SEGMENTS, Rig

SKIN = 0.01
"""Error of a marker over bone in one frame [m]. Tuned, after soft-tissue artefacts of 5-20 mm at the thigh and less
elsewhere (Leardini et al. 2005, doi:10.1016/j.gaitpost.2004.05.002)."""
FLESH = 0.02
"""The same over muscle [m]."""


@dataclass(frozen=True)
class Placement:
    """Where a point usually is on the published body."""

    segment: str
    site: str | None = None
    """A MuJoCo site of the right side, or None for `place`."""
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """On the right side, in the segment's frame [m]."""
    spread: float = 0.02
    """Standard deviation of a person's place around it [m]."""
    error: float = SKIN
    """Standard deviation of one measurement [m]."""
    mirrored: bool = False
    """Whether it is the left twin of what `site` and `place` describe."""


@dataclass(frozen=True)
class Spot:
    """A placement on one rig."""

    segment: int
    place: Float[np.ndarray, "3"]
    spread: float
    error: float


def resolve(placement: Placement, rig: Rig) -> Spot | None:
    """Find a placement on a rig; None if the rig lacks the segment."""
    if placement.segment not in rig.segments:
        return None
    part = PARTS[rig.part_of_segment[rig.segment(placement.segment)]]
    place = np.array(placement.place) * getattr(rig.anatomy.sizes, part)
    if placement.site is not None:
        place = rig.place(placement.site)[1]
    if placement.mirrored:
        place = place * [1.0, -1.0, 1.0]
    return Spot(rig.segment(placement.segment), place, placement.spread, placement.error)


def _bone(segment: str, site: str, spread: float = 0.015, error: float = SKIN) -> Placement:
    return Placement(segment, site, spread=spread, error=error)


def _skin(segment: str, forward: float, left: float, up: float, spread: float, error: float = SKIN) -> Placement:
    return Placement(segment, None, (forward, left, up), spread, error)


PLACES: dict[str, Placement] = {
    "asis": _bone("pelvis", "RASI"),
    "psis": _bone("pelvis", "RPSI"),
    "sacrum": _skin("pelvis", -0.164, 0.0, 0.035, 0.02),
    "back_waist": _skin("pelvis", -0.15, -0.08, 0.04, 0.05),
    "front_waist": _skin("pelvis", 0.0, -0.13, 0.03, 0.04),
    "thigh_upper": _bone("right_thigh", "RTH1", 0.08, FLESH),
    "thigh_front": _bone("right_thigh", "RTH2", 0.08, FLESH),
    "thigh_lower": _bone("right_thigh", "RTH3", 0.08, FLESH),
    "knee_lateral": _bone("right_thigh", "RLFC"),
    "knee_medial": _bone("right_thigh", "RMFC"),
    "tibial_tuberosity": _skin("right_shank", 0.05, 0.0, -0.05, 0.03),
    "shank_upper": _bone("right_shank", "RTB1", 0.08),
    "shank_front": _bone("right_shank", "RTB2", 0.08),
    "shank_lower": _bone("right_shank", "RTB3", 0.08),
    "ankle_lateral": _bone("right_shank", "RLMAL"),
    "ankle_medial": _bone("right_shank", "RMMAL"),
    "heel": _bone("right_foot", "RCAL"),
    "toe": _bone("right_foot", "RTOE", 0.03),
    "mt5": _bone("right_foot", "RMT5", 0.02),
    "mt1": _skin("right_foot", 0.16, 0.03, 0.02, 0.03),
    "toe_tip": _skin("right_toes", 0.05, 0.0, 0.01, 0.03, FLESH),
    "midfoot": _skin("right_foot", 0.11, -0.01, 0.05, 0.04),
    "c7": _skin("thorax", -0.056, 0.0, 0.055, 0.02),
    "t10": _skin("thorax", -0.12, 0.0, -0.19, 0.05),
    "sternum_top": _skin("thorax", 0.03, 0.0, -0.01, 0.03),
    "sternum": _skin("thorax", 0.08, 0.0, -0.15, 0.05),
    "scapula": _skin("thorax", -0.11, -0.09, -0.1, 0.06, FLESH),
    "clavicle": _bone("thorax", "R.Clavicle_marker", 0.02),
    "acromion": _bone("thorax", "R.Shoulder_marker", 0.02, 0.03),
    "shoulder_front": _skin("right_upper_arm", 0.04, 0.0, 0.0, 0.04, 0.03),
    "shoulder_back": _skin("right_upper_arm", -0.05, 0.0, 0.0, 0.04, 0.03),
    "biceps": _bone("right_upper_arm", "R.Bicep_marker", 0.08, FLESH),
    "elbow_lateral": _bone("right_upper_arm", "R.Elbow.Lateral_marker"),
    "elbow_medial": _bone("right_upper_arm", "R.Elbow.Medial_marker"),
    "elbow": _bone("right_upper_arm", "R.Elbow.Lateral_marker", 0.03),
    "forearm": _bone("right_wrist", "R.Forearm_marker", 0.08, FLESH),
    "wrist_radius": _bone("right_wrist", "R.Radius_marker", 0.03),
    "wrist_ulna": _bone("right_forearm", "R.Ulna_marker", 0.03, FLESH),
    "wrist": _bone("right_wrist", "s_wrist_r", 0.03),
    "knuckle": _skin("right_hand", 0.0, 0.0, -0.03, 0.03),
    "thumb": _skin("right_hand", 0.05, 0.02, -0.02, 0.04, FLESH),
    "head_front": _skin("head", 0.1, -0.07, 0.1, 0.06),
    "head_back": _skin("head", -0.09, -0.07, 0.1, 0.06),
    "head_top": _skin("head", 0.0, 0.0, 0.19, 0.06),
    "hip_centre": _skin("right_thigh", 0.0, 0.0, 0.0, 0.02),
    "knee_centre": _skin("right_shank", 0.0, 0.0, 0.0, 0.02),
    "ankle_centre": _skin("right_talus", 0.0, 0.0, 0.0, 0.02),
}
"""Places on the right side, or on the middle."""


def left_twin(placement: Placement) -> Placement:
    """The same place on the other side."""
    return replace(placement, segment=placement.segment.replace("right_", "left_"), mirrored=True)


def _set(middle: dict[str, str], sided: dict[str, str]) -> dict[str, Placement]:
    """A marker set. In the names of `sided`, {S} stands for R or L."""
    known = {marker: PLACES[place] for marker, place in middle.items()}
    for pattern, place in sided.items():
        known[pattern.format(S="R")] = PLACES[place]
        known[pattern.format(S="L")] = left_twin(PLACES[place])
    return known


MARKER_SETS: dict[str, dict[str, Placement]] = {
    "CMU 41 markers": _set(
        {"C7": "c7", "T10": "t10", "CLAV": "sternum_top", "STRN": "sternum", "RBAC": "scapula"},
        {
            "{S}FHD": "head_front", "{S}BHD": "head_back", "{S}SHO": "acromion", "{S}UPA": "biceps", "{S}ELB": "elbow",
            "{S}FRM": "forearm", "{S}WRA": "wrist_radius", "{S}WRB": "wrist_ulna", "{S}FIN": "knuckle",
            "{S}THMB": "thumb", "{S}FWT": "front_waist", "{S}BWT": "back_waist", "{S}THI": "thigh_lower",
            "{S}KNE": "knee_lateral", "{S}SHN": "shank_lower", "{S}ANK": "ankle_lateral", "{S}HEE": "heel",
            "{S}TOE": "toe", "{S}MT5": "mt5", "{S}MT1": "mt1",
        },
    ),
    "Plug-in Gait": _set(
        {
            "C7": "c7", "T10": "t10", "CLAV": "sternum_top", "STRN": "sternum", "RBAK": "scapula", "RBAC": "scapula",
            "SACR": "sacrum",
        },
        {
            "{S}FHD": "head_front", "{S}BHD": "head_back", "{S}SHO": "acromion", "{S}UPA": "biceps",
            "{S}ELB": "elbow_lateral", "{S}FRA": "forearm", "{S}FRM": "forearm", "{S}WRA": "wrist_radius",
            "{S}WRB": "wrist_ulna", "{S}FIN": "knuckle", "{S}ASI": "asis", "{S}PSI": "psis", "{S}THI": "thigh_lower",
            "{S}KNE": "knee_lateral", "{S}KNM": "knee_medial", "{S}TIB": "shank_lower", "{S}ANK": "ankle_lateral",
            "{S}MED": "ankle_medial", "{S}HEE": "heel", "{S}TOE": "toe", "{S}MT5": "mt5",
        },
    ),
    "Rajagopal, OpenSim": _set(
        {"S2": "sacrum", "C7": "c7", "CLAV": "sternum_top"},
        {
            "{S}.Shoulder": "acromion", "{S}.Clavicle": "clavicle", "{S}.Biceps": "biceps",
            "{S}.Elbow": "elbow_lateral",
            "{S}.MElbow": "elbow_medial", "{S}.Forearm": "forearm", "{S}.Wrist": "wrist", "{S}.ASIS": "asis",
            "{S}.PSIS": "psis", "{S}.TH1": "thigh_upper", "{S}.TH2": "thigh_front", "{S}.TH3": "thigh_lower",
            "{S}.TH4": "thigh_lower", "{S}.Knee": "knee_lateral", "{S}.MKnee": "knee_medial", "{S}.SH1": "shank_upper",
            "{S}.SH2": "shank_front", "{S}.SH3": "shank_lower", "{S}.SH4": "shank_lower", "{S}.Ankle": "ankle_lateral",
            "{S}.MAnkle": "ankle_medial", "{S}.Heel": "heel", "{S}.MT5": "mt5", "{S}.Toe": "toe",
            "{S}HJC": "hip_centre",
            "{S}ACR": "acromion", "{S}ASH": "shoulder_front", "{S}PSH": "shoulder_back", "{S}LEL": "elbow_lateral",
            "{S}MEL": "elbow_medial", "{S}FAradius": "wrist_radius", "{S}FAulna": "wrist_ulna", "{S}ASI": "asis",
            "{S}PSI": "psis", "{S}LFC": "knee_lateral", "{S}MFC": "knee_medial", "{S}TH1": "thigh_upper",
            "{S}TH2": "thigh_front", "{S}TH3": "thigh_lower", "{S}TB1": "shank_upper", "{S}TB2": "shank_front",
            "{S}TB3": "shank_lower", "{S}LMAL": "ankle_lateral", "{S}MMAL": "ankle_medial", "{S}CAL": "heel",
            "{S}TOE": "toe", "{S}MT5": "mt5",
        },
    ),
}  # fmt: skip
"""Marker sets known by name."""

COLUMNS = ("point", "segment", "forward", "left", "up", "spread")


def read_marker_file(path: Path) -> dict[str, Placement]:
    """Read where markers belong.

    A table in CSV with the columns point, segment, forward, left, up [m] and, if wanted, spread [m]. Segments are
    named as in `Rig.segments`; forward, left and up are in the segment's frame of the neutral pose. A row may instead
    give the name of a known place ('knee_lateral', 'left knee_lateral') as its segment, and nothing else.

    Raises:
        ValueError: The file is not such a table; the message names the line.
        OSError: It cannot be opened.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: this is not a table in CSV ({error}).") from error
    if not rows or not {"point", "segment"} <= rows[0].keys():
        raise ValueError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}.")
    known = {}
    for line, row in enumerate(rows, start=2):
        point, segment = (row["point"] or "").strip(), (row["segment"] or "").strip()
        place = segment.removeprefix("left ").removeprefix("right ")
        if place in PLACES:
            known[point] = left_twin(PLACES[place]) if segment.startswith("left ") else PLACES[place]
            continue
        if segment not in SEGMENTS:
            raise ValueError(
                f"{path}, line {line}: '{segment}' of '{point}' is neither a known place nor a segment. "
                f"Segments are: {', '.join(SEGMENTS)}."
            )
        try:
            numbers = [float(row[column]) for column in COLUMNS[2:5]]
            spread = float(row.get("spread") or 0.02)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {line}: forward, left and up of '{point}' must be numbers [m].") from error
        if not all(math.isfinite(number) for number in (*numbers, spread)) or spread <= 0:
            raise ValueError(f"{path}, line {line}: the numbers of '{point}' must be finite, its spread positive.")
        known[point] = Placement(segment, None, (numbers[0], numbers[1], numbers[2]), spread)
    return known
