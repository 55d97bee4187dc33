"""Force plates of a C3D file: from channels in the plate's own frame to force and moment in the world.

A plate's frame follows from its corners, which stand in its quadrants (+x +y), (-x +y), (-x -y), (+x -y); its z points
down. ORIGIN leads from where moments are measured to the middle of the surface, in the plate's frame. Both are the
C3D User Guide's words, and so are the types: 1 centre of pressure, 2 six components, 3 eight sensors, 4 six components
through a calibration matrix.
"""

import numpy as np
from jaxtyping import Float

from myotrack.capture.c3d_file import C3DFile
from myotrack.capture.recording import Plate

CHANNELS = {1: 6, 2: 6, 3: 8, 4: 6}
"""How many channels a plate of each type has."""
FORCE_UNITS = {"N": 1.0, "KN": 1e3, "LBF": 4.4482216}
LENGTH_UNITS = {"MM": 1e-3, "CM": 1e-2, "DM": 1e-1, "M": 1.0, "IN": 0.0254, "FT": 0.3048}
SQUARE = 0.9
"""Least cosine with an axis at which the plates count as square to it; ramps do not."""
LOADED = 20.0
"""Vertical force above which a plate counts as stood on [N]."""


def read_plates(
    file: C3DFile, metres: float, turn: Float[np.ndarray, "3 3"]
) -> tuple[tuple[Plate, ...], frozenset[int], tuple[str, ...]]:
    """All plates that can be understood.

    Args:
        file: The file.
        metres: Length of the file's unit of length [m].
        turn: From the file's world to one with z up.

    Returns:
        The plates, the analog channels in use by any plate, and notes.
    """
    corners = _columns(file, "CORNERS", 12).reshape(-1, 4, 3)
    origins = _columns(file, "ORIGIN", 3)
    types = file.numbers("FORCE_PLATFORM", "TYPE")
    channel = file.parameters.get("FORCE_PLATFORM", {}).get("CHANNEL")
    channels = channel.T if isinstance(channel, np.ndarray) and channel.ndim == 2 else np.zeros((0, 0))
    calibrations = _columns(file, "CAL_MATRIX", 36).reshape(-1, 6, 6)  # One column of the matrix after the other.
    # A count that is no number counts nothing, as a count of zero.
    used = int(np.clip(np.nan_to_num(file.number("FORCE_PLATFORM", "USED", 0.0)), 0, 64))
    plates: list[Plate] = []
    taken: set[int] = set()
    notes: list[str] = []
    for index in range(used):
        # A type that is no number is told below as type 0, which there is not.
        kind = int(np.nan_to_num(types[index])) if index < len(types) else 0
        if kind not in CHANNELS:
            notes.append(f"Force plate {index + 1} is of type {kind}, which is not read.")
            continue
        own = channels[index, : CHANNELS[kind]].astype(int) - 1 if index < len(channels) else np.zeros(0, dtype=int)
        complete = len(own) == CHANNELS[kind] and own.min() >= 0 and own.max() < file.analog.shape[1]
        placed = index < min(len(corners), len(origins)) and np.isfinite([*corners[index], origins[index]]).all()
        frame = _frame(corners[index]) if placed else None
        if not complete or frame is None or (kind == 4 and not np.isfinite(calibrations[index : index + 1]).any()):
            notes.append(f"Force plate {index + 1} is left out: its channels, corners or calibration are missing.")
            continue
        force, moment = wrench(file.analog[:, own], kind, origins[index], calibrations[index] if kind == 4 else None)
        to_newton, to_newton_metre, guess = _units(file, own, kind, metres)
        notes.extend(f"Force plate {index + 1} {words}." for words in guess)
        if kind in (1, 3):  # Their levers come from ORIGIN or from CoP channels, in the file's unit of length.
            to_newton_metre = to_newton * metres
        force_w = force @ frame.T @ turn.T * to_newton
        moment_w = moment @ frame.T @ turn.T * to_newton_metre
        where = _measured_at(origins[index], kind)
        origin_w = turn @ (corners[index].mean(axis=0) + frame @ where) * metres
        moment_w = moment_w + np.cross(origin_w, force_w)
        vertical = force_w[:, 2]
        if -np.nansum(np.minimum(vertical, 0)) > np.nansum(np.maximum(vertical, 0)) and np.nanmin(vertical) < -LOADED:
            force_w, moment_w = -force_w, -moment_w
            notes.append(f"Force plate {index + 1} gives the force on the plate; turned round, as ground only pushes.")
        taken.update(own.tolist())
        corners_w = corners[index] @ turn.T * metres
        plates.append(Plate(f"plate {index + 1}", file.analog_rate, force_w, moment_w, corners_w))
    return tuple(plates), frozenset(taken), tuple(notes)


def over_plates(
    file: C3DFile, points: Float[np.ndarray, "frame point 3"], metres: float
) -> Float[np.ndarray, "3"] | None:
    """The direction square to the force plates on whose side the markers are; None where plates do not agree in one.

    Forces themselves would tell no more: they are known in the frame of the corners, and files count them both as what
    the subject gets and as what the plate gets. Without markers the order of the corners tells the side.

    Args:
        points: In the file's axes, NaN where not seen [m].
        metres: Length of the file's unit of length [m].
    """
    corners = _columns(file, "CORNERS", 12).reshape(-1, 4, 3)
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    frames = [frame for frame in map(_frame, corners) if frame is not None]
    if not frames:
        return None
    down = np.mean([frame[:, 2] for frame in frames], axis=0)
    axis = int(np.abs(down).argmax())
    if abs(down[axis]) < SQUARE:
        return None
    heights = points[..., axis][np.isfinite(points[..., axis])]
    above = -down[axis] if not len(heights) else np.median(heights) - metres * corners[..., axis].mean()
    return np.eye(3)[axis] * (1.0 if above > 0 else -1.0)


def wrench(
    channels: Float[np.ndarray, "sample channel"],
    kind: int,
    origin: Float[np.ndarray, "3"],
    calibration: Float[np.ndarray, "6 6"] | None = None,
) -> tuple[Float[np.ndarray, "sample 3"], Float[np.ndarray, "sample 3"]]:
    """Force and moment in the plate's frame, about the point where this type of plate measures.

    That point is the middle of the surface for type 1, the origin of the sensors for the others.
    """
    if kind == 3:
        x12, x34, y14, y23, z1, z2, z3, z4 = channels.T
        a, b = np.abs(origin[:2])
        force = np.stack([x12 + x34, y14 + y23, z1 + z2 + z3 + z4], axis=1)
        moment = [b * (z1 + z2 - z3 - z4), a * (-z1 + z2 + z3 - z4), b * (-x12 + x34) + a * (y14 - y23)]
        return force, np.stack(moment, axis=1)
    if kind == 4 and calibration is not None:
        channels = channels @ calibration
    force, moment = channels[:, :3], channels[:, 3:6]
    if kind == 1:
        lever = np.stack([moment[:, 0], moment[:, 1], np.zeros(len(moment))], axis=1)
        free = np.stack([np.zeros(len(moment)), np.zeros(len(moment)), moment[:, 2]], axis=1)
        return force, np.cross(lever, force) + free
    return force, moment


def _measured_at(origin: Float[np.ndarray, "3"], kind: int) -> Float[np.ndarray, "3"]:
    """Where moments are measured, from the middle of the surface, in the plate's frame.

    Sensors lie below the surface, which is along +z, so ORIGIN's z is negative. Many files have it positive and mean
    the opposite vector; they are read as they mean it.
    """
    if kind == 1:
        return np.zeros(3)
    if kind == 3:  # x and y are distances between the sensors.
        return np.array([0.0, 0.0, abs(origin[2])])
    return origin if origin[2] > 0 else -origin


def _frame(corners: Float[np.ndarray, "4 3"]) -> Float[np.ndarray, "3 3"] | None:
    """Axes of the plate as columns; None where the corners span no surface."""
    x = corners[0] - corners[1] + corners[3] - corners[2]
    y = corners[0] - corners[3] + corners[1] - corners[2]
    z = np.cross(x, y)
    if not np.isfinite(z).all() or np.linalg.norm(z) <= 1e-6 * np.linalg.norm(x) * np.linalg.norm(y) or not z.any():
        return None
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _units(file: C3DFile, own: np.ndarray, kind: int, metres: float) -> tuple[float, float, list[str]]:
    """Newtons and newton metres per unit of the plate's channels, and what had to be guessed."""
    given = file.texts("ANALOG", "UNITS")
    units = [
        given[channel].replace(" ", "").replace(".", "").upper() if channel < len(given) else "" for channel in own
    ]
    if kind == 4:  # The matrix turns volts into newtons and into newtons times the unit of length.
        return 1.0, metres, []
    guess = []
    force = FORCE_UNITS.get(units[0])
    if force is None:
        force, words = 1.0, f"'{units[0]}'" if units[0] else "nothing"
        guess.append(f"gives {words} as its unit of force; taken as N")
    unit = units[3] if len(units) > 3 else ""
    known = {f + length: FORCE_UNITS[f] * LENGTH_UNITS[length] for f in FORCE_UNITS for length in LENGTH_UNITS}
    moment = known.get(unit)
    if moment is None:
        moment = force * metres
        if kind == 2:
            guess.append("gives no known unit of moment; taken as its force times the file's unit of length")
    return force, moment, guess


def _columns(file: C3DFile, name: str, size: int) -> np.ndarray:
    """A parameter of FORCE_PLATFORM as one row of numbers per plate."""
    numbers = file.numbers("FORCE_PLATFORM", name)
    return numbers[: len(numbers) // size * size].reshape(-1, size)
