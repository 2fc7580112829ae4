"""Accounts, for who manages people: /api/v1/people. What changes here holds at once, elsewhere within seconds."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.ports import Accounts
from alerts.ports import Person
from liteheart.clock import Clock
from liteheart.errors import Poison
from liteheart.ids import ID_PATTERN

log = logging.getLogger(__name__)

Username = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Role = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class NewPerson(BaseModel):
    """Someone who shall be able to sign in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN.pattern}$")]
    role: Role
    password: Password


class Change(BaseModel):
    """What shall be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    role: Role | None = None
    password: Password | None = None


class PeopleApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, accounts: Accounts, guard: Guard, clock: Clock) -> None:
        self._accounts, self._guard, self._clock = accounts, guard, clock

    def router(self) -> APIRouter:
        """The routes, each behind the guard."""
        router = APIRouter(prefix="/api/v1", route_class=self._guard.route_class(public=False), tags=["people"])
        router.add_api_route("/people", self.people, methods=["GET"])
        router.add_api_route("/people", self.add, methods=["POST"], status_code=201)
        router.add_api_route("/people/{username}", self.change, methods=["PUT"])
        router.add_api_route("/people/{username}", self.remove, methods=["DELETE"], status_code=204)
        return router

    def people(self) -> dict[str, list[dict[str, Any]]]:
        """Every account, and on how many screens it is signed in."""
        now_us = self._clock.now_us()
        signed_in = [session.person.username for session in self._guard.sessions.of(None, now_us)]
        found = self._accounts.all()
        return {"items": [_plain(person) | {"sessions": signed_in.count(person.username)} for person in found]}

    def add(self, request: Request, said: Annotated[NewPerson, Body()]) -> dict[str, Any]:
        """Make an account."""
        by = request.state.person.username
        try:
            person = self._accounts.add(said.username, said.role, said.password, by=by, now_us=self._clock.now_us())
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None
        log.info("person added", extra={"by": by, "username": said.username, "role": said.role})
        return _plain(person)

    def change(self, request: Request, username: Username, said: Annotated[Change, Body()]) -> dict[str, Any]:
        """Another role, another password, or both. A new password ends all sessions of the person."""
        by, now_us = request.state.person.username, self._clock.now_us()
        try:
            person = self._accounts.change(username, said.role, said.password, by=by, now_us=now_us)
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None
        if person is None:
            raise Refused(404, "username", "there is no such account")
        self._guard.sessions.changed(username)
        log.info("person changed", extra={"by": by, "username": username, "role": person.role})
        return _plain(person)

    def remove(self, request: Request, username: Username) -> None:
        """Delete an account and end its sessions. What it did stays in the audit."""
        by = request.state.person.username
        if not self._accounts.remove(username, by=by, now_us=self._clock.now_us()):
            raise Refused(404, "username", "there is no such account")
        self._guard.sessions.changed(username)
        log.info("person removed", extra={"by": by, "username": username})


def _plain(person: Person) -> dict[str, Any]:
    return {"username": person.username, "role": person.role}
