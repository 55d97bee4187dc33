"""A recording that lacks something still makes a page: it says what is missing, and shows the rest."""

import re
from html import unescape
from pathlib import Path

import pytest

from myotrack.workflow.cli import main

LOST = (0.9, 1.3)
"""When the right leg is not seen [s]."""


@pytest.fixture
def recording(data_folder: Path, tmp_path: Path) -> dict[str, Path]:
    """A walk over force plates (Rajagopal et al. 2016), whole and spoilt."""
    folder = data_folder / "rajagopal2016"
    found = {"motion": folder / "motion_capture_walk.trc", "forces": folder / "grf_walk.mot"}
    if not all(path.is_file() for path in found.values()):
        pytest.skip(f"The walk of Rajagopal et al. is not in {folder}.")
    (tmp_path / "gap.trc").write_text(with_a_gap(found["motion"].read_text()))
    (tmp_path / "one_foot.mot").write_text(on_one_foot(found["forces"].read_text()))
    return found | {"gap": tmp_path / "gap.trc", "one foot": tmp_path / "one_foot.mot"}


def with_a_gap(trc: str) -> str:
    """Without what is below the right hip for a while."""
    lines = [line.split("\t") for line in trc.splitlines()]
    names = next(line for line in lines if line[0] == "Frame#")
    gone = [i for i, name in enumerate(names) if re.match(r"R\.(TH|Knee|SH|Ankle|Heel|MT|Toe)", name)]
    for line in lines:
        if line[0].isdigit() and len(line) > len(names) - 3 and LOST[0] <= float(line[1]) < LOST[1]:
            for column in gone:
                line[column : column + 3] = [""] * 3
    return "\n".join("\t".join(line) for line in lines)


def on_one_foot(mot: str) -> str:
    """As if the left foot had stepped beside its plate."""
    head, _, table = mot.partition("endheader\n")
    names, *rows = [line.split("\t") for line in table.splitlines()]
    left = [i for i, name in enumerate(names) if "_l_" in name]
    for row in rows:
        for column in left:
            row[column] = "0"
    return head + "endheader\n" + "\n".join("\t".join(line) for line in (names, *rows))


def explained(capsys: pytest.CaptureFixture[str], out: Path, *arguments: object) -> tuple[int, str, str]:
    """Status, the words of the page and of standard error."""
    with pytest.raises(SystemExit) as stop:
        main(["steer", *map(str, arguments), "--mode", "static", "--no-video", "--out", str(out)])
    page = out / "report.html"
    words = unescape(re.sub(r"<[^>]+>", " ", page.read_text())) if page.exists() else ""
    return int(stop.value.code or 0), re.sub(r"\s+", " ", words), capsys.readouterr().err


def test_one_foot_on_the_plate(capsys, recording: dict[str, Path], tmp_path: Path) -> None:
    motion, forces = recording["motion"], recording["one foot"]
    status, page, _ = explained(capsys, tmp_path / "run", motion, "--forces", forces)
    assert status == 0 and re.search(
        r"Left out: 1\.\d\d s of 2\.38 s, .* a foot may have stood beside the plates", page
    )
    assert "No EMG was recorded with the motion" in page and "has no whole stride" in page
    for shown in ("Over time", "What it costs", "triceps surae"):
        assert shown in page


def test_a_leg_that_is_not_seen_for_a_while(capsys, recording: dict[str, Path], tmp_path: Path) -> None:
    status, page, _ = explained(capsys, tmp_path / "run", recording["gap"], "--forces", recording["forces"])
    assert status == 0 and "for up to 0.40 s not seen: " in page and "R.Knee" in page and "is made up there" in page
    assert "L.Knee" not in page and "What it costs" in page


def test_without_forces_it_says_what_to_do_instead(capsys, recording: dict[str, Path], tmp_path: Path) -> None:
    status, page, err = explained(capsys, tmp_path / "run", recording["motion"])
    assert status == 2 and not page and err.count("\n") == 1
    assert "--forces" in err and "--mode control" in err
