"""Stretches of time as float64 [k, 2]: begin and end in seconds, sorted, apart from each other."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Intervals = npt.NDArray[np.float64]


def intervals(stretches: Iterable[tuple[float, float]]) -> Intervals:
    """Sorted, what overlaps or touches made one, what has no length left out. Raises ValueError for an end before."""
    merged: list[list[float]] = []
    for begin, end in sorted(stretches):
        if not begin <= end:
            raise ValueError(f"interval: ends at {end} before it begins at {begin}")
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > begin:
            merged.append([begin, end])
    return np.array(merged, np.float64).reshape(-1, 2)


def clip(x: Intervals, begin: float, end: float) -> Intervals:
    """What lies within [begin, end)."""
    return intervals((max(a, begin), min(b, end)) for a, b in x.tolist() if min(b, end) > max(a, begin))


def without(x: Intervals, holes: Intervals) -> Intervals:
    """What is in `x` and not in `holes`; an interval that a hole divides becomes two."""
    left = []
    for begin, end in x.tolist():
        for a, b in holes.tolist():
            if a < end and b > begin:
                if a > begin:
                    left.append((begin, a))
                begin = max(begin, min(b, end))
        if end > begin:
            left.append((begin, end))
    return intervals(left)


def overlap_s(begin: float, end: float, x: Intervals) -> float:
    """Seconds of `x` within [begin, end)."""
    if not len(x):
        return 0.0
    return float(np.maximum(0.0, np.minimum(x[:, 1], end) - np.maximum(x[:, 0], begin)).sum())


def duration_s(x: Intervals) -> float:
    """Sum of the lengths."""
    return float((x[:, 1] - x[:, 0]).sum()) if len(x) else 0.0


def inside(t_s: npt.ArrayLike, x: Intervals) -> npt.NDArray[np.bool_]:
    """bool [n]: which instants lie within [begin, end] of any."""
    t = np.asarray(t_s, np.float64)
    if not len(x):
        return np.zeros(len(t), np.bool_)
    k = np.searchsorted(x[:, 0], t, "right") - 1
    return np.asarray((k >= 0) & (t <= x[np.maximum(k, 0), 1]), np.bool_)
