"""Do muscles pull when electrodes say so: computed activations beside recorded EMG, channel by channel.

Correlation is taken at no lag and at one delay that was fixed beforehand, never at each muscle's best. Beside each
stands what chance gives, from the same EMG turned round within the stride, and how active the muscle is at all: one
that is silent scores nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

from myotrack.capture.recording import Signals

DELAY = 0.05
"""By which force follows the electric signal [s]. Cited: 30 to 100 ms, Cavanagh & Komi 1979, doi:10.1007/BF00421378
(recalled); fixed here before any result was seen."""
SILENT = 0.01
"""Mean activation below which a muscle is silent and scores no correlation."""
DRAWS = 4000
"""Random turns from which the chance level of the mean is told, to about 0.005."""
FLAT = 1e-12
"""Standard deviation below which a curve has no shape."""
BAND = (30.0, 450.0)
"""What is kept of raw EMG [Hz]. Cited: De Luca et al. 2010, doi:10.1016/j.jbiomech.2010.01.027 (recalled)."""
ENVELOPE = 6.0
"""Low-pass of the rectified signal [Hz]. Cited: usual in gait, Hof et al. 2002, doi:10.1016/S0966-6362(02)00068-1
(recalled)."""


def envelope(raw: Signals, band: tuple[float, float] = BAND, cutoff: float = ENVELOPE) -> Signals:
    """The linear envelope of raw EMG, without delay: band-pass, rectified, low-pass, over its greatest value.

    Both filters are Butterworth, second order, run forwards and backwards.

    Raises:
        ValueError: The rate is too low for the band.
    """
    low, high = band
    if raw.rate <= 2 * high:
        raise ValueError(f"EMG at {raw.rate:g} Hz has no frequencies up to {high:g} Hz.")
    fast = sosfiltfilt(butter(2, [low, high], btype="band", fs=raw.rate, output="sos"), raw.values, axis=0)
    slow = sosfiltfilt(butter(2, cutoff, fs=raw.rate, output="sos"), np.abs(fast), axis=0).clip(min=0)
    peak = slow.max(axis=0, keepdims=True)
    return Signals(raw.names, raw.rate, slow / np.where(peak > 0, peak, 1.0), unit="of its greatest value")


def sampled(emg: Signals, time: Float[np.ndarray, "frame"]) -> Float[np.ndarray, "frame channel"]:
    """Envelopes at given times, by linear interpolation.

    Args:
        emg: Envelopes.
        time: From the first sample [s].

    Raises:
        ValueError: A time lies outside the recording.
    """
    at = time * emg.rate
    if at.min() < -1e-6 or at.max() > len(emg.values) - 1 + 1e-6:
        raise ValueError(
            f"EMG was recorded from 0 to {(len(emg.values) - 1) / emg.rate:.3f} s and is asked for from "
            f"{time.min():.3f} to {time.max():.3f} s."
        )
    return np.stack([np.interp(at, np.arange(len(emg.values)), column) for column in emg.values.T], axis=1)


@dataclass(frozen=True)
class Agreement:
    """One channel beside the muscles under it, over one stride."""

    channel: str
    r: float | None
    """Pearson's correlation at no lag; None for a muscle that is silent, or a signal without shape."""
    delayed: float | None
    """The same with EMG as it was `delay` earlier."""
    rmse: float
    """Of both curves over their own greatest values in the stride."""
    level: float
    """Mean activation."""
    chance: float | None
    """Mean of r with the EMG turned round within the stride by every number of frames: zero, but for rounding."""
    lucky: float | None
    """95th percentile of the same."""


@dataclass(frozen=True)
class Agreements:
    """All channels of a stride."""

    rows: tuple[Agreement, ...]
    delay: float
    """[s]"""
    chance: float
    """95th percentile of the mean r when every channel is turned round by a number of its own."""

    @property
    def r(self) -> float:
        """Mean over channels; a silent muscle counts as zero."""
        return float(np.mean([row.r or 0.0 for row in self.rows]))

    @property
    def delayed(self) -> float:
        """Mean over channels at the delay; a silent muscle counts as zero."""
        return float(np.mean([row.delayed or 0.0 for row in self.rows]))

    @property
    def rmse(self) -> float:
        """Mean over channels."""
        return float(np.mean([row.rmse for row in self.rows]))


def agreement(
    channels: Sequence[str],
    activation: Float[np.ndarray, "frame channel"],
    emg: Signals,
    time: Float[np.ndarray, "frame"],
    delay: float = DELAY,
) -> Agreements:
    """Compare activations with EMG over one stride.

    Args:
        channels: Names of the columns, all of them channels of the EMG.
        activation: Mean over the muscles under each electrode (`anatomy.electrodes.means`).
        emg: Envelopes.
        time: Of the frames, from the first sample of the EMG; one stride, so that its end meets its beginning [s].
        delay: Fixed beforehand [s].

    Raises:
        KeyError: A channel was not recorded.
        ValueError: EMG does not cover the frames, or the delay before them.
    """
    missing = [name for name in channels if name not in emg.names]
    if missing:
        raise KeyError(f"No EMG channel is called '{missing[0]}'. There are: {', '.join(emg.names)}.")
    columns = [emg.names.index(name) for name in channels]
    now, before = sampled(emg, time)[:, columns], sampled(emg, time - delay)[:, columns]
    level = activation.mean(axis=0)
    heard = level >= SILENT
    r, delayed = (np.where(heard, correlation(activation, signal), np.nan) for signal in (now, before))
    turns = np.stack([correlation(activation, np.roll(now, turn, axis=0)) for turn in range(len(now))])
    turns = np.where(heard, turns, np.nan)
    away = _over_peak(activation) - _over_peak(now)
    rows = [
        Agreement(
            channel=name,
            r=_told(r[column]),
            delayed=_told(delayed[column]),
            rmse=float(np.sqrt(np.mean(away[:, column] ** 2))),
            level=float(level[column]),
            chance=_told(turns[:, column].mean()),
            lucky=_told(np.quantile(turns[:, column], 0.95)),
        )
        for column, name in enumerate(channels)
    ]
    turned = np.random.default_rng(0).integers(0, len(turns), size=(DRAWS, len(channels)))
    # A silent muscle scores nothing, by chance as otherwise.
    drawn = np.nan_to_num(turns)[turned, np.arange(len(channels))].mean(axis=1)
    return Agreements(tuple(rows), delay, float(np.quantile(drawn, 0.95)))


def correlation(
    left: Float[np.ndarray, "*batch frame column"], right: Float[np.ndarray, "*batch frame column"]
) -> Float[np.ndarray, "*batch column"]:
    """Pearson's correlation of columns; NaN where one has no shape."""
    left, right = (part - part.mean(axis=-2, keepdims=True) for part in (left, right))
    spread = np.sqrt((left**2).mean(axis=-2)), np.sqrt((right**2).mean(axis=-2))
    flat = (spread[0] < FLAT) | (spread[1] < FLAT)
    return np.where(flat, np.nan, (left * right).mean(axis=-2) / np.where(flat, 1.0, spread[0] * spread[1]))


def _over_peak(values: Float[np.ndarray, "frame channel"]) -> Float[np.ndarray, "frame channel"]:
    peak = values.max(axis=0, keepdims=True)
    return values / np.where(peak > 0, peak, 1.0)


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
