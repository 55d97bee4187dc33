"""The same body at three levels of detail: paths that wrap, paths that are fitted, and a minimal skeleton beside.

full         MuJoCo wraps every path, all coupled joints are there: the original
full:paths   all joints, muscles pull along fitted paths (`fitted`)
full:fast    fitted paths on the least joints (`reduce`)

Names, independent coordinates, landmarks, muscles, and the fingerprint that files carry are the same.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mujoco
import numpy as np

from myotrack.anatomy.fitted import FittedPaths, load_paths, save_paths

if TYPE_CHECKING:
    from myotrack.anatomy.model import Anatomy

Level = Literal["original", "paths", "fast"]
SHIPPED = Path(__file__).parents[1] / "data" / "paths"
"""Fitted paths of the bodies that come with the package, a file per fingerprint."""


def parsed(name: str) -> tuple[str, Level]:
    """Body and level from a name such as 'full:fast'.

    Raises:
        ValueError: There is no such level.
    """
    body, mark, level = name.partition(":")
    if not mark:
        return body, "original"
    if level == "paths":
        return body, "paths"
    if level == "fast":
        return body, "fast"
    raise ValueError(f"'{name}': a body has the levels 'paths' and 'fast', as in '{body}:fast', or none.")


def without_muscles(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """The skeleton that is left when muscles pull from outside: no tendons, and no points or surfaces of paths."""
    spec = spec.copy()
    for part in (*spec.actuators, *spec.tendons):
        spec.delete(part)
    for key in spec.keys:
        key.act, key.ctrl = [], []
    sensed = {sensor.objname for sensor in spec.sensors if sensor.objtype == mujoco.mjtObj.mjOBJ_SITE}
    for site in list(spec.sites):
        if site.name not in sensed:
            spec.delete(site)
    spec.discard_visual()
    return spec


def with_floor_pairs(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """The same contacts, with the floor named as the partner of every geom; only the floor is touched unnamed before.

    MuJoCo then need not look which segments are near each other. Measured: 4 of the 9 us that contacts of `full:fast`
    take to be found in a step.
    """
    spec = spec.copy()
    floor = spec.geom("floor")
    for number, geom in enumerate(spec.geoms):
        if geom.contype and geom is not floor:
            geom.name = geom.name or f"geom {number}"
            pair = spec.add_pair(geomname1=floor.name, geomname2=geom.name)
            # What is undefined, MuJoCo takes from the geoms.
            pair.friction[:] = pair.solref[:] = pair.solimp[:] = np.nan
            pair.margin, pair.gap, pair.condim = np.nan, np.nan, max(floor.condim, geom.condim)
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 0
    return spec


def with_stand_ins(spec: mujoco.MjSpec, original: mujoco.MjModel, fitted: FittedPaths, names: tuple[str, ...]) -> None:
    """Give a skeleton the muscles of an original, on fixed tendons over the joints that each spans.

    The tendons have no meaning: they tell which muscle may move which joint. Everything else about a muscle is true.

    Args:
        spec: Changed in place.
        original: With the same muscles.
        fitted: Whose terms tell what is spanned.
        names: Of the joints, in the order of rates; of a root, anything.
    """
    spans: list[set[int]] = [set() for _ in range(fitted.muscles)]
    for term in fitted.terms:
        for muscle in term.muscles:
            spans[muscle] |= set(term.coordinates)
    for muscle, span in enumerate(spans):
        name = original.actuator(muscle).name
        tendon = spec.add_tendon(name=f"{name}_stand_in")
        for coordinate in sorted(span):
            tendon.wrap_joint(names[coordinate], 1.0)
        actuator = spec.add_actuator(name=name, target=tendon.name, trntype=mujoco.mjtTrn.mjTRN_TENDON)
        actuator.dyntype = mujoco.mjtDyn.mjDYN_MUSCLE
        actuator.gaintype = mujoco.mjtGain.mjGAIN_MUSCLE
        actuator.biastype = mujoco.mjtBias.mjBIAS_MUSCLE
        actuator.dynprm[:] = original.actuator_dynprm[muscle]
        actuator.gainprm[:] = original.actuator_gainprm[muscle]
        actuator.biasprm[:] = original.actuator_biasprm[muscle]
        actuator.lengthrange = original.actuator_lengthrange[muscle]
        actuator.ctrllimited, actuator.ctrlrange = True, original.actuator_ctrlrange[muscle]
        actuator.gear[:] = original.actuator_gear[muscle]


def paths_of(anatomy: "Anatomy") -> FittedPaths:
    """The fitted paths of a body: those that come with the package, those made here before, or new ones.

    New ones take half a minute for the full body, and are kept in the user's cache (`XDG_CACHE_HOME`).

    Raises:
        PathsError: A file is damaged.
    """
    for file in (shipped_file(anatomy.hash), kept_file(anatomy.hash)):
        if file.exists():
            return load_paths(file, anatomy.hash)
    from myotrack.anatomy.pathfit import fit_paths

    file = kept_file(anatomy.hash)
    save_paths(fit_paths(anatomy), file)
    # As everybody else reads them, in single precision.
    return load_paths(file, anatomy.hash)


def shipped_file(body_hash: str) -> Path:
    """Where the package keeps fitted paths."""
    return SHIPPED / f"{body_hash}.npz"


def kept_file(body_hash: str) -> Path:
    """Where paths that were fitted here are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "myotrack" / "paths" / f"{body_hash}.npz"
