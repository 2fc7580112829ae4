"""Who the frames of a block were and when each was sent, taken apart without loss: a few bytes a frame.

Each of seven columns is what differs from the expected: a sequence counts up by one, a frame begins where the one
before ended, everything else stays as it was. What is left is small numbers, kept in as few bytes as the greatest of a
column needs, and packed by zstd.

    u8 version | u32 frames | 7 x (u8 bytes a value | i64 first value) | 7 x planes of the zigzag rest, all by zstd
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.signal import Frame

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BI")
_FIRST: Final = struct.Struct("<Bq")
_COLUMNS: Final = 7
_WIDTHS: Final = (0, 1, 2, 3, 4, 8)
UNKNOWN: Final = -(1 << 15)  # the battery of a device that does not tell
MOST_FRAMES: Final = 1 << 17
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The frames of a block without their samples, int64 [frames] each, in the order in which these lie."""

    boot: Longs
    sequence: Longs
    t0_us: Longs
    t1_us: Longs  # just after the last sample
    arrival_us: Longs
    n: Longs
    lead_off: Longs
    battery: Longs  # percent; `UNKNOWN`: not told


def to_bytes(frames: Sequence[Frame], fs_hz: float) -> bytes:
    """The members, packed. `frames` hold one or more, all of this rate."""
    rows = [
        (f.boot, f.sequence, f.t0_us, f.arrival_us, len(f.samples), int(f.lead_off), _battery(f.battery_pct))
        for f in frames
    ]
    boot, sequence, t0, arrival, n, lead_off, battery = np.array(rows, np.int64).T
    with np.errstate(over="ignore"):
        lasts = lasting(n, fs_hz)
        begins = t0 - np.concatenate([[0], (t0 + lasts)[:-1]])  # after the end of the one before
        delay = arrival - (t0 + lasts)
        expected = (boot, sequence - np.arange(len(rows)), begins, delay, n, lead_off, battery)
        columns = [(c[0], c[1:] if c is begins else np.diff(c)) for c in expected]
    parts, heads = [], [_HEAD.pack(_VERSION, len(rows))]
    for first, rest in columns:
        width, planes = _planes(rest)
        heads.append(_FIRST.pack(width, int(first)))
        parts.append(planes)
    return zstandard.ZstdCompressor(level=3).compress(b"".join([*heads, *parts]))


def from_bytes(packed: bytes, fs_hz: float) -> Members:
    """The inverse of `to_bytes`. Raises Poison for what it did not make."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_FRAMES * 8 * _COLUMNS + 128)
        version, count = _HEAD.unpack_from(raw)
        if version != _VERSION or not 0 < count <= MOST_FRAMES:
            raise Poison("meta", f"is of version {version} with {count} frames")
        told = [_FIRST.unpack_from(raw, _HEAD.size + i * _FIRST.size) for i in range(_COLUMNS)]
        at = _HEAD.size + _COLUMNS * _FIRST.size
        columns = []
        for i, (width, first) in enumerate(told):
            if width not in _WIDTHS:
                raise Poison("meta", f"holds numbers of {width} bytes")
            columns.append(_column(raw, at, width, count, first, running=i != 2))
            at += width * (count - 1)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise Poison("meta", f"of a block cannot be unpacked: {error}") from error
    if at != len(raw):
        raise Poison("meta", f"holds {len(raw)} bytes instead of {at}")
    boot, sequence, begins, delay, n, lead_off, battery = columns
    if int(n.min()) < 0:
        raise Poison("meta", "holds frames of less than no samples")
    lasts = lasting(n, fs_hz)
    t1 = (begins + lasts).cumsum()
    return Members(boot, sequence + np.arange(count), t1 - lasts, t1, t1 + delay, n, lead_off, battery)


def lasting(n: Longs, fs_hz: float) -> Longs:
    """How long frames last, as `Frame.t1_us` has it."""
    return np.rint(n * US_PER_S / fs_hz).astype(np.int64)


def _battery(pct: int | None) -> int:
    return UNKNOWN if pct is None else pct


def _planes(values: Longs) -> tuple[int, bytes]:
    """Bytes a value, and the zigzag values byte by byte, least significant first."""
    if not values.any():
        return 0, b""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    most = int(zigzag.max()).bit_length()
    width = next(w for w in _WIDTHS[1:] if most <= 8 * w)
    return width, zigzag.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()


def _column(raw: bytes, at: int, width: int, count: int, first: int, *, running: bool) -> Longs:
    """int64 [count]: the first value, then each the one before plus the rest, or the rest alone."""
    if not width:
        out = np.full(count, first if running else 0, np.int64)
        out[0] = first
        return out
    out = np.empty(count, np.int64)
    out[0] = first
    wide = np.zeros((count - 1, 8), np.uint8)
    wide[:, :width] = np.frombuffer(raw, np.uint8, width * (count - 1), at).reshape(width, count - 1).T
    zigzag = wide.view("<u8")[:, 0]
    out[1:] = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    return out.cumsum() if running else out
