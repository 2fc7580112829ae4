"""Which samples before one foretell it best: first or second difference, or linear prediction of order 4 or 16.

The coefficients are those of least squares, where each error counts by what was to be expected of it: an error of ten
within a QRS costs as many bits as one of half a step between beats. This alone makes blocks 4 % smaller.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from liteheart.signal import Samples
from storage.archive import judging, loops
from storage.archive.tables import Tables

ORDER: Final = 16  # at most
ONE: Final = 1024  # a coefficient of 1
FIRST: Final = np.array([ONE], np.int64)
SECOND: Final = np.array([2 * ONE, -ONE], np.int64)
_ORDERS: Final = (4, 16)
_EACH_BITS: Final = 16  # of a coefficient as stored
_LEAST_SAMPLES: Final = 128  # fewer are not worth coefficients
_ROWS: Final = 5000  # about so many samples are fitted, evenly spread: all of fifteen thousand give nothing more
_SHORT: Final = 4096  # pieces below it are judged whole, others by every fourth stretch

Coefficients = npt.NDArray[np.int64]


def chosen(samples: Samples, t: Tables) -> Coefficients:
    """The coefficients that take the least room, in 1/1024, int64 [1 to 16]. `samples` around 0, [n >= 1]."""
    prices: list[tuple[int, Coefficients]] = [(price(samples, c, t), c) for c in (FIRST, SECOND)]
    best = min(prices, key=lambda p: p[0])[1]
    if len(samples) >= _LEAST_SAMPLES:
        for c in _fitted(samples, best):
            prices.append((price(samples, c, t) + len(c) * _EACH_BITS * 256, c))
    return min(prices, key=lambda p: p[0])[1]


def price(samples: Samples, coefficients: Coefficients, t: Tables) -> int:
    """About what they take, in 1/256 bit."""
    every = 1 if len(samples) < _SHORT else 4
    return int(judging.price(samples, coefficients, 1024, every, t.fine, t.coarse, t.price))


def _fitted(samples: Samples, so_far: Coefficients) -> list[Coefficients]:
    left = np.empty(len(samples), np.int16)
    loops.residuals(samples, so_far, left)
    weight = np.empty(len(samples))
    judging.weights(left, 1024, weight)
    every = max(1, round(len(samples) / _ROWS))
    rows = _windows(samples)[::every]
    weighted = rows * weight[ORDER::every, None]  # the square of the weight counts
    products: npt.NDArray[Any] = weighted.T @ weighted
    latest, told = products[ORDER - 1 :: -1, ORDER - 1 :: -1], products[ORDER - 1 :: -1, ORDER]  # newest sample first
    found = []
    for order in _ORDERS:
        matrix = latest[:order, :order].copy()
        matrix.flat[:: order + 1] += 1e-7 * float(matrix.trace()) + 1e-9
        answer = np.linalg.solve(matrix, told[:order])
        found.append(np.maximum(np.minimum(np.rint(answer * ONE), 32767), -32768).astype(np.int64))
    return found


def _windows(samples: Samples) -> Samples:
    """Each sample after the `ORDER` before it, int16 [n - ORDER, ORDER + 1]; a view."""
    step, n = samples.itemsize, len(samples) - ORDER
    return np.ndarray((n, ORDER + 1), np.int16, np.ascontiguousarray(samples), 0, (step, step))
