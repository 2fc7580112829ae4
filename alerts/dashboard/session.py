"""Signing in and out: /api/v1/session."""

import logging
from functools import partial
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.concurrency import run_in_threadpool

from alerts.dashboard.auth import Attempts
from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.ports import Accounts, SignedIn
from alerts.dashboard.roles import Right, may
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import People, Person
from liteheart.clock import Clock
from liteheart.errors import Poison

log = logging.getLogger(__name__)

_VERIFY_AT_ONCE = 2  # a password hash is slow on purpose; strangers must not take every core with it


class Credentials(BaseModel):
    """A name and a password, bounded before they reach the hash."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class NewPassword(BaseModel):
    """The one that holds, and the one that shall."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    old: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class SessionApi:
    """The routes of a session."""

    def __init__(
        self,
        guard: Guard,
        clock: Clock,
        settings: DashboardSettings,
        accounts: Accounts | None,
        *,
        models: bool = False,
    ) -> None:
        """`models`: whether this dashboard tells of the students."""
        self._guard, self._clock, self._settings, self._accounts = guard, clock, settings, accounts
        self._models = models
        self._attempts = Attempts(settings)
        self._verifying = anyio.CapacityLimiter(_VERIFY_AT_ONCE)

    def router(self) -> APIRouter:
        """Public routes, which say themselves who may what; and those of someone who is signed in."""
        router = APIRouter(prefix="/api/v1", route_class=self._guard.route_class(public=True), tags=["session"])
        own = APIRouter(prefix="/api/v1", route_class=self._guard.route_class(public=False), tags=["session"])
        router.add_api_route("/session", self.who, methods=["GET"])
        router.add_api_route("/session", self.sign_in, methods=["POST"])
        router.add_api_route("/session", self.sign_out, methods=["DELETE"], status_code=204)
        own.add_api_route("/sessions", self.sessions, methods=["GET"])
        own.add_api_route("/sessions", self.sign_out_everywhere, methods=["DELETE"])
        if self._accounts is not None:
            own.add_api_route("/session/password", self.change_password, methods=["PUT"], status_code=204)
        both = APIRouter()
        both.include_router(router)
        both.include_router(own)
        return both

    async def who(self, request: Request) -> dict[str, Any]:
        """Who is signed in here, and what they may do."""
        return self._plain(await self._guard.person(request))

    async def sign_in(self, request: Request, response: Response, credentials: Credentials) -> dict[str, Any]:
        """Begin a session; the token travels in a cookie that scripts cannot read."""
        people = self._guard.people
        if people is None:
            return self._plain(await self._guard.person(request))
        person = await self._verified(request, people, credentials.username, credentials.password)
        sessions, now_us, address = self._guard.sessions, self._clock.now_us(), _address(request)
        if before := self._guard.token(request):
            await run_in_threadpool(sessions.end, before, now_us)
        response.set_cookie(
            self._guard.cookie,
            await run_in_threadpool(sessions.begin, person, now_us, address),
            max_age=round(self._settings.session_max_s),
            httponly=True,
            samesite="strict",
            secure=self._settings.secure_cookie,
            path="/",
        )
        return self._plain(person)

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session; the live view of this screen ends with it."""
        if token := self._guard.token(request):
            await run_in_threadpool(self._guard.sessions.end, token, self._clock.now_us())
        self._forget_cookie(response)

    def sessions(self, request: Request, of: Literal["me", "all"] = "me") -> dict[str, list[dict[str, Any]]]:
        """Where the person is signed in; of everybody for who manages people."""
        person: Person = request.state.person
        if of == "all" and Right.PEOPLE not in may(person.role):
            raise Refused(403, "role", f"a {person.role} sees sessions of their own")
        mine = self._guard.sessions.of(None if of == "all" else person.username, self._clock.now_us())
        here = self._guard.sessions.digest(self._guard.token(request))
        return {"items": [_session(session, here=session.digest == here) for session in mine]}

    def sign_out_everywhere(self, request: Request, response: Response) -> dict[str, int]:
        """End all sessions of the person who asks, this one too."""
        username = request.state.person.username
        self._forget_cookie(response)
        return {"ended": self._guard.sessions.end_all(username, username, self._clock.now_us())}

    async def change_password(self, request: Request, response: Response, said: NewPassword) -> None:
        """Of one's own; it ends all sessions, this one too."""
        accounts, username = self._accounts, request.state.person.username
        if accounts is None or self._guard.people is None:
            raise Refused(409, "password", "nobody has to sign in here")
        await self._verified(request, accounts, username, said.old, field="old")
        try:
            change = partial(accounts.change, username, None, said.new, by=username, now_us=self._clock.now_us())
            await anyio.to_thread.run_sync(change, limiter=self._verifying)
        except Poison as poison:
            raise Refused(422, "new", poison.reason) from None
        self._guard.sessions.changed(username)
        self._forget_cookie(response)

    async def _verified(
        self, request: Request, people: People, username: str, password: str, field: str = "password"
    ) -> Person:
        """The person whose password this is. Raises Refused: 401, or 429 for who guesses too often."""
        address = _address(request)
        wait_s = self._attempts.wait_s(username, address, self._clock.now_us())
        if wait_s > 0:
            log.warning("too many sign-in attempts", extra={"address": address})
            seconds = int(wait_s) + 1
            raise Refused(
                429, "username", f"too many attempts, try again in {seconds} s", {"Retry-After": str(seconds)}
            )
        person = await anyio.to_thread.run_sync(people.verify, username, password, limiter=self._verifying)
        if person is None:
            await run_in_threadpool(self._guard.sessions.refused, username, self._clock.now_us(), address)
            if field == "old":
                raise Refused(403, "old", "is wrong")
            raise Refused(401, "password", "name or password is wrong")
        self._attempts.succeeded(username, address)
        return person

    def _forget_cookie(self, response: Response) -> None:
        response.delete_cookie(
            self._guard.cookie, path="/", httponly=True, samesite="strict", secure=self._settings.secure_cookie
        )

    def _plain(self, person: Person) -> dict[str, Any]:
        rights = may(person.role)
        return {
            "username": person.username,
            "role": person.role,
            "may": sorted(rights),
            "may_acknowledge": Right.ACKNOWLEDGE in rights,
            "can_sign_out": self._guard.people is not None,
            "models": self._models,
        }


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _session(session: SignedIn, *, here: bool) -> dict[str, Any]:
    return {
        "username": session.person.username,
        "role": session.person.role,
        "began_us": session.began_us,
        "seen_us": session.seen_us,
        "from": session.peer,
        "here": here,
    }
