"""The largest and smallest of many samples, as integers: their order is that of the floats, and compilers make vector
instructions of it, which they do not of a float's maximum (30 times slower here).
"""

import numpy as np
import numpy.typing as npt

from inference.stream.jit import compiled

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
_REST = np.int32(0x7FFFFFFF)  # all but the sign


@compiled
def highest(bits: I32) -> int:
    """The largest of samples that are not negative, seen as integers (`x.view(np.int32)`); 0 for none."""
    top = np.int32(0)
    for i in range(len(bits)):
        top = max(top, bits[i])
    return int(top)


@compiled
def bounds(x: F32) -> tuple[float, float]:
    """The smallest and the largest of `x`, which holds at least one sample."""
    bits = x.view(np.int32)
    low = high = bits[0] ^ ((bits[0] >> np.int32(31)) & _REST)
    for i in range(len(bits)):
        key = bits[i] ^ ((bits[i] >> np.int32(31)) & _REST)
        low, high = min(low, key), max(high, key)
    both = np.empty(2, np.int32)
    both[0], both[1] = low ^ ((low >> np.int32(31)) & _REST), high ^ ((high >> np.int32(31)) & _REST)
    values = both.view(np.float32)
    return float(values[0]), float(values[1])
