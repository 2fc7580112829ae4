"""A patient is erased: the key is destroyed, then everything that it sealed or that tells of the signal is deleted.

    audit: begun -> key destroyed -> rows, a bounded number at a time -> objects -> audit: erased -> files of SQLite

The key goes first: from then on the signal, the overviews, the notes and the identity are noise, wherever copies of
them lie. Whatever breaks off afterwards is completed by `sweep`, which a monitor runs; so is what a broker delivers
late, and what comes back when a backup of before is restored. What stays: the pseudonym, that it was erased, the audit,
alarms without the figures that raised them, for those are the ward's record of what its staff did, and keyed digests of
files that were imported, so that nobody brings them back by accident.
"""

import logging
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, delete, func, select, tuple_, update

from liteheart.errors import Conflict, Poison
from liteheart.ids import PatientId
from storage import schema
from storage.archive.objects import Objects
from storage.audit import Deed, note
from storage.beds import leave
from storage.devices import end_devices
from storage.engine import forget_deleted, reading, writing
from storage.keys import Keyring
from storage.pairing import end_codes

log = logging.getLogger(__name__)

_AT_ONCE: Final = 2000  # rows to a transaction, so that the monitor never waits for long
_SWEPT: Final = 50  # patients in one step

# Everything with a patient in it that is deleted, what holds signal first.
TABLES: Final[tuple[tuple[Table, str], ...]] = (
    (schema.frames, "patient"),
    (schema.damaged_frames, "patient"),
    (schema.blocks, "patient"),
    (schema.block_heads, "patient"),
    (schema.overviews, "patient"),
    (schema.findings, "patient"),
    (schema.notes, "patient"),
    (schema.identities, "patient_id"),
    (schema.break_glass, "patient_id"),
    (schema.patient_state, "patient"),
    (schema.checkpoints, "patient"),
    (schema.patient_limits, "patient"),
    (schema.audio_pauses, "patient"),
    (schema.subjects, "patient"),
    (schema.consents, "patient"),
    (schema.pairings, "patient_id"),
    (schema.admissions, "patient_id"),
    (schema.outbox, "key"),
)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be: rows by table, objects, alarms that stay without their evidence."""

    patient: PatientId
    key: bool  # there was one, and it is destroyed
    rows: dict[str, int] = field(default_factory=dict)
    objects: int = 0
    alarms: int = 0
    files: bool = True  # deleted bytes have left the files; False: readers held it up, the monitor tries again


class Erasure:
    """Over SQL. Every method raises Retryable when the database or the object store does not answer."""

    def __init__(self, engine: Engine, keys: Keyring, objects: Objects | None = None) -> None:
        self._engine, self._keys, self._objects = engine, keys, objects
        self._swept: dict[str, int] = {}  # whom, and the erasure of when

    def plan(self, patient: PatientId) -> Erased:
        """What would go. Raises Poison for a patient of whom nothing is known."""
        has_key = bool(self._keys.has([patient]))
        with reading(self._engine) as connection:
            rows = {table.name: _count(connection, table, column, patient) for table, column in TABLES}
            objects = len(_objects_of(connection, patient))
            known = _row_of(connection, patient) is not None
            alarms = _count(connection, schema.alarms, "patient", patient)
        if not (known or has_key or alarms or any(rows.values())):
            raise Poison("patient", f"nothing is known of {patient}")
        return Erased(patient, has_key, {name: n for name, n in rows.items() if n}, objects, alarms)

    def erase(self, patient: PatientId, by: str, reason: str, now_us: int, *, force: bool = False) -> Erased:
        """Erase. May be repeated. Raises Conflict while the patient is here unless `force` ends the stay; Poison for
        a patient of whom nothing is known.
        """
        plan = self.plan(patient)
        with writing(self._engine) as connection:
            row = _row_of(connection, patient, lock=True)
            if row is not None and row.discharged_us is None and not force:
                raise Conflict("patient", f"{patient} is here: discharge first, or end the stay by force")
            ended = _end_stay(connection, patient, by, now_us)
            note(connection, Deed(now_us, by, "erasure-begun", patient, {"reason": reason, "devices": ended}))
        key = self._keys.destroy(patient, now_us)
        gone = self._delete(patient, now_us)
        rows = {name: gone.get(name, 0) for name in gone if gone[name]}
        with writing(self._engine) as connection:
            alarms = _strip_alarms(connection, patient, now_us)
            detail = {"reason": reason, "key": key, "rows": rows, "objects": plan.objects, "alarms": alarms}
            note(connection, Deed(now_us, by, "erased", patient, detail))
        log.warning("patient erased", extra={"patient": patient, "by": by})
        return Erased(patient, key, rows, plan.objects, alarms, self._leave_files())

    def sweep(self, now_us: int) -> int:
        """Of those who were erased and are not here, delete what came since or was left; how many rows.

        Everybody once after a start, and again after each erasure.
        """
        gone, swept = 0, 0
        for patient, at_us in sorted(self._keys.erased().items()):
            if self._swept.get(patient) == at_us or swept == _SWEPT:
                continue
            swept += 1
            with reading(self._engine) as connection:
                row = _row_of(connection, PatientId(patient))
            if row is not None and row.discharged_us is None:
                if (row.admitted_us or 0) > at_us:
                    continue  # the pseudonym was given again
                with writing(self._engine) as connection:  # a backup of before was put back
                    _end_stay(connection, PatientId(patient), "erasure", now_us)
            found = sum(self._delete(PatientId(patient), now_us).values())
            if self._keys.has([patient]):  # made by a monitor that got a frame late
                self._keys.destroy(patient, now_us)
            if found:
                log.warning("rows of an erased patient deleted", extra={"patient": patient, "rows": found})
                gone += found
            if now_us - at_us > _SETTLED_US:
                self._swept[patient] = at_us
        if gone:
            self._leave_files()
        return gone

    def _delete(self, patient: PatientId, now_us: int) -> dict[str, int]:
        """Rows by table; objects when their rows are gone."""
        with reading(self._engine) as connection:
            objects = _objects_of(connection, patient)
        told = self._delete_notices(patient)
        rows = {table.name: self._delete_all(table, table.c[column] == patient) for table, column in TABLES}
        if self._objects is not None:
            for name in objects - self._still_named(objects):
                self._objects.delete(name)
        return rows | {"notifications": told}

    def _delete_notices(self, patient: PatientId) -> int:
        mine = select(schema.alarms.c.alarm_id).where(schema.alarms.c.patient == patient)
        return self._delete_all(schema.notifications, schema.notifications.c.alarm_id.in_(mine))

    def _delete_all(self, table: Table, mine: Any) -> int:
        keys = list(table.primary_key.columns)
        some = select(*keys).where(mine).limit(_AT_ONCE)
        statement, total = delete(table).where(tuple_(*keys).in_(some)), 0
        while True:
            with reading(self._engine) as connection:
                if connection.execute(select(*keys).where(mine).limit(1)).first() is None:
                    return total
            with writing(self._engine) as connection:
                total += connection.execute(statement).rowcount

    def _still_named(self, names: set[str]) -> set[str]:
        """Objects of the same content that another block names."""
        found: set[str] = set()
        some = sorted(names)
        with reading(self._engine) as connection:
            for start in range(0, len(some), 500):
                mine = schema.blocks.c.object.in_(some[start : start + 500])
                found |= set(connection.scalars(select(schema.blocks.c.object).where(mine)))
        return found

    def _leave_files(self) -> bool:
        return forget_deleted(self._engine, [table.name for table, _ in TABLES])


_SETTLED_US: Final = 24 * 3600 * 1_000_000  # after an erasure it is looked again and again for so long


def _row_of(connection: Connection, patient: PatientId, *, lock: bool = False) -> Any:
    statement = select(schema.patients).where(schema.patients.c.patient_id == patient)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def _end_stay(connection: Connection, patient: PatientId, by: str, now_us: int) -> list[str]:
    """Not here any more, nor are the devices, which are given back."""
    ended = end_devices(connection, patient, now_us)
    end_codes(connection, patient, now_us)
    leave(connection, patient, by, now_us)
    left = func.coalesce(schema.patients.c.discharged_us, now_us)
    mine = schema.patients.c.patient_id == patient
    connection.execute(update(schema.patients).where(mine).values(discharged_us=left, bed=""))
    return ended


def _count(connection: Connection, table: Table, column: str, patient: PatientId) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(table.c[column] == patient)) or 0


def _objects_of(connection: Connection, patient: PatientId) -> set[str]:
    mine = (schema.blocks.c.patient == patient) & schema.blocks.c.object.is_not(None)
    return {str(name) for name in connection.scalars(select(schema.blocks.c.object).where(mine))}


def _strip_alarms(connection: Connection, patient: PatientId, now_us: int) -> int:
    """Alarms end, and stay without what raised them; how many there are."""
    table = schema.alarms
    ended = func.coalesce(table.c.ended_us, now_us)
    bare = {"message": "", "evidence": "{}", "active": False, "ended_us": ended}
    return int(connection.execute(update(table).where(table.c.patient == patient).values(bare)).rowcount)
