"""Zero-phase low-pass filters, as gait laboratories use them."""

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

ORDER = 2
"""Of the filter that runs once forwards and once backwards, so four in all and without delay."""
_TWICE = (2**0.5 - 1) ** 0.25
"""What two passes make of the cut-off of one. Source: Winter (2009), Biomechanics and Motor Control of Human Movement,
section 2.5.4 (0.802)."""


def lowpass(values: Float[np.ndarray, "sample *column"], rate: float, cutoff: float) -> Float[np.ndarray, "..."]:
    """A Butterworth filter forwards and backwards, along the first axis.

    Args:
        values: Evenly sampled, without gaps.
        rate: [Hz]
        cutoff: Where both passes together leave 1/sqrt(2) [Hz].

    Raises:
        ValueError: The cut-off is not between zero and half the rate (less what two passes ask for), or there are too
            few samples to settle on.
    """
    corrected = cutoff / _TWICE
    if not 0 < corrected < rate / 2:
        raise ValueError(f"A cut-off of {cutoff:g} Hz is not between 0 and {rate / 2 * _TWICE:g} Hz.")
    settling = 3 * (2 * ORDER + 1)
    if len(values) <= settling:
        raise ValueError(f"{len(values)} samples are too few for a filter; it needs more than {settling}.")
    # Ends are continued by their mirror image through the last sample for as long as the filter remembers.
    pad = min(len(values) - 1, max(settling, round(rate / cutoff)))
    return sosfiltfilt(butter(ORDER, corrected, fs=rate, output="sos"), values, axis=0, padlen=pad)
