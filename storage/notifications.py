"""Notices on their way: from the outbox into one delivery for each target, and what became of each.

    outbox (topic notify) --accept, one transaction--> notifications --claim--> a sender --> delivered | retry | failed

A delivery's key is its identity: a letter that is accepted again, or by two notifiers at once, makes no second one.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Engine, or_, select, update

from liteheart.alarm import Priority
from liteheart.care import Delivery
from liteheart.clock import US_PER_S
from liteheart.ids import AlarmId, PatientId
from storage import bulk
from storage.engine import reading, writing
from storage.outbox import NOTIFY, Letter
from storage.rows import Row
from storage.schema import WAITING, outbox, patients
from storage.schema import notifications as table


class Notifications:
    """The notifier's store over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def letters(self, limit: int) -> list[Letter]:
        """Letters that nobody has accepted yet, the oldest first."""
        statement = (
            select(outbox)
            .where(outbox.c.sent_us.is_(None), outbox.c.topic == NOTIFY)
            .order_by(outbox.c.id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [
                Letter(row.id, row.topic, row.key, bytes(row.payload), row.created_us)
                for row in connection.execute(statement)
            ]

    def beds(self, names: Collection[PatientId]) -> dict[PatientId, str]:
        """The bed of each patient who has one."""
        statement = select(patients.c.patient_id, patients.c.bed).where(patients.c.patient_id.in_(sorted(names)))
        with reading(self._engine) as connection:
            return {PatientId(row.patient_id): row.bed for row in connection.execute(statement) if row.bed}

    def accept(self, letter_ids: Collection[int], deliveries: Sequence[Delivery], now_us: int) -> int:
        """Turn letters into deliveries, in one transaction; how many of these were new."""
        rows = {d.key: _row(d, now_us) for d in deliveries}
        with writing(self._engine) as connection:
            new = bulk.insert_new(connection, table, [rows[key] for key in sorted(rows)])
            done = update(outbox).where(outbox.c.id.in_(sorted(letter_ids))).values(sent_us=now_us)
            connection.execute(done)
        return new

    def claim(self, targets: Collection[str], limit: int, now_us: int, lease_s: float) -> list[Delivery]:
        """Up to `limit` deliveries that are due, the most urgent first; nobody else gets them within the lease."""
        free = or_(table.c.claimed_us.is_(None), table.c.claimed_us <= now_us - round(lease_s * US_PER_S))
        chosen = (
            select(table.c.key)
            .where(WAITING, table.c.target.in_(sorted(targets)), table.c.due_us <= now_us, free)
            .order_by(table.c.priority.desc(), table.c.due_us, table.c.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = update(table).where(table.c.key.in_(chosen)).values(claimed_us=now_us).returning(*table.columns)
        with writing(self._engine) as connection:
            rows = connection.execute(statement).all()
        return sorted(map(delivery, rows), key=lambda d: (-d.priority, d.created_us, d.key))

    def delivered(self, key: str, now_us: int, *, late: bool) -> None:
        """The receiver has it."""
        self._settle(key, delivered_us=now_us, late=late, claimed_us=None)

    def retry(self, key: str, attempts: int, due_us: int, error: str) -> None:
        """It failed, and is tried again at `due_us`."""
        self._settle(key, attempts=attempts, due_us=due_us, error=error, claimed_us=None)

    def give_up(self, key: str, attempts: int, now_us: int, error: str) -> None:
        """A dead letter: it is not tried again, and the reason stays."""
        self._settle(key, attempts=attempts, failed_us=now_us, error=error, claimed_us=None)

    def expire(self, before_us: int, now_us: int) -> int:
        """Give up what waits since before `before_us`, as for a target that is not configured any more; how many."""
        old = update(table).where(WAITING, table.c.created_us < before_us)
        with writing(self._engine) as connection:
            return connection.execute(old.values(failed_us=now_us, error="nobody delivered it in time")).rowcount

    def of_alarm(self, alarm_id: AlarmId) -> list[Delivery]:
        """Who was told of an alarm, when, or why not; in the order in which they were to be told."""
        statement = select(table).where(table.c.alarm_id == alarm_id)
        with reading(self._engine) as connection:
            found = [delivery(row) for row in connection.execute(statement.order_by(table.c.created_us, table.c.key))]
        return found

    def latest(self, limit: int = 100, *, failed_only: bool = False) -> list[Delivery]:
        """The newest first; with `failed_only` the dead letters."""
        statement = select(table).order_by(table.c.created_us.desc(), table.c.key).limit(limit)
        if failed_only:
            statement = statement.where(table.c.failed_us.is_not(None))
        with reading(self._engine) as connection:
            return [delivery(row) for row in connection.execute(statement)]

    def _settle(self, key: str, **values: Any) -> None:
        # delivered stays delivered, whatever a slower sender of the same thinks of it
        with writing(self._engine) as connection:
            connection.execute(update(table).where(table.c.key == key, WAITING).values(values))


def _row(delivery: Delivery, now_us: int) -> Row:
    return {
        "key": delivery.key,
        "target": delivery.target,
        "alarm_id": delivery.alarm_id,
        "step": delivery.step,
        "priority": int(delivery.priority),
        "notice": json.dumps(delivery.notice, separators=(",", ":")),
        "created_us": delivery.created_us,
        "due_us": now_us,
        "claimed_us": None,
        "attempts": 0,
        "delivered_us": None,
        "failed_us": delivery.failed_us,
        "late": False,
        "error": delivery.error,
    }


def delivery(row: Any) -> Delivery:
    """The delivery that a row of `notifications` keeps."""
    return Delivery(
        key=row.key,
        target=row.target,
        alarm_id=None if row.alarm_id is None else AlarmId(row.alarm_id),
        step=row.step,
        priority=Priority(row.priority),
        notice=json.loads(row.notice),
        created_us=row.created_us,
        attempts=row.attempts,
        delivered_us=row.delivered_us,
        failed_us=row.failed_us,
        late=row.late,
        error=row.error,
    )
