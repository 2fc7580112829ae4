"""Workers that are killed, join and leave: on real Kafka, in processes of their own."""

import asyncio
import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient

from deploy.services.kafka import Kafka
from ingest.publish import create_topics
from ingest.settings import KafkaSettings
from liteheart.topics import Topic

pytestmark = pytest.mark.service
ROOT = Path(__file__).parents[2]

WORKER = '''
"""Writes the value of each record to a file, then acknowledges: two batches may be at work, in any order."""
import asyncio, pathlib, random, signal, sys

from deploy.transport.app import StreamSettings, create_app, run_app

bootstrap, topic, group, out = sys.argv[1:]
QUICK = StreamSettings(session_timeout_s=6, heartbeat_s=0.5, commit_interval_s=0.2)


async def main():
    app = create_app(broker=f"kafka://{bootstrap}", app_id=group, data_dir=pathlib.Path(out).parent, settings=QUICK)
    queue = asyncio.Queue(200)

    @app.agent(app.topic(topic, value_type=bytes))
    async def agent(stream):
        async for event in stream.noack().events():
            await queue.put(event)

    async def work(file):
        while True:
            batch = [await queue.get()]
            while len(batch) < 20 and not queue.empty():
                batch.append(queue.get_nowait())
            await asyncio.sleep(random.random() * 0.03)
            file.write(b"".join(event.value + b"\\n" for event in batch))
            file.flush()
            random.shuffle(batch)
            for event in batch:
                event.ack()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with open(out, "ab") as file:
        async with run_app(app):
            tasks = [asyncio.create_task(work(file)) for _ in range(2)]
            print("ready", flush=True)
            await stop.wait()
            for task in tasks:
                task.cancel()


asyncio.run(main())
'''


class Group:
    """A topic, a group of worker processes on it, and what they wrote."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.name = f"crash-{uuid.uuid4().hex[:8]}"
        self.topic = Topic(self.name, 8, 1)
        self.workers: list[subprocess.Popen[bytes]] = []
        create_topics(KafkaSettings(kafka.bootstrap), [self.topic])

    def join(self, *, wait: bool = True) -> subprocess.Popen[bytes]:
        out = self.folder / f"{len(self.workers)}.out"
        arguments = [self.kafka.bootstrap, self.topic.name, self.name, str(out)]
        errors = (self.folder / f"{len(self.workers)}.err").open("wb")
        with errors:
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors
            )
        self.workers.append(worker)
        if wait:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n", out.with_suffix(".err").read_text()
        return worker

    def seen(self) -> list[bytes]:
        return b"".join(path.read_bytes() for path in self.folder.glob("*.out")).split()

    def until_seen(self, count: int, timeout_s: float = 90.0) -> None:
        wait_until(lambda: len(set(self.seen())) >= count, timeout_s, self.errors)

    def errors(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.err"))

    def until_committed(self, count: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)

        def committed() -> int:
            return sum(known.offset for known in admin.list_group_offsets({self.name: None})[self.name].values())

        try:
            wait_until(lambda: committed() == count, 30, self.errors)
        finally:
            admin.close()


def wait_until(condition: Callable[[], bool], timeout_s: float, why: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


@pytest.fixture
def group(kafka: Kafka, tmp_path: Path) -> Iterator[Group]:
    group = Group(kafka, tmp_path)
    yield group
    for worker in group.workers:
        worker.kill()
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()


async def feed(group: Group, count: int, per_s: float) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=group.kafka.bootstrap, acks="all", linger_ms=5)
    await producer.start()
    try:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), []
        for i in range(count):
            sent.append(await producer.send(group.topic.name, b"%d" % i, key=b"p%d" % (i % 97)))
            if (ahead := began + i / per_s - loop.time()) > 0.02:
                await asyncio.sleep(ahead)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def values(count: int) -> set[bytes]:
    return {b"%d" % i for i in range(count)}


def test_killed_workers_lose_nothing(group: Group) -> None:
    """SIGKILL three times while records arrive; each time a fresh worker goes on."""

    async def scenario() -> None:
        feeding = asyncio.create_task(feed(group, 6_000, per_s=500))
        for kill_after in (500, 1_500, 2_500):
            worker = await asyncio.to_thread(group.join)
            await asyncio.to_thread(group.until_seen, kill_after)
            worker.kill()
            worker.wait()
        await feeding

    asyncio.run(scenario())
    assert len(set(group.seen())) < 6_000  # else nobody was killed in the middle of anything
    group.join()
    group.until_seen(6_000)
    assert set(group.seen()) == values(6_000)
    group.until_committed(6_000)


def test_workers_that_join_and_leave_lose_nothing(group: Group) -> None:
    """A second worker takes half the partitions in the middle, then the first leaves."""

    async def scenario() -> None:
        first = await asyncio.to_thread(group.join)
        feeding = asyncio.create_task(feed(group, 6_000, per_s=500))
        await asyncio.to_thread(group.until_seen, 800)
        await asyncio.to_thread(group.join)
        await asyncio.to_thread(wait_until, lambda: (group.folder / "1.out").stat().st_size > 0, 30, group.errors)
        await asyncio.sleep(1.0)
        first.terminate()
        assert await asyncio.to_thread(first.wait, 20) == 0
        await feeding

    asyncio.run(scenario())
    group.until_seen(6_000)
    assert set(group.seen()) == values(6_000)
    group.until_committed(6_000)
    again = len(group.seen()) - 6_000
    assert again < 2_000  # what was finished when the partitions went was committed first


def test_a_worker_outlives_its_broker(group: Group) -> None:
    """The broker is killed and comes back on its port; the worker goes on, or ends and its successor goes on."""

    async def scenario() -> None:
        worker = await asyncio.to_thread(group.join)
        await feed(group, 2_000, per_s=2_000)
        await asyncio.to_thread(group.until_seen, 500)
        group.kafka.kill()
        await asyncio.to_thread(time.sleep, 1)
        group.kafka.start()  # on this thread: the kernel ends it with the thread that started it
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(worker.wait, 8)
        await feed(group, 3_000, per_s=2_000)
        if worker.poll() is not None:
            await asyncio.to_thread(group.join)

    asyncio.run(scenario())
    group.until_seen(3_000)
    assert set(group.seen()) == values(3_000)
