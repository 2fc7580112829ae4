"""The gateway against an honest in-memory log: what was answered with 2xx is in it, what was refused is not."""

import asyncio
import json
import math
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ingest.gateway import gateway_router
from ingest.ports import Record
from ingest.settings import IngestSettings
from liteheart import metrics, topics
from liteheart.clock import ManualClock
from liteheart.errors import Retryable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import decode_frame, encode_frame

S = 1_000_000
NOW = 1_700_000_000 * S
LIMIT = 64 * 1024
SETTINGS = IngestSettings(max_body_bytes=LIMIT, max_frames_per_body=50, max_dead_letter_bytes=8_192, max_in_flight=4)
BINARY = {"content-type": "application/octet-stream"}


class MemoryLog:
    """Keeps records per topic. `down` refuses; `hold` makes publishing wait until it is set."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.down: set[str] = set()
        self.hold: asyncio.Event | None = None
        self.waiting = self.most_waiting = 0

    async def publish(self, records: Sequence[Record]) -> None:
        if any(r.topic.name in self.down for r in records):
            raise Retryable("the log is away", delay_s=2.5)
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        if self.hold is not None:
            await self.hold.wait()
        self.waiting -= 1
        self.records += records

    async def close(self) -> None:
        self.down = {t.name for t in topics.ALL}

    @property
    def frames(self) -> list[Frame]:
        return [decode_frame(r.value) for r in self.records if r.topic == topics.FRAMES]

    @property
    def refused(self) -> list[tuple[dict[str, str], bytes]]:
        dead = [r for r in self.records if r.topic == topics.DEAD_LETTERS]
        return [({k: v.decode() for k, v in r.headers}, r.value) for r in dead]


class Counts(metrics.NullMetrics):
    def __init__(self) -> None:
        self.of: Tally[tuple[str, str]] = Tally()

    def count(self, name: metrics.Counter, n: int = 1, label: str = "") -> None:
        self.of[name, label] += n


@dataclass(frozen=True)
class Grant:
    device: DeviceId
    patient: PatientId


class Tokens:
    def __init__(self) -> None:
        self.down = False

    def authenticate(self, token: str) -> Grant | None:
        if self.down:
            raise Retryable("no database")
        return Grant(DeviceId("d-1"), PatientId("p-1")) if token == "good" else None


def frame(sequence: int = 0, **change: Any) -> Frame:
    values: dict[str, Any] = {
        "patient": PatientId("p-1"),
        "device": DeviceId("d-1"),
        "boot": 1,
        "sequence": sequence,
        "t0_us": NOW - S,
        "fs_hz": 250.0,
        "gain": 1000.0,
        "lead": "I",
        "samples": np.arange(250, dtype=np.int16),
    }
    return Frame(**(values | change))


class Gateway:
    def __init__(self, *, open_to_all: bool = True) -> None:
        self.log, self.clock, self.counts, self.tokens = MemoryLog(), ManualClock(NOW), Counts(), Tokens()
        self.app = FastAPI()
        devices = None if open_to_all else self.tokens
        self.app.include_router(gateway_router(SETTINGS, self.log, devices, self.clock, self.counts))

    def post(self, content: bytes, headers: dict[str, str] = BINARY) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await client.post("/api/v1/frames", content=content, headers=headers)

        return asyncio.run(send())

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address of a real server on loopback."""
        config = uvicorn.Config(self.app, port=0, log_level="warning", ws="websockets-sansio", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

    @contextmanager
    def socket(self, token: str | None = None) -> Iterator[ClientConnection]:
        headers = {} if token is None else {"authorization": token}
        with self.served() as address, connect(f"ws://{address}/api/v1/stream", additional_headers=headers) as socket:
            yield socket


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def guarded() -> Gateway:
    return Gateway(open_to_all=False)


def test_frames_are_stamped_keyed_and_kept_before_the_answer(gateway: Gateway) -> None:
    sent = [frame(i, arrival_us=5) for i in range(3)]
    answer = gateway.post(b"".join(map(encode_frame, sent)))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3})
    assert gateway.log.frames == [f.stamped(NOW) for f in sent]
    assert {(r.key, r.timestamp_us) for r in gateway.log.records} == {(b"p-1", NOW)}
    assert gateway.counts.of == {("frames_accepted", ""): 3}


def test_own_media_type_and_no_media_type_are_binary_too(gateway: Gateway) -> None:
    body = encode_frame(frame(), raw=True)
    assert gateway.post(body, {"content-type": "application/vnd.liteheart.frame; v=1"}).status_code == 200
    assert gateway.post(body, {}).status_code == 200
    assert gateway.log.frames == [frame().stamped(NOW)] * 2


DOCUMENT: dict[str, Any] = {
    "patient": "p-1",
    "device": "d-1",
    "boot": 1,
    "sequence": 0,
    "t0_us": NOW,
    "fs_hz": 250,
    "lead": "I",
    "mv": [0.0, 0.5, -0.5],
}


def post_json(gateway: Gateway, document: object) -> httpx.Response:
    return gateway.post(json.dumps(document).encode(), {"content-type": "application/json; charset=utf-8"})


def test_json_of_one_frame_or_several(gateway: Gateway) -> None:
    assert post_json(gateway, DOCUMENT).json() == {"accepted": 1}
    assert post_json(gateway, {"frames": [DOCUMENT | {"sequence": i} for i in (1, 2)]}).json() == {"accepted": 2}
    assert [f.sequence for f in gateway.log.frames] == [0, 1, 2]
    assert gateway.log.frames[0].samples.tolist() == [0, 500, -500]


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]


GOOD = encode_frame(frame())


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"hello", 400, "body"),
        (b"x" * 200, 400, "magic"),
        (flipped(GOOD, 2), 400, "version"),
        (flipped(GOOD, 150), 400, "crc"),
        (GOOD[:-1], 400, "body"),
        (GOOD + b"!", 400, "body"),
        (encode_frame(frame(fs_hz=math.nan)), 422, "fs_hz"),
        (encode_frame(frame(fs_hz=10.0)), 422, "fs_hz"),
        (encode_frame(frame(gain=math.inf)), 422, "gain"),
        (encode_frame(frame(t0_us=NOW + 301 * S)), 422, "t0_us"),
        (encode_frame(frame(t0_us=NOW - 8 * 86_400 * S)), 422, "t0_us"),
        (encode_frame(frame(battery_pct=120)), 422, "battery_pct"),
        (encode_frame(frame(samples=np.zeros(0, np.int16))), 422, "samples"),
        (encode_frame(frame()) * 51, 413, "body"),
        (b"\0" * (LIMIT + 1), 413, "body"),
    ],
)
def test_poison_is_answered_by_field_and_set_aside(gateway: Gateway, body: bytes, status: int, field: str) -> None:
    answer = gateway.post(body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert gateway.log.frames == []
    [(headers, kept)] = gateway.log.refused
    assert headers["field"] == field
    assert headers["reason"] == answer.json()["error"]["reason"]
    assert headers["source"] == "http 127.0.0.1"
    assert headers["size"] == str(len(body))
    assert kept == body[: SETTINGS.max_dead_letter_bytes]
    assert gateway.counts.of == {("frames_refused", field): 1}


@pytest.mark.parametrize(
    ("text", "status", "field"),
    [
        ("{", 400, "body"),
        ('"\ud800"', 400, "body"),
        ("[" * 30_000, 400, "body"),
        ("1" * 10_000, 400, "body"),
        ("[]", 400, "body"),
        ('{"frames": 3}', 400, "frames"),
        ('{"frames": []}', 400, "body"),
        (json.dumps(DOCUMENT | {"mv": [math.nan]}), 422, "mv"),
        (json.dumps(DOCUMENT | {"fs_hz": math.inf}), 422, "fs_hz"),
        (json.dumps(DOCUMENT | {"patient": "Jane Doe"}), 422, "patient"),
        (json.dumps({"frames": [DOCUMENT, DOCUMENT | {"lead": None}]}), 422, "lead"),
    ],
)
def test_json_poison(gateway: Gateway, text: str, status: int, field: str) -> None:
    answer = gateway.post(text.encode("utf-8", "surrogatepass"), {"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert gateway.log.frames == []
    assert len(gateway.log.refused) == 1


def test_a_body_is_kept_whole_or_not_at_all(gateway: Gateway) -> None:
    answer = gateway.post(encode_frame(frame(0)) + encode_frame(frame(1, gain=0.0)) + encode_frame(frame(2)))
    assert answer.status_code == 422
    assert "frame 2 of the body" in answer.json()["error"]["reason"]
    assert gateway.log.frames == []


def test_other_media_types_and_packed_bodies_are_refused(gateway: Gateway) -> None:
    assert gateway.post(GOOD, {"content-type": "application/x-www-form-urlencoded"}).status_code == 415
    assert gateway.post(GOOD, BINARY | {"content-encoding": "gzip"}).status_code == 415
    assert gateway.log.frames == []


def test_a_log_that_is_away_asks_the_device_to_retry(gateway: Gateway) -> None:
    gateway.log.down = {topics.FRAMES.name}
    answer = gateway.post(GOOD)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["error"]["field"] == "service"
    assert gateway.log.records == []
    gateway.log.down = set()
    assert gateway.post(GOOD).status_code == 200


def test_poison_is_refused_even_when_it_cannot_be_set_aside(gateway: Gateway) -> None:
    gateway.log.down = {topics.DEAD_LETTERS.name}
    assert gateway.post(b"x" * 200).status_code == 400


def test_an_endless_body_is_not_read_to_its_end(gateway: Gateway) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 4096
            yield b"\0" * 4096

    async def send() -> int:
        received: list[Any] = []
        chunks = endless()

        async def receive() -> Any:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}

        async def answer(message: Any) -> None:
            received.append(message)

        headers = [(b"content-type", b"application/octet-stream")]
        scope = {"type": "http", "method": "POST", "path": "/api/v1/frames", "raw_path": b"", "query_string": b""}
        await gateway.app({**scope, "headers": headers, "http_version": "1.1", "scheme": "http"}, receive, answer)
        return int(received[0]["status"])

    assert asyncio.run(send()) == 413
    assert read <= LIMIT + 2 * 4096


def test_token_is_asked_for_and_holds_for_one_device_and_patient(guarded: Gateway) -> None:
    bearer = BINARY | {"authorization": "Bearer good"}
    none = guarded.post(GOOD)
    assert (none.status_code, none.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer bad", "Basic good", "Bearer ", "good"):
        assert guarded.post(GOOD, BINARY | {"authorization": wrong}).status_code == 401
    assert guarded.post(encode_frame(frame(device=DeviceId("d-2"))), bearer).status_code == 403
    other = guarded.post(GOOD + encode_frame(frame(patient=PatientId("p-2"))), bearer)
    assert (other.status_code, other.json()["error"]["field"]) == (403, "patient")
    assert guarded.log.records == []
    assert guarded.post(GOOD, bearer).status_code == 200
    assert guarded.post(b"junk", bearer).status_code == 400
    assert guarded.log.refused[0][0]["source"] == "http d-1"
    guarded.tokens.down = True
    assert guarded.post(GOOD, bearer).status_code == 503


def test_openapi_tells_a_device_maker_what_to_send(gateway: Gateway) -> None:
    operation = gateway.app.openapi()["paths"]["/api/v1/frames"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/octet-stream", "application/vnd.liteheart.frame", "application/json"}
    one, many = content["application/json"]["schema"]["oneOf"]
    assert set(DOCUMENT) <= set(one["properties"])
    assert many["required"] == ["frames"]
    assert {"200", "400", "401", "403", "413", "415", "422", "503"} <= set(operation["responses"])


def test_socket_answers_each_frame_and_survives_poison(gateway: Gateway) -> None:
    with gateway.socket() as socket:
        socket.send(GOOD)
        assert json.loads(socket.recv()) == {"ok": True, "device": "d-1", "boot": 1, "sequence": 0}
        socket.send(b"x" * 200)
        assert json.loads(socket.recv())["error"]["field"] == "magic"
        socket.send(encode_frame(frame(1, fs_hz=math.nan)))
        refused = json.loads(socket.recv())
        assert (refused["ok"], refused["sequence"], refused["error"]["field"]) == (False, 1, "fs_hz")
        socket.send("hello")
        assert json.loads(socket.recv())["error"]["field"] == "body"
        gateway.log.down = {topics.FRAMES.name}
        socket.send(encode_frame(frame(2)))
        assert json.loads(socket.recv())["error"] == {
            "field": "service",
            "reason": "frames cannot be kept now",
            "retry_after_s": 2.5,
        }
        gateway.log.down = set()
        socket.send(encode_frame(frame(2)))
        assert json.loads(socket.recv()) == {"ok": True, "device": "d-1", "boot": 1, "sequence": 2}
    assert [f.sequence for f in gateway.log.frames] == [0, 2]
    assert [h["field"] for h, _ in gateway.log.refused] == ["magic", "fs_hz", "body"]


def test_socket_closes_on_oversize_after_answering_what_came_before(gateway: Gateway) -> None:
    with gateway.socket() as socket:
        socket.send(GOOD)
        socket.send(b"\0" * (LIMIT + 1))
        assert json.loads(socket.recv())["ok"] is True
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    assert gateway.log.refused[0][0]["size"] == str(LIMIT + 1)


def test_socket_pipelines_in_order_within_its_bound(gateway: Gateway) -> None:
    async def session() -> list[Any]:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        outbox: list[Any] = []

        async def send(message: Any) -> None:
            outbox.append(message)

        gateway.log.hold = asyncio.Event()
        inbox.put_nowait({"type": "websocket.connect"})
        for i in range(20):
            inbox.put_nowait({"type": "websocket.receive", "bytes": encode_frame(frame(i))})
        scope = {"type": "websocket", "path": "/api/v1/stream", "raw_path": b"", "query_string": b"", "headers": []}
        task = asyncio.create_task(gateway.app({**scope, "scheme": "ws", "subprotocols": []}, inbox.get, send))
        await asyncio.sleep(0.05)
        assert 2 <= gateway.log.waiting <= SETTINGS.max_in_flight + 2
        assert len(outbox) == 1, "nothing is answered before it is durable"
        gateway.log.hold.set()
        await asyncio.sleep(0.05)
        inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task
        return [json.loads(m["text"])["sequence"] for m in outbox[1:]]

    assert asyncio.run(session()) == list(range(20))
    assert gateway.log.most_waiting <= SETTINGS.max_in_flight + 2
    assert [f.sequence for f in gateway.log.frames] == list(range(20))


def test_device_that_leaves_at_once_has_its_frames_kept_and_hangs_nothing(gateway: Gateway) -> None:
    async def session() -> None:
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        accepted = False

        async def send(message: Any) -> None:
            nonlocal accepted
            if accepted:
                raise OSError("gone")
            accepted = True

        inbox.put_nowait({"type": "websocket.connect"})
        for i in range(20):
            inbox.put_nowait({"type": "websocket.receive", "bytes": encode_frame(frame(i))})
        inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
        scope = {"type": "websocket", "path": "/api/v1/stream", "raw_path": b"", "query_string": b"", "headers": []}
        async with asyncio.timeout(5):
            await gateway.app({**scope, "scheme": "ws", "subprotocols": []}, inbox.get, send)

    asyncio.run(session())
    assert [f.sequence for f in gateway.log.frames] == list(range(20))


def test_socket_needs_a_token(guarded: Gateway) -> None:
    for token in (None, "Bearer bad"):
        with pytest.raises(InvalidStatus) as caught, guarded.socket(token):
            pass
        assert caught.value.response.status_code == 401
    with guarded.socket("bearer good") as socket:
        socket.send(encode_frame(frame(patient=PatientId("p-2"))))
        assert json.loads(socket.recv())["error"]["field"] == "patient"
        socket.send(GOOD)
        assert json.loads(socket.recv())["ok"] is True
    assert len(guarded.log.frames) == 1
