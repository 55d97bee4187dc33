"""`myotrack view RUN --live`: the policy of a run moves a body now, on a page where it can be pushed."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip
from myotrack.clips.library import ClipLibrary
from myotrack.track.drive import Drive
from myotrack.track.start import fitting
from myotrack.view.episode import Episode
from myotrack.view.rehearsal import Rehearsal
from myotrack.workflow.learning import clips_in, one_thread, simulator_of
from myotrack.workflow.policies import StoredPolicy, open_policy
from myotrack.workflow.steer import progress
from myotrack.workflow.validate import kept_clips
from myotrack.workflow.view import show

if TYPE_CHECKING:
    from myotrack.workflow.cli import ViewCommand

FITTED = 16
"""Frames of a clip whose muscles are looked for at once."""


class Performer:
    """A policy in one world, with the clips that it can be asked to follow."""

    def __init__(self, stored: StoredPolicy, clips: dict[str, Clip]) -> None:
        """Prepare.

        Args:
            stored: The policy.
            clips: By their names.

        Raises:
            CheckpointError: It belongs to another body.
        """
        self._stored, self.clips = stored, clips
        self._anatomy = Anatomy.load(stored.experiment.body, stored.experiment.fingers)
        self._act = stored.network(self._anatomy).mean
        self._simulator = simulator_of(self._anatomy, 1, "cpu")
        self._task = replace(stored.experiment.task)

    def episode(self, name: str) -> Episode:
        """The policy at the first frame of a clip. Muscles start as they do when it is judged."""
        library = ClipLibrary.of([self.clips[name]], self._anatomy, self._simulator.device)
        found = fitting(simulator_of(self._anatomy, FITTED, "cpu"), library, self._task.cutoff)
        drive = Drive(self._task, self._simulator, library, self._act, self._stored.experiment.seed, found)
        return Episode(self._simulator, library, drive, found.activation[:1])


def performer(name: str, clips: Path | None) -> Performer:
    """The policy of a run, or one that comes with myotrack.

    Args:
        name: Folder of a run, a policy's file, or the name of one that comes with myotrack.
        clips: What it may follow; what it has learnt and what was kept from it, if not given.

    Raises:
        ValueError: There is no policy, or the clips cannot be used.
    """
    stored = open_policy(Path(name))
    anatomy = Anatomy.load(stored.experiment.body, stored.experiment.fingers)
    with progress() as tell:
        found = (
            clips_in(clips, anatomy)
            if clips is not None
            else [clip for group in kept_clips(stored, anatomy, tell).values() for clip in group]
        )
    return Performer(stored, {clip.name: clip for clip in found})


def perform(command: "ViewCommand") -> int:
    """Show the policy at work until interrupted."""
    if len(command.motions) != 1:
        raise ValueError("One policy at a time moves a body with --live; name one run.")
    (name,) = command.motions
    one_thread()
    found = performer(name, command.clips)
    page = Rehearsal(tuple(found.clips), found.episode, name, command.host, command.port)
    return show(page, f"{name}, live", command.browser)
