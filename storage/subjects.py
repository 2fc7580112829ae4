"""What cohorts are chosen by: site, sex and year of birth of a pseudonym. Nothing here names anyone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Column, Connection, Engine, select

from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.ids import PatientId, is_identifier
from storage import queries
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import blocks, findings, frames, imports, patient_state, patients, subjects

SEXES: Final = ("female", "male", "other", "unknown")
OLDEST: Final = 130  # years


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a patient without knowing who it is."""

    patient: PatientId
    site: str = ""  # where the patient is looked after; empty: nobody said
    sex: str = "unknown"  # one of SEXES
    birth_year: int | None = None


class Subjects:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set(self, subject: Subject, *, by: str, now_us: int) -> bool:
        """Keep it or say it anew; False for a patient whom nobody knows. Raises Poison naming what cannot be."""
        check(subject, now_us)
        with writing(self._engine) as connection:
            if not is_known(connection, subject.patient):
                return False
            keep_subject(connection, subject, by, now_us)
        return True

    def say(self, patient: PatientId, site: str, sex: str, birth_year: int | None, *, by: str, now_us: int) -> bool:
        """The same, said in single words."""
        return self.set(Subject(patient, site, sex, birth_year), by=by, now_us=now_us)

    def of(self, patient: PatientId) -> Subject | None:
        """None where nobody said anything."""
        with reading(self._engine) as connection:
            row = connection.execute(select(subjects).where(subjects.c.patient == patient)).one_or_none()
        return None if row is None else Subject(PatientId(row.patient), row.site, row.sex, row.birth_year)

    def knows(self, patient: PatientId) -> bool:
        """Whether anything at all is kept of that patient."""
        with reading(self._engine) as connection:
            return is_known(connection, patient)


def check(subject: Subject, now_us: int) -> None:
    """Raises Poison for a site, sex or year of birth that cannot be."""
    if subject.site and not is_identifier(subject.site):
        raise Poison("site", "must be 1 to 64 letters, digits or . _ : -")
    if subject.sex not in SEXES:
        raise Poison("sex", f"must be one of {', '.join(SEXES)}")
    this_year = datetime.fromtimestamp(now_us / US_PER_S, UTC).year
    if subject.birth_year is not None and not this_year - OLDEST <= subject.birth_year <= this_year:
        raise Poison("birth_year", f"must be {this_year - OLDEST} to {this_year}")


def keep_subject(connection: Connection, subject: Subject, by: str, now_us: int) -> None:
    """Write it as part of the caller's transaction. The audit tells that it was said, not what."""
    row = {"site": subject.site, "sex": subject.sex, "birth_year": subject.birth_year}
    statement = queries.insert_for(connection, subjects)
    statement = statement.on_conflict_do_update(index_elements=[subjects.c.patient], set_=row)
    connection.execute(statement, {"patient": subject.patient} | row)
    note(connection, Deed(now_us, by, "subject-set", subject.patient))


def all_subjects(connection: Connection) -> dict[str, Subject]:
    """By patient."""
    rows = connection.execute(select(subjects))
    return {row.patient: Subject(PatientId(row.patient), row.site, row.sex, row.birth_year) for row in rows}


def is_known(connection: Connection, patient: PatientId) -> bool:
    """Whether the patient was admitted, imported, or ever heard of."""
    columns = (patients.c.patient_id, patient_state.c.patient, imports.c.patient, frames.c.patient, blocks.c.patient)
    return any(connection.execute(select(c).where(c == patient).limit(1)).first() is not None for c in columns)


def with_data(connection: Connection) -> list[PatientId]:
    """Everybody of whom signal or findings are kept, by pseudonym: one look into an index for each."""
    columns = (frames.c.patient, blocks.c.patient, findings.c.patient)
    return sorted({PatientId(name) for column in columns for name in _distinct(connection, column)})


def _distinct(connection: Connection, column: Column[str]) -> Iterable[str]:
    last = ""
    while (name := connection.scalar(select(column).where(column > last).order_by(column).limit(1))) is not None:
        yield name
        last = name
