"""Who did what, when: written in the transaction of the deed itself, never changed."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from storage.engine import reading
from storage.schema import audit


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit."""

    at_us: int
    by: str
    action: str
    subject: str  # patient, station or alarm
    detail: dict[str, Any]


def note(connection: Connection, deed: Deed) -> None:
    """Write the line, as part of the caller's transaction."""
    detail = json.dumps(deed.detail, separators=(",", ":"), sort_keys=True)
    row = {"at_us": deed.at_us, "by_whom": deed.by, "action": deed.action, "subject": deed.subject, "detail": detail}
    connection.execute(insert(audit), row)


class Audit:
    """Reads the audit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self, limit: int = 100, subject: str | None = None) -> list[Deed]:
        """The newest first. Raises Retryable when the database does not answer."""
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        with reading(self._engine) as connection:
            return [
                Deed(row.at_us, row.by_whom, row.action, row.subject, json.loads(row.detail))
                for row in connection.execute(statement)
            ]
