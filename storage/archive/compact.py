"""Frames that have settled become blocks: a bounded step at a time, by any number of monitors at once.

    look    frames of one patient and period, read and packed          a reading transaction
    write   head locked and unchanged? these frames deleted, every one? blocks added          one transaction

Frames are never changed, only added and deleted. So if the head of the patient's chain has not moved and as many frames
were deleted as were read, nobody else was there; else nothing is done, and the next step looks again.
"""

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Engine, bindparam, delete, func, insert, select

from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.signal import Frame
from storage.archive import chain
from storage.archive.blocks import PERIOD_US, BlockReader, block_row, grouped
from storage.archive.objects import Objects
from storage.archive.read import SignalReader
from storage.archive.settings import ArchiveSettings
from storage.engine import reading, writing
from storage.frame_rows import row_frame
from storage.rows import Row
from storage.schema import blocks, damaged_frames, frames, patients

log = logging.getLogger(__name__)

KEPT_HOT: Final = 256  # the newest of a patient who is here: a monitor that starts reads its ring there
_LOOKED_AT: Final = 64  # patients in one step at most
_REST_US: Final = 20 * US_PER_S  # before everybody is looked at again

_whose: BindParameter[str] = bindparam("whose")
_period = (frames.c.t0_us // PERIOD_US).label("period")
_NEXT = select(func.min(frames.c.patient)).where(frames.c.patient > bindparam("after"))
_FLOOR = (
    select(frames.c.arrival_us)
    .where(frames.c.patient == _whose)
    .order_by(frames.c.arrival_us.desc())
    .offset(KEPT_HOT - 1)
    .limit(1)
)
_OLDEST = select(func.min(frames.c.arrival_us)).where(frames.c.patient == _whose)
_PERIODS = (
    select(_period)
    .where(frames.c.patient == _whose)
    .group_by("period")
    .having(func.max(frames.c.arrival_us) < bindparam("before"))
    .order_by("period")
)
_SPAN = (frames.c.patient == _whose, frames.c.t0_us >= bindparam("since"), frames.c.t0_us < bindparam("until"))
_FRAMES = select(frames).where(*_SPAN)
_DELETE = delete(frames).where(*_SPAN)
_SAME = select(blocks).where(
    blocks.c.patient == _whose,
    blocks.c.t0_us >= bindparam("since"),
    blocks.c.t0_us < bindparam("until"),
    blocks.c.dropped_us.is_(None),
)


class _OvertakenError(Exception):
    """Another monitor was here, or one more frame came: as it was, for the next step."""


@dataclass(slots=True)
class Taken:
    """What the frames of one patient and period come to."""

    read: int = 0  # rows of `frames`
    head: int = 0  # the newest block when they were read
    fresh: list[Frame] = field(default_factory=list)
    damaged: list[Row] = field(default_factory=list)


class Compactor:
    """Over SQL. Not thread-safe: one step at a time. Raises Retryable when a store does not answer."""

    def __init__(self, engine: Engine, signal: SignalReader, settings: ArchiveSettings) -> None:
        self._engine, self._signal, self._settings = engine, signal, settings
        self._after = ""  # the patient looked at last
        self._rested_us = 0
        self._left: deque[tuple[str, int]] = deque()  # patient and period, found and not compacted yet

    def step(self, now_us: int) -> int:
        """A bounded piece of the work; how many blocks it made."""
        if len(self._left) < self._settings.blocks and now_us >= self._rested_us:
            self._look(now_us)
        made = 0
        while self._left and made < self._settings.blocks:
            patient, period = self._left.popleft()
            made += self.compact(patient, period, now_us)
        return made

    def compact(self, patient: str, period: int, now_us: int) -> int:
        """One period of one patient; how many blocks it made, 0 when someone else was at it."""
        span = {"whose": patient, "since": period * PERIOD_US, "until": (period + 1) * PERIOD_US}
        ciphers = {} if self._signal.keys is None else self._signal.keys.making([patient], now_us)
        with reading(self._engine) as connection:
            taken = _take(connection, patient, span, self._signal, now_us)
        if not taken.read:
            return 0
        rows = made_rows(taken.fresh, ciphers, self._signal.objects)
        try:
            with writing(self._engine) as connection:
                if chain.locked_head(connection, patient)[0] != taken.head:
                    raise _OvertakenError
                if connection.execute(_DELETE, span).rowcount != taken.read:
                    raise _OvertakenError
                if rows:
                    chain.append(connection, patient, rows)
                if taken.damaged:
                    connection.execute(insert(damaged_frames), taken.damaged)
        except _OvertakenError:
            return 0
        return len(rows)

    def _look(self, now_us: int) -> None:
        """Find what is to be done of the next patients."""
        before = now_us - round(self._settings.settle_s * US_PER_S)
        with reading(self._engine) as connection:
            for _ in range(_LOOKED_AT):
                name = connection.scalar(_NEXT, {"after": self._after})
                self._after = name or ""
                if name is None:
                    self._rested_us = now_us + _REST_US
                    return
                self._left.extend((name, period) for period in settled(connection, name, before))
                if len(self._left) >= self._settings.blocks:
                    return


def settled(connection: Connection, patient: str, before_us: int) -> list[int]:
    """Periods of whose frames none arrived at `before_us` or later, and none is of the ring of a restart."""
    oldest = connection.scalar(_OLDEST, {"whose": patient})
    if oldest is None or oldest >= before_us:
        return []
    left_us = connection.scalar(select(patients.c.discharged_us).where(patients.c.patient_id == patient))
    if left_us is None or left_us >= before_us:
        floor = connection.scalar(_FLOOR, {"whose": patient})
        if floor is None or oldest >= floor:
            return []
        before_us = min(before_us, floor)
    return list(connection.scalars(_PERIODS, {"whose": patient, "before": before_us}))


def made_rows(fresh: list[Frame], ciphers: Any, objects: Objects | None) -> list[Row]:
    """Rows of blocks of one patient's frames, in the order of time."""
    return [block_row(group, ciphers.get(group[0].patient), objects) for group in grouped(fresh)]


def known(connection: Connection, span: dict[str, Any], reader: BlockReader) -> set[tuple[str, int, int]]:
    """Keys of the frames that are in blocks of a patient and period already."""
    found: set[tuple[str, int, int]] = set()
    for row in connection.execute(_SAME, span):
        members = reader.members(row)
        found |= {(row.device, *k) for k in zip(members.boot.tolist(), members.sequence.tolist(), strict=True)}
    return found


def hot_keys(connection: Connection, span: dict[str, Any]) -> set[tuple[str, int, int]]:
    """Keys of the hot frames of a patient and period."""
    columns = (frames.c.device, frames.c.boot, frames.c.sequence)
    return {(r.device, r.boot, r.sequence) for r in connection.execute(select(*columns).where(*_SPAN), span)}


def _take(connection: Connection, patient: str, span: dict[str, Any], signal: SignalReader, now_us: int) -> Taken:
    """Read them; those that are in a block are let go, those that are damaged put aside."""
    taken, opener = Taken(head=chain.newest(connection, patient)), signal.opener()
    there = known(connection, span, signal.block_reader())
    for row in connection.execute(_FRAMES, span):
        taken.read += 1
        if (row.device, row.boot, row.sequence) in there:
            continue
        try:
            taken.fresh.append(row_frame(row, opener))
        except Poison as poison:
            where = {"patient": patient, "device": row.device, "boot": row.boot, "sequence": row.sequence}
            log.error("a stored frame is damaged and kept aside: %s", poison, extra=where)
            taken.damaged.append(dict(row._mapping) | {"why": str(poison), "found_us": now_us})
    return taken
