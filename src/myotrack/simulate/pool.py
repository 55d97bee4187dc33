"""Worlds on MuJoCo's own threads, stepped by a compiled function of ours.

`mujoco.batch` steps by `mj_step` alone. The C interface beneath it, mjbatch.h, also calls any function for each world;
this is that interface, with the names of `mujoco.batch.Batch`.
"""

import ctypes
import weakref
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import SimulationError

Ids = np.ndarray
STATE = {
    "time": mujoco.mjtState.mjSTATE_TIME,
    "qpos": mujoco.mjtState.mjSTATE_QPOS,
    "qvel": mujoco.mjtState.mjSTATE_QVEL,
    "qfrc_applied": mujoco.mjtState.mjSTATE_QFRC_APPLIED,
    "xfrc_applied": mujoco.mjtState.mjSTATE_XFRC_APPLIED,
}
"""Fields of a world that are views of its row of the state."""


class _Config(ctypes.Structure):
    _fields_ = (("nthread", ctypes.c_int), ("persistent", ctypes.c_bool))


def library() -> ctypes.CDLL:
    """MuJoCo's library, the one that the package `mujoco` has loaded.

    Raises:
        RuntimeError: It is not beside the package, or lacks this interface.
    """
    folder = Path(mujoco.__file__).parent
    files = sorted(file for ending in ("so*", "dylib", "dll") for file in folder.glob(f"*mujoco*.{ending}"))
    files = [file for file in files if file.name.startswith(("libmujoco.", "mujoco.dll"))]
    if not files:
        raise RuntimeError(f"There is no MuJoCo library in {folder}.")
    found = ctypes.CDLL(str(files[0]))
    integers, pointer = ctypes.POINTER(ctypes.c_int), ctypes.c_void_p
    signatures = {
        "mjb_makeBatch": (pointer, (pointer, ctypes.c_int, ctypes.POINTER(_Config), ctypes.c_char_p, ctypes.c_int)),
        "mjb_deleteBatch": (None, (pointer,)),
        "mjb_nstate": (ctypes.c_int, (pointer,)),
        "mjb_nthread": (ctypes.c_int, (pointer,)),
        "mjb_state": (pointer, (pointer,)),
        "mjb_stateComponent": (pointer, (pointer, ctypes.c_int, integers)),
        "mjb_output": (pointer, (pointer, ctypes.c_char_p, integers, integers)),
        "mjb_expand": (pointer, (pointer, ctypes.c_char_p, integers, integers)),
        "mjb_setConst": (ctypes.c_int, (pointer, integers, ctypes.c_int)),
        "mjb_reset": (ctypes.c_int, (pointer, integers, ctypes.c_int, integers, ctypes.c_int)),
        "mjb_apply": (ctypes.c_int, (pointer, integers, ctypes.c_int, pointer, pointer, ctypes.c_int)),
        "mjb_forward": (ctypes.c_int, (pointer, integers, ctypes.c_int, ctypes.c_int)),
        "mjb_status": (integers, (pointer,)),
        "mjb_error": (ctypes.c_char_p, (pointer, ctypes.c_int)),
        "mjb_getData": (None, (pointer, ctypes.c_int, pointer)),
    }
    for name, (result, arguments) in signatures.items():
        if not hasattr(found, name):
            raise RuntimeError(f"MuJoCo {mujoco.__version__} has no function '{name}'.")
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


class _Memory(ctypes.c_void_p):
    """The worlds themselves; they last as long as this does, which every array on their memory holds."""


class Pool:
    """Worlds of one model, each with an `MjData` of its own."""

    def __init__(self, model: mujoco.MjModel, worlds: int, threads: int = 0) -> None:
        """Allocate `worlds` worlds on `threads` threads (0: one per core).

        Raises:
            MemoryError: MuJoCo cannot.
        """
        self._library, self._model, self._worlds = library(), model, worlds
        config, told = _Config(threads, True), ctypes.create_string_buffer(1000)
        made = self._library.mjb_makeBatch(model._address, worlds, ctypes.byref(config), told, len(told))
        if not made:
            raise MemoryError(f"MuJoCo cannot make {worlds} worlds: {told.value.decode(errors='replace')}")
        self._pool = _Memory(made)
        weakref.finalize(self._pool, self._library.mjb_deleteBatch, made)
        self._like = mujoco.MjData(model)
        self._arrays: dict[str, np.ndarray] = {}
        self.nthread = int(self._library.mjb_nthread(self._pool))
        rows = worlds, int(self._library.mjb_nstate(self._pool))
        self.state = self._seen(self._library.mjb_state(self._pool), rows, np.dtype(np.float64))
        """(world, number): what a world's future depends on."""

    def bind(self, name: str) -> np.ndarray:
        """A field of every world, (world, ...): a view of `state`, or a result that each call brings up to date."""
        if name not in self._arrays:
            like, size, width = np.asarray(getattr(self._like, name)), ctypes.c_int(), ctypes.c_int()
            if name in STATE:
                at = self._library.mjb_stateComponent(self._pool, int(STATE[name]), ctypes.byref(size))
                begin = (at - self.state.ctypes.data) // self.state.itemsize
                view = self.state[:, begin : begin + size.value]
                self._arrays[name] = view[:, 0] if name == "time" else view.reshape(self._worlds, *like.shape)
            else:
                at = self._library.mjb_output(self._pool, name.encode(), ctypes.byref(size), ctypes.byref(width))
                if not at:
                    raise AttributeError(f"MuJoCo gives no '{name}' of many worlds.")
                self._arrays[name] = self._seen(at, (self._worlds, *like.shape), like.dtype)
        return self._arrays[name]

    def expand(self, name: str) -> np.ndarray:
        """A field of the model with values of its own for every world, (world, ...)."""
        like, size, width = getattr(self._model, name), ctypes.c_int(), ctypes.c_int()
        at = self._library.mjb_expand(self._pool, name.encode(), ctypes.byref(size), ctypes.byref(width))
        return self._seen(at, (self._worlds, *like.shape), like.dtype)

    def set_const(self) -> None:
        """Work out what MuJoCo derives from expanded fields."""
        self._check(self._library.mjb_setConst(self._pool, None, self._worlds))

    def reset(self, ids: Ids, stage: int) -> None:
        """MuJoCo's defaults, and what follows from them up to a stage."""
        self._check(self._library.mjb_reset(self._pool, *_chosen(ids), None, stage))

    def apply(self, ids: Ids, function: int, argument: int) -> None:
        """Call a C function with (model, data, world, argument) for some worlds, on all threads.

        Args:
            ids: Of the worlds.
            function, argument: Addresses.

        Raises:
            SimulationError: MuJoCo raised an error in some worlds.
        """
        trouble = self._trouble(self._library.mjb_apply(self._pool, *_chosen(ids), function, argument, 1))
        # Nothing is worked out: this only brings results up to date, those of sound worlds beside a broken one, too.
        self._check(self._library.mjb_forward(self._pool, *_chosen(ids), 0))
        if trouble is not None:
            raise trouble

    def get_data(self, world: int) -> mujoco.MjData:
        """A copy of a world."""
        data = mujoco.MjData(self._model)
        self._library.mjb_getData(self._pool, world, data._address)
        return data

    def _seen(self, address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """MuJoCo's memory as an array."""
        memory = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(address)
        memory.owner = self._pool
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def _check(self, failures: int) -> None:
        trouble = self._trouble(failures)
        if trouble is not None:
            raise trouble

    def _trouble(self, failures: int) -> SimulationError | None:
        """What went wrong in the last call."""
        if not failures:
            return None
        ids = np.flatnonzero(np.ctypeslib.as_array(self._library.mjb_status(self._pool), (self._worlds,)))
        return SimulationError(ids, self._library.mjb_error(self._pool, int(ids[0])).decode(errors="replace"))


def _chosen(ids: Ids) -> tuple[Any, int]:
    return np.ascontiguousarray(ids, np.intc).ctypes.data_as(ctypes.POINTER(ctypes.c_int)), len(ids)
