"""Nothing is committed past unfinished work, on the embedded log and on real Kafka alike."""

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import faust
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import EventT
from kafka import KafkaAdminClient

from deploy.transport.app import Running, StreamSettings, create_app, run_app
from deploy.transport.embedded import EmbeddedPublisher
from ingest.ports import Record
from ingest.publish import create_topics
from ingest.settings import KafkaSettings
from liteheart.topics import Topic
from storage.log import DiskLog

QUICK = StreamSettings(commit_interval_s=0.2, session_timeout_s=6.0, heartbeat_s=0.5)
Handler = Callable[[EventT], None]


class Bus(Protocol):
    """A broker under test, with one topic of its own."""

    topic: Topic

    async def publish(self, values: Sequence[bytes]) -> None: ...

    def app(self) -> faust.App: ...

    async def committed(self) -> dict[int, int]: ...


class EmbeddedBus:
    def __init__(self, folder: Path) -> None:
        self.topic = Topic("delivery", 4, 1)
        self.folder = folder
        self.log = DiskLog(folder / "log")
        self.publisher = EmbeddedPublisher(self.log)

    async def publish(self, values: Sequence[bytes]) -> None:
        await self.publisher.publish([Record(self.topic, b"p%d" % (int(v) % 101), v) for v in values])

    def app(self) -> faust.App:
        return create_app(
            broker="embedded", app_id="workers", data_dir=self.folder, settings=QUICK, publisher=self.publisher
        )

    async def committed(self) -> dict[int, int]:
        return {p: offset for (_, p), offset in self.log.committed("workers").items()}

    async def close(self) -> None:
        await self.publisher.close()
        self.log.close()


class KafkaBus:
    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap, self.folder = bootstrap, folder
        self.group = f"workers-{uuid.uuid4().hex[:8]}"
        self.topic = Topic(f"delivery.{self.group}", 4, 1)
        create_topics(KafkaSettings(bootstrap), [self.topic])

    async def publish(self, values: Sequence[bytes]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5, acks="all")
        await producer.start()
        try:
            key = [b"p%d" % (int(v) % 101) for v in values]
            sent = [await producer.send(self.topic.name, v, key=k) for k, v in zip(key, values, strict=True)]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def app(self) -> faust.App:
        return create_app(broker=f"kafka://{self.bootstrap}", app_id=self.group, data_dir=self.folder, settings=QUICK)

    async def committed(self) -> dict[int, int]:
        def ask() -> dict[int, int]:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
            try:
                offsets = admin.list_group_offsets({self.group: None})[self.group]
                return {tp.partition: known.offset for tp, known in offsets.items()}
            finally:
                admin.close()

        return await asyncio.to_thread(ask)

    async def close(self) -> None:
        pass


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.service)])
def make_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    if request.param == "embedded":
        return lambda: EmbeddedBus(tmp_path)
    bootstrap = request.getfixturevalue("kafka_bootstrap")
    return lambda: KafkaBus(bootstrap, tmp_path)


@asynccontextmanager
async def worker(bus: Bus, handle: Handler) -> AsyncIterator[Running]:
    """A worker whose agent calls `handle` for every record; `handle` acknowledges."""
    app = bus.app()

    @app.agent(app.topic(bus.topic.name, value_type=bytes))
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            handle(event)

    async with run_app(app) as running:
        yield running


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def values(n: int, first: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(first, first + n)]


async def all_committed(bus: Any, ends: dict[int, int]) -> None:
    async with asyncio.timeout(20):
        while await bus.committed() != ends:  # noqa: ASYNC110 - a broker is asked
            await asyncio.sleep(0.1)


def test_20000_records_acknowledged_out_of_order_resume_after_the_unbroken_run(make_bus: Callable[[], Any]) -> None:
    async def scenario() -> None:
        bus = make_bus()
        shuffle = random.Random(7).shuffle
        await bus.publish(values(20_000))
        first: list[EventT] = []
        async with worker(bus, first.append):
            await until(lambda: len(first) == 20_000)
            by_partition = defaultdict(list)
            for event in first:
                by_partition[event.message.tp].append(event.message.offset)
            assert all(offsets == list(range(len(offsets))) for offsets in by_partition.values())
            held = {tp: len(offsets) // 2 for tp, offsets in by_partition.items()}  # one stays unfinished in each
            shuffle(first)
            for i, event in enumerate(first):
                if event.message.offset != held[event.message.tp]:
                    event.ack()
                if i % 1_000 == 0:
                    await asyncio.sleep(0.05)  # commits happen in between
        assert await bus.committed() == {tp.partition: offset for tp, offset in held.items()}

        again: list[EventT] = []
        expected = sum(len(offsets) - held[tp] for tp, offsets in by_partition.items())

        def finish(event: EventT) -> None:
            again.append(event)
            event.ack()

        async with worker(bus, finish):
            await until(lambda: len(again) >= expected)
            await all_committed(bus, {tp.partition: len(offsets) for tp, offsets in by_partition.items()})
        assert len(again) == expected
        for tp, offset in held.items():
            assert min(e.message.offset for e in again if e.message.tp == tp) == offset
        assert {e.value for e in first} == set(values(20_000))
        await bus.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("failing", [0, 1, 200, 399])
def test_one_failing_record_of_400_is_not_lost(make_bus: Callable[[], Any], failing: int) -> None:
    async def scenario() -> None:
        bus = make_bus()
        await bus.publish(values(400))
        seen, done, failed = [], set(), b"%d" % failing

        def all_but_one(event: EventT) -> None:
            seen.append(event.value)
            if event.value != failed:
                done.add(event.value)
                event.ack()

        async with worker(bus, all_but_one):
            await until(lambda: len(seen) == 400)
            await asyncio.sleep(0.6)  # a few commits

        def finish(event: EventT) -> None:
            done.add(event.value)
            event.ack()

        async with worker(bus, finish):
            await until(lambda: failed in done)
        assert done == set(values(400))
        await bus.close()

    asyncio.run(scenario())


def test_an_agent_that_raises_ends_the_app_and_loses_nothing(make_bus: Callable[[], Any]) -> None:
    async def scenario() -> None:
        bus = make_bus()
        await bus.publish(values(400))
        done: set[bytes] = set()

        def fail_at_200(event: EventT) -> None:
            if event.value == b"200":
                raise ArithmeticError("record 200")
            done.add(event.value)
            event.ack()

        async def work_until_it_fails() -> None:
            async with worker(bus, fail_at_200) as running:
                await asyncio.wait_for(running.wait(), 30)

        with pytest.raises(ArithmeticError, match="record 200"):
            await work_until_it_fails()
        assert b"200" not in done

        def finish(event: EventT) -> None:
            done.add(event.value)
            event.ack()

        async with worker(bus, finish):
            await until(lambda: len(done) == 400)
        assert done == set(values(400))
        await bus.close()

    asyncio.run(scenario())


def test_a_slow_agent_holds_the_broker_back_and_a_stop_is_quick(make_bus: Callable[[], Any]) -> None:
    async def scenario() -> None:
        bus = make_bus()
        await bus.publish(values(12_000))
        gate, taken = asyncio.Event(), [0]
        app = bus.app()

        @app.agent(app.topic(bus.topic.name, value_type=bytes))
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                taken[0] += 1
                await gate.wait()
                event.ack()

        loop = asyncio.get_running_loop()
        async with run_app(app):
            await until(lambda: taken[0] == 1)
            await asyncio.sleep(1.0)
            held = sum(len(delivered) for delivered in app.consumer._delivered.values())
            assert 1 < held < 9_000  # buffered: about one queue and what was fetched when it filled, not everything
            stopping = loop.time()
        assert loop.time() - stopping < 5.0  # an unfinished record does not hold up the stop
        assert sum((await bus.committed()).values()) == 0
        await bus.close()

    asyncio.run(scenario())


def test_news_arrives_at_once(make_bus: Callable[[], Any]) -> None:
    async def scenario() -> None:
        bus = make_bus()
        seen: list[bytes] = []
        loop = asyncio.get_running_loop()
        async with worker(bus, lambda event: seen.append(event.value)):
            waits = []
            for i in range(5):
                await bus.publish([b"%d" % i])
                published = loop.time()
                await until(lambda n=i: len(seen) > n)
                waits.append(loop.time() - published)
                await asyncio.sleep(0.1)
        assert sorted(waits)[2] < 0.5  # faust's own 1.5 s fetch wait, or a poll each second, would show
        await bus.close()

    asyncio.run(scenario())


def test_settings_reach_faust(make_bus: Callable[[], Any]) -> None:
    async def scenario() -> None:
        bus = make_bus()
        app = bus.app()
        assert not app.conf.web_enabled
        assert not app.conf.topic_allow_declare
        assert not app.conf.stream_wait_empty
        assert not app.conf.worker_redirect_stdouts
        assert app.conf.broker_commit_interval == QUICK.commit_interval_s
        assert app.conf.datadir.parent == bus.folder
        await bus.close()

    asyncio.run(scenario())
