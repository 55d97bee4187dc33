"""Runs that are kept: small, free of folders of the machine, found by their names, and gone on with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.clips.store import save
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import PolicySettings
from myotrack.train.ppo import PPOSettings
from myotrack.workflow import policies
from myotrack.workflow.cli import main
from myotrack.workflow.policies import open_policy, shipped_names
from myotrack.workflow.recipes import ClipChoice, walk_ppo
from myotrack.workflow.train import learn


def status(words: list[str]) -> object:
    """Exit status of a command."""
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


def quiet(*words: object) -> None:
    pass


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of policies with one, 'first', and a folder of clips with a short one."""
    place = tmp_path_factory.mktemp("kept")
    full = Anatomy.load("full")
    save(replace(builtin("stand", full).part(0.0, 0.5), name="briefly"), place / "clips" / "briefly.npz", full)
    small = replace(
        walk_ppo(),
        policy=PolicySettings(network=NetworkSettings(width=8, blocks=1), std=0.3),
        ppo=PPOSettings(steps=4, minibatches=2),
        clips=ClipChoice((), (), place / "clips", test_share=0.0),
        worlds=2,
        minutes=None,
        steps=16,
    )
    learn(small, place / "run", quiet, quiet)
    assert status(["keep", str(place / "run"), "--name", "first", "--out", str(place / "all")]) == 2
    assert status(["validate", str(place / "run"), "--no-video", "--level", "fast"]) in (0, 1)
    words = ["--name", "first", "--out", str(place / "all"), "--data", "Built in."]
    assert status(["keep", str(place / "run"), *words]) == 0
    assert status(["keep", str(place / "run"), *words]) == 2
    return place


def test_a_card_tells_data_compute_scores_limits_and_licence(kept: Path) -> None:
    card = (kept / "all" / "first" / "CARD.md").read_text()
    words = ("Built in.", "**Compute**", "48 control steps", "kept to the end", "## Limits", "Apache-2.0", "briefly")
    for word in words:
        assert word in card, word


def test_nothing_tells_of_the_machine_s_folders(kept: Path) -> None:
    for path in (kept / "all" / "first").rglob("*"):
        if path.is_file():
            assert str(kept).encode() not in path.read_bytes(), path.name


def test_a_policy_is_found_by_its_name_and_gone_on_with(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policies, "PLACES", (kept / "all",))
    monkeypatch.chdir(tmp_path)
    assert shipped_names() == ("first",)
    assert open_policy(Path("first")).clips == ("briefly",)
    clips = ["--clips", str(kept / "clips")]
    assert status(["validate", "first", *clips, "--no-video", "--level", "fast", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["out"] == "runs/first"
    assert (tmp_path / "runs" / "first" / "report.html").exists()
    assert not (kept / "all" / "first" / "report.html").exists()
    assert status(["train", "walk", "--out", "runs/first", *clips, "--resume", "--steps", "32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 32


@pytest.mark.parametrize("name", shipped_names())
def test_what_comes_with_myotrack_is_of_its_bodies_and_has_a_card(name: str) -> None:
    policy = open_policy(Path(name))
    anatomy = Anatomy.load(policy.experiment.body, policy.experiment.fingers)
    policy.check(anatomy)
    assert policy.network(anatomy).mean(torch.zeros(1, policy.tensors["normaliser.mean"].shape[0])).isfinite().all()
    card = (policy.path.parent / "CARD.md").read_text()
    assert anatomy.hash in card
    assert sum(path.stat().st_size for path in policy.path.parent.rglob("*") if path.is_file()) < 8 * 2**20
