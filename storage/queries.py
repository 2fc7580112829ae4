"""Selects that more than one port needs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from liteheart.alarm import Alarm
from liteheart.board import Awaited, PatientState
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
    """The latest state of every patient who was not discharged, with the bed, ordered by patient."""
    state, registry = schema.patient_state, schema.patients
    joined = state.outerjoin(registry, registry.c.patient_id == state.c.patient)
    here = registry.c.discharged_us.is_(None)
    statement = select(state, registry.c.bed).select_from(joined).where(here).order_by(state.c.patient)
    return [row_state(row) for row in connection.execute(statement)]


def awaited(connection: Connection) -> list[Awaited]:
    """Everybody who is here and has no state, ordered by patient. A pairing gives the device its time anew."""
    state, registry, codes = schema.patient_state, schema.patients, schema.pairings
    mine = (codes.c.patient_id == registry.c.patient_id) & codes.c.device.is_not(None)
    paired = select(func.max(codes.c.ended_us)).where(mine).scalar_subquery()
    joined = registry.outerjoin(state, registry.c.patient_id == state.c.patient)
    unheard = registry.c.discharged_us.is_(None) & state.c.patient.is_(None)
    statement = select(registry, paired.label("paired_us")).select_from(joined).where(unheard)
    return [
        Awaited(PatientId(row.patient_id), max(row.admitted_us or 0, row.paired_us or 0), row.bed)
        for row in connection.execute(statement.order_by(registry.c.patient_id))
    ]


def staying(connection: Connection) -> frozenset[PatientId]:
    """Who was admitted by someone and is here: laid in a bed, or given a device, whatever became of its token."""
    registry, beds, worn = schema.patients, schema.admissions, schema.devices
    lies = select(beds.c.patient_id).where(beds.c.ended_us.is_(None))
    chosen = registry.c.patient_id.in_(lies) | registry.c.patient_id.in_(select(worn.c.patient_id))
    rows = connection.execute(select(registry.c.patient_id).where(registry.c.discharged_us.is_(None), chosen))
    return frozenset(PatientId(row.patient_id) for row in rows)


def layouts(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The codes of every layout of scores; as many as there were sets of conditions, so a handful."""
    return {row.layout: split(row.codes) for row in connection.execute(select(schema.score_layouts))}


def insert_for(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, which knows ON CONFLICT."""
    return (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)


def insert_ignoring(connection: Connection, table: Table) -> Any:
    """An INSERT that skips a row whose key is there already."""
    return insert_for(connection, table).on_conflict_do_nothing()
