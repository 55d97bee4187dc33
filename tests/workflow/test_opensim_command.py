"""`myotrack export --opensim`: every trial and clip in files of its own, and bad input told in one sentence."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import read
from myotrack.clips import store
from myotrack.clips.builtin import builtin
from myotrack.validate import trials
from myotrack.workflow.cli import main
from myotrack.workflow.run import fill
from tests.validate.rollouts import busy

ARMS = ["ik.mot", "moments.sto", "activation.sto", "excitation.sto"]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["export", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def folder(arms: Anatomy, tmp_path: Path) -> Path:
    """A run with two trials of one name."""
    fill(tmp_path / "run", [(busy(arms), arms), (replace(busy(arms), name="Wave"), arms)], {})
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def room(tmp_path: Path) -> None:
    (tmp_path / "run" / "trials").mkdir(parents=True)


def test_every_trial_of_a_run_gets_files_of_its_own(capsys, folder: Path, tmp_path: Path) -> None:
    status, out, err = run(capsys, folder, "--opensim", "--out", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert status == 0 and names == {f"{stem}_{end}" for stem in ("wave", "Wave-2") for end in ARMS}
    assert f"{tmp_path / 'out' / 'wave_ik.mot'}: 41 rows, 15 columns" in out
    assert "'arms' has no feet: there is no file of ground forces" in err
    recording = read(tmp_path / "out" / "wave_ik.mot")
    assert recording.coordinates is not None and "elbow_flex_r" in recording.coordinates.names


def test_a_trial_alone_and_one_json_object(capsys, full: Anatomy, tmp_path: Path) -> None:
    trials.save(busy(full), tmp_path / "a.npz")
    status, out, _ = run(capsys, tmp_path / "a.npz", "--opensim", "--out", tmp_path / "out", "--json")
    told = json.loads(out)
    assert status == 0 and [Path(row["file"]).name for row in told["files"]] == [
        "a_ik.mot", "a_moments.sto", "a_grf.mot", "a_activation.sto", "a_excitation.sto",
    ]  # fmt: skip
    assert all(Path(row["file"]).is_file() and row["rows"] == 41 for row in told["files"])


def test_clips_of_a_folder_have_angles_only(capsys, arms: Anatomy, tmp_path: Path) -> None:
    for name in ("wave", "drink"):
        store.save(builtin(name, arms).part(0.0, 0.2), tmp_path / "clips" / f"{name}.npz")
    status, _, err = run(capsys, tmp_path / "clips", "--opensim", "--out", tmp_path / "out")
    assert status == 0 and {path.name for path in (tmp_path / "out").iterdir()} == {"wave_ik.mot", "drink_ik.mot"}
    assert err.count("A clip has angles only") == 1


def test_files_from_before_are_replaced(capsys, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "wave_ik.mot").write_text("before")
    (tmp_path / "out" / "mine.txt").write_text("kept")
    assert run(capsys, folder, "--opensim", "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "wave_ik.mot").read_text().startswith("Coordinates\n")
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("nowhere", ["--opensim"], "nowhere: there is no such file or folder; name a run, a trial or a clip"),
        ("empty", ["--opensim"], "empty: there is neither a run nor a clip in this folder"),
        ("notes.npz", ["--opensim"], "notes.npz: this is neither a trial nor a clip, or it is damaged"),
        ("learnt", ["--opensim"], "learnt: this run has no trials yet; make them with `myotrack validate"),
        ("run", [], "run: this is no policy, but motions; they can be exported with --opensim"),
        ("wave.npz", [], "wave.npz: this is no policy, but motions; they can be exported with --opensim"),
        ("run", ["--along-x"], "--along-x is for motions; give --opensim, too"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_sentence(
    capsys, arms: Anatomy, tmp_path: Path, source: str, options: list[str], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "learnt").mkdir()
    (tmp_path / "learnt" / "experiment.json").write_text("{}")
    (tmp_path / "notes.npz").write_text("notes")
    trials.save(busy(arms), tmp_path / "wave.npz")
    status, _, err = run(capsys, tmp_path / source, *options, "--out", tmp_path / "out")
    assert status == 2 and words in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_clip_of_another_version_of_the_body_is_named(capsys, arms: Anatomy, tmp_path: Path) -> None:
    path = tmp_path / "wave.npz"
    store.save(builtin("wave", arms).part(0.0, 0.2), path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["header.json"] = content["header.json"].replace(arms.hash.encode(), b"of-old")
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    status, _, err = run(capsys, path, "--opensim", "--out", tmp_path / "out")
    assert status == 2 and "wave.npz: Clip 'wave' was made for another version of the body" in err


def test_a_folder_is_wanted_and_not_a_file(capsys, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mot").write_text("")
    status, _, err = run(capsys, folder, "--opensim", "--out", tmp_path / "out.mot")
    assert status == 2 and "out.mot: this is a file; with --opensim --out is a folder" in err
