"""The monitor's one step: a batch of frames in, one transaction and its live messages out. No broker, no event loop.

Everything that a patient's state depends on is either rebuilt from the stored frames of the last `ring_s` seconds
(reorder buffer, ring, filters, beats) or saved in the same transaction as those frames (alarm episodes, the time up to
which the signal was processed). So a worker may die anywhere: what was not committed is read again, what was is known.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from inference.rhythm import RhythmTracker
from ingest.settings import IngestSettings
from ingest.stream import PatientStream
from ingest.validate import check_frame
from liteheart.alarm import AlarmEvent
from liteheart.board import LiveMessage, PatientState, alarm_json
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Poison, Retryable
from liteheart.finding import Finding, Vitals
from liteheart.ids import PatientId
from liteheart.metrics import Metrics
from liteheart.signal import Frame, Window
from liteheart.wire import decode_frame, encode_frame
from storage.monitor_store import Batch, Restored

log = logging.getLogger(__name__)


class Scorer(Protocol):
    """The student."""

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        """One finding a window, in order."""
        ...


class Store(Protocol):
    """Where a batch becomes durable, all or nothing, any number of times."""

    def commit(self, batch: Batch) -> object:
        """Store it; raises Retryable when the database does not answer."""
        ...

    def restore(self, patients: Sequence[PatientId]) -> Mapping[PatientId, Restored]:
        """The last frames and the checkpoint of each."""
        ...


class Feed(Protocol):
    """Where live messages go; never blocks, never fails the caller."""

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Send them."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never be processed, with the reason."""

    value: bytes
    field: str
    reason: str


@dataclass(slots=True)
class _Patient:
    """All that the worker remembers of one patient."""

    stream: PatientStream
    tracker: RhythmTracker
    alarms: AlarmEngine
    state: PatientState | None = None


@dataclass(slots=True)
class _Work:
    """What one batch has produced so far."""

    frames: list[Frame] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    events: list[AlarmEvent] = field(default_factory=list)
    touched: dict[PatientId, None] = field(default_factory=dict)  # ordered
    dead: list[DeadLetter] = field(default_factory=list)


class Monitor:
    """The state of this worker's patients. Not thread-safe: one call at a time, from any thread."""

    def __init__(
        self,
        *,
        ingest: IngestSettings,
        alarms: AlarmSettings,
        scorer: Scorer,
        store: Store,
        feed: Feed,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._ingest, self._alarms = ingest, alarms
        self._scorer, self._store, self._feed = scorer, store, feed
        self._clock, self._metrics = clock, metrics
        self._patients: dict[PatientId, _Patient] = {}
        self._pending: Batch | None = None
        self._live: list[LiveMessage] = []
        self._first_arrival_us = 0

    def process(self, values: Iterable[bytes]) -> list[DeadLetter]:
        """Work through wire bytes in the order of the broker; returns what must be set aside. Then `commit`.

        Raises Retryable, with nothing changed, when a patient's past could not be read.
        """
        now_us = self._clock.now_us()
        work = _Work()
        arrived = self._decode(values, work)
        self._restore([p for p in arrived if p not in self._patients], now_us, work)
        for patient, frames in arrived.items():
            self._guard(patient, work, lambda m, fs=frames: self._take(m, fs, now_us, work))
        self._advance_waiting(arrived, now_us, work)
        self._score(now_us, work)
        self._finish(work)
        return work.dead

    def commit(self) -> None:
        """Make the last `process` durable; only then may its records be acknowledged. Idle when nothing is left.

        Raises Retryable when the database did not take it: call again. The live messages go out at the first call
        either way, for an alarm must not wait for a disk.
        """
        batch, live = self._pending, self._live
        self._live = []
        if batch is None:
            return
        started_us = self._clock.now_us()
        try:
            self._store.commit(batch)
        except Retryable:
            self._metrics.count("batches_retried")
            raise
        finally:
            self._feed.publish(live)
        self._pending = None
        now_us = self._clock.now_us()
        self._metrics.count("frames_stored", len(batch.frames))
        self._metrics.observe("commit_s", (now_us - started_us) / US_PER_S)
        if self._first_arrival_us:
            self._metrics.observe("arrival_to_commit_s", max(0, now_us - self._first_arrival_us) / US_PER_S)

    def forget(self) -> None:
        """Drop all patients, whose partitions may now belong to another worker; they are restored when they return."""
        self._patients.clear()

    def _decode(self, values: Iterable[bytes], work: _Work) -> dict[PatientId, list[Frame]]:
        arrived: dict[PatientId, list[Frame]] = {}
        self._first_arrival_us = 0
        for value in values:
            try:
                frame = decode_frame(value)
                check_frame(frame, frame.arrival_us, self._ingest)
            except Poison as poison:
                self._metrics.count("dead_letters", label=poison.field)
                work.dead.append(DeadLetter(bytes(value), poison.field, poison.reason))
                continue
            self._first_arrival_us = min(self._first_arrival_us or frame.arrival_us, frame.arrival_us)
            arrived.setdefault(frame.patient, []).append(frame)
        return arrived

    def _restore(self, patients: Sequence[PatientId], now_us: int, work: _Work) -> None:
        if not patients:
            return
        known = self._store.restore(patients)
        for patient in patients:
            checkpoint = (known[patient].checkpoint if patient in known else None) or {}
            self._patients[patient] = _Patient(
                PatientStream(patient, self._ingest), RhythmTracker(patient), self._engine(patient, checkpoint)
            )
            frames = known[patient].frames if patient in known else []
            if until_us := checkpoint.get("processed_until_us"):
                self._patients[patient].stream.mark_processed(until_us, checkpoint.get("shift_us", 0))
            self._guard(patient, work, lambda m, fs=frames: self._replay(m, fs, now_us, work))

    def _engine(self, patient: PatientId, checkpoint: Mapping[str, Any]) -> AlarmEngine:
        try:
            return AlarmEngine.restore(patient, self._alarms, checkpoint.get("alarms", {}))
        except Poison as poison:
            log.error("alarm state begins anew: %s", poison, extra={"patient": patient})
            return AlarmEngine(patient, self._alarms)

    def _replay(self, member: _Patient, frames: Sequence[Frame], now_us: int, work: _Work) -> None:
        """Stored frames rebuild the state. What was acted upon before is known by its time."""
        for frame in frames:
            member.stream.push(frame)
            member.state = _with_frame(member.state, frame)
            self._advance(member, frame.arrival_us, now_us, work)

    def _guard(self, patient: PatientId, work: _Work, step: Any) -> None:
        """One patient's trouble is not the ward's: log it, forget the patient's state, go on."""
        work.touched[patient] = None
        try:
            step(self._patients[patient])
        except Exception:
            log.exception("analysis failed, state rebuilt at the next frame", extra={"patient": patient})
            self._patients.pop(patient, None)

    def _take(self, member: _Patient, frames: Sequence[Frame], now_us: int, work: _Work) -> None:
        for frame in frames:
            verdict = member.stream.push(frame)
            if verdict == "duplicate":
                self._metrics.count("frames_duplicate")
                continue
            if verdict == "late":
                self._metrics.count("frames_late")
            work.frames.append(frame)
            member.state = _with_frame(member.state, frame)
        self._advance(member, now_us, now_us, work)

    def _advance(self, member: _Patient, until_us: int, now_us: int, work: _Work) -> None:
        released = member.stream.advance(until_us)
        for chunk in released.chunks:
            for vitals in member.tracker.push(chunk):
                work.events += member.alarms.on_vitals(vitals, now_us)
                member.state = _with_vitals(member.state, vitals)
        work.windows += released.windows

    def _advance_waiting(self, arrived: Mapping[PatientId, object], now_us: int, work: _Work) -> None:
        """Give up on missing frames whose time has run out, although nothing new came."""
        for patient in [p for p, m in self._patients.items() if p not in arrived and m.stream.waiting]:
            self._guard(patient, work, lambda m: self._advance(m, now_us, now_us, work))

    def _score(self, now_us: int, work: _Work) -> None:
        if not work.windows:
            return
        work.findings = self._scorer.score(work.windows)
        self._metrics.count("windows_scored", sum(not f.abstained for f in work.findings))
        self._metrics.count("windows_abstained", sum(f.abstained for f in work.findings))
        for finding in work.findings:
            member = self._patients.get(finding.patient)
            if member is not None:
                work.events += member.alarms.on_finding(finding, now_us)
                member.state = _with_finding(member.state, finding)

    def _finish(self, work: _Work) -> None:
        members = {p: self._patients[p] for p in work.touched if p in self._patients}
        states = [m.state for m in members.values() if m.state is not None]
        batch = Batch(
            frames=work.frames,
            findings=work.findings,
            states=states,
            alarms=work.events,
            checkpoints={
                p: {
                    "processed_until_us": m.stream.processed_until_us,
                    "shift_us": m.stream.shift_us,
                    "alarms": m.alarms.checkpoint(),
                }
                for p, m in members.items()
            },
        )
        self._metrics.count("alarms_raised", sum(e.action == "raised" for e in work.events))
        self._pending = batch if batch.frames or batch.findings or batch.alarms or batch.checkpoints else None
        self._live = _live(work.frames, states, work.events)


def _with_frame(state: PatientState | None, frame: Frame) -> PatientState:
    base = state or PatientState(frame.patient, frame.device, frame.lead, frame.fs_hz, 0, 0)
    return replace(
        base,
        device=frame.device,
        lead=frame.lead,
        fs_hz=frame.fs_hz,
        last_arrival_us=max(base.last_arrival_us, frame.arrival_us),
        last_sample_us=max(base.last_sample_us, frame.t1_us),
        battery_pct=frame.battery_pct,
        lead_off=frame.lead_off,
    )


def _with_vitals(state: PatientState | None, vitals: Vitals) -> PatientState | None:
    if state is None:
        return None
    return replace(
        state,
        heart_rate_bpm=vitals.heart_rate_bpm,
        sqi=vitals.quality.sqi,
        usable=vitals.quality.usable,
        lead_off=vitals.lead_off,
    )


def _with_finding(state: PatientState | None, finding: Finding) -> PatientState | None:
    return state and replace(state, codes=finding.codes, model=finding.model)


def _live(frames: Sequence[Frame], states: Sequence[PatientState], events: Sequence[AlarmEvent]) -> list[LiveMessage]:
    """Alarms first: on a slow link they must not queue behind strips."""
    return [
        *(
            LiveMessage("alarm", e.alarm.patient, json.dumps(alarm_json(e.alarm) | {"action": e.action}).encode())
            for e in events
        ),
        *(LiveMessage("state", s.patient, json.dumps(s.to_json()).encode()) for s in states),
        *(LiveMessage("frame", f.patient, encode_frame(f)) for f in frames),
    ]
