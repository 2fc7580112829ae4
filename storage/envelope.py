"""Least and greatest sample of every bucket of time: of frames all at once, and merged in any order.

Minimum and maximum commute and take no notice of repetitions, so that frames may come late, twice, or in any order.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from liteheart.clock import US_PER_S
from liteheart.history import NOTHING_HIGH, NOTHING_LOW, Microvolts
from liteheart.signal import Frame

_MOST_UV: Final = 2_000_000_000  # 2 kV: beyond it a value is held at the limit, short of what stands for nothing
Places = npt.NDArray[np.int64]


def extremes(
    frames: Sequence[Frame], t0_us: int, width_us: float, buckets: tuple[int, int] | None = None
) -> tuple[Places, Places, Microvolts, Microvolts]:
    """(frame, bucket, low, high), int64 and int32 [m]: one row for each bucket that a frame has samples in.

    Bucket k is [t0_us + k width_us, t0_us + (k + 1) width_us), and the time of a sample the nearest microsecond; with
    `buckets` only those from the first up to the second. Rows are in the order of `frames`.
    """
    n = np.array([len(f.samples) for f in frames], np.int64)
    fs_hz = np.array([f.fs_hz for f in frames], np.float64)
    since = np.array([f.t0_us - t0_us for f in frames], np.float64)
    first = np.floor((since + 0.5) / width_us).astype(np.int64)
    last = np.floor((since + (n - 1) * US_PER_S / fs_hz + 0.5) / width_us).astype(np.int64)
    if buckets is not None:
        first, last = np.maximum(first, buckets[0]), np.minimum(last, buckets[1] - 1)
    rows = np.maximum(last - first + 1, 0) * (n > 0)
    which = np.repeat(np.arange(len(frames)), rows)
    bucket = first[which] + np.arange(len(which)) - (rows.cumsum() - rows)[which]
    edge = bucket * width_us - since[which]
    begin = np.maximum(np.ceil((edge - 0.5) * fs_hz[which] / US_PER_S), 0).astype(np.int64)
    end = np.minimum(np.ceil((edge + width_us - 0.5) * fs_hz[which] / US_PER_S), n[which]).astype(np.int64)
    held = begin < end  # where buckets are narrower than a sample, some hold none
    which, bucket, begin, end = which[held], bucket[held], begin[held], end[held]
    if not len(which):
        return which, bucket, *nothing(0)
    samples = np.concatenate([f.samples for f in frames])
    before = (n.cumsum() - n)[which]
    # reduceat reads from each place up to the next: begins and ends in turn, of which only the begins count
    at = np.stack([before + begin, before + end], axis=1).ravel()
    at = at[:-1] if at[-1] == len(samples) else at
    gain = np.array([f.gain for f in frames])[which]
    low, high = (_microvolts(ufunc.reduceat(samples, at)[::2], gain) for ufunc in (np.minimum, np.maximum))
    return which, bucket, low, high


def merge(low: Microvolts, high: Microvolts, at: Places, lower: Microvolts, higher: Microvolts) -> None:
    """Take (`lower`, `higher`) into the buckets `at`; those outside of the arrays are left out."""
    inside = (at >= 0) & (at < len(low))
    np.minimum.at(low, at[inside], lower[inside])
    np.maximum.at(high, at[inside], higher[inside])


def nothing(n: int) -> tuple[Microvolts, Microvolts]:
    """`n` buckets without a sample."""
    return np.full(n, NOTHING_LOW, np.int32), np.full(n, NOTHING_HIGH, np.int32)


def to_bytes(low: Microvolts, high: Microvolts) -> bytes:
    """int32 little-endian: the lows, then the highs."""
    return np.concatenate([low, high]).astype("<i4").tobytes()


def from_many(data: Sequence[bytes]) -> tuple[Microvolts, Microvolts]:
    """(lows, highs), int32 [len(data), n] each: the inverse of `to_bytes`, of many of the same length at once."""
    both = np.frombuffer(b"".join(data), "<i4").reshape(len(data), 2, -1)
    return both[:, 0], both[:, 1]


def _microvolts(samples: npt.NDArray[np.int16], gain: npt.NDArray[np.float64]) -> Microvolts:
    return np.clip(np.rint(samples * 1000.0 / gain), -_MOST_UV, _MOST_UV).astype(np.int32)
