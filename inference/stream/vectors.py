"""Short vectors: beats cut out of a signal."""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled

F32 = npt.NDArray[np.float32]


@compiled
def dot(a: F32, b: F32) -> float:
    """Inner product."""
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return float(total)


@compiled
def total(x: F32) -> float:
    """Sum; of a slice of constant length `x.sum()` becomes one chain of additions."""
    held = np.float32(0)
    for i in range(len(x)):
        held += x[i]
    return float(held)


@compiled
def norm(x: F32) -> float:
    """Length."""
    return float(np.sqrt(dot(x, x)))


@compiled
def direction(x: F32, out: F32) -> None:
    """`x` without its mean and with length 1 into `out`: the product of two such is their correlation."""
    n = len(x)
    mean = np.float32(0)
    for i in range(n):
        mean += x[i]
    mean /= n
    square = np.float32(0)
    for i in range(n):
        out[i] = x[i] - mean
        square += out[i] * out[i]
    scale = np.float32(1 / (np.sqrt(square) + 1e-9))
    for i in range(n):
        out[i] *= scale
