"""Ways to pack samples without loss: ours, and what else one would reach for."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile
import zstandard

from liteheart.signal import Samples
from storage.archive import codec
from storage.archive.blocks import PIECE
from storage.codec import Packer, Unpacker

OURS: Final = "blocks of 300 s"
MINUTES: Final = "blocks of 60 s"
FRAMES: Final = "frames of 1 s"
FLAC: Final = "FLAC"
DELTA: Final = "delta + zstd-3"
ZSTD: Final = "zstd-3"


@dataclass(frozen=True, slots=True)
class Way:
    """int16 [n] to bytes and back, so many seconds at a time."""

    length_s: float
    pack: Callable[[Samples, float], bytes]  # samples, samples a second
    unpack: Callable[[bytes, int], Samples]  # bytes, how many samples


def ways() -> dict[str, Way]:
    """By name. All but our two get the same blocks of 300 s as ours."""
    packer, unpacker = Packer(), Unpacker()
    squeeze, expand = zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor()

    def block(x: Samples, _fs_hz: float) -> bytes:
        return codec.pack(x, PIECE)

    def frame(x: Samples, _fs_hz: float) -> bytes:
        way, payload = packer.pack(x)
        return bytes((way,)) + payload  # storage keeps it in a column of its own

    def integers(data: bytes) -> Samples:
        return np.frombuffer(expand.decompress(data), np.int16)

    return {
        OURS: Way(300, block, lambda data, _n: codec.unpack(data)),
        MINUTES: Way(60, block, lambda data, _n: codec.unpack(data)),
        FRAMES: Way(1, frame, lambda data, n: unpacker.unpack(data[0], data[1:], n)),
        FLAC: Way(300, _flac, lambda data, _n: soundfile.read(io.BytesIO(data), dtype="int16")[0]),
        DELTA: Way(
            300,
            lambda x, _fs_hz: squeeze.compress(np.diff(x, prepend=np.int16(0)).tobytes()),
            lambda data, _n: integers(data).cumsum(dtype=np.int16),
        ),
        ZSTD: Way(300, lambda x, _fs_hz: squeeze.compress(x.tobytes()), lambda data, _n: integers(data)),
    }


def cut(samples: Samples, fs_hz: float, length_s: float) -> list[Samples]:
    """Blocks, the last with what is left, each an array of its own."""
    n = round(length_s * fs_hz)
    return [samples[a : a + n].copy() for a in range(0, len(samples), n)]


def checked(way: Way, block: Samples, fs_hz: float) -> int:
    """Bytes of a block that came back as it was."""
    packed = way.pack(block, fs_hz)
    if not np.array_equal(way.unpack(packed, len(block)), block):
        raise AssertionError("a codec gave back other samples")
    return len(packed)


def _flac(x: Samples, fs_hz: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, x, round(fs_hz), format="FLAC", subtype="PCM_16")
    return file.getvalue()
