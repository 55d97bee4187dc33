"""Norms: read as they are meant or refused, and likeness to them by hand."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.electrodes import electrodes
from myotrack.anatomy.model import Anatomy
from myotrack.clips.builtin import builtin
from myotrack.validate.gait import ANGLES, FORCES, LOADED, gait
from myotrack.validate.muscles import SILENT
from myotrack.validate.norms import FALISSE_MASS, TABLES, Norm, NormError, Table, as_emg, by_chance, compare, read_norms
from myotrack.validate.walker import Walker
from tests.validate.walks import wave


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    path = data_folder / "normative"
    missing = [table.file for table in TABLES if not (path / table.file).is_file()]
    if missing:
        pytest.skip(f"{path / missing[0]} is not there.")
    return path


def norm(mean: np.ndarray, spread: float = 0.1, kind: str = "angle") -> Norm:
    return Norm("one", kind, mean, np.full(101, spread), "three people", "nobody")  # type: ignore[arg-type]


def made(folder: Path, factor: float = 1.0, name: str = "knee_angle", points: int = 51, **columns: np.ndarray) -> Table:
    """A table of one column like that of the knee, times a factor."""
    phase = np.linspace(0, 100, points)
    values = {
        "percent_gait_cycle": phase,
        f"{name}_mean": -factor * (10 + 55 * np.exp(-(((phase - 72) / 12) ** 2))),
        f"{name}_sd": np.full(points, abs(factor)),
    } | columns
    lines = [",".join(values), *(",".join(map(str, row)) for row in zip(*values.values(), strict=True))]
    (folder / "knee.csv").write_text("\n".join(lines))
    original = TABLES[0]
    return replace(original, file="knee.csv", columns={"knee_angle": original.columns["knee_angle"]})


def test_a_curve_is_like_itself_and_unlike_its_negative() -> None:
    curve = wave(1.0, 0.5)
    same, negative = compare(curve, norm(curve)), compare(-curve, norm(curve))
    assert (same.r, same.rmse, same.lag, same.inside) == (pytest.approx(1.0), 0.0, 0.0, 1.0)
    assert negative.r == pytest.approx(-1.0)
    # sqrt(mean (2 curve)²) = 2 sqrt((1 + 0.25) / 2), over 100 points; the 101st adds a zero.
    assert negative.rmse == pytest.approx(2 * np.sqrt(1.25 / 2 * 100 / 101))


@pytest.mark.parametrize("late", [-30, -1, 1, 12, 49])
def test_a_lag_is_found(late: int) -> None:
    curve = wave(1.0, 0.5)
    shifted = np.append(np.roll(curve[:-1], late), np.roll(curve[:-1], late)[0])
    like = compare(shifted, curve)
    assert like.lag == pytest.approx(late / 100)
    assert like.lagged_r == pytest.approx(1.0) and like.r is not None and like.r < 1.0
    assert like.inside is None


def test_the_share_within_two_deviations_is_counted() -> None:
    curve = wave(1.0)
    away = curve + np.where(np.arange(101) < 40, 0.21, 0.19)
    assert compare(away, norm(curve, 0.1)).inside == pytest.approx(61 / 101)


def test_emg_tells_a_shape_only() -> None:
    emg = 0.4 * (1 + wave(1.0))
    like = compare(0.02 * (1 + wave(1.0)), norm(emg, 0.3, "emg"))
    assert like.r == pytest.approx(1.0) and like.rmse == pytest.approx(0.0, abs=1e-12)
    # Over its peak it is (1 + sin) / 2, and the mean of people 0.4 (1 + sin): 0.1 (1 + sin) apart, at most 0.2.
    assert like.inside == 1.0
    # Within 0.13 where sin x is at most 0.3: in x from 0 to 0.305, from 2.837 to 2 pi. Points 0 to 4 and 46 to 100.
    assert compare(0.02 * (1 + wave(1.0)), norm(emg, 0.065, "emg")).inside == pytest.approx((5 + 55) / 101)
    silent = compare(0.9 * SILENT * (1 + wave(1.0)), norm(emg, kind="emg"))
    assert silent.r is None and silent.lagged_r is None
    assert compare(np.full(101, 0.3), norm(emg, kind="emg")).r is None


def test_chance_keeps_what_muscles_have_in_common() -> None:
    curves = [0.5 * (1 + wave(1.0))] * 5
    # All turned alike, r is the cosine of the turn: its 95th percentile over the circle is cos(0.05 pi).
    assert by_chance(curves, [norm(curve, kind="emg") for curve in curves]) == pytest.approx(
        np.cos(0.05 * np.pi), abs=5e-3
    )
    assert by_chance([0.001 * curve for curve in curves], [norm(curve, kind="emg") for curve in curves]) == 0.0


def test_a_table_comes_in_our_units_and_signs(tmp_path: Path) -> None:
    found = read_norms(tmp_path, (made(tmp_path),))["knee_angle"]
    assert found.mean[72] == pytest.approx(np.deg2rad(65.0)) and found.mean[0] == pytest.approx(
        np.deg2rad(10.0), abs=1e-9
    )
    np.testing.assert_allclose(found.spread, np.deg2rad(1.0))
    assert (found.unit, found.of) == ("rad", "11 walks of one adult") and "Falisse" in found.citation


@pytest.mark.parametrize(
    ("factor", "columns", "words"),
    [
        (-1.0, {}, r"'knee_angle' is greatest, -10, at .* its unit or sign is another"),
        (np.pi / 180, {}, r"'knee_angle' is greatest, 1.13, at 72 % of the cycle, where a walk has 45 to 85 "),
        (1.0, {"percent_gait_cycle": np.linspace(0, 1, 51)}, "'percent_gait_cycle' does not rise from 0 to 100"),
        (1.0, {"percent_gait_cycle": np.linspace(50, 150, 51) % 100}, "does not rise from 0 to 100"),
        (1.0, {"knee_angle_sd": np.full(51, -1.0)}, "'knee_angle_sd' has negative deviations"),
        (1.0, {"knee_angle_sd": np.full(51, np.nan)}, "'knee_angle_sd' holds what is no number"),
    ],
)  # fmt: skip
def test_another_unit_or_sign_is_refused(tmp_path: Path, factor: float, columns: dict, words: str) -> None:
    with pytest.raises(NormError, match=f"knee.csv: .*{words}"):
        read_norms(tmp_path, (made(tmp_path, factor, **columns),))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NormError, match=r"There are no norms of walking: walk_falisse.*MYOTRACK_DATA"):
        read_norms(tmp_path)
    table = made(tmp_path, name="elbow")
    with pytest.raises(NormError, match=r"knee.csv: there is no column 'knee_angle_mean'"):
        read_norms(tmp_path, (table,))
    (tmp_path / "knee.csv").write_text("percent_gait_cycle,knee_angle_mean\n0,1,2\n")
    with pytest.raises(NormError, match=r"knee.csv: this is no table of norms"):
        read_norms(tmp_path, (table,))
    (tmp_path / "knee.csv").write_text("")
    with pytest.raises(NormError, match=r"knee.csv: this is no table of norms"):
        read_norms(tmp_path, (table,))


def test_the_published_tables_are_what_they_say(folder: Path, full: Anatomy) -> None:
    norms = read_norms(folder)
    assert set(norms) >= {*ANGLES, *FORCES}
    assert set(norms) >= {f"{name}_{what}" for name in LOADED for what in ("moment", "power")}
    # 90.4 N m and 204 W at push-off, of 62 kg.
    assert norms["ankle_angle_moment"].mean.min() == pytest.approx(-90.4 / FALISSE_MASS, abs=0.01)
    assert norms["ankle_angle_power"].mean.max() == pytest.approx(204 / FALISSE_MASS, rel=0.01)
    assert (norms["ankle_angle_moment"].unit, norms["ankle_angle_power"].unit) == ("N m/kg", "W/kg")
    # The knee bends to positive angles here, so what extends it while the leg is loaded is negative.
    assert 8 < norms["knee_angle_moment"].mean.argmin() < 28
    emg = [name for name, each in norms.items() if each.kind == "emg"]
    assert len(emg) == 13
    # Every recorded muscle is one that the body has on its right side.
    found = electrodes(emg, full)
    assert [each.channel for each in found] == emg and {each.side for each in found} == {"right"}
    assert all(each.citation and each.of for each in norms.values())
    # The built-in walk was made from these angles and changed so that soles stand: it must come back to its source.
    walk = gait(Walker.of_clip(builtin("walk", full), full))
    for name, least in {"hip_flexion": 0.97, "knee_angle": 0.97, "ankle_angle": 0.93, "hip_adduction": 0.93,
                        "pelvis_list": 0.93, "pelvis_rotation": 0.93}.items():  # fmt: skip
        r = compare(walk.angle(name).mean, norms[name]).r
        assert r is not None and r > least, (name, r)


def test_a_published_table_in_radians_or_percent_is_refused(folder: Path, tmp_path: Path) -> None:
    for table in TABLES:
        shutil.copy(folder / table.file, tmp_path / table.file)
    name = "walk_falisse_subject1_grf.csv"
    rows = (folder / name).read_text().splitlines()
    phase, *rest = zip(*(row.split(",") for row in rows[1:]), strict=True)
    scaled = [phase, *([f"{float(value) / 100}" for value in column] for column in rest)]
    (tmp_path / name).write_text("\n".join([rows[0], *map(",".join, zip(*scaled, strict=True))]))
    with pytest.raises(NormError, match=rf"{name}: 'Vertical' is greatest, 1.*its unit or sign is another"):
        read_norms(tmp_path)


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("walk_falisse_subject1_torques.csv", 1 / FALISSE_MASS, "'hip_flexion' is greatest, 0.47"),
        ("walk_falisse_subject1_torques.csv", -1.0, "'hip_flexion' is greatest, 36.6, at"),
        ("walk_falisse_subject1_powers.csv", 1000.0, "'hip_flexion' is greatest, 7.21e+04"),
        ("walk_falisse_subject1_powers.csv", -1.0, "'hip_flexion' is greatest"),
    ],
)
def test_moments_and_powers_of_another_unit_or_sign_are_refused(
    folder: Path, tmp_path: Path, name: str, factor: float, words: str
) -> None:
    rows = (folder / name).read_text().splitlines()
    head, values = rows[0].split(","), np.array([[float(word) for word in row.split(",")] for row in rows[1:]])
    values[:, [column.endswith("_mean") for column in head]] *= factor
    (tmp_path / name).write_text("\n".join([rows[0], *(",".join(map(str, row)) for row in values.tolist())]))
    table = next(table for table in TABLES if table.file == name)
    with pytest.raises(NormError, match=f"{name}: {re.escape(words)}.*its unit or sign is another"):
        read_norms(tmp_path, (table,))


def test_the_least_value_tells_where_it_is_the_peak(folder: Path, tmp_path: Path) -> None:
    table = next(table for table in TABLES if table.kind == "moment")
    ankle = {"ankle_angle_moment": replace(table.columns["ankle_angle_moment"], sign=-1.0)}
    with pytest.raises(NormError, match=r"'ankle_angle' is least, -7.4, at .* where a walk has -180 to -60"):
        read_norms(folder, (replace(table, columns=ankle),))


def test_excitations_are_filtered_as_emg_is_without_delay() -> None:
    time = np.arange(400) / 100
    slow, fast = np.sin(2 * np.pi * 2 * time), np.sin(2 * np.pi * 45 * time)
    found = as_emg(np.stack([0.5 + 0.4 * slow, 0.5 + 0.4 * fast, (time > 2).astype(float)], axis=1), 100.0)
    middle = slice(50, 350)
    # Butterworth, forwards and backwards: 1 / (1 + (f / 20)^4 ...) is 1 at 2 Hz, and nearly nothing at 45.
    np.testing.assert_allclose(found[middle, 0], 0.5 + 0.4 * slow[middle], atol=1e-3)
    np.testing.assert_allclose(found[middle, 1], 0.5, atol=0.02)
    # A step is still a step around the same instant, and nobody is told less than nothing or more than all.
    assert found[200, 2] < 0.5 < found[201, 2] and found[200, 2] + found[201, 2] == pytest.approx(1.0, abs=1e-6)
    assert found.min() >= 0.0 and found.max() <= 1.0
    with pytest.raises(ValueError, match="10 samples are too few"):
        as_emg(np.zeros((10, 1)), 100.0)
