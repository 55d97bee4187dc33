"""`myotrack validate A --against B`: whatever can be compared is, beside the first of both; what cannot says why."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.clips import store
from myotrack.clips.builtin import builtin
from myotrack.validate import trials as trial_files
from myotrack.validate.trials import Trial
from myotrack.workflow.policies import POLICY, shipped
from myotrack.workflow.run import EXPERIMENT, fill
from tests.validate.policies import policy, shifted
from tests.validate.rollouts import busy, perfect
from tests.workflow.moves import run


def made(folder: Path, anatomy: Anatomy, *trials: Trial) -> Path:
    """A run of these trials."""
    folder.mkdir(parents=True)
    fill(folder, [(trial, anatomy) for trial in trials], {})
    return folder


@pytest.fixture
def runs(tmp_path: Path, arms: Anatomy) -> tuple[Path, Path]:
    """Two runs with two motions in common, of which the first is 10 mm off in one and 30 mm in the other."""
    first = [shifted(policy(arms, name=name), off) for name, off in (("reach", 0.01), ("wave", 0.03))]
    return (
        made(tmp_path / "one", arms, *first, policy(arms, name="drink")),
        made(tmp_path / "other", arms, policy(arms, name="reach"), policy(arms, name="wave")),
    )


def test_two_runs_make_one_json_object_and_a_page_beside_the_first(capsys, runs: tuple[Path, Path]) -> None:
    one, other = runs
    status, out, _ = run(capsys, "validate", one, "--against", other, "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["motions"], found["only_a"], found["only_b"]) == (["reach", "wave"], ["drink"], [])
    row = next(row for row in found["measures"] if row["name"] == "landmark_error_mean")
    assert (row["unit"], row["better"], row["better_is"]) == ("mm", "lower", "b")
    assert row["a"] == pytest.approx(20.0, abs=1e-3) and row["b"] == 0.0
    assert row["a_less_b"]["mean"] == pytest.approx(20.0, abs=1e-3)
    assert row["a_less_b"]["low"] == pytest.approx(10.0, abs=1e-2)
    page = Path(found["report"])
    assert page == one / "against_other.html"
    text = page.read_text()
    assert 'src="http' not in text and 'href="http' not in text
    assert "landmark error, mean" in text and "drink" in text
    assert 'class="line k-first"' in text and 'class="dash k-second"' in text


def test_the_table_tells_unit_direction_values_interval_and_protocol(capsys, runs: tuple[Path, Path]) -> None:
    one, other = runs
    status, out, _ = run(capsys, "validate", one, "--against", other)
    assert status == 0
    line = next(line for line in out.splitlines() if "landmark error, mean" in line).split()
    assert line[3:8] == ["mm", "lower", "20.0", "0.0", "20.00"]
    assert "B" in line[8:]
    assert "Protocol of A: published rule: landmarks 0.30 m" in out
    assert f"Only {one} has 'drink'." in out


def test_clips_trials_and_built_in_motions_are_compared(capsys, arms: Anatomy, tmp_path: Path) -> None:
    clip = builtin("reach", arms)
    store.save(clip, tmp_path / "reach.npz")
    status, out, _ = run(capsys, "validate", tmp_path / "reach.npz", "--against", "reach", "--json")
    found = json.loads(out)
    assert status == 0 and Path(found["report"]) == tmp_path / "reach-against_reach.html"
    assert all(curve["rmse"]["mean"] == pytest.approx(0.0, abs=1e-6) for curve in found["curves"])
    followed = replace(busy(arms, 21, "reach"), reference_pos=clip.pos[:21].double())
    trial_files.save(followed, tmp_path / "trial.npz")
    page = tmp_path / "new" / "page.html"
    status, out, _ = run(capsys, "validate", "reach", "--against", tmp_path / "trial.npz", "--out", page, "--json")
    assert status == 0 and page.exists()
    assert any("a clip is a motion alone" in note for note in json.loads(out)["notes"])


def test_policies_that_come_with_myotrack_are_compared_by_their_scorecards(capsys, tmp_path: Path) -> None:
    pair = ("walk-02_01", "--against", "walk-02_01-muscles", "--out", tmp_path / "page.html", "--json")
    status, out, _ = run(capsys, "validate", *pair)
    found = json.loads(out)
    assert status == 0 and found["motions"] == ["02_01"] and not found["curves"]
    assert sum("there is its scorecard only" in note for note in found["notes"]) == 2


def test_a_policy_performs_the_clip_that_it_is_set_against(capsys, full: Anatomy, tmp_path: Path) -> None:
    store.save(builtin("walk", full).part(0.0, 0.25), tmp_path / "walk.npz")
    out = ("--out", tmp_path / "page.html", "--json")
    status, told, _ = run(capsys, "validate", "walk-02_01-muscles", "--against", tmp_path / "walk.npz", *out)
    found = json.loads(told)
    assert status == 0 and found["motions"] == ["walk"]
    assert {curve["kind"] for curve in found["curves"]} == {"place", "joint"}
    assert any("'walk' has no whole stride" in note for note in found["notes"])


def test_a_policy_without_trials_performs_what_the_other_followed(capsys, full: Anatomy, tmp_path: Path) -> None:
    clip = builtin("walk", full).part(0.0, 0.25)
    pos, vel = clip.pos.double(), clip.vel.double()
    trial = replace(perfect(full, clip.frames, "walk"), pos=pos, reference_pos=pos, vel=vel, reference_vel=vel)
    folder = made(tmp_path / "run", full, trial)
    status, told, _ = run(capsys, "validate", folder, "--against", "walk-02_01-muscles", "--json")
    found = json.loads(told)
    assert status == 0 and found["facts"]["B"] == "walk-02_01-muscles (policy)"
    error = next(row for row in found["measures"] if row["name"] == "joint_error_mean")
    assert error["a"] == 0.0 < error["b"] < 10.0 and error["better_is"] == "a"


def test_trials_of_a_run_count_where_they_are_of_the_same_clip_and_body(capsys, full: Anatomy, tmp_path: Path) -> None:
    clip = builtin("walk", full).part(0.0, 0.1)
    store.save(clip, tmp_path / "walk.npz")
    pos, vel = clip.pos.double(), clip.vel.double()
    exact = replace(policy(full, clip.frames, "walk"), pos=pos, reference_pos=pos, vel=vel, reference_vel=vel)
    folder = made(tmp_path / "run", full, exact)
    about = json.loads((folder / EXPERIMENT).read_text())
    learnt = shipped(Path("walk-02_01-muscles"))
    assert learnt is not None
    shutil.copy(learnt / POLICY, folder / POLICY)
    (folder / EXPERIMENT).write_text(json.dumps(json.loads((learnt / EXPERIMENT).read_text()) | about))
    for level, performs in (("original", False), ("fast", True)):
        words = ("--against", tmp_path / "walk.npz", "--level", level, "--out", tmp_path / "page.html", "--json")
        status, told, err = run(capsys, "validate", folder, *words)
        assert status == 0, err
        place = next(curve for curve in json.loads(told)["curves"] if curve["name"] == "knee_angle_r")
        assert (place["rmse"]["mean"] > 1e-6) == performs


def test_what_cannot_be_compared_gets_one_sentence(
    capsys, arms: Anatomy, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    one, _ = runs
    (tmp_path / "walk.c3d").write_bytes(b"no clip")
    (tmp_path / "empty").mkdir()
    lonely = made(tmp_path / "lonely", arms, policy(arms, name="lift"))
    store.save(builtin("reach", arms), tmp_path / "reach.npz")
    for arguments, words in (
        (("walk-02_01", "--against", tmp_path / "reach.npz"), "walk-02_01 cannot perform what it is to be compared by"),
        ((one, "--against", tmp_path / "walk.c3d"), "walk.c3d: this is neither a trial nor a clip. If it is a recordi"),
        ((one, "--against", tmp_path / "empty"), "empty: there is neither a run nor a clip in this folder"),
        ((one, "--against", "walk-02_1"), "walk-02_1: there is no such run, clip, policy or built-in motion. Did you"),
        ((one, "--against", lonely), "no motion in common: the one has 'reach', 'wave', 'drink', the other 'lift'"),
        ((one, "--against", one, "--sampled"), "A comparison is of mean actions; leave out --sampled."),
        ((one, "--against", one, "--out", tmp_path / "page"), "a file whose name ends in '.html'"),
        ((one, "--out", tmp_path / "page.html"), "--out is the page of a comparison; add --against"),
    ):
        status, out, err = run(capsys, "validate", *arguments)
        assert (status, out) == (2, "") and words in " ".join(err.split()), err
        assert "Traceback" not in err and len(err.strip().splitlines()) == 1


def test_help_teaches_what_can_be_compared(capsys) -> None:
    status, out, _ = run(capsys, "validate", "--help")
    words = " ".join(out.replace("│", " ").split())
    assert status == 0 and "myotrack validate walk-02_01 --against walk-02_01-muscles" in words
