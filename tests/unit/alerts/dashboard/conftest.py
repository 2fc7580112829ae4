"""The dashboard as an application around an in-memory board, and values to put on it."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.websockets import WebSocketDisconnect

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.care import Care
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.memory import MemoryBoard
from alerts.dashboard.settings import DashboardSettings
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import US_PER_S, ManualClock
from liteheart.conditions import Condition
from liteheart.ids import AlarmId, DeviceId, PatientId
from liteheart.signal import Frame

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient, WebSocketDenialResponse

NOW_US = 1_790_000_000 * US_PER_S


@dataclass(frozen=True)
class Known:
    """Someone who signed in."""

    username: str
    role: str


class Staff:
    """People with the password "NAME-secret"."""

    ROLES: ClassVar = {"ada": "nurse", "paul": "physician", "rosa": "researcher"}

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, username: str, password: str) -> Known | None:
        """Whoever knows the password."""
        self.asked += 1
        good = username in self.ROLES and password == f"{username}-secret"
        return Known(username, self.ROLES[username]) if good else None


@dataclass
class Bench:
    """One dashboard and everything around it."""

    board: MemoryBoard = field(default_factory=MemoryBoard)
    feed: InProcessFeed = field(default_factory=InProcessFeed)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_US))
    staff: Staff | None = None
    settings: DashboardSettings = field(default_factory=lambda: DashboardSettings(heartbeat_s=0.05))
    stack: ExitStack = field(default_factory=ExitStack)
    care: Care | None = None

    def __post_init__(self) -> None:
        self.app = FastAPI()
        conditions = [Condition("AFIB", "Atrial fibrillation", "49436004", scp=("AFIB",))]
        self.app.include_router(
            dashboard_router(
                self.board, self.feed, self.staff, self.clock, self.settings, conditions=conditions, care=self.care
            )
        )

    def client(self, address: str = "127.0.0.1", host: str = "localhost") -> TestClient:
        """A client that seems to come from `address`."""
        client = TestClient(self.app, base_url=f"http://{host}", client=(address, 5555))
        return self.stack.enter_context(client)

    def signed_in(self, username: str) -> TestClient:
        """A client with a session."""
        client = self.client("10.0.0.9")
        answer = client.post("/api/v1/session", json={"username": username, "password": f"{username}-secret"})
        assert answer.status_code == 200, answer.text
        return client

    def state(self, patient: str = "p-1", **values: Any) -> PatientState:
        """Put a state on the board."""
        state = PatientState(
            patient=PatientId(patient),
            device=DeviceId("d-1"),
            lead="I",
            fs_hz=250.0,
            last_arrival_us=NOW_US,
            last_sample_us=NOW_US,
            **values,
        )
        self.board.put_state(state)
        return state

    def alarm(self, name: str = "a1", patient: str = "p-1", **values: Any) -> Alarm:
        """Put an alarm on the board."""
        facts: dict[str, Any] = {
            "condition": "asystole",
            "label": "Asystole",
            "kind": Kind.PHYSIOLOGICAL,
            "priority": Priority.HIGH,
            "latching": True,
            "onset_us": NOW_US,
            "raised_us": NOW_US,
            "message": "no beat for 4.2 s > 4 s",
            "active": True,
        }
        alarm = Alarm(alarm_id=AlarmId(name), patient=PatientId(patient), **(facts | values))
        self.board.put_alarm(alarm)
        return alarm

    def frame(self, second: int, patient: str = "p-1", **values: Any) -> Frame:
        """Put one second of a ramp on the board: sample i is i microvolts since NOW_US at 250 Hz."""
        facts: dict[str, Any] = {
            "device": DeviceId("d-1"),
            "boot": 1,
            "sequence": second,
            "t0_us": NOW_US + second * US_PER_S,
            "fs_hz": 250.0,
            "gain": 1000.0,
            "lead": "I",
            "samples": np.arange(second * 250, second * 250 + 250).astype(np.int16),
        }
        frame = Frame(patient=PatientId(patient), **(facts | values))
        self.board.put_frame(frame)
        return frame


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Benches that are cleared away at the end."""
    with ExitStack() as stack:
        yield lambda **values: Bench(stack=stack, **values)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Nobody has to sign in."""
    return make_bench()


@pytest.fixture
def guarded(make_bench: Callable[..., Bench]) -> Bench:
    """Everybody has to sign in."""
    return make_bench(staff=Staff())


@pytest.fixture
def local(bench: Bench) -> TestClient:
    """The local nurse."""
    return bench.client()


@pytest.fixture
def receive() -> Callable[[Any], tuple[int, str, bytes]]:
    """(kind, patient, payload) of the next message of a live view."""

    def taken(socket: Any) -> tuple[int, str, bytes]:
        data = socket.receive_bytes()
        end = 2 + data[1]
        return data[0], data[2:end].decode(), data[end:]

    return taken


@pytest.fixture
def until_ready(receive: Callable[[Any], tuple[int, str, bytes]]) -> Callable[[Any], list[tuple[int, str, Any]]]:
    """The snapshot of a live view: every message up to "ready", decoded."""

    def read(socket: Any) -> list[tuple[int, str, Any]]:
        messages = []
        while True:
            kind, patient, payload = receive(socket)
            messages.append((kind, patient, json.loads(payload)))
            if messages[-1][2].get("type") == "ready":
                return messages

    return read


@pytest.fixture
def denied() -> Callable[..., int]:
    """The status with which a live view is denied to a client."""

    def status(client: TestClient, **headers: str) -> int:
        with (
            pytest.raises(WebSocketDenialResponse) as denial,
            client.websocket_connect("ws://localhost/api/v1/live", headers=headers),
        ):
            pass
        return int(denial.value.status_code)

    return status


@pytest.fixture
def closing_code() -> Callable[[Any], int]:
    """The code with which the server closes a live view, whatever it says before."""

    def code(socket: Any) -> int:
        try:
            while True:
                socket.receive_bytes()
        except WebSocketDisconnect as end:
            return end.code

    return code
