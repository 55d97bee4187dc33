"""The GPU backend: thousands of worlds on MuJoCo Warp, in single precision, without waiting for the device."""

import copy
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.lost import SPEED_LIMIT, Watch
from myotrack.simulate.mechanics import Mechanics, MechanicsArrays, MechanicsReadout
from myotrack.simulate.perturb import Variation, VariedFields, segment_index, softness
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import Activation, Arrays, BodyState, Excitation, Readout
from myotrack.simulate.warp_graph import CONSTANTS, Stepper, toolkit

_KEPT = ("qpos", "qvel", "act", "ctrl", "qacc_warmstart")
_DERIVED = ("sensordata", "actuator_length", "actuator_velocity", "actuator_force")

_SLACK = 1e-6
"""How far outside [0, 1] an excitation may be by rounding; cited: float32 has steps of 1.2e-7 at 1."""
_REASONS = ("the excitation was not a number in [0, 1]", "the state left the numbers")


class Warp:
    """Worlds stepped by MuJoCo Warp in single precision; their `BodyState` consists largely of views.

    `advance`, `push` and `reset` never wait for the device. Hence an excitation that is not a number in [0, 1] cannot
    raise here: it ends its world, which is counted in `lost_count` and explained by `dump`.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        worlds: int,
        physics: Physics | None = None,
        device: str | torch.device | None = None,
        nconmax: int = 64,
        njmax: int = 320,
    ) -> None:
        """Put `worlds` bodies into their resting posture, on a CUDA device unless told otherwise.

        Args:
            nconmax: Contacts per world on average; all worlds share the buffer.
            njmax: Constraint rows of each world. Measured: the full body has 63 at rest, 110 while it lands on its
                feet, 174 with its joints 3 rad out of range.

        Raises:
            ModuleNotFoundError: MuJoCo Warp is not installed.
            RuntimeError: There is no such device, the versions do not match, or the buffers are too small at rest.
        """
        toolkit()
        self.anatomy = anatomy
        self.physics = physics or Physics()
        self.worlds = worlds
        self.device = _available(device)
        self._model = self.physics.applied_to(anatomy.simulated)
        self._fitted = None
        if anatomy.fitted is not None:
            from myotrack.simulate.warp_muscles import WarpMuscles

            self._fitted = WarpMuscles(anatomy, worlds, self.physics.timestep, self.device)
        substeps = self.physics.substeps
        self._stepper = Stepper(self._model, worlds, substeps, self.device, nconmax, njmax, muscles=self._fitted)
        self._readout = Readout(anatomy, self._model, self.device)
        self._mechanics_readout = MechanicsReadout(anatomy, self._model, self.device)
        # Dependent joints are worked out in double precision and rounded once, so they satisfy their couplings as well
        # as single precision can.
        self._couplings = anatomy.couplings.to(self.device, torch.float64)
        self._intact = torch.ones(worlds, dtype=torch.bool, device=self.device)
        self._lost_count = torch.zeros((), dtype=torch.int64, device=self.device)
        self._intervals = torch.zeros(worlds, dtype=torch.int64, device=self.device)
        self._good = {name: torch.clone(self._stepper.view(name)) for name in (*_KEPT, *_DERIVED)}
        # Of every world's last loss: why (-1: never lost), the instant before it, and what was asked for then.
        self._loss = torch.full((worlds,), -1, dtype=torch.int64, device=self.device)
        self._loss_state = self._core_state()
        self._loss_excitation = torch.zeros(worlds, anatomy.model.nu, device=self.device)
        self._pushes: dict[int, Tensor] = {}
        self._assist: Tensor | None = None
        self._restarted = False
        """There was a reset since the last interval."""
        self._outdated = False
        """A reset or a variation changed the worlds; whoever looks or advances refreshes first."""
        self._push_ended = False
        """The fresh forces contain a push that is over: right for looking back, not for going on."""
        self._body: BodyState | None = None
        everywhere = torch.ones(worlds, dtype=torch.bool)
        still = torch.zeros(worlds, anatomy.couplings.coordinate_size)
        self.reset(everywhere, anatomy.rest.expand(worlds, -1), still, torch.zeros(worlds, anatomy.model.nu))
        self._refresh()
        self.check()

    @property
    def body(self) -> BodyState:
        """The present instant of every world; fields that are views change with the next command."""
        if self._body is None:
            if self._outdated:
                self._refresh()
            view = self._stepper.view
            arrays = {name: view(name) for name in Arrays.__dataclass_fields__}
            self._body = self._readout.read(Arrays(**{**arrays, "ctrl": view("ctrl").clone()}), self._intact)
        return self._body

    @property
    def mechanics(self) -> Mechanics:
        """The equations of motion of every world; lengths and velocities are views that the next command changes."""
        if self._outdated:
            self._refresh()
        arrays = {name: self._stepper.view(name) for name in MechanicsArrays.__dataclass_fields__}
        if self._fitted is not None:
            arrays["actuator_moment"] = self._fitted.arms()
            # What MuJoCo calls passive holds the moments of the muscles.
            arrays["qfrc_passive"] = arrays["qfrc_passive"].clone()
            arrays["qfrc_passive"][:, self._couplings.rate_index] -= self._stepper.view("moment")
        return self._mechanics_readout.read(MechanicsArrays(**arrays))

    @property
    def lost_count(self) -> int:
        """How many times a world has left the numbers. Waits for the device."""
        return int(self._lost_count)

    @property
    def overflowed(self) -> str | None:
        """What did not fit into a buffer since the start, and what to raise; None if all did. Waits for the device."""
        return self._stepper.overflowed

    def check(self) -> None:
        """Make sure that no buffer has overflowed since the start. Waits for the device.

        Raises:
            RuntimeError: One did; the message says which to raise.
        """
        if self.overflowed:
            raise RuntimeError(self.overflowed)

    def memory_per_world(self) -> int:
        """What one world occupies on the device [bytes]."""
        return self._stepper.memory_per_world()

    def reset(
        self,
        mask: Bool[Tensor, "world"],
        z: Float[Tensor, "world pos"],
        velocity: Float[Tensor, "world coordinate"],
        activation: Activation,
    ) -> None:
        """Start the masked worlds again at time zero."""
        # Selecting rows would make the host wait for their number; choosing per entry does not, and a NaN is replaced.
        mask = mask.to(self.device)
        z, velocity = z.to(self.device, torch.float64), velocity.to(self.device, torch.float64)
        activation = activation.to(self.device)
        self._put("qpos", mask, self._couplings.qpos(z))
        self._put("qvel", mask, self._couplings.qvel(z, velocity))
        self._put("act", mask, activation)
        self._put("ctrl", mask, activation)
        fresh = (self._stepper.view("time"), self._stepper.view("qacc_warmstart"), self._intervals)
        helps = (*self._pushes.values(), *(() if self._assist is None else (self._assist,)))
        for array in (*fresh, *helps):
            array.masked_fill_(_column(mask, array), 0)
        self._intact = self._intact | mask
        self._restarted, self._outdated, self._body = True, True, None

    def advance(self, excitation: Excitation) -> None:
        """Let every intact world live one control interval. The host does not wait."""
        excitation = excitation.to(self.device, torch.float32)
        # A comparison with NaN is false, so one test covers both.
        valid = ((excitation >= -_SLACK) & (excitation <= 1.0 + _SLACK)).all(dim=1)
        for index, wrench in self._pushes.items():
            self._stepper.view("xfrc_applied")[:, index] = wrench
        if self._assist is not None:
            self._stepper.view("qfrc_applied")[:, self._couplings.rate_index] = self._assist
        helped = bool(self._pushes) or self._assist is not None
        if helped or self._push_ended or self._outdated:
            self._refresh()
        sound = valid
        if self._restarted:
            # A NaN of a reset must be noticed now: MuJoCo Warp makes a root's quaternion of NaN into (0, 0, 0, 1), a
            # body facing backwards. During an interval there is no such trap, since the NaN stays in qvel.
            sound, self._restarted = valid & self._sane(), False
        before = self._core_state()
        for name, kept in self._good.items():
            kept.copy_(self._stepper.view(name))
        self._put("ctrl", self._intact & sound, excitation.clamp(0.0, 1.0))
        self._stepper.advance()
        self._end(self._intact & ~(sound & self._sane()), valid, before, excitation)
        if helped:
            self._stepper.view("xfrc_applied").zero_()
            self._stepper.view("qfrc_applied").zero_()
            self._pushes, self._assist, self._push_ended = {}, None, True
        self._body = None

    def push(
        self,
        segment: str,
        force_w: Float[Tensor, "world 3"],
        moment_w: Float[Tensor, "world 3"] | None = None,
    ) -> None:
        """Push a segment at its centre of mass, and twist it, during the next interval."""
        moment_w = torch.zeros_like(force_w) if moment_w is None else moment_w
        wrench = torch.cat([force_w, moment_w], dim=1)
        self._pushes[segment_index(self._model, segment)] = wrench.to(self.device, torch.float32).clone()

    def assist(self, moment: Float[Tensor, "world coordinate"]) -> None:
        """Help the independent coordinates from outside during the next interval."""
        self._assist = moment.to(self.device, torch.float32).clone()

    def vary(self, variation: Variation) -> None:
        """Give every world its own masses, muscle strengths and floor friction."""
        varied = VariedFields.of(self._model, variation)
        for name, values in {**vars(varied), **_constants(self._model, varied)}.items():
            # In place: the recorded graph knows the memory, not the name. A skeleton without muscles has none to vary.
            if values.size:
                self._stepper.parameter(name).copy_(torch.from_numpy(values))
        if self._fitted is not None:
            self._stepper.view("strength").copy_(variation.strength)
        self._outdated, self._body = True, None

    def snapshot(self) -> dict[str, Tensor]:
        """What the next interval depends on. Pushes and help that are asked for and not yet given are left out."""
        arrays = {name: self._stepper.view(name) for name in _KEPT}
        arrays |= {"intact": self._intact, "intervals": self._intervals}
        return {name: array.to("cpu", copy=True) for name, array in arrays.items()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Go on from a snapshot."""
        for name in _KEPT:
            self._stepper.view(name).copy_(snapshot[name])
        self._intact = snapshot["intact"].to(self.device)
        self._intervals.copy_(snapshot["intervals"])
        self._stepper.view("time").copy_(self._intervals * self.physics.interval)
        self._pushes, self._assist = {}, None
        self._restarted, self._outdated, self._body = True, True, None

    def dump(self, folder: Path) -> list[Path]:
        """Write the instant before its last loss of every world that was ever lost; then check the buffers."""
        watch = Watch(self.anatomy, instants=1)
        watch.remember(self._loss_state.double().cpu().numpy(), self._loss_excitation.double().cpu().numpy())
        for number, reason in enumerate(_REASONS):
            watch.record((self._loss == number).cpu().numpy(), reason)
        paths = watch.dump(folder)
        self.check()
        return paths

    def _refresh(self) -> None:
        self._stepper.refresh()
        self._outdated = self._push_ended = False

    def _end(self, lost: Tensor, valid: Tensor, before: Tensor, excitation: Tensor) -> None:
        """Put lost worlds back into their last good state, where they stand still until they are reset."""
        self._lost_count += lost.sum()
        self._loss = torch.where(lost, valid.long(), self._loss)
        self._loss_state = torch.where(lost[:, None], before, self._loss_state)
        self._loss_excitation = torch.where(lost[:, None], excitation, self._loss_excitation)
        self._intact = self._intact & ~lost
        # Worlds lost earlier took part in the interval as well, since a graph is all or nothing; they go back, too.
        for name, kept in self._good.items():
            self._put(name, ~self._intact, kept)
        # Counted, since a sum of many small steps drifts in single precision.
        self._intervals += self._intact
        self._stepper.view("time").copy_(self._intervals * self.physics.interval)

    def _sane(self) -> Tensor:
        """Mask of the worlds whose state is made of numbers, by MuJoCo's own bounds."""
        arrays = (self._stepper.view(name) for name in ("qpos", "qvel", "act", "qacc"))
        return torch.stack([(array.abs() < SPEED_LIMIT).all(dim=1) for array in arrays]).all(dim=0)

    def _put(self, name: str, mask: Tensor, values: Tensor) -> None:
        """Write rows of an array where the mask is true."""
        view = self._stepper.view(name)
        torch.where(_column(mask, view), values.to(view.dtype), view, out=view)

    def _core_state(self) -> Tensor:
        view = self._stepper.view
        return torch.cat([view("time")[:, None], view("qpos"), view("qvel"), view("act")], dim=1)


def _available(device: str | torch.device | None) -> torch.device:
    """The device asked for; a CUDA device if none was."""
    chosen = torch.device(device or "cuda")
    if chosen.type != "cuda":
        return chosen
    _, wp = toolkit()
    lacks = None
    if torch.version.cuda is None:
        lacks = "this PyTorch is built without CUDA"
    elif not torch.cuda.is_available():
        lacks = "PyTorch finds no CUDA device or driver"
    elif not wp.get_cuda_device_count():
        lacks = "Warp finds no CUDA device or driver"
    if lacks:
        raise RuntimeError(
            f"The GPU backend needs a CUDA device, but {lacks}. `myotrack doctor` says what to mend; "
            "`--device cpu` runs on native threads."
        )
    return torch.device("cuda", torch.cuda.current_device() if chosen.index is None else chosen.index)


def _constants(model: mujoco.MjModel, varied: VariedFields) -> dict[str, np.ndarray]:
    """What MuJoCo derives from the masses of each world.

    MuJoCo itself does it, in double precision, once per distinct set of masses: 3 ms for the full body (measured with
    mj_setConst on one core), hence 11 s for 4096 worlds of their own mass. MuJoCo Warp's own `set_const` would be
    faster and good to 1e-4 only.
    """
    softer, model = softness(model), copy.copy(model)
    data = mujoco.MjData(model)
    worlds = len(varied.body_mass)
    masses = np.concatenate([varied.body_mass, varied.body_inertia.reshape(worlds, -1)], axis=1)
    _, first, inverse = np.unique(masses, axis=0, return_index=True, return_inverse=True)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in CONSTANTS}
    for world in first:
        model.body_mass[:] = varied.body_mass[world]
        model.body_inertia[:] = varied.body_inertia[world]
        mujoco.mj_setConst(model, data)
        for name, values in rows.items():
            values.append(getattr(model, name) * softer.get(name, 1.0))
    return {name: np.stack(values)[inverse.reshape(-1)] for name, values in rows.items()}


def _column(mask: Tensor, array: Tensor) -> Tensor:
    """A mask of worlds, shaped to select rows of an array."""
    return mask.view(-1, *[1] * (array.ndim - 1))
