"""One clock: what several files hold of one trial comes together sample by sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myotrack.capture.join import span, together
from myotrack.capture.reader import read
from myotrack.capture.recording import Coordinates, Event, Origin, Plate, Recording, Signals, Subject
from tests.capture import seeds

RAJAGOPAL = "rajagopal2016/"


def origin(file: str) -> Origin:
    return Origin(file, "0" * 64, "made")


def motion(start: float, seconds: float = 2.0, rate: float = 100.0) -> Recording:
    """Markers that show the time, in x."""
    time = start + np.arange(round(seconds * rate) + 1) / rate
    points = np.zeros((len(time), 2, 3))
    points[..., 0] = time[:, None]
    return Recording("walk", rate, origin("walk.trc"), "markers", ("A", "B"), points, start=start)


def forces(start: float, seconds: float = 2.0, rate: float = 1000.0, name: str = "right") -> Recording:
    """A force that shows the time, in N, and its moment, which shows it 10 times."""
    time = start + np.arange(round(seconds * rate) + 1) / rate
    force = np.stack([time, 0 * time, 500 + time], axis=1)
    plate = Plate(name, rate, force, 10 * force)
    return Recording("grf", rate, origin("grf.mot"), "signals", plates=(plate,), start=start)


def emg(start: float, seconds: float = 2.0, rate: float = 2000.0) -> Recording:
    """A channel that shows the time."""
    time = start + np.arange(round(seconds * rate) + 1) / rate
    return Recording("emg", rate, origin("emg.sto"), "signals", emg=Signals(("SOL",), rate, time[:, None]), start=start)


def times_shown(recording: Recording) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every part, the times that its samples show, and those that they are taken for."""
    shown = []
    if recording.points is not None:
        shown.append((recording.points[:, 0, 0], recording.rate))
    shown += [(plate.force[:, 0], plate.rate) for plate in recording.plates]
    shown += [(plate.moment[:, 0] / 10, plate.rate) for plate in recording.plates]
    shown += [] if recording.emg is None else [(recording.emg.values[:, 0], recording.emg.rate)]
    return [(values, recording.start + np.arange(len(values)) / rate) for values, rate in shown]


@given(
    st.floats(-3, 3), st.floats(-0.9, 0.9), st.floats(-0.9, 0.9),
    st.sampled_from([50.0, 100.0, 250.0]), st.sampled_from([100.0, 1000.0, 1200.0]), st.permutations(range(3)),
)  # fmt: skip
def test_every_sample_is_taken_at_the_time_it_shows(
    start: float, later: float, latest: float, rate: float, force_rate: float, order: list[int]
) -> None:
    parts = (motion(start, rate=rate), forces(start + later, rate=force_rate), emg(start + latest))
    joined = together(*(parts[index] for index in order))
    assert joined.name == "walk" and joined.kind == "markers" and joined.names == ("A", "B")
    shown = times_shown(joined)
    assert len(shown) == 4
    for times, taken in shown:
        np.testing.assert_allclose(times, taken, atol=2.1e-5)
    begin, end = joined.start, joined.start + joined.duration
    latest_begin, first_end = start + max(0.0, later, latest), start + 2.0 + min(0.0, later, latest)
    assert latest_begin - 3e-5 <= begin < latest_begin + 1.01 / rate
    assert first_end - 1.01 / rate < end <= first_end + 3e-5
    for times, _ in shown:  # Everything lasts until the last frame, but for a part of a sample.
        assert times[-1] > end - 1.0 / force_rate - 3e-5


def test_frames_of_motion_are_kept_as_they_are_and_those_left_out_are_counted() -> None:
    whole = motion(0.0)
    joined = together(whole, forces(0.5037, 1.0))
    assert whole.points is not None and joined.points is not None
    assert joined.start == pytest.approx(0.51) and joined.frames == 100  # 0.51, 0.52, ..., 1.50 s.
    np.testing.assert_array_equal(joined.points, whole.points[51:151])
    assert "101 of 201 frames left out: not all files cover them." in joined.origin.notes
    assert "The samples of right lie between the frames in time; interpolated." in joined.origin.notes


def test_samples_that_are_on_time_are_not_touched() -> None:
    grf = forces(0.5)
    joined = together(motion(1.0), grf)
    (plate,) = joined.plates
    assert not any("interpolated" in note for note in joined.origin.notes)
    np.testing.assert_array_equal(plate.force, grf.plates[0].force[500 : 500 + len(plate.force)])


def test_what_belongs_to_frames_is_cut_with_them() -> None:
    whole = motion(0.0)
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (201, 2, 1))
    filled = np.zeros((201, 2), dtype=bool)
    filled[60] = True
    angles = Coordinates(("knee",), np.arange(201.0)[:, None], ("angle",), "OpenSim")
    whole = replace(whole, turns=turns, filled=filled, coordinates=angles)
    joined = together(whole, forces(0.5))
    assert joined.turns is not None and joined.filled is not None and joined.coordinates is not None
    assert len(joined.turns) == len(joined.filled) == len(joined.coordinates.values) == joined.frames == 151
    assert joined.filled[10].all() and joined.coordinates.values[0] == 50.0


def test_events_keep_their_moment_and_the_subject_what_any_file_says() -> None:
    whole = replace(motion(0.0), events=(Event(0.2, "Clap"), Event(0.8, "Foot Strike", "left")), subject=Subject("Ada"))
    grf = replace(forces(0.5), events=(Event(0.1, "Foot Strike", "right"),), subject=Subject("Bob", mass=70.0))
    joined = together(whole, grf)
    assert [(round(event.time + joined.start, 9), event.side) for event in joined.events] == [
        (0.6, "right"), (0.8, "left")
    ]  # fmt: skip
    assert joined.subject == Subject("Ada", mass=70.0)


def test_the_origin_names_every_file() -> None:
    grf = replace(forces(0.0), origin=replace(origin("grf.mot"), licence="CC", notes=("Turned.",)))
    joined = together(grf, motion(0.0))
    assert joined.origin.file == "walk.trc" and joined.origin.licence == "CC"
    assert f"Forces taken from grf.mot, sha256 {'0' * 64}." in joined.origin.notes
    assert "grf.mot: Turned." in joined.origin.notes


def test_forces_and_emg_come_together_without_motion() -> None:
    joined = together(forces(0.0), emg(0.3))
    assert joined.frames == 0 and joined.start == pytest.approx(0.3) and joined.kind == "signals"
    for times, taken in times_shown(joined):
        np.testing.assert_allclose(times, taken, atol=2e-5)


def test_one_recording_is_itself() -> None:
    only = motion(0.0)
    assert together(only) is only


@pytest.mark.parametrize(
    "parts, words",
    [
        ((), "no recording"),
        ((motion(0.0), forces(5.0)), r"walk.trc \(0 to 2 s\) and grf.mot \(5 to 7 s\): they have no time in common"),
        ((motion(0.0), forces(1.995)), "less than two frames"),
        ((motion(0.0), motion(0.0)), "walk.trc and walk.trc both hold motion"),
        ((forces(0.0), forces(0.0)), r"both hold forces.*plates=\(\)"),
        ((emg(0.0), emg(0.0)), "both hold EMG.*emg=None"),
    ],
)
def test_what_does_not_fit_is_refused(parts: tuple[Recording, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        together(*parts)


@pytest.mark.parametrize("away, told", [(0.1, False), (3.0, True)])
def test_forces_where_nobody_is_are_pointed_out(away: float, told: bool) -> None:
    whole = replace(motion(0.0), points=np.full((201, 2, 3), 0.2))
    force = np.tile([0.0, 0.0, 700.0], (2001, 1))
    grf = forces(0.0)
    plate = replace(grf.plates[0], force=force, moment=np.cross([0.2 + away, 0.2, 0.0], force))
    joined = together(whole, replace(grf, plates=(plate,)))
    assert any("away from the nearest point" in note for note in joined.origin.notes) == told


# When a file begins.


def test_text_files_begin_when_they_say(tmp_path: Path) -> None:
    contents = {
        "made.trc": seeds.trc(seeds.walker(), start=1.25),
        "made.mot": seeds.storage(["knee_angle_r"], np.zeros((40, 1)), start=1.25),
        "made.sto": seeds.storage(["soleus_r"], np.zeros((40, 1)), start=1.25, header="emg"),
        "made.anc": seeds.anc().replace(b"0.0", b"1.0"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name).start == pytest.approx(1.0 if name == "made.anc" else 1.25)


@pytest.mark.parametrize("first", [1, 125])
def test_a_c3d_begins_with_its_first_frame(tmp_path: Path, first: int) -> None:
    (tmp_path / "made.c3d").write_bytes(seeds.c3d(seeds.walker() * 1000, first_frame=first))
    assert read(tmp_path / "made.c3d").start == pytest.approx((first - 1) / 100)


def test_a_bvh_begins_after_what_was_left_out(tmp_path: Path) -> None:
    from myotrack.capture.bvh import read_bvh
    from myotrack.capture.source import Source

    (tmp_path / "made.bvh").write_bytes(seeds.bvh())
    recording = read_bvh(Source.open(tmp_path / "made.bvh"), skip=6)
    assert recording.start == pytest.approx(6 / recording.rate) and read(tmp_path / "made.bvh").start == 0.0


# What follows needs the recordings.


@pytest.fixture(scope="module")
def walk(data_folder: Path) -> Recording:
    names = ("motion_capture_walk.trc", "grf_walk.mot", "moco_electromyography.sto.gz")
    return together(*(read(data_folder / (RAJAGOPAL + name)) for name in names))


def stance(recording: Recording, plate: Plate, rate: float) -> np.ndarray:
    """Whether the foot of a plate stands, at the samples of another rate."""
    count = int(recording.duration * rate)
    return plate.force[np.minimum((np.arange(count) * plate.rate / rate).astype(int), len(plate.force) - 1), 2] > 20


def test_the_walk_is_whole_on_one_clock(walk: Recording) -> None:
    assert walk.start == 0.0 and walk.frames == 238 and walk.emg is not None
    assert {len(plate.force) / plate.rate for plate in walk.plates} == {2.38}
    assert len(walk.emg.values) / walk.emg.rate == 2.38 and span(walk)[1] >= 2.37


def test_heels_come_to_rest_when_the_plates_feel_them(walk: Recording) -> None:
    assert walk.points is not None
    for plate, side in zip(walk.plates, "RL", strict=True):
        heel = walk.points[:, walk.names.index(f"{side}.Heel")]
        slow = np.linalg.norm(np.gradient(heel, 1 / walk.rate, axis=0), axis=1) < 0.4
        stands = stance(walk, plate, walk.rate)
        strikes = np.flatnonzero(np.diff(stands.astype(int)) == 1) + 1
        assert len(strikes) >= 1
        for strike in strikes:
            rest = strike - 10 + int(np.argmax(slow[strike - 10 : strike + 15]))
            assert abs(rest - strike) / walk.rate <= 0.05  # A shift by a tenth of a second would be seen.


def test_calf_and_shin_take_turns_as_the_right_foot_stands(walk: Recording) -> None:
    # The soleus pushes in late stance; the tibialis anterior lifts the foot in swing. SOURCES.md: EMG is of the right.
    assert walk.emg is not None
    stands = stance(walk, walk.plates[0], walk.emg.rate)
    values = walk.emg.values[: len(stands)]
    between = slice(*np.flatnonzero(np.diff(stands.astype(int)) == 1)[:2])
    stands, values = stands[between], values[between]
    soleus, shin = (values[:, walk.emg.names.index(name)] for name in ("soleus", "tibialis_anterior"))
    assert soleus[stands].mean() > 3 * soleus[~stands].mean()
    assert shin[~stands].mean() > soleus[~stands].mean()
    assert 0.5 < np.argmax(soleus[stands]) / stands.sum() < 0.95


def test_raw_emg_and_its_envelope_are_of_one_time(data_folder: Path, walk: Recording) -> None:
    raw = together(
        read(data_folder / (RAJAGOPAL + "motion_capture_walk.trc")),
        read(data_folder / (RAJAGOPAL + "emg_walk_raw.anc")),
    ).emg
    assert raw is not None and walk.emg is not None and raw.rate == walk.emg.rate
    loud = np.abs(raw.values[:, 0] - raw.values[:, 0].mean())
    smooth = np.convolve(loud, np.ones(201) / 201, mode="same")
    envelope = walk.emg.values[:, 0]
    lags = np.arange(-400, 401, 5)
    fits = [np.corrcoef(np.roll(smooth, lag)[500:-500], envelope[500:-500])[0, 1] for lag in lags]
    assert max(fits) > 0.9 and abs(lags[int(np.argmax(fits))]) / raw.rate < 0.06  # Filters lag, by less than this.


def test_the_runner_begins_at_0_23_s_and_stays_above_the_forces(data_folder: Path) -> None:
    run = together(*(read(data_folder / (RAJAGOPAL + name)) for name in ("motion_capture_run.trc", "grf_run.mot")))
    assert run.start == pytest.approx(0.23) and run.frames == 510
    assert not any("away from the nearest point" in note for note in run.origin.notes)
    right = run.plates[0].force[:, 2] > 20
    strikes = run.start + (np.flatnonzero(np.diff(right.astype(int)) == 1) + 1) / run.plates[0].rate
    np.testing.assert_allclose(strikes, [0.868, 1.552, 2.23, 2.916, 3.619, 4.297, 4.988], atol=0.02)  # SOURCES.md.


def test_coordinates_that_begin_later_cut_the_forces(data_folder: Path, walk: Recording) -> None:
    joined = together(*(read(data_folder / (RAJAGOPAL + name)) for name in ("moco_coordinates.sto.gz", "grf_walk.mot")))
    assert joined.start == pytest.approx(0.45) and joined.frames == 1350
    for one, other in zip(joined.plates, walk.plates, strict=True):
        np.testing.assert_array_equal(one.force, other.force[900 : 900 + len(one.force)])


@pytest.mark.parametrize("name", ["grf_walk.mot", "grf_run.mot"])
def test_centre_and_free_moment_are_the_columns_of_the_file(data_folder: Path, name: str) -> None:
    path = data_folder / (RAJAGOPAL + name)
    lines = path.read_text().splitlines()
    head = next(number for number, line in enumerate(lines) if line.strip() == "endheader") + 1
    columns = {word: index for index, word in enumerate(lines[head].split())}
    table = np.array([[float(word) for word in line.split()] for line in lines[head + 1 :] if line.strip()])
    for plate in read(path).plates:
        loaded = plate.force[:, 2] > 20
        x, z = (table[loaded, columns[f"{plate.name}_p{axis}"]] for axis in "xz")
        torque = table[loaded, columns[plate.name.replace("force", "torque") + "_y"]]
        np.testing.assert_allclose(plate.centre[loaded], np.stack([x, -z, 0 * x], axis=1), atol=1e-6)
        np.testing.assert_allclose(plate.free_moment[loaded], torque, atol=1e-6)
        assert loaded.sum() > 1000
