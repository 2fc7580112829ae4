"""How small the stored signal is, how fast it is packed, and how soon ten seconds of it are read back.

Side by side on the same recordings: blocks as the archive writes them, frames as they arrive, AtriumDB, FLAC and zstd.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np

from benchmarks import atrium, recordings, strips
from benchmarks.atrium import Atrium
from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from benchmarks.packers import DELTA, FLAC, FRAMES, MINUTES, OURS, ZSTD, checked, cut, ways
from benchmarks.signals import Signal, signals
from storage.archive.blocks import PIECE

_UNIT: Final = "int16 bytes / packed bytes"
_SUFFIX: Final = {
    atrium.NAME: "atriumdb",
    FLAC: "flac",
    DELTA: "delta_zstd",
    ZSTD: "zstd",
    FRAMES: "frames",
    MINUTES: "60s",
}
_SPEED_S: Final = 600.0  # of each recording; longer ones only take longer
Sizes = dict[str, int]


def benchmark(options: Options) -> Iterator[Figure]:
    """ratio_<record>, ratio_<set>, encode and decode speed, random reads, MB of a patient-day."""
    found = signals(2 if options.quick else 26, 120.0 if options.quick else 1800.0, options.seed)
    folder = recordings.folder()
    yield from _records(
        found.items, found.source, set() if folder is None or options.quick else recordings.like_100(folder)
    )
    if folder is not None and not options.quick:
        resampled = [recordings.at_250_hz(s) for s in found.items]
        for name, items in (("mitdb_250hz_5uv", resampled), *recordings.sets(folder)):
            raw, size = _total(items)
            minutes = sum(len(s.samples) / s.fs_hz for s in items) / len(items) / 60
            note = f"{len(items)} recordings of {minutes:.2g} min on average; short ones weigh a block's header more"
            yield _ratio(f"ratio_{name}", raw, size, atrium.NAME, note)
            yield _ratio(f"ratio_{name}_to_flac", raw, size, FLAC, note)
    yield from _speeds(found.items, options, found.source)
    yield from strips.reads(found.items, options)
    yield from strips.patient_days(found.items)


def _records(items: Sequence[Signal], source: str, like_100: set[str]) -> Iterator[Figure]:
    note = f"{source}; blocks of 300 s in pieces of {PIECE} samples; AtriumDB in its own, times of samples included"
    raw, total, like = 0, Sizes(), list[tuple[float, float]]()
    for signal in items:
        one, size = _total([signal])
        yield _ratio(f"ratio_{signal.name}", one, size, atrium.NAME, note)
        raw += one
        total = {name: total.get(name, 0) + n for name, n in size.items()}
        if signal.name in like_100:
            like.append((one / size[OURS], one / size[atrium.NAME]))
    yield _ratio("ratio_all", raw, total, atrium.NAME, note)
    for peer in (FLAC, DELTA, ZSTD, FRAMES, MINUTES):
        suffix = _SUFFIX[peer]
        yield _ratio(f"ratio_all_to_{suffix}", raw, total, peer, note)
    if like:
        mine, theirs = (float(np.mean(column)) for column in zip(*like, strict=True))
        words = f"{source}; MLII, {recordings.NORMAL_SHARE:.0%} normal beats: mean of {', '.join(sorted(like_100))}"
        yield Figure("ratio_like_100", mine, _UNIT, atrium.NAME, theirs, mine / theirs, note=words)


def _total(items: Sequence[Signal]) -> tuple[int, Sizes]:
    """int16 bytes, and packed ones each way."""
    raw, size = 0, Sizes()
    with Atrium() as dataset:
        for signal in items:
            raw += signal.samples.nbytes
            for name, way in ways().items():
                blocks = cut(signal.samples, signal.fs_hz, way.length_s)
                size[name] = size.get(name, 0) + sum(checked(way, b, signal.fs_hz) for b in blocks)
            which = dataset.write(signal.samples, signal.fs_hz)
            back = dataset.read(which, 0.0, len(signal.samples) / signal.fs_hz + 1)
            if not np.array_equal(back, signal.samples):
                raise AssertionError("AtriumDB gave back other samples")
        size[atrium.NAME] = dataset.size()
    return raw, size


def _ratio(name: str, raw: int, size: Sizes, peer: str, note: str) -> Figure:
    return Figure(name, raw / size[OURS], _UNIT, peer, raw / size[peer], size[peer] / size[OURS], note=note)


def _speeds(items: Sequence[Signal], options: Options, source: str) -> Iterator[Figure]:
    """CPU time of one thread. AtriumDB also writes its files and its database, which is how it is used."""
    chosen = [(s.samples[: round(_SPEED_S * s.fs_hz)].copy(), s.fs_hz) for s in items[:4]]
    samples, known = sum(len(x) for x, _ in chosen), ways()
    blocks = {name: [(b, f) for x, f in chosen for b in cut(x, f, way.length_s)] for name, way in known.items()}
    packed = {name: [(way.pack(b, f), len(b)) for b, f in blocks[name]] for name, way in known.items()}
    with Atrium() as dataset:
        written = [dataset.write(x, f) for x, f in chosen]

        def encode(name: str) -> float:
            if name == atrium.NAME:
                return _speed(samples, lambda: [dataset.write(x, f) for x, f in chosen])
            way = known[name]
            return _speed(samples, lambda: [way.pack(b, f) for b, f in blocks[name]])

        def decode(name: str) -> float:
            if name == atrium.NAME:
                return _speed(samples, lambda: [dataset.read(which, 0.0, _SPEED_S) for which in written])
            way = known[name]
            return _speed(samples, lambda: [way.unpack(data, n) for data, n in packed[name]])

        for what, run in (("encode", encode), ("decode", decode)):
            speed = alternate({n: partial(run, n) for n in (*known, atrium.NAME)}, 3 if options.quick else 7)
            note = f"{source}; blocks of 300 s, CPU time"
            yield from _beside(f"{what}_msamples_s", speed, note)


def _beside(name: str, speed: dict[str, Measured], note: str) -> Iterator[Figure]:
    yield figure(
        name, "Msamples/s", speed[OURS], (atrium.NAME, speed[atrium.NAME]), note=f"{note}; AtriumDB with its files"
    )
    for peer in (FLAC, DELTA, ZSTD, FRAMES):
        said = f"{note}; frames one call each" if peer == FRAMES else note
        yield figure(f"{name}_to_{_SUFFIX[peer]}", "Msamples/s", speed[OURS], (peer, speed[peer]), note=said)


def _speed(samples: int, work: Callable[[], object]) -> float:
    return samples / seconds(work) / 1e6
