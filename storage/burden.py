"""What became of alarms: each of a patient's with all that followed, and every call for attention of a stretch of time.

raised ....... acknowledged ... ended ... reactivated ... acknowledged, with a reason ... the reason added later
|-- activation, answered ----------------|-- another activation ---------------------------------------------|
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, or_, select

from liteheart.alarm import Kind, Priority
from liteheart.care import Escalation
from liteheart.history import Activation, AlarmStep, AlarmStory
from liteheart.ids import AlarmId, PatientId
from storage.engine import reading
from storage.notifications import delivery
from storage.rows import row_alarm
from storage.schema import OPEN, alarm_events, alarms, audio_pauses, escalations, notifications

_BEGINS: Final = ("raised", "reactivated")
_ORDER: Final = {"raised": 0, "reactivated": 1, "acknowledged": 2, "ended": 3}  # of what happened in the same moment
_FACTS: Final = [alarms.c[n] for n in ("patient", "condition", "label", "kind", "priority", "retrospective")]
Pause = tuple[int, int, int]  # began, ended, priority


class AlarmHistory:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_patient(
        self, patient: PatientId, since_us: int, limit: int, conditions: Collection[str] | None = None
    ) -> list[AlarmStory]:
        """Alarms raised at `since_us` or later, or open; the newest first. Of these conditions, or of all."""
        statement = (
            select(alarms)
            .where(alarms.c.patient == patient, or_(alarms.c.raised_us >= since_us, OPEN))
            .order_by(alarms.c.raised_us.desc(), alarms.c.alarm_id)
            .limit(limit)
        )
        if conditions is not None:
            statement = statement.where(alarms.c.condition.in_(sorted(conditions)))
        with reading(self._engine) as connection:
            found = [row_alarm(row) for row in connection.execute(statement)]
            names = [alarm.alarm_id for alarm in found]
            steps = _steps(connection, names)
            told, taken = _deliveries(connection, names), _escalations(connection, names)
        return [
            AlarmStory(a, tuple(steps[a.alarm_id]), tuple(told[a.alarm_id]), tuple(taken[a.alarm_id])) for a in found
        ]

    def activations(self, since_us: int, until_us: int) -> list[Activation]:
        """Each time in [since_us, until_us) that an alarm called, the oldest first, as it stands now."""
        statement = (
            select(alarm_events, *_FACTS)
            .join(alarms, alarms.c.alarm_id == alarm_events.c.alarm_id)
            .where(alarm_events.c.at_us >= since_us, alarm_events.c.action != "ended")
        )
        with reading(self._engine) as connection:
            events = connection.execute(statement).all()
            pauses = _pauses(connection, since_us)
        by_alarm: dict[str, list[Any]] = defaultdict(list)
        for row in sorted(events, key=lambda e: (e.at_us, _ORDER[e.action])):
            by_alarm[row.alarm_id].append(row)
        found = [a for rows in by_alarm.values() for a in _paired(rows, pauses) if a.at_us < until_us]
        return sorted(found, key=lambda a: (a.at_us, a.alarm_id))


def _paired(events: Iterable[Any], pauses: dict[str, list[Pause]]) -> Iterator[Activation]:
    """Of one alarm's events in order, each activation with the acknowledgement that came before the next."""
    begun: Any = None
    answers: list[Any] = []
    for event in events:
        if event.action not in _BEGINS:
            answers.append(event)
            continue
        if begun is not None:
            yield _activation(begun, answers, pauses)
        begun, answers = event, []
    if begun is not None:
        yield _activation(begun, answers, pauses)


def _activation(event: Any, answers: Sequence[Any], pauses: dict[str, list[Pause]]) -> Activation:
    held = event.priority < Priority.HIGH and any(
        began <= event.at_us < ended and event.priority <= worst
        for began, ended, worst in pauses.get(event.patient, ())
    )
    return Activation(
        alarm_id=AlarmId(event.alarm_id),
        patient=PatientId(event.patient),
        condition=event.condition,
        label=event.label,
        kind=Kind(event.kind),
        priority=Priority(event.priority),
        at_us=event.at_us,
        audible=not event.retrospective and event.priority > Priority.INFO and not held,
        acknowledged_us=answers[0].at_us if answers else None,
        acknowledged_by=answers[0].by_whom if answers else None,
        reason=next((a.reason for a in answers if a.reason is not None), None),
    )


def _pauses(connection: Connection, since_us: int) -> dict[str, list[Pause]]:
    """Of single patients. A pause of a station leaves the alarm audible at the others."""
    table = audio_pauses
    ended = func.coalesce(table.c.ended_us, table.c.until_us)
    statement = select(table.c.patient, table.c.began_us, ended.label("ended"), table.c.priority)
    found: dict[str, list[Pause]] = defaultdict(list)
    for row in connection.execute(statement.where(table.c.until_us > since_us, table.c.patient.is_not(None))):
        found[row.patient].append((row.began_us, row.ended, row.priority))
    return found


def _steps(connection: Connection, names: Sequence[AlarmId]) -> dict[str, list[AlarmStep]]:
    rows = connection.execute(select(alarm_events).where(alarm_events.c.alarm_id.in_(names)))
    found: dict[str, list[AlarmStep]] = defaultdict(list)
    for row in sorted(rows, key=lambda e: (e.at_us, _ORDER[e.action])):
        found[row.alarm_id].append(AlarmStep(row.action, row.t_us, row.at_us, row.by_whom, row.reason))
    return found


def _deliveries(connection: Connection, names: Sequence[AlarmId]) -> dict[str, list[Any]]:
    table = notifications
    rows = connection.execute(
        select(table).where(table.c.alarm_id.in_(names)).order_by(table.c.created_us, table.c.key)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.alarm_id].append(delivery(row))
    return found


def _escalations(connection: Connection, names: Sequence[AlarmId]) -> dict[str, list[Escalation]]:
    table = escalations
    rows = connection.execute(select(table).where(table.c.alarm_id.in_(names)).order_by(table.c.at_us, table.c.step))
    found: dict[str, list[Escalation]] = defaultdict(list)
    for row in rows:
        step = Escalation(AlarmId(row.alarm_id), row.episodes, row.step, row.owner, row.due_us, row.at_us)
        found[row.alarm_id].append(step)
    return found
