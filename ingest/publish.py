"""Frames to Kafka. A record counts as published when all in-sync replicas have it, and not before."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, for_code

from ingest.ports import Record
from ingest.settings import KafkaSettings
from liteheart.errors import Misconfigured, Retryable
from liteheart.topics import Topic

log = logging.getLogger(__name__)

_TOPIC_EXISTS = 36  # the broker's error code


class _Delivery:
    """Counts the records of one `publish` down from the client's thread and wakes the event loop once, at the end."""

    def __init__(self, records: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()
        self._left = records
        self._error: Exception | None = None

    def succeeded(self, _metadata: object) -> None:
        self._count(None)

    def failed(self, error: Exception) -> None:
        self._count(error)

    def _count(self, error: Exception | None) -> None:
        with self._lock:
            self._error = self._error or error
            self._left -= 1
            if self._left:
                return
        self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():  # whoever waited has gone
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._error)


class KafkaFramePublisher:
    """Publishes through one kafka-python producer: every replica asked, compressed, batched.

    The producer is made at the first publish, so a gateway starts, and answers 503, while Kafka is away.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._pending_bytes = 0
        # sending may wait for metadata, so it leaves the event loop: one hop for a whole publish, in order
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-send")

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is durable. Raises Retryable when one may not be."""
        if not records:
            return
        size = sum(len(r.key) + len(r.value) for r in records)
        if self._pending_bytes + size > self._settings.max_pending_bytes:
            raise Retryable(f"{self._pending_bytes} bytes already wait for Kafka")
        self._pending_bytes += size
        settings = self._settings
        limit_s = (2 * settings.max_block_ms + settings.delivery_timeout_ms) / 1000 + 1
        try:
            async with asyncio.timeout(limit_s):
                delivery = _Delivery(len(records))
                await asyncio.get_running_loop().run_in_executor(self._thread, self._send, records, delivery)
                await delivery.done
        except TimeoutError:
            # longer than the client itself promises: it is stuck, and the next publish begins with a new one
            self._thread.submit(self._drop, 0.0)
            raise Retryable(f"Kafka did not answer within {limit_s:g} s") from None
        except KafkaError as error:
            raise Retryable(f"Kafka: {error}") from error
        finally:
            self._pending_bytes -= size

    async def close(self) -> None:
        """Send what waits, for as long as a delivery may take, and let go."""
        loop, timeout_s = asyncio.get_running_loop(), self._settings.delivery_timeout_ms / 1000
        await loop.run_in_executor(self._thread, self._drop, timeout_s)
        self._thread.shutdown(wait=False)

    def _send(self, records: Sequence[Record], delivery: _Delivery) -> None:
        """On the sending thread. A record that cannot even be queued counts as failed; the others go on."""
        if self._producer is None:
            self._producer = KafkaProducer(**_producer_config(self._settings))
        for record in records:
            try:
                future = self._producer.send(
                    record.topic.name,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    timestamp_ms=None if record.timestamp_us is None else record.timestamp_us // 1000,
                )
            except KafkaError as error:
                delivery.failed(error)
            else:
                future.add_callback(delivery.succeeded)
                future.add_errback(delivery.failed)

    def _drop(self, timeout_s: float) -> None:
        """On the sending thread."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=timeout_s)
        except KafkaError as error:  # it leaves its thread running then
            log.warning("Kafka: given up with records unsent: %s", error)
            producer._sender.force_close()
            producer._sender.join(1.0)


def create_topics(settings: KafkaSettings, topics: Sequence[Topic], *, replication: int = -1) -> list[str]:
    """Create the topics that are missing and return their names; -1 replicas is the broker's default. Blocks.

    Raises Misconfigured when one exists with other partitions (a key must stay in its partition), and Retryable
    when Kafka does not answer.
    """
    try:
        admin = KafkaAdminClient(**_client_config(settings))
        try:
            existing = {t["name"]: len(t["partitions"]) for t in admin.describe_topics()}
            for topic in topics:
                if existing.get(topic.name, topic.partitions) != topic.partitions:
                    reason = f"has {existing[topic.name]} partitions, not {topic.partitions}"
                    raise Misconfigured(f"topic {topic.name}", reason)
            missing = [t for t in topics if t.name not in existing]
            if missing:
                _create(admin, missing, replication)
        finally:
            admin.close()
    except KafkaError as error:
        raise Retryable(f"Kafka: {error}") from error
    return [t.name for t in missing]


def _create(admin: Any, topics: Sequence[Topic], replication: int) -> None:
    wanted = {
        t.name: {
            "num_partitions": t.partitions,
            "replication_factor": replication,
            "configs": {"retention.ms": str(t.retention_h * 3_600_000)},
        }
        for t in topics
    }
    answer = admin.create_topics(wanted, raise_errors=False)
    for topic in answer["topics"]:
        if topic["error_code"] not in (0, _TOPIC_EXISTS):  # another gateway may have been faster
            raise for_code(topic["error_code"])(f"topic {topic['name']}: {topic.get('error_message')}")
    admin.wait_for_topics([t.name for t in topics])


def _client_config(settings: KafkaSettings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "bootstrap_servers": [s.strip() for s in settings.bootstrap.split(",")],
        "bootstrap_timeout_ms": settings.max_block_ms,
        "security_protocol": settings.security_protocol,
        "ssl_cafile": settings.ssl_cafile,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password,
    }
    return {k: v for k, v in config.items() if v is not None}


def _producer_config(settings: KafkaSettings) -> dict[str, Any]:
    return _client_config(settings) | {
        "acks": "all",
        # kafka-python 3.0.12, measured: an idempotent producer whose batch once expired while the broker was away
        # waits for a new producer id for ever. A frame sent twice is known by its identity further on; one request
        # in flight keeps the order.
        "enable_idempotence": False,
        "max_in_flight_requests_per_connection": 1,
        "reconnect_backoff_max_ms": 1_000,  # a broker that is back is found within a second, not half a minute
        "compression_type": settings.compression,
        "linger_ms": settings.linger_ms,
        "batch_size": settings.batch_bytes,
        "max_block_ms": settings.max_block_ms,
        "delivery_timeout_ms": settings.delivery_timeout_ms,
        "request_timeout_ms": max(1_000, settings.delivery_timeout_ms // 2),
        "allow_auto_create_topics": False,
    }
