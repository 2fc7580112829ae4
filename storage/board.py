"""What the dashboard reads, and the one thing it writes: an acknowledgement."""

from sqlalchemy import Connection, Engine, func, select, update

from liteheart.alarm import REASONS, Alarm, AlarmEvent
from liteheart.board import Awaited, PatientState
from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.finding import Finding
from liteheart.ids import AlarmId, PatientId
from liteheart.signal import Frame
from storage import queries, schema
from storage.archive.read import SignalReader
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.extent import extent
from storage.outbox import alarm_letters, post
from storage.rows import row_alarm, row_finding


class Board:
    """The dashboard's store over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, *, outbox: bool = True, signal: SignalReader | None = None) -> None:
        self._engine = engine
        self._outbox = outbox
        self._signal = signal or SignalReader()

    def patients(self) -> list[PatientState]:
        """The latest state of every patient, ordered by patient."""
        with reading(self._engine) as connection:
            return queries.states(connection)

    def awaited(self) -> list[Awaited]:
        """Everybody who is here and was never heard of, ordered by patient."""
        with reading(self._engine) as connection:
            return queries.awaited(connection)

    def alarms(self, *, open_only: bool = True, limit: int = 200, patient: PatientId | None = None) -> list[Alarm]:
        """Open alarms (presence is not off), the most urgent first; or all of them, the newest first."""
        with reading(self._engine) as connection:
            return queries.alarms(connection, open_only=open_only, limit=limit, patient=patient)

    def alarm(self, alarm_id: AlarmId) -> Alarm | None:
        """One alarm, or None when there is none of that id."""
        table = schema.alarms
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.alarm_id == alarm_id)).one_or_none()
        return None if row is None else row_alarm(row)

    def acknowledge(self, alarm_id: AlarmId, by: str, reason: str | None, at_us: int) -> Alarm | None:
        """Acknowledge an alarm; the alarm as it stands then, or None when there is none of that id.

        The first acknowledgement counts: another changes nothing, except that it may add the reason the first one
        left out. Raises Poison for a reason that is not in `liteheart.alarm.REASONS`.
        """
        check_reason(reason)
        table = schema.alarms
        mine = table.c.alarm_id == alarm_id
        with writing(self._engine) as connection:
            row = connection.execute(select(table).where(mine).with_for_update()).one_or_none()
            if row is None:
                return None
            before = row_alarm(row)
            if before.acknowledged_us is None:
                values = {"acknowledged_us": at_us, "acknowledged_by": by, "reason": reason}
            elif before.reason is None and reason is not None:
                values = {"reason": reason}
            else:
                return before
            connection.execute(update(table).where(mine).values(values))
            after = row_alarm(connection.execute(select(table).where(mine)).one())
            event = AlarmEvent(after, "acknowledged", at_us, at_us)
            connection.execute(
                queries.insert_ignoring(connection, schema.alarm_events),
                {
                    "alarm_id": alarm_id,
                    "action": event.action,
                    "t_us": at_us,
                    "at_us": at_us,
                    "by_whom": by,
                    "reason": reason,
                },
            )
            if before.acknowledged_us is None:
                _stop_telling(connection, alarm_id, at_us)
            if self._outbox:
                post(connection, alarm_letters([event]))
            note(connection, Deed(at_us, by, "acknowledged", after.patient, {"alarm": alarm_id, "reason": reason}))
        return after

    def strip(self, patient: PatientId, t0_us: int, t1_us: int) -> list[Frame]:
        """Frames that overlap [t0_us, t1_us), oldest first, compacted or not.

        Raises Poison when what is stored is damaged, Conflict when it is sealed and its key is not here.
        """
        with reading(self._engine) as connection:
            return self._signal.overlapping(connection, patient, t0_us, t1_us)

    def extent(self, patient: PatientId) -> tuple[int, int] | None:
        """Time of the first sample that is kept of the patient and just after the last; None without any."""
        with reading(self._engine) as connection:
            return extent(connection, patient)

    def findings(self, patient: PatientId, since_us: int = 0, limit: int = 100) -> list[Finding]:
        """Findings of windows that begin at `since_us` or later, the newest first."""
        table = schema.findings
        statement = (
            select(table)
            .where(table.c.patient == patient, table.c.t0_us >= since_us)
            .order_by(table.c.t0_us.desc(), table.c.model)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            layouts = queries.layouts(connection)
            return [row_finding(row, layouts) for row in connection.execute(statement)]

    def heartbeat_age_s(self, role: str, now_us: int) -> float | None:
        """Seconds since any process of that role said that it is alive; None when none ever did."""
        at_us = self.last_heartbeat_us(role)
        return None if at_us is None else max(0.0, (now_us - at_us) / US_PER_S)

    def last_heartbeat_us(self, role: str) -> int | None:
        """When a process of that role was last heard of; None when none ever was."""
        table = schema.heartbeats
        with reading(self._engine) as connection:
            at_us = connection.scalar(select(func.max(table.c.at_us)).where(table.c.role == role))
        return None if at_us is None else int(at_us)


def _stop_telling(connection: Connection, alarm_id: AlarmId, at_us: int) -> None:
    """An escalation that has not reached anybody yet need not any more."""
    notices = schema.notifications
    waiting = update(notices).where(schema.WAITING, notices.c.alarm_id == alarm_id, notices.c.step > 0)
    connection.execute(waiting.values(failed_us=at_us, error="acknowledged before it was told"))


def check_reason(reason: str | None) -> None:
    """Raises Poison unless the reason is a coded one or left out."""
    if reason is not None and reason not in REASONS:
        raise Poison("reason", f"must be one of {', '.join(REASONS)}")
