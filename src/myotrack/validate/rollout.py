"""From a policy to trials: every clip of a library once, from its first frame to its last, as many at a time as fit.

    simulator --body--> driver --excitation--> simulator ...  one trial per clip, frame by frame

A trial ends early only at the loosest rule, so that every stricter one can be judged from it afterwards.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import RATE, Provenance
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.simulator import Simulator
from myotrack.simulate.state import Activation, BodyState, Excitation
from myotrack.steer.follow import Step
from myotrack.track.terminate import PUBLISHED, Rule, distances
from myotrack.validate.record import LEFT, Listed, record
from myotrack.validate.trials import BACKEND, Trial

Begin = Callable[[Int[Tensor, "world"], Int[Tensor, "world"]], Activation]
"""From clip and frame to the activations that a world starts with."""


@runtime_checkable
class Driver(Protocol):
    """Decides what the muscles of all worlds are told: a policy with its observations, a controller, nothing."""

    def reset(self, body: BodyState, clip: Int[Tensor, "world"], frame: Int[Tensor, "world"]) -> None:
        """All worlds begin. What was remembered of others is forgotten.

        Args:
            body: The first instant.
            clip: Index in the library of each world's clip.
            frame: Where in its clip each world is.
        """
        ...

    def __call__(self, body: BodyState, clip: Int[Tensor, "world"], frame: Int[Tensor, "world"]) -> Excitation:
        """What to send during the next interval.

        Worlds that have come to an end go on being asked for, in the last frame of their clips, and count no more.
        """
        ...


def detail(anatomy: Anatomy) -> str:
    """How what simulated a trial ends (`trials.BACKEND`): the level of the body, unless it is the original."""
    return "" if anatomy.level == "original" else f", {anatomy.title}"


def roll_out(
    simulator: Simulator,
    library: ClipLibrary,
    driver: Driver,
    clips: Sequence[int] | None = None,
    start_activation: Begin | None = None,
    tell: Callable[[int, int], None] | None = None,
    settings: Mapping[str, str] | None = None,
    origins: Mapping[str, Provenance] | None = None,
    until: Rule = PUBLISHED,
) -> list[Trial]:
    """Let a driver follow clips.

    Args:
        simulator: Its worlds are reset.
        library: The clips, of the simulator's body.
        driver: What is judged.
        clips: Which of them, by their index; all if not given.
        start_activation: With which muscles start; at rest (0) if not given.
        tell: Called with control steps done and, at most, to do.
        settings: The choices behind it, for people to read; `trials.grouped` among them.
        origins: Where the clips come from, by their names.
        until: The rule that ends a trial.

    Returns:
        A trial per clip, in the order of `clips`. Its batch does not matter, unless the driver draws at random.

    Raises:
        ValueError: The clips belong to another body or rate, or one is asked for that is not there.
    """
    chosen = list(range(len(library.names)) if clips is None else clips)
    _check(simulator, library, chosen)
    anatomy, worlds = simulator.anatomy, simulator.worlds
    backend = f"{type(simulator).__name__} on {simulator.device}{detail(anatomy)}"
    told = {**(settings or {}), BACKEND: backend, "ends at": str(until)}
    sizes = None if anatomy.sizes.own else anatomy.sizes
    # Clips of about the same length share a batch, so that few worlds wait.
    order = sorted(chosen, key=lambda clip: (-library.frames[clip], clip))
    batches = [order[first : first + worlds] for first in range(0, len(order), worlds)]
    total = sum(library.frames[batch[0]] for batch in batches)
    made: dict[int, Trial] = {}
    for number, batch in enumerate(batches):
        before = sum(library.frames[done[0]] for done in batches[:number])
        motions = [
            Listed(library.names[clip], library.frames[clip], (origins or {}).get(library.names[clip], _UNKNOWN), sizes)
            for clip in batch
        ]
        steps = _driven(simulator, library, driver, batch, start_activation, until)
        if tell is not None:
            steps = _told(steps, tell, before, total)
        reason = partial(_reason, anatomy=anatomy, until=until)
        trials = record(steps, motions, anatomy, told, kind="policy", reason=reason)
        made |= zip(batch, trials, strict=True)
    if tell is not None:
        tell(total, total)
    return [made[clip] for clip in chosen]


_UNKNOWN = Provenance("")


def _driven(
    simulator: Simulator,
    library: ClipLibrary,
    driver: Driver,
    batch: Sequence[int],
    start_activation: Begin | None,
    until: Rule,
) -> Iterator[Step]:
    """One batch, until all of its clips are over. A world without a clip of its own follows the last one."""
    anatomy, worlds, device = simulator.anatomy, simulator.worlds, simulator.device
    clip = torch.tensor([*batch, *[batch[-1]] * (worlds - len(batch))], device=device)
    spare = torch.arange(worlds, device=device) >= len(batch)
    length, frame = library.length[clip], torch.zeros_like(clip)
    first = library.at(clip, frame)
    pos, vel = first.coordinate_pos[:, 0], first.coordinate_vel[:, 0]
    activation = pos.new_zeros(worlds, anatomy.model.nu) if start_activation is None else start_activation(clip, frame)
    simulator.reset(torch.ones_like(spare), pos, vel, activation)
    driver.reset(simulator.body, clip, frame)
    nothing, support = pos.new_zeros(worlds, anatomy.couplings.coordinate_size), pos.new_zeros(worlds, 6)
    alive = ~spare
    for now in range(int(length.max())):
        frame = torch.minimum(torch.full_like(length, now), length - 1)
        body, reference = simulator.body, library.at(clip, frame)
        excitation = driver(body, clip, frame)
        lost = until.violated(*distances(body.landmark_pos_w - reference.landmark_pos_w[:, 0], anatomy))
        alive = alive & (now < length) & body.intact & ~lost & torch.isfinite(excitation).all(dim=1)
        yield Step(body, reference, excitation, excitation, nothing, nothing, nothing, support, alive)
        if not alive.any():
            return
        simulator.advance(excitation)


def _told(steps: Iterator[Step], tell: Callable[[int, int], None], before: int, total: int) -> Iterator[Step]:
    for done, step in enumerate(steps):
        tell(before + done, total)
        yield step


def _reason(step: Step, world: int, anatomy: Anatomy, until: Rule) -> str:
    """Why a world was given up before its clip was over."""
    if not bool(step.body.intact[world]):
        return LEFT
    if not bool(torch.isfinite(step.excitation[world]).all()):
        return "the policy left the numbers"
    apart = step.body.landmark_pos_w[world] - step.reference.landmark_pos_w[world, 0]
    landmark, root = distances(apart[None], anatomy)
    pelvis = f" and the pelvis {float(root[0]):.2f} m" if anatomy.free else ""
    return f"the landmarks were {float(landmark[0]):.2f} m{pelvis} off ({until})"


def _check(simulator: Simulator, library: ClipLibrary, chosen: Sequence[int]) -> None:
    if library.body_hash != simulator.anatomy.hash:
        raise ValueError("The clips belong to another body than the simulator's; retarget them for this one.")
    if abs(simulator.physics.interval * RATE - 1) > 1e-9:
        raise ValueError(
            f"Clips have {RATE:g} frames per second, and the control interval is {simulator.physics.interval:g} s; "
            f"choose a timestep and substeps that make {1 / RATE:g} s."
        )
    count = len(library.names)
    if not chosen or len(set(chosen)) < len(chosen) or not all(0 <= clip < count for clip in chosen):
        raise ValueError(f"A roll-out needs different clips of the library's {count}; got {list(chosen)[:20]}.")
