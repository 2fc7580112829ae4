"""The monitor's one step: a batch of frames in, one transaction and its live messages out. No broker, no event loop.

    bytes --> frames --> each patient's stream --+--> chunks --> seconds --> rules -------+--> batch, live messages
              (here)     (`patients.py`)         |              (`seconds.py`)            |    (`work.py`)
                                                 +--> windows --> the student --> rules --+

Everything that a patient's state depends on is either rebuilt from the stored frames of the last `ring_s` seconds
(reorder buffer, ring, filters, beats) or saved in the same transaction as those frames (alarm episodes, the time up to
which the signal was processed). So a worker may die anywhere: what was not committed is read again, what was is known.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from alerts.settings import AlarmSettings
from deploy.patients import OwnAlarms, Patient, Patients, advance
from deploy.ports import DeadLetter, Feed, Scorer, Store
from deploy.seconds import follow
from deploy.state import with_finding, with_frame
from deploy.work import Work, live_messages, states_of
from inference.rhythm import RhythmBank
from ingest.settings import IngestSettings
from ingest.validate import check_frame
from liteheart.board import LiveMessage
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Poison, Retryable
from liteheart.ids import PatientId
from liteheart.metrics import Metrics
from liteheart.signal import Chunk, Frame
from liteheart.wire import decode_frame
from storage.monitor_store import Batch, Superseded

log = logging.getLogger(__name__)


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
        own_alarms: OwnAlarms = lambda ward, _: ward,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ingest, self._alarms = ingest, alarms
        self._own_alarms = own_alarms  # the ward's settings with the limits of one patient
        self._limits: Mapping[PatientId, Mapping[str, float]] | None = None  # as last told, not applied yet
        self._scorer, self._store, self._feed = scorer, store, feed
        self._successor: tuple[Scorer, AlarmSettings] | None = None
        self._clock, self._metrics = clock, metrics
        self._patients = self._nobody()
        self._ready = ready  # whether rhythms can be worked on yet: their code is compiled first, strips must not wait
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
        work = Work()
        self._succeed()
        told, self._limits = self._limits, None
        if told is not None:
            self._patients.limits_are(told)
        arrived = self._decode(values, work)
        strangers = [p for p in arrived if p not in self._patients]
        self._postponed = {}
        try:
            self._patients.restore(strangers, self._store, now_us, work)
        except Retryable as error:
            log.warning("the past of %d patients cannot be read: %s", len(strangers), error)
            self._postponed = {p: arrived.pop(p) for p in strangers}
        for patient, frames in arrived.items():
            step = partial(self._take, frames=frames, now_us=now_us, work=work)
            if not self._patients.guard(patient, now_us, work, step):
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

    def serve(self, scorer: Scorer, thresholds: Mapping[str, float]) -> None:
        """Another student reads from the next batch on: no window is left out or read twice. From any thread."""
        self._successor = scorer, replace(self._alarms, thresholds=thresholds)

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
        self._patients, self._unheard = self._nobody(), []
        self._postponed.clear()
        self._pending, self._first_arrival_us = None, 0

    def _succeed(self) -> None:
        successor, self._successor = self._successor, None
        if successor is not None:
            self._scorer, self._alarms = successor
            self._patients.ward_is(self._alarms)

    def _nobody(self) -> Patients:
        return Patients(self._ingest, self._alarms, self._own_alarms, RhythmBank())

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

    def _decode(self, values: Iterable[bytes], work: Work) -> dict[PatientId, list[Frame]]:
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

    def _take(self, member: Patient, frames: Sequence[Frame], now_us: int, work: Work) -> None:
        for frame in frames:
            verdict = member.stream.push(frame)
            if verdict == "duplicate":
                self._metrics.count("frames_duplicate")
                continue
            if verdict == "late":
                self._metrics.count("frames_late")
            work.frames.append(frame)
            member.state = with_frame(member.state, frame)
        advance(member, now_us, work)

    def _follow(self, now_us: int, work: Work) -> None:
        chunks, self._unheard = self._unheard + work.chunks, []
        if self._ready():
            follow(self._patients, chunks, now_us, work)
        else:
            self._unheard = chunks

    def _advance_waiting(self, arrived: Mapping[PatientId, object], now_us: int, work: Work) -> None:
        """Give up on missing frames whose time has run out, although nothing new came."""
        for patient in self._patients.waiting():
            if patient not in arrived:
                self._patients.guard(patient, now_us, work, partial(advance, until_us=now_us, work=work))

    def _score(self, now_us: int, work: Work) -> None:
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

    def _finish(self, work: Work) -> None:
        members = self._patients.touched(work)
        batch = work.batch(members)
        self._metrics.count("alarms_raised", sum(e.action == "raised" for e in work.events))
        if batch.frames or batch.findings or batch.alarms or batch.checkpoints:
            self._pending = batch if self._pending is None else self._pending.then(batch)
        self._live += live_messages(work.frames, states_of(members), work.events)
