"""Kinds of beats: how like the patient's usual beat each is, and what follows for runs and for the intervals.

A run is told from five beats together: unlike the usual one, like one another, as those of one focus are, and faster
than what came before. Each alone need not be very wide or very large. Fitted to the CinC-2015 alarms and MIT-BIH, see
`RunSettings`.
"""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.peaks import middle
from inference.stream.shapes import is_ventricular, likeness
from inference.stream.state import (
    ALIKE,
    BEAT_COUNT,
    ECTOPIC,
    END,
    FIRST_BEAT,
    NEIGHBOUR,
    ODD,
    RUN,
    RUN_BPM,
    SEEN_FROM,
    UNKNOWN,
    USUAL_KNOWN,
    USUAL_WIDTH,
    VENTRICULAR,
    Plan,
    State,
)
from inference.stream.vectors import norm

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

WINDOW = 5  # beats
BEFORE_LEAST = 6  # intervals before a run that tell how fast it is; with fewer, all that are known
NEVER = -99.0  # log odds
LOG_MOST, LOG_LEAST = 1.0, 0.1  # of the ratio of intervals: a run that is faster or slower still says no more


@compiled
def classify(p: int, plan: Plan, st: State) -> None:
    """Kinds of the beats that are whole, where they are not known."""
    first, stop = st.tally[p, FIRST_BEAT], whole(p, st.tally[p, END] - plan.after_n, st)
    known, usual, usual_s = st.tally[p, USUAL_KNOWN] > 0, st.usual[p], st.level[p, USUAL_WIDTH]
    usual_size = norm(usual) + 1e-9
    for k in range(first, stop):
        if st.kind[p, k, ALIKE] > UNKNOWN:
            continue
        kind, wave, wide_s = st.kind[p, k], st.wave[p, k], st.wide_s[p, k]
        if k == first:
            kind[NEIGHBOUR] = 0.0
        elif kind[NEIGHBOUR] <= UNKNOWN:
            kind[NEIGHBOUR] = likeness(wave, st.wave[p, k - 1])
        if not known:
            kind[VENTRICULAR] = kind[ODD] = wide_s >= plan.shape.wide_alone_s
            continue
        alike, size = likeness(wave, usual), norm(wave) / usual_size
        kind[ALIKE] = alike
        kind[VENTRICULAR] = is_ventricular(alike, size, wide_s, usual_s, plan.shape)
        kind[ODD] = alike < plan.run.odd or (alike < plan.run.rather_odd and wide_s - usual_s > plan.run.odd_wider_s)


@compiled
def whole(p: int, by: int, st: State) -> int:
    """Where the beats end that came before sample `by`."""
    stop = st.tally[p, FIRST_BEAT] + st.tally[p, BEAT_COUNT]
    while stop > st.tally[p, FIRST_BEAT] and st.at[p, stop - 1] >= by:
        stop -= 1
    return int(stop)


@compiled
def run_of(p: int, plan: Plan, st: State, out: F64, scratch: F32) -> None:
    """Ventricular beats in a row, and the rate of the last five of them; of the runs that ended within the last second
    the longest, so that a short one is not missed between two seconds. Their kinds are known: see `classify`.
    """
    count = st.tally[p]
    out[RUN], out[RUN_BPM], out[ECTOPIC] = 0, np.nan, np.nan
    whole_by = count[END] - plan.after_n
    stop, first = whole(p, whole_by, st), count[FIRST_BEAT]
    while first < stop and st.at[p, first] < count[SEEN_FROM]:
        first += 1
    if first == stop:
        return
    out[ECTOPIC] = _ectopic(p, plan, st, first, stop)
    recent = stop - 1
    while recent > first and st.at[p, recent - 1] >= whole_by - plan.fs:
        recent -= 1
    usual_rr = _usual_rr(p, st, first, stop, scratch)
    longest, ends = 0, stop
    for end in range(stop, recent, -1):  # beats end - 1 backwards
        run = _together(p, plan, st, first, end, usual_rr, scratch)
        if run == 0:
            run = min(_alone(p, st, first, end), WINDOW - 1)
        if run > longest:
            longest, ends = run, end
    out[RUN] = longest
    if longest >= 2:
        held = min(longest, WINDOW)
        out[RUN_BPM] = 60.0 * plan.fs * (held - 1) / (st.at[p, ends - 1] - st.at[p, ends - held])


@compiled
def _together(p: int, plan: Plan, st: State, first: int, end: int, usual_rr: float, spare: F32) -> int:
    """Beats that end with number end - 1, of which every five in a row are a run: wide, and not slower than usual."""
    run = 0
    while end - WINDOW >= first:
        begin, wide_s = end - WINDOW, 0.0
        for k in range(begin, end):
            wide_s += st.wide_s[p, k] / WINDOW
        rr = (st.at[p, end - 1] - st.at[p, begin]) / (WINDOW - 1)
        if rr > plan.run.slower * usual_rr or wide_s < plan.run.wide_s:
            break
        if not _breaks_out(p, plan, st, first, begin, rr, odds_of_run(st.kind[p, begin:end], plan, spare)):
            break
        run = run + 1 if run else WINDOW
        end -= 1
    return run


@compiled
def _breaks_out(p: int, plan: Plan, st: State, first: int, begin: int, rr: float, odds: float) -> bool:
    """Whether the log odds stay above zero with what the rate adds: how much faster five beats `rr` apart, the first
    of them number `begin`, are than the quicker quarter of the intervals before. The quicker ones, for in atrial
    fibrillation and among extra beats some short intervals come together by chance.

    Nothing need be sorted: the quartile is as long as it must be where few enough intervals are shorter.
    """
    most = odds / plan.run.faster  # that the logarithm of rr over the quartile may be
    if most < -LOG_MOST:
        return False
    if most >= LOG_LEAST:
        return True
    stop = begin if begin - first >= BEFORE_LEAST else st.tally[p, FIRST_BEAT] + st.tally[p, BEAT_COUNT] - 1
    limit, shorter = rr / np.exp(most), 0
    for k in range(first, stop):
        shorter += st.at[p, k + 1] - st.at[p, k] < limit
    return bool(shorter <= (stop - first) // 4)


@compiled
def _alone(p: int, st: State, first: int, end: int) -> int:
    """Beats that end with number end - 1, each of which is ventricular by itself."""
    run = 0
    while end - 1 - run >= first and st.kind[p, end - 1 - run, VENTRICULAR] > 0:
        run += 1
    return run


@compiled
def _usual_rr(p: int, st: State, first: int, stop: int, spare: F32) -> float:
    """Median interval, in samples."""
    n = stop - 1 - first
    for k in range(n):
        spare[k] = st.at[p, first + k + 1] - st.at[p, first + k]
    return middle(spare, n) if n else 0.0


@compiled
def odds_of_run(kind: F32, plan: Plan, spare: F32) -> float:
    """Log odds, from shapes alone, that five beats are a ventricular run; their kinds are [5, KINDS]."""
    s, unlike = plan.run, 0.0
    for k in range(WINDOW):
        alike = kind[k, ALIKE] if kind[k, ALIKE] > UNKNOWN else (0.0 if kind[k, VENTRICULAR] > 0 else 1.0)
        unlike -= stretched(alike)
        if k:
            spare[k - 1] = stretched(kind[k, NEIGHBOUR])
    if unlike < s.least_unlike * WINDOW:
        return NEVER
    mutual = middle(spare, WINDOW - 1)
    return s.bias + s.unlike * unlike / WINDOW + s.mutual * mutual


@compiled
def stretched(correlation: float) -> float:
    """Fisher's transform, so that .95 and .98 differ as much as .5 and .8; held at the ends."""
    return float(np.arctanh(min(max(correlation, -0.95), 0.985)))


@compiled
def _ectopic(p: int, plan: Plan, st: State, first: int, stop: int) -> float:
    """Ventricular beats a minute, over the beats that are remembered."""
    if stop - first < 2 * WINDOW:
        return np.nan
    held = 0.0
    for k in range(first, stop):
        held += st.kind[p, k, VENTRICULAR]
    return float(held * 60.0 * plan.fs / (st.at[p, stop - 1] - st.at[p, first]))
