"""Who may read what over FHIR: a registered system by its token and scopes, or someone who is signed in by their role.

Every answer that tells of a patient is noted: reader, kind and patient, once in a quarter of an hour. Who asks too
often, or tries token after token, is told to wait (429).
"""

import logging
import math
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from alerts.dashboard.guard import SECURITY_HEADERS, Guard, Refused, Seen
from alerts.fhir import outcome, scopes
from alerts.fhir.brake import Brake
from alerts.fhir.ports import Clients
from alerts.fhir.settings import FhirSettings
from alerts.fhir.version import Version
from liteheart.clock import Clock
from liteheart.errors import Poison, Retryable
from liteheart.ids import PatientId

log = logging.getLogger(__name__)

EVERYBODY: Final = "everybody"  # the subject of a search that names no patient
_JSON: Final = frozenset({"*/*", "application/*", "application/json", "application/fhir+json", "text/json"})
_FORMATS: Final = frozenset({"json", "application/json", "application/fhir+json", "text/json"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and whose; `patients` None: everybody's."""

    name: str
    patients: frozenset[PatientId] | None = None

    def narrowed(self, patient: PatientId | None) -> Collection[PatientId] | None:
        """Whom a search for `patient` is about, None: everybody. Raises Refused for someone else's patient."""
        if patient is None:
            return self.patients
        if self.patients is not None and patient not in self.patients:
            raise Refused(403, "patient", "the scopes are for other patients")
        return (patient,)


class Door:
    """Stands in front of every route."""

    def __init__(self, guard: Guard, clients: Clients, seen: Seen, clock: Clock, settings: FhirSettings) -> None:
        self._guard, self._clients, self._seen, self._clock = guard, clients, seen, clock
        self._requests = Brake(settings.requests, settings.requests_window_s)
        self._refused = Brake(settings.refused_tokens, settings.refused_window_s)

    def note(self, reader: Reader, kind: str, subject: str) -> None:
        """Note the reading, before it is answered: what cannot be noted is not told. Raises Retryable."""
        now_us = self._clock.now_us()
        if self._seen.is_news(reader.name, f"fhir-{kind}", subject, now_us):
            self._seen.note(reader.name, f"fhir-{kind}", subject, now_us)

    def route_class(self, *, kind: str | None, letter: str = "") -> type[APIRoute]:
        """Routes that read (r) or search (s) `kind`, open to all without one. Errors are OperationOutcomes."""
        door = self

        class FhirRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handler = super().get_route_handler()

                async def behind(request: Request) -> Response:
                    try:
                        door._guard.check_source(request, changing=False)
                        if kind is None:
                            door._pace(f"address {_address(request)}")
                        else:
                            request.state.reader = await door._admit(request, self.path, kind, letter)
                            door._pace(f"reader {request.state.reader.name}")
                            _check_format(request)
                            _check_version(request)
                        response = await handler(request)
                    except Refused as refused:
                        response = outcome.answer(refused.status, refused.field, refused.reason, refused.headers)
                    except Poison as poison:
                        response = outcome.answer(400, poison.field, poison.reason)
                    except RequestValidationError:
                        response = outcome.answer(404, "path", "there is nothing here")
                    except Retryable as unavailable:
                        log.warning("storage did not answer %s: %s", request.url.path, unavailable)
                        response = outcome.answer(503, "storage", "does not answer, try again", {"Retry-After": "2"})
                    response.headers.update(SECURITY_HEADERS)
                    response.headers.setdefault("Cache-Control", "no-store")
                    return response

                return behind

        return FhirRoute

    async def _admit(self, request: Request, path: str, kind: str, letter: str) -> Reader:
        held = request.headers.get("authorization")
        if held is not None:
            return await self._client(held, kind, letter, _address(request))
        self._guard.check_source(request, changing=True)  # a session travels in a cookie: no other site's page may ask
        try:
            if self._guard.people is None and kind != "AuditEvent":  # whoever sits at this machine
                person = await self._guard.person(request)
            else:
                person = await self._guard.permitted(request, request.method, path)
        except Refused as refused:
            if refused.status == 401:
                challenge = {"WWW-Authenticate": "Bearer"}
                raise Refused(401, refused.field, "give a bearer token, or sign in", challenge) from None
            raise
        return Reader(person.username)

    def _pace(self, key: str) -> None:
        """Count a request. Raises Refused for one too many."""
        now_us = self._clock.now_us()
        _wait(self._requests.wait_s(key, now_us), "rate", "too many requests")
        self._requests.count(key, now_us)

    async def _client(self, held: str, kind: str, letter: str, address: str) -> Reader:
        _wait(self._refused.wait_s(address, self._clock.now_us()), "token", "too many that were refused")
        scheme, _, token = held.partition(" ")
        client = None
        if scheme.lower() == "bearer" and token:
            client = await run_in_threadpool(self._clients.authenticate, token.strip())
        if client is None:
            self._refused.count(address, self._clock.now_us())
            log.warning("a token was refused", extra={"address": address})
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refused(401, "token", "is unknown or was revoked", challenge)
        try:
            patients = scopes.parse(client.scopes).whose(kind, letter)
        except PermissionError as missing:
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{missing}"'}
            raise Refused(403, "scope", f"{missing} is not granted", challenge) from None
        return Reader(f"client:{client.name}", patients)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _wait(wait_s: float, field: str, why: str) -> None:
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise Refused(429, field, f"{why}, try again in {seconds} s", {"Retry-After": str(seconds)})


def _check_format(request: Request) -> None:
    wanted = request.query_params.get("_format")
    if wanted is not None:
        if wanted.partition(";")[0].strip().replace(" ", "+") not in _FORMATS:
            raise Refused(406, "_format", "only application/fhir+json is spoken here")
        return
    accepted = request.headers.get("accept", "*/*").split(",")
    if not any(part.partition(";")[0].strip().lower() in _JSON for part in accepted):
        raise Refused(406, "accept", "only application/fhir+json is spoken here")


def _check_version(request: Request) -> None:
    if request.path_params.get("version") not in set(Version):
        raise Refused(404, "version", f"only {', '.join(Version)} are spoken here")
