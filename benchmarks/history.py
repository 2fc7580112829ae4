"""Looking back: how long the patient page, burden and shift wait with a day of a ward stored; what keeping it costs.

`python -m benchmarks.history [--quick]`: it writes gigabytes and takes minutes, so it is none of `make bench`.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from deploy import wiring
from deploy.environment import calm_threads
from deploy.http import create_web, serving
from deploy.metrics import PrometheusMetrics
from deploy.settings import Settings, load
from ingest.sources.scripts import ward
from ingest.sources.simulate import SimulatedPatient
from liteheart.alarm import REASONS, Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import US_PER_S, ManualClock
from liteheart.conditions import CONDITIONS
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId, alarm_id
from liteheart.signal import Frame
from storage.minutes import Key
from storage.monitor_store import Batch, MonitorStore

T0_US: Final = 1_700_006_400 * US_PER_S  # midnight
FS_HZ: Final = 250.0
_HOUR_US: Final = 3600 * US_PER_S
_CODES: Final = tuple(condition.code for condition in CONDITIONS)
_RULES: Final = (
    ("VT", Priority.HIGH),
    ("AFIB", Priority.MEDIUM),
    ("PVC_FREQUENT", Priority.LOW),
    ("LEAD_OFF", Priority.LOW),
)


class Past:
    """A stretch of signal, readings and alarms of some patients; a minute of ECG each, over and over."""

    def __init__(self, patients: int, seed: int) -> None:
        self.patients = [PatientId(f"p{i:03d}") for i in range(patients)]
        self._rng = np.random.default_rng(seed)
        self._ecg = [_minute_of_ecg(script, seed) for script in ward(patients)]

    def frames(self, second: int, count: int) -> list[Frame]:
        """Those of all patients that begin in the seconds from `second` on."""
        return [self._frame(i, k) for k in range(second, second + count) for i in range(len(self.patients))]

    def _frame(self, i: int, second: int) -> Frame:
        t0_us = T0_US + second * US_PER_S + i * US_PER_S // len(self.patients)
        patient = self.patients[i]
        at = second % 60
        return Frame(
            patient=patient,
            device=DeviceId(f"d-{patient}"),
            boot=1,
            sequence=second,
            t0_us=t0_us,
            fs_hz=FS_HZ,
            gain=200.0,
            lead="I",
            samples=self._ecg[i][at * 250 : at * 250 + 250],
            arrival_us=t0_us + 1_050_000,
        )

    def findings(self, second: int) -> list[Finding]:
        """One of each patient."""
        scores = self._rng.random((len(self.patients), len(_CODES))).tolist()
        return [
            Finding(
                patient=patient,
                device=DeviceId(f"d-{patient}"),
                lead="I",
                t0_us=T0_US + second * US_PER_S,
                t1_us=T0_US + (second + 10) * US_PER_S,
                model=ModelVersion("m1"),
                quality=Quality(0.9, True),
                abstained=second % 60 == 0,
                heart_rate_bpm=70.0 + second % 17,
                scores=dict(zip(_CODES, scores[i], strict=True)),
                codes=("AFIB",) if (second // 900 + i) % 3 == 0 else ("NSR",),
                arrival_us=T0_US + (second + 11) * US_PER_S,
            )
            for i, patient in enumerate(self.patients)
        ]

    def alarms(self, second: int) -> list[AlarmEvent]:
        """One of each patient, raised, and over 40 s later."""
        events = []
        for i, patient in enumerate(self.patients):
            code, priority = _RULES[(second // 600 + i) % len(_RULES)]
            kind = Kind.TECHNICAL if code == "LEAD_OFF" else Kind.PHYSIOLOGICAL
            onset_us = T0_US + second * US_PER_S
            name = alarm_id(patient, code, onset_us)
            alarm = Alarm(
                name, patient, code, code, kind, priority, priority is Priority.HIGH, onset_us, onset_us, "", True
            )
            end_us = onset_us + 40 * US_PER_S
            over = replace(alarm, active=False, ended_us=end_us)
            events += [AlarmEvent(alarm, "raised", onset_us, onset_us), AlarmEvent(over, "ended", end_us, end_us)]
        return events

    def states(self, second: int) -> list[PatientState]:
        """What is known of each."""
        at_us = T0_US + second * US_PER_S
        return [
            PatientState(p, DeviceId(f"d-{p}"), "I", FS_HZ, at_us, at_us, heart_rate_bpm=71.0) for p in self.patients
        ]


def _minute_of_ecg(script: Any, seed: int) -> Any:
    patient = SimulatedPatient(
        script.patient, script.script, FS_HZ, seed + script.seed, device=DeviceId("d"), boot=1, t0_us=0
    )
    found: list[Any] = []
    for frame in patient.frames():
        found.append(frame.samples)
        if sum(map(len, found)) >= 60 * 250:
            break
    return np.concatenate(found)[: 60 * 250]


def fill(storage: wiring.Storage, past: Past, hours: int) -> None:
    """Store it, a minute a transaction, as the monitor does; every other alarm is acknowledged, and each of HIGH."""
    for second in range(0, hours * 3600, 60):
        storage.monitor.commit(
            Batch(
                frames=past.frames(second, 60),
                findings=[f for k in range(second, second + 60, 5) for f in past.findings(k)],
                states=past.states(second + 59),
                alarms=past.alarms(second) if second % 600 == 0 else (),
            )
        )
    for k, alarm in enumerate(storage.board.alarms(open_only=False, limit=1 << 20)):
        if k % 2 or alarm.priority is Priority.HIGH:
            reason = REASONS[k % len(REASONS)]
            storage.board.acknowledge(alarm.alarm_id, "nurse", reason, alarm.raised_us + (5 + k % 90) * US_PER_S)


def benchmark(options: Options, hours: int = 24, folder: Path | None = None) -> Iterator[Figure]:
    """Milliseconds of each endpoint through HTTP, then microseconds of a commit with and without its overview."""
    patients, hours, rounds = (4, 2, 5) if options.quick else (options.patients or 24, hours, 9)
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as spare:
        settings = load(environ={}, data_dir=folder or Path(spare), http__port=0)
        storage = wiring.open_storage(settings)
        past = Past(patients, options.seed)
        if not storage.board.patients():
            fill(storage, past, hours)
        try:
            yield from asyncio.run(_endpoints(settings, storage, hours, rounds, f"{patients} patients, {hours} h"))
        finally:
            storage.close()
        yield from _commits(Path(spare), 16 if options.quick else 128, rounds, options.seed)


async def _endpoints(
    settings: Settings, storage: wiring.Storage, hours: int, rounds: int, note: str
) -> Sequence[Figure]:
    end_us = T0_US + hours * _HOUR_US
    clock = ManualClock(end_us)
    async with wiring.live_feed(settings) as feed:
        router = wiring.dashboard(settings, storage, feed, clock, sign_in=False)
        web = create_web([router], PrometheusMetrics(), lambda: None)
        async with serving(web, "127.0.0.1", 0) as port:
            return await asyncio.to_thread(_ask_all, f"http://127.0.0.1:{port}/api/v1", end_us, hours, rounds, note)


def _ask_all(base: str, end_us: int, hours: int, rounds: int, note: str) -> list[Figure]:
    day = f"t0_us={end_us - hours * _HOUR_US}&t1_us={end_us}"
    middle_us = T0_US + hours * _HOUR_US // 2
    asked = {
        "overview": f"/patients/p001/overview?{day}&columns=2000",
        "overview_1h": f"/patients/p001/overview?t0_us={middle_us}&t1_us={middle_us + _HOUR_US}&columns=2000",
        "overview_30min": f"/patients/p001/overview?t0_us={middle_us}&t1_us={middle_us + _HOUR_US // 2}&columns=2000",
        "overview_2min": f"/patients/p001/overview?t0_us={middle_us}&t1_us={middle_us + 120_000_000}&columns=2000",
        "strip_60s": f"/patients/p001/strip?t0_us={middle_us}&t1_us={middle_us + 60_000_000}",
        "trends": f"/patients/p001/trends?{day}&step_s=300",
        "region_map": f"/patients/p001/region-map?t0_us={middle_us}",
        "alarm_history": f"/patients/p001/alarms?since_us={end_us - 24 * _HOUR_US}",
        "burden": f"/burden?since_us={end_us - 24 * _HOUR_US}",
        "shift": f"/shift?since_us={end_us - 8 * _HOUR_US}",
        "notes": "/patients/p001/notes",
    }
    figures = []
    for name, path in asked.items():
        first, size = _ask(base + path)
        again = [_ask(base + path)[0] for _ in range(rounds)]
        said = f"{note}; {size / 1000:.0f} kB; the first time {first:.0f} ms"
        figures.append(figure(f"{name}_ms", "ms", Measured.of(again), note=said))
    maps = [_ask(f"{base}/patients/p001/region-map?t0_us={middle_us + k * 5_000_000}")[0] for k in range(1, rounds + 1)]
    return [*figures, figure("region_map_new_ms", "ms", Measured.of(maps), note="windows nobody asked about before")]


def _ask(url: str) -> tuple[float, int]:
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        size = len(answer.read())
    return (time.perf_counter() - began) * 1000, size


class _Nothing:
    """Keeps no overview: the commit as it was before there was one."""

    def write(self, connection: object, batch: object) -> list[Key]:
        return []

    def forget(self, written: object) -> None:
        pass

    def add(self, committed: object) -> None:
        pass


def _commits(folder: Path, patients: int, rounds: int, seed: int) -> Iterator[Figure]:
    """CPU of a second of a ward in one transaction, five minutes a round, so that the rows are in it."""
    past = Past(patients, seed)
    at = {"ours": 0, "without": 0}
    opened = {name: wiring.open_storage(load(environ={}, data_dir=folder / name)) for name in at}
    opened["without"].monitor._minutes = _Nothing()  # type: ignore[assignment]  # the same methods, nothing done

    def run(name: str) -> float:
        store: MonitorStore = opened[name].monitor
        spent = []
        for second in range(at[name], at[name] + 120):
            batch = Batch(frames=past.frames(second, 1))
            spent.append(seconds(lambda batch=batch: store.commit(batch)))  # type: ignore[misc]  # a default argument
        at[name] += 120
        return statistics.fmean(spent) / patients * 1e6

    found = alternate({name: lambda name=name: run(name) for name in at}, rounds)  # type: ignore[misc]  # likewise
    for storage in opened.values():
        storage.close()
    note = f"{patients} patients, a frame of a second each, two minutes a round; CPU time"
    peer = ("the same without its overview", found["without"])
    yield figure("commit_us_frame", "us", found["ours"], peer, better="less", note=note)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description="one JSON line a figure")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--patients", type=int)
    parser.add_argument("--data", type=Path, metavar="DIR", help="filled when it is empty, and kept")
    asked = parser.parse_args()
    calm_threads()
    options = Options(quick=asked.quick, patients=asked.patients)
    for found in benchmark(options, asked.hours, asked.data):
        print(found.line("history", options), flush=True)


if __name__ == "__main__":
    main()
