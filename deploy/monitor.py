"""The monitor's one step: a batch of frames in, one transaction and its live messages out. No broker, no event loop.

Everything that a patient's state depends on is either rebuilt from the stored frames of the last `ring_s` seconds
(reorder buffer, ring, filters, beats) or saved in the same transaction as those frames (alarm episodes, the time up to
which the signal was processed). So a worker may die anywhere: what was not committed is read again, what was is known.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from deploy.state import with_finding, with_frame, with_vitals
from inference.rhythm import RhythmBank
from ingest.settings import IngestSettings
from ingest.stream import PatientStream
from ingest.validate import check_frame
from liteheart.alarm import AlarmEvent
from liteheart.board import LiveMessage, PatientState, alarm_message
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Poison, Retryable
from liteheart.finding import Finding, Vitals
from liteheart.ids import PatientId
from liteheart.metrics import Metrics
from liteheart.signal import Chunk, Frame, Window
from liteheart.wire import decode_frame, encode_frame
from storage.monitor_store import Batch, Restored, Superseded

log = logging.getLogger(__name__)


class Scorer(Protocol):
    """The student."""

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        """One finding a window, in order."""
        ...


class Store(Protocol):
    """Where a batch becomes durable, all or nothing, any number of times."""

    def commit(self, batch: Batch) -> object:
        """Store it. Raises Retryable when the database does not answer, Superseded when a patient was claimed since."""
        ...

    def restore(self, patients: Sequence[PatientId], *, claim: bool) -> Mapping[PatientId, Restored]:
        """The last frames and the checkpoint of each; with `claim`, nobody else can commit for them from now on."""
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
    alarms: AlarmEngine
    epoch: int  # of our claim; a later one is another worker's
    limits: Mapping[str, float]  # of this patient, beside the ward's
    state: PatientState | None = None


@dataclass(slots=True)
class _Work:
    """What one batch has produced so far."""

    frames: list[Frame] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    events: list[AlarmEvent] = field(default_factory=list)
    touched: dict[PatientId, None] = field(default_factory=dict)  # ordered
    failed: dict[PatientId, "_Patient"] = field(default_factory=dict)  # analysis broke off
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
        own_alarms: Callable[[AlarmSettings, Mapping[str, float]], AlarmSettings] = lambda ward, _: ward,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ingest, self._alarms = ingest, alarms
        self._own_alarms = own_alarms  # the ward's settings with the limits of one patient
        self._limits: Mapping[PatientId, Mapping[str, float]] | None = None  # as last told, not applied yet
        self._scorer, self._store, self._feed = scorer, store, feed
        self._clock, self._metrics = clock, metrics
        self._patients: dict[PatientId, _Patient] = {}
        self._rhythms = RhythmBank()  # of all of them, worked on together
        self._ready = ready  # whether that can work yet: at first its code is compiled, and strips must not wait for it
        self._unheard: list[Chunk] = []
        self._pending: Batch | None = None  # processed, not durable yet
        self._postponed: dict[PatientId, list[Frame]] = {}  # not processed yet
        self._live: list[LiveMessage] = []
        self._first_arrival_us = 0

    def process(self, values: Iterable[bytes]) -> list[DeadLetter]:
        """Work through wire bytes in the order of the broker; returns what must be set aside. Then `commit`.

        While the database is away more may be processed: it joins what waits, and becomes durable with it. Frames of
        patients whose past cannot be read are kept until it can.
        """
        now_us = self._clock.now_us()
        work = _Work()
        self._apply_limits()
        arrived = self._decode(values, work)
        strangers = [p for p in arrived if p not in self._patients]
        self._postponed = {}
        try:
            self._restore(strangers, now_us, work)
        except Retryable as error:
            log.warning("the past of %d patients cannot be read: %s", len(strangers), error)
            self._postponed = {p: arrived.pop(p) for p in strangers}
        for patient, frames in arrived.items():
            if not self._guard(patient, now_us, work, partial(self._take, frames=frames, now_us=now_us, work=work)):
                known = {f.key for f in work.frames}  # accepted is accepted: stored, if nothing else
                work.frames += [f for f in frames if f.key not in known]
        self._advance_waiting(arrived, now_us, work)
        self._follow(now_us, work)
        self._score(now_us, work)
        self._finish(work)
        return work.dead

    def limits_are(self, limits: Mapping[PatientId, Mapping[str, float]]) -> None:
        """The limits of all patients who have their own; they hold from the next batch on. From any thread."""
        self._limits = dict(limits)

    def announce(self) -> None:
        """Send out the live messages of what was processed: an alarm must not wait for a disk."""
        live, self._live = self._live, []
        if live:
            self._feed.publish(live)

    def commit(self) -> None:
        """Make all that was given to `process` durable; only then may its records be acknowledged. Announces it first.

        Idle when nothing is left. Raises Retryable when the database is away: process and call again. Raises Superseded
        when another worker has claimed one of the patients: nothing was stored and all are forgotten, as if this
        worker had died; what is still its own is to be processed again.
        """
        self.announce()
        if self._pending is not None:
            self._store_batch(self._pending)
        if self._postponed:
            raise Retryable(f"{len(self._postponed)} patients wait for their past to be read")

    def forget(self) -> None:
        """Drop all patients and what is not durable: they may now be another worker's.

        Whoever reads the records again restores the patients first.
        """
        self._patients.clear()
        self._rhythms, self._unheard = RhythmBank(), []
        self._postponed.clear()
        self._pending, self._first_arrival_us = None, 0

    def _store_batch(self, batch: Batch) -> None:
        started_us = self._clock.now_us()
        try:
            self._store.commit(batch)
        except Retryable:
            self._metrics.count("batches_retried")
            raise
        except Superseded:
            self.forget()
            raise
        self._pending = None
        now_us = self._clock.now_us()
        self._metrics.count("frames_stored", len(batch.frames))
        self._metrics.observe("commit_s", (now_us - started_us) / US_PER_S)
        if self._first_arrival_us:
            self._metrics.observe("arrival_to_commit_s", max(0, now_us - self._first_arrival_us) / US_PER_S)
        self._first_arrival_us = 0

    def _decode(self, values: Iterable[bytes], work: _Work) -> dict[PatientId, list[Frame]]:
        arrived = self._postponed
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
        for patient, past in self._store.restore(patients, claim=True).items():
            checkpoint, stream = past.checkpoint or {}, PatientStream(patient, self._ingest)
            alarms = self._engine(patient, checkpoint, past.limits)
            self._patients[patient] = _Patient(stream, alarms, past.epoch, past.limits)
            if until_us := checkpoint.get("processed_until_us"):
                stream.mark_processed(until_us, checkpoint.get("shift_us", 0))
            self._guard(patient, now_us, work, partial(self._replay, frames=past.frames, work=work))

    def _engine(self, patient: PatientId, checkpoint: Mapping[str, Any], limits: Mapping[str, float]) -> AlarmEngine:
        alarms = self._own_alarms(self._alarms, limits)
        try:
            return AlarmEngine.restore(patient, alarms, checkpoint.get("alarms", {}))
        except Poison as poison:
            log.error("alarm state begins anew: %s", poison, extra={"patient": patient})
            return AlarmEngine(patient, alarms)

    def _apply_limits(self) -> None:
        """An engine with other limits goes on from the checkpoint of the one before: no alarm is lost by it."""
        told, self._limits = self._limits, None
        if told is None:
            return
        for patient, member in self._patients.items():
            limits = told.get(patient, {})
            if dict(limits) != dict(member.limits):
                member.alarms = self._engine(patient, {"alarms": member.alarms.checkpoint()}, limits)
                member.limits = limits
                log.info("limits taken up", extra={"patient": patient})

    def _replay(self, member: _Patient, frames: Sequence[Frame], work: _Work) -> None:
        """Stored frames rebuild the state. What was acted upon before is known by its time."""
        for frame in frames:
            member.stream.push(frame)
            member.state = with_frame(member.state, frame)
            self._advance(member, frame.arrival_us, work)

    def _guard(self, patient: PatientId, now_us: int, work: _Work, step: Callable[[_Patient], None]) -> bool:
        """One patient's trouble is not the ward's: tell of it, forget the state, go on. Whether all went well."""
        work.touched[patient] = None
        member = self._patients.get(patient)
        if member is None:
            return False
        try:
            step(member)
        except Exception:
            log.exception("analysis failed, state rebuilt at the next frame", extra={"patient": patient})
            self._patients.pop(patient)
            self._rhythms.drop(patient)
            t_us = member.state.last_sample_us if member.state else now_us
            work.events += member.alarms.on_failure(t_us, now_us)
            work.failed[patient] = member
        return patient in self._patients

    def _take(self, member: _Patient, frames: Sequence[Frame], now_us: int, work: _Work) -> None:
        for frame in frames:
            verdict = member.stream.push(frame)
            if verdict == "duplicate":
                self._metrics.count("frames_duplicate")
                continue
            if verdict == "late":
                self._metrics.count("frames_late")
            work.frames.append(frame)
            member.state = with_frame(member.state, frame)
        self._advance(member, now_us, work)

    def _advance(self, member: _Patient, until_us: int, work: _Work) -> None:
        released = member.stream.advance(until_us)
        work.windows += released.windows
        work.chunks += released.chunks

    def _follow(self, now_us: int, work: _Work) -> None:
        """The seconds that have become whole, all patients' at once, and what the rules say of each."""
        chunks, self._unheard = self._unheard + work.chunks, []
        if not self._ready():
            self._unheard = chunks
            return
        for chunk, vitals in zip(chunks, self._rhythms.push(chunks), strict=True):
            self._guard(chunk.patient, now_us, work, partial(self._judge, vitals=vitals, now_us=now_us, work=work))

    def _judge(self, member: _Patient, vitals: list[Vitals] | Exception, now_us: int, work: _Work) -> None:
        if isinstance(vitals, Exception):
            raise vitals
        for second in vitals:
            work.events += member.alarms.on_vitals(second, now_us)
            member.state = with_vitals(member.state, second)

    def _advance_waiting(self, arrived: Mapping[PatientId, object], now_us: int, work: _Work) -> None:
        """Give up on missing frames whose time has run out, although nothing new came."""
        for patient in [p for p, m in self._patients.items() if p not in arrived and m.stream.waiting]:
            self._guard(patient, now_us, work, partial(self._advance, until_us=now_us, work=work))

    def _score(self, now_us: int, work: _Work) -> None:
        if not work.windows:
            return
        try:
            work.findings = self._scorer.score(work.windows)
        except Exception:  # the rules go on; patients whose windows stay unread get MODEL_UNAVAILABLE
            log.exception("the student failed on %d windows", len(work.windows))
            self._metrics.count("windows_abstained", len(work.windows))
            return
        self._metrics.count("windows_scored", sum(not f.abstained for f in work.findings))
        self._metrics.count("windows_abstained", sum(f.abstained for f in work.findings))
        for finding in work.findings:
            member = self._patients.get(finding.patient)
            if member is not None:
                work.events += member.alarms.on_finding(finding, now_us)
                member.state = with_finding(member.state, finding)

    def _finish(self, work: _Work) -> None:
        members = work.failed | {p: self._patients[p] for p in work.touched if p in self._patients}
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
            epochs={p: m.epoch for p, m in members.items()},
        )
        self._metrics.count("alarms_raised", sum(e.action == "raised" for e in work.events))
        if batch.frames or batch.findings or batch.alarms or batch.checkpoints:
            self._pending = batch if self._pending is None else self._pending.then(batch)
        self._live += _live(work.frames, states, work.events)


def _live(frames: Sequence[Frame], states: Sequence[PatientState], events: Sequence[AlarmEvent]) -> list[LiveMessage]:
    """Alarms first: on a slow link they must not queue behind strips."""
    return [
        *map(alarm_message, events),
        *(LiveMessage("state", s.patient, json.dumps(s.to_json()).encode()) for s in states),
        *(LiveMessage("frame", f.patient, encode_frame(f)) for f in frames),
    ]
