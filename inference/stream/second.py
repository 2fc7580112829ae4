"""One second of many patients: samples in, the figures of `Vitals` out. Everything is a function of whole seconds, so
it does not matter how the signal was cut into chunks.
"""

import numpy as np
import numpy.typing as npt

from inference.stream import marks
from inference.stream.extent import highest
from inference.stream.grade import grade
from inference.stream.hearts import bursts, seek
from inference.stream.intake import lows, natives, take
from inference.stream.irregular import LONGEST_S, MOST, SHORTEST_S, odds
from inference.stream.irregular import UNKNOWN as IRREGULAR_UNKNOWN
from inference.stream.jit import compiled
from inference.stream.kinds import classify, run_of
from inference.stream.peaks import choose
from inference.stream.pulse import pulse
from inference.stream.state import (
    BASE_MV,
    BEAT_COUNT,
    DEAD_AGO_S,
    DEAD_FOR_S,
    DEAD_S,
    END,
    FIBRILLATION_S,
    FIRST_BEAT,
    FLAT,
    FLAT_S,
    GAP_FROM,
    IRREGULAR,
    LOW_USED,
    MISSING,
    ODD,
    REASONS,
    SAMPLES,
    SEEN_FROM,
    SETTLED,
    SIGNAL_S,
    SINCE_BEAT_S,
    SLOW,
    SQI,
    WAVES,
    Plan,
    State,
)
from inference.stream.trust import doubt
from inference.stream.usual import learn
from inference.stream.waves import MEASURES, looks_like, measure

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@compiled
def seconds(
    patients: I64, starts: I64, new: F32, due: npt.NDArray[np.bool_], plan: Plan, st: State, out: F64, rr: F64
) -> None:
    """new[starts[k] : starts[k + 1]] follows for patients[k]; results into out[k] and rr[k] where a second is due."""
    scratch = np.empty(plan.window * 8 + 8192, np.float32)
    for k in range(len(patients)):
        p = patients[k]
        take(p, new[starts[k] : starts[k + 1]], plan, st, scratch)
        if due[k]:
            _second(p, plan, st, out[k], rr[k], scratch)


@compiled
def _second(p: int, plan: Plan, st: State, out: F64, rr: F64, scratch: F32) -> None:
    count = st.tally[p]
    end = count[END]
    signal_s = (end - count[SEEN_FROM]) / plan.fs
    seek(p, plan, st, scratch)
    learn(p, plan, st, scratch)
    out[SIGNAL_S] = signal_s
    _quality(p, plan, st, out, scratch)
    classify(p, plan, st)
    doubt(p, plan, st, out)
    pulse(p, plan, st, out, rr)
    out[FIBRILLATION_S] = _fibrillation(p, signal_s, plan, st)
    tail = natives(p, int(np.rint(plan.fs)), plan, st)
    flat = count[GAP_FROM] < 0 and end - count[SEEN_FROM] >= len(tail) and marks.spread(tail) < plan.flat_mv
    st.level[p, FLAT_S] = st.level[p, FLAT_S] + len(tail) / plan.fs if flat else 0.0
    out[FLAT] = st.level[p, FLAT_S]
    out[DEAD_S] = _dead_s(p, tail, flat, float(out[SINCE_BEAT_S]), plan, st)
    out[IRREGULAR] = _irregular(p, plan, st, scratch)
    run_of(p, plan, st, out, scratch)
    count[SETTLED] = end // plan.q


@compiled
def _dead_s(p: int, tail: F32, flat: bool, since_s: float, plan: Plan, st: State) -> float:
    """Seconds of a line that no heart and no skin makes: without any noise though no beat was ever seen, or far away
    from where the beats were. A line that falls silent where the beats were is not among them: it may be asystole.
    """
    known = st.level[p]
    mv, beats = float(tail.mean()), st.tally[p, BEAT_COUNT] > 0
    if beats and not flat and since_s < 2.0:
        known[BASE_MV] += 0.3 * (mv - known[BASE_MV]) if known[BASE_MV] else mv
    if flat and (abs(mv - known[BASE_MV]) > plan.rail_mv or (not beats and marks.spread(tail) < plan.dead_mv)):
        known[DEAD_FOR_S], known[DEAD_AGO_S] = known[DEAD_FOR_S] + len(tail) / plan.fs, 0.0
    else:  # told a little longer: the interval that it made closes only with the next beat
        known[DEAD_AGO_S] += len(tail) / plan.fs
        if known[DEAD_AGO_S] > plan.dead_told_s:
            known[DEAD_FOR_S] = 0.0
    return float(known[DEAD_FOR_S])


@compiled
def _irregular(p: int, plan: Plan, st: State, scratch: F32) -> float:
    """Log odds of atrial fibrillation from the intervals since the signal is whole."""
    count = st.tally[p]
    stop = count[FIRST_BEAT] + count[BEAT_COUNT]
    first = max(count[FIRST_BEAT], stop - MOST - 1)
    while first < stop and st.at[p, first] < count[SEEN_FROM]:
        first += 1
    n = stop - first - 1
    rr, usual = np.empty(max(n, 0)), np.empty(max(n, 0), np.bool_)
    if n < plan.least_rr:
        return IRREGULAR_UNKNOWN
    for k in range(n):
        rr[k] = (st.at[p, first + k + 1] - st.at[p, first + k]) / plan.fs
        odd = st.kind[p, first + k, ODD] > 0 or st.kind[p, first + k + 1, ODD] > 0
        usual[k] = SHORTEST_S < rr[k] < LONGEST_S and not odd
    return odds(rr, usual, plan.irregular, scratch)


@compiled
def _fibrillation(p: int, signal_s: float, plan: Plan, st: State) -> float:
    """Seconds of waves; the first stretch that looks like them may begin with a second of what was before."""
    count = st.tally[p]
    stretch = plan.fibrillation_n / plan.fs
    if signal_s < stretch:
        count[WAVES] = 0
        return 0.0
    low = plan.fibrillation_n // plan.q
    sparse = _bursts(st.envelope[p][count[LOW_USED] - low : count[LOW_USED]]) > plan.bursts
    w = np.zeros(MEASURES)
    begun = count[WAVES] > 1
    limit = plan.wave.slope_peaks * (1 + (plan.wave.relaxed if begun else 0.0))
    mv, raw_limit = natives(p, plan.fibrillation_n, plan, st), plan.burst_peaks if sparse else np.inf
    same = measure(mv, plan.wave, raw_limit, limit, w) and looks_like(w, plan.wave, begun)
    count[WAVES] = count[WAVES] + 1 if same else 0
    return min(signal_s, count[WAVES] - 2 + stretch) if count[WAVES] else 0.0


@compiled
def _bursts(envelope: F32) -> float:
    """Peak over mean."""
    peak = np.zeros(1, np.int32)
    peak[0] = highest(envelope.view(np.int32))
    return float(peak.view(np.float32)[0]) / (float(envelope.mean()) + 1e-9)


@compiled
def _quality(p: int, plan: Plan, st: State, out: F64, scratch: F32) -> None:
    s, count, part = plan.quality, st.tally[p], st.part[p]
    x, low = natives(p, s.samples, plan, st), lows(p, plan, st)
    received = 0.0
    for k in range(len(part)):
        received += part[k, SAMPLES] - part[k, MISSING]
    gap = 1.0 - min(1.0, received / s.samples)
    start, origin, used = count[END] - len(x), count[END] // plan.q - len(low), count[LOW_USED]
    beats, held = np.empty(len(x) // plan.first.limits.near + 2, np.int64), 0
    for k in range(count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT]):
        if st.at[p, k] >= start:
            beats[held] = st.at[p, k] - start
            held += 1
    context = min(len(low), s.context)
    most = context // plan.second.limits.near + 2
    found, peaks = np.empty(most, np.int64), np.empty(most, np.int64)
    second = st.second[p][used - context : used]
    peaks = peaks[: bursts(p, 1, second, origin + len(low), plan.second.limits, st, peaks)]
    others, kept = choose(second, plan.second.limits, 0.0, peaks, found, scratch), 0
    for k in range(others):
        at = (found[k] + origin + len(low) - context) * plan.q - start
        if at >= 0:
            found[kept] = at
            kept += 1
    power = np.zeros(3, np.float32)
    for k in range(len(part)):
        for j in range(3):
            power[j] += part[k, SLOW + j]
    envelope = st.envelope[p][used - min(len(low), len(x) // plan.q) : used]
    grades = np.empty(1)
    out[REASONS] = grade(x, envelope, beats[:held], found[:kept], power, plan.q, gap, s, scratch, grades)
    out[SQI] = grades[0]
