"""What a patient agreed to. Only ever added to: the newest word of a patient on a scope holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select

from liteheart.errors import Poison
from liteheart.ids import PatientId
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import consents
from storage.subjects import is_known

SCOPES: Final = ("research", "training", "export")  # looked at in studies; learned from; leaves this house


@dataclass(frozen=True, slots=True)
class Consent:
    """One word of one patient."""

    patient: PatientId
    scope: str
    given: bool  # False: withdrawn, or refused
    by: str  # who wrote it down
    at_us: int


class Consents:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def say(self, patient: PatientId, scope: str, given: bool, *, by: str, now_us: int) -> bool:
        """Write down that consent was given or withdrawn; False for a patient whom nobody knows.

        Raises Poison for a scope that is none of SCOPES.
        """
        check_scopes([scope])
        row = {"patient": patient, "scope": scope, "given": given, "by_whom": by, "at_us": now_us}
        with writing(self._engine) as connection:
            if not is_known(connection, patient):
                return False
            connection.execute(insert(consents), row)
            action = "consent-given" if given else "consent-withdrawn"
            note(connection, Deed(now_us, by, action, patient, {"scope": scope}))
        return True

    def of(self, patient: PatientId) -> list[Consent]:
        """What holds now, by scope; a scope on which nothing was said is not there, and not consented to."""
        newest = select(func.max(consents.c.id)).where(consents.c.patient == patient).group_by(consents.c.scope)
        return self._read(consents.c.id.in_(newest), order=consents.c.scope)

    def history(self, patient: PatientId) -> list[Consent]:
        """Everything that was ever said, the newest first."""
        return self._read(consents.c.patient == patient, order=consents.c.id.desc())

    def _read(self, where: ColumnElement[bool], order: ColumnElement[Any]) -> list[Consent]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(consents).where(where).order_by(order))
            return [Consent(PatientId(r.patient), r.scope, r.given, r.by_whom, r.at_us) for r in rows]


def consenting(connection: Connection, scopes: Iterable[str]) -> set[str] | None:
    """Patients who agree to every one of `scopes` now; None without scopes: everybody."""
    wanted = sorted(set(scopes))
    check_scopes(wanted)
    if not wanted:
        return None
    newest = select(func.max(consents.c.id)).where(consents.c.scope.in_(wanted))
    newest = newest.group_by(consents.c.patient, consents.c.scope)
    held = select(consents.c.patient).where(consents.c.id.in_(newest), consents.c.given)
    agreed = held.group_by(consents.c.patient).having(func.count() == len(wanted))
    return set(connection.scalars(agreed))


def check_scopes(scopes: Iterable[str]) -> None:
    """Raises Poison for what is none of SCOPES."""
    for scope in scopes:
        if scope not in SCOPES:
            raise Poison("scope", f"must be one of {', '.join(SCOPES)}")
