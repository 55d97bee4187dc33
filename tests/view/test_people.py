"""The part of the page beside people shows what a portrait holds, with sources, and says what is missing."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.validate.norms import WIDTH, Norm
from myotrack.validate.portrait import Portrait, portrait
from myotrack.validate.published import usual
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.tracking import body_weight
from myotrack.validate.trials import Trial
from myotrack.view.people import (
    GAIT_ROWS,
    GROUND_ROWS,
    beside_people,
    cost_ratio,
    in_short,
    in_words,
    muscle_map,
    pictures,
)
from myotrack.view.report import report
from myotrack.view.section import Shown
from tests.validate.policies import policy
from tests.validate.rollouts import perfect
from tests.validate.walks import walking
from tests.view.test_report import parsed


@pytest.fixture(scope="module")
def walk(full: Anatomy) -> Trial:
    return walking(full)[0]


@pytest.fixture(scope="module")
def plain(full: Anatomy, walk: Trial) -> Portrait:
    return portrait(walk, full)


def text_of(page: str) -> str:
    return "".join(parsed(page).words)


def test_everything_of_a_walk_is_on_the_page(plain: Portrait) -> None:
    assert [picture.name for picture in pictures(plain)] == [
        "angles", "reaction", "cycle-moments", "cycle-powers", "cycle-emg", "muscles",
    ]  # fmt: skip
    text = text_of(beside_people(plain, "here"))
    for words in ("cadence", "steps/min", "double support", "Murray 1964, 1970", "loading rate", "Umberger", "Bhargava",
                  "Ralston 1958", "Pandolf 1977", "knee flexion", "soleus", "triceps surae"):  # fmt: skip
        assert words in text, words
    cadence = 60 * plain.gait.parameters()["cadence"].mean if plain.gait else 0.0
    assert f"cadence{cadence:.0f}" in text


def test_every_number_of_a_walk_has_people_beside_it_with_their_source(plain: Portrait) -> None:
    assert plain.gait is not None
    speed = plain.gait.parameters()["speed"].mean
    page = beside_people(plain, "here")
    table = page[page.index("The gait in numbers") :]
    rows = re.findall(r"<tr><th>(.*?)</tr>", table[table.index("<tbody>") : table.index("</table>")])
    assert len(rows) == len(GAIT_ROWS) + len(GROUND_ROWS)
    for row, (name, (title, _, factor, digits)) in zip(rows, (GAIT_ROWS | GROUND_ROWS).items(), strict=True):
        people = usual(name, speed)
        assert people is not None and row.startswith(title) and row.endswith(f"source'>{people.names}</td>")
        assert f">{factor * people.low:.{digits}f}" in row
        assert all(source.citation in text_of(page) for source in people.sources)


def test_a_norm_is_a_band_of_two_deviations_with_its_source(plain: Portrait) -> None:
    mean = np.linspace(0.1, 0.9, 101)
    norm = Norm("knee_angle", "angle", mean, np.full(101, 0.05), "3 adults", "Somebody 1999")
    found = replace(plain, norms={"knee_angle": norm}, missing={})
    (angles,) = (each for each in pictures(found) if each.name == "angles")
    (panel,) = (each for each in angles.panels if each.title == "knee flexion")  # type: ignore[union-attr]
    band = next(line for line in panel.lines if line.key == "people")
    assert band.other is not None
    np.testing.assert_allclose(band.values - band.other, np.degrees(2 * WIDTH * 0.05))
    assert "3 adults (Somebody 1999)" in angles.words
    assert panel.note.startswith("r ") and "% inside" in panel.note


def test_without_norms_a_sentence_says_so_and_the_rest_is_shown(plain: Portrait) -> None:
    page = beside_people(plain, "here")
    assert "Curves of people are not at hand" in text_of(page)
    assert "k-people" not in page and "k-own" in page


def test_every_muscle_is_in_the_map_once(full: Anatomy, plain: Portrait) -> None:
    drawn = muscle_map(plain)
    names = [row.label for _, rows in drawn.blocks for row in rows]
    assert len(names) == len(set(names)) == sum(muscle.side != "left" for muscle in full.muscles)
    assert {"soleus", "recfem"} <= set(names)


def test_the_cost_is_told_as_a_multiple_of_that_of_people(plain: Portrait) -> None:
    words = cost_ratio(plain.spent)
    assert words is not None and "times what people do who walk at" in words
    fast = tuple(replace(each, speed=3.0) for each in plain.spent)
    assert cost_ratio(fast) is None  # People run at this speed.
    still = tuple(replace(each, speed=None) for each in plain.spent)
    assert "who stand still" in (cost_ratio(still) or "")


def test_arms_say_that_they_have_no_feet(arms: Anatomy) -> None:
    text = text_of(beside_people(portrait(perfect(arms), arms), "here"))
    assert "has no feet" in text and "What it costs" in text and "cadence" not in text


def cut(trial: Trial, frames: int) -> Trial:
    arrays = {name: value[:frames] for name, value in vars(trial).items() if isinstance(value, torch.Tensor)}
    return replace(trial, **arrays)


@pytest.mark.parametrize("case", ["no frames", "one frame", "no forces", "held", "ended early", "arms", "no stride"])
def test_partial_trials_make_a_whole_page(full: Anatomy, arms: Anatomy, walk: Trial, case: str) -> None:
    """Whatever is missing is told in a sentence, and the page is sound."""
    held = torch.zeros_like(walk.support)
    held[:, 2] = body_weight(full) / 2
    trial, body, words = {
        "no frames": (cut(walk, 0), full, "Nothing of the"),
        "one frame": (cut(walk, 1), full, "a stride takes longer"),
        "no forces": (replace(walk, foot_force_w=0 * walk.foot_force_w), full, "No force of the ground was recorded"),
        "held": (replace(walk, support=held), full, "A support of 50 %"),
        "ended early": (replace(cut(walk, 150), ended="it fell"), full, "Ended early: it fell."),
        "arms": (policy(arms), arms, "has no feet"),
        "no stride": (policy(full, 60), full, "no whole stride"),
    }[case]
    shown = Shown(trial, body, portrait=portrait(trial, body))
    page = report("A page", [shown], Scorecard.of([(trial, body)]))
    reader = parsed(page)
    assert words in "".join(reader.words)
    assert {link.removeprefix("#") for link in reader.links} <= reader.anchors
    assert not re.search(r'="[^"]*\b(nan|inf)\b', page)


def test_the_head_of_the_page_tells_it_in_words(full: Anatomy, walk: Trial, plain: Portrait) -> None:
    page = report("A page", [Shown(walk, full, portrait=plain)], Scorecard.of([(walk, full)]))
    head = page[page.index("<header") : page.index("</header>")]
    assert in_short(plain) in head and "Of 1 motion" in head
    assert "r\u00a0=" not in in_short(plain) and "times what people do" in in_short(plain)
    assert in_words(plain) in page
