"""C3D: what was written is read, in metres and newtons with z up; and real files obey mechanics."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myotrack.capture.c3d import read_c3d
from myotrack.capture.c3d_file import parse_c3d
from myotrack.capture.recording import Recording
from myotrack.capture.source import CaptureError, Source
from tests.capture import seeds

FILES = (
    "biomechzoo/HC002D02_Static.c3d.gz",
    "biomechzoo/HC002D06_Straight.c3d.gz",
    "biomechzoo/HC002D25_Turn.c3d.gz",
    "cmu_c3d/02_05.c3d",
    "opensim_c3d/walking2.c3d.gz",
)
MUSCLES = {"analog_labels": ["L Sol", "EMG 2"], "analog_units": ["V", "V"]}


def opened(folder: Path, content: bytes) -> Source:
    (folder / "made.c3d").write_bytes(content)
    return Source.open(folder / "made.c3d")


def point(recording: Recording, name: str) -> np.ndarray:
    assert recording.points is not None
    return recording.points[:, recording.names.index(name)]


@pytest.mark.parametrize("processor", [seeds.INTEL, seeds.DEC, seeds.MIPS])
@pytest.mark.parametrize("integer", [False, True], ids=["float", "integer"])
def test_every_processor_and_number_format_gives_the_same(tmp_path: Path, processor: int, integer: bool) -> None:
    points = seeds.walker()
    emg = np.random.default_rng(0).standard_normal((400, 2))
    recording = read_c3d(
        opened(tmp_path, seeds.c3d(points * 1000, analog=emg, processor=processor, integer=integer, **MUSCLES))
    )
    assert recording.names == seeds.LABELS and recording.rate == 100.0 and recording.kind == "markers"
    assert recording.points is not None and recording.emg is not None
    np.testing.assert_allclose(recording.points, points, atol=6e-5 if integer else 1e-6)
    assert recording.emg.names == ("L Sol", "EMG 2") and recording.emg.rate == 1000.0
    np.testing.assert_allclose(recording.emg.values, emg, atol=6e-3 if integer else 1e-6)


def test_what_ezc3d_writes_is_read(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    points = seeds.walker()
    points[10:13, 2] = np.nan
    emg = np.random.default_rng(0).standard_normal((400, 1))
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100]
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(seeds.LABELS)
    file["data"]["points"] = np.concatenate([points * 1000, np.ones_like(points[..., :1])], axis=2).transpose(2, 1, 0)
    file["parameters"]["ANALOG"]["RATE"]["value"] = [1000]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = ["L Sol"]
    file["parameters"]["ANALOG"]["UNITS"]["value"] = ["V"]
    file["data"]["analogs"] = emg.T[None]
    file.add_event([0.0, 0.25], context="Right", label="Foot Strike")
    file.write(str(tmp_path / "theirs.c3d"))
    recording = read_c3d(Source.open(tmp_path / "theirs.c3d"))
    assert recording.points is not None and recording.emg is not None and recording.filled is not None
    np.testing.assert_allclose(recording.points[:, 2], seeds.walker()[:, 2], atol=1e-3)
    assert recording.filled[10:13, 2].all() and recording.filled.sum() == 3
    np.testing.assert_allclose(recording.points[:, [0, 1, *range(3, 9)]], points[:, [0, 1, *range(3, 9)]], atol=1e-6)
    np.testing.assert_allclose(recording.emg.values, emg, atol=1e-6)
    (event,) = recording.events
    assert (event.label, event.side) == ("Foot Strike", "right") and abs(event.time - 0.25) < 1e-6


@pytest.mark.parametrize("unit, metres", [("mm", 1e-3), ("cm", 1e-2), ("m", 1.0), ("in", 0.0254)])
def test_lengths_are_metres_whatever_the_unit(tmp_path: Path, unit: str, metres: float) -> None:
    content = seeds.c3d(seeds.walker() / metres, parameters={"POINT": {"UNITS": [unit]}})
    recording = read_c3d(opened(tmp_path, content))
    np.testing.assert_allclose(recording.points, seeds.walker(), atol=1e-6)


@pytest.mark.parametrize("screen", ["+X", "+Y", "+Z", "-X", "-Y", "-Z", None])
def test_up_is_z_whatever_the_axis(tmp_path: Path, screen: str | None) -> None:
    word = screen or "+Y"  # Without a word from the file, the standing body tells.
    axis = "XYZ".index(word[1])
    points = np.roll(seeds.walker(), axis - 2, axis=2) * 1000
    if word[0] == "-":
        points[..., axis] *= -1
        points[..., axis - 1] *= -1
    content = seeds.c3d(points, parameters={"POINT": {"Y_SCREEN": [screen or ""], "X_SCREEN": [""]}})
    found = read_c3d(opened(tmp_path, content)).points
    assert found is not None
    np.testing.assert_allclose(found[..., 2], seeds.walker()[..., 2], atol=1e-6)
    across, truth = found - found[:, :1], seeds.walker() - seeds.walker()[:, :1]
    np.testing.assert_allclose(np.linalg.det(across[0, 1:4]), np.linalg.det(truth[0, 1:4]), atol=1e-6)


def test_a_long_gap_stays_open_and_a_short_one_is_filled_and_told(tmp_path: Path) -> None:
    seen = np.ones((40, 9), dtype=bool)
    seen[5:10, 0] = seen[5:20, 1] = False
    recording = read_c3d(opened(tmp_path, seeds.c3d(seeds.walker() * 1000, seen=seen)))
    assert recording.filled is not None
    np.testing.assert_allclose(point(recording, "LASI"), seeds.walker()[:, 0], atol=1e-4)
    assert np.isnan(point(recording, "RASI")[5:20]).all() and recording.filled.sum() == 5
    assert "1 gap of up to 5 frames filled in LASI." in recording.origin.notes
    open_still = read_c3d(opened(tmp_path, seeds.c3d(seeds.walker() * 1000, seen=seen)), longest_gap=0.03)
    assert open_still.filled is None and np.isnan(point(open_still, "LASI")[5:10]).all()


def test_names_lose_the_subject_and_what_is_no_marker_is_left_out(tmp_path: Path) -> None:
    labels = ["Ada:LASI", "Ada:RASI", "Ada:LKNE", "*12", "Ada:LKneeAngles", "PELO", "PELA", "PELL", "PELP"]
    content = seeds.c3d(seeds.walker() * 1000, labels, parameters={"POINT": {"ANGLES": ["LKneeAngles"]}})
    recording = read_c3d(opened(tmp_path, content))
    assert recording.names == ("LASI", "RASI", "LKNE")
    for word in ("'Ada:'", "without a label", "LKneeAngles", "PELO"):
        assert any(word in note for note in recording.origin.notes), word


def test_of_two_subjects_the_first_is_read(tmp_path: Path) -> None:
    labels = [f"{'Ada' if index < 5 else 'Bob'}:{name}" for index, name in enumerate(seeds.LABELS)]
    recording = read_c3d(opened(tmp_path, seeds.c3d(seeds.walker() * 1000, labels)))
    assert recording.names == seeds.LABELS[:5]
    assert any("2 subjects" in note and "Ada" in note for note in recording.origin.notes)


def test_events_count_from_the_first_frame_that_was_kept(tmp_path: Path) -> None:
    events = {
        "USED": np.array(3, dtype=np.int16),
        "CONTEXTS": ["Left", "Right", "General"],
        "LABELS": ["Foot Strike", "Foot Off", "Clap"],
        "TIMES": np.array([[0.0, 0.0, 0.0], [1.2, 1.1, 1.3]]),
    }
    content = seeds.c3d(seeds.walker() * 1000, first_frame=101, parameters={"EVENT": events})
    found = read_c3d(opened(tmp_path, content)).events
    assert [(event.label, event.side) for event in found] == [
        ("Foot Off", "right"), ("Foot Strike", "left"), ("Clap", None)
    ]  # fmt: skip
    np.testing.assert_allclose([event.time for event in found], [0.1, 0.2, 0.3], atol=1e-6)


def test_the_subject_is_told(tmp_path: Path) -> None:
    subject = read_c3d(opened(tmp_path, seeds.standing_c3d())).subject
    assert subject.name == "Ada" and subject.height == pytest.approx(1.7) and subject.mass == pytest.approx(71.4)


# A plate whose x points along world -y, y along world -x, z down. Middle (1.0, 2.0, 0) m, 0.4 along x and 0.6 along y.
CORNERS = np.array([[0.7, 1.8, 0.0], [0.7, 2.2, 0.0], [1.3, 2.2, 0.0], [1.3, 1.8, 0.0]])
# The sole pushes at (1.1, 1.9, 0), 0.1 m along plate x and -0.1 m along plate y, and gets F = (30, -20, 700) N back.
# About the world's origin: p x F = (1.9 * 700 - 0 * -20, 0 * 30 - 1.1 * 700, 1.1 * -20 - 1.9 * 30) = (1330, -770, -79);
# a free moment of 5 N m about the vertical is added.
FORCE, MOMENT = np.array([30.0, -20.0, 700.0]), np.array([1330.0, -770.0, -74.0])
# In the plate: F = (20, -30, -700); the sensors lie h = 0.04 m below, so the lever from them is (0.1, -0.1, -0.04) and
# M = lever x F + (0, 0, -5) = (-0.1 * -700 - -0.04 * -30, -0.04 * 20 - 0.1 * -700, 0.1 * -30 - -0.1 * 20 - 5)
#   = (68.8, 69.2, -6).
IN_PLATE = np.array([20.0, -30.0, -700.0, 68.8e3, 69.2e3, -6e3])


def channels(kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The same load as each type of plate records it: channels, ORIGIN [mm], calibration."""
    fx, fy, fz, mx, my, mz = IN_PLATE
    origin = np.array([0.0, 0.0, -40.0])
    if kind == 1:  # Force, centre of pressure, free moment about the plate's z.
        return np.array([fx, fy, fz, 100.0, -100.0, -5e3]), np.zeros(3), None
    if kind == 3:  # Sensors at (+-120, +-200) mm. Solve the four sums of the C3D manual for the eight channels.
        a, b = 120.0, 200.0
        # Mz = b (-x12 + x34) + a (y14 - y23) is met by the x sensors alone; y is shared evenly.
        difference = mz / b
        x12, x34, y14, y23 = (fx - difference) / 2, (fx + difference) / 2, fy / 2, fy / 2
        sums = np.array([[1, 1, 1, 1], [b, b, -b, -b], [-a, a, a, -a]])
        return np.array([x12, x34, y14, y23, *np.linalg.pinv(sums) @ [fz, mx, my]]), np.array([a, b, -40.0]), None
    if kind == 4:
        matrix = np.diag([2.0, 3.0, 4.0, 500.0, 600.0, 700.0])
        matrix[0, 1] = 0.5  # Crosstalk: the second channel adds to the first force.
        return np.linalg.solve(matrix, IN_PLATE), origin, matrix
    return IN_PLATE, origin, None


@pytest.mark.parametrize("flipped_origin", [False, True])
@pytest.mark.parametrize("reaction", [1.0, -1.0], ids=["on the subject", "on the plate"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_every_type_of_plate_tells_the_load_worked_out_by_hand(
    tmp_path: Path, kind: int, reaction: float, flipped_origin: bool
) -> None:
    values, origin, matrix = channels(kind)
    if reaction < 0:  # A centre of pressure does not change when the force is named the other way round.
        values = np.where([kind == 1 and i in (3, 4) for i in range(len(values))], values, -values)
    group = seeds.force_platform(
        kind, CORNERS * 1000, -origin if flipped_origin else origin, list(range(1, len(values) + 1))
    )
    if matrix is not None:
        group["CAL_MATRIX"] = matrix[:, :, None]
    units = ["V"] * 6 if kind == 4 else ["N"] * 8 if kind == 3 else ["N"] * 3 + ["mm"] * 2 + ["Nmm"]
    content = seeds.c3d(
        seeds.walker() * 1000,
        analog=np.tile(values, (400, 1)),
        analog_labels=[f"channel {i}" for i in range(len(values))],
        analog_units=["N"] * 3 + ["Nmm"] * 3 if kind == 2 else units,
        parameters={"FORCE_PLATFORM": group},
    )
    (plate,) = read_c3d(opened(tmp_path, content)).plates
    assert plate.rate == 1000.0 and plate.corners is not None
    np.testing.assert_allclose(plate.force, np.tile(FORCE, (400, 1)), atol=1e-3)
    np.testing.assert_allclose(plate.moment, np.tile(MOMENT, (400, 1)), atol=1e-3)
    np.testing.assert_allclose(plate.corners, CORNERS, atol=1e-6)
    # The centre of pressure is where the sole pushes: the moments about x and y do not feel the free moment.
    np.testing.assert_allclose(plate.centre[0], [1.1, 1.9, 0.0], atol=1e-5)


def test_a_plate_turns_with_the_world(tmp_path: Path) -> None:
    values, origin, _ = channels(2)
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # (x, y, z) with z up is (x, z, -y) with y up.
    group = seeds.force_platform(2, CORNERS @ turn.T * 1000, origin, range(1, 7))
    content = seeds.c3d(
        seeds.walker() @ turn.T * 1000,
        analog=np.tile(values, (400, 1)),
        analog_labels=list("abcdef"),
        analog_units=["N"] * 3 + ["Nmm"] * 3,
        parameters={"FORCE_PLATFORM": group, "POINT": {"Y_SCREEN": ["+Y"]}},
    )
    (plate,) = read_c3d(opened(tmp_path, content)).plates
    np.testing.assert_allclose(plate.force[0], FORCE, atol=1e-3)
    np.testing.assert_allclose(plate.moment[0], MOMENT, atol=1e-3)


def test_an_unknown_type_of_plate_is_left_out_with_a_note(tmp_path: Path) -> None:
    content = seeds.c3d(
        seeds.walker() * 1000,
        analog=np.zeros((400, 6)),
        parameters={"FORCE_PLATFORM": seeds.force_platform(7, CORNERS * 1000, np.zeros(3), range(1, 7))},
    )
    recording = read_c3d(opened(tmp_path, content))
    assert recording.plates == () and any("type 7" in note for note in recording.origin.notes)


@pytest.mark.parametrize("length", [0.2, 0.5, 0.9])
def test_a_file_cut_short_says_so(tmp_path: Path, length: float) -> None:
    content = seeds.standing_c3d()
    with pytest.raises(CaptureError, match="made.c3d: the .*(cut short|ends within)"):
        read_c3d(opened(tmp_path, content[: int(length * len(content))]))


# What follows needs the recordings.


@pytest.fixture(scope="module", params=FILES)
def real(request: pytest.FixtureRequest, data_folder: Path) -> Path:
    return data_folder / request.param


def test_samples_agree_with_ezc3d(real: Path, tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    source = Source.open(real)
    (tmp_path / "plain.c3d").write_bytes(source.content)
    ours, theirs = parse_c3d(source), ezc3d.c3d(str(tmp_path / "plain.c3d"))
    points = theirs["data"]["points"].transpose(2, 1, 0)[..., :3]
    both = ours.seen & np.isfinite(points).all(axis=2)
    np.testing.assert_allclose(ours.points[both], points[both], atol=1e-9)
    assert both.sum() >= 0.999 * np.isfinite(points).all(axis=2).sum() - np.sum(~points.any(axis=2))
    np.testing.assert_allclose(ours.analog, theirs["data"]["analogs"][0].T, atol=1e-9)
    labels = [
        label
        for part in ("LABELS", "LABELS2")
        for label in theirs["parameters"]["POINT"].get(part, {"value": []})["value"]
    ]
    assert list(ours.texts("POINT", "LABELS")) == [label.strip() for label in labels]


def test_real_files_load_also_as_gz_and_the_body_is_as_tall_as_people(real: Path, tmp_path: Path) -> None:
    recording = read_c3d(Source.open(real))
    packed = tmp_path / "packed.c3d.gz"
    packed.write_bytes(gzip.compress(Source.open(real).content, 1))
    again = read_c3d(Source.open(packed))
    np.testing.assert_array_equal(recording.points, again.points)
    assert recording.points is not None
    seen = np.isfinite(recording.points).all(axis=2).any(axis=1)
    assert 1.0 < np.median(np.nanmax(recording.points[seen, :, 2], axis=1)) < 1.9
    assert np.nanpercentile(recording.points[..., 2], 1) > -0.05


@pytest.mark.parametrize(
    "file, pair",
    [
        ("biomechzoo/HC002D06_Straight.c3d.gz", ("LASI", "RASI")),
        ("cmu_c3d/02_05.c3d", ("LFWT", "RFWT")),
        ("cmu_c3d/02_05.c3d", ("LFHD", "RFHD")),
        ("opensim_c3d/walking2.c3d.gz", ("LASI", "RASI")),
    ],
)
def test_two_markers_on_one_bone_keep_their_distance(data_folder: Path, file: str, pair: tuple[str, str]) -> None:
    recording = read_c3d(Source.open(data_folder / file))
    distance = np.linalg.norm(point(recording, pair[0]) - point(recording, pair[1]), axis=1)
    distance = distance[np.isfinite(distance)]
    assert len(distance) > 100 and 0.1 < distance.mean() < 0.35
    assert distance.std() < 0.01


def test_a_standing_child_weighs_what_the_file_says(data_folder: Path) -> None:
    recording = read_c3d(Source.open(data_folder / "biomechzoo/HC002D02_Static.c3d.gz"))
    assert recording.subject.mass is not None
    weight = sum(plate.force[:, 2].mean() for plate in recording.plates)
    assert weight == pytest.approx(9.81 * recording.subject.mass, rel=0.04)


@pytest.mark.parametrize(
    "file, heel, toe",
    [
        ("biomechzoo/HC002D06_Straight.c3d.gz", "HEE", "TOE"),
        ("biomechzoo/HC002D25_Turn.c3d.gz", "HEE", "TOE"),
        ("opensim_c3d/walking2.c3d.gz", "CAL", "MT2"),
    ],
)
def test_the_centre_of_pressure_travels_under_the_standing_foot_within_the_plate(
    data_folder: Path, file: str, heel: str, toe: str
) -> None:
    recording = read_c3d(Source.open(data_folder / file))
    # The second plate of walking2 is stepped on half beside it.
    for plate in recording.plates[: 1 if "walking2" in file else 2]:
        assert plate.corners is not None
        loaded = np.flatnonzero(plate.force[:, 2] > 0.5 * plate.force[:, 2].max())
        frames = np.round(loaded / plate.rate * recording.rate).astype(int)
        centre = plate.centre[loaded]
        assert (centre[:, :2] > plate.corners[:, :2].min(axis=0) - 0.01).all()
        assert (centre[:, :2] < plate.corners[:, :2].max(axis=0) + 0.01).all()
        gaps = []
        for side in "LR":
            back, front = (point(recording, side + name)[frames][:, :2] for name in (heel, toe))
            along = np.clip(
                np.sum((centre[:, :2] - back) * (front - back), axis=1) / np.sum((front - back) ** 2, axis=1), 0, 1
            )
            gaps.append(np.nanmedian(np.linalg.norm(back + along[:, None] * (front - back) - centre[:, :2], axis=1)))
        assert min(gaps) < 0.035 and max(gaps) > 0.1  # One foot stands there, the other swings.


def test_the_events_fall_where_the_plates_feel_the_foot(data_folder: Path) -> None:
    recording = read_c3d(Source.open(data_folder / "biomechzoo/HC002D06_Straight.c3d.gz"))
    strikes = sorted(event.time for event in recording.events if event.label == "Foot Strike")
    offs = sorted(event.time for event in recording.events if event.label == "Foot Off")
    spans = [np.flatnonzero(plate.force[:, 2] > 20)[[0, -1]] / plate.rate for plate in recording.plates]
    spans.sort(key=lambda span: span[0])
    np.testing.assert_allclose(strikes, [span[0] for span in spans], atol=0.011)
    np.testing.assert_allclose(offs, [span[1] for span in spans], atol=0.011)


def test_the_name_does_not_change_what_is_read(data_folder: Path, tmp_path: Path) -> None:
    source = Source.open(data_folder / "cmu_c3d/02_05.c3d")
    other = read_c3d(replace(source, path=tmp_path / "02_05.bvh"))
    np.testing.assert_array_equal(other.points, read_c3d(source).points)
