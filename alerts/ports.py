"""What alerting needs from others. Storage and the wiring satisfy these by shape; nobody inherits from them.

Board and People are synchronous and thread-safe: the dashboard calls them in a thread pool. A service that does
not answer raises `liteheart.errors.Retryable`, which the API turns into 503.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from liteheart.alarm import Alarm
from liteheart.board import Awaited, LiveMessage, PatientState
from liteheart.care import AudioPause, Delivery, PatientLimits, Unattended
from liteheart.finding import Finding
from liteheart.history import Activation, AlarmStory, Envelope, Handover, Note, Trend
from liteheart.ids import AlarmId, PatientId
from liteheart.signal import Frame, Window


class Board(Protocol):
    """The read models of the ward, and the one thing a nurse may write: an acknowledgement."""

    def patients(self) -> list[PatientState]:
        """The latest state of each patient who was ever heard of."""
        ...

    def awaited(self) -> list[Awaited]:
        """Everybody else who is here: nothing has come from them yet."""
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

    def extent(self, patient: PatientId) -> tuple[int, int] | None:
        """Time of the first sample that is kept of the patient and just after the last; None without any."""
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


class Overviews(Protocol):
    """Full disclosure: all that was received, at any scale."""

    def envelope(self, patient: PatientId, t0_us: int, t1_us: int, columns: int) -> Envelope:
        """Least and greatest sample of each of `columns` equal columns of [t0_us, t1_us)."""
        ...


class Trends(Protocol):
    """The student's readings, over hours and one by one."""

    def trend(self, patient: PatientId, t0_us: int, t1_us: int, step_us: int) -> Trend:
        """Readings of windows that begin in [t0_us, t1_us), by steps from `t0_us` on."""
        ...

    def finding(self, patient: PatientId, t0_us: int) -> Finding | None:
        """The reading of the window that begins at `t0_us`; None when there is none."""
        ...


class Explainer(Protocol):
    """The student, asked where it saw what it said. May take its time at the first question."""

    def explain(self, window: Window, finding: Finding) -> Mapping[str, Sequence[float]]:
        """Of each code of `finding`, the importance of 50 bins of `window`, 0 to 1; of an abstention, nothing."""
        ...


class AlarmHistory(Protocol):
    """What became of alarms."""

    def of_patient(
        self, patient: PatientId, since_us: int, limit: int, conditions: Collection[str] | None = None
    ) -> list[AlarmStory]:
        """Alarms raised at `since_us` or later, or open; the newest first. Of these conditions, or of all."""
        ...

    def activations(self, since_us: int, until_us: int) -> list[Activation]:
        """Each time in [since_us, until_us) that an alarm called, the oldest first."""
        ...


class Notes(Protocol):
    """What people wrote."""

    def of_patient(self, patient: PatientId, limit: int) -> list[Note]:
        """The newest first."""
        ...

    def since(self, since_us: int, limit: int) -> list[Note]:
        """Of all patients, the newest first."""
        ...

    def write(self, patient: PatientId, text: str, by: str, now_us: int) -> Note:
        """Keep a note."""
        ...

    def handovers(self, since_us: int, limit: int) -> list[Handover]:
        """The newest first."""
        ...

    def hand_over(self, by: str, to: str, text: str, now_us: int) -> Handover:
        """Keep who handed over to whom."""
        ...
