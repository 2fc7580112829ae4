"""The virtual wearable against a real server that fails for a while."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiohttp import web

from ingest.sources.device import HttpSink, Patience, Played, play
from liteheart.errors import Poison, Retryable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import decode_frames

IMPATIENT = Patience(batch=8, first_delay_s=0.01, longest_delay_s=0.05, give_up_s=20)


def frames(n: int) -> Iterator[Frame]:
    for k in range(n):
        samples = np.full(50, k, np.int16)
        yield Frame(PatientId("p"), DeviceId("d"), 1, k, k * 1_000_000, 50.0, 100.0, "I", samples)


class Gateway:
    """A server that answers what the script says, then 200; keeps what it took."""

    def __init__(self, script: Sequence[int] = (), *, refuse_from: int | None = None) -> None:
        self.script, self.refuse_from = list(script), refuse_from
        self.taken: list[int] = []
        self.bodies: list[int] = []
        self.tokens: set[str | None] = set()

    async def handle(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization"))
        if self.script:
            return web.Response(status=self.script.pop(0))
        got = [f.sequence for f in decode_frames(await request.read())]
        if self.refuse_from is not None and max(got) >= self.refuse_from:
            return web.json_response({"error": {"field": "t0_us", "reason": "is in the future"}}, status=422)
        self.taken += got
        self.bodies.append(len(got))
        return web.json_response({"accepted": len(got)})

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/api/v1/frames", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def served(gateway: Gateway, use: Callable[[HttpSink], Awaitable[Played]], token: str | None = None) -> Played:
    async def run() -> Played:
        async with gateway.running() as url, HttpSink(url, token) as sink:
            return await use(sink)

    return asyncio.run(run())


def test_all_frames_arrive_in_order_and_full_batches() -> None:
    gateway = Gateway()
    played = served(gateway, lambda sink: play(frames(20), sink, speed=math.inf, patience=IMPATIENT), token="secret")
    assert played == Played(sent=20, refused=0, retries=0)
    assert gateway.taken == list(range(20))
    assert gateway.bodies == [8, 8, 4]
    assert gateway.tokens == {"Bearer secret"}


def test_a_gateway_that_fails_for_a_while_loses_nothing() -> None:
    gateway = Gateway([503, 500, 503, 429])
    played = served(gateway, lambda sink: play(frames(30), sink, speed=200, patience=IMPATIENT))
    assert played == Played(sent=30, refused=0, retries=4)
    assert gateway.taken == list(range(30))
    assert max(gateway.bodies) > 1  # what waited went out together


def test_a_gateway_that_is_not_there_yet_loses_nothing() -> None:
    gateway = Gateway()

    async def run() -> Played:
        async with Gateway().running() as url:
            port = int(url.rsplit(":", 1)[1])
        async with HttpSink(url) as sink:
            playing = asyncio.create_task(play(frames(10), sink, speed=500, patience=IMPATIENT))
            await asyncio.sleep(0.2)
            async with gateway.running(port):
                return await playing

    played = asyncio.run(run())
    assert (played.sent, played.reason) == (10, None)
    assert played.retries > 1
    assert gateway.taken == list(range(10))


def test_a_refusal_stops_with_the_gateways_reason() -> None:
    gateway = Gateway(refuse_from=10)
    played = served(gateway, lambda sink: play(frames(30), sink, speed=math.inf, patience=IMPATIENT))
    assert played == Played(sent=8, refused=8, retries=0, reason="t0_us: is in the future")
    bare = served(Gateway([401]), lambda sink: play(frames(3), sink, speed=math.inf))
    assert bare == Played(sent=0, refused=3, retries=0, reason="status: 401 Unauthorized")


def test_a_silence_too_long_is_given_up() -> None:
    patience = Patience(first_delay_s=0.01, longest_delay_s=0.02, give_up_s=0.1)
    played = served(Gateway([503] * 1000), lambda sink: play(frames(3), sink, speed=math.inf, patience=patience))
    assert played.sent == played.refused == 0
    assert played.reason is not None
    assert "answers 503" in played.reason


class Notebook:
    """A sink that writes down when it got what, on the loop's clock."""

    def __init__(self, down_until: float = 0.0) -> None:
        self.got: list[tuple[float, list[int]]] = []
        self.down_until = down_until

    async def send(self, batch: Sequence[Frame]) -> None:
        now = asyncio.get_running_loop().time()
        if now < self.down_until:
            raise Retryable("down", delay_s=0.0)
        self.got.append((now, [f.sequence for f in batch]))


class VirtualTime(asyncio.SelectorEventLoop):
    """A loop whose sleeps take no time: its clock jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0].when())
        super()._run_once()


def virtually(coroutine: Awaitable[Played]) -> Played:
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(coroutine)  # type: ignore[arg-type]  # a coroutine is what play returns


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_frames_are_sent_when_their_last_sample_is_taken(speed: float) -> None:
    notebook = Notebook()
    virtually(play(frames(50), notebook, speed=speed))
    assert [t for t, _ in notebook.got] == pytest.approx([(k + 1) / speed for k in range(50)])


def test_after_an_hour_of_silence_the_backlog_goes_out_in_order_and_the_pace_returns() -> None:
    notebook = Notebook(down_until=3600.0)
    drawn = 0

    def counted() -> Iterator[Frame]:
        nonlocal drawn
        for frame in frames(4000):
            drawn += 1
            if not notebook.got:
                assert drawn <= 31 + 1  # memory is bounded by a batch while the gateway is down
            yield frame

    played = virtually(play(counted(), notebook, patience=Patience(batch=30)))
    assert played.sent == 4000
    assert [s for _, batch in notebook.got for s in batch] == list(range(4000))
    assert max(len(b) for _, b in notebook.got) == 30
    assert notebook.got[-1] == (pytest.approx(4000.0), [3999])


def test_delays_double_up_to_the_longest() -> None:
    waits: list[float] = []

    class Down:
        async def send(self, batch: Sequence[Frame]) -> None:
            waits.append(asyncio.get_running_loop().time())
            if len(waits) > 9:
                raise Poison("end", "of the test")
            raise Retryable("down", delay_s=0.0)

    virtually(play(frames(1), Down(), speed=math.inf))
    assert np.diff(waits).tolist() == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        asyncio.run(play([], Notebook(), speed=0))
    with pytest.raises(ValueError, match="batch"):
        Patience(batch=0)
    assert asyncio.run(play([], Notebook())) == Played(0, 0, 0)
