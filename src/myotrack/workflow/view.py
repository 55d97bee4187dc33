"""`myotrack view`: motions in a local web page, or in a video."""

import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from myotrack.anatomy.model import Anatomy
from myotrack.clips import store
from myotrack.clips.archive import format_of
from myotrack.clips.builtin import BUILTINS, builtin
from myotrack.validate import trials
from myotrack.view.live import MOST, Viewer
from myotrack.view.scene import Actor
from myotrack.view.video import VideoSettings, write_video
from myotrack.workflow.output import errors
from myotrack.workflow.run import EXPERIMENT, open_run
from myotrack.workflow.steer import progress

if TYPE_CHECKING:
    from myotrack.view.rehearsal import Rehearsal
    from myotrack.workflow.cli import ViewCommand


def view(command: "ViewCommand") -> int:
    """Show motions until interrupted, or write a video of one, or let a policy move a body."""
    if command.live:
        from myotrack.workflow.perform import perform

        if command.video is not None:
            raise ValueError("A video shows what was recorded; make it without --live, after `myotrack validate`.")
        return perform(command)
    if command.clips is not None:
        raise ValueError("--clips says what a policy follows with --live; to look at a clip, name its file.")
    if command.beside and command.video is None:
        raise ValueError("--beside is for videos; add --video FILE.mp4, or name two motions to see them side by side.")
    actors = [actor for name in command.motions for actor in actors_of(name, command.trial)]
    if len(actors) > MOST:
        raise ValueError(f"{len(actors)} motions are too many to look at together; name {MOST} at most.")
    if command.video is not None:
        return _film(command, actors)
    viewer = Viewer(actors, command.host, command.port)
    return show(viewer, ", ".join(actor.name for actor in actors), command.browser)


def show(page: "Viewer | Rehearsal", what: str, browser: bool) -> int:
    """Play a page until interrupted."""
    try:
        print(f"{what}: {page.address}\nCtrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(page.address)
        page.play()
        page.serve()
    except KeyboardInterrupt:
        pass
    finally:
        page.close()
    return 0


def _film(command: "ViewCommand", actors: list[Actor]) -> int:
    """Write the video, and say what it took."""
    assert command.video is not None
    if len(actors) != 1:
        raise ValueError(f"A video shows one motion; got {', '.join(actor.name for actor in actors) or 'none'}.")
    settings = VideoSettings(command.height, command.rate, command.beside, command.patches)
    begin, images = time.perf_counter(), 0
    with progress() as tell:

        def drawn(done: int, total: int) -> None:
            nonlocal images
            images = total
            tell("drawing", done, total)

        path = write_video(command.video, actors[0], settings, drawn)
    took = time.perf_counter() - begin
    print(
        f"{path}: {images} images of {settings.width} x {settings.height}, {images / settings.rate:.2f} s, "
        f"{path.stat().st_size / 1e6:.1f} MB; {took:.0f} s at work, {images / took:.1f} images per second."
    )
    return 0


def actors_of(name: str, trial: str | None = None) -> list[Actor]:
    """The motion of a run, a trial, a clip, or a built-in one.

    Args:
        name: Path, or name of a built-in motion.
        trial: Which of a run's; its first if not given.

    Raises:
        ValueError: There is none; the message says what there is.
    """
    path = Path(name)
    if not path.exists():
        for body, names in BUILTINS.items():
            if name in names:
                anatomy = Anatomy.load(body)
                return [Actor.of_clip(builtin(name, anatomy), anatomy)]
        known = ", ".join(dict.fromkeys(known for names in BUILTINS.values() for known in names))
        raise ValueError(f"{name}: there is no such run, trial or clip; built-in motions are {known}.")
    if path.is_dir():
        if not (path / EXPERIMENT).exists():
            raise ValueError(f"{path}: there is no run in this folder; name a run, or a clip in it.")
        return [_of_run(path, trial)]
    kind = format_of(path)
    if kind == trials.KIND.format:
        found = trials.load(path)
        return [Actor.of_trial(found, found.anatomy())]
    if kind == store.KIND.format:
        clip = store.load(path)
        return [Actor.of_clip(clip, clip.anatomy())]
    raise ValueError(f"{path}: this is neither a trial nor a clip; make clips of recordings with `myotrack retarget`.")


def _of_run(folder: Path, wanted: str | None) -> Actor:
    found = open_run(folder).trials
    if not found:
        raise ValueError(f"{folder}: this run has no trials yet; make them with `myotrack validate {folder}`.")
    names = [trial.name for trial, _ in found]
    if wanted is not None and wanted not in names:
        raise ValueError(f"{folder}: there is no trial called '{wanted}'; there are {', '.join(names)}.")
    if wanted is None and len(found) > 1:
        others = f"{folder}: the first of {len(found)} trials; choose with --trial: {', '.join(names[:12])}"
        errors().print(others, markup=False, highlight=False, soft_wrap=True)
    trial, anatomy = found[names.index(wanted) if wanted is not None else 0]
    return Actor.of_trial(trial, anatomy)
