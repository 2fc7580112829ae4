"""The notifier: letters become deliveries, deliveries are tried until the receiver has them or hope is given up."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import ParamSpec

from alerts.hl7.mllp import MllpSender
from alerts.notify import notice
from alerts.notify.anywhere import AppriseSender
from alerts.notify.mail import EmailSender
from alerts.notify.ports import Sender, Undelivered
from alerts.notify.settings import NotifySettings
from alerts.notify.webhook import WebhookSender
from alerts.ports import PostRoom
from liteheart.care import Delivery
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Retryable
from liteheart.metrics import Metrics

log = logging.getLogger(__name__)

P = ParamSpec("P")
_LETTERS = 200  # to one transaction


def senders(settings: NotifySettings) -> dict[str, Sender]:
    """A sender for each target. Raises Misconfigured for a URL that Apprise does not know."""
    seconds = settings.timeout_s
    return {
        **{target.name: WebhookSender(target, seconds) for target in settings.webhook},
        **{target.name: EmailSender(target, seconds) for target in settings.email},
        **{target.name: AppriseSender(target, seconds) for target in settings.apprise},
        **{target.name: MllpSender(target, seconds) for target in settings.mllp},
    }


class Relay:
    """Drives the deliveries of this process. Any number of processes may: each delivery is claimed by one."""

    def __init__(
        self,
        room: PostRoom,
        targets: Mapping[str, Sender],
        settings: NotifySettings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._room, self._senders, self._settings = room, dict(targets), settings
        self._clock, self._metrics = clock, metrics
        self._under_way: dict[asyncio.Task[None], str] = {}  # task -> target

    async def drain(self) -> None:
        """Accept and deliver until nothing is due or under way; what is ready does not wait for what is slow."""
        while await self.step() or self._under_way:
            if self._under_way:
                waiting = set(self._under_way)
                await asyncio.wait(waiting, timeout=self._settings.poll_s, return_when=asyncio.FIRST_COMPLETED)

    async def step(self) -> int:
        """Accept what is new and begin what is due; how many attempts were begun. Raises Retryable."""
        await asyncio.to_thread(self._accept)
        busy = Counter(self._under_way.values())
        begun = 0
        for target in self._senders:
            room = self._settings.at_once - busy[target]
            if room > 0:
                begun += await self._begin(target, room)
        return begun

    async def finish(self) -> None:
        """Wait for the attempts that are under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def cancel(self) -> None:
        """Break off; what was not recorded is tried again once its lease is over."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _accept(self) -> None:
        while letters := self._room.letters(_LETTERS):
            beds = self._room.beds({notice.patient_of(letter.payload) for letter in letters})
            now_us = self._clock.now_us()
            found = [d for x in letters for d in notice.deliveries(x.payload, beds, now_us, self._settings)]
            self._room.accept([letter.letter_id for letter in letters], found, now_us)

    async def _begin(self, target: str, room: int) -> int:
        """One target at a time, so that a slow one takes nobody else's room."""
        now_us, lease_s = self._clock.now_us(), self._settings.lease_s
        claimed = await asyncio.to_thread(self._room.claim, [target], room, now_us, lease_s)
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery), name=f"notify {target}")
            self._under_way[task] = target
            task.add_done_callback(self._done)
        return len(claimed)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a notice could not be recorded, it is tried again after its lease: %s", error)

    async def _deliver(self, delivery: Delivery) -> None:
        settings = self._settings
        began_us = self._clock.now_us()
        try:
            sent = notice.as_sent(delivery, began_us, settings.late_s)
            await self._senders[delivery.target].send(delivery, sent, began_us)
        except Undelivered as failed:
            await self._failed(delivery, failed)
            return
        except Exception as error:
            log.exception("a sender broke", extra={"target": delivery.target})
            await self._failed(delivery, Undelivered(f"{type(error).__name__}: {error}"))
            return
        now_us = self._clock.now_us()
        late = notice.is_late(delivery, now_us, settings.late_s)
        self._metrics.count("notices_delivered", label=delivery.target)
        await self._recorded(self._room.delivered, delivery.key, now_us, late=late)

    async def _failed(self, delivery: Delivery, why: Undelivered) -> None:
        settings, now_us = self._settings, self._clock.now_us()
        attempts, reason = delivery.attempts + 1, str(why)[:500]
        where = {"target": delivery.target, "key": delivery.key, "attempts": attempts}
        if why.hopeless or attempts >= settings.attempts:
            log.error("notice given up: %s", reason, extra=where)
            self._metrics.count("notices_dead", label=delivery.target)
            await self._recorded(self._room.give_up, delivery.key, attempts, now_us, reason)
            return
        wait_s = max(backoff_s(delivery.key, attempts, settings), why.wait_s)
        log.warning("notice not delivered, again in %.0f s: %s", wait_s, reason, extra=where)
        self._metrics.count("notices_retried", label=delivery.target)
        await self._recorded(self._room.retry, delivery.key, attempts, now_us + round(wait_s * US_PER_S), reason)

    async def _recorded(self, record: Callable[P, None], *args: P.args, **values: P.kwargs) -> None:
        """Write down what became of it; a database that is away is waited for as long as the lease holds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.lease_s / 2
        while True:
            try:
                await asyncio.to_thread(record, *args, **values)
                return
            except Retryable as error:
                if loop.time() >= until:
                    raise
                log.warning("waiting for storage: %s", error)
                await asyncio.sleep(error.delay_s)


def backoff_s(key: str, attempts: int, settings: NotifySettings) -> float:
    """Seconds to wait after `attempts` failures: doubling up to the longest, less up to a quarter, each its own.

    Many notices that failed together thus do not come back together.
    """
    whole = min(settings.longest_s, settings.first_s * 2.0 ** min(attempts - 1, 30))
    spread = int(hashlib.sha256(f"{key}|{attempts}".encode()).hexdigest()[:4], 16) / 0xFFFF
    return whole * (1.0 - 0.25 * spread)
