"""Muscles beside people: laws of the comparison, and the published people."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.electrodes import electrodes
from myotrack.anatomy.model import Anatomy
from myotrack.capture.recording import Signals
from myotrack.validate.emg import (
    FILE,
    NUMBERS,
    People,
    beside,
    leave_one_out,
    mean_over_muscles,
    muscle_likeness,
    read_people,
    several,
)
from myotrack.validate.muscles import SILENT, correlation, envelope, sampled
from myotrack.validate.norms import TABLES, NormError, read_norms


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    path = data_folder / "normative"
    if not (path / FILE).is_file():
        pytest.skip(f"{path / FILE} is not there.")
    return path


def burst(centre: float, width: float = 0.08) -> np.ndarray:
    away = (np.linspace(0, 1, 101) - centre + 0.5) % 1.0 - 0.5
    return np.exp(-0.5 * (away / width) ** 2)


def people(*persons: tuple[np.ndarray, ...]) -> People:
    names = tuple(f"person {number}" for number in range(len(persons)))
    return People(names, ("soleus", "tibialis anterior")[: len(persons[0])], np.array(persons), "nobody")


def test_identical_people_are_wholly_alike() -> None:
    found = leave_one_out(people(*[(burst(0.4), burst(0.95))] * 4))
    for muscle in found.values():
        for number, expected in {"r": 1.0, "lagged_r": 1.0, "overlap": 1.0, "lag": 0.0, "rmse": 0.0, "onset": 0.0,
                                 "ending": 0.0, "inside": 1.0}.items():  # fmt: skip
            interval = muscle.interval(number)  # type: ignore[arg-type]
            assert interval is not None and interval.count == 4, number
            assert (interval.mean, interval.low, interval.high) == pytest.approx((expected,) * 3, abs=1e-9), number


def test_nobody_is_among_the_others() -> None:
    early, late = burst(0.3), burst(0.5)
    found = leave_one_out(people((early,), (early,), (late,)))["soleus"]
    # The third is compared with two who are early, not with a mean that holds itself.
    assert found.each[2].shape.lag == pytest.approx(0.2) and found.each[2].onset == pytest.approx(0.2)
    assert found.each[2].shape.lagged_r == pytest.approx(1.0)
    everyone = people((early,), (early,), (late,))
    np.testing.assert_allclose(everyone.norms()["soleus"].mean, (2 * early + late) / 3)
    np.testing.assert_allclose(everyone.norms(0)["soleus"].mean, (early + late) / 2)
    with pytest.raises(ValueError, match="of two people at least, not of 1"):
        leave_one_out(people((early,), (late,)))


def test_a_late_muscle_begins_and_ends_late() -> None:
    one = muscle_likeness("soleus", 0.05 * burst(0.06), burst(0.98))
    assert (one.shape.lag, one.onset, one.ending) == pytest.approx((0.08, 0.08, 0.08))
    assert one.shape.rmse > 0 and one.overlap is not None and one.chance is not None and one.chance < one.overlap < 1
    assert one.level == pytest.approx(0.05 * burst(0.06).mean())
    # Signs cancel between people, so numbers are told without.
    early = muscle_likeness("soleus", burst(0.9), burst(0.98))
    assert early.onset == pytest.approx(-0.08) and early.value("onset") == pytest.approx(0.08)
    assert early.value("lag") == pytest.approx(0.08) and early.value("on_time") == pytest.approx(one.value("on_time"))


def test_a_silent_muscle_scores_nothing() -> None:
    quiet = 0.9 * SILENT * burst(0.4) / burst(0.4).mean()
    one = muscle_likeness("soleus", quiet, burst(0.4))
    assert (one.shape.r, one.value("r"), one.overlap, one.bursts, one.onset) == (None, 0.0, 0.0, (), None)
    assert one.value("lag") is None and one.value("level") == pytest.approx(0.9 * SILENT)
    found = several([{"soleus": quiet}, {"soleus": burst(0.4)}], {"soleus": burst(0.4)})["soleus"]
    r, lag = found.interval("r"), found.interval("lag")
    assert r is not None and r.mean == pytest.approx(0.5) and lag is not None and lag.count == 1
    assert several([{"soleus": quiet}], {"soleus": burst(0.4)})["soleus"].interval("onset") is None


def test_means_are_taken_over_muscles_and_then_over_strides() -> None:
    norm = {"soleus": burst(0.4), "tibialis anterior": burst(0.9)}
    strides = [norm, {"soleus": burst(0.4), "tibialis anterior": burst(0.4)}]
    found = several(strides, norm)
    opposite = correlation(burst(0.4)[:, None], burst(0.9)[:, None])[0]
    r = mean_over_muscles(found, "r")
    assert r is not None and r.count == 2 and r.mean == pytest.approx((1 + (1 + opposite) / 2) / 2)
    assert set(beside({**norm, "sartorius": burst(0.1)}, norm)) == set(norm)
    with pytest.raises(ValueError, match="over the same muscles"):
        several([norm, {"soleus": burst(0.4)}], norm)
    assert all(np.isfinite(found["soleus"].each[0].value(number) or 0.0) for number in NUMBERS)


def test_a_higher_threshold_makes_bursts_shorter() -> None:
    low, high = (muscle_likeness("soleus", burst(0.4), burst(0.4), threshold) for threshold in (0.2, 0.5))
    assert low.value("on_time") == pytest.approx(2 * 0.08 * np.sqrt(2 * np.log(5)), abs=2e-3)
    assert high.value("on_time") == pytest.approx(2 * 0.08 * np.sqrt(2 * np.log(2)), abs=2e-3)


def test_a_file_that_is_no_emg_is_named(tmp_path: Path) -> None:
    with pytest.raises(NormError, match=r"There is no EMG of single people: .*MYOTRACK_DATA"):
        read_people(tmp_path)
    (tmp_path / FILE).write_text("0,1,2")
    with pytest.raises(NormError, match=rf"{FILE}: this is no EMG of single people"):
        read_people(tmp_path)
    muscles, subjects = np.array(["soleus"]), np.array(["a", "b"])
    np.savez(tmp_path / FILE, V_200pt=np.ones((2, 1, 199)), muscles=muscles, subjects=subjects)
    with pytest.raises(NormError, match=r"200 points that are nowhere negative, and this has the shape \(2, 1, 199\)"):
        read_people(tmp_path)
    np.savez(tmp_path / FILE, V_200pt=np.zeros((2, 1, 200)), muscles=muscles, subjects=subjects)
    with pytest.raises(NormError, match="a muscle of somebody is never active"):
        read_people(tmp_path)


def test_the_published_people_are_those_of_the_norm(folder: Path, full: Anatomy) -> None:
    found = read_people(folder)
    assert found.curves.shape == (15, 13, 101)
    assert [each.channel for each in electrodes(found.muscles, full)] == list(found.muscles)
    if not all((folder / table.file).is_file() for table in TABLES):
        pytest.skip(f"The tables of norms are not in {folder}.")
    norms, ours = read_norms(folder), found.norms()
    for name in found.muscles:
        np.testing.assert_allclose(ours[name].mean, norms[name].mean, atol=1e-5)
        np.testing.assert_allclose(ours[name].spread, norms[name].spread, atol=1e-5)


def test_our_envelope_of_raw_emg_is_that_person(folder: Path) -> None:
    raw, cycles = folder / "emg_walk_santuz_ID0012_raw.csv.gz", folder / "emg_walk_santuz_ID0012_cycles.csv"
    if not (raw.is_file() and cycles.is_file()):
        pytest.skip(f"{raw} and its cycles are not there.")
    with gzip.open(raw, "rt") as file:
        names, values = file.readline().strip().split(","), np.loadtxt(file, delimiter=",")
    strikes = np.loadtxt(cycles, delimiter=",", skiprows=1)[:, 0] - values[0, 0]
    found = envelope(Signals(tuple(names[1:]), 1000.0, values[:, 1:]))
    strides = [sampled(found, np.linspace(*ends, 101)) for ends in itertools.pairwise(strikes)]
    published = read_people(folder)
    # Both files have the muscles in the same order.
    assert names[1:] == ["ME", "MA", "FL", "RF", "VM", "VL", "ST", "BF", "TA", "PL", "GM", "GL", "SO"]
    ours = dict(zip(published.muscles, np.mean(strides, axis=0).T, strict=True))
    own = [name.startswith("ID0012") for name in published.names].index(True)
    means = []
    for number in range(len(published.names)):
        likeness = beside(ours, published.person(number))
        assert set(likeness) == set(published.muscles)
        means.append(np.mean([one.value("r") or 0.0 for one in likeness.values()]))
    # Five of the strides, and 6 Hz instead of 20: not equal, but nobody else is as near.
    assert int(np.argmax(means)) == own and means[own] > 0.9, means
