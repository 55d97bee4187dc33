"""The trainer: budgets, checkpoints, stops of every kind, and going on as if there had been none."""

import math
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from myotrack.train import checkpoint
from myotrack.train.checkpoint import CheckpointError, load
from myotrack.train.env import State
from myotrack.train.log import LOG, read_log
from myotrack.train.trainer import BEST, CHECKPOINTS, LAST, Budget, Progress, Trainer
from tests.train.aside import aside, wait_for
from tests.train.learners import Line

EVERY = 0.2


def learn_for_long(folder: Path) -> None:
    """Train until somebody asks to stop, and tell how it ended."""
    trainer = Trainer([(Line(pause=0.01), Budget(steps=10_000_000))], folder, {}, every=EVERY)
    (folder / "how.txt").write_text(trainer.run().how)


class Scored(Line):
    """Says what its scores are."""

    def __init__(self, scores: list[float], name: str = "scored") -> None:
        super().__init__(name)
        self._scores = scores

    def advance(self) -> dict[str, float]:
        told = super().advance()
        return told | {"score": self._scores[self.calls - 1]}


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


def test_luck_does_not_reach_a_target(tmp_path: Path) -> None:
    # Smoothed by halves: 9, 4.5, 2.25, 1.125, 2.0625, 3.03; the first two do not count.
    scores = [9.0, 0.0, 0.0, 0.0, 3.0, 4.0, 4.0]
    line = Scored(scores)
    Trainer([(line, Budget(steps=112, target=3.0))], tmp_path, {}).run()
    assert line.calls == 6


def test_a_stage_ends_with_its_time_of_learning_alone(tmp_path: Path) -> None:
    line = Line(pause=0.05)
    began = time.monotonic()
    outcome = Trainer([(line, Budget(minutes=0.5 / 60))], tmp_path, {}).run(lambda now: time.sleep(0.05))
    assert 0.5 <= outcome.seconds < 0.7
    assert line.calls <= 10
    assert time.monotonic() - began > outcome.seconds + 0.04 * line.calls


def test_time_goes_on_where_it_stopped(tmp_path: Path) -> None:
    Trainer([(Line(pause=0.05), Budget(minutes=0.2 / 60))], tmp_path, {}).run()
    second = Trainer([(again := Line(pause=0.05), Budget(minutes=0.5 / 60))], tmp_path, {})
    second.resume()
    before = again.calls
    outcome = second.run()
    assert 0.5 <= outcome.seconds < 0.7
    assert before >= 3 and again.calls <= 10
    seconds = [row["seconds"] for row in read_log(tmp_path / LOG)]
    assert seconds == sorted(seconds)


def test_what_is_left_of_a_stage_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    Trainer([(Line(pause=0.02), Budget(steps=64))], tmp_path, {}).run(told.append)
    # After one call of four, three are left, as long as the one.
    assert told[0].left == pytest.approx(3 * told[0].seconds)
    assert told[0].speed == pytest.approx(16 / told[0].seconds)
    assert told[-1].left == 0.0
    Trainer([(Line(), Budget(target=-0.5))], tmp_path / "other", {}).run(told.append)
    assert told[-1].left is None


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
            assert one.state().keys() == other.state().keys()
            for name, value in one.state().items():
                assert torch.equal(value, other.state()[name]), name
        scores = [[row["score"] for row in read_log(tmp_path / name / LOG)] for name in ("whole", f"cut{cut}")]
        assert scores[0] == scores[1]
        for checkpoint_name in (LAST, BEST):
            judged = [
                load(tmp_path / name / CHECKPOINTS / checkpoint_name)[1]["count"] for name in ("whole", f"cut{cut}")
            ]
            for name in ("stage", "rows", "score", "best", "kept"):
                assert judged[0][name] == judged[1][name], name


def test_a_kill_loses_little_and_nothing_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINTS / LAST
    with aside(learn_for_long, tmp_path) as child:
        wait_for(path)
        time.sleep(1.0)
        child.kill()
        child.join()
        killed = time.time()
    tensors, about = load(path)
    assert torch.isfinite(tensors["0.weight"]).all()
    # Every 0.2 s, and a call and a checkpoint more.
    assert killed - path.stat().st_mtime < EVERY + 0.4
    rows = about["count"]["rows"]
    assert len(read_log(tmp_path / LOG)) >= rows
    second = Trainer([(Line(), Budget(steps=16 * (rows + 3)))], tmp_path, {})
    second.resume()
    assert second.run().how == "finished"
    assert [row["row"] for row in read_log(tmp_path / LOG)] == list(range(1, rows + 4))
    # Nobody would have seen it in the scores.
    Trainer([(Line(), Budget(steps=16 * (rows + 3)))], tmp_path / "whole", {}).run()
    scores = [[row["score"] for row in read_log(folder / LOG)] for folder in (tmp_path, tmp_path / "whole")]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_met_with_a_checkpoint(tmp_path: Path, kind: signal.Signals) -> None:
    with aside(learn_for_long, tmp_path) as child:
        wait_for(tmp_path / CHECKPOINTS / LAST)
        assert child.pid is not None
        os.kill(child.pid, kind)
        child.join(30)
        assert child.exitcode == 0
    assert (tmp_path / "how.txt").read_text() == "stopped"
    rows = read_log(tmp_path / LOG)
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == len(rows)


def test_signals_mean_afterwards_what_they_meant_before(tmp_path: Path) -> None:
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(kind) for kind in kinds]
    during: list[object] = []
    trainer = Trainer([(Line(), Budget(steps=16))], tmp_path, {})
    trainer.run(lambda now: during.extend(signal.getsignal(kind) for kind in kinds))
    assert [signal.getsignal(kind) for kind in kinds] == before
    assert not set(before) & set(during)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with aside(learn_for_long, tmp_path) as child:
        wait_for(tmp_path / CHECKPOINTS / LAST)
        words = f"{tmp_path}: process {child.pid} is training here already"
        with pytest.raises(ValueError, match=words):
            Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run()
        # Going on would drop what the other has just gathered.
        late = Line()
        with pytest.raises(ValueError, match=words):
            Trainer([(late, Budget(steps=16))], tmp_path, {}).resume()
        assert late.calls == 0
        child.kill()
        child.join()
        # The kernel gave the lock back.
        assert Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run().how == "finished"


def test_learning_that_diverges_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINTS / LAST
    outcome = Trainer([(Line(fail_at=5), Budget(steps=1600))], tmp_path, {}, every=0.0).run()
    assert outcome.how == "diverged"
    assert outcome.words == (
        f"Learning diverged (The line is not straight), and the last good state is {path}; --resume goes on from there."
    )
    assert load(path)[1]["count"]["rows"] == 4


def test_learning_that_diverges_keeps_the_best_since_the_last_checkpoint(tmp_path: Path) -> None:
    outcome = Trainer([(Line(fail_at=5), Budget(steps=1600))], tmp_path, {}).run()
    # No checkpoint was due yet, so only the best is there.
    assert outcome.words.endswith("the last good state is the beginning.")
    assert os.listdir(tmp_path / CHECKPOINTS) == [BEST]


def test_what_is_not_a_number_never_gets_into_a_checkpoint(tmp_path: Path) -> None:
    outcome = Trainer([(Line(poison_at=6), Budget(steps=1600))], tmp_path, {}, every=0.0).run()
    assert outcome.how == "diverged"
    assert "'0.weight' is not made of numbers" in outcome.words
    for name in (LAST, BEST):
        tensors, about = load(tmp_path / CHECKPOINTS / name)
        assert about["count"]["rows"] <= 5
        assert checkpoint.first_not_finite(tensors) is None
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == 5


def test_a_score_that_is_not_a_number_is_a_divergence(tmp_path: Path) -> None:
    outcome = Trainer([(Scored([1.0, math.nan]), Budget(steps=1600))], tmp_path, {}, every=0.0).run()
    assert (outcome.how, outcome.steps) == ("diverged", 16)
    assert "The score of 'scored' is not a number" in outcome.words


def test_the_best_is_kept_beside_the_last(tmp_path: Path) -> None:
    scores = [1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0]
    Trainer([(Scored(scores), Budget(steps=160))], tmp_path, {"body_hash": "ab"}).run()
    # Smoothed by halves: 1, 1.5, 2.25, 3.125, 3.06, ...
    _, best = load(tmp_path / CHECKPOINTS / BEST)
    assert (best["count"]["rows"], best["stage"], best["score"]) == (4, "scored", 3.125)
    assert load(tmp_path / CHECKPOINTS / LAST)[1]["count"]["rows"] == 10
    assert best["body_hash"] == "ab"


def test_a_later_stage_is_the_best_once_it_beats_the_one_before(tmp_path: Path) -> None:
    def best_after(later: list[float], folder: Path) -> tuple[str, float]:
        stages = [(Scored([2.0, 2.0], "one"), Budget(steps=32)), (Scored(later, "two"), Budget(steps=16 * len(later)))]
        outcome = Trainer(stages, folder, {}).run()
        _, about = load(folder / CHECKPOINTS / BEST)
        # Its own best begins anew: like is compared with like.
        assert outcome.best == max(later)
        return about["stage"], about["score"]

    assert best_after([1.0, 1.0, 1.0], tmp_path / "worse") == ("one", 2.0)
    assert best_after([3.0, 1.0, 1.0], tmp_path / "better") == ("two", 3.0)


def test_every_change_of_stage_is_a_checkpoint(tmp_path: Path) -> None:
    seen: list[State] = []

    class Second(Line):
        def advance(self) -> dict[str, float]:
            seen.append(load(tmp_path / CHECKPOINTS / LAST)[0])
            return super().advance()

    first = Line("one")
    Trainer([(first, Budget(steps=48)), (Second("two"), Budget(steps=16))], tmp_path, {}).run()
    assert int(seen[0]["0.calls"]) == 3
    assert torch.equal(seen[0]["0.weight"], first.net.weight)


def test_a_full_disk_ends_learning_and_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer([(Line(), Budget(steps=160))], tmp_path, {}, every=0.0)

    def fill(now: Progress) -> None:
        if now.steps == 64:
            monkeypatch.setattr(os, "fsync", full)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(
        OSError, match="could not be written .No space left on device.; the one before it is still there"
    ):
        trainer.run(fill)
    monkeypatch.undo()
    again = Trainer([(line := Line(), Budget(steps=160))], tmp_path, {})
    again.resume()
    assert line.calls == 4
    assert again.run().steps == 160
    assert [row["row"] for row in read_log(tmp_path / LOG)] == list(range(1, 11))


def test_a_checkpoint_of_other_stages_is_refused(tmp_path: Path) -> None:
    Trainer([(Line(), Budget(steps=16)), (Line("two"), Budget(steps=16))], tmp_path, {}).run()
    with pytest.raises(
        CheckpointError, match="does not fit the stages of this training .it is of 'two', they are line"
    ):
        Trainer([(Line(), Budget(steps=16))], tmp_path, {}).resume()
    with pytest.raises(CheckpointError, match="it is of 'two', they are line, three"):
        Trainer([(Line(), Budget(steps=16)), (Line("three"), Budget(steps=16))], tmp_path, {}).resume()
    with pytest.raises(CheckpointError, match="there is no such file"):
        Trainer([(Line(), Budget(steps=16))], tmp_path / "nowhere", {}).resume()


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run()
    other = Line()
    other.net = torch.nn.Linear(2, 1)
    with pytest.raises(CheckpointError, match=r"does not fit .*size mismatch for weight.*; begin a new run"):
        Trainer([(other, Budget(steps=16))], tmp_path, {}).resume()


@pytest.mark.parametrize(
    "count", [None, [], {"stage": -1}, {"stage": "0"}, {"rows": 1.5}, {"seconds": None}, {"cake": 1}]
)
def test_a_count_that_is_none_is_refused(tmp_path: Path, count: object) -> None:
    path = tmp_path / CHECKPOINTS / LAST
    checkpoint.save(path, Line().state(), {"count": count, "stage": "line"})
    with pytest.raises(CheckpointError, match="does not fit the stages of this training .*in its header"):
        Trainer([(Line(), Budget(steps=16))], tmp_path, {}).resume()


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / CHECKPOINTS
    folder.mkdir()
    (folder / ".last.safetensors.ab12.part").write_bytes(b"half")
    (tmp_path / ".policy.safetensors.ab12.part").write_bytes(b"half")
    Trainer([(Line(), Budget(steps=16))], tmp_path, {}).run()
    assert sorted(os.listdir(folder)) == [BEST, LAST]
    assert not list(tmp_path.glob(".*.part"))
