"""What is kept for how long, by class: what is over is deleted a bounded number of rows at a time, and audited.

    signal            blocks, hot frames and overviews of no alarm
    signal of alarms  blocks within `around_s` of an alarm's onset and end
    findings          readings of windows
    audit, alarms, notes: never

A block is dropped as a whole. Where older ones are kept its row stays as a link of the chain without signal; at the old
end of the chain links are deleted, and what is left can be verified from its begin.
"""

import logging
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, exists, or_, select, tuple_, update

from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured
from storage.archive import chain
from storage.archive.objects import Objects
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import alarms, blocks, damaged_frames, findings, frames, overviews

log = logging.getLogger(__name__)

_HOUR_US: Final = 3600 * US_PER_S
_BLOCKS: Final = 500  # in one step
_ROWS: Final = 5000  # likewise, of each table
BY: Final = "retention"


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days; 0 keeps for ever. Raises Misconfigured naming the key that is wrong."""

    signal_d: float = 0.0  # signal of no alarm; how long is the clinic's to say, so nothing is deleted unless told
    alarm_signal_d: float = 0.0  # signal around alarms, at least as long as other signal
    findings_d: float = 0.0  # the student's readings
    around_s: float = 300.0  # before an alarm's onset and after its end

    def __post_init__(self) -> None:
        for f in fields(self):
            if not getattr(self, f.name) >= 0:
                raise Misconfigured(f"retention.{f.name}", "must not be negative")
        for name in ("signal_d", "alarm_signal_d", "findings_d"):
            if 0 < getattr(self, name) < 1:
                raise Misconfigured(f"retention.{name}", "must be a day or more, or 0 for ever")
        if self.signal_d and 0 < self.alarm_signal_d < self.signal_d:
            raise Misconfigured("retention.alarm_signal_d", "must be as long as retention.signal_d or longer")


class Retention:
    """Over SQL. Every method raises Retryable when the database or the object store does not answer."""

    def __init__(self, engine: Engine, settings: RetentionSettings, objects: Objects | None = None) -> None:
        self._engine, self._settings, self._objects = engine, settings, objects
        self._swept_us = 0  # when orphans were looked for

    def step(self, now_us: int) -> dict[str, int]:
        """A bounded piece of the work; what it deleted, by table."""
        gone = {"blocks": self._blocks(now_us)}
        for table, before_us in (
            (frames, _before(self._settings.alarm_signal_d, now_us)),  # the few that are never compacted
            (damaged_frames, _before(self._settings.alarm_signal_d, now_us)),
            (findings, _before(self._settings.findings_d, now_us)),
        ):
            gone[table.name] = 0 if before_us is None else self._rows(table, table.c.t0_us < before_us, now_us)
        before_us = _before(self._settings.signal_d, now_us)
        if before_us is not None:
            gone["overviews"] = self._rows(overviews, overviews.c.minute < before_us // (60 * US_PER_S), now_us)
        return {name: n for name, n in gone.items() if n}

    def sweep_objects(self, now_us: int, older_us: int) -> int:
        """Once in `older_us`, delete objects that are older than that and that no block names; how many."""
        if self._objects is None or now_us < self._swept_us + older_us:
            return 0
        self._swept_us, orphans = now_us, 0
        for name in self._objects.names(now_us - older_us):
            with reading(self._engine) as connection:
                named = connection.execute(select(blocks.c.id).where(blocks.c.object == name).limit(1)).first()
            if named is None:
                self._objects.delete(name)
                orphans += 1
        return orphans

    def _blocks(self, now_us: int) -> int:
        with reading(self._engine) as connection:
            due = _due(connection, self._settings, now_us)
        objects: set[str] = set()
        for patient, ids in due.items():
            with writing(self._engine) as connection:
                chain.locked_head(connection, patient)
                mine = blocks.c.id.in_(ids) & blocks.c.dropped_us.is_(None)
                objects |= {str(o) for o in connection.scalars(select(blocks.c.object).where(mine)) if o}
                bare = {"dropped_us": now_us, "meta": b"", "payload": None, "object": None}
                dropped = connection.execute(update(blocks).where(mine).values(bare)).rowcount
                chain.trim(connection, patient)
                if dropped:
                    note(connection, Deed(now_us, BY, "signal-expired", patient, {"blocks": dropped}))
        for name in sorted(objects):
            self._delete_object(name)
        return sum(len(ids) for ids in due.values())

    def _delete_object(self, name: str) -> None:
        with reading(self._engine) as connection:
            named = connection.execute(select(blocks.c.id).where(blocks.c.object == name).limit(1)).first()
        if named is None and self._objects is not None:
            self._objects.delete(name)

    def _rows(self, table: Table, mine: ColumnElement[bool], now_us: int) -> int:
        keys = list(table.primary_key.columns)
        some = select(*keys).where(mine).limit(_ROWS)
        with writing(self._engine) as connection:
            gone = connection.execute(delete(table).where(tuple_(*keys).in_(some))).rowcount
            if gone:
                note(connection, Deed(now_us, BY, "rows-expired", table.name, {"rows": gone}))
        return int(gone)


def _before(days: float, now_us: int) -> int | None:
    """The begin of the day that is still kept, so that a patient's signal expires once a day; None: for ever."""
    day_us = 24 * _HOUR_US
    return None if not days else (now_us - round(days * day_us)) // day_us * day_us


def _due(connection: Connection, settings: RetentionSettings, now_us: int) -> dict[str, list[int]]:
    """Blocks to be dropped, by patient."""
    before_us, alarmed_us = _before(settings.signal_d, now_us), _before(settings.alarm_signal_d, now_us)
    if before_us is None:
        return {}
    around_us = round(settings.around_s * US_PER_S)
    touched = exists().where(
        alarms.c.patient == blocks.c.patient,
        alarms.c.onset_us < blocks.c.t1_us + around_us,
        or_(alarms.c.ended_us.is_(None), alarms.c.ended_us > blocks.c.t0_us - around_us),
    )
    over = and_(blocks.c.t1_us < before_us, ~touched)
    if alarmed_us is not None:
        over = or_(over, blocks.c.t1_us < alarmed_us)
    statement = select(blocks.c.patient, blocks.c.id).where(over, blocks.c.dropped_us.is_(None))
    found: dict[str, list[int]] = {}
    for row in connection.execute(statement.order_by(blocks.c.patient, blocks.c.id).limit(_BLOCKS)):
        found.setdefault(row.patient, []).append(row.id)
    return found
