"""Limits of one patient: only ever added to, the newest holds. `alerts/limits.py` says what may be set."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select

from liteheart.care import PatientLimits
from liteheart.ids import PatientId
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import patient_limits as table


class Limits:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def limits(self, patient: PatientId) -> PatientLimits | None:
        """What holds for the patient; None when nobody ever set any."""
        return next(iter(self.history(patient, 1)), None)

    def history(self, patient: PatientId, limit: int = 20) -> list[PatientLimits]:
        """What held, the newest first."""
        statement = select(table).where(table.c.patient == patient).order_by(table.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_limits(row) for row in connection.execute(statement)]

    def all(self) -> dict[PatientId, dict[str, float]]:
        """What holds for everyone who has limits of their own."""
        with reading(self._engine) as connection:
            return holding(connection)

    def set(self, patient: PatientId, limits: Mapping[str, float], by: str, now_us: int) -> PatientLimits:
        """Replace the patient's limits; an empty mapping gives back those of the ward."""
        values = dict(sorted(limits.items()))
        row = {"patient": patient, "limits": json.dumps(values), "by_whom": by, "at_us": now_us}
        with writing(self._engine) as connection:
            connection.execute(insert(table), row)
            note(connection, Deed(now_us, by, "limits-set", patient, {"limits": values}))
        return PatientLimits(patient, values, by, now_us)


def holding(connection: Connection, patient: PatientId | None = None) -> dict[PatientId, dict[str, float]]:
    """The limits that hold, of everyone or of one patient."""
    newest = select(func.max(table.c.id)).group_by(table.c.patient)
    if patient is not None:
        newest = newest.where(table.c.patient == patient)
    rows = connection.execute(select(table).where(table.c.id.in_(newest)))
    return {PatientId(row.patient): json.loads(row.limits) for row in rows}


def _limits(row: Any) -> PatientLimits:
    return PatientLimits(PatientId(row.patient), json.loads(row.limits), row.by_whom, row.at_us)
