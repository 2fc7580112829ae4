"""The loop around the monitor: faust events in, a transaction, acknowledgements out."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from deploy.monitor import DeadLetter, Monitor
from deploy.settings import WorkerSettings
from inference.serve.batcher import MicroBatcher
from ingest.ports import FramePublisher, Record
from liteheart.clock import Clock
from liteheart.errors import Retryable
from liteheart.metrics import Metrics
from liteheart.topics import DEAD_LETTERS

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
        self.owns: Callable[[Any], bool] = lambda _message: True  # whether a record is still ours to work on

    async def put(self, event: Event) -> None:
        """Hand over one event; returns when there is room."""
        await self._batcher.put(event)

    async def forget(self) -> None:
        """Partitions change hands: finish the batch at work, forget the patients. What waits is no longer owned."""
        async with self._busy:
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

    async def _work(self, events: list[Event]) -> None:
        mine = [e for e in events if self.owns(e.message)]
        dead = await self._insist(lambda: self._monitor.process([e.value for e in mine]))
        await self._insist(self._monitor.commit)
        await self._set_aside(dead)
        for event in mine:
            event.ack()

    async def _insist(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return await asyncio.to_thread(step)
            except Retryable as error:
                log.warning("waiting for storage: %s", error)
                await asyncio.sleep(self._settings.retry_s)

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


async def every(seconds: float, step: Callable[[], Awaitable[None]], what: str) -> None:
    """Run `step` again and again; a failure is logged and does not end it."""
    while True:
        try:
            await step()
        except Retryable as error:
            log.warning("%s: %s", what, error)
        except Exception:
            log.exception("%s failed, will be tried again", what)
        await asyncio.sleep(seconds)
