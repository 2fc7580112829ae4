"""Notes about patients, and hand-overs of the ward: what people tell one another, with name and time."""

import dataclasses
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Notes, Person
from liteheart.clock import Clock
from liteheart.ids import ID_PATTERN, PatientId

log = logging.getLogger(__name__)

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Microseconds = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1)]
_PLAIN = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"  # no control characters but tab and newline: databases refuse some
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=_PLAIN)]
Items = dict[str, list[dict[str, Any]]]


class Written(BaseModel):
    """A note."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "Electrodes changed."}]})
    text: Words


class HandedOver(BaseModel):
    """To whom, and what they should know."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "ben", "text": "Quiet night."}]})
    to: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=_PLAIN)]
    text: Words


class NotesApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, notes: Notes, clock: Clock, settings: DashboardSettings) -> None:
        self._notes, self._clock, self._settings = notes, clock, settings

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["notes"])
        router.add_api_route("/patients/{patient}/notes", self.notes, methods=["GET"])
        router.add_api_route("/patients/{patient}/notes", self.write, methods=["POST"], status_code=201)
        router.add_api_route("/handovers", self.handovers, methods=["GET"])
        router.add_api_route("/handovers", self.hand_over, methods=["POST"], status_code=201)
        return router

    def notes(self, patient: Identifier, limit: Limit = 100) -> Items:
        """What was written about the patient, the newest first."""
        found = self._notes.of_patient(PatientId(patient), self._bounded(limit))
        return {"items": [dataclasses.asdict(note) for note in found]}

    def write(self, request: Request, patient: Identifier, said: Annotated[Written, Body()]) -> dict[str, Any]:
        """Keep a note. Nothing that was written is ever changed or taken back."""
        person: Person = request.state.person
        note = self._notes.write(PatientId(patient), said.text, person.username, self._clock.now_us())
        log.info("note written", extra={"by": person.username, "patient": patient, "note": note.note_id})
        return dataclasses.asdict(note)

    def handovers(self, since_us: Microseconds = 0, limit: Limit = 100) -> Items:
        """Who handed over to whom since then, the newest first."""
        found = self._notes.handovers(since_us, self._bounded(limit))
        return {"items": [dataclasses.asdict(handover) for handover in found]}

    def hand_over(self, request: Request, said: Annotated[HandedOver, Body()]) -> dict[str, Any]:
        """Hand the ward over to someone."""
        person: Person = request.state.person
        handover = self._notes.hand_over(person.username, said.to, said.text, self._clock.now_us())
        log.info("handed over", extra={"by": person.username, "to": said.to})
        return dataclasses.asdict(handover)

    def _bounded(self, limit: int) -> int:
        if limit > self._settings.list_max:
            raise Refused(422, "limit", f"at most {self._settings.list_max}")
        return limit
