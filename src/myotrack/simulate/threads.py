"""The CPU backend: many worlds on native threads, bit-identical to plain MuJoCo."""

from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from mujoco.batch import Batch, SimulationError
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.lost import Watch, as_mask, check_start, checked_excitation, sane
from myotrack.simulate.mechanics import Mechanics, MechanicsArrays, MechanicsReadout
from myotrack.simulate.perturb import Variation, VariedFields, segment_index
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import Activation, Arrays, BodyState, Excitation, Readout

# All stages: forces and contacts of a BodyState belong to the same instant as its posture. A persistent batch goes on
# from there, so the only extra work is one constraint solve per interval (benchmarks/step.py prints how much).
_FRESH = mujoco.mjtStage.mjSTAGE_ACC.value
_DERIVED = ("sensordata", "actuator_length", "actuator_velocity", "actuator_force")


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
        self._dtype = dtype
        self._model = self.physics.applied_to(anatomy.model)
        self._batch = Batch(self._model, worlds, threads, persistent=True)
        self._state = {name: self._batch.bind(name) for name in ("time", "qpos", "qvel", "act", "ctrl")}
        self._derived = {name: self._batch.bind(name) for name in (*_DERIVED, "qacc")}
        self._readout = Readout(anatomy, self._model)
        self._mechanics_readout = MechanicsReadout(anatomy, self._model)
        self._watch = Watch(anatomy)
        self._intact = np.ones(worlds, dtype=bool)
        self._push = np.zeros((worlds, self._model.nbody, 6))
        self._assist = np.zeros((worlds, self._model.nv))
        self._body: BodyState | None = None
        everywhere = torch.ones(worlds, dtype=torch.bool)
        still = torch.zeros(worlds, anatomy.couplings.coordinate_size)
        self.reset(everywhere, anatomy.rest.expand(worlds, -1), still, torch.zeros(worlds, anatomy.model.nu))

    @property
    def body(self) -> BodyState:
        """The present instant of every world."""
        if self._body is None:
            arrays = {
                name: torch.from_numpy(array.copy()).to(self._dtype)
                for name, array in (*self._state.items(), *self._derived.items())
                if name != "qacc"
            }
            self._body = self._readout.read(Arrays(**arrays), torch.from_numpy(self._intact.copy()))
        return self._body

    @property
    def mechanics(self) -> Mechanics:
        """The equations of motion of every world, in `dtype`."""
        arrays = {name: self._batch.bind(name) for name in MechanicsArrays.__dataclass_fields__}
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
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._state["qpos"][ids] = couplings.qpos(z).numpy()
        self._state["qvel"][ids] = couplings.qvel(z, velocity).numpy()
        self._state["act"][ids] = activation[mask].double().numpy()
        self._state["ctrl"][ids] = self._state["act"][ids]
        self._batch.forward(ids, stage=_FRESH)
        self._push[ids] = self._assist[ids] = 0.0
        self._intact[chosen] = True
        self._body = None

    def advance(self, excitation: Excitation) -> None:
        """Let every intact world live one control interval."""
        drive, numbers = checked_excitation(excitation, self.anatomy.muscle_names)
        before = self._batch.state.copy()
        # MuJoCo's state rows begin with time, qpos, qvel and act.
        self._watch.remember(before[:, : 1 + self._model.nq + self._model.nv + self._model.na], drive)
        self._end(self._intact & ~numbers, "the excitation was not a number", before)
        alive = self._intact.copy()
        self._state["ctrl"][alive] = drive[alive]
        self._batch.bind("xfrc_applied")[:] = self._push
        self._batch.bind("qfrc_applied")[:] = self._assist
        self._push[:] = self._assist[:] = 0.0
        failed = np.zeros(self.worlds, dtype=bool)
        if alive.any():
            try:
                self._batch.step(np.flatnonzero(alive), nstep=self.physics.substeps, stage=_FRESH)
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
        self._assist[:, self.anatomy.couplings.rate_index.numpy()] = moment.double().numpy()

    def vary(self, variation: Variation) -> None:
        """Give every world its own masses, muscle strengths and floor friction."""
        varied = VariedFields.of(self._model, variation)
        for name, values in vars(varied).items():
            self._batch.expand(name)[:] = values
        self._batch.set_const()
        self._batch.forward(stage=_FRESH)
        self._body = None

    def snapshot(self) -> dict[str, Tensor]:
        """The state rows of MuJoCo, warm start of the solver included, and what is asked for in the next interval."""
        arrays = {"state": self._batch.state, "intact": self._intact, "push": self._push, "assist": self._assist}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Go on from a snapshot, to the last bit."""
        self._batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._batch.state[:] = snapshot["state"].numpy()
        self._batch.forward(stage=_FRESH)
        self._intact[:] = snapshot["intact"].numpy()
        self._push[:], self._assist[:] = snapshot["push"].numpy(), snapshot["assist"].numpy()
        self._body = None

    def dump(self, folder: Path) -> list[Path]:
        """Write the last states of lost worlds."""
        return self._watch.dump(folder)

    def _end(self, lost: np.ndarray, reason: str, before: np.ndarray) -> None:
        """Put lost worlds back into their last good state, where they stand still until they are reset."""
        if not lost.any():
            return
        self._watch.record(lost, reason)
        ids = np.flatnonzero(lost)
        self._batch.reset(ids, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._batch.state[ids] = before[ids]
        self._batch.forward(ids, stage=_FRESH)
        self._intact[lost] = False
