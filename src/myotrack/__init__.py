"""myotrack: muscle-driven human bodies that move like a recording, simulated by the thousand.

    anatomy = Anatomy.load("full")                  # anatomy: the body, repaired and named once
    clip    = retarget(read("walk.c3d"), anatomy)   # capture, retarget: a recording becomes a motion of the body
    library = ClipLibrary.of([clip], anatomy)       # clips: references for every world, by clip and frame
    sim     = Threads(anatomy, worlds=64)           # simulate: many of them at once
    sim.advance(excitation)                         # 10 ms of muscle drive
    state   = sim.body                              # BodyState, fresh at this instant
    env     = TrackingEnv(Task(), sim, library)     # track: the same worlds as learning wants to see them
    policy  = Policy(env.observation_size, env.action_size)   # train: Clone or PPO teach it; validate judges it

Names are loaded when they are first used, so importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from myotrack.anatomy.changes import Repairs as Repairs
    from myotrack.anatomy.model import Anatomy as Anatomy
    from myotrack.capture.reader import read as read
    from myotrack.capture.recording import Recording as Recording
    from myotrack.clips.builtin import builtin as builtin
    from myotrack.clips.clip import Clip as Clip
    from myotrack.clips.library import ClipLibrary as ClipLibrary
    from myotrack.simulate.physics import Physics as Physics
    from myotrack.simulate.referee import Referee as Referee
    from myotrack.simulate.state import BodyState as BodyState
    from myotrack.simulate.threads import Threads as Threads
    from myotrack.simulate.warp import Warp as Warp
    from myotrack.track.env import TrackingEnv as TrackingEnv
    from myotrack.track.task import Task as Task
    from myotrack.train.policy import Policy as Policy

__version__ = "0.1.0"

_HOME = {
    "Anatomy": "myotrack.anatomy.model",
    "BodyState": "myotrack.simulate.state",
    "Clip": "myotrack.clips.clip",
    "ClipLibrary": "myotrack.clips.library",
    "Physics": "myotrack.simulate.physics",
    "Policy": "myotrack.train.policy",
    "Recording": "myotrack.capture.recording",
    "Referee": "myotrack.simulate.referee",
    "Repairs": "myotrack.anatomy.changes",
    "Task": "myotrack.track.task",
    "Threads": "myotrack.simulate.threads",
    "TrackingEnv": "myotrack.track.env",
    "Warp": "myotrack.simulate.warp",
    "builtin": "myotrack.clips.builtin",
    "read": "myotrack.capture.reader",
}
__all__ = [
    "Anatomy",
    "BodyState",
    "Clip",
    "ClipLibrary",
    "Physics",
    "Policy",
    "Recording",
    "Referee",
    "Repairs",
    "Task",
    "Threads",
    "TrackingEnv",
    "Warp",
    "builtin",
    "read",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"myotrack has no '{name}'. It offers: {', '.join(__all__)}.")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
