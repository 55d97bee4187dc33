import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import joblib
import pytest
import torch

from myotrack.capture.reader import read
from myotrack.clips.clip import Provenance
from myotrack.clips.store import load, load_folder
from myotrack.retarget.pipeline import Fit, fit
from myotrack.retarget.settings import Settings
from myotrack.workflow import batch, choices, shelf
from myotrack.workflow.choices import Choices
from myotrack.workflow.cli import RetargetCommand
from myotrack.workflow.retarget import retarget_files
from tests.capture.seeds import amc, asf
from tests.workflow.moves import contents, killed_at_cut, run, two_motions, upper_body

BROKEN = upper_body(0)[:700]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return two_motions(tmp_path / "recordings")


@pytest.fixture(scope="module")
def fitted(arms, tmp_path_factory) -> Fit:
    path = tmp_path_factory.mktemp("fitted") / "wave.bvh"
    path.write_bytes(upper_body(2))
    return fit(read(path), arms)


@pytest.fixture
def quick(fitted, monkeypatch) -> list[tuple[Settings, str | None]]:
    """Every motion becomes the same clip at once; what it was asked with is returned."""
    asked, ups = [], []

    def quickly(recording, anatomy, settings) -> Fit:
        asked.append((settings, ups[-1]))
        origin = recording.origin
        provenance = Provenance(origin.file, origin.sha256, origin.format, notes=origin.notes)
        return replace(fitted, clip=replace(fitted.clip, provenance=provenance))

    def reads(path, *, up, **more):
        ups.append(up)
        return read(path, **more)

    monkeypatch.setattr(batch, "fit", quickly)
    monkeypatch.setattr(batch, "read", reads)
    monkeypatch.setattr(Choices, "check_device", lambda self: None)
    return asked


@pytest.fixture
def statuses(quick, tmp_path) -> Callable[..., list[str]]:
    """Retarget files into 'out', and say what became of them."""
    return lambda *files, **more: [
        row.status for row in retarget_files(files, "arms", tmp_path / "out", jobs=1, **more)
    ]


def test_every_setting_of_a_retargeting_can_be_given_on_the_command_line() -> None:
    usual = {each.name: each.default for each in fields(RetargetCommand)}
    ours = {each.name: each.default for each in fields(Choices)}
    assert ours.items() <= usual.items()
    assert {each.name: each.default for each in fields(Settings)}.items() <= ours.items()


def test_settings_reach_the_solver_the_report_and_the_clip(capsys, recordings, quick, tmp_path) -> None:
    call = ("retarget", recordings / "wave.bvh", "--body", "arms", "--out", tmp_path / "out", "--jobs", "1", "--json")
    flags = ("--no-plant", "--no-treadmill", "--size", "fitted", "--mass", "71.5", "--device", "cuda", "--up", "-z")
    status, text, _ = run(capsys, *call, *flags)
    assert status == 0
    wanted = {"plant": False, "treadmill": False, "size": "fitted", "mass": 71.5, "device": "cuda"}
    assert quick == [(Settings(**wanted), "-z")]
    assert (wanted | {"up": "-z"}).items() <= json.loads(text)["settings"].items()
    notes = load(tmp_path / "out" / "wave.npz").provenance.notes
    options = ["--up -z", "--size fitted", "--mass 71.5", "--no-plant", "--no-treadmill", "--device cuda"]
    assert list(notes[-6:]) == [f"option given: {option}" for option in options]
    # What is as usual needs no words.
    run(capsys, *call)
    assert not [note for note in load(tmp_path / "out" / "wave.npz").provenance.notes if "option given" in note]


@pytest.mark.parametrize(
    "other",
    [
        {"plant": False}, {"treadmill": False}, {"device": "cuda"}, {"up": "-y"}, {"size": "fitted"},
        {"size": "fitted", "mass": 70.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_clip_made_with_other_settings_is_made_again(recordings, statuses, other: dict) -> None:
    wave = recordings / "wave.bvh"
    assert statuses(wave) == ["made"]
    assert statuses(wave, **other) == ["made"]
    assert statuses(wave, **other) == ["kept"]
    assert statuses(wave) == ["made"]


def test_a_clip_of_another_version_of_the_program_is_made_again(recordings, statuses, monkeypatch) -> None:
    wave = recordings / "wave.bvh"
    assert statuses(wave) == ["made"]
    monkeypatch.setattr(choices, "__version__", "0.0.9")
    assert statuses(wave) == ["made"]
    assert statuses(wave) == ["kept"]


def test_a_clip_is_made_again_when_the_skeleton_beside_its_motion_is_another(statuses, tmp_path) -> None:
    motion = tmp_path / "07_01.amc"
    motion.write_bytes(amc())
    (tmp_path / "07.asf").write_bytes(asf())
    assert statuses(motion) == ["made"]
    assert statuses(motion) == ["kept"]
    (tmp_path / "07.asf").write_bytes(asf().replace(b"length 7.2", b"length 7.4"))
    assert statuses(motion) == ["made"]
    # Another skeleton that is nearer by its name would be read now, even with the same content.
    shutil.copy(tmp_path / "07.asf", tmp_path / "07_01.asf")
    assert statuses(motion) == ["made"]
    # One that has nothing to do with it changes nothing.
    (tmp_path / "08.asf").write_bytes(asf())
    assert statuses(motion) == ["kept"]
    for path in tmp_path.glob("*.asf"):
        path.unlink()
    assert statuses(motion) == ["failed"]


def test_options_that_do_not_exist_are_refused_before_anything_is_tried(recordings, quick, tmp_path) -> None:
    for wrong in ({"up": "w"}, {"size": "huge"}, {"device": "tpu"}):
        [(name, value)] = wrong.items()
        with pytest.raises(ValueError, match=f"'{name}' is one of .*, not '{value}'"):
            retarget_files([recordings], "arms", tmp_path / "out", **wrong)
    for wrong in ({"mass": 70.0}, {"size": "fitted", "mass": -1.0}, {"size": "fitted", "mass": float("nan")}):
        with pytest.raises(ValueError, match="A mass is for bodies of fitted size, and positive"):
            retarget_files([recordings], "arms", tmp_path / "out", **wrong)
    assert not quick


def test_a_gpu_that_is_not_there_is_missed_before_anything_is_tried(capsys, recordings, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    call = ("retarget", recordings, "--body", "arms", "--out", tmp_path / "out", "--device", "cuda")
    status, out, err = run(capsys, *call)
    assert (status, out) == (2, "")
    assert err == "myotrack: PyTorch finds no CUDA device here; leave out --device cuda.\n"
    # In Python the work may be done on another machine, which says it for every file.
    rows = retarget_files([recordings], "arms", tmp_path / "out", jobs=1, device="cuda")
    assert ["no CUDA device" in row.error for row in rows] == [True, True]


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_process_that_is_killed_fails_its_file_and_no_others(recordings, arms, monkeypatch, tmp_path) -> None:
    out = tmp_path / "out"
    for seed in range(2):
        (recordings / f"later{seed}.bvh").write_bytes(upper_body(seed))
    (recordings / "cut.bvh").write_bytes(upper_body(3))
    before = retarget_files([recordings / "cut.bvh"], "arms", out, jobs=1)
    monkeypatch.setattr(batch, "retarget_one", killed_at_cut)
    rows = {row.clip: row for row in retarget_files([recordings], "arms", out, jobs=2, force=True)}
    assert [row.clip for row in before] == ["cut"] and len(rows) == 5
    cut = rows.pop("cut")
    assert cut.status == "failed"
    assert "cut.bvh: its process, the only one at work, was killed; most likely memory ran out" in cut.error
    assert {row.status for row in rows.values()} == {"made"}
    # Of the culprit nothing is left that looks like a clip, and nothing half written.
    assert cut.aside == ("cut.npz.old",)
    clips = sorted(f"{name}.npz" for name in rows)
    assert sorted(path.name for path in out.iterdir()) == sorted([*clips, "cut.npz.old", "quality.json"])
    assert [clip.name for clip in load_folder(out, arms)] == sorted(rows)


def test_a_file_that_kills_its_process_again_and_again_is_tried_twice(recordings, monkeypatch, tmp_path) -> None:
    tried: list[int] = []

    class Dying:
        def __init__(self, **_: object) -> None: ...

        def __call__(self, calls):
            tried.append(len(list(calls)))
            raise joblib.externals.loky.process_executor.TerminatedWorkerError("exit codes are {SIGSEGV(-11)}")
            yield

    monkeypatch.setattr(batch.joblib, "Parallel", Dying)
    rows = retarget_files([recordings], "arms", tmp_path / "out", jobs=2)
    assert tried == [2, 1, 1]
    assert [row.status for row in rows] == ["failed", "failed"]
    assert all("crashed (SIGSEGV)" in row.error and row.path in row.error for row in rows)


def test_a_cluster_that_goes_away_is_not_waited_for_again(recordings, monkeypatch, tmp_path) -> None:
    tried: list[int] = []

    def gone(calls):
        tried.append(1)
        raise OSError("no route to host")
        yield

    monkeypatch.setattr(batch.joblib, "Parallel", lambda **_: gone)
    rows = retarget_files([recordings], "arms", tmp_path / "out")
    assert len(tried) == 1
    assert all(row.status == "failed" and "OSError: no route to host" in row.error for row in rows)


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_fails_leaves_no_clip_of_before(
    recordings, statuses, arms, monkeypatch, tmp_path, force: bool
) -> None:
    out, wave, reach = tmp_path / "out", recordings / "wave.bvh", recordings / "deep" / "reach.bvh"
    # A recording may be called like another's mirror image; its clip is its own.
    other = recordings / "deep" / "wave_mirrored.bvh"
    other.write_bytes(upper_body(1))
    assert statuses(wave, reach, mirrored=True) == ["made", "made"]
    before = contents(out)
    wave.write_bytes(BROKEN)
    assert statuses(wave, reach, mirrored=True, force=force) == ["failed", "made" if force else "kept"]
    # Nothing is lost, and nobody takes it for a clip.
    for name in ("wave.npz", "wave_mirrored.npz"):
        assert (out / f"{name}.old").read_bytes() == before[name]
    assert [clip.name for clip in load_folder(out, arms)] == ["reach", "reach_mirrored"]
    assert statuses(other) == ["made"]
    assert statuses(wave) == ["failed"]
    assert (out / "wave_mirrored.npz").exists()
    wave.write_bytes(upper_body(2))
    assert statuses(wave) == ["made"]


def test_clips_that_were_set_aside_are_told(capsys, recordings, quick, tmp_path) -> None:
    wave = recordings / "wave.bvh"
    call = ("retarget", wave, "--body", "arms", "--out", tmp_path / "out", "--jobs", "1")
    run(capsys, *call)
    wave.write_bytes(BROKEN)
    status, out, err = run(capsys, *call)
    assert status == 1
    assert "wave.npz.old" in out and "wave.npz.old" in err
    [row] = json.loads((tmp_path / "out" / "quality.json").read_text())["rows"]
    assert row["aside"] == ["wave.npz.old"]


def test_a_clip_that_cannot_be_set_aside_is_told(recordings, statuses, monkeypatch, tmp_path) -> None:
    wave = recordings / "wave.bvh"
    statuses(wave)
    wave.write_bytes(BROKEN)
    monkeypatch.setattr(Path, "replace", refuses(lambda path: path.name == "wave.npz"))
    [row] = retarget_files([wave], "arms", tmp_path / "out", jobs=1)
    assert row.status == "failed" and row.aside == ()
    assert "could not be set aside (the disk is full)" in row.error


def refuses(which: Callable[[Path], bool]) -> Callable[[Path, Path], Path]:
    """`Path.replace`, which fails for some."""
    rename = Path.replace

    def replaces(self: Path, target: Path) -> Path:
        if which(self):
            raise OSError(28, "the disk is full")
        return rename(self, target)

    return replaces


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_clip_and_its_mirror_image_are_written_both_or_not_at_all(
    recordings, statuses, arms, monkeypatch, tmp_path, late: bool, again: bool
) -> None:
    out, wave = tmp_path / "out", recordings / "wave.bvh"
    if again:
        assert statuses(wave, mirrored=True) == ["made"]
    save = shelf.save

    def saves(clip, path) -> None:
        if path.name == "wave_mirrored.npz":
            raise OSError(28, "the disk is full")
        save(clip, path)

    with monkeypatch.context() as patch:
        if late:  # When the second of them is moved to its place.
            patch.setattr(
                Path, "replace", refuses(lambda path: path.name == "wave.npz" and ".part" in path.parent.name)
            )
        else:
            patch.setattr(shelf, "save", saves)
        assert statuses(wave, mirrored=True, force=True) == ["failed"]
    assert contents_without_old(out) == []
    assert statuses(wave, mirrored=True) == ["made"]
    assert [clip.name for clip in load_folder(out, arms)] == ["wave", "wave_mirrored"]


def contents_without_old(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != "quality.json" and path.suffix != ".old"]


def test_a_mirror_image_does_not_outlive_its_clip(recordings, statuses, tmp_path) -> None:
    out, wave = tmp_path / "out", recordings / "wave.bvh"
    assert statuses(wave, mirrored=True) == ["made"]
    assert statuses(wave) == ["kept"]
    assert (out / "wave_mirrored.npz").exists()
    wave.write_bytes(upper_body(4))
    assert statuses(wave) == ["made"]
    assert sorted(path.name for path in out.iterdir()) == ["quality.json", "wave.npz", "wave_mirrored.npz.old"]


def test_errors_tell_files_of_the_same_name_apart(recordings, quick, monkeypatch, tmp_path) -> None:
    shutil.copy(recordings / "wave.bvh", recordings / "deep" / "wave.bvh")

    def breaks(recording, *_: object):
        raise ValueError("wave.bvh: the recorded points cannot be followed.")

    monkeypatch.setattr(batch, "fit", breaks)
    rows = retarget_files([recordings / "wave.bvh", recordings / "deep" / "wave.bvh"], "arms", tmp_path / "out", jobs=1)
    here = recordings.resolve()
    assert [row.error for row in rows] == [
        f"{here / 'wave.bvh'}: the recorded points cannot be followed.",
        f"{here / 'deep' / 'wave.bvh'}: the recorded points cannot be followed.",
    ]


def test_digits_do_not_depend_on_how_many_threads_there_are(recordings, monkeypatch, tmp_path) -> None:
    seen: list[int] = []

    def watched(*arguments) -> Fit:
        seen.append(torch.get_num_threads())
        return fit(*arguments)

    monkeypatch.setattr(batch, "fit", watched)
    torch.set_num_threads(3)
    try:
        retarget_files([recordings], "arms", tmp_path / "one", jobs=1)
        assert torch.get_num_threads() == 3  # Whoever called has theirs back.
        monkeypatch.undo()
        retarget_files([recordings], "arms", tmp_path / "two", jobs=2)
    finally:
        torch.set_num_threads(1)
    assert seen == [1, 1]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("how", ["before", "after", "variable"])
def test_a_traceback_is_shown_to_who_asks_for_it(capsys, recordings, monkeypatch, tmp_path, how: str) -> None:
    monkeypatch.setenv("MYOTRACK_DEBUG", "1" if how == "variable" else "0")
    (recordings / "wave.bvh").write_bytes(BROKEN)
    before, after = (("--debug",) if how == place else () for place in ("before", "after"))
    status, out, err = run(capsys, *before, "clips", "nowhere", *after)
    assert (status, out) == (2, "")
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("\nmyotrack: nowhere: there is no such folder.\n")
    # Also of a file that fails, in whatever process.
    call = ("retarget", recordings / "wave.bvh", "--body", "arms", "--out", tmp_path / "out", "--jobs", "1")
    status, out, err = run(capsys, *before, *call, *after)
    assert status == 1
    assert re.search(r"FAILED .*wave\.bvh.*\nTraceback .*\n(.*\n)+.*CaptureError", err)
    assert "Traceback" not in out + (tmp_path / "out" / "quality.json").read_text()


def test_without_asking_there_is_no_traceback(capsys, recordings, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MYOTRACK_DEBUG", "0")
    (recordings / "wave.bvh").write_bytes(BROKEN)
    assert run(capsys, "clips", "nowhere") == (2, "", "myotrack: nowhere: there is no such folder.\n")
    call = ("retarget", recordings / "wave.bvh", "--body", "arms", "--out", tmp_path / "out", "--jobs", "1")
    assert "Traceback" not in run(capsys, *call)[2]


def test_a_clip_of_the_size_of_its_subject_is_kept_and_mirrored(recordings, arms, tmp_path) -> None:
    out, wave = tmp_path / "out", recordings / "wave.bvh"
    [made] = retarget_files([wave], "arms", out, jobs=1, size="fitted")
    [kept] = retarget_files([wave], "arms", out, jobs=1, size="fitted", mirrored=True)
    assert (made.status, kept.status) == ("made", "kept")
    clip, image = (load(out / f"wave{end}.npz") for end in ("", "_mirrored"))
    assert made.body_hash == kept.body_hash == clip.anatomy().hash != arms.hash
    assert (clip.mirrored(clip.anatomy()).pos == image.pos).all() and image.sizes == clip.sizes
    [usual] = retarget_files([wave], "arms", out, jobs=1)
    assert (usual.status, usual.body_hash) == ("made", arms.hash)
