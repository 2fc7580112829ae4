"""From measures to one figure and its reasons. The stream and the windows are graded by this one kernel."""

import numpy as np
import numpy.typing as npt

from inference.stream import marks
from inference.stream.jit import compiled
from inference.stream.peaks import middle
from inference.stream.state import FLAT_LINE, GAP, NO_BEATS, NOISE, SATURATED, Weights

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@compiled
def appraise(
    x: F32, envelope: F32, beats: I64, others: I64, power: F32, q: int, s: Weights, spare: F32, out: F64
) -> None:
    """The measures of `x`, whose beats by two detectors are `beats` and `others` (samples of `x`), into `out`."""
    slow, fast, muscle = float(power[0]), float(power[1]), float(power[2])
    out[marks.QRS] = slow / (slow + fast + 1e-12)
    out[marks.MUSCLE] = muscle / (slow + muscle + 1e-12)
    out[marks.LIKENESS] = marks.alike(x, beats, s.half, spare)
    out[marks.AGREEMENT] = marks.agreement(beats, others, s.agree)
    low = np.empty(len(beats), np.int64)
    sizes = np.empty(len(beats), np.float32)
    for k in range(len(beats)):
        low[k] = min(beats[k] // q, len(envelope) - 1)
        sizes[k] = marks.spread(x[max(beats[k] - s.half, 0) : beats[k] + s.half + 1])
    out[marks.REST] = marks.rest(envelope, low, s.near, spare)
    size = middle(sizes, len(beats)) if len(beats) else 0.0
    out[marks.WANDER] = marks.wander(x, s.block, size)
    out[marks.CLEAR], out[marks.STEADY] = marks.clarity(x, beats, s.before, s.after, size, spare)


@compiled
def grade(
    x: F32, envelope: F32, beats: I64, others: I64, power: F32, q: int, gap: float, s: Weights, spare: F32, out: F64
) -> int:
    """Quality in [0, 1] into out[0]; the reasons against use."""
    out[0] = 0.0
    reasons = GAP if gap > s.gap_share else 0
    if gap > 0.9 or len(x) < 4 * s.block:
        return GAP
    if marks.flat_share(x, s.block, s.flat_mv) > s.flat_share:
        return reasons | FLAT_LINE
    if marks.saturated_share(x) > s.saturated_share:
        reasons |= SATURATED
    if len(beats) < 2:
        reasons |= NO_BEATS
    measures = np.zeros(marks.MEASURES)
    appraise(x, envelope, beats, others, power, q, s, spare, measures)
    z = s.bias
    for k in range(marks.MEASURES):
        z += s.weight[k] * measures[k]
    out[0] = (1.0 - gap) / (1.0 + np.exp(-max(-30.0, min(30.0, z))))
    if out[0] < s.usable and reasons == 0:
        reasons = NOISE
    return reasons
