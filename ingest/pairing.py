"""A device gets its token for a one-time code: `POST /api/v1/pair`. Public, so that guessing is braked."""

import json
import logging
import threading
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from ingest.ports import PairingDesk
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Conflict, Poison, Retryable
from liteheart.ids import DeviceId

log = logging.getLogger(__name__)

_BODY_MAX: Final = 1024  # bytes
_TRIES: Final = 10  # wrong codes of one address within the window: 40 bits are not guessed so
_WINDOW_US: Final = 300 * US_PER_S
_ADDRESSES_MAX: Final = 20_000
_AT_ONCE: Final = 2  # a code's hash is slow on purpose; strangers must not take every core with it


class Brake:
    """Wrong codes by address; in memory, each process by itself. An attempt counts before the code is looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tried: dict[str, list[int]] = {}

    def wait_s(self, address: str, now_us: int) -> float:
        """0 when the attempt may go on (and is then counted), else the seconds until the next may."""
        with self._lock:
            recent = [t for t in self._tried.get(address, ()) if t > now_us - _WINDOW_US]
            if len(recent) >= _TRIES:
                return (recent[-_TRIES] + _WINDOW_US - now_us) / US_PER_S
            if address not in self._tried and len(self._tried) >= _ADDRESSES_MAX:
                del self._tried[next(iter(self._tried))]
            self._tried[address] = [*recent, now_us]
        return 0.0

    def forgive(self, address: str) -> None:
        """The code was right: this attempt is not held against the address."""
        with self._lock:
            if tried := self._tried.get(address):
                tried.pop()


def pairing_router(desk: PairingDesk, clock: Clock) -> APIRouter:
    """The route."""
    router, brake, looking = APIRouter(), Brake(), anyio.CapacityLimiter(_AT_ONCE)

    @router.post(
        "/api/v1/pair",
        summary="Get the device's token for a one-time code",
        status_code=201,
        tags=["devices"],
        openapi_extra={"requestBody": _REQUEST},
    )
    async def pair(request: Request) -> JSONResponse:
        """{"code", "device"} -> 201 {"token"}, shown this once. 403: the code does not hold. 429: after Retry-After."""
        address = request.client.host if request.client else ""
        try:
            code, device = await _asked(request)
        except Poison as poison:
            return _problem(422, poison.field, poison.reason)
        except ClientDisconnect:
            return _problem(400, "body", "broke off")  # nobody reads it
        wait_s = brake.wait_s(address, clock.now_us())
        if wait_s > 0:
            log.warning("too many pairing attempts", extra={"address": address})
            seconds = str(int(wait_s) + 1)
            return _problem(429, "code", f"too many attempts, try again in {seconds} s", {"Retry-After": seconds})
        redeem = partial(desk.redeem, code, DeviceId(device), clock.now_us())
        try:
            token = await anyio.to_thread.run_sync(redeem, limiter=looking)
        except Poison as poison:
            return _problem(403 if poison.field == "code" else 422, poison.field, poison.reason)
        except Conflict as conflict:
            return _problem(409, conflict.field, conflict.reason)
        except Retryable:
            brake.forgive(address)
            return _problem(503, "service", "does not answer, try again", {"Retry-After": "1"})
        brake.forgive(address)
        log.info("device paired", extra={"device": device})
        return JSONResponse({"token": token}, 201, {"Cache-Control": "no-store"})

    return router


async def _asked(request: Request) -> tuple[str, str]:
    """Code and device. Raises Poison, ClientDisconnect."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Poison("content-type", "must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX:
            raise Poison("body", f"is more than {_BODY_MAX} bytes")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Poison("body", "is not JSON") from None
    if not isinstance(said, dict):
        raise Poison("body", "must be an object with code and device")
    for field in ("code", "device"):
        if not isinstance(said.get(field), str):
            raise Poison(field, "must be text")
    return said["code"], said["device"]


def _problem(status: int, field: str, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"field": field, "reason": reason}}, status, headers)


_REQUEST: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["code", "device"],
                "properties": {"code": {"type": "string"}, "device": {"type": "string"}},
            }
        }
    },
}
