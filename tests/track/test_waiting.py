"""No step of a rollout asks the worlds for numbers, so that on a GPU the host is never made to wait."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.library import ClipLibrary
from myotrack.simulate.threads import Threads
from myotrack.track import env as tracking
from myotrack.track.action import Synergy
from myotrack.track.curriculum import Curriculum
from myotrack.track.disturb import Disturbance
from myotrack.track.env import TrackingEnv
from myotrack.track.start import StartSettings, fitting
from myotrack.track.task import Task
from myotrack.train import rollout
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import Critic, Policy, PolicySettings
from myotrack.train.rollout import Rollout, collect

ASKING = {"_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal", "_unique2"}
"""What a GPU would have to finish its work for."""


class Listening(TorchDispatchMode):
    """Notes every question, those of simulators excepted, which have rules of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.deaf = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put_", "index_put") and any(
            each is not None and each.dtype == torch.bool for each in args[1]
        )
        if not self.deaf and (name in ASKING or masks):
            self.asked.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """Everybody believes that asking has its price, as on a GPU; the worlds themselves are on a CPU."""
    mode = Listening()
    monkeypatch.setattr(tracking, "perhaps", lambda mask: True)
    monkeypatch.setattr(rollout, "answers_at_once", lambda tensor: False)
    for name in ("advance", "reset", "push", "assist"):
        whole = getattr(Threads, name)

        def deaf(self: Threads, *args: Any, whole: Any = whole) -> None:
            mode.deaf += 1
            whole(self, *args)
            mode.deaf -= 1

        monkeypatch.setattr(Threads, name, deaf)
    read = Threads.body.fget  # type: ignore[attr-defined]

    def quietly(self: Threads) -> Any:
        mode.deaf += 1
        body = read(self)
        mode.deaf -= 1
        return body

    monkeypatch.setattr(Threads, "body", property(quietly))
    yield mode


@pytest.mark.parametrize(("hold", "delay"), [(3, 0), (1, 2)])
def test_nobody_asks_during_a_rollout(full: Anatomy, listening: Listening, hold: int, delay: int) -> None:
    clips = [builtin(name, full).part(0.5, 1.0) for name in ("walk", "walk_slow")]
    body = full.at("fast")
    library = ClipLibrary.of(clips, body)
    simulator = Threads(body, 4, threads=1)
    start = StartSettings(curriculum=Curriculum(first=0.5, patience=1, notches=1))
    disturbed = Disturbance(noise=0.1, push=50.0, delay=delay)
    task = replace(Task(), action=Synergy(inhibition=1.0), hold=hold, start=start, disturbance=disturbed)
    env = TrackingEnv(task, simulator, library, fitting(simulator, library), seed=0)
    settings = PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.3)
    policy = Policy(env.observation_size, env.action_size, settings, env.symmetry)
    critic = Critic(env.observation_size, settings.network)
    memory = Rollout.allocate(env, 60 // hold)
    with listening:
        collect(env, policy, critic, memory, torch.Generator().manual_seed(0))
    assert (memory.failed | memory.cut).any()
    # When all is done: whether all numbers are finite, and what the worlds have scored.
    scores = len(env.step(torch.zeros(4, env.action_size)).scores)
    assert listening.asked == ["_local_scalar_dense"] * (1 + scores)
