"""Selects that more than one port needs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from liteheart.alarm import Alarm
from liteheart.board import PatientState
from liteheart.ids import AlarmId, PatientId
from storage import schema
from storage.rows import row_alarm, row_state, split

_IN = 500  # names to an IN list


def alarms(
    connection: Connection,
    *,
    open_only: bool,
    limit: int | None,
    patient: PatientId | None = None,
    condition: str | None = None,
) -> list[Alarm]:
    """Open alarms, the most urgent first and the newest of equals; or all of them, the newest first."""
    table = schema.alarms
    statement = select(table).limit(limit)
    if open_only:
        statement = statement.where(schema.OPEN).order_by(table.c.priority.desc())
    if patient is not None:
        statement = statement.where(table.c.patient == patient)
    if condition is not None:
        statement = statement.where(table.c.condition == condition)
    statement = statement.order_by(table.c.raised_us.desc(), table.c.alarm_id)
    return [row_alarm(row) for row in connection.execute(statement)]


def activations(connection: Connection, names: Sequence[AlarmId]) -> dict[str, int]:
    """Of each of these alarms, the clock at which its present episode was raised or reactivated."""
    event = schema.alarm_events
    began: dict[str, int] = {}
    for start in range(0, len(names), _IN):
        statement = (
            select(event.c.alarm_id, func.max(event.c.at_us).label("at_us"))
            .where(event.c.alarm_id.in_(names[start : start + _IN]), event.c.action.in_(("raised", "reactivated")))
            .group_by(event.c.alarm_id)
        )
        began |= {row.alarm_id: row.at_us for row in connection.execute(statement)}
    return began


def states(connection: Connection) -> list[PatientState]:
    """The latest state of every patient, with the bed, ordered by patient."""
    state, registry = schema.patient_state, schema.patients
    joined = state.outerjoin(registry, registry.c.patient_id == state.c.patient)
    statement = select(state, registry.c.bed).select_from(joined).order_by(state.c.patient)
    return [row_state(row) for row in connection.execute(statement)]


def layouts(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The codes of every layout of scores; as many as there were sets of conditions, so a handful."""
    return {row.layout: split(row.codes) for row in connection.execute(select(schema.score_layouts))}


def insert_for(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, which knows ON CONFLICT."""
    return (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)


def insert_ignoring(connection: Connection, table: Table) -> Any:
    """An INSERT that skips a row whose key is there already."""
    return insert_for(connection, table).on_conflict_do_nothing()
