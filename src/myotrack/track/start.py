"""Where episodes begin: at any frame of any clip, more often where the policy fails, muscles fitting the motion."""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from myotrack.algebra.lowpass import lowpass
from myotrack.clips.clip import RATE
from myotrack.clips.library import ClipLibrary, Reference
from myotrack.simulate.simulator import Simulator
from myotrack.steer.grounded import Grounded
from myotrack.track.action import Intent
from myotrack.track.curriculum import Course, Curriculum
from myotrack.track.moment import Fitting, Moment

EVERY = 5
"""Frames between those whose activations are worked out; between them they are interpolated. Tuned: 50 ms, in which an
activation that moves the built-in motions changes by little."""

FEWEST = 20
"""Frames of a clip that are too few to be low-passed."""


@dataclass(frozen=True)
class StartSettings:
    """How starts are drawn."""

    bin: float = 0.5
    """Length of the stretches of a clip that are told apart [s]."""
    even: float = 0.5
    """Share of the starts that are drawn evenly over all frames; the others go where the policy fails."""
    memory: float = 0.9
    """What is kept of the failure rate of a stretch when an episode has passed it; the newest counts for the rest."""
    shortest: float = 0.2
    """An episode has at least so much of its clip before it [s]."""
    beginning: float = 0.0
    """Share of the episodes that begin at the first frame of a clip."""
    curriculum: Curriculum = field(default_factory=Curriculum)
    """How learning goes from easy clips to hard ones."""

    def __post_init__(self) -> None:
        if not (self.bin > 0 and 0 < self.even <= 1 and 0 <= self.memory < 1 and 0 <= self.beginning <= 1):
            raise ValueError(
                "Starts need stretches of positive length, an even share in (0, 1], a memory in [0, 1) and a share of "
                f"beginnings in [0, 1]; got {self}."
            )


class Starts:
    """Draws clip and frame of new episodes, and learns where episodes fail."""

    def __init__(
        self, library: ClipLibrary, settings: StartSettings, weight: Float[Tensor, "clip"] | None = None
    ) -> None:
        """Begin without knowing anything.

        Args:
            library: The clips.
            settings: How starts are drawn.
            weight: How often a frame of each clip is drawn where nothing is known of failures; all alike if not given.
        """
        self._settings = settings
        self._length = library.length
        device = library.device
        self._width = max(1, round(settings.bin * RATE))
        # The last frames of a clip are no place to begin.
        usable = (library.length - round(settings.shortest * RATE)).clamp(min=1)
        bins = (library.length - 1) // self._width + 1
        self._first_bin = bins.cumsum(0) - bins
        self._clip = torch.repeat_interleave(torch.arange(len(bins), device=device), bins)
        self._begin = (torch.arange(len(self._clip), device=device) - self._first_bin[self._clip]) * self._width
        self._frames = torch.minimum(usable[self._clip] - self._begin, torch.as_tensor(self._width)).clamp(min=0)
        self._even = self._frames * (1.0 if weight is None else weight.to(device)[self._clip])
        self.failure = torch.zeros(len(self._clip), device=device)
        """Recent share of the episodes in each stretch that failed there."""
        self.course = Course(settings.curriculum, self._clip, len(bins))
        """Where learning is between easy and hard clips."""

    def weights(self) -> Float[Tensor, "bin"]:
        """Probability that an episode begins in each stretch; 0 in clips whose turn has not come."""
        playing = self.course.playing[self._clip]
        even = self._even * playing
        even = even / even.sum()
        troubled = self.failure * (self._frames > 0) * playing
        total = troubled.sum()
        mixed = self._settings.even * even + (1 - self._settings.even) * troubled / total
        return torch.where(total > 0, mixed, even)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Int[Tensor, "count"], Int[Tensor, "count"]]:
        """Clip and frame of new episodes, drawn on the device of the generator."""
        device = generator.device
        place = torch.multinomial(self.weights().to(device), count, replacement=True, generator=generator)
        share, first = (torch.rand(count, generator=generator, device=device) for _ in range(2))
        place, share, first = (drawn.to(self.failure.device) for drawn in (place, share, first))
        frame = self._begin[place] + (share * self._frames[place]).long()
        return self._clip[place], torch.where(first < self._settings.beginning, 0, frame)

    def learn(
        self, clip: Int[Tensor, "some"], frame: Int[Tensor, "some"], failed: Tensor, counted: Tensor | None = None
    ) -> None:
        """Note which episodes have failed in this frame, and which have come through a stretch by it.

        A failure counts for the stretch before as well, since that is where it began.

        Args:
            clip: Of every world, or of some.
            frame: Of its clip that it has come to.
            failed: Whether its episode failed there.
            counted: Whether it is listened to; all are if not given.
        """
        counted = torch.ones_like(failed) if counted is None else counted
        over = (frame % self._width == self._width - 1) | (frame >= self._length[clip] - 1)
        place = self._first_bin[clip] + torch.minimum(frame, self._length[clip] - 1) // self._width
        before = torch.maximum(place - 1, self._first_bin[clip])
        # Several worlds may tell of one stretch: their mean counts, as one episode.
        told = torch.zeros(2, len(self.failure), device=self.failure.device)
        failed = failed & counted
        for bins, which in ((place, failed | over & counted), (before, failed)):
            told[0].index_add_(0, bins, which.float())
            told[1].index_add_(0, bins, (failed & which).float())
        heard = told[0] > 0
        rate = told[1] / told[0].clamp(min=1)
        kept = self._settings.memory * self.failure + (1 - self._settings.memory) * rate
        self.failure = torch.where(heard, kept, self.failure)
        self.course.listen(heard, self.failure, self._frames > 0)

    def state(self) -> dict[str, Tensor]:
        """Everything that decides what is drawn next, the generator excepted."""
        return {"failure": self.failure.cpu().clone()} | {f"course.{k}": v for k, v in self.course.state().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.failure = state["failure"].to(self.failure.device)
        self.course.load({name[7:]: value for name, value in state.items() if name.startswith("course.")})


def fitting(simulator: Simulator, library: ClipLibrary, cutoff: float | None = None) -> Fitting:
    """Muscles and moments of each frame of a library, row by row; the simulator's worlds are reset.

    A held body is asked by muscle control, one on its own feet with the floor that it stands on (`steer.grounded`).

    Args:
        simulator: Of their body.
        library: The clips.
        cutoff: Of a low-pass without delay of the accelerations [Hz]; as they are if not given, and in clips of 0.2 s.
    """
    ask = Grounded(simulator).fit if simulator.anatomy.free else _Held(simulator).fit
    worlds, device = simulator.worlds, library.device
    activation = torch.zeros(len(library.table), simulator.anatomy.model.nu, device=device)
    moment = torch.zeros(len(library.table), simulator.anatomy.couplings.coordinate_size, device=device)
    for index, (first, frames) in enumerate(zip(library.start.tolist(), library.frames, strict=True)):
        wanted = [*range(0, frames - 1, EVERY), frames - 1]
        whole = torch.arange(frames, device=device)
        acceleration = library.at(torch.full_like(whole, index), whole, (0, 1)).coordinate_acc
        if cutoff is not None and frames > FEWEST:
            smooth = lowpass(acceleration.double().cpu().numpy(), RATE, cutoff)
            acceleration = torch.as_tensor(smooth.copy()).to(acceleration)
        found = []
        for begin in range(0, len(wanted), worlds):
            rows = wanted[begin : begin + worlds]
            frame = torch.tensor(rows + [rows[-1]] * (worlds - len(rows)), device=device)
            reference = library.at(torch.full_like(frame, index), frame, (0, 1))
            fit = ask(replace(reference, coordinate_acc=acceleration[frame]))
            found.append(torch.cat([fit.activation, fit.moment], dim=1)[: len(rows)].float())
        knots = torch.cat(found)
        at = torch.tensor(wanted, dtype=torch.float32, device=device)
        after = torch.searchsorted(at, torch.arange(frames, dtype=torch.float32, device=device)).clamp(min=1)
        share = (torch.arange(frames, device=device) - at[after - 1]) / (at[after] - at[after - 1])
        between = torch.lerp(knots[after - 1], knots[after], share[:, None])
        here = slice(first, first + frames)
        activation[here], moment[here] = between.split([activation.shape[1], moment.shape[1]], dim=1)
    return Fitting(activation, moment)


class _Held:
    """Muscle control of a body that is held."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator, self._intent = simulator, Intent(simulator)

    def fit(self, reference: Reference) -> Fitting:
        """Muscles of the first frame of a reference, one per world."""
        simulator = self._simulator
        rest = torch.zeros(simulator.worlds, simulator.anatomy.model.nu, device=simulator.device)
        everywhere = torch.ones(simulator.worlds, dtype=torch.bool, device=simulator.device)
        simulator.reset(everywhere, reference.coordinate_pos[:, 0], reference.coordinate_vel[:, 0], rest)
        body = simulator.body
        plan = self._intent.plan(Moment(body, reference, body.muscle_excitation, torch.zeros_like(body.time)))
        return Fitting(plan.activation, plan.moment)
