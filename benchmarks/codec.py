"""How small the stored signal is, how fast it is packed, and how soon ten seconds of it are read back."""

import itertools
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from benchmarks.signals import Signal, signals
from deploy.settings import load
from deploy.wiring import open_storage
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Samples
from storage.board import Board
from storage.codec import Packer, Unpacker
from storage.monitor_store import Batch

OURS = "frame codec"
NEAREST = "delta + zstd-3"  # the strongest of the plain ways
T0_US = 1_700_000_000 * US_PER_S


@dataclass(frozen=True, slots=True)
class Codec:
    """int16 [n] to bytes and back, given n."""

    pack: Callable[[Samples], bytes]
    unpack: Callable[[bytes, int], Samples]


def codecs() -> dict[str, Codec]:
    """Ours, as storage uses it, and what else one would reach for."""
    packer, unpacker = Packer(), Unpacker()
    squeeze, expand = zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor()

    def pack(x: Samples) -> bytes:
        codec, payload = packer.pack(x)
        return bytes((codec,)) + payload  # storage keeps the codec in a column of its own

    def integers(data: bytes) -> Samples:
        return np.frombuffer(data, np.int16)

    return {
        OURS: Codec(pack, lambda data, n: unpacker.unpack(data[0], data[1:], n)),
        NEAREST: Codec(
            lambda x: squeeze.compress(np.diff(x, prepend=np.int16(0)).tobytes()),
            lambda data, n: np.cumsum(integers(expand.decompress(data)), dtype=np.int16),
        ),
        "zstd-3": Codec(lambda x: squeeze.compress(x.tobytes()), lambda data, n: integers(expand.decompress(data))),
        "zlib-6": Codec(lambda x: zlib.compress(x.tobytes(), 6), lambda data, n: integers(zlib.decompress(data))),
    }


def benchmark(options: Options) -> Iterator[Figure]:
    """ratio_<record>, encode and decode speed, random reads."""
    found = signals(2 if options.quick else 26, 60.0 if options.quick else 1800.0, options.seed)
    yield from _ratios(found.items, 1.0, "ratio", f"{found.source}; blocks of 1 s, as stored")
    yield from _ratios(found.items, 10.0, "ratio_10s", f"{found.source}; blocks of 10 s, for comparison")
    yield from _speeds(found.items, options, found.source)
    yield from _reads(found.items, options)


def _blocks(signal: Signal, length_s: float) -> list[Samples]:
    """Whole blocks, each an array of its own as after decoding a frame."""
    n = round(length_s * signal.fs_hz)
    return [signal.samples[a : a + n].copy() for a in range(0, len(signal.samples) - n + 1, n)]


def _ratios(items: Sequence[Signal], length_s: float, prefix: str, note: str) -> Iterator[Figure]:
    ways = codecs()
    raw_bytes, packed_bytes = 0, dict.fromkeys(ways, 0)
    for signal in items:
        blocks = _blocks(signal, length_s)
        raw = sum(b.nbytes for b in blocks)
        size = {name: sum(_checked(way, b) for b in blocks) for name, way in ways.items()}
        yield _ratio(f"{prefix}_{signal.name}", raw, size[OURS], NEAREST, size[NEAREST], note)
        raw_bytes += raw
        packed_bytes = {name: packed_bytes[name] + size[name] for name in ways}
    yield _ratio(f"{prefix}_all", raw_bytes, packed_bytes[OURS], NEAREST, packed_bytes[NEAREST], note)
    for peer in [name for name in ways if name not in (OURS, NEAREST)]:
        yield _ratio(f"{prefix}_all_to_{peer}", raw_bytes, packed_bytes[OURS], peer, packed_bytes[peer], note)


def _checked(way: Codec, block: Samples) -> int:
    packed = way.pack(block)
    if not np.array_equal(way.unpack(packed, len(block)), block):
        raise AssertionError("a codec gave back other samples")
    return len(packed)


def _ratio(name: str, raw: int, mine: int, peer: str, theirs: int, note: str) -> Figure:
    return Figure(name, raw / mine, "raw bytes / packed bytes", peer, raw / theirs, theirs / mine, note=note)


def _speeds(items: Sequence[Signal], options: Options, source: str) -> Iterator[Figure]:
    ways = codecs()
    rounds = 5 if options.quick else 9
    blocks = list(itertools.chain.from_iterable(_blocks(s, 1.0) for s in items[:4]))[: 100 if options.quick else 4000]
    packed = {name: [way.pack(b) for b in blocks] for name, way in ways.items()}
    samples = sum(map(len, blocks))

    def encode(way: Codec) -> float:
        return samples / seconds(lambda: [way.pack(b) for b in blocks]) / 1e6

    def decode(name: str) -> float:
        way, pairs = ways[name], list(zip(packed[name], blocks, strict=True))
        return samples / seconds(lambda: [way.unpack(data, len(b)) for data, b in pairs]) / 1e6

    for what, run in (
        ("encode", {name: (lambda w=way: encode(w)) for name, way in ways.items()}),
        ("decode", {name: (lambda n=name: decode(n)) for name in ways}),
    ):
        speed = alternate(run, rounds)
        for peer in [name for name in ways if name != OURS]:
            suffix = "" if peer == NEAREST else f"_to_{peer}"
            note = f"{source}; blocks of 1 s, one call each, CPU time"
            yield figure(f"{what}_msamples_s{suffix}", "Msamples/s", speed[OURS], (peer, speed[peer]), note=note)


def _reads(items: Sequence[Signal], options: Options) -> Iterator[Figure]:
    """Ten seconds at random of frames of one second, through the dashboard's own read, from a warm page cache."""
    patients, length_s, reads = (2, 60, 40) if options.quick else (8, 1800, 400)
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as folder:
        storage = open_storage(load(environ={}, data_dir=Path(folder)))
        try:
            lengths = []
            for k in range(patients):
                frames = _frames(items[k % len(items)], k, length_s)
                lengths.append(len(frames))
                for a in range(0, len(frames), 500):
                    storage.monitor.commit(Batch(frames=frames[a : a + 500]))
            rounds = [[_read_ms(storage.board, lengths, rng) for _ in range(reads)] for _ in range(5)]
        finally:
            storage.close()
    note = f"{patients} patients x {max(lengths)} s in SQLite, Board.strip, page cache warm"
    for name, share in (("p50", 50), ("p99", 99)):
        measured = Measured.of([float(np.percentile(r, share)) for r in rounds])
        yield figure(f"random_10s_read_{name}_ms", "ms", measured, note=note)


def _frames(signal: Signal, k: int, length_s: int) -> list[Frame]:
    return [
        Frame(
            patient=PatientId(f"p{k}"),
            device=DeviceId(f"d{k}"),
            boot=1,
            sequence=i,
            t0_us=T0_US + i * US_PER_S,
            fs_hz=signal.fs_hz,
            gain=signal.gain,
            lead="II",
            samples=block,
            arrival_us=T0_US + (i + 1) * US_PER_S,
        )
        for i, block in enumerate(_blocks(signal, 1.0)[:length_s])
    ]


def _read_ms(board: Board, lengths: Sequence[int], rng: np.random.Generator) -> float:
    k = int(rng.integers(len(lengths)))
    t0_us = T0_US + int(rng.integers(0, (lengths[k] - 10) * US_PER_S))
    began = time.perf_counter()
    frames = board.strip(PatientId(f"p{k}"), t0_us, t0_us + 10 * US_PER_S)
    took = time.perf_counter() - began
    if not 10 <= len(frames) <= 11:
        raise AssertionError(f"{len(frames)} frames of one second overlap ten")
    return took * 1000
