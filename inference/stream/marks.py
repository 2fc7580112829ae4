"""Measures of signal quality, a stretch of 5 to 10 s at a time; `inference/quality.py` says what they are for."""

import numpy as np
import numpy.typing as npt

from inference.stream.extent import bounds, highest
from inference.stream.jit import compiled
from inference.stream.peaks import middle
from inference.stream.vectors import direction, dot

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

QRS, MUSCLE, LIKENESS, AGREEMENT, REST, WANDER, CLEAR, STEADY, MEASURES = 0, 1, 2, 3, 4, 5, 6, 7, 8


@compiled
def flat_share(x: F32, block: int, flat_mv: float) -> float:
    """Share of half seconds with less than `flat_mv` from peak to peak."""
    blocks = len(x) // block
    flat = 0
    for k in range(blocks):
        flat += spread(x[k * block : (k + 1) * block]) < flat_mv
    return flat / max(blocks, 1)


@compiled
def spread(x: F32) -> float:
    """Peak to peak."""
    low, high = bounds(x)
    return high - low


@compiled
def saturated_share(x: F32) -> float:
    """Share of samples in runs of three at the highest or lowest value; a baseline at such a value does not count."""
    low, high = bounds(x)
    span = high - low
    quarter_down, quarter_up = np.float32(high - 0.25 * span), np.float32(low + 0.25 * span)
    upper, lower = np.int32(0), np.int32(0)
    for i in range(len(x)):
        upper += x[i] < quarter_down
        lower += x[i] > quarter_up
    top = np.float32(high - 1e-3 * span if 2 * upper > len(x) else high + 1)
    bottom = np.float32(low + 1e-3 * span if 2 * lower > len(x) else low - 1)
    runs = np.int32(0)
    a, b, c = x[: len(x) - 2], x[1 : len(x) - 1], x[2:]
    for i in range(len(a)):
        upwards = (a[i] >= top) & (b[i] >= top) & (c[i] >= top)  # not "and": only so without a branch
        runs += np.int32(upwards | ((a[i] <= bottom) & (b[i] <= bottom) & (c[i] <= bottom)))
    return float(runs / len(x))


@compiled
def alike(x: F32, beats: I64, half: int, spare: F32) -> float:
    """Mean correlation of each beat with the one most like it; 0 where two whole ones cannot be compared."""
    m = 2 * half + 1
    long = (m + 15) // 16 * 16  # rows are filled up with zeros: whole vectors have no slow rest
    most = min(len(beats), len(spare) // (long + 1))
    unit, best = spare[: most * long].reshape(most, long), spare[most * long : most * (long + 1)]
    unit[:] = 0
    count = 0
    for b in range(len(beats)):
        at = beats[b]
        if at >= half and at < len(x) - half and count < most:
            direction(x[at - half : at + half + 1], unit[count, :m])
            count += 1
    if count < 2:
        return 0.0
    best[:] = -1
    for a in range(count):
        for b in range(a):
            product = np.float32(dot(unit[a], unit[b]))
            best[a], best[b] = max(best[a], product), max(best[b], product)
    return max(0.0, float(best[:count].mean()))


@compiled
def agreement(a: I64, b: I64, tolerance: float) -> float:
    """F1 of two detectors whose beats are `a` and `b`, both increasing."""
    if not len(a) or not len(b):
        return 0.0
    both, j = 0, 0
    for i in range(len(a)):
        while j + 1 < len(b) and abs(b[j + 1] - a[i]) <= abs(b[j] - a[i]):
            j += 1
        both += abs(b[j] - a[i]) <= tolerance
    return min(1.0, 2 * both / (len(a) + len(b)))


@compiled
def rest(envelope: F32, beats: I64, near: int, spare: F32) -> float:
    """Mean slope between beats over the slope of a beat, 1 where there are none."""
    n, count = len(envelope), min(len(beats), len(spare) // 2)
    if count == 0:
        return 1.0
    total, held, at = 0.0, 0, 0
    tops, bits = spare.view(np.int32), envelope.view(np.int32)
    for k in range(count):
        a, b = max(beats[k] - near, 0), min(beats[k] + near + 1, n)
        tops[k] = highest(bits[a:b])
        if a > at:
            total += envelope[at:a].sum()
        held += max(a - at, 0)
        at = max(at, b)
    if n > at:
        total += envelope[at:n].sum()
    held += max(n - at, 0)
    return min(1.0, total / max(held, 1) / (middle(spare, count) + 1e-9))


@compiled
def wander(x: F32, block: int, size: float) -> float:
    """Root mean square of what the means of half seconds differ by, over the size of a beat, at most 2."""
    blocks = len(x) // block
    if blocks < 2 or size <= 0:
        return 2.0
    square, before = 0.0, 0.0
    for k in range(blocks):
        mean = float(x[k * block : (k + 1) * block].sum()) / block
        if k:
            square += (mean - before) * (mean - before)
        before = mean
    return float(min(2.0, np.sqrt(square / (blocks - 1)) / size))


@compiled
def clarity(x: F32, beats: I64, before: int, after: int, size: float, spare: F32) -> tuple[float, float]:
    """Beats over what is left of them without the mean beat, in bels, with and without its own mean level: a ratio of
    signal to noise, in which wander counts, and one in which it does not. The middle of the beats'; 0 where fewer than
    three are whole.
    """
    m = before + after
    count, most = 0, min(len(beats), (len(spare) - m) // 6)
    mean, levels, whole, part = spare[:m], spare[m : m + most], spare[m + most :], spare[m + 2 * most :]
    mean[:] = 0
    for b in range(most):
        at = beats[b]
        if at >= before and at + after <= len(x):
            beat = x[at - before : at + after]
            for i in range(m):
                mean[i] += beat[i]
            levels[count] = at
            count += 1
    if count < 3:
        return 0.0, 0.0
    for i in range(m):
        mean[i] /= count
    for k in range(count):
        at = int(levels[k])
        beat = x[at - before : at + after]
        total = square = np.float32(0)
        for i in range(m):
            left = beat[i] - mean[i]
            total += left
            square += left * left
        whole[k] = square / m
        part[k] = max(square / m - (total / m) * (total / m), np.float32(0))
    least = 1e-7 * size * size + 1e-12
    signal = size * size / 8
    return (
        np.log10((signal + 1e-12) / (middle(whole, count) + least)),
        np.log10((signal + 1e-12) / (middle(part, count) + least)),
    )
