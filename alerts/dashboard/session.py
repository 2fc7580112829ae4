"""Signing in and out: /api/v1/session."""

import logging
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.auth import MAY_ACKNOWLEDGE, Attempts
from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Person
from liteheart.clock import Clock

log = logging.getLogger(__name__)

_VERIFY_AT_ONCE = 2  # a password hash is slow on purpose; strangers must not take every core with it


class Credentials(BaseModel):
    """A name and a password, bounded before they reach the hash."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class SessionApi:
    """The three routes of a session."""

    def __init__(self, guard: Guard, clock: Clock, settings: DashboardSettings) -> None:
        self._guard, self._clock, self._settings = guard, clock, settings
        self._attempts = Attempts(settings)
        self._verifying = anyio.CapacityLimiter(_VERIFY_AT_ONCE)

    def router(self) -> APIRouter:
        """Public routes: they say themselves who may what."""
        router = APIRouter(prefix="/api/v1", route_class=self._guard.route_class(public=True), tags=["session"])
        router.add_api_route("/session", self.who, methods=["GET"])
        router.add_api_route("/session", self.sign_in, methods=["POST"])
        router.add_api_route("/session", self.sign_out, methods=["DELETE"], status_code=204)
        return router

    async def who(self, request: Request) -> dict[str, Any]:
        """Who is signed in here."""
        return self._plain(self._guard.person(request))

    async def sign_in(self, request: Request, response: Response, credentials: Credentials) -> dict[str, Any]:
        """Begin a session; the token travels in a cookie that scripts cannot read."""
        people = self._guard.people
        if people is None:
            return self._plain(self._guard.person(request))
        address = request.client.host if request.client else ""
        wait_s = self._attempts.wait_s(credentials.username, address, self._clock.now_us())
        if wait_s > 0:
            log.warning("too many sign-in attempts", extra={"address": address})
            seconds = int(wait_s) + 1
            raise Refused(
                429, "username", f"too many attempts, try again in {seconds} s", {"Retry-After": str(seconds)}
            )
        person = await anyio.to_thread.run_sync(
            people.verify, credentials.username, credentials.password, limiter=self._verifying
        )
        if person is None:
            raise Refused(401, "password", "name or password is wrong")
        self._attempts.succeeded(credentials.username, address)
        self._guard.sessions.end(self._guard.token(request))
        response.set_cookie(
            self._guard.cookie,
            self._guard.sessions.begin(person, self._clock.now_us()),
            max_age=round(self._settings.session_max_s),
            httponly=True,
            samesite="strict",
            secure=self._settings.secure_cookie,
            path="/",
        )
        return self._plain(person)

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session; the live view of this screen ends with it."""
        self._guard.sessions.end(self._guard.token(request))
        response.delete_cookie(
            self._guard.cookie, path="/", httponly=True, samesite="strict", secure=self._settings.secure_cookie
        )

    def _plain(self, person: Person) -> dict[str, Any]:
        return {
            "username": person.username,
            "role": person.role,
            "may_acknowledge": person.role in MAY_ACKNOWLEDGE,
            "can_sign_out": self._guard.people is not None,
        }
