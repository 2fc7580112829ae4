"""The stores that sit the exam: in memory, on SQLite and on PostgreSQL, each empty at the start of a test."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId, alarm_id
from liteheart.signal import Frame
from storage.board import Board
from storage.engine import open_engine, writing
from storage.memory import MemoryBoard, MemoryOutbox, MemoryStore, Tables
from storage.migrations import upgrade
from storage.monitor_store import MonitorStore
from storage.outbox import Outbox
from storage.schema import metadata
from storage.settings import StorageSettings

S = 1_000_000
T0 = 1_700_000_000 * S


@dataclass(frozen=True)
class Stores:
    """One database seen through the three ports."""

    monitor: Any
    board: Any
    outbox: Any


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str) -> str:
    """URL of a database of our own, with the tables of the newest migration."""
    name = f"contract_{uuid.uuid4().hex[:12]}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    engine = open_engine(StorageSettings(url))
    server.dispose()
    upgrade(engine)
    engine.dispose()
    return url  # the server is thrown away with everything in it


def _sql(name: str, request: pytest.FixtureRequest, folder: Path) -> StorageSettings:
    if name == "postgres":
        return StorageSettings(request.getfixturevalue("postgres_database"))
    return StorageSettings(f"sqlite:///{folder}/ward.db")


def _empty(settings: StorageSettings) -> Engine:
    engine = open_engine(settings)
    if engine.dialect.name == "sqlite":
        upgrade(engine)
    else:
        with writing(engine) as connection:
            for table in reversed(metadata.sorted_tables):  # TRUNCATE takes ten times as long on small tables
                connection.execute(table.delete())
    return engine


SQL = ["sqlite", pytest.param("postgres", marks=pytest.mark.service)]


@pytest.fixture(params=SQL)
def sql_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StorageSettings:
    """Settings of an SQL database."""
    return _sql(request.param, request, tmp_path)


@pytest.fixture
def engine(sql_settings: StorageSettings) -> Iterator[Engine]:
    """An empty SQL database."""
    engine = _empty(sql_settings)
    yield engine
    engine.dispose()


@pytest.fixture(params=["memory", *SQL])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """An empty store of each kind."""
    if request.param == "memory":
        tables = Tables()
        yield Stores(MemoryStore(tables), MemoryBoard(tables), MemoryOutbox(tables))
        return
    settings = _sql(request.param, request, tmp_path)
    engine = _empty(settings)
    yield Stores(MonitorStore(engine, settings), Board(engine), Outbox(engine))
    engine.dispose()


class Make:
    """Values for the tests; whatever a test does not care about has a default."""

    t0_us = T0

    def frame(self, sequence: int, patient: str = "p1", **changes: Any) -> Frame:
        """One second at 250 Hz, second `sequence` of the recording."""
        rng = np.random.default_rng(sequence)
        values: dict[str, Any] = {
            "device": DeviceId(f"d-{patient}"),
            "boot": 1,
            "sequence": sequence,
            "t0_us": T0 + sequence * S,
            "fs_hz": 250.0,
            "gain": 200.0,
            "lead": "II",
            "samples": np.cumsum(rng.integers(-9, 10, 250)).astype(np.int16),
            "arrival_us": T0 + sequence * S + 1_100_000,
            "battery_pct": 80,
        }
        return Frame(patient=PatientId(patient), **values | changes)

    def finding(self, second: int, patient: str = "p1", **changes: Any) -> Finding:
        """The reading of the ten seconds that begin at `second`."""
        values: dict[str, Any] = {
            "device": DeviceId(f"d-{patient}"),
            "lead": "II",
            "t0_us": T0 + second * S,
            "t1_us": T0 + (second + 10) * S,
            "model": ModelVersion("m1"),
            "quality": Quality(0.93, True, ("noise",)),
            "abstained": False,
            "heart_rate_bpm": 71.5,
            "scores": {"AF": 0.9312, "SB": 0.002, "NSR": 0.05},
            "codes": ("AF",),
            "arrival_us": T0 + (second + 11) * S,
        }
        return Finding(patient=PatientId(patient), **values | changes)

    def state(self, second: int, patient: str = "p1", **changes: Any) -> PatientState:
        """What is known of a patient at `second`."""
        values: dict[str, Any] = {
            "device": DeviceId(f"d-{patient}"),
            "lead": "II",
            "fs_hz": 250.0,
            "last_arrival_us": T0 + (second + 1) * S,
            "last_sample_us": T0 + second * S,
            "heart_rate_bpm": 70.0 + second,
            "sqi": 0.9,
            "usable": True,
            "codes": ("AF", "LBBB"),
            "model": "m1",
        }
        return PatientState(patient=PatientId(patient), **values | changes)

    def alarm(self, condition: str = "VF", patient: str = "p1", onset_s: int = 0, **changes: Any) -> Alarm:
        """An alarm that is on."""
        onset_us = T0 + onset_s * S
        values: dict[str, Any] = {
            "label": f"{condition} alarm",
            "kind": Kind.PHYSIOLOGICAL,
            "priority": Priority.HIGH,
            "latching": True,
            "onset_us": onset_us,
            "raised_us": onset_us + 4 * S,
            "message": "no beat for 4.2 s > 4 s",
            "active": True,
            "evidence": {"since_beat_s": 4.2, "rule": "asystole"},
        }
        name = alarm_id(PatientId(patient), condition, onset_us)
        return Alarm(name, PatientId(patient), condition, **values | changes)

    def event(self, alarm: Alarm, action: Any, second: int) -> AlarmEvent:
        """A transition at `second`."""
        return AlarmEvent(alarm, action, T0 + second * S, T0 + second * S + 500_000)


@pytest.fixture
def make() -> Make:
    """Builders of values."""
    return Make()
