"""Many worlds of one MuJoCo model on MuJoCo Warp, advanced by recorded graphs. Knows nothing of bodies.

MuJoCo Warp also runs on a CPU ("cpu"), one to two orders of magnitude slower than native threads: good for tests.
"""

import copy
import gc
import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import mujoco
import numpy as np
import torch
from torch import Tensor

from myotrack.simulate.perturb import VariedFields

CONSTANTS = ("body_subtreemass", "body_invweight0", "dof_invweight0", "tendon_invweight0", "actuator_acc0")
"""What MuJoCo derives from masses and inertias and MuJoCo Warp reads. Measured: all that `mj_setConst` changes in
our bodies after a change of mass, less those of cameras and lights, and `dof_M0`, which only servos use."""
PER_WORLD = (*VariedFields.__dataclass_fields__, *CONSTANTS)
"""Fields of the model that each world has its own row of."""


@runtime_checkable
class Muscles(Protocol):
    """Muscles beside a model without actuators; they pull on its joints from outside."""

    data: Any
    """A dataclass of Warp arrays with a row per world, called as in MuJoCo's data."""

    def pull(self, model: Any, data: Any) -> None:
        """Add to `qfrc_passive` what the muscles do to the joints; part of every forward pass."""
        ...

    def follow(self) -> None:
        """Let activations follow excitations for one step of the physics."""
        ...


class Stepper:
    """Many worlds of one MuJoCo model, advanced by control intervals.

    Between calls the data is *fresh*: every derived quantity belongs to the present state, parameters and external
    forces. Whoever changes one of these calls `refresh` before `advance`; only `ctrl` needs nothing, because the force
    of a muscle depends on its activation alone.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        worlds: int,
        substeps: int,
        device: str | torch.device = "cpu",
        nconmax: int = 64,
        njmax: int = 320,
        recorded: bool | None = None,
        muscles: Muscles | None = None,
    ) -> None:
        """Allocate the worlds and build the kernels (a minute when they are not yet in Warp's cache).

        Args:
            nconmax: Contacts per world on average; all worlds share the buffer.
            njmax: Constraint rows of each world.
            recorded: Replay recorded graphs instead of launching kernel by kernel; on CUDA unless told otherwise.
            muscles: Those that are not the model's own, on the same device.
        """
        mjw, wp = toolkit()
        _require_muscles(model)
        # MuJoCo Warp never resets a diverged world, and refuses the bit that says so.
        model = copy.copy(model)
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        self._mjw, self._wp, self._device = mjw, wp, wp.get_device(str(device))
        self._worlds, self._substeps, self._nconmax, self._njmax = worlds, substeps, nconmax, njmax
        self._muscles = muscles
        self._views: dict[str, Tensor] = {}
        self._streams: dict[int, Any] = {}
        with _quiet(wp), wp.ScopedDevice(self._device):
            self._model = mjw.put_model(model, batch_sizes=dict.fromkeys(PER_WORLD, worlds))
            self._model.opt.warn_overflow = 0  # Kernels would print; we count and say it in `overflowed`.
            if muscles is not None:
                self._model.callback.passive = muscles.pull
            if self._device.is_cuda and not wp.is_conditional_graph_supported():
                self._model.opt.graph_conditional = False  # Before CUDA 12.4: always the full number of iterations.
            self._data = mjw.make_data(model, nworld=worlds, nconmax=nconmax, njmax=njmax)
            self._peaks = torch.zeros(2, dtype=torch.int32, device=str(device))
            replay = bool(self._device.is_cuda) if recorded is None else recorded
            self._forward = self._prepared(lambda: mjw.forward(self._model, self._data), replay)
            self._forward()
            self._interval = self._prepared(self._one_interval, replay)
            wp.synchronize_device(self._device)
        self.view("overflow").zero_()

    def view(self, name: str) -> Tensor:
        """An array of the data as a tensor on the same memory, by MuJoCo's name. Write into it, never replace it."""
        muscles = None if self._muscles is None else self._muscles.data
        return self._view(muscles if hasattr(muscles, name) else self._data, name)

    def parameter(self, name: str) -> Tensor:
        """A field of the model, one row per world, as a tensor on the same memory."""
        if name not in PER_WORLD:
            raise KeyError(f"'{name}' is the same in every world. Own to each are: {', '.join(PER_WORLD)}.")
        return self._view(self._model, name)

    def refresh(self) -> None:
        """Make the data fresh after a change of state, parameters or external forces."""
        self._forward()
        self._note_peaks()

    def advance(self) -> None:
        """One control interval with the present `ctrl`; the data is fresh before and after. The host does not wait."""
        self._interval()
        self._note_peaks()

    @property
    def overflowed(self) -> str | None:
        """What did not fit into a buffer since the start, and what to raise; None if all did. Waits for the device."""
        kind = self._mjw.OverflowType
        rows, contacts = self._peaks.tolist()
        flags = int(np.bitwise_or.reduce(self.view("overflow").cpu().numpy()))
        flags &= ~int(kind.ITERATIONS | kind.LS_ITERATIONS)  # Slow convergence, not a full buffer.
        if rows > self._njmax or flags & (kind.NEFC | kind.NJMAX_NNZ):
            return (
                f"A world needed more constraint rows than njmax={self._njmax} (after whole intervals: {rows}), "
                "so limits or contacts were ignored. Raise njmax."
            )
        room = self._nconmax * self._worlds
        if contacts > room or flags & (kind.BROADPHASE | kind.NARROWPHASE | kind.CCD):
            return (
                f"The {self._worlds} worlds together needed more contacts than nconmax={self._nconmax} for each "
                f"(after whole intervals: {contacts}, room: {room}), so contacts were ignored. Raise nconmax."
            )
        return f"MuJoCo Warp reports an overflow: {kind(flags).name}." if flags else None

    def memory_per_world(self) -> int:
        """What one world occupies: its data, its own parameters, and its muscles if they are beside [bytes]."""
        owners = [self._data, *([] if self._muscles is None else [self._muscles.data])]
        arrays = {array.ptr: array for owner in owners for array in _arrays(owner, self._wp.array)}
        arrays |= {array.ptr: array for array in (getattr(self._model, name) for name in PER_WORLD)}
        sizes = [array.size * self._wp.types.type_size_in_bytes(array.dtype) for array in arrays.values()]
        return sum(sizes) // self._worlds

    def _one_interval(self) -> None:
        """As `mj_step` times the substeps, then `mj_forward`; the forward pass of the first step exists already."""
        self._mjw.fwd_actuation(self._model, self._data)
        for _ in range(self._substeps):
            self._mjw.euler(self._model, self._data)
            if self._muscles is not None:
                self._muscles.follow()
            self._mjw.forward(self._model, self._data)

    def _prepared(self, routine: Callable[[], None], recorded: bool) -> Callable[[], None]:
        """The routine in the order of torch's stream: launched kernel by kernel, or recorded once and replayed."""
        wp = self._wp
        if not recorded:

            def launch() -> None:
                with wp.ScopedDevice(self._device), wp.ScopedStream(self._stream()):
                    routine()

            return launch
        # The first run builds and loads every kernel, which must not happen while recording. Recording takes place on
        # Warp's own stream, since the default stream of torch cannot be recorded, and with the garbage collector off: a
        # destructor that frees device memory would be recorded, or would break the recording.
        routine()
        wp.synchronize_device(self._device)
        with _no_collection(), wp.ScopedCapture(device=self._device) as capture:
            routine()
        return lambda: wp.capture_launch(capture.graph, stream=self._stream())

    def _stream(self) -> Any:
        """Warp's handle of the stream that torch issues to; None on a CPU."""
        if not self._device.is_cuda:
            return None
        current = torch.cuda.current_stream(self._device.ordinal)
        if current.cuda_stream not in self._streams:
            self._streams[current.cuda_stream] = self._wp.stream_from_torch(current)
        return self._streams[current.cuda_stream]

    def _note_peaks(self) -> None:
        # `overflow` learns of too many rows or contacts only when the next substep begins, so we count here as well.
        contacts = torch.maximum(self.view("nacon")[0], self.view("ncollision")[0])
        torch.maximum(self._peaks, torch.stack([self.view("nefc").max(), contacts]), out=self._peaks)

    def _view(self, owner: Any, name: str) -> Tensor:
        if name not in self._views:
            self._views[name] = self._wp.to_torch(getattr(owner, name), requires_grad=False)
        return self._views[name]


def toolkit() -> tuple[ModuleType, ModuleType]:
    """The packages `mujoco_warp` and `warp`, imported when they are needed.

    Raises:
        ModuleNotFoundError: They are not installed; the message says how to install them.
        RuntimeError: MuJoCo and MuJoCo Warp are of different minor versions.
    """
    try:
        import mujoco_warp
        import warp
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The GPU backend needs mujoco-warp 4.0. Install it with `pip install 'myotrack[gpu]'`."
        ) from error
    ours, theirs = mujoco.__version__, importlib.metadata.version("mujoco_warp")
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        raise RuntimeError(
            f"mujoco {ours} and mujoco-warp {theirs} do not belong together; their minor versions must be the same. "
            "Install a pair with `pip install 'mujoco-warp>=4.0,<4.1' 'mujoco>=4.0,<4.1'`."
        )
    return mujoco_warp, warp


def _require_muscles(model: mujoco.MjModel) -> None:
    """Refuse models whose first substep could not go on from the last forward pass."""
    if model.opt.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        raise ValueError("The GPU backend integrates by Euler's method only. Set the model's integrator to 'Euler'.")
    if (model.actuator_dyntype == mujoco.mjtDyn.mjDYN_NONE).any() or model.actuator_actearly.any():
        raise ValueError(
            "The GPU backend needs actuators whose force depends on their activation alone. "
            "Give every actuator activation dynamics, without 'actearly'."
        )


def _arrays(owner: Any, array: type) -> Iterator[Any]:
    """Every Warp array of a dataclass and of the dataclasses in it."""
    for field in fields(owner):
        value = getattr(owner, field.name, None)
        if is_dataclass(value):
            yield from _arrays(value, array)
        elif isinstance(value, array):
            yield value


@contextmanager
def _quiet(wp: ModuleType) -> Iterator[None]:
    """Without Warp's line per kernel."""
    level, wp.config.log_level = wp.config.log_level, wp.LOG_WARNING
    try:
        yield
    finally:
        wp.config.log_level = level


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
