"""A control interval of a body with fitted muscles, compiled: MuJoCo's step and the muscles in turns.

    fresh ->  Euler's step -> activations -> moments of the muscles -> forward   (times the steps)   -> fresh

`Pool` calls it for each world on MuJoCo's threads. Between calls a world is *fresh*: everything MuJoCo derives belongs
to its present state, so that no forward pass is done twice. Results are those of `mj_step`, with the moments of the
muscles among the applied forces. MuJoCo's structures are read at places that are found once, by looking where a small
model keeps known values.
"""

import ctypes
from typing import no_type_check

import mujoco
import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from myotrack.simulate.fitted import FARTHEST
from myotrack.simulate.native import follow_one, pull_one
from myotrack.simulate.pool import library

NUMBERS = 19
"""In a table for `interval`: ten addresses, eight sizes, and the steps to do (`fitted.STEPS`)."""


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


def _places() -> list[int]:
    """Where a world keeps the addresses of its qpos, qvel and qfrc_applied [bytes].

    Raises:
        RuntimeError: They are not where they can be.
    """
    # With a muscle no array before these is empty; one that is has the address of the next.
    xml = """<mujoco><worldbody><body><joint name="a"/><geom size="1"/></body></worldbody>
             <actuator><general joint="a" dyntype="integrator"/></actuator></mujoco>"""
    data = mujoco.MjData(mujoco.MjModel.from_xml_string(xml))
    numbers = (ctypes.c_int64 * _LONGEST).from_address(data._address)

    def place(array: np.ndarray, after: int) -> int:
        found = next((n for n in range(after, _LONGEST) if numbers[n] == array.ctypes.data), None)
        if found is None:
            raise RuntimeError(f"MuJoCo {mujoco.__version__} keeps its numbers where muscles do not find them.")
        return found

    qvel = place(data.qvel, 1)
    # The buffer begins with qpos and has its address, too, but elsewhere.
    places = [place(data.qpos, qvel - 1), qvel, place(data.qfrc_applied, qvel)]
    return [8 * each for each in places]


_LONGEST = 20_200
"""Numbers of 8 bytes that are searched; the structure of a world has 20,265 in MuJoCo 4.0."""
_QPOS, _QVEL, _APPLIED = _places()
_LIBRARY = library()
_EULER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(("mj_Euler", _LIBRARY))
_FORWARD = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)(
    ("mj_forwardSkip", _LIBRARY)
)
_FROM_SCRATCH, _FROM_FORCES = int(mujoco.mjtStage.mjSTAGE_NONE), int(mujoco.mjtStage.mjSTAGE_VEL)


@numba.njit(nogil=True)
@no_type_check
def _floats(address, count):
    return numba.carray(_pointer(address), count, np.float64)


@numba.njit(nogil=True)
@no_type_check
def _there(data, place):
    """An address that a world keeps."""
    return numba.carray(_pointer(data + place), 1, np.int64)[0]


@numba.njit(nogil=True)
@no_type_check
def _pulled(qpos, qvel, applied, help, index, state, twist, layout, knots, owner, table, curve):
    """Let the muscles of a world pull, beside what helps from outside."""
    coordinates = twist.shape[0]
    z, rate = np.empty(coordinates), np.empty(coordinates)
    for coordinate in range(coordinates):
        at = qpos[index[0, coordinate]]
        # A world that has left the numbers must not choose where to read; it is found lost after the interval.
        z[coordinate] = at if abs(at) < FARTHEST else 0.0
        rate[coordinate] = qvel[index[1, coordinate]]
    pull_one(z, rate, state, layout, knots, owner, table, curve, twist)
    applied[:] = help
    for coordinate in range(coordinates):
        applied[index[1, coordinate]] += twist[coordinate]


@numba.cfunc(types.void(types.voidptr, types.voidptr, types.intc, types.voidptr))
@no_type_check
def interval(model, data, world, argument):
    """What MuJoCo's threads call; `argument` is the address of a table made by `table_for`."""
    there = _address(data)
    about = numba.carray(argument, NUMBERS, np.int64)
    terms, places, numbers, muscles, worlds = about[10], about[11], about[12], about[13], about[14]
    coordinates, qpos_size, qvel_size, steps = about[15], about[16], about[17], about[18]
    layout = numba.carray(_pointer(about[0]), (terms, 4, 4), np.int64)
    knots = numba.carray(_pointer(about[1]), (3, 4 * terms), np.float32)
    owner = numba.carray(_pointer(about[2]), places, np.int64)
    table = numba.carray(_pointer(about[3]), numbers, np.float32)
    curve = numba.carray(_pointer(about[4]), (12, muscles), np.float64)
    state = numba.carray(_pointer(about[5]), (worlds, 6, muscles), np.float64)[world]
    twist = numba.carray(_pointer(about[6]), (worlds, coordinates), np.float64)[world]
    index = numba.carray(_pointer(about[7]), (2, coordinates), np.int64)
    changed = numba.carray(_pointer(about[8]), worlds, np.uint8)[world]
    seconds = _floats(about[9], 1)[0]
    qpos, qvel = _floats(_there(there, _QPOS), qpos_size), _floats(_there(there, _QVEL), qvel_size)
    applied = _floats(_there(there, _APPLIED), qvel_size)
    help = applied.copy()
    if steps == 0:
        _pulled(qpos, qvel, applied, help, index, state, twist, layout, knots, owner, table, curve)
        _FORWARD(model, data, _FROM_SCRATCH, 0)
    elif changed:
        for coordinate in range(coordinates):
            applied[index[1, coordinate]] += twist[coordinate]
        _FORWARD(model, data, _FROM_FORCES, 1)
    for step in range(steps):
        _EULER(model, data)
        follow_one(state, curve, seconds)
        _pulled(qpos, qvel, applied, help, index, state, twist, layout, knots, owner, table, curve)
        # Sensors are read only between intervals.
        _FORWARD(model, data, _FROM_SCRATCH, 1 if step < steps - 1 else 0)
    # The state holds what helps from outside alone.
    applied[:] = help


def table_for(arrays: tuple[np.ndarray, ...], qpos: int, qvel: int) -> np.ndarray:
    """What `interval` needs to know of a set of worlds; the last number, the steps to do, may be changed.

    Args:
        arrays: layout, knots, muscles, table, curve, state, twist, index (`fitted.FittedMuscles`), changed (world,),
            where forces from outside have changed since the world was fresh, and the timestep [s] (1,); contiguous, and
            they must live as long as the worlds.
        qpos, qvel: Sizes.
    """
    layout, _, muscles, table, curve, state, _, index, _, _ = arrays
    sizes = (len(layout), len(muscles), len(table), curve.shape[1], len(state), index.shape[1], qpos, qvel, 0)
    return np.array([*(array.ctypes.data for array in arrays), *sizes], np.int64)
