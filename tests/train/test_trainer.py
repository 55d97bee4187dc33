"""The trainer: budgets, checkpoints, stops of every kind, and going on as if there had been none."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from myotrack.train.checkpoint import CheckpointError, load
from myotrack.train.log import LOG, RunLog, read_log
from myotrack.train.trainer import BEST, CHECKPOINTS, LAST, Budget, Progress, Trainer
from tests.train.learners import Line

RUN = """
import sys
from pathlib import Path
from myotrack.train.trainer import Budget, Trainer
from tests.train.learners import Line
trainer = Trainer([(Line(pause=0.01), Budget(steps=int(sys.argv[2])))], Path(sys.argv[1]), {}, every=0.2)
if "resume" in sys.argv:
    trainer.resume()
print("begun", flush=True)
print(trainer.run().how, flush=True)
"""
ROOT = Path(__file__).parents[2]


def start(folder: Path, steps: int, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(folder), str(steps), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def test_a_stage_ends_with_its_steps(tmp_path: Path) -> None:
    line = Line()
    told: list[Progress] = []
    outcome = Trainer([(line, Budget(steps=100))], tmp_path, {}).run(told.append)
    # 16 steps a call: six are too few, seven are enough.
    assert (line.calls, outcome.steps, outcome.how) == (7, 112, "finished")
    assert [each.steps for each in told] == [16 * (call + 1) for call in range(7)]
    assert told[3].share == pytest.approx(64 / 100)
    assert told[-1].share == 1.0


def test_a_stage_ends_at_its_target(tmp_path: Path) -> None:
    line = Line()
    outcome = Trainer([(line, Budget(steps=100_000, target=-0.05))], tmp_path, {}).run()
    assert outcome.how == "finished"
    assert 10 < line.calls < 200
    assert outcome.best >= -0.05


def test_a_stage_ends_with_its_time(tmp_path: Path) -> None:
    line = Line(pause=0.05)
    outcome = Trainer([(line, Budget(minutes=0.5 / 60))], tmp_path, {}).run()
    assert 0.5 <= outcome.seconds < 0.7
    assert line.calls <= 10


def test_learning_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="Learning needs an end"):
        Budget()


def test_going_on_equals_not_having_stopped(tmp_path: Path) -> None:
    def trainer(folder: str, steps: int) -> tuple[Trainer, list[Line]]:
        lines = [Line("one", seed=1), Line("two", seed=2)]
        stages = [(lines[0], Budget(steps=160)), (lines[1], Budget(steps=steps))]
        return Trainer(stages, tmp_path / folder, {}), lines

    whole, lines = trainer("whole", 320)
    whole.run()
    for cut in (16, 160):
        first, _ = trainer(f"cut{cut}", cut)
        first.run()
        second, again = trainer(f"cut{cut}", 320)
        second.resume()
        assert second.run().steps == 480
        for one, other in zip(lines, again, strict=True):
            assert torch.equal(one.net.weight, other.net.weight)
            assert one.calls == other.calls
        scores = [[row["score"] for row in read_log(tmp_path / name / LOG)] for name in ("whole", f"cut{cut}")]
        assert scores[0] == scores[1]


def test_a_kill_loses_little_and_nothing_is_damaged(tmp_path: Path) -> None:
    child = start(tmp_path, 10_000_000)
    wait_for(tmp_path / CHECKPOINTS / LAST)
    time.sleep(1.0)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    killed = time.time()
    path = tmp_path / CHECKPOINTS / LAST
    tensors, about = load(path)
    assert torch.isfinite(tensors["0.weight"]).all()
    # Every 0.2 s, and while scores rise more often.
    assert killed - path.stat().st_mtime < 0.6
    rows = about["count"]["rows"]
    second = Trainer([(Line(), Budget(steps=16 * (rows + 3)))], tmp_path, {})
    second.resume()
    assert second.run().how == "finished"
    assert [row["row"] for row in read_log(tmp_path / LOG)] == list(range(1, rows + 4))


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_met_with_a_checkpoint(tmp_path: Path, kind: signal.Signals) -> None:
    child = start(tmp_path, 10_000_000)
    wait_for(tmp_path / CHECKPOINTS / LAST)
    child.send_signal(kind)
    out, error = child.communicate(timeout=30)
    assert out.split() == ["begun", "stopped"], error
    rows = read_log(tmp_path / LOG)
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == len(rows)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    child = start(tmp_path, 10_000_000)
    wait_for(tmp_path / LOG)
    with pytest.raises(ValueError, match=f"process {child.pid} is training here already"):
        Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    # The kernel gave the lock back.
    assert Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run().how == "finished"


def test_learning_that_diverges_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    outcome = Trainer([(Line(fail_at=5), Budget(steps=1600))], tmp_path, {}, every=0.0).run()
    assert outcome.how == "diverged"
    assert "The line is not straight." in outcome.words
    assert str(tmp_path / CHECKPOINTS / LAST) in outcome.words
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == 4


def test_what_is_not_a_number_never_gets_into_a_checkpoint(tmp_path: Path) -> None:
    outcome = Trainer([(Line(poison_at=6), Budget(steps=1600))], tmp_path, {}, every=0.0).run()
    assert outcome.how == "diverged"
    assert "'0.weight' is not made of numbers" in outcome.words
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == 5


def test_the_best_is_kept_beside_the_last(tmp_path: Path) -> None:
    class Fading(Line):
        """Gets worse from the fourth call on."""

        def advance(self) -> dict[str, float]:
            told = super().advance()
            return told | {"score": float(min(self.calls, 8 - self.calls))}

    Trainer([(Fading(), Budget(steps=160))], tmp_path, {"body_hash": "ab"}).run()
    # Smoothed by halves: 1, 1.5, 2.25, 3.125, 3.06, ...
    best, last = (load(tmp_path / CHECKPOINTS / name)[1] for name in (BEST, LAST))
    assert (best["count"]["rows"], last["count"]["rows"]) == (4, 10)
    assert best["count"]["best"] == pytest.approx(3.125)
    assert best["body_hash"] == "ab"


def test_a_checkpoint_of_other_stages_is_refused(tmp_path: Path) -> None:
    Trainer([(Line(), Budget(steps=16)), (Line("two"), Budget(steps=16))], tmp_path, {}).run()
    with pytest.raises(CheckpointError, match="does not fit the stages of this training"):
        Trainer([(Line(), Budget(steps=16))], tmp_path, {}).resume()
    with pytest.raises(CheckpointError, match="there is no such file"):
        Trainer([(Line(), Budget(steps=16))], tmp_path / "nowhere", {}).resume()


def test_a_torn_line_of_the_log_is_left_out(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as log:
        for number in range(4):
            log.add({"row": number})
    with (tmp_path / LOG).open("a") as stream:
        stream.write('{"row": 4, "sco')
    assert [row["row"] for row in read_log(tmp_path / LOG)] == [0, 1, 2, 3]
    with RunLog(tmp_path, 2) as log:
        log.add({"row": 9})
    assert [json.loads(line)["row"] for line in (tmp_path / LOG).read_text().splitlines()] == [0, 1, 9]
    assert read_log(tmp_path / "none.jsonl") == []


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / CHECKPOINTS
    folder.mkdir()
    (folder / ".last.safetensors.ab12.part").write_bytes(b"half")
    Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run()
    assert sorted(os.listdir(folder)) == [BEST, LAST]
