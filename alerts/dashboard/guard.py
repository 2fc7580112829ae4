"""The door of every route: right host, right origin, right person, small body; and the answer's security headers.

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
from starlette.requests import HTTPConnection

from alerts.dashboard.auth import Local, Sessions
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import People, Person
from liteheart.clock import Clock
from liteheart.errors import Retryable

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

    def __init__(self, people: People | None, clock: Clock, settings: DashboardSettings) -> None:
        self.people = people
        self.sessions = Sessions(settings)
        self._clock = clock
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

    def person(self, connection: HTTPConnection) -> Person:
        """Who is asking. Raises Refused with 401, or 403 where nobody can sign in."""
        if self.people is None:
            if _from_this_machine(connection):
                return Local()
            raise Refused(403, "address", "without sign-in only this machine is served")
        token = self.token(connection)
        person = self.sessions.find(token, self._clock.now_us()) if token else None
        if person is None:
            raise Refused(401, "session", "sign in first")
        return person

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
                        guard._admit(request, public=public)
                        response = await handler(request)
                    except Refused as refused:
                        response = refused.response()
                    except RequestValidationError as invalid:
                        response = _invalid(invalid).response()
                    except Retryable as unavailable:
                        log.warning("storage did not answer %s: %s", request.url.path, unavailable)
                        response = Refused(503, "storage", "does not answer, try again").response()
                    for name, value in SECURITY_HEADERS.items():
                        response.headers[name] = value
                    response.headers.setdefault("Cache-Control", "no-store")
                    return response

                return guarded

        return GuardedRoute

    def _admit(self, request: Request, *, public: bool) -> None:
        changing = request.method not in _READING
        self.check_source(request, changing=changing or not public)
        if not public:
            request.state.person = self.person(request)
        if changing:
            _check_body(request)


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
