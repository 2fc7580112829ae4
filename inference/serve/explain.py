"""Where on its strip the student saw what it found: what its answer loses without that place.

    x --0.4 s at a time made a straight line--> 51 windows --student--> logits lost --> 50 bins of 0.2 s, 0 to 1

Both halves of the student are asked at once, and any backend can be. Gradients were tried first: Grad-CAM on the last
map, gradient x input for the median beat. They point at an ectopic beat as well, but say less of what the answer rests
on (notebook, 2026-11-22).
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.ports import Network
from inference.preprocess import SAMPLES, Batch

BINS: Final = 50
_BIN: Final = SAMPLES // BINS
_WIDE: Final = 2  # bins that are taken away at once: 0.4 s is a QRS with its ST, or a QRS with its P

Floats = npt.NDArray[np.float64]


def regions(network: Network, x: Batch, codes: Mapping[str, int]) -> dict[str, list[float]]:
    """For each of `codes`, a code and its place among the logits: importance of 50 bins of 0.2 s, the greatest 1.

    `x` float32 [1000], one preprocessed window. All 0 where nothing in it speaks for the code. Raises ValueError for
    another shape.
    """
    if np.shape(x) != (SAMPLES,):
        raise ValueError(f"x: [{SAMPLES}] expected, got shape {np.shape(x)}")
    shown = importance(network, x)
    return {code: np.round(shown[:, at], 3).tolist() for code, at in codes.items()}


def importance(network: Callable[[Batch], Batch], x: Batch) -> Floats:
    """[50, classes]: what the logits lose without each bin of `x` [1000] or [leads, 1000]; 0 to the greatest, 1.

    A moment is taken away from all leads at once, so that who reads twelve can be compared with who reads one.
    """
    taken = _taken()
    logits = network(np.stack([x, *(without(x, row) for row in taken)])).astype(np.float64)
    lost = (logits[0] - logits[1:]) / taken.sum(axis=1, keepdims=True)  # [51, classes], a bin
    mean = np.maximum(taken.T @ lost / taken.sum(axis=0)[:, None], 0.0)
    most = mean.max(axis=0)
    return np.asarray(np.divide(mean, most, out=np.zeros_like(mean), where=most > 0))


def without(x: Batch, bins: npt.NDArray[np.bool_]) -> Batch:
    """`x` [1000] or [leads, 1000] with straight lines in place of the `bins`, bool [50], that are taken away."""
    gone = np.repeat(bins, _BIN)
    at, out = np.arange(SAMPLES), x.copy()
    for row, own in zip(np.atleast_2d(out), np.atleast_2d(x), strict=True):
        row[gone] = np.interp(at[gone], at[~gone], own[~gone]) if not gone.all() else 0.0
    return out


def _taken() -> npt.NDArray[np.bool_]:
    """[51, 50]: which bins each window goes without; every bin twice."""
    first = np.arange(1 - _WIDE, BINS)[:, None]
    at = np.arange(BINS)
    return (at >= first) & (at < first + _WIDE)
