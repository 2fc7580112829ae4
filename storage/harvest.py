"""What of the store a refresh may learn from: who agreed to it, what people said of alarms, which kind of device.

Windows themselves are read by `storage.cohort`, a page at a time; pseudonyms end here: what leaves bears a salted name.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select

from liteheart.finding import Finding
from liteheart.ids import ModelVersion, PatientId
from storage.cohort import readings
from storage.consents import consenting
from storage.engine import reading
from storage.rows import row_alarm
from storage.schema import alarms, findings
from storage.subjects import all_subjects

SCOPE: Final = "training"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of one alarm when it was acknowledged."""

    alarm: str
    patient: PatientId
    condition: str
    onset_us: int
    by: str
    reason: str


class Harvest:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def agreeing(self) -> set[PatientId]:
        """Who agrees now that windows of theirs are learned from."""
        with reading(self._engine) as connection:
            return {PatientId(p) for p in consenting(connection, [SCOPE]) or ()}

    def sites(self) -> Mapping[PatientId, str]:
        """Where each patient is; those of whom nobody said it are not there."""
        with reading(self._engine) as connection:
            return {PatientId(p): s.site for p, s in all_subjects(connection).items() if s.site}

    def readings(self, patient: PatientId, since_us: int, until_us: int, model: ModelVersion) -> Iterator[Finding]:
        """What `model` said of the windows that began within [since, until), the oldest first, a page at a time."""
        yield from readings(self._engine, patient, (since_us, until_us), [findings.c.model == model])

    def words(self, since_us: int, until_us: int) -> Iterator[Word]:
        """Of alarms that began within [since, until) and that were acknowledged with a reason; who agrees alone."""
        agreed, after = self.agreeing(), ""
        within = alarms.c.onset_us.between(since_us, until_us - 1)
        said = alarms.c.reason.is_not(None) & alarms.c.acknowledged_by.is_not(None)
        while True:
            page = select(alarms).where(within, said, alarms.c.alarm_id > after).order_by(alarms.c.alarm_id)
            with reading(self._engine) as connection:
                found = [row_alarm(row) for row in connection.execute(page.limit(_PAGE))]
            for a in found:
                if a.patient in agreed and a.reason is not None and a.acknowledged_by is not None:
                    yield Word(a.alarm_id, a.patient, a.condition, a.onset_us, a.acknowledged_by, a.reason)
            if len(found) < _PAGE:
                return
            after = found[-1].alarm_id


def bare(patient: PatientId, salt: bytes) -> str:
    """A name that cannot be traced back without the salt, which is forgotten when the attempt is over."""
    return hmac.new(salt, patient.encode(), hashlib.sha256).hexdigest()[:16]
