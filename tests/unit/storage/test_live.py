"""Live messages as bytes, and a feed whose Redis is not there."""

import time

import pytest

from liteheart.board import LiveMessage
from liteheart.errors import Poison
from storage.live import RedisLiveFeed, pack, unpack
from storage.settings import StorageSettings


@pytest.mark.parametrize("kind", ["frame", "state", "alarm"])
@pytest.mark.parametrize("payload", [b"", b'{"a": 1}', bytes(range(256))])
def test_messages_come_back(kind, payload):
    message = LiveMessage(kind, "p" * 64, payload)
    assert unpack(pack(message)) == message


@pytest.mark.parametrize("data", [b"", b"\0", b"\x09\x01p", b"\0\x05p"])
def test_other_bytes_are_refused(data):
    with pytest.raises(Poison, match="live"):
        unpack(data)


def test_without_redis_publishing_costs_nothing_and_says_so_once(caplog):
    feed = RedisLiveFeed(StorageSettings("sqlite:///x.db", redis_url="redis://127.0.0.1:1/0"), bound=100)
    started = time.monotonic()
    for n in range(50):
        feed.publish([LiveMessage("frame", "p", bytes([n])) for _ in range(10)])
        feed.publish([LiveMessage("alarm", "p", b"")])
    assert time.monotonic() - started < 0.5
    time.sleep(0.5)
    feed.close(1)
    assert feed.dropped >= 400
    assert sum("Redis does not answer" in record.message for record in caplog.records) == 1
