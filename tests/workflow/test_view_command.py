"""`myotrack view`: which motions are shown, and what is refused. The page itself is tested in `view`."""

from dataclasses import replace
from pathlib import Path

import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.clips import store
from myotrack.clips.builtin import builtin
from myotrack.validate import trials
from myotrack.workflow.cli import main
from myotrack.workflow.run import fill, new_run
from myotrack.workflow.view import actors_of
from tests.validate.walks import walking


def test_runs_trials_clips_and_names_are_shown(
    full: Anatomy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial, clip = walking(full)
    store.save(clip, tmp_path / "clip.npz", full)
    trials.save(trial, tmp_path / "trial.npz", full)
    with new_run(tmp_path / "run") as stage:
        fill(stage, [(trial, full)], {})
    for name, ghost in (("clip.npz", False), ("trial.npz", True), ("run", True)):
        (actor,) = actors_of(str(tmp_path / name))
        assert actor.name == "walk" and actor.frames == clip.frames
        assert (actor.ghost is not None) == ghost
    assert actors_of("reach")[0].anatomy.name in ("full", "arms")
    assert actors_of(str(tmp_path / "run"), "walk")[0].name == "walk"
    with pytest.raises(ValueError, match="no trial called 'run'; there are walk"):
        actors_of(str(tmp_path / "run"), "run")
    assert capsys.readouterr().err == ""


def test_a_video_is_written_and_told_of(full: Anatomy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = builtin("walk", full)
    rows = {field: getattr(clip, field)[:11] for field in ("pos", "vel", "acc", "contact")}
    short = replace(clip, name="a short one", **rows)
    store.save(short, tmp_path / "clip.npz", full)
    with pytest.raises(SystemExit) as left:
        main(
            ["view", str(tmp_path / "clip.npz"), "--video", str(tmp_path / "a.mp4"), "--height", "240", "--rate", "60"]
        )
    assert left.value.code == 0 and (tmp_path / "a.mp4").stat().st_size > 1000
    assert "a.mp4: 7 images of 426 x 240, 0.12 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nowhere",), "there is no such run, trial or clip; built-in motions are walk"),
        (("{tmp}",), "there is no run in this folder"),
        (("{tmp}/strange.npz",), "this is neither a trial nor a clip"),
        (("walk", "walk", "walk", "walk", "walk"), "5 motions are too many to look at together; name 4 at most"),
        (("walk", "--video", "{tmp}/walk.avi"), "walk.avi: videos are written as .mp4; name a file such as walk.mp4"),
        (("walk", "walk", "--video", "{tmp}/walk.mp4"), "A video shows one motion; got walk, walk"),
        (("walk", "--video", "{tmp}/walk.mp4", "--height", "9"), "even number of lines from 240 to 2160; got 9"),
        (("walk", "--video", "{tmp}/walk.mp4", "--beside"), "a clip has no reference to put beside it"),
        (("walk", "--beside"), "--beside is for videos; add --video FILE.mp4"),
        (("walk", "--clips", "{tmp}"), "--clips says what a policy follows with --live"),
        (("walk", "--live", "--video", "{tmp}/walk.mp4"), "make it without --live"),
        (("walk", "walk", "--live"), "One policy at a time"),
        (("{tmp}", "--live"), "policy.safetensors"),
    ],
)
def test_what_cannot_be_shown_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "strange.npz").write_bytes(b"nothing")
    with pytest.raises(SystemExit) as left:
        main(["view", *(word.format(tmp=tmp_path) for word in words)])
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("myotrack: ") and sentence in said and "\n" not in said
