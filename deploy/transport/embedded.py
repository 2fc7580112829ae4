"""Kafka's part played inside this process: a faust transport that reads what `publisher` wrote to the disk.

A group's commits are on disk too when faust was told so; a restart goes on exactly after the last finished record.
Nothing here is for more than one machine.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, cast

from faust.transport import base
from faust.types import TP, AppT, ConsumerMessage, RecordMetadata
from faust.types.core import HeadersArg
from yarl import URL

from deploy.transport.commits import ContiguousCommits
from deploy.transport.publisher import PARTITIONS, EmbeddedPublisher, Stored, partition_of
from ingest.ports import Record
from liteheart.topics import Topic

__all__ = ["SCHEME", "Consumer", "EmbeddedPublisher", "Producer", "Transport"]

SCHEME = "embedded"
FETCH_RECORDS = 256  # of one partition in one read


class Consumer(ContiguousCommits):
    """Reads every partition of its topics; there is nobody to share them with."""

    consumer_stopped_errors = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._broker = cast(Transport, self.transport).publisher
        self._assigned: set[TP] = set()
        self._position: dict[TP, int] = {}
        self._end: dict[TP, int] = {}
        self._news = asyncio.Event()
        self._deaf = self._broker.listen(self._news.set)

    async def on_stop(self) -> None:
        """Commit what is finished and listen no more."""
        await super().on_stop()
        self._deaf()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take every partition of `topics`, soon: faust must have noted its subscription first."""
        self.add_future(self._rebalance({TP(topic, i) for topic in topics for i in range(PARTITIONS)}))

    async def _rebalance(self, wanted: set[TP]) -> None:
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(set(self._assigned))
        self.app.consumer_generation_id += 1
        self._assigned = wanted
        await self.on_partitions_assigned(set(wanted), self.app.consumer_generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Where the group goes on, 0 where it has never been; reading goes on there."""
        committed = await asyncio.to_thread(self._broker.log.committed, self._group)
        self._position = {tp: committed.get((tp.topic, tp.partition), 0) for tp in self._assigned}
        return dict(self._position)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        plain = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        await asyncio.to_thread(self._broker.log.commit, self._group, plain)
        return True

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - faust's signature
    ) -> dict[TP, list[Any]]:
        wanted = self._assigned if active_partitions is None else active_partitions
        self._news.clear()  # before the read, so that nothing falls between the two
        asked = {tp: self._position[tp] for tp in wanted if tp in self._position}
        found = await asyncio.to_thread(self._read, asked)
        if not found:
            await self.wait_first(self._news.wait(), timeout=timeout)
        records = {tp: batch for tp, batch in found.items() if self._position.get(tp) == asked[tp]}  # else: rewound
        self._position |= {tp: batch[-1].offset + 1 for tp, batch in records.items()}
        return records

    def _read(self, positions: Mapping[TP, int]) -> dict[TP, list[Any]]:
        found = {}
        for tp, offset in positions.items():
            if batch := self._broker.log.read(tp.topic, tp.partition, offset, FETCH_RECORDS):
                found[tp] = list(batch)
                self._end[tp] = self._broker.log.end_offset(tp.topic, tp.partition)
        return found

    def _to_message(self, tp: TP, record: Stored) -> ConsumerMessage:
        self._hand_out(tp, record.offset)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp_us / 1e6,
            0,  # the timestamp is the publisher's
            list(record.headers),
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    @property
    def _group(self) -> str:
        return str(self.app.conf.id)

    def assignment(self) -> set[TP]:
        """Every partition of the subscribed topics."""
        return set(self._assigned)

    def highwater(self, tp: TP) -> int:
        """The end of the partition when it was last read."""
        return self._end.get(tp, 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The ends of the partitions now."""
        return {tp: self._broker.log.end_offset(tp.topic, tp.partition) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Reading from 0 gives the oldest record there is."""
        return dict.fromkeys(partitions, 0)

    async def position(self, tp: TP) -> int | None:
        """The next offset to read."""
        return self._position.get(tp)

    async def _seek(self, partition: TP, offset: int) -> None:
        self._position[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Read on from other offsets."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    def topic_partitions(self, topic: str) -> int | None:
        """The same for every topic."""
        return PARTITIONS

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Where a key lives."""
        return partition if key is None else partition_of(key)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, topic: str, *_: Any, **__: Any) -> None:
        """The first record makes a topic."""


class Producer(base.Producer):
    """Lets an agent send; the gateway publishes without faust."""

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Append and return a future that is done: the record is on disk. The partition follows from the key."""
        done: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        done.set_result(await self.send_and_wait(topic, key, value, partition, timestamp, headers))
        return done

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Append; on disk on return."""
        broker = cast(Transport, self.transport).publisher
        pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
        time_us = round((timestamp or time.time()) * 1e6)
        record = Record(Topic(topic, PARTITIONS, 0), key or b"", value or b"", pairs, time_us)
        await broker.publish([record])
        number = partition_of(record.key)
        end = await asyncio.to_thread(broker.log.end_offset, topic, number)
        return RecordMetadata(topic, number, TP(topic, number), end - 1, timestamp, 0)

    async def flush(self) -> None:
        """Nothing waits here: `send` has written."""
        await self.buffer.flush()

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Where a key lives."""
        return TP(topic, partition_of(key))

    async def create_topic(self, topic: str, *_: Any, **__: Any) -> None:
        """The first record makes a topic."""

    def supports_headers(self) -> bool:
        """They are kept."""
        return True


class Transport(base.Transport):
    """The faust transport over what `publisher` writes to."""

    Consumer = Consumer
    Producer = Producer
    driver_version = SCHEME

    def __init__(self, url: Sequence[URL], app: AppT, *, publisher: EmbeddedPublisher, **kwargs: Any) -> None:
        super().__init__(list(url), app, **kwargs)
        self.publisher = publisher
