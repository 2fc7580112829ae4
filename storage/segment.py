"""One file of the embedded log: records of all partitions in the order in which they came.

    header   "LHLOG1\\n" | length u32 | CRC-32 u32 | JSON: where each partition ended when the file was begun
    record   length u32 | CRC-32 u32 | offset i64 | time i64 | partition u32 | key length u32 | headers u16
             | topic length u8 | topic | key | headers | value

A record that was scrubbed keeps its place, its offset and its time: `headers` says so, and zeros stand after the topic.

One file for all partitions, so that one fsync makes a batch durable however many patients and topics are in it.
"""

import json
import logging
import mmap
import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Partition = tuple[str, int]  # topic and number
Headers = tuple[tuple[str, bytes], ...]

_MAGIC = b"LHLOG1\n"
_HEAD = struct.Struct("<II")
_FIXED = struct.Struct("<qqIIHB")
_HEADER = struct.Struct("<HI")
_SCRUBBED = 0xFFFF  # instead of the number of headers
MAX_RECORD = 64 << 20  # bytes of key and value
_READ = 65_536  # bytes fetched at a time: partitions lie side by side, so a reader uses most of it

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LogRecord:
    """One record as it is read back."""

    offset: int
    key: bytes
    value: bytes
    headers: Headers
    timestamp_us: int


@dataclass(slots=True, eq=False)
class Piece:
    """The records of one partition in one segment: offsets `first`, `first` + 1, ... and where they lie."""

    segment: "Segment"
    first: int
    positions: "array[int]" = field(default_factory=lambda: array("Q"))

    @property
    def end(self) -> int:
        """The offset after its last record."""
        return self.first + len(self.positions)


@dataclass(slots=True, eq=False)
class Segment:
    """One file, how many of its bytes are durable records, and the newest time in it."""

    path: Path
    number: int
    size: int
    newest_us: int = 0
    pieces: dict[Partition, Piece] = field(default_factory=dict)

    def add(self, partition: Partition, offset: int, position: int, timestamp_us: int) -> Piece | None:
        """Note a record; the piece when it is the first of its partition here. Raises ValueError out of order."""
        piece, fresh = self.pieces.get(partition), None
        if piece is None:
            piece = fresh = self.pieces[partition] = Piece(self, offset)
        if offset != piece.end:
            raise ValueError(f"offset {offset} of {partition} follows {piece.end - 1}")
        piece.positions.append(position)
        self.newest_us = max(self.newest_us, timestamp_us)
        return fresh

    def read(self, positions: Sequence[int]) -> Iterator[LogRecord]:
        """The records there; one that is damaged is logged and left out. Raises FileNotFoundError when dropped."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            buffer, start = b"", 0
            for position in positions:
                at = position - start
                if not 0 <= at <= len(buffer) - _HEAD.size:
                    buffer, start, at = os.pread(fd, _READ, position), position, 0
                length, crc = _HEAD.unpack_from(buffer, at) if len(buffer) >= _HEAD.size else (0, 0)
                end = at + _HEAD.size + length
                if end > len(buffer) and position + _HEAD.size + length <= self.size:
                    buffer, start, at = os.pread(fd, _HEAD.size + length, position), position, 0
                    end = len(buffer)
                body = buffer[at + _HEAD.size : end]
                if len(body) != length or length < _FIXED.size or zlib.crc32(body) != crc:
                    log.error("damaged record in %s at byte %d is left out", self.path, position)
                    continue
                if _FIXED.unpack_from(body)[4] != _SCRUBBED:
                    yield _decode(body)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record that lacks nothing but its offset."""

    partition: Partition
    timestamp_us: int
    lengths: tuple[int, int, int]  # of the key, number of headers, of the topic
    tail: bytes


def prepare(partition: Partition, key: bytes, value: bytes, headers: Headers, timestamp_us: int) -> Prepared:
    """Everything that may fail is done here, in the caller's thread. Raises ValueError for what is too long."""
    topic = partition[0].encode()
    if not 0 < len(topic) < 256 or len(headers) > 65_535 or len(key) + len(value) > MAX_RECORD:
        raise ValueError(f"a record of {partition} is too long, or its topic has no name")
    parts = [topic, key]
    for name, content in headers:
        raw = name.encode()
        parts += [_HEADER.pack(len(raw), len(content)), raw, content]
    parts.append(value)
    lengths = (len(key), len(headers), len(topic))
    _FIXED.pack(0, timestamp_us, partition[1], *lengths)
    return Prepared(partition, timestamp_us, lengths, b"".join(parts))


def encode(record: Prepared, offset: int) -> tuple[bytes, bytes]:
    """The bytes of one record, in two parts."""
    fixed = _FIXED.pack(offset, record.timestamp_us, record.partition[1], *record.lengths)
    crc = zlib.crc32(record.tail, zlib.crc32(fixed))
    return _HEAD.pack(len(fixed) + len(record.tail), crc) + fixed, record.tail


def begin(folder: Path, number: int, ends: dict[Partition, int]) -> Segment:
    """Make the next file, whole or not at all, and durable."""
    told = json.dumps([[topic, n, end] for (topic, n), end in sorted(ends.items())]).encode()
    content = _MAGIC + _HEAD.pack(len(told), zlib.crc32(told)) + told
    path = path_of(folder, number)
    write_durably(path, content)
    return Segment(path, number, len(content))


def path_of(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:012d}.log"


def load(path: Path, *, last: bool) -> tuple[Segment, dict[Partition, int]]:
    """A file that is there, and where partitions ended when it was begun.

    Only the last one can have a torn end: it is checked record by record and cut after the last whole one. Of the
    others only lengths are walked; their records are checked when read. Raises ValueError when the header is wrong.
    """
    with path.open("r+b" if last else "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            segment, ends = _header(path, data)
            for partition, offset, position, timestamp_us in _walk(data, segment.size, check=last):
                segment.add(partition, offset, position, timestamp_us)
                (length, _) = _HEAD.unpack_from(data, position)
                segment.size = position + _HEAD.size + length
            surplus = len(data) - segment.size
        if surplus and last:
            log.warning("%s: %d bytes after the last whole record are cut off", path, surplus)
            file.truncate(segment.size)
            os.fsync(file.fileno())
        elif surplus:
            log.error("%s: damaged, its last %d bytes cannot be read", path, surplus)
    return segment, ends


def scrub(segment: Segment, until_us: Mapping[bytes, int]) -> int:
    """Overwrite the records of these keys up to a time with zeros, durably; how many. Only in a closed segment.

    Whatever a crash leaves of a record is a damaged one, which readers leave out: what was to go is gone either way.
    Raises FileNotFoundError when the segment was dropped.
    """
    count = 0
    fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            for _, _, position, _ in _walk(data, _header(segment.path, data)[0].size, check=False):
                length, _ = _HEAD.unpack_from(data, position)
                body = position + _HEAD.size
                offset, timestamp_us, number, key_len, headers, topic_len = _FIXED.unpack_from(data, body)
                key_at = body + _FIXED.size + topic_len
                key = data[key_at : key_at + key_len]
                if headers == _SCRUBBED or timestamp_us > until_us.get(key, -1):
                    continue
                fixed = _FIXED.pack(offset, timestamp_us, number, 0, _SCRUBBED, topic_len)
                kept = fixed + data[body + _FIXED.size : key_at]
                content = kept + bytes(length - len(kept))
                os.pwrite(fd, _HEAD.pack(length, zlib.crc32(content)) + content, position)
                count += 1
        if count:
            os.fsync(fd)
    finally:
        os.close(fd)
    return count


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file as a whole: after a crash it holds the old content or the new."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def ends_of(segment: Segment) -> dict[Partition, int]:
    """Where each of its partitions ends in it."""
    return {partition: piece.end for partition, piece in segment.pieces.items()}


def _header(path: Path, data: mmap.mmap) -> tuple[Segment, dict[Partition, int]]:
    start = len(_MAGIC) + _HEAD.size
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start:
        raise ValueError(f"{path} is not a segment of the log")
    length, crc = _HEAD.unpack_from(data, len(_MAGIC))
    told = data[start : start + length]
    if zlib.crc32(told) != crc:
        raise ValueError(f"{path}: the header is damaged")
    ends = {(topic, number): end for topic, number, end in json.loads(told)}
    return Segment(path, int(path.stem), start + length), ends


def _walk(data: mmap.mmap, at: int, *, check: bool) -> Iterator[tuple[Partition, int, int, int]]:
    """(partition, offset, position, time) of each record up to the first that is not whole."""
    while at + _HEAD.size + _FIXED.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        body = at + _HEAD.size
        if length < _FIXED.size or body + length > len(data):
            return
        if check and zlib.crc32(memoryview(data)[body : body + length]) != crc:
            return
        offset, timestamp_us, number, _, _, topic_len = _FIXED.unpack_from(data, body)
        topic = data[body + _FIXED.size : body + _FIXED.size + topic_len]
        yield (topic.decode(errors="replace"), number), offset, at, timestamp_us
        at = body + length


def _decode(body: bytes) -> LogRecord:
    offset, timestamp_us, _, key_len, count, topic_len = _FIXED.unpack_from(body)
    at = _FIXED.size + topic_len
    key = body[at : at + key_len]
    at += key_len
    headers = []
    for _ in range(count):
        name_len, content_len = _HEADER.unpack_from(body, at)
        at += _HEADER.size
        name = body[at : at + name_len].decode()
        headers.append((name, body[at + name_len : at + name_len + content_len]))
        at += name_len + content_len
    return LogRecord(offset, key, body[at:], tuple(headers), timestamp_us)
