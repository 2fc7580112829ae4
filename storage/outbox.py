"""Letters, written with what they tell of in one transaction, carried on at least once: to the bus, to a notifier."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update

from liteheart.alarm import Alarm, AlarmEvent, Priority
from liteheart.board import alarm_json
from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.topics import ALARMS, FINDINGS, Topic
from storage.engine import reading, writing
from storage.rows import Row, finding_json
from storage.schema import outbox

NOTIFY: Final = "notify"  # not a topic of the bus: letters that the notifier takes, `storage.notifications`
_FORGET_AT_ONCE = 20_000  # rows to a transaction, so that a great purge holds nobody up


@dataclass(frozen=True, slots=True)
class Letter:
    """One record for the bus. `payload` is UTF-8 JSON, `key` the patient."""

    letter_id: int
    topic: str
    key: str
    payload: bytes
    created_us: int


class Outbox:
    """The relay's side. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, limit: int, now_us: int, lease_s: float = 30.0) -> list[Letter]:
        """Up to `limit` unsent letters, oldest first, which no other relay gets before the lease is over."""
        free = or_(outbox.c.claimed_us.is_(None), outbox.c.claimed_us <= now_us - round(lease_s * US_PER_S))
        chosen = (
            select(outbox.c.id)
            .where(outbox.c.sent_us.is_(None), outbox.c.topic != NOTIFY, free)
            .order_by(outbox.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = update(outbox).where(outbox.c.id.in_(chosen)).values(claimed_us=now_us).returning(*outbox.columns)
        with writing(self._engine) as connection:
            rows = connection.execute(statement).all()
        return sorted((_letter(row) for row in rows), key=lambda letter: letter.letter_id)

    def mark_sent(self, letter_ids: Collection[int], now_us: int) -> None:
        """The bus has them; they are never claimed again."""
        if not letter_ids:
            return
        statement = update(outbox).where(outbox.c.id.in_(sorted(letter_ids))).values(sent_us=now_us)
        with writing(self._engine) as connection:
            connection.execute(statement)

    def depth(self) -> int:
        """How many letters are not sent yet."""
        with reading(self._engine) as connection:
            waiting = outbox.c.sent_us.is_(None) & (outbox.c.topic != NOTIFY)
            return connection.scalar(select(func.count()).select_from(outbox).where(waiting)) or 0

    def purge(self, before_us: int, notify_before_us: int = 0) -> int:
        """Forget letters sent before that time, and those for a notifier that is not there; how many they were."""
        unwanted = (outbox.c.topic == NOTIFY) & (outbox.c.created_us < notify_before_us)
        gone = or_(outbox.c.sent_us < before_us, outbox.c.sent_us.is_(None) & unwanted)
        some = delete(outbox).where(outbox.c.id.in_(select(outbox.c.id).where(gone).limit(_FORGET_AT_ONCE)))
        count = 0
        while True:
            with writing(self._engine) as connection:
                deleted = connection.execute(some).rowcount
            count += deleted
            if deleted < _FORGET_AT_ONCE:
                return count


def post(connection: Connection, letters: Sequence[Row]) -> None:
    """Put letters into the outbox, as part of the caller's transaction."""
    if letters:
        connection.execute(insert(outbox), list(letters))


def finding_letters(findings: Sequence[Finding], new: Collection[tuple[Any, ...]]) -> list[Row]:
    """Letters for the findings whose (patient, t0_us, model) is in `new`, each once."""
    fresh = {(f.patient, f.t0_us, f.model): f for f in findings if (f.patient, f.t0_us, f.model) in new}
    return [_row(FINDINGS, f.patient, finding_json(f), f.arrival_us) for f in fresh.values()]


def alarm_letters(events: Sequence[AlarmEvent]) -> list[Row]:
    """Letters for transitions of alarms: the alarm's values, and `action`, `t_us`, `at_us`."""
    return [
        _row(
            ALARMS,
            e.alarm.patient,
            {"action": e.action, "t_us": e.t_us, "at_us": e.at_us} | alarm_json(e.alarm),
            e.at_us,
        )
        for e in events
    ]


def notify_letters(events: Sequence[AlarmEvent]) -> list[Row]:
    """Letters to the notifier for alarms that begin or come back, live ones only: back-fill is shown, never sounded."""
    return [
        notify_letter(e.alarm, e.action, step=0, owner="", due_us=e.at_us, at_us=e.at_us)
        for e in events
        if e.action in ("raised", "reactivated") and not e.alarm.retrospective and e.alarm.priority > Priority.INFO
    ]


def notify_letter(alarm: Alarm, event: str, *, step: int, owner: str, due_us: int, at_us: int) -> Row:
    """One letter to the notifier: of which alarm, what happened, whose it is, and when it was due."""
    value = {"event": event, "step": step, "owner": owner, "due_us": due_us, "alarm": alarm_json(alarm)}
    payload = json.dumps(value, separators=(",", ":")).encode()
    return {"topic": NOTIFY, "key": alarm.patient, "payload": payload, "created_us": at_us}


def _row(topic: Topic, patient: str, value: dict[str, Any], created_us: int) -> Row:
    payload = json.dumps(value, separators=(",", ":")).encode()
    return {"topic": topic.name, "key": patient, "payload": payload, "created_us": created_us}


def _letter(row: Any) -> Letter:
    return Letter(row.id, row.topic, row.key, bytes(row.payload), row.created_us)
