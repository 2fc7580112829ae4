"""The door of every route: right host, right origin, right person, small body; and the answer's security headers.

Who may do what is `alerts.dashboard.roles`; a route that is not in it is refused to everybody.

Without people, requests from this machine act as the local nurse. The Host check keeps a foreign page from reaching
that door by pointing its own name at 127.0.0.1 (DNS rebinding), the Origin check from posting through it.
"""

import ipaddress
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from alerts.dashboard import roles
from alerts.dashboard.auth import Local, Sessions
from alerts.dashboard.ports import SessionStore, Trail
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import People, Person
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Conflict, Retryable

log = logging.getLogger(__name__)

BODY_MAX = 4096  # bytes; the largest body is a name and a password
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Refused(Exception):
    """The request cannot be granted; `field` names what was wrong with it."""

    def __init__(self, status: int, field: str, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {field}: {reason}")
        self.status, self.field, self.reason, self.headers = status, field, reason, headers or {}

    def response(self) -> JSONResponse:
        """{"error": {"field", "reason"}}."""
        body = {"error": {"field": self.field, "reason": self.reason}}
        headers = SECURITY_HEADERS | {"Cache-Control": "no-store"} | self.headers
        return JSONResponse(body, self.status, headers)


class Guard:
    """Knows the sessions; asked by every route and by the live view."""

    def __init__(
        self,
        people: People | None,
        clock: Clock,
        settings: DashboardSettings,
        *,
        sessions: SessionStore | None = None,
        trail: Trail | None = None,
    ) -> None:
        """Without `sessions` a restart signs everybody out; without `trail` nobody notes who read what."""
        self.people = people
        self.sessions = Sessions(settings, sessions)
        self.clock = clock
        self._seen = Seen(trail)
        hosts = {host.lower() for host in settings.allowed_hosts}
        self._hosts = hosts & _LOOPBACK_NAMES if people is None else hosts
        self.cookie = "__Host-liteheart" if settings.secure_cookie else "liteheart"

    def check_source(self, connection: HTTPConnection, *, changing: bool) -> None:
        """Raise Refused for a host that is not ours, or a change that another site's page asks for."""
        host = connection.headers.get("host", "").lower()
        if _host_name(host) not in self._hosts:
            raise Refused(421, "host", "this name is not served here")
        if not changing:
            return
        origin = connection.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host:
            raise Refused(403, "origin", "another site may not do this")
        if connection.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "origin", "another site may not do this")

    async def person(self, connection: HTTPConnection) -> Person:
        """Who is asking. Raises Refused with 401, or 403 where nobody can sign in; Retryable."""
        if self.people is None:
            if _from_this_machine(connection):
                return Local()
            raise Refused(403, "address", "without sign-in only this machine is served")
        token, now_us = self.token(connection), self.clock.now_us()
        person = self.sessions.known(token, now_us) if token else None
        if person is None and token:
            person = await run_in_threadpool(self.sessions.find, token, now_us)
        if person is None:
            raise Refused(401, "session", "sign in first")
        return person

    async def permitted(self, connection: HTTPConnection, method: str, path: str) -> Person:
        """Who is asking, if they may do this. `path` as the route was declared. Raises as `person`, and 403."""
        person = await self.person(connection)
        needed = roles.needed(method, path)
        if not needed & roles.may(person.role):
            field = "identity" if roles.Right.IDENTITY in needed else "role"
            asked = " or ".join(sorted(needed)) or "one that nobody has: the route is not in the table of rights"
            raise Refused(403, field, f"a {person.role} may not; this needs the right {asked}")
        return person

    async def looked(self, person: Person, action: str, subject: str) -> None:
        """Note that the person looked at something. Raises Retryable."""
        now_us = self.clock.now_us()
        if self._seen.is_news(person.username, action, subject, now_us):
            await run_in_threadpool(self._seen.note, person.username, action, subject, now_us)

    def token(self, connection: HTTPConnection) -> str:
        """The session token that came along, or nothing."""
        return connection.cookies.get(self.cookie, "")

    def route_class(self, *, public: bool) -> type[APIRoute]:
        """Routes behind this door; public ones check the source but ask nobody's name."""
        guard = self

        class GuardedRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handler = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    try:
                        await guard._admit(request, self.path, public=public)
                        response = await handler(request)
                        if self.path in roles.SIGNAL and response.status_code < 400:
                            patient = request.path_params["patient"]
                            await guard.looked(request.state.person, "signal-read", patient)
                    except Refused as refused:
                        response = refused.response()
                    except RequestValidationError as invalid:
                        response = _invalid(invalid).response()
                    except Conflict as conflict:
                        response = Refused(409, conflict.field, conflict.reason).response()
                    except Retryable as unavailable:
                        log.warning("storage did not answer %s: %s", request.url.path, unavailable)
                        response = Refused(503, "storage", "does not answer, try again").response()
                    for name, value in SECURITY_HEADERS.items():
                        response.headers[name] = value
                    response.headers.setdefault("Cache-Control", "no-store")
                    return response

                return guarded

        return GuardedRoute

    async def _admit(self, request: Request, path: str, *, public: bool) -> None:
        changing = request.method not in _READING
        self.check_source(request, changing=changing or not public)
        if not public:
            request.state.person = await self.permitted(request, request.method, path)
        if changing:
            _check_body(request)


class Seen:
    """What each person looked at in this quarter of an hour; storage is asked once for each."""

    def __init__(self, trail: Trail | None) -> None:
        self._trail = trail
        self._quarter = 0
        self._told: set[tuple[str, str, str]] = set()

    def is_news(self, by: str, action: str, subject: str, now_us: int) -> bool:
        """Whether that is yet to be noted."""
        quarter = now_us // (15 * 60 * US_PER_S)
        if quarter != self._quarter:
            self._quarter, self._told = quarter, set()
        return self._trail is not None and (by, action, subject) not in self._told

    def note(self, by: str, action: str, subject: str, now_us: int) -> None:
        """Note it. Raises Retryable."""
        if self._trail is not None:
            self._trail.seen(by, action, subject, now_us)
            self._told.add((by, action, subject))


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]


def _from_this_machine(connection: HTTPConnection) -> bool:
    """A request that a proxy passed on is not from here, wherever the proxy runs."""
    if connection.client is None or any(name in connection.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(connection.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _check_body(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if request.method == "DELETE" and not length:
        return
    if not (length.isascii() and length.isdigit()):
        raise Refused(411, "content-length", "must be given")
    if int(length[:20]) > BODY_MAX:
        raise Refused(413, "body", f"more than {BODY_MAX} bytes")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if int(length[:20]) and content_type != "application/json":
        raise Refused(415, "content-type", "must be application/json")


def _invalid(error: RequestValidationError) -> Refused:
    first = error.errors()[0]
    names = [str(part) for part in first["loc"][1:] if isinstance(part, str)]
    return Refused(422, ".".join(names) or str(first["loc"][0]), str(first["msg"]))
