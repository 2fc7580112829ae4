"""Do the intervals between beats tell atrial fibrillation? Irregular without a pattern, where extra beats have one.

    sinus with an extra beat   |   |   |  |     |   |      short, then long by as much: taken out
    bigeminy                   |  |    |  |    |  |        every second one alike: told by their likeness at a lag
    fibrillation               |  |    |   | |     | |     no two alike, and none tells the next

Ventricular beats are known by their shape, and the intervals on both sides of them are left out: what looks irregular
in RR alone is ectopy as often as fibrillation. The measures are those of Lake and Moorman (2011, sample entropy of
short records), Dash (2009, turning points, RMSSD); their weights are a logistic function fitted to CinC-2017.
"""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.peaks import middle

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST = 8  # usual intervals
MOST = 30  # intervals that are looked at
SHORTEST_S, LONGEST_S = 0.2, 2.5
UNKNOWN = -99.0
SPREAD, STEP, TURNS, STEPS, ENTROPY, DENSITY, PATTERN, MEMORY, EXTRA, ODD, RATE, MEASURES = range(12)


@compiled
def odds(rr: F64, usual: Flags, weight: F64, spare: F32) -> float:
    """Log odds of atrial fibrillation from intervals `rr` [n] in seconds between beats that are `usual` [n], or
    UNKNOWN. `weight` [MEASURES + 1], the bias last.
    """
    m = np.zeros(MEASURES)
    if not measure(rr, usual, m, spare):
        return UNKNOWN
    total = weight[MEASURES]
    for k in range(MEASURES):
        total += weight[k] * m[k]
    return float(total)


@compiled
def measure(rr: F64, usual: Flags, m: F64, spare: F32) -> bool:
    """The measures into `m`; False where too few intervals are left. Changes `rr`: extra beats are taken out."""
    n, kept = len(rr), 0
    for i in range(n):
        if usual[i]:
            spare[kept] = rr[i]
            kept += 1
    if kept < LEAST:
        return False
    m[ODD] = 1 - kept / n
    m[EXTRA] = _even_out(rr, usual, middle(spare, kept)) / n
    mean = 0.0
    for i in range(n):
        if usual[i]:
            mean += rr[i] / kept
    m[RATE] = np.log(60 / mean / 80)
    if not _steps(rr, usual, mean, m, spare):
        return False
    _entropy(rr, usual, 0.04 * mean, m)
    _lags(rr, usual, mean, kept, m)
    return True


@compiled
def _even_out(rr: F64, usual: Flags, typical: float) -> int:
    """An extra beat shortens one interval and lengthens the next: both get their mean. How many there were."""
    extra, i = 0, 0
    while i < len(rr) - 1:
        a, b = rr[i], rr[i + 1]
        pair = usual[i] and usual[i + 1] and a < 0.87 * typical and b > 1.08 * typical
        if pair and abs((a + b) / 2 - typical) < 0.1 * typical:
            rr[i] = rr[i + 1] = (a + b) / 2
            extra += 1
            i += 2
        else:
            i += 1
    return extra


@compiled
def _steps(rr: F64, usual: Flags, mean: float, m: F64, spare: F32) -> bool:
    """From one interval to the next."""
    held = turns = turned = large = 0
    squares = 0.0
    for i in range(len(rr) - 1):
        if not (usual[i] and usual[i + 1]):
            continue
        step = (rr[i + 1] - rr[i]) / mean
        spare[held] = abs(step)
        held += 1
        squares += step * step
        large += abs(step) > 0.06
        if i + 2 < len(rr) and usual[i + 2]:
            turns += 1
            turned += (rr[i + 1] - rr[i]) * (rr[i + 2] - rr[i + 1]) < 0
    if held < LEAST - 2:
        return False
    m[SPREAD] = np.log(np.sqrt(squares / held) + 0.01)
    m[STEP] = np.log(middle(spare, held) + 0.005)
    m[TURNS] = turned / max(turns, 1)
    m[STEPS] = large / held
    return True


@compiled
def _entropy(rr: F64, usual: Flags, near: float, m: F64) -> None:
    """How rarely two like intervals are followed by two like ones."""
    one, two, held = np.empty(len(rr)), np.empty(len(rr)), 0  # intervals, and those that follow them
    for i in range(len(rr) - 1):
        if usual[i] and usual[i + 1]:
            one[held], two[held] = rr[i], rr[i + 1]
            held += 1
    alike, again = np.int32(0), np.int32(0)
    for i in range(held):
        a, b, later, latest = one[i], two[i], one[i + 1 : held], two[i + 1 : held]
        for j in range(len(later)):
            first = np.int32(abs(later[j] - a) < near)
            alike += first
            again += first & np.int32(abs(latest[j] - b) < near)
    m[ENTROPY] = -np.log((again + 0.5) / (alike + 1.0))
    m[DENSITY] = np.log((alike + 1.0) / (held * (held - 1) // 2 + 1.0))


@compiled
def _lags(rr: F64, usual: Flags, mean: float, kept: int, m: F64) -> None:
    """Correlation with the next interval, and the largest with the second to fourth: a pattern."""
    power = 1e-9
    for i in range(len(rr)):
        if usual[i]:
            power += (rr[i] - mean) ** 2 / kept
    m[PATTERN] = -1.0
    for lag in range(1, 5):
        total, held = 0.0, 0
        for i in range(len(rr) - lag):
            if usual[i] and usual[i + lag]:
                total += (rr[i] - mean) * (rr[i + lag] - mean)
                held += 1
        value = total / (max(held, 1) * power)
        if lag == 1:
            m[MEMORY] = value
        else:
            m[PATTERN] = max(m[PATTERN], value)
