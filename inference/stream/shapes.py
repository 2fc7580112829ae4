"""Shapes of beats, and which of them are ventricular: the kernels of `inference/ventricular.py`, which defines both."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.stream.filters import convolve, extended
from inference.stream.jit import compiled
from inference.stream.peaks import middle
from inference.stream.vectors import dot, total

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

POINTS, BEFORE, LAGS, REACH = 51, 20, 4, 16  # of a shape, on ventricular.GRID_HZ
INNER = POINTS - 2 * LAGS
GRID_S = 0.008


class ShapeLimits(NamedTuple):
    """`VentricularSettings`."""

    alike: float
    usual_share: float
    usual_least: int
    early: float
    unlike: float
    wider_s: float
    larger: float
    rather_unlike: float
    much_larger: float
    somewhat_unlike: float
    much_wider_s: float
    rather_larger: float
    run_alike: float
    wide_alone_s: float


@compiled
def baseline(x: F32, first: int, offset: int, taps: F32, step: int, out: F32, scratch: F32) -> int:
    """What is slow in x[first:], once a `step`, into `out`; the number of the first of them, counted from the start of
    the stream. `offset` is the place of x[0] in the stream: means begin at multiples of `step`, so they stay the same.
    """
    begin, side = (offset + first) // step - 1, len(taps) // 2
    count = (offset + len(x)) // step + 2 - begin
    long, rest = scratch[: count + 2 * side], scratch[count + 2 * side :][: (count + 2 * side) * step]
    start = (begin - side) * step - offset
    extended(x, start, start + len(rest), rest)
    for k in range(len(long)):
        long[k] = rest[k * step : (k + 1) * step].sum() / step
    convolve(long, taps, out[:count])
    return begin


@compiled
def cut(
    x: F32,
    at: float,
    offset: int,
    upper: F32,
    slow: F32,
    begin: int,
    step: int,
    per_grid: float,
    wave: F32,
    scratch: F32,
) -> None:
    """The shape around position `at` of `x`, smoothed and without what is slow; the ends of the signal are held."""
    n, reach = len(x), len(upper) // 2
    first = min(max(int(at - BEFORE * per_grid), 0), n - 2)
    stop = max(min(int(at + (POINTS - BEFORE) * per_grid) + 2, n), first + 2)
    width = stop - first
    source, smooth = scratch[: width + 2 * reach], scratch[width + 2 * reach : 2 * width + 2 * reach]
    extended(x, first - reach, stop + reach, source)
    convolve(source, upper, smooth)
    for k in range(POINTS):
        place = min(max(at + (k - BEFORE) * per_grid, 0.0), n - 1.0)
        j = min(int(place), n - 2)
        share = np.float32(place - j)
        level = (offset + place - 0.5 * (step - 1)) / step - begin
        i = int(level)
        part = np.float32(level - i)
        fine = smooth[j - first] * (1 - share) + smooth[j + 1 - first] * share
        wave[k] = fine - slow[i] * (1 - part) - slow[i + 1] * part


@compiled
def width_s(wave: F32, slope: F32) -> float:
    """Width of the QRS complex: from the first to the last strong slope near the centre. `slope` [2 POINTS] spare."""
    steep = slope[POINTS:]
    for k in range(POINTS):
        a, b = max(k - 1, 0), min(k + 1, POINTS - 1)
        steep[k] = abs(wave[b] - wave[a]) / (b - a)
    top = np.float32(0)
    for k in range(BEFORE - REACH, BEFORE + REACH + 1):
        slope[k] = (steep[k - 1] + steep[k] + steep[k + 1]) / 3
        top = max(top, slope[k])
    first, last = BEFORE - REACH, BEFORE + REACH
    while slope[first] < 0.25 * top:
        first += 1
    while slope[last] < 0.25 * top:
        last -= 1
    return (last - first) * GRID_S


@compiled
def likeness(wave: F32, other: F32) -> float:
    """Correlation of the inner part of `wave` with `other` at the best of a few lags."""
    inner, moved = wave[LAGS : LAGS + INNER], other[:INNER]
    mean, size = total(inner) / INNER, dot(inner, inner)
    sum_, squares, best = total(moved), dot(moved, moved), -2.0
    for lag in range(2 * LAGS + 1):
        spread = np.sqrt(max(squares - sum_ * sum_ / INNER, 0.0)) + 1e-9
        best = max(best, (dot(inner, other[lag : lag + INNER]) - mean * sum_) / spread)
        if lag < 2 * LAGS:
            goes, comes = float(other[lag]), float(other[lag + INNER])
            sum_ += comes - goes
            squares += comes * comes - goes * goes
    return float(best / (np.sqrt(max(size - INNER * mean * mean, 0.0)) + 1e-9))


@compiled
def is_ventricular(alike: float, size: float, wide_s: float, usual_s: float, s: ShapeLimits) -> bool:
    """Unlike the usual beat, and wider or larger than it: `size` times as large."""
    if alike >= s.somewhat_unlike:
        return False
    if alike < s.unlike and (wide_s >= usual_s + s.wider_s - 1e-6 or size >= s.larger):
        return True
    if alike < s.rather_unlike and size >= s.much_larger:
        return True
    return wide_s >= usual_s + s.much_wider_s - 1e-6 and size >= s.rather_larger


@compiled
def compare(wave: F32, first: int, begin: int, stop: int, alike: float, form: F32, like: I64) -> None:
    """Which of the shapes `first` to `stop` are like one another, into the bits of `like`: asked anew of each from
    `begin` on and those before it. `form` keeps the mean of each, and one over its size without that.
    """
    for k in range(begin, stop):
        one = wave[k]
        mean = one.sum() / POINTS
        form[k, 0], form[k, 1] = mean, 1 / (np.sqrt(max(dot(one, one) - POINTS * mean * mean, 0.0)) + 1e-9)
        like[k] = 0
        for j in range(first, k):
            product = dot(one, wave[j]) - POINTS * mean * form[j, 0]
            same = np.int64(product * form[k, 1] * form[j, 1] >= alike)
            like[k, j // 64] |= same << (j % 64)
            like[j, k // 64] = like[j, k // 64] & ~(np.int64(1) << (k % 64)) | same << (k % 64)


@compiled
def find_usual(wave: F32, wide_s: F32, like: I64, timely: I64, usual: F32, s: ShapeLimits, spare: F32) -> float:
    """The most common shape of the beats `timely` into `usual`; its width, or -1 when there is none."""
    if len(timely) < s.usual_least:
        return -1.0
    among = np.zeros(like.shape[1], np.int64)
    for k in timely:
        among[k // 64] |= np.int64(1) << (k % 64)
    best, most = 0, 0
    for k in timely:
        friends = 1
        for w in range(len(among)):
            friends += ones(like[k, w] & among[w])
        if friends > most:
            best, most = k, friends
    if most < max(float(s.usual_least), s.usual_share * len(timely)):
        return -1.0
    usual[:] = 0
    held = 0
    for k in timely:
        if k == best or (like[best, k // 64] >> (k % 64)) & 1:
            beat = wave[k]
            for i in range(POINTS):
                usual[i] += beat[i]
            spare[held] = wide_s[k]
            held += 1
    for i in range(POINTS):
        usual[i] /= held
    return middle(spare, held)


@compiled
def ones(bits: int) -> int:
    """How many of 64 bits are set; compilers know these lines and make one instruction of them."""
    bits = bits - ((bits >> 1) & 0x5555555555555555)
    bits = (bits & 0x3333333333333333) + ((bits >> 2) & 0x3333333333333333)
    return (((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F) * 0x0101010101010101) >> 56
