"""A Board that forgets at the end of the process: for tests and for trying the page out. Honest otherwise."""

import threading
from collections import defaultdict
from dataclasses import replace

from liteheart.alarm import Alarm, Presence
from liteheart.board import PatientState
from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import AlarmId, PatientId
from liteheart.signal import Frame


class MemoryBoard:
    """Board in dictionaries behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[PatientId, PatientState] = {}
        self._alarms: dict[AlarmId, Alarm] = {}
        self._frames: defaultdict[PatientId, dict[tuple[str, int, int], Frame]] = defaultdict(dict)
        self._findings: defaultdict[PatientId, list[Finding]] = defaultdict(list)
        self._beats: dict[str, int] = {}

    def put_state(self, state: PatientState) -> None:
        """Replace the patient's state."""
        with self._lock:
            self._states[state.patient] = state

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
