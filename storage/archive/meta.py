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
from storage.archive.jit import compiled
from storage.codec import decompressor

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BI")
_FIRST: Final = struct.Struct("<Bq")
_COLUMNS: Final = 7
_HEAD_BYTES, _FIRST_BYTES = _HEAD.size, _FIRST.size
_PLANES_AT: Final = _HEAD.size + _COLUMNS * _FIRST.size
_WIDTHS: Final = frozenset((0, 1, 2, 3, 4, 8))
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
        raw = decompressor().decompress(packed, max_output_size=MOST_FRAMES * 8 * _COLUMNS + 128)
        version, count = _HEAD.unpack_from(raw)
    except (zstandard.ZstdError, struct.error) as error:
        raise Poison("meta", f"of a block cannot be unpacked: {error}") from error
    if version != _VERSION or not 0 < count <= MOST_FRAMES:
        raise Poison("meta", f"is of version {version} with {count} frames")
    widths = raw[_HEAD.size : _PLANES_AT : _FIRST.size]
    needed = _PLANES_AT + sum(widths) * (count - 1)
    if not _WIDTHS.issuperset(widths) or len(raw) != needed:
        raise Poison("meta", f"holds {len(raw)} bytes instead of {needed}, in numbers of {list(widths)} bytes")
    found = np.empty((_COLUMNS + 1, count), np.int64)
    if _unfold(np.frombuffer(raw, np.uint8), float(fs_hz), found) < 0:
        raise Poison("meta", "holds frames of less than no samples")
    return Members(*found)


@compiled
def _unfold(raw: npt.NDArray[np.uint8], fs_hz: float, out: Longs) -> int:
    """Fill the columns of `Members`, int64 [8, frames]; gives back the least number of samples."""
    count = out.shape[1]
    at = _PLANES_AT
    for column in range(_COLUMNS):
        about = _HEAD_BYTES + column * _FIRST_BYTES
        width = np.int64(raw[about])
        bits = np.uint64(0)
        for k in range(8):
            bits |= np.uint64(raw[about + 1 + k]) << np.uint64(8 * k)
        value = np.int64(bits)
        place = column if column < 3 else column + 1  # the end of a frame is told by nobody
        out[place, 0] = value
        for i in range(1, count):
            bits = np.uint64(0)
            for k in range(width):
                bits |= np.uint64(raw[at + k * (count - 1) + i - 1]) << np.uint64(8 * k)
            rest = np.int64(bits >> np.uint64(1)) ^ -np.int64(bits & np.uint64(1))
            value = rest if column == 2 else value + rest
            out[place, i] = value
        at += width * (count - 1)
    least, end = out[5, 0], np.int64(0)
    for i in range(count):
        out[1, i] += i
        out[2, i] += end
        end = out[2, i] + np.int64(np.rint(out[5, i] * US_PER_S / fs_hz))  # one division: the same on every machine
        out[3, i] = end
        out[4, i] += end
        least = min(least, out[5, i])
    return int(least)


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
    width = min(w for w in _WIDTHS if w and most <= 8 * w)
    return width, zigzag.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()
