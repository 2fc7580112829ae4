"""What a piece would take with given coefficients, and how much each of its samples counts: for the writer alone."""

from typing import Any

import numpy as np
import numpy.typing as npt

from storage.archive.jit import compiled

Ints = npt.NDArray[Any]
Word = Any  # an integer of the machine; numba settles which


@compiled
def price(samples: Ints, c: Ints, start: int, every: int, fine: Ints, coarse: Ints, prices: Ints) -> int:
    """About what the samples would take with these coefficients, in 1/256 bit, by one stretch of 512 in `every`."""
    n, order, total = len(samples), len(c), 0
    for begin in range(0, n, 512 * every):
        first = second = np.int64(start)
        for i in range(max(begin, order), min(begin + 512, n)):
            predicted = np.int64(512)
            for k in range(order):
                predicted += c[k] * np.int64(samples[i - 1 - k])
            value = np.int64(np.int16(np.int64(samples[i]) - (predicted >> 10)))
            m = (first + second) >> 1
            level = np.int64(fine[m >> 2]) if m < 4096 else np.int64(coarse[m >> 9])
            size: Word = abs(value)
            kept: Word = level & 15
            symbol = (value >> kept) + 63
            known = np.int64(prices[level >> 4, symbol]) if 0 <= symbol < 127 else 65535
            if known == 65535:
                known = np.int64(prices[level >> 4, 127]) + 1280
                rest: Word = size
                while rest:
                    rest >>= 1
                    known += 256
            total += known + (kept << 8)
            first += ((size << 8) - first) >> 1
            second += ((size << 8) - second) >> 3
    return total * every


@compiled
def weights(found: Ints, start: int, out: Ints) -> None:
    """How much each sample's error counts when coefficients are sought, float64 [n]: one over its expected size."""
    first = second = np.int64(start)
    for i in range(len(found)):
        out[i] = 1.0 / ((first + second) / 512.0 + 0.3)
        size = abs(np.int64(found[i])) << 8
        first += (size - first) >> 1
        second += (size - second) >> 3
