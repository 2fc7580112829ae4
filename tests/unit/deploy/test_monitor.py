"""The monitor's step: whatever happens between two commits, storage ends up the same."""

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
from storage.monitor_store import Batch, Committed

T0 = 1_700_000_000_000_000
FS = 250.0


class Scorer:
    """Reads every window as normal; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        self.asked += [(w.patient, w.t0_us) for w in windows]
        good = Quality(1.0, True)
        return [
            Finding(
                w.patient,
                w.device,
                w.lead,
                w.t0_us,
                w.t1_us,
                ModelVersion("test-1"),
                good,
                False,
                60.0,
                {"SR": 0.9},
                ("SR",),
            )
            for w in windows
        ]


class Feed:
    def __init__(self) -> None:
        self.sent: list[LiveMessage] = []

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        self.sent += messages


class Flaky(MemoryStore):
    """Refuses the next `refusals` transactions."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.refusals = 0

    def commit(self, batch: Batch) -> Committed:
        if self.refusals:
            self.refusals -= 1
            raise Retryable("away")
        return super().commit(batch)


def heart(seconds: int, stop_s: int | None = None) -> np.ndarray:
    """A pulse train at 75 a minute that stops at `stop_s`: int16 at 1000 units per mV."""
    t = np.arange(round(seconds * FS)) / FS
    beat = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2) + 0.2 * np.exp(-0.5 * (((t % 0.8) - 0.65) / 0.04) ** 2)
    if stop_s is not None:
        beat[t >= stop_s] = 0
    noise = np.random.default_rng(1).normal(0, 0.004, len(t))
    return np.round(1000 * (beat + noise)).astype(np.int16)


def frames(patient: str, samples: np.ndarray, boot: int = 1) -> list[bytes]:
    size = round(FS)
    made = []
    for i in range(len(samples) // size):
        t0 = T0 + i * 1_000_000
        part = samples[i * size : (i + 1) * size]
        frame = Frame(PatientId(patient), DeviceId(f"d-{patient}"), boot, i, t0, FS, 1000.0, "I", part)
        made.append(encode_frame(frame.stamped(frame.t1_us + 50_000)))
    return made


class Rig:
    def __init__(self) -> None:
        tables = Tables()
        self.store, self.board = Flaky(tables), MemoryBoard(tables)
        self.clock = ManualClock(T0)
        self.scorer, self.feed = Scorer(), Feed()
        self.monitor = self.fresh()

    def fresh(self) -> Monitor:
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
        stored = self.board.strip(PatientId(patient), 0, 2 * T0)
        return [int(x) for f in stored for x in f.samples]


def test_samples_and_windows_come_out_as_they_went_in() -> None:
    rig, signal = Rig(), heart(60)
    rig.play(frames("p", signal))
    assert rig.samples("p") == signal.tolist()
    starts = [t for _, t in rig.scorer.asked]
    assert starts == sorted(set(starts))
    assert np.diff(starts).tolist() == [5_000_000] * (len(starts) - 1)
    assert len(rig.board.findings(PatientId("p"), 0, 100)) == len(starts) >= 9
    assert rig.alarms() == []


def test_asystole_is_raised_within_ten_seconds_and_goes_out_live() -> None:
    rig = Rig()
    rig.play(frames("p", heart(45, stop_s=30)))
    (alarm,) = [a for a in rig.board.alarms(open_only=False, limit=9) if a.condition == "ASYSTOLE"]
    assert alarm.active
    assert not alarm.retrospective
    assert 0 <= (alarm.raised_us - (T0 + 30_000_000)) / 1e6 <= 10
    assert any(m.kind == "alarm" and b"ASYSTOLE" in m.payload for m in rig.feed.sent)


def test_what_is_sent_again_changes_nothing() -> None:
    once, twice = Rig(), Rig()
    values = frames("p", heart(50, stop_s=30))
    once.play(values)
    for i in range(len(values)):
        twice.step([values[i], values[i]])
        twice.step(values[max(0, i - 3) : i + 1])
    assert twice.samples("p") == once.samples("p")
    assert [a[:2] for a in twice.alarms()] == [a[:2] for a in once.alarms()]
    assert sorted(set(twice.scorer.asked)) == sorted(set(once.scorer.asked))


@pytest.mark.parametrize("crash_at", [1, 7, 31, 33, 34, 36, 44])
def test_a_crash_between_commits_is_not_seen_in_storage(crash_at: int) -> None:
    values = frames("p", np.r_[heart(45, stop_s=30), heart(15)])
    smooth, broken = Rig(), Rig()
    smooth.play(values)
    broken.play(values[:crash_at])
    broken.clock.advance(1)
    broken.monitor.process(values[crash_at : crash_at + 1])  # killed before its commit
    broken.clock = ManualClock(T0 + crash_at * 1_000_000)
    broken.monitor = broken.fresh()
    broken.play(values[crash_at:])
    assert broken.samples("p") == smooth.samples("p")
    assert broken.alarms() == smooth.alarms()
    seen = [f.t0_us for f in broken.board.findings(PatientId("p"), 0, 100)]
    assert seen == [f.t0_us for f in smooth.board.findings(PatientId("p"), 0, 100)]


def test_a_database_that_is_away_delays_storage_and_not_the_alarm() -> None:
    rig = Rig()
    store = rig.store
    values = frames("p", heart(40, stop_s=30))
    rig.play(values[:34])
    for value in values[34:]:
        store.refusals = 3
        rig.clock.advance(1)
        rig.monitor.process([value])
        for _ in range(3):
            with pytest.raises(Retryable):
                rig.monitor.commit()
        alarmed_before_storage = any(b"ASYSTOLE" in m.payload for m in rig.feed.sent if m.kind == "alarm")
        rig.monitor.commit()
    assert alarmed_before_storage
    assert rig.samples("p") == heart(40, stop_s=30).tolist()


def test_poison_is_set_aside_with_its_reason_and_the_rest_goes_on() -> None:
    rig, values = Rig(), frames("p", heart(3))
    broken = bytearray(values[1])
    broken[-6] ^= 0xFF
    dead = rig.monitor.process([values[0], bytes(broken), b"", values[2]])
    rig.monitor.commit()
    assert [d.field for d in dead] == ["crc", "body"]
    assert len(rig.samples("p")) == 500


def test_patients_do_not_touch_each_other() -> None:
    together, alone = Rig(), Rig()
    a, b = frames("a", heart(40, stop_s=20)), frames("b", heart(40))
    for x, y in zip(a, b, strict=True):
        together.clock.advance(1)
        together.monitor.process([y, x])
        together.monitor.commit()
    alone.play(a)
    assert [x[:2] for x in together.alarms()] == [x[:2] for x in alone.alarms()]
