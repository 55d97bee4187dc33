"""Sampling times of a text file: even enough to be a rate, or else the samples are moved to even times.

Either way the first sample stays at the file's first time, which is the `start` of the recording.
"""

import numpy as np
from jaxtyping import Float

from myotrack.capture.source import Source

UNEVEN = 0.2
"""Share of a sample's length by which rounding may shift it."""
MOST_ADDED = 10
"""Samples may become at most this many times more by making them even."""


def make_even(
    source: Source, times: Float[np.ndarray, "sample"], values: Float[np.ndarray, "sample column"]
) -> tuple[float, Float[np.ndarray, "even column"], tuple[str, ...]]:
    """The sampling rate [Hz], the values at even times, and notes if they had to be moved.

    Raises:
        CaptureError: Time stands still or runs backwards, or there are fewer than two samples.
    """
    count = len(times)
    if count < 2:
        raise source.error("fewer than two samples: there is no motion in it")
    steps = np.diff(times)
    if not np.isfinite(times).all() or not (steps > 0).all():
        worst = int(np.argmax(~(steps > 0)))
        raise source.error(f"time does not increase after sample {worst + 1} ({times[worst]:.6g} s)")
    span = float(times[-1] - times[0])
    rate = (count - 1) / span
    late = (f"Time begins at {times[0]:.6g} s in the file; it begins at 0 here.",) if abs(times[0]) * rate > 0.5 else ()
    drift = times - times[0] - np.arange(count) / rate
    if np.abs(drift).max() <= UNEVEN / rate:
        if not 1e-3 < rate < 1e6:
            raise source.error(f"its times give an impossible rate ({rate:.4g} Hz)")
        return _tidy(rate), values, late
    rate = _tidy(1.0 / float(np.median(steps)))
    even = int(span * rate + 1e-6) + 1
    if even > MOST_ADDED * count or not 1e-3 < rate < 1e6:
        raise source.error(f"its samples are too uneven in time: the longest step is {steps.max():.4g} s")
    grid = times[0] + np.arange(even) / rate
    moved = np.stack([np.interp(grid, times, column) for column in values.T], axis=1) if values.size else values[:even]
    note = f"Times were uneven (steps of {steps.min():.4g} to {steps.max():.4g} s); interpolated at {rate:g} Hz."
    return rate, moved, (*late, note)


def _tidy(rate: float) -> float:
    """Rounded times give 99.9998 Hz for 100 Hz."""
    return float(round(rate)) if abs(rate - round(rate)) < 2e-4 * rate and round(rate) > 0 else rate
