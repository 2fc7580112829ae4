"""How many patients one core carries: the monitor's own hot path, and a careful per-record peer on the same signal."""

import contextlib
import importlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.accuracy import beats_f1
from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from benchmarks.parts import PARTS, metered
from benchmarks.peer import PerRecord
from deploy import wiring
from deploy.monitor import Monitor
from deploy.settings import Settings, load
from inference.serve.engine import load_engine
from ingest.sources.scripts import ward
from ingest.sources.simulate import SimulatedPatient
from liteheart.clock import US_PER_S, ManualClock
from liteheart.ids import DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame, Window
from liteheart.wire import encode_frame

T0_US = 1_700_000_000 * US_PER_S
HOP_S, WINDOW_S, BEAT_S = 5, 10, 12  # the student's hop and window; what the beat path looks at every second
WARM_S = 15  # until every patient has had windows and a usual beat
FS_HZ = 250.0
PER_RECORD = "per record: sosfiltfilt, find_peaks, torch eager batch 1; every 5 s"
PER_SECOND = "the same, and find_peaks every second"
Floats = npt.NDArray[np.float64]


class Ward:
    """Simulated patients, second by second: as wire bytes for the monitor, as millivolts for the peer."""

    def __init__(self, patients: int, length_s: int, seed: int) -> None:
        self.patients = patients
        self.wire: list[list[bytes]] = [[] for _ in range(length_s)]
        self.mv = np.zeros((patients, length_s * round(FS_HZ)))
        for i, script in enumerate(ward(patients)):
            t0_us = T0_US + i * US_PER_S // patients  # spread over the second, as real devices are
            patient = SimulatedPatient(
                script.patient, script.script, FS_HZ, seed + script.seed, device=script.device, boot=1, t0_us=t0_us
            )
            for frame in patient.frames():
                if frame.sequence >= length_s:
                    break
                self._put(i, frame)

    def _put(self, i: int, frame: Frame) -> None:
        a = frame.sequence * len(frame.samples)
        self.wire[frame.sequence].append(encode_frame(frame.stamped(frame.t1_us + 50_000)))
        self.mv[i, a : a + len(frame.samples)] = frame.millivolts()

    def stretch(self, i: int, end_s: int, length_s: int) -> Floats:
        """Millivolts [n] of patient `i` in the `length_s` before `end_s`."""
        return self.mv[i, round((end_s - length_s) * FS_HZ) : round(end_s * FS_HZ)]


class Runner:
    """A monitor on a database of its own, fed second by second. No broker, no event loop, one thread."""

    def __init__(self, settings: Settings, storage: wiring.Storage, people: Ward) -> None:
        engine = load_engine(settings.inference)
        self._clock, self._people, self.second = ManualClock(T0_US), people, 0
        self._monitor = Monitor(
            ingest=settings.ingest,
            alarms=wiring.alarm_settings(settings, engine.thresholds),
            scorer=engine,
            store=storage.monitor,
            feed=wiring.Nowhere(),
            clock=self._clock,
            metrics=NullMetrics(),
        )

    def run(self, count: int) -> None:
        """The next `count` seconds, a batch and a transaction each."""
        for values in self._people.wire[self.second : self.second + count]:
            self.second += 1
            self._clock.advance(T0_US / US_PER_S + self.second + 1.1 - self._clock.now_us() / US_PER_S)
            if self._monitor.process(values):
                raise AssertionError("the monitor refused a frame of ours")
            self._monitor.commit()


def benchmark(options: Options) -> Iterator[Figure]:
    """patients_per_core with its parts and peers, then how well both find beats."""
    patients, rounds = (16, 5) if options.quick else (128, 7)
    people = Ward(patients, WARM_S + (2 * rounds + 1) * HOP_S, options.seed)
    with _runner(people) as (runner, settings):
        runner.run(WARM_S + HOP_S)
        peer = PerRecord(settings.inference.model_dir, FS_HZ)
        yield from _compare(runner, people, peer, rounds)
        yield from _parts(runner, people, rounds)
        yield _windows(settings, people, peer, runner.second, rounds)
    yield beats_f1(options)


@contextlib.contextmanager
def _runner(people: Ward) -> Iterator[tuple[Runner, Settings]]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as folder:
        settings = load(environ={}, data_dir=Path(folder), inference__device="cpu")
        storage = wiring.open_storage(settings)
        try:
            yield Runner(settings, storage, people), settings
        finally:
            storage.close()


def _compare(runner: Runner, people: Ward, peer: PerRecord, rounds: int) -> Iterator[Figure]:
    work = people.patients * HOP_S  # patient-seconds a round
    waits: list[float] = []

    def ours() -> float:
        began = time.perf_counter()
        cpu_s = seconds(lambda: runner.run(HOP_S))
        waits.append((time.perf_counter() - began) / cpu_s)
        return work / cpu_s

    def windows() -> None:
        for i in range(people.patients):
            peer.window(people.stretch(i, runner.second, WINDOW_S))

    def windows_and_rates() -> None:
        windows()
        for i in range(people.patients):
            for k in range(HOP_S):
                peer.rate(people.stretch(i, runner.second - k, BEAT_S))

    contenders = {
        "ours": ours,
        PER_RECORD: lambda: work / seconds(windows),
        PER_SECOND: lambda: work / seconds(windows_and_rates),
    }
    neurokit = _neurokit(runner, people, peer)
    if neurokit is not None:
        contenders["neurokit2.ecg_process, torch eager batch 1; every 5 s"] = neurokit
    found = alternate(contenders, rounds)
    note = f"{people.patients} simulated patients at {FS_HZ:g} Hz, CPU time; ours includes vitals, alarms and storage"
    first = True
    for name, theirs in found.items():
        if name == "ours":
            continue
        label = "patients_per_core" if first else "patients_per_core_to_each_second"
        if name.startswith("neurokit2"):
            yield figure("ratio_to_neurokit", "", _ratio(found["ours"], theirs), note=note)
        else:
            yield figure(label, "patients", found["ours"], (name, theirs), note=note)
        first = False
    yield figure("wall_over_cpu", "", Measured.of(waits), note="above 1 where the path waits: for the disk, or a core")


def _ratio(mine: Measured, theirs: Measured) -> Measured:
    return Measured.of([a / b for a, b in zip(mine.values, theirs.values, strict=True)])


def _neurokit(runner: Runner, people: Ward, peer: PerRecord) -> Callable[[], float] | None:
    """neurokit2 is no dependency of ours; where somebody has it, it is measured, on a few patients."""
    if importlib.util.find_spec("neurokit2") is None:
        print("pipeline: neurokit2 is not installed, ratio_to_neurokit is left out", file=sys.stderr, flush=True)
        return None
    neurokit2: Any = importlib.import_module("neurokit2")
    few = min(4, people.patients)

    def process() -> None:
        for i in range(few):
            mv = people.stretch(i, runner.second, WINDOW_S)
            with contextlib.suppress(Exception):  # it raises where it finds no beats, which is an answer
                neurokit2.ecg_process(mv, sampling_rate=round(FS_HZ))
            peer.window(mv)

    return lambda: few * HOP_S / seconds(process)


def _parts(runner: Runner, people: Ward, rounds: int) -> Iterator[Figure]:
    spent: dict[str, list[float]] = {part: [] for part in PARTS}
    for _ in range(rounds):
        with metered() as meter:
            runner.run(HOP_S)
        for part in PARTS:
            spent[part].append(meter.get(part, 0.0) / (people.patients * HOP_S) * 1e6)
    for part, values in spent.items():
        yield figure(f"part_{part}_us", "us/patient-second", Measured.of(values), note="CPU time, a hop of 5 s")


def _windows(settings: Settings, people: Ward, peer: PerRecord, second: int, rounds: int) -> Figure:
    """The student's path alone, like for like: quality, beats, preprocessing, network, against the peer's window."""
    engine = load_engine(settings.inference)
    stretches = [people.stretch(i, second, WINDOW_S) for i in range(people.patients)]
    windows = [
        Window(
            patient=PatientId(f"p{i}"),
            device=DeviceId(f"d{i}"),
            lead="I",
            t0_us=T0_US,
            fs_hz=FS_HZ,
            mv=mv.astype(np.float32),
            valid=np.ones(len(mv), np.bool_),
        )
        for i, mv in enumerate(stretches)
    ]
    found = alternate(
        {
            "ours": lambda: people.patients / seconds(lambda: engine.score(windows)),
            "peer": lambda: people.patients / seconds(lambda: [peer.window(mv) for mv in stretches]),
        },
        rounds,
    )
    note = f"batch of {people.patients}, CPU time; ours includes signal quality, for which a second detector runs"
    peer_name = "per record: sosfiltfilt, find_peaks, torch eager batch 1"
    return figure("score_windows_s", "windows/s", found["ours"], (peer_name, found["peer"]), note=note)
