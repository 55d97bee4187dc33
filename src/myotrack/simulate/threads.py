"""The CPU backend: many worlds on native threads, bit-identical to plain MuJoCo.

MuJoCo wraps the paths:    batch.step(all substeps)
paths are fitted:          one compiled function per control interval (`interval`);
                           without Numba  batch.step(one) -> FittedMuscles.follow -> FittedMuscles.pull
"""

from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from mujoco.batch import Batch, SimulationError
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.fitted import FittedMuscles
from myotrack.simulate.lost import Watch, as_mask, check_start, checked_excitation, sane
from myotrack.simulate.mechanics import Mechanics, MechanicsArrays, MechanicsReadout
from myotrack.simulate.perturb import Variation, VariedFields, segment_index, softness
from myotrack.simulate.physics import Physics
from myotrack.simulate.pool import Pool
from myotrack.simulate.state import Activation, Arrays, BodyState, Excitation, Readout

# All stages: forces and contacts of a BodyState belong to the same instant as its posture. A persistent batch goes on
# from there, so the only extra work is one constraint solve per interval (benchmarks/step.py prints how much).
_FRESH, _NOTHING = mujoco.mjtStage.mjSTAGE_ACC.value, mujoco.mjtStage.mjSTAGE_NONE.value
_ROWS = ("state", "act", "ctrl")
_MUSCLES = ("actuator_length", "actuator_velocity", "actuator_force")


class Threads:
    """Worlds stepped by `mujoco.batch`, in double precision; their `BodyState` is a copy in `dtype`."""

    def __init__(
        self,
        anatomy: Anatomy,
        worlds: int,
        physics: Physics | None = None,
        threads: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Put `worlds` bodies into their resting posture, on `threads` threads (0: one per core)."""
        self.anatomy = anatomy
        self.physics = physics or Physics()
        self.worlds = worlds
        self.device = torch.device("cpu")
        self._dtype, self._number = dtype, torch.empty(0, dtype=dtype).numpy().dtype
        self._model = self.physics.applied_to(anatomy.simulated)
        self._fitted = fitted = None
        if anatomy.fitted is not None:
            self._model = _suited(self._model, anatomy.free)
            self._fitted = fitted = FittedMuscles(anatomy, worlds, self.physics.timestep)
        compiled = fitted is not None and fitted.engine == "native"
        self._batch = batch = (
            Pool(self._model, worlds, threads) if compiled else Batch(self._model, worlds, threads, persistent=True)
        )
        self._state = {name: batch.bind(name) for name in ("time", "qpos", "qvel")}
        self._derived = {name: batch.bind(name) for name in ("sensordata", "qacc")}
        if fitted is None:
            self._state |= {name: batch.bind(name) for name in ("act", "ctrl")}
            self._derived |= {name: batch.bind(name) for name in _MUSCLES}
        else:
            self._state |= {"act": fitted.act, "ctrl": fitted.ctrl}
            self._derived |= dict(zip(_MUSCLES, (fitted.length, fitted.velocity, fitted.force), strict=True))
        self._readout = Readout(anatomy, self._model)
        self._mechanics_readout = MechanicsReadout(anatomy, self._model)
        self._watch = Watch(anatomy)
        self._intact = np.ones(worlds, dtype=bool)
        self._push = np.zeros((worlds, self._model.nbody, 6))
        self._assist = np.zeros((worlds, self._model.nv))
        self._coordinates = anatomy.couplings.rate_index.numpy()
        self._helped = np.zeros(worlds, dtype=bool)
        """Something outside, a push or `assist`, has a part in what is fresh."""
        self._body: BodyState | None = None
        everywhere = torch.ones(worlds, dtype=torch.bool)
        still = torch.zeros(worlds, anatomy.couplings.coordinate_size)
        self.reset(everywhere, anatomy.rest.expand(worlds, -1), still, torch.zeros(worlds, anatomy.model.nu))

    @property
    def body(self) -> BodyState:
        """The present instant of every world."""
        if self._body is None:
            arrays = {
                name: torch.from_numpy(array.astype(self._number))
                for name, array in (*self._state.items(), *self._derived.items())
                if name != "qacc"
            }
            self._body = self._readout.read(Arrays(**arrays), torch.from_numpy(self._intact.copy()))
        return self._body

    @property
    def mechanics(self) -> Mechanics:
        """The equations of motion of every world, in `dtype`."""
        names = set(MechanicsArrays.__dataclass_fields__)
        arrays = {name: self._derived[name] for name in names & self._derived.keys()}
        moment = "actuator_moment"
        if self._fitted is not None:
            arrays[moment] = self._fitted.arms(self._state["qpos"])
        arrays |= {name: self._batch.bind(name) for name in names - arrays.keys()}
        copies = {name: torch.from_numpy(array.copy()).to(self._dtype) for name, array in arrays.items()}
        return self._mechanics_readout.read(MechanicsArrays(**copies))

    @property
    def lost_count(self) -> int:
        """How many times a world has left the numbers."""
        return self._watch.count

    @property
    def thread_count(self) -> int:
        """Threads that step the worlds."""
        return self._batch.nthread

    def memory_per_world(self) -> int:
        """Bytes that one world takes, with the part of its arena in use now (world 0 is measured)."""
        data = self._batch.get_data(0)
        return int(data.nbuffer + data.maxuse_arena + self._batch.state[0].nbytes)

    def reset(
        self,
        mask: Bool[Tensor, "world"],
        z: Float[Tensor, "world pos"],
        velocity: Float[Tensor, "world coordinate"],
        activation: Activation,
    ) -> None:
        """Start the masked worlds again at time zero."""
        chosen = as_mask(mask)
        ids = np.flatnonzero(chosen)
        if not len(ids):
            return
        check_start(mask, z, velocity, activation)
        couplings, z, velocity = self.anatomy.couplings, z[mask].double(), velocity[mask].double()
        self._batch.reset(ids, stage=_NOTHING)
        self._state["qpos"][ids] = couplings.qpos(z).numpy()
        self._state["qvel"][ids] = couplings.qvel(z, velocity).numpy()
        self._state["act"][ids] = activation[mask].double().numpy()
        self._state["ctrl"][ids] = self._state["act"][ids]
        self._push[ids] = self._assist[ids] = 0.0
        self._refresh(ids)
        self._intact[chosen] = True
        self._body = None

    def advance(self, excitation: Excitation) -> None:
        """Let every intact world live one control interval."""
        drive, numbers = checked_excitation(excitation, self.anatomy.muscle_names)
        before = self._rows()
        # MuJoCo's state rows begin with time, qpos and qvel.
        moving = before["state"][:, : 1 + self._model.nq + self._model.nv]
        self._watch.remember((moving, before["act"]), drive)
        self._end(self._intact & ~numbers, "the excitation was not a number", before)
        alive = self._intact.copy()
        self._state["ctrl"][alive] = drive[alive]
        self._batch.bind("xfrc_applied")[:] = self._push
        self._batch.bind("qfrc_applied")[:] = self._assist
        if self._fitted is not None:
            helped = self._push.any(axis=(1, 2)) | self._assist.any(axis=1)
            self._fitted.changed[:] = helped | self._helped
            self._helped[:] = helped
        self._push[:] = self._assist[:] = 0.0
        failed = np.zeros(self.worlds, dtype=bool)
        if alive.any():
            try:
                self._step(np.flatnonzero(alive))
            except SimulationError as error:
                failed[error.ids] = True
            failed |= alive & ~sane(self._state["qpos"], self._state["qvel"], self._state["act"], self._derived["qacc"])
        self._end(failed, "the state left the numbers", before)
        self._body = None

    def push(
        self,
        segment: str,
        force_w: Float[Tensor, "world 3"],
        moment_w: Float[Tensor, "world 3"] | None = None,
    ) -> None:
        """Push a segment at its centre of mass, and twist it, during the next interval."""
        index = segment_index(self._model, segment)
        self._push[:, index, :3] = force_w.double().numpy()
        self._push[:, index, 3:] = 0.0 if moment_w is None else moment_w.double().numpy()

    def assist(self, moment: Float[Tensor, "world coordinate"]) -> None:
        """Help the independent coordinates from outside during the next interval."""
        self._assist[:, self._coordinates] = moment.double().numpy()

    def vary(self, variation: Variation) -> None:
        """Give every world its own masses, muscle strengths and floor friction."""
        varied = VariedFields.of(self._model, variation)
        for name, values in vars(varied).items():
            # Of a skeleton without muscles there is nothing to vary in these.
            if values.size:
                self._batch.expand(name)[:] = values
        if self._fitted is not None:
            self._fitted.strength[:] = variation.strength.cpu().double().numpy()
        self._batch.set_const()
        for name, factor in softness(self._model).items():
            self._batch.expand(name)[:] *= factor
        self._refresh(np.arange(self.worlds))
        self._body = None

    def snapshot(self) -> dict[str, Tensor]:
        """The state rows of MuJoCo, warm start of the solver included, and what is asked for in the next interval."""
        arrays = self._rows() | {"intact": self._intact, "push": self._push, "assist": self._assist}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Go on from a snapshot, to the last bit."""
        everywhere = np.arange(self.worlds)
        self._put({name: snapshot[name].numpy() for name in _ROWS}, everywhere)
        self._refresh(everywhere)
        self._intact[:] = snapshot["intact"].numpy()
        self._push[:], self._assist[:] = snapshot["push"].numpy(), snapshot["assist"].numpy()
        self._body = None

    def dump(self, folder: Path) -> list[Path]:
        """Write the last states of lost worlds."""
        return self._watch.dump(folder)

    def _end(self, lost: np.ndarray, reason: str, before: dict[str, np.ndarray]) -> None:
        """Put lost worlds back into their last good state, where they stand still until they are reset."""
        if not lost.any():
            return
        self._watch.record(lost, reason)
        ids = np.flatnonzero(lost)
        self._put(before, ids)
        self._refresh(ids)
        self._intact[lost] = False

    def _step(self, ids: np.ndarray) -> None:
        """One control interval of some worlds; what is derived then belongs to its end."""
        if self._fitted is None:
            self._batch.step(ids, nstep=self.physics.substeps, stage=_FRESH)
        else:
            self._fitted.live(self._batch, ids, self.physics.substeps)

    def _refresh(self, ids: np.ndarray) -> None:
        """Work out everything that follows from the states of some worlds, with what helped from outside then."""
        if self._fitted is None:
            self._batch.forward(ids, stage=_FRESH)
        else:
            moment, push = (self._batch.bind(name)[ids] for name in ("qfrc_applied", "xfrc_applied"))
            self._helped[ids] = moment.any(axis=1) | push.any(axis=(1, 2))
            self._fitted.live(self._batch, ids, 0)

    def _rows(self) -> dict[str, np.ndarray]:
        """What the next interval depends on, copied: MuJoCo's state rows, and the muscles beside them."""
        return {"state": self._batch.state.copy(), "act": self._state["act"].copy(), "ctrl": self._state["ctrl"].copy()}

    def _put(self, rows: dict[str, np.ndarray], ids: np.ndarray) -> None:
        """Put some worlds back."""
        self._batch.reset(ids, stage=_NOTHING)
        self._batch.state[ids] = rows["state"][ids]
        if self._fitted is not None:
            self._fitted.act[ids], self._fitted.ctrl[ids] = rows["act"][ids], rows["ctrl"][ids]


def _suited(model: mujoco.MjModel, free: bool) -> mujoco.MjModel:
    """The same physics in the form that is fastest on a CPU for a body with fitted paths.

    Measured, `full:fast` on the ground: sparse Jacobians take 18 % off a control step, since contacts move the legs
    alone, and looking for islands, of which a body is one, adds 4 %. The arms, which touch little, are 10 % faster
    dense.
    """
    if free:
        model.opt.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    return model
