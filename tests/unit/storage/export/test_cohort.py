"""Who and what a query chooses, and that nobody is in it who did not agree."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from liteheart.errors import Poison, Unreadable
from liteheart.finding import Quality
from liteheart.ids import AlarmId, PatientId
from storage.cohort import Cohort, entropy
from storage.cohort_query import Query, Range, parse, read


def seconds(house: Any, **asked: Any) -> list[tuple[str, float]]:
    """The windows of a query: patient, second."""
    cohort = Cohort(house.engine, parse({"consent": []} | asked))
    return [(c.patient, (c.t0_us - house.T0) / house.S) for c in cohort.windows()]


def spans(house: Any, **asked: Any) -> list[tuple[str, float, float]]:
    cohort = Cohort(house.engine, parse({"consent": []} | asked))
    return [
        (s.candidate.patient, (s.t0_us - house.T0) / house.S, (s.t1_us - house.T0) / house.S) for s in cohort.spans()
    ]


@pytest.fixture
def ward(house: Any) -> Any:
    for patient in ("p-a", "p-b"):
        house.record(patient, 0, 120)
        for second in range(0, 60, 5):
            house.find(patient, second, ("AFIB",) if second in (10, 15, 40) else ())
    return house


def test_without_consent_nobody_is_in_it(ward: Any) -> None:
    cohort = Cohort(ward.engine, Query())
    assert (list(cohort.windows()), list(cohort.spans()), dict(cohort.left_out)) == ([], [], {"consent": 2})
    ward.agree("p-b", "research")
    assert Cohort(ward.engine, Query()).candidates == (), "another scope is another question"
    ward.agree("p-b")
    assert [c.patient for c in Cohort(ward.engine, Query()).candidates] == ["p-b"]
    both = Query(consent=("export", "training"))
    assert Cohort(ward.engine, both).candidates == (), "to every scope that is asked for"
    ward.agree("p-b", "training")
    assert [c.patient for c in Cohort(ward.engine, both).candidates] == ["p-b"]
    assert ward.consents.say(PatientId("p-b"), "export", False, by="ada", now_us=ward.T0 + 1)
    cohort = Cohort(ward.engine, both)
    assert (cohort.candidates, dict(cohort.left_out)) == ((), {"consent": 2}), "the newest word holds"


def test_windows_by_what_was_found(ward: Any) -> None:
    assert seconds(ward, conditions=["AFIB"], patients=["p-a"]) == [("p-a", 10), ("p-a", 15), ("p-a", 40)]
    assert len(seconds(ward)) == 24
    assert seconds(ward, conditions=["AFI"]) == [], "a code, not a part of one"
    assert seconds(ward, scores={"AFIB": [0.85, None]}, patients=["p-b"]) == [("p-b", s) for s in (10, 15, 40)]
    assert seconds(ward, scores={"AFIB": [0.85, None], "PVC": [0.5, 1]}) == []
    assert seconds(ward, scores={"NONE": [0, 1]}) == [], "what was not scored is not within"
    assert spans(ward, conditions=["AFIB"], patients=["p-a"]) == [("p-a", 10, 25), ("p-a", 40, 50)]


def test_codes_with_signs_that_a_pattern_would_read(house: Any) -> None:
    house.record("p-a", 0, 60)
    house.find("p-a", 0, ("ISC_", "PVC"))
    house.find("p-a", 10, ("ISCA",))
    assert seconds(house, conditions=["ISC_"]) == [("p-a", 0)]
    assert seconds(house, conditions=["%"]) == []


def test_windows_by_quality_rate_and_answer(house: Any) -> None:
    house.record("p-a", 0, 60)
    house.find("p-a", 0, quality=Quality(0.2, False), abstained=True, scores={}, heart_rate_bpm=None)
    house.find("p-a", 10, quality=Quality(0.8, True), heart_rate_bpm=140.0)
    house.find("p-a", 20, quality=Quality(0.95, True), scores={"AFIB": 0.5, "PVC": 0.5})
    assert seconds(house, sqi=[0.5, 0.9]) == [("p-a", 10)]
    assert seconds(house, usable=False) == [("p-a", 0)]
    assert seconds(house, abstained=False) == [("p-a", 10), ("p-a", 20)]
    assert seconds(house, heart_rate_bpm=[100, None]) == [("p-a", 10)]
    assert seconds(house, heart_rate_bpm=[None, None]) == [("p-a", 10), ("p-a", 20)]
    assert seconds(house, entropy=[0.9, 1]) == [("p-a", 20)]
    assert entropy({"A": 0.5, "B": 0.5}) == pytest.approx(1.0)
    assert entropy({"A": 0.0, "B": 1.0}) == pytest.approx(0.0, abs=1e-6)


def test_one_reading_of_each_window(house: Any) -> None:
    house.record("p-a", 0, 60)
    house.find("p-a", 0, ("AFIB",), model="m2", arrival_us=house.T0 + 99 * house.S)
    house.find("p-a", 0, ())
    assert seconds(house) == [("p-a", 0)]
    assert seconds(house, conditions=["AFIB"]) == [], "the first reading did not say so"
    assert seconds(house, conditions=["AFIB"], model="m2") == [("p-a", 0)]


def test_pages_lose_nothing(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house.record("p-a", 0, 60)
    for k in range(7):
        house.find("p-a", 5 * k)
    for page in (1, 2, 3, 7, 8):
        monkeypatch.setattr("storage.cohort._PAGE", page)
        assert seconds(house) == [("p-a", 5 * k) for k in range(7)]


def test_time_and_alarms(ward: Any) -> None:
    first = ward.alarm("p-a", 30, 4)
    ward.alarm("p-a", 100, None, "ASYSTOLE")
    ward.board.acknowledge(AlarmId(first), "ada", "false-artefact", ward.T0)
    near = {"conditions": ["VF"], "around_s": 5}
    assert seconds(ward, alarms=near) == [("p-a", s) for s in (20, 25, 30, 35)]
    assert spans(ward, alarms=near) == [("p-a", 25, 39)]
    assert spans(ward, alarms=near | {"reasons": ["true-actioned"]}) == []
    assert spans(ward, alarms=near | {"reasons": ["false-artefact"]}) == [("p-a", 25, 39)]
    still_on = {"conditions": ["ASYSTOLE"], "around_s": 10, "reasons": ["none"]}
    assert spans(ward, alarms=still_on) == [("p-a", 90, 120)], "an alarm that is on ends with the signal"
    since = "2026-11-16T09:10:31.123457"
    assert parse({"since": since}).since_us == ward.T0 + 20 * ward.S
    assert seconds(ward, since=since, until="2026-11-16T09:10:41+00:00", patients=["p-a"]) == [("p-a", 20), ("p-a", 25)]
    assert spans(ward, since=since, patients=["p-a"]) == [("p-a", 20, 120)]


def test_people(ward: Any) -> None:
    ward.describe("p-a", "north", "female", 1950)
    assert seconds(ward, sexes=["female"], conditions=["AFIB"])[0] == ("p-a", 10)
    assert {p for p, _ in seconds(ward, sexes=["unknown"])} == {"p-b"}
    assert {p for p, _ in seconds(ward, sites=["north"])} == {"p-a"}
    assert {p for p, _ in seconds(ward, age=[76, 76])} == {"p-a"}
    assert seconds(ward, age=[77, None]) == seconds(ward, age=[None, 75]) == []
    cohort = Cohort(ward.engine, parse({"consent": [], "sites": ["south"]}))
    assert (cohort.candidates, dict(cohort.left_out)) == ((), {"subject": 2})
    cohort = Cohort(ward.engine, parse({"consent": [], "patients": ["p-a", "p-aa"]}))
    assert ([c.patient for c in cohort.candidates], dict(cohort.left_out)) == (["p-a"], {"nobody knows": 1})


def test_a_draw_is_the_same_every_time(ward: Any) -> None:
    drawn = seconds(ward, sample=6, seed=3)
    assert drawn == seconds(ward, sample=6, seed=3) == sorted(drawn)
    assert len(drawn) == 6
    assert drawn != seconds(ward, sample=6, seed=4)
    capped = seconds(ward, per_patient=2)
    assert [p for p, _ in capped] == ["p-a", "p-a", "p-b", "p-b"]
    assert len(seconds(ward, per_patient=2, sample=3)) == 3
    assert seconds(ward, sample=1000) == seconds(ward)


def test_a_draw_is_uniform(ward: Any) -> None:
    """Each of 24 windows in 300 draws of 6: 75 times, give or take four standard deviations."""
    counts: dict[tuple[str, float], int] = dict.fromkeys(seconds(ward), 0)
    cohort = Cohort(ward.engine, parse({"consent": []}))
    windows = list(cohort.windows())
    for seed in range(300):
        cohort.query = Query(consent=(), sample=6, seed=seed)
        for c in cohort._drawn("sample", windows, 6):
            counts[c.patient, (c.t0_us - ward.T0) / ward.S] += 1
    assert all(45 <= n <= 105 for n in counts.values()), counts


def test_everything_of_everybody(ward: Any) -> None:
    assert spans(ward) == [("p-a", 0, 120), ("p-b", 0, 120)]
    assert not parse({}).by_window
    assert parse({"sample": 5}).by_window


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "cohort"),
        ({"condition": ["AFIB"]}, "condition"),
        ({"conditions": "AFIB"}, "conditions"),
        ({"sqi": [1]}, "sqi"),
        ({"sqi": [2, 1]}, "sqi"),
        ({"sqi": [float("nan"), 1]}, "sqi"),
        ({"scores": {"AFIB": "high"}}, "scores.AFIB"),
        ({"usable": 1}, "usable"),
        ({"sample": 0}, "sample"),
        ({"sample": 1.5}, "sample"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "until"),
        ({"consent": ["everything"]}, "scope"),
        ({"sexes": ["f"]}, "sexes"),
        ({"alarms": {"reason": []}}, "alarms"),
        ({"alarms": {"reasons": ["because"]}}, "alarms.reasons"),
        ({"alarms": {"around_s": -1}}, "alarms.around_s"),
    ],
)
def test_a_query_that_cannot_be(document: object, field: str) -> None:
    with pytest.raises(Poison) as refused:
        parse(document)
    assert refused.value.field == field


def test_a_query_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cohort.json"
    path.write_text(json.dumps({"conditions": ["AFIB"], "sqi": [0.5, None]}))
    assert read(path) == Query(conditions=("AFIB",), sqi=Range(0.5))
    path.write_text("{")
    with pytest.raises(Unreadable, match="not JSON"):
        read(path)
    with pytest.raises(Unreadable, match="No such file"):
        read(tmp_path / "none.json")


def test_what_is_told_of_a_query_names_nobody() -> None:
    query = parse({"patients": ["p-a"], "sites": ["north"], "since": "2026-11-16", "sqi": [0.5, None], "seed": 7})
    told = query.public()
    assert told == {
        "patients": 1,
        "sites": 1,
        "since": "given",
        "sqi": [0.5, None],
        "consent": ["export"],
        "seed": 7,
    }


def test_subjects_and_consents_are_checked(house: Any) -> None:
    nobody: Sequence[str] = ("p-none",)
    assert not house.consents.say(PatientId(nobody[0]), "export", True, by="ada", now_us=house.T0)
    house.record("p-a", 0, 10)
    with pytest.raises(Poison, match="scope"):
        house.consents.say(PatientId("p-a"), "sale", True, by="ada", now_us=house.T0)
    for site, sex, year in (("north ward", "female", 1950), ("", "f", 1950), ("", "other", 1850), ("", "other", 2030)):
        with pytest.raises(Poison):
            house.describe("p-a", site, sex, year)
    house.agree("p-a", "export", "research")
    assert [(c.scope, c.given) for c in house.consents.of(PatientId("p-a"))] == [("export", True), ("research", True)]
    assert len(house.consents.history(PatientId("p-a"))) == 2
    assert house.subjects.of(PatientId("p-a")) is None
