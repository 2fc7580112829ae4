"""Frames as they were stored, wherever they lie by now: hot in `frames`, or in `blocks`, or (sent again) in both.

A frame that is in a block counts, and the same one among the hot ones does not: it was delivered a second time after
it had been compacted.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from liteheart.clock import US_PER_S
from liteheart.signal import Frame
from liteheart.wire import MAX_SAMPLES
from storage.archive.blocks import PERIOD_US, BlockReader, in_time, minute_counts
from storage.archive.objects import Objects
from storage.frame_rows import Opener, row_frame
from storage.keys import Keyring
from storage.prepared import Prepared
from storage.schema import blocks, frames

SLOWEST_HZ: Final = 50  # below it no frame is accepted
LONGEST_FRAME_US: Final = MAX_SAMPLES * US_PER_S // SLOWEST_HZ
MINUTE_US: Final = 60 * US_PER_S
_AT_ONCE: Final = 600  # hot frames in memory at a time

_whose: BindParameter[str] = bindparam("whose")
_since: BindParameter[int] = bindparam("since")
_until: BindParameter[int] = bindparam("until")
_HOT = Prepared(
    select(frames)
    .where(
        frames.c.patient == _whose,
        frames.c.t0_us < _until,
        frames.c.t0_us > _since - LONGEST_FRAME_US,
        frames.c.t1_us > _since,
    )
    .order_by(frames.c.t0_us, frames.c.boot, frames.c.sequence)
)
_UNREAD: Final = ("id", "previous", "content", "digest", "dropped_us")  # links of the chain, which is walked elsewhere
_BLOCKS = (
    select(*(c for c in blocks.columns if c.name not in _UNREAD))
    .where(blocks.c.patient == _whose, blocks.c.dropped_us.is_(None))
    .order_by(blocks.c.t0_us)
)
_OVERLAPPING = Prepared(
    _BLOCKS.where(
        blocks.c.t0_us < _until,
        blocks.c.t0_us > _since - LONGEST_FRAME_US - PERIOD_US,
        blocks.c.t1_us > _since,
    )
)
_BEGIN = (frames.c.patient == _whose, frames.c.t0_us >= _since, frames.c.t0_us < _until)
_HOT_BEGINNING = select(frames).where(*_BEGIN, frames.c.t1_us > bindparam("ends_after")).order_by(frames.c.t0_us)
_BLOCKS_OF = _BLOCKS.where(blocks.c.t0_us >= _since, blocks.c.t0_us < _until, blocks.c.t1_us > bindparam("ends_after"))
_HOT_COUNTS = (
    select((frames.c.t0_us // MINUTE_US).label("minute"), func.count().label("n")).where(*_BEGIN).group_by("minute")
)
_BLOCK_COUNTS = select(blocks.c.t0_us, blocks.c.counts).where(
    blocks.c.patient == _whose, blocks.c.t0_us >= _since, blocks.c.t0_us < _until, blocks.c.dropped_us.is_(None)
)
_MANY_COUNTS = select(blocks.c.patient, blocks.c.t0_us, blocks.c.counts).where(
    blocks.c.patient.in_(bindparam("whose", expanding=True)),
    blocks.c.t0_us >= _since,
    blocks.c.t0_us < _until,
    blocks.c.dropped_us.is_(None),
)


class SignalReader:
    """Reads within the caller's transaction. Thread-safe.

    Raises Poison when what is stored is damaged, Conflict when it is sealed and the key is not here, Retryable when an
    object store does not answer.
    """

    def __init__(self, keys: Keyring | None = None, objects: Objects | None = None) -> None:
        """`keys`: None where nothing is sealed; `objects`: None where payloads lie in the database."""
        self.keys, self.objects = keys, objects

    def opener(self) -> Opener:
        """For the samples of hot frames."""
        return Opener(self.keys)

    def block_reader(self) -> BlockReader:
        """For blocks."""
        return BlockReader(Opener(self.keys), self.objects)

    def overlapping(self, connection: Connection, patient: str, t0_us: int, t1_us: int) -> list[Frame]:
        """Frames that overlap [t0_us, t1_us), oldest first."""
        span = {"whose": patient, "since": t0_us, "until": t1_us}
        opener = self.opener()
        hot = [row_frame(row, opener) for row in _HOT.rows(connection, span)]
        rows = _OVERLAPPING.rows(connection, span)
        if not rows:
            return hot
        reader = BlockReader(opener, self.objects)
        return merged([f for row in rows for f in reader.frames(row, t0_us, t1_us)], hot)

    def beginning(
        self, connection: Connection, patient: str, since_us: int, until_us: int, *, ends_after: int = -(1 << 62)
    ) -> Iterator[list[Frame]]:
        """Frames that begin in [since_us, until_us) and end after a time, in no order, some at once."""
        span = {"whose": patient, "since": since_us, "until": until_us, "ends_after": ends_after}
        opener = self.opener()
        reader, seen = BlockReader(opener, self.objects), set[tuple[str, int, int]]()
        early = span | {"since": since_us - since_us % PERIOD_US}
        for row in connection.execute(_BLOCKS_OF, early):
            inside = [f for f in reader.frames(row, ends_after, until_us) if since_us <= f.t0_us]
            seen.update(f.key for f in inside)
            yield inside
        for rows in connection.execute(_HOT_BEGINNING, span).partitions(_AT_ONCE):
            yield [row_frame(row, opener) for row in rows if (row.device, row.boot, row.sequence) not in seen]

    def counts(self, connection: Connection, patient: str, since_us: int, until_us: int) -> dict[int, int]:
        """How many stored frames begin in each minute since the epoch, of whole minutes; none is left out.

        A frame that was sent again after it was compacted counts twice, until it is compacted too.
        """
        span = {"whose": patient, "since": since_us, "until": until_us}
        found: dict[int, int] = {row.minute: row.n for row in connection.execute(_HOT_COUNTS, span)}
        for row in connection.execute(_BLOCK_COUNTS, span | {"since": since_us - since_us % PERIOD_US}):
            for minute, n in minute_counts(row).items():
                if since_us <= minute * MINUTE_US < until_us:
                    found[minute] = found.get(minute, 0) + n
        return found


def block_counts(connection: Connection, names: Sequence[str], minute: int) -> dict[str, int]:
    """Of these patients, how many frames of blocks begin in that minute; none is left out."""
    since_us = minute * MINUTE_US - minute * MINUTE_US % PERIOD_US
    found: dict[str, int] = {}
    for row in connection.execute(_MANY_COUNTS, {"whose": names, "since": since_us, "until": since_us + PERIOD_US}):
        n = minute_counts(row).get(minute)
        if n:
            found[row.patient] = found.get(row.patient, 0) + n
    return found


def merged(compacted: list[Frame], hot: list[Frame]) -> list[Frame]:
    """Each frame once, oldest first."""
    if hot:
        seen = {f.key for f in compacted}
        compacted = compacted + [f for f in hot if f.key not in seen]
    return sorted(compacted, key=in_time)
