"""Admit, transfer, discharge, and give devices to patients. Names stay out of this: a patient is a pseudonym here."""

import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.identity import Identity
from alerts.dashboard.ports import Codes, Stays, Worn
from alerts.dashboard.present import everybody
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Board, LiveFeed
from liteheart.board import Awaited, LiveMessage, PatientState
from liteheart.clock import US_PER_S, Clock
from liteheart.ids import ID_PATTERN, DeviceId, PatientId

log = logging.getLogger(__name__)

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Bed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32, pattern=r"^[\w .:/#-]+$")]
Items = dict[str, list[dict[str, Any]]]


class Admission(BaseModel):
    """Into which bed; who it is may follow later."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"bed": "A-03"}]}
    )
    bed: Bed
    identity: Identity | None = None


class Transfer(BaseModel):
    """Into which bed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"bed": "B-11"}]})
    bed: Bed


class Nothing(BaseModel):
    """An empty object."""

    model_config = ConfigDict(extra="forbid")


class AdmissionsApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(
        self, stays: Stays, codes: Codes, worn: Worn, board: Board, feed: LiveFeed, clock: Clock, s: DashboardSettings
    ) -> None:
        self._stays, self._codes, self._worn = stays, codes, worn
        self._board, self._feed, self._clock, self._settings = board, feed, clock, s

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["admissions"])
        router.add_api_route("/admissions", self.present, methods=["GET"])
        router.add_api_route("/patients", self.admit, methods=["POST"], status_code=201)
        router.add_api_route("/patients/{patient}/transfer", self.transfer, methods=["POST"])
        router.add_api_route("/patients/{patient}/discharge", self.discharge, methods=["POST"])
        router.add_api_route("/patients/{patient}/pairing", self.offer, methods=["POST"], status_code=201)
        router.add_api_route("/devices/{device}", self.part, methods=["DELETE"], status_code=204)
        return router

    def present(self) -> Items:
        """Everybody who is here: bed, since when, the device that is worn, and whether an identity is kept."""
        return {
            "items": [
                {
                    "patient": stay.patient,
                    "bed": stay.bed,
                    "since_us": stay.since_us,
                    "device": next(iter(stay.devices), None),
                    "devices": list(stay.devices),
                    "identified": stay.identified,
                }
                for stay in self._stays.present()
            ]
        }

    def admit(self, request: Request, said: Annotated[Admission, Body()]) -> dict[str, Any]:
        """A fresh pseudonym in a free bed, on every screen from now on; 409 where someone lies."""
        by, identity = request.state.person.username, said.identity
        plain = None if identity is None else identity.model_dump(mode="json")
        now_us = self._clock.now_us()
        patient = self._stays.admit(said.bed, plain, by, now_us)
        self._tell(Awaited(patient, now_us, said.bed))
        log.info("admitted", extra={"by": by, "patient": patient, "bed": said.bed})
        return {"patient": patient, "bed": said.bed}

    def transfer(self, request: Request, patient: Identifier, said: Annotated[Transfer, Body()]) -> dict[str, Any]:
        """To another bed; every screen is told."""
        by = request.state.person.username
        if not self._stays.transfer(PatientId(patient), said.bed, by, self._clock.now_us()):
            raise _absent()
        for state in self._states(patient):
            self._tell(state)
        log.info("transferred", extra={"by": by, "patient": patient, "bed": said.bed})
        return {"patient": patient, "bed": said.bed}

    def discharge(self, request: Request, patient: Identifier, _: Annotated[Nothing, Body()]) -> dict[str, Any]:
        """End the stay and the device's token; 409 naming an alarm of HIGH priority that nobody acknowledged."""
        by, states, now_us = request.state.person.username, self._states(patient), self._clock.now_us()
        if not self._stays.discharge(PatientId(patient), by, now_us):
            raise _absent()
        for state in states:
            self._tell(state, discharged=True)
        log.info("discharged", extra={"by": by, "patient": patient})
        return {"patient": patient, "discharged_us": now_us}

    def offer(self, request: Request, patient: Identifier, _: Annotated[Nothing, Body()]) -> dict[str, Any]:
        """A code that a device is paired with, once; an older one of the patient ends."""
        by, now_us = request.state.person.username, self._clock.now_us()
        until_us = now_us + round(self._settings.code_s * US_PER_S)
        code = self._codes.offer(PatientId(patient), by, now_us, until_us)
        if code is None:
            raise _absent()
        log.info("pairing offered", extra={"by": by, "patient": patient})
        return {"code": code, "until_us": until_us}

    def part(self, request: Request, device: Identifier) -> None:
        """The device's token ends; what it sends from now on is refused."""
        by = request.state.person.username
        if not self._worn.revoke(DeviceId(device), self._clock.now_us(), by=by):
            raise Refused(404, "device", "has no token that is valid")
        log.info("device parted", extra={"by": by, "device": device})

    def _states(self, patient: str) -> list[PatientState | Awaited]:
        return [state for state in everybody(self._board) if state.patient == patient]

    def _tell(self, state: PatientState | Awaited, *, discharged: bool = False) -> None:
        told = state.to_json() | ({"discharged": True} if discharged else {})
        payload = json.dumps(told, separators=(",", ":")).encode()
        self._feed.publish([LiveMessage("state", state.patient, payload)])


def _absent() -> Refused:
    return Refused(404, "patient", "is not here")
