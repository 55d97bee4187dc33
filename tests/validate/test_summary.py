"""Groups of clips: means, intervals, seeds, and the file that keeps them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.validate.metrics import rounded
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.statistics import paired, share_interval
from myotrack.validate.summary import TOGETHER, Summary
from myotrack.validate.trials import MEAN, SAMPLED
from tests.validate.policies import bent, policy
from tests.validate.rollouts import perfect

LEARNT, STRANGE = "learnt clips", "held-out clips"


@pytest.fixture(scope="module")
def card(arms: Anatomy) -> Scorecard:
    """Three learnt clips that are 0, 10 and 20 mm off, two others 200 and 400 mm, and learnt ones by two more seeds."""
    trials = [bent(policy(arms, name=f"a{k}", group=LEARNT), 0.01 * k) for k in range(3)]
    trials += [bent(policy(arms, name=f"b{k}", group=STRANGE), 0.2 + 0.2 * k, first=10) for k in range(2)]
    for seed in (0, 1):
        for k in range(3):
            trial = policy(arms, name=f"a{k}", group=LEARNT, acting=SAMPLED, seed=seed)
            trials.append(bent(trial, 0.01 * k + 0.02 * seed + 0.01))
    return Scorecard.of([(trial, arms) for trial in trials])


def one(card: Scorecard, group: str, acting: str, metric: str, seed: str = "0") -> Summary:
    (found,) = [
        summary
        for summary in card.summaries
        if (summary.group, summary.acting, summary.metric, summary.seed) == (group, acting, metric, seed)
    ]
    return found


def test_a_mean_is_over_the_clips_of_its_group_only(card: Scorecard) -> None:
    summary = one(card, LEARNT, MEAN, "landmark_error_mean")
    assert summary.interval.mean == pytest.approx(10.0, rel=1e-4) and summary.interval.count == 3
    assert summary.interval.low is not None and 0 <= summary.interval.low < 10.0
    # Of twenty frames ten are 0 and ten 200 mm off; the other clip is lost with frame ten, and counts before it.
    assert one(card, STRANGE, MEAN, "landmark_error_mean").interval.mean == pytest.approx(50.0, rel=1e-4)


def test_success_is_a_share_of_clips_with_an_interval_that_has_a_width(card: Scorecard) -> None:
    half, wilson = one(card, STRANGE, MEAN, "success_published").interval, share_interval(0.5, 2)
    assert (half.mean, half.low, half.high) == pytest.approx((50.0, 100 * wilson.low, 100 * wilson.high))
    whole = one(card, LEARNT, MEAN, "success_strict").interval
    assert whole.mean == 100 and whole.low < 50


def test_several_seeds_are_told_one_by_one_and_together(card: Scorecard) -> None:
    assert one(card, LEARNT, SAMPLED, "landmark_error_mean", "0").interval.mean == pytest.approx(20.0, rel=1e-4)
    assert one(card, LEARNT, SAMPLED, "landmark_error_mean", "1").interval.mean == pytest.approx(40.0, rel=1e-4)
    both = one(card, LEARNT, SAMPLED, "landmark_error_mean", TOGETHER)
    assert both.interval.mean == pytest.approx(30.0, rel=1e-4) and both.interval.count == 3
    assert both.seeds is not None
    # (20 - 30)² + (40 - 30)² = 200; its root
    assert both.seeds.sd == pytest.approx(14.142, rel=1e-4)
    assert not [summary for summary in card.summaries if summary.acting == MEAN and summary.seeds is not None]


def test_a_clip_without_a_number_is_missing_from_the_count(arms: Anatomy) -> None:
    lost = bent(policy(arms, name="lost"), 5.0)
    card = Scorecard.of([(policy(arms), arms), (lost, arms)])
    assert one(card, "clips", MEAN, "success_published").interval.count == 2
    assert one(card, "clips", MEAN, "landmark_error_mean").interval.count == 1
    assert one(card, "clips", MEAN, "landmark_error_mean").ends == "one clip"


def test_a_clip_that_is_judged_twice_alike_is_refused(arms: Anatomy) -> None:
    card = Scorecard.of([(policy(arms), arms), (policy(arms), arms)])
    with pytest.raises(ValueError, match="Clip 'reach' was judged twice among 'clips'; tell its trials apart"):
        _ = card.summaries


def test_trials_that_are_judged_on_their_own_have_no_summary(arms: Anatomy) -> None:
    card = Scorecard.of([(perfect(arms), arms)])
    assert card.summaries == () and card.conditions is None
    assert card.as_dict().keys() == {"format", "version", "rows"}
    assert "group" not in card.as_dict()["rows"][0]


def test_policies_are_compared_over_the_clips_that_both_have_followed(arms: Anatomy, card: Scorecard) -> None:
    mine = card.values("landmark_error_mean", LEARNT, MEAN)
    assert mine == pytest.approx({"a0": 0.0, "a1": 10.0, "a2": 20.0}, rel=1e-4)
    # 20, 30 and 40 mm: means over two seeds.
    other = card.values("landmark_error_mean", LEARNT, SAMPLED)
    assert paired(other, mine).mean == pytest.approx(20.0, rel=1e-4)
    assert card.values("success_strict", STRANGE) == {"b0": 0.0, "b1": 0.0}
    with pytest.raises(KeyError, match=r"no 'landmark_error_mean' of 'learnt clips' \(any way\). There are: 'learnt"):
        card.values("landmark_error_mean", LEARNT)


def test_the_file_holds_means_with_their_conditions_and_comes_back(card: Scorecard, tmp_path: Path) -> None:
    path = tmp_path / "scorecard.json"
    card.save(path)
    again = Scorecard.load(path)
    assert again == card and again.summaries == card.summaries
    content = json.loads(path.read_text())
    assert [rule["landmark"] for rule in content["conditions"]["rules"]] == [0.30, 0.15]
    assert content["conditions"]["clips"] == 5
    row = next(row for row in content["summaries"] if row["metric"] == "success_published")
    assert (row["group"], row["acting"], row["clips"], row["mean"]) == (LEARNT, MEAN, 3, 100.0)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([], "its conditions have other fields"),
        ({"clips": 3}, "its conditions have other fields"),
        ({"rules": [{"landmark": 0, "root": 1, "name": ""}]}, "A rule needs positive distances"),
    ],
)
def test_conditions_that_are_none_are_refused(conditions, words: str, card: Scorecard, tmp_path: Path) -> None:
    content = card.as_dict()
    if isinstance(conditions, dict) and "rules" in conditions:
        conditions = content["conditions"] | conditions
    (tmp_path / "scorecard.json").write_text(json.dumps(content | {"conditions": conditions}))
    with pytest.raises(ValueError, match=f"scorecard.json: this is not a scorecard .*{words}"):
        Scorecard.load(tmp_path / "scorecard.json")


def test_one_of_several_trials_of_a_clip_is_found_by_how_it_was_made(arms: Anatomy, card: Scorecard) -> None:
    trial = policy(arms, name="a1", group=LEARNT, acting=SAMPLED, seed=1)
    score = card.found(trial, "landmark_error_mean")
    assert score is not None and score.value == pytest.approx(40.0, rel=1e-4)
    assert card.found(replace(trial, name="zz"), "landmark_error_mean") is None
    first = card.at("a1", "landmark_error_mean")
    assert first is not None and first.value == pytest.approx(10.0, rel=1e-4)
    assert trial.label == "a1, sampled actions, seed 1" and perfect(arms).label == "reach"


def test_a_mean_just_below_zero_is_no_negative_zero() -> None:
    assert rounded(-0.004, 2) == "0.00"
    assert rounded(-0.006, 2) == "-0.01"
