"""How much faster than life signal leaves the archive: the whole export, from SQL rows to files with sums of them.

The peer is `wfdb.wrsamp` alone: the same arrays already in memory, no archive, no disguise, no sums, no annotations.
"""

import itertools
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np

from benchmarks.figures import Figure, Measured, Options, figure
from benchmarks.signals import Signal, signals
from deploy.settings import load
from deploy.wiring import Storage, open_storage
from liteheart.clock import US_PER_S
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId
from liteheart.signal import Frame
from storage.cohort_query import Query
from storage.export.run import FORMATS, Format, Order
from storage.monitor_store import Batch

T0_US: Final = 1_790_000_000 * US_PER_S
_FRAME_S: Final = 5


@dataclass(frozen=True, slots=True)
class Size:
    """What is exported."""

    patients: int
    hours: float  # of each
    some: int  # of the patients, for the formats that no goal is set for
    rounds: int


def benchmark(options: Options) -> Iterator[Figure]:
    """export_x_realtime_<format>, export_x_realtime (WFDB), and what it took."""
    size = Size(2, 0.1, 1, 2) if options.quick else Size(20, 50.0, 4, 2)
    found = signals(min(size.patients, 8), 1800.0 if not options.quick else 60.0, options.seed)
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as folder:
        storage = open_storage(load(environ={}, data_dir=Path(folder) / "data"))
        try:
            for k in range(size.patients):
                _fill(storage, found.items[k % len(found.items)], k, size.hours)
            yield from _figures(storage, found.items, size, Path(folder), found.source)
        finally:
            storage.close()


def _figures(storage: Storage, items: Sequence[Signal], size: Size, folder: Path, source: str) -> Iterator[Figure]:
    names = itertools.count()
    patients = {form: size.patients if form == "wfdb" else size.some for form in FORMATS} | {"peer": size.patients}
    speeds: dict[str, list[float]] = {name: [] for name in (*patients, "wall")}
    for _ in range(size.rounds):
        for name, count in patients.items():
            out = folder / f"o{next(names)}"
            began, cpu = time.perf_counter(), time.process_time()
            if name == "peer":
                _wrsamp(items, size, out)
            else:
                _export(storage, cast(Format, name), count, out)
            lived = count * size.hours * 3600
            speeds[name].append(lived / (time.process_time() - cpu))
            if name == "wfdb":
                speeds["wall"].append(lived / (time.perf_counter() - began))
            shutil.rmtree(out)
    measured = {name: Measured.of(values) for name, values in speeds.items()}
    note = f"{source}; CPU time of the process, all threads; archive in SQLite, files summed and flushed to disk"
    whole = f"{size.patients} patients x {size.hours:g} h; {note}"
    peer = ("wfdb.wrsamp", measured["peer"])
    yield figure("export_x_realtime", "x", measured["wfdb"], peer, note=whole)
    yield figure("export_x_realtime_wall", "x", measured["wall"], note=f"WFDB, by the clock; {whole}")
    for form in FORMATS:
        told = f"{patients[form]} patients x {size.hours:g} h; {note}"
        yield figure(f"export_x_realtime_{form}", "x", measured[form], peer, note=told)


def _export(storage: Storage, form: Format, patients: int, out: Path) -> None:
    query = Query(consent=(), patients=tuple(f"p{k:03d}" for k in range(patients)))
    order = Order(query, form, out, by="benchmark", now_us=T0_US, version="0", waived="benchmark")
    tally = storage.exports.run(order)
    if tally.left_out or not tally.samples:
        raise AssertionError(f"an export left something out: {tally.to_json()}")


def _wrsamp(items: Sequence[Signal], size: Size, out: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb  # type: ignore[import-untyped]  # ships no types
    out.mkdir()
    for k in range(size.patients):
        signal = items[k % len(items)]
        n = round(size.hours * 3600 * signal.fs_hz)
        day = round(24 * 3600 * signal.fs_hz)
        for part in range(0, n, day):
            samples = np.resize(signal.samples, min(day, n - part))[:, None]
            wfdb.wrsamp(
                f"p{k}-{part}",
                fs=signal.fs_hz,
                units=["mV"],
                sig_name=["II"],
                d_signal=samples.astype(np.int64),
                fmt=["16"],
                adc_gain=[signal.gain],
                baseline=[0],
                write_dir=str(out),
            )


def _fill(storage: Storage, signal: Signal, k: int, hours: float) -> None:
    """The signal over and over into the archive, and a finding a minute."""
    patient, device = PatientId(f"p{k:03d}"), DeviceId(f"d{k}")
    size = round(_FRAME_S * signal.fs_hz)
    whole = np.resize(signal.samples, (len(signal.samples) // size) * size).reshape(-1, size)
    frames = (
        Frame(
            patient=patient,
            device=device,
            boot=1,
            sequence=i,
            t0_us=T0_US + round(i * size * US_PER_S / signal.fs_hz),
            fs_hz=signal.fs_hz,
            gain=signal.gain,
            lead="II",
            samples=whole[i % len(whole)],
        )
        for i in range(round(hours * 3600 / _FRAME_S))
    )
    storage.archive.keep(frames)
    codes = (("SR",), ("AFIB", "PVC"))
    found = [
        Finding(
            patient=patient,
            device=device,
            lead="II",
            t0_us=T0_US + 60 * US_PER_S * m,
            t1_us=T0_US + (60 * m + 10) * US_PER_S,
            model=ModelVersion("m1"),
            quality=Quality(0.9, True),
            abstained=False,
            heart_rate_bpm=70.0,
            scores={"SR": 0.9, "AFIB": 0.1, "PVC": 0.1},
            codes=codes[m // 7 % 2],
        )
        for m in range(round(hours * 60))
    ]
    storage.monitor.commit(Batch(findings=found))
