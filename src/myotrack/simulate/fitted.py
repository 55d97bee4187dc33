"""Muscles that pull along fitted paths, beside a skeleton that MuJoCo steps.

    qpos, qvel -> lengths, velocities -> MuJoCo's force curves, activations -> moments on the independent joints

Activations are integrated here by MuJoCo's own law and step. Compiled code does whole control intervals if Numba is
installed (`interval`); otherwise torch does the muscles between steps, in double precision and more slowly.
"""

import functools
import importlib
import warnings
from dataclasses import replace
from types import ModuleType

import mujoco
import numpy as np
import torch
from jaxtyping import Float, Int
from mujoco.batch import Batch, SimulationError

from myotrack.anatomy.fitted import FittedPaths, Term
from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.tension import Curves
from myotrack.simulate.pool import Pool

PerMuscle = Float[np.ndarray, "world muscle"]
Some = Int[np.ndarray, "some"]
ENGINES = ("native", "torch")
ACTIVATION, EXCITATION, STRENGTH, LENGTH, VELOCITY, FORCE = range(6)
"""Rows of the state of a world."""
FARTHEST = 1e6
"""A joint angle beyond this, or one that is no number, is read as 0 [rad]."""
WIDTH = 16
"""Muscles that compiled code evaluates at once (`in_blocks`). Measured: terms of 8 were not vectorised at all."""
STEPS = 18
"""Where the table of compiled code has the number of steps."""


class FittedMuscles:
    """All muscles of all worlds: activation, excitation, length, velocity, force."""

    def __init__(self, anatomy: Anatomy, worlds: int, timestep: float, engine: str = "") -> None:
        """Prepare muscles at rest.

        Args:
            anatomy: A body with fitted paths.
            worlds: How many.
            timestep: Of the physics [s].
            engine: One of `ENGINES`; the first that works if not given.

        Raises:
            ValueError: The body has no fitted paths, a muscle has a parameter that is not written out here, or the
                engine is not there.
        """
        if anatomy.fitted is None:
            raise ValueError(f"MuJoCo wraps the paths of the body '{anatomy.title}'; load '{anatomy.name}:paths'.")
        native = compiled()
        self.engine = engine or ("native" if native else "torch")
        if self.engine not in ENGINES or (self.engine == "native" and native is None):
            raise ValueError(f"There is no engine '{self.engine}' here; 'native' needs Numba, 'torch' always works.")
        check_muscles(anatomy)
        couplings, muscles = anatomy.couplings, anatomy.model.nu
        self._paths, self._curve, self._timestep = anatomy.fitted, muscle_rows(anatomy.model), timestep
        self._curves = Curves.of(anatomy)
        self._pos, self._rate = couplings.pos_index.numpy(), couplings.rate_index.numpy()
        # One place per rate: of a root's place and quaternion, which no muscle needs, the first is left out.
        self._index = np.stack([self._pos[1 if anatomy.free else 0 :], self._rate])
        self._state = np.zeros((worlds, 6, muscles))
        self.moment = np.zeros((worlds, couplings.coordinate_size))
        """Of the muscles on the independent coordinates [N m]."""
        self.act, self.ctrl, self.strength = (self._state[:, row] for row in (ACTIVATION, EXCITATION, STRENGTH))
        self.length, self.velocity, self.force = (self._state[:, row] for row in (LENGTH, VELOCITY, FORCE))
        self.strength[:] = 1.0
        self.changed = np.zeros(worlds, np.uint8)
        """Worlds whose forces from outside are others than when they were fresh."""
        if native is not None and self.engine == "native":
            blocks = in_blocks(anatomy.fitted, WIDTH)
            layout, knots, owner, table = laid_out(blocks)
            layout[:, 0, 2] = [len(set(term.muscles)) for term in blocks.terms]
            knots = np.stack([knots[:, 0], knots[:, 1], layout[:, 1].clip(1)]).reshape(3, -1).astype(np.float32)
            arrays = (
                layout,
                knots,
                owner,
                table,
                self._curve,
                self._state,
                self.moment,
                self._index,
                self.changed,
                np.array([timestep]),
            )
            self._arrays, self._function = arrays, native.interval.address
            self._table = native.table_for(arrays, anatomy.simulated.nq, anatomy.simulated.nv)

    def live(self, worlds: Batch | Pool, ids: Some, steps: int) -> None:
        """Let some worlds live for so many steps of the physics, fresh afterwards; 0 only makes them fresh.

        Args:
            worlds: A `Pool` for compiled code. Their `qfrc_applied` is what helps from outside, before and after.
            ids: Which.
            steps: How many.

        Raises:
            SimulationError: MuJoCo raised an error in some.
        """
        if isinstance(worlds, Pool):
            self._table[STEPS] = steps
            worlds.apply(ids, self._function, self._table.ctypes.data)
            return
        applied, qpos, qvel = (worlds.bind(name) for name in ("qfrc_applied", "qpos", "qvel"))
        help, sound, trouble = applied.copy(), ids, None

        def pull() -> None:
            self.pull(sound, qpos, qvel)
            applied[sound] = help[sound]
            applied[np.ix_(sound, self._rate)] += self.moment[sound]

        pull()
        for _ in range(steps):
            try:
                worlds.step(sound, nstep=1)
            except SimulationError as error:
                # The others live on.
                trouble, sound = error, np.setdiff1d(sound, error.ids)
            self.follow(sound)
            pull()
        worlds.forward(sound)
        applied[ids] = help[ids]
        if trouble is not None:
            trouble.ids = np.setdiff1d(ids, sound)
            raise trouble

    def pull(self, ids: Some, qpos: Float[np.ndarray, "world qpos"], qvel: Float[np.ndarray, "world dof"]) -> None:
        """Lengths, velocities, forces and moments of some worlds, without compiled code."""
        z = torch.from_numpy(qpos[ids][:, self._pos])
        length, arm = self._paths.lengths_and_arms(z)
        velocity = -torch.einsum("wmc,wc->wm", arm, torch.from_numpy(qvel[ids][:, self._rate]))
        tension = self._curves.tension(length, velocity).at(torch.from_numpy(self.act[ids]))
        force = -torch.from_numpy(self.strength[ids]) * tension
        self.length[ids], self.velocity[ids], self.force[ids] = length, velocity, force
        self.moment[ids] = -torch.einsum("wmc,wm->wc", arm, force)

    def follow(self, ids: Some) -> None:
        """Activations follow excitations for one step of the physics, without compiled code."""
        act, ctrl = self.act[ids], self.ctrl[ids].clip(0.0, 1.0)
        span = 0.5 + 1.5 * act.clip(0.0, 1.0)
        rise, fall = self._curve[10:]
        self.act[ids] = act + self._timestep * (ctrl - act) / np.where(ctrl > act, rise * span, fall / span)

    def arms(self, qpos: Float[np.ndarray, "world qpos"]) -> Float[np.ndarray, "world muscle coordinate"]:
        """Moment arms of all worlds [m]."""
        if self.engine == "native":
            found = np.zeros((*self.act.shape, len(self._rate)))
            native = importlib.import_module("myotrack.simulate.native")
            z = qpos[:, self._index[0]]
            native.arms_of(np.where(np.abs(z) < FARTHEST, z, 0.0), *self._arrays[:4], found)
            return found
        return self._paths.lengths_and_arms(torch.from_numpy(qpos[:, self._pos]))[1].numpy()


@functools.cache
def compiled() -> ModuleType | None:
    """The compiled muscles, or None without Numba, which has no wheel for every Python and processor.

    Loaded when they are first needed: compiling an interval takes two seconds.
    """
    try:
        return importlib.import_module("myotrack.simulate.interval")
    except ImportError:
        return None
    except (RuntimeError, OSError) as error:
        warnings.warn(f"{error} Fitted muscles are moved by torch instead, more slowly.", stacklevel=2)
        return None


def check_muscles(anatomy: Anatomy) -> None:
    """Make sure that muscles have no property that is not written out for fitted paths.

    Raises:
        ValueError: One has; the message names it.
    """
    model = anatomy.model
    plain = (model.actuator_dynprm[:, 2] == 0) & (model.actuator_gainprm[:, 2] > 0)
    plain &= (model.actuator_gear[:, 0] == 1) & (model.actuator_forcelimited == 0)
    if not plain.all():
        first = anatomy.muscle_names[int(np.flatnonzero(~plain)[0])]
        raise ValueError(f"Muscle '{first}' has blended time constants, a gear, or no peak force of its own.")


def laid_out(paths: FittedPaths) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fitted paths as compiled code wants them: layout, muscles and table of `native.pull_one`, and knots.

    Knots are (term, 2, 4): first knot and one over the spacing of each joint [rad, 1/rad].
    """
    count = len(paths.terms)
    layout, knots = np.zeros((count, 4, 4), np.int64), np.zeros((count, 2, 4), np.float32)
    muscles: list[int] = []
    numbers = 0
    for row, term in enumerate(paths.terms):
        joints, cells = len(term.coordinates), term.cells
        layout[row, 0] = joints, len(muscles), len(term.muscles), numbers
        layout[row, 1, :joints], layout[row, 3, :joints] = term.intervals, term.coordinates
        layout[row, 2, :joints] = [int(np.prod(cells[axis + 1 :])) for axis in range(joints)]
        knots[row, 0, :joints], knots[row, 1, :joints] = term.low, 1 / term.step
        muscles += term.muscles
        numbers += term.coefficient.size
    table = np.concatenate([term.coefficient.astype(np.float32).ravel() for term in paths.terms])
    return layout, knots, np.array(muscles, np.int64), table


def in_blocks(paths: FittedPaths, width: int) -> FittedPaths:
    """The same paths in terms of `width` muscles each; the last of a term is filled with muscles of length 0."""

    def block(term: Term, begin: int) -> Term:
        muscles, coefficient = term.muscles[begin : begin + width], term.coefficient[:, begin : begin + width]
        missing = width - len(muscles)
        filled = np.pad(coefficient, ((0, 0), (0, missing)))
        return replace(term, muscles=muscles + muscles[:1] * missing, coefficient=filled)

    starts = [(term, begin) for term in paths.terms for begin in range(0, len(term.muscles), width)]
    return replace(paths, terms=tuple(block(*each) for each in starts))


def muscle_rows(model: mujoco.MjModel) -> Float[np.ndarray, "12 muscle"]:
    """What MuJoCo's muscle functions and their dynamics need of every muscle.

    Normalised length at the lower end of the path range, that end [m], one over the fibre length [1/m], where the
    active curve begins and ends, one over the fastest shortening [s], the eccentric plateau, peak force [N], passive
    force over it, where the passive curve becomes a line, and the time constants of rise and fall [s].
    Source: MuJoCo 4.0 manual, modeling/muscle actuators.
    """
    gain, bias, ends = model.actuator_gainprm, model.actuator_biasprm, model.actuator_lengthrange
    fibre = (ends[:, 1] - ends[:, 0]) / (gain[:, 1] - gain[:, 0])
    rows = (
        gain[:, 0], ends[:, 0], 1 / fibre, gain[:, 4], gain[:, 5], 1 / gain[:, 6], gain[:, 8], gain[:, 2], bias[:, 7],
        0.5 * (1 + bias[:, 5]), model.actuator_dynprm[:, 0], model.actuator_dynprm[:, 1],
    )  # fmt: skip
    return np.stack(rows)
