"""The beats of the last 30 s: found again in the newest seconds, kept as they are in the older ones."""

import numpy as np
import numpy.typing as npt

from inference.stream.intake import lows, natives
from inference.stream.jit import compiled
from inference.stream.kinds import whole
from inference.stream.locate import LEAN, centre, extremes
from inference.stream.peaks import Limits, choose, middle, sight, tops
from inference.stream.shapes import baseline, compare, cut, find_usual, width_s
from inference.stream.state import (
    ALIKE,
    BEAT_COUNT,
    BEATS,
    COMPARED,
    DOUBTED,
    END,
    FIRST_BEAT,
    HEARD,
    LOW_USED,
    PEAKS,
    RATE_BPM,
    RR_COUNT,
    RR_MOST,
    SEEN_FROM,
    SETTLED,
    SINCE_BEAT_S,
    STRENGTH,
    UNKNOWN,
    USUAL_KNOWN,
    USUAL_WIDTH,
    Plan,
    State,
)

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

STRONGEST = 60.0  # mV/s: what the usual beat reaches at most; an artefact is not waited for


@compiled
def bursts(p: int, which: int, envelope: F32, end: int, s: Limits, st: State, out: I64) -> int:
    """Peaks of an envelope, the newest `envelope` before low-rate sample `end`, into `out`; their number. Those that
    were there a second ago are known where the envelope is still the same.
    """
    kept, origin, n, edge = st.peak[p, which], end - len(envelope), len(envelope), sight(s)
    begin = max(st.tally[p, SETTLED] - edge, origin + edge) // (s.near + 1) * (s.near + 1) - origin
    found = tops(envelope, s, 0, min(edge, n), 0, out)  # what is before the envelope would have decided here too
    for k in range(st.tally[p, PEAKS + which]):
        if edge <= kept[k] - origin < begin:
            out[found] = kept[k] - origin
            found += 1
    found = tops(envelope, s, max(begin, edge), n, found, out)
    for k in range(found):
        kept[k] = out[k] + origin
    st.tally[p, PEAKS + which] = found
    return found


@compiled
def seek(p: int, plan: Plan, st: State, scratch: F32) -> None:
    """Look for beats in the kept signal; those older than `settle` stay as they are."""
    count = st.tally[p]
    end = count[END]
    _forget(p, end - plan.ring, end - plan.settle, st)
    low = lows(p, plan, st)
    if len(low) < 0.5 * plan.first.limits.rate:
        return
    n, origin = len(low), end // plan.q - len(low)
    envelope = st.envelope[p][count[LOW_USED] - n : count[LOW_USED]]
    usual = min(st.level[p, STRENGTH], STRONGEST) * np.exp(-(end - count[HEARD]) / plan.fs / plan.forget_s)
    most = n // plan.first.limits.near + 2
    at, peaks = np.empty(most, np.int64), np.empty(most, np.int64)
    peaks = peaks[: bursts(p, 0, envelope, end // plan.q, plan.first.limits, st, peaks)]
    found = choose(envelope, plan.first.limits, usual, peaks, at, scratch)
    old = count[FIRST_BEAT] + count[BEAT_COUNT]
    floor = end - plan.settle
    if count[BEAT_COUNT]:
        floor = max(floor, st.at[p, old - 1] + int(np.rint(0.2 * plan.fs)))
    x = natives(p, plan.keep, plan, st)
    shift = end - len(x)
    margin = plan.first.refine_reach + (plan.first.centre_reach + 1) * plan.q
    place = np.empty((found, 2), np.int64)
    new = old
    for k in range(found):
        if (at[k] + origin) * plan.q + margin < floor or new == BEATS:
            continue
        st.strength[p, new] = envelope[at[k]]
        st.middle[p, new] = (
            centre(envelope, at[k], plan.first.centre_reach, plan.first.centre_width, scratch) + origin
        ) * plan.q
        extremes(x, st.middle[p, new] - shift, plan.first.refine_reach, place[new - old], st.size[p, new], scratch)
        new += 1
    lean = _lean(p, end - plan.window * plan.q, new, st)
    kept, last = old, 0
    for k in range(old, new):
        up = st.size[p, k, 0] * lean >= st.size[p, k, 1]
        last = max(last, (place[k - old, 0] if up else place[k - old, 1]) + shift)
        if last < floor:
            continue
        st.at[p, kept], st.middle[p, kept], st.strength[p, kept] = last, st.middle[p, k], st.strength[p, k]
        st.size[p, kept, 0], st.size[p, kept, 1] = st.size[p, k, 0], st.size[p, k, 1]
        kept += 1
    count[BEAT_COUNT] = kept - count[FIRST_BEAT]
    if kept > old:
        _shape(p, old, kept, low, origin, plan, st, scratch)
    if count[BEAT_COUNT]:
        count[HEARD] = st.at[p, kept - 1]


@compiled
def _forget(p: int, oldest: int, settled: int, st: State) -> None:
    """Drop beats that are too old, and those that are not settled; make room for as many as may come."""
    count = st.tally[p]
    first, stop = count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT]
    while first < stop and st.at[p, first] < oldest:
        first += 1
    while stop > first and st.at[p, stop - 1] >= settled:
        stop -= 1
    if stop > BEATS - 64:
        for k in range(stop - first):
            st.at[p, k], st.middle[p, k] = st.at[p, first + k], st.middle[p, first + k]
            st.strength[p, k], st.wide_s[p, k] = st.strength[p, first + k], st.wide_s[p, first + k]
            st.size[p, k] = st.size[p, first + k]
            st.wave[p, k] = st.wave[p, first + k]
            st.kind[p, k] = st.kind[p, first + k]
        first, stop = 0, stop - first
        count[COMPARED] = 0
    count[FIRST_BEAT], count[BEAT_COUNT] = first, stop - first


@compiled
def _lean(p: int, since: int, stop: int, st: State) -> float:
    """How much more an upward peak counts, from the polarity of the beats since then."""
    first = stop
    while first > st.tally[p, FIRST_BEAT] and (st.middle[p, first - 1] >= since):
        first -= 1
    n = stop - first
    if n == 0:
        return LEAN
    up = middle(st.size[p, first:stop, 0], n)
    return LEAN if up >= middle(st.size[p, first:stop, 1], n) else 1 / LEAN


@compiled
def _shape(p: int, old: int, kept: int, low: F32, origin: int, plan: Plan, st: State, scratch: F32) -> None:
    """Shapes of the newest beats."""
    st.tally[p, COMPARED] = min(st.tally[p, COMPARED], old)
    first = max(0, int(st.middle[p, old] / plan.q - origin - 24 * plan.per_grid))
    held = (len(low) - first) // plan.step + 4
    slow, spare = scratch[:held], scratch[held:]
    begin = baseline(low, first, origin, plan.lower, plan.step, slow, spare)
    for k in range(old, kept):
        at = st.middle[p, k] / plan.q - origin
        cut(low, at, origin, plan.upper, slow, begin, plan.step, plan.per_grid, st.wave[p, k], spare)
        st.wide_s[p, k] = width_s(st.wave[p, k], spare)
        st.kind[p, k, ALIKE] = UNKNOWN
        st.kind[p, k, DOUBTED] = 0.0


@compiled
def learn(p: int, plan: Plan, st: State, scratch: F32) -> None:
    """Strength and shape of the usual beat, from beats that are whole."""
    count = st.tally[p]
    first = count[FIRST_BEAT]
    stop = whole(p, count[END] - plan.after_n, st)
    n = stop - first
    recent = min(n, plan.memory)
    believed = scratch[:recent]
    held = 0
    for k in range(stop - recent, stop):
        if st.kind[p, k, DOUBTED] == 0:
            believed[held] = st.strength[p, k]
            held += 1
    if held >= 3:
        st.level[p, STRENGTH] = middle(believed, held)
    if n < 4:
        return
    rr = scratch[: n - 1]
    for k in range(n - 1):
        rr[k] = (st.at[p, first + k + 1] - st.at[p, first + k]) / plan.fs
    usual_rr = middle(rr, n - 1)
    if usual_rr < 60.0 / plan.learn_below_bpm:
        return
    timely, held = np.empty(n, np.int64), 0
    for k in range(n - 1):
        if rr[k] >= plan.shape.early * usual_rr:
            timely[held] = first + k + 1
            held += 1
    usual = np.empty(st.usual.shape[1], np.float32)
    begin = max(count[COMPARED], first)
    compare(st.wave[p], first, begin, stop, plan.shape.alike, st.form[p], st.like[p])
    count[COMPARED] = stop
    wide_s = find_usual(st.wave[p], st.wide_s[p], st.like[p], timely[:held], usual, plan.shape, scratch)
    if wide_s >= 0:
        st.usual[p] = usual
        st.level[p, USUAL_WIDTH] = wide_s
        count[USUAL_KNOWN] = 1


@compiled
def pulse(p: int, plan: Plan, st: State, out: F64, rr: F64) -> None:
    """Time since the last beat, RR intervals since the signal is whole, and the mean rate of the last ones without the
    shortest and longest. Bursts that are doubted are none of them.
    """
    count = st.tally[p]
    end, stop = count[END], 0
    at = np.empty(count[BEAT_COUNT], np.int64)
    for k in range(count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT]):
        if st.kind[p, k, DOUBTED] == 0:
            at[stop] = st.at[p, k]
            stop += 1
    out[SINCE_BEAT_S] = np.nan
    if end > count[SEEN_FROM]:
        out[SINCE_BEAT_S] = (end - max(at[stop - 1] if stop else 0, count[SEEN_FROM])) / plan.fs
    first = stop
    while first > 0 and at[first - 1] >= count[SEEN_FROM] and stop - first <= RR_MOST:
        first -= 1
    held = max(stop - first - 1, 0)
    out[RR_COUNT] = held
    for k in range(held):
        rr[k] = np.rint(1e4 * (at[first + k + 1] - at[first + k]) / plan.fs) / 1e4
    out[RATE_BPM] = np.nan
    since = max(count[SEEN_FROM], end - plan.rate_n)
    first = stop
    while first > 0 and at[first - 1] >= since:
        first -= 1
    intervals = stop - first - 1
    if intervals < 2 or end - at[stop - 1] > plan.silent_n:
        return
    total, low, high = 0.0, np.inf, 0.0
    for k in range(first, stop - 1):
        interval = (at[k + 1] - at[k]) / plan.fs
        total, low, high = total + interval, min(low, interval), max(high, interval)
    mean = (total - low - high) / (intervals - 2) if intervals >= 5 else total / intervals
    out[RATE_BPM] = 60.0 / max(mean, (end - at[stop - 1]) / plan.fs)
