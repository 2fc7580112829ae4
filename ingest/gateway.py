"""The gateway's HTTP and WebSocket routes: an answer of 2xx, or "ok", means that the frames are durable."""

import logging
import math
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ingest.door import BINARY, JSON, Door, Forbidden, TooLarge
from ingest.pairing import pairing_router
from ingest.ports import Departed, DeviceAuthenticator, DeviceGrant, FramePublisher, PairingDesk
from ingest.session import Session
from ingest.settings import IngestSettings
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Poison, Retryable
from liteheart.metrics import Metrics

log = logging.getLogger(__name__)

_FRAMING = frozenset({"body", "magic", "version", "header", "payload", "crc", "frames"})  # 400; the rest is 422
_STANDING_US = 5 * US_PER_S  # a device that was parted is refused within this, on a stream too
_LONG_BODY = 1 << 16  # bytes; decoding more would hold the event loop for milliseconds


class Accepted(BaseModel):
    """All frames of the body are durable."""

    accepted: int = Field(description="Number of frames.")


class Problem(BaseModel):
    """What is wrong."""

    field: str = Field(description="The field of the frame, or body, token, service.")
    reason: str


class Refused(BaseModel):
    """Nothing of the body was kept."""

    error: Problem


class JsonFrame(BaseModel):
    """One frame from a device that cannot send the binary layout. Exactly one of `samples` and `mv` is given."""

    patient: str = Field(description="Pseudonym: 1 to 64 letters, digits or . _ : -")
    device: str
    boot: int = Field(description="New at every start of the device, 0 to 2^63-1.")
    sequence: int = Field(
        description="Counts up by one a frame within a boot; (device, boot, sequence) is the identity."
    )
    t0_us: int = Field(description="Device time of the first sample, microseconds since 1970 UTC.")
    fs_hz: float
    lead: str
    samples: list[int] | None = Field(None, description="ADC units, int16; needs gain.")
    mv: list[float] | None = Field(None, description="Millivolts, kept in units of 1/gain mV.")
    gain: float = Field(1000.0, description="ADC units per millivolt; required with samples.")
    lead_off: bool = False
    battery_pct: int | None = Field(None, description="0 to 100.")


def gateway_router(
    settings: IngestSettings,
    publisher: FramePublisher,
    devices: DeviceAuthenticator | None,
    clock: Clock,
    metrics: Metrics,
    *,
    desk: PairingDesk | None = None,
    departed: Departed | None = None,
) -> APIRouter:
    """Routes `POST /api/v1/frames` and `WS /api/v1/stream`, with a `desk` `POST /api/v1/pair`.

    Without `devices` whoever connects may send, but for patients who have `departed`.
    """
    router, door = APIRouter(), Door(settings, publisher, clock, metrics, departed)
    if desk is not None:
        router.include_router(pairing_router(desk, clock))
    bearer = HTTPBearer(auto_error=False, description="The device's token.")

    @router.post(
        "/api/v1/frames",
        summary="Send ECG frames",
        response_model=Accepted,
        responses={s: {"model": Refused} for s in (400, 401, 403, 413, 415, 422, 503)},
        openapi_extra={"requestBody": _request_body(settings)},
        tags=["devices"],
    )
    async def post_frames(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Response:
        """One or more frames, all kept or none. 4xx: send them no more. 503: send them again after Retry-After."""
        try:
            token = None if credentials is None else credentials.credentials
            grant = await _authenticate(devices, token)
            if devices is not None and grant is None:
                return _unauthenticated()
            return await _post(request, door, grant)
        except Retryable as error:
            seconds = max(1, math.ceil(error.delay_s))
            return _problem(503, "service", "frames cannot be kept now", {"Retry-After": str(seconds)})

    @router.websocket("/api/v1/stream")
    async def stream(socket: WebSocket) -> None:
        token = _bearer_token(socket.headers.get("authorization"))
        try:
            grant = await _authenticate(devices, token)
        except Retryable as error:
            await _deny(socket, _problem(503, "service", str(error)))
            return
        if devices is not None and grant is None:
            await _deny(socket, _unauthenticated())
            return
        await socket.accept()
        standing = Standing(devices, token, clock)
        await Session(socket, door, grant, _source("ws", grant, socket), standing.holds).run()

    return router


class Standing:
    """Whether a token that was valid when a stream began still is: asked anew every few seconds of frames."""

    def __init__(self, devices: DeviceAuthenticator | None, token: str | None, clock: Clock) -> None:
        self._devices, self._token, self._clock = devices, token, clock
        self._asked_us, self._valid = clock.now_us(), True

    async def holds(self) -> bool:
        """As last known while storage does not answer: frames are not lost for that."""
        now_us = self._clock.now_us()
        if self._devices is not None and not 0 <= now_us - self._asked_us < _STANDING_US:
            self._asked_us = now_us
            try:
                self._valid = await _authenticate(self._devices, self._token) is not None
            except Retryable as error:
                log.warning("a device's token is taken as it was known: %s", error)
        return self._valid


async def _post(request: Request, door: Door, grant: DeviceGrant | None) -> Response:
    body = bytearray()
    try:
        try:
            content_type = _content_type(request)
            await _read(request, body, door.settings.max_body_bytes)
            long = len(body) > _LONG_BODY
            data = bytes(body)
            frames = (
                await run_in_threadpool(door.decode, data, content_type) if long else door.decode(data, content_type)
            )
            await door.admit(frames, grant)
        except Poison as poison:
            await door.set_aside(poison, bytes(body), _source("http", grant, request), grant)
            return _problem(_status(poison), poison.field, poison.reason)
    except Forbidden as refusal:
        return _problem(403, refusal.field, refusal.reason)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return JSONResponse({"accepted": len(frames)})


async def _read(request: Request, body: bytearray, limit: int) -> None:
    """Fill `body`, reading no further than the chunk in which the limit is passed."""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge("body", f"is more than {limit} bytes")


def _content_type(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise Poison("content-encoding", f"{encoding[:32]!r} is not understood; frames pack themselves")
    return request.headers.get("content-type", BINARY[0]).partition(";")[0].strip().lower()


async def _authenticate(devices: DeviceAuthenticator | None, token: str | None) -> DeviceGrant | None:
    if devices is None or not token:
        return None
    return await run_in_threadpool(devices.authenticate, token)


def _bearer_token(header: str | None) -> str | None:
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _status(poison: Poison) -> int:
    if isinstance(poison, TooLarge):
        return 413
    if poison.field in {"content-type", "content-encoding"}:
        return 415
    return 400 if poison.field in _FRAMING else 422


def _problem(status: int, field: str, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"field": field, "reason": reason}}, status, headers)


def _unauthenticated() -> JSONResponse:
    return _problem(401, "token", "a valid device token is needed", {"WWW-Authenticate": "Bearer"})


async def _deny(socket: WebSocket, response: Response) -> None:
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(response)
    else:
        await socket.close()  # before the handshake: the server answers 403


def _source(way: str, grant: DeviceGrant | None, connection: Request | WebSocket) -> str:
    client = connection.client.host if connection.client else "-"
    return f"{way} {client if grant is None else grant.device}"


def _request_body(settings: IngestSettings) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary", "maxLength": settings.max_body_bytes}}
    one = JsonFrame.model_json_schema()
    many = {"type": "object", "properties": {"frames": {"type": "array", "items": one}}, "required": ["frames"]}
    return {"required": True, "content": dict.fromkeys(BINARY, binary) | {JSON: {"schema": {"oneOf": [one, many]}}}}
