import json
import zipfile
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.clip import Clip, Provenance
from myotrack.clips.quality import assess
from myotrack.clips.store import save
from myotrack.view import gallery
from myotrack.view.gallery import Film, draw_pages
from myotrack.workflow.cli import main
from myotrack.workflow.clips import sparkline


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def bending(anatomy: Anatomy, name: str = "bend", frames: int = 51) -> Clip:
    """The right elbow bends from 30 to 60 degrees and back; a free body glides forward at 1 m/s meanwhile."""
    time = torch.arange(frames, dtype=torch.float64) / 100
    duration = (frames - 1) / 100
    turn = 2 * torch.pi / duration
    pos = anatomy.rest.expand(frames, -1).clone()
    vel = torch.zeros(frames, anatomy.couplings.coordinate_size, dtype=torch.float64)
    acc = torch.zeros_like(vel)
    elbow = anatomy.coordinate_names.index("elbow_flex_r")
    middle, reach = np.radians(45), np.radians(15)
    pos[:, elbow + anatomy.free] = middle - reach * torch.cos(turn * time)
    vel[:, elbow] = reach * turn * torch.sin(turn * time)
    acc[:, elbow] = reach * turn**2 * torch.cos(turn * time)
    if anatomy.free:
        pos[:, 1] -= time  # The published body looks along -y.
        vel[:, 1] = -1.0
    contact = torch.zeros(frames, len(anatomy.foot_regions), dtype=torch.bool)
    contact[: frames // 2, :1] = True
    origin = Provenance("made.bvh", sha256="ab", format="BVH")
    clip = Clip(name, anatomy.name, False, anatomy.hash, pos, vel, acc, contact, subject="Ada", provenance=origin)
    return replace(clip, quality=assess(clip, anatomy))


@pytest.fixture
def folder(arms: Anatomy, tmp_path: Path) -> Path:
    """A good clip, one whose accelerations are wrong, and one that nobody has looked at."""
    clip = bending(arms)
    save(clip, tmp_path / "clips" / "bend.npz")
    wrong = replace(clip, name="wrong", acc=clip.acc * 3, quality=None)
    save(replace(wrong, quality=assess(wrong, arms)), tmp_path / "clips" / "wrong.npz")
    save(replace(clip, name="unseen", quality=None), tmp_path / "clips" / "unseen.npz")
    (tmp_path / "clips" / "quality.json").write_text("{}")
    return tmp_path / "clips"


def test_a_folder_is_listed_with_verdicts_and_courses(capsys, folder) -> None:
    status, out, _ = run(capsys, "clips", folder)
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines() if "made.bvh" in line}
    assert list(rows) == ["bend", "unseen", "wrong"]
    assert "pass" in rows["bend"] and "not assessed" in rows["unseen"]
    assert "poor" in rows["wrong"] and "accelerations differ" in out
    assert all("0.50" in row and "51" in row and "Ada" in row and "30–60 °" in row for row in rows.values())
    assert "right elbow" in out and "1 of the 2 assessed pass" in out


def test_a_program_reads_the_same(capsys, folder) -> None:
    status, out, _ = run(capsys, "clips", folder, "--json")
    report = json.loads(out)
    rows = {row["name"]: row for row in report["rows"]}
    assert status == 0
    assert (report["clips"], report["damaged"]) == (3, 0)
    assert [rows[name]["passed"] for name in ("bend", "wrong", "unseen")] == [True, False, None]
    assert rows["bend"]["quality"]["duration"] == pytest.approx(0.5)
    assert rows["bend"]["course"]["low"] == pytest.approx(30, abs=0.1)
    assert rows["bend"]["course"]["high"] == pytest.approx(60, abs=0.1)


def test_damaged_files_are_listed_beside_the_others_with_status_1(capsys, folder) -> None:
    (folder / "cut.npz").write_bytes((folder / "bend.npz").read_bytes()[:-40])
    np.savez(folder / "other.npz", a=np.zeros(3))
    status, out, _ = run(capsys, "clips", folder)
    assert status == 1
    assert "Files that are damaged" in out and "cut.npz" in out and "other.npz" in out
    assert "3 clips" in out
    status, out, _ = run(capsys, "clips", folder, "--json")
    damaged = [row for row in json.loads(out)["rows"] if row["damaged"]]
    assert status == 1
    assert [Path(row["file"]).name for row in damaged] == ["cut.npz", "other.npz"]
    assert all("myotrack retarget" in row["trouble"] for row in damaged)


def test_bad_input_is_one_sentence(capsys, folder, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ([tmp_path / "nowhere"], "there is no such folder"),
        ([tmp_path / "empty"], "there are no clips here"),
        ([folder, "--picture", tmp_path / "a.jpg"], "ends in .png"),
    ):
        status, out, err = run(capsys, "clips", *arguments)
        assert (status, out) == (2, "")
        assert err.startswith("myotrack: ") and words in err and len(err.splitlines()) == 1


def test_a_page_shows_figures_where_there_are_clips(capsys, folder, tmp_path) -> None:
    status, out, _ = run(capsys, "clips", folder, "--picture", tmp_path / "new" / "page.png")
    assert status == 0
    assert str(tmp_path / "new" / "page.png") in out
    image = imageio.imread(tmp_path / "new" / "page.png")[..., :3].astype(int)
    # Both sides have their colours in every row, and the page is mostly white.
    right, left = np.array([0x0B, 0x6E, 0x8F]), np.array([0xE0, 0x72, 0x2C])
    rows = np.array_split(image, 3)
    for colour in (right, left):
        assert all((np.abs(row - colour).max(axis=2) < 12).sum() > 50 for row in rows)
    assert (image.min(axis=2) > 245).mean() > 0.8


def test_clips_of_another_version_of_the_body_are_listed_but_not_drawn(capsys, arms, folder, tmp_path) -> None:
    content = (folder / "bend.npz").read_bytes()
    old = tmp_path / "old" / "bend.npz"
    old.parent.mkdir()
    with zipfile.ZipFile(folder / "bend.npz") as before, zipfile.ZipFile(old, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(arms.hash.encode(), b"0" * len(arms.hash)))
    assert old.read_bytes() != content
    status, out, err = run(capsys, "clips", old.parent, "--picture", tmp_path / "page.png")
    assert status == 0
    assert "bend" in out and "another version of the body" in err
    assert not (tmp_path / "page.png").exists()


def test_many_clips_take_several_pages(arms, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(gallery, "PER_PAGE", 2)
    pages = draw_pages([(bending(arms, f"bend{number}"), arms) for number in range(3)], tmp_path / "page.png")
    assert [page.name for page in pages] == ["page.png", "page-2.png"]
    first, second = (imageio.imread(page).shape for page in pages)
    assert first[0] > second[0] and first[1] == second[1]


def test_a_walker_is_seen_from_the_right_and_walks_to_the_right(full, tmp_path) -> None:
    clip = bending(full)
    film = Film.of(clip, full)
    assert film.at(50, "pelvis")[0] - film.at(0, "pelvis")[0] == pytest.approx(0.5, abs=1e-6)
    assert film.at(0, "right_toe")[0] > film.at(0, "right_ankle")[0]  # Feet point forward.
    assert film.at(0, "head")[1] > film.at(0, "pelvis")[1] > film.at(0, "right_knee")[1]
    assert len(draw_pages([(clip, full)], tmp_path / "walk.png")) == 1


def test_a_sparkline_follows_its_curve() -> None:
    assert sparkline(np.arange(80.0), width=8) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.full(5, 3.0)) == "▁▁▁▁▁"
    assert sparkline(np.array([0.0, 1.0]), width=24) == "▁█"
