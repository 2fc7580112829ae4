"""Butterworth band-pass forwards and backwards, as scipy's `sosfiltfilt` but with the design kept between calls."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt, sosfilt_zi

Floats = npt.NDArray[np.float64]


def band_pass(x: Floats, low_hz: float, high_hz: float, fs_hz: float) -> Floats:
    """Second-order zero-phase band-pass of `x` [n], n >= 2; ends are extended by odd reflection of up to a second."""
    sos, zi = _design(low_hz, min(high_hz, 0.45 * fs_hz), fs_hz)
    pad = min(len(x) - 1, round(fs_hz))
    longer = np.concatenate([2 * x[0] - x[pad:0:-1], x, 2 * x[-1] - x[-2 : -pad - 2 : -1]])
    forward, _ = sosfilt(sos, longer, zi=zi * longer[0])
    backward, _ = sosfilt(sos, forward[::-1], zi=zi * forward[-1])
    return np.asarray(backward[::-1][pad : len(longer) - pad])


def decimate(x: Floats, fs_hz: float, target_hz: float) -> tuple[Floats, float, int]:
    """Means of q samples, with q such that the rate stays at or above `target_hz`: (samples, their rate, q)."""
    q = max(1, int(fs_hz / target_hz))
    n = len(x) // q
    return (x[: n * q].reshape(n, q).mean(axis=1) if q > 1 else x), fs_hz / q, q


@lru_cache(maxsize=64)
def _design(low_hz: float, high_hz: float, fs_hz: float) -> tuple[Floats, Floats]:
    sos = np.asarray(butter(2, [low_hz, high_hz], "bandpass", fs=fs_hz, output="sos"))
    return sos, np.asarray(sosfilt_zi(sos))
