"""Settings as JSON and back: nothing is lost, and what is off is named."""

import json
from dataclasses import replace

import pytest

from myotrack.track.action import Correction, Direct
from myotrack.track.task import Task
from myotrack.workflow.plain import as_plain, from_plain
from myotrack.workflow.recipes import RECIPES, Experiment, arms, arms_ppo


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_survives_json(name: str) -> None:
    experiment = RECIPES[name]()
    assert from_plain(Experiment, json.loads(json.dumps(as_plain(experiment)))) == experiment


def test_a_choice_between_classes_keeps_its_class() -> None:
    task = Task(action=Correction(scale=5.0))
    plain = as_plain(task)
    assert plain["action"] == {"is": "Correction", "scale": 5.0, "stiffness": 900.0}
    assert from_plain(Task, plain) == task
    assert from_plain(Task, as_plain(Task(action=Direct(rest=0.1)))).action == Direct(rest=0.1)


def test_infinite_numbers_survive_json() -> None:
    experiment = arms_ppo()
    assert experiment.ppo is not None
    endless = replace(experiment, ppo=replace(experiment.ppo, anchor_half_life=float("inf")))
    text = json.dumps(as_plain(endless), allow_nan=False)
    assert from_plain(Experiment, json.loads(text)) == endless


def test_what_an_older_file_does_not_say_is_as_by_default() -> None:
    plain = as_plain(arms())
    del plain["task"]["rule"], plain["worlds"]
    assert from_plain(Experiment, plain) == arms()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("worlds",), "many", "worlds is 'many', and should be of the type int"),
        (("body",), "legs", "body is 'legs', and may be 'arms', 'full'"),
        (("task", "action"), {"is": "Magic"}, "task.action is of the class 'Magic'; there are Direct, Correction"),
        (("task", "colour"), 3, "task has a field 'colour', which this myotrack does not know"),
        (("clips", "builtin"), "reach", "clips.builtin is 'reach', and should be a list"),
    ],
)
def test_what_is_off_is_named(place: tuple[str, ...], value: object, words: str) -> None:
    plain = as_plain(arms())
    here = plain
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = value
    with pytest.raises(ValueError, match=words):
        from_plain(Experiment, plain)
