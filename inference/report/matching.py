"""Exact one-to-one matching of two series of instants: as many pairs as can be, and of those the closest."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
Pairs = npt.NDArray[np.int64]
_Best = tuple[int, float]  # pairs so far, and minus the distance they lie apart: the larger tuple is the better

WINDOW_S = 0.15  # EC57's window for beats


def match(reference: npt.ArrayLike, found: npt.ArrayLike, window_s: float = WINDOW_S) -> Pairs:
    """Indices int64 [m, 2] of pairs at most `window_s` apart; each instant is used once.

    No other choice has more pairs, and none with as many has a smaller sum of distances: going through both series and
    taking what comes first would lose beats where a false one stands before a true one. Instants must not decrease;
    raises ValueError where they do.
    """
    a, b = (np.asarray(x, np.float64) for x in (reference, found))
    for name, x in (("reference", a), ("found", b)):
        if x.ndim != 1 or np.any(np.diff(x) < 0) or not np.isfinite(x).all():
            raise ValueError(f"{name}: increasing instants expected")
    if not len(a) or not len(b):
        return np.empty((0, 2), np.int64)
    pairs: list[tuple[int, int]] = []
    for (a0, a1), (b0, b1) in _clusters(a, b, window_s):
        if a1 - a0 == 1 and b1 - b0 == 1:
            pairs.append((a0, b0))
        else:
            pairs += [(a0 + i, b0 + j) for i, j in _align(a[a0:a1].tolist(), b[b0:b1].tolist(), window_s)]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _clusters(a: Seconds, b: Seconds, window_s: float) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Ranges of both series that may hold pairs of each other: nothing in one reaches into the next."""
    both = np.sort(np.concatenate([a, b]))
    after = both[1:][np.diff(both) > window_s + _EPSILON_S]
    starts_a, starts_b = (np.concatenate([[0], np.searchsorted(x, after), [len(x)]]).tolist() for x in (a, b))
    ranges = zip(itertools.pairwise(starts_a), itertools.pairwise(starts_b), strict=True)
    return [(in_a, in_b) for in_a, in_b in ranges if in_a[0] < in_a[1] and in_b[0] < in_b[1]]


_EPSILON_S = 1e-9  # instants are samples over a rate; a pair exactly at the window's edge belongs to it


def _align(a: Sequence[float], b: Sequence[float], window_s: float) -> list[tuple[int, int]]:
    """Dynamic programme over the band of pairs that are close enough. The best pairs never cross.

    rows[i] holds the best of a[:i + 1] with b[:lo[i]], b[:lo[i] + 1], ... b[:hi[i]]; before and after it is constant.
    """
    limit = window_s + _EPSILON_S
    lo = [int(np.searchsorted(b, t - limit, "left")) for t in a]
    hi = [int(np.searchsorted(b, t + limit, "right")) for t in a]
    rows: list[list[_Best]] = []

    def best(i: int, j: int) -> _Best:
        """Of a[:i + 1] with b[:j]; j is never below lo[i]."""
        return rows[i][min(j, hi[i]) - lo[i]] if i >= 0 else (0, 0.0)

    for i, t in enumerate(a):
        row = [best(i - 1, lo[i])]
        for j in range(lo[i], hi[i]):
            count, minus = best(i - 1, j)
            row.append(max(best(i - 1, j + 1), row[-1], (count + 1, minus - abs(t - b[j]))))
        rows.append(row)
    pairs, i, j = [], len(a) - 1, len(b)
    while i >= 0:
        j = min(j, hi[i])
        if j <= lo[i] or best(i, j) == best(i - 1, j):
            i -= 1
        elif best(i, j) == best(i, j - 1):
            j -= 1
        else:
            pairs.append((i, j - 1))
            i, j = i - 1, j - 1
    return pairs[::-1]
