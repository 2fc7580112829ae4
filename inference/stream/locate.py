"""Where exactly is a beat? The middle of its burst, and the extreme of the signal near that."""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled
from inference.stream.peaks import middle

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

LEAN = 1.3  # the polarity that the lead usually shows counts this much more
FAR = 0.7  # and an extreme at the end of the reach this much less


@compiled
def centre(envelope: F32, at: int, reach: int, width: int, spare: F32) -> float:
    """Middle of the burst at `at`: of the samples within `reach` whose mean envelope over `width` is near its top. Not
    rounded: whoever knows the place in the stream does that, so that halves go the same way in every second.
    """
    n, left = len(envelope), width // 2
    total = 0.0
    for j in range(at - reach - left, at - reach - left + width):
        total += envelope[min(max(j, 0), n - 1)]
    top = total
    for k in range(2 * reach + 1):
        spare[k] = total
        top = max(top, total)
        j = at - reach + k - left
        total += envelope[min(max(j + width, 0), n - 1)] - envelope[min(max(j, 0), n - 1)]
    where, held = 0, 0
    for k in range(2 * reach + 1):
        if spare[k] >= 0.98 * top:
            where += min(max(at - reach + k, 0), n - 1)
            held += 1
    return where / held


@compiled
def extremes(x: F32, at: int, reach: int, out: I64, size: F32, spare: F32) -> None:
    """Positions of the highest and the lowest sample near `at` into out[:2], their size about the middle into size[:2];
    of two extremes the nearer one, unless the other is much larger.
    """
    n, m = len(x), 2 * reach + 1
    for k in range(m):
        spare[k] = x[min(max(at - reach + k, 0), n - 1)]
    some = spare[m : m + (m + 1) // 2]  # every second one says as well where the middle is
    for k in range(len(some)):
        some[k] = spare[2 * k]
    level = middle(some, len(some))
    out[0] = out[1] = at
    size[0] = size[1] = -1.0
    for k in range(m):
        share = (k - reach) / reach
        value = (spare[k] - level) * (1.0 - FAR * share * share)
        if value > size[0]:
            size[0], out[0] = value, min(max(at - reach + k, 0), n - 1)
        if -value > size[1]:
            size[1], out[1] = -value, min(max(at - reach + k, 0), n - 1)
