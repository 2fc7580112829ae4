"""A nurse's screen and the wearables, in one event loop: what is sent, and when an alarm is heard of."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from benchmarks.processes import USER, Serving
from ingest.sources.device import HttpSink, play
from ingest.sources.simulate import Episode, simulate
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Samples

FS_HZ = 250.0
ALARM = 2  # kind of a live message
ASYSTOLE_S = 6.0
EVERY_S = 35.0  # from one asystole of a patient to the next; longer than alarms are merged


@dataclass(slots=True)
class Screen:
    """Reads the live view as the page does."""

    first_us: dict[tuple[str, int], int] = field(default_factory=dict)  # (alarm, episode): when it was first seen
    messages: int = 0

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Until the socket closes."""
        async for message in socket:
            at_us = time.time_ns() // 1000
            self.messages += 1
            data: bytes = message.data
            if message.type is not aiohttp.WSMsgType.BINARY or data[0] != ALARM:
                continue
            alarm = json.loads(data[2 + data[1] :])
            self.first_us.setdefault((alarm["alarm_id"], alarm["episodes"]), at_us)


@contextlib.asynccontextmanager
async def watching(serving: Serving) -> AsyncIterator[Screen]:
    """A screen, signed in where that is asked for."""
    base, screen = serving.dashboard, Screen()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        if serving.password is not None:
            who = {"username": USER, "password": serving.password}
            async with session.post(f"{base}/api/v1/session", json=who, headers={"Origin": base}) as answer:
                answer.raise_for_status()
        async with session.ws_connect(f"{base}/api/v1/live", headers={"Origin": base}, max_msg_size=0) as socket:
            reading = asyncio.create_task(screen.read(socket))
            try:
                yield screen
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Wearable:
    """A device and what its patient will have."""

    patient: PatientId
    device: DeviceId
    samples: Samples
    gain: float
    asystoles: int  # that end, with their alarm, before the signal does

    def frames(self, start_us: int) -> Iterator[Frame]:
        """One a second."""
        n = round(FS_HZ)
        for k in range(len(self.samples) // n):
            part = self.samples[k * n : (k + 1) * n]
            t0_us = start_us + k * US_PER_S
            yield Frame(self.patient, self.device, start_us, k, t0_us, FS_HZ, self.gain, "I", part)


def wearables(count: int, length_s: int, seed: int) -> list[Wearable]:
    """Hearts in sinus rhythm that stop now and then, each at its own time."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        episodes, t, stops = list[Episode](), 0.0, 0
        calm_s = float(rng.uniform(4.0, 5.0) if length_s < EVERY_S else rng.uniform(7.0, 18.0))
        rate = float(rng.uniform(60, 90))
        while t + calm_s + ASYSTOLE_S + 1 <= length_s:
            episodes += [Episode("sinus", calm_s, rate), Episode("asystole", ASYSTOLE_S)]
            t, stops, calm_s = t + calm_s + ASYSTOLE_S, stops + 1, EVERY_S - ASYSTOLE_S
        episodes.append(Episode("sinus", length_s - t, rate))
        signal = simulate(episodes, fs_hz=FS_HZ, seed=seed + i)
        made.append(Wearable(PatientId(f"b{i:04d}"), DeviceId(f"bd{i:04d}"), signal.adc, signal.gain, stops))
    return made


async def wear(serving: Serving, worn: list[Wearable], tokens: list[str | None]) -> int:
    """All devices at life's own speed, spread over the second; how many frames the gateway took."""

    async def one(i: int) -> int:
        await asyncio.sleep(i / len(worn))
        async with HttpSink(serving.gateway, tokens[i]) as sink:
            played = await play(worn[i].frames(time.time_ns() // 1000), sink)
        if played.reason is not None:
            raise AssertionError(f"the gateway refused a frame of ours: {played.reason}")
        return played.sent

    return sum(await asyncio.gather(*(one(i) for i in range(len(worn)))))
