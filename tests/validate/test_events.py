"""Strikes and toe-offs: to the instant in a force that is known, and in a recorded walk beside its force plates."""

import math
from pathlib import Path

import numpy as np
import pytest

from myotrack.anatomy.model import Anatomy
from myotrack.capture.join import together
from myotrack.capture.reader import read
from myotrack.clips.clip import RATE
from myotrack.retarget.pipeline import fit
from myotrack.retarget.settings import Settings
from myotrack.steer.ground import ground_of
from myotrack.validate.events import from_contacts, from_forces, from_motion
from myotrack.validate.walker import swung

APART = 0.05
"""Most by which contacts and motion may tell an event of a walk apart from a force plate [s]. Measured: contacts 32 ms
in an adult and 10 ms in a child, motion 28 and 41 ms."""


def steps(*stances: tuple[int, int], frames: int = 300) -> np.ndarray:
    """Flags of one foot."""
    stands = np.zeros(frames, dtype=bool)
    for begin, end in stances:
        stands[begin:end] = True
    return stands


def both(right: np.ndarray, left: np.ndarray) -> np.ndarray:
    return np.stack([right, left], axis=1)


def test_contacts_tell_the_first_frame_that_stands_and_the_first_that_does_not() -> None:
    events = from_contacts(both(steps((30, 90), (140, 200)), steps((0, 40), (85, 150), (195, 300))), 100.0)
    assert events.right == ((0.3, 0.9), (1.4, 2.0))
    assert events.left == ((-math.inf, 0.4), (0.85, 1.5), (1.95, math.inf))
    assert (events.strikes(1), events.offs(1)) == ([0.85, 1.95], [0.4, 1.5])


def test_a_force_that_rises_on_a_line_strikes_where_it_crosses_the_threshold() -> None:
    # From 0 N at 0.5 s to 600 N at 0.6 s: 20 N after 1/30 of the way. Back from 1.1 s to 1.2 s: 20 N at 29/30 of it.
    time = np.arange(200) / 100
    right = np.interp(time, [0.5, 0.6, 1.1, 1.2], [0.0, 600.0, 600.0, 0.0])
    events = from_forces(both(right, 0 * right), 100.0)
    assert events.right == (pytest.approx((0.5 + 0.1 / 30, 1.1 + 0.1 * 29 / 30)),)
    assert events.left == ()
    # At 300 N it is half of the way.
    assert from_forces(both(right, 0 * right), 100.0, threshold=300.0).right == (pytest.approx((0.55, 1.15)),)


def test_bounces_and_brushes_are_no_events() -> None:
    # A gap of 40 ms belongs to the stance, a load of 40 ms to the swing; 50 ms are enough for either.
    assert from_contacts(both(steps((30, 60), (64, 100)), steps((30, 60), (65, 100))), 100.0).feet == (
        ((0.3, 1.0),),
        ((0.3, 0.6), (0.65, 1.0)),
    )
    assert from_contacts(both(steps((30, 34)), steps((30, 35))), 100.0).feet == ((), ((0.3, 0.35),))


def test_what_begins_or_ends_with_the_motion_is_no_event() -> None:
    events = from_contacts(both(steps((4, 60), (120, 297)), steps((5, 60), (120, 295))), 100.0)
    assert events.right == ((-math.inf, 0.6), (1.2, math.inf))
    assert events.left == ((0.05, 0.6), (1.2, 2.95))


def test_forces_that_bear_nobody_are_missing() -> None:
    with pytest.raises(ValueError, match="No force reaches 20 N, so events cannot be read from forces"):
        from_forces(np.full((100, 2), 19.0), 100.0)
    with pytest.raises(ValueError, match="A gait has a right and a left foot; there are 1"):
        from_contacts(np.ones((100, 1), dtype=bool), 100.0)


def test_feet_strike_where_they_are_furthest_ahead_and_leave_furthest_behind() -> None:
    # Of a stride of 1 s the foot swings for 0.4 s: behind at 0.6 s, ahead at 1.0 s.
    time = np.arange(330) / 100
    way = np.interp((time + 0.2) % 1.0, [0.0, 0.6, 1.0], [0.3, -0.3, 0.3])
    events = from_motion(both(way, np.roll(way, 50)), both(way, np.roll(way, 50)), 100.0)
    assert events.right == ((-math.inf, 0.4), (0.8, 1.4), (1.8, 2.4), (2.8, math.inf))
    assert events.told == "motion"


@pytest.mark.parametrize(
    ("files", "seen", "published"),
    [
        # Heel strikes of the right foot by 20 N, from the description of the recording [s].
        (("rajagopal2016/motion_capture_walk.trc", "rajagopal2016/grf_walk.mot"), 6, [0.268, 1.412]),
        (("biomechzoo/HC002D06_Straight.c3d.gz",), 4, None),
    ],
    ids=["adult", "child"],
)
def test_force_plates_agree_with_contacts_and_motion(
    files: tuple[str, ...], seen: int, published: list[float] | None, data_folder: Path, full: Anatomy
) -> None:
    missing = [file for file in files if not (data_folder / file).is_file()]
    if missing:
        pytest.skip(f"{missing[0]} is not in {data_folder}.")
    recording = together(*(read(data_folder / file) for file in files))
    found = fit(recording, full, Settings(size="fitted"))
    assert found.placement is not None
    ground = ground_of(recording, found.clip, found.anatomy, found.placement, cutoff=None)
    plates = from_forces(ground.force[:, :, 2].double().numpy(), RATE)
    if published is not None:
        np.testing.assert_allclose(plates.strikes(0), published, atol=0.01)
    stands = found.clip.contact.reshape(found.clip.frames, 2, -1).any(dim=2).numpy()
    for other in (from_contacts(stands, RATE), swung(found.clip.pos, found.anatomy, RATE)):
        told = 0
        for foot in range(2):
            for ours, theirs in ((plates.strikes, other.strikes), (plates.offs, other.offs)):
                for time in ours(foot):
                    assert min(abs(time - each) for each in theirs(foot)) < APART, (other.told, foot, time)
                    told += 1
        assert told == seen
