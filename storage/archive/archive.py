"""The archive of samples: read by patient and time, written by the compactor and by imports, verified by its chain."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, func, select, true

from liteheart.errors import Retryable
from liteheart.ids import PatientId
from liteheart.signal import Frame, Stretch
from storage.archive import chain
from storage.archive.blocks import PERIOD_US
from storage.archive.chain import Verdict
from storage.archive.compact import Compactor, hot_keys, known, made_rows
from storage.archive.read import SignalReader
from storage.archive.settings import ArchiveSettings
from storage.archive.stretches import joined
from storage.engine import reading, writing
from storage.extent import extent
from storage.schema import block_heads, blocks, frames

_PAGE_US: Final = 4 * PERIOD_US  # read at a time
_TRIES: Final = 20


class Archive:
    """Over SQL. Every method raises Retryable when the database or the object store does not answer."""

    def __init__(
        self, engine: Engine, signal: SignalReader | None = None, settings: ArchiveSettings | None = None
    ) -> None:
        self._engine, self._signal = engine, signal or SignalReader()
        self._compactor = Compactor(engine, self._signal, settings or ArchiveSettings())

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        """The samples whose time lies in [t0_us, t1_us): gap-free runs in the order in which they begin.

        Raises Poison for stored signal that is damaged, Conflict for sealed signal without its key.
        """
        return joined(self.frames(patient, t0_us, t1_us), t0_us, t1_us)

    def frames(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Frame]:
        """Frames that overlap [t0_us, t1_us), oldest first, some in memory at a time. Raises as `stretches`."""
        at = t0_us
        while at < t1_us:
            until_us = min(t1_us, (at // _PAGE_US + 1) * _PAGE_US)
            with reading(self._engine) as connection:
                some = self._signal.overlapping(connection, patient, at, until_us)
                next_us = until_us if some else _next_begin(connection, patient, until_us)
            yield from (f for f in some if f.t0_us >= at or at == t0_us)
            if next_us is None:
                return
            at = next_us

    def extent(self, patient: PatientId) -> tuple[int, int] | None:
        """Time of the first sample that is kept and just after the last; None without any."""
        with reading(self._engine) as connection:
            return extent(connection, patient)

    def keep(self, frames_in: Iterable[Frame], now_us: int = 0) -> int:
        """Write frames as blocks at once, as an import does; how many were new.

        What is stored already is left out, so that an import may be repeated. Give frames of a patient in order of
        time, or a period may become several blocks.
        """
        kept, waiting = 0, list[Frame]()
        for frame in frames_in:
            if waiting and (frame.patient, _period(frame)) != (waiting[0].patient, _period(waiting[0])):
                kept += self._write(waiting, now_us)
                waiting = []
            waiting.append(frame)
        return kept + (self._write(waiting, now_us) if waiting else 0)

    def compact(self, now_us: int) -> int:
        """A bounded piece of compaction; how many blocks it made. One call at a time."""
        return self._compactor.step(now_us)

    def verify(self, patient: PatientId, *, objects: bool = True) -> Verdict:
        """Walk the patient's chain; needs no key."""
        with reading(self._engine) as connection:
            return chain.verify(connection, patient, self._signal.block_reader(), objects=objects)

    def patients(self) -> list[PatientId]:
        """Everybody of whom there are blocks."""
        with reading(self._engine) as connection:
            return [PatientId(p) for p in connection.scalars(select(block_heads.c.patient).order_by("patient"))]

    def _write(self, some: Sequence[Frame], now_us: int) -> int:
        """Frames of one patient and period. Tried again when a compactor came between."""
        patient, period = some[0].patient, _period(some[0])
        span = {"whose": patient, "since": period * PERIOD_US, "until": (period + 1) * PERIOD_US}
        ciphers = {} if self._signal.keys is None else self._signal.keys.making([patient], now_us)
        once = {f.key: f for f in reversed(some)}
        for _ in range(_TRIES):
            with reading(self._engine) as connection:
                head = chain.newest(connection, patient)
                there = known(connection, span, self._signal.block_reader()) | hot_keys(connection, span)
            fresh = [f for key, f in once.items() if key not in there]
            rows = made_rows(fresh, ciphers, self._signal.objects)
            if not rows:
                return 0
            with writing(self._engine) as connection:
                if chain.locked_head(connection, patient)[0] == head:
                    chain.append(connection, patient, rows)
                    return len(fresh)
        raise Retryable(f"the archive of {patient} is busy")


def _period(frame: Frame) -> int:
    return frame.t0_us // PERIOD_US


def _next_begin(connection: Connection, patient: str, since_us: int) -> int | None:
    """When the next frame or block begins, at `since_us` or later."""
    begins = []
    for table, kept in ((frames, true()), (blocks, blocks.c.dropped_us.is_(None))):
        later = select(func.min(table.c.t0_us)).where(table.c.patient == patient, table.c.t0_us >= since_us, kept)
        begins.append(connection.scalar(later))
    return min((at for at in begins if at is not None), default=None)
