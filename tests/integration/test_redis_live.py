"""The live feed over a real Redis, which may also die and come back."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from deploy.services.process import ServiceMissing
from deploy.services.redis import start_redis
from liteheart.board import LiveMessage
from storage.live import RedisLiveFeed
from storage.settings import StorageSettings

pytestmark = pytest.mark.service


def _settings(url: str, ttl_s: float = 15) -> StorageSettings:
    return StorageSettings("sqlite:///unused.db", redis_url=url, presence_ttl_s=ttl_s)


@pytest.fixture
def feed(redis_url: str, request: pytest.FixtureRequest) -> Iterator[RedisLiveFeed]:
    feed = RedisLiveFeed(_settings(redis_url, 0.4), channel=f"test.{request.node.name}")
    yield feed
    feed.close()


def _message(n: int, kind="frame", patient="p1") -> LiveMessage:
    return LiveMessage(kind, patient, b"%d" % n)


async def _take(messages, count: int, within_s: float = 5) -> list[LiveMessage]:
    async with asyncio.timeout(within_s):
        return [await anext(messages) for _ in range(count)]


def test_every_subscriber_gets_what_is_published_from_then_on_in_order(feed):
    async def scenario():
        feed.publish([_message(-1)])
        await asyncio.sleep(0.2)
        async with feed.subscribe() as first, feed.subscribe() as second:
            sent = [_message(n) for n in range(1200)]
            for start in range(0, 1200, 100):
                feed.publish(sent[start : start + 100])
            assert await _take(first, 1200) == sent
            assert await _take(second, 1200) == sent

    asyncio.run(scenario())


def test_alarms_do_not_queue_behind_frames_on_a_slow_screen(feed):
    async def scenario():
        async with feed.subscribe() as messages:
            feed.publish([_message(n) for n in range(5000)])
            feed.publish([_message(0, "alarm")])
            await asyncio.sleep(1.0)  # the screen is busy
            got = await _take(messages, 3)
            assert got[0].kind == "alarm"
            assert int(got[1].payload) >= 2000  # the oldest frames were given up

    asyncio.run(scenario())


def test_who_is_live_lapses(feed):
    async def scenario():
        feed.publish([_message(0, patient="p1"), _message(0, patient="p2"), _message(0, "state", "p3")])
        await asyncio.sleep(0.1)
        assert {"p1", "p2"} <= await feed.present()
        assert "p3" not in await feed.present()  # nothing came from its device
        await asyncio.sleep(0.5)
        assert not {"p1", "p2"} & await feed.present()

    asyncio.run(scenario())


def test_redis_may_die_and_come_back(tmp_path_factory, caplog):
    folder = tmp_path_factory.mktemp("redis")
    try:
        server = start_redis(folder)
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    port = server.port
    feed = RedisLiveFeed(_settings(server.url))

    async def scenario(server):
        async with feed.subscribe() as messages:
            feed.publish([_message(1)])
            assert await _take(messages, 1) == [_message(1)]
            await asyncio.to_thread(server.stop)
            started = time.monotonic()
            for n in range(200):
                feed.publish([_message(n, "alarm")])
            assert time.monotonic() - started < 0.2
            await asyncio.sleep(1)
            server = await asyncio.to_thread(start_redis, folder, port)
            try:
                deadline = time.monotonic() + 20
                got: list[LiveMessage] = []
                while not got and time.monotonic() < deadline:
                    feed.publish([_message(7)])
                    try:
                        got = await _take(messages, 1, 0.5)
                    except TimeoutError:
                        continue
                assert got
            finally:
                await asyncio.to_thread(server.stop)

    try:
        asyncio.run(scenario(server))
        assert sum("Redis does not answer" in r.message for r in caplog.records) == 1
        assert feed.dropped == 0
    finally:
        server.stop()
        feed.close()


def test_a_subscription_waits_for_a_redis_that_is_not_there_yet():
    feed = RedisLiveFeed(_settings("redis://127.0.0.1:1/0"))

    async def scenario():
        async with feed.subscribe() as messages:
            with pytest.raises(TimeoutError):
                await _take(messages, 1, 0.3)
        with pytest.raises(OSError, match="Redis does not answer"):
            await feed.present()

    try:
        asyncio.run(scenario())
    finally:
        feed.close()
