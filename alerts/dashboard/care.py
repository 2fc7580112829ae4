"""What people do about alarms besides acknowledging: pause the sound, set limits of a patient, see who was told.

Everything is a fact in storage with a name and a time; the screens derive sound and countdowns from it.
"""

import dataclasses
import logging
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts import limits as bounds
from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.settings import DashboardSettings
from alerts.escalation import EscalationSettings, standing
from alerts.ports import Ladder, LimitStore, Pauses, Person, Told
from alerts.settings import AlarmSettings
from liteheart.clock import Clock
from liteheart.errors import Poison
from liteheart.ids import ID_PATTERN, AlarmId, PatientId

log = logging.getLogger(__name__)

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
_HISTORY = 20
_TOLD = ("target", "step", "created_us", "attempts", "delivered_us", "failed_us", "late", "error")


@dataclass(frozen=True, slots=True)
class Care:
    """What the routes stand on."""

    pauses: Pauses
    ladder: Ladder
    limits: LimitStore
    told: Told
    escalation: EscalationSettings
    alarms: AlarmSettings  # the ward's

    def now(self, now_us: int) -> dict[str, Any]:
        """Pauses that hold and alarms on the ladder, for the screens, and as of when. Raises Retryable."""
        return {
            "at_us": now_us,
            "pauses": [pause.to_json() for pause in self.pauses.pauses(now_us)],
            "escalations": [standing(u, now_us, self.escalation) for u in self.ladder.unattended()],
        }


class Pause(BaseModel):
    """Of one patient, or of one station: all screens that stand there."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"station": "ward", "seconds": 120}]})
    patient: Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN.pattern}$")] | None = None
    station: str | None = None
    seconds: float


class Limits(BaseModel):
    """Limits of one patient; what is left out is the ward's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"limits": {"tachy_bpm": 150}}]})
    limits: dict[str, float]


class CareApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, care: Care, clock: Clock, settings: DashboardSettings) -> None:
        self._care, self._clock, self._settings = care, clock, settings

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["care"])
        router.add_api_route("/care", self.now, methods=["GET"])
        router.add_api_route("/audio-pauses", self.pause, methods=["POST"], status_code=201)
        router.add_api_route("/audio-pauses/{pause_id}", self.resume, methods=["DELETE"], status_code=204)
        router.add_api_route("/patients/{patient}/limits", self.limits, methods=["GET"])
        router.add_api_route("/patients/{patient}/limits", self.set_limits, methods=["PUT"])
        router.add_api_route("/alarms/{alarm_id}/notifications", self.told, methods=["GET"])
        return router

    def now(self) -> dict[str, Any]:
        """Pauses that hold, alarms on the ladder, and what a screen may choose from."""
        choice = {
            "stations": self._settings.stations,
            "pause_s": self._settings.pause_s,
            "owners": self._care.escalation.owners,
        }
        return self._care.now(self._clock.now_us()) | choice

    def pause(self, request: Request, said: Annotated[Pause, Body()]) -> dict[str, Any]:
        """Hold back the sound of what has been heard. What is new and HIGH sounds all the same; nothing is hidden."""
        person: Person = request.state.person
        if (said.patient is None) == (said.station is None):
            raise Refused(422, "patient", "give either a patient or a station")
        if said.station is not None and said.station not in self._settings.stations:
            raise Refused(422, "station", f"must be one of {', '.join(self._settings.stations)}")
        if not 0 < said.seconds <= self._settings.pause_max_s:
            raise Refused(422, "seconds", f"must be above 0 and at most {self._settings.pause_max_s:g}")
        pause = self._care.pauses.pause(
            person.username,
            said.seconds,
            self._clock.now_us(),
            patient=None if said.patient is None else PatientId(said.patient),
            station=said.station,
            unheard_s=self._settings.unheard_s,
        )
        log.info("sound paused", extra={"by": person.username, "patient": said.patient, "station": said.station})
        return pause.to_json()

    def resume(self, request: Request, pause_id: Annotated[int, Path(ge=1, lt=1 << 62)]) -> None:
        """End a pause before its time."""
        person: Person = request.state.person
        if not self._care.pauses.resume(pause_id, person.username, self._clock.now_us()):
            raise Refused(404, "pause_id", "no such pause holds")
        log.info("sound resumed", extra={"by": person.username, "pause": pause_id})

    def limits(self, patient: Identifier) -> dict[str, Any]:
        """The limits that hold for the patient, those of the ward, their bounds, and who set what before."""
        history = self._care.limits.history(PatientId(patient), _HISTORY)
        return {
            "patient": patient,
            "limits": history[0].limits if history else {},
            "ward": bounds.told(self._care.alarms),
            "history": [dataclasses.asdict(entry) for entry in history],
        }

    def set_limits(self, request: Request, patient: Identifier, said: Annotated[Limits, Body()]) -> dict[str, Any]:
        """Replace the limits of the patient; the monitor takes them up within seconds."""
        person: Person = request.state.person
        try:
            limits = bounds.checked(self._care.alarms, said.limits)
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None
        self._care.limits.set(PatientId(patient), limits, person.username, self._clock.now_us())
        log.info("limits set", extra={"by": person.username, "patient": patient, "limits": limits})
        return self.limits(patient)

    def told(self, alarm_id: Identifier) -> dict[str, list[dict[str, Any]]]:
        """Who was told of the alarm, when, or why not."""
        found = self._care.told.of_alarm(AlarmId(alarm_id))
        return {"items": [{name: getattr(d, name) for name in _TOLD} for d in found]}
