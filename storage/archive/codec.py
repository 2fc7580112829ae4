"""Samples of minutes as bytes, without loss, in pieces that are read one by one.

Version 1, little-endian:

    version u8 | flags u8 | n u32 | piece u16 | [values u16 | least i16 | length u32 | piece of gaps]
    | length u32 of every piece but the last | CRC-32 of all before | (piece | its CRC-32)...

A piece holds `piece` samples, the last one what is left:

    order u8 | start u8 | middle i16 | first i16 | coefficients i16 [order], where above 2
    | states u32 [4, or 1 of a short piece] | words u16 ...
    RAW u8 | int16 ...                       where nothing else is smaller
    PLANES u8 | planes of `liteheart.wire`, packed by zstd     where a recording repeats itself

Where a recording uses few of the values in its range (one scaled up from a coarser converter), flag VALUES says that
samples are places in a sorted list of those values, which is kept as the gaps between them.
"""

import struct
import zlib
from typing import Final

import numpy as np
import zstandard

from liteheart.errors import Poison
from liteheart.signal import Samples
from liteheart.wire import from_planes, to_planes
from storage.archive import loops, predict
from storage.archive.tables import tables
from storage.codec import decompressor

PIECE: Final = 15_000  # samples: a minute at 250 Hz
MAX_PIECE: Final = 65_535
MAX_SAMPLES: Final = 1_000_000  # in one block, five minutes at 3,300 Hz: to unpack it takes 4 MB at most
VERSION: Final = 1
_VALUES: Final = 1
_RAW: Final = 255
_PLANES: Final = 254
_HELD: Final = 5  # where one sample in so many repeats the one before, a recording may hold what zstd finds better
_LANES: Final = 4
_LANES_FROM: Final = 4096  # samples; fewer take one lane, which is slower and 12 bytes smaller
_MOST_VALUES: Final = 32_768
_ORDERS: Final = (0, 1, 2, 4, 16)
_HEADER = struct.Struct("<BBIH")
_LIST = struct.Struct("<HhI")
_PIECE = struct.Struct("<BBhh")
_CRC = struct.Struct("<I")
_NONE: Final = np.empty(0, np.int64)  # no coefficients: what is packed is no signal
_LARGEST_START: Final = 83  # of the running means: 2**23 / 256


def pack(samples: Samples, piece: int = PIECE) -> bytes:
    """int16 [n] as bytes. Raises ValueError above MAX_SAMPLES or MAX_PIECE, which are the caller's to keep to."""
    if len(samples) > MAX_SAMPLES or not 0 < piece <= MAX_PIECE:
        raise ValueError(f"samples: {len(samples)} in pieces of {piece} are more than {MAX_SAMPLES} or {MAX_PIECE}")
    samples = np.array(samples, np.int16)  # the loops are compiled for arrays that may be written to
    listed = _listed(samples)
    head = _HEADER.pack(VERSION, 0 if listed is None else _VALUES, len(samples), piece)
    if listed is not None:
        least, gaps, samples = listed
        packed = _packed(gaps, _NONE)
        head += _LIST.pack(len(gaps), least, len(packed)) + packed
    bodies = [_packed(samples[a : a + piece], None) for a in range(0, len(samples), piece)]
    head += b"".join(_CRC.pack(len(b)) for b in bodies[:-1])
    return b"".join([head, _CRC.pack(zlib.crc32(head)), *(p for b in bodies for p in (b, _CRC.pack(zlib.crc32(b))))])


def unpack(packed: bytes | memoryview, first: int = 0, last: int | None = None) -> Samples:
    """Samples [first, last) of a block, int16, reading only the pieces that hold them; `last` None: to the end.

    Raises Poison when the bytes are damaged or hold fewer. Never takes more memory than MAX_SAMPLES stands for.
    """
    view = memoryview(packed)
    n, piece, listed, bounds = _opened(view)
    last = n if last is None else last
    if not 0 <= first <= last <= n:
        raise Poison("samples", f"{first} to {last} are asked of a block of {n}")
    found = np.empty(last - first, np.int16)
    for k in range(first // piece, -(-last // piece) if last > first else 0):
        begin = k * piece
        body = _checked(view[bounds[k] : bounds[k + 1]], f"piece {k}")
        size = min(piece, n - begin)
        a, b = max(first, begin), min(last, begin + size)
        found[a - first : b - first] = _unpacked(body, size, b - begin)[a - begin : b - begin]
    return found if listed is None else _looked_up(found, listed)


def _opened(view: memoryview) -> tuple[int, int, Samples | None, list[int]]:
    """Samples, samples a piece, the values they stand for, and where each piece begins and the last one ends."""
    if len(view) < _HEADER.size:
        raise Poison("block", f"{len(view)} bytes are too few for a header")
    version, flags, n, piece = _HEADER.unpack_from(view)
    if version != VERSION or flags & ~_VALUES:
        raise Poison("version", f"{version} with flags {flags} is not known here, only {VERSION}")
    if n > MAX_SAMPLES or not piece:
        raise Poison("samples", f"{n} in pieces of {piece} are more than {MAX_SAMPLES} or come to no end")
    at, values = _HEADER.size, None
    if flags & _VALUES:
        if len(view) < at + _LIST.size:
            raise Poison("block", "ends within its list of values")
        values = _LIST.unpack_from(view, at)
        at += _LIST.size + values[2]
    pieces = -(-n // piece)
    end = at + _CRC.size * max(pieces - 1, 0) + _CRC.size
    if len(view) < end:
        raise Poison("block", f"{len(view)} bytes are too few for its {pieces} pieces")
    head = _checked(view[:end], "header")
    sizes = np.frombuffer(head, "<u4", max(pieces - 1, 0), at).astype(np.int64) + _CRC.size
    bounds = [end, *(end + sizes.cumsum()).tolist(), len(view)] if pieces else [end]
    if bounds != sorted(bounds) or (not pieces and len(view) != end):
        raise Poison("block", "its pieces do not fill it")
    if values is None:
        return n, piece, None, bounds
    count, least, length = values
    gaps = _unpacked(head[at - length : at], count, count)
    listed = least + np.cumsum(np.concatenate([[0], gaps.view(np.uint16).astype(np.int64) + 1]))
    if listed[-1] > 32767 or len(listed) > _MOST_VALUES:
        raise Poison("values", "of a block lie beyond 16 bits")
    return n, piece, listed.astype(np.int16), bounds


def _checked(part: memoryview, name: str) -> memoryview:
    """What comes before its checksum."""
    body = part[: -_CRC.size]
    if len(part) < _CRC.size or _CRC.unpack_from(part, len(body))[0] != zlib.crc32(body):
        raise Poison("crc", f"checksum of the {name} does not match its bytes")
    return body


def _looked_up(places: Samples, listed: Samples) -> Samples:
    if len(places) and (int(places.min()) < 0 or int(places.max()) >= len(listed)):
        raise Poison("values", "of a block are not in its list")
    return listed[places]


def _listed(samples: Samples) -> tuple[int, Samples, Samples] | None:
    """(least value, gaps between values less one, samples as places) where that takes less room, else None."""
    if len(samples) < 2:
        return None
    unsigned = (samples ^ np.int16(-32768)).view(np.uint16)
    used = np.zeros(65_536, bool)
    used[unsigned] = True
    values = np.flatnonzero(used)
    if not 1 < len(values) <= _MOST_VALUES or 10 * len(values) > 7 * (int(values[-1] - values[0]) + 1):
        return None
    places = (np.cumsum(used) - 1).astype(np.int16)[unsigned]
    gaps = (np.diff(values) - 1).astype(np.uint16).view(np.int16)
    saved = _about(samples) - _about(places)
    return (int(values[0]) - 32_768, gaps, places) if saved > predict.price(gaps, _NONE, tables()) else None


def _about(samples: Samples) -> int:
    """What they would take, in 1/256 bit, judged by their first minute's coefficients."""
    around = samples - np.int16(int(np.rint(samples.mean())))
    return predict.price(around, predict.chosen(around[:PIECE], tables()), tables())


def _packed(samples: Samples, coefficients: predict.Coefficients | None) -> bytes:
    """One piece; `coefficients` None: the best."""
    t, n = tables(), len(samples)
    middle = round(int(samples.sum(dtype=np.int64)) / n) if n and coefficients is None else 0
    around = samples - np.int16(middle)
    first = int(around[0]) if n else 0
    c = predict.chosen(around, t) if coefficients is None else coefficients
    left = np.empty(n, np.int16)
    if n:
        loops.residuals(around, c, left)
    start = _start(left)
    lanes = _LANES if n >= _LANES_FROM else 1
    levels, words = np.empty(n, np.uint16), np.empty(3 * n + 4, np.uint16)
    states = np.empty(lanes, np.int64)
    loops.levels(left, lanes, _means(start), t.fine, t.coarse, levels)
    begin = loops.write(left, levels, words, states, t.frequency, t.start)
    stored = c.astype("<i2").tobytes() if len(c) > 2 else b""
    head = _PIECE.pack(len(c), start, middle, first) + stored + states.astype("<u4").tobytes()
    best = head + words[begin:].astype("<u2").tobytes()
    if _HELD * np.count_nonzero(samples[1:] == samples[:-1]) >= n > 0:
        best = min(best, bytes((_PLANES,)) + zstandard.ZstdCompressor(level=1).compress(to_planes(samples)), key=len)
    return best if len(best) <= 1 + 2 * n else bytes((_RAW,)) + samples.astype("<i2").tobytes()


def _unpacked(body: memoryview, n: int, last: int) -> Samples:
    """The n samples of a piece, of which the first `last` are wanted: the others may be anything."""
    if len(body) and body[0] == _RAW:
        if len(body) != 1 + 2 * n:
            raise Poison("piece", f"of {len(body)} bytes cannot hold {n} samples as they are")
        return np.frombuffer(body, "<i2", n, 1).astype(np.int16)
    if len(body) and body[0] == _PLANES:
        return _from_planes(body[1:], n)
    order, start, middle, first = _PIECE.unpack_from(body) if len(body) >= _PIECE.size else (_RAW, 0, 0, 0)
    lanes = _LANES if n >= _LANES_FROM else 1
    at = _PIECE.size + (2 * order if order > 2 else 0)
    rest = len(body) - at - 4 * lanes
    if order not in _ORDERS or start > _LARGEST_START or rest < 0 or rest % 2:
        raise Poison("piece", f"of order {order}, start {start} and {len(body)} bytes is none")
    c = np.zeros(predict.ORDER, np.int64)
    fixed = (_NONE, predict.FIRST, predict.SECOND)
    c[:order] = fixed[order] if order <= 2 else np.frombuffer(body, "<i2", order, _PIECE.size)
    states = np.frombuffer(body, "<u4", lanes, at).astype(np.uint64)
    words = np.zeros(rest // 2 + 12, np.uint16)
    words[: rest // 2] = np.frombuffer(body, "<u2", rest // 2, at + 4 * lanes)
    t, found = tables(), np.empty(n, np.int16)
    if not loops.read(words, states, _means(start), n, t.fine, t.coarse, t.slots, t.shares, found):
        raise Poison("piece", "holds other words than were written")
    loops.restore(found[:last], c, first, middle)
    return found


def _from_planes(body: memoryview, n: int) -> Samples:
    """Asked for its length first: zstd takes as much memory as a frame says it needs."""
    try:
        if zstandard.frame_content_size(body) != 2 * n:
            raise Poison("piece", f"of planes is not of {n} samples")
        return from_planes(decompressor().decompress(body, max_output_size=2 * n))
    except zstandard.ZstdError as error:
        raise Poison("piece", f"of planes cannot be unpacked: {error}") from error


def _start(left: Samples) -> int:
    """Where the running means begin, as a byte: 4 to 7 times a power of two, in 1/256."""
    mean = 256 * int(np.abs(left, dtype=np.int32).sum(dtype=np.int64)) // len(left) if len(left) else 0
    power = max(mean.bit_length() - 3, 0)
    return min(4 * power + max((mean >> power) - 4, 0), _LARGEST_START)


def _means(start: int) -> int:
    return (4 + start % 4) << start // 4
