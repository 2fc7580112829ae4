"""A recording of one lead as the row of its beats: what a reader of rhythms reads in place of samples.

    mv --100 Hz, 0.5-40 Hz--> beats of the beat path --> wave of 1 s around each      [k, 100]
                                                    +--> intervals, likeness, unrest  [k, 12]
       --> intervals and quality of the whole recording                               [38]

Nothing here is learned from rhythm labels; the quality measures are those of `inference.quality`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfiltfilt

from inference.beats import detect_bursts
from inference.preprocess import BAND_HZ, CLIP_MV, FS_HZ
from inference.quality import assess, measure

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]

BEFORE: Final = 40  # samples of a wave before the middle of its QRS
LENGTH: Final = 100
FIGURES: Final = 12  # of a beat
WHOLE: Final = 38  # of a recording
MOST: Final = 160  # beats that are read: a minute at 160
_QUALITY_S: Final = 5.0
_P, _QRS, _T = slice(0, 28), slice(32, 50), slice(50, 85)  # parts of a wave
_NEAR: Final = 0.05  # logarithms of intervals that differ by less are alike


@dataclass(frozen=True, slots=True, eq=False)
class BeatLine:
    """waves float32 [k, 100], sign(v) log(1 + 5 |v|) of mV over the recording's scale; figures float32 [k, 12];
    whole float32 [38]; k >= 0.
    """

    waves: F32
    figures: F32
    whole: F32


def read_beatline(mv: npt.ArrayLike, fs_hz: float) -> BeatLine:
    """The beats of `mv` float [n], finite, at least 2 s of it. Raises ValueError as `detect_bursts` does."""
    raw = np.asarray(mv, np.float64)
    x = _at_100_hz(raw, fs_hz)
    bursts = detect_bursts(raw, fs_hz)
    at = np.minimum(np.rint(bursts.centre[:MOST] * (FS_HZ / fs_hz)).astype(np.int64), len(x) - 1)
    padded = np.pad(x, (BEFORE, LENGTH - BEFORE))
    mv_waves = padded[at[:, None] + np.arange(LENGTH)]
    scale = float(np.median(np.abs(mv_waves).max(axis=1))) + 0.05 if len(at) else 1.0
    waves = np.sign(mv_waves) * np.log1p(5 * np.abs(mv_waves) / np.sqrt(scale))
    log_rr, usual_rr = _intervals(at)
    figures = _figures(mv_waves, waves, log_rr, usual_rr, bursts.strength[:MOST], scale)
    like = figures[:, 4] if len(at) else np.zeros(1)
    whole = np.concatenate(
        [
            rhythm(log_rr),
            [np.log(usual_rr / 0.8), like.min(), np.median(like), np.mean(like < 1.25)],
            [len(x) / (30 * FS_HZ) - 1, np.log(scale), 0.8 * FS_HZ * len(at) / max(len(x), 1) - 1],
            _quality(raw, fs_hz),
        ]
    )
    return BeatLine(waves.astype(np.float32), figures.astype(np.float32), whole.astype(np.float32))


def rhythm(log_rr: Floats) -> Floats:
    """[16] of the deviations of log RR intervals [k] from their median: spread, steps, extremes, memory, entropy.

    All 0 with fewer than three intervals.
    """
    if len(log_rr) < 3:
        return np.zeros(16)
    step, off = np.diff(log_rr), log_rr - log_rr.mean()
    size, power = np.abs(step), float(np.mean(off**2)) + 1e-6
    memory = [float(np.mean(off[k:] * off[:-k])) / power if len(off) > k + 2 else 0.0 for k in (1, 2, 3, 4)]
    alike = np.abs(log_rr[:, None] - log_rr) < _NEAR
    pairs = np.triu_indices(len(log_rr) - 1, 1)
    now = alike[:-1, :-1][pairs]
    again = now & alike[1:, 1:][pairs]
    return np.array(
        [
            log_rr.std(),
            size.mean(),
            np.median(size),
            np.sqrt(np.mean(step**2)),
            np.mean(size > 0.06),
            np.mean(size > 0.15),
            *np.percentile(log_rr, [0, 10, 90, 100]),
            *memory,
            -np.log((again.sum() + 0.5) / (now.sum() + 1)),  # sample entropy of pairs
            np.log((now.sum() + 1) / (len(now) + 1)),
        ]
    )


def _intervals(at: npt.NDArray[np.int64]) -> tuple[Floats, float]:
    """Logarithms of RR over their median, and the median in s."""
    rr = np.maximum(np.diff(at), 1) / FS_HZ
    usual = float(np.median(rr)) if len(rr) else 0.8
    return np.log(np.clip(rr / usual, 0.2, 5.0)), usual


def _figures(mv: Floats, waves: Floats, log_rr: Floats, usual_rr: float, strength: Floats, scale: float) -> Floats:
    k = len(mv)
    out = np.zeros((k, FIGURES))
    if not k:
        return out
    out[1:, 0] = out[:-1, 1] = log_rr  # before, after
    out[:, 2] = np.log(usual_rr / 0.8)
    out[:, 3] = np.log(strength / (np.median(strength) + 1e-6) + 1e-3)
    usual = np.median(mv, axis=0)
    centred = mv - mv.mean(axis=1, keepdims=True)
    like = (centred @ (usual - usual.mean())) / (LENGTH * mv.std(axis=1) * usual.std() + 1e-6)
    out[:, 4] = np.arctanh(np.clip(like, -0.95, 0.985))
    out[:, 5] = np.log(np.abs(mv).max(axis=1) / scale + 1e-3)
    if k > 2:
        out[1:-1, 6] = np.diff(log_rr)
        out[:, 7] = np.abs(out[:, 6])
    rest = waves - np.median(waves, axis=0)
    unrest = [rest[:, part].std(axis=1) for part in (_P, _QRS, _T)]  # what the usual beat leaves over
    unrest.append(np.median(np.abs(np.diff(waves[:, _P], axis=1)), axis=1))
    out[:, 8:] = np.log(np.stack(unrest, axis=1) + 0.02) + 2
    return out


def _quality(mv: Floats, fs_hz: float) -> Floats:
    """[15]: means of the grade and its eight measures over stretches of 5 s, and the worst of some."""
    size = round(_QUALITY_S * fs_hz)
    each = []
    for start in range(0, max(len(mv) - size, 0) + 1, size):
        m = measure(part := mv[start : start + size], fs_hz)
        each.append(
            [assess(part, fs_hz).sqi, m.qrs, m.muscle, m.likeness, m.agreement, m.rest, m.wander, m.clear, m.steady]
        )
    q = np.array(each)
    worst = [q[:, 0].min(), np.mean(q[:, 0] < 0.5), q[:, 3].min(), q[:, 4].min(), q[:, 6].max(), q[:, 2].max()]
    return np.concatenate([q.mean(axis=0), worst])


def _at_100_hz(mv: Floats, fs_hz: float) -> Floats:
    """As `inference.preprocess` does a window, but the recording whole."""
    x = resample_poly(mv, FS_HZ, round(fs_hz), padtype="line") if fs_hz != FS_HZ else mv
    band = butter(2, BAND_HZ, "bandpass", fs=FS_HZ, output="sos")
    return np.asarray(np.clip(sosfiltfilt(band, x, padlen=min(2 * FS_HZ, len(x) - 1)), -CLIP_MV, CLIP_MV))
