"""Which bursts of slope are beats? Kernels on the envelope of one lead; the limits are those of `BeatSettings`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.stream.extent import highest
from inference.stream.jit import compiled

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


class Limits(NamedTuple):
    """`BeatSettings` for one rate: stretches in samples."""

    rate: float
    block: int  # a second
    near: int  # half the refractory time
    refractory: float
    t_wave: float
    t_wave_share: float
    p_wave: float
    p_wave_share: float
    level_blocks: int
    wide_blocks: int
    wide_low: float
    wide_high: float
    threshold: float
    search_back: float
    overdue: float
    floor: float
    weak: float
    weak_ratio: float


@compiled
def middle(x: F32, n: int) -> float:
    """The median of x[:n], n >= 1, small. Not sorted: how many are smaller is counted, for compilers make vector
    instructions of that; each count rules out the values on one side.
    """
    below, above, rank = np.float32(-np.inf), np.float32(np.inf), (n - 1) // 2
    for i in range(n):
        value = x[i]
        if value <= below or value >= above:
            continue
        less, most = _counts(x[:n], value)
        if less > rank:
            above = value
        elif most <= rank:
            below = value
        else:
            return float(value) if most > n // 2 else 0.5 * float(value + np.float32(_next(x[:n], value)))
    return float(below)


@compiled
def _counts(x: F32, value: float) -> tuple[int, int]:
    """How many are smaller, and how many are not larger."""
    limit, less, most = np.float32(value), np.int32(0), np.int32(0)
    for i in range(len(x)):
        less += x[i] < limit
        most += x[i] <= limit
    return int(less), int(most)


@compiled
def _next(x: F32, value: float) -> float:
    """The smallest that is larger."""
    best = np.float32(np.inf)
    for i in range(len(x)):
        if (x[i] > value) & (x[i] < best):
            best = x[i]
    return float(best)


@compiled
def tops(envelope: F32, s: Limits, begin: int, stop: int, found: int, out: I64) -> int:
    """Peaks of the envelope that reach the floor and stand out, those from `begin` to `stop`, behind out[:found]; the
    number of both. How near to a peak samples decide upon it: see `sight`.
    """
    half, block = s.block // 2, s.near + 1
    bits, least = envelope.view(np.int32), np.full(1, s.floor, np.float32)
    floor = least.view(np.int32)[0]
    for start in range(begin, stop, block):  # what is highest within `near` is highest in its block
        top = highest(bits[start : start + block])
        if top < floor:
            continue
        i = start
        while bits[i] < top:
            i += 1
        h = envelope[i]
        if i >= stop or highest(bits[max(0, i - s.near) : i + s.near + 1]) > top:
            continue
        if h < s.weak:
            below, limit = 0, np.float32(h / s.weak_ratio)
            around = envelope[max(0, i - half) : i + half]
            for j in range(len(around)):
                below += around[j] <= limit
            if 2 * below <= len(around):
                continue
        if found < len(out) and not (found and i - out[found - 1] <= s.near):
            out[found] = i
            found += 1
    return found


@compiled
def sight(s: Limits) -> int:
    """Samples to either side that decide whether one is a peak."""
    return max(s.near, s.block // 2) + 1


@compiled
def levels(envelope: F32, s: Limits, usual: float, out: F32, spare: F32) -> int:
    """The size of the beats around each second, counted from the end: a median of the maxima of the seconds near it,
    kept within reason of `usual` (0: not known, then of the median of many seconds). The number of seconds.
    """
    n = len(envelope)
    blocks = (n + s.block - 1) // s.block
    maxima, room, bits = spare[:blocks], spare[blocks:], envelope.view(np.int32)
    highest_ = maxima.view(np.int32)
    for k in range(blocks):
        highest_[k] = highest(bits[max(0, n - (k + 1) * s.block) : n - k * s.block])
    reach, wide = s.wide_blocks // 2, usual
    for k in range(blocks):
        if usual <= 0 and (k == 0 or blocks > reach + 1):
            around = maxima[max(k - reach, 0) : k + reach + 1]
            wide = middle(around, len(around))
        near = _middle_of_blocks(maxima, k, s.level_blocks, room)
        out[k] = min(max(near, s.wide_low * wide), s.wide_high * wide)
    return blocks


@compiled
def _middle_of_blocks(maxima: F32, k: int, size: int, room: F32) -> float:
    """Median of `size` values around the k-th; the first and last stand for those beyond them."""
    n = len(maxima)
    for j in range(size):
        room[j] = maxima[min(max(k - size // 2 + j, 0), n - 1)]
    return middle(room, size)


@compiled
def choose(envelope: F32, s: Limits, usual: float, peaks: I64, out: I64, spare: F32) -> int:
    """Which of the `peaks` are beats, increasing; their number. `peaks` [n] are overwritten, `out` [n]."""
    count = len(peaks)
    if count == 0:
        return 0
    n = len(envelope)
    blocks = (n + s.block - 1) // s.block
    level = spare[:blocks]
    levels(envelope, s, usual, level, spare[blocks:])
    kept = 0
    for k in range(count):
        i = peaks[k]
        h = envelope[i]
        if h < s.threshold * level[(n - 1 - i) // s.block]:
            continue
        if kept:
            apart = i - out[kept - 1]
            last = envelope[out[kept - 1]]
            if apart < s.refractory or (apart < s.p_wave and last < s.p_wave_share * h):
                if h > last:
                    out[kept - 1] = i
                continue
            if apart < s.t_wave and h < s.t_wave_share * last:
                continue
        out[kept] = i
        kept += 1
    return _search_back(envelope, s, level, peaks, out, kept, spare[blocks:])


@compiled
def _search_back(envelope: F32, s: Limits, level: F32, peaks: I64, out: I64, kept: int, spare: F32) -> int:
    """Where a beat is overdue, take the strongest weaker burst that is no T wave."""
    n, intervals = len(envelope), kept - 1
    if intervals < 2 or len(peaks) == kept:
        return kept
    rr = spare[:intervals]
    for k in range(intervals):
        rr[k] = out[k + 1] - out[k]
    found, j = 0, 0
    for k in range(intervals):
        if not _is_overdue(rr, k, s.overdue):
            continue
        left, right = out[k] + s.t_wave, out[k + 1] - s.p_wave
        while j < len(peaks) and peaks[j] <= left:
            j += 1
        best = -1
        while j < len(peaks) and peaks[j] < right:
            i = peaks[j]
            if envelope[i] >= s.search_back * level[(n - 1 - i) // s.block] and (
                best < 0 or envelope[i] > envelope[best]
            ):
                best = i
            j += 1
        if best >= 0:
            peaks[found] = best  # read already: at most one is kept of those that were passed
            found += 1
    total = kept + found
    a, b, at = kept - 1, found - 1, total - 1
    while b >= 0:  # merge from the end
        if a >= 0 and out[a] > peaks[b]:
            out[at] = out[a]
            a -= 1
        else:
            out[at] = peaks[b]
            b -= 1
        at -= 1
    return total


@compiled
def _is_overdue(rr: F32, k: int, times: float) -> bool:
    """Whether interval `k` is so many times longer than the middle of the nine around it: than most of them."""
    n, short = len(rr), 0
    for j in range(k - 4, k + 5):
        short += rr[k] > times * rr[min(max(j, 0), n - 1)]
    return short >= 5
