"""The JSON API: what it answers, and how it refuses."""

import time
from typing import Any

import pytest

from alerts.dashboard.strips import segments
from liteheart.alarm import REASONS, Priority
from liteheart.clock import US_PER_S
from liteheart.errors import Retryable
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId

NOW_US = 1_790_000_000 * US_PER_S


def refusal(answer: Any, status: int) -> str:
    """The field that the answer blames."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"field", "reason"}
    assert answer.json()["error"]["reason"]
    return str(answer.json()["error"]["field"])


def test_patients_are_listed_as_they_are(bench: Any, local: Any) -> None:
    assert local.get("/api/v1/patients").json() == {"items": []}
    state = bench.state(bed="Bed 7", heart_rate_bpm=61.5, codes=("AFIB",))
    (item,) = local.get("/api/v1/patients").json()["items"]
    assert item == state.to_json()


def test_open_alarms_come_worst_first_then_longest_unacknowledged(bench: Any, local: Any) -> None:
    bench.alarm("medium", priority=Priority.MEDIUM, onset_us=NOW_US - 90)
    bench.alarm("new", onset_us=NOW_US - 1)
    bench.alarm("seen", onset_us=NOW_US - 99, acknowledged_us=NOW_US, acknowledged_by="ada")
    bench.alarm("old", onset_us=NOW_US - 50)
    bench.alarm("over", active=False, latching=False)
    bench.alarm("other", patient="p-2", active=False, onset_us=NOW_US - 70)
    items = local.get("/api/v1/alarms?state=open").json()["items"]
    assert [a["alarm_id"] for a in items] == ["old", "new", "other", "seen", "medium"]
    assert [a["presence"] for a in items] == ["on", "on", "latched", "ack", "on"]
    every = local.get("/api/v1/alarms?state=all").json()["items"]
    assert len(every) == 6
    assert local.get("/api/v1/alarms?state=all&limit=1").json()["items"] == every[:1]
    assert [a["alarm_id"] for a in local.get("/api/v1/alarms?patient=p-2").json()["items"]] == ["other"]
    assert [a["alarm_id"] for a in local.get("/api/v1/alarms?limit=2").json()["items"]] == ["old", "new"]


def test_one_alarm_is_found_or_named_missing(bench: Any, local: Any) -> None:
    bench.alarm("a1", evidence={"pause_s": 4.2})
    alarm = local.get("/api/v1/alarms/a1").json()
    assert (alarm["priority"], alarm["kind"], alarm["evidence"]) == ("high", "physiological", {"pause_s": 4.2})
    assert refusal(local.get("/api/v1/alarms/nobody"), 404) == "alarm_id"


@pytest.mark.parametrize("reason", [None, *REASONS])
def test_an_acknowledgement_is_stored_with_its_reason(bench: Any, local: Any, reason: str | None) -> None:
    bench.alarm("a1")
    answer = local.post("/api/v1/alarms/a1/acknowledge", json={"reason": reason})
    assert answer.status_code == 200
    assert answer.json()["presence"] == "ack"
    stored = bench.board.alarm("a1")
    assert (stored.acknowledged_by, stored.acknowledged_us, stored.reason) == ("nurse", NOW_US, reason)


def test_an_acknowledgement_of_nothing_or_for_nothing_is_refused(bench: Any, local: Any) -> None:
    bench.alarm("a1")
    assert refusal(local.post("/api/v1/alarms/none/acknowledge", json={"reason": None}), 404) == "alarm_id"
    wrong = {"reason": "because"}
    assert refusal(local.post("/api/v1/alarms/a1/acknowledge", json=wrong), 422) == "reason"
    assert refusal(local.post("/api/v1/alarms/a1/acknowledge", json={"by": "x"}), 422) == "by"
    assert refusal(local.post("/api/v1/alarms/a1/acknowledge", json={"reason": 5}), 422) == "reason"
    headers = {"content-type": "application/json"}
    assert local.post("/api/v1/alarms/a1/acknowledge", content=b"{", headers=headers).status_code == 422
    assert bench.board.alarm("a1").acknowledged_us is None


def test_bodies_are_small_typed_and_measured(bench: Any, local: Any) -> None:
    bench.alarm("a1")
    url = "/api/v1/alarms/a1/acknowledge"
    json_type = {"content-type": "application/json"}
    assert refusal(local.post(url, content=b" " * 5000, headers=json_type), 413) == "body"
    assert refusal(local.post(url, content=b"{}", headers={"content-type": "text/plain"}), 415) == "content-type"
    assert refusal(local.post(url, content=iter([b"{}"]), headers=json_type), 411) == "content-length"


def test_a_strip_is_cut_to_the_sample(bench: Any, local: Any) -> None:
    for second in (0, 1, 2, 5):
        bench.frame(second)
    t0, t1 = NOW_US + 500_000, NOW_US + 5_100_000
    answer = local.get(f"/api/v1/patients/p-1/strip?t0_us={t0}&t1_us={t1}").json()
    first, second = answer["segments"]
    assert (first["t0_us"], first["fs_hz"], first["lead"], len(first["mv"])) == (t0, 250.0, "I", 625)
    assert first["mv"][:2] == [0.125, 0.126]
    assert (second["t0_us"], len(second["mv"])) == (NOW_US + 5 * US_PER_S, 25)
    assert local.get("/api/v1/patients/p-2/strip?t0_us=0&t1_us=9").json()["segments"] == []


def test_the_extent_tells_where_there_is_signal_and_null_where_there_is_none(bench: Any, local: Any) -> None:
    assert local.get("/api/v1/patients/p-1/extent").json() == {"patient": "p-1", "t0_us": None, "t1_us": None}
    for second in (5, 2, 90):
        bench.frame(second)
    bench.frame(7, patient="p-2", device=DeviceId("d-2"))
    told = local.get("/api/v1/patients/p-1/extent").json()
    assert (told["t0_us"], told["t1_us"]) == (NOW_US + 2 * US_PER_S, NOW_US + 91 * US_PER_S)
    assert refusal(local.get("/api/v1/patients/p%20x/extent"), 422) == "patient"


def test_overlapping_frames_give_each_moment_once(bench: Any) -> None:
    frames = [bench.frame(0), bench.frame(1), bench.frame(1, t0_us=NOW_US + 1_500_000, sequence=99)]
    (segment,) = segments(reversed(frames), NOW_US, NOW_US + 10 * US_PER_S)
    assert len(segment.mv) == 625
    assert segment.mv[:500] == [round(i / 1000, 4) for i in range(500)]
    assert segment.mv[500:] == [round(i / 1000, 4) for i in range(375, 500)]


def test_another_lead_or_rate_or_a_loose_electrode_begins_a_segment(bench: Any) -> None:
    frames = [
        bench.frame(0),
        bench.frame(1, lead="II"),
        bench.frame(2, lead="II", fs_hz=125.0),
        bench.frame(4, lead="II", fs_hz=125.0, lead_off=True),
    ]
    found = list(segments(frames, 0, NOW_US * 2))
    assert [(s.lead, s.fs_hz, s.lead_off) for s in found] == [
        ("I", 250.0, False),
        ("II", 250.0, False),
        ("II", 125.0, False),
        ("II", 125.0, True),
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("t0_us=5&t1_us=5", "t1_us"),
        ("t0_us=0&t1_us=60000001", "t1_us"),
        ("t0_us=-1&t1_us=5", "t0_us"),
        ("t0_us=x&t1_us=5", "t0_us"),
        ("t0_us=1", "t1_us"),
        (f"t0_us={1 << 70}&t1_us={(1 << 70) + 1}", "t0_us"),
    ],
)
def test_a_wrong_strip_names_the_field(local: Any, query: str, field: str) -> None:
    assert refusal(local.get(f"/api/v1/patients/p-1/strip?{query}"), 422) == field


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/alarms?state=closed", "state"),
        ("/alarms?limit=0", "limit"),
        ("/alarms?limit=501", "limit"),
        ("/alarms?patient=%20", "patient"),
        ("/patients/%3Cb%3E/findings", "patient"),
        ("/patients/p-1/findings?limit=9999", "limit"),
        (f"/alarms/{'x' * 65}", "alarm_id"),
    ],
)
def test_wrong_input_names_the_field(local: Any, path: str, field: str) -> None:
    assert refusal(local.get(f"/api/v1{path}"), 422) == field


def test_findings_are_newest_first_since_a_time(bench: Any, local: Any) -> None:
    for second in (0, 5, 10):
        bench.board.put_finding(
            Finding(
                patient=PatientId("p-1"),
                device=DeviceId("d-1"),
                lead="I",
                t0_us=NOW_US + second * US_PER_S,
                t1_us=NOW_US + (second + 10) * US_PER_S,
                model=ModelVersion("m-1"),
                quality=Quality(0.9, True),
                abstained=False,
                heart_rate_bpm=71.0,
                scores={"AFIB": 0.94},
                codes=("AFIB",),
            )
        )
    items = local.get(f"/api/v1/patients/p-1/findings?since_us={NOW_US + 1}").json()["items"]
    assert [(f["t0_us"] - NOW_US) // US_PER_S for f in items] == [10, 5]
    assert items[0]["scores"] == {"AFIB": 0.94}
    assert items[0]["quality"]["usable"] is True
    assert len(local.get("/api/v1/patients/p-1/findings?limit=1").json()["items"]) == 1


def test_conditions_are_named(local: Any) -> None:
    (item,) = local.get("/api/v1/conditions").json()["items"]
    assert (item["code"], item["name"], item["snomed"]) == ("AFIB", "Atrial fibrillation", "49436004")


def test_storage_that_does_not_answer_is_503(bench: Any, local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer() -> None:
        raise Retryable("connection refused")

    monkeypatch.setattr(bench.board, "patients", no_answer)
    assert refusal(local.get("/api/v1/patients"), 503) == "storage"


def test_a_minute_of_signal_is_answered_quickly(bench: Any, local: Any) -> None:
    for second in range(60):
        bench.frame(second)
    url = f"/api/v1/patients/p-1/strip?t0_us={NOW_US}&t1_us={NOW_US + 60 * US_PER_S}"
    began = time.perf_counter()
    answer = local.get(url)
    assert len(answer.json()["segments"][0]["mv"]) == 15_000
    assert time.perf_counter() - began < 1.0
