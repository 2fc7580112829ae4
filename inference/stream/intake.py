"""A patient's newest samples into the rows of `State`: gaps bridged, decimated, both envelopes brought up to date."""

import numpy as np
import numpy.typing as npt

from inference.stream.filters import band_and_slope, power
from inference.stream.jit import compiled, strict
from inference.stream.state import (
    END,
    FAST,
    GAP_FROM,
    LOW_USED,
    MISSING,
    MUSCLE,
    SAMPLES,
    SECONDS,
    SEEN_FROM,
    SETTLED,
    SLOW,
    USED,
    Plan,
    State,
)

MOST_MV = 1000.0  # what is larger is no potential of a body

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


@compiled
def take(p: int, new: F32, plan: Plan, st: State, scratch: F32) -> None:
    """Everything that follows from samples alone."""
    count = st.tally[p]
    before = count[END]
    low_before = before // plan.q
    part = st.part[p]
    for k in range(SECONDS - 1):
        part[k] = part[k + 1]
    part[SECONDS - 1] = 0
    part[SECONDS - 1, SAMPLES] = len(new)
    changed = _append(count, part, new, plan, st.x[p])
    low_end = count[END] // plan.q
    for envelope in (st.envelope[p], st.second[p]):
        _room(envelope, count[LOW_USED], low_end - low_before, plan.window)
    if plan.q > 1:
        _room(st.low[p], count[LOW_USED], low_end - low_before, plan.window)
        count[LOW_USED] = _used(count[LOW_USED], low_end - low_before, plan.window)
        _decimate(count, plan, st.x[p], st.low[p], min(changed, before) // plan.q)
    else:
        count[LOW_USED] = _used(count[LOW_USED], low_end - low_before, plan.window)
    low = lows(p, plan, st)
    n = len(low)
    if n < 0.5 * plan.first.limits.rate:
        return
    origin = low_end - n
    reach = len(plan.first.taps) // 2
    old = min(low_before, changed // plan.q) - reach - 2
    if low_before < 0.5 * plan.first.limits.rate:
        old = 0
    count[SETTLED] = min(count[SETTLED], old - max(plan.first.half, plan.second.half))
    used = count[LOW_USED]
    first = st.envelope[p][used - n : used]
    second = st.second[p][used - n : used]
    fresh = min(low_end - low_before, n)
    told = part[SECONDS - 1]
    a, rate, half = max(old - plan.first.half - origin, 0), plan.first.limits.rate, plan.first.half
    told[SLOW] = band_and_slope(low, plan.first.taps, half, rate, a, fresh, first, scratch)
    a, half = max(old - plan.second.half - origin, 0), plan.second.half
    told[FAST] = band_and_slope(low, plan.second.taps, half, rate, a, fresh, second, scratch)
    told[MUSCLE] = power(low, plan.muscle_taps, fresh, reach, scratch)


@compiled
def lows(p: int, plan: Plan, st: State) -> F32:
    """The low-rate samples that are kept."""
    n = min(st.tally[p, END] // plan.q, plan.window)
    row, used = (st.low[p], st.tally[p, LOW_USED]) if plan.q > 1 else (st.x[p], st.tally[p, USED])
    kept: F32 = row[used - n : used]
    return kept


@compiled
def natives(p: int, most: int, plan: Plan, st: State) -> F32:
    """The last samples, at most so many."""
    n = min(st.tally[p, END], min(most, plan.keep))
    used = st.tally[p, USED]
    kept: F32 = st.x[p][used - n : used]
    return kept


@compiled
def _used(used: int, new: int, keep: int) -> int:
    """Where the newest sample ends after `new` more; the kept ones have moved to the front when there was no room."""
    return used + new if used + new <= 2 * keep else keep


@compiled
def _room(row: F32, used: int, new: int, keep: int) -> None:
    """Make room for `new` samples, new <= keep."""
    if used + new > 2 * keep:
        stay = keep - new
        row[:stay] = row[used - stay : used]


@strict
def _append(count: I64, part: F32, new: F32, plan: Plan, row: F32) -> int:
    """Samples into the row, straight lines over those that are missing; the first sample that has changed."""
    n, end = len(new), count[END]
    _room(row, count[USED], n, plan.keep)
    used = count[USED] = _used(count[USED], n, plan.keep)
    count[END] = end + n
    shift = used - (end + n)  # from stream to row
    odd = np.int32(0)
    for k in range(n):
        odd += not abs(new[k]) <= np.float32(MOST_MV)  # NaN too
    if odd == 0 and count[GAP_FROM] < 0:
        row[used - n : used] = new
        return int(end)
    changed = end
    for k in range(n):
        i = end + k
        value = new[k]
        if abs(value) <= MOST_MV:  # False for NaN
            if count[GAP_FROM] >= 0:
                changed = min(changed, max(_bridge(count[GAP_FROM], i, value, shift, row), 0))
                count[GAP_FROM] = -1
            row[i + shift] = value
            continue
        part[SECONDS - 1, MISSING] += 1
        count[SEEN_FROM] = i + 1
        if count[GAP_FROM] < 0:
            count[GAP_FROM] = i
        row[i + shift] = row[i + shift - 1] if i > 0 else np.float32(0)
    return int(changed)


@compiled
def _bridge(gap: int, i: int, value: float, shift: int, row: F32) -> int:
    """A line to `value` at `i` over the samples since `gap`; the first of them that is kept."""
    first = max(gap, -shift)
    held = np.float32(value) if gap == 0 else row[i - 1 + shift]
    for j in range(first, i):
        row[j + shift] = held + (np.float32(value) - held) * np.float32((j - gap + 1) / (i - gap + 1))
    return first


@compiled
def _decimate(count: I64, plan: Plan, row: F32, low: F32, first: int) -> None:
    """Means of q samples from the `first` on that is new or has changed."""
    end = count[END] // plan.q
    shift, low_shift = count[USED] - count[END], count[LOW_USED] - end
    for k in range(max(first, end - plan.window, 0), end):
        total = np.float32(0)
        for j in range(k * plan.q, (k + 1) * plan.q):
            total += row[max(j + shift, 0)]
        low[k + low_shift] = total / plan.q
