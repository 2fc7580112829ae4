"""The patients of one worker: each one's stream and alarms, brought back from storage, given up when a step fails."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from deploy.ports import Store
from deploy.state import with_frame
from deploy.work import Work
from inference.rhythm import RhythmBank
from ingest.settings import IngestSettings
from ingest.stream import PatientStream
from liteheart.board import PatientState
from liteheart.errors import Poison
from liteheart.ids import PatientId
from liteheart.signal import Frame

log = logging.getLogger(__name__)

OwnAlarms = Callable[[AlarmSettings, Mapping[str, float]], AlarmSettings]


@dataclass(slots=True)
class Patient:
    """All that the worker remembers of one patient, but for the rhythm, which is worked on together."""

    stream: PatientStream
    alarms: AlarmEngine
    epoch: int  # of our claim; a later one is another worker's
    limits: Mapping[str, float]  # of this patient, beside the ward's
    state: PatientState | None = None

    def checkpoint(self) -> dict[str, Any]:
        """What is stored beside the frames that made it."""
        return {
            "processed_until_us": self.stream.processed_until_us,
            "shift_us": self.stream.shift_us,
            "alarms": self.alarms.checkpoint(),
        }


class Patients:
    """Not thread-safe. `own_alarms` gives the ward's settings with the limits of one patient."""

    def __init__(
        self, ingest: IngestSettings, alarms: AlarmSettings, own_alarms: OwnAlarms, rhythms: RhythmBank
    ) -> None:
        self._ingest, self._alarms, self._own_alarms = ingest, alarms, own_alarms
        self._known: dict[PatientId, Patient] = {}
        self.rhythms = rhythms  # of all of them

    def __contains__(self, patient: PatientId) -> bool:
        return patient in self._known

    def get(self, patient: PatientId) -> Patient | None:
        """None for one who is not known, or no longer."""
        return self._known.get(patient)

    def settings(self, patient: PatientId) -> AlarmSettings:
        """The limits that hold for this patient; the ward's for a stranger."""
        member = self._known.get(patient)
        return self._alarms if member is None else member.alarms.settings

    def waiting(self) -> list[PatientId]:
        """Those of whom a frame is missing that may still come."""
        return [p for p, m in self._known.items() if m.stream.waiting]

    def restore(self, strangers: Sequence[PatientId], store: Store, now_us: int, work: Work) -> None:
        """Take them over with the past that `store` has of them. Raises Retryable when it does not answer."""
        if not strangers:
            return
        for patient, past in store.restore(strangers, claim=True).items():
            checkpoint, stream = past.checkpoint or {}, PatientStream(patient, self._ingest)
            alarms = self._engine(patient, checkpoint, past.limits)
            self._known[patient] = Patient(stream, alarms, past.epoch, past.limits)
            if until_us := checkpoint.get("processed_until_us"):
                stream.mark_processed(until_us, checkpoint.get("shift_us", 0))
            self.guard(patient, now_us, work, partial(_replay, frames=past.frames, work=work))

    def ward_is(self, alarms: AlarmSettings) -> None:
        """Other settings of the ward, for everybody; alarms go on from their checkpoints, as with other limits."""
        if alarms != self._alarms:
            self._alarms = alarms
            for patient, member in self._known.items():
                member.alarms = self._engine(patient, {"alarms": member.alarms.checkpoint()}, member.limits)

    def limits_are(self, told: Mapping[PatientId, Mapping[str, float]]) -> None:
        """An engine with other limits goes on from the checkpoint of the one before: no alarm is lost by it."""
        for patient, member in self._known.items():
            limits = told.get(patient, {})
            if dict(limits) != dict(member.limits):
                member.alarms = self._engine(patient, {"alarms": member.alarms.checkpoint()}, limits)
                member.limits = limits
                log.info("limits taken up", extra={"patient": patient})

    def guard(self, patient: PatientId, now_us: int, work: Work, step: Callable[[Patient], None]) -> bool:
        """One patient's trouble is not the ward's: tell of it, forget the state, go on. Whether all went well."""
        work.touched[patient] = None
        member = self._known.get(patient)
        if member is None:
            return False
        try:
            step(member)
        except Exception:
            log.exception("analysis failed, state rebuilt at the next frame", extra={"patient": patient})
            self._known.pop(patient)
            self.rhythms.drop(patient)
            t_us = member.state.last_sample_us if member.state else now_us
            work.events += member.alarms.on_failure(t_us, now_us)
            work.failed[patient] = member
        return patient in self._known

    def touched(self, work: Work) -> dict[PatientId, Patient]:
        """Whose state `work` has changed, those among them whose analysis broke off included."""
        return work.failed | {p: self._known[p] for p in work.touched if p in self._known}

    def _engine(self, patient: PatientId, checkpoint: Mapping[str, Any], limits: Mapping[str, float]) -> AlarmEngine:
        alarms = self._own_alarms(self._alarms, limits)
        try:
            return AlarmEngine.restore(patient, alarms, checkpoint.get("alarms", {}))
        except Poison as poison:
            log.error("alarm state begins anew: %s", poison, extra={"patient": patient})
            return AlarmEngine(patient, alarms)


def advance(member: Patient, until_us: int, work: Work) -> None:
    """Take out of the stream what is whole, or overdue, at `until_us`."""
    released = member.stream.advance(until_us)
    work.windows += released.windows
    work.chunks += released.chunks


def _replay(member: Patient, frames: Sequence[Frame], work: Work) -> None:
    """Stored frames rebuild the state. What was acted upon before is known by its time."""
    for frame in frames:
        member.stream.push(frame)
        member.state = with_frame(member.state, frame)
        advance(member, frame.arrival_us, work)
