"""Systems that read: the registry of clients, and the pages they are given, on SQLite and PostgreSQL."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from liteheart.care import Delivery
from liteheart.errors import Poison
from liteheart.ids import DeviceId, ModelVersion, PatientId
from storage.admissions import Admissions
from storage.audit import Audit
from storage.board import Board
from storage.clients import Clients
from storage.devices import Devices
from storage.engine import reading
from storage.identities import Vault
from storage.monitor_store import Batch, MonitorStore
from storage.notifications import Notifications
from storage.records import Records
from storage.schema import clients
from storage.settings import StorageSettings

S = 1_000_000
FAR = (-(1 << 62), 1 << 62)
T0 = 1_700_000_000 * S
P1, P2 = PatientId("p1"), PatientId("p2")


def test_a_token_is_shown_once_and_its_digest_is_kept(engine: Engine) -> None:
    registry = Clients(engine)
    token = registry.add("emr", ["system/Patient.r", "system/Observation.rs"], now_us=T0)
    found = registry.authenticate(token)
    assert found is not None
    assert (found.name, found.scopes) == ("emr", ("system/Patient.r", "system/Observation.rs"))
    assert len(token) > 43
    with reading(engine) as connection:
        (row,) = connection.execute(select(clients))
    assert len(row.token_hash) == 32
    assert token not in repr(row)
    assert token not in repr(Audit(engine).latest())
    assert registry.authenticate(token + "x") is registry.authenticate("") is None


def test_who_is_revoked_is_refused_and_may_come_back(engine: Engine) -> None:
    registry = Clients(engine)
    token = registry.add("emr", ["system/*.rs"], now_us=T0)
    with pytest.raises(Poison, match=r"^name: emr is registered"):
        registry.add("emr", ["system/*.rs"], now_us=T0)
    assert registry.authenticate(token) is not None, "a second registration changes nothing"
    assert registry.revoke("emr", now_us=T0 + S)
    assert not registry.revoke("emr", now_us=T0 + S)
    assert registry.authenticate(token) is None
    assert [(c.name, c.revoked_us) for c in registry.all()] == [("emr", T0 + S)]
    again = registry.add("emr", ["system/Patient.r"], now_us=T0 + 2 * S)
    found = registry.authenticate(again)
    assert found is not None
    assert found.scopes == ("system/Patient.r",)
    assert registry.authenticate(token) is None
    assert [d.action for d in Audit(engine).latest(9, "emr")] == ["client-added", "client-revoked", "client-added"]


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("a b", ["x"], "name"), ("", ["x"], "name"), ("a", [], "scope"), ("a", ["x y"], "scope")],
)
def test_a_client_that_cannot_be(engine: Engine, name: str, scopes: list[str], field: str) -> None:
    with pytest.raises(Poison) as poison:
        Clients(engine).add(name, scopes, now_us=T0)
    assert poison.value.field == field


class Ward:
    """Everything on one database."""

    def __init__(self, engine: Engine, settings: StorageSettings, make: Any) -> None:
        self.monitor, self.records, self.make = MonitorStore(engine, settings), Records(engine), make
        self.engine, self.t0_us = engine, make.t0_us

    def commit(self, **values: Any) -> None:
        self.monitor.commit(Batch(**values))


@pytest.fixture
def ward(engine: Engine, sql_settings: StorageSettings, make: Any) -> Ward:
    return Ward(engine, sql_settings, make)


def paged(step: Any, place: Any, limit: int = 2) -> list[Any]:
    """All of them, page by page."""
    found: list[Any] = []
    while some := step(place(found[-1]) if found else None, limit):
        assert len(some) <= limit
        found += some
    return found


def test_patients_are_those_admitted_registered_or_heard(ward: Ward) -> None:
    stays = Admissions(ward.engine, Vault(lambda: None))
    left = stays.admit("Bed 1", None, "ada", T0)
    stays.discharge(left, "ada", T0 + S)
    here = stays.admit("Bed 1", None, "ada", T0)
    Devices(ward.engine).register(DeviceId("d-2"), P2, now_us=T0)
    ward.commit(states=[ward.make.state(1, "p1"), ward.make.state(1, "p2")])
    found = paged(lambda last, n: ward.records.patients(last or "", n), lambda row: row[0])
    assert dict(found) == {left: False, here: True, P1: True, P2: True}
    assert [name for name, _ in found] == sorted(name for name, _ in found)
    assert [ward.records.patient(p) for p in (left, here, P1, PatientId("none"))] == [False, True, True, None]


def test_devices_are_those_registered_or_heard(ward: Ward) -> None:
    registry = Devices(ward.engine)
    registry.register(DeviceId("d-a"), P1, now_us=T0)
    registry.register(DeviceId("d-b"), P2, now_us=T0)
    registry.revoke(DeviceId("d-b"), T0)
    ward.commit(states=[ward.make.state(1, "p1"), ward.make.state(1, "p2", device=DeviceId("d-b"))])
    found = paged(lambda last, n: ward.records.devices(None, last or "", n), lambda row: row[0])
    assert found == [("d-a", P1, True), ("d-b", P2, False), ("d-p1", P1, True)]
    assert ward.records.devices([P2], "", 9) == [("d-b", P2, False)]


def test_readings_come_newest_first_one_to_a_window(ward: Ward) -> None:
    made = [ward.make.finding(5 * n, heart_rate_bpm=None if n == 3 else 70.0) for n in range(7)]
    other = [replace(f, model=ModelVersion("m0"), arrival_us=f.arrival_us + S) for f in made[:4]]
    ward.commit(findings=[*made, *other, ward.make.finding(0, "p2")])
    found = paged(
        lambda last, n: ward.records.readings(P1, (FAR[0], FAR[1] if last is None else last), n), lambda f: f.t0_us
    )
    assert [(f.t0_us, f.model) for f in found] == [(f.t0_us, "m1") for f in reversed(made)]
    ward.commit(states=[ward.make.state(1, "p1", model="m0")])
    assert [f.model for f in ward.records.readings(P1, FAR, 9)] == ["m1"] * 3 + ["m0"] * 4, "the one that serves"
    within = ward.records.readings(P1, (ward.t0_us + 12 * S, ward.t0_us + 15 * S), 9)
    assert [(f.t0_us - ward.t0_us) // S for f in within] == [10, 5], "what overlaps"
    assert len(ward.records.readings(P1, FAR, 9, rated=True)) == 6
    assert ward.records.readings(PatientId("none"), FAR, 9) == []


def test_readings_are_found_by_what_they_hold(ward: Ward) -> None:
    codes = [("AFIB",), ("AFIBX", "PVC"), (), ("SR", "AFIB"), ("A_IB",), ("%",)]
    ward.commit(findings=[ward.make.finding(5 * n, codes=held) for n, held in enumerate(codes)])

    def held(*wanted: str) -> list[tuple[str, ...]]:
        return [f.codes for f in ward.records.readings(P1, FAR, 9, codes=wanted)]

    assert held("AFIB") == [("SR", "AFIB"), ("AFIB",)]
    assert held("PVC", "SR") == [("SR", "AFIB"), ("AFIBX", "PVC")]
    assert held("%") == [("%",)], "no wildcard"
    assert held("A_IB") == [("A_IB",)]
    assert held("nothing") == []


def test_alarms_come_by_page_and_by_whose(ward: Ward) -> None:
    alarms = [ward.make.alarm("VF", patient, onset_s=n // 2) for n, patient in enumerate(["p1", "p2"] * 3)]
    alarms.append(ward.make.alarm("VT", "p1", onset_s=9))
    ward.commit(alarms=[ward.make.event(a, "raised", 20) for a in alarms])
    found = paged(lambda last, n: ward.records.alarms(None, FAR, last, n), lambda a: (a.raised_us, a.alarm_id), limit=3)
    assert len(found) == 7
    assert {a.alarm_id for a in found} == {a.alarm_id for a in alarms}
    assert [a.raised_us for a in found] == sorted((a.raised_us for a in alarms), reverse=True)
    assert len(ward.records.alarms([P1], FAR, None, 9)) == 4
    assert [a.condition for a in ward.records.alarms([P1], FAR, None, 9, ["VT"])] == ["VT"]
    assert ward.records.alarms([], FAR, None, 9) == []
    since = (ward.t0_us + 1 * S, ward.t0_us + 2 * S)
    assert len(ward.records.alarms(None, since, None, 9)) == 2


def test_notices_of_a_patient(ward: Ward) -> None:
    mine, other = ward.make.alarm("VF", "p1"), ward.make.alarm("VF", "p2")
    ward.commit(alarms=[ward.make.event(mine, "raised", 4), ward.make.event(other, "raised", 4)])
    made = [
        Delivery(f"k{n}", "pager", mine.alarm_id, 0, mine.priority, {"label": "x"}, T0 + n // 2 * S) for n in range(5)
    ]
    told = Notifications(ward.engine)
    told.accept([], [*made, replace(made[0], key="o", alarm_id=other.alarm_id)], T0)
    found = paged(lambda last, n: ward.records.deliveries(P1, FAR, last, n), lambda d: (d.created_us, d.key))
    assert [d.key for d in found] == ["k4", "k2", "k3", "k0", "k1"]
    assert [d.key for d in ward.records.deliveries(P1, (T0 + S, T0 + 2 * S), None, 9)] == ["k2", "k3"]


def test_the_audit_by_page(ward: Ward) -> None:
    trail = Audit(ward.engine)
    for n in range(5):
        trail.seen("ada", "looked", f"p{n % 2}", T0 + n * 1000 * S)
    found = paged(lambda last, n: ward.records.deeds(None, FAR, last, n), lambda d: d.deed_id)
    assert found == trail.latest()
    assert {d.subject for d in ward.records.deeds("p1", FAR, None, 9)} == {"p1"}
    assert len(ward.records.deeds(None, (T0 + 1000 * S, T0 + 3000 * S), None, 9)) == 2


def test_the_board_knows_the_alarm_that_a_record_names(ward: Ward) -> None:
    alarm = ward.make.alarm("VF", "p1")
    ward.commit(alarms=[ward.make.event(alarm, "raised", 4)])
    (found,) = ward.records.alarms([P1], FAR, None, 9)
    assert Board(ward.engine).alarm(found.alarm_id) == found
