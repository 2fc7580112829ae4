"""The monitor's side of an alarm: it began, came back, ended. Storing an event twice changes nothing.

The row of the event is the guard: only an event that was not there before touches the alarm. So a replayed old
reactivation never takes back an acknowledgement that a nurse gave after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, case, null, select, update

from liteheart.alarm import Alarm, AlarmEvent
from storage.bulk import insert_new, insert_returning
from storage.rows import Row, alarm_row
from storage.schema import alarm_events, alarms

_ACKNOWLEDGEMENT = ("acknowledged_us", "acknowledged_by", "reason")

_SETTLE = (
    update(alarms)
    .where(alarms.c.alarm_id == bindparam("id"))
    .values(
        {name: bindparam(f"new_{name}") for name in ("active", "ended_us", "episodes", "message", "evidence")}
        | {name: case((bindparam("reopened"), null()), else_=alarms.c[name]) for name in _ACKNOWLEDGEMENT}
    )
)


@dataclass(slots=True)
class _Outcome:
    """What the new events of one alarm come to."""

    alarm: Alarm
    reopened: bool = False


def identity(event: AlarmEvent) -> tuple[str, str, int]:
    """(alarm_id, action, t_us)."""
    return (event.alarm.alarm_id, event.action, event.t_us)


def first_of_each(events: Sequence[AlarmEvent]) -> list[AlarmEvent]:
    """The events without repetitions. Raises ValueError for one that is not the monitor's to write."""
    if any(event.action == "acknowledged" for event in events):
        raise ValueError("a monitor does not acknowledge alarms, the dashboard does")
    return list({identity(event): event for event in reversed(events)}.values())[::-1]


def store_events(connection: Connection, events: Sequence[AlarmEvent]) -> tuple[AlarmEvent, ...]:
    """Store the events and what they say of their alarms; those that were new, with the acknowledgement that holds."""
    if not events:
        return ()
    unique = first_of_each(events)
    beginnings = {event.alarm.alarm_id: event.alarm for event in reversed(unique)}
    insert_new(connection, alarms, [alarm_row(beginnings[key]) for key in sorted(beginnings)])
    columns = (alarm_events.c.alarm_id, alarm_events.c.action, alarm_events.c.t_us)
    rows = sorted((_event_row(event) for event in unique), key=lambda r: (r["alarm_id"], r["t_us"]))
    stored = insert_returning(connection, alarm_events, rows, columns)
    new = [event for event in unique if identity(event) in stored]
    _settle(connection, new)
    return _with_acknowledgement(connection, new)


def _settle(connection: Connection, new: Sequence[AlarmEvent]) -> None:
    outcomes: dict[str, _Outcome] = {}
    for event in new:
        if event.action == "raised":
            continue  # the row was inserted so
        outcome = outcomes.setdefault(event.alarm.alarm_id, _Outcome(event.alarm))
        outcome.alarm = event.alarm
        outcome.reopened |= event.action == "reactivated"
    if outcomes:
        connection.execute(_SETTLE, [_settling(key, outcomes[key]) for key in sorted(outcomes)])


def _settling(key: str, outcome: _Outcome) -> Row:
    row = alarm_row(outcome.alarm)
    return {
        "id": key,
        "reopened": outcome.reopened,
        "new_active": row["active"],
        "new_ended_us": None if row["active"] else row["ended_us"],
        "new_episodes": row["episodes"],
        "new_message": row["message"],
        "new_evidence": row["evidence"],
    }


def _event_row(event: AlarmEvent) -> Row:
    return {
        "alarm_id": event.alarm.alarm_id,
        "action": event.action,
        "t_us": event.t_us,
        "at_us": event.at_us,
        "by_whom": None,
        "reason": None,
    }


def _with_acknowledgement(connection: Connection, new: Sequence[AlarmEvent]) -> tuple[AlarmEvent, ...]:
    """An alarm that ends keeps its acknowledgement; one that begins or comes back has none."""
    ended = sorted({event.alarm.alarm_id for event in new if event.action == "ended"})
    columns = [alarms.c[name] for name in _ACKNOWLEDGEMENT]
    found: dict[str, dict[str, Any]] = {}
    if ended:
        for row in connection.execute(select(alarms.c.alarm_id, *columns).where(alarms.c.alarm_id.in_(ended))):
            found[row.alarm_id] = {name: getattr(row, name) for name in _ACKNOWLEDGEMENT}
    nobody = dict.fromkeys(_ACKNOWLEDGEMENT)
    return tuple(
        replace(e, alarm=replace(e.alarm, **(found[e.alarm.alarm_id] if e.action == "ended" else nobody))) for e in new
    )
