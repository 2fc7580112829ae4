"""The usual beat of a patient: how strong it is, and its shape."""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.kinds import whole
from inference.stream.peaks import middle
from inference.stream.shapes import compare, find_usual
from inference.stream.state import (
    COMPARED,
    DOUBTED,
    END,
    FIRST_BEAT,
    STRENGTH,
    USUAL_KNOWN,
    USUAL_WIDTH,
    Plan,
    State,
)

F32 = npt.NDArray[np.float32]


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
