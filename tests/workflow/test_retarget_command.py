import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.capture.reader import _formats
from myotrack.clips.store import load, load_folder
from myotrack.workflow import batch
from myotrack.workflow.folder import SUFFIXES, clip_names, motion_files
from myotrack.workflow.retarget import retarget_files
from tests.capture.seeds import anc, forces_mot
from tests.workflow.moves import contents, run, two_motions, upper_body

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return two_motions(tmp_path / "recordings")


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, bytes]:
    """Their clips, made in this process."""
    folder = tmp_path_factory.mktemp("alone")
    retarget_files([two_motions(folder / "recordings")], "arms", folder / "clips", jobs=1)
    return contents(folder / "clips")


def test_a_bad_file_does_not_stop_the_others_and_leaves_nothing(capsys, recordings, arms, tmp_path) -> None:
    (recordings / "cut.bvh").write_bytes(upper_body(0)[:700])
    (recordings / "forces.mot").write_bytes(forces_mot())
    (recordings / "skeleton.asf").write_text("no motion")
    status, out, err = run(capsys, "retarget", recordings, "--body", "arms", "--out", tmp_path / "out", "--jobs", "1")
    assert status == 1
    assert list(contents(tmp_path / "out")) == ["reach.npz", "wave.npz"]
    assert "2 made" in out and "2 failed" in out and "skeleton" not in out + err
    # A line for every file, since nobody watches a bar here.
    lines = [line for line in err.splitlines() if line.startswith("[")]
    assert len(lines) == 4
    assert sum("FAILED" in line for line in lines) == 2
    assert any("cut.bvh" in line for line in lines)
    assert any("forces or EMG only" in line for line in lines)
    clips = load_folder(tmp_path / "out", arms)
    assert [clip.name for clip in clips] == ["reach", "wave"]


def test_the_report_is_on_standard_output_and_beside_the_clips(capsys, recordings, tmp_path) -> None:
    (recordings / "cut.bvh").write_bytes(upper_body(0)[:700])
    out = tmp_path / "out"
    status, text, _ = run(capsys, "retarget", recordings, "--body", "arms", "--out", out, "--jobs", "1", "--json")
    report = json.loads(text)
    assert status == 1
    assert report == json.loads((out / "quality.json").read_text())
    assert (report["files"], report["made"], report["kept"], report["failed"]) == (3, 2, 0, 1)
    assert report["versions"]["mujoco"] and report["settings"]["body"] == "arms"
    rows = {row["clip"]: row for row in report["rows"]}
    assert rows["cut"]["status"] == "failed" and "MOTION" in rows["cut"]["error"] and rows["cut"]["quality"] is None
    assert rows["wave"]["quality"]["duration"] == pytest.approx(0.5)
    assert rows["wave"]["frames_per_s"] > 0
    # The sums are those of the rows.
    for stage, total in report["seconds"].items():
        assert total == pytest.approx(sum(row["seconds"].get(stage, 0.0) for row in report["rows"]))
    assert {"read", "subject", "coarse", "fine", "quality", "save"} <= report["seconds"].keys()


def test_clips_that_are_there_are_kept_unless_forced(capsys, recordings, tmp_path) -> None:
    out = tmp_path / "out"
    call = ("retarget", recordings, "--body", "arms", "--out", out, "--jobs", "1", "--json")
    run(capsys, *call)
    written = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    (recordings / "new.bvh").write_bytes(upper_body(3))
    status, text, _ = run(capsys, *call)
    report = json.loads(text)
    assert status == 0
    assert (report["made"], report["kept"]) == (1, 2)
    assert {name: (out / name).stat().st_mtime_ns for name in written} == written
    # A kept clip tells its quality all the same.
    assert all(row["quality"]["duration"] == pytest.approx(0.5) for row in report["rows"])
    status, text, _ = run(capsys, *call, "--force")
    assert (status, json.loads(text)["made"]) == (0, 3)
    assert all((out / name).stat().st_mtime_ns > before for name, before in written.items())


def test_what_would_come_out_otherwise_is_made_again(recordings, tmp_path) -> None:
    out = tmp_path / "out"
    wave, reach = recordings / "wave.bvh", recordings / "deep" / "reach.bvh"

    def statuses(*files: Path, **choices) -> list[str]:
        return [row.status for row in retarget_files(files or [wave, reach], "arms", out, jobs=1, **choices)]

    assert statuses() == ["made", "made"]
    wave.write_bytes(upper_body(3))
    assert statuses() == ["made", "kept"]
    (out / "reach.npz").write_bytes((out / "reach.npz").read_bytes()[:-30])
    assert statuses() == ["kept", "made"]
    table = tmp_path / "markers.csv"
    places = {f"{side}{joint}": f"{side.lower()} {place}" for side in ("Left", "Right")
              for joint, place in (("Arm", "acromion"), ("ForeArm", "elbow"), ("Hand", "wrist"))}  # fmt: skip
    table.write_text("point,segment\n" + "".join(f"{point},{place}\n" for point, place in places.items()))
    assert statuses(wave, markers=table) == ["made"]
    assert statuses(wave, markers=table) == ["kept"]
    assert statuses(wave) == ["made"]


def test_mirror_images_are_made_and_kept_like_clips(recordings, arms, tmp_path) -> None:
    out, wave = tmp_path / "out", recordings / "wave.bvh"
    # A recording whose name is that of another's mirror image has to give way.
    shutil.copy(recordings / "deep" / "reach.bvh", recordings / "wave_mirrored.bvh")
    rows = retarget_files([wave, recordings / "wave_mirrored.bvh"], "arms", out, jobs=1, mirrored=True)
    assert len({clip.name for clip in load_folder(out, arms)}) == 4
    clip, image = (load(out / f"{rows[0].clip}{end}.npz", arms) for end in ("", "_mirrored"))
    assert (clip.mirrored(arms).pos == image.pos).all()
    (out / f"{rows[0].clip}_mirrored.npz").unlink()
    again = retarget_files([wave], "arms", out, jobs=1, mirrored=True)
    assert [row.status for row in again] == ["kept"]
    assert (load(out / f"{rows[0].clip}_mirrored.npz", arms).pos == image.pos).all()


def test_two_processes_make_the_same_clips_as_one(recordings, alone, tmp_path) -> None:
    rows = retarget_files([recordings], "arms", tmp_path / "two", jobs=2)
    assert contents(tmp_path / "two") == alone
    assert [Path(row.file).name for row in rows] == [path.name for path in motion_files([recordings])]


@pytest.mark.filterwarnings("default:::distributed", "default:::dask", "default::ResourceWarning")
def test_a_cluster_makes_the_same_clips(recordings, alone, monkeypatch, tmp_path) -> None:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    monkeypatch.delattr(batch, "_retargeted")  # Nothing can be made in this process.
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        rows = retarget_files([recordings], "arms", tmp_path / "cluster")
    assert [row.status for row in rows] == ["made", "made"]
    assert contents(tmp_path / "cluster") == alone


def test_an_interruption_keeps_what_is_finished(capsys, recordings, monkeypatch, tmp_path) -> None:
    retargeted, out = batch._retargeted, tmp_path / "out"

    def stops_at_wave(path: Path, *rest):
        if path.stem == "wave":
            raise KeyboardInterrupt
        return retargeted(path, *rest)

    monkeypatch.setattr(batch, "_retargeted", stops_at_wave)
    call = ("retarget", recordings / "deep", recordings, "--body", "arms", "--out", out, "--jobs", "1")
    status, text, _ = run(capsys, *call)
    assert status == 130
    assert "1 not tried: the same command goes on where this one stopped" in text
    assert list(contents(out)) == ["reach.npz"]
    monkeypatch.undo()
    status, text, _ = run(capsys, *call)
    assert status == 0
    assert "1 made, 1 kept from before" in text


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_reaches_all_processes_and_keeps_what_is_finished(recordings, tmp_path) -> None:
    for seed in range(30):
        (recordings / f"move{seed:02}.bvh").write_bytes(upper_body(2 + 4 * seed, frames=61))
    out = tmp_path / "out"
    call = [sys.executable, "-m", "myotrack.workflow.cli", "retarget", recordings, "--body", "arms", "--out", out]
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.Popen(
        [*map(str, call), "--jobs", "2"],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Who runs the tests in the background ignores Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    stop = threading.Timer(60, os.killpg, (done.pid, signal.SIGKILL))
    stop.start()
    told = next(
        (line for line in done.stderr if line.startswith("[1/")), ""
    )  # A clip is there a moment before its row.
    stop.cancel()
    os.killpg(done.pid, signal.SIGINT)
    text, errors = done.communicate(timeout=30)
    assert told and done.returncode == 130, errors
    assert "Traceback" not in errors
    assert "goes on where this one stopped" in text
    report = json.loads((out / "quality.json").read_text())
    assert 1 <= report["made"] < 32
    for row in report["rows"]:
        load(out / f"{row['clip']}.npz")


def test_files_of_the_same_name_do_not_overwrite_each_other(capsys, recordings, arms, tmp_path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    (other / "wave.bvh").write_bytes(upper_body(5))
    first = retarget_files([recordings / "wave.bvh"], "arms", out, jobs=1)
    # In a run of its own, and in one run together, in any order.
    second = retarget_files([other], "arms", out, jobs=1)
    both = retarget_files([other, recordings / "wave.bvh"], "arms", out, jobs=1)
    assert ([row.clip for row in first], [row.clip for row in second]) == (["wave"], ["other_wave"])
    assert [(row.clip, row.status) for row in both] == [("other_wave", "kept"), ("wave", "kept")]
    assert [clip.provenance.sha256 for clip in load_folder(out, arms)] == [row.sha256 for row in both]


def test_names_tell_files_apart_by_as_little_as_it_takes(tmp_path) -> None:
    def names(*files: str, **choices) -> tuple[str, ...]:
        return clip_names([tmp_path / file for file in files], **choices)

    assert names("a/walk.bvh", "b/run.c3d.gz") == ("walk", "run")
    assert names("a/walk.bvh", "b/walk.bvh", "b/run.bvh") == ("a_walk", "b_walk", "run")
    assert names("a/walk.bvh", "a/walk.amc", "a/walk.bvh.gz") == ("walk_bvh", "walk_amc", "walk_bvh_gz")
    assert names("x/a/walk.bvh", "y/a/walk.bvh") == ("x_a_walk", "y_a_walk")
    assert names("a/Walk.bvh", "b/walk.bvh") == ("a_Walk", "b_walk")
    assert names("a/walk.bvh", "a/walk_mirrored.bvh") == ("walk", "walk_mirrored")
    crowd = names(
        "a/walk.bvh", "b/walk.bvh", "a/a_walk.bvh", "walk.bvh", "a/walk.amc", "a/walk_mirrored.bvh", mirrored=True
    )
    everything = [*crowd, *(f"{name}_mirrored" for name in crowd)]
    assert len(set(everything)) == len(everything)
    # The order does not matter.
    assert names("b/walk.bvh", "a/walk.bvh") == ("b_walk", "a_walk")


def test_folders_are_searched_for_every_format_that_holds_motion(tmp_path) -> None:
    formats = {suffix for kind in _formats(None, None, None, 0.1, None) for suffix in kind.suffixes}
    assert set(SUFFIXES) == formats - {".asf", ".anc"}
    wanted = ["a.BVH", "deep/er/b.c3d.gz", "deep/c.amc"]
    for name in [*wanted, "a.asf", "a.anc", "readme.txt", ".hidden.bvh", ".git/d.bvh", "out/clip.npz", "body.npz"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = motion_files([tmp_path], [tmp_path / "out", tmp_path / "body.npz"])
    assert sorted(str(path.relative_to(tmp_path)) for path in found) == sorted(wanted)
    # Whatever is named is tried, once.
    assert motion_files([tmp_path / "readme.txt", tmp_path, tmp_path / "a.BVH"])[0] == tmp_path / "readme.txt"
    assert len(motion_files([tmp_path / "a.BVH", tmp_path / "." / "a.BVH"])) == 1


def test_analog_text_by_name_says_that_it_is_no_motion(capsys, tmp_path) -> None:
    (tmp_path / "plates.anc").write_bytes(anc())
    call = ("retarget", tmp_path / "plates.anc", "--body", "arms", "--out", tmp_path / "out", "--jobs", "1")
    status, _, err = run(capsys, *call)
    assert status == 1
    assert "plates.anc: it holds forces or EMG only, and no motion to retarget." in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.bvh"], ["nowhere.bvh", "no such file"]),
        (["empty"], ["empty", "no motion files", ".bvh"]),
        (["wave.bvh", "--markers", "nowhere.csv"], ["nowhere.csv", "no such file"]),
        (["wave.bvh", "--markers", "wave.bvh"], ["wave.bvh", "point, segment"]),
        (["wave.bvh", "--jobs", "-2"], ["--jobs"]),
        (["wave.bvh", "--out", "wave.bvh"], ["wave.bvh", "not a folder"]),
        (["wave.bvh", "--out", "wave.bvh/out"], ["wave.bvh", "not a folder"]),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_tried(
    capsys, recordings, monkeypatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(recordings)
    Path("empty").mkdir()
    given = arguments if "--out" in arguments else [*arguments, "--out", "out"]
    status, out, err = run(capsys, "retarget", *given, "--body", "arms")
    assert (status, out) == (2, "")
    assert err.startswith("myotrack: ") and len(err.splitlines()) == 1
    assert all(word in err for word in words), err
    assert not list(recordings.rglob("*.npz"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(capsys, recordings, tmp_path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    status, _, err = run(capsys, "retarget", recordings, "--body", "arms", "--out", tmp_path / "out")
    assert status == 2
    assert "cannot be written" in err


def test_a_real_recording_becomes_a_clip(data_folder, full: Anatomy, capsys, tmp_path) -> None:
    """Half a second of walking, with the skeleton named on the command line."""
    lines = (data_folder / "cmu_asfamc" / "02_01.amc").read_text().splitlines()
    first = lines.index("61")
    (tmp_path / "step.amc").write_text("\n".join([*lines[: lines.index("1")], *lines[first:]][: 3 + 30 * 61]) + "\n")
    call = ("retarget", tmp_path / "step.amc", "--skeleton", data_folder / "cmu_asfamc" / "02.asf")
    status, text, _ = run(capsys, *call, "--out", tmp_path / "out", "--jobs", "1", "--json")
    assert status == 0, text
    clip = load(tmp_path / "out" / "step.npz", full)
    assert clip.quality is not None and clip.quality.landmark_rmse is not None
    assert clip.quality.landmark_rmse < 0.03
    assert any(note.startswith("skeleton given: 02.asf, sha256 ") for note in clip.provenance.notes)
