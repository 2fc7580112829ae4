"""Who a pseudonym is: for who has the right, and for an hour for who breaks the glass. Every reading is noted."""

import logging
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.ports import Identities
from alerts.dashboard.roles import Right, may
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Person
from liteheart.clock import US_PER_S, Clock
from liteheart.ids import ID_PATTERN, PatientId

log = logging.getLogger(__name__)

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]


class Identity(BaseModel):
    """What is kept of a person, sealed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    born: date | None = None
    record_number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] | None = None


class Reason(BaseModel):
    """Why, for whoever reviews it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "found without a wristband"}]})
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class IdentityApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, identities: Identities, clock: Clock, settings: DashboardSettings) -> None:
        self._identities, self._clock, self._settings = identities, clock, settings

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1/patients", route_class=guard.route_class(public=False), tags=["identity"])
        router.add_api_route("/{patient}/identity", self.read, methods=["GET"])
        router.add_api_route("/{patient}/identity", self.correct, methods=["PUT"], status_code=204)
        router.add_api_route("/{patient}/break-glass", self.break_glass, methods=["POST"], status_code=201)
        return router

    def read(self, request: Request, patient: Identifier) -> dict[str, Any]:
        """Name, date of birth, record number. 403 without the right, unless the glass is broken."""
        person: Person = request.state.person
        now_us, glass = self._clock.now_us(), Right.IDENTITY not in may(person.role)
        if glass and not self._identities.is_open(PatientId(patient), person.username, now_us):
            raise Refused(403, "identity", f"a {person.role} may read it for an hour after breaking the glass")
        found = self._identities.read(PatientId(patient), person.username, now_us, glass=glass)
        if found is None:
            raise Refused(404, "identity", "nobody said who that is")
        return dict(found)

    def correct(self, request: Request, patient: Identifier, said: Annotated[Identity, Body()]) -> None:
        """Say who that is, or say it anew."""
        by = request.state.person.username
        if not self._identities.set(PatientId(patient), said.model_dump(mode="json"), by, self._clock.now_us()):
            raise Refused(404, "patient", "nobody knows that patient")
        log.info("identity set", extra={"by": by, "patient": patient})

    def break_glass(self, request: Request, patient: Identifier, said: Annotated[Reason, Body()]) -> dict[str, Any]:
        """Read the identity for an hour, with a reason that is kept and flagged for review."""
        by, now_us = request.state.person.username, self._clock.now_us()
        until_us = now_us + round(self._settings.glass_s * US_PER_S)
        if not self._identities.break_glass(PatientId(patient), by, said.reason, now_us, until_us):
            raise Refused(404, "patient", "nobody knows that patient")
        return {"until_us": until_us}
