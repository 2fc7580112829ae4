"""Kafka's part played inside this process: the half that writes. Knows nothing of faust.

One process owns the log. A record is on disk when `publish` returns.
"""

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from ingest.ports import Record
from liteheart.errors import Retryable

PARTITIONS: Final = 4  # fixed for the life of a log: a key must stay in its partition

Headers = tuple[tuple[str, bytes], ...]
Entry = tuple[bytes, bytes, Headers, int]  # key, value, headers, timestamp_us


class Stored(Protocol):
    """A record as the log gives it back."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def timestamp_us(self) -> int: ...


class Log(Protocol):
    """What is needed of the log; `storage.log.DiskLog` is one. Every call may come from another thread."""

    def append_many(self, batches: Sequence[tuple[str, int, Sequence[Entry]]]) -> Sequence[Sequence[int]]:
        """The offsets of (topic, partition, records), which are all on disk on return. Raises OSError, keeps none."""
        ...

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Sequence[Stored]:
        """Records from `offset` on, oldest first; empty at the end."""
        ...

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        ...

    def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Remember where `group` goes on; on disk on return."""
        ...

    def committed(self, group: str) -> Mapping[tuple[str, int], int]:
        """Where `group` goes on."""
        ...


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a key: the same in every process and version."""
    return zlib.crc32(key) % partitions


class EmbeddedPublisher:
    """Writes records to the log. Publishing that happens at the same time shares the wait for the disk."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._waiting: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._listeners: set[Callable[[], None]] = set()

    async def publish(self, records: Sequence[Record]) -> None:
        """Return once `records` are on disk. Raises Retryable when the disk refuses."""
        if not records:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await done

    async def close(self) -> None:
        """Return once everything that was accepted is written."""
        if self._writer is not None:
            await self._writer

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called after each write, on the event loop; the return value ends that."""
        self._listeners.add(wake)
        return lambda: self._listeners.discard(wake)

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                error = await asyncio.to_thread(self._append, [r for records, _ in batch for r in records])
                for _, done in batch:
                    if done.done():  # its publisher was cancelled
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(Retryable(f"the log cannot be written: {error}"))
                for wake in tuple(self._listeners):
                    wake()
        finally:
            self._writer = None

    def _append(self, records: Iterable[Record]) -> OSError | None:
        entries: defaultdict[tuple[str, int], list[Entry]] = defaultdict(list)
        now_us = time.time_ns() // 1_000
        for r in records:
            stamp_us = now_us if r.timestamp_us is None else r.timestamp_us
            entries[r.topic.name, partition_of(r.key)].append((r.key, r.value, r.headers, stamp_us))
        try:
            self.log.append_many([(topic, partition, batch) for (topic, partition), batch in entries.items()])
        except OSError as error:
            return error
        return None
