"""The beats of the last 30 s: found again in the newest seconds, kept as they are in the older ones."""

import numpy as np
import numpy.typing as npt

from inference.stream.intake import lows, natives
from inference.stream.jit import compiled
from inference.stream.locate import LEAN, centre, extremes
from inference.stream.peaks import Limits, choose, middle, sight, tops
from inference.stream.shapes import BEFORE, POINTS, baseline, cut, width_s
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
    NEIGHBOUR,
    PEAKS,
    SETTLED,
    STRENGTH,
    UNKNOWN,
    Plan,
    State,
)

F32 = npt.NDArray[np.float32]
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
    known = _forget(p, end - plan.ring, end - plan.settle, st)
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
    same, same_shape = _same_until(count[SETTLED], plan)
    new, cut_from = old, old
    for k in range(found):
        top = at[k] + origin
        if top * plan.q + margin < floor or new == BEATS:
            continue
        if new < known and st.top[p, new] == top and top < same:  # this row holds all of it since a second ago
            cut_from += new == cut_from and top < same_shape
        else:
            burst = centre(envelope, at[k], plan.first.centre_reach, plan.first.centre_width, scratch) + origin
            about = int(np.rint(burst)) * plan.q
            st.top[p, new], st.middle[p, new], st.strength[p, new] = top, about, envelope[at[k]]
            place = st.place[p, new]
            extremes(x, about - shift, plan.first.refine_reach, place, st.size[p, new], scratch)
            place[0], place[1] = place[0] + shift, place[1] + shift
        new += 1
    lean = _lean(p, end - plan.window * plan.q, new, st)
    kept, last = old, 0
    for k in range(old, new):
        up = st.size[p, k, 0] * lean >= st.size[p, k, 1]
        last = max(last, st.place[p, k, 0] if up else st.place[p, k, 1])
        if last < floor:
            continue
        if kept < k:
            _move(p, k, kept, st)
        st.at[p, kept] = last
        kept += 1
    count[BEAT_COUNT] = kept - count[FIRST_BEAT]
    if kept > old:
        _shape(p, old, kept, cut_from if kept == new else old, low, origin, plan, st, scratch)
    if count[BEAT_COUNT]:
        count[HEARD] = st.at[p, kept - 1]


@compiled
def _same_until(settled: int, plan: Plan) -> tuple[int, int]:
    """Up to which low-rate sample a burst has the middle and the extremes, and the shape, that it had a second ago:
    nothing that they are taken from has changed. Envelopes have not before `settled`, samples not before a little more.
    """
    first, reach = plan.first, len(plan.first.taps) // 2 + 2 + max(plan.first.half, plan.second.half)
    place = first.centre_reach + max(first.centre_width, first.refine_reach // plan.q + 2)
    shape = first.centre_reach + int((POINTS - BEFORE) * plan.per_grid) + (len(plan.lower) // 2 + 4) * plan.step
    return settled - place, settled + reach - shape


@compiled
def _move(p: int, k: int, to: int, st: State) -> None:
    """What is known of a burst by its place into another row."""
    st.top[p, to], st.middle[p, to], st.strength[p, to] = st.top[p, k], st.middle[p, k], st.strength[p, k]
    for j in range(2):
        st.place[p, to, j], st.size[p, to, j] = st.place[p, k, j], st.size[p, k, j]


@compiled
def _forget(p: int, oldest: int, settled: int, st: State) -> int:
    """Drop beats that are too old, and those that are not settled; make room for as many as may come. Where the rows
    end that are still as they were a second ago.
    """
    count = st.tally[p]
    first, stop = count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT]
    known = stop
    while first < stop and st.at[p, first] < oldest:
        first += 1
    while stop > first and st.at[p, stop - 1] >= settled:
        stop -= 1
    if stop > BEATS - 64:
        for k in range(stop - first):
            _move(p, first + k, k, st)
            st.at[p, k], st.wide_s[p, k] = st.at[p, first + k], st.wide_s[p, first + k]
            st.wave[p, k] = st.wave[p, first + k]
            st.kind[p, k] = st.kind[p, first + k]
        first, stop = 0, stop - first
        known = stop
        count[COMPARED] = 0
    count[FIRST_BEAT], count[BEAT_COUNT] = first, stop - first
    return int(known)


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
def _shape(
    p: int, old: int, kept: int, cut_from: int, low: F32, origin: int, plan: Plan, st: State, scratch: F32
) -> None:
    """Shapes of the beats that are not settled, `old` to `kept`; those before `cut_from` have theirs."""
    for k in range(old, kept):
        st.kind[p, k, ALIKE] = UNKNOWN
        st.kind[p, k, DOUBTED] = 0.0
    st.tally[p, COMPARED] = min(st.tally[p, COMPARED], cut_from)
    if cut_from == kept:
        return
    first = max(0, int(st.middle[p, cut_from] / plan.q - origin - 24 * plan.per_grid))
    held = (len(low) - first) // plan.step + 4
    slow, spare = scratch[:held], scratch[held:]
    begin = baseline(low, first, origin, plan.lower, plan.step, slow, spare)
    for k in range(cut_from, kept):
        at = st.middle[p, k] / plan.q - origin
        cut(low, at, origin, plan.upper, slow, begin, plan.step, plan.per_grid, st.wave[p, k], spare)
        st.wide_s[p, k] = width_s(st.wave[p, k], spare)
        st.kind[p, k, NEIGHBOUR] = UNKNOWN
