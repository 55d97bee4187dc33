"""05 Teach a network.  Usage: python examples/05_teach_a_network.py --steps 60000

Muscle control shows a network how to reach and to drink; then the network alone waves, which it has never seen.
`myotrack train arms` does the same with more motions, checkpoints and a report.
"""

import torch
import tyro

from myotrack import Anatomy, ClipLibrary, Policy, Task, Threads, TrackingEnv, builtin
from myotrack.clips.builtin import varied
from myotrack.track.drive import Drive
from myotrack.track.start import fitting
from myotrack.train.clone import Clone, CloneSettings
from myotrack.validate.rollout import roll_out
from myotrack.validate.tracking import landmark_errors
from myotrack.workflow.learning import MuscleTeacher


def main(steps: int = 20_000, worlds: int = 16) -> None:
    """Teach for a number of control steps, then look at a new motion."""
    torch.set_num_threads(1)
    anatomy, task = Anatomy.load("arms"), Task()
    library = ClipLibrary.of([builtin(name, anatomy) for name in varied(("reach", "drink"), range(2))], anatomy)
    simulator = Threads(anatomy, worlds)
    env = TrackingEnv(task, simulator, library, fitting(simulator, library))
    policy = Policy(env.observation_size, env.action_size)
    clone, done = Clone(env, MuscleTeacher(env), policy, CloneSettings(first_steps=60, steps=30, updates=100)), 0
    while done < steps:
        told = clone.advance()
        done += int(told["steps"])
        print(f"{done} steps, {1000 * told['landmark_error']:.1f} mm from the motions")
    new = ClipLibrary.of([builtin("wave", anatomy)], anatomy)
    one = Threads(anatomy, 1)
    [trial] = roll_out(one, new, Drive(task, one, new, policy.mean))
    print(
        f"wave: {trial.frames} of {trial.wanted_frames} frames, {1000 * landmark_errors(trial).mean():.1f} mm from it"
    )


if __name__ == "__main__":
    tyro.cli(main)
