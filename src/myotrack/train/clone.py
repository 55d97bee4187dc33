"""`Clone`: a network learns what a teacher would do, in the situations that the network itself gets into (DAgger).

    worlds, some driven by the teacher and its noise, some by the network -> observation, the teacher's command
    -> least squares of commands -> running mean of the network's weights, which is the policy

Source: Ross, Gordon, Bagnell 2011, 'A reduction of imitation learning and structured prediction to no-regret online
learning', AISTATS.
"""

import copy
import math
import time
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from myotrack.algebra.threads import torch_threads
from myotrack.train.env import Command, Diverged, Env, Observation, State, Teacher
from myotrack.train.optimise import Optimiser, OptimiserSettings
from myotrack.train.policy import Policy


@dataclass(frozen=True)
class CloneSettings:
    """Choices of cloning. Tuned by arms that follow built-in and recorded motions (docs/training.md)."""

    first_steps: int = 150
    """Control steps of the first round, in which the teacher drives all worlds."""
    steps: int = 60
    """Control steps of every later round."""
    teacher_share: float = 0.25
    """Share of the worlds that the teacher drives in later rounds; the others are the network's."""
    noise: float = 0.3
    """Standard deviation of what is added to the teacher's actions in the first round; twice that later."""
    noise_memory: float = 0.85
    """How much of the noise of one control step is left in the next. White noise would teach co-contraction."""
    updates: int = 125
    """Steps of the optimiser per round; three times as many in the first."""
    batch: int = 512
    """Rows per step."""
    rows: int = 400_000
    """Rows kept; the oldest are forgotten."""
    average: float = 0.01
    """What every update counts in the running mean of the weights."""
    rate_halves: int = 20
    """Rounds after which the rate has halved; about four times as many halve it again: rate / sqrt(1 + 3 n / this)."""
    mirrored: bool = True
    """Learn from every row or its mirror image by chance, if the worlds have a mirror."""
    crossed: bool = True
    """Learn by chance from rows whose parts were gathered in different worlds, if parts do not act on each other."""
    threads: int = 1
    """CPU threads of the updates; 0 takes one per core. Measured on two shared cores: an update takes 21 ms with one
    thread as with two, and 57 ms with two beside another busy process."""
    optimiser: OptimiserSettings = field(default_factory=lambda: OptimiserSettings(rate=1e-3))
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.first_steps, self.steps, self.updates, self.batch, self.rows) < 1:
            raise ValueError(f"Cloning takes at least one step, update and row; got {self}.")
        if not (0 <= self.teacher_share <= 1 and 0 <= self.noise_memory < 1 and self.noise >= 0):
            raise ValueError(f"The teacher's share and the memory of noise lie in [0, 1), noise from 0 on; got {self}.")


@runtime_checkable
class Store(Protocol):
    """Keeps rows on disk as they are added, so that a checkpoint need not hold them (`checkpoint.Shards`)."""

    def append(self, tensors: dict[str, Tensor]) -> None:
        """Add a file."""
        ...

    def load(self, count: int) -> list[dict[str, Tensor]]:
        """The first files."""
        ...

    def trim(self, count: int) -> None:
        """Forget all files but the first."""
        ...


class Clone:
    """A stage of learning. The policy that it is given becomes the running mean of the network that learns."""

    name = "clone"

    def __init__(
        self,
        env: Env,
        teacher: Teacher,
        policy: Policy,
        settings: CloneSettings | None = None,
        store: Store | None = None,
    ) -> None:
        """Prepare; nothing moves yet.

        Args:
            env: Worlds whose commands the policy learns to give.
            teacher: Of these worlds.
            policy: To be taught, in place.
            settings: Choices.
            store: Where rows are kept for going on after a stop; only in memory if not given.
        """
        self.env, self.teacher, self.policy = env, teacher, policy
        self.settings = settings = settings or CloneSettings()
        self._student = copy.deepcopy(policy)
        self._optimiser = Optimiser({"policy": self._student}, settings.optimiser)
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._store = store
        self._observation: list[Tensor] = []
        self._command: list[Tensor] = []
        self._rounds = 0

    @property
    def row_count(self) -> int:
        """Rows to learn from."""
        return sum(len(rows) for rows in self._observation)

    def advance(self) -> dict[str, float]:
        """One round: gather in all worlds, then learn from everything gathered so far. Before the first one the teacher
        shows how, alone.

        Returns:
            'steps', 'score' (mean reward of the network's worlds), 'loss' (squared error of a command, summed over its
            numbers), 'rows', the env's scores over the network's worlds, and shares of time: 'time_teacher',
            'time_worlds', 'time_updates'.

        Raises:
            Diverged: A gradient or an observation is not a number.
        """
        clock = time.perf_counter()
        shown, teaching, gathering = 0.0, 0.0, 0.0
        if self._rounds == 0:
            told, teaching, gathering, loss = self._round()
            shown = told["steps"]
        told, taught, gathered, loss = self._round()
        told["steps"] += shown
        total = time.perf_counter() - clock
        teaching, gathered = teaching + taught, gathering + gathered
        times = {"teacher": teaching / total, "worlds": (gathered - teaching) / total, "updates": 1 - gathered / total}
        return told | {"loss": loss, "rows": float(self.row_count)} | {f"time_{name}": v for name, v in times.items()}

    def draw(self, count: int, generator: torch.Generator) -> tuple[Observation, Command]:
        """Rows by chance, as an anchor for what comes after cloning.

        Raises:
            ValueError: Nothing has been gathered.
        """
        if not self.row_count:
            raise ValueError("There is nothing to draw from before the first round of cloning.")
        rows, commands = torch.cat(self._observation), torch.cat(self._command)
        self._observation, self._command = [rows], [commands]
        place = torch.randint(len(rows), (count,), generator=generator, device=generator.device).to(rows.device)
        return rows[place], commands[place]

    def state(self) -> State:
        """Both networks, optimiser, generators and worlds; rows only where no store keeps them."""
        state = {f"policy.{name}": value.detach().cpu().clone() for name, value in self.policy.state_dict().items()}
        state |= {f"student.{name}": value.detach().cpu().clone() for name, value in self._student.state_dict().items()}
        state |= {f"optimiser.{name}": value for name, value in self._optimiser.state().items()}
        state |= {f"env.{name}": value for name, value in self.env.state().items()}
        state |= {"generator": self._generator.get_state(), "rounds": torch.tensor(self._rounds)}
        if self._store is None and self._observation:
            state |= {"rows": torch.cat(self._observation).cpu(), "commands": torch.cat(self._command).cpu()}
        return state

    def load(self, state: State) -> None:
        """Go on from a state; rows come from the store."""

        def part(prefix: str) -> State:
            return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

        self.policy.load_state_dict(part("policy."))
        self._student.load_state_dict(part("student."))
        self._optimiser.load(part("optimiser."))
        self.env.load(part("env."))
        self._generator.set_state(state["generator"])
        self._rounds = int(state["rounds"])
        device = self.env.device
        kept = [state] if "rows" in state else []
        if self._store is not None:
            self._store.trim(self._rounds)
            kept = self._store.load(self._rounds)
        self._observation = [each["rows"].to(device) for each in kept]
        self._command = [each["commands"].to(device) for each in kept]
        self._forget()

    def _round(self) -> tuple[dict[str, float], float, float, float]:
        """Gather and learn; what to log, seconds of teaching and of gathering, and the loss."""
        clock = time.perf_counter()
        with torch_threads(1):
            told, teaching = self._gather()
        gathered = time.perf_counter() - clock
        with torch_threads(self.settings.threads):
            loss = self._learn()
        self._rounds += 1
        return told, teaching, gathered, loss

    @torch.no_grad()
    def _gather(self) -> tuple[dict[str, float], float]:
        """Let all worlds live for a round; returns what to log, and the seconds that teaching took."""
        env, settings, first = self.env, self.settings, self._rounds == 0
        worlds, size, device = env.worlds, env.action_size, env.device
        draw = self._generator
        taught = torch.rand(worlds, generator=draw) < (1.0 if first else settings.teacher_share)
        if not first and bool(taught.all()):
            taught[0] = False  # Somebody has to be the network's, or nothing is known of it.
        taught = taught.to(device)
        judged = taught if first else ~taught
        strength = settings.noise * (1.0 if first else 2.0)
        noise = torch.zeros(worlds, size)
        rows, commands, teaching = [], [], 0.0
        totals: dict[str, Tensor] = {}
        observation = env.restart()
        steps = settings.first_steps if first else settings.steps
        for _ in range(steps):
            clock = time.perf_counter()
            command = self.teacher().float()
            teaching += time.perf_counter() - clock
            rows.append(observation.clone())
            commands.append(command)
            fresh = torch.randn(worlds, size, generator=draw)
            noise = settings.noise_memory * noise + strength * math.sqrt(1 - settings.noise_memory**2) * fresh
            action = env.action(command) + noise.to(device)
            if not first:
                action = torch.where(taught[:, None], action, self.policy.mean(observation))
            happened = env.step(action)
            observation = happened.observation
            for name, value in {"score": happened.reward, **happened.scores}.items():
                totals[name] = totals.get(name, torch.zeros((), device=device)) + value[judged].float().mean()
        self._keep(torch.cat(rows), torch.cat(commands))
        return {"steps": float(steps * worlds)} | {
            name: float(total) / steps for name, total in totals.items()
        }, teaching

    def _keep(self, rows: Float[Tensor, "row feature"], commands: Float[Tensor, "row action"]) -> None:
        """Add the rows of a round; a new policy's first one decides how observations are normalised, for ever."""
        if not (bool(torch.isfinite(rows).all()) and bool(torch.isfinite(commands).all())):
            raise Diverged(
                "An observation or a command of the teacher is not a number; look at the clips and the worlds."
            )
        if not self.policy.normaliser.count:
            for policy in (self.policy, self._student):
                policy.normaliser.update(rows)
                if self.settings.mirrored and self.env.symmetry is not None and policy.normaliser.mirror is None:
                    policy.normaliser.update(self.env.symmetry.observation(rows))
        self._observation.append(rows)
        self._command.append(commands)
        if self._store is not None:
            self._store.trim(self._rounds)
            self._store.append({"rows": rows.cpu(), "commands": commands.cpu()})
        self._forget()

    def _forget(self) -> None:
        """Drop the oldest rounds beyond the limit, but never the newest."""
        while len(self._observation) > 1 and self.row_count - len(self._observation[0]) >= self.settings.rows:
            del self._observation[0], self._command[0]

    def _learn(self) -> float:
        """Update the network, and the running mean of its weights; returns the mean loss."""
        settings, device = self.settings, self.env.device
        symmetry = self.env.symmetry if settings.mirrored and not self.policy.settings.symmetric else None
        parts = self.env.parts if settings.crossed else None
        rows, commands = torch.cat(self._observation), torch.cat(self._command)
        self._optimiser.set_rate(settings.optimiser.rate / math.sqrt(1 + 3 * self._rounds / settings.rate_halves))
        updates = settings.updates * (3 if self._rounds == 0 else 1)
        total = torch.zeros((), device=device)
        averaged: list[Tensor] = list(self.policy.parameters())
        learning: list[Tensor] = list(self._student.parameters())
        for update in range(updates):
            place = torch.randint(len(rows), (settings.batch,), generator=self._generator).to(device)
            if parts is None:
                seen, wanted = rows[place], commands[place]
            else:
                # Half of the rows are put together from two.
                count = settings.batch // 2, parts.count - 1
                others = place[:, None].repeat(1, parts.count)
                others[: count[0], 1:] = torch.randint(len(rows), count, generator=self._generator).to(device)
                seen, wanted = parts.put_together(rows, commands, others)
            if symmetry is not None:
                turned = (torch.rand(settings.batch, generator=self._generator) < 0.5).to(device)[:, None]
                seen = torch.where(turned, symmetry.observation(seen), seen)
                wanted = torch.where(turned, symmetry.action(wanted), wanted)
            loss = (self.env.command(self._student.mean(seen)) - wanted).square().sum(dim=1).mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += loss.detach()
            with torch.no_grad():
                # In the beginning the mean of all so far, so that the first weights are soon forgotten.
                share = max(settings.average, 1 / (10 + update)) if self._rounds == 0 else settings.average
                torch._foreach_lerp_(averaged, learning, share)
        return float(total) / updates


class CloneIn:
    """A stage of cloning in worlds of its own, for a clone that learns in one kind of worlds after another.

    Rows, networks and optimiser go along; worlds with another body must have the same observation and commands.
    """

    def __init__(self, clone: Clone, env: Env, teacher: Teacher, name: str) -> None:
        """Prepare; the clone moves when this stage first advances.

        Raises:
            ValueError: These worlds have other observations or commands.
        """
        sizes = [(each.observation_size, each.action_size) for each in (clone.env, env)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"A clone of {sizes[0]} observations and commands cannot move to worlds of {sizes[1]}.")
        self._clone, self._env, self._teacher, self.name = clone, env, teacher, name

    def advance(self) -> dict[str, float]:
        """One round of the clone, here."""
        self._move()
        return self._clone.advance()

    def state(self) -> State:
        """Of the clone, while it is here."""
        return self._clone.state() if self._clone.env is self._env else {}

    def load(self, state: State) -> None:
        """Go on from a state; there is none where the clone has gone on to other worlds."""
        if state:
            self._move()
            self._clone.load(state)

    def _move(self) -> None:
        self._clone.env, self._clone.teacher = self._env, self._teacher
