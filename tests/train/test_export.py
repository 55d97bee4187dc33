"""A file that commands what the policy commands, or none at all."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from myotrack.train import export
from myotrack.train.export import ExportError, to_onnx
from myotrack.train.networks import NetworkSettings
from myotrack.train.policy import Policy, PolicySettings
from tests.train.pendulum import Pendulum


def policy(env: Pendulum) -> Policy:
    """A symmetric policy that does something, and has seen some worlds."""
    found = Policy(3, 1, PolicySettings(NetworkSettings(16, 1), symmetric=True), env.symmetry)
    found.normaliser.update(env.observation)
    with torch.no_grad():
        found.network.last.weight.mul_(100)
    return found


def test_the_file_commands_what_the_policy_commands_and_keeps_the_words(tmp_path: Path) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    env = Pendulum(64)
    actor, path = policy(env), tmp_path / "deep" / "policy.onnx"
    assert to_onnx(actor, env.command, path, {"body_hash": "abc", "layout": "cos sin rate"}) < 1e-5
    assert [file.name for file in path.parent.iterdir()] == ["policy.onnx"]
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"body_hash": "abc", "layout": "cos sin rate"}
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for worlds in (1, 7):
        some = Pendulum(worlds, seed=3).observation
        with torch.no_grad():
            wanted = env.command(actor.mean(some)).numpy()
        (found,) = session.run(["command"], {"observation": some.numpy()})
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        # ONNX's own reference says the same as the runtime.
        reference = importlib.import_module("onnx.reference").ReferenceEvaluator(model)
        np.testing.assert_allclose(reference.run(None, {"observation": some.numpy()})[0], wanted, atol=1e-5)
    assert np.abs(wanted).max() > 0.01


def test_a_file_that_commands_something_else_is_not_kept(monkeypatch, tmp_path: Path) -> None:
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    env, path = Pendulum(8), tmp_path / "policy.onnx"
    path.write_bytes(b"before")
    answers = export._answers
    monkeypatch.setattr(export, "_answers", lambda *arguments: answers(*arguments) + np.float32(0.01))
    with pytest.raises(ExportError, match="differ from the policy's by up to 0.01, so it was not kept"):
        to_onnx(policy(env), env.command, path, {})
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_a_missing_package_is_named_with_its_remedy(monkeypatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(export.importlib, "import_module", absent)
    with pytest.raises(ExportError, match=r"needs the package 'onnx'.*pip install 'myotrack\[export\]'"):
        to_onnx(policy(Pendulum(8)), torch.tanh, tmp_path / "policy.onnx", {})


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="call it policy.pt.onnx"):
        to_onnx(policy(Pendulum(8)), torch.tanh, tmp_path / "policy.pt", {})
