"""A connection to an MQTT 5 broker as the bridge needs it: a session that outlives it, acknowledgements by hand."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.settings import MqttAddress, MqttSettings
from liteheart.errors import Misconfigured, Retryable

log = logging.getLogger(__name__)

_ANSWER_S = 10.0  # for the broker to take our name and our subscription
_SUBSCRIBE_FAILED = 0x80  # MQTT 5: reason codes from here on are refusals
_QOS = 1


class Message(NamedTuple):
    """What a device has published."""

    topic: str
    payload: bytes
    mid: int
    qos: int


def new_client(name: str, address: MqttAddress, cafile: Path | None, *, manual_ack: bool = False) -> Client:
    """An MQTT 5 client that does not connect again by itself. Raises Misconfigured for a certificate file.

    A connection made anew is a new client: what was meant for the old one dies with it.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=manual_ack,
        reconnect_on_failure=False,
    )
    if address.tls:
        try:
            client.tls_set_context(ssl.create_default_context(cafile=cafile))
        except OSError as error:  # SSLError is one
            raise Misconfigured("ssl_cafile", f"{cafile} cannot be used ({type(error).__name__})") from None
    return client


class Link:
    """From the subscription to the loss of one connection, as an async context manager.

    The client's thread puts messages into a queue that the broker keeps below `receive_maximum`; all else happens on
    the event loop. Entering raises Retryable when the broker cannot be reached, Misconfigured when it is no use trying.
    """

    def __init__(self, settings: MqttSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._woken = False
        self.lost: str | None = None  # why the connection is of no use any more
        self.dropped = 0  # messages of QoS 0 that nobody promised to keep and there was no room for
        self._received = self._acknowledged = 0  # messages of QoS 1; each is counted by one thread

    async def __aenter__(self) -> Self:
        settings = self._settings
        address = settings.address
        client = self._client = new_client(settings.name, address, settings.ssl_cafile, manual_ack=True)
        client.username_pw_set(settings.username, settings.secret())
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = settings.session_expiry_s
        properties.ReceiveMaximum = settings.receive_maximum
        try:
            await asyncio.to_thread(
                client.connect, *address[:2], settings.keepalive_s, clean_start=False, properties=properties
            )
        except (OSError, ValueError) as error:
            raise Retryable(f"{settings.url} cannot be reached: {error}") from error
        client.loop_start()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._subscribed
        except TimeoutError:
            await self._close()
            raise Retryable(f"{settings.url} does not answer") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def take(self, limit: int, max_bytes: int, wait_s: float | None = None) -> list[Message]:
        """Up to `limit` messages of `max_bytes` in all, at least one unless `wait_s` passes. Raises Retryable: lost."""
        while not self._queue and self.lost is None:
            self._arrived.clear()
            self._woken = False
            if self._queue:  # arrived in between, and has seen nobody to wake
                break
            try:
                await asyncio.wait_for(self._arrived.wait(), wait_s)
            except TimeoutError:
                return []
        self.check()
        out: list[Message] = []
        size = 0
        while self._queue and len(out) < limit and (not out or size + len(self._queue[0].payload) <= max_bytes):
            message = self._queue.popleft()
            size += len(message.payload)
            out.append(message)
        return out

    @property
    def unacknowledged(self) -> int:
        """Messages of QoS 1 in hand."""
        return self._received - self._acknowledged

    def check(self) -> None:
        """Raise Retryable when the connection is lost: whatever is not acknowledged comes again on the next."""
        if self.lost is not None:
            raise Retryable(f"connection to {self._settings.url} lost: {self.lost}")

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that it may forget them; in the order in which they came."""
        for message in messages:
            if message.qos:
                self._acknowledged += 1
                self._client.ack(message.mid, message.qos)

    async def _close(self) -> None:
        def close() -> None:
            self._client.disconnect()
            self._client.loop_stop()

        await asyncio.to_thread(close)

    # on the client's thread from here on

    def _on_connect(self, client: Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._lose(f"refused as {self._settings.username}: {reason}")
            return
        if not flags.session_present:
            log.warning("the MQTT broker holds no session of %s: nothing waited there", self._settings.name)
        code, _ = client.subscribe(self._topic, _QOS)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(f"cannot subscribe: {code}")

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        refused = [str(r) for r in reasons if r.value >= _SUBSCRIBE_FAILED or r.value < _QOS]
        if refused:
            self._lose(f"subscription to {self._topic} refused: {refused[0]}")
        else:
            self._tell(self._ready)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._lose(str(reason))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.qos:
            self._received += 1
        elif len(self._queue) >= self._settings.receive_maximum:
            self.dropped += 1
            return
        self._queue.append(Message(message.topic, bytes(message.payload), message.mid, message.qos))
        if not self._woken:
            self._woken = True
            self._tell(self._arrived.set)

    def _lose(self, why: str) -> None:
        self._tell(lambda: self._lost(why))

    def _tell(self, what: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(what)

    # on the event loop again

    def _ready(self) -> None:
        if not self._subscribed.done():
            self._subscribed.set_result(None)

    def _lost(self, why: str) -> None:
        self.lost = self.lost or why
        self._arrived.set()
        if not self._subscribed.done():
            self._subscribed.set_exception(Retryable(f"{self._settings.url}: {self.lost}"))
