"""What the Kafka publisher promises before it has met a broker; the rest is shown on a real one."""

import asyncio

import pytest

from ingest.ports import Record
from ingest.publish import KafkaFramePublisher
from ingest.settings import KafkaSettings
from liteheart.errors import Retryable
from liteheart.topics import FRAMES


def test_more_than_may_wait_is_refused_at_once_and_nothing_is_nothing() -> None:
    async def run() -> None:
        publisher = KafkaFramePublisher(KafkaSettings(max_pending_bytes=10))
        await publisher.publish([])
        with pytest.raises(Retryable, match="wait"):
            await publisher.publish([Record(FRAMES, b"p", b"x" * 10)])
        await publisher.close()

    asyncio.run(run())
