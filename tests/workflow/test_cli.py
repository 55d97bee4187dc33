import json
import subprocess
import sys

import pytest

from myotrack.workflow.cli import main


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def test_the_summary_names_the_sizes(capsys) -> None:
    status, out, _ = run(capsys, "anatomy", "--body", "arms", "--fingers")
    assert status == 0
    assert "126" in out and "54" in out


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("joints", {"joint": "elbow_flex_r", "positive is": "elbow flexion", "driver": "independent"}),
        ("muscles", {"muscle": "BIClong", "group": "elbow flexors", "side": "right"}),
        ("landmarks", {"landmark": "right_hand", "segment": "thirdmc_r"}),
        ("couplings", {"joint": "shoulder1_r2_r", "driver": "elv_angle_r", "polynomial [rad or m]": "-1 x"}),
        ("changes", {"switch": "thorax", "old": "0.150 m", "new": "0.126 m"}),
        ("paths", {"muscle": "BRA", "joints at once, at most": "1"}),
    ],
)
def test_each_table_can_be_read_by_a_program(capsys, table: str, expected: dict[str, str]) -> None:
    status, out, _ = run(capsys, "anatomy", "--body", "arms", f"--{table}", "--json")
    rows = json.loads(out)["tables"][0]["rows"]
    assert status == 0
    assert any(expected.items() <= row.items() for row in rows)


def test_the_tables_for_people_keep_their_units(capsys) -> None:
    _, out, _ = run(capsys, "anatomy", "--body", "arms", "--muscles")
    assert "peak force [N]" in out


def test_an_unknown_body_is_refused_with_status_2(capsys) -> None:
    status, _, err = run(capsys, "anatomy", "--body", "legs")
    assert status == 2
    assert "legs" in err and "arms" in err


def test_bad_input_is_one_sentence_without_a_traceback(capsys) -> None:
    status, out, err = run(capsys, "bench", "--worlds", "0")
    assert (status, out) == (2, "")
    assert err == "myotrack: bench needs at least one world, one step and one round.\n"


def test_a_picture_of_unknown_kind_is_refused_before_measuring(capsys, tmp_path) -> None:
    status, _, err = run(capsys, "bench", "--body", "arms", "--picture", str(tmp_path / "a.bmp"))
    assert status == 2
    assert "a picture ends in .png and a film in .mp4" in err


def test_bench_prints_one_json_object_with_both_speeds(capsys) -> None:
    status, out, _ = run(
        capsys, "bench", "--body", "arms", "--worlds", "2", "3", "--steps", "2", "--rounds", "1", "--json"
    )
    report = json.loads(out)
    assert status == 0
    assert [row["worlds"] for row in report["results"]] == [2, 3]
    for row in report["results"]:
        # The ratio is that of the two speeds; real time is 100 control steps per second and world.
        ratio = row["control_steps_per_s"] / row["plain_loop_control_steps_per_s"]
        assert row["ratio_to_plain_loop"] == pytest.approx(ratio)
        assert row["real_time_factor"] == pytest.approx(row["control_steps_per_s"] / 100 / row["worlds"])
        assert row["lost_worlds"] == 0


def test_bench_on_a_gpu_that_is_not_there_says_so(capsys, monkeypatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, _, err = run(capsys, "bench", "--body", "arms", "--device", "cuda", "--worlds", "2")
    assert status == 2
    assert err.startswith("myotrack: ") and "CUDA" in err and "Traceback" not in err


def test_help_teaches_without_loading_heavy_libraries() -> None:
    program = (
        "import sys\nfrom myotrack.workflow.cli import main\n"
        "try:\n    main(['bench', '--help'])\nexcept SystemExit:\n    pass\n"
        "print('heavy:', {'torch', 'mujoco', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "myotrack bench --device cuda" in out
    assert "heavy: set()" in out
