"""The same stores in a dictionary, for tests and for a demonstration that keeps nothing. They sit the same exam."""

import copy
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from liteheart.alarm import Alarm, AlarmEvent, Presence
from liteheart.board import Awaited, PatientState
from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import AlarmId, ModelVersion, PatientId
from liteheart.signal import Frame
from storage.alarm_facts import first_of_each, identity
from storage.board import check_reason
from storage.monitor_store import Batch, Committed, Restored, Superseded, ring_of
from storage.outbox import NOTIFY, Letter, alarm_letters, finding_letters, notify_letters
from storage.rows import Row


@dataclass(slots=True)
class _Slip:
    """A letter and what became of it."""

    letter: Letter
    claimed_us: int | None = None
    sent_us: int | None = None


@dataclass(slots=True)
class Tables:
    """What the stores over one memory share."""

    frames: dict[tuple[str, int, int], Frame] = field(default_factory=dict)
    findings: dict[tuple[PatientId, int, ModelVersion], Finding] = field(default_factory=dict)
    states: dict[PatientId, PatientState] = field(default_factory=dict)
    beds: dict[PatientId, str] = field(default_factory=dict)
    alarms: dict[AlarmId, Alarm] = field(default_factory=dict)
    events: set[tuple[str, str, int]] = field(default_factory=set)
    checkpoints: dict[PatientId, dict[str, Any]] = field(default_factory=dict)
    epochs: dict[PatientId, int] = field(default_factory=dict)
    heartbeats: dict[tuple[str, str], int] = field(default_factory=dict)
    slips: dict[int, _Slip] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def post(self, rows: Iterable[Row]) -> None:
        """Put letters into the outbox."""
        for row in rows:
            number = len(self.slips) + 1
            self.slips[number] = _Slip(Letter(number, **row))


class MemoryStore:
    """`storage.monitor_store.MonitorStore` without a database."""

    def __init__(self, tables: Tables | None = None, *, ring_s: float = 30.0, outbox: bool = True) -> None:
        self._t = Tables() if tables is None else tables
        self._ring_us = round(ring_s * US_PER_S)
        self._outbox = outbox

    def commit(self, batch: Batch) -> Committed:
        """Store the batch; the same batch a second time changes nothing."""
        with self._t.lock:
            if any(batch.epochs.get(p, 0) < self._t.epochs.get(p, 0) for p in batch.checkpoints):
                raise Superseded("another monitor has taken over")
            new_frames = {f.key: f for f in reversed(batch.frames) if f.key not in self._t.frames}
            new_findings = {
                key: f
                for f in reversed(batch.findings)
                if (key := (f.patient, f.t0_us, f.model)) not in self._t.findings
            }
            new_alarms = tuple(
                self._apply(event) for event in first_of_each(batch.alarms) if identity(event) not in self._t.events
            )
            self._t.frames |= new_frames
            self._t.findings |= new_findings
            for frame in batch.frames:
                self._t.beds.setdefault(frame.patient, "")
            for state in batch.states:
                self._see(state)
            self._t.checkpoints |= copy.deepcopy(batch.checkpoints)
            self._t.epochs |= {p: batch.epochs.get(p, 0) for p in batch.checkpoints}
            if self._outbox:
                self._t.post(finding_letters(batch.findings, new_findings.keys()))
                self._t.post(alarm_letters(new_alarms))
            self._t.post(notify_letters(new_alarms))
        return Committed(len(new_frames), len(new_findings), new_alarms)

    def restore(self, wanted: Iterable[PatientId], *, claim: bool = False) -> dict[PatientId, Restored]:
        """The ring and the checkpoint of each patient; as `MonitorStore.restore`."""
        names, epochs = sorted(set(wanted)), self._t.epochs
        with self._t.lock:
            if claim:
                epochs |= {p: epochs.get(p, 0) + 1 for p in names}
            saved = {p: copy.deepcopy(self._t.checkpoints.get(p)) for p in names}
            return {p: Restored(self._ring(p), saved[p], epochs.get(p, 0)) for p in names}

    def heartbeat(self, role: str, instance: str, now_us: int) -> None:
        """Say that this process is alive."""
        with self._t.lock:
            last = self._t.heartbeats.get((role, instance), now_us)
            self._t.heartbeats[role, instance] = max(last, now_us)

    def open_alarms(self, condition: str | None = None) -> list[Alarm]:
        """Alarms that are not off, of one condition or of all; the most urgent first."""
        return [a for a in _open(self._t) if condition in (None, a.condition)]

    def states(self) -> list[PatientState]:
        """The latest state of every patient."""
        return _states(self._t)

    def awaited(self) -> list[Awaited]:
        """Nobody: here a patient is who was heard of."""
        return []

    def _see(self, state: PatientState) -> None:
        known = self._t.states.get(state.patient)
        if known is None or state.last_arrival_us >= known.last_arrival_us:
            self._t.states[state.patient] = state
        if not self._t.beds.get(state.patient):
            self._t.beds[state.patient] = state.bed

    def _ring(self, patient: PatientId) -> list[Frame]:
        return ring_of([f for f in self._t.frames.values() if f.patient == patient], self._ring_us)

    def _apply(self, event: AlarmEvent) -> AlarmEvent:
        """Note a new event in its alarm; the event with the acknowledgement that holds."""
        self._t.events.add(identity(event))
        known = self._t.alarms.get(event.alarm.alarm_id)
        nobody = replace(event.alarm, acknowledged_us=None, acknowledged_by=None, reason=None)
        if known is None:
            after = nobody
        elif event.action == "raised":
            after = known
        else:
            after = replace(
                known,
                active=event.alarm.active,
                ended_us=None if event.alarm.active else event.alarm.ended_us,
                episodes=event.alarm.episodes,
                message=event.alarm.message,
                evidence=dict(event.alarm.evidence),
            )
            if event.action == "reactivated":
                after = replace(after, acknowledged_us=None, acknowledged_by=None, reason=None)
        self._t.alarms[event.alarm.alarm_id] = after
        if event.action != "ended":
            return replace(event, alarm=nobody)
        signed = {name: getattr(after, name) for name in ("acknowledged_us", "acknowledged_by", "reason")}
        return replace(event, alarm=replace(event.alarm, **signed))


class MemoryBoard:
    """`storage.board.Board` without a database."""

    def __init__(self, tables: Tables, *, outbox: bool = True) -> None:
        self._t = tables
        self._outbox = outbox

    def patients(self) -> list[PatientState]:
        """The latest state of every patient, ordered by patient."""
        return _states(self._t)

    def awaited(self) -> list[Awaited]:
        """Nobody: here a patient is who was heard of."""
        return []

    def alarms(self, *, open_only: bool = True, limit: int = 200, patient: PatientId | None = None) -> list[Alarm]:
        """Open alarms, the most urgent first; or all of them, the newest first."""
        found = _open(self._t) if open_only else sorted(self._t.alarms.values(), key=_newest)
        return [a for a in found if patient in (None, a.patient)][:limit]

    def alarm(self, alarm_id: AlarmId) -> Alarm | None:
        """One alarm, or None when there is none of that id."""
        return self._t.alarms.get(alarm_id)

    def acknowledge(self, alarm_id: AlarmId, by: str, reason: str | None, at_us: int) -> Alarm | None:
        """Acknowledge an alarm; as `Board.acknowledge`."""
        check_reason(reason)
        with self._t.lock:
            before = self._t.alarms.get(alarm_id)
            if before is None:
                return None
            if before.acknowledged_us is None:
                after = replace(before, acknowledged_us=at_us, acknowledged_by=by, reason=reason)
            elif before.reason is None and reason is not None:
                after = replace(before, reason=reason)
            else:
                return before
            self._t.alarms[alarm_id] = after
            event = AlarmEvent(after, "acknowledged", at_us, at_us)
            self._t.events.add(identity(event))
            if self._outbox:
                self._t.post(alarm_letters([event]))
            return after

    def strip(self, patient: PatientId, t0_us: int, t1_us: int) -> list[Frame]:
        """Frames that overlap [t0_us, t1_us), oldest first."""
        with self._t.lock:
            mine = [f for f in self._t.frames.values() if f.patient == patient]
        return sorted((f for f in mine if f.t0_us < t1_us and f.t1_us > t0_us), key=_in_time)

    def extent(self, patient: PatientId) -> tuple[int, int] | None:
        """Time of the first sample that is kept of the patient and just after the last; None without any."""
        with self._t.lock:
            mine = [f for f in self._t.frames.values() if f.patient == patient]
        return (min(f.t0_us for f in mine), max(f.t1_us for f in mine)) if mine else None

    def findings(self, patient: PatientId, since_us: int = 0, limit: int = 100) -> list[Finding]:
        """Findings of windows that begin at `since_us` or later, the newest first."""
        with self._t.lock:
            mine = [f for f in self._t.findings.values() if f.patient == patient and f.t0_us >= since_us]
        return sorted(mine, key=lambda f: (-f.t0_us, f.model))[:limit]

    def heartbeat_age_s(self, role: str, now_us: int) -> float | None:
        """Seconds since any process of that role said that it is alive; None when none ever did."""
        with self._t.lock:
            beats = [at_us for (of, _), at_us in self._t.heartbeats.items() if of == role]
        return max(0.0, (now_us - max(beats)) / US_PER_S) if beats else None


class MemoryOutbox:
    """`storage.outbox.Outbox` without a database."""

    def __init__(self, tables: Tables) -> None:
        self._t = tables

    def claim(self, limit: int, now_us: int, lease_s: float = 30.0) -> list[Letter]:
        """Up to `limit` unsent letters, oldest first, which no other relay gets before the lease is over."""
        stale_us = now_us - round(lease_s * US_PER_S)
        with self._t.lock:
            free = [
                slip
                for slip in self._t.slips.values()
                if slip.sent_us is None
                and slip.letter.topic != NOTIFY
                and (slip.claimed_us is None or slip.claimed_us <= stale_us)
            ][:limit]
            for slip in free:
                slip.claimed_us = now_us
        return [slip.letter for slip in free]

    def mark_sent(self, letter_ids: Collection[int], now_us: int) -> None:
        """The bus has them; they are never claimed again."""
        with self._t.lock:
            for number in letter_ids:
                self._t.slips[number].sent_us = now_us

    def depth(self) -> int:
        """How many letters are not sent yet."""
        with self._t.lock:
            return sum(s.sent_us is None and s.letter.topic != NOTIFY for s in self._t.slips.values())


def _in_time(frame: Frame) -> tuple[int, int, int]:
    return (frame.t0_us, frame.boot, frame.sequence)


def _newest(alarm: Alarm) -> tuple[int, str]:
    return (-alarm.raised_us, alarm.alarm_id)


def _open(tables: Tables) -> list[Alarm]:
    with tables.lock:
        found = [a for a in tables.alarms.values() if a.presence is not Presence.OFF]
    return sorted(found, key=lambda a: (-a.priority, *_newest(a)))


def _states(tables: Tables) -> list[PatientState]:
    with tables.lock:
        return [replace(s, bed=tables.beds.get(p, "")) for p, s in sorted(tables.states.items())]
