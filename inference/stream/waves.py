"""Fibrillation or flutter in the last seconds: the kernel of `inference/fibrillation.py`, which defines it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

AMPLITUDE, DOMINANT, AWAY, SLOPE_PEAKS, LEAKAGE, IN_BAND, MEASURES = 0, 1, 2, 3, 4, 5, 6


class WaveLimits(NamedTuple):
    """`FibrillationSettings` for one rate: the filter and the frequencies that are looked at."""

    q: int  # samples to one
    sos: F64  # [2, 6]
    zi: F64  # [2, 2] its state under a constant 1
    window: F64  # [n]
    cosine: F64  # [bins, n] of the frequencies from 1 to 12 Hz
    sine: F64
    first_hz: float
    step_hz: float
    bins: int  # of the whole transform
    nyquist: F64  # [n] +1 -1 +1 ...
    low_mv: float
    high_mv: float
    dominant_low: float
    dominant_high: float
    away: float
    slope_peaks: float
    leakage: float
    in_band: float
    relaxed: float


@compiled
def filtered(x: F64, sos: F64, zi: F64, backwards: bool) -> None:
    """Two second-order sections in place, started as if the first value had always been."""
    n = len(x)
    start = x[n - 1] if backwards else x[0]
    a0, a1, c0, c1 = zi[0, 0] * start, zi[0, 1] * start, zi[1, 0] * start, zi[1, 1] * start
    p0, p1, p2, p4, p5 = sos[0, 0], sos[0, 1], sos[0, 2], sos[0, 4], sos[0, 5]
    r0, r1, r2, r4, r5 = sos[1, 0], sos[1, 1], sos[1, 2], sos[1, 4], sos[1, 5]
    for k in range(n):
        i = n - 1 - k if backwards else k
        v = x[i]
        y = p0 * v + a0
        a0 = p1 * v - p4 * y + a1
        a1 = p2 * v - p5 * y
        z = r0 * y + c0
        c0 = r1 * y - r4 * z + c1
        c1 = r2 * y - r5 * z
        x[i] = z


@compiled
def measure(mv: F32, s: WaveLimits, raw_limit: float, limit: float, out: F64) -> bool:
    """The measures of `mv` into `out`; False where the slope alone says that a QRS complex is there, the rest unknown.

    `limit` is the most kurtosis of the slope that is looked into, `raw_limit` likewise before the filter.
    """
    n = len(mv) // s.q
    pad = min(n - 1, int(np.rint(s.step_hz * s.bins)))
    longer = np.empty(n + 2 * pad)
    x = longer[pad : pad + n]
    for i in range(n):
        total = 0.0
        group = mv[i * s.q : (i + 1) * s.q]
        for k in range(s.q):
            total += group[k]
        x[i] = total / s.q
    if slope_peaks(x) > raw_limit:
        return False
    for k in range(pad):
        longer[pad - 1 - k] = 2 * x[0] - x[k + 1]
        longer[pad + n + k] = 2 * x[n - 1] - x[n - 2 - k]
    filtered(longer, s.sos, s.zi, False)
    filtered(longer, s.sos, s.zi, True)
    mean = x.mean()
    slope = size = top = 0.0
    for i in range(n):
        x[i] -= mean
        size += abs(x[i])
        top = max(top, abs(x[i]))
    after = x[1:]
    for i in range(n - 1):
        slope += abs(after[i] - x[i])
    out[SLOPE_PEAKS] = slope_peaks(x)
    if out[SLOPE_PEAKS] > limit:
        return False
    away = 0
    for i in range(n):
        away += abs(x[i]) > 0.2 * top
    out[AWAY] = away / n
    out[LEAKAGE] = _leakage(x, size, slope)
    _spectrum(x, s, out)
    ordered = np.sort(x)
    out[AMPLITUDE] = _at(ordered, 97.5) - _at(ordered, 2.5)
    return True


@compiled
def slope_peaks(x: F64) -> float:
    """Kurtosis of the slope: large where it comes in bursts."""
    n, after = len(x) - 1, x[1:]
    square = fourth = 0.0
    for i in range(n):
        d = (after[i] - x[i]) * (after[i] - x[i])
        square += d
        fourth += d * d
    return (fourth / n) / ((square / n) * (square / n) + 1e-18)


@compiled
def _at(ordered: F64, percent: float) -> float:
    place = percent / 100 * (len(ordered) - 1)
    k = int(place)
    return float(ordered[k] + (place - k) * (ordered[min(k + 1, len(ordered) - 1)] - ordered[k]))


@compiled
def _leakage(x: F64, size: float, slope: float) -> float:
    n = len(x)
    half = max(1, min(int(np.rint(np.pi * size / (slope + 1e-12))), n // 2))
    both = apart = 0.0
    a, b = x[: n - half], x[half:]
    for i in range(n - half):
        both += abs(a[i] + b[i])
        apart += abs(a[i]) + abs(b[i])
    return both / (apart + 1e-12)


@compiled
def _spectrum(x: F64, s: WaveLimits, out: F64) -> None:
    """Dominant frequency and the share of power in the band, from the few frequencies that matter (Parseval)."""
    n = len(s.window)
    w = x[:n] * s.window
    whole = flat = turn = 0.0
    for i in range(n):
        whole += w[i] * w[i]
        flat += w[i]
        turn += w[i] * s.nyquist[i]
    total = 0.5 * (s.bins * whole + flat * flat + turn * turn)
    best, inside = -1.0, 0.0
    for k in range(len(s.cosine)):
        a = b = 0.0
        cosine, sine = s.cosine[k], s.sine[k]
        for i in range(n):
            a += w[i] * cosine[i]
            b += w[i] * sine[i]
        power = a * a + b * b
        hz = s.first_hz + k * s.step_hz
        if power > best:
            best, out[DOMINANT] = power, hz
        if 2.2 <= hz <= 9.0:
            inside += power
    out[IN_BAND] = inside / (total + 1e-18)


@compiled
def looks_like(w: F64, s: WaveLimits, begun: bool) -> bool:
    """Whether these waves are fibrillation or flutter; `begun` when the seconds before were."""
    r = s.relaxed if begun else 0.0
    return bool(
        s.low_mv * (1 - r) <= w[AMPLITUDE] <= s.high_mv
        and s.dominant_low * (1 - r) <= w[DOMINANT] <= s.dominant_high
        and w[AWAY] >= s.away * (1 - r)
        and w[SLOPE_PEAKS] <= s.slope_peaks * (1 + r)
        and w[LEAKAGE] <= s.leakage * (1 + r)
        and w[IN_BAND] >= s.in_band * (1 - 2 * r)
    )
