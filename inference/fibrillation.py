"""Do these seconds look like ventricular fibrillation or flutter? No distinct QRS, one slow wave, some amplitude.

    sinus      ___|\\____|\\___    mostly near the baseline, slope in bursts, shifted copies do not cancel
    flutter    /\\/\\/\\/\\/\\/\\     rarely near it, slope everywhere, a half-period shift cancels

The measures are classical: the share of time away from the baseline (threshold crossing, Thakor 1990; Arafat 2011),
the leakage of a half-period notch (Kuo and Dillman 1978), and the spectrum's dominant frequency and concentration.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inference.zerophase import band_pass, decimate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FibrillationSettings:
    """Limits, strict to begin an episode; `relaxed` widens all of them while one lasts."""

    band_hz: tuple[float, float] = (1.0, 30.0)
    low_mv: float = 0.1  # amplitude (middle 95 %) below which it is asystole with wander
    high_mv: float = 8.0  # and above which it is an artefact
    dominant_hz: tuple[float, float] = (2.2, 9.0)  # 130 to 540 waves a minute
    away: float = 0.40  # least share of time away from the baseline
    slope_peaks: float = 6.0  # most kurtosis of the slope: a QRS makes it 8 and more
    leakage: float = 0.62  # most leakage of the half-period notch
    in_band: float = 0.55  # least share of power between 2.2 and 9 Hz
    relaxed: float = 0.15


DEFAULT = FibrillationSettings()


@dataclass(frozen=True, slots=True)
class Waves:
    """Measures of a few seconds of signal."""

    amplitude_mv: float
    dominant_hz: float
    away: float
    slope_peaks: float
    leakage: float
    in_band: float


def measure(mv: Floats, fs_hz: float, s: FibrillationSettings = DEFAULT) -> Waves:
    """Measures of `mv` [n], finite, 2 to 5 s."""
    x, fs, _ = decimate(mv, fs_hz, 100)
    x = band_pass(x, *s.band_hz, fs)
    x = x - x.mean()
    low, high = np.percentile(x, [2.5, 97.5])
    size = np.abs(x)
    slope = np.diff(x)
    frequency, power = _spectrum(x, fs)
    searched = (frequency >= 1.0) & (frequency <= 12.0)
    band = (frequency >= 2.2) & (frequency <= 9.0)
    return Waves(
        amplitude_mv=float(high - low),
        dominant_hz=float(frequency[searched][np.argmax(power[searched])]),
        away=float(np.mean(size > 0.2 * size.max())),
        slope_peaks=float(np.mean(slope**4) / (np.mean(slope**2) ** 2 + 1e-18)),
        leakage=_leakage(x, slope),
        in_band=float(power[band].sum() / (power.sum() + 1e-18)),
    )


def looks_like(w: Waves, s: FibrillationSettings = DEFAULT, *, begun: bool = False) -> bool:
    """Whether these waves are fibrillation or flutter; `begun` when the seconds before were."""
    r = s.relaxed if begun else 0.0
    return (
        s.low_mv * (1 - r) <= w.amplitude_mv <= s.high_mv
        and s.dominant_hz[0] * (1 - r) <= w.dominant_hz <= s.dominant_hz[1]
        and w.away >= s.away * (1 - r)
        and w.slope_peaks <= s.slope_peaks * (1 + r)
        and w.leakage <= s.leakage * (1 + r)
        and w.in_band >= s.in_band * (1 - 2 * r)
    )


def _leakage(x: Floats, slope: Floats) -> float:
    """Share that is left when the signal and its copy half a mean period later are added: 0 for a sine, 1 for noise."""
    half = round(np.pi * float(np.abs(x).sum()) / (float(np.abs(slope).sum()) + 1e-12))
    half = max(1, min(half, len(x) // 2))
    a, b = x[half:], x[:-half]
    return float(np.abs(a + b).sum() / (np.abs(a).sum() + np.abs(b).sum() + 1e-12))


def _spectrum(x: Floats, fs: float) -> tuple[Floats, Floats]:
    bins = 512 if len(x) <= 512 else 1024
    power = np.abs(np.fft.rfft(x * _hann(len(x)), bins)) ** 2
    return _frequencies(bins, fs), np.asarray(power, np.float64)


@lru_cache(maxsize=32)
def _frequencies(bins: int, fs: float) -> Floats:
    return np.asarray(np.fft.rfftfreq(bins, 1 / fs), np.float64)


@lru_cache(maxsize=32)
def _hann(n: int) -> Floats:
    return np.hanning(n)
