"""What alerting needs from others. Storage and the wiring satisfy these by shape; nobody inherits from them.

Board and People are synchronous and thread-safe: the dashboard calls them in a thread pool. A service that does
not answer raises `liteheart.errors.Retryable`, which the API turns into 503.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from liteheart.alarm import Alarm
from liteheart.board import LiveMessage, PatientState
from liteheart.care import AudioPause, Delivery, PatientLimits, Unattended
from liteheart.finding import Finding
from liteheart.ids import AlarmId, PatientId
from liteheart.signal import Frame


class Board(Protocol):
    """The read models of the ward, and the one thing a nurse may write: an acknowledgement."""

    def patients(self) -> list[PatientState]:
        """The latest state of each patient."""
        ...

    def alarms(self, *, open_only: bool, limit: int, patient: PatientId | None = None) -> list[Alarm]:
        """At most `limit` open alarms (presence is not off), most urgent first; or of all alarms, newest first."""
        ...

    def alarm(self, alarm_id: AlarmId) -> Alarm | None:
        """One alarm, None when unknown."""
        ...

    def acknowledge(self, alarm_id: AlarmId, by: str, reason: str | None, at_us: int) -> Alarm | None:
        """Store who acknowledged when, and why (one of `liteheart.alarm.REASONS`); None when unknown."""
        ...

    def strip(self, patient: PatientId, t0_us: int, t1_us: int) -> list[Frame]:
        """Frames that overlap [t0_us, t1_us) in event time, oldest first."""
        ...

    def findings(self, patient: PatientId, since_us: int, limit: int) -> list[Finding]:
        """At most `limit` readings of windows that begin at `since_us` or later, newest first."""
        ...

    def heartbeat_age_s(self, role: str, now_us: int) -> float | None:
        """Seconds since a worker of `role` was last heard of; None when it never was."""
        ...


class LiveFeed(Protocol):
    """Messages of the last moment, to every screen that listens. A slow screen loses frames, never alarms."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[LiveMessage]]:
        """Messages published from entering the context on, through a bounded queue of the subscriber's own."""
        ...

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Hand `messages` to every subscriber; returns at once, and may be called from any thread."""
        ...


class Person(Protocol):
    """Someone who signed in."""

    @property
    def username(self) -> str:
        """The name that an acknowledgement is stored under."""
        ...

    @property
    def role(self) -> str:
        """nurse, physician, technician, administrator or researcher."""
        ...


class People(Protocol):
    """Who may sign in."""

    def verify(self, username: str, password: str) -> Person | None:
        """The person, None when name or password is wrong; takes as long in either case."""
        ...


class Pauses(Protocol):
    """Audio pauses, kept so that every screen hears the same."""

    def pauses(self, now_us: int) -> list[AudioPause]:
        """Those that hold now."""
        ...

    def pause(
        self, by: str, seconds: float, now_us: int, *, patient: PatientId | None, station: str | None, unheard_s: float
    ) -> AudioPause:
        """Hold back the sound of one patient or of one station; takes the place of an older one."""
        ...

    def resume(self, pause_id: int, by: str, now_us: int) -> bool:
        """End one before its time; False when it does not hold any more."""
        ...


class Ladder(Protocol):
    """What the ladder of escalation is read from."""

    def unattended(self) -> list[Unattended]:
        """Open live alarms of HIGH priority that nobody has acknowledged."""
        ...


class LimitStore(Protocol):
    """Limits of single patients."""

    def history(self, patient: PatientId, limit: int) -> list[PatientLimits]:
        """What held, the newest first; the first one holds."""
        ...

    def set(self, patient: PatientId, limits: Mapping[str, float], by: str, now_us: int) -> PatientLimits:
        """Replace them; an empty mapping gives back those of the ward."""
        ...


class Told(Protocol):
    """Who was told of an alarm."""

    def of_alarm(self, alarm_id: AlarmId) -> list[Delivery]:
        """Its deliveries, in the order in which they were to be made."""
        ...


class Letter(Protocol):
    """What the outbox holds for the notifier."""

    @property
    def letter_id(self) -> int:
        """Names it."""
        ...

    @property
    def payload(self) -> bytes:
        """UTF-8 JSON: event, step, owner, due_us, alarm."""
        ...

    @property
    def created_us(self) -> int:
        """When it was posted."""
        ...


class PostRoom(Protocol):
    """Notices on their way. Every method raises Retryable when storage does not answer."""

    def letters(self, limit: int) -> Sequence[Letter]:
        """Letters that nobody has accepted yet, the oldest first."""
        ...

    def beds(self, names: Collection[PatientId]) -> Mapping[PatientId, str]:
        """The bed of each patient who has one."""
        ...

    def accept(self, letter_ids: Collection[int], deliveries: Sequence[Delivery], now_us: int) -> int:
        """Turn letters into deliveries, in one transaction; how many of these were new."""
        ...

    def claim(self, targets: Collection[str], limit: int, now_us: int, lease_s: float) -> list[Delivery]:
        """Deliveries that are due, the most urgent first; nobody else gets them before the lease is over."""
        ...

    def delivered(self, key: str, now_us: int, *, late: bool) -> None:
        """The receiver has it."""
        ...

    def retry(self, key: str, attempts: int, due_us: int, error: str) -> None:
        """It failed, and is tried again at `due_us`."""
        ...

    def give_up(self, key: str, attempts: int, now_us: int, error: str) -> None:
        """A dead letter, with the reason."""
        ...
