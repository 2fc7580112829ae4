"""What alerting needs from others. Storage and the wiring satisfy these by shape; nobody inherits from them.

Board and People are synchronous and thread-safe: the dashboard calls them in a thread pool. A service that does
not answer raises `liteheart.errors.Retryable`, which the API turns into 503.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from liteheart.alarm import Alarm
from liteheart.board import LiveMessage, PatientState
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
