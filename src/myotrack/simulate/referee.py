"""The backend that cannot be wrong: plain `mj_step`, one world after the other. The others are judged against it."""

import copy
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.simulate.lost import Watch, as_mask, check_start, check_wrapped, checked_excitation, sane
from myotrack.simulate.mechanics import Mechanics, MechanicsArrays, MechanicsReadout
from myotrack.simulate.perturb import Variation, VariedFields, segment_index
from myotrack.simulate.physics import Physics
from myotrack.simulate.state import Activation, Arrays, BodyState, Excitation, Readout

_WHOLE = mujoco.mjtState.mjSTATE_INTEGRATION.value
"""Everything that a step starts from."""


class Referee:
    """Worlds stepped by `mj_step` in double precision."""

    def __init__(
        self, anatomy: Anatomy, worlds: int, physics: Physics | None = None, dtype: torch.dtype = torch.float32
    ) -> None:
        """Put `worlds` bodies into their resting posture."""
        self.anatomy = anatomy
        self.physics = physics or Physics()
        self.worlds = worlds
        self.device = torch.device("cpu")
        self._dtype = dtype
        check_wrapped(anatomy)
        self._model = model = self.physics.applied_to(anatomy.model)
        self._models = [copy.copy(model) for _ in range(worlds)]
        self._data = [mujoco.MjData(model) for _ in range(worlds)]
        self._mirror = mujoco.MjData(model)
        self._readout = Readout(anatomy, model)
        self._mechanics_readout = MechanicsReadout(anatomy, model)
        self._watch = Watch(anatomy)
        self._intact = np.ones(worlds, dtype=bool)
        self._push = np.zeros((worlds, model.nbody, 6))
        self._assist = np.zeros((worlds, model.nv))
        everywhere = torch.ones(worlds, dtype=torch.bool)
        still = torch.zeros(worlds, anatomy.couplings.coordinate_size)
        self.reset(everywhere, anatomy.rest.expand(worlds, -1), still, torch.zeros(worlds, model.nu))

    @property
    def body(self) -> BodyState:
        """The present instant of every world, computed on a copy so that looking never disturbs."""
        arrays = Arrays(**self._fresh(tuple(Arrays.__dataclass_fields__)))
        return self._readout.read(arrays, torch.from_numpy(self._intact.copy()))

    @property
    def mechanics(self) -> Mechanics:
        """The equations of motion of every world, computed on a copy."""
        return self._mechanics_readout.read(MechanicsArrays(**self._fresh(tuple(MechanicsArrays.__dataclass_fields__))))

    @property
    def lost_count(self) -> int:
        """How many times a world has left the numbers."""
        return self._watch.count

    def reset(
        self,
        mask: Bool[Tensor, "world"],
        z: Float[Tensor, "world pos"],
        velocity: Float[Tensor, "world coordinate"],
        activation: Activation,
    ) -> None:
        """Start the masked worlds again at time zero."""
        couplings = self.anatomy.couplings
        check_start(mask, z, velocity, activation)
        for world in np.flatnonzero(as_mask(mask)):
            data, start, rate = self._data[world], z[world].double(), velocity[world].double()
            mujoco.mj_resetData(self._models[world], data)
            data.qpos[:] = couplings.qpos(start).numpy()
            data.qvel[:] = couplings.qvel(start, rate).numpy()
            data.act[:] = data.ctrl[:] = activation[world].double().numpy()
            self._push[world] = self._assist[world] = 0.0
            self._intact[world] = True

    def advance(self, excitation: Excitation) -> None:
        """Let every intact world live one control interval."""
        drive, numbers = checked_excitation(excitation, self.anatomy.muscle_names)
        self._watch.remember(np.stack([self._core_state(data) for data in self._data]), drive)
        unread = self._intact & ~numbers
        self._watch.record(unread, "the excitation was not a number")
        self._intact &= numbers
        for world in np.flatnonzero(self._intact):
            model, data = self._models[world], self._data[world]
            before = copy.copy(data)
            data.ctrl[:] = drive[world]
            data.xfrc_applied[:] = self._push[world]
            data.qfrc_applied[:] = self._assist[world]
            for _ in range(self.physics.substeps):
                mujoco.mj_step(model, data)
            if not sane(data.qpos[None], data.qvel[None], data.act[None], data.qacc[None])[0]:
                self._watch.record(np.arange(self.worlds) == world, "the state left the numbers")
                self._data[world] = before
                self._intact[world] = False
        self._push[:] = self._assist[:] = 0.0

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
        for world, model in enumerate(self._models):
            for name, values in vars(varied).items():
                getattr(model, name)[:] = values[world]
            mujoco.mj_setConst(model, mujoco.MjData(model))

    def snapshot(self) -> dict[str, Tensor]:
        """The state of every world, warm start of the solver included, and what is asked for in the next interval."""
        rows = np.zeros((self.worlds, mujoco.mj_stateSize(self._model, _WHOLE)))
        for row, data in zip(rows, self._data, strict=True):
            mujoco.mj_getState(self._model, data, row, _WHOLE)
        arrays = {"state": rows, "intact": self._intact, "push": self._push, "assist": self._assist}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Go on from a snapshot, to the last bit."""
        for row, model, data in zip(snapshot["state"].numpy(), self._models, self._data, strict=True):
            mujoco.mj_setState(model, data, row, _WHOLE)
        self._intact[:] = snapshot["intact"].numpy()
        self._push[:], self._assist[:] = snapshot["push"].numpy(), snapshot["assist"].numpy()

    def dump(self, folder: Path) -> list[Path]:
        """Write the last states of lost worlds."""
        return self._watch.dump(folder)

    def data(self, world: int) -> mujoco.MjData:
        """A world's MuJoCo data at the present instant, all stages computed, as a copy."""
        data = copy.copy(self._data[world])
        mujoco.mj_forward(self._models[world], data)
        return data

    def _fresh(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Arrays of every world at the present instant."""
        rows: dict[str, list] = {name: [] for name in names}
        for model, data in zip(self._models, self._data, strict=True):
            mujoco.mj_copyData(self._mirror, model, data)
            mujoco.mj_forward(model, self._mirror)
            for name, values in rows.items():
                values.append(np.array(getattr(self._mirror, name)))
        return {name: torch.from_numpy(np.stack(values)).to(self._dtype) for name, values in rows.items()}

    @staticmethod
    def _core_state(data: mujoco.MjData) -> np.ndarray:
        return np.concatenate([[data.time], data.qpos, data.qvel, data.act])
