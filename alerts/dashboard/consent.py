"""What a patient agreed to, and what cohorts are chosen by. Nothing here names anyone."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.ports import Consents, Subjects
from liteheart.clock import Clock
from liteheart.errors import Poison
from liteheart.ids import ID_PATTERN, PatientId

log = logging.getLogger(__name__)

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]


class Said(BaseModel):
    """One word of the patient."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"scope": "research", "given": True}]})
    scope: Word
    given: bool


class Facts(BaseModel):
    """All of it; what is left out is not known any more."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"site": "north", "sex": "female", "birth_year": 1950}]}
    )
    site: Word = ""
    sex: Word = "unknown"
    birth_year: int | None = None


class ConsentApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, consents: Consents, subjects: Subjects, clock: Clock) -> None:
        self._consents, self._subjects, self._clock = consents, subjects, clock

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1/patients", route_class=guard.route_class(public=False), tags=["consent"])
        router.add_api_route("/{patient}/consents", self.consents, methods=["GET"])
        router.add_api_route("/{patient}/consents", self.say, methods=["POST"], status_code=201)
        router.add_api_route("/{patient}/subject", self.subject, methods=["GET"])
        router.add_api_route("/{patient}/subject", self.describe, methods=["PUT"], status_code=204)
        return router

    def consents(self, patient: Identifier) -> dict[str, list[dict[str, Any]]]:
        """What holds now, one a scope; a scope that is not there is not consented to."""
        held = self._consents.of(PatientId(patient))
        return {"items": [{"scope": c.scope, "given": c.given, "by": c.by, "at_us": c.at_us} for c in held]}

    def say(self, request: Request, patient: Identifier, said: Annotated[Said, Body()]) -> dict[str, Any]:
        """Write down that consent was given or withdrawn. What was handed out before is not called back by it."""
        by, now_us = request.state.person.username, self._clock.now_us()
        try:
            known = self._consents.say(PatientId(patient), said.scope, said.given, by=by, now_us=now_us)
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None
        if not known:
            raise Refused(404, "patient", "nobody knows that patient")
        log.info("consent", extra={"by": by, "patient": patient, "scope": said.scope, "given": said.given})
        return {"scope": said.scope, "given": said.given, "by": by, "at_us": now_us}

    def subject(self, patient: Identifier) -> dict[str, Any]:
        """Site, sex, year of birth."""
        found = self._subjects.of(PatientId(patient))
        if found is None:
            if not self._subjects.knows(PatientId(patient)):
                raise Refused(404, "patient", "nobody knows that patient")
            return Facts().model_dump()
        return {"site": found.site, "sex": found.sex, "birth_year": found.birth_year}

    def describe(self, request: Request, patient: Identifier, said: Annotated[Facts, Body()]) -> None:
        """Say it, or say it anew."""
        by, now_us = request.state.person.username, self._clock.now_us()
        try:
            known = self._subjects.say(PatientId(patient), said.site, said.sex, said.birth_year, by=by, now_us=now_us)
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None
        if not known:
            raise Refused(404, "patient", "nobody knows that patient")
