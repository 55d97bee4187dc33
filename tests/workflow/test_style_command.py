"""`myotrack train style`: a run that is paid for style, goes on as if it never stopped, and what it may begin with."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from myotrack.clips.builtin import builtin
from myotrack.track.task import Task
from myotrack.train import checkpoint
from myotrack.train.discriminator import DiscriminatorSettings
from myotrack.train.log import LOG, read_log
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import PolicySettings
from myotrack.train.ppo import PPOSettings
from myotrack.workflow import learning
from myotrack.workflow.asked import going_on
from myotrack.workflow.policies import open_policy
from myotrack.workflow.recipes import RECIPES, ClipChoice, Experiment, style
from myotrack.workflow.train import learn

STEPS = PPOSettings(steps=4, epochs=1, minibatches=1)
ARMS = replace(
    style(),
    body="arms",
    level="original",
    clips=ClipChoice(("reach~0",), ()),
    task=Task(hold=2),
    policy=PolicySettings(network=NetworkSettings(width=16, blocks=1), std=0.1),
    ppo=STEPS,
    style=DiscriminatorSettings(updates=2, batch=16),
    worlds=4,
    minutes=None,
    steps=32,
)
"""Everything small: what is learnt does not matter here."""


def quiet(*words: object) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Half a second of every built-in motion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "builtin", lambda name, anatomy: builtin(name, anatomy).part(0.5, 1.0))
        yield


def test_going_on_with_a_style_equals_not_having_stopped(tmp_path: Path) -> None:
    learn(replace(ARMS, steps=64), tmp_path / "whole", quiet, quiet)
    learn(ARMS, tmp_path / "parts", quiet, quiet)
    learn(replace(ARMS, steps=64), tmp_path / "parts", quiet, quiet, resume=True)
    whole, parts = (
        checkpoint.load(tmp_path / name / "checkpoints" / "last.safetensors")[0] for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    assert any("style.optimiser" in name for name in whole) and len(whole["0.style.kept"]) == 48
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_a_walk_may_be_the_beginning_of_a_style(tmp_path: Path) -> None:
    begun = going_on(style(), Path("walk-02_01"), None)
    assert begun.ppo is not None and begun.ppo.warm_up == 8  # A critic that knows nothing would mislead it.
    begun = replace(begun, clips=ClipChoice(("walk",), (), instead=True), ppo=replace(STEPS, learn_scale=False))
    begun = replace(begun, worlds=2, minutes=None, steps=8, style=DiscriminatorSettings(updates=1, batch=16))
    assert learn(begun, tmp_path / "run", quiet, quiet).how == "finished"
    [row] = read_log(tmp_path / "run" / LOG)
    # The world pays for the way alone; the rest is style.
    assert {name for name in row if name.startswith("reward_")} == {"reward_root"}
    assert row["reward"] == pytest.approx(0.3 * row["reward_root"] + row["style"], abs=0.05)
    assert 0 <= row["told_real"] <= 1 and 0 <= row["told_fake"] <= 1
    stored = open_policy(tmp_path / "run")
    assert stored.experiment == begun
    # The recipe's policy is the walk's, two rollouts of PPO later.
    first, last = open_policy(Path("walk-02_01")).tensors, stored.tensors
    weight = "network.first.weight"
    assert 0 < (last[weight] - first[weight]).abs().max() < 0.1


def test_a_style_begins_with_a_policy_of_its_own_body(tmp_path: Path) -> None:
    learn(replace(ARMS, steps=16), tmp_path / "arms", quiet, quiet)
    with pytest.raises(ValueError, match="moves the body 'arms', and 'style' another"):
        going_on(style(), tmp_path / "arms", None)


def test_style_is_for_trial_and_error_alone() -> None:
    with pytest.raises(ValueError, match="A style is learnt by trial and error"):
        Experiment(style=DiscriminatorSettings())


def test_the_recipe_differs_from_a_walk_by_what_is_paid_and_when_it_ends() -> None:
    walk, mine = RECIPES["walk-ppo"](), RECIPES["style"]()
    task = replace(mine.task, reward=walk.task.reward, rule=walk.task.rule)
    assert replace(mine, recipe="walk-ppo", task=task, style=None) == walk
