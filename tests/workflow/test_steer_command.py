"""`myotrack steer`, `report` and `demo`: short motions from end to end, and bad input told in one sentence."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Signals
from myotrack.clips.builtin import builtin
from myotrack.clips.store import save
from myotrack.train.clone import CloneSettings
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import load
from myotrack.workflow import demo, learning, page
from myotrack.workflow.cli import main
from myotrack.workflow.motions import Wish, motions, recorded_emg
from myotrack.workflow.recipes import ClipChoice
from myotrack.workflow.run import file_names, open_run


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


SHORT = ("--body", "arms", "--no-video", "--start", "0.6", "--end", "0.9")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of a short reach, to be copied by whoever changes it."""
    out = tmp_path_factory.mktemp("runs") / "reach"
    with pytest.raises(SystemExit) as stop:
        main(["steer", "reach", *SHORT, "--out", str(out)])
    assert stop.value.code == 0
    return out


@pytest.fixture
def reach(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "reach"))


def test_a_run_holds_trials_scores_and_a_page(made: Path, arms: Anatomy) -> None:
    assert sorted(path.name for path in made.iterdir()) == [
        "experiment.json", "report.html", "scorecard.json", "trials",
    ]  # fmt: skip
    about = json.loads((made / "experiment.json").read_text())
    assert about["command"].startswith("myotrack steer reach --body arms --no-video") and about["versions"]["mujoco"]
    assert about["bodies"] == {"reach": {"body": "arms", "hash": arms.hash}}
    assert about["settings"]["start"] == 0.6 and about["control"]["stiffness"] > 0
    trial = load(made / "trials" / "reach.npz", arms)
    assert (trial.frames, trial.ended) == (31, "")  # 0.60 to 0.90 s
    card = Scorecard.load(made / "scorecard.json")
    error = card.at("reach", "joint_error_mean")
    assert error is not None and error.value < 1.0
    assert "There is no film here" in (made / "report.html").read_text()


def test_motions_of_all_kinds_are_followed_in_their_order(capsys, arms: Anatomy, tmp_path: Path) -> None:
    save(builtin("wave", arms).part(0.0, 0.2), tmp_path / "wave.npz")
    save(replace(builtin("drink", arms).part(0.0, 0.1), name="wave"), tmp_path / "other.npz")
    names = [tmp_path / "wave.npz", "lift", tmp_path / "other.npz"]
    status, out, _ = run(
        capsys, "steer", *names, "--body", "arms", "--no-video", "--end", 0.2, "--json", "--out", tmp_path / "run"
    )
    report = json.loads(out)
    assert status == 0 and report["report"] == str(tmp_path / "run" / "report.html")
    assert [row["name"] for row in report["trials"]] == ["wave", "lift", "wave-2"]
    assert [load(tmp_path / "run" / "trials" / row["file"]).frames for row in report["trials"]] == [21, 21, 11]
    assert all(row["scores"]["survival"] == 100 for row in report["trials"])


@pytest.mark.parametrize("mode", ["static", "control"])
def test_the_fast_body_is_steered_nearly_as_the_original(capsys, tmp_path: Path, mode: str) -> None:
    found = []
    for body in ("arms", "arms:fast"):
        folder = tmp_path / body.replace(":", "-")
        words = ("--body", body, "--no-video", "--start", 1.0, "--end", 1.3, "--mode", mode, "--out", folder)
        assert run(capsys, "steer", "reach", *words)[0] == 0
        found.append(load(folder / "trials" / "reach.npz").activation.double().flatten())
    # Not the same, or the level would have been forgotten on the way.
    assert not torch.equal(*found)
    assert torch.corrcoef(torch.stack(found))[0, 1] > 0.98


def test_static_optimisation_tells_which_muscles_made_a_motion(capsys, tmp_path: Path) -> None:
    status, out, _ = run(capsys, "steer", "reach", *SHORT, "--mode", "static", "--out", tmp_path / "run")
    assert status == 0 and "Static optimisation" in out and "missed" in out and "joints" not in out
    trial = load(tmp_path / "run" / "trials" / "reach.npz")
    assert trial.excitation is None and trial.frames == 31
    assert 0.0 < float(trial.activation.mean()) < 0.2
    assert float(trial.residual.abs().max()) < 0.2


def test_a_run_is_not_replaced_unless_asked_for(capsys, reach: Path) -> None:
    before = {path: path.read_bytes() for path in reach.rglob("*") if path.is_file()}
    status, _, err = run(capsys, "steer", "wave", *SHORT, "--out", reach)
    assert (status, err) == (2, f"myotrack: {reach}: there is a run already; choose another folder with --out, or "
                                "replace it with --force.\n")  # fmt: skip
    assert before == {path: path.read_bytes() for path in reach.rglob("*") if path.is_file()}
    status, _, _ = run(capsys, "steer", "wave", *SHORT, "--out", reach, "--force")
    assert status == 0 and [path.name for path in (reach / "trials").iterdir()] == ["wave.npz"]
    assert [path.name for path in reach.parent.iterdir()] == ["reach"]


def test_what_is_no_run_is_never_replaced(capsys, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    status, _, err = run(capsys, "steer", "reach", *SHORT, "--out", tmp_path / "mine", "--force")
    assert status == 2 and "holds other things than a run" in err
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_run_that_fails_leaves_the_one_before_and_nothing_else(capsys, reach: Path, monkeypatch) -> None:
    def full_disk(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page, "report", full_disk)
    before = (reach / "experiment.json").read_bytes()
    status, _, err = run(capsys, "steer", "wave", *SHORT, "--out", reach, "--force")
    assert status == 2 and "No space left" in err
    assert (reach / "experiment.json").read_bytes() == before
    assert [path.name for path in reach.parent.iterdir()] == ["reach"]


def test_bad_input_is_one_sentence(capsys, arms: Anatomy, tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 no more")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "folder").mkdir()
    save(builtin("wave", arms), tmp_path / "wave.npz")
    out = ("--out", tmp_path / "run")
    for arguments, words in (
        (["juggle", "--body", "arms"], "neither a file nor a built-in motion; those of the body 'arms' are reach"),
        ([tmp_path / "cut.npz", "--body", "arms"], "cut.npz"),
        ([tmp_path / "photo.png"], "this is a picture"),
        ([tmp_path / "folder"], "this is a folder"),
        ([tmp_path / "wave.npz"], "wave.npz: this clip is of the body 'arms' without fingers; say --body arms"),
        (["reach", "--body", "arms", "--reserve", -1], "--reserve is the largest moment"),
        (["reach", "--body", "arms", "--start", 3, "--end", 2], "--start must come before --end"),
        (["reach", "--body", "arms", "--start", 90], "nothing is left from 90"),
        (["reach", "--body", "arms", "--no-support"], "the trunk of the arms is fixed"),
        (["walk", "--effort", "cubed"], "--effort is a choice of --mode static"),
        (["walk", "--forces", tmp_path / "f.mot"], "--forces are for --mode static"),
        (["walk", "--mode", "static", "--forces", tmp_path / "f.mot"], "f.mot: there is no such file"),
        (["squat", "--mode", "static", "--end", 0.5], "needs the ground forces under the feet"),
        (["reach", "--body", "arms", "--emg", tmp_path / "wave.npz"], "has no clock"),
    ):
        status, printed, err = run(capsys, "steer", *arguments, *out, "--no-video")
        assert (status, printed) == (2, ""), (arguments, err)
        assert err.startswith("myotrack: ") and words in err and len(err.splitlines()) == 1, (arguments, err)
    assert not (tmp_path / "run").exists()


def test_a_page_is_made_again_from_the_saved_trials(capsys, reach: Path) -> None:
    page_before = (reach / "report.html").read_text()
    (reach / "report.html").unlink()
    (reach / "scorecard.json").write_text("lost")
    status, out, _ = run(capsys, "report", reach, "--no-video")
    assert status == 0 and str(reach / "report.html") in out
    assert (reach / "report.html").read_text() == page_before
    assert Scorecard.load(reach / "scorecard.json").trials == ("reach",)


def test_a_damaged_run_is_told_in_one_sentence(capsys, reach: Path, tmp_path: Path) -> None:
    status, _, err = run(capsys, "report", tmp_path / "nowhere")
    assert status == 2 and "there is no such folder" in err
    status, _, err = run(capsys, "report", tmp_path)
    assert status == 2 and "there is no run here" in err
    file = reach / "trials" / "reach.npz"
    file.write_bytes(file.read_bytes()[:900])
    status, _, err = run(capsys, "report", reach)
    assert status == 2 and "reach.npz" in err and len(err.splitlines()) == 1
    about = json.loads((reach / "experiment.json").read_text())
    (reach / "experiment.json").write_text(json.dumps(about | {"trials": ["../../secret.npz"]}))
    with pytest.raises(ValueError, match="it names no trials"):
        open_run(reach)


def test_without_a_way_to_draw_the_page_says_so_and_the_run_is_whole(capsys, tmp_path: Path, monkeypatch) -> None:
    def blind(*_: object) -> bytes:
        raise OSError("Cannot draw off screen (no EGL). Set MUJOCO_GL=egl, install libegl1, or run `myotrack doctor`.")

    monkeypatch.setattr(page, "film", blind)
    arguments = ["steer", "reach", "--body", "arms", "--end", 0.1, "--out", tmp_path / "run"]
    status, out, _ = run(capsys, *arguments)
    assert status == 0 and "no films: Cannot draw off screen" in out
    assert "Cannot draw off screen (no EGL)" in (tmp_path / "run" / "report.html").read_text()


def test_the_demo_learns_shows_both_bodies_and_says_where_its_page_is(capsys, tmp_path: Path, monkeypatch) -> None:
    def short(name: str, anatomy: Anatomy):
        return builtin(name, anatomy).part(0.0, 0.3)

    small = replace(
        demo.experiment(),
        clips=ClipChoice(("reach~0",), ("drink",)),
        clone=CloneSettings(first_steps=10, steps=10, updates=5),
        worlds=4, minutes=None, steps=20,
    )  # fmt: skip
    monkeypatch.setattr(demo, "experiment", lambda: small)
    for module in (demo, learning):
        monkeypatch.setattr(module, "builtin", short)
    for _ in range(2):  # A second demo replaces the first.
        status, out, _ = run(capsys, "demo", "--no-video", "--out", tmp_path / "demo")
        assert status == 0 and "held-out built-in clips" in out
        text = (tmp_path / "demo" / "report.html").read_text()
        assert "drink" in text and "walk" in text
        assert out.splitlines()[-1] == f"Report: {tmp_path / 'demo' / 'report.html'}"


def test_trials_have_files_of_their_own_whatever_they_are_called() -> None:
    assert file_names(["walk", "Walk", "a/b: ü", "..", "walk"]) == [
        "walk.npz", "Walk-2.npz", "a_b_ü.npz", "trial.npz", "walk-3.npz",
    ]  # fmt: skip


def test_emg_is_brought_to_the_frames_and_to_the_muscles_of_the_body(full: Anatomy) -> None:
    # A ramp from 0 to 1 in 2 s, at 50 Hz, and a channel of no muscle.
    ramp = np.linspace(0.0, 1.0, 101)
    emg = Signals(("soleus", "trigger"), 50.0, np.stack([4 * ramp, ramp], axis=1))
    found = recorded_emg(emg, np.array([0.0, 0.5, 1.01, 5.0]), full)
    assert found is not None
    assert (found.names, found.muscles) == (("soleus",), (("soleus_r",),))
    np.testing.assert_allclose(found.envelope[:, 0], [0.0, 0.25, 0.505, 1.0], atol=1e-6)
    assert recorded_emg(replace(emg, names=("force", "trigger")), np.zeros(2), full) is None
    dipping = replace(emg, values=emg.values - 0.01)  # A filtered envelope, no raw signal.
    again = recorded_emg(dipping, np.array([1.01]), full)
    assert again is not None and float(again.envelope[0, 0]) == pytest.approx(0.505, abs=0.01)
    with pytest.raises(ValueError, match="gaps in soleus"):
        recorded_emg(replace(emg, values=np.where(emg.values > 3.9, np.nan, emg.values)), np.zeros(2), full)


def test_a_recording_is_retargeted_on_the_way_and_keeps_its_emg(data_folder: Path) -> None:
    folder = data_folder / "rajagopal2016"
    if not folder.is_dir():
        pytest.skip(f"There is no {folder}.")
    told: list[str] = []
    wish = Wish("full", emg=folder / "moco_electromyography.sto.gz", start=0.5, end=1.0)
    [motion] = motions([str(folder / "motion_capture_walk.trc")], wish, told.append)
    assert told == ["motion_capture_walk.trc"]
    assert motion.clip.name == "motion_capture_walk" and motion.clip.frames == 51
    assert motion.emg is not None and motion.emg.envelope.shape == (51, len(motion.emg.names))
    assert "soleus_r" in {muscle for muscles in motion.emg.muscles for muscle in muscles}
