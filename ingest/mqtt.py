"""From an MQTT broker to the bus: a message is acknowledged when its frames are durable, and not before.

Devices publish to `liteheart/v1/frames/<user>`; the broker has checked who they are and that they write to no other
topic. What can never be taken becomes a dead letter and is acknowledged; all else waits until it is kept.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from ingest.door import BINARY, JSON, Door, Forbidden, TooLarge
from ingest.mqtt_link import Link, Message
from ingest.mqtt_topics import PREFIX, device_of, subscription
from ingest.ports import DeviceGrant, DeviceRegistry, FramePublisher, Record
from ingest.settings import MqttSettings
from liteheart import topics
from liteheart.errors import Poison, Retryable
from liteheart.ids import DeviceId
from liteheart.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

_ASK_AGAIN_S = 2.0  # storage that did not answer is left in peace for so long
_HELD_S = 0.5  # messages that wait for storage are looked at again after this


class Standing:
    """To whom devices are given, asked for every batch: a device that was revoked is refused at once."""

    def __init__(self, registry: DeviceRegistry) -> None:
        self._registry = registry
        self._known: dict[DeviceId, DeviceGrant] = {}
        self._again_at = 0.0  # on the loop's clock

    async def of(self, devices: set[DeviceId]) -> Mapping[DeviceId, DeviceGrant | None]:
        """A grant, or None for a device without one. While storage does not answer: those that had one when last asked.

        The others are missing from the answer then: their frames are neither lost nor taken for that.
        """
        loop = asyncio.get_running_loop()
        if loop.time() >= self._again_at:
            try:
                found = await asyncio.to_thread(self._registry.grants_of, devices)
            except Retryable as error:
                log.warning("devices are taken as they were known: %s", error)
                self._again_at = loop.time() + _ASK_AGAIN_S
            else:
                for device in devices - found.keys():
                    self._known.pop(device, None)
                self._known.update(found)
                return {device: found.get(device) for device in devices}
        return {device: self._known[device] for device in devices if device in self._known}


class Bridge:
    """Runs until cancelled; the broker, Kafka and storage may come and go meanwhile."""

    def __init__(
        self,
        door: Door,
        registry: DeviceRegistry,
        publisher: FramePublisher,
        settings: MqttSettings,
        metrics: Metrics,
    ) -> None:
        self._door = door
        self._standing = Standing(registry)
        self._publisher = publisher
        self._settings = settings
        self._metrics = metrics
        self.waiting_for: str | None = "mqtt broker"  # None: subscribed

    async def run(self) -> None:
        """Connect, serve, connect again. Raises Misconfigured."""
        delay_s = self._settings.retry_s
        while True:
            try:
                async with Link(self._settings, subscription(self._settings.group)) as link:
                    log.info("bridge subscribed", extra={"broker": self._settings.url})
                    delay_s = self._settings.retry_s
                    await self._serve(link)
            except Retryable as error:
                log.warning("%s", error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, self._settings.retry_longest_s)

    async def _serve(self, link: Link) -> None:
        """Until the connection is lost. One batch at a time, so that a device's frames stay in order."""
        self._metrics.count("bridge_connections")
        self._connected(True)
        held: list[Message] = []
        try:
            while True:
                room = self._settings.receive_maximum - len(held)
                new = await link.take(room, self._settings.batch_bytes, _HELD_S if held else None) if room else []
                if not room:
                    await asyncio.sleep(_HELD_S)
                    link.check()
                # a batch in work is finished even if we are told to stop: it would only come again
                held = await _finish(self._work(link, held + new), self._settings.stop_s)
                self._metrics.gauge("bridge_unacknowledged", link.unacknowledged)
        finally:
            self._connected(False)

    async def _work(self, link: Link, messages: Sequence[Message]) -> list[Message]:
        """Publish and acknowledge; what is left over of devices that nobody knows now. Raises Retryable: lost."""
        grants = await self._standing.of({d for m in messages if (d := device_of(m.topic)) is not None})
        held = [m for m in messages if (d := device_of(m.topic)) is not None and d not in grants]
        ready = [m for m in messages if (d := device_of(m.topic)) is None or d in grants]
        records = await asyncio.to_thread(self.judge, ready, grants)
        await self._publish(link, records)
        link.acknowledge(ready)
        self._metrics.count("bridge_messages", len(ready))
        self._metrics.count("frames_accepted", sum(r.topic is topics.FRAMES for r in records))
        return held

    def judge(self, messages: Sequence[Message], grants: Mapping[DeviceId, DeviceGrant | None]) -> list[Record]:
        """What to publish for the messages, in their order: frames, or a dead letter for a message with a fault."""
        records: list[Record] = []
        for message in messages:
            records += self._judge(message, grants)
        return records

    def _judge(self, message: Message, grants: Mapping[DeviceId, DeviceGrant | None]) -> list[Record]:
        device, body = device_of(message.topic), message.payload
        grant = None if device is None else grants[device]
        try:
            if device is None:
                raise Poison("topic", f"must be {PREFIX}<device>")
            if grant is None:
                raise Poison("token", "the device has none that is valid")
            if len(body) > self._settings.max_message_bytes:
                raise TooLarge("body", f"is more than {self._settings.max_message_bytes} bytes")
            return self._door.judged(self._door.decode(body, _content_type(body)), grant)
        except Poison as poison:
            fault = poison
        except Forbidden as refusal:
            fault = Poison(refusal.field, refusal.reason)
        except Exception as error:  # whatever a message can do to us, the next device's is not to wait for it
            log.exception("a message could not be judged")
            fault = Poison("body", f"could not be judged: {type(error).__name__}")
        return [self._door.dead_letter(fault, body, f"mqtt {device or message.topic[:128]}", grant)]

    async def _publish(self, link: Link, records: Sequence[Record]) -> None:
        """Until they are durable, or the connection is lost: all of it comes again then."""
        while True:
            try:
                return await self._publisher.publish(records)
            except Retryable as error:
                log.warning("%d records wait for the bus: %s", len(records), error)
                self._metrics.count("bridge_retries")
                self._metrics.gauge("bridge_unacknowledged", link.unacknowledged)
                await asyncio.sleep(max(error.delay_s, self._settings.retry_s))
            link.check()

    def _connected(self, connected: bool) -> None:
        self.waiting_for = None if connected else "mqtt broker"
        self._metrics.gauge("bridge_connected", connected)


async def _finish(work: Coroutine[Any, Any, T], at_most_s: float) -> T:
    """Its result; when we are cancelled meanwhile, it gets so long to end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=at_most_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _content_type(body: bytes) -> str:
    return JSON if body[:64].lstrip()[:1] == b"{" else BINARY[0]
