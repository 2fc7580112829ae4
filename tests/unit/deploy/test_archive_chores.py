"""What the monitor does beside its real work: it compacts, lets go by age, and completes erasures in its own log."""

import asyncio
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from deploy import chores, wiring
from deploy.metrics import PrometheusMetrics
from deploy.settings import load
from liteheart.clock import US_PER_S, ManualClock
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from storage.engine import open_engine, reading
from storage.log import DiskLog
from storage.monitor_store import Batch
from storage.schema import blocks, frames

T0 = 1_700_000_100 * US_PER_S


def frame(i: int) -> Frame:
    samples = np.cumsum(np.random.default_rng(i).integers(-9, 10, 250)).astype(np.int16)
    t0_us = T0 + i * US_PER_S
    return Frame(PatientId("p"), DeviceId("d"), 1, i, t0_us, 250.0, 200.0, "II", samples, t0_us)


@pytest.fixture
def around(tmp_path: Any) -> Any:
    settings = load(environ={}, data_dir=tmp_path, archive__settle_s=120.0, retention__signal_d=30.0)
    storage = wiring.open_storage(settings)
    yield chores.Around(settings, storage, wiring.Nowhere(), ManualClock(T0), PrometheusMetrics())
    storage.close()


def count(around: chores.Around, table: Any) -> int:
    engine = open_engine(around.settings.storage)
    with reading(engine) as connection:
        found = connection.scalar(select(func.count()).select_from(table)) or 0
    engine.dispose()
    return found


def test_the_monitor_compacts_lets_go_and_completes_erasures(around: chores.Around) -> None:
    storage, clock = around.storage, around.clock
    for start in range(0, 1200, 60):
        storage.monitor.commit(Batch(frames=[frame(i) for i in range(start, start + 60)]))
    disk = DiskLog(around.settings.data_dir / "log")
    disk.append("ecg.frames", 3, [(b"p", b"samples of p", (), T0), (b"q", b"samples of q", (), T0)])
    steps = {c.what: c.step for c in chores.of_monitor(around, Any, Any, disk)}  # type: ignore[arg-type]  # not used here
    assert isinstance(clock, ManualClock)
    clock.advance(1200 + 121)
    asyncio.run(_do(steps["compaction"]))
    assert (count(around, blocks), count(around, frames)) == (3, 300)
    assert len(storage.board.strip(PatientId("p"), 0, 2 * T0)) == 1200
    asyncio.run(_do(steps["retention and erasures"]))
    assert count(around, blocks) == 3
    clock.advance(32 * 86_400)
    asyncio.run(_do(steps["retention and erasures"]))
    assert (count(around, blocks), count(around, frames)) == (0, 300), "what is of a restart's ring is no block"
    storage.erasure.erase(PatientId("p"), "boss", "asked for", clock.now_us(), force=True)
    asyncio.run(_do(steps["retention and erasures"]))
    assert [r.key for r in disk.read("ecg.frames", 3, 0, 9)] == [b"q"]
    assert count(around, frames) == 0
    disk.close()


async def _do(step: Any) -> None:
    await step()
