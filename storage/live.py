"""The live feed between processes: Redis publish and subscribe, and who is live now. What it loses, storage has.

`publish` hands over to a thread of its own and returns. When Redis does not answer, frames and states beyond a bound
are dropped and counted, the log says so once, and publishing goes on when Redis comes back. Alarms go first and are
the last to be dropped, on the way out and on the way in.
"""

import asyncio
import logging
import struct
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis
import redis.asyncio

from liteheart.board import LiveKind, LiveMessage
from liteheart.errors import Poison
from liteheart.ids import PatientId
from storage.settings import StorageSettings

CHANNEL = "ecg.live"
PRESENCE = "ecg.presence:"  # one key a patient, which lapses
_KINDS: tuple[LiveKind, ...] = ("frame", "state", "alarm")
_MAX_ALARMS = 10_000  # kept while Redis is away
_MAX_UNREAD = 2_000  # frames and states that a slow screen may leave unread
_HEAD = struct.Struct("<BB")  # kind, length of the patient
_BATCH = 500  # messages to a pipeline
_TIMEOUT_S = 2.0
_WAIT_S = (0.1, 5.0)  # between attempts: shortest, longest

log = logging.getLogger(__name__)


def pack(message: LiveMessage) -> bytes:
    """A live message as bytes."""
    patient = message.patient.encode("ascii")
    return _HEAD.pack(_KINDS.index(message.kind), len(patient)) + patient + message.payload


def unpack(data: bytes) -> LiveMessage:
    """The inverse of `pack`. Raises Poison for bytes that are no live message."""
    if len(data) < _HEAD.size or data[0] >= len(_KINDS) or len(data) < _HEAD.size + data[1]:
        raise Poison("live", f"{len(data)} bytes are no live message")
    end = _HEAD.size + data[1]
    patient = PatientId(data[_HEAD.size : end].decode("ascii", "replace"))
    return LiveMessage(_KINDS[data[0]], patient, data[end:])


class RedisLiveFeed:
    """`alerts.ports.LiveFeed` over Redis. `publish` may be called from any thread, `subscribe` in an event loop."""

    def __init__(self, settings: StorageSettings, *, channel: str = CHANNEL, bound: int = 20_000) -> None:
        if settings.redis_url is None:
            raise ValueError("redis_url is not set")
        self._url, self._channel = settings.redis_url, channel
        self._ttl_ms = round(settings.presence_ttl_s * 1000)
        self._queue = _Queue(bound)
        self._wake = threading.Condition()
        self._closing = False
        self._down = False
        self._client = redis.Redis.from_url(self._url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Messages given up since the start."""
        return self._queue.dropped

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Hand the messages over; returns at once and never fails. Beyond the bound the oldest are dropped."""
        with self._wake:
            for message in messages:
                self._queue.put(message)
            self._wake.notify()

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[LiveMessage]]:
        """Messages published from entering the context on. Reconnects by itself; what is sent meanwhile is lost."""
        client = redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=_TIMEOUT_S)
        listener = _Listener(client, self._channel)
        try:
            await listener.connect()
            pump = asyncio.create_task(listener.pump())
            try:
                yield listener.messages()
            finally:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
        finally:
            await listener.disconnect()
            await client.aclose()

    async def present(self) -> set[PatientId]:
        """Patients heard of within `presence_ttl_s`. Raises OSError when Redis does not answer."""
        client = redis.asyncio.Redis.from_url(self._url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        try:
            keys = [key async for key in client.scan_iter(match=f"{PRESENCE}*", count=1000)]
        except redis.RedisError as error:
            raise OSError(f"Redis does not answer: {error}") from error
        finally:
            await client.aclose()
        return {PatientId(key.decode()[len(PRESENCE) :]) for key in keys}

    def close(self, timeout_s: float = 3.0) -> None:
        """Send what is waiting, for `timeout_s` at most, and stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)
        self._client.close()

    def _run(self) -> None:
        wait_s = _WAIT_S[0]
        while True:
            with self._wake:
                self._wake.wait_for(lambda: len(self._queue) or self._closing)
                batch = self._queue.take(_BATCH)
                if not batch:
                    return
            try:
                self._send(batch)
                wait_s = _WAIT_S[0]
            except (redis.RedisError, OSError) as error:
                self._complain(error)
                with self._wake:
                    self._queue.put_back(batch)
                    if self._closing:
                        self._queue.dropped += len(self._queue)
                        return
                    self._wake.wait_for(lambda: self._closing, wait_s)
                wait_s = min(2 * wait_s, _WAIT_S[1])

    def _send(self, batch: Sequence[LiveMessage]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for message in batch:
                pipe.publish(self._channel, pack(message))
            for patient in {m.patient for m in batch if m.kind == "frame"}:
                pipe.set(PRESENCE + patient, b"", px=self._ttl_ms)
            pipe.execute()
        if self._down:
            self._down = False
            log.info("Redis answers again; %d live messages were dropped so far", self.dropped)

    def _complain(self, error: Exception) -> None:
        if not self._down:
            self._down = True
            log.warning("Redis does not answer, live screens stand still: %s", error)


class _Queue:
    """Messages that wait. Alarms come out first; frames and states beyond the bound are dropped, the oldest first."""

    def __init__(self, bound: int) -> None:
        self._alarms: deque[LiveMessage] = deque()
        self._rest: deque[LiveMessage] = deque()
        self._bound = bound
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._alarms) + len(self._rest)

    def put(self, message: LiveMessage) -> None:
        """Add one at the end."""
        queue, bound = (self._alarms, _MAX_ALARMS) if message.kind == "alarm" else (self._rest, self._bound)
        queue.append(message)
        if len(queue) > bound:
            queue.popleft()
            self.dropped += 1

    def take(self, count: int) -> list[LiveMessage]:
        """Up to `count` of them."""
        return [(self._alarms or self._rest).popleft() for _ in range(min(count, len(self)))]

    def put_back(self, messages: Sequence[LiveMessage]) -> None:
        """What was taken and not sent; it is older than what is here."""
        for message in reversed(messages):
            if message.kind == "alarm":
                self._alarms.appendleft(message)
            elif len(self._rest) < self._bound:
                self._rest.appendleft(message)
            else:
                self.dropped += 1


class _Listener:
    """One subscription, made anew whenever it breaks. It reads on while its screen is slow."""

    def __init__(self, client: redis.asyncio.Redis, channel: str) -> None:
        self._client, self._channel = client, channel
        self._pubsub: Any = None
        self._queue = _Queue(_MAX_UNREAD)
        self._ready = asyncio.Event()

    async def connect(self) -> None:
        """Subscribe if Redis answers; if not, `pump` goes on trying."""
        pubsub: Any = self._client.pubsub()
        try:
            await pubsub.subscribe(self._channel)
            await pubsub.get_message(timeout=_TIMEOUT_S)  # Redis says that it has subscribed us
            self._pubsub, pubsub = pubsub, None
        except (redis.RedisError, OSError):
            return
        finally:
            if pubsub is not None:
                with suppress(redis.RedisError, OSError):
                    await pubsub.aclose()

    async def disconnect(self) -> None:
        """End the subscription."""
        if self._pubsub is not None:
            with suppress(redis.RedisError, OSError):
                await self._pubsub.aclose()
            self._pubsub = None

    async def pump(self) -> None:
        """Move messages from Redis to the queue, until cancelled."""
        wait_s = _WAIT_S[0]
        while True:
            if self._pubsub is None:
                await self.connect()
            if self._pubsub is None:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _WAIT_S[1])
                continue
            wait_s = _WAIT_S[0]
            try:
                found = await self._pubsub.get_message(timeout=1.0)
            except (redis.RedisError, OSError):
                await self.disconnect()
                continue
            if found is not None and found["type"] == "message":
                self._receive(found["data"])

    async def messages(self) -> AsyncIterator[LiveMessage]:
        """Messages, for ever."""
        while True:
            while not (found := self._queue.take(1)):
                self._ready.clear()
                await self._ready.wait()
            yield found[0]

    def _receive(self, data: bytes) -> None:
        try:
            self._queue.put(unpack(data))
        except Poison as poison:
            log.warning("live feed: %s", poison)
        self._ready.set()
