"""What other systems read, by page: everything in an order that does not change while more comes in."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Engine, Select, and_, func, literal, or_, select, tuple_, union_all

from liteheart.alarm import Alarm
from liteheart.care import Delivery
from liteheart.finding import Finding
from liteheart.ids import DeviceId, PatientId
from storage import audit, queries
from storage.engine import reading
from storage.notifications import delivery
from storage.rows import row_alarm, row_finding
from storage.schema import alarms, devices, findings, notifications, patient_state, patients
from storage.schema import audit as deeds

Span = tuple[int, int]  # [since_us, until_us)
_WINDOW_US: Final = 60_000_000  # longer than any window: what begins earlier does not reach in
_FAR: Final = (-(1 << 62), 1 << 62)


class Records:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def patients(self, after: str, limit: int) -> list[tuple[PatientId, bool]]:
        """Patients whose name follows `after`, by name, and whether they are here."""
        known = _known().subquery()
        page = select(known).where(known.c.patient > after).order_by(known.c.patient).limit(limit)
        with reading(self._engine) as connection:
            return [(PatientId(row.patient), bool(row.here)) for row in connection.execute(page)]

    def patient(self, patient: PatientId) -> bool | None:
        """Whether the patient is here; None for someone whom nobody knows."""
        known = _known().subquery()
        with reading(self._engine) as connection:
            here = connection.scalar(select(known.c.here).where(known.c.patient == patient))
        return None if here is None else bool(here)

    def devices(
        self, of: Collection[PatientId] | None, after: str, limit: int
    ) -> list[tuple[DeviceId, PatientId, bool]]:
        """Devices by name: registered ones, and those that were heard without (the embedded system asks for none)."""
        registered = select(
            devices.c.device_id.label("device"), devices.c.patient_id.label("patient"),
            devices.c.revoked_us.is_(None).label("valid"),
        )  # fmt: skip
        is_registered = select(devices.c.device_id).where(devices.c.device_id == patient_state.c.device).exists()
        heard = select(patient_state.c.device, func.min(patient_state.c.patient), literal(True)).where(~is_registered)
        both = union_all(registered, heard.group_by(patient_state.c.device)).subquery()
        page = select(both).where(both.c.device > after).order_by(both.c.device).limit(limit)
        if of is not None:
            page = page.where(both.c.patient.in_(sorted(of)))
        with reading(self._engine) as connection:
            rows = connection.execute(page)
            return [(DeviceId(row.device), PatientId(row.patient), bool(row.valid)) for row in rows]

    def readings(
        self, patient: PatientId, span: Span, limit: int, *, rated: bool = False, codes: Collection[str] | None = None
    ) -> list[Finding]:
        """One reading of each window that overlaps `span`, the newest first: that of the model that serves, else the
        first. With a heart rate, or with one of `codes`, if asked."""
        table = findings
        since, until = _bounded(span)
        serving = select(patient_state.c.model).where(patient_state.c.patient == patient).scalar_subquery()
        overlap = and_(
            table.c.patient == patient,
            table.c.t0_us < until,
            table.c.t0_us > since - _WINDOW_US,
            table.c.t1_us > since,
        )
        other = table.alias()
        better = (
            select(other.c.t0_us)
            .where(
                other.c.patient == table.c.patient,
                other.c.t0_us == table.c.t0_us,
                tuple_(func.coalesce(other.c.model != serving, True), other.c.arrival_us, other.c.model)
                < tuple_(func.coalesce(table.c.model != serving, True), table.c.arrival_us, table.c.model),
            )
            .exists()
        )
        statement = select(table).where(overlap, ~better).order_by(table.c.t0_us.desc()).limit(limit)
        if rated:
            statement = statement.where(table.c.heart_rate_bpm.is_not(None))
        if codes is not None:
            listed = literal(",") + table.c.codes + literal(",")
            statement = statement.where(or_(*(listed.contains(f",{code},", autoescape=True) for code in sorted(codes))))
        with reading(self._engine) as connection:
            layouts = queries.layouts(connection)
            return [row_finding(row, layouts) for row in connection.execute(statement)]

    def alarms(
        self,
        of: Collection[PatientId] | None,
        span: Span,
        before: tuple[int, str] | None,
        limit: int,
        conditions: Collection[str] | None = None,
    ) -> list[Alarm]:
        """Alarms that began within `span`, the last raised first, from `before` (raised_us, alarm_id) on."""
        since, until = _bounded(span)
        statement = select(alarms).where(alarms.c.onset_us < until, alarms.c.onset_us >= since)
        if of is not None:
            statement = statement.where(alarms.c.patient.in_(sorted(of)))
        if conditions is not None:
            statement = statement.where(alarms.c.condition.in_(sorted(conditions)))
        with reading(self._engine) as connection:
            page = _newest(statement, alarms.c.raised_us, alarms.c.alarm_id, before, limit)
            return [row_alarm(row) for row in connection.execute(page)]

    def deliveries(self, patient: PatientId, span: Span, before: tuple[int, str] | None, limit: int) -> list[Delivery]:
        """Notices of the patient's alarms made within `span`, the newest first, from `before` (created_us, key) on."""
        since, until = _bounded(span)
        mine = select(notifications).join(alarms, alarms.c.alarm_id == notifications.c.alarm_id)
        made = (notifications.c.created_us >= since) & (notifications.c.created_us < until)
        statement = mine.where(alarms.c.patient == patient, made)
        with reading(self._engine) as connection:
            page = _newest(statement, notifications.c.created_us, notifications.c.key, before, limit)
            return [delivery(row) for row in connection.execute(page)]

    def deeds(self, subject: str | None, span: Span, before: int | None, limit: int) -> list[audit.Deed]:
        """Lines of the audit, the newest first, from before the line of that id."""
        since, until = _bounded(span)
        statement = select(deeds).where(deeds.c.at_us >= since, deeds.c.at_us < until)
        if subject is not None:
            statement = statement.where(deeds.c.subject == subject)
        if before is not None:
            statement = statement.where(deeds.c.id < before)
        with reading(self._engine) as connection:
            page = statement.order_by(deeds.c.id.desc()).limit(limit)
            return [audit.row_deed(row) for row in connection.execute(page)]


def _known() -> Any:
    """Everyone who was admitted, registered or heard."""
    stays = select(patients.c.patient_id.label("patient"), patients.c.discharged_us.is_(None).label("here"))
    stranger = ~select(patients.c.patient_id).where(patients.c.patient_id == patient_state.c.patient).exists()
    return union_all(stays, select(patient_state.c.patient, literal(True)).where(stranger))


def _newest(statement: Select[Any], at: Any, name: Any, before: tuple[int, str] | None, limit: int) -> Select[Any]:
    if before is not None:
        statement = statement.where(or_(at < before[0], and_(at == before[0], name > before[1])))
    return statement.order_by(at.desc(), name).limit(limit)


def _bounded(span: Span) -> Span:
    """Within what a column holds."""
    return max(span[0], _FAR[0]), min(span[1], _FAR[1])
