"""Payloads of blocks in a real S3-compatible server: written before their row, read back, gone when they shall be."""

import time
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from liteheart.errors import Misconfigured, Retryable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from storage.archive.archive import Archive
from storage.archive.objects import open_objects
from storage.archive.read import SignalReader
from storage.archive.settings import ArchiveSettings
from storage.board import Board
from storage.engine import open_engine, reading
from storage.erasure import Erasure
from storage.keys import Keyring
from storage.migrations import upgrade
from storage.monitor_store import Batch, MonitorStore
from storage.retention import Retention, RetentionSettings
from storage.schema import blocks
from storage.settings import StorageSettings
from storage.vault import KEY_BYTES, Vault

pytestmark = pytest.mark.service

S = 1_000_000
T0 = 1_700_000_100 * S
LATER = T0 + 86_400 * S


def frame(i, patient="p1"):
    rng = np.random.default_rng(i)
    samples = np.cumsum(rng.integers(-9, 10, 250)).astype(np.int16)
    t0_us = T0 + i * S
    return Frame(PatientId(patient), DeviceId("d"), 1, i, t0_us, 250.0, 200.0, "II", samples, t0_us + S)


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/ward.db", outbox=False))
    upgrade(engine)
    yield engine
    engine.dispose()


def test_blocks_live_in_s3(s3, engine, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    objects = open_objects(f"{s3.url}/ward")
    keys = Keyring(engine, Vault(lambda: bytes(KEY_BYTES)))
    signal = SignalReader(keys, objects)
    settings = ArchiveSettings(settle_s=60, store=f"{s3.url}/ward")
    monitor = MonitorStore(engine, StorageSettings(str(engine.url), outbox=False), signal)
    board, archive = Board(engine, signal=signal), Archive(engine, signal, settings)
    sent = [frame(i) for i in range(1500)]
    for start in range(0, len(sent), 100):
        monitor.commit(Batch(frames=sent[start : start + 100]))

    s3.stop()
    began = time.monotonic()
    with pytest.raises(Retryable, match="object store"):
        archive.compact(LATER)
    assert time.monotonic() - began < 60
    assert board.strip("p1", 0, 2 * T0) == sent, "nothing is lost while the store is away"
    s3.start()
    assert archive.compact(LATER + 60 * S) == 4
    there = [p for p in s3.buckets.rglob("*") if p.is_file()]
    assert len(there) == 4
    with reading(engine) as connection:
        rows = connection.execute(select(blocks)).all()
    assert all(row.payload is None and row.object for row in rows)
    assert {p.name for p in there} == {row.object for row in rows}
    assert board.strip("p1", 0, 2 * T0) == sent
    assert archive.verify("p1").broken is None

    victim = next(p for p in there if p.name == rows[2].object)
    content = victim.read_bytes()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert archive.verify("p1").broken == rows[2].id
    victim.write_bytes(content)
    orphan = objects.put(b"left by a crash")
    assert Retention(engine, RetentionSettings(), objects).sweep_objects(1 << 60, 3600 * S) == 1
    assert orphan not in {p.name for p in s3.buckets.rglob("*")}
    done = Erasure(engine, keys, objects).erase(PatientId("p1"), "boss", "asked for", LATER, force=True)
    assert done.objects == 4
    assert [p for p in s3.buckets.rglob("*") if p.is_file()] == []


def test_a_store_that_cannot_be_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"archive\.store"):
        open_objects("ftp://elsewhere")
    with pytest.raises(Misconfigured, match=r"archive\.settle_s"):
        replace(ArchiveSettings(), settle_s=1.0)
