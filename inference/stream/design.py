"""Filters of the beat path: short symmetric impulse responses, so that a sample is filtered the same way for ever.

Each has the response that a Butterworth filter run forwards and backwards has, cut off where it has died away.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfreqz

Taps = npt.NDArray[np.float32]
_GRID = 8192


@lru_cache(maxsize=64)
def band(low_hz: float, high_hz: float, fs_hz: float, reach_s: float) -> Taps:
    """float32 [2 r + 1]: second-order zero-phase band-pass that looks `reach_s` to either side; passes no constant."""
    edges = [low_hz, min(high_hz, 0.45 * fs_hz)]
    return _without_constant(_taps(butter(2, edges, "bandpass", fs=fs_hz, output="sos"), fs_hz, reach_s))


@lru_cache(maxsize=64)
def low(edge_hz: float, fs_hz: float, reach_s: float) -> Taps:
    """float32 [2 r + 1]: second-order zero-phase low-pass; a constant passes unchanged."""
    h = _taps(butter(2, min(edge_hz, 0.45 * fs_hz), fs=fs_hz, output="sos"), fs_hz, reach_s)
    return np.asarray(h / h.sum(), np.float32)


@lru_cache(maxsize=64)
def high(edge_hz: float, fs_hz: float, reach_s: float) -> Taps:
    """float32 [2 r + 1]: fourth-order zero-phase high-pass; nothing passes where `fs_hz` leaves no room for it."""
    if edge_hz >= 0.45 * fs_hz:
        return np.zeros(2 * round(reach_s * fs_hz) + 1, np.float32)
    return _without_constant(_taps(butter(4, edge_hz, "highpass", fs=fs_hz, output="sos"), fs_hz, reach_s))


def _taps(sos: npt.NDArray[np.float64], fs_hz: float, reach_s: float) -> npt.NDArray[np.float64]:
    reach = round(reach_s * fs_hz)
    _, response = sosfreqz(sos, worN=np.linspace(0.0, np.pi, _GRID + 1))
    impulse = np.fft.irfft(np.abs(response) ** 2)
    both = np.concatenate([impulse[-reach:], impulse[: reach + 1]])
    fade = np.clip((reach + 1 - np.abs(np.arange(-reach, reach + 1))) / (0.3 * reach + 1), 0, 1)
    return np.asarray(both * np.sin(np.pi / 2 * fade) ** 2)


def _without_constant(h: npt.NDArray[np.float64]) -> Taps:
    """A constant gives nothing; what it takes is spread as a smooth window."""
    window = np.hanning(len(h) + 2)[1:-1]
    return np.asarray(h - window * (h.sum() / window.sum()), np.float32)
