"""The ladder's facts: who is alarmed and unattended since when, and which steps were taken. Each step is taken once."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select

from liteheart.alarm import Alarm, Presence, Priority
from liteheart.care import Escalation, Unattended
from liteheart.ids import AlarmId
from storage import queries
from storage.engine import reading, writing
from storage.outbox import notify_letter, post
from storage.rows import Row, row_alarm
from storage.schema import OPEN, alarms, escalations


class Escalations:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def unattended(self) -> list[Unattended]:
        """Open live alarms of HIGH priority that nobody has acknowledged, the oldest first."""
        with reading(self._engine) as connection:
            waiting = _waiting(connection)
            names = [a.alarm_id for a in waiting]
            began = queries.activations(connection, names)
            taken: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
            for row in connection.execute(select(escalations).where(escalations.c.alarm_id.in_(names))):
                taken[row.alarm_id, row.episodes][row.step] = row.at_us
        return sorted(
            (Unattended(a, began.get(a.alarm_id, a.raised_us), dict(taken[a.alarm_id, a.episodes])) for a in waiting),
            key=lambda u: (u.activated_us, u.alarm.alarm_id),
        )

    def take(self, steps: Sequence[Escalation]) -> list[Escalation]:
        """Take the steps that nobody has taken, of alarms that still wait; those taken, with a letter to the notifier.

        An acknowledgement and a step cannot both win: the alarm's row is locked while it is looked at.
        """
        if not steps:
            return []
        with writing(self._engine) as connection:
            names = sorted({s.alarm_id for s in steps})
            waiting = {a.alarm_id: a for a in _waiting(connection, names)}
            wanted = [s for s in steps if s.alarm_id in waiting and waiting[s.alarm_id].episodes == s.episodes]
            taken = [s for s in wanted if _insert(connection, s)]
            post(connection, [_letter(waiting[s.alarm_id], s) for s in taken])
        return taken


def _waiting(connection: Connection, names: Sequence[AlarmId] | None = None) -> list[Alarm]:
    statement = select(alarms).where(
        OPEN,
        alarms.c.acknowledged_us.is_(None),
        alarms.c.priority >= int(Priority.HIGH),
        alarms.c.retrospective.is_(False),
    )
    if names is not None:
        statement = statement.where(alarms.c.alarm_id.in_(names)).order_by(alarms.c.alarm_id).with_for_update()
    found = [row_alarm(row) for row in connection.execute(statement)]
    return [a for a in found if a.presence is not Presence.OFF]


def _insert(connection: Connection, step: Escalation) -> bool:
    row = {name: getattr(step, name) for name in ("alarm_id", "episodes", "step", "owner", "due_us", "at_us")}
    statement = queries.insert_ignoring(connection, escalations).values(row).returning(escalations.c.step)
    return connection.execute(statement).one_or_none() is not None  # psycopg counts no rows of such a statement


def _letter(alarm: Alarm, step: Escalation) -> Row:
    return notify_letter(alarm, "escalated", step=step.step, owner=step.owner, due_us=step.due_us, at_us=step.at_us)
