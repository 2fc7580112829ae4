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
def middle(x: F32, n: int, spare: F32) -> float:
    """The median of x[:n], n >= 1, small; `spare` [n] is overwritten."""
    for i in range(n):
        value = x[i]
        j = i
        while j > 0 and spare[j - 1] > value:
            spare[j] = spare[j - 1]
            j -= 1
        spare[j] = value
    return 0.5 * (float(spare[(n - 1) // 2]) + float(spare[n // 2]))


@compiled
def tops(envelope: F32, s: Limits, out: I64) -> int:
    """Peaks of the envelope that reach the floor and stand out; their number."""
    n, found, half, block = len(envelope), 0, s.block // 2, s.near + 1
    bits, least = envelope.view(np.int32), np.full(1, s.floor, np.float32)
    floor = least.view(np.int32)[0]
    for start in range(0, n, block):  # what is highest within `near` is highest in its block
        top = highest(bits[start : start + block])
        if top < floor:
            continue
        i = start
        while bits[i] < top:
            i += 1
        h = envelope[i]
        if highest(bits[max(0, i - s.near) : i + s.near + 1]) > top:
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
            wide = middle(around, len(around), room)
        near = _middle_of_blocks(maxima, k, s.level_blocks, room)
        out[k] = min(max(near, s.wide_low * wide), s.wide_high * wide)
    return blocks


@compiled
def _middle_of_blocks(maxima: F32, k: int, size: int, room: F32) -> float:
    """Median of `size` values around the k-th; the first and last stand for those beyond them."""
    n = len(maxima)
    for j in range(size):
        room[j] = maxima[min(max(k - size // 2 + j, 0), n - 1)]
    return middle(room, size, room[size:])


@compiled
def choose(envelope: F32, s: Limits, usual: float, out: I64, work: I64, spare: F32) -> int:
    """Positions of beats, increasing; their number. `out` and `work` as long as there may be peaks."""
    count = tops(envelope, s, work)
    if count == 0:
        return 0
    n = len(envelope)
    blocks = (n + s.block - 1) // s.block
    level = spare[:blocks]
    levels(envelope, s, usual, level, spare[blocks:])
    kept = 0
    for k in range(count):
        i = work[k]
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
    return _search_back(envelope, s, level, work[:count], out, kept, spare[blocks:])


@compiled
def _search_back(envelope: F32, s: Limits, level: F32, peaks: I64, out: I64, kept: int, spare: F32) -> int:
    """Where a beat is overdue, take the strongest weaker burst that is no T wave."""
    n, intervals = len(envelope), kept - 1
    if intervals < 2 or len(peaks) == kept:
        return kept
    rr = spare[:intervals]
    for k in range(intervals):
        rr[k] = out[k + 1] - out[k]
    room = spare[intervals:]
    found, j = 0, 0
    for k in range(intervals):
        if rr[k] <= s.overdue * _middle_of_blocks(rr, k, 9, room):
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
