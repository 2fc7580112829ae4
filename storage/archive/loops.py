"""The loops of the codec over single samples, compiled. Integers only; every index is bounded whatever the bytes say.

Residuals are coded by a range coder of the rANS kind (Duda 2013, arXiv 1311.2540): 32 bits of state, 16 at a time from
one stream of words that four lanes share, so that a processor works on four samples at once. A lane is a quarter of a
piece; what is left over follows in the last lane. Each sample's distribution follows from two running means of the
lane's earlier residuals, over about 2 and 8 of them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from storage.archive.jit import compiled

Ints = npt.NDArray[Any]
Word = Any  # an integer of the machine; numba settles which
LEAST = np.uint64(1 << 16)  # of a state between two samples, and where each lane's encoder begins
# unsigned all through: a signed index costs a test for being negative
ONE, TWO, FOUR, TWELVE, SIXTEEN = (np.uint64(n) for n in (1, 2, 4, 12, 16))
LOW, COARSE = np.uint64(4096), np.uint64(9)  # as in `tables`
SLOT, KEPT = np.uint64(4095), np.uint64(15)


@compiled
def _rest(x: Word, value: Word, kept: Word, at: Word, a: Word, b: Word) -> tuple[Word, Word, Word]:
    """What follows a symbol: the value of an escape, or the low bits. The next words are a and b."""
    if value == 64:  # escaped: four bits of length, then the zigzag value but for its leading one
        length = x & KEPT
        x >>= FOUR
        if x < LEAST:
            x, at, a = x << SIXTEEN | np.uint64(a), at + ONE, b
        folded = np.int64(ONE << length | (x & ((ONE << length) - ONE)))
        x >>= length
        value = (folded >> 1) ^ -(folded & 1)
    else:
        low = np.int64(x & ((ONE << kept) - ONE))
        x >>= kept
        value = np.int64(np.int16(value << np.int64(kept) | low))  # 16 bits, whatever the bytes say
    if x < LEAST:
        x, at = x << SIXTEEN | np.uint64(a), at + ONE
    return x, at, value


@compiled
def _moved(first: Word, second: Word, residual: Word) -> tuple[Word, Word]:
    """The running means after a residual."""
    large, f, g = abs(residual) << 8, np.int64(first), np.int64(second)
    return np.uint64(f + ((large - f) >> 1)), np.uint64(g + ((large - g) >> 3))


@compiled
def read(
    words: Ints, states: Ints, start: int, n: int, fine: Ints, coarse: Ints, slots: Ints, shares: Ints, out: Ints
) -> bool:
    """Residuals int16 [n] into `out`, from four lanes at once. False when the words are not what was written.

    `words` uint16 [size + 12], whose last 12 are padding; `states` uint64 [4] or [1], one a lane; `start`: the means.
    """
    at, size = np.uint64(0), np.uint64(len(words) - 12)
    last = len(states) - 1
    quarter = n // 4 if last else 0
    out0, out1, out2 = out[:quarter], out[quarter : 2 * quarter], out[2 * quarter : 3 * quarter]
    out3 = out[3 * quarter :]
    x0, x1, x2, x3 = states[0], states[last & 1], states[last & 2], states[last]
    f0 = f1 = f2 = f3 = g0 = g1 = g2 = g3 = np.uint64(start)
    # four lanes written out: a loop over them takes two thirds more time. Words are taken without a branch, for whether
    # one is due is a coin that no processor foretells
    for i in range(quarter):
        if at > size:
            return False
        # lane 0
        mean = f0 + g0 >> ONE
        level = np.uint64(fine[mean >> TWO] if mean < LOW else coarse[mean >> COARSE])
        table = level >> FOUR
        symbol = np.uint64(slots[table, x0 & SLOT])
        share = np.uint64(shares[table, symbol])
        x0 = (share >> SIXTEEN) * (x0 >> TWELVE) + (x0 & SLOT) - (share & SLOT)
        low = np.uint64(x0 < LEAST)
        x0, at = x0 << (low << FOUR) | np.uint64(words[at]) * low, at + low
        value = np.int64(symbol) - 63
        if value == 64 or level & KEPT:
            x0, at, value = _rest(x0, value, level & KEPT, at, words[at], words[at + ONE])
        f0, g0 = _moved(f0, g0, value)
        out0[i] = value
        # lane 1
        mean = f1 + g1 >> ONE
        level = np.uint64(fine[mean >> TWO] if mean < LOW else coarse[mean >> COARSE])
        table = level >> FOUR
        symbol = np.uint64(slots[table, x1 & SLOT])
        share = np.uint64(shares[table, symbol])
        x1 = (share >> SIXTEEN) * (x1 >> TWELVE) + (x1 & SLOT) - (share & SLOT)
        low = np.uint64(x1 < LEAST)
        x1, at = x1 << (low << FOUR) | np.uint64(words[at]) * low, at + low
        value = np.int64(symbol) - 63
        if value == 64 or level & KEPT:
            x1, at, value = _rest(x1, value, level & KEPT, at, words[at], words[at + ONE])
        f1, g1 = _moved(f1, g1, value)
        out1[i] = value
        # lane 2
        mean = f2 + g2 >> ONE
        level = np.uint64(fine[mean >> TWO] if mean < LOW else coarse[mean >> COARSE])
        table = level >> FOUR
        symbol = np.uint64(slots[table, x2 & SLOT])
        share = np.uint64(shares[table, symbol])
        x2 = (share >> SIXTEEN) * (x2 >> TWELVE) + (x2 & SLOT) - (share & SLOT)
        low = np.uint64(x2 < LEAST)
        x2, at = x2 << (low << FOUR) | np.uint64(words[at]) * low, at + low
        value = np.int64(symbol) - 63
        if value == 64 or level & KEPT:
            x2, at, value = _rest(x2, value, level & KEPT, at, words[at], words[at + ONE])
        f2, g2 = _moved(f2, g2, value)
        out2[i] = value
        # lane 3
        mean = f3 + g3 >> ONE
        level = np.uint64(fine[mean >> TWO] if mean < LOW else coarse[mean >> COARSE])
        table = level >> FOUR
        symbol = np.uint64(slots[table, x3 & SLOT])
        share = np.uint64(shares[table, symbol])
        x3 = (share >> SIXTEEN) * (x3 >> TWELVE) + (x3 & SLOT) - (share & SLOT)
        low = np.uint64(x3 < LEAST)
        x3, at = x3 << (low << FOUR) | np.uint64(words[at]) * low, at + low
        value = np.int64(symbol) - 63
        if value == 64 or level & KEPT:
            x3, at, value = _rest(x3, value, level & KEPT, at, words[at], words[at + ONE])
        f3, g3 = _moved(f3, g3, value)
        out3[i] = value
    for i in range(quarter, len(out3)):  # what four do not divide, or all of it where there is one lane
        if at > size:
            return False
        mean = f3 + g3 >> ONE
        level = np.uint64(fine[mean >> TWO] if mean < LOW else coarse[mean >> COARSE])
        table = level >> FOUR
        symbol = np.uint64(slots[table, x3 & SLOT])
        share = np.uint64(shares[table, symbol])
        x3 = (share >> SIXTEEN) * (x3 >> TWELVE) + (x3 & SLOT) - (share & SLOT)
        low = np.uint64(x3 < LEAST)
        x3, at = x3 << (low << FOUR) | np.uint64(words[at]) * low, at + low
        value = np.int64(symbol) - 63
        if value == 64 or level & KEPT:
            x3, at, value = _rest(x3, value, level & KEPT, at, words[at], words[at + ONE])
        f3, g3 = _moved(f3, g3, value)
        out3[i] = value
    return x3 == LEAST and at == size and (last == 0 or (x0 == LEAST and x1 == LEAST and x2 == LEAST))


@compiled
def levels(residuals: Ints, lanes: int, mean: int, fine: Ints, coarse: Ints, out: Ints) -> None:
    """The level at which each residual is to be coded, into `out` uint16 [n]."""
    n = len(residuals)
    quarter = n // lanes
    for lane in range(lanes):
        first = second = np.int64(mean)
        for i in range(lane * quarter, n if lane == lanes - 1 else (lane + 1) * quarter):
            m = (first + second) >> 1
            out[i] = fine[m >> 2] if m < 4096 else coarse[m >> 9]
            value = np.int64(residuals[i])
            size = (-value if value < 0 else value) << 8
            first += (size - first) >> 1
            second += (size - second) >> 3


@compiled
def write(found: Ints, at_level: Ints, words: Ints, states: Ints, frequency: Ints, start: Ints) -> int:
    """Fills `words` from its end, in the order that `read` takes them; gives back where they begin. The steps of
    `read`, backwards. `words` uint16 [3 n + 4], `states` int64 [4] or [1].
    """
    n, lanes, at = len(found), len(states), len(words)
    quarter = n // lanes
    together = quarter * lanes
    states[:] = 65536
    for step in range(n - 1, -1, -1):
        lane, place = lanes - 1, step
        if step < together:
            lane = step & (lanes - 1)
            place = lane * quarter + (step >> 2 if lanes == 4 else step)
        x, value, level = states[lane], np.int64(found[place]), np.int64(at_level[place])
        table, kept = level >> 4, level & 15
        symbol: Word = (value >> kept) + 63
        if symbol < 0 or symbol >= 127 or frequency[table, symbol] == 0:
            symbol = 127
            folded = (value << 1) ^ (value >> 63)
            length = 0
            while folded >> (length + 1):
                length += 1
            if x >> (32 - length):
                at -= 1
                words[at] = x & 65535
                x >>= 16
            x = x << length | (folded - (1 << length))
            if x >> 28:
                at -= 1
                words[at] = x & 65535
                x >>= 16
            x = x << 4 | length
        elif kept:
            if x >> (32 - kept):
                at -= 1
                words[at] = x & 65535
                x >>= 16
            x = x << kept | (value & ((1 << kept) - 1))
        f = np.int64(frequency[table, symbol])
        if x >= f << 20:
            at -= 1
            words[at] = x & 65535
            x >>= 16
        whole = np.int64(np.uint32(x) // np.uint32(f))
        states[lane] = (whole << 12) + (x - whole * f) + np.int64(start[table, symbol])
    return at


@compiled
def residuals(samples: Ints, coefficients: Ints, out: Ints) -> None:
    """What prediction from the 16 samples before leaves, modulo 2**16, into `out` int16 [n].

    The prediction is sum(coefficients[k] * sample[i - 1 - k]) / 1024, rounded; before the first sample lie others like
    it. `samples` int16 [n], n >= 1; `coefficients` int64 [order <= 16].
    """
    n, order = len(samples), len(coefficients)
    for i in range(min(order, n)):
        total = np.int64(512)
        for k in range(order):
            total += coefficients[k] * np.int64(samples[max(i - 1 - k, 0)])
        out[i] = np.int64(samples[i]) - (total >> 10)
    total_of = np.empty(256, np.int64)
    for begin in range(order, n, 256):  # tap by tap over some samples: vector instructions
        count = min(256, n - begin)
        total_of[:] = 512
        for k in range(order):
            by, before = coefficients[k], samples[begin - 1 - k : begin - 1 - k + count]
            for i in range(count):
                total_of[i] += by * np.int64(before[i])
        now, left = samples[begin : begin + count], out[begin : begin + count]
        for i in range(count):
            left[i] = np.int64(now[i]) - (total_of[i] >> 10)


@compiled
def restore(found: Ints, c: Ints, first: int, offset: int) -> None:
    """The inverse of `residuals`, in place, and `offset` added to all; `c` int64 [16]. Samples in registers again."""
    h0 = h1 = h2 = h3 = h4 = h5 = h6 = h7 = h8 = h9 = ha = hb = hc = hd = he = hf = np.int64(first)
    c0, c1, c2, c3, c4, c5, c6, c7 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
    c8, c9, ca, cb, cc, cd, ce, cf = c[8], c[9], c[10], c[11], c[12], c[13], c[14], c[15]
    for i in range(len(found)):
        total = 512 + cf * hf + ce * he + cd * hd + cc * hc + cb * hb + ca * ha + c9 * h9 + c8 * h8
        total += c7 * h7 + c6 * h6 + c5 * h5 + c4 * h4 + c3 * h3 + c2 * h2 + c1 * h1 + c0 * h0
        hf, he, hd, hc, hb, ha, h9, h8, h7, h6, h5, h4, h3, h2, h1 = (
            he,
            hd,
            hc,
            hb,
            ha,
            h9,
            h8,
            h7,
            h6,
            h5,
            h4,
            h3,
            h2,
            h1,
            h0,
        )
        h0 = np.int64(np.int16(np.int64(found[i]) + (total >> 10)))
        found[i] = h0 + offset
