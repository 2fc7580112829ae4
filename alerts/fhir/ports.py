"""What the FHIR endpoints need beside the board. Storage satisfies it by shape; all of it may raise Retryable."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from alerts.dashboard.ports import Deed, Trail
from alerts.ports import Board, Told, Trends
from liteheart.alarm import Alarm
from liteheart.care import Delivery
from liteheart.clock import Clock
from liteheart.finding import Finding
from liteheart.ids import DeviceId, PatientId

Span = tuple[int, int]  # [since_us, until_us)


class Client(Protocol):
    """A system that reads."""

    @property
    def name(self) -> str:
        """What the operator called it."""
        ...

    @property
    def scopes(self) -> Sequence[str]:
        """As they were granted."""
        ...


class Clients(Protocol):
    """Which systems may read."""

    def authenticate(self, token: str) -> Client | None:
        """Whose token that is; None when it is unknown or revoked."""
        ...


class Records(Protocol):
    """Everything by page, in an order that does not change while more comes in."""

    def patients(self, after: str, limit: int) -> Sequence[tuple[PatientId, bool]]:
        """At most `limit` patients whose name follows `after`, by name, and whether they are here."""
        ...

    def patient(self, patient: PatientId) -> bool | None:
        """Whether the patient is here; None for someone whom nobody knows."""
        ...

    def devices(
        self, patients: Collection[PatientId] | None, after: str, limit: int
    ) -> Sequence[tuple[DeviceId, PatientId, bool]]:
        """Devices whose name follows `after`, by name: who wears it, and whether its token is valid or it is heard."""
        ...

    def readings(
        self, patient: PatientId, span: Span, limit: int, *, rated: bool = False, codes: Collection[str] | None = None
    ) -> Sequence[Finding]:
        """One reading of each window that overlaps `span`, the newest first.

        `rated`: those with a heart rate; `codes`: those that hold at least one of them.
        """
        ...

    def alarms(
        self,
        patients: Collection[PatientId] | None,
        span: Span,
        before: tuple[int, str] | None,
        limit: int,
        conditions: Collection[str] | None = None,
    ) -> Sequence[Alarm]:
        """Alarms that began within `span`, the last raised first, from `before` (raised_us, alarm_id) on."""
        ...

    def deliveries(
        self, patient: PatientId, span: Span, before: tuple[int, str] | None, limit: int
    ) -> Sequence[Delivery]:
        """Notices of the patient's alarms made within `span`, the newest first, from `before` (created_us, key) on."""
        ...

    def deeds(self, subject: str | None, span: Span, before: int | None, limit: int) -> Sequence[Deed]:
        """Lines of the audit, the newest first, from before the line of that id."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What the routes stand on."""

    board: Board
    trends: Trends
    told: Told
    records: Records
    clients: Clients
    trail: Trail
    clock: Clock
