"""`Trainer`: takes stages of learning through their budgets, and can be stopped at any moment without losing much.

A folder holds `log.jsonl`, `checkpoints/last.safetensors` (to go on from) and `checkpoints/best.safetensors`. Stages
with budgets of steps go on after a stop as if there had been none, bit for bit on a CPU; budgets of time depend on the
machine.
"""

import fcntl
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from myotrack.train import checkpoint
from myotrack.train.checkpoint import CheckpointError
from myotrack.train.env import Diverged, Stage, State
from myotrack.train.log import RunLog
from myotrack.train.team import ALONE, Team

CHECKPOINTS, LAST, BEST, LOCK = "checkpoints", f"last{checkpoint.SUFFIX}", f"best{checkpoint.SUFFIX}", ".lock"
EVERY = 30.0
"""At most so long between two checkpoints, or one call of `advance` more [s]; a kill loses that much. Source: half of
the minute that a kill may cost at most."""
_SMOOTH = 0.5
"""What the newest score counts in the one that is judged. Source: a running mean with weight a has a / (2 - a) of the
variance, here 1/3, that of the mean of three scores."""
_FEW = 3
"""Calls before a score can end a stage, so that luck does not. Source: as many as `_SMOOTH` averages."""


@dataclass(frozen=True)
class Budget:
    """When a stage is over: at whichever comes first."""

    minutes: float | None = None
    """Wall-clock time of learning."""
    steps: int | None = None
    """Control steps over all worlds."""
    target: float | None = None
    """Score, smoothed over a few calls; never reached by the first two."""

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None and self.target is None:
            raise ValueError("Learning needs an end: a number of minutes, of steps, or a score to reach.")


@dataclass(frozen=True)
class Progress:
    """How far learning is."""

    stage: str
    seconds: float
    """Of this stage."""
    left: float | None
    """Until its budget is used up, as far as can be told [s]."""
    share: float
    """Of the budget of this stage that is used, in [0, 1]."""
    steps: int
    """Of this stage."""
    speed: float
    """Control steps per second in the last call."""
    row: dict[str, Any]
    """What was logged last."""


@dataclass(frozen=True)
class Outcome:
    """How it ended."""

    how: Literal["finished", "stopped", "diverged"]
    words: str
    """One sentence."""
    seconds: float
    """Of learning, over all stages and stops."""
    steps: int
    best: float
    """Best smoothed score of the last stage; not a number before its first call."""


@dataclass
class _Count:
    """Where learning is; kept in every checkpoint."""

    stage: int = 0
    rows: int = 0
    steps: int = 0
    seconds: float = 0.0
    stage_steps: int = 0
    stage_seconds: float = 0.0
    stage_rows: int = 0
    score: float | None = None
    """Smoothed, of this stage."""
    best: float | None = None
    """The best of these, of this stage."""
    kept: float | None = None
    """Score of the state in the best checkpoint, of whichever stage."""

    @classmethod
    def of(cls, told: object) -> "_Count":
        """Read from a header.

        Raises:
            ValueError: It is not a count.
        """
        whole = ("stage", "rows", "steps", "stage_steps", "stage_rows")
        known = {field.name for field in fields(cls)}
        if not isinstance(told, dict) or not told.keys() <= known:
            raise ValueError("there is no count of rows and steps in its header")
        for name, value in told.items():
            if name in whole:
                sound = isinstance(value, int) and value >= 0
            else:
                sound = isinstance(value, int | float) or (value is None and not name.endswith("seconds"))
            if not sound:
                raise ValueError(f"'{name}' is {value!r:.20} in its header")
        return cls(**told)


class Trainer:
    """Runs stages one after the other.

    What is best is judged by the smoothed score, which begins anew with every stage. Scores of two stages are not quite
    alike: one that explores is paid less for the same policy. So a later stage replaces the best checkpoint only once
    its score beats the one in there, and what follows cloning is not called better until it is, even while it explores.
    The header says of which 'stage' a checkpoint is, and its 'score'.
    """

    def __init__(
        self,
        stages: Sequence[tuple[Stage, Budget]],
        folder: Path,
        about: dict[str, Any],
        every: float = EVERY,
        team: Team = ALONE,
    ) -> None:
        """Prepare; nothing is written.

        Args:
            stages: In their order, each with its budget.
            folder: Of the run.
            about: Goes into the header of every checkpoint.
            every: Longest time between two checkpoints [s].
            team: Processes that go through the same stages, each in a folder of its own; one that stops stops all.
        """
        if not stages:
            raise ValueError("There is nothing to learn by; give at least one stage.")
        self._stages, self._folder, self._about, self._every = stages, folder, about, every
        self._team = team
        self._count = _Count()
        self._pending: tuple[State, dict[str, Any]] | None = None
        self._stop = False

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self._folder / CHECKPOINTS / LAST

    @property
    def best(self) -> Path:
        """The one that did best."""
        return self._folder / CHECKPOINTS / BEST

    def resume(self) -> None:
        """Go on from the last checkpoint when `run` is called.

        Raises:
            CheckpointError: There is none, or it cannot be used.
            ValueError: Another process is training in this folder.
        """
        # Stages may tidy up what they keep in the folder, so nobody else may be training there.
        with _locked(self._folder) if self._folder.is_dir() else nullcontext():
            tensors, about = checkpoint.load(self.last)
            try:
                count = _Count.of(about.get("count"))
                names = [stage.name for stage, _ in self._stages]
                if count.stage >= len(names) or names[count.stage] != about.get("stage"):
                    raise ValueError(f"it is of '{about.get('stage')!s:.40}', they are {', '.join(names)}")
                # What earlier stages know is wanted by later ones, such as the rows of a clone.
                for number in range(count.stage + 1):
                    self._stages[number][0].load(checkpoint.part_of(tensors, f"{number}."))
            except CheckpointError:
                raise
            except (ValueError, KeyError, RuntimeError) as error:
                # Networks of another size are a RuntimeError of torch; what is not there at all is a KeyError.
                why = " ".join(str(error).split())
                raise CheckpointError(
                    f"{self.last}: this checkpoint does not fit the stages of this training ({why:.200}); "
                    "begin a new run."
                ) from error
        self._count = count

    def run(self, tell: Callable[[Progress], None] | None = None, prepare: Callable[[], None] | None = None) -> Outcome:
        """Learn until the budgets are used up, a signal comes, or learning diverges.

        Args:
            tell: Called after every call of a stage.
            prepare: Called once before anything is written, when nobody else can be training in the folder.

        Raises:
            ValueError: Another process is training in this folder.
            OSError: A checkpoint or the log cannot be written.
        """
        (self._folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        self._stop = False
        with _locked(self._folder), self._signals():
            if prepare is not None:
                prepare()
            return self._learn(tell or (lambda progress: None))

    def _learn(self, tell: Callable[[Progress], None]) -> Outcome:
        """Take the stages one after the other."""
        for place in (self._folder, self._folder / CHECKPOINTS):
            checkpoint.sweep(place)
        with RunLog(self._folder, self._count.rows) as log:
            try:
                self._take(log, tell)
                while self._count.stage + 1 < len(self._stages) and not self._team.any(self._stop):
                    self._next()
                    self._take(log, tell)
            except Diverged as error:
                self._write_best()
                where = f"{self.last}; --resume goes on from there" if self.last.exists() else "the beginning"
                trouble = str(error).strip().rstrip(".")
                return self._outcome("diverged", f"Learning diverged ({trouble}), and the last good state is {where}.")
        if self._team.any(self._stop):
            return self._outcome("stopped", "Learning was stopped; --resume goes on.")
        return self._outcome("finished", "Learning is finished.")

    def _take(self, log: RunLog, tell: Callable[[Progress], None]) -> None:
        """Take the present stage to the end of its budget."""
        count = self._count
        stage, budget = self._stages[count.stage]
        saved = time.monotonic()
        while not self._team.any(self._stop or _used_up(budget, count)):
            clock = time.monotonic()
            told = stage.advance()
            took = time.monotonic() - clock
            steps, score = int(told["steps"]), float(told["score"])
            if not math.isfinite(score):
                raise Diverged(f"The score of '{stage.name}' is not a number.")
            self._add(steps, took, score)
            about = {"stage": stage.name, "row": count.rows, "seconds": round(count.seconds, 3)}
            about |= {"steps_total": count.steps}
            row = about | told | about
            log.add(row)
            if count.score is not None and (count.kept is None or count.score > count.kept):
                count.kept = count.score
                self._pending = self._snapshot()
            if self._team.any(time.monotonic() - saved > self._every):
                self._save()
                saved = time.monotonic()
            left, share = _left(budget, count)
            tell(
                Progress(stage.name, count.stage_seconds, left, share, count.stage_steps, steps / max(took, 1e-9), row)
            )
        self._save()

    def _add(self, steps: int, took: float, score: float) -> None:
        """Count a call."""
        count = self._count
        count.rows, count.stage_rows = count.rows + 1, count.stage_rows + 1
        count.steps, count.stage_steps = count.steps + steps, count.stage_steps + steps
        count.seconds, count.stage_seconds = count.seconds + took, count.stage_seconds + took
        count.score = score if count.score is None else count.score + _SMOOTH * (score - count.score)
        count.best = count.score if count.best is None else max(count.best, count.score)

    def _next(self) -> None:
        """Begin the next stage, whose scores are another matter."""
        count = self._count
        count.stage, count.stage_steps, count.stage_seconds, count.stage_rows = count.stage + 1, 0, 0.0, 0
        count.score = count.best = None

    def _snapshot(self) -> tuple[State, dict[str, Any]]:
        """What a checkpoint of this moment holds.

        Raises:
            Diverged: Something in it is not a number.
        """
        tensors: State = {}
        for number in range(self._count.stage + 1):
            state = self._stages[number][0].state()
            tensors |= {f"{number}.{name}": value for name, value in state.items()}
        broken = checkpoint.first_not_finite(tensors)
        if broken is not None:
            raise Diverged(f"'{broken}' is not made of numbers.")
        name = self._stages[self._count.stage][0].name
        return tensors, self._about | {"count": asdict(self._count), "stage": name, "score": self._count.score}

    def _save(self) -> None:
        """Write the last checkpoint, and before it the best, so that the last never knows of a best that is not there.

        Raises:
            Diverged: Something in it is not a number; then the one before stays.
        """
        self._write_best()
        checkpoint.save(self.last, *self._snapshot())

    def _write_best(self) -> None:
        """Write the best state since the last checkpoint, if there was one; until then it waits in memory."""
        if self._pending is not None:
            checkpoint.save(self.best, *self._pending)
        self._pending = None

    def _outcome(self, how: Literal["finished", "stopped", "diverged"], words: str) -> Outcome:
        best = self._count.best
        return Outcome(how, words, self._count.seconds, self._count.steps, math.nan if best is None else best)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let an interrupt or a request to end stop after the present call, with a checkpoint; a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.getsignal(kind) for kind in kinds}

        def stop(kind: int, frame: FrameType | None) -> None:
            self._stop = True
            signal.signal(signal.SIGINT, before[signal.SIGINT])

        for kind in kinds:
            signal.signal(kind, stop)
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def _used_up(budget: Budget, count: _Count) -> bool:
    judged = count.score if count.stage_rows >= _FEW else None
    reached = budget.target is not None and judged is not None and judged >= budget.target
    late = budget.minutes is not None and count.stage_seconds >= 60 * budget.minutes
    return reached or late or (budget.steps is not None and count.stage_steps >= budget.steps)


def _left(budget: Budget, count: _Count) -> tuple[float | None, float]:
    """Seconds until the budget is used up, if that can be told, and the share that is."""
    shares = []
    if budget.minutes is not None:
        shares.append(count.stage_seconds / (60 * budget.minutes))
    if budget.steps is not None:
        shares.append(count.stage_steps / budget.steps)
    if not shares:
        return None, 0.0
    share = min(max(shares), 1.0)
    return (count.stage_seconds * (1 / share - 1) if share > 0 else None), share


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others from training in this folder. The kernel lets go of the lock when the process ends, in any way."""
    with (folder / LOCK).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise ValueError(
                f"{folder}: process {owner} is training here already; wait for it, or choose another folder with --out."
            ) from error
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield
