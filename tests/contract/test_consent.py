"""Consents, subjects and cohorts on SQLite and PostgreSQL, and over HTTP."""

import warnings
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from deploy import wiring
from deploy.settings import load
from liteheart.clock import ManualClock
from liteheart.errors import Poison
from liteheart.ids import PatientId
from storage.audit import Audit
from storage.cohort import Cohort
from storage.cohort_query import parse
from storage.consents import Consents
from storage.monitor_store import Batch, MonitorStore
from storage.subjects import Subject, Subjects

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from alerts.dashboard.feed import InProcessFeed

P1, P2, P3 = map(PatientId, ("p1", "p2", "p3"))


@pytest.fixture
def ward(engine: Engine, sql_settings: Any, make: Any) -> Engine:
    store = MonitorStore(engine, sql_settings)
    for patient in (P1, P2, P3):
        store.commit(Batch(frames=[make.frame(k, patient) for k in range(40)]))
        found = [
            make.finding(s, patient, heart_rate_bpm=None if s == 0 else 70.0 + s, scores={"AF": s / 40, "PVC_": 0.1})
            for s in range(0, 30, 5)
        ]
        store.commit(Batch(findings=found, alarms=[make.event(make.alarm(patient=patient, onset_s=12), "raised", 12)]))
    return engine


def windows(engine: Engine, make: Any, **asked: Any) -> list[tuple[str, int]]:
    cohort = Cohort(engine, parse({"consent": []} | asked))
    return [(c.patient, (c.t0_us - make.t0_us) // 1_000_000) for c in cohort.windows()]


def test_the_newest_word_of_each_scope_holds(ward: Engine, make: Any) -> None:
    consents = Consents(ward)
    for k, (patient, scope, given) in enumerate(
        [
            (P1, "export", True),
            (P1, "training", True),
            (P2, "export", True),
            (P1, "training", False),
            (P2, "export", False),
        ]
    ):
        assert consents.say(patient, scope, given, by="ada", now_us=make.t0_us + k)
    assert {c.scope: c.given for c in consents.of(P1)} == {"export": True, "training": False}
    assert [c.given for c in consents.history(P2)] == [False, True]
    assert [c.patient for c in Cohort(ward, parse({})).candidates] == [P1]
    assert Cohort(ward, parse({"consent": ["export", "training"]})).candidates == ()
    assert len(Cohort(ward, parse({"consent": []})).candidates) == 3
    assert [d.action for d in Audit(ward).latest(5, subject=P2)] == ["consent-withdrawn", "consent-given"]
    assert not consents.say(PatientId("p9"), "export", True, by="ada", now_us=make.t0_us)


def test_subjects(ward: Engine, make: Any) -> None:
    subjects = Subjects(ward)
    assert subjects.set(Subject(P1, "north", "female", 1950), by="ada", now_us=make.t0_us)
    assert subjects.set(Subject(P1, "south", "male", None), by="ada", now_us=make.t0_us)
    assert subjects.of(P1) == Subject(P1, "south", "male", None)
    assert subjects.of(P2) is None
    assert not subjects.set(Subject(PatientId("p9")), by="ada", now_us=make.t0_us)
    with pytest.raises(Poison, match="sex"):
        subjects.set(Subject(P1, sex="x"), by="ada", now_us=make.t0_us)


def test_cohorts(ward: Engine, make: Any) -> None:
    one: dict[str, Any] = {"patients": ["p1"]}
    assert windows(ward, make, **one) == [("p1", s) for s in range(0, 30, 5)]
    assert windows(ward, make, **one, heart_rate_bpm=[None, 80]) == [("p1", 5), ("p1", 10)]
    assert windows(ward, make, **one, scores={"AF": [0.4, None]}) == [("p1", 20), ("p1", 25)]
    assert windows(ward, make, **one, usable=False) == []
    assert windows(ward, make, **one, conditions=["AF"], model="m1", abstained=False, sqi=[0.9, 1]) != []
    assert windows(ward, make, **one, conditions=["A_"]) == []
    near = {"conditions": ["VF"], "reasons": ["none"], "around_s": 1}
    assert windows(ward, make, **one, alarms=near) == [("p1", s) for s in (5, 10, 15, 20, 25)]
    assert len(windows(ward, make, sample=7, per_patient=3)) == 7
    spans = [(s.t0_us - make.t0_us, s.t1_us - make.t0_us) for s in Cohort(ward, parse({"consent": []} | one)).spans()]
    assert spans == [(0, 40_000_000)]


def test_over_http(tmp_path: Any, make: Any) -> None:
    settings = load(environ={}, data_dir=tmp_path)
    storage = wiring.open_storage(settings)
    storage.monitor.commit(Batch(frames=[make.frame(0)]))
    app = FastAPI()
    clock = ManualClock(make.t0_us)
    app.include_router(wiring.dashboard(settings, storage, InProcessFeed(), clock, sign_in=False))
    try:
        with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5555)) as client:
            base = "/api/v1/patients/p1"
            assert client.get(f"{base}/consents").json() == {"items": []}
            answer = client.post(f"{base}/consents", json={"scope": "research", "given": True})
            assert answer.status_code == 201, answer.text
            (item,) = client.get(f"{base}/consents").json()["items"]
            assert (item["scope"], item["given"], item["at_us"]) == ("research", True, make.t0_us)
            assert client.post(f"{base}/consents", json={"scope": "sale", "given": True}).status_code == 422
            assert (
                client.post("/api/v1/patients/p9/consents", json={"scope": "export", "given": True}).status_code == 404
            )
            assert client.get(f"{base}/subject").json() == {"site": "", "sex": "unknown", "birth_year": None}
            facts = {"site": "north", "sex": "other", "birth_year": 1950}
            assert client.put(f"{base}/subject", json=facts).status_code == 204
            assert client.get(f"{base}/subject").json() == facts
            assert client.put(f"{base}/subject", json=facts | {"birth_year": 1700}).status_code == 422
            assert client.put(f"{base}/subject", json=facts | {"name": "Anna"}).status_code == 422
            assert client.get("/api/v1/patients/p9/subject").status_code == 404
    finally:
        storage.close()
