"""What a stored patient costs: ten seconds read back at random, bytes of a patient-day on the bus and at rest."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import zstandard
from kafka.record import MemoryRecordsBuilder

from benchmarks.atrium import NAME, Atrium
from benchmarks.figures import Figure, Measured, Options, figure
from benchmarks.packers import cut
from benchmarks.recordings import at_250_hz
from benchmarks.signals import Signal
from deploy.settings import load
from deploy.wiring import Storage, open_storage
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import encode_frame, to_planes
from storage.monitor_store import Batch

T0_US: Final = 1_700_000_000 * US_PER_S
DAY_S: Final = 86_400
_ZSTD: Final = 4  # Kafka's number for it
_TOGETHER: Final = 16  # patients whose frames meet in a batch of 5 ms


def frames(signal: Signal, k: int, length_s: float) -> list[Frame]:
    """Of patient k, one after another."""
    parts = [b for b in cut(signal.samples, signal.fs_hz, length_s) if len(b) == round(length_s * signal.fs_hz)]
    return [
        Frame(
            patient=PatientId(f"p{k}"),
            device=DeviceId(f"d{k}"),
            boot=1,
            sequence=i,
            t0_us=T0_US + round(i * length_s * US_PER_S),
            fs_hz=signal.fs_hz,
            gain=signal.gain,
            lead="II",
            samples=part,
            arrival_us=T0_US + round((i + 1) * length_s * US_PER_S),
        )
        for i, part in enumerate(parts)
    ]


def reads(items: Sequence[Signal], options: Options) -> Iterator[Figure]:
    """Ten seconds at random out of blocks, beside AtriumDB, and out of hot frames; page cache warm."""
    patients, each = (2, 40) if options.quick else (8, 300)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="liteheart-bench-"))
        kept, hot = (_opened(stack, Path(folder) / name) for name in ("kept", "hot"))
        atrium = stack.enter_context(Atrium())
        chosen = [items[k % len(items)] for k in range(patients)]
        theirs = [atrium.write(s.samples, s.fs_hz) for s in chosen]
        for k, signal in enumerate(chosen):
            sent = frames(signal, k, 1.0)
            kept.archive.keep(sent)
            for a in range(0, len(sent), 500):
                hot.monitor.commit(Batch(frames=sent[a : a + 500]))

        def ours(k: int, at_s: float) -> int:
            since = T0_US + round(at_s * US_PER_S)
            found = kept.archive.stretches(PatientId(f"p{k}"), since, since + 10 * US_PER_S)
            return sum(len(s.samples) for s in found)

        def fresh(k: int, at_s: float) -> int:
            since = T0_US + round(at_s * US_PER_S)
            return sum(len(f.samples) for f in hot.board.strip(PatientId(f"p{k}"), since, since + 10 * US_PER_S))

        def atriums(k: int, at_s: float) -> int:
            return len(atrium.read(theirs[k], at_s, at_s + 10))

        ways = {"ours": ours, "hot": fresh, "atrium": atriums}
        rng = np.random.default_rng(options.seed)
        rounds: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in ways}
        for turn in range(5):
            draws = [(int(rng.integers(patients)), rng.random()) for _ in range(each)]
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                rounds[name].append([_read_ms(ways[name], chosen[k], k, share) for k, share in draws])
    note = f"{patients} patients x {len(chosen[0].samples) / chosen[0].fs_hz:.0f} s in SQLite, page cache warm"
    for percent, (kind, clock) in product((50, 95), enumerate(("", "_cpu"))):
        ours_ms, hot_ms, theirs_ms = (
            Measured.of([float(np.percentile([took[kind] for took in r], percent)) for r in rounds[name]])
            for name in ("ours", "hot", "atrium")
        )
        told = f"{note}; CPU time of the thread, without waiting for a busy machine" if kind else note
        peer, also = (NAME, theirs_ms), f"{told}; blocks of 5 min; AtriumDB gives a time for each sample too"
        yield figure(f"random_10s_read{clock}_p{percent}_ms", "ms", ours_ms, peer, better="less", note=also)
        fresh_note = f"{told}; not yet compacted, frames of 1 s, Board.strip"
        yield figure(f"random_10s_read{clock}_hot_p{percent}_ms", "ms", hot_ms, peer, better="less", note=fresh_note)


def _opened(stack: ExitStack, folder: Path) -> Storage:
    folder.mkdir()
    storage = open_storage(load(environ={}, data_dir=folder))
    stack.callback(storage.close)
    return storage


def _read_ms(read: Callable[[int, float], int], signal: Signal, k: int, share: float) -> tuple[float, float]:
    """By the clock, and of this thread's CPU time."""
    length_s = len(signal.samples) // round(signal.fs_hz) - 11
    began, began_cpu = time.perf_counter(), time.thread_time()
    n = read(k, share * length_s)
    took_cpu, took = time.thread_time() - began_cpu, time.perf_counter() - began
    if not 10 * signal.fs_hz - 1 <= n <= 11 * signal.fs_hz + 1:  # Board.strip gives whole frames
        raise AssertionError(f"{n} samples at {signal.fs_hz} Hz are not ten seconds")
    return took * 1000, took_cpu * 1000


def patient_days(items: Sequence[Signal]) -> Iterator[Figure]:
    """MB of a patient's day at 250 Hz and 5 uV: as Kafka keeps and sends it, and in the SQLite file once compacted."""
    wearables = [at_250_hz(s) for s in items]
    seconds = sum(len(s.samples) for s in wearables) / 250.0
    note = f"{len(wearables)} recordings at 250 Hz, 5 uV"
    for length_s in (1.0, 5.0):
        together = _bus_mb_day(wearables, length_s, _TOGETHER)
        alone = _bus_mb_day(wearables, length_s, 1)
        name = "bus_mb_patient_day" + ("" if length_s == 5.0 else "_1s_frames")
        said = f"{note}; frames of {length_s:.0f} s, Kafka batches packed by zstd"
        yield Figure(name, together, "MB/patient-day", note=f"{said}, of {_TOGETHER} patients each")
        yield Figure(f"{name}_alone", alone, "MB/patient-day", note=f"{said}, each frame its own")
    few = _bus_mb_day(wearables, 5.0, 4)
    yield Figure("bus_mb_patient_day_of_4", few, "MB/patient-day", note=f"{note}; frames of 5 s, of 4 patients each")
    yield Figure("bus_mb_patient_day_samples", _samples_mb_day(wearables, 5.0), "MB/patient-day", note=_SAMPLES)
    yield Figure("rest_mb_patient_day", _rest_bytes(wearables) / seconds * DAY_S / 1e6, "MB/patient-day", note=_REST)


_SAMPLES: Final = "of each frame of 5 s the samples alone, packed by zstd: no header, no key, no record, no batch"
_REST: Final = (
    "the same; the whole SQLite file, frames of 5 s compacted into blocks of 5 min, after VACUUM, less an empty one"
)


def _bus_mb_day(wearables: Sequence[Signal], length_s: float, together: int) -> float:
    """Of record batches as they stand in Kafka's log; the parts of a recording stand for patients of one moment."""
    total = sent = 0
    for signal in wearables:
        n = len(signal.samples) // together
        parts = [replace(signal, samples=signal.samples[a : a + n]) for a in range(0, n * together, n)]
        for moment in zip(*(frames(part, k, length_s) for k, part in enumerate(parts)), strict=True):
            batch = MemoryRecordsBuilder(2, _ZSTD, 1 << 20)
            for frame in moment:
                batch.append(frame.arrival_us // 1000, frame.patient.encode(), encode_frame(frame))
            batch.close()
            total += len(batch.buffer())
            sent += len(moment)
    return total / (sent * length_s) * DAY_S / 1e6


def _samples_mb_day(wearables: Sequence[Signal], length_s: float) -> float:
    sent = [frame for signal in wearables for frame in frames(signal, 0, length_s)]
    squeeze = zstandard.ZstdCompressor()
    total = sum(len(squeeze.compress(to_planes(frame.samples))) for frame in sent)
    return total / (len(sent) * length_s) * DAY_S / 1e6


def _rest_bytes(wearables: Sequence[Signal]) -> int:
    """What the database grew by."""
    sizes = []
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as folder:
        for name, some in (("empty", wearables[:0]), ("full", wearables)):
            place = Path(folder) / name
            with ExitStack() as stack:
                storage = _opened(stack, place)
                for k, signal in enumerate(some):
                    storage.archive.keep(frames(signal, k, 5.0))
            sizes.append(sum(map(_vacuumed, place.glob("*.db"))))
    return sizes[1] - sizes[0]


def _vacuumed(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size
