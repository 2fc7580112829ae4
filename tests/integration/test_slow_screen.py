"""A screen that does not read, on a real WebSocket over TCP: it loses frames, never an alarm, and slows nobody."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
import uvicorn
from fastapi import FastAPI

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.memory import MemoryBoard
from alerts.dashboard.settings import DashboardSettings
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import LiveMessage, alarm_json
from liteheart.clock import SystemClock
from liteheart.ids import AlarmId, DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import encode_frame

FRAME, ALARM = 0, 2
ROUNDS, PATIENTS, KEPT = 300, 48, 512


def frames(second: int) -> list[LiveMessage]:
    """Of all patients; noise, so that nothing shrinks."""
    samples = np.random.default_rng(second).integers(-3000, 3000, 250).astype(np.int16)
    return [
        LiveMessage(
            "frame",
            PatientId(f"p{i}"),
            encode_frame(
                Frame(PatientId(f"p{i}"), DeviceId("d"), 1, second, second * 1_000_000, 250.0, 1000.0, "I", samples)
            ),
        )
        for i in range(PATIENTS)
    ]


def alarm(board: MemoryBoard, n: int) -> LiveMessage:
    """Stored, and as the monitor tells it."""
    patient = PatientId(f"p{n % PATIENTS}")
    raised = Alarm(
        AlarmId(f"a{n}"), patient, "VT", "VT", Kind.PHYSIOLOGICAL, Priority.HIGH, True, n, n, "rate 170", True
    )
    board.put_alarm(raised)
    return LiveMessage("alarm", patient, json.dumps(alarm_json(raised)).encode())


async def until(true: Callable[[], bool]) -> None:
    """Wait for `true` to become so."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # another's state, which tells nobody
            await asyncio.sleep(0.002)


async def read(live: aiohttp.ClientWebSocketResponse, seen: Counter[str]) -> None:
    """Count what comes, until the link ends."""
    async for message in live:
        data: bytes = message.data
        if message.type is aiohttp.WSMsgType.BINARY and data[0] == FRAME:
            seen["frames"] += 1
        elif message.type is aiohttp.WSMsgType.BINARY and data[0] == ALARM:
            seen[json.loads(data[2 + data[1] :])["alarm_id"]] += 1


def narrow(address: Any) -> socket.socket:
    """A socket that takes little before whoever sends has to wait."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


def test_a_screen_that_does_not_read_loses_frames_and_no_alarm() -> None:
    async def scene() -> None:
        board, feed = MemoryBoard(), InProcessFeed(KEPT)
        app = FastAPI()
        app.include_router(dashboard_router(board, feed, None, SystemClock(), DashboardSettings()))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        quick_seen, slow_seen = Counter[str](), Counter[str]()
        connector = aiohttp.TCPConnector(socket_factory=narrow)
        async with aiohttp.ClientSession() as session, aiohttp.ClientSession(connector=connector) as lazy:
            url, headers = f"{base}/api/v1/live", {"Origin": base}
            quick = await session.ws_connect(url, headers=headers, max_msg_size=0)
            slow = await lazy.ws_connect(url, headers=headers, max_msg_size=0)
            reading = asyncio.create_task(read(quick, quick_seen))
            await until(lambda: feed.subscribers == 2)
            told = 0
            for second in range(ROUNDS):  # nobody reads `slow`
                feed.publish(frames(second))
                if second % 10 == 0:
                    feed.publish([alarm(board, told)])
                    told += 1
                await until(lambda due=(second + 1) * PATIENTS: quick_seen["frames"] >= due)  # nor kept waiting
            assert feed.dropped > 0, "the bound of the one that hangs"
            assert quick_seen["frames"] == ROUNDS * PATIENTS
            waiting = asyncio.create_task(read(slow, slow_seen))
            names = {f"a{n}" for n in range(told)}
            await until(lambda: names <= set(slow_seen))  # it comes to itself
            assert names <= set(quick_seen)
            assert slow_seen["frames"] + feed.dropped >= KEPT
            assert slow_seen["frames"] < quick_seen["frames"]
            for task in (reading, waiting):
                task.cancel()
            await asyncio.gather(reading, waiting, return_exceptions=True)
            await quick.close()
            await slow.close()
        server.should_exit = True
        await serving

    asyncio.run(scene())
