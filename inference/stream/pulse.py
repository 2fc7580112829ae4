"""What the beats tell: the time since the last one, intervals, rate."""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.state import (
    BEAT_COUNT,
    DOUBTED,
    END,
    FIRST_BEAT,
    RATE_BPM,
    RR_COUNT,
    RR_MOST,
    SEEN_FROM,
    SINCE_BEAT_S,
    Plan,
    State,
)

F64 = npt.NDArray[np.float64]


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
