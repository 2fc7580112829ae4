"""A bed holds one patient, whoever lays someone there at the same moment: the desk or the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from liteheart.errors import Conflict
from liteheart.ids import PatientId
from storage.schema import admissions, patients


@contextmanager
def one_to_a_bed(bed: str) -> Iterator[None]:
    """Around a transaction: what the unique index refuses is a bed that someone else took in this moment."""
    try:
        yield
    except IntegrityError:
        raise _taken(bed) from None


def is_free(connection: Connection, bed: str) -> bool:
    """Whether nobody lies there."""
    there = (patients.c.bed == bed) & patients.c.discharged_us.is_(None)
    return not connection.scalar(select(func.count()).select_from(patients).where(there))


def refuse_taken(connection: Connection, bed: str) -> None:
    """Raises Conflict where someone lies."""
    if not is_free(connection, bed):
        raise _taken(bed)


def lay(connection: Connection, patient: PatientId, bed: str, by: str, now_us: int) -> None:
    """From now on the patient lies there."""
    row = {"patient_id": patient, "bed": bed, "since_us": now_us, "by_whom": by}
    connection.execute(insert(admissions), row)


def leave(connection: Connection, patient: PatientId, by: str, now_us: int) -> None:
    """The patient's bed is free."""
    open_now = (admissions.c.patient_id == patient) & admissions.c.ended_us.is_(None)
    connection.execute(update(admissions).where(open_now).values(ended_us=now_us, ended_by=by))


def _taken(bed: str) -> Conflict:
    return Conflict("bed", f"someone lies in {bed}")
