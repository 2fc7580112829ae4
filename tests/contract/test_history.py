"""What is looked back at, through the API, on real databases: a hand-made ward whose figures are known."""

import math
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.history import History
from alerts.dashboard.settings import DashboardSettings
from liteheart.alarm import Kind, Priority
from liteheart.clock import ManualClock
from liteheart.finding import Quality
from storage.audit import Audit
from storage.board import Board
from storage.burden import AlarmHistory
from storage.engine import reading
from storage.escalations import Escalations
from storage.monitor_store import Batch, MonitorStore
from storage.notes import Notes
from storage.overviews import Overviews
from storage.pauses import Pauses
from storage.schema import overviews
from storage.trends import Trends

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient

S = 1_000_000
T0 = 1_700_000_000 * S
HOUR0 = T0 // (3600 * S) * 3600 * S
NOW = T0 + 8000 * S


class Student:
    """Remembers what it was asked; sees the first code in its first bin."""

    def __init__(self):
        self.asked, self.wait = [], None

    def explain(self, window, finding):
        self.asked.append(window)
        if self.wait is not None:
            assert self.wait.wait(30)
        return {code: [1.0] + [0.0] * 49 for code in finding.codes} if not finding.abstained else {}


@pytest.fixture
def student():
    return Student()


@pytest.fixture
def store(engine, sql_settings):
    return MonitorStore(engine, sql_settings)


@pytest.fixture
def client(engine, student):
    history = History(Overviews(engine), Trends(engine), AlarmHistory(engine), Notes(engine), student)
    app = FastAPI()
    feed, clock, settings = InProcessFeed(), ManualClock(NOW), DashboardSettings()
    app.include_router(dashboard_router(Board(engine), feed, None, clock, settings, history=history))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 5555)) as found:
        yield found


def get(client, path):
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client, path, status, field):
    answer = client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field), answer.text


def test_an_overview_shows_every_extreme_and_where_nothing_was_received(client, store, engine, make):
    frames = [make.frame(i, samples=np.full(250, 20, np.int16)) for i in range(400) if not 150 <= i < 160]
    frames[70] = replace(frames[70], samples=np.array([20] * 100 + [500] + [20] * 100 + [-300] + [20] * 48, np.int16))
    for i in range(0, len(frames), 5):
        store.commit(Batch(frames=frames[i : i + 5]))
    with reading(engine) as connection:
        assert len(connection.execute(select(overviews)).all()) >= 4  # so that rows and frames both are read
    told = get(client, f"/patients/p1/overview?t0_us={T0}&t1_us={T0 + 400 * S}&columns=400")
    assert (told["t0_us"], told["t1_us"], told["columns"]) == (T0, T0 + 400 * S, 400)
    low, high = [100] * 400, [100] * 400  # 20 units of 200 to the millivolt
    low[70], high[70] = -1500, 2500
    low[150:160] = high[150:160] = [None] * 10
    assert (told["low_uv"], told["high_uv"]) == (low, high)
    near = get(client, f"/patients/p1/overview?t0_us={T0 + 70 * S}&t1_us={T0 + 71 * S}&columns=250")
    assert [near["low_uv"].index(-1500), near["high_uv"].index(2500)] == [201, 100]  # each sample has its column
    assert near["low_uv"].count(100) == 248
    assert set(get(client, f"/patients/nobody/overview?t0_us={T0}&t1_us={T0 + S}&columns=3")["low_uv"]) == {None}


def test_an_overview_tells_when_the_electrode_was_off(client, store, make):
    def events(condition, *steps):
        alarm = make.alarm(condition, onset_s=steps[0][1])
        for action, second in steps:
            over = action == "ended"
            yield make.event(
                replace(alarm, active=not over, ended_us=T0 + second * S if over else None), action, second
            )

    store.commit(Batch(frames=[make.frame(i) for i in range(5)]))
    off = events("LEAD_OFF", ("raised", 100), ("ended", 130), ("reactivated", 150), ("ended", 210))
    long = events("LEAD_OFF_LONG", ("raised", 210), ("ended", 400))
    store.commit(Batch(alarms=[*off, *long, *events("POOR_SIGNAL", ("raised", 500), ("ended", 600))]))

    def told(first, last):
        path = f"/patients/p1/overview?t0_us={T0 + first * S}&t1_us={T0 + last * S}&columns=10"
        return [[(a - T0) / S, (b - T0) / S] for a, b in get(client, path)["lead_off"]]

    assert told(0, 1000) == [[100, 130], [150, 400]], "one after the other is one"
    assert told(120, 160) == [[120, 130], [150, 160]]
    assert told(130, 150) == told(400, 1000) == []
    store.commit(Batch(alarms=list(events("LEAD_OFF", ("raised", 700)))))
    assert told(600, 1000) == [[700, 1000]], "it goes on"


def test_what_cannot_be_asked_of_an_overview(client):
    path = "/patients/p1/overview?columns=2000"
    refused(client, f"{path}&t0_us=5&t1_us=5", 422, "t1_us")
    refused(client, f"{path}&t0_us=0&t1_us={8 * 86_400 * S}", 422, "t1_us")
    refused(client, "/patients/p1/overview?t0_us=0&t1_us=9&columns=5000", 422, "columns")
    refused(client, f"/patients/p1/trends?t0_us=0&t1_us={7 * 86_400 * S}&step_s=60", 422, "step_s")
    refused(client, "/patients/p1/trends?t0_us=0&t1_us=5&step_s=1", 422, "step_s")


def test_trends_are_means_and_shares_of_each_step(client, store, make):
    def window(second, rate, codes, sqi=0.9, usable=True, abstained=False):
        quality = Quality(sqi, usable)
        return make.finding(second, heart_rate_bpm=rate, codes=codes, quality=quality, abstained=abstained)

    store.commit(
        Batch(
            findings=[
                window(0, 60.0, ("AFIB", "PVC")),
                window(20, 80.0, ("AFIB",)),
                window(40, 100.0, ("NSR",), sqi=0.6),
                window(50, None, (), sqi=0.2, usable=False, abstained=True),
                window(120, None, (), sqi=0.1, usable=False, abstained=True),
                window(180, 50.0, ("NSR",)),  # beyond the end
                make.finding(10, "p2", heart_rate_bpm=200.0),
            ]
        )
    )
    told = get(client, f"/patients/p1/trends?t0_us={T0}&t1_us={T0 + 180 * S}&step_s=60")
    assert told == {
        "t0_us": T0,
        "t1_us": T0 + 180 * S,
        "step_s": 60.0,
        "windows": [4, 0, 1],
        "heart_rate": [80.0, None, None],
        "heart_rate_low": [60.0, None, None],
        "heart_rate_high": [100.0, None, None],
        "sqi": [0.65, None, 0.1],
        "usable": [0.75, None, 0.0],
        "answered": [0.75, None, 0.0],
        "codes": {"AFIB": [0.6667, None, None], "NSR": [0.3333, None, None], "PVC": [0.3333, None, None]},
        "burden": {"AFIB": 0.6667, "NSR": 0.3333, "PVC": 0.3333},
    }


def test_a_window_that_two_models_read_counts_once_as_the_one_that_serves_says(client, store, student, make):
    """Beside the model that serves another may be tried out, and yesterday's windows were read by its predecessor."""

    def window(second, model, codes, rate=70.0, arrival_s=0):
        arrival_us = T0 + (second + 11 + arrival_s) * S
        return make.finding(second, model=model, codes=codes, heart_rate_bpm=rate, arrival_us=arrival_us)

    before = [window(0, "m0", ("AFIB",)), window(0, "tried", ("NSR",), arrival_s=1)]  # m1 was not there yet
    both = [window(60, "a-tried", ("AFIB", "PVC"), 200.0), window(60, "m1", ("NSR",), 60.0, arrival_s=5)]
    alone = [window(120, "m1", ("AFIB",))]
    store.commit(Batch(findings=[*before, *both, *alone], states=[make.state(130, model="m1")]))
    told = get(client, f"/patients/p1/trends?t0_us={T0}&t1_us={T0 + 180 * S}&step_s=60")
    assert (told["windows"], told["heart_rate_high"]) == ([1, 1, 1], [70.0, 60.0, 70.0])
    assert told["codes"] == {"AFIB": [1.0, 0.0, 1.0], "NSR": [0.0, 1.0, 0.0]}
    assert told["burden"] == {"AFIB": 0.6667, "NSR": 0.3333}
    store.commit(Batch(frames=[make.frame(60 + i) for i in range(10)]))
    assert get(client, f"/patients/p1/region-map?t0_us={T0 + 60 * S}")["model"] == "m1"


def test_a_region_map_asks_the_student_about_the_very_window_and_once(client, store, student, make):
    frames = [make.frame(i, t0_us=T0 + i * S + 4000) for i in range(30) if i != 14]
    reading_of = make.finding(10, codes=("AFIB", "PVC"))
    other = make.frame(99, device="other", t0_us=T0 + 12 * S, samples=np.full(250, 9999, np.int16))
    store.commit(Batch(frames=[*frames, other], findings=[reading_of]))
    path = f"/patients/p1/region-map?t0_us={reading_of.t0_us}"
    told = get(client, path)
    assert told["maps"] == {"AFIB": [1.0] + [0.0] * 49, "PVC": [1.0] + [0.0] * 49}
    assert (told["code"], told["map"], told["model"]) == ("AFIB", [1.0] + [0.0] * 49, "m1")
    assert (told["t0_us"], told["t1_us"]) == (reading_of.t0_us, reading_of.t1_us)
    (window,) = student.asked
    wanted, valid = np.zeros(2500, np.float32), np.zeros(2500, bool)
    for f in frames:
        at = f.sequence * 250 + 1 - 2500  # a sample after the second
        for k, mv in enumerate(f.millivolts().tolist()):
            if 0 <= at + k < 2500:
                wanted[at + k], valid[at + k] = mv, True
    assert np.array_equal(window.valid, valid)
    assert np.array_equal(window.mv, wanted)
    assert (window.t0_us, window.fs_hz, window.lead) == (reading_of.t0_us, 250.0, "II")
    assert get(client, path) == told
    assert len(student.asked) == 1


def test_a_region_map_that_is_not_there(client, store, make):
    abstained = make.finding(10, abstained=True, codes=(), scores={})
    store.commit(Batch(frames=[make.frame(i) for i in range(30)], findings=[abstained, make.finding(500)]))
    told = get(client, f"/patients/p1/region-map?t0_us={abstained.t0_us}")
    assert (told["code"], told["map"], told["maps"]) == (None, None, {})
    refused(client, f"/patients/p1/region-map?t0_us={T0 + 500 * S}", 404, "t0_us")  # a reading, but no signal
    refused(client, f"/patients/p1/region-map?t0_us={T0 + 11 * S}", 404, "t0_us")
    refused(client, f"/patients/nobody/region-map?t0_us={abstained.t0_us}", 404, "t0_us")


def test_one_question_at_a_time_reaches_the_student(client, store, student, make, monkeypatch):
    monkeypatch.setattr("alerts.dashboard.regions._WAIT_S", 0.1)
    store.commit(Batch(frames=[make.frame(i) for i in range(30)], findings=[make.finding(0), make.finding(5)]))
    student.wait = threading.Event()
    answers = []
    path = f"/api/v1/patients/p1/region-map?t0_us={T0}"
    first = threading.Thread(target=lambda: answers.append(client.get(path).status_code))
    first.start()
    while not student.asked:
        pass
    refused(client, f"/patients/p1/region-map?t0_us={T0 + 5 * S}", 503, "student")
    student.wait.set()
    first.join(30)
    assert answers == [200]
    assert len(student.asked) == 1


def test_notes_are_kept_with_name_and_time_and_the_audit_tells_of_them(client, engine):
    path = "/api/v1/patients/p1/notes"
    first = client.post(path, json={"text": " Electrodes changed.\nTwo of them. "})
    assert first.status_code == 201
    second = client.post(path, json={"text": "Sleeps."}).json()
    client.post("/api/v1/patients/p2/notes", json={"text": "Another patient's."})
    assert first.json() | {"note_id": 0} == {
        "note_id": 0,
        "patient": "p1",
        "text": "Electrodes changed.\nTwo of them.",
        "by": "nurse",
        "at_us": NOW,
    }
    assert get(client, "/patients/p1/notes")["items"] == [second, first.json()]
    assert get(client, "/patients/p1/notes?limit=1")["items"] == [second]
    told = Audit(engine).latest(subject="p1")
    assert [(d.by, d.action, d.detail) for d in told] == [
        ("nurse", "note-written", {"note": second["note_id"]}),
        ("nurse", "note-written", {"note": first.json()["note_id"]}),
    ]
    for wrong in ({"text": "  "}, {"text": "x" * 2001}, {"text": "a\x00b"}, {"text": "x", "by": "me"}, {}):
        assert client.post(path, json=wrong).status_code == 422
    assert len(get(client, "/patients/p1/notes")["items"]) == 2


def test_a_hand_over_is_kept(client, engine):
    told = client.post("/api/v1/handovers", json={"to": "ben", "text": "Bed 3: new electrodes."})
    assert told.status_code == 201
    assert {k: v for k, v in told.json().items() if k != "handover_id"} == {
        "by": "nurse",
        "to": "ben",
        "text": "Bed 3: new electrodes.",
        "at_us": NOW,
    }
    assert get(client, "/handovers")["items"] == [told.json()]
    assert get(client, f"/handovers?since_us={NOW + 1}")["items"] == []
    assert [(d.action, d.subject) for d in Audit(engine).latest()] == [("handed-over", "ben")]


class Ward:
    """Three patients and what rang; times are seconds since T0, of the clock half a second later."""

    def __init__(self, store, engine, make):
        board, at = Board(engine), lambda second: T0 + round(second * S)
        self.vt = make.alarm("VT", "p1", 0)
        mid = {"priority": Priority.MEDIUM, "latching": False}
        low = {"priority": Priority.LOW, "kind": Kind.TECHNICAL, "latching": False}
        old = make.alarm("AFIB", "p3", -500, **mid, raised_us=at(-496))
        store.commit(
            Batch(
                frames=[make.frame(0, p) for p in ("p1", "p2", "p3")],
                states=[make.state(7000, p, bed=f"Bed {p[1]}") for p in ("p1", "p2")],
                alarms=[make.event(old, "raised", -496), make.event(self.vt, "raised", 4)],
            )
        )
        board.acknowledge(self.vt.alarm_id, "ada", "true-actioned", at(34.5))  # 30 s
        back = replace(self.vt, episodes=2)
        over = replace(back, active=False, ended_us=at(130))
        store.commit(Batch(alarms=[make.event(replace(self.vt, active=False, ended_us=at(60)), "ended", 60)]))
        store.commit(Batch(alarms=[make.event(back, "reactivated", 100)]))
        board.acknowledge(self.vt.alarm_id, "ben", None, at(110.5))  # 10 s, and the reason later
        board.acknowledge(self.vt.alarm_id, "ben", "false-artefact", at(120))
        store.commit(Batch(alarms=[make.event(over, "ended", 130)]))
        rings = make.alarm("PAUSE", "p2", 146, **mid)
        store.commit(Batch(alarms=[make.event(rings, "raised", 150)]))
        Pauses(engine).pause("ada", 120.0, at(160), patient="p2")
        held = make.alarm("AFIB", "p2", 196, **mid)  # no worse than what was silenced, and not HIGH
        worse = make.alarm("ASYSTOLE", "p2", 206)  # HIGH sounds through
        store.commit(Batch(alarms=[make.event(held, "raised", 200), make.event(worse, "raised", 210)]))
        self.lead = make.alarm("LEAD_OFF", "p2", 3996, **low)
        store.commit(Batch(alarms=[make.event(self.lead, "raised", 4000)]))
        board.acknowledge(self.lead.alarm_id, "ada", "care-activity", at(4090.5))  # 90 s
        past = make.alarm("VT", "p3", 300, retrospective=True)
        store.commit(Batch(alarms=[make.event(past, "raised", 5000)]))


@pytest.fixture
def ward(store, engine, make):
    return Ward(store, engine, make)


def test_alarm_burden_of_a_ward_that_is_known(client, ward):
    told = get(client, f"/burden?since_us={T0}")
    assert (told["since_us"], told["until_us"]) == (T0, NOW + 1)
    assert told["total"] == {
        "count": 7,
        "audible": 5,  # neither what the pause held nor the retrospective one
        "acknowledged": 3,
        "median_ack_s": 30.0,
        "p90_ack_s": 78.0,
        "reasons": {"care-activity": 1, "false-artefact": 1, "true-actioned": 1},
        "share_false": 0.3333,
    }
    rules = {r["condition"]: r for r in told["rules"]}
    assert [r["condition"] for r in told["rules"]] == ["VT", "ASYSTOLE", "LEAD_OFF", "PAUSE", "AFIB"]
    assert (rules["VT"]["count"], rules["VT"]["audible"], rules["VT"]["median_ack_s"]) == (3, 2, 20.0)
    assert (rules["VT"]["share_false"], rules["VT"]["priority"], rules["VT"]["kind"]) == (0.5, "high", "physiological")
    assert (rules["AFIB"]["count"], rules["AFIB"]["audible"], rules["AFIB"]["median_ack_s"]) == (1, 0, None)
    assert (rules["LEAD_OFF"]["kind"], rules["LEAD_OFF"]["share_false"]) == ("technical", 0.0)
    patients = [(p["patient"], p["bed"], p["count"], p["audible"], p["acknowledged"]) for p in told["patients"]]
    assert patients == [("p2", "Bed 2", 4, 3, 1), ("p1", "Bed 1", 2, 2, 2), ("p3", "", 1, 0, 0)]
    hours = {h["t0_us"]: h["count"] for h in told["hours"]}
    assert list(hours) == [HOUR0 + k * 3600 * S for k in range(math.ceil((NOW + 1 - HOUR0) / (3600 * S)))]
    counts = {}
    for second in (4.5, 100.5, 150.5, 200.5, 210.5, 4000.5, 5000.5):
        hour = int(T0 + second * S) // (3600 * S) * 3600 * S
        counts[hour] = counts.get(hour, 0) + 1
    assert {h: n for h, n in hours.items() if n} == counts


def test_burden_of_a_part_of_the_time(client, ward):
    told = get(client, f"/burden?since_us={T0 + 90 * S}&until_us={T0 + 150 * S}")
    assert (told["total"]["count"], told["total"]["median_ack_s"]) == (1, 10.0)
    assert told["total"]["reasons"] == {"false-artefact": 1}
    assert get(client, f"/burden?since_us={NOW - S}")["total"] == {
        "count": 0,
        "audible": 0,
        "acknowledged": 0,
        "median_ack_s": None,
        "p90_ack_s": None,
        "reasons": {},
        "share_false": None,
    }
    refused(client, f"/burden?since_us={NOW + 5}", 422, "since_us")
    refused(client, "/burden?since_us=0", 422, "since_us")


def test_a_shift_report_of_a_ward_that_is_known(client, ward):
    client.post("/api/v1/patients/p2/notes", json={"text": "Asleep."})
    told = get(client, f"/shift?since_us={T0}")
    entries = {e["patient"]: e for e in told["items"]}
    assert [e["patient"] for e in told["items"]] == ["p2", "p3", "p1"]  # who waits for somebody comes first
    p2 = entries["p2"]
    assert p2["alarms"] == {"high": 1, "medium": 2, "low": 0, "info": 0}
    assert (p2["technical"], p2["unacknowledged"], p2["reasons"]) == (1, 3, {"care-activity": 1})
    assert [a["condition"] for a in p2["open"]] == ["ASYSTOLE", "PAUSE", "AFIB", "LEAD_OFF"]
    assert [n["text"] for n in p2["notes"]] == ["Asleep."]
    assert p2["vitals"]["heart_rate_bpm"] == 7070.0
    assert (p2["bed"], p2["vitals"]["codes"], p2["vitals"]["last_sample_us"]) == (
        "Bed 2",
        ["AF", "LBBB"],
        T0 + 7000 * S,
    )
    assert entries["p1"]["reasons"] == {"false-artefact": 1, "true-actioned": 1}
    assert (entries["p1"]["alarms"]["high"], entries["p1"]["unacknowledged"], entries["p1"]["open"]) == (2, 0, [])
    assert (entries["p3"]["vitals"], entries["p3"]["unacknowledged"]) == (None, 2)


def test_the_story_of_an_alarm(client, ward, engine, make):
    steps = Escalations(engine)
    (waits,) = [u for u in steps.unattended() if u.alarm.condition == "ASYSTOLE"]
    from liteheart.care import Escalation

    steps.take([Escalation(waits.alarm.alarm_id, 1, 1, "physician", T0 + 270 * S, T0 + 271 * S)])
    stories = get(client, f"/patients/p1/alarms?since_us={T0}")["items"]
    (vt,) = stories
    seen = [(e["action"], (e["at_us"] - T0) / S, e["by"], e["reason"]) for e in vt["events"]]
    assert seen == [
        ("raised", 4.5, None, None),
        ("acknowledged", 34.5, "ada", "true-actioned"),
        ("ended", 60.5, None, None),
        ("reactivated", 100.5, None, None),
        ("acknowledged", 110.5, "ben", None),
        ("acknowledged", 120.0, "ben", "false-artefact"),
        ("ended", 130.5, None, None),
    ]
    assert (vt["condition"], vt["priority"], vt["presence"], vt["reason"]) == ("VT", "high", "off", "false-artefact")
    assert (vt["escalations"], vt["notifications"]) == ([], [])
    others = get(client, f"/patients/p2/alarms?since_us={T0 + 200 * S}")["items"]
    assert [a["condition"] for a in others] == ["LEAD_OFF", "ASYSTOLE", "AFIB", "PAUSE"]  # the last is older, but open
    assert others[1]["escalations"] == [
        {"step": 1, "owner": "physician", "due_us": T0 + 270 * S, "at_us": T0 + 271 * S}
    ]
    assert get(client, "/patients/p2/alarms?limit=2")["items"] == others[:2]
    refused(client, "/patients/p2/alarms?limit=501", 422, "limit")


def test_notifications_are_part_of_the_story(client, ward, engine):
    from liteheart.care import Delivery
    from storage.notifications import Notifications

    room = Notifications(engine)
    room.accept([], [Delivery("k1", "pager", ward.vt.alarm_id, 0, Priority.HIGH, {"a": 1}, T0 + 5 * S)], T0 + 5 * S)
    room.delivered("k1", T0 + 6 * S, late=False)
    (vt,) = get(client, f"/patients/p1/alarms?since_us={T0}")["items"]
    (told,) = vt["notifications"]
    assert (told["target"], told["step"], told["delivered_us"]) == ("pager", 0, T0 + 6 * S)


def test_a_shift_is_found_among_years_of_alarms_through_an_index(engine):
    asked = f"SELECT * FROM alarm_events WHERE at_us >= {T0}"
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = connection.execute(text(f"EXPLAIN {asked}")).all()
    assert "ix_alarm_events_at_us" in str(plan)
