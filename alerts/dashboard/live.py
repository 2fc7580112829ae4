"""The live view: one WebSocket a screen. Binary messages, each self-contained:

    kind u8 (0 frame, 1 state, 2 alarm, 3 hello and heartbeat) | length of patient u8 | patient (ASCII) | payload

A frame's payload is its wire bytes, the others' is UTF-8 JSON. First comes a hello, then every state and open alarm,
then "ready" with the patients who are here (whoever else is on the screen has left); after that whatever happens, a
state with "discharged" for someone who leaves, and a heartbeat with the server's time, the age of the monitor's, the
audio pauses that hold and where unattended alarms stand on the ladder.
The snapshot comes again now and then: what the feed lost on its way is made good within that time. It also comes with
the first message of a patient whom this screen was not told of: only the board knows the bed.

A screen that comes back and says up to when it was told (`?seen_us=`) is told after "ready": "missed" with the alarms
that began and ended meanwhile, the frames of the last seconds among whatever happens, and "resumed" once it has them.
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import anyio
from fastapi import WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from alerts.dashboard.care import Care
from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.present import everybody
from alerts.dashboard.resume import Missed, seen_us
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Board, LiveFeed
from liteheart.alarm import Alarm, presence
from liteheart.board import LiveKind, LiveMessage, alarm_json
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Retryable
from liteheart.ids import AlarmId, PatientId

log = logging.getLogger(__name__)

KINDS: Final[dict[LiveKind, int]] = {"frame": 0, "state": 1, "alarm": 2}
CONTROL = 3
PATH: Final = "/api/v1/live"
CLOSE_SIGN_IN = 4401  # the session is over
CLOSE_TRY_AGAIN = 1013
CLOSE_UNASKED = 1008
_LEAVING: Final = b'"discharged":true'
_AGE_KEPT_S = 1.0  # screens share one look at the heartbeat
_SETTLE_S = 0.5  # what was told live just before is stored by then, and can be read as missed
_TOLD_ANEW_S = 1.0  # and a ward that fills up is not told more often


def pack(kind: int, patient: str, payload: bytes) -> bytes:
    """One message of the live view."""
    name = patient.encode("ascii")
    return bytes((kind, len(name))) + name + payload


def control(kind: str, **values: object) -> bytes:
    """A message of the server's own."""
    return pack(CONTROL, "", _json({"type": kind} | values))


class LiveView:
    """Serves the screens."""

    def __init__(
        self,
        board: Board,
        feed: LiveFeed,
        guard: Guard,
        clock: Clock,
        settings: DashboardSettings,
        care: Care | None = None,
    ) -> None:
        self._board, self._feed, self._guard = board, feed, guard
        self._clock, self._settings, self._care = clock, settings, care
        self._cared: tuple[int, dict[str, Any] | None] | None = None  # likewise, of pauses and escalation
        self._screens = 0
        self._age: tuple[int, float | None] | None = None  # (when asked, what was answered)

    async def serve(self, websocket: WebSocket) -> None:
        """From the handshake to the end of one screen."""
        try:
            self._guard.check_source(websocket, changing=True)
            await self._looking(websocket)
            since_us = seen_us(websocket, self._clock.now_us())
            if self._screens >= self._settings.live_max:
                raise Refused(503, "live", f"{self._screens} screens are open, which is the limit")
        except Refused as refused:
            await websocket.send_denial_response(refused.response())
            return
        except Retryable as unavailable:
            log.warning("nobody can be let in, storage did not answer: %s", unavailable)
            await websocket.send_denial_response(Refused(503, "storage", "does not answer, try again").response())
            return
        await websocket.accept()
        self._screens += 1
        try:
            async with self._feed.subscribe() as messages:  # before the snapshot, so that nothing falls between
                told = await self._snapshot(websocket)
                missed = None if since_us is None else await self._missed(websocket, since_us, told)
                await self._relay(websocket, messages, told, missed)
            await _close(websocket, CLOSE_UNASKED)  # nothing happens where the screen has left by itself
        except Refused:
            await _close(websocket, CLOSE_SIGN_IN)
        except (Retryable, StopAsyncIteration) as stopped:
            log.warning("live view ends, the screen will come back: %r", stopped)
            await _close(websocket, CLOSE_TRY_AGAIN)
        except TimeoutError:
            log.warning("live view ends: the screen took nothing for %g s", self._settings.send_timeout_s)
            await _close(websocket, CLOSE_TRY_AGAIN)
        except WebSocketDisconnect:
            log.debug("live view ends: the screen has left")
        finally:
            self._screens -= 1

    async def _looking(self, websocket: WebSocket) -> None:
        """Whoever opens a screen sees the signal of all: that is noted, but a wall does not stay dark for it."""
        person = await self._guard.permitted(websocket, "GET", PATH)
        try:
            await self._guard.looked(person, "live-opened", "ward")
        except Retryable as unavailable:
            log.warning("it is not noted who opened the live view: %s", unavailable)

    async def _snapshot(self, websocket: WebSocket) -> set[PatientId]:
        """The patients that were told of."""
        await self._send(websocket, control("hello", now_us=self._clock.now_us()))
        states = await run_in_threadpool(everybody, self._board)
        for state in states:
            await self._send(websocket, pack(KINDS["state"], state.patient, _json(state.to_json())))
        for alarm in await run_in_threadpool(self._open_alarms):
            await self._send(websocket, pack(KINDS["alarm"], alarm.patient, _json(alarm_json(alarm))))
        await self._send(websocket, control("ready", patients=[state.patient for state in states]))
        return {state.patient for state in states}

    async def _missed(self, websocket: WebSocket, since_us: int, told: set[PatientId]) -> Missed:
        missed = Missed(self._board, self._settings, since_us, self._clock.now_us())
        alarms = [alarm_json(alarm) for alarm in await missed.alarms()]
        await self._send(websocket, control("missed", alarms=alarms))
        missed.of(sorted(told))
        return missed

    async def _catch_up(self, websocket: WebSocket, missed: Missed) -> Missed | None:
        """One patient's frames, and what is left. Storage that does not answer leaves a hole, and live goes on."""
        try:
            patient, frames = await missed.next()
            for data in frames:
                await self._send(websocket, pack(KINDS["frame"], patient, data))
            if missed.pending:
                return missed
        except Retryable as unavailable:
            log.warning("a screen is not sent what it missed: %s", unavailable)
        await self._send(websocket, control("resumed"))
        return None

    async def _again(self, websocket: WebSocket) -> set[PatientId]:
        try:
            return await self._snapshot(websocket)
        except Retryable as unavailable:  # the heartbeat tells that storage is away; live goes on
            log.warning("screen not told anew: %s", unavailable)
            return set()

    def _open_alarms(self) -> list[Alarm]:
        return self._board.alarms(open_only=True, limit=self._settings.snapshot_alarms_max)

    async def _relay(
        self,
        websocket: WebSocket,
        messages: AsyncIterator[LiveMessage],
        told: set[PatientId],
        missed: Missed | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        left = loop.create_task(_until_gone(websocket))
        coming = loop.create_task(_next(messages))
        beat_at = loop.time()
        synced_at, new = beat_at, False
        catch_up_at = beat_at + _SETTLE_S if missed is not None and missed.pending else math.inf
        try:
            while not left.done():
                sync_at = synced_at + (_TOLD_ANEW_S if new else self._settings.resync_s)
                if loop.time() >= sync_at:
                    synced_at, new = loop.time(), False
                    told |= await self._again(websocket)
                if loop.time() >= beat_at:
                    beat_at = loop.time() + self._settings.heartbeat_s
                    await self._heartbeat(websocket)
                if missed is not None and loop.time() >= catch_up_at:
                    missed = await self._catch_up(websocket, missed)
                    catch_up_at = math.inf if missed is None else catch_up_at
                # asyncio.wait never cancels `coming`: a cancelled generator would be a finished one
                await asyncio.wait(
                    (left, coming),
                    timeout=max(0.0, min(beat_at, sync_at, catch_up_at) - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if coming.done() and not left.done():
                    message = coming.result()
                    if missed is None or not missed.hold(message):
                        await self._send(websocket, await self._packed(message))
                    if message.kind == "state" and _LEAVING in message.payload:
                        told.discard(message.patient)  # what was under way still may show them: then all is told anew
                    elif message.patient not in told:
                        told.add(message.patient)
                        new = True
                    coming = loop.create_task(_next(messages))
        finally:
            for task in (left, coming):
                task.cancel()
            await asyncio.wait((left, coming))
            for task in (left, coming):
                _ = task.cancelled() or task.exception()  # looked at, so that nobody warns of it

    async def _heartbeat(self, websocket: WebSocket) -> None:
        await self._guard.permitted(websocket, "GET", PATH)  # signed out or expired: the view ends
        now_us = self._clock.now_us()
        age_s = await self._monitor_age_s(now_us)
        care = {} if self._care is None else {"care": await self._care_now(self._care, now_us)}
        await self._send(websocket, control("heartbeat", now_us=now_us, monitor_age_s=age_s, **care))

    async def _care_now(self, source: Care, now_us: int) -> dict[str, Any] | None:
        """None when storage cannot say: a screen then goes by what it knows, and a pause ends by itself."""
        if self._cared is None or not 0 <= now_us - self._cared[0] < _AGE_KEPT_S * US_PER_S:
            try:
                care = await run_in_threadpool(source.now, now_us)
            except Retryable as unavailable:
                log.warning("storage cannot tell pauses and escalation: %s", unavailable)
                care = None
            self._cared = (now_us, care)
        return self._cared[1]

    async def _monitor_age_s(self, now_us: int) -> float | None:
        """None when the monitor was never heard of, or storage cannot say."""
        if self._age is None or not 0 <= now_us - self._age[0] < _AGE_KEPT_S * US_PER_S:
            try:
                role = self._settings.monitor_role
                age_s = await run_in_threadpool(self._board.heartbeat_age_s, role, now_us)
            except Retryable as unavailable:
                log.warning("storage cannot tell the monitor's heartbeat: %s", unavailable)
                age_s = None
            self._age = (now_us, age_s)
        return self._age[1]

    async def _packed(self, message: LiveMessage) -> bytes:
        """The message as bytes. An alarm of the monitor's gets the acknowledgement that the board knows of."""
        payload = message.payload
        if message.kind == "alarm":
            told = json.loads(payload)
            try:
                alarm = await run_in_threadpool(self._board.alarm, AlarmId(told["alarm_id"]))
            except Retryable as unavailable:
                log.warning("alarm shown as the feed has it, storage did not answer: %s", unavailable)
                alarm = None
            if alarm is not None:
                payload = _json(_with_acknowledgement(told, alarm))
        return pack(KINDS[message.kind], PatientId(message.patient), payload)

    async def _send(self, websocket: WebSocket, data: bytes) -> None:
        with anyio.fail_after(self._settings.send_timeout_s):
            await websocket.send_bytes(data)


def _with_acknowledgement(told: dict[str, Any], alarm: Alarm) -> dict[str, Any]:
    """What the monitor told, before it was stored, with who acknowledged; what the board told itself, as it is now.

    An acknowledgement counts for the activation that it was given for: a condition that returns has none.
    """
    if told.get("action") not in ("raised", "reactivated", "ended"):
        return alarm_json(alarm)
    acknowledged = alarm.acknowledged_us is not None and alarm.episodes == told["episodes"]
    if told["action"] == "reactivated" or not acknowledged:
        return told
    who = {name: getattr(alarm, name) for name in ("acknowledged_us", "acknowledged_by", "reason")}
    now = presence(active=told["active"], acknowledged=True, latching=told["latching"])
    return told | who | {"presence": now.value}


async def _next(messages: AsyncIterator[LiveMessage]) -> LiveMessage:
    return await anext(messages)


async def _until_gone(websocket: WebSocket) -> None:
    """Screens have nothing to say here; whatever comes, or the end, ends the view."""
    await websocket.receive()


async def _close(websocket: WebSocket, code: int) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may have closed by itself meanwhile
        await websocket.close(code)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
