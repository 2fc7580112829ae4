"""A monitor on a store in memory and a heart to watch, for the tests of the monitor and of its worker."""

from collections.abc import Sequence

import numpy as np
import pytest

from alerts.settings import AlarmSettings
from deploy.monitor import Monitor
from ingest.settings import IngestSettings
from liteheart.board import LiveMessage
from liteheart.clock import ManualClock
from liteheart.errors import Retryable
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame, Window
from liteheart.wire import encode_frame
from storage.memory import MemoryBoard, MemoryStore, Tables
from storage.monitor_store import Batch, Committed, Restored


class Scorer:
    """Reads every window as normal; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        self.asked += [(w.patient, w.t0_us) for w in windows]
        good, model = Quality(1.0, True), ModelVersion("test-1")
        return [
            Finding(w.patient, w.device, w.lead, w.t0_us, w.t1_us, model, good, False, 60.0, {"SR": 0.9}, ("SR",))
            for w in windows
        ]


class Feed:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[LiveMessage] = []

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        self.sent += messages

    def alarmed(self, condition: str) -> bool:
        return any(m.kind == "alarm" and condition.encode() in m.payload for m in self.sent)


class Flaky(MemoryStore):
    """Refuses the next `refusals` transactions, and everything while `away`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.refusals = 0
        self.away = False

    def commit(self, batch: Batch) -> Committed:
        if self.refusals or self.away:
            self.refusals -= not self.away
            raise Retryable("away")
        return super().commit(batch)

    def restore(self, wanted: Sequence[PatientId], *, claim: bool = False) -> dict[PatientId, Restored]:
        if self.away:
            raise Retryable("away")
        return super().restore(wanted, claim=claim)


class Rig:
    """Monitors on one store, which the clock follows frame by frame."""

    T0 = 1_700_000_000_000_000
    FS = 250.0

    def __init__(self) -> None:
        tables = Tables()
        self.store, self.board = Flaky(tables), MemoryBoard(tables)
        self.clock = ManualClock(self.T0)
        self.scorer, self.feed = Scorer(), Feed()
        self.monitor = self.fresh()

    def fresh(self) -> Monitor:
        """Another worker's monitor, or this one's after a restart."""
        return Monitor(
            ingest=IngestSettings(),
            alarms=AlarmSettings(),
            scorer=self.scorer,
            store=self.store,
            feed=self.feed,
            clock=self.clock,
            metrics=NullMetrics(),
        )

    def play(self, values: Sequence[bytes], size: int = 1) -> None:
        for i in range(0, len(values), size):
            self.step(values[i : i + size])

    def step(self, values: Sequence[bytes]) -> None:
        self.clock.advance(len(values))
        self.monitor.process(values)
        self.monitor.commit()

    def alarms(self) -> list[tuple[str, int, int | None, bool]]:
        found = self.board.alarms(open_only=False, limit=100)
        return sorted((a.condition, a.onset_us, a.ended_us, a.retrospective) for a in found)

    def samples(self, patient: str) -> list[int]:
        stored = self.board.strip(PatientId(patient), 0, 2 * self.T0)
        return [int(x) for f in stored for x in f.samples]

    def windows(self, patient: str) -> list[int]:
        return [f.t0_us for f in self.board.findings(PatientId(patient), 0, 100)]

    def everything(self) -> tuple[object, ...]:
        """All that storage holds of everyone."""
        patients = sorted(s.patient for s in self.board.patients())
        return self.alarms(), [(p, self.samples(p), self.windows(p)) for p in patients]


class Lab:
    """Hearts, their frames, and rigs to watch them."""

    T0, FS = Rig.T0, Rig.FS

    @staticmethod
    def rig() -> Rig:
        return Rig()

    @staticmethod
    def heart(seconds: int, stop_s: int | None = None) -> np.ndarray:
        """A pulse train at 75 a minute that stops at `stop_s`: int16 at 1000 units per mV."""
        t = np.arange(round(seconds * Rig.FS)) / Rig.FS
        beat = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2) + 0.2 * np.exp(-0.5 * (((t % 0.8) - 0.65) / 0.04) ** 2)
        if stop_s is not None:
            beat[t >= stop_s] = 0
        noise = np.random.default_rng(1).normal(0, 0.004, len(t))
        return np.round(1000 * (beat + noise)).astype(np.int16)

    @staticmethod
    def frames(patient: str, samples: np.ndarray, boot: int = 1) -> list[bytes]:
        size = round(Rig.FS)
        made = []
        for i in range(len(samples) // size):
            t0 = Rig.T0 + i * 1_000_000
            part = samples[i * size : (i + 1) * size]
            frame = Frame(PatientId(patient), DeviceId(f"d-{patient}"), boot, i, t0, Rig.FS, 1000.0, "I", part)
            made.append(encode_frame(frame.stamped(frame.t1_us + 50_000)))
        return made


@pytest.fixture
def lab() -> Lab:
    """Everything above."""
    return Lab()
