"""How likely each residual is, given how large its neighbours were: fixed tables, the same on every machine.

A residual follows Student's t with three degrees of freedom, p(v) ~ 1 / (1 + (v/s)^2)^2, whose scale s is 1.8 times
the running mean of |residual|, in steps of a quarter octave. Above a mean of four the low bits are kept as they are
and only what is above them is coded. Made with integers alone, so that no library's rounding can change a stored bit.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

BITS: Final = 12  # of a probability
SIDE: Final = 63  # residuals from -63 to 63 have a symbol of their own
ESCAPE: Final = 127  # the symbol of all others
FRACTION: Final = 8  # bits below one in the running means
LEVELS: Final = 33  # means from 1/64 to 4, four an octave
LOW: Final = 4096  # running means below it are looked up finely, others coarsely
_COARSE: Final = 9  # bits dropped then
_QUARTERS: Final = (471859, 561136, 667303, 793558)  # 1.8 * 2**(i/4), in 2**-18
_TAIL: Final = 4096  # residuals beyond are not counted
_LEAST_ESCAPE: Final = 8  # of 4096: where a QRS begins, residuals are larger than those before let expect
_PARTS: Final = 8  # points at which each residual's share is summed


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What the coder looks up. A table is one distribution; a level is (table << 4 | low bits kept)."""

    fine: npt.NDArray[np.uint16]  # [1024] level of mean >> 2
    coarse: npt.NDArray[np.uint16]  # [16400] level of mean >> 9
    frequency: npt.NDArray[np.uint32]  # [tables, 128] of 4096; 0: to be escaped
    start: npt.NDArray[np.uint32]  # [tables, 128]
    slots: npt.NDArray[np.uint8]  # [tables, 4096] the symbol of each
    shares: npt.NDArray[np.uint32]  # [tables, 128] frequency << 16 | start
    price: npt.NDArray[np.uint16]  # [tables, 128] in 1/256 bit; an escape's value not included


@lru_cache(maxsize=1)
def tables() -> Tables:
    """Built once, in some ten milliseconds."""
    top = range(LEVELS - 4, LEVELS)  # these again, for values whose low bits are kept apart
    frequency = np.array([_frequencies(j, 0) for j in range(LEVELS)] + [_frequencies(j, 1) for j in top], np.uint32)
    start = np.zeros_like(frequency)
    start[:, 1:] = np.cumsum(frequency[:, :-1], axis=1, dtype=np.uint32)
    symbols = np.arange(128, dtype=np.uint8)
    slots = np.array([np.repeat(symbols, row) for row in frequency])
    price = np.array([[_price(int(f)) for f in row] for row in frequency], np.uint16)
    shares = (frequency << np.uint32(16)) | start
    return Tables(_levels(1024, 2), _levels(16400, _COARSE), frequency, start, slots, shares, price)


def _frequencies(level: int, half: int) -> list[int]:
    """Of 4096, for symbols -63 .. 63 and the escape. `half` 1: symbol v stands for [v, v + 1), not for v +- 1/2."""
    s = _QUARTERS[level % 4] << level // 4 >> 12  # 1.8 * mean, in 2**-12
    edges = np.arange(-_TAIL * _PARTS, (_TAIL + 1) * _PARTS, dtype=np.int64)  # in parts of a residual
    g = (2 * edges + 1 - (1 - half) * _PARTS) * (1 << 12) // (2 * _PARTS)
    near = (np.int64(s * s) << np.int64(22)) // (s * s + g * g)
    mass = (near * near).reshape(-1, _PARTS).sum(axis=1)
    whole, own = int(mass.sum()), mass[_TAIL - SIDE : _TAIL + SIDE + 1]
    shares = [(int(m) * 8192 + whole) // (2 * whole) for m in own]
    escape = max(1, ((whole - int(own.sum())) * 8192 + whole) // (2 * whole))
    shares.append(max(escape, _LEAST_ESCAPE))
    shares[SIDE] += (1 << BITS) - sum(shares)
    return shares


def _levels(count: int, dropped: int) -> npt.NDArray[np.uint16]:
    """The level of each mean, the nearest on a logarithmic scale."""
    # the border between level j and j + 1 lies at 2**((j + 1/2 - 24) / 4): eighth powers keep it in integers
    borders = np.array([_root8(1 << (2 * j + 1), FRACTION - 6) for j in range(120)], np.int64)
    means = (np.arange(count) << dropped) + (1 << dropped >> 1)
    level = np.searchsorted(borders, means, side="right")
    kept = np.where(level < LEVELS, 0, (level - LEVELS) // 4 + 1)
    table = np.where(level < LEVELS, level, LEVELS + (level - LEVELS) % 4)
    return (table << 4 | kept).astype(np.uint16)


def _root8(power: int, shift: int) -> int:
    """Least integer whose eighth power is at least power * 2**(8 * shift)."""
    target = power << 8 * shift
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**8 >= target else (middle + 1, high)
    return low


def _price(frequency: int) -> int:
    """-log2(frequency / 4096) in 1/256 bit; of 0 the largest there is. Only choices rest on it, no stored bit."""
    return 65535 if frequency == 0 else round((BITS - float(np.log2(frequency))) * 256)
