"""The worker acknowledges what is stored, and nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.settings import WorkerSettings
from deploy.worker import Worker
from ingest.ports import Record
from liteheart.clock import SystemClock
from liteheart.errors import Retryable
from liteheart.ids import PatientId
from liteheart.metrics import NullMetrics

QUICK = WorkerSettings(batch_items=4, batch_delay_s=0.01, queue_items=64, retry_s=0.02, unstored_items=100)


class Event:
    """A record as faust hands it out."""

    def __init__(self, value: bytes, owner: str = "us") -> None:
        self.value, self.message, self.acks = value, SimpleNamespace(owner=owner), 0

    def ack(self) -> bool:
        self.acks += 1
        return True


class Bus:
    """A publisher that refuses the first time."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refusals = 1

    async def publish(self, records: Sequence[Record]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Retryable("away")
        self.records += records

    async def close(self) -> None:
        return


@contextlib.asynccontextmanager
async def working(rig: Any, settings: WorkerSettings = QUICK, bus: Bus | None = None) -> AsyncIterator[Worker]:
    worker = Worker(rig.monitor, bus or Bus(), settings, SystemClock(), NullMetrics())
    worker.owns = lambda message: message.owner == "us"
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the worker offers no event to wait for
            await asyncio.sleep(0.005)


async def send(rig: Any, worker: Worker, events: Sequence[Event]) -> None:
    """One a second of the rig's clock."""
    for event in events:
        rig.clock.advance(1)
        await worker.put(event)
        await asyncio.sleep(0)


def test_an_outage_of_the_database_delays_acknowledgements_and_not_the_alarm(lab: Any) -> None:
    rig, smooth = lab.rig(), lab.rig()
    values = lab.frames("p", lab.heart(50, stop_s=30))
    smooth.play(values)
    events = [Event(v) for v in values]

    async def scenario() -> None:
        async with working(rig) as worker:
            await send(rig, worker, events[:20])
            await until(lambda: all(e.acks for e in events[:20]))
            rig.store.away = True
            await send(rig, worker, events[20:45])
            await until(lambda: rig.feed.alarmed("ASYSTOLE"))
            assert not any(e.acks for e in events[20:])
            rig.store.away = False
            await send(rig, worker, events[45:])
            await until(lambda: all(e.acks for e in events))

    asyncio.run(scenario())
    assert [e.acks for e in events] == [1] * 50
    assert rig.everything() == smooth.everything()


def test_in_a_long_outage_memory_stays_bounded(lab: Any) -> None:
    rig, settings = (
        lab.rig(),
        WorkerSettings(batch_items=4, batch_delay_s=0.01, queue_items=8, retry_s=0.02, unstored_items=10),
    )
    events = [Event(v) for v in lab.frames("p", lab.heart(60))]

    async def scenario() -> None:
        async with working(rig, settings) as worker:
            rig.store.away = True
            sending = asyncio.create_task(send(rig, worker, events))
            await asyncio.sleep(0.5)
            assert not sending.done()  # held back
            await worker.forget()  # a rebalance need not wait for the database
            worker.owns = lambda _: False
            rig.store.away = False
            await sending

    asyncio.run(scenario())
    assert not any(e.acks for e in events)
    assert rig.samples("p") == []


def test_what_is_taken_over_by_another_is_dropped_and_the_rest_done_again(lab: Any) -> None:
    rig = lab.rig()
    theirs, ours = ([Event(v) for v in lab.frames(p, lab.heart(20))] for p in ("theirs", "ours"))

    async def scenario() -> None:
        async with working(rig) as worker:
            await send(rig, worker, theirs[:10] + ours[:10])
            await until(lambda: all(e.acks for e in theirs[:10] + ours[:10]))
            rig.store.restore([PatientId("theirs")], claim=True)  # by the new owner
            for event in theirs[10:]:
                event.message.owner = "them"
            worker.owns = lambda _: True  # we do not know yet
            rig.store.away = True
            await send(rig, worker, [theirs[10], ours[10]])
            await asyncio.sleep(0.1)
            worker.owns = lambda message: message.owner == "us"
            rig.store.away = False
            await send(rig, worker, ours[11:])
            await until(lambda: all(e.acks for e in ours))

    asyncio.run(scenario())
    assert [e.acks for e in ours] == [1] * 20
    assert not any(e.acks for e in theirs[10:])
    assert rig.samples("ours") == lab.heart(20).tolist()
    assert rig.samples("theirs") == lab.heart(10).tolist()


@pytest.mark.parametrize("broken", [b"", b"no frame"])
def test_poison_is_set_aside_before_it_is_acknowledged(lab: Any, broken: bytes) -> None:
    rig, bus = lab.rig(), Bus()
    events = [Event(broken), *(Event(v) for v in lab.frames("p", lab.heart(3)))]

    async def scenario() -> None:
        async with working(rig, bus=bus) as worker:
            await send(rig, worker, events)
            await until(lambda: all(e.acks for e in events))

    asyncio.run(scenario())
    assert [r.value for r in bus.records] == [broken]
    assert dict(bus.records[0].headers)["source"] == b"monitor"
    assert len(rig.samples("p")) == 750
