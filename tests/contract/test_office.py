"""People and their patients through the API as it is wired, gateway beside it, over a real database."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.websockets import WebSocketDisconnect

from alerts.dashboard.feed import InProcessFeed
from deploy import chores, wiring
from deploy.settings import load
from ingest.ports import Record
from liteheart.alarm import REASONS, AlarmEvent
from liteheart.board import LiveMessage
from liteheart.clock import ManualClock
from liteheart.ids import DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.wire import encode_frame
from storage.audit import QUARTER_US
from storage.monitor_store import Batch
from storage.people import People

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient

S = 1_000_000
T0 = 1_700_000_000 * S  # the values of `make` lie here
API = "/api/v1"
ANNA = {"name": "Anna Müller", "born": "1951-03-04", "record_number": "4711"}
STAFF = {"ada": "nurse", "paul": "physician", "tom": "technician", "boss": "administrator", "rosa": "researcher"}


class Kept:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, records: Any) -> None:
        self.records += records

    async def close(self) -> None:
        """Nothing to finish."""


class Heard(InProcessFeed):
    """A feed that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[LiveMessage] = []

    def publish(self, messages: Any) -> None:
        self.told += messages
        super().publish(messages)


class House:
    """Dashboard and gateway on one database."""

    def __init__(self, settings: Any, folder: Path, stack: ExitStack, *, sign_in: bool = True) -> None:
        environ = {"LITEHEART_DATABASE": settings.database_url, "LITEHEART_DASHBOARD_HEARTBEAT_S": "0.05"}
        self.settings = load(environ=environ, data_dir=folder)
        self.stack, self.clock, self.feed, self.kept = stack, ManualClock(T0), Heard(), Kept()
        storage = wiring.open_storage(self.settings)
        stack.callback(storage.close)
        fast = People(storage.people._engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        self.storage = replace(storage, people=fast)
        self.sign_in = sign_in
        self.app = self.process()

    def process(self) -> FastAPI:
        """A dashboard and a gateway, as one more process would have them."""
        app = FastAPI()
        app.include_router(wiring.dashboard(self.settings, self.storage, self.feed, self.clock, sign_in=self.sign_in))
        args = (self.settings, self.kept, self.storage, self.clock, NullMetrics())
        app.include_router(wiring.gateway(*args, sign_in=self.sign_in))
        return app

    def staff(self) -> None:
        for name, role in STAFF.items():
            self.storage.people.add(name, role, f"{name}-secret", now_us=T0)

    def client(self, app: FastAPI | None = None, address: str = "127.0.0.1") -> TestClient:
        client = TestClient(app or self.app, base_url="http://localhost", client=(address, 5555))
        return self.stack.enter_context(client)

    def who(self, name: str, app: FastAPI | None = None) -> TestClient:
        client = self.client(app, "10.0.0.9")
        answer = client.post(f"{API}/session", json={"username": name, "password": f"{name}-secret"})
        assert answer.status_code == 200, answer.text
        return client

    def actions(self, **of: Any) -> list[str]:
        return [deed.action for deed in reversed(self.storage.audit.latest(1000, **of))]


@pytest.fixture
def make_house(sql_settings: Any, engine: Any, tmp_path: Path) -> Iterator[Callable[..., House]]:
    with ExitStack() as stack:  # `engine` empties the database
        yield lambda **options: House(sql_settings, tmp_path / "data", stack, **options)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    made = make_house()
    made.staff()
    return made


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["field"])


def closing_code(live: Any) -> int:
    """With which the server closes a live view, whatever it says before."""
    try:
        while True:
            live.receive_bytes()
    except WebSocketDisconnect as end:
        return end.code


def admitted(client: TestClient, bed: str = "A-01", **more: Any) -> str:
    answer = client.post(f"{API}/patients", json={"bed": bed} | more)
    assert answer.status_code == 201, answer.text
    assert answer.json()["bed"] == bed
    return str(answer.json()["patient"])


# sessions


def test_a_restart_and_a_second_process_sign_nobody_out(house: House) -> None:
    ada = house.who("ada")
    other = house.client(house.process())
    other.cookies = ada.cookies
    assert other.get(f"{API}/session").json()["username"] == "ada"
    assert ada.delete(f"{API}/session").status_code == 204
    house.clock.advance(5)
    assert other.get(f"{API}/session").status_code == 401
    assert house.actions(by="ada") == ["signed-in", "signed-out"]


def test_where_one_is_signed_in_and_out_everywhere(house: House) -> None:
    here, there, paul = house.who("ada"), house.who("ada"), house.who("paul")
    items = here.get(f"{API}/sessions").json()["items"]
    assert [(s["username"], s["from"], s["here"]) for s in items].count(("ada", "10.0.0.9", True)) == 1
    assert len(items) == 2
    assert refusal(here.get(f"{API}/sessions?of=all"), 403) == "role"
    assert len(house.who("boss").get(f"{API}/sessions?of=all").json()["items"]) == 4
    assert here.delete(f"{API}/sessions").json() == {"ended": 2}
    assert {c.get(f"{API}/session").status_code for c in (here, there)} == {401}
    assert paul.get(f"{API}/session").status_code == 200


def test_changing_ones_own_password_ends_the_other_screens(house: House) -> None:
    ada, wall = house.who("ada"), house.who("ada")
    wrong = ada.put(f"{API}/session/password", json={"old": "guess", "new": "new-secret"})
    assert refusal(wrong, 403) == "old"
    assert refusal(ada.put(f"{API}/session/password", json={"old": "ada-secret", "new": "x"}), 422) == "new"
    assert ada.put(f"{API}/session/password", json={"old": "ada-secret", "new": "new-secret"}).status_code == 204
    assert wall.get(f"{API}/patients").status_code == 401
    credentials = {"username": "ada", "password": "new-secret"}
    assert house.client().post(f"{API}/session", json=credentials).status_code == 200


def test_a_person_who_is_removed_leaves_the_wall(house: House) -> None:
    ada, boss = house.who("ada"), house.who("boss")
    with ada.websocket_connect("ws://localhost/api/v1/live") as live:
        assert boss.delete(f"{API}/people/ada").status_code == 204
        assert closing_code(live) == 4401
    assert ada.get(f"{API}/patients").status_code == 401


def test_failed_sign_ins_are_noted_and_braked(house: House) -> None:
    client = house.client()
    statuses = [
        client.post(f"{API}/session", json={"username": "ada", "password": f"guess{i}"}).status_code for i in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2
    assert house.actions(subject="ada").count("sign-in-failed") == 5


# people


def test_an_administrator_manages_people(house: House) -> None:
    boss = house.who("boss")
    new = {"username": "ines", "role": "nurse", "password": "ines-secret"}
    assert boss.post(f"{API}/people", json=new).json() == {"username": "ines", "role": "nurse"}
    assert refusal(boss.post(f"{API}/people", json=new), 422) == "username"
    assert refusal(boss.post(f"{API}/people", json=new | {"username": "x", "role": "boss"}), 422) == "role"
    assert refusal(boss.post(f"{API}/people", json=new | {"username": "a b"}), 422) == "username"
    ines = house.who("ines")
    assert {p["username"]: p["sessions"] for p in boss.get(f"{API}/people").json()["items"]} == {
        "ada": 0, "boss": 1, "ines": 1, "paul": 0, "rosa": 0, "tom": 0,
    }  # fmt: skip
    assert boss.put(f"{API}/people/ines", json={"role": "administrator"}).json()["role"] == "administrator"
    assert ines.get(f"{API}/people").status_code == 200, "at once"
    assert ines.delete(f"{API}/people/boss").status_code == 204
    assert refusal(ines.put(f"{API}/people/ines", json={"role": "nurse"}), 409) == "username"
    assert refusal(ines.delete(f"{API}/people/ines"), 409) == "username"
    assert refusal(ines.delete(f"{API}/people/boss"), 404) == "username"
    assert house.actions(subject="ines") == ["person-added", "signed-in", "person-changed"]


# stays


def test_admit_transfer_discharge(house: House, make: Any) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    assert refusal(ada.post(f"{API}/patients", json={"bed": "A-01"}), 409) == "bed"
    assert refusal(ada.post(f"{API}/patients", json={"bed": " "}), 422) == "bed"
    other = admitted(ada, "A-02")
    assert refusal(ada.post(f"{API}/patients/{patient}/transfer", json={"bed": "A-02"}), 409) == "bed"
    house.storage.monitor.commit(Batch(states=[make.state(1, patient)]))
    assert ada.post(f"{API}/patients/{patient}/transfer", json={"bed": "B-07"}).json()["bed"] == "B-07"
    assert json.loads(house.feed.told[-1].payload)["bed"] == "B-07", "screens are told"
    beds = {a["patient"]: (a["bed"], a["device"]) for a in ada.get(f"{API}/admissions").json()["items"]}
    assert beds == {patient: ("B-07", None), other: ("A-02", None)}
    wall = {p["patient"]: (p["bed"], p["last_arrival_us"]) for p in ada.get(f"{API}/patients").json()["items"]}
    assert wall == {patient: ("B-07", make.state(1).last_arrival_us), other: ("A-02", None)}
    assert ada.post(f"{API}/patients/{patient}/discharge", json={}).status_code == 200
    assert json.loads(house.feed.told[-1].payload)["discharged"] is True
    assert [p["patient"] for p in ada.get(f"{API}/patients").json()["items"]] == [other]
    assert refusal(ada.post(f"{API}/patients/{patient}/discharge", json={}), 404) == "patient"
    assert house.actions(subject=patient) == ["admitted", "transferred", "discharged"]


def test_an_alarm_that_nobody_has_seen_holds_the_patient(house: House, make: Any) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    alarm = make.alarm("VF", patient)
    house.storage.monitor.commit(Batch(states=[make.state(1, patient)], alarms=[make.event(alarm, "raised", 4)]))
    answer = ada.post(f"{API}/patients/{patient}/discharge", json={})
    assert refusal(answer, 409) == "alarm"
    assert alarm.alarm_id in answer.json()["error"]["reason"]
    acknowledged = ada.post(f"{API}/alarms/{alarm.alarm_id}/acknowledge", json={"reason": REASONS[0]})
    assert acknowledged.status_code == 200
    assert ada.post(f"{API}/patients/{patient}/discharge", json={}).status_code == 200
    ended = chores.departures(house.storage.admissions, house.storage.monitor, T0 + 60 * S)
    assert [(e.alarm.alarm_id, e.action) for e in ended] == [(alarm.alarm_id, "ended")]
    assert house.storage.board.alarms() == []
    assert chores.departures(house.storage.admissions, house.storage.monitor, T0 + 62 * S) == []


def test_who_was_discharged_is_not_missed(house: House, make: Any) -> None:
    ada = house.who("ada")
    gone, here = admitted(ada, "1"), admitted(ada, "2")
    house.storage.monitor.commit(Batch(states=[make.state(0, gone), make.state(0, here)]))
    for second in range(0, 40, 2):
        house.storage.monitor.heartbeat("monitor", "m1", T0 + second * S)
    assert ada.post(f"{API}/patients/{gone}/discharge", json={}).status_code == 200
    events = chores.silences(house.storage.monitor, house.settings.alarms, NullMetrics(), T0 + 40 * S)
    assert [(e.alarm.patient, e.alarm.condition) for e in events] == [(here, "NO_DATA")]


def test_a_screen_is_told_who_is_here(house: House, make: Any) -> None:
    ada = house.who("ada")
    house.storage.monitor.commit(Batch(states=[make.state(0, "p1"), make.state(0, "p2")]))
    assert house.storage.admissions.discharge(PatientId("p1"), "ada", T0), "heard of, though never registered"
    told: dict[str, Any] = {}
    with ada.websocket_connect("ws://localhost/api/v1/live") as live:
        while told.get("type") != "ready":
            data = live.receive_bytes()
            told = json.loads(data[2 + data[1] :])
    assert told["patients"] == ["p2"]
    assert house.actions(by="ada", subject="ward") == ["live-opened"]


# who is here and has not been heard yet


def snapshot(client: TestClient) -> tuple[dict[str, Any], list[str]]:
    """Of a screen that is opened now: the states by patient, and who it is told is here."""
    states: dict[str, Any] = {}
    with client.websocket_connect("ws://localhost/api/v1/live") as live:
        while True:
            data = live.receive_bytes()
            told = json.loads(data[2 + data[1] :])
            if data[0] == 1:
                states[told["patient"]] = told
            if told.get("type") == "ready":
                return states, told["patients"]


def missed(house: House, second: int) -> list[tuple[str, str, str, str]]:
    """What the watch says at that second, a monitor having listened for the last 200."""
    for tick in range(second - 200, second + 1, 5):
        house.storage.monitor.heartbeat("monitor", "m1", T0 + tick * S)
    now_us = T0 + second * S
    events = chores.silences(house.storage.monitor, house.settings.alarms, NullMetrics(), now_us)
    events += chores.departures(house.storage.admissions, house.storage.monitor, now_us)
    return [(e.alarm.patient, e.alarm.condition, e.action, e.alarm.priority.name) for e in events]


def test_who_is_admitted_stands_on_the_wall_at_once(house: House, make: Any) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    told = json.loads(house.feed.told[-1].payload)
    assert (house.feed.told[-1].kind, told["patient"], told["bed"]) == ("state", patient, "A-01")
    (item,) = ada.get(f"{API}/patients").json()["items"]
    assert told == item
    assert (item["last_arrival_us"], item["last_sample_us"], item["since_us"]) == (None, None, T0)
    assert set(item) == set(make.state(0).to_json()) | {"since_us"}, "a screen finds every field of a state"
    assert snapshot(ada) == ({patient: item}, [patient])
    assert ada.post(f"{API}/patients/{patient}/transfer", json={"bed": "A-02"}).status_code == 200
    assert json.loads(house.feed.told[-1].payload) == item | {"bed": "A-02"}
    house.storage.monitor.commit(Batch(states=[make.state(1, patient)]))
    assert snapshot(ada) == ({patient: make.state(1, patient, bed="A-02").to_json()}, [patient])
    assert ada.get(f"{API}/shift?since_us={T0 - S}").json()["items"][0]["bed"] == "A-02"


def test_who_was_never_heard_is_missed_until_something_comes(house: House, make: Any) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    assert missed(house, 60) == []
    assert missed(house, 61) == [(patient, "NO_DATA", "raised", "MEDIUM")]
    assert missed(house, 3 * 86_400) == [], "it goes on, once"
    (alarm,) = house.storage.board.alarms()
    assert (alarm.patient, alarm.active, alarm.onset_us) == (patient, True, T0)
    arrival_s = 3 * 86_400 + 5
    house.storage.monitor.commit(Batch(states=[make.state(arrival_s - 1, patient)]))
    assert missed(house, arrival_s + 1) == [(patient, "NO_DATA", "ended", "MEDIUM")]
    assert missed(house, arrival_s + 16) == [(patient, "NO_DATA", "raised", "MEDIUM")], "as of anybody who was heard"


def test_a_patient_who_was_heard_is_missed_until_discharge(house: House, make: Any) -> None:
    """Silence of a day ends the watch over a stream that nobody admitted, never that over a patient."""
    ada = house.who("ada")
    patient = admitted(ada)
    house.storage.devices.register(DeviceId("d-p1"), PatientId("p1"), now_us=T0)  # at the command line, without a bed
    assert house.storage.devices.revoke(DeviceId("d-p1"), T0 + S)
    states = [make.state(0, name) for name in (patient, "p1", "stray")]
    house.storage.monitor.commit(Batch(states=states))
    arrival_s = (states[0].last_arrival_us - T0) // S
    names = sorted([patient, "p1"])
    assert sorted(m[0] for m in missed(house, arrival_s + 70)) == sorted([*names, "stray"])
    late = missed(house, arrival_s + 86_410)
    assert late == [("stray", "NO_DATA_LONG", "ended", "HIGH")]
    assert missed(house, arrival_s + 9 * 86_400) == []
    open_now = house.storage.board.alarms()
    assert sorted(a.patient for a in open_now if a.active) == names
    assert {a.condition for a in open_now if a.active} == {"NO_DATA_LONG"}
    (mine,) = [a for a in open_now if a.patient == patient]
    house.storage.board.acknowledge(mine.alarm_id, "ada", REASONS[0], T0 + S)
    assert ada.post(f"{API}/patients/{patient}/discharge", json={}).status_code == 200
    assert missed(house, arrival_s + 9 * 86_400 + 10) == [(patient, "NO_DATA_LONG", "ended", "HIGH")]
    # A stream that is put to bed days after its alarm was ended is missed from then on, too.
    bed = ada.post(f"{API}/patients/stray/transfer", json={"bed": "A-09"})
    assert bed.status_code == 200
    assert missed(house, arrival_s + 9 * 86_400 + 20) == [("stray", "NO_DATA_LONG", "raised", "HIGH")]
    assert missed(house, arrival_s + 9 * 86_400 + 30) == []
    assert sorted(a.patient for a in house.storage.board.alarms() if a.active) == ["p1", "stray"]


def test_a_device_that_is_paired_has_its_minute_too(house: House) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    house.clock.advance(40)
    code = ada.post(f"{API}/patients/{patient}/pairing", json={}).json()["code"]
    assert ada.get(f"{API}/patients").json()["items"][0]["since_us"] == T0, "offered, not used"
    house.clock.advance(10)
    assert house.client().post(f"{API}/pair", json={"code": code, "device": "d9"}).status_code == 201
    assert ada.get(f"{API}/patients").json()["items"][0]["since_us"] == T0 + 50 * S
    assert missed(house, 110) == []
    assert missed(house, 111) == [(patient, "NO_DATA", "raised", "MEDIUM")]


def test_discharge_ends_the_wait(house: House) -> None:
    ada = house.who("ada")
    patient, other = admitted(ada), admitted(ada, "A-02")
    assert {m[0] for m in missed(house, 61)} == {patient, other}
    assert ada.post(f"{API}/patients/{patient}/discharge", json={}).status_code == 200
    told = json.loads(house.feed.told[-1].payload)
    assert (told["patient"], told["discharged"]) == (patient, True)
    assert missed(house, 63) == [(patient, "NO_DATA", "ended", "MEDIUM")]
    assert missed(house, 65) == []
    assert snapshot(ada)[1] == [other]


def test_who_comes_back_is_awaited_anew(house: House, make: Any) -> None:
    """Else the last signal of the stay before would stand on the wall, too old to be missed."""
    ada, name, register = house.who("ada"), PatientId("p1"), house.storage.devices.register
    register(DeviceId("d-p1"), name, now_us=T0, bed="A-01")
    house.storage.monitor.commit(Batch(states=[make.state(1)]))
    assert house.storage.admissions.discharge(name, "ada", T0 + 9 * S)
    back_s = 2 * 86_400
    register(DeviceId("d-p1"), name, now_us=T0 + back_s * S)
    (item,) = ada.get(f"{API}/patients").json()["items"]
    assert (item["last_arrival_us"], item["since_us"], item["bed"]) == (None, T0 + back_s * S, "A-01")
    register(DeviceId("d-p1"), name, now_us=T0 + (back_s + 30) * S)
    assert missed(house, back_s + 61) == [("p1", "NO_DATA", "raised", "MEDIUM")], "a new token is no new stay"


# identities


def test_names_are_for_who_needs_them(house: House) -> None:
    ada, tom, rosa = house.who("ada"), house.who("tom"), house.who("rosa")
    patient = admitted(ada, identity=ANNA)
    path = f"{API}/patients/{patient}/identity"
    assert ada.get(path).json() == ANNA
    assert refusal(tom.get(path), 403) == "identity"
    assert refusal(rosa.get(path), 403) == "identity"
    glass = f"{API}/patients/{patient}/break-glass"
    assert refusal(rosa.post(glass, json={"reason": "curious"}), 403) == "role"
    assert refusal(tom.post(glass, json={"reason": " "}), 422) == "reason"
    broken = tom.post(glass, json={"reason": "found without a wristband"})
    assert (broken.status_code, broken.json()) == (201, {"until_us": T0 + 3600 * S})
    assert tom.get(path).json() == ANNA
    house.clock.advance(3601)
    tom = house.who("tom")
    assert refusal(tom.get(path), 403) == "identity"
    flagged = [d for d in house.who("boss").get(f"{API}/audit?subject={patient}").json()["items"] if d["flagged"]]
    assert [(d["by"], d["action"]) for d in flagged] == [("tom", "identity-read"), ("tom", "glass-broken")]
    assert flagged[1]["detail"]["reason"] == "found without a wristband"


def test_an_identity_may_follow_and_be_corrected(house: House) -> None:
    ada = house.who("ada")
    patient = admitted(ada)
    path = f"{API}/patients/{patient}/identity"
    assert refusal(ada.get(path), 404) == "identity"
    assert ada.put(path, json={"name": "Anne"}).status_code == 204
    assert ada.put(path, json=ANNA).status_code == 204
    assert ada.get(path).json() == ANNA
    assert ada.get(f"{API}/admissions").json()["items"][0]["identified"] is True
    assert refusal(ada.put(path, json=ANNA | {"born": "yesterday"}), 422) == "born"
    assert refusal(ada.put(f"{API}/patients/nobody/identity", json=ANNA), 404) == "patient"


def test_names_appear_nowhere_else(house: House, caplog: pytest.LogCaptureFixture, make: Any) -> None:
    caplog.set_level("DEBUG")
    ada, boss = house.who("ada"), house.who("boss")
    patient = admitted(ada, identity=ANNA)
    house.storage.monitor.commit(Batch(states=[make.state(0, patient)]))
    ada.get(f"{API}/patients/{patient}/identity")
    wrong = ada.post(f"{API}/patients", json={"bed": "B-01", "identity": {"name": "Anna Müller", "born": "Müller"}})
    ada.post(f"{API}/patients/{patient}/transfer", json={"bed": "B-02"})
    texts = [wrong.text, caplog.text, repr(house.feed.told)]
    texts += [boss.get(API + path).text for path in ("/audit", "/patients", "/admissions", "/alarms", "/people")]
    assert not [text for text in texts if "Müller" in text or "M\\u00fcller" in text or "4711" in text]


# devices


def test_a_device_is_paired_by_a_code_and_speaks_for_that_patient(house: House, make: Any) -> None:
    tom, ada = house.who("tom"), house.who("ada")
    patient = admitted(ada)
    offered = tom.post(f"{API}/patients/{patient}/pairing", json={})
    assert offered.status_code == 201
    assert offered.json()["until_us"] == T0 + 600 * S
    device = house.client(address="10.1.1.1")
    said = {"code": offered.json()["code"], "device": "wear-1"}
    paired = device.post(f"{API}/pair", json=said)
    assert paired.status_code == 201, paired.text
    assert refusal(device.post(f"{API}/pair", json=said), 403) == "code"
    frame = make.frame(0, patient, device=DeviceId("wear-1"))
    headers = {"authorization": f"Bearer {paired.json()['token']}", "content-type": "application/octet-stream"}
    sent = device.post(f"{API}/frames", content=encode_frame(frame), headers=headers)
    assert sent.status_code == 200, sent.text
    assert ada.get(f"{API}/admissions").json()["items"][0]["device"] == "wear-1"
    assert tom.delete(f"{API}/devices/wear-1").status_code == 204
    assert refusal(tom.delete(f"{API}/devices/wear-1"), 404) == "device"
    assert device.post(f"{API}/frames", content=encode_frame(frame), headers=headers).status_code == 401
    assert house.actions(subject=patient) == ["admitted", "pairing-offered", "device-paired", "device-revoked"]


def test_codes_are_not_guessed(house: House) -> None:
    thief, other = house.client(address="10.6.6.6"), house.client(address="10.6.6.7")
    guess = {"code": "AAAAAAAA", "device": "d"}
    assert [thief.post(f"{API}/pair", json=guess).status_code for _ in range(12)] == [403] * 10 + [429] * 2
    assert 290 < int(thief.post(f"{API}/pair", json=guess).headers["retry-after"]) <= 301
    assert other.post(f"{API}/pair", json=guess).status_code == 403
    house.clock.advance(301)
    assert thief.post(f"{API}/pair", json=guess).status_code == 403


def test_what_is_no_pairing_is_told_so(house: House) -> None:
    device = house.client()
    for body, field in ((b"[]", "body"), (b"{", "body"), (b'{"code":1}', "code"), (b'{"code":"x"}', "device")):
        answer = device.post(f"{API}/pair", content=body, headers={"content-type": "application/json"})
        assert refusal(answer, 422) == field
    assert refusal(device.post(f"{API}/pair", content=b"{}"), 422) == "content-type"
    assert refusal(device.post(f"{API}/pair", json={"code": "A" * 2000, "device": "d"}), 422) == "body"


def test_a_stream_ends_with_its_token(house: House, make: Any) -> None:
    token = house.storage.devices.register(DeviceId("d-p1"), PatientId("p1"), now_us=T0)
    device = house.client()
    with device.websocket_connect("/api/v1/stream", headers={"authorization": f"Bearer {token}"}) as stream:
        stream.send_bytes(encode_frame(make.frame(0)))
        assert stream.receive_json()["ok"] is True
        assert house.storage.admissions.discharge(PatientId("p1"), "ada", T0)
        house.clock.advance(5)
        stream.send_bytes(encode_frame(make.frame(1)))
        answer = stream.receive_json()
    assert (answer["ok"], answer["error"]["field"]) == (False, "token")


def test_the_local_nurse_admits_and_discharges_and_an_open_door_closes(
    make_house: Callable[..., House], make: Any
) -> None:
    house = make_house(sign_in=False)
    local = house.client()
    assert local.get(f"{API}/session").json()["username"] == "nurse"
    patient = admitted(local, identity=ANNA)
    assert local.get(f"{API}/patients/{patient}/identity").json() == ANNA
    headers = {"content-type": "application/octet-stream"}
    body = encode_frame(make.frame(0, patient))
    assert local.post(f"{API}/frames", content=body, headers=headers).status_code == 200
    assert local.post(f"{API}/patients/{patient}/discharge", json={}).status_code == 200
    assert refusal(local.post(f"{API}/frames", content=body, headers=headers), 403) == "patient", "at once"
    house.clock.advance(1)
    assert refusal(local.post(f"{API}/frames", content=body, headers=headers), 403) == "patient"
    # One that was let in before, and comes through the monitor only now, is stored and puts nobody on the wall.
    house.storage.monitor.commit(Batch(frames=[make.frame(1, patient)], states=[make.state(1, patient)]))
    assert local.get(f"{API}/patients").json()["items"] == []
    assert refusal(local.get(f"{API}/people"), 403) == "role"
    assert refusal(local.put(f"{API}/session/password", json={"old": "x", "new": "y"}), 409) == "password"


# the audit


def test_reading_a_signal_is_noted_once_in_a_quarter(house: House, make: Any) -> None:
    house.clock.advance(600)  # T0 lies 200 s before a quarter begins
    ada, paul = house.who("ada"), house.who("paul")
    house.storage.monitor.commit(Batch(frames=[make.frame(0)], states=[make.state(0)]))
    strip = f"{API}/patients/p1/strip?t0_us={T0}&t1_us={T0 + S}"
    for client in (ada, ada, paul):
        assert client.get(strip).status_code == 200
    assert refusal(ada.get(f"{API}/patients/p2/strip?t0_us=1&t1_us=1"), 422) == "t1_us"
    assert ada.get(f"{API}/patients/p1/limits").status_code == 200
    assert house.actions(subject="p1") == ["signal-read"] * 2
    assert house.actions(subject="p2") == [], "nothing was read"
    other = house.client(house.process())
    other.cookies = ada.cookies
    assert other.get(strip).status_code == 200
    assert house.actions(subject="p1") == ["signal-read"] * 2, "another process knows of it"
    house.clock.advance(QUARTER_US / S)
    assert ada.get(strip).status_code == 200
    assert house.actions(subject="p1") == ["signal-read"] * 3
    told = paul.get(f"{API}/patients/p1/extent").json()
    assert (told["t0_us"], told["t1_us"]) == (T0, T0 + S)
    assert house.actions(subject="p1") == ["signal-read"] * 4, "where signal lies is signal too"


def test_the_audit_is_read_by_subject_and_person_and_holds(house: House, make: Any) -> None:
    ada, boss = house.who("ada"), house.who("boss")
    patient = admitted(ada)
    alarm = make.alarm("VF", patient)
    house.storage.monitor.commit(Batch(alarms=[AlarmEvent(alarm, "raised", T0, T0)]))
    ada.post(f"{API}/alarms/{alarm.alarm_id}/acknowledge", json={"reason": None})
    ada.put(f"{API}/patients/{patient}/limits", json={"limits": {"tachy_bpm": 150}})
    ada.post(f"{API}/audio-pauses", json={"patient": patient, "seconds": 60})
    items = boss.get(f"{API}/audit?subject={patient}&by=ada").json()["items"]
    assert [item["action"] for item in items] == ["audio-paused", "limits-set", "acknowledged", "admitted"]
    assert [item["id"] for item in items] == sorted((item["id"] for item in items), reverse=True)
    assert len(boss.get(f"{API}/audit?limit=2").json()["items"]) == 2
    assert refusal(boss.get(f"{API}/audit?limit=100000"), 422) == "limit"
    assert house.storage.audit.verify().broken is None
    chain = boss.get(f"{API}/audit/chain").json()
    assert (chain["broken"], chain["rows"]) == (None, house.storage.audit.verify().rows)
    assert chain["head"] == house.storage.audit.verify().head.hex()
