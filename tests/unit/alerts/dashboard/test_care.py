"""Pauses, limits and the ladder through the API, over a real database."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from alerts.dashboard.care import Care
from alerts.escalation import EscalationSettings
from alerts.settings import AlarmSettings
from liteheart.alarm import AlarmEvent, Priority
from liteheart.care import Delivery, Escalation
from liteheart.clock import US_PER_S
from liteheart.errors import Retryable
from storage.audit import Audit
from storage.engine import open_engine
from storage.escalations import Escalations
from storage.limits import Limits
from storage.migrations import upgrade
from storage.monitor_store import Batch, MonitorStore
from storage.notifications import Notifications
from storage.pauses import Pauses
from storage.settings import StorageSettings

S = US_PER_S


@dataclass
class Ward:
    """A dashboard whose care stands in a database, and that database."""

    bench: Any
    engine: Engine
    monitor: MonitorStore

    def raise_alarm(self, name: str = "a1", patient: str = "p-1", ago_s: float = 10.0, **values: Any) -> Any:
        """An alarm that began `ago_s` seconds ago."""
        at_us = self.bench.clock.now_us() - round(ago_s * S)
        alarm = self.bench.alarm(name, patient, onset_us=at_us, raised_us=at_us, **values)
        self.monitor.commit(Batch(alarms=[AlarmEvent(alarm, "raised", at_us, at_us)]))
        return alarm


@pytest.fixture
def make_ward(make_bench: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Ward]]:
    settings = StorageSettings(f"sqlite:///{tmp_path}/ward.db")
    engine = open_engine(settings)
    upgrade(engine)
    care = Care(
        Pauses(engine),
        Escalations(engine),
        Limits(engine),
        Notifications(engine),
        EscalationSettings(("Nurse", "Charge nurse"), (60.0,)),
        AlarmSettings(),
    )
    yield lambda **values: Ward(make_bench(care=care, **values), engine, MonitorStore(engine, settings))
    engine.dispose()


@pytest.fixture
def ward(make_ward: Callable[..., Ward]) -> Ward:
    return make_ward()


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["field"])


def test_a_station_is_paused_counted_down_and_resumed(ward: Ward) -> None:
    client = ward.bench.client()
    alarm = ward.raise_alarm()
    made = client.post("/api/v1/audio-pauses", json={"station": "ward", "seconds": 120})
    assert made.status_code == 201
    pause = made.json()
    assert (pause["station"], pause["patient"], pause["by"], pause["priority"]) == ("ward", None, "nurse", "high")
    assert pause["silenced"] == [f"{alarm.alarm_id} 1"]
    assert pause["until_us"] - pause["began_us"] == 120 * S
    assert client.get("/api/v1/care").json()["pauses"] == [pause]
    assert client.delete(f"/api/v1/audio-pauses/{pause['pause_id']}").status_code == 204
    assert client.get("/api/v1/care").json()["pauses"] == []
    assert refusal(client.delete(f"/api/v1/audio-pauses/{pause['pause_id']}"), 404) == "pause_id"


def test_a_pause_ends_by_itself(ward: Ward) -> None:
    client = ward.bench.client()
    client.post("/api/v1/audio-pauses", json={"patient": "p-1", "seconds": 60})
    ward.bench.clock.advance(59.9)
    assert len(client.get("/api/v1/care").json()["pauses"]) == 1
    ward.bench.clock.advance(0.2)
    assert client.get("/api/v1/care").json()["pauses"] == []


def test_the_alarm_stays_on_the_board_while_it_is_quiet(ward: Ward) -> None:
    client = ward.bench.client()
    ward.raise_alarm()
    before = client.get("/api/v1/alarms").json()
    client.post("/api/v1/audio-pauses", json={"patient": "p-1", "seconds": 60})
    assert client.get("/api/v1/alarms").json() == before


def test_what_nobody_can_have_heard_is_not_silenced(ward: Ward) -> None:
    ward.raise_alarm("a1", ago_s=5)
    ward.raise_alarm("a2", ago_s=0.5)
    made = ward.bench.client().post("/api/v1/audio-pauses", json={"patient": "p-1", "seconds": 60}).json()
    assert made["silenced"] == ["a1 1"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seconds": 60}, "patient"),
        ({"patient": "p-1", "station": "ward", "seconds": 60}, "patient"),
        ({"station": "moon", "seconds": 60}, "station"),
        ({"station": "ward", "seconds": 121}, "seconds"),
        ({"station": "ward", "seconds": 0}, "seconds"),
        ({"station": "ward", "seconds": "nan"}, "seconds"),
        ({"station": "ward"}, "seconds"),
        ({"patient": "<b>", "seconds": 60}, "patient"),
        ({"station": "ward", "seconds": 60, "by": "someone else"}, "by"),
    ],
)
def test_a_pause_that_cannot_be(ward: Ward, body: dict[str, Any], field: str) -> None:
    client = ward.bench.client()
    assert refusal(client.post("/api/v1/audio-pauses", json=body), 422) == field
    assert client.get("/api/v1/care").json()["pauses"] == []


def test_the_longest_pause_is_the_wards_to_say(make_ward: Callable[..., Ward]) -> None:
    from alerts.dashboard.settings import DashboardSettings

    settings = DashboardSettings(pause_s=(30.0,), pause_max_s=30.0, stations=("A", "B"))
    client = make_ward(settings=settings).bench.client()
    choice = client.get("/api/v1/care").json()
    assert (choice["pause_s"], choice["stations"]) == ([30.0], ["A", "B"])
    assert refusal(client.post("/api/v1/audio-pauses", json={"station": "A", "seconds": 60}), 422) == "seconds"
    assert client.post("/api/v1/audio-pauses", json={"station": "B", "seconds": 30}).status_code == 201


def test_limits_are_set_told_and_remembered(ward: Ward) -> None:
    client = ward.bench.client()
    path = "/api/v1/patients/p-1/limits"
    fresh = client.get(path).json()
    assert (fresh["limits"], fresh["history"]) == ({}, [])
    tachy = next(row for row in fresh["ward"] if row["name"] == "tachy_bpm")
    assert (tachy["ward"], tachy["least"], tachy["greatest"], tachy["unit"]) == (140.0, 100.0, 220.0, "bpm")
    assert client.put(path, json={"limits": {"tachy_bpm": 160}}).json()["limits"] == {"tachy_bpm": 160.0}
    client.put(path, json={"limits": {}})
    told = client.get(path).json()
    assert told["limits"] == {}
    assert [(h["by"], h["limits"]) for h in told["history"]] == [("nurse", {}), ("nurse", {"tachy_bpm": 160.0})]
    deeds = Audit(ward.engine).latest(subject="p-1")
    assert [(d.by, d.action) for d in deeds] == [("nurse", "limits-set")] * 2


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"tachy_bpm": 99}, "tachy_bpm"),
        ({"asystole_s": 60}, "asystole_s"),
        ({"rules": 1}, "rules"),
        ({"pause_s": 4.5}, "pause_s"),
        ({"tachy_bpm": "fast"}, "limits.tachy_bpm"),
    ],
)
def test_limits_that_cannot_be(ward: Ward, limits: dict[str, Any], field: str) -> None:
    client = ward.bench.client()
    assert refusal(client.put("/api/v1/patients/p-1/limits", json={"limits": limits}), 422) == field
    assert client.get("/api/v1/patients/p-1/limits").json()["history"] == []


def test_who_may_look_may_not_change(make_ward: Callable[..., Ward]) -> None:
    class Staff:
        def verify(self, username: str, password: str) -> Any:
            role = {"ada": "nurse", "rosa": "researcher"}[username]
            return type("Known", (), {"username": username, "role": role})()

    ward = make_ward(staff=Staff())
    stranger, rosa, ada = ward.bench.client("10.0.0.9"), ward.bench.signed_in("rosa"), ward.bench.signed_in("ada")
    assert refusal(stranger.get("/api/v1/care"), 401) == "session"
    pause = {"station": "ward", "seconds": 60}
    for client, status in ((stranger, 401), (rosa, 403), (ada, 201)):
        assert client.post("/api/v1/audio-pauses", json=pause).status_code == status
    for client, status in ((stranger, 401), (rosa, 403), (ada, 200)):
        assert client.put("/api/v1/patients/p-1/limits", json={"limits": {}}).status_code == status
    assert rosa.get("/api/v1/care").json()["pauses"][0]["by"] == "ada"
    assert refusal(rosa.delete("/api/v1/audio-pauses/1"), 403) == "role"


def test_the_ladder_is_shown_with_owner_and_countdown(ward: Ward) -> None:
    client = ward.bench.client()
    alarm = ward.raise_alarm(ago_s=40)
    now_us = ward.bench.clock.now_us()
    (step,) = client.get("/api/v1/care").json()["escalations"]
    assert (step["alarm_id"], step["step"], step["owner"]) == (alarm.alarm_id, 0, "Nurse")
    assert (step["next_owner"], step["next_us"] - now_us) == ("Charge nurse", 20 * S)
    Escalations(ward.engine).take([Escalation(alarm.alarm_id, 1, 1, "Charge nurse", now_us, now_us)])
    (step,) = client.get("/api/v1/care").json()["escalations"]
    assert (step["step"], step["owner"], step["next_us"]) == (1, "Charge nurse", None)


def test_who_was_told_of_an_alarm(ward: Ward) -> None:
    alarm = ward.raise_alarm()
    room = Notifications(ward.engine)
    first = Delivery("k1", "pager", alarm.alarm_id, 0, Priority.HIGH, {}, 1)
    room.accept([], [first, replace(first, key="k2", target="mail", step=1, created_us=2)], 0)
    room.delivered("k1", 5, late=True)
    items = ward.bench.client().get(f"/api/v1/alarms/{alarm.alarm_id}/notifications").json()["items"]
    assert [(i["target"], i["step"], i["delivered_us"], i["late"]) for i in items] == [
        ("pager", 0, 5, True),
        ("mail", 1, None, False),
    ]


def test_screens_are_told_with_every_heartbeat(
    ward: Ward, receive: Callable[[Any], Any], until_ready: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.raise_alarm()

    def heartbeat(socket: Any) -> Any:
        while True:
            _, _, payload = receive(socket)
            told = json.loads(payload)
            if told.get("type") == "heartbeat":
                return told["care"]

    client = ward.bench.client()
    with client.websocket_connect("ws://localhost/api/v1/live") as socket:
        until_ready(socket)
        care = heartbeat(socket)
        assert care["pauses"] == []
        assert [e["owner"] for e in care["escalations"]] == ["Nurse"]
        client.post("/api/v1/audio-pauses", json={"station": "ward", "seconds": 60})
        ward.bench.clock.advance(1.1)
        while not (care := heartbeat(socket))["pauses"]:
            ward.bench.clock.advance(1.1)
        assert care["pauses"][0]["station"] == "ward"

        def away(*_: Any) -> Any:
            raise Retryable("away")

        monkeypatch.setattr(Pauses, "pauses", away)
        ward.bench.clock.advance(1.1)
        while heartbeat(socket) is not None:
            ward.bench.clock.advance(1.1)
