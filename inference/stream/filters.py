"""Kernels on one stretch of signal: convolution with symmetric taps, extension of its ends, slope envelope."""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.vectors import dot

F32 = npt.NDArray[np.float32]


@compiled
def extended(x: F32, first: int, last: int, out: F32) -> None:
    """x[first:last] into `out`; beyond either end of `x` the signal goes on as its own reflection in the end point."""
    n = len(x)
    a, b = max(first, 0), min(last, n)
    for i in range(first, min(a, last)):
        out[i - first] = 2 * x[0] - x[min(-i, n - 1)]
    if b > a:
        out[a - first : b - first] = x[a:b]
    for i in range(max(b, first), last):
        out[i - first] = 2 * x[n - 1] - x[max(2 * (n - 1) - i, 0)]


@compiled
def convolve(x: F32, taps: F32, out: F32) -> None:
    """out[i] = taps . x[i : i + len(taps)]; four taps at a time, so that each result is read and written rarely.

    Slices, not sums of indices, go through the inner loop: only so does it become vector instructions.
    """
    n, m = len(out), len(taps)
    out[:] = 0
    for k in range(0, m - 3, 4):
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        x0, x1, x2, x3 = x[k : k + n], x[k + 1 : k + 1 + n], x[k + 2 : k + 2 + n], x[k + 3 : k + 3 + n]
        for i in range(n):
            out[i] += a * x0[i] + b * x1[i] + c * x2[i] + d * x3[i]
    for k in range(m - m % 4, m):
        a, x0 = taps[k], x[k : k + n]
        for i in range(n):
            out[i] += a * x0[i]


@compiled
def band_and_slope(
    x: F32, taps: F32, half: int, per_s: float, start: int, new: int, envelope: F32, scratch: F32
) -> float:
    """Mean absolute slope (mV/s over 2 half + 1 samples) of the band-passed `x`, into envelope[start:]. Returns the sum
    of squares of that band over the last `new` samples that later ones will not change.
    """
    n, reach = len(x), len(taps) // 2
    final = max(n - reach, 0)
    first = max(min(start - half - 1, final - new), 0)
    width = n - first
    source, filtered = scratch[: width + 2 * reach], scratch[width + 2 * reach : 2 * width + 2 * reach]
    extended(x, first - reach, n + reach, source)
    convolve(source, taps, filtered)
    slope = source[:width]  # its content is no longer needed
    before, after, inner = filtered[: width - 2], filtered[2:width], slope[1 : width - 1]
    scale = np.float32(0.5 * per_s)
    for i in range(width - 2):
        inner[i] = abs(after[i] - before[i]) * scale
    slope[0] = abs(filtered[1] - filtered[0]) * 2 * scale
    slope[width - 1] = abs(filtered[width - 1] - filtered[width - 2]) * 2 * scale
    _mean(slope, half, start - first, envelope[start:])
    told = filtered[max(final - new, 0) - first : final - first]
    return dot(told, told)


@compiled
def power(x: F32, taps: F32, new: int, lag: int, scratch: F32) -> float:
    """Sum of squares, in the band of `taps`, over the last `new` samples but for the very last `lag` ones."""
    reach, last = len(taps) // 2, max(len(x) - lag, 0)
    first = max(last - new, 0)
    width = last - first
    source, filtered = scratch[: width + 2 * reach], scratch[width + 2 * reach : 2 * width + 2 * reach]
    extended(x, first - reach, last + reach, source)
    convolve(source, taps, filtered)
    return dot(filtered, filtered)


@compiled
def _mean(x: F32, half: int, start: int, out: F32) -> None:
    """Means of x[i - half : i + half + 1] for i from `start` on; at the ends, of what there is."""
    n = len(x)
    a, b, total = max(start - half, 0), min(start + half, n), 0.0
    for i in range(a, b):
        total += x[i]
    for i in range(start, n):
        if i + half < n:
            total += x[i + half]
            b = i + half + 1
        if i - half > a:
            total -= x[a]
            a += 1
        out[i - start] = max(total, 0.0) / (b - a)
