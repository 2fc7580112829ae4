"""R peaks of one lead, from 100 to 1000 Hz, upright or inverted, narrow or wide.

    mv --> decimated to about 200 Hz --> 6-25 Hz band --> slope envelope --> candidates --> beats --> R at native rate

A beat is a burst of slope that stands out of the last and the next seconds, not of the whole recording; a burst
also has to reach an absolute floor, so that a flat line with wander holds no beats.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, percentile_filter, uniform_filter1d

from inference.zerophase import band_pass, decimate

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BeatSettings:
    """Limits of the detector."""

    band_hz: tuple[float, float] = (6.0, 25.0)  # QRS energy; P, T and wander lie below, muscle above
    envelope_s: float = 0.10  # about one QRS
    refractory_s: float = 0.20  # no ventricle answers twice within this
    centre_s: float = 0.06  # the middle of a burst lies within this of its peak
    t_wave_s: float = 0.36  # within this after a beat, a much weaker burst is its T wave
    t_wave_share: float = 0.6
    p_wave_s: float = 0.26  # within this before a beat, a much weaker burst is its P wave
    p_wave_share: float = 0.5
    level_s: int = 9  # stretch over which the size of the beats around is taken
    wide_s: int = 61  # and the longer one, that a pause or an artefact does not move
    wide_low: float = 0.4  # the size around is held between these shares of the longer one's
    wide_high: float = 3.0
    threshold: float = 0.35  # of the size around
    search_back: float = 0.2  # of the size around, where a beat is overdue
    overdue: float = 1.5  # in median RR intervals
    floor_mv_s: float = 0.9  # mean absolute slope below which nothing is a beat
    weak_mv_s: float = 3.0  # below this a beat must stand out of the slope around it
    weak_ratio: float = 2.5  # this many times


DEFAULT = BeatSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Bursts:
    """Beats as bursts of slope: where, and how strong. All arrays [k], in samples at the file's own rate."""

    sample: Indices  # R peak
    centre: Indices  # middle of the burst: steadier than R where the polarity varies
    strength: Floats  # peak of the slope envelope, mV/s


def detect_r_peaks(mv: npt.ArrayLike, fs_hz: float, settings: BeatSettings = DEFAULT) -> Indices:
    """Sample indices int64 [k] of the R peaks of `mv` float [n], increasing. Samples that are not finite are bridged.

    Raises ValueError when `fs_hz` is below 50 or `mv` is not one-dimensional.
    """
    return detect_bursts(mv, fs_hz, settings).sample


def detect_bursts(
    mv: npt.ArrayLike, fs_hz: float, settings: BeatSettings = DEFAULT, *, usual: float | None = None
) -> Bursts:
    """The same beats with their strength. `usual` is the strength that earlier beats had, where that is known."""
    x = bridge(np.asarray(mv, np.float64))
    if x.ndim != 1:
        raise ValueError(f"mv: one lead expected, got shape {x.shape}")
    if not fs_hz >= 50:
        raise ValueError(f"fs_hz: {fs_hz} is too low to see a QRS complex")
    low, fs, q = decimate(x, fs_hz, 180)
    if len(low) < fs * 0.5:
        none = np.empty(0, np.int64)
        return Bursts(none, none, np.empty(0))
    band = band_pass(low, *settings.band_hz, fs)
    envelope = uniform_filter1d(np.abs(np.gradient(band)) * fs, max(3, round(settings.envelope_s * fs)))
    at = _select(envelope, fs, settings, usual)
    strength, at = envelope[at], _centre(at, envelope, fs, settings)
    return Bursts(_refine(x, at * q, fs_hz), at * q, strength)


def bridge(x: Floats) -> Floats:
    """`x` [n] with straight lines over samples that are not finite; zeros when none is."""
    good = np.isfinite(x)
    if good.all():
        return x
    if not good.any():
        return np.zeros_like(x)
    return np.interp(np.arange(len(x)), np.flatnonzero(good), x[good])


def _select(envelope: Floats, fs: float, s: BeatSettings, usual: float | None) -> Indices:
    """Positions of beats among the peaks of the slope envelope."""
    peak = np.flatnonzero(envelope == maximum_filter1d(envelope, 2 * round(s.refractory_s * fs / 2) + 1))
    peak = peak[envelope[peak] >= s.floor_mv_s]
    peak = peak[_stands_out(peak, envelope, fs, s)]
    if not len(peak):
        return peak.astype(np.int64)
    level = _level(envelope, fs, s, usual)[peak]
    height = envelope[peak]
    sure = _drop_companions(peak[height >= s.threshold * level], envelope, fs, s)
    return _search_back(sure, peak[height >= s.search_back * level], envelope, fs, s)


def _stands_out(peak: Indices, envelope: Floats, fs: float, s: BeatSettings) -> npt.NDArray[np.bool_]:
    """Whether each peak is strong, or at least much stronger than the median of the second around it."""
    good = envelope[peak] >= s.weak_mv_s
    weak = peak[~good]
    if len(weak):
        half = round(fs / 2)
        around = envelope[_near(weak, np.arange(-half, half), len(envelope))]
        middle = np.partition(around, half, axis=1)[:, half]
        good[~good] = envelope[weak] >= s.weak_ratio * middle
    return good


def _level(envelope: Floats, fs: float, s: BeatSettings, usual: float | None) -> Floats:
    """The size of the beats around each sample: a median of the maxima of the seconds near it, kept within reason."""
    block = round(fs)
    held = np.full(-len(envelope) % block, envelope[-1])
    maxima = np.concatenate([envelope, held]).reshape(-1, block).max(axis=1)
    near = percentile_filter(maxima, 50, size=s.level_s, mode="nearest")
    wide = usual if usual else percentile_filter(maxima, 50, size=s.wide_s, mode="nearest")
    level = np.clip(near, s.wide_low * wide, s.wide_high * wide)
    return np.repeat(level, block)[: len(envelope)]


def _drop_companions(at: Indices, envelope: Floats, fs: float, s: BeatSettings) -> Indices:
    """Of bursts too near one another keep the stronger: the others are P and T waves."""
    kept: list[int] = []
    height = envelope[at]
    last, last_height = -(10**9), 0.0
    for i, h in zip(at.tolist(), height.tolist(), strict=True):
        near = i - last
        if near < s.refractory_s * fs or (near < s.p_wave_s * fs and last_height < s.p_wave_share * h):
            if h > last_height:
                kept[-1], last, last_height = i, i, h
            continue
        if near < s.t_wave_s * fs and h < s.t_wave_share * last_height:
            continue
        kept.append(i)
        last, last_height = i, h
    return np.asarray(kept, np.int64)


def _search_back(sure: Indices, maybe: Indices, envelope: Floats, fs: float, s: BeatSettings) -> Indices:
    """Where a beat is overdue, take the strongest weaker burst that is no T wave."""
    if len(sure) < 3 or len(maybe) == len(sure):
        return sure
    rr = sure[1:] - sure[:-1]
    if rr.max() <= s.overdue * rr.min():  # none can be overdue
        return sure
    usual = percentile_filter(rr, 50, size=9, mode="nearest")
    found: list[int] = []
    for k in np.flatnonzero(rr > s.overdue * usual).tolist():
        left, right = sure[k] + s.t_wave_s * fs, sure[k + 1] - s.p_wave_s * fs
        inside = maybe[(maybe > left) & (maybe < right)]
        if len(inside):
            found.append(int(inside[np.argmax(envelope[inside])]))
    return np.sort(np.concatenate([sure, np.asarray(found, np.int64)])) if found else sure


def _centre(at: Indices, envelope: Floats, fs: float, s: BeatSettings) -> Indices:
    """Move each position to the middle of its burst: a wide beat's two flanks are one burst."""
    half = round(s.centre_s * fs)
    smooth = uniform_filter1d(envelope, round(2 * s.envelope_s * fs))
    index = _near(at, np.arange(-half, half + 1), len(envelope))
    burst = smooth[index]
    near = burst >= 0.98 * burst.max(axis=1, keepdims=True)
    return np.asarray(np.round((near * index).sum(axis=1) / near.sum(axis=1)), np.int64)


def _refine(x: Floats, at: Indices, fs_hz: float) -> Indices:
    """Move each position to the extreme of the signal near it, of the polarity that the lead usually shows."""
    if not len(at):
        return at
    half = round(0.1 * fs_hz)
    span = np.arange(-half, half + 1)
    near = 1.0 - 0.7 * (span / half) ** 2  # of two extremes the nearer one, unless the other is much larger
    index = _near(at, span, len(x))
    beat = x[index]
    beat = (beat - np.partition(beat, half, axis=1)[:, half, None]) * near
    up, down = beat.max(axis=1), -beat.min(axis=1)
    bias = 1.3 if median(up) >= median(down) else 1 / 1.3
    offset = np.where(up * bias >= down, beat.argmax(axis=1), beat.argmin(axis=1))
    return np.maximum.accumulate(index[np.arange(len(at)), offset].astype(np.int64))


def _near(at: Indices, span: Indices, n: int) -> Indices:
    """Indices [k, len(span)] around each of `at` [k] in a signal of `n` samples, whose ends are held."""
    index: Indices = np.minimum(np.maximum(at[:, None] + span, 0), n - 1)
    return index


def median(x: Floats) -> float:
    """The median of finite `x` [n], n >= 1; `np.median` to the bit, without its cost for what is short."""
    half = len(x) // 2
    if len(x) % 2:
        return float(np.partition(x, half)[half])
    low, high = np.partition(x, (half - 1, half))[half - 1 : half + 1]
    return float((low + high) / 2)
