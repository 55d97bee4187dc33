"""Agreement with EMG: by hand, at a delay, by chance, in silence."""

import numpy as np
import pytest

from myotrack.capture.recording import Signals
from myotrack.validate.muscles import SILENT, agreement, correlation, envelope, sampled

FRAMES, RATE = 100, 100.0


def bursts(*centres: float, seconds: float = 2.0, rate: float = 1000.0) -> Signals:
    """Channels that burst at these times of every second."""
    time = np.arange(round(seconds * rate)) / rate
    columns = [np.exp(-0.5 * (((time - centre + 0.5) % 1.0 - 0.5) / 0.05) ** 2) for centre in centres]
    return Signals(tuple(f"muscle {k}" for k in range(len(centres))), rate, np.stack(columns, axis=1))


def stride(start: float = 0.5) -> np.ndarray:
    return start + np.arange(FRAMES) / RATE


def test_correlation_equals_a_calculation_by_hand() -> None:
    # Means 2 and 4; deviations (-1, 0, 1) and (-2, 2, 0): sum of products 2, norms sqrt(2) and sqrt(8): r = 0.5.
    r = correlation(np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [6.0], [4.0]]))
    assert r[0] == pytest.approx(0.5)
    assert np.isnan(correlation(np.ones((3, 1)), np.array([[1.0], [2.0], [3.0]]))[0])


def test_what_pulls_as_the_electrodes_say_agrees_wholly() -> None:
    emg = bursts(0.2, 0.7)
    found = agreement(emg.names, 0.3 * sampled(emg, stride()), emg, stride())
    assert found.r == pytest.approx(1.0) and found.rmse == pytest.approx(0.0, abs=1e-12)
    assert found.delayed < 0.9


def test_force_that_follows_after_the_delay_agrees_at_the_delay() -> None:
    emg = bursts(0.2, 0.7)
    found = agreement(emg.names, sampled(emg, stride() - 0.05), emg, stride(), delay=0.05)
    assert found.delayed == pytest.approx(1.0) and found.r < 0.9
    other_way = agreement(emg.names, sampled(emg, stride() + 0.05), emg, stride(), delay=0.05)
    assert other_way.delayed < other_way.r


def test_a_silent_muscle_scores_nothing_however_well_it_is_shaped() -> None:
    emg = bursts(0.2, 0.7)
    activation = sampled(emg, stride())
    quiet = activation * [1.0, 0.9 * SILENT / activation[:, 1].mean()]
    found = agreement(emg.names, quiet, emg, stride())
    assert found.rows[1].r is None and found.rows[1].delayed is None and found.rows[1].chance is None
    assert found.rows[1].level == pytest.approx(0.9 * SILENT)
    assert found.r == pytest.approx(0.5)  # (1 + 0) / 2


def test_chance_is_zero_on_average_and_small_for_many_muscles() -> None:
    emg = bursts(*np.linspace(0.0, 0.9, 10))
    found = agreement(emg.names, sampled(emg, stride()), emg, stride())
    assert all(row.chance == pytest.approx(0.0, abs=1e-9) for row in found.rows)
    assert all(0.3 < row.lucky < 1.0 for row in found.rows if row.lucky is not None)
    # The spread of a mean of ten is 1/sqrt(10) of that of one.
    assert 0.05 < found.chance < 0.4


def test_emg_that_does_not_reach_is_refused() -> None:
    emg = bursts(0.2, seconds=1.2)
    with pytest.raises(ValueError, match="from 0 to 1.199 s and is asked for from 0.500 to 1.490 s"):
        agreement(emg.names, np.ones((FRAMES, 1)), emg, stride())
    with pytest.raises(KeyError, match="No EMG channel is called 'soleus'. There are: muscle 0"):
        agreement(["soleus"], np.ones((FRAMES, 1)), emg, stride())


def test_an_envelope_is_the_strength_of_the_noise_without_delay() -> None:
    truth = bursts(0.3, 0.8, seconds=6.0, rate=2000.0)
    noise = np.random.default_rng(1).standard_normal(truth.values.shape)
    found = envelope(Signals(truth.names, truth.rate, (0.05 + truth.values) * noise))
    np.testing.assert_allclose(found.values.max(axis=0), 1.0)
    assert (found.values >= 0).all()
    at = 2.0 + np.arange(2000) / 1000
    ours, theirs = sampled(found, at), sampled(truth, at)
    assert (correlation(ours, theirs) > 0.9).all()
    aside = [correlation(sampled(found, at + lag), theirs).mean() for lag in (-0.03, 0.0, 0.03)]
    assert aside[1] > max(aside[0], aside[2])


def test_a_slow_converter_has_no_envelope() -> None:
    with pytest.raises(ValueError, match="EMG at 500 Hz has no frequencies up to 450 Hz"):
        envelope(Signals(("soleus",), 500.0, np.zeros((1000, 1))))
