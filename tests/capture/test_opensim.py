"""TRC, MOT, STO and ANC: metres, radians, newtons, z up; and the files of one subject agree with each other."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from myotrack.capture.opensim import read_anc, read_storage, read_trc
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError, Source
from tests.capture import seeds

RAJAGOPAL = "rajagopal2016/"


def opened(folder: Path, content: bytes, name: str = "made.mot") -> Source:
    (folder / name).write_bytes(content)
    return Source.open(folder / name)


def point(recording: Recording, name: str) -> np.ndarray:
    assert recording.points is not None
    return recording.points[:, recording.names.index(name)]


# Markers.


@pytest.mark.parametrize("unit", ["mm", "cm", "m"])
@pytest.mark.parametrize("up", ["y", "z"])
def test_markers_come_in_metres_with_z_up(tmp_path: Path, unit: str, up: str) -> None:
    recording = read_trc(opened(tmp_path, seeds.trc(seeds.walker(), unit=unit, up=up)))
    assert recording.names == seeds.LABELS and recording.rate == 100.0 and recording.kind == "markers"
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, seeds.walker(), atol=1e-6)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_blank_fields_are_gaps(tmp_path: Path, newline: str) -> None:
    points = seeds.walker()
    points[5:10, 0] = np.nan
    points[5:20, 8] = np.nan  # The last columns: some writers leave their tabs away.
    content = b"\n".join(line.rstrip(b"\t") for line in seeds.trc(points).split(b"\n"))
    recording = read_trc(opened(tmp_path, content.replace(b"\n", newline.encode())))
    assert recording.filled is not None and recording.filled.sum() == 5
    np.testing.assert_allclose(point(recording, "LASI"), seeds.walker()[:, 0], atol=1e-4)
    assert np.isnan(point(recording, "CLAV")[5:20]).all()
    assert "1 gap of up to 5 frames filled in LASI." in recording.origin.notes


def test_uneven_times_are_made_even_and_told(tmp_path: Path) -> None:
    lines = seeds.trc(seeds.walker()).decode().splitlines()
    del lines[20:23]
    recording = read_trc(opened(tmp_path, "\n".join(lines).encode()))
    assert recording.points is not None
    np.testing.assert_allclose(recording.points, seeds.walker(), atol=2e-3)
    assert any("uneven" in note for note in recording.origin.notes)


def test_time_that_stands_still_is_refused(tmp_path: Path) -> None:
    lines = seeds.trc(seeds.walker()).decode().splitlines()
    lines[20] = lines[19]
    with pytest.raises(CaptureError, match="made.mot: time does not increase after sample 14"):
        read_trc(opened(tmp_path, "\n".join(lines).encode()))


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda text: text.replace("mm", "ell"), "'ell', which is not a known unit"),
        (lambda text: text.replace("Frame#", "Nothing"), "fourth line"),
        (lambda text: text[: text.index("X1")], "not a TRC file|no frames"),
        (lambda text: text.replace("\t", "\tx", 60), "."),
        (lambda text: text + "\n1\t2\t" + "\t".join("5" * 40), "has 42 fields"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, damage, words: str) -> None:
    with pytest.raises(CaptureError, match=f"made.mot: .*({words})"):
        read_trc(opened(tmp_path, damage(seeds.trc(seeds.walker()).decode()).encode()))


# Storages.


def test_only_angles_are_converted_from_degrees(tmp_path: Path) -> None:
    table = np.array([[10.0, 1.5, 30.0], [20.0, 1.6, 60.0]])
    names = ["pelvis_tilt", "pelvis_ty", "knee_angle_r"]
    recording = read_storage(opened(tmp_path, seeds.storage(names, table, header="Coordinates\ninDegrees=yes")))
    found = recording.coordinates
    assert found is not None and found.skeleton == "OpenSim" and recording.kind == "coordinates"
    assert found.quantities == ("angle", "length", "angle")
    np.testing.assert_allclose(found.values, table * [np.pi / 180, 1, np.pi / 180])


def test_paths_are_shortened_and_speeds_and_muscles_left_out(tmp_path: Path) -> None:
    names = [
        "/jointset/hip_r/hip_flexion_r/value", "/jointset/hip_r/hip_flexion_r/speed", "/forceset/soleus_r/activation",
    ]  # fmt: skip
    header = "Coordinates\nversion=3\nOpenSimVersion=4.5\nDataType=double\ninDegrees=no"
    recording = read_storage(opened(tmp_path, seeds.storage(names, np.ones((5, 3)), header=header)))
    assert recording.coordinates is not None and recording.coordinates.names == ("hip_flexion_r",)
    assert sum("left out" in note for note in recording.origin.notes) == 2


@pytest.mark.parametrize("header", ["name x\ndatacolumns 4\ndatarows 40\nrange 0 1", "", "x\nnRows=40\nnColumns=4"])
def test_old_headers_that_keep_silent_about_degrees_are_judged_by_the_values(tmp_path: Path, header: str) -> None:
    table = np.tile([45.0, 1.0, 0.2], (40, 1))
    names = ["hip_flexion_r", "pelvis_tx", "knee_angle_r"]
    found = read_storage(opened(tmp_path, seeds.storage(names, table, header=header)))
    assert found.coordinates is not None and any("taken as degrees" in note for note in found.origin.notes)
    np.testing.assert_allclose(found.coordinates.values[0], [np.pi / 4, 1.0, np.deg2rad(0.2)])


@pytest.mark.parametrize(
    "force, torque",
    [
        ("ground_force_r_", "ground_torque_r_"),
        ("R_ground_force_", "R_ground_torque_"),
        ("1_ground_force_", "1_ground_torque_"),
        ("ground_force_", "ground_torque_"),
        ("ground_force_r_", "ground_moment_r_m"),
    ],
)
def test_a_ground_force_gets_its_point_and_torque_with_z_up(tmp_path: Path, force: str, torque: str) -> None:
    names = [force + part + axis for part in "vp" for axis in "xyz"] + [torque + axis for axis in "xyz"]
    # With y up: F = (10, 700, 20) at (1, 0, 2), torque 5 about y. With z up: F = (10, -20, 700) at (1, -2, 0), and
    # p x F = (-2 * 700 - 0 * -20, 0 * 10 - 1 * 700, 1 * -20 - -2 * 10) = (-1400, -700, 0), and 5 about z.
    table = np.tile([10.0, 700.0, 20.0, 1.0, 0.0, 2.0, 0.0, 5.0, 0.0], (10, 1))
    table[5:, :3], table[5:, 7], table[5:, 3:6] = 0.0, 0.0, 400.0  # Nobody stands: the point means nothing.
    recording = read_storage(opened(tmp_path, seeds.storage(names, table, header="forces\ninDegrees=no")))
    (plate,) = recording.plates
    assert recording.kind == "signals" and recording.coordinates is None
    np.testing.assert_allclose(plate.force[0], [10, -20, 700])
    np.testing.assert_allclose(plate.moment[0], [-1400, -700, 5])
    np.testing.assert_allclose(plate.centre[0], [1, -2, 0])
    assert not plate.moment[5:].any()


def test_columns_named_after_muscles_are_emg(tmp_path: Path) -> None:
    names = ["soleus_r", "tibialis_anterior_r", "EMG_3"]
    recording = read_storage(opened(tmp_path, seeds.storage(names, np.ones((5, 3)), header="x\ninDegrees=no")))
    assert recording.kind == "signals" and recording.emg is not None and recording.emg.names == tuple(names)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda text: text.replace("endheader", ""), "endheader"),
        (lambda text: text.replace("time", "tide"), "'time'"),
        (lambda text: text + "\n1 2", "2 numbers where there are 4 columns"),
        (lambda text: text[: text.index("0\t")], "no rows"),
        (lambda text: text.replace("0.01\t", "0.01x\t", 1), "not a number"),
        (lambda text: text.replace("0.9", "nan", 1), "not finite"),
    ],
)
def test_a_damaged_storage_is_named(tmp_path: Path, damage, words: str) -> None:
    with pytest.raises(CaptureError, match=f"made.mot: .*{words}"):
        read_storage(opened(tmp_path, damage(seeds.coordinates_mot().decode()).encode()))


def test_counts_of_an_anc_become_volts(tmp_path: Path) -> None:
    recording = read_anc(opened(tmp_path, seeds.anc(), "made.anc"))
    assert recording.emg is not None and recording.emg.names == ("SOL",) and recording.emg.rate == 1000.0
    np.testing.assert_allclose(np.abs(recording.emg.values), 100 * 2.5 / 32768)


# What follows needs the recordings.


def storages(folder: Path, name: str) -> Recording:
    return read_storage(Source.open(folder / (RAJAGOPAL + name)))


def markers(folder: Path, name: str) -> Recording:
    return read_trc(Source.open(folder / (RAJAGOPAL + name)))


@pytest.mark.parametrize("name", ["motion_capture_run.trc", "motion_capture_walk.trc", "static_run.trc.gz"])
def test_real_markers_stand_on_the_floor_also_from_gz(data_folder: Path, tmp_path: Path, name: str) -> None:
    recording = markers(data_folder, name)
    assert recording.points is not None and recording.rate == 100.0
    assert 1.4 < np.median(recording.points[..., 2].max(axis=1)) < 1.7  # Shoulders; nobody wore a cap.
    assert 0.0 < recording.points[..., 2].min() < 0.1
    packed = opened(tmp_path, gzip.compress(Source.open(data_folder / (RAJAGOPAL + name)).content, 1), "x.trc.gz")
    np.testing.assert_array_equal(read_trc(packed).points, recording.points)


@pytest.mark.parametrize(
    "name, pair",
    [
        ("motion_capture_run.trc", ("LPSI", "RPSI")),
        ("motion_capture_walk.trc", ("R.ASIS", "L.ASIS")),
        ("static_run.trc.gz", ("LASI", "RASI")),
    ],
)
def test_two_markers_on_the_pelvis_keep_their_distance(data_folder: Path, name: str, pair: tuple[str, str]) -> None:
    recording = markers(data_folder, name)
    distance = np.linalg.norm(point(recording, pair[0]) - point(recording, pair[1]), axis=1)
    assert 0.08 < distance.mean() < 0.3 and distance.std() < 0.006


def test_over_whole_strides_the_runner_s_feet_carry_the_weight(data_folder: Path) -> None:
    plates = storages(data_folder, "grf_run.mot").plates
    total = sum(plate.force for plate in plates)
    strikes = np.round((np.array([0.868, 4.988]) - 0.23) * 1000).astype(int)  # Six strides, from SOURCES.md.
    mean = total[strikes[0] : strikes[1]].mean(axis=0)
    assert mean[2] == pytest.approx(719.0, rel=0.03)
    assert abs(mean[0]) < 0.03 * 719 and abs(mean[1]) < 0.03 * 719


def test_the_walker_s_force_is_the_weight_in_the_middle_of_two_feet(data_folder: Path) -> None:
    recording = storages(data_folder, "grf_walk.mot")
    total = sum(plate.force[:, 2] for plate in recording.plates)
    strikes = (np.array([0.268, 1.412]) * 2000).astype(int)
    weight = total[strikes[0] : strikes[1]].mean()
    assert 650 < weight < 850
    for plate in recording.plates:
        assert plate.force[:, 2].min() > -20 and 1.0 * weight < plate.force[:, 2].max() < 1.5 * weight


@pytest.mark.parametrize(
    "forces, motion, feet",
    [
        ("grf_walk.mot", "motion_capture_walk.trc", {"ground_force_r": "R.", "ground_force_l": "L."}),
        ("grf_run.mot", "motion_capture_run.trc", {"R_ground_force": "R", "L_ground_force": "L"}),
    ],
)
def test_the_centre_of_pressure_is_under_the_foot_that_stands(
    data_folder: Path, forces: str, motion: str, feet: dict[str, str]
) -> None:
    recording, body = storages(data_folder, forces), markers(data_folder, motion)
    names = ("Heel", "Toe") if "walk" in motion else ("CAL", "TOE")
    for plate in recording.plates:
        loaded = np.flatnonzero(plate.force[:, 2] > 300)
        frames = np.round(loaded / plate.rate * body.rate).astype(int)
        loaded, frames = loaded[frames < body.frames], frames[frames < body.frames]
        centre = plate.centre[loaded][:, :2]
        gaps = []
        for side in (feet[plate.name], "RL"[feet[plate.name][0] == "R"] + feet[plate.name][1:]):
            heel, toe = (point(body, side + name)[frames][:, :2] for name in names)
            share = np.clip(np.sum((centre - heel) * (toe - heel), axis=1) / np.sum((toe - heel) ** 2, axis=1), 0, 1)
            gaps.append(np.median(np.linalg.norm(heel + share[:, None] * (toe - heel) - centre, axis=1)))
        assert gaps[0] < 0.05 < gaps[1]


def test_the_same_forces_in_two_files_agree(data_folder: Path) -> None:
    ours, moco = (storages(data_folder, name) for name in ("grf_walk.mot", "moco_grf_walk.mot"))
    for one, other in zip(ours.plates, moco.plates, strict=True):
        np.testing.assert_allclose(one.force, other.force, atol=0.03 * 900)


def test_real_coordinates_are_in_radians_and_the_pelvis_is_one_metre_high(data_folder: Path) -> None:
    for name in ("run_IK_outputReference.mot", "moco_coordinates.sto.gz"):
        found = storages(data_folder, name).coordinates
        assert found is not None
        columns = dict(zip(found.names, found.values.T, strict=True))
        assert 0.85 < columns["pelvis_ty"].mean() < 1.1
        assert columns["knee_angle_r"].min() > -0.2 and 1.0 < columns["knee_angle_r"].max() < 2.3


def test_a_column_in_degrees_among_radians_is_pointed_out(data_folder: Path) -> None:
    notes = storages(data_folder, "moco_coordinates.sto.gz").origin.notes
    assert any("knee_angle_r_beta" in note for note in notes)


def test_generalised_forces_are_no_angles(data_folder: Path) -> None:
    found = storages(data_folder, "moco_id_walk.sto.gz").coordinates
    assert found is not None and set(found.quantities) == {"other"}


def test_real_emg_has_ten_muscles(data_folder: Path) -> None:
    raw = read_anc(Source.open(data_folder / (RAJAGOPAL + "emg_walk_raw.anc"))).emg
    envelope = storages(data_folder, "moco_electromyography.sto.gz").emg
    assert raw is not None and envelope is not None
    assert len(raw.names) == len(envelope.names) == 10 and raw.rate == envelope.rate == 2000.0
    assert 0.01 < np.abs(raw.values).max() < 2.5  # Less than the range of the converter.
