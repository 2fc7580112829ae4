"""A Board and sessions that forget at the end of the process: for tests and for trying out. Honest otherwise."""

import threading
from collections import defaultdict
from dataclasses import dataclass, replace

from alerts.ports import Person
from liteheart.alarm import Alarm, Presence
from liteheart.board import Awaited, PatientState
from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import AlarmId, PatientId
from liteheart.signal import Frame


class MemoryBoard:
    """Board in dictionaries behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[PatientId, PatientState] = {}
        self._awaited: dict[PatientId, Awaited] = {}
        self._alarms: dict[AlarmId, Alarm] = {}
        self._frames: defaultdict[PatientId, dict[tuple[str, int, int], Frame]] = defaultdict(dict)
        self._findings: defaultdict[PatientId, list[Finding]] = defaultdict(list)
        self._beats: dict[str, int] = {}

    def put_state(self, state: PatientState) -> None:
        """Replace the patient's state."""
        with self._lock:
            self._states[state.patient] = state

    def put_awaited(self, one: Awaited) -> None:
        """Someone is here, of whom nothing has come yet."""
        with self._lock:
            self._awaited[one.patient] = one

    def put_alarm(self, alarm: Alarm) -> None:
        """Store the alarm's facts; an acknowledgement stays unless a new episode takes it back."""
        with self._lock:
            old = self._alarms.get(alarm.alarm_id)
            if old is not None and old.episodes == alarm.episodes:
                alarm = replace(
                    alarm,
                    acknowledged_us=old.acknowledged_us,
                    acknowledged_by=old.acknowledged_by,
                    reason=old.reason,
                )
            self._alarms[alarm.alarm_id] = alarm

    def put_frame(self, frame: Frame) -> None:
        """Keep a frame, once."""
        with self._lock:
            self._frames[frame.patient][frame.key] = frame

    def put_finding(self, finding: Finding) -> None:
        """Keep a reading."""
        with self._lock:
            self._findings[finding.patient].append(finding)

    def beat(self, role: str, at_us: int) -> None:
        """A worker of `role` is alive."""
        with self._lock:
            self._beats[role] = at_us

    def patients(self) -> list[PatientState]:
        """The latest state of each patient, by name."""
        with self._lock:
            return [self._states[patient] for patient in sorted(self._states)]

    def awaited(self) -> list[Awaited]:
        """Those of whom there is no state, by name."""
        with self._lock:
            return [self._awaited[p] for p in sorted(self._awaited) if p not in self._states]

    def alarms(self, *, open_only: bool, limit: int, patient: PatientId | None = None) -> list[Alarm]:
        """Open ones most urgent first, and newest of equals; all of them newest first."""
        with self._lock:
            found = [
                a
                for a in self._alarms.values()
                if (patient is None or a.patient == patient) and not (open_only and a.presence is Presence.OFF)
            ]
        found.sort(key=lambda a: (a.priority if open_only else 0, a.raised_us), reverse=True)
        return found[:limit]

    def alarm(self, alarm_id: AlarmId) -> Alarm | None:
        """One alarm."""
        with self._lock:
            return self._alarms.get(alarm_id)

    def acknowledge(self, alarm_id: AlarmId, by: str, reason: str | None, at_us: int) -> Alarm | None:
        """The first acknowledgement of an episode counts; a later one may add the reason that it left open."""
        with self._lock:
            alarm = self._alarms.get(alarm_id)
            if alarm is None:
                return None
            if alarm.acknowledged_us is None:
                alarm = replace(alarm, acknowledged_us=at_us, acknowledged_by=by, reason=reason)
            elif alarm.reason is None:
                alarm = replace(alarm, reason=reason)
            self._alarms[alarm_id] = alarm
            return alarm

    def strip(self, patient: PatientId, t0_us: int, t1_us: int) -> list[Frame]:
        """Overlapping frames, oldest first."""
        with self._lock:
            frames = list(self._frames[patient].values())
        return sorted((f for f in frames if f.t0_us < t1_us and f.t1_us > t0_us), key=lambda f: f.t0_us)

    def extent(self, patient: PatientId) -> tuple[int, int] | None:
        """From the first sample to just after the last."""
        with self._lock:
            frames = list(self._frames[patient].values())
        return (min(f.t0_us for f in frames), max(f.t1_us for f in frames)) if frames else None

    def findings(self, patient: PatientId, since_us: int, limit: int) -> list[Finding]:
        """Newest first."""
        with self._lock:
            found = [f for f in self._findings[patient] if f.t0_us >= since_us]
        return sorted(found, key=lambda f: f.t0_us, reverse=True)[:limit]

    def heartbeat_age_s(self, role: str, now_us: int) -> float | None:
        """Seconds since `beat`."""
        with self._lock:
            at = self._beats.get(role)
        return None if at is None else (now_us - at) / US_PER_S


@dataclass(frozen=True, slots=True)
class MemorySession:
    """One sign-in of one person."""

    digest: bytes
    person: Person
    began_us: int
    seen_us: int
    peer: str


class MemorySessions:
    """SessionStore in a dictionary behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[bytes, MemorySession] = {}

    def begin(self, digest: bytes, person: Person, now_us: int, peer: str) -> None:
        """Keep a new session."""
        with self._lock:
            self._sessions[digest] = MemorySession(digest, person, now_us, now_us, peer)

    def refused(self, username: str, now_us: int, peer: str) -> None:
        """Nobody reads it here."""

    def find(self, digest: bytes) -> MemorySession | None:
        """The session, None when it has ended."""
        with self._lock:
            return self._sessions.get(digest)

    def touch(self, digest: bytes, now_us: int) -> None:
        """It was used."""
        with self._lock:
            if digest in self._sessions:
                self._sessions[digest] = replace(self._sessions[digest], seen_us=now_us)

    def end(self, digest: bytes, now_us: int) -> None:
        """Someone signs out here."""
        with self._lock:
            self._sessions.pop(digest, None)

    def end_all(self, username: str, by: str, now_us: int) -> int:
        """Sign a person out everywhere."""
        with self._lock:
            theirs = [key for key, s in self._sessions.items() if s.person.username == username]
            for key in theirs:
                del self._sessions[key]
        return len(theirs)

    def of(self, username: str | None = None) -> list[MemorySession]:
        """The newest first."""
        with self._lock:
            found = [s for s in self._sessions.values() if username in (None, s.person.username)]
        return sorted(found, key=lambda s: -s.began_us)

    def forget(self, seen_before_us: int, began_before_us: int, keep: int) -> None:
        """Clear away what has expired, and of the rest all but the `keep` that began last."""
        with self._lock:
            for key, session in list(self._sessions.items()):
                if session.seen_us < seen_before_us or session.began_us < began_before_us:
                    del self._sessions[key]
            newest = sorted(self._sessions.values(), key=lambda s: -s.began_us)
            for session in newest[keep:]:
                del self._sessions[session.digest]
