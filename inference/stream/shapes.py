"""Shapes of beats, and which of them are ventricular: the kernels of `inference/ventricular.py`, which defines both."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.stream.filters import convolve, extended
from inference.stream.jit import compiled
from inference.stream.peaks import middle
from inference.stream.vectors import direction, dot, norm

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

POINTS, BEFORE, LAGS, REACH = 51, 20, 4, 16  # of a shape, on ventricular.GRID_HZ
ROW = 64  # of a shape that is filled up with zeros
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
    mean = np.float32(0)
    for k in range(LAGS, LAGS + INNER):
        mean += wave[k]
    mean /= INNER
    square = np.float32(0)
    for k in range(LAGS, LAGS + INNER):
        square += (wave[k] - mean) * (wave[k] - mean)
    size = np.sqrt(square) + 1e-9
    best = -2.0
    inner = wave[LAGS : LAGS + INNER]
    for lag in range(2 * LAGS + 1):
        moved = other[lag : lag + INNER]
        total = squares = dot = np.float32(0)
        for k in range(INNER):
            total += moved[k]
            squares += moved[k] * moved[k]
            dot += (inner[k] - mean) * moved[k]
        spread = np.sqrt(max(squares - total * total / INNER, np.float32(0))) + 1e-9
        best = max(best, float(dot) / (size * spread))
    return best


@compiled
def is_ventricular(wave: F32, wide_s: float, known: bool, usual: F32, usual_s: float, s: ShapeLimits) -> bool:
    """Unlike the usual beat, and wider or larger than it."""
    if not known:
        return wide_s >= s.wide_alone_s
    alike = likeness(wave, usual)
    if alike >= s.somewhat_unlike:
        return False
    size = norm(wave) / (norm(usual) + 1e-9)
    if alike < s.unlike and (wide_s >= usual_s + s.wider_s - 1e-6 or size >= s.larger):
        return True
    if alike < s.rather_unlike and size >= s.much_larger:
        return True
    return wide_s >= usual_s + s.much_wider_s - 1e-6 and size >= s.rather_larger


@compiled
def find_usual(wave: F32, wide_s: F32, timely: I64, count: int, usual: F32, s: ShapeLimits, spare: F32) -> float:
    """The most common shape of the beats timely[:count] into `usual`; its width, or -1 when there is none."""
    if count < s.usual_least:
        return -1.0
    unit = spare[: count * ROW].reshape(count, ROW)
    unit[:] = 0
    for k in range(count):
        direction(wave[timely[k]], unit[k, :POINTS])
    friends = spare[count * ROW : count * ROW + count]
    friends[:] = 1
    for k in range(1, count):
        one = unit[k]
        for j in range(k):
            if dot(one, unit[j]) >= s.alike:
                friends[k] += 1
                friends[j] += 1
    best = 0
    for k in range(count):
        if friends[k] > friends[best]:
            best = k
    if friends[best] < max(float(s.usual_least), s.usual_share * count):
        return -1.0
    usual[:] = 0
    held = 0
    widths = spare[count * ROW :]
    for k in range(count):
        if k == best or dot(unit[k], unit[best]) >= s.alike:
            beat = wave[timely[k]]
            for i in range(POINTS):
                usual[i] += beat[i]
            widths[held] = wide_s[timely[k]]
            held += 1
    for i in range(POINTS):
        usual[i] /= held
    return middle(widths, held, widths[held:])
