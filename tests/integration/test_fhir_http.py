"""The FHIR endpoints over HTTP, from a real server, as other systems and people read them."""

import asyncio
import base64
import json
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from alerts.dashboard.feed import InProcessFeed
from alerts.fhir import ids, waveform
from alerts.fhir.version import Version
from deploy import wiring
from deploy.http import create_web, serving
from deploy.metrics import PrometheusMetrics
from deploy.settings import load
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.care import Delivery
from liteheart.clock import ManualClock, SystemClock
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId, alarm_id
from liteheart.signal import Frame
from storage.monitor_store import Batch
from storage.people import People

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient

S = 1_000_000
NOW = SystemClock().now_us() // S * S
T0 = NOW - 600 * S
ODD = PatientId("a_patient:with-a-name-that-is-no-id-of-fhir-and-long")
FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
ALL = ["system/*.rs", "system/AuditEvent.rs"]
SAMPLES = np.random.default_rng(1).integers(-2000, 2000, 60 * 250).astype(np.int16)


def frames(patient: PatientId) -> list[Frame]:
    """A minute at 250 Hz, without seconds 20 to 24."""
    return [
        Frame(
            patient,
            DeviceId(f"d-{patient}"),
            1,
            n,
            T0 + n * S,
            250.0,
            200.0,
            "I",
            SAMPLES[n * 250 : (n + 1) * 250],
            NOW,
        )
        for n in range(60)
        if not 20 <= n < 25
    ]


def finding(patient: PatientId, second: int) -> Finding:
    return Finding(
        patient, DeviceId(f"d-{patient}"), "I", T0 + second * S, T0 + (second + 10) * S, ModelVersion("m1"),
        Quality(0.9, True), False, 70.0 + second, {"AFIB": 0.9, "SR": 0.1}, ("AFIB",) if second % 2 else ("SR",), NOW,
    )  # fmt: skip


def state(patient: PatientId) -> PatientState:
    return PatientState(patient, DeviceId(f"d-{patient}"), "I", 250.0, NOW, T0 + 60 * S, "", 71.0, 0.9, True)


ALARM = Alarm(
    alarm_id(PatientId("p1"), "ASYSTOLE", T0 + 15 * S), PatientId("p1"), "ASYSTOLE", "Asystole", Kind.PHYSIOLOGICAL,
    Priority.HIGH, True, T0 + 15 * S, T0 + 19 * S, "no beat for 4.2 s > 4 s", True, evidence={"limit": 4.0},
)  # fmt: skip


class House:
    """A dashboard on a port of its own, with what two patients left behind."""

    def __init__(self, folder: Path) -> None:
        settings = load(environ={}, data_dir=folder, fhir__count=5)
        storage = wiring.open_storage(settings)
        self.storage = replace(storage, people=People(storage.people._engine, FAST))
        for role in ("nurse", "physician", "administrator", "researcher"):
            self.storage.people.add(f"one-{role}", role, "long enough", now_us=NOW)
        for patient in (PatientId("p1"), ODD):
            readings = [finding(patient, n) for n in range(0, 50, 5)]
            storage.monitor.commit(Batch(frames=frames(patient), findings=readings, states=[state(patient)]))
        storage.monitor.commit(Batch(alarms=[AlarmEvent(ALARM, "raised", ALARM.onset_us, ALARM.raised_us)]))
        notice = {"event": "raised", "label": "Asystole"}
        told = Delivery("k" * 32, "pager", ALARM.alarm_id, 0, Priority.HIGH, notice, NOW, delivered_us=None)
        storage.notifications.accept([], [told], NOW)
        storage.notifications.delivered(told.key, NOW + S, late=False)
        self.router = wiring.dashboard(settings, self.storage, InProcessFeed(), SystemClock(), sign_in=True)
        self.url = self.last = ""

    @contextmanager
    def client(self, scopes: list[str] | None = None, role: str | None = None) -> Iterator[httpx.Client]:
        """A registered system (its name is then in `last`), someone who is signed in, or nobody."""
        headers = {}
        if scopes is not None:
            self.last = f"system-{len(self.storage.clients.all())}"
            headers["Authorization"] = f"Bearer {self.storage.clients.add(self.last, scopes, now_us=NOW)}"
        with httpx.Client(base_url=self.url, headers=headers) as client:
            if role is not None:
                who = {"username": f"one-{role}", "password": "long enough"}
                assert client.post("/api/v1/session", json=who).status_code == 200
            yield client


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Served in a thread, so that the tests ask as another system would."""
    house, ready, loop = House(tmp_path_factory.mktemp("house")), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        app = create_web([house.router], PrometheusMetrics(), lambda: None)
        async with serving(app, "127.0.0.1", 0) as port:
            house.url = f"http://127.0.0.1:{port}"
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    with ExitStack() as stack:
        stack.callback(house.storage.close)
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(lambda: loop.call_soon_threadsafe(stop.set))
        assert ready.wait(30)
        yield house


@pytest.fixture
def braked(tmp_path: Path) -> Iterator[tuple[Any, ManualClock, FastAPI]]:
    """Storage, clock and dashboard of a house where four requests a minute are too many, and two wrong tokens."""
    settings = load(environ={}, data_dir=tmp_path, fhir__requests=3, fhir__refused_tokens=2)
    storage, clock, app = wiring.open_storage(settings), ManualClock(NOW), FastAPI()
    app.include_router(wiring.dashboard(settings, storage, InProcessFeed(), clock, sign_in=False))
    yield storage, clock, app
    storage.close()


def judged(answer: httpx.Response, version: str) -> Any:
    """The body as fhir.resources reads it."""
    assert answer.headers["content-type"].startswith("application/fhir+json")
    told = answer.json()
    package = "fhir.resources.R4B" if version == "R4" else "fhir.resources"
    kind = told["resourceType"]
    getattr(import_module(f"{package}.{kind.lower()}"), kind).model_validate_json(answer.content)
    return told


def everything(client: httpx.Client, url: str, version: str) -> list[dict[str, Any]]:
    """The resources of all pages."""
    found: list[dict[str, Any]] = []
    for _ in range(50):
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        told = judged(answer, version)
        assert told["type"] == "searchset"
        found += [entry["resource"] for entry in told.get("entry", [])]
        links = {link["relation"]: link["url"] for link in told["link"]}
        if "next" not in links:
            return found
        url = links["next"]
    raise AssertionError("the pages have no end")


def refused(answer: httpx.Response, status: int, field: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    told = judged(answer, "R4")
    assert told["resourceType"] == "OperationOutcome"
    assert told["issue"][0]["details"]["coding"][0]["code"] == field
    return dict(told["issue"][0])


@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_system_reads_everything_there_is(house: House, version: str) -> None:
    with house.client(ALL) as client:
        base = f"/fhir/{version}"
        judged(client.get(f"{base}/metadata"), version)
        patients = everything(client, f"{base}/Patient?_count=1", version)
        assert [p["identifier"][0]["value"] for p in patients] == sorted([ODD, "p1"])
        assert len(everything(client, f"{base}/Device", version)) == 2
        for patient in patients:
            found = everything(client, f"{base}/Observation?patient=Patient/{patient['id']}", version)
            assert len(found) == len({o["id"] for o in found}) == 20
            assert {o["subject"]["reference"] for o in found} == {f"Patient/{patient['id']}"}
            for one in found[:4]:  # what is referred to is there
                assert judged(client.get(f"{base}/Observation/{one['id']}"), version) == one
                signal = judged(client.get(f"{base}/{one['derivedFrom'][0]['reference']}"), version)
                assert signal["component"][0]["valueSampledData"]["data"]
                assert judged(client.get(f"{base}/{one['device']['reference']}"), version)["resourceType"] == "Device"
            assert judged(client.get(f"{base}/Patient/{patient['id']}"), version) == patient
        (issue,) = everything(client, f"{base}/DetectedIssue?patient=p1", version)
        assert judged(client.get(f"{base}/DetectedIssue/{issue['id']}"), version) == issue
        evidence = judged(client.get(f"{base}/{issue['evidence'][0]['detail'][0]['reference']}"), version)
        assert "E" in evidence["component"][0]["valueSampledData"]["data"].split(" ") or ALARM.onset_us <= T0 + 20 * S
        (notice,) = everything(client, f"{base}/Communication?patient=p1", version)
        assert notice["about"] == [{"reference": f"DetectedIssue/{issue['id']}"}]
        assert judged(client.get(f"{base}/Communication/{notice['id']}"), version) == notice
        origins = everything(client, f"{base}/Provenance?patient=p1", version)
        assert len(origins) == 10
        target = origins[0]["target"][0]["reference"]
        assert everything(client, f"{base}/Provenance?patient=p1&target={target}", version) == origins[:1]
        assert judged(client.get(f"{base}/Provenance/{origins[0]['id']}"), version) == origins[0]
        deeds = everything(client, f"{base}/AuditEvent", version)
        assert len(deeds) > 5
        assert judged(client.get(f"{base}/AuditEvent/{deeds[-1]['id']}"), version) == deeds[-1]


def test_a_waveform_comes_back_bit_by_bit_with_its_gap(house: House) -> None:
    with house.client(["system/Observation.rs"]) as client:
        since = f"date=ge{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(T0 // S))}"
        until = f"date=lt{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(T0 // S + 60))}"
        for version in ("R4", "R5"):
            url = f"/fhir/{version}/Observation?patient=p1&code=urn:iso:std:iso:11073:10101|131328&{since}&{until}"
            found = everything(client, url, version)
            starts = [o["effectivePeriod"]["start"] for o in found]
            assert starts == sorted(starts, reverse=True)
            data = [o["component"][0]["valueSampledData"] for o in reversed(found)]
            values = [v for d in data for v in d["data"].split(" ")]
            there = np.array([n for n in range(60 * 250) if not 20 * 250 <= n < 25 * 250])
            assert np.array_equal(np.array([v for v in values if v != "E"], np.int16), SAMPLES[there])
            assert data[0]["factor"] == 0.005
            assert data[0]["period" if version == "R4" else "interval"] == 4
            assert "code" in found[0]["component"][0]


def test_ten_seconds_of_waveform_take_less_than_20_ms(house: House) -> None:
    """Of the server's own work; what a request costs besides is not the waveform's."""
    took = []
    for n in range(20):
        began = time.perf_counter()
        t0 = T0 + (25 + n) * S
        found = waveform.traces(house.storage.board.strip(PatientId("p1"), t0, t0 + 10 * S), t0, t0 + 10 * S)
        made = waveform.observation(PatientId("p1"), ids.ecg("p1", t0, t0 + 10 * S), found, Version.R4)
        json.dumps(made)
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.020


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("code=8867-4", 10),
        ("code=http://loinc.org|8867-4", 10),
        ("code=8601-7", 10),
        ("code=8867-4,8601-7", 20),
        ("code=http://snomed.info/sct|8867-4", 0),
        ("code=9999-9", 0),
        ("combo-code=http://snomed.info/sct|164889003", 5),
        ("combo-code=SR", 5),
        ("combo-code=none", 0),
        ("code=8867-4&date=ge2200", 0),
        ("code=8867-4&date=le2000-01-01", 0),
    ],
)
def test_searches_for_readings(house: House, query: str, count: int) -> None:
    with house.client(["system/Observation.s"]) as client:
        found = everything(client, f"/fhir/R5/Observation?patient=p1&{query}", "R5")
        assert len(found) == count
        if "164889003" in query:
            assert {o["valueCodeableConcept"]["text"] for o in found} == {"Atrial fibrillation"}


def test_alarms_in_the_shape_of_the_ballot(house: House) -> None:
    with house.client(["system/DeviceAlert.rs"]) as client:
        told = client.get("/fhir/R6-ballot/metadata").json()
        assert told["fhirVersion"] == "6.0.0-ballot3"
        (entry,) = client.get("/fhir/R6-ballot/DeviceAlert?patient=p1").json()["entry"]
        alert = client.get(f"/fhir/R6-ballot/DeviceAlert/{ALARM.alarm_id}").json()
        assert alert == entry["resource"]
        assert (alert["status"], alert["priority"], alert["type"]) == ("in-progress", "high", "physiological")
        assert alert["source"] == {"reference": "Device/d-p1"}
        assert alert["signal"][0]["presence"] == "on"
        assert client.get("/fhir/R4/DeviceAlert?patient=p1").status_code == 404


def test_an_acknowledgement_is_seen(house: House) -> None:
    with house.client(["system/DetectedIssue.r"]) as client:
        url = f"/fhir/R5/DetectedIssue/{ALARM.alarm_id}"
        before = client.get(url)
        again = client.get(url, headers={"If-None-Match": before.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(url, headers={"If-Modified-Since": before.headers["last-modified"]}).status_code == 304
        house.storage.board.acknowledge(ALARM.alarm_id, "ada", "true-actioned", NOW + 5 * S)
        after = client.get(url, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert judged(after, "R5")["status"] == "mitigated"
        assert after.json()["mitigation"][0]["action"]["coding"][0]["code"] == "true-actioned"


# who may


def test_without_a_token_nothing_is_told(house: House) -> None:
    with house.client() as client:
        for path in ("Patient", "Patient/p1", "Observation?patient=p1", "AuditEvent", "DetectedIssue"):
            answer = client.get(f"/fhir/R4/{path}")
            assert refused(answer, 401, "session")["code"] == "login"
            assert answer.headers["www-authenticate"] == "Bearer"
        for held in ("Bearer", "Bearer nonsense", "Basic eDp5", "Bearer x y"):
            answer = client.get("/fhir/R4/Patient", headers={"Authorization": held})
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            refused(answer, 401, "token")
        assert client.get("/fhir/R4/metadata").status_code == 200
        smart = client.get("/fhir/R4/.well-known/smart-configuration").json()
        assert "system/Observation.rs" in smart["scopes_supported"]


def test_a_scope_is_asked_for_each_kind_and_letter(house: House) -> None:
    with house.client(["system/Observation.s", "system/Patient.r"]) as client:
        assert client.get("/fhir/R4/Observation?patient=p1").status_code == 200
        assert client.get("/fhir/R4/Patient/p1").status_code == 200
        for path, missing in (
            (f"Observation/hr.{T0}.p1", "system/Observation.r"),
            ("Patient", "system/Patient.s"),
            ("AuditEvent", "system/AuditEvent.s"),
            ("DetectedIssue", "system/DetectedIssue.s"),
        ):
            answer = client.get(f"/fhir/R4/{path}")
            assert missing in refused(answer, 403, "scope")["diagnostics"]
            assert f'scope="{missing}"' in answer.headers["www-authenticate"]


def test_a_grant_for_one_patient_tells_of_nobody_else(house: House) -> None:
    with house.client(["patient/*.rs", "launch/patient=p1"]) as client:
        assert [p["id"] for p in everything(client, "/fhir/R4/Patient", "R4")] == ["p1"]
        assert [d["id"] for d in everything(client, "/fhir/R4/Device", "R4")] == ["d-p1"]
        assert len(everything(client, "/fhir/R4/DetectedIssue", "R4")) == 1
        assert len(everything(client, "/fhir/R4/Observation?patient=p1", "R4")) == 20
        odd, device = ids.tag(ODD), ids.tag(f"d-{ODD}")
        for path in (f"Patient/{odd}", f"Observation?patient={odd}", f"Device/{device}", f"Observation/hr.{T0}.{odd}"):
            refused(client.get(f"/fhir/R4/{path}"), 403, "patient")
        refused(client.get("/fhir/R4/AuditEvent?patient=p1"), 403, "scope")
        assert everything(client, f"/fhir/R4/Patient?_id={odd}", "R4") == []


def test_a_revoked_token_is_refused_at_once(house: House) -> None:
    with house.client(["system/Patient.rs"]) as client:
        assert client.get("/fhir/R4/Patient").status_code == 200
        assert house.storage.clients.revoke(house.last, now_us=NOW)
        refused(client.get("/fhir/R4/Patient"), 401, "token")


@pytest.mark.parametrize(
    ("role", "status"), [("nurse", 403), ("physician", 200), ("administrator", 200), ("researcher", 200)]
)
def test_people_read_by_their_role(house: House, role: str, status: int) -> None:
    with house.client(role=role) as client:
        assert client.get("/fhir/R4/Patient").status_code == status
        assert client.get("/fhir/R4/AuditEvent").status_code == (200 if role == "administrator" else 403)
        elsewhere = client.get("/fhir/R4/Patient", headers={"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403, "another site's page may not ask with this session"


def test_every_reading_is_noted_once(house: House) -> None:
    with house.client(["system/Observation.rs", "system/Patient.rs"]) as client:
        for _ in range(3):
            client.get("/fhir/R4/Observation?patient=p1")
            client.get("/fhir/R4/Patient")
            client.get("/fhir/R5/Patient/p1")
            client.get("/fhir/R5/Patient/nobody")
        noted = house.storage.audit.latest(500, by=f"client:{house.last}")
        told = [("fhir-Observation", "p1"), ("fhir-Patient", "everybody"), ("fhir-Patient", "p1")]
        assert sorted((deed.action, deed.subject) for deed in noted) == told
    assert house.storage.audit.verify().broken is None


# what goes wrong


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/fhir/R3/Patient", 404, "version"),
        ("/fhir/R4/Medication", 404, "path"),
        ("/fhir/R4", 404, "path"),
        ("/fhir/R4/Patient/nobody", 404, "id"),
        ("/fhir/R4/Patient/x-000000000000000000000000", 404, "id"),
        ("/fhir/R4/Observation/nonsense", 404, "id"),
        ("/fhir/R4/Observation/hr.1.p1", 404, "id"),
        ("/fhir/R4/Observation/ecg.1.1000.p1", 404, "id"),
        (f"/fhir/R4/Observation/ecg.{T0}.99999.p1", 400, "id"),
        ("/fhir/R4/Observation/ecg.99999999999999999.60000.p1", 404, "id"),
        ("/fhir/R4/DetectedIssue/%00", 404, "id"),
        ("/fhir/R4/AuditEvent/99999999999999999999", 404, "id"),
        ("/fhir/R4/Communication/a.b", 404, "id"),
        ("/fhir/R4/Observation", 400, "patient"),
        ("/fhir/R4/Observation?patient=p1&name=ada", 400, "name"),
        ("/fhir/R4/Observation?patient=p1&date=yesterday", 400, "date"),
        ("/fhir/R4/Observation?patient=p1&_count=x", 400, "_count"),
        ("/fhir/R4/Observation?patient=p1&_cursor=x", 400, "_cursor"),
        ("/fhir/R4/Observation?patient=p1&code=131328", 400, "date"),
        ("/fhir/R4/Observation?patient=p1&code=131328&date=ge2020", 400, "date"),
        ("/fhir/R4/Observation?patient=p1&code=131328,8867-4&date=ge2020", 400, "code"),
        ("/fhir/R4/Patient?_format=xml", 406, "_format"),
        ("/fhir/R4/Patient?identifier=a%00b", 400, "identifier"),
        ("/fhir/R4/Observation?patient=%0a", 400, "patient"),
        (f"/fhir/R4/Patient/{'x' * 65}", 404, "id"),
    ],
)
def test_every_error_is_an_outcome(house: House, path: str, status: int, field: str) -> None:
    with house.client(ALL) as client:
        refused(client.get(path), status, field)


def test_cursors_of_another_kind_are_refused(house: House) -> None:
    def packed(cursor: list[Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")

    with house.client(ALL) as client:
        for cursor in (["x"], [1, 2], ["x", "y"], [1.5], [True], [[1]], [1 << 70]):
            for path in ("Observation?patient=p1&", "DetectedIssue?", "Communication?patient=p1&", "AuditEvent?"):
                status = client.get(f"/fhir/R4/{path}_cursor={packed(cursor)}").status_code
                assert status in (200, 400), (cursor, path)


def test_nothing_can_be_written_and_only_json_is_spoken(house: House) -> None:
    with house.client(ALL) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = client.request(method, "/fhir/R4/Patient/p1")
            assert answer.status_code == 405, method
            assert answer.json()["resourceType"] == "OperationOutcome"
        refused(client.get("/fhir/R4/Patient", headers={"Accept": "application/fhir+xml"}), 406, "accept")
        assert client.get("/fhir/R4/Patient", headers={"Accept": "application/fhir+json; fhirVersion=4.0"}).is_success
        refused(client.get("/fhir/R4/Patient", headers={"Host": "evil.example"}), 421, "host")
        links = client.get("/fhir/R4/Patient?_count=1").json()["link"]
        assert {urlsplit(link["url"]).path for link in links} == {"/fhir/R4/Patient"}


def test_who_asks_too_often_is_told_to_wait_and_nobody_else_is(braked: tuple[Any, ManualClock, FastAPI]) -> None:
    storage, clock, app = braked
    tokens = [storage.clients.add(f"system-{i}", ["system/Patient.rs"], now_us=NOW) for i in range(2)]
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5555)) as client:

        def ask(token: str | None, path: str = "Patient") -> httpx.Response:
            return client.get(f"/fhir/R4/{path}", headers={} if token is None else {"Authorization": f"Bearer {token}"})

        assert [ask(tokens[0]).status_code for _ in range(3)] == [200, 200, 200]
        answer = ask(tokens[0])
        assert refused(answer, 429, "rate")["code"] == "throttled"
        assert answer.headers["retry-after"] == "20"
        assert ask(tokens[1]).status_code == ask(None).status_code == 200, "another system, the person at the machine"
        assert [ask(None, "metadata").status_code for _ in range(4)] == [200, 200, 200, 429]
        clock.advance(20.0)
        assert [ask(tokens[0]).status_code for _ in range(2)] == [200, 429]
        clock.advance(60.0)
        assert [ask(tokens[0]).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_who_tries_token_after_token_is_told_to_wait(braked: tuple[Any, ManualClock, FastAPI]) -> None:
    storage, clock, app = braked
    good = {"Authorization": f"Bearer {storage.clients.add('system', ['system/Patient.rs'], now_us=NOW)}"}
    wrong = {"Authorization": "Bearer guessed"}
    with (
        TestClient(app, base_url="http://localhost", client=("10.0.0.7", 5555)) as there,
        TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5555)) as elsewhere,
    ):
        assert [there.get("/fhir/R4/Patient", headers=wrong).status_code for _ in range(3)] == [401, 401, 429]
        answer = there.get("/fhir/R4/Patient", headers=good)
        refused(answer, 429, "token")
        assert answer.headers["retry-after"] == "150"
        assert elsewhere.get("/fhir/R4/Patient", headers=good).status_code == 200
        clock.advance(150.0)
        assert there.get("/fhir/R4/Patient", headers=good).status_code == 200
