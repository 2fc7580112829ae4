"""The loop around the monitor: faust events in, a transaction, acknowledgements out."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from deploy.monitor import Monitor
from deploy.ports import DeadLetter
from deploy.settings import WorkerSettings
from inference.serve.batcher import MicroBatcher
from ingest.ports import FramePublisher, Record
from liteheart.clock import Clock
from liteheart.errors import Retryable
from liteheart.metrics import Metrics
from liteheart.topics import DEAD_LETTERS
from storage.monitor_store import Superseded

log = logging.getLogger(__name__)


class Event(Protocol):
    """A faust event of `ecg.frames`."""

    value: Any
    message: Any

    def ack(self) -> bool:
        """Let the offset be committed."""
        ...


class Worker:
    """Drives one Monitor. `put` is what the faust agent calls; it waits when too much is in flight."""

    def __init__(
        self, monitor: Monitor, publisher: FramePublisher, settings: WorkerSettings, clock: Clock, metrics: Metrics
    ) -> None:
        self._monitor, self._publisher = monitor, publisher
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._batcher: MicroBatcher[Event] = MicroBatcher(
            max_items=settings.batch_items, max_delay_s=settings.batch_delay_s, capacity=settings.queue_items
        )
        self._busy = asyncio.Lock()
        self._unstored: list[Event] = []  # analysed, not acknowledged yet
        self._dead: list[DeadLetter] = []  # of these
        self._retry_at = 0.0  # on the loop's clock
        self._leaving = False
        self.owns: Callable[[Any], bool] = lambda _message: True  # whether a record is still ours to work on

    async def put(self, event: Event) -> None:
        """Hand over one event; returns when there is room."""
        await self._batcher.put(event)

    async def forget(self) -> None:
        """Partitions change hands: finish the step at work, then drop what is not stored. Its records come again."""
        self._leaving = True
        async with self._busy:
            self._leaving = False
            self._unstored, self._dead = [], []
            self._monitor.forget()

    async def run(self) -> None:
        """Work until cancelled. An error that is not Retryable ends it, and with it the process, loudly."""
        waiting = asyncio.ensure_future(self._batcher.next())
        try:
            while True:
                await asyncio.wait({waiting}, timeout=1.0)  # a tick, so that overdue frames are given up on
                events: list[Event] = []
                if waiting.done():
                    events = waiting.result()
                    waiting = asyncio.ensure_future(self._batcher.next())
                self._metrics.gauge("queue_depth", self._batcher.depth)
                async with self._busy:
                    await self._work(events)
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting

    async def _work(self, events: Sequence[Event]) -> None:
        """Analyse, announce, store, acknowledge. While the database is away, go on analysing: alarms cannot wait."""
        await self._analyse(events)
        while not await self._store():
            if self._leaving or len(self._unstored) < self._settings.unstored_items:
                return
            await asyncio.sleep(self._settings.retry_s)  # no room for more; Kafka keeps what comes
            await self._analyse([])
        await self._set_aside(self._dead)
        for event in self._unstored:
            event.ack()
        self._unstored, self._dead = [], []

    async def _analyse(self, events: Sequence[Event]) -> None:
        mine = [e for e in events if self.owns(e.message)]
        self._unstored += mine
        self._dead += await asyncio.to_thread(self._monitor.process, [e.value for e in mine])

    async def _store(self) -> bool:
        """Whether everything is stored."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._retry_at:
            self._monitor.announce()
            return False
        try:
            await asyncio.to_thread(self._monitor.commit)
        except Retryable as error:
            log.warning("waiting for storage with %d records: %s", len(self._unstored), error)
            now = loop.time()
            self._retry_at = now + max(self._settings.retry_s, 3 * (now - began))  # a large batch is dear to offer
            return False
        except Superseded as error:
            log.warning("%d records are worked on again: %s", len(self._unstored), error)
            again, self._unstored, self._dead = self._unstored, [], []
            await self._analyse(again)
            return await self._store()
        return True

    async def _set_aside(self, dead: Sequence[DeadLetter]) -> None:
        if not dead:
            return
        now_us = self._clock.now_us()
        records = [
            Record(
                DEAD_LETTERS,
                b"",
                letter.value,
                (("field", letter.field.encode()), ("reason", letter.reason.encode()), ("source", b"monitor")),
                now_us,
            )
            for letter in dead
        ]
        while True:
            try:
                return await self._publisher.publish(records)
            except Retryable as error:
                log.warning("waiting for the broker: %s", error)
                await asyncio.sleep(self._settings.retry_s)


async def every(seconds: float, step: Callable[[], Awaitable[object]], what: str) -> None:
    """Run `step` again and again; a failure is logged and does not end it."""
    while True:
        try:
            await step()
        except Retryable as error:
            log.warning("%s: %s", what, error)
        except Exception:
            log.exception("%s failed, will be tried again", what)
        await asyncio.sleep(seconds)
