"""How much speaks for a burst being a beat, where noise is high: log odds, from the shapes of this recording's beats.

What the beats of clean stretches look like is known, the usual ones and the ectopic ones alike. A burst in noise is
laid beside each of these shapes in two bands, and how well it fits is weighed against how strong noise is around it.
The rhythm is not asked here: see `inference/sequence.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, percentile_filter, uniform_filter1d
from scipy.signal import fftconvolve

from inference.stream import design

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MARGIN_S: Final = 3.0  # of signal to either side of a stretch, that its noise and its filters need
BANDS_HZ: Final = ((5.0, 20.0), (10.0, 35.0))  # of the detector; and above most of what an electrode's motion adds
SIDES_S: Final = (0.10, 0.08)  # of a shape to either side, in each band
LAG_S: Final = 0.022  # beats are laid over each other within this
FINE_LAG_S: Final = 0.017  # and in the second band once more
NEAR_S: Final = 0.07  # to either side: of two bursts so near, one is a candidate
FAR_S: Final = 0.075  # a detected beat belongs to a candidate so near
AROUND_S: Final = 8.0  # over which noise is measured
_REACH_S: Final = 0.25  # of the filters
_FLOOR_MV_S: Final = 0.9  # mean absolute slope below which nothing is a burst
_ALIKE, _MOST, _MOST_BEATS = 0.9, 8, 600
_LEAST, _LEAST_SHARE = 5, 0.005
_CLIP: Final = (-0.9, 0.97)  # of a correlation before Fisher's transform


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The mean of beats that are alike: their slopes in both bands, mV/s, and where their R peak is."""

    broad: Floats  # [2 a + 1]
    fine: Floats  # [2 b + 1]
    offset: int  # samples at the recording's rate from the middle of the shape to R
    count: int  # beats


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Bursts of a stretch that may be beats, increasing. All [k]."""

    sample: Indices  # middle, at the recording's rate
    r_peak: Indices
    is_detected: Flags
    measures: Floats  # [k, 13], what `WEIGHTS` weigh


# Logistic regression: `python -m benchmarks.sequence` says on what, and how it does on other hearts.
WEIGHTS: Final = (
    -7.49,  # always
    2.36,  # share of the shape's energy that it explains: 1 is a perfect fit, negative worse than nothing
    2.29,  # correlation with the shape, Fisher's transform
    -0.87,  # log size over the shape's
    0.32,  # squared
    0.56,  # log energy over the usual beat's
    -0.22,  # squared
    0.02,  # log noise around, energy over the usual beat's
    1.25,  # correlation in the second band, Fisher's transform
    1.42,  # share explained there
    0.28,  # energy times noise
    0.66,  # the detector took it
    -0.91,  # and that times noise
)


def learn_shapes(low: Floats, rate: float, q: int, centre: Indices, sample: Indices) -> list[Shape]:
    """The shapes, most common first, of beats with burst middles `centre` [k] and R peaks `sample` [k] at the
    recording's rate, which is `q` times the `rate` of `low` [n]. Those that are rare are none.
    """
    lag, sides = round(LAG_S * rate), [round(s * rate) for s in SIDES_S]
    reach = max(sides) + 2 * lag + round(_REACH_S * rate) + 1
    at = centre // q
    inside = np.flatnonzero((at >= reach) & (at < len(low) - reach))
    if len(inside) > _MOST_BEATS:
        inside = inside[np.linspace(0, len(inside) - 1, _MOST_BEATS).astype(np.int64)]
    if len(inside) < _LEAST:
        return []
    at, sample = at[inside], sample[inside]
    broad, fine = slopes(low[at[:, None] + np.arange(-reach, reach + 1)], rate)
    best, shift = _likeness(broad, reach, sides[0], lag)
    free, shapes, least = np.ones(len(at), np.bool_), list[Shape](), max(_LEAST, _LEAST_SHARE * len(at))
    while len(shapes) < _MOST:
        friends = ((best >= _ALIKE) & free).sum(axis=1) * free
        k = int(np.argmax(friends))
        if friends[k] < least:
            break
        own = np.flatnonzero((best[k] >= _ALIKE) & free)
        middle = reach + shift[k, own]
        means = [
            part[own[:, None], middle[:, None] + np.arange(-side, side + 1)].mean(axis=0)
            for part, side in zip((broad, fine), sides, strict=True)
        ]
        offset = round(float(np.median(sample[own] - (at[own] + shift[k, own]) * q)))
        shapes.append(Shape(means[0], means[1], offset, len(own)))
        free[own] = False
    return shapes


def _likeness(x: Floats, middle: int, side: int, lag: int) -> tuple[Floats, Indices]:
    """Best correlation [k, k] of the middle of each row with every other, and the shift of the other at that."""
    inner = _unit(x[:, middle - side : middle + side + 1])
    best, shift = np.full((len(x), len(x)), -1.0), np.zeros((len(x), len(x)), np.int64)
    for k in range(-lag, lag + 1):
        alike = inner @ _unit(x[:, middle + k - side : middle + k + side + 1]).T
        better = alike > best
        best[better], shift[better] = alike[better], k
    return best, shift


def _unit(x: Floats) -> Floats:
    return np.asarray(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-9))


def slopes(x: Floats, rate: float) -> tuple[Floats, Floats]:
    """Slope, mV/s, of `x` [..., n] in either band; the first and last quarter of a second are not to be used."""
    out = []
    for low_hz, high_hz in BANDS_HZ:
        taps = design.band(low_hz, high_hz, rate, _REACH_S).astype(np.float64)
        taps = taps.reshape((1,) * (x.ndim - 1) + (-1,))
        out.append(np.gradient(fftconvolve(x, taps, mode="same", axes=-1), axis=-1) * rate)
    return out[0], out[1]


def find_candidates(
    low: Floats, rate: float, q: int, begin: int, stop: int, detected: tuple[Indices, Indices], shapes: Sequence[Shape]
) -> Candidates:
    """Bursts in low[begin:stop]; `detected` are burst middles and R peaks of the detector, at the recording's rate."""
    margin = round(MARGIN_S * rate)
    first = max(0, begin - margin)
    broad, fine = slopes(low[first : min(len(low), stop + margin)], rate)
    fit, size, alike, which = _laid_over(broad, [s.broad for s in shapes])
    energy, usual = _energy(broad, len(shapes[0].broad)), float(np.sum(shapes[0].broad ** 2))
    at = _tops(fit, broad, rate)
    edge = max(len(shapes[0].fine) // 2 + round(FINE_LAG_S * rate), 1)
    at = at[(at + first >= begin) & (at + first < stop) & (at >= edge) & (at < len(broad) - edge)]
    shape = which[at]
    is_detected, r_peak = _detected(at + first, q, rate, *detected)
    r_peak = np.where(is_detected, r_peak, (at + first) * q + np.array([s.offset for s in shapes], np.int64)[shape])
    noise = np.log(_around(energy, rate)[at] / usual + 1e-3)
    strong, grown = np.log(energy[at] / usual + 1e-3), np.log(np.clip(size[at], 0.05, 5.0))
    fine_alike, fine_fit = _in_detail(fine, at, np.array([s.fine for s in shapes])[shape], round(FINE_LAG_S * rate))
    measures = [np.ones(len(at)), np.clip(fit[at], -3.0, 1.0), _stretched(alike[at]), grown, grown**2, strong]
    measures += [strong**2, noise, _stretched(fine_alike), np.clip(fine_fit, -3.0, 1.0), strong * noise]
    measures += [is_detected.astype(np.float64), is_detected * noise]
    return Candidates((at + first) * q, r_peak, is_detected, np.column_stack(measures))


def _laid_over(x: Floats, shapes: Sequence[Floats]) -> tuple[Floats, Floats, Floats, Indices]:
    """Of the shape that explains most at each sample of `x`: the share of its energy that is explained, the size of
    the burst over its own, the correlation, and which it is.
    """
    own = np.sqrt(_energy(x, len(shapes[0]))) + 1e-9
    fit, size, alike, which = np.full(len(x), -np.inf), np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x), np.int64)
    for k, shape in enumerate(shapes):
        power = float(shape @ shape) + 1e-12
        along = fftconvolve(x, shape[::-1], mode="same") / power
        better = 2 * along - 1 > fit
        fit[better], size[better], which[better] = (2 * along - 1)[better], along[better], k
        alike[better] = (along * np.sqrt(power) / own)[better]
    return fit, size, alike, which


def _energy(x: Floats, width: int) -> Floats:
    mean: Floats = uniform_filter1d(x**2, width, mode="constant")
    return np.maximum(mean * width, 0.0)


def _tops(fit: Floats, x: Floats, rate: float) -> Indices:
    """Where a shape fits best, and where the slope is strongest and none does."""
    near = round(NEAR_S * rate)
    fits = np.flatnonzero((fit == maximum_filter1d(fit, 2 * near + 1)) & (fit > -1.0))
    width = 2 * round(0.05 * rate) + 1
    slope = uniform_filter1d(np.abs(x), width)
    strong = np.flatnonzero((slope == maximum_filter1d(slope, width)) & (slope > _FLOOR_MV_S))
    return np.asarray(np.union1d(fits, strong[_apart(strong, fits) > FAR_S * rate]), np.int64)


def _apart(x: Indices, others: Indices) -> Floats:
    """Distance [k] of each of `x` from the nearest of `others`."""
    if not len(others):
        return np.full(len(x), np.inf)
    k = np.searchsorted(others, x)
    after, before = others[np.minimum(k, len(others) - 1)], others[np.maximum(k - 1, 0)]
    nearest: Indices = np.minimum(np.abs(after - x), np.abs(before - x))
    return nearest.astype(np.float64)


def _around(energy: Floats, rate: float) -> Floats:
    """Median energy of the seconds around each sample: beats are too short to move it."""
    step = max(1, round(0.05 * rate))
    median = percentile_filter(energy[::step], 50, size=round(AROUND_S * rate / step))
    return np.asarray(np.repeat(median, step)[: len(energy)])


def _in_detail(x: Floats, at: Indices, shape: Floats, lag: int) -> tuple[Floats, Floats]:
    """Correlation of each burst of `x` with its `shape` [k, m] at the best lag, and the share of it explained there."""
    side, power = shape.shape[1] // 2 if len(at) else 0, np.sum(shape**2, axis=1) + 1e-12
    alike, fit = np.full(len(at), -1.0), np.full(len(at), -3.0)
    for k in range(-lag, lag + 1):
        part = x[at[:, None] + k + np.arange(-side, side + 1)]
        along = np.sum(part * shape, axis=1)
        like = along / np.sqrt(power * np.sum(part**2, axis=1) + 1e-12)
        better = like > alike
        alike[better], fit[better] = like[better], (2 * along / power - 1)[better]
    return alike, fit


def _stretched(correlation: Floats) -> Floats:
    return np.asarray(np.arctanh(np.clip(correlation, *_CLIP)))


def _detected(at: Indices, q: int, rate: float, centre: Indices, sample: Indices) -> tuple[Flags, Indices]:
    """Which candidate is nearest to each detected beat, if near, and the R peaks of those."""
    taken, peak = np.zeros(len(at), np.bool_), np.zeros(len(at), np.int64)
    for c, r in zip((centre // q).tolist(), sample.tolist(), strict=True):
        k = int(np.searchsorted(at, c))
        near = [j for j in (k - 1, k) if 0 <= j < len(at) and abs(int(at[j]) - c) <= FAR_S * rate]
        if near:
            best = min(near, key=lambda j: abs(int(at[j]) - c))
            taken[best], peak[best] = True, r
    return taken, peak
