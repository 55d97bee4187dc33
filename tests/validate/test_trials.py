"""Trials survive their files, belong to one body, and files that are no trials are refused by name."""

import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from myotrack.anatomy.model import Anatomy
from myotrack.anatomy.sizes import Sizes
from myotrack.clips import store
from myotrack.validate.trials import Emg, Trial, TrialError, load, save
from tests.clips.motions import standing
from tests.validate.rollouts import busy, perfect


def identical(mine: object, other: object) -> bool:
    if isinstance(mine, Tensor) and isinstance(other, Tensor):
        return mine.dtype == other.dtype and torch.equal(mine, other)
    if isinstance(mine, Trial | Emg):
        return all(identical(getattr(mine, each.name), getattr(other, each.name)) for each in fields(mine))
    return mine == other


@pytest.fixture
def path(arms: Anatomy, tmp_path: Path) -> Path:
    save(busy(arms), tmp_path / "run" / "wave.npz")
    return tmp_path / "run" / "wave.npz"


def rewritten(path: Path, header: dict | None = None, **arrays: np.ndarray | None) -> Path:
    """The same file with parts of its header or whole arrays replaced; None takes an array away."""
    with zipfile.ZipFile(path) as archive:
        content = {entry: archive.read(entry) for entry in archive.namelist()}
    if header is not None:
        content["header.json"] = json.dumps(json.loads(content["header.json"]) | header).encode()
    for name, values in arrays.items():
        stream = io.BytesIO()
        if values is None:
            del content[f"{name}.npy"]
            continue
        np.lib.format.write_array(stream, values, allow_pickle=True)
        content[f"{name}.npy"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, value in content.items():
            archive.writestr(entry, value)
    return path


def test_a_trial_comes_back_bit_by_bit(arms: Anatomy, path: Path) -> None:
    assert identical(load(path, arms), busy(arms))
    assert load(path).anatomy().hash == arms.hash


def test_a_trial_of_the_full_body_comes_back(full: Anatomy, tmp_path: Path) -> None:
    trial = replace(busy(full), ended="the simulation left the numbers", wanted_frames=90)
    save(trial, tmp_path / "a.npz")
    assert identical(load(tmp_path / "a.npz", full), trial)


def test_a_trial_without_excitation_and_emg_comes_back_without_them(arms: Anatomy, tmp_path: Path) -> None:
    trial = replace(perfect(arms), kind="static optimisation", excitation=None)
    save(trial, tmp_path / "a.npz")
    assert identical(load(tmp_path / "a.npz"), trial)


def test_a_trial_of_a_resized_body_finds_it_again(arms: Anatomy, tmp_path: Path) -> None:
    twin = arms.resized(Sizes(forearm=1.08))
    save(replace(perfect(twin), sizes=twin.sizes), tmp_path / "a.npz")
    assert load(tmp_path / "a.npz").anatomy().hash == twin.hash
    with pytest.raises(TrialError, match=r"a.npz: Trial 'reach' belongs to .*make it again with `myotrack steer`"):
        load(tmp_path / "a.npz", arms)


def test_others_can_read_the_file(arms: Anatomy, path: Path) -> None:
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["activation"], busy(arms).activation.numpy())
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("header.json"))
    assert (about["format"], about["version"]) == ("myotrack trial", 1)
    assert about["muscles"] == list(arms.muscle_names)
    assert about["coordinates"] == list(arms.coordinate_names)


def test_a_trial_that_does_not_fit_its_body_is_not_written(arms: Anatomy, path: Path) -> None:
    before, trial = path.read_bytes(), busy(arms)
    for broken, words in (
        (replace(trial, support=trial.support / 0), "numbers in 'support' that are not finite"),
        (replace(trial, body_hash="another"), "of version another"),
        (
            replace(trial, foot_force_w=torch.zeros(41, 2, 3), foot_cop_w=torch.zeros(41, 2, 3)),
            "'foot_force_w' of shape",
        ),
    ):
        with pytest.raises(TrialError, match=words):
            save(broken, path)
    with pytest.raises(ValueError, match="trials are kept in files that end in '.npz'; call it wave.npz"):
        save(trial, path.with_name("wave"))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_clip_is_no_trial(arms: Anatomy, tmp_path: Path) -> None:
    store.save(standing(arms), tmp_path / "clip.npz")
    with pytest.raises(TrialError, match=r"clip.npz: a trial does not hold .*myotrack steer"):
        load(tmp_path / "clip.npz")
    with pytest.raises(TrialError, match=r"nowhere.npz: there is no such file"):
        load(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2 of the format, and this myotrack reads version 1"),
        ({"format": "myotrack clip"}, "this is not a trial"),
        ({"kind": "magic"}, "header is not that of a trial"),
        ({"frames": 7}, "is not what the header says"),
        ({"settings": {"a": 1}}, "header is not that of a trial"),
        ({"seconds": None}, "header is not that of a trial"),
        ({"emg": None}, "'emg' is not what the header says"),
        ({"emg": {"names": ["one"], "muscles": [[]]}}, "'emg' is not what the header says"),
        ({"sizes": {"thigh": 1.0}}, "Sizes have other fields"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(path: Path, change: dict, words: str) -> None:
    with pytest.raises(TrialError, match=f"wave.npz: .*{words}"):
        load(rewritten(path, change))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([{"a": 1}], dtype=object), "'residual' is pickled, which is never opened"),
        (np.zeros((41, 14, 1)), "'residual' is an array of another kind"),
        (np.zeros((41, 14), dtype=np.int64), "'residual' is an array of another kind"),
        (np.full((41, 14), np.nan), "'residual' is not what the header says"),
        (None, "a trial does not hold"),
    ],
)
def test_arrays_of_another_kind_are_refused(path: Path, values: np.ndarray | None, words: str) -> None:
    with pytest.raises(TrialError, match=f"wave.npz: .*{words}"):
        load(rewritten(path, residual=values))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused_by_its_name(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(TrialError, match="wave.npz: "):
        load(path)
