"""Signal quality of a window of 5 to 10 s: can a reader trust what it says of the rhythm?

Measures of the spectrum, of the beats' likeness and of two detectors' agreement are weighed by a logistic function.
It speaks of the equipment, not of the patient: fibrillation scores low, so quality never silences a lethal rhythm.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inference.beats import BeatSettings, bridge, detect_r_peaks, median
from liteheart.finding import Quality

Floats = npt.NDArray[np.float64]


SECOND = BeatSettings(band_hz=(10.0, 32.0), envelope_s=0.05, threshold=0.45)  # sees noise where the first does not


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """Limits, and the weights of the logistic function."""

    flat_mv: float = 0.05  # peak to peak below which a second holds no signal
    flat_share: float = 0.5  # of the window
    saturated_share: float = 0.04  # of samples that lie at an extreme in runs of three or more
    gap_share: float = 0.2  # of samples that are missing
    usable: float = 0.5  # at this sqi and above
    agree_s: float = 0.08  # two detectors mean the same beat within this
    second: BeatSettings = SECOND
    bias: float = -13.3  # weights: fitted to whether the R peaks found are right (F1 >= 0.9)
    w_qrs: float = 1.0
    w_muscle: float = -3.1
    w_likeness: float = 10.2
    w_agreement: float = 4.9


DEFAULT = QualitySettings()


@dataclass(frozen=True, slots=True)
class Measures:
    """What the logistic function weighs; each is 0 to about 1."""

    qrs: float  # power at 5-15 Hz over 5-40 Hz
    muscle: float  # power above 40 Hz over all above 5 Hz
    likeness: float  # mean correlation of each beat with the one most like it
    agreement: float  # F1 of two detectors


def assess(
    mv: npt.ArrayLike,
    fs_hz: float,
    valid: npt.ArrayLike | None = None,
    lead_off: bool = False,
    *,
    beats: npt.NDArray[np.int64] | None = None,
    settings: QualitySettings = DEFAULT,
) -> Quality:
    """Quality of `mv` float [n]; `valid` bool [n] marks the samples that were received (default: the finite ones),
    `beats` are its R peaks where they are known already.
    """
    x = np.asarray(mv, np.float64)
    seen = np.isfinite(x) if valid is None else np.asarray(valid, np.bool_) & np.isfinite(x)
    gap = 1.0 - float(seen.mean()) if len(x) else 1.0
    reasons = ["lead_off"] if lead_off else []
    if gap > settings.gap_share:
        reasons.append("gap")
    if gap > 0.9 or len(x) < 2 * fs_hz:
        return Quality(0.0, False, tuple(reasons) or ("gap",))
    x = bridge(np.where(seen, x, np.nan))
    if _flat_share(x, fs_hz, settings.flat_mv) > settings.flat_share:
        return Quality(0.0, False, (*reasons, "flat"))
    if _saturated_share(x) > settings.saturated_share:
        reasons.append("saturated")
    beats = detect_r_peaks(x, fs_hz) if beats is None else beats
    if len(beats) < 2:
        reasons.append("no_beats")
    sqi = score(measure(x, fs_hz, beats, settings), settings) * (1.0 - gap)
    if sqi < settings.usable and not reasons:
        reasons.append("noise")
    return Quality(round(sqi, 4), sqi >= settings.usable and not reasons, tuple(reasons))


def score(m: Measures, s: QualitySettings = DEFAULT) -> float:
    """The logistic function of the measures, in (0, 1)."""
    z = s.bias + s.w_qrs * m.qrs + s.w_muscle * m.muscle + s.w_likeness * m.likeness + s.w_agreement * m.agreement
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


def measure(x: Floats, fs_hz: float, beats: npt.NDArray[np.int64], s: QualitySettings = DEFAULT) -> Measures:
    """The measures of `x` [n], finite; `beats` are its R peaks."""
    qrs, muscle = _spectral(x, fs_hz)
    return Measures(
        qrs=qrs,
        muscle=muscle,
        likeness=_likeness(x, fs_hz, beats),
        agreement=_agreement(beats, detect_r_peaks(x, fs_hz, s.second), s.agree_s * fs_hz),
    )


def _flat_share(x: Floats, fs_hz: float, flat_mv: float) -> float:
    block = max(1, round(fs_hz / 2))
    blocks = x[: len(x) // block * block].reshape(-1, block)
    return float(np.mean(np.ptp(blocks, axis=1) < flat_mv))


def _saturated_share(x: Floats) -> float:
    """Share of samples in runs at the highest or lowest value; a quiet baseline at such a value does not count."""
    low, middle, high = float(x.min()), median(x), float(x.max())
    span = high - low
    edge = np.zeros(len(x), np.bool_)
    if high - middle > 0.25 * span:
        edge |= x >= high - 1e-3 * span
    if middle - low > 0.25 * span:
        edge |= x <= low + 1e-3 * span
    return float(np.mean(edge[2:] & edge[1:-1] & edge[:-2]))


@lru_cache(maxsize=32)
def _hann(n: int) -> Floats:
    return np.hanning(n)


def _spectral(x: Floats, fs_hz: float) -> tuple[float, float]:
    n = len(x)
    power = np.abs(np.fft.rfft((x - x.mean()) * _hann(n))) ** 2
    total = np.concatenate([[0.0], np.cumsum(power)])

    def band(low: float, high: float) -> float:
        a, b = (min(len(power), math.ceil(f * n / fs_hz)) for f in (low, high))
        return float(total[b] - total[a]) + 1e-12

    top = min(100.0, fs_hz / 2)
    return (
        band(5, 15) / band(5, 40),
        band(40, top) / band(5, top) if top > 41 else 0.0,
    )


def _likeness(x: Floats, fs_hz: float, beats: npt.NDArray[np.int64]) -> float:
    half = round(0.1 * fs_hz)
    inner = beats[(beats >= half) & (beats < len(x) - half)]
    if len(inner) < 2:
        return 0.0
    beat = x[inner[:, None] + np.arange(-half, half + 1)]
    beat = beat - beat.mean(axis=1, keepdims=True)
    beat /= np.linalg.norm(beat, axis=1, keepdims=True) + 1e-9
    alike = beat @ beat.T
    np.fill_diagonal(alike, -1.0)
    return max(0.0, float(np.mean(alike.max(axis=1))))


def _agreement(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], tolerance: float) -> float:
    if not len(a) or not len(b):
        return 0.0
    both = int(np.sum(np.abs(a[:, None] - b[None, :]).min(axis=1) <= tolerance))
    return min(1.0, 2 * both / (len(a) + len(b)))
