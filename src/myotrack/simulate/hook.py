"""Muscles inside MuJoCo's step: a compiled function that MuJoCo calls wherever it asks for passive forces.

`mujoco.batch` steps worlds on threads of its own, and a function in C is all that can run there. This one looks up
which world it is in (`userdata`), brings activations to the present time, and adds the moments of the muscles. Asked
twice about one instant it says the same, so an extra `mj_forward` does no harm. Models of others do not carry our mark
and are left alone.

MuJoCo's structures are read at places that are found once, by looking where a small model keeps known values.
"""

import ctypes
from typing import no_type_check

import mujoco
import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from myotrack.simulate.native import follow_one, pull_one

MARK = 7.25e15
"""In the first number of `userdata`, plus the number of the set of worlds; the second is the world."""
USERDATA = 2
MOST_SETS = 4096
FARTHEST = 1e6
"""A joint angle beyond this, or one that is no number, is read as 0 [rad]."""


@intrinsic
@no_type_check
def _pointer(typing, address):
    """An address as a pointer."""

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), code


@intrinsic
@no_type_check
def _address(typing, pointer):
    """A pointer as an address."""

    def code(context, builder, signature, arguments):
        return builder.ptrtoint(arguments[0], cgutils.intp_t)

    return types.intp(pointer), code


def _places() -> tuple[int, int, int, int, int, int]:
    """Where MuJoCo keeps a model's number of userdata, and a world's time, qpos, qvel, qfrc_passive, userdata [bytes].

    Raises:
        RuntimeError: They are not where they can be.
    """
    count = 12347
    xml = f"<mujoco><size nuserdata='{count}'/><worldbody><body><joint/><geom size='1'/></body></worldbody></mujoco>"
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    data.time = 1234.5678
    in_model = np.ctypeslib.as_array((ctypes.c_int64 * 200).from_address(model._address))
    in_data = np.ctypeslib.as_array((ctypes.c_int64 * _LONGEST).from_address(data._address))

    def last(values: np.ndarray, wanted: int) -> int:
        # Arrays without numbers have the address of the one after them.
        found = np.flatnonzero(values == wanted)
        if not len(found):
            raise RuntimeError(f"MuJoCo {mujoco.__version__} keeps its numbers where muscles do not find them.")
        return 8 * int(found[-1])

    arrays = (data.qpos, data.qvel, data.qfrc_passive, data.userdata)
    time = last(in_data, int(np.float64(data.time).view(np.int64)))
    places = [last(in_data, array.ctypes.data) for array in arrays]
    return last(in_model, count), time, places[0], places[1], places[2], places[3]


_LONGEST = 22_000
"""Numbers of 8 bytes that are searched, within the structure of a world."""
_COUNT, _TIME, _QPOS, _QVEL, _PASSIVE, _USERDATA = _places()
_SETS = np.zeros((MOST_SETS, 20), dtype=np.int64)
"""Per set of worlds, addresses of its arrays and their sizes, in the order of `hook`."""
_SETS_ADDRESS = _SETS.ctypes.data


def enlist(arrays: tuple[np.ndarray, ...], qpos: int, qvel: int) -> float:
    """Let the muscles of a set of worlds pull from now on; the mark that its worlds carry in `userdata`.

    Args:
        arrays: layout, knots, muscles, table, curve, state, twist, since, index (`fitted.FittedMuscles`), contiguous;
            they must live as long as the worlds.
        qpos, qvel: Sizes.

    Raises:
        RuntimeError: There are too many sets, or somebody else has taken MuJoCo's callback.
    """
    free = np.flatnonzero(_SETS[:, 0] == 0)
    if not len(free):
        raise RuntimeError(f"There are {MOST_SETS} sets of worlds with fitted muscles; let go of some.")
    number = int(free[0])
    layout, _, muscles, table, curve, state, _, _, index = arrays
    sizes = (len(layout), len(muscles), len(table), curve.shape[1], len(state), index.shape[1], qpos, qvel)
    _SETS[number, : len(arrays)] = [array.ctypes.data for array in arrays]
    _SETS[number, len(arrays) : len(arrays) + len(sizes)] = sizes
    global _installed
    if not _installed:
        if mujoco.get_mjcb_passive() is not None:
            raise RuntimeError("Another function is MuJoCo's callback for passive forces, where fitted muscles belong.")
        mujoco.set_mjcb_passive(_CALLBACK)
        _installed = True
    return MARK + number


def dismiss(mark: float) -> None:
    """Forget a set of worlds."""
    _SETS[int(mark - MARK)] = 0


_installed = False


@numba.njit(nogil=True)
@no_type_check
def _floats(address, count):
    return numba.carray(_pointer(address), count, np.float64)


@numba.njit(nogil=True)
@no_type_check
def _whole(address, count):
    return numba.carray(_pointer(address), count, np.int64)


@numba.cfunc(types.void(types.voidptr, types.voidptr))
@no_type_check
def hook(model, data):
    """What MuJoCo calls: activations up to now, then the moments of the muscles."""
    here, there = _address(model), _address(data)
    if _whole(here + _COUNT, 1)[0] != USERDATA:
        return
    userdata = _floats(_whole(there + _USERDATA, 1)[0], USERDATA)
    number = int(userdata[0] - MARK)
    if number < 0 or number >= MOST_SETS:
        return
    world = int(userdata[1])
    about = _whole(_SETS_ADDRESS + number * 160, 20)
    terms, places, numbers, muscles = about[9], about[10], about[11], about[12]
    worlds, coordinates, qpos_size, qvel_size = about[13], about[14], about[15], about[16]
    if world < 0 or world >= worlds:
        return
    layout = numba.carray(_pointer(about[0]), (terms, 4, 4), np.int64)
    knots = numba.carray(_pointer(about[1]), (terms, 2, 4), np.float32)
    owner = numba.carray(_pointer(about[2]), places, np.int64)
    table = numba.carray(_pointer(about[3]), numbers, np.float32)
    curve = numba.carray(_pointer(about[4]), (12, muscles), np.float64)
    state = numba.carray(_pointer(about[5]), (worlds, 6, muscles), np.float64)[world]
    twist = numba.carray(_pointer(about[6]), (worlds, coordinates), np.float64)[world]
    since = _floats(about[7], worlds)
    index = numba.carray(_pointer(about[8]), (2, coordinates), np.int64)
    time = _floats(there + _TIME, 1)[0]
    qpos = _floats(_whole(there + _QPOS, 1)[0], qpos_size)
    qvel = _floats(_whole(there + _QVEL, 1)[0], qvel_size)
    passive = _floats(_whole(there + _PASSIVE, 1)[0], qvel_size)
    if time > since[world]:
        follow_one(state, curve, time - since[world])
        since[world] = time
    z, rate = np.empty(coordinates), np.empty(coordinates)
    for coordinate in range(coordinates):
        at = qpos[index[0, coordinate]]
        # A world that has left the numbers must not choose where to read; it is found lost after the step.
        z[coordinate] = at if abs(at) < FARTHEST else 0.0
        rate[coordinate] = qvel[index[1, coordinate]]
    pull_one(z, rate, state, layout, knots, owner, table, curve, twist)
    for coordinate in range(coordinates):
        passive[index[1, coordinate]] += twist[coordinate]


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(hook.address)  # pyright: ignore
"""Kept, since MuJoCo does not keep it."""
