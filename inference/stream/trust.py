"""Which bursts of slope are no beats, though the detector took them for some? Told from the shape of a whole burst.

Where the beats stop and noise goes on, the detector's threshold follows the noise down, and asystole would hide under
"beats" of muscle or of a moving electrode. A burst is doubted when it is unlike the patient's usual beat, is not one of
several that are like one another, and is either far weaker than the beats were that could be seen clearly, or one of
many that cannot be made out in a signal whose rhythm nobody can read. Doubted bursts make no interval and end no pause;
runs are sought among all.
"""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.kinds import whole
from inference.stream.state import (
    ALIKE,
    BEAT_COUNT,
    CLEAR,
    DOUBTED,
    END,
    FIRST_BEAT,
    NEIGHBOUR,
    SQI,
    UNKNOWN,
    Plan,
    State,
)

F64 = npt.NDArray[np.float64]
LINKS = 3  # beats, each like the one before, that are believed whatever they look like


@compiled
def doubt(p: int, plan: Plan, st: State, out: F64) -> None:
    """Mark the bursts that are whole, and follow the strength of those that are clear. Their kinds are known, and the
    quality of the last seconds: see `classify`.
    """
    count, level = st.tally[p], st.level[p]
    first, end = count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT]
    stop = whole(p, count[END] - plan.after_n, st)
    young = count[END] - plan.settle
    sure_by = count[END] - plan.after_n - plan.fs  # became whole within the last second: counted once
    is_poor = out[SQI] < plan.trust.poor
    if level[CLEAR] <= 0:
        level[CLEAR] = _first_clear(p, first, stop, plan, st)

    for k in range(whole(p, young, st), end):
        kind = st.kind[p, k]
        if k >= stop:  # not whole: what the one before it was
            kind[DOUBTED] = st.kind[p, k - 1, DOUBTED] if k > first else 0.0
        else:
            kind[DOUBTED] = _is_doubted(p, k, first, is_poor, plan, st)
            if st.at[p, k] >= sure_by and kind[ALIKE] >= plan.trust.clear:
                level[CLEAR] += plan.trust.follow * (st.strength[p, k] - level[CLEAR])


@compiled
def _first_clear(p: int, first: int, stop: int, plan: Plan, st: State) -> float:
    """Mean strength of the clear beats that are remembered, once the usual shape is known; 0 where there are none."""
    total, held = 0.0, 0
    for k in range(first, stop):
        if st.kind[p, k, ALIKE] >= plan.trust.clear:
            total += st.strength[p, k]
            held += 1
    return total / held if held else 0.0


@compiled
def _is_doubted(p: int, k: int, first: int, is_poor: bool, plan: Plan, st: State) -> bool:
    s, alike = plan.trust, st.kind[p, k, ALIKE]
    if alike <= UNKNOWN or st.level[p, CLEAR] <= 0:
        return False
    strength = st.strength[p, k] / st.level[p, CLEAR]
    weak = strength < s.weak and alike < s.weak_alike
    poor = is_poor and strength < s.poor_strength and alike < s.poor_alike
    if not (weak or poor):
        return False
    return _like_one_another(p, k, first, st) < s.same


@compiled
def _like_one_another(p: int, k: int, first: int, st: State) -> float:
    """Median correlation of the last three with the one before each."""
    if k - LINKS < first:
        return 0.0
    a, b, c = st.kind[p, k, NEIGHBOUR], st.kind[p, k - 1, NEIGHBOUR], st.kind[p, k - 2, NEIGHBOUR]
    return float(max(min(a, b), min(max(a, b), c)))
