"""The page of a run stands alone, tells of every trial, and says what is missing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.muscles import GROUPS
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.trials import MEAN, SAMPLED
from myotrack.view.figures import activation_map, pictures
from myotrack.view.film import HEIGHT, LARGEST, Shot, film, frames_shown
from myotrack.view.report import report
from myotrack.view.section import Shown
from myotrack.view.stills import stills
from myotrack.view.words import summary
from tests.validate.policies import bent, policy
from tests.validate.rollouts import busy, perfect

SVG = "http://www.w3.org/2000/svg"
"""A name, not an address."""
VOID = {"meta", "link", "br", "hr", "img", "input", "source"}


class Reader(HTMLParser):
    """Elements that are not closed, addresses that a browser would load, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "xlink:href", "data", "poster", "srcset"):
                self.loads.append(value or "")
            if name == "href":
                (self.links if tag == "a" else self.loads).append(value or "")
            if name == "id":
                self.anchors.add(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parsed(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def page_of(*shown: Shown) -> str:
    card = Scorecard.of([(each.trial, each.anatomy) for each in shown])
    return report("Arms & legs", shown, card, {"command": "myotrack steer <reach>", "body hash": shown[0].anatomy.hash})


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(arms: Anatomy, full: Anatomy) -> None:
    page = page_of(Shown(busy(arms), arms, b"film"), Shown(busy(full, name="walk"), full))
    reader = parsed(page)
    assert reader.loads and all(address.startswith(("data:", "#")) for address in reader.loads)
    assert {link.removeprefix("#") for link in reader.links} <= reader.anchors
    assert not re.search(r"url\((?!#)", page) and "@import" not in page
    (script,) = re.findall(r"<script[^>]*>", page)
    assert script == "<script>" and "fetch(" not in page and "http" not in page.split("<script>")[1].replace(SVG, "")
    text = "".join(reader.words)
    for words in ("Arms & legs", "wave", "walk", "myotrack steer <reach>", arms.hash, "dropped 6 frames", "a.bvh"):
        assert words in text, words


def test_every_number_of_the_scorecard_stands_on_the_page_with_its_meaning(full: Anatomy) -> None:
    trial = busy(full)
    card = Scorecard.of([(trial, full)])
    text = "".join(parsed(page_of(Shown(trial, full))).words)
    for metric in card.metrics:
        score = card.at(trial.name, metric.name)
        assert score is not None and score.text in text
        assert metric.explained in text


def test_a_policy_is_shown_by_its_groups_with_intervals_and_thresholds(
    arms: Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("myotrack.view.section.pictures", lambda *_: [])
    trials = [
        bent(policy(arms, name=f"{group} {k}", group=group, acting=acting, seed=seed), 0.02 * k + 0.1 * seed)
        for group in ("learnt clips", "held-out clips")
        for acting, seeds in ((MEAN, (0,)), (SAMPLED, (0, 1)))
        for seed in seeds
        for k in range(3)
    ]
    card = Scorecard.of([(trial, arms) for trial in trials])
    page = report("A policy", [Shown(trial, arms) for trial in trials if trial.acting == MEAN], card)
    reader = parsed(page)
    assert {link.removeprefix("#") for link in reader.links} <= reader.anchors
    text = "".join(reader.words)
    for words in ("learnt clips", "held-out clips", "mean actions", "3 clips, seed 0", "sampled actions", "2 seeds"):
        assert words in text, words
    assert "published rule: landmarks 0.30 m, pelvis 0.50 m; strict rule: landmarks 0.15 m, pelvis 0.25 m" in text
    for each in card.summaries:
        if each.acting == MEAN:
            assert f"{each.text}<br><small>{each.ends}" in page
    for metric in card.metrics:
        assert metric.explained in text
    # Of two seeds 0.1 m apart: 0.1 / sqrt(2)
    assert "sd of seeds 70.71" in text


def test_many_motions_of_a_policy_are_rows_that_lead_to_their_parts(
    arms: Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("myotrack.view.section.pictures", lambda *_: [])
    shown = [Shown(policy(arms, name=f"clip {k}", group="held-out clips"), arms) for k in range(14)]
    reader = parsed(page_of(*shown))
    assert [link for link in reader.links if "trial-clip" in link] == [f"#{each.anchor}" for each in shown]
    assert reader.links.index("#motions") < reader.links.index("#reading")
    assert {each.anchor for each in shown} <= reader.anchors
    few = parsed(page_of(*shown[:2]))
    assert [few.links.count(f"#{each.anchor}") for each in shown[:2]] == [2, 2]  # In the contents and in the table.
    assert {f"{each.anchor}-time" for each in shown[:2]} <= few.anchors


def test_two_trials_of_a_clip_have_names_and_places_of_their_own(arms: Anatomy) -> None:
    page = page_of(*[Shown(policy(arms, acting=SAMPLED, seed=seed), arms) for seed in (0, 1)])
    text = "".join(parsed(page).words)
    assert "reach, sampled actions, seed 0" in text and "reach, sampled actions, seed 1" in text
    assert len(set(re.findall(r'<section class="trial" id="([^"]+)"', page))) == 2


def test_a_policy_and_muscle_control_stand_on_one_page(arms: Anatomy) -> None:
    page = page_of(Shown(policy(arms, name="learnt"), arms), Shown(busy(arms), arms))
    text = "".join(parsed(page).words)
    assert "Scorecard of single motions" in text and "missed moment, RMS" in text
    assert page.count("Joint moments</h3>") == 1  # Nobody asks a policy for moments.


def test_a_film_is_inside_the_page_and_a_missing_one_is_explained(arms: Anatomy) -> None:
    assert 'src="data:video/mp4;base64,ZmlsbQ=="' in page_of(Shown(perfect(arms), arms, b"film"))
    page = page_of(Shown(perfect(arms), arms, None, "Cannot draw off screen (no EGL)."))
    assert "<video" not in page
    assert "There is no film here: Cannot draw off screen (no EGL)." in page


def test_there_is_a_figure_for_whatever_a_trial_holds(arms: Anatomy, full: Anatomy) -> None:
    def names(trial, anatomy: Anatomy) -> list[str]:
        return [picture.name for picture in pictures(trial, anatomy)]

    assert names(busy(full), full) == ["errors", "angles", "ground", "activation", "emg", "moments"]
    assert names(busy(arms), arms) == ["errors", "angles", "activation", "emg", "moments"]
    assert names(replace(busy(arms), emg=None), arms) == ["errors", "angles", "activation", "moments"]
    explained = replace(busy(arms), kind="static optimisation", excitation=None)
    assert names(explained, arms) == ["angles", "activation", "emg", "moments"]


def test_a_trial_that_ended_early_says_so_in_words(arms: Anatomy) -> None:
    trial = replace(perfect(arms), wanted_frames=101, ended="the simulation left the numbers")
    assert "Ended early:</b> the simulation left the numbers." in page_of(Shown(trial, arms))
    assert summary(trial, arms).startswith("The simulated body performed 0.2 of 1.0 s of the motion")


def test_help_from_outside_is_told_in_words(full: Anatomy) -> None:
    assert "Nothing helped from outside." in summary(perfect(full), full)
    words = summary(busy(full), full)
    assert "held the pelvis" in words and "reserve moments helped the joints" in words


def test_the_map_lists_groups_in_the_order_of_the_anatomy_and_means_their_muscles(full: Anatomy) -> None:
    trial = busy(full)
    drawn = activation_map(trial, full)
    ((_, rows),) = drawn.blocks
    groups = [row.label for row in rows]
    assert groups == [group for group in GROUPS if group in groups] and len(groups) == 27
    mine = [index for index, muscle in enumerate(full.muscles) if (muscle.group, muscle.side) == ("deltoid", "left")]
    shown = rows[groups.index("deltoid")].values[drawn.columns.index("left")]
    assert shown is not None
    np.testing.assert_allclose(shown, trial.activation[:, mine].mean(dim=1).numpy(), atol=1e-6)


def test_a_name_from_a_stranger_cannot_put_markup_on_the_page(arms: Anatomy) -> None:
    page = page_of(Shown(replace(perfect(arms), name="<script>alert(1)</script>"), arms))
    assert "<script>alert" not in page
    parsed(page)


def test_the_view_has_room_for_every_landmark(arms: Anatomy, full: Anatomy) -> None:
    for anatomy in (arms, full):
        trial = busy(anatomy)
        shot = Shot.of(trial, anatomy)
        tall = shot.camera.distance * np.tan(np.radians(22.5))
        away = np.abs(trial.landmark_pos_w.numpy() - shot.look_at[:, None])
        assert away[..., 2].max() < tall
        assert np.hypot(away[..., 0], away[..., 1]).max() < 2 * tall
        assert shot.width % 2 == 0 and 0.7 < shot.width / HEIGHT < 1.4


# imageio leaves the pipe of its film reader to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_film_lasts_as_long_as_its_trial(arms: Anatomy, tmp_path: Path) -> None:
    import imageio.v3 as imageio

    trial = busy(arms, frames=41)
    assert frames_shown(trial)[:4] == [0, 3, 7, 10]  # 100 frames per second, shown at 30.
    told: list[tuple[int, int]] = []
    content = film(trial, arms, lambda done, total: told.append((done, total)))
    (tmp_path / "film.mp4").write_bytes(content)
    images = imageio.imread(tmp_path / "film.mp4")
    assert len(images) == len(frames_shown(trial)) == 13 and told[-1] == (13, 13)
    assert len(content) < LARGEST and images.std() > 5
    found = stills(content)
    assert 3 <= len(found) <= 6 and all(image.startswith(b"\xff\xd8") for image in found)
    assert stills(b"no film") == []
