"""What an app is made from, and the half of the embedded broker that writes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from yarl import URL

from deploy.services.process import free_port
from deploy.transport import kafka
from deploy.transport.app import create_app, run_app
from deploy.transport.publisher import PARTITIONS, EmbeddedPublisher, Entry, partition_of
from ingest.ports import Record
from ingest.settings import KafkaSettings
from liteheart.errors import Misconfigured, Retryable
from liteheart.topics import DEAD_LETTERS, FRAMES
from storage.log import DiskLog


class CountingLog(DiskLog):
    """Counts its writes, and refuses when told to."""

    writes = 0
    full = False

    def append_many(self, batches: Sequence[tuple[str, int, Sequence[Entry]]]) -> list[list[int]]:
        self.writes += 1
        if self.full:
            raise OSError(28, "No space left on device")
        return super().append_many(batches)


@pytest.mark.parametrize("broker", ["redis://x:1", "kafka://", "localhost:9092", ""])
def test_a_broker_of_another_kind_is_refused(broker: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="broker"):
        create_app(broker=broker, app_id="x", data_dir=tmp_path)


def test_the_embedded_broker_needs_its_publisher(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="needs the publisher"):
        create_app(broker="embedded", app_id="x", data_dir=tmp_path)


SASL = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "monitor", "sasl_password": "secret"}
SHOWN = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "monitor", "sasl_plain_password": "secret"}


@pytest.mark.parametrize(
    ("protocol", "given", "shown", "tls"),
    [
        ("PLAINTEXT", {}, {}, False),
        ("SSL", {}, {}, True),
        ("SASL_PLAINTEXT", SASL, SHOWN, False),
        ("SASL_SSL", SASL, SHOWN, True),
    ],
)
def test_the_worker_shows_the_broker_what_the_publisher_shows(
    protocol: str, given: dict[str, Any], shown: dict[str, str], tls: bool, tmp_path: Path
) -> None:
    access = KafkaSettings(security_protocol=protocol, **given)
    app = create_app(broker="kafka://a:1,b:2", app_id="x", data_dir=tmp_path, access=access)
    auth = dict(credentials_to_aiokafka_auth(app.conf.broker_credentials))
    assert (auth.pop("ssl_context", None) is not None) == tls
    assert auth == {"security_protocol": protocol} | shown
    assert [str(url) for url in app.conf.broker] == ["safekafka://a:1", "safekafka://b:2"]


def test_a_broker_that_does_not_answer_is_an_error_to_retry(tmp_path: Path) -> None:
    async def scenario() -> None:
        app = create_app(broker=f"kafka://127.0.0.1:{free_port()}", app_id="x", data_dir=tmp_path)
        with pytest.raises(Retryable, match=r"Kafka at 127\.0\.0\.1:\d+: "):
            async with run_app(app):
                pass
        app.consumer._thread.thread_loop.close()  # of the thread that never came to run

    asyncio.run(scenario())


def test_faust_finds_the_transport_by_its_scheme() -> None:
    kafka.register()
    assert TRANSPORTS.by_url(URL("safekafka://localhost:9092")) is kafka.Transport


def test_a_key_keeps_its_partition_for_life() -> None:
    assert [partition_of(key) for key in (b"", b"p1", b"bed-07")] == [0, 3, 0]
    assert {partition_of(b"p%d" % i) for i in range(100)} == set(range(PARTITIONS))


def test_publishing_at_the_same_time_shares_the_wait_for_the_disk(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = CountingLog(tmp_path)
        publisher = EmbeddedPublisher(log)
        await asyncio.gather(*(publisher.publish([Record(FRAMES, b"p%d" % i, b"v")]) for i in range(300)))
        assert log.writes <= 3
        assert sum(log.end_offset(FRAMES.name, p) for p in range(PARTITIONS)) == 300
        await publisher.publish([])
        await publisher.publish([Record(DEAD_LETTERS, b"", b"x", (("field", b"fs"),), 7)])
        (kept,) = log.read(DEAD_LETTERS.name, 0, 0, 10)
        assert (kept.value, kept.headers, kept.timestamp_us) == (b"x", (("field", b"fs"),), 7)
        await publisher.close()
        log.close()

    asyncio.run(scenario())


def test_a_full_disk_is_an_error_to_retry_and_passes(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = CountingLog(tmp_path)
        publisher = EmbeddedPublisher(log)
        log.full = True
        with pytest.raises(Retryable, match="No space left"):
            await publisher.publish([Record(FRAMES, b"p", b"v")])
        log.full = False
        await publisher.publish([Record(FRAMES, b"p", b"v")])
        assert log.end_offset(FRAMES.name, partition_of(b"p")) == 1
        log.close()

    asyncio.run(scenario())


def test_a_publisher_that_is_cancelled_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = CountingLog(tmp_path)
        publisher = EmbeddedPublisher(log)
        gone = asyncio.create_task(publisher.publish([Record(FRAMES, b"p", b"1")]))
        stays = asyncio.create_task(publisher.publish([Record(FRAMES, b"p", b"2")]))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        await publisher.close()
        assert log.end_offset(FRAMES.name, partition_of(b"p")) == 2
        log.close()

    asyncio.run(scenario())


def test_an_agent_may_send_through_the_embedded_broker(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = DiskLog(tmp_path)
        app = create_app(broker="embedded", app_id="x", data_dir=tmp_path, publisher=EmbeddedPublisher(log))
        seen: list[bytes] = []

        @app.agent(app.topic("questions", value_type=bytes))
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                seen.append(event.value)
                event.ack()

        async with run_app(app) as running:
            assert running.ready
            sent = await app.topic("questions", key_type=bytes, value_type=bytes).send(key=b"k", value=b"who?")
            assert (await sent).offset == 0
            async with asyncio.timeout(10):
                while not seen:  # noqa: ASYNC110 - a list has no event
                    await asyncio.sleep(0.01)
        assert not running.ready
        assert seen == [b"who?"]
        log.close()

    asyncio.run(scenario())
