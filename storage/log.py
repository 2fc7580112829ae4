"""The embedded broker's memory: a durable log of topics and partitions in one folder, for one process.

An append returns when its records are on disk. Appends that wait at the same time share one fsync, whatever their
topics and partitions. After kill -9 or a power cut every acknowledged record is there, and a torn end is cut off.
"""

import contextlib
import errno
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured
from liteheart.topics import FRAMES
from storage import segment as files
from storage.commits import Commits
from storage.index import LogIndex, Place, needed
from storage.segment import Headers, LogRecord, Partition, Prepared, Segment

Entry = tuple[bytes, bytes, Headers, int]  # key, value, headers, timestamp_us

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How the log keeps its records. Raises Misconfigured naming the key that is wrong."""

    segment_bytes: int = 16 << 20  # the unit in which old records are dropped
    retain_bytes: int = 256 << 20  # the newest that are kept beyond what every group is done with
    retain_h: float = 7 * 24  # and no longer than this
    guarded: tuple[str, ...] = (FRAMES.name,)  # never dropped before some group has committed

    def __post_init__(self) -> None:
        for key in ("segment_bytes", "retain_bytes", "retain_h"):
            if not getattr(self, key) > 0:
                raise Misconfigured(key, f"{getattr(self, key)} must be above zero")


@dataclass(slots=True, eq=False)
class _Request:
    """Records of one append, which wait for their turn to be written."""

    partition: Partition
    records: list[Prepared]
    offsets: list[int] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class DiskLog:
    """A log in a folder. Thread-safe; the folder belongs to this process until `close`.

    Raises Misconfigured when another process has it, or when a file in it is not ours.
    """

    def __init__(self, folder: Path, settings: LogSettings | None = None) -> None:
        self._folder = folder
        self._settings = settings or LogSettings()
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            self._lock_fd = _own(folder)
            undo.callback(os.close, self._lock_fd)
            for left_over in folder.glob("*.new"):
                left_over.unlink()
            self._commits = Commits(folder / "commits.json")
            self._index = LogIndex(folder)
            self._fd = _open_for_writing(self._index.active)
            undo.pop_all()
        self._broken = ""  # why nothing can be written any more
        self._closed = False
        self._stuck = False  # no new segment could be begun, and the log has said so
        self._queue: list[_Request] = []
        self._queue_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._listeners: set[Callable[[frozenset[Partition]], None]] = set()

    def append(self, topic: str, partition: int, records: Sequence[Entry]) -> list[int]:
        """Write records of (key, value, headers, timestamp_us); their offsets, once they are on disk.

        Raises OSError when the disk refuses: then none of them is kept.
        """
        return self.append_many([(topic, partition, records)])[0]

    def append_many(self, batches: Sequence[tuple[str, int, Sequence[Entry]]]) -> list[list[int]]:
        """As `append` for several partitions with one wait for the disk: all of them are kept or none."""
        requests = [
            _Request((topic, number), [files.prepare((topic, number), *entry) for entry in entries])
            for topic, number, entries in batches
        ]
        with self._queue_lock:
            self._queue += requests
        grown: frozenset[Partition] = frozenset()
        with self._write_lock:  # whoever comes first writes for all who wait behind
            if not all(request.done for request in requests):
                grown = self._flush()
        for heard in tuple(self._listeners) if grown else ():
            heard(grown)
        for request in requests:
            if request.error is not None:
                raise OSError(
                    getattr(request.error, "errno", None) or errno.EIO, f"{self._folder}: {request.error}"
                ) from request.error
        return [request.offsets for request in requests]

    def read(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int = 8 << 20
    ) -> list[LogRecord]:
        """Up to `max_records` from `offset` on, or from the oldest there is; empty at the end.

        Stops early once `max_bytes` are read. A damaged record is logged and left out.
        """
        while plan := self._index.plan((topic, partition), offset, max_records):
            found: list[LogRecord] = []
            size = 0
            try:
                for segment, first, positions in plan:
                    for record in segment.read(positions):
                        found.append(record)
                        size += len(record.value)
                        if size >= max_bytes:
                            return found
                    offset = first + len(positions)
            except FileNotFoundError:
                if self._index.holds(plan):  # it was not retention that took the file
                    raise
                continue
            if found:
                return found
        return []

    def start_offset(self, topic: str, partition: int) -> int:
        """The offset of the oldest record there is, or the end."""
        return self._index.start((topic, partition))

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        return self._index.end((topic, partition))

    def partitions(self) -> list[Partition]:
        """Every (topic, partition) that ever had a record."""
        return sorted(self._index.ends())

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Remember where a group goes on; on disk on return. Raises OSError when the disk refuses."""
        self._commits.commit(group, offsets)

    def committed(self, group: str) -> dict[Partition, int]:
        """Where a group goes on, for the partitions it ever committed."""
        return self._commits.committed(group)

    def forget(self, group: str) -> None:
        """A group that will not come back, so that nothing is kept for it any more."""
        self._commits.forget(group)

    def wait(self, topic: str, partition: int, offset: int, timeout_s: float) -> bool:
        """Sleep until there is a record at `offset`; False when the time is over."""
        return self._index.wait((topic, partition), offset, timeout_s)

    def listen(self, heard: Callable[[frozenset[Partition]], None]) -> Callable[[], None]:
        """Have `heard` called, in a thread that appended, with what grew; the return value ends that."""
        self._listeners.add(heard)
        return lambda: self._listeners.discard(heard)

    def retain(self, now_us: int) -> int:
        """Drop old segments beyond the retention, but none that a group still needs; how many were dropped."""
        floors = {
            partition: floor
            for partition in self._index.ends()
            if (floor := self._commits.floor(partition, guarded=partition[0] in self._settings.guarded)) is not None
        }
        since_us = now_us - round(self._settings.retain_h * 3600 * US_PER_S)

        def surplus(segment: Segment, all_bytes: int) -> bool:
            beyond = all_bytes > self._settings.retain_bytes or segment.newest_us < since_us
            return beyond and not needed(segment, floors)

        return self._index.drop(surplus)

    def scrub(self, until_us: Mapping[bytes, int]) -> int:
        """Overwrite what the log holds under these keys, up to a time; how many records.

        Offsets stay, and readers leave them out.

        Raises OSError when the disk refuses; do it again then.
        """
        with self._write_lock:  # a torn record is harmless only where nothing comes after it that could be cut off
            if any(piece.positions for piece in self._index.active.pieces.values()):
                number = self._index.active.number
                self._roll()
                if self._index.active.number == number:
                    raise OSError(errno.ENOSPC, f"{self._folder}: no new segment could be begun")
        count = 0
        for segment in self._index.closed:
            with contextlib.suppress(FileNotFoundError):  # retention was faster
                count += files.scrub(segment, until_us)
        return count

    def close(self) -> None:
        """Let the folder go. What was acknowledged is on disk already."""
        with self._write_lock:
            if not self._closed:
                self._closed, self._broken = True, "the log is closed"
                os.close(self._fd)
                os.close(self._lock_fd)

    def _flush(self) -> frozenset[Partition]:
        """Write and sync all that waits; which partitions grew. Called with the write lock held."""
        with self._queue_lock:
            requests, self._queue = self._queue, []
        try:
            places, size = self._write(requests)
            self._index.note(places, size)
        except BaseException as error:
            for request in requests:
                request.error = error
            if not isinstance(error, OSError):  # interrupted half-way: only a restart knows what is on disk
                self._broken = f"the log was interrupted: {error!r}"
                raise
            return frozenset()
        finally:
            for request in requests:
                request.done = True
        if size >= self._settings.segment_bytes:
            self._roll()
        return frozenset(place[0] for place in places)

    def _write(self, requests: Sequence[_Request]) -> tuple[list[Place], int]:
        """Put the requests on disk; where their records lie, and the size of the segment with them."""
        if self._broken:
            raise OSError(errno.EIO, self._broken)
        start = at = self._index.active.size
        ends = self._index.ends()
        parts: list[bytes] = []
        places: list[Place] = []
        for request in requests:
            offset = ends.get(request.partition, 0)
            for record in request.records:
                head, tail = files.encode(record, offset)
                parts += (head, tail)
                places.append((record.partition, offset, at, record.timestamp_us))
                request.offsets.append(offset)
                at += len(head) + len(tail)
                offset += 1
            ends[request.partition] = offset
        try:
            _write_at(self._fd, b"".join(parts), start)
            os.fdatasync(self._fd)
        except OSError:
            self._undo(start)
            raise
        return places, at

    def _undo(self, size: int) -> None:
        """What could not be synced must not come back after a restart with offsets that others got meanwhile."""
        try:
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
        except OSError as error:
            self._broken = f"the log cannot be written any more: {error}"
            log.exception("the log cannot be written any more", extra={"folder": str(self._folder)})

    def _roll(self) -> None:
        """Go on in a new file. When the disk refuses, the old one grows on: its records are safe."""
        full = self._index.active
        try:
            segment = files.begin(self._folder, full.number + 1, self._index.ends())
            fd = _open_for_writing(segment)
        except OSError as error:
            if not self._stuck:
                log.error("no new segment of the log in %s, the old one grows on: %s", self._folder, error)
            self._stuck = True
            with contextlib.suppress(OSError):
                files.path_of(self._folder, full.number + 1).unlink(missing_ok=True)
            return
        self._stuck = False
        os.close(self._fd)
        self._fd = fd
        self._index.begin(segment)
        try:
            self.retain(full.newest_us)
        except OSError:
            log.exception("an old segment of the log stays", extra={"folder": str(self._folder)})


def _own(folder: Path) -> int:
    """Lock the folder for this process; the descriptor that holds the lock."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise Misconfigured("data_dir", f"{folder} is in use by another process ({owner})") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def _open_for_writing(segment: Segment) -> int:
    return os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)


def _write_at(fd: int, content: bytes, position: int) -> None:
    view = memoryview(content)
    while view:
        done = os.pwrite(fd, view, position)
        view, position = view[done:], position + done
