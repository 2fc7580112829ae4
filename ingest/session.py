"""One device's WebSocket: frames in, one answer each, in order, while up to `max_in_flight` are on their way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ingest.door import Door, Forbidden, TooLarge
from ingest.ports import DeviceGrant
from liteheart.errors import Poison, Retryable
from liteheart.wire import decode_frame

Answer = dict[str, Any]
Holds = Callable[[], Awaitable[bool]]
_TOO_BIG = 1009  # RFC 6455


async def _for_ever() -> bool:
    return True


class Session:
    """Runs until the device leaves. A frame that is refused is answered; only an oversize one ends the session."""

    def __init__(
        self, socket: WebSocket, door: Door, grant: DeviceGrant | None, source: str, holds: Holds = _for_ever
    ) -> None:
        """`holds` tells before each frame whether the grant still does."""
        self._socket = socket
        self._door = door
        self._grant = grant
        self._source = source
        self._holds = holds

    async def run(self) -> None:
        """Read and answer; what was read is published even if the device has gone."""
        answers: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue(self._door.settings.max_in_flight)
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write(answers))
            oversize = await self._read(group, answers)
            await answers.put(None)
            connected = await writer
        if oversize and connected:
            await self._socket.close(_TOO_BIG, f"a message holds at most {self._door.settings.max_body_bytes} bytes")

    async def _read(self, group: asyncio.TaskGroup, answers: "asyncio.Queue[asyncio.Task[Answer] | None]") -> bool:
        """Until the device leaves, False, or sends too much at once, True."""
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            data: bytes | None = message.get("bytes")
            text: str | None = message.get("text")
            content = data if data is not None else (text or "").encode()
            if len(content) > self._door.settings.max_body_bytes:
                await self._door.set_aside(TooLarge("body", "message is too large"), content, self._source, self._grant)
                return True
            await answers.put(group.create_task(self._take(content, binary=data is not None)))
        return False

    async def _write(self, answers: "asyncio.Queue[asyncio.Task[Answer] | None]") -> bool:
        """Answer in order; whether the device was still there at the end."""
        connected = True
        while (task := await answers.get()) is not None:
            answer = await task
            if connected:
                try:
                    await self._socket.send_json(answer)
                except (WebSocketDisconnect, RuntimeError):  # gone between question and answer
                    connected = False
        return connected

    async def _take(self, content: bytes, *, binary: bool) -> Answer:
        identity: Answer = {}
        try:
            if not binary:
                raise Poison("body", "frames are binary messages")
            frame = decode_frame(content)
            identity = {"device": frame.device, "boot": frame.boot, "sequence": frame.sequence}
            if not await self._holds():
                raise Forbidden("token", "does not hold any more")
            await self._door.admit([frame], self._grant)
        except Poison as poison:
            await self._door.set_aside(poison, content, self._source, self._grant)
            return {"ok": False, **identity, "error": {"field": poison.field, "reason": poison.reason}}
        except Forbidden as refusal:
            return {"ok": False, **identity, "error": {"field": refusal.field, "reason": refusal.reason}}
        except Retryable as error:
            problem = {"field": "service", "reason": "frames cannot be kept now", "retry_after_s": error.delay_s}
            return {"ok": False, **identity, "error": problem}
        return {"ok": True, **identity}
