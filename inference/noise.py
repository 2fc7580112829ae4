"""How much noise lies on a lead? Enough to hide a wave, or only too little to matter.

`inference/quality.py` asks less: whether the beats can be told in spite of noise. A baseline that wanders by a sixth of
a QRS leaves the rhythm as readable as it was and moves every ST segment: it passes there, and not here.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.beats import bridge, detect_r_peaks

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

QRS_S: Final = 0.06  # a QRS complex lies within this of its R peak
BEFORE_S: Final = 0.20  # a whole beat, but for the P wave of a slow one and the end of T
AFTER_S: Final = 0.25
BLOCK_S: Final = 0.08  # short enough to lie between waves
LEVEL_S: Final = 0.5  # of the baseline
LEAST_MV: Final = 1e-3  # size of a QRS at least
_LEAST: Final = 1e-4  # noise at least


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise over the size of a QRS complex (median, peak to peak): no unit, 0 when there is none."""

    drift: float  # standard deviation of the baseline, a median each half second
    rough: float  # what is left of quiet stretches of 80 ms without their slope: their lower quartile, root mean square
    unlike: float  # of a beat, beside the one most like it: an arrhythmia of two kinds of beats adds nothing
    unlike_level: float  # the same when the beats' own level counts too


UNKNOWN: Final = Noise(1.0, 1.0, 1.0, 1.0)  # fewer than three beats are whole: what to measure noise by is missing


@dataclass(frozen=True, slots=True)
class NoiseSettings:
    """How the measures are added, as powers, and what sum is too much. Fitted to MIT-BIH DS1 with the noise of the
    stress test at 0 and 6 dB (poor) and at 18 and 24 dB (clean), five folds by record, noise of one half tried
    on the other: `python -m benchmarks quality`.
    """

    rough: float = 2.0  # against the others: the quietest stretches hold less than their share
    half: float = 0.17  # all noise over the size of a QRS at which a lead is as often poor as clean
    steep: float = 11.65  # of the logistic function, a decade of noise


DEFAULT: Final = NoiseSettings()


def noise_of(mv: npt.ArrayLike, fs_hz: float, beats: Indices | None = None) -> Noise:
    """The measures of `mv` float [n], at least a second; `beats` are its R peaks where they are known already."""
    x = bridge(np.asarray(mv, np.float64))
    at = detect_r_peaks(x, fs_hz) if beats is None else np.asarray(beats, np.int64)
    level, free = _unlike(x, fs_hz, at)
    if level < 0:
        return UNKNOWN
    size = qrs_size(x, fs_hz, at)
    return Noise(
        drift=float(np.std(np.median(_blocks(x, round(LEVEL_S * fs_hz)), axis=1))) / size,
        rough=_rough(x, fs_hz) / size,
        unlike=free / size,
        unlike_level=level / size,
    )


def cleanness(noise: Noise, settings: NoiseSettings = DEFAULT) -> float:
    """In [0, 1]; at 0.5 and above waves can be read."""
    parts = (noise.drift, settings.rough * noise.rough, noise.unlike, noise.unlike_level)
    total = math.sqrt(math.fsum(x * x for x in parts)) + _LEAST
    return 1.0 / (1.0 + math.exp(min(settings.steep * math.log10(total / settings.half), 30.0)))


def qrs_size(x: Floats, fs_hz: float, beats: Indices) -> float:
    """Median peak to peak, mV, of the QRS complexes of `x`."""
    half = round(QRS_S * fs_hz)
    sizes = [float(np.ptp(x[max(0, at - half) : at + half + 1])) for at in beats.tolist()]
    return max(float(np.median(sizes)), LEAST_MV) if sizes else LEAST_MV


def _blocks(x: Floats, size: int) -> Floats:
    """[n // size, size]"""
    count = len(x) // size
    return x[: count * size].reshape(count, size)


def _rough(x: Floats, fs_hz: float) -> float:
    """Lower quartile, over short stretches, of the root mean square about their straight line; mV."""
    parts = _blocks(x, max(4, round(BLOCK_S * fs_hz)))
    line = np.arange(parts.shape[1]) - (parts.shape[1] - 1) / 2
    line /= np.sqrt(np.sum(line**2))
    flat = parts - parts.mean(axis=1, keepdims=True)
    flat -= np.outer(flat @ line, line)
    return float(np.percentile(np.sqrt(np.mean(flat**2, axis=1)), 25))


def _unlike(x: Floats, fs_hz: float, beats: Indices) -> tuple[float, float]:
    """Noise of a beat, mV, with and without its own level; -1 where fewer than three are whole."""
    before, after = round(BEFORE_S * fs_hz), round(AFTER_S * fs_hz)
    whole = beats[(beats >= before) & (beats < len(x) - after)]
    if len(whole) < 3:
        return -1.0, -1.0
    beat = x[whole[:, None] + np.arange(-before, after)]
    return _nearest(beat - np.median(x)), _nearest(beat - beat.mean(axis=1, keepdims=True))


def _nearest(beat: Floats) -> float:
    """Median over beats of the distance to the nearest one; half of its power is each one's own."""
    product = beat @ beat.T / beat.shape[1]
    power = np.diag(product)
    apart = power[:, None] + power - 2 * product
    np.fill_diagonal(apart, np.inf)
    return float(np.sqrt(max(np.median(apart.min(axis=1)) / 2, 0.0)))
