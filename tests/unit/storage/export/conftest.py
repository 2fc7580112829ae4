"""A small house: three patients with signal in memory, findings, alarms, consents and subjects in SQLite."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId, alarm_id
from liteheart.signal import Frame, Stretch
from storage.board import Board
from storage.consents import Consents
from storage.engine import open_engine
from storage.export.signal import cut
from storage.migrations import upgrade
from storage.monitor_store import Batch, MonitorStore
from storage.settings import StorageSettings
from storage.subjects import Subject, Subjects

S = 1_000_000
T0 = 1_794_820_211_000_000 + 123_457  # 2026-11-16, a morning
FS = 250.0


@dataclass
class Memory:
    """What the archive would give back."""

    held: list[Stretch] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        self.asked.append((t0_us, t1_us))
        for stretch in self.held:
            if stretch.patient == patient and (piece := cut(stretch, t0_us, t1_us)) is not None:
                yield piece


class House:
    """The store, and what is put into it."""

    T0, S, FS = T0, S, FS

    def __init__(self, folder: Path) -> None:
        settings = StorageSettings(f"sqlite:///{folder}/ward.db", outbox=False)
        self.engine: Engine = open_engine(settings)
        upgrade(self.engine)
        self.store = MonitorStore(self.engine, settings)
        self.board = Board(self.engine, outbox=False)
        self.consents, self.subjects = Consents(self.engine), Subjects(self.engine)
        self.signal = Memory()

    def record(self, patient: str, second: float, seconds: float, *, gain: float = 200.0, lead: str = "II") -> Stretch:
        """Signal from `second` on; a first frame of it in the database, so that the patient is known."""
        rng = np.random.default_rng(abs(hash((patient, second))) % 1000)
        samples = rng.integers(-3000, 3000, round(seconds * FS)).astype(np.int16)
        t0_us = T0 + round(second * S)
        device = DeviceId(f"wearable-{patient}")
        stretch = Stretch(PatientId(patient), device, lead, t0_us, FS, gain, samples)
        self.signal.held.append(stretch)
        frames = []
        for k, at in enumerate((0, len(samples) - 250)):  # the ends are what the extent is read from
            t_us = t0_us + round(at * S / FS)
            sequence = round(second * 1000) * 2 + k
            piece = samples[at : at + 250]
            frames.append(Frame(PatientId(patient), device, 1, sequence, t_us, FS, gain, lead, piece, t_us + S))
        self.store.commit(Batch(frames=frames))
        return stretch

    def find(self, patient: str, second: float, codes: tuple[str, ...] = (), **changes: object) -> None:
        """A reading of ten seconds."""
        values: dict[str, object] = {
            "model": ModelVersion("m1"),
            "quality": Quality(0.9, True),
            "abstained": False,
            "heart_rate_bpm": 70.0,
            "scores": {"AFIB": 0.9 if "AFIB" in codes else 0.05, "PVC": 0.9 if "PVC" in codes else 0.02},
            "arrival_us": T0 + round((second + 11) * S),
        } | changes
        t0_us = T0 + round(second * S)
        device = DeviceId(f"wearable-{patient}")
        finding = Finding(PatientId(patient), device, "II", t0_us, t0_us + 10 * S, codes=codes, **values)  # type: ignore[arg-type]  # by name
        self.store.commit(Batch(findings=[finding]))

    def alarm(self, patient: str, second: float, lasts: float | None, condition: str = "VF") -> str:
        """An alarm."""
        onset_us = T0 + round(second * S)
        name = alarm_id(PatientId(patient), condition, onset_us)
        alarm = Alarm(
            alarm_id=name,
            patient=PatientId(patient),
            condition=condition,
            label=condition,
            kind=Kind.PHYSIOLOGICAL,
            priority=Priority.HIGH,
            latching=True,
            onset_us=onset_us,
            raised_us=onset_us + S,
            message="Anna Beispiel fell",
            active=lasts is None,
            ended_us=None if lasts is None else onset_us + round(lasts * S),
        )
        self.store.commit(Batch(alarms=[AlarmEvent(alarm, "raised", onset_us, onset_us + S)]))
        return name

    def agree(self, patient: str, *scopes: str) -> None:
        """Consent."""
        for scope in scopes or ("export",):
            assert self.consents.say(PatientId(patient), scope, True, by="ada", now_us=T0)

    def describe(self, patient: str, site: str, sex: str, birth_year: int | None) -> None:
        """What is known of a patient."""
        assert self.subjects.set(Subject(PatientId(patient), site, sex, birth_year), by="ada", now_us=T0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "house")
    yield made
    made.engine.dispose()
